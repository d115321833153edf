//! TCP: does the application port accept a connection?
//!
//! For ports whose protocol this tool does not speak. Connects, and ends with a
//! FIN; a pass means no more than that, and the headline says so. For a moment it listens: what speaks
//! first is named, and whoever accepts and closes at once (an agent that does not know this host, a
//! load balancer without a server) serves nobody. Where a flow table means a service, the moment is
//! longer, and a connection alone is a warning.

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Concern, Phase, Transport};
use crate::dialogue::Dialogue;
use crate::evidence::Seen;
use crate::net::{Ask, FarStream};
use crate::recognise::{Spoken, recognise};
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service, wire};

/// Connects, and sends nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Is a service meant, and not just a port? Then a connection alone is a warning.
    pub for_service: bool,
    /// What is said once it is connected.
    pub dialogue: Dialogue,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        if self.dialogue.is_empty() {
            let patience = if self.for_service { FIRST_WORDS } else { FIRST_MOMENT };
            let heard = stream.is_silent_for(patience, Phase::Greeting).await;
            self.judge_first(heard, stream.head(), &mut ask.seen)?;
        }
        self.judge(&mut ask.seen)?;
        let held = self.dialogue.hold(&mut stream, &mut ask.seen).await;
        stream.close().await;
        held
    }

    /// An accepted connection is all there is to judge.
    fn judge(&self, seen: &mut Seen) -> Result<(), Cause> {
        if seen.headline.is_empty() {
            "accepts connections".clone_into(&mut seen.headline);
        }
        seen.concerns.extend(self.for_service.then_some(Concern::Unproved));
        Ok(())
    }

    /// What the peer said without being asked, which is as far as the service can be told.
    fn judge_first(
        &self,
        heard: Result<bool, Cause>,
        words: &[u8],
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        seen.headline = match heard {
            Err(cause) if words.is_empty() => return Err(cause),
            Ok(true) if self.for_service => {
                "accepts connections, and says nothing by itself".to_owned()
            }
            Ok(true) => return Ok(()),
            Ok(false) | Err(_) => match recognise(words) {
                Spoken::Unknown => {
                    seen.evidence.set("heard", wire::clean(words, SHOWN));
                    format!(
                        "accepts connections, and begins with \"{}\"",
                        wire::clean(words, SHOWN)
                    )
                }
                other => format!("accepts connections, and {other} speaks there"),
            },
        };
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "tcp",
    title: "TCP",
    expected: "TCP",
    spoken: Spoken::Unknown,
    url: UrlForm::HostAndPort,
    hints: Hints::NONE,
    // The discard port: a bare connect has no port of its own.
    port: 9,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(6),
    probe: || crate::Probe::Tcp(Probe::default()),
    question: None,
    repeats: 12,
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// How long a service is listened to that may speak first.
const FIRST_WORDS: Duration = Duration::from_millis(500);
/// How long a port is listened to that may close at once: agents and load balancers that refuse do so
/// within a few milliseconds of the handshake.
const FIRST_MOMENT: Duration = Duration::from_millis(250);
/// What is shown of that.
const SHOWN: usize = 60;

/// Accepts, and waits for the client to leave.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    stream.until_closed().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::TalkCause;

    #[test]
    fn a_pass_claims_no_more_than_a_connection() {
        let mut seen = Seen::default();
        assert_eq!(Probe::default().judge(&mut seen), Ok(()));
        assert_eq!(seen.headline, "accepts connections");
        assert_eq!(seen.concerns, []);
    }

    #[test]
    fn where_a_service_is_meant_a_connection_is_a_warning() {
        let mut seen = Seen::default();
        assert_eq!(Probe { for_service: true, ..Probe::default() }.judge(&mut seen), Ok(()));
        assert_eq!(seen.concerns, [Concern::Unproved]);
    }

    #[test]
    fn what_speaks_first_is_named_and_proves_nothing() {
        let to = crate::hostile::PEER;
        let gone = TalkCause::HungUp { to, phase: Phase::Greeting, received: 0 };
        let first = |heard: Result<bool, Cause>, head: &[u8]| {
            let probe = Probe { for_service: true, ..Probe::default() };
            let mut seen = Seen::default();
            let verdict = probe.judge_first(heard, head, &mut seen);
            verdict.map(|()| {
                probe.judge(&mut seen).unwrap();
                seen.headline
            })
        };
        for (heard, head, words) in [
            (Ok(true), &b""[..], "accepts connections, and says nothing by itself"),
            (Ok(false), b"SSH-2.0-x\r\n", "accepts connections, and an SSH server speaks there"),
            (Ok(false), b"\x1bhi", "accepts connections, and begins with \"\\x1bhi\""),
            (
                Err(gone.clone().into()),
                b"SSH-2.0-x\r\n",
                "accepts connections, and an SSH server speaks there",
            ),
        ] {
            assert_eq!(first(heard, head), Ok(words.to_owned()));
        }
        assert_eq!(first(Err(gone.clone().into()), b""), Err(gone.clone().into()));
        let (mut seen, port) = (Seen::default(), Probe::default());
        assert_eq!(port.judge_first(Ok(true), b"", &mut seen), Ok(()));
        assert_eq!(seen.headline, "");
        assert_eq!(port.judge_first(Err(gone.clone().into()), b"", &mut seen), Err(gone.into()));
    }
}
