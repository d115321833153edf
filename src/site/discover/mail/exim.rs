//! exim: Debian's answers to its questions, or a configuration of exim itself.
//!
//! Debian's `update-exim4.conf.conf` says what kind of site it is and which hosts mail
//! is handed to; exim's own file is a program, of which the routes without a variable
//! are read. A colon parts hosts, a doubled one is a colon: `smtp.example::587`.
//!
//! Reference: update-exim4.conf(8); The Exim Specification, 6 (lists) and 20 (manualroute).

use std::net::IpAddr;

use super::super::facts::{Mail, MailTls, MailTo, Share};
use super::super::lines::{host, words};
use super::super::{At, Facts, Files, Text};
use super::{Found, MISSING};
use crate::site::Place;

/// Debian reads the first of these instead of its own answers.
const WHOLE: [&str; 3] = ["/etc/exim4/exim4.conf", "/etc/exim/exim.conf", "/etc/exim.conf"];
const ANSWERS: &str = "/etc/exim4/update-exim4.conf.conf";
const MACROS: &str = "/etc/exim4/exim4.conf.localmacros";
const PASSWORDS: &str = "/etc/exim4/passwd.client";

pub(super) fn read(files: &Files, facts: &mut Facts) -> Found {
    let Some(path) = WHOLE.into_iter().chain([ANSWERS]).find(|path| files.exists(path)) else {
        return Found::Nothing;
    };
    let text = match files.read(path) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(path, &why, MISSING);
            return Found::Said(Vec::new());
        }
    };
    let mail = if path == ANSWERS { answers(files, facts, &text) } else { whole(&text) };
    match mail {
        Ok(mail) => Found::Said(vec![mail]),
        Err((at, reason)) => {
            facts.note(at, reason, MISSING);
            Found::Said(Vec::new())
        }
    }
}

/// Debian's file, with the macros and passwords it draws in.
fn answers(files: &Files, facts: &mut Facts, text: &Text) -> Result<Mail, (At, String)> {
    let mut mail = from_answers(text)?;
    if let MailTo::Relay { place, .. } = &mut mail.to {
        let mut read = |path| {
            let text = files.read(path);
            let missing = "whether mail needs TLS or a login";
            text.map_err(|why| facts.unread(path, &why, missing)).ok()
        };
        mail.tls = read(MACROS).map_or(MailTls::IfOffered, |text| tls(&text));
        mail.login = read(PASSWORDS).is_some_and(|text| has_entry(&text));
        *place = with_port(place.clone(), mail.tls);
    }
    Ok(mail)
}

fn from_answers(text: &Text) -> Result<Mail, (At, String)> {
    let (mut kind, mut smarthost) = ((String::new(), 1), (String::new(), 1));
    for (line, content) in text.lines() {
        for word in words(content) {
            match word.split_once('=') {
                Some(("dc_eximconfig_configtype", value)) => kind = (value.to_owned(), line),
                Some(("dc_smarthost", value)) => smarthost = (value.to_owned(), line),
                _ => {}
            }
        }
    }
    let at = text.at(smarthost.1);
    match kind.0.as_str() {
        "internet" => Ok(mail(MailTo::Receivers, text.at(kind.1))),
        "smarthost" | "satellite" => match relay(&smarthost.0) {
            Ok((place, by_mx)) => Ok(mail(MailTo::Relay { place, by_mx }, at)),
            Err(reason) => Err((at, reason)),
        },
        "local" | "none" => {
            Err((text.at(kind.1), "no mail leaves this machine: it is set up so".to_owned()))
        }
        _ => Err((text.at(kind.1), "dc_eximconfig_configtype is not known".to_owned())),
    }
}

/// exim's own file: the first route of a relay, or the look-up of each receiver's server.
fn whole(text: &Text) -> Result<Mail, (At, String)> {
    let mut direct = None;
    for (line, content) in text.lines() {
        let Some((key, value)) = content.split_once('=') else { continue };
        match (key.trim(), value.trim()) {
            ("driver", "dnslookup") => direct = direct.or(Some(line)),
            ("route_list", route) => {
                let (place, by_mx) = of_route(route).map_err(|reason| (text.at(line), reason))?;
                let tls = tls(text);
                let login = sets(text, &["hosts_require_auth", "hosts_try_auth"]).is_some();
                let to = MailTo::Relay { place: with_port(place, tls), by_mx };
                return Ok(Mail { tls, login, ..mail(to, text.at(line)) });
            }
            _ => {}
        }
    }
    let none = || (At::file(&text.file), "it names neither a relay nor a look-up".to_owned());
    direct.map(|line| mail(MailTo::Receivers, text.at(line))).ok_or_else(none)
}

/// By default exim takes TLS when it is offered.
fn mail(to: MailTo, at: At) -> Mail {
    let (share, tls) = (Share::Rest, MailTls::IfOffered);
    Mail { program: "exim", to, share, tls, login: false, at }
}

/// `*  smtp.example::587  byname`: domains, hosts, options.
fn of_route(route: &str) -> Result<(Place, bool), String> {
    let route = route.trim_matches('"');
    let hosts = route.split_whitespace().nth(1).ok_or("its route names no host")?;
    relay(hosts)
}

/// The first host of a list, and whether its MX is asked (`/mx`).
fn relay(hosts: &str) -> Result<(Place, bool), String> {
    let hosts = hosts.trim();
    if hosts.is_empty() {
        return Err("it names no host".to_owned());
    }
    if hosts.contains(['$', '{']) {
        return Err("its host is computed, which is not read".to_owned());
    }
    let first = first_of(hosts);
    let lower = first.to_ascii_lowercase();
    let (name, by_mx) = match lower.strip_suffix("/mx") {
        Some(name) => (name.to_owned(), true),
        None => (first, false),
    };
    let place = host(&name, None)?;
    let by_mx = by_mx && place.host.parse::<IpAddr>().is_err();
    Ok((place, by_mx))
}

/// `<;` at the start names another sign between hosts; doubled, it is itself.
fn first_of(hosts: &str) -> String {
    let own = hosts.strip_prefix('<').and_then(|rest| {
        let sign = rest.chars().next().filter(char::is_ascii_punctuation)?;
        Some((sign, rest.get(1..)?.trim_start()))
    });
    let (sign, list) = own.unwrap_or((':', hosts));
    let mut first = String::new();
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        if c == sign && chars.next_if_eq(&sign).is_none() {
            break;
        }
        first.push(c);
    }
    // With another sign between hosts, the port still has its two colons.
    let first = first.trim();
    let port = first
        .rsplit_once("::")
        .filter(|(name, port)| sign != ':' && !name.contains(':') && port.parse::<u16>().is_ok());
    port.map_or_else(|| first.to_owned(), |(name, port)| format!("{name}:{port}"))
}

/// Of the transport, or of the macro Debian's transport takes it from.
fn tls(text: &Text) -> MailTls {
    let protocol = sets(text, &["protocol", "REMOTE_SMTP_SMARTHOST_PROTOCOL"]);
    let required = ["hosts_require_tls", "REMOTE_SMTP_SMARTHOST_HOSTS_REQUIRE_TLS"];
    if protocol == Some("smtps") {
        MailTls::FromStart
    } else if sets(text, &required).is_some() {
        MailTls::StartTls
    } else {
        MailTls::IfOffered
    }
}

/// exim's `smtps` is port 465 when nothing else was said.
fn with_port(relay: Place, tls: MailTls) -> Place {
    let port = relay.port.or((tls == MailTls::FromStart).then_some(465));
    Place { port, ..relay }
}

/// What the file sets one of `names` to, if to anything.
fn sets<'a>(text: &'a Text, names: &[&str]) -> Option<&'a str> {
    let settings = text.lines().filter_map(|(_, content)| content.split_once('='));
    let mut values = settings.filter(|(key, _)| names.contains(&key.trim()));
    values.find_map(|(_, value)| Some(value.trim()).filter(|value| !value.is_empty()))
}

fn has_entry(passwords: &Text) -> bool {
    passwords.lines().any(|(_, line)| line.contains(':') && !line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile};
    use super::super::tests::found;
    use super::*;

    /// As Debian's package writes it; the smarthost is the administrator's.
    const DEBIAN: &str = "# /etc/exim4/update-exim4.conf.conf\n#\n\
        dc_eximconfig_configtype='smarthost'\ndc_other_hostnames='poller1.corp.example'\n\
        dc_local_interfaces='127.0.0.1 ; ::1'\ndc_readhost=''\ndc_relay_domains=''\n\
        dc_minimaldns='false'\ndc_relay_nets=''\ndc_smarthost='smtp.corp.example::587'\n\
        CFILEMODE='644'\ndc_use_split_config='false'\ndc_hide_mailname='false'\n\
        dc_mailname_in_oh='true'\ndc_localdelivery='mail_spool'\n";

    const OWN: &str = "begin routers\n\nsmart_route:\n  driver = manualroute\n\
        \x20 domains = !+local_domains\n  transport = remote_smtp\n\
        \x20 route_list = * smtp.corp.example::465 byname\n  no_more\n\nbegin transports\n\n\
        remote_smtp:\n  driver = smtp\n  protocol = smtps\n  hosts_require_auth = *\n";

    #[test]
    fn a_smarthost_of_debian_has_its_port_after_two_colons() {
        let want =
            "exim smtp.corp.example:587, TLS if offered, /etc/exim4/update-exim4.conf.conf:10";
        let passwords = (PASSWORDS, "# password file used when the local exim authenticates\n");
        assert_eq!(found(&[(ANSWERS, DEBIAN), passwords]), (want.to_owned(), vec![]));
    }

    #[test]
    fn macros_and_passwords_of_debian_count() {
        let macros = "REMOTE_SMTP_SMARTHOST_HOSTS_REQUIRE_TLS = *\n";
        let passwords = "*.corp.example:poller:hunter2\n";
        let (mail, notes) = found(&[(ANSWERS, DEBIAN), (MACROS, macros), (PASSWORDS, passwords)]);
        let want =
            "exim smtp.corp.example:587, STARTTLS login, /etc/exim4/update-exim4.conf.conf:10";
        assert_eq!((mail.as_str(), notes), (want, vec![]));
    }

    #[test]
    fn the_kind_of_site_decides() {
        let kind =
            |kind: &str| found(&[(ANSWERS, &DEBIAN.replace("'smarthost'", &format!("'{kind}'")))]);
        let at = "/etc/exim4/update-exim4.conf.conf:3";
        assert_eq!(kind("internet").0, format!("exim direct, TLS if offered, {at}"));
        assert!(kind("satellite").0.starts_with("exim smtp.corp.example:587"));
        let note = format!("{at}: no mail leaves this machine: it is set up so");
        assert_eq!(kind("local"), ("none".to_owned(), vec![note]));
        assert_eq!(kind("x").1, [format!("{at}: dc_eximconfig_configtype is not known")]);
    }

    #[test]
    fn a_configuration_of_exim_itself_comes_first() {
        let (mail, notes) = found(&[(ANSWERS, DEBIAN), ("/etc/exim4/exim4.conf", OWN)]);
        let want = "exim smtp.corp.example:465, TLS from start login, /etc/exim4/exim4.conf:7";
        assert_eq!((mail.as_str(), notes), (want, vec![]));
    }

    #[test]
    fn lists_of_hosts_have_their_own_grammar() {
        for (hosts, want) in [
            ("a.example", "a.example"),
            ("a.example : b.example", "a.example"),
            ("<; a.example::587 ; b.example", "a.example:587"),
            ("<; 2001:db8::25", "2001:db8::25"),
            ("2001::db8::::25", "2001:db8::25"),
            ("10.0.0.25::26", "10.0.0.25:26"),
            ("corp.example/MX", "corp.example"),
        ] {
            let (place, by_mx) = relay(hosts).unwrap();
            let port = place.port.map(|port| format!(":{port}")).unwrap_or_default();
            assert_eq!(format!("{}{port}", place.host), want);
            assert_eq!(by_mx, hosts.ends_with("MX"));
        }
        assert_eq!(relay("${lookup{x}}").unwrap_err(), "its host is computed, which is not read");
        assert_eq!(relay(" ").unwrap_err(), "it names no host");
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(ANSWERS, DEBIAN, |text| drop(from_answers(text)));
        every_beginning("/etc/exim/exim.conf", OWN, |text| drop(whole(text)));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            answers in hostile(ANSWERS, DEBIAN),
            own in hostile("/etc/exim/exim.conf", OWN),
            hosts in "[<;:a.0-9/ ]{0,30}",
        ) {
            drop(from_answers(&answers));
            drop(whole(&own));
            drop(relay(&hosts));
        }
    }
}
