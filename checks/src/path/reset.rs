//! Reset: who sent the RST that refused a connection, the target or somebody in its name?
//!
//! Asked after [`PortCause::PortClosed`](crate::cause::PortCause::PortClosed) over TCP. A RST carries the target's address
//! whoever makes it, so three things are compared that a forger does not
//! control: a SYN that cannot leave this host and draws a RST all the same; a
//! SYN with too few hops to reach the target; and how many hops the RST has left
//! when it arrives, beside those of another answer of the target.
//!
//! At most 30 packets; no longer than two round trips and a few hundredths of a
//! second where everybody is near. What cannot be told stays a closed port.
//!
//! Reference: RFC 5082 (hops left on arrival), RFC 1812 §4.3.3 (time exceeded),
//! `socket(7)` `SO_BINDTODEVICE`.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Hop, LISTEN, PathQuestion, TOTAL};
use crate::cause::{
    Cause, LocalFirewallSign, Millis, PathCause, PortCause, ResetSign, RouteCause, Transport,
    WebCause,
};
use crate::evidence::Evidence;
use crate::net::Deadline;
use crate::net::icmp::{Meaning, Refusal};
use crate::net::knock::{Knock, KnockReply, Knocked, Terms};
use crate::net::source::is_own;

/// What was found out about the sender of a RST.
#[derive(Clone, Debug, PartialEq)]
pub struct ResetTrace {
    /// The port that was refused.
    pub to: SocketAddr,
    /// One entry for each distance at which the RST did not come yet, nearest first.
    pub hops: Vec<Hop>,
    /// Who sent it; `None`: nothing speaks against the target.
    pub sender: Option<Sender>,
    /// Packets sent.
    pub packets: usize,
}

/// Somebody who sent a RST in the target's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// This host itself.
    ThisHost,
    /// A device nearer than the target: at this hop, or between it and the next.
    Before {
        /// The device, when it names itself.
        by: Option<IpAddr>,
        /// Its distance; 0: before the first router.
        hop: u8,
        /// What gave it away.
        sign: ResetSign,
    },
}

/// Is this a refusal whose sender [`examine_reset`] may find?
#[must_use]
pub fn is_reset(cause: &Cause, transport: Transport) -> bool {
    match cause {
        Cause::Port(PortCause::PortClosed { to }) => {
            transport == Transport::Tcp && !to.ip().is_loopback()
        }
        Cause::Web(WebCause::ProxyUnreachable { because, .. }) => is_reset(because, transport),
        _ => false,
    }
}

/// The cause that `trace` makes of a refusal; any other cause stays what it is.
#[must_use]
pub fn judge_reset(trace: &ResetTrace, refusal: &Cause) -> Cause {
    match (refusal, trace.sender) {
        (Cause::Web(WebCause::ProxyUnreachable { proxy, because, .. }), Some(_)) => {
            let because = Box::new(judge_reset(trace, because));
            Cause::Web(WebCause::ProxyUnreachable { proxy: proxy.clone(), because })
        }
        (&Cause::Port(PortCause::PortClosed { to }), Some(Sender::ThisHost)) => {
            Cause::Route(RouteCause::LocalFirewall { to, how: LocalFirewallSign::OwnReset })
        }
        (&Cause::Port(PortCause::PortClosed { to }), Some(Sender::Before { by, hop, sign })) => {
            Cause::Path(PathCause::PathReset { to, by, hop, sign })
        }
        (other, _) => other.clone(),
    }
}

/// Looks for the sender of the RSTs that refuse connections `from` this host to a port.
///
/// Ends after two seconds or at `deadline`.
pub async fn examine_reset(to: SocketAddr, from: Option<IpAddr>, deadline: Deadline) -> ResetTrace {
    let mut trace = ResetTrace { to, hops: Vec::new(), sender: None, packets: 0 };
    trace.examine(from, deadline.within(TOTAL)).await;
    trace
}

impl ResetTrace {
    /// The trail as named facts, for a report.
    pub fn note(&self, evidence: &mut Evidence) {
        let known = self.hops.iter().rposition(|hop| hop.by.is_some()).map_or(0, |at| at + 1);
        if known > 0 {
            evidence.set("path", self.hops.iter().take(known).copied().collect::<Vec<Hop>>());
        }
        evidence.set("path_packets", self.packets);
    }

    async fn examine(&mut self, from: Option<IpAddr>, deadline: Deadline) {
        // Packets to an address of this host's own never leave it, whoever refuses them.
        if is_own(self.to.ip()) {
            return;
        }
        let port = PathQuestion { to: self.to, from, knock: Knock::Syn };
        let inside = async {
            let terms = Terms { inside_from: Some(from?), ..Terms::default() };
            Some(port.ask(terms, deadline.within(INSIDE)).await)
        };
        let (plain, inside) = tokio::join!(port.ask(port.terms(), deadline), inside);
        self.count([&plain].into_iter().chain(&inside));
        if inside.is_some_and(is_reset_by) {
            self.sender = Some(Sender::ThisHost);
            return;
        }
        let Some((KnockReply::Reset, round_trip)) = plain.heard else { return };
        let wait = GRACE + 2 * round_trip;
        let mut reached = self.add(port.sweep(NEAR, deadline.within(wait)).await);
        if reached.is_none() {
            reached = self.add(port.sweep(FAR, deadline.within(wait)).await);
        }
        if let Some(reached) = reached {
            self.compare(port, reached, wait, deadline).await;
        }
    }

    /// What came back from one sweep; the distance of the first RST.
    fn add(&mut self, sweep: Vec<(u8, Knocked)>) -> Option<u8> {
        self.count(sweep.iter().map(|(_, knocked)| knocked));
        for (ttl, knocked) in sweep {
            let (by, rtt) = match knocked.heard {
                Some((KnockReply::Reset, _)) => return Some(ttl),
                Some((KnockReply::Icmp(refusal), after)) if is_hop(refusal) => {
                    (Some(refusal.by), Some(Millis(after)))
                }
                _ => (None, None),
            };
            self.hops.push(Hop { ttl, by, rtt });
        }
        None
    }

    /// Does the target answer other questions from the same distance, over the same way?
    async fn compare(
        &mut self,
        port: PathQuestion<'_>,
        reached: u8,
        wait: Duration,
        deadline: Deadline,
    ) {
        let others = PathQuestion::others(self.to, port.from, Transport::Tcp);
        let marks = marks(reached);
        let soon = deadline.within(wait);
        let at_reach = Terms { hops: Some(reached), ..port.terms() };
        let (signs, heard) = tokio::join!(
            join_all(others.iter().map(|other| other.ask(at_reach, soon))),
            port.ask_marks(&marks, soon)
        );
        self.count(&signs);
        self.count(heard.iter().map(|(_, knocked)| knocked));
        if fall_short(&others, &signs, self.to.ip()) {
            self.sender = Some(self.before(reached, ResetSign::TooFewHops));
            return;
        }
        let Some(mark) = nearer_than(reached, &heard) else { return };
        let Some(other) = comparable(&others, &signs) else { return };
        if self.comes_one_hop_farther(other, mark, deadline.within(wait)).await {
            self.sender = Some(self.before(reached, ResetSign::ShorterWay));
        }
    }

    /// Have answers to `other` exactly one hop less left than `mark`? Twice the same: one late
    /// answer must not make a forger.
    async fn comes_one_hop_farther(
        &mut self,
        other: PathQuestion<'_>,
        mark: u8,
        wait: Deadline,
    ) -> bool {
        // An answer that is no segment of TCP says itself how many hops it has left.
        if other.knock != Knock::Syn {
            let ask = || other.ask(other.terms(), wait);
            let answers = <[Knocked; 2]>::from(tokio::join!(ask(), ask()));
            self.count(&answers);
            return answers.iter().all(|knocked| knocked.left == Some(mark - 1));
        }
        // The one that must not be heard goes first: what comes later is no later answer.
        let heard = other.ask_marks(&[mark, mark - 1, mark, mark - 1], wait).await;
        self.count(heard.iter().map(|(_, knocked)| knocked));
        heard.iter().all(|&(at, knocked)| knocked.heard.is_some() == (at < mark))
    }

    /// A device forwards, or refuses to, what has a hop left behind it.
    fn before(&self, reached: u8, sign: ResetSign) -> Sender {
        let hop = reached.saturating_sub(1);
        let by = self.hops.iter().find(|known| known.ttl == hop).and_then(|known| known.by);
        Sender::Before { by, hop, sign }
    }

    fn count<'a>(&mut self, knocked: impl IntoIterator<Item = &'a Knocked>) {
        self.packets += knocked.into_iter().filter(|knocked| knocked.sent).count();
    }
}

impl PathQuestion<'_> {
    async fn ask(self, terms: Terms, wait: Deadline) -> Knocked {
        self.knock.send(terms, self.to, wait.within(LISTEN)).await
    }

    /// The same question once for each mark: is an answer heard that has so many hops left?
    async fn ask_marks(self, marks: &[u8], wait: Deadline) -> Vec<(u8, Knocked)> {
        join_all(marks.iter().map(|&mark| async move {
            let terms = Terms { left: Some(mark), ..self.terms() };
            (mark, self.ask(terms, wait).await)
        }))
        .await
    }
}

fn is_reset_by(knocked: Knocked) -> bool {
    matches!(knocked.heard, Some((KnockReply::Reset, _)))
}

fn is_hop(refusal: Refusal) -> bool {
    refusal.icmp.meaning() == Meaning::HopLimit
}

/// Do other packets for the same host end on the way, at the distance from which the RST comes?
///
/// Not when anything but a RST comes from the host itself, nor when a RST does
/// and only TCP falls short: behind an address translation some ports are
/// farther away than the host.
fn fall_short(others: &[PathQuestion<'_>], signs: &[Knocked], host: IpAddr) -> bool {
    let (mut short, mut short_of_all, mut reset) = (false, false, false);
    for (other, knocked) in others.iter().zip(signs) {
        match knocked.heard {
            Some((KnockReply::Icmp(refusal), _)) if is_hop(refusal) && refusal.by != host => {
                short = true;
                short_of_all |= other.knock != Knock::Syn;
            }
            Some((KnockReply::Reset, _)) => reset = true,
            Some(_) => return false,
            None => {}
        }
    }
    short && (short_of_all || !reset)
}

/// Hops left that tell whether a RST began one hop nearer than its SYN needed: one mark for
/// each number that systems begin with, and those that tell which number it was.
fn marks(reached: u8) -> Vec<u8> {
    let Some(nearer) = reached.checked_sub(2) else { return Vec::new() };
    vec![LOW - nearer, LOW + 1, MIDDLE - nearer, MIDDLE + 1, HIGH - nearer]
}

/// The mark that shows the RST to have begun one hop nearer than its SYN needed.
fn nearer_than(reached: u8, heard: &[(u8, Knocked)]) -> Option<u8> {
    let came = |mark: u8| heard.iter().any(|&(at, knocked)| at == mark && is_reset_by(knocked));
    let beginning = match (came(LOW + 1), came(MIDDLE + 1)) {
        (_, true) => HIGH,
        (true, false) => MIDDLE,
        (false, false) => LOW,
    };
    let mark = beginning - reached.checked_sub(2)?;
    came(mark).then_some(mark)
}

/// Another question that is answered from the distance of the RST: best by an open port, and
/// by a RST only where nothing else is: it may be of the same sender. Where no ping may be sent, a closed UDP port
/// tells as well.
fn comparable<'a>(others: &[PathQuestion<'a>], signs: &[Knocked]) -> Option<PathQuestion<'a>> {
    let answered = |fits: fn(PathQuestion<'_>, Knocked, KnockReply) -> bool| {
        let mut both = others.iter().zip(signs);
        let fits = |other, knocked: Knocked| {
            knocked.heard.is_some_and(|(reply, _)| fits(other, knocked, reply))
        };
        both.find(|(other, knocked)| fits(**other, **knocked)).map(|(other, _)| *other)
    };
    answered(|other, _, reply| other.knock == Knock::Syn && reply == KnockReply::Answer)
        .or_else(|| {
            answered(|other, knocked, _| other.knock == Knock::Echo && knocked.left.is_some())
        })
        .or_else(|| {
            answered(|other, knocked, reply| {
                let is_datagram = matches!(other.knock, Knock::Datagram(_));
                is_datagram && knocked.left.is_some() && other.sign_of_life(reply).is_some()
            })
        })
        .or_else(|| {
            answered(|other, _, reply| other.knock == Knock::Syn && reply == KnockReply::Reset)
        })
}

/// Distances tried at once, and those tried when the RST comes from none of them.
const NEAR: RangeInclusive<u8> = 1..=8;
const FAR: RangeInclusive<u8> = 9..=14;
/// Longest wait for what stays inside this host.
const INSIDE: Duration = Duration::from_millis(5);
/// Longest wait for what is near, beside two round trips: many of these
/// questions are meant to stay unanswered, and a refusal is to be told at once.
const GRACE: Duration = Duration::from_millis(20);
/// Hops that systems give a packet: Linux and BSD, Windows, routers.
const LOW: u8 = 64;
const MIDDLE: u8 = 128;
const HIGH: u8 = 255;

#[cfg(test)]
mod tests;
