//! The plan: every step of a run as a value, before a packet is sent.
//!
//! Pure: catalogue, site and settings in, steps out. Nothing is probed that is
//! not in the plan, and `preflight plan` prints it.

mod steps;

use std::fmt;
use std::net::IpAddr;

use preflight_checks::{Probe, Transport, Vpn};
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub(crate) use crate::catalogue::InstallPhase;
use crate::catalogue::{
    Asker, Catalogue, Flow, Identity, Mode, Party, Role, Until, Way, afterwards, in_transports,
    matches, protocols, service, title,
};
use crate::site::discover::Note;
use crate::site::file::Tuned;
use crate::site::mistake::Mistake;
use crate::site::{Exempt, Family, Find, Origin, Place, Site, Sourced, Target};
pub(crate) use steps::{CLOSED, FAR_SIDE, step_id};
use steps::{Planner, names_needed};

/// How a run is done, whatever the site.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Before or after installation.
    pub(crate) phase: InstallPhase,
    /// Ids or globs: only these, when there are any.
    pub(crate) only: Vec<String>,
    /// Ids or globs not to check, each with its reason.
    pub(crate) skip: Vec<(String, Option<String>)>,
    /// Groups of the catalogue that are switched on.
    pub(crate) groups: Vec<String>,
    /// What the site file may say too.
    pub(crate) tuned: Tuned,
    /// Packets a second to many devices, at most; none: as many as is usual.
    pub(crate) rate: Option<u32>,
    /// Warnings fail the run too.
    pub(crate) strict: bool,
    /// After a silence, look where on the way it begins.
    pub(crate) trace: bool,
    /// The machine that proves the flows from its side too; none: nobody was asked for that.
    pub(crate) far_side: Option<Counterpart>,
}

/// Which of the platform's machines is to be paired with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Counterpart {
    /// The only one there is.
    Only,
    /// This one, as its flag or file has it.
    Host(String),
}

impl Counterpart {
    /// The one of that name; empty: the only one.
    pub(crate) fn of(host: &str) -> Self {
        if host.is_empty() { Self::Only } else { Self::Host(host.to_owned()) }
    }
}

impl Settings {
    /// As a run is done without a flag.
    pub(crate) fn usual(phase: InstallPhase) -> Self {
        Self {
            phase,
            only: Vec::new(),
            skip: Vec::new(),
            groups: Vec::new(),
            tuned: Tuned::default(),
            rate: None,
            strict: false,
            trace: true,
            far_side: None,
        }
    }
}

/// All steps of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// What the site file calls the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// What the site file calls this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<String>,
    /// What this machine is.
    pub(crate) role: Role,
    /// The catalogue's name.
    pub(crate) profile: String,
    /// Which text of it, what it follows, and whether it fits the machine.
    pub(crate) catalogue: Identity,
    /// Before or after installation.
    pub(crate) phase: InstallPhase,
    /// The copy of another machine's files that was looked at, instead of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<String>,
    /// Files that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<Note>,
    /// In the order of the catalogue.
    pub(crate) steps: Vec<Step>,
}

/// A flow with one target filled in, or the reason why it has none.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Unique in a run, stable between runs: `poller.bbdo@10.0.0.5`.
    pub(crate) id: String,
    /// Whom or what it is about, as its id has it behind the flow's.
    #[serde(skip)]
    pub(crate) place: Option<String>,
    /// The flow's id.
    pub(crate) flow: String,
    /// Who opens the connection.
    pub(crate) from: Party,
    /// The kind of peer the connection goes to.
    pub(crate) to: Party,
    /// Seen from this machine.
    pub(crate) direction: Direction,
    /// Does its failure fail the run?
    pub(crate) required: bool,
    /// Until then a closed port only waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Until>,
    /// What breaks without it.
    pub(crate) why: String,
    /// How the flow table itself writes the row; none: it is of no table.
    #[serde(skip)]
    pub(crate) row: Option<TableRow>,
    /// What to run on the far side when nothing listens there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) look_at: String,
    /// The VPN gateway this goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) through_vpn: Option<String>,
    /// The subnet a sampled device stands for: `10.20.30.0/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// What will be done.
    #[serde(flatten)]
    pub(crate) action: Action,
}

/// What a flow table says of a row, whoever its targets are.
#[derive(Clone, Debug)]
pub(crate) struct TableRow {
    protocols: String,
    ports: String,
    application: Option<String>,
}

impl From<&Flow> for TableRow {
    fn from(flow: &Flow) -> Self {
        Self {
            protocols: flow.protocols(),
            ports: flow.ports(),
            application: flow.application.clone(),
        }
    }
}

/// Seen from this machine.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Direction {
    /// We open the connection.
    Outbound,
    /// Others open it: only our own listener can be looked at.
    Inbound,
    /// Nothing crosses the network: a mistake in this machine's own files.
    Local,
}

/// What will be done about a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Put a question to a peer.
    Ask(Box<Question>),
    /// Leave it, and say why.
    Skip(SkipReason),
    /// Nothing to ask: the files say it already.
    Found(Box<Mistake>),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_host(find: &Find) -> bool {
    *find == Find::Host
}

/// Whom to ask, and how.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Question {
    /// The name or address to resolve.
    pub(crate) host: String,
    /// The target as a reader knows it: host, or a URL behind a proxy.
    pub(crate) target: String,
    /// Where the target came from.
    pub(crate) origin: Origin,
    /// Our address as the network sees it, behind address translation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seen_as: Option<IpAddr>,
    /// The addresses of ours it is asked from: of each family the first counts. None: as this
    /// host's routes choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Sourced<Vec<IpAddr>>>,
    /// Why no proxy is asked for it, though there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exempt: Option<Exempt>,
    /// The VPN that should carry it; the step names its gateway.
    #[serde(skip)]
    pub(crate) vpn: Option<Vpn>,
    /// How its addresses are found.
    #[serde(skip_serializing_if = "is_host")]
    pub(crate) find: Find,
    /// Only addresses of this kind are asked; none: of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<Family>,
    /// One that works suffices.
    pub(crate) ways: Vec<Asked>,
    /// Asked once when all ways fail, because the port was only the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) also_try: Option<Asked>,
    /// What the flow table says of the two ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) also_why: Option<String>,
}

impl Plan {
    /// The step that calls on a far side, if one is to be called.
    pub(crate) fn far_side_call(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.flow == FAR_SIDE)
    }
}

impl Question {
    /// The way of this index, as an attempt has it: one past the end is what is also tried.
    pub(crate) fn way(&self, index: usize) -> Option<&Asked> {
        self.ways.get(index).or(self.also_try.as_ref())
    }
}

/// One probe on one port.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Asked {
    /// The service's name.
    pub(crate) protocol: &'static str,
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// The port.
    pub(crate) port: u16,
    /// Where the port came from.
    pub(crate) port_origin: Origin,
    /// The probe itself; it may hold secrets and is never printed.
    #[serde(skip)]
    pub(crate) probe: Probe,
}

/// Why a step is not asked.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub(crate) enum SkipReason {
    /// Nobody said where.
    NoTarget {
        /// The flag that would.
        flag: String,
    },
    /// This machine does without.
    Unneeded {
        /// The reason, in words.
        why: String,
        /// What named it: a file, a flag, the flow table.
        origin: Origin,
    },
    /// The two machines find each other in another way.
    OtherMode {
        /// The mode that the flow belongs to.
        mode: Mode,
        /// What named it: a file, a flag, the flow table.
        origin: Origin,
    },
    /// Another machine's listener: its files were copied, its ports were not.
    NotThisMachine {
        /// Where it listens, as its files say.
        ways: Vec<Asked>,
    },
    /// It leads to the machine whose files were copied: from here, it would be us.
    OwnOfThatMachine,
    /// `--skip`, perhaps with a reason.
    Asked {
        /// The user's words.
        why: Option<String>,
    },
}

/// What stands before the user's own words of why a step is skipped, also in a saved report.
pub(crate) const SKIPPED: &str = "skipped: ";

impl fmt::Display for SkipReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget { flag } => write!(out, "no target; give {flag}"),
            Self::Unneeded { why, origin } => write!(out, "{why} ({origin})"),
            Self::OtherMode { mode, origin } => {
                write!(out, "not in use: {} ({origin})", mode.clause())
            }
            Self::NotThisMachine { ways } => {
                let ports = ways.iter().map(Asked::entrance).collect::<Vec<_>>().join(" or ");
                write!(out, "only that machine itself can look who listens on {ports}")
            }
            Self::OwnOfThatMachine => {
                out.write_str("leads to that machine itself, which alone can ask there")
            }
            Self::Asked { why: Some(why) } => write!(out, "{SKIPPED}{why}"),
            Self::Asked { why: None } => out.write_str("skipped as asked"),
        }
    }
}

/// Works out all steps of a run.
pub(crate) fn plan(catalogue: &Catalogue, site: &Site, settings: &Settings) -> Plan {
    let planner = Planner { catalogue, site, settings, names: names_needed(site) };
    let mut steps: Vec<Step> = Vec::new();
    for flow in &catalogue.flows {
        steps.extend(planner.flow(flow));
    }
    steps.extend(site.custom.iter().map(|custom| planner.custom(custom)));
    steps.extend(site.mistakes.iter().map(|mistake| planner.mistake(mistake)));
    steps.retain(|step| settings.wants(&step.flow));
    let Tuned { optional, require, until_installed, .. } = &settings.tuned;
    for step in &mut steps {
        let is_of =
            |globs: &[Spanned<String>]| globs.iter().any(|it| matches(it.get_ref(), &step.flow));
        step.required = is_of(require) || step.required && !is_of(optional);
        if is_of(until_installed) {
            step.until = Some(Until::Installed);
        }
        if let Some(reason) = settings.skips(&step.flow) {
            step.action = Action::Skip(reason);
        }
    }
    let paired = settings.far_side.as_ref().map(|with| planner.far_side(&steps, with));
    steps.extend(paired);
    Plan {
        platform: site.platform.clone(),
        machine: site.machine.clone(),
        role: site.role,
        profile: catalogue.profile.clone(),
        catalogue: catalogue.identity.clone(),
        phase: settings.phase,
        root: site.root.clone(),
        notes: site.notes.clone(),
        steps,
    }
}

impl Step {
    /// What is spoken: of a step that asks nobody, as the flow table says.
    pub(crate) fn protocols(&self) -> String {
        match &self.action {
            Action::Ask(question) => question.protocols(),
            _ => self.row.as_ref().map_or_else(String::new, |row| row.protocols.clone()),
        }
    }

    /// `TCP 389, 636`: of a step that asks nobody, as the flow table says.
    pub(crate) fn ports(&self) -> String {
        match &self.action {
            Action::Ask(question) => question.ports(),
            _ => self.row.as_ref().map_or_else(String::new, |row| row.ports.clone()),
        }
    }

    /// What it is for, in the words of the vendor's own table where there are some.
    pub(crate) fn application(&self) -> &str {
        let row = self.row.as_ref().and_then(|row| row.application.as_deref());
        row.unwrap_or(self.why.trim_end_matches('.'))
    }

    /// May a closed port be closed in this phase, since what listens there is still to come?
    pub(crate) fn may_wait(&self, phase: InstallPhase) -> bool {
        phase == InstallPhase::Before && self.until.is_some()
    }
}

impl Question {
    /// `LDAP, LDAPS`, in the order of the ports.
    pub(crate) fn protocols(&self) -> String {
        protocols(self.sorted().iter().map(|way| title(way.protocol)))
    }

    /// `TCP 389, 636`, with where the conversation goes on.
    pub(crate) fn ports(&self) -> String {
        let ways = self.sorted();
        let own = ways.iter().map(|way| (way.transport, way.port.to_string()));
        in_transports(own.chain(ways.iter().filter_map(|way| afterwards(way.probe.service()))))
    }

    fn sorted(&self) -> Vec<&Asked> {
        let mut ways: Vec<&Asked> = self.ways.iter().collect();
        ways.sort_by_key(|way| way.port);
        ways
    }

    /// Is somebody else asked for the target than its own host?
    pub(crate) fn is_behind_proxy(&self) -> bool {
        let has_proxy =
            |asked: &Asked| matches!(&asked.probe, Probe::Http(http) if http.proxy.is_some());
        self.ways.iter().any(has_proxy)
    }
}

impl Asked {
    /// Over what it is asked: one transport, or both of a service that is asked over both.
    pub(crate) fn transports(&self) -> &[Transport] {
        let both = self.probe.service().transports();
        // The listener that stands for a service is looked at over that service's own.
        if both.contains(&self.transport) { both } else { std::slice::from_ref(&self.transport) }
    }

    /// `443/tcp`, or `icmp` alone.
    pub(crate) fn entrance(&self) -> String {
        let over = self.transports_in_short();
        if self.transport.has_ports() { format!("{}/{over}", self.port) } else { over }
    }

    /// `tcp`, `udp`, or `udp,tcp`.
    pub(crate) fn transports_in_short(&self) -> String {
        self.transports().iter().map(|transport| transport.lower()).collect::<Vec<_>>().join(",")
    }
}

impl Settings {
    /// What decides which rows are this machine's.
    pub(crate) fn asker<'a>(&'a self, site: &'a Site) -> Asker<'a> {
        Asker {
            role: site.role,
            has_engine: site.has_engine,
            groups: self.groups.iter().chain(&site.groups).map(String::as_str).collect(),
        }
    }

    fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|glob| matches(glob, id))
    }

    fn skips(&self, id: &str) -> Option<SkipReason> {
        let mut found = self.skip.iter().filter(|(glob, _)| matches(glob, id));
        found.next().map(|(_, why)| SkipReason::Asked { why: why.clone() })
    }
}

#[cfg(test)]
mod tests;
