//! The machines: the one the file is made on, and those its files name.

use std::collections::{BTreeMap, BTreeSet};

use super::super::keys::LISTENERS;
use super::super::vocabulary::MODES;
use super::credentials::CredentialNames;
use super::page::{Page, key, origin, quoted};
use super::{Knowledge, Sourced, Subject, Target, line_of, own_services, placed, ports};
use crate::catalogue::{Mode, Party, Role};
use crate::site::discover::Facts;

/// The machine the file is made on.
pub(super) fn own(
    page: &mut Page,
    facts: &Facts,
    layer: &Knowledge,
    subject: &Subject<'_>,
    known: &mut CredentialNames<'_>,
) {
    page.section(&format!("machine.{}", key(&subject.name)));
    let sign = facts.roles.iter().find(|sign| sign.role == subject.role);
    let sign = sign.map(|sign| format!("{} ({})", sign.because, sign.at)).unwrap_or_default();
    page.value("role", &quoted(&subject.role.to_string()), &sign);
    match subject.addresses.as_slice() {
        [one] => page.value("address", &quoted(&one.to_string()), ""),
        [] => page.example("address", "\"10.2.0.7\"", "by which the others reach it"),
        [first, ..] => {
            let all: Vec<String> = subject.addresses.iter().map(ToString::to_string).collect();
            let which = format!("by which the others reach it: one of {}", all.join(" "));
            page.example("address", &quoted(&first.to_string()), &which);
        }
    }
    let mut left = layer.listens.clone();
    if subject.role != Role::Central {
        link(page, layer, &mut left);
    }
    for (service, port) in
        left.iter().filter(|(name, _)| LISTENERS.iter().any(|known| known.name == name.as_str()))
    {
        page.value(&format!("listens.{service}"), &port.value.to_string(), &origin(&port.origin));
    }
    own_services(page, layer, subject);
    monitored(page, facts, layer, known);
    page.example("skip", "{ \"*.http\" = \"updates come from a mirror\" }", "");
}

/// How this machine and its central find each other; takes from `left` what it tells.
fn link(page: &mut Page, layer: &Knowledge, left: &mut BTreeMap<String, Sourced<u16>>) {
    let first = |of: &[Mode]| layer.modes.iter().find(|mode| of.contains(&mode.value));
    let gorgone = first(&MODES.map(|(_, mode)| mode));
    if let Some(mode) = gorgone {
        page.value("mode", &quoted(&mode.value.to_string()), &origin(&mode.origin));
    }
    let bbdo = first(&[Mode::Bbdo, Mode::BbdoReversed]);
    let is_reversed = bbdo.is_some_and(|mode| mode.value == Mode::BbdoReversed);
    if let Some(mode) = bbdo {
        let word = if is_reversed { "reversed" } else { "forward" };
        page.value("bbdo", &quoted(word), &origin(&mode.origin));
    }
    let mut known: BTreeMap<&str, Sourced<u16>> = BTreeMap::new();
    for target in centrals(layer) {
        known.extend(target.ports.iter().map(|(name, port)| (name.as_str(), port.clone())));
    }
    let is_pull = gorgone.is_some_and(|mode| mode.value == Mode::Pull);
    for (service, listens) in [("zmq", !is_pull), ("bbdo", is_reversed)] {
        if let Some(port) = left.remove(service).filter(|_| listens) {
            known.insert(service, port);
        }
    }
    ports(page, known.iter().map(|(service, port)| (*service, port)));
    if let Some(target) = all_centrals(layer).find(|target| target.only_for.is_some()) {
        let place = if target.websocket.is_some() {
            quoted(&websocket(target))
        } else {
            placed(&target.place, target.place.port, Vec::new())
        };
        page.value("connects_to", &place, &origin(&target.origin));
    }
}

fn websocket(target: &Target) -> String {
    let path = target.websocket.as_deref().unwrap_or_default();
    let scheme = if target.speaks == Some("pullwss-tls") { "wss" } else { "ws" };
    let host = if target.place.is_name() || !target.place.host.contains(':') {
        target.place.host.clone()
    } else {
        format!("[{}]", target.place.host)
    };
    let port = target.place.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}/{}", path.trim_start_matches('/'))
}

fn all_centrals(layer: &Knowledge) -> impl Iterator<Item = &Target> {
    layer.targets.get(&Party("central".to_owned())).into_iter().flatten()
}

/// The central's targets, without what its Gorgone alone connects to.
fn centrals(layer: &Knowledge) -> Vec<&Target> {
    all_centrals(layer).filter(|target| target.only_for.is_none()).collect()
}

/// Devices and servers that this machine's engine asks.
fn monitored(page: &mut Page, facts: &Facts, layer: &Knowledge, known: &mut CredentialNames<'_>) {
    for (kind, party, service) in
        [("devices", "device", "snmp"), ("nsclient", "nsclient", "nsclient")]
    {
        let targets = layer.targets.get(&Party(party.to_owned()));
        let targets = targets.map(Vec::as_slice).unwrap_or_default();
        let mut entries = Vec::new();
        for target in targets {
            let own = target.ports.get(service).map(|port| port.value);
            let name = known.name_of(target).map(|name| ("snmp", quoted(&name)));
            let group = target.group.as_ref().map(|group| format!("for {group}, "));
            let at = format!("{}{}", group.unwrap_or_default(), origin(&target.origin));
            let port = target.place.port.or(own);
            entries.push((placed(&target.place, port, name.into_iter().collect()), at));
        }
        match (entries.is_empty(), kind) {
            (false, _) => page.list(kind, &entries),
            (true, "devices") if layer.has_engine && !facts.devices.is_empty() => {
                page.value(kind, "[]", "none of its hosts is asked by SNMP");
            }
            (true, "devices") => page.example(kind, "[\"10.20.30.1\"]", "asked by SNMP"),
            (true, _) => page.example(kind, "[\"10.20.30.9\"]", "with NSClient++"),
        }
    }
}

/// The machines its files name.
pub(super) fn others(page: &mut Page, facts: &Facts, layer: &Knowledge, subject: &Subject<'_>) {
    let mut names = BTreeSet::from([subject.name.clone()]);
    let mut peers = BTreeSet::new();
    let mut hosts: BTreeSet<String> = subject
        .addresses
        .iter()
        .map(ToString::to_string)
        .filter(|_| subject.addresses.len() == 1)
        .collect();
    if subject.role != Role::Central {
        central(page, layer, &mut names, &mut hosts);
    }
    for role in [Role::Remote, Role::Poller] {
        let is_known = subject.catalogue.roles.contains(&role) && subject.role != Role::Poller;
        let targets = layer.targets.get(&Party(role.to_string())).filter(|_| is_known);
        for target in targets.into_iter().flatten() {
            let wanted = name_in(facts, target).unwrap_or_else(|| role.to_string());
            let host = target.place.host.to_ascii_lowercase();
            let ports = target.ports.iter().map(|(service, port)| (service.clone(), port.value));
            let is_known =
                hosts.contains(&host) || !peers.insert((host.clone(), ports.collect::<Vec<_>>()));
            if !host.is_empty() && is_known {
                page.gap();
                page.prose(&format!(
                    "{wanted} at {} is named twice ({}).",
                    target.place.host, target.origin
                ));
                continue;
            }
            below(page, role, &unused(&wanted, &mut names), target);
        }
    }
    if subject.role == Role::Central && names.len() == 1 {
        page.gap();
        page.example_line("[machine.poller1]");
        page.example("role", "\"poller\"", "");
        page.example("address", "\"10.2.0.7\"", "");
    }
}

/// The central, if its files name one and not several.
fn central(
    page: &mut Page,
    layer: &Knowledge,
    names: &mut BTreeSet<String>,
    hosts: &mut BTreeSet<String>,
) {
    let targets = centrals(layer);
    let distinct: BTreeSet<String> =
        targets.iter().map(|target| target.place.host.to_ascii_lowercase()).collect();
    let first = targets.first().filter(|_| distinct.len() == 1);
    let Some(first) = first.filter(|first| hosts.insert(first.place.host.to_ascii_lowercase()))
    else {
        page.gap();
        if !targets.is_empty() {
            page.prose("Its files name several centrals; each is asked as found:");
        }
        for target in &targets {
            page.prose(&format!("{} ({})", target.place.host, target.origin));
        }
        page.example_line("[machine.central]");
        page.example("role", "\"central\"", "");
        page.example("address", "\"10.0.0.5\"", "");
        return;
    };
    page.section(&format!("machine.{}", key(&unused("central", names))));
    page.value("role", "\"central\"", "");
    page.value("address", &quoted(&first.place.host), &origin(&first.origin));
}

/// A poller or remote server.
fn below(page: &mut Page, role: Role, name: &str, target: &Target) {
    page.section(&format!("machine.{}", key(name)));
    page.value("role", &quoted(&role.to_string()), "");
    if target.place.host.is_empty() {
        page.example("address", "\"10.2.0.7\"", &format!("not in {}", target.origin));
    } else {
        page.value("address", &quoted(&target.place.host), &origin(&target.origin));
    }
    let mut known = BTreeSet::new();
    for mode in &target.modes {
        let (of, word) = match mode.value {
            Mode::Bbdo => ("bbdo", "forward".to_owned()),
            Mode::BbdoReversed => ("bbdo", "reversed".to_owned()),
            other => ("mode", other.to_string()),
        };
        if known.insert(of) {
            page.value(of, &quoted(&word), &origin(&mode.origin));
        }
    }
    ports(page, target.ports.iter().map(|(service, port)| (service.as_str(), port)));
}

/// What the file that names it calls it.
fn name_in(facts: &Facts, target: &Target) -> Option<String> {
    let at = line_of(&target.origin)?;
    let nodes = facts.gorgone.iter().flat_map(|gorgone| &gorgone.nodes);
    let mut machines = facts.machines.iter().chain(nodes);
    let machine =
        machines.find(|machine| machine.at == *at && machine.place.host == target.place.host)?;
    let name: String = machine.name.chars().filter(|c| !c.is_control()).collect();
    (!name.trim().is_empty()).then_some(name)
}

/// The name, with a number if it is taken.
fn unused(wanted: &str, names: &mut BTreeSet<String>) -> String {
    let numbered = (2_usize..).map(|number| format!("{wanted}-{number}"));
    let mut free = std::iter::once(wanted.to_owned()).chain(numbered);
    let name = free.find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(name.clone());
    name
}
