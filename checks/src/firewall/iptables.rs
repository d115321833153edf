//! iptables: what `iptables-save` writes, and what its words mean for a packet.
//!
//! Reference: `iptables(8)`, `iptables-extensions(8)`.

use std::net::IpAddr;

use super::packet::{JudgedPacket, TrackState};
use super::ruleset::{Base, Effect, FirewallRule, Id, RuleAction, Ruleset, TableKind};
use super::value::{Holds, ephemeral_within, is_in, names, number};

/// Adds the tables of a saved rule set to `ruleset`; `wants` chooses which.
pub(super) fn read(
    text: &str,
    family: &str,
    layer: TableKind,
    wants: impl Fn(&str) -> bool,
    ruleset: &mut Ruleset,
) {
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.trim().clone_into(&mut table);
        }
        if !wants(&table) {
            continue;
        }
        let id = |chain: &str| Id {
            layer,
            family: family.to_owned(),
            table: table.clone(),
            chain: chain.to_owned(),
        };
        if let Some(declared) = line.strip_prefix(':') {
            let mut fields = declared.split_ascii_whitespace();
            let (Some(name), Some(policy)) = (fields.next(), fields.next()) else { continue };
            ruleset.chain(id(name)).base = base(&table, name, policy);
        } else if line.starts_with("-A ") {
            let mut words = words(line);
            words.drain(..1);
            let Some(name) = words.first().cloned() else { continue };
            words.drain(..1);
            ruleset
                .chain(id(&name))
                .rules
                .push(FirewallRule::Iptables { line: line.to_owned(), words });
        }
    }
}

/// Hook and priority of a built-in chain, as the kernel has them.
fn base(table: &str, chain: &str, policy: &str) -> Option<Base> {
    if policy == "-" {
        return None;
    }
    let priority = match (table, chain) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", "PREROUTING" | "OUTPUT") => -100,
        ("nat", _) => 100,
        ("security", _) => 50,
        _ => 0,
    };
    Some(Base {
        hook: chain.to_ascii_lowercase(),
        priority,
        is_nat: table == "nat",
        drops: policy == "DROP",
        devices: Vec::new(),
    })
}

/// The words of a line: quoted where they hold blanks.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' if is_quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' if !is_quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// What a rule of these words does with `packet`.
pub(super) fn effect(words: &[String], packet: &JudgedPacket) -> Effect {
    let mut effect =
        Effect { holds: Holds::Yes, action: RuleAction::Continue, packet: packet.clone() };
    let mut words = words.iter().map(String::as_str).peekable();
    let mut module = String::new();
    let mut is_not = false;
    while let Some(word) = words.next() {
        match word {
            "!" => {
                is_not = true;
                continue;
            }
            "-m" => words.next().unwrap_or_default().clone_into(&mut module),
            "-j" | "-g" => {
                let target = words.next().unwrap_or_default();
                let options: Vec<&str> = words.by_ref().collect();
                effect.action = action(target, word == "-g", &options, &mut effect);
            }
            option => {
                let mut values = Vec::new();
                while let Some(value) = words.next_if(|next| !next.starts_with('-') && *next != "!")
                {
                    values.push(value);
                }
                let holds = test(option, &module, &values, packet);
                let holds = if is_not { holds.not() } else { holds };
                effect.holds = std::mem::replace(&mut effect.holds, Holds::No).and(holds);
            }
        }
        is_not = false;
    }
    effect
}

/// Does what one option asks hold?
#[allow(clippy::match_same_arms)] // A table, in the order of the program's own manual.
fn test(option: &str, module: &str, values: &[&str], packet: &JudgedPacket) -> Holds {
    let value = values.first().copied().unwrap_or_default();
    match option {
        "-p" => Holds::of(is_protocol(value, packet)),
        "-s" => is_address(packet.source(), value, "who connects"),
        "-d" => {
            is_address(packet.destination(), value, "which of this host's addresses it comes to")
        }
        "-i" => Holds::of(packet.comes_in() && names(value, '+', &packet.interface)),
        "-o" => Holds::of(!packet.comes_in() && names(value, '+', &packet.interface)),
        "-f" => Holds::No,
        "--dport" | "--dports" | "--destination-ports" => {
            is_port(!packet.comes_in(), value, packet)
        }
        "--sport" | "--sports" | "--source-ports" => is_port(packet.comes_in(), value, packet),
        "--ports" => is_port(true, value, packet).or(is_port(false, value, packet)),
        "--syn" => Holds::of(packet.flags() == ["syn"]),
        "--tcp-flags" => has_flags(value, values.get(1).copied().unwrap_or_default(), packet),
        "--state" | "--ctstate" => is_state(value, packet),
        "--ctstatus" => {
            Holds::of(packet.is_translated && value.split(',').any(|one| one == "DNAT"))
        }
        "--ctdir" => Holds::of((value == "ORIGINAL") == packet.comes_in()),
        "--mark" => {
            is_mark(value, if module == "connmark" { packet.connection_mark } else { packet.mark })
        }
        "--src-range" => is_in_range(packet.source(), value),
        "--dst-range" => is_in_range(packet.destination(), value),
        "--dst-type" => Holds::of((value == "LOCAL") == packet.comes_in()),
        "--src-type" => {
            Holds::of(if packet.comes_in() { value == "UNICAST" } else { value == "LOCAL" })
        }
        "--pkt-type" => Holds::of(value == "unicast"),
        "--icmp-type" | "--icmpv6-type" => Holds::No,
        // The sender is reached by the interface it comes in by.
        "--invert" if module == "rpfilter" => Holds::No,
        // Limits that are not reached; and a sender that was not seen before.
        "--hashlimit-above" | "--connlimit-above" | "--rcheck" | "--update" => Holds::No,
        "--match-set" => Holds::Untold(format!("the ipset {value}")),
        option if BESIDE.contains(&option) || option.starts_with("--hashlimit") => Holds::Yes,
        option => Holds::Untold(format!("`{}`", crate::wire::clean(option.as_bytes(), 40))),
    }
}

/// Options that say more of a match, and do not decide by themselves.
const BESIDE: [&str; 19] = [
    "--comment",
    "--limit",
    "--limit-burst",
    "--seconds",
    "--hitcount",
    "--name",
    "--mask",
    "--rsource",
    "--rdest",
    "--set",
    "--connlimit-upto",
    "--connlimit-mask",
    "--connlimit-saddr",
    "--validmark",
    "--loose",
    "--accept-local",
    "--reap",
    "--rttl",
    "--quota",
];

/// What a target does; what it changes of the packet is written to `effect`.
fn action(target: &str, is_goto: bool, options: &[&str], effect: &mut Effect) -> RuleAction {
    let after = |name: &str| {
        let at = options.iter().position(|option| *option == name)?;
        options.get(at + 1).copied()
    };
    match target {
        "ACCEPT" => RuleAction::Accept,
        "DROP" => RuleAction::Drop,
        "REJECT" => RuleAction::Reject,
        "RETURN" => RuleAction::Return,
        "NOTRACK" => {
            effect.packet.state = TrackState::Untracked;
            RuleAction::Continue
        }
        "CT" => {
            if options.contains(&"--notrack") {
                effect.packet.state = TrackState::Untracked;
            }
            RuleAction::Continue
        }
        "MARK" => {
            effect.packet.mark = marked(effect.packet.mark, after("--set-xmark"), &effect.holds);
            RuleAction::Continue
        }
        "CONNMARK" => {
            let packet = &mut effect.packet;
            if options.contains(&"--restore-mark") {
                packet.mark = packet.connection_mark;
            } else if options.contains(&"--save-mark") {
                packet.connection_mark = packet.mark;
            } else {
                let set = after("--set-xmark");
                packet.connection_mark = marked(packet.connection_mark, set, &effect.holds);
            }
            RuleAction::Continue
        }
        "REDIRECT" => RuleAction::Redirect(after("--to-ports").and_then(|port| port.parse().ok())),
        "DNAT" => after("--to-destination").and_then(destination).map_or_else(
            || RuleAction::Untold("a destination that a rule changes".to_owned()),
            |(address, port)| RuleAction::HandOn(address, port),
        ),
        _ if HARMLESS.contains(&target) => RuleAction::Continue,
        _ if options.is_empty() && !UNTOLD.contains(&target) => {
            if is_goto {
                RuleAction::Goto(target.to_owned())
            } else {
                RuleAction::Jump(target.to_owned())
            }
        }
        other => RuleAction::Untold(format!("`{}`", crate::wire::clean(other.as_bytes(), 40))),
    }
}

/// Targets that change nothing of what becomes of a packet.
const HARMLESS: [&str; 16] = [
    "LOG",
    "NFLOG",
    "ULOG",
    "AUDIT",
    "TCPMSS",
    "CHECKSUM",
    "CLASSIFY",
    "CONNSECMARK",
    "SECMARK",
    "DSCP",
    "TOS",
    "TTL",
    "MASQUERADE",
    "SNAT",
    "SET",
    "TRACE",
];
/// Targets without options that are not chains.
const UNTOLD: [&str; 4] = ["QUEUE", "NFQUEUE", "MIRROR", "SYNPROXY"];

/// `address`, `address:port` or `[address]:port`.
fn destination(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let (address, port) = text.rsplit_once(':')?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    Some((address.parse().ok()?, Some(port.parse().ok()?)))
}

/// A mark after `value/mask`.
fn marked(mark: Option<u32>, set: Option<&str>, holds: &Holds) -> Option<u32> {
    let (value, bits) = parts(set?)?;
    (*holds == Holds::Yes).then_some((mark? & !bits) ^ value)
}

fn parts(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| number(text).and_then(|number| u32::try_from(number).ok());
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}

fn is_mark(wanted: &str, mark: Option<u32>) -> Holds {
    match (parts(wanted), mark) {
        (Some((value, bits)), Some(mark)) => Holds::of(mark & bits == value),
        _ => Holds::Untold("a mark that a rule sets".to_owned()),
    }
}

fn is_protocol(wanted: &str, packet: &JudgedPacket) -> bool {
    let number = if packet.protocol() == "tcp" { "6" } else { "17" };
    [packet.protocol(), number, "all", "0"].contains(&wanted)
}

fn is_address(address: Option<IpAddr>, wanted: &str, whose: &str) -> Holds {
    let each = wanted.split(',').map(|one| {
        let (network, length) = match one.split_once('/') {
            Some((network, length)) => (network, prefix(length)),
            None => (one, None),
        };
        let Ok(network) = network.parse::<IpAddr>() else {
            return Holds::Untold(format!("`{one}`"));
        };
        let length = length.unwrap_or(if network.is_ipv4() { 32 } else { 128 });
        match address {
            Some(address) => Holds::of(is_in(address, network, length)),
            None if length == 0 => Holds::Yes,
            None => Holds::Untold(format!("{whose} ({one})")),
        }
    });
    each.fold(Holds::No, Holds::or)
}

/// The length of a mask: `24`, or `255.255.255.0` of old.
fn prefix(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| {
        let mask: std::net::Ipv4Addr = text.parse().ok()?;
        Some(mask.to_bits().leading_ones())
    })
}

fn is_in_range(address: Option<IpAddr>, wanted: &str) -> Holds {
    let ends = wanted
        .split_once('-')
        .and_then(|(low, high)| Some((low.parse::<IpAddr>().ok()?, high.parse::<IpAddr>().ok()?)));
    match (address, ends) {
        (Some(address), Some((low, high))) => Holds::of((low..=high).contains(&address)),
        _ => Holds::Untold(format!("who connects ({wanted})")),
    }
}

/// Is the other side's (`theirs`) or this host's port one of the list?
fn is_port(theirs: bool, wanted: &str, packet: &JudgedPacket) -> Holds {
    let each = wanted.split(',').map(|one| {
        let (low, high) = one.split_once(':').unwrap_or((one, one));
        let low = if low.is_empty() { Some(0) } else { low.parse().ok() };
        let high = if high.is_empty() { Some(65535) } else { high.parse().ok() };
        let (Some(low), Some(high)) = (low, high) else {
            return Holds::Untold(format!("`{one}`"));
        };
        if theirs {
            ephemeral_within(low, high)
        } else {
            Holds::of((low..=high).contains(&packet.port.into()))
        }
    });
    each.fold(Holds::No, Holds::or)
}

fn has_flags(mask: &str, wanted: &str, packet: &JudgedPacket) -> Holds {
    const ALL: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

    let named = |list: &str, flag: &str| list == "ALL" || list.split(',').any(|one| one == flag);
    let set = |flag: &str| packet.flags().iter().any(|one| one.eq_ignore_ascii_case(flag));
    let asked = ALL.iter().filter(|flag| named(mask, flag));
    Holds::of(asked.into_iter().all(|flag| set(flag) == named(wanted, flag)))
}

fn is_state(wanted: &str, packet: &JudgedPacket) -> Holds {
    let state = match packet.state {
        TrackState::New => "NEW",
        TrackState::Established => "ESTABLISHED",
        TrackState::Untracked => "UNTRACKED",
        TrackState::Unseen => "INVALID",
    };
    Holds::of(wanted.split(',').any(|one| one == state || (one == "DNAT" && packet.is_translated)))
}
