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
    understood: &["mta", "smtp", "smtp-auth*", "smtp-use-starttls"],
    noted: &[
        ("account", "may hold a relay of its own"),
        ("mta-arguments", "hands mail to a program with other arguments"),
        ("sendmail", "hands mail to another program"),
        ("socks-proxy*", "goes through a SOCKS proxy"),
        ("source", "reads another file"),
    ],
    aside: &["*"],
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
    login: bool,
}

impl MailrcSettings {
    /// `set NAME=VALUE …`
    fn set(&mut self, settings: &[String], at: &At, facts: &mut Facts) {
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            let read = |value: &str| Read { value: value.to_owned(), at: at.clone() };
            match key {
                "smtp" => self.relay = Some(read(value)),
                // Without a scheme it is a program.
                "mta" => self.relay = Some(value).filter(|value| value.contains("://")).map(read),
                "smtp-use-starttls" => self.start_tls = true,
                _ if key.starts_with("smtp-auth") => self.login |= value != "none",
                other => CONSTRUCTS.meet(other, at.clone(), facts),
            }
        }
    }
}

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
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["set" | "se", ..] => {
                settings.set(words.get(1..).unwrap_or_default(), &text.at(line), facts);
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
    let MailrcSettings { relay, start_tls, login } = settings;
    let Read { value, at } = relay?;
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

    use super::super::tests::{found, told};

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
    fn bsds_mailx_has_no_such_setting() {
        let (dir, files) = super::super::super::testing::tree(&[
            ("/etc/mail.rc", "set smtp=relay.example\n"),
            ("/usr/bin/bsd-mailx", ""),
        ]);
        symlink("bsd-mailx", dir.path().join("usr/bin/mail")).unwrap();
        assert_eq!(told(&files).0, "none");
    }
}
