//! What two ends together prove of one flow: pure, one question at a time.

use std::net::SocketAddr;

use preflight_checks::{
    Cause, Concern, FarSideCause, Layer, Owner, PathCause, PortCause, Transport,
};

use super::mark::has_segment_of;
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
    /// The mark came to a service's port, and neither it nor the question was answered.
    CameOnly(SocketAddr),
    /// No more than one end has seen.
    Untold,
}

/// Decides from what both ends saw.
pub(super) fn judge(crossing: Crossing<'_>) -> FlowProof {
    let Crossing { transport, to, verdict, mark, .. } = crossing;
    let Some(door) = crossing.door else { return FlowProof::Untold };
    let answered = mark.and_then(|mark| mark.seen_as);
    let arrived = answered.or_else(|| crossing.arrived());
    if door.state != DoorState::Open {
        return crossing.to_a_service(door);
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
            FlowProof::Fails(crossing.not_reached(door, silence))
        }
        (Err(_), _) => FlowProof::Untold,
    }
}

/// Is TLS ended on the way? So it is where `issuer` signed what one end is shown, and another what the door has.
///
/// That both are the same proves nothing, since a name can be copied.
pub(super) fn tls_relay(to: SocketAddr, issuer: Option<&str>, door: &Door) -> Option<Concern> {
    let (issuer, there) = (issuer?, door.authority.as_deref()?);
    let is_another = door.state == DoorState::Open && !issuer.contains(there);
    let (issuer, there) = (issuer.to_owned(), there.to_owned());
    is_another.then_some(Concern::TlsRelayed { to, issuer, there })
}

/// The mark among what came: by its number, or as the connection that was left silent.
pub(super) fn arrival_of<'a>(mark: &SentMark, came: &'a [Arrival]) -> Option<&'a Arrival> {
    let at_the_door =
        came.iter().filter(|came| (came.transport, came.port) == (mark.transport, mark.to.port()));
    let marks = at_the_door.filter(|came| match (&came.what, mark.silent) {
        (CameAs::Mark(number), _) => *number == mark.number,
        // Translation changes its address, and not the segment size that it offers.
        (CameAs::Connection, Some(from)) => {
            came.from == from || has_segment_of(mark.number, came.segment)
        }
        _ => false,
    });
    marks.min_by_key(|came| came.what != CameAs::Connection)
}

impl<'a> Crossing<'a> {
    /// What can be told of a question to a service that has the port: its answers are its own, and what comes to
    /// it is seen beside it.
    fn to_a_service(self, door: &Door) -> FlowProof {
        let Self { transport, to, verdict, .. } = self;
        let Some(mark) = self.mark.filter(|_| door.is_watched) else { return FlowProof::Untold };
        let came = arrival_of(mark, self.came).map(|came| came.from);
        // Of a connection that was never made, or is one of several, nobody can say that it did not arrive.
        let is_missing = came.is_none()
            && (transport != Transport::Tcp || mark.silent.is_some())
            && !self.strangers();
        // Behind translation only a service that listens on all addresses is known to listen on the one that was asked.
        let is_listened_at = door
            .listens_at
            .iter()
            .any(|at| *at == to.ip() || at.is_unspecified() && at.is_ipv4() == to.is_ipv4());
        let knock = self.at_the_door().find(|came| came.what == CameAs::HalfOpen);
        let knock = knock.map(|came| came.from);
        let forged = |refuses| FlowProof::Fails(FarSideCause::FarSideImpersonated { to, refuses });
        match (verdict, came) {
            (Ok(()), Some(from)) => FlowProof::EndToEnd(from),
            (Ok(()), None) if is_missing => forged(false),
            (Err(Cause::Port(PortCause::PortClosed { .. })), None)
                if transport == Transport::Tcp && door.closed.is_none() && is_listened_at =>
            {
                forged(true)
            }
            (Err(cause), None) if is_missing && is_accepted(transport, cause) => forged(false),
            (Err(_), Some(from)) if transport == Transport::Tcp => FlowProof::MarkOnly(from),
            (Err(silence), came) if is_unheard(silence) => match (knock, came) {
                (Some(from), _) => {
                    FlowProof::Fails(FarSideCause::FarSideAnswersLost { transport, from, to })
                }
                (None, Some(from)) if door.closed.is_none() => FlowProof::CameOnly(from),
                (None, _) => FlowProof::Fails(self.not_reached(door, silence)),
            },
            _ => FlowProof::Untold,
        }
    }

    /// Nothing came there, or the machine there keeps it out.
    fn not_reached(&self, door: &Door, silence: &Cause) -> FarSideCause {
        let Self { transport, to, .. } = *self;
        if let Some(closed) = &door.closed {
            return FarSideCause::FarSideClosed { at: to.ip(), because: Box::new(closed.clone()) };
        }
        let because = Box::new(silence.clone());
        FarSideCause::FarSideNotReached { transport, to, because }
    }

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
            CameAs::Mark(_) | CameAs::Connection | CameAs::Stranger => None,
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
        self.at_the_door().any(|came| matches!(came.what, CameAs::Stranger | CameAs::Connection))
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

    fn leaves_from() -> SocketAddr {
        "10.2.0.7:40001".parse().unwrap()
    }

    /// A service has the port, and what comes to it is seen.
    fn watched() -> Door {
        Door { is_watched: true, ..door(DoorState::Taken("sshd (pid 7)".to_owned())) }
    }

    fn judged_at_service(verdict: Result<(), &Cause>, arrivals: &[Arrival]) -> FlowProof {
        let silent = Some(leaves_from());
        let (transport, number) = (Transport::Tcp, NUMBER);
        let mark = SentMark { transport, to: to(), number, seen_as: None, segment: 0, silent };
        judge(Crossing {
            transport,
            to: to(),
            verdict,
            mark: Some(&mark),
            came: arrivals,
            door: Some(&watched()),
        })
    }

    fn connection(from: SocketAddr, segment: u16) -> Arrival {
        Arrival { from, segment, ..came(CameAs::Connection) }
    }

    fn door(state: DoorState) -> Door {
        let flows = vec!["poller.bbdo".to_owned()];
        let listens_at = vec!["0.0.0.0".parse().unwrap()];
        let (transport, port) = (Transport::Tcp, 5669);
        let authority = Some("preflight respond 00ff".to_owned());
        let (closed, is_watched) = (None, false);
        Door { flows, transport, port, state, closed, is_watched, authority, listens_at }
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
        let silent = matches!(door.state, DoorState::Taken(_)).then(leaves_from);
        let mark = SentMark { transport, to: to(), number, seen_as, segment: 0, silent };
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
    fn a_service_that_nobody_watches_tells_no_more_than_one_end_saw() {
        let taken = door(DoorState::Taken("sshd (pid 7)".to_owned()));
        assert_eq!(judged_at(&taken, Ok(()), false, &[]), FlowProof::Untold);
        assert_eq!(judged_at(&taken, Err(&silence()), false, &[]), FlowProof::Untold);
    }

    #[test]
    fn a_services_connection_is_known_by_its_address_or_behind_translation_by_its_segment_size() {
        let offered = super::super::mark::segment_of(NUMBER);
        for (from, segment) in [(leaves_from(), 1448), (seen(), offered), (seen(), offered - 12)] {
            let arrived = [connection(from, segment)];
            assert_eq!(judged_at_service(Ok(()), &arrived), FlowProof::EndToEnd(from));
            // The way there and back is open, whatever the service said.
            let busy = Cause::Port(PortCause::PortClosed { to: to() });
            assert_eq!(judged_at_service(Err(&busy), &arrived), FlowProof::MarkOnly(from));
        }
    }

    #[test]
    fn a_service_to_which_nothing_came_is_not_who_answered() {
        let forged =
            |refuses| FlowProof::Fails(FarSideCause::FarSideImpersonated { to: to(), refuses });
        assert_eq!(judged_at_service(Ok(()), &[]), forged(false));
        // Another connection may be this one behind a proxy, or somebody else's.
        let other = [connection(seen(), 1448)];
        assert_eq!(judged_at_service(Ok(()), &other), FlowProof::Untold);
        assert_eq!(judged_at_service(Ok(()), &[came(CameAs::Stranger)]), FlowProof::Untold);
        // It listens there, so its kernel refuses nobody.
        let closed = Cause::Port(PortCause::PortClosed { to: to() });
        assert_eq!(judged_at_service(Err(&closed), &[]), forged(true));
        let elsewhere = Door { listens_at: vec!["127.0.0.1".parse().unwrap()], ..watched() };
        assert_eq!(judged_at(&elsewhere, Err(&closed), false, &[]), FlowProof::Untold);
    }

    #[test]
    fn a_certificate_of_somebody_else_is_one_that_was_put_in_between() {
        let open = door(DoorState::Open);
        let issuer = "CN=Corporate Inspection CA".to_owned();
        let there = "preflight respond 00ff".to_owned();
        let relayed = Concern::TlsRelayed { to: to(), issuer: issuer.clone(), there };
        assert_eq!(tls_relay(to(), Some(&issuer), &open), Some(relayed));
        assert_eq!(tls_relay(to(), Some("CN=preflight respond 00ff"), &open), None);
        // Without TLS, or with a service's own certificate, there is nothing to compare.
        assert_eq!(tls_relay(to(), None, &open), None);
        assert_eq!(tls_relay(to(), Some(&issuer), &watched()), None);
    }

    #[test]
    fn a_silence_of_a_service_is_lost_on_the_way_there_or_back() {
        let silence = silence();
        let lost =
            FarSideCause::FarSideAnswersLost { transport: Transport::Tcp, from: seen(), to: to() };
        let knocks = [came(CameAs::HalfOpen)];
        assert_eq!(judged_at_service(Err(&silence), &knocks), FlowProof::Fails(lost));
        let because = Box::new(silence.clone());
        let there =
            FarSideCause::FarSideNotReached { transport: Transport::Tcp, to: to(), because };
        assert_eq!(judged_at_service(Err(&silence), &[]), FlowProof::Fails(there));
    }
}
