//! What one machine asks for: its rules, what else the network has to repair, what is missing.

use super::Machine;
use super::rule::{Rule, rules};
use crate::report::{Report, StepReport, again};
use crate::run::verdict::Outcome;
use crate::run::wish::add_new;

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
    /// What a machine will ask, of which nothing is known yet.
    pub(crate) fn planned(report: &Report) -> Self {
        let mut wishes = Self::of(report, true);
        wishes.machine.asked_at = None;
        wishes
    }

    /// What the machine of this report asks for by today's rules; with `all`, what works already too.
    pub(crate) fn of(report: &Report, all: bool) -> Self {
        let mut missing = Vec::new();
        let today = again(report).into_iter().zip(&report.steps).map(|(today, saved)| {
            today.unwrap_or_else(|reason| {
                if saved.cause.is_some() {
                    let (machine, id) = (&report.host.name, &saved.id);
                    missing.push(format!("{machine}: {id} stands as its report has it: {reason}"));
                }
                saved.clone()
            })
        });
        let report = Report { steps: today.collect(), ..report.clone() };
        missing.extend(self::missing(&report, all));
        Self {
            machine: Machine {
                name: report.host.name.clone(),
                role: report.role.to_string(),
                addresses: report.host.addresses.clone(),
                asked_at: Some(report.started_at.clone()),
            },
            rules: report.steps.iter().flat_map(|step| rules(&report, step, all)).collect(),
            others: others(&report),
            missing,
        }
    }
}

/// What the network has to repair with other means than a rule.
fn others(report: &Report) -> Vec<Other> {
    let mut others: Vec<Other> = Vec::new();
    for step in &report.steps {
        // A name that follows from a dead name server is the server's repair.
        let is_named = step.cause.as_ref().is_some_and(|cause| cause.layer == "name");
        if step.because_of.is_some() && is_named {
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
        if let Some(other) = unread(step) {
            merge_other(&mut others, other);
        }
    }
    others
}

/// What a newer version's report asks of the network in words alone.
fn unread(step: &StepReport) -> Option<Other> {
    let cause = step.cause.as_ref().filter(|cause| cause.owner == "network")?;
    step.asked_for.is_empty().then(|| Other {
        device: cause.device.clone(),
        seen: cause.message.clone(),
        what: cause.remedy.what.clone(),
        flows: vec![step.flow.clone()],
    })
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
