//! The summary: which required flows fail, why, and what that makes the exit code.

use std::collections::BTreeMap;

use super::model::{StepReport, Summary};
use super::{Ending, words};
use crate::verdict::Outcome;

impl Summary {
    pub(super) fn of(steps: &[StepReport], strict: bool, interrupted: bool) -> Self {
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
