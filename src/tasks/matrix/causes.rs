//! One root cause, said once, however many machines see it: what it stops, who acts, what to ask
//! for, and what the other machines know of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use preflight_checks::Owner;
use serde::Serialize;

use super::Linked;
use super::quarrel::{NAMED, contradiction};
use super::seen::{AskedFlow, Trouble};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;
use crate::run::wish::{Opening, service};
use crate::text::first_of;

/// What several steps fail for, or are warned of.
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
    /// What is asked: `TCP 5669`.
    pub(crate) services: BTreeSet<String>,
    /// Where the flows go: machines by their names, others as configured.
    pub(crate) to: BTreeSet<String>,
    /// Who acts, in words.
    pub(crate) who: String,
    /// Which team that is; several machines have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) team: Option<String>,
    /// What to do, or to ask for, each thing once.
    pub(crate) remedies: Vec<String>,
    /// What the reports of other machines say of it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) proofs: BTreeSet<String>,
    /// Steps that fail because of it, with their machines.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) fails_too: BTreeSet<String>,
    /// Does a device say no?
    #[serde(skip)]
    pub(super) is_blocked: bool,
    /// What its remedy is to the reader: `do`, `ask for`.
    #[serde(skip)]
    pub(super) turn: &'static str,
}

/// Code, device, target, and the machine whose own it is, counted from 1.
type TroubleKind<'a> = (&'a str, Option<IpAddr>, Option<&'a str>, usize);

/// A flow, its machine, where it goes, and what is wrong with it.
type SeenTrouble<'a> = (usize, &'a AskedFlow, Option<usize>, &'a Trouble);

/// Causes of one code at one device, or of one code at one target; the most frequent first.
pub(super) fn causes(site: &Linked<'_>) -> Vec<SharedCause> {
    let roots = site.flows.iter().filter_map(|(from, flow, to)| {
        let trouble = flow.trouble.as_ref().filter(|trouble| trouble.because_of.is_none())?;
        Some((*from, *flow, *to, trouble))
    });
    let known = OtherReports::new(site);
    let mut causes: Vec<SharedCause> =
        alike(roots).into_iter().filter_map(|seen| known.shared(&seen)).collect();
    causes.sort_by_key(|cause| {
        (std::cmp::Reverse(cause.outcome.gravity()), std::cmp::Reverse(cause.steps))
    });
    causes
}

/// What works today and will hurt, where somebody has to act on it, the most frequent first.
pub(super) fn warnings(site: &Linked<'_>) -> Vec<SharedCause> {
    let all = site.flows.iter().flat_map(|(from, flow, to)| {
        flow.warnings.iter().map(move |warning| (*from, *flow, *to, warning))
    });
    let known = OtherReports::new(site);
    let mut warnings: Vec<SharedCause> =
        alike(all).into_iter().filter_map(|seen| known.shared(&seen)).collect();
    for warning in &mut warnings {
        warning.outcome = Outcome::Warn;
    }
    warnings.sort_by_key(|warning| std::cmp::Reverse(warning.steps));
    warnings
}

/// What is one cause, together; the order is that of the first of each.
fn alike<'a>(troubles: impl Iterator<Item = SeenTrouble<'a>>) -> Vec<Vec<SeenTrouble<'a>>> {
    let mut known: HashMap<TroubleKind<'a>, usize> = HashMap::new();
    let mut found: Vec<Vec<SeenTrouble<'a>>> = Vec::new();
    for seen in troubles {
        let (from, flow, _, trouble) = seen;
        let target = Some(flow.shown.as_str()).filter(|_| trouble.device.is_none());
        // A listener that is missing, or a server on loopback, is each machine's own.
        let is_own =
            flow.direction != Direction::Outbound || flow.addresses.iter().any(IpAddr::is_loopback);
        let own = if is_own { from + 1 } else { 0 };
        let next = found.len();
        let at = *known.entry((&trouble.code, trouble.device, target, own)).or_insert(next);
        match found.get_mut(at) {
            Some(same) => same.push(seen),
            None => found.push(vec![seen]),
        }
    }
    found
}

/// What the other reports tell of a cause.
struct OtherReports<'a, 'b> {
    site: &'b Linked<'a>,
    /// The machines that ask a target.
    askers: HashMap<&'a str, BTreeSet<usize>>,
    /// What a machine says of its own listener for a flow.
    listeners: HashMap<(usize, &'a str), &'a AskedFlow>,
    /// Who reaches a machine with a flow.
    reached: HashMap<(usize, &'a str), BTreeSet<usize>>,
    /// The services that work from one machine to another.
    works: HashMap<(usize, usize), BTreeSet<&'a str>>,
    /// The steps that fail because of another, by machine and that other.
    followers: HashMap<(usize, &'a str), Vec<&'a AskedFlow>>,
}

impl<'a, 'b> OtherReports<'a, 'b> {
    fn new(site: &'b Linked<'a>) -> Self {
        let mut known = Self {
            site,
            askers: HashMap::new(),
            listeners: site.listeners(),
            reached: HashMap::new(),
            works: HashMap::new(),
            followers: HashMap::new(),
        };
        for (from, flow, to) in site.outbound() {
            known.askers.entry(&flow.shown).or_default().insert(from);
            let works = matches!(flow.outcome, Outcome::Pass | Outcome::Warn) && !flow.only_open;
            if let Some(to) = to.filter(|to| works && *to != from) {
                known.reached.entry((to, &flow.id)).or_default().insert(from);
                known.works.entry((from, to)).or_default().insert(&flow.service);
            }
            let because = flow.trouble.as_ref().and_then(|trouble| trouble.because_of.as_ref());
            if let Some(root) = because {
                known.followers.entry((from, root)).or_default().push(flow);
            }
        }
        known
    }

    /// `seen` as one; none of nothing.
    fn shared(&self, seen: &[SeenTrouble<'_>]) -> Option<SharedCause> {
        let (_, first, to, trouble) = *seen.first()?;
        let target = Some(&first.shown).filter(|_| trouble.device.is_none());
        let name = |machine: usize| self.site.name(machine).to_owned();
        let machines: BTreeSet<String> = seen.iter().map(|(from, ..)| name(*from)).collect();
        let goes_to = |(_, flow, to, _): &SeenTrouble<'_>| match flow.direction {
            Direction::Outbound => to.map_or_else(|| flow.host.clone(), name),
            Direction::Inbound | Direction::Local => String::new(),
        };
        let outcomes = seen.iter().map(|(_, flow, ..)| flow.outcome);
        let fails_too = seen.iter().flat_map(|(from, flow, ..)| {
            let of = self.followers.get(&(*from, flow.step.as_str()));
            of.into_iter().flatten().map(|step| format!("{} of {}", step.id, name(*from)))
        });
        let askers = target.and_then(|target| self.askers.get(target.as_str()));
        Some(SharedCause {
            code: trouble.code.clone(),
            device: trouble.device,
            target: target.cloned(),
            message: trouble.message.clone(),
            outcome: outcomes.max_by_key(|outcome| outcome.gravity())?,
            steps: seen.len(),
            flows: seen.iter().map(|(_, flow, ..)| flow.id.clone()).collect(),
            asked_by: askers.map(BTreeSet::len),
            services: seen.iter().map(|(_, flow, ..)| flow.service.clone()).collect(),
            to: seen.iter().map(goes_to).collect(),
            who: who(trouble, &machines),
            team: team(trouble.owner, &trouble.who, to.is_some()),
            remedies: remedies(seen),
            proofs: seen.iter().flat_map(|seen| self.proofs(seen)).collect(),
            fails_too: fails_too.collect(),
            is_blocked: trouble.is_blocked(),
            turn: trouble.turn,
            machines,
        })
    }

    /// What the report of the other end, and those of others that ask it, say of a failure.
    fn proofs(&self, (from, flow, to, _): &SeenTrouble<'_>) -> Vec<String> {
        let Some(to) = to.filter(|to| to != from && flow.trouble.is_some()) else {
            return Vec::new();
        };
        let (asks, asked) = (self.site.name(*from), self.site.name(to));
        let mut proofs = Vec::new();
        if let Some(listener) = self.listeners.get(&(to, flow.id.as_str())) {
            let so = contradiction(flow, listener);
            proofs.extend(
                so.map(|so| format!("{asked} sees its listener ({}); {so}", listener.result)),
            );
        }
        if let Some(others) = self.reached.get(&(to, flow.id.as_str())) {
            let others: Vec<&str> = others.iter().map(|other| self.site.name(*other)).collect();
            let verb = if others.len() == 1 { "reaches" } else { "reach" };
            let named = first_of(&others, NAMED);
            proofs.push(format!("{named} {verb} {asked} on {}", flow.service));
        }
        if let Some(back) = self.works.get(&(to, *from)) {
            let back: Vec<&str> = back.iter().copied().collect();
            let works = first_of(&back, NAMED);
            proofs.push(format!("the other direction works: {asked} reaches {asks} on {works}"));
        }
        proofs
    }
}

/// Who has to act on a cause: the network team, who runs the machines that were asked, or the
/// administrator of something else. None: nobody, or not known.
fn team(owner: Option<Owner>, who: &str, is_ours: bool) -> Option<String> {
    match owner? {
        Owner::Nobody => None,
        Owner::Network(_) => Some("the network team".to_owned()),
        Owner::ThisHost => Some(OURS.to_owned()),
        Owner::FarSide if is_ours => Some(OURS.to_owned()),
        Owner::FarSide => Some(who.to_owned()),
    }
}

/// Those who run the machines of the reports.
pub(super) const OURS: &str = "the administrators of the monitoring machines";

/// Who acts; a machine is named, since the reader sits at none of them.
fn who(trouble: &Trouble, machines: &BTreeSet<String>) -> String {
    if trouble.owner != Some(Owner::ThisHost) {
        return trouble.who.clone();
    }
    let machines: Vec<&String> = machines.iter().collect();
    format!("the administrator of {}", first_of(&machines, NAMED))
}

/// What to do, or to ask for: of one step its remedy as it is, of several each rule once, and what
/// else the first of them says.
fn remedies(seen: &[SeenTrouble<'_>]) -> Vec<String> {
    let said: Vec<&str> = seen.iter().map(|(.., trouble)| trouble.remedy.as_str()).collect();
    let distinct: BTreeSet<&str> = said.iter().copied().collect();
    let (Some(first), Some((.., trouble))) = (said.first(), seen.first()) else {
        return Vec::new();
    };
    if distinct.len() == 1 {
        return vec![(*first).to_owned()];
    }
    let rules = rules(seen.iter().flat_map(|(.., trouble)| &trouble.rules));
    if rules.is_empty() {
        let distinct: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        return some(distinct);
    }
    let own = trouble.rules.first().map(|rule| format!("allow {rule}"));
    let beyond = own.and_then(|own| first.strip_prefix(&own)).unwrap_or_default();
    let beyond = beyond.trim_start_matches(['.', ';', ' ']);
    let mut all = some(rules.iter().map(|rule| format!("allow {rule}")).collect());
    if !beyond.is_empty() {
        all.push(format!("for the first of them: {beyond}"));
    }
    all
}

/// The first of them, then how many more there are.
fn some(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(RULES);
    all.truncate(RULES);
    if more > 0 {
        all.push(format!("and {more} more: preflight request REPORT.json… has all of them"));
    }
    all
}

/// Rules of one service: sources that go to one place are one rule, and so are places that have the
/// same sources.
fn rules<'a>(openings: impl Iterator<Item = &'a Opening>) -> Vec<String> {
    let mut to: BTreeMap<(String, IpAddr), BTreeSet<String>> = BTreeMap::new();
    for rule in openings {
        let source = match (rule.source, rule.seen_as) {
            (Some(source), Some(seen)) => format!("{source} (seen as {seen})"),
            (Some(source), None) => source.to_string(),
            (None, Some(seen)) => seen.to_string(),
            (None, None) => "the machine".to_owned(),
        };
        let what = service(&rule.transports, &rule.ports, rule.choice);
        to.entry((what, rule.destination)).or_default().insert(source);
    }
    let mut from: BTreeMap<(String, BTreeSet<String>), BTreeSet<IpAddr>> = BTreeMap::new();
    for ((what, destination), sources) in to {
        from.entry((what, sources)).or_default().insert(destination);
    }
    let joined = |items: Vec<String>| first_of(&items, ENDS);
    let rule = |((what, sources), destinations): ((String, BTreeSet<String>), BTreeSet<IpAddr>)| {
        let to = joined(destinations.iter().map(ToString::to_string).collect());
        format!("{what} from {} to {to}", joined(sources.into_iter().collect()))
    };
    from.into_iter().map(rule).collect()
}

/// What other reports say of one cause.
const PROOFS: usize = 6;
/// Rules, or other remedies, of one cause.
const RULES: usize = 6;
/// Addresses on either side of a rule.
const ENDS: usize = 8;

impl SharedCause {
    /// "blocked between poller1 and central1: TCP 5669, rejected by 10.61.1.1", or who asks whom and
    /// what came of it.
    pub(super) fn shown(&self) -> String {
        let machines: Vec<&String> = self.machines.iter().collect();
        let from = first_of(&machines, NAMED);
        let to: Vec<&String> = self.to.iter().filter(|to| !to.is_empty()).collect();
        let services: Vec<&String> =
            self.services.iter().filter(|service| !service.is_empty()).collect();
        let (place, what) = (first_of(&to, NAMED), first_of(&services, NAMED));
        if place.is_empty() {
            return match &self.target {
                Some(target) => format!("{from}, {target}: {}", self.message),
                None => format!("{from}: {}", self.message),
            };
        }
        if self.is_blocked {
            return format!("blocked between {from} and {place}: {what}, {}", self.message);
        }
        let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
        format!("{from} to {place}{what}: {}", self.message)
    }

    /// "3 machines", or "2 of 10 machines" where others ask the same and it works for them.
    pub(super) fn seen_by(&self) -> String {
        let count = self.machines.len();
        let of = self.asked_by.filter(|asked_by| *asked_by > count);
        let of = of.map_or_else(String::new, |of| format!(" of {of}"));
        let plural = if count == 1 && of.is_empty() { "" } else { "s" };
        format!("{count}{of} machine{plural}")
    }

    /// "2 of 10 machines: poller.bbdo"
    pub(super) fn scope(&self) -> String {
        let flows: Vec<&String> = self.flows.iter().collect();
        format!("{}: {}", self.seen_by(), first_of(&flows, NAMED))
    }

    /// What is said of it below its title, label and text; what there is nothing to say of is left
    /// out.
    pub(super) fn explained(&self) -> Vec<(&'static str, String)> {
        let fails_too: Vec<&String> = self.fails_too.iter().collect();
        let mut lines = vec![("seen by", self.scope()), ("who acts", self.who.clone())];
        lines.extend(self.remedies.iter().map(|remedy| (self.turn, remedy.clone())));
        let proofs = self.proofs.iter().take(PROOFS);
        lines.extend(proofs.map(|proof| ("also seen", proof.clone())));
        let more = self.proofs.len().saturating_sub(PROOFS);
        if more > 0 {
            lines.push(("also seen", format!("and {more} more; --format json has all of them")));
        }
        lines.push(("fails too", first_of(&fails_too, NAMED)));
        lines.push(("more", format!("preflight explain {}", self.code)));
        lines.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }
}
