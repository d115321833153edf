//! A run that goes on: what does not work yet is asked again, until all that is required works.
//!
//! No step is asked twice within one pause, `sshd` once a minute at most, and never again whoever was
//! shown credentials and refused them, or had them before something else went wrong.

use std::time::{Duration, Instant};

use preflight_checks::Layer;

use crate::run::finding::Found;
use crate::run::outcome::Outcome;
use crate::run::plan::{Action, Direction, Plan, SkipReason};
use crate::run::verdict::conclude;

/// How often, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// The pause between two questions of one step; none: it grows.
    pub(crate) every: Option<Duration>,
    /// The end, from the first question on; none: whenever somebody ends it.
    pub(crate) within: Option<Duration>,
}

/// The pause after the first run where nobody chose one; each one after that is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// And this long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// OpenSSH counts visits that log nobody in, and shuts out whoever comes often.
const SSH_PAUSE: Duration = Duration::from_secs(60);
const SSH: &str = "ssh";

impl Patience {
    /// The pause after so many rounds.
    pub(crate) fn pause(self, rounds: u32) -> Duration {
        self.every.unwrap_or_else(|| {
            let factor = 2_u32.saturating_pow(rounds.saturating_sub(1).min(16));
            FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
        })
    }

    /// The same pause, or what is left of it all; `None` when the time is over.
    pub(crate) fn next(self, rounds: u32, elapsed: Duration) -> Option<Duration> {
        let pause = self.pause(rounds);
        let Some(within) = self.within else { return Some(pause) };
        // One last question at the very end.
        let left = within.checked_sub(elapsed).filter(|left| !left.is_zero())?;
        Some(pause.min(left))
    }
}

/// What is known of each step while a run goes on.
#[derive(Debug)]
pub(crate) struct Watch {
    /// When each step was asked last.
    asked: Vec<Instant>,
}

impl Watch {
    /// After the first run of `plan`.
    pub(crate) fn new(plan: &Plan, now: Instant) -> Self {
        Self { asked: vec![now; plan.steps.len()] }
    }

    /// Is there a reason to go on: something required that does not work, and may?
    ///
    /// Where nothing that is asked is required, everything counts.
    pub(crate) fn goes_on(plan: &Plan, found: &[Option<Found>]) -> bool {
        let is_asked = |action: &Action| matches!(action, Action::Ask(_));
        let some_required = plan.steps.iter().any(|step| step.required && is_asked(&step.action));
        plan.steps
            .iter()
            .enumerate()
            .any(|(index, step)| (step.required || !some_required) && is_open(plan, found, index))
    }

    /// The plan of the next round: the steps that do not work yet, and are due.
    ///
    /// With a far side: as long as it was not met, all that it has a say on is asked together with it. Once it
    /// was, it is called again for what does not work; who refused the code is never called again.
    pub(crate) fn again(&mut self, plan: &Plan, found: &[Option<Found>], now: Instant) -> Plan {
        let mut again = plan.clone();
        let call = plan.far_side_call();
        let is_unmet = call.is_some_and(|call| is_open(plan, found, call));
        let is_met = call.is_some_and(|call| works(plan, found, call));
        let mut is_needed = is_unmet;
        for (index, step) in again.steps.iter_mut().enumerate() {
            let Action::Ask(question) = &step.action else { continue };
            if Some(index) == call {
                continue;
            }
            let is_ssh = question.ways.iter().any(|way| way.protocol == SSH);
            let is_shared = has_say(plan, call, index);
            // Our own listener is only looked at, until somebody is met who visits it.
            let is_visit = step.direction == Direction::Outbound || is_met;
            let pause = if is_ssh && is_visit { SSH_PAUSE } else { Duration::ZERO };
            let asked = self.asked.get_mut(index);
            let rested = asked.as_ref().is_none_or(|at| now.duration_since(**at) >= pause);
            if rested && (is_open(plan, found, index) || is_unmet && is_shared) {
                if let Some(at) = asked {
                    *at = now;
                }
                is_needed |= is_met && is_shared;
            } else {
                step.action = Action::Skip(SkipReason::Asked { why: None });
            }
        }
        if let Some(step) = call.filter(|_| !is_needed).and_then(|call| again.steps.get_mut(call)) {
            step.action = Action::Skip(SkipReason::Asked { why: None });
        }
        again
    }

    /// Takes back what of a round nobody may believe: of what comes in, this machine's own view is none as long
    /// as the far side has had no say.
    pub(crate) fn forget_unsaid(plan: &Plan, anew: &mut [Option<Found>]) {
        let call = plan.far_side_call();
        for (index, (step, found)) in plan.steps.iter().zip(anew).enumerate() {
            if step.direction == Direction::Inbound && has_say(plan, call, index) {
                *found = None;
            }
        }
    }
}

/// The steps that a far side has a say on, and the call on it.
pub(crate) fn shared(plan: &Plan) -> impl Iterator<Item = usize> {
    let call = plan.far_side_call();
    (0..plan.steps.len()).filter(move |&index| has_say(plan, call, index))
}

/// The same, where the call is known.
fn has_say(plan: &Plan, call: Option<usize>, index: usize) -> bool {
    let (Some(call), Some(step)) =
        (call.and_then(|call| plan.steps.get(call)), plan.steps.get(index))
    else {
        return false;
    };
    match (step.direction, &step.action, &call.action) {
        (Direction::Inbound, _, _) => true,
        (Direction::Outbound, Action::Ask(asked), Action::Ask(called)) => asked.host == called.host,
        _ => false,
    }
}

/// What is concluded of the step at `index`, as far as it was asked, and what was found for it.
fn concluded<'a>(
    plan: &Plan,
    found: &'a [Option<Found>],
    index: usize,
) -> Option<(Outcome, &'a Found)> {
    let (step, found) = (plan.steps.get(index)?, found.get(index)?.as_ref()?);
    let Action::Ask(question) = &step.action else { return None };
    let concluded = conclude(question, step.direction, found, step.may_wait(plan.phase));
    Some((concluded.outcome, found))
}

/// Does the step at `index` work?
fn works(plan: &Plan, found: &[Option<Found>], index: usize) -> bool {
    concluded(plan, found, index)
        .is_some_and(|(outcome, _)| matches!(outcome, Outcome::Pass | Outcome::Warn))
}

/// Does the step at `index` not work yet, and may it be asked again?
fn is_open(plan: &Plan, found: &[Option<Found>], index: usize) -> bool {
    let Some((outcome, found)) = concluded(plan, found, index) else { return false };
    let is_wrong = matches!(outcome, Outcome::Fail | Outcome::Unknown);
    let shown = found.attempts.iter().filter_map(|attempt| attempt.finding.verdict.as_ref().err());
    is_wrong
        && !shown.map(preflight_checks::Cause::layer).any(|layer| layer >= Layer::Authentication)
}

/// Writes the moment at which it came to work to each attempt that does.
pub(crate) fn mark(found: &mut Found, since: &str) {
    for attempt in found.attempts.iter_mut().filter(|attempt| attempt.finding.verdict.is_ok()) {
        attempt.finding.seen.evidence.set(WORKS_SINCE, since);
    }
}

/// The fact that tells when a step came to work that did not before.
const WORKS_SINCE: &str = "works_since";

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use preflight_checks::{Cause, FarSideCause, Finding, Peer, Seen, Transport, Trust};

    use super::*;
    use crate::catalogue::{Catalogue, Party, Role};
    use crate::run::finding::Attempt;
    use crate::run::plan::{Counterpart, FAR_SIDE, InstallPhase, Settings, Step, plan};
    use crate::site::{Origin, Site, Target};

    #[test]
    fn pauses_grow_up_to_a_minute_where_nobody_chose_one() {
        let alone = Patience { every: None, within: None };
        let pauses: Vec<u64> = (1..8).map(|rounds| alone.pause(rounds).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(alone.pause(u32::MAX), LONGEST_PAUSE);
        let chosen = Patience { every: Some(Duration::from_secs(5)), ..alone };
        assert_eq!(chosen.pause(9), Duration::from_secs(5));
    }

    /// A poller that is paired with its central.
    fn paired() -> Plan {
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        let mut site = Site::of(Role::Poller, Trust::only([]));
        let central = Target::new("10.0.0.5".parse().unwrap(), Origin::flag("--central"));
        site.targets.insert(Party("central".to_owned()), vec![central]);
        let only = ["poller.bbdo", "central.zmq", "central.ssh"].map(str::to_owned).to_vec();
        let far_side = Some(Counterpart::Only);
        plan(
            &catalogue,
            &site,
            &Settings { only, far_side, ..Settings::usual(InstallPhase::Before) },
        )
    }

    fn at() -> SocketAddr {
        "10.0.0.5:5669".parse().unwrap()
    }

    /// Everything works but for this.
    fn found(plan: &Plan, wrong: &[(&str, Cause)]) -> Vec<Option<Found>> {
        let of_step = |step: &Step| {
            let cause = wrong.iter().find(|(flow, _)| step.flow == *flow);
            let verdict = cause.map_or(Ok(()), |(_, cause)| Err(cause.clone()));
            let (peer, seen) = (Peer::from(at()), Seen::default());
            let finding =
                Finding { peer, source: None, verdict, seen, took: Duration::ZERO, words: None };
            Some(Found { attempts: vec![Attempt { way: 0, finding }], ..Found::default() })
        };
        plan.steps.iter().map(of_step).collect()
    }

    #[test]
    fn a_far_side_is_called_until_it_is_met_and_then_for_what_does_not_work() {
        let plan = paired();
        let began = Instant::now();
        let asked = |wrong: &[(&str, Cause)], after: Duration| {
            let again = Watch::new(&plan, began).again(&plan, &found(&plan, wrong), began + after);
            let asked =
                again.steps.into_iter().filter(|step| matches!(step.action, Action::Ask(_)));
            asked.map(|step| step.flow).collect::<Vec<_>>()
        };
        let soon = Duration::from_secs(5);
        let lost = || {
            let transport = Transport::Tcp;
            Cause::FarSide(FarSideCause::FarSideAnswersLost { transport, from: at(), to: at() })
        };
        let absent = || {
            let (to, role) = (at().ip(), "central".to_owned());
            Cause::FarSide(FarSideCause::FarSideAbsent { to, ports: vec![5669], role })
        };
        let refused = || Cause::FarSide(FarSideCause::FarSideCodeRefused { to: at() });
        // Not met: all that it has a say on is asked with it; nobody has visited our own listeners.
        let all = ["central.zmq", "central.ssh", "poller.bbdo", FAR_SIDE];
        assert_eq!(asked(&[(FAR_SIDE, absent())], soon), all);
        // A code that was refused is never shown again.
        assert!(asked(&[(FAR_SIDE, refused())], soon).is_empty());
        assert_eq!(asked(&[(FAR_SIDE, refused()), ("poller.bbdo", lost())], soon), ["poller.bbdo"]);
        // Met: nothing is left, or what is left together with it; OpenSSH once a minute.
        assert!(asked(&[], soon).is_empty());
        assert_eq!(asked(&[("central.zmq", lost())], soon), ["central.zmq", FAR_SIDE]);
        assert!(asked(&[("central.ssh", lost())], soon).is_empty());
        assert_eq!(asked(&[("central.ssh", lost())], SSH_PAUSE), ["central.ssh", FAR_SIDE]);
    }

    #[test]
    fn what_comes_in_is_not_for_this_machine_alone_to_say() {
        let plan = paired();
        let mut anew = found(&plan, &[]);
        Watch::forget_unsaid(&plan, &mut anew);
        let kept = plan.steps.iter().zip(anew).filter(|(_, found)| found.is_some());
        let kept: Vec<&str> = kept.map(|(step, _)| step.flow.as_str()).collect();
        assert_eq!(kept, ["poller.bbdo", FAR_SIDE]);
    }

    #[test]
    fn the_last_question_is_asked_at_the_end_and_none_after_it() {
        let half_a_minute = Duration::from_secs(30);
        let patience =
            Patience { every: Some(Duration::from_secs(20)), within: Some(half_a_minute) };
        assert_eq!(patience.next(1, Duration::ZERO), Some(Duration::from_secs(20)));
        assert_eq!(patience.next(2, Duration::from_secs(21)), Some(Duration::from_secs(9)));
        assert_eq!(patience.next(3, half_a_minute), None);
        let endless = Patience { within: None, ..patience };
        assert_eq!(endless.next(3, half_a_minute), Some(Duration::from_secs(20)));
    }
}
