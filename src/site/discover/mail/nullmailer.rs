//! nullmailer: `/etc/nullmailer/remotes`, tried one after the other.
//!
//! A host, its protocol, and options with or without two dashes before them.
//!
//! Reference: nullmailer-send(8).

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Share};
use super::super::lines::{host, words};
use super::super::{At, Facts, Files, Text};
use super::{MISSING, MailFound};
use crate::site::parse_port;

const FILE: &str = "/etc/nullmailer/remotes";

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "nullmailer",
    files: "remotes",
    missing: MISSING,
    understood: &["auth-login", "pass", "port", "smtp", "source", "ssl", "starttls", "tls", "user"],
    noted: &[("qmqp", "speaks QMQP")],
    aside: &["help", "host", "insecure", "tls-*", "x509*"],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    match files.read(FILE) {
        Ok(text) => MailFound::Said(mail(&text, facts)),
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            MailFound::Nothing
        }
    }
}

fn mail(text: &Text, facts: &mut Facts) -> Vec<Mail> {
    let mut ways = Vec::new();
    for (line, content) in text.lines() {
        let words = words(content);
        let Some((name, options)) = words.split_first() else { continue };
        let share = if ways.is_empty() { Share::Rest } else { Share::Fallback };
        match remote(name, options, share, &text.at(line), facts) {
            Ok(mail) => ways.extend(mail),
            Err(reason) => facts.note(text.at(line), reason, MISSING),
        }
    }
    if ways.is_empty() && text.text.trim().is_empty() {
        let to = MailTo::Nobody("its list of remotes is empty".to_owned());
        let (tls, at) = (MailTls::No, At::file(&text.file));
        ways.push(Mail { tls, ..Mail::of("nullmailer", to, at) });
    }
    ways
}

fn remote(
    name: &str,
    options: &[String],
    share: Share,
    at: &At,
    facts: &mut Facts,
) -> Result<Option<Mail>, String> {
    let (mut tls, mut port, mut login, mut is_smtp) = (MailTls::No, None, false, true);
    let mut from = Vec::new();
    for option in options {
        let option = option.trim_start_matches('-');
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "port" => port = Some(parse_port(value)?),
            "starttls" => tls = MailTls::StartTls,
            "tls" | "ssl" => tls = MailTls::FromStart,
            "user" | "pass" | "auth-login" => login = true,
            "source" => {
                if let Ok(address) = value.parse() {
                    from.push(address);
                } else {
                    let reason = format!("`{value}`, from which mail leaves, is not an address");
                    facts.note(at.clone(), reason, "the address mail leaves from");
                }
            }
            "smtp" => {}
            _ => {
                is_smtp &= key != "qmqp";
                CONSTRUCTS.meet(key, at.clone(), facts);
            }
        }
    }
    let place = host(name, port.or((tls == MailTls::FromStart).then_some(465)))?;
    let to = MailTo::Relay { place, by_mx: false };
    let mail = Mail { share, tls, login, from, ..Mail::of("nullmailer", to, at.clone()) };
    Ok(is_smtp.then_some(mail))
}

#[cfg(test)]
mod tests {
    use super::super::super::constructs::Reading;
    use super::super::super::testing::program;
    use super::super::tests::found;
    use super::*;

    fn told(remotes: &str) -> (String, Vec<String>) {
        found(&[(FILE, remotes), ("/usr/sbin/nullmailer-send", "")])
    }

    #[test]
    fn remotes_are_tried_in_their_order() {
        let remotes = "# comment\nrelay.example smtp port=587 starttls user=u pass='my pass'\n\
            other.example --ssl\nq.example qmqp\n";
        let want = [
            "nullmailer relay.example:587, STARTTLS login, /etc/nullmailer/remotes:2",
            "nullmailer other.example:465 as fallback, TLS from start, /etc/nullmailer/remotes:3",
        ];
        let note = "`qmqp` speaks QMQP, which is not read";
        let notes = vec![format!("/etc/nullmailer/remotes:4: {note}")];
        assert_eq!(told(remotes), (want.join("; "), notes));
    }

    #[test]
    fn each_option_of_its_protocols_was_decided() {
        let send = program("nullmailer-send");
        for protocol in ["smtp", "qmqp"] {
            let protocol = send.ancestors().nth(2).unwrap().join("lib/nullmailer").join(protocol);
            let said = std::process::Command::new(protocol).arg("--help").output().unwrap();
            let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
            let words = said.split_whitespace().filter_map(|word| word.strip_prefix("--"));
            let names = words.map(|word| word.split('=').next().unwrap());
            let names: Vec<&str> = names.map(|name| name.trim_end_matches([',', '.'])).collect();
            assert!(names.len() > 3, "{said}");
            let is_open = |name: &&&str| CONSTRUCTS.reading(name) == Reading::Unknown;
            let open: Vec<_> = names.iter().filter(is_open).collect();
            assert!(open.is_empty(), "{open:?}");
        }
    }

    #[test]
    fn mail_leaves_from_the_source_of_its_remote() {
        let want = "nullmailer relay.example, no TLS from 192.0.2.7, /etc/nullmailer/remotes:1";
        assert_eq!(told("relay.example smtp --source=192.0.2.7\n"), (want.to_owned(), vec![]));
    }

    #[test]
    fn an_empty_list_sends_nothing() {
        let want =
            "nullmailer nobody (its list of remotes is empty), no TLS, /etc/nullmailer/remotes";
        assert_eq!(told("").0, want);
    }
}
