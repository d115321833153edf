//! Sends marks, and hears their answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpMaxSeg;
use preflight_checks::Transport;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::mark::{ANSWER_LENGTH, MarkKey, MarkNumber, MarkSeen, segment_of};
use super::message::{Door, DoorState, SentMark};

/// Longest wait: two SYNs that are lost are sent again within it.
const LONGEST: Duration = Duration::from_millis(3_500);
/// A datagram is sent again after so long.
const AGAIN: Duration = Duration::from_millis(500);
/// The largest answer that is looked at.
const LARGEST: usize = 512;

/// Where a mark is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MarkTarget {
    transport: Transport,
    to: SocketAddr,
    /// The address it is to leave from; none: whichever the kernel takes.
    from: Option<IpAddr>,
    /// Is it a service of the other machine's, which is told nothing that it does not understand?
    is_silent: bool,
}

impl MarkTarget {
    /// For a door of the other machine at an address of its; `None`: nobody would see a mark there.
    pub(crate) fn of(door: &Door, to: SocketAddr, from: Option<IpAddr>) -> Option<Self> {
        let transport = door.transport;
        let target = |is_silent| Self { transport, to, from, is_silent };
        match door.state {
            DoorState::Open => Some(target(false)),
            DoorState::Taken(_) => door.is_watched.then(|| target(transport == Transport::Tcp)),
            DoorState::Shut(_) => None,
        }
    }
}

/// The marks that were sent, and the connections among them that last as long as this.
#[derive(Debug, Default)]
pub(crate) struct SentMarks {
    pub(crate) marks: Vec<SentMark>,
    silent: Vec<TcpStream>,
}

impl SentMarks {
    /// Those of several times, together.
    pub(crate) fn join(&mut self, more: Self) {
        self.marks.extend(more.marks);
        self.silent.extend(more.silent);
    }
}

/// Sends a mark to each, all at once.
pub(crate) async fn send(
    key: &MarkKey,
    targets: impl IntoIterator<Item = MarkTarget>,
) -> SentMarks {
    let sent = join_all(targets.into_iter().map(|target| send_one(key, target))).await;
    let (marks, silent): (Vec<_>, Vec<_>) = sent.into_iter().flatten().unzip();
    SentMarks { marks, silent: silent.into_iter().flatten().collect() }
}

/// `None`: there is no randomness.
async fn send_one(key: &MarkKey, target: MarkTarget) -> Option<(SentMark, Option<TcpStream>)> {
    let MarkTarget { transport, to, from, is_silent } = target;
    let mut number = MarkNumber::default();
    SystemRandom::new().fill(&mut number).ok()?;
    let mark = SentMark { transport, to, number, seen_as: None, segment: 0, silent: None };
    if is_silent {
        let connecting = timeout(LONGEST, connect(to, from, Some(segment_of(number)))).await;
        let stream = connecting.ok().and_then(Result::ok);
        let silent = stream.as_ref().and_then(|stream| stream.local_addr().ok());
        return Some((SentMark { silent, ..mark }, stream));
    }
    let asking = async {
        match transport {
            Transport::Tcp => over_tcp(key, number, to, from).await.ok().flatten(),
            Transport::Udp => over_udp(key, number, to, from).await.ok().flatten(),
            Transport::Icmp => None,
        }
    };
    let seen = timeout(LONGEST, asking).await.ok().flatten();
    let (seen_as, segment) = (seen.map(|seen| seen.from), seen.map_or(0, |seen| seen.segment));
    Some((SentMark { seen_as, segment, ..mark }, None))
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
