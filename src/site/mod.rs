//! What is known of this installation: peers and their addresses, each with its origin.

pub(crate) mod amount;
pub(crate) mod clapi;
mod custom;
pub(crate) mod discover;
pub(crate) mod file;
pub(crate) mod inventory;
mod join;
mod layer;
pub(crate) mod local;
pub(crate) mod mistake;
pub(crate) mod output;
mod place;
pub(crate) mod sample;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use preflight_checks::{Naming, Trust, gorgone_api, http, ldap, nsclient, smtp, snmp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use custom::{ASKED_FOR, Custom};
pub(crate) use join::{View, join};
pub(crate) use layer::Knowledge;
pub(crate) use place::{
    Place, address_of, decoded, numeric_v4, parse_port, parse_proxy, plain_zone,
};

use crate::catalogue::{Mode, Party, Role};
use discover::facts::TimeClient;
use discover::{At, Note};
use mistake::Mistake;
use output::{BrokerLink, BrokerOutput};

/// Everything the plan may use; nothing here was asked over the network.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// What this machine is.
    pub(crate) role: Role,
    /// Does an engine of this machine ask devices, whatever its role?
    pub(crate) has_engine: bool,
    /// Groups of the catalogue that the files switch on.
    pub(crate) groups: Vec<String>,
    /// Peers by kind, in the order they were given.
    pub(crate) targets: BTreeMap<Party, Vec<Target>>,
    /// Kinds of peers that this machine does without, and why.
    pub(crate) unneeded: BTreeMap<Party, Sourced<String>>,
    /// How this machine and its central find each other.
    pub(crate) modes: Vec<Sourced<Mode>>,
    /// Ports that replace the catalogue's, by flow id.
    pub(crate) ports: BTreeMap<String, Sourced<u16>>,
    /// Ports this machine listens on, by service.
    pub(crate) listens: BTreeMap<String, Sourced<u16>>,
    /// Ports others send to, by service, where a rule of this machine hands on to another.
    pub(crate) arrives: BTreeMap<String, Sourced<u16>>,
    /// Flows of the user's own.
    pub(crate) custom: Vec<Custom>,
    /// The programs that may set this machine's clock.
    pub(crate) time_clients: Vec<TimeClient>,
    /// The proxy for Internet flows.
    pub(crate) proxy: Option<Sourced<http::Proxy>>,
    /// How to read from devices.
    pub(crate) snmp: snmp::Credentials,
    /// How to bind to the directory.
    pub(crate) ldap: Option<ldap::Bind>,
    /// How to log in to `NSClient++`.
    pub(crate) nsclient: nsclient::Probe,
    /// The broker output of this machine, when a person says it.
    pub(crate) bbdo: Option<BrokerOutput>,
    /// The token of a receiver of monitoring agents.
    pub(crate) otlp: Option<SecretString>,
    /// The password of agents that speak NSClient's old protocol.
    pub(crate) nsclient_nt: Option<SecretString>,
    /// The password of a Redis of the user's own flows.
    pub(crate) redis: Option<SecretString>,
    /// The test mail, when one was asked for.
    pub(crate) test_mail: Option<smtp::TestMail>,
    /// Whom TLS trusts.
    pub(crate) trust: Trust,
    /// Flows, by id or glob, and the addresses of ours that they leave from; the first counts.
    pub(crate) from: Vec<(String, Sourced<Vec<IpAddr>>)>,
    /// The address the site file gives this machine.
    pub(crate) address: Option<IpAddr>,
    /// The host name that the site file gives as this machine's address.
    pub(crate) host_name: Option<String>,
    /// Names that `/etc/hosts` answers: no DNS server has to know them.
    pub(crate) hosts_names: Vec<String>,
    /// What a copy of another machine's files finds names with; none: what this machine does.
    pub(crate) names: Option<Naming>,
    /// Mistakes in this machine's files that no packet shows.
    pub(crate) mistakes: Vec<Mistake>,
    /// Files that could not be read.
    pub(crate) notes: Vec<Note>,
    /// The copy of another machine's files that was looked at instead of our own.
    pub(crate) root: Option<String>,
    /// What names mean on that other machine.
    pub(crate) elsewhere: Option<local::Elsewhere>,
    /// What the site file calls the platform.
    pub(crate) platform: Option<String>,
    /// What the site file calls this machine.
    pub(crate) machine: Option<String>,
    /// This machine's address as the network sees it, behind address translation.
    pub(crate) nat: Option<IpAddr>,
}

impl Site {
    /// A site of which only the role is known.
    pub(crate) fn of(role: Role, trust: Trust) -> Self {
        Self {
            role,
            has_engine: false,
            groups: Vec::new(),
            targets: BTreeMap::new(),
            unneeded: BTreeMap::new(),
            modes: Vec::new(),
            ports: BTreeMap::new(),
            listens: BTreeMap::new(),
            arrives: BTreeMap::new(),
            custom: Vec::new(),
            time_clients: Vec::new(),
            proxy: None,
            snmp: snmp::Credentials::None,
            ldap: None,
            nsclient: nsclient::Probe::default(),
            bbdo: None,
            otlp: None,
            nsclient_nt: None,
            redis: None,
            test_mail: None,
            trust,
            from: Vec::new(),
            address: None,
            host_name: None,
            names: None,
            hosts_names: Vec::new(),
            mistakes: Vec::new(),
            notes: Vec::new(),
            root: None,
            elsewhere: None,
            platform: None,
            machine: None,
            nat: None,
        }
    }

    /// Tells each broker above this one what a person said of our output, and opens the files of
    /// those outputs in a run, and those of certificates that a time client trusts.
    pub(crate) fn link(&mut self, opening: Option<FileReaders<'_>>) {
        if let Some(opening) = &opening {
            let mut unread = Vec::new();
            for target in self.targets.values_mut().flatten() {
                let Some(nts) = &mut target.nts else { continue };
                // What a person names is a file of this machine's.
                let (read, at) = match &target.origin {
                    Origin::File(at) => (opening.found, at.clone()),
                    Origin::SiteFile(at) => (opening.given, at.clone()),
                    other => (opening.given, At::file(&other.to_string())),
                };
                nts.open(&self.trust, read, |reason| {
                    unread.push(Note { at: at.clone(), reason, missing: TRUSTED_BY_NTS });
                });
            }
            for note in unread {
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
        }
        let above = |party: &Party| party.is(Role::Central) || party.is(Role::Remote);
        let targets = self.targets.iter_mut().filter(|(party, _)| above(party));
        for target in targets.flat_map(|(_, targets)| targets) {
            if let Some(output) = &self.bbdo {
                let speaks = target.bbdo.take().map(|link| link.speaks).unwrap_or_default();
                let link = BrokerLink { speaks, output: output.clone(), opened: None };
                target.bbdo = Some(Box::new(link));
            }
            if let (Some(link), Some(opening)) = (&mut target.bbdo, &opening) {
                let read = if self.bbdo.is_some() { opening.given } else { opening.found };
                link.opened = Some(link.output.open(read));
            }
        }
    }

    /// The peers of that kind.
    pub(crate) fn targets(&self, party: &Party) -> &[Target] {
        self.targets.get(party).map_or(&[], Vec::as_slice)
    }
}

/// Reads the files of broker outputs.
#[derive(Clone, Copy)]
pub(crate) struct FileReaders<'a> {
    /// Those a person named, on this machine.
    pub(crate) given: &'a ReadFile<'a>,
    /// Those that discovered files name.
    pub(crate) found: &'a ReadFile<'a>,
}

/// The content of a file, or why not.
pub(crate) type ReadFile<'a> = dyn Fn(&str) -> Result<SecretString, discover::Unread> + 'a;

/// A value and where it came from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line: the flag.
    Flag(Cow<'static, str>),
    /// The site file: its line.
    SiteFile(At),
    /// A file of this machine: its line.
    File(At),
    /// The catalogue's profile.
    Profile,
    /// Anything else, in words.
    Other(Cow<'static, str>),
}

impl Origin {
    /// A flag of the command line: `--central`.
    pub(crate) const fn flag(flag: &'static str) -> Self {
        Self::Flag(Cow::Borrowed(flag))
    }

    /// Of the receiver to which one inform is sent.
    pub(crate) const fn test_trap() -> Self {
        Self::flag("--send-test-trap")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => out.write_str(flag),
            Self::SiteFile(at) | Self::File(at) => write!(out, "{at}"),
            Self::Profile => out.write_str("profile"),
            Self::Other(words) => out.write_str(words),
        }
    }
}

/// Where a value came from: `{"kind": "file", "file": "/etc/resolv.conf", "line": 1}`.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum WrittenOrigin {
    /// A flag of the command line.
    Flag { flag: String },
    /// The site file, and its line.
    SiteFile {
        file: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        line: Option<u32>,
    },
    /// A file of this machine, and its line.
    File {
        file: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        line: Option<u32>,
    },
    /// The flow table.
    Profile,
    /// In words, which may change.
    Other { text: String },
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // Whoever can make a file there chose its name.
        let place = |at: &At| (preflight_checks::printable(&at.file), at.line);
        let written = match self {
            Self::Flag(flag) => WrittenOrigin::Flag { flag: flag.to_string() },
            Self::SiteFile(at) => {
                let (file, line) = place(at);
                WrittenOrigin::SiteFile { file, line }
            }
            Self::File(at) => {
                let (file, line) = place(at);
                WrittenOrigin::File { file, line }
            }
            Self::Profile => WrittenOrigin::Profile,
            Self::Other(words) => WrittenOrigin::Other { text: words.to_string() },
        };
        written.serialize(to)
    }
}

impl schemars::JsonSchema for Origin {
    fn schema_name() -> Cow<'static, str> {
        "Origin".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        WrittenOrigin::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let at = |file: &str, line| At { line, ..At::file(file) };
        Ok(match WrittenOrigin::deserialize(from)? {
            WrittenOrigin::Flag { flag } => Self::Flag(Cow::Owned(flag)),
            WrittenOrigin::SiteFile { file, line } => Self::SiteFile(at(&file, line)),
            WrittenOrigin::File { file, line } => Self::File(at(&file, line)),
            WrittenOrigin::Profile => Self::Profile,
            WrittenOrigin::Other { text } => Self::Other(Cow::Owned(text)),
        })
    }
}

/// One peer, and what is known of it alone.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it stands.
    pub(crate) place: Place,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// Its ports, by service.
    pub(crate) ports: BTreeMap<String, Sourced<u16>>,
    /// Only flows of this service go there.
    pub(crate) only_for: Option<String>,
    /// It is asked by this service, whatever the catalogue's row says.
    pub(crate) speaks: Option<&'static str>,
    /// How this peer and its central find each other.
    pub(crate) modes: Vec<Sourced<Mode>>,
    /// How to read from this device.
    pub(crate) snmp: Option<snmp::Credentials>,
    /// The way to it: through its own proxy, or straight though there is one.
    pub(crate) route: Option<Sourced<Option<http::Proxy>>>,
    /// The word that takes it past the proxy.
    pub(crate) exempt: Option<Exempt>,
    /// Why it cannot be asked from here.
    pub(crate) unaskable: Option<Sourced<String>>,
    /// What we speak to its broker, as far as anybody said.
    pub(crate) bbdo: Option<Box<BrokerLink>>,
    /// The path of its WebSocket.
    pub(crate) websocket: Option<String>,
    /// What this machine proves itself with there.
    pub(crate) token: Option<SecretString>,
    /// The login of its Gorgone's API.
    pub(crate) api: Option<gorgone_api::GorgoneLogin>,
    /// What its page has in it, where its address does not say.
    pub(crate) content: Option<http::Content>,
    /// How its addresses are found.
    pub(crate) find: Find,
    /// Only addresses of this kind are asked; none: of both.
    pub(crate) family: Option<Family>,
    /// How its mail server is spoken to, where its program says so.
    pub(crate) mail_tls: Option<smtp::SmtpTls>,
    /// The address of ours that its daemon asks it from.
    pub(crate) from: Option<Sourced<Vec<IpAddr>>>,
    /// How its clients take keys for the time from it (NTS).
    pub(crate) nts: Option<Nts>,
    /// The subnet a sampled device stands for: `10.20.30.0/24`.
    pub(crate) group: Option<String>,
}

/// How a client of NTS is set up for one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nts {
    /// The time server's port, where the key server names none.
    pub(crate) port: Option<u16>,
    /// The files of certificates that it trusts.
    pub(crate) trusted: Vec<String>,
    /// Are those the only ones? Else the system's too.
    pub(crate) only_these: bool,
    /// Whom it trusts by all this, in a run.
    pub(crate) trust: Option<Trust>,
}

impl Nts {
    /// Makes its trust from what `read` finds in its files, beside what everybody here trusts.
    ///
    /// A file that cannot be read leaves the usual trust alone, and is told.
    fn open(&mut self, usual: &Trust, read: &ReadFile<'_>, mut tell: impl FnMut(String)) {
        if self.trusted.is_empty() && !self.only_these {
            return;
        }
        let mut certificates = |file: &String| {
            let found = read(file).map_err(|why| why.to_string());
            let found = found.and_then(|pem| Trust::certificates(pem.expose_secret().as_bytes()));
            found.map_err(|why| tell(format!("{file}: {why}"))).ok()
        };
        let found: Vec<_> = self.trusted.iter().map(&mut certificates).collect();
        let found: Option<Vec<_>> = found.into_iter().collect();
        self.trust = found
            .map(Vec::into_iter)
            .map(Iterator::flatten)
            .map(|found| if self.only_these { Trust::only(found) } else { usual.with(found) });
    }

    /// Is there anything of it that the server's place does not say?
    pub(crate) fn is_special(&self) -> bool {
        self.port.is_some() || !self.trusted.is_empty() || self.only_these
    }
}

/// What is missing where its files of certificates cannot be read.
const TRUSTED_BY_NTS: &str =
    "whom its time client trusts for NTS; the system's certificates are taken";

/// A word that takes a URL past the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Exempt {
    /// The word of `no_proxy`, or `DIRECT`, or `_none_`.
    pub(crate) word: String,
    /// What named it: a file, a flag, the flow table.
    pub(crate) origin: Origin,
}

/// A kind of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::Display)]
pub(crate) enum Family {
    /// IPv4.
    #[serde(rename = "IPv4")]
    #[strum(serialize = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    #[strum(serialize = "IPv6")]
    V6,
}

impl Family {
    /// Is the address of this kind?
    pub(crate) fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }
}

/// How the addresses of a target are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Find {
    /// Of the name itself.
    #[default]
    Host,
    /// Of the name itself, in the DNS and nowhere else.
    Dns,
    /// The same, where a name without a dot is first one of this machine's own domain.
    DnsDomain,
    /// Of the name itself: in the DNS, and as the system finds it where the DNS does not know it.
    DnsFirst,
    /// Of the domain's mail servers.
    Mx,
    /// Of the domain's mail servers, whose addresses are those of the DNS and no others.
    MxDns,
    /// Of the domain's directory servers (`_ldap._tcp`).
    Srv,
}

impl Target {
    /// A peer of which nothing else is known.
    pub(crate) fn new(place: Place, origin: Origin) -> Self {
        Self {
            place,
            origin,
            ports: BTreeMap::new(),
            only_for: None,
            speaks: None,
            modes: Vec::new(),
            snmp: None,
            route: None,
            exempt: None,
            unaskable: None,
            bbdo: None,
            websocket: None,
            token: None,
            api: None,
            content: None,
            find: Find::Host,
            family: None,
            mail_tls: None,
            from: None,
            nts: None,
            group: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::discover::Unread;

    /// What is noted when the files of a client of NTS say this, and whether it still trusts by them.
    fn opened(content: &Result<&str, Unread>) -> (Vec<String>, bool) {
        let mut site = Site::of(Role::Poller, Trust::only([]));
        let nts = Nts { trusted: vec!["/etc/own.pem".to_owned()], ..Nts::default() };
        let at = At { line: Some(3), ..At::file("/etc/chrony.conf") };
        let place: Place = "time.example".parse().unwrap();
        let target = Target { nts: Some(nts), ..Target::new(place, Origin::File(at)) };
        let ntp = Party("ntp".to_owned());
        site.targets.insert(ntp.clone(), vec![target.clone(), target]);
        let given = |_: &str| -> Result<SecretString, Unread> { panic!("no person named it") };
        let found = |_: &str| content.clone().map(SecretString::from);
        site.link(Some(FileReaders { given: &given, found: &found }));
        let told = site.notes.iter().map(|note| format!("{}: {}", note.at, note.reason)).collect();
        (
            told,
            site.targets(&ntp)
                .iter()
                .all(|target| target.nts.as_ref().is_some_and(|nts| nts.trust.is_some())),
        )
    }

    #[test]
    fn a_file_of_certificates_that_cannot_be_read_is_told_once_and_the_usual_trust_stays() {
        let denied = "/etc/chrony.conf:3: /etc/own.pem: permission denied; run as root, or as a user of its group";
        assert_eq!(opened(&Err(Unread::Denied)), (vec![denied.to_owned()], false));
        assert_eq!(opened(&Ok("")), (Vec::new(), true));
    }
}
