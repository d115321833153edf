//! Closed: is a TCP port shut to this host, as it must be?
//!
//! The opposite of every other question: a connection that is accepted is a failure. A refusal, by the
//! target itself or by a firewall, passes, and so does a silence, of which the headline says that it
//! may be a loss too. A host that is not there, and a packet that does not leave this machine,
//! say nothing about the port.

use std::io;
use std::time::Duration;

use crate::cause::{Cause, PathCause, Phase, PortCause, RouteCause, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Tries to connect, and sends nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let heard = match ask.connect().await {
            Ok(stream) => {
                stream.close().await;
                Ok(())
            }
            Err(cause) => Err(cause),
        };
        let to = ask.address();
        self.judge(heard, to, &mut ask.seen)
    }

    /// Decides from how the connection went.
    fn judge(
        &self,
        heard: Result<(), Cause>,
        to: std::net::SocketAddr,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        let Err(cause) = heard else { return Err(Cause::Port(PortCause::PortOpen { to })) };
        let how = match &cause {
            // It was accepted, however shortly.
            Cause::Talk(TalkCause::Reset { phase: Phase::Greeting, .. }) => {
                return Err(Cause::Port(PortCause::PortOpen { to }));
            }
            Cause::Port(PortCause::PortClosed { .. }) => {
                "closed: the connection is refused (RST)".to_owned()
            }
            Cause::Path(
                PathCause::PathRejected { .. }
                | PathCause::TargetRejected { .. }
                | PathCause::RejectedInItsName { .. }
                | PathCause::PathReset { .. },
            ) => format!("closed: {cause}"),
            Cause::Route(RouteCause::LocalFirewall { .. }) => {
                format!("closed by this machine itself, nothing behind it was tested: {cause}")
            }
            Cause::Path(PathCause::NoAnswer { waited, .. }) => format!(
                "no answer within {waited}: filtered, or lost on the way, or the host is down"
            ),
            // An address family without a route says nothing, as long as another has one.
            Cause::Route(RouteCause::NoRoute { .. }) => return Err(cause),
            _ => return Err(Cause::Port(PortCause::ClosedUntold { to, because: Box::new(cause) })),
        };
        seen.evidence.set("not_open", cause.code());
        seen.headline = how;
        Ok(())
    }
}

/// For no far side: a port that is closed has none. It stands in no table of services, but in saved runs.
pub const SERVICE: Service = Service {
    name: "closed",
    title: "TCP, closed",
    expected: "a closed port",
    spoken: Spoken::Unknown,
    url: UrlForm::HostAndPort,
    hints: Hints::NONE,
    // The discard port: a bare connect has no port of its own.
    port: 9,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(6),
    probe: || crate::Probe::Closed(Probe::default()),
    question: None,
    repeats: 0,
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Hangs up, which is as near to being closed as a listener comes.
async fn respond(stream: FarStream) -> io::Result<()> {
    stream.close().await
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::cause::{Icmp, LocalFirewallSign, LocalRoute, Millis};

    const TO: SocketAddr = crate::hostile::PEER;

    fn judged(heard: Result<(), Cause>) -> (Result<(), Cause>, String) {
        let mut seen = Seen::default();
        (Probe::default().judge(heard, TO, &mut seen), seen.headline)
    }

    #[test]
    fn an_accepted_connection_fails_however_short_it_is() {
        let reset = Cause::Talk(TalkCause::Reset { to: TO, phase: Phase::Greeting, received: 0 });
        for heard in [Ok(()), Err(reset)] {
            assert_eq!(judged(heard).0, Err(Cause::Port(PortCause::PortOpen { to: TO })));
        }
    }

    #[test]
    fn refused_rejected_and_silent_pass_and_say_which() {
        let waited = Millis(Duration::from_secs(4));
        let icmp = Icmp::V4 { kind: 3, code: 13 };
        for (cause, words) in [
            (Cause::Port(PortCause::PortClosed { to: TO }), "refused (RST)"),
            (Cause::Path(PathCause::TargetRejected { to: TO, icmp }), "closed: "),
            (
                Cause::Path(PathCause::NoAnswer { to: TO, phase: Phase::Connect, waited }),
                "lost on the way",
            ),
            (
                Cause::Route(RouteCause::LocalFirewall {
                    to: TO,
                    how: LocalFirewallSign::OutputDrop,
                }),
                "by this machine itself",
            ),
        ] {
            let (verdict, headline) = judged(Err(cause));
            assert_eq!(verdict, Ok(()));
            assert!(headline.contains(words), "{headline}");
        }
    }

    #[test]
    fn no_route_and_a_host_that_is_not_there_say_nothing_about_the_port() {
        let cause = Cause::Route(RouteCause::NoRoute { to: TO.ip(), route: LocalRoute::Missing });
        assert_eq!(judged(Err(cause.clone())).0, Err(cause));
        let cause =
            Cause::Path(PathCause::Unreachable { to: TO, error: "no such host".to_owned() });
        let untold =
            Cause::Port(PortCause::ClosedUntold { to: TO, because: Box::new(cause.clone()) });
        assert_eq!(judged(Err(cause)).0, Err(untold.clone()));
        assert!(untold.is_inconclusive());
    }
}
