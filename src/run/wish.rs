//! What a step asks for: of whom, and the one rule or repair that every format names.
//!
//! Decided from the attempts alone, so that the table, the pages and the change request cannot
//! say different things.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use preflight_checks::{Cause, Demand, ECHO_REQUEST, Layer, Owner, Plea, Transport, Whereabouts};
use serde::{Deserialize, Serialize};

use crate::run::finding::{Attempt, Found};
use crate::run::plan::{Asked, Question};

/// Something that a step asks of whoever stands in its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct Wish {
    /// Where it has to be done.
    #[serde(flatten)]
    pub(crate) at: Barrier,
    /// What was seen, a sentence for each kind of failure. For people; the wording may change.
    pub(crate) seen: Vec<String>,
    /// The same as data.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) causes: Vec<Sighting>,
    /// In words; of a rule, the rule alone: `TCP 5669 from 10.2.0.7 to 10.0.0.5`.
    pub(crate) what: String,
    /// As a firewall's rule, when one helps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) rule: Option<Opening>,
}

/// A cause that asks for something, and where it was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct Sighting {
    /// A heading of `docs/causes.md`.
    pub(crate) code: String,
    /// The place among the step's `attempts`, counted from 0; none: nothing could be asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) attempt: Option<usize>,
}

/// Where on its way a flow is stopped.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(tag = "at", content = "device", rename_all = "kebab-case")]
pub(crate) enum Barrier {
    /// This device says no.
    Device(IpAddr),
    /// This device is the last that was heard.
    AtOrBehind(IpAddr),
    /// This device is the first that other packets reach.
    AtOrBefore(IpAddr),
    /// Somewhere; no device named itself.
    OnTheWay,
    /// The target's own firewall.
    Target,
    /// The firewall of the machine that asked.
    Source,
}

/// A rule that lets a flow pass: from one machine to one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct Opening {
    /// TCP, UDP, or both.
    pub(crate) transports: Vec<Transport>,
    /// The ports.
    pub(crate) ports: Vec<u16>,
    /// How several ports belong together.
    #[serde(skip_serializing_if = "Choice::is_all", default)]
    pub(crate) choice: Choice,
    /// What is spoken there: `bbdo`.
    pub(crate) protocols: Vec<String>,
    /// The address we ask from, when a socket told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) source: Option<IpAddr>,
    /// The same behind address translation, when that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) seen_as: Option<IpAddr>,
    /// The address asked.
    pub(crate) destination: IpAddr,
}

/// How several ports of one rule belong together.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Choice {
    /// All of them are needed.
    #[default]
    All,
    /// Each of them does, the first is preferred.
    OneSuffices,
    /// The service listens on one of them, and which one is not known.
    OneOfThem,
}

/// What the attempts of a step ask for; `told` says who acts against a cause, and in words what they
/// do where no rule helps.
///
/// An address at which one way works asks for no other way.
pub(crate) fn wishes(
    question: &Question,
    found: &Found,
    told: impl Fn(Option<&Attempt>, &Cause) -> (Owner, String),
) -> Vec<Wish> {
    let passes = |attempt: &&Attempt| attempt.finding.verdict.is_ok();
    let host = |attempt: &Attempt| attempt.finding.peer.address.ip();
    let working: HashSet<IpAddr> = found.attempts.iter().filter(passes).map(host).collect();
    let mut wishes = Vec::new();
    // Without an address there is nobody to name in a rule.
    if let Some(cause) = found.unresolved.as_ref().filter(|cause| cause.plea() == Plea::Repair) {
        let (owner, what) = told(None, cause);
        let at = Barrier::of(owner);
        let causes = vec![Sighting { code: cause.code().to_owned(), attempt: None }];
        wishes.push(Wish { at, seen: vec![cause.to_string()], causes, what, rule: None });
    }
    for (index, attempt) in found.attempts.iter().enumerate() {
        let Some(asked) = question.way(attempt.way) else {
            continue;
        };
        let is_guess = attempt.way >= question.ways.len();
        let own = attempt.finding.verdict.as_ref().err();
        let own = own.filter(|_| !working.contains(&host(attempt)));
        let wish = |cause: &Cause, over: &[Transport]| {
            if cause.plea() == Plea::Nothing {
                return None;
            }
            let (owner, what) = told(Some(attempt), cause);
            let at = Barrier::of(owner);
            let seen = vec![cause.to_string()];
            let causes = vec![Sighting { code: cause.code().to_owned(), attempt: Some(index) }];
            let rule = opening(question, asked, attempt, (cause, over));
            match cause.plea() {
                Plea::Nothing => None,
                Plea::Allow { .. } => {
                    let choice = if is_guess { Choice::OneOfThem } else { Choice::All };
                    let rule = Opening { choice, ..rule };
                    Some(Wish { at, seen, causes, what: rule.to_string(), rule: Some(rule) })
                }
                Plea::Repair => Some(Wish { at, seen, causes, what, rule: None }),
            }
        };
        for (cause, over) in stopped(asked, attempt, own) {
            if let Some(wish) = wish(cause, &over) {
                add(&mut wishes, wish);
            }
        }
    }
    wishes
}

/// What stands in an attempt's way, and the transports that each cause stops.
fn stopped<'a>(
    asked: &Asked,
    attempt: &'a Attempt,
    own: Option<&'a Cause>,
) -> Vec<(&'a Cause, Vec<Transport>)> {
    let is_allow = |cause: &&Cause| matches!(cause.plea(), Plea::Allow { .. });
    let other = attempt.finding.seen.other_transport.as_deref().filter(is_allow);
    let transports = asked.probe.service().transports().iter().copied();
    let second: Vec<Transport> = transports.filter(|over| *over != asked.transport).collect();
    match (own.map(|cause| (cause, cause.plea())), other) {
        (Some((cause, Plea::Allow { over: Some(only) })), _) => vec![(cause, vec![only])],
        (Some((cause, Plea::Allow { over: None })), None) => vec![(cause, vec![asked.transport])],
        (Some((cause, Plea::Allow { over: None })), Some(_)) => {
            vec![(cause, [&[asked.transport], second.as_slice()].concat())]
        }
        // What keeps the first question from leaving this host keeps the second.
        (Some((cause, _)), _) if cause.layer() < Layer::Port => vec![(cause, Vec::new())],
        (own, other) => {
            let own = own.map(|(cause, _)| (cause, Vec::new()));
            own.into_iter().chain(other.map(|other| (other, second))).collect()
        }
    }
}

fn opening(
    question: &Question,
    asked: &Asked,
    attempt: &Attempt,
    (cause, over): (&Cause, &[Transport]),
) -> Opening {
    let to = cause.stopped_at().unwrap_or(attempt.finding.peer.address);
    Opening {
        transports: over.to_vec(),
        ports: vec![to.port()],
        choice: Choice::All,
        protocols: vec![asked.protocol.to_owned()],
        source: attempt.finding.source,
        seen_as: question.seen_as,
        destination: to.ip(),
    }
}

/// Ports of one address that are stopped at one place are one rule.
fn add(wishes: &mut Vec<Wish>, wish: Wish) {
    let same = |known: &&mut Wish| {
        known.at == wish.at
            && match (&known.rule, &wish.rule) {
                (Some(known), Some(rule)) => known.is_beside(rule),
                (None, None) => known.what == wish.what,
                _ => false,
            }
    };
    let Some(known) = wishes.iter_mut().find(same) else {
        wishes.push(wish);
        return;
    };
    add_new(&mut known.seen, wish.seen);
    add_new(&mut known.causes, wish.causes);
    if let (Some(rule), Some(more)) = (&mut known.rule, wish.rule) {
        rule.add(more);
        known.what = rule.to_string();
    }
}

/// Those of `more` that are not in `known` yet.
pub(crate) fn add_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

impl Wish {
    /// The same for the remedy of a cause, which names what is asked of its owner.
    pub(crate) fn demand(&self) -> Demand {
        Demand {
            of: self.at.owner(),
            what: self.request(),
            rule: self.rule.as_ref().map(ToString::to_string),
            rich_rules: self.rule.as_ref().map(Opening::rich_rules).unwrap_or_default(),
        }
    }

    /// What is asked for: "allow TCP 5669 from 10.2.0.7 to 10.0.0.5".
    pub(crate) fn request(&self) -> String {
        let allow = if self.rule.is_some() { "allow " } else { "" };
        format!("{allow}{}", self.what)
    }
}

impl Barrier {
    /// Where that owner acts.
    pub(crate) fn of(owner: Owner) -> Self {
        match owner {
            Owner::ThisHost => Self::Source,
            Owner::FarSide => Self::Target,
            Owner::Network(Whereabouts::At(device)) => Self::Device(device),
            Owner::Network(Whereabouts::AtOrBehind(last)) => Self::AtOrBehind(last),
            Owner::Network(Whereabouts::AtOrBefore(first)) => Self::AtOrBefore(first),
            Owner::Network(Whereabouts::Unknown) | Owner::Nobody => Self::OnTheWay,
        }
    }
}

impl Barrier {
    /// Who acts there.
    pub(crate) fn owner(self) -> Owner {
        match self {
            Self::Source => Owner::ThisHost,
            Self::Target => Owner::FarSide,
            Self::Device(device) => Owner::Network(Whereabouts::At(device)),
            Self::AtOrBehind(last) => Owner::Network(Whereabouts::AtOrBehind(last)),
            Self::AtOrBefore(first) => Owner::Network(Whereabouts::AtOrBefore(first)),
            Self::OnTheWay => Owner::Network(Whereabouts::Unknown),
        }
    }

    /// Who acts there, in words; `target` is what the far side is called.
    pub(crate) fn who(self, target: &str) -> String {
        self.owner().who(target)
    }

    /// The device that is named.
    pub(crate) fn device(self) -> Option<IpAddr> {
        match self {
            Self::Device(device) | Self::AtOrBehind(device) | Self::AtOrBefore(device) => {
                Some(device)
            }
            Self::OnTheWay | Self::Target | Self::Source => None,
        }
    }

    /// Is it the network team's?
    pub(crate) fn is_networks(self) -> bool {
        !matches!(self, Self::Target | Self::Source)
    }
}

impl Opening {
    /// As firewalld's rich rules on the machine that is asked; none without an address of ours.
    pub(crate) fn rich_rules(&self) -> Vec<String> {
        let Some(source) = self.seen_as.or(self.source) else { return Vec::new() };
        let (text, is_v4) = (source.to_string(), source.is_ipv4());
        let over = |transport: Transport| {
            let rule = |port: &u16| rich_rule("source", (&text, is_v4), *port, transport);
            self.ports.iter().map(rule).collect::<Vec<_>>()
        };
        self.transports.iter().flat_map(|transport| over(*transport)).collect()
    }

    /// Does `other` differ in ports alone?
    fn is_beside(&self, other: &Self) -> bool {
        let place = |rule: &Self| (rule.source, rule.seen_as, rule.destination);
        place(self) == place(other) && self.transports == other.transports
    }

    /// Takes the ports of `other` in.
    pub(crate) fn add(&mut self, other: Self) {
        self.choice = self.choice.with(other.choice, self.ports == other.ports);
        add_new(&mut self.ports, other.ports);
        add_new(&mut self.protocols, other.protocols);
    }

    /// "TCP 636 or 389", "UDP and TCP 53"
    pub(crate) fn service(&self) -> String {
        service(&self.transports, &self.ports, self.choice)
    }
}

/// A rule of firewalld for one peer: `end` is `source` or `destination`.
///
/// Reference: firewalld.richlanguage(5).
pub(crate) fn rich_rule(
    end: &str,
    (peer, is_v4): (&str, bool),
    port: u16,
    transport: Transport,
) -> String {
    let family = if is_v4 { "ipv4" } else { "ipv6" };
    let what = match transport {
        Transport::Icmp => "icmp-type name=\"echo-request\"".to_owned(),
        Transport::Tcp | Transport::Udp => {
            format!("port port=\"{port}\" protocol=\"{}\"", transport.lower())
        }
    };
    format!("rule family=\"{family}\" {end} address=\"{peer}\" {what} accept")
}

/// "TCP 636 or 389", "UDP and TCP 53", and for a ping what it is.
pub(crate) fn service(transports: &[Transport], ports: &[u16], choice: Choice) -> String {
    if transports.iter().any(|transport| !transport.has_ports()) {
        return ECHO_REQUEST.to_owned();
    }
    let transports: Vec<String> = transports.iter().map(ToString::to_string).collect();
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let between = match choice {
        Choice::OneSuffices => " or ",
        Choice::OneOfThem => " and ",
        Choice::All => ", ",
    };
    format!("{} {}", transports.join(" and "), ports.join(between))
}

impl Choice {
    /// How ports belong together when those of another rule are added to them.
    pub(crate) fn with(self, other: Self, are_the_same: bool) -> Self {
        match (self, other) {
            (Self::OneOfThem, _) | (_, Self::OneOfThem) => Self::OneOfThem,
            (Self::All, Self::All) if are_the_same => Self::All,
            _ => Self::OneSuffices,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// "TCP 5669 from 10.2.0.7 (seen as 198.51.100.7) to 10.0.0.5": on the way the rule may have to
/// name either address of ours.
impl fmt::Display for Opening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} from ", self.service())?;
        match self.source {
            Some(source) => write!(out, "{source}")?,
            None => out.write_str("this host")?,
        }
        if let Some(seen) = self.seen_as {
            write!(out, " (seen as {seen})")?;
        }
        write!(out, " to {}", self.destination)
    }
}
