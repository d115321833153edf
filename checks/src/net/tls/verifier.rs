//! The verifier of certificates, and the record of what it saw.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme,
};

use super::Trust;
use super::algorithms::{PROVIDER, signatures};
use super::certificate::Certificate;
use super::chain::is_signed_with;
use super::judgement::Judgement;
use crate::cause::Cause;
use crate::evidence::Seen;

/// How strictly a certificate is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// A certificate that does not verify fails the step.
    Strictly,
    /// It is a concern: the flow's own clients do not verify either, though they could.
    AndReport,
    /// It is a fact: the flow's own clients cannot be told to verify it.
    Never,
}

/// A client configuration and the recorder of what it will see of `host`.
///
/// For `secure` and for crates that do their own handshake.
pub(crate) fn client_config(
    host: &str,
    trust: &Trust,
    verify: Verify,
    alpn: &[&[u8]],
) -> (ClientConfig, Recorder) {
    let recorder = Recorder::default();
    let verifier =
        Verifier { host: host.to_owned(), trust: trust.clone(), record: recorder.clone(), verify };
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
    leaf: Option<CertificateDer<'static>>,
    judgement: Option<Judgement>,
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
        if let Some(leaf) = self.record().leaf.and_then(|der| Certificate::parse(&der)) {
            leaf.note(&mut seen.evidence);
        }
    }

    /// The verdict on the certificate the peer showed; none shown, none given.
    ///
    /// # Errors
    ///
    /// One of the `Certificate…` causes, unless `verify` only reports.
    pub(crate) fn judge(&self, verify: Verify, seen: &mut Seen) -> Result<(), Cause> {
        let record = self.record();
        match record.judgement {
            None => Ok(()),
            Some(judgement) => judgement.weigh(verify, seen),
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
    host: String,
    trust: Trust,
    record: Recorder,
    verify: Verify,
}

impl Verifier {
    /// Is the server believed to be who it says, so that its signature means something?
    fn is_believed(&self) -> bool {
        self.record.record().judgement.is_some_and(|judgement| judgement.verdict.is_ok())
    }

    /// Did the holder of `leaf` sign `message`?
    ///
    /// A signature in the name of somebody not believed proves nothing; it may be of a kind
    /// that cannot be checked, and the conversation shall go on.
    fn check(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        fitting: impl FnOnce(&[&'static dyn SignatureVerificationAlgorithm]) -> usize,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.verify != Verify::Strictly && !self.is_believed() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let known = signatures().mapping;
        let known = known.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let (_, algorithms) =
            known.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let algorithms = algorithms.get(..fitting(algorithms)).unwrap_or(algorithms);
        let is_signed = is_signed_with(leaf, algorithms, message, signed.signature());
        is_signed
            .then(HandshakeSignatureValid::assertion)
            .ok_or(Error::InvalidCertificate(CertificateError::BadSignature))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> =
            std::iter::once(leaf).chain(intermediates).cloned().collect();
        let judgement = Judgement::of(&chain, &self.host, &self.trust, now);
        let verdict = judgement.verdict.clone();
        let mut record = self.record.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.leaf = Some(leaf.clone().into_owned());
        record.judgement = Some(judgement);
        match (self.verify, verdict) {
            (Verify::Strictly, Err(cause)) => Err(Error::InvalidCertificate(alert_for(&cause))),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check(message, leaf, signed, <[_]>::len)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // RFC 8446 §4.2.3: PKCS #1 is for certificates only, and each curve has its one digest.
        let is_allowed = !matches!(
            signed.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        );
        self.check(message, leaf, signed, |_| usize::from(is_allowed))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signatures().supported_schemes()
    }
}

/// What the server's log is to say about us.
fn alert_for(cause: &Cause) -> CertificateError {
    match cause {
        Cause::CertificateExpired { .. } => CertificateError::Expired,
        Cause::CertificateNotYetValid { .. } => CertificateError::NotValidYet,
        Cause::CertificateWrongName { .. } => CertificateError::NotValidForName,
        Cause::CertificateUnknownIssuer { .. }
        | Cause::CertificateSelfSigned { .. }
        | Cause::CertificateIncompleteChain { .. }
        | Cause::TlsIntercepted { .. }
        | Cause::TrustStoreEmpty => CertificateError::UnknownIssuer,
        _ => CertificateError::BadEncoding,
    }
}
