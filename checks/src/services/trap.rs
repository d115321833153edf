//! SNMP traps: does the receiver answer?
//!
//! Only v3 engine discovery, UDP 162 by default: snmptrapd answers it like an
//! agent, whatever its access rules say, and neither logs nor processes
//! anything. No trap is ever sent, and an inform only when it is asked for: each is a real event.
//!
//! Reference: [RFC 3414 §4](https://www.rfc-editor.org/rfc/rfc3414#section-4).

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::cause::{Cause, Millis, SnmpCause, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, Udp};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::snmp::discovery::{self, Discovered};
use crate::snmp::{Credentials, send_inform};
use crate::{Respond, Service, snmp};

/// Looks for a trap receiver; sends no trap.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// In whose name one inform is sent; none: none is.
    pub inform: Option<Credentials>,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        if let Some(credentials) = &self.inform {
            // A type of its own: the compiler gives up on one that holds all of async-snmp.
            return send_inform(credentials, ask).boxed().await;
        }
        // Whoever sends a trap waits for no answer, from wherever.
        let socket = Udp::connect_loosely(ask)?;
        let found = discovery::discover(&socket, snmp::ALONE, &mut ask.seen).await?;
        ask.seen.concerns.extend(socket.elsewhere());
        self.judge(found, ask.address(), ask.deadline.waited(), &mut ask.seen)
    }

    /// Decides from what discovery found alone.
    fn judge(
        &self,
        found: Discovered,
        to: SocketAddr,
        waited: Millis,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        match found {
            Discovered::Engine(engine) => {
                seen.headline = format!("trap receiver answers, {}", engine.words());
                Ok(())
            }
            Discovered::Nothing(Some(stray)) => Err(stray),
            // A receiver without v3 is silent, and takes traps all the same.
            Discovered::Nothing(None) => Err(Cause::Snmp(SnmpCause::SnmpSilent { to, waited })),
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "trap",
    title: "SNMP trap",
    expected: "SNMP",
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 162,
    transport: Transport::Udp,
    tls: false,
    budget: Duration::from_secs(5),
    question: Some(crate::snmp::discovery::question),
    repeats: 24,
    probe: || crate::Probe::Trap(Probe::default()),
    respond: Respond::Datagram(snmp::answer_receiver),
};

#[cfg(test)]
mod tests {
    use super::*;

    const WAITED: Millis = Millis(Duration::from_secs(4));

    fn verdict(found: Discovered) -> (Result<(), Cause>, Seen) {
        let mut seen = Seen::default();
        let to = ([192, 0, 2, 1], 162).into();
        (Probe::default().judge(found, to, WAITED, &mut seen), seen)
    }

    #[test]
    fn silence_proves_nothing() {
        let cause = verdict(Discovered::Nothing(None)).0.unwrap_err();
        let to = ([192, 0, 2, 1], 162).into();
        assert_eq!(cause, Cause::Snmp(SnmpCause::SnmpSilent { to, waited: WAITED }));
        assert!(cause.is_inconclusive());
    }

    #[test]
    fn an_answer_that_is_no_snmp_is_shown() {
        let stray = Cause::bad_reply("an SNMPv3 Report", b"hello");
        assert_eq!(verdict(Discovered::Nothing(Some(stray.clone()))).0, Err(stray));
    }

    #[test]
    fn a_receiver_passes_with_its_engine() {
        let engine = snmp::discovery::SnmpEngine::example();
        let (verdict, seen) = verdict(Discovered::Engine(engine));
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, "trap receiver answers, net-snmp, up 41 d");
        assert!(seen.concerns.is_empty());
    }
}
