//! subscription-manager: where does a machine of Red Hat's hold its subscription?
//!
//! `[server]` names the host it registers with, and the proxy it goes through; the
//! repositories it writes into `redhat.repo` are dnf's. Its server has a certificate of
//! Red Hat's own authority and asks for one, so its port is all that can be asked.
//!
//! Reference: rhsm.conf(5).

use secrecy::SecretString;

use super::super::constructs::Constructs;
use super::super::facts::{Read, Route};
use super::super::lines::{Continued, IniLine, ini};
use super::super::route::{Address, exceptions, exempts};
use super::super::{Facts, Files};
use super::{MISSING, MISSING_PROXY, RepositoryAddress};

const FILE: &str = "/etc/rhsm/rhsm.conf";
/// The key and certificate a registered machine has.
const IDENTITY: &str = "/etc/pki/consumer/cert.pem";

/// Of `[server]`; other sections say where its files are.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "subscription-manager",
    files: "rhsm.conf: [server]",
    missing: MISSING,
    understood: &[
        "hostname",
        "no_proxy",
        "port",
        "prefix",
        "proxy_hostname",
        "proxy_password",
        "proxy_port",
        "proxy_scheme",
        "proxy_user",
    ],
    noted: &[],
    aside: &["insecure", "server_timeout", "ssl_verify_depth"],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let text = match files.read(FILE) {
        Ok(text) => text,
        Err(why) => return facts.unread(FILE, &why, MISSING),
    };
    let entries = ini(&text, Continued::ByIndent);
    let server: Vec<&IniLine<'_>> =
        entries.iter().filter(|entry| entry.section == "server" && !entry.continues).collect();
    for entry in &server {
        CONSTRUCTS.meet(&entry.key.to_ascii_lowercase(), text.at(entry.line), facts);
    }
    let value = |key: &str| -> Option<Read<String>> {
        let entry = server
            .iter()
            .rfind(|entry| entry.key.eq_ignore_ascii_case(key) && !entry.value.is_empty())?;
        Some(Read { value: entry.value.to_owned(), at: text.at(entry.line) })
    };
    let word = |key: &str| value(key).map(|read| read.value).unwrap_or_default();
    let Some(host) = value("hostname") else { return };
    let port = value("port").map_or_else(|| "443".to_owned(), |port| port.value);
    let prefix = value("prefix").map_or_else(|| "/subscription".to_owned(), |it| it.value);
    let proxy = value("proxy_hostname").and_then(|proxy| {
        let scheme = value("proxy_scheme").map_or_else(|| "http".to_owned(), |it| it.value);
        let port = value("proxy_port").map_or_else(|| "3128".to_owned(), |port| port.value);
        let Some(address) = Address::parse(&format!("{scheme}://{}:{port}", proxy.value)) else {
            let reason = "proxy_hostname and proxy_port are no address of a proxy";
            facts.note(proxy.at, reason, MISSING_PROXY);
            return None;
        };
        let mut setting = address.setting("subscription-manager", None, proxy.at);
        setting.user = Some(word("proxy_user")).filter(|user| !user.is_empty());
        setting.password =
            value("proxy_password").map(|password| SecretString::from(password.value));
        Some(setting)
    });
    let except = value("no_proxy").map(|list| exceptions(&list.value, &list.at));
    let certificate = Some(Read { value: IDENTITY.to_owned(), at: host.at.clone() });
    let address = format!("https://{}:{port}{prefix}", host.value);
    RepositoryAddress {
        name: "subscription",
        address: &address,
        file: None,
        at: host.at,
        certificate,
    }
    .tell(facts, |url| {
        let except = except.iter().flatten().find(|except| exempts(&except.value, url));
        match (proxy, except) {
            (Some(_), Some(except)) => {
                Some(Route::Straight { token: except.value.clone(), at: except.at.clone() })
            }
            (proxy, _) => proxy.map(Route::Proxy),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::constructs::Reading;
    use super::super::tests::found;
    use super::*;

    #[test]
    fn the_server_is_asked_through_its_own_proxy() {
        let conf = "# comment\n[server]\nhostname = subscription.example.com\nport = 443\n\
            proxy_scheme = http\nproxy_hostname = proxy.example.com\nproxy_port = 3128\n\
            proxy_user = u\nproxy_password = hunter2\nno_proxy =\n[rhsm]\n\
            baseurl = https://cdn.example.com\nrepo_ca_cert = %(ca_cert_dir)sredhat-uep.pem\n";
        let (repositories, notes) = found(&[(FILE, conf)]);
        let want = "subscription https://subscription.example.com/subscription /etc/rhsm/rhsm.conf:3 \
             through http://proxy.example.com:3128/ as u (/etc/rhsm/rhsm.conf:6) \
             with /etc/pki/consumer/cert.pem";
        assert_eq!((repositories, notes), (vec![want.to_owned()], vec![]));
    }

    /// The keys of `[server]` in the defaults of subscription-manager (`src/rhsm/config.py` of its source, 1.29).
    const KEYS: &str = "hostname prefix port server_timeout insecure ssl_verify_depth \
        proxy_hostname proxy_user proxy_port proxy_password proxy_scheme no_proxy";

    #[test]
    fn each_key_of_the_server_was_decided() {
        for name in KEYS.split_whitespace() {
            assert_ne!(CONSTRUCTS.reading(name), Reading::Unknown, "{name}");
        }
    }

    #[test]
    fn keys_are_read_in_any_case() {
        let conf = "[server]\nHostname = rhsm.corp.example\nProxy_Hostname = p\n";
        let (repositories, notes) = found(&[(FILE, conf)]);
        assert!(
            repositories[0].starts_with("subscription https://rhsm.corp.example/"),
            "{repositories:?}"
        );
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn an_exception_and_what_nobody_knows() {
        let conf = "[server]\nhostname=rhsm.corp.example\nproxy_hostname=p\n\
            no_proxy=.corp.example\nrelay=x\n";
        let (repositories, notes) = found(&[(FILE, conf)]);
        assert!(repositories[0].contains(" straight, .corp.example ("), "{repositories:?}");
        let unknown = "`relay` is nothing of subscription-manager that preflight knows; \
            it may move a peer";
        assert_eq!(notes, [format!("{FILE}:5: {unknown}")]);
    }
}
