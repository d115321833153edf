//! Route: by which entry of this host's routing table does a packet to an address leave?
//!
//! Asked of the kernel over netlink, which needs no privilege and sends nothing: once for the next
//! hop, once for the entry itself. An old kernel that does not tell the entry tells the next hop.
//!
//! Reference: `rtnetlink(7)`, `RTM_GETROUTE`; `RTM_F_FIB_MATCH` since Linux 4.13.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::net::if_::if_indextoname;

use super::netlink::{self, ATTRIBUTE, HEADER, attributes};
use crate::cause::{Cause, ManyHosts, Millis, PathCause, RouteCause, RouteEntry};

/// The entry by which a packet to `to` leaves, `from` that address of ours; `None` when there is none, or the kernel does not tell.
pub(crate) fn entry_for(to: IpAddr, from: Option<IpAddr>) -> Option<RouteEntry> {
    let next = FoundRoute::read(&ask(to, from, 0)?)?;
    // Having chosen an address of ours, the kernel looks once more: there may be rules for that one.
    let from = from.or_else(|| next.from.filter(IpAddr::is_ipv4));
    let again = from.and_then(|from| FoundRoute::read(&ask(to, Some(from), 0)?));
    let next = again.unwrap_or(next);
    // A route of several next hops names them all there: only the first answer tells which is taken.
    let entry = ask(to, from, FIB_MATCH).and_then(|answer| FoundRoute::read(&answer));
    let (network, length, is_own) = match entry {
        Some(FoundRoute { network, length, is_own, .. }) => (network, length, is_own),
        None => (Some(to), if to.is_ipv4() { 32 } else { 128 }, false),
    };
    Some(RouteEntry {
        network: network.unwrap_or(unspecified(to)),
        length,
        via: next.via,
        interface: if_indextoname(next.interface?).ok()?.into_string().ok()?,
        is_own,
    })
}

/// Is it an address of this host itself?
pub(crate) fn is_here(to: IpAddr) -> bool {
    let answer = ask(to, None, 0).unwrap_or_default();
    answer.get(HEADER + 7) == Some(&libc::RTN_LOCAL)
}

/// Is it an address of many hosts, as the kernel takes it?
pub(super) fn for_many(to: IpAddr) -> Option<ManyHosts> {
    if to.is_multicast() {
        return Some(ManyHosts::Multicast);
    }
    let answer = ask(to, None, 0)?;
    (answer.get(HEADER + 7) == Some(&libc::RTN_BROADCAST)).then_some(ManyHosts::Broadcast)
}

/// What a look-up of the neighbour that came to nothing means: who should have answered?
pub(crate) fn nobody_answers(to: IpAddr, entry: Option<RouteEntry>, waited: Millis) -> Cause {
    match entry {
        Some(entry) => match entry.via {
            Some(gateway) => Cause::Route(RouteCause::GatewaySilent { to, gateway, entry, waited }),
            None if entry.is_own => {
                Cause::Path(PathCause::NoNeighbour { to, entry: Some(entry), waited })
            }
            None => Cause::Route(RouteCause::RouteOnLink { to, entry, waited }),
        },
        None => Cause::Path(PathCause::NoNeighbour { to, entry: None, waited }),
    }
}

/// The router that an address of the family of `like` is reached by when nothing else is known.
pub(super) fn gateway_like(like: IpAddr) -> Option<IpAddr> {
    let anywhere = match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    };
    entry_for(anywhere, None)?.via
}

/// What the kernel answers when it is asked for the route to `to`.
fn ask(to: IpAddr, from: Option<IpAddr>, flags: u32) -> Option<Vec<u8>> {
    netlink::ask(libc::RTM_GETROUTE, &question(to, from, flags))
}

/// `rtmsg`, and the addresses as attributes.
fn question(to: IpAddr, from: Option<IpAddr>, flags: u32) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut addresses = vec![(libc::RTA_DST, octets(to))];
    addresses.extend(from.map(|from| (libc::RTA_SRC, octets(from))));
    let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let bits = byte(octets(to).len() * 8);
    let of_source = if from.is_some() { bits } else { 0 };
    let family = u8::try_from(family).unwrap_or_default();
    let mut bytes = Vec::new();
    // Type of service, table, protocol, scope and type are left open.
    bytes.extend([family, bits, of_source, 0, 0, 0, 0, 0]);
    bytes.extend(flags.to_ne_bytes());
    for (kind, octets) in addresses {
        bytes.extend(u16::from(byte(ATTRIBUTE + octets.len())).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(octets);
    }
    bytes
}

/// What one answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FoundRoute {
    network: Option<IpAddr>,
    length: u8,
    via: Option<IpAddr>,
    interface: Option<u32>,
    is_own: bool,
    /// The address of ours that the kernel would choose.
    from: Option<IpAddr>,
}

impl FoundRoute {
    /// `None` for an error, or for a route that leads nowhere.
    fn read(answer: &[u8]) -> Option<Self> {
        let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
        let [family, length, _, _, _, protocol, _, route_type] =
            *answer.get(HEADER..)?.first_chunk()?;
        if kind != libc::RTM_NEWROUTE || route_type != libc::RTN_UNICAST {
            return None;
        }
        let mut found = Self {
            network: None,
            length,
            via: None,
            interface: None,
            is_own: [libc::RTPROT_KERNEL, RTPROT_RA].contains(&protocol),
            from: None,
        };
        let is_v4 = i32::from(family) == libc::AF_INET;
        for (kind, value) in attributes(answer.get(HEADERS..)?) {
            match kind {
                libc::RTA_DST => found.network = address(is_v4, value),
                libc::RTA_PREFSRC => found.from = address(is_v4, value),
                libc::RTA_GATEWAY => found.via = address(is_v4, value),
                RTA_VIA => found.via = address(value.len() == 2 + 4, value.get(2..)?),
                libc::RTA_OIF => {
                    found.interface = value.first_chunk().map(|index| u32::from_ne_bytes(*index));
                }
                _ => {}
            }
        }
        Some(found)
    }
}

pub(super) fn address(is_v4: bool, bytes: &[u8]) -> Option<IpAddr> {
    if is_v4 {
        bytes.first_chunk::<4>().map(|octets| IpAddr::from(*octets))
    } else {
        bytes.first_chunk::<16>().map(|octets| IpAddr::from(*octets))
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Bytes of `nlmsghdr` and `rtmsg`.
const HEADERS: usize = HEADER + 12;
/// `RTM_F_FIB_MATCH`: the entry rather than the route made from it.
const FIB_MATCH: u32 = 0x2000;
/// `RTA_VIA`: a router of the other family, its number before its address.
const RTA_VIA: u16 = 18;
/// `RTPROT_RA`: from a router's advertisement, which also tells which network is on the segment.
const RTPROT_RA: u8 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const WAITED: Millis = Millis(Duration::from_secs(3));

    fn entry(via: Option<IpAddr>, is_own: bool) -> RouteEntry {
        let (network, interface) = (IpAddr::from([198, 18, 0, 0]), "eth0".to_owned());
        RouteEntry { network, length: 15, via, interface, is_own }
    }

    #[test]
    fn whoever_should_have_answered_is_named() {
        let (to, gateway) = (IpAddr::from([198, 18, 0, 9]), IpAddr::from([10, 2, 0, 99]));
        let behind = entry(Some(gateway), false);
        assert_eq!(
            nobody_answers(to, Some(behind.clone()), WAITED),
            Cause::Route(RouteCause::GatewaySilent { to, gateway, entry: behind, waited: WAITED })
        );
        let own = entry(None, true);
        assert_eq!(
            nobody_answers(to, Some(own.clone()), WAITED),
            Cause::Path(PathCause::NoNeighbour { to, entry: Some(own), waited: WAITED })
        );
        let written = entry(None, false);
        assert_eq!(
            nobody_answers(to, Some(written.clone()), WAITED),
            Cause::Route(RouteCause::RouteOnLink { to, entry: written, waited: WAITED })
        );
        assert_eq!(
            nobody_answers(to, None, WAITED),
            Cause::Path(PathCause::NoNeighbour { to, entry: None, waited: WAITED })
        );
    }

    #[test]
    fn an_entry_reads_as_ip_route_writes_it() {
        assert_eq!(entry(None, false).to_string(), "198.18.0.0/15 dev eth0");
        let default = RouteEntry {
            network: Ipv6Addr::UNSPECIFIED.into(),
            length: 0,
            via: Some("fd00:2::99".parse().unwrap()),
            ..entry(None, false)
        };
        assert_eq!(default.to_string(), "default via fd00:2::99 dev eth0");
    }

    #[test]
    fn an_answer_with_two_families_and_strange_attributes_is_read() {
        let mut answer = vec![0; HEADERS];
        answer[4..6].copy_from_slice(&libc::RTM_NEWROUTE.to_ne_bytes());
        answer[HEADER..HEADER + 8].copy_from_slice(&[2, 15, 0, 0, 254, 3, 0, libc::RTN_UNICAST]);
        let mut add = |kind: u16, value: &[u8]| {
            let length = u16::try_from(ATTRIBUTE + value.len()).unwrap();
            answer.extend(length.to_ne_bytes());
            answer.extend(kind.to_ne_bytes());
            answer.extend(value);
            answer.resize(answer.len().next_multiple_of(4), 0);
        };
        add(99, b"odd");
        add(libc::RTA_DST, &[198, 18, 0, 0]);
        let router = "fe80::1".parse::<Ipv6Addr>().unwrap();
        add(RTA_VIA, &[&10_u16.to_ne_bytes()[..], &router.octets()].concat());
        add(libc::RTA_OIF, &7_u32.to_ne_bytes());
        add(libc::RTA_PREFSRC, &[10, 2, 0, 7]);
        let expected = FoundRoute {
            network: Some([198, 18, 0, 0].into()),
            length: 15,
            via: Some(router.into()),
            interface: Some(7),
            is_own: false,
            from: Some([10, 2, 0, 7].into()),
        };
        assert_eq!(FoundRoute::read(&answer), Some(expected));
        for length in 0..answer.len() {
            let _no_panic = FoundRoute::read(&answer[..length]);
        }
        answer[HEADER + 7] = libc::RTN_BLACKHOLE;
        assert_eq!(FoundRoute::read(&answer), None);
    }

    #[test]
    fn what_goes_nowhere_near_a_network_has_no_entry() {
        // Loopback is of type `local`: nobody has to be found for it.
        assert_eq!(entry_for([127, 0, 0, 1].into(), None), None);
        assert_eq!(entry_for(Ipv6Addr::LOCALHOST.into(), None), None);
        assert!(is_here([127, 0, 0, 1].into()) && is_here(Ipv6Addr::LOCALHOST.into()));
    }
}
