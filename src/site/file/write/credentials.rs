//! Credentials that discovery found: their names, and references to their secrets.

use preflight_checks::snmp;
use secrecy::ExposeSecret;

use super::super::secret::{AUTH, COMMUNITY, ConfigPlace, PRIVACY, PROXY};
use super::page::{Page, inline, key, origin, quoted};
use super::{Knowledge, Target, line_of};
use crate::site::discover::Facts;
use crate::site::discover::facts::Device;

/// The SNMP credentials met so far, each once.
pub(super) struct CredentialNames<'a> {
    facts: &'a Facts,
    snmp: Vec<NamedCredentials<'a>>,
}

struct NamedCredentials<'a> {
    name: String,
    credentials: snmp::Credentials,
    /// A device that is read with them.
    of: &'a Device,
}

impl<'a> CredentialNames<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self { facts, snmp: Vec::new() }
    }

    /// The name of the credentials `target` is read with; none: nothing can refer to them.
    pub(super) fn name_of(&mut self, target: &Target) -> Option<String> {
        let credentials = target.snmp.as_ref()?;
        if let Some(known) = self.snmp.iter().find(|known| is_same(&known.credentials, credentials))
        {
            return Some(known.name.clone());
        }
        let at = line_of(&target.origin)?;
        let mut devices = self.facts.devices.iter().filter(|device| device.at == *at);
        let of = devices.find(|device| device.address == target.place.host)?;
        let secrets = secrets(credentials);
        if secrets.is_empty() || secrets.iter().any(|key| reference(of, key).is_none()) {
            return None;
        }
        let name = match self.snmp.len() {
            0 => "default".to_owned(),
            others => format!("snmp-{}", others + 1),
        };
        self.snmp.push(NamedCredentials {
            name: name.clone(),
            credentials: credentials.clone(),
            of,
        });
        Some(name)
    }

    pub(super) fn write(&self, page: &mut Page, layer: &Knowledge) {
        page.gap();
        page.prose(
            "Secrets are never written here: each is { env = \"NAME\" }, { file = \"PATH\" } or",
        );
        page.prose("{ config = \"FILE:KEY\" }, where the platform has it already.");
        for named in &self.snmp {
            page.section(&format!("credentials.snmp.{}", key(&named.name)));
            named.write(page);
        }
        if self.snmp.is_empty() {
            page.example_line("[credentials.snmp.default]");
            page.example("version", "\"2c\"", "");
            page.example("community", "{ env = \"SNMP_COMMUNITY\" }", "");
        }
        for (section, user) in [("ldap", "bind_dn"), ("nsclient", "user")] {
            page.gap();
            page.example_line(&format!("[credentials.{section}]"));
            page.example(user, "\"centreon\"", "");
            page.example("password", &format!("{{ file = \"{section}-password\" }}"), "");
        }
        proxy(page, layer);
    }
}

impl NamedCredentials<'_> {
    fn write(&self, page: &mut Page) {
        let of = self.of;
        let refer = |page: &mut Page, key: &str, secret: &str| {
            if let Some(reference) = reference(of, secret) {
                let config = inline([("config", quoted(&reference))].into_iter());
                page.value(key, &config, &of.at.to_string());
            }
        };
        match &self.credentials {
            snmp::Credentials::None => {}
            snmp::Credentials::Community { version, .. } => {
                page.value("version", &quoted(&version.to_string()), "");
                refer(page, "community", COMMUNITY);
            }
            snmp::Credentials::User { name, auth, privacy } => {
                page.value("version", "\"3\"", "");
                page.value("user", &quoted(name), "");
                if let Some((protocol, _)) = auth {
                    page.value("auth_protocol", &quoted(&protocol.to_string()), "");
                    refer(page, "auth", AUTH);
                }
                if let Some((protocol, _)) = privacy {
                    page.value("priv_protocol", &quoted(&protocol.to_string()), "");
                    refer(page, "priv", PRIVACY);
                }
            }
        }
    }
}

/// Keys of the secrets in these credentials.
fn secrets(credentials: &snmp::Credentials) -> Vec<&'static str> {
    match credentials {
        snmp::Credentials::None => Vec::new(),
        snmp::Credentials::Community { .. } => vec![COMMUNITY],
        snmp::Credentials::User { auth, privacy, .. } => {
            let auth = auth.as_ref().map(|_| AUTH);
            auth.into_iter().chain(privacy.as_ref().map(|_| PRIVACY)).collect()
        }
    }
}

/// `FILE:HOST:KEY`, if that leads back to this device.
fn reference(device: &Device, key: &str) -> Option<String> {
    let text = format!("{}:{}:{key}", device.at.file, device.name);
    let config: ConfigPlace = text.parse().ok()?;
    let leads_back = config.is_of(&device.at.file, &device.name);
    (leads_back && !text.chars().any(char::is_control)).then_some(text)
}

fn is_same(one: &snmp::Credentials, other: &snmp::Credentials) -> bool {
    use snmp::Credentials::{Community, User};
    match (one, other) {
        (Community { version: a, community: one }, Community { version: b, community: other }) => {
            a == b && one.expose_secret() == other.expose_secret()
        }
        (
            User { name: a, auth: one, privacy: one_privacy },
            User { name: b, auth: other, privacy: other_privacy },
        ) => {
            let shown = |secret: &secrecy::SecretString| secret.expose_secret().to_owned();
            let auth = |of: &Option<(snmp::AuthProtocol, _)>| {
                of.as_ref().map(|(protocol, secret)| (*protocol, shown(secret)))
            };
            let privacy = |of: &Option<(snmp::PrivProtocol, _)>| {
                of.as_ref().map(|(protocol, secret)| (*protocol, shown(secret)))
            };
            a == b && auth(one) == auth(other) && privacy(one_privacy) == privacy(other_privacy)
        }
        _ => false,
    }
}

/// The login at the proxy, in the file that sets the proxy.
fn proxy(page: &mut Page, layer: &Knowledge) {
    page.gap();
    let found = layer.proxy.as_ref().and_then(|proxy| {
        let file = &line_of(&proxy.origin)?.file;
        let config = format!("{file}:{PROXY}");
        let is_usable =
            config.parse::<ConfigPlace>().is_ok() && !config.chars().any(char::is_control);
        Some((proxy.value.user.clone()?, is_usable.then_some(config), origin(&proxy.origin)))
    });
    let Some((user, config, at)) = found else {
        page.example_line("[credentials.proxy]");
        page.example("user", "\"centreon\"", "");
        page.example("password", "{ file = \"proxy-password\" }", "");
        return;
    };
    page.section("credentials.proxy");
    page.value("user", &quoted(&user), &at);
    if let Some(config) =
        config.filter(|_| layer.proxy.as_ref().is_some_and(|it| it.value.password.is_some()))
    {
        page.value("password", &inline([("config", quoted(&config))].into_iter()), &at);
    }
}
