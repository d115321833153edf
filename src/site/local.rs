//! This machine: its name, kernel, addresses, and whether Centreon is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use preflight_checks::{NameFiles, Naming};
use serde::{Deserialize, Serialize};

use super::discover::{At, Files};

/// Who is asking: on top of every report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct Host {
    /// The name it goes by.
    pub(crate) name: String,
    /// Its distribution, as it calls itself.
    pub(crate) os: String,
    /// Its kernel's release.
    pub(crate) kernel: String,
    /// Does preflight run as root?
    pub(crate) root: bool,
    /// What it may do here, in words: "root", or what it cannot see.
    #[serde(default)]
    pub(crate) privileges: String,
    /// Its addresses, without loopback and link-local ones.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Host {
    /// What it may do here, without what it cannot see.
    pub(crate) fn privileges_in_short(&self) -> &str {
        self.privileges.split(':').next().unwrap_or_default()
    }
}

/// Looks at the machine preflight runs on.
pub(crate) fn host() -> Host {
    let uname = nix::sys::utsname::uname().ok();
    let text = |of: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
        uname.as_ref().map(|uname| of(uname).to_string_lossy().into_owned()).unwrap_or_default()
    };
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    Host {
        name: text(nix::sys::utsname::UtsName::nodename),
        os: pretty_name(&release).unwrap_or_else(|| text(nix::sys::utsname::UtsName::sysname)),
        kernel: text(nix::sys::utsname::UtsName::release),
        root: nix::unistd::geteuid().is_root(),
        privileges: privileges(
            nix::unistd::geteuid().is_root(),
            &std::fs::read_to_string("/proc/self/status").unwrap_or_default(),
        ),
        addresses: addresses(),
    }
}

/// `PRETTY_NAME` of os-release(5).
fn pretty_name(release: &str) -> Option<String> {
    let line = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(preflight_checks::printable(line.trim_matches('"')))
}

/// What the process may do, from its effective capabilities, capabilities(7).
fn privileges(root: bool, status: &str) -> String {
    /// The bits that suffice, the name, and what it is needed for.
    const MATTERS: [(u64, &str, &str); 2] = [
        (1 << 19, "CAP_SYS_PTRACE", "whose process listens"),
        (1 << 2 | 1 << 1, "CAP_DAC_READ_SEARCH", "files that others keep closed"),
    ];
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    let missing: Vec<_> = MATTERS.iter().filter(|(bits, ..)| effective & bits == 0).collect();
    let names: Vec<&str> = missing.iter().map(|(_, name, _)| *name).collect();
    let unseen: Vec<&str> = missing.iter().map(|(.., unseen)| *unseen).collect();
    match (root, missing.is_empty()) {
        (true, true) => "root".to_owned(),
        (false, true) => "not root, may see all it needs".to_owned(),
        (true, false) => format!("root without {}", names.join(" and ")),
        (false, false) => format!("not root: cannot see {}", unseen.join(" or ")),
    }
}

fn addresses() -> Vec<IpAddr> {
    let addresses = interfaces().map(|(_, address)| address);
    let known: BTreeSet<IpAddr> =
        addresses.filter(|address| !address.is_loopback() && !is_link_local(address)).collect();
    known.into_iter().collect()
}

/// The addresses of an interface of this machine, those of its link alone at last.
pub(crate) fn addresses_of(interface: &str) -> Vec<IpAddr> {
    let own = interfaces().filter(|(name, _)| name == interface).map(|(_, address)| address);
    let (of_link, others): (Vec<_>, Vec<_>) = own.partition(is_link_local);
    [others, of_link].concat()
}

/// Each address of this machine, and its interface.
fn interfaces() -> impl Iterator<Item = (String, IpAddr)> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        let address = v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))?;
        Some((interface.interface_name, address))
    })
}

/// Does it mean something on one link alone?
fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Have Centreon's own files been installed?
pub(crate) fn is_installed(files: &Files) -> bool {
    const CENTREON: [&str; 4] = [
        "/etc/centreon/conf.pm",
        "/etc/centreon-broker",
        "/etc/centreon-engine",
        "/etc/centreon-gorgone",
    ];
    CENTREON.iter().any(|path| files.exists(path))
}

/// What a copy of another machine's files finds names with; behind the stub of systemd-resolved, the
/// servers that it asks.
pub(crate) fn names(files: &Files) -> Naming {
    const BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";
    let read = |file: &str| files.read(file).ok().map(|text| text.text);
    let (hosts, nsswitch, hostname) =
        (read("/etc/hosts"), read("/etc/nsswitch.conf"), read("/etc/hostname"));
    let resolv = read("/etc/resolv.conf");
    let is_stub = resolv.as_deref().is_some_and(|text| text.contains("nameserver 127.0.0.53"));
    let resolv = if is_stub { read(BEHIND_STUB).or(resolv) } else { resolv };
    Naming::copy(NameFiles {
        hosts: hosts.as_deref(),
        nsswitch: nsswitch.as_deref(),
        resolv: resolv.as_deref(),
        hostname: hostname.as_deref(),
    })
}

/// Names that `/etc/hosts` answers.
pub(crate) fn hosts_names(files: &Files) -> Vec<String> {
    files.read("/etc/hosts").map(|hosts| names_in_hosts(&hosts.text)).unwrap_or_default()
}

fn names_in_hosts(hosts: &str) -> Vec<String> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(|line| line.split_whitespace().skip(1)).map(str::to_ascii_lowercase).collect()
}

/// What names and addresses mean on a machine whose files were copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elsewhere {
    /// Its `/etc/hosts`: the first address of each name, IPv4 before IPv6.
    hosts: BTreeMap<String, IpAddr>,
    /// The line of `nsswitch.conf`, when it asks no name server.
    without_dns: Option<(String, At)>,
}

/// What a host is on that machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedHost {
    /// That machine itself.
    Own,
    /// This address, which its `/etc/hosts` has.
    Address(IpAddr),
    /// Nobody: why, and where that stands.
    Unresolved {
        /// Why it is not resolved, as a clause.
        why: String,
        /// The line that names it.
        at: At,
    },
    /// The same as here.
    Same,
}

impl Elsewhere {
    /// Reads its hosts file and the order of its look-ups.
    pub(crate) fn read(files: &Files) -> Self {
        let mut hosts: BTreeMap<String, IpAddr> = BTreeMap::new();
        let text = files.read("/etc/hosts").map(|text| text.text).unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            for name in words {
                let known = hosts.entry(name.to_ascii_lowercase()).or_insert(address);
                if known.is_ipv6() && address.is_ipv4() {
                    *known = address;
                }
            }
        }
        let without_dns = files.read("/etc/nsswitch.conf").ok().and_then(|text| {
            let mut lines = text.lines();
            let (number, line) = lines.find(|(_, line)| line.trim().starts_with("hosts:"))?;
            let services = line.split('#').next().unwrap_or_default().trim().to_owned();
            let asks = services.split_whitespace().any(|word| matches!(word, "dns" | "resolve"));
            (!asks).then(|| (services, text.at(number)))
        });
        Self { hosts, without_dns }
    }

    /// What `host` is there.
    pub(crate) fn reading(&self, host: &str) -> NamedHost {
        let by_dns = Self::reading_by_dns(host);
        if by_dns == NamedHost::Own || host.parse::<IpAddr>().is_ok() {
            return by_dns;
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        match (self.hosts.get(&name), &self.without_dns) {
            (Some(address), _) if address.is_loopback() => NamedHost::Own,
            (Some(address), _) => NamedHost::Address(*address),
            (None, Some((services, at))) => NamedHost::Unresolved {
                why: format!("not in that machine's /etc/hosts, and `{services}` asks no DNS"),
                at: at.clone(),
            },
            (None, None) => NamedHost::Same,
        }
    }

    /// What `host` is there to a program that asks the DNS, and the system only where the DNS
    /// does not know the name.
    pub(crate) fn reading_by_dns_first(&self, host: &str) -> NamedHost {
        let by_dns = Self::reading_by_dns(host);
        match self.hosts.get(&host.trim_end_matches('.').to_ascii_lowercase()) {
            Some(address) if by_dns == NamedHost::Same => NamedHost::Unresolved {
                why: format!("where the DNS does not know it, that machine takes {address} for it"),
                at: At::file("/etc/hosts"),
            },
            _ => by_dns,
        }
    }

    /// What a host is there to a program that asks the DNS and reads neither `/etc/hosts` nor
    /// `/etc/nsswitch.conf`.
    pub(crate) fn reading_by_dns(host: &str) -> NamedHost {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let is_own = match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || address.is_unspecified(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        };
        if is_own { NamedHost::Own } else { NamedHost::Same }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_what_it_means_on_that_machine() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(root.path().join("etc").join(name), text).unwrap();
        };
        write(
            "hosts",
            "127.0.0.1 localhost\n127.0.1.1 poller1.corp poller1 # us\n\
            2001:db8::5 central\n10.0.0.5 Central\n",
        );
        let elsewhere = Elsewhere::read(&Files::below(root.path()));
        let address = |text: &str| NamedHost::Address(text.parse().unwrap());
        for (host, reading) in [
            ("127.0.0.53", NamedHost::Own),
            ("::1", NamedHost::Own),
            ("0.0.0.0", NamedHost::Own),
            ("localhost", NamedHost::Own),
            ("POLLER1", NamedHost::Own),
            ("central", address("10.0.0.5")),
            ("10.0.0.5", NamedHost::Same),
            ("ntp.example", NamedHost::Same),
        ] {
            assert_eq!(elsewhere.reading(host), reading, "{host}");
        }
        // Which of both counts there, the DNS says only to that machine.
        let by_dns_first = |host| elsewhere.reading_by_dns_first(host);
        assert!(matches!(by_dns_first("Central"), NamedHost::Unresolved { .. }));
        assert_eq!(by_dns_first("localhost"), NamedHost::Own);
        assert_eq!(by_dns_first("ntp.example"), NamedHost::Same);
        write("nsswitch.conf", "# x\npasswd: files\nhosts:  files myhostname\n");
        let elsewhere = Elsewhere::read(&Files::below(root.path()));
        let NamedHost::Unresolved { why, at } = elsewhere.reading("ntp.example") else { panic!() };
        let want = "not in that machine's /etc/hosts, and `hosts:  files myhostname` asks no DNS";
        assert_eq!((why.as_str(), at.to_string().as_str()), (want, "/etc/nsswitch.conf:3"));
        assert_eq!(elsewhere.reading("central"), address("10.0.0.5"));
    }

    #[test]
    fn hosts_file_names_are_all_of_a_line_but_the_first_word() {
        let hosts = "127.0.0.1 localhost\n10.0.0.5\tCentral.Corp central # main\n# 1.2.3.4 x\n";
        assert_eq!(names_in_hosts(hosts), ["localhost", "central.corp", "central"]);
    }

    #[test]
    fn privileges_are_told_by_what_cannot_be_seen() {
        let with = |set| format!("Name:\tpreflight\nCapEff:\t{set}\nCapBnd:\t0\n");
        for (root, set, words) in [
            (true, "000001ffffffffff", "root"),
            (true, "00000000a80425fb", "root without CAP_SYS_PTRACE"),
            (
                false,
                "0000000000000000",
                "not root: cannot see whose process listens or files that others keep closed",
            ),
            (false, "0000000000000004", "not root: cannot see whose process listens"),
            (false, "0000000000080004", "not root, may see all it needs"),
        ] {
            assert_eq!(privileges(root, &with(set)), words, "{set}");
        }
    }

    #[test]
    fn the_distribution_is_named_as_it_names_itself() {
        let release = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(release).unwrap(), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(pretty_name(""), None);
    }
}
