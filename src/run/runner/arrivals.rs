//! At the end of a run: do the answers that were not heard arrive here, and die?

use std::time::Duration;

use preflight_checks::{Arrivals, Cause, Deadline, Transport, Unanswered, examine_arrivals};

use crate::run::finding::Found;
use crate::run::plan::{Action, Plan};

/// Longest look of all: one that explains everything, or some that explain one flow each; and a second one where
/// much else is dropped at the first.
const TOTAL: Duration = Duration::from_secs(3);
/// Questions asked once more at most.
const QUESTIONS: usize = 16;

/// A silence: where it stands in what was found, and how to ask once more.
struct Silence {
    step: usize,
    attempt: usize,
    question: Unanswered,
}

/// Explains silences by what this host itself drops; all at once, else one by one.
pub(super) async fn look(plan: &Plan, found: &mut [Option<Found>], scale: f64) {
    let deadline = Deadline::scaled(TOTAL, scale);
    let (v4, v6): (Vec<Silence>, Vec<Silence>) =
        silences(plan, found).into_iter().partition(|silence| silence.question.to.is_ipv4());
    for silences in [v4, v6] {
        if !examine(&silences, found, deadline).await && silences.len() > 1 {
            for silence in silences.chunks(1) {
                examine(silence, found, deadline).await;
            }
        }
    }
}

/// Asks all of `silences`; `false` when only some of them may be explained.
async fn examine(silences: &[Silence], found: &mut [Option<Found>], deadline: Deadline) -> bool {
    if silences.is_empty() || deadline.is_over() {
        return true;
    }
    let questions: Vec<Unanswered> =
        silences.iter().map(|silence| silence.question.clone()).collect();
    let arrivals = examine_arrivals(&questions, deadline).await;
    let explained = |cause: &Cause, is_tcp: bool| match arrivals {
        Arrivals::All(how) => Some(cause.dropped_here(how)),
        // Over UDP an answer from elsewhere is listened for.
        Arrivals::Astray if is_tcp => Some(cause.astray()),
        _ => None,
    };
    if !matches!(arrivals, Arrivals::Nothing | Arrivals::Some) {
        for silence in silences {
            let found = found.get_mut(silence.step).and_then(Option::as_mut);
            let attempt = found.and_then(|found| found.attempts.get_mut(silence.attempt));
            if let Some(attempt) = attempt
                && let Err(cause) = &attempt.finding.verdict
            {
                let is_tcp = silence.question.transport == Transport::Tcp;
                if let Some(explained) = explained(cause, is_tcp) {
                    attempt.finding.revise(explained);
                }
            }
        }
    }
    arrivals != Arrivals::Some
}

fn silences(plan: &Plan, found: &[Option<Found>]) -> Vec<Silence> {
    let mut silences = Vec::new();
    for (step, (planned, found)) in plan.steps.iter().zip(found).enumerate() {
        let (Action::Ask(question), Some(found)) = (&planned.action, found) else { continue };
        for (index, attempt) in found.attempts.iter().enumerate() {
            let unheard = attempt.finding.verdict.as_ref().err().and_then(Cause::unheard);
            let (Some((to, _)), Some(asked)) = (unheard, question.ways.get(attempt.way)) else {
                continue;
            };
            if silences.len() < QUESTIONS && !to.ip().is_loopback() {
                let datagram = asked.probe.service().question.map(|ask| ask()).unwrap_or_default();
                let from = attempt.finding.peer.from;
                let question = Unanswered { to, from, transport: asked.transport, datagram };
                silences.push(Silence { step, attempt: index, question });
            }
        }
    }
    silences
}
