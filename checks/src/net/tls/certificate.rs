//! A certificate's facts.

use rustls::pki_types::UnixTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::cause::Concern;
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

    /// Whose it is, as it says.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Who signed it, as it says.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The names a client compares; a common name alone does not count.
    pub(super) fn presented(&self) -> Vec<String> {
        if self.names.is_empty() {
            vec![format!("no name at all (only {})", self.subject)]
        } else {
            self.names.clone()
        }
    }
}

pub(super) fn seconds(moment: UnixTime) -> i64 {
    i64::try_from(moment.as_secs()).unwrap_or(i64::MAX)
}

/// RFC 3339, UTC.
pub(super) fn date(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds)
        .map_or_else(|_| unix_seconds.to_string(), |moment| moment.to_string())
}

/// A certificate that ends within this many days is a concern.
const SOON_DAYS: i64 = 30;
const SECONDS_A_DAY: i64 = 86_400;
