//! The repositories of apt, in both formats of its lists.
//!
//! A line `deb [options] URI suite components`, or a stanza of fields (deb822) that
//! means each of its URIs with each of its suites. A suite that ends in `/` is a folder
//! of its own, without `dists`.
//!
//! Reference: sources.list(5).

use super::super::include::list;
use super::super::lines::words;
use super::super::{Facts, Files, Text};
use super::apt_conf::{self, Conf};
use super::{LONGEST, MISSING, Source};

const FILE: &str = "/etc/apt/sources.list";
const FOLDER: &str = "/etc/apt/sources.list.d";
const MOST_FILES: usize = 256;
/// Repositories of one file, and lines that name none.
const MOST_LINES: usize = 1_024;
/// URIs and suites of one stanza.
const MOST_WORDS: usize = 64;

pub(super) fn read(files: &Files, facts: &mut Facts) {
    if !files.exists("/etc/apt") {
        return;
    }
    let conf = apt_conf::read(files, facts);
    let parts = list(files, FOLDER, "", facts, MISSING);
    let parts = parts.into_iter().filter(|path| is_read(path)).take(MOST_FILES);
    for path in [FILE.to_owned()].into_iter().chain(parts) {
        let stanzas = path.ends_with(".sources");
        match files.read(&path) {
            Ok(text) if stanzas => tell(&text, of_stanzas(&text), &conf, facts),
            Ok(text) => tell(&text, of_lines(&text), &conf, facts),
            Err(why) => facts.unread(&path, &why, MISSING),
        }
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
type Pair = (String, String, usize);

fn tell(text: &Text, found: Vec<Result<Pair, (usize, &str)>>, conf: &Conf, facts: &mut Facts) {
    for pair in found {
        match pair {
            Ok((uri, suite, line)) => one(text, &uri, &suite, line, conf, facts),
            Err((line, reason)) => facts.note(text.at(line), reason, MISSING),
        }
    }
}

fn one(text: &Text, uri: &str, suite: &str, line: usize, conf: &Conf, facts: &mut Facts) {
    let at = text.at(line);
    if suite.len() > LONGEST {
        return facts.note(at, "its suite is longer than an address can be", MISSING);
    }
    let suite = suite.replace("$(ARCH)", architecture(std::env::consts::ARCH));
    let flat = suite.ends_with('/');
    let file = match suite.as_str() {
        "/" => "InRelease".to_owned(),
        folder if flat => format!("{folder}InRelease"),
        suite => format!("dists/{suite}/InRelease"),
    };
    // A list of mirrors is fetched as it is.
    let list = uri.strip_prefix("mirror+").map(str::to_owned);
    let list = list.or_else(|| Some(format!("http:{}", uri.strip_prefix("mirror:")?)));
    let (address, file) = match &list {
        Some(list) => (list.as_str(), None),
        None => (uri, Some(file.as_str())),
    };
    let name = if flat { without_login(address) } else { suite.as_str() };
    Source { name, address, file, at }.tell(facts, |url| conf.route(url));
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

/// One repository a line; `#` begins a comment anywhere.
fn of_lines(text: &Text) -> Vec<Result<Pair, (usize, &'static str)>> {
    let lines = text.lines().filter_map(|(line, content)| {
        let content = content.split('#').next()?.trim_start();
        let rest = content.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let rest = match rest.strip_prefix('[').map(|options| options.split_once(']')) {
            None => rest,
            Some(Some((_, after))) => after,
            Some(None) => return Some(Err((line, "the bracket of its options is not closed"))),
        };
        let mut words = words(rest).into_iter();
        let pair = words.next().zip(words.next()).map(|(uri, suite)| (uri, suite, line));
        Some(pair.ok_or((line, "it has no URI, or no suite")))
    });
    lines.take(MOST_LINES).collect()
}

/// Stanzas of fields, parted by empty lines.
fn of_stanzas(text: &Text) -> Vec<Result<Pair, (usize, &'static str)>> {
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

/// The fields that matter here.
#[derive(Default)]
struct Stanza<'a> {
    begins: usize,
    field: String,
    types: Vec<(&'a str, usize)>,
    uris: Vec<(&'a str, usize)>,
    suites: Vec<(&'a str, usize)>,
    is_off: bool,
}

impl<'a> Stanza<'a> {
    fn add(&mut self, line: usize, content: &'a str) {
        if self.begins == 0 {
            self.begins = line;
        }
        let mut value = content;
        if !content.starts_with([' ', '\t']) {
            let (field, rest) = content.split_once(':').unwrap_or((content, ""));
            (self.field, value) = (field.trim().to_ascii_lowercase(), rest);
        }
        let list = match self.field.as_str() {
            "types" => &mut self.types,
            "uris" => &mut self.uris,
            "suites" => &mut self.suites,
            "enabled" => {
                let value = value.trim().to_ascii_lowercase();
                self.is_off |=
                    ["no", "false", "0", "off", "without", "disable"].contains(&value.as_str());
                return;
            }
            _ => return,
        };
        let room = MOST_WORDS.saturating_sub(list.len());
        list.extend(value.split_whitespace().take(room).map(|word| (word, line)));
    }

    /// Adds each URI with each suite.
    fn tell(self, pairs: &mut Vec<Result<Pair, (usize, &'static str)>>) {
        let wanted = self.types.iter().any(|(kind, _)| *kind == "deb");
        if self.is_off || !wanted || pairs.len() > super::MOST {
            return;
        }
        if self.uris.is_empty() || self.suites.is_empty() {
            pairs.push(Err((self.begins, "it has no URIs, or no Suites")));
        }
        for (uri, line) in &self.uris {
            let suites = self.suites.iter();
            pairs.extend(
                suites.map(|(suite, _)| Ok(((*uri).to_owned(), (*suite).to_owned(), *line))),
            );
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
    fn an_entry_that_is_none_is_noted() {
        let (repositories, notes) = found(&[
            (FILE, "deb http://a.example\ndeb [arch=amd64 http://a.example x main\n"),
            ("/etc/apt/sources.list.d/x.sources", "\nTypes: deb\nSuites: x\n"),
            ("/etc/apt/sources.list.d/x y.list", "deb http://skipped.example x y\n"),
            ("/etc/apt/sources.list.d/x.list.save", "deb http://skipped.example x y\n"),
        ]);
        let want = [
            "/etc/apt/sources.list:1: it has no URI, or no suite",
            "/etc/apt/sources.list:2: the bracket of its options is not closed",
            "/etc/apt/sources.list.d/x.sources:2: it has no URIs, or no Suites",
        ];
        assert_eq!(notes, want);
        assert!(repositories.is_empty(), "{repositories:?}");
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
        every_beginning(FILE, LIST, |text| assert!(of_lines(text).len() <= 8));
        every_beginning("/x.sources", SOURCES, |text| assert!(of_stanzas(text).len() <= 7));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            list in hostile(FILE, LIST),
            sources in hostile("/x.sources", SOURCES),
        ) {
            let mut facts = Facts::default();
            tell(&list, of_lines(&list), &Conf::default(), &mut facts);
            tell(&sources, of_stanzas(&sources), &Conf::default(), &mut facts);
            prop_assert!(facts.repositories.len() <= super::super::MOST);
        }
    }
}
