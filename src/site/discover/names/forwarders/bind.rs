//! BIND: `forwarders` of its options or of a view, and included files.
//!
//! Statements of words and blocks, each ended by `;`. Without forwarders it asks the servers
//! of each domain itself, from the root on.
//!
//! Reference: BIND's Administrator Reference Manual, "Configuration Reference".

use super::super::super::constructs::Constructs;
use super::super::super::facts::Read;
use super::super::super::include::{Included, glob};
use super::super::super::{At, Facts, Files, Text};
use super::{MISSING, at_port};
use crate::site::Place;

/// Debian's, then Red Hat's.
const FILES: [&str; 2] = ["/etc/bind/named.conf", "/etc/named.conf"];
/// Read where the first is not there, as in a copy of parts of `/etc`.
const OPTIONS: &str = "/etc/bind/named.conf.options";
/// Blocks inside each other.
const MOST_NESTED: usize = 16;

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "BIND",
    files: "named.conf and what it includes",
    missing: MISSING,
    understood: &["forwarders", "include", "options", "view"],
    noted: &[
        ("forward", "says whether others are asked where its servers do not answer"),
        ("blackhole", "never asks some servers"),
        ("dual-stack-servers", "asks other servers where it cannot reach one of its own kind"),
        ("dyndb", "has a library answer names"),
        ("nxdomain-redirect", "answers names that do not exist by others"),
        ("plugin", "has a library change answers"),
        ("port", "asks and answers at another port"),
        ("query-source*", "asks from this address or port"),
        ("response-policy", "answers some names otherwise"),
        ("root-delegation-only", "believes some answers of domains only"),
        ("server", "says how some servers are asked"),
        ("tls", "asks its servers by TLS"),
        ("zone", "asks others for one domain (forwarders)"),
    ],
    aside: &[
        "acl",
        "allow-*",
        "also-notify",
        "alt-*",
        "answer-cookie",
        "attach-cache",
        "auth-nxdomain",
        "auto-dnssec",
        "automatic-*",
        "avoid-*",
        "bindkeys-file",
        "catalog-zones",
        "check-*",
        "cleaning-interval",
        "clients-per-query",
        "controls",
        "cookie-*",
        "coresize",
        "datasize",
        "deny-*",
        "dialup",
        "directory",
        "disable-*",
        "dlz",
        "dns64*",
        "dnskey-*",
        "dnsrps-*",
        "dnssec-*",
        "dnstap*",
        "dscp",
        "dump-file",
        "edns*",
        "empty-*",
        "fake-iquery",
        "fetch-*",
        "fetches-*",
        "files",
        "flush-*",
        "fstrm-*",
        "geoip-*",
        "glue-cache",
        "heartbeat-interval",
        "hostname",
        "http*",
        "interface-interval",
        "ipv4only-*",
        "ixfr-*",
        "keep-response-order",
        "key*",
        "lame-ttl",
        "listen-on*",
        "lmdb-mapsize",
        "lock-file",
        "logging",
        "managed-keys*",
        "masterfile-*",
        "masters",
        "match-*",
        "max-*",
        "memstatistics*",
        "message-compression",
        "min-*",
        "minimal-*",
        "multi-master",
        "new-zones-directory",
        "no-case-compress",
        "nocookie-udp-size",
        "notify*",
        "nsec3-test-zone",
        "nta-*",
        "padding",
        "parental-*",
        "pid-file",
        "preferred-glue",
        "prefetch",
        "primaries",
        "provide-ixfr",
        "qname-minimization",
        "querylog",
        "random-device",
        "rate-limit",
        "recursing-file",
        "recursion",
        "recursive-clients",
        "request-*",
        "require-server-cookie",
        "reserved-sockets",
        "resolver-*",
        "response-padding",
        "reuseport",
        "root-key-sentinel",
        "rrset-order",
        "secroots-file",
        "send-cookie",
        "serial-*",
        "server-id",
        "servfail-ttl",
        "session-*",
        "sig-*",
        "sortlist",
        "stacksize",
        "stale-*",
        "startup-notify-rate",
        "statistics-*",
        "suppress-initial-notify",
        "synth-from-dnssec",
        "tcp-*",
        "tkey-*",
        "tls-port",
        "transfer*",
        "trust-anchor*",
        "trusted-keys",
        "try-tcp-refresh",
        "udp-*",
        "update-*",
        "use-*",
        "v6-bias",
        "validate-except",
        "version",
        "zero-no-*",
        "zone-statistics",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> Vec<Read<Place>> {
    let mut found = Vec::new();
    let main = FILES.iter().find(|path| files.exists(path));
    let Some(path) = main.copied().or_else(|| files.exists(OPTIONS).then_some(OPTIONS)) else {
        return found;
    };
    let mut walk = BindWalk { files, facts, included: Included::default(), found: &mut found };
    walk.file(path, &mut Vec::new());
    if found.is_empty() && main.is_some() {
        let reason = "it asks the servers of each domain itself, from the root on";
        facts.note(At::file(path), reason, MISSING);
    }
    found
}

struct BindWalk<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    included: Included,
    found: &'a mut Vec<Read<Place>>,
}

impl BindWalk<'_> {
    /// `blocks` are those it is read in: the first word of each, and the second.
    fn file(&mut self, path: &str, blocks: &mut Vec<(String, String)>) {
        let Some(text) = self.included.open(self.files, path, self.facts, MISSING) else { return };
        let mut words: Vec<String> = Vec::new();
        for (token, line) in tokens(&text) {
            match token.as_str() {
                "{" if blocks.len() < MOST_NESTED => {
                    let mut words = std::mem::take(&mut words).into_iter();
                    let first = words.next().unwrap_or_default();
                    let name = words.next().unwrap_or_default();
                    if first == "forwarders" {
                        // Notes that a zone has forwarders of its own.
                        if blocks.iter().any(|(first, name)| first == "zone" && name != ".") {
                            CONSTRUCTS.meet("zone", text.at(line), self.facts);
                        }
                    } else {
                        self.meet(&first, blocks, &text, line);
                    }
                    blocks.push((first, name));
                }
                "{" => return,
                "}" => {
                    words.clear();
                    blocks.pop();
                }
                ";" => {
                    let statement = std::mem::take(&mut words);
                    self.statement(&statement, blocks, &text, line);
                }
                _ => words.push(token),
            }
        }
    }

    fn statement(
        &mut self,
        words: &[String],
        blocks: &mut Vec<(String, String)>,
        text: &Text,
        line: usize,
    ) {
        let word = |index: usize| words.get(index).map(String::as_str);
        let inside = blocks.last().map(|(first, _)| first.as_str());
        match (word(0), word(1)) {
            (Some("include"), Some(path)) if path.starts_with('/') => {
                if !path.contains(['*', '?', '[']) && !self.files.exists(path) {
                    let reason =
                        format!("{path} is not there, and named does not start without it");
                    self.facts.note(text.at(line), reason, MISSING);
                }
                for path in glob(self.files, path, self.facts, MISSING) {
                    self.file(&path, blocks);
                }
            }
            (Some("include"), Some(path)) => {
                let reason = format!("{path} is read below the folder that named works in");
                self.facts.note(text.at(line), reason, MISSING);
            }
            (Some(host), _) if inside == Some("forwarders") => {
                let after = |name: &str| words.iter().skip_while(move |word| *word != name).nth(1);
                if after("tls").is_some() {
                    CONSTRUCTS.meet("tls", text.at(line), self.facts);
                }
                let is_general = blocks.iter().all(|(first, name)| first != "zone" || name == ".");
                if is_general {
                    let port = after("port").map(String::as_str);
                    self.found.extend(at_port(host, port, text.at(line)));
                }
            }
            (Some(word), _) => self.meet(word, blocks, text, line),
            (None, _) => {}
        }
    }

    /// A statement of the file, of its options or of a view; what stands deeper belongs to one.
    fn meet(&mut self, word: &str, blocks: &[(String, String)], text: &Text, line: usize) {
        let is_shallow =
            blocks.iter().all(|(first, _)| matches!(first.as_str(), "options" | "view"));
        // Zones are looked at for forwarders of their own, and what TLS is made with moves nobody.
        if is_shallow && !matches!(word, "" | "zone" | "tls") {
            CONSTRUCTS.meet(word, text.at(line), self.facts);
        }
    }
}

/// Words, strings without their quotes, braces and `;`, each with its line; no comments.
fn tokens(text: &Text) -> Vec<(String, usize)> {
    let mut tokens: Vec<(String, usize)> = Vec::new();
    let mut word = String::new();
    let (mut line, mut chars) = (1, text.text.chars().peekable());
    let end = |word: &mut String, tokens: &mut Vec<(String, usize)>, line: usize| {
        if !word.is_empty() {
            tokens.push((std::mem::take(word), line));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'*') => {
                let mut before = ' ';
                for c in chars.by_ref().skip(1) {
                    line += usize::from(c == '\n');
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            '#' => skip_line(&mut chars),
            '/' if chars.peek() == Some(&'/') => skip_line(&mut chars),
            '"' => {
                end(&mut word, &mut tokens, line);
                let string: String = chars.by_ref().take_while(|c| *c != '"').collect();
                let lines = string.matches('\n').count();
                tokens.push((string, line));
                line += lines;
            }
            '{' | '}' | ';' => {
                end(&mut word, &mut tokens, line);
                tokens.push((c.to_string(), line));
            }
            c if c.is_whitespace() => {
                end(&mut word, &mut tokens, line);
                line += usize::from(c == '\n');
            }
            c => word.push(c),
        }
    }
    end(&mut word, &mut tokens, line);
    tokens
}

/// Up to the end of the line, which still counts.
fn skip_line(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| *c != '\n').is_some() {}
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

    const MAIN: &str = FILES[0];

    #[test]
    fn forwarders_stand_in_options_and_in_included_files() {
        let (servers, notes) = found(&[
            (MAIN, "include \"/etc/bind/named.conf.options\";\ninclude \"/etc/bind/local\";\n"),
            (
                OPTIONS,
                "options {\n  /* forwarders { 9.9.9.9; };\n */\n  forwarders { 10.0.0.1; 10.0.0.2 port 5353; };\n  // x\n  allow-query { 10.0.0.9; };\n};\n",
            ),
            (
                "/etc/bind/local",
                "zone \"lab.test\" {\n type forward;\n forwarders { 9.9.9.1; };\n};\nzone \".\" { type forward; forwarders {\n10.0.0.3; # y\n}; };\n",
            ),
        ]);
        let want = [
            "10.0.0.1 /etc/bind/named.conf.options:4",
            "10.0.0.2:5353 /etc/bind/named.conf.options:4",
            "10.0.0.3 /etc/bind/local:6",
        ];
        assert_eq!(servers, want);
        let note =
            "/etc/bind/local:3: `zone` asks others for one domain (forwarders), which is not read";
        assert_eq!(notes, [note]);
        let note = "/etc/named.conf: it asks the servers of each domain itself, from the root on";
        assert_eq!(
            found(&[(FILES[1], "options { recursion yes; };\n")]),
            (vec![], vec![note.to_owned()])
        );
    }

    #[test]
    fn each_statement_of_binds_manual_was_decided() {
        let page =
            program("named").ancestors().nth(2).unwrap().join("share/man/man5/named.conf.5.gz");
        let page = std::process::Command::new("gzip").arg("-dc").arg(page).output().unwrap();
        let page = String::from_utf8_lossy(&page.stdout).replace("\\-", "-");
        let mut names = std::collections::BTreeSet::new();
        let mut is_shallow = true;
        for line in page.lines() {
            let name = line.trim_start_matches('\t').split([' ', ';']).next().unwrap_or_default();
            let is_name = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            let is_deep = line.starts_with('\t');
            let is_statement = line.ends_with('{') || line.contains(';');
            if is_name && is_statement && (!is_deep || is_shallow && !line.starts_with("\t\t")) {
                names.insert(name.to_owned());
            }
            if !is_deep && line.ends_with('{') {
                is_shallow = matches!(name, "options" | "view");
            }
        }
        assert!(names.len() > 200, "{names:?}");
        let is_open = |name: &&String| CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<_> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn what_changes_who_is_asked_is_noted_where_it_counts() {
        let conf = "options {\n forward only;\n forwarders { 10.0.0.1; };\n query-source address 10.0.0.7;\n\
            frobnicate yes;\n};\nserver 10.0.0.1 { tcp-only yes; };\nlogging { channel x { file \"y\"; }; };\n\
            zone \"a\" { type master; file \"b\"; };\n";
        let notes = [
            "2: `forward` says whether others are asked where its servers do not answer, which is not read",
            "4: `query-source` asks from this address or port, which is not read",
            "5: `frobnicate` is nothing of BIND that preflight knows; it may move a peer",
            "7: `server` says how some servers are asked, which is not read",
        ];
        let notes = notes.map(|note| format!("{MAIN}:{note}")).to_vec();
        assert_eq!(found(&[(MAIN, conf)]), (vec![format!("10.0.0.1 {MAIN}:3")], notes));
    }

    #[test]
    fn a_file_means_what_named_checkconf_prints_of_it() {
        for conf in [
            "options { forwarders { 10.0.0.1; 10.0.0.2 port 5353; }; };",
            "options { forwarders port 5353 { 10.0.0.1; }; };",
            "options { directory \"/tmp\"; /* forwarders { 9.9.9.9; }; */ forwarders\n{\n10.0.0.1;# x\n// y\n2001:db8::53;};};",
            "include \"/etc/bind/more\";",
            "options { forward only; forwarders { 10.0.0.1; }; }; zone \"lab.test\" { type forward; forwarders { 9.9.9.1; }; };",
            "view \"in\" { match-clients { any; }; forwarders { 10.0.0.1; }; };",
        ] {
            let more = ("/etc/bind/more", "options { forwarders { 10.0.0.7; }; };");
            let (dir, files) = tree(&[(MAIN, conf), more]);
            // In its own words everything stands in one file, without comments.
            let mut command = std::process::Command::new(program("named-checkconf"));
            let own = dir.path().join("named.conf");
            std::fs::write(
                &own,
                conf.replace(
                    "/etc/bind/more",
                    &dir.path().join("etc/bind/more").display().to_string(),
                ),
            )
            .unwrap();
            let output = command.arg("-p").arg(own).output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{conf} {printed}");
            let hosts = |servers: Vec<Read<Place>>| -> Vec<String> {
                servers
                    .iter()
                    .map(|one| format!("{} {:?}", one.value.host, one.value.port))
                    .collect()
            };
            let ours = hosts(read(&files, &mut Facts::default()));
            let (_dir, files) = tree(&[(MAIN, &printed)]);
            let theirs = hosts(read(&files, &mut Facts::default()));
            assert_eq!(ours, theirs, "{conf} {printed}");
            assert!(!ours.is_empty(), "{conf}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(MAIN, "options { forwarders { 10.0.0.1 port 53; }; };\ninclude \"/etc/*\"; /* x */ # y\n")) {
            let (_dir, files) = tree(&[(MAIN, &text.text)]);
            read(&files, &mut Facts::default());
        }
    }
}
