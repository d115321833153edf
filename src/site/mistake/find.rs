//! Reads mistakes out of the facts: pure, but for looking whether a named file is there.

use std::collections::BTreeSet;

use super::super::discover::Files;
use super::super::discover::facts::{
    At, Broker, Facts, Machine, MailTo, Share, StreamFacts, TimeSource,
};
use super::super::join::{is_loopback, is_own};
use super::super::{Origin, Site};
use super::Mistake;
use crate::catalogue::{Catalogue, Mode, Role};

/// The port of NRPE, which is taken for Gorgone's now and then.
const NRPE: u16 = 5666;
/// The port of SSH, which Gorgone's predecessor used.
const SSH: u16 = 22;
/// What a broker speaks whose file names no version
/// (centreon-collect, `broker/core/bbdo/internal.hh`).
const OLDEST_BBDO: &str = "2.0.0";

/// Every mistake in `facts`; `role_given` says whether the site's role is the user's word.
pub(crate) fn mistakes(
    facts: &Facts,
    files: &Files,
    site: &Site,
    catalogue: &Catalogue,
    role_given: bool,
) -> Vec<Mistake> {
    let own: Vec<&Broker> = facts.brokers.iter().filter(|broker| is_own(broker, facts)).collect();
    let mut found = Vec::new();
    found.extend(role(facts, site).filter(|_| role_given));
    if site.role == Role::Poller {
        found.extend(sends_to_itself(&own));
        found.extend(gorgone_unreachable(facts));
        found.extend(no_mail_relay(facts));
    }
    found.extend(gorgone_ports(facts, site, catalogue));
    found.extend(bbdo_versions(facts, &own));
    found.extend(tls_on_one_side(facts, &own));
    found.extend(missing_certificates(&own, files));
    found.extend(proxy_with_scheme(facts));
    found.extend(deaf_trap_receiver(facts));
    found.extend(time_servers_differ(&facts.time));
    found.extend(facts.refused.iter().map(|line| Mistake::LineRefused {
        program: line.program.to_owned(),
        reason: line.reason.clone(),
        at: line.at.clone(),
    }));
    found
}

fn role<'a>(facts: &'a Facts, site: &'a Site) -> impl Iterator<Item = Mistake> + 'a {
    let sign = facts.roles.first().filter(|sign| sign.role != site.role);
    sign.into_iter().map(|sign| Mistake::RoleContradicted {
        given: site.role,
        found: sign.role,
        because: sign.because.clone(),
        at: sign.at.clone(),
    })
}

fn sends_to_itself(own: &[&Broker]) -> Vec<Mistake> {
    let outputs = streams(own).filter(|stream| stream.is_output);
    let leads_back = |stream: &&StreamFacts| stream.host.as_deref().is_some_and(is_loopback);
    outputs
        .filter(leads_back)
        .map(|stream| Mistake::BrokerSendsToItself {
            output: stream.name.clone(),
            host: stream.host.clone().unwrap_or_default(),
            at: stream.at.clone(),
        })
        .collect()
}

fn streams<'a>(brokers: &'a [&'a Broker]) -> impl Iterator<Item = &'a StreamFacts> {
    brokers.iter().flat_map(|broker| &broker.streams)
}

/// A Gorgone that waits for its central where that cannot come, or nowhere.
fn gorgone_unreachable(facts: &Facts) -> Option<Mistake> {
    let gorgone = facts.gorgone.as_ref().filter(|gorgone| gorgone.puller().is_none())?;
    if let Some(listens) = &gorgone.listens {
        let address = listens.value.host.clone().filter(|host| is_loopback(host))?;
        return Some(Mistake::GorgoneOnLoopback { address, at: listens.at.clone() });
    }
    let is_refused = facts.refused.iter().any(|line| line.program == "gorgoned");
    (gorgone.unknown.is_none() && !is_refused)
        .then(|| Mistake::GorgoneUnreachable { at: gorgone.at.clone() })
}

/// Ports that are another service's, and ports about which two places disagree.
fn gorgone_ports(facts: &Facts, site: &Site, catalogue: &Catalogue) -> Vec<Mistake> {
    let nodes = facts.gorgone.iter().flat_map(|gorgone| &gorgone.nodes);
    let machines = facts.machines.iter().chain(nodes);
    let mut found: Vec<Mistake> = machines
        .filter_map(|machine| {
            let (name, at) = (machine.name.clone(), machine.at.clone());
            match gorgone_port(machine)? {
                NRPE => Some(Mistake::GorgonePortIsNrpe { machine: name, at }),
                SSH => Some(Mistake::GorgonePortIsSsh { machine: name, at }),
                _ => None,
            }
        })
        .collect();
    let listens = facts.gorgone.as_ref().and_then(|gorgone| gorgone.listens.as_ref());
    let Some(listens) = listens else { return found };
    let (port, at) = (listens.value.port, listens.at.clone());
    if port == SSH {
        found
            .push(Mistake::GorgonePortIsSsh { machine: "this machine".to_owned(), at: at.clone() });
    }
    let is_zmq = |flow: &str| {
        let mut rows = catalogue.flows.iter().filter(|row| row.id.get_ref() == flow);
        rows.any(|row| row.mode == Some(Mode::Zmq))
    };
    let said = site.ports.iter().filter(|(flow, _)| is_zmq(flow));
    let differs =
        said.filter(|(_, said)| said.value != port && !matches!(said.origin, Origin::File(_)));
    found.extend(differs.map(|(_, said)| Mistake::GorgonePortsDiffer {
        expected: said.value,
        by: said.origin.clone(),
        port,
        at: at.clone(),
    }));
    found
}

/// The port Gorgone is called on, when it is called by ZMQ.
fn gorgone_port(machine: &Machine) -> Option<u16> {
    machine.place.port.filter(|_| matches!(machine.mode, None | Some(Mode::Zmq)))
}

/// Brokers of one platform have one version; the first that differs is named.
fn bbdo_versions(facts: &Facts, own: &[&Broker]) -> Option<Mistake> {
    let version = |broker: &Broker| match &broker.bbdo_version {
        Some(version) => (version.value.clone(), version.at.clone()),
        None => (OLDEST_BBDO.to_owned(), broker.at.clone()),
    };
    let first = own.iter().find(|broker| !broker.streams.is_empty())?;
    let (one, at) = version(first);
    let others = facts.brokers.iter().filter(|broker| !broker.streams.is_empty());
    let (other, other_at) = others.map(version).find(|(other, _)| *other != one)?;
    Some(Mistake::BbdoVersionsDiffer { one, at, other, other_at })
}

/// Both ends of a stream are known on a central: its own input, and what it gave its pollers.
fn tls_on_one_side(facts: &Facts, own: &[&Broker]) -> Vec<Mistake> {
    let inputs: Vec<&StreamFacts> =
        streams(own).filter(|stream| !stream.is_output && stream.host.is_none()).collect();
    let of_others =
        facts.brokers.iter().filter(|broker| !is_own(broker, facts) || broker.is_module);
    let outputs = of_others.flat_map(|broker| &broker.streams);
    let differs = |output: &StreamFacts| {
        let tls = output.tls?;
        let input =
            inputs.iter().find(|input| input.port == output.port && input.tls == Some(!tls))?;
        Some(Mistake::TlsOnOneSide {
            stream: output.name.clone(),
            tls,
            at: output.at.clone(),
            other_at: input.at.clone(),
        })
    };
    outputs.filter(|stream| stream.is_output && stream.host.is_some()).filter_map(differs).collect()
}

fn missing_certificates(own: &[&Broker], files: &Files) -> Vec<Mistake> {
    let used = streams(own).filter(|stream| stream.tls != Some(false));
    let named = used.flat_map(|stream| &stream.tls_files);
    let missing = named.filter(|(_, file)| !file.value.is_empty() && !files.exists(&file.value));
    missing
        .map(|(key, file)| Mistake::CertificateFileMissing {
            key: key.clone(),
            file: file.value.clone(),
            at: file.at.clone(),
        })
        .collect()
}

fn proxy_with_scheme(facts: &Facts) -> Option<Mistake> {
    let entered = facts.web_proxy.as_ref()?;
    let (scheme, rest) = entered.value.split_once("://")?;
    // A user and password may stand before the host.
    let host = rest.rsplit('@').next().unwrap_or_default();
    Some(Mistake::ProxyWithScheme { entered: format!("{scheme}://{host}"), at: entered.at.clone() })
}

fn no_mail_relay(facts: &Facts) -> Option<Mistake> {
    let notifies = facts.engine.as_ref()?.notifies.as_ref()?.value;
    let rest = facts.mail.iter().find(|mail| mail.share == Share::Rest)?;
    let mail = Some(rest).filter(|mail| mail.to == MailTo::Receivers)?;
    notifies.then(|| Mistake::NoMailRelay { program: mail.program.to_owned(), at: mail.at.clone() })
}

fn deaf_trap_receiver(facts: &Facts) -> Option<Mistake> {
    let listens = &facts.traps.as_ref()?.listens;
    let own_only = |host: &Option<String>| host.as_deref().is_some_and(is_loopback);
    let first = listens.first().filter(|_| listens.iter().all(|one| own_only(&one.value.host)))?;
    Some(Mistake::TrapReceiverOnLoopback {
        address: first.value.host.clone().unwrap_or_default(),
        at: first.at.clone(),
    })
}

fn time_servers_differ(sources: &[TimeSource]) -> Option<Mistake> {
    let sources: Vec<&TimeSource> = sources.iter().filter(|source| !source.is_fallback).collect();
    let first = sources.first()?;
    let hosts = |daemon: &str| -> BTreeSet<&str> {
        let of_it = sources.iter().filter(|source| source.daemon == daemon);
        of_it.map(|source| source.place.host.as_str()).collect()
    };
    let other = sources
        .iter()
        .find(|other| other.daemon != first.daemon && hosts(other.daemon) != hosts(first.daemon))?;
    let named = |source: &TimeSource| (source.daemon.to_owned(), source.at.clone());
    let ((one, at), (other, other_at)): ((String, At), (String, At)) = (named(first), named(other));
    Some(Mistake::TimeServersDiffer { one, at, other, other_at })
}
