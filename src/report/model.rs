//! The model: what a report says of a run, field by field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use preflight_checks::{
    Cause, Coded, Concern, ConcernCode, Hop, Layer, Owner, Remedy, Transport, Whereabouts,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::SCHEMA_VERSION;
use super::read::Readable;

use crate::catalogue::{Identity, Party, Role, Until};
use crate::run::finding::{MARK_FROM, REACHED_FROM, SEEN_THERE_AS};
use crate::run::outcome::Outcome;
use crate::run::plan::{Direction, InstallPhase};
use crate::run::wish::Wish;
use crate::site::Origin;
use crate::site::discover::{At, Note};
use crate::site::local::Host;
use crate::site::mistake::Mistake;

/// One run on one machine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Report {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub(crate) schema_version: u32,
    /// The program that made the report.
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
    pub(crate) phase: InstallPhase,
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tool {
    /// `preflight`
    pub(crate) name: String,
    /// The version that it names.
    pub(crate) version: String,
}

/// This machine's clock against a time server's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ClockReport {
    /// The server's time minus this machine's, milliseconds.
    pub(crate) offset_ms: f64,
    /// The time server.
    pub(crate) against: String,
}

/// A file, or a line of it, that could not be read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct NoteReport {
    /// The file.
    pub(crate) file: String,
    /// The line that is at fault, counted from 1; none: the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) line: Option<u32>,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// What it would have told.
    pub(crate) missing: String,
}

/// One step and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StepReport {
    /// Unique in a run, stable between runs.
    pub(crate) id: String,
    /// The flow's id.
    pub(crate) flow: String,
    /// Whom or what it is about, as its id has it behind the flow: an address, a URL, a line of a file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) place: Option<String>,
    /// Who opens the connection.
    pub(crate) from: Party,
    /// The kind of peer the connection goes to: `central`, `dns`.
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
    /// What made it fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<CauseReport>,
    /// Why this version could not judge what was saved: the step stands as its report has it.
    #[serde(skip)]
    pub(crate) unread: Option<String>,
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
    #[schemars(with = "BTreeMap<String, preflight_checks::Value>")]
    pub(crate) evidence: Map<String, Value>,
    /// Each address on each port.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) attempts: Vec<AttemptReport>,
    /// Milliseconds by phase, of the attempt that decided.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub(crate) timings: Map<String, Value>,
}

impl StepReport {
    /// Does it pass by a look at this machine's own listener alone?
    pub(crate) fn is_way_untested(&self) -> bool {
        self.direction == Direction::Inbound
            && self.outcome == Outcome::Pass
            && ![REACHED_FROM, MARK_FROM].iter().any(|fact| self.evidence.contains_key(*fact))
    }

    /// Does it work, and has the other end seen that too?
    pub(crate) fn is_proved_by_both(&self) -> bool {
        let fact = match self.direction {
            Direction::Inbound => REACHED_FROM,
            Direction::Outbound | Direction::Local => SEEN_THERE_AS,
        };
        matches!(self.outcome, Outcome::Pass | Outcome::Warn) && self.evidence.contains_key(fact)
    }
}

/// Whom a step asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TargetReport {
    /// The target as configured.
    pub(crate) host: String,
    /// The name or address asked, when the target is a URL: its host, or the proxy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) peer: Option<String>,
    /// `10.0.0.3:123/udp`
    pub(crate) shown: String,
    /// Where the target came from.
    pub(crate) origin: Origin,
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct WayReport {
    /// The service's name.
    pub(crate) protocol: String,
    /// Over what it is asked; the first is asked first.
    pub(crate) transports: Vec<Readable<Transport>>,
    /// The port.
    pub(crate) port: u16,
    /// Where the port came from.
    pub(crate) origin: Origin,
}

/// Why a step failed.
#[derive(Clone, Debug)]
pub(crate) struct CauseReport {
    /// What stands in the way, typed.
    pub(crate) why: Why,
    /// Who has to act, where the question went; none: not known.
    pub(crate) owner: Option<Owner>,
    /// One sentence.
    pub(crate) message: String,
    /// Who acts, and what to ask of them.
    pub(crate) remedy: Remedy,
}

/// What stands in a step's way, as far as this version can read it.
#[derive(Clone, Debug)]
pub(crate) enum Why {
    /// Something that a probe saw.
    Cause(Cause),
    /// Something that this machine's files say.
    Mistake(Mistake),
    /// What a report of another version says, in its own words; nothing is concluded from it.
    Unread(UnreadCause),
}

/// A cause of a saved report that this version cannot read.
#[derive(Clone, Debug)]
pub(crate) struct UnreadCause {
    /// The code that a later version gave, and its facts as they were saved.
    pub(crate) coded: Coded,
    /// What that report says its layer is.
    pub(crate) layer: String,
    /// What that report says whose it is.
    pub(crate) owner: String,
    /// The device that report names.
    pub(crate) device: Option<String>,
}

impl Why {
    /// Stable code, a heading of `docs/causes.md`.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Cause(cause) => cause.code(),
            Self::Mistake(mistake) => mistake.code(),
            Self::Unread(unread) => &unread.coded.code,
        }
    }

    /// The layer it belongs to; none: a file, or not known.
    pub(crate) fn layer(&self) -> Option<Layer> {
        match self {
            Self::Cause(cause) => Some(cause.layer()),
            Self::Mistake(_) | Self::Unread(_) => None,
        }
    }

    /// The layer's name: `path`, `configuration`.
    pub(crate) fn layer_name(&self) -> String {
        match self {
            Self::Cause(cause) => cause.layer().to_string(),
            Self::Mistake(_) => "configuration".to_owned(),
            Self::Unread(unread) => unread.layer.clone(),
        }
    }

    /// Who has to act, if this host is not what was asked; none: not known.
    pub(crate) fn owner(&self) -> Option<Owner> {
        match self {
            Self::Cause(cause) => Some(cause.owner()),
            Self::Mistake(_) => Some(Owner::ThisHost),
            Self::Unread(_) => None,
        }
    }

    /// What a probe saw, if it was one and can be read.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Cause(cause) => Some(cause),
            Self::Mistake(_) | Self::Unread(_) => None,
        }
    }
}

/// Why a step fails, or cannot be told.
#[derive(Serialize, Deserialize, JsonSchema)]
struct WrittenCause {
    /// A heading of `docs/causes.md`.
    code: String,
    /// Where it lies: `path`, `port`, `configuration`.
    layer: String,
    /// Who acts: `this-host`, `network`, `far-side`, `nobody`.
    owner: String,
    /// The device in the network that is to be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// One sentence. For people; the wording may change.
    message: String,
    /// What the sentence is made from; the keys belong to the code.
    facts: Map<String, Value>,
    /// Whom to ask, and for what. For people; the wording may change.
    remedy: Remedy,
}

/// A cause or a concern: its code, and its facts if it has any.
fn coded(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["code"],
        "properties": {
            "code": { "type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$" },
            "facts": { "description": "The keys belong to the code.", "type": "object" },
        },
    })
}

fn coded_list(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "minItems": 1, "items": coded(generator) })
}

impl JsonSchema for CauseReport {
    fn schema_name() -> Cow<'static, str> {
        "Cause".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WrittenCause::json_schema(generator)
    }
}

impl Serialize for CauseReport {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Coded { code, facts } = match &self.why {
            Why::Cause(cause) => cause.coded(),
            Why::Mistake(mistake) => mistake.coded(),
            Why::Unread(unread) => unread.coded.clone(),
        };
        let device = match &self.why {
            Why::Unread(unread) => unread.device.clone(),
            Why::Cause(_) | Why::Mistake(_) => self.device().map(|device| device.to_string()),
        };
        WrittenCause {
            code,
            layer: self.why.layer_name(),
            owner: self.owner_name().to_owned(),
            device,
            message: self.message.clone(),
            facts,
            remedy: self.remedy.clone(),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for CauseReport {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let WrittenCause { code, layer, owner, device, message, facts, remedy } =
            WrittenCause::deserialize(from)?;
        let is_here = owner == owner_name(Owner::ThisHost);
        let coded = Coded { code, facts };
        let read = if Cause::codes().any(|known| known == coded.code) {
            coded.clone().try_into().map(Why::Cause)
        } else {
            coded.clone().try_into().map(Why::Mistake)
        };
        let why = read.unwrap_or(Why::Unread(UnreadCause { coded, layer, owner, device }));
        let owner = why.owner().map(|owner| if is_here { Owner::ThisHost } else { owner });
        Ok(Self { why, owner, message, remedy })
    }
}

/// What passes today and will hurt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ConcernReport {
    /// Stable code, a heading of `docs/causes.md`.
    #[schemars(with = "String")]
    pub(crate) code: Readable<ConcernCode>,
    /// One sentence.
    pub(crate) message: String,
    /// this-host, network, far-side, nobody; empty in reports of the first version.
    #[schemars(with = "Option<String>")]
    #[serde(with = "owner", skip_serializing_if = "Option::is_none", default)]
    pub(crate) owner: Option<Owner>,
    /// Who acts, and what to ask of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) remedy: Option<Remedy>,
}

/// One address on one port.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AttemptReport {
    /// Address and port.
    #[schemars(with = "String")]
    pub(crate) address: Readable<SocketAddr>,
    /// The service asked for.
    pub(crate) protocol: String,
    /// Which of the target's ways it is, counted from 0, where the port does not tell: that of a
    /// directory is DNS's word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) way: Option<usize>,
    /// The address we asked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Readable<IpAddr>>,
    /// pass, fail or unknown.
    pub(crate) outcome: Outcome,
    /// What made it fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "coded")]
    pub(crate) cause: Option<Readable<Cause>>,
    /// What the probe itself saw, where a later look made another cause of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(schema_with = "coded")]
    pub(crate) at_first: Option<Readable<Cause>>,
    /// Why it does not answer over the service's second transport.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(schema_with = "coded")]
    pub(crate) other_transport: Option<Readable<Cause>>,
    /// What passes today and will hurt.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(schema_with = "coded_list")]
    pub(crate) concerns: Vec<Readable<Concern>>,
    /// What a pass shows: "stratum 2, offset -3 ms".
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) headline: String,
    /// What was seen.
    #[schemars(with = "BTreeMap<String, preflight_checks::Value>")]
    pub(crate) evidence: Map<String, Value>,
    /// Milliseconds by phase.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub(crate) timings: Map<String, Value>,
}

impl WayReport {
    /// `443/tcp`, or `icmp` alone.
    pub(crate) fn entrance(&self) -> String {
        let over = self.transports();
        let has_ports = |over: &Readable<Transport>| over.known().is_none_or(|it| it.has_ports());
        let is_port = self.transports.iter().all(has_ports);
        if is_port { format!("{}/{over}", self.port) } else { over }
    }

    /// `tcp`, `udp`, or `udp,tcp`.
    pub(crate) fn transports(&self) -> String {
        let shown = self.transports.iter().map(|transport| match transport {
            Readable::Known(transport) => transport.lower(),
            Readable::Unread(saved) => saved.as_str().unwrap_or_default(),
        });
        shown.collect::<Vec<_>>().join(",")
    }
}

impl AttemptReport {
    /// The address and port asked; where there are no ports, the address alone.
    pub(crate) fn place(&self) -> String {
        match self.address.known() {
            Some(address) if address.port() == 0 => address.ip().to_string(),
            _ => self.address.to_string(),
        }
    }

    /// The code of what it failed with, whether this version knows it or not.
    pub(crate) fn code(&self) -> Option<&str> {
        match self.cause.as_ref()? {
            Readable::Known(cause) => Some(cause.code()),
            Readable::Unread(saved) => saved.get("code")?.as_str(),
        }
    }

    /// What it failed with, if this version can read it.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()?.known()
    }

    /// The address it was asked from.
    pub(crate) fn from(&self) -> Option<IpAddr> {
        self.source.as_ref()?.known().copied()
    }
}

/// What the exit code and the last line say.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summary {
    /// The process's exit code.
    pub(crate) exit_code: u8,
    /// May this machine be installed, or, once it is, is it healthy? Only with exit code 0.
    #[serde(default)]
    pub(crate) ready: bool,
    /// Steps by outcome; each outcome is named.
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
    /// Each root cause among the required steps, with the flows it fails. For people; the wording
    /// may change.
    pub(crate) reasons: Vec<String>,
    /// The same as data, in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) causes: Vec<RootCause>,
    /// The required flows in one clause, reasons included. For people; the wording may change.
    #[serde(default)]
    pub(crate) text: String,
}

/// What makes the run what it is: one fault of required steps, however many show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RootCause {
    /// A heading of `docs/causes.md`.
    pub(crate) code: String,
    /// `fail`; or `warn`, where warnings fail the run.
    pub(crate) outcome: Outcome,
    /// Who acts: `this-host`, `network`, `far-side`, `nobody`.
    pub(crate) owner: String,
    /// The device in the network that says no to all of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) device: Option<IpAddr>,
    /// The ids of the steps that have it.
    pub(crate) steps: Vec<String>,
    /// The ids of the steps that fail because of those.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) followers: Vec<String>,
}

impl CauseReport {
    /// The owner's name: `network`, `this-host`.
    pub(crate) fn owner_name(&self) -> &str {
        match &self.why {
            Why::Unread(unread) => &unread.owner,
            Why::Cause(_) | Why::Mistake(_) => self.owner.map_or("", owner_name),
        }
    }

    /// The device that says no, when one did.
    pub(crate) fn device(&self) -> Option<IpAddr> {
        match self.owner {
            Some(Owner::Network(at)) => at.device(),
            _ => None,
        }
    }

    /// What its remedy is to the reader: something to do, or something to ask for.
    pub(crate) fn turn(&self) -> &'static str {
        turn(self.owner)
    }
}

impl ConcernReport {
    /// What its remedy is to the reader: something to do, or something to ask for.
    pub(crate) fn turn(&self) -> &'static str {
        turn(self.owner)
    }

    /// Its remedy, if anybody has to act.
    pub(crate) fn due(&self) -> Option<&Remedy> {
        self.remedy.as_ref().filter(|_| self.owner != Some(Owner::Nobody))
    }

    /// Does it only say that nothing is installed yet?
    fn is_only_open(&self) -> bool {
        match self.code.known() {
            Some(ConcernCode::PathOpen | ConcernCode::NothingListensYet) => true,
            Some(_) | None => false,
        }
    }

    /// Stable code.
    pub(crate) fn code(&self) -> &str {
        match &self.code {
            Readable::Known(code) => (*code).into(),
            Readable::Unread(saved) => saved.as_str().unwrap_or_default(),
        }
    }
}

fn turn(owner: Option<Owner>) -> &'static str {
    match owner {
        Some(Owner::ThisHost) | None => "do",
        Some(Owner::Network(_) | Owner::FarSide | Owner::Nobody) => "ask for",
    }
}

/// An owner as JSON has it; where a device stands is said beside it.
pub(super) fn owner_name(owner: Owner) -> &'static str {
    match owner {
        Owner::ThisHost => "this-host",
        Owner::Network(_) => "network",
        Owner::FarSide => "far-side",
        Owner::Nobody => "nobody",
    }
}

/// An owner by its name; a name that is not known is nobody's.
mod owner {
    use super::{Deserialize, Deserializer, Owner, Serializer, Whereabouts, owner_name};

    #[expect(clippy::ref_option, reason = "serde asks for a reference")]
    pub(super) fn serialize<S: Serializer>(
        owner: &Option<Owner>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(owner.map_or("", owner_name))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Owner>, D::Error> {
        let name = String::deserialize(from)?;
        let network = Owner::Network(Whereabouts::Unknown);
        let known = [Owner::ThisHost, network, Owner::FarSide, Owner::Nobody];
        Ok(known.into_iter().find(|owner| owner_name(*owner) == name))
    }
}

/// A hop of a look at the path, if it is one.
pub(crate) fn hop(fact: &Value) -> Option<Hop> {
    Hop::deserialize(fact).ok()
}

/// Anything that serialises to an object, as one.
pub(super) fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// How many of the steps that were asked ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tally {
    /// Steps that work.
    pub(crate) works: usize,
    /// Steps that wait for the installation.
    pub(crate) waiting: usize,
    /// Steps that failed.
    pub(crate) failed: usize,
    /// Steps that cannot be told from here.
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

    /// How many steps were asked.
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

    /// Does it pass only because nothing is installed yet?
    pub(crate) fn is_only_open(&self) -> bool {
        self.concerns.iter().any(ConcernReport::is_only_open)
    }

    /// The code of the cause, or of the first thing that will hurt; empty: there is neither.
    pub(crate) fn code(&self) -> &str {
        let concern = self.concerns.first().map(ConcernReport::code);
        self.cause.as_ref().map(|cause| cause.why.code()).or(concern).unwrap_or_default()
    }

    /// The device that says no, when one did.
    pub(crate) fn device(&self) -> Option<IpAddr> {
        self.cause.as_ref()?.device()
    }

    /// What a probe saw in its way, if this version can read it.
    pub(crate) fn why(&self) -> Option<&Cause> {
        self.cause.as_ref()?.why.cause()
    }

    /// The hops of the look at the path, nearest first.
    pub(crate) fn path(&self) -> Vec<Hop> {
        let path = self.evidence.get("path").and_then(Value::as_array);
        path.into_iter().flatten().filter_map(hop).collect()
    }
}

impl NoteReport {
    /// `/etc/chrony.conf:7`, or the file as a whole.
    pub(crate) fn place(&self) -> String {
        At { line: self.line, ..At::file(&self.file) }.to_string()
    }
}

impl From<&Note> for NoteReport {
    fn from(note: &Note) -> Self {
        Self {
            file: note.at.file.to_string(),
            line: note.at.line,
            reason: note.reason.clone(),
            missing: note.missing.to_owned(),
        }
    }
}
