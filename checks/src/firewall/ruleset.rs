//! The rules of this host, as both of their languages leave them.

use std::collections::HashMap;

use super::packet::JudgedPacket;
use super::value::Holds;

/// All rules of this host.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruleset {
    pub(super) chains: HashMap<Id, Chain>,
    /// The sets and maps of nftables.
    pub(super) sets: Sets,
    /// What was met and cannot be read.
    pub(super) unread: Vec<String>,
}

/// Names a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) layer: TableKind,
    /// `ip`, `ip6`, `inet`, `netdev`, `bridge`.
    pub(super) family: String,
    pub(super) table: String,
    pub(super) chain: String,
}

/// Which of the kernel's two kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum TableKind {
    Nft,
    /// Of nftables, and written by iptables.
    IptablesNft,
    IptablesLegacy,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    /// Where packets enter it; `None`: from other chains only.
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<FirewallRule>,
}

/// What makes a base chain.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) hook: String,
    pub(super) priority: i64,
    pub(super) is_nat: bool,
    pub(super) drops: bool,
    /// Only packets of these interfaces; empty: all.
    pub(super) devices: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum FirewallRule {
    Nft { handle: u64, expressions: Vec<serde_json::Value> },
    Iptables { line: String, words: Vec<String> },
}

/// What a rule does with a packet that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RuleAction {
    /// Nothing that ends its way.
    Continue,
    Accept,
    Drop,
    Reject,
    Return,
    Jump(String),
    Goto(String),
    /// To another port of this host.
    Redirect(Option<u16>),
    /// To another address.
    HandOn(std::net::IpAddr, Option<u16>),
    /// Something that is not understood.
    Untold(String),
}

/// What a rule makes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) holds: Holds,
    pub(super) action: RuleAction,
    /// As the packet goes on.
    pub(super) packet: JudgedPacket,
}

/// The elements of nftables' sets and maps, by family, table and name.
pub(super) type Sets = HashMap<(String, String, String), Vec<serde_json::Value>>;

impl Ruleset {
    pub(super) fn chain(&mut self, id: Id) -> &mut Chain {
        self.chains.entry(id).or_default()
    }

    /// Takes out tables of a family.
    pub(super) fn forget(&mut self, family: &str, tables: &[&str]) {
        self.chains.retain(|id, _| id.family != family || !tables.contains(&id.table.as_str()));
    }

    /// Is there a base chain of this family at one of the hooks?
    pub(super) fn has_base(&self, family: &str) -> bool {
        self.chains.iter().any(|(id, chain)| id.family == family && chain.base.is_some())
    }

    /// Does a table have a chain whose name begins like that?
    pub(super) fn has_chain(&self, like: &Id, prefix: &str) -> bool {
        self.chains.keys().any(|id| {
            id.table == like.table && id.family == like.family && id.chain.starts_with(prefix)
        })
    }
}

impl Id {
    /// Another chain of the same table.
    pub(super) fn beside(&self, name: &str) -> Self {
        Self { chain: name.to_owned(), ..self.clone() }
    }
}
