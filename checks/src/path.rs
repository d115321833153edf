//! Path: where does the silence begin, and is the host there at all?
//!
//! Asked after a probe ended in [`PathCause::NoAnswer`](crate::cause::PathCause::NoAnswer): the flow's own packets on
//! the flow's own port, each allowed one hop more, and beside them other
//! questions to the same host. At most 36 packets and two seconds.
//!
//! Only presence proves something: a hop that stays silent may forward all the
//! same, and the last one that names itself is where the trail ends, not
//! necessarily who drops. Where a network spreads flows over several paths, the
//! hops may be of more than one.
//!
//! Reference: RFC 1812 §4.3.3 (time exceeded), RFC 4443 §3.3, `ip(7)` `IP_RECVERR`.

pub(crate) mod circle;
pub(crate) mod cut;
mod distance;
pub(crate) mod ports;
pub(crate) mod reset;
pub(crate) mod stand_in;
pub(crate) mod vpn;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use crate::cause::{
    Cause, DnsCause, HostAnswer, Icmp, Millis, PathCause, PortCause, RouteCause, RouteEntry,
    SnmpCause, Transport, WebCause,
};
use crate::evidence::{Evidence, Hop};
use crate::net::icmp::{Meaning, Refusal};
use crate::net::knock::{Knock, KnockReply, Knocked, Terms};
use crate::net::neighbour::{self, Sign};
use crate::net::{Deadline, route};

/// What was found on the way to a port that does not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The port.
    pub to: SocketAddr,
    /// TCP, UDP or ICMP.
    pub transport: Transport,
    /// One entry for each distance tried, nearest first.
    pub hops: Vec<Hop>,
    /// The farthest device that named itself, and its distance.
    pub last: Option<(u8, IpAddr)>,
    /// The shortest distance at which the port itself answered after all.
    pub reached_port: Option<u8>,
    /// Who said no after all.
    pub refused: Option<Refused>,
    /// Does anything else of the host answer?
    pub host: HostSign,
    /// What another question to the host finds behind the last hop.
    pub beyond: Option<Beyond>,
    /// The entry of our routing table whose next hop does not answer for its address any more.
    pub next_hop: Option<RouteEntry>,
    /// The gateway to the host, where it has answered for its address lately.
    pub gateway: Option<IpAddr>,
    /// Packets sent, those to other ports included.
    pub packets: usize,
    /// How long it took.
    pub took: Duration,
}

/// A refusal that the probe before had not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// The target's port says by a RST that nothing listens.
    Reset,
    /// A device says no.
    Icmp {
        /// The device.
        by: IpAddr,
        /// The ICMP message.
        icmp: Icmp,
    },
}

/// Is the host there at all?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostSign {
    /// It answers another question.
    Alive {
        /// Which sign of life, and how it came.
        how: HostAnswer,
    },
    /// Nothing else of it answers either.
    Silent,
}

/// What another question to the host finds behind the last hop of the port's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beyond {
    /// The host itself.
    Host {
        /// Its distance; 1 is this host's own segment.
        hop: u8,
    },
    /// One more device.
    Device {
        /// How many hops away it is.
        hop: u8,
        /// The device that answered.
        by: IpAddr,
    },
}

/// Looks where the packets to a port end that gave no answer, `from` that address of ours.
///
/// `datagram` is what the flow itself would ask over UDP; it may reach the
/// service and be answered. Ends after two seconds or at `deadline`.
pub async fn examine_path(
    to: SocketAddr,
    from: Option<IpAddr>,
    transport: Transport,
    datagram: Option<&[u8]>,
    deadline: Deadline,
) -> Trace {
    let started = Instant::now();
    let deadline = deadline.within(TOTAL);
    let knock = match transport {
        Transport::Tcp => Knock::Syn,
        Transport::Udp => Knock::Datagram(datagram.unwrap_or_default()),
        Transport::Icmp => Knock::Echo,
    };
    let port = PathQuestion { to, from, knock };
    let mut trace = Trace::new(to, transport);
    let others = PathQuestion::others(to, from, transport);
    let (near, signs) = tokio::join!(port.sweep(1..=WAVE, deadline), ask_all(&others, deadline));
    trace.add(near);
    let mut alive = trace.hear_host(&others, &signs);
    while !trace.is_clear() {
        let ends_silent = trace.last_hop() < trace.swept();
        if let Some(other) = alive.take_if(|_| ends_silent) {
            let next = trace.last_hop() + 1;
            trace.hear_beyond(other, other.sweep(next..=next + 1, deadline.within(BEYOND)).await);
            trace.doubt_beyond(port, other, deadline).await;
        } else if trace.may_go_on() {
            let next = trace.swept() + 1;
            trace.add(port.sweep(next..=FARTHEST.min(next + WAVE - 1), deadline).await);
        } else {
            break;
        }
    }
    trace.hear_neighbour(from, deadline).await;
    Trace { took: started.elapsed(), ..trace }
}

/// The look at the host alone, where others beside it tell of the way: does anything of it answer?
pub async fn examine_host(
    to: SocketAddr,
    from: Option<IpAddr>,
    transport: Transport,
    deadline: Deadline,
) -> Trace {
    let started = Instant::now();
    let deadline = deadline.within(TOTAL);
    let mut trace = Trace::new(to, transport);
    let others = PathQuestion::others(to, from, transport);
    let signs = ask_all(&others, deadline).await;
    let is_alive = trace.hear_host(&others, &signs).is_some();
    let is_neighbour = || route::entry_for(to.ip(), from).is_some_and(|entry| entry.via.is_none());
    if is_alive && is_neighbour() {
        trace.beyond = Some(Beyond::Host { hop: 1 });
    }
    trace.hear_neighbour(from, deadline).await;
    Trace { took: started.elapsed(), ..trace }
}

/// The look that sends nothing: does the host, or the gateway to it, answer for its address on our
/// own segment?
pub async fn examine_segment(
    to: SocketAddr,
    from: Option<IpAddr>,
    transport: Transport,
    deadline: Deadline,
) -> Trace {
    let started = Instant::now();
    let mut trace = Trace::new(to, transport);
    trace.hear_neighbour(from, deadline).await;
    Trace { took: started.elapsed(), ..trace }
}

/// The cause that `trace` makes of a silence; any other cause stays what it is.
///
/// An agent that was not asked with credentials may rightly stay silent: there
/// only a device that lets others through makes it a failure.
#[must_use]
pub fn judge(trace: &Trace, silence: &Cause) -> Cause {
    match silence {
        &Cause::Path(PathCause::NoAnswer { to, waited, .. }) => located(trace, to, waited, silence),
        &Cause::Snmp(SnmpCause::SnmpSilent { to, waited }) => {
            match located(trace, to, waited, silence) {
                told @ (Cause::Path(
                    PathCause::FilteredBetween { .. }
                    | PathCause::NoNeighbour { .. }
                    | PathCause::PathRejected { .. }
                    | PathCause::TargetRejected { .. },
                )
                | Cause::Route(
                    RouteCause::GatewaySilent { .. } | RouteCause::RouteOnLink { .. },
                )
                | Cause::Port(PortCause::PortClosed { .. })) => told,
                _ => silence.clone(),
            }
        }
        Cause::Dns(DnsCause::DnsTcpOnly { udp }) => match judge(trace, udp) {
            // It does answer over UDP: packets were lost.
            unsteady @ Cause::Path(PathCause::Unsteady { .. }) => unsteady,
            udp => Cause::Dns(DnsCause::DnsTcpOnly { udp: Box::new(udp) }),
        },
        Cause::Web(WebCause::ProxyUnreachable { proxy, because, .. }) => {
            let because = Box::new(judge(trace, because));
            Cause::Web(WebCause::ProxyUnreachable { proxy: proxy.clone(), because })
        }
        other => other.clone(),
    }
}

/// Is this a silence that a look at the path may locate?
#[must_use]
pub fn is_silence(cause: &Cause) -> bool {
    match cause {
        Cause::Path(PathCause::NoAnswer { .. }) | Cause::Snmp(SnmpCause::SnmpSilent { .. }) => true,
        Cause::Dns(DnsCause::DnsTcpOnly { udp: because })
        | Cause::Web(WebCause::ProxyUnreachable { because, .. }) => is_silence(because),
        _ => false,
    }
}

fn located(trace: &Trace, to: SocketAddr, waited: Millis, silence: &Cause) -> Cause {
    match trace.refused {
        Some(Refused::Reset) => return Cause::Port(PortCause::PortClosed { to }),
        Some(Refused::Icmp { by, icmp }) => {
            let is_udp = trace.transport == Transport::Udp;
            return Refusal { icmp, by, left: None }.cause(to, None, None, waited, is_udp);
        }
        None => {}
    }
    if let Some(hop) = trace.reached_port {
        return Cause::Path(PathCause::Unsteady { to, hop, waited });
    }
    if let Some(entry) = &trace.next_hop {
        return route::nobody_answers(to.ip(), Some(entry.clone()), waited);
    }
    if let Some((hop, _)) = trace.last.filter(|(_, by)| *by == to.ip()) {
        return Cause::Path(PathCause::SilentBehindItsName { to, hop, waited });
    }
    match (trace.host, trace.last) {
        (HostSign::Alive { how }, last) => port_silent(trace, to, last, how, waited),
        (HostSign::Silent, Some((hop, by))) => {
            Cause::Path(PathCause::HostSilentAfter { to, by, hop, waited, beside: 0 })
        }
        (HostSign::Silent, None) => silence.clone(),
    }
}

/// The host is there, its port is silent: where is the difference made?
fn port_silent(
    trace: &Trace,
    to: SocketAddr,
    last: Option<(u8, IpAddr)>,
    alive: HostAnswer,
    waited: Millis,
) -> Cause {
    match (last, trace.beyond) {
        (last, Some(Beyond::Device { by: next, .. })) => {
            let (hop, after) = last.map_or((0, None), |(hop, by)| (hop, Some(by)));
            Cause::Path(PathCause::FilteredBetween { to, after, hop, next, alive, waited })
        }
        (Some((hop, by)), beyond) => {
            let next_is_host = beyond == Some(Beyond::Host { hop: hop.saturating_add(1) });
            Cause::Path(PathCause::PortSilentAfter {
                to,
                by,
                hop,
                next_is_host,
                alive,
                waited,
                beside: 0,
            })
        }
        (None, Some(Beyond::Host { hop: 1 })) => {
            Cause::Path(PathCause::PortSilentOnSegment { to, alive, waited })
        }
        (None, _) if alive == HostAnswer::Neighbour => {
            Cause::Path(PathCause::PortSilentOnSegment { to, alive, waited })
        }
        (None, _) => Cause::Path(PathCause::PortSilent { to, alive, waited }),
    }
}

impl Trace {
    fn new(to: SocketAddr, transport: Transport) -> Self {
        Self {
            to,
            transport,
            hops: Vec::new(),
            last: None,
            reached_port: None,
            refused: None,
            host: HostSign::Silent,
            beyond: None,
            next_hop: None,
            gateway: None,
            packets: 0,
            took: Duration::ZERO,
        }
    }

    /// The trail as named facts, for a report.
    pub fn note(&self, evidence: &mut Evidence) {
        let known = self.hops.iter().rposition(|hop| hop.by.is_some()).map_or(0, |at| at + 1);
        if known > 0 {
            evidence.set("path", self.hops.iter().take(known).copied().collect::<Vec<Hop>>());
        }
        if let HostSign::Alive { how } = self.host {
            evidence.set("host_answers", how.to_string());
        }
        if self.packets > 0 {
            evidence.set("path_packets", self.packets);
        }
    }

    /// What came back from one sweep of the port itself; a hop that is known already is heard again.
    fn add(&mut self, sweep: Vec<(u8, Knocked)>) {
        for (ttl, knocked) in sweep {
            self.packets += usize::from(knocked.sent);
            let by = knocked.heard.and_then(|(reply, _)| self.hear(ttl, reply));
            let rtt = knocked.heard.filter(|_| by.is_some()).map(|(_, after)| Millis(after));
            let hop = Hop { ttl, by, rtt };
            match self.hops.iter_mut().find(|known| known.ttl == ttl) {
                Some(known) => *known = hop,
                None => self.hops.push(hop),
            }
        }
    }

    /// Who answered, when the reply says something about the path.
    fn hear(&mut self, ttl: u8, reply: KnockReply) -> Option<IpAddr> {
        match reply {
            KnockReply::Answer => {
                self.reached_port.get_or_insert(ttl);
                Some(self.to.ip())
            }
            KnockReply::Reset => {
                self.reached_port.get_or_insert(ttl);
                self.refused.get_or_insert(Refused::Reset);
                Some(self.to.ip())
            }
            KnockReply::Icmp(Refusal { icmp, by, .. }) => match icmp.meaning() {
                Meaning::HopLimit => {
                    self.last = Some((ttl, by));
                    Some(by)
                }
                Meaning::TooBig | Meaning::Other => None,
                _ => {
                    self.refused.get_or_insert(Refused::Icmp { by, icmp });
                    Some(by)
                }
            },
        }
    }

    /// Takes the first sign of life, and the question that brought it.
    fn hear_host<'a>(
        &mut self,
        others: &[PathQuestion<'a>],
        signs: &[Knocked],
    ) -> Option<PathQuestion<'a>> {
        self.packets += signs.iter().filter(|knocked| knocked.sent).count();
        let heard = others.iter().zip(signs).find_map(|(other, knocked)| {
            let how = other.sign_of_life(knocked.heard?.0)?;
            Some((*other, how))
        });
        let (other, how) = heard?;
        self.host = HostSign::Alive { how };
        Some(other)
    }

    /// A host that drops everything still answers for its address, and no host that is off does;
    /// the same is true of the gateway to it.
    async fn hear_neighbour(&mut self, from: Option<IpAddr>, deadline: Deadline) {
        if self.host != HostSign::Silent || self.last.is_some() || self.is_clear() {
            return;
        }
        let to = self.to.ip();
        let entry = route::entry_for(to, from);
        let gateway = entry.as_ref().and_then(|entry| entry.via);
        let interface = entry.as_ref().map(|entry| entry.interface.as_str());
        match neighbour::sign_of(gateway.unwrap_or(to), interface, deadline).await {
            Sign::Answers if gateway.is_none() => {
                self.host = HostSign::Alive { how: HostAnswer::Neighbour };
            }
            Sign::Silent => self.next_hop = entry,
            Sign::Answers => {
                self.gateway = gateway;
                // A busy router names itself a few times in a second only; that it is the first hop is
                // known from the routing table, and that it is there from its answer.
                if self.swept() > 0 {
                    self.last = gateway.map(|gateway| (1, gateway));
                }
            }
            Sign::Untold => {}
        }
    }

    /// The nearest answer to another question behind the last hop.
    fn hear_beyond(&mut self, other: PathQuestion<'_>, sweep: Vec<(u8, Knocked)>) {
        self.packets += sweep.iter().filter(|(_, knocked)| knocked.sent).count();
        let known = self.last.map(|(_, by)| by);
        self.beyond = sweep.into_iter().find_map(|(hop, knocked)| match knocked.heard?.0 {
            KnockReply::Icmp(Refusal { icmp, by, .. }) if icmp.meaning() == Meaning::HopLimit => {
                (Some(by) != known).then_some(Beyond::Device { hop, by })
            }
            reply => other.sign_of_life(reply).map(|_| Beyond::Host { hop }),
        });
    }

    /// Do packets of the port really end before the device that others get to?
    ///
    /// A router names itself a few times in a second only, whoever looks. So both packets are sent once
    /// more, the port's own first: when the second is answered alone, it was not for want of words.
    async fn doubt_beyond(
        &mut self,
        port: PathQuestion<'_>,
        other: PathQuestion<'_>,
        deadline: Deadline,
    ) {
        let Some(Beyond::Device { hop, .. }) = self.beyond else { return };
        for round in 0..DOUBTS {
            if round > 0 {
                deadline.within(PAUSE).pass().await;
            }
            let wait = deadline.within(BEYOND);
            let second = async {
                deadline.within(FIRST).pass().await;
                other.sweep(hop..=hop, wait).await
            };
            let (ours, others) = tokio::join!(port.sweep(hop..=hop, wait), second);
            let is_named = |sweep: &[(u8, Knocked)]| sweep.iter().any(|(_, it)| it.heard.is_some());
            self.packets += others.iter().filter(|(_, knocked)| knocked.sent).count();
            if is_named(&ours) {
                self.beyond = None;
                return self.add(ours);
            }
            self.packets += ours.iter().filter(|(_, knocked)| knocked.sent).count();
            if is_named(&others) {
                return;
            }
        }
        self.beyond = None;
    }

    /// Does it say anything at all?
    pub(crate) fn is_told(&self) -> bool {
        let is_there = self.host != HostSign::Silent || self.gateway.is_some();
        is_there || self.last.is_some() || self.next_hop.is_some() || self.is_clear()
    }

    /// Is there an answer that more packets would not change?
    fn is_clear(&self) -> bool {
        self.reached_port.is_some() || self.refused.is_some() || self.beyond.is_some()
    }

    /// May a hop farther away still name itself?
    fn may_go_on(&self) -> bool {
        self.swept() < FARTHEST && self.swept().saturating_sub(self.last_hop()) < WAVE
    }

    fn last_hop(&self) -> u8 {
        self.last.map_or(0, |(hop, _)| hop)
    }

    fn swept(&self) -> u8 {
        self.hops.last().map_or(0, |hop| hop.ttl)
    }
}

/// One packet that may be answered.
#[derive(Clone, Copy, Debug)]
struct PathQuestion<'a> {
    to: SocketAddr,
    from: Option<IpAddr>,
    knock: Knock<'a>,
}

impl PathQuestion<'_> {
    /// Other questions to the same host; the first that is answered is used again.
    ///
    /// UDP comes last: its refusals are the ones that are rate-limited.
    fn others(to: SocketAddr, from: Option<IpAddr>, transport: Transport) -> Vec<Self> {
        let port = |port, knock| {
            let mut to = to;
            to.set_port(port);
            Self { to, from, knock }
        };
        let is_same = |other: Transport, port| other == transport && port == to.port();
        let tcp = ALIVE_TCP.iter().filter(|&&other| !is_same(Transport::Tcp, other));
        let mut others: Vec<_> = tcp.map(|&other| port(other, Knock::Syn)).collect();
        if transport != Transport::Icmp {
            others.push(port(0, Knock::Echo));
        }
        if !is_same(Transport::Udp, ALIVE_UDP) {
            others.push(port(ALIVE_UDP, Knock::Datagram(&[])));
        }
        others
    }

    /// The same packet once for each of `ttls`, all at once.
    async fn sweep(
        self,
        ttls: std::ops::RangeInclusive<u8>,
        deadline: Deadline,
    ) -> Vec<(u8, Knocked)> {
        let wait = deadline.within(LISTEN);
        let each = ttls.map(|ttl| async move {
            let terms = Terms { hops: Some(ttl), ..self.terms() };
            (ttl, self.knock.send(terms, self.to, wait).await)
        });
        join_all(each).await
    }

    /// How it travels when nothing special is asked of it.
    fn terms(self) -> Terms {
        Terms { from: self.from, ..Terms::default() }
    }

    /// What `reply` says about the host itself, if anything.
    fn sign_of_life(self, reply: KnockReply) -> Option<HostAnswer> {
        let port = self.to.port();
        let (tcp, udp) = (Transport::Tcp, Transport::Udp);
        match (reply, self.knock) {
            (KnockReply::Answer, Knock::Echo) => Some(HostAnswer::Ping),
            (KnockReply::Answer, Knock::Syn) => Some(HostAnswer::Open { transport: tcp, port }),
            (KnockReply::Answer, Knock::Datagram(_)) => {
                Some(HostAnswer::Open { transport: udp, port })
            }
            (KnockReply::Reset, _) => Some(HostAnswer::Closed { transport: tcp, port }),
            (KnockReply::Icmp(Refusal { by, .. }), _) if by != self.to.ip() => None,
            (KnockReply::Icmp(Refusal { icmp, .. }), knock) => match (icmp.meaning(), knock) {
                (Meaning::PortUnreachable, Knock::Datagram(_)) => {
                    Some(HostAnswer::Closed { transport: udp, port })
                }
                // A device behind an address translation says so in the host's name.
                (Meaning::HopLimit | Meaning::TooBig | Meaning::Other, _) => None,
                _ => Some(HostAnswer::Rejected { icmp }),
            },
        }
    }
}

/// Each question once, all at once, with as many hops as it takes.
async fn ask_all(questions: &[PathQuestion<'_>], deadline: Deadline) -> Vec<Knocked> {
    let wait = deadline.within(LISTEN);
    join_all(questions.iter().map(|other| other.knock.send(other.terms(), other.to, wait))).await
}

/// The longest examination: three waves and a look beyond.
const TOTAL: Duration = Duration::from_secs(2);
/// How long a wave is listened to: a slow link's round trip and a busy router's pause.
const LISTEN: Duration = Duration::from_millis(600);
/// The same for the look behind the last hop, whose round trip is known to be shorter.
const BEYOND: Duration = Duration::from_millis(300);
/// How often it is doubted that packets of a port end before others, and the pause in between.
const DOUBTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(350);
/// The port's own packet is on its way by so much earlier.
const FIRST: Duration = Duration::from_millis(5);
/// Distances tried at once; as many silent ones in a row end the sweep.
const WAVE: u8 = 8;
/// The farthest distance tried; with five other questions, two beyond and six that doubt it: 36 packets.
const FARTHEST: u8 = 23;
/// TCP ports that many hosts answer or refuse; none of them minds a stranger who leaves at once.
const ALIVE_TCP: [u16; 3] = [443, 80, 22];
/// The first port of traceroute: closed on purpose everywhere.
const ALIVE_UDP: u16 = 33_434;

#[cfg(test)]
mod tests;
