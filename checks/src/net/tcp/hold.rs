//! Silent connections: does something on the way forget one that nobody speaks on?
//!
//! Several are opened at once, begun in the service's own words, and left silent for different times; one beside
//! them is kept awake by keepalive packets, which no service sees. Then each is spoken on again. A firewall or an
//! address translation that forgets idle connections lets the one that was kept awake live on, and a service that
//! was restarted lets none.
//!
//! Reference: RFC 5382 REQ-5 (idle timeouts of translations), `tcp(7)` `TCP_KEEPIDLE`, `TCP_INFO`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{local, refused, start};
use crate::cause::{Cause, Millis, PathCause, Phase, TalkCause};
use crate::net::{CONNECT, Deadline, Packets, Peer, icmp, sys};

/// How a conversation is begun that is then left silent, and how it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdleWords {
    /// What keeps the service from ending it.
    pub(crate) first: Vec<u8>,
    /// What it is spoken on again with.
    pub(crate) again: Vec<u8>,
}

/// What became of connections that were left silent.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldConnections {
    /// All of them live.
    Alive,
    /// The service, or a proxy in its name, ended the conversation.
    Ended {
        /// How long it had been silent.
        after: Duration,
    },
    /// They do not live on, for this cause.
    Lost(Cause),
}

/// How one connection ended, or that it did not.
#[derive(Clone, Debug, PartialEq)]
enum HeldLife {
    /// What was said again was acknowledged.
    Alive,
    /// It was not.
    Silent { missing: u64, repeats: u32 },
    /// A RST.
    Reset,
    /// The other side ended it properly, so long after its first words.
    Ended(Duration),
    /// It could not be opened.
    Unopened(Cause),
}

/// Leaves connections to `peer` silent for parts of `silence`, the longest for all of it, and speaks again.
pub(crate) async fn hold(words: &IdleWords, peer: &Peer, silence: Duration) -> HeldConnections {
    let idle = PARTS.map(|part| silence / part);
    let quiet = idle.map(|idle| keep(words, peer, idle, None));
    let awake = idle[0].min(AWAKE).max(LEAST_AWAKE);
    let awake = keep(words, peer, silence, Some(awake));
    let (quiet, awake) = tokio::join!(join_all(quiet), awake);
    let quiet: Vec<(Duration, HeldLife)> = idle.into_iter().zip(quiet).collect();
    judge(peer.address, &awake, &quiet)
}

/// Decides from how they ended; `quiet` begins with the shortest silence.
fn judge(to: SocketAddr, awake: &HeldLife, quiet: &[(Duration, HeldLife)]) -> HeldConnections {
    let all = || quiet.iter().map(|(_, life)| life).chain([awake]);
    if let Some(cause) = all().find_map(|life| match life {
        HeldLife::Unopened(cause) => Some(cause),
        _ => None,
    }) {
        return HeldConnections::Lost(cause.clone());
    }
    let is_dead = |life: &HeldLife| matches!(life, HeldLife::Silent { .. } | HeldLife::Reset);
    if let Some((silent, life)) = quiet.iter().find(|(_, life)| is_dead(life)) {
        if !is_dead(awake) {
            let lived = quiet.iter().take_while(|(_, life)| !is_dead(life)).last();
            return HeldConnections::Lost(Cause::Path(PathCause::IdleForgotten {
                to,
                silent: Millis(*silent),
                lived: lived.map(|(lived, _)| Millis(*lived)),
                reset: *life == HeldLife::Reset,
            }));
        }
        return HeldConnections::Lost(lost(to, life, *silent));
    }
    let ended = all().filter_map(|life| match life {
        HeldLife::Ended(after) => Some(*after),
        _ => None,
    });
    match (ended.min(), awake) {
        (Some(after), _) => HeldConnections::Ended { after },
        // The one that was never silent is lost alone: by chance, or keepalive packets are not let through.
        (None, dead) if is_dead(dead) => HeldConnections::Lost(lost(to, dead, Duration::ZERO)),
        (None, _) => HeldConnections::Alive,
    }
}

/// A connection that died beside one that did not have to be silent, and died too.
fn lost(to: SocketAddr, life: &HeldLife, silent: Duration) -> Cause {
    match *life {
        HeldLife::Silent { missing, repeats } => Cause::Path(PathCause::Unacknowledged {
            to,
            missing,
            sent: missing,
            repeats,
            waited: Millis(silent + ACKNOWLEDGED),
        }),
        _ => Cause::Talk(TalkCause::Reset { to, phase: Phase::Reply, received: 0 }),
    }
}

/// One connection, from its handshake to the words behind the silence.
async fn keep(
    words: &IdleWords,
    peer: &Peer,
    silence: Duration,
    awake: Option<Duration>,
) -> HeldLife {
    let mut stream = match open(peer).await {
        Ok(stream) => stream,
        Err(cause) => return HeldLife::Unopened(cause),
    };
    if let Some(every) = awake {
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
        let _as_the_kernel_can = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    }
    if stream.write_all(&words.first).await.is_err() {
        return HeldLife::Reset;
    }
    let begun = Instant::now();
    if let Some(end) = listen(&mut stream, begun, silence).await {
        return end;
    }
    let before = sys::tcp_info(&stream).map_or(0, |info| info.bytes_acked);
    if stream.write_all(&words.again).await.is_err() {
        return HeldLife::Reset;
    }
    let wanted = before + words.again.len() as u64;
    let spoken = Instant::now();
    loop {
        let Some(info) = sys::tcp_info(&stream) else { return HeldLife::Reset };
        if info.bytes_acked >= wanted {
            return HeldLife::Alive;
        }
        // What the other side says to it comes behind its acknowledgement.
        if let Some(end) = listen(&mut stream, begun, begun.elapsed() + LOOK).await {
            let is_acknowledged =
                sys::tcp_info(&stream).is_some_and(|info| info.bytes_acked >= wanted);
            return if is_acknowledged { HeldLife::Alive } else { end };
        }
        if spoken.elapsed() >= ACKNOWLEDGED {
            let missing = wanted.saturating_sub(info.bytes_acked);
            return HeldLife::Silent { missing, repeats: info.total_retrans };
        }
    }
}

/// Listens until so long after `begun`, whatever comes; how it ended, if it did.
async fn listen(stream: &mut TcpStream, begun: Instant, silence: Duration) -> Option<HeldLife> {
    let mut chunk = [0; 4096];
    loop {
        match tokio::time::timeout_at(begun + silence, stream.read(&mut chunk)).await {
            Err(_) => return None,
            Ok(Ok(0)) => return Some(HeldLife::Ended(begun.elapsed())),
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                return Some(HeldLife::Silent { missing: 0, repeats: 0 });
            }
            Ok(Err(_)) => return Some(HeldLife::Reset),
        }
    }
}

async fn open(peer: &Peer) -> Result<TcpStream, Cause> {
    let (to, wait) = (peer.address, Deadline::after(CONNECT));
    let socket = start(to, peer.from, Packets::Usual)?;
    let stream =
        TcpStream::from_std(socket.into()).map_err(|error| local("open a socket", &error))?;
    let connected = wait.bound(stream.writable()).await;
    let waited = wait.waited();
    if connected.is_none() {
        return Err(Cause::Path(PathCause::NoAnswer { to, phase: Phase::Connect, waited }));
    }
    if let Ok(Some(error)) | Err(error) = stream.take_error() {
        return Err(refused(to, &error, waited));
    }
    // From here on a transient ICMP error must not end the connection.
    let _best_effort = icmp::keep_refusals(&stream, to, false);
    Ok(stream)
}

/// The parts of the whole silence that are tried beside it; the last is all of it.
const PARTS: [u32; 4] = [8, 4, 2, 1];
/// How often the one that is kept awake is spoken on, at the least and at the most: a translation forgets none within
/// two minutes (RFC 5382), and what forgets within seconds forgets a poller at work too.
const AWAKE: Duration = Duration::from_secs(15);
const LEAST_AWAKE: Duration = Duration::from_secs(1);
/// How long an acknowledgement may take: five repeats of what was said.
const ACKNOWLEDGED: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: HeldLife = HeldLife::Silent { missing: 9, repeats: 5 };

    fn to() -> SocketAddr {
        "192.0.2.1:5669".parse().unwrap()
    }

    fn judged(awake: &HeldLife, quiet: [HeldLife; 4]) -> HeldConnections {
        let idle = PARTS.map(|part| Duration::from_secs(600) / part);
        let quiet: Vec<_> = idle.into_iter().zip(quiet).collect();
        judge(to(), awake, &quiet)
    }

    #[test]
    fn one_that_was_kept_awake_tells_that_the_silence_was_it() {
        use HeldLife::{Alive, Reset};
        let forgotten = |silent, lived, reset| {
            HeldConnections::Lost(Cause::Path(PathCause::IdleForgotten {
                to: to(),
                silent: Millis(Duration::from_secs(silent)),
                lived: Some(Millis(Duration::from_secs(lived))),
                reset,
            }))
        };
        assert_eq!(judged(&Alive, [Alive, Alive, SILENT, SILENT]), forgotten(300, 150, false));
        assert_eq!(judged(&Alive, [Alive, Reset, Reset, Reset]), forgotten(150, 75, true));
        let HeldConnections::Lost(Cause::Path(PathCause::IdleForgotten { lived: None, .. })) =
            judged(&Alive, [SILENT, SILENT, SILENT, SILENT])
        else {
            panic!("the shortest silence was too long");
        };
    }

    #[test]
    fn where_all_die_silence_was_not_it() {
        use HeldLife::{Alive, Reset};
        let HeldConnections::Lost(Cause::Talk(TalkCause::Reset { .. })) =
            judged(&Reset, [Alive, Alive, Reset, Reset])
        else {
            panic!("a service that was restarted");
        };
        let HeldConnections::Lost(Cause::Path(PathCause::Unacknowledged { missing: 9, .. })) =
            judged(&SILENT, [Alive, Alive, Alive, SILENT])
        else {
            panic!("a link that went away");
        };
    }

    #[test]
    fn a_service_that_ends_it_is_no_firewall() {
        use HeldLife::{Alive, Ended};
        let minute = Duration::from_secs(60);
        assert_eq!(
            judged(&Ended(minute), [Ended(minute), Alive, Ended(minute), Ended(minute)]),
            HeldConnections::Ended { after: minute }
        );
        assert_eq!(judged(&Alive, [Alive, Alive, Alive, Alive]), HeldConnections::Alive);
    }
}
