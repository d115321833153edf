//! TCP: does the application port accept a connection?
//!
//! For ports whose protocol this tool does not speak. Connects, and ends with a
//! FIN; a pass means no more than that, and the headline says so. Where a flow table means a
//! service, that is a warning.

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Concern, Transport};
use crate::dialogue::Dialogue;
use crate::evidence::Seen;
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

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
        self.judge(&mut ask.seen)?;
        let held = self.dialogue.hold(&mut stream, &mut ask.seen).await;
        stream.close().await;
        held
    }

    /// An accepted connection is all there is to judge.
    #[allow(clippy::unnecessary_wraps)] // The same shape as its siblings.
    fn judge(&self, seen: &mut Seen) -> Result<(), Cause> {
        "accepts connections".clone_into(&mut seen.headline);
        seen.concerns.extend(self.for_service.then_some(Concern::Unproved));
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

/// Accepts, and waits for the client to leave.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    stream.until_closed().await
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
