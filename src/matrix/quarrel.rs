//! Where two machines do not tell the same story of the flows between them.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::Linked;
use super::seen::Flow;
use crate::verdict::Outcome;

/// One machine asks, and the other says something that does not fit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Disagreement {
    /// The flow's id.
    pub(crate) flow: String,
    /// Who asks.
    pub(crate) from: String,
    /// Who listens, or does not.
    pub(crate) to: String,
    /// What the one who asks saw.
    pub(crate) asked: String,
    /// What the other says of its own listener.
    pub(crate) listener: String,
    /// What both together mean.
    pub(crate) so: String,
}

/// One direction works, the other is blocked.
#[derive(Clone, Debug, Serialize)]
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
    let inbound = site.flows.iter().filter(|(_, flow, _)| flow.inbound);
    let listeners: HashMap<(usize, &str), &Flow> =
        inbound.map(|(machine, flow, _)| ((*machine, flow.id.as_str()), *flow)).collect();
    let both = site.outbound().filter_map(|(from, flow, to)| {
        let to = to.filter(|to| *to != from)?;
        let listener = listeners.get(&(to, flow.id.as_str()))?;
        let so = contradiction(flow, listener)?;
        Some(Disagreement {
            flow: flow.id.clone(),
            from: site.name(from).to_owned(),
            to: site.name(to).to_owned(),
            asked: format!("{}: {}", flow.shown, flow.result),
            listener: listener.result.clone(),
            so: so.to_owned(),
        })
    });
    both.collect()
}

/// What it means that one sees this and the other that.
fn contradiction(asked: &Flow, listener: &Flow) -> Option<&'static str> {
    let passes = |flow: &Flow| matches!(flow.outcome, Outcome::Pass | Outcome::Warn);
    let listens = passes(listener) && !listener.only_open;
    let layer = asked.trouble.as_ref().map(|trouble| trouble.layer.as_str());
    if layer == Some("path") && listens {
        Some("the service is there: what stops the flow is in between, or the far firewall")
    } else if (layer == Some("port") || asked.only_open) && listens {
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
            Some(trouble) if trouble.layer == "path" => {
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
