//! What is one fault, however many targets show it?
//!
//! Ten thousand devices behind one closed port are one thing to repair, and one
//! line of a summary. Everything here takes time linear in the number of steps.

use std::collections::{BTreeSet, HashMap};

use super::StepReport;
use super::groups::in_order;
use crate::plan::Direction;

/// One fault: the step that is explained, and those of which the same is true.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    /// The first, in the plan's order.
    pub(super) first: &'a StepReport,
    /// The others.
    pub(super) alike: Vec<&'a StepReport>,
}

impl<'a> Fault<'a> {
    /// All of them.
    pub(super) fn steps(&self) -> impl Iterator<Item = &'a StepReport> {
        std::iter::once(self.first).chain(self.alike.iter().copied())
    }

    /// The code of the cause, or of what will hurt.
    pub(super) fn code(&self) -> &'a str {
        code(self.first)
    }

    /// The device that said no to all of them.
    pub(super) fn device(&self) -> Option<&'a str> {
        let said = device(self.first);
        said.filter(|said| self.alike.iter().all(|step| device(step) == Some(said)))
    }
}

fn code(step: &StepReport) -> &str {
    let concern = step.concerns.first().map(|concern| concern.code.as_str());
    step.cause.as_ref().map(|cause| cause.code.as_str()).or(concern).unwrap_or_default()
}

fn device(step: &StepReport) -> Option<&str> {
    step.cause.as_ref()?.device.as_deref()
}

/// Targets of one flow with one cause, and one device that said so, are one fault.
pub(super) fn faults<'a>(steps: impl IntoIterator<Item = &'a StepReport>) -> Vec<Fault<'a>> {
    let mut known = Devices::default();
    let steps: Vec<(&StepReport, Kind<'a>)> =
        steps.into_iter().map(|step| (step, known.kind(step))).collect();
    let groups = in_order(steps.iter(), |(_, kind)| *kind);
    let fault = |(_, steps): (Kind<'_>, Vec<&(&'a StepReport, Kind<'a>)>)| {
        let mut steps = steps.into_iter().map(|(step, _)| *step);
        Some(Fault { first: steps.next()?, alike: steps.collect() })
    };
    groups.into_iter().filter_map(fault).collect()
}

/// What makes two failures one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind<'a> {
    flow: &'a str,
    code: &'a str,
    device: &'a str,
}

/// Who says no, by flow and code.
#[derive(Debug, Default)]
struct Devices<'a>(HashMap<(&'a str, &'a str), BTreeSet<&'a str>>);

/// Devices of one flow and code that are told apart: a thousand hosts that each
/// refuse for themselves are not a thousand things to read.
const TOLD_APART: usize = 8;

impl<'a> Devices<'a> {
    fn kind(&mut self, step: &'a StepReport) -> Kind<'a> {
        let (flow, code) = (step.flow.as_str(), code(step));
        let device = match step.direction {
            // What is to be done about a file names that file.
            Direction::Local => step.id.as_str(),
            _ => device(step).unwrap_or_default(),
        };
        let told_apart = self.0.entry((flow, code)).or_default();
        if told_apart.len() < TOLD_APART {
            told_apart.insert(device);
        }
        let device = if told_apart.contains(device) { device } else { "" };
        Kind { flow, code, device }
    }
}

/// The steps that fail because another does, by the id of that other.
#[derive(Debug)]
pub(super) struct Followers<'a>(HashMap<&'a str, Vec<&'a StepReport>>);

impl<'a> Followers<'a> {
    /// Looks through all of `steps` once.
    pub(super) fn of(steps: impl IntoIterator<Item = &'a StepReport>) -> Self {
        let mut followers: HashMap<&str, Vec<&StepReport>> = HashMap::new();
        for step in steps {
            if let Some(root) = &step.because_of {
                followers.entry(root.as_str()).or_default().push(step);
            }
        }
        Self(followers)
    }

    /// Those that fail because `root` does.
    pub(super) fn of_root(&self, root: &StepReport) -> &[&'a StepReport] {
        self.0.get(root.id.as_str()).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{cause, failing, report, step};
    use crate::report::{Report, Summary};

    /// Devices that fail with this code, each said so by one of `by`.
    fn devices(code: &str, by: &[Option<&str>]) -> Report {
        let steps = by.iter().enumerate().map(|(number, by)| {
            let host = format!("10.1.{}.{}", number / 250, number % 250 + 1);
            let mut why = cause(code, "port", "network", *by);
            why["message"] = format!("{code} at {host}").into();
            failing(step("poller", "device", &host, "snmp:161/udp", "fail"), "10.2.0.7", why)
        });
        report("poller-1", "poller", "10.2.0.7", &steps.collect::<Vec<_>>())
    }

    fn reasons(report: &Report) -> Vec<String> {
        Summary::of(&report.steps, false, false).reasons
    }

    #[test]
    fn many_devices_with_one_cause_are_one_reason_with_a_count() {
        let report = devices("port-closed", &[None; 1_000]);
        assert_eq!(reasons(&report), ["1000 x poller.snmp (port closed)"]);
    }

    #[test]
    fn two_devices_that_say_no_are_two_reasons() {
        let (one, two) = (Some("10.9.0.1"), Some("10.9.0.2"));
        let report = devices("path-rejected", &[one, two, one]);
        assert_eq!(
            reasons(&report),
            [
                "2 x poller.snmp (path rejected, says 10.9.0.1)",
                "poller.snmp (path-rejected at 10.1.0.2)"
            ]
        );
    }

    #[test]
    fn of_a_thousand_devices_that_each_say_no_the_first_are_told_apart() {
        let names: Vec<String> = (0..1_000).map(|number| format!("fd00::{number:x}")).collect();
        let names: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        let report = devices("path-rejected", &names);
        let reasons = reasons(&report);
        assert_eq!(reasons.len(), TOLD_APART + 1, "{reasons:#?}");
        assert_eq!(reasons[0], "992 x poller.snmp (path rejected)");
    }

    #[test]
    fn what_follows_is_counted_by_flow() {
        let mut report = devices("no-route", &[None; 3]);
        let root = report.steps[0].id.clone();
        report.steps.iter_mut().skip(1).for_each(|step| step.because_of = Some(root.clone()));
        assert_eq!(
            reasons(&report),
            ["poller.snmp (no-route at 10.1.0.1), and with it 2 x poller.snmp"]
        );
    }
}
