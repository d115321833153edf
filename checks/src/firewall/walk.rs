//! The way of a packet through all chains: what becomes of it, under every reading that is possible.

use super::packet::{JudgedPacket, Leg, TrackState};
use super::ruleset::{Base, Chain, Effect, FirewallRule, Id, RuleAction, Ruleset, Sets};
use super::value::Holds;
use super::{iptables, nft};

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It gets through, perhaps changed.
    Through(JudgedPacket),
    Closed(Blame),
    /// What happens is not understood.
    Untold(String),
}

/// The rule that ends a packet's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blame {
    pub(super) id: Id,
    /// The base chain that led there.
    pub(super) base: String,
    pub(super) leg: Leg,
    pub(super) how: How,
    pub(super) rule: BlamedRule,
    /// The zone of firewalld that it went through.
    pub(super) zone: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    Drop,
    Reject,
    HandOn(std::net::IpAddr, u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BlamedRule {
    Policy,
    Handle(u64),
    Line(String),
}

/// A packet under way, and on what its being there depends.
#[derive(Clone, Debug)]
struct Path {
    packet: JudgedPacket,
    /// What was taken to hold, or not to hold.
    conditions: Vec<(String, bool)>,
    zone: Option<String>,
}

/// How a chain ended for a packet.
enum ChainEnd {
    /// Its last rule, or `return`.
    Out(Path),
    Accepted(Path),
    Done(Path, Fate),
}

/// What becomes of a packet, each with what it depends on.
pub(super) type Fates = Vec<(Vec<String>, Fate)>;

/// Steps through rules for one packet; a thousand times what a large firewall has.
const MAX_STEPS: usize = 2_000_000;
/// Chains that call each other; the kernel allows 16.
const MAX_DEPTH: usize = 20;
/// Conditions that are worth being said.
const MAX_CONDITIONS: usize = 4;
/// Before this priority, connection tracking has not seen the packet.
const CONNTRACK: i64 = -200;
/// At this one, and before, a packet has the destination it came with.
const DSTNAT: i64 = -100;

impl Ruleset {
    /// Sends `packet` through the hooks of its leg. `own` are this host's addresses; `after` is
    /// where a rule has sent the connection that it belongs to.
    pub(super) fn send(
        &self,
        packet: JudgedPacket,
        own: &[std::net::IpAddr],
        after: Option<&JudgedPacket>,
    ) -> Fates {
        let hooks: &[&str] = if packet.comes_in() {
            &["ingress", "prerouting", "input"]
        } else {
            &["output", "postrouting", "egress"]
        };
        let mut walk = PacketWalk { ruleset: self, own, steps: 0 };
        let mut alive = vec![Path { packet, conditions: Vec::new(), zone: None }];
        let mut fates = Fates::new();
        let mut translation = after;
        for &hook in hooks {
            for (id, chain, base) in self.at(hook, alive.first()) {
                let is_past = hook != "ingress" && (hook != "prerouting" || base.priority > DSTNAT);
                if let Some(after) = translation.filter(|_| is_past) {
                    for path in &mut alive {
                        path.packet.follow(after);
                    }
                    translation = None;
                }
                // Only the first packet of a connection is asked where to go.
                if base.is_nat && alive.iter().all(|path| path.packet.leg != Leg::First) {
                    continue;
                }
                alive = walk.base(id, chain, base, alive, &mut fates);
            }
        }
        if let Some(after) = translation {
            for path in &mut alive {
                path.packet.follow(after);
            }
        }
        fates.extend(alive.into_iter().map(|path| (path.told(), Fate::Through(path.packet))));
        fates
    }

    /// The base chains that see such packets at a hook, in the order of their priorities.
    fn at(&self, hook: &str, path: Option<&Path>) -> Vec<(&Id, &Chain, &Base)> {
        let Some(path) = path else { return Vec::new() };
        let family = if path.packet.is_v4 { "ip" } else { "ip6" };
        let mut found: Vec<_> = self
            .chains
            .iter()
            .filter_map(|(id, chain)| Some((id, chain, chain.base.as_ref()?)))
            .filter(|(id, _, base)| {
                base.hook == hook && [family, "inet", "netdev"].contains(&id.family.as_str())
            })
            .filter(|(_, _, base)| {
                base.devices.is_empty() || base.devices.contains(&path.packet.interface)
            })
            .collect();
        found.sort_by(|(one, _, a), (other, _, b)| {
            // Within one hook, what belongs to a device comes before what belongs to all.
            let netdev = |id: &Id| id.family != "netdev";
            (netdev(one), a.priority, one).cmp(&(netdev(other), b.priority, other))
        });
        found
    }
}

impl JudgedPacket {
    /// Goes where a rule has sent the first packet of its connection.
    fn follow(&mut self, first: &JudgedPacket) {
        self.port = first.port;
        self.own = first.own;
        self.is_translated = first.is_translated;
    }
}

struct PacketWalk<'a> {
    ruleset: &'a Ruleset,
    own: &'a [std::net::IpAddr],
    steps: usize,
}

impl PacketWalk<'_> {
    fn base(
        &mut self,
        id: &Id,
        chain: &Chain,
        base: &Base,
        alive: Vec<Path>,
        fates: &mut Fates,
    ) -> Vec<Path> {
        let mut on = Vec::new();
        for mut path in alive {
            let state = path.packet.state;
            if state != TrackState::Untracked && base.priority < CONNTRACK {
                path.packet.state = TrackState::Unseen;
            }
            for end in self.chain(id, chain, path, &id.chain, 0) {
                match end {
                    ChainEnd::Done(path, fate) => fates.push((path.told(), fate)),
                    ChainEnd::Out(path) if base.drops => {
                        let blame =
                            Self::blame(id, &id.chain, &path, How::Drop, BlamedRule::Policy);
                        fates.push((path.told(), Fate::Closed(blame)));
                    }
                    ChainEnd::Out(mut path) | ChainEnd::Accepted(mut path) => {
                        if path.packet.state == TrackState::Unseen {
                            path.packet.state = state;
                        }
                        on.push(path);
                    }
                }
            }
        }
        merge(on)
    }

    /// Sends one packet through one chain.
    fn chain(
        &mut self,
        id: &Id,
        chain: &Chain,
        mut path: Path,
        base: &str,
        depth: usize,
    ) -> Vec<ChainEnd> {
        if let Some(zone) = zone(&id.chain) {
            path.zone = Some(zone.to_owned());
        }
        let mut alive = vec![path];
        let mut ends = Vec::new();
        for rule in &chain.rules {
            let mut on = Vec::new();
            for path in std::mem::take(&mut alive) {
                self.steps += 1;
                if self.steps > MAX_STEPS || depth > MAX_DEPTH {
                    let why = "there are too many rules".to_owned();
                    ends.push(ChainEnd::Done(path, Fate::Untold(why)));
                    continue;
                }
                let effect = rule.effect(&path.packet, id, &self.ruleset.sets);
                let mut taken = path.clone();
                match effect.holds {
                    Holds::No => {
                        on.push(path);
                        continue;
                    }
                    Holds::Untold(_)
                        if effect.action == RuleAction::Continue
                            && effect.packet == path.packet =>
                    {
                        on.push(path);
                        continue;
                    }
                    Holds::Untold(why) => {
                        taken.depends_on(&why, true);
                        let mut not_taken = path;
                        not_taken.depends_on(&why, true);
                        on.push(not_taken);
                    }
                    Holds::Yes => {}
                }
                taken.packet = effect.packet;
                self.act(effect.action, taken, (id, base, rule, depth), &mut on, &mut ends);
            }
            alive = merge(on);
            if alive.is_empty() {
                return ends;
            }
        }
        ends.extend(alive.into_iter().map(ChainEnd::Out));
        ends
    }

    fn act(
        &mut self,
        action: RuleAction,
        mut path: Path,
        (id, base, rule, depth): (&Id, &str, &FirewallRule, usize),
        on: &mut Vec<Path>,
        ends: &mut Vec<ChainEnd>,
    ) {
        let closed = |path: Path, how: How| {
            let blame = Self::blame(id, base, &path, how, rule.named());
            ChainEnd::Done(path, Fate::Closed(blame))
        };
        match action {
            RuleAction::Continue => on.push(path),
            RuleAction::Accept => ends.push(ChainEnd::Accepted(path)),
            RuleAction::Return => ends.push(ChainEnd::Out(path)),
            RuleAction::Drop => ends.push(closed(path, How::Drop)),
            RuleAction::Reject => ends.push(closed(path, How::Reject)),
            RuleAction::Untold(why) => ends.push(ChainEnd::Done(path, Fate::Untold(why))),
            RuleAction::Redirect(port) => {
                path.packet.port = port.unwrap_or(path.packet.port);
                path.packet.is_translated = true;
                ends.push(ChainEnd::Accepted(path));
            }
            RuleAction::HandOn(to, port) => {
                let port = port.unwrap_or(path.packet.port);
                if self.own.contains(&to) || to.is_loopback() {
                    path.packet.port = port;
                    path.packet.own = Some(to);
                    path.packet.is_translated = true;
                    ends.push(ChainEnd::Accepted(path));
                } else {
                    ends.push(closed(path, How::HandOn(to, port)));
                }
            }
            RuleAction::Jump(name) | RuleAction::Goto(name)
                if !self.ruleset.chains.contains_key(&id.beside(&name)) =>
            {
                let why = format!("chain {name}, which is not there");
                ends.push(ChainEnd::Done(path, Fate::Untold(why)));
            }
            RuleAction::Jump(name) => {
                for end in self.enter(id, &name, path, base, depth) {
                    match end {
                        ChainEnd::Out(path) => on.push(path),
                        end => ends.push(end),
                    }
                }
            }
            RuleAction::Goto(name) => ends.extend(self.enter(id, &name, path, base, depth)),
        }
    }

    fn enter(
        &mut self,
        from: &Id,
        name: &str,
        path: Path,
        base: &str,
        depth: usize,
    ) -> Vec<ChainEnd> {
        let id = from.beside(name);
        match self.ruleset.chains.get(&id) {
            Some(chain) => self.chain(&id, chain, path, base, depth + 1),
            None => Vec::new(),
        }
    }

    fn blame(id: &Id, base: &str, path: &Path, how: How, rule: BlamedRule) -> Blame {
        Blame {
            id: id.clone(),
            base: base.to_owned(),
            leg: path.packet.leg,
            how,
            rule,
            zone: path.zone.clone(),
        }
    }
}

impl Path {
    fn depends_on(&mut self, what: &str, holds: bool) {
        let condition = (what.to_owned(), holds);
        if self.conditions.len() < MAX_CONDITIONS && !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    /// What its being here depends on, for a reader.
    fn told(&self) -> Vec<String> {
        self.conditions.iter().map(|(what, _)| what.clone()).collect()
    }
}

impl FirewallRule {
    fn effect(&self, packet: &JudgedPacket, id: &Id, sets: &Sets) -> Effect {
        match self {
            Self::Nft { expressions, .. } => nft::effect(expressions, packet, id, sets),
            Self::Iptables { words, .. } => iptables::effect(words, packet),
        }
    }

    fn named(&self) -> BlamedRule {
        match self {
            Self::Nft { handle, .. } => BlamedRule::Handle(*handle),
            Self::Iptables { line, .. } => BlamedRule::Line(line.clone()),
        }
    }
}

/// Packets that are the same from here on are one.
fn merge(paths: Vec<Path>) -> Vec<Path> {
    let mut kept: Vec<Path> = Vec::new();
    for path in paths {
        let same = |known: &&mut Path| known.packet == path.packet && known.zone == path.zone;
        match kept.iter_mut().find(same) {
            // What led to both no longer matters.
            Some(known) => known.conditions.retain(|one| path.conditions.contains(one)),
            None => kept.push(path),
        }
    }
    kept
}

/// The zone whose chain firewalld calls so: `filter_IN_public`, or `IN_public` of its older kind.
fn zone(chain: &str) -> Option<&str> {
    const PARTS: [&str; 5] = ["_pre", "_log", "_deny", "_allow", "_post"];

    let rest = chain.strip_prefix("filter_").unwrap_or(chain).strip_prefix("IN_")?;
    let is_part = PARTS.iter().any(|part| rest.ends_with(part));
    (!is_part && !rest.starts_with("policy_") && rest != "ZONES").then_some(rest)
}
