//! Listening: which TCP sockets of this host listen on a port? Asked of the kernel, which knows that at once.
//!
//! `/proc/net/tcp` lists every connection, and the kernel walks through its whole table for each reader:
//! milliseconds on a machine with much memory. `NETLINK_SOCK_DIAG`, which `ss` uses too, is asked for the
//! listeners of one port alone. It needs no privilege and sends nothing. A kernel without it says so.
//!
//! Reference: `sock_diag(7)`.

use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::SockProtocol;

use super::netlink::{HEADER, attributes, dump_of};
use super::route::address;

/// A TCP socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    /// The address and port it listens on.
    pub(crate) at: SocketAddr,
    /// Whose it is, by number.
    pub(crate) user: u32,
    /// Its number among all of the kernel's.
    pub(crate) inode: u64,
}

/// Those on `port`, over IPv4 and IPv6; `None` when the kernel does not tell.
pub(crate) fn listening(port: u16) -> Option<Vec<Listening>> {
    told(port, LISTEN, 0, |message| read(message).map(|one| (one.at.port(), one)))
}

/// Who has knocked at `port` and not finished the handshake: our answer did not reach them, or theirs us.
///
/// The kernel keeps such a one for about a minute. `None` when it does not tell.
#[must_use]
pub fn half_open(port: u16) -> Option<Vec<SocketAddr>> {
    told(port, SYN_RECEIVED, 0, read_knock)
}

/// What the kernel tells of the sockets of `port` in those `states`, over IPv4 and IPv6, as `read` takes it with its
/// port.
fn told<T>(
    port: u16,
    states: u32,
    besides: u8,
    read: impl Fn(&[u8]) -> Option<(u16, T)>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let question = question(u8::try_from(family).ok()?, port, states, besides);
        all.extend(dump_of(SockProtocol::NetlinkSockDiag, BY_FAMILY, &question, BY_FAMILY, &read)?);
    }
    // A kernel that does not know ports here tells of all.
    Some(all.into_iter().filter(|(at, _)| *at == port).map(|(_, one)| one).collect())
}

/// Our port and who knocked at it, of an `inet_diag_msg`.
fn read_knock(message: &[u8]) -> Option<(u16, SocketAddr)> {
    let body = message.get(HEADER..)?;
    let is_v4 = i32::from(*body.first()?) == libc::AF_INET;
    let port = |at: usize| Some(u16::from_be_bytes(*body.get(at..)?.first_chunk()?));
    let ip: IpAddr = address(is_v4, body.get(24..40)?)?;
    // Over a socket of IPv6 that takes IPv4 too.
    Some((port(4)?, SocketAddr::new(ip.to_canonical(), port(6)?)))
}

/// A connection that was made to a port of this host, whatever has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenConnection {
    /// Who made it, as it is seen here.
    pub from: SocketAddr,
    /// The most bytes of this host's in one segment: what the other side offered, or up to 20 less for options;
    /// 0: the kernel does not tell, as of one that is closed.
    pub segment: u16,
}

/// The connections to `port` whose handshake was finished, whoever listens there; `None` when the kernel does not tell.
///
/// Needs no privilege, as `ss` needs none.
#[must_use]
pub fn connections(port: u16) -> Option<Vec<TakenConnection>> {
    told(port, FINISHED, WITH_INFO, read_connection)
}

/// Our port and who connected to it, of an `inet_diag_msg` and what stands behind it.
fn read_connection(message: &[u8]) -> Option<(u16, TakenConnection)> {
    let (port, from) = read_knock(message)?;
    let told = attributes(message.get(HEADER + MESSAGE..)?).find(|(kind, _)| *kind == INFO);
    let segment = told.and_then(|(_, info)| {
        let at = std::mem::offset_of!(libc::tcp_info, tcpi_snd_mss);
        let segment = u32::from_ne_bytes(*info.get(at..)?.first_chunk()?);
        u16::try_from(segment).ok()
    });
    Some((port, TakenConnection { from, segment: segment.unwrap_or_default() }))
}

/// An `inet_diag_req_v2`: family, protocol, what is to be told besides, states, and the port; the rest is left open.
fn question(family: u8, port: u16, states: u32, besides: u8) -> [u8; 56] {
    let mut bytes = [0; 56];
    let head = [family, TCP, besides, 0];
    let (states, port) = (states.to_ne_bytes(), port.to_be_bytes());
    for (slot, byte) in bytes.iter_mut().zip(head.into_iter().chain(states).chain(port)) {
        *slot = byte;
    }
    bytes
}

/// An `inet_diag_msg`.
fn read(message: &[u8]) -> Option<Listening> {
    let body = message.get(HEADER..)?;
    let is_v4 = i32::from(*body.first()?) == libc::AF_INET;
    let number = |at: usize| body.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word));
    let ip: IpAddr = address(is_v4, body.get(8..24)?)?;
    let port = u16::from_be_bytes(*body.get(4..)?.first_chunk()?);
    let (user, inode) = (number(64)?, number(68)?.into());
    Some(Listening { at: SocketAddr::new(ip, port), user, inode })
}

/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `IPPROTO_TCP`
const TCP: u8 = 6;
/// The bit of `TCP_LISTEN`.
const LISTEN: u32 = 1 << 10;
/// The bit of `TCP_SYN_RECV`.
const SYN_RECEIVED: u32 = 1 << 3;
/// The bits of the states behind a handshake: established, closing from either end, and done.
const FINISHED: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 11;
/// The bit of `INET_DIAG_INFO`, and its number.
const WITH_INFO: u8 = 1 << (INFO - 1);
const INFO: u16 = 2;
/// Bytes of an `inet_diag_msg`.
const MESSAGE: usize = 72;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::TcpMaxSeg;

    use super::*;

    #[test]
    fn the_listeners_of_one_port_are_told_and_no_others() {
        let here = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("[::1]:0").unwrap();
        for socket in [&here, &other] {
            let at = socket.local_addr().unwrap();
            let Some(all) = listening(at.port()) else {
                // Not every kernel has it; then `/proc` is read.
                return;
            };
            let found: Vec<SocketAddr> = all.iter().map(|one| one.at).collect();
            assert!(found.contains(&at), "{found:?}");
            assert!(all.iter().all(|one| one.at.port() == at.port() && one.inode > 0), "{all:?}");
        }
    }

    #[test]
    fn a_connection_that_nobody_has_accepted_is_told_with_the_segment_it_offers() {
        let here = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = here.local_addr().unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        setsockopt(&socket, TcpMaxSeg, &1013).unwrap();
        socket.connect(&at.into()).unwrap();
        let from = socket.local_addr().unwrap().as_socket().unwrap();
        let Some(all) = connections(at.port()) else { return };
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(one.from, from);
        assert!([1013, 1013 - 12].contains(&one.segment), "{one:?}");
    }

    #[test]
    fn a_port_nobody_listens_on_has_no_listener() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let found = listening(gone.port()).unwrap_or_default();
        assert!(!found.iter().any(|one| one.at == gone), "{found:?}");
    }
}
