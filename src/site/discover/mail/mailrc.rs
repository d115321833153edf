//! mail(1), which Centreon's own notification commands call: a relay of its own in `mail.rc`.
//!
//! `set smtp=HOST` or `set mta=URL` has mailx and s-nail speak SMTP themselves, past every
//! mail program; BSD's mailx knows neither.
//!
//! Reference: s-nail(1), `mta`; mailx(1), `smtp`.

use url::Url;

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Read, Share};
use super::super::lines::{host, words};
use super::super::{Facts, Files, Text};
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

fn mail(text: &Text, facts: &mut Facts) -> Option<Mail> {
    let (mut relay, mut start_tls, mut login) = (None, false, false);
    for (line, content) in text.lines() {
        let words = words(content);
        let Some((command, settings)) = words.split_first() else { continue };
        match command.as_str() {
            "set" | "se" => {}
            other => {
                CONSTRUCTS.meet(other, text.at(line), facts);
                continue;
            }
        }
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            match key {
                "smtp" => relay = Some(Read { value: value.to_owned(), at: text.at(line) }),
                // Without a scheme it is a program.
                "mta" => {
                    let value = Some(value).filter(|value| value.contains("://"));
                    relay = value.map(|value| Read { value: value.to_owned(), at: text.at(line) });
                }
                "smtp-use-starttls" => start_tls = true,
                _ if key.starts_with("smtp-auth") => login |= value != "none",
                other => CONSTRUCTS.meet(other, text.at(line), facts),
            }
        }
    }
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
    fn bsds_mailx_has_no_such_setting() {
        let (dir, files) = super::super::super::testing::tree(&[
            ("/etc/mail.rc", "set smtp=relay.example\n"),
            ("/usr/bin/bsd-mailx", ""),
        ]);
        symlink("bsd-mailx", dir.path().join("usr/bin/mail")).unwrap();
        assert_eq!(told(&files).0, "none");
    }
}
