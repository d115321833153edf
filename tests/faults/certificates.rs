//! Certificates with one fault each, all for the names and the address of the site's server.

use std::fs;
use std::sync::Arc;

use preflight_checks::{Authority, KeyedCertificate};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};

use crate::lab::{Lab, SERVER};

/// An authority the client trusts, and everything that can be wrong with what it signs.
pub(crate) struct Certificates {
    trusted: Authority,
    /// All that is trusted.
    pem: String,
    /// Trusted too, and its last day has passed.
    old: Authority,
    /// A server's own certificate that is trusted, as an appliance makes it.
    own: Arc<ServerConfig>,
    key: String,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let trusted = Authority::of(authority_params("Authority of the faults")).unwrap();
        let mut old = authority_params("Old authority of the faults");
        (old.not_before, old.not_after) = (date_time_ymd(2004, 1, 1), date_time_ymd(2024, 1, 1));
        let old = Authority::of(old).unwrap();
        let mut own = names();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = KeyedCertificate::by_itself(&own).unwrap();
        let pem = [trusted.pem(), old.pem(), own.certificate.pem()].concat();
        let key = trusted.issuer().key().serialize_pem();
        Self { trusted, pem, old, own: shown(&own, &[]), key }
    }

    /// Signed by itself, an authority by its extensions, and trusted.
    pub(crate) fn own(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.own)
    }

    /// By an authority whose last day in the client's own store has passed.
    pub(crate) fn by_an_expired_root(&self) -> Arc<ServerConfig> {
        signed(&names(), &self.old)
    }

    /// Below an intermediate certificate that is sent; `edit` changes that.
    pub(crate) fn below(&self, edit: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = authority_params("Intermediate of the faults");
        edit(&mut params);
        let sent = params.signed_by(&key, self.trusted.issuer()).unwrap();
        shown(&below(params, key, &names()), &[&sent])
    }

    /// Below an authority of two certificates: one by the trusted authority and, sent behind it, one by
    /// another whom nobody trusts.
    pub(crate) fn cross_signed(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = authority_params("Cross-signed authority of the faults");
        let by_stranger = params.signed_by(&key, stranger("A stranger").issuer()).unwrap();
        let by_trusted = params.signed_by(&key, self.trusted.issuer()).unwrap();
        shown(&below(params, key, &names()), &[&by_trusted, &by_stranger])
    }

    /// The server's own certificate after `edit`.
    pub(crate) fn unusual(&self, edit: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let mut leaf = names();
        edit(&mut leaf);
        signed(&leaf, &self.trusted)
    }

    /// Good, and TLS 1.3 is all it speaks.
    pub(crate) fn newest_only(&self) -> Arc<ServerConfig> {
        let own = self.trusted.sign(&names()).unwrap();
        let builder = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
        let chain = vec![own.certificate.der().clone()];
        let config =
            builder.with_no_client_auth().with_single_cert(chain, own.private_key().unwrap());
        Arc::new(config.unwrap())
    }

    /// A firewall's own, in its own name.
    pub(crate) fn of_a_device() -> Arc<ServerConfig> {
        let mut leaf = CertificateParams::new(["fortigate.example.test".to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::OrganizationName, "Fortinet");
        leaf.distinguished_name.push(DnType::CommonName, "FGT60F");
        shown(&KeyedCertificate::by_itself(&leaf).unwrap(), &[])
    }

    /// As a device makes it that opens TLS on the way and says what it is.
    pub(crate) fn inspected(by: &str) -> Arc<ServerConfig> {
        signed(&names(), &stranger(by))
    }

    pub(crate) fn good(&self) -> Arc<ServerConfig> {
        signed(&names(), &self.trusted)
    }

    /// Good, and larger than two packets.
    pub(crate) fn large(&self) -> Arc<ServerConfig> {
        let many = (0..200).map(|n| format!("name-{n}.of.a.large.certificate.example.test"));
        let all: Vec<String> = many.chain([SERVER.to_string()]).collect();
        signed(&CertificateParams::new(all).unwrap(), &self.trusted)
    }

    pub(crate) fn expired(&self) -> Arc<ServerConfig> {
        let mut leaf = names();
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2023, 1, 1), date_time_ymd(2024, 1, 1));
        signed(&leaf, &self.trusted)
    }

    pub(crate) fn not_yet_valid(&self) -> Arc<ServerConfig> {
        let mut leaf = names();
        leaf.not_before = date_time_ymd(2090, 1, 1);
        signed(&leaf, &self.trusted)
    }

    pub(crate) fn wrong_name(&self) -> Arc<ServerConfig> {
        let leaf = CertificateParams::new(["another-host.example.test".to_owned()]).unwrap();
        signed(&leaf, &self.trusted)
    }

    pub(crate) fn unknown_issuer() -> Arc<ServerConfig> {
        signed(&names(), &stranger("Inspection of a proxy"))
    }

    pub(crate) fn self_signed() -> Arc<ServerConfig> {
        shown(&KeyedCertificate::by_itself(&names()).unwrap(), &[])
    }

    /// Signed by an intermediate that is not sent.
    pub(crate) fn missing_intermediate() -> Arc<ServerConfig> {
        let params = authority_params("Intermediate of the faults");
        let mut leaf = names();
        leaf.custom_extensions.push(issuer_url());
        shown(&below(params, KeyPair::generate().unwrap(), &leaf), &[])
    }

    pub(crate) fn wants_client_certificate(&self) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.der()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let own = self.trusted.sign(&names()).unwrap();
        let builder = ServerConfig::builder().with_client_cert_verifier(verifier);
        let chain = vec![own.certificate.der().clone()];
        Arc::new(builder.with_single_cert(chain, own.private_key().unwrap()).unwrap())
    }

    /// Writes `faults-ca.pem`, and a good certificate for a program: `faults.pem` and `faults.key`.
    pub(crate) fn write(&self, lab: &Lab) {
        let own = self.trusted.sign(&names()).unwrap();
        fs::write(lab.path("faults-ca.pem"), &self.pem).unwrap();
        fs::write(lab.path("faults-ca.key"), &self.key).unwrap();
        fs::write(lab.path("faults.pem"), own.certificate.pem()).unwrap();
        fs::write(lab.path("faults.key"), own.key.serialize_pem()).unwrap();
    }
}

fn names() -> CertificateParams {
    let mut params =
        CertificateParams::new(["site.example.test".to_owned(), SERVER.to_string()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "server of the faults");
    params
}

/// Where the issuer's certificate lies, as every public authority says.
fn issuer_url() -> CustomExtension {
    const AUTHORITY_INFORMATION_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
    const CA_ISSUERS: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02";
    let url = b"http://ca.example.test/i.crt";
    let url = [&[0x86, u8::try_from(url.len()).unwrap()], url.as_slice()].concat();
    let description = [CA_ISSUERS, &url].concat();
    let description = [vec![0x30, u8::try_from(description.len()).unwrap()], description].concat();
    let list = [vec![0x30, u8::try_from(description.len()).unwrap()], description].concat();
    CustomExtension::from_oid_content(AUTHORITY_INFORMATION_ACCESS, list)
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = Authority::params(name);
    params.distinguished_name.push(DnType::OrganizationName, "Faults");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// Somebody whom nobody trusts.
fn stranger(name: &str) -> Authority {
    let mut params = authority_params(name);
    params.distinguished_name.push(DnType::OrganizationName, "Strangers");
    Authority::of(params).unwrap()
}

/// Signed by whoever has this key and is called so in `params`.
fn below(params: CertificateParams, key: KeyPair, leaf: &CertificateParams) -> KeyedCertificate {
    let own = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&own, &Issuer::new(params, key)).unwrap();
    KeyedCertificate { certificate, key: own }
}

fn signed(leaf: &CertificateParams, by: &Authority) -> Arc<ServerConfig> {
    shown(&by.sign(leaf).unwrap(), &[])
}

/// A server that shows its own certificate, and those above it.
fn shown(own: &KeyedCertificate, above: &[&Certificate]) -> Arc<ServerConfig> {
    let chain = std::iter::once(&own.certificate).chain(above.iter().copied());
    let chain = chain.map(|certificate| certificate.der().clone()).collect();
    let key = rustls::crypto::ring::sign::any_supported_type(&own.private_key().unwrap()).unwrap();
    // A server of OpenSSL's would not look at its own certificate either.
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    Arc::new(ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(shown)))
}
