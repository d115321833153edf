//! Traps that a rule hands on: devices send to 162, and snmptrapd listens where it may
//! without being root.
//!
//! nftables, iptables as they are saved, and firewalld: `redirect`, `DNAT` and
//! `forward-port` of UDP. What the rules of the running kernel are stands in no file.
//!
//! Reference: nft(8), iptables-extensions(8), firewalld.zone(5).

use super::super::facts::{Read, Redirect};
use super::super::include::{glob, list};
use super::super::{At, Facts, Files, Text};
use super::{MISSING, TRAP_PORT};

const NFT: [&str; 2] = ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf"];
const IPTABLES: [&str; 6] = [
    "/etc/iptables/rules.v4",
    "/etc/iptables/rules.v6",
    "/etc/sysconfig/iptables",
    "/etc/sysconfig/ip6tables",
    "/etc/ufw/before.rules",
    "/etc/firewalld/direct.xml",
];
const FIREWALLD: [&str; 2] = ["/etc/firewalld/zones", "/etc/firewalld/policies"];
/// Files of one set of rules, and files within files.
const MOST_FILES: usize = 64;

pub(super) fn read(files: &Files, facts: &mut Facts) -> Vec<Read<Redirect>> {
    let mut found = Vec::new();
    let mut paths: Vec<String> = NFT.map(str::to_owned).to_vec();
    let mut next = 0;
    while let Some(path) = paths.get(next).filter(|_| next < MOST_FILES).cloned() {
        next += 1;
        if let Some(text) = facts.text(files, &path, MISSING) {
            for pattern in of_nft(&text, &mut found) {
                let more = glob(files, &pattern, facts, MISSING);
                paths.extend(
                    more.into_iter().filter(|path| !paths.contains(path)).collect::<Vec<_>>(),
                );
            }
        }
    }
    for path in IPTABLES {
        if let Some(text) = facts.text(files, path, MISSING) {
            of_iptables(&text, &mut found);
        }
    }
    let zones = FIREWALLD.iter().flat_map(|folder| list(files, folder, ".xml", facts, MISSING));
    let zones: Vec<String> = zones.take(MOST_FILES).collect();
    for path in zones {
        if let Some(text) = facts.text(files, &path, MISSING) {
            of_firewalld(&text, &mut found);
        }
    }
    found
}

/// `udp dport 162 redirect to :1162`, `udp dport { 162, 10162 } dnat ip to 10.0.0.7:1162`; hands
/// back the patterns of files it includes.
fn of_nft(text: &Text, found: &mut Vec<Read<Redirect>>) -> Vec<String> {
    let mut included = Vec::new();
    for (line, content) in text.lines() {
        let content = content.split('#').next().unwrap_or_default();
        if let Some(pattern) = content.trim().strip_prefix("include ") {
            included.push(pattern.trim().trim_matches(['"', '\'']).to_owned());
        }
        for statement in content.split(';') {
            let Some((_, rest)) = statement.split_once("udp dport") else { continue };
            let verdict = ["redirect", "dnat"].iter().find_map(|verb| rest.split_once(verb));
            let Some((ports, to)) = verdict else { continue };
            let from = ports.split(|c: char| !c.is_ascii_digit() && c != '-');
            let to = to.split_once("to").map(|(_, to)| to).and_then(port_of);
            add(found, from, to, text.at(line));
        }
    }
    included
}

/// `-p udp … --dport 162 -j REDIRECT --to-ports 1162`, `-j DNAT --to-destination 10.0.0.7:1162`
fn of_iptables(text: &Text, found: &mut Vec<Read<Redirect>>) {
    for (line, content) in text.lines() {
        let words: Vec<&str> =
            content.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>')).collect();
        let after = |options: &[&str]| {
            let at = words.iter().position(|word| options.contains(word))?;
            words.get(at + 1).copied()
        };
        if after(&["-p", "--protocol"]) != Some("udp") {
            continue;
        }
        let from = after(&["--dport", "--destination-port", "--dports"]).unwrap_or_default();
        let to = after(&["--to-ports", "--to-port", "--to-destination"]).and_then(port_of);
        add(found, from.split([',', ':']), to, text.at(line));
    }
}

/// `<forward-port port="162" protocol="udp" to-port="1162"/>`
fn of_firewalld(text: &Text, found: &mut Vec<Read<Redirect>>) {
    for (line, content) in text.lines() {
        for element in content.split('<').filter(|one| one.starts_with("forward-port")) {
            let value = |name: &str| {
                let (_, rest) = element.split_once(&format!(" {name}="))?;
                let quote = rest.chars().next()?;
                rest.get(1..)?.split(quote).next()
            };
            if value("protocol") == Some("udp") {
                let to = value("to-port").and_then(port_of);
                add(found, value("port").into_iter(), to, text.at(line));
            }
        }
    }
}

/// The port behind an address or alone: `:1162`, `10.0.0.7:1162`, `1162`.
fn port_of(text: &str) -> Option<u16> {
    let word = text.split_whitespace().next()?;
    let port = word.rsplit(':').next()?.trim_matches(['}', '"']);
    port.split('-').next()?.parse().ok()
}

/// Only what devices send to is of interest.
fn add<'a>(
    found: &mut Vec<Read<Redirect>>,
    mut from: impl Iterator<Item = &'a str>,
    to: Option<u16>,
    at: At,
) {
    let meant = from.any(|ports| match ports.split_once('-') {
        Some((first, last)) => {
            first.parse().is_ok_and(|first: u16| first <= TRAP_PORT)
                && last.parse().is_ok_and(|last: u16| TRAP_PORT <= last)
        }
        None => ports.parse() == Ok(TRAP_PORT),
    });
    if let Some(to) = to.filter(|_| meant && found.len() < MOST_FILES) {
        found.push(Read { value: Redirect { from: TRAP_PORT, to }, at });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{hostile, tree};
    use super::*;

    fn found(contents: &[(&str, &str)]) -> Vec<String> {
        let (_dir, files) = tree(contents);
        let mut facts = Facts::default();
        let all = read(&files, &mut facts);
        let shown =
            |one: &Read<Redirect>| format!("{} to {} {}", one.value.from, one.value.to, one.at);
        all.iter().map(shown).collect()
    }

    #[test]
    fn each_firewall_says_it_in_its_own_way() {
        for (path, text) in [
            (
                NFT[0],
                "table ip nat { chain pre { type nat hook prerouting priority -100; udp dport 162 redirect to :1162 } }\n",
            ),
            (NFT[1], "udp dport { 161-163, 10162 } dnat ip to 10.0.0.7:1162\n"),
            (IPTABLES[0], "-A PREROUTING -p udp -m udp --dport 162 -j REDIRECT --to-ports 1162\n"),
            (
                IPTABLES[2],
                "-A PREROUTING -d 10.0.0.7/32 -p udp --dport 162 -j DNAT --to-destination 10.0.0.7:1162\n",
            ),
            (
                IPTABLES[5],
                "<rule ipv=\"ipv4\" table=\"nat\" chain=\"PREROUTING\" priority=\"0\">-p udp --dport 162 -j REDIRECT --to-ports 1162</rule>\n",
            ),
            (
                "/etc/firewalld/zones/public.xml",
                "<zone><forward-port to-port=\"1162\" protocol=\"udp\" port=\"162\"/></zone>\n",
            ),
        ] {
            assert_eq!(found(&[(path, text)]), [format!("162 to 1162 {path}:1")], "{text}");
        }
    }

    #[test]
    fn other_ports_other_protocols_and_comments_do_not_count() {
        for (path, text) in [
            (NFT[0], "udp dport 514 redirect to :1162\ntcp dport 162 redirect to :1162\n"),
            (NFT[0], "# udp dport 162 redirect to :1162\nudp dport 162 accept\n"),
            (IPTABLES[0], "-A INPUT -p udp --dport 162 -j ACCEPT\n"),
            (
                "/etc/firewalld/zones/p.xml",
                "<forward-port port=\"162\" protocol=\"tcp\" to-port=\"1\"/>\n",
            ),
        ] {
            assert_eq!(found(&[(path, text)]), [""; 0], "{text}");
        }
    }

    #[test]
    fn included_rules_are_read_and_end() {
        let include = "include \"/etc/nftables.d/*.nft\"\n";
        let rule = format!("{include}udp dport 162 redirect to :1162\n");
        let own = "/etc/nftables.d/a.nft";
        assert_eq!(found(&[(NFT[0], include), (own, &rule)]), [format!("162 to 1162 {own}:2")]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/x", "udp dport { 162 } dnat to a:1162\n-p udp --dport 162 --to-ports 1\n<forward-port port=\"162\" protocol=\"udp\" to-port=\"1\"/>\n")) {
            let mut found = Vec::new();
            of_nft(&text, &mut found);
            of_iptables(&text, &mut found);
            of_firewalld(&text, &mut found);
        }
    }
}
