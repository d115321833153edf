//! A run: what was to be asked and what was found, before any rule is applied.
//!
//! A run that has just ended and one that was saved are the same to the rules: [`Run::judged`] makes
//! the report of either. From a saved report only what was seen is taken. Outcome, cause, owner,
//! remedy, summary, and what follows from what, are today's.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use preflight_checks::{
    Cause, Coded, Concern, Finding, Peer, Probe, Remedy, Seen, Transport, closed, listener,
    printable,
};
use serde::Deserialize;

use super::judge::{Judged, NAME_SERVERS, folded, judge};
use super::model::{
    AttemptReport, CauseReport, ClockReport, NoteReport, Report, StepReport, Summary, TargetReport,
    Tool, UnreadCause, WayReport, Why,
};
use super::read::Readable;
use super::{Context, SCHEMA_VERSION};
use crate::catalogue::{Catalogue, Flow, Identity, Role, service};
use crate::run::finding::{Attempt, Found};
use crate::run::outcome::Outcome;
use crate::run::plan::{Action, Asked, Direction, InstallPhase, Plan, Question, SkipReason, Step};
use crate::site::local::Host;
use crate::site::{Find, Origin, Place, Sourced};

/// One run on one machine, as facts.
#[derive(Debug)]
pub(crate) struct Run {
    head: RunHead,
    steps: Recorded,
}

/// The steps of a run, from where they come. Those of a file become facts one at a time, when they are
/// judged: a report of ten thousand steps is in memory once.
#[derive(Debug)]
enum Recorded {
    Fresh(Vec<(Step, Option<Found>)>),
    Saved(Vec<StepReport>, WordsFrom),
}

/// What is known of a run besides its steps.
#[derive(Clone, Debug)]
struct RunHead {
    tool: Tool,
    host: Host,
    started_at: String,
    took_ms: f64,
    root: Option<String>,
    role: Role,
    profile: String,
    catalogue: Option<Identity>,
    phase: InstallPhase,
    strict: bool,
    interrupted: bool,
    redacted: bool,
    notes: Vec<NoteReport>,
}

/// One step of a run.
#[derive(Debug)]
enum RunStep {
    /// What was to be done, and what came of it; with what a saved report shows of it.
    Known { step: Box<Step>, found: Option<Found>, saved: Option<Box<StepReport>> },
    /// Nothing was asked, for the reason that its report gives.
    NotAsked { saved: Box<StepReport>, lacks_name_server: bool },
    /// This version cannot read what was seen.
    Unread { saved: Box<StepReport>, reason: String },
}

/// Whose words stand in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordsFrom {
    /// Those of this run, and of the flow table it was made from.
    Ours,
    /// Anybody's: nothing that a file says is advice.
    Anybodys,
}

impl Run {
    /// A run that has just ended.
    pub(crate) fn new(plan: Plan, found: Vec<Option<Found>>, context: Context) -> Self {
        let tool = Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self {
            head: RunHead {
                tool,
                host: context.host,
                started_at: context.started_at,
                took_ms: (context.took.as_secs_f64() * 1e4).round() / 10.0,
                root: plan.root,
                role: plan.role,
                profile: plan.profile,
                catalogue: Some(context.catalogue),
                phase: plan.phase,
                strict: context.strict,
                interrupted: context.interrupted,
                redacted: false,
                notes: plan.notes.iter().map(NoteReport::from).collect(),
            },
            steps: Recorded::Fresh(plan.steps.into_iter().zip(found).collect()),
        }
    }

    /// What a report keeps of a run.
    pub(crate) fn read(report: Report, words: WordsFrom) -> Self {
        Self {
            steps: Recorded::Saved(report.steps, words),
            head: RunHead {
                tool: report.tool,
                host: report.host,
                started_at: report.started_at,
                took_ms: report.took_ms,
                root: report.root,
                role: report.role,
                profile: report.profile,
                catalogue: report.catalogue,
                phase: report.phase,
                strict: report.strict,
                interrupted: report.interrupted,
                redacted: report.redacted,
                notes: report.notes,
            },
        }
    }

    /// What today's rules say of it.
    pub(crate) fn judged(self) -> Report {
        let Self { head, steps } = self;
        let steps = match steps {
            Recorded::Fresh(steps) => {
                let judge =
                    |(step, found): (Step, Option<Found>)| judge(&step, found.as_ref(), head.phase);
                folded(steps.into_iter().map(judge).collect())
            }
            Recorded::Saved(steps, words) => judged_again(steps, words, &head),
        };
        Report {
            schema_version: SCHEMA_VERSION,
            tool: head.tool,
            host: head.host,
            started_at: head.started_at,
            took_ms: head.took_ms,
            root: head.root,
            role: head.role,
            profile: head.profile,
            catalogue: head.catalogue,
            clock: clock(&steps),
            phase: head.phase,
            strict: head.strict,
            interrupted: head.interrupted,
            redacted: head.redacted,
            notes: head.notes,
            summary: Summary::of(&steps, head.phase, head.strict, head.interrupted),
            steps,
        }
    }
}

/// The steps of a saved report as they are judged today.
fn judged_again(steps: Vec<StepReport>, words: WordsFrom, head: &RunHead) -> Vec<StepReport> {
    let profile = Catalogue::profile(&head.profile);
    let mut judged = Vec::with_capacity(steps.len());
    let mut roots = Vec::with_capacity(steps.len());
    let mut unread_ids = HashSet::new();
    for mut saved in steps {
        let root = saved.because_of.take();
        let (again, root) = match ran(saved, profile.as_ref(), words) {
            RunStep::Known { step, found, saved } => {
                let today = judge(&step, found.as_ref(), head.phase);
                match saved {
                    Some(saved) => (
                        Judged { report: beside(*saved, today.report), ..today },
                        Root::IfUnread(root),
                    ),
                    None => (today, Root::Made),
                }
            }
            RunStep::NotAsked { saved, lacks_name_server } => {
                (unjudged(not_asked(*saved), lacks_name_server), Root::Made)
            }
            RunStep::Unread { saved, reason } => {
                unread_ids.insert(saved.id.clone());
                (unjudged(unread(*saved, reason, &head.tool.version), false), Root::Saved(root))
            }
        };
        judged.push(again);
        roots.push(root);
    }
    let mut steps = folded(judged);
    for (step, root) in steps.iter_mut().zip(roots) {
        let root = match root {
            Root::Made => None,
            Root::Saved(root) => root,
            Root::IfUnread(root) => root.filter(|root| unread_ids.contains(root)),
        };
        step.because_of = step.because_of.take().or(root);
    }
    steps
}

/// What becomes of the root that a report names for a step, where today's rules find none.
enum Root {
    /// Only today's rules say it.
    Made,
    /// It stays: nothing is judged about this step.
    Saved(Option<String>),
    /// It stays when the root itself cannot be judged again.
    IfUnread(Option<String>),
}

fn unjudged(report: StepReport, lacks_name_server: bool) -> Judged {
    Judged { report, cause: None, asked: Vec::new(), lacks_name_server }
}

/// The offset of the first step that measured one and works.
fn clock(steps: &[StepReport]) -> Option<ClockReport> {
    let works = |step: &&StepReport| matches!(step.outcome, Outcome::Pass | Outcome::Warn);
    steps.iter().filter(works).find_map(|step| {
        let offset_ms = step.evidence.get("offset_ms")?.as_f64()?;
        Some(ClockReport { offset_ms, against: step.target.as_ref()?.host.clone() })
    })
}

/// A step that was not asked; what another row's failure made of it is made again.
fn not_asked(saved: StepReport) -> StepReport {
    StepReport {
        outcome: Outcome::Skip,
        cause: None,
        asked_for: Vec::new(),
        concerns: Vec::new(),
        ..saved
    }
}

/// A step as its report has it, without anything that its report advises.
fn unread(mut saved: StepReport, reason: String, made_by: &str) -> StepReport {
    let target = saved.target.as_ref().map_or("", |target| target.host.as_str());
    let cause = saved.cause.take().map(|cause| match &cause.why {
        Why::Cause(known) => CauseReport {
            remedy: Remedy::in_words(
                known.owner().who(target),
                format!("preflight explain {}", known.code()),
            ),
            message: known.to_string(),
            owner: Some(known.owner()),
            why: cause.why,
        },
        Why::Mistake(_) | Why::Unread(_) => CauseReport {
            remedy: Remedy::in_words(
                "not known to this version of preflight".to_owned(),
                format!(
                    "read the report with preflight {}, which made it: {reason}",
                    printable(made_by)
                ),
            ),
            ..cause
        },
    });
    for concern in &mut saved.concerns {
        (concern.owner, concern.remedy) = (None, None);
    }
    StepReport { cause, asked_for: Vec::new(), unread: Some(reason), ..saved }
}

/// What is decided today, beside what was seen then.
fn beside(saved: StepReport, today: StepReport) -> StepReport {
    // Reports of the first version kept no headline of an attempt.
    let result = if today.result.is_empty() { saved.result } else { today.result };
    let shown = today.target.map(|target| target.shown);
    let target = saved.target.map(|target| TargetReport {
        shown: shown.unwrap_or_else(|| target.shown.clone()),
        ..target
    });
    StepReport {
        target,
        outcome: today.outcome,
        result,
        cause: today.cause,
        asked_for: today.asked_for,
        concerns: today.concerns,
        ..saved
    }
}

/// What a report keeps of one step.
fn ran(mut saved: StepReport, profile: Option<&Catalogue>, words: WordsFrom) -> RunStep {
    let row = row(&saved, profile);
    (saved.why, saved.look_at) = told(&saved, row, words);
    let saved = Box::new(saved);
    if let Some(reason) = saved.unread.clone() {
        return RunStep::Unread { saved, reason };
    }
    if saved.outcome == Outcome::Skip {
        return RunStep::NotAsked { saved, lacks_name_server: false };
    }
    if saved.direction == Direction::Local {
        return match mistake(&saved) {
            Ok(step) => RunStep::Known { step: Box::new(step), found: None, saved: None },
            Err(reason) => RunStep::Unread { saved, reason },
        };
    }
    let Some(target) = &saved.target else {
        let lacks_name_server = saved.to.0 == NAME_SERVERS && saved.cause.is_some();
        return if lacks_name_server {
            RunStep::NotAsked { saved, lacks_name_server }
        } else {
            RunStep::Unread { saved, reason: NOTHING.to_owned() }
        };
    };
    match asked_step(&saved, target, row) {
        Ok((step, found)) => {
            RunStep::Known { step: Box::new(step), found: Some(found), saved: Some(saved) }
        }
        Err(reason) => RunStep::Unread { saved, reason },
    }
}

/// A mistake in the machine's files is its own fact.
fn mistake(saved: &StepReport) -> Result<Step, String> {
    match saved.cause.as_ref().map(|cause| &cause.why) {
        Some(Why::Mistake(mistake)) => Ok(Step {
            why: mistake.why().to_owned(),
            look_at: String::new(),
            required: mistake.is_failure() && saved.required,
            action: Action::Found(Box::new(mistake.clone())),
            ..bare(saved)
        }),
        Some(Why::Unread(unread)) => Err(unread_cause(unread)),
        Some(Why::Cause(_)) | None => Err(NOTHING.to_owned()),
    }
}

/// A step without what was to be done.
fn bare(saved: &StepReport) -> Step {
    Step {
        id: saved.id.clone(),
        place: saved.place.clone(),
        flow: saved.flow.clone(),
        from: saved.from.clone(),
        to: saved.to.clone(),
        direction: saved.direction,
        required: saved.required,
        until: saved.until,
        why: saved.why.clone(),
        row: None,
        look_at: saved.look_at.clone(),
        through_vpn: saved.through_vpn.clone(),
        group: saved.group.clone(),
        action: Action::Skip(SkipReason::OwnOfThatMachine),
    }
}

/// What was asked and found.
fn asked_step(
    saved: &StepReport,
    target: &TargetReport,
    row: Option<&Flow>,
) -> Result<(Step, Found), String> {
    let also_why = row.and_then(|row| row.also_why.clone());
    let question = question(saved, target, also_why)?;
    let found = found(saved, &question)?;
    let step = Step {
        until: saved.until.or(row.and_then(|row| row.until)),
        action: Action::Ask(Box::new(question)),
        ..bare(saved)
    };
    Ok((step, found))
}

/// What the step is for, and what to run on the far side: as its row says, if there is one.
fn told(saved: &StepReport, row: Option<&Flow>, words: WordsFrom) -> (String, String) {
    match (row, words) {
        (Some(row), _) => (row.why.clone(), row.look_at.clone()),
        (None, WordsFrom::Ours) => (saved.why.clone(), saved.look_at.clone()),
        // It is a command: whoever wrote the file would have it run.
        (None, WordsFrom::Anybodys) => (saved.why.clone(), String::new()),
    }
}

/// The row of the profile that the step was made from.
fn row<'p>(saved: &StepReport, profile: Option<&'p Catalogue>) -> Option<&'p Flow> {
    profile?.flows.iter().find(|row| *row.id.get_ref() == saved.flow)
}

fn question(
    saved: &StepReport,
    target: &TargetReport,
    also_why: Option<String>,
) -> Result<Question, String> {
    let ways = target.ways.iter().map(|way| asked_way(saved.direction, way));
    let ways: Vec<Asked> = ways.collect::<Result<_, String>>()?;
    let also_try = match &target.also_try {
        Some(way) => Some(asked_way(saved.direction, way)?),
        None => tried_elsewhere(saved, &ways)?,
    };
    Ok(Question {
        host: peer(target),
        target: target.host.clone(),
        origin: target.origin.clone(),
        seen_as: target.seen_as,
        source: (!target.source.is_empty())
            .then(|| Sourced { value: target.source.clone(), origin: target.origin.clone() }),
        exempt: None,
        vpn: None,
        find: Find::Host,
        family: None,
        ways,
        also_try,
        also_why,
    })
}

/// Reports of the first version kept it only as an attempt on a port that is no way's.
fn tried_elsewhere(saved: &StepReport, ways: &[Asked]) -> Result<Option<Asked>, String> {
    let elsewhere = saved.attempts.iter().find(|attempt| way_of(attempt, ways).is_none());
    let also_try = elsewhere.map(|attempt| {
        let transport = ways.first().map_or(Transport::Tcp, |way| way.transport);
        let port = address(attempt)?.port();
        asked(saved.direction, &attempt.protocol, transport, port, Origin::Profile)
    });
    also_try.transpose()
}

/// Whom the target stands for; reports of the first version kept no more than the URL.
fn peer(target: &TargetReport) -> String {
    let place = || Place::from_str(&target.host).ok();
    target.peer.clone().or_else(|| Some(place()?.host)).unwrap_or_else(|| target.host.clone())
}

fn asked_way(direction: Direction, way: &WayReport) -> Result<Asked, String> {
    let Some(Readable::Known(transport)) = way.transports.first() else {
        return Err(format!("it knows no transport called `{}`", way.transports()));
    };
    let transport = *transport;
    asked(direction, &way.protocol, transport, way.port, way.origin.clone())
}

fn asked(
    direction: Direction,
    protocol: &str,
    transport: Transport,
    port: u16,
    port_origin: Origin,
) -> Result<Asked, String> {
    // What must be closed is asked by no name, and has one in a run that was saved.
    let service = service(protocol)
        .or_else(|| Some(&closed::SERVICE).filter(|service| service.name == protocol))
        .ok_or_else(|| format!("it knows no protocol called `{protocol}`"))?;
    let probe = match direction {
        Direction::Outbound => (service.probe)(),
        Direction::Inbound | Direction::Local => {
            Probe::Listener(listener::Probe::of(transport, port))
        }
    };
    Ok(Asked { protocol: service.name, transport, port, port_origin, probe })
}

fn found(saved: &StepReport, question: &Question) -> Result<Found, String> {
    let attempts = saved.attempts.iter().map(|saved| attempt(saved, question));
    let attempts: Vec<Attempt> = attempts.collect::<Result<_, _>>()?;
    let unresolved = match saved.cause.as_ref().map(|cause| &cause.why) {
        _ if !attempts.is_empty() => None,
        Some(Why::Cause(cause)) => Some(cause.clone()),
        Some(Why::Unread(unread)) => return Err(unread_cause(unread)),
        Some(Why::Mistake(_)) | None => return Err(NOTHING.to_owned()),
    };
    Ok(Found { unresolved, attempts, ..Found::default() })
}

fn attempt(saved: &AttemptReport, question: &Question) -> Result<Attempt, String> {
    let address = address(saved)?;
    let source = match &saved.source {
        Some(Readable::Known(source)) => Some(*source),
        Some(unread) => return Err(no_address(unread)),
        None => None,
    };
    let concerns = saved.concerns.iter().map(|saved| match saved {
        Readable::Known(concern) => Ok(concern.clone()),
        Readable::Unread(saved) => Err(match serde_json::from_value::<Concern>(saved.clone()) {
            Err(error) => format!("it cannot read the concern of {address}: {error}"),
            Ok(_) => NOTHING.to_owned(),
        }),
    });
    let concerns: Vec<Concern> = concerns.collect::<Result<_, String>>()?;
    let verdict = match (&saved.cause, saved.outcome) {
        (Some(saved), Outcome::Fail | Outcome::Unknown) => Err(cause(saved)?),
        (None, Outcome::Pass) => Ok(()),
        (None, Outcome::Warn) if !concerns.is_empty() => Ok(()),
        (None, Outcome::Warn) => {
            return Err(format!("the facts of the warning of {address} were not saved"));
        }
        _ => return Err(format!("the outcome of {address} and its cause do not fit")),
    };
    let other_transport = saved.other_transport.as_ref().map(cause).transpose()?.map(Box::new);
    let at_first = saved.at_first.as_ref().map(cause).transpose()?.map(Box::new);
    let headline = saved.headline.clone();
    let seen = Seen { headline, concerns, other_transport, at_first, ..Seen::default() };
    let peer = Peer { host: question.host.clone(), address, from: None };
    let way = way_of(saved, &question.ways).unwrap_or(question.ways.len());
    Ok(Attempt {
        way,
        finding: Finding { peer, source, verdict, seen, took: Duration::ZERO, words: None },
    })
}

/// Index of the way that `attempt` went; none: a port that was only tried too.
fn way_of(attempt: &AttemptReport, ways: &[Asked]) -> Option<usize> {
    if let Some(told) = attempt.way.filter(|way| *way < ways.len()) {
        return Some(told);
    }
    let port = attempt.address.known()?.port();
    ways.iter().position(|way| way.protocol == attempt.protocol && way.port == port)
}

fn address(attempt: &AttemptReport) -> Result<SocketAddr, String> {
    attempt.address.known().copied().ok_or_else(|| no_address(&attempt.address))
}

fn no_address(unread: &impl std::fmt::Display) -> String {
    format!("`{unread}` is not an address")
}

fn cause(saved: &Readable<Cause>) -> Result<Cause, String> {
    match saved {
        Readable::Known(cause) => Ok(cause.clone()),
        Readable::Unread(saved) => Err(why_unread(Coded::deserialize(saved).unwrap_or_default())),
    }
}

fn unread_cause(UnreadCause { coded, .. }: &UnreadCause) -> String {
    why_unread(coded.clone())
}

/// What this version does not know about a cause: its code, or a fact of it.
fn why_unread(coded: Coded) -> String {
    let code = coded.code.clone();
    match Cause::try_from(coded) {
        Err(error) if Cause::codes().any(|known| known == code) => {
            format!("it cannot read the facts of `{code}`: {error}")
        }
        _ => format!("it knows no cause called `{code}`"),
    }
}

/// Why a step cannot be judged again of which a report keeps no fact.
const NOTHING: &str = "nothing of what was seen was saved";

#[cfg(test)]
mod tests;
