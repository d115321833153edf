//! Ports: is a silence bound to the port of ours that a question leaves from?
//!
//! Routers and links that share a load choose one of several paths by addresses and ports. When one
//! of these paths is dead, some source ports never get through and the others always do. So after
//! a first packet that was lost, the same port is asked from four more ports of ours, and then
//! three times more from each: a loss by chance does not hit the same ports again.
//!
//! Over TCP no connection comes about (see [`Knock::send`]), so the service sees nobody. At most
//! [`MOST_PACKETS`] packets.
//!
//! Reference: RFC 2992 (equal-cost paths), RFC 6438 (flow labels in their place).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;

use crate::cause::{Cause, Concern, DnsCause, PathCause, SnmpCause, Transport, WebCause};
use crate::net::Deadline;
use crate::net::knock::{Knock, KnockReply, Knocked, Terms};

/// What became of the same question from several ports of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortsTrace {
    /// The port that was asked.
    pub to: SocketAddr,
    /// TCP or UDP.
    pub transport: Transport,
    /// Ports of ours from which it was answered each time.
    pub open: Vec<u16>,
    /// Those from which it never was.
    pub dead: Vec<u16>,
    /// Packets sent.
    pub packets: usize,
}

/// Asks `to` from other ports of ours than `first`, from which a packet was lost.
///
/// `None`: all of them or none get through, or it is left to chance which do. `datagram` is what is
/// asked over UDP. Ends after four rounds, each no longer than an answer takes, or at `deadline`.
pub async fn examine_ports(
    to: SocketAddr,
    from: Option<IpAddr>,
    first: Option<u16>,
    transport: Transport,
    datagram: Option<&[u8]>,
    deadline: Deadline,
) -> Option<PortsTrace> {
    let knock = match (transport, datagram) {
        (Transport::Tcp, _) => Knock::Syn,
        (Transport::Udp, datagram) => Knock::Datagram(datagram?),
        // It leaves from no port.
        (Transport::Icmp, _) => return None,
    };
    let mut ports: Vec<Port> = others(first).map(Port::new).collect();
    let mut wait = FIRST_WAIT;
    for round in 0..ROUNDS {
        if round == 1 {
            ports.extend(first.map(Port::new));
        }
        let until = deadline.within(wait);
        let asked = ports.iter().map(|port| {
            let terms = Terms { from, port: port.number, ..Terms::default() };
            knock.send(terms, to, until)
        });
        let heard = join_all(asked).await;
        let round_trip = heard.iter().filter_map(|knocked| Some(knocked.heard?.1)).max();
        for (port, knocked) in ports.iter_mut().zip(&heard) {
            port.hear(knocked);
        }
        // A port that is not listened to at all, or that is closed, is judged elsewhere.
        wait = GRACE + 2 * round_trip?;
        ports.iter().all(Port::is_steady).then_some(())?;
    }
    PortsTrace::of(to, transport, &ports)
}

/// The cause that `trace` makes of a silence; any other cause stays what it is.
#[must_use]
pub fn judge_ports(trace: &PortsTrace, silence: &Cause) -> Cause {
    match silence {
        Cause::Path(PathCause::NoAnswer { to, .. })
        | Cause::Snmp(SnmpCause::SnmpSilent { to, .. }) => Cause::Path(PathCause::OnePathDead {
            to: *to,
            transport: trace.transport,
            open: trace.open.clone(),
            dead: trace.dead.clone(),
        }),
        Cause::Dns(DnsCause::DnsTcpOnly { udp }) => judge_ports(trace, udp),
        Cause::Web(WebCause::ProxyUnreachable { proxy, because, .. }) => {
            let because = Box::new(judge_ports(trace, because));
            Cause::Web(WebCause::ProxyUnreachable { proxy: proxy.clone(), because })
        }
        other => other.clone(),
    }
}

impl PortsTrace {
    /// What it means for a question that was answered in the end.
    #[must_use]
    pub fn concern(&self) -> Concern {
        let &Self { transport, ref open, ref dead, .. } = self;
        Concern::SomePortsDead { transport, open: open.clone(), dead: dead.clone() }
    }

    fn of(to: SocketAddr, transport: Transport, ports: &[Port]) -> Option<Self> {
        let numbers = |is_open: bool| -> Vec<u16> {
            ports.iter().filter(|port| (port.answered > 0) == is_open).map(|p| p.number).collect()
        };
        let (open, dead) = (numbers(true), numbers(false));
        let packets = ports.iter().map(|port| port.asked).sum();
        let is_told = !open.is_empty() && !dead.is_empty();
        is_told.then_some(Self { to, transport, open, dead, packets })
    }
}

/// A port of ours, and what became of the questions from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Port {
    number: u16,
    asked: usize,
    answered: usize,
}

impl Port {
    fn new(number: u16) -> Self {
        Self { number, asked: 0, answered: 0 }
    }

    fn hear(&mut self, knocked: &Knocked) {
        self.asked += usize::from(knocked.sent);
        self.answered += usize::from(matches!(knocked.heard, Some((KnockReply::Answer, _))));
    }

    /// Answered each time, or never?
    fn is_steady(&self) -> bool {
        self.asked > 0 && (self.answered == 0 || self.answered == self.asked)
    }
}

/// Four ports whose last two bits differ, as hashes of few bits look at these.
fn others(first: Option<u16>) -> impl Iterator<Item = u16> {
    (0..OTHERS).map(move |low| {
        let port = (LOWEST + rand::random::<u16>() % SPAN) & !3 | low;
        if Some(port) == first { port ^ 4 } else { port }
    })
}

/// Ports asked from, besides the first.
const OTHERS: u16 = 4;
/// How often each is asked.
const ROUNDS: usize = 4;
/// Packets at most: the first port is asked again from the second round on.
#[cfg(test)]
const MOST_PACKETS: usize = ROUNDS * OTHERS as usize + ROUNDS - 1;
/// The range that Linux itself takes ports of ours from, without its ends.
const LOWEST: u16 = 33_000;
const SPAN: u16 = 27_000;
/// The round trip is not known yet: a slow link's, and a busy service's pause.
const FIRST_WAIT: Duration = Duration::from_millis(600);
/// Longest wait beside two round trips.
const GRACE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::cause::{Millis, Owner, Phase, Whereabouts};

    const TO: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3)), 22);

    fn port(number: u16, answered: usize) -> Port {
        Port { number, asked: ROUNDS, answered }
    }

    #[test]
    fn ports_that_never_get_through_beside_ports_that_do_are_a_dead_path() {
        let trace = PortsTrace::of(
            TO,
            Transport::Tcp,
            &[port(40_000, ROUNDS), port(40_001, 0), port(40_003, 0)],
        );
        let waited = Millis(Duration::from_secs(4));
        let silence = Cause::Path(PathCause::NoAnswer { to: TO, phase: Phase::Connect, waited });
        let cause = judge_ports(&trace.unwrap(), &silence);
        assert_eq!(
            cause.to_string(),
            "1 of 3 connections opens: one of several paths is dead (source ports 40001, 40003)"
        );
        assert_eq!(cause.owner(), Owner::Network(Whereabouts::Unknown));
        for all in [[port(1, ROUNDS), port(2, ROUNDS)], [port(1, 0), port(2, 0)]] {
            assert_eq!(PortsTrace::of(TO, Transport::Tcp, &all), None);
        }
    }

    #[test]
    fn the_four_ports_differ_in_their_last_two_bits_and_from_the_first() {
        for _ in 0..1_000 {
            let first = others(None).next();
            let ports: Vec<u16> = others(first).collect();
            assert_eq!(ports.iter().map(|port| port & 3).collect::<Vec<_>>(), [0, 1, 2, 3]);
            assert!(ports.iter().all(|&port| port >= LOWEST - 4 && Some(port) != first));
        }
    }

    /// A server that answers a datagram when `takes` says so of the port it came from.
    fn server(takes: impl Fn(u16, usize) -> bool + Send + 'static) -> SocketAddr {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut heard = 0;
            while let Ok((_, client)) = server.recv_from(&mut [0; 9]) {
                heard += 1;
                if takes(client.port(), heard) {
                    server.send_to(b"!", client).unwrap();
                }
            }
        });
        to
    }

    async fn examined(to: SocketAddr) -> Option<PortsTrace> {
        let deadline = Deadline::after(Duration::from_secs(9));
        examine_ports(to, None, Some(33_003), Transport::Udp, Some(b"?"), deadline).await
    }

    #[tokio::test]
    async fn odd_ports_that_are_dropped_are_named_and_no_more_packets_are_sent_than_said() {
        let trace = examined(server(|port, _| port % 2 == 0)).await.unwrap();
        assert_eq!((trace.open.len(), trace.dead.len()), (2, 3), "{trace:?}");
        assert!(trace.dead.iter().all(|port| port % 2 == 1), "{trace:?}");
        assert_eq!(trace.packets, MOST_PACKETS);
    }

    #[tokio::test]
    async fn a_service_that_answers_all_or_none_or_whomever_it_likes_has_no_dead_path() {
        assert_eq!(examined(server(|_, _| true)).await, None);
        assert_eq!(examined(server(|_, _| false)).await, None);
        // The first four questions, and no more: a limit, not a path.
        assert_eq!(examined(server(|_, heard| !(3..=8).contains(&heard))).await, None);
    }
}
