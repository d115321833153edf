//! A certificate's facts, and why it was refused.

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::cause::{Cause, Concern};
use crate::evidence::{Evidence, Value};
use crate::wire;

/// The facts of a certificate that a reader can act on.
#[derive(Debug)]
pub(super) struct Certificate {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
    has_issuer_url: bool,
}

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
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

    /// Certificate facts as evidence.
    pub(super) fn note(&self, evidence: &mut Evidence) {
        evidence.set("certificate_subject", self.subject.as_str());
        evidence.set("certificate_names", self.names.iter().collect::<Value>());
        evidence.set("certificate_issuer", self.issuer.as_str());
        evidence.set("certificate_not_before", date(self.not_before));
        evidence.set("certificate_not_after", date(self.not_after));
    }

    /// A certificate that is good today, and will hurt.
    pub(super) fn ends_soon(&self, now: UnixTime) -> Option<Concern> {
        let days = self.not_after.saturating_sub(seconds(now)) / SECONDS_A_DAY;
        (days < SOON_DAYS)
            .then(|| Concern::CertificateEndsSoon { days, not_after: date(self.not_after) })
    }

    /// Is it valid at `now`? For a certificate that nobody had to sign.
    pub(super) fn in_time(&self, now: UnixTime) -> Result<(), CertificateError> {
        match seconds(now) {
            now if now > self.not_after => Err(CertificateError::Expired),
            now if now < self.not_before => Err(CertificateError::NotValidYet),
            _ => Ok(()),
        }
    }

    /// Why the verifier refused it for `host`, `sent` certificates in all.
    pub(super) fn refused(&self, error: &Error, sent: usize, host: &str) -> Cause {
        use CertificateError as E;
        let (subject, issuer) = (self.subject.clone(), self.issuer.clone());
        let Error::InvalidCertificate(reason) = error else {
            return Cause::CertificateInvalid { reason: error.to_string(), subject };
        };
        match reason {
            E::Expired | E::ExpiredContext { .. } => {
                Cause::CertificateExpired { not_after: date(self.not_after), subject }
            }
            E::NotValidYet | E::NotValidYetContext { .. } => {
                Cause::CertificateNotYetValid { not_before: date(self.not_before), subject }
            }
            E::NotValidForName | E::NotValidForNameContext { .. } => {
                let presented = self.presented();
                Cause::CertificateWrongName { expected: host.to_owned(), presented }
            }
            _ if self.subject == self.issuer => Cause::CertificateSelfSigned { subject },
            E::UnknownIssuer if sent == 1 && self.has_issuer_url => {
                Cause::CertificateIncompleteChain { issuer, subject }
            }
            E::UnknownIssuer => Cause::CertificateUnknownIssuer { issuer, subject },
            E::BadSignature => Cause::CertificateInvalid { reason: NAMESAKE.to_owned(), subject },
            other => Cause::CertificateInvalid { reason: other.to_string(), subject },
        }
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

fn seconds(moment: UnixTime) -> i64 {
    i64::try_from(moment.as_secs()).unwrap_or(i64::MAX)
}

/// RFC 3339, UTC.
fn date(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds)
        .map_or_else(|_| unix_seconds.to_string(), |moment| moment.to_string())
}

/// What a bad signature is, when the issuer was found by its name.
const NAMESAKE: &str = "it is not signed by the authority of that name that we trust";
/// A certificate that ends within this many days is a concern.
const SOON_DAYS: i64 = 30;
const SECONDS_A_DAY: i64 = 86_400;
