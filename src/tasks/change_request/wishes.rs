//! What one machine asks for: its rules, what else the network has to repair, what is missing.

use preflight_checks::Layer;

use super::RequestMachine;
use super::rule::{Rule, rules};
use crate::report::{Report, StepReport};
use crate::run::outcome::Outcome;
use crate::run::wish::add_new;

/// What one machine asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// The machine that asks.
    pub(crate) machine: RequestMachine,
    /// What must be allowed.
    pub(crate) rules: Vec<Rule>,
    /// What else the network team is asked for; no rule helps against it.
    pub(crate) others: Vec<Other>,
    /// What is not in the request, and why.
    pub(crate) missing: Vec<String>,
}

/// Something else for the network team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Other {
    /// The device, if one named itself.
    pub(crate) device: Option<String>,
    /// What was seen.
    pub(crate) seen: String,
    /// What they are asked for.
    pub(crate) what: String,
    /// The flows that fail for it.
    pub(crate) flows: Vec<String>,
}

impl Wishes {
    /// What a machine will ask, of which nothing is known yet; `host_name` is what other machines call it.
    pub(crate) fn planned(report: &Report, host_name: Option<String>) -> Self {
        let mut wishes = Self::of(report, true);
        wishes.machine.asked_at = None;
        wishes.machine.host_name = host_name;
        wishes
    }

    /// What the machine of this report asks for; with `all`, what works already too.
    pub(crate) fn of(report: &Report, all: bool) -> Self {
        Self {
            machine: RequestMachine {
                name: report.host.name.clone(),
                host_name: None,
                role: report.role.to_string(),
                addresses: report.host.addresses.clone(),
                asked_at: Some(report.started_at.clone()),
            },
            rules: report.steps.iter().flat_map(|step| rules(report, step, all)).collect(),
            others: others(report),
            missing: missing(report, all),
        }
    }
}

/// What the network has to repair with other means than a rule.
fn others(report: &Report) -> Vec<Other> {
    let mut others: Vec<Other> = Vec::new();
    for step in &report.steps {
        // A name that follows from a dead name server is the server's repair.
        if step.because_of.is_some() && has_no_address(step) {
            continue;
        }
        let repairs =
            step.asked_for.iter().filter(|wish| wish.rule.is_none() && wish.at.is_networks());
        for wish in repairs {
            let other = Other {
                device: wish.at.device().map(|device| device.to_string()),
                seen: wish.seen.join("; "),
                what: wish.what.clone(),
                flows: vec![step.flow.clone()],
            };
            merge_other(&mut others, other);
        }
    }
    others
}

/// Is it its name that nobody resolves?
fn has_no_address(step: &StepReport) -> bool {
    step.why().is_some_and(|cause| cause.layer() == Layer::Name)
}

/// One more of them, with those of the same device and words as one.
pub(super) fn merge_other(others: &mut Vec<Other>, other: Other) {
    let same = |known: &&mut Other| {
        (&known.device, &known.seen, &known.what) == (&other.device, &other.seen, &other.what)
    };
    match others.iter_mut().find(same) {
        Some(known) => add_new(&mut known.flows, other.flows),
        None => others.push(other),
    }
}

/// What a reader would look for in vain.
fn missing(report: &Report, all: bool) -> Vec<String> {
    let (machine, mut missing) = (&report.host.name, Vec::new());
    if report.interrupted {
        missing
            .push(format!("{machine}: its run was interrupted; what was not finished is missing"));
    }
    let fails = |step: &&StepReport| matches!(step.outcome, Outcome::Fail | Outcome::Unknown);
    let unread = report.steps.iter().filter(fails).filter_map(|step| {
        let reason = step.unread.as_ref()?;
        Some(format!("{machine}: {} fails, and nothing is asked for it: {reason}", step.id))
    });
    missing.extend(unread);
    let unresolved = report.steps.iter().filter(|step| has_no_address(step));
    missing.extend(unresolved.map(|step| {
        format!(
            "{machine}: {} is not looked at, its name has no address ({})",
            step.id, step.result
        )
    }));
    let skipped = report.steps.iter().filter(|step| all && step.outcome == Outcome::Skip);
    missing.extend(
        skipped.map(|step| format!("{machine}: {} is missing ({})", step.flow, step.result)),
    );
    missing.extend(through_vpn(report).filter(|_| all));
    missing
}

/// The flows that a tunnel carries, which no firewall on the way sees.
fn through_vpn(report: &Report) -> Option<String> {
    let steps = || report.steps.iter().filter(|step| step.outcome != Outcome::Skip);
    let gateway = steps().find_map(|step| step.through_vpn.as_ref())?;
    let mut flows: Vec<&str> = Vec::new();
    for step in steps().filter(|step| step.through_vpn.is_some()) {
        add_new(&mut flows, vec![step.flow.as_str()]);
    }
    let (machine, flows) = (&report.host.name, flows.join(", "));
    Some(format!("{machine}: {flows}: through the VPN {gateway}, with no rule of their own"))
}
