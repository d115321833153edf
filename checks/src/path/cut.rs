//! Cut: a connection that was reset, or a packet that was rejected, in the target's name: by whom?
//!
//! Asked after [`TalkCause::Reset`](crate::cause::TalkCause::Reset), and after a refusal by ICMP that carries the target's address. A
//! refusal tells itself how many hops it has left. A RST does not; so the words that drew it are said
//! again on connections that hear, from the handshake on, only what has more hops left than the
//! target's own answers. Nothing waits for the service behind them, which may be slow.
//!
//! What cannot be told stays the target's.

use std::net::IpAddr;
use std::time::Duration;

use super::Hop;
use super::distance::{Distance, measure};
use crate::Finding;
use crate::cause::{Cause, PathCause, PortCause, TalkCause, Transport};
use crate::evidence::{Evidence, Value};
use crate::net::icmp::Meaning;
use crate::net::route::entry_for;
use crate::net::tcp::is_reset_from_near;
use crate::net::{Deadline, HOPS_LEFT, Peer};

/// Who cut a conversation, or rejected a packet, before it came to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutTrace {
    /// The devices before the target, nearest first.
    pub trail: Vec<Hop>,
    /// The hop at which it happened.
    pub hop: u8,
    /// The device there, when it names itself.
    pub by: Option<IpAddr>,
}

/// Is this something whose sender [`examine_cut`] may find?
#[must_use]
pub fn is_cut(cause: &Cause, transport: Transport) -> bool {
    match cause {
        Cause::Talk(TalkCause::Reset { to, .. })
        | Cause::Path(PathCause::TargetRejected { to, .. }) => !to.ip().is_loopback(),
        // Over TCP a closed port says so by a RST.
        Cause::Port(PortCause::PortClosed { to }) => {
            transport == Transport::Udp && !to.ip().is_loopback()
        }
        _ => false,
    }
}

/// Looks for who cut the conversation of `finding`; `None`: nothing speaks against the target.
///
/// Ends after some round trips and 16 connections at most, or at `deadline`.
pub async fn examine_cut(finding: &Finding, deadline: Deadline) -> Option<CutTrace> {
    let round_trip = finding.seen.timings.connect.unwrap_or(finding.took).min(MOST_ROUND_TRIP);
    let refusal = finding.seen.evidence.fact(HOPS_LEFT);
    let distance = measure(&finding.peer, round_trip, deadline).await?;
    let hop = match (&finding.verdict, refusal) {
        (Err(Cause::Talk(TalkCause::Reset { .. })), _) => {
            let words = match finding.words.as_ref()?.bytes() {
                // A firewall that counts packets waits for any.
                [] => ANYTHING,
                words => words,
            };
            let wait = REPEATED + 2 * round_trip;
            resetting_hop(&finding.peer, words, &distance, wait, deadline).await?
        }
        (_, Some(&Value::Integer(left))) => distance.hop_before_target(u8::try_from(left).ok()?)?,
        _ => return None,
    };
    // A router that has just told much does not name itself any more; the first is known all the same.
    let gateway = || entry_for(finding.peer.address.ip(), finding.source)?.via;
    let by = distance.device(hop).or_else(|| if hop == 1 { gateway() } else { None });
    Some(CutTrace { by, hop, trail: distance.trail })
}

/// The cause that `trace` makes of a cut; any other cause stays what it is.
#[must_use]
pub fn judge_cut(trace: &CutTrace, cause: &Cause) -> Cause {
    let &CutTrace { hop, by, .. } = trace;
    match cause {
        &Cause::Talk(TalkCause::Reset { to, received, .. }) => {
            Cause::Path(PathCause::CutOff { to, by, hop, received })
        }
        &Cause::Path(PathCause::TargetRejected { to, icmp })
            if icmp.meaning() == Meaning::HostDown =>
        {
            Cause::Path(PathCause::NobodyBehindItsName { to, by, hop, icmp })
        }
        &Cause::Path(PathCause::TargetRejected { to, icmp }) => {
            Cause::Path(PathCause::RejectedInItsName { to, by, hop, icmp: Some(icmp) })
        }
        &Cause::Port(PortCause::PortClosed { to }) => {
            Cause::Path(PathCause::RejectedInItsName { to, by, hop, icmp: None })
        }
        other => other.clone(),
    }
}

/// The cause when the target's own name says that the target is not there, so late that somebody looked for a link
/// address in vain: no rule takes that long, and no host looks for itself.
///
/// That is whoever translates its address, which may be this host.
#[must_use]
pub(crate) fn nobody_behind(cause: &Cause, took: Duration) -> Option<Cause> {
    match cause {
        &Cause::Path(PathCause::TargetRejected { to, icmp })
            if icmp.meaning() == Meaning::HostDown && took >= LOOKED_UP =>
        {
            Some(PathCause::NobodyBehindItsName { to, by: None, hop: 0, icmp }.into())
        }
        _ => None,
    }
}

impl CutTrace {
    /// The trail as a named fact, for a report.
    pub fn note(&self, evidence: &mut Evidence) {
        if self.trail.iter().any(|hop| hop.by.is_some()) {
            evidence.set("path", self.trail.clone());
        }
    }
}

/// The hop from which the RST comes, if that is before the target.
async fn resetting_hop(
    peer: &Peer,
    words: &[u8],
    distance: &Distance,
    wait: Duration,
    deadline: Deadline,
) -> Option<u8> {
    let (mut nearer, mut silences) = (0, 0);
    // A server that greets at once may draw the RST before anything could be kept from being heard,
    // and its greeting may overtake a RST, which then does not count.
    for _ in 0..MOST_VISITS {
        let left = distance.left.checked_add(nearer + 1)?;
        match is_reset_from_near(peer, words, left, deadline.within(wait)).await {
            Some(true) if nearer < distance.hops => (nearer, silences) = (nearer + 1, 0),
            Some(true) => break,
            Some(false) if silences > 0 => break,
            Some(false) => silences += 1,
            None => {}
        }
    }
    // Nearer than this host's own segment is nobody: then it only began with another number.
    (1..distance.hops).contains(&nearer).then(|| distance.hops - nearer)
}

/// A look for a link address takes three seconds, of which another packet may have waited some already; the longest
/// round trip, by satellite, takes less than one.
const LOOKED_UP: Duration = Duration::from_millis(1_200);
/// Visits at most.
const MOST_VISITS: usize = 16;
/// Longer than it takes until a word that was not acknowledged is said again.
const REPEATED: Duration = Duration::from_millis(400);
/// Said where a RST came before we had said anything.
const ANYTHING: &[u8] = b"\r\n";
const MOST_ROUND_TRIP: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::cause::Icmp;
    use crate::cause::Phase;

    #[test]
    fn only_a_cut_in_the_targets_name_is_looked_at() {
        let (far, near) =
            (SocketAddr::from(([10, 0, 0, 3], 22)), SocketAddr::from(([127, 0, 0, 1], 22)));
        let reset = |to| Cause::Talk(TalkCause::Reset { to, phase: Phase::Reply, received: 5 });
        assert!(is_cut(&reset(far), Transport::Tcp));
        assert!(!is_cut(&reset(near), Transport::Tcp));
        assert!(is_cut(&Cause::Port(PortCause::PortClosed { to: far }), Transport::Udp));
        assert!(!is_cut(&Cause::Port(PortCause::PortClosed { to: far }), Transport::Tcp));
        let hung_up = Cause::Talk(TalkCause::HungUp { to: far, phase: Phase::Reply, received: 5 });
        assert!(!is_cut(&hung_up, Transport::Tcp));
    }

    #[test]
    fn who_says_late_that_the_target_is_not_there_is_not_the_target() {
        let to = SocketAddr::from(([10, 0, 0, 3], 161));
        let rejected = |code| PathCause::TargetRejected { to, icmp: Icmp::V4 { kind: 3, code } };
        let late = Duration::from_millis(3_060);
        let named = nobody_behind(&rejected(1).into(), late).unwrap();
        assert_eq!(
            named.to_string(),
            "somebody who translates addresses says in the target's name that the host behind it does not answer (ICMP 3/1, host unreachable)"
        );
        assert_eq!(nobody_behind(&rejected(1).into(), Duration::from_millis(3)), None);
        assert_eq!(nobody_behind(&rejected(10).into(), late), None);
    }

    #[test]
    fn the_device_is_named_with_its_hop() {
        let (to, by) = (SocketAddr::from(([10, 0, 0, 3], 161)), Some(IpAddr::from([10, 2, 0, 1])));
        let trace = CutTrace { trail: Vec::new(), hop: 1, by };
        let reset = Cause::Talk(TalkCause::Reset { to, phase: Phase::Reply, received: 95 });
        let cut = judge_cut(&trace, &reset);
        assert_eq!(cut, Cause::Path(PathCause::CutOff { to, by, hop: 1, received: 95 }));
        assert_eq!(
            cut.to_string(),
            "connected, then reset by 10.2.0.1 (hop 1), not by the target (after 95 bytes)"
        );
        let icmp = Icmp::V4 { kind: 3, code: 10 };
        let rejected = judge_cut(&trace, &Cause::Path(PathCause::TargetRejected { to, icmp }));
        assert_eq!(
            rejected.to_string(),
            "rejected in the target's name by 10.2.0.1 (hop 1) (ICMP 3/10, host administratively prohibited)"
        );
    }
}
