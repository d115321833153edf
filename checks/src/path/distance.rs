//! Distance: how many hops away is the target, and how many have its own answers left?
//!
//! What carries the target's address need not come from it. A sender that is nearer cannot hide it:
//! its packets have more hops left when they arrive, as many more as it is nearer. Compared with
//! what the target itself answers to an echo request or to a datagram to a closed port.
//!
//! At most 32 packets; no longer than some round trips where everybody is near.
//!
//! Reference: RFC 5082 (hops left on arrival), `ip(7)` `IP_RECVTTL`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{ALIVE_UDP, Hop, PathQuestion};
use crate::cause::Millis;
use crate::net::icmp::Meaning;
use crate::net::knock::{Knock, KnockReply, Knocked};
use crate::net::{Deadline, Peer};

/// Where the target is, as its own answers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distance {
    /// Hops to the target; 1 is this host's own segment.
    pub(crate) hops: u8,
    /// Hops that its answers have left when they arrive.
    pub(crate) left: u8,
    /// The devices before it.
    pub(crate) trail: Vec<Hop>,
}

/// Measures with whichever question the target answers; `None`: with neither.
///
/// `round_trip` is that of an answer that was heard before: nobody is waited for much longer.
pub(crate) async fn measure(
    peer: &Peer,
    round_trip: Duration,
    deadline: Deadline,
) -> Option<Distance> {
    let (target, from) = (peer.address.ip(), peer.from);
    let at = |port, knock| PathQuestion { to: SocketAddr::new(target, port), from, knock };
    for question in [at(0, Knock::Echo), at(ALIVE_UDP, Knock::Datagram(&[]))] {
        let mut heard = Vec::new();
        for ttls in [1..=8, 9..=16] {
            let wait = deadline.within(GRACE + 2 * round_trip);
            heard.extend(question.sweep(ttls, wait).await);
            if let Some(distance) = Distance::of(target, &heard) {
                return Some(distance);
            }
        }
    }
    None
}

impl Distance {
    /// From what came back to packets with growing hop limits; `None`: nothing of the target.
    fn of(target: IpAddr, heard: &[(u8, Knocked)]) -> Option<Self> {
        let mut trail = Vec::new();
        for &(ttl, knocked) in heard {
            let is_hop = |by: IpAddr, meaning| meaning == Meaning::HopLimit && by != target;
            let (by, rtt) = match knocked.heard {
                Some((KnockReply::Answer, _)) => {
                    return Some(Self { hops: ttl, left: knocked.left?, trail });
                }
                Some((KnockReply::Icmp(refusal), after))
                    if is_hop(refusal.by, refusal.icmp.meaning()) =>
                {
                    (Some(refusal.by), Some(Millis(after)))
                }
                Some((KnockReply::Icmp(refusal), _)) if refusal.by == target => {
                    return Some(Self { hops: ttl, left: knocked.left?, trail });
                }
                _ => (None, None),
            };
            trail.push(Hop { ttl, by, rtt });
        }
        None
    }

    /// The hop from which something comes that has so many left, if that is before the target.
    pub(crate) fn hop_before_target(&self, left: u8) -> Option<u8> {
        let nearer = left.checked_sub(self.left)?;
        (1..self.hops).contains(&nearer).then(|| self.hops - nearer)
    }

    /// The device at that hop, when it names itself.
    pub(crate) fn device(&self, hop: u8) -> Option<IpAddr> {
        self.trail.iter().find(|known| known.ttl == hop).and_then(|known| known.by)
    }
}

/// Longest wait beside two round trips: a busy machine's pause.
const GRACE: Duration = Duration::from_millis(120);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Icmp;
    use crate::net::icmp::Refusal;

    const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3));

    fn heard(reply: KnockReply, left: u8) -> Knocked {
        Knocked { sent: true, heard: Some((reply, Duration::from_millis(1))), left: Some(left) }
    }

    fn icmp(by: [u8; 4], kind: u8, code: u8, left: u8) -> Knocked {
        heard(
            KnockReply::Icmp(Refusal { icmp: Icmp::V4 { kind, code }, by: by.into(), left: None }),
            left,
        )
    }

    #[test]
    fn what_comes_from_before_the_target_is_placed_at_its_hop() {
        let heard = [
            (1, icmp([10, 2, 0, 1], 11, 0, 64)),
            (2, icmp([10, 9, 0, 2], 11, 0, 63)),
            (3, heard(KnockReply::Answer, 62)),
        ];
        let distance = Distance::of(TARGET, &heard).unwrap();
        assert_eq!((distance.hops, distance.left), (3, 62));
        assert_eq!(distance.hop_before_target(64), Some(1));
        assert_eq!(distance.hop_before_target(63), Some(2));
        assert_eq!(distance.device(2), Some([10, 9, 0, 2].into()));
        // The target's own, one that comes farther, and one that began with another number.
        for left in [62, 61, 65, 128, 255] {
            assert_eq!(distance.hop_before_target(left), None, "{left}");
        }
    }

    #[test]
    fn a_closed_port_measures_as_well_and_silence_does_not() {
        let closed = [(1, Knocked::default()), (2, icmp([10, 0, 0, 3], 3, 3, 127))];
        let distance = Distance::of(TARGET, &closed).unwrap();
        assert_eq!((distance.hops, distance.left), (2, 127));
        assert_eq!(distance.device(1), None);
        assert_eq!(Distance::of(TARGET, &[(1, Knocked::default())]), None);
    }
}
