//! Neighbour: does a host of this host's own segment answer for its address, whatever its ports do?
//!
//! Whoever speaks to it first has the kernel ask for its link address (ARP, or IPv6 neighbour
//! discovery), which no packet filter for IP drops. The kernel keeps the answer in a table that
//! everybody may read over netlink; nothing is sent for that.
//!
//! Reference: `rtnetlink(7)`, `RTM_GETNEIGH`; RFC 4861 §7.3.2 for the states.

use std::net::IpAddr;
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tokio::time::Instant;

use super::Deadline;
use super::netlink::{HEADER, attributes, dump};
use super::route::{address, gateway_like};

/// What a neighbour's entry says once the kernel has done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The neighbour itself has answered for its address lately.
    Answers,
    /// The kernel asks it, and nobody answers.
    Silent,
    /// It cannot be told until the deadline, or another may answer for it.
    Untold,
}

/// Does the neighbour answer for its address, after a packet was sent to it?
///
/// An entry that was known before may be out of date: the kernel sends by it all the same, and asks
/// anew five seconds later (`delay_first_probe_time`), each second.
pub(crate) async fn sign_of(to: IpAddr, interface: Option<&str>, deadline: Deadline) -> Sign {
    let index = interface.and_then(|name| if_nametoindex(name).ok());
    let mut asked_since: Option<Instant> = None;
    loop {
        let table = table(to).unwrap_or_default();
        let is_it = |entry: &&NeighbourEntry| {
            entry.of == to && index.is_none_or(|index| entry.interface == index)
        };
        let Some(own) = table.iter().find(is_it) else { return Sign::Untold };
        match own.state {
            NeighbourState::Reachable if is_no_router(own, &table) => return Sign::Answers,
            NeighbourState::Failed => return Sign::Silent,
            NeighbourState::Asked => {
                let since = asked_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= deadline.scale(UNANSWERED) {
                    return Sign::Silent;
                }
            }
            NeighbourState::Delayed => {}
            NeighbourState::Reachable | NeighbourState::ByHand | NeighbourState::Other => {
                return Sign::Untold;
            }
        }
        if deadline.is_over() {
            return Sign::Untold;
        }
        deadline.within(PAUSE).pass().await;
    }
}

/// The link address that somebody set by hand for this neighbour; `None`: the kernel asks for it, or does not tell.
pub(crate) fn set_by_hand(of: IpAddr, interface: &str) -> Option<String> {
    let index = if_nametoindex(interface).ok()?;
    let table = table(of)?;
    let is_it = |entry: &&NeighbourEntry| entry.of == of && entry.interface == index;
    let entry = table.iter().find(is_it)?;
    let octets: Vec<String> = entry.link.iter().map(|octet| format!("{octet:02x}")).collect();
    (entry.state == NeighbourState::ByHand && !octets.is_empty()).then(|| octets.join(":"))
}

/// Has the kernel given this neighbour up, and asks no more until the next packet?
pub(crate) fn is_given_up(of: IpAddr, interface: &str) -> bool {
    let index = if_nametoindex(interface).ok();
    let is_it = |entry: &NeighbourEntry| {
        entry.of == of && index.is_none_or(|index| entry.interface == index)
    };
    let table = table(of).unwrap_or_default();
    table.iter().any(|entry| is_it(entry) && entry.state == NeighbourState::Failed)
}

/// A router that answers for others (proxy ARP) has one link address for all of them; its own is
/// known wherever anything is routed.
fn is_no_router(own: &NeighbourEntry, table: &[NeighbourEntry]) -> bool {
    match gateway_like(own.of) {
        None => true,
        Some(gateway) if gateway == own.of => true,
        Some(gateway) => {
            let gateway = table.iter().find(|entry| entry.of == gateway);
            gateway.is_some_and(|gateway| !gateway.link.is_empty() && gateway.link != own.link)
        }
    }
}

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NeighbourEntry {
    of: IpAddr,
    /// The interface it is behind, by its number.
    interface: u32,
    state: NeighbourState,
    /// Its link address; empty while nobody has told.
    link: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NeighbourState {
    /// It has answered lately.
    Reachable,
    /// It answered long ago, and the kernel is about to ask it again.
    Delayed,
    /// The kernel asks it.
    Asked,
    /// The kernel has asked it to the end, and nobody answered.
    Failed,
    /// Somebody wrote it: the kernel never asks.
    ByHand,
    /// Nobody has asked.
    Other,
}

/// All neighbours of the family of `like`; `None` when the kernel does not tell.
fn table(like: IpAddr) -> Option<Vec<NeighbourEntry>> {
    let family = if like.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // An `ndmsg`. With more neighbours than any segment has it is not known whether ours is among them.
    let mut body = [0; HEADERS - HEADER];
    body[0] = u8::try_from(family).unwrap_or_default();
    dump(libc::RTM_GETNEIGH, &body, libc::RTM_NEWNEIGH, entry)
}

/// `None` for an entry without an address.
fn entry(message: &[u8]) -> Option<NeighbourEntry> {
    let family: [u8; 1] = *message.get(HEADER..)?.first_chunk()?;
    let state = u16::from_ne_bytes(*message.get(HEADER + 8..)?.first_chunk()?);
    let interface = u32::from_ne_bytes(*message.get(HEADER + 4..)?.first_chunk()?);
    let is_v4 = i32::from(family[0]) == libc::AF_INET;
    let state = match state {
        libc::NUD_REACHABLE => NeighbourState::Reachable,
        libc::NUD_DELAY => NeighbourState::Delayed,
        libc::NUD_PROBE | libc::NUD_INCOMPLETE => NeighbourState::Asked,
        libc::NUD_FAILED => NeighbourState::Failed,
        libc::NUD_PERMANENT => NeighbourState::ByHand,
        _ => NeighbourState::Other,
    };
    let (mut of, mut link) = (None, Vec::new());
    for (kind, value) in attributes(message.get(HEADERS..)?) {
        match kind {
            libc::NDA_DST => of = address(is_v4, value),
            libc::NDA_LLADDR => link = value.to_vec(),
            _ => {}
        }
    }
    Some(NeighbourEntry { of: of?, interface, state, link })
}

/// Bytes of `nlmsghdr` and `ndmsg`.
const HEADERS: usize = HEADER + 12;
/// How long a neighbour that is up takes at most to answer for its address.
const UNANSWERED: Duration = Duration::from_millis(500);
/// How often the table is looked at while the kernel asks.
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::super::netlink::take;
    use super::*;

    const TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 2, 0, 9));

    fn message(kind: u16, state: u16, of: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[HEADER] = u8::try_from(libc::AF_INET).unwrap();
        bytes[HEADER + 8..HEADER + 10].copy_from_slice(&state.to_ne_bytes());
        let mut add = |kind: u16, value: &[u8]| {
            bytes.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        };
        add(99, b"odd");
        add(libc::NDA_DST, &of);
        add(libc::NDA_LLADDR, &[2, 0, 0, 0, 0, 9]);
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_table_of_two_neighbours_is_read() {
        let part = [
            message(libc::RTM_NEWNEIGH, libc::NUD_REACHABLE, [10, 2, 0, 9]),
            message(libc::RTM_NEWNEIGH, libc::NUD_DELAY, [10, 2, 0, 10]),
        ]
        .concat();
        let mut entries = Vec::new();
        assert!(!take(&part, libc::RTM_NEWNEIGH, entry, &mut entries));
        let link = vec![2, 0, 0, 0, 0, 9];
        let first = NeighbourEntry { of: TO, interface: 0, state: NeighbourState::Reachable, link };
        assert_eq!((&entries[0], entries[1].state), (&first, NeighbourState::Delayed));
        let done = message(u16::try_from(libc::NLMSG_DONE).unwrap(), 0, [0; 4]);
        assert!(take(&done, libc::RTM_NEWNEIGH, entry, &mut entries));
        for length in 0..part.len() {
            let _no_panic = take(&part[..length], libc::RTM_NEWNEIGH, entry, &mut entries);
        }
    }

    #[test]
    fn the_kernels_own_table_is_read_to_its_end() {
        assert!(table(TO).is_some());
        assert!(table(std::net::Ipv6Addr::LOCALHOST.into()).is_some());
    }

    #[test]
    fn an_entry_that_is_not_an_answer_proves_nothing() {
        let state =
            |state| entry(&message(libc::RTM_NEWNEIGH, state, [10, 2, 0, 9])).unwrap().state;
        for other in [libc::NUD_STALE, libc::NUD_NOARP] {
            assert_eq!(state(other), NeighbourState::Other, "{other}");
        }
        assert_eq!(state(libc::NUD_PERMANENT), NeighbourState::ByHand);
        for asked in [libc::NUD_INCOMPLETE, libc::NUD_PROBE] {
            assert_eq!(state(asked), NeighbourState::Asked, "{asked}");
        }
        assert_eq!(state(libc::NUD_FAILED), NeighbourState::Failed);
    }
}
