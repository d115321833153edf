//! unbound: the `forward-zone` of every name, and included files.
//!
//! Without one it asks the servers of each domain itself, from the root on.
//!
//! Reference: unbound.conf(5).

use super::super::super::constructs::Constructs;
use super::super::super::facts::Read;
use super::super::super::include::{Included, glob, list};
use super::super::super::{At, Facts, Files, Text};
use super::{MISSING, at_port, uncommented};
use crate::site::Place;

const FILE: &str = "/etc/unbound/unbound.conf";
/// Read where the file itself is not there, as in a copy of parts of `/etc`.
const PARTS: [&str; 3] =
    ["/etc/unbound/unbound.conf.d", "/etc/unbound/conf.d", "/etc/unbound/local.d"];

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "unbound",
    files: "unbound.conf and what it includes",
    missing: MISSING,
    understood: &["forward-addr", "forward-zone", "include", "include-toplevel", "name"],
    noted: &[
        ("forward-host", "names a server, whose address has to be looked up first"),
        ("forward-ssl-upstream", "asks its servers by TLS"),
        ("forward-tls-upstream", "asks its servers by TLS"),
        ("forward-tcp-upstream", "asks its servers by TCP"),
        ("ssl-upstream", "asks all servers by TLS"),
        ("tls-upstream", "asks all servers by TLS"),
        ("tcp-upstream", "asks all servers by TCP"),
        ("stub-zone", "asks others for one domain"),
        ("auth-zone", "may take a zone from other servers"),
        ("dnstap-ip", "tells another host what it is asked"),
        ("do-ip4", "says whether servers are asked over IPv4"),
        ("do-ip6", "says whether servers are asked over IPv6"),
        ("do-not-query-address", "never asks some servers"),
        ("do-udp", "says whether servers are asked over UDP"),
        ("outgoing-interface", "asks from this address"),
        ("redis-server-host", "keeps answers on another host"),
        ("root-hints", "names other servers of the root"),
        ("rpz", "may take a list of names from other servers"),
    ],
    aside: &[
        "access-control*",
        "add-holddown",
        "aggressive-nsec",
        "allow-notify",
        "auto-trust-anchor-file",
        "backend",
        "cache-*",
        "cachedb*",
        "caps-*",
        "chroot",
        "client-subnet-*",
        "control-*",
        "define-tag",
        "del-holddown",
        "delay-close",
        "deny-any",
        "directory",
        "disable-*",
        "discard-timeout",
        "dns64-*",
        "dnscrypt*",
        "dnstap*",
        "do-daemonize",
        "do-not-query-localhost",
        "do-tcp",
        "domain-insecure",
        "dynlib*",
        "ede*",
        "edns-*",
        "extended-statistics",
        "fallback-enabled",
        "fast-server-*",
        "for-downstream",
        "for-upstream",
        "forward-first",
        "forward-no-cache",
        "harden-*",
        "hide-*",
        "http-*",
        "https-port",
        "identity",
        "ignore-cd-flag",
        "incoming-num-tcp",
        "infra-*",
        "insecure-lan-zones",
        "interface*",
        "ip-*",
        "ipsecmod-*",
        "ipset",
        "iter-*",
        "jostle-timeout",
        "keep-missing",
        "key-*",
        "local-*",
        "log-*",
        "logfile",
        "master",
        "max-*",
        "min-*",
        "minimal-responses",
        "module-config",
        "msg-*",
        "name-v4",
        "name-v6",
        "neg-cache-size",
        "nsid",
        "num-*",
        "outbound-msg-retry",
        "outgoing-num-tcp",
        "outgoing-port-*",
        "outgoing-range",
        "outgoing-tcp-mss",
        "pad-*",
        "permit-small-holddown",
        "pidfile",
        "port",
        "prefer-*",
        "prefetch*",
        "primary",
        "private-*",
        "proxy-protocol-port",
        "python*",
        "qname-*",
        "quic-*",
        "ratelimit*",
        "redis-*",
        "remote-control",
        "response-ip*",
        "root-key-sentinel",
        "rpz-*",
        "rrset-*",
        "secret-seed",
        "send-client-subnet",
        "serve-*",
        "server*",
        "so-*",
        "ssl-*",
        "statistics-*",
        "stream-*",
        "stub-*",
        "tags",
        "target-*",
        "tcp-*",
        "tls-*",
        "trust-*",
        "trusted-*",
        "udp-*",
        "unblock-*",
        "unknown-*",
        "unwanted-*",
        "url",
        "use-*",
        "username",
        "val-*",
        "verbosity",
        "version",
        "view*",
        "wait-*",
        "zonefile",
        "zonemd-*",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> Vec<Read<Place>> {
    let mut walk = UnboundWalk {
        files,
        facts,
        included: Included::default(),
        found: Vec::new(),
        zone: None,
        is_general: false,
    };
    if walk.files.exists(FILE) {
        walk.file(FILE);
        walk.end();
        if !walk.is_general && walk.found.is_empty() {
            let reason = "it asks the servers of each domain itself, from the root on";
            walk.facts.note(At::file(FILE), reason, MISSING);
        }
    } else {
        for folder in PARTS {
            for path in list(files, folder, ".conf", walk.facts, MISSING) {
                walk.file(&path);
            }
        }
        walk.end();
    }
    walk.found
}

/// A `forward-zone` that is being read.
#[derive(Debug)]
struct Zone {
    at: At,
    name: Option<String>,
    servers: Vec<Read<Place>>,
}

struct UnboundWalk<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    included: Included,
    found: Vec<Read<Place>>,
    zone: Option<Zone>,
    /// There is a zone of every name, whoever is asked in it.
    is_general: bool,
}

impl UnboundWalk<'_> {
    fn file(&mut self, path: &str) {
        if let Some(text) = self.included.open(self.files, path, self.facts, MISSING) {
            self.text(&text);
        }
    }

    fn text(&mut self, text: &Text) {
        for (line, content) in text.lines() {
            let Some((key, value)) = uncommented(content).trim().split_once(':') else { continue };
            let (key, value, at) = (key.trim(), value.trim().trim_matches('"'), text.at(line));
            match key {
                "forward-zone" => {
                    self.end();
                    self.zone = Some(Zone { at, name: None, servers: Vec::new() });
                }
                "include" | "include-toplevel" => {
                    if key == "include-toplevel" {
                        self.end();
                    }
                    for path in glob(self.files, value, self.facts, MISSING) {
                        self.file(&path);
                    }
                }
                // Of other clauses it is no server's.
                "name" | "forward-addr" => {
                    if let Some(zone) = &mut self.zone {
                        if key == "name" {
                            zone.name = Some(value.to_owned());
                        } else {
                            let server = value.split('#').next().unwrap_or_default().trim();
                            let (host, port) = server.split_once('@').unzip();
                            zone.servers.extend(at_port(host.unwrap_or(server), port, at));
                        }
                    }
                }
                key if value == "no" && key.ends_with("-upstream") => {}
                "do-ip4" | "do-ip6" | "do-udp" if value == "yes" => {}
                key => {
                    if value.is_empty() {
                        self.end();
                    }
                    CONSTRUCTS.meet(key, at, self.facts);
                }
            }
        }
    }

    /// Ends the zone that is being read: only that of every name counts.
    fn end(&mut self) {
        let Some(zone) = self.zone.take() else { return };
        match zone.name.as_deref() {
            Some(".") => {
                self.is_general = true;
                self.found.extend(zone.servers);
            }
            Some(name) => {
                let reason = format!("for {name} it asks others, which is not read");
                self.facts.note(zone.at, reason, MISSING);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::super::constructs::Reading;
    use super::super::super::super::testing::{hostile, program, tree};
    use super::super::super::tests::servers_in;
    use super::*;

    fn found(contents: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        servers_in(contents, read)
    }

    #[test]
    fn each_setting_of_unbounds_manual_was_decided() {
        let page =
            program("unbound").ancestors().nth(2).unwrap().join("share/man/man5/unbound.conf.5.gz");
        let page = std::process::Command::new("gzip").arg("-dc").arg(page).output().unwrap();
        let page = String::from_utf8_lossy(&page.stdout).replace("\\-", "-");
        let heads = page.lines().filter_map(|line| line.strip_prefix(".B "));
        let names = heads.filter_map(|head| head.trim_start_matches('"').split_once(':'));
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let names: Vec<&str> = names.map(|(name, _)| name).filter(is_name).collect();
        assert!(names.len() > 300, "{names:?}");
        let is_open = |name: &&&str| CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<_> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn the_zone_of_every_name_counts_wherever_it_stands() {
        let conf = "server:\n  interface: 127.0.0.1\n  # forward-addr: 9.9.9.9\n\
            include: \"/etc/unbound/unbound.conf.d/*.conf\"\nforward-zone:\n  name: \"lab.test\"\n\
            \x20 forward-addr: 9.9.9.1\nstub-zone:\n  name: \"x\"\n  stub-addr: 9.9.9.2\n\
            include-toplevel: /etc/unbound/more\n";
        let part = "forward-zone:\n  name: \".\"\n  forward-addr: 10.0.0.1@853#dns.example # x\n\
            \x20 forward-addr: 10.0.0.2\n  forward-tls-upstream: yes\n";
        let more =
            "forward-zone:\n  name: .\n  forward-addr: 10.0.0.3\n  forward-host: a.example\n";
        let files = [
            (FILE, conf),
            ("/etc/unbound/unbound.conf.d/a.conf", part),
            (
                "/etc/unbound/unbound.conf.d/a.txt",
                "forward-zone:\n name: .\n forward-addr: 9.9.9.3\n",
            ),
            ("/etc/unbound/more", more),
        ];
        let (servers, notes) = found(&files);
        let part = "/etc/unbound/unbound.conf.d/a.conf";
        let want = [
            format!("10.0.0.1:853 {part}:3"),
            format!("10.0.0.2 {part}:4"),
            "10.0.0.3 /etc/unbound/more:3".to_owned(),
        ];
        assert_eq!(servers, want);
        let want = [
            format!("{part}:5: `forward-tls-upstream` asks its servers by TLS, which is not read"),
            format!("{FILE}:5: for lab.test it asks others, which is not read"),
            format!("{FILE}:8: `stub-zone` asks others for one domain, which is not read"),
            "/etc/unbound/more:4: `forward-host` names a server, whose address has to be looked up first, which is not read".to_owned(),
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn without_a_zone_it_asks_everybody_itself() {
        let note = format!("{FILE}: it asks the servers of each domain itself, from the root on");
        assert_eq!(found(&[(FILE, "server:\n  verbosity: 1\n")]), (vec![], vec![note]));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(FILE, "forward-zone:\n name: .\n forward-addr: 10.0.0.1@53#x\n include: \"/etc/*\"\n")) {
            let (_dir, files) = tree(&[(FILE, &text.text)]);
            read(&files, &mut Facts::default());
        }
    }
}
