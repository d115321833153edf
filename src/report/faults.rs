//! What is one fault, however many targets show it?
//!
//! Ten thousand devices behind one closed port are one thing to repair, and one
//! line of a summary. Every format that puts steps together takes them from here.
//! Everything here takes time linear in the number of steps.

use std::collections::HashMap;
use std::net::IpAddr;

use super::StepReport;
use super::groups::in_order;
use crate::run::plan::Direction;

/// One fault: the step that is explained, and those of which the same is true.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    /// The first, in the plan's order.
    pub(super) first: &'a StepReport,
    /// The other steps that show it.
    pub(super) alike: Vec<&'a StepReport>,
}

/// Who says no to the targets of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusers {
    /// Nobody who names itself.
    Unnamed,
    /// One device to all of them.
    By(IpAddr),
    /// So many devices, each to targets of its own.
    Each(usize),
}

impl<'a> Fault<'a> {
    /// `steps` as one; `None` for no step at all.
    pub(super) fn of(steps: impl IntoIterator<Item = &'a StepReport>) -> Option<Self> {
        let mut steps = steps.into_iter();
        Some(Self { first: steps.next()?, alike: steps.collect() })
    }

    /// Every step that shows it, the first one first.
    pub(super) fn steps(&self) -> impl Iterator<Item = &'a StepReport> {
        std::iter::once(self.first).chain(self.alike.iter().copied())
    }

    /// The code of the cause, or of what will hurt.
    pub(super) fn code(&self) -> &'a str {
        self.first.code()
    }

    /// Who says no to them.
    pub(super) fn said(&self) -> Refusers {
        match in_order(self.steps(), StepReport::device).as_slice() {
            [(None, _)] => Refusers::Unnamed,
            [(Some(only), _)] => Refusers::By(*only),
            several => Refusers::Each(several.len()),
        }
    }
}

/// Targets of one flow with one cause, and one device that said so, are one fault.
///
/// Where each of many targets is refused by a device of its own, these are one fault too: a
/// thousand of them are not a thousand things to read. Such a fault is [`Refusers::Each`].
pub(super) fn faults<'a>(steps: impl IntoIterator<Item = &'a StepReport>) -> Vec<Fault<'a>> {
    let steps: Vec<&StepReport> = steps.into_iter().collect();
    let apart = told_apart(&steps);
    let key = |step: &'a StepReport| {
        let (kind, said) = (kind(step), said_by(step));
        let is_apart = apart.get(&kind).is_some_and(|apart| apart.contains(&said));
        (kind, is_apart.then_some(said))
    };
    in_order(steps, key).into_iter().filter_map(|(_, steps)| Fault::of(steps)).collect()
}

/// Flow and code.
type FaultKind<'a> = (&'a str, &'a str);

fn kind(step: &StepReport) -> FaultKind<'_> {
    (&step.flow, step.code())
}

/// Who says no; what is to be done about a file names that file.
fn said_by(step: &StepReport) -> Says<'_> {
    match step.direction {
        Direction::Local => Says::File(&step.id),
        Direction::Outbound | Direction::Inbound => Says::Device(step.device()),
    }
}

/// Who, or what, a fault is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Says<'a> {
    File(&'a str),
    Device(Option<IpAddr>),
}

/// Of each kind, those who say no that have a fault of their own: all when they are few, else
/// those who say it most often.
fn told_apart<'a>(steps: &[&'a StepReport]) -> HashMap<FaultKind<'a>, Vec<Says<'a>>> {
    let each = |(kind, steps): (FaultKind<'a>, Vec<&'a StepReport>)| {
        let mut said = in_order(steps, said_by);
        if said.len() > TOLD_APART {
            said.sort_by_key(|(_, steps)| std::cmp::Reverse(steps.len()));
            said.truncate(TOLD_APART);
            said.retain(|(_, steps)| steps.len() > 1);
        }
        (kind, said.into_iter().map(|(said, _)| said).collect())
    };
    in_order(steps.iter().copied(), kind).into_iter().map(each).collect()
}

/// Devices of one flow and code that are told apart.
const TOLD_APART: usize = 8;

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
    use crate::report::model::Summary;
    use crate::report::sample::{cause, failing, report, step};
    use crate::report::{Canvas, Format, Report};

    /// Devices that fail with this code, each said so by one of `by`.
    fn devices(code: &str, by: &[Option<&str>]) -> Report {
        let steps = by.iter().enumerate().map(|(number, by)| {
            let host = format!("10.1.{}.{}", number / 250, number % 250 + 1);
            let mut why = cause(code, *by);
            why["message"] = format!("{code} at {host}").into();
            if let Some(to) = why["facts"]["to"].as_str() {
                why["facts"]["to"] = to.replace("10.0.0.5", &host).into();
            }
            failing(step("poller", "device", &host, "snmp:161/udp", "fail"), "10.2.0.7", why)
        });
        report("poller-1", "poller", "10.2.0.7", &steps.collect::<Vec<_>>())
    }

    fn reasons(report: &Report) -> Vec<String> {
        Summary::of(&report.steps, report.phase, false, false).reasons
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
            ["2 x poller.snmp (rejected by 10.9.0.1)", "poller.snmp (rejected by 10.9.0.2)"]
        );
    }

    #[test]
    fn a_thousand_devices_that_each_say_no_for_themselves_are_one_reason_and_none_is_named() {
        let names: Vec<String> = (0..1_000).map(|number| format!("fd00::{number:x}")).collect();
        let names: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        let report = devices("path-rejected", &names);
        let reasons = reasons(&report);
        assert_eq!(reasons, ["1000 x poller.snmp (path rejected, at 1000 devices)"]);
    }

    #[test]
    fn a_device_that_says_no_to_many_is_told_apart_from_those_that_say_it_once() {
        let names: Vec<String> = (0..12).map(|number| format!("10.9.{number}.1")).collect();
        let mut by: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        by.extend([Some("10.9.5.1"); 3]);
        let report = devices("path-rejected", &by);
        assert_eq!(
            reasons(&report),
            [
                "11 x poller.snmp (path rejected, at 11 devices)",
                "4 x poller.snmp (rejected by 10.9.5.1)",
            ]
        );
    }

    #[test]
    fn each_step_is_in_one_fault_and_each_fault_names_only_who_said_it() {
        let names: Vec<String> = (0..40).map(|number| format!("10.9.0.{}", number % 13)).collect();
        let by: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        let report = devices("path-rejected", &by);
        let faults = faults(&report.steps);
        assert_eq!(faults.iter().map(|fault| fault.steps().count()).sum::<usize>(), 40);
        for fault in faults {
            if let Refusers::By(named) = fault.said() {
                assert!(fault.steps().all(|step| step.device() == Some(named)));
            }
        }
    }

    #[test]
    fn no_format_names_a_device_for_what_another_did() {
        let names: Vec<String> = (0..12).map(|number| format!("10.9.{number}.1")).collect();
        let by: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        let report = devices("path-rejected", &by);
        for format in [Format::Table, Format::Markdown, Format::Html] {
            let mut out = Vec::new();
            format.write(&report, Canvas { width: 80, verbose: false }, &mut out).unwrap();
            let said = String::from_utf8(out).unwrap();
            assert!(said.contains("network team, 12 devices"), "{format:?}: {said}");
            assert!(!said.contains("network team, device"), "{format:?}: {said}");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("10.1.0.5:161/udp (device 10.9.4.1)"), "{format:?}: {said}");
            assert!(said.contains("and 3 more"), "{format:?}: {said}");
        }
    }

    /// "Ask for" would send a reader to somebody else with what is his own to do.
    #[test]
    fn every_format_says_do_of_what_is_this_hosts_and_ask_for_of_what_is_others() {
        for (code, says, not) in [("no-route", "do", "ask for"), ("port-closed", "ask for", "do")] {
            let report = devices(code, &[None]);
            for format in [Format::Table, Format::Markdown, Format::Junit, Format::Html] {
                let mut out = Vec::new();
                format.write(&report, Canvas { width: 80, verbose: false }, &mut out).unwrap();
                let page = String::from_utf8(out).unwrap().to_lowercase();
                let label = |word: &str| match format {
                    Format::Table => page.contains(&format!("\n    {word:<9}  allow it")),
                    Format::Html => page.contains(&format!("<dt>{word}</dt>")),
                    _ => page.contains(&format!("{word}: allow it")),
                };
                assert!(label(says) && !label(not), "{format:?} of {code}: {page}");
            }
        }
    }

    #[test]
    fn table_ticket_page_and_summary_tell_the_same_faults() {
        let names: Vec<String> = (0..12).map(|number| format!("10.9.{number}.1")).collect();
        let mut by: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        by.extend([Some("10.9.5.1"); 3]);
        for by in [&by[..1], &by[..4], &by[3..7], &by[..12], &by[..]] {
            let report = devices("path-rejected", by);
            let page = |format: Format| {
                let mut out = Vec::new();
                format.write(&report, Canvas { width: 80, verbose: false }, &mut out).unwrap();
                String::from_utf8(out).unwrap()
            };
            let faults = reasons(&report).len();
            let (table, ticket, page) =
                (page(Format::Table), page(Format::Markdown), page(Format::Html));
            assert_eq!(table.matches("who acts").count(), faults, "{table}");
            assert_eq!(ticket.matches("- Who acts").count(), faults, "{ticket}");
            let (_, actions) = page.split_once("Why, and who acts").unwrap();
            let (actions, _) = actions.split_once("</section>").unwrap();
            assert_eq!(actions.matches("<dt>who acts</dt>").count(), faults, "{actions}");
        }
    }

    #[test]
    fn what_follows_is_counted_by_flow() {
        let mut report = devices("no-route", &[None; 3]);
        let root = report.steps[0].id.clone();
        report.steps.iter_mut().skip(1).for_each(|step| step.because_of = Some(root.clone()));
        assert_eq!(
            reasons(&report),
            ["poller.snmp (this host has no route to 10.1.0.1), and with it 2 x poller.snmp"]
        );
    }
}
