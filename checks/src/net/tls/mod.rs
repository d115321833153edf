//! TLS: one client for every probe, and a recorder of the certificate it saw.
//!
//! The verdict on the certificate is kept, so that *why* it is refused is a cause with
//! names, issuer and dates. The measure is OpenSSL, with which the platform's own clients
//! are made: where this client offers less, what OpenSSL's would agree on is looked up.
//! Reference: RFC 8446, RFC 5280, RFC 6125.

mod algorithms;
mod certificate;
mod chain;
mod failure;
mod head;
pub(crate) mod hello;
pub(crate) mod interception;
mod judgement;
mod name;
mod suites;
#[cfg(test)]
mod tests;
mod trust;
mod verifier;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, ProtocolVersion};
use tokio_rustls::TlsConnector;

use super::tcp::Stream;
use super::watched::Watched;
use super::{Ask, Deadline};
use crate::cause::instead_of;
use crate::cause::{Cause, Concern, Phase, TalkCause, TlsCause};
use crate::evidence::Seen;
use crate::recognise::{Spoken, recognise};
use crate::wire;
use certificate::Certificate;
pub(crate) use failure::cause_in;
use failure::{alert_in, told};
use head::Head;
use hello::{Agreement, FirstAnswer, Repertoire};
use judgement::Judgement;

pub use trust::Trust;
pub use verifier::ClientIdentity;
pub(crate) use verifier::{Client, Verify, client_config};

/// What is thought of certificates that no handshake has brought.
#[cfg(feature = "fuzzing")]
pub(crate) fn opinion(
    shown: &[rustls::pki_types::CertificateDer<'_>],
    host: &str,
    trust: &Trust,
    seen: &mut Seen,
) -> Result<(), Cause> {
    for facts in shown.iter().filter_map(|der| Certificate::parse(der)) {
        facts.note(&mut seen.evidence);
    }
    Judgement::of(shown, Some(host), trust, UnixTime::now()).weigh(Verify::Strictly, seen)
}

/// Whether a handshake is made in full, or only its beginning is looked at.
#[derive(Debug, Default)]
pub(crate) enum Look {
    /// The whole handshake.
    #[default]
    Off,
    /// It failed in a way in which OpenSSL's clients might not have.
    Wanted,
    /// Only the first message, with this in it.
    With(Repertoire),
    /// The server chose something.
    Agreed {
        /// What the server would agree on.
        agreement: Agreement,
        /// The verdict on the certificate, when that was shown in clear text, with its facts.
        shown: Box<Result<Seen, Cause>>,
    },
}

/// Goes on inside TLS with the peer of `ask`.
///
/// Version, certificate and dates become evidence, also when it fails.
///
/// # Errors
///
/// The causes of layer TLS, [`TalkCause::WrongService`](crate::cause::TalkCause::WrongService) when plain text answers,
/// [`TalkCause::Silent`](crate::cause::TalkCause::Silent) and its siblings.
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
    stream: Stream,
    ask: &mut Ask,
    host: &str,
    verify: Verify,
    alpn: &[&[u8]],
) -> Result<Stream, Cause> {
    if let Look::With(from) = ask.look {
        nothing_came_before(&stream)?;
        return Err(look(stream, ask, host, verify, from).await);
    }
    let trust = ask.trust.clone();
    let client = Client { name: Some(host), trust, verify, alpn, identity: None };
    secure_with(stream, ask, host, &client).await.map_err(|failed| {
        if failed.may_be_ours {
            ask.look = Look::Wanted;
        }
        failed.cause
    })
}

/// In TLS the client speaks first: whatever came before is not part of it.
fn nothing_came_before(stream: &Stream) -> Result<(), Cause> {
    match stream.unread() {
        [] => Ok(()),
        early => Err(instead_of("TLS", Spoken::Tls, early)
            .unwrap_or_else(|| Cause::bad_reply("a TLS handshake", early))),
    }
}

/// A handshake that failed.
pub(crate) struct TlsFailed {
    /// What made the handshake fail.
    pub(crate) cause: Cause,
    /// Is it the verdict on the peer's certificate?
    pub(crate) of_certificate: bool,
    /// Could it be that this client offers too little?
    may_be_ours: bool,
}

impl TlsFailed {
    fn of_certificate(cause: Cause) -> Self {
        Self { of_certificate: true, ..Self::from(cause) }
    }
}

impl From<Cause> for TlsFailed {
    fn from(cause: Cause) -> Self {
        Self { cause, of_certificate: false, may_be_ours: false }
    }
}

/// Goes on inside TLS as `client`, and calls the server `host`.
///
/// # Errors
///
/// As [`secure`].
pub(crate) async fn secure_with(
    stream: Stream,
    ask: &mut Ask,
    host: &str,
    client: &Client<'_>,
) -> Result<Stream, TlsFailed> {
    secure_and(stream, ask, host, client, |_| {}).await
}

/// The same, with a look at the session that has just been agreed on: keys can be derived from it.
///
/// # Errors
///
/// As [`secure`].
pub(crate) async fn secure_and(
    stream: Stream,
    ask: &mut Ask,
    host: &str,
    client: &Client<'_>,
    look_at: impl FnOnce(&rustls::ClientConnection),
) -> Result<Stream, TlsFailed> {
    nothing_came_before(&stream)?;
    let (config, recorder) = client_config(client);
    let wait = ask.deadline.within(HANDSHAKE);
    let to = ask.address();
    let head = Head::default();
    stream.asks("a TLS handshake");
    let tap = Watched::new(stream.into_io(), head.clone());
    let connector = TlsConnector::from(Arc::new(config));
    let done = wait.bound(connector.connect(server_name(host), tap)).await;
    recorder.note(&mut ask.seen);
    let Some(done) = done else { return Err(late(wait, to, &head).into()) };
    let judged = recorder.judge(client.verify, &mut ask.seen);
    match done {
        Ok(tls) => {
            let session = tls.get_ref().1;
            if let Some(version) = session.protocol_version() {
                ask.seen.evidence.set("tls_version", version_name(version));
            }
            if let Some(protocol) = session.alpn_protocol() {
                ask.seen.evidence.set("alpn", wire::clean(protocol, MAX_ALPN));
            }
            ask.seen.timings.tls = Some(wait.waited().0);
            judged.map_err(TlsFailed::of_certificate)?;
            look_at(session);
            if hello::renegotiates_safely(&head.bytes()) == Some(false) {
                ask.seen.concerns.push(Concern::TlsOldRenegotiation);
            }
            let mut stream = Stream::inside(Box::new(tls), ask);
            stream.came("the TLS handshake");
            if recorder.wants_ours() {
                ask.seen.evidence.set("client_certificate", "asked for");
                hear_refusal(&mut stream).await?;
            }
            Ok(stream)
        }
        Err(error) => {
            judged.map_err(TlsFailed::of_certificate)?;
            if recorder.wants_ours() {
                let alert = alert_in(&error).map_or("closed without an alert".to_owned(), told);
                return Err(Cause::Tls(TlsCause::TlsClientCertificateWanted { alert }).into());
            }
            if alert_in(&error) == Some(AlertDescription::NoApplicationProtocol) {
                return Err(not_spoken(client.alpn, None).into());
            }
            let cause = handshake_failed(&error, to, &head.bytes(), host);
            let may_be_ours = may_be_ours(&cause, alert_in(&error));
            Err(TlsFailed { may_be_ours, ..TlsFailed::from(cause) })
        }
    }
}

/// The cause when a server speaks none of the protocols of `alpn`, and has `chosen` another or none.
pub(crate) fn not_spoken(alpn: &[&[u8]], chosen: Option<&[u8]>) -> Cause {
    let offered: Vec<String> = alpn.iter().map(|name| wire::clean(name, MAX_ALPN)).collect();
    let chosen = chosen.map(|name| wire::clean(name, MAX_ALPN));
    Cause::Tls(TlsCause::TlsProtocolNotSpoken { offered: offered.join(", "), chosen })
}

/// What a server proves itself with, by the beginning of a handshake that ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A certificate.
    Certificate,
    /// Nothing: anybody could be in between.
    Nothing,
}

/// Offers everything there is, anonymous suites too, and sees what the server makes of it.
///
/// # Errors
///
/// Its alert, or how the connection failed.
pub(crate) async fn proof(mut stream: Stream, ask: &mut Ask) -> Result<Proof, Cause> {
    stream.allow(HANDSHAKE);
    match hello::ask(stream, "", Repertoire::Everything).await? {
        FirstAnswer::Alert(alert) => Err(Cause::Tls(TlsCause::TlsRefused { alert: told(alert) })),
        FirstAnswer::Agreed(agreement) if agreement.is_anonymous() => Ok(Proof::Nothing),
        FirstAnswer::Agreed(agreement) => {
            if let Some(leaf) = agreement.chain.first().and_then(|der| Certificate::parse(der)) {
                leaf.note(&mut ask.seen.evidence);
            }
            Ok(Proof::Certificate)
        }
    }
}

/// Does the peer of `ask` speak TLS, where plain text has met a silence?
///
/// One first message on a connection of its own, which is reset afterwards: a service that takes
/// its clients in turn does not wait for it.
pub(crate) async fn is_spoken(ask: &Ask, within: Duration) -> bool {
    let deadline = ask.deadline.within(within);
    let mut other = Ask::new(ask.peer.clone(), deadline, Trust::only([]));
    let host = other.peer.host.clone();
    let said = async {
        let stream = other.connect().await.ok()?;
        hello::ask_and_reset(stream, &host, Repertoire::Everything).await.ok()
    };
    deadline.bound(said).await.flatten().is_some()
}

/// Offers all of `from`, and keeps what the server answers; the handshake ends there.
async fn look(
    stream: Stream,
    ask: &mut Ask,
    host: &str,
    verify: Verify,
    from: Repertoire,
) -> Cause {
    let to = ask.address();
    let mut stream = stream;
    stream.allow(HANDSHAKE);
    match hello::ask(stream, host, from).await {
        Err(cause) => cause,
        Ok(FirstAnswer::Alert(alert)) => Cause::Tls(TlsCause::TlsRefused { alert: told(alert) }),
        Ok(FirstAnswer::Agreed(agreement)) => {
            let mut seen = Seen::default();
            let verdict = agreement.chain.first().map_or(Ok(()), |leaf| {
                if let Some(facts) = Certificate::parse(leaf) {
                    facts.note(&mut seen.evidence);
                }
                let now = UnixTime::now();
                let judgement = Judgement::of(&agreement.chain, Some(host), &ask.trust, now);
                judgement.weigh(verify, &mut seen)
            });
            ask.look = Look::Agreed { agreement, shown: Box::new(verdict.map(|()| seen)) };
            Cause::Tls(TlsCause::TlsClosed { to })
        }
    }
}

/// Could it be that this client offers too little?
fn may_be_ours(cause: &Cause, alert: Option<AlertDescription>) -> bool {
    use AlertDescription as Alert;

    match cause {
        Cause::Tls(TlsCause::TlsVersion { .. } | TlsCause::TlsClosed { .. }) => true,
        Cause::Tls(TlsCause::TlsRefused { .. }) => alert.is_none_or(|alert| {
            matches!(
                alert,
                Alert::HandshakeFailure
                    | Alert::InsufficientSecurity
                    | Alert::IllegalParameter
                    | Alert::DecodeError
                    | Alert::InternalError
            )
        }),
        _ => false,
    }
}

/// Waits a moment for the "no" to our missing certificate: in TLS 1.3 it comes
/// only after the handshake, and a probe that says nothing would not hear it.
async fn hear_refusal(stream: &mut Stream) -> Result<(), Cause> {
    stream.allow(REFUSAL);
    match stream.fill(Phase::Tls).await {
        Ok(_) | Err(Cause::Talk(TalkCause::Silent { .. })) => Ok(()),
        Err(Cause::Talk(TalkCause::HungUp { .. } | TalkCause::Reset { .. })) => {
            let alert = "closed without an alert".to_owned();
            Err(Cause::Tls(TlsCause::TlsClientCertificateWanted { alert }))
        }
        // It speaks as soon as it has asked for a certificate: any alert is about that.
        Err(Cause::Tls(TlsCause::TlsRefused { alert })) => {
            Err(Cause::Tls(TlsCause::TlsClientCertificateWanted { alert }))
        }
        Err(cause) => Err(cause),
    }
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
        0 => Cause::Talk(TalkCause::Silent { to, phase, waited }),
        received => Cause::Talk(TalkCause::Incomplete { to, phase, received, waited }),
    }
}

fn handshake_failed(error: &io::Error, to: SocketAddr, head: &[u8], host: &str) -> Cause {
    let spoken = recognise(head);
    if !head.is_empty() && spoken != Spoken::Tls {
        return Cause::Talk(TalkCause::WrongService {
            expected: "TLS".into(),
            spoken,
            head: wire::head(head),
        });
    }
    if alert_in(error) == Some(AlertDescription::UnrecognisedName) {
        let by_name = name::address(host).is_none();
        return Cause::Tls(TlsCause::TlsNameUnknown { name: host.to_owned(), by_name });
    }
    if let Some(cause) = cause_in(error) {
        return cause;
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset => {
            Cause::Talk(TalkCause::Reset { to, phase: Phase::Tls, received: head.len() })
        }
        // Closed in order: it is TLS that the peer does not want.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            Cause::Tls(TlsCause::TlsClosed { to })
        }
        _ => Cause::Tls(TlsCause::TlsRefused { alert: wire::printable(&error.to_string()) }),
    }
}

/// After a handshake that failed with `cause`: what OpenSSL's clients would make of the server.
///
/// `looks` is what came of OpenSSL's offer, and after a refusal of those with more.
pub(crate) fn instead(cause: Cause, looks: Vec<Look>) -> Result<Seen, Cause> {
    let nothing = |agreement: &Agreement| match agreement.too_old() {
        Some(version) => Cause::Tls(TlsCause::TlsVersion { peer: format!("{version} at most") }),
        None => Cause::Tls(TlsCause::TlsNothingInCommon { server: agreement.to_string() }),
    };
    // What it agrees on when more is offered, OpenSSL's clients do not get to.
    let is_openssls_offer = looks.len() == 1;
    match looks.into_iter().last() {
        Some(Look::Agreed { agreement, shown })
            if is_openssls_offer && agreement.is_enough_for_openssl() =>
        {
            let mut seen = (*shown)?;
            let agreed = agreement.to_string();
            let shows_certificate = !agreement.chain.is_empty();
            seen.headline.clone_from(&agreed);
            seen.concerns.push(Concern::TlsNotSpoken { agreed, shows_certificate });
            Ok(seen)
        }
        Some(Look::Agreed { agreement, .. }) => Err(nothing(&agreement)),
        _ => Err(cause),
    }
}

/// Longest wait for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Bytes of a protocol's name that are shown.
const MAX_ALPN: usize = 32;
/// Longest wait for the refusal that follows a handshake: a slow link's round trip.
const REFUSAL: Duration = Duration::from_secs(1);
