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
    ],
    aside: &[],
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
                key => {
                    if value.is_empty() {
                        self.end();
                    }
                    if CONSTRUCTS.noted.iter().any(|(known, _)| *known == key) {
                        CONSTRUCTS.meet(key, at, self.facts);
                    }
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

    use super::super::super::super::testing::{hostile, tree};
    use super::super::super::tests::servers_in;
    use super::*;

    fn found(contents: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        servers_in(contents, read)
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
