//! Whom TLS trusts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::cause::Cause;

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

    /// The certificates given besides the system's.
    pub(super) fn extra(&self) -> &[CertificateDer<'static>] {
        &self.0.extra
    }

    /// What `cause` really is on a machine without any authority in its store.
    pub(super) fn explain(&self, cause: Cause) -> Cause {
        let is_about_trust = matches!(
            cause,
            Cause::CertificateUnknownIssuer { .. }
                | Cause::CertificateSelfSigned { .. }
                | Cause::CertificateIncompleteChain { .. }
        );
        if is_about_trust && self.0.system && self.roots().is_empty() {
            Cause::TrustStoreEmpty
        } else {
            cause
        }
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
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
