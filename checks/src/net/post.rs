//! Post: a few UDP sockets that all questions of a run go through, however many are asked.
//!
//! A socket each costs descriptors, memory and a dozen calls of the kernel, and ten thousand of them ask at
//! once whatever the network bears. Here one thread sends at a pace, hears all answers and reads all
//! refusals, and gives each to whoever asked: by the address it came from, or else by the number that the
//! question carried. What fits nobody is passed over.
//!
//! What is lost here, because the kernel had no room for it, is known ([`Seat::is_lost_here`]): it must
//! not be called the peer's loss.
//!
//! Reference: `recvmmsg(2)`, `ip(7)` `IP_RECVERR`, `socket(7)` `SO_RXQ_OVFL`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Notify;

use super::icmp::{self, Refusal};
use super::network;

/// The number that a question carries and its answer repeats.
pub(crate) type NumberOf = fn(&[u8]) -> Option<u32>;

/// The shared sockets of a run. Dropping the last of it ends its thread.
#[derive(Clone, Debug)]
pub(crate) struct Post(Arc<Office>);

#[derive(Debug)]
struct Office {
    shared: Arc<PostOffice>,
}

/// What those who ask and the thread have in common.
struct PostOffice {
    desk: Mutex<Desk>,
    /// Wakes the thread.
    bell: UnixStream,
    is_rung: AtomicBool,
    is_closed: AtomicBool,
    /// When a datagram was last lost here, in microseconds since `opened`; 0: never.
    lost_at: AtomicU64,
    opened: Instant,
    number_of: NumberOf,
}

#[derive(Default)]
struct Desk {
    /// The sockets, two beside each other for each family and address of ours.
    lines: Vec<SocketPair>,
    /// Who waits for something from an address.
    seats: HashMap<SocketAddr, Vec<Arc<Inbox>>>,
    /// Who asked the question of a number.
    asked: HashMap<u32, Arc<Inbox>>,
    /// What is to be sent, by the moment before which it must not be, and in the order it was given.
    out: BTreeMap<(Instant, u64), OutgoingDatagram>,
    given: u64,
    /// When each network is asked next.
    networks: HashMap<IpAddr, Instant>,
}

/// A pair of sockets with neighbouring ports: what is asked again leaves by the other one, and so perhaps
/// over another path.
#[derive(Clone)]
struct SocketPair {
    is_v4: bool,
    from: Option<IpAddr>,
    sockets: [Arc<UdpSocket>; 2],
}

struct OutgoingDatagram {
    to: SocketAddr,
    line: usize,
    which: usize,
    bytes: Vec<u8>,
    inbox: Arc<Inbox>,
    failures: u8,
}

/// What came for one who asks.
#[derive(Debug)]
struct Inbox {
    to: SocketAddr,
    came: Mutex<Came>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Came {
    waiting: VecDeque<PostEvent>,
    /// Fingerprints of datagrams that came before: whoever repeats itself a thousand times is heard once.
    known: VecDeque<u64>,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) enum PostEvent {
    /// It has left this host.
    Sent(Instant),
    /// It could not be sent.
    Failed(io::Error),
    /// A device refused it.
    Refused(Refusal),
    /// A datagram, from whom, and whether it came where the first questions leave from.
    Datagram {
        /// The whole datagram.
        bytes: Vec<u8>,
        /// Who sent it.
        from: SocketAddr,
        /// Did it come to the socket of first questions?
        is_first: bool,
        /// When it was heard: whoever asks may be busy then.
        at: Instant,
    },
}

/// The place of one who asks one peer.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<PostOffice>,
    inbox: Arc<Inbox>,
    line: usize,
    /// The numbers of what was asked.
    numbers: Mutex<Vec<u32>>,
    /// The port of ours that first questions leave from.
    port: u16,
}

impl Post {
    /// Opens no socket yet. `rate`: packets a second at most; `number_of` reads both questions and answers.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub(crate) fn open(rate: u32, number_of: NumberOf) -> io::Result<Self> {
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        let shared = Arc::new(PostOffice {
            desk: Mutex::default(),
            bell,
            is_rung: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            lost_at: AtomicU64::new(0),
            opened: Instant::now(),
            number_of,
        });
        let working = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("post".into());
        thread.spawn(move || Worker::new(working, rung, rate).work())?;
        Ok(Self(Arc::new(Office { shared })))
    }

    /// A place for questions to `to`, `from` that address of ours.
    ///
    /// # Errors
    ///
    /// When no socket can be opened, or not from that address.
    pub(crate) fn seat(&self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Seat> {
        let shared = Arc::clone(&self.0.shared);
        let to = plain(to);
        let inbox = Arc::new(Inbox { to, came: Mutex::default(), woken: Notify::new() });
        let mut desk = shared.desk();
        let line = desk.line(to, from)?;
        let port = match desk.lines.get(line) {
            Some(SocketPair { sockets: [first, _], .. }) => first.local_addr()?.port(),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        desk.seats.entry(to).or_default().push(Arc::clone(&inbox));
        drop(desk);
        Ok(Seat { shared, inbox, line, numbers: Mutex::default(), port })
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.ring();
    }
}

impl PostOffice {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // A full pipe rings as well.
            let _rung = (&self.bell).write(&[1]);
        }
    }

    fn lost(&self) {
        let since = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.lost_at.store(since.max(1), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for PostOffice {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Post").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl Desk {
    /// The number of the pair of sockets for `to`, which is opened when there is none.
    fn line(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<usize> {
        let is_it = |line: &SocketPair| line.is_v4 == to.is_ipv4() && line.from == from;
        if let Some(known) = self.lines.iter().position(is_it) {
            return Ok(known);
        }
        let first = socket(to, from, 0)?;
        let neighbour = first.local_addr()?.port() ^ 1;
        let second = socket(to, from, neighbour).or_else(|_in_use| socket(to, from, 0))?;
        let sockets = [Arc::new(first), Arc::new(second)];
        self.lines.push(SocketPair { is_v4: to.is_ipv4(), from, sockets });
        Ok(self.lines.len() - 1)
    }

    /// When a network may be asked once more: a few at once, and then at its own pace.
    fn slot(&mut self, to: IpAddr) -> Instant {
        let now = Instant::now();
        let earliest = now.checked_sub(NETWORK_BURST * NETWORK_PAUSE).unwrap_or(now);
        let next = self.networks.entry(network(to)).or_insert(earliest);
        let slot = (*next).max(earliest);
        *next = slot + NETWORK_PAUSE;
        slot.max(now)
    }
}

/// A socket that hears everybody and keeps refusals, at that address and port of ours.
fn socket(to: SocketAddr, from: Option<IpAddr>, port: u16) -> io::Result<UdpSocket> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if to.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    icmp::keep_refusals(&socket, to, true)?;
    let _best_effort = icmp::tell_hops_left(&socket, to);
    let _best_effort = setsockopt(&socket, sockopt::RxqOvfl, &1);
    // Only root may exceed the system's limit; what another user gets is paced and asked again.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _as_much_as_there_is = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    socket.bind(&SocketAddr::new(from.unwrap_or(any), port).into())?;
    Ok(socket.into())
}

impl Seat {
    /// The port of ours that first questions leave from.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Gives a question away; [`PostEvent::Sent`] says when it has left. What is asked `again` leaves from
    /// another port.
    pub(crate) fn send(&self, question: &[u8], again: bool) {
        let number = (self.shared.number_of)(question);
        let mut desk = self.shared.desk();
        if let Some(number) = number {
            desk.asked.insert(number, Arc::clone(&self.inbox));
            self.numbers.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        }
        let slot = desk.slot(self.inbox.to.ip());
        desk.given += 1;
        let key = (slot, desk.given);
        let letter = OutgoingDatagram {
            to: self.inbox.to,
            line: self.line,
            which: usize::from(again),
            bytes: question.to_vec(),
            inbox: Arc::clone(&self.inbox),
            failures: 0,
        };
        desk.out.insert(key, letter);
        drop(desk);
        self.shared.ring();
    }

    /// The next that comes.
    pub(crate) async fn next(&self) -> PostEvent {
        loop {
            let woken = self.inbox.woken.notified();
            let mail = self.inbox.came().waiting.pop_front();
            if let Some(mail) = mail {
                return mail;
            }
            woken.await;
        }
    }

    /// Was anything lost on this host since `since`, because there was no room for it?
    pub(crate) fn is_lost_here(&self, since: Instant) -> bool {
        let lost_at = self.shared.lost_at.load(Ordering::Relaxed);
        lost_at > 0 && self.shared.opened + Duration::from_micros(lost_at) >= since
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let numbers =
            std::mem::take(self.numbers.get_mut().unwrap_or_else(PoisonError::into_inner));
        let mut desk = self.shared.desk();
        for number in numbers {
            desk.asked.remove(&number);
        }
        if let Some(seats) = desk.seats.get_mut(&self.inbox.to) {
            seats.retain(|seat| !Arc::ptr_eq(seat, &self.inbox));
            if seats.is_empty() {
                desk.seats.remove(&self.inbox.to);
            }
        }
    }
}

impl Inbox {
    fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, mail: PostEvent) {
        let mut came = self.came();
        if let PostEvent::Datagram { bytes, from, .. } = &mail {
            let mut print = DefaultHasher::new();
            (bytes, from).hash(&mut print);
            let print = print.finish();
            if came.known.contains(&print) {
                return;
            }
            if came.known.len() >= KNOWN {
                came.known.pop_front();
            }
            came.known.push_back(print);
            let datagrams =
                came.waiting.iter().filter(|mail| matches!(mail, PostEvent::Datagram { .. }));
            if datagrams.count() >= WAITING {
                // Whoever floods is heard last; what it said last counts.
                let oldest =
                    came.waiting.iter().position(|mail| matches!(mail, PostEvent::Datagram { .. }));
                oldest.and_then(|oldest| came.waiting.remove(oldest));
            }
        }
        came.waiting.push_back(mail);
        drop(came);
        self.woken.notify_one();
    }
}

/// The thread: sends at a pace, and hears.
struct Worker {
    shared: Arc<PostOffice>,
    rung: UnixStream,
    lines: Vec<SocketPair>,
    pace: Pace,
    /// Datagrams that each socket has lost so far.
    lost: HashMap<i32, u32>,
    room: Vec<u8>,
}

impl Worker {
    fn new(shared: Arc<PostOffice>, rung: UnixStream, rate: u32) -> Self {
        let room = vec![0; BATCH * LARGEST];
        Self { shared, rung, lines: Vec::new(), pace: Pace::new(rate), lost: HashMap::new(), room }
    }

    fn work(mut self) {
        while !self.shared.is_closed.load(Ordering::Acquire) {
            self.shared.is_rung.store(false, Ordering::Release);
            let (letters, next) = self.due();
            let is_sent = !letters.is_empty();
            self.send(letters);
            let is_heard = self.hear();
            if !is_sent && !is_heard {
                self.sleep(next);
            }
        }
    }

    /// What may be sent now, and when the next may.
    fn due(&mut self) -> (Vec<OutgoingDatagram>, Option<Instant>) {
        let now = Instant::now();
        let mut room = self.pace.room(now);
        let mut desk = self.shared.desk();
        if desk.lines.len() != self.lines.len() {
            self.lines.clone_from(&desk.lines);
        }
        let mut letters = Vec::new();
        while let Some(entry) = desk.out.first_entry() {
            let slot = entry.key().0;
            if slot > now {
                return (letters, Some(slot));
            }
            if room == 0 {
                return (letters, Some(now + self.pace.pause()));
            }
            room -= 1;
            self.pace.take();
            letters.push(entry.remove());
        }
        (letters, None)
    }

    /// Sends all of them, those of a socket at once.
    fn send(&mut self, letters: Vec<OutgoingDatagram>) {
        let mut of_sockets: BTreeMap<(usize, usize), VecDeque<OutgoingDatagram>> = BTreeMap::new();
        for letter in letters {
            of_sockets.entry((letter.line, letter.which)).or_default().push_back(letter);
        }
        for ((line, which), mut letters) in of_sockets {
            let Some(socket) = self.socket(line, which) else { continue };
            let is_v4 = self.lines.get(line).is_some_and(|line| line.is_v4);
            while !letters.is_empty() {
                match send_some(&socket, &letters) {
                    Ok(sent) => {
                        let at = Instant::now();
                        for letter in letters.drain(..sent.min(letters.len())) {
                            letter.inbox.put(PostEvent::Sent(at));
                        }
                    }
                    Err(error) => self.stumble(&socket, is_v4, error, &mut letters),
                }
            }
        }
    }

    /// The first of `letters` was not sent: because of another one before, because there is no room, or because of itself.
    fn stumble(
        &mut self,
        socket: &UdpSocket,
        is_v4: bool,
        error: Errno,
        letters: &mut VecDeque<OutgoingDatagram>,
    ) {
        // A refusal that has just come in fails whatever is sent next.
        let is_anothers = self.refusals(socket, is_v4) > 0 || error == Errno::EINTR;
        let is_full = matches!(error, Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM);
        let Some(mut letter) = letters.pop_front() else { return };
        letter.failures += 1;
        let most = match (is_anothers, is_full) {
            (true, _) => OTHERS,
            (false, true) => PATIENCE,
            (false, false) => 1,
        };
        if letter.failures > most {
            letter.inbox.put(PostEvent::Failed(error.into()));
            return;
        }
        letters.push_front(letter);
        if is_full && !is_anothers {
            self.pace.slow_down();
            let later = Instant::now() + FULL;
            let mut desk = self.shared.desk();
            // Those behind it wait as well, in their order.
            for letter in letters.drain(..) {
                desk.given += 1;
                let key = (later, desk.given);
                desk.out.insert(key, letter);
            }
        }
    }

    fn socket(&self, line: usize, which: usize) -> Option<Arc<UdpSocket>> {
        self.lines.get(line)?.sockets.get(which).map(Arc::clone)
    }

    /// Takes what has come on all sockets; `false`: nothing.
    fn hear(&mut self) -> bool {
        let mut is_heard = false;
        for line in self.lines.clone() {
            for (which, socket) in line.sockets.iter().enumerate() {
                for _ in 0..BATCHES {
                    let heard = self.datagrams(socket, which == 0);
                    is_heard |= heard > 0;
                    if heard < BATCH {
                        break;
                    }
                }
                is_heard |= self.refusals(socket, line.is_v4) > 0;
            }
        }
        is_heard
    }

    /// One batch of datagrams; how many.
    fn datagrams(&mut self, socket: &UdpSocket, is_first: bool) -> usize {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.room.chunks_mut(LARGEST).map(|one| [IoSliceMut::new(one)]).collect();
        let space = nix::cmsg_space!(u32, libc::c_int);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(space));
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let mut came = Vec::new();
        let mut lost = None;
        // An error is a refusal, which is read from its queue.
        if let Ok(messages) = recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None) {
            for message in messages {
                for control in message.cmsgs().into_iter().flatten() {
                    if let ControlMessageOwned::RxqOvfl(all) = control {
                        lost = Some(all);
                    }
                }
                came.push((message.bytes, message.address.as_ref().and_then(address)));
            }
        }
        if let Some(all) = lost
            && self.lost.insert(fd, all) != Some(all)
        {
            self.shared.lost();
            self.pace.slow_down();
        }
        let at = Instant::now();
        let desk = self.shared.desk();
        for ((length, from), bytes) in came.iter().zip(self.room.chunks(LARGEST)) {
            let (Some(from), Some(bytes)) = (from, bytes.get(..*length)) else { continue };
            let mail = || PostEvent::Datagram { bytes: bytes.to_vec(), from: *from, is_first, at };
            if let Some(seats) = desk.seats.get(&plain(*from)) {
                for seat in seats {
                    seat.put(mail());
                }
            } else {
                // From elsewhere than it was asked: whose question is it?
                let number = (self.shared.number_of)(bytes);
                if let Some(seat) = number.and_then(|number| desk.asked.get(&number)) {
                    seat.put(mail());
                }
            }
        }
        came.len()
    }

    /// Gives each refusal to whoever asked there; how many there were.
    fn refusals(&self, socket: &UdpSocket, is_v4: bool) -> usize {
        let mut taken = 0;
        while let Some((of, refusal)) = icmp::next_refusal_of_any(socket, is_v4) {
            taken += 1;
            let desk = self.shared.desk();
            let seats = desk.seats.get(&plain(of)).map(Vec::as_slice).unwrap_or_default();
            for seat in seats {
                if let Some(refusal) = refusal {
                    seat.put(PostEvent::Refused(refusal));
                }
            }
            if taken >= REFUSALS {
                break;
            }
        }
        taken
    }

    /// Until something comes, somebody rings, or the next may be sent.
    fn sleep(&mut self, next: Option<Instant>) {
        let wait = next.map_or(IDLE, |next| next.saturating_duration_since(Instant::now()));
        let mut watched = vec![PollFd::new(self.rung.as_fd(), PollFlags::POLLIN)];
        for line in &self.lines {
            for socket in &line.sockets {
                watched.push(PollFd::new(socket.as_fd(), PollFlags::POLLIN));
            }
        }
        let millis = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX);
        if millis == 0 {
            std::thread::sleep(wait.min(SHORT));
        } else {
            let _whatever_woke = poll(&mut watched, PollTimeout::from(millis));
        }
        let mut rings = [0; 64];
        while (&self.rung).read(&mut rings).is_ok_and(|read| read == rings.len()) {}
    }
}

/// Sends as many as the kernel takes at once, from the first.
fn send_some(socket: &UdpSocket, letters: &VecDeque<OutgoingDatagram>) -> nix::Result<usize> {
    let count = letters.len().min(BATCH);
    let slices: Vec<[IoSlice<'_>; 1]> =
        letters.iter().take(count).map(|letter| [IoSlice::new(&letter.bytes)]).collect();
    let to: Vec<Option<SockaddrStorage>> =
        letters.iter().take(count).map(|letter| Some(SockaddrStorage::from(letter.to))).collect();
    let mut headers = MultiHeaders::preallocate(count, None);
    let flags = MsgFlags::MSG_DONTWAIT;
    sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &to, [], flags).map(Iterator::count)
}

fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = of.as_sockaddr_in().map(|v4| SocketAddr::new(v4.ip().into(), v4.port()));
    v4.or_else(|| of.as_sockaddr_in6().map(|v6| SocketAddr::new(v6.ip().into(), v6.port())))
}

/// Without the link: the kernel tells one with answers, also where none was asked for.
fn plain(of: SocketAddr) -> SocketAddr {
    SocketAddr::new(of.ip(), of.port())
}

/// How many packets a second, and how many at once.
struct Pace {
    /// Packets a second, when nothing is lost.
    rate: f64,
    /// Packets a second at present.
    now: f64,
    /// Packets that may be sent at this moment.
    room: f64,
    counted: Instant,
    slowed: Instant,
}

impl Pace {
    fn new(rate: u32) -> Self {
        let (rate, now) = (f64::from(rate.max(1)), Instant::now());
        Self { rate, now: rate, room: BURST, counted: now, slowed: now }
    }

    /// Packets that may be sent now.
    fn room(&mut self, now: Instant) -> usize {
        if self.now < self.rate && now.duration_since(self.slowed) > RECOVERS {
            self.now = (self.now * 2.0).min(self.rate);
            self.slowed = now;
        }
        let passed = now.duration_since(self.counted).as_secs_f64();
        self.counted = now;
        self.room = (self.room + passed * self.now).min(BURST);
        (0..BATCH)
            .take_while(|&count| {
                self.room >= f64::from(u32::try_from(count + 1).unwrap_or(u32::MAX))
            })
            .count()
    }

    fn take(&mut self) {
        self.room -= 1.0;
    }

    /// Until there is room for another few.
    fn pause(&self) -> Duration {
        Duration::from_secs_f64((1.0 / self.now).clamp(0.000_2, 1.0))
    }

    /// Packets are lost on this host: half as many from now on.
    fn slow_down(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.slowed) > SLOWS || self.now >= self.rate {
            self.now = (self.now / 2.0).max(SLOWEST.min(self.rate));
            self.slowed = now;
        }
    }
}

/// Packets a second that are usual: ten thousand devices are asked within 0.3 s.
pub const RATE: u32 = 50_000;
/// Packets at once, after a pause.
const BURST: f64 = 64.0;
/// Never fewer a second, however much is lost here.
const SLOWEST: f64 = 5_000.0;
/// How soon after a slower pace comes an even slower one, and a faster one.
const SLOWS: Duration = Duration::from_millis(20);
const RECOVERS: Duration = Duration::from_millis(250);
/// Packets of one network at once, and the pause between any two after that: 4,000 a second.
const NETWORK_BURST: u32 = 64;
const NETWORK_PAUSE: Duration = Duration::from_micros(250);
/// Datagrams of one call of the kernel.
const BATCH: usize = 32;
/// Calls in a row for one socket: a flood on one must not keep the others waiting.
const BATCHES: usize = 8;
/// Refusals in a row for one socket.
const REFUSALS: usize = 256;
/// The largest datagram there is.
const LARGEST: usize = 65_535;
/// Datagrams that wait for one who asks.
const WAITING: usize = 8;
/// Datagrams of one peer that are known again.
const KNOWN: usize = 8;
/// Answers of ten thousand devices at once, as the kernel counts them.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// How long the kernel's buffers are given when they are full, and how often.
const FULL: Duration = Duration::from_millis(5);
const PATIENCE: u8 = 100;
/// How often a question may be kept from leaving by refusals of others.
const OTHERS: u8 = 20;
const IDLE: Duration = Duration::from_millis(500);
const SHORT: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Icmp;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// Four bytes are a number.
    fn number_of(bytes: &[u8]) -> Option<u32> {
        bytes.first_chunk().map(|number| u32::from_be_bytes(*number))
    }

    fn post() -> Post {
        Post::open(RATE, number_of).unwrap()
    }

    fn server() -> (UdpSocket, SocketAddr) {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let at = server.local_addr().unwrap();
        (server, at)
    }

    /// The next that is no word of having sent.
    async fn next(seat: &Seat) -> PostEvent {
        let next = async {
            loop {
                match seat.next().await {
                    PostEvent::Sent(_) => {}
                    mail => return mail,
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap()
    }

    #[tokio::test]
    async fn each_gets_the_answer_of_the_peer_it_asked() {
        let (post, servers) = (post(), [server(), server()]);
        let seats = servers.each_ref().map(|(_, at)| post.seat(*at, None).unwrap());
        for (seat, number) in seats.iter().zip([1, 2]) {
            seat.send(&[0, 0, 0, number], false);
        }
        for (server, _) in &servers {
            let mut question = [0; 9];
            let (length, from) = server.recv_from(&mut question).unwrap();
            server.send_to(&question[..length], from).unwrap();
        }
        for ((seat, number), (_, at)) in seats.iter().zip([1, 2]).zip(&servers) {
            let PostEvent::Datagram { bytes, from, is_first: true, .. } = next(seat).await else {
                panic!("no answer")
            };
            assert_eq!((bytes, from), (vec![0, 0, 0, number], *at));
        }
    }

    #[tokio::test]
    async fn an_answer_from_elsewhere_is_known_by_its_number_and_a_strangers_word_is_nobodys() {
        let (post, (server, at), (other, elsewhere)) = (post(), server(), server());
        let seat = post.seat(at, None).unwrap();
        seat.send(&[0, 0, 0, 7], true);
        let (_, client) = server.recv_from(&mut [0; 9]).unwrap();
        other.send_to(&[9, 9, 9, 9], client).unwrap();
        other.send_to(&[0, 0, 0, 7, 1], client).unwrap();
        let PostEvent::Datagram { bytes, from, is_first: false, .. } = next(&seat).await else {
            panic!("no answer")
        };
        assert_eq!((bytes, from), (vec![0, 0, 0, 7, 1], elsewhere));
    }

    #[tokio::test]
    async fn a_refusal_goes_to_whoever_asked_there_and_the_others_are_asked_all_the_same() {
        let (post, (server, open), (gone, closed)) = (post(), server(), server());
        drop(gone);
        let refused = post.seat(closed, None).unwrap();
        let asks = post.seat(open, None).unwrap();
        for number in 0..20 {
            refused.send(&[1, 0, 0, number], false);
            asks.send(&[2, 0, 0, number], false);
        }
        let PostEvent::Refused(Refusal { icmp, by, .. }) = next(&refused).await else {
            panic!("not refused")
        };
        assert_eq!((icmp, by), (Icmp::V4 { kind: 3, code: 3 }, closed.ip()));
        for _ in 0..20 {
            server.recv_from(&mut [0; 9]).unwrap();
        }
    }

    #[tokio::test]
    async fn whoever_repeats_itself_a_thousand_times_does_not_hide_what_it_says_next() {
        let (post, (server, at)) = (post(), server());
        let seat = post.seat(at, None).unwrap();
        seat.send(&[0, 0, 0, 1], false);
        let (_, client) = server.recv_from(&mut [0; 9]).unwrap();
        for _ in 0..1_000 {
            server.send_to(b"again", client).unwrap();
        }
        server.send_to(b"next", client).unwrap();
        let mut heard = Vec::new();
        for _ in 0..2 {
            if let PostEvent::Datagram { bytes, .. } = next(&seat).await {
                heard.push(bytes);
            }
        }
        assert_eq!(heard, [b"again".to_vec(), b"next".to_vec()]);
    }

    #[tokio::test]
    async fn an_address_that_is_not_ours_is_told() {
        let refused = post().seat(server().1, Some([192, 0, 2, 77].into()));
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EADDRNOTAVAIL));
    }

    #[test]
    fn a_pace_lets_no_more_through_than_its_rate() {
        let mut pace = Pace::new(1_000);
        let start = pace.counted;
        let mut sent = 0;
        for millis in 0..1_000 {
            for _ in 0..pace.room(start + Duration::from_millis(millis)) {
                pace.take();
                sent += 1;
            }
        }
        assert!((990..=1_064).contains(&sent), "{sent}");
    }

    #[test]
    fn a_loss_here_halves_the_pace_and_quiet_brings_it_back() {
        let mut pace = Pace::new(40_000);
        pace.slow_down();
        assert!(pace.now <= 20_000.0, "{}", pace.now);
        let later = Instant::now() + 2 * RECOVERS;
        pace.room(later);
        assert!(pace.now >= 40_000.0, "{}", pace.now);
    }

    #[test]
    fn a_network_is_asked_a_few_times_at_once_and_then_at_its_own_pace() {
        let mut desk = Desk::default();
        let now = Instant::now();
        let slots: Vec<Instant> =
            (0..=255).map(|host| desk.slot([10, 0, 0, host].into())).collect();
        let at_once = slots.iter().filter(|slot| **slot < now + Duration::from_millis(2)).count();
        assert!((64..=96).contains(&at_once), "{at_once}");
        let last = slots.last().unwrap().duration_since(now);
        assert!(last > Duration::from_millis(40), "{last:?}");
        assert!(desk.slot([10, 0, 1, 1].into()) < now + Duration::from_millis(20));
    }
}
