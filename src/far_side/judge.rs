//! What two ends together prove of one flow: pure, one question at a time.

use std::net::SocketAddr;

use preflight_checks::{Cause, FarSideCause, Layer, Owner, PathCause, PortCause, Transport};

use super::message::{Arrival, CameAs, Door, DoorState, SentMark};

/// One question, as both ends have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing<'a> {
    /// TCP or UDP.
    pub(super) transport: Transport,
    /// Where it was asked.
    pub(super) to: SocketAddr,
    /// What came of it where it was asked.
    pub(super) verdict: Result<(), &'a Cause>,
    /// The mark that was sent beside it.
    pub(super) mark: Option<&'a SentMark>,
    /// What came to the other end, at whatever door.
    pub(super) came: &'a [Arrival],
    /// The door there; none: the other end has no such door.
    pub(super) door: Option<&'a Door>,
}

/// What both ends together say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FlowProof {
    /// It arrived and was answered; where it came from, as the other end saw it.
    EndToEnd(SocketAddr),
    /// Why it fails, better than one end could tell.
    Fails(FarSideCause),
    /// The mark went there and back, and the question was not answered.
    MarkOnly(SocketAddr),
    /// No more than one end has seen.
    Untold,
}

/// Decides from what both ends saw.
pub(super) fn judge(crossing: Crossing<'_>) -> FlowProof {
    let Crossing { transport, to, verdict, mark, .. } = crossing;
    let Some(door) = crossing.door else { return FlowProof::Untold };
    let answered = mark.and_then(|mark| mark.seen_as);
    let arrived = answered.or_else(|| crossing.arrived());
    // Somebody else's service has the port: what it did not answer as ours, it answered as its own.
    if door.state != DoorState::Open {
        return FlowProof::Untold;
    }
    match (verdict, arrived) {
        (Ok(()), Some(from)) => FlowProof::EndToEnd(from),
        (Ok(()), None) if crossing.strangers() => FlowProof::Untold,
        (Ok(()), None) => {
            FlowProof::Fails(FarSideCause::FarSideImpersonated { to, refuses: false })
        }
        (Err(Cause::Port(PortCause::PortClosed { .. })), None) if !crossing.strangers() => {
            FlowProof::Fails(FarSideCause::FarSideImpersonated { to, refuses: true })
        }
        // A SYN proxy, for a machine that it does not reach.
        (Err(cause), None) if is_accepted(transport, cause) && !crossing.strangers() => {
            FlowProof::Fails(FarSideCause::FarSideImpersonated { to, refuses: false })
        }
        (Err(_), Some(from)) if answered.is_some() => FlowProof::MarkOnly(from),
        (Err(silence), Some(from))
            if is_unheard(silence) || is_accepted(transport, silence) && !crossing.finished() =>
        {
            FlowProof::Fails(FarSideCause::FarSideAnswersLost { transport, from, to })
        }
        (Err(silence), None) if is_unheard(silence) => {
            let because = Box::new(silence.clone());
            FlowProof::Fails(match &door.closed {
                Some(closed) => {
                    FarSideCause::FarSideClosed { at: to.ip(), because: Box::new(closed.clone()) }
                }
                None => FarSideCause::FarSideNotReached { transport, to, because },
            })
        }
        (Err(_), _) => FlowProof::Untold,
    }
}

impl<'a> Crossing<'a> {
    fn at_the_door(&self) -> impl Iterator<Item = &'a Arrival> {
        let door = self.door.map(|door| (door.transport, door.port));
        self.came.iter().filter(move |came| Some((came.transport, came.port)) == door)
    }

    /// Where something of it came from: its mark, a handshake, or a question.
    fn arrived(&self) -> Option<SocketAddr> {
        let number = self.mark.map(|mark| mark.number);
        let rank = |came: &Arrival| match &came.what {
            CameAs::Mark(there) if Some(*there) == number => Some(0),
            CameAs::HalfOpen => Some(1),
            CameAs::Question => Some(2),
            CameAs::Mark(_) | CameAs::Stranger => None,
        };
        let ranked = self.at_the_door().filter_map(|came| Some((rank(came)?, came.from)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, from)| from)
    }

    /// Was a handshake of it finished there?
    fn finished(&self) -> bool {
        self.at_the_door().any(|came| !matches!(came.what, CameAs::HalfOpen | CameAs::Stranger))
    }

    /// Did others ask there, of whom this question may have been one?
    fn strangers(&self) -> bool {
        self.at_the_door().any(|came| came.what == CameAs::Stranger)
    }
}

/// Had somebody taken the connection before it failed?
fn is_accepted(transport: Transport, cause: &Cause) -> bool {
    let is_of_others = cause.owner() != Owner::ThisHost && cause.inner().is_none();
    transport == Transport::Tcp && is_of_others && cause.layer() > Layer::Port
}

/// A silence, wherever a look at the path says that it begins.
fn is_unheard(cause: &Cause) -> bool {
    matches!(cause, Cause::Path(PathCause::FilteredBetween { .. }))
        || cause.inner().is_none() && cause.unheard().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use preflight_checks::{Millis, Phase, TalkCause};
    use std::time::Duration;

    const NUMBER: [u8; 16] = [7; 16];

    fn to() -> SocketAddr {
        "10.0.0.5:5669".parse().unwrap()
    }

    fn seen() -> SocketAddr {
        "198.51.100.7:40112".parse().unwrap()
    }

    fn door(state: DoorState) -> Door {
        let flows = vec!["poller.bbdo".to_owned()];
        Door { flows, transport: Transport::Tcp, port: 5669, state, closed: None }
    }

    fn came(what: CameAs) -> Arrival {
        Arrival { transport: Transport::Tcp, port: 5669, from: seen(), what, segment: 0 }
    }

    fn silence() -> Cause {
        let waited = Millis(Duration::from_secs(4));
        Cause::Path(PathCause::NoAnswer { to: to(), phase: Phase::Connect, waited })
    }

    fn judged(verdict: Result<(), &Cause>, acked: bool, arrivals: &[CameAs]) -> FlowProof {
        judged_at(&door(DoorState::Open), verdict, acked, arrivals)
    }

    fn judged_at(
        door: &Door,
        verdict: Result<(), &Cause>,
        acked: bool,
        arrivals: &[CameAs],
    ) -> FlowProof {
        let seen_as = acked.then(seen);
        let (transport, number) = (Transport::Tcp, NUMBER);
        let mark = SentMark { transport, to: to(), number, seen_as, segment: 0 };
        let came: Vec<Arrival> = arrivals.iter().cloned().map(came).collect();
        judge(Crossing {
            transport: Transport::Tcp,
            to: to(),
            verdict,
            mark: Some(&mark),
            came: &came,
            door: Some(door),
        })
    }

    #[test]
    fn what_works_and_arrives_is_proved_with_where_it_came_from() {
        assert_eq!(judged(Ok(()), true, &[]), FlowProof::EndToEnd(seen()));
        assert_eq!(judged(Ok(()), false, &[CameAs::Mark(NUMBER)]), FlowProof::EndToEnd(seen()));
        assert_eq!(judged(Ok(()), false, &[CameAs::Question]), FlowProof::EndToEnd(seen()));
    }

    #[test]
    fn what_works_and_does_not_arrive_was_answered_by_somebody_else() {
        let forged =
            |refuses| FlowProof::Fails(FarSideCause::FarSideImpersonated { to: to(), refuses });
        assert_eq!(judged(Ok(()), false, &[]), forged(false));
        // A mark of somebody else proves nothing.
        assert_eq!(judged(Ok(()), false, &[CameAs::Mark([1; 16])]), forged(false));
        let closed = Cause::Port(PortCause::PortClosed { to: to() });
        assert_eq!(judged(Err(&closed), false, &[]), forged(true));
        // Taken, and never passed on.
        let waited = Millis(Duration::from_secs(10));
        let stuck = Cause::Talk(TalkCause::WindowClosed { to: to(), missing: 96, waited });
        assert_eq!(judged(Err(&stuck), false, &[]), forged(false));
        assert_eq!(judged(Err(&stuck), false, &[CameAs::Stranger]), FlowProof::Untold);
        // Unless it may have been one of those who came.
        assert_eq!(judged(Ok(()), false, &[CameAs::Stranger]), FlowProof::Untold);
        assert_eq!(judged(Err(&closed), false, &[CameAs::Stranger]), FlowProof::Untold);
    }

    #[test]
    fn a_silence_is_lost_on_the_way_there_or_back() {
        let silence = silence();
        let lost = FlowProof::Fails(FarSideCause::FarSideAnswersLost {
            transport: Transport::Tcp,
            from: seen(),
            to: to(),
        });
        assert_eq!(judged(Err(&silence), false, &[CameAs::HalfOpen]), lost);
        assert_eq!(judged(Err(&silence), false, &[CameAs::Mark(NUMBER)]), lost);
        let because = Box::new(silence.clone());
        let there =
            FarSideCause::FarSideNotReached { transport: Transport::Tcp, to: to(), because };
        assert_eq!(judged(Err(&silence), false, &[]), FlowProof::Fails(there));
        // A mark that went there and back says that the way is open, and no more.
        assert_eq!(judged(Err(&silence), true, &[]), FlowProof::MarkOnly(seen()));
    }

    #[test]
    fn a_far_side_that_closes_its_own_port_is_named_instead_of_the_way() {
        let (silence, closed) = (silence(), Cause::Port(PortCause::PortClosed { to: to() }));
        let door = Door { closed: Some(closed.clone()), ..door(DoorState::Open) };
        let because = Box::new(closed);
        let cause = FarSideCause::FarSideClosed { at: to().ip(), because };
        assert_eq!(judged_at(&door, Err(&silence), false, &[]), FlowProof::Fails(cause));
    }

    #[test]
    fn a_port_that_another_service_has_tells_no_more_than_one_end_saw() {
        let taken = door(DoorState::Taken("sshd (pid 7)".to_owned()));
        assert_eq!(judged_at(&taken, Ok(()), false, &[]), FlowProof::Untold);
        assert_eq!(judged_at(&taken, Err(&silence()), false, &[]), FlowProof::Untold);
    }
}
