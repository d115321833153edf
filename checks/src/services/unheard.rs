//! Unheard: does anything refuse packets to a service that answers nobody it does not know?
//!
//! RADIUS (UDP 1812) drops what is not signed with a secret, a collector of `NetFlow` (UDP 2055)
//! answers nobody, and corosync (UDP 5405) its own cluster alone. One datagram without content is sent,
//! which none of them looks at. A refusal, by the host or by a device on the way, is heard and fails;
//! without one it cannot be told, and is not called a pass.
//!
//! Reference: RFC 2865 §3 (silently discarded), RFC 3954, `corosync.conf(5)`.

use std::time::Duration;

use crate::cause::{Cause, TalkCause, Transport};
use crate::net::{Ask, udp};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Which of them is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A server of RADIUS.
    Radius,
    /// A collector of flows.
    Netflow,
    /// A node of a cluster.
    Corosync,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        match udp::refusal(ask, PATIENCE).await {
            Some(refused) => Err(refused),
            None => Err(self.judge(ask)),
        }
    }

    /// Nothing refused the datagram, which is all there is to know.
    fn judge(self, ask: &Ask) -> Cause {
        let why = match self {
            Self::Radius => "a RADIUS server answers who knows its secret, and no secret was given",
            Self::Netflow => "a collector of NetFlow never answers",
            Self::Corosync => "corosync answers the nodes of its own cluster",
        };
        Cause::Talk(TalkCause::AnswersNoStranger { to: ask.address(), why: why.into() })
    }

    pub(crate) fn service(self) -> &'static Service {
        match self {
            Self::Radius => &RADIUS,
            Self::Netflow => &NETFLOW,
            Self::Corosync => &COROSYNC,
        }
    }
}

const fn service(
    name: &'static str,
    title: &'static str,
    port: u16,
    probe: fn() -> crate::Probe,
) -> Service {
    Service {
        name,
        title,
        expected: title,
        spoken: Spoken::Unknown,
        url: UrlForm::Host,
        hints: Hints::NONE,
        port,
        transport: Transport::Udp,
        tls: false,
        budget: Duration::from_secs(5),
        probe,
        question: None,
        repeats: 0,
        respond: Respond::Nobody,
    }
}

pub(crate) const RADIUS: Service =
    service("radius", "RADIUS", 1812, || crate::Probe::Unheard(Probe::Radius));
pub(crate) const NETFLOW: Service =
    service("netflow", "NetFlow", 2055, || crate::Probe::Unheard(Probe::Netflow));
pub(crate) const COROSYNC: Service =
    service("corosync", "Corosync", 5405, || crate::Probe::Unheard(Probe::Corosync));

/// A refusal comes within a round trip, a host that is not there is known after three seconds.
const PATIENCE: Duration = Duration::from_millis(3_500);

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::net::{Deadline, Peer, Trust};

    async fn asked(probe: Probe, at: std::net::SocketAddr) -> Cause {
        let deadline = Deadline::scaled(Duration::from_secs(2), 0.2);
        let probe = crate::Probe::Unheard(probe);
        crate::examine(&probe, Peer::from(at), deadline, &Trust::only([]))
            .await
            .verdict
            .unwrap_err()
    }

    #[tokio::test]
    async fn silence_is_neither_a_pass_nor_a_failure() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        for (probe, words) in [
            (Probe::Radius, "secret"),
            (Probe::Netflow, "never answers"),
            (Probe::Corosync, "own cluster"),
        ] {
            let cause = asked(probe, at).await;
            assert!(cause.is_inconclusive(), "{cause:?}");
            assert!(cause.to_string().contains(words), "{cause}");
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_heard() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        drop(socket);
        assert_eq!(asked(Probe::Radius, at).await.code(), "port-closed");
    }
}
