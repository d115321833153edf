//! dma, the `DragonFly` Mail Agent: `/etc/dma/dma.conf`.
//!
//! A keyword in capitals, then its value; what it does not know ends the program.
//!
//! Reference: dma(8), "CONFIGURATION".

use super::super::constructs::{Constructs, Reading};
use super::super::facts::{Mail, MailTls, MailTo, Read, RefusedLine};
use super::super::lines::host;
use super::super::{At, Facts, Files, Text};
use super::{MISSING, MailFound};
use crate::site::parse_port;

const FILE: &str = "/etc/dma/dma.conf";

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "dma",
    files: "dma.conf",
    missing: MISSING,
    understood: &[
        "AUTHPATH",
        "OPPORTUNISTIC_TLS",
        "PORT",
        "SECURETRANSFER",
        "SMARTHOST",
        "STARTTLS",
    ],
    noted: &[("NULLCLIENT", "sends mail for this machine's own users to the relay, too")],
    aside: &[
        "ALIASES",
        "CERTFILE",
        "DEFER",
        "FINGERPRINT",
        "FULLBOUNCE",
        "INSECURE",
        "MAILNAME",
        "MASQUERADE",
        "SPOOLDIR",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    match files.read(FILE) {
        Ok(text) => MailFound::Said(mail(&text, facts).into_iter().collect()),
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            MailFound::Nothing
        }
    }
}

fn mail(text: &Text, facts: &mut Facts) -> Option<Mail> {
    let (mut smarthost, mut port): (Option<Read<&str>>, _) = (None, None);
    let (mut login, mut secure, mut start_tls, mut if_offered) = (false, false, false, false);
    for (line, content) in text.lines() {
        let content = content.split('#').next().unwrap_or_default().trim_end();
        let (keyword, value) = content.split_once([' ', '\t']).unwrap_or((content, ""));
        let (value, at) = (value.trim(), text.at(line));
        match keyword {
            "" if value.trim().is_empty() => {}
            "" => facts.note(at, "dma passes over a line that begins with white space", MISSING),
            "SMARTHOST" if value.is_empty() => {}
            "SMARTHOST" => smarthost = Some(Read { value, at }),
            "PORT" => match parse_port(value) {
                Ok(number) => port = Some(number),
                Err(reason) => facts.note(at, reason, MISSING),
            },
            "AUTHPATH" => login = !value.is_empty(),
            "SECURETRANSFER" => secure = true,
            "STARTTLS" => start_tls = true,
            "OPPORTUNISTIC_TLS" => if_offered = true,
            other if CONSTRUCTS.reading(other) == Reading::Unknown => {
                let value = format!("there is no `{other}`");
                facts.refused.push(RefusedLine::of("dma", Read { value, at }));
            }
            other => CONSTRUCTS.meet(other, at, facts),
        }
    }
    let tls = match (secure, start_tls) {
        (true, true) if if_offered => MailTls::IfOffered,
        (true, true) => MailTls::StartTls,
        (true, false) => MailTls::FromStart,
        (false, _) => MailTls::No,
    };
    let (to, at) = match smarthost {
        None => (MailTo::Receivers, At::file(&text.file)),
        Some(Read { value, at }) => match host(value, port) {
            Ok(place) => (MailTo::Relay { place, by_mx: false }, at),
            Err(reason) => {
                facts.note(at, reason, MISSING);
                return None;
            }
        },
    };
    Some(Mail { tls, login, ..Mail::of("dma", to, at) })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::super::testing::{Cell, Speaks, program};
    use super::super::tests::found;
    use super::*;

    fn told(conf: &str) -> (String, Vec<String>) {
        found(&[(FILE, conf), ("/usr/sbin/dma", "")])
    }

    #[test]
    fn each_setting_of_dmas_manual_was_decided() {
        let page = program("dma").with_file_name("../share/man/man8/dma.8.gz");
        let output = std::process::Command::new("gzip").arg("-dc").arg(page).output().unwrap();
        let manual = String::from_utf8(output.stdout).unwrap();
        let items = manual.lines().filter_map(|line| line.strip_prefix(".It Ic "));
        let names: Vec<&str> = items.filter_map(|item| item.split(' ').next()).collect();
        assert!(names.contains(&"SMARTHOST") && names.len() > 10, "{names:?}");
        // The manual has one by its beginning, and of one says that it is another word.
        let is_open = |name: &&&str| {
            let whole = match **name {
                "SECURETRANS" => "SECURETRANSFER",
                "SECURE" => "INSECURE",
                name => name,
            };
            CONSTRUCTS.reading(whole) == super::super::super::constructs::Reading::Unknown
        };
        let open: Vec<&&str> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn a_smarthost_has_a_port_and_a_way_of_tls() {
        for (conf, want) in [
            (
                "SMARTHOST relay.example\nPORT 587\nSECURETRANSFER\nSTARTTLS\n",
                "relay.example:587, STARTTLS, /etc/dma/dma.conf:1",
            ),
            (
                "SMARTHOST relay.example\nSECURETRANSFER\nSTARTTLS\nOPPORTUNISTIC_TLS\n",
                "relay.example, TLS if offered, /etc/dma/dma.conf:1",
            ),
            (
                "#SMARTHOST a\nPORT 465\nSECURETRANSFER\nSMARTHOST b.example # x\nAUTHPATH /etc/dma/auth.conf\n",
                "b.example:465, TLS from start login, /etc/dma/dma.conf:4",
            ),
            ("PORT 25\n", "direct, no TLS, /etc/dma/dma.conf"),
        ] {
            assert_eq!(told(conf), (format!("dma {want}"), vec![]), "{conf}");
        }
    }

    #[test]
    fn a_word_it_does_not_know_ends_it() {
        let (dir, files) =
            super::super::super::testing::tree(&[(FILE, "SMARTHOST a\nSMARTPORT 5\n")]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        drop(dir);
        let refused: Vec<_> = facts.refused.iter().map(|line| line.reason.as_str()).collect();
        assert_eq!(refused, ["there is no `SMARTPORT`"]);
    }

    /// To whom dma goes with this file, and how; none: it goes nowhere.
    fn theirs(conf: &str) -> Option<String> {
        let dma = program("dma");
        Cell::run(&[(FILE, conf), ("/etc/mailname", "p.corp.example\n")], move |cell| {
            for port in [25, 465, 587, 2525] {
                cell.listen(&format!("192.0.2.1:{port}"), Speaks::Smtp);
            }
            let spool = "mount -t tmpfs -o mode=777 none /var/spool && mkdir -m 777 /var/spool/dma && exec \"$0\" -D a@elsewhere.test";
            let mut command = Command::new("timeout");
            command.args(["5", "sh", "-c", spool]).arg(dma).stdin(Stdio::null());
            let ended = command.stderr(Stdio::null()).status().unwrap();
            if ended.code() == Some(78) {
                return None;
            }
            let visit = cell.visit(0)?;
            let said = |word: &str| visit.said.iter().any(|line| line.starts_with(word));
            let tls = match (said("STARTTLS"), said("MAIL")) {
                (true, true) => "TLS if offered",
                (true, false) => "STARTTLS",
                (false, true) => "no TLS",
                (false, false) => "TLS from start",
            };
            Some(format!("{}, {tls}", visit.to))
        })
    }

    #[test]
    fn dma_goes_where_we_say() {
        for conf in [
            "SMARTHOST 192.0.2.1\n",
            "SMARTHOST 192.0.2.1\nPORT 2525 # x\n",
            "SMARTHOST 192.0.2.1\nPORT 587\nSECURETRANSFER\nSTARTTLS\n",
            "SMARTHOST 192.0.2.1\nSECURETRANSFER\nSTARTTLS\nOPPORTUNISTIC_TLS\n",
            "PORT 465\nSECURETRANSFER\n# x\nSMARTHOST\t192.0.2.1\n",
            "  PORT 465\nSMARTHOST 192.0.2.1\n",
            "SMARTHOST 192.0.2.1\nSTARTTLS\n",
            "SMARTHOST 203.0.113.1\nSMARTHOST 192.0.2.1\nPORT 25\nPORT 587\n",
            "SMARTHOST 192.0.2.1\nSMARTPORT 5\n",
            "SMARTHOST 192.0.2.1\nsmarthost x\n",
        ] {
            let (_dir, files) = super::super::super::testing::tree(&[(FILE, conf)]);
            let mut facts = Facts::default();
            let MailFound::Said(mail) = read(&files, &mut facts) else { panic!("{conf}") };
            let way = mail.first().filter(|_| facts.refused.is_empty());
            let ours = way.map(|way| {
                let place = way.relay().unwrap();
                let tls = match way.tls {
                    MailTls::No => "no TLS",
                    MailTls::IfOffered => "TLS if offered",
                    MailTls::StartTls => "STARTTLS",
                    MailTls::FromStart => "TLS from start",
                };
                format!("{}:{}, {tls}", place.host, place.port.unwrap_or(25))
            });
            assert_eq!(ours, theirs(conf), "{conf}");
        }
    }
}
