//! Ledger: what was sent and what came on the connections of one question, and what the kernel
//! knows of the last of them; over UDP, what a refusal tells besides its words.
//!
//! Kept below TLS and below every crate, so that no conversation escapes it.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::sys::{self, TcpInfo};
use super::watched::{Observer, Watched};

/// The book that a question and all of its connections write into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    /// Segments sent again, over all connections.
    losses: u32,
    /// Hops that the last refusal by ICMP had left.
    hops_left: Option<u8>,
    /// The port of ours that the first question left from.
    first_port: Option<u16>,
    /// The longest that an answer over UDP took.
    slowest: Option<Duration>,
    /// What the first answer took that came when nobody waited for it any more.
    late: Option<Duration>,
    /// Has anything come from the peer, or about it?
    is_heard: bool,
    /// Has a look found that the host is there, while its port was silent?
    is_host_there: bool,
    /// Is such a look under way?
    is_looked_at: bool,
    last: KeptConnection,
}

#[derive(Debug, Default)]
struct KeptConnection {
    /// The connection itself, while it is on.
    socket: Weak<TcpStream>,
    /// What the kernel knew of it when we ended it.
    info: Option<TcpInfo>,
    sent: u64,
    received: u64,
    /// Segments that had come when something new did last.
    came_by_then: u32,
    /// The first bytes that were sent, and no others if there were more than [`FIRST_WORDS`].
    first_words: Vec<u8>,
    /// The first bytes that came, [`HEAD`] at most.
    head: Vec<u8>,
    /// Did they come only after a line that was to draw it out?
    is_drawn_out: bool,
    came: Option<&'static str>,
    asked: Option<&'static str>,
}

/// How far a connection got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionAccount {
    /// Bytes handed to the kernel.
    pub(crate) sent: u64,
    /// Bytes that came.
    pub(crate) received: u64,
    /// Segments that came after the last of these bytes.
    pub(crate) later: u32,
    /// The last that the peer said or did, as a reader calls it: "its greeting".
    pub(crate) came: Option<&'static str>,
    /// What it was asked last: "EHLO".
    pub(crate) asked: Option<&'static str>,
    /// What the kernel knew of it when we ended it.
    pub(crate) info: TcpInfo,
}

impl ConnectionAccount {
    /// Bytes of ours that the peer has not acknowledged.
    pub(crate) fn missing(&self) -> u64 {
        // The kernel counts the SYN as a byte.
        self.sent.saturating_sub(self.info.bytes_acked.saturating_sub(1))
    }
}

impl Ledger {
    /// From now on the book is of this connection.
    pub(super) fn open(&self, stream: TcpStream) -> Counted {
        let stream = Arc::new(stream);
        let socket = Arc::downgrade(&stream);
        let mut book = self.book();
        let came_by_then = sys::tcp_info(&*stream).map_or(0, |info| info.came);
        book.last = KeptConnection { socket, came_by_then, ..KeptConnection::default() };
        book.is_heard = true;
        drop(book);
        Watched::new(SharedConnection(stream), self.clone())
    }

    /// When the connection is dropped, a RST ends it.
    pub(super) fn leave_with_a_reset(&self) {
        if let Some(socket) = self.book().last.socket.upgrade() {
            let _best_effort = SockRef::from(&*socket).set_linger(Some(Duration::ZERO));
        }
    }

    /// Bytes of the connection that is on that the peer has not acknowledged yet.
    pub(super) fn unacknowledged(&self) -> u64 {
        let (socket, sent) = {
            let book = self.book();
            (book.last.socket.upgrade(), book.last.sent)
        };
        let info = socket.and_then(|socket| sys::tcp_info(&*socket));
        // The kernel counts the SYN as a byte.
        info.map_or(0, |info| sent.saturating_sub(info.bytes_acked.saturating_sub(1)))
    }

    /// The peer has said or done `what`.
    pub(crate) fn came(&self, what: &'static str) {
        let mut book = self.book();
        (book.last.came, book.last.asked) = (Some(what), None);
    }

    /// The peer is about to be asked `what`.
    pub(crate) fn asks(&self, what: &'static str) {
        self.book().last.asked = Some(what);
    }

    /// Segments that had to be sent again, over all connections that have ended.
    pub(super) fn losses(&self) -> u32 {
        self.book().losses
    }

    /// An answer over UDP came so long after its question.
    pub(super) fn answered_after(&self, took: Duration) {
        let mut book = self.book();
        book.is_heard = true;
        book.slowest = Some(book.slowest.map_or(took, |slowest| slowest.max(took)));
    }

    /// An answer came so long after its question, when the next had been asked already.
    pub(super) fn answered_late(&self, took: Duration) {
        let mut book = self.book();
        book.is_heard = true;
        book.late.get_or_insert(took);
    }

    /// What an answer took: the first late one, for those behind it had to wait for it too.
    pub(crate) fn slowest_answer(&self) -> Option<Duration> {
        let book = self.book();
        book.late.or(book.slowest)
    }

    /// What the first answer took that came when nobody waited for it any more.
    pub(crate) fn late_answer(&self) -> Option<Duration> {
        self.book().late
    }

    /// A question leaves from this port of ours.
    pub(super) fn leaves_from(&self, port: u16) {
        self.book().first_port.get_or_insert(port);
    }

    /// The port of ours that the first question left from.
    pub(crate) fn first_port(&self) -> Option<u16> {
        self.book().first_port
    }

    /// A device refused a packet, with so many hops left when it arrived.
    pub(super) fn refused(&self, hops_left: Option<u8>) {
        let mut book = self.book();
        (book.is_heard, book.hops_left) = (true, hops_left);
    }

    /// Has a question left, and has nothing come of it yet?
    pub(crate) fn is_unheard(&self) -> bool {
        let book = self.book();
        book.first_port.is_some() && !book.is_heard
    }

    /// A look has found that the host is there, while its port is silent.
    pub(crate) fn host_is_there(&self) {
        self.book().is_host_there = true;
    }

    /// A look at the host is under way, or has ended.
    pub(crate) fn looked_at(&self, is_under_way: bool) {
        self.book().is_looked_at = is_under_way;
    }

    /// While its port is silent: is the host known to be there, or is it not known yet?
    pub(crate) fn may_still_answer(&self) -> bool {
        let book = self.book();
        book.is_host_there || book.is_looked_at
    }

    /// Hops that the last refusal had left when it arrived.
    pub(crate) fn hops_left(&self) -> Option<u8> {
        self.book().hops_left
    }

    /// How far the last connection got; `None`: there was none, or it is still on.
    pub(super) fn account(&self) -> Option<ConnectionAccount> {
        let book = self.book();
        let &KeptConnection { info, sent, received, came_by_then, came, asked, .. } = &book.last;
        let info = info?;
        let later = info.came.saturating_sub(came_by_then);
        Some(ConnectionAccount { sent, received, later, came, asked, info })
    }

    /// What was sent on the last connection, if that is not long.
    pub(crate) fn first_words(&self) -> Option<Vec<u8>> {
        let book = self.book();
        let KeptConnection { sent, first_words, .. } = &book.last;
        (*sent == first_words.len() as u64).then(|| first_words.clone())
    }

    /// Is what came just what was said?
    pub(crate) fn is_echo(&self) -> bool {
        let book = self.book();
        let KeptConnection { first_words, head, .. } = &book.last;
        head.len() >= FEWEST_ECHOED && first_words.starts_with(head)
    }

    /// A line that was to draw the peer out has been answered.
    pub(super) fn drawn_out(&self) {
        self.book().last.is_drawn_out = true;
    }

    /// The first bytes that came, if it took a line of nonsense to have any.
    pub(crate) fn drawn_out_head(&self) -> Option<Vec<u8>> {
        let book = self.book();
        book.last.is_drawn_out.then(|| book.last.head.clone())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP connection that is written into the book.
pub(super) type Counted = Watched<SharedConnection, Ledger>;

/// A connection that the book may look at while it is on.
pub(super) struct SharedConnection(Arc<TcpStream>);

impl AsyncRead for SharedConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(into.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(came) => {
                    into.advance(came);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for SharedConnection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}

impl Observer<SharedConnection> for Ledger {
    fn received(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let mut book = self.book();
            let last = &mut book.last;
            last.received += bytes.len() as u64;
            let info = last.socket.upgrade().and_then(|socket| sys::tcp_info(&*socket));
            last.came_by_then = info.map_or(last.came_by_then, |info| info.came);
            let room = HEAD.saturating_sub(last.head.len());
            last.head.extend(bytes.iter().take(room));
        }
    }

    fn sent(&mut self, bytes: &[u8]) {
        let mut book = self.book();
        let last = &mut book.last;
        last.sent += bytes.len() as u64;
        let room = FIRST_WORDS.saturating_sub(last.first_words.len());
        last.first_words.extend(bytes.iter().take(room));
    }

    /// Before our own end is said: it would count as something that is not acknowledged.
    fn closing(&mut self, stream: &SharedConnection) {
        let info = sys::tcp_info(&*stream.0);
        let mut book = self.book();
        book.last.info = book.last.info.or(info);
    }

    fn ended(&mut self, stream: &SharedConnection) {
        if let Some(info) = sys::tcp_info(&*stream.0) {
            // What a busy peer only acknowledged late was never lost.
            let lost = info.total_retrans.saturating_sub(info.arrived_twice);
            self.book().losses += lost;
        }
    }
}

/// Enough to recognise a peer by.
const HEAD: usize = 64;
/// Fewer bytes may be the same by chance; no question of ours is shorter.
const FEWEST_ECHOED: usize = 4;
/// A hello of TLS, and every question that comes first, is shorter.
const FIRST_WORDS: usize = 4 * 1024;
