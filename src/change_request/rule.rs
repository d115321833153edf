//! What one step of one report asks of a firewall.
//!
//! What counts as blocked is decided from layer and owner of the cause: the path, whoever has to
//! act; this host's own firewall; a DNS server that one of its two transports does not reach. Not
//! what no rule helps against ([`NO_RULE`]): a host that is off, a missing route, loss. A closed
//! port or a wrong service is past every firewall.

use std::net::{IpAddr, SocketAddr};

use preflight_checks::Transport;
use serde_json::{Map, Value};

use super::end::{End, Firewall};
use crate::plan::Direction;
use crate::report::{AttemptReport, CauseReport, Report, StepReport, WayReport};
use crate::site::address_of;
use crate::verdict::Outcome;

/// One machine to one place, through one firewall.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Whose firewall it is.
    pub(crate) at: Firewall,
    /// Who opens the connection.
    pub(crate) source: End,
    /// To whom.
    pub(crate) destination: End,
    /// TCP, UDP, or both.
    pub(crate) transports: Vec<Transport>,
    /// The ports.
    pub(crate) ports: Vec<u16>,
    /// Does one of several ports suffice?
    pub(crate) one_suffices: bool,
    /// What is spoken there: `bbdo`.
    pub(crate) protocols: Vec<String>,
    /// Is it only what a machine expects from others, whose addresses it does not know?
    pub(crate) inbound: bool,
    /// The subnet whose devices the destination was asked for, if it is a sample.
    pub(crate) subnet: Option<String>,
    /// The flow's id.
    pub(crate) flow: String,
    /// What breaks without it.
    pub(crate) purpose: String,
    /// What was seen; empty if it was not blocked.
    pub(crate) evidence: String,
}

/// Causes whose device did not say no: it is the last of which anything was heard.
const IN_SILENCE: [&str; 3] = ["filtered-between", "port-silent-after", "host-silent-after"];

/// What no rule helps against, though it lies on the path.
const NO_RULE: [&str; 6] = [
    "host-unreachable",
    "net-unreachable",
    "hop-limit-exceeded",
    "no-neighbour",
    "unsteady",
    "mtu-black-hole",
];

/// Does a firewall rule help against this cause?
pub(crate) fn is_blocked(cause: &CauseReport) -> bool {
    let code = cause.code.as_str();
    let stands_in_the_way = match cause.layer.as_str() {
        "path" => true,
        "route" => code == "local-firewall",
        _ => cause.owner == "network" && only_one_transport(code).is_some(),
    };
    stands_in_the_way && !NO_RULE.contains(&code)
}

/// The transport that a DNS server is not reached over, while the other works.
fn only_one_transport(code: &str) -> Option<Transport> {
    match code {
        "dns-tcp-only" => Some(Transport::Udp),
        "dns-truncated" => Some(Transport::Tcp),
        _ => None,
    }
}

/// The rules that one step asks for: those it is blocked for want of, or with `all` every one it
/// needs, blocked or not.
pub(crate) fn rules(report: &Report, step: &StepReport, all: bool) -> Vec<Rule> {
    let blocking = step.cause.as_ref().filter(|cause| is_blocked(cause));
    match step.direction {
        Direction::Outbound if blocking.is_some() => blocked(report, step),
        Direction::Outbound if all && step.outcome != Outcome::Skip => needed(report, step),
        Direction::Inbound if all && step.outcome != Outcome::Skip => inbound(report, step),
        _ => Vec::new(),
    }
}

fn blocked(report: &Report, step: &StepReport) -> Vec<Rule> {
    let Some(cause) = &step.cause else { return Vec::new() };
    let mut rules: Vec<Rule> = Vec::new();
    for (attempt, way, to) in asked(step) {
        let Some(code) = code(attempt) else { continue };
        // Of several addresses and ports some may fail for a reason no rule helps against.
        if code != cause.code && !PATH_CODES.contains(&code) {
            continue;
        }
        let seen = Blocked { report, step, cause, attempt, way, to };
        add(&mut rules, seen.rule());
    }
    if rules.is_empty() {
        rules.extend(needed(report, step).into_iter().map(|rule| Rule {
            at: firewall(cause, &cause.code, device(cause), &rule.source, &rule.destination),
            evidence: cause.message.clone(),
            ..rule
        }));
    }
    rules
}

/// Ports of one address that fail alike are one rule.
fn add(rules: &mut Vec<Rule>, rule: Rule) {
    let same = |known: &&mut Rule| {
        (&known.at, &known.source, &known.destination)
            == (&rule.at, &rule.source, &rule.destination)
            && known.transports == rule.transports
    };
    match rules.iter_mut().find(same) {
        Some(known) => {
            known.one_suffices |= known.ports != rule.ports;
            add_new(&mut known.ports, rule.ports);
            add_new(&mut known.protocols, rule.protocols);
        }
        None => rules.push(rule),
    }
}

/// Those of `more` that are not in `known` yet.
pub(crate) fn add_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

/// One address on one port, and what stands in the way.
struct Blocked<'a> {
    report: &'a Report,
    step: &'a StepReport,
    cause: &'a CauseReport,
    attempt: &'a AttemptReport,
    way: &'a WayReport,
    to: SocketAddr,
}

impl Blocked<'_> {
    fn rule(&self) -> Rule {
        let source = source(self.report, self.step, self.attempt.source.as_deref(), self.to.ip());
        let destination = End { address: Some(self.to.ip()), name: name(self.step) };
        let facts = self.attempt.cause.as_ref();
        let device = facts.and_then(named_device);
        let own_code = code(self.attempt).unwrap_or(&self.cause.code);
        let transports = match only_one_transport(&self.cause.code) {
            Some(blocked) => vec![blocked],
            None => transports(self.step, self.way),
        };
        Rule {
            at: firewall(self.cause, own_code, device, &source, &destination),
            source,
            destination,
            transports,
            ports: vec![self.to.port()],
            one_suffices: false,
            protocols: vec![self.way.protocol.clone()],
            inbound: false,
            subnet: subnet(self.report, self.step),
            flow: self.step.flow.clone(),
            purpose: purpose(self.step),
            evidence: self.evidence(device),
        }
    }

    /// The step's own sentence, if it is about this attempt.
    fn evidence(&self, device: Option<IpAddr>) -> String {
        let code = code(self.attempt).unwrap_or_default();
        if code == self.cause.code && device == self::device(self.cause) {
            return self.cause.message.clone();
        }
        let by = device.map_or_else(String::new, |device| format!(" by {device}"));
        format!("{}{by}", code.replace('-', " "))
    }
}

/// Every attempt on a port the flow has, not on one that was only tried too.
fn asked(step: &StepReport) -> impl Iterator<Item = (&AttemptReport, &WayReport, SocketAddr)> {
    step.attempts.iter().filter_map(|attempt| {
        let to: SocketAddr = attempt.address.parse().ok()?;
        let is_asked = |way: &&WayReport| way.port == to.port() && way.protocol == attempt.protocol;
        let way = step.target.as_ref()?.ways.iter().find(is_asked)?;
        Some((attempt, way, to))
    })
}

fn code(attempt: &AttemptReport) -> Option<&str> {
    attempt.cause.as_ref()?.get("code")?.as_str()
}

/// The device that an attempt's facts name, chosen as a cause chooses it.
fn named_device(facts: &Map<String, Value>) -> Option<IpAddr> {
    let named = ["by", "after", "next"].into_iter().find_map(|fact| facts.get(fact)?.as_str());
    named?.parse().ok()
}

fn device(cause: &CauseReport) -> Option<IpAddr> {
    cause.device.as_ref()?.parse().ok()
}

fn firewall(
    cause: &CauseReport,
    code: &str,
    device: Option<IpAddr>,
    source: &End,
    destination: &End,
) -> Firewall {
    match (cause.owner.as_str(), device) {
        ("this-host", _) => Firewall::Source(source.clone()),
        ("far-side", _) => Firewall::Target(destination.clone()),
        (_, Some(last)) if IN_SILENCE.contains(&code) => Firewall::Behind(last),
        (_, Some(device)) => Firewall::Device(device),
        (_, None) => Firewall::OnTheWay,
    }
}

/// All that a step needs, as far as its target is known.
fn needed(report: &Report, step: &StepReport) -> Vec<Rule> {
    let Some(target) = &step.target else { return Vec::new() };
    let rule = |way: &WayReport, to: Option<IpAddr>, port: u16, source: End| Rule {
        at: Firewall::Open,
        source,
        destination: End { address: to, name: name(step) },
        transports: transports(step, way),
        ports: vec![port],
        one_suffices: false,
        protocols: vec![way.protocol.clone()],
        inbound: false,
        subnet: subnet(report, step),
        flow: step.flow.clone(),
        purpose: purpose(step),
        evidence: String::new(),
    };
    let mut rules: Vec<Rule> = Vec::new();
    for (attempt, way, to) in asked(step).filter(|(attempt, ..)| code(attempt) != Some("no-route"))
    {
        let source = source(report, step, attempt.source.as_deref(), to.ip());
        add(&mut rules, rule(way, Some(to.ip()), to.port(), source));
    }
    if rules.is_empty() {
        let host = target.peer.as_ref().unwrap_or(&target.host);
        let address: Option<IpAddr> = host.parse().ok();
        for way in &target.ways {
            let source = match address {
                Some(address) => source(report, step, None, address),
                None => match target.source.as_slice() {
                    [own, ..] => source(report, step, None, *own),
                    [] => here(report),
                },
            };
            add(&mut rules, rule(way, address, way.port, source));
        }
    }
    rules
}

/// What others open to this machine.
fn inbound(report: &Report, step: &StepReport) -> Vec<Rule> {
    let Some(target) = &step.target else { return Vec::new() };
    let mut rules: Vec<Rule> = Vec::new();
    for way in &target.ways {
        let rule = Rule {
            at: Firewall::Open,
            source: End { address: None, name: Some(step.from.to_string()) },
            destination: here(report),
            transports: transports(step, way),
            ports: vec![way.port],
            one_suffices: false,
            protocols: vec![way.protocol.clone()],
            inbound: true,
            subnet: None,
            flow: step.flow.clone(),
            purpose: purpose(step),
            evidence: String::new(),
        };
        add(&mut rules, rule);
    }
    rules
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

/// The machine of the report: the address it asked from, or was to, else its only one of
/// that family.
fn source(report: &Report, step: &StepReport, asked_from: Option<&str>, to: IpAddr) -> End {
    let is_of_family = |own: &&IpAddr| own.is_ipv4() == to.is_ipv4();
    let only =
        match report.host.addresses.iter().filter(is_of_family).collect::<Vec<_>>().as_slice() {
            [only] => Some(**only),
            _ => None,
        };
    let said = step.target.iter().flat_map(|target| &target.source).find(is_of_family).copied();
    let address = asked_from.and_then(|address| address.parse().ok()).or(said).or(only);
    End { address, name: Some(report.host.name.clone()) }
}

/// The machine of the report, by its address if it has only one.
fn here(report: &Report) -> End {
    let address = match report.host.addresses.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    End { address, name: Some(report.host.name.clone()) }
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

/// The way's transport; both for a service that is asked over both: `10.0.0.53:53/udp,tcp`.
fn transports(step: &StepReport, way: &WayReport) -> Vec<Transport> {
    let shown = step.target.as_ref().map_or("", |target| target.shown.as_str());
    if shown.ends_with("/udp,tcp") {
        return vec![Transport::Udp, Transport::Tcp];
    }
    vec![if way.transport == "udp" { Transport::Udp } else { Transport::Tcp }]
}

/// Codes of the path that a rule helps against, for an attempt: it has a code and no layer.
const PATH_CODES: [&str; 10] = [
    "path-rejected",
    "target-rejected",
    "unreachable",
    "no-answer",
    "filtered-between",
    "port-silent-after",
    "port-silent",
    "port-silent-on-segment",
    "host-silent-after",
    "snmp-silent",
];

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use preflight_checks::Code;

    use super::*;

    #[test]
    fn every_code_named_here_is_a_code() {
        for code in PATH_CODES
            .iter()
            .chain(&NO_RULE)
            .chain(&IN_SILENCE)
            .chain(&["dns-tcp-only", "dns-truncated"])
        {
            assert!(Code::from_str(code).is_ok(), "{code}");
        }
    }
}
