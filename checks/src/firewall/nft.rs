//! nftables: what `nft -j list ruleset` writes, and what its expressions mean for a packet.
//!
//! Reference: `libnftables-json(5)`, `nft(8)`.

use std::net::IpAddr;

use serde_json::Value;

use super::packet::{JudgedPacket, Leg, TrackState};
use super::ruleset::{Base, Effect, FirewallRule, Id, RuleAction, Ruleset, Sets, TableKind};
use super::value::{Holds, PacketField, ephemeral_within, is_in, names, number};

/// Adds what is written there to `ruleset`, and says which tables iptables has written: those hold
/// matches that this format does not show.
///
/// # Errors
///
/// A sentence, when it is something else.
pub(super) fn read(text: &str, ruleset: &mut Ruleset) -> Result<Vec<(String, String)>, String> {
    let whole: Value =
        serde_json::from_str(text).map_err(|error| format!("nft's list: {error}"))?;
    let Some(Value::Array(objects)) = whole.get("nftables") else {
        return Err("nft's list has no `nftables`".to_owned());
    };
    let mut foreign = Vec::new();
    for object in objects {
        let Some((kind, body)) = object.as_object().and_then(|object| object.iter().next()) else {
            continue;
        };
        let family = word(body, "family").to_owned();
        let table = word(body, "table").to_owned();
        match kind.as_str() {
            "chain" => {
                let chain = ruleset.chain(id(&family, &table, word(body, "name")));
                chain.base = base(body);
            }
            "rule" => {
                let expressions = body.get("expr").and_then(Value::as_array);
                let expressions = expressions.cloned().unwrap_or_default();
                let is_foreign = expressions.iter().any(|one| one.get("xt").is_some());
                if is_foreign && !foreign.contains(&(family.clone(), table.clone())) {
                    foreign.push((family.clone(), table.clone()));
                }
                let handle = body.get("handle").and_then(Value::as_u64).unwrap_or_default();
                let chain = ruleset.chain(id(&family, &table, word(body, "chain")));
                chain.rules.push(FirewallRule::Nft { handle, expressions });
            }
            "set" | "map" => {
                let elements = body.get("elem").and_then(Value::as_array);
                let elements = elements.cloned().unwrap_or_default();
                let name = word(body, "name").to_owned();
                ruleset.sets.insert((family, table, name), elements);
            }
            _ => {}
        }
    }
    Ok(foreign)
}

fn id(family: &str, table: &str, chain: &str) -> Id {
    Id {
        layer: TableKind::Nft,
        family: family.to_owned(),
        table: table.to_owned(),
        chain: chain.to_owned(),
    }
}

fn base(chain: &Value) -> Option<Base> {
    let devices = match chain.get("dev") {
        Some(Value::String(device)) => vec![device.clone()],
        Some(Value::Array(devices)) => {
            devices.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    Some(Base {
        hook: chain.get("hook")?.as_str()?.to_owned(),
        priority: chain.get("prio").and_then(Value::as_i64).unwrap_or_default(),
        is_nat: word(chain, "type") == "nat",
        drops: word(chain, "policy") == "drop",
        devices,
    })
}

fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What a rule of these expressions does with `packet`.
pub(super) fn effect(expressions: &[Value], packet: &JudgedPacket, id: &Id, sets: &Sets) -> Effect {
    let reader = NftReader { id, sets };
    let mut effect =
        Effect { holds: Holds::Yes, action: RuleAction::Continue, packet: packet.clone() };
    for expression in expressions {
        let Some((kind, body)) = expression.as_object().and_then(|one| one.iter().next()) else {
            // Some statements have no arguments, and are written as their name.
            let name = expression.as_str().unwrap_or_default();
            if !HARMLESS.contains(&name) {
                effect.holds = effect.holds.and(not_understood(name));
            }
            continue;
        };
        match reader.statement(kind, body, &mut effect) {
            Some(action) => {
                effect.action = action;
                break;
            }
            None if effect.holds == Holds::No => break,
            None => {}
        }
    }
    effect
}

/// Statements that change nothing of what becomes of a packet.
const HARMLESS: [&str; 14] = [
    "counter",
    "log",
    "comment",
    "meter",
    "masquerade",
    "snat",
    "last",
    "flow",
    "dup",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "secmark",
    "xt_comment",
];

fn not_understood(what: &str) -> Holds {
    Holds::Untold(format!("`{}`", crate::wire::clean(what.as_bytes(), 40)))
}

struct NftReader<'a> {
    id: &'a Id,
    sets: &'a Sets,
}

impl NftReader<'_> {
    /// Takes one statement into account; a verdict ends the rule.
    fn statement(&self, kind: &str, body: &Value, effect: &mut Effect) -> Option<RuleAction> {
        match kind {
            "match" => {
                let holds = self.is_match(body, &effect.packet);
                effect.holds = std::mem::replace(&mut effect.holds, Holds::No).and(holds);
                None
            }
            // A limit that is not reached.
            "limit" | "quota" | "ct count" => {
                let is_over = body.get("inv").and_then(Value::as_bool).unwrap_or(false);
                if is_over {
                    effect.holds = Holds::No;
                }
                None
            }
            "vmap" => self.verdict_of_map(body, effect),
            // An element is added, and what is said beside it has to hold.
            "set" => {
                let beside = body.get("stmt").and_then(Value::as_array);
                for one in beside.into_iter().flatten() {
                    if let Some((kind, body)) = one.as_object().and_then(|one| one.iter().next()) {
                        self.statement(kind, body, effect);
                    }
                }
                None
            }
            "notrack" => {
                effect.packet.state = TrackState::Untracked;
                None
            }
            "mangle" => {
                self.mangle(body, effect);
                None
            }
            "redirect" => Some(RuleAction::Redirect(port(body))),
            "dnat" => Some(Self::dnat(body, &effect.packet)),
            _ if HARMLESS.contains(&kind) => None,
            _ => match verdict(kind, body) {
                Some(RuleAction::Untold(_)) | None => Some(RuleAction::Untold(format!(
                    "`{}`",
                    crate::wire::clean(kind.as_bytes(), 40)
                ))),
                verdict => verdict,
            },
        }
    }

    fn verdict_of_map(&self, body: &Value, effect: &mut Effect) -> Option<RuleAction> {
        let field = self.field(body.get("key")?, &effect.packet);
        let data = body.get("data")?;
        for entry in self.elements(data)? {
            let Some([key, value]) = entry.as_array().map(Vec::as_slice) else { continue };
            match is_element(&field, key) {
                Holds::No => {}
                Holds::Yes => {
                    let (kind, body) = value.as_object()?.iter().next()?;
                    return verdict(kind, body).filter(|action| *action != RuleAction::Continue);
                }
                Holds::Untold(why) => return Some(RuleAction::Untold(why)),
            }
        }
        effect.holds = Holds::No;
        None
    }

    fn dnat(body: &Value, packet: &JudgedPacket) -> RuleAction {
        let other_family = match word(body, "family") {
            "ip" => !packet.is_v4,
            "ip6" => packet.is_v4,
            _ => false,
        };
        if other_family {
            return RuleAction::Continue;
        }
        match body.get("addr") {
            None => RuleAction::Redirect(port(body)),
            Some(Value::String(address)) => match address.parse() {
                Ok(address) => RuleAction::HandOn(address, port(body)),
                Err(_) => RuleAction::Untold("a destination that a rule changes".to_owned()),
            },
            Some(_) => RuleAction::Untold("a destination that a rule changes".to_owned()),
        }
    }

    fn mangle(&self, body: &Value, effect: &mut Effect) {
        let Some(key) = body.get("key") else { return };
        let value = body.get("value");
        let set = value.and_then(|value| match self.field(value, &effect.packet) {
            PacketField::Number(number) => u32::try_from(number).ok(),
            _ => None,
        });
        let set = if effect.holds == Holds::Yes { set } else { None };
        match (key.pointer("/meta/key"), key.pointer("/ct/key")) {
            (Some(Value::String(key)), _) if key == "mark" => effect.packet.mark = set,
            (_, Some(Value::String(key))) if key == "mark" => effect.packet.connection_mark = set,
            _ => {}
        }
    }

    fn is_match(&self, body: &Value, packet: &JudgedPacket) -> Holds {
        let (Some(left), Some(right)) = (body.get("left"), body.get("right")) else {
            return not_understood("match");
        };
        let field = self.field(left, packet);
        let wanted = match right {
            // Another expression, as in `ip saddr == ip daddr`.
            Value::Object(object) if FIELDS.iter().any(|name| object.contains_key(*name)) => {
                return not_understood("a comparison of two fields");
            }
            right => right,
        };
        if field == PacketField::Absent {
            return Holds::No;
        }
        match word(body, "op") {
            "==" => self.is(&field, wanted),
            "in" => match &field {
                PacketField::Flags(flags) => has_some(flags, wanted),
                field => self.is(field, wanted),
            },
            "!" => match &field {
                PacketField::Flags(flags) => has_some(flags, wanted).not(),
                field => self.is(field, wanted).not(),
            },
            "!=" => self.is(&field, wanted).not(),
            op => compare(op, &field, wanted),
        }
    }

    /// Is the field what is written, or one of it?
    fn is(&self, field: &PacketField, wanted: &Value) -> Holds {
        if let (PacketField::Flags(flags), Value::Array(_) | Value::String(_)) = (field, wanted) {
            return is_flags(flags, wanted);
        }
        let is_set = wanted.get("set").is_some()
            || wanted.as_str().is_some_and(|text| text.starts_with('@'));
        match self.elements(wanted).filter(|_| is_set) {
            Some(elements) => {
                elements.iter().map(|element| is_element(field, element)).fold(Holds::No, Holds::or)
            }
            None if is_set => not_understood("a set that is not there"),
            None => is_element(field, wanted),
        }
    }

    /// The elements of a set, written there or under its name.
    fn elements<'a>(&'a self, set: &'a Value) -> Option<&'a [Value]> {
        match set {
            Value::String(name) => {
                let name = name.strip_prefix('@')?.to_owned();
                let key = (self.id.family.clone(), self.id.table.clone(), name);
                self.sets.get(&key).map(Vec::as_slice)
            }
            Value::Object(object) => object.get("set")?.as_array().map(Vec::as_slice),
            _ => None,
        }
    }

    /// The field of a packet that an expression names.
    fn field(&self, expression: &Value, packet: &JudgedPacket) -> PacketField {
        if let Some(number) = expression.as_u64() {
            return PacketField::Number(number);
        }
        let Some((kind, body)) = expression.as_object().and_then(|one| one.iter().next()) else {
            return PacketField::Untold("an expression".to_owned());
        };
        match kind.as_str() {
            "payload" => payload(body, packet),
            "meta" => meta(word(body, "key"), packet),
            "ct" => connection(body, packet),
            "fib" => fib(body, packet),
            "concat" => {
                let parts = body.as_array().into_iter().flatten();
                let fields: Vec<PacketField> = parts.map(|part| self.field(part, packet)).collect();
                if fields.contains(&PacketField::Absent) {
                    PacketField::Absent
                } else {
                    PacketField::Several(fields)
                }
            }
            "&" | "|" | "^" => self.combined(kind, body, packet),
            "exthdr" => PacketField::Absent,
            other => PacketField::Untold(format!("`{}`", crate::wire::clean(other.as_bytes(), 40))),
        }
    }

    fn combined(&self, op: &str, body: &Value, packet: &JudgedPacket) -> PacketField {
        let Some([left, right]) = body.as_array().map(Vec::as_slice) else {
            return PacketField::Untold("an expression".to_owned());
        };
        match (self.field(left, packet), op) {
            (PacketField::Flags(flags), "&") => match flag_names(right) {
                Some(mask) => PacketField::Flags(
                    flags.into_iter().filter(|flag| mask.contains(flag)).collect(),
                ),
                None => PacketField::Untold("a mask of flags".to_owned()),
            },
            (PacketField::Number(left), _) => match (right.as_u64(), op) {
                (Some(right), "&") => PacketField::Number(left & right),
                (Some(right), "|") => PacketField::Number(left | right),
                (Some(right), _) => PacketField::Number(left ^ right),
                (None, _) => PacketField::Untold("an expression".to_owned()),
            },
            (field @ (PacketField::Absent | PacketField::Untold(_)), _) => field,
            _ => PacketField::Untold("an expression".to_owned()),
        }
    }
}

/// Expressions that name a field, on the right of a comparison.
const FIELDS: [&str; 7] = ["payload", "meta", "ct", "fib", "map", "jhash", "numgen"];

fn verdict(kind: &str, body: &Value) -> Option<RuleAction> {
    let target = || word(body, "target").to_owned();
    Some(match kind {
        "accept" => RuleAction::Accept,
        "drop" => RuleAction::Drop,
        "reject" => RuleAction::Reject,
        "return" => RuleAction::Return,
        "continue" => RuleAction::Continue,
        "jump" => RuleAction::Jump(target()),
        "goto" => RuleAction::Goto(target()),
        _ => return None,
    })
}

fn port(body: &Value) -> Option<u16> {
    body.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok())
}

fn payload(body: &Value, packet: &JudgedPacket) -> PacketField {
    let (protocol, field) = (word(body, "protocol"), word(body, "field"));
    let is_version = |v4: bool| packet.is_v4 == v4;
    match (protocol, field) {
        ("ip", _) if !is_version(true) => PacketField::Absent,
        ("ip6", _) if !is_version(false) => PacketField::Absent,
        ("ip" | "ip6", "saddr") => address(packet.source(), packet.comes_in()),
        ("ip" | "ip6", "daddr") => address(packet.destination(), !packet.comes_in()),
        ("ip", "protocol") | ("ip6", "nexthdr") => PacketField::Word(packet.protocol().to_owned()),
        ("ip", "version") => PacketField::Number(4),
        ("ip6", "version") => PacketField::Number(6),
        ("tcp" | "udp", _) if protocol != packet.protocol() => PacketField::Absent,
        ("tcp" | "udp" | "th", "dport") if packet.comes_in() => {
            PacketField::Number(packet.port.into())
        }
        ("tcp" | "udp" | "th", "sport") if !packet.comes_in() => {
            PacketField::Number(packet.port.into())
        }
        ("tcp" | "udp" | "th", "dport" | "sport") => PacketField::Ephemeral,
        ("tcp", "flags") => {
            PacketField::Flags(packet.flags().iter().map(|&flag| flag.to_owned()).collect())
        }
        (
            "icmp" | "icmpv6" | "igmp" | "sctp" | "dccp" | "esp" | "ah" | "arp" | "comp" | "vlan"
            | "udplite",
            _,
        ) => PacketField::Absent,
        _ => PacketField::Untold(format!("`{protocol} {field}`")),
    }
}

/// An address; `is_theirs`: the other side's.
fn address(known: Option<IpAddr>, is_theirs: bool) -> PacketField {
    match known {
        Some(address) => PacketField::Address(address),
        None if is_theirs => PacketField::Untold("who connects".to_owned()),
        None => PacketField::Untold("which of this host's addresses it comes to".to_owned()),
    }
}

fn meta(key: &str, packet: &JudgedPacket) -> PacketField {
    let text = |text: &str| PacketField::Word(text.to_owned());
    match key {
        "iif" | "iifname" if packet.comes_in() => text(&packet.interface),
        "oif" | "oifname" if !packet.comes_in() => text(&packet.interface),
        // There is none, which is not the name of any.
        "iif" | "iifname" | "oif" | "oifname" => text(""),
        "l4proto" => text(packet.protocol()),
        "nfproto" => text(if packet.is_v4 { "ipv4" } else { "ipv6" }),
        "protocol" => text(if packet.is_v4 { "ip" } else { "ip6" }),
        "mark" => packet.mark.map_or_else(
            || PacketField::Untold("a mark that a rule sets".to_owned()),
            |mark| PacketField::Number(mark.into()),
        ),
        "pkttype" => text("host"),
        // Only what this host sends belongs to somebody.
        "skuid" | "skgid" | "cgroup" if packet.comes_in() => PacketField::Absent,
        "ibrname" | "obrname" | "ibridgename" | "obridgename" | "ipsec" => PacketField::Absent,
        "secpath" => PacketField::Number(0),
        key => PacketField::Untold(format!("`meta {}`", crate::wire::clean(key.as_bytes(), 40))),
    }
}

fn connection(body: &Value, packet: &JudgedPacket) -> PacketField {
    let flags =
        |names: &[&str]| PacketField::Flags(names.iter().map(|&name| name.to_owned()).collect());
    let is_seen = matches!(packet.state, TrackState::New | TrackState::Established);
    match word(body, "key") {
        "state" => flags(&[match packet.state {
            TrackState::New => "new",
            TrackState::Established => "established",
            TrackState::Untracked => "untracked",
            TrackState::Unseen => "invalid",
        }]),
        _ if !is_seen => PacketField::Absent,
        "status" => {
            let mut names = Vec::new();
            if packet.is_translated {
                names.push("dnat");
            }
            if packet.leg != Leg::First {
                names.extend(["seen-reply", "confirmed"]);
            }
            flags(&names)
        }
        "direction" => {
            PacketField::Word(if packet.comes_in() { "original" } else { "reply" }.to_owned())
        }
        "mark" => packet.connection_mark.map_or_else(
            || PacketField::Untold("a mark that a rule sets".to_owned()),
            |mark| PacketField::Number(mark.into()),
        ),
        "l3proto" => PacketField::Word(if packet.is_v4 { "ipv4" } else { "ipv6" }.to_owned()),
        "protocol" => PacketField::Word(packet.protocol().to_owned()),
        "helper" => PacketField::Absent,
        key => PacketField::Untold(format!("`ct {}`", crate::wire::clean(key.as_bytes(), 40))),
    }
}

/// What the routing table says: the packet is for this host, and its sender is reached the same way.
fn fib(body: &Value, packet: &JudgedPacket) -> PacketField {
    let flags = body.get("flags").map(Value::to_string).unwrap_or_default();
    let of_source = flags.contains("saddr");
    match word(body, "result") {
        "type" if of_source != packet.comes_in() => PacketField::Word("local".to_owned()),
        "type" => PacketField::Word("unicast".to_owned()),
        "oif" | "oifname" if of_source && packet.comes_in() => PacketField::Exists,
        _ => PacketField::Untold("`fib`".to_owned()),
    }
}

/// `<`, `>` and their like.
fn compare(op: &str, field: &PacketField, wanted: &Value) -> Holds {
    let (Some(wanted), field) = (wanted.as_u64(), field) else { return not_understood(op) };
    let range = match op {
        "<" if wanted > 0 => (0, wanted - 1),
        "<" => return Holds::No,
        "<=" => (0, wanted),
        ">" => (wanted.saturating_add(1), u64::MAX),
        ">=" => (wanted, u64::MAX),
        _ => return not_understood(op),
    };
    is_within(field, range)
}

fn is_within(field: &PacketField, (low, high): (u64, u64)) -> Holds {
    match field {
        PacketField::Number(number) => Holds::of((low..=high).contains(number)),
        PacketField::Ephemeral => ephemeral_within(low, high),
        PacketField::Untold(why) => Holds::Untold(why.clone()),
        _ => Holds::No,
    }
}

/// Is the field this element of a set, or what it is compared with?
fn is_element(field: &PacketField, element: &Value) -> Holds {
    if let Some(inner) = element.pointer("/elem/val") {
        return is_element(field, inner);
    }
    match (field, element) {
        (PacketField::Absent, _) => Holds::No,
        // Nobody is in an empty network, and everybody in the whole one.
        (PacketField::Untold(_), element) if is_everything(element) => Holds::Yes,
        (PacketField::Untold(why), element) => Holds::Untold(format!("{why} ({})", shown(element))),
        // Beside a set's elements, what follows when none of them fits.
        (_, Value::String(star)) if star == "*" => Holds::Yes,
        (PacketField::Exists, Value::Bool(wanted)) => Holds::of(*wanted),
        (PacketField::Exists, _) => Holds::Untold("`fib`".to_owned()),
        (PacketField::Several(fields), element) => {
            let parts = element.get("concat").and_then(Value::as_array);
            let Some(parts) = parts.filter(|parts| parts.len() == fields.len()) else {
                return not_understood("a concatenation");
            };
            let each = fields.iter().zip(parts).map(|(field, part)| is_element(field, part));
            each.fold(Holds::Yes, Holds::and)
        }
        (PacketField::Flags(flags), element) => is_flags(flags, element),
        (PacketField::Address(address), element) => is_address(*address, element),
        (PacketField::Word(word), Value::String(wanted)) => {
            Holds::of(names(wanted, '*', word) || is_same(word, wanted))
        }
        (PacketField::Word(word), Value::Number(wanted)) => {
            Holds::of(wanted.as_u64().is_some_and(|number| protocol_number(word) == Some(number)))
        }
        (PacketField::Word(_), _) => not_understood("a name"),
        (field, element) => match range(element) {
            Some(range) => is_within(field, range),
            None => not_understood("a number"),
        },
    }
}

/// Names that nftables has two of.
fn is_same(word: &str, wanted: &str) -> bool {
    matches!((word, wanted), ("host", "unicast") | ("unicast", "host"))
}

fn protocol_number(word: &str) -> Option<u64> {
    match word {
        "tcp" => Some(6),
        "udp" => Some(17),
        _ => None,
    }
}

fn range(element: &Value) -> Option<(u64, u64)> {
    let one = |value: &Value| value.as_u64().or_else(|| number(value.as_str()?));
    match element.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        Some([low, high]) => Some((one(low)?, one(high)?)),
        Some(_) => None,
        None => one(element).map(|number| (number, number)),
    }
}

fn is_address(address: IpAddr, element: &Value) -> Holds {
    let parsed = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    let found = if let Some(prefix) = element.get("prefix") {
        let length = prefix.get("len").and_then(Value::as_u64);
        let length = length.and_then(|length| u32::try_from(length).ok());
        prefix
            .get("addr")
            .and_then(parsed)
            .zip(length)
            .map(|(network, length)| is_in(address, network, length))
    } else if let Some([low, high]) =
        element.get("range").and_then(Value::as_array).map(Vec::as_slice)
    {
        parsed(low).zip(parsed(high)).map(|(low, high)| {
            address.is_ipv4() == low.is_ipv4() && (low..=high).contains(&address)
        })
    } else {
        parsed(element).map(|wanted| wanted == address)
    };
    found.map_or_else(|| not_understood("an address"), Holds::of)
}

fn is_everything(element: &Value) -> bool {
    element.pointer("/prefix/len").and_then(Value::as_u64) == Some(0)
}

/// An element as `nft list` would show it.
fn shown(element: &Value) -> String {
    let text = match element {
        Value::String(text) => text.clone(),
        Value::Object(object) => match (object.get("prefix"), object.get("range")) {
            (Some(prefix), _) => format!(
                "{}/{}",
                word(prefix, "addr"),
                prefix.get("len").and_then(Value::as_u64).unwrap_or_default()
            ),
            (_, Some(Value::Array(ends))) => ends.iter().map(shown).collect::<Vec<_>>().join("-"),
            _ => element.to_string(),
        },
        other => other.to_string(),
    };
    crate::wire::clean(text.as_bytes(), 60)
}

fn flag_names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(name) => Some(vec![name.clone()]),
        Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        Value::Object(object) => {
            let parts = object.get("|").or_else(|| object.get("set"))?.as_array()?;
            let each: Option<Vec<Vec<String>>> = parts.iter().map(flag_names).collect();
            Some(each?.into_iter().flatten().collect())
        }
        Value::Number(zero) if zero.as_u64() == Some(0) => Some(Vec::new()),
        _ => None,
    }
}

/// Is one of them set?
fn has_some(flags: &[String], wanted: &Value) -> Holds {
    flag_names(wanted).map_or_else(
        || not_understood("flags"),
        |wanted| Holds::of(wanted.iter().any(|flag| flags.contains(flag))),
    )
}

/// Are exactly these set?
fn is_flags(flags: &[String], wanted: &Value) -> Holds {
    flag_names(wanted).map_or_else(
        || not_understood("flags"),
        |wanted| {
            let all = wanted.iter().all(|flag| flags.contains(flag));
            Holds::of(all && flags.iter().all(|flag| wanted.contains(flag)))
        },
    )
}
