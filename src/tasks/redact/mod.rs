//! `--redact`: a report that can be shown to strangers, with a stand-in for every address and name,
//! and without what strangers wrote in their own words ([`free`]).
//!
//! Its facts are changed ([`walk`]), and every sentence is made anew from them: so all formats have it.
//! The same host has the same stand-in everywhere, as far as the key is the same.

mod address;
mod free;
mod key;
mod names;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod walk;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::report::Report;
use crate::run::plan::{SKIPPED, step_id};
use free::{Free, in_short};
pub(crate) use key::RedactionKey;
use names::Names;
use told::TextKind;
use walk::{Walker, walk};

/// Makes stand-ins with one key, and remembers them.
#[derive(Debug)]
pub(crate) struct Redactor {
    key: RedactionKey,
    names: Names,
    addresses: HashMap<IpAddr, IpAddr>,
    /// What strangers wrote; none: it stays.
    free: Option<Free>,
    /// The ids of the report's steps, and what they become.
    ids: HashMap<String, String>,
}

impl Redactor {
    /// One that makes its stand-ins with `key`.
    pub(crate) fn new(key: RedactionKey) -> Self {
        let free = (!key.keeps_text).then(Free::default);
        Self { key, names: Names::new(), addresses: HashMap::new(), free, ids: HashMap::new() }
    }

    /// What a run saw, with a stand-in for every address and name: its sentences are still to be made.
    pub(crate) fn seen(&mut self, mut report: Report) -> Report {
        // Names of one word are known only from where names stand.
        walk(&mut report, &mut Learner(self));
        self.ids = report
            .steps
            .iter()
            .map(|step| {
                let made = if step.id == step_id(&step.flow, step.place.as_deref()) {
                    let place = step.place.as_deref().map(|place| self.text(place));
                    step_id(&self.flow(&step.flow), place.as_deref())
                } else {
                    // Of a preflight that did not say what its ids are made of.
                    self.names.stand_in(&self.key, &step.id)
                };
                (step.id.clone(), made)
            })
            .collect();
        walk(&mut report, self);
        Report { redacted: true, ..report }
    }

    /// The stand-in of one address or name that somebody typed.
    pub(crate) fn typed(&mut self, text: &str) -> String {
        self.names.learn(text);
        self.text(text)
    }

    /// What each stand-in made so far stands for.
    pub(crate) fn made(&self) -> BTreeMap<String, String> {
        let addresses = self.addresses.iter().filter(|(original, made)| original != made);
        let addresses = addresses.map(|(original, made)| (made.to_string(), original.to_string()));
        self.names.made().clone().into_iter().chain(addresses).collect()
    }

    fn stand_in(&mut self, address: IpAddr) -> IpAddr {
        let key = &self.key;
        *self.addresses.entry(address).or_insert_with(|| address::stand_in(key, address))
    }

    /// A flow of one's own may be called after a customer.
    fn flow(&mut self, flow: &str) -> String {
        if self.names.is_flow(flow) {
            flow.to_owned()
        } else {
            self.names.stand_in(&self.key, flow)
        }
    }

    /// What a sentence is without a stranger's words, and without the user's.
    fn sentence(&mut self, text: &str) -> String {
        let Some(free) = &self.free else { return self.text(text) };
        let text = match text.strip_prefix(SKIPPED) {
            Some(why) => format!("{SKIPPED}{}", in_short(why)),
            None => free.without(text),
        };
        self.text(&text)
    }
}

impl Walker for Redactor {
    fn address(&mut self, address: &mut IpAddr) {
        *address = self.stand_in(*address);
    }

    fn text(&mut self, told: TextKind, _: &str, text: &mut String) {
        *text = match told {
            TextKind::Ours => return,
            TextKind::Words if self.free.is_some() => in_short(text),
            TextKind::Name => self.names.stand_in(&self.key, text),
            // None of its words is known for a host's.
            TextKind::Machine if !is_of_hosts(text) => self.names.stand_in(&self.key, text),
            TextKind::Path if text.len() > 1 => {
                format!("/{}", self.names.stand_in(&self.key, text))
            }
            TextKind::Flow => self.flow(text),
            TextKind::Step => match self.ids.get(text) {
                Some(made) => made.clone(),
                None => Redactor::text(self, text),
            },
            TextKind::Host | TextKind::Machine | TextKind::Path => Redactor::text(self, text),
            TextKind::Sentence | TextKind::Words => self.sentence(text),
        };
    }

    fn is_known(&self, flow: &str) -> bool {
        self.names.is_flow(flow)
    }
}

/// Finds out what names there are.
struct Learner<'a>(&'a mut Redactor);

impl Walker for Learner<'_> {
    fn address(&mut self, _: &mut IpAddr) {}

    fn text(&mut self, told: TextKind, fact: &str, text: &mut String) {
        let Redactor { names, free, .. } = &mut *self.0;
        match (told, free) {
            // The user's own, and a part of a sentence that is kept.
            (TextKind::Words, Some(free)) if !fact.is_empty() => free.learn(text),
            (TextKind::Words, _) => {
                if let Some(name) = named(fact, text) {
                    names.learn(name);
                }
            }
            // `custom.NAME`: the name is the user's own, and a party too.
            (TextKind::Flow, _) if !names.is_flow(text) => {
                names.learn(text.split_once('.').map_or(text, |(_, name)| name));
            }
            // What has a space in it is a sentence; a question begins with its name.
            (TextKind::Host | TextKind::Machine, _)
                if fact == "question" || !text.contains(' ') =>
            {
                names.learn(text);
            }
            _ => {}
        }
    }

    fn is_known(&self, flow: &str) -> bool {
        self.0.names.is_flow(flow)
    }
}

/// The host that a stranger's words name, where they are known to do so.
fn named<'a>(fact: &str, text: &'a str) -> Option<&'a str> {
    let mut words = text.split(' ');
    match fact {
        // "Linux poller-1 6.1.0 …": what net-snmp says of its machine.
        "sys_descr" => {
            let system = words.next()?;
            let is_unix = ["Linux", "FreeBSD", "SunOS", "AIX", "HP-UX"].contains(&system);
            words.next().filter(|_| is_unix)
        }
        // "250 relay.example.com"
        "hello_reply" => words.nth(1),
        // "relay ESMTP Postfix": a mail server's greeting.
        "banner" if text.to_ascii_uppercase().contains("SMTP") => words.next(),
        _ => None,
    }
}

/// Has it only letters that a host's name has?
fn is_of_hosts(name: &str) -> bool {
    name.chars().all(|letter| letter.is_alphanumeric() || ['.', '-', '_'].contains(&letter))
}
