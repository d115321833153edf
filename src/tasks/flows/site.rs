//! The same document with the machines and servers of a site: who they are, and where.

use super::{FlowsSection, Requirement, Requirements, section, sections_of};
use crate::catalogue::{Catalogue, Flow};
use crate::run::plan::{Action, Direction, Plan, SkipReason, Step};

/// Over the rows of the user's own.
const OWN: &str = "Checks of your own";

/// A machine, and what it would ask.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What the machine would ask.
    pub(crate) plan: Plan,
    /// Its address, where one is known.
    pub(crate) address: Option<String>,
}

impl Requirements {
    /// The rows of these machines' plans: what none of them needs is not among them.
    pub(crate) fn of_plans(catalogue: &Catalogue, machines: &[Planned]) -> Self {
        let mut rows: Vec<(String, Requirement)> = Vec::new();
        for machine in machines {
            let own = machine.plan.steps.iter().filter_map(|step| row(catalogue, machine, step));
            for row in own {
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
        let section = |heading: String| {
            let own = rows.iter().filter(|(other, _)| *other == heading);
            let own = own.map(|(_, row)| row.clone()).collect();
            FlowsSection { title: heading, rows: own }
        };
        let headings = sections_of(rows.iter().map(|(heading, _)| heading.clone()));
        Self::with(catalogue, headings.into_iter().map(section))
    }
}

/// A step as a row, and the heading it stands under.
fn row(catalogue: &Catalogue, machine: &Planned, step: &Step) -> Option<(String, Requirement)> {
    let flow = catalogue.flows.iter().find(|flow| *flow.id.get_ref() == step.flow);
    let this = machine.name();
    let (from, to) = match step.direction {
        Direction::Outbound => (this, peer(step)?),
        // Machines of the platform have the row in their own plans.
        Direction::Inbound if step.from.role().is_none() => (step.from.title().to_owned(), this),
        Direction::Inbound | Direction::Local => return None,
    };
    let requirement = Requirement {
        flow: step.flow.clone(),
        from,
        to,
        protocol: step.protocols(),
        port: step.ports(),
        application: step.application().to_owned(),
        needed: if step.required { "yes" } else { "optional" }.to_owned(),
    };
    let heading = |flow: &Flow| section(flow, catalogue);
    Some((flow.map_or_else(|| OWN.to_owned(), heading), requirement))
}

impl Planned {
    /// `poller1 (10.2.0.7)`
    fn name(&self) -> String {
        let name = self.plan.machine.clone().unwrap_or_else(|| self.plan.role.to_string());
        match self.address.as_ref().filter(|address| **address != name) {
            Some(address) => format!("{name} ({address})"),
            None => name,
        }
    }
}

/// Whom a step goes to: `NTP server 10.0.0.3`; none: it is not in use.
fn peer(step: &Step) -> Option<String> {
    // Of the reader's own checks the protocol says what kind of peer it is.
    let Some(kind) = step.row.as_ref().map(|_| step.to.title()) else {
        return match &step.action {
            Action::Ask(question) => Some(question.target.clone()),
            Action::Skip(_) | Action::Found(_) => None,
        };
    };
    match &step.action {
        Action::Ask(question) if question.is_behind_proxy() => {
            Some(format!("{kind} {} through {}", question.target, question.host))
        }
        Action::Ask(question) => Some(format!("{kind} {}", question.target)),
        Action::Skip(SkipReason::NoTarget { flag }) => Some(format!("{kind} (none named: {flag})")),
        Action::Skip(_) | Action::Found(_) => None,
    }
}
