//! Ledger: what was sent and what came on the connections of one question, and what the kernel
//! knows of the last of them; over UDP, what a refusal tells besides its words.
//!
//! Kept below TLS and below every crate, so that no conversation escapes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    last: Connection,
}

#[derive(Debug, Default)]
struct Connection {
    /// What the kernel knew of it when we ended it.
    info: Option<TcpInfo>,
    sent: u64,
    received: u64,
    /// The first bytes that were sent, and no others if there were more than [`FIRST_WORDS`].
    first_words: Vec<u8>,
    came: Option<&'static str>,
    asked: Option<&'static str>,
}

/// How far a connection got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Bytes handed to the kernel.
    pub(crate) sent: u64,
    /// Bytes that came.
    pub(crate) received: u64,
    /// The last that the peer said or did, as a reader calls it: "its greeting".
    pub(crate) came: Option<&'static str>,
    /// What it was asked last: "EHLO".
    pub(crate) asked: Option<&'static str>,
    /// What the kernel knew of it when we ended it.
    pub(crate) info: TcpInfo,
}

impl Ledger {
    /// From now on the book is of this connection.
    pub(super) fn open(&self, stream: TcpStream) -> Counted {
        self.book().last = Connection::default();
        Watched::new(stream, self.clone())
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
        self.book().hops_left = hops_left;
    }

    /// Hops that the last refusal had left when it arrived.
    pub(crate) fn hops_left(&self) -> Option<u8> {
        self.book().hops_left
    }

    /// How far the last connection got; `None`: there was none, or it is still on.
    pub(super) fn account(&self) -> Option<Account> {
        let book = self.book();
        let &Connection { info, sent, received, came, asked, .. } = &book.last;
        Some(Account { sent, received, came, asked, info: info? })
    }

    /// What was sent on the last connection, if that is not long.
    pub(crate) fn first_words(&self) -> Option<Vec<u8>> {
        let book = self.book();
        let Connection { sent, first_words, .. } = &book.last;
        (*sent == first_words.len() as u64).then(|| first_words.clone())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP connection that is written into the book.
pub(super) type Counted = Watched<TcpStream, Ledger>;

impl Observer<TcpStream> for Ledger {
    fn received(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.book().last.received += bytes.len() as u64;
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
    fn closing(&mut self, stream: &TcpStream) {
        let info = sys::tcp_info(stream);
        let mut book = self.book();
        book.last.info = book.last.info.or(info);
    }

    fn ended(&mut self, stream: &TcpStream) {
        if let Some(info) = sys::tcp_info(stream) {
            // What a busy peer only acknowledged late was never lost.
            let lost = info.total_retrans.saturating_sub(info.arrived_twice);
            self.book().losses += lost;
        }
    }
}

/// A hello of TLS, and every question that comes first, is shorter.
const FIRST_WORDS: usize = 4 * 1024;
