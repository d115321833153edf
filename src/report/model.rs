//! The model: what a report says of a run, field by field.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalogue::{Identity, Party, Role, Until};
use crate::run::plan::{Direction, Phase};
use crate::run::remedy::Remedy;
use crate::run::verdict::Outcome;
use crate::run::wish::Wish;
use crate::site::discover::Note;
use crate::site::local::Host;

/// One run on one machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Version of this shape.
    pub(crate) schema_version: u32,
    /// Who made it.
    pub(crate) tool: Tool,
    /// Where it was made.
    pub(crate) host: Host,
    /// When the run began, RFC 3339, UTC.
    pub(crate) started_at: String,
    /// How long it took, milliseconds.
    pub(crate) took_ms: f64,
    /// The copy of another machine's files that the plan was made from, with `--root`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) root: Option<String>,
    /// What the machine is.
    pub(crate) role: Role,
    /// The catalogue's name.
    pub(crate) profile: String,
    /// Which text of the catalogue it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) catalogue: Option<Identity>,
    /// This machine's clock against a time server, when one was asked and is good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) clock: Option<ClockReport>,
    /// Before or after installation.
    pub(crate) phase: Phase,
    /// Do warnings fail the run?
    pub(crate) strict: bool,
    /// Was the run interrupted?
    pub(crate) interrupted: bool,
    /// Do other addresses and names stand for the true ones?
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) redacted: bool,
    /// Files that could not be read, and what they would have told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) notes: Vec<NoteReport>,
    /// One entry a step, in the plan's order.
    pub(crate) steps: Vec<StepReport>,
    /// What the exit code and the last line say.
    pub(crate) summary: Summary,
}

/// Who made a report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tool {
    /// `preflight`
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

/// This machine's clock against a time server's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClockReport {
    /// The server's time minus this machine's, milliseconds.
    pub(crate) offset_ms: f64,
    /// The time server.
    pub(crate) against: String,
}

/// A file, or a line of it, that could not be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NoteReport {
    /// The file, and the line when one is at fault: `/etc/chrony.conf:7`.
    pub(crate) place: String,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// What it would have told.
    pub(crate) missing: String,
}

/// One step and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepReport {
    /// Unique in a run, stable between runs.
    pub(crate) id: String,
    /// The flow's id.
    pub(crate) flow: String,
    /// Who opens the connection.
    pub(crate) from: Party,
    /// To whom.
    pub(crate) to: Party,
    /// Seen from this machine.
    pub(crate) direction: Direction,
    /// Does its failure fail the run?
    pub(crate) required: bool,
    /// Until then a closed port only waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until: Option<Until>,
    /// What breaks without it.
    pub(crate) why: String,
    /// What to run on the far side when nothing listens there.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) look_at: String,
    /// The VPN gateway it goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) through_vpn: Option<String>,
    /// The subnet a sampled device stands for: `10.20.30.0/24`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) group: Option<String>,
    /// Whom we asked, if anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<TargetReport>,
    /// pass, warn, fail, unknown or skip.
    pub(crate) outcome: Outcome,
    /// One line: what was seen, the cause, or why it was skipped.
    pub(crate) result: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<CauseReport>,
    /// The step whose failure explains this one; its explanation holds here too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) because_of: Option<String>,
    /// What is asked for against it: rules and repairs, wherever they are due.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) asked_for: Vec<Wish>,
    /// What passes today and will hurt.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) concerns: Vec<ConcernReport>,
    /// Facts of the attempt that decided.
    pub(crate) evidence: Map<String, Value>,
    /// Each address on each port.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) attempts: Vec<AttemptReport>,
    /// Milliseconds by phase, of the attempt that decided.
    pub(crate) timings: Map<String, Value>,
}

/// Whom a step asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TargetReport {
    /// The target as configured.
    pub(crate) host: String,
    /// The name or address asked, when the target is a URL: its host, or the proxy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) peer: Option<String>,
    /// `10.0.0.3:123/udp`
    pub(crate) shown: String,
    /// Where the target came from.
    pub(crate) origin: String,
    /// Our address as the network sees it, behind address translation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) seen_as: Option<IpAddr>,
    /// The addresses of ours it is asked from, of each family the first; none: as routes choose.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) source: Vec<IpAddr>,
    /// Protocols and ports asked.
    pub(crate) ways: Vec<WayReport>,
    /// Asked too when all of these fail.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) also_try: Option<WayReport>,
}

/// One protocol on one port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WayReport {
    /// The service's name.
    pub(crate) protocol: String,
    /// `tcp` or `udp`.
    pub(crate) transport: String,
    /// The port.
    pub(crate) port: u16,
    /// Where the port came from.
    pub(crate) origin: String,
}

/// Why a step failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CauseReport {
    /// Stable code, a heading of `docs/causes.md`.
    pub(crate) code: String,
    /// name, route, path, port, tls, protocol, authentication, service, host.
    pub(crate) layer: String,
    /// this-host, network, far-side, nobody.
    pub(crate) owner: String,
    /// The device that said no, when one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// One sentence.
    pub(crate) message: String,
    /// The typed facts behind the sentence.
    pub(crate) facts: Map<String, Value>,
    /// Who acts, and what to ask of them.
    pub(crate) remedy: Remedy,
}

/// What passes today and will hurt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConcernReport {
    /// Stable code, a heading of `docs/causes.md`.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) message: String,
    /// this-host, network, far-side, nobody; empty in reports of the first version.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) owner: String,
    /// Who acts, and what to ask of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) remedy: Option<Remedy>,
}

/// One address on one port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AttemptReport {
    /// Address and port.
    pub(crate) address: String,
    /// The service asked for.
    pub(crate) protocol: String,
    /// The address we asked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// pass, fail or unknown.
    pub(crate) outcome: Outcome,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<Map<String, Value>>,
    /// Why it does not answer over the service's second transport.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) other_transport: Option<Map<String, Value>>,
    /// What passes today and will hurt.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) concerns: Vec<Map<String, Value>>,
    /// What a pass shows: "stratum 2, offset -3 ms".
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) headline: String,
    /// What was seen.
    pub(crate) evidence: Map<String, Value>,
    /// Milliseconds by phase.
    pub(crate) timings: Map<String, Value>,
}

/// What the exit code and the last line say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The process's exit code.
    pub(crate) exit_code: u8,
    /// May this machine be installed, or, once it is, is it healthy? Only with exit code 0.
    #[serde(default)]
    pub(crate) ready: bool,
    /// Steps by outcome.
    pub(crate) counts: BTreeMap<Outcome, usize>,
    /// Required steps that were asked.
    pub(crate) required: usize,
    /// Required steps that work.
    #[serde(default)]
    pub(crate) works: usize,
    /// Required steps that wait for the installation.
    #[serde(default)]
    pub(crate) waiting: usize,
    /// Required steps that failed.
    pub(crate) failed: usize,
    /// Required steps that cannot be told from here.
    #[serde(default)]
    pub(crate) unknown: usize,
    /// The same of the steps that are not required.
    #[serde(default)]
    pub(crate) optional: Tally,
    /// Steps whose path is open, and where nothing listens yet.
    pub(crate) open: usize,
    /// Each root cause among the required steps, with the flows it fails.
    pub(crate) reasons: Vec<String>,
    /// The required flows in one clause, reasons included.
    #[serde(default)]
    pub(crate) text: String,
}

impl CauseReport {
    /// What its remedy is to the reader: something to do, or something to ask for.
    pub(crate) fn turn(&self) -> &'static str {
        turn(&self.owner)
    }
}

impl ConcernReport {
    /// What its remedy is to the reader: something to do, or something to ask for.
    pub(crate) fn turn(&self) -> &'static str {
        turn(&self.owner)
    }

    /// Its remedy, if anybody has to act.
    pub(crate) fn due(&self) -> Option<&Remedy> {
        self.remedy.as_ref().filter(|_| self.owner != "nobody")
    }
}

fn turn(owner: &str) -> &'static str {
    if owner == "this-host" { "do" } else { "ask for" }
}

/// How many of the steps that were asked ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// They work.
    pub(crate) works: usize,
    /// They wait for the installation.
    pub(crate) waiting: usize,
    /// They failed.
    pub(crate) failed: usize,
    /// They cannot be told from here.
    pub(crate) unknown: usize,
}

impl Tally {
    pub(super) fn of<'a>(steps: impl IntoIterator<Item = &'a StepReport>) -> Self {
        let mut tally = Self::default();
        for step in steps {
            match step.outcome {
                _ if step.works() => tally.works += 1,
                Outcome::Pass | Outcome::Warn => tally.waiting += 1,
                Outcome::Fail => tally.failed += 1,
                Outcome::Unknown => tally.unknown += 1,
                Outcome::Skip => {}
            }
        }
        tally
    }

    /// All of them.
    pub(super) fn asked(self) -> usize {
        self.works + self.waiting + self.failed + self.unknown
    }
}

impl StepReport {
    /// Does it work, rather than only wait for what the installation brings?
    pub(super) fn works(&self) -> bool {
        matches!(self.outcome, Outcome::Pass | Outcome::Warn) && !self.is_only_open()
    }

    /// Does it work, and something about it will hurt? What only waits is no such warning.
    pub(super) fn warns(&self) -> bool {
        self.outcome == Outcome::Warn && self.works()
    }

    /// Not asked, or only our own listener that decides nothing.
    pub(super) fn says_nothing(&self) -> bool {
        self.outcome == Outcome::Skip || (self.direction == Direction::Inbound && !self.required)
    }

    /// Whom it would have gone to, when it was not asked.
    pub(super) fn target_in_id(&self) -> Option<&str> {
        self.id.strip_prefix(&self.flow)?.strip_prefix('@')
    }

    /// Does it pass only because nothing is installed yet?
    pub(crate) fn is_only_open(&self) -> bool {
        const OPEN: [&str; 2] = ["path-open", "nothing-listens-yet"];
        self.concerns.iter().any(|concern| OPEN.contains(&concern.code.as_str()))
    }
}

impl From<&Note> for NoteReport {
    fn from(note: &Note) -> Self {
        Self {
            place: note.at.to_string(),
            reason: note.reason.clone(),
            missing: note.missing.to_owned(),
        }
    }
}
