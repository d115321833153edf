//! Where a peer stands, as people write it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use preflight_checks::{discreet, quoted};
use url::Url;

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
        address_of(&self.host).is_none()
    }

    /// The URL that was given, or the one its host has with this scheme.
    pub(crate) fn as_url(&self, scheme: &str) -> Option<Url> {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let made = || match self.host.parse::<std::net::Ipv6Addr>() {
            Ok(v6) => format!("{scheme}://[{v6}]{port}/"),
            Err(_) => format!("{scheme}://{}{port}/", self.host),
        };
        self.url.clone().or_else(|| made().parse().ok())
    }

    /// The URL that was given, without what may be a secret, and with the interface of its address.
    pub(crate) fn discreet_url(&self) -> Option<String> {
        let shown = discreet(self.url.as_ref()?);
        Some(match self.host.split_once('%') {
            Some((_, interface)) => shown.replacen(']', &format!("%25{interface}]"), 1),
            None => shown,
        })
    }

    /// # Errors
    ///
    /// When `text` is no URL with a host, or says more than where its host is.
    pub(crate) fn from_url(text: &str) -> Result<Self, String> {
        let text = plain_zone(text);
        // No crate of URLs reads an interface.
        let (bare, zone) = match zone_of(&text) {
            Some((before, address, zone, behind)) => {
                (format!("{before}[{address}]{behind}"), Some(zone))
            }
            None => (text.to_string(), None),
        };
        // Not repeated: a mistyped one may still hold a password.
        let url = Url::parse(&bare).map_err(|error| format!("this is not a URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL here carries no user or password".to_owned());
        }
        let host =
            url.host_str().ok_or_else(|| format!("{text} names no host", text = quoted(&text)))?;
        let mut host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if let Some(zone) = zone {
            host = format!("{host}%{zone}");
            if address_of(&host).is_none() {
                return Err(format!(
                    "{host} is not an address of an interface's own link",
                    host = quoted(&host)
                ));
            }
        }
        if url.port() == Some(0) {
            return Err("port 0 is not a port (1 to 65535)".to_owned());
        }
        check_host(&host)?;
        Ok(Self { host, port: url.port(), url: Some(url) })
    }
}

/// The address that `host` is, if it is one; that of a link names its interface (`fe80::1%eth0`).
pub(crate) fn address_of(host: &str) -> Option<IpAddr> {
    let Some((address, interface)) = host.split_once('%') else { return host.parse().ok() };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    let is_named = !interface.is_empty() && interface.len() <= 15 && interface.chars().all(fits);
    let address: Ipv6Addr = address.parse().ok()?;
    (is_named && address.is_unicast_link_local()).then_some(address.into())
}

/// A URL with the interface of its address behind `%` alone: RFC 6874 writes `%25` there, and
/// curl takes both.
pub(crate) fn plain_zone(url: &str) -> Cow<'_, str> {
    let zoned = zone_of(url).and_then(|(before, address, zone, behind)| {
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty())?;
        Some(Cow::Owned(format!("{before}[{address}%{zone}]{behind}")))
    });
    zoned.unwrap_or(Cow::Borrowed(url))
}

/// What stands before the address in brackets, the address, its interface, and the rest.
fn zone_of(url: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, rest) = url.split_once('[').filter(|(before, _)| !before.contains('?'))?;
    let (inside, behind) = rest.split_once(']')?;
    let (address, zone) = inside.split_once('%')?;
    address.parse::<Ipv6Addr>().is_ok().then_some((before, address, zone, behind))
}

/// What a template has where a value belongs: `@DB_HOST@`, `${CENTRAL_HOST}`, `$(hostname)`,
/// `{{ central }}`, `<central-ip>`, `--ADDRESS--`. None of it can stand in a host's name or in a URL.
pub(crate) fn placeholder(text: &str) -> Option<&str> {
    const MARKS: [(&str, &str); 6] =
        [("${", "}"), ("$(", ")"), ("{{", "}}"), ("<", ">"), ("@", "@"), ("--", "--")];
    MARKS.iter().find_map(|(open, close)| {
        let begin = text.find(open)?;
        let inside = text.get(begin + open.len()..)?;
        let length = inside.find(close).filter(|&length| length > 0)?;
        let is_name =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '|');
        let name = inside.get(..length).filter(|name| name.chars().all(is_name))?;
        // `a--b--c` is a name, and so is what stands between two `@` of a login.
        let is_bare = !matches!(*open, "@" | "--")
            || begin == 0
                && name.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '_' | '0'..='9'));
        is_bare.then(|| text.get(begin..begin + open.len() + length + close.len()))?
    })
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(blank) = placeholder(text) {
            return Err(format!("nobody has filled in {blank}", blank = quoted(blank)));
        }
        if text.contains("://") {
            return Self::from_url(text);
        }
        if text.contains('@') {
            return Err("a target carries no user or password".to_owned());
        }
        let bare = |host: &str, port| {
            check_host(host)?;
            let numeric = numeric_v4(host).map(|address| address.to_string());
            Ok(Self { host: numeric.unwrap_or_else(|| host.to_owned()), port, url: None })
        };
        if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest
                .split_once(']')
                .ok_or_else(|| format!("{text} has no closing bracket", text = quoted(text)))?;
            if !address_of(host).is_some_and(|address| address.is_ipv6()) {
                return Err(format!("{host} is not an IPv6 address", host = quoted(host)));
            }
            return match after.strip_prefix(':') {
                Some(port) => bare(host, Some(parse_port(port)?)),
                None if after.is_empty() => bare(host, None),
                None => {
                    Err(format!("{after} after the bracket is not :PORT", after = quoted(after)))
                }
            };
        }
        if address_of(text).is_some_and(|address| address.is_ipv6()) {
            return bare(text, None);
        }
        match text.split_once(':') {
            Some((host, port)) => bare(host, Some(parse_port(port)?)),
            None => bare(text, None),
        }
    }
}

/// The URL of a proxy; without a scheme it is an `http://` one.
///
/// # Errors
///
/// One sentence; a password that was in it is not repeated.
pub(crate) fn parse_proxy(text: &str) -> Result<Url, String> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // Parsed as any other target: no user, no password, no port 0.
    let place: Place = text.parse()?;
    let url = place.url.filter(|url| url.scheme() == "http");
    url.ok_or_else(|| "only http:// proxies are known".to_owned())
}

/// A port from 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Result<u16, String> {
    if let Some(blank) = placeholder(text) {
        return Err(format!("nobody has filled in {blank}", blank = quoted(blank)));
    }
    match text.parse() {
        Ok(0) => Err("port 0 is not a port (1 to 65535)".to_owned()),
        Ok(port) => Ok(port),
        // What is no number may be half of a login: `admin:password`.
        Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("{text} is not a port (1 to 65535)", text = quoted(text)))
        }
        Err(_) => Err("what follows the colon is not a port (1 to 65535)".to_owned()),
    }
}

/// An IPv4 address in any form that glibc takes for one, as `inet_aton` does: one to four
/// numbers, each decimal, octal (`010`) or hexadecimal (`0x0a`), the last of which fills all
/// bytes that are left. `10.1` is 10.0.0.1, `010.0.0.1` is 8.0.0.1.
pub(crate) fn numeric_v4(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| {
        let (digits, radix) = match part.strip_prefix("0x").or(part.strip_prefix("0X")) {
            Some(hexadecimal) => (hexadecimal, 16),
            None if part.len() > 1 && part.starts_with('0') => (part, 8),
            None => (part, 10),
        };
        let all = digits.chars().all(|c| c.is_digit(radix));
        u32::from_str_radix(digits, radix).ok().filter(|_| all)
    };
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, bytes) = numbers.split_last().filter(|(_, bytes)| bytes.len() < 4)?;
    let mut address = 0_u32;
    for (byte, shift) in bytes.iter().zip([24, 16, 8]) {
        address |= u32::from(u8::try_from(*byte).ok()?) << shift;
    }
    let room = u32::MAX.checked_shr(8 * u32::try_from(bytes.len()).ok()?).unwrap_or(0);
    (*last <= room).then(|| Ipv4Addr::from(address | last))
}

/// Percent signs undone; what they make of bytes that are no UTF-8 is replaced.
pub(crate) fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (byte, rest) = escaped(piece).unwrap_or((b'%', piece));
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte of the two hexadecimal digits `piece` begins with, and the rest.
fn escaped(piece: &str) -> Option<(u8, &str)> {
    let (digits, rest) = piece.split_at_checked(2)?;
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some((u8::from_str_radix(digits, 16).ok().filter(|_| all)?, rest))
}

/// What getaddrinfo would take: letters, digits, `-`, `_`, `.`, or an address.
fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    if address_of(host).is_some() || numeric_v4(host).is_some() {
        return Ok(());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match host.chars().find(|&c| !fits(c)) {
        Some(c) => Err(format!("`{}` has no place in a host name", c.escape_default())),
        None if host.len() > 253 => Err("a host name has at most 253 characters".to_owned()),
        None if host.chars().all(|c| c.is_ascii_digit() || c == '.') => {
            Err(format!("{host} is not an IPv4 address", host = quoted(host)))
        }
        None => check_labels(host.strip_suffix('.').unwrap_or(host)),
    }
}

/// The parts of a name between its dots (RFC 1035 §2.3.4).
fn check_labels(host: &str) -> Result<(), String> {
    match host.split('.').find(|label| label.is_empty() || label.len() > 63) {
        Some("") => Err(format!(
            "{host} has nothing between two of its dots, or before the first",
            host = quoted(host)
        )),
        Some(_) => Err("a part of a host name has at most 63 characters".to_owned()),
        None => Ok(()),
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
        assert_eq!(place("fe80::1%eth0"), ("fe80::1%eth0".into(), None));
        assert_eq!(place("[fe80::1%eth0.7]:53"), ("fe80::1%eth0.7".into(), Some(53)));
        assert_eq!(place("https://[2001:db8::1]/x"), ("2001:db8::1".into(), None));
        assert_eq!(place("https://[fe80::1%25eth0]:81/x"), ("fe80::1%eth0".into(), Some(81)));
        assert_eq!(place("https://[fe80::1%eth0.7]/x"), ("fe80::1%eth0.7".into(), None));
        assert_eq!(place("https://[fe80::1%25]/x"), ("fe80::1%25".into(), None));
        assert_eq!(place("ldap://dc1.corp.example:3389"), ("dc1.corp.example".into(), Some(3389)));
    }

    /// `getent` takes what glibc takes; in a namespace with one address of no network, and
    /// without DNS.
    #[test]
    fn an_address_has_the_forms_that_glibc_knows() {
        let long = "0".repeat(40) + "1";
        for text in [
            "10.0.0.1",
            "10.1",
            "10.0.1",
            "10.0.0x10",
            "0x7f.1",
            "0X7F000001",
            "2130706433",
            "010.0.0.1",
            "08.0.0.1",
            "0",
            "0.0",
            "4294967295",
            "4294967296",
            "1.16777215",
            "1.16777216",
            "1.2.65535",
            "1.2.65536",
            "1.2.3.256",
            "256.1",
            "1.2.3.4.5",
            "1.2.3.",
            ".1",
            "1..2",
            "0x",
            "0x.1",
            "+1",
            "-1",
            "1.2.3.4x",
            "0x1g",
            "1 ",
            &long,
        ] {
            let script = "ip link set lo up && ip address add 192.0.2.1/32 dev lo && \
                exec getent -s hosts:files ahostsv4 \"$1\"";
            let output = std::process::Command::new("unshare")
                .args(["-n", "sh", "-c", script, "sh", text])
                .output()
                .expect("unshare, as root");
            let told = String::from_utf8(output.stdout).unwrap();
            let theirs = told.split_ascii_whitespace().next().map(str::to_owned);
            assert_eq!(numeric_v4(text).map(|ours| ours.to_string()), theirs, "{text}");
        }
        assert_eq!(place("10.1:53"), ("10.0.0.1".into(), Some(53)));
    }

    #[test]
    fn what_is_no_host_says_why() {
        for (text, reason) in [
            ("", "the host is missing"),
            ("host:0", "port 0 is not a port (1 to 65535)"),
            ("host:99999", "`99999` is not a port (1 to 65535)"),
            ("ho st", "` ` has no place in a host name"),
            ("a..b", "`a..b` has nothing between two of its dots, or before the first"),
            ("10.0.0.256", "`10.0.0.256` is not an IPv4 address"),
            ("[::1", "`[::1` has no closing bracket"),
            ("[2001:db8::1%eth0]:1", "`2001:db8::1%eth0` is not an IPv6 address"),
            ("10.0.0.1%eth0", "`%` has no place in a host name"),
            (
                "https://[2001:db8::1%25eth0]/",
                "`2001:db8::1%eth0` is not an address of an interface's own link",
            ),
            (
                "https://[fe80::1%25a/b]/",
                "`fe80::1%a/b` is not an address of an interface's own link",
            ),
            ("[host]:1", "`host` is not an IPv6 address"),
            ("@VIP_SQL_IPADDR@:3306", "nobody has filled in `@VIP_SQL_IPADDR@`"),
            ("--ADDRESS--:--DBPORT--", "nobody has filled in `--ADDRESS--`"),
            ("${CENTRAL_HOST}", "nobody has filled in `${CENTRAL_HOST}`"),
            ("https://<ip_hostname>/sdk", "nobody has filled in `<ip_hostname>`"),
            ("{{ central | default }}:5669", "nobody has filled in `{{ central | default }}`"),
            ("a\u{1b}b", "`\\u{1b}` has no place in a host name"),
            ("u:p@host", "a target carries no user or password"),
            ("https://u:p@host/", "a URL here carries no user or password"),
            ("https://u:p@host:99999/", "this is not a URL: invalid port number"),
        ] {
            assert_eq!(text.parse::<Place>().unwrap_err(), reason, "{text}");
        }
    }
}
