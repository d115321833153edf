//! A saved run judged again: what was asked and found is rebuilt from the report, and goes
//! the way of any run.
//!
//! Only what was seen is taken from the report. Outcome, cause, owner and remedy, and what
//! follows from what, are today's.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use preflight_checks::{Cause, Code, Concern, Finding, Peer, Probe, Seen, Transport, listener};
use serde_json::{Map, Value};

use super::judge::NAME_SERVERS;
use super::{AttemptReport, Judged, Report, StepReport, TargetReport, WayReport, folded, judge};
use crate::catalogue::{Catalogue, Flow, service};
use crate::run::plan::{Action, Asked, Direction, Question, Step};
use crate::run::runner::{Attempt, Found};
use crate::run::verdict::Outcome;
use crate::site::{Find, Origin, Place};

/// Each step of `report`, in its order, as this version would have reported it.
///
/// An error is one clause: what of the step this version cannot read.
pub(crate) fn again(report: &Report) -> Vec<Result<StepReport, String>> {
    let profile = Catalogue::profile(&report.profile);
    let rebuilt: Vec<Result<Option<_>, String>> =
        report.steps.iter().map(|saved| rebuild(saved, profile.as_ref())).collect();
    let judged = report.steps.iter().zip(&rebuilt).map(|(saved, rebuilt)| match rebuilt {
        Ok(Some((step, found))) => judge(step, Some(found), report.phase),
        Ok(None) | Err(_) => Judged {
            report: saved.clone(),
            cause: None,
            asked: Vec::new(),
            // What another row's failure made of it is made again.
            lacks_name_server: saved.to.0 == NAME_SERVERS
                && saved.cause.is_some()
                && saved.target.is_none(),
        },
    });
    let judged = folded(judged.collect());
    let pairs = report.steps.iter().zip(&rebuilt);
    let unread: HashSet<&str> =
        pairs.filter(|(_, read)| read.is_err()).map(|(step, _)| step.id.as_str()).collect();
    let steps = report.steps.iter().zip(judged).zip(&rebuilt);
    steps
        .map(|((saved, today), rebuilt)| match rebuilt {
            Ok(_) => Ok(beside(saved, today, &unread)),
            Err(reason) => Err(reason.clone()),
        })
        .collect()
}

/// What is decided today, beside what was seen then.
fn beside(saved: &StepReport, today: StepReport, unread: &HashSet<&str>) -> StepReport {
    // A root that cannot be judged again stays one.
    let root = saved.because_of.clone().filter(|root| unread.contains(root.as_str()));
    // Reports of the first version kept no headline of an attempt.
    let result = if today.result.is_empty() { saved.result.clone() } else { today.result };
    StepReport {
        outcome: today.outcome,
        result,
        cause: today.cause,
        because_of: today.because_of.or(root),
        asked_for: today.asked_for,
        concerns: today.concerns,
        ..saved.clone()
    }
}

/// What was asked and found; `None` for a step that was not asked, and for what stood in a file.
fn rebuild(
    saved: &StepReport,
    profile: Option<&Catalogue>,
) -> Result<Option<(Step, Found)>, String> {
    let was_asked = saved.outcome != Outcome::Skip && saved.direction != Direction::Local;
    let Some(target) = saved.target.as_ref().filter(|_| was_asked) else {
        return Ok(None);
    };
    let row = row(saved, profile);
    let also_why = row.and_then(|row| row.also_why.clone());
    let question = question(saved, target, also_why)?;
    let found = found(saved, &question)?;
    let step = Step {
        id: saved.id.clone(),
        flow: saved.flow.clone(),
        from: saved.from.clone(),
        to: saved.to.clone(),
        direction: saved.direction,
        required: saved.required,
        until: saved.until.or(row.and_then(|row| row.until)),
        why: saved.why.clone(),
        look_at: look_at(saved, row),
        through_vpn: saved.through_vpn.clone(),
        group: saved.group.clone(),
        action: Action::Ask(Box::new(question)),
    };
    Ok(Some((step, found)))
}

/// The row of the profile that the step was made from.
fn row<'p>(saved: &StepReport, profile: Option<&'p Catalogue>) -> Option<&'p Flow> {
    profile?.flows.iter().find(|row| *row.id.get_ref() == saved.flow)
}

/// Reports of the first version did not keep it; its profile still knows.
fn look_at(saved: &StepReport, row: Option<&Flow>) -> String {
    match saved.look_at.as_str() {
        "" => row.map_or_else(String::new, |row| row.look_at.clone()),
        look_at => look_at.to_owned(),
    }
}

fn question(
    saved: &StepReport,
    target: &TargetReport,
    also_why: Option<String>,
) -> Result<Question, String> {
    let ways = target.ways.iter().map(|way| {
        let port_origin = Origin::Saved(way.origin.clone());
        asked(saved.direction, &way.protocol, transport(way)?, way.port, port_origin)
    });
    let ways: Vec<Asked> = ways.collect::<Result<_, String>>()?;
    let also_try = match &target.also_try {
        Some(way) => {
            let port_origin = Origin::Saved(way.origin.clone());
            Some(asked(saved.direction, &way.protocol, transport(way)?, way.port, port_origin)?)
        }
        None => tried_elsewhere(saved, &ways)?,
    };
    Ok(Question {
        host: peer(target),
        target: target.host.clone(),
        origin: Origin::Saved(target.origin.clone()),
        seen_as: target.seen_as,
        source: None,
        exempt: None,
        find: Find::Host,
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

fn asked(
    direction: Direction,
    protocol: &str,
    transport: Transport,
    port: u16,
    port_origin: Origin,
) -> Result<Asked, String> {
    let service =
        service(protocol).ok_or_else(|| format!("it knows no protocol called `{protocol}`"))?;
    let probe = match direction {
        Direction::Outbound => (service.probe)(),
        Direction::Inbound | Direction::Local => {
            Probe::Listener(listener::Probe { transport, port })
        }
    };
    Ok(Asked { protocol: service.name, transport, port, port_origin, probe })
}

fn transport(way: &WayReport) -> Result<Transport, String> {
    let transport = Value::from(way.transport.as_str());
    serde_json::from_value(transport)
        .map_err(|_| format!("it knows no transport called `{}`", way.transport))
}

fn found(saved: &StepReport, question: &Question) -> Result<Found, String> {
    let attempts = saved.attempts.iter().map(|saved| attempt(saved, question));
    let attempts: Vec<Attempt> = attempts.collect::<Result<_, _>>()?;
    let unresolved = match &saved.cause {
        Some(saved) if attempts.is_empty() => Some(cause(&saved.code, saved.facts.clone())?),
        None if attempts.is_empty() => return Err("nothing of what was seen was saved".to_owned()),
        _ => None,
    };
    Ok(Found { unresolved, attempts, ..Found::default() })
}

fn attempt(saved: &AttemptReport, question: &Question) -> Result<Attempt, String> {
    let address = address(saved)?;
    let source = saved.source.as_deref().map(parsed).transpose()?;
    let concerns = saved.concerns.iter().map(|saved| {
        let unread = |error| format!("it cannot read the concern of {address}: {error}");
        serde_json::from_value(Value::Object(saved.clone())).map_err(unread)
    });
    let concerns: Vec<Concern> = concerns.collect::<Result<_, String>>()?;
    let verdict = match (&saved.cause, saved.outcome) {
        (Some(saved), Outcome::Fail | Outcome::Unknown) => {
            let code = saved.get("code").and_then(Value::as_str).unwrap_or_default();
            Err(cause(code, saved.clone())?)
        }
        (None, Outcome::Pass) => Ok(()),
        (None, Outcome::Warn) if !concerns.is_empty() => Ok(()),
        (None, Outcome::Warn) => {
            return Err(format!("the facts of the warning of {address} were not saved"));
        }
        _ => return Err(format!("the outcome of {address} and its cause do not fit")),
    };
    let other_transport = match &saved.other_transport {
        Some(saved) => {
            let code = saved.get("code").and_then(Value::as_str).unwrap_or_default();
            Some(Box::new(cause(code, saved.clone())?))
        }
        None => None,
    };
    let headline = saved.headline.clone();
    let seen = Seen { headline, concerns, other_transport, ..Seen::default() };
    let peer = Peer { host: question.host.clone(), address, from: None };
    let way = way_of(saved, &question.ways).unwrap_or(question.ways.len());
    Ok(Attempt { way, finding: Finding { peer, source, verdict, seen, took: Duration::ZERO } })
}

/// Index of the way that `attempt` went.
fn way_of(attempt: &AttemptReport, ways: &[Asked]) -> Option<usize> {
    let port = address(attempt).ok()?.port();
    ways.iter().position(|way| way.protocol == attempt.protocol && way.port == port)
}

fn address(attempt: &AttemptReport) -> Result<SocketAddr, String> {
    parsed(&attempt.address)
}

fn parsed<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

/// The cause of that code with these facts.
fn cause(code: &str, mut facts: Map<String, Value>) -> Result<Cause, String> {
    if Code::from_str(code).is_err() {
        return Err(format!("it knows no cause called `{code}`"));
    }
    facts.insert("code".to_owned(), Value::from(code));
    serde_json::from_value(Value::Object(facts))
        .map_err(|error| format!("it cannot read the facts of `{code}`: {error}"))
}

#[cfg(test)]
mod tests;
