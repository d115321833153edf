//! Where two machines do not tell the same story of the flows between them.

use std::collections::{BTreeMap, HashMap};

use preflight_checks::Layer;
use serde::Serialize;

use super::Linked;
use super::seen::AskedFlow;
use crate::run::outcome::Outcome;
use crate::text::first_of;

/// One machine asks, and the other says something that does not fit.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Disagreement {
    /// The flow's id.
    pub(crate) flow: String,
    /// Who ask, and see the same.
    pub(crate) from: Vec<String>,
    /// Who listens, or does not.
    pub(crate) to: String,
    /// What those who ask saw.
    pub(crate) asked: String,
    /// What the other says of its own listener.
    pub(crate) listener: String,
    /// What both together mean.
    pub(crate) so: String,
    /// Does what was asked fail, so that its cause says this too?
    #[serde(skip)]
    pub(crate) is_in_a_cause: bool,
}

/// One direction works, the other is blocked.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct OneSided {
    /// From here it works.
    pub(crate) from: String,
    /// From here it does not.
    pub(crate) to: String,
    /// What works, from the first to the second.
    pub(crate) works: Vec<String>,
    /// What is blocked, from the second to the first.
    pub(crate) blocked: Vec<String>,
}

/// Each flow whose two ends do not fit together.
pub(super) fn disagreements(site: &Linked<'_>) -> Vec<Disagreement> {
    let listeners = site.listeners();
    let mut disagreements: Vec<Disagreement> = Vec::new();
    let mut known: HashMap<(usize, &str, &str, &str), usize> = HashMap::new();
    for (from, flow, to) in site.outbound() {
        let Some(to) = to.filter(|to| *to != from) else { continue };
        let Some(listener) = listeners.get(&(to, flow.id.as_str())) else { continue };
        let Some(so) = contradiction(flow, listener) else { continue };
        let next = disagreements.len();
        let at = *known.entry((to, &flow.id, &flow.shown, &flow.result)).or_insert(next);
        if let Some(same) = disagreements.get_mut(at) {
            same.from.push(site.name(from).to_owned());
            continue;
        }
        disagreements.push(Disagreement {
            flow: flow.id.clone(),
            from: vec![site.name(from).to_owned()],
            to: site.name(to).to_owned(),
            asked: format!("{}: {}", flow.shown, flow.result),
            listener: listener.result.clone(),
            so: so.to_owned(),
            is_in_a_cause: flow.trouble.is_some(),
        });
    }
    disagreements
}

impl Disagreement {
    /// "poller1 to central1, poller.bbdo: asked, it works (central1:5669/tcp: …); the listener: …"
    pub(super) fn sentence(&self) -> String {
        let (from, to) = (self.askers(), &self.to);
        let (verb, see) = if self.from.len() == 1 { ("asks", "sees") } else { ("ask", "see") };
        format!(
            "{from} {verb} {to} ({}) and {see}: {}. {to} says of its own listener: {}",
            self.flow, self.asked, self.listener
        )
    }

    /// "poller-4, poller-8", or how many there are beyond a few.
    pub(super) fn askers(&self) -> String {
        first_of(&self.from, NAMED)
    }
}

/// Machines of one line.
pub(super) const NAMED: usize = 5;

/// What it means that one sees this and the other that.
pub(super) fn contradiction(asked: &AskedFlow, listener: &AskedFlow) -> Option<&'static str> {
    let passes = |flow: &AskedFlow| matches!(flow.outcome, Outcome::Pass | Outcome::Warn);
    let listens = passes(listener) && !listener.only_open;
    let layer = asked.trouble.as_ref().and_then(|trouble| trouble.layer);
    if layer == Some(Layer::Path) && listener.reached_from.is_some() {
        Some("it was reached in its own run: the way changed in between, or differs by address")
    } else if layer == Some(Layer::Path) && listens {
        Some("the service is there: what stops the flow is in between, or the far firewall")
    } else if (layer == Some(Layer::Port) || asked.only_open) && listens {
        Some("the one that answers is not this machine, or the service started in between")
    } else if passes(asked) && !asked.only_open && !listens {
        Some("another machine answers for this address, or the service stopped in between")
    } else {
        None
    }
}

/// Each pair of machines of which one reaches the other and is not reached by it.
pub(super) fn one_sided(site: &Linked<'_>) -> Vec<OneSided> {
    let mut pairs: BTreeMap<(usize, usize), (Vec<String>, Vec<String>)> = BTreeMap::new();
    for (from, flow, to) in site.outbound() {
        let Some(to) = to.filter(|to| *to != from) else { continue };
        let (works, blocked) = pairs.entry((from, to)).or_default();
        match &flow.trouble {
            None => works.push(flow.id.clone()),
            Some(trouble) if trouble.is_on_the_way() => {
                blocked.push(format!("{}: {}", flow.id, trouble.message));
            }
            Some(_) => {}
        }
    }
    let works_there = |(from, to): &(usize, usize)| {
        pairs.get(&(*to, *from)).filter(|(works, blocked)| !works.is_empty() && blocked.is_empty())
    };
    let blocked_here =
        pairs.iter().filter(|(_, (works, blocked))| works.is_empty() && !blocked.is_empty());
    let one_sided = blocked_here.filter_map(|(pair, (_, blocked))| {
        let (works, _) = works_there(pair)?;
        Some(OneSided {
            from: site.name(pair.1).to_owned(),
            to: site.name(pair.0).to_owned(),
            works: works.clone(),
            blocked: blocked.clone(),
        })
    });
    one_sided.collect()
}
