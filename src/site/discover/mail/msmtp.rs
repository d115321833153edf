//! msmtp: `/etc/msmtprc`.
//!
//! Settings stand below `defaults` or below an account, which takes over the defaults
//! so far and those of the accounts named after a colon; `default` is the one used.
//!
//! Reference: msmtp(1), configuration files.

use std::collections::BTreeMap;

use super::super::constructs::Constructs;
use super::super::facts::{Mail, MailTls, MailTo, Read};
use super::super::lines::host;
use super::super::{At, Facts, Files, Text};
use super::{Found, MISSING};
use crate::site::{Place, parse_port};

const FILE: &str = "/etc/msmtprc";
/// Where the users keep theirs who send notifications: it goes before that of the machine.
const OF_USERS: [&str; 3] =
    ["/var/lib/centreon-engine/.msmtprc", "/var/spool/centreon/.msmtprc", "/root/.msmtprc"];

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "msmtp",
    files: "msmtprc",
    missing: MISSING,
    understood: &["account", "auth", "defaults", "host", "port", "tls", "tls_starttls"],
    noted: &[
        ("protocol", "may speak LMTP"),
        ("proxy_host", "goes through a SOCKS proxy"),
        ("proxy_port", "goes through a SOCKS proxy"),
        ("socket", "goes through a socket of this machine"),
        ("source_ip", "gives connections another source address"),
    ],
    aside: &[
        "add_missing_*",
        "aliases",
        "allow_from_override",
        "auto_from",
        "domain",
        "dsn_*",
        "eval",
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

pub(super) fn read(files: &Files, facts: &mut Facts) -> Found {
    let text = match files.read(FILE) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(FILE, &why, MISSING);
            return Found::Nothing;
        }
    };
    for path in OF_USERS {
        if files.exists(path) {
            facts.note(At::file(path), "this user's own file goes before the machine's", MISSING);
        }
    }
    for (line, content) in text.lines() {
        let key = content.split_whitespace().next().unwrap_or_default();
        if !key.is_empty() && !key.starts_with('#') && content.trim() != "protocol smtp" {
            CONSTRUCTS.meet(key, text.at(line), facts);
        }
    }
    match mail(&text) {
        Ok(mail) => Found::Said(vec![mail]),
        Err((at, reason)) => {
            facts.note(at, reason, MISSING);
            Found::Said(Vec::new())
        }
    }
}

/// The relay of the account that is used.
fn mail(text: &Text) -> Result<Mail, (At, String)> {
    let whole = || At::file(&text.file);
    let account = parse(text).ok_or_else(|| (whole(), "there is no account in it".to_owned()))?;
    let name =
        account.host.as_ref().ok_or_else(|| (whole(), "no account has a host".to_owned()))?;
    let at = name.at.clone();
    let relay = account.place(&name.value).map_err(|reason| (at.clone(), reason))?;
    let (tls, login) = (account.when_tls(), account.login);
    let to = MailTo::Relay { place: relay, by_mx: false };
    Ok(Mail { tls, login, ..Mail::of("msmtp", to, at) })
}

#[derive(Clone, Debug)]
struct Account {
    host: Option<Read<String>>,
    port: Option<String>,
    tls: bool,
    start_tls: bool,
    login: bool,
}

impl Default for Account {
    fn default() -> Self {
        Self { host: None, port: None, tls: false, start_tls: true, login: false }
    }
}

impl Account {
    fn set(&mut self, key: &str, value: &str, at: At) {
        // `on` may be left out: `tls` alone switches it on.
        let is_on = value != "off";
        match key {
            "host" => self.host = Some(Read { value: value.to_owned(), at }),
            "port" => self.port = Some(value.to_owned()),
            "tls" => self.tls = is_on,
            "tls_starttls" => self.start_tls = is_on,
            "auth" => self.login = is_on,
            _ => {}
        }
    }

    fn when_tls(&self) -> MailTls {
        match (self.tls, self.start_tls) {
            (false, _) => MailTls::No,
            (true, true) => MailTls::StartTls,
            (true, false) => MailTls::FromStart,
        }
    }

    /// Port 465 when TLS begins at once and nothing else was said.
    fn place(&self, name: &str) -> Result<Place, String> {
        let port = self.port.as_deref().map(parse_port).transpose()?;
        host(name, port.or((self.when_tls() == MailTls::FromStart).then_some(465)))
    }
}

/// The account `default`, or else the first.
fn parse(text: &Text) -> Option<Account> {
    let mut accounts: BTreeMap<&str, Account> = BTreeMap::new();
    let (mut defaults, mut current, mut first) = (Account::default(), None, None);
    for (line, content) in text.lines() {
        let content = content.trim();
        let (key, value) = content.split_once(char::is_whitespace).unwrap_or((content, ""));
        let value = value.trim().trim_matches('"');
        match key {
            _ if key.starts_with('#') => {}
            "defaults" => current = None,
            "account" => {
                if accounts.len() >= MOST_ACCOUNTS {
                    break;
                }
                let (name, parents) = value.split_once(':').unwrap_or((value, ""));
                let account = inherited(&defaults, parents, &accounts);
                accounts.insert(name.trim(), account);
                current = Some(name.trim());
                first = first.or(current);
            }
            _ => match current {
                None => defaults.set(key, value, text.at(line)),
                Some(name) => {
                    accounts.entry(name).or_default().set(key, value, text.at(line));
                }
            },
        }
    }
    accounts.remove("default").or_else(|| accounts.remove(first?))
}

/// The defaults, or the account it copies; of several the last counts.
fn inherited(defaults: &Account, parents: &str, accounts: &BTreeMap<&str, Account>) -> Account {
    let copied = parents.rsplit(',').find_map(|name| accounts.get(name.trim()));
    copied.unwrap_or(defaults).clone()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile};
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

    #[test]
    fn without_a_default_the_first_account_counts() {
        let conf = "account a\nhost \"a.example\"\ntls\ntls_starttls off\naccount b\nhost b\n";
        assert_eq!(found(&[(FILE, conf)]).0, "msmtp a.example:465, TLS from start, /etc/msmtprc:2");
    }

    #[test]
    fn an_account_without_a_host_is_noted() {
        for (conf, note) in [
            ("defaults\ntls on\n", "/etc/msmtprc: there is no account in it"),
            ("account default\nport 25\n", "/etc/msmtprc: no account has a host"),
            ("account a\nhost a/b\n", "/etc/msmtprc:2: `/` has no place in a host name"),
        ] {
            assert_eq!(found(&[(FILE, conf)]), ("none".to_owned(), vec![note.to_owned()]));
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
