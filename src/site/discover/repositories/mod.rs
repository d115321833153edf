//! Package repositories: from where does this machine get its packages, and how?
//!
//! Each is asked for one small file that every such repository has. The proxy is what
//! the package manager's own configuration says; without a word there, it is that of
//! every other program.

pub(super) mod apt;
pub(super) mod apt_conf;
pub(super) mod dnf;
pub(super) mod rhsm;
mod variables;
pub(super) mod zypper;

use url::Url;

use super::facts::{Read, Repository, Route};
use super::{At, Facts, Files};

const MISSING: &str = "the package repositories";
const MISSING_LOGIN: &str = "whether its login is right";
const MISSING_PROXY: &str = "the package manager's proxy";
/// Enabled repositories of a machine; a few dozen are many.
const MOST: usize = 256;
/// Characters of an address; web servers take no longer ones.
const LONGEST: usize = 4_096;

/// Finds the enabled repositories that are fetched over a network.
pub(super) fn read(files: &Files, facts: &mut Facts) {
    dnf::read(files, facts);
    zypper::read(files, facts);
    rhsm::read(files, facts);
    apt::read(files, facts);
}

/// An address a repository is read from.
struct RepositoryAddress<'a> {
    name: &'a str,
    /// As written, variables replaced.
    address: &'a str,
    /// The file below it that must be there; none: the address itself, a list of mirrors.
    file: Option<&'a str>,
    at: At,
    /// The certificate that its server asks a client for.
    certificate: Option<Read<String>>,
}

impl RepositoryAddress<'_> {
    /// Adds it, once for each address, with the proxy that `route` finds for it.
    fn tell(self, facts: &mut Facts, route: impl FnOnce(&Url) -> Option<Route>) {
        if facts.repositories.len() >= MOST {
            return;
        }
        match self.url() {
            Ok(None) => {}
            Err(reason) => facts.note(self.at, reason, MISSING),
            Ok(Some((url, login))) => {
                // Two components of one suite are read from the same file.
                if facts.repositories.iter().any(|repository| repository.url == url) {
                    return;
                }
                if login {
                    let reason = "its user and password are not used in the check";
                    facts.note(self.at.clone(), reason, MISSING_LOGIN);
                }
                let proxy = route(&url);
                let (name, at, certificate) = (self.name.to_owned(), self.at, self.certificate);
                let is_mirror_list = self.file.is_none();
                let repository = Repository { name, url, is_mirror_list, at, proxy, certificate };
                facts.repositories.push(repository);
            }
        }
    }

    /// What is fetched, without a login, and whether there was one; none when it is not
    /// fetched over a network.
    fn url(&self) -> Result<Option<(Url, bool)>, String> {
        let scheme = self.address.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https" | "ftp") {
            return Ok(None);
        }
        if self.address.len() > LONGEST {
            return Err("this is longer than an address can be".to_owned());
        }
        let url = match self.file {
            Some(file) => format!("{}/{file}", self.address.trim_end_matches('/')),
            None => self.address.to_owned(),
        };
        // Not repeated: a mistyped one may still hold a password.
        let mut url = Url::parse(&url).map_err(|error| format!("this is not a URL: {error}"))?;
        let login = !url.username().is_empty() || url.password().is_some();
        let bare = url.set_username("").and_then(|()| url.set_password(None));
        bare.map_err(|()| "this is not a URL with a host".to_owned())?;
        Ok(Some((url, login)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::tree;
    use super::*;

    /// Each repository as one line, and each note.
    pub(super) fn found(contents: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let (_dir, files) = tree(contents);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        let one = |repository: &Repository| {
            let route = repository.proxy.as_ref().map(|route| match route {
                Route::Proxy(proxy) => {
                    let user = proxy.user.as_deref().map(|user| format!(" as {user}"));
                    let (url, at) = (&proxy.url, &proxy.at);
                    format!(" through {url}{} ({at})", user.unwrap_or_default())
                }
                Route::Straight { token, at } => format!(" straight, {token} ({at})"),
            });
            let Repository { name, url, at, certificate, .. } = repository;
            let certificate = certificate.as_ref().map(|it| format!(" with {}", it.value));
            let (route, certificate) = (route.unwrap_or_default(), certificate.unwrap_or_default());
            format!("{name} {url} {at}{route}{certificate}")
        };
        let refused =
            facts.refused.iter().map(|r| format!("{}: {}: {}", r.at, r.program, r.reason));
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        (facts.repositories.iter().map(one).collect(), refused.chain(notes).collect())
    }

    #[test]
    fn no_machine_has_endless_repositories() {
        let many = |word: &str| (0..60).map(|n| word.replace('0', &n.to_string())).collect();
        let (uris, suites): (Vec<_>, Vec<_>) = (many("http://x0.example"), many("s0"));
        let (uris, suites) = (uris.join(" "), suites.join(" "));
        let sources = format!("Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: main\n");
        let (repositories, _) = found(&[("/etc/apt/sources.list.d/x.sources", &sources)]);
        assert_eq!(repositories.len(), MOST);
    }
}
