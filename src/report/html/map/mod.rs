//! The flow map: this machine, its peers, and an arrow a flow.
//!
//! A map of more than some dozen peers is no map: the many targets of a flow
//! are drawn as their subnets, and what still does not fit is counted below.

mod draw;

use std::collections::HashMap;
use std::net::IpAddr;

use preflight_checks::Owner;

use super::sheet::rank;
use crate::catalogue::Party;
use crate::report::groups::in_order;
use crate::report::html::markup::Markup;
use crate::report::places::places;
use crate::report::{Report, StepReport, WayReport};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;

/// Appends the map of `report`, and what is not on it; without arrows, nothing.
pub(super) fn map(report: &Report, to: &mut Markup) {
    let map = Map::new(report);
    if map.peers.is_empty() {
        return;
    }
    to.element("section", &[("aria-labelledby", "map")], |section| {
        section.leaf("h2", &[("id", "map")], "Flow map");
        draw::draw(report, &map, section);
        if map.left_out > 0 {
            let (what, are) = if map.left_out == 1 { ("flow", "is") } else { ("flows", "are") };
            let note = format!("{} more {what} {are} in the table only.", map.left_out);
            section.leaf("p", &[("class", "note")], &note);
        }
        if !map.not_asked.is_empty() {
            let note = format!("Not asked, and not drawn: {}.", map.not_asked.join(", "));
            section.leaf("p", &[("class", "note")], &note);
        }
    });
}

/// The machine in the middle, its peers, and the arrows between them.
#[derive(Debug)]
struct Map<'a> {
    peers: Vec<MapPeer<'a>>,
    /// Arrows there was no room for.
    left_out: usize,
    /// Flows without a single target.
    not_asked: Vec<&'a str>,
}

/// One peer, or all of a subnet.
#[derive(Debug)]
struct MapPeer<'a> {
    /// What it is: `NTP server`.
    party: &'a Party,
    /// Its name or address, or its subnet; empty: nobody knows who will call.
    name: String,
    arrows: Vec<Arrow<'a>>,
}

/// One flow to or from one peer.
#[derive(Debug)]
struct Arrow<'a> {
    flow: &'a str,
    /// `5669/tcp`
    ports: String,
    is_inbound: bool,
    /// The gravest of its steps, which speaks for all.
    worst: &'a StepReport,
    steps: Vec<&'a StepReport>,
}

/// Where on its way an arrow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MapEnd {
    /// Nothing stops it: it gets through.
    Nowhere,
    /// Before it leaves this machine.
    Here,
    /// On the way, nobody knows where.
    Between,
    /// At the device of that place among the hops, or behind it.
    Hop(usize),
    /// At the far side itself.
    There,
}

impl<'a> Map<'a> {
    fn new(report: &'a Report) -> Self {
        let crosses = |step: &&StepReport| step.direction != Direction::Local;
        let flows = in_order(report.steps.iter().filter(crosses), |step| step.flow.as_str());
        let is_asked = |step: &&StepReport| step.target.is_some();
        let not_asked = flows.iter().filter(|(_, steps)| !steps.iter().any(is_asked));
        let not_asked = not_asked.map(|(flow, _)| *flow).take(LISTED).collect();
        let mut found: Vec<(&'a Party, String, Arrow<'a>)> = Vec::new();
        for (flow, steps) in &flows {
            let asked: Vec<&StepReport> = steps.iter().copied().filter(is_asked).collect();
            found.extend(arrows(flow, &asked));
        }
        let left_out = keep_the_gravest(&mut found);
        Self { peers: peers(found), left_out, not_asked }
    }
}

/// The arrows of one flow, with the peer each belongs to.
fn arrows<'a>(flow: &'a str, steps: &[&'a StepReport]) -> Vec<(&'a Party, String, Arrow<'a>)> {
    let groups: Vec<(String, Vec<&'a StepReport>)> = if steps.len() > FEW {
        places(steps, PLACES).into_iter().map(|place| (place.name, place.steps)).collect()
    } else {
        in_order(steps.iter().copied(), host)
    };
    let arrow = |(name, steps): (String, Vec<&'a StepReport>)| {
        let worst = steps.iter().copied().min_by_key(|step| rank(step))?;
        let is_inbound = worst.direction == Direction::Inbound;
        let party = if is_inbound { &worst.from } else { &worst.to };
        Some((party, name, Arrow { flow, ports: ports(worst), is_inbound, worst, steps }))
    };
    groups.into_iter().filter_map(arrow).collect()
}

/// Whom a step asks; of those who call us only their kind is known.
fn host(step: &StepReport) -> String {
    match (&step.target, step.direction) {
        (Some(target), Direction::Outbound) => target.host.clone(),
        _ => String::new(),
    }
}

fn ports(step: &StepReport) -> String {
    let ways = step.target.iter().flat_map(|target| &target.ways);
    let mut ports: Vec<String> =
        ways.map(|way| way.port).filter(|port| *port != 0).map(|port| port.to_string()).collect();
    ports.dedup();
    let ways = step.target.as_ref().and_then(|target| target.ways.first());
    let transport = ways.map(WayReport::transports).unwrap_or_default();
    if ports.is_empty() { transport } else { format!("{}/{transport}", ports.join(",")) }
}

/// Leaves at most [`ARROWS`]; says how many had to go.
fn keep_the_gravest(found: &mut Vec<(&Party, String, Arrow<'_>)>) -> usize {
    let left_out = found.len().saturating_sub(ARROWS);
    if left_out > 0 {
        let mut ranks: Vec<u8> = found.iter().map(|(_, _, arrow)| rank(arrow.worst)).collect();
        ranks.sort_unstable();
        let limit = ranks.get(ARROWS).copied().unwrap_or(u8::MAX);
        let mut equals = ARROWS.saturating_sub(ranks.iter().filter(|rank| **rank < limit).count());
        found.retain(|(_, _, arrow)| match rank(arrow.worst).cmp(&limit) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal if equals > 0 => {
                equals -= 1;
                true
            }
            _ => false,
        });
    }
    left_out
}

/// Arrows by peer; who calls us is the peer of that kind we call, if there is just one.
fn peers<'a>(found: Vec<(&'a Party, String, Arrow<'a>)>) -> Vec<MapPeer<'a>> {
    let mut named: HashMap<&Party, Vec<String>> = HashMap::new();
    for (party, name, _) in &found {
        let of_party = named.entry(party).or_default();
        if !name.is_empty() && !of_party.contains(name) {
            of_party.push(name.clone());
        }
    }
    let mut peers: Vec<MapPeer<'a>> = Vec::new();
    for (party, name, arrow) in found {
        let name = match named.get(party).map(Vec::as_slice) {
            Some([only]) if name.is_empty() => only.clone(),
            _ => name,
        };
        match peers.iter_mut().find(|peer| peer.party == party && peer.name == name) {
            Some(peer) => peer.arrows.push(arrow),
            None => peers.push(MapPeer { party, name, arrows: vec![arrow] }),
        }
    }
    peers
}

impl Arrow<'_> {
    fn outcome(&self) -> Outcome {
        self.worst.outcome
    }

    /// What came of it, in a few words: `fails`, `3 fail, 247 pass`.
    fn status(&self) -> String {
        if let [one] = self.steps.as_slice() {
            return word(one).to_owned();
        }
        let mut outcomes = in_order(self.steps.iter().copied(), |step| step.outcome);
        outcomes.sort_by_key(|(_, steps)| steps.first().map_or(u8::MAX, |step| rank(step)));
        let count = |(outcome, steps): &(Outcome, Vec<_>)| format!("{} {outcome}", steps.len());
        match outcomes.as_slice() {
            [all] => format!("all {}", count(all)),
            // The two gravest; the table has the others.
            several => several.iter().take(2).map(count).collect::<Vec<_>>().join(", "),
        }
    }

    /// Was only our own end of it looked at?
    fn is_untested(&self) -> bool {
        self.is_inbound && !self.steps.iter().all(|step| step.is_proved_by_both())
    }

    /// Why it does not work, or what will hurt, in the words of its gravest step; nothing where it
    /// works.
    fn reason(&self) -> &str {
        let step = self.worst;
        match step.outcome {
            Outcome::Fail | Outcome::Unknown => &step.result,
            Outcome::Warn => step.concerns.first().map_or("", |concern| &concern.message),
            Outcome::Pass | Outcome::Skip => "",
        }
    }

    /// The device that says no, or after which it is silent, when one is known for all.
    fn device(&self) -> Option<IpAddr> {
        let device = self.worst.device()?;
        let mut alike = self.steps.iter().filter(|step| step.outcome == self.outcome());
        alike.all(|step| step.device() == Some(device)).then_some(device)
    }

    /// The hops that were seen, nearest first; `None`: one that stayed silent.
    fn hops(&self) -> Vec<Option<IpAddr>> {
        let steps_differ = self.steps.len() > 1;
        let path = self.worst.path().into_iter().filter(|_| !steps_differ).take(HOPS);
        let mut by: Vec<Option<IpAddr>> = path.map(|hop| hop.by).collect();
        if let Some(device) = self.device().filter(|device| !by.contains(&Some(*device))) {
            by.push(Some(device));
        }
        by
    }

    fn end(&self) -> MapEnd {
        let (Some(cause), Outcome::Fail | Outcome::Unknown) = (&self.worst.cause, self.outcome())
        else {
            return MapEnd::Nowhere;
        };
        let device = self.device();
        let hop = device.and_then(|device| self.hops().iter().position(|hop| *hop == Some(device)));
        match (cause.owner, hop) {
            (_, Some(hop)) => MapEnd::Hop(hop),
            (Some(Owner::ThisHost), None) if self.is_inbound => MapEnd::There,
            (Some(Owner::ThisHost), None) => MapEnd::Here,
            (Some(Owner::FarSide), None) => MapEnd::There,
            (Some(Owner::Network(_) | Owner::Nobody) | None, None) => MapEnd::Between,
        }
    }
}

/// What an outcome means for a flow.
fn word(step: &StepReport) -> &'static str {
    match step.outcome {
        Outcome::Pass if step.is_proved_by_both() => "works, as both ends saw",
        Outcome::Pass if step.direction == Direction::Inbound => "listens; way not tested",
        Outcome::Pass => "works",
        Outcome::Warn => "a warning",
        Outcome::Fail => "fails",
        Outcome::Unknown => "cannot be told from here",
        Outcome::Skip => "not asked",
    }
}

/// Targets of one flow that are drawn one by one.
const FEW: usize = 6;
/// Subnets that are drawn, if there are more targets.
const PLACES: usize = 12;
/// Arrows on a map.
const ARROWS: usize = 40;
/// Hops on an arrow; a way is seldom longer.
const HOPS: usize = 12;
/// Flows named below the map.
const LISTED: usize = 12;

#[cfg(test)]
mod tests;
