//! Certificates for far sides: an authority of this process, and what it signs.
//!
//! Keys live in memory and end with the process, unless a test writes them to a file.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Somebody who signs certificates.
#[derive(Debug)]
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with the key that belongs to it.
#[derive(Debug)]
pub struct KeyedCertificate {
    /// What is shown.
    pub certificate: rcgen::Certificate,
    /// What stays secret.
    pub key: KeyPair,
}

impl Authority {
    /// An authority whose certificate has this common name and is signed by itself.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn named(name: &str) -> io::Result<Self> {
        Self::of(Self::params(name))
    }

    /// What the certificate of such an authority says.
    #[must_use]
    pub fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    /// An authority whose certificate says `params`, signed by itself.
    ///
    /// # Errors
    ///
    /// When no key can be made, or the certificate cannot be written.
    pub fn of(params: CertificateParams) -> io::Result<Self> {
        let own = KeyedCertificate::by_itself(&params)?;
        Ok(Self { certificate: own.certificate, issuer: Issuer::new(params, own.key) })
    }

    /// Its own certificate, in DER.
    #[must_use]
    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// Its own certificate, as `--ca` reads it from a file.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// What it signs with.
    #[must_use]
    pub fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// A new key, and a certificate for it that says `params`.
    ///
    /// # Errors
    ///
    /// When no key can be made, or the certificate cannot be written.
    pub fn sign(&self, params: &CertificateParams) -> io::Result<KeyedCertificate> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok(KeyedCertificate { certificate, key })
    }
}

impl KeyedCertificate {
    /// A new key, and a certificate for it that says `params` and is signed with the same key.
    ///
    /// # Errors
    ///
    /// When no key can be made, or the certificate cannot be written.
    pub fn by_itself(params: &CertificateParams) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self { certificate, key })
    }

    /// The key, in DER.
    ///
    /// # Errors
    ///
    /// When it is of a kind that TLS has no use for.
    pub fn private_key(&self) -> io::Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::try_from(self.key.serialize_der()).map_err(io::Error::other)
    }

    /// A TLS server that shows it, and asks nobody for a certificate.
    ///
    /// # Errors
    ///
    /// When TLS cannot use it.
    pub fn server(&self) -> io::Result<ServerConfig> {
        let shown = vec![self.certificate.der().clone()];
        tls_server()?
            .with_no_client_auth()
            .with_single_cert(shown, self.private_key()?)
            .map_err(io::Error::other)
    }
}

/// A TLS server that has neither certificate nor verifier yet.
///
/// # Errors
///
/// When the provider speaks no version of TLS.
pub fn tls_server() -> io::Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)
}

/// What the certificate of a server called `names` says; the first is its common name, too.
///
/// # Errors
///
/// When one of them is not a name.
pub fn params_for(names: &[&str]) -> io::Result<CertificateParams> {
    let alternative: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(alternative).map_err(io::Error::other)?;
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    Ok(params)
}
