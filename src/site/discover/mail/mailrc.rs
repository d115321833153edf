//! mail(1), which Centreon's own notification commands call: a relay of its own in `mail.rc`.
//!
//! `set smtp=HOST` or `set mta=URL` has mailx and s-nail speak SMTP themselves, past every
//! mail program; BSD's mailx knows neither.
//!
//! Reference: s-nail(1), `mta`; mailx(1), `smtp`.

use std::collections::{BTreeMap, VecDeque};

use url::Url;

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Read, Share};
use super::super::lines::{host, words};
use super::super::{At, Facts, Files, Text};
use super::MISSING;
use crate::site::Place;

const FILES: [&str; 3] = ["/etc/mail.rc", "/etc/s-nail.rc", "/etc/nail.rc"];
const COMMANDS: [&str; 2] = ["/usr/bin/mail", "/usr/bin/mailx"];

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "mailx, s-nail",
    files: "mail.rc, s-nail.rc",
    missing: MISSING,
    understood: &["mta", "set", "smtp", "smtp-auth*", "smtp-use-starttls*", "unset"],
    noted: &[
        ("account", "may hold a relay of its own"),
        ("call*", "runs commands that are defined elsewhere"),
        ("eval", "runs commands that it computes"),
        ("if", "makes settings under a condition"),
        ("mailx-extra-rc", "reads another file"),
        ("mta-arguments", "hands mail to a program with other arguments"),
        ("sendmail", "hands mail to another program"),
        ("sendmail-arguments", "hands mail to a program with other arguments"),
        ("socks-proxy*", "goes through a SOCKS proxy"),
        ("source*", "reads another file"),
        ("vput", "computes a setting"),
        ("xcall", "runs commands that are defined elsewhere"),
    ],
    aside: &[
        // Commands of a reader of mail.
        "!",
        "#",
        "-",
        "=",
        "?",
        "Copy",
        "Decrypt",
        "File",
        "Folder",
        "Followup",
        "Forward",
        "Lfollowup",
        "Lreply",
        "Mail",
        "More",
        "Move",
        "Mv",
        "New",
        "Page",
        "Pipe",
        "Print",
        "Reply",
        "Resend",
        "Respond",
        "Save",
        "Seen",
        "Show",
        "Top",
        "Type",
        "Z",
        "addrcodec",
        "alias",
        "alternates",
        "answered",
        "bind",
        "cache",
        "cd",
        "certsave",
        "charsetalias",
        "chdir",
        "collapse",
        "colour",
        "commandalias",
        "connect",
        "copy",
        "csop",
        "cwd",
        "decrypt",
        "define",
        "delete",
        "digmsg",
        "discard",
        "disconnect",
        "dotmove",
        "dp",
        "draft",
        "dt",
        "echo",
        "echoerr",
        "echoerrn",
        "echon",
        "edit",
        "environ",
        "errors",
        "exit",
        "file",
        "filetype",
        "flag",
        "folder",
        "folders",
        "followup",
        "followupall",
        "followupsender",
        "forward",
        "from",
        "fwddiscard",
        "fwdignore",
        "fwdretain",
        "ghost",
        "group",
        "headerpick",
        "headers",
        "help",
        "history",
        "hold",
        "ignore",
        "imap",
        "imapcodec",
        "list",
        "localopts",
        "mail",
        "mailcap",
        "mbox",
        "mimetype",
        "mimeview",
        "mlist",
        "mlsubscribe",
        "more",
        "move",
        "mtaaliases",
        "mv",
        "netrc",
        "new",
        "newmail",
        "next",
        "noop",
        "page",
        "pipe",
        "preserve",
        "print",
        "quit",
        "read",
        "readall",
        "readctl",
        "readsh",
        "remove",
        "rename",
        "reply",
        "replyall",
        "replysender",
        "resend",
        "respond",
        "respondall",
        "respondsender",
        "retain",
        "return",
        "save",
        "savediscard",
        "saveignore",
        "saveretain",
        "search",
        "seen",
        "shcodec",
        "shell",
        "shift",
        "shortcut",
        "show",
        "size",
        "sleep",
        "sort",
        "spam*",
        "thread",
        "tls",
        "top",
        "touch",
        "type",
        "Un*",
        "un*",
        "urlcodec",
        "varshow",
        "verify",
        "version",
        "vexpr",
        "visual",
        "vpospar",
        "write",
        "xit",
        "z",
        "|",
        "elif",
        "else",
        "endif",
        // Variables that move no mail.
        "COLUMNS",
        "DEAD",
        "EDITOR",
        "HOME",
        "LANG",
        "LC_*",
        "LINES",
        "LISTER",
        "LOGNAME",
        "MAIL*",
        "MBOX",
        "NAIL_*",
        "NETRC",
        "PAGER",
        "POSIXLY_CORRECT",
        "SHELL",
        "SOURCE_DATE_EPOCH",
        "Sign",
        "TERM",
        "TMPDIR",
        "USER",
        "VISUAL",
        "^*",
        "add-file-recipients",
        "allnet",
        "append",
        "ask*",
        "attrlist",
        "auto*",
        "bang",
        "bind-*",
        "bsd*",
        "bsdcompat",
        "build-*",
        "charset*",
        "cmd",
        "colour-*",
        "contact-*",
        "content-description-*",
        "crt",
        "customhdr",
        "date*",
        "debug",
        "disconnected*",
        "disposition-notification-send",
        "dot*",
        "edit*",
        "emptystart",
        "encoding",
        "err*",
        "escape",
        "expand*",
        "features",
        "flipr",
        "folder*",
        "followup-to*",
        "forward-*",
        "fullnames",
        "fwdheading",
        "hdr",
        "header*",
        "headline*",
        "history-*",
        "hostname",
        "idna-disable",
        "ifs*",
        "ignore*",
        "imap-*",
        "inbox",
        "indentprefix",
        "keep*",
        "line-editor-*",
        "log-prefix",
        "mail*",
        "mailbox-*",
        "mailcap-disable",
        "markanswered",
        "mbox-*",
        "memdebug",
        "message-*",
        "metoo",
        "mime*",
        "mta-aliases",
        "mta-argv0",
        "mta-bcc-ok",
        "mta-no-*",
        "netrc-*",
        "newfolders",
        "nss-config-dir",
        "on-*",
        "outfolder",
        "page*",
        "password*",
        "pipe*",
        "pop3-*",
        "posix",
        "print-alternatives",
        "prompt*",
        "quiet",
        "quote*",
        "r-option-implicit",
        "recipients-in-cc",
        "record*",
        "reply*",
        "rfc822-*",
        "screen",
        "searchheaders",
        "sendcharsets*",
        "sender",
        "sendmail-no-default-arguments",
        "sendmail-progname",
        "sendwait",
        "show*",
        "sign",
        "signature",
        "skipemptybody",
        "smime-*",
        "smtp-hostname",
        "smtp-timeout",
        "socket-connect-timeout",
        "ssl-*",
        "stealthmua",
        "system-mailrc",
        "termcap*",
        "tls-*",
        "tmpdir",
        "toplines",
        "topsqueeze",
        "ttycharset",
        "typescript-mode",
        "umask",
        "user*",
        "v15-compat",
        "verbose",
        "verify*",
        "version-*",
        "writebackedited",
        "xpolicy*",
    ],
};

/// The relay that mail(1) uses itself, if it does.
pub(super) fn read(files: &Files, facts: &mut Facts) {
    let is_bsd = COMMANDS.iter().any(|command| files.follow(command).ends_with("bsd-mailx"));
    for path in FILES {
        match files.read(path) {
            Ok(text) if !is_bsd => {
                let mail = mail(&text, facts);
                facts.mail.extend(mail);
            }
            Ok(_) => {}
            Err(why) => facts.unread(path, &why, MISSING),
        }
    }
}

/// What `set` has said so far.
#[derive(Default)]
struct MailrcSettings {
    relay: Option<Read<String>>,
    start_tls: bool,
    /// Servers that STARTTLS was set for alone, perhaps with a user before them.
    start_tls_of: Vec<String>,
    login: bool,
}

impl MailrcSettings {
    /// `set NAME=VALUE …`
    fn set(&mut self, settings: &[String], at: &At, facts: &mut Facts) {
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            let read = |value: &str| Read { value: value.to_owned(), at: at.clone() };
            let (key, is_set) = match key.strip_prefix("no").filter(|key| is_known(key)) {
                Some(key) => (key, false),
                None => (key, true),
            };
            match key {
                _ if !is_set => self.unset(key),
                "smtp" => self.relay = Some(read(value)),
                // Without a scheme it is a program.
                "mta" => self.relay = Some(value).filter(|value| value.contains("://")).map(read),
                "smtp-use-starttls" => self.start_tls = true,
                _ if key.starts_with("smtp-use-starttls-") => {
                    let server = key.strip_prefix("smtp-use-starttls-").unwrap_or_default();
                    self.start_tls_of.push(server.to_owned());
                }
                _ if key.starts_with("smtp-auth") => self.login |= value != "none",
                other => CONSTRUCTS.meet(other, at.clone(), facts),
            }
        }
    }
}

impl MailrcSettings {
    /// `unset NAME`, `set noNAME`
    fn unset(&mut self, key: &str) {
        match key {
            "smtp" | "mta" => self.relay = None,
            "smtp-use-starttls" => self.start_tls = false,
            _ if key.starts_with("smtp-auth") => self.login = false,
            _ => self.start_tls_of.retain(|server| !key.ends_with(&format!("-{server}"))),
        }
    }

    /// Is STARTTLS set for this server, which may have been written with a user and a port?
    fn starts_tls(&self, value: &str) -> bool {
        let server = value.split_once("://").map_or(value, |(_, server)| server);
        let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
        let server = server.trim_end_matches('/');
        let is_it =
            |own: &String| own.rsplit_once('@').map_or(own.as_str(), |(_, own)| own) == server;
        self.start_tls || self.start_tls_of.iter().any(is_it)
    }
}

/// Can a variable of this name move mail?
fn is_known(key: &str) -> bool {
    matches!(key, "smtp" | "mta") || key.starts_with("smtp-")
}

/// Words that may stand before a command and change how it is read, not what it does.
const MODIFIERS: [&str; 6] = ["\\", "global", "ignerr", "local", "u", "wysh"];

/// Lines of a file, or of an account in it.
type Lines = Vec<(usize, Vec<String>)>;

/// The lines that are followed, and those of each account, which count once it is chosen.
fn lines(text: &Text) -> (Lines, BTreeMap<String, Lines>) {
    let (mut lines, mut accounts) = (Lines::new(), BTreeMap::<String, Lines>::new());
    let mut open = None::<Option<String>>;
    for (line, content) in text.lines() {
        let words = words(content);
        let opens = words.last().is_some_and(|word| word == "{");
        match (words.first().map(String::as_str), &open) {
            (Some("}"), Some(_)) => open = None,
            (Some(_), Some(Some(account))) => {
                accounts.entry(account.clone()).or_default().push((line, words));
            }
            (_, Some(None)) | (None, _) => {}
            (Some("account"), None) if opens => {
                open = Some(words.get(1).cloned());
                lines.push((line, words));
            }
            // A macro is only run by who calls it.
            (Some("define"), None) if opens => open = Some(None),
            (Some(_), None) => lines.push((line, words)),
        }
    }
    (lines, accounts)
}

fn mail(text: &Text, facts: &mut Facts) -> Option<Mail> {
    let (lines, mut accounts) = lines(text);
    let mut settings = MailrcSettings::default();
    let mut left: VecDeque<_> = lines.into();
    while let Some((line, words)) = left.pop_front() {
        let before = words.iter().take_while(|word| MODIFIERS.contains(&word.as_str())).count();
        let words = words.get(before..).unwrap_or_default();
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["set" | "se", ..] => {
                settings.set(words.get(1..).unwrap_or_default(), &text.at(line), facts);
            }
            ["unset" | "uns", names @ ..] => {
                for name in names {
                    settings.unset(name);
                }
            }
            // Chosen here: what stands in it is said now, and once.
            ["account", name] if accounts.contains_key(*name) => {
                for line in accounts.remove(*name).unwrap_or_default().into_iter().rev() {
                    left.push_front(line);
                }
            }
            [other, ..] => CONSTRUCTS.meet(other, text.at(line), facts),
            [] => {}
        }
    }
    let Read { value, at } = settings.relay.clone()?;
    let (start_tls, login) = (settings.starts_tls(&value), settings.login);
    match place(&value) {
        Ok((place, scheme, has_user)) => {
            let tls = match scheme {
                "smtps" | "submissions" => MailTls::FromStart,
                _ if start_tls => MailTls::StartTls,
                _ => MailTls::No,
            };
            let to = MailTo::Relay { place, by_mx: false };
            let share = Share::Some("that mail(1) sends".to_owned());
            Some(Mail { share, tls, login: login || has_user, ..Mail::of("mailx", to, at) })
        }
        Err(reason) => {
            facts.note(at, reason, MISSING);
            None
        }
    }
}

/// Where it stands, by which scheme, and whether a user stands before it.
fn place(value: &str) -> Result<(Place, &'static str, bool), String> {
    let Some((scheme, _)) = value.split_once("://") else {
        return Ok((host(value, None)?, "smtp", false));
    };
    // Not repeated: it may hold a password.
    let url = Url::parse(value).map_err(|error| format!("its URL cannot be read: {error}"))?;
    let (scheme, port) = match scheme {
        "smtp" => ("smtp", None),
        "smtps" => ("smtps", Some(465)),
        "submission" => ("submission", Some(587)),
        "submissions" => ("submissions", Some(465)),
        _ => return Err("its URL is of a kind that is not SMTP".to_owned()),
    };
    let name = url.host_str().ok_or("its URL names no host")?;
    let place = host(name.trim_matches(['[', ']']), url.port().or(port))?;
    Ok((place, scheme, !url.username().is_empty()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::program;
    use super::super::tests::{found, told};
    use super::*;

    #[test]
    fn mail_has_a_relay_of_its_own() {
        for (settings, want) in [
            (
                "set smtp=smtp://relay.example:587\nset smtp-use-starttls",
                "relay.example:587 that mail(1) sends, STARTTLS",
            ),
            (
                "set smtp=relay.example from=x@y smtp-auth=login",
                "relay.example that mail(1) sends, no TLS login",
            ),
            (
                "set mta=smtps://user:hunter2@relay.example",
                "relay.example:465 that mail(1) sends, TLS from start login",
            ),
            (
                "set v15-compat mta=submission://relay.example smtp-use-starttls",
                "relay.example:587 that mail(1) sends, STARTTLS",
            ),
        ] {
            let (ways, notes) = found(&[("/etc/mail.rc", settings)]);
            let line = 1;
            assert_eq!(ways, format!("mailx {want}, /etc/mail.rc:{line}"), "{settings}");
            assert!(notes.is_empty(), "{notes:?}");
        }
    }

    #[test]
    fn a_program_is_no_relay_and_what_is_not_read_is_noted() {
        let settings =
            "set mta=/usr/sbin/sendmail\naccount x {\n}\nset askcc append\nset sendmail=/opt/x\n";
        let notes = [
            "/etc/mail.rc:2: `account` may hold a relay of its own, which is not read",
            "/etc/mail.rc:5: `sendmail` hands mail to another program, which is not read",
        ];
        let want = ("none".to_owned(), notes.map(str::to_owned).to_vec());
        assert_eq!(found(&[("/etc/mail.rc", settings)]), want);
    }

    #[test]
    fn what_stands_in_an_account_counts_once_it_is_chosen() {
        let settings = "set mta=smtp://relay.example\naccount x {\n set mta=smtp://other.example\n}\n\
            define y {\n set mta=smtp://third.example\n}\n";
        let note = "/etc/mail.rc:2: `account` may hold a relay of its own, which is not read";
        let want = |way: &str| (format!("mailx {way}"), vec![note.to_owned()]);
        let (as_written, chosen) = (settings.to_owned(), format!("{settings}account x\n"));
        let relay = "relay.example that mail(1) sends, no TLS, /etc/mail.rc:1";
        assert_eq!(found(&[("/etc/mail.rc", &as_written)]), want(relay));
        let other = "other.example that mail(1) sends, no TLS, /etc/mail.rc:3";
        assert_eq!(found(&[("/etc/mail.rc", &chosen)]), want(other));
    }

    #[test]
    fn what_is_taken_back_is_gone_and_what_nobody_knows_is_noted() {
        let way = |settings: &str| found(&[("/etc/mail.rc", settings)]);
        assert_eq!(way("set smtp=a.example\nunset smtp\n"), ("none".to_owned(), vec![]));
        assert_eq!(way("set smtp=a.example nosmtp\n"), ("none".to_owned(), vec![]));
        let relay =
            |tls: &str| format!("mailx a.example that mail(1) sends, {tls}, /etc/mail.rc:1");
        for (settings, want) in [
            ("wysh set smtp=a.example smtp-use-starttls\nset nosmtp-use-starttls\n", "no TLS"),
            ("set mta=smtp://u@a.example smtp-use-starttls-u@a.example\n", "STARTTLS login"),
            ("set smtp=a.example smtp-use-starttls-b.example\n", "no TLS"),
        ] {
            assert_eq!(way(settings), (relay(want), vec![]), "{settings}");
        }
        let (_, notes) =
            way("frobnicate x\nset frobnicate=1\nif terminal\nset smtp=a\nendif\nsource /x\n");
        let unknown =
            "`frobnicate` is nothing of mailx, s-nail that preflight knows; it may move a peer";
        let want = [
            format!("/etc/mail.rc:1: {unknown}"),
            format!("/etc/mail.rc:2: {unknown}"),
            "/etc/mail.rc:3: `if` makes settings under a condition, which is not read".to_owned(),
            "/etc/mail.rc:6: `source` reads another file, which is not read".to_owned(),
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn each_command_and_variable_of_s_nail_was_decided() {
        let program = program("s-nail");
        let listed = std::process::Command::new(&program)
            .args(["-:/", "-#", "-X", "list", "-X", "xit"])
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let (_, commands) = listed.split_once("Commands are:").unwrap();
        let commands = commands.split([',', ' ', '\n']).filter(|name| !name.is_empty());
        let page = program.ancestors().nth(2).unwrap().join("share/man/man1/s-nail.1.gz");
        let page = std::process::Command::new("gzip").arg("-dc").arg(page).output().unwrap();
        let page = String::from_utf8_lossy(&page.stdout).into_owned();
        let (_, variables) = page.split_once(".Sh \"INTERNAL VARIABLES\"").unwrap();
        let variables = variables.lines().filter_map(|line| {
            line.strip_prefix(".Mx Va ").or_else(|| line.strip_prefix(".It Va "))
        });
        let variables = variables.flat_map(|names| names.split([',', ' ', '\\', ';']));
        let is_name = |name: &&str| name.starts_with(|c: char| c.is_ascii_alphabetic());
        let variables = variables.filter(is_name).filter(|name| *name != "Va");
        let names: std::collections::BTreeSet<&str> = commands.chain(variables).collect();
        assert!(names.len() > 300, "{names:?}");
        let open = |name: &&&str| CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<_> = names.iter().filter(open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn bsds_mailx_has_no_such_setting() {
        let (dir, files) = super::super::super::testing::tree(&[
            ("/etc/mail.rc", "set smtp=relay.example\n"),
            ("/usr/bin/bsd-mailx", ""),
        ]);
        symlink("bsd-mailx", dir.path().join("usr/bin/mail")).unwrap();
        assert_eq!(told(&files).0, "none");
    }
}
