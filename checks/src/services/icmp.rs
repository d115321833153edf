//! ICMP: does the host answer an echo request?
//!
//! What `ping` asks, with 32 random bytes that must come back. An answer says that the host's kernel
//! is up and that ICMP passes both ways, and nothing of any service. A silence may be a firewall that
//! drops ICMP alone, so other packets tell whether the host is there.
//!
//! Reference: RFC 792, RFC 4443 §4.1 and §4.2.

use std::time::Duration;

use crate::cause::{Cause, Concern, Millis, Transport};
use crate::evidence::Seen;
use crate::net::udp::{ASK_AT, Answered, LISTEN};
use crate::net::{Ask, Udp};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Sends echo requests until one is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let (socket, echo) = Udp::ping(ask)?;
        let cookie = rand::random();
        let accept = |bytes: &[u8]| echo.answers(bytes, &cookie).then_some(());
        let answered = socket.exchange(&echo.request(&cookie), &ASK_AT, LISTEN, accept).await?;
        self.judge(&answered, &mut ask.seen);
        Ok(())
    }

    /// An answer is a pass; one that took more than one request is a warning.
    fn judge(&self, answered: &Answered<()>, seen: &mut Seen) {
        let &Answered { tries, round_trip, .. } = answered;
        seen.headline = format!("answers a ping after {}", Millis(round_trip));
        if tries > 1 {
            seen.concerns.push(Concern::PacketLoss { tries });
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "icmp",
    title: "ICMP echo",
    expected: "an echo reply",
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 0,
    transport: Transport::Icmp,
    tls: false,
    budget: Duration::from_secs(5),
    probe: || crate::Probe::Icmp(Probe::default()),
    question: None,
    repeats: 0,
    // Every kernel answers for itself.
    respond: Respond::Nobody,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(tries: usize) -> Seen {
        let mut seen = Seen::default();
        let round_trip = Duration::from_millis(20);
        Probe::default().judge(&Answered { reply: (), tries, round_trip }, &mut seen);
        seen
    }

    #[test]
    fn the_first_answer_passes_and_a_later_one_tells_of_losses() {
        let first = judged(1);
        assert_eq!(
            (first.headline.as_str(), first.concerns),
            ("answers a ping after 20 ms", vec![])
        );
        assert_eq!(judged(3).concerns, [Concern::PacketLoss { tries: 3 }]);
    }
}
