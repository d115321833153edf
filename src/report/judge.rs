//! What came of a step: its outcome, its cause and whose turn it is.

use std::net::SocketAddr;

use preflight_checks::{
    Cause, Concern, Demand, Millis, NameCause, OwnCause, Owner, Passage, Remedy,
};
use serde_json::{Map, Value};
use url::Url;

use super::fold;
use super::model::{
    AttemptReport, CauseReport, ConcernReport, StepReport, TargetReport, WayReport, Why, object,
};
use super::read::Readable;
use crate::catalogue::service;
use crate::run::finding::{Attempt, Found};
use crate::run::outcome::Outcome;
use crate::run::plan::{
    Action, Asked, Direction, FAR_SIDE, InstallPhase, Question, SkipReason, Step,
};
use crate::run::verdict::{Conclusion, conclude};
use crate::run::wish::{Wish, wishes};
use crate::site::Origin;
use crate::site::mistake::Mistake;

/// One step by itself: whether another explains its failure is not known yet.
pub(crate) fn step(step: &Step, found: &Found, phase: InstallPhase) -> StepReport {
    judge(step, Some(found), phase).report
}

/// A step's report, and what folding needs besides.
pub(super) struct Judged {
    /// What is known of it so far.
    pub(super) report: StepReport,
    /// What made it fail.
    pub(super) cause: Option<Cause>,
    /// The addresses and ports it asked.
    pub(super) asked: Vec<SocketAddr>,
    /// Is it the row of the name servers, and had nobody to ask?
    pub(super) lacks_name_server: bool,
}

fn failed((index, judged): (usize, &Judged)) -> Option<fold::Failed<'_>> {
    let cause = judged.cause.as_ref()?;
    let gateway = judged.report.target.as_ref().filter(|_| judged.report.to.0 == VPN_GATEWAYS);
    let gateway = gateway.map(|target| target.peer.as_ref().unwrap_or(&target.host).as_str());
    Some(fold::Failed { index, cause, asked: judged.asked.clone(), gateway })
}

/// The steps' reports, each that follows from another's failure naming it.
pub(super) fn folded(mut judged: Vec<Judged>) -> Vec<StepReport> {
    let row = blame_row_of_name_servers(&mut judged);
    let mut all: Vec<_> = judged.iter().enumerate().filter_map(failed).collect();
    // It explains the others, wherever it stands.
    all.sort_by_key(|failed| Some(failed.index) != row);
    let mut folded = fold::fold(&all);
    if let Some((call, flow)) = call_of_a_flow(&judged) {
        let root = folded.get(&flow).copied().unwrap_or(flow);
        folded.entry(call).or_insert(root);
    }
    let ids: Vec<String> = judged.iter().map(|judged| judged.report.id.clone()).collect();
    let mut steps: Vec<StepReport> = judged.into_iter().map(|judged| judged.report).collect();
    for (index, root) in folded {
        if let (Some(step), Some(id)) = (steps.get_mut(index), ids.get(root)) {
            step.because_of = Some(id.clone());
        }
    }
    steps
}

/// The call on the far side that fails as the flow does whose port it took.
fn call_of_a_flow(judged: &[Judged]) -> Option<(usize, usize)> {
    let call = judged.iter().position(|judged| judged.report.flow == FAR_SIDE)?;
    let called = judged.get(call)?;
    let is_flow = |one: &Judged| {
        one.report.flow != FAR_SIDE
            && one.asked.iter().any(|asked| called.asked.contains(asked))
            && one.cause.as_ref().map(Cause::code) == called.cause.as_ref().map(Cause::code)
    };
    let flow = judged.iter().position(is_flow).filter(|_| called.cause.is_some())?;
    Some((call, flow))
}

/// Without a name server it is their row that fails, which had nobody to ask.
fn blame_row_of_name_servers(judged: &mut [Judged]) -> Option<usize> {
    let cause = judged.iter().find_map(|judged| {
        let cause = judged.cause.as_ref()?;
        let is_it = matches!(cause, Cause::Name(NameCause::NoNameServer { .. }));
        Some((cause.clone(), judged.report.cause.clone()?)).filter(|_| is_it)
    });
    let (cause, told) = cause?;
    let index = judged.iter().position(|judged| judged.lacks_name_server)?;
    let row = judged.get_mut(index)?;
    row.report.outcome = Outcome::Fail;
    row.report.result = cause.to_string();
    row.report.cause = Some(told);
    row.cause = Some(cause);
    Some(index)
}

pub(super) fn judge(step: &Step, found: Option<&Found>, phase: InstallPhase) -> Judged {
    let question = match &step.action {
        Action::Skip(reason) => {
            let report = skipped(step, reason.to_string());
            let lacks_name_server =
                matches!(reason, SkipReason::NoTarget { .. }) && step.to.0 == NAME_SERVERS;
            return Judged { report, cause: None, asked: Vec::new(), lacks_name_server };
        }
        Action::Found(mistake) => {
            let report = mistaken(step, mistake);
            return Judged { report, cause: None, asked: Vec::new(), lacks_name_server: false };
        }
        Action::Ask(question) => question,
    };
    let interrupted =
        Found { unresolved: Some(Cause::Own(OwnCause::Interrupted)), ..Found::default() };
    let found = found.unwrap_or(&interrupted);
    let conclusion = conclude(question, step.direction, found, step.may_wait(phase));
    let named = |sentence: String| with_interface(sentence, question, found);
    let mut report = skipped(step, named(result(&conclusion)));
    report.outcome = conclusion.outcome;
    report.target = Some(target(question, step.direction, &conclusion, found));
    if step.direction == Direction::Outbound {
        report.asked_for = wishes(question, found, |attempt, cause| {
            let passage = passage(step, question, attempt, &[]);
            (cause.owner_on(&passage), cause.remedy(&passage).text)
        });
        for seen in report.asked_for.iter_mut().flat_map(|wish| &mut wish.seen) {
            *seen = named(std::mem::take(seen));
        }
    }
    let decided = conclusion.decided_by.and_then(|index| found.attempts.get(index));
    let demands: Vec<Demand> = report.asked_for.iter().map(Wish::demand).collect();
    let passage = passage(step, question, decided, &demands);
    report.cause = conclusion.cause.as_ref().map(|cause| {
        let told = cause_report(cause, &passage);
        CauseReport { message: named(told.message), ..told }
    });
    let concerns = conclusion.concerns.iter().map(|concern| {
        let told = concern_report(concern, &passage);
        ConcernReport { message: named(told.message), ..told }
    });
    report.concerns = concerns.collect();
    report.evidence = object(&conclusion.evidence);
    if let Some(name) = &found.canonical {
        report.evidence.insert("resolved_as".to_owned(), Value::from(name.as_str()));
    }
    if let Some(source) = found.named_by {
        report.evidence.insert("resolved_by".to_owned(), Value::from(source.to_string()));
    }
    report.attempts =
        found.attempts.iter().map(|attempt| attempt_report(question, attempt)).collect();
    report.timings = timings(&conclusion, found);
    let asked = found.attempts.iter().map(|attempt| attempt.finding.peer.address).collect();
    Judged { report, cause: conclusion.cause, asked, lacks_name_server: false }
}

/// A sentence in which an address of a link stands with its interface's name, as the target has it: the
/// kernel's number for it means nothing on another machine.
fn with_interface(sentence: String, question: &Question, found: &Found) -> String {
    let Some((_, interface)) = question.host.split_once('%') else { return sentence };
    let zoned = found.attempts.iter().filter_map(|attempt| match attempt.finding.peer.address {
        SocketAddr::V6(peer) if peer.scope_id() != 0 => Some((*peer.ip(), peer.scope_id())),
        _ => None,
    });
    zoned.fold(sentence, |sentence, (address, number)| {
        sentence.replace(&format!("[{address}%{number}]"), &format!("[{address}%{interface}]"))
    })
}

fn skipped(step: &Step, result: String) -> StepReport {
    StepReport {
        id: step.id.clone(),
        flow: step.flow.clone(),
        place: step.place.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
        direction: step.direction,
        required: step.required,
        until: step.until,
        why: step.why.clone(),
        look_at: step.look_at.clone(),
        through_vpn: step.through_vpn.clone(),
        group: step.group.clone(),
        target: None,
        outcome: Outcome::Skip,
        result,
        cause: None,
        unread: None,
        because_of: None,
        asked_for: Vec::new(),
        concerns: Vec::new(),
        evidence: Map::new(),
        attempts: Vec::new(),
        timings: Map::new(),
    }
}

/// A mistake in this machine's files: nothing was asked, and it is known all the same.
fn mistaken(step: &Step, mistake: &Mistake) -> StepReport {
    let at = mistake.at().to_string();
    let mut report = skipped(step, preflight_checks::printable(&mistake.to_string()));
    report.outcome = if mistake.is_failure() { Outcome::Fail } else { Outcome::Warn };
    report.target = Some(TargetReport {
        host: at.clone(),
        peer: None,
        shown: at,
        origin: Origin::File(mistake.at().clone()),
        seen_as: None,
        source: Vec::new(),
        ways: Vec::new(),
        also_try: None,
    });
    report.cause = Some(CauseReport {
        why: Why::Mistake(mistake.clone()),
        owner: Some(Owner::ThisHost),
        message: report.result.clone(),
        remedy: Remedy::in_words(Owner::ThisHost.who(""), mistake.remedy()),
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
    let with_ports = shown.iter().filter(|way| way.transport.has_ports());
    let mut ports: Vec<String> = with_ports.map(|way| way.port.to_string()).collect();
    // One port given for several ways is one port.
    ports.dedup();
    let transport = shown.first().map(|way| way.transports_in_short()).unwrap_or_default();
    let is_portless = ports.is_empty() && !shown.is_empty();
    let host = match direction {
        Direction::Inbound => "*".to_owned(),
        Direction::Local => String::new(),
        Direction::Outbound if question.target.contains("://") => String::new(),
        Direction::Outbound if question.target.contains(':') => format!("[{}]", question.target),
        Direction::Outbound => question.target.clone(),
    };
    let shown = if host.is_empty() {
        question.target.clone()
    } else if is_portless {
        format!("{}/{transport}", question.target)
    } else {
        format!("{host}:{}/{transport}", ports.join(","))
    };
    TargetReport {
        host: question.target.clone(),
        peer: question.target.contains("://").then(|| question.host.clone()),
        shown,
        origin: question.origin.clone(),
        seen_as: question.seen_as,
        source: question.source.as_ref().map(|source| source.value.clone()).unwrap_or_default(),
        ways: question.ways.iter().map(way_report).collect(),
        also_try: question.also_try.as_ref().map(way_report),
    }
}

fn way_report(asked: &Asked) -> WayReport {
    WayReport {
        protocol: asked.protocol.to_owned(),
        transports: asked.transports().iter().copied().map(Readable::Known).collect(),
        port: asked.port,
        origin: asked.port_origin.clone(),
    }
}

fn passage<'a>(
    step: &'a Step,
    question: &'a Question,
    attempt: Option<&Attempt>,
    asked_for: &'a [Demand],
) -> Passage<'a> {
    let way = attempt.and_then(|attempt| question.ways.get(attempt.way));
    let way = way.or(question.ways.first());
    let hints = way.and_then(|way| service(way.protocol)).map(|service| service.hints);
    Passage {
        from: attempt
            .and_then(|attempt| attempt.finding.source)
            .or_else(|| question.source.as_ref().and_then(|source| source.value.first().copied())),
        seen_as: question.seen_as,
        to: attempt.map(|attempt| attempt.finding.peer.address),
        target: if step.direction == Direction::Inbound { "this host" } else { &question.host },
        flow: &step.flow,
        protocol: way.map_or("", |way| way.protocol),
        starttls: hints.and_then(|hints| hints.starttls),
        serves_others: hints.and_then(|hints| hints.serves_others),
        alpn: hints.and_then(|hints| hints.alpn),
        transport: way.map_or(preflight_checks::Transport::Tcp, |way| way.transport),
        port: way.map(|way| way.port),
        look_at: &step.look_at,
        origin: question.origin.to_string(),
        asked_for,
        behind: behind_proxy(question),
    }
}

/// The server that is meant, and its port, where the host asked is a proxy on the way to it.
fn behind_proxy(question: &Question) -> Option<(String, u16)> {
    let url: Url = question.target.parse().ok().filter(|url: &Url| url.has_host())?;
    let server = url.host_str().filter(|server| *server != question.host)?;
    Some((server.to_owned(), url.port_or_known_default()?))
}

fn cause_report(cause: &Cause, passage: &Passage<'_>) -> CauseReport {
    CauseReport {
        why: Why::Cause(cause.clone()),
        owner: Some(cause.owner_on(passage)),
        message: cause.to_string(),
        remedy: cause.remedy(passage),
    }
}

fn concern_report(concern: &Concern, passage: &Passage<'_>) -> ConcernReport {
    let (owner, remedy) = concern.remedy(passage);
    ConcernReport {
        code: Readable::Known(concern.into()),
        message: concern.to_string(),
        owner: Some(owner),
        remedy: Some(remedy),
    }
}

fn attempt_report(question: &Question, attempt: &Attempt) -> AttemptReport {
    let finding = &attempt.finding;
    let way = question.way(attempt.way);
    let outcome = match &finding.verdict {
        Ok(()) if finding.seen.concerns.is_empty() => Outcome::Pass,
        Ok(()) => Outcome::Warn,
        Err(cause) if cause.is_inconclusive() => Outcome::Unknown,
        Err(_) => Outcome::Fail,
    };
    let port = finding.peer.address.port();
    let is_told = question.ways.get(attempt.way).is_none_or(|way| way.port == port);
    AttemptReport {
        address: Readable::Known(finding.peer.address),
        protocol: way.map_or("", |way| way.protocol).to_owned(),
        way: (!is_told).then_some(attempt.way),
        source: finding.source.map(Readable::Known),
        outcome,
        cause: finding.verdict.clone().err().map(Readable::Known),
        at_first: finding.seen.at_first.as_deref().cloned().map(Readable::Known),
        other_transport: finding.seen.other_transport.as_deref().cloned().map(Readable::Known),
        concerns: finding.seen.concerns.iter().cloned().map(Readable::Known).collect(),
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

/// The catalogue's words for them.
pub(super) const NAME_SERVERS: &str = "dns";
const VPN_GATEWAYS: &str = "vpn";
