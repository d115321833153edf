//! Sendmail itself: `sendmail.cf`, of it the smart host, and `submit.cf`.
//!
//! `DS` is the smart host, perhaps with a mailer before it: `DSesmtp:[relay.example]`. In
//! brackets it is a host; without them its mail servers (MX) are asked. The port stands in the
//! mailer's own line (`A=TCP $h 587`). Mail of this machine's programs is handed over by the
//! settings of `submit.cf`, as a rule to 127.0.0.1.
//!
//! Reference: the Sendmail Installation and Operation Guide, 5.

use std::net::IpAddr;

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Read, Share};
use super::super::lines::host;
use super::super::{Facts, Files, Text};
use super::{MISSING, MailFound};
use crate::site::parse_port;

const FILE: &str = "/etc/mail/sendmail.cf";
const SUBMIT: &str = "/etc/mail/submit.cf";
const SOURCE: &str = "/etc/mail/sendmail.mc";
const MAILERTABLE: &str = "/etc/mail/mailertable";

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "sendmail",
    files: "sendmail.cf, submit.cf, mailertable",
    missing: MISSING,
    understood: &["DS", "D{MTAHost}", "Kmailertable", "M*"],
    noted: &[
        ("DH", "sends mail for this machine's own users to a hub"),
        ("DR", "sends unqualified addresses to a relay"),
        ("Kldap*", "asks a directory where mail goes"),
        ("O FallbackMXhost", "has another host take what cannot be delivered"),
        ("O FallbackSmartHost", "has another host take what cannot be delivered"),
        ("O ClientPortOptions", "gives connections another source address"),
        ("O HostsFile", "looks names up in another file"),
        ("O ServiceSwitchFile", "changes where names are looked up"),
    ],
    aside: &["*"],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    let text = match files.read(FILE) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            if files.exists(SOURCE) {
                let reason = "sendmail reads what make writes of it, and there is no sendmail.cf";
                facts.note(super::super::At::file(SOURCE), reason, MISSING);
                return MailFound::Said(Vec::new());
            }
            return MailFound::Nothing;
        }
    };
    let mut ways = Vec::new();
    if let Ok(submit) = files.read(SUBMIT) {
        ways.extend(handed_over(&submit, facts));
        if !ways.is_empty() {
            return MailFound::Said(ways);
        }
    }
    let cf = Cf { text: &text };
    for Read { value, at } in cf.lines() {
        // A macro that stands for nothing sends nothing anywhere.
        if named(&value) != value.trim_end() || !value.starts_with('D') {
            CONSTRUCTS.meet(named(&value), at, facts);
        }
    }
    if cf.lines().any(|line| line.value.starts_with("Kmailertable")) {
        match files.read(MAILERTABLE) {
            Ok(table) => ways.extend(cf.table(&table, facts)),
            Err(why) => facts.unread(MAILERTABLE, &why, "the relays of some mail"),
        }
    }
    ways.extend(cf.smart_host(facts));
    MailFound::Said(ways)
}

/// As far as a construct has a name: `DS`, `D{MTAHost}`, `Kmailertable`, `O FallbackMXhost`.
fn named(line: &str) -> &str {
    match line.as_bytes() {
        [b'D', b'{', ..] => line.split_inclusive('}').next().unwrap_or(line),
        [b'D', _, ..] => line.get(..2).unwrap_or(line),
        [b'O', b' ', ..] => line.split(['=', ',']).next().unwrap_or(line).trim_end(),
        _ => line.split([' ', '\t', ',']).next().unwrap_or(line),
    }
}

/// `D{MTAHost}[127.0.0.1]`: where mail of this machine's programs is handed over.
fn handed_over(submit: &Text, facts: &mut Facts) -> Option<Mail> {
    let cf = Cf { text: submit };
    let line = cf.lines().find(|line| line.value.starts_with("D{MTAHost}"))?;
    let value = line.value.strip_prefix("D{MTAHost}").unwrap_or_default();
    let name = value.trim_matches(['[', ']']);
    let is_here =
        name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if is_here {
        return None;
    }
    cf.mail("relay", Read { value: value.to_owned(), at: line.at.clone() }, Share::Rest, facts)
}

struct Cf<'a> {
    text: &'a Text,
}

impl Cf<'_> {
    /// Each line with those that continue it, which begin with white space.
    fn lines(&self) -> impl Iterator<Item = Read<String>> + '_ {
        let mut lines: Vec<Read<String>> = Vec::new();
        for (number, content) in self.text.lines() {
            match lines.last_mut() {
                Some(last) if content.starts_with([' ', '\t']) => last.value.push_str(content),
                _ if content.starts_with('#') || content.trim().is_empty() => {}
                _ => lines.push(Read { value: content.to_owned(), at: self.text.at(number) }),
            }
        }
        lines.into_iter()
    }

    fn smart_host(&self, facts: &mut Facts) -> Option<Mail> {
        // The last definition counts.
        let line = self.lines().filter(|line| line.value.starts_with("DS")).last();
        let value = line.as_ref().and_then(|line| line.value.get(2..)).unwrap_or_default().trim();
        let at = line.as_ref().map_or_else(|| self.text.at(1), |line| line.at.clone());
        if value.is_empty() {
            let (to, share, tls) = (MailTo::Receivers, Share::Rest, MailTls::IfOffered);
            return Some(Mail { share, tls, ..Mail::of("sendmail", to, at) });
        }
        self.mail("relay", Read { value: value.to_owned(), at }, Share::Rest, facts)
    }

    /// Domains whose mail goes elsewhere.
    fn table(&self, table: &Text, facts: &mut Facts) -> Vec<Mail> {
        let mut ways = Vec::new();
        for (line, content) in table.lines() {
            let mut words = content.split('#').next().unwrap_or_default().split_whitespace();
            let (Some(domain), Some(route)) = (words.next(), words.next()) else { continue };
            let is_here =
                ["error:", "local:", "discard:"].iter().any(|kind| route.starts_with(kind));
            if !is_here {
                let value = Read { value: route.to_owned(), at: table.at(line) };
                ways.extend(self.mail("smtp", value, Share::Some(format!("to {domain}")), facts));
            }
        }
        ways
    }

    /// `host`, `[host]`, or either behind a mailer: `esmtp:[host]`.
    fn mail(
        &self,
        mailer: &str,
        route: Read<String>,
        share: Share,
        facts: &mut Facts,
    ) -> Option<Mail> {
        let Read { value, at } = route;
        let (mailer, name) = match value.split_once(':') {
            Some((mailer, name)) if !mailer.starts_with('[') => (mailer, name),
            _ => (mailer, value.as_str()),
        };
        let bare = name.trim_matches(['[', ']']);
        let by_mx = !name.starts_with('[') && bare.parse::<IpAddr>().is_err();
        let place = self.port(mailer).and_then(|port| host(bare, port));
        match place {
            Ok(place) => {
                let to = MailTo::Relay { place, by_mx };
                let tls = MailTls::IfOffered;
                Some(Mail { share, tls, ..Mail::of("sendmail", to, at) })
            }
            Err(reason) => {
                facts.note(at, reason, MISSING);
                None
            }
        }
    }

    /// `Mrelay, P=[IPC], …, A=TCP $h 587`: the port of a mailer, if it names one.
    fn port(&self, mailer: &str) -> Result<Option<u16>, String> {
        let head = format!("M{mailer},");
        let line = self.lines().find(|line| line.value.starts_with(&head));
        let arguments = line.as_ref().and_then(|line| line.value.split("A=TCP").nth(1));
        let port = arguments.and_then(|arguments| arguments.split_whitespace().nth(1));
        port.map(parse_port).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    /// As `make -C /etc/mail` writes it, cut down to what names somebody.
    const CF: &str = "# comment\nCwlocalhost\nDj$w\nKmailertable hash -o /etc/mail/mailertable.db\n\
        DSrelay.example\nDR\nDH\nO FallbackMXhost=fallback.example\n\
        Mesmtp,\t\tP=[IPC], F=mDFMuXa, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP,\n\
        \t\tT=DNS/RFC822/SMTP,\n\t\tA=TCP $h\n\
        Mrelay,\t\tP=[IPC], F=mDFMuXa8k,\n\t\tT=DNS/RFC822/SMTP,\n\t\tA=TCP $h 587\n";

    fn told(cf: &str, more: &[(&str, &str)]) -> (String, Vec<String>) {
        let files = [&[(FILE, cf), ("/usr/libexec/sendmail/sendmail", "")], more].concat();
        found(&files)
    }

    #[test]
    fn the_smart_host_is_behind_ds_and_its_port_at_the_mailer() {
        let note =
            "`O FallbackMXhost` has another host take what cannot be delivered, which is not read";
        for (ds, want) in [
            ("relay.example", "relay.example:587 by MX"),
            ("[relay.example]", "relay.example:587"),
            ("esmtp:[10.0.0.25]", "10.0.0.25"),
            ("", "direct"),
        ] {
            let cf = CF.replace("DSrelay.example", &format!("DS{ds}"));
            let ways = format!("sendmail {want}, TLS if offered, {FILE}:5");
            assert_eq!(told(&cf, &[]), (ways, vec![format!("{FILE}:8: {note}")]));
        }
    }

    #[test]
    fn a_table_of_mailers_sends_some_mail_elsewhere() {
        let table = "corp.example esmtp:[mx.corp.example]\nbad.example error:nohost no\n";
        let (ways, _) = told(CF, &[(MAILERTABLE, table)]);
        let want = [
            "sendmail mx.corp.example to corp.example, TLS if offered, /etc/mail/mailertable:1",
            "sendmail relay.example:587 by MX, TLS if offered, /etc/mail/sendmail.cf:5",
        ];
        assert_eq!(ways, want.join("; "));
    }

    #[test]
    fn programs_hand_their_mail_to_whom_submit_cf_names() {
        let submit = |host: &str| format!("D{{MTAHost}}{host}\nMrelay, A=TCP $h\n");
        let here = submit("[127.0.0.1]");
        assert!(told(CF, &[(SUBMIT, &here)]).0.starts_with("sendmail relay.example:587"));
        let there = submit("[hub.example]");
        let want = format!("sendmail hub.example, TLS if offered, {SUBMIT}:1");
        assert_eq!(told(CF, &[(SUBMIT, &there)]).0, want);
    }

    #[test]
    fn a_source_that_was_never_made_is_noted() {
        let (ways, notes) = found(&[(SOURCE, "define(`SMART_HOST', `relay')dnl\n")]);
        let note = "sendmail reads what make writes of it, and there is no sendmail.cf";
        assert_eq!((ways.as_str(), notes), ("none", vec![format!("{SOURCE}: {note}")]));
    }
}
