//! Secrets of the site file: references to where each really lives.
//!
//! `{ env = "NAME" }` a variable of the environment, `{ file = "PATH" }` a file of its
//! own, `{ config = "FILE:KEY" }` or `{ config = "FILE:HOST:KEY" }` the configuration
//! of the platform it already stands in.

use std::path::PathBuf;
use std::str::FromStr;

use preflight_checks::snmp;
use strum::IntoEnumIterator;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::SiteKey;
use super::keys::{self, REFERENCE};
use super::mask::{REFERENCES, is_secret};
use super::vocabulary::{SnmpVersion, VERSIONS};
use super::walk::{SiteText, SiteValue, Table, unknown};
use crate::catalogue::Broken;

/// Where a secret lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretPlace {
    /// A variable of the environment.
    Env(String),
    /// A file with nothing else in it.
    File(PathBuf),
    /// A value in a file that discovery reads.
    Config(ConfigPlace),
}

/// `FILE:KEY` or `FILE:HOST:KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigPlace {
    pub(super) file: String,
    pub(super) host: Option<String>,
    pub(super) key: String,
}

/// A user or DN, and the password.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<Spanned<SecretPlace>>,
    /// May the password go where it is not safe, as the section's own key says?
    pub(super) unguarded: bool,
}

/// How devices are read.
#[derive(Clone, Debug)]
pub(super) enum Snmp {
    Community {
        version: snmp::CommunityVersion,
        community: Spanned<SecretPlace>,
    },
    User {
        name: String,
        auth: Option<(snmp::AuthProtocol, Spanned<SecretPlace>)>,
        privacy: Option<(snmp::PrivProtocol, Spanned<SecretPlace>)>,
    },
}

/// Keys of discovered secrets, as the platform's own files call them.
pub(super) const COMMUNITY: &str = "_SNMPCOMMUNITY";
/// The option of that name in `_SNMPEXTRAOPTIONS`.
pub(super) const AUTH: &str = "authpassphrase";
/// The option of that name in `_SNMPEXTRAOPTIONS`.
pub(super) const PRIVACY: &str = "privpassphrase";
/// The secret of a login.
const PASSWORD: &str = "password";
/// The whole address of a repository, part of which is a secret.
pub(super) const URL: &str = "url";
/// The password of a proxy, in whichever file sets it.
pub(super) const PROXY: &str = "proxy_password";

/// # Errors
///
/// When a value stands where only a reference to it may; it is not in the error.
pub(super) fn none_literal(source: &SiteText, table: &DeTable<'_>) -> Result<(), Box<Broken>> {
    for (key, value) in table {
        match value.get_ref() {
            // Its keys are flows, and a flow may be called anything.
            DeValue::Table(_) if key.get_ref() == "skip" => {}
            DeValue::Table(inner) => none_literal(source, inner)?,
            DeValue::Array(items) => {
                let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                tables.into_iter().try_for_each(|inner| none_literal(source, inner))?;
            }
            _ => {}
        }
        if is_secret(key.get_ref()) && !value.get_ref().is_table() {
            let message = format!(
                "a secret does not belong in this file; write `{key} = {{ env = \"NAME\" }}` or \
                 `{key} = {{ file = \"PATH\" }}`",
                key = key.get_ref()
            );
            return Err(source.broken(Some(value.span()), message));
        }
    }
    Ok(())
}

/// A reference to a secret.
pub(super) fn reference(value: SiteValue<'_>) -> Result<Spanned<SecretPlace>, Box<Broken>> {
    let table = value.table(format!("`{}`", value.key))?;
    table.only(REFERENCE)?;
    let given: Vec<SiteValue<'_>> =
        REFERENCE.iter().filter_map(|key| table.value(key.name)).collect();
    let [one] = given.as_slice() else {
        let message = format!("`{}` takes one of {}", value.key, REFERENCES.join(", "));
        return Err(value.refuse(message));
    };
    let text = one.text()?;
    let secret = match one.key {
        "env" => SecretPlace::Env(variable(*one, text)?),
        "file" => SecretPlace::File(PathBuf::from(text)),
        _ => SecretPlace::Config(text.parse().map_err(|reason: String| one.refuse(reason))?),
    };
    Ok(Spanned::new(value.span(), secret))
}

/// A name a shell can give a variable; what is none may be the secret itself.
fn variable(value: SiteValue<'_>, text: &str) -> Result<String, Box<Broken>> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.chars().all(fits) && !text.starts_with(|c: char| c.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(value.refuse("`env` takes the name of a variable: letters, digits and _"))
    }
}

impl FromStr for ConfigPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || "`config` takes FILE:KEY or FILE:HOST:KEY, the file with its whole path".to_owned();
        let (file, rest) = text.split_once(':').ok_or_else(shape)?;
        let (host, key) = match rest.rsplit_once(':') {
            Some((host, key)) => (Some(host.to_owned()), key),
            None => (None, rest),
        };
        if !file.starts_with('/') || host.as_deref() == Some("") {
            return Err(shape());
        }
        let known = [COMMUNITY, AUTH, PRIVACY, PROXY, URL];
        if !known.contains(&key) {
            return Err(unknown("key of a configuration", key, &known));
        }
        Ok(Self { file: file.to_owned(), host, key: key.to_owned() })
    }
}

impl ConfigPlace {
    /// Does it lead to that host of that file?
    pub(super) fn is_of(&self, file: &str, host: &str) -> bool {
        self.file == file && self.host.as_deref() == Some(host)
    }
}

impl std::fmt::Display for ConfigPlace {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Some(host) => write!(out, "{}:{host}:{}", self.file, self.key),
            None => write!(out, "{}:{}", self.file, self.key),
        }
    }
}

/// A section with one login.
pub(super) struct LoginKeys {
    keys: &'static [SiteKey],
    /// The key that names the user.
    user: &'static str,
    /// The switch that lets the password go where it is not safe.
    unguarded: Option<&'static str>,
}

/// `[credentials.ldap]`
pub(super) const LDAP: LoginKeys =
    LoginKeys { keys: keys::LDAP, user: "bind_dn", unguarded: Some("plain") };
/// `[credentials.nsclient]`
pub(super) const NSCLIENT: LoginKeys =
    LoginKeys { keys: keys::NSCLIENT, user: "user", unguarded: Some("insecure") };
/// `[credentials.proxy]`
pub(super) const PROXY_LOGIN: LoginKeys =
    LoginKeys { keys: keys::PROXY, user: "user", unguarded: None };

impl LoginKeys {
    /// Reads the section.
    pub(super) fn login(&self, table: &Table<'_>) -> Result<Login, Box<Broken>> {
        table.only(self.keys)?;
        let unguarded = self.unguarded.map(|key| table.map(key, |value| value.boolean()));
        Ok(Login {
            user: table.map(self.user, |value| value.text().map(str::to_owned))?,
            password: table.map(PASSWORD, reference)?,
            unguarded: unguarded.transpose()?.flatten().unwrap_or_default(),
        })
    }
}

/// `[credentials.snmp.NAME]`.
pub(super) fn snmp(table: &Table<'_>) -> Result<Snmp, Box<Broken>> {
    table.only(keys::SNMP)?;
    let version = table.map("version", |value| value.one_of(&VERSIONS))?;
    match version.map_or(USUAL, Spanned::into_inner) {
        SnmpVersion::Community(version) => {
            let community = reference(table.need("community")?)?;
            let of_user = keys::SNMP.iter().skip(2).find_map(|key| table.value(key.name));
            match of_user {
                Some(value) => Err(value.refuse(format!("`{}` needs version = \"3\"", value.key))),
                None => Ok(Snmp::Community { version, community }),
            }
        }
        SnmpVersion::User => user(table),
    }
}

const USUAL: SnmpVersion = SnmpVersion::Community(snmp::CommunityVersion::V2c);

fn user(table: &Table<'_>) -> Result<Snmp, Box<Broken>> {
    if let Some(value) = table.value("community") {
        return Err(value.refuse("version 3 has no community; give user, auth and priv"));
    }
    let name = table.need("user")?.text()?.to_owned();
    let auth = protocol(table, "auth", "auth_protocol", snmp::AuthProtocol::Sha)?;
    let privacy = protocol(table, "priv", "priv_protocol", snmp::PrivProtocol::Aes)?;
    match (&auth, &privacy) {
        (None, Some((_, secret))) => {
            let message = "privacy needs authentication too (auth)";
            Err(table.source.broken(Some(secret.span()), message))
        }
        _ => Ok(Snmp::User { name, auth, privacy }),
    }
}

/// A secret and the protocol it is used with.
fn protocol<P: FromStr + IntoEnumIterator + ToString>(
    table: &Table<'_>,
    secret: &str,
    key: &str,
    usual: P,
) -> Result<Option<(P, Spanned<SecretPlace>)>, Box<Broken>> {
    let given = table.map(key, |value| {
        let known: Vec<String> = P::iter().map(|protocol| protocol.to_string()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let text = value.text()?;
        text.parse().map_err(|_| value.refuse(unknown("protocol", text, &known)))
    })?;
    let secret = table.map(secret, reference)?;
    Ok(secret.map(|secret| (given.unwrap_or(usual), secret)))
}
