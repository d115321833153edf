//! The repositories of apt, in both formats of its lists.
//!
//! A line `deb [options] URI suite components`, or a stanza of fields (deb822) that means
//! each of its URIs with each of its suites; `deb-src` is fetched as `deb` is. A suite that
//! ends in `/` is a folder of its own, without `dists` and without components. One entry that
//! is malformed, and apt reads no list at all. A list of mirrors is a file of this machine,
//! whose lines are what is fetched, or is fetched itself.
//!
//! Reference: sources.list(5), apt-transport-mirror(1).

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use preflight_checks::discreet_value;

use super::super::constructs::Constructs;
use super::super::facts::RefusedLine;
use super::super::include::list;
use super::super::{Facts, Files, Text};
use super::apt_conf::{self, Conf};
use super::{LONGEST, MISSING, RepositoryAddress};

/// How apt fetches: what stands before the first colon of a URI.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "apt",
    files: "sources.list, *.list, *.sources: the scheme of a URI",
    missing: MISSING,
    understood: &[
        "http",
        "https",
        "mirror",
        "mirror+copy",
        "mirror+file",
        "mirror+http",
        "mirror+https",
    ],
    noted: &[
        ("tor+*", "goes through Tor, a proxy of its own"),
        ("tor", "goes through Tor, a proxy of its own"),
        ("ftp", "is a way that apt has switched off"),
        ("ssh", "runs a program for it"),
        ("rsh", "runs a program for it"),
        ("s3", "is a method that another package brings"),
    ],
    // Of this machine alone.
    aside: &["cdrom", "copy", "file", "store"],
};

const FILE: &str = "/etc/apt/sources.list";
const FOLDER: &str = "/etc/apt/sources.list.d";
const MOST_FILES: usize = 256;
/// Repositories of one file, and lines that name none.
const MOST_LINES: usize = 1_024;
/// URIs and suites of one stanza.
const MOST_WORDS: usize = 64;
/// Mirrors of one list.
const MOST_MIRRORS: usize = 64;
/// The words that switch a stanza off, in any case of letters (apt, `StringToBool`).
const OFF: [&str; 5] = ["no", "false", "without", "off", "disable"];

pub(super) fn read(files: &Files, facts: &mut Facts) {
    if !files.exists("/etc/apt") {
        return;
    }
    let conf = apt_conf::read(files, facts);
    let parts = list(files, FOLDER, "", facts, MISSING);
    let parts = parts.into_iter().filter(|path| is_read(path)).take(MOST_FILES);
    for path in [FILE.to_owned()].into_iter().chain(parts) {
        let text = match files.read(&path) {
            Ok(text) => text,
            Err(why) => {
                facts.unread(&path, &why, MISSING);
                continue;
            }
        };
        let entries = if path.ends_with(".sources") { of_stanzas(&text) } else { of_lines(&text) };
        Apt { files, conf: &conf, facts: &mut *facts, met: BTreeSet::new() }.tell(&text, entries);
    }
}

/// apt passes over names with other characters.
fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    name.chars().all(fits) && matches!(ending, Some("list" | "sources"))
}

/// A URI, a suite, and the line of the URI.
type ListLine = (String, String, usize);
/// A pair, or the line for which apt refuses all of its lists, and why.
type ListEntry = Result<ListLine, (usize, &'static str)>;

struct Apt<'a> {
    files: &'a Files,
    conf: &'a Conf,
    facts: &'a mut Facts,
    /// URIs whose scheme was noted.
    met: BTreeSet<String>,
}

impl Apt<'_> {
    fn tell(&mut self, text: &Text, entries: Vec<ListEntry>) {
        for entry in entries {
            match entry {
                Ok((uri, suite, line)) => self.one(text, &uri, &suite, line),
                Err((line, reason)) => self.facts.refused.push(RefusedLine {
                    program: "apt",
                    reason: reason.to_owned(),
                    at: text.at(line),
                }),
            }
        }
    }

    fn one(&mut self, text: &Text, uri: &str, suite: &str, line: usize) {
        let at = text.at(line);
        if suite.len() > LONGEST {
            return self.facts.note(at, "its suite is longer than an address can be", MISSING);
        }
        let architecture = architecture(std::env::consts::ARCH);
        let uri = uri.replacen("$(ARCH)", architecture, 8);
        let flat = suite.ends_with('/');
        let suite = if flat { suite.replace("$(ARCH)", architecture) } else { suite.to_owned() };
        let file = match suite.as_str() {
            "/" => "InRelease".to_owned(),
            folder if flat => format!("{folder}InRelease"),
            suite => format!("dists/{suite}/InRelease"),
        };
        let (scheme, rest) = uri.split_once(':').unwrap_or_default();
        if self.met.insert(uri.clone()) {
            CONSTRUCTS.meet(scheme, at.clone(), self.facts);
        }
        let conf = self.conf;
        let mut add = |address: &str, file: Option<&str>, at| {
            let name = if flat { discreet_value(without_login(address)) } else { suite.clone() };
            RepositoryAddress { name: &name, address, file, at, certificate: None }
                .tell(self.facts, |url| conf.route(url));
        };
        match scheme {
            "http" | "https" => add(&uri, Some(&file), at),
            // A list of mirrors is fetched as it is.
            "mirror" => add(&format!("http:{rest}"), None, at),
            "mirror+http" | "mirror+https" => {
                add(uri.trim_start_matches("mirror+"), None, at);
            }
            "mirror+file" | "mirror+copy" => {
                let path = format!("/{}", rest.trim_start_matches('/'));
                match self.files.read(&path) {
                    Ok(mirrors) => self.mirrors(&mirrors, &file, &suite),
                    Err(why) => {
                        let reason = format!("{path}, its list of mirrors: {why}");
                        self.facts.note(at, reason, MISSING);
                    }
                }
            }
            _ => {}
        }
    }

    /// Each line is a mirror; what stands behind a tab limits what is fetched from it.
    fn mirrors(&mut self, list: &Text, file: &str, suite: &str) {
        let lines = list.lines().map(|(line, content)| (line, content.trim()));
        let lines = lines.filter(|(_, content)| !content.is_empty() && !content.starts_with('#'));
        for (line, content) in lines.take(MOST_MIRRORS) {
            let address = content.split('\t').next().unwrap_or_default().trim();
            let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
            if self.met.insert(address.to_owned()) {
                CONSTRUCTS.meet(scheme, list.at(line), self.facts);
            }
            let conf = self.conf;
            RepositoryAddress {
                name: suite,
                address,
                file: Some(file),
                at: list.at(line),
                certificate: None,
            }
            .tell(self.facts, |url| conf.route(url));
        }
    }
}

/// `apt.corp.example/site`: what a folder without a suite's name is called.
fn without_login(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.rsplit_once('@').map_or(rest, |(_, rest)| rest).trim_end_matches('/')
}

/// Debian's name of the architecture this program was built for.
fn architecture(rust: &'static str) -> &'static str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        "powerpc64" => "ppc64el",
        "arm" => "armhf",
        same => same,
    }
}

/// Why apt refuses an entry with this URI, suite and so many components.
fn refusal(uri: &str, suite: &str, components: usize) -> Option<&'static str> {
    let is_folder = suite.ends_with('/');
    if uri.split_once(':').is_none_or(|(scheme, _)| scheme.is_empty()) {
        Some("its URI has no scheme")
    } else if is_folder && components > 0 {
        Some("a suite that ends in `/` has no components")
    } else if !is_folder && components == 0 {
        Some("it names no component")
    } else {
        None
    }
}

/// A line without its comment: `#` begins one anywhere but in brackets.
fn uncommented(line: &str) -> &str {
    let mut from = 0;
    while let Some(found) = line.get(from..).and_then(|rest| rest.find(['#', '['])) {
        let at = from + found;
        match line.get(at..).and_then(|rest| rest.strip_prefix('[')) {
            Some(inside) => from = at + 1 + inside.find(']').map_or(0, |end| end + 1),
            None => return line.get(..at).unwrap_or(line),
        }
    }
    line
}

/// The words of a line as apt splits it (apt, apt-pkg/contrib/strutl.cc, `ParseQuoteWord`).
///
/// White space in double quotes or brackets parts no words, as in the `cdrom:[Debian 12]/` of an
/// installer; quotes are taken off, and `%20` is the character it stands for. None where a quote or
/// a bracket stays open.
fn quoted_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let mut end = rest.len();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c.is_ascii_whitespace() => {
                    end = at;
                    break;
                }
                '"' => _ = chars.find(|(_, c)| *c == '"')?,
                '[' => _ = chars.find(|(_, c)| *c == ']')?,
                _ => {}
            }
        }
        let (word, after) = rest.split_at(end);
        let word = word.replace('"', "");
        words.push(percent_decode_str(&word).decode_utf8_lossy().into_owned());
        rest = after.trim_start();
    }
    Some(words)
}

/// One repository a line; `#` begins a comment anywhere but in brackets.
fn of_lines(text: &Text) -> Vec<ListEntry> {
    let lines = text.lines().filter_map(|(line, content)| {
        let content = uncommented(content).trim();
        let (kind, rest) = content.split_once([' ', '\t']).unwrap_or((content, ""));
        match kind {
            "" => return None,
            "deb" | "deb-src" => {}
            _ => return Some(Err((line, "apt knows `deb` and `deb-src`, and no other word here"))),
        }
        let mut rest = rest.trim_start();
        while let Some(options) = rest.strip_prefix('[') {
            let Some((options, after)) = options.split_once(']') else {
                return Some(Err((line, "the bracket of its options is not closed")));
            };
            if options.split_whitespace().any(|option| !option.contains('=')) {
                return Some(Err((line, "an option in its brackets is not NAME=VALUE")));
            }
            rest = after;
        }
        let Some(words) = quoted_words(rest) else {
            return Some(Err((line, "a quote or a bracket in it is not closed")));
        };
        let entry = match words.as_slice() {
            [uri, suite, components @ ..] => match refusal(uri, suite, components.len()) {
                Some(reason) => Err((line, reason)),
                None => Ok((uri.clone(), suite.clone(), line)),
            },
            _ => Err((line, "it has no URI, or no suite")),
        };
        Some(entry)
    });
    lines.take(MOST_LINES).collect()
}

/// Stanzas of fields, parted by empty lines.
fn of_stanzas(text: &Text) -> Vec<ListEntry> {
    let mut pairs = Vec::new();
    let mut stanza = Stanza::default();
    for (line, content) in text.lines().filter(|(_, content)| !content.starts_with('#')) {
        if content.trim().is_empty() {
            std::mem::take(&mut stanza).tell(&mut pairs);
        } else {
            stanza.add(line, content);
        }
    }
    stanza.tell(&mut pairs);
    pairs
}

/// The fields that matter here; of one given twice the later counts.
#[derive(Default)]
struct Stanza<'a> {
    begins: usize,
    field: String,
    types: Vec<(&'a str, usize)>,
    uris: Vec<(&'a str, usize)>,
    suites: Vec<(&'a str, usize)>,
    components: Vec<(&'a str, usize)>,
    is_off: bool,
    /// A line that is no field.
    garbage: Option<usize>,
}

impl<'a> Stanza<'a> {
    fn add(&mut self, line: usize, content: &'a str) {
        if self.begins == 0 {
            self.begins = line;
        }
        let mut value = content;
        let begins_field = !content.starts_with([' ', '\t']);
        if begins_field {
            let Some((field, rest)) = content.split_once(':') else {
                self.garbage.get_or_insert(line);
                return;
            };
            (self.field, value) = (field.trim().to_ascii_lowercase(), rest);
        }
        let list = match self.field.as_str() {
            "types" => &mut self.types,
            "uris" => &mut self.uris,
            "suites" => &mut self.suites,
            "components" => &mut self.components,
            "enabled" => {
                let value = value.trim().to_ascii_lowercase();
                self.is_off = OFF.contains(&value.as_str()) || value.parse() == Ok(0);
                return;
            }
            _ => return,
        };
        if begins_field {
            list.clear();
        }
        let room = MOST_WORDS.saturating_sub(list.len());
        list.extend(value.split_whitespace().take(room).map(|word| (word, line)));
    }

    /// Adds each URI with each suite.
    fn tell(self, pairs: &mut Vec<ListEntry>) {
        if let Some(line) = self.garbage {
            return pairs.push(Err((line, "this is not a field of a stanza")));
        }
        if self.begins == 0 || pairs.len() > super::MOST {
            return;
        }
        let known = |(kind, _): &(&str, usize)| matches!(*kind, "deb" | "deb-src");
        if self.types.is_empty() {
            return pairs.push(Err((self.begins, "its stanza has no Types")));
        }
        if self.is_off {
            return;
        }
        if let Some((_, line)) = self.types.iter().find(|kind| !known(kind)) {
            let reason = "apt knows `deb` and `deb-src`, and no other word here";
            return pairs.push(Err((*line, reason)));
        }
        if self.uris.is_empty() || self.suites.is_empty() {
            return pairs.push(Err((self.begins, "it has no URIs, or no Suites")));
        }
        for (uri, line) in &self.uris {
            for (suite, _) in &self.suites {
                pairs.push(match refusal(uri, suite, self.components.len()) {
                    Some(reason) => Err((*line, reason)),
                    None => Ok(((*uri).to_owned(), (*suite).to_owned(), *line)),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile};
    use super::super::tests::found;
    use super::*;

    const LIST: &str = "# deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_]/ bookworm main\n\
        deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_]/ bookworm main\n\
        deb http://deb.debian.org/debian/ bookworm main contrib # the mirror\n\
        deb-src http://deb.debian.org/debian/ bookworm main\n\
        deb [arch=amd64 signed-by=/etc/apt/keyrings/c.gpg] https://packages.centreon.com/apt-standard-25.10-stable/ bookworm main\n\
        deb http://deb.debian.org/debian/ bookworm non-free\n\
        \tdeb\t[trusted=yes]\thttp://apt.corp.example/site ./\n\
        deb file:/srv/apt ./\ndeb mirror+https://mirrors.example/list bookworm main\n";
    const SOURCES: &str = "Types: deb deb-src\n# http://snapshot.debian.org/archive/debian\n\
        URIs: http://deb.debian.org/debian\n https://mirror.corp.example/debian\n\
        Suites: bookworm bookworm-updates\nComponents: main\n\
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
        Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: x\n \n\
        types: deb\nuris: http://apt.corp.example/$(ARCH)\nsuites: flat/$(ARCH)/\n";

    #[test]
    fn a_line_is_a_repository() {
        let (repositories, notes) = found(&[(FILE, LIST)]);
        let want = [
            "bookworm http://deb.debian.org/debian/dists/bookworm/InRelease /etc/apt/sources.list:3",
            "bookworm https://packages.centreon.com/apt-standard-25.10-stable/dists/bookworm/InRelease /etc/apt/sources.list:5",
            "apt.corp.example/site http://apt.corp.example/site/InRelease /etc/apt/sources.list:7",
            "bookworm https://mirrors.example/list /etc/apt/sources.list:9",
        ];
        assert_eq!((repositories, notes), (want.map(str::to_owned).to_vec(), vec![]));
    }

    #[test]
    fn a_stanza_is_each_uri_with_each_suite() {
        let path = "/etc/apt/sources.list.d/debian.sources";
        let (repositories, notes) = found(&[(path, SOURCES)]);
        let arch = architecture(std::env::consts::ARCH);
        let debian = "http://deb.debian.org/debian/dists";
        let mirror = "https://mirror.corp.example/debian/dists";
        let want = [
            format!("bookworm {debian}/bookworm/InRelease {path}:3"),
            format!("bookworm-updates {debian}/bookworm-updates/InRelease {path}:3"),
            format!("bookworm {mirror}/bookworm/InRelease {path}:4"),
            format!("bookworm-updates {mirror}/bookworm-updates/InRelease {path}:4"),
        ];
        let (flat, others) = repositories.split_last().unwrap();
        assert_eq!((others, notes), (&want[..], vec![]));
        assert!(flat.contains(&format!("/flat/{arch}/InRelease {path}:15")), "{flat}");
    }

    #[test]
    fn the_proxy_is_apts_own() {
        let (repositories, _) = found(&[
            (FILE, "deb http://a.example/x stable main\ndeb https://b.example/x stable main\n"),
            (
                "/etc/apt/apt.conf.d/proxy.conf",
                "Acquire::http { Proxy \"http://p:1\"; Proxy::b.example \"DIRECT\"; };\n",
            ),
        ]);
        let conf = "/etc/apt/apt.conf.d/proxy.conf:1";
        assert!(repositories[0].ends_with(&format!("through http://p:1/ ({conf})")));
        assert!(repositories[1].ends_with(&format!("straight, DIRECT ({conf})")));
    }

    #[test]
    fn an_entry_that_is_none_is_refused_with_its_line() {
        let (repositories, notes) = found(&[
            (FILE, "deb http://a.example\ndeb [arch=amd64 http://a.example x main\n"),
            ("/etc/apt/sources.list.d/x.sources", "\nTypes: deb\nSuites: x\n"),
            ("/etc/apt/sources.list.d/x y.list", "deb http://skipped.example x y\n"),
            ("/etc/apt/sources.list.d/x.list.save", "deb http://skipped.example x y\n"),
        ]);
        let want = [
            "/etc/apt/sources.list:1: apt: it has no URI, or no suite",
            "/etc/apt/sources.list:2: apt: the bracket of its options is not closed",
            "/etc/apt/sources.list.d/x.sources:2: apt: it has no URIs, or no Suites",
        ];
        assert_eq!(notes, want);
        assert!(repositories.is_empty(), "{repositories:?}");
    }

    #[test]
    fn the_mirrors_of_a_list_on_this_machine_are_what_is_fetched() {
        let (repositories, notes) = found(&[
            (
                "/etc/apt/sources.list.d/debian.sources",
                "Types: deb deb-src\nURIs: mirror+file:///etc/apt/mirrors/debian.list\n\
                 Suites: bookworm\nComponents: main\n",
            ),
            (
                "/etc/apt/mirrors/debian.list",
                "# ours\nhttps://deb.example.com/debian\tpriority:1 arch:amd64\n\n\
                 http://b.example/debian/\nfile:/srv/x\ntor+http://c.example/\n",
            ),
            (FILE, "deb mirror+file:/etc/apt/none bookworm main\n"),
        ]);
        let list = "/etc/apt/mirrors/debian.list";
        let want = [
            format!("bookworm https://deb.example.com/debian/dists/bookworm/InRelease {list}:2"),
            format!("bookworm http://b.example/debian/dists/bookworm/InRelease {list}:4"),
        ];
        assert_eq!(repositories, want);
        let want = [
            format!("{FILE}:1: /etc/apt/none, its list of mirrors: there is no such file"),
            format!("{list}:6: `tor+http` goes through Tor, a proxy of its own, which is not read"),
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn a_way_that_is_not_spoken_is_noted() {
        let (repositories, notes) = found(&[(
            FILE,
            "deb tor+https://onion.example/debian bookworm main\n\
             deb ar+https://x.example/y bookworm main\ndeb copy:/srv/x ./\n",
        )]);
        assert!(repositories.is_empty());
        let want = [
            format!(
                "{FILE}:1: `tor+https` goes through Tor, a proxy of its own, which is not read"
            ),
            format!(
                "{FILE}:2: `ar+https` is nothing of apt that preflight knows; it may move a peer"
            ),
        ];
        assert_eq!(notes, want);
    }

    /// Every list alone, as apt itself reads it: the files it would get, or none as it refuses it.
    #[test]
    fn a_list_is_read_as_apt_reads_it() {
        let lines = [
            "deb http://a.example/x bookworm main # c",
            "  deb http://a.example b main",
            "deb-src http://s.example bookworm main",
            "deb [ arch=amd64 trusted=yes ] http://a.example b main contrib",
            "deb [lang=none][x=y] http://a.example b main",
            "deb [ arch = amd64 ] http://a.example b main",
            "deb [arch=amd64 http://a.example b main",
            "deb http://b.example/$(ARCH)/ bookworm/$(ARCH) main",
            "deb http://a.example/x bookworm/",
            "deb http://a.example ./",
            "deb http://a.example /",
            "deb http://a.example b/$(ARCH)/",
            "deb http://a.example bookworm/ main",
            "deb http://a.example bookworm",
            "deb http://a.example",
            "deb",
            "rpm http://a.example b main",
            "debx http://a.example b main",
            "deb x.example b main",
            "deb file:/srv b main\ndeb http://a.example:8080/ b main",
            "# deb http://a.example b main",
            "deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main\n\
             deb http://a.example b main",
            "deb [trusted=yes] cdrom:[Debian #1]/ b main\ndeb http://a.example b main",
            "deb cdrom:[Debian / b main",
            "deb \"http://a.example/x\" b main",
            "deb \"http://a.example/x b main",
            "deb http://a.example/%7Ex/%zz b main",
            "deb http://a.example b\\c main",
        ];
        let stanzas = [
            "Types: deb\nURIs: http://x.example\nSuites: b\nComponents: main",
            "Types: deb\nURIs: http://x.example\nSuites: b",
            "Types: deb\nURIs: http://x.example\nSuites: b/",
            "Types: deb\nURIs: http://x.example\nSuites: ./\nComponents: main",
            "Types: foo\nURIs: http://x.example\nSuites: b\nComponents: m",
            "Types: deb foo\nURIs: http://x.example\nSuites: b\nComponents: m",
            "URIs: http://x.example\nSuites: b\nComponents: m",
            "Types: deb\nSuites: b\nComponents: m",
            "Types: deb\nURI: http://x.example\nSuites: b\nComponents: m",
            "Types: deb\nURIs: x.example\nSuites: b\nComponents: m",
            "Types: deb deb-src\nURIs:\n http://x.example\n http://y.example\nSuites: b c\nComponents: m",
            "# c\nTypes: deb\nURIs: http://x.example\n# c2\nSuites: b\n#Suites: c\nComponents: m",
            "Types: deb\nURIs: http://x.example\nSuites: $(ARCH)/",
            "Types: deb\nURIs: http://x.example\nURIs: http://y.example\nSuites: b\nComponents: m",
            "garbage",
            "Types: deb\nURIs: http://x.example\nSuites: b\nComponents: m\ngarbage",
        ];
        let switches = ["no", "No", "FALSE", "off", "0", "00", "disable", "without"]
            .into_iter()
            .chain(["disabled", "n", "never", "yes", "1", "", "no\nEnabled: yes"]);
        let stanza = |word| format!("{}\nEnabled: {word}", stanzas[0]);
        let with_switches: Vec<String> = switches.map(stanza).collect();
        let of_lines = lines.iter().map(|line| (FILE, *line));
        let sources = "/etc/apt/sources.list.d/x.sources";
        let of_stanzas = stanzas.iter().copied().chain(with_switches.iter().map(String::as_str));
        for (path, content) in of_lines.chain(of_stanzas.map(|stanza| (sources, stanza))) {
            let (dir, files) =
                super::super::super::testing::tree(&[(path, &format!("{content}\n"))]);
            let mut facts = Facts::default();
            read(&files, &mut facts);
            let ours: BTreeSet<String> =
                facts.repositories.iter().map(|one| one.url.to_string()).collect();
            let theirs = gotten(dir.path());
            let theirs = theirs.map(|urls| {
                urls.iter().map(|url| url::Url::parse(url).unwrap().to_string()).collect()
            });
            assert_eq!(facts.refused.is_empty().then_some(ours), theirs, "{content:?}");
        }
    }

    /// What apt would get with this tree's configuration; none: it refuses its lists.
    fn gotten(root: &std::path::Path) -> Option<BTreeSet<String>> {
        for folder in ["var/lib/apt/lists/partial", "var/lib/dpkg", "etc/apt/apt.conf.d"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
        let (at, arch) = (root.display(), architecture(std::env::consts::ARCH));
        let conf = format!(
            "Dir \"{at}\"; Dir::Etc \"{at}/etc/apt/\"; Dir::State \"{at}/var/lib/apt\"; \
             Dir::Cache \"{at}/var/cache/apt\"; Dir::State::status \"{at}/var/lib/dpkg/status\"; \
             APT::Architecture \"{arch}\"; APT::Architectures {{ \"{arch}\"; }};"
        );
        std::fs::write(root.join("apt.conf"), conf).unwrap();
        let output = std::process::Command::new("apt-get")
            .args(["update", "--print-uris"])
            .env("APT_CONFIG", root.join("apt.conf"))
            .env("LC_ALL", "C")
            .output()
            .expect("apt-get");
        if String::from_utf8_lossy(&output.stderr).contains("could not be read") {
            return None;
        }
        let listed = String::from_utf8(output.stdout).unwrap();
        let quoted = listed.lines().filter_map(|line| line.strip_prefix('\'')?.split('\'').next());
        let fetched = quoted.filter(|url| url.starts_with("http") && url.ends_with("InRelease"));
        Some(fetched.map(str::to_owned).collect())
    }

    #[test]
    fn a_login_in_a_uri_is_not_repeated() {
        let (repositories, notes) =
            found(&[(FILE, "deb https://u:hunter2@apt.corp.example/site /\n")]);
        let want = "apt.corp.example/site https://apt.corp.example/site/InRelease";
        assert_eq!(repositories, [format!("{want} /etc/apt/sources.list:1")]);
        assert_eq!(
            notes,
            ["/etc/apt/sources.list:1: its user and password are not used in the check"]
        );
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(FILE, LIST, |text| assert!(of_lines(text).len() <= 9));
        every_beginning("/x.sources", SOURCES, |text| assert!(of_stanzas(text).len() <= 10));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            list in hostile(FILE, LIST),
            sources in hostile("/x.sources", SOURCES),
        ) {
            let mut facts = Facts::default();
            let files = Files::below(std::path::Path::new("/nonexistent"));
            for (text, entries) in [(&list, of_lines(&list)), (&sources, of_stanzas(&sources))] {
                let met = BTreeSet::new();
                Apt { files: &files, conf: &Conf::default(), facts: &mut facts, met }
                    .tell(text, entries);
            }
            prop_assert!(facts.repositories.len() <= super::super::MOST);
        }
    }
}
