//! ICMP refusals, read from the kernel's error queue without privileges.
//!
//! `IP_RECVERR` and `IPV6_RECVERR` keep what `connect` and `send` throw away:
//! type, code, and the address of the device that refused.
//! Reference: `ip(7)`, RFC 792, RFC 1812 §5.2.7, RFC 4443 §3.1.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, recvmsg};
use nix::sys::socket::{setsockopt, sockopt};

use super::route;
use crate::cause::{
    Cause, Icmp, LocalFirewallSign, Millis, PathCause, PortCause, RouteCause, RouteEntry,
};

/// What an ICMP message means for the packet it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// No route to the network.
    NoRoute,
    /// The host does not answer.
    HostDown,
    /// Nothing listens, or a rule that says so.
    PortUnreachable,
    /// A rule forbids it.
    Prohibited,
    /// The hop limit ran out: a hop names itself.
    HopLimit,
    /// Too large for a link on the way.
    TooBig,
    /// Anything else.
    Other,
}

impl Icmp {
    pub(crate) fn meaning(self) -> Meaning {
        match self {
            Self::V4 { kind: 3, code } => match code {
                0 | 5 | 6 | 11 => Meaning::NoRoute,
                1 | 7 | 12 => Meaning::HostDown,
                3 => Meaning::PortUnreachable,
                4 => Meaning::TooBig,
                2 | 9 | 10 | 13 => Meaning::Prohibited,
                _ => Meaning::Other,
            },
            Self::V6 { kind: 1, code } => match code {
                0 => Meaning::NoRoute,
                3 => Meaning::HostDown,
                4 => Meaning::PortUnreachable,
                1 | 5 | 6 => Meaning::Prohibited,
                _ => Meaning::Other,
            },
            Self::V4 { kind: 11, .. } | Self::V6 { kind: 3, .. } => Meaning::HopLimit,
            Self::V6 { kind: 2, .. } => Meaning::TooBig,
            _ => Meaning::Other,
        }
    }
}

/// One entry of the error queue: a device refused a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What it said.
    pub(crate) icmp: Icmp,
    /// The device.
    pub(crate) by: IpAddr,
    /// Hops that were left when it arrived, where the socket was asked to tell.
    pub(crate) left: Option<u8>,
}

impl Refusal {
    /// The verdict table of refusals: who said no decides what it means.
    ///
    /// `own` is the address we send from, and `entry` the one of the routing table that the packet
    /// left by: a look-up of the next hop that comes to nothing is reported from our own address.
    pub(crate) fn cause(
        self,
        to: SocketAddr,
        own: Option<IpAddr>,
        entry: Option<RouteEntry>,
        waited: Millis,
        is_udp: bool,
    ) -> Cause {
        let Self { icmp, by, .. } = self;
        if Some(by) == own && by != to.ip() {
            return match icmp.meaning() {
                Meaning::HostDown => route::nobody_answers(to.ip(), entry, waited),
                _ => Cause::Route(RouteCause::LocalFirewall {
                    to,
                    how: LocalFirewallSign::OwnReject,
                }),
            };
        }
        let is_target = by == to.ip();
        match icmp.meaning() {
            // A closed UDP port says so by ICMP; a closed TCP port never does.
            Meaning::PortUnreachable if is_target && is_udp => {
                Cause::Port(PortCause::PortClosed { to })
            }
            _ if is_target => Cause::Path(PathCause::TargetRejected { to, icmp }),
            Meaning::HostDown => {
                Cause::Path(PathCause::HostUnreachable { to: to.ip(), by, icmp, beside: 0 })
            }
            Meaning::NoRoute => Cause::Path(PathCause::NetUnreachable { to: to.ip(), by, icmp }),
            Meaning::HopLimit => {
                Cause::Path(PathCause::HopLimitExceeded { to: to.ip(), by, icmp, seen: None })
            }
            _ => Cause::Path(PathCause::PathRejected { to, by, icmp }),
        }
    }
}

/// Asks the kernel to keep refusals of this socket.
pub(crate) fn keep_refusals(socket: &impl AsFd, of: SocketAddr, on: bool) -> nix::Result<()> {
    match of {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &on),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &on),
    }
}

/// Asks the kernel to tell with each refusal how many hops it had left, and with each datagram too.
pub(crate) fn tell_hops_left(socket: &impl AsFd, of: SocketAddr) -> nix::Result<()> {
    match of {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvTtl, &true),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true),
    }
}

/// Does TCP keep refusals on this kernel? It does since Linux 5.8.
pub(crate) fn tcp_keeps_refusals() -> bool {
    let uname = nix::sys::utsname::uname();
    uname.map_or(true, |uname| is_at_least_5_8(&uname.release().to_string_lossy()))
}

/// `5.8`, `6.1.0-13-amd64`; a release that is no version is taken for a new one.
fn is_at_least_5_8(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 8),
        _ => true,
    }
}

/// Takes the oldest refusal off the socket's error queue, if there is one.
pub(crate) fn next_refusal(socket: &impl AsFd, of: SocketAddr) -> Option<Refusal> {
    next_refusal_of_ours(socket, of, |_| true)
}

/// The same of a socket that hears of others' packets too: `is_ours` looks at what the refusal quotes
/// of the packet, behind its IP header.
pub(crate) fn next_refusal_of_ours(
    socket: &impl AsFd,
    of: SocketAddr,
    is_ours: impl Fn(&[u8]) -> bool,
) -> Option<Refusal> {
    const ENTRIES: usize = 16;
    for _ in 0..ENTRIES {
        let mut quoted = [0; QUOTED];
        let entry = match of {
            SocketAddr::V4(_) => entry_to_v4(socket, &mut quoted).map(|(_, refusal)| refusal),
            SocketAddr::V6(_) => entry_to_v6(socket, &mut quoted).map(|(_, refusal)| refusal),
        };
        // An entry that is none of ICMP's (a local EMSGSIZE) is passed over.
        if let Some(refusal) = entry.ok()?.filter(|_| is_ours(&quoted)) {
            return Some(refusal);
        }
    }
    None
}

/// Takes the oldest entry off the error queue of a socket that asks many: whom the packet was sent to, and who
/// refused it; `None` where that is no ICMP.
pub(crate) fn next_refusal_of_any(
    socket: &impl AsFd,
    is_v4: bool,
) -> Option<(SocketAddr, Option<Refusal>)> {
    if is_v4 {
        let (to, refusal) = entry_to_v4(socket, &mut [0; QUOTED]).ok()?;
        Some((to?, refusal))
    } else {
        let (to, refusal) = entry_to_v6(socket, &mut [0; QUOTED]).ok()?;
        Some((to?, refusal))
    }
}

/// Room for what an entry quotes of the packet.
const QUOTED: usize = 512;

/// Whom the packet was sent to, and who refused it; `quoted` takes its first bytes. `None`: the entry
/// is no ICMP; an error: the queue is empty.
fn entry_to_v4(
    socket: &impl AsFd,
    quoted: &mut [u8; QUOTED],
) -> nix::Result<(Option<SocketAddr>, Option<Refusal>)> {
    let mut slices = [IoSliceMut::new(quoted)];
    // Where a socket asks for the hops that are left, these come with the error.
    let mut space = nix::cmsg_space!(libc::c_int, ExtendedError<libc::sockaddr_in>);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_fd().as_raw_fd();
    let message = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut space), flags)?;
    let (mut left, mut refusal) = (None, None);
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::Ipv4Ttl(hops) => left = u8::try_from(hops).ok(),
            ControlMessageOwned::Ipv4RecvErr(error, Some(by)) if error.ee_origin == ORIGIN_ICMP => {
                let icmp = Icmp::V4 { kind: error.ee_type, code: error.ee_code };
                refusal = Some((icmp, SockaddrIn::from(by).ip().into()));
            }
            _ => {}
        }
    }
    let to = message.address.map(|to| SocketAddr::new(to.ip().into(), to.port()));
    Ok((to, refusal.map(|(icmp, by)| Refusal { icmp, by, left })))
}

fn entry_to_v6(
    socket: &impl AsFd,
    quoted: &mut [u8; QUOTED],
) -> nix::Result<(Option<SocketAddr>, Option<Refusal>)> {
    let mut slices = [IoSliceMut::new(quoted)];
    let mut space = nix::cmsg_space!(libc::c_int, ExtendedError<libc::sockaddr_in6>);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_fd().as_raw_fd();
    let message = recvmsg::<SockaddrIn6>(fd, &mut slices, Some(&mut space), flags)?;
    let (mut left, mut refusal) = (None, None);
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::Ipv6HopLimit(hops) => left = u8::try_from(hops).ok(),
            ControlMessageOwned::Ipv6RecvErr(error, Some(by))
                if error.ee_origin == ORIGIN_ICMPV6 =>
            {
                let icmp = Icmp::V6 { kind: error.ee_type, code: error.ee_code };
                refusal = Some((icmp, SockaddrIn6::from(by).ip().into()));
            }
            _ => {}
        }
    }
    let to = message.address.map(|to| SocketAddr::new(to.ip().into(), to.port()));
    Ok((to, refusal.map(|(icmp, by)| Refusal { icmp, by, left })))
}

/// What the kernel puts into one control message.
type ExtendedError<Address> = (libc::sock_extended_err, Address);

const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMPV6: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 2, 0, 7));
    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 1));

    fn verdict(by: IpAddr, kind: u8, code: u8, is_udp: bool) -> &'static str {
        let to = ([10, 0, 0, 5], 161).into();
        let refusal = Refusal { icmp: Icmp::V4 { kind, code }, by, left: None };
        let waited = Millis(Duration::from_secs(3));
        refusal.cause(to, Some(OWN), None, waited, is_udp).code()
    }

    #[test]
    fn who_said_no_decides_what_it_means() {
        let target = IpAddr::from([10, 0, 0, 5]);
        for (by, code, is_udp, expected) in [
            (target, 3, true, "port-closed"),
            (target, 3, false, "target-rejected"),
            (target, 13, false, "target-rejected"),
            (target, 10, true, "target-rejected"),
            (ROUTER, 13, false, "path-rejected"),
            (ROUTER, 3, true, "path-rejected"),
            (ROUTER, 1, false, "host-unreachable"),
            (ROUTER, 0, false, "net-unreachable"),
            (OWN, 1, false, "no-neighbour"),
            (OWN, 3, false, "local-firewall"),
            (OWN, 13, true, "local-firewall"),
        ] {
            assert_eq!(verdict(by, 3, code, is_udp), expected, "{by} 3/{code}");
        }
    }

    #[test]
    fn a_packet_that_goes_in_circles_is_not_rejected() {
        let refusal = Refusal { icmp: Icmp::V4 { kind: 11, code: 0 }, by: ROUTER, left: None };
        let to = SocketAddr::from(([10, 0, 0, 5], 5669));
        let cause = refusal.cause(to, Some(OWN), None, Millis(Duration::ZERO), false);
        let icmp = refusal.icmp;
        assert_eq!(
            cause,
            Cause::Path(PathCause::HopLimitExceeded { to: to.ip(), by: ROUTER, icmp, seen: None })
        );
    }

    #[test]
    fn the_kernels_of_el8_keep_no_refusals_of_tcp() {
        assert!(!is_at_least_5_8("4.18.0-553.el8_10.x86_64"));
        assert!(!is_at_least_5_8("5.7.19"));
        assert!(is_at_least_5_8("5.8.0"));
        assert!(is_at_least_5_8("5.14.0-427.el9.x86_64"));
        assert!(is_at_least_5_8("6.1.0-13-amd64"));
    }

    #[test]
    fn on_loopback_target_and_own_address_are_the_same_host() {
        let local = SocketAddr::from(([127, 0, 0, 1], 9));
        let refusal = Refusal { icmp: Icmp::V4 { kind: 3, code: 3 }, by: local.ip(), left: None };
        let cause = refusal.cause(local, Some(local.ip()), None, Millis(Duration::ZERO), true);
        assert_eq!(cause, Cause::Port(PortCause::PortClosed { to: local }));
    }
}
