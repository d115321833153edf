//! Causes between this host and the peer, or that look as if they were.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::about::{About, Layer, Owner, Plea, Whereabouts};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, RunOn, say};
use super::{
    Cause, CircleSign, HostAnswer, Icmp, Millis, Phase, ResetSign, RouteEntry, Transport,
    dead_path, facts, source_ports, span,
};

/// Causes between this host and the peer, or that look as if they were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum PathCause {
    /// The peer is on our own segment and nobody answers for its address.
    #[error("{to}{} does not answer on this host's own network segment{}", or_its_gateway(entry.as_ref()), in_aside(entry.as_ref()))]
    NoNeighbour {
        /// The address nobody answers for.
        to: IpAddr,
        /// The entry that makes it a neighbour, where the kernel told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<RouteEntry>,
        /// How long the kernel asked.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The packets leave by the VPN, and something behind its tunnel stops them.
    #[error("fails inside the VPN{}: {}", interface.as_ref().map(|name| format!(" ⟨{name}⟩")).unwrap_or_default(), because.marked())]
    FailsInsideVpn {
        /// The VPN's gateway, as it was given.
        vpn: String,
        /// The tunnel they leave by; none: the tunnel begins on another machine.
        interface: Option<String>,
        /// How the question fails.
        because: Box<Cause>,
    },
    /// A router says that it cannot reach the host.
    #[error("{}", facts::unreachable(*.to, *.by, *.icmp, *.beside))]
    HostUnreachable {
        /// The address asked for.
        to: IpAddr,
        /// The device that said so.
        by: IpAddr,
        /// The ICMP message.
        icmp: Icmp,
        /// It was said of so many hosts beside it, and of this one by silence: a router tells only a
        /// few in a second. 0: it was said of this one.
        #[serde(default, skip_serializing_if = "facts::is_none")]
        beside: usize,
    },
    /// A router says that it knows no way to that network.
    #[error("{by} has no route to {to} ⟨{icmp}⟩")]
    NetUnreachable {
        /// The address asked for.
        to: IpAddr,
        /// The device that said so.
        by: IpAddr,
        /// The ICMP message.
        icmp: Icmp,
    },
    /// A device on the way rejects the packet.
    #[error("rejected by {by} ⟨{icmp}⟩")]
    PathRejected {
        /// Where it was going.
        to: SocketAddr,
        /// The device that rejected it.
        by: IpAddr,
        /// The ICMP message.
        icmp: Icmp,
    },
    /// A RST came in the target's name, and not from the target.
    ///
    /// Its sender is nearer than the target: at hop `hop` or between it and the next.
    #[error("reset {}, not by the target", place_of_reset(*.hop, *.by))]
    PathReset {
        /// Where it was going.
        to: SocketAddr,
        /// The device at that hop, when it names itself.
        by: Option<IpAddr>,
        /// Its distance; 0 is this host: then the RST comes from before the first router.
        hop: u8,
        /// What gave it away.
        sign: ResetSign,
    },
    /// A connection that was open was reset in the target's name, and not by the target.
    #[error("connected, then reset by {}, not by the target ⟨after {received} bytes⟩", device_at(*.hop, *.by))]
    CutOff {
        /// The address and port asked.
        to: SocketAddr,
        /// The device at that hop, when it names itself.
        by: Option<IpAddr>,
        /// How many hops away it is.
        hop: u8,
        /// Bytes that had arrived.
        received: usize,
    },
    /// A connection was accepted in the target's name, and not by the target; nothing useful came of it.
    #[error("{} accepts connections in the target's name; {}", device_at(*.hop, *.by), because.marked())]
    AcceptedOnTheWay {
        /// The address and port asked.
        to: SocketAddr,
        /// The device at that hop, when it names itself.
        by: Option<IpAddr>,
        /// How many hops away it is.
        hop: u8,
        /// What became of the connection.
        because: Box<Cause>,
    },
    /// Nothing answers, and what is behind a device that speaks in the target's name is silent.
    #[error(
        "no answer; hop {hop} speaks in the target's name, so it translates addresses, and whoever it leads to is silent"
    )]
    SilentBehindItsName {
        /// The address and port asked.
        to: SocketAddr,
        /// How many hops away that device is.
        hop: u8,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// A packet was rejected in the target's name, and not by the target.
    #[error("rejected in the target's name by {}{}", device_at(*.hop, *.by), said_so(*.icmp))]
    RejectedInItsName {
        /// Where it was going.
        to: SocketAddr,
        /// The device at that hop, when it names itself.
        by: Option<IpAddr>,
        /// How many hops away it is.
        hop: u8,
        /// Its exact words; none: that nothing listens there.
        icmp: Option<Icmp>,
    },
    /// A device says in the target's name that the host is not there: it translates addresses.
    #[error(
        "{} says in the target's name that the host behind it does not answer ⟨{icmp}⟩",
        device_at(*.hop, *.by)
    )]
    NobodyBehindItsName {
        /// Where it was going.
        to: SocketAddr,
        /// The device at that hop, when it names itself.
        by: Option<IpAddr>,
        /// How many hops away it is; 0: it is not known, and may be this host.
        hop: u8,
        /// The ICMP message.
        icmp: Icmp,
    },
    /// The target's own firewall rejects the packet.
    #[error("rejected by the target's own firewall ⟨{icmp}⟩")]
    TargetRejected {
        /// The target, which is also who answered.
        to: SocketAddr,
        /// The ICMP message.
        icmp: Icmp,
    },
    /// The operating system reports a refusal without naming who refused.
    #[error("refused on the way, by a device that does not name itself ⟨{error}⟩")]
    Unreachable {
        /// Where it was going.
        to: SocketAddr,
        /// The operating system's words.
        error: String,
    },
    /// Nothing came back.
    #[error("no answer within {waited}")]
    NoAnswer {
        /// The address and port asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// A packet with a full hop limit ran out of it: routers pass it in circles, or a device shortens it.
    #[error("{}", facts::hops_ran_out(*.to, *.by, *.icmp, *.seen))]
    HopLimitExceeded {
        /// The address asked for.
        to: IpAddr,
        /// The device that said so.
        by: IpAddr,
        /// The ICMP message.
        icmp: Icmp,
        /// What a look at the hops before it has shown; none: nothing.
        #[serde(default)]
        seen: Option<CircleSign>,
    },
    /// No answer; another question to the same host gets further than this port's.
    ///
    /// The drop is at `after` or at `next`, or at a device between them that
    /// names itself to nobody.
    #[error(
        "no answer; {} get {}, others for this host reach {next} ⟨{alive}⟩",
        packets(*.to),
        no_further_than(*.after)
    )]
    FilteredBetween {
        /// The address and port asked.
        to: SocketAddr,
        /// The last device that this port's packets reach; `None`: not even the next hop.
        after: Option<IpAddr>,
        /// Its distance; 0 is this host.
        hop: u8,
        /// The device that other packets to this host reach after it.
        next: IpAddr,
        /// How the host itself answers.
        alive: HostAnswer,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// No answer; the host itself answers, and the last device to name itself is known.
    ///
    /// The drop is at that device or after it. Over UDP a service that ignores
    /// this host looks the same.
    #[error("no answer; the host is up ⟨{alive}⟩; {} get as far as {by} ⟨hop {hop}⟩{}", packets(*.to), facts::as_beside(*.beside))]
    PortSilentAfter {
        /// The address and port asked.
        to: SocketAddr,
        /// The last device that this port's packets are known to reach.
        by: IpAddr,
        /// How many hops away it is.
        hop: u8,
        /// Is the host the next hop? Then it is this device or the host.
        next_is_host: bool,
        /// How the host itself answers.
        alive: HostAnswer,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
        /// That device was found on the way to so many hosts beside it, which end in the same way. 0: on
        /// the way to this one.
        #[serde(default, skip_serializing_if = "facts::is_none")]
        beside: usize,
    },
    /// No answer; the host itself answers, and no device on the way names itself.
    #[error(
        "no answer {}; the host is up ⟨{alive}⟩; no router on the way names itself",
        from_what(*.to)
    )]
    PortSilent {
        /// The address and port asked.
        to: SocketAddr,
        /// How the host itself answers.
        alive: HostAnswer,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// No answer; the host itself answers, and no router is in between.
    #[error("no answer {}; the host is up ⟨{alive}⟩; no router stands in between", from_what(*.to))]
    PortSilentOnSegment {
        /// The address and port asked.
        to: SocketAddr,
        /// How the host itself answers.
        alive: HostAnswer,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// No answer, nor from anything else of the host; the last device to name itself is known.
    #[error("nothing of this host answers; packets get as far as {by} ⟨hop {hop}⟩{}", facts::as_beside(*.beside))]
    HostSilentAfter {
        /// The address and port asked.
        to: SocketAddr,
        /// The last device that our packets are known to reach.
        by: IpAddr,
        /// How many hops away it is.
        hop: u8,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
        /// That device was found on the way to so many hosts beside it, which end in the same way. 0: on
        /// the way to this one.
        #[serde(default, skip_serializing_if = "facts::is_none")]
        beside: usize,
    },
    /// No answer at first, and one when asked again a moment later.
    #[error("no answer within {waited}, then one from hop {hop} when asked again")]
    Unsteady {
        /// The address and port asked.
        to: SocketAddr,
        /// The shortest distance it answered at.
        hop: u8,
        /// How long it had been asked in vain.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// It answers some questions; too many others, or their answers, are lost.
    #[error(
        "the service is there, and packets are lost: {answered} of {asked} questions were answered"
    )]
    MostlyLost {
        /// The address and port asked.
        to: SocketAddr,
        /// Answers that came.
        answered: usize,
        /// Questions that were asked.
        asked: usize,
    },
    /// From some ports of ours every question gets through, from others none does.
    ///
    /// Where the load is shared over several paths, the ports choose the path.
    #[error("{} ⟨{}⟩", dead_path(*.transport, open, dead), source_ports(dead))]
    OnePathDead {
        /// The address and port asked.
        to: SocketAddr,
        /// Over TCP or UDP.
        transport: Transport,
        /// Ports of ours from which it answered each time.
        open: Vec<u16>,
        /// Ports of ours from which it never did.
        dead: Vec<u16>,
    },
    /// A connection on which nobody spoke for a while is dead, and one beside it that was kept awake lives.
    #[error(
        "forgotten on the way: after {} of silence what is said {}{}; a connection beside it that was kept awake lives on",
        quiet_for(*.silent), if *.reset { "is reset" } else { "gets no answer" }, survives(*.lived)
    )]
    IdleForgotten {
        /// The address and port asked.
        to: SocketAddr,
        /// The shortest silence after which it was dead.
        #[serde(rename = "silent_ms")]
        silent: Millis,
        /// The longest that it survived.
        #[serde(rename = "lived_ms", default, skip_serializing_if = "Option::is_none")]
        lived: Option<Millis>,
        /// Was it told so by a RST?
        reset: bool,
    },
    /// Connected, but what we say is never acknowledged, however often it is repeated.
    ///
    /// Not a matter of the service: the peer's kernel acknowledges whatever arrives.
    #[error("connected, but {} acknowledged: lost on the way ⟨{repeats} repeats, {waited}⟩", our_bytes(*.missing, *.sent))]
    Unacknowledged {
        /// The address and port asked.
        to: SocketAddr,
        /// Bytes that were never acknowledged.
        missing: u64,
        /// All that were sent.
        sent: u64,
        /// How often the first of them were repeated.
        repeats: u32,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Connected, but what the peer says never arrives, though it says something.
    #[error("connected, but the peer's {} on the way ⟨{waited}⟩", lost(asked.as_deref()))]
    AnswersLost {
        /// The address and port asked.
        to: SocketAddr,
        /// What it was asked last; none: it speaks first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Cow<'static, str>>,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Answers to our SYN arrive, and not from whom was asked: this host knows no such connection, and resets it.
    #[error(
        "answers arrive, but from another address or port than was asked, so this host refuses them"
    )]
    AnswersAstray {
        /// The address and port asked.
        to: SocketAddr,
        /// How long the answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Connected, and the peer says the same again and again: what acknowledges it does not arrive there.
    #[error(
        "connected, but what we acknowledge does not reach the peer: it sent the same {repeats} more times ⟨{waited}⟩"
    )]
    AcknowledgementsLost {
        /// The address and port asked.
        to: SocketAddr,
        /// Segments that came again.
        repeats: u32,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Connected, but what the peer sends arrives with a hole that is never filled.
    ///
    /// Full-size packets are too large for a link on the way, and the ICMP
    /// message that would say so does not reach the peer.
    #[error(
        "connected, but full-size packets from {} do not arrive ⟨{waited}⟩",
        if *.ours { "here" } else { "the peer" }
    )]
    MtuBlackHole {
        /// The address and port asked.
        to: SocketAddr,
        /// Smaller segments that did arrive, behind the hole; 0: the same with small packets works.
        segments: u32,
        /// Is it our packets that do not arrive?
        #[serde(default)]
        ours: bool,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
}

impl PathCause {
    /// A silence that answers may have come to all the same: whom, and how long.
    pub(super) fn unheard(&self) -> Option<(SocketAddr, Millis)> {
        match self {
            &(Self::NoAnswer { to, waited, .. }
            | Self::PortSilent { to, waited, .. }
            | Self::PortSilentAfter { to, waited, .. }
            | Self::PortSilentOnSegment { to, waited, .. }
            | Self::HostSilentAfter { to, waited, .. }) => Some((to, waited)),
            _ => None,
        }
    }

    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::Path;
        use Owner::{FarSide, ThisHost};
        use Plea::{Nothing, Repair};
        use Whereabouts::{At, AtOrBefore, AtOrBehind, Unknown};
        const ALLOW: Plea = Plea::Allow { over: None };
        let network = Owner::Network;
        match self {
            // No firewall between the sites sees what is inside.
            Self::FailsInsideVpn { because, .. } => {
                let about = About::new(Path, FarSide, Nothing);
                if because.is_inconclusive() { about.untold() } else { about }
            }
            Self::NoNeighbour { entry: None, .. } => About::new(Path, ThisHost, Nothing),
            Self::NoNeighbour { .. } => About::new(Path, FarSide, Nothing),
            Self::HostUnreachable { by, .. }
            | Self::NetUnreachable { by, .. }
            | Self::HopLimitExceeded { by, .. } => About::new(Path, network(At(*by)), Repair),
            Self::PathRejected { by, .. } => About::new(Path, network(At(*by)), ALLOW),
            // Nothing but this host and its segment lies before the first router.
            Self::PathReset { hop: 0, .. } => About::new(Path, ThisHost, ALLOW),
            Self::PathReset { by, .. } => {
                About::new(Path, network(by.map_or(Unknown, AtOrBehind)), ALLOW)
            }
            Self::CutOff { by, .. } | Self::RejectedInItsName { by, .. } => {
                About::new(Path, network((*by).into()), ALLOW)
            }
            Self::NobodyBehindItsName { by, .. } | Self::AcceptedOnTheWay { by, .. } => {
                About::new(Path, network((*by).into()), Repair)
            }
            Self::SilentBehindItsName { .. } => About::new(Path, network(Unknown), Repair),
            // Whoever lets a handshake pass and not what follows has a rule about that.
            Self::Unacknowledged { .. }
            | Self::AcknowledgementsLost { .. }
            | Self::AnswersLost { .. } => About::new(Path, network(Unknown), ALLOW),
            Self::AnswersAstray { .. } => About::new(Path, network(Unknown), Repair),
            Self::TargetRejected { .. } | Self::PortSilentOnSegment { .. } => {
                About::new(Path, FarSide, ALLOW)
            }
            Self::PortSilentAfter { by, .. } | Self::HostSilentAfter { by, .. } => {
                About::new(Path, network(AtOrBehind(*by)), ALLOW)
            }
            Self::FilteredBetween { after, next, .. } => {
                let at = after.map_or(AtOrBefore(*next), AtOrBehind);
                About::new(Path, network(at), ALLOW)
            }
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::PortSilent { .. } => {
                About::new(Path, network(Unknown), ALLOW)
            }
            Self::Unsteady { .. }
            | Self::IdleForgotten { .. }
            | Self::MostlyLost { .. }
            | Self::OnePathDead { .. }
            | Self::MtuBlackHole { .. } => About::new(Path, network(Unknown), Repair),
        }
    }

    /// What to do about it.
    #[allow(clippy::too_many_lines)] // A table, in the order of the enum.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        let owner = passage.owner(self.about().owner);
        let rule = || passage.rule(owner);
        match self {
            Self::NoNeighbour { to, entry: None, .. } => {
                say(format!("see that {to} is up, or the gateway that leads to it: "))
                    .here(format!("ip route get {to}; ip neigh"))
            }
            Self::NoNeighbour { to, .. } => {
                say(format!("see that {to} is up, and its address and netmask right"))
                    .on_that_machine("ip -brief address")
                    .then("; if it is on another segment, this host's own netmask is wrong")
            }
            Self::FailsInsideVpn { vpn, because, .. } => {
                let advice = match because.plea() {
                    Plea::Repair => because.advice(passage).moved_to(RunOn::There),
                    Plea::Allow { .. } | Plea::Nothing => say(format!(
                        "let {} pass from the tunnel at {vpn}, and its answers back; and in the firewall of {} itself",
                        passage.own_rule(),
                        passage.target
                    )),
                };
                advice.by(format!("the administrator of the VPN {vpn}, and {}", passage.target))
            }
            Self::HostUnreachable { to, .. } => say(format!(
                "find out why {to} does not answer behind this device: whether it is up, and the address right"
            )),
            Self::NetUnreachable { to, .. } => {
                say(format!("a route to {to} on this device, and back"))
            }
            Self::PathRejected { .. } => say(format!("allow {}", rule())),
            Self::PathReset { hop: 0, .. } => {
                say(format!("allow {} in this host's own rules (", rule()))
                    .here("nft list ruleset")
                    .then("), or on a device of this segment")
            }
            Self::PathReset { .. } => {
                say(format!("allow {}; a device there answers with a RST", rule()))
            }
            Self::CutOff { .. } | Self::RejectedInItsName { .. } => {
                say(format!("allow {}; a device there answers in the target's name", rule()))
            }
            Self::AcceptedOnTheWay { .. } => say(
                "see where it leads this port to (proxy, load balancer, firewall that answers handshakes): start the machine behind it, or let this flow pass untouched",
            ),
            Self::NobodyBehindItsName { .. } | Self::SilentBehindItsName { .. } => say(
                "see where it forwards this port to (NAT, load balancer; this host's own rules too): correct that address, or start the machine behind it",
            ),
            Self::TargetRejected { .. } | Self::PortSilentOnSegment { .. } => {
                let allow = say(format!("allow {} in its own firewall", rule()));
                match passage.firewalld(owner) {
                    Some(run) if passage.is_here() => {
                        allow.then(" (firewalld: ").there(run).then(")")
                    }
                    Some(run) => allow.then(" (firewalld there: ").there(run).then(")"),
                    None => allow,
                }
            }
            Self::Unreachable { .. } => say(format!("allow {}", rule())),
            Self::NoAnswer { .. } => say(format!(
                "allow {}, and its answers; if it is allowed, see that the host is up",
                rule()
            )),
            Self::AnswersAstray { .. } => say(format!(
                "have the answers come from {}: a translation of addresses (NAT) works one way only, as where hairpin NAT is missing, or they go round the device that translates",
                passage.target
            )),
            Self::AcknowledgementsLost { .. } => say(format!(
                "let all packets of a connection pass, those without data too: {}",
                rule()
            )),
            Self::HopLimitExceeded { seen: Some(CircleSign::Shortened { .. }), .. } => say(
                "have that device leave the hop limit (TTL) of packets alone, or set it to 64: a rule of its firewall or of its load balancer changes it",
            ),
            Self::HopLimitExceeded { seen: None, .. } => say(
                "look for a routing loop behind it (a route is missing there, or points back), or for a device before it that changes the hop limit (TTL)",
            ),
            Self::HopLimitExceeded { .. } => {
                say("repair the routing loop: a route is missing there, or points back")
            }
            Self::FilteredBetween { .. } | Self::PortSilent { .. } => {
                say(format!("allow {}, and its answers", rule()))
            }
            Self::PortSilentAfter { .. } => say(format!(
                "allow {}, there or in the host's own firewall; who drops it, there: ",
                rule()
            ))
            .on_device(format!("tcpdump -ni any {}", passage.filter()))
            .then(if passage.transport == Transport::Tcp {
                "; if they get to the host, the service is stuck: its queue of new connections is full"
            } else {
                "; if they get to the host, the service ignores this one (its own list), or is stuck"
            }),
            Self::HostSilentAfter { to, .. } => say(format!(
                "allow {}; if it is allowed, see that {} is up, and where this device sends packets for it",
                rule(),
                to.ip()
            )),
            Self::Unsteady { to, .. } | Self::MostlyLost { to, .. } => {
                say("look for loss on the way: ")
                    .here(format!("ping -c 100 -i 0.2 {0}; mtr -n {0}", to.ip()))
            }
            Self::OnePathDead { .. } => say(format!(
                "look at the members of the bundles and the equal-cost routes between {} and {}: one is up and carries nothing",
                passage.from(),
                passage.target
            )),
            Self::IdleForgotten { silent, .. } => say(format!(
                "keep connections from {} to {} that are silent for longer than {}, better two hours (a firewall's or a translation's timeout of established TCP sessions; Linux: ",
                passage.from(),
                passage.target,
                quiet_for(*silent)
            ))
            .on_device("sysctl net.netfilter.nf_conntrack_tcp_timeout_established".to_owned())
            .then("), or have it leave these alone"),
            Self::Unacknowledged { .. } | Self::AnswersLost { .. } => say(format!(
                "allow {} with all that follows its handshake: a firewall that looks inside drops it, or a link loses it",
                rule()
            )),
            Self::MtuBlackHole { .. } => say(format!(
                "let ICMP \"too big\" (3/4) pass between {} and {}, or lower the MSS on the tunnel",
                passage.from(),
                passage.target
            )),
        }
    }
}

/// "10 min"
fn quiet_for(silence: Millis) -> String {
    span(silence.0.as_secs())
}

/// ", after 5 min it still lived"
fn survives(lived: Option<Millis>) -> String {
    lived.map(|lived| format!(", after {} it still lived", quiet_for(lived))).unwrap_or_default()
}

/// "packets for this port", or what goes to a host without ports: an echo request.
fn packets(to: SocketAddr) -> &'static str {
    if to.port() == 0 { "echo requests" } else { "packets for this port" }
}

/// "from this port", or from the host to an echo request.
fn from_what(to: SocketAddr) -> &'static str {
    if to.port() == 0 { "to a ping" } else { "from this port" }
}

/// Where the kernel tells no entry, it may be the router that is silent.
fn or_its_gateway(entry: Option<&RouteEntry>) -> &'static str {
    if entry.is_some() { "" } else { ", or the gateway to it," }
}

/// An aside, "10.0.0.0/8 dev eth0", or nothing.
fn in_aside(entry: Option<&RouteEntry>) -> String {
    entry.map(|entry| format!(" ⟨{entry}⟩")).unwrap_or_default()
}

/// "no further than 10.9.0.1", of [`Cause::FilteredBetween`].
fn no_further_than(after: Option<IpAddr>) -> String {
    after.map_or_else(|| "to no router".to_owned(), |by| format!("no further than {by}"))
}

/// "by 10.9.0.1 (hop 2) or right behind it", of [`Cause::PathReset`].
fn place_of_reset(hop: u8, by: Option<IpAddr>) -> String {
    match (hop, by) {
        (0, _) => "before the first router".to_owned(),
        (hop, Some(by)) => format!("by {by} ⟨hop {hop}⟩ or right behind it"),
        (hop, None) => format!("at hop {hop}, which names itself to nobody, or right behind it"),
    }
}

/// "10.9.0.1 (hop 2)", of [`Cause::CutOff`].
fn device_at(hop: u8, by: Option<IpAddr>) -> String {
    if hop == 0 {
        return "somebody who translates addresses".to_owned();
    }
    by.map_or_else(
        || format!("a device at hop {hop}, which names itself to nobody"),
        |by| format!("{by} ⟨hop {hop}⟩"),
    )
}

/// An aside, "ICMP 3/10, …"; without: what a closed UDP port says.
fn said_so(icmp: Option<Icmp>) -> String {
    icmp.map_or_else(|| " ⟨nothing listens there, it says⟩".to_owned(), |icmp| format!(" ⟨{icmp}⟩"))
}

/// "none of our 8 bytes was" or "1400 of our 1421 bytes were".
fn our_bytes(missing: u64, sent: u64) -> String {
    if missing >= sent {
        format!("none of our {sent} bytes was ever")
    } else {
        format!("{missing} of our {sent} bytes were never")
    }
}

/// "greeting is lost" or "answers to EHLO are lost".
fn lost(asked: Option<&str>) -> String {
    asked.map_or_else(
        || "first words are lost".to_owned(),
        |asked| format!("answers to {asked} are lost"),
    )
}
