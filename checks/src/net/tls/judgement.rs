//! What is thought of the certificates that a server shows for a host.

use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::Certificate;
use super::interception::is_inspection;
use super::name::{NamedAs, address};
use super::{Trust, Verify, chain};
use crate::cause::{Cause, Concern, TlsCause};
use crate::evidence::Seen;

/// The verdict on a chain and a name, and what will hurt though it passes.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    pub(super) verdict: Result<(), Cause>,
    concerns: Vec<Concern>,
}

impl Judgement {
    /// Of `shown`, the server's own certificate first, at `now`; without a `host` its name counts
    /// for nothing.
    pub(super) fn of(
        shown: &[CertificateDer<'_>],
        host: Option<&str>,
        trust: &Trust,
        now: UnixTime,
    ) -> Self {
        let mut concerns = Vec::new();
        let leaf = shown.first().map(AsRef::as_ref).unwrap_or_default();
        let named = host.map(|host| {
            X509Certificate::from_der(leaf)
                .map_or(NamedAs::No, |(_, certificate)| NamedAs::of(&certificate, host))
        });
        let facts = Certificate::parse(leaf);
        let verdict = chain::judge(shown, trust.store(), now)
            .map_err(|cause| match (host, &named) {
                (Some(host), Some(named)) => by_a_device(cause, named, leaf, host),
                _ => cause,
            })
            .map_err(|cause| trust.explain(cause))
            .and_then(|()| match named {
                None | Some(NamedAs::Alternative) => Ok(()),
                Some(NamedAs::Common(name)) => {
                    concerns.push(Concern::CertificateCommonNameOnly { name });
                    Ok(())
                }
                Some(NamedAs::No) => {
                    let presented = facts.as_ref().map(Certificate::presented).unwrap_or_default();
                    let expected = host.unwrap_or_default().to_owned();
                    Err(Cause::Tls(TlsCause::CertificateWrongName { expected, presented }))
                }
            });
        concerns.extend(facts.and_then(|facts| facts.ends_soon(now)));
        Self { verdict, concerns }
    }

    /// Fails, or is a concern where the flow's own clients do not verify.
    pub(super) fn weigh(self, verify: Verify, seen: &mut Seen) -> Result<(), Cause> {
        match (self.verdict, verify) {
            (Ok(()), _) => {
                seen.concerns.extend(self.concerns);
                Ok(())
            }
            (Err(cause), Verify::Strictly) => Err(cause),
            (Err(cause), Verify::AndReport) => {
                seen.concerns.push(Concern::CertificateUnverified { because: cause.into() });
                Ok(())
            }
            (Err(cause), Verify::Never) => {
                seen.evidence.set("certificate_verdict", cause.to_string());
                Ok(())
            }
        }
    }
}

/// What `cause` is when who signed says that he inspects TLS: for the host asked, on the way; and
/// shown to somebody who asked for another name, a device's own page.
fn by_a_device(cause: Cause, named: &NamedAs, leaf: &[u8], host: &str) -> Cause {
    let Some(facts) = Certificate::parse(leaf) else { return cause };
    let issuer = match &cause {
        Cause::Tls(
            TlsCause::CertificateUnknownIssuer { issuer, .. }
            | TlsCause::CertificateIncompleteChain { issuer, .. },
        ) => issuer.as_str(),
        Cause::Tls(TlsCause::CertificateSelfSigned { subject }) => subject.as_str(),
        _ => return cause,
    };
    let inspector = [issuer, facts.issuer()].into_iter().find(|issuer| is_inspection(issuer));
    let is_a_name = address(host).is_none();
    let is_self_signed = matches!(cause, Cause::Tls(TlsCause::CertificateSelfSigned { .. }));
    let host = host.to_owned();
    match (inspector.map(str::to_owned), named) {
        (Some(issuer), NamedAs::Alternative | NamedAs::Common(_)) if !is_self_signed => {
            Cause::Tls(TlsCause::TlsIntercepted { host, issuer })
        }
        (Some(_), NamedAs::No) if is_a_name => {
            Cause::Tls(TlsCause::CertificateOfDevice { host, subject: facts.subject().to_owned() })
        }
        _ => cause,
    }
}
