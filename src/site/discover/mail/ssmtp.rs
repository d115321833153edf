//! ssmtp: `/etc/ssmtp/ssmtp.conf`, and `revaliases` with a hub for some users.
//!
//! Reference: ssmtp.conf(5).

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Read, Share};
use super::super::lines::host;
use super::super::{At, Facts, Files, Text};
use super::{MISSING, MailFound};

const FILE: &str = "/etc/ssmtp/ssmtp.conf";
const OF_USERS: &str = "/etc/ssmtp/revaliases";
/// The hub when none is set.
const USUAL: &str = "mail";

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "ssmtp",
    files: "ssmtp.conf, revaliases",
    missing: MISSING,
    understood: &["authuser", "mailhub", "usestarttls", "usetls"],
    noted: &[],
    aside: &[
        "authmethod",
        "authpass",
        "debug",
        "fromlineoverride",
        "hostname",
        "rewritedomain",
        "root",
        "tls_ca_dir",
        "tls_ca_file",
        "tlscert",
        "tlskey",
        "usetlscert",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    let text = match files.read(FILE) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            return MailFound::Nothing;
        }
    };
    let usual = mail(&text, facts);
    let mut ways: Vec<Mail> = Vec::new();
    match files.read(OF_USERS) {
        Ok(text) => ways.extend(of_users(&text, &usual, facts)),
        Err(why) => facts.unread(OF_USERS, &why, "the relays of some mail"),
    }
    ways.push(usual);
    // What was no host is noted, and no way.
    ways.retain(|mail| mail.to != MailTo::Receivers);
    MailFound::Said(ways)
}

fn mail(text: &Text, facts: &mut Facts) -> Mail {
    let mut hub = Read { value: USUAL, at: At::file(&text.file) };
    let (mut tls, mut start_tls, mut login) = (false, false, false);
    for (line, content) in text.lines() {
        let Some((key, value)) = said(content).split_once(['=', ' ', '\t']) else { continue };
        let (value, at) = (value.trim_matches(['=', ' ', '\t']), text.at(line));
        let is_yes = value.eq_ignore_ascii_case("yes");
        match key.trim().to_ascii_lowercase().as_str() {
            "mailhub" => hub = Read { value, at },
            "usetls" => tls = is_yes,
            "usestarttls" => start_tls = is_yes,
            "authuser" => login = !value.is_empty(),
            other => CONSTRUCTS.meet(other, at, facts),
        }
    }
    let tls = match (tls, start_tls) {
        (_, true) => MailTls::StartTls,
        (true, false) => MailTls::FromStart,
        (false, false) => MailTls::No,
    };
    let at = hub.at.clone();
    Mail { tls, login, ..Mail::of("ssmtp", relay(&hub, facts), at) }
}

/// `root:user@example.com:hub.example.com:587`
fn of_users(text: &Text, usual: &Mail, facts: &mut Facts) -> Vec<Mail> {
    let entry = |(line, content): (usize, &str)| {
        let mut parts = said(content).splitn(3, ':');
        let (user, _address, value) = (parts.next()?, parts.next()?, parts.next()?);
        let at = text.at(line);
        let to = relay(&Read { value, at: at.clone() }, facts);
        let share = Share::Some(format!("from {user}"));
        Some(Mail { to, share, at, ..usual.clone() })
    };
    text.lines().filter_map(entry).collect()
}

/// A line without its comment, which begins with a `#` anywhere.
fn said(content: &str) -> &str {
    content.split('#').next().unwrap_or_default().trim()
}

fn relay(hub: &Read<&str>, facts: &mut Facts) -> MailTo {
    match host(hub.value, None) {
        Ok(place) => MailTo::Relay { place, by_mx: false },
        Err(reason) => {
            facts.note(hub.at.clone(), reason, MISSING);
            MailTo::Receivers
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn the_hub_of_all_and_of_some() {
        let conf = "# comment\nroot=ops@example.com\nMailHub=relay.example.com:587 # ours\nUseSTARTTLS=YES\nAuthUser=x\n";
        let users = "root:ops@example.com:other.example.com:25\nnobody:x@example.com\n\
            # Format:\tlocal_account:outgoing_address:mailhub\n# root:you@example.com:hub[:port]\n";
        let files = [(FILE, conf), (OF_USERS, users), ("/usr/sbin/ssmtp", "")];
        let want = [
            "ssmtp other.example.com:25 from root, STARTTLS login, /etc/ssmtp/revaliases:1",
            "ssmtp relay.example.com:587, STARTTLS login, /etc/ssmtp/ssmtp.conf:3",
        ];
        assert_eq!(found(&files), (want.join("; "), vec![]));
    }

    #[test]
    fn without_a_hub_it_is_the_host_mail() {
        let (ways, notes) = found(&[(FILE, "UseTLS=yes\nFrobnicate=1\n"), ("/usr/sbin/ssmtp", "")]);
        assert_eq!(ways, "ssmtp mail, TLS from start, /etc/ssmtp/ssmtp.conf");
        let note = "`frobnicate` is nothing of ssmtp that preflight knows; it may move a peer";
        assert_eq!(notes, [format!("/etc/ssmtp/ssmtp.conf:2: {note}")]);
    }
}
