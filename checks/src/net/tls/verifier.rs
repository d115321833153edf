//! The verifier of certificates, and the record of what it saw.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SignatureVerificationAlgorithm, UnixTime,
};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme,
};

use super::Trust;
use super::algorithms::{PROVIDER, signatures};
use super::certificate::Certificate;
use super::chain::is_signed_with;
use super::judgement::Judgement;
use crate::cause::{Cause, TlsCause};
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

/// What a client shows, and what it makes of what it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Client<'a> {
    /// Whom a certificate has to be for; none: anybody, as long as it is signed.
    pub(crate) name: Option<&'a str>,
    /// Whom it trusts.
    pub(crate) trust: Trust,
    /// What a certificate that is not trusted leads to.
    pub(crate) verify: Verify,
    /// The protocols it offers.
    pub(crate) alpn: &'a [&'a [u8]],
    /// The certificate of its own.
    pub(crate) identity: Option<ClientIdentity>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// Reads both from PEM.
    ///
    /// # Errors
    ///
    /// In words, without the key: what is wrong with them.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = Trust::certificates(certificate)?;
        if chain.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "there is no private key in it".to_owned())?;
        let read = CertifiedKey::from_der(chain, key, &PROVIDER);
        read.map(|read| Self(Arc::new(read))).map_err(|error| match error {
            Error::InconsistentKeys(_) => "certificate and key do not belong together".to_owned(),
            _ => "its key is of a kind that cannot be used".to_owned(),
        })
    }
}

/// The key is a secret.
impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ClientIdentity ({} certificates)", self.0.cert.len())
    }
}

/// A client configuration and the recorder of what it will see.
///
/// For `secure` and for crates that do their own handshake.
pub(crate) fn client_config(client: &Client<'_>) -> (ClientConfig, Recorder) {
    let recorder = Recorder { identity: client.identity.clone(), ..Recorder::default() };
    let verifier = Verifier {
        name: client.name.map(str::to_owned),
        trust: client.trust.clone(),
        record: recorder.clone(),
        verify: client.verify,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap_or_else(|_| unreachable!("ring speaks TLS 1.2 and 1.3"))
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(recorder.clone()));
    config.alpn_protocols = client.alpn.iter().map(|protocol| protocol.to_vec()).collect();
    (config, recorder)
}

/// What the verifier saw, shared with whoever asks afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    record: Arc<Mutex<Record>>,
    /// What is shown when the peer asks.
    identity: Option<ClientIdentity>,
}

#[derive(Clone, Debug, Default)]
struct Record {
    /// Did the peer ask for a certificate of ours?
    wants_ours: bool,
    leaf: Option<CertificateDer<'static>>,
    judgement: Option<Judgement>,
}

impl Recorder {
    fn record(&self) -> Record {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// That one was asked for is worth knowing, also without one to show.
impl ResolvesClientCert for Recorder {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).wants_ours = true;
        self.identity.as_ref().map(|identity| Arc::clone(&identity.0))
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}

#[derive(Debug)]
struct Verifier {
    name: Option<String>,
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
        let judgement = Judgement::of(&chain, self.name.as_deref(), &self.trust, now);
        let verdict = judgement.verdict.clone();
        let mut record = self.record.record.lock().unwrap_or_else(PoisonError::into_inner);
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
        Cause::Tls(TlsCause::CertificateExpired { .. }) => CertificateError::Expired,
        Cause::Tls(TlsCause::CertificateNotYetValid { .. }) => CertificateError::NotValidYet,
        Cause::Tls(TlsCause::CertificateWrongName { .. }) => CertificateError::NotValidForName,
        Cause::Tls(
            TlsCause::CertificateUnknownIssuer { .. }
            | TlsCause::CertificateSelfSigned { .. }
            | TlsCause::CertificateIncompleteChain { .. }
            | TlsCause::TlsIntercepted { .. }
            | TlsCause::TrustStoreEmpty,
        ) => CertificateError::UnknownIssuer,
        _ => CertificateError::BadEncoding,
    }
}
