//! `preflight request`: what must be allowed, by whom, in one paper?
//!
//! From reports come rules, from rules rows, and every format is written from the rows: whatever
//! else knows what a role needs can bring rules of its own.

mod csv;
mod end;
mod local;
mod markdown;
mod row;
mod rule;
#[cfg(test)]
mod tests;
mod text;
mod wishes;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use crate::report::Canvas;
use crate::report::OutputFormat;
use crate::report::moment;
use end::{Firewall, RuleEnd};
use row::{RequestRow, rows};
use rule::Rule;
pub(crate) use wishes::Wishes;
use wishes::{Other, merge_other};

/// The whole paper.
#[derive(Clone, Debug)]
pub(crate) struct ChangeRequest {
    /// Is everything the roles need in it, blocked or not?
    pub(crate) all: bool,
    /// Each machine that asks.
    pub(crate) machines: Vec<RequestMachine>,
    /// What must be allowed, in the order of the firewalls.
    pub(crate) rows: Vec<RequestRow>,
    /// What else the network team is asked for.
    pub(crate) others: Vec<Other>,
    /// What a reader must know of how this was made.
    pub(crate) notes: Vec<String>,
}

/// A machine that asks.
#[derive(Clone, Debug)]
pub(crate) struct RequestMachine {
    /// The name it goes by.
    pub(crate) name: String,
    /// What other machines call it, where a site file says so.
    pub(crate) host_name: Option<String>,
    /// Its role: `poller`.
    pub(crate) role: String,
    /// The addresses that the machine has.
    pub(crate) addresses: Vec<IpAddr>,
    /// When it was asked, RFC 3339; none: it is planned, and was not asked yet.
    pub(crate) asked_at: Option<String>,
}

impl RequestMachine {
    /// Does this name mean it?
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.host_name.as_deref() == Some(name)
    }

    /// The end of a rule as all machines name it: by host name, where one calls this machine so and it calls itself
    /// otherwise.
    fn name_alike(&self, end: &mut RuleEnd) {
        if end.address.is_none() && end.name.as_deref() == Some(&self.name) {
            end.name = self.host_name.clone().or(end.name.take());
        }
    }

    /// "central, poller, as seen at …"
    fn as_seen(&self) -> [String; 3] {
        let when = self.asked_at.as_ref().map(|at| format!("as seen at {}", moment(at)));
        let when = when.unwrap_or_else(|| "as its site file plans it".to_owned());
        [self.name.clone(), self.role.clone(), when]
    }
}

/// From which address or machine, and what it becomes.
pub(crate) type Nat = BTreeMap<String, IpAddr>;

impl ChangeRequest {
    /// One paper from all wishes. Of two runs of one machine in one role the newer one counts.
    pub(crate) fn new(wishes: Vec<Wishes>, nat: &Nat, all: bool) -> Self {
        let (wishes, mut notes) = newest(wishes);
        let machines: Vec<RequestMachine> = wishes.iter().map(|of| of.machine.clone()).collect();
        let mut others = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        for of in wishes {
            rules.extend(of.rules);
            of.others.into_iter().for_each(|other| merge_other(&mut others, other));
            notes.extend(of.missing);
        }
        for rule in &mut rules {
            for machine in &machines {
                machine.name_alike(&mut rule.source);
                machine.name_alike(&mut rule.destination);
            }
        }
        let rows = rows(rules, &machines, nat);
        let knows = |from: &String| {
            rows.iter().flat_map(|row| &row.sources).any(|source| source.end.is(from))
        };
        let unused = nat.keys().filter(|from| !knows(from));
        notes.extend(unused.map(|from| format!("--nat {from}: no row has this source")));
        Self { all, machines, rows, others, notes }
    }

    /// The machine that asks and is meant by `end`.
    fn own(&self, end: &RuleEnd) -> Option<&RequestMachine> {
        self.machines.iter().find(|machine| match end.address {
            Some(address) => machine.addresses.contains(&address),
            None => end.name.as_ref().is_some_and(|name| machine.is_called(name)),
        })
    }

    /// The rows of each firewall, in order.
    fn groups(&self) -> impl Iterator<Item = (&Firewall, &[RequestRow])> {
        let groups = self.rows.chunk_by(|one, next| one.at == next.at);
        groups.filter_map(|group| Some((&group.first()?.at, group)))
    }
}

/// The last run of each machine in each role, and a word about those left out.
fn newest(wishes: Vec<Wishes>) -> (Vec<Wishes>, Vec<String>) {
    let (mut kept, mut notes): (Vec<Wishes>, Vec<String>) = (Vec::new(), Vec::new());
    for next in wishes {
        let same = |known: &&mut Wishes| {
            let (one, other) = (&known.machine, &next.machine);
            (&one.name, &one.role, &one.addresses) == (&other.name, &other.role, &other.addresses)
        };
        let Some(known) = kept.iter_mut().find(same) else {
            kept.push(next);
            continue;
        };
        let said = |of: &Wishes| of.machine.asked_at.clone().unwrap_or_default();
        let at = |of: &Wishes| said(of).parse::<jiff::Timestamp>().ok();
        let (older, newer) =
            if at(&next) >= at(known) { (known.clone(), next) } else { (next, known.clone()) };
        notes.push(format!(
            "{}: two runs are given; that of {} counts, that of {} does not",
            newer.machine.name,
            said(&newer),
            said(&older)
        ));
        *known = newer;
    }
    (kept, notes)
}

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum RequestFormat {
    /// For a mail.
    Text,
    /// For a ticket.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// Commands for the machines' own nftables.
    Nft,
    /// Commands for the machines' own firewalld.
    Firewalld,
}

impl OutputFormat for RequestFormat {
    fn is_page(self) -> bool {
        matches!(self, Self::Text)
    }
}

impl RequestFormat {
    /// Writes `request`.
    pub(crate) fn write(
        self,
        request: &ChangeRequest,
        canvas: Canvas,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => text::write(request, canvas, out),
            Self::Markdown => markdown::write(request, out),
            Self::Csv => csv::write(&request.rows, out),
            Self::Nft => local::write(request, local::FirewallTool::Nft, out),
            Self::Firewalld => local::write(request, local::FirewallTool::Firewalld, out),
        }
    }
}
