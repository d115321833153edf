//! msmtp: `/etc/msmtprc`.
//!
//! Settings stand below `defaults` or below an account, which takes over the defaults
//! so far and what is set in the accounts named after a colon; `default` is the one used, and
//! what stands before the first of both belongs to it. A line it does not know ends the program.
//!
//! Reference: msmtp(1), configuration files.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::constructs::{Constructs, Reading};
use super::super::facts::{Mail, MailTls, MailTo, Read, RefusedLine};
use super::super::lines::host;
use super::super::{At, Facts, Files, Text};
use super::{MISSING, MailFound};
use crate::site::{Place, parse_port};

const FILE: &str = "/etc/msmtprc";
/// Where the users keep theirs who send notifications: it goes before that of the machine.
const OF_USERS: [&str; 3] =
    ["/var/lib/centreon-engine/.msmtprc", "/var/spool/centreon/.msmtprc", "/root/.msmtprc"];

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "msmtp",
    files: "msmtprc",
    missing: MISSING,
    understood: &[
        "account",
        "auth",
        "defaults",
        "host",
        "port",
        "source_ip",
        "tls",
        "tls_starttls",
    ],
    noted: &[
        ("eval", "runs a program that makes settings"),
        ("protocol", "may speak LMTP"),
        ("proxy_host", "goes through a SOCKS proxy"),
        ("proxy_port", "goes through a SOCKS proxy"),
        ("socket", "goes through a socket of this machine"),
    ],
    aside: &[
        "add_missing_*",
        "aliases",
        "allow_from_override",
        "auto_from",
        "connect_timeout",
        "domain",
        "dsn_*",
        "from",
        "from_full_name",
        "keepbcc",
        "logfile",
        "logfile_time_format",
        "maildomain",
        "ntlmdomain",
        "password",
        "passwordeval",
        "remove_bcc_headers",
        "set_*",
        "syslog",
        "timeout",
        "tls_*",
        "undisclosed_recipients",
        "user",
    ],
};
const MOST_ACCOUNTS: usize = 64;
/// The account that is used where no other is asked for.
const DEFAULT: &str = "default";

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    for path in OF_USERS.iter().filter(|path| files.size(path).is_ok()) {
        let reason = "this user's own file goes before the machine's, and is not read";
        facts.note(At::file(path), reason, MISSING);
    }
    let text = match files.read(FILE) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            return MailFound::Nothing;
        }
    };
    for (line, content) in text.lines() {
        let (key, value) = command(content);
        let is_usual = key == "protocol" && value == "smtp";
        if !key.is_empty() && !is_usual && CONSTRUCTS.reading(key) != Reading::Unknown {
            CONSTRUCTS.meet(key, text.at(line), facts);
        }
    }
    match mail(&text) {
        Ok(mail) => MailFound::Said(vec![mail]),
        Err(Wrong::Line(line)) => {
            facts.refused.push(RefusedLine::of("msmtp", line));
            MailFound::Said(Vec::new())
        }
        Err(Wrong::Host(line)) => {
            facts.note(line.at, line.value, MISSING);
            MailFound::Said(Vec::new())
        }
    }
}

/// Why no relay can be told.
#[derive(Debug)]
enum Wrong {
    /// The program refuses this line, and why.
    Line(Read<String>),
    /// The relay is none, and why.
    Host(Read<String>),
}

/// The word in front, and its argument without the quotes around it.
fn command(line: &str) -> (&str, &str) {
    let line = line.trim();
    if line.starts_with('#') {
        return ("", "");
    }
    let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let value = value.trim();
    let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    (key, inside.unwrap_or(value))
}

/// The relay of the account that is used.
fn mail(text: &Text) -> Result<Mail, Wrong> {
    let nobody = |reason: &str| {
        let reason = MailTo::Nobody(reason.to_owned());
        Mail { tls: MailTls::No, ..Mail::of("msmtp", reason, At::file(&text.file)) }
    };
    let Some(account) = parse(text).map_err(Wrong::Line)? else {
        return Ok(nobody("msmtp has no account `default`"));
    };
    let Some(name) = account.host.as_ref() else {
        return Ok(nobody("its account `default` has no host"));
    };
    let at = name.at.clone();
    let place =
        host(&name.value, None).map_err(|value| Wrong::Host(Read { value, at: at.clone() }))?;
    let tls = account.when_tls();
    // Port 465 when TLS begins at once and nothing else was said.
    let port = account.port.or((tls == MailTls::FromStart).then_some(465));
    let to = MailTo::Relay { place: Place { port, ..place }, by_mx: false };
    let login = account.login.unwrap_or(false);
    Ok(Mail { tls, login, from: account.from.into_iter().collect(), ..Mail::of("msmtp", to, at) })
}

/// What one account, or all of them so far, are told; none: nothing.
#[derive(Clone, Debug, Default)]
struct MailAccount {
    host: Option<Read<String>>,
    port: Option<u16>,
    tls: Option<bool>,
    start_tls: Option<bool>,
    login: Option<bool>,
    from: Option<IpAddr>,
}

impl MailAccount {
    /// What `other` says goes before what this one says.
    fn under(self, other: Self) -> Self {
        Self {
            host: other.host.or(self.host),
            port: other.port.or(self.port),
            tls: other.tls.or(self.tls),
            start_tls: other.start_tls.or(self.start_tls),
            login: other.login.or(self.login),
            from: other.from.or(self.from),
        }
    }

    fn set(&mut self, key: &str, value: &str, at: At) -> Result<(), String> {
        let needed = || format!("`{key}` needs a value");
        // `on` may be left out: `tls` alone switches it on.
        let switch = match value {
            "" | "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("`{key}` takes no `{other}`")),
        };
        match key {
            "host" if value.is_empty() => return Err(needed()),
            "host" => self.host = Some(Read { value: value.to_owned(), at }),
            "port" => self.port = Some(parse_port(value)?),
            "tls" => self.tls = Some(switch?),
            "tls_starttls" => self.start_tls = Some(switch?),
            "auth" => self.login = Some(value != "off"),
            "source_ip" if value.is_empty() => self.from = None,
            "source_ip" => self.from = value.parse().ok(),
            known if CONSTRUCTS.reading(known) != Reading::Unknown => {}
            other => return Err(format!("there is no `{other}`")),
        }
        Ok(())
    }

    fn when_tls(&self) -> MailTls {
        match (self.tls.unwrap_or(false), self.start_tls.unwrap_or(true)) {
            (false, _) => MailTls::No,
            (true, true) => MailTls::StartTls,
            (true, false) => MailTls::FromStart,
        }
    }
}

/// An account as it is written: the defaults when it began, and what it is told itself.
#[derive(Clone, Debug, Default)]
struct Written {
    defaults: MailAccount,
    own: MailAccount,
}

/// The account `default`.
///
/// # Errors
///
/// The line for which msmtp ends, and why.
fn parse(text: &Text) -> Result<Option<MailAccount>, Read<String>> {
    let mut accounts: BTreeMap<&str, Written> = BTreeMap::new();
    let mut defaults = MailAccount::default();
    let mut current = Some(DEFAULT);
    for (line, content) in text.lines() {
        let (key, value) = command(content);
        let refuse = |value: String| Read { value, at: text.at(line) };
        match key {
            "" => {}
            "defaults" => current = None,
            "account" => {
                let (name, parents) = value.split_once(':').unwrap_or((value, ""));
                let name = name.trim();
                if name.is_empty() {
                    return Err(refuse("`account` needs a name".to_owned()));
                }
                if accounts.contains_key(name) {
                    return Err(refuse(format!("the account {name} is there already")));
                }
                let mut own = MailAccount::default();
                for parent in parents.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    let parent = accounts
                        .get(parent)
                        .ok_or_else(|| refuse(format!("the account {parent} is not there yet")))?;
                    own = own.under(parent.own.clone());
                }
                if accounts.len() < MOST_ACCOUNTS {
                    accounts.insert(name, Written { defaults: defaults.clone(), own });
                }
                current = Some(name);
            }
            _ => {
                let at = text.at(line);
                let set = match current {
                    None => defaults.set(key, value, at),
                    Some(name) => accounts.entry(name).or_default().own.set(key, value, at),
                };
                set.map_err(refuse)?;
            }
        }
    }
    Ok(accounts.remove(DEFAULT).map(|written| written.defaults.under(written.own)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile, program};
    use super::super::tests::found;
    use super::*;

    const SAMPLE: &str = "# System wide configuration\ndefaults\nport 587\ntls on\n\
        tls_trust_file /etc/ssl/certs/ca-certificates.crt\nlogfile /var/log/msmtp\n\n\
        account provider\nhost smtp.provider.example\nfrom poller@corp.example\nauth on\n\
        user poller\npassword hunter2\n\naccount local\nhost 10.0.0.25\nport 25\ntls off\n\n\
        account default : provider\n";

    #[test]
    fn the_default_account_takes_over_another() {
        let want = "msmtp smtp.provider.example:587, STARTTLS login, /etc/msmtprc:9";
        assert_eq!(found(&[(FILE, SAMPLE)]), (want.to_owned(), vec![]));
    }

    /// What `msmtp --pretend` says it would do: host, port, TLS, login, and with what it ended.
    fn theirs(conf: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("msmtprc");
        std::fs::write(&file, conf).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let mut command = std::process::Command::new(program("msmtp"));
        command.arg("-C").arg(file).args(["-P", "a@elsewhere.test"]).env("HOME", dir.path());
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let of = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.unwrap_or_default()
        };
        if !output.status.success() || of("host").is_empty() {
            return Err(String::from_utf8(output.stderr).unwrap());
        }
        let tls = match (of("tls"), of("tls_starttls")) {
            ("on", "on") => "STARTTLS",
            ("on", _) => "TLS from start",
            _ => "no TLS",
        };
        let login = if of("auth") == "none" { "" } else { " login" };
        Ok(format!("{}:{}, {tls}{login}", of("host"), of("port")))
    }

    fn ours(conf: &str) -> Result<String, String> {
        let mail = mail(&super::super::super::testing::text(FILE, conf));
        let mail = mail.map_err(|wrong| format!("{wrong:?}"))?;
        let MailTo::Relay { place, .. } = &mail.to else { return Err(format!("{:?}", mail.to)) };
        let tls = match mail.tls {
            MailTls::No => "no TLS",
            MailTls::StartTls => "STARTTLS",
            MailTls::FromStart => "TLS from start",
            MailTls::IfOffered => "TLS if offered",
        };
        let login = if mail.login { " login" } else { "" };
        Ok(format!("{}:{}, {tls}{login}", place.host, place.port.unwrap_or(25)))
    }

    #[test]
    fn a_file_means_what_msmtp_would_do() {
        for conf in [
            SAMPLE,
            "account a\nhost a.example\naccount b\nhost b.example\n",
            "host a.example\ntls\n",
            "account default\nhost a.example\ntls on\ntls_starttls off\n",
            "account default\nhost a.example\ntls on\ntls_starttls off\nport 4650\n",
            "account default\nhost a.example\nport 587\nauth on\nuser x\nfrom a@b\n",
            "defaults\ntls\nport 26\naccount p\nhost p.example\nauth login\nuser u\naccount default : p\n",
            "defaults\nport 587\naccount a\nhost a.example\ndefaults\nport 588\naccount default : a\n",
            "defaults\nport 587\naccount a\nhost a.example\naccount b\nport 26\naccount default : a, b\n",
            "account a\nhost a.example\nport 26\naccount b:a\ntls on\naccount default : b\n",
            "# x\n  account default\n\thost \"a.example\"\n port\t25\n",
            "account default\nhost a.example\nauth off\ntls off\n",
            // None of these sends mail.
            "account default\nhost a.example\nport submission\n",
            "account default\nhost a.example\nfrobnicate x\n",
            "account default\nhost a.example\ntls maybe\n",
            "account default\nhost\n",
            "account default\nhost a\naccount default\nhost b\n",
            "account default: x\nhost a.example\n",
            "account default\nport 25\n",
            "account\nhost a.example\n",
            "defaults\nhost a.example\n",
            "",
        ] {
            let (theirs, ours) = (theirs(conf), ours(conf));
            match (&theirs, &ours) {
                (Ok(theirs), Ok(ours)) => assert_eq!(theirs, ours, "{conf}"),
                (Err(_), Err(_)) => {}
                _ => panic!("{conf}: {theirs:?} {ours:?}"),
            }
        }
    }

    #[test]
    fn each_command_that_msmtp_has_was_decided() {
        let bytes = std::fs::read(program("msmtp")).unwrap();
        let is_word = |word: &&[u8]| {
            (2..=32).contains(&word.len())
                && word.iter().all(|b| b.is_ascii_lowercase() || *b == b'_')
        };
        let words: std::collections::BTreeSet<&[u8]> =
            bytes.split(|&b| b == 0).filter(is_word).collect();
        let words = words.into_iter().map(|word| std::str::from_utf8(word).unwrap());
        let is_command = |word: &str| match theirs(&format!("host a.example\n{word} x\n")) {
            Ok(_) => true,
            Err(said) => !said.contains("unknown command"),
        };
        let words: Vec<&str> = words.filter(|word| is_command(word)).collect();
        assert!(words.contains(&"tls_starttls") && words.len() > 30, "{words:?}");
        let open: Vec<&&str> =
            words.iter().filter(|word| CONSTRUCTS.reading(word) == Reading::Unknown).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn an_account_without_a_host_sends_nothing() {
        for (conf, ways, notes) in [
            (
                "defaults\ntls on\n",
                "msmtp nobody (msmtp has no account `default`), no TLS, /etc/msmtprc",
                vec![],
            ),
            (
                "account default\nport 25\n",
                "msmtp nobody (its account `default` has no host), no TLS, /etc/msmtprc",
                vec![],
            ),
            (
                "account default\nhost a/b\n",
                "none",
                vec!["/etc/msmtprc:2: `/` has no place in a host name"],
            ),
            (
                "host a\nsource_ip 10.0.0.7\neval x\nprotocol smtp\n",
                "msmtp a, no TLS from 10.0.0.7, /etc/msmtprc:1",
                vec![
                    "/etc/msmtprc:3: `eval` runs a program that makes settings, which is not read",
                ],
            ),
        ] {
            let notes: Vec<String> = notes.into_iter().map(str::to_owned).collect();
            assert_eq!(found(&[(FILE, conf)]), (ways.to_owned(), notes), "{conf}");
        }
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(FILE, SAMPLE, |text| {
            let shown = format!("{:?}", mail(text));
            assert!(!shown.contains("hunter2"), "{shown}");
        });
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(FILE, SAMPLE)) {
            drop(mail(&text));
        }
    }
}
