//! The report: one model, from which every format is made.
//!
//! A decided shape, not an internal struct that happens to serialise: what a
//! field means and which ones are stable is in `docs/formats.md`.

mod again;
mod centreon;
mod csv;
mod ending;
pub(crate) mod escape;
mod fold;
#[cfg(test)]
pub(crate) mod golden;
pub(crate) mod groups;
pub(crate) mod html;
pub(crate) mod json;
mod junit;
mod markdown;
pub(crate) mod ndjson;
mod openmetrics;
pub(crate) mod own_files;
pub(crate) mod planned;
mod rows;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod saved;
pub(crate) mod table;
mod wide;
mod words;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use preflight_checks::{Cause, Concern, Millis, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::again::again;
use crate::catalogue::{Identity, Party, Role};
use crate::plan::{Action, Direction, Phase, Plan, Question, Step};
use crate::remedy::{Passage, Remedy, remedy};
use crate::runner::{Attempt, Found};
use crate::site::discover::Note;
use crate::site::local::Host;
use crate::site::mistake::Mistake;
use crate::verdict::{Conclusion, Outcome, conclude};
pub(crate) use ending::{Ending, PLUGIN_UNKNOWN};

/// The version of the JSON's shape; raised when a reader could break.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The JSON Schema of this shape, of the JSON and of the lines of ndjson.
pub(crate) const SCHEMA: &str = include_str!("report.schema.json");

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
    /// Protocols and ports asked.
    pub(crate) ways: Vec<WayReport>,
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
    /// Steps by outcome.
    pub(crate) counts: BTreeMap<Outcome, usize>,
    /// Required steps that were asked.
    pub(crate) required: usize,
    /// Required steps that failed.
    pub(crate) failed: usize,
    /// Steps whose path is open, and where nothing listens yet.
    pub(crate) open: usize,
    /// Each root cause among the required steps, with the flows it fails.
    pub(crate) reasons: Vec<String>,
    /// The required flows in one clause, reasons included.
    #[serde(default)]
    pub(crate) text: String,
}

/// What the report is made from besides plan and findings.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The machine.
    pub(crate) host: Host,
    /// Which catalogue the plan was made from.
    pub(crate) catalogue: Identity,
    /// When the run began, RFC 3339.
    pub(crate) started_at: String,
    /// How long it took.
    pub(crate) took: std::time::Duration,
    /// Do warnings fail the run?
    pub(crate) strict: bool,
    /// Was it interrupted?
    pub(crate) interrupted: bool,
}

impl Report {
    /// Judges everything that was found.
    pub(crate) fn new(plan: &Plan, found: &[Option<Found>], context: Context) -> Self {
        let judged: Vec<Judged> = plan
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| judge(step, found.get(index).and_then(Option::as_ref), plan.phase))
            .collect();
        let steps = folded(judged);
        let summary = Summary::of(&steps, context.strict, context.interrupted);
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            host: context.host,
            started_at: context.started_at,
            took_ms: (context.took.as_secs_f64() * 1e4).round() / 10.0,
            root: plan.root.clone(),
            role: plan.role,
            profile: plan.profile.clone(),
            catalogue: Some(context.catalogue),
            clock: clock(&steps),
            phase: plan.phase,
            strict: context.strict,
            interrupted: context.interrupted,
            redacted: false,
            notes: plan.notes.iter().map(NoteReport::from).collect(),
            steps,
            summary,
        }
    }
}

impl Summary {
    fn of(steps: &[StepReport], strict: bool, interrupted: bool) -> Self {
        let mut counts = BTreeMap::new();
        for step in steps {
            *counts.entry(step.outcome).or_insert(0) += 1;
        }
        let required = || steps.iter().filter(|step| step.required);
        let asked = required().filter(|step| step.outcome != Outcome::Skip).count();
        let exit_code = Ending::of(steps, strict, interrupted).exit_code();
        let failed = || required().filter(|step| step.outcome == Outcome::Fail);
        let warned = required().filter(|step| strict && step.outcome == Outcome::Warn);
        let warned =
            warned.map(|step| format!("{} ({}, --strict)", step.flow, short(&step.result)));
        let reasons = failed()
            .filter(|step| step.because_of.is_none())
            .map(|step| reason(step, &failed().collect::<Vec<_>>()))
            .chain(warned);
        let reasons = counted(reasons);
        let failed = failed().count();
        let open = steps.iter().filter(|step| step.is_only_open()).count();
        let text = words::verdict(steps, (asked, failed), &reasons);
        Self { exit_code, counts, required: asked, failed, open, reasons, text }
    }

    /// How many steps have that outcome.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.counts.get(&outcome).copied().unwrap_or_default()
    }
}

/// The offset of the first step that measured one and works.
fn clock(steps: &[StepReport]) -> Option<ClockReport> {
    let works = |step: &&StepReport| matches!(step.outcome, Outcome::Pass | Outcome::Warn);
    steps.iter().filter(works).find_map(|step| {
        let offset_ms = step.evidence.get("offset_ms")?.as_f64()?;
        Some(ClockReport { offset_ms, against: step.target.as_ref()?.host.clone() })
    })
}

/// One step by itself: whether another explains its failure is not known yet.
pub(crate) fn step(step: &Step, found: &Found, phase: Phase) -> StepReport {
    judge(step, Some(found), phase).report
}

/// Each reason once, with how often when that is more.
fn counted(reasons: impl Iterator<Item = String>) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for reason in reasons {
        match counted.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, times)) => *times += 1,
            None => counted.push((reason, 1)),
        }
    }
    let text = |(reason, times)| match times {
        1 => reason,
        _ => format!("{times} x {reason}"),
    };
    counted.into_iter().map(text).collect()
}

/// "poller.dns (no answer), and with it poller.http, poller.smtp"
fn reason(step: &StepReport, failed: &[&StepReport]) -> String {
    let with_it = failed.iter().filter(|other| other.because_of.as_ref() == Some(&step.id));
    let with_it: Vec<&str> = with_it.map(|other| other.flow.as_str()).collect();
    let and = if with_it.is_empty() {
        String::new()
    } else {
        format!(", and with it {}", with_it.join(", "))
    };
    format!("{} ({}){and}", step.flow, short(&step.result))
}

/// A sentence without what stands in parentheses.
fn short(sentence: &str) -> String {
    let mut rest = sentence;
    let mut short = String::new();
    while let Some((before, after)) = rest.split_once(" (") {
        short.push_str(before);
        rest = after.split_once(')').map_or("", |(_, behind)| behind);
    }
    short.push_str(rest);
    short
}

impl StepReport {
    /// Not asked, or only our own listener that decides nothing.
    fn says_nothing(&self) -> bool {
        self.outcome == Outcome::Skip || (self.direction == Direction::Inbound && !self.required)
    }

    /// Whom it would have gone to, when it was not asked.
    fn target_in_id(&self) -> Option<&str> {
        self.id.strip_prefix(&self.flow)?.strip_prefix('@')
    }

    /// Does it pass only because nothing is installed yet?
    pub(crate) fn is_only_open(&self) -> bool {
        const OPEN: [&str; 2] = ["path-open", "nothing-listens-yet"];
        self.concerns.iter().any(|concern| OPEN.contains(&concern.code.as_str()))
    }
}

/// A step's report, and what folding needs besides.
struct Judged {
    report: StepReport,
    cause: Option<Cause>,
    asked: Vec<SocketAddr>,
}

fn failed((index, judged): (usize, &Judged)) -> Option<fold::Failed<'_>> {
    let cause = judged.cause.as_ref()?;
    Some(fold::Failed { index, cause, asked: judged.asked.clone() })
}

/// The steps' reports, each that follows from another's failure naming it.
fn folded(judged: Vec<Judged>) -> Vec<StepReport> {
    let folded = fold::fold(&judged.iter().enumerate().filter_map(failed).collect::<Vec<_>>());
    let ids: Vec<String> = judged.iter().map(|judged| judged.report.id.clone()).collect();
    let mut steps: Vec<StepReport> = judged.into_iter().map(|judged| judged.report).collect();
    for (index, root) in folded {
        if let (Some(step), Some(id)) = (steps.get_mut(index), ids.get(root)) {
            step.because_of = Some(id.clone());
        }
    }
    steps
}

fn judge(step: &Step, found: Option<&Found>, phase: Phase) -> Judged {
    let question = match &step.action {
        Action::Skip(reason) => {
            let report = skipped(step, reason.to_string());
            return Judged { report, cause: None, asked: Vec::new() };
        }
        Action::Found(mistake) => {
            return Judged { report: mistaken(step, mistake), cause: None, asked: Vec::new() };
        }
        Action::Ask(question) => question,
    };
    let interrupted = Found { unresolved: Some(Cause::Interrupted), ..Found::default() };
    let found = found.unwrap_or(&interrupted);
    let conclusion = conclude(question, step.direction, found, phase);
    let mut report = skipped(step, result(&conclusion));
    report.outcome = conclusion.outcome;
    report.target = Some(target(question, step.direction, &conclusion, found));
    report.cause = conclusion
        .cause
        .as_ref()
        .map(|cause| cause_report(cause, &passage(step, question, &conclusion, found)));
    report.concerns = conclusion.concerns.iter().map(concern_report).collect();
    report.evidence = object(&conclusion.evidence);
    if let Some(name) = &found.canonical {
        report.evidence.insert("resolved_as".to_owned(), Value::from(name.as_str()));
    }
    report.attempts =
        found.attempts.iter().map(|attempt| attempt_report(question, attempt)).collect();
    report.timings = timings(&conclusion, found);
    let asked = found.attempts.iter().map(|attempt| attempt.finding.peer.address).collect();
    Judged { report, cause: conclusion.cause, asked }
}

fn skipped(step: &Step, result: String) -> StepReport {
    StepReport {
        id: step.id.clone(),
        flow: step.flow.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
        direction: step.direction,
        required: step.required,
        why: step.why.clone(),
        look_at: step.look_at.clone(),
        through_vpn: step.through_vpn.clone(),
        group: step.group.clone(),
        target: None,
        outcome: Outcome::Skip,
        result,
        cause: None,
        because_of: None,
        concerns: Vec::new(),
        evidence: Map::new(),
        attempts: Vec::new(),
        timings: Map::new(),
    }
}

/// A mistake in this machine's files: nothing was asked, and it is known all the same.
fn mistaken(step: &Step, mistake: &Mistake) -> StepReport {
    let mut facts = object(mistake);
    facts.remove("code");
    let at = mistake.at().to_string();
    let mut report = skipped(step, preflight_checks::printable(&mistake.to_string()));
    report.outcome = if mistake.is_failure() { Outcome::Fail } else { Outcome::Warn };
    report.target = Some(TargetReport {
        host: at.clone(),
        peer: None,
        shown: at.clone(),
        origin: at,
        ways: Vec::new(),
    });
    report.cause = Some(CauseReport {
        code: mistake.code().to_owned(),
        layer: "configuration".to_owned(),
        owner: "this-host".to_owned(),
        device: None,
        message: report.result.clone(),
        facts,
        remedy: Remedy { who: "you, on this host".to_owned(), what: mistake.remedy() },
    });
    report
}

/// One line for the table: what was seen, and what will hurt.
fn result(conclusion: &Conclusion) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(Some(conclusion.headline.clone()).filter(|headline| !headline.is_empty()));
    match &conclusion.cause {
        Some(cause) => parts.push(cause.to_string()),
        None => parts.extend(conclusion.concerns.iter().map(ToString::to_string)),
    }
    preflight_checks::printable(&parts.join("; "))
}

fn target(
    question: &Question,
    direction: Direction,
    conclusion: &Conclusion,
    found: &Found,
) -> TargetReport {
    let decided = conclusion.decided_by.and_then(|index| found.attempts.get(index));
    let way = decided.and_then(|attempt| question.ways.get(attempt.way));
    let shown = match (way, conclusion.outcome) {
        // Of several ways only the one that works matters.
        (Some(way), Outcome::Pass | Outcome::Warn) => vec![way],
        _ => question.ways.iter().collect(),
    };
    let mut ports: Vec<String> = shown.iter().map(|way| way.port.to_string()).collect();
    // One port given for several ways is one port.
    ports.dedup();
    let transport = shown.first().map_or("", |way| way.transports());
    let host = match direction {
        Direction::Inbound => "*".to_owned(),
        Direction::Local => String::new(),
        Direction::Outbound if question.target.contains("://") => String::new(),
        Direction::Outbound if question.target.contains(':') => format!("[{}]", question.target),
        Direction::Outbound => question.target.clone(),
    };
    let shown = if host.is_empty() {
        question.target.clone()
    } else {
        format!("{host}:{}/{transport}", ports.join(","))
    };
    TargetReport {
        host: question.target.clone(),
        peer: question.target.contains("://").then(|| question.host.clone()),
        shown,
        origin: question.origin.to_string(),
        ways: question
            .ways
            .iter()
            .map(|way| WayReport {
                protocol: way.protocol.to_owned(),
                transport: way.transport.lower().to_owned(),
                port: way.port,
                origin: way.port_origin.to_string(),
            })
            .collect(),
    }
}

fn passage<'a>(
    step: &'a Step,
    question: &'a Question,
    conclusion: &Conclusion,
    found: &Found,
) -> Passage<'a> {
    let attempt = conclusion.decided_by.and_then(|index| found.attempts.get(index));
    let first = question.ways.first();
    let way = attempt.and_then(|attempt| question.ways.get(attempt.way)).or(first);
    Passage {
        from: attempt.and_then(|attempt| attempt.finding.source),
        to: attempt.map(|attempt| attempt.finding.peer.address),
        target: if step.direction == Direction::Inbound { "this host" } else { &question.host },
        flow: &step.flow,
        protocol: way.map_or("", |way| way.protocol),
        transport: way.map_or(preflight_checks::Transport::Tcp, |way| way.transport),
        port: way.map_or(0, |way| way.port),
        look_at: &step.look_at,
        origin: question.origin.to_string(),
    }
}

fn cause_report(cause: &Cause, passage: &Passage<'_>) -> CauseReport {
    let mut facts = object(cause);
    facts.remove("code");
    let (owner, device) = match cause.owner() {
        Owner::ThisHost => ("this-host", None),
        Owner::Network { device } => ("network", device.map(|device| device.to_string())),
        Owner::FarSide => ("far-side", None),
        Owner::Nobody => ("nobody", None),
    };
    CauseReport {
        code: cause.code().to_owned(),
        layer: cause.layer().to_string(),
        owner: owner.to_owned(),
        device,
        message: cause.to_string(),
        facts,
        remedy: remedy(cause, passage),
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

fn concern_report(concern: &Concern) -> ConcernReport {
    ConcernReport { code: concern.code().to_owned(), message: concern.to_string() }
}

fn attempt_report(question: &Question, attempt: &Attempt) -> AttemptReport {
    let finding = &attempt.finding;
    let way = question.ways.get(attempt.way).or(question.also_try.as_ref());
    let outcome = match &finding.verdict {
        Ok(()) if finding.seen.concerns.is_empty() => Outcome::Pass,
        Ok(()) => Outcome::Warn,
        Err(cause) if cause.is_inconclusive() => Outcome::Unknown,
        Err(_) => Outcome::Fail,
    };
    AttemptReport {
        address: finding.peer.address.to_string(),
        protocol: way.map_or("", |way| way.protocol).to_owned(),
        source: finding.source.map(|source| source.to_string()),
        outcome,
        cause: finding.verdict.as_ref().err().map(object),
        concerns: finding.seen.concerns.iter().map(object).collect(),
        headline: preflight_checks::printable(&finding.seen.headline),
        evidence: object(&finding.seen.evidence),
        timings: object(&finding.seen.timings),
    }
}

fn timings(conclusion: &Conclusion, found: &Found) -> Map<String, Value> {
    let mut timings = object(&conclusion.timings);
    let of = |took| serde_json::to_value(Millis(took)).unwrap_or_default();
    if let Some(took) = found.resolve {
        timings.insert("resolve_ms".to_owned(), of(took));
    }
    timings.insert("total_ms".to_owned(), of(found.took));
    timings
}

/// Anything that serialises to an object, as one.
fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// How a report is written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Format {
    /// For a reader.
    Table,
    /// For grep, a line a step.
    Wide,
    /// For a program.
    Json,
    /// For a program, a line a step while the run is on.
    Ndjson,
    /// For CI.
    Junit,
    /// For a ticket.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// For the textfile collector of `node_exporter`.
    Openmetrics,
    /// For Centreon itself, as a plugin.
    Centreon,
    /// For a customer: one page.
    Html,
}

/// What a format may know of where it is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canvas {
    /// Columns.
    pub(crate) width: usize,
    /// Show origins, evidence and timings too.
    pub(crate) verbose: bool,
}

impl Format {
    /// Writes `report`.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub(crate) fn write(
        self,
        report: &Report,
        canvas: Canvas,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self {
            Self::Table => table::write(report, canvas, out),
            Self::Wide => wide::write(report, out),
            Self::Json => json::write(report, out),
            Self::Ndjson => ndjson::write(report, out),
            Self::Junit => junit::write(report, out),
            Self::Markdown => markdown::write(report, out),
            Self::Csv => csv::write(report, out),
            Self::Openmetrics => openmetrics::write(report, out),
            Self::Centreon => centreon::write(report, out),
            Self::Html => html::write(report, out),
        }
    }
}

/// The format of that name, among those a command has.
///
/// # Errors
///
/// One sentence naming those there are.
pub(crate) fn format_named<F: FromStr + strum::VariantNames>(name: &str) -> Result<F, String> {
    name.parse().map_err(|_| {
        let known = F::VARIANTS.join(", ");
        format!("unknown format `{name}`; known are {known}")
    })
}
