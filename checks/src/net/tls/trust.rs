//! Whom TLS trusts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::oid_registry::OID_DOMAIN_COMPONENT;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use super::name::canonical;
use crate::cause::{Cause, TlsCause};

/// Whom TLS trusts: the system's store and what `--ca` adds.
///
/// Reading the system's store takes some milliseconds; it is read at the first
/// TLS handshake and not before. Clones share it.
#[derive(Clone)]
pub struct Trust(Arc<Anchors>);

struct Anchors {
    system: bool,
    extra: Vec<CertificateDer<'static>>,
    store: OnceLock<Store>,
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

    /// The same, and `more` certificates.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self::of(self.0.system, self.0.extra.iter().cloned().chain(more))
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
            store: OnceLock::new(),
        }))
    }

    /// What `cause` really is on a machine without any authority in its store.
    pub(super) fn explain(&self, cause: Cause) -> Cause {
        let is_about_trust = matches!(
            cause,
            Cause::Tls(
                TlsCause::CertificateUnknownIssuer { .. }
                    | TlsCause::CertificateSelfSigned { .. }
                    | TlsCause::CertificateIncompleteChain { .. }
            )
        );
        if is_about_trust && self.0.system && self.store().all.is_empty() {
            Cause::Tls(TlsCause::TrustStoreEmpty)
        } else {
            cause
        }
    }

    /// All certificates that are trusted.
    pub(super) fn store(&self) -> &Store {
        self.0.store.get_or_init(|| {
            let mut all = self.0.extra.clone();
            if self.0.system {
                // A broken file in the store is passed over, as OpenSSL does.
                all.extend(rustls_native_certs::load_native_certs().certs);
            }
            Store::of(all)
        })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Anchors { system, extra, .. } = &*self.0;
        write!(out, "Trust {{ system: {system}, extra: {} }}", extra.len())
    }
}

/// Trusted certificates, by the name of their subject.
#[derive(Debug, Default)]
pub(super) struct Store {
    all: Vec<CertificateDer<'static>>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
    /// Organisations and domains of their subjects.
    families: Vec<String>,
}

impl Store {
    fn of(all: Vec<CertificateDer<'static>>) -> Self {
        let mut store = Self::default();
        for certificate in all {
            // What cannot be read signs nobody.
            let Ok((_, read)) = X509Certificate::from_der(&certificate) else { continue };
            let subject = canonical(read.subject());
            store.families.extend(family(read.subject()));
            store.by_subject.entry(subject).or_default().push(store.all.len());
            store.all.push(certificate.clone());
        }
        store
    }

    /// Is exactly this certificate among them?
    pub(super) fn has(&self, der: &[u8]) -> bool {
        self.all.iter().any(|trusted| trusted.as_ref() == der)
    }

    /// Those of that subject, in canonical form.
    pub(super) fn named(&self, subject: &[u8]) -> impl Iterator<Item = &CertificateDer<'static>> {
        let numbers = self.by_subject.get(subject).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|&number| self.all.get(number))
    }

    /// Is somebody trusted who belongs to the same owner as the issuer of `certificate`?
    pub(super) fn has_family_of(&self, certificate: &X509Certificate<'_>) -> bool {
        family(certificate.issuer()).is_some_and(|family| self.families.contains(&family))
    }
}

/// The organisation of a name, or its domain.
fn family(name: &X509Name<'_>) -> Option<String> {
    let text = |part: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        part.as_str().ok().map(str::to_lowercase).filter(|text| !text.is_empty())
    };
    let domain: Vec<String> = name.iter_by_oid(&OID_DOMAIN_COMPONENT).filter_map(text).collect();
    let domain = (!domain.is_empty()).then(|| domain.join("."));
    name.iter_organization().find_map(text).or(domain)
}
