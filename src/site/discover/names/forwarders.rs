//! Whom does a resolver of this machine ask: dnsmasq, unbound, BIND?
//!
//! Only the servers for every name; those for one domain are left to their owners.
//!
//! Reference: dnsmasq(8) `--server`; unbound.conf(5) `forward-addr`; BIND's `forwarders`.

use super::super::constructs::Constructs;
use super::super::facts::Read;
use super::super::include::list;
use super::super::{At, Facts, Files, Text};
use super::{MISSING, address, servers};
use crate::site::{Place, parse_port};

const DNSMASQ: &str = "/etc/dnsmasq.conf";
const DNSMASQ_PARTS: &str = "/etc/dnsmasq.d";
const UNBOUND: &str = "/etc/unbound/unbound.conf";
const UNBOUND_PARTS: [&str; 3] =
    ["/etc/unbound/unbound.conf.d", "/etc/unbound/conf.d", "/etc/unbound/local.d"];
const BIND: [&str; 3] = ["/etc/bind/named.conf.options", "/etc/bind/named.conf", "/etc/named.conf"];

/// What of dnsmasq says whom it asks.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "dnsmasq",
    files: "dnsmasq.conf, dnsmasq.d",
    missing: MISSING,
    understood: &["resolv-file", "server"],
    noted: &[
        ("conf-dir", "reads another folder"),
        ("conf-file", "reads another file"),
        ("local", "answers a domain by itself"),
        ("rev-server", "asks others for addresses"),
        ("server=/", "asks others for one domain"),
        ("servers-file", "reads servers from another file"),
    ],
    aside: &[],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> Vec<Read<Place>> {
    let mut found = Vec::new();
    let parts = list(files, DNSMASQ_PARTS, "", facts, MISSING);
    for path in [DNSMASQ.to_owned()].into_iter().chain(parts) {
        if let Some(text) = facts.text(files, &path, MISSING) {
            of_dnsmasq(&text, files, &mut found, facts);
        }
    }
    let parts =
        UNBOUND_PARTS.iter().flat_map(|folder| list(files, folder, ".conf", facts, MISSING));
    let parts: Vec<String> = [UNBOUND.to_owned()].into_iter().chain(parts).collect();
    for path in parts {
        if let Some(text) = facts.text(files, &path, MISSING) {
            of_unbound(&text, &mut found);
        }
    }
    for path in BIND {
        if let Some(text) = facts.text(files, path, MISSING) {
            of_bind(&text, &mut found);
        }
    }
    found
}

/// `server=10.0.0.53#5353@eth0`; `server=/corp.example/10.0.0.53` is for one domain.
fn of_dnsmasq(text: &Text, files: &Files, found: &mut Vec<Read<Place>>, facts: &mut Facts) {
    for (line, content) in text.lines() {
        let content = content.split('#').next().map_or("", |before| {
            // A port stands behind a `#` too, right behind its server.
            if before.ends_with(char::is_whitespace) || before.is_empty() {
                before
            } else {
                content
            }
        });
        let Some((key, value)) = content.split_once('=') else { continue };
        let (key, value, at) = (key.trim(), value.trim(), text.at(line));
        match key {
            "server" if value.starts_with('/') => CONSTRUCTS.meet("server=/", at, facts),
            "server" => {
                let server = value.split('@').next().unwrap_or_default();
                let (host, port) = server.split_once('#').unzip();
                found.extend(at_port(host.unwrap_or(server), port, at));
            }
            "resolv-file" => match files.read(value) {
                Ok(text) => found.extend(servers(&text, facts)),
                Err(why) => facts.note(at, format!("{value}: {why}"), MISSING),
            },
            key if CONSTRUCTS.noted.iter().any(|(known, _)| *known == key) => {
                CONSTRUCTS.meet(key, at, facts);
            }
            _ => {}
        }
    }
}

/// `forward-addr: 10.0.0.53@5353#dns.example`
fn of_unbound(text: &Text, found: &mut Vec<Read<Place>>) {
    for (line, content) in text.lines() {
        let Some(value) = content.trim().strip_prefix("forward-addr:") else { continue };
        let server = value.split('#').next().unwrap_or_default().trim();
        let (host, port) = server.split_once('@').unzip();
        found.extend(at_port(host.unwrap_or(server), port, text.at(line)));
    }
}

/// `forwarders { 10.0.0.53; 10.0.0.54 port 5353; };`, on one line or several.
fn of_bind(text: &Text, found: &mut Vec<Read<Place>>) {
    let mut is_inside = false;
    for (line, content) in text.lines() {
        let content = content.split("//").next().unwrap_or_default();
        let content = content.split('#').next().unwrap_or_default();
        let mut rest = content;
        if let Some((_, after)) = content.split_once("forwarders").filter(|_| !is_inside) {
            is_inside = true;
            rest = after;
        }
        if !is_inside {
            continue;
        }
        let (inside, is_end) =
            rest.split_once('}').map_or((rest, false), |(before, _)| (before, true));
        for entry in inside.trim_start().trim_start_matches('{').split(';') {
            let mut words = entry.split_whitespace();
            let (host, port) = (words.next(), words.skip_while(|word| *word != "port").nth(1));
            found.extend(host.and_then(|host| at_port(host, port, text.at(line))));
        }
        is_inside = !is_end;
    }
}

fn at_port(host: &str, port: Option<&str>, at: At) -> Option<Read<Place>> {
    let port = port.map(parse_port).transpose().ok()?;
    Some(Read { value: Place { port, ..address(host.trim())? }, at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::hostile;
    use super::super::tests::servers_in;
    use super::*;

    fn found(contents: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        servers_in(contents, read)
    }

    #[test]
    fn each_resolver_names_whom_it_asks() {
        for (path, text, want) in [
            (
                DNSMASQ,
                "# server=9.9.9.9\nserver=10.0.0.1 # ours\nserver=10.0.0.2#5353@eth0\n",
                &["10.0.0.1 2", "10.0.0.2:5353 3"][..],
            ),
            (
                UNBOUND,
                "forward-zone:\n  name: \".\"\n  forward-addr: 10.0.0.1@853#dns.example\n",
                &["10.0.0.1:853 3"],
            ),
            (
                BIND[0],
                "options {\n  forwarders { 10.0.0.1; 10.0.0.2 port 5353; };\n};\n",
                &["10.0.0.1 2", "10.0.0.2:5353 2"],
            ),
            (
                BIND[2],
                "options {\n  forwarders {\n    10.0.0.1; // x\n  };\n  allow-query { 10.0.0.9; };\n};\n",
                &["10.0.0.1 3"],
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
    fn a_server_for_one_domain_and_other_files_are_noted() {
        let (servers, notes) = found(&[
            (
                DNSMASQ,
                "server=/corp.example/10.0.0.1\nconf-dir=/etc/own\nresolv-file=/etc/up\nresolv-file=/no\n",
            ),
            ("/etc/up", "nameserver 10.0.0.3\n"),
        ]);
        assert_eq!(servers, ["10.0.0.3 /etc/up:1"]);
        let want = [
            "/etc/dnsmasq.conf:1: `server=/` asks others for one domain, which is not read",
            "/etc/dnsmasq.conf:2: `conf-dir` reads another folder, which is not read",
            "/etc/dnsmasq.conf:4: /no: there is no such file",
        ];
        assert_eq!(notes, want);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/x", "server=10.0.0.1#53@e\nforward-addr: 10.0.0.1@53#x\nforwarders { 10.0.0.1 port 53; };\n")) {
            let files = Files::below(std::path::Path::new("/nonexistent"));
            let (mut servers, mut facts) = (Vec::new(), Facts::default());
            of_dnsmasq(&text, &files, &mut servers, &mut facts);
            of_unbound(&text, &mut servers);
            of_bind(&text, &mut servers);
        }
    }
}
