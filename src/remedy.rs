//! What to do next: the exact command, or the exact request to the other team.
//!
//! One line for the row of the table; `docs/causes.md` has the whole story.

use std::net::{IpAddr, SocketAddr};

use preflight_checks::{Cause, ChainLink, DropSign, Owner, SshPart, Transport};
use serde::{Deserialize, Serialize};

use crate::wish::{Barrier, Opening, Wish};

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
    Remedy { who: who(cause, passage), what: what(cause, passage) }
}

fn who(cause: &Cause, passage: &Passage<'_>) -> String {
    if let (Cause::NameServerUnreachable { server, .. }, Owner::FarSide) = (cause, cause.owner()) {
        return format!("whoever runs the name server {server}");
    }
    match cause.owner() {
        Owner::Nobody => "nobody; please report it to preflight's developers".to_owned(),
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
        format!("{} {} from {}{seen} to {to}", self.transport, self.port, self.from())
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

    /// What to run over there, or a general look at the port.
    fn look(&self) -> String {
        if self.look_at.is_empty() {
            let flag = if self.transport == Transport::Udp { 'u' } else { 't' };
            format!("ss -l{flag}np 'sport = :{}'", self.port)
        } else {
            self.look_at.to_owned()
        }
    }

    fn openssl(&self) -> String {
        let starttls = match self.protocol {
            "smtp" => " -starttls smtp",
            "ldap" => " -starttls ldap",
            _ => "",
        };
        format!("openssl s_client -connect {}:{}{starttls} -showcerts", self.target, self.port)
    }
}

fn what(cause: &Cause, passage: &Passage<'_>) -> String {
    here(cause, passage)
        .or_else(|| on_the_way(cause, passage))
        .or_else(|| at_the_port(cause, passage))
        .or_else(|| in_tls(cause, passage))
        .or_else(|| in_basic_services(cause, passage))
        .or_else(|| in_web_and_mail(cause, passage))
        .or_else(|| in_the_platform(cause, passage))
        .or_else(|| in_monitoring(cause, passage))
        .unwrap_or_else(|| format!("look at the service and its log: {}", passage.look()))
}

/// What a site without Internet names does about one.
fn no_internet(name: &str, passage: &Passage<'_>) -> String {
    let origin = &passage.origin;
    match passage.protocol {
        "ntp" => format!(
            "{name} is a default of the distribution: name your own time server in {origin}"
        ),
        "http" | "https" => format!(
            "the way to the Internet is a proxy here? --proxy URL; none at all: --skip {}=REASON",
            passage.flow
        ),
        _ => format!("{name} is on the Internet: name a server of your own ({origin})"),
    }
}

/// Host, name and route: this machine's own.
fn here(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::NameNotFound { name, .. } | Cause::NameWithoutAddress { name } => format!(
            "check the spelling ({}), then: getent ahosts {name}; add it to DNS or /etc/hosts",
            passage.origin
        ),
        Cause::NameNotAskedFor { name, at, .. } => format!(
            "let the line `hosts:` ask dns for {name} ({at}), or add it to /etc/hosts; then: \
             getent ahosts {name}"
        ),
        Cause::AliasBroken { name, target, .. } => format!(
            "ask the DNS team: {name} is an alias of {target}; correct the alias, or add {target} (dig {name} CNAME)"
        ),
        Cause::NameIsLoopback { name, origin, .. } if origin == "DNS" => {
            format!("ask the DNS team for the address of {name}; until then: /etc/hosts")
        }
        Cause::NameIsLoopback { name, origin, .. } => {
            format!("give {name} its own address in {origin}, or take it out there")
        }
        Cause::NoNameServer { .. } => {
            "name your DNS server in /etc/resolv.conf (`nameserver ADDRESS`), by whatever writes that file; or give --dns ADDRESS".to_owned()
        }
        Cause::NoInternetNames { name, .. } => no_internet(name, passage),
        Cause::NameServerElsewhere { .. } => "run preflight on that machine itself".to_owned(),
        Cause::ResolverFailed { name, .. } => {
            format!("cat /etc/resolv.conf; then ask each name server: dig @SERVER {name}")
        }
        Cause::NameServerUnreachable { server, because, .. } => {
            what(because, &passage.to_name_server(*server))
        }
        Cause::NoRoute { to, .. } => format!("ip route get {to}; add the route or the gateway"),
        Cause::GatewaySilent { gateway, entry, .. } => format!(
            "is {gateway} this network's gateway, and is it up? ip neigh show {gateway}; else: ip route replace {} via GATEWAY dev {}",
            entry.destination(),
            entry.interface
        ),
        Cause::RouteOnLink { to, entry, .. } => format!(
            "give the route its gateway, unless {to} is on this segment: ip route replace {} via GATEWAY",
            entry.destination()
        ),
        Cause::LocalFirewall { .. } => format!(
            "allow {} in this host's own rules: nft list ruleset; firewall-cmd --list-all",
            passage.rule(cause)
        ),
        Cause::ReplyDroppedHere { how: DropSign::Rule, to, .. } => format!(
            "accept answers from {} port {} in this host's INPUT rules (\"ct state established accept\"): nft list ruleset",
            to.ip(),
            to.port()
        ),
        Cause::ReplyDroppedHere { how: DropSign::ReversePath, to, .. } => format!(
            "route to {} by the interface its answers come in by (ip route get {}), or sysctl net.ipv4.conf.all.rp_filter=2",
            to.ip(),
            to.ip()
        ),
        Cause::SourceUnusable { from, .. } => {
            format!(
                "ip -brief address; is {from} the address that {} is to be asked from?",
                passage.target
            )
        }
        Cause::LocalError { .. } => "look at this host's limits: ulimit -n; ss -s".to_owned(),
        Cause::ProbePanicked { .. } => {
            "run again with --only for this flow, and send the JSON report".to_owned()
        }
        Cause::Interrupted => "run again".to_owned(),
        _ => return None,
    })
}

fn on_the_way(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::NoNeighbour { to, .. } => format!(
            "is {to} up, and its address and netmask right? ip neigh show {to}; ask its administrator"
        ),
        Cause::HostUnreachable { to, .. } => {
            format!("why does {to} not answer behind this device: is it up, is the address right?")
        }
        Cause::NetUnreachable { to, .. } => format!("a route to {to} on this device, and back"),
        Cause::PathRejected { .. } | Cause::Unreachable { .. } => {
            format!("allow {}", passage.rule(cause))
        }
        Cause::PathReset { hop: 0, .. } => format!(
            "allow {} in this host's own rules (nft list ruleset), or on a device of this segment",
            passage.rule(cause)
        ),
        Cause::PathReset { .. } => {
            format!("allow {}; a device there answers with a RST", passage.rule(cause))
        }
        Cause::CutOff { .. } | Cause::RejectedInItsName { .. } => {
            format!("allow {}; a device there answers in the target's name", passage.rule(cause))
        }
        Cause::Unacknowledged { .. } | Cause::AnswersLost { .. } => format!(
            "allow {} with all that follows its handshake: a firewall that looks inside drops it, or a link loses it",
            passage.rule(cause)
        ),
        Cause::TargetRejected { .. } => format!(
            "allow {} in its own firewall{}",
            passage.rule(cause),
            passage.rich_rules(cause)
        ),
        Cause::FilteredBetween { .. } | Cause::PortSilent { .. } => {
            format!("allow {}, and its answers", passage.rule(cause))
        }
        Cause::PortSilentAfter { .. } => format!(
            "allow {}, there or in the host's own firewall; who drops it, there: tcpdump -ni any port {}",
            passage.rule(cause),
            passage.port
        ),
        Cause::PortSilentOnSegment { .. } => {
            format!(
                "allow {} in its own firewall{}",
                passage.rule(cause),
                passage.rich_rules(cause)
            )
        }
        Cause::HostSilentAfter { to, .. } => format!(
            "allow {}; if it is allowed: is {} up, and where does this device send packets for it?",
            passage.rule(cause),
            to.ip()
        ),
        Cause::Unsteady { to, .. } => {
            format!("look for loss on the way: ping -c 100 -i 0.2 {}; mtr -n {}", to.ip(), to.ip())
        }
        Cause::MtuBlackHole { .. } => format!(
            "let ICMP \"too big\" (3/4) pass between {} and {}, or lower the MSS on the tunnel",
            passage.from(),
            passage.target
        ),
        Cause::HopLimitExceeded { .. } => {
            "a routing loop: which route is missing there?".to_owned()
        }
        Cause::NoAnswer { .. } => {
            format!(
                "allow {}, and its answers; if it is allowed, is the host up?",
                passage.rule(cause)
            )
        }
        _ => return None,
    })
}

fn at_the_port(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::PortClosed { .. } | Cause::NothingListens { .. } => {
            format!("start the service; on that machine: {}", passage.look())
        }
        Cause::ListensOnLoopback { .. } => {
            format!("let it listen on the address others use, not on 127.0.0.1: {}", passage.look())
        }
        Cause::FoundOnOtherPort { found, why, .. } => {
            let why = why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
            format!(
                "use {} {found} for this flow (--port {}={found}) and in the firewall rules{why}",
                passage.transport, passage.flow
            )
        }
        Cause::SmtpGreetingLate { .. } => format!(
            "the server's own log: does it look up {} in DNS, or delay strangers? Wait longer: --timeout 10",
            passage.from()
        ),
        Cause::AnsweredFromElsewhere { to, by } => format!(
            "have it answer from {} port {} (bind it to that address, or route {} back that way); no NAT of {} on the way",
            to.ip(),
            to.port(),
            passage.from(),
            by.ip()
        ),
        Cause::WindowClosed { .. } => format!(
            "is the service stuck? Its log, and bytes it has not read (Recv-Q): ss -tnp 'sport = :{}'",
            passage.port
        ),
        Cause::Silent { .. }
        | Cause::SilentAfter { .. }
        | Cause::HungUp { .. }
        | Cause::Reset { .. }
        | Cause::Incomplete { .. } => format!(
            "the service's own log while preflight runs again, and: {}; does a device in between accept for it?",
            passage.look()
        ),
        Cause::Endless { .. } | Cause::WrongService { .. } | Cause::BadReply { .. } => format!(
            "what listens on {} {}? {}; is the port right ({})?",
            passage.transport,
            passage.port,
            passage.look(),
            passage.origin
        ),
        _ => return None,
    })
}

fn in_tls(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::CertificateExpired { link: ChainLink::Root, subject, .. }
        | Cause::CertificateNotYetValid { link: ChainLink::Root, subject, .. }
        | Cause::CertificateWeakKey { link: ChainLink::Root, subject, .. }
        | Cause::CertificateWeakSignature { link: ChainLink::Root, subject, .. } => format!(
            "replace \"{subject}\" in this host's store by the authority's present certificate (update-ca-trust, update-ca-certificates)"
        ),
        Cause::CertificateIncompleteChain { issuer, .. } => format!(
            "let the server send the certificate of \"{issuer}\" behind its own; see: {}",
            passage.openssl()
        ),
        Cause::CertificateExpired { .. } => {
            format!("renew it, and send its whole chain; then check: {}", passage.openssl())
        }
        Cause::CertificateNotYetValid { .. } => {
            "check this host's clock first: chronyc tracking; timedatectl".to_owned()
        }
        Cause::CertificateWeakKey { least, .. } => {
            format!(
                "a certificate with a longer key ({least} bits) there; see: {}",
                passage.openssl()
            )
        }
        Cause::CertificateWeakSignature { .. } => {
            format!("a certificate signed with SHA-256 there; see: {}", passage.openssl())
        }
        Cause::CertificateWrongPurpose { .. } | Cause::CertificateNameForbidden { .. } => format!(
            "a certificate for servers (serverAuth), by an authority that may sign for {}; see: {}",
            passage.target,
            passage.openssl()
        ),
        Cause::CertificateUnchecked { .. } => {
            format!("see what this host's OpenSSL says: {} -verify_return_error", passage.openssl())
        }
        Cause::TlsRefused { .. } if passage.target.parse::<IpAddr>().is_ok() => format!(
            "give the server's name instead of its address, if it has one (SNI); else its log says why: {}",
            passage.openssl()
        ),
        Cause::TlsNothingInCommon { .. } => format!(
            "TLS 1.2 or 1.3 with ECDHE and AES-GCM there (ssl_ciphers, SSLCipherSuite); see: {}",
            passage.openssl()
        ),
        Cause::TlsNameUnknown { by_name: false, .. } => format!(
            "give the server's name instead of its address ({}), everywhere it is configured",
            passage.origin
        ),
        Cause::TlsNameUnknown { name, .. } => {
            format!("serve {name} there with a certificate, or use a name that it serves")
        }
        Cause::CertificateUnknownIssuer { .. } | Cause::CertificateSelfSigned { .. } => format!(
            "if it is the right one, trust it: preflight --ca FILE, and for the platform the system's store (update-ca-trust, update-ca-certificates); {}",
            passage.openssl()
        ),
        Cause::CertificateWrongName { presented, .. } => format!(
            "use a name the certificate has ({}), or have one issued for {}",
            presented.first().map_or("none", String::as_str),
            passage.target
        ),
        Cause::CertificateInvalid { .. } | Cause::TlsRefused { .. } | Cause::TlsClosed { .. } => {
            format!("a certificate and key that work there; see: {}", passage.openssl())
        }
        Cause::TlsIntercepted { host, issuer } => format!(
            "exempt {host} from TLS inspection for {}, or trust \"{issuer}\" on this host",
            passage.from()
        ),
        Cause::CertificateOfDevice { host, .. } => format!(
            "let {} reach {host} itself; do not trust that certificate: it is a block or log-in page's",
            passage.from()
        ),
        Cause::TrustStoreEmpty => "install the package ca-certificates".to_owned(),
        Cause::TlsVersion { .. } => format!("TLS 1.2 or 1.3 there; see: {}", passage.openssl()),
        Cause::TlsUnexpected { .. } => {
            "use the TLS port or scheme for it (ldaps://, https://)".to_owned()
        }
        _ => return None,
    })
}

fn in_basic_services(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::ClockOffset { .. } => {
            "systemctl enable --now chronyd; chronyc makestep; chronyc tracking".to_owned()
        }
        Cause::NtpTooFar { .. } => {
            "a time server that is nearer to a good clock; on this one: chronyc sources -v"
                .to_owned()
        }
        Cause::NtpUnsynchronised { .. } => {
            "a time server that is synchronised, or use another one; on it: chronyc sources"
                .to_owned()
        }
        Cause::NtpDenied { .. } => {
            format!("let {} ask (chrony: `allow {}`)", passage.from(), passage.from())
        }
        Cause::NtpRateLimited => {
            "wait some minutes and run again; is something else asking it often?".to_owned()
        }
        Cause::DnsNoNameAsked => {
            "give a target by its name, as --central central.example.com: then the server is asked for that".to_owned()
        }
        Cause::DnsRefused { .. } | Cause::DnsNotRecursive { .. } => format!(
            "allow recursion for {} on {}, or use another name server",
            passage.from(),
            passage.target
        ),
        Cause::DnsServfail { question }
        | Cause::DnsValidation { question }
        | Cause::DnsUnanswered { question, .. } => {
            format!(
                "dig @{} {question}: do its forwarders answer, is the zone healthy?",
                passage.target
            )
        }
        Cause::DnsNameNotFound { name } => {
            format!("add {name} to the zone, or correct the name; dig @{} {name}", passage.target)
        }
        Cause::DnsTcpOnly { udp } => what(udp, passage),
        Cause::DnsTruncated { tcp, .. } => what(tcp, passage),
        Cause::LdapBindRefused { .. } => {
            "check bind DN and password; do not try often, attempts count towards a lock-out"
                .to_owned()
        }
        Cause::LdapProtectionRequired { .. } => {
            "in Centreon's LDAP settings tick SSL (636) or TLS (389); here: --ldap ldaps://NAME"
                .to_owned()
        }
        Cause::LdapStarttlsRefused { .. } => {
            "a certificate for the directory; until then --ldap-plain sends the password in plain text"
                .to_owned()
        }
        Cause::LdapReferral { .. } => format!(
            "in Centreon's LDAP settings name that directory, or a bind DN that {} holds",
            passage.target
        ),
        Cause::LdapLimit { .. } => {
            "the limits for this bind DN there, and its log (slapd: limits, timelimit)".to_owned()
        }
        Cause::LdapBindUnanswered { .. } => {
            "what checks the password there: a directory behind it, Kerberos, RADIUS? Its log, at the time of this run".to_owned()
        }
        _ => return None,
    })
}

fn in_web_and_mail(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::SmtpRefused { .. }
        | Cause::SmtpHelloRefused { .. }
        | Cause::SmtpMailRefused { .. } => format!(
            "let {} relay there (postfix: mynetworks), or use the relay meant for it",
            passage.from()
        ),
        Cause::NotMetadata { secure: false, .. } => format!(
            "allow {} for {} on the web filter or proxy; see: curl -s {} | head",
            passage.target,
            passage.from(),
            passage.target
        ),
        Cause::NotMetadata { secure: true, .. } => {
            format!("is this still a repository? curl -s {} | head", passage.target)
        }
        Cause::SmtpInspected { .. } => {
            "switch SMTP inspection off on the firewall in between (ASA: no inspect esmtp)"
                .to_owned()
        }
        Cause::ProxyAuthentication { .. } => {
            "give --proxy-user and PREFLIGHT_PROXY_PASSWORD, and the same to dnf or apt".to_owned()
        }
        Cause::ProxyScheme { .. } => format!(
            "let {} through without a log-in, or with Basic: neither dnf and apt as they come nor the platform speak the others",
            passage.from()
        ),
        Cause::PageInstead { host, .. } => {
            format!("let {} reach {host} without that page", passage.from())
        }
        Cause::RedirectLoop { location } => {
            format!(
                "what sends {location} back to itself there? curl -sSIL --max-redirs 5 {location}"
            )
        }
        // What listens on a proxy is not the far side's service.
        Cause::ProxyUnreachable { because, .. } => {
            what(because, &Passage { look_at: "", ..passage.clone() })
        }
        Cause::ProxyDenied { destination, .. } => format!("allow {destination} on the proxy"),
        Cause::ProxyCannotReach { destination, .. } => {
            format!("let the proxy itself reach {destination}")
        }
        Cause::CaptivePortal { .. } => {
            format!("allow {} without the portal's login", passage.own_rule())
        }
        _ => return None,
    })
}

fn in_the_platform(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::ZmtpMechanism { .. } | Cause::ZmtpOtherService { .. } => format!(
            "is this the poller's Gorgone? there: {}; grep external_com /etc/centreon-gorgone/config.d/*.yaml",
            passage.look()
        ),
        Cause::GorgoneWebsocketMissing { .. } => {
            "hand this path on to Gorgone on the central (Apache: ProxyPass), or correct port and path here".to_owned()
        }
        Cause::GorgoneWebsocketDown { .. } => {
            "on the central: systemctl restart gorgoned; ss -ltnp | grep gorgone; /var/log/centreon-gorgone/gorgoned.log".to_owned()
        }
        Cause::GorgoneTokenRefused { .. } => {
            "the same token in module pullwss here and in module proxy on the central (/etc/centreon-gorgone/config.d), then restart gorgoned".to_owned()
        }
        Cause::GorgoneApiRefused { .. } => format!(
            "module httpserver in /etc/centreon-gorgone/config.d: is {} in allowed_hosts, and is its auth right?",
            passage.from()
        ),
        Cause::GorgoneNoStatus => {
            "why is module proxy not loaded? grep -iE 'proxy|cannot' /var/log/centreon-gorgone/gorgoned.log".to_owned()
        }
        Cause::NoPong { .. } => {
            "systemctl restart gorgoned on that poller, then here; if it comes back, raise the firewall's idle timeout for its port".to_owned()
        }
        Cause::SshNothingInCommon { part, ours, .. } => {
            let line = match part {
                SshPart::KeyExchange => "KexAlgorithms",
                SshPart::HostKey => "HostKeyAlgorithms, HostKey",
                SshPart::Cipher => "Ciphers",
                SshPart::Mac => "MACs",
            };
            let few = ours.get(..3).unwrap_or(ours).join(", ");
            format!("let its SSH server offer one of {few} … (sshd_config: {line}), or update it")
        }
        Cause::BbdoTwo { .. } | Cause::BbdoMajor { .. } => {
            "the same BBDO version on every broker (Configuration > Pollers > Broker configuration), export, restart cbd and centengine".to_owned()
        }
        Cause::BbdoCarrier { .. } => {
            "the same transport and TLS in the poller's broker output and the central's input; export, restart cbd and centengine".to_owned()
        }
        Cause::BbdoTls { grpc: true } => {
            "gRPC with encryption in the poller's broker output, or a plain TCP input on the central".to_owned()
        }
        _ => return None,
    })
}

fn in_monitoring(cause: &Cause, passage: &Passage<'_>) -> Option<String> {
    Some(match cause {
        Cause::SnmpSilent { .. } => format!(
            "allow {}; on the device: is the agent on, may {} ask it, which version and community?",
            passage.rule(cause),
            passage.from()
        ),
        Cause::SnmpCommunity { .. } => format!(
            "compare the community, and let {} ask with it (snmpd: rocommunity, com2sec)",
            passage.from()
        ),
        Cause::SnmpUnknownUser { .. }
        | Cause::SnmpUserIgnored { .. }
        | Cause::SnmpWrongDigest { .. }
        | Cause::SnmpDecryption { .. }
        | Cause::SnmpSecurityLevel { .. } => {
            "compare user, protocols and passwords with the agent's own".to_owned()
        }
        Cause::SnmpView | Cause::SnmpAuthorization { .. } => {
            "let this community or user read 1.3.6.1.2.1 (snmpd: view and access lines)".to_owned()
        }
        Cause::NsclientNotAllowed { .. } | Cause::NsclientRefused { .. } => format!(
            "add {} to `allowed hosts` in nsclient.ini, then restart the service nscp",
            passage.from()
        ),
        Cause::DatabaseUserUntold { .. } => format!(
            "name the user: --check NAME=postgresql://USER@{}/DATABASE; no password is needed",
            passage.target
        ),
        Cause::DatabaseHostRefused { .. } => {
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
        };
        assert_eq!(passage(None).own_rule(), "TCP 5669 from 10.2.0.7 to 10.0.0.5");
        let seen = passage(Some([198, 51, 100, 7].into())).own_rule();
        assert_eq!(seen, "TCP 5669 from 10.2.0.7 (seen as 198.51.100.7) to 10.0.0.5");
    }
}
