//! Stand-in: a connection was accepted, and not a word followed. Was it the target that accepted it?
//!
//! Firewalls that answer handshakes themselves, load balancers and transparent proxies accept in the
//! target's name, and only then find out whether anybody is behind them. A SYN that may not go far
//! enough to reach the target is answered by them all the same. Each handshake is broken off by a RST
//! before it is complete, so no service sees it.
//!
//! What is farther away than the address itself says nothing: an address may be forwarded.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::PathQuestion;
use super::distance::measure;
use crate::Finding;
use crate::cause::{Cause, PathCause, SmtpCause, SshCause, TalkCause};
use crate::net::Deadline;
use crate::net::knock::{Knock, KnockReply};
use crate::net::route::entry_for;

/// Is it an end without a word that [`examine_stand_in`] may explain?
#[must_use]
pub(crate) fn is_wordless_end(cause: &Cause) -> bool {
    match cause {
        Cause::Talk(
            TalkCause::Silent { to, .. }
            | TalkCause::HungUp { to, received: 0, .. }
            | TalkCause::ClosedUnasked { to },
        )
        | Cause::Ssh(SshCause::SshClosed { to })
        | Cause::Smtp(SmtpCause::SmtpGreetingLate { to, .. }) => !to.ip().is_loopback(),
        _ => false,
    }
}

/// Who accepts connections in the name of the target of `finding`, and at which hop; `None`: nothing speaks against
/// the target itself.
///
/// Ends after some round trips and 47 packets at most, or at `deadline`.
pub(crate) async fn examine_stand_in(
    finding: &Finding,
    deadline: Deadline,
) -> Option<(u8, Option<IpAddr>)> {
    let round_trip = finding.seen.timings.connect.unwrap_or(finding.took).min(MOST_ROUND_TRIP);
    let distance = measure(&finding.peer, round_trip, deadline).await?;
    let to = finding.peer.address;
    let port = PathQuestion { to, from: finding.source, knock: Knock::Syn };
    let nearer = 1..=distance.hops.checked_sub(1).filter(|hops| *hops > 0)?;
    let wait = deadline.within(GRACE + 2 * round_trip);
    let heard = port.sweep(nearer, wait).await;
    let accepts = |reply| matches!(reply, Some((KnockReply::Answer, _)));
    let (hop, _) = heard.into_iter().find(|(_, knocked)| accepts(knocked.heard))?;
    let gateway = || entry_for(to.ip(), finding.source)?.via;
    let by = distance.device(hop).or_else(|| if hop == 1 { gateway() } else { None });
    Some((hop, by))
}

/// The cause when the device at that hop accepted the connection that ended as `cause` says.
#[must_use]
pub(crate) fn judge_stand_in(
    (hop, by): (u8, Option<IpAddr>),
    to: SocketAddr,
    cause: &Cause,
) -> Cause {
    let because = Box::new(cause.clone());
    PathCause::AcceptedOnTheWay { to, by, hop, because }.into()
}

/// Longest wait beside two round trips: a busy machine's pause.
const GRACE: Duration = Duration::from_millis(120);
const MOST_ROUND_TRIP: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{Millis, Phase};

    #[test]
    fn only_an_end_without_a_word_beyond_this_host_is_looked_at() {
        let far = ([10, 0, 0, 3], 22).into();
        let closed = Cause::from(TalkCause::ClosedUnasked { to: far });
        assert!(is_wordless_end(&closed));
        let here = ([127, 0, 0, 1], 22).into();
        assert!(!is_wordless_end(&TalkCause::ClosedUnasked { to: here }.into()));
        let some = TalkCause::HungUp { to: far, phase: Phase::Reply, received: 3 };
        assert!(!is_wordless_end(&some.into()));
    }

    #[test]
    fn the_device_is_named_and_what_became_of_the_connection() {
        let (to, waited) = (([10, 0, 0, 3], 22).into(), Millis(Duration::from_secs(4)));
        let silent = TalkCause::Silent { to, phase: Phase::Greeting, waited }.into();
        let by = Some(IpAddr::from([10, 2, 0, 1]));
        assert_eq!(
            judge_stand_in((1, by), to, &silent).to_string(),
            "10.2.0.1 (hop 1) accepts connections in the target's name; connected, but it stays silent (4.0 s)"
        );
    }
}
