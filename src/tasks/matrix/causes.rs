//! One root cause, said once, however many machines see it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use serde::Serialize;

use super::Linked;
use super::quarrel::NAMED;
use crate::run::outcome::Outcome;
use crate::text::first_of;

/// What several steps fail for.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SharedCause {
    /// The cause's code.
    pub(crate) code: String,
    /// The device that says no, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<IpAddr>,
    /// The target, if no device names itself and it is one for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// The first of the sentences.
    pub(crate) message: String,
    /// The worst outcome among the steps.
    pub(crate) outcome: Outcome,
    /// How many steps.
    pub(crate) steps: usize,
    /// The machines that see it.
    pub(crate) machines: BTreeSet<String>,
    /// The flows that fail for it.
    pub(crate) flows: BTreeSet<String>,
    /// How many machines ask this target, where one target is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked_by: Option<usize>,
}

/// Code, device, target, and the machine whose own it is, counted from 1.
type TroubleKind<'a> = (&'a str, Option<IpAddr>, Option<&'a str>, usize);

/// Causes of one code at one device, or of one code at one target; the most frequent first.
pub(super) fn causes(site: &Linked<'_>) -> Vec<SharedCause> {
    let mut askers: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for (from, flow, _) in site.outbound() {
        askers.entry(&flow.shown).or_default().insert(from);
    }
    let mut known: HashMap<TroubleKind<'_>, usize> = HashMap::new();
    let mut causes: Vec<SharedCause> = Vec::new();
    for (from, flow, _) in &site.flows {
        let Some(trouble) = flow.trouble.as_ref().filter(|trouble| !trouble.follows) else {
            continue;
        };
        let target = Some(&flow.shown).filter(|_| trouble.device.is_none());
        // A listener that is missing, or a server on loopback, is each machine's own.
        let is_own = flow.inbound || flow.addresses.iter().any(IpAddr::is_loopback);
        let own = if is_own { *from + 1 } else { 0 };
        let next = causes.len();
        let at = *known
            .entry((&trouble.code, trouble.device, target.map(String::as_str), own))
            .or_insert(next);
        if at == next {
            causes.push(SharedCause {
                code: trouble.code.clone(),
                device: trouble.device,
                target: target.cloned(),
                message: trouble.message.clone(),
                outcome: flow.outcome,
                steps: 0,
                machines: BTreeSet::new(),
                flows: BTreeSet::new(),
                asked_by: target.and_then(|target| askers.get(target.as_str())).map(BTreeSet::len),
            });
        }
        let Some(cause) = causes.get_mut(at) else { continue };
        if flow.outcome.gravity() > cause.outcome.gravity() {
            cause.outcome = flow.outcome;
        }
        cause.steps += 1;
        cause.machines.insert(site.name(*from).to_owned());
        cause.flows.insert(flow.id.clone());
    }
    causes.sort_by_key(|cause| {
        (std::cmp::Reverse(cause.outcome.gravity()), std::cmp::Reverse(cause.steps))
    });
    causes
}

impl SharedCause {
    /// "central:5669/tcp: no answer"; a device stands in the sentence already.
    pub(super) fn shown(&self) -> String {
        match &self.target {
            Some(target) => format!("{target}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// "2 of 10 machines: poller-1, poller-2"
    pub(super) fn seen_by(&self) -> String {
        let count = self.machines.len();
        let of = self.asked_by.filter(|asked_by| *asked_by > count);
        let of = of.map_or_else(String::new, |of| format!(" of {of}"));
        let machines: Vec<&String> = self.machines.iter().collect();
        let names = first_of(&machines, NAMED);
        let plural = if count == 1 && of.is_empty() { "" } else { "s" };
        format!("{count}{of} machine{plural}: {names}")
    }
}
