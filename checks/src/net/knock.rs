//! One packet, at most so many hops far, and what came back to it.
//!
//! Each packet has a socket of its own, so that the kernel itself ties an answer
//! or an ICMP message to it: what was not caused by this packet is not heard.
//! No privileges are needed.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::icmp::{self, Refusal};
use super::source::leave_from_port;
use super::{Deadline, sys};

/// The kernel repeats a SYN after one second; its socket is closed before.
const BEFORE_RESEND: Duration = Duration::from_millis(900);

/// The name of the loopback interface on every Linux.
const LOOPBACK: &[u8] = b"lo";

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knock<'a> {
    /// The first packet of a TCP connection.
    Syn,
    /// A UDP datagram.
    Datagram(&'a [u8]),
    /// An ICMP echo request, where the system lets this user send one.
    Echo,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnockReply {
    /// A SYN-ACK, a datagram or an echo reply.
    Answer,
    /// A RST.
    Reset,
    /// An ICMP message about our packet.
    Icmp(Refusal),
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Knocked {
    /// Did it leave at all?
    pub(crate) sent: bool,
    /// What came back, and after how long.
    pub(crate) heard: Option<(KnockReply, Duration)>,
    /// Hops that an answer over UDP, an echo reply or a refusal had left when it arrived.
    pub(crate) left: Option<u8>,
}

/// How the packet travels, and which answers are heard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// Hops the packet may travel.
    pub(crate) hops: Option<u8>,
    /// Hops that an answer over TCP must have left when it arrives: what came
    /// a longer way the kernel drops. ICMP messages are not heard then.
    pub(crate) left: Option<u8>,
    /// The address of ours it leaves from; else the one this host's routes choose.
    pub(crate) from: Option<IpAddr>,
    /// The port of ours it leaves from; 0: one that the kernel chooses.
    pub(crate) port: u16,
    /// Begins at this address of our own and ends on the loopback interface,
    /// so that whoever answers is this host. Needs Linux 5.7 without root.
    pub(crate) inside_from: Option<IpAddr>,
}

impl Knock<'_> {
    /// Sends one packet on these terms, and listens until `wait`.
    ///
    /// A SYN is listened to for 0.9 s at most, however the deadline is scaled. What answers it
    /// is answered with a RST, so that no connection comes about and the service sees nobody.
    pub(crate) async fn send(self, terms: Terms, to: SocketAddr, wait: Deadline) -> Knocked {
        let Ok(socket) = self.socket(to, terms) else {
            return Knocked::default();
        };
        let started = Instant::now();
        let mut left = None;
        let (sent, reply) = match self {
            Self::Syn => shake(socket, to, wait.at().min(started + BEFORE_RESEND)).await,
            Self::Datagram(bytes) => ask(socket, to, bytes, wait.at(), &mut left).await,
            Self::Echo => ask(socket, to, &echo(to), wait.at(), &mut left).await,
        };
        Knocked { sent, heard: reply.map(|reply| (reply, started.elapsed())), left }
    }

    fn socket(self, to: SocketAddr, terms: Terms) -> io::Result<Socket> {
        let (kind, protocol) = match (self, to) {
            (Self::Syn, _) => (Type::STREAM, Protocol::TCP),
            (Self::Datagram(_), _) => (Type::DGRAM, Protocol::UDP),
            (Self::Echo, SocketAddr::V4(_)) => (Type::DGRAM, Protocol::ICMPV4),
            (Self::Echo, SocketAddr::V6(_)) => (Type::DGRAM, Protocol::ICMPV6),
        };
        let socket = Socket::new(Domain::for_address(to), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        icmp::keep_refusals(&socket, to, true)?;
        // Best effort: without them the answer counts all the same.
        if self == Knock::Syn {
            // The kernel puts off the last packet of a handshake, and a RST goes in its place.
            let _whole = socket.set_tcp_quickack(false);
            let _polite = socket.set_linger(Some(Duration::ZERO));
        } else {
            let _untold = icmp::tell_hops_left(&socket, to);
        }
        match (terms.hops, to) {
            (None, _) => {}
            (Some(hops), SocketAddr::V4(_)) => socket.set_ttl_v4(hops.into())?,
            (Some(hops), SocketAddr::V6(_)) => socket.set_unicast_hops_v6(hops.into())?,
        }
        if let Some(left) = terms.left {
            sys::hear_only_from_near(&socket, to, left)?;
        }
        if let Some(own) = terms.inside_from {
            socket.bind_device(Some(LOOPBACK))?;
            socket.bind(&SocketAddr::new(own, 0).into())?;
        } else {
            leave_from_port(&socket, terms.from, terms.port, to).map_err(io::Error::other)?;
        }
        Ok(socket)
    }
}

async fn shake(socket: Socket, to: SocketAddr, until: Instant) -> (bool, Option<KnockReply>) {
    match socket.connect(&to.into()).map_err(|error| error.raw_os_error()) {
        Ok(()) | Err(Some(libc::EINPROGRESS)) => {}
        // On loopback the RST is there before `connect` returns.
        Err(Some(libc::ECONNREFUSED)) => return (true, Some(KnockReply::Reset)),
        Err(_) => return (false, None),
    }
    let Ok(stream) = TcpStream::from_std(socket.into()) else {
        return (true, None);
    };
    let ready = timeout_at(until, stream.writable()).await;
    let own = stream.local_addr().ok();
    if let Some(refusal) = icmp::next_refusal(&stream, to) {
        return (true, from_outside(refusal, own, to));
    }
    let reply = match (ready, stream.take_error()) {
        (Ok(Ok(())), Ok(None)) => Some(KnockReply::Answer),
        (_, Ok(Some(error)) | Err(error)) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
            Some(KnockReply::Reset)
        }
        // Late, or refused by a device whose name this kernel does not keep.
        _ => None,
    };
    (true, reply)
}

async fn ask(
    socket: Socket,
    to: SocketAddr,
    question: &[u8],
    until: Instant,
    left: &mut Option<u8>,
) -> (bool, Option<KnockReply>) {
    let connected = socket.connect(&to.into());
    let Ok(socket) = connected.and_then(|()| UdpSocket::from_std(socket.into())) else {
        return (false, None);
    };
    let own = socket.local_addr().ok();
    if socket.send(question).await.is_err() {
        return (false, None);
    }
    let arrived = socket.async_io(Interest::READABLE | Interest::ERROR, || hops_left(&socket));
    let reply = match timeout_at(until, arrived).await {
        Ok(Ok(hops)) => {
            *left = hops;
            Some(KnockReply::Answer)
        }
        Ok(Err(_)) => icmp::next_refusal(&socket, to).and_then(|no| {
            *left = no.left;
            from_outside(no, own, to)
        }),
        Err(_) => None,
    };
    (true, reply)
}

/// Takes a datagram off the socket; the hops it had left, where the socket was asked for them.
fn hops_left(socket: &UdpSocket) -> io::Result<Option<u8>> {
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(libc::c_int);
    let fd = socket.as_fd().as_raw_fd();
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut space), flags)?;
    let mut controls = message.cmsgs().into_iter().flatten();
    Ok(controls.find_map(|control| match control {
        ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
            u8::try_from(hops).ok()
        }
        _ => None,
    }))
}

/// What this host says to itself (a REJECT rule, a neighbour not found) is no answer.
fn from_outside(refusal: Refusal, own: Option<SocketAddr>, to: SocketAddr) -> Option<KnockReply> {
    let is_own = own.is_some_and(|own| own.ip() == refusal.by) && refusal.by != to.ip();
    (!is_own).then_some(KnockReply::Icmp(refusal))
}

/// An echo request; the kernel fills in identifier and checksum.
fn echo(to: SocketAddr) -> [u8; 16] {
    const REQUEST_V4: u8 = 8;
    const REQUEST_V6: u8 = 128;
    let mut packet = [0; 16];
    packet[0] = if to.is_ipv4() { REQUEST_V4 } else { REQUEST_V6 };
    packet
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use tokio::net::TcpListener;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_millis(300))
    }

    fn hops(hops: u8) -> Terms {
        Terms { hops: Some(hops), ..Terms::default() }
    }

    fn reply(knocked: Knocked) -> Option<KnockReply> {
        assert!(knocked.sent);
        knocked.heard.map(|(reply, _)| reply)
    }

    #[tokio::test]
    async fn a_listening_port_answers_and_a_closed_one_resets() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let heard = Knock::Syn.send(hops(1), to, soon()).await;
        assert_eq!(reply(heard), Some(KnockReply::Answer));
        drop(listener);
        let heard = Knock::Syn.send(hops(1), to, soon()).await;
        assert_eq!(reply(heard), Some(KnockReply::Reset));
    }

    #[tokio::test]
    async fn a_listening_port_that_answers_sees_no_connection() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(local).await.unwrap();
            let to = listener.local_addr().unwrap();
            for _ in 0..20 {
                let heard = Knock::Syn.send(Terms::default(), to, soon()).await;
                assert_eq!(reply(heard), Some(KnockReply::Answer), "{to}");
            }
            let accepted = soon().bound(listener.accept()).await;
            assert!(accepted.is_none(), "{to}: {accepted:?}");
        }
    }

    #[tokio::test]
    async fn a_packet_leaves_from_the_port_asked_for() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let to = server.local_addr().unwrap();
        let terms = Terms { port, ..Terms::default() };
        let mut bytes = [0; 9];
        let asked = Knock::Datagram(b"?").send(terms, to, soon());
        let (_, came) = tokio::join!(asked, server.recv_from(&mut bytes));
        assert_eq!(came.unwrap().1.port(), port);
    }

    #[tokio::test]
    async fn an_answer_with_too_few_hops_left_is_not_heard() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(local).await.unwrap();
            let to = listener.local_addr().unwrap();
            drop(listener);
            let left = |left| Terms { left: Some(left), ..Terms::default() };
            let heard = Knock::Syn.send(left(64), to, soon()).await;
            assert_eq!(reply(heard), Some(KnockReply::Reset), "{to}");
            let heard = Knock::Syn.send(left(65), to, soon()).await;
            assert_eq!(reply(heard), None, "{to}");
        }
    }

    #[tokio::test]
    async fn a_closed_udp_port_names_its_host_on_both_families() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(local).await.unwrap();
            let to = socket.local_addr().unwrap();
            drop(socket);
            let heard = Knock::Datagram(b"?").send(Terms::default(), to, soon()).await;
            let Some(KnockReply::Icmp(refusal)) = reply(heard) else { panic!("{heard:?}") };
            assert_eq!(refusal.by, to.ip());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_listened_to_until_the_deadline_only() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let started = Instant::now();
        let to = silent.local_addr().unwrap();
        let heard = Knock::Datagram(b"?").send(Terms::default(), to, soon()).await;
        assert_eq!(heard, Knocked { sent: true, ..Knocked::default() });
        assert_eq!(started.elapsed(), Duration::from_millis(300));
    }

    #[test]
    fn what_this_host_says_to_itself_is_no_answer() {
        let (own, to) = (([10, 2, 0, 7], 4000).into(), ([10, 0, 0, 5], 9).into());
        let from = |by: [u8; 4]| Refusal {
            icmp: crate::cause::Icmp::V4 { kind: 3, code: 1 },
            by: by.into(),
            left: None,
        };
        assert_eq!(from_outside(from([10, 2, 0, 7]), Some(own), to), None);
        let router = from([10, 2, 0, 1]);
        assert_eq!(from_outside(router, Some(own), to), Some(KnockReply::Icmp(router)));
    }
}
