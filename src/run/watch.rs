//! A run that goes on: what does not work yet is asked again, until all that is required works.
//!
//! No step is asked twice within one pause, `sshd` once a minute at most, and never again whoever was
//! shown credentials and refused them, or had them before something else went wrong.

use std::time::{Duration, Instant};

use preflight_checks::Layer;

use crate::run::finding::Found;
use crate::run::outcome::Outcome;
use crate::run::plan::{Action, Plan, SkipReason};
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
    pub(crate) fn again(&mut self, plan: &Plan, found: &[Option<Found>], now: Instant) -> Plan {
        let mut again = plan.clone();
        for (index, step) in again.steps.iter_mut().enumerate() {
            let Action::Ask(question) = &step.action else { continue };
            let is_ssh = question.ways.iter().any(|way| way.protocol == SSH);
            let pause = if is_ssh { SSH_PAUSE } else { Duration::ZERO };
            let asked = self.asked.get_mut(index);
            let rested = asked.as_ref().is_none_or(|at| now.duration_since(**at) >= pause);
            if rested && is_open(plan, found, index) {
                if let Some(at) = asked {
                    *at = now;
                }
            } else {
                step.action = Action::Skip(SkipReason::Asked { why: None });
            }
        }
        again
    }
}

/// Does the step at `index` not work yet, and may it be asked again?
fn is_open(plan: &Plan, found: &[Option<Found>], index: usize) -> bool {
    let (Some(step), Some(Some(found))) = (plan.steps.get(index), found.get(index)) else {
        return false;
    };
    let Action::Ask(question) = &step.action else { return false };
    let concluded = conclude(question, step.direction, found, step.may_wait(plan.phase));
    let is_wrong = matches!(concluded.outcome, Outcome::Fail | Outcome::Unknown);
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
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute_where_nobody_chose_one() {
        let alone = Patience { every: None, within: None };
        let pauses: Vec<u64> = (1..8).map(|rounds| alone.pause(rounds).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(alone.pause(u32::MAX), LONGEST_PAUSE);
        let chosen = Patience { every: Some(Duration::from_secs(5)), ..alone };
        assert_eq!(chosen.pause(9), Duration::from_secs(5));
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
