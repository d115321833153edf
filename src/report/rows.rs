//! The rows of a table: a step each, or one for the sampled devices of a subnet that ended alike.

use std::collections::HashMap;

use preflight_checks::printable;

use super::groups::in_order;
use super::{Report, StepReport, words};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;

/// One row: at least one step.
#[derive(Debug)]
pub(super) struct ReportRow<'a> {
    /// The first, or only, step.
    pub(super) step: &'a StepReport,
    /// All of them.
    steps: Vec<&'a StepReport>,
    /// How many of the flow's steps are of the same subnet.
    of: usize,
}

/// One row a step, in the plan's order; steps of one flow, `group`, outcome and code share one.
pub(super) fn rows(report: &Report) -> Vec<ReportRow<'_>> {
    let subnets = in_order(&report.steps, subnet);
    let sizes: Sizes<'_> =
        subnets.into_iter().map(|(subnet, steps)| (subnet, steps.len())).collect();
    let rows = in_order(report.steps.iter().enumerate(), |(index, step)| RowPlace::of(index, step));
    let steps = rows.into_iter().map(|(_, steps)| steps.into_iter().map(|(_, step)| step));
    let row = |steps: Vec<_>| ReportRow::of(steps, &sizes);
    steps.filter_map(|steps| row(steps.collect())).collect()
}

/// How many steps a subnet has, by flow.
type Sizes<'a> = HashMap<Option<(&'a str, &'a str)>, usize>;

/// Flow and subnet of a sampled device.
fn subnet(step: &StepReport) -> Option<(&str, &str)> {
    Some((&step.flow, step.group.as_deref()?))
}

/// Which row a step is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RowPlace<'a> {
    Alone(usize),
    Among { subnet: (&'a str, &'a str), outcome: Outcome, code: Option<&'a str> },
}

impl<'a> RowPlace<'a> {
    fn of(index: usize, step: &'a StepReport) -> Self {
        let code = step.cause.as_ref().map(|cause| cause.why.code());
        let among = |subnet| Self::Among { subnet, outcome: step.outcome, code };
        subnet(step).map_or(Self::Alone(index), among)
    }
}

/// One row a step, whatever it shares with others.
pub(super) fn single_rows(report: &Report) -> Vec<ReportRow<'_>> {
    report.steps.iter().map(|step| ReportRow { step, steps: vec![step], of: 1 }).collect()
}

impl<'a> ReportRow<'a> {
    fn of(steps: Vec<&'a StepReport>, sizes: &Sizes<'_>) -> Option<Self> {
        let step = *steps.first()?;
        let of = subnet(step).and(sizes.get(&subnet(step)).copied()).unwrap_or(1);
        Some(Self { step, steps, of })
    }

    /// The target, or the subnet.
    pub(super) fn target(&self) -> String {
        let group = self.step.group.as_ref().filter(|_| self.of > 1);
        let target = self.step.target.as_ref().map(|target| &target.shown);
        let shown = group.or(target).map(String::as_str);
        shown.or(self.step.target_in_id()).map(printable).unwrap_or_default()
    }

    /// What was seen, the cause, or why it was skipped.
    pub(super) fn result(&self) -> String {
        let mut text = if self.of > 1 { self.of_group() } else { self.step.result.clone() };
        if self.step.direction == Direction::Inbound && self.step.outcome == Outcome::Pass {
            text.push_str("; the way to it was not tested");
        }
        if !self.step.required && self.step.outcome == Outcome::Fail {
            text.push_str(" [optional]");
        }
        if let Some(reason) = &self.step.unread {
            text.extend([" [as its report has it: ", reason, "]"]);
        }
        if let Some(gateway) = &self.step.through_vpn {
            text.extend([" [through the VPN ", gateway, "]"]);
        }
        printable(&text)
    }

    /// "2 of 3 answer", "3 of 3: nothing answers"
    fn of_group(&self) -> String {
        let count = format!("{} of {}", self.steps.len(), self.of);
        match self.step.outcome {
            Outcome::Pass => format!("{count} answer"),
            Outcome::Warn => format!("{count} answer; {}", self.alike()),
            _ => format!("{count}: {}", self.alike()),
        }
    }

    /// What all of them say, or else one of them with its name.
    fn alike(&self) -> String {
        let is_alone = self.steps.len() == 1;
        let first = &self.step.result;
        if !is_alone && self.steps.iter().all(|step| step.result == *first) {
            return first.clone();
        }
        let target = self.step.target.as_ref().map_or("", |target| target.host.as_str());
        let example = if is_alone { "" } else { ", for example" };
        format!("{first} ({target}{example})")
    }

    /// Steps of one subnet took as long as the slowest, milliseconds.
    pub(super) fn took_ms(&self) -> Option<f64> {
        self.steps.iter().filter_map(|step| words::total_ms(step)).reduce(f64::max)
    }
}
