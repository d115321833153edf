//! postfix: `main.cf`.
//!
//! A line that begins with white space continues the one before, comments and empty
//! lines notwithstanding; the last setting of a name wins; `$name` stands for another
//! setting. Brackets around a relay say that it is a host; without them it is a domain
//! whose mail servers (MX) are asked, unless it is an address.
//!
//! Reference: postconf(5), of it `relayhost` and `smtp_tls_security_level`, and its `TLS_README`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::facts::{Mail, MailTls};
use super::super::lines::host;
use super::super::{At, Facts, Files, Text};
use super::{Found, MISSING};
use crate::site::{Place, parse_port};

const FILE: &str = "/etc/postfix/main.cf";
/// postfix knows about a thousand.
const MOST_SETTINGS: usize = 8_192;
/// Settings that one value may draw in; twice as many would be no more readable.
const MOST_EXPANSIONS: usize = 64;
const LONGEST_VALUE: usize = 4_096;

pub(super) fn read(files: &Files, facts: &mut Facts) -> Found {
    let text = match files.read(FILE) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            return Found::Nothing;
        }
    };
    Found::Said(parse(&text).mail(facts))
}

/// The settings of `main.cf`, by name; of one name the last, with its line.
fn parse(text: &Text) -> Settings<'_> {
    let mut by_name: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    let mut name = None;
    for (line, content) in text.lines() {
        if by_name.len() > MOST_SETTINGS {
            break;
        }
        let trimmed = content.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if content.starts_with([' ', '\t']) {
            if let Some((value, _)) = name.and_then(|name| by_name.get_mut(name)) {
                value.push(' ');
                value.push_str(trimmed);
            }
        } else if let Some((before, value)) = content.split_once('=') {
            name = Some(before.trim_end());
            by_name.insert(before.trim_end(), (value.trim().to_owned(), line));
        } else {
            name = None;
        }
    }
    Settings { text, by_name }
}

struct Settings<'a> {
    text: &'a Text,
    by_name: BTreeMap<&'a str, (String, usize)>,
}

impl Settings<'_> {
    /// How mail leaves; none when it does not, or when that cannot be told.
    fn mail(&self, facts: &mut Facts) -> Option<Mail> {
        self.note_other_ways(facts);
        let at = self.at("relayhost");
        let relay = match self.value("relayhost").and_then(|value| relay(&value)) {
            Ok(relay) => relay,
            Err(reason) => {
                facts.note(at, reason, MISSING);
                return None;
            }
        };
        if relay.is_none() && self.says("default_transport").starts_with("error") {
            let reason = "no mail leaves this machine: default_transport is `error`";
            facts.note(self.at("default_transport"), reason, MISSING);
            return None;
        }
        let (relay, by_mx) = relay.unzip();
        Some(Mail {
            program: "postfix",
            relay,
            by_mx: by_mx.unwrap_or(false),
            tls: self.tls(),
            login: self.is_yes("smtp_sasl_auth_enable"),
            at,
        })
    }

    /// Tables that send mail of some senders or receivers elsewhere.
    fn note_other_ways(&self, facts: &mut Facts) {
        for name in ["transport_maps", "sender_dependent_relayhost_maps"] {
            if !self.says(name).is_empty() {
                let reason = format!("{name} names a table, which is not read");
                facts.note(self.at(name), reason, "the relays of some mail");
            }
        }
    }

    /// `dane` demands TLS only of servers whose DNS announces it, which is for the probe
    /// to see; every other level above `may` demands it of all.
    fn tls(&self) -> MailTls {
        if self.is_yes("smtp_tls_wrappermode") {
            return MailTls::FromStart;
        }
        match self.says("smtp_tls_security_level").as_str() {
            "none" => MailTls::No,
            "may" | "dane" => MailTls::IfOffered,
            "encrypt" | "dane-only" | "fingerprint" | "verify" | "secure" => MailTls::StartTls,
            _ if self.is_yes("smtp_enforce_tls") => MailTls::StartTls,
            _ if self.is_yes("smtp_use_tls") => MailTls::IfOffered,
            _ => MailTls::No,
        }
    }

    fn at(&self, name: &str) -> At {
        let set = self.by_name.get(name);
        set.map_or_else(|| At::file(&self.text.file), |(_, line)| self.text.at(*line))
    }

    fn is_yes(&self, name: &str) -> bool {
        self.says(name).eq_ignore_ascii_case("yes")
    }

    /// The value in lower case; empty when there is none.
    fn says(&self, name: &str) -> String {
        self.value(name).unwrap_or_default().to_ascii_lowercase()
    }

    /// The value with every `$name` in it replaced; empty when it is not set.
    fn value(&self, name: &str) -> Result<String, String> {
        let mut value = String::new();
        if let Some((raw, _)) = self.by_name.get(name) {
            self.expand(raw, &mut MOST_EXPANSIONS.clone(), &mut value)?;
        }
        Ok(value.trim().to_owned())
    }

    fn expand(&self, raw: &str, left: &mut usize, out: &mut String) -> Result<(), String> {
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('$') {
            push(out, before)?;
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let (name, after) = variable(after)?;
            *left = left.checked_sub(1).ok_or("it refers to itself, or to too many settings")?;
            match self.by_name.get(name) {
                Some((value, _)) => self.expand(value, left, out)?,
                None => push(out, self.default(name)?)?,
            }
            rest = after;
        }
        push(out, rest)
    }

    /// The one default that relays are made of: the domain of this host's name.
    fn default(&self, name: &str) -> Result<&str, String> {
        let host = self.by_name.get("myhostname").filter(|_| name == "mydomain");
        let domain = host.and_then(|(host, _)| Some(host.split_once('.')?.1));
        domain.ok_or_else(|| format!("it uses ${name}, which this file does not set"))
    }
}

fn push(out: &mut String, part: &str) -> Result<(), String> {
    if out.len() + part.len() > LONGEST_VALUE {
        return Err("it is longer than hosts and ports can be".to_owned());
    }
    out.push_str(part);
    Ok(())
}

/// `name`, `{name}` or `(name)` at the start of `text`, and what follows it.
fn variable(text: &str) -> Result<(&str, &str), String> {
    let close = match text.chars().next() {
        Some('{') => '}',
        Some('(') => ')',
        _ => {
            let end = text.find(|c: char| !is_part_of_name(c)).unwrap_or(text.len());
            return Ok(text.split_at(end));
        }
    };
    let inside = text.get(1..).unwrap_or_default();
    let (name, after) = inside.split_once(close).ok_or("a bracket of a setting is not closed")?;
    if !name.chars().all(is_part_of_name) {
        return Err("it depends on a condition, which is not read".to_owned());
    }
    Ok((name, after))
}

fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The first relay, and whether its MX is asked; none when the value is empty.
fn relay(value: &str) -> Result<Option<(Place, bool)>, String> {
    let mut relays = value.split([',', ' ', '\t']).filter(|relay| !relay.is_empty());
    let Some(first) = relays.next() else { return Ok(None) };
    let (name, port, by_mx) = match first.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']').ok_or("its bracket is not closed")?;
            (without_ipv6(name), port.strip_prefix(':'), false)
        }
        None if first.parse::<IpAddr>().is_ok() => (first, None, false),
        None => {
            let (name, port) = first.split_once(':').map_or((first, None), |(n, p)| (n, Some(p)));
            (name, port, name.parse::<IpAddr>().is_err())
        }
    };
    let place = host(name, port.map(service).transpose()?)?;
    Ok(Some((place, by_mx)))
}

/// postfix takes an IPv6 address with this word before it, too.
fn without_ipv6(name: &str) -> &str {
    match name.split_at_checked(5) {
        Some((word, address)) if word.eq_ignore_ascii_case("ipv6:") => address,
        _ => name,
    }
}

/// A port by number, or by its name in `/etc/services`.
fn service(name: &str) -> Result<u16, String> {
    match name {
        "smtp" | "mail" => Ok(25),
        "submission" | "msa" => Ok(587),
        "submissions" | "smtps" | "ssmtp" | "urd" => Ok(465),
        number => parse_port(number),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile, text};
    use super::super::tests::found;
    use super::*;

    /// As Debian's package writes it for a site with a smarthost.
    const DEBIAN: &str = "# See /usr/share/postfix/main.cf.dist for a commented, more complete\n\
        smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)\nbiff = no\n\
        append_dot_mydomain = no\ncompatibility_level = 3.6\n\n\
        smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem\nsmtpd_tls_security_level=may\n\n\
        smtp_tls_CApath=/etc/ssl/certs\nsmtp_tls_security_level=may\n\
        smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache\n\n\
        myhostname = poller1.corp.example\nmydestination = $myhostname, localhost.localdomain,\n\
        \t# not a comment of its own\n  localhost\nrelayhost = [smtp.corp.example]:587\n\
        smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd\n\
        inet_interfaces = loopback-only\n";

    fn mail(settings: &str) -> (String, Vec<String>) {
        found(&[(FILE, settings)])
    }

    #[test]
    fn debians_file_is_read() {
        let want = "postfix smtp.corp.example:587, TLS if offered login, /etc/postfix/main.cf:18";
        assert_eq!(mail(DEBIAN), (want.to_owned(), vec![]));
    }

    #[test]
    fn brackets_ports_and_addresses_decide_who_is_asked() {
        for (relayhost, want) in [
            ("[smtp.corp.example]", "smtp.corp.example"),
            ("corp.example", "corp.example by MX"),
            ("corp.example:submission", "corp.example:587 by MX"),
            ("10.0.0.25:26", "10.0.0.25:26"),
            ("10.0.0.25", "10.0.0.25"),
            ("[2001:db8::25]:smtps", "2001:db8::25:465"),
            ("[IPv6:2001:db8::25]", "2001:db8::25"),
            ("[a.example], [b.example]", "a.example"),
            ("[a.example]:25\n relayhost2 = x", "a.example:25"),
            ("$mydomain\nmyhostname = p.corp.example", "corp.example by MX"),
            ("[${relay}]:$(port)\nrelay = a.$mydomain\nport = 26\nmydomain=b", "a.b:26"),
            ("", "direct"),
        ] {
            let got = mail(&format!("relayhost = {relayhost}\n")).0;
            assert_eq!(got, format!("postfix {want}, no TLS, /etc/postfix/main.cf:1"));
        }
        assert_eq!(mail("biff = no\n").0, "postfix direct, no TLS, /etc/postfix/main.cf");
    }

    #[test]
    fn the_last_setting_wins_and_may_be_continued() {
        let settings = "relayhost = [a.example]\nrelayhost =\n\n# comment\n   [b.example]:587\n";
        assert_eq!(mail(settings).0, "postfix b.example:587, no TLS, /etc/postfix/main.cf:2");
    }

    #[test]
    fn tls_has_an_old_and_a_new_setting() {
        for (settings, want) in [
            ("smtp_use_tls = yes", "TLS if offered"),
            ("smtp_use_tls = yes\nsmtp_tls_security_level = none", "no TLS"),
            ("smtp_use_tls = yes\nsmtp_tls_security_level =", "TLS if offered"),
            ("smtp_enforce_tls = yes", "STARTTLS"),
            ("smtp_tls_security_level = encrypt", "STARTTLS"),
            ("smtp_tls_security_level = verify", "STARTTLS"),
            ("smtp_tls_security_level = dane", "TLS if offered"),
            ("smtp_tls_security_level = dane-only", "STARTTLS"),
            ("smtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes", "TLS from start"),
        ] {
            let got = mail(&format!("{settings}\n")).0;
            assert_eq!(got, format!("postfix direct, {want}, /etc/postfix/main.cf"));
        }
    }

    #[test]
    fn a_setting_that_refers_to_itself_is_noted() {
        for settings in ["relayhost = $relayhost\n", "relayhost = $a\na = $b$b\nb = $a$a\n"] {
            let note = "/etc/postfix/main.cf:1: it refers to itself, or to too many settings";
            assert_eq!(mail(settings), ("none".to_owned(), vec![note.to_owned()]));
        }
    }

    #[test]
    fn a_relay_that_cannot_be_told_is_noted() {
        for (value, reason) in [
            ("$mydomain", "it uses $mydomain, which this file does not set"),
            ("${x?{a}:{b}}", "it depends on a condition, which is not read"),
            (&format!("$x\nx = {}", "a".repeat(5_000)), "it is longer than hosts and ports can be"),
            ("[a.example", "its bracket is not closed"),
            ("[a.example]:lmtp", "`lmtp` is no port (1 to 65535)"),
            ("${a", "a bracket of a setting is not closed"),
        ] {
            let notes = vec![format!("/etc/postfix/main.cf:1: {reason}")];
            assert_eq!(mail(&format!("relayhost = {value}\n")), ("none".to_owned(), notes));
        }
    }

    #[test]
    fn a_machine_for_local_mail_only_sends_none() {
        let settings = "relayhost =\ndefault_transport = error: postfix configured to not route\n";
        let note = "no mail leaves this machine: default_transport is `error`";
        let notes = vec![format!("/etc/postfix/main.cf:2: {note}")];
        assert_eq!(mail(settings), ("none".to_owned(), notes));
    }

    #[test]
    fn tables_for_some_mail_are_noted() {
        let settings = "transport_maps = hash:/etc/postfix/transport\n";
        let note = "transport_maps names a table, which is not read";
        assert_eq!(mail(settings).1, [format!("/etc/postfix/main.cf:1: {note}")]);
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(FILE, DEBIAN, |text| drop(parse(text).mail(&mut Facts::default())));
        assert_eq!(parse(&text(FILE, DEBIAN)).by_name.len(), 15);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(FILE, DEBIAN), value in "[\\[\\]$({:a.0-9, ]{0,40}") {
            drop(parse(&text).mail(&mut Facts::default()));
            drop(relay(&value));
        }
    }
}
