//! Source: from which of our own addresses does a packet leave?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use socket2::Socket;

use super::errno::local;
use crate::cause::{Cause, RouteCause, SourceFault};

/// Has what `socket` sends to `to` leave from that address of ours; without one the kernel chooses.
///
/// # Errors
///
/// [`RouteCause::SourceUnusable`](crate::cause::RouteCause::SourceUnusable), when this host has no such address, or none that reaches `to`.
pub(super) fn leave_from(
    socket: &Socket,
    from: Option<IpAddr>,
    to: SocketAddr,
) -> Result<(), Cause> {
    leave_from_port(socket, from, 0, to)
}

/// The same, from that port of ours; 0: one that the kernel chooses.
///
/// # Errors
///
/// As [`leave_from`], and [`RouteCause::LocalError`](crate::cause::RouteCause::LocalError) when the port is in use.
pub(super) fn leave_from_port(
    socket: &Socket,
    from: Option<IpAddr>,
    port: u16,
    to: SocketAddr,
) -> Result<(), Cause> {
    let from = match (from, to) {
        (Some(from), _) => from,
        // Without a port the kernel chooses both when it connects.
        (None, _) if port == 0 => return Ok(()),
        (None, SocketAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (None, SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let unusable = |how| Cause::Route(RouteCause::SourceUnusable { from, to: to.ip(), how });
    let own = match (from, to) {
        // An address of one link says nothing without the link, which is the peer's too.
        (IpAddr::V6(own), SocketAddr::V6(peer)) if own.is_unicast_link_local() => {
            SocketAddrV6::new(own, port, 0, peer.scope_id()).into()
        }
        (IpAddr::V4(_), SocketAddr::V4(_)) | (IpAddr::V6(_), SocketAddr::V6(_)) => {
            SocketAddr::new(from, port)
        }
        _ => return Err(unusable(SourceFault::OtherFamily)),
    };
    socket.bind(&own.into()).map_err(|error| match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => unusable(SourceFault::NotOurs),
        _ => local("use a source address", &error),
    })
}

/// Is it an address of this host's? Only such a one can be bound to.
pub(crate) fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Type};

    use super::*;

    fn bound(from: &str, to: &str) -> Result<Option<IpAddr>, Cause> {
        let to: SocketAddr = to.parse().unwrap();
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None).unwrap();
        leave_from(&socket, Some(from.parse().unwrap()), to)?;
        Ok(socket.local_addr().unwrap().as_socket().map(|own| own.ip()))
    }

    #[test]
    fn a_packet_leaves_from_the_address_asked_for() {
        for (from, to) in [("127.0.0.7", "127.0.0.1:9"), ("::1", "[::1]:9")] {
            assert_eq!(bound(from, to), Ok(Some(from.parse().unwrap())), "{from}");
        }
    }

    #[test]
    fn an_own_address_is_known() {
        assert!(is_own([127, 0, 0, 7].into()));
        assert!(!is_own([192, 0, 2, 7].into()));
    }

    #[test]
    fn an_address_that_cannot_be_used_says_why() {
        for (from, to, how) in [
            ("192.0.2.77", "127.0.0.1:9", SourceFault::NotOurs),
            ("2001:db8::77", "[::1]:9", SourceFault::NotOurs),
            ("127.0.0.7", "[::1]:9", SourceFault::OtherFamily),
        ] {
            let to_ip = to.parse::<SocketAddr>().unwrap().ip();
            let cause = Cause::Route(RouteCause::SourceUnusable {
                from: from.parse().unwrap(),
                to: to_ip,
                how,
            });
            assert_eq!(bound(from, to), Err(cause));
        }
    }
}
