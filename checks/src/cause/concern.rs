//! What passes today and will hurt.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::about::{Owner, Whereabouts};
use super::coded::Coded;
use super::remedy::{Advice, Passage, Remedy, TRUST, say, word};
use super::{
    Because, Cause, Millis, NtpWeakness, Opinion, RouteEntry, Transport, dead_path, list,
    source_ports, span,
};

/// Something that passes today and will hurt.
#[derive(
    Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error, strum::EnumDiscriminants,
)]
#[strum_discriminants(
    name(ConcernCode),
    derive(
        Serialize,
        Deserialize,
        strum::EnumIter,
        strum::IntoStaticStr,
        strum::EnumString,
        Hash,
        PartialOrd,
        Ord
    ),
    serde(rename_all = "kebab-case"),
    strum(serialize_all = "kebab-case"),
    doc = "Stable name of a [`Concern`]; see `docs/causes.md`."
)]
#[serde(remote = "Self", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Concern {
    /// The path is open and nothing listens yet, before installation.
    #[error("path open; nothing listens yet")]
    PathOpen {
        /// What the step would be after installation.
        cause: Box<Cause>,
    },
    /// Nothing of this host's own listens yet, before installation.
    #[error("nothing listens here yet")]
    NothingListensYet {
        /// What the step would be after installation.
        cause: Box<Cause>,
    },
    /// Some addresses of the name work and some do not.
    #[error("{} of {of} addresses fail: {}", failed.len(), list(failed))]
    SomeAddressesFail {
        /// Each failing address with its sentence.
        failed: Vec<String>,
        /// How many addresses the name has.
        of: usize,
    },
    /// The name took long to resolve, which every program here feels.
    #[error("{name} takes {took} to resolve{}", because(servers))]
    NameSlow {
        /// The name.
        name: String,
        /// How long the answer took.
        #[serde(rename = "took_ms")]
        took: Millis,
        /// The DNS servers that do not answer as they should.
        servers: Vec<Opinion>,
    },
    /// A connection on which nobody speaks is closed after a while, in the peer's name.
    #[error("a silent connection is closed after {}; longer silence was not tested", span(after.0.as_secs()))]
    IdleEnded {
        /// How long it was silent.
        #[serde(rename = "after_ms")]
        after: Millis,
    },
    /// The address from which mail is sent has no name in the DNS.
    #[error("{address}, from which mail is sent, has no name in the DNS (PTR)")]
    ReverseNameMissing {
        /// The address, as the mail server sees it.
        address: IpAddr,
    },
    /// The name of an address in the DNS does not lead back to it.
    #[error("{address} is called {name} in the DNS (PTR), which {}", leads(leads_to))]
    ReverseNameElsewhere {
        /// The address.
        address: IpAddr,
        /// What the DNS calls it.
        name: String,
        /// The addresses that the name has.
        leads_to: Vec<String>,
    },
    /// It answers, and on this machine itself.
    #[error("answers on this machine itself: {name} is {address} ({origin})")]
    PeerIsLoopback {
        /// The peer's name.
        name: String,
        /// The first of its addresses.
        address: IpAddr,
        /// Where that came from: `/etc/hosts:2`, `DNS`.
        origin: String,
    },
    /// A VPN should carry it, and it leaves by no tunnel.
    #[error("not through the VPN: the route to {to} is \"{route}\", which is not a tunnel")]
    OutsideVpn {
        /// The VPN's gateway, as it was given.
        vpn: String,
        /// Whom the packets are for.
        to: IpAddr,
        /// The entry by which they leave.
        route: RouteEntry,
    },
    /// Of the ways of which one suffices, another is answered, and does not work.
    #[error("works, but {way} does not: {failed}")]
    OtherWayFails {
        /// Its protocol and port: "https 443".
        way: String,
        /// What failed there, as a sentence.
        failed: String,
    },
    /// The certificate ends soon.
    #[error("certificate ends in {days} days ({not_after})")]
    CertificateEndsSoon {
        /// Whole days left.
        days: i64,
        /// Last moment of validity, RFC 3339.
        not_after: String,
    },
    /// The certificate cannot be verified, and this flow's clients usually do not.
    #[error("certificate not trusted: {because}")]
    CertificateUnverified {
        /// The cause it would be elsewhere.
        #[serde(alias = "reason")]
        because: Because,
    },
    /// The certificate names its host in the common name alone.
    #[error(
        "certificate has {name} as its common name only: OpenSSL's clients accept that, others refuse it"
    )]
    CertificateCommonNameOnly {
        /// The common name.
        name: String,
    },
    /// OpenSSL's clients agree with the server on TLS that this tool does not speak.
    #[error(
        "OpenSSL's clients speak this, preflight does not: nothing behind TLS was asked{}",
        if *.shows_certificate { "" } else { ", nor the certificate seen" }
    )]
    TlsNotSpoken {
        /// Version, cipher suite and group.
        agreed: String,
        /// Was the certificate shown in clear text, and good?
        shows_certificate: bool,
    },
    /// The server does not know secure renegotiation.
    #[error(
        "no secure renegotiation (RFC 5746): clients of OpenSSL 3 refuse it, those of OpenSSL 1 connect"
    )]
    TlsOldRenegotiation,
    /// The answer came only after asking again.
    #[error("answered only at try {tries}: packets are lost or limited")]
    PacketLoss {
        /// How often it was asked.
        tries: usize,
    },
    /// The answer came from another address than the one asked.
    #[error("answers from {}, not from where it was asked: firewalls and NAT drop such answers", elsewhere(*.by, *.port))]
    AnswersFromElsewhere {
        /// The address that answered.
        by: IpAddr,
        /// Its port, if that is not the one asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// Asked several times, it answered only some of them.
    #[error("answered {answered} of {asked} questions: packets are lost or limited")]
    AnswersMissing {
        /// Answers that came.
        answered: usize,
        /// Questions that were asked.
        asked: usize,
    },
    /// Segments had to be sent again.
    #[error("packets are lost: TCP had to send {segments} again")]
    TcpLosses {
        /// Segments that were sent again.
        segments: u32,
    },
    /// It works, and from some ports of ours nothing gets through.
    #[error("works, but {} ({})", dead_path(*.transport, open, dead), source_ports(dead))]
    SomePortsDead {
        /// Over TCP or UDP.
        transport: Transport,
        /// Ports of ours from which it answered each time.
        open: Vec<u16>,
        /// Ports of ours from which it never did.
        dead: Vec<u16>,
    },
    /// The answer came, and took long.
    #[error("slow: an answer takes {took}")]
    SlowAnswer {
        /// How long the answer took.
        #[serde(rename = "took_ms")]
        took: Millis,
    },
    /// The way there and back takes long.
    #[error("slow: a round trip takes {took}")]
    SlowRoundTrip {
        /// How long the answer took.
        #[serde(rename = "took_ms")]
        took: Millis,
    },
    /// Somebody on the way ends the connection and makes one of its own.
    #[error(
        "something on the way takes the connection to {to} and makes its own: segments of {sent} bytes were offered here, of {came} there"
    )]
    ConnectionRelayed {
        /// Where it was made to.
        to: SocketAddr,
        /// The segment size that was offered, bytes.
        sent: u16,
        /// The one that came, bytes.
        came: u16,
    },
    /// Who answers inside TLS shows another certificate than the far side has.
    #[error(
        "something on the way ends TLS in the name of {to}: here a certificate of {issuer} is shown, there it is one of {there}"
    )]
    TlsRelayed {
        /// In whose name.
        to: SocketAddr,
        /// Who signed what is shown here.
        issuer: String,
        /// Who signed what the far side has.
        there: String,
    },
    /// The time server is far from a good clock.
    #[error("time source is weak: {how}")]
    NtpWeakSource {
        /// What is weak about it.
        #[serde(alias = "reason")]
        how: NtpWeakness,
    },
    /// DNS over TCP does not work.
    #[error("TCP 53 does not answer ({because}): large answers will fail")]
    DnsUdpOnly {
        /// Why it does not.
        #[serde(alias = "reason")]
        because: Because,
    },
    /// The server answers the names needed from its own zones.
    #[error("answers from its own zones only; names beyond them will fail")]
    DnsOwnZonesOnly,
    /// The server has addresses for names that do not exist.
    #[error("answers names that do not exist, with {addresses}")]
    DnsMadeUp {
        /// The addresses, with commas between.
        addresses: String,
    },
    /// The server resolves other names this role needs, and not this one.
    #[error("{cause}, and resolves other names")]
    DnsNameFails {
        /// What it is for this name.
        cause: Box<Cause>,
    },
    /// Something on the way cannot carry EDNS.
    #[error("answers only without EDNS: a device on the way drops the option")]
    DnsWithoutEdns,
    /// No STARTTLS.
    #[error("no STARTTLS: mail travels in plain text")]
    SmtpNoStarttls,
    /// The greeting came late.
    #[error("the mail server greets after {took} only")]
    SmtpSlowGreeting {
        /// How long until the whole greeting was there.
        #[serde(rename = "took_ms")]
        took: Millis,
    },
    /// A device on the way rewrites the conversation, and lets it pass.
    #[error("a device on the way masks the mail server's answers ({line})")]
    SmtpMasked {
        /// The masked line.
        line: String,
    },
    /// Neither TLS nor StartTLS.
    #[error("no StartTLS: passwords travel in plain text")]
    LdapNoStarttls,
    /// No TLS there, so that the password stayed here.
    #[error("no TLS there: the password was not sent, the bind not tested")]
    LdapPasswordKept,
    /// Another directory has refused the password; it is not tried twice.
    #[error("the bind was not tried: another directory refused the password")]
    LdapBindWithheld,
    /// The directory answers everything but lets nobody look without a bind.
    #[error("works, but without credentials nothing more could be tested")]
    LdapNotBound,
    /// The broker's gRPC transport.
    #[error("the broker speaks gRPC here; the poller's output must too")]
    BbdoGrpc,
    /// The poller wants TLS, and the broker does not offer it: they go on without.
    #[error(
        "this poller is configured for TLS and the broker does not offer it: data travels in clear text"
    )]
    BbdoTlsNotOffered,
    /// The broker has TLS, and the poller does without.
    #[error(
        "the broker offers TLS and this poller is configured without: data travels in clear text"
    )]
    BbdoTlsNotAsked,
    /// A file of the poller's output may not be read here.
    #[error("{file} could not be read here ({why}), so what it is for was not tested")]
    BbdoFileUnread {
        /// The file that could not be read.
        file: String,
        /// The reason, in words.
        why: String,
    },
    /// The broker took long to answer.
    #[error("the broker took {took}: something connects to it without speaking")]
    BbdoSlow {
        /// How long until its answer.
        #[serde(rename = "took_ms")]
        took: Millis,
    },
    /// BBDO 2 still answers.
    #[error("the broker is configured for BBDO {version}, deprecated since 25.10")]
    BbdoOld {
        /// The version that it names.
        version: String,
    },
    /// The agent's view is small.
    #[error("the agent's view lacks parts of the system group")]
    SnmpSmallView,
    /// Reachability was shown, the credentials were not tested.
    #[error("agent reached; no community or user given, so reading was not tested")]
    SnmpNotRead,
    /// The web server is there, and its clients need another one too.
    #[error("sends its clients on elsewhere, to be reached too: {location}")]
    HttpSendsElsewhere {
        /// Where to, without a query.
        location: String,
    },
    /// The directory takes the password, and says when it will take it no longer.
    #[error("the bind's password {}", match (.days, .grace) {
        (Some(days), _) => format!("expires in {days} days"),
        (None, Some(binds)) => format!("has expired: {binds} more binds are taken"),
        (None, None) => "expires".to_owned(),
    })]
    LdapPasswordExpires {
        /// How long it is still good.
        days: Option<i64>,
        /// Binds that are taken after its end.
        grace: Option<i64>,
    },
    /// NSClient++ was reached, its password was not tested.
    #[error("NSClient++ wants a password for more; none given")]
    NsclientNotRead,
    /// NSClient++ was reached, and its certificate is not one to send a password to.
    #[error("the password was not sent there, and reading was not tested")]
    NsclientPasswordKept,
    /// NRPE has no certificate: its TLS is one that this tool does not speak.
    #[error(
        "NRPE has no certificate (anonymous Diffie-Hellman), and preflight does not speak such TLS: nothing inside was asked"
    )]
    NrpeAnonymous,
    /// NRPE answers without TLS.
    #[error(
        "NRPE answers in plain text only: check_nrpe needs -n, and everybody on the way reads along"
    )]
    NrpePlain,
    /// The agent on NSClient's old port asks for a password, and none was given.
    #[error("NSClient asks for a password; none was given, so the log-in was not tested")]
    NsclientNtNotRead,
    /// The receiver of monitoring agents asks for a token, and none was given.
    #[error("gRPC asks for a token; none was given, so an agent's token was not tested")]
    OtlpNotRead,
    /// A gRPC server without the service that takes metrics.
    #[error(
        "gRPC answers, and has no service for metrics: is this the receiver of monitoring agents?"
    )]
    OtlpNoMetrics,
    /// A port of the flow table accepts connections, and no question of its protocol was asked.
    #[error("the service is not proved")]
    Unproved,
    /// Redis asks for a password, and none was given.
    #[error("Redis asks for a password; none was given, so its answers were not tested")]
    RedisNotRead,
    /// A replica takes no changes.
    #[error("this Redis is a replica: it refuses to write (READONLY)")]
    RedisReplica,
    /// The server asks for TLS and we did not get past its greeting.
    #[error("the server accepts only encrypted connections")]
    TlsRequired,
}

/// "10.0.0.4" or "10.0.0.4 port 1124".
fn elsewhere(by: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| by.to_string(), |port| format!("{by} port {port}"))
}

/// "is 10.0.0.4" or "has no address"
fn leads(to: &[String]) -> String {
    if to.is_empty() { "has no address".to_owned() } else { format!("is {}", list(to)) }
}

/// ": 10.0.0.52: no answer"
fn because(servers: &[Opinion]) -> String {
    if servers.is_empty() {
        return String::new();
    }
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    format!(": {}", list(&servers))
}

impl Serialize for Concern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.coded().serialize(to)
    }
}

impl TryFrom<Coded> for Concern {
    type Error = serde_json::Error;

    fn try_from(coded: Coded) -> Result<Self, Self::Error> {
        coded.read(Self::deserialize)
    }
}

impl<'de> Deserialize<'de> for Concern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Coded::deserialize(from)?.try_into().map_err(serde::de::Error::custom)
    }
}

impl Concern {
    /// Its code and its facts, as a report keeps them.
    #[must_use]
    pub fn coded(&self) -> Coded {
        Coded::of(Self::serialize(self, serde_json::value::Serializer))
            .unwrap_or_else(|_| Coded { code: self.code().to_owned(), ..Coded::default() })
    }

    /// Name used in reports and in `docs/causes.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        ConcernCode::from(self).into()
    }

    /// Who has to act.
    #[must_use]
    pub fn owner(&self) -> Owner {
        use Owner::{FarSide, Nobody, ThisHost};
        let network = Owner::Network(Whereabouts::Unknown);
        match self {
            // That is what the installation is for.
            Self::PathOpen { .. } | Self::NothingListensYet { .. } => Nobody,
            Self::SomeAddressesFail { .. }
            | Self::OtherWayFails { .. }
            | Self::CertificateEndsSoon { .. } => FarSide,
            Self::NameSlow { .. } | Self::PeerIsLoopback { .. } | Self::OutsideVpn { .. } => {
                ThisHost
            }
            Self::IdleEnded { .. } => FarSide,
            Self::ReverseNameMissing { .. } | Self::ReverseNameElsewhere { .. } => ThisHost,
            Self::CertificateUnverified { .. } => ThisHost,
            Self::TlsOldRenegotiation | Self::DnsNameFails { .. } => FarSide,
            Self::CertificateCommonNameOnly { .. } => FarSide,
            Self::TlsNotSpoken { .. } => ThisHost,
            Self::PacketLoss { .. } => network,
            Self::AnswersFromElsewhere { .. } => FarSide,
            Self::AnswersMissing { .. } | Self::TcpLosses { .. } => network,
            Self::SomePortsDead { .. }
            | Self::SlowRoundTrip { .. }
            | Self::ConnectionRelayed { .. }
            | Self::TlsRelayed { .. } => network,
            Self::SlowAnswer { .. } => FarSide,
            Self::NtpWeakSource { .. } => FarSide,
            Self::DnsUdpOnly { .. } | Self::DnsOwnZonesOnly | Self::DnsMadeUp { .. } => FarSide,
            Self::DnsWithoutEdns => network,
            Self::SmtpNoStarttls | Self::SmtpSlowGreeting { .. } => FarSide,
            Self::SmtpMasked { .. } => network,
            Self::LdapNoStarttls => FarSide,
            Self::LdapPasswordKept => FarSide,
            Self::LdapPasswordExpires { .. } => FarSide,
            Self::LdapBindWithheld | Self::LdapNotBound => ThisHost,
            Self::BbdoGrpc | Self::BbdoTlsNotAsked | Self::BbdoFileUnread { .. } => ThisHost,
            Self::BbdoTlsNotOffered | Self::BbdoSlow { .. } | Self::BbdoOld { .. } => FarSide,
            Self::SnmpSmallView => FarSide,
            Self::SnmpNotRead => ThisHost,
            Self::HttpSendsElsewhere { .. } => ThisHost,
            Self::NsclientNotRead | Self::NsclientPasswordKept | Self::TlsRequired => ThisHost,
            Self::NrpeAnonymous | Self::NrpePlain | Self::NsclientNtNotRead => ThisHost,
            Self::Unproved | Self::OtlpNotRead | Self::OtlpNoMetrics => ThisHost,
            Self::RedisNotRead | Self::RedisReplica => ThisHost,
        }
    }

    /// Who has to act on this passage, and what they do.
    ///
    /// Where some of what was asked is stopped, that is asked for: of whoever stands in the way.
    #[must_use]
    pub fn remedy(&self, passage: &Passage<'_>) -> (Owner, Remedy) {
        let is_partly_stopped =
            matches!(self, Self::SomeAddressesFail { .. } | Self::DnsUdpOnly { .. });
        if let Some(first) = passage.asked_for.first().filter(|_| is_partly_stopped) {
            let all: Vec<&str> =
                passage.asked_for.iter().map(|demand| demand.what.as_str()).collect();
            return (first.of, Remedy::in_words(first.of.who(passage.target), all.join("; ")));
        }
        let owner = passage.owner(self.owner());
        (owner, self.advice(passage).of(owner, passage.target))
    }

    #[allow(clippy::too_many_lines)] // A table, in the order of the enum.
    fn advice(&self, passage: &Passage<'_>) -> Advice {
        let (from, target, to) = (passage.from(), passage.target, passage.address());
        let at = word(&to);
        match self {
            Self::PathOpen { .. } | Self::NothingListensYet { .. } => {
                say("install; then run preflight again")
                    .by("nobody: it is to be installed".to_owned())
            }
            Self::SomeAddressesFail { .. } => say(format!(
                "start the service on every address of {target}, or take the others out of its name"
            )),
            Self::NameSlow { name, .. } => say(
                "take the name server that does not answer out of /etc/resolv.conf, or repair it: ",
            )
            .here(format!("getent ahosts {}", word(name))),
            Self::ReverseNameMissing { address } => {
                say(format!("give {address} a PTR record whose name leads back to it: "))
                    .here(format!("dig -x {address}"))
            }
            Self::ReverseNameElsewhere { address, name, .. } => say(format!(
                "correct the PTR record of {address}, or the address of {name}: "
            ))
            .here(format!("dig -x {address}; dig {}", word(name))),
            Self::PeerIsLoopback { name, origin, .. } => {
                say(format!("correct the address of {name} ({origin}), if it is not this machine"))
            }
            Self::OutsideVpn { vpn, to, .. } => {
                say(format!("have the VPN carry a route to {to}, then: "))
                    .here(format!("ip route get {at}"))
                    .then(&format!(
                        "; if the tunnel to {vpn} does not begin on this host, or no VPN is meant, leave --vpn out"
                    ))
            }
            Self::OtherWayFails { .. } => say(format!(
                "have {target} serve that way too, or use the one that works everywhere"
            )),
            Self::CertificateEndsSoon { .. } => {
                say("renew it with its whole chain, then check: ").there(passage.openssl())
            }
            Self::CertificateUnverified { .. } => say(TRUST).here(passage.openssl()),
            Self::CertificateCommonNameOnly { name } => {
                say(format!("have it issued anew with {name} as a subject alternative name"))
            }
            Self::TlsNotSpoken { .. } => {
                say("ask by hand what preflight cannot: ").here(passage.openssl())
            }
            Self::TlsOldRenegotiation => say("update its TLS library: RFC 5746 is of 2010"),
            Self::IdleEnded { .. } => say(format!(
                "see who closes it: {target} itself, or a proxy before it (HAProxy: `timeout client` and `timeout server`)"
            )),
            Self::PacketLoss { .. } | Self::AnswersMissing { .. } | Self::TcpLosses { .. } => {
                say("look for loss on the way: ")
                    .here(format!("ping -c 100 -i 0.2 {at}; mtr -n {at}"))
            }
            Self::AnswersFromElsewhere { .. } => say(format!(
                "let it answer from {to}, the address that is asked (net-snmp: agentaddress {to})"
            )),
            Self::SomePortsDead { .. } => say(format!(
                "look at the members of the bundles and the equal-cost routes between {from} and {target}: one is up and carries nothing"
            )),
            Self::SlowAnswer { .. } => say(
                "see what it waits for there (a resolver it asks, a full processor), or how far it is: ",
            )
            .there(format!("ping -c 10 {at}")),
            Self::SlowRoundTrip { .. } => say("see where the time goes, ")
                .here(format!("mtr -n {at}"))
                .then("; on a satellite link it is the distance: raise the timeouts of what is checked over it"),
            Self::ConnectionRelayed { to, .. } => say(format!(
                "find the device on the way to {to} that ends TCP (transparent proxy, WAN optimiser, inspection), and have it let {} pass as it is: it decides what travels, and for how long an idle connection stays",
                passage.own_rule()
            )),
            Self::TlsRelayed { to, .. } => say(format!(
                "exempt {to} from TLS inspection for {from}: whoever ends TLS reads what is said inside, passwords and tokens too"
            )),
            Self::NtpWeakSource { .. } => {
                say("give it better sources of time")
                    .on_that_machine("chronyc sources -v; chronyc tracking")
            }
            Self::DnsUdpOnly { .. } => say(format!("serve {from} over TCP 53 too")),
            Self::DnsOwnZonesOnly => say(format!(
                "allow recursion for {from} on {target}, or use a name server that resolves for everybody here"
            )),
            Self::DnsMadeUp { .. } => say(
                "switch off what answers names that do not exist (dnsmasq: address=/#/; a provider's search page; the login of a guest network), or use another name server; a mistyped name is not noticed otherwise",
            ),
            Self::DnsNameFails { .. } => {
                say(format!("repair that name on {target}, or take it out of the site's settings"))
            }
            Self::DnsWithoutEdns => say(
                "let DNS packets with EDNS pass whole (Cisco ASA: message-length maximum client auto)",
            ),
            Self::SmtpNoStarttls => {
                say("offer STARTTLS (postfix: smtpd_tls_security_level = may)")
            }
            Self::SmtpSlowGreeting { .. } => say(format!(
                "look up {from} at once: give it a PTR record, or exempt it from postscreen's wait"
            )),
            Self::SmtpMasked { .. } => say(
                "switch SMTP inspection off on the firewall in between (ASA: no inspect esmtp)",
            ),
            Self::LdapNoStarttls => say("offer StartTLS, or LDAPS on 636"),
            Self::LdapPasswordKept => {
                say("offer StartTLS, or LDAPS on 636; --ldap-plain tests the bind without")
            }
            Self::LdapBindWithheld => {
                say("repair bind DN and password first; then run preflight again")
            }
            Self::LdapNotBound => {
                say("give --ldap-bind-dn and PREFLIGHT_LDAP_PASSWORD to have the bind tested too")
            }
            Self::BbdoGrpc => say(
                "choose gRPC in the poller's broker output too (Configuration > Pollers > Broker configuration), export, restart centengine",
            ),
            Self::BbdoTlsNotOffered => say(
                "switch encryption on in the central's broker input, export, systemctl restart cbd",
            ),
            Self::BbdoTlsNotAsked => say(
                "switch encryption on in this poller's broker output too, export, restart centengine",
            ),
            Self::BbdoFileUnread { .. } => say(
                "run preflight as root or as centreon-engine to have these files tested too",
            ),
            Self::BbdoSlow { .. } => {
                say("see who connects without speaking")
                    .on_that_machine(format!("ss -tnp 'sport = :{}'", passage.port()))
            }
            Self::BbdoOld { .. } => say(
                "choose BBDO 3 in every broker configuration, export, restart cbd and centengine",
            ),
            Self::SnmpSmallView => {
                say("let this community or user read 1.3.6.1.2.1 (snmpd: view and access lines)")
            }
            Self::SnmpNotRead => say(
                "give --snmp-community-file FILE (or PREFLIGHT_SNMP_COMMUNITY), or --snmp-user NAME, to have reading tested too",
            ),
            Self::HttpSendsElsewhere { location } => {
                say(format!("check that host too: --http {location}"))
            }
            Self::LdapPasswordExpires { .. } => say(
                "exempt the account from expiry, or set a new password in time, there and in Centreon",
            ),
            Self::NsclientNotRead => say(
                "give --nsclient-password-file FILE (or PREFLIGHT_NSCLIENT_PASSWORD) to have a question tested too",
            ),
            Self::NsclientPasswordKept => say(
                "trust its certificate (--ca FILE), or give --nsclient-insecure, to have a question tested too",
            ),
            Self::NrpeAnonymous => say("ask by hand what preflight cannot: ")
                .here(format!(
                    "/usr/lib/nagios/plugins/check_nrpe -H {} -p {}",
                    word(target),
                    passage.port()
                ))
                .then("; with ssl_cert_file and ssl_privatekey_file in nrpe.cfg it can"),
            Self::NrpePlain => say(
                "give the check command -n, or start the daemon without -n and give it a certificate (ssl_cert_file in nrpe.cfg)",
            ),
            Self::NsclientNtNotRead => say(
                "give --nsclient-nt-password-file FILE (or PREFLIGHT_NSCLIENT_NT_PASSWORD) to have it tested too; it travels in plain text",
            ),
            Self::OtlpNotRead => say(
                "give --otlp-token-file FILE (or PREFLIGHT_OTLP_TOKEN) to have it tested too; to a trusted certificate only (otlps://)",
            ),
            Self::OtlpNoMetrics => say(format!(
                "ask the administrator of {target} which program listens on {} {}; an agent that waits for its poller looks like this too",
                passage.transport,
                passage.port()
            )),
            Self::Unproved => say(format!(
                "try it from this host with its own client, or ask the administrator of {target} what listens on {} {}",
                passage.transport,
                passage.port()
            )),
            Self::RedisNotRead => say("have whoever uses it log in from this host: ").here(format!(
                "redis-cli -h {} -p {} --askpass PING",
                word(target),
                passage.port()
            )),
            Self::RedisReplica => say("name the master instead, if something writes to it: ")
                .here("redis-cli INFO replication"),
            Self::TlsRequired => say(
                "set clients of this database to use TLS (MariaDB: ssl; PostgreSQL: sslmode=require)",
            ),
        }
    }
}
