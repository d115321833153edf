//! A certificate chain, judged as OpenSSL's clients judge it.
//!
//! curl, PHP, Perl and the platform's daemons verify with OpenSSL: what it takes works
//! there, and what it refuses does not. The rules are those of its `X509_verify_cert` for a
//! server at security level 2, with the store's own issuers before those that are sent, and
//! with any certificate of the store as an end of the chain, as curl sets it.
//!
//! Reference: [RFC 5280 §6](https://www.rfc-editor.org/rfc/rfc5280#section-6),
//! openssl-verification-options(1).

use std::borrow::Cow;

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use x509_parser::der_parser::asn1_rs::Any;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Extension, X509Version};
use x509_parser::public_key::PublicKey;

use super::algorithms::signatures;
use super::certificate::{date, seconds};
use super::name;
use super::trust::Store;
use crate::cause::{Cause, ChainLink, TlsCause};
use crate::wire;

/// Is `sent`, the server's own certificate first, a chain to one of `store` at `now`?
pub(super) fn judge(
    sent: &[CertificateDer<'_>],
    store: &Store,
    now: UnixTime,
) -> Result<(), Cause> {
    let now = seconds(now);
    let chain = build(sent, store, now)?;
    chain.iter().enumerate().try_for_each(|(at, link)| fits(&chain, at, link))?;
    chain.iter().enumerate().try_for_each(|(at, link)| is_strong(&chain, at, link))?;
    name::constraints(&chain.iter().map(|link| &link.is).collect::<Vec<_>>())?;
    let pairs = chain.iter().zip(chain.iter().skip(1).map(Some).chain([None]));
    // From the root on, so that the fault nearest to it is told.
    pairs.collect::<Vec<_>>().into_iter().rev().try_for_each(|(link, issuer)| {
        if let Some(issuer) = issuer {
            is_signed_by(link, issuer)?;
        }
        link.is_in_time(now)
    })
}

/// One certificate of a chain, and what it is there.
#[derive(Debug)]
struct ChainMember<'a> {
    is: X509Certificate<'a>,
    place: ChainLink,
}

impl<'a> ChainMember<'a> {
    fn read(der: &'a [u8], place: ChainLink) -> Result<Self, Cause> {
        match X509Certificate::from_der(der) {
            Ok((_, is)) => Ok(Self { is, place }),
            Err(_) => Err(Cause::Tls(TlsCause::CertificateInvalid {
                reason: "it cannot be read".to_owned(),
                subject: String::new(),
            })),
        }
    }

    fn subject(&self) -> String {
        shown(self.is.subject().to_string())
    }

    fn issuer(&self) -> String {
        shown(self.is.issuer().to_string())
    }

    fn is_self_issued(&self) -> bool {
        name::canonical(self.is.subject()) == name::canonical(self.is.issuer())
    }

    /// Its own issuer, as far as names and key identifiers tell.
    fn is_self_signed(&self) -> bool {
        self.is_self_issued() && issued(&self.is, &self.is)
    }

    fn is_in_time(&self, now: i64) -> Result<(), Cause> {
        let validity = self.is.validity();
        let (not_before, not_after) =
            (validity.not_before.timestamp(), validity.not_after.timestamp());
        let (subject, link) = (self.subject(), self.place);
        if now < not_before {
            let not_before = date(not_before);
            return Err(Cause::Tls(TlsCause::CertificateNotYetValid { not_before, subject, link }));
        }
        if now > not_after {
            return Err(Cause::Tls(TlsCause::CertificateExpired {
                not_after: date(not_after),
                subject,
                link,
            }));
        }
        Ok(())
    }

    fn invalid(&self, reason: impl Into<Cow<'static, str>>) -> Cause {
        let which = match self.place {
            ChainLink::Server => String::new(),
            place => format!("{place} \"{}\": ", self.subject()),
        };
        let reason = format!("{which}{}", reason.into());
        Cause::Tls(TlsCause::CertificateInvalid { reason, subject: self.subject() })
    }
}

/// From the server's certificate to one of the store; each step first among the store's own.
fn build<'a>(
    sent: &'a [CertificateDer<'_>],
    store: &'a Store,
    now: i64,
) -> Result<Vec<ChainMember<'a>>, Cause> {
    let Some((first, others)) = sent.split_first() else {
        return Err(Cause::Tls(TlsCause::CertificateInvalid {
            reason: "the server shows none".to_owned(),
            subject: String::new(),
        }));
    };
    let mut chain = vec![ChainMember::read(first, ChainLink::Server)?];
    // One that cannot be read signs nobody.
    let read = |der: &'a CertificateDer<'_>| ChainMember::read(der, ChainLink::Intermediate).ok();
    let mut others: Vec<ChainMember<'a>> = others.iter().take(MOST_SENT).filter_map(read).collect();
    let mut is_anchored = false;
    while let Some(top) = chain.last().filter(|_| chain.len() < MOST_LINKS) {
        if top.is_self_signed() {
            is_anchored |= store.has(top.is.as_raw());
            break;
        }
        let wanted = name::canonical(top.is.issuer());
        let known =
            store.named(&wanted).filter_map(|der| ChainMember::read(der, ChainLink::Root).ok());
        let known = known.filter(|issuer| issued(&issuer.is, &top.is));
        if let Some(issuer) = best(known.collect(), now) {
            is_anchored = true;
            chain.push(issuer);
        } else if is_anchored {
            break;
        } else {
            let fits = |link: &ChainMember<'_>| {
                name::canonical(link.is.subject()) == wanted && issued(&link.is, &top.is)
            };
            let (fitting, rest) = others.into_iter().partition(fits);
            others = rest;
            match best(fitting, now) {
                Some(issuer) => chain.push(issuer),
                None => break,
            }
        }
    }
    if is_anchored {
        return Ok(chain);
    }
    if store.has(first) {
        chain.truncate(1);
        return Ok(chain);
    }
    if let Some(barred) = chain.last().and_then(|top| barred_issuer(top, &others)) {
        return Err(barred.invalid("it signs, and its key usage does not let it (keyCertSign)"));
    }
    Err(unanchored(&chain, store))
}

/// The one of `others` that has the name of the issuer of `top`, and may sign nobody.
fn barred_issuer<'a, 'b>(
    top: &ChainMember<'_>,
    others: &'b [ChainMember<'a>],
) -> Option<&'b ChainMember<'a>> {
    let wanted = name::canonical(top.is.issuer());
    others.iter().find(|link| {
        let usage = link.is.key_usage().ok().flatten();
        name::canonical(link.is.subject()) == wanted
            && usage.is_some_and(|usage| !usage.value.key_cert_sign())
    })
}

/// Of several that could have signed, one that is valid today; else the one that was longest.
fn best(mut candidates: Vec<ChainMember<'_>>, now: i64) -> Option<ChainMember<'_>> {
    let rank =
        |link: &ChainMember<'_>| (link.is_in_time(now).is_ok(), link.is.validity().not_after);
    let at = (0..candidates.len()).rev().max_by_key(|&at| candidates.get(at).map(rank))?;
    Some(candidates.swap_remove(at))
}

/// May `issuer`, whose name is right, have signed `subject`?
fn issued(issuer: &X509Certificate<'_>, subject: &X509Certificate<'_>) -> bool {
    let own = match extension(issuer, &oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER) {
        Some(ParsedExtension::SubjectKeyIdentifier(id)) => Some(id.0),
        _ => None,
    };
    let (key, serial) = match extension(subject, &oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER) {
        Some(ParsedExtension::AuthorityKeyIdentifier(id)) => {
            (id.key_identifier.as_ref().map(|id| id.0), id.authority_cert_serial)
        }
        _ => (None, None),
    };
    let may_sign =
        issuer.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign());
    let is_itself = issuer.as_raw() == subject.as_raw();
    key.zip(own).is_none_or(|(named, own)| named == own)
        && serial.is_none_or(|serial| serial == issuer.raw_serial())
        && (may_sign || is_itself)
}

/// What an extension says, when it is there once.
fn extension<'a, 'b>(
    certificate: &'b X509Certificate<'a>,
    wanted: &oid::Oid<'_>,
) -> Option<&'b ParsedExtension<'a>> {
    let mut found = certificate.extensions().iter().filter(|extension| extension.oid == *wanted);
    found.next().filter(|_| found.next().is_none()).map(X509Extension::parsed_extension)
}

/// Why a chain that ends outside of the store is not trusted.
fn unanchored(chain: &[ChainMember<'_>], store: &Store) -> Cause {
    let (Some(leaf), Some(top)) = (chain.first(), chain.last()) else {
        return Cause::Tls(TlsCause::TrustStoreEmpty);
    };
    let (subject, issuer) = (leaf.subject(), top.issuer());
    if top.is_self_signed() {
        return match chain.len() {
            1 => Cause::Tls(TlsCause::CertificateSelfSigned { subject }),
            _ => Cause::Tls(TlsCause::CertificateUnknownIssuer { issuer, subject }),
        };
    }
    if store.named(&name::canonical(top.is.issuer())).next().is_some() {
        return leaf.invalid(NAMESAKE);
    }
    if is_fetched_by_browsers(&top.is) || store.has_family_of(&top.is) {
        return Cause::Tls(TlsCause::CertificateIncompleteChain { issuer, subject });
    }
    Cause::Tls(TlsCause::CertificateUnknownIssuer { issuer, subject })
}

/// Does it say on the web where its issuer's certificate lies, as those of public authorities do?
///
/// With an `ldap:` place beside it, it is a company's own authority.
fn is_fetched_by_browsers(certificate: &X509Certificate<'_>) -> bool {
    let wanted = oid::OID_PKIX_AUTHORITY_INFO_ACCESS;
    let Some(ParsedExtension::AuthorityInfoAccess(places)) = extension(certificate, &wanted) else {
        return false;
    };
    let urls = places.accessdescs.iter().filter_map(|place| match place.access_location {
        GeneralName::URI(url)
            if place.access_method == oid::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS =>
        {
            Some(url)
        }
        _ => None,
    });
    let urls: Vec<&str> = urls.collect();
    urls.iter().any(|url| url.starts_with("http"))
        && !urls.iter().any(|url| url.starts_with("ldap"))
}

/// May it stand at its place: extensions, purpose, and how many authorities may be below it?
fn fits(chain: &[ChainMember<'_>], at: usize, link: &ChainMember<'_>) -> Result<(), Cause> {
    let certificate = &link.is;
    let strange = certificate
        .extensions()
        .iter()
        .find(|extension| extension.critical && !KNOWN_EXTENSIONS.contains(&extension.oid));
    if let Some(extension) = strange {
        let oid = extension.oid.to_id_string();
        return Err(link.invalid(format!("it has an unknown critical extension ({oid})")));
    }
    let broken = certificate.extensions().iter().any(|extension| {
        matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. })
    });
    let unique = |wanted| certificate.get_extension_unique(wanted).is_ok();
    if broken || !unique(&oid::OID_X509_EXT_BASIC_CONSTRAINTS) {
        return Err(link.invalid("an extension of it cannot be read"));
    }
    if at > 0 {
        is_authority(chain, at, link)?;
    }
    has_purpose(at, link)
}

fn is_authority(chain: &[ChainMember<'_>], at: usize, link: &ChainMember<'_>) -> Result<(), Cause> {
    let certificate = &link.is;
    let constraints = certificate.basic_constraints().ok().flatten();
    let is_authority = match &constraints {
        Some(constraints) => constraints.value.ca,
        // The first roots are older than the extension.
        None => at + 1 == chain.len() && certificate.version() != X509Version::V3,
    };
    if !is_authority {
        return Err(link.invalid("it signs, and is not the certificate of an authority"));
    }
    let below = chain.get(1..at).unwrap_or_default().iter().filter(|link| !link.is_self_issued());
    let allowed = constraints.and_then(|constraints| constraints.value.path_len_constraint);
    if allowed.is_some_and(|allowed| below.count() > usize::try_from(allowed).unwrap_or(usize::MAX))
    {
        return Err(link.invalid("too many authorities are below it (path length)"));
    }
    Ok(())
}

/// Is it for servers, or an authority that may sign for them?
fn has_purpose(at: usize, link: &ChainMember<'_>) -> Result<(), Cause> {
    let wrong = |purposes: Vec<String>| {
        let (subject, link) = (link.subject(), link.place);
        Err(Cause::Tls(TlsCause::CertificateWrongPurpose { purposes, subject, link }))
    };
    if let Ok(Some(usage)) = link.is.extended_key_usage()
        && !usage.value.server_auth
        && !usage.value.other.iter().any(|other| GATED.contains(&other.to_id_string().as_str()))
    {
        let value = &usage.value;
        let named = [
            (value.any, "any"),
            (value.client_auth, "clientAuth"),
            (value.code_signing, "codeSigning"),
            (value.email_protection, "emailProtection"),
            (value.time_stamping, "timeStamping"),
            (value.ocsp_signing, "OCSPSigning"),
        ];
        let named = named.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned());
        return wrong(named.chain(value.other.iter().map(oid::Oid::to_id_string)).collect());
    }
    let usage = link.is.key_usage().ok().flatten().filter(|_| at == 0);
    if let Some(usage) = usage
        && !(usage.value.digital_signature()
            || usage.value.key_encipherment()
            || usage.value.key_agreement())
    {
        return wrong(vec![shown(usage.value.to_string())]);
    }
    Ok(())
}

/// Security level 2: 112 bits, so RSA with 2,048 bits and no SHA-1.
///
/// Nobody checks the signature of the last.
fn is_strong(chain: &[ChainMember<'_>], at: usize, link: &ChainMember<'_>) -> Result<(), Cause> {
    let key = &link.is.public_key();
    let (algorithm, bits, least) = match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => ("RSA", rsa.key_size(), 2_048),
        Ok(PublicKey::DSA(_)) => ("DSA", 0, 2_048),
        Ok(PublicKey::EC(_)) => ("EC", curve_bits(link), 224),
        _ => ("", usize::MAX, 0),
    };
    let (subject, place) = (link.subject(), link.place);
    // A DSA key's size is in its parameters; no public authority has signed one since 2013.
    if bits < least && algorithm != "DSA" {
        let algorithm = algorithm.into();
        return Err(Cause::Tls(TlsCause::CertificateWeakKey {
            algorithm,
            bits,
            least,
            subject,
            link: place,
        }));
    }
    let signed_with = link.is.signature_algorithm.algorithm.to_id_string();
    let weak = WEAK.iter().find(|(oid, _)| *oid == signed_with);
    match weak.filter(|_| at + 1 < chain.len()) {
        Some((_, digest)) => Err(Cause::Tls(TlsCause::CertificateWeakSignature {
            digest: (*digest).into(),
            subject,
            link: place,
        })),
        None => Ok(()),
    }
}

/// The size of a named curve by the point's length; P-521 fills 66 bytes.
fn curve_bits(link: &ChainMember<'_>) -> usize {
    let point = link.is.public_key().subject_public_key.data.len();
    point.saturating_sub(1) / 2 * 8
}

fn is_signed_by(link: &ChainMember<'_>, issuer: &ChainMember<'_>) -> Result<(), Cause> {
    let subject = || link.subject();
    let key = issuer.is.public_key();
    let (Some(key_is), Some(signed_as)) = (
        algorithm_in(key.raw),
        algorithm_after(link.is.as_raw(), link.is.tbs_certificate.as_ref()),
    ) else {
        return Err(link.invalid("its signature cannot be read"));
    };
    let fitting = signatures().all.iter().find(|algorithm| {
        *algorithm.public_key_alg_id() == *key_is && *algorithm.signature_alg_id() == *signed_as
    });
    let Some(fitting) = fitting else {
        let algorithm = name_of(&link.is.signature_algorithm.algorithm);
        let link = link.place;
        return Err(Cause::Tls(TlsCause::CertificateUnchecked {
            algorithm,
            subject: subject(),
            link,
        }));
    };
    let message = link.is.tbs_certificate.as_ref();
    fitting
        .verify_signature(&key.subject_public_key.data, message, &link.is.signature_value.data)
        .map_err(|_| link.invalid(NAMESAKE))
}

/// Did the key of `leaf` make `signature` over `message`, with one of `algorithms`?
pub(super) fn is_signed_with(
    leaf: &[u8],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else { return false };
    let key = leaf.public_key();
    let kind = algorithm_in(key.raw).unwrap_or_default();
    let mut fitting = algorithms.iter().filter(|one| *one.public_key_alg_id() == *kind);
    fitting
        .any(|one| one.verify_signature(&key.subject_public_key.data, message, signature).is_ok())
}

/// The content of the algorithm identifier that a key begins with.
fn algorithm_in(key: &[u8]) -> Option<&[u8]> {
    let (_, key) = Any::from_der(key).ok()?;
    Some(Any::from_der(key.data).ok()?.1.data)
}

/// The content of the algorithm identifier that follows `signed` in a certificate.
fn algorithm_after<'a>(certificate: &'a [u8], signed: &[u8]) -> Option<&'a [u8]> {
    let (_, certificate) = Any::from_der(certificate).ok()?;
    Some(Any::from_der(certificate.data.get(signed.len()..)?).ok()?.1.data)
}

/// An algorithm as its standard calls it, or its number.
fn name_of(algorithm: &oid::Oid<'_>) -> String {
    let number = algorithm.to_id_string();
    let known = NAMES.iter().find(|(oid, _)| *oid == number);
    known.map_or(number, |(_, name)| (*name).to_owned())
}

fn shown(name: impl AsRef<str>) -> String {
    wire::clean(name.as_ref().as_bytes(), NAME)
}

/// What a bad signature is, when the issuer was found by its name.
const NAMESAKE: &str = "it is not signed by the authority of that name that we trust";
const NAME: usize = 200;
/// Certificates of one server that are looked at; they need four.
const MOST_SENT: usize = 32;
const MOST_LINKS: usize = 32;
/// "Server gated cryptography", Microsoft's and Netscape's: for servers too.
const GATED: [&str; 2] = ["1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1"];
/// Digests below security level 2, by the number of the signature.
const WEAK: [(&str, &str); 8] = [
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.3", "MD4"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.3.14.3.2.3", "MD5"),
];
/// Signatures that OpenSSL knows and this tool cannot check.
const NAMES: [(&str, &str); 6] = [
    ("1.2.840.113549.1.1.10", "RSA-PSS with unusual parameters"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256 on an unusual curve"),
    ("1.2.840.10045.4.3.3", "ECDSA with SHA-384 on an unusual curve"),
    ("1.2.840.10045.4.3.4", "ECDSA with SHA-512 on an unusual curve"),
    ("1.2.840.10045.4.3.1", "ECDSA with SHA-224"),
];
/// Those that OpenSSL looks at when they are critical.
const KNOWN_EXTENSIONS: [oid::Oid<'static>; 11] = [
    oid::OID_X509_EXT_CERT_TYPE,
    oid::OID_X509_EXT_KEY_USAGE,
    oid::OID_X509_EXT_SUBJECT_ALT_NAME,
    oid::OID_X509_EXT_BASIC_CONSTRAINTS,
    oid::OID_X509_EXT_CERTIFICATE_POLICIES,
    oid::OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
    oid::OID_X509_EXT_EXTENDED_KEY_USAGE,
    oid::OID_X509_EXT_POLICY_CONSTRAINTS,
    oid::OID_X509_EXT_NAME_CONSTRAINTS,
    oid::OID_X509_EXT_POLICY_MAPPINGS,
    oid::OID_X509_EXT_INHIBIT_ANY_POLICY,
];
