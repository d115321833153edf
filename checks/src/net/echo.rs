//! Echo: sockets for ICMP echo requests, and the packet itself.
//!
//! Linux lets the groups of `net.ipv4.ping_group_range` send echo requests without privileges, over
//! IPv6 too. Where the setting names no group of ours, root still may, through a raw socket. That one
//! hears all ICMP that comes from the peer, so its own packets are told by their identifier.
//!
//! Reference: RFC 792, RFC 4443 §4.1, `icmp(7)`.

use std::fs;
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::errno::local;
use crate::cause::{Cause, RouteCause};

/// How the echo requests of one socket are written, and told from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    is_v4: bool,
    /// What identifies ours on a raw socket; else the kernel takes care of that.
    raw: Option<[u8; 2]>,
}

/// What comes back with the answer.
pub(crate) type Cookie = [u8; 32];

/// Opens a socket that may send echo requests to `to`, not yet connected.
///
/// # Errors
///
/// [`RouteCause::PingNotPermitted`], and [`RouteCause::LocalError`].
pub(super) fn socket(to: SocketAddr) -> Result<(Socket, Echo), Cause> {
    let is_v4 = to.is_ipv4();
    let protocol = if is_v4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let open = |kind| {
        let socket = Socket::new(Domain::for_address(to), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let is_refusal = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match open(Type::DGRAM) {
        Ok(socket) => return Ok((socket, Echo { is_v4, raw: None })),
        Err(error) if !is_refusal(&error) => return Err(local("open a socket", &error)),
        Err(_not_permitted) => {}
    }
    match open(Type::RAW) {
        Ok(socket) => Ok((socket, Echo { is_v4, raw: Some(rand::random()) })),
        Err(error) if is_refusal(&error) => {
            Err(RouteCause::PingNotPermitted { range: range() }.into())
        }
        Err(error) => Err(local("open a socket", &error)),
    }
}

/// The groups that may send echo requests, as the kernel writes them: "1\t0" is none.
fn range() -> String {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let shown = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if shown.is_empty() { "not to be read".to_owned() } else { shown }
}

impl Echo {
    /// An echo request that carries `cookie`.
    pub(crate) fn request(self, cookie: &Cookie) -> Vec<u8> {
        let kind = if self.is_v4 { REQUEST_V4 } else { REQUEST_V6 };
        let mut packet = vec![kind, 0, 0, 0];
        packet.extend(self.raw.unwrap_or_default());
        packet.extend(FIRST.to_be_bytes());
        packet.extend(cookie);
        // Over IPv6, and on a socket for echo alone, the kernel does it.
        if self.is_v4 && self.raw.is_some() {
            let sum = checksum(&packet);
            if let Some(place) = packet.get_mut(2..4) {
                place.copy_from_slice(&sum.to_be_bytes());
            }
        }
        packet
    }

    /// Is this an answer to the request that carried `cookie`?
    pub(crate) fn answers(self, bytes: &[u8], cookie: &Cookie) -> bool {
        let kind = if self.is_v4 { REPLY_V4 } else { REPLY_V6 };
        // A raw socket of IPv4 shows the IP header too.
        let header = match bytes.first() {
            Some(first) if self.is_v4 && self.raw.is_some() => usize::from(first & 0x0f) * 4,
            _ => 0,
        };
        let Some([of, 0, _, _, _, _, _, _, data @ ..]) = bytes.get(header..) else { return false };
        *of == kind && data == cookie
    }

    /// Is it a packet of ours that a refusal quotes?
    pub(super) fn is_ours(self, quoted: &[u8]) -> bool {
        self.raw.is_none_or(|own| quoted.get(4..6) == Some(&own))
    }

    /// Does its socket hear what is for other programs of this host?
    pub(super) fn hears_others(self) -> bool {
        self.raw.is_some()
    }
}

/// The Internet checksum (RFC 1071) of a packet whose own field is zero.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(u16::from_be_bytes([*high, 0])),
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;
/// The sequence number: each question has a socket of its own.
const FIRST: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: Cookie = [7; 32];

    fn echo(is_v4: bool, raw: Option<[u8; 2]>) -> Echo {
        Echo { is_v4, raw }
    }

    /// The answer of a host: the request with another type.
    fn reply(request: &[u8], kind: u8) -> Vec<u8> {
        [&[kind], request.get(1..).unwrap()].concat()
    }

    #[test]
    fn an_answer_is_told_by_its_type_and_by_what_it_brings_back() {
        for (echo, kind, other) in [
            (echo(true, None), REPLY_V4, REPLY_V6),
            (echo(false, None), REPLY_V6, REPLY_V4),
            (echo(false, Some([1, 2])), REPLY_V6, REQUEST_V6),
        ] {
            let request = echo.request(&COOKIE);
            assert!(echo.answers(&reply(&request, kind), &COOKIE));
            assert!(!echo.answers(&reply(&request, other), &COOKIE));
            assert!(!echo.answers(&reply(&request, kind), &[8; 32]));
            for length in 0..request.len() {
                let cut = reply(&request, kind);
                assert!(!echo.answers(cut.get(..length).unwrap(), &COOKIE), "{length}");
            }
        }
    }

    #[test]
    fn a_raw_socket_shows_the_ip_header_first() {
        let echo = echo(true, Some([1, 2]));
        let reply = reply(&echo.request(&COOKIE), REPLY_V4);
        for words in [5, 6, 15] {
            let mut bytes = vec![0x40 | words];
            bytes.resize(usize::from(words) * 4, 0);
            bytes.extend(&reply);
            assert!(echo.answers(&bytes, &COOKIE), "{words}");
        }
        assert!(!echo.answers(&[0x4f], &COOKIE));
        assert!(!echo.answers(&[], &COOKIE));
    }

    #[test]
    fn a_refusal_of_another_programs_ping_is_not_ours() {
        let raw = echo(true, Some([1, 2]));
        assert!(raw.is_ours(&raw.request(&COOKIE)));
        assert!(!raw.is_ours(&echo(true, Some([2, 1])).request(&COOKIE)));
        assert!(!raw.is_ours(&[8, 0, 0]));
        // The kernel gives a socket for echo alone no other's.
        assert!(echo(true, None).is_ours(&[]));
    }

    #[test]
    fn the_checksum_of_a_whole_packet_is_zero() {
        let packet = echo(true, Some([0xab, 0xcd])).request(&COOKIE);
        assert_ne!(packet.get(2..4), Some(&[0, 0][..]));
        assert_eq!(checksum(&packet), 0);
        assert_eq!(checksum(&[0xff]), 0x00ff);
    }
}
