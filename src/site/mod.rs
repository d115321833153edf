//! What is known of this installation: peers and their addresses, each with its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use preflight_checks::{Trust, http, ldap, nsclient, smtp, snmp};
use serde::{Serialize, Serializer};
use url::Url;

use crate::catalogue::{Party, Role};

#[allow(dead_code, unused_imports, reason = "the sources follow")]
pub(crate) mod discover;
pub(crate) mod local;
#[allow(dead_code, reason = "the plan follows")]
pub(crate) mod sample;

/// Everything the plan may use; nothing here was asked over the network.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// What this machine is.
    pub(crate) role: Role,
    /// Peers by kind, in the order they were given.
    pub(crate) targets: BTreeMap<Party, Vec<Target>>,
    /// Ports that replace the catalogue's, by flow id.
    pub(crate) ports: BTreeMap<String, Sourced<u16>>,
    /// Flows of the user's own.
    pub(crate) custom: Vec<Custom>,
    /// The proxy for Internet flows.
    pub(crate) proxy: Option<Sourced<http::Proxy>>,
    /// How to read from devices.
    pub(crate) snmp: snmp::Credentials,
    /// How to bind to the directory.
    pub(crate) ldap: Option<ldap::Bind>,
    /// How to log in to `NSClient++`.
    pub(crate) nsclient: nsclient::Probe,
    /// The test mail, when one was asked for.
    pub(crate) test_mail: Option<smtp::TestMail>,
    /// Whom TLS trusts.
    pub(crate) trust: Trust,
    /// Names that `/etc/hosts` answers: no DNS server has to know them.
    pub(crate) hosts_names: Vec<String>,
}

impl Site {
    /// A site of which only the role is known.
    pub(crate) fn of(role: Role, trust: Trust) -> Self {
        Self {
            role,
            targets: BTreeMap::new(),
            ports: BTreeMap::new(),
            custom: Vec::new(),
            proxy: None,
            snmp: snmp::Credentials::None,
            ldap: None,
            nsclient: nsclient::Probe::default(),
            test_mail: None,
            trust,
            hosts_names: Vec::new(),
        }
    }

    /// The peers of that kind.
    pub(crate) fn targets(&self, party: &Party) -> &[Target] {
        self.targets.get(party).map_or(&[], Vec::as_slice)
    }
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line: the flag.
    Flag(&'static str),
    /// The catalogue's profile.
    Profile,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => out.write_str(flag),
            Self::Profile => out.write_str("profile"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One peer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where it stands.
    pub(crate) place: Place,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Name or address, without brackets.
    pub(crate) host: String,
    /// The port, when one was given.
    pub(crate) port: Option<u16>,
    /// The URL, when one was given; it pins protocol, port and path.
    pub(crate) url: Option<Url>,
}

impl Place {
    /// Is it a name, which DNS may have to answer?
    pub(crate) fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    fn from_url(text: &str) -> Result<Self, String> {
        // Not repeated: a mistyped one may still hold a password.
        let url = Url::parse(text).map_err(|error| format!("this is no URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL here carries no user or password".to_owned());
        }
        let host = url.host_str().ok_or_else(|| format!("`{text}` names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port_of(&url)?;
        check_host(&host)?;
        Ok(Self { host, port, url: Some(url) })
    }
}

/// An explicit port; 0 is none.
fn port_of(url: &Url) -> Result<Option<u16>, String> {
    match url.port() {
        Some(0) => Err("port 0 is no port (1 to 65535)".to_owned()),
        port => Ok(port),
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Self::from_url(text);
        }
        if text.contains('@') {
            return Err("a target carries no user or password".to_owned());
        }
        let bare = |host: &str, port| {
            check_host(host)?;
            Ok(Self { host: host.to_owned(), port, url: None })
        };
        if let Some(rest) = text.strip_prefix('[') {
            let (host, after) =
                rest.split_once(']').ok_or_else(|| format!("`{text}` has no closing bracket"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("`{host}` is no IPv6 address"));
            }
            return match after.strip_prefix(':') {
                Some(port) => bare(host, Some(parse_port(port)?)),
                None if after.is_empty() => bare(host, None),
                None => Err(format!("`{after}` after the bracket is no :PORT")),
            };
        }
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return bare(text, None);
        }
        match text.split_once(':') {
            Some((host, port)) => bare(host, Some(parse_port(port)?)),
            None => bare(text, None),
        }
    }
}

/// A port from 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) => Err("port 0 is no port (1 to 65535)".to_owned()),
        Ok(port) => Ok(port),
        Err(_) => Err(format!("`{text}` is no port (1 to 65535)")),
    }
}

/// What getaddrinfo would take: letters, digits, `-`, `_`, `.`, or an address.
fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match host.chars().find(|&c| !fits(c)) {
        Some(c) => Err(format!("`{}` has no place in a host name", c.escape_default())),
        None if host.len() > 253 => Err("a host name has at most 253 characters".to_owned()),
        None if host.chars().all(|c| c.is_ascii_digit() || c == '.') => {
            Err(format!("`{host}` is no IPv4 address"))
        }
        None => Ok(()),
    }
}

/// A flow of the user's own: `NAME=SCHEME://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Custom {
    /// The NAME: the flow becomes `custom.NAME`.
    pub(crate) name: String,
    /// The SCHEME: a service's name.
    pub(crate) scheme: String,
    /// Where.
    pub(crate) place: Place,
}

/// Schemes a custom flow may have.
pub(crate) const CUSTOM_SCHEMES: &[&str] = &[
    "tcp",
    "tls",
    "http",
    "https",
    "trap",
    "mysql",
    "postgresql",
    "mssql",
    "ssh",
    "smtp",
    "ldap",
    "ldaps",
    "ntp",
    "dns",
    "snmp",
    "bbdo",
    "zmq",
    "nsclient",
    "pullwss",
    "pullwss-tls",
];

impl FromStr for Custom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is not of the form NAME=SCHEME://HOST[:PORT]");
        let (name, url) = text.split_once('=').ok_or_else(shape)?;
        let (scheme, rest) = url.split_once("://").ok_or_else(shape)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!("`{name}` is no name (letters, digits, - and _)"));
        }
        if !CUSTOM_SCHEMES.contains(&scheme) {
            return Err(format!(
                "unknown scheme `{scheme}`; known are {}",
                CUSTOM_SCHEMES.join(", ")
            ));
        }
        let place = match scheme {
            "http" | "https" | "pullwss" | "pullwss-tls" => Place::from_url(url)?,
            _ => rest.trim_end_matches('/').parse()?,
        };
        if matches!(scheme, "tcp" | "tls") && place.port.is_none() {
            return Err(format!("{scheme}://{} needs a port", place.host));
        }
        Ok(Self { name: name.to_owned(), scheme: scheme.to_owned(), place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> (String, Option<u16>) {
        let place: Place = text.parse().unwrap();
        (place.host, place.port)
    }

    #[test]
    fn hosts_come_in_four_forms() {
        assert_eq!(place("central"), ("central".into(), None));
        assert_eq!(place("10.0.0.5:5669"), ("10.0.0.5".into(), Some(5669)));
        assert_eq!(place("2001:db8::1"), ("2001:db8::1".into(), None));
        assert_eq!(place("[2001:db8::1]:53"), ("2001:db8::1".into(), Some(53)));
        assert_eq!(place("https://[2001:db8::1]/x"), ("2001:db8::1".into(), None));
        assert_eq!(place("ldap://dc1.corp.example:3389"), ("dc1.corp.example".into(), Some(3389)));
    }

    #[test]
    fn what_is_no_host_says_why() {
        for (text, reason) in [
            ("", "the host is missing"),
            ("host:0", "port 0 is no port (1 to 65535)"),
            ("host:99999", "`99999` is no port (1 to 65535)"),
            ("ho st", "` ` has no place in a host name"),
            ("10.0.0.256", "`10.0.0.256` is no IPv4 address"),
            ("[::1", "`[::1` has no closing bracket"),
            ("[host]:1", "`host` is no IPv6 address"),
            ("a\u{1b}b", "`\\u{1b}` has no place in a host name"),
            ("u:p@host", "a target carries no user or password"),
            ("https://u:p@host/", "a URL here carries no user or password"),
            ("https://u:p@host:99999/", "this is no URL: invalid port number"),
        ] {
            assert_eq!(text.parse::<Place>().unwrap_err(), reason, "{text}");
        }
    }

    #[test]
    fn a_custom_flow_has_name_scheme_host_and_port() {
        let custom: Custom = "erp=postgresql://db.example:5433".parse().unwrap();
        assert_eq!(custom.name, "erp");
        assert_eq!(custom.scheme, "postgresql");
        assert_eq!((custom.place.host.as_str(), custom.place.port), ("db.example", Some(5433)));
        assert!("erp=gopher://x".parse::<Custom>().unwrap_err().contains("unknown scheme"));
        assert!("erp=tcp://x".parse::<Custom>().unwrap_err().contains("needs a port"));
        assert!("tcp://x:1".parse::<Custom>().unwrap_err().contains("NAME=SCHEME"));
    }
}
