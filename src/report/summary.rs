//! The summary: which required flows fail, why, and what that makes the exit code.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use strum::VariantArray as _;

use super::faults::{Fault, Followers, Refusers, faults};
use super::groups::in_order;
use super::model::{RootCause, StepReport, Summary, Tally, Why, owner_name};
use super::{Ending, words};
use crate::run::outcome::Outcome;
use crate::run::plan::InstallPhase;
use crate::text::first_of;

impl Summary {
    pub(super) fn of(
        steps: &[StepReport],
        phase: InstallPhase,
        strict: bool,
        interrupted: bool,
    ) -> Self {
        let mut counts: BTreeMap<Outcome, usize> =
            Outcome::VARIANTS.iter().map(|outcome| (*outcome, 0)).collect();
        for step in steps {
            *counts.entry(step.outcome).or_insert(0) += 1;
        }
        let required = || steps.iter().filter(|step| step.required);
        let tally = Tally::of(required());
        let ending = Ending::of(steps, strict, interrupted);
        let failed: Vec<&StepReport> =
            required().filter(|step| step.outcome == Outcome::Fail).collect();
        let followers = Followers::of(failed.iter().copied());
        let roots = failed.iter().copied().filter(|step| step.because_of.is_none());
        let warned = required().filter(|step| strict && step.warns());
        let mut roots = faults(roots);
        if roots.len() > words::REASONS {
            roots.sort_by_key(|fault| Reverse(weight(fault, &followers)));
        }
        let warned = faults(warned);
        let warnings =
            warned.iter().map(|fault| format!("{} ({}, --strict)", counted(fault), why(fault)));
        let reasons = roots.iter().map(|fault| reason(fault, &followers)).chain(warnings);
        let reasons: Vec<String> = reasons.collect();
        let causes = roots.iter().chain(&warned);
        let causes = causes.map(|fault| root_cause(fault, &followers)).collect();
        Self {
            exit_code: ending.exit_code(),
            ready: ending.exit_code() == 0,
            counts,
            required: tally.asked(),
            works: tally.works,
            waiting: tally.waiting,
            failed: tally.failed,
            unknown: tally.unknown,
            optional: Tally::of(steps.iter().filter(|step| !step.required)),
            open: steps.iter().filter(|step| step.is_only_open()).count(),
            text: words::verdict(tally, ending, phase, &reasons),
            reasons,
            causes,
        }
    }

    /// How many steps have that outcome.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.counts.get(&outcome).copied().unwrap_or_default()
    }
}

/// How many steps fail because of it.
fn weight(fault: &Fault<'_>, followers: &Followers<'_>) -> usize {
    fault.steps().map(|step| 1 + followers.of_root(step).len()).sum()
}

/// "poller.dns (no answer), and with it poller.http, 3 x poller.snmp"
fn reason(fault: &Fault<'_>, followers: &Followers<'_>) -> String {
    let with_it = fault.steps().flat_map(|step| followers.of_root(step));
    let flows = in_order(with_it, |step| step.flow.as_str());
    let flows: Vec<String> = flows.iter().map(|(flow, all)| times(all.len(), flow)).collect();
    let and = if flows.is_empty() { "" } else { ", and with it " };
    let (of, why, flows) = (counted(fault), why(fault), first_of(&flows, LISTED));
    format!("{of} ({why}){and}{flows}")
}

/// The same for a program.
fn root_cause(fault: &Fault<'_>, followers: &Followers<'_>) -> RootCause {
    let first = fault.first;
    let of_concern = || first.concerns.first().and_then(|concern| concern.owner);
    let owner = match &first.cause {
        Some(cause) => cause.owner_name(),
        None => of_concern().map_or("", owner_name),
    };
    let device = match fault.said() {
        Refusers::By(device) => Some(device),
        Refusers::Each(_) | Refusers::Unnamed => None,
    };
    let with_it = fault.steps().flat_map(|step| followers.of_root(step));
    RootCause {
        code: fault.code().to_owned(),
        outcome: first.outcome,
        owner: owner.to_owned(),
        device,
        steps: fault.steps().map(|step| step.id.clone()).collect(),
        followers: with_it.map(|step| step.id.clone()).collect(),
    }
}

/// Flows of one reason that are named.
const LISTED: usize = 8;

/// "3 x poller.snmp"
fn counted(fault: &Fault<'_>) -> String {
    times(1 + fault.alike.len(), &fault.first.flow)
}

fn times(number: usize, what: &str) -> String {
    if number == 1 { what.to_owned() } else { format!("{number} x {what}") }
}

/// What all of them say, or else what they have in common.
fn why(fault: &Fault<'_>) -> String {
    let said = brief(fault.first);
    if fault.alike.iter().all(|step| brief(step) == said) {
        return said;
    }
    let words = fault.code().replace('-', " ");
    match fault.said() {
        Refusers::By(device) => format!("{words}, at {device}"),
        Refusers::Each(devices) => format!("{words}, at {devices} devices"),
        Refusers::Unnamed => words,
    }
}

/// What is wrong with a step, in short; of what will hurt, its code.
fn brief(step: &StepReport) -> String {
    match (step.cause.as_ref().map(|cause| &cause.why), step.concerns.is_empty()) {
        (Some(Why::Cause(cause)), _) => cause.brief(),
        (Some(Why::Mistake(_) | Why::Unread(_)), _) | (None, true) => step.result.clone(),
        (None, false) => step.code().replace('-', " "),
    }
}
