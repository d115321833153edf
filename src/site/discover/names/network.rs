//! Name servers in the files of what manages the network: it writes `resolv.conf`, or hands
//! them to systemd-resolved.
//!
//! `resolved.conf` and its drop-ins, systemd-networkd, netplan, `NetworkManager`, the network
//! scripts of EL and ifupdown, `dhclient` and resolvconf. All that is there is read: more than one may be in use, each
//! for its interfaces. Servers that DHCP names stand in no file, which is noted.
//!
//! Reference: resolved.conf(5), systemd.network(5), netplan(5), nm-settings-keyfile(5),
//! interfaces(5) with resolvconf(8).

use std::net::Ipv6Addr;

use super::super::constructs::Constructs;
use super::super::facts::Read;
use super::super::include::{by_name, glob, list, units};
use super::super::lines::{Continued, ini, words};
use super::super::tree::Node;
use super::super::{At, Facts, Files, Text, Unread};
use super::{MISSING, address};
use crate::site::{Place, parse_port};

const RESOLVED: &str = "/etc/systemd/resolved.conf";
const RESOLVED_PARTS: [&str; 4] = [
    "/etc/systemd/resolved.conf.d",
    "/run/systemd/resolved.conf.d",
    "/usr/local/lib/systemd/resolved.conf.d",
    "/usr/lib/systemd/resolved.conf.d",
];
const NETWORKD: [&str; 3] =
    ["/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network"];
const NETPLAN: [&str; 3] = ["/run/netplan", "/etc/netplan", "/lib/netplan"];
const NETWORK_MANAGER: [&str; 3] = [
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];
const NETWORK_MANAGER_CONF: &str = "/etc/NetworkManager/NetworkManager.conf";
const NETWORK_MANAGER_PARTS: [&str; 3] =
    ["/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"];
const SCRIPTS: &str = "/etc/sysconfig/network-scripts";
const INTERFACES: &str = "/etc/network/interfaces";
/// What ISC's client of DHCP makes of the answer.
const DHCLIENT: [&str; 2] = ["/etc/dhcp/dhclient.conf", "/etc/dhclient.conf"];
/// What resolvconf writes before and behind what interfaces bring.
const RESOLVCONF: [&str; 3] = [
    "/etc/resolvconf/resolv.conf.d/head",
    "/etc/resolvconf/resolv.conf.d/base",
    "/etc/resolvconf/resolv.conf.d/tail",
];
const INTERFACES_PARTS: &str = "/etc/network/interfaces.d";
/// Files of ifupdown that are read.
const MOST_SOURCED: usize = 64;
/// SUSE's servers for all interfaces.
const NETCONFIG: &str = "/etc/sysconfig/network/config";
/// Of systemd-resolved and, for one interface, of systemd-networkd.
pub(in crate::site::discover) const RESOLVED_CONSTRUCTS: Constructs = Constructs {
    program: "systemd-resolved",
    files: "resolved.conf and its drop-ins, [Resolve]",
    missing: MISSING,
    understood: &["DNS", "FallbackDNS"],
    noted: &[
        ("DNSOverTLS", "asks its servers by TLS, over TCP 853"),
        ("Domains=~", "asks some servers for some domains"),
    ],
    aside: &[
        "Cache",
        "CacheFromLocalhost",
        "DNSSEC",
        "DNSStubListener",
        "DNSStubListenerExtra",
        "Domains",
        "LLMNR",
        "MulticastDNS",
        "ReadEtcHosts",
        "RefuseRecordTypes",
        "ResolveUnicastSingleLabel",
        "StaleRetentionSec",
    ],
};

pub(in crate::site::discover) const NETWORKD_CONSTRUCTS: Constructs = Constructs {
    program: "systemd-networkd",
    files: "*.network and its drop-ins, [Network]",
    missing: MISSING,
    understood: &["DHCP", "DNS", "NTP"],
    noted: &[
        ("DNSDefaultRoute", "says whether its servers are asked for every name"),
        ("DNSOverTLS", "asks its servers by TLS, over TCP 853"),
        ("Domains=~", "asks some servers for some domains"),
    ],
    aside: &[
        "ActiveSlave",
        "Address",
        "BatmanAdvanced",
        "BindCarrier",
        "Bond",
        "Bridge",
        "ConfigureWithoutCarrier",
        "DHCPPrefixDelegation",
        "DHCPServer",
        "DHCPv6PrefixDelegation",
        "DNSSEC*",
        "DefaultRouteOnDevice",
        "Description",
        "Domains",
        "EmitLLDP",
        "Gateway",
        "IP*",
        "IgnoreCarrierLoss",
        "KeepConfiguration",
        "KeepMaster",
        "L2TP",
        "LLDP",
        "LLMNR",
        "LinkLocalAddressing",
        "MAC*",
        "ManageForeign*",
        "MulticastDNS",
        "PrimarySlave",
        "ProxyARP",
        "RouteTable",
        "SpeedMeter*",
        "Tunnel",
        "VLAN",
        "VRF",
        "VXLAN",
        "Xfrm",
    ],
};

/// Servers of one machine.
const MOST: usize = 64;

/// The servers, those for every interface first.
pub(super) fn read(files: &Files, facts: &mut Facts) -> Vec<Read<Place>> {
    let mut found = ConfiguredServers { servers: Vec::new(), fallback: Vec::new(), dhcp: None };
    let parts = by_name(files, &RESOLVED_PARTS, ".conf", facts, MISSING);
    for text in texts([RESOLVED.to_owned()].into_iter().chain(parts), files, facts) {
        found.of_resolved(&text, facts);
    }
    let network_manager = conf_of_network_manager(files, facts);
    let is_global = found.of_global_dns(&network_manager, facts);
    for unit in units(files, &NETWORKD, ".network", facts, MISSING) {
        let from = found.servers.len();
        for text in texts(unit, files, facts) {
            found.of_networkd(&text, from, facts);
            found.asks_dhcp(&text, "Network", "DHCP", &["yes", "ipv4", "ipv6", "true"]);
        }
    }
    for text in texts(by_name(files, &NETPLAN, ".yaml", facts, MISSING), files, facts) {
        if let Some(tree) = facts.yaml(&text, MISSING) {
            found.of_netplan(&tree, facts);
        }
    }
    for text in
        texts(by_name(files, &NETWORK_MANAGER, ".nmconnection", facts, MISSING), files, facts)
    {
        // What stands for all connections goes before what each has.
        if !is_global {
            found.of_connection(&text, facts);
            found.asks_dhcp(&text, "ipv4", "method", &["auto"]);
        }
    }
    let mut scripts = list(files, SCRIPTS, "", facts, MISSING);
    scripts.retain(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("ifcfg-")));
    for text in texts(scripts, files, facts) {
        found.of_script(&text, facts);
    }
    let mut interfaces = vec![INTERFACES.to_owned()];
    interfaces.extend(list(files, INTERFACES_PARTS, "", facts, MISSING));
    let mut next = 0;
    while let Some(path) = interfaces.get(next).cloned() {
        next += 1;
        for text in texts([path], files, facts) {
            let sourced = found.of_interfaces(&text, files, facts);
            for path in sourced.into_iter().take(MOST_SOURCED) {
                if interfaces.len() < MOST_SOURCED && !interfaces.contains(&path) {
                    interfaces.push(path);
                }
            }
        }
    }
    for text in texts([NETCONFIG.to_owned()], files, facts) {
        found.of_netconfig(&text, facts);
    }
    for text in texts(DHCLIENT.map(str::to_owned), files, facts) {
        found.of_dhclient(&text, facts);
    }
    for text in texts(RESOLVCONF.map(str::to_owned), files, facts) {
        let servers = super::parse(&text).into_iter();
        let servers = servers.filter_map(|(line, server)| Some((line, server.ok()?)));
        let room = MOST.saturating_sub(found.servers.len());
        let read = |(line, value)| Read { value, at: text.at(line) };
        found.servers.extend(servers.take(room).map(read));
    }
    if let Some(at) = found.dhcp.take().filter(|_| found.servers.is_empty()) {
        facts.note(at, "DHCP names the servers here, and no file has its answer", MISSING);
    }
    if found.servers.is_empty() { found.fallback } else { found.servers }
}

/// Notes what systemd-resolved does otherwise than ask its servers over port 53.
pub(super) fn meet_resolved(files: &Files, facts: &mut Facts) {
    let parts = by_name(files, &RESOLVED_PARTS, ".conf", facts, MISSING);
    let networks = by_name(files, &NETWORKD, ".network", facts, MISSING);
    let paths = [RESOLVED.to_owned()].into_iter().chain(parts).chain(networks);
    for path in paths.filter(|path| files.exists(path)) {
        let Ok(text) = files.read(&path) else { continue };
        for entry in ini(&text, Continued::ByBackslash) {
            let is_off = ["", "no", "false", "off", "0"].contains(&entry.value);
            let name = match (entry.section, entry.key) {
                ("Resolve" | "Network", "DNSOverTLS") if is_off => continue,
                ("Resolve" | "Network", "DNSOverTLS") => "DNSOverTLS",
                ("Resolve" | "Network", "Domains") => {
                    let mut words = entry.value.split_whitespace();
                    // `~.` sends all names here.
                    if !words.any(|word| word.starts_with('~') && word != "~.") {
                        continue;
                    }
                    "Domains=~"
                }
                ("Resolve" | "Network", key) if !entry.continues => key,
                _ => continue,
            };
            let of_resolved = entry.section == "Resolve";
            let constructs = if of_resolved { &RESOLVED_CONSTRUCTS } else { &NETWORKD_CONSTRUCTS };
            constructs.meet(name, text.at(entry.line), facts);
        }
    }
}

fn texts(paths: impl IntoIterator<Item = String>, files: &Files, facts: &mut Facts) -> Vec<Text> {
    let read = |path: String| match files.read(&path) {
        Ok(text) => Some(text),
        Err(Unread::NotAFile) => None,
        Err(why) => {
            facts.unread(&path, &why, MISSING);
            None
        }
    };
    paths.into_iter().filter_map(read).collect()
}

/// What is not written from the root is below the folder of the main file.
fn below_network(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/etc/network/{path}") }
}

/// ifupdown passes over the backups that editors and packages leave.
fn is_plain(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The files of `NetworkManager` itself, the last of which counts.
fn conf_of_network_manager(files: &Files, facts: &mut Facts) -> Vec<Text> {
    let parts = by_name(files, &NETWORK_MANAGER_PARTS, ".conf", facts, MISSING);
    let conf = [NETWORK_MANAGER_CONF.to_owned()].into_iter().chain(parts);
    texts(conf.filter(|path| files.exists(path)), files, facts)
}

/// Has `NetworkManager` a dnsmasq of its own, which `resolv.conf` names?
pub(super) fn has_dnsmasq(files: &Files, facts: &mut Facts) -> bool {
    let conf = conf_of_network_manager(files, facts);
    let mut entries = conf.iter().flat_map(|text| ini(text, Continued::ByBackslash));
    let dns = entries.rfind(|entry| (entry.section, entry.key) == ("main", "dns"));
    dns.is_some_and(|entry| entry.value == "dnsmasq")
}

struct ConfiguredServers {
    servers: Vec<Read<Place>>,
    /// Asked when nobody names another.
    fallback: Vec<Read<Place>>,
    /// Where an interface leaves it to DHCP.
    dhcp: Option<At>,
}

impl ConfiguredServers {
    fn of_resolved(&mut self, text: &Text, facts: &mut Facts) {
        for entry in ini(text, Continued::ByBackslash) {
            let servers = match (entry.section, entry.key) {
                ("Resolve", "DNS") => &mut self.servers,
                ("Resolve", "FallbackDNS") => &mut self.fallback,
                _ => continue,
            };
            if entry.value.is_empty() && !entry.continues {
                servers.clear();
            }
            for word in entry.value.split_whitespace() {
                add(servers, word, text.at(entry.line), facts);
            }
        }
    }

    /// `DNS=` of one interface, whose servers begin at `from`; an empty one forgets those before.
    fn of_networkd(&mut self, text: &Text, from: usize, facts: &mut Facts) {
        for entry in ini(text, Continued::ByBackslash) {
            if (entry.section, entry.key) != ("Network", "DNS") {
                continue;
            }
            if entry.value.is_empty() && !entry.continues {
                self.servers.truncate(from);
            }
            for word in entry.value.split_whitespace() {
                add(&mut self.servers, word, text.at(entry.line), facts);
            }
        }
    }

    /// `dns=` of a connection.
    fn of_connection(&mut self, text: &Text, facts: &mut Facts) {
        for entry in ini(text, Continued::ByBackslash) {
            if matches!(entry.section, "ipv4" | "ipv6") && entry.key == "dns" {
                self.of_network_manager(entry.value, &text.at(entry.line), facts);
            }
        }
    }

    /// `servers=` of `[global-dns-domain-*]`: is there any? Those of one domain are noted.
    fn of_global_dns(&mut self, conf: &[Text], facts: &mut Facts) -> bool {
        let before = self.servers.len();
        for text in conf {
            for entry in ini(text, Continued::ByBackslash) {
                let domain = entry.section.strip_prefix("global-dns-domain-");
                match domain.filter(|_| entry.key == "servers") {
                    Some("*") => {
                        self.of_network_manager(entry.value, &text.at(entry.line), facts);
                    }
                    Some(domain) => {
                        let reason =
                            format!("it asks others for names of {domain}, which is not read");
                        facts.note(text.at(entry.line), reason, MISSING);
                    }
                    None => {}
                }
            }
        }
        self.servers.len() > before
    }

    /// A list parted by semicolons, commas or spaces; of a server's URI its address counts.
    fn of_network_manager(&mut self, list: &str, at: &At, facts: &mut Facts) {
        let words = list.split(|c: char| matches!(c, ';' | ',') || c.is_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            match word.split_once("://") {
                Some(("dns+udp", rest)) => add(&mut self.servers, rest, at.clone(), facts),
                Some((scheme, _)) => {
                    let reason =
                        format!("`{scheme}` is another way than port 53, and is not asked");
                    facts.note(at.clone(), reason, MISSING);
                }
                None => add(&mut self.servers, word, at.clone(), facts),
            }
        }
    }

    fn asks_dhcp(&mut self, text: &Text, section: &str, key: &str, values: &[&str]) {
        let entries = ini(text, Continued::ByBackslash);
        let mut own = entries.iter().filter(|entry| (entry.section, entry.key) == (section, key));
        if let Some(entry) = own.find(|entry| values.contains(&entry.value)) {
            self.dhcp.get_or_insert(text.at(entry.line));
        }
    }

    /// Of every kind of interface and every interface: `nameservers.addresses`.
    fn of_netplan(&mut self, tree: &Node, facts: &mut Facts) {
        let Some(network) = tree.of("network") else { return };
        let interfaces = network.entries().flat_map(|(_, kind)| kind.entries());
        for (_, interface) in interfaces {
            let addresses = interface.below(&["nameservers", "addresses"]);
            for server in addresses.map_or(&[][..], Node::items) {
                if let Some(word) = server.scalar() {
                    add(&mut self.servers, word, server.at.clone(), facts);
                }
            }
            if let Some(dhcp) = interface.of("dhcp4").or(interface.of("dhcp6"))
                && dhcp.scalar().is_some_and(|word| matches!(word, "true" | "yes" | "on" | "y"))
            {
                self.dhcp.get_or_insert(dhcp.at.clone());
            }
        }
    }

    /// `DNS1=10.0.0.53`
    fn of_script(&mut self, text: &Text, facts: &mut Facts) {
        for (line, content) in text.lines() {
            for word in words(content) {
                let Some((name, value)) = word.split_once('=') else { continue };
                let number = name.strip_prefix("DNS").filter(|rest| !rest.is_empty());
                if number.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())) {
                    add(&mut self.servers, value, text.at(line), facts);
                } else if name == "BOOTPROTO" && value.eq_ignore_ascii_case("dhcp") {
                    self.dhcp.get_or_insert(text.at(line));
                }
            }
        }
    }

    /// `supersede domain-name-servers 10.0.0.53, 10.0.0.54;`
    fn of_dhclient(&mut self, text: &Text, facts: &mut Facts) {
        for (line, content) in text.lines() {
            let mut words = content.split_whitespace();
            let sets = ["supersede", "prepend", "append"];
            if words.next().is_some_and(|word| sets.contains(&word))
                && words.next() == Some("domain-name-servers")
            {
                let words = words.flat_map(|word| word.split([',', ';']));
                for word in words.filter(|word| !word.is_empty()) {
                    add(&mut self.servers, word, text.at(line), facts);
                }
            }
        }
    }

    /// `NETCONFIG_DNS_STATIC_SERVERS="10.0.0.53 10.0.0.54"`
    fn of_netconfig(&mut self, text: &Text, facts: &mut Facts) {
        for (line, content) in text.lines() {
            for word in words(content) {
                let value = word.strip_prefix("NETCONFIG_DNS_STATIC_SERVERS=");
                for server in value.into_iter().flat_map(str::split_whitespace) {
                    add(&mut self.servers, server, text.at(line), facts);
                }
            }
        }
    }

    /// `dns-nameservers 10.0.0.53 10.0.0.54`; and the files that it has read as well.
    fn of_interfaces(&mut self, text: &Text, files: &Files, facts: &mut Facts) -> Vec<String> {
        let mut sourced = Vec::new();
        for (line, content) in text.lines() {
            let mut words = content.split_whitespace();
            match words.next() {
                Some("dns-nameservers" | "dns-nameserver") => {
                    for word in words {
                        add(&mut self.servers, word, text.at(line), facts);
                    }
                }
                Some("iface") if words.any(|word| word == "dhcp") => {
                    self.dhcp.get_or_insert(text.at(line));
                }
                Some("source") => {
                    for pattern in words {
                        sourced.extend(glob(files, &below_network(pattern), facts, MISSING));
                    }
                }
                Some("source-directory") => {
                    for folder in words {
                        let paths = list(files, &below_network(folder), "", facts, MISSING);
                        sourced.extend(paths.into_iter().filter(|path| is_plain(path)));
                    }
                }
                _ => {}
            }
        }
        sourced.retain(|path| files.exists(path));
        sourced
    }
}

/// `10.0.0.53:5353`, `[fe80::53]:53%eth0`: the interface stands behind the port. It is part of
/// an address that only its link knows.
fn with_port(word: &str) -> Option<Place> {
    let (bare, zone) = match word.rsplit_once('%') {
        Some((bare, zone)) if !zone.contains([']', ':']) => (bare, Some(zone)),
        _ => (word, None),
    };
    let zoned = |host: &str| {
        let is_of_a_link = |host: &Ipv6Addr| host.is_unicast_link_local();
        let zone = zone.filter(|_| host.parse().is_ok_and(|host| is_of_a_link(&host)));
        zone.map_or_else(|| host.to_owned(), |zone| format!("{host}%{zone}"))
    };
    if let Some(v4) = address(bare).filter(|_| zone.is_some()) {
        return Some(v4);
    }
    let (host, port) = bare.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Place { port: Some(parse_port(port).ok()?), ..address(&zoned(host))? })
}

/// `10.0.0.53`, `10.0.0.53:5353`, `[2001:db8::53]:53`, perhaps with `%interface` and with
/// `#name` of its certificate behind it.
fn add(servers: &mut Vec<Read<Place>>, word: &str, at: At, facts: &mut Facts) {
    let bare = word.split('#').next().unwrap_or_default();
    let place = match address(bare) {
        Some(place) => Some(place),
        None => with_port(bare),
    };
    match place {
        Some(value) if servers.len() < MOST => servers.push(Read { value, at }),
        Some(_) => {}
        None => facts.note(at, "this is not an address of a name server", MISSING),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{hostile, settings_of, tree};
    use super::super::tests::servers_in;
    use super::*;

    fn found(contents: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        servers_in(contents, read)
    }

    #[test]
    fn each_manager_has_its_own_file() {
        for (path, text, want) in [
            (
                RESOLVED,
                "[Resolve]\n#DNS=9.9.9.9\nDNS=10.0.0.1 10.0.0.2:5353#dns.example\nDNS=[2001:db8::1]:54\n",
                &["10.0.0.1 3", "10.0.0.2:5353 3", "2001:db8::1:54 4"][..],
            ),
            (
                "/etc/systemd/network/a.network",
                "[Network]\nDNS=10.0.0.1\nDNS=10.0.0.2\n",
                &["10.0.0.1 2", "10.0.0.2 3"],
            ),
            (
                "/etc/netplan/a.yaml",
                "network:\n  version: 2\n  renderer: networkd\n  bonds:\n    b0:\n      nameservers:\n        addresses:\n          - 10.0.0.1\n          - \"2001:db8::1\"\n",
                &["10.0.0.1 8", "2001:db8::1 9"],
            ),
            (
                "/etc/NetworkManager/system-connections/e.nmconnection",
                "[connection]\nid=e\n[ipv4]\ndns=10.0.0.1;10.0.0.2;\n[ipv6]\ndns=2001:db8::1;\n",
                &["10.0.0.1 4", "10.0.0.2 4", "2001:db8::1 6"],
            ),
            (
                NETWORK_MANAGER_CONF,
                "[global-dns-domain-*]\nservers=10.0.0.1,10.0.0.2\n",
                &["10.0.0.1 2", "10.0.0.2 2"],
            ),
            (
                "/etc/sysconfig/network-scripts/ifcfg-eth0",
                "BOOTPROTO=none\nDNS1=\"10.0.0.1\"\nDNS2=10.0.0.2\n",
                &["10.0.0.1 2", "10.0.0.2 3"],
            ),
            (
                INTERFACES,
                "iface eth0 inet static\n  dns-nameservers 10.0.0.1 10.0.0.2\n",
                &["10.0.0.1 2", "10.0.0.2 2"],
            ),
        ] {
            let (servers, notes) = found(&[(path, text)]);
            let want: Vec<_> = want
                .iter()
                .map(|one| one.rsplit_once(' ').unwrap())
                .map(|(server, line)| format!("{server} {path}:{line}"))
                .collect();
            assert_eq!((servers, notes), (want, vec![]), "{path}");
        }
    }

    #[test]
    fn a_drop_in_may_start_anew_and_fallbacks_are_for_nobody_else() {
        let part = "/etc/systemd/resolved.conf.d/a.conf";
        let (servers, _) = found(&[
            (RESOLVED, "[Resolve]\nDNS=10.0.0.1\nFallbackDNS=9.9.9.9\n"),
            (part, "[Resolve]\nDNS=\nDNS=10.0.0.2\n"),
        ]);
        assert_eq!(servers, [format!("10.0.0.2 {part}:3")]);
        let (servers, _) = found(&[(RESOLVED, "[Resolve]\nFallbackDNS=9.9.9.9\n")]);
        assert_eq!(servers, [format!("9.9.9.9 {RESOLVED}:2")]);
    }

    #[test]
    fn each_setting_that_resolved_has_was_decided() {
        let settings = settings_of("systemd-resolved", "Resolve");
        assert!(settings.contains(&"FallbackDNS".to_owned()), "{settings:?}");
        let is_open = |name: &&String| RESOLVED_CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<&String> = settings.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn each_setting_that_networkd_has_was_decided() {
        let settings = settings_of("systemd-networkd", "Network");
        assert!(settings.contains(&"DNS".to_owned()), "{settings:?}");
        let is_open = |name: &&String| NETWORKD_CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<&String> = settings.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn what_dhcp_names_stands_in_no_file() {
        let text = "network:\n  ethernets:\n    eth0:\n      dhcp4: true\n";
        let (servers, notes) = found(&[("/etc/netplan/a.yaml", text)]);
        assert_eq!(servers, [""; 0]);
        let reason = "DHCP names the servers here, and no file has its answer";
        assert_eq!(notes, [format!("/etc/netplan/a.yaml:4: {reason}")]);
        let (_, notes) =
            found(&[(INTERFACES, "iface e inet static\ndns-nameservers dns.example\n")]);
        assert_eq!(notes, [format!("{INTERFACES}:2: this is not an address of a name server")]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/x", "[Resolve]\nDNS=10.0.0.1:53 [::1]:53#x\niface e inet dhcp\ndns-nameservers a 10.1\n")) {
            let mut facts = Facts::default();
            let mut found = ConfiguredServers { servers: Vec::new(), fallback: Vec::new(), dhcp: None };
            found.of_resolved(&text, &mut facts);
            found.of_script(&text, &mut facts);
            let (_dir, files) = tree(&[]);
            found.of_interfaces(&text, &files, &mut facts);
            prop_assert!(found.servers.len() <= MOST);
        }
    }
}
