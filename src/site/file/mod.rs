//! The site file: one TOML file for the machines of a whole platform.
//!
//! Written by hand or by `preflight init`, described in `docs/site-file.md`. What a
//! machine's part of it means for a run is a [`super::Knowledge`], made in `peers`.

mod check;
mod key;
mod keys;
mod mask;
mod peers;
mod platform;
mod read;
mod secret;
mod vault;
mod vocabulary;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::net::IpAddr;

use toml::Spanned;
use toml::de::DeTable;

use super::discover::At;
use super::output::BrokerOutput;
use super::{Custom, Find, Nts, Place};
use crate::catalogue::{Broken, Mode, Role};
use secret::{Login, SecretPlace, Snmp};
use walk::SiteText;

pub(crate) use keys::{machine_keys, schema};
pub(crate) use platform::{Platform, Tuned};
pub(crate) use vault::Vault;
pub(crate) use walk::unknown;
pub(crate) use write::{Subject, write};

/// Bytes of a site file: some ten thousand devices.
pub(crate) const MOST: u64 = 4 << 20;

/// A site file, each value with its place.
#[derive(Clone, Debug)]
pub(crate) struct SiteFile {
    source: SiteText,
    /// What holds for every machine.
    pub(crate) platform: Platform,
    services: ServersByKind,
    /// In the order of the file.
    machines: Vec<SiteMachine>,
    credentials: CredentialsTable,
    checks: Vec<Check>,
}

/// Servers by kind; an empty list: there is none, and none is needed.
type ServersByKind = BTreeMap<Spanned<String>, Spanned<Vec<Server>>>;

/// One peer, and what is known of it alone.
#[derive(Clone, Debug)]
struct Server {
    place: Spanned<Place>,
    /// The service it is asked by, whatever the catalogue's row says.
    protocol: Option<&'static str>,
    /// How its addresses are found.
    find: Find,
    /// Its own way: through this proxy, or straight.
    proxy: Option<Spanned<Option<url::Url>>>,
    /// How keys for the time are taken from it (NTS).
    nts: Option<Nts>,
    /// The name of the credentials it is read with.
    snmp: Option<Spanned<String>>,
    /// Where the part of its URL stands that is a secret.
    secret: Option<Spanned<secret::SecretPlace>>,
}

/// `[machine.NAME]`.
#[derive(Clone, Debug)]
pub(crate) struct SiteMachine {
    name: Spanned<String>,
    role: Spanned<Role>,
    /// How the others reach it.
    address: Option<Spanned<Place>>,
    /// Its address as those behind address translation see it.
    nat: Option<Spanned<IpAddr>>,
    central: Option<Spanned<String>>,
    remote: Option<Spanned<String>>,
    /// How it and its central find each other.
    mode: Option<Spanned<Mode>>,
    bbdo: Option<Spanned<Mode>>,
    /// What its broker's output speaks, and the files of its TLS.
    bbdo_tls: Option<BrokerOutput>,
    /// Where its Gorgone connects to, in the modes in which it does.
    connects_to: Option<Spanned<Place>>,
    /// Ports between it and its central, by service.
    ports: BTreeMap<String, Spanned<u16>>,
    /// Ports its own daemons listen on, by service.
    listens: BTreeMap<String, Spanned<u16>>,
    services: ServersByKind,
    /// Some: an engine of this machine asks devices, perhaps none of them named.
    devices: Option<Vec<Server>>,
    nsclient: Vec<Server>,
    /// Flows not to check, and why.
    skip: Vec<(Spanned<String>, String)>,
    /// Flows, and the address of its own that each leaves from.
    from: Vec<(Spanned<String>, Spanned<IpAddr>)>,
}

/// `[credentials]`: names and references, never a secret.
#[derive(Clone, Debug, Default)]
struct CredentialsTable {
    snmp: BTreeMap<String, Snmp>,
    ldap: Option<Login>,
    nsclient: Option<Login>,
    proxy: Option<Login>,
    far_side_code: Option<Spanned<SecretPlace>>,
}

/// `[[check]]`: a flow of the user's own.
#[derive(Clone, Debug)]
struct Check {
    name: Spanned<String>,
    custom: Custom,
    /// The machines it goes out from; none named: every one.
    from: Vec<Spanned<String>>,
}

impl SiteFile {
    /// Reads a site file; `name` is how errors and origins call it.
    ///
    /// # Errors
    ///
    /// [`Broken`] with line, column and reason; a secret in the file is not in it.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Box<Broken>> {
        let tree = DeTable::parse(text).map_err(|error| {
            SiteText::new(name, text, None).broken(error.span(), error.message())
        })?;
        let source = SiteText::new(name, text, Some(tree.get_ref()));
        secret::none_literal(&source, tree.get_ref())?;
        read::file(source, tree.get_ref())
    }

    /// The machine of that name.
    pub(crate) fn machine(&self, name: &str) -> Option<&SiteMachine> {
        self.machines.iter().find(|machine| machine.name() == name)
    }

    /// All of them, in the order of the file.
    pub(crate) fn machines(&self) -> &[SiteMachine] {
        &self.machines
    }

    /// The file's name, as it was given.
    pub(crate) fn name(&self) -> &str {
        self.source.name()
    }

    /// A value of the file that is refused.
    pub(crate) fn broken<T>(&self, value: &Spanned<T>, message: String) -> Box<Broken> {
        self.source.broken(Some(value.span()), message)
    }

    /// Where it says what the machine is.
    pub(crate) fn role_at(&self, machine: &SiteMachine) -> At {
        self.at(&machine.role)
    }

    /// Groups of the profile that are switched on.
    pub(crate) fn groups(&self) -> impl Iterator<Item = String> + '_ {
        self.platform.groups.iter().map(|group| group.get_ref().clone())
    }

    fn at<T>(&self, value: &Spanned<T>) -> At {
        self.source.at(&value.span())
    }
}

impl SiteMachine {
    /// Its name in the file.
    pub(crate) fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// The role that the machine has in its section.
    pub(crate) fn role(&self) -> Role {
        *self.role.get_ref()
    }

    /// Its address as those behind address translation see it.
    pub(crate) fn nat(&self) -> Option<IpAddr> {
        self.nat.as_ref().map(|nat| *nat.get_ref())
    }

    /// Its address, when it is not given by name.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address.as_ref()?.get_ref().host.parse().ok()
    }

    /// Its address, when that is given by name.
    pub(crate) fn host_name(&self) -> Option<String> {
        let host = &self.address.as_ref()?.get_ref().host;
        host.parse::<IpAddr>().is_err().then(|| host.clone())
    }

    /// Flows not to check, and why.
    pub(crate) fn skip(&self) -> impl Iterator<Item = (String, Option<String>)> + '_ {
        self.skip.iter().map(|(flow, why)| (flow.get_ref().clone(), Some(why.clone())))
    }

    /// Is it the machine with one of these addresses, or this name?
    pub(crate) fn is_at(&self, addresses: &[IpAddr], host_name: &str) -> bool {
        let host = self.address.as_ref().map(|address| address.get_ref().host.as_str());
        let is_ours = |host: &str| match host.parse() {
            Ok(address) => addresses.contains(&address),
            Err(_) => is_name_of(host, host_name),
        };
        host.is_some_and(is_ours) || is_name_of(self.name(), host_name)
    }
}

/// `central` and `central.corp.example` are one machine, `central.corp` and
/// `central.lab` are not.
fn is_name_of(name: &str, host_name: &str) -> bool {
    let label = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_short = !name.contains('.') || !host_name.contains('.');
    !host_name.is_empty()
        && (name.eq_ignore_ascii_case(host_name) || (is_short && label(name) == label(host_name)))
}

#[cfg(test)]
mod tests;
