//! Datagrams to a port that another program holds, read beside it from a packet socket.
//!
//! It takes nothing away from that program, and needs root (`CAP_NET_RAW`). What comes by is what the network
//! brought: this host's own firewall decides later, so a datagram that it drops is overheard all the same.
//!
//! Reference: `packet(7)`, Linux `Documentation/networking/filter.rst`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::net::UdpSocket;

/// Listens beside whoever holds a UDP port.
#[derive(Debug)]
pub struct Eavesdropper {
    /// A packet socket, which is read as any socket of datagrams is.
    socket: UdpSocket,
    port: u16,
}

/// A datagram that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overheard {
    /// Who sent it.
    pub from: SocketAddr,
    /// To which address of this host.
    pub to: SocketAddr,
    /// What it says, as far as its first packet has it.
    pub bytes: Vec<u8>,
    /// Is that all of it? Of a datagram in several packets only the first comes by with its port.
    pub is_whole: bool,
}

impl Eavesdropper {
    /// Opens the socket; the kernel lets through what goes to `port`.
    ///
    /// # Errors
    ///
    /// Without root; a kernel without packet sockets.
    pub fn open(port: u16) -> io::Result<Self> {
        let all = i32::from(ALL_PROTOCOLS.to_be());
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(all)))?;
        socket.attach_filter(&filter(port))?;
        socket.set_nonblocking(true)?;
        let socket = std::net::UdpSocket::from(socket);
        Ok(Self { socket: UdpSocket::from_std(socket)?, port })
    }

    /// Waits for the next datagram.
    ///
    /// # Errors
    ///
    /// When the socket fails, as it does while an interface goes away; it may be asked again.
    pub async fn hear(&self) -> io::Result<Overheard> {
        let mut packet = vec![0; LARGEST];
        loop {
            let length = self.socket.recv(&mut packet).await?;
            // What came between the socket and its filter is not all for this port.
            if let Some(datagram) = datagram(packet.get(..length).unwrap_or_default(), self.port) {
                return Ok(datagram);
            }
        }
    }
}

/// Reads a packet that begins with its IP header; `None`: it is no datagram to `port`.
fn datagram(packet: &[u8], port: u16) -> Option<Overheard> {
    let (from, to, rest, mut is_whole): (IpAddr, IpAddr, _, _) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet.first()? & 0xf) * 4;
            let fragment = word(packet, 6)?;
            if header < 20 || *packet.get(9)? != UDP || fragment & OFFSET != 0 {
                return None;
            }
            let address = |at| four(packet, at).map(Ipv4Addr::from);
            (address(12)?.into(), address(16)?.into(), packet.get(header..)?, fragment & MORE == 0)
        }
        6 if *packet.get(6)? == UDP => {
            let address = |at| sixteen(packet, at).map(Ipv6Addr::from);
            (address(8)?.into(), address(24)?.into(), packet.get(40..)?, true)
        }
        _ => return None,
    };
    let (source, target) = (word(rest, 0)?, word(rest, 2)?);
    let length = usize::from(word(rest, 4)?).checked_sub(8)?;
    let there = rest.get(8..)?;
    is_whole &= there.len() >= length;
    let bytes = there.get(..length).unwrap_or(there).to_vec();
    let (from, to) = (SocketAddr::new(from, source), SocketAddr::new(to, target));
    (target == port).then_some(Overheard { from, to, bytes, is_whole })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|word| u16::from_be_bytes(*word))
}

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn sixteen(bytes: &[u8], at: usize) -> Option<[u8; 16]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Lets through UDP to `port` over IPv4 and IPv6, and nothing that this host sends: on the loopback interface
/// each packet is seen on its way out and on its way in.
fn filter(port: u16) -> [SockFilter; 19] {
    const LOAD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_HALF_BEHIND: u16 = 0x48;
    const HEADER_LENGTH: u16 = 0xb1;
    const AND: u16 = 0x54;
    const IS: u16 = 0x15;
    const HAS_ANY: u16 = 0x45;
    const RETURN: u16 = 0x06;
    /// `SKF_AD_OFF + SKF_AD_PKTTYPE`
    const PACKET_TYPE: u32 = 0xffff_f004;
    /// `PACKET_OUTGOING`
    const OUTGOING: u32 = 4;
    let port = u32::from(port);
    let udp = u32::from(UDP);
    let step = SockFilter::new;
    [
        step(LOAD, 0, 0, PACKET_TYPE),
        step(IS, 16, 0, OUTGOING),
        step(LOAD_BYTE, 0, 0, 0),
        step(AND, 0, 0, 0xf0),
        step(IS, 0, 7, 0x40),
        step(LOAD_BYTE, 0, 0, 9),
        step(IS, 0, 11, udp),
        step(LOAD_HALF, 0, 0, 6),
        step(HAS_ANY, 9, 0, OFFSET.into()),
        step(HEADER_LENGTH, 0, 0, 0),
        step(LOAD_HALF_BEHIND, 0, 0, 2),
        step(IS, 5, 6, port),
        step(IS, 0, 5, 0x60),
        step(LOAD_BYTE, 0, 0, 6),
        step(IS, 0, 3, udp),
        step(LOAD_HALF, 0, 0, 42),
        step(IS, 0, 1, port),
        step(RETURN, 0, 0, u32::MAX),
        step(RETURN, 0, 0, 0),
    ]
}

/// `ETH_P_ALL`
const ALL_PROTOCOLS: u16 = 3;
const UDP: u8 = 17;
/// Of the word with a fragment's place: where it begins, and whether more follow.
const OFFSET: u16 = 0x1fff;
const MORE: u16 = 0x2000;
/// The largest IP packet.
const LARGEST: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4(fragment: u16, bytes: &[u8]) -> Vec<u8> {
        let [high, low] = fragment.to_be_bytes();
        let mut packet = vec![0x46, 0, 0, 0, 0, 0, high, low, 64, 17, 0, 0];
        packet.extend([10, 2, 0, 7, 10, 0, 0, 3, 1, 1, 1, 1]);
        packet.extend([0xcb, 0x2b, 0, 162, 0, u8::try_from(8 + bytes.len()).unwrap(), 0, 0]);
        packet.extend(bytes);
        packet
    }

    #[test]
    fn a_datagram_behind_options_is_read() {
        let seen = datagram(&v4(0, b"trap"), 162).unwrap();
        assert_eq!(seen.from, "10.2.0.7:52011".parse().unwrap());
        assert_eq!(seen.to, "10.0.0.3:162".parse().unwrap());
        assert_eq!((seen.bytes.as_slice(), seen.is_whole), (&b"trap"[..], true));
        assert_eq!(datagram(&v4(0, b"trap"), 161), None);
        // Its ports are in the first fragment alone.
        assert!(!datagram(&v4(MORE, b"trap"), 162).unwrap().is_whole);
        assert_eq!(datagram(&v4(1, b"trap"), 162), None);
    }

    #[test]
    fn a_datagram_of_ipv6_is_read_without_the_padding_behind_it() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 12, 17, 64];
        packet.extend("fd00::7".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend("fd00::3".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend([0xcb, 0x2b, 0, 162, 0, 12, 0, 0, b't', b'r', b'a', b'p', 0, 0, 0]);
        let seen = datagram(&packet, 162).unwrap();
        assert_eq!(seen.from, "[fd00::7]:52011".parse().unwrap());
        assert_eq!((seen.bytes.as_slice(), seen.is_whole), (&b"trap"[..], true));
    }

    proptest! {
        #[test]
        fn no_packet_breaks_the_reader(packet in prop::collection::vec(any::<u8>(), 0..80)) {
            let _whatever = datagram(&packet, 162);
        }
    }
}
