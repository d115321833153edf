//! UDP: a question asked again on a schedule, and refusals with their sender.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::echo::{self, Echo};
use super::errno::{local, no_route, no_socket};
use super::icmp::Refusal;
use super::post::{PostEvent, Seat};
use super::source::{leave_from, leave_from_port};
use super::{Ask, Deadline, Ledger, icmp, route};
use crate::cause::{
    Cause, Concern, LocalFirewallSign, Millis, PathCause, Phase, PortCause, RouteCause, RouteEntry,
    TalkCause,
};
use crate::wire;

/// A UDP socket that keeps the refusals of its packets.
pub(crate) struct Udp {
    line: UdpSockets,
    /// Does an answer from elsewhere count?
    is_loose: bool,
    /// From where else an answer came.
    elsewhere: OnceLock<SocketAddr>,
    /// When the first question of all was sent.
    first_sent: OnceLock<Instant>,
    to: SocketAddr,
    own: Option<IpAddr>,
    /// The entry of our routing table, as it was before a router did not answer: asked for when a first
    /// question was not answered at once, where many are asked.
    entry: OnceLock<Option<RouteEntry>>,
    /// The address of ours that was asked for.
    from: Option<IpAddr>,
    ledger: Ledger,
    deadline: Deadline,
    /// What is sent is an echo request: how its own are told from others'.
    echo: Option<Echo>,
}

/// Through which sockets a peer is asked.
enum UdpSockets {
    /// Sockets of the question's own.
    Own {
        /// Hears the peer only.
        socket: UdpSocket,
        /// What is asked again goes through this one, which hears everybody.
        open: Option<UdpSocket>,
    },
    /// Those that all questions of a run share.
    Shared(Seat),
}

/// What came of what was sent.
enum UdpEvent {
    /// It has left this host only now.
    Sent(Instant),
    Datagram {
        bytes: Vec<u8>,
        /// `None`: the peer, since nobody else is heard there.
        from: Option<SocketAddr>,
        /// Did it come where the first question leaves from?
        is_first: bool,
        /// When it arrived.
        at: Instant,
    },
    Refused(Refusal),
    /// Sending or hearing failed, on the socket of first questions or on the other.
    Broken {
        error: io::Error,
        is_first: bool,
    },
}

/// Room for a datagram on each socket of one's own.
#[derive(Default)]
struct DatagramRoom {
    first: Vec<u8>,
    open: Vec<u8>,
}

/// When to ask, counted from the first time: the pauses let ICMP errors through,
/// which are rate-limited to about one a second.
pub(crate) const ASK_AT: [Duration; 3] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_millis(2_500)];
/// When to stop listening after the first question of [`ASK_AT`]: longer than
/// the 3.07 s of a neighbour that does not answer.
pub(crate) const LISTEN: Duration = Duration::from_secs(4);
/// How much longer a peer is waited for that has answered an earlier question, and took its time.
const LATE: Duration = Duration::from_secs(4);
/// The largest datagram there is.
const MAX_DATAGRAM: usize = 65_535;

/// An answer that counted.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    /// What `accept` made of it.
    pub(crate) reply: T,
    /// Which of the questions was answered: 1 is the first, however late its answer came.
    pub(crate) tries: usize,
    /// Time since that question was sent.
    pub(crate) round_trip: Duration,
}

/// What a datagram is to whoever waits for an answer.
#[derive(Debug)]
pub(crate) enum Weighed<T> {
    /// The answer.
    Answer(T),
    /// The late answer to an earlier question of ours: the peer is there, and slow.
    Late,
    /// Nothing of ours.
    Stray,
}

impl<T> From<Option<T>> for Weighed<T> {
    fn from(answer: Option<T>) -> Self {
        answer.map_or(Self::Stray, Self::Answer)
    }
}

impl Udp {
    /// Opens a socket towards the peer of `ask`; no packet is sent.
    ///
    /// What is asked again may be answered from another address or port, which most clients drop
    /// unseen: that is heard, and is a failure. The caller must know an answer by more than its
    /// sender.
    ///
    /// # Errors
    ///
    /// [`RouteCause::NoRoute`](crate::cause::RouteCause::NoRoute) from our own routing table, [`RouteCause::LocalError`](crate::cause::RouteCause::LocalError).
    pub(crate) fn connect(ask: &mut Ask) -> Result<Self, Cause> {
        let to = ask.address();
        let socket = socket(to)?;
        leave_from(&socket, ask.peer.from, to)?;
        socket.connect(&to.into()).map_err(|error| no_route(to, &error))?;
        let socket = UdpSocket::from_std(socket.into()).map_err(|e| local("open a socket", &e))?;
        let own = socket.local_addr().ok();
        ask.source = own.map(|own| own.ip());
        if let Some(own) = own {
            ask.ledger.leaves_from(own.port());
        }
        let line = UdpSockets::Own { open: own.and_then(|own| open(own, to).ok()), socket };
        Ok(Self::over(line, ask, None))
    }

    /// A conversation with the peer of `ask` over a socket that is connected to it.
    fn over(line: UdpSockets, ask: &Ask, echo: Option<Echo>) -> Self {
        let (to, from) = (ask.address(), ask.peer.from);
        Self {
            line,
            is_loose: false,
            elsewhere: OnceLock::new(),
            first_sent: OnceLock::new(),
            to,
            own: ask.source,
            entry: route::entry_for(to.ip(), from).into(),
            from,
            ledger: ask.ledger.clone(),
            deadline: ask.deadline,
            echo,
        }
    }

    /// The same for echo requests, which are not UDP but are asked in the same way.
    ///
    /// # Errors
    ///
    /// As [`Udp::connect`], and [`RouteCause::PingNotPermitted`](crate::cause::RouteCause::PingNotPermitted).
    pub(crate) fn ping(ask: &mut Ask) -> Result<(Self, Echo), Cause> {
        let to = ask.address();
        let (socket, echo) = echo::socket(to)?;
        icmp::keep_refusals(&socket, to, true).map_err(|e| local("read refusals", &e.into()))?;
        let _best_effort = icmp::tell_hops_left(&socket, to);
        leave_from(&socket, ask.peer.from, to)?;
        socket.connect(&to.into()).map_err(|error| no_route(to, &error))?;
        let socket = UdpSocket::from_std(socket.into()).map_err(|e| local("open a socket", &e))?;
        ask.source = socket.local_addr().ok().map(|own| own.ip());
        let udp = Self::over(UdpSockets::Own { socket, open: None }, ask, Some(echo));
        Ok((udp, echo))
    }

    /// The same, through the sockets that all questions of a run share, where there are any.
    ///
    /// # Errors
    ///
    /// As [`Udp::connect`].
    pub(crate) fn share(ask: &mut Ask) -> Result<Self, Cause> {
        let (to, from) = (ask.address(), ask.peer.from);
        let Some(post) = ask.post.clone().filter(|_| !is_of_a_link(to.ip())) else {
            return Self::connect_loosely(ask);
        };
        // Which address of ours leads there is asked of the kernel: nothing is sent. Without a descriptor for that
        // it stays unknown, which costs a healthy device nothing.
        let own = match socket(to) {
            Ok(probe) => {
                leave_from(&probe, from, to)?;
                probe.connect(&to.into()).map_err(|error| no_route(to, &error))?;
                probe.local_addr().ok().and_then(|own| own.as_socket()).map(|own| own.ip())
            }
            Err(_no_descriptor) => None,
        };
        let Ok(seat) = post.seat(to, from) else { return Self::connect_loosely(ask) };
        ask.source = own;
        ask.ledger.leaves_from(seat.port());
        Ok(Self {
            line: UdpSockets::Shared(seat),
            is_loose: true,
            elsewhere: OnceLock::new(),
            first_sent: OnceLock::new(),
            to,
            own,
            entry: OnceLock::new(),
            from,
            ledger: ask.ledger.clone(),
            deadline: ask.deadline,
            echo: None,
        })
    }

    /// The same, for a service whose clients take an answer from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Udp::connect`].
    pub(crate) fn connect_loosely(ask: &mut Ask) -> Result<Self, Cause> {
        Ok(Self { is_loose: true, ..Self::connect(ask)? })
    }

    /// While its port is silent: is the host known to be there, or is somebody about to find out?
    pub(crate) fn may_still_answer(&self) -> bool {
        self.ledger.may_still_answer()
    }

    /// What passes today, when an answer came from elsewhere than it was asked.
    pub(crate) fn elsewhere(&self) -> Option<Concern> {
        let by = self.elsewhere.get()?;
        let port = Some(by.port()).filter(|&port| port != self.to.port());
        Some(Concern::AnswersFromElsewhere { by: by.ip(), port })
    }

    /// Asks at each moment of `schedule` until `accept` takes an answer, at
    /// most `listen` long.
    ///
    /// `accept` returns `None` for a datagram that is no answer to our question;
    /// it is passed over.
    ///
    /// # Errors
    ///
    /// What refused the datagram, [`TalkCause::AnsweredFromElsewhere`](crate::cause::TalkCause::AnsweredFromElsewhere), or [`PathCause::NoAnswer`](crate::cause::PathCause::NoAnswer).
    pub(crate) async fn exchange<T>(
        &self,
        question: &[u8],
        schedule: &[Duration],
        listen: Duration,
        mut accept: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Answered<T>, Cause> {
        self.exchange_weighed(question, schedule, listen, |bytes| accept(bytes).into()).await
    }

    /// The same, where the late answer to an earlier question makes it worth waiting longer, and
    /// asking no more.
    ///
    /// # Errors
    ///
    /// As [`Udp::exchange`].
    #[expect(clippy::too_many_lines, reason = "one loop over all that may come meanwhile")]
    pub(crate) async fn exchange_weighed<T>(
        &self,
        question: &[u8],
        schedule: &[Duration],
        listen: Duration,
        mut accept: impl FnMut(&[u8]) -> Weighed<T>,
    ) -> Result<Answered<T>, Cause> {
        let mut wait = self.deadline.within(listen);
        let moments = |from: Instant, wait: Deadline| {
            schedule.iter().map(|&at| from + wait.scale(at)).collect::<VecDeque<_>>()
        };
        let started = Instant::now();
        let mut times = moments(started, wait);
        let mut tries = 0;
        let (mut first_sent, mut sent) = (started, started);
        let mut room = DatagramRoom::default();
        let mut passed_over = None;
        // A shared socket sends when it is its turn.
        let (mut is_on_its_way, mut is_asked_anew) = (false, false);
        loop {
            let due = times.front().copied().unwrap_or_else(|| wait.at()).min(wait.at());
            tokio::select! {
                // Answers first: a late resend must not overtake one.
                biased;
                heard = self.line.hear(&mut room) => match heard {
                    UdpEvent::Sent(at) => {
                        (is_on_its_way, sent) = (false, at);
                        if tries == 1 {
                            first_sent = at;
                            self.first_sent.get_or_init(|| at);
                            wait = self.deadline.within(listen);
                            times = moments(at, wait);
                            times.pop_front();
                        }
                    }
                    UdpEvent::Refused(refusal) => return Err(self.refused_by(refusal, wait)),
                    UdpEvent::Broken { error, is_first } => {
                        if let Some(cause) = self.refused(is_first, &error, wait) {
                            return Err(cause);
                        }
                    }
                    UdpEvent::Datagram { bytes, from, is_first, at } => {
                        let is_elsewhere =
                            from.is_some_and(|by| (by.ip(), by.port()) != (self.to.ip(), self.to.port()));
                        match accept(&bytes) {
                            Weighed::Answer(reply) => {
                                if is_elsewhere && let Some(by) = from {
                                    self.elsewhere.get_or_init(|| by);
                                }
                                if self.is_loose || !is_elsewhere {
                                    // Only the first question leaves from there, as long as there is another socket.
                                    return Ok(if is_first && self.line.has_another() {
                                        self.answered(reply, 1, at.duration_since(first_sent))
                                    } else {
                                        let tries = if self.is_lost_here(first_sent) { 1 } else { tries };
                                        self.answered(reply, tries, at.duration_since(sent))
                                    });
                                }
                            }
                            Weighed::Late if !is_elsewhere => {
                                if is_first {
                                    self.ledger.answered_late(self.since_first(at));
                                }
                                wait = self.deadline.within(LATE);
                                times.clear();
                            }
                            // Strangers' words are passed over without a trace.
                            Weighed::Stray if is_first && !is_elsewhere && !self.hears_others() => {
                                passed_over = Some(wire::head(&bytes));
                            }
                            Weighed::Late | Weighed::Stray => {}
                        }
                    }
                },
                () = sleep_until(due), if !is_on_its_way => {
                    if due >= wait.at() {
                        if !is_asked_anew && self.is_lost_here(first_sent) {
                            // What was lost on this host says nothing of the peer.
                            is_asked_anew = true;
                            wait = self.deadline.within(listen);
                            times = moments(Instant::now(), wait);
                            continue;
                        }
                        return Err(self.unanswered(passed_over, wait));
                    }
                    sent = Instant::now();
                    if tries == 0 {
                        first_sent = sent;
                    } else {
                        self.entry();
                    }
                    let is_again = tries > 0 || self.elsewhere().is_some();
                    is_on_its_way = match &self.line {
                        UdpSockets::Shared(place) => {
                            place.send(question, is_again);
                            true
                        }
                        UdpSockets::Own { socket, open } => {
                            self.first_sent.get_or_init(|| sent);
                            let sent = match open.as_ref().filter(|_| is_again) {
                                Some(open) => open.send_to(question, self.to).await,
                                None => socket.send(question).await,
                            };
                            if let Some(cause) = sent.err().and_then(|e| self.refused(true, &e, wait)) {
                                return Err(cause);
                            }
                            false
                        }
                    };
                    tries += 1;
                    times.pop_front();
                }
            }
        }
    }

    fn answered<T>(&self, reply: T, tries: usize, round_trip: Duration) -> Answered<T> {
        self.ledger.answered_after(round_trip);
        Answered { reply, tries, round_trip }
    }

    /// Time from when the first question of all left this socket until then.
    fn since_first(&self, then: Instant) -> Duration {
        self.first_sent.get().map(|sent| then.duration_since(*sent)).unwrap_or_default()
    }

    /// The entry of our routing table that leads to the peer.
    fn entry(&self) -> Option<RouteEntry> {
        self.entry.get_or_init(|| route::entry_for(self.to.ip(), self.from)).clone()
    }

    /// Has this host itself lost something since then?
    fn is_lost_here(&self, since: Instant) -> bool {
        match &self.line {
            UdpSockets::Shared(seat) => seat.is_lost_here(since.into_std()),
            UdpSockets::Own { .. } => false,
        }
    }

    /// Silence is one thing, words that are no answer another.
    fn unanswered(&self, passed_over: Option<String>, wait: Deadline) -> Cause {
        if let Some(&by) = self.elsewhere.get() {
            return Cause::Talk(TalkCause::AnsweredFromElsewhere { to: self.to, by });
        }
        match passed_over {
            Some(got) => Cause::Talk(TalkCause::BadReply {
                expected: "an answer to our question".into(),
                got,
            }),
            None => Cause::Path(PathCause::NoAnswer {
                to: self.to,
                phase: Phase::Reply,
                waited: wait.waited(),
            }),
        }
    }

    fn refused_by(&self, refusal: Refusal, wait: Deadline) -> Cause {
        self.ledger.refused(refusal.left);
        refusal.cause(self.to, self.own, self.entry(), wait.waited(), self.echo.is_none())
    }

    /// Does its socket hear what is for other programs of this host too?
    fn hears_others(&self) -> bool {
        self.echo.is_some_and(Echo::hears_others)
    }

    /// The cause behind an error of a socket; `None`: it was of a packet that another program sent.
    fn refused(&self, is_first: bool, error: &io::Error, wait: Deadline) -> Option<Cause> {
        if let UdpSockets::Own { socket, open } = &self.line {
            let on = open.as_ref().filter(|_| !is_first).unwrap_or(socket);
            let is_ours = |quoted: &[u8]| self.echo.is_none_or(|echo| echo.is_ours(quoted));
            if let Some(refusal) = icmp::next_refusal_of_ours(on, self.to, is_ours) {
                return Some(self.refused_by(refusal, wait));
            }
        }
        let to = self.to;
        Some(match error.raw_os_error() {
            Some(libc::EPERM) => {
                Cause::Route(RouteCause::LocalFirewall { to, how: LocalFirewallSign::NotPermitted })
            }
            Some(libc::ENOBUFS) => {
                Cause::Route(RouteCause::LocalFirewall { to, how: LocalFirewallSign::AtInterface })
            }
            _ if self.hears_others() => return None,
            Some(libc::ECONNREFUSED) if self.echo.is_none() => {
                Cause::Port(PortCause::PortClosed { to })
            }
            _ => Cause::Path(PathCause::Unreachable { to, error: error.to_string() }),
        })
    }
}

impl UdpSockets {
    /// Is what is asked again told from the first by the socket it leaves from?
    fn has_another(&self) -> bool {
        match self {
            Self::Own { open, .. } => open.is_some(),
            Self::Shared(_) => true,
        }
    }

    /// The next that comes.
    async fn hear(&self, room: &mut DatagramRoom) -> UdpEvent {
        let (socket, open) = match self {
            Self::Own { socket, open } => (socket, open.as_ref()),
            Self::Shared(seat) => {
                return match seat.next().await {
                    PostEvent::Sent(at) => UdpEvent::Sent(Instant::from_std(at)),
                    PostEvent::Failed(error) => UdpEvent::Broken { error, is_first: true },
                    PostEvent::Refused(refusal) => UdpEvent::Refused(refusal),
                    PostEvent::Datagram { bytes, from, is_first, at } => {
                        let at = Instant::from_std(at);
                        UdpEvent::Datagram { bytes, from: Some(from), is_first, at }
                    }
                };
            }
        };
        room.first.resize(MAX_DATAGRAM, 0);
        room.open.resize(MAX_DATAGRAM, 0);
        let cut = |room: &[u8], length| room.get(..length).unwrap_or_default().to_vec();
        tokio::select! {
            biased;
            arrived = socket.recv(&mut room.first) => match arrived {
                Ok(length) => {
                    UdpEvent::Datagram { bytes: cut(&room.first, length), from: None, is_first: true, at: Instant::now() }
                }
                Err(error) => UdpEvent::Broken { error, is_first: true },
            },
            arrived = hear_anybody(open, &mut room.open) => match arrived {
                Ok((length, from)) => {
                    let bytes = cut(&room.open, length);
                    UdpEvent::Datagram { bytes, from: Some(from), is_first: false, at: Instant::now() }
                }
                Err(error) => UdpEvent::Broken { error, is_first: false },
            },
        }
    }
}

/// Is it an address that means nothing without its link?
fn is_of_a_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// A socket of ours that hears everybody, beside the one at `own`.
///
/// Its port is the neighbour of that one's, so that what spreads questions over several paths by
/// their ports is likely to send the second one over another path than the first.
fn open(own: SocketAddr, to: SocketAddr) -> Result<UdpSocket, Cause> {
    let mut socket = self::socket(to)?;
    if leave_from_port(&socket, Some(own.ip()), own.port() ^ 1, to).is_err() {
        socket = self::socket(to)?;
        leave_from(&socket, Some(own.ip()), to)?;
    }
    UdpSocket::from_std(socket.into()).map_err(|error| local("open a socket", &error))
}

/// A socket towards `to` that keeps refusals, not yet connected.
fn socket(to: SocketAddr) -> Result<Socket, Cause> {
    let open = || {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let socket = open().map_err(|error| no_socket(to, &error))?;
    icmp::keep_refusals(&socket, to, true).map_err(|e| local("read refusals", &e.into()))?;
    let _best_effort = icmp::tell_hops_left(&socket, to);
    Ok(socket)
}

/// The next datagram from anybody; never, without such a socket.
async fn hear_anybody(
    open: Option<&UdpSocket>,
    datagram: &mut [u8],
) -> io::Result<(usize, SocketAddr)> {
    match open {
        Some(open) => open.recv_from(datagram).await,
        None => std::future::pending().await,
    }
}

/// Who refuses packets to this port? A single empty datagram, which no service answers.
///
/// Silence is no refusal: `None`.
pub(crate) async fn refusal(ask: &mut Ask, patience: Duration) -> Option<Cause> {
    let asked = match Udp::connect(ask) {
        Ok(socket) => socket.exchange(b"", &[Duration::ZERO], patience, |_| Some(())).await.err(),
        Err(cause) => Some(cause),
    };
    asked.filter(|cause| !matches!(cause, Cause::Path(PathCause::NoAnswer { .. })))
}

/// What passes today when an answer took long.
pub(crate) fn slowness(ask: &Ask) -> Option<Concern> {
    let took = ask.ledger.slowest_answer().filter(|took| *took >= ask.deadline.scale(SLOW))?;
    Some(Concern::SlowAnswer { took: Millis(took) })
}

/// Asks a harmless question more times, one after the other, and counts the answers.
///
/// A path that loses one packet in five passes one question easily: the count
/// becomes evidence, and a missing answer a concern. `repeats` at most, and no more once it has
/// taken [`COUNTING`]; after a first answer that is missing, only a few for the figure.
pub(crate) async fn count_answers(ask: &mut Ask, question: fn() -> Vec<u8>, repeats: usize) {
    let is_elsewhere = |concern: &Concern| matches!(concern, Concern::AnswersFromElsewhere { .. });
    // Whoever takes its time is not asked again and again.
    let is_slow = ask.ledger.slowest_answer().is_some_and(|took| took >= TOO_SLOW_TO_COUNT);
    if repeats == 0 || is_slow || ask.seen.concerns.iter().any(is_elsewhere) {
        return;
    }
    let deadline = ask.deadline.renewed(COUNTING);
    let usual = ask.ledger.slowest_answer().unwrap_or_default();
    let (mut answered, mut asked) = (1, 1);
    while asked <= repeats && !deadline.is_over() {
        let Ok(socket) = Udp::connect(ask) else { break };
        let socket = Udp { deadline: ask.deadline.renewed(PATIENCE), ..socket };
        let once = [Duration::ZERO];
        let patience = GRACE + 2 * usual;
        let reply = socket.exchange(&question(), &once, patience, |_| Some(())).await;
        asked += 1;
        answered += usize::from(reply.is_ok());
        let missing = asked - answered;
        if missing >= ENOUGH || (missing > 0 && asked >= FEW) {
            break;
        }
    }
    ask.seen.evidence.set("answers", format!("{answered}/{asked}"));
    if answered < asked {
        // Chance took the answer to a question with EDNS as it takes others.
        ask.seen.concerns.retain(|concern| !matches!(concern, Concern::DnsWithoutEdns));
        ask.seen.concerns.push(Concern::AnswersMissing { answered, asked });
    }
}

/// An answer later than this is felt by whoever asks often; with --timeout it is later.
const SLOW: Duration = Duration::from_millis(400);
/// A peer this slow would make the count take longer than the question did.
const TOO_SLOW_TO_COUNT: Duration = Duration::from_millis(200);
/// How long answers are counted at most, those that are missing apart.
const COUNTING: Duration = Duration::from_secs(1);
/// Longest wait for one of them.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait beside two times what the first answer took: a busy service's pause.
const GRACE: Duration = Duration::from_millis(900);
/// Questions that make a figure, once an answer is missing, and missing answers that do.
const FEW: usize = 10;
const ENOUGH: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Peer, Trust};

    /// Asked twice at once: the second time is the one that matters.
    const SOON: [Duration; 2] = [Duration::ZERO, Duration::from_millis(20)];

    fn ask(to: SocketAddr) -> Ask {
        let deadline = Deadline::after(Duration::from_secs(9));
        Ask::new(Peer::from(to), deadline, Trust::only([]))
    }

    #[tokio::test]
    async fn a_closed_port_names_itself() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = socket.local_addr().unwrap();
        drop(socket);
        let udp = ask(to).datagrams().unwrap();
        let refused = udp.exchange(b"?", &ASK_AT, LISTEN, |_| Some(())).await;
        assert_eq!(refused.unwrap_err(), Cause::Port(PortCause::PortClosed { to }));
    }

    #[tokio::test]
    async fn an_empty_datagram_draws_a_refusal_and_no_answer() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = socket.local_addr().unwrap();
        assert_eq!(refusal(&mut ask(to), Duration::from_millis(20)).await, None);
        drop(socket);
        assert_eq!(
            refusal(&mut ask(to), LISTEN).await,
            Some(Cause::Port(PortCause::PortClosed { to }))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_asked_three_times_and_ends_in_time() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = silent.local_addr().unwrap();
        let udp = ask(to).datagrams().unwrap();
        let verdict = udp.exchange(b"?", &ASK_AT, LISTEN, |_| Some(())).await;
        let Cause::Path(PathCause::NoAnswer { waited, .. }) = verdict.unwrap_err() else {
            panic!("silence is no answer")
        };
        assert_eq!(waited.0, LISTEN);
        let mut heard = 0;
        while silent.try_recv(&mut [0; 9]).is_ok() {
            heard += 1;
        }
        assert_eq!(heard, 3);
    }

    /// Answers the second time, from `address` instead of the one asked.
    async fn answer_from(server: &UdpSocket, address: &str) {
        let mut question = [0; 9];
        server.recv_from(&mut question).await.unwrap();
        let (_, client) = server.recv_from(&mut question).await.unwrap();
        let other = UdpSocket::bind((address, 0)).await.unwrap();
        other.send_to(b"mine", client).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_may_answer_from_another_address_when_asked_again() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let udp = Udp::connect_loosely(&mut ask(server.local_addr().unwrap())).unwrap();
        let exchange = udp.exchange(b"?", &SOON, LISTEN, |bytes| (bytes == b"mine").then_some(()));
        let (answered, ()) = tokio::join!(exchange, answer_from(&server, "127.0.0.2"));
        assert_eq!(answered.unwrap().tries, 2);
        let Some(Concern::AnswersFromElsewhere { by, .. }) = udp.elsewhere() else {
            panic!("it came from elsewhere")
        };
        assert_eq!(by, IpAddr::from([127, 0, 0, 2]));
    }

    #[tokio::test]
    async fn another_port_of_the_peer_is_elsewhere_too() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let udp = Udp::connect_loosely(&mut ask(to)).unwrap();
        let exchange = udp.exchange(b"?", &SOON, LISTEN, |bytes| (bytes == b"mine").then_some(()));
        let (answered, ()) = tokio::join!(exchange, answer_from(&server, "127.0.0.1"));
        answered.unwrap();
        let Some(Concern::AnswersFromElsewhere { by, port: Some(port) }) = udp.elsewhere() else {
            panic!("it came from another port")
        };
        assert_eq!(by, to.ip());
        assert_ne!(port, to.port());
    }

    #[tokio::test]
    async fn an_answer_from_elsewhere_fails_where_clients_drop_it() {
        for address in ["127.0.0.2", "127.0.0.1"] {
            let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let to = server.local_addr().unwrap();
            let udp = ask(to).datagrams().unwrap();
            let patience = Duration::from_millis(200);
            let exchange = udp.exchange(b"?", &SOON, patience, |_| Some(()));
            let (answered, ()) = tokio::join!(exchange, answer_from(&server, address));
            let Cause::Talk(TalkCause::AnsweredFromElsewhere { by, .. }) = answered.unwrap_err()
            else {
                panic!("{address} answered")
            };
            assert_eq!(by.ip(), address.parse::<IpAddr>().unwrap());
        }
    }

    #[tokio::test]
    async fn a_port_that_closes_before_it_is_asked_again_names_itself() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let udp = Udp::connect_loosely(&mut ask(to)).unwrap();
        let closes = async {
            server.recv_from(&mut [0; 9]).await.unwrap();
            drop(server);
        };
        let exchange = udp.exchange(b"?", &SOON, LISTEN, |_| Some(()));
        let (refused, ()) = tokio::join!(exchange, closes);
        assert_eq!(refused.unwrap_err(), Cause::Port(PortCause::PortClosed { to }));
    }

    #[tokio::test]
    async fn an_answer_to_somebody_else_is_passed_over() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let udp = ask(server.local_addr().unwrap()).datagrams().unwrap();
        let answer = async {
            let mut question = [0; 9];
            let (_, client) = server.recv_from(&mut question).await.unwrap();
            server.send_to(b"stray", client).await.unwrap();
            server.send_to(b"mine", client).await.unwrap();
        };
        let exchange =
            udp.exchange(b"?", &ASK_AT, LISTEN, |bytes| (bytes == b"mine").then_some(()));
        let (answered, ()) = tokio::join!(exchange, answer);
        assert_eq!(answered.unwrap().tries, 1);
    }
}
