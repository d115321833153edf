//! What one step of one report asks of a firewall, as far as a rule helps.

use std::net::{IpAddr, SocketAddr};

use preflight_checks::{Cause, RouteCause, Transport};

use super::end::{Firewall, RuleEnd};
use crate::catalogue::service;
use crate::report::{AttemptReport, Readable, Report, StepReport, WayReport};
use crate::run::outcome::Outcome;
use crate::run::plan::CLOSED;
use crate::run::plan::Direction;
use crate::run::wish::{Choice, Wish, add_new};
use crate::site::address_of;

/// One machine to one place, through one firewall.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Whose firewall it is.
    pub(crate) at: Firewall,
    /// Who opens the connection.
    pub(crate) source: RuleEnd,
    /// Its address as the network sees it, behind address translation.
    pub(crate) seen_as: Option<IpAddr>,
    /// The machine the connection goes to.
    pub(crate) destination: RuleEnd,
    /// TCP, UDP, or both.
    pub(crate) transports: Vec<Transport>,
    /// The ports.
    pub(crate) ports: Vec<u16>,
    /// How several ports belong together.
    pub(crate) choice: Choice,
    /// What is spoken there: `bbdo`.
    pub(crate) protocols: Vec<String>,
    /// Is it only what a machine expects from others?
    pub(crate) inbound: bool,
    /// The subnet whose devices the destination was asked for, if it is a sample.
    pub(crate) subnet: Option<String>,
    /// The flow's id.
    pub(crate) flow: String,
    /// What breaks without it.
    pub(crate) purpose: String,
    /// What was seen; nothing if it was not blocked.
    pub(crate) evidence: Vec<String>,
}

/// The rules that one step asks for: those it is blocked for want of, and with `all` every other
/// one it needs.
pub(crate) fn rules(report: &Report, step: &StepReport, all: bool) -> Vec<Rule> {
    let mut rules: Vec<Rule> =
        step.asked_for.iter().filter_map(|wish| blocked(report, step, wish)).collect();
    // Nothing is to be opened for a port that must be closed.
    let ways = step.target.iter().flat_map(|target| &target.ways);
    let must_be_closed =
        ways.clone().next().is_some() && ways.clone().all(|way| way.protocol == CLOSED);
    // A tunnel needs a rule for its gateway alone.
    if all && !must_be_closed && step.outcome != Outcome::Skip && step.through_vpn.is_none() {
        match step.direction {
            Direction::Outbound => {
                let needed = needed(report, step);
                let more = needed.into_iter().filter(|rule| !is_among(&rules, rule));
                rules.extend(more.collect::<Vec<_>>());
            }
            Direction::Inbound => rules.extend(inbound(report, step)),
            Direction::Local => {}
        }
    }
    rules
}

fn blocked(report: &Report, step: &StepReport, wish: &Wish) -> Option<Rule> {
    let opening = wish.rule.as_ref()?;
    let source = source(report, step, opening.source, Some(opening.destination));
    let destination = RuleEnd { address: Some(opening.destination), name: name(step) };
    Some(Rule {
        at: Firewall::new(wish.at, &source, &destination),
        source,
        seen_as: opening.seen_as,
        destination,
        transports: opening.transports.clone(),
        ports: opening.ports.clone(),
        choice: opening.choice,
        protocols: opening.protocols.clone(),
        inbound: false,
        subnet: subnet(report, step),
        flow: step.flow.clone(),
        purpose: purpose(step),
        evidence: wish.seen.clone(),
    })
}

/// Is a part of it asked for already?
fn is_among(rules: &[Rule], rule: &Rule) -> bool {
    rules.iter().any(|known| {
        known.destination == rule.destination
            && known.ports.iter().any(|port| rule.ports.contains(port))
    })
}

/// All that a step needs, as far as its target is known.
fn needed(report: &Report, step: &StepReport) -> Vec<Rule> {
    let Some(target) = &step.target else { return Vec::new() };
    let rule = |way: &WayReport, to: Option<IpAddr>, port: u16, from: Option<IpAddr>| Rule {
        at: Firewall::Open,
        source: source(report, step, from, to),
        seen_as: target.seen_as,
        destination: RuleEnd { address: to, name: name(step) },
        transports: transports(way),
        ports: vec![port],
        choice: Choice::All,
        protocols: vec![way.protocol.clone()],
        inbound: false,
        subnet: subnet(report, step),
        flow: step.flow.clone(),
        purpose: purpose(step),
        evidence: Vec::new(),
    };
    let mut rules: Vec<Rule> = Vec::new();
    let afterwards = |way: &WayReport, to: Option<IpAddr>, from: Option<IpAddr>| {
        let (transport, port) = service(&way.protocol)?.hints.then?;
        Some(Rule { transports: vec![transport], ..rule(way, to, port, from) })
    };
    for (attempt, way, to) in asked(step) {
        add(&mut rules, rule(way, Some(to.ip()), to.port(), attempt.from()));
        if let Some(more) = afterwards(way, Some(to.ip()), attempt.from()) {
            add(&mut rules, more);
        }
    }
    if rules.is_empty() {
        let host = target.peer.as_ref().unwrap_or(&target.host);
        let address: Option<IpAddr> = host.parse().ok();
        for way in &target.ways {
            add(&mut rules, rule(way, address, way.port, None));
            if let Some(more) = afterwards(way, address, None) {
                add(&mut rules, more);
            }
        }
        if let Some(way) = &target.also_try {
            let guess = Rule { choice: Choice::OneOfThem, ..rule(way, address, way.port, None) };
            add(&mut rules, guess);
        }
    }
    rules
}

/// Every attempt that says what is needed: at an address where the service was found on a port
/// that was only tried too, that one, else those of the flow.
fn asked(step: &StepReport) -> Vec<(&AttemptReport, &WayReport, SocketAddr)> {
    let Some(target) = &step.target else { return Vec::new() };
    let works = |attempt: &AttemptReport| matches!(attempt.outcome, Outcome::Pass | Outcome::Warn);
    let no_route = |attempt: &AttemptReport| {
        matches!(attempt.cause(), Some(Cause::Route(RouteCause::NoRoute { .. })))
    };
    let known = step.attempts.iter().filter(|attempt| !no_route(attempt)).filter_map(|attempt| {
        let to = *attempt.address.known()?;
        let same = |way: &&WayReport| way.port == to.port() && way.protocol == attempt.protocol;
        // The port of a directory may be the DNS server's word.
        let named = |way: &&WayReport| way.protocol == attempt.protocol;
        let guess = target.also_try.iter().find(same);
        let way = target.ways.iter().find(same);
        let way = attempt.way.and_then(|told| target.ways.get(told)).or(way);
        // Older reports do not tell.
        let way = way.or_else(|| target.ways.iter().find(named).filter(|_| guess.is_none()));
        Some((attempt, way, guess, to))
    });
    let known: Vec<_> = known.collect();
    let found_at: Vec<IpAddr> = known
        .iter()
        .filter(|(attempt, way, ..)| way.is_none() && works(attempt))
        .map(|(.., to)| to.ip())
        .collect();
    known
        .into_iter()
        .filter_map(|(attempt, way, guess, to)| {
            let way = if found_at.contains(&to.ip()) { guess } else { way };
            Some((attempt, way?, to))
        })
        .collect()
}

/// What others open to this machine: those that it knows, by the flows that go to them.
fn inbound(report: &Report, step: &StepReport) -> Vec<Rule> {
    let Some(target) = &step.target else { return Vec::new() };
    let mut rules: Vec<Rule> = Vec::new();
    for (source, destination) in callers(report, step) {
        for way in &target.ways {
            let rule = Rule {
                at: Firewall::Open,
                source: source.clone(),
                seen_as: None,
                destination: destination.clone(),
                transports: transports(way),
                ports: vec![way.port],
                choice: Choice::All,
                protocols: vec![way.protocol.clone()],
                inbound: true,
                subnet: None,
                flow: step.flow.clone(),
                purpose: purpose(step),
                evidence: Vec::new(),
            };
            add(&mut rules, rule);
        }
    }
    rules
}

/// Who connects to this machine, and to which address of it.
fn callers(report: &Report, step: &StepReport) -> Vec<(RuleEnd, RuleEnd)> {
    let mut callers: Vec<(RuleEnd, RuleEnd)> = Vec::new();
    let goes_there = |other: &&StepReport| {
        other.direction == Direction::Outbound && other.to == step.from && other.target.is_some()
    };
    for other in report.steps.iter().filter(goes_there) {
        let found = callers_of(report, other);
        let is_new = |(caller, _): &(RuleEnd, RuleEnd)| {
            !callers.iter().any(|(known, _)| known.is_same(caller))
        };
        let new: Vec<_> = found.into_iter().filter(is_new).collect();
        callers.extend(new);
    }
    if callers.is_empty() {
        let unknown = RuleEnd { address: None, name: Some(step.from.to_string()) };
        callers.push((unknown, here(report)));
    }
    callers
}

/// The target of an outbound step as one that calls; a sample stands for its subnet.
fn callers_of(report: &Report, step: &StepReport) -> Vec<(RuleEnd, RuleEnd)> {
    let host = step.target.as_ref().map_or("", |target| target.host.as_str());
    let given: Option<IpAddr> = host.parse().ok();
    let attempts = step
        .attempts
        .iter()
        .filter_map(|attempt| Some((attempt.address.known()?.ip(), attempt.from())));
    let mut addresses: Vec<(IpAddr, Option<IpAddr>)> = attempts.collect();
    if addresses.is_empty() {
        addresses.extend(given.map(|given| (given, None)));
    }
    let ours = |to: Option<IpAddr>, from: Option<IpAddr>| source(report, step, from, to);
    if let Some(subnet) = &step.group {
        let (to, from) = addresses.first().map_or((given, None), |(to, from)| (Some(*to), *from));
        return vec![(RuleEnd { address: None, name: Some(subnet.clone()) }, ours(to, from))];
    }
    if addresses.is_empty() {
        return vec![(RuleEnd { address: None, name: name(step) }, here(report))];
    }
    let end = |(to, from): (IpAddr, Option<IpAddr>)| {
        (RuleEnd { address: Some(to), name: name(step) }, ours(Some(to), from))
    };
    addresses.into_iter().map(end).collect()
}

/// Ports of one address are one rule.
fn add(rules: &mut Vec<Rule>, rule: Rule) {
    let same = |known: &&mut Rule| {
        (&known.at, &known.source, &known.destination)
            == (&rule.at, &rule.source, &rule.destination)
            && known.transports == rule.transports
    };
    match rules.iter_mut().find(same) {
        Some(known) => {
            known.choice = known.choice.with(rule.choice, known.ports == rule.ports);
            add_new(&mut known.ports, rule.ports);
            add_new(&mut known.protocols, rule.protocols);
        }
        None => rules.push(rule),
    }
}

/// The subnet that the step stands for, unless its other samples ended otherwise.
fn subnet(report: &Report, step: &StepReport) -> Option<String> {
    let of_group = |other: &&StepReport| other.flow == step.flow && other.group == step.group;
    let mut samples = report.steps.iter().filter(of_group);
    let is_alike = |other: &StepReport| other.cause.is_some() == step.cause.is_some();
    samples.all(is_alike).then(|| step.group.clone()).flatten()
}

fn purpose(step: &StepReport) -> String {
    match &step.through_vpn {
        Some(gateway) => format!("{} (through the VPN {gateway})", step.why),
        None => step.why.clone(),
    }
}

/// The machine of the report: the address it asked from, or was to, else its only one of the
/// family of `to`.
fn source(
    report: &Report,
    step: &StepReport,
    asked_from: Option<IpAddr>,
    to: Option<IpAddr>,
) -> RuleEnd {
    let given = step.target.iter().flat_map(|target| &target.source);
    let of_family = |own: &&IpAddr| to.is_none_or(|to| own.is_ipv4() == to.is_ipv4());
    let own: Vec<&IpAddr> = report.host.addresses.iter().filter(of_family).collect();
    let only = match own.as_slice() {
        [only] => Some(**only),
        _ => None,
    };
    let said = given.copied().find(|own| of_family(&own));
    RuleEnd { address: asked_from.or(said).or(only), name: Some(report.host.name.clone()) }
}

/// The machine of the report, by its address if it has only one.
fn here(report: &Report) -> RuleEnd {
    let address = match report.host.addresses.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    RuleEnd { address, name: Some(report.host.name.clone()) }
}

/// The target's name, unless it was given as an address.
fn name(step: &StepReport) -> Option<String> {
    let target = step.target.as_ref()?;
    // Behind a proxy it is the proxy that is connected to.
    let host = target.peer.as_ref().unwrap_or(&target.host);
    let host = match url::Url::parse(host) {
        Ok(url) if host.contains("://") => url.host_str()?.to_owned(),
        _ => host.clone(),
    };
    let is_address = address_of(host.trim_matches(['[', ']'])).is_some();
    (!is_address && !host.is_empty()).then_some(host)
}

/// Those of a way that this version can read.
fn transports(way: &WayReport) -> Vec<Transport> {
    way.transports.iter().filter_map(Readable::known).copied().collect()
}
