//! What to do next: the exact command, or the exact request to the other team.
//!
//! One line for the row of the table; `docs/causes.md` has the whole story.

use std::net::{IpAddr, SocketAddr};

use preflight_checks::{
    AgentCause, BbdoCause, Cause, ChainLink, Concern, DatabaseCause, DnsCause, DropSign,
    GorgoneCause, LdapCause, NameCause, NsclientCause, NtpCause, OwnCause, Owner, PathCause, Plea,
    PortCause, RouteCause, SmtpCause, SnmpCause, SshCause, SshPart, TalkCause, TlsCause, Transport,
    WebCause,
};
use serde::{Deserialize, Serialize};

use crate::catalogue::service;
use crate::run::wish::{Barrier, Opening, Wish};

/// Where a failed question was going; what a request to another team must name.
#[derive(Clone, Debug)]
pub(crate) struct Passage<'a> {
    /// The address we ask from, when a socket told.
    pub(crate) from: Option<IpAddr>,
    /// The same behind address translation, when that is known.
    pub(crate) seen_as: Option<IpAddr>,
    /// Address and port, when the name could be resolved.
    pub(crate) to: Option<SocketAddr>,
    /// The target as configured.
    pub(crate) target: &'a str,
    /// The flow's id.
    pub(crate) flow: &'a str,
    /// The protocol's name.
    pub(crate) protocol: &'a str,
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// The port.
    pub(crate) port: u16,
    /// What to run on the far side when nothing listens there.
    pub(crate) look_at: &'a str,
    /// Where the target came from.
    pub(crate) origin: String,
    /// What the whole step asks for.
    pub(crate) asked_for: &'a [Wish],
    /// The server that is meant, and its port, where the target is a proxy on the way to it.
    pub(crate) behind: Option<(String, u16)>,
}

/// Who acts, and what to ask of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remedy {
    /// "network team, device 10.9.0.1"
    pub(crate) who: String,
    /// What they do, or are asked for.
    pub(crate) what: String,
}

/// The remedy of `cause` on this passage.
pub(crate) fn remedy(cause: &Cause, passage: &Passage<'_>) -> Remedy {
    match &passage.behind {
        // What a server behind a proxy gets wrong is not the proxy's.
        Some((server, port)) if is_of_the_server(cause) => {
            let to_server = Passage { target: server, to: None, port: *port, ..passage.clone() };
            Remedy { who: who(cause, &to_server), what: what(cause, &to_server) }
        }
        _ => Remedy { who: who(cause, passage), what: what(cause, passage) },
    }
}

/// Is it whoever runs the server that acts, if a proxy stands before it?
fn is_of_the_server(cause: &Cause) -> bool {
    let is_before_the_tunnel = matches!(
        cause,
        Cause::Web(WebCause::ProxyUnreachable { .. })
            | Cause::Port(PortCause::PortClosed { .. })
            | Cause::Path(
                PathCause::TargetRejected { .. }
                    | PathCause::PortSilentOnSegment { .. }
                    | PathCause::NoNeighbour { .. }
            )
    );
    cause.owner() == Owner::FarSide && !is_before_the_tunnel
}

/// The remedy of what passes and will hurt.
///
/// Where some of what was asked is stopped, that is asked for: of whoever stands in the way.
pub(crate) fn remedy_of_concern(concern: &Concern, passage: &Passage<'_>) -> (Owner, Remedy) {
    let is_partly_stopped =
        matches!(concern, Concern::SomeAddressesFail { .. } | Concern::DnsUdpOnly { .. });
    let wishes = passage.asked_for.iter().filter(|_| is_partly_stopped);
    let asked: Vec<&Wish> = wishes.collect();
    if let Some(first) = asked.first() {
        let what: Vec<String> = asked.iter().map(|wish| wish.request()).collect();
        let remedy = Remedy { who: first.at.who(passage.target), what: what.join("; ") };
        return (first.at.owner(), remedy);
    }
    let owner = concern.owner();
    let who = match owner {
        Owner::Nobody => "nobody: it is to be installed".to_owned(),
        owner => Barrier::of(owner).who(passage.target),
    };
    (owner, Remedy { who, what: what_of_concern(concern, passage) })
}

#[allow(clippy::too_many_lines)] // A table, in the order of the enum.
fn what_of_concern(concern: &Concern, passage: &Passage<'_>) -> String {
    let to = passage.to.map_or_else(|| passage.target.to_owned(), |to| to.ip().to_string());
    match concern {
        Concern::PathOpen { .. } | Concern::NothingListensYet { .. } => {
            "install; then run preflight again".to_owned()
        }
        Concern::SomeAddressesFail { .. } => {
            format!("start the service on every address of {}, or take the others out of its name", passage.target)
        }
        Concern::OtherWayFails { .. } => {
            format!("have {} serve that way too, or use the one that works everywhere", passage.target)
        }
        Concern::CertificateEndsSoon { .. } => {
            format!("renew it with its whole chain, then check: {}", passage.openssl())
        }
        Concern::CertificateUnverified { .. } => format!(
            "if it is the right one, trust it: preflight --ca FILE, and for the platform the system's store (update-ca-trust, update-ca-certificates); {}",
            passage.openssl()
        ),
        Concern::NameSlow { name, .. } => format!(
            "take the name server that does not answer out of /etc/resolv.conf, or repair it: getent ahosts {name}"
        ),
        Concern::PeerIsLoopback { name, origin, .. } => {
            format!("correct the address of {name} ({origin}), if it is not this machine")
        }
        Concern::OutsideVpn { vpn, to, .. } => format!(
            "have the VPN carry a route to {to}, then: ip route get {to}; if the tunnel to {vpn} does not begin on this host, or no VPN is meant, leave --vpn out"
        ),
        Concern::TlsOldRenegotiation => {
            "update its TLS library: RFC 5746 is of 2010".to_owned()
        }
        Concern::DnsNameFails { .. } => {
            format!("repair that name on {}, or take it out of the site's settings", passage.target)
        }
        Concern::CertificateCommonNameOnly { name } => {
            format!("have it issued anew with {name} as a subject alternative name")
        }
        Concern::TlsNotSpoken { .. } => format!("ask by hand what preflight cannot: {}", passage.openssl()),
        Concern::LdapPasswordKept => {
            "offer StartTLS, or LDAPS on 636; --ldap-plain tests the bind without".to_owned()
        }
        Concern::LdapBindWithheld => {
            "repair bind DN and password first; then run preflight again".to_owned()
        }
        Concern::NsclientPasswordKept => {
            "trust its certificate (--ca FILE), or give --nsclient-insecure, to have a question tested too".to_owned()
        }
        Concern::PacketLoss { .. }
        | Concern::AnswersMissing { .. }
        | Concern::TcpLosses { .. } => {
            format!("look for loss on the way: ping -c 100 -i 0.2 {to}; mtr -n {to}")
        }
        Concern::SlowAnswer { .. } => format!(
            "see what that machine waits for (a resolver it asks, a full processor), or how far it is: ping -c 10 {to}"
        ),
        Concern::SlowRoundTrip { .. } => format!(
            "see where the time goes, mtr -n {to}; on a satellite link it is the distance: raise the timeouts of what is checked over it"
        ),
        Concern::SomePortsDead { .. } => format!(
            "look at the members of the bundles and the equal-cost routes between {} and {}: one is up and carries nothing",
            passage.from(),
            passage.target
        ),
        Concern::AnswersFromElsewhere { .. } => {
            format!("let it answer from {to}, the address that is asked (net-snmp: agentaddress {to})")
        }
        Concern::NtpWeakSource { .. } => {
            "give it better sources of time; on that machine: chronyc sources -v; chronyc tracking".to_owned()
        }
        Concern::DnsUdpOnly { .. } => {
            format!("serve {} over TCP 53 too", passage.from())
        }
        Concern::DnsOwnZonesOnly => format!(
            "allow recursion for {} on {}, or use a name server that resolves for everybody here",
            passage.from(),
            passage.target
        ),
        Concern::DnsWithoutEdns => {
            "let DNS packets with EDNS pass whole (Cisco ASA: message-length maximum client auto)".to_owned()
        }
        Concern::SmtpNoStarttls => "offer STARTTLS (postfix: smtpd_tls_security_level = may)".to_owned(),
        Concern::SmtpSlowGreeting { .. } => format!(
            "look up {} at once: give it a PTR record, or exempt it from postscreen's wait",
            passage.from()
        ),
        Concern::SmtpMasked { .. } => {
            "switch SMTP inspection off on the firewall in between (ASA: no inspect esmtp)".to_owned()
        }
        Concern::LdapNoStarttls => "offer StartTLS, or LDAPS on 636".to_owned(),
        Concern::LdapPasswordExpires { .. } => {
            "exempt the account from expiry, or set a new password in time, there and in Centreon".to_owned()
        }
        Concern::LdapNotBound => {
            "give --ldap-bind-dn and PREFLIGHT_LDAP_PASSWORD to have the bind tested too".to_owned()
        }
        Concern::BbdoGrpc => {
            "choose gRPC in the poller's broker output too (Configuration > Pollers > Broker configuration), export, restart centengine".to_owned()
        }
        Concern::BbdoTlsNotOffered => {
            "switch encryption on in the central's broker input, export, systemctl restart cbd".to_owned()
        }
        Concern::BbdoTlsNotAsked => {
            "switch encryption on in this poller's broker output too, export, restart centengine".to_owned()
        }
        Concern::BbdoFileUnread { .. } => {
            "run preflight as root or as centreon-engine to have these files tested too".to_owned()
        }
        Concern::BbdoSlow { .. } => format!(
            "see who connects without speaking; on that machine: ss -tnp 'sport = :{}'",
            passage.asked_port()
        ),
        Concern::BbdoOld { .. } => {
            "choose BBDO 3 in every broker configuration, export, restart cbd and centengine".to_owned()
        }
        Concern::SnmpSmallView => {
            "let this community or user read 1.3.6.1.2.1 (snmpd: view and access lines)".to_owned()
        }
        Concern::SnmpNotRead => {
            "give --snmp-community-file FILE (or PREFLIGHT_SNMP_COMMUNITY), or --snmp-user NAME, to have reading tested too".to_owned()
        }
        Concern::HttpSendsElsewhere { location } => format!("check that host too: --http {location}"),
        Concern::NsclientNotRead => {
            "give --nsclient-password-file FILE (or PREFLIGHT_NSCLIENT_PASSWORD) to have a question tested too".to_owned()
        }
        Concern::NrpeAnonymous => format!(
            "ask by hand what preflight cannot: /usr/lib/nagios/plugins/check_nrpe -H {} -p {}; with ssl_cert_file and ssl_privatekey_file in nrpe.cfg it can",
            passage.target,
            passage.asked_port()
        ),
        Concern::NrpePlain => {
            "give the check command -n, or start the daemon without -n and give it a certificate (ssl_cert_file in nrpe.cfg)".to_owned()
        }
        Concern::NsclientNtNotRead => {
            "give --nsclient-nt-password-file FILE (or PREFLIGHT_NSCLIENT_NT_PASSWORD) to have it tested too; it travels in plain text".to_owned()
        }
        Concern::Unproved => format!(
            "see on that machine what listens there: ss -ltnp 'sport = :{}'",
            passage.asked_port()
        ),
        Concern::RedisNotRead => format!(
            "have whoever uses it log in from this host: redis-cli -h {} -p {} --askpass PING",
            passage.target,
            passage.asked_port()
        ),
        Concern::RedisReplica => {
            "name the master instead, if something writes to it: redis-cli INFO replication".to_owned()
        }
        Concern::TlsRequired => {
            "set clients of this database to use TLS (MariaDB: ssl; PostgreSQL: sslmode=require)".to_owned()
        }
        // A test holds that none comes to this.
        other => format!("preflight explain {}", other.code()),
    }
}

fn who(cause: &Cause, passage: &Passage<'_>) -> String {
    if let (Cause::Name(NameCause::NameServerUnreachable { server, .. }), Owner::FarSide) =
        (cause, cause.owner())
    {
        return format!("whoever runs the name server {server}");
    }
    if let Cause::Path(PathCause::FailsInsideVpn { vpn, .. }) = cause {
        return format!("whoever runs the VPN {vpn}, and {}", passage.target);
    }
    match cause.owner() {
        Owner::Nobody if *cause == Cause::Own(OwnCause::Interrupted) => {
            "nobody: you stopped the run".to_owned()
        }
        Owner::Nobody => "nobody on site; please report it to preflight's developers".to_owned(),
        owner => Barrier::of(owner).who(passage.target),
    }
}

impl<'a> Passage<'a> {
    /// What has to be opened where `cause` lies: "TCP 5669 from 10.2.0.7 to 10.0.0.5".
    fn rule(&self, cause: &Cause) -> String {
        let rules: Vec<String> = self.rules(cause).map(ToString::to_string).collect();
        if rules.is_empty() { self.own_rule() } else { rules.join(" and ") }
    }

    fn rules(&self, cause: &Cause) -> impl Iterator<Item = &Opening> {
        let at = Barrier::of(cause.owner());
        self.asked_for
            .iter()
            .filter(move |wish| wish.at == at)
            .filter_map(|wish| wish.rule.as_ref())
    }

    /// What lets this one question pass, for a cause that is no firewall's.
    fn own_rule(&self) -> String {
        let to = self.to.map_or_else(|| self.target.to_owned(), |to| to.ip().to_string());
        let seen = self.seen_as.map(|seen| format!(" (seen as {seen})")).unwrap_or_default();
        format!("{} {} from {}{seen} to {to}", self.transport, self.asked_port(), self.from())
    }

    fn from(&self) -> String {
        self.from.map_or_else(|| "this host".to_owned(), |from| from.to_string())
    }

    /// The passage of a question to a name server of this host.
    fn to_name_server(&self, server: IpAddr) -> Passage<'a> {
        let (transport, port, look_at) = (Transport::Udp, 53, "");
        let to = Some(SocketAddr::new(server, port));
        Passage { to, protocol: "dns", transport, port, look_at, ..self.clone() }
    }

    /// The commands for firewalld on the machine that is asked, each for our address alone.
    fn rich_rules(&self, cause: &Cause) -> String {
        let rules: Vec<String> = self.rules(cause).flat_map(Opening::rich_rules).collect();
        let commands =
            rules.iter().map(|rule| format!("firewall-cmd --permanent --add-rich-rule='{rule}'; "));
        match rules.as_slice() {
            [] => String::new(),
            _ => {
                format!(" (firewalld there: {}firewall-cmd --reload)", commands.collect::<String>())
            }
        }
    }

    /// What starts the service and shows that it listens, on the machine it belongs to.
    fn start(&self) -> String {
        match self.look_at {
            "" => format!("systemctl enable --now UNIT; {}", self.listeners()),
            look_at => look_at.replace("PORT", &self.asked_port().to_string()),
        }
    }

    /// Who listens on the port that was asked.
    fn listeners(&self) -> String {
        let flag = if self.transport == Transport::Udp { 'u' } else { 't' };
        format!("ss -l{flag}np 'sport = :{}'", self.asked_port())
    }

    fn asked_port(&self) -> u16 {
        self.to.map_or(self.port, |to| to.port())
    }

    /// The same question over that transport alone.
    fn over(&self, transport: Transport) -> Self {
        Passage { transport, look_at: "", ..self.clone() }
    }

    fn openssl(&self) -> String {
        let starttls = service(self.protocol).and_then(|service| service.hints.starttls);
        let starttls = starttls.map(|name| format!(" -starttls {name}")).unwrap_or_default();
        format!(
            "openssl s_client -connect {}:{}{starttls} -showcerts",
            self.target,
            self.asked_port()
        )
    }
}

fn what(cause: &Cause, passage: &Passage<'_>) -> String {
    here(cause, passage)
        .or_else(|| on_the_way(cause, passage))
        .or_else(|| at_the_port(cause, passage))
        .or_else(|| in_tls(cause, passage))
        .or_else(|| in_basic_services(cause, passage))
        .or_else(|| in_mail(cause, passage))
        .or_else(|| in_web(cause, passage))
        .or_else(|| in_the_platform(cause, passage))
        .or_else(|| in_monitoring(cause, passage))
        // A test holds that no cause comes to this.
        .unwrap_or_else(|| format!("preflight explain {}", cause.code()))
}

/// What a site without Internet names does about one.
fn no_internet(name: &str, passage: &Passage<'_>) -> String {
    let origin = &passage.origin;
    match passage.protocol {
        "ntp" => format!(
            "{name} is a default of the distribution: name your own time server in {origin}"
        ),
        "http" | "https" => format!(
            "if a proxy is the way to the Internet here: --proxy URL; if there is none: --skip {}=REASON",
            passage.flow
        ),
        _ => format!("{name} is on the Internet: name a server of your own ({origin})"),
    }
}

/// Host, name and route: this machine's own.
fn here(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Name(NameCause::NameNotFound { name, .. }) => format!(
            "check the spelling ({}), then: getent ahosts {name}; add it to DNS or /etc/hosts",
            passage.origin
        ),
        Cause::Name(NameCause::NameWithoutAddress { name }) => format!(
            "add an address of {name} to DNS or /etc/hosts; if DNS has one, see whether the name server removes private addresses (unbound: private-domain; dnsmasq: rebind-domain-ok): getent ahosts {name}"
        ),
        Cause::Name(NameCause::NameFileUnread { file, .. }) => {
            format!("run preflight as root; every user's programs need that file: chmod a+r {file}")
        }
        Cause::Name(NameCause::NameIsNobody { name, origin, .. }) if origin == "DNS" => format!(
            "ask the DNS team to let {name} through: their filter answers so for names that it blocks; dig {name}"
        ),
        Cause::Name(NameCause::NameIsNobody { name, origin, .. }) => {
            format!("give {name} the address of its host ({origin})")
        }
        Cause::Name(NameCause::NameNotAskedFor { name, at, .. }) => format!(
            "let the line `hosts:` ask dns for {name} ({at}), or add it to /etc/hosts; then: \
             getent ahosts {name}"
        ),
        Cause::Name(NameCause::NameNotInDns { name, address, .. }) => format!(
            "let the DNS know {name} ({address}); or set `smtp_host_lookup = dns, native` \
             (postconf -e), and postfix reads /etc/hosts too"
        ),
        Cause::Name(NameCause::OtherFamilyOnly { name, version, .. }) => format!(
            "ask the DNS team for an IPv{version} address of {name}, or let its program use the \
             other kind ({}; postfix: inet_protocols)",
            passage.origin
        ),
        Cause::Name(NameCause::AliasBroken { name, target, .. }) => format!(
            "ask the DNS team: {name} is an alias of {target}; correct the alias, or add {target} (dig {name} CNAME)"
        ),
        Cause::Name(NameCause::NameIsLoopback { name, origin, .. }) if origin == "DNS" => {
            format!("ask the DNS team for the address of {name}; until then: /etc/hosts")
        }
        Cause::Name(NameCause::NameIsLoopback { name, origin, .. }) => {
            format!("give {name} its own address in {origin}, or take it out there")
        }
        Cause::Name(NameCause::NoNameServer { .. }) => {
            "name your DNS server in /etc/resolv.conf (`nameserver ADDRESS`), by whatever writes that file; or give --dns ADDRESS".to_owned()
        }
        Cause::Name(NameCause::NoInternetNames { name, .. }) => no_internet(name, passage),
        Cause::Name(NameCause::NameServerElsewhere { .. }) => "run preflight on the machine whose files these are".to_owned(),
        Cause::Name(NameCause::ResolverFailed { name, .. }) => {
            format!("cat /etc/resolv.conf; then ask each name server: dig @SERVER {name}")
        }
        Cause::Name(NameCause::NameServerUnreachable { server, because, .. }) => {
            what(because, &passage.to_name_server(*server))
        }
        Cause::Route(RouteCause::NoRoute { to, .. }) => format!("ip route get {to}; add the route or the gateway"),
        Cause::Route(RouteCause::VpnNotUsed { vpn, to, tunnels, .. }) if tunnels.iter().any(|link| link.is_up) => {
            format!(
                "have the VPN carry a route to {to} (pushed by {vpn}, or set in its client; WireGuard: AllowedIPs), until this names the tunnel: ip route get {to}"
            )
        }
        Cause::Route(RouteCause::VpnNotUsed { vpn, to, .. }) => format!(
            "start the VPN's client on this host, and read its log: TCP 443 to {vpn} is all it needs of a firewall; then: ip -brief link; ip route get {to}"
        ),
        Cause::Route(RouteCause::GatewaySilent { gateway, entry, .. }) => format!(
            "see that {gateway} is this network's gateway and is up: ip neigh show {gateway}; else: ip route replace {} via GATEWAY dev {}",
            entry.destination(),
            entry.interface
        ),
        Cause::Route(RouteCause::RouteOnLink { to, entry, .. }) => format!(
            "give the route its gateway, unless {to} is on this segment: ip route replace {} via GATEWAY",
            entry.destination()
        ),
        Cause::Route(RouteCause::LocalFirewall { .. }) => format!(
            "allow {} in this host's own rules: nft list ruleset; firewall-cmd --list-all",
            passage.rule(cause)
        ),
        Cause::Route(RouteCause::ReplyDroppedHere { how: DropSign::Rule, to, .. }) => format!(
            "accept answers from {} port {} in this host's INPUT rules (\"ct state established accept\"): nft list ruleset",
            to.ip(),
            to.port()
        ),
        Cause::Route(RouteCause::ReplyDroppedHere { how: DropSign::ReversePath, to, .. }) => format!(
            "route to {} by the interface its answers come in by (ip route get {}), or sysctl net.ipv4.conf.all.rp_filter=2",
            to.ip(),
            to.ip()
        ),
        Cause::Route(RouteCause::SourceUnusable { from, .. }) => {
            format!(
                "see that {from} is an address of this host, and the one that {} is to be asked from: ip -brief address",
                passage.target
            )
        }
        Cause::Route(RouteCause::LocalError { .. }) => "look at this host's limits: ulimit -n; ss -s".to_owned(),
        Cause::Own(OwnCause::ProbePanicked { .. }) => {
            "run again with --only for this flow, and send the JSON report".to_owned()
        }
        Cause::Own(OwnCause::Interrupted) => "run again".to_owned(),
        _ => return None,
    })
}

fn on_the_way(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Path(PathCause::NoNeighbour { to, .. }) => format!(
            "see that {to} is up, and its address and netmask right; its entry here: ip neigh show {to}"
        ),
        Cause::Path(PathCause::HostUnreachable { to, .. }) => {
            format!(
                "find out why {to} does not answer behind this device: whether it is up, and the address right"
            )
        }
        Cause::Path(PathCause::NetUnreachable { to, .. }) => format!("a route to {to} on this device, and back"),
        Cause::Path(PathCause::FailsInsideVpn { because, .. }) if because.plea() == Plea::Repair => {
            what(because, passage)
        }
        Cause::Path(PathCause::FailsInsideVpn { vpn, .. }) => format!(
            "let {} pass from the tunnel at {vpn}, and its answers back; and in the firewall of {} itself",
            passage.own_rule(),
            passage.target
        ),
        Cause::Path(PathCause::PathRejected { .. } | PathCause::Unreachable { .. }) => {
            format!("allow {}", passage.rule(cause))
        }
        Cause::Path(PathCause::PathReset { hop: 0, .. }) => format!(
            "allow {} in this host's own rules (nft list ruleset), or on a device of this segment",
            passage.rule(cause)
        ),
        Cause::Path(PathCause::PathReset { .. }) => {
            format!("allow {}; a device there answers with a RST", passage.rule(cause))
        }
        Cause::Path(PathCause::CutOff { .. } | PathCause::RejectedInItsName { .. }) => {
            format!("allow {}; a device there answers in the target's name", passage.rule(cause))
        }
        Cause::Path(PathCause::Unacknowledged { .. } | PathCause::AnswersLost { .. }) => format!(
            "allow {} with all that follows its handshake: a firewall that looks inside drops it, or a link loses it",
            passage.rule(cause)
        ),
        Cause::Path(PathCause::TargetRejected { .. }) => format!(
            "allow {} in its own firewall{}",
            passage.rule(cause),
            passage.rich_rules(cause)
        ),
        Cause::Path(PathCause::FilteredBetween { .. } | PathCause::PortSilent { .. }) => {
            format!("allow {}, and its answers", passage.rule(cause))
        }
        Cause::Path(PathCause::PortSilentAfter { .. }) => format!(
            "allow {}, there or in the host's own firewall; who drops it, there: tcpdump -ni any port {}",
            passage.rule(cause),
            passage.port
        ),
        Cause::Path(PathCause::PortSilentOnSegment { .. }) => {
            format!(
                "allow {} in its own firewall{}",
                passage.rule(cause),
                passage.rich_rules(cause)
            )
        }
        Cause::Path(PathCause::HostSilentAfter { to, .. }) => format!(
            "allow {}; if it is allowed, see that {} is up, and where this device sends packets for it",
            passage.rule(cause),
            to.ip()
        ),
        Cause::Path(PathCause::Unsteady { to, .. } | PathCause::MostlyLost { to, .. }) => {
            format!("look for loss on the way: ping -c 100 -i 0.2 {}; mtr -n {}", to.ip(), to.ip())
        }
        Cause::Talk(TalkCause::TooSlow { .. }) => {
            "see what that machine waits for: its processor, its log; then raise the timeouts of what is checked there".to_owned()
        }
        Cause::Path(PathCause::OnePathDead { .. }) => format!(
            "look at the members of the bundles and the equal-cost routes between {} and {}: one is up and carries nothing",
            passage.from(),
            passage.target
        ),
        Cause::Path(PathCause::MtuBlackHole { .. }) => format!(
            "let ICMP \"too big\" (3/4) pass between {} and {}, or lower the MSS on the tunnel",
            passage.from(),
            passage.target
        ),
        Cause::Path(PathCause::HopLimitExceeded { .. }) => {
            "repair the routing loop: a route is missing there, or points back".to_owned()
        }
        Cause::Path(PathCause::NoAnswer { .. }) => {
            format!(
                "allow {}, and its answers; if it is allowed, see that the host is up",
                passage.rule(cause)
            )
        }
        _ => return None,
    })
}

fn at_the_port(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Port(PortCause::PortClosed { .. }) => {
            format!("start the service; on that machine: {}", passage.start())
        }
        Cause::Port(PortCause::NothingListens { .. }) => {
            format!("start the service: {}", passage.start())
        }
        Cause::Port(PortCause::ListensOnLoopback { .. }) => format!(
            "let it listen on the address others use, not on 127.0.0.1: {}",
            passage.listeners()
        ),
        Cause::Port(PortCause::ListenersUnknown { .. }) => {
            format!("mount /proc, or look where it can be read: {}", passage.listeners())
        }
        Cause::Port(PortCause::FoundOnOtherPort { found, why, .. }) => {
            let why = why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
            format!(
                "use {} {found} for this flow (--port {}={found}) and in the firewall rules{why}",
                passage.transport, passage.flow
            )
        }
        Cause::Smtp(SmtpCause::SmtpGreetingLate { .. }) => format!(
            "see in the server's own log whether it looks up {} in DNS, or delays strangers; to wait longer: --timeout 10",
            passage.from()
        ),
        Cause::Talk(TalkCause::AnsweredFromElsewhere { to, by }) => format!(
            "have it answer from {} port {} (bind it to that address, or route {} back that way); no NAT of {} on the way",
            to.ip(),
            to.port(),
            passage.from(),
            by.ip()
        ),
        Cause::Talk(TalkCause::WindowClosed { .. }) => format!(
            "see whether the service is stuck: its log, and bytes it has not read (Recv-Q): ss -tnp 'sport = :{}'",
            passage.port
        ),
        Cause::Talk(TalkCause::Silent { .. }) if passage.protocol == "bbdo" => format!(
            "a broker takes one newcomer at a time and gives it 3 s; on that machine, see who connects and says nothing (its log: could not accept client), and whether cbd is stuck: ss -tnp 'sport = :{}'",
            passage.asked_port()
        ),
        Cause::Talk(
            TalkCause::Silent { .. }
            | TalkCause::SilentAfter { .. }
            | TalkCause::HungUp { .. }
            | TalkCause::Reset { .. }
            | TalkCause::Incomplete { .. },
        ) => format!(
            "read the service's own log while preflight runs again; on that machine: {}; nothing in it: a device in between accepts for it",
            passage.listeners()
        ),
        Cause::Talk(
            TalkCause::Endless { .. } | TalkCause::WrongService { .. } | TalkCause::BadReply { .. },
        ) => format!(
            "see what listens on {} {}; on that machine: {}; or correct the port ({})",
            passage.transport,
            passage.asked_port(),
            passage.listeners(),
            passage.origin
        ),
        _ => return None,
    })
}

fn in_tls(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Tls(
            TlsCause::CertificateExpired { link: ChainLink::Root, subject, .. }
            | TlsCause::CertificateNotYetValid { link: ChainLink::Root, subject, .. }
            | TlsCause::CertificateWeakKey { link: ChainLink::Root, subject, .. }
            | TlsCause::CertificateWeakSignature { link: ChainLink::Root, subject, .. },
        ) => format!(
            "replace \"{subject}\" in this host's store by the authority's present certificate (update-ca-trust, update-ca-certificates)"
        ),
        Cause::Tls(TlsCause::CertificateIncompleteChain { issuer, .. }) => format!(
            "let the server send the certificate of \"{issuer}\" behind its own; see: {}",
            passage.openssl()
        ),
        Cause::Tls(TlsCause::CertificateExpired { .. }) => {
            format!("renew it, and send its whole chain; then check: {}", passage.openssl())
        }
        Cause::Tls(TlsCause::CertificateNotYetValid { .. }) => {
            "check this host's clock first: chronyc tracking; timedatectl".to_owned()
        }
        Cause::Tls(TlsCause::CertificateWeakKey { least, .. }) => {
            format!(
                "a certificate with a longer key ({least} bits) there; see: {}",
                passage.openssl()
            )
        }
        Cause::Tls(TlsCause::CertificateWeakSignature { .. }) => {
            format!("a certificate signed with SHA-256 there; see: {}", passage.openssl())
        }
        Cause::Tls(
            TlsCause::CertificateWrongPurpose { .. } | TlsCause::CertificateNameForbidden { .. },
        ) => format!(
            "a certificate for servers (serverAuth), by an authority that may sign for {}; see: {}",
            passage.target,
            passage.openssl()
        ),
        Cause::Tls(TlsCause::CertificateUnchecked { .. }) => {
            format!("see what this host's OpenSSL says: {} -verify_return_error", passage.openssl())
        }
        Cause::Tls(TlsCause::TlsRefused { .. }) if passage.target.parse::<IpAddr>().is_ok() => {
            format!(
                "give the server's name instead of its address, if it has one (SNI); else its log says why: {}",
                passage.openssl()
            )
        }
        Cause::Tls(TlsCause::TlsNothingInCommon { .. }) => format!(
            "TLS 1.2 or 1.3 with ECDHE and AES-GCM there (ssl_ciphers, SSLCipherSuite); see: {}",
            passage.openssl()
        ),
        Cause::Tls(TlsCause::TlsNameUnknown { by_name: false, .. }) => format!(
            "give the server's name instead of its address ({}), everywhere it is configured",
            passage.origin
        ),
        Cause::Tls(TlsCause::TlsNameUnknown { name, .. }) => {
            format!("serve {name} there with a certificate, or use a name that it serves")
        }
        Cause::Tls(
            TlsCause::CertificateUnknownIssuer { .. } | TlsCause::CertificateSelfSigned { .. },
        ) => format!(
            "if it is the right one, trust it: preflight --ca FILE, and for the platform the system's store (update-ca-trust, update-ca-certificates); {}",
            passage.openssl()
        ),
        Cause::Tls(TlsCause::CertificateWrongName { presented, .. }) => format!(
            "use a name the certificate has ({}), or have one issued for {}",
            presented.first().map_or("none", String::as_str),
            passage.target
        ),
        Cause::Tls(
            TlsCause::CertificateInvalid { .. }
            | TlsCause::TlsRefused { .. }
            | TlsCause::TlsClosed { .. },
        ) => {
            format!("a certificate and key that work there; see: {}", passage.openssl())
        }
        Cause::Tls(TlsCause::TlsIntercepted { host, issuer }) => format!(
            "exempt {host} from TLS inspection for {}, or trust \"{issuer}\" on this host",
            passage.from()
        ),
        Cause::Tls(TlsCause::CertificateOfDevice { host, .. }) => format!(
            "let {} reach {host} itself; do not trust that certificate: it is a block or log-in page's",
            passage.from()
        ),
        Cause::Tls(TlsCause::TrustStoreEmpty) => "install the package ca-certificates".to_owned(),
        Cause::Tls(TlsCause::TlsVersion { .. }) => {
            format!("TLS 1.2 or 1.3 there; see: {}", passage.openssl())
        }
        Cause::Tls(TlsCause::TlsClientCertificateWanted { .. }) => {
            format!("let {} in without a client certificate, or issue one for it", passage.from())
        }
        Cause::Tls(TlsCause::TlsUnexpected { .. }) => {
            "use the TLS port or scheme for it (ldaps://, https://)".to_owned()
        }
        _ => return None,
    })
}

fn in_basic_services(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Ntp(NtpCause::ClockOffset { .. }) => {
            "systemctl enable --now chronyd; chronyc makestep; chronyc tracking".to_owned()
        }
        Cause::Ntp(NtpCause::NtpTooFar { .. }) => {
            "a time server that is nearer to a good clock; on this one: chronyc sources -v"
                .to_owned()
        }
        Cause::Ntp(NtpCause::NtpUnsynchronised { .. }) => {
            "a time server that is synchronised, or use another one; on it: chronyc sources"
                .to_owned()
        }
        Cause::Ntp(NtpCause::NtpDenied { .. }) => {
            format!("let {} ask (chrony: `allow {}`)", passage.from(), passage.from())
        }
        Cause::Ntp(NtpCause::NtpRateLimited) => {
            "raise its limit for this host, or find what else asks it often; run again after some minutes".to_owned()
        }
        Cause::Dns(DnsCause::DnsNoNameAsked) => {
            "give a target by its name, as --central central.example.com: then the server is asked for that".to_owned()
        }
        Cause::Dns(DnsCause::DnsRefused { .. } | DnsCause::DnsNotRecursive { .. }) => format!(
            "allow recursion for {} on {}, or use another name server",
            passage.from(),
            passage.target
        ),
        Cause::Dns(DnsCause::DnsUnanswered { question, .. }) => format!(
            "see that its forwarders answer, and that it is not told to ignore {} or this name: dig @{} {question}",
            passage.from(),
            passage.target
        ),
        Cause::Dns(DnsCause::DnsServfail { question } | DnsCause::DnsValidation { question }) => {
            format!(
                "see that its forwarders answer and the zone is healthy: dig @{} {question}",
                passage.target
            )
        }
        Cause::Dns(DnsCause::DnsFailed { question, .. }) => {
            format!("read its log at the time of the run; by hand: dig @{} {question}", passage.target)
        }
        Cause::Dns(DnsCause::DnsNameWithoutAddress { name }) => {
            format!(
                "add an A or AAAA record of {name} to the zone; if it has one, see whether the server removes private addresses (unbound: private-domain; dnsmasq: rebind-domain-ok); dig @{} {name}",
                passage.target
            )
        }
        Cause::Ldap(LdapCause::LdapRefused { .. }) => format!(
            "read its log at the time of the run; by hand: ldapsearch -x -H ldap://{} -s base -b ''",
            passage.target
        ),
        Cause::Dns(DnsCause::DnsNameNotFound { name }) => {
            format!("add {name} to the zone, or correct the name; dig @{} {name}", passage.target)
        }
        Cause::Dns(DnsCause::DnsTcpOnly { udp }) => what(udp, &passage.over(Transport::Udp)),
        Cause::Dns(DnsCause::DnsTruncated { tcp, .. }) => what(tcp, &passage.over(Transport::Tcp)),
        Cause::Ldap(LdapCause::LdapBindRefused { sub_code: Some(code), .. }) if cause.owner() == Owner::FarSide => {
            of_account(code, &passage.from())
        }
        Cause::Ldap(LdapCause::LdapBindRefused { .. }) => {
            "check bind DN and password; a directory may answer so for a locked account too; do not try often, attempts count towards a lock-out"
                .to_owned()
        }
        Cause::Ldap(LdapCause::LdapProtectionRequired { .. }) => {
            "in Centreon's LDAP settings tick SSL (636) or TLS (389); here: --ldap ldaps://NAME"
                .to_owned()
        }
        Cause::Ldap(LdapCause::LdapStarttlsRefused { .. }) => {
            "give the directory a certificate for StartTLS; until then --ldap-plain sends the password in plain text"
                .to_owned()
        }
        Cause::Ldap(LdapCause::LdapReferral { .. }) => format!(
            "in Centreon's LDAP settings name that directory, or a bind DN that {} holds",
            passage.target
        ),
        Cause::Ldap(LdapCause::LdapLimit { .. }) => {
            "the limits for this bind DN there, and its log (slapd: limits, timelimit)".to_owned()
        }
        Cause::Ldap(LdapCause::LdapBindUnanswered { .. }) => {
            "find what checks the password there (a directory behind it, Kerberos, RADIUS) and read its log at the time of this run".to_owned()
        }
        _ => return None,
    })
}

/// What the administrator of a directory does about an account.
fn of_account(sub_code: &str, from: &str) -> String {
    match sub_code {
        "775" => "unlock the account (Unlock-ADAccount), and find what still sends its old password".to_owned(),
        "533" => "enable the account (Enable-ADAccount)".to_owned(),
        "701" => "give the account a later end (Clear-ADAccountExpiration)".to_owned(),
        "532" | "773" => "set a new password that does not expire (Set-ADAccountPassword; Set-ADUser -PasswordNeverExpires), and put it into Centreon".to_owned(),
        "account-locked" => "unlock the account (OpenLDAP: remove pwdAccountLockedTime; 389 DS: dsidm account unlock), and find what still sends its old password".to_owned(),
        "account-disabled" => "enable the account (389 DS, FreeIPA: dsidm account unlock, ipa user-enable)".to_owned(),
        "password-expired" | "change-after-reset" => "set a new password that the policy lets live (OpenLDAP: ldappasswd, pwdReset, pwdMaxAge), and put it into Centreon".to_owned(),
        _ => format!("let the account log on from {from} at this hour (Set-ADUser -LogonWorkstations)"),
    }
}

fn in_mail(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Smtp(SmtpCause::SmtpRefused { .. }) => format!(
            "let {} connect (postfix: smtpd_client_restrictions), or use the relay meant for it",
            passage.from()
        ),
        Cause::Smtp(SmtpCause::SmtpHelloRefused { .. }) => format!(
            "take the name that {} greets with, or say which one it should use (postfix: smtpd_helo_restrictions)",
            passage.from()
        ),
        Cause::Smtp(SmtpCause::SmtpRelayDenied { .. }) => format!(
            "let {} relay there (postfix: mynetworks), or use the relay meant for it",
            passage.from()
        ),
        Cause::Smtp(SmtpCause::SmtpNoReverseName { .. }) => format!(
            "ask the DNS team for a name of {0} that leads back to it (PTR and A record): dig -x {0}; or let the relay take it without (postfix: mynetworks)",
            passage.from()
        ),
        Cause::Smtp(SmtpCause::SmtpBlockListed { .. }) => format!(
            "let {} in past the block list (postfix: check_client_access before reject_rbl_client), or have its address taken off the list that the words name",
            passage.from()
        ),
        Cause::Smtp(SmtpCause::SmtpGreylisted { .. }) => format!(
            "exempt {} from greylisting; until then a mail server of its own tries again and gets through",
            passage.from()
        ),
        Cause::Smtp(SmtpCause::SmtpAuthenticationWanted { .. }) => {
            "give the mailer its login: postconf -e smtp_sasl_auth_enable=yes smtp_sasl_password_maps=hash:/etc/postfix/sasl_passwd; postmap /etc/postfix/sasl_passwd".to_owned()
        }
        Cause::Smtp(SmtpCause::SmtpSenderRefused { .. }) => {
            "use a sender that the relay takes: postconf myorigin, and the sender set in Centreon".to_owned()
        }
        Cause::Smtp(SmtpCause::SmtpMailRefused { .. }) => {
            format!("take the test mail from {}, or say what it lacks; its words are above", passage.from())
        }
        Cause::Smtp(SmtpCause::SmtpUnavailable { .. }) => {
            "look at its queue, its disk and its limit of connections (postfix: anvil, postqueue -p), then run preflight again".to_owned()
        }
        Cause::Smtp(SmtpCause::SmtpStarttlsRefused { .. }) => {
            format!("give its STARTTLS a certificate and key that work; see: {}", passage.openssl())
        }
        Cause::Smtp(SmtpCause::SmtpStarttlsMissing {}) => {
            format!("offer STARTTLS to {}; until then nothing is sent there", passage.from())
        }
        Cause::Smtp(SmtpCause::SmtpInspected { .. }) => {
            "switch SMTP inspection off on the firewall in between (ASA: no inspect esmtp)"
                .to_owned()
        }
        _ => return None,
    })
}

fn in_web(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Web(WebCause::NotMetadata { secure: false, .. }) => format!(
            "allow {} for {} on the web filter or proxy; see: curl -s {} | head",
            passage.target,
            passage.from(),
            passage.target
        ),
        Cause::Web(WebCause::NotMetadata { secure: true, .. }) => {
            format!("see whether this is still a repository: curl -s {} | head", passage.target)
        }
        Cause::Web(WebCause::ProxyAuthentication { .. }) => {
            "give --proxy-user and PREFLIGHT_PROXY_PASSWORD, and the same to dnf or apt".to_owned()
        }
        Cause::Web(WebCause::ProxyScheme { .. }) => format!(
            "let {} through without a log-in, or with Basic: neither dnf and apt as they come nor the platform speak the others",
            passage.from()
        ),
        Cause::Web(WebCause::PageInstead { host, .. }) => {
            format!("let {} reach {host} without that page", passage.from())
        }
        Cause::Web(WebCause::RedirectLoop { location }) => {
            format!(
                "find what sends {location} back to itself there: curl -sSIL --max-redirs 5 {location}"
            )
        }
        // What listens on a proxy is not the far side's service.
        Cause::Web(WebCause::ProxyUnreachable { because, .. }) => {
            what(because, &Passage { look_at: "", ..passage.clone() })
        }
        Cause::Web(WebCause::HttpForbidden { .. }) => format!(
            "let {} in, or say which login it needs; who answers: curl -sv -o /dev/null URL",
            passage.from()
        ),
        Cause::Web(WebCause::HttpNotFound { path }) => {
            format!("serve {path} there, or say which path it is now")
        }
        Cause::Web(WebCause::HttpStatus { status }) => {
            format!("find {} in its access log and say why it answers {status}", passage.from())
        }
        Cause::Web(WebCause::HttpServerError { status, unsigned: false }) => {
            format!(
                "find the answer {status} to {} in its error log, and repair it",
                passage.from()
            )
        }
        Cause::Web(WebCause::HttpServerError { status, unsigned: true }) => format!(
            "find the answer {status} to {} in its error log; if it is not there, a proxy on the way gave it: ask the network team which one, or use --proxy",
            passage.from()
        ),
        Cause::Web(WebCause::ProxySilent { destination, .. }) => {
            format!("see whether the proxy itself reaches {destination}, and let it")
        }
        Cause::Web(WebCause::ProxyDenied { destination, .. }) => {
            format!("allow {destination} on the proxy")
        }
        Cause::Web(WebCause::ProxyCannotReach { destination, error, .. })
            if error.as_deref().is_some_and(|error| error.contains("DNS")) =>
        {
            format!("let the proxy itself resolve {destination}: its own name server does not")
        }
        Cause::Web(WebCause::ProxyCannotReach { destination, .. }) => {
            format!("let the proxy itself reach {destination}")
        }
        Cause::Web(WebCause::CaptivePortal { .. }) => {
            format!("allow {} without the portal's login", passage.own_rule())
        }
        _ => return None,
    })
}

fn in_the_platform(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Gorgone(GorgoneCause::ZmtpMechanism { .. } | GorgoneCause::ZmtpOtherService { .. }) => format!(
            "see whether this is the poller's Gorgone; on that machine: {}; grep external_com /etc/centreon-gorgone/config.d/*.yaml",
            passage.listeners()
        ),
        Cause::Gorgone(GorgoneCause::GorgoneWebsocketMissing { .. }) => {
            "hand this path on to Gorgone on the central (Apache: ProxyPass), or correct port and path here".to_owned()
        }
        Cause::Gorgone(GorgoneCause::GorgoneWebsocketDown { .. }) => {
            "on the central: systemctl restart gorgoned; ss -ltnp | grep gorgone; /var/log/centreon-gorgone/gorgoned.log".to_owned()
        }
        Cause::Gorgone(GorgoneCause::GorgoneTokenRefused { .. }) => {
            "the same token in module pullwss here and in module proxy on the central (/etc/centreon-gorgone/config.d), then restart gorgoned".to_owned()
        }
        Cause::Gorgone(GorgoneCause::GorgoneApiRefused { .. }) => format!(
            "module httpserver in /etc/centreon-gorgone/config.d: add {} to allowed_hosts, and set its auth right",
            passage.from()
        ),
        Cause::Gorgone(GorgoneCause::GorgoneNoStatus) => {
            "have module proxy loaded; why it is not: grep -iE 'proxy|cannot' /var/log/centreon-gorgone/gorgoned.log".to_owned()
        }
        Cause::Gorgone(GorgoneCause::NoPong { .. }) => {
            "systemctl restart gorgoned; a poller that stays quiet needs the same; if it comes back, have the firewall's idle timeout for its port raised".to_owned()
        }
        Cause::Gorgone(GorgoneCause::ZmtpVersion { .. }) => format!(
            "update what answers there to ZeroMQ 4; on that machine: {}",
            passage.listeners()
        ),
        Cause::Ssh(SshCause::SshRefused { .. }) => format!(
            "wait until the penalty is over: visits like preflight's may be the reason; or let {0} in: PerSourcePenaltyExemptList {0}, MaxStartups in sshd_config; on that machine: journalctl -u ssh -u sshd",
            passage.from()
        ),
        Cause::Ssh(SshCause::SshClosed { .. }) => format!(
            "let {} in: /etc/hosts.deny and /etc/hosts.allow, then PerSourcePenalties and MaxStartups in sshd_config (visits like preflight's count there too); on that machine: journalctl -u ssh -u sshd",
            passage.from()
        ),
        Cause::Ssh(SshCause::SshNothingInCommon { part, ours, .. }) => {
            let line = match part {
                SshPart::KeyExchange => "KexAlgorithms",
                SshPart::HostKey => "HostKeyAlgorithms, HostKey",
                SshPart::Cipher => "Ciphers",
                SshPart::Mac => "MACs",
            };
            let few = ours.get(..3).unwrap_or(ours).join(", ");
            format!("let its SSH server offer one of {few} … (sshd_config: {line}), or update it")
        }
        Cause::Bbdo(BbdoCause::BbdoTwo { .. } | BbdoCause::BbdoMajor { .. }) => {
            "the same BBDO version on every broker (Configuration > Pollers > Broker configuration), export, restart cbd and centengine".to_owned()
        }
        Cause::Bbdo(BbdoCause::BbdoCarrier { .. }) => {
            "the same transport and TLS in the poller's broker output and the central's input; export, restart cbd and centengine".to_owned()
        }
        Cause::Bbdo(BbdoCause::BbdoTlsAnonymous) => {
            "set certificate, private key and authority in this poller's broker output (Configuration > Pollers > Broker configuration), as the central's input has them; export, restart".to_owned()
        }
        Cause::Bbdo(BbdoCause::BbdoTlsNoCertificate) => {
            "set a certificate and its key in the central's broker input, or none in the poller's output; export, restart cbd and centengine".to_owned()
        }
        Cause::Bbdo(BbdoCause::BbdoCertificate { because }) if because.owner() != Owner::ThisHost => {
            "set a certificate in the central's broker input that is valid and named as this poller's tls_hostname says; export, restart cbd".to_owned()
        }
        Cause::Bbdo(BbdoCause::BbdoCertificate { .. }) => {
            "set ca_certificate and tls_hostname of this poller's broker output to fit the certificate of the central's input: openssl x509 -noout -issuer -ext subjectAltName -in FILE".to_owned()
        }
        Cause::Bbdo(BbdoCause::BbdoCertificateRefused) => {
            "give this poller's broker output a certificate that is signed by ca_certificate of the central's input; the reason is in the central's log: /var/log/centreon-broker/central-broker-master.log".to_owned()
        }
        Cause::Bbdo(BbdoCause::BbdoFileUnusable { file, .. }) => {
            format!("put the right file at {file}, readable for the user centreon-engine: ls -l {file}")
        }
        Cause::Bbdo(BbdoCause::BbdoTls { grpc: true }) => {
            "gRPC with encryption in the poller's broker output, or a plain TCP input on the central".to_owned()
        }
        _ => return None,
    })
}

fn in_monitoring(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::Snmp(SnmpCause::SnmpSilent { .. }) => format!(
            "allow {}; on the device, see that the agent is on and lets {} ask, in which version and with which community",
            passage.rule(cause),
            passage.from()
        ),
        Cause::Snmp(SnmpCause::SnmpCommunity { .. }) => format!(
            "compare the community, and let {} ask with it (snmpd: rocommunity, com2sec)",
            passage.from()
        ),
        Cause::Snmp(SnmpCause::SnmpUnknownUser { .. } | SnmpCause::SnmpUserIgnored { .. } | SnmpCause::SnmpWrongDigest { .. } | SnmpCause::SnmpDecryption { .. } | SnmpCause::SnmpSecurityLevel { .. }) => {
            "compare user, protocols and passwords with the agent's own".to_owned()
        }
        Cause::Snmp(SnmpCause::SnmpView | SnmpCause::SnmpAuthorization { .. }) => {
            "let this community or user read 1.3.6.1.2.1 (snmpd: view and access lines)".to_owned()
        }
        Cause::Nsclient(NsclientCause::NsclientNotAllowed { .. } | NsclientCause::NsclientRefused { .. }) => format!(
            "add {} to `allowed hosts` in nsclient.ini, then restart the service nscp",
            passage.from()
        ),
        Cause::Database(DatabaseCause::DatabaseUserUntold { .. }) => format!(
            "name the user: --check NAME=postgresql://USER@{}/DATABASE; no password is needed",
            passage.target
        ),
        Cause::Snmp(SnmpCause::SnmpTimeWindow { .. }) => {
            "set its clock and its engine boots right: restart the agent (systemctl restart snmpd)".to_owned()
        }
        Cause::Nsclient(NsclientCause::NsclientLogin { .. }) => {
            "give the password of nsclient.ini (`password` under /settings/default): --nsclient-password-file FILE".to_owned()
        }
        Cause::Agent(AgentCause::AgentNotAllowed { agent, list, .. }) => format!(
            "add {} to {list} in the configuration of {agent} there, and restart it",
            passage.from()
        ),
        Cause::Agent(AgentCause::NsclientNtLogin { .. }) => {
            "give the password of nsclient.ini (`password` under /settings/default): --nsclient-nt-password-file FILE".to_owned()
        }
        Cause::Agent(AgentCause::NsclientNtError { .. }) => {
            "see nsclient.log there, and that NSClientServer is enabled under /modules".to_owned()
        }
        Cause::Database(DatabaseCause::RedisProtected) => format!(
            "give it a password (requirepass, or ACL SETUSER), and bind it to the addresses that {} may ask",
            passage.from()
        ),
        Cause::Database(DatabaseCause::RedisLogin { .. }) => format!(
            "see who may log in there (redis-cli ACL LIST), and name that user: --check NAME={}://USER@{}",
            passage.protocol, passage.target
        ),
        Cause::Database(DatabaseCause::RedisNotPermitted { .. }) => {
            "let this user ask: redis-cli ACL SETUSER NAME +ping +hello".to_owned()
        }
        Cause::Database(DatabaseCause::RedisLoading) => {
            "wait until it has loaded, and run again: redis-cli INFO persistence".to_owned()
        }
        Cause::Database(DatabaseCause::RedisMasterDown) => {
            "repair its link to the master: redis-cli INFO replication; the port of the master must be open from there".to_owned()
        }
        Cause::Database(DatabaseCause::RedisDisk { .. }) => {
            "see its disk and its log: df -h; redis-cli INFO persistence (rdb_last_bgsave_status)".to_owned()
        }
        Cause::Database(DatabaseCause::RedisFull) => {
            "find who holds the connections: redis-cli CLIENT LIST; or raise maxclients".to_owned()
        }
        Cause::Database(DatabaseCause::DatabaseError { error_code, .. }) => match error_code.as_str() {
            "1040" | "1203" | "53300" => {
                "find who holds its connections (SHOW PROCESSLIST; SELECT * FROM pg_stat_activity), or raise max_connections".to_owned()
            }
            "57P03" => "wait until it is up, then run preflight again; if it stays so, its log says why".to_owned(),
            "1049" | "3D000" => format!("create that database, or correct its name ({})", passage.origin),
            _ => "repair what its words name; its own log has more (MariaDB: journalctl -u mariadb)".to_owned(),
        },
        Cause::Database(DatabaseCause::DatabaseHostRefused { error_code, .. }) if error_code == "1129" => format!(
            "let {} in again (mariadb-admin flush-hosts), and find what there breaks off its connections (max_connect_errors)",
            passage.from()
        ),
        Cause::Database(DatabaseCause::DatabaseHostRefused { .. }) => {
            format!("let {} connect (GRANT, pg_hba.conf)", passage.from())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_both_addresses_of_a_host_behind_address_translation() {
        let passage = |seen_as| Passage {
            from: Some([10, 2, 0, 7].into()),
            seen_as,
            to: Some(([10, 0, 0, 5], 5669).into()),
            target: "central",
            flow: "poller.bbdo",
            protocol: "bbdo",
            transport: Transport::Tcp,
            port: 5669,
            look_at: "",
            origin: "--central".to_owned(),
            asked_for: &[],
            behind: None,
        };
        assert_eq!(passage(None).own_rule(), "TCP 5669 from 10.2.0.7 to 10.0.0.5");
        let seen = passage(Some([198, 51, 100, 7].into())).own_rule();
        assert_eq!(seen, "TCP 5669 from 10.2.0.7 (seen as 198.51.100.7) to 10.0.0.5");
    }

    /// A passage of that protocol, asked on a port that is not its usual one.
    fn passage<'a>(protocol: &'a str, transport: Transport, look_at: &'a str) -> Passage<'a> {
        Passage {
            from: Some([10, 2, 0, 7].into()),
            seen_as: None,
            to: Some(([10, 0, 0, 5], 15_669).into()),
            target: "central",
            flow: "poller.bbdo",
            protocol,
            transport,
            port: 15_669,
            look_at,
            origin: "--central".to_owned(),
            asked_for: &[],
            behind: None,
        }
    }

    /// What is wrong with a remedy, in words.
    fn faults(
        cause: &Cause,
        transport: Transport,
        Remedy { who, what }: &Remedy,
    ) -> Vec<&'static str> {
        let is_here = cause.owner() == Owner::ThisHost;
        let is_over_udp =
            transport == Transport::Udp || matches!(cause, Cause::Dns(DnsCause::DnsTcpOnly { .. }));
        let is_for_no_firewall = cause.plea() == preflight_checks::Plea::Nothing;
        let rules = [
            (what.contains("preflight explain"), "no remedy of its own"),
            (what.contains('?'), "a question, not a request"),
            (
                what.contains("PORT") || what.contains("sport = :5669"),
                "the usual port, not the one asked",
            ),
            (is_here != (who == "you, on this host"), "the owner's words are another's"),
            (is_here && what.contains("that machine"), "this host's remedy is for another machine"),
            (!is_over_udp && what.contains("ss -lunp"), "looks for UDP where TCP was asked"),
            (
                what.starts_with("start the service") && !what.contains("systemctl enable --now"),
                "starts without a command",
            ),
            (
                is_for_no_firewall && (what.contains("allow TCP") || what.contains("allow UDP")),
                "a firewall's rule where none helps",
            ),
        ];
        rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, said)| said).collect()
    }

    #[test]
    fn owner_and_action_agree_for_every_cause_and_protocol() {
        let look_at = "systemctl enable --now cbd; ss -ltnp 'sport = :PORT'";
        let mut wrong = std::collections::BTreeSet::new();
        for service in preflight_checks::SERVICES {
            let passage = passage(service.name, service.transport, look_at);
            for cause in preflight_checks::samples::causes() {
                let remedy = remedy(&cause, &passage);
                for fault in faults(&cause, service.transport, &remedy) {
                    wrong.insert(format!("{}: {fault}: {remedy:?}", cause.code()));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_warning_has_an_owner_and_something_to_do_about_it() {
        let passage = passage("snmp", Transport::Udp, "");
        for concern in preflight_checks::samples::concerns() {
            let (owner, Remedy { who, what }) = remedy_of_concern(&concern, &passage);
            assert!(!what.contains("preflight explain") && !what.is_empty(), "{}", concern.code());
            assert_eq!(owner == Owner::ThisHost, who == "you, on this host", "{}", concern.code());
        }
        let (_, remedy) = remedy_of_concern(&Concern::SnmpNotRead, &passage);
        assert!(remedy.what.contains("--snmp-community-file"), "{}", remedy.what);
    }

    #[test]
    fn the_port_of_a_command_is_the_one_that_was_asked() {
        let to = ([10, 0, 0, 5], 15_669).into();
        let look_at = "systemctl enable --now cbd; ss -ltnp 'sport = :PORT'";
        let closed = remedy(
            &Cause::Port(PortCause::PortClosed { to }),
            &passage("bbdo", Transport::Tcp, look_at),
        );
        assert_eq!(
            closed.what,
            "start the service; on that machine: systemctl enable --now cbd; ss -ltnp 'sport = :15669'"
        );
    }

    #[test]
    fn what_a_server_behind_a_proxy_gets_wrong_is_not_the_proxys() {
        let behind = Some(("www.example.org".to_owned(), 443));
        let passage = Passage { behind, ..passage("https", Transport::Tcp, "") };
        let missing =
            remedy(&Cause::Web(WebCause::HttpNotFound { path: "/x".to_owned() }), &passage);
        assert_eq!(missing.who, "whoever runs www.example.org");
        let tls = remedy(&Cause::Tls(TlsCause::TlsVersion { peer: "1.1".to_owned() }), &passage);
        assert!(tls.what.contains("s_client -connect www.example.org:443"), "{}", tls.what);
        let closed = Cause::Port(PortCause::PortClosed { to: ([10, 0, 0, 5], 15_669).into() });
        let proxy = Cause::Web(WebCause::ProxyUnreachable {
            proxy: "http://central:15669".to_owned(),
            reason: closed.to_string(),
            because: Box::new(closed),
        });
        assert_eq!(remedy(&proxy, &passage).who, "whoever runs central");
    }

    #[test]
    fn a_locked_account_is_for_whoever_unlocks_it() {
        let refused = |code: &str| {
            Cause::Ldap(LdapCause::LdapBindRefused {
                reason: "no".to_owned(),
                sub_code: Some(code.to_owned()),
            })
        };
        let passage = passage("ldap", Transport::Tcp, "");
        for (code, who, what) in [
            ("52e", "you, on this host", "check bind DN"),
            ("775", "whoever runs central", "Unlock-ADAccount"),
            ("533", "whoever runs central", "Enable-ADAccount"),
            ("701", "whoever runs central", "Clear-ADAccountExpiration"),
            ("532", "whoever runs central", "Set-ADAccountPassword"),
            ("531", "whoever runs central", "10.2.0.7"),
        ] {
            let remedy = remedy(&refused(code), &passage);
            assert_eq!(remedy.who, who, "{code}");
            assert!(remedy.what.contains(what), "{code}: {}", remedy.what);
        }
    }
}
