//! Circle: a packet used up its hop limit. Do routers pass it in circles, or does a device shorten it?
//!
//! In a loop the devices take turns: with one hop more, the next of them names itself. Where a device
//! sets the hop limit to one, all packets that get beyond it end at the same place, however far they
//! may go. At most eight packets; what routers do not say stays open.
//!
//! Reference: RFC 1812 §4.3.3 and §5.3.1.

use std::net::{IpAddr, SocketAddr};

use super::{PathQuestion, WAVE};
use crate::cause::{Cause, CircleSign, PathCause, Transport};
use crate::net::Deadline;
use crate::net::icmp::{Meaning, Refusal};
use crate::net::knock::{Knock, KnockReply};

/// Looks which devices packets to `to` meet, `from` that address of ours; `None`: they do not tell.
pub(crate) async fn examine_circle(
    to: SocketAddr,
    from: Option<IpAddr>,
    transport: Transport,
    deadline: Deadline,
) -> Option<CircleSign> {
    let knock = match transport {
        Transport::Tcp => Knock::Syn,
        Transport::Udp => Knock::Datagram(&[]),
        Transport::Icmp => Knock::Echo,
    };
    let sweep = PathQuestion { to, from, knock }.sweep(1..=WAVE, deadline).await;
    let named = sweep.into_iter().map(|(hop, knocked)| match knocked.heard {
        Some((KnockReply::Icmp(Refusal { icmp, by, .. }), _))
            if icmp.meaning() == Meaning::HopLimit =>
        {
            (hop, Some(by))
        }
        _ => (hop, None),
    });
    sign_of(&named.collect::<Vec<_>>())
}

/// The cause that `sign` makes of a packet that ran out of hops; any other stays what it is.
#[must_use]
pub(crate) fn judge_circle(sign: CircleSign, cause: &Cause) -> Cause {
    match cause {
        &Cause::Path(PathCause::HopLimitExceeded { to, by, icmp, .. }) => {
            PathCause::HopLimitExceeded { to, by, icmp, seen: Some(sign) }.into()
        }
        other => other.clone(),
    }
}

/// What the devices at growing hops show, nearest first.
fn sign_of(hops: &[(u8, Option<IpAddr>)]) -> Option<CircleSign> {
    for (at, &(hop, by)) in hops.iter().enumerate() {
        let Some(by) = by else { continue };
        let mut behind = hops.iter().skip(at + 1).filter_map(|&(_, by)| by);
        let next = behind.next()?;
        if next == by {
            // One that names itself twice in a row, and nobody else after that.
            let is_end = behind.all(|other| other == by);
            let before = hops.get(at.checked_sub(1)?).and_then(|&(_, by)| by);
            return is_end.then_some(CircleSign::Shortened { hop: hop - 1, by: before });
        }
        if behind.any(|other| other == by) {
            return Some(CircleSign::Loop);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(devices: &[u8]) -> Vec<(u8, Option<IpAddr>)> {
        let device = |&number: &u8| (number > 0).then(|| IpAddr::from([10, 0, 0, number]));
        (1..).zip(devices.iter().map(device)).collect()
    }

    #[test]
    fn devices_that_take_turns_are_a_loop_and_one_that_stays_is_not() {
        let first = IpAddr::from([10, 0, 0, 1]);
        let shortened = |hop, by| Some(CircleSign::Shortened { hop, by });
        for (devices, sign) in [
            (&[1, 2, 1, 2, 1, 2][..], Some(CircleSign::Loop)),
            (&[1, 2, 3, 2, 3, 0, 0], Some(CircleSign::Loop)),
            (&[1, 2, 0, 2, 0, 0], shortened(1, Some(first))),
            (&[1, 2, 2, 2, 2], shortened(1, Some(first))),
            (&[0, 2, 2, 2], shortened(1, None)),
            (&[1, 2, 0, 0], None),
            (&[1, 2, 3, 0], None),
            (&[0, 0, 0], None),
        ] {
            assert_eq!(sign_of(&hops(devices)), sign, "{devices:?}");
        }
    }
}
