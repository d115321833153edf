//! apt's own configuration, as far as it names proxies.
//!
//! A tree of options: `Acquire::http::Proxy "http://proxy:3128";` or the same in braces.
//! The last setting of an option wins, in any case of letters; the main file comes after
//! the folder, and `#include` has another read in its place. For https, what is set for http
//! counts when nothing else is. What apt cannot read ends it: it then does nothing at all.
//!
//! Reference: apt.conf(5), apt-transport-http(1), apt-transport-https(1).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use url::Url;

use super::super::constructs::Constructs;
use super::super::facts::{RefusedLine, Route};
use super::super::include::list;
use super::super::route::Address;
use super::super::{At, Facts, Files, Text, Unread};
use super::MISSING_PROXY;

const FOLDER: &str = "/etc/apt/apt.conf.d";
const FILE: &str = "/etc/apt/apt.conf";
const MOST_FILES: usize = 256;
/// Files that include one another; apt itself refuses more.
const MOST_INCLUDES: usize = 10;
/// Options that name proxies, of all files.
const MOST_OPTIONS: usize = 256;
/// Characters of an option's whole name; one with a host in it is about 270 long.
const LONGEST_NAME: usize = 512;
/// Braces within braces; apt's own files have three.
const DEEPEST: usize = 32;

/// What a statement lacks that goes on where it should end.
const NO_END: &str =
    "a `;` is missing before here; an address needs quotes, as `//` begins a comment";

/// What of apt's options names a peer or moves one, in small letters.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "apt",
    files: "apt.conf, apt.conf.d",
    missing: MISSING_PROXY,
    understood: &[
        "#clear",
        "#include",
        "acquire::ftp::proxy",
        "acquire::ftp::proxy::*",
        "acquire::http::proxy",
        "acquire::http::proxy::*",
        "acquire::https::proxy",
        "acquire::https::proxy::*",
    ],
    noted: &[
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
        // apt itself passes over it.
        "acquire::socks::*",
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
    /// How many files were read.
    count: usize,
}

pub(super) fn read(files: &Files, facts: &mut Facts) -> Conf {
    let parts = list(files, FOLDER, "", facts, MISSING_PROXY);
    let mut conf = Conf::default();
    for path in parts.into_iter().filter(|path| is_read(path)).chain([FILE.to_owned()]) {
        match files.read(&path) {
            // apt reads nothing behind what it cannot read.
            Ok(text) if conf.parse(&text, files, 0, facts).is_break() => break,
            Ok(_) => {}
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

    /// Reads a file, the `deep`th of those that include one another; ends where apt does.
    fn parse(
        &mut self,
        text: &Text,
        files: &Files,
        deep: usize,
        facts: &mut Facts,
    ) -> ControlFlow<()> {
        self.count += 1;
        let mut scopes: Vec<String> = Vec::new();
        let mut statement = Statement::Empty;
        let mut last = 0;
        let ended = tokens(text, |token, line| {
            last = line;
            let scope = scopes.last().map_or("", String::as_str);
            let refuse = |reason: &str, facts: &mut Facts| {
                facts.refused.push(refused(text.at(line), reason));
                ControlFlow::Break(())
            };
            statement = match (token, std::mem::take(&mut statement)) {
                (Token::Unclosed, _) => return refuse("its quote is not closed", facts),
                (Token::Word(word) | Token::Quoted(word), Statement::Empty) => {
                    Statement::Named(joined(scope, word))
                }
                (token @ (Token::Word(value) | Token::Quoted(value)), Statement::Named(option)) => {
                    let quoted = matches!(token, Token::Quoted(_));
                    Statement::Valued { option, value: value.to_owned(), line, quoted }
                }
                // Of two values in quotes apt makes one.
                (
                    Token::Quoted(more),
                    Statement::Valued { option, mut value, line, quoted: true },
                ) => {
                    value.push(' ');
                    value.push_str(more);
                    Statement::Valued { option, value, line, quoted: true }
                }
                (Token::Word(_) | Token::Quoted(_), Statement::Valued { .. }) => {
                    return refuse(NO_END, facts);
                }
                (Token::Open, before) if scopes.len() < DEEPEST => {
                    scopes.push(match before {
                        Statement::Named(name) => name,
                        Statement::Empty | Statement::Valued { .. } => String::new(),
                    });
                    Statement::Empty
                }
                // What would have to be closed can no longer be told.
                (Token::Open, _) => return ControlFlow::Break(()),
                (token @ (Token::Close | Token::End), before) => {
                    match before {
                        Statement::Valued { option, value, line, .. } => {
                            let at = text.at(line);
                            let is_inside = !scopes.is_empty();
                            self.take((option, &value, is_inside), at, files, deep, facts)?;
                        }
                        Statement::Named(option) if option == "#clear" => {
                            return refuse("this names nothing to forget", facts);
                        }
                        Statement::Named(_) | Statement::Empty => {}
                    }
                    if matches!(token, Token::Close) {
                        scopes.pop();
                    }
                    Statement::Empty
                }
            };
            ControlFlow::Continue(())
        });
        ended?;
        if !matches!(statement, Statement::Empty) {
            let reason =
                "a `;` is missing at the end; an address needs quotes, as `//` begins a comment";
            facts.refused.push(refused(text.at(last), reason));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Does what a statement says, which may stand inside braces.
    fn take(
        &mut self,
        (option, value, is_inside): (String, &str, bool),
        at: At,
        files: &Files,
        deep: usize,
        facts: &mut Facts,
    ) -> ControlFlow<()> {
        let wrong = match directive(&option) {
            Some(_) if is_inside => "this may stand outside all braces only",
            Some("clear") => {
                // Forgets an option and what is below it.
                let option = value.to_ascii_lowercase();
                let below = format!("{option}::");
                self.options.retain(|name, _| *name != option && !name.starts_with(&below));
                return ControlFlow::Continue(());
            }
            Some("include") => return self.include(value, files, deep, at, facts),
            Some(_) => "apt has no such directive",
            None => {
                meet(&option, value, at.clone(), facts);
                let ours = ["acquire::http::", "acquire::https::", "acquire::ftp::"];
                let is_ours = ours.iter().any(|prefix| option.starts_with(prefix));
                if is_ours && option.contains("::proxy") && self.options.len() < MOST_OPTIONS {
                    self.options.insert(option, (value.to_owned(), at));
                }
                return ControlFlow::Continue(());
            }
        };
        facts.refused.push(refused(at, wrong));
        ControlFlow::Break(())
    }

    /// Reads what `#include` names: a file, or with a `/` at its end a folder.
    fn include(
        &mut self,
        path: &str,
        files: &Files,
        deep: usize,
        at: At,
        facts: &mut Facts,
    ) -> ControlFlow<()> {
        if !path.starts_with('/') {
            let reason = "apt looks for this file where it is started";
            facts.note(at, reason, MISSING_PROXY);
            return ControlFlow::Continue(());
        }
        if deep >= MOST_INCLUDES {
            facts.refused.push(refused(at, "apt follows ten files that include one another"));
            return ControlFlow::Break(());
        }
        let (paths, is_folder) = match path.strip_suffix('/') {
            Some(folder) => match files.list(folder, "") {
                Ok(paths) => (paths.into_iter().filter(|path| is_read(path)).collect(), true),
                Err(why) => return unread(path, &why, at, facts),
            },
            None => (vec![path.to_owned()], false),
        };
        for path in paths {
            if self.count >= MOST_FILES {
                facts.note(at, "from here on no more files are read", MISSING_PROXY);
                return ControlFlow::Break(());
            }
            match files.read(&path) {
                Ok(text) => self.parse(&text, files, deep + 1, facts)?,
                Err(Unread::NotAFile) if is_folder => {}
                Err(why) => unread(&path, &why, at.clone(), facts)?,
            }
        }
        ControlFlow::Continue(())
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

/// What a name commands apt to do: `clear` of `#clear`.
fn directive(name: &str) -> Option<&str> {
    name.rsplit("::").next()?.strip_prefix('#')
}

fn refused(at: At, reason: &str) -> RefusedLine {
    RefusedLine { program: "apt", reason: reason.to_owned(), at }
}

/// What is included and cannot be read ends apt, unless only this user may not read it.
fn unread(path: &str, why: &Unread, at: At, facts: &mut Facts) -> ControlFlow<()> {
    let reason = match why {
        Unread::Missing => format!("{path} is not there"),
        Unread::NotAFile => format!("{path} is a folder, and has no `/` at its end"),
        other => {
            facts.unread(path, other, MISSING_PROXY);
            return ControlFlow::Continue(());
        }
    };
    facts.refused.push(refused(at, &reason));
    ControlFlow::Break(())
}

/// The whole name of an option, in small letters; empty when it is none of ours.
fn joined(scope: &str, name: &str) -> String {
    if scope.len() + name.len() > LONGEST_NAME {
        return String::new();
    }
    let name = name.to_ascii_lowercase();
    if scope.is_empty() { name } else { format!("{scope}::{name}") }
}

/// What was read of a statement.
#[derive(Default)]
enum Statement {
    #[default]
    Empty,
    /// Its option, or a directive.
    Named(String),
    /// That and a value, which counts once the statement ends.
    Valued { option: String, value: String, line: usize, quoted: bool },
}

enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    /// A quote that its line does not close.
    Unclosed,
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
        '"' => match after.split_once('"') {
            Some((value, after)) => (Token::Quoted(value), after),
            None => (Token::Unclosed, ""),
        },
        _ => {
            let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"' | '#');
            let end = rest.find(ends).unwrap_or(rest.len());
            // Outside quotes a comment begins anywhere; a directive only stands by itself.
            let begins = if first == '#' { after.find(ends).map(|end| end + 1) } else { Some(end) };
            let end = begins.unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or(rest);
            let comment = ["//", "/*"].iter().filter_map(|begin| word.find(begin)).min();
            let (word, after) = rest.split_at(comment.unwrap_or(end));
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
        let (_dir, files) = tree(&[]);
        let _ended = conf.parse(&text(FILE, content), &files, 0, &mut Facts::default());
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

    /// The proxies that `apt-config dump` has of this text; none: it refuses it.
    fn dumped(content: &str) -> Option<BTreeMap<String, String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The machine's own configuration is none of ours.
        std::fs::write(file.path(), format!("Dir \"/nonexistent\";\n{content}")).unwrap();
        // Of some files apt-config reads without end.
        let output = std::process::Command::new("timeout")
            .args(["20", "apt-config", "dump"])
            .env("APT_CONFIG", file.path())
            .output()
            .expect("apt-config");
        if !output.status.success() {
            return None;
        }
        let told = String::from_utf8(output.stdout).unwrap();
        let options = told.lines().filter_map(|line| {
            let (name, value) = line.strip_suffix("\";")?.split_once(" \"")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        });
        let ours = ["acquire::http::proxy", "acquire::https::proxy", "acquire::ftp::proxy"];
        let is_ours = |name: &str| ours.iter().any(|prefix| name.starts_with(prefix));
        Some(options.filter(|(name, value)| is_ours(name) && !value.is_empty()).collect())
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
            assert_eq!(Some(ours), dumped(content), "{content}");
        }
    }

    /// The judge is apt-config, told of a tree of files by their places in it.
    #[test]
    fn what_is_included_and_refused_is_what_apt_config_includes_and_refuses() {
        let files = [
            ("/inc/a.conf", "Acquire::http::Proxy \"http://a:1\";\n"),
            (
                "/inc/below.conf",
                "#include \"ROOT/inc/a.conf\";\nAcquire::https::Proxy \"http://b:2\";\n",
            ),
            ("/inc/loop.conf", "#include ROOT/inc/loop.conf;\n"),
            ("/inc/bad.conf", "Acquire::http::Proxy http://bad:1;\n"),
            ("/parts/10one", "Acquire::http::Proxy \"http://one:1\";\n"),
            ("/parts/20two.conf", "Acquire::http::Proxy \"http://two:1\";\n"),
            ("/parts/30three.bak", "Acquire::http::Proxy \"http://three:1\";\n"),
        ];
        for (content, is_taken) in [
            ("#include \"ROOT/inc/a.conf\";\n", true),
            ("#include ROOT/inc/a.conf;\n", true),
            ("  #include ROOT/inc/below.conf; Acquire::http::Proxy \"http://c:1\";\n", true),
            ("Acquire::http::Proxy \"http://c:1\";\n#include ROOT/inc/a.conf;\n", true),
            ("#include ROOT/parts/;\n", true),
            ("# include ROOT/inc/a.conf;\n", true),
            ("#INCLUDE ROOT/inc/a.conf;\n", true),
            ("#include ROOT/inc/a.conf\n", false),
            ("#include ROOT/inc/a.conf\nAcquire::https::Proxy \"http://c:1\";\n", false),
            ("#include ROOT/none.conf;\n", false),
            ("#include ROOT/none/;\n", false),
            ("#include ROOT/inc/loop.conf;\n", false),
            ("#include ROOT/inc/bad.conf;\n", false),
            ("Acquire { #include ROOT/inc/a.conf; };\n", false),
            ("Acquire { #clear APT; };\n", false),
            ("#clear;\n", false),
            ("#clearly APT;\n", false),
            ("Acquire::http::Proxy http://c:1;\n", false),
            ("Acquire::http::Proxy 'http://c:1';\n", false),
            ("Acquire::http::Proxy \"http://c:1;\n", false),
            ("Acquire::http::Proxy \"http://c:1\"\n", false),
            ("Acquire::http::Proxy = \"http://c:1\";\n", false),
            ("Acquire::http { Proxy \"http://c:1\" }\n", true),
            ("\"Acquire::http::Proxy\" \"http://c:1\";\n", true),
            ("\"Acquire::http::Proxy\" direct;\n", true),
            ("APT::X direct \"again\";\n", false),
            ("APT::X \"a\" \"b\"; APT::Y { \"a\" \"b\"; };\n", true),
            ("Acquire::http { Proxy \"http://c:1\";\n", true),
            ("Acquire::http::Proxy \"http://c:1\"; # why\n", true),
            ("APT::X { \"a\"; \"b {;\"; };\nAcquire::http::Proxy \"http://c:1\";# why\n", true),
            ("Acquire::http::Proxy// why\n \"http://c:1\";/* more */\n", true),
        ] {
            let (dir, below) = tree(&[]);
            // apt has no root of its own for these paths, so we have none either.
            let root = dir.path().to_str().unwrap();
            let placed = |content: &str| content.replace("ROOT", root);
            for (path, content) in files {
                let path = dir.path().join(path.trim_start_matches('/'));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, placed(content)).unwrap();
            }
            drop(below);
            let content = placed(content);
            let (mut conf, mut facts) = (Conf::default(), Facts::default());
            let ended = conf.parse(&text(FILE, &content), &Files::here(), 0, &mut facts);
            assert_eq!(ended.is_continue(), is_taken, "{content} {:?}", facts.refused);
            assert_eq!(facts.refused.is_empty(), is_taken, "{content} {:?}", facts.refused);
            let theirs = dumped(&content);
            assert_eq!(theirs.is_some(), is_taken, "{content}");
            let ours: BTreeMap<String, String> =
                conf.options.into_iter().map(|(name, (value, _))| (name, value)).collect();
            if let Some(theirs) = theirs {
                assert_eq!(ours, theirs, "{content}");
            }
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
                    Token::Word(_) | Token::Quoted(_) | Token::Unclosed => {}
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
        let conf = "#include \"more\";\nAcquire::ForceIPv4 \"true\";\nAcquire::ForceIPv6 \"false\";\n\
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
            "1: apt looks for this file where it is started",
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
        let (_dir, files) = tree(&[]);
        every_beginning(FILE, SAMPLE, |text| {
            let mut conf = Conf::default();
            let _ended = conf.parse(text, &files, 0, &mut Facts::default());
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
            let (_dir, files) = tree(&[]);
            let _ended = conf.parse(&text, &files, 0, &mut Facts::default());
            conf.note_doubts(&mut Facts::default());
            drop(conf.route(&Url::parse("https://deb.corp.example/").unwrap()));
        }
    }
}
