//! TLS: does the port finish a TLS handshake with a certificate we trust?
//!
//! For application ports inside TLS whose protocol this tool does not speak;
//! TCP 443 by default.
//!
//! Reference: [RFC 8446](https://www.rfc-editor.org/rfc/rfc8446).

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Transport};
use crate::evidence::Seen;
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Shakes hands, looks at the certificate, and leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// A certificate that does not verify is a concern only: the flow's own
    /// client has another way to know its server.
    pub only_report: bool,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        let verify = if self.only_report { Verify::AndReport } else { Verify::Strictly };
        let stream = secure(stream, ask, verify, &[]).await?;
        stream.close().await;
        self.judge(&mut ask.seen)
    }

    /// The certificate has been judged with the handshake.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // The same shape as its siblings.
    fn judge(&self, seen: &mut Seen) -> Result<(), Cause> {
        let fact = |name| seen.evidence.fact(name).map(ToString::to_string);
        let version = fact("tls_version").unwrap_or_default();
        let until = fact("certificate_not_after").unwrap_or_default();
        seen.headline = format!("{version}, certificate until {}", day(&until));
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "tls",
    title: "TLS",
    expected: "TLS",
    spoken: Spoken::Tls,
    url: UrlForm::HostAndPort,
    hints: Hints::NONE,
    port: 443,
    transport: Transport::Tcp,
    tls: true,
    budget: Duration::from_secs(10),
    probe: || crate::Probe::Tls(Probe::default()),
    question: None,
    repeats: 12,
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// The handshake is done; waits for the client to leave.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    stream.until_closed().await
}

/// The date of an RFC 3339 moment.
fn day(moment: &str) -> &str {
    moment.split('T').next().unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_shows_version_and_last_day() {
        let mut seen = Seen::default();
        seen.evidence.set("tls_version", "TLS 1.3");
        seen.evidence.set("certificate_not_after", "2027-03-01T12:00:00Z");
        assert_eq!(Probe::default().judge(&mut seen), Ok(()));
        assert_eq!(seen.headline, "TLS 1.3, certificate until 2027-03-01");
    }
}
