//! TLS: one client for every probe, and a recorder of the certificate it saw.
//!
//! The verdict of the verifier is kept beside the chain, so that *why* a
//! certificate is refused is a cause with names, issuer and dates.
//! Reference: RFC 8446, RFC 5280, RFC 6125 (names are in SAN, never in CN).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::far::Io;
use super::tcp::{Stream, black_hole};
use super::{Ask, Deadline};
use crate::cause::{Cause, Concern, Phase};
use crate::evidence::{Seen, Value};
use crate::recognise::{Spoken, instead_of, recognise};
use crate::wire;

/// Longest wait for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Longest wait for the refusal that follows a handshake: a slow link's round trip.
const REFUSAL: Duration = Duration::from_secs(1);
/// A certificate that ends within this many days is a concern.
const SOON_DAYS: i64 = 30;
const SECONDS_A_DAY: i64 = 86_400;

/// The one crypto provider of the program.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// Whom TLS trusts: the system's store and what `--ca` adds.
///
/// Reading the system's store takes some milliseconds; it is read at the first
/// TLS handshake and not before. Clones share it.
#[derive(Clone)]
pub struct Trust(Arc<Anchors>);

struct Anchors {
    system: bool,
    extra: Vec<CertificateDer<'static>>,
    roots: OnceLock<Arc<RootCertStore>>,
}

impl Trust {
    /// The system's trust store, and `extra` certificates.
    #[must_use]
    pub fn system(extra: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self::of(true, extra)
    }

    /// These certificates and no others.
    #[must_use]
    pub fn only(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self::of(false, certificates)
    }

    /// The certificates of a PEM file's bytes; none is an empty list.
    ///
    /// # Errors
    ///
    /// What is wrong with the PEM, in words.
    pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
        CertificateDer::pem_slice_iter(pem)
            .map(|certificate| certificate.map_err(|error| error.to_string()))
            .collect()
    }

    fn of(system: bool, extra: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self(Arc::new(Anchors {
            system,
            extra: extra.into_iter().collect(),
            roots: OnceLock::new(),
        }))
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let load = || {
            let mut roots = RootCertStore::empty();
            if self.0.system {
                // A broken file in the store is passed over, as OpenSSL does.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            roots.add_parsable_certificates(self.0.extra.iter().cloned());
            Arc::new(roots)
        };
        Arc::clone(self.0.roots.get_or_init(load))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Anchors { system, extra, .. } = &*self.0;
        write!(out, "Trust {{ system: {system}, extra: {} }}", extra.len())
    }
}

/// How strictly a certificate is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// A certificate that does not verify fails the step.
    Strictly,
    /// It is a concern: the flow's own clients do not verify either.
    AndReport,
}

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
            recorder.judge(host, verify, &mut ask.seen)?;
            let mut stream = Stream::over(Box::new(tls), to, ask.deadline);
            if recorder.wants_ours() {
                ask.seen.evidence.set("client_certificate", "asked for");
                hear_refusal(&mut stream).await?;
            }
            Ok(stream)
        }
        Err(error) => {
            recorder.judge(host, verify, &mut ask.seen)?;
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

/// A client configuration and the recorder of what it will see.
///
/// For [`secure`] and for crates that do their own handshake.
pub(crate) fn client_config(
    trust: &Trust,
    verify: Verify,
    alpn: &[&[u8]],
) -> (ClientConfig, Recorder) {
    let recorder = Recorder::default();
    let roots = trust.roots();
    let verifier = Verifier {
        // `None` when there is no anchor at all: then nobody is trusted.
        inner: WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&PROVIDER))
            .build()
            .ok(),
        pinned: trust.0.extra.clone(),
        record: recorder.clone(),
        verify,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap_or_else(|_| unreachable!("ring speaks TLS 1.2 and 1.3"))
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(recorder.clone()));
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    (config, recorder)
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

/// What the verifier saw, shared with whoever asks afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Record>>);

#[derive(Clone, Debug, Default)]
struct Record {
    /// Did the peer ask for a certificate of ours?
    wants_ours: bool,
    chain: Vec<CertificateDer<'static>>,
    verdict: Option<Result<(), Error>>,
}

impl Recorder {
    fn record(&self) -> Record {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Did the peer ask for a certificate of ours? It may do without.
    pub(crate) fn wants_ours(&self) -> bool {
        self.record().wants_ours
    }

    /// Certificate facts as evidence.
    pub(crate) fn note(&self, seen: &mut Seen) {
        let record = self.record();
        let Some(leaf) = record.chain.first().and_then(|der| Certificate::parse(der)) else {
            return;
        };
        let evidence = &mut seen.evidence;
        evidence.set("certificate_subject", leaf.subject.as_str());
        evidence.set("certificate_names", leaf.names.iter().collect::<Value>());
        evidence.set("certificate_issuer", leaf.issuer.as_str());
        evidence.set("certificate_not_before", date(leaf.not_before));
        evidence.set("certificate_not_after", date(leaf.not_after));
    }

    /// The verdict on the certificate the peer showed; none shown, none given.
    ///
    /// # Errors
    ///
    /// One of the `Certificate…` causes, unless `verify` only reports.
    pub(crate) fn judge(&self, host: &str, verify: Verify, seen: &mut Seen) -> Result<(), Cause> {
        let record = self.record();
        let Some(leaf) = record.chain.first().and_then(|der| Certificate::parse(der)) else {
            return Ok(());
        };
        let Some(Err(error)) = record.verdict else {
            seen.concerns.extend(ends_soon(&leaf, UnixTime::now()));
            return Ok(());
        };
        let cause = refused(&error, &leaf, record.chain.len(), host);
        match verify {
            Verify::Strictly => Err(cause),
            Verify::AndReport => {
                let reason = cause.to_string();
                seen.concerns.push(Concern::CertificateUnverified { reason });
                Ok(())
            }
        }
    }
}

/// We have none to show; that one was asked for is worth knowing.
impl ResolvesClientCert for Recorder {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wants_ours = true;
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

fn ends_soon(leaf: &Certificate, now: UnixTime) -> Option<Concern> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let days = leaf.not_after.saturating_sub(now) / SECONDS_A_DAY;
    (days < SOON_DAYS)
        .then(|| Concern::CertificateEndsSoon { days, not_after: date(leaf.not_after) })
}

/// Why the verifier refused, as a cause with the certificate's own facts.
fn refused(error: &Error, leaf: &Certificate, sent: usize, host: &str) -> Cause {
    use CertificateError as E;
    let subject = leaf.subject.clone();
    let Error::InvalidCertificate(reason) = error else {
        return Cause::CertificateInvalid { reason: error.to_string(), subject };
    };
    match reason {
        E::Expired | E::ExpiredContext { .. } => {
            Cause::CertificateExpired { not_after: date(leaf.not_after), subject }
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            Cause::CertificateNotYetValid { not_before: date(leaf.not_before), subject }
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            Cause::CertificateWrongName { expected: host.to_owned(), presented: leaf.presented() }
        }
        _ if leaf.is_self_signed() => Cause::CertificateSelfSigned { subject },
        E::UnknownIssuer if sent == 1 && leaf.has_issuer_url => {
            Cause::CertificateIncompleteChain { issuer: leaf.issuer.clone(), subject }
        }
        E::UnknownIssuer => {
            Cause::CertificateUnknownIssuer { issuer: leaf.issuer.clone(), subject }
        }
        other => Cause::CertificateInvalid { reason: other.to_string(), subject },
    }
}

/// The facts of a certificate that a reader can act on.
#[derive(Debug)]
struct Certificate {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
    has_issuer_url: bool,
}

impl Certificate {
    fn parse(der: &[u8]) -> Option<Self> {
        const NAME: usize = 200;
        const NAMES: usize = 50;
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let san = parsed.subject_alternative_name().ok().flatten();
        let names = san.into_iter().flat_map(|san| &san.value.general_names);
        let comparable = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(dns) => Some(wire::clean(dns.as_bytes(), NAME)),
            GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
            GeneralName::IPAddress(bytes) => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
            _ => None,
        };
        Some(Self {
            subject: wire::clean(parsed.subject().to_string().as_bytes(), NAME),
            issuer: wire::clean(parsed.issuer().to_string().as_bytes(), NAME),
            names: names.filter_map(comparable).take(NAMES).collect(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            has_issuer_url: parsed.iter_extensions().any(|extension| {
                extension.oid == x509_parser::oid_registry::OID_PKIX_AUTHORITY_INFO_ACCESS
            }),
        })
    }

    fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// The names a client compares; a common name alone does not count.
    fn presented(&self) -> Vec<String> {
        if self.names.is_empty() {
            vec![format!("no name at all (only {})", self.subject)]
        } else {
            self.names.clone()
        }
    }
}

/// RFC 3339, UTC.
fn date(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds)
        .map_or_else(|_| unix_seconds.to_string(), |moment| moment.to_string())
}

fn version_name(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "another version",
    }
}

/// A name that is neither DNS nor address (an underscore) still gets its verdict.
fn server_name(host: &str) -> ServerName<'static> {
    let host = host.split('%').next().unwrap_or(host);
    ServerName::try_from(host.to_owned())
        .or_else(|_| ServerName::try_from("invalid.invalid"))
        .unwrap_or(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()))
}

fn late(wait: Deadline, to: std::net::SocketAddr, head: &Head) -> Cause {
    let (phase, waited) = (Phase::Tls, wait.waited());
    match head.bytes().len() {
        0 => Cause::Silent { to, phase, waited },
        received => Cause::Incomplete { to, phase, received, waited },
    }
}

fn handshake_failed(error: &io::Error, to: std::net::SocketAddr, head: &[u8]) -> Cause {
    let spoken = recognise(head);
    if !head.is_empty() && spoken != Spoken::Tls {
        return Cause::WrongService { expected: "TLS", spoken, head: wire::head(head) };
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
        Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            Cause::TlsVersion { peer: "chose an older version".to_owned() }
        }
        Error::PeerIncompatible(why) => {
            Cause::TlsRefused { alert: format!("nothing in common ({why:?})") }
        }
        _ => return None,
    })
}

#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates given with `--ca`: one that the server itself shows is
    /// trusted as it is, also when it is a self-signed CA certificate.
    pinned: Vec<CertificateDer<'static>>,
    record: Recorder,
    verify: Verify,
}

impl Verifier {
    fn verdict(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.pinned.iter().any(|pinned| pinned == leaf) {
            return pinned_verdict(leaf, name, now);
        }
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let inner = self.inner.as_ref().ok_or_else(unknown)?;
        inner.verify_server_cert(leaf, intermediates, name, ocsp, now).map(|_| ())
    }
}

/// A certificate the user gave us needs no issuer, but the right name and date.
fn pinned_verdict(
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let parsed = rustls::server::ParsedCertificate::try_from(leaf)?;
    rustls::client::verify_server_name(&parsed, name)?;
    let facts =
        Certificate::parse(leaf).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > facts.not_after {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    if now < facts.not_before {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    Ok(())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verdict(leaf, intermediates, name, ocsp, now);
        let chain = std::iter::once(leaf).chain(intermediates);
        let mut record = self.record.0.lock().unwrap_or_else(PoisonError::into_inner);
        *record = Record {
            wants_ours: record.wants_ours,
            chain: chain.map(|der| der.clone().into_owned()).collect(),
            verdict: Some(verdict.clone()),
        };
        match self.verify {
            Verify::AndReport => Ok(ServerCertVerified::assertion()),
            Verify::Strictly => verdict.map(|()| ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// The first bytes a peer sent before TLS took them.
#[derive(Clone, Default)]
struct Head(Arc<Mutex<Vec<u8>>>);

impl Head {
    const KEPT: usize = 64;

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::KEPT.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
    }
}

/// A transport that remembers how the peer began.
struct Tap {
    io: Box<dyn Io>,
    head: Head,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, into);
        self.head.keep(into.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
