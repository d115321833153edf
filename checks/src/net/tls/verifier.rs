//! The verifier of certificates, and the record of what it saw.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::Trust;
use super::certificate::Certificate;
use crate::cause::{Cause, Concern};
use crate::evidence::Seen;

/// How strictly a certificate is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// A certificate that does not verify fails the step.
    Strictly,
    /// It is a concern: the flow's own clients do not verify either.
    AndReport,
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
        pinned: trust.extra().to_vec(),
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
        leaf.note(&mut seen.evidence);
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
            seen.concerns.extend(leaf.ends_soon(UnixTime::now()));
            return Ok(());
        };
        let cause = leaf.refused(&error, record.chain.len(), host);
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
    let unreadable = Error::InvalidCertificate(CertificateError::BadEncoding);
    let facts = Certificate::parse(leaf).ok_or(unreadable)?;
    Ok(facts.in_time(now)?)
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

/// The one crypto provider of the program.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
