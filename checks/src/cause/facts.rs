//! The facts of a cause that are more than numbers and names.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a step was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "lowercase")]
pub enum Phase {
    /// The addresses of a name.
    Resolve,
    /// The TCP handshake.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The peer's first words.
    Greeting,
    /// The answer to a question of ours.
    Reply,
}

/// TCP or UDP.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[strum(serialize = "TCP")]
    Tcp,
    /// UDP.
    #[strum(serialize = "UDP")]
    Udp,
    /// ICMP's echo, which has no ports.
    #[strum(serialize = "ICMP")]
    Icmp,
}

impl Transport {
    /// `tcp`, `udp` or `icmp`, as in `10.0.0.5:53/udp`.
    #[must_use]
    pub fn lower(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }

    /// Does it tell services of one host apart by ports?
    #[must_use]
    pub fn has_ports(self) -> bool {
        self != Self::Icmp
    }
}

/// What our own routing table says about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum LocalRoute {
    /// No entry, and no default route.
    #[strum(serialize = "no entry and no default route")]
    Missing,
    /// An entry of type `unreachable`.
    #[strum(serialize = "an \"unreachable\" entry")]
    Unreachable,
    /// An entry of type `prohibit`.
    #[strum(serialize = "a \"prohibit\" entry")]
    Prohibit,
    /// An entry of type `blackhole`.
    #[strum(serialize = "a \"blackhole\" entry")]
    Blackhole,
    /// The address is one of a link (`fe80::1%eth1`) that this host does not have.
    #[strum(serialize = "no interface of that name")]
    NoInterface,
    /// The address is one of a link, and nothing says of which (`fe80::1` without `%eth0`).
    #[strum(serialize = "an address of a link needs its interface behind it, as in fe80::1%eth0")]
    NoScope,
    /// IPv6 is switched off: on all interfaces, in the kernel, or for this program.
    #[strum(serialize = "IPv6 is switched off here")]
    Ipv6Off,
}

/// Why an address is no host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum ManyHosts {
    /// All hosts of a segment hear it.
    #[strum(serialize = "the broadcast address of one of this host's segments")]
    Broadcast,
    /// Whoever has joined the group hears it.
    #[strum(serialize = "a multicast address")]
    Multicast,
}

/// Why an interface of this host carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum LinkFault {
    /// Nobody has switched it on.
    #[strum(serialize = "is switched off")]
    SwitchedOff,
    /// It is on, and there is nobody at the other end.
    #[strum(serialize = "has no carrier: no cable, or the port at its other end is off")]
    NoCarrier,
}

/// Why a question cannot leave from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum SourceFault {
    /// No interface has it.
    #[strum(serialize = "no interface of this host has that address")]
    NotOurs,
    /// One is IPv4, the other IPv6.
    #[strum(serialize = "one is IPv4, the other IPv6")]
    OtherFamily,
    /// The kernel found no address but one that counts on its own link alone.
    #[strum(serialize = "that address counts on its own link alone, and this host has no other")]
    LinkLocal,
    /// The kernel asked on the segment before it used the address, and somebody had it already.
    #[strum(serialize = "another host of its segment has that address too")]
    Duplicate,
}

/// The entry of this host's routing table by which a packet leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEntry {
    /// The network it is for.
    pub network: IpAddr,
    /// How many bits of that count; 0 is the default route.
    pub length: u8,
    /// The router that it leads to; none: the address is taken for a neighbour's.
    pub via: Option<IpAddr>,
    /// The interface that it leads out by.
    pub interface: String,
    /// Was it made for a network that one of this host's own addresses lies in?
    pub is_own: bool,
}

impl RouteEntry {
    /// "198.18.0.0/15", or "default".
    #[must_use]
    pub fn destination(&self) -> String {
        match self.length {
            0 => "default".to_owned(),
            length => format!("{}/{length}", self.network),
        }
    }
}

/// As `ip route` writes it: "default via 10.2.0.1 dev eth0".
impl std::fmt::Display for RouteEntry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.destination())?;
        if let Some(via) = self.via {
            write!(out, " via {via}")?;
        }
        write!(out, " dev {}", self.interface)
    }
}

/// A tunnel interface of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelLink {
    /// Its name: `tun0`.
    pub interface: String,
    /// Can it carry packets now? One whose program has ended cannot.
    pub is_up: bool,
}

/// What a router says of a host, or of those beside it, of [`super::Cause::HostUnreachable`].
pub(super) fn unreachable(to: IpAddr, by: IpAddr, icmp: Icmp, beside: usize) -> String {
    match beside {
        0 => format!("{by} says the host {to} does not answer ⟨{icmp}⟩"),
        beside => format!(
            "no answer; {by} says of {beside} hosts beside {to} that they do not answer ⟨{icmp}⟩"
        ),
    }
}

/// ", as on the way to 3 hosts beside it", or nothing.
pub(super) fn as_beside(beside: usize) -> String {
    match beside {
        0 => String::new(),
        1 => ", as on the way to a host beside it".to_owned(),
        beside => format!(", as on the way to {beside} hosts beside it"),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(super) fn is_none(number: &usize) -> bool {
    *number == 0
}

/// "the VPN is not up: tun0 is down, …", of [`super::Cause::VpnNotUsed`].
pub(super) fn vpn_not_used(
    to: IpAddr,
    route: Option<&RouteEntry>,
    tunnels: &[TunnelLink],
) -> String {
    let named = |is_up: bool| {
        let alike = tunnels.iter().filter(|link| link.is_up == is_up);
        let mut names: Vec<&str> = alike.map(|link| link.interface.as_str()).collect();
        let more = names.len().saturating_sub(TUNNELS_NAMED);
        names.truncate(TUNNELS_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names.join(", "))
    };
    let leads_out = match route {
        Some(route) => format!("the route to {to} is \"{route}\""),
        None => format!("there is no route to {to}"),
    };
    if tunnels.is_empty() {
        format!("the VPN is not up: this host has no tunnel interface, {leads_out}")
    } else if tunnels.iter().any(|link| link.is_up) {
        format!("the VPN carries no route to {to}: {} is up, {leads_out}", named(true))
    } else {
        format!("the VPN is not up: {} is down, {leads_out}", named(false))
    }
}

/// Tunnels in one sentence.
const TUNNELS_NAMED: usize = 3;

/// What gave a local firewall away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum LocalFirewallSign {
    /// The kernel refused to send.
    #[strum(serialize = "sending is not permitted")]
    NotPermitted,
    /// A refusal came at once from our own address.
    #[strum(serialize = "a REJECT rule of this host answered")]
    OwnReject,
    /// A packet that cannot leave this host was answered with a RST.
    #[strum(serialize = "a rule of this host answered with a RST")]
    OwnReset,
    /// The kernel had no room for it (`ENOBUFS`): what stands between it and the interface dropped it.
    #[strum(serialize = "a rule or a queue at its network interface drops the packet")]
    AtInterface,
    /// Neighbours are not asked for their link addresses, though the kernel wants them to be.
    #[strum(serialize = "its rules let no neighbour discovery out, ICMPv6 135")]
    NoSolicitation,
    /// Every SYN was dropped before it left (`TCP_INFO`).
    #[strum(serialize = "no packet left this host")]
    OutputDrop,
}

/// What manages the rules of this host's firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "lowercase")]
pub enum OwnFirewall {
    /// firewalld, whatever it writes its rules with.
    Firewalld,
    /// ufw, which writes them with iptables.
    Ufw,
    /// Rules of nftables that nothing else manages.
    Nftables,
    /// iptables, into nftables.
    Iptables,
    /// iptables, into the tables of the older kind.
    #[strum(serialize = "iptables-legacy")]
    IptablesLegacy,
}

impl OwnFirewall {
    /// `firewalld, zone public`
    #[must_use]
    pub fn told(self, zone: Option<&str>) -> String {
        zone.map_or_else(|| self.to_string(), |zone| format!("{self}, zone {zone}"))
    }
}

/// What a rule of this host does with a packet that should come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum ClosedHow {
    /// The packet disappears without an answer.
    #[strum(serialize = "dropped")]
    Dropped,
    /// The sender is told.
    #[strum(serialize = "rejected")]
    Rejected,
    /// Another machine gets it.
    #[strum(serialize = "handed on")]
    HandedOn,
}

/// What keeps an answer that has arrived from being heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum DropSign {
    /// It was received and not delivered.
    #[strum(serialize = "a rule of its own in the INPUT direction")]
    Rule,
    /// It came in by another interface than the way to its sender leads out by.
    #[strum(serialize = "its reverse path filter: they come in by another interface")]
    ReversePath,
    /// A policy forbids it, or wants it to come by a tunnel.
    #[strum(serialize = "an IPsec policy, which forbids them or wants them to come by a tunnel")]
    Ipsec,
}

/// What the hops of a packet show that used up its hop limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CircleSign {
    /// One device is met again after another.
    Loop,
    /// However far a packet may go, it ends at one and the same hop.
    Shortened {
        /// The hop behind which no packet gets far, at most; 0 is this host.
        hop: u8,
        /// The device there, when it names itself.
        by: Option<IpAddr>,
    },
}

/// A packet that ran out of hops, in one sentence.
pub(super) fn hops_ran_out(to: IpAddr, by: IpAddr, icmp: Icmp, seen: Option<CircleSign>) -> String {
    match seen {
        Some(CircleSign::Loop) => {
            format!("routing loop: {by} dropped the packet to {to} after too many hops ⟨{icmp}⟩")
        }
        Some(CircleSign::Shortened { hop, by: before }) => {
            let device = before.map_or_else(
                || format!("the device at hop {hop}"),
                |before| format!("{before} ⟨hop {hop}⟩"),
            );
            format!(
                "{by} dropped the packet to {to}, whose hop limit {device} had changed to almost nothing ⟨{icmp}⟩"
            )
        }
        None => format!(
            "{by} dropped the packet to {to} after too many hops: a routing loop, or a device that changes hop limits ⟨{icmp}⟩"
        ),
    }
}

/// What shows that a RST is not the target's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetSign {
    /// A packet with too few hops to reach the target drew it.
    TooFewHops,
    /// It came over one hop less than what the target itself answers.
    ShorterWay,
}

/// What a certificate is in the chain that leads to somebody trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum ChainLink {
    /// The server's own.
    #[default]
    #[strum(serialize = "certificate")]
    Server,
    /// One that the server sends between its own and a trusted one.
    #[strum(serialize = "intermediate certificate")]
    Intermediate,
    /// One of this host's own store.
    #[strum(serialize = "certificate in this host's store")]
    Root,
}

/// What an SSH client and a server must each have one algorithm for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum SshPart {
    /// Which SSH it is.
    #[strum(serialize = "version of the protocol")]
    Version,
    /// How the two come to a key.
    #[strum(serialize = "key exchange")]
    KeyExchange,
    /// How the server proves who it is.
    #[strum(serialize = "host key algorithm")]
    HostKey,
    /// How they encrypt.
    #[strum(serialize = "cipher")]
    Cipher,
    /// How they keep messages from being changed.
    #[strum(serialize = "MAC")]
    Mac,
}

/// How a host whose port stays silent shows that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum HostAnswer {
    /// Another port of it answers.
    Open {
        /// TCP or UDP.
        transport: Transport,
        /// The port.
        port: u16,
    },
    /// Another port of it says that nothing listens there.
    Closed {
        /// TCP or UDP.
        transport: Transport,
        /// The port.
        port: u16,
    },
    /// It rejects another port in its own name.
    Rejected {
        /// The ICMP message.
        icmp: Icmp,
    },
    /// It answers an ICMP echo request.
    Ping,
    /// It answers for its address on this host's own segment: ARP, or neighbour discovery.
    Neighbour,
}

impl std::fmt::Display for HostAnswer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { transport, port } => write!(out, "{transport} {port} is open"),
            Self::Closed { transport, port } => write!(out, "{transport} {port} is closed"),
            Self::Rejected { icmp } => write!(out, "it rejects: {icmp}"),
            Self::Ping => out.write_str("it answers ping"),
            Self::Neighbour => out.write_str("it answers for its address on this segment"),
        }
    }
}

/// A duration that prints as a human would say it and serialises in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds >= 1.0 {
            write!(out, "{seconds:.1} s")
        } else if seconds >= 0.01 {
            write!(out, "{:.0} ms", seconds * 1e3)
        } else {
            write!(out, "{:.1} ms", seconds * 1e3)
        }
    }
}

impl Millis {
    /// As a number with three decimals: a LAN answers in fractions of a millisecond.
    pub(crate) fn number(self) -> f64 {
        (self.0.as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Serialize for Millis {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.number())
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        Duration::try_from_secs_f64(number / 1e3).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The cause behind a concern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Because {
    /// The cause itself, with its facts.
    Cause(Box<super::Cause>),
    /// As a report of an earlier version has it.
    Sentence(String),
}

impl From<super::Cause> for Because {
    fn from(cause: super::Cause) -> Self {
        Self::Cause(Box::new(cause))
    }
}

impl std::fmt::Display for Because {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cause(cause) => cause.fmt(out),
            Self::Sentence(sentence) => out.write_str(sentence),
        }
    }
}

/// What makes a time server a weak one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NtpWeakness {
    /// Its stratum: clocks without a reference are given such a number.
    Stratum(u8),
    /// Its clock was last set more than a day ago.
    SetLongAgo,
    /// It is too far from a reference clock for some of the programs that would ask it.
    TooFar {
        /// Its root distance (RFC 5905 §11.2).
        #[serde(rename = "distance_ms")]
        distance: Millis,
        /// Those programs.
        programs: Vec<NtpProgram>,
    },
    /// As a report of an earlier version has it.
    #[serde(untagged)]
    Sentence(String),
}

/// A program that keeps a machine's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NtpProgram {
    /// The name it goes by.
    pub name: String,
    /// The largest root distance that it accepts.
    #[serde(rename = "limit_ms")]
    pub limit: Millis,
}

impl std::fmt::Display for NtpWeakness {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stratum(stratum) => write!(out, "stratum {stratum} (its own clock?)"),
            Self::Sentence(sentence) => out.write_str(sentence),
            Self::SetLongAgo => out.write_str("it was last set more than a day ago"),
            Self::TooFar { distance, programs } => {
                let named = programs.iter();
                let named =
                    named.map(|one| format!("{} ({} s)", one.name, one.limit.0.as_secs_f64()));
                let named = named.collect::<Vec<_>>().join(", ");
                write!(out, "root distance {distance}, too far for {named}")
            }
        }
    }
}

/// A poller that Gorgone pings and that has not answered for too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietPoller {
    /// Its number in the platform.
    pub id: String,
    /// How long its last pong is ago; none: there was none since Gorgone started.
    #[serde(rename = "last_pong_ms")]
    pub last_pong: Option<Millis>,
}

/// "from poller 2 for 3 h, from poller 5 since it started"; at most four, then how many more.
pub(super) fn quiet(pollers: &[QuietPoller]) -> String {
    const SHOWN: usize = 4;
    let since = |poller: &QuietPoller| {
        let since = poller.last_pong.map(|ago| format!("for {}", span(ago.0.as_secs())));
        format!("from poller {} {}", poller.id, since.as_deref().unwrap_or("since it started"))
    };
    let shown: Vec<String> = pollers.iter().take(SHOWN).map(since).collect();
    let shown = shown.join(", ");
    match pollers.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// "12 s", "4 min", "3 h" or "9 days": as exact as one needs it.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An ICMP message, as the kernel passed it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum Icmp {
    /// ICMP for IPv4.
    #[serde(rename = "4")]
    V4 {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// ICMP for IPv6.
    #[serde(rename = "6")]
    V6 {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
}

impl Icmp {
    fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::V4 { kind: 3, code: 0 } => "network unreachable",
            Self::V4 { kind: 3, code: 1 } => "host unreachable",
            Self::V4 { kind: 3, code: 2 } => "protocol unreachable",
            Self::V4 { kind: 3, code: 3 } | Self::V6 { kind: 1, code: 4 } => "port unreachable",
            Self::V4 { kind: 3, code: 9 } => "network administratively prohibited",
            Self::V4 { kind: 3, code: 10 } => "host administratively prohibited",
            Self::V4 { kind: 3, code: 13 } | Self::V6 { kind: 1, code: 1 } => {
                "administratively prohibited"
            }
            Self::V6 { kind: 1, code: 0 } => "no route",
            Self::V6 { kind: 1, code: 3 } => "address unreachable",
            Self::V6 { kind: 1, code: 5 } => "source address failed policy",
            Self::V6 { kind: 1, code: 6 } => "reject route",
            Self::V4 { kind: 11, .. } | Self::V6 { kind: 3, .. } => "hop limit exceeded",
            Self::V4 { kind: 3, code: 4 } | Self::V6 { kind: 2, .. } => "packet too big",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Icmp {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, kind, code) = match self {
            Self::V4 { kind, code } => ("ICMP", kind, code),
            Self::V6 { kind, code } => ("ICMPv6", kind, code),
        };
        write!(out, "{name} {kind}/{code}")?;
        self.words().map_or(Ok(()), |words| write!(out, ", {words}"))
    }
}

/// What one DNS server said about a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// The server.
    pub server: IpAddr,
    /// An address, a response code, or how it failed.
    pub says: String,
}

impl std::fmt::Display for Opinion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.server, self.says)
    }
}

/// What an alias that leads nowhere lacks at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AliasEnd {
    /// There is no such name.
    NoName,
    /// The name has no address.
    NoAddress,
}

impl std::fmt::Display for AliasEnd {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NoName => "does not exist",
            Self::NoAddress => "has no address",
        })
    }
}
