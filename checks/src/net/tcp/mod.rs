//! TCP: a connection that knows why it failed, and reads that cannot run away.

mod again;
mod hold;
mod silence;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use futures_util::future::join_all;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::errno::{local, no_route, no_socket};
use super::far::Io;
use super::knock::{Knock, Terms};
use super::ledger::Ledger;
use super::source::leave_from;
use super::{Ask, CONNECT, Deadline, Packets, icmp, route, sys, udp};
use crate::cause::{
    Cause, Concern, LocalFirewallSign, Millis, PathCause, Phase, PortCause, RouteCause, TalkCause,
};
use crate::evidence::Seen;

pub(crate) use again::is_reset_from_near;
pub use hold::HeldConnections;
pub(crate) use hold::{IdleWords, hold};
pub(crate) use silence::{doubt, explain, is_bound_to_size, is_reset_unheard};

/// A conversation over TCP, plain or inside TLS.
///
/// Every read is bounded in bytes by its caller and in time by the deadline.
/// What was read and not yet taken stays in the buffer.
pub(crate) struct Stream {
    io: Box<dyn Io>,
    /// Where it is written what came and what was asked; also when this is inside TLS.
    ledger: Ledger,
    /// Nothing between this and the TCP connection?
    is_bare: bool,
    peer: SocketAddr,
    /// Of the whole step.
    deadline: Deadline,
    /// Of the wait that is on.
    wait: Deadline,
    buffer: Vec<u8>,
    /// Bytes that came since the last `send`: none means "silent".
    fresh: usize,
    /// The very first bytes the peer sent, for [`Stream::head`].
    head: Vec<u8>,
    /// The most bytes of ours in one segment, where that is known.
    segment: usize,
}

/// The fact that the handshake needed more than one SYN.
pub(crate) const SYN_AGAIN: &str = "syn_retransmissions";
/// A round trip longer than this is felt in every conversation.
const SLOW: Duration = Duration::from_millis(400);
/// The least that a TCP waits before it sends again (RFC 6298 says a second; systems take this).
const RESEND: Duration = Duration::from_millis(200);
/// Longest wait for the answer to a SYN, beside two round trips.
const HANDSHAKE: Duration = Duration::from_millis(500);
/// What may be too large for a link on the way; every link carries 576 bytes (RFC 791 §3.2).
const LARGE: u64 = 500;
/// The largest segment of a link between two hosts; loopback's is several times that.
const JUMBO: usize = 9_000;
/// Bytes in a packet that every link carries.
const SMALL: u32 = 500;
/// Time for three repetitions.
const SETTLED: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);
/// SYNs at once.
const AT_ONCE: usize = 4;
/// Bytes read at once.
const CHUNK: usize = 4096;
/// Bytes kept of the beginning of a conversation.
const HEAD: usize = 64;
/// A goodbye to a mail server, and nonsense to all others.
const A_LINE: &[u8] = b"QUIT\r\n\r\n";
/// Longest wait for what it draws out.
const DRAWN_OUT: Duration = Duration::from_secs(1);
/// Longest wait for the goodbye to leave.
const GOODBYE: Duration = Duration::from_millis(500);

impl Stream {
    /// Opens a connection to the peer of `ask`, at most [`CONNECT`] long.
    ///
    /// # Errors
    ///
    /// Every way a handshake can fail, told apart by errno, the error queue and
    /// `TCP_INFO`; see `docs/causes.md`, layers route, path and port.
    pub(crate) async fn connect(ask: &mut Ask) -> Result<Self, Cause> {
        let wait = ask.deadline.within(CONNECT);
        let to = ask.address();
        // Afterwards the kernel may already avoid a router that does not answer.
        let entry = route::entry_for(to.ip(), ask.peer.from);
        let socket = start(to, ask.peer.from, ask.packets)?;
        // The error queue is the socket's: read it before the socket is gone.
        let stream = TcpStream::from_std(socket.into()).map_err(|e| local("open a socket", &e))?;
        let own = stream.local_addr().ok();
        ask.source = own.map(|own| own.ip());
        if let Some(own) = own {
            ask.ledger.leaves_from(own.port());
        }
        let connected = wait.bound(stream.writable()).await;
        let waited = wait.waited();
        if let Some(refusal) = icmp::next_refusal(&stream, to) {
            ask.ledger.refused(refusal.left);
            return Err(refusal.cause(to, ask.source, entry, waited, false));
        }
        match connected {
            None => return Err(silence(&stream, to, waited)),
            Some(Err(error)) => return Err(local("wait for a connection", &error)),
            Some(Ok(())) => {}
        }
        if let Ok(Some(error)) | Err(error) = stream.take_error() {
            let cause = refused(to, &error, waited);
            let is_told = icmp::tcp_keeps_refusals()
                && !matches!(cause, Cause::Path(PathCause::Unreachable { .. }));
            return Err(match who_refuses(ask, is_told).await {
                Some(named) => named,
                None => cause,
            });
        }
        // From here on a transient ICMP error must not end the connection.
        let _best_effort = icmp::keep_refusals(&stream, to, false);
        let _best_effort = stream.set_nodelay(true);
        ask.seen.timings.connect = Some(waited.0);
        note_round_trip(&stream, &mut ask.seen);
        let segment = sys::tcp_info(&stream).and_then(|info| usize::try_from(info.segment).ok());
        let counted = ask.ledger.open(stream);
        let bare = Self::over(Box::new(counted), to, ask.deadline);
        let segment = segment.unwrap_or_default();
        Ok(Self { ledger: ask.ledger.clone(), is_bare: true, segment, ..bare })
    }

    /// A conversation of `ask` inside something that is spoken over its last connection.
    pub(crate) fn inside(io: Box<dyn Io>, ask: &Ask) -> Self {
        let ledger = ask.ledger.clone();
        Self { ledger, ..Self::over(io, ask.address(), ask.deadline) }
    }

    /// A conversation over any transport, for tests.
    pub(crate) fn over(io: Box<dyn Io>, peer: SocketAddr, deadline: Deadline) -> Self {
        Self {
            io,
            ledger: Ledger::default(),
            is_bare: false,
            peer,
            deadline,
            wait: deadline,
            buffer: Vec::new(),
            fresh: 0,
            head: Vec::new(),
            segment: 0,
        }
    }

    /// Bytes that fill a packet: `usual`, or more where both ends take larger ones than Ethernet's usual 1,500 bytes.
    pub(crate) fn a_packet(&self, usual: usize) -> usize {
        if (usual..=JUMBO).contains(&self.segment) { self.segment } else { usual }
    }

    /// The transport itself, for a crate that speaks over it.
    ///
    /// Bytes already read are lost: take them first.
    pub(crate) fn into_io(self) -> Box<dyn Io> {
        self.io
    }

    /// The peer has said or done `what`, as a reader calls it: "its greeting".
    pub(crate) fn came(&self, what: &'static str) {
        self.ledger.came(what);
    }

    /// The peer is about to be asked `what`: "EHLO".
    pub(crate) fn asks(&self, what: &'static str) {
        self.ledger.asks(what);
    }

    /// When it is dropped, a RST ends the connection.
    pub(crate) fn leave_with_a_reset(&self) {
        self.ledger.leave_with_a_reset();
    }

    /// From now on, waits at most `limit` for what comes next.
    pub(crate) fn allow(&mut self, limit: Duration) {
        self.wait = self.deadline.within(limit);
    }

    /// How long the present wait has lasted.
    pub(crate) fn waited(&self) -> Duration {
        self.wait.waited().0
    }

    /// Listens for `moment` within the present wait: does the peer stay silent?
    ///
    /// # Errors
    ///
    /// As [`Stream::fill`], but for [`TalkCause::Silent`](crate::cause::TalkCause::Silent).
    pub(crate) async fn is_silent_for(
        &mut self,
        moment: Duration,
        phase: Phase,
    ) -> Result<bool, Cause> {
        let whole = self.wait;
        self.wait = whole.within(moment);
        let heard = self.fill(phase).await;
        self.wait = whole;
        match heard {
            Ok(_) => Ok(false),
            Err(Cause::Talk(TalkCause::Silent { .. })) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`TalkCause::Reset`](crate::cause::TalkCause::Reset) or [`TalkCause::HungUp`](crate::cause::TalkCause::HungUp) when the peer is gone,
    /// [`TalkCause::Silent`](crate::cause::TalkCause::Silent) when it takes nothing off its socket in time.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        let sending = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        let sent = self.wait.bound(sending).await;
        match sent {
            Some(Ok(())) => {
                self.fresh = 0;
                Ok(())
            }
            Some(Err(error)) => Err(self.broken(Phase::Reply, &error)),
            None => Err(self.late(Phase::Reply)),
        }
    }

    /// Waits for more bytes; returns how many are now unread.
    ///
    /// # Errors
    ///
    /// [`TalkCause::Silent`](crate::cause::TalkCause::Silent) when none came since the last `send`, else
    /// [`TalkCause::Incomplete`](crate::cause::TalkCause::Incomplete); [`TalkCause::HungUp`](crate::cause::TalkCause::HungUp) and [`TalkCause::Reset`](crate::cause::TalkCause::Reset) when the
    /// peer is gone.
    pub(crate) async fn fill(&mut self, phase: Phase) -> Result<usize, Cause> {
        let mut chunk = [0; CHUNK];
        let read = self.wait.bound(self.io.read(&mut chunk)).await;
        match read {
            None => Err(self.late(phase)),
            Some(Err(error)) => Err(self.broken(phase, &error)),
            Some(Ok(0)) => {
                Err(Cause::Talk(TalkCause::HungUp { to: self.peer, phase, received: self.fresh }))
            }
            Some(Ok(length)) => {
                let bytes = chunk.get(..length).unwrap_or(&chunk);
                let room = HEAD.saturating_sub(self.head.len());
                self.head.extend(bytes.iter().take(room));
                self.buffer.extend_from_slice(bytes);
                self.fresh += length;
                Ok(self.buffer.len())
            }
        }
    }

    /// Reads exactly `length` bytes; the caller has bounded `length`.
    ///
    /// # Errors
    ///
    /// As [`Stream::fill`].
    pub(crate) async fn exactly(&mut self, phase: Phase, length: usize) -> Result<Vec<u8>, Cause> {
        while self.buffer.len() < length {
            self.fill(phase).await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads up to and including the next line feed, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`Stream::fill`], and [`TalkCause::Endless`](crate::cause::TalkCause::Endless) when no line feed came within `limit`.
    pub(crate) async fn line(&mut self, phase: Phase, limit: usize) -> Result<Vec<u8>, Cause> {
        let mut looked = 0;
        loop {
            let unseen = self.buffer.iter().skip(looked);
            if let Some(at) = unseen.clone().position(|&byte| byte == b'\n') {
                return Ok(self.buffer.drain(..=looked + at).collect());
            }
            looked = self.buffer.len();
            if looked >= limit {
                return Err(Cause::Talk(TalkCause::Endless {
                    phase,
                    limit,
                    head: crate::wire::head(&self.buffer),
                }));
            }
            self.fill(phase).await?;
        }
    }

    /// What is unread, without taking it.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes everything that is unread.
    pub(crate) fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// The first bytes the peer ever sent, at most 64: enough to recognise it by.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// After a silence in which the peer never said a byte: has it say what it is.
    ///
    /// A web server, a proxy or a TLS server waits for its client, as long as we
    /// wait for it. What it answers to a line it does not understand is then in
    /// [`Stream::head`]; the verdict stays with the caller.
    pub(crate) async fn draw_out(&mut self, cause: &Cause) {
        // Inside TLS, or to a stand-in, there is nobody else to be drawn out.
        if matches!(cause, Cause::Talk(TalkCause::Silent { .. }))
            && self.head.is_empty()
            && self.is_bare
        {
            self.allow(DRAWN_OUT);
            if self.send(A_LINE).await.is_ok() && self.fill(Phase::Greeting).await.is_ok() {
                self.ledger.drawn_out();
            }
        }
    }

    /// Waits until the peer has what was said, as far as that was large: what a path does not carry, a
    /// service that answers sooner would hide.
    async fn settle(&mut self) {
        let until = self.deadline.within(SETTLED);
        while self.ledger.unacknowledged() >= LARGE && !until.is_over() {
            until.within(LOOK).pass().await;
        }
    }

    /// Says goodbye with a FIN; what the peer does about it no longer matters.
    pub(crate) async fn close(mut self) {
        self.settle().await;
        let goodbye = self.deadline.within(GOODBYE);
        let _gone_or_late = goodbye.bound(self.io.shutdown()).await;
    }

    fn late(&self, phase: Phase) -> Cause {
        let (to, waited) = (self.peer, self.wait.waited());
        match self.fresh {
            0 => Cause::Talk(TalkCause::Silent { to, phase, waited }),
            received => Cause::Talk(TalkCause::Incomplete { to, phase, received, waited }),
        }
    }

    fn broken(&self, phase: Phase, error: &io::Error) -> Cause {
        // Inside TLS 1.3 a refusal of the handshake arrives with the first read.
        if let Some(cause) = super::tls::cause_in(error) {
            return cause;
        }
        let (to, received) = (self.peer, self.fresh);
        match error.kind() {
            io::ErrorKind::ConnectionReset => Cause::Talk(TalkCause::Reset { to, phase, received }),
            io::ErrorKind::TimedOut => self.late(phase),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected => Cause::Talk(TalkCause::HungUp { to, phase, received }),
            _ => Cause::Path(PathCause::Unreachable { to, error: error.to_string() }),
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Stream to {} ({} unread)", self.peer, self.buffer.len())
    }
}

/// A socket whose handshake with `to` has begun.
fn start(to: SocketAddr, from: Option<IpAddr>, packets: Packets) -> Result<Socket, Cause> {
    begin(to, from, packets, |_| Ok(()))
}

/// The same, with `options` set before.
fn begin(
    to: SocketAddr,
    from: Option<IpAddr>,
    packets: Packets,
    options: impl FnOnce(&Socket) -> io::Result<()>,
) -> Result<Socket, Cause> {
    let open = || {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let socket = open().map_err(|error| no_socket(to, &error))?;
    // Before Linux 5.8 TCP has no such queue; then errno alone must do.
    let _best_effort = icmp::keep_refusals(&socket, to, true);
    let _best_effort = icmp::tell_hops_left(&socket, to);
    options(&socket).map_err(|error| local("set up a connection", &error))?;
    if packets == Packets::Small {
        // Said in the handshake, so that the peer keeps to it too.
        socket.set_tcp_mss(SMALL).map_err(|error| local("make packets small", &error))?;
    }
    leave_from(&socket, from, to)?;
    match socket.connect(&to.into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        Err(error) => Err(no_route(to, &error)),
    }
}

/// The handshake failed and the error queue is empty: errno alone decides.
fn refused(to: SocketAddr, error: &io::Error, waited: Millis) -> Cause {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => Cause::Port(PortCause::PortClosed { to }),
        // It was accepted, and reset before we looked.
        Some(libc::ECONNRESET | libc::EPIPE) => {
            Cause::Talk(TalkCause::Reset { to, phase: Phase::Greeting, received: 0 })
        }
        Some(libc::ETIMEDOUT) => {
            Cause::Path(PathCause::NoAnswer { to, phase: Phase::Connect, waited })
        }
        _ => Cause::Path(PathCause::Unreachable { to, error: error.to_string() }),
    }
}

/// Where TCP keeps no refusals, a datagram to the same port may be refused by name.
///
/// A UDP port that the target itself calls closed says nothing about TCP.
async fn who_refuses(ask: &mut Ask, is_told: bool) -> Option<Cause> {
    const PATIENCE: Duration = Duration::from_millis(500);
    let refusal = if is_told { None } else { udp::refusal(ask, PATIENCE).await };
    refusal.filter(|cause| !matches!(cause, Cause::Port(PortCause::PortClosed { .. })))
}

/// No answer to any SYN: did they leave this host at all?
///
/// With a local OUTPUT drop the kernel counts SYNs as repeated in all
/// (`total_retrans`) and none as in flight (`retrans`).
fn silence(socket: &impl AsFd, to: SocketAddr, waited: Millis) -> Cause {
    match sys::tcp_info(socket) {
        Some(info) if info.total_retrans > 0 && info.retrans == 0 => {
            Cause::Route(RouteCause::LocalFirewall { to, how: LocalFirewallSign::OutputDrop })
        }
        _ => Cause::Path(PathCause::NoAnswer { to, phase: Phase::Connect, waited }),
    }
}

/// Right after the handshake: the round trip of the SYN.
fn note_round_trip(socket: &impl AsFd, seen: &mut Seen) {
    if let Some(info) = sys::tcp_info(socket) {
        seen.evidence.set("rtt_ms", Millis(info.rtt));
        let is_told = |concern: &Concern| matches!(concern, Concern::SlowRoundTrip { .. });
        // After a SYN that was lost, the time until it was sent again is in it.
        if info.rtt >= SLOW && info.total_retrans == 0 && !seen.concerns.iter().any(is_told) {
            seen.concerns.push(Concern::SlowRoundTrip { took: Millis(info.rtt) });
        }
        if info.total_retrans > 0 {
            seen.evidence.set(SYN_AGAIN, info.total_retrans);
        }
    }
}

/// At the end of the conversation: what had to be sent again.
///
/// A repeated SYN is a loss: its timer is a whole second. A single segment may
/// have been repeated too early by a busy machine, and loopback loses nothing.
pub(crate) fn note_losses(ask: &mut Ask) {
    let segments = ask.ledger.losses();
    if segments == 0 {
        return;
    }
    ask.seen.evidence.set("retransmissions", segments);
    let is_loss = segments > 1 || ask.seen.evidence.fact(SYN_AGAIN).is_some();
    if is_loss && !ask.address().ip().is_loopback() {
        ask.seen.concerns.push(Concern::TcpLosses { segments });
    }
}

/// After a conversation with a delay as a lost packet makes it, and no other sign of one: are
/// handshakes lost?
///
/// What the peer had to send again is not counted on our side. `most` handshakes, none of which
/// becomes a connection.
pub(crate) async fn count_handshakes(ask: &mut Ask, most: usize, took: Duration) {
    let to = ask.address();
    let is_told = |concern: &Concern| matches!(concern, Concern::TcpLosses { .. });
    let is_delayed = took >= ask.seen.timings.connect.unwrap_or_default() * 2 + RESEND;
    let is_suspect = is_delayed || ask.ledger.losses() > 0;
    if most == 0 || !is_suspect || to.ip().is_loopback() || ask.seen.concerns.iter().any(is_told) {
        return;
    }
    let (mut answered, mut asked) = (0, 0);
    while asked < most && answered == asked {
        let wait =
            ask.deadline.renewed(HANDSHAKE + 2 * ask.seen.timings.connect.unwrap_or_default());
        let terms = Terms { from: ask.source, ..Terms::default() };
        let few = (0..AT_ONCE).map(|_| Knock::Syn.send(terms, to, wait));
        let heard = join_all(few).await;
        asked += heard.len();
        answered += heard.iter().filter(|knocked| knocked.heard.is_some()).count();
    }
    ask.seen.evidence.set("handshakes", format!("{answered}/{asked}"));
    // All of a sudden none: that is somebody who turns away a crowd.
    if (1..asked).contains(&answered) {
        ask.seen.concerns.push(Concern::AnswersMissing { answered, asked });
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return std::pin::Pin::new(&mut self.io).poll_read(context, into);
        }
        let length = self.buffer.len().min(into.remaining());
        let unread: Vec<u8> = self.buffer.drain(..length).collect();
        into.put_slice(&unread);
        std::task::Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_shutdown(context)
    }
}
