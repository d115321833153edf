//! Mail: which program sends it, and to whom does it hand it?
//!
//! Notifications go through `sendmail`, whoever provides it: where that is a link,
//! its end is the real client. Otherwise it is the first of [`PROGRAMS`] that is there.
//! Centreon's own commands call mail(1), which may have a relay of its own.

pub(super) mod dma;
pub(super) mod exim;
pub(super) mod mailrc;
pub(super) mod msmtp;
pub(super) mod nullmailer;
pub(super) mod postfix;
pub(super) mod sendmail;
pub(super) mod ssmtp;

use super::facts::Mail;
use super::include::is_installed;
use super::{At, Facts, Files};

const MISSING: &str = "the mail relay";
const SENDMAIL: &str = "/usr/sbin/sendmail";

/// A mail program, its binaries, and how its configuration is read.
struct Program {
    name: &'static str,
    binaries: &'static [&'static str],
    read: fn(&Files, &mut Facts) -> MailFound,
}

/// What a program's configuration said.
enum MailFound {
    /// The program has no configuration here.
    Nothing,
    /// The ways mail leaves this machine; none: that cannot be told, and is noted.
    Said(Vec<Mail>),
}

const PROGRAMS: [Program; 7] = [
    Program { name: "postfix", binaries: &["/usr/sbin/postfix"], read: postfix::read },
    Program { name: "exim", binaries: &["/usr/sbin/exim4", "/usr/sbin/exim"], read: exim::read },
    Program { name: "msmtp", binaries: &["/usr/bin/msmtp"], read: msmtp::read },
    Program {
        name: "nullmailer",
        binaries: &["/usr/sbin/nullmailer-send", "/usr/sbin/nullmailer-queue"],
        read: nullmailer::read,
    },
    Program { name: "dma", binaries: &["/usr/sbin/dma", "/usr/libexec/dma"], read: dma::read },
    Program { name: "ssmtp", binaries: &["/usr/sbin/ssmtp"], read: ssmtp::read },
    Program {
        name: "sendmail.sendmail",
        binaries: &["/usr/sbin/sendmail.sendmail", "/usr/libexec/sendmail/sendmail"],
        read: sendmail::read,
    },
];

/// Finds how mail leaves this machine: by mail(1) itself, and by the first program that has a
/// word on it.
pub(super) fn read(files: &Files, facts: &mut Facts) {
    mailrc::read(files, facts);
    let behind = files.follow(SENDMAIL);
    let last = behind.rsplit('/').next().unwrap_or_default();
    let is_behind = |program: &&Program| {
        behind.contains(program.name) || program.binaries.contains(&behind.as_str())
    };
    let client = PROGRAMS.iter().find(is_behind);
    if client.is_none() && last != "sendmail" {
        let reason = format!("it is {behind}, whose configuration is not read");
        facts.note(At::file(SENDMAIL), reason, MISSING);
    }
    let binaries = PROGRAMS.map(|program| program.binaries);
    let others = PROGRAMS.iter().filter(|program| is_installed(files, program.binaries, &binaries));
    for program in client.into_iter().chain(others) {
        if let MailFound::Said(mail) = (program.read)(files, facts) {
            facts.mail.extend(mail);
            return;
        }
    }
}

/// What the kernel of that machine calls itself.
fn host_name(files: &Files) -> Option<String> {
    let text = files.read("/etc/hostname").ok()?;
    text.lines().map(|(_, line)| line.trim()).find(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::facts::{Family, MailTls, MailTo, Share};
    use super::super::testing::tree;
    use super::*;

    /// The mail as one line, and each note.
    pub(super) fn found(contents: &[(&str, &str)]) -> (String, Vec<String>) {
        let (_dir, files) = tree(contents);
        told(&files)
    }

    pub(super) fn told(files: &Files) -> (String, Vec<String>) {
        let mut facts = Facts::default();
        read(files, &mut facts);
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        let ways: Vec<String> = facts.mail.iter().map(one).collect();
        let ways = if ways.is_empty() { "none".to_owned() } else { ways.join("; ") };
        (ways, notes.collect())
    }

    fn one(mail: &Mail) -> String {
        let to = match &mail.to {
            MailTo::Relay { place, by_mx } => {
                let port = place.port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}{port}{}", place.host, if *by_mx { " by MX" } else { "" })
            }
            MailTo::Receivers => "direct".to_owned(),
            MailTo::Nobody(reason) => format!("nobody ({reason})"),
        };
        let share = match &mail.share {
            Share::Rest => String::new(),
            Share::Some(which) => format!(" {which}"),
            Share::Fallback => " as fallback".to_owned(),
        };
        let login = if mail.login { " login" } else { "" };
        let tls = match mail.tls {
            MailTls::No => "no TLS",
            MailTls::IfOffered => "TLS if offered",
            MailTls::StartTls => "STARTTLS",
            MailTls::FromStart => "TLS from start",
        };
        let from: Vec<String> = mail.from.iter().map(ToString::to_string).collect();
        let from =
            if from.is_empty() { String::new() } else { format!(" from {}", from.join(" ")) };
        let family = match mail.family {
            Some(Family::V4) => " by IPv4",
            Some(Family::V6) => " by IPv6",
            None => "",
        };
        format!("{} {to}{share}, {tls}{login}{from}{family}, {}", mail.program, mail.at)
    }

    const POSTFIX: (&str, &str) = ("/etc/postfix/main.cf", "relayhost = [10.0.0.25]\n");
    const MSMTP: (&str, &str) = ("/etc/msmtprc", "account default\nhost 10.0.0.26\n");

    #[test]
    fn the_program_behind_sendmail_is_the_client() {
        let (dir, files) =
            tree(&[POSTFIX, MSMTP, ("/usr/sbin/postfix", ""), ("/usr/bin/msmtp", "")]);
        assert_eq!(told(&files).0, "postfix 10.0.0.25, no TLS, /etc/postfix/main.cf:1");
        symlink("../bin/msmtp", dir.path().join("usr/sbin/sendmail")).unwrap();
        assert_eq!(told(&files).0, "msmtp 10.0.0.26, no TLS, /etc/msmtprc:2");
    }

    #[test]
    fn an_alternative_of_red_hat_names_the_program() {
        let exim = (
            "/etc/exim/exim.conf",
            "begin routers\nr:\n driver = dnslookup\n transport = t\nbegin transports\nt:\n driver = smtp\n",
        );
        let (dir, files) = tree(&[POSTFIX, exim, ("/etc/alternatives/x", ""), ("/usr/sbin/x", "")]);
        symlink("/etc/alternatives/mta", dir.path().join("usr/sbin/sendmail")).unwrap();
        symlink("/usr/sbin/sendmail.exim", dir.path().join("etc/alternatives/mta")).unwrap();
        assert_eq!(told(&files).0, "exim direct, TLS if offered, /etc/exim/exim.conf:3");
    }

    #[test]
    fn the_file_of_a_program_that_is_not_installed_does_not_count() {
        let (mail, _) = found(&[POSTFIX, MSMTP, ("/usr/bin/msmtp", "")]);
        assert_eq!(mail, "msmtp 10.0.0.26, no TLS, /etc/msmtprc:2");
    }

    #[test]
    fn another_program_is_noted() {
        let (dir, files) = tree(&[("/usr/sbin/opensmtpd", "")]);
        symlink("opensmtpd", dir.path().join("usr/sbin/sendmail")).unwrap();
        let note = "it is /usr/sbin/opensmtpd, whose configuration is not read";
        assert_eq!(told(&files), ("none".to_owned(), vec![format!("/usr/sbin/sendmail: {note}")]));
    }
}
