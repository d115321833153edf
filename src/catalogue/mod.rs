//! Profiles: the flow tables as data, and their types.
//!
//! A catalogue is TOML, embedded or given with `--catalogue`; a broken one is
//! refused with file, line, column and what is wrong, before anything is probed.

mod asked;
mod columns;
mod document;
mod party;

use std::fmt::Write as _;
use std::ops::Range;
use std::str::FromStr;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceSpan,
    ThemeCharacters, ThemeStyles,
};
use preflight_checks::{SERVICES, Service, UrlForm, quoted};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Spanned;

use crate::text::unknown;

/// What rows call the Internet as a whole.
const INTERNET: &str = "http";

pub(crate) use asked::Asker;
pub(crate) use columns::{afterwards, in_transports, protocols};
pub(crate) use document::{Release, RowSource, VendorPage};
pub(crate) use party::{Kept, PARTIES, Party, PartyKind, TargetFlag, is_service, party_kind};

/// One vendor's flow table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    /// Its name: `i-vertix`.
    pub(crate) profile: String,
    /// The product, for a reader.
    pub(crate) title: String,
    /// Of the table itself: another one when a row is another.
    pub(crate) version: Option<String>,
    /// The day on which the rows were last compared with their documents: `2026-11-29`.
    pub(crate) date: Option<String>,
    /// Versions of the platform that rows may name, the oldest first.
    #[serde(default)]
    pub(crate) platform_versions: Vec<Release>,
    /// What the rows are taken from.
    #[serde(default, rename = "document")]
    pub(crate) documents: Vec<VendorPage>,
    /// The roles a machine may have.
    pub(crate) roles: Vec<Role>,
    /// What its groups are about.
    #[serde(default, rename = "group")]
    pub(crate) groups: Vec<Group>,
    /// Kinds of peers that preflight does not know by itself.
    #[serde(default)]
    pub(crate) parties: Vec<String>,
    /// What a reader of the table has to know beside its rows.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// What stands for "the Internet" when nothing else is given: a host, asked in each of a row's
    /// ways, or a URL, which pins one.
    #[serde(default)]
    pub(crate) internet: Vec<Spanned<String>>,
    /// The rows.
    #[serde(rename = "flow")]
    pub(crate) flows: Vec<Flow>,
    /// Which table it is; no key of the file.
    #[serde(skip)]
    pub(crate) identity: Identity,
}

/// Rows that are off until somebody asks for them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// What `--group` and rows call it.
    pub(crate) id: String,
    /// Its name for a reader.
    pub(crate) title: String,
    /// How a poller and its central find each other where the group is in use.
    pub(crate) mode: Option<Mode>,
    /// Does every machine's own engine ask devices where the group is in use?
    #[serde(default)]
    pub(crate) engine: bool,
}

/// Which flow table a run was made with: two runs of one digest asked by the same rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct Identity {
    /// The file of `--catalogue`; none: it is built in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) file: Option<String>,
    /// SHA-256 of the table's text, as `sha256sum` prints it.
    pub(crate) sha256: String,
    /// What the table calls its own version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) version: Option<String>,
    /// The day it was last compared with the documents it follows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) date: Option<String>,
    /// The documents it follows: `Centreon 26.10, Technical information`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) follows: Vec<String>,
    /// The version of the platform whose rows were taken; none: those of the newest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) platform: Option<String>,
    /// Why it does not fit the machine that was found, with the flag that takes the one that does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) misfit: Option<String>,
}

impl Identity {
    fn of(file: &str, text: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let mut sha256 = String::new();
        for byte in digest.as_ref() {
            let _infallible = write!(sha256, "{byte:02x}");
        }
        Self { file: Some(preflight_checks::printable(file)), sha256, ..Self::default() }
    }

    /// `version 3 of 2026-11-29`, as far as the table says so.
    pub(crate) fn edition(&self) -> Option<String> {
        match (&self.version, &self.date) {
            (Some(version), Some(date)) => Some(format!("version {version} of {date}")),
            (Some(version), None) => Some(format!("version {version}")),
            (None, Some(date)) => Some(format!("of {date}")),
            (None, None) => None,
        }
    }
}

/// One row: who opens a connection to whom, and what breaks without it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table, as it is written")]
pub(crate) struct Flow {
    /// Stable name: `poller.bbdo`.
    pub(crate) id: Spanned<String>,
    /// Who opens the connection.
    pub(crate) from: Party,
    /// The kind of peer the connection goes to.
    pub(crate) to: Party,
    /// The document it is taken from.
    pub(crate) source: Option<Spanned<RowSource>>,
    /// The first version of the platform that has it; none: it always had.
    pub(crate) since: Option<Spanned<Release>>,
    /// The first version of the platform that no longer has it; none: it still has.
    pub(crate) before: Option<Spanned<Release>>,
    /// Protocols and ports; one that works suffices.
    pub(crate) ways: Vec<Way>,
    /// A port asked once when the profile's own port fails.
    pub(crate) also_try: Option<u16>,
    /// What a reader should know of that port, once the service is found there.
    pub(crate) also_why: Option<String>,
    /// Does its failure fail the run?
    #[serde(default = "yes")]
    pub(crate) required: bool,
    /// What it is for, in the words of the vendor's own table.
    pub(crate) application: Option<String>,
    /// What the vendor's own table says of the row in other words than ours.
    #[serde(default)]
    pub(crate) words: TableWords,
    /// One sentence for the operator.
    pub(crate) why: String,
    /// What starts it there and shows that it listens; `PORT` is the port that was asked.
    #[serde(default)]
    pub(crate) look_at: String,
    /// Off until this group is asked for.
    pub(crate) group: Option<String>,
    /// Whom it goes to when nothing else is given: a host, asked in each of the ways, or a URL,
    /// which pins one.
    #[serde(default)]
    pub(crate) hosts: Vec<Spanned<String>>,
    /// The row that it replaces while its group is on.
    pub(crate) instead_of: Option<Spanned<String>>,
    /// Not shown at all while it has no target.
    #[serde(default)]
    pub(crate) only_with_target: bool,
    /// Not shown to its receiver while no such sender is known.
    #[serde(default)]
    pub(crate) only_from_known: bool,
    /// With a VPN it goes through the tunnel and needs no rule of its own.
    #[serde(default)]
    pub(crate) through_vpn: bool,
    /// Used only when the two machines find each other in this way.
    pub(crate) mode: Option<Mode>,
    /// The listener of this machine's files that serves it; without, that of the protocol's name.
    pub(crate) listener: Option<String>,
    /// Of every machine whose own engine asks devices, whatever its role.
    #[serde(default)]
    pub(crate) by_engine: bool,
    /// Until then a closed port is no failure.
    pub(crate) until: Option<Until>,
}

/// The words of a vendor's table for the cells of a row; none where ours are the same.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableWords {
    /// Who opens the connection: `Network device`.
    pub(crate) from: Option<String>,
    /// To whom: `Network equipment, servers, etc.`
    pub(crate) to: Option<String>,
    /// `Trap SNMP`
    pub(crate) protocol: Option<String>,
    /// `HTTPS 8443`
    pub(crate) port: Option<String>,
}

fn yes() -> bool {
    true
}

/// One protocol on one port: `ldaps:636`, `zmq:5556-5656`, `https:443/poller/install.sh`.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// The protocol.
    pub(crate) service: &'static Service,
    /// The port; of several that may be in use, the first.
    pub(crate) port: u16,
    /// The last of several ports that may be in use.
    pub(crate) last: Option<u16>,
    /// The path on a web server.
    pub(crate) path: Option<String>,
}

impl Way {
    /// A service on a port.
    pub(crate) fn new(service: &'static Service, port: u16) -> Self {
        Self { service, port, last: None, path: None }
    }

    /// `443`, `5556-5656`.
    pub(crate) fn ports(&self) -> String {
        match self.last {
            Some(last) => format!("{}-{last}", self.port),
            None => self.port.to_string(),
        }
    }
}

/// Until when a closed port only waits.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::VariantArray,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Until {
    /// The far side, or what listens on this machine, comes with the installation.
    Installed,
}

/// Before installation the ports of what it brings may be closed; see [`Until`].
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum InstallPhase {
    /// Nothing is installed yet.
    Before,
    /// The platform runs, or should.
    After,
}

/// How two machines of the platform find each other; the configuration decides.
///
/// The first four and the fifth are about Gorgone's link, the last two about BBDO's
/// (Centreon's `nagios_server.gorgone_communication_type`, and the broker's streams).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Mode {
    /// The central connects by ZMQ.
    Zmq,
    /// The central connects by SSH.
    Ssh,
    /// The poller connects by ZMQ.
    Pull,
    /// The poller connects by WebSocket.
    Pullwss,
    /// The central never connects: a remote server in between does.
    ThroughRemote,
    /// The poller connects to the broker.
    Bbdo,
    /// The broker connects to the poller.
    BbdoReversed,
}

impl Mode {
    /// Are both about the same link?
    pub(crate) fn is_alternative_to(self, other: Self) -> bool {
        let is_broker = |mode| matches!(mode, Self::Bbdo | Self::BbdoReversed);
        is_broker(self) == is_broker(other)
    }

    /// Is it what to expect while no file says otherwise?
    pub(crate) fn is_expected(self) -> bool {
        matches!(self, Self::Zmq | Self::Ssh | Self::Bbdo)
    }

    /// Who connects to whom, as a clause.
    pub(crate) fn clause(self) -> &'static str {
        match self {
            Self::Zmq => "the central connects by ZMQ",
            Self::Ssh => "the central connects by SSH",
            Self::Pull => "the poller connects by ZMQ (pull)",
            Self::Pullwss => "the poller connects by WebSocket (pullwss)",
            Self::ThroughRemote => "its remote server connects, not the central",
            Self::Bbdo => "the poller connects to the broker",
            Self::BbdoReversed => "the broker connects to the poller (reversed)",
        }
    }
}

/// What a machine of the platform is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub(crate) enum Role {
    /// The server with the web interface.
    Central,
    /// The server that asks the devices.
    Poller,
    /// A server between the central and its pollers.
    Remote,
    /// A MAP server.
    Map,
    /// A reporting server (Centreon MBI).
    Mbi,
    /// A reporting server (i-Vertix BI).
    Bi,
    /// A database server apart from the central.
    Database,
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = text.split_once(':').ok_or_else(|| {
            format!("{text} is not of the form protocol:port", text = quoted(text))
        })?;
        let service = service(name).ok_or_else(|| {
            format!(
                "unknown protocol {name}; known are {}",
                service_names().join(", "),
                name = quoted(name)
            )
        })?;
        let (ports, path) = match port.find('/').map(|at| port.split_at(at)) {
            Some((ports, path)) => (ports, Some(path.to_owned())),
            None => (port, None),
        };
        if path.is_some() && service.url != UrlForm::Path {
            return Err(format!("{}: {name} has no path", quoted(text)));
        }
        let number = |port: &str| {
            let number = port.parse().ok().filter(|&port: &u16| port != 0);
            number.ok_or_else(|| format!("{} is not a port (1 to 65535)", quoted(port)))
        };
        let (port, last) = match ports.split_once('-') {
            Some((first, last)) => (number(first)?, Some(number(last)?)),
            None => (number(ports)?, None),
        };
        if last.is_some_and(|last| last <= port) {
            return Err(format!("{} is not a range of ports", quoted(ports)));
        }
        Ok(Self { service, port, last, path })
    }
}

impl<'de> Deserialize<'de> for Way {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `*` stands for any text, anything else for itself.
pub(crate) fn matches(glob: &str, id: &str) -> bool {
    wildmatch::WildMatchPattern::<'*', '\0'>::new(glob).matches(id)
}

/// The service of that name.
pub(crate) fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().copied().find(|service| service.name == name)
}

/// What people call the service of that name; of one that a saved report made up, the name.
pub(crate) fn title(name: &str) -> &str {
    service(name).map_or(name, |service| service.title)
}

/// What services are called in ways and in URLs.
pub(crate) fn service_names() -> Vec<&'static str> {
    SERVICES.iter().map(|service| service.name).collect()
}

/// The embedded profiles: name and text.
pub(crate) const PROFILES: &[(&str, &str)] = &[
    ("i-vertix", include_str!("i-vertix.toml")),
    ("centreon", include_str!("centreon.toml")),
    ("centreon-cloud", include_str!("centreon-cloud.toml")),
];

impl Catalogue {
    /// The embedded profile of that name, if there is one.
    pub(crate) fn profile(name: &str) -> Option<Self> {
        let text = PROFILES.iter().find_map(|(known, text)| (*known == name).then_some(*text))?;
        // It parses: a test holds every embedded profile to that.
        let mut profile = Self::parse(&format!("{name}.toml"), text).ok()?;
        profile.identity.file = None;
        Some(profile)
    }

    /// Does it have rows for machines of all these roles?
    pub(crate) fn knows(&self, roles: &[Role]) -> bool {
        roles.iter().all(|role| self.roles.contains(role))
    }

    /// Reads a catalogue; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// [`Broken`] with line, column and reason.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Box<Broken>> {
        let broken = |message: String, at: Option<Range<usize>>| {
            Box::new(Broken::new(file, text, message, at))
        };
        let mut catalogue: Self =
            toml::from_str(text).map_err(|e| broken(e.message().to_owned(), e.span()))?;
        let of_rows = catalogue.flows.iter().flat_map(|flow| &flow.hosts);
        let mut hosts = catalogue.internet.iter().chain(of_rows);
        if let Some(wrong) = hosts.find(|it| !is_place(it.get_ref())) {
            let message = format!("`{}` is neither a host nor a URL", wrong.get_ref());
            return Err(broken(message, Some(wrong.span())));
        }
        for (index, flow) in catalogue.flows.iter().enumerate() {
            let (id, at) = (flow.id.get_ref(), Some(flow.id.span()));
            let others = catalogue.flows.iter().take(index);
            if others.clone().any(|other| other.id.get_ref() == id && other.overlaps(flow)) {
                return Err(broken(format!("the id `{id}` is used twice"), at));
            }
            if flow.ways.is_empty() {
                return Err(broken(format!("`{id}` has no way"), at));
            }
            if let Some((message, at)) = catalogue.unknown_name(flow) {
                return Err(broken(message, Some(at)));
            }
        }
        let ends: FlowEnds =
            toml::from_str(text).map_err(|e| broken(e.message().to_owned(), e.span()))?;
        let mut ends = ends.flow.iter().flat_map(|flow| [&flow.from, &flow.to]);
        if let Some(wrong) = ends.find(|end| !catalogue.knows_party(end.get_ref())) {
            return Err(broken(catalogue.unknown_party(wrong.get_ref()), Some(wrong.span())));
        }
        catalogue.identity = Identity::of(file, text);
        catalogue.identity.version.clone_from(&catalogue.version);
        catalogue.identity.date.clone_from(&catalogue.date);
        catalogue.identity.follows =
            catalogue.documents.iter().map(VendorPage::to_string).collect();
        Ok(catalogue)
    }

    /// A document or a version that a row names and the table does not have.
    fn unknown_name(&self, flow: &Flow) -> Option<(String, Range<usize>)> {
        if let Some(source) = &flow.source {
            let id = &source.get_ref().document;
            if self.documents.iter().all(|known| known.id != *id) {
                let known: Vec<&str> = self.documents.iter().map(|it| it.id.as_str()).collect();
                return Some((unknown("document", id, &known), source.span()));
            }
        }
        if let Some(other) = &flow.instead_of {
            let ids: Vec<&str> = self.flows.iter().map(|row| row.id.get_ref().as_str()).collect();
            if !ids.contains(&other.get_ref().as_str()) {
                return Some((unknown("flow", other.get_ref(), &ids), other.span()));
            }
        }
        let named = flow.since.iter().chain(&flow.before);
        let mut others = named.filter(|it| !self.platform_versions.contains(it.get_ref()));
        let release = others.next()?;
        let known: Vec<String> = self.platform_versions.iter().map(Release::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let what = "version of the platform";
        let message = unknown(what, &release.get_ref().to_string(), &known);
        Some((format!("{message} (`platform_versions` lists them)"), release.span()))
    }

    fn knows_party(&self, name: &str) -> bool {
        party_kind(name).is_some()
            || name.parse::<Role>().is_ok_and(|role| role.to_string() == name)
            || self.parties.iter().any(|known| known == name)
    }

    fn unknown_party(&self, name: &str) -> String {
        let known = PARTIES.iter().map(|kind| kind.id);
        let known: Vec<&str> = known.chain(self.parties.iter().map(String::as_str)).collect();
        let own = format!("`parties = [\"{name}\"]` at the top of the file makes it one");
        format!("{}; {own}", unknown("party", name, &known))
    }

    /// Its groups, each once: those it describes, and those that its rows only name.
    pub(crate) fn group_ids(&self) -> Vec<&str> {
        let described = self.groups.iter().map(|group| group.id.as_str());
        let named = self.flows.iter().filter_map(|flow| flow.group.as_deref());
        let mut ids: Vec<&str> = Vec::new();
        for id in described.chain(named) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// Does another row stand for this one in a machine's plan?
    pub(crate) fn is_replaced(&self, asker: &Asker<'_>, flow: &Flow) -> bool {
        let stands_for_it = |other: &Flow| {
            let replaced = other.instead_of.as_ref().map(Spanned::get_ref);
            replaced == Some(flow.id.get_ref()) && asker.has_on(other)
        };
        self.flows.iter().any(stands_for_it)
    }

    /// The name of a group for a reader.
    pub(crate) fn title_of(&self, group: &str) -> String {
        let known = self.groups.iter().find(|known| known.id == group);
        known.map_or(group, |known| &known.title).to_owned()
    }

    /// Hosts on the Internet that machines of that role go to when nothing else is given, each with
    /// the kind of peer it is.
    pub(crate) fn hosts_of(&self, role: Role) -> Vec<(Party, String)> {
        let own = self.flows.iter().filter(|flow| flow.from.is(role));
        let hosts = own.flat_map(|flow| {
            let hosts = self.hosts(flow).iter();
            hosts.map(|host| (flow.to.clone(), host.get_ref().clone()))
        });
        hosts.collect()
    }

    /// Whom a row goes to when nothing else is given.
    pub(crate) fn hosts<'c>(&'c self, flow: &'c Flow) -> &'c [Spanned<String>] {
        if flow.hosts.is_empty() && flow.to.0 == INTERNET { &self.internet } else { &flow.hosts }
    }

    /// Every host on the Internet that the table itself names.
    pub(crate) fn all_hosts(&self) -> impl Iterator<Item = &str> {
        let of_rows = self.flows.iter().flat_map(|flow| &flow.hosts);
        self.internet.iter().chain(of_rows).map(|host| host.get_ref().as_str())
    }

    /// The rows that a platform of that version has; of one whose version is not known, those of
    /// the newest that the table knows.
    pub(crate) fn at(mut self, release: Option<Release>) -> Self {
        self.identity.platform = release.map(|release| release.to_string());
        if let Some(release) = release.or(self.platform_versions.last().copied()) {
            self.flows.retain(|flow| flow.is_of(release));
        }
        self
    }
}

impl Flow {
    /// Does it leave for the Internet, perhaps through a proxy?
    pub(crate) fn is_internet(&self) -> bool {
        self.to.0 == INTERNET || !self.hosts.is_empty()
    }

    /// Has a platform of that version this row?
    fn is_of(&self, release: Release) -> bool {
        self.since.as_ref().is_none_or(|since| *since.get_ref() <= release)
            && self.before.as_ref().is_none_or(|before| release < *before.get_ref())
    }

    /// Is there a version that has both rows?
    fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |one: &Self, two: &Self| {
            let ends = one.before.as_ref().zip(two.since.as_ref());
            ends.is_some_and(|(end, begin)| end.get_ref() <= begin.get_ref())
        };
        !ends_before(self, other) && !ends_before(other, self)
    }

    /// Which versions have the row, as a clause: `since 26.10`; none: every one.
    pub(crate) fn versions(&self) -> Option<String> {
        let since = self.since.as_ref().map(|since| format!("since {}", since.get_ref()));
        let before = self.before.as_ref().map(|before| format!("before {}", before.get_ref()));
        match (since, before) {
            (Some(since), Some(before)) => Some(format!("{since}, {before}")),
            (since, before) => since.or(before),
        }
    }
}

/// The two ends of each row, with their places in the text.
#[derive(Deserialize)]
struct FlowEnds {
    flow: Vec<EndsOfRow>,
}

#[derive(Deserialize)]
struct EndsOfRow {
    from: Spanned<String>,
    to: Spanned<String>,
}

fn is_place(text: &str) -> bool {
    match url::Url::parse(text) {
        Ok(url) if text.contains("://") => url.has_host(),
        _ => url::Host::parse(text).is_ok(),
    }
}

/// The names of the embedded profiles.
pub(crate) fn profile_names() -> Vec<&'static str> {
    PROFILES.iter().map(|(name, _)| *name).collect()
}

/// A file that cannot be used: which, where, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Broken {
    place: String,
    message: String,
    source_code: Option<NamedSource<String>>,
    at: Option<SourceSpan>,
}

impl Broken {
    /// `at`: the bytes of `text` that are to blame.
    pub(crate) fn new(file: &str, text: &str, message: String, at: Option<Range<usize>>) -> Self {
        let place = match &at {
            Some(span) => {
                let (line, column) = position(text, span.start);
                format!("{file}:{line}:{column}")
            }
            None => file.to_owned(),
        };
        Self {
            place,
            message,
            source_code: Some(NamedSource::new(file, text.to_owned())),
            at: at.map(SourceSpan::from),
        }
    }

    /// The same, with another text of the same length above the caret; none: no text.
    pub(crate) fn showing(mut self, text: Option<String>) -> Self {
        self.source_code = text.and_then(|text| {
            let file = self.source_code.take()?;
            Some(NamedSource::new(file.name(), text))
        });
        self.at = self.at.filter(|_| self.source_code.is_some());
        self
    }

    /// File, line and column.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong, and the line with a caret under it.
    pub(crate) fn explained(&self) -> String {
        let mut text = preflight_checks::printable(&self.message);
        let mut snippet = String::new();
        let plain =
            GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::none() };
        let drawn = GraphicalReportHandler::new_themed(plain).render_report(&mut snippet, self);
        if self.at.is_some() && drawn.is_ok() {
            // The first line would say the sentence again.
            for line in snippet.lines().skip_while(|line| !line.contains('╭')) {
                text.push('\n');
                text.push_str(&preflight_checks::printable(line));
            }
        }
        text
    }
}

/// Line and column, counted from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

impl Diagnostic for Broken {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source_code.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let at = self.at?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some("here".to_owned()), at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> String {
        let broken = Catalogue::parse("site.toml", text).unwrap_err();
        format!("{}: {}", broken.place(), broken.explained())
    }

    const ROW: &str = r#"
profile = "x"
title = "X"
roles = ["poller"]

[[flow]]
id = "poller.ntp"
from = "poller"
to = "ntp"
ways = ["ntp:123"]
why = "Time."
"#;

    #[test]
    fn every_embedded_profile_parses() {
        for (name, text) in PROFILES {
            let catalogue = Catalogue::parse(name, text).unwrap();
            assert_eq!(catalogue.profile, *name);
            assert!(catalogue.version.is_some() && catalogue.date.is_some(), "{name}");
            assert!(!catalogue.documents.is_empty() && !catalogue.roles.is_empty(), "{name}");
            assert!(catalogue.platform_versions.is_sorted(), "{name}");
            for flow in &catalogue.flows {
                let id = flow.id.get_ref();
                assert!(flow.why.ends_with('.'), "{id}: {}", flow.why);
                assert!(flow.source.is_some() && flow.application.is_some(), "{id}");
                let group = flow.group.as_ref();
                let is_described =
                    |group: &String| catalogue.groups.iter().any(|it| it.id == *group);
                assert!(group.is_none_or(is_described), "{id}");
            }
            let used = |document: &VendorPage| {
                let mut sources = catalogue.flows.iter().filter_map(|flow| flow.source.as_ref());
                sources.any(|source| source.get_ref().document == document.id)
            };
            let unused = catalogue.documents.iter().find(|document| !used(document));
            assert!(unused.is_none(), "{name}: {unused:?}");
        }
    }

    /// The tables this project exists for, row by row.
    #[test]
    fn every_row_of_the_i_vertix_tables_is_there() {
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        for (id, from, to, ways) in [
            ("central.ntp", "central", "ntp", "ntp:123"),
            ("central.dns", "central", "dns", "dns:53"),
            ("central.smtp", "central", "smtp", "smtp:25"),
            ("central.ldap", "central", "ldap", "ldaps:636 ldap:389"),
            ("central.http", "central", "http", "https:443 http:80"),
            ("poller.ntp", "poller", "ntp", "ntp:123"),
            ("poller.dns", "poller", "dns", "dns:53"),
            ("poller.smtp", "poller", "smtp", "smtp:25"),
            ("poller.http", "poller", "http", "https:443 http:80"),
            ("central.zmq", "central", "poller", "zmq:5666"),
            ("central.ssh", "central", "poller", "ssh:22"),
            ("poller.bbdo", "poller", "central", "bbdo:5669"),
            ("poller.snmp", "poller", "device", "snmp:161"),
            ("poller.trap", "device", "poller", "trap:162"),
            ("poller.nsclient", "poller", "nsclient", "nsclient:8443"),
        ] {
            let flow = catalogue.flows.iter().find(|flow| flow.id.get_ref() == id).unwrap();
            let shown: Vec<String> =
                flow.ways.iter().map(|way| format!("{}:{}", way.service.name, way.port)).collect();
            assert_eq!((flow.from.0.as_str(), flow.to.0.as_str()), (from, to), "{id}");
            assert_eq!(shown.join(" "), ways, "{id}");
        }
    }

    #[test]
    fn an_unknown_protocol_is_refused_with_its_place() {
        let message = broken(&ROW.replace("ntp:123", "gopher:70"));
        assert!(message.starts_with("site.toml:10:8: unknown protocol `gopher`"), "{message}");
        assert!(message.contains("ways = [\"gopher:70\"]"), "{message}");
    }

    #[test]
    fn an_unknown_party_version_document_and_flow_are_refused_with_their_place() {
        let row = |from: &str, to: &str| broken(&ROW.replace(from, to));
        let party = row("to = \"ntp\"", "to = \"npt\"");
        assert!(
            party.starts_with("site.toml:9:6: unknown party: `npt`; did you mean `ntp`?"),
            "{party}"
        );
        assert!(party.contains("to = \"npt\"") && party.contains("parties = [\"npt\"]"), "{party}");
        let own = ROW.replace("to = \"ntp\"", "to = \"erp\"");
        assert!(broken(&own).starts_with("site.toml:9:6: unknown party: `erp`"));
        let own = own.replace("roles =", "parties = [\"erp\"]\nroles =");
        assert!(Catalogue::parse("site.toml", &own).is_ok());
        let with = |line: &str| ROW.replace("why =", &format!("{line}\nwhy ="));
        let versions = "platform_versions = [\"24.10\", \"25.10\"]\nroles =";
        let since = with("since = \"24.11\"").replace("roles =", versions);
        let message = broken(&since);
        assert!(
            message.starts_with("site.toml:12:9: unknown version of the platform: `24.11`"),
            "{message}"
        );
        assert!(Catalogue::parse("x", &since.replace("24.11", "25.10")).is_ok());
        let wrong = broken(&with("before = \"next\""));
        assert!(wrong.starts_with("site.toml:11:10: `next` is not a version"), "{wrong}");
        let source = broken(&with("source = \"handbook: Poller\""));
        assert!(
            source.starts_with("site.toml:11:10: unknown document: `handbook`; there is none"),
            "{source}"
        );
        let instead = broken(&with("instead_of = \"poller.npt\""));
        assert!(
            instead.starts_with("site.toml:11:14: unknown flow: `poller.npt`; did you mean"),
            "{instead}"
        );
    }

    #[test]
    fn a_way_may_have_a_path_or_several_ports() {
        let way = |text: &str| text.parse::<Way>().map(|way| (way.port, way.ports(), way.path));
        let script = "https:443/poller/install.sh";
        let path = Some("/poller/install.sh".to_owned());
        assert_eq!(way(script), Ok((443, "443".to_owned(), path)));
        assert_eq!(way("zmq:5556-5656"), Ok((5556, "5556-5656".to_owned(), None)));
        for wrong in ["zmq:5556-5556", "zmq:5656-5556", "zmq:0-9", "zmq:5556-", "ntp:123/x"] {
            assert!(way(wrong).is_err(), "{wrong}");
        }
    }

    /// One id is two rows when no version of the platform has both.
    #[test]
    fn a_row_may_change_with_a_version() {
        let (head, row) = ROW.split_once("[[flow]]").unwrap();
        let head = head.replace("roles =", "platform_versions = [\"24.10\", \"25.10\"]\nroles =");
        let until = row.replace("why =", "before = \"25.10\"\nwhy =");
        let since = row.replace("why =", "since = \"25.10\"\nwhy =").replace("123", "1234");
        let text = format!("{head}[[flow]]{until}[[flow]]{since}");
        let catalogue = Catalogue::parse("x", &text).unwrap();
        let port = |version: Option<&str>| {
            let release = version.map(|version| version.parse().unwrap());
            let flows = catalogue.clone().at(release).flows;
            flows.iter().map(|flow| flow.ways[0].port).collect::<Vec<_>>()
        };
        assert_eq!(port(Some("24.10")), [123]);
        assert_eq!(port(Some("26.04")), [1234]);
        assert_eq!(port(None), [1234], "the newest");
        let both = format!("{head}[[flow]]{row}[[flow]]{since}");
        assert!(broken(&both).contains("the id `poller.ntp` is used twice"));
    }

    #[test]
    fn port_zero_an_unknown_field_and_a_double_id_are_refused() {
        let zero = broken(&ROW.replace("ntp:123", "ntp:0"));
        assert!(zero.contains("`0` is not a port"), "{zero}");
        let field = broken(&ROW.replace("why =", "reason =\"\"\nwhy ="));
        assert!(field.starts_with("site.toml:11:1: unknown field `reason`"), "{field}");
        let (head, row) = ROW.split_once("[[flow]]").unwrap();
        let internet = broken(&ROW.replace("roles =", "internet = [\"no host\"]\nroles ="));
        assert!(internet.starts_with("site.toml:4:13: `no host` is neither"), "{internet}");
        let double = broken(&format!("{head}[[flow]]{row}[[flow]]{row}"));
        assert!(
            double.starts_with("site.toml:13:6: the id `poller.ntp` is used twice"),
            "{double}"
        );
    }

    /// `UPDATE_DOCS=1 cargo test` writes the file anew.
    #[test]
    fn the_documentation_shows_the_data() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flows.md");
        let made = flows_page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), made, "run it with UPDATE_DOCS=1");
    }

    fn flows_page() -> String {
        let mut page = FLOWS_INTRODUCTION.to_owned();
        for name in profile_names() {
            let catalogue = Catalogue::profile(name).unwrap();
            let roles: Vec<String> = catalogue.roles.iter().map(ToString::to_string).collect();
            let internet: Vec<&str> =
                catalogue.internet.iter().map(|host| host.get_ref().as_str()).collect();
            page.extend([format!("\n## Profile `{name}`: {}\n\n", catalogue.title)]);
            let edition = catalogue.identity.edition().unwrap();
            page.extend([format!("Flow table {edition}. Roles: {}.", roles.join(", "))]);
            if !internet.is_empty() {
                page.extend([format!(" \"Internet\" without `--http`: {}.", internet.join(", "))]);
            }
            page.push_str("\n\n");
            let roles_of = |group: &Group| {
                let effect = match (group.mode, group.engine) {
                    (Some(mode), _) => format!(" ({})", mode.clause()),
                    (None, true) => " (its engine asks devices)".to_owned(),
                    (None, false) => String::new(),
                };
                format!("`--group {}`: {}{effect}", group.id, group.title)
            };
            let groups: Vec<String> = catalogue.groups.iter().map(roles_of).collect();
            page.extend([format!("Groups: {}.\n\n", groups.join("; "))]);
            page.push_str("| flow | from → to | asked | application | required | may be closed | source | why |\n");
            page.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
            for flow in &catalogue.flows {
                page.push_str(&row(flow));
            }
            page.push_str("\nIt follows:\n\n| source | vendor | version | title | page |\n");
            page.push_str("| --- | --- | --- | --- | --- |\n");
            for document in &catalogue.documents {
                let VendorPage { id, vendor, title, version, page: at } = document;
                let version = version.as_deref().unwrap_or("-");
                let at = at.as_deref().map_or("-".to_owned(), |at| format!("`{at}`"));
                page.extend([format!("| {id} | {vendor} | {version} | {title} | {at} |\n")]);
            }
        }
        page
    }

    fn row(flow: &Flow) -> String {
        let way = |way: &Way| {
            let path = way.path.as_deref().unwrap_or_default();
            format!("{} {} {}{path}", way.service.title, way.service.transport, way.ports())
        };
        let mut asked: Vec<String> = flow.ways.iter().map(way).collect();
        asked.extend(flow.also_try.map(|port| format!("once {port} when that fails")));
        let mut notes = vec![if flow.required { "yes".to_owned() } else { "no".to_owned() }];
        notes.extend(flow.versions());
        notes.extend(flow.group.as_ref().map(|group| format!("`--group {group}`")));
        let replaced = flow.instead_of.as_ref();
        notes.extend(replaced.map(|other| format!("instead of `{}`", other.get_ref())));
        let mode = flow.mode.filter(|mode| !mode.is_expected());
        notes.extend(mode.map(|mode| format!("where {}", mode.clause())));
        notes.extend(flow.only_with_target.then(|| format!("only with `{}`", flow.to.flag())));
        let until = flow.until.map_or("never".to_owned(), |until| format!("until {until}"));
        let hosts: Vec<&str> = flow.hosts.iter().map(|host| host.get_ref().as_str()).collect();
        let to = match hosts.as_slice() {
            [] => flow.to.title().to_owned(),
            hosts => format!("{} ({})", flow.to.title(), hosts.join(", ")),
        };
        let source = flow.source.as_ref().unwrap().get_ref();
        let section = source.section.as_ref().map(|section| format!(": {section}"));
        format!(
            "| `{}` | {} → {to} | {} | {} | {} | {until} | {}{} | {} |\n",
            flow.id.get_ref(),
            flow.from.title(),
            asked.join(" or "),
            flow.application.as_ref().unwrap(),
            notes.join(", "),
            source.document,
            section.unwrap_or_default(),
            flow.why
        )
    }

    const FLOWS_INTRODUCTION: &str = "\
# The flows

Which connections a platform needs, by profile. The data is
`src/catalogue/*.toml`; this page is made from it and a test holds it to that.
`preflight plan --role ROLE …` prints the rows of one machine with its targets
filled in, and sends nothing; `preflight flows` prints a table as a document. `--catalogue FILE`
takes a table of your own in the same form.

Without `--profile` the machine's own files say whose product it is, and in which version; see
[discovery.md](discovery.md). A row that says `since` or `before` is of some versions only;
`--platform-version` says which one it is. What a row is taken from stands beside it, and the
documents below its table.

Of several ways in one row, one that works suffices; a URL as target pins one.
\"May be closed until installed\": what listens there is part of the platform, so before
installation a closed port waits for it and fails nothing. Every other row fails in every phase.
In a table of your own that is `until = \"installed\"`; `--until-installed ID` says it of any flow.

A row whose connection is opened by others (a device's traps, the central's ZMQ
on a poller) is shown on the receiving machine too: there preflight looks at
what listens, on which address, and says that the way to it is not tested.
";
}
