//! Connections that work are left silent, and then spoken on again: is there something on the way that forgets them?

use std::time::Duration;

use futures_util::future::join_all;
use preflight_checks::{
    Concern, HeldConnections, Millis, Peer, Probe, Transport, examine_hold, span,
};

use crate::run::finding::{Attempt, Found, add_to_headline};
use crate::run::plan::{Action, Direction, Plan};

/// Peers whose connections are held at once, each with five of them.
const MOST: usize = 64;
/// The fact that tells how long connections were silent and lived on.
const HELD: &str = "held_ms";

/// Holds what works of `plan`, the longest connection for `silence`, and puts what came of it into `found`; tells
/// how many were held.
pub(crate) async fn hold(plan: &Plan, found: &mut [Option<Found>], silence: Duration) -> usize {
    let mut peers: Vec<(&Probe, Peer)> = Vec::new();
    for (index, attempt) in attempts(plan, found) {
        let Some(probe) = probe_of(plan, index, attempt) else { continue };
        let peer = &attempt.finding.peer;
        // Several flows may lead to one port, and one of them is enough.
        let is_new = peers.iter().all(|(_, known)| known.address != peer.address);
        if is_new && peers.len() < MOST {
            peers.push((probe, peer.clone()));
        }
    }
    let holding = peers.into_iter().map(|(probe, peer)| async move {
        let came = examine_hold(probe, &peer, silence).await;
        came.map(|came| (peer, came))
    });
    let held: Vec<(Peer, HeldConnections)> =
        join_all(holding).await.into_iter().flatten().collect();
    let mut count = 0;
    for (step, found) in plan.steps.iter().zip(found.iter_mut()) {
        let Action::Ask(question) = &step.action else { continue };
        if step.direction != Direction::Outbound {
            continue;
        }
        for attempt in found.iter_mut().flat_map(|found| &mut found.attempts) {
            let way = question.way(attempt.way);
            let came = held.iter().find(|(peer, _)| peer.address == attempt.finding.peer.address);
            if let (Some(way), Some((_, came)), true) = (way, came, attempt.finding.verdict.is_ok())
                && way.transport == Transport::Tcp
            {
                count += 1;
                let finding = &mut attempt.finding;
                match came {
                    HeldConnections::Alive => {
                        finding.seen.evidence.set(HELD, Millis(silence));
                        let lived =
                            format!("lives on after {} of silence", span(silence.as_secs()));
                        add_to_headline(&mut finding.seen, &lived);
                    }
                    HeldConnections::Ended { after } => {
                        finding.seen.concerns.push(Concern::IdleEnded { after: Millis(*after) });
                    }
                    HeldConnections::Lost(cause) => finding.verdict = Err(cause.clone()),
                }
            }
        }
    }
    count
}

/// What works over a connection that this machine opens.
fn attempts<'a>(
    plan: &'a Plan,
    found: &'a [Option<Found>],
) -> impl Iterator<Item = (usize, &'a Attempt)> {
    let is_ours = move |index: &usize| {
        plan.steps.get(*index).is_some_and(|step| step.direction == Direction::Outbound)
    };
    let all = found.iter().enumerate().filter(move |(index, _)| is_ours(index));
    all.flat_map(|(index, found)| {
        let attempts = found.iter().flat_map(|found| &found.attempts);
        attempts.filter(|it| it.finding.verdict.is_ok()).map(move |it| (index, it))
    })
}

fn probe_of<'a>(plan: &'a Plan, index: usize, attempt: &Attempt) -> Option<&'a Probe> {
    let Action::Ask(question) = &plan.steps.get(index)?.action else { return None };
    Some(&question.way(attempt.way)?.probe)
}
