//! ssmtp: `/etc/ssmtp/ssmtp.conf`, and `revaliases` with a hub for some users.
//!
//! Reference: ssmtp.conf(5).

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Read, Share};
use super::super::lines::host;
use super::super::{At, Facts, Files, Text};
use super::{MISSING, MailFound};
use crate::site::parse_port;

const FILE: &str = "/etc/ssmtp/ssmtp.conf";
const OF_USERS: &str = "/etc/ssmtp/revaliases";
/// The hub when none is set, as the program has it; its manual says nothing of it.
const USUAL: &str = "mailhub";

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "ssmtp",
    files: "ssmtp.conf, revaliases",
    missing: MISSING,
    understood: &["authuser", "mailhub", "remoteport", "usestarttls", "usetls"],
    noted: &[],
    aside: &[
        "addheader",
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
        "useoldauth",
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
    let mut port = None;
    let last = text.lines().count();
    let (mut tls, mut start_tls, mut login) = (false, false, false);
    for (line, content) in text.lines() {
        let at = text.at(line);
        let is_last = line == last && !text.text.ends_with('\n');
        let Some((key, value, more)) = setting(content, is_last) else {
            if !content.trim_start().is_empty() && !content.trim_start().starts_with('#') {
                facts.note(at, UNREAD, MISSING);
            }
            continue;
        };
        let is_yes = value.eq_ignore_ascii_case("yes");
        match key.to_ascii_lowercase().as_str() {
            "mailhub" => {
                hub = Read { value, at: at.clone() };
                port = more.map(|more| Read { value: more, at }).or(port);
            }
            "remoteport" => port = Some(Read { value, at }),
            "usetls" => (tls, start_tls) = (is_yes, is_yes && start_tls),
            "usestarttls" => (tls, start_tls) = (tls || is_yes, is_yes),
            // An empty name logs in, too.
            "authuser" => login = true,
            other => CONSTRUCTS.meet(other, at, facts),
        }
    }
    let tls = match (tls, start_tls) {
        (_, true) => MailTls::StartTls,
        (true, false) => MailTls::FromStart,
        (false, false) => MailTls::No,
    };
    let at = hub.at.clone();
    let to = relay(&hub, port.as_ref(), facts);
    Mail { tls, login, ..Mail::of("ssmtp", to, at) }
}

/// What a line sets, as ssmtp takes it apart: at the first `=`, blank or tab, of which none may
/// stand around the `=`; a number behind a colon is a port. A word that ends with the line, at a
/// comment or where the file ends without a newline, is passed over.
fn setting(content: &str, is_cut: bool) -> Option<(&str, &str, Option<&str>)> {
    let (said, is_cut) = match content.split_once('#') {
        Some((said, _)) => (said, true),
        None => (content, is_cut),
    };
    if !said.contains('=') {
        return None;
    }
    let (key, rest) = said.split_once(['=', ' ', '\t'])?;
    let end = |text: &str| text.find(['=', ' ', '\t', ':']);
    let (value, more) = match end(rest) {
        Some(end) => (rest.get(..end)?, rest.get(end..)?.strip_prefix(':')),
        None if is_cut => return None,
        None => (rest, None),
    };
    let more = more.map(|more| end(more).and_then(|end| more.get(..end)).unwrap_or(more));
    (!key.is_empty()).then_some((key, value, more))
}

/// Why a line that says something says nothing to ssmtp.
const UNREAD: &str = "ssmtp passes this line over: it takes `name=value`, \
    without a blank before the name or a `#` right behind the value, and with a newline at its end";

/// `root:user@example.com:hub.example.com:587`
fn of_users(text: &Text, usual: &Mail, facts: &mut Facts) -> Vec<Mail> {
    // A port that was set for all counts here, too.
    let usual_port = usual.relay().and_then(|place| place.port).map(|port| port.to_string());
    let usual_port = usual_port.as_deref().map(|value| Read { value, at: usual.at.clone() });
    let entry = |(line, content): (usize, &str)| {
        let mut parts = said(content).splitn(3, ':');
        let (user, _address, value) = (parts.next()?, parts.next()?, parts.next()?);
        let at = text.at(line);
        let (value, port) =
            value.split_once(':').map_or((value, None), |(host, port)| (host, Some(port)));
        let port = port.map(|port| Read { value: port, at: at.clone() }).or(usual_port.clone());
        let to = relay(&Read { value, at: at.clone() }, port.as_ref(), facts);
        let share = Share::Some(format!("from {user}"));
        Some(Mail { to, share, at, ..usual.clone() })
    };
    text.lines().filter_map(entry).collect()
}

/// A line without its comment, which begins with a `#` anywhere.
fn said(content: &str) -> &str {
    content.split('#').next().unwrap_or_default().trim()
}

/// ssmtp knows ports as numbers only, and no address in brackets.
fn relay(hub: &Read<&str>, port: Option<&Read<&str>>, facts: &mut Facts) -> MailTo {
    let port = match port.map(|port| (parse_port(port.value), port)) {
        None => None,
        Some((Ok(port), _)) => Some(port),
        Some((Err(reason), port)) => {
            facts.note(port.at.clone(), reason, MISSING);
            return MailTo::Receivers;
        }
    };
    let place = match hub.value {
        "" => Err("the hub is empty: ssmtp takes no blank around the `=`".to_owned()),
        value if value.starts_with('[') => Err("ssmtp takes no brackets".to_owned()),
        value => host(value, port),
    };
    match place {
        Ok(place) => MailTo::Relay { place, by_mx: false },
        Err(reason) => {
            facts.note(hub.at.clone(), reason, MISSING);
            MailTo::Receivers
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{Cell, Speaks, program, tree};
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
    fn what_ssmtp_passes_over_is_noted() {
        for line in
            ["MailHub relay.example", " MailHub=relay.example", "MailHub=relay.example#ours"]
        {
            let conf = format!("{line}\n");
            let (ways, notes) = found(&[(FILE, conf.as_str()), ("/usr/sbin/ssmtp", "")]);
            assert_eq!(ways, "ssmtp mailhub, no TLS, /etc/ssmtp/ssmtp.conf", "{line}");
            assert_eq!(notes, [format!("{FILE}:1: {UNREAD}")], "{line}");
        }
    }

    /// Whom ssmtp connects to with this file, and how TLS begins.
    fn theirs(conf: &str) -> Option<String> {
        let ssmtp = program("ssmtp");
        let conf = conf.to_owned();
        let hosts = "127.0.0.1 localhost\n192.0.2.1 hub.test relay.test mail mailhub\n";
        let files = [(FILE, conf.as_str()), ("/etc/hosts", hosts)];
        Cell::run(&files, move |cell| {
            for port in [25, 26, 465, 587, 2_525] {
                cell.listen(&format!("192.0.2.1:{port}"), Speaks::Smtp);
            }
            let mut command = Command::new("timeout");
            command
                .args(["3"])
                .arg(ssmtp)
                .arg(format!("-C{FILE}"))
                .args(["-f", "a@b.test", "c@d.test"]);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(b"Subject: x\n\nx\n").unwrap();
            child.wait().unwrap();
            let visit = cell.heard().first().cloned()?;
            let first = visit.said.first().map(String::as_str);
            let is_tls = first.is_none_or(|line| !line.contains(' '));
            let starts = visit.said.iter().any(|line| line == "STARTTLS");
            let tls = if starts {
                "STARTTLS"
            } else if is_tls {
                "TLS from start"
            } else {
                "no TLS"
            };
            Some(format!("{}, {tls}", visit.to.port()))
        })
    }

    #[test]
    fn ssmtp_sends_where_we_say() {
        for conf in [
            "MailHub=hub.test\n",
            "MailHub hub.test\n",
            "mailhub=hub.test:587\n",
            "mailhub=hub.test\nRemotePort=2525\n",
            "RemotePort=2525\nmailhub=hub.test:587\n",
            "mailhub=hub.test:587\nRemotePort=2525\n",
            "mailhub = hub.test : 587\n",
            "mailhub=hub.test 587\n",
            "mailhub=hub.test:26\nmailhub=relay.test\n",
            "mailhub=hub.test\nUseTLS=yes\n",
            "mailhub=hub.test:465\nUseTLS=YES\nUseSTARTTLS=no\n",
            "mailhub=hub.test\nUseSTARTTLS=YES\nUseTLS=no\n",
            "mailhub=hub.test\nUseTLS=no\nUseSTARTTLS=YES # x\n",
            "mailhub=hub.test\nUseSTARTTLS = YES\n",
            "mailhub=hub.test # ours\n",
            "mailhub=hub.test#ours\nRoot=postmaster\n",
            "mailhub=hub.test:submission\n",
            "mailhub=\n",
            "mailhub=hub.test",
            "mailhub=[192.0.2.1]:587\n",
            "mailhub=\"hub.test\"\n",
        ] {
            let (_dir, files) = tree(&[(FILE, conf)]);
            let MailFound::Said(ways) = read(&files, &mut Facts::default()) else {
                panic!("{conf}")
            };
            let ours = ways.first().and_then(|way| {
                let port = way.relay()?.port.unwrap_or(25);
                let tls = match way.tls {
                    MailTls::StartTls => "STARTTLS",
                    MailTls::FromStart => "TLS from start",
                    MailTls::No | MailTls::IfOffered => "no TLS",
                };
                Some(format!("{port}, {tls}"))
            });
            assert_eq!(ours, theirs(conf), "{conf}");
        }
    }

    /// What ssmtp logs once a setting is made names each of them.
    #[test]
    fn each_setting_that_ssmtp_has_was_decided() {
        let bytes = std::fs::read(program("ssmtp")).unwrap();
        let words =
            bytes.split(|&byte| byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
        let names = words.filter_map(|word| Some(word.strip_prefix("Set ")?.split_once("=\"")?.0));
        let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
        assert!(names.len() > 10, "{names:?}");
        let is_open = |name: &&String| CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<&String> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn without_a_hub_it_is_the_host_mailhub() {
        let (ways, notes) = found(&[(FILE, "UseTLS=yes\nFrobnicate=1\n"), ("/usr/sbin/ssmtp", "")]);
        assert_eq!(ways, "ssmtp mailhub, TLS from start, /etc/ssmtp/ssmtp.conf");
        let note = "`frobnicate` is nothing of ssmtp that preflight knows; it may move a peer";
        assert_eq!(notes, [format!("/etc/ssmtp/ssmtp.conf:2: {note}")]);
    }
}
