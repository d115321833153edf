//! What a machine finds names with: its hosts file, the order of its sources, its DNS servers.
//!
//! As glibc reads them. The system resolver says what a name is; these files say why. Of a copy of
//! another machine's files they are all there is: what they say stands in for its resolver.
//!
//! Reference: hosts(5), nsswitch.conf(5), resolv.conf(5).

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

use nix::net::if_::if_nametoindex;

use super::nsswitch;
use crate::cause::{Cause, NameCause};

/// Where an address came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// This line of `/etc/hosts`, counted from 1.
    Hosts(usize),
    /// A DNS server: the line `hosts:` of `/etc/nsswitch.conf` names no other source.
    Dns,
    /// systemd-resolved, which asks DNS, and has more sources than that.
    Resolved,
    /// Another source that the line `hosts:` names, or DNS; which of them does not show.
    Service,
}

impl std::fmt::Display for NameSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hosts(line) => write!(out, "{HOSTS}:{line}"),
            Self::Dns => out.write_str("DNS"),
            Self::Resolved => out.write_str("systemd-resolved"),
            Self::Service => out.write_str("a source in /etc/nsswitch.conf"),
        }
    }
}

/// What a machine finds names with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    hosts: Vec<HostsLine>,
    /// `/etc/nsswitch.conf`, which says who is asked in which order.
    nsswitch: String,
    /// At most three, as glibc asks.
    pub(crate) servers: Vec<SocketAddr>,
    /// Domains that are appended to a name.
    search: Vec<String>,
    /// Dots from which on a name is tried as it is first.
    dots: usize,
    /// Are IPv6 addresses (AAAA) never asked for?
    pub(crate) no_v6: bool,
    /// Is every question asked over TCP?
    pub(crate) over_tcp: bool,
    /// The machine's own name.
    own: String,
    /// Are these another machine's files?
    pub(crate) is_copy: bool,
    /// A file that is there and that this user may not read, and the operating system's words.
    pub(crate) unread: Option<(&'static str, String)>,
}

/// The texts of the files; `None` for one that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameFiles<'a> {
    /// `/etc/hosts`
    pub hosts: Option<&'a str>,
    /// `/etc/nsswitch.conf`
    pub nsswitch: Option<&'a str>,
    /// `/etc/resolv.conf`
    pub resolv: Option<&'a str>,
    /// `/etc/hostname`
    pub hostname: Option<&'a str>,
}

/// A line of `/etc/hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostsLine {
    number: usize,
    address: IpAddr,
    names: Vec<String>,
}

impl Naming {
    /// Those of the machine this runs on.
    #[must_use]
    pub fn here() -> Self {
        let files = [RESOLV, HOSTS, nsswitch::FILE];
        let [resolv, hosts, nsswitch] = files.map(|file| read(Path::new(file)));
        let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let unread = files.iter().zip([&resolv, &hosts, &nsswitch]).find_map(|(file, text)| {
            let error = text.as_ref().err().filter(|error| denied(error))?;
            Some((*file, error.to_string()))
        });
        let [resolv, hosts, nsswitch] = [resolv.ok(), hosts.ok(), nsswitch.ok()];
        let hostname = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let files = NameFiles {
            hosts: hosts.as_deref(),
            nsswitch: nsswitch.as_deref(),
            resolv: resolv.as_deref(),
            hostname: hostname.as_deref(),
        };
        Self { is_copy: false, unread, ..Self::copy(files) }
    }

    /// Those of another machine, of which these are the files.
    #[must_use]
    pub fn copy(files: NameFiles<'_>) -> Self {
        let mut names = Self {
            hosts: lines(files.hosts.unwrap_or_default()),
            nsswitch: files.nsswitch.unwrap_or_default().to_owned(),
            own: files.hostname.unwrap_or_default().trim().to_ascii_lowercase(),
            dots: 1,
            is_copy: true,
            ..Self::default()
        };
        // The machine's own domain is searched until the file names another.
        let domain = names.own.split_once('.').map(|(_, domain)| domain.to_owned());
        names.search = domain.into_iter().filter(|domain| !domain.is_empty()).collect();
        for line in files.resolv.unwrap_or_default().lines() {
            names.setting(line);
        }
        names
    }

    /// A line of `resolv.conf`: a keyword begins it, and the last list of domains counts.
    fn setting(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        match (line.split([' ', '\t']).next(), words.next()) {
            (Some("nameserver"), _) => {
                let server = words.next().and_then(server);
                self.servers.extend(server.filter(|_| self.servers.len() < SERVERS));
            }
            (Some("search" | "domain"), _) => {
                self.search =
                    words.take(DOMAINS).map(|word| word.trim_matches('.').to_owned()).collect();
                self.search.retain(|domain| !domain.is_empty());
            }
            (Some("options"), _) => {
                for option in words {
                    self.no_v6 |= option == "no-aaaa";
                    self.over_tcp |= ["use-vc", "usevc"].contains(&option);
                    let dots = option.strip_prefix("ndots:").and_then(|dots| dots.parse().ok());
                    self.dots = dots.unwrap_or(self.dots);
                }
            }
            _ => {}
        }
    }

    /// The lines of `/etc/hosts` that name `host`, unless the look-up leaves that file out.
    ///
    /// A name that ends with a dot is another one than the same without it.
    pub(crate) fn in_hosts(&self, host: &str) -> impl Iterator<Item = (IpAddr, NameSource)> {
        let host = host.to_ascii_lowercase();
        let is_read = nsswitch::reads_hosts_first(&self.nsswitch);
        let lines = self.hosts.iter().filter(move |line| is_read && line.names.contains(&host));
        lines.map(|line| (line.address, NameSource::Hosts(line.number)))
    }

    /// Where the first of `addresses`, which `host` has, came from.
    pub(crate) fn source(&self, host: &str, addresses: &[IpAddr]) -> NameSource {
        let mut lines = self.in_hosts(host);
        let first = lines.find(|(address, _)| addresses.first() == Some(address));
        first.map_or_else(|| nsswitch::beyond_hosts(&self.nsswitch), |(_, line)| line)
    }

    /// The line that keeps a look-up of `host` from DNS: where, and what it says.
    pub(crate) fn barrier(&self, host: &str) -> Option<(String, String)> {
        nsswitch::barrier(&self.nsswitch, host)
    }

    /// May `host` well be this machine itself?
    #[must_use]
    pub fn is_own(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let label = |name: &str| name.split('.').next().map(str::to_owned);
        let is_local = ["localhost", "ip6-localhost", "ip6-loopback", "localhost.localdomain"];
        is_local.contains(&host.as_str())
            || host.ends_with(".localhost")
            || (!self.own.is_empty() && label(&host) == label(&self.own))
    }

    /// Are these the files of another machine? Its loopback addresses are not this machine's.
    #[must_use]
    pub fn is_of_another_machine(&self) -> bool {
        self.is_copy
    }

    /// The servers that a copy's names are asked of; for the machine itself none, which are its own.
    ///
    /// # Errors
    ///
    /// The copy has none, or only that machine itself can ask them.
    pub fn dns_servers(&self, host: &str) -> Result<Vec<SocketAddr>, Cause> {
        if !self.is_copy {
            return Ok(Vec::new());
        }
        let name = host.to_owned();
        let reachable = self.servers.iter().filter(|server| !server.ip().is_loopback());
        let reachable: Vec<SocketAddr> = reachable.copied().collect();
        match self.servers.first() {
            None => Err(Cause::Name(NameCause::NoNameServer { name })),
            Some(own) if reachable.is_empty() => {
                Err(Cause::Name(NameCause::NameServerElsewhere { name, server: own.ip() }))
            }
            Some(_) => Ok(reachable),
        }
    }

    /// The first domain that is appended to a name.
    pub(crate) fn domain(&self) -> Option<&str> {
        self.search.first().map(String::as_str)
    }

    /// What is asked for `host` one after the other, as fully qualified names.
    pub(crate) fn candidates(&self, host: &str) -> Vec<String> {
        let as_it_is = format!("{}.", host.trim_end_matches('.'));
        if host.ends_with('.') {
            return vec![as_it_is];
        }
        let mut all: Vec<String> =
            self.search.iter().map(|domain| format!("{host}.{domain}.")).collect();
        let first = host.matches('.').count() >= self.dots;
        all.insert(if first { 0 } else { all.len() }, as_it_is);
        all
    }
}

/// The text of a small file; bytes that are no UTF-8 are replaced.
fn read(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn lines(hosts: &str) -> Vec<HostsLine> {
    let line = |(index, line): (usize, &str)| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.split('%').next()?.parse().ok()?;
        Some(HostsLine {
            number: index + 1,
            address,
            names: words.map(str::to_ascii_lowercase).collect(),
        })
    };
    hosts.lines().enumerate().filter_map(line).collect()
}

/// `10.0.0.53`, `fe80::1%eth0`
fn server(word: &str) -> Option<SocketAddr> {
    match word.split_once('%') {
        None => Some(SocketAddr::new(word.parse().ok()?, DNS)),
        Some((address, interface)) => {
            let scope = if_nametoindex(interface).ok()?;
            let address: Ipv6Addr = address.parse().ok()?;
            Some(SocketAddrV6::new(address, DNS, 0, scope).into())
        }
    }
}

const HOSTS: &str = "/etc/hosts";
const RESOLV: &str = "/etc/resolv.conf";
const DNS: u16 = 53;
/// glibc's MAXNS.
const SERVERS: usize = 3;
/// glibc's older MAXDNSRCH: more would only take longer.
const DOMAINS: usize = 6;
/// Bytes of one file.
const MOST: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "127.0.0.1\tlocalhost\n127.0.1.1 CENTRAL central.corp # old\n\n\
                         10.0.0.5 smtp\n10.0.0.6 smtp\n";

    fn names() -> Naming {
        Naming::copy(NameFiles {
            hosts: Some(HOSTS),
            resolv: Some(
                "# by hand\nsearch corp.example. lab.example\nnameserver 10.0.0.53\n nameserver 10.0.0.9\n\
                 nameserver ::1 # two\nnameserver x\nnameserver 10.0.0.55\nnameserver 10.0.0.56\noptions ndots:2\n",
            ),
            nsswitch: None,
            hostname: Some("Poller1.corp\n"),
        })
    }

    #[test]
    fn an_address_is_found_in_its_line() {
        let central: IpAddr = [127, 0, 1, 1].into();
        assert_eq!(names().source("Central", &[central]), NameSource::Hosts(2));
        assert_eq!(names().source("Central.", &[central]), NameSource::Dns);
        assert_eq!(names().source("central", &[central]).to_string(), "/etc/hosts:2");
        let two: Vec<IpAddr> = vec![[10, 0, 0, 6].into(), [10, 0, 0, 5].into()];
        assert_eq!(names().source("smtp", &two), NameSource::Hosts(5));
        assert_eq!(names().source("smtp", &[central]), NameSource::Dns);
    }

    #[test]
    fn the_line_hosts_says_which_sources_there_are() {
        let central: IpAddr = [127, 0, 1, 1].into();
        for (services, source) in [
            ("files dns", NameSource::Hosts(2)),
            ("files resolve dns", NameSource::Hosts(2)),
            ("dns", NameSource::Dns),
            ("dns files", NameSource::Dns),
            // It reads the file itself.
            ("resolve [!UNAVAIL=return] dns", NameSource::Hosts(2)),
        ] {
            let nsswitch = format!("hosts: {services}\n");
            let files =
                NameFiles { hosts: Some(HOSTS), nsswitch: Some(&nsswitch), ..NameFiles::default() };
            assert_eq!(Naming::copy(files).source("central", &[central]), source, "{services}");
        }
        for (services, source) in [
            ("files myhostname mdns4_minimal [NOTFOUND=return] dns", NameSource::Dns),
            ("mymachines resolve [!UNAVAIL=return] files dns", NameSource::Resolved),
            ("files sss dns", NameSource::Service),
        ] {
            let nsswitch = format!("hosts: {services}\n");
            let files = NameFiles { nsswitch: Some(&nsswitch), ..NameFiles::default() };
            assert_eq!(Naming::copy(files).source("central", &[central]), source, "{services}");
        }
    }

    #[test]
    fn the_own_domain_is_searched_until_another_is_named() {
        let files = NameFiles { hostname: Some("poller1.Corp.example\n"), ..NameFiles::default() };
        assert_eq!(
            Naming::copy(files).candidates("central"),
            ["central.corp.example.", "central."]
        );
    }

    #[test]
    fn three_servers_are_asked_and_a_keyword_begins_its_line() {
        let servers: Vec<String> = names().servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.53:53", "[::1]:53", "10.0.0.55:53"]);
    }

    #[test]
    fn domains_are_appended_as_glibc_does() {
        let one = ["central.corp.example.", "central.lab.example.", "central."];
        assert_eq!(names().candidates("central"), one);
        let two = ["a.b.c.", "a.b.c.corp.example.", "a.b.c.lab.example."];
        assert_eq!(names().candidates("a.b.c"), two);
        assert_eq!(names().candidates("central."), ["central."]);
        assert_eq!(Naming::copy(NameFiles::default()).candidates("central"), ["central."]);
    }

    #[test]
    fn a_machine_is_known_by_its_own_names() {
        for own in ["localhost", "db.localhost", "poller1", "POLLER1.corp.example", "ip6-loopback"]
        {
            assert!(names().is_own(own), "{own}");
        }
        for other in ["central", "poller10", "corp", ""] {
            assert!(!names().is_own(other), "{other}");
        }
    }
}
