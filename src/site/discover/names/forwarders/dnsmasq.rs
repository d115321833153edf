//! dnsmasq: `server`, and the files that hold more of them.
//!
//! A `#` begins a comment where white space stands before it: right behind a server it begins
//! a port. Of a folder that `conf-dir` names, files are left out by their endings, or only
//! those with an ending are read (`*.conf`).
//!
//! Reference: dnsmasq(8).

use super::super::super::constructs::Constructs;
use super::super::super::facts::Read;
use super::super::super::include::{Included, list};
use super::super::super::{Facts, Files, Text};
use super::{MISSING, at_port, servers, uncommented};
use crate::site::Place;

const FILE: &str = "/etc/dnsmasq.conf";
/// Debian's service reads this folder, whatever the file says.
const PARTS: &str = "/etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new";

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "dnsmasq",
    files: "dnsmasq.conf, dnsmasq.d",
    missing: MISSING,
    understood: &["conf-dir", "conf-file", "resolv-file", "server", "servers-file"],
    noted: &[
        ("address", "answers names by itself"),
        ("conf-script", "has a program make settings"),
        ("enable-dbus", "lets other programs name its servers"),
        ("enable-ubus", "lets other programs name its servers"),
        ("local", "answers a domain by itself"),
        ("port", "answers on another port, or not at all"),
        ("query-port", "has all questions leave from one port"),
        ("rev-server", "asks others for addresses"),
        ("server=/", "asks others for one domain"),
    ],
    aside: &[
        "add-*",
        "addn-hosts",
        "alias",
        "all-servers",
        "auth-*",
        "bind-*",
        "bogus-*",
        "bootp-dynamic",
        "bridge-interface",
        "caa-record",
        "cache-*",
        "clear-on-reload",
        "cname",
        "connmark-*",
        "conntrack",
        "dhcp-*",
        "dns-*",
        "dnssec*",
        "domain*",
        "dump*",
        "dynamic-host",
        "edns-packet-max",
        "enable-ra",
        "enable-tftp",
        "except-interface",
        "expand-hosts",
        "fast-dns-retry",
        "filter*",
        "group",
        "help",
        "host-record",
        "hostsdir",
        "ignore-address",
        "interface*",
        "ipset",
        "keep-in-foreground",
        "leasefile-ro",
        "listen-address",
        "local-service",
        "local-ttl",
        "localise-queries",
        "localmx",
        "log-*",
        "max-*",
        "min-*",
        "mx-*",
        "naptr-record",
        "neg-ttl",
        "nftset",
        "no-*",
        "pid-file",
        "port-limit",
        "proxy-dnssec",
        "ptr-record",
        "pxe-*",
        "quiet-*",
        "ra-param",
        "read-ethers",
        "rebind-*",
        "script-*",
        "selfmx",
        "shared-network",
        "srv-host",
        "stop-dns-rebind",
        "strict-order",
        "strip-*",
        "synth-domain",
        "tag-if",
        "test",
        "tftp-*",
        "trust-anchor",
        "txt-record",
        "umbrella",
        "use-stale-cache",
        "user",
        "version",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> Vec<Read<Place>> {
    let mut walk = DnsmasqWalk { files, facts, included: Included::default(), found: Vec::new() };
    walk.file(FILE);
    walk.folder(PARTS);
    walk.found
}

struct DnsmasqWalk<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    included: Included,
    found: Vec<Read<Place>>,
}

impl DnsmasqWalk<'_> {
    fn file(&mut self, path: &str) {
        if let Some(text) = self.included.open(self.files, path, self.facts, MISSING) {
            self.text(&text);
        }
    }

    /// `/etc/dnsmasq.d,.bak,*.conf`: a folder, and which of its files are read.
    fn folder(&mut self, value: &str) {
        let mut parts = value.split(',').map(str::trim);
        let folder = parts.next().unwrap_or_default();
        let (only, not): (Vec<&str>, Vec<&str>) =
            parts.filter(|part| !part.is_empty()).partition(|part| part.starts_with('*'));
        for path in list(self.files, folder, "", self.facts, MISSING) {
            let name = path.rsplit('/').next().unwrap_or_default();
            let is_left = name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'));
            let is_wanted = only.is_empty()
                || only.iter().any(|end| name.ends_with(end.trim_start_matches('*')));
            if !is_left && is_wanted && !not.iter().any(|end| name.ends_with(end)) {
                self.file(&path);
            }
        }
    }

    fn text(&mut self, text: &Text) {
        for (line, content) in text.lines() {
            let said = uncommented(content);
            let (key, value) = said.split_once('=').unwrap_or((said, ""));
            let (key, value, at) = (key.trim(), value.trim(), text.at(line));
            match key {
                "server" if value.starts_with("/#/") => {
                    // Every domain.
                    self.server(value.trim_start_matches("/#/"), text, line);
                }
                "server" if value.starts_with('/') => CONSTRUCTS.meet("server=/", at, self.facts),
                "server" => self.server(value, text, line),
                "resolv-file" => match self.files.read(value) {
                    Ok(text) => self.found.extend(servers(&text, self.facts)),
                    Err(why) => self.facts.note(at, format!("{value}: {why}"), MISSING),
                },
                "conf-dir" => self.folder(value),
                "conf-file" | "servers-file" if !self.files.exists(value) => {
                    self.facts.note(at, format!("{value} is not there"), MISSING);
                }
                "conf-file" | "servers-file" => self.file(value),
                "" => {}
                key => CONSTRUCTS.meet(key, at, self.facts),
            }
        }
    }

    /// `10.0.0.53#5353@eth0`: a server, its port, and by which interface it is asked.
    fn server(&mut self, value: &str, text: &Text, line: usize) {
        let server = value.split('@').next().unwrap_or_default();
        let (host, port) = server.split_once('#').unzip();
        self.found.extend(at_port(host.unwrap_or(server), port, text.at(line)));
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
    fn each_option_that_dnsmasq_has_was_decided() {
        let said = std::process::Command::new(program("dnsmasq")).arg("--help").output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let names = said.lines().filter_map(|line| line.split_once("--").map(|(_, name)| name));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let names = names.map(|rest| rest.split(|c| !is_name(c)).next().unwrap());
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        assert!(names.len() > 150, "{names:?}");
        let is_open = |name: &&&str| CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<_> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn words_that_may_change_who_is_asked_are_noted() {
        let conf = "no-resolv\nserver=10.0.0.1\nenable-dbus\nquery-port=5353\nfrobnicate\n";
        let notes = [
            "3: `enable-dbus` lets other programs name its servers, which is not read",
            "4: `query-port` has all questions leave from one port, which is not read",
            "5: `frobnicate` is nothing of dnsmasq that preflight knows; it may move a peer",
        ];
        let notes = notes.map(|note| format!("{FILE}:{note}")).to_vec();
        assert_eq!(found(&[(FILE, conf)]), (vec![format!("10.0.0.1 {FILE}:2")], notes));
    }

    #[test]
    fn servers_have_ports_interfaces_and_comments() {
        let conf = "# server=9.9.9.9\nserver=10.0.0.1 # ours\nserver=10.0.0.2#5353@eth0\n\
            server=/#/10.0.0.3\n  server = 2001:db8::53#54\nserver=\nlisten-address=127.0.0.1\n";
        let want = ["10.0.0.1 2", "10.0.0.2:5353 3", "10.0.0.3 4", "2001:db8::53:54 5"];
        let want = want.map(|one| {
            let (server, line) = one.split_once(' ').unwrap();
            format!("{server} {FILE}:{line}")
        });
        assert_eq!(found(&[(FILE, conf)]), (want.to_vec(), vec![]));
    }

    #[test]
    fn other_files_hold_more_servers() {
        let conf = "conf-dir=/etc/own,.bak\nconf-dir=/etc/some,*.conf\nconf-file=/etc/one\n\
            servers-file=/etc/list\nresolv-file=/etc/up\nresolv-file=/no\nconf-file=/no\n";
        let (servers, notes) = found(&[
            (FILE, conf),
            ("/etc/own/a", "server=10.0.0.1\n"),
            ("/etc/own/a.bak", "server=9.9.9.1\n"),
            ("/etc/own/b~", "server=9.9.9.2\n"),
            ("/etc/some/a.conf", "server=10.0.0.2\nconf-file=/etc/dnsmasq.conf\n"),
            ("/etc/some/a.txt", "server=9.9.9.3\n"),
            ("/etc/one", "server=10.0.0.3\n"),
            ("/etc/list", "server=10.0.0.4\nserver=/lab.test/9.9.9.4\n"),
            ("/etc/up", "nameserver 10.0.0.5\n"),
            ("/etc/dnsmasq.d/site", "server=10.0.0.6\n"),
            ("/etc/dnsmasq.d/site.dpkg-old", "server=9.9.9.5\n"),
        ]);
        let want = [
            "10.0.0.1 /etc/own/a:1",
            "10.0.0.2 /etc/some/a.conf:1",
            "10.0.0.3 /etc/one:1",
            "10.0.0.4 /etc/list:1",
            "10.0.0.5 /etc/up:1",
            "10.0.0.6 /etc/dnsmasq.d/site:1",
        ];
        assert_eq!(servers, want);
        let want = [
            "/etc/list:2: `server=/` asks others for one domain, which is not read",
            "/etc/dnsmasq.conf:6: /no: there is no such file",
            "/etc/dnsmasq.conf:7: /no is not there",
        ];
        assert_eq!(notes, want);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(FILE, "server=10.0.0.1#53@e\nconf-dir=/etc,*.a\n")) {
            let (_dir, files) = tree(&[(FILE, &text.text)]);
            read(&files, &mut Facts::default());
        }
    }
}
