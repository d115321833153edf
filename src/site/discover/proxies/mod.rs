//! Proxies: what are programs of this machine told to use?
//!
//! Four variables, in a shell's environment and in that of services; wget and curl have
//! files of their own. As for curl, dnf
//! and apt, `HTTP_PROXY` in capitals is none: a web server sets it from a header of its
//! client. The others count in capitals when there is no small one. An empty variable
//! is as good as none.
//!
//! Reference: curl(1), environment; `pam_env(8)`; systemd.exec(5).

mod cron;
mod environment;
mod script;
pub(super) mod services;
pub(super) mod sudo;
pub(super) mod tools;

use std::collections::BTreeMap;

use super::facts::{At, ProxySetting};
use super::route::{Address, NO_PORT, exceptions};
use super::{Facts, Files};

const MISSING: &str = "the proxy";
const MISSING_PORT: &str = "the proxy's port";
/// Variables and the scheme of the URLs each is for; none: all.
const PROXIES: [(&str, Option<&str>); 3] =
    [("http_proxy", Some("http")), ("https_proxy", Some("https")), ("all_proxy", None)];
const EXCEPTIONS: &str = "no_proxy";

/// Finds the proxies of `environment`, which counts only on this machine itself, of the
/// files that make up a user's, and of services.
pub(super) fn read(
    files: &Files,
    environment: impl IntoIterator<Item = (String, String)>,
    facts: &mut Facts,
) {
    let mut process = ProxyVariables::default();
    if files.is_here() {
        for (name, value) in environment {
            process.set(&name, value, At::file(&format!("${name}")));
        }
    }
    let of_a_login = environment::read(files, facts);
    sudo::note_lost(files, &of_a_login, facts);
    let of_files = of_a_login.settings("environment", facts);
    let of_process = process.settings("environment", facts);
    // A login shell has them from those files, which say where.
    let own = of_process.into_iter().filter(|own| !of_files.iter().any(|file| is_same(own, file)));
    let own: Vec<ProxySetting> = own.collect();
    facts.proxies.extend(own);
    facts.proxies.extend(of_files);
    let of_users = environment::of_users(files, facts).settings("services of users", facts);
    facts.proxies.extend(of_users);
    services::read(files, facts);
    cron::read(files, facts);
    tools::read(files, facts);
}

fn is_same(one: &ProxySetting, other: &ProxySetting) -> bool {
    let tokens = |setting: &ProxySetting| -> Vec<String> {
        setting.except.iter().map(|except| except.value.clone()).collect()
    };
    (&one.url, &one.user, &one.scheme) == (&other.url, &other.user, &other.scheme)
        && tokens(one) == tokens(other)
}

/// The variables a program gets; no `Debug`, as values hold passwords.
#[derive(Clone, Default)]
struct ProxyVariables {
    by_name: BTreeMap<String, (String, At)>,
}

impl ProxyVariables {
    /// Is it one of ours, in small letters or capitals?
    fn knows(name: &str) -> bool {
        let known = || PROXIES.iter().map(|(name, _)| *name).chain([EXCEPTIONS]);
        known().any(|known| known == name || known.to_ascii_uppercase() == name)
    }

    fn set(&mut self, name: &str, value: String, at: At) {
        if Self::knows(name) {
            self.by_name.insert(name.to_owned(), (value, at));
        }
    }

    fn value(&self, name: &str) -> Option<&(String, At)> {
        self.by_name.get(name).filter(|(value, _)| !value.trim().is_empty())
    }

    /// The proxies these variables name to `program`.
    fn settings(&self, program: &str, facts: &mut Facts) -> Vec<ProxySetting> {
        let except = self.value(EXCEPTIONS).or_else(|| self.value("NO_PROXY"));
        let except = except.map(|(list, at)| exceptions(list, at)).unwrap_or_default();
        let mut settings = Vec::new();
        for (name, scheme) in PROXIES {
            let capitals = name.to_ascii_uppercase();
            let found = self
                .value(name)
                .or_else(|| self.value(&capitals).filter(|_| scheme != Some("http")));
            let Some((value, at)) = found else { continue };
            match Address::parse(value) {
                Some(address) => {
                    if !address.names_port {
                        facts.note(at.clone(), NO_PORT, MISSING_PORT);
                    }
                    let setting = address.setting(program, scheme, at.clone());
                    settings.push(ProxySetting { except: except.clone(), ..setting });
                }
                None => facts.note(at.clone(), no_address(name), MISSING),
            }
        }
        if let (None, Some((_, at))) = (self.value("http_proxy"), self.value("HTTP_PROXY")) {
            let reason = "HTTP_PROXY in capitals is ignored by curl, dnf and apt; set http_proxy";
            facts.note(at.clone(), reason, MISSING);
        }
        settings
    }
}

fn no_address(name: &str) -> String {
    format!("{name} is not an address of a proxy (http://HOST:PORT)")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::super::testing::tree;
    use super::*;

    /// Each proxy as one line, and each note.
    pub(super) fn told(facts: &Facts) -> (Vec<String>, Vec<String>) {
        let one = |setting: &ProxySetting| {
            let scheme = setting.scheme.as_deref().unwrap_or("all");
            let user = setting.user.as_deref().map(|user| format!(" {user}")).unwrap_or_default();
            let secret = setting.password.as_ref().map(|p| format!(":{}", p.expose_secret()));
            let except: Vec<&str> = setting.except.iter().map(|e| e.value.as_str()).collect();
            let (program, url, secret) =
                (&setting.program, &setting.url, secret.unwrap_or_default());
            format!("{program} {scheme} {url}{user}{secret} [{}] {}", except.join(" "), setting.at)
        };
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        (facts.proxies.iter().map(one).collect(), notes.collect())
    }

    pub(super) fn found(contents: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let (_dir, files) = tree(contents);
        let mut facts = Facts::default();
        read(&files, [("http_proxy".to_owned(), "never:1".to_owned())], &mut facts);
        told(&facts)
    }

    fn of_variables(variables: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let mut all = ProxyVariables::default();
        for (name, value) in variables {
            all.set(name, (*value).to_owned(), At::file(&format!("${name}")));
        }
        let mut facts = Facts::default();
        facts.proxies = all.settings("environment", &mut facts);
        told(&facts)
    }

    #[test]
    fn small_letters_come_before_capitals() {
        let (proxies, notes) = of_variables(&[
            ("http_proxy", "proxy:3128"),
            ("HTTPS_PROXY", "http://a:1"),
            ("https_proxy", "http://b:2"),
            ("ALL_PROXY", "socks5h://c:1080"),
            ("NO_PROXY", "ignored"),
            ("no_proxy", "localhost,.corp.example"),
        ]);
        let want = [
            "environment http http://proxy:3128/ [localhost .corp.example] $http_proxy",
            "environment https http://b:2/ [localhost .corp.example] $https_proxy",
            "environment all socks5h://c:1080 [localhost .corp.example] $ALL_PROXY",
        ];
        assert_eq!((proxies, notes), (want.map(str::to_owned).to_vec(), vec![]));
    }

    #[test]
    fn http_proxy_in_capitals_is_noted_and_not_used() {
        let (proxies, notes) = of_variables(&[("HTTP_PROXY", "proxy:3128"), ("https_proxy", "")]);
        assert!(proxies.is_empty());
        let note = "HTTP_PROXY in capitals is ignored by curl, dnf and apt; set http_proxy";
        assert_eq!(notes, [format!("$HTTP_PROXY: {note}")]);
    }

    #[test]
    fn a_value_that_is_no_address_is_not_repeated() {
        let (proxies, notes) = of_variables(&[("https_proxy", "http://u:hunter2#@proxy:1")]);
        assert!(proxies.is_empty());
        assert_eq!(
            notes,
            ["$https_proxy: https_proxy is not an address of a proxy (http://HOST:PORT)"]
        );
    }

    #[test]
    fn a_proxy_without_a_port_is_noted() {
        let (proxies, notes) =
            of_variables(&[("http_proxy", "http://[::1]/"), ("https_proxy", "http://proxy:80")]);
        assert_eq!(proxies.len(), 2);
        let note = "the proxy has no port; curl, dnf and PHP take 1080, other programs 80";
        assert_eq!(notes, [format!("$http_proxy: {note}")]);
    }

    #[test]
    fn the_environment_of_this_machine_counts_for_this_machine_only() {
        assert_eq!(found(&[]), (vec![], vec![]));
    }
}
