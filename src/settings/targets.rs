//! Targets of the command line, and which of them the flow table has a use for.

use std::net::IpAddr;

use preflight_checks::{discreet_value, quoted};

use super::devices::{DeviceList, devices, target};
use super::{SettingsError, bad, pair};
use crate::catalogue::{Asker, Catalogue, Party, Role, party_kind};
use crate::cli::TargetArgs;
use crate::site::discover::Note;
use crate::site::{
    Custom, Find, Knowledge, Origin, Site, Sourced, Target, address_of, local, parse_port,
};

const DEVICE: &str = "device";

/// Adds the targets of the command line to `flags`; how many devices lists and networks have come to, a
/// sentence each.
pub(super) fn targets(
    args: &TargetArgs,
    catalogue: &Catalogue,
    flags: &mut Knowledge,
) -> Result<Vec<String>, SettingsError> {
    let mut lists = Vec::new();
    for (kind, flag, value) in args.peers.iter() {
        if kind.id == DEVICE {
            lists.push(value);
            continue;
        }
        let find = if flag.is_domain { Find::Srv } else { Find::Host };
        let target = Target { find, ..target(flag.flag, value)? };
        spoken_there(flag.flag, kind.id, &target, catalogue)?;
        flags.add(kind.id, target);
    }
    let DeviceList { devices, counts } = devices(lists, &args.devices_from)?;
    for device in &devices {
        spoken_there("--device", DEVICE, device, catalogue)?;
    }
    // Each is there once, so that none has to be looked for among a hundred thousand.
    if !devices.is_empty() {
        flags.targets.insert(Party(DEVICE.to_owned()), devices);
    }
    for text in &args.other {
        let (party, value) = pair("--target", text)?;
        if party == "proxy" || party_kind(&party).is_some_and(|kind| !kind.flags.is_empty()) {
            return Err(bad("--target", format!("use --{party} {}", discreet_value(&value))));
        }
        if catalogue.flows.iter().all(|flow| flow.to.0 != party) {
            let profile = &catalogue.profile;
            return Err(bad(
                "--target",
                format!("profile {profile} has no flow to {party}", party = quoted(&party)),
            ));
        }
        flags.add(&party, target("--target", &value)?);
    }
    Ok(counts)
}

/// Machines of the platform that the flow table does not know: another one may.
pub(super) fn without_flow(catalogue: &Catalogue, site: &Site) -> Vec<Note> {
    let is_role = |party: &Party| party.0.parse::<Role>().is_ok();
    let is_known = |party: &Party| catalogue.flows.iter().any(|flow| flow.to == *party);
    let unknown = site.targets.iter().filter(|(party, _)| is_role(party) && !is_known(party));
    let note = |target: &Target| {
        let Origin::File(at) = &target.origin else { return None };
        let (host, profile) = (&target.place.host, &catalogue.profile);
        let reason = format!("profile {profile} has no flow to {host}; --profile may name another");
        Some(Note { at: at.clone(), reason, missing: "whether this machine can be reached" })
    };
    unknown.flat_map(|(_, targets)| targets).filter_map(note).collect()
}

/// Targets of the command line that no flow of this machine asks, each with its flag and why.
pub(super) fn unasked(
    catalogue: &Catalogue,
    asker: &Asker<'_>,
    flags: &Knowledge,
) -> Vec<(String, String)> {
    let given = flags.targets.iter().filter(|(kind, _)| !catalogue.asks(asker, &kind.0));
    let refused = |(kind, targets): (&Party, &Vec<Target>)| {
        let flag = match targets.first().map(|target| &target.origin) {
            Some(Origin::Flag(flag)) if flag == "--target" => format!("--target {kind}"),
            None => format!("--target {kind}"),
            Some(origin) => origin.to_string(),
        };
        let (role, would) = (asker.role, catalogue.would_ask(asker, &kind.0));
        (flag, format!("no flow of a {role} asks it; {would}"))
    };
    given.map(refused).collect()
}

/// A URL pins the protocol: only one that some flow to this kind of peer speaks makes sense.
fn spoken_there(
    flag: &str,
    party: &str,
    target: &Target,
    catalogue: &Catalogue,
) -> Result<(), SettingsError> {
    let Some(url) = &target.place.url else { return Ok(()) };
    let flows = catalogue.flows.iter().filter(|flow| flow.to.0 == party);
    let ways = flows.flat_map(|flow| &flow.ways).map(|way| way.service.name);
    // What is spoken there may be spoken over TLS, too.
    let with_tls = |name: &&str| {
        url.scheme().strip_suffix('s') == Some(name) || (*name, url.scheme()) == ("ntp", "nts")
    };
    let mut ways: Vec<&str> = ways.collect();
    ways.sort_unstable();
    ways.dedup();
    if ways.is_empty() || ways.contains(&url.scheme()) || ways.iter().any(with_tls) {
        return Ok(());
    }
    let scheme = url.scheme();
    let reason =
        format!("no flow to it speaks {scheme}, only {}; give HOST or HOST:PORT", ways.join(", "));
    Err(bad(flag, reason))
}

pub(super) fn port(
    text: &str,
    catalogue: &Catalogue,
) -> Result<(String, Sourced<u16>), SettingsError> {
    let (id, port) = pair("--port", text)?;
    if !catalogue.flows.iter().any(|flow| *flow.id.get_ref() == id) {
        return Err(bad(
            "--port",
            format!("profile {} has no flow {id}", catalogue.profile, id = quoted(&id)),
        ));
    }
    let value = parse_port(&port).map_err(|reason| bad("--port", reason))?;
    Ok((id, Sourced { value, origin: Origin::flag("--port") }))
}

/// The flows that a glob names, and the addresses they leave from.
type Departure = (String, Sourced<Vec<IpAddr>>);

/// `ADDRESS`, `INTERFACE`, or one of them for a flow: `poller.bbdo=10.1.0.7`.
pub(super) fn departure(text: &str, catalogue: &Catalogue) -> Result<Departure, SettingsError> {
    const FLAG: &str = "--from";
    let (glob, from) = text.split_once('=').unwrap_or(("*", text));
    let mut ids = catalogue.flows.iter().map(|flow| flow.id.get_ref());
    let is_own = glob.starts_with("custom.");
    if !is_own && !ids.any(|id| crate::catalogue::matches(glob, id)) {
        return Err(bad(
            FLAG,
            format!("profile {} has no flow {glob}", catalogue.profile, glob = quoted(glob)),
        ));
    }
    let value = match address_of(from) {
        Some(address) => vec![address],
        None => local::addresses_of(from),
    };
    if value.is_empty() {
        let reason = format!(
            "{from} is neither an address nor an interface with one here",
            from = quoted(from)
        );
        return Err(bad(FLAG, reason));
    }
    Ok((glob.to_owned(), Sourced { value, origin: Origin::flag(FLAG) }))
}

/// What is said of one flow goes before what is said of all.
pub(super) fn departures(
    texts: &[String],
    catalogue: &Catalogue,
) -> Result<Vec<Departure>, SettingsError> {
    let mut known: Vec<_> =
        texts.iter().map(|text| departure(text, catalogue)).collect::<Result<_, _>>()?;
    known.sort_by_key(|(glob, _)| std::cmp::Reverse(glob.len()));
    Ok(known)
}

pub(super) fn customs(
    checks: &[String],
    test_trap: Option<&str>,
) -> Result<Vec<Custom>, SettingsError> {
    let mut customs: Vec<Custom> = Vec::new();
    for text in checks {
        let custom: Custom = text.parse().map_err(|reason: String| bad("--check", reason))?;
        if customs.iter().any(|known| known.name == custom.name) {
            return Err(bad("--check", format!("the name `{}` is used twice", custom.name)));
        }
        customs.push(custom);
    }
    if let Some(receiver) = test_trap {
        let custom = Custom::new("test-trap", &format!("trap://{receiver}"), Origin::test_trap());
        let custom = custom.map_err(|reason| bad("--send-test-trap", reason))?;
        let why = "Asked for with --send-test-trap.".to_owned();
        customs.push(Custom { why, ..custom });
    }
    Ok(customs)
}
