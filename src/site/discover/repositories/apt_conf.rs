//! apt's own configuration, as far as it names proxies.
//!
//! A tree of options: `Acquire::http::Proxy "http://proxy:3128";` or the same in braces.
//! The last setting of an option wins, in any case of letters; the main file comes after
//! the folder. For https, what is set for http counts when nothing else is.
//!
//! Reference: apt.conf(5), apt-transport-http(1), apt-transport-https(1).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use url::Url;

use super::super::constructs::Constructs;
use super::super::facts::Route;
use super::super::include::list;
use super::super::route::Address;
use super::super::{At, Facts, Files, Text};
use super::MISSING_PROXY;

const FOLDER: &str = "/etc/apt/apt.conf.d";
const FILE: &str = "/etc/apt/apt.conf";
const MOST_FILES: usize = 256;
/// Options that name proxies, of all files.
const MOST_OPTIONS: usize = 256;
/// Characters of an option's whole name; one with a host in it is about 270 long.
const LONGEST_NAME: usize = 512;
/// Braces within braces; apt's own files have three.
const DEEPEST: usize = 32;

/// What of apt's options names a peer or moves one, in small letters.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "apt",
    files: "apt.conf, apt.conf.d",
    missing: MISSING_PROXY,
    understood: &[
        "acquire::ftp::proxy",
        "acquire::ftp::proxy::*",
        "acquire::http::proxy",
        "acquire::http::proxy::*",
        "acquire::https::proxy",
        "acquire::https::proxy::*",
    ],
    noted: &[
        ("#include", "reads another file"),
        ("acquire::*::proxy-auto-detect", "has a command find apt's proxy"),
        ("acquire::*::proxyautodetect", "has a command find apt's proxy"),
        ("acquire::allowtls", "says whether HTTPS is spoken at all"),
        ("acquire::forceipv4", "connects by IPv4 only"),
        ("acquire::forceipv6", "connects by IPv6 only"),
        ("acquire::ftp::proxylogin*", "says how a proxy for FTP is spoken to"),
        ("acquire::http::allowredirect", "says whether other addresses are followed"),
        ("acquire::https::allowredirect", "says whether other addresses are followed"),
        ("acquire::https::cainfo*", "trusts other certificates"),
        ("acquire::https::capath*", "trusts other certificates"),
        ("acquire::https::crlfile*", "trusts fewer certificates"),
        ("acquire::https::issuercert*", "trusts fewer certificates"),
        ("acquire::https::sslcert*", "logs in with a certificate"),
        ("acquire::https::sslkey*", "logs in with a certificate"),
        ("acquire::https::verify-host*", "says whether a certificate's name has to fit"),
        ("acquire::https::verify-peer*", "says whether certificates are looked at"),
        ("binary::*::acquire::*", "is for one program of apt only"),
        ("dir", "has apt's files elsewhere"),
        ("dir::bin::methods*", "fetches with other programs"),
        ("dir::etc", "has apt's files elsewhere"),
        ("dir::etc::main", "has apt read another file"),
        ("dir::etc::parts", "has apt read another folder"),
        ("dir::etc::sourcelist", "has apt read another list"),
        ("dir::etc::sourceparts", "has apt read lists of another folder"),
        ("rootdir", "has apt's files elsewhere"),
    ],
    aside: &[
        // What is fetched of a repository, how often, and what is believed of it.
        "acquire",
        "acquire::*::by-hash",
        "acquire::*::dl-limit",
        "acquire::allow*",
        "acquire::by-hash*",
        "acquire::cdrom*",
        "acquire::changelogs*",
        "acquire::check-*",
        "acquire::compressiontypes*",
        "acquire::enablesrvrecords",
        "acquire::forcehash",
        "acquire::ftp",
        "acquire::ftp::*",
        "acquire::gpgv*",
        "acquire::gzipindexes",
        "acquire::http",
        "acquire::http::*",
        "acquire::https",
        "acquire::https::*",
        "acquire::indextargets*",
        "acquire::languages*",
        "acquire::localhost-max*",
        "acquire::max-*",
        "acquire::maxreleasefilesize",
        "acquire::min-*",
        "acquire::pdiffs*",
        "acquire::progress*",
        "acquire::queue*",
        "acquire::retries*",
        "acquire::rred*",
        "acquire::same*",
        "acquire::send-uri-encoded",
        "acquire::snapshots*",
        "acquire::source-symlinks",
        "acquire::store*",
        "acquire::uriencode",
        "acquire::worker*",
        // Folders of what was fetched.
        "dir::*",
        "binary*",
    ],
};

/// What apt is told about proxies; no `Debug`, as values hold passwords.
#[derive(Default)]
pub(super) struct Conf {
    /// By the whole name in small letters: `acquire::http::proxy::host`.
    options: BTreeMap<String, (String, At)>,
}

pub(super) fn read(files: &Files, facts: &mut Facts) -> Conf {
    let parts = list(files, FOLDER, "", facts, MISSING_PROXY);
    let parts = parts.into_iter().filter(|path| is_read(path)).take(MOST_FILES);
    let mut conf = Conf::default();
    for path in parts.chain([FILE.to_owned()]) {
        match files.read(&path) {
            Ok(text) => conf.parse(&text, facts),
            Err(why) => facts.unread(&path, &why, MISSING_PROXY),
        }
    }
    conf.note_doubts(facts);
    conf
}

/// apt passes over names with other characters, or another ending than `.conf`.
fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ending = name.rsplit_once('.').is_none_or(|(_, ending)| ending == "conf");
    name.chars().all(fits) && ending
}

impl Conf {
    /// How apt gets `url`; none when its configuration does not say.
    pub(super) fn route(&self, url: &Url) -> Option<Route> {
        let (value, at) = self.setting(url)?;
        if is_direct(value) {
            return Some(Route::Straight { token: value.clone(), at: at.clone() });
        }
        let setting = Address::parse(value)?.setting("apt", Some(url.scheme()), at.clone());
        Some(Route::Proxy(setting))
    }

    /// The host's own setting, then that for all; of each that for https before http's.
    fn setting(&self, url: &Url) -> Option<&(String, At)> {
        let schemes: &[&str] = match url.scheme() {
            "https" => &["https", "http"],
            "http" => &["http"],
            _ => &["ftp"],
        };
        let host = url.host_str().unwrap_or_default();
        let of = |suffix: &str| {
            let mut names =
                schemes.iter().map(|scheme| format!("acquire::{scheme}::proxy{suffix}"));
            names.find_map(|name| self.options.get(&name).filter(|(value, _)| !value.is_empty()))
        };
        of(&format!("::{host}")).or_else(|| of(""))
    }

    /// What apt takes otherwise than it was meant, once for each option.
    fn note_doubts(&self, facts: &mut Facts) {
        for (name, (value, at)) in &self.options {
            let is_proxy = name.contains("::proxy") && !name.contains("::proxy-");
            if value.is_empty() || !is_proxy || is_direct(value) {
                continue;
            }
            let reason = if Address::parse(value).is_none() {
                "this is not an address of a proxy (http://HOST:PORT)"
            } else if !value.contains("://") {
                "apt takes no proxy without http:// before it"
            } else {
                continue;
            };
            facts.note(at.clone(), reason, MISSING_PROXY);
        }
    }

    fn parse(&mut self, text: &Text, facts: &mut Facts) {
        let mut scopes: Vec<String> = Vec::new();
        let mut name: Option<String> = None;
        let _end = tokens(text, |token, line| {
            let scope = scopes.last().map_or("", String::as_str);
            match (token, name.take()) {
                (Token::Word(word), None) => name = Some(joined(scope, word)),
                (Token::Word(word), Some(before)) if is_clear(&before) => self.clear(word),
                (Token::Word(value) | Token::Quoted(value), Some(option)) => {
                    meet(&option, value, text.at(line), facts);
                    self.set(option, value, text.at(line));
                }
                (Token::Open, before) if scopes.len() < DEEPEST => {
                    scopes.push(before.unwrap_or_default());
                }
                // What would have to be closed can no longer be told.
                (Token::Open, _) => return ControlFlow::Break(()),
                (Token::Close, _) => drop(scopes.pop()),
                (Token::Quoted(_), None) | (Token::End, _) => {}
            }
            ControlFlow::Continue(())
        });
    }

    fn set(&mut self, option: String, value: &str, at: At) {
        let ours = ["acquire::http::", "acquire::https::", "acquire::ftp::"];
        let is_ours = ours.iter().any(|prefix| option.starts_with(prefix));
        if is_ours && option.contains("::proxy") && self.options.len() < MOST_OPTIONS {
            self.options.insert(option, (value.to_owned(), at));
        }
    }

    /// Forgets an option and what is below it.
    fn clear(&mut self, option: &str) {
        let option = option.to_ascii_lowercase();
        let below = format!("{option}::");
        self.options.retain(|name, _| *name != option && !name.starts_with(&below));
    }
}

/// Notes an option that moves a peer; apt itself passes over what it does not know, and other
/// programs keep their own options in its tree.
fn meet(option: &str, value: &str, at: At, facts: &mut Facts) {
    // What is so without them: switched off, they move something.
    let switches = [
        "acquire::allowtls",
        "acquire::http::allowredirect",
        "acquire::https::allowredirect",
        "acquire::https::verify-host",
        "acquire::https::verify-peer",
    ];
    let is_switch = switches.iter().any(|switch| {
        option.strip_prefix(switch).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    });
    let is_off = ["", "false", "no", "0", "off"].contains(&value);
    let is_usual = is_switch && ["true", "yes", "1", "on"].contains(&value);
    if is_apts(option) && !is_usual && (is_switch || !is_off) {
        CONSTRUCTS.meet(option, at, facts);
    }
}

/// Does the option belong to what apt fetches, and from where?
fn is_apts(option: &str) -> bool {
    let root = option.split("::").next().unwrap_or_default();
    ["acquire", "binary", "dir", "rootdir", "#include"].contains(&root)
}

/// apt goes straight for this word, and for what names no host.
fn is_direct(value: &str) -> bool {
    value == "DIRECT" || value == "false"
}

fn is_clear(name: &str) -> bool {
    name.rsplit("::").next() == Some("#clear")
}

/// The whole name of an option, in small letters; empty when it is none of ours.
fn joined(scope: &str, name: &str) -> String {
    if scope.len() + name.len() > LONGEST_NAME {
        return String::new();
    }
    let name = name.to_ascii_lowercase();
    if scope.is_empty() { name } else { format!("{scope}::{name}") }
}

enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Open,
    Close,
    End,
}

/// Hands on the tokens of a file with their lines; comments are passed over.
fn tokens<'a>(
    text: &'a Text,
    mut each: impl FnMut(Token<'a>, usize) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut in_comment = false;
    for (line, content) in text.lines() {
        let mut rest = content.trim_start();
        while let Some(first) = rest.chars().next() {
            if in_comment || rest.starts_with("/*") {
                let end = rest.split_once("*/");
                in_comment = end.is_none();
                rest = end.map_or("", |(_, after)| after).trim_start();
                continue;
            }
            if is_comment(rest) {
                break;
            }
            let (token, after) = token(first, rest);
            each(token, line)?;
            rest = after.trim_start();
        }
    }
    ControlFlow::Continue(())
}

/// To the end of the line; `#clear` and `#include` are commands.
fn is_comment(rest: &str) -> bool {
    let commands = ["#clear", "#include"];
    let is_command = commands.iter().any(|command| rest.starts_with(command));
    rest.starts_with("//") || (rest.starts_with('#') && !is_command)
}

fn token(first: char, rest: &str) -> (Token<'_>, &str) {
    let after = rest.get(first.len_utf8()..).unwrap_or_default();
    match first {
        '{' => (Token::Open, after),
        '}' => (Token::Close, after),
        ';' => (Token::End, after),
        // A value ends with its line at the latest.
        '"' => {
            let (value, after) = after.split_once('"').unwrap_or((after, ""));
            (Token::Quoted(value), after)
        }
        _ => {
            let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"');
            let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            (Token::Word(word), after)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{every_beginning, hostile, text, tree};
    use super::*;

    const SAMPLE: &str = "// The site's proxy\nAcquire::http::Proxy \"http://u:p@proxy:3128/\"; # main\n\
        /* Acquire::http::Proxy \"http://old:1\";\n still a comment */\n\
        Acquire {\n  HTTP {\n    Timeout \"10\";\n    Proxy::deb.corp.example \"DIRECT\";\n  };\n};\n\
        APT { NeverAutoRemove { \"^firmware-linux.*\"; \"a{b;c\"; }; };\n\
        Acquire::https {\n  Proxy\n    \"https://secure:8443\"; };\n";

    fn conf(content: &str) -> Conf {
        let mut conf = Conf::default();
        conf.parse(&text(FILE, content), &mut Facts::default());
        conf
    }

    fn told(conf: &Conf, url: &str) -> String {
        match conf.route(&Url::parse(url).unwrap()) {
            Some(Route::Proxy(proxy)) => format!("{} {:?} {}", proxy.url, proxy.user, proxy.at),
            Some(Route::Straight { token, at }) => format!("{token} {at}"),
            None => "unsaid".to_owned(),
        }
    }

    #[test]
    fn both_ways_of_writing_an_option_are_read() {
        let conf = conf(SAMPLE);
        let at = |line: u32| format!("{FILE}:{line}");
        let want = format!("http://proxy:3128/ Some(\"u\") {}", at(2));
        assert_eq!(told(&conf, "http://deb.debian.org/"), want);
        assert_eq!(told(&conf, "http://deb.corp.example/x"), format!("DIRECT {}", at(8)));
        assert_eq!(
            told(&conf, "https://a.example/"),
            format!("https://secure:8443/ None {}", at(14))
        );
        // The host's setting for http is found before the one for every https.
        assert_eq!(told(&conf, "https://deb.corp.example/"), format!("DIRECT {}", at(8)));
        assert_eq!(told(&conf, "ftp://a.example/"), "unsaid");
    }

    /// The proxies that `apt-config dump` has of this text.
    fn dumped(content: &str) -> BTreeMap<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The machine's own configuration is none of ours.
        std::fs::write(file.path(), format!("Dir \"/nonexistent\";\n{content}")).unwrap();
        let output = std::process::Command::new("apt-config")
            .arg("dump")
            .env("APT_CONFIG", file.path())
            .output()
            .expect("apt-config");
        let told = String::from_utf8(output.stdout).unwrap();
        let options = told.lines().filter_map(|line| {
            let (name, value) = line.strip_suffix("\";")?.split_once(" \"")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        });
        let ours = ["acquire::http::proxy", "acquire::https::proxy", "acquire::ftp::proxy"];
        let is_ours = |name: &str| ours.iter().any(|prefix| name.starts_with(prefix));
        options.filter(|(name, value)| is_ours(name) && !value.is_empty()).collect()
    }

    #[test]
    fn a_file_is_read_as_apt_config_reads_it() {
        for content in [
            SAMPLE,
            "Acquire::http::Proxy \"http://a:1\";Acquire::https::Proxy \"\";",
            "acquire::HTTP::proxy \"http://a:1\";\nAcquire::http::Proxy \"http://b:2\";\n",
            "Acquire::http::Proxy \"http://a:1\";\n#clear Acquire::http;\n",
            "Acquire { http { Proxy \"http://a:1\"; Proxy { b.example \"DIRECT\"; }; }; };\n",
            "Acquire::http { Proxy\n\"http://a:1\";\n};\n// Acquire::https::Proxy \"x\";\n",
            "Acquire::http::Proxy::deb2.example.com \"DIRECT\"; # c\nAcquire::http::Proxy \"http://a:1\";\n",
            "Acquire::http::Proxy \"socks5h://192.0.2.80:1080\";\n",
            "Acquire::http::Proxy-Auto-Detect \"/usr/bin/x\";\n",
            "/* a\n Acquire::http::Proxy \"http://a:1\"; */ Acquire::https::Proxy \"http://b:2\";\n",
        ] {
            let ours: BTreeMap<String, String> = conf(content)
                .options
                .into_iter()
                .map(|(name, (value, _))| (name, value))
                .filter(|(_, value)| !value.is_empty())
                .collect();
            assert_eq!(ours, dumped(content), "{content}");
        }
    }

    #[test]
    fn each_option_that_apt_has_was_decided() {
        // What it has of itself, and every option it knows, as its own page lists them.
        let output = std::process::Command::new("apt-config").arg("dump").output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<String> = told
            .lines()
            .filter_map(|line| {
                Some(line.split_once(" \"")?.0.trim_end_matches("::").to_ascii_lowercase())
            })
            .collect();
        let list = "/usr/share/doc/apt/examples/configure-index";
        if let Ok(list_of_all) = std::fs::read_to_string(list) {
            let before = names.len();
            let (mut scopes, mut name): (Vec<String>, Option<String>) = (Vec::new(), None);
            let _end = tokens(&text(list, &list_of_all), |token, _| {
                let scope = scopes.last().map_or("", String::as_str);
                match token {
                    Token::Word(word) if name.is_none() => {
                        name = Some(joined(scope, word.trim_end_matches("::")));
                        names.extend(name.clone());
                    }
                    Token::Open => scopes.push(name.take().unwrap_or_default()),
                    Token::Close => drop(scopes.pop()),
                    Token::End => name = None,
                    Token::Word(_) | Token::Quoted(_) => {}
                }
                ControlFlow::Continue(())
            });
            assert!(names.len() > before + 300, "{list}");
        }
        assert!(names.len() > 100, "{names:?}");
        let is_open =
            |name: &&String| is_apts(name) && CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<&String> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn options_that_move_apt_are_noted() {
        let conf = "#include \"/etc/apt/more\";\nAcquire::ForceIPv4 \"true\";\nAcquire::ForceIPv6 \"false\";\n\
            Dir::Etc::sourceparts \"/srv/lists\";\nAcquire::https::Verify-Peer::a.example \"false\";\n\
            Acquire::https { SslCert \"/etc/apt/c.pem\"; Timeout \"5\"; AllowRedirect \"true\"; };\n\
            Acquire::http::AllowRedirect \"false\";\nApticron::X \"1\";\nAcquire::Teleport \"1\";\n";
        let (_dir, files) = tree(&[(FILE, conf)]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        let notes: Vec<String> = facts
            .notes
            .iter()
            .map(|note| format!("{}: {}", note.at.line.unwrap_or(0), note.reason))
            .collect();
        let want = [
            "1: `#include` reads another file, which is not read",
            "2: `acquire::forceipv4` connects by IPv4 only, which is not read",
            "4: `dir::etc::sourceparts` has apt read lists of another folder, which is not read",
            "5: `acquire::https::verify-peer::a.example` says whether certificates are looked at, which is not read",
            "6: `acquire::https::sslcert` logs in with a certificate, which is not read",
            "7: `acquire::http::allowredirect` says whether other addresses are followed, which is not read",
            "9: `acquire::teleport` is nothing of apt that preflight knows; it may move a peer",
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn https_falls_back_to_the_setting_for_http() {
        let conf = conf("Acquire::http::Proxy \"http://a:1\";Acquire::https::Proxy \"\";");
        assert_eq!(told(&conf, "https://a.example/"), format!("http://a:1/ None {FILE}:1"));
    }

    #[test]
    fn the_last_setting_wins_and_clear_takes_back() {
        let twice = "acquire::HTTP::proxy \"http://a:1\";\nAcquire::http::Proxy \"http://b:2\";\n";
        assert_eq!(told(&conf(twice), "http://x/"), format!("http://b:2/ None {FILE}:2"));
        let cleared = format!("{twice}#clear Acquire::http;\n");
        assert_eq!(told(&conf(&cleared), "http://x/"), "unsaid");
    }

    #[test]
    fn the_main_file_comes_after_the_folder() {
        let (_dir, files) = tree(&[
            (FILE, "Acquire::http::Proxy \"http://main:1\";\n"),
            (
                "/etc/apt/apt.conf.d/99proxy",
                "Acquire::http::Proxy \"http://part:2\";\nAcquire::https::Proxy \"http://part:3\";\n",
            ),
            ("/etc/apt/apt.conf.d/99proxy.bak", "Acquire::https::Proxy \"http://bak:4\";\n"),
        ]);
        let conf = read(&files, &mut Facts::default());
        assert_eq!(told(&conf, "http://x/"), format!("http://main:1/ None {FILE}:1"));
        let at = "/etc/apt/apt.conf.d/99proxy:2";
        assert_eq!(told(&conf, "https://x/"), format!("http://part:3/ None {at}"));
    }

    #[test]
    fn what_apt_takes_otherwise_is_noted_without_the_value() {
        let (_dir, files) = tree(&[(
            FILE,
            "Acquire::http::Proxy \"proxy:3128\";\nAcquire::https::Proxy \"http://u:hunter#2@x\";\n\
             Acquire::http::Proxy-Auto-Detect \"/usr/bin/auto-apt-proxy\";\n",
        )]);
        let mut facts = Facts::default();
        let conf = read(&files, &mut facts);
        assert_eq!(told(&conf, "http://x/"), format!("http://proxy:3128/ None {FILE}:1"));
        let notes: Vec<_> = facts.notes.iter().map(|n| format!("{}: {}", n.at, n.reason)).collect();
        let want = [
            "/etc/apt/apt.conf:3: `acquire::http::proxy-auto-detect` has a command find apt's proxy, which is not read",
            "/etc/apt/apt.conf:1: apt takes no proxy without http:// before it",
            "/etc/apt/apt.conf:2: this is not an address of a proxy (http://HOST:PORT)",
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(FILE, SAMPLE, |text| {
            let mut conf = Conf::default();
            conf.parse(text, &mut Facts::default());
            assert!(conf.options.len() <= 3);
        });
    }

    #[test]
    fn endless_braces_end() {
        conf(&"{".repeat(1_000_000));
        conf(&"A { ".repeat(100_000));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(FILE, SAMPLE)) {
            let mut conf = Conf::default();
            conf.parse(&text, &mut Facts::default());
            conf.note_doubts(&mut Facts::default());
            drop(conf.route(&Url::parse("https://deb.corp.example/").unwrap()));
        }
    }
}
