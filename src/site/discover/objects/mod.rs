//! Which hosts does the engine monitor, and with what does it ask them?
//!
//! `/etc/centreon-engine/centengine.cfg` names the object files (`cfg_file`,
//! `cfg_dir`) and those with the `$USERn$` macros (`resource_file`). Of the
//! objects only hosts and their templates are read; what a template gives is
//! worked out once, and kept once however many hosts have it.
//!
//! Reference: centreon-collect, `common/engine_conf/parser.cc` (the syntax) and
//! `host_helper.cc` (what a template gives).

mod macros;
mod options;
mod sources;
mod syntax;
mod templates;
#[cfg(test)]
mod tests;

use super::facts::{At, Device, Facts, Note};
use super::files::{Files, Text};
use crate::site::Place;
use macros::{Interned, Resources};
use sources::Sources;
use syntax::HostObject;
use templates::{Templates, Values};

/// What is missing when one of these files cannot be read.
const DEVICES: &str = "the monitored hosts";
/// What is missing when a macro of theirs cannot be put in.
const MACROS: &str = "SNMP communities of hosts";
/// Hosts and templates of one engine; the largest sites have a tenth of it.
const MOST_HOSTS: usize = 100_000;
/// Complaints about one engine; the rest is counted.
const MOST_NOTES: usize = 8;
/// What Centreon invents to hang meta services and business activities on.
const INVENTED: &str = "_Module_";

/// Adds the monitored hosts to `facts`.
pub(super) fn read(files: &Files, facts: &mut Facts) {
    let mut complaints = Complaints::default();
    let Some(sources) = Sources::read(files, facts, &mut complaints) else { return };
    let resources = Resources::of(&sources.resources, !sources.lacks_resources);
    facts.devices.extend(devices(&sources.objects, &resources, &mut complaints));
    complaints.tell(facts);
}

/// The hosts of all object files, in the order they are written.
fn devices(texts: &[Text], resources: &Resources<'_>, complaints: &mut Complaints) -> Vec<Device> {
    let hosts = hosts(texts, complaints);
    let mut templates = Templates::of(&hosts);
    let mut interned = Interned::new(resources);
    let registered = hosts.iter().filter(|(_, host)| host.is_registered);
    let found: Vec<Device> = registered
        .filter_map(|host| device(host, &templates.resolve(host), &mut interned, complaints))
        .collect();
    for (name, user) in templates.unknown() {
        complaints.add(user.clone(), DEVICES, || format!("the template `{name}` is not defined"));
    }
    for (reason, at) in interned.unreadable() {
        complaints.add(at, MACROS, || reason);
    }
    found
}

/// Each host and template, with its file.
fn hosts<'t>(texts: &'t [Text], complaints: &mut Complaints) -> Vec<(&'t Text, HostObject<'t>)> {
    let mut hosts = Vec::new();
    for text in texts {
        let bad = |line, reason: &str| complaints.add(text.at(line), DEVICES, || reason.to_owned());
        let found = syntax::hosts(&text.text, MOST_HOSTS.saturating_sub(hosts.len()), bad);
        hosts.extend(found.into_iter().map(|host| (text, host)));
    }
    hosts
}

/// The device that a host is, if it is one: it needs a name and an address.
fn device<'t>(
    (text, host): &(&Text, HostObject<'t>),
    values: &Values<'t>,
    interned: &mut Interned<'_, 't>,
    complaints: &mut Complaints,
) -> Option<Device> {
    let name = host.name.as_deref().filter(|name| !name.starts_with(INVENTED))?;
    let address = values.address.as_deref()?;
    if !is_host(address) {
        complaints.add(text.at(host.line), DEVICES, || {
            "its address is neither a name nor an IP address".to_owned()
        });
        return None;
    }
    Some(Device {
        name: name.to_owned(),
        address: address.to_owned(),
        template: host.templates().next().map(|name| interned.name(name)),
        snmp: interned.snmp(values, || text.at(host.line)),
        nsclient: values.hints.nsclient,
        agent: values.hints.agent,
        at: text.at(host.line),
    })
}

/// A name or an address, without port.
fn is_host(address: &str) -> bool {
    let place = address.parse::<Place>();
    place.is_ok_and(|place| place.port.is_none() && place.url.is_none())
}

/// What is wrong with the files: the first few are told, all are counted.
#[derive(Debug, Default)]
struct Complaints {
    first: Vec<Note>,
    more: usize,
}

impl Complaints {
    /// `reason` is made only when it will be told.
    fn add(&mut self, at: At, missing: &'static str, reason: impl FnOnce() -> String) {
        if self.first.len() < MOST_NOTES {
            self.first.push(Note { at, reason: reason(), missing });
        } else {
            self.more += 1;
        }
    }

    fn tell(self, facts: &mut Facts) {
        let last = self.first.last().map(|note| At::file(&note.at.file));
        for Note { at, reason, missing } in self.first {
            facts.note(at, reason, missing);
        }
        if let Some(at) = last.filter(|_| self.more > 0) {
            facts.note(at, format!("{} more of these", self.more), DEVICES);
        }
    }
}
