//! The same document with the machines and servers of a site: who they are, and where.

use super::{Requirement, Requirements, Section, in_transports, section, sections_of};
use crate::catalogue::{Catalogue, Flow, title};
use crate::run::plan::{Action, Asked, Direction, Plan, SkipReason, Step};

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
            Section { title: heading, rows: own }
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
    let (protocol, port) = match (&step.action, flow) {
        (Action::Ask(question), _) => (protocols(&question.ways), ports(&question.ways)),
        (_, Some(flow)) => {
            let row = Requirement::new(flow);
            (row.protocol, row.port)
        }
        (_, None) => return None,
    };
    let why = step.why.trim_end_matches('.').to_owned();
    let requirement = Requirement {
        flow: step.flow.clone(),
        from,
        to,
        protocol,
        port,
        application: flow.and_then(|flow| flow.application.clone()).unwrap_or(why),
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
    let kind = step.to.title();
    match &step.action {
        Action::Ask(question) if question.is_behind_proxy() => {
            Some(format!("{kind} {} through {}", question.target, question.host))
        }
        Action::Ask(question) => Some(format!("{kind} {}", question.target)),
        Action::Skip(SkipReason::NoTarget { flag }) => Some(format!("{kind} (none named: {flag})")),
        Action::Skip(_) | Action::Found(_) => None,
    }
}

fn protocols(ways: &[Asked]) -> String {
    let mut ways: Vec<&Asked> = ways.iter().collect();
    ways.sort_by_key(|way| way.port);
    let mut titles: Vec<&str> = ways.iter().map(|way| title(way.protocol)).collect();
    titles.dedup();
    titles.join(", ")
}

fn ports(ways: &[Asked]) -> String {
    let mut ways: Vec<&Asked> = ways.iter().collect();
    ways.sort_by_key(|way| way.port);
    in_transports(ways.iter().map(|way| (way.transport, way.port.to_string())))
}
