//! TLS: does the port finish a TLS handshake with a certificate we trust?
//!
//! For application ports inside TLS whose protocol this tool does not speak;
//! TCP 443 by default. At the gateway of a VPN, `OpenVPN` will do as well.
//!
//! Reference: [RFC 8446](https://www.rfc-editor.org/rfc/rfc8446).

pub(crate) mod openvpn;

use std::io;
use std::time::Duration;

use crate::cause::{Cause, TalkCause, TlsCause, Transport};
use crate::dialogue::Dialogue;
use crate::evidence::Seen;
use crate::net::tls::{Look, Verify, secure};
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Shakes hands, looks at the certificate, and leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// It is the gateway of a VPN. A certificate that does not verify is a concern only, as the VPN's
    /// client has another way to know it; and `OpenVPN` without TLS around it passes too.
    pub of_vpn: bool,
    /// What is said inside.
    pub dialogue: Dialogue,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        let verify = if self.of_vpn { Verify::AndReport } else { Verify::Strictly };
        let is_whole = !matches!(ask.look, Look::With(_));
        let mut stream = match secure(stream, ask, verify, &[]).await {
            Ok(stream) => stream,
            Err(cause) if self.of_vpn && is_whole && is_hang_up(&cause) => {
                return openvpn::ask(ask, cause).await;
            }
            Err(cause) => return Err(cause),
        };
        self.judge(&mut ask.seen)?;
        let held = self.dialogue.hold(&mut stream, &mut ask.seen).await;
        stream.close().await;
        held
    }

    /// The certificate has been judged with the handshake.
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

/// Closed without a byte of TLS.
fn is_hang_up(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Tls(TlsCause::TlsClosed { .. })
            | Cause::Talk(
                TalkCause::HungUp { received: 0, .. } | TalkCause::Reset { received: 0, .. }
            )
    )
}

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
