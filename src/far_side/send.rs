//! Sends a mark, and hears its answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpMaxSeg;
use preflight_checks::Transport;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::mark::{ANSWER_LENGTH, MarkKey, MarkNumber, MarkSeen, segment_of};
use super::message::SentMark;

/// Longest wait: two SYNs that are lost are sent again within it.
const LONGEST: Duration = Duration::from_millis(3_500);
/// A datagram is sent again after so long.
const AGAIN: Duration = Duration::from_millis(500);
/// The largest answer that is looked at.
const LARGEST: usize = 512;

/// Sends a mark to a door, from `from` where that is said; `None`: there is no randomness.
pub(crate) async fn send(
    key: &MarkKey,
    transport: Transport,
    to: SocketAddr,
    from: Option<IpAddr>,
) -> Option<SentMark> {
    let mut number = MarkNumber::default();
    SystemRandom::new().fill(&mut number).ok()?;
    let asking = async {
        match transport {
            Transport::Tcp => over_tcp(key, number, to, from).await.ok().flatten(),
            Transport::Udp => over_udp(key, number, to, from).await.ok().flatten(),
            Transport::Icmp => None,
        }
    };
    let seen = timeout(LONGEST, asking).await.ok().flatten();
    let (seen_as, segment) = (seen.map(|seen| seen.from), seen.map_or(0, |seen| seen.segment));
    Some(SentMark { transport, to, number, seen_as, segment })
}

async fn over_tcp(
    key: &MarkKey,
    number: MarkNumber,
    to: SocketAddr,
    from: Option<IpAddr>,
) -> std::io::Result<Option<MarkSeen>> {
    let mut stream = connect(to, from, Some(segment_of(number))).await?;
    stream.write_all(&key.question(number)).await?;
    let mut answer = [0; ANSWER_LENGTH];
    stream.read_exact(&mut answer).await?;
    Ok(key.answered(number, &answer))
}

/// Connects to `to`, from that address of ours where one is said, offering a segment size where one is said.
pub(super) async fn connect(
    to: SocketAddr,
    from: Option<IpAddr>,
    segment: Option<u16>,
) -> std::io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(segment) = segment {
        setsockopt(&socket, TcpMaxSeg, &u32::from(segment))?;
    }
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(to).await
}

async fn over_udp(
    key: &MarkKey,
    number: MarkNumber,
    to: SocketAddr,
    from: Option<IpAddr>,
) -> std::io::Result<Option<MarkSeen>> {
    let any = if to.is_ipv4() {
        IpAddr::from(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::from(Ipv6Addr::UNSPECIFIED)
    };
    let socket = UdpSocket::bind(SocketAddr::new(from.unwrap_or(any), 0)).await?;
    // Connected, so that a refusal is heard, and strangers are not.
    socket.connect(to).await?;
    let (question, mut answer) = (key.question(number), [0; LARGEST]);
    loop {
        socket.send(&question).await?;
        if let Ok(heard) = timeout(AGAIN, socket.recv(&mut answer)).await {
            let seen = key.answered(number, answer.get(..heard?).unwrap_or_default());
            if seen.is_some() {
                return Ok(seen);
            }
            // Somebody else's words; no answer to them at once, or two could go on for ever.
            tokio::time::sleep(AGAIN).await;
        }
    }
}
