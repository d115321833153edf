//! TLS: one client for every probe, and a recorder of the certificate it saw.
//!
//! The verdict of the verifier is kept beside the chain, so that *why* a
//! certificate is refused is a cause with names, issuer and dates.
//! Reference: RFC 8446, RFC 5280, RFC 6125 (names are in SAN, never in CN).

mod certificate;
mod tap;
#[cfg(test)]
mod tests;
mod trust;
mod verifier;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, Error, PeerIncompatible, ProtocolVersion};
use tokio_rustls::TlsConnector;

use super::tcp::{Stream, black_hole};
use super::{Ask, Deadline};
use crate::cause::{Cause, Phase};
use crate::recognise::{Spoken, instead_of, recognise};
use crate::wire;
use tap::{Head, Tap};

pub use trust::Trust;
pub(crate) use verifier::{Verify, client_config};

/// Goes on inside TLS with the peer of `ask`.
///
/// Version, certificate and dates become evidence, also when it fails.
///
/// # Errors
///
/// The causes of layer TLS, [`Cause::WrongService`] when plain text answers,
/// [`Cause::MtuBlackHole`], [`Cause::Silent`] and its siblings.
pub(crate) async fn secure(
    stream: Stream,
    ask: &mut Ask,
    verify: Verify,
    alpn: &[&[u8]],
) -> Result<Stream, Cause> {
    let host = ask.peer.host.clone();
    secure_as(stream, ask, &host, verify, alpn).await
}

/// Goes on inside TLS with `host`, which is not the peer: it is behind a proxy.
///
/// # Errors
///
/// As [`secure`].
pub(crate) async fn secure_as(
    mut stream: Stream,
    ask: &mut Ask,
    host: &str,
    verify: Verify,
    alpn: &[&[u8]],
) -> Result<Stream, Cause> {
    // In TLS the client speaks first: whatever came before is not part of it.
    if let early @ [_, ..] = stream.unread() {
        return Err(instead_of("TLS", Spoken::Tls, early)
            .unwrap_or_else(|| Cause::bad_reply("a TLS handshake", early)));
    }
    let (config, recorder) = client_config(&ask.trust, verify, alpn);
    let wait = ask.deadline.within(HANDSHAKE);
    let to = ask.address();
    let head = Head::default();
    let socket = stream.take_socket();
    let tap = Tap { io: stream.into_io(), head: head.clone() };
    let connector = TlsConnector::from(Arc::new(config));
    let done = wait.bound(connector.connect(server_name(host), tap)).await;
    recorder.note(&mut ask.seen);
    let Some(done) = done else {
        let hole = socket.and_then(|socket| black_hole(&socket, to, wait.waited()));
        return Err(hole.unwrap_or_else(|| late(wait, to, &head)));
    };
    let judged =
        recorder.judge(host, verify, &mut ask.seen).map_err(|cause| ask.trust.explain(cause));
    match done {
        Ok(tls) => {
            let session = tls.get_ref().1;
            if let Some(version) = session.protocol_version() {
                ask.seen.evidence.set("tls_version", version_name(version));
            }
            if let Some(protocol) = session.alpn_protocol() {
                ask.seen.evidence.set("alpn", wire::clean(protocol, 32));
            }
            ask.seen.timings.tls = Some(wait.waited().0);
            judged?;
            let mut stream = Stream::over(Box::new(tls), to, ask.deadline);
            if recorder.wants_ours() {
                ask.seen.evidence.set("client_certificate", "asked for");
                hear_refusal(&mut stream).await?;
            }
            Ok(stream)
        }
        Err(error) => {
            judged?;
            Err(handshake_failed(&error, to, &head.bytes()))
        }
    }
}

/// Waits a moment for the "no" to our missing certificate: in TLS 1.3 it comes
/// only after the handshake, and a probe that says nothing would not hear it.
async fn hear_refusal(stream: &mut Stream) -> Result<(), Cause> {
    stream.allow(REFUSAL);
    match stream.fill(Phase::Tls).await {
        Ok(_) | Err(Cause::Silent { .. }) => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// The cause behind an error that TLS wrapped into an I/O error, if it did.
///
/// In TLS 1.3 a server's "no" to our missing certificate arrives only after the
/// handshake, at the first read.
pub(crate) fn cause_in(error: &io::Error) -> Option<Cause> {
    let mut source = error.get_ref().map(|inner| inner as &dyn std::error::Error);
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<Error>() {
            return tls_failed(tls);
        }
        source = match inner.downcast_ref::<io::Error>() {
            Some(nested) => nested.get_ref().map(|deep| deep as &dyn std::error::Error),
            None => inner.source(),
        };
    }
    None
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "another version",
    }
}

/// A name that is neither DNS nor address (an underscore) still gets its verdict.
fn server_name(host: &str) -> ServerName<'static> {
    let host = host.split('%').next().unwrap_or(host);
    ServerName::try_from(host.to_owned())
        .or_else(|_| ServerName::try_from("invalid.invalid"))
        .unwrap_or(ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()))
}

fn late(wait: Deadline, to: SocketAddr, head: &Head) -> Cause {
    let (phase, waited) = (Phase::Tls, wait.waited());
    match head.bytes().len() {
        0 => Cause::Silent { to, phase, waited },
        received => Cause::Incomplete { to, phase, received, waited },
    }
}

fn handshake_failed(error: &io::Error, to: SocketAddr, head: &[u8]) -> Cause {
    let spoken = recognise(head);
    if !head.is_empty() && spoken != Spoken::Tls {
        return Cause::WrongService { expected: "TLS".into(), spoken, head: wire::head(head) };
    }
    if let Some(cause) = cause_in(error) {
        return cause;
    }
    match error.kind() {
        // Without a byte, it is TLS that the peer does not want.
        io::ErrorKind::ConnectionReset if !head.is_empty() => {
            Cause::Reset { to, phase: Phase::Tls, received: head.len() }
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => Cause::TlsClosed { to },
        _ => Cause::TlsRefused { alert: wire::printable(&error.to_string()) },
    }
}

fn tls_failed(error: &Error) -> Option<Cause> {
    Some(match error {
        Error::AlertReceived(alert) => match alert {
            AlertDescription::ProtocolVersion => {
                Cause::TlsVersion { peer: "alert protocol_version".to_owned() }
            }
            AlertDescription::CertificateRequired => {
                Cause::TlsClientCertificateWanted { alert: "certificate_required".to_owned() }
            }
            other => Cause::TlsRefused { alert: format!("alert {other:?}") },
        },
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            Cause::TlsVersion { peer: "chose an older version".to_owned() }
        }
        Error::PeerIncompatible(why) => {
            Cause::TlsRefused { alert: format!("nothing in common ({why:?})") }
        }
        _ => return None,
    })
}

/// Longest wait for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Longest wait for the refusal that follows a handshake: a slow link's round trip.
const REFUSAL: Duration = Duration::from_secs(1);
