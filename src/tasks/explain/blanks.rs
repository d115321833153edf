//! The blanks of `docs/causes.md`, filled with what a report has seen.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use preflight_checks::{Cause, DnsCause, Layer, NameCause, Transport};

use crate::report::{AttemptReport, StepReport};
use crate::site::{Place, address_of};

/// What stands for the words in capitals; a word without a value stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Blanks {
    /// `HERE`: the address that was asked from.
    here: Option<IpAddr>,
    /// `TARGET`: the address that was asked; above the port, the host as it was given.
    target: Option<String>,
    /// `PORT`: the port that was asked.
    port: Option<u16>,
    /// `PROTOCOL`: in prose `TCP`, in a command `tcp`.
    protocol: Option<Transport>,
    /// `DEVICE`: the one that named itself.
    device: Option<IpAddr>,
    /// `NAME`: the host name that the cause is about.
    name: Option<String>,
}

/// Words of a page that a report has values for.
const NAMES: [&str; 5] = ["PROTOCOL", "PORT", "HERE", "TARGET", "DEVICE"];

/// Does a text have one of them?
pub(super) fn has_blanks(text: &str) -> bool {
    text.split(|letter| !is_of_word(letter)).any(|word| NAMES.contains(&word))
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

impl Blanks {
    /// The values of a step, as it was judged.
    pub(super) fn of(step: &StepReport) -> Self {
        let decided = step.attempts.iter().find(|attempt| attempt.cause() == step.why());
        let attempt = decided.or(step.attempts.first());
        let address = attempt.and_then(|attempt| attempt.address.known());
        let target = step.target.as_ref();
        let way = target.and_then(|target| {
            let is_asked = |port| address.is_none_or(|address| address.port() == port);
            target.ways.iter().find(|way| is_asked(way.port)).or(target.ways.first())
        });
        let given = target.and_then(|target| Place::from_str(&target.host).ok());
        let given = given.map(|place| place.host).filter(|host| is_harmless(host));
        let given_name = given.clone().filter(|host| address_of(host).is_none());
        let asked = address.map(|address| address.ip().to_string());
        let is_about_port = step.why().is_some_and(|cause| cause.layer() <= Layer::Port);
        Self {
            here: attempt.and_then(AttemptReport::from),
            target: if is_about_port { asked.or(given) } else { given.or(asked) },
            port: address
                .map(SocketAddr::port)
                .or(way.map(|way| way.port))
                .filter(|port| *port != 0),
            protocol: way.and_then(|way| way.transports.first()?.known().copied()),
            device: step.device(),
            name: step.why().and_then(|why| name(why, given_name.as_deref())),
        }
    }

    /// A sentence with the values in it.
    pub(super) fn in_prose(&self, text: &str) -> String {
        self.filled(text, |transport| transport.to_string())
    }

    /// A command with the values in it.
    pub(super) fn in_code(&self, text: &str) -> String {
        let filled = self.filled(text, |transport| transport.lower().to_owned());
        if self.here.is_some_and(|here| here.is_ipv6()) { for_ipv6(&filled) } else { filled }
    }

    fn filled(&self, text: &str, written: impl Fn(Transport) -> String) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_of_word) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !is_of_word(c)).unwrap_or(from.len()));
            let is_in_url = after.starts_with(':') || before.ends_with("://");
            let value = match word {
                "HERE" => self.here.map(|here| here.to_string()),
                "TARGET" => self.target.as_deref().map(|target| bracketed(target, is_in_url)),
                "PORT" => self.port.map(|port| port.to_string()),
                "PROTOCOL" => self.protocol.map(&written),
                "DEVICE" => self.device.map(|device| device.to_string()),
                "NAME" => self.name.clone(),
                _ => None,
            };
            filled.push_str(before);
            filled.push_str(value.as_deref().unwrap_or(word));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// The name that a cause is about: the one that is not resolved, or the one a certificate is for.
fn name(why: &Cause, given: Option<&str>) -> Option<String> {
    let name = match why {
        Cause::Name(
            NameCause::NameNotFound { name, .. }
            | NameCause::NameNotAskedFor { name, .. }
            | NameCause::NameWithoutAddress { name }
            | NameCause::ResolverFailed { name, .. }
            | NameCause::NameServerUnreachable { name, .. }
            | NameCause::AliasBroken { name, .. }
            | NameCause::NameIsLoopback { name, .. }
            | NameCause::NameIsNobody { name, .. }
            | NameCause::NameFileUnread { name, .. },
        )
        | Cause::Dns(
            DnsCause::DnsNameNotFound { name } | DnsCause::DnsNameWithoutAddress { name },
        ) => Some(name.as_str()),
        other => given.filter(|_| other.layer() == Layer::Tls),
    };
    name.filter(|name| is_harmless(name)).map(str::to_owned)
}

/// The rules of a firewall name the family of an address.
fn for_ipv6(command: &str) -> String {
    let families = [("ip saddr ", "ip6 saddr "), ("ip daddr ", "ip6 daddr ")];
    let families = families.iter().chain(&[("family=\"ipv4\"", "family=\"ipv6\"")]);
    families.fold(command.to_owned(), |command, (four, six)| command.replace(four, six))
}

/// An IPv6 address before a port stands in brackets.
fn bracketed(host: &str, is_in_url: bool) -> String {
    if is_in_url && host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Can it stand in a command? A report may come from anybody, and a line of this page gets pasted
/// into a shell.
fn is_harmless(host: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    !host.is_empty() && !host.starts_with('-') && host.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{failing_at, report, step};
    use preflight_checks::Icmp;
    use preflight_checks::{PathCause, SnmpCause, TlsCause};

    fn blanks(target: &str, way: &str, why: &Cause, to: &str, from: &str) -> Blanks {
        let step = failing_at(step("poller", "central", target, way, "fail"), from, to, why);
        Blanks::of(&report("poller-1", "poller", from, &[step]).steps[0])
    }

    fn rejected(to: &str) -> Cause {
        let icmp = Icmp::V4 { kind: 3, code: 13 };
        Cause::Path(PathCause::PathRejected {
            to: to.parse().unwrap(),
            by: IpAddr::from([10, 9, 0, 1]),
            icmp,
        })
    }

    #[test]
    fn a_rule_names_addresses_and_a_certificate_its_host() {
        let (to, from) = ("10.0.0.5:5669", "10.2.0.7");
        let path = blanks("central.example", "bbdo:5669/tcp", &rejected(to), to, from);
        assert_eq!(
            path.in_prose("allow PROTOCOL PORT from HERE to TARGET"),
            "allow TCP 5669 from 10.2.0.7 to 10.0.0.5"
        );
        assert_eq!(
            path.in_code("ip saddr HERE PROTOCOL dport PORT"),
            "ip saddr 10.2.0.7 tcp dport 5669"
        );
        let tls = blanks(
            "central.example",
            "bbdo:5669/tcp",
            &Cause::Tls(TlsCause::TrustStoreEmpty),
            to,
            from,
        );
        assert_eq!(tls.in_code("-connect TARGET:PORT"), "-connect central.example:5669");
    }

    #[test]
    fn an_ipv6_address_before_a_port_stands_in_brackets() {
        let (to, from) = ("[2001:db8::5]:161", "2001:db8::7");
        let blanks =
            blanks("2001:db8::5", "snmp:161/udp", &Cause::Snmp(SnmpCause::SnmpView), to, from);
        assert_eq!(
            blanks.in_code("nc TARGET PORT; curl http://TARGET:PORT/"),
            "nc 2001:db8::5 161; curl http://[2001:db8::5]:161/"
        );
    }

    #[test]
    fn a_rule_for_an_ipv6_address_is_one_of_ipv6() {
        let (to, from) = ("[2001:db8::5]:161", "2001:db8::7");
        let blanks =
            blanks("2001:db8::5", "snmp:161/udp", &Cause::Snmp(SnmpCause::SnmpView), to, from);
        assert_eq!(
            blanks.in_code("input ip saddr HERE PROTOCOL dport PORT accept"),
            "input ip6 saddr 2001:db8::7 udp dport 161 accept"
        );
        assert!(blanks.in_code("family=\"ipv4\" source address=\"HERE\"").contains("\"ipv6\""));
    }

    #[test]
    fn a_name_is_the_one_the_cause_is_about() {
        let (to, from) = ("10.0.0.25:25", "10.2.0.7");
        let missing = Cause::Name(NameCause::NameWithoutAddress { name: "mx.example".to_owned() });
        let of =
            |why: &Cause, text| blanks("relay.example", "smtp:25/tcp", why, to, from).in_code(text);
        assert_eq!(of(&missing, "dig NAME A"), "dig mx.example A");
        let untrusted = "-servername relay.example";
        assert_eq!(of(&Cause::Tls(TlsCause::TrustStoreEmpty), "-servername NAME"), untrusted);
        // A user's name, or a password's.
        assert_eq!(of(&Cause::Snmp(SnmpCause::SnmpView), "NAME:PASSWORD"), "NAME:PASSWORD");
        let hostile = Cause::Name(NameCause::NameWithoutAddress { name: "$(reboot)".to_owned() });
        assert_eq!(of(&hostile, "dig NAME A"), "dig NAME A");
    }

    #[test]
    fn a_part_of_a_word_and_a_value_that_is_not_known_stay() {
        let none = Blanks::default();
        assert_eq!(none.in_code("PORTAL TARGET:PORT SOME_PORT"), "PORTAL TARGET:PORT SOME_PORT");
        assert!(has_blanks("ping TARGET") && !has_blanks("PORTAL SOME_PORT"));
    }

    #[test]
    fn what_a_shell_would_act_on_is_not_filled_in() {
        for host in ["$(reboot)", "a;b", "-oProxyCommand=x", "a b", "a`b`", "a'b"] {
            let blanks = blanks(
                host,
                "tcp:80/tcp",
                &Cause::Tls(TlsCause::TrustStoreEmpty),
                "10.0.0.5:80",
                "10.2.0.7",
            );
            assert_eq!(blanks.in_code("ping TARGET"), "ping 10.0.0.5", "{host}");
        }
    }
}
