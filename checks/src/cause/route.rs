//! Causes in this host's own routing, firewall and resources.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Blank, Passage, name_of, say};
use super::{
    Cause, DropSign, LinkFault, LocalFirewallSign, LocalRoute, ManyHosts, Millis, RouteEntry,
    SourceFault, TunnelLink, facts,
};

/// Causes in this host's own routing, firewall and resources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum RouteCause {
    /// Our own routing table has no usable route to the peer.
    #[error("this host has no route to {to} ⟨{route}⟩")]
    NoRoute {
        /// The address that has no route.
        to: IpAddr,
        /// What the routing table says.
        route: LocalRoute,
    },
    /// A rule of our own policy routing holds the packets back, whatever the routes say.
    #[error("a rule of this host's policy routing holds packets to {to} back ⟨{rule}⟩")]
    HeldByRule {
        /// Where they were going.
        to: SocketAddr,
        /// The rule, as `ip rule` shows it.
        rule: String,
    },
    /// What was given is no address of a host, but of many.
    #[error("{to} is {how}, not one host's address")]
    NotAHost {
        /// The address.
        to: IpAddr,
        /// Whose it is.
        how: ManyHosts,
    },
    /// The interface that the packets should leave by is off, or has nobody at its other end.
    #[error("this host's interface {interface} {fault}")]
    LinkDown {
        /// The address that was to be reached through it.
        to: IpAddr,
        /// The interface.
        interface: String,
        /// What is the matter with it.
        fault: LinkFault,
    },
    /// A router had to drop the packet because this host lets its packets pass so few routers.
    #[error("this host sends with a hop limit of {limit}, and {by} had to drop the packet to {to}")]
    HopLimitTooLow {
        /// The address asked for.
        to: IpAddr,
        /// The router that dropped it.
        by: IpAddr,
        /// The hop limit that packets of this host begin with.
        limit: u8,
    },
    /// Nothing answers, not even the next hop, whose link address somebody has set by hand.
    #[error(
        "no answer; the link address of {neighbour} was set by hand on this host ⟨{link} on {interface}⟩, and nothing answers there"
    )]
    NeighbourByHand {
        /// The address and port asked.
        to: SocketAddr,
        /// The gateway, or the target itself.
        neighbour: IpAddr,
        /// Its link address, as it was set.
        link: String,
        /// The interface it is behind.
        interface: String,
        /// How long the answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Every port of this host's range is taken already by connections to the same address and port.
    #[error(
        "this host has no free port left for a connection to {to} ⟨net.ipv4.ip_local_port_range is \"{range}\"⟩"
    )]
    NoFreePort {
        /// Where it was going.
        to: SocketAddr,
        /// The first and the last port, as the kernel's setting says.
        range: String,
    },
    /// The router that our route leads to is not on the segment, or not up.
    #[error("the gateway {gateway} does not answer ⟨{entry}⟩")]
    GatewaySilent {
        /// The address that was to be reached through it.
        to: IpAddr,
        /// The router.
        gateway: IpAddr,
        /// The entry that leads to it.
        entry: RouteEntry,
        /// How long the kernel asked.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// A route looks for the peer on a segment of ours, and nobody there answers for its address.
    #[error("nobody answers for {to} on {}, where the route \"{entry}\" looks for it", entry.interface)]
    RouteOnLink {
        /// The address nobody answers for.
        to: IpAddr,
        /// The entry, which names no router.
        entry: RouteEntry,
        /// How long the kernel asked.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// A VPN should carry the packets, and they leave by no tunnel.
    #[error("{}; this way: {}", facts::vpn_not_used(*.to, route.as_deref(), tunnels), because.marked())]
    VpnNotUsed {
        /// The VPN's gateway, as it was given.
        vpn: String,
        /// Whom the packets are for.
        to: IpAddr,
        /// The entry by which they leave; none: they do not.
        route: Option<Box<RouteEntry>>,
        /// The tunnel interfaces that there are, up or down.
        tunnels: Vec<TunnelLink>,
        /// How the question fails on the way that they take.
        because: Box<Cause>,
    },
    /// A firewall rule of this host keeps the packet from leaving.
    #[error("this host's own firewall stops it ⟨{how}⟩")]
    LocalFirewall {
        /// Where it was going.
        to: SocketAddr,
        /// What gave it away.
        how: LocalFirewallSign,
    },
    /// A policy of `IPsec` holds the packets back until there is a tunnel for them, and there is none.
    #[error(
        "an IPsec policy of this host holds packets for {to} back: the tunnel they should take is not up"
    )]
    IpsecDown {
        /// Where they were going.
        to: SocketAddr,
        /// How long the answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// A policy of `IPsec` forbids the packets.
    #[error("an IPsec policy of this host forbids packets to {to} ⟨action block⟩")]
    IpsecBlocks {
        /// Where they were going.
        to: SocketAddr,
    },
    /// The answers reach this host, and it drops them itself.
    #[error("answers arrive, and this host drops them ⟨{how}⟩")]
    ReplyDroppedHere {
        /// The address and port whose answers are dropped.
        to: SocketAddr,
        /// What drops them.
        how: DropSign,
        /// How long the answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The address that the question was to leave from cannot be used.
    #[error("{to} cannot be asked from {from}: {how}")]
    SourceUnusable {
        /// The address of ours that was asked for.
        from: IpAddr,
        /// The address asked.
        to: IpAddr,
        /// What makes the address unusable.
        how: SourceFault,
    },
    /// This host lets the user who runs preflight send no echo requests.
    #[error(
        "this host lets this user send no ping ⟨net.ipv4.ping_group_range is \"{range}\"⟩, so nothing was sent"
    )]
    PingNotPermitted {
        /// What the kernel's setting says: the first and the last group that may.
        range: String,
    },
    /// This host could not even try: descriptors, addresses, memory.
    #[error("this host could not {action}: {error}")]
    LocalError {
        /// What was being done.
        action: Cow<'static, str>,
        /// The operating system's words.
        error: String,
    },
}

impl RouteCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Host, Route};
        use Owner::ThisHost;
        use Plea::Nothing;
        const ALLOW: Plea = Plea::Allow { over: None };
        match self {
            Self::NoRoute { .. }
            | Self::HeldByRule { .. }
            | Self::NotAHost { .. }
            | Self::IpsecBlocks { .. }
            | Self::LinkDown { .. }
            | Self::HopLimitTooLow { .. }
            | Self::NeighbourByHand { .. }
            | Self::VpnNotUsed { .. }
            | Self::GatewaySilent { .. }
            | Self::RouteOnLink { .. }
            | Self::IpsecDown { .. }
            | Self::ReplyDroppedHere { .. } => About::new(Route, ThisHost, Nothing),
            Self::LocalFirewall { .. } => About::new(Route, ThisHost, ALLOW),
            Self::SourceUnusable { .. } | Self::NoFreePort { .. } | Self::LocalError { .. } => {
                About::new(Host, ThisHost, Nothing)
            }
            Self::PingNotPermitted { .. } => About::new(Host, ThisHost, Nothing).untold(),
        }
    }

    /// What to do about it.
    #[allow(clippy::too_many_lines)] // A table, in the order of the enum.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::NoRoute { route: LocalRoute::Ipv6Off, .. } => say("switch IPv6 on: ")
                .here("sysctl -w net.ipv6.conf.all.disable_ipv6=0")
                .then(" (the kernel's own word for it is ipv6.disable=1 on its command line); or ask the target by its IPv4 address"),
            Self::NoRoute { route: LocalRoute::NoScope, .. } => {
                say("write the interface behind it that leads to its link: ")
                    .here("ip -brief link show")
            }
            Self::NoRoute { to, .. } => {
                say("").here(format!("ip route get {to}")).then("; add the route or the gateway")
            }
            Self::HeldByRule { rule, .. } => {
                let (priority, _) = rule.split_once(':').unwrap_or((rule, ""));
                say("find out who set it, and why, before you take it away: ")
                    .here("ip rule show")
                    .then("; ")
                    .here(format!("ip rule del priority {}", name_of(priority)))
            }
            Self::NotAHost { .. } => {
                say("give the address of the host itself; this host's networks: ")
                    .here("ip -brief address")
            }
            Self::IpsecBlocks { .. } => {
                say("take the policy out where it is made (strongSwan, Libreswan), or let this flow pass before it: ")
                    .here("ip xfrm policy")
            }
            Self::LinkDown { interface, fault: LinkFault::SwitchedOff, .. } => {
                say("switch it on: ").here(format!("ip link set {} up", name_of(interface)))
            }
            Self::LinkDown { interface, fault: LinkFault::NoCarrier, .. } => {
                say("look at the cable, the virtual switch and the port at the other end: ")
                    .here(format!("ip -brief link show {}", name_of(interface)))
            }
            Self::HopLimitTooLow { to, .. } if to.is_ipv4() => say("set it back to 64: ")
                .here("sysctl -w net.ipv4.ip_default_ttl=64")
                .then("; a route may set it too: ")
                .here(format!("ip route get {to}")),
            Self::HopLimitTooLow { to, .. } => {
                say("set it back to 64, or have the router that advertises it do so: ")
                    .here("sysctl net.ipv6.conf | grep hop_limit")
                    .then("; a route may set it too: ")
                    .here(format!("ip route get {to}"))
            }
            Self::NeighbourByHand { neighbour, interface, .. } => {
                say("have this host ask for it instead, unless it is right: ")
                    .here(format!("ip neigh del {neighbour} dev {}", name_of(interface)))
                    .then("; and see that nobody sets it again")
            }
            Self::NoFreePort { to, .. } => {
                say("find out who holds so many connections, and end them or widen the range: ")
                    .here(format!("ss -tanp dst {}", to.ip()))
                    .then("; ")
                    .here("sysctl net.ipv4.ip_local_port_range")
            }
            Self::GatewaySilent { gateway, entry, .. } => {
                say(format!("see that {gateway} is this network's gateway and is up: "))
                    .here(format!("ip neigh show {gateway}"))
                    .then("; else: ")
                    .here(format!(
                        "ip route replace {} via {} dev {}",
                        entry.destination(),
                        Blank::Gateway,
                        name_of(&entry.interface)
                    ))
            }
            Self::RouteOnLink { to, entry, .. } => {
                say(format!("give the route its gateway, unless {to} is on this segment: ")).here(
                    format!("ip route replace {} via {}", entry.destination(), Blank::Gateway),
                )
            }
            Self::VpnNotUsed { vpn, to, tunnels, .. } if tunnels.iter().any(|link| link.is_up) => {
                say(format!(
                    "have the VPN carry a route to {to} (pushed by {vpn}, or set in its client; WireGuard: AllowedIPs), until this names the tunnel: "
                ))
                .here(format!("ip route get {to}"))
            }
            Self::VpnNotUsed { vpn, to, .. } => say(format!(
                "start the VPN's client on this host, and read its log: TCP 443 to {vpn} is all it needs of a firewall; then: "
            ))
            .here(format!("ip -brief link; ip route get {to}")),
            Self::LocalFirewall { how: LocalFirewallSign::NoSolicitation, .. } => {
                say("let neighbour discovery out and its answers in (ICMPv6 135 and 136), in this host's own rules: ")
                    .here("nft list ruleset; firewall-cmd --list-all")
            }
            Self::LocalFirewall { how: LocalFirewallSign::AtInterface, .. } => {
                say("look at what stands at the interface, as no other rule shows it: ")
                    .here("nft list ruleset netdev; tc -s qdisc show")
            }
            Self::LocalFirewall { .. } => say(format!(
                "allow {} in this host's own rules: ",
                passage.rule(self.about().owner)
            ))
            .here("nft list ruleset; firewall-cmd --list-all"),
            Self::IpsecDown { .. } => {
                say("bring the tunnel up (strongSwan, Libreswan), or take the policy away: ")
                    .here("ip xfrm policy; ip xfrm state; swanctl --list-sas; ipsec status")
            }
            Self::ReplyDroppedHere { how: DropSign::Rule, to, .. } => say(format!(
                "accept answers from {} port {} in this host's INPUT rules (\"ct state established accept\"): ",
                to.ip(),
                to.port()
            ))
            .here("nft list ruleset"),
            Self::ReplyDroppedHere { how: DropSign::ReversePath, to, .. } => say(format!(
                "route to {} by the interface its answers come in by (",
                to.ip()
            ))
            .here(format!("ip route get {}", to.ip()))
            .then("), or ")
            .here("sysctl net.ipv4.conf.all.rp_filter=2"),
            Self::ReplyDroppedHere { how: DropSign::Ipsec, .. } => {
                say("bring the tunnel up that the policy wants, or take the policy away: ")
                    .here("ip xfrm policy; ip xfrm state; grep XfrmIn /proc/net/xfrm_stat")
            }
            Self::SourceUnusable { from, how: SourceFault::Duplicate, .. } => say(format!(
                "give one of the two another address than {from}; who has it, and what this host thinks of it: "
            ))
            .here("ip -6 address show dadfailed"),
            Self::SourceUnusable { from, how: SourceFault::LinkLocal, .. } => {
                say("give this host an address that others can answer to: ")
                    .here("ip -brief address")
                    .then(if from.is_ipv6() {
                        "; by a router's advertisement, DHCPv6 or by hand"
                    } else {
                        "; by DHCP or by hand"
                    })
            }
            Self::SourceUnusable { from, .. } => say(format!(
                "see that {from} is an address of this host, and the one that {} is to be asked from: ",
                passage.target
            ))
            .here("ip -brief address"),
            Self::PingNotPermitted { .. } => say("let every group send echo requests: ")
                .here("sysctl -w net.ipv4.ping_group_range='0 2147483647'")
                .then("; or run preflight as root"),
            Self::LocalError { .. } => {
                say("look at this host's limits: ").here("ulimit -n; ss -s")
            }
        }
    }
}
