//! The rows of a request: rules of one place, whoever needs them, are one row.

use std::collections::BTreeMap;
use std::net::IpAddr;

use preflight_checks::Transport;

use super::end::{Firewall, RuleEnd};
use super::rule::Rule;
use super::{Nat, RequestMachine};
use crate::catalogue::title;
use crate::run::wish::{Choice, add_new, service};

/// One line of the request: the sources to one destination.
#[derive(Clone, Debug)]
pub(crate) struct RequestRow {
    /// Whose firewall it is.
    pub(crate) at: Firewall,
    /// Who opens the connections.
    pub(crate) sources: Vec<RuleSource>,
    /// The machine the connection goes to.
    pub(crate) destination: RuleEnd,
    /// TCP, UDP, or both.
    pub(crate) transports: Vec<Transport>,
    /// The ports.
    pub(crate) ports: Vec<u16>,
    /// How several ports belong together.
    pub(crate) choice: Choice,
    /// What is spoken there.
    pub(crate) protocols: Vec<String>,
    /// The subnets whose other devices need the same: the destination is a sample of them.
    pub(crate) subnets: Vec<String>,
    /// The flows' ids.
    pub(crate) flows: Vec<String>,
    /// What breaks without it.
    pub(crate) purposes: Vec<String>,
    /// What was seen; empty if it was not blocked.
    pub(crate) evidence: Vec<String>,
}

/// Who opens a connection, and as whom the firewall sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleSource {
    /// The machine.
    pub(crate) end: RuleEnd,
    /// Its address behind a translation, as it was given for the request or for the run.
    pub(crate) nat: Option<IpAddr>,
}

/// Rules of one place are one row.
type RowPlaces = (Firewall, Option<IpAddr>, Option<String>, Vec<&'static str>, Vec<u16>);

/// The rows of a request, in the order of the firewalls.
pub(crate) fn rows(rules: Vec<Rule>, machines: &[RequestMachine], nat: &Nat) -> Vec<RequestRow> {
    let (of_others, ours): (Vec<Rule>, Vec<Rule>) =
        rules.into_iter().partition(|rule| rule.inbound);
    let mut rows = BTreeMap::new();
    for rule in ours {
        add(&mut rows, rule, nat);
    }
    // What a machine expects from others is needed only where no other machine says it itself.
    let said: Vec<(RuleEnd, Vec<u16>, Vec<RuleSource>)> = rows
        .values()
        .map(|row| (row.destination.clone(), row.ports.clone(), row.sources.clone()))
        .collect();
    for rule in of_others {
        let name = rule.destination.name.as_deref();
        let own = name.and_then(|name| machines.iter().find(|machine| machine.is_called(name)));
        let is_here = |end: &RuleEnd| match (end.address, own) {
            (Some(address), Some(own)) => own.addresses.contains(&address),
            _ => end == &rule.destination,
        };
        let is_known = |sources: &[RuleSource]| {
            let is_unknown = rule.source.address.is_none();
            is_unknown || sources.iter().any(|known| known.end.is_same(&rule.source))
        };
        let mut said = said.iter();
        // Whoever connects may have to try more ports than this machine will listen on.
        let is_said = |ports: &[u16]| rule.ports.iter().all(|port| ports.contains(port));
        if !said.any(|(end, ports, from)| is_here(end) && is_said(ports) && is_known(from)) {
            add(&mut rows, rule, nat);
        }
    }
    rows.into_values().collect()
}

fn add(rows: &mut BTreeMap<RowPlaces, RequestRow>, rule: Rule, nat: &Nat) {
    let transports = rule.transports.iter().map(|transport| transport.lower()).collect();
    let (address, name) = (rule.destination.address, &rule.destination.name);
    // A destination with an address is one, whatever each machine calls it.
    let called = if address.is_some() { None } else { name.clone() };
    let at = match &rule.at {
        Firewall::Target(end) => Firewall::Target(RuleEnd { name: called.clone(), ..end.clone() }),
        other => other.clone(),
    };
    let place = (at.clone(), address, called, transports, rule.ports.clone());
    let source = RuleSource::new(rule.source, rule.seen_as, nat);
    let row = rows.entry(place).or_insert_with(|| RequestRow {
        at,
        sources: Vec::new(),
        destination: rule.destination.clone(),
        transports: rule.transports,
        ports: rule.ports,
        choice: rule.choice,
        protocols: Vec::new(),
        subnets: Vec::new(),
        flows: Vec::new(),
        purposes: Vec::new(),
        evidence: Vec::new(),
    });
    row.destination.name = row.destination.name.take().or(rule.destination.name);
    add_new(&mut row.sources, vec![source]);
    add_new(&mut row.protocols, rule.protocols);
    add_new(&mut row.subnets, rule.subnet.into_iter().collect());
    add_new(&mut row.flows, vec![rule.flow]);
    add_new(&mut row.purposes, vec![rule.purpose]);
    add_new(&mut row.evidence, rule.evidence);
}

impl RuleSource {
    fn new(end: RuleEnd, seen_as: Option<IpAddr>, nat: &Nat) -> Self {
        let known = nat.iter().find(|(from, _)| end.is(from));
        Self { nat: known.map(|(_, address)| *address).or(seen_as), end }
    }

    /// The address a firewall behind a translation sees.
    pub(super) fn seen_as(&self) -> Option<IpAddr> {
        self.nat.or(self.end.address)
    }

    /// "10.2.0.7 (poller-1), translated to 198.51.100.7"
    pub(super) fn shown(&self) -> String {
        match self.nat {
            Some(nat) => format!("{}, translated to {nat}", self.end.shown()),
            None => self.end.shown(),
        }
    }
}

impl RequestRow {
    /// "the other monitored devices of 10.20.30.0/24"; empty, if the destination is no sample.
    pub(super) fn also_needed_by(&self) -> String {
        match self.subnets.as_slice() {
            [] => String::new(),
            subnets => format!("the other monitored devices of {}", subnets.join(", ")),
        }
    }

    /// What is spoken there, as people write it.
    pub(super) fn spoken(&self) -> String {
        let names: Vec<&str> = self.protocols.iter().map(|name| title(name)).collect();
        names.join(", ")
    }

    /// "TCP 636 or 389", "UDP and TCP 53"
    pub(super) fn service(&self) -> String {
        service(&self.transports, &self.ports, self.choice)
    }

    /// How several ports belong together, in words; empty for those that are all needed.
    pub(super) fn about_ports(&self) -> &'static str {
        match self.choice {
            Choice::All => "",
            Choice::OneSuffices => "one of them suffices, the first is preferred",
            Choice::OneOfThem => {
                "the service listens on one of them, and which one is not known: allow both until it is"
            }
        }
    }
}
