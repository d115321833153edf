//! Name servers: whom do programs of this machine ask?
//!
//! As glibc reads `/etc/resolv.conf` (`resolv/res_init.c`): a keyword begins its line, what
//! follows the address is ignored, an address has any form that `inet_aton` takes, and no
//! more than three servers are asked. Behind the stub of systemd-resolved stand others, which
//! it lists in a file of its own. Where that is not there, as in a copy of `/etc`, or where
//! `resolv.conf` leads nowhere, they stand in what manages the network. A resolver of this
//! machine asks others in turn, which its own files name.
//!
//! Reference: resolv.conf(5), systemd-resolved.service(8).

pub(super) mod forwarders;
pub(super) mod network;

use std::net::{IpAddr, Ipv6Addr};

use super::constructs::Constructs;
use super::facts::Read;
use super::{At, Facts, Files, Text, Unread};
use crate::site::{Place, numeric_v4};

const FILE: &str = "/etc/resolv.conf";
const BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";
/// glibc's MAXNS.
const MOST: usize = 3;
/// Lines that name a server, or should.
const MOST_LINES: usize = 64;
/// systemd-resolved's own addresses.
const STUBS: [&str; 2] = ["127.0.0.53", "127.0.0.54"];
const MISSING: &str = "the DNS servers";
/// Variables that glibc puts over `resolv.conf`.
const OF_SHELL: [&str; 2] = ["LOCALDOMAIN", "RES_OPTIONS"];

/// What glibc knows in this file.
pub(super) const CONSTRUCTS: Constructs = Constructs {
    program: "glibc",
    files: "resolv.conf",
    missing: MISSING,
    understood: &["nameserver"],
    noted: &[
        ("options no-aaaa", "asks for no IPv6 address"),
        ("options use-vc", "asks name servers by TCP only"),
    ],
    // How often, how long and in which order the same servers are asked, and for which names.
    aside: &[
        "domain",
        "options attempts:*",
        "options debug",
        "options edns0",
        "options inet6",
        "options ip6-bytestring",
        "options ip6-dotint",
        "options ndots:*",
        "options no-check-names",
        "options no-ip6-dotint",
        "options no-reload",
        "options no-tld-query",
        "options no_tld_query",
        "options rotate",
        "options single-request",
        "options single-request-reopen",
        "options timeout:*",
        "options trust-ad",
        "search",
        "sortlist",
    ],
};

/// Finds the name servers, and those behind systemd-resolved or a resolver of this machine.
///
/// What glibc takes from the `environment` of who runs this, no daemon sees: it is said where
/// these are this machine's own files, as our look-ups obey it.
pub(super) fn read(
    files: &Files,
    environment: impl Iterator<Item = (String, String)>,
    facts: &mut Facts,
) {
    if files.is_here() {
        of_shell(environment, facts);
    }
    match files.read(FILE) {
        Ok(text) => {
            // Those of `resolv.conf`, or behind the stub that it names.
            let mut behind = None;
            for server in servers(&text, facts) {
                if is_stub(&server) {
                    behind.get_or_insert(server);
                } else {
                    facts.names.push(server);
                }
            }
            if let Some(stub) = behind {
                behind_stub(files, facts, stub);
            }
        }
        Err(why) => instead(files, &why, facts),
    }
    behind_forwarder(files, facts);
}

/// A resolver of this machine, whoever names it, asks others.
fn behind_forwarder(files: &Files, facts: &mut Facts) {
    let own = |server: &&Read<Place>| !is_stub(server) && is_loopback(&server.value.host);
    let Some(at) = facts.names.iter().find(own).map(|server| At::file(&server.at.file)) else {
        return;
    };
    let mut asked = forwarders::read(files, facts);
    if asked.is_empty() && network::has_dnsmasq(files, facts) {
        asked = network::read(files, facts);
    }
    if asked.is_empty() && !files.is_here() {
        let reason = "it names a resolver of that machine, and no file says whom that one asks";
        facts.note(at, reason, MISSING);
    }
    add(asked, facts);
}

fn is_stub(server: &Read<Place>) -> bool {
    STUBS.contains(&server.value.host.as_str())
}

/// Says which variables glibc obeys that no daemon has.
fn of_shell(environment: impl Iterator<Item = (String, String)>, facts: &mut Facts) {
    let is_obeyed =
        |(name, value): &(String, String)| OF_SHELL.contains(&name.as_str()) && !value.is_empty();
    for (name, _) in environment.filter(is_obeyed) {
        let reason = "it changes how names are looked up here; no daemon has it";
        facts.note(At::file(&format!("${name}")), reason, "how daemons look names up");
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// There is no `resolv.conf`, or it leads to what is not there: what manages the network
/// would write it.
fn instead(files: &Files, why: &Unread, facts: &mut Facts) {
    let written = if *why == Unread::Missing { network::read(files, facts) } else { Vec::new() };
    if !written.is_empty() {
        network::meet_resolved(files, facts);
    }
    if written.is_empty() {
        let end = files.follow(FILE);
        let reason = match why {
            Unread::Missing if end != FILE => format!("it leads to {end}, and {why}"),
            why => why.to_string(),
        };
        return facts.note(At::file(FILE), reason, MISSING);
    }
    add(written, facts);
}

/// Adds servers that are not known yet.
fn add(servers: Vec<Read<Place>>, facts: &mut Facts) {
    for server in servers {
        if !facts.names.iter().any(|known| known.value == server.value) {
            facts.names.push(server);
        }
    }
}

/// The servers systemd-resolved asks, or its own address when they cannot be told.
fn behind_stub(files: &Files, facts: &mut Facts, stub: Read<Place>) {
    network::meet_resolved(files, facts);
    let reason = match files.read(BEHIND_STUB).map(|text| servers(&text, facts)) {
        Ok(real) if !real.is_empty() => return add(real, facts),
        Ok(_) => "it names no server".to_owned(),
        Err(why) => why.to_string(),
    };
    let configured = network::read(files, facts);
    if !configured.is_empty() {
        return add(configured, facts);
    }
    facts.note(At::file(BEHIND_STUB), reason, "the DNS servers behind systemd-resolved");
    facts.names.push(stub);
}

fn servers(text: &Text, facts: &mut Facts) -> Vec<Read<Place>> {
    let mut servers = Vec::new();
    for (line, server) in parse(text) {
        match server {
            Ok(place) if servers.len() < MOST => {
                servers.push(Read { value: place, at: text.at(line) });
            }
            Ok(_) => facts.note(text.at(line), "glibc asks the first three servers only", MISSING),
            Err(reason) => facts.note(text.at(line), reason, MISSING),
        }
    }
    meet(text, facts);
    servers
}

/// Notes the lines that glibc passes over, and options that change whom it asks.
fn meet(text: &Text, facts: &mut Facts) {
    for (line, content) in text.lines().take(MOST_LINES) {
        let mut words = content.split_whitespace();
        let Some(keyword) = words.next().filter(|word| !word.starts_with(['#', ';'])) else {
            continue;
        };
        if content.starts_with(char::is_whitespace) {
            let reason = "glibc reads a line only where its keyword begins it";
            facts.note(text.at(line), reason, MISSING);
        } else if keyword == "options" {
            for option in words {
                CONSTRUCTS.meet(&format!("options {option}"), text.at(line), facts);
            }
        } else {
            CONSTRUCTS.meet(keyword, text.at(line), facts);
        }
    }
}

/// Each server with its line, and each line that names none.
fn parse(text: &Text) -> Vec<(usize, Result<Place, &'static str>)> {
    // Not by `lines`: a carriage return is part of glibc's address, which then is none.
    let lines = text.text.split('\n').enumerate().map(|(index, content)| (index + 1, content));
    let named = lines.filter_map(|(line, content)| {
        let rest = content.strip_prefix("nameserver")?;
        rest.starts_with([' ', '\t']).then(|| (line, rest.trim_start_matches([' ', '\t'])))
    });
    let servers = named.map(|(line, rest)| match rest.split([' ', '\t']).next() {
        Some(word) if word.ends_with('\r') => {
            (line, Err("its line ends as on Windows: no address"))
        }
        Some("") | None => (line, Err("no address follows `nameserver`")),
        Some(word) => (line, address(word).ok_or("what follows `nameserver` is not an address")),
    });
    servers.take(MOST_LINES).collect()
}

/// An address; of IPv6 with its zone (`fe80::1%eth0`), which is part of it.
fn address(word: &str) -> Option<Place> {
    let host = match (numeric_v4(word), word.split_once('%')) {
        (Some(v4), _) => v4.to_string(),
        (None, None) => word.parse::<Ipv6Addr>().ok().map(|_| word.to_owned())?,
        (None, Some((bare, zone))) => {
            bare.parse::<Ipv6Addr>().ok()?;
            // glibc passes over a zone that no interface has.
            if is_interface(zone) { word.to_owned() } else { bare.to_owned() }
        }
    };
    Some(Place { host, port: None, url: None })
}

/// The kernel's IFNAMSIZ, and no character that a report had to escape.
fn is_interface(zone: &str) -> bool {
    (1..16).contains(&zone.len()) && zone.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::constructs::Reading;
    use super::super::testing::{Dns, every_beginning, hostile, text, tree};
    use super::*;

    const SAMPLE: &str = "# Generated by NetworkManager\nsearch corp.example\ndomain corp.example\n\
        nameserver 10.0.0.53\nnameserver\t2001:db8::53 # second\nnameserver fe80::1%eth0\n\
        nameserver 10.0.0.54\noptions timeout:1 rotate\n";

    /// The servers that a source names, and each note.
    pub(super) fn servers_in(
        contents: &[(&str, &str)],
        read: fn(&Files, &mut Facts) -> Vec<Read<Place>>,
    ) -> (Vec<String>, Vec<String>) {
        let (_dir, files) = tree(contents);
        let mut facts = Facts::default();
        let servers = read(&files, &mut facts);
        let shown = |server: &Read<Place>| {
            let port = server.value.port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}{port} {}", server.value.host, server.at)
        };
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        (servers.iter().map(shown).collect(), notes.collect())
    }

    fn found(files: &Files) -> (Vec<String>, Vec<String>) {
        let mut facts = Facts::default();
        read(files, std::iter::empty(), &mut facts);
        let names = facts.names.iter().map(|name| format!("{} {}", name.value.host, name.at));
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        (names.collect(), notes.collect())
    }

    /// glibc has its options in a table of 32 bytes each: a name of at most 21 letters, its length
    /// and a flag (`resolv/res_init.c`).
    #[test]
    fn each_option_that_glibc_has_was_decided() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        let libc = paths.find(|path| path.contains("/libc.so.6")).unwrap();
        let bytes = std::fs::read(libc).unwrap();
        let first = b"rotate\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let begin = bytes.windows(first.len()).position(|some| some == first).unwrap();
        let name = |entry: &[u8]| {
            let length = usize::from(entry[22]);
            let name = std::str::from_utf8(entry.get(..length)?).ok()?.to_owned();
            (length > 0 && entry[length..22].iter().all(|byte| *byte == 0)).then_some(name)
        };
        let names: Vec<String> = bytes[begin..].chunks_exact(32).map_while(name).collect();
        assert!(names.contains(&"use-vc".to_owned()) && names.len() > 8, "{names:?}");
        let options = names.iter().map(|name| format!("options {name}"));
        let is_open = |name: &String| CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<String> = options.filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn what_only_this_shell_has_is_said() {
        let variables = [("RES_OPTIONS", "ndots:3"), ("LOCALDOMAIN", ""), ("HOME", "/")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut facts = Facts::default();
        of_shell(variables.into_iter(), &mut facts);
        let notes: Vec<_> = facts.notes.iter().map(|n| format!("{}: {}", n.at, n.reason)).collect();
        let note = "it changes how names are looked up here; no daemon has it";
        assert_eq!(notes, [format!("$RES_OPTIONS: {note}")]);
    }

    #[test]
    fn a_fourth_server_is_never_asked_and_noted() {
        let (_dir, files) = tree(&[(FILE, SAMPLE)]);
        let (names, notes) = found(&files);
        let want = [
            "10.0.0.53 /etc/resolv.conf:4",
            "2001:db8::53 /etc/resolv.conf:5",
            "fe80::1%eth0 /etc/resolv.conf:6",
        ];
        assert_eq!(names, want);
        assert_eq!(notes, ["/etc/resolv.conf:7: glibc asks the first three servers only"]);
    }

    #[test]
    fn behind_the_stub_of_resolved_stand_the_real_servers() {
        let stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n";
        let real = "# comment\nnameserver 10.0.0.53\nnameserver 10.0.0.54\n";
        let (_dir, files) = tree(&[(FILE, stub), (BEHIND_STUB, real)]);
        let want = [
            "10.0.0.53 /run/systemd/resolve/resolv.conf:2",
            "10.0.0.54 /run/systemd/resolve/resolv.conf:3",
        ];
        assert_eq!(found(&files).0, want);
        let (_dir, files) = tree(&[(FILE, stub)]);
        let (names, notes) = found(&files);
        assert_eq!(names, ["127.0.0.53 /etc/resolv.conf:1"]);
        assert_eq!(notes, ["/run/systemd/resolve/resolv.conf: there is no such file"]);
    }

    #[test]
    fn a_resolver_of_this_machine_stays_and_those_it_asks_are_added() {
        let (_dir, files) = tree(&[
            (FILE, "nameserver 127.0.0.1\n"),
            ("/etc/dnsmasq.d/site.conf", "server=192.0.2.53\n"),
        ]);
        let want = ["127.0.0.1 /etc/resolv.conf:1", "192.0.2.53 /etc/dnsmasq.d/site.conf:1"];
        assert_eq!(found(&files), (want.map(str::to_owned).to_vec(), vec![]));
        let (_dir, files) = tree(&[(FILE, "nameserver 127.0.0.1\n")]);
        let (names, notes) = found(&files);
        assert_eq!(names, ["127.0.0.1 /etc/resolv.conf:1"]);
        assert!(notes[0].contains("no file says whom that one asks"), "{notes:?}");
    }

    #[test]
    fn what_stands_in_for_an_answer_of_dhcp_counts() {
        let (_dir, files) = tree(&[
            ("/etc/network/interfaces", "iface eth0 inet dhcp\n"),
            (
                "/etc/dhcp/dhclient.conf",
                "#supersede domain-name-servers 10.0.0.9;\nsupersede domain-name-servers 10.0.0.53, 10.0.0.54;\n\
                 request domain-name-servers;\n",
            ),
            ("/etc/resolvconf/resolv.conf.d/head", "# head\nnameserver 10.0.0.55\n"),
        ]);
        let (names, notes) = found(&files);
        let want = [
            "10.0.0.53 /etc/dhcp/dhclient.conf:2",
            "10.0.0.54 /etc/dhcp/dhclient.conf:2",
            "10.0.0.55 /etc/resolvconf/resolv.conf.d/head:2",
        ];
        assert_eq!((names, notes), (want.map(str::to_owned).to_vec(), vec![]));
    }

    #[test]
    fn what_resolved_does_by_other_ways_is_noted() {
        let conf = "/etc/systemd/resolved.conf";
        let resolved = "[Resolve]\nDNS=192.0.2.53#dns.example\nDNSOverTLS=opportunistic\nDomains=~. ~corp.example\nLLMNR=no\n";
        for real in [None, Some((BEHIND_STUB, "nameserver 192.0.2.53\n"))] {
            let files = [(FILE, "nameserver 127.0.0.53\n"), (conf, resolved)];
            let files: Vec<_> = files.into_iter().chain(real).collect();
            let (_dir, files) = tree(&files);
            let (_, notes) = found(&files);
            let want = [
                format!(
                    "{conf}:3: `DNSOverTLS` asks its servers by TLS, over TCP 853, which is not read"
                ),
                format!(
                    "{conf}:4: `Domains=~` asks some servers for some domains, which is not read"
                ),
            ];
            assert_eq!(notes, want, "{real:?}");
        }
        let plain = "[Resolve]\nDNS=192.0.2.53\nDNSOverTLS=no\nDomains=corp.example ~.\n";
        let (_dir, files) = tree(&[(FILE, "nameserver 127.0.0.53\n"), (conf, plain)]);
        assert_eq!(found(&files).1, Vec::<String>::new());
    }

    #[test]
    fn a_resolver_that_resolved_asks_is_followed_too() {
        let resolved = ("/etc/systemd/resolved.conf", "[Resolve]\nDNS=127.0.0.1\n");
        let forwarder = ("/etc/dnsmasq.conf", "server=192.0.2.53\n");
        for stub in [None, Some((FILE, "nameserver 127.0.0.53\n"))] {
            let files: Vec<_> = stub.into_iter().chain([resolved, forwarder]).collect();
            let (_dir, files) = tree(&files);
            let (names, _) = found(&files);
            let want = ["127.0.0.1 /etc/systemd/resolved.conf:2", "192.0.2.53 /etc/dnsmasq.conf:1"];
            assert_eq!(names, want, "{stub:?}");
        }
        let (_dir, files) = tree(&[resolved]);
        let (_, notes) = found(&files);
        let says = "/etc/systemd/resolved.conf: it names a resolver of that machine";
        assert!(notes.iter().any(|note| note.starts_with(says)), "{notes:?}");
    }

    #[test]
    fn where_resolv_conf_leads_nowhere_the_networks_own_files_say() {
        let (dir, files) = tree(&[
            ("/etc/systemd/resolved.conf.d/site.conf", "[Resolve]\nDNS=192.0.2.53\n"),
            (
                "/etc/netplan/50-site.yaml",
                "network:\n  version: 2\n  ethernets:\n    eth0:\n      \
              nameservers: {addresses: [192.0.2.53, 192.0.2.54], search: [example.com]}\n",
            ),
        ]);
        let stub = "../run/systemd/resolve/stub-resolv.conf";
        std::os::unix::fs::symlink(stub, dir.path().join("etc/resolv.conf")).unwrap();
        let want = [
            "192.0.2.53 /etc/systemd/resolved.conf.d/site.conf:2",
            "192.0.2.54 /etc/netplan/50-site.yaml:5",
        ];
        assert_eq!(found(&files), (want.map(str::to_owned).to_vec(), vec![]));
        std::fs::remove_dir_all(dir.path().join("etc/systemd")).unwrap();
        std::fs::remove_dir_all(dir.path().join("etc/netplan")).unwrap();
        let led = "it leads to /run/systemd/resolve/stub-resolv.conf, and there is no such file";
        assert_eq!(found(&files), (vec![], vec![format!("/etc/resolv.conf: {led}")]));
    }

    #[test]
    fn what_glibc_passes_over_is_noted() {
        let (_dir, files) = tree(&[(
            FILE,
            " nameserver 10.0.0.1\n;nameserver 10.0.0.2\nnameservers 10.0.0.3\noptions use-vc rotate\n",
        )]);
        let want = [
            "/etc/resolv.conf:1: glibc reads a line only where its keyword begins it",
            "/etc/resolv.conf:3: `nameservers` is nothing of glibc that preflight knows; it may move a peer",
            "/etc/resolv.conf:4: `options use-vc` asks name servers by TCP only, which is not read",
        ];
        assert_eq!(found(&files), (vec![], want.map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_is_no_address_is_noted_with_its_line() {
        let (_dir, files) =
            tree(&[(FILE, "nameserver dns.corp.example\nnameserver \nnameserver 10.0.0.1%a\n")]);
        let notes = [
            "/etc/resolv.conf:1: what follows `nameserver` is not an address",
            "/etc/resolv.conf:2: no address follows `nameserver`",
            "/etc/resolv.conf:3: what follows `nameserver` is not an address",
        ];
        assert_eq!(found(&files), (vec![], notes.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_machine_without_resolv_conf_is_noted() {
        let (_dir, files) = tree(&[]);
        assert_eq!(found(&files).1, ["/etc/resolv.conf: there is no such file"]);
    }

    /// Prints the servers that glibc takes from its file, each on a line.
    const JUDGE: &str = r"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
int main(void) {
    struct __res_state state = {0};
    char text[INET6_ADDRSTRLEN];
    if (res_ninit(&state) != 0) return 1;
    for (int i = 0; i < state.nscount; i++) {
        struct sockaddr_in6 *six = state._u._ext.nsaddrs[i];
        if (state.nsaddr_list[i].sin_family == AF_INET)
            puts(inet_ntop(AF_INET, &state.nsaddr_list[i].sin_addr, text, sizeof text));
        else if (six)
            puts(inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text));
    }
    return 0;
}
";

    /// Each text in the place of `/etc/resolv.conf`, in a namespace of its own.
    #[test]
    fn a_file_is_read_as_glibc_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let (source, judge) = (folder.path().join("judge.c"), folder.path().join("judge"));
        std::fs::write(&source, JUDGE).unwrap();
        let built = std::process::Command::new("cc")
            .args([source.as_path(), "-o".as_ref(), judge.as_path(), "-lresolv".as_ref()])
            .status()
            .expect("cc");
        assert!(built.success());
        for content in [
            SAMPLE,
            "nameserver 10.1\nnameserver 0x0a000002\nnameserver 010.0.0.3\n",
            "nameserver 10.0.0.1\r\nnameserver 10.0.0.2\n",
            "nameserver 10.0.0.1#53\nnameserver 10.0.0.2 #x\nnameserver\t10.0.0.3\n",
            "nameserver 10.0.0.1;x\nnameserver  10.0.0.2\n nameserver 10.0.0.3\nNameserver 10.0.0.4\n",
            "nameserver 10.0.0.256\nnameserver 1.2.3.4.5\nnameserver [::1]\nnameserver ::1\n",
            "nameserver fe80::1%lo\nnameserver fe80::2%\nnameserver fe80::3%nosuch0\n",
            "nameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n",
            "nameserver x\nnameserver 10.0.0.1\noptions timeout:99 ndots:99 attempts:9 rotate\n",
            "nameserver10.0.0.1\n;nameserver 10.0.0.2\n#nameserver 10.0.0.3\nnameserver 10.0.0.4",
            "nameserver 2001:db8::53:\nnameserver ::ffff:10.0.0.1\nnameserver 1::2::3\n",
        ] {
            let file = folder.path().join("resolv.conf");
            std::fs::write(&file, content).unwrap();
            let script = "mount --bind \"$1\" /etc/resolv.conf && exec \"$2\"";
            let output = std::process::Command::new("unshare")
                .args(["-mn", "sh", "-c", script, "sh"])
                .args([&file, &judge])
                .output()
                .expect("unshare, as root");
            assert!(output.status.success(), "{output:?}");
            let told = String::from_utf8(output.stdout).unwrap();
            let theirs: Vec<IpAddr> = told.lines().map(|line| line.parse().unwrap()).collect();
            let ours = servers(&text(FILE, content), &mut Facts::default());
            let bare = |place: &Place| place.host.split('%').next().unwrap().parse().unwrap();
            let mut ours: Vec<IpAddr> = ours.iter().map(|server| bare(&server.value)).collect();
            if ours.is_empty() {
                // Then glibc asks this machine.
                ours.push(IpAddr::from([127, 0, 0, 1]));
            }
            assert_eq!(ours, theirs, "{content:?}");
        }
    }

    /// Of four, getent asks three; whether they rotate or not.
    #[test]
    fn getent_asks_the_servers_we_say() {
        let folder = tempfile::tempdir().unwrap();
        let (file, switch) =
            (folder.path().join("resolv.conf"), folder.path().join("nsswitch.conf"));
        std::fs::write(&switch, "hosts: dns\n").unwrap();
        for options in ["timeout:1 attempts:1", "timeout:1 attempts:1 rotate"] {
            let content = format!(
                "nameserver 127.0.0.11\nnameserver 127.0.0.12\nnameserver 127.0.0.13\n\
                 nameserver 127.0.0.14\noptions {options}\n"
            );
            std::fs::write(&file, &content).unwrap();
            let ours = servers(&text(FILE, &content), &mut Facts::default());
            for at in ["127.0.0.11:53", "127.0.0.13:53", "127.0.0.14:53"] {
                let script = "mount --bind \"$1\" /etc/resolv.conf && mount --bind \"$2\" /etc/nsswitch.conf \
                    && exec getent ahostsv4 poller.site.test";
                let (file, switch) = (file.clone(), switch.clone());
                let theirs = Dns::Knows.with(at, move || {
                    let mut command = std::process::Command::new("unshare");
                    command.args(["-m", "sh", "-c", script, "sh"]).args([&file, &switch]);
                    String::from_utf8(command.output().unwrap().stdout).unwrap()
                });
                let is_ours = ours.iter().any(|server| at.starts_with(&server.value.host));
                assert_eq!(theirs.contains("192.0.2.50"), is_ours, "{at} {options}: {theirs}");
            }
        }
    }

    #[test]
    fn every_beginning_is_read() {
        let asked = |text: &Text| servers(text, &mut Facts::default()).len();
        every_beginning(FILE, SAMPLE, |text| assert!(asked(text) <= MOST));
        assert_eq!(asked(&text(FILE, SAMPLE)), MOST);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(FILE, SAMPLE)) {
            prop_assert!(servers(&text, &mut Facts::default()).len() <= MOST);
        }
    }
}
