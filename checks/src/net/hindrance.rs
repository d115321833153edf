//! Hindrance: what of this host itself keeps an answer away, where the failure looks like another's?
//!
//! A cable that is not plugged in, a hop limit of one, a link address set by hand and an address
//! that nobody can answer to all end as a silence, or as a refusal by a router that does its duty. The
//! kernel tells of each, to everybody; nothing is sent for that.
//!
//! Reference: `rtnetlink(7)`, `ip(7)` `IP_TTL`, `ipv6(7)` `IPV6_UNICAST_HOPS`, RFC 4007 §6 (scopes).

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::link::{FALLBACKS, Link, Tunnel, links, taken_by_another};
use super::neighbour::{is_given_up, set_by_hand};
use super::route::{entry_for, for_many, is_here};
use super::rule::holding_back;
use crate::cause::{
    Cause, LinkFault, LocalFirewallSign, LocalRoute, ManyHosts, Millis, PathCause, Phase,
    RouteCause, SnmpCause, SourceFault, Transport,
};

/// What of this host explains `failure`, met when `to` was asked `from` that address of ours.
///
/// `None` when nothing does.
pub(crate) fn hindrance(
    failure: &Cause,
    to: SocketAddr,
    from: Option<IpAddr>,
    over: Transport,
) -> Option<Cause> {
    if let Some(inner) = failure.inner() {
        return Some(failure.with_inner(hindrance(inner, to, from, over)?));
    }
    let is_unheard = failure.unheard().is_some();
    match failure {
        &Cause::Route(RouteCause::NoRoute { to: address, route }) => {
            if let Some(how) = for_many(address) {
                return Some(RouteCause::NotAHost { to: address, how }.into());
            }
            // An address of a name server stands in the cause alone.
            let to = if to.ip() == address { to } else { SocketAddr::new(address, DOMAIN) };
            if let Some(rule) = holding_back(to, from, over, route) {
                return Some(RouteCause::HeldByRule { to, rule }.into());
            }
            if route != LocalRoute::Missing {
                return None;
            }
            let (interface, fault) = only_link_that_is_down(&links()?)?;
            Some(RouteCause::LinkDown { to: address, interface, fault }.into())
        }
        &Cause::Route(RouteCause::LocalFirewall { to, how: LocalFirewallSign::NotPermitted }) => {
            let is_blocked = grows_with_each(POLICY_BLOCKS, to, over == Transport::Tcp);
            is_blocked.then(|| RouteCause::IpsecBlocks { to }.into())
        }
        &Cause::Path(PathCause::HopLimitExceeded { to, by, .. }) => {
            let limit = own_hop_limit(to).filter(|limit| *limit < FEWEST)?;
            Some(RouteCause::HopLimitTooLow { to, by, limit }.into())
        }
        // Without a carrier nobody is asked for a link address, or asked in vain.
        Cause::Route(RouteCause::LocalFirewall { how: LocalFirewallSign::OutputDrop, .. }) => {
            link_down(to.ip(), from)
        }
        Cause::Route(RouteCause::GatewaySilent { .. } | RouteCause::RouteOnLink { .. })
        | Cause::Path(PathCause::NoNeighbour { .. }) => {
            link_down(to.ip(), from).or_else(|| asks_nobody(to, from))
        }
        Cause::Path(PathCause::PathRejected { .. } | PathCause::NetUnreachable { .. }) => {
            own_link_only(to.ip(), from?)
        }
        _ if is_unheard && to.ip().is_multicast() => {
            Some(RouteCause::NotAHost { to: to.ip(), how: ManyHosts::Multicast }.into())
        }
        _ if is_unheard => link_down(to.ip(), from)
            .or_else(|| own_link_only(to.ip(), from?))
            .or_else(|| held_back(failure)),
        _ => None,
    }
}

/// The same for a silence in which nothing at all answers: was the next hop's link address set by hand?
pub(crate) fn hand_set_neighbour(silence: &Cause, from: Option<IpAddr>) -> Option<Cause> {
    if let Some(inner) = silence.inner() {
        return Some(silence.with_inner(hand_set_neighbour(inner, from)?));
    }
    let (to, waited): (SocketAddr, Millis) = match *silence {
        Cause::Path(PathCause::NoAnswer { to, waited, .. })
        | Cause::Snmp(SnmpCause::SnmpSilent { to, waited }) => (to, waited),
        _ => return None,
    };
    let entry = entry_for(to.ip(), from)?;
    let neighbour = entry.via.unwrap_or(to.ip());
    let link = set_by_hand(neighbour, &entry.interface)?;
    let interface = entry.interface;
    Some(RouteCause::NeighbourByHand { to, neighbour, link, interface, waited }.into())
}

/// Is the interface off that packets to `to` leave by?
fn link_down(to: IpAddr, from: Option<IpAddr>) -> Option<Cause> {
    let links = links()?;
    // Where nothing is off, and ten thousand devices are silent, the kernel is asked for no route.
    if links.iter().all(|link| fault_of(link).is_none()) {
        return None;
    }
    let mut links = links.into_iter();
    let link = if is_here(to) {
        links.find(|link| link.is_loopback)?
    } else {
        let interface = entry_for(to, from)?.interface;
        links.find(|link| link.name == interface)?
    };
    let fault = fault_of(&link)?;
    Some(RouteCause::LinkDown { to, interface: link.name, fault }.into())
}

/// A tunnel without its program is the VPN's matter.
fn fault_of(link: &Link) -> Option<LinkFault> {
    match link {
        Link { is_up: true, .. } | Link { tunnel: Tunnel::Yes | Tunnel::Perhaps, .. } => None,
        Link { is_on: false, .. } => Some(LinkFault::SwitchedOff),
        _ => Some(LinkFault::NoCarrier),
    }
}

/// Of a host all of whose network interfaces are off: the first of them.
fn only_link_that_is_down(links: &[Link]) -> Option<(String, LinkFault)> {
    let mut real =
        links.iter().filter(|link| !link.is_loopback && !FALLBACKS.contains(&link.name.as_str()));
    if real.clone().any(|link| link.is_up) {
        return None;
    }
    real.find_map(|link| Some((link.name.clone(), fault_of(link)?)))
}

/// The cause when packets for `to` leave from an address that is known on one link alone.
fn own_link_only(to: IpAddr, from: IpAddr) -> Option<Cause> {
    let is_of_a_link = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let how = SourceFault::LinkLocal;
    let is_needless = !is_of_a_link(from) || is_of_a_link(to) || to.is_loopback();
    if is_needless {
        return None;
    }
    let taken = if to.is_ipv6() { taken_by_another() } else { None };
    Some(match taken {
        Some(from) => RouteCause::SourceUnusable { from, to, how: SourceFault::Duplicate }.into(),
        None => RouteCause::SourceUnusable { from, to, how }.into(),
    })
}

/// Is no IPv6 neighbour asked for its link address, since a rule of this host's own drops the questions?
///
/// A packet to a neighbour that was given up has the kernel ask at once, and count that it asked; it does not count
/// what is dropped before it leaves.
fn asks_nobody(to: SocketAddr, from: Option<IpAddr>) -> Option<Cause> {
    if to.is_ipv4() {
        return None;
    }
    let entry = entry_for(to.ip(), from)?;
    let neighbour = entry.via.unwrap_or(to.ip());
    let is_given_up = || is_given_up(neighbour, &entry.interface);
    let asked = || count_of("/proc/net/snmp6", SOLICITATIONS);
    let before = is_given_up().then(asked)??;
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP)).ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect(&to.into()).ok()?;
    let _waits_for_the_neighbour = socket.send(&[]);
    // Else it was another packet that had the kernel ask, a moment ago.
    let is_asked_anew = !is_given_up();
    let how = LocalFirewallSign::NoSolicitation;
    (is_asked_anew && asked()? == before).then(|| RouteCause::LocalFirewall { to, how }.into())
}

/// Are packets for the peer that was not heard held back, as a policy of `IPsec` wants a tunnel for them that is not up?
fn held_back(silence: &Cause) -> Option<Cause> {
    let (to, waited) = silence.unheard()?;
    let is_tcp = matches!(silence, Cause::Path(PathCause::NoAnswer { phase: Phase::Connect, .. }));
    let is_held = grows_with_each(NO_TUNNEL, to, is_tcp);
    is_held.then(|| RouteCause::IpsecDown { to, waited }.into())
}

/// Does that count of what `IPsec` does with packets grow with each of two packets to `to`?
///
/// The kernel counts for everybody to read; the count is the whole host's.
fn grows_with_each(counter: &str, to: SocketAddr, is_tcp: bool) -> bool {
    // Most hosts have no such policy, and never counted anything: nothing is sent to find that out.
    let counts = || count_of("/proc/net/xfrm_stat", counter).filter(|count| *count > 0);
    let grows = || {
        let before = counts()?;
        let kind = if is_tcp { Type::STREAM } else { Type::DGRAM };
        let socket = Socket::new(Domain::for_address(to), kind, None).ok()?;
        socket.set_nonblocking(true).ok()?;
        let _under_way_or_refused = socket.connect(&to.into());
        if !is_tcp {
            let _held_back_or_not = socket.send(&[]);
        }
        counts().filter(|after| *after > before)
    };
    grows().and_then(|_| grows()).is_some()
}

/// A counter of the kernel's, a line each in `table`; `None` where it does not count.
fn count_of(table: &str, counter: &str) -> Option<u64> {
    let counters = std::fs::read_to_string(table).ok()?;
    let count = counters.lines().find_map(|line| line.strip_prefix(counter))?;
    count.trim().parse().ok()
}

/// The hop limit that a packet of this host to `to` begins with.
fn own_hop_limit(to: IpAddr) -> Option<u8> {
    let to = SocketAddr::new(to, DISCARD);
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP)).ok()?;
    let limit = if to.is_ipv4() {
        socket.ttl_v4().ok()?
    } else {
        // What a router advertises is known once the kernel has chosen the way; that sends nothing.
        socket.connect(&to.into()).ok()?;
        socket.unicast_hops_v6().ok()?
    };
    u8::try_from(limit).ok()
}

/// The longest paths of the Internet are about as long; systems begin with 64, 128 or 255.
const FEWEST: u8 = 30;
/// Any port does: nothing is sent.
const DISCARD: u16 = 9;
/// A name server's.
const DOMAIN: u16 = 53;
/// How often this host has asked for the link address of an IPv6 neighbour.
const SOLICITATIONS: &str = "Icmp6OutNeighborSolicits";
/// The counters of packets that found no tunnel, and of those that a policy forbids.
const NO_TUNNEL: &str = "XfrmOutNoStates";
const POLICY_BLOCKS: &str = "XfrmOutPolBlock";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Icmp;
    use std::time::Duration;

    fn link(name: &str, is_on: bool, is_up: bool) -> Link {
        let tunnel = Tunnel::No;
        Link {
            name: name.to_owned(),
            is_on,
            is_up,
            is_loopback: name == "lo",
            tunnel,
            is_enslaved: false,
        }
    }

    #[test]
    fn a_host_without_a_link_is_told_from_one_that_lacks_a_route() {
        let lo = link("lo", true, true);
        let off = link("eth0", false, false);
        let unplugged = link("eth1", true, false);
        let told = |links: &[Link]| only_link_that_is_down(links);
        let name = |name: &str| name.to_owned();
        assert_eq!(told(std::slice::from_ref(&lo)), None);
        assert_eq!(told(&[lo.clone(), off.clone()]), Some((name("eth0"), LinkFault::SwitchedOff)));
        assert_eq!(told(&[lo.clone(), unplugged]), Some((name("eth1"), LinkFault::NoCarrier)));
        assert_eq!(told(&[lo, off, link("eth2", true, true)]), None);
    }

    #[test]
    fn an_address_of_one_link_cannot_be_answered_from_elsewhere() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (to, from, is_told) in [
            ("fd00::3", "fe80::7", true),
            ("10.0.0.3", "169.254.7.7", true),
            ("fe80::3", "fe80::7", false),
            ("169.254.1.1", "169.254.7.7", false),
            ("fd00::3", "fd00:2::7", false),
        ] {
            assert_eq!(own_link_only(ip(to), ip(from)).is_some(), is_told, "{to} from {from}");
        }
    }

    #[test]
    fn a_loop_is_not_taken_for_our_own_hop_limit() {
        let (to, by) = ([127, 0, 0, 9].into(), [10, 9, 0, 1].into());
        let icmp = Icmp::V4 { kind: 11, code: 0 };
        let looped = Cause::Path(PathCause::HopLimitExceeded { to, by, icmp, seen: None });
        assert_eq!(hindrance(&looped, SocketAddr::new(to, 9), None, Transport::Udp), None);
        assert!(own_hop_limit(to).is_some_and(|limit| limit >= FEWEST));
        assert!(own_hop_limit("::1".parse().unwrap()).is_some_and(|limit| limit >= FEWEST));
    }

    #[test]
    fn a_silence_of_a_healthy_host_stays_a_silence() {
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        let waited = Millis(Duration::from_secs(4));
        let silence = Cause::Path(PathCause::NoAnswer { to, phase: Phase::Connect, waited });
        assert_eq!(hindrance(&silence, to, Some(to.ip()), Transport::Tcp), None);
        assert_eq!(hand_set_neighbour(&silence, None), None);
    }
}
