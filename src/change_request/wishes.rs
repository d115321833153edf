//! What one machine asks for: its rules, what else the network has to repair, what is missing.

use super::Machine;
use super::rule::{Rule, add_new, is_blocked, rules};
use crate::report::Report;
use crate::verdict::Outcome;

/// What one machine asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// Who asks.
    pub(crate) machine: Machine,
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
    /// What the machine of this report asks for; with `all`, what works already too.
    pub(crate) fn of(report: &Report, all: bool) -> Self {
        Self {
            machine: Machine {
                name: report.host.name.clone(),
                role: report.role.to_string(),
                addresses: report.host.addresses.clone(),
                asked_at: report.started_at.clone(),
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
        let Some(cause) = &step.cause else { continue };
        if cause.owner != "network" || is_blocked(cause) {
            continue;
        }
        let other = Other {
            device: cause.device.clone(),
            seen: cause.message.clone(),
            what: cause.remedy.what.clone(),
            flows: vec![step.flow.clone()],
        };
        merge_other(&mut others, other);
    }
    others
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
    let unresolved = report.steps.iter().filter(|step| {
        let layer = step.cause.as_ref().map(|cause| cause.layer.as_str());
        layer == Some("name")
    });
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
    missing
}
