//! The rows of a table: a step each, or one for the devices of a subnet that ended alike.

use std::collections::HashMap;

use preflight_checks::printable;

use super::groups::in_order;
use super::places::places;
use super::{Report, StepReport, words};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;

/// One row: at least one step.
#[derive(Debug)]
pub(super) struct ReportRow<'a> {
    /// The first, or only, step.
    pub(super) step: &'a StepReport,
    /// The steps that the row stands for.
    steps: Vec<&'a StepReport>,
    /// How many of the flow's steps are of the same subnet.
    of: usize,
    /// The subnet, where several are of it.
    place: Option<String>,
}

/// One row a step, in the plan's order; steps of one flow, subnet, outcome and code share one, when
/// they are sampled devices or many.
pub(super) fn rows(report: &Report) -> Vec<ReportRow<'_>> {
    grouped(report, &many(report))
}

/// The same, but of the steps that were asked only those share a row that stand for a sample.
pub(super) fn sampled_rows(report: &Report) -> Vec<ReportRow<'_>> {
    grouped(report, &HashMap::new())
}

/// The subnet of each step whose flow has too many targets for a row each, by the step's id.
fn many(report: &Report) -> HashMap<&str, String> {
    let is_asked = |step: &&StepReport| {
        step.direction == Direction::Outbound && step.group.is_none() && step.target.is_some()
    };
    let flows = in_order(report.steps.iter().filter(is_asked), |step| step.flow.as_str());
    let large = flows.into_iter().filter(|(_, steps)| steps.len() > FEW);
    let named = large.flat_map(|(_, steps)| places(&steps, PLACES)).flat_map(|place| {
        place.steps.into_iter().map(move |step| (step.id.as_str(), place.name.clone()))
    });
    named.collect()
}

/// Steps of one flow that have a row each.
pub(super) const FEW: usize = 12;
/// Subnets of one flow that have rows of their own: 10,000 devices in subnets of 254.
pub(super) const PLACES: usize = 40;

fn grouped<'a>(report: &'a Report, many: &HashMap<&str, String>) -> Vec<ReportRow<'a>> {
    let subnet = |step: &StepReport| {
        let place = step.group.as_ref().or(many.get(step.id.as_str()))?;
        Some((step.flow.clone(), place.clone()))
    };
    let subnets: Vec<Option<(String, String)>> = report.steps.iter().map(subnet).collect();
    let mut sizes: HashMap<&(String, String), usize> = HashMap::new();
    for subnet in subnets.iter().flatten() {
        *sizes.entry(subnet).or_default() += 1;
    }
    let steps = report.steps.iter().zip(&subnets).enumerate();
    let rows =
        in_order(steps, |(index, (step, subnet))| RowPlace::of(index, step, subnet.as_ref()));
    let row = |(_, steps): (RowPlace<'_>, Vec<(usize, (&'a StepReport, _))>)| {
        let (_, (step, subnet)) = *steps.first()?;
        let subnet: Option<&(String, String)> = Option::as_ref(subnet);
        let of = subnet.and_then(|subnet| sizes.get(subnet)).copied().unwrap_or(1);
        let place = subnet.filter(|_| of > 1).map(|(_, place)| place.clone());
        let steps = steps.into_iter().map(|(_, (step, _))| step).collect();
        Some(ReportRow { step, steps, of, place })
    };
    rows.into_iter().filter_map(row).collect()
}

/// Which row a step is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RowPlace<'a> {
    Alone(usize),
    Among { subnet: &'a (String, String), outcome: Outcome, code: Option<&'a str> },
}

impl<'a> RowPlace<'a> {
    fn of(index: usize, step: &'a StepReport, subnet: Option<&'a (String, String)>) -> Self {
        let code = step.cause.as_ref().map(|cause| cause.why.code());
        let among = |subnet| Self::Among { subnet, outcome: step.outcome, code };
        subnet.map_or(Self::Alone(index), among)
    }
}

/// One row a step, whatever it shares with others.
pub(super) fn single_rows(report: &Report) -> Vec<ReportRow<'_>> {
    let row = |step| ReportRow { step, steps: vec![step], of: 1, place: None };
    report.steps.iter().map(row).collect()
}

impl ReportRow<'_> {
    /// The target, or the subnet.
    pub(super) fn target(&self) -> String {
        let target = self.step.target.as_ref().map(|target| &target.shown);
        let shown = self.place.as_ref().or(target).map(String::as_str);
        shown.or(self.step.place.as_deref()).map(printable).unwrap_or_default()
    }

    /// What was seen, the cause, or why it was skipped.
    pub(super) fn result(&self) -> String {
        let mut text = if self.of > 1 { self.of_group() } else { self.step.result.clone() };
        if self.step.is_way_untested() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{cause, failing, judged, report, step};

    fn devices(many: u8) -> Report {
        let steps = (1..=many).map(|last| {
            // Two subnets; of the second one some are silent.
            let host = format!("10.1.{}.{last}", last % 2);
            let device = step("poller", "device", &host, "snmp:161/udp", "pass");
            if last % 4 == 1 {
                failing(
                    step("poller", "device", &host, "snmp:161/udp", "fail"),
                    "10.2.0.7",
                    cause("no-answer", None),
                )
            } else {
                device
            }
        });
        report("poller-1", "poller", "10.2.0.7", &steps.collect::<Vec<_>>())
    }

    #[test]
    fn many_devices_of_one_subnet_and_one_outcome_are_one_row() {
        let report = devices(40);
        let rows = rows(&report);
        let said: Vec<(String, String)> =
            rows.iter().map(|row| (row.target(), row.result())).collect();
        let said: Vec<(&str, &str)> =
            said.iter().map(|(target, said)| (target.as_str(), said.as_str())).collect();
        assert_eq!(
            said,
            [
                ("10.1.1.0/24", "10 of 20: no answer"),
                ("10.1.0.0/24", "20 of 20 answer"),
                ("10.1.1.0/24", "10 of 20 answer"),
            ]
        );
    }

    #[test]
    fn a_few_devices_have_a_row_each() {
        let few = u8::try_from(FEW).unwrap();
        assert_eq!(rows(&devices(few)).len(), FEW);
        assert!(rows(&devices(few + 1)).len() <= 3);
        // One that is alone in its subnet keeps its name.
        let mut report = devices(few + 1);
        report.steps[0].target.as_mut().unwrap().host = "10.9.9.9".to_owned();
        assert_eq!(rows(&report)[0].target(), "10.1.1.1:161/udp");
    }

    #[test]
    fn what_was_not_asked_is_shown_with_whom_it_was_meant_for() {
        let mut skipped = step("poller", "ldap", "10.0.0.8", "ldap:389/tcp", "skip");
        skipped["place"] = "10.0.0.8".into();
        skipped.as_object_mut().unwrap().remove("target");
        let report = judged(&report("poller-1", "poller", "10.2.0.7", &[skipped]));
        assert_eq!(rows(&report)[0].target(), "10.0.0.8");
    }

    #[test]
    fn for_grep_each_has_a_line() {
        assert_eq!(sampled_rows(&devices(40)).len(), 40);
    }
}
