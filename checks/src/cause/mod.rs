//! Why a probe failed, and what passes today but will hurt.
//!
//! A [`Cause`] is named after what was observed, never after a guess at its
//! origin: a dropped packet is [`Cause::NoAnswer`], not "firewall". Causes are
//! layered (name, route, path, port, TLS, protocol, authentication, service);
//! the sentence is written once, in `Display`, and the facts behind it travel
//! to JSON as they are.

mod about;
mod concern;
mod facts;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
#[cfg(test)]
mod saved;
#[cfg(test)]
mod tests;
mod within;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::recognise::Spoken;

pub use about::{Layer, Owner, Plea, Whereabouts};
pub use concern::{Concern, ConcernCode};
pub(crate) use facts::span;
pub use facts::{
    AliasEnd, ChainLink, DropSign, HostAnswer, Icmp, LocalFirewallSign, LocalRoute, Millis,
    Opinion, Phase, QuietPoller, ResetSign, RouteEntry, SourceFault, SshPart, Transport,
    TunnelLink,
};

/// The one reason a probe failed, with the facts an operator needs.
///
/// The kebab-case code of a variant is part of the JSON and JUnit formats and
/// the heading of its remedy in `docs/causes.md`; a released code never changes.
/// Strings that came from a peer are already escaped and bounded. What a cause
/// serialises to is enough to have it back, so that a saved run can be judged again.
#[derive(
    Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error, strum::EnumDiscriminants,
)]
#[strum_discriminants(
    name(Code),
    derive(strum::EnumIter, strum::IntoStaticStr, strum::EnumString, Hash, PartialOrd, Ord),
    strum(serialize_all = "kebab-case"),
    doc = "Stable name of a [`Cause`]; see `docs/causes.md`."
)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    // ---- name ----
    /// The resolver says that the name does not exist.
    #[error("the name {name} does not exist{}", said_by(servers))]
    NameNotFound {
        /// The name asked for.
        name: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// DNS knows the name, and `/etc/nsswitch.conf` keeps this host from asking it.
    #[error(
        "this host does not ask DNS for {name} ({at} says `{services}`), which knows it{}",
        said_by(servers)
    )]
    NameNotAskedFor {
        /// The name asked for.
        name: String,
        /// File and line.
        at: String,
        /// What stands there.
        services: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// The DNS alone is asked for the name, and only `/etc/hosts` knows it.
    #[error(
        "the DNS does not know {name}, and the program that goes there asks nothing else \
         ({origin} has {address})"
    )]
    NameNotInDns {
        /// The name asked for.
        name: String,
        /// What other programs of this machine get.
        address: IpAddr,
        /// Where they get it: `/etc/hosts:2`.
        origin: String,
    },
    /// The name has addresses of the other kind only.
    #[error(
        "{name} has no IPv{version} address ({has} only), and its program connects by no other"
    )]
    OtherFamilyOnly {
        /// The name asked for.
        name: String,
        /// The wanted version of IP: 4 or 6.
        version: u8,
        /// The first address it has.
        has: IpAddr,
    },
    /// The name exists and has no address.
    #[error("the name {name} has no address")]
    NameWithoutAddress {
        /// The name asked for.
        name: String,
    },
    /// The system resolver gave no verdict on the name.
    #[error("{name} could not be resolved: {error}{}", said_by(servers))]
    ResolverFailed {
        /// The name asked for.
        name: String,
        /// The resolver's own words.
        error: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },

    /// Not one name server of this host could be reached, so no name can be resolved.
    #[error("{name} cannot be resolved: {}", out_of_reach(*.server, because))]
    NameServerUnreachable {
        /// The name asked for.
        name: String,
        /// The first name server.
        server: IpAddr,
        /// How a question to it failed.
        because: Box<Cause>,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },

    /// The name is an alias, and what it leads to cannot be found.
    #[error("{name} is an alias of {target}, which {end}")]
    AliasBroken {
        /// The name asked for.
        name: String,
        /// The name at the end of the aliases.
        target: String,
        /// What that one lacks.
        end: AliasEnd,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// The name of a peer has an address of the loopback interface only.
    #[error("{name} is this machine itself: {address} ({origin})")]
    NameIsLoopback {
        /// The name asked for.
        name: String,
        /// Its first address.
        address: IpAddr,
        /// Where that came from: `/etc/hosts:2`, `DNS`.
        origin: String,
    },
    /// The name has an address that no host can have: name servers answer so for what they block.
    #[error("{name} has the address {address}, which is no host's ({origin})")]
    NameIsNobody {
        /// The name asked for.
        name: String,
        /// Its first address.
        address: IpAddr,
        /// Where that came from: `/etc/hosts:2`, `DNS`.
        origin: String,
    },
    /// This machine has no name server at all.
    #[error(
        "this machine has no name server (none in /etc/resolv.conf): {name} cannot be resolved"
    )]
    NoNameServer {
        /// The name asked for.
        name: String,
    },
    /// A file that says how names are found is there, and this user may not read it.
    #[error("{name} could not be resolved by this user: {file} cannot be read ({error})")]
    NameFileUnread {
        /// The name asked for.
        name: String,
        /// Which.
        file: String,
        /// The operating system's words.
        error: String,
    },
    /// The name servers work, and know no name of the Internet.
    #[error(
        "{name} cannot be resolved: the name servers know no Internet names{}",
        said_by(servers)
    )]
    NoInternetNames {
        /// The name asked for.
        name: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// Only the machine that the files are from can ask its name server.
    #[error(
        "{name} is resolved by {server} on the machine these files are from; it cannot be asked from here"
    )]
    NameServerElsewhere {
        /// The name asked for.
        name: String,
        /// The name server, as that machine has it.
        server: IpAddr,
    },

    // ---- route: this host ----
    /// Our own routing table has no usable route to the peer.
    #[error("this host has no route to {to} ({route})")]
    NoRoute {
        /// The address that has no route.
        to: IpAddr,
        /// What the routing table says.
        route: LocalRoute,
    },
    /// The router that our route leads to is not on the segment, or not up.
    #[error("the gateway {gateway} does not answer ({entry})")]
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
    #[error("{}; this way: {because}", facts::vpn_not_used(*.to, route.as_deref(), tunnels))]
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
    #[error("this host's own firewall stops it ({how})")]
    LocalFirewall {
        /// Where it was going.
        to: SocketAddr,
        /// What gave it away.
        how: LocalFirewallSign,
    },
    /// The answers reach this host, and it drops them itself.
    #[error("answers arrive, and this host drops them ({how})")]
    ReplyDroppedHere {
        /// Who answers.
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
        /// Whom.
        to: IpAddr,
        /// Why.
        how: SourceFault,
    },
    /// This host could not even try: descriptors, addresses, memory.
    #[error("this host could not {action}: {error}")]
    LocalError {
        /// What was being done.
        action: Cow<'static, str>,
        /// The operating system's words.
        error: String,
    },

    // ---- path ----
    /// The peer is on our own segment and nobody answers for its address.
    #[error("{to} does not answer on this host's own network segment{}", in_brackets(entry.as_ref()))]
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
    #[error("fails inside the VPN{}: {because}", interface.as_ref().map(|name| format!(" ({name})")).unwrap_or_default())]
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
        /// Its exact words.
        icmp: Icmp,
        /// It was said of so many hosts beside it, and of this one by silence: a router tells only a
        /// few in a second. 0: it was said of this one.
        #[serde(default, skip_serializing_if = "facts::is_none")]
        beside: usize,
    },
    /// A router says that it knows no way to that network.
    #[error("{by} has no route to {to} ({icmp})")]
    NetUnreachable {
        /// The address asked for.
        to: IpAddr,
        /// The device that said so.
        by: IpAddr,
        /// Its exact words.
        icmp: Icmp,
    },
    /// A device on the way rejects the packet.
    #[error("rejected by {by} ({icmp})")]
    PathRejected {
        /// Where it was going.
        to: SocketAddr,
        /// The device that rejected it.
        by: IpAddr,
        /// Its exact words.
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
    #[error("connected, then reset by {}, not by the target (after {received} bytes)", device_at(*.hop, *.by))]
    CutOff {
        /// Who was asked.
        to: SocketAddr,
        /// The device at that hop, when it names itself.
        by: Option<IpAddr>,
        /// Its distance.
        hop: u8,
        /// Bytes that had arrived.
        received: usize,
    },
    /// A packet was rejected in the target's name, and not by the target.
    #[error("rejected in the target's name by {}{}", device_at(*.hop, *.by), said_so(*.icmp))]
    RejectedInItsName {
        /// Where it was going.
        to: SocketAddr,
        /// The device at that hop, when it names itself.
        by: Option<IpAddr>,
        /// Its distance.
        hop: u8,
        /// Its exact words; none: that nothing listens there.
        icmp: Option<Icmp>,
    },
    /// The target's own firewall rejects the packet.
    #[error("rejected by the target's own firewall ({icmp})")]
    TargetRejected {
        /// The target, which is also who answered.
        to: SocketAddr,
        /// Its exact words.
        icmp: Icmp,
    },
    /// The operating system reports a refusal without naming who refused.
    #[error("refused on the way, by whom cannot be told from here ({error})")]
    Unreachable {
        /// Where it was going.
        to: SocketAddr,
        /// The operating system's words.
        error: String,
    },
    /// Nothing came back.
    #[error("no answer within {waited}")]
    NoAnswer {
        /// Who was asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// A packet with a full hop limit ran out of it: routers pass it in circles.
    #[error("{by} gave the packet to {to} up after too many hops ({icmp})")]
    HopLimitExceeded {
        /// The address asked for.
        to: IpAddr,
        /// The device that said so.
        by: IpAddr,
        /// Its exact words.
        icmp: Icmp,
    },
    /// No answer; another question to the same host gets further than this port's.
    ///
    /// The drop is at `after` or at `next`, or at a device between them that
    /// names itself to nobody.
    #[error(
        "no answer; packets for this port get {}, others for this host reach {next} ({alive})",
        no_further_than(*.after)
    )]
    FilteredBetween {
        /// Who was asked.
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
    #[error("no answer; the trail ends at or after {by} (hop {hop}){}; the host is there ({alive})", facts::as_beside(*.beside))]
    PortSilentAfter {
        /// Who was asked.
        to: SocketAddr,
        /// The last device that this port's packets are known to reach.
        by: IpAddr,
        /// Its distance.
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
    #[error("no answer from this port; the host is there ({alive}), no router names itself")]
    PortSilent {
        /// Who was asked.
        to: SocketAddr,
        /// How the host itself answers.
        alive: HostAnswer,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// No answer; the host itself answers, and no router is in between.
    #[error("no answer from this port; the host is there ({alive}), no router in between")]
    PortSilentOnSegment {
        /// Who was asked.
        to: SocketAddr,
        /// How the host itself answers.
        alive: HostAnswer,
        /// How long the port was asked before.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// No answer, nor from anything else of the host; the last device to name itself is known.
    #[error("nothing of this host answers; the trail ends at or after {by} (hop {hop}){}", facts::as_beside(*.beside))]
    HostSilentAfter {
        /// Who was asked.
        to: SocketAddr,
        /// The last device that our packets are known to reach.
        by: IpAddr,
        /// Its distance.
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
        /// Who was asked.
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
        /// Who was asked.
        to: SocketAddr,
        /// Answers that came.
        answered: usize,
        /// Questions that were asked.
        asked: usize,
    },
    /// From some ports of ours every question gets through, from others none does.
    ///
    /// Where the load is shared over several paths, the ports choose the path.
    #[error("{}", dead_path(*.transport, open, dead))]
    OnePathDead {
        /// Who was asked.
        to: SocketAddr,
        /// Over TCP or UDP.
        transport: Transport,
        /// Ports of ours from which it answered each time.
        open: Vec<u16>,
        /// Ports of ours from which it never did.
        dead: Vec<u16>,
    },
    /// Connected, but what we say is never acknowledged, however often it is repeated.
    ///
    /// Not a matter of the service: the peer's kernel acknowledges whatever arrives.
    #[error("connected, but {} never acknowledged: lost on the way ({repeats} repeats, {waited})", our_bytes(*.missing, *.sent))]
    Unacknowledged {
        /// Who was asked.
        to: SocketAddr,
        /// Bytes that were never acknowledged.
        missing: u64,
        /// All that were sent.
        sent: u64,
        /// How often the first of them were repeated.
        repeats: u32,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Connected, but what the peer says never arrives, though it says something.
    #[error("connected, but the peer's {} on the way ({waited})", lost(asked.as_deref()))]
    AnswersLost {
        /// Who was asked.
        to: SocketAddr,
        /// What it was asked last; none: it speaks first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Cow<'static, str>>,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Connected, but what the peer sends arrives with a hole that is never filled.
    ///
    /// Full-size packets are too large for a link on the way, and the ICMP
    /// message that would say so does not reach the peer.
    #[error(
        "connected, but full-size packets from {} do not arrive ({waited})",
        if *.ours { "here" } else { "the peer" }
    )]
    MtuBlackHole {
        /// Who was asked.
        to: SocketAddr,
        /// Smaller segments that did arrive, behind the hole; 0: the same with small packets works.
        segments: u32,
        /// Is it our packets that do not arrive?
        #[serde(default)]
        ours: bool,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },

    // ---- port ----
    /// The target itself says that nothing listens there.
    #[error("nothing listens on {to}")]
    PortClosed {
        /// Address and port asked for.
        to: SocketAddr,
    },
    /// Nothing on this host listens where the other side will connect to.
    #[error("nothing listens on {transport} {port} here")]
    NothingListens {
        /// The transport that was looked at.
        transport: Transport,
        /// The port that was looked at.
        port: u16,
    },
    /// Something listens, but only where nobody else can reach it.
    #[error("{process} listens on loopback only ({address})")]
    ListensOnLoopback {
        /// Where it listens.
        address: SocketAddr,
        /// Who listens, as far as this user may see.
        process: String,
    },
    /// The service answers on the other port that the flow table names, not on its own.
    #[error("port {found} answers, port {asked} does not")]
    FoundOnOtherPort {
        /// The port asked.
        asked: u16,
        /// The port it was found on.
        found: u16,
        /// What the flow table says of the two ports.
        why: Option<String>,
        /// How the port asked failed.
        because: String,
    },

    /// This host does not show who listens.
    #[error("who listens on {transport} {port} here cannot be told: {error}")]
    ListenersUnknown {
        /// The transport that was to be looked at.
        transport: Transport,
        /// The port that was to be looked at.
        port: u16,
        /// The operating system's words, with the file.
        error: String,
    },

    // ---- conversation ----
    /// The peer accepted the connection and said nothing.
    #[error("connected, but it stays silent ({waited})")]
    Silent {
        /// Who was asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The conversation began, and then the peer said no more.
    #[error("after {came}, {} ({waited})", missing(asked.as_deref()))]
    SilentAfter {
        /// Who was asked.
        to: SocketAddr,
        /// The last that it said or did: "its greeting".
        came: Cow<'static, str>,
        /// What it was asked last: "EHLO".
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Cow<'static, str>>,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The peer accepted the connection and takes nothing of what we say.
    #[error("connected, but it takes no data: its receive window stays closed ({waited})")]
    WindowClosed {
        /// Who was asked.
        to: SocketAddr,
        /// Bytes of ours that it has not taken.
        missing: u64,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The peer accepted the connection and closed it before a whole answer.
    #[error("connected, then closed by the peer after {received} bytes")]
    HungUp {
        /// Who was asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// Bytes that had arrived.
        received: usize,
    },
    /// The connection was reset after it had been accepted.
    #[error("connected, then reset after {received} bytes")]
    Reset {
        /// Who was asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// Bytes that had arrived.
        received: usize,
    },
    /// The answer came from another address or port than was asked, over UDP.
    #[error("the answer comes from {by}, not from where it was asked: clients drop such answers")]
    AnsweredFromElsewhere {
        /// Who was asked.
        to: SocketAddr,
        /// Who answered.
        by: SocketAddr,
    },
    /// The answer began and was not complete in time.
    #[error("the answer was still incomplete after {waited} ({received} bytes)")]
    Incomplete {
        /// Who was asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// Bytes that had arrived.
        received: usize,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The answer does not end; reading stopped at the bound.
    #[error("the answer does not end ({limit} bytes read)")]
    Endless {
        /// What was being waited for.
        phase: Phase,
        /// Bytes after which reading stopped.
        limit: usize,
        /// How the answer begins.
        head: String,
    },
    /// Something else answers on this port.
    #[error("{spoken} answers here, not {expected}")]
    WrongService {
        /// What should answer.
        expected: Cow<'static, str>,
        /// What does.
        spoken: Spoken,
        /// How its answer begins.
        head: String,
    },
    /// The peer answered, but not with what the protocol asks for.
    #[error("expected {expected}, got {got}")]
    BadReply {
        /// What would have passed, as a noun phrase.
        expected: Cow<'static, str>,
        /// What arrived instead; of raw bytes, at most 32.
        got: String,
    },

    // ---- TLS ----
    /// The certificate's last day has passed.
    #[error("{} expired on {not_after}", one_of_chain(*.link, subject))]
    CertificateExpired {
        /// Last moment of validity, RFC 3339.
        not_after: String,
        /// Whose certificate.
        subject: String,
        /// Which of the chain.
        #[serde(default)]
        link: ChainLink,
    },
    /// The certificate's first day is still to come (or our clock is wrong).
    #[error("{} is not valid before {not_before}", one_of_chain(*.link, subject))]
    CertificateNotYetValid {
        /// First moment of validity, RFC 3339.
        not_before: String,
        /// Whose certificate.
        subject: String,
        /// Which of the chain.
        #[serde(default)]
        link: ChainLink,
    },
    /// Signed by nobody this host trusts.
    #[error("certificate issued by \"{issuer}\", whom this host does not trust")]
    CertificateUnknownIssuer {
        /// Who signed it.
        issuer: String,
        /// Whose certificate.
        subject: String,
    },
    /// Somebody this host does not trust signs in the server's name: the page is public, it comes
    /// through a proxy, or the issuer says of itself that it inspects TLS.
    #[error("TLS to {host} is intercepted: its certificate is issued by \"{issuer}\"")]
    TlsIntercepted {
        /// The name asked for.
        host: String,
        /// Who signed instead of a public authority.
        issuer: String,
    },
    /// A device that inspects TLS shows its own certificate instead of one for the host asked.
    #[error("not {host} answers but a device in between: its certificate is \"{subject}\"")]
    CertificateOfDevice {
        /// The name asked for.
        host: String,
        /// Whose certificate.
        subject: String,
    },
    /// This host trusts no certificate authority at all.
    #[error("this host trusts no certificate authority: its store is empty")]
    TrustStoreEmpty,
    /// Signed by itself.
    #[error("certificate is self-signed (\"{subject}\")")]
    CertificateSelfSigned {
        /// Whose certificate.
        subject: String,
    },
    /// The server sent its own certificate without the one that signed it.
    #[error("the server does not send the intermediate certificate \"{issuer}\"")]
    CertificateIncompleteChain {
        /// The missing link.
        issuer: String,
        /// Whose certificate.
        subject: String,
    },
    /// The certificate is for other names.
    #[error("certificate is not for {expected} but for {}", list(presented))]
    CertificateWrongName {
        /// The name asked for.
        expected: String,
        /// The names it has.
        presented: Vec<String>,
    },
    /// A key is too short for OpenSSL's clients.
    #[error("{} has a key of {bits} bits ({algorithm}); OpenSSL's clients want {least}", one_of_chain(*.link, subject))]
    CertificateWeakKey {
        /// The kind of key.
        algorithm: Cow<'static, str>,
        /// Its length.
        bits: usize,
        /// The least that OpenSSL's clients take.
        least: usize,
        /// Whose certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// The signature uses a digest that OpenSSL's clients no longer take.
    #[error("{} is signed with {digest}, which OpenSSL's clients refuse", one_of_chain(*.link, subject))]
    CertificateWeakSignature {
        /// The digest.
        digest: Cow<'static, str>,
        /// Whose certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// The certificate is for something else than servers.
    #[error("{} is not for a server but for {}", one_of_chain(*.link, subject), list(purposes))]
    CertificateWrongPurpose {
        /// What it is for.
        purposes: Vec<String>,
        /// Whose certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// An authority of the chain may not sign for this name.
    #[error("the authority \"{authority}\" may not sign for {name}")]
    CertificateNameForbidden {
        /// The name outside of what it may sign for.
        name: String,
        /// Whose certificate says so.
        authority: String,
    },
    /// The signature is of a kind that this tool cannot check, and OpenSSL's clients perhaps can.
    #[error("{} is signed with {algorithm}, which preflight cannot check", one_of_chain(*.link, subject))]
    CertificateUnchecked {
        /// How it is signed.
        algorithm: String,
        /// Whose certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// The certificate was refused for another reason.
    #[error("certificate refused: {reason}")]
    CertificateInvalid {
        /// The verifier's words.
        reason: String,
        /// Whose certificate.
        subject: String,
    },
    /// No TLS version in common.
    #[error("no TLS version in common (we speak 1.2 and 1.3; the peer: {peer})")]
    TlsVersion {
        /// What the peer said.
        peer: String,
    },
    /// The peer ended the handshake with an alert.
    #[error("TLS refused by the peer: {alert}")]
    TlsRefused {
        /// The peer's alert.
        alert: String,
    },
    /// The server takes no cipher suite or group that OpenSSL's clients still offer.
    #[error("no TLS cipher suite or group in common: the server takes {server}")]
    TlsNothingInCommon {
        /// What it chose when all there ever was was offered.
        server: String,
    },
    /// The server has no certificate for the name it was asked by, or was asked by none.
    #[error("the server refuses TLS for {}", if *.by_name { format!("the name {name}") } else { format!("{name}: it wants to be asked by a name, not by an address") })]
    TlsNameUnknown {
        /// The name or address asked for.
        name: String,
        /// Was it a name?
        by_name: bool,
    },
    /// The peer closes when a TLS handshake begins.
    #[error("port open, but closed by the peer when TLS begins")]
    TlsClosed {
        /// Who was asked.
        to: SocketAddr,
    },
    /// The peer wants a certificate of ours.
    #[error("the peer wants a client certificate")]
    TlsClientCertificateWanted {
        /// The peer's alert.
        alert: String,
    },
    /// A plain-text protocol was expected and TLS is spoken.
    #[error("TLS is spoken here, {expected} in plain text was expected")]
    TlsUnexpected {
        /// What should answer.
        expected: Cow<'static, str>,
    },

    // ---- NTP ----
    /// The server answers and has no time to give.
    #[error("server is not synchronised (stratum {stratum}, leap indicator {leap})")]
    NtpUnsynchronised {
        /// 0 or 16 mean: none.
        stratum: u8,
        /// 3 means: alarm, not synchronised.
        leap: u8,
        /// Reference id as the server sent it.
        refid: String,
    },
    /// The server refuses to serve us (kiss-o'-death DENY, RSTR).
    #[error("server refuses this client (kiss-o'-death {kiss})")]
    NtpDenied {
        /// The four letters.
        kiss: String,
    },
    /// The server asks us to come less often (kiss-o'-death RATE).
    #[error("server limits our rate (kiss-o'-death RATE)")]
    NtpRateLimited,
    /// The server is too far from a good clock for the program that sets this host's.
    #[error("{client} will not use it: root distance {distance}, at most {limit}")]
    NtpTooFar {
        /// How far it is, at least.
        #[serde(rename = "distance_ms")]
        distance: Millis,
        /// How far it may be.
        #[serde(rename = "limit_ms")]
        limit: Millis,
        /// The program.
        client: String,
    },
    /// Our clock and the server's differ too much.
    #[error("this host's clock is {} (limit {limit_ms} ms)", skew(*.offset_ms))]
    ClockOffset {
        /// Server minus this host, milliseconds.
        offset_ms: i64,
        /// Largest difference that passes, milliseconds.
        limit_ms: i64,
    },

    // ---- DNS ----
    /// The server refuses to answer us.
    #[error("the DNS server refuses to answer {question} to this host (REFUSED)")]
    DnsRefused {
        /// The name asked for.
        question: String,
    },
    /// The server cannot find out.
    #[error("the DNS server fails on {question} (SERVFAIL)")]
    DnsServfail {
        /// The name asked for.
        question: String,
    },
    /// The server fails only because it validates signatures.
    #[error("the DNS server fails to validate {question} (DNSSEC)")]
    DnsValidation {
        /// The name asked for.
        question: String,
    },
    /// The server answers for its own zones only.
    #[error("the DNS server is not a resolver (no recursion)")]
    DnsNotRecursive {
        /// The name asked for.
        question: String,
    },
    /// The server does not look up other zones for us, and was asked for no name of its own.
    #[error(
        "the DNS server does not resolve Internet names for this host, and no name of yours is known to ask it for"
    )]
    DnsNoNameAsked,
    /// The server resolves, but not the name this role needs.
    #[error("the DNS server does not know {name} (NXDOMAIN)")]
    DnsNameNotFound {
        /// The name this role needs.
        name: String,
    },
    /// The name exists, and has neither an IPv4 nor an IPv6 address.
    #[error("the DNS server knows no address of {name}")]
    DnsNameWithoutAddress {
        /// The name this role needs.
        name: String,
    },
    /// The server is there, and has not found out in time.
    #[error("the DNS server is there, but has no answer to {question} within {waited}")]
    DnsUnanswered {
        /// What was asked.
        question: String,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The answer does not fit into a datagram, and TCP does not bring it.
    #[error("the answer to {question} needs TCP 53: {tcp}")]
    DnsTruncated {
        /// What was asked.
        question: String,
        /// How TCP failed; decides who has to act.
        #[serde(flatten, serialize_with = "within::tcp", deserialize_with = "within::because")]
        tcp: Box<Cause>,
    },
    /// The server answers over TCP and not over UDP.
    #[error("the DNS server answers over TCP only; UDP: {udp}")]
    DnsTcpOnly {
        /// How UDP failed; decides who has to act.
        #[serde(flatten, serialize_with = "within::udp", deserialize_with = "within::because")]
        udp: Box<Cause>,
    },
    /// Any other response code.
    #[error("the DNS server answers {rcode} for {question}")]
    DnsFailed {
        /// The response code's name.
        rcode: String,
        /// The name asked for.
        question: String,
    },

    // ---- SMTP ----
    /// The mail server accepted and did not greet while we waited; mailers wait longer.
    #[error("accepts and does not greet within {waited}; mailers wait five minutes")]
    SmtpGreetingLate {
        /// Who was asked.
        to: SocketAddr,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The server greets with a permanent refusal.
    #[error("the mail server refuses this host: {reply} {text}")]
    SmtpRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// The server is too busy or closing.
    #[error("the mail server is not available now: {reply} {text}")]
    SmtpUnavailable {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// A device on the way rewrites the conversation.
    #[error("a device on the way masks the mail server's answers ({banner})")]
    SmtpInspected {
        /// The masked line.
        banner: String,
    },
    /// EHLO and HELO were refused.
    #[error("the mail server refuses our greeting: {reply} {text}")]
    SmtpHelloRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// STARTTLS is offered and does not work.
    #[error("STARTTLS is offered but refused: {reply} {text}")]
    SmtpStarttlsRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// The client sends nothing without TLS, and the server offers none.
    #[error(
        "the mail server offers no STARTTLS, and this host's mail program sends nothing without it"
    )]
    SmtpStarttlsMissing {},
    /// It takes no mail from strangers at their first visit.
    #[error(
        "the mail server puts this host off, as it does with strangers (greylisting): {reply} {text}"
    )]
    SmtpGreylisted {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// It wants a login before it takes mail.
    #[error("the mail server wants a login: {reply} {text}")]
    SmtpAuthenticationWanted {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// A block list names this host's address.
    #[error("the mail server refuses this host, which stands on a block list: {reply} {text}")]
    SmtpBlockListed {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// This host's address has no name in DNS, or one that does not lead back to it.
    #[error(
        "the mail server refuses this host, as DNS has no name for its address: {reply} {text}"
    )]
    SmtpNoReverseName {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// It does not take the sender.
    #[error("the mail server refuses the sender: {reply} {text}")]
    SmtpSenderRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// It takes no mail for others from this host.
    #[error("the mail server does not relay for this host: {reply} {text}")]
    SmtpRelayDenied {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// The test mail asked for was not accepted.
    #[error("the test mail was refused: {text}")]
    SmtpMailRefused {
        /// The server's words.
        text: String,
    },

    // ---- LDAP ----
    /// Name or password refused (result 49).
    #[error("the directory refuses the bind: {reason}")]
    LdapBindRefused {
        /// The reason in words; Active Directory's sub-code decoded.
        reason: String,
        /// Active Directory's sub-code, when there is one.
        sub_code: Option<String>,
    },
    /// The directory wants signing or TLS before it talks (results 8, 13).
    #[error("the directory wants TLS or signing first (result {result})")]
    LdapProtectionRequired {
        /// LDAP result code.
        result: u32,
        /// The server's words.
        text: String,
    },
    /// Any other result that ends the bind.
    #[error("the directory answers {result} ({name}) {text}")]
    LdapRefused {
        /// LDAP result code.
        result: u32,
        /// Its name in RFC 4511.
        name: Cow<'static, str>,
        /// The server's words.
        text: String,
    },
    /// The directory sends whoever binds to another one (result 10).
    #[error("the directory does not hold this bind DN and refers to {}", list(to))]
    LdapReferral {
        /// The servers it names, as URLs.
        to: Vec<String>,
    },
    /// The directory gives up at a limit of its own (results 3, 4, 11).
    #[error("the directory gives up at a limit of its own: {result} ({name}) {text}")]
    LdapLimit {
        /// LDAP result code.
        result: u32,
        /// Its name in RFC 4511.
        name: Cow<'static, str>,
        /// The server's words.
        text: String,
    },
    /// The directory answers questions, and not the bind.
    #[error("the directory answers, but not the bind ({waited})")]
    LdapBindUnanswered {
        /// How long the answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// StartTLS is offered and does not work.
    #[error("StartTLS is offered but refused: result {result} {text}")]
    LdapStarttlsRefused {
        /// LDAP result code.
        result: u32,
        /// The server's words.
        text: String,
    },

    // ---- HTTP and proxies ----
    /// 401 or 403 from the host asked.
    #[error("the web server refuses access ({status})")]
    HttpForbidden {
        /// HTTP status.
        status: u16,
    },
    /// 404 from the host asked.
    #[error("the web server has no such page (404 for {path})")]
    HttpNotFound {
        /// The path asked for.
        path: String,
    },
    /// Any other 4xx.
    #[error("the web server answers {status}")]
    HttpStatus {
        /// HTTP status.
        status: u16,
    },
    /// 5xx.
    #[error("the web server{} fails ({status})", if *.unsigned { ", or a proxy on the way," } else { "" })]
    HttpServerError {
        /// HTTP status.
        status: u16,
        /// In plain text, and neither a server nor a proxy says that it wrote the answer.
        #[serde(default)]
        unsigned: bool,
    },
    /// Something in between answers instead of the host asked.
    #[error("a captive portal answers instead: it sends us to {location}")]
    CaptivePortal {
        /// Where it redirects to.
        location: String,
    },
    /// A page that somebody in between wrote comes with a good status.
    #[error("another page answers instead of {host}: \"{title}\"")]
    PageInstead {
        /// The host asked.
        host: String,
        /// What the page calls itself.
        title: String,
    },
    /// Who follows the redirects comes back to where he was.
    #[error("the web server redirects in a circle, to {location}")]
    RedirectLoop {
        /// The address that comes again.
        location: String,
    },
    /// 407: the proxy wants to know its users in ways this tool does not speak.
    #[error("the proxy wants {}, which preflight does not speak", list(schemes))]
    ProxyScheme {
        /// The proxy, without credentials.
        proxy: String,
        /// Its schemes.
        schemes: Vec<String>,
    },
    /// Something else comes in the place of a package repository's metadata.
    #[error("expected {expected}, got {got}")]
    NotMetadata {
        /// The file that was asked for, as a noun phrase.
        expected: Cow<'static, str>,
        /// A page's title, or how the answer begins.
        got: String,
        /// Inside TLS with a trusted certificate: then it is the server's own answer.
        secure: bool,
    },
    /// 407: the proxy wants credentials, or refuses those given.
    #[error("the proxy wants authentication (407){}", if *.given { ", and refuses the credentials given" } else { "" })]
    ProxyAuthentication {
        /// The proxy, without credentials.
        proxy: String,
        /// Were credentials sent?
        given: bool,
    },
    /// The proxy answers, and says no to this destination.
    #[error("the proxy {proxy} denies {destination} ({status})")]
    ProxyDenied {
        /// The proxy, without credentials.
        proxy: String,
        /// Where we wanted to go.
        destination: String,
        /// HTTP status.
        status: u16,
    },
    /// The proxy answers, and could not reach the destination.
    #[error("the proxy {proxy} cannot reach {destination} ({status}{})", after_comma(error.as_deref()))]
    ProxyCannotReach {
        /// The proxy, without credentials.
        proxy: String,
        /// Where we wanted to go.
        destination: String,
        /// HTTP status.
        status: u16,
        /// The proxy's own word for it: `ERR_DNS_FAIL`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The proxy accepted the question and gives no answer to it.
    #[error("the proxy {proxy} gives no answer about {destination} ({waited})")]
    ProxySilent {
        /// The proxy, without credentials.
        proxy: String,
        /// Where we wanted to go.
        destination: String,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The proxy itself could not be reached.
    #[error("the proxy {proxy} is not usable: {reason}")]
    ProxyUnreachable {
        /// The proxy, without credentials.
        proxy: String,
        /// Why not: the sentence of the cause behind it.
        reason: String,
        /// That cause.
        because: Box<Cause>,
    },

    // ---- ZMTP ----
    /// ZMTP is spoken, with a security mechanism Gorgone does not use.
    #[error("ZMTP {version} with mechanism {mechanism}; Gorgone uses NULL")]
    ZmtpMechanism {
        /// ZMTP version.
        version: String,
        /// The mechanism the peer insists on.
        mechanism: String,
    },
    /// ZMTP is spoken in a version older than Gorgone's.
    #[error("ZMTP {version} is spoken here; Gorgone speaks 3")]
    ZmtpVersion {
        /// ZMTP version.
        version: String,
    },
    /// ZMTP is spoken, and not by Gorgone.
    #[error("a ZeroMQ {socket_type} {} answers, not Gorgone", named(identity))]
    ZmtpOtherService {
        /// Its socket type.
        socket_type: String,
        /// Its identity; empty when it has none.
        identity: String,
    },

    /// A web server answers, and does not hand the path on to Gorgone.
    #[error("a web server answers for {path} ({status}), not Gorgone's WebSocket")]
    GorgoneWebsocketMissing {
        /// The path asked for.
        path: String,
        /// HTTP status.
        status: u16,
    },
    /// A web server hands the path on, and nothing behind it answers.
    #[error("the web server hands {path} on, and Gorgone does not answer there ({status})")]
    GorgoneWebsocketDown {
        /// The path asked for.
        path: String,
        /// HTTP status.
        status: u16,
    },
    /// The WebSocket opens, and Gorgone does not take this poller's token.
    #[error("Gorgone refuses this poller's token: {text}")]
    GorgoneTokenRefused {
        /// Its words.
        text: String,
    },
    /// Gorgone's API refuses whoever asks: its list of hosts, or its login.
    #[error("Gorgone's API refuses {} ({status})", if *.given { "this host, or the login of its own file" } else { "this host, or wants a login" })]
    GorgoneApiRefused {
        /// HTTP status.
        status: u16,
        /// Was a login sent?
        given: bool,
    },
    /// Gorgone's API answers, and knows nothing of pollers: its module proxy is not loaded.
    #[error("Gorgone answers, and knows no pollers: its module proxy is not loaded")]
    GorgoneNoStatus,
    /// Gorgone pings pollers and hears nothing from them, whatever their ports say.
    #[error("Gorgone has had no pong {}", facts::quiet(pollers))]
    NoPong {
        /// Those pollers; at least one.
        pollers: Vec<QuietPoller>,
    },

    // ---- BBDO ----
    /// The broker speaks BBDO 2, and a poller of today speaks 3.
    #[error("the broker speaks BBDO {version}, a poller of today speaks 3")]
    BbdoTwo {
        /// Its version.
        version: String,
    },
    /// The broker's major version is not the poller's.
    #[error("the broker speaks BBDO {theirs}, this poller {ours}: the first number must match")]
    BbdoMajor {
        /// The version asked with.
        ours: String,
        /// Its version.
        theirs: String,
    },
    /// The two ends are configured for different transports.
    #[error("this poller is configured for {ours}, the broker speaks {theirs}")]
    BbdoCarrier {
        /// The poller's, as its files say.
        ours: String,
        /// The broker's.
        theirs: String,
    },
    /// The poller's TLS is anonymous, and does not meet the broker's.
    #[error(
        "this poller's output has no certificate and key: its TLS is anonymous, and fails here"
    )]
    BbdoTlsAnonymous,
    /// The broker's TLS is anonymous, and the poller has a certificate.
    #[error("the broker's TLS is anonymous, this poller's has a certificate: the two do not meet")]
    BbdoTlsNoCertificate,
    /// What the poller trusts does not fit the broker's certificate.
    #[error("the broker's certificate does not pass this poller's check: {because}")]
    BbdoCertificate {
        /// Why not.
        because: Box<Cause>,
    },
    /// The broker hangs up on the poller's certificate.
    #[error("the broker does not take this poller's certificate")]
    BbdoCertificateRefused,
    /// A file of the poller's output is of no use to it.
    #[error("this poller's output cannot use {file}: {why}")]
    BbdoFileUnusable {
        /// Which.
        file: String,
        /// In words.
        why: String,
    },
    /// TLS from the first byte, where BBDO negotiates it inside.
    #[error("a TLS listener answers{}; BBDO over TCP negotiates TLS inside", if *.grpc { " (HTTP/2: BBDO over gRPC with TLS)" } else { "" })]
    BbdoTls {
        /// Does it also agree on HTTP/2, as the gRPC transport does?
        grpc: bool,
    },

    // ---- SSH ----
    /// The server drops us before identifying itself.
    #[error("the SSH server refuses this host for now: {text}")]
    SshRefused {
        /// Its words.
        text: String,
    },
    /// Something accepts on the SSH port and closes before it has said a word.
    #[error("the SSH port closes before a word: TCP wrappers, or a limit for this address")]
    SshClosed {
        /// Who was asked.
        to: SocketAddr,
    },
    /// The SSH server and this machine's own client have no algorithm in common.
    #[error("no {part} in common with this host's SSH client: it offers {}", algorithms(theirs))]
    SshNothingInCommon {
        /// What both sides need one for.
        part: SshPart,
        /// What the server offers.
        theirs: Vec<String>,
        /// What the client of this machine offers.
        ours: Vec<String>,
    },

    /// It answers, and takes so long for each answer that the question could not be brought to its end.
    #[error("too slow: an answer takes {took}, and not all came within {waited}")]
    TooSlow {
        /// Who was asked.
        to: SocketAddr,
        /// What the first answer took.
        #[serde(rename = "took_ms")]
        took: Millis,
        /// How long all of it was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },

    // ---- SNMP ----
    /// The agent is there and does not answer this community.
    #[error("the agent is there, but does not answer this community")]
    SnmpCommunity {
        /// `1` or `2c`.
        version: Cow<'static, str>,
    },
    /// Neither discovery nor a question was answered, and no credentials were given.
    #[error("nothing answers; cannot be told from here")]
    SnmpSilent {
        /// Who was asked.
        to: SocketAddr,
        /// How long.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The agent does not know this user.
    #[error("the agent does not know the user \"{user}\"")]
    SnmpUnknownUser {
        /// The user asked with.
        user: String,
    },
    /// Wrong authentication password or algorithm.
    #[error("the agent refuses the authentication of \"{user}\" (wrong password or algorithm)")]
    SnmpWrongDigest {
        /// The user asked with.
        user: String,
    },
    /// The user exists and has not the level asked for.
    #[error("the agent does not offer the security level {level} to \"{user}\"")]
    SnmpSecurityLevel {
        /// The user asked with.
        user: String,
        /// The level asked for.
        level: Cow<'static, str>,
    },
    /// The agent's clock of boots and time disagrees with ours.
    #[error("the agent rejects our time window (boots {boots}, time {time})")]
    SnmpTimeWindow {
        /// Its boots.
        boots: u32,
        /// Its seconds since boot.
        time: u32,
    },
    /// Wrong privacy password or algorithm.
    #[error("the agent cannot decrypt for \"{user}\" (wrong privacy password or algorithm)")]
    SnmpDecryption {
        /// The user asked with.
        user: String,
    },
    /// The user or the community is known and may not read.
    #[error("the agent does not let {} (authorizationError)", reading(.user.as_deref(), level))]
    SnmpAuthorization {
        /// The user asked with; none: a community.
        user: Option<String>,
        /// The level asked for.
        level: Cow<'static, str>,
    },
    /// The agent answers discovery, and nothing asked by this user.
    #[error("the agent is there, but does not answer \"{user}\" at {level}")]
    SnmpUserIgnored {
        /// The user asked with.
        user: String,
        /// The level asked for.
        level: Cow<'static, str>,
    },
    /// The agent answers, and shows nothing of the system group.
    #[error("the agent answers, but its view hides the system group")]
    SnmpView,

    // ---- NSClient++ ----
    /// NSClient++ is there and does not serve this address.
    #[error("NSClient++ does not allow this host (allowed hosts)")]
    NsclientNotAllowed {
        /// Its words.
        body: String,
    },
    /// NSClient++ refuses, and this version has one answer for both reasons.
    #[error("NSClient++ refuses this host or the password given; it does not say which")]
    NsclientRefused {
        /// Its words.
        body: String,
    },
    /// NSClient++ refuses the password given.
    #[error("NSClient++ refuses the password given")]
    NsclientLogin {
        /// Its words.
        body: String,
    },

    // ---- databases ----
    /// The database refuses this client address.
    #[error("the database refuses this host: {error_code} {text}")]
    DatabaseHostRefused {
        /// The database's error code.
        error_code: String,
        /// Its words.
        text: String,
    },
    /// The database refuses a user who stands for nobody; what it would say to the real one is open.
    #[error(
        "whether the database takes this host cannot be told: user \"{user}\" is refused ({text})"
    )]
    DatabaseUserUntold {
        /// The user asked with.
        user: String,
        /// Its words.
        text: String,
    },
    /// The database greets with an error.
    #[error("the database answers with an error: {error_code} {text}")]
    DatabaseError {
        /// The database's error code.
        error_code: String,
        /// Its words.
        text: String,
    },

    // ---- Redis ----
    /// It has no password, and so lets nobody ask from another machine.
    #[error("Redis is in protected mode: without a password it serves its own machine only")]
    RedisProtected,
    /// The password or the user is refused, or one is wanted that was not given.
    #[error("Redis refuses the log-in: {text}")]
    RedisLogin {
        /// Redis' words.
        text: String,
    },
    /// The access list forbids this user even PING.
    #[error("Redis does not let this user ask: {text}")]
    RedisNotPermitted {
        /// Redis' words.
        text: String,
    },
    /// It has just been started and reads its data.
    #[error("Redis is still loading its data into memory")]
    RedisLoading,
    /// A replica that has lost its master, and was told not to serve old data.
    #[error("this Redis is a replica that has lost its master, and answers nothing meanwhile")]
    RedisMasterDown,
    /// It cannot save, and takes no changes until it can.
    #[error("Redis cannot write to its disk: {text}")]
    RedisDisk {
        /// Redis' words.
        text: String,
    },
    /// Every place for a client is taken.
    #[error("Redis has reached its number of clients (maxclients)")]
    RedisFull,

    // ---- ourselves ----
    /// The probe itself broke. Ours to mend.
    #[error("the probe itself broke: {message}")]
    ProbePanicked {
        /// What the panic said.
        message: String,
    },
    /// The run was interrupted before this step was finished.
    #[error("interrupted before it was finished")]
    Interrupted,
}

impl Cause {
    /// Name used in reports and in `docs/causes.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        Code::from(self).into()
    }

    /// Cannot be told from this side: the outcome is `unknown`, not `fail`.
    #[must_use]
    pub fn is_inconclusive(&self) -> bool {
        if let Self::FailsInsideVpn { because, .. } = self {
            return because.is_inconclusive();
        }
        matches!(
            self,
            Self::SnmpSilent { .. }
                | Self::CertificateUnchecked { .. }
                | Self::DatabaseUserUntold { .. }
                | Self::SmtpGreetingLate { .. }
                | Self::DnsNoNameAsked
                | Self::NameServerElsewhere { .. }
                | Self::NameFileUnread { .. }
                | Self::ListenersUnknown { .. }
                | Self::ProbePanicked { .. }
                | Self::Interrupted
        )
    }

    /// The target itself says that nothing listens: the path to it is open.
    ///
    /// Before installation that is what a good network looks like.
    #[must_use]
    pub fn is_path_open(&self) -> bool {
        matches!(self, Self::PortClosed { .. } | Self::NothingListens { .. })
    }

    /// A silence that answers may have come to all the same: whom, and how long.
    #[must_use]
    pub fn unheard(&self) -> Option<(SocketAddr, Millis)> {
        match self {
            &Self::NoAnswer { to, waited, .. }
            | &Self::SnmpSilent { to, waited }
            | &Self::PortSilent { to, waited, .. }
            | &Self::PortSilentAfter { to, waited, .. }
            | &Self::PortSilentOnSegment { to, waited, .. }
            | &Self::HostSilentAfter { to, waited, .. } => Some((to, waited)),
            Self::DnsTcpOnly { udp: because }
            | Self::ProxyUnreachable { because, .. }
            | Self::VpnNotUsed { because, .. }
            | Self::FailsInsideVpn { because, .. } => because.unheard(),
            _ => None,
        }
    }

    /// The same silence, explained: the answers came, and this host drops them.
    ///
    /// Any other cause stays what it is.
    #[must_use]
    pub fn dropped_here(&self, how: DropSign) -> Self {
        match (self, self.unheard()) {
            (Self::DnsTcpOnly { udp }, Some(_)) => {
                Self::DnsTcpOnly { udp: Box::new(udp.dropped_here(how)) }
            }
            (Self::ProxyUnreachable { proxy, because, .. }, Some(_)) => {
                let because = because.dropped_here(how);
                let (proxy, reason) = (proxy.clone(), because.to_string());
                Self::ProxyUnreachable { proxy, reason, because: Box::new(because) }
            }
            (Self::VpnNotUsed { vpn, to, route, tunnels, because }, Some(_)) => {
                let (vpn, to, tunnels) = (vpn.clone(), *to, tunnels.clone());
                let because = Box::new(because.dropped_here(how));
                Self::VpnNotUsed { vpn, to, route: route.clone(), tunnels, because }
            }
            // What this host does is no matter of the VPN's.
            (Self::FailsInsideVpn { because, .. }, Some(_)) => because.dropped_here(how),
            (_, Some((to, waited))) => Self::ReplyDroppedHere { to, how, waited },
            (other, None) => other.clone(),
        }
    }

    /// `expected` was not in `bytes`; keeps the first 32 of them, escaped.
    pub(crate) fn bad_reply(expected: &'static str, bytes: &[u8]) -> Self {
        Self::BadReply { expected: expected.into(), got: crate::wire::head(bytes) }
    }
}

/// A comma and the word, or nothing.
fn after_comma(word: Option<&str>) -> String {
    word.map(|word| format!(", {word}")).unwrap_or_default()
}

/// How a ZeroMQ peer calls itself.
fn named(identity: &str) -> String {
    match identity {
        "" => "without a name".to_owned(),
        name => format!("named \"{name}\""),
    }
}

/// " (10.0.0.53: no answer)", or nothing when no server was asked.
fn said_by(servers: &[Opinion]) -> String {
    let said: Vec<String> = servers.iter().map(ToString::to_string).collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// Why a name server cannot be asked.
fn out_of_reach(server: IpAddr, because: &Cause) -> String {
    match because {
        Cause::NoRoute { route, .. } => format!("no route to the name server {server} ({route})"),
        other => format!("the name server {server} is out of reach: {other}"),
    }
}

/// " (10.0.0.0/8 dev eth0)", or nothing.
fn in_brackets(entry: Option<&RouteEntry>) -> String {
    entry.map(|entry| format!(" ({entry})")).unwrap_or_default()
}

/// "intermediate certificate \"CN=…\""; the server's own needs no name.
fn one_of_chain(link: ChainLink, subject: &str) -> String {
    match link {
        ChainLink::Server => link.to_string(),
        ChainLink::Intermediate | ChainLink::Root => format!("{link} \"{subject}\""),
    }
}

/// Names in a sentence: at most four, then how many more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        0 => "nothing".to_owned(),
        n if n <= SHOWN => names.join(", "),
        n => {
            let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            format!("{} and {} more", shown.join(", "), n - SHOWN)
        }
    }
}

/// SSH's algorithms in a sentence, without the extensions that stand among them.
fn algorithms(names: &[String]) -> String {
    let is_extension =
        |name: &&String| name.starts_with("ext-info-") || name.starts_with("kex-strict-");
    list(&names.iter().filter(|name| !is_extension(name)).cloned().collect::<Vec<_>>())
}

/// Who was not let in; a community is a secret and stays unnamed.
fn reading(user: Option<&str>, level: &str) -> String {
    user.map_or("this community read".to_owned(), |user| format!("\"{user}\" read at {level}"))
}

/// "no further than 10.9.0.1", of [`Cause::FilteredBetween`].
fn no_further_than(after: Option<IpAddr>) -> String {
    after.map_or_else(|| "to no router".to_owned(), |by| format!("no further than {by}"))
}

/// "by 10.9.0.1 (hop 2) or right behind it", of [`Cause::PathReset`].
fn place_of_reset(hop: u8, by: Option<IpAddr>) -> String {
    match (hop, by) {
        (0, _) => "before the first router".to_owned(),
        (hop, Some(by)) => format!("by {by} (hop {hop}) or right behind it"),
        (hop, None) => format!("at hop {hop}, which names itself to nobody, or right behind it"),
    }
}

/// "10.9.0.1 (hop 2)", of [`Cause::CutOff`].
fn device_at(hop: u8, by: Option<IpAddr>) -> String {
    by.map_or_else(
        || format!("a device at hop {hop}, which names itself to nobody"),
        |by| format!("{by} (hop {hop})"),
    )
}

/// " (ICMP 3/10, …)"; without: what a closed UDP port says.
fn said_so(icmp: Option<Icmp>) -> String {
    icmp.map_or_else(|| " (nothing listens there, it says)".to_owned(), |icmp| format!(" ({icmp})"))
}

/// "none of our 8 bytes was" or "1400 of our 1421 bytes were".
fn our_bytes(missing: u64, sent: u64) -> String {
    if missing >= sent {
        format!("none of our {sent} bytes was")
    } else {
        format!("{missing} of our {sent} bytes were")
    }
}

/// "2 of 5 connections open: one of several paths is dead (source ports 40001, 40003, 40005)"
fn dead_path(transport: Transport, open: &[u16], dead: &[u16]) -> String {
    let count = open.len();
    let what = match (transport, count) {
        (Transport::Tcp, 1) => "connections opens",
        (Transport::Tcp, _) => "connections open",
        (Transport::Udp, 1) => "source ports is answered",
        (Transport::Udp, _) => "source ports are answered",
    };
    let ports = dead.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let plural = if dead.len() == 1 { "" } else { "s" };
    let all = count + dead.len();
    format!("{count} of {all} {what}: one of several paths is dead (source port{plural} {ports})")
}

/// "greeting is lost" or "answers to EHLO are lost".
fn lost(asked: Option<&str>) -> String {
    asked.map_or_else(
        || "first words are lost".to_owned(),
        |asked| format!("answers to {asked} are lost"),
    )
}

/// "no answer to EHLO" or "nothing more".
fn missing(asked: Option<&str>) -> String {
    asked.map_or_else(|| "nothing more".to_owned(), |asked| format!("no answer to {asked}"))
}

/// "3599.9 s behind" or "12 ms ahead", from server minus this host.
fn skew(offset_ms: i64) -> String {
    let side = if offset_ms < 0 { "ahead" } else { "behind" };
    let amount = offset_ms.unsigned_abs();
    if amount < 10_000 {
        format!("{amount} ms {side}")
    } else {
        format!("{}.{} s {side}", amount / 1_000, amount % 1_000 / 100)
    }
}
