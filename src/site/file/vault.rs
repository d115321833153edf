//! Where references to secrets lead on the machine a run is made on.

use std::path::Path;

use preflight_checks::{MASK, discreet, ldap, nsclient, snmp};
use secrecy::{ExposeSecret, SecretString};
use toml::Spanned;
use url::Url;

use super::secret::{AUTH, COMMUNITY, ConfigPlace, Login, PRIVACY, PROXY, SecretPlace, Snmp, URL};
use super::{Server, SiteFile};
use crate::catalogue::Broken;
use crate::site::Place;
use crate::site::discover::facts::Device;
use crate::site::discover::{Facts, Files};

/// Where references lead on the machine a run is made on.
#[derive(Debug)]
pub(crate) struct Vault<'a> {
    /// The site file's folder: where a relative path begins.
    pub(crate) folder: &'a Path,
    /// What this machine's files say; none: they were not read.
    pub(crate) facts: Option<&'a Facts>,
}

impl Vault<'_> {
    fn open(&self, secret: &SecretPlace) -> Result<SecretString, String> {
        match secret {
            SecretPlace::Env(name) => from_environment(name),
            SecretPlace::File(path) => from_file(&self.folder.join(path)),
            SecretPlace::Config(config) => self.look_up(config),
        }
    }

    /// The whole URL of which a file shows `shown`.
    fn whole_url(&self, secret: &SecretPlace, shown: &Url) -> Result<Url, String> {
        let is_meant = |url: &Url| discreet(url) == shown.as_str();
        if let SecretPlace::Config(config) = secret {
            let Some(facts) = self.facts else {
                return Err(self.look_up(config).err().unwrap_or_default());
            };
            let mut there = facts.repositories.iter().filter(|it| *it.at.file == config.file);
            let found = there.find(|it| is_meant(&it.url)).map(|it| it.url.clone());
            return found.ok_or_else(|| format!("{} has no repository {shown}", config.file));
        }
        let opened = self.open(secret)?;
        let opened = opened.expose_secret();
        // The whole of it, or what stands for the one mask.
        let text = if opened.contains("://") {
            opened.to_owned()
        } else {
            shown.as_str().replacen(MASK, opened, 1)
        };
        let url = text.parse::<Url>().map_err(|error| format!("this makes no URL: {error}"))?;
        let is_whole = !url.as_str().contains(MASK) && url.host() == shown.host();
        is_whole.then_some(url).ok_or_else(|| format!("this makes no whole URL of {shown}"))
    }

    fn look_up(&self, config: &ConfigPlace) -> Result<SecretString, String> {
        let Some(facts) = self.facts else {
            return Err(format!("{config}: --no-discovery leaves this machine's files unread"));
        };
        find(config, facts).ok_or_else(|| {
            format!(
                "{config} was not found; preflight discover shows what this machine's files say"
            )
        })
    }
}

fn from_environment(name: &str) -> Result<SecretString, String> {
    let value = std::env::var(name);
    let value = value.map_err(|_| format!("the environment variable {name} is not set"))?;
    usable(&value).ok_or_else(|| format!("the environment variable {name} is empty"))
}

fn from_file(path: &Path) -> Result<SecretString, String> {
    let shown = path.display();
    let whole = std::path::absolute(path).map_err(|error| format!("{shown}: {error}"))?;
    let text = Files::here().read(&whole.to_string_lossy());
    let text = text.map_err(|unread| format!("{shown}: {unread}"))?.text;
    usable(&text).ok_or_else(|| format!("{shown}: the secret is empty"))
}

/// Without the end of the line, which an editor adds.
fn usable(text: &str) -> Option<SecretString> {
    let text = text.trim_end_matches(['\n', '\r']);
    (!text.is_empty()).then(|| SecretString::from(text))
}

/// The secret behind a reference to a configuration.
fn find(config: &ConfigPlace, facts: &Facts) -> Option<SecretString> {
    if config.key == URL {
        return None;
    }
    if config.key == PROXY {
        let mut settings = facts.proxies.iter().filter(|setting| *setting.at.file == config.file);
        return settings.find_map(|setting| setting.password.clone());
    }
    let is_meant = |device: &&Device| {
        *device.at.file == config.file
            && config.host.as_ref().is_none_or(|host| *host == device.name)
    };
    let mut devices = facts.devices.iter().filter(is_meant);
    devices.find_map(|device| of_device(device, &config.key))
}

/// What the engine would ask a device with.
fn of_device(device: &Device, key: &str) -> Option<SecretString> {
    let snmp = device.snmp.as_ref()?;
    let user = snmp.user.as_ref();
    let found = match key {
        COMMUNITY => snmp.community.as_ref(),
        AUTH => user?.auth.as_ref().map(|(_, secret)| secret),
        PRIVACY => user?.privacy.as_ref().map(|(_, secret)| secret),
        _ => None,
    };
    found.filter(|secret| !secret.expose_secret().is_empty()).cloned()
}

impl SiteFile {
    fn open(
        &self,
        secret: &Spanned<SecretPlace>,
        vault: &Vault<'_>,
    ) -> Result<SecretString, Box<Broken>> {
        let opened = vault.open(secret.get_ref());
        opened.map_err(|reason| self.source.broken(Some(secret.span()), reason))
    }

    /// The place of a server, with the secret that its URL only stands for.
    pub(super) fn whole_place(
        &self,
        server: &Server,
        vault: Option<&Vault<'_>>,
    ) -> Result<Place, Box<Broken>> {
        let place = server.place.get_ref().clone();
        let (Some(secret), Some(vault), Some(shown)) = (&server.secret, vault, &place.url) else {
            return Ok(place);
        };
        let url = vault.whole_url(secret.get_ref(), shown);
        let url = url.map_err(|reason| self.source.broken(Some(secret.span()), reason))?;
        Ok(Place { url: Some(url), ..place })
    }

    pub(super) fn snmp(
        &self,
        name: &str,
        vault: &Vault<'_>,
    ) -> Result<snmp::Credentials, Box<Broken>> {
        let Some(credentials) = self.credentials.snmp.get(name) else {
            return Ok(snmp::Credentials::None);
        };
        Ok(match credentials {
            Snmp::Community { version, community } => snmp::Credentials::Community {
                version: *version,
                community: self.open(community, vault)?,
            },
            Snmp::User { name, auth, privacy } => snmp::Credentials::User {
                name: name.clone(),
                auth: self.with_protocol(auth.as_ref(), vault)?,
                privacy: self.with_protocol(privacy.as_ref(), vault)?,
            },
        })
    }

    fn with_protocol<P: Copy>(
        &self,
        given: Option<&(P, Spanned<SecretPlace>)>,
        vault: &Vault<'_>,
    ) -> Result<Option<(P, SecretString)>, Box<Broken>> {
        let open = |(protocol, secret): &(P, _)| Ok((*protocol, self.open(secret, vault)?));
        given.map(open).transpose()
    }

    pub(super) fn ldap(&self, vault: &Vault<'_>) -> Result<Option<ldap::Bind>, Box<Broken>> {
        let Some(Login { user: Some(dn), password: Some(password), unguarded }) =
            &self.credentials.ldap
        else {
            return Ok(None);
        };
        let (dn, password) = (dn.clone(), self.open(password, vault)?);
        Ok(Some(ldap::Bind { dn, password, plain: *unguarded }))
    }

    pub(super) fn nsclient(
        &self,
        vault: &Vault<'_>,
    ) -> Result<Option<nsclient::Probe>, Box<Broken>> {
        let Some(login) = &self.credentials.nsclient else { return Ok(None) };
        let (user, password) = self.login(Some(login), vault)?;
        Ok(Some(nsclient::Probe { user, password, insecure: login.unguarded }))
    }

    /// The code that the far side shows, where the file says where it is put.
    ///
    /// # Errors
    ///
    /// [`Broken`], where nothing is there.
    pub(crate) fn far_side_code(
        &self,
        vault: &Vault<'_>,
    ) -> Result<Option<SecretString>, Box<Broken>> {
        self.credentials.far_side_code.as_ref().map(|code| self.open(code, vault)).transpose()
    }

    /// User and password of the proxy.
    pub(super) fn proxy_login(
        &self,
        vault: &Vault<'_>,
    ) -> Result<(Option<String>, Option<SecretString>), Box<Broken>> {
        self.login(self.credentials.proxy.as_ref(), vault)
    }

    fn login(
        &self,
        login: Option<&Login>,
        vault: &Vault<'_>,
    ) -> Result<(Option<String>, Option<SecretString>), Box<Broken>> {
        let Some(login) = login else { return Ok((None, None)) };
        let password = login.password.as_ref().map(|password| self.open(password, vault));
        Ok((login.user.clone(), password.transpose()?))
    }
}
