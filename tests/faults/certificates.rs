//! Certificates with one fault each, all for the names and the address of the site's server.

use std::fs;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};

use crate::lab::{Lab, SERVER};

/// An authority the client trusts, and everything that can be wrong with what it signs.
pub(crate) struct Certificates {
    trusted: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
    /// Trusted too, and its last day has passed.
    old: Issuer<'static, KeyPair>,
    /// A server's own certificate that is trusted, as an appliance makes it.
    own: Arc<ServerConfig>,
    key: String,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let (key, own_key) = (key.serialize_pem(), KeyPair::generate().unwrap());
        let params = authority_params("Authority of the faults");
        let (trusted, mut pem, root) = signed_by_itself(params, KeyPair::from_pem(&key).unwrap());
        let mut old = authority_params("Old authority of the faults");
        (old.not_before, old.not_after) = (date_time_ymd(2004, 1, 1), date_time_ymd(2024, 1, 1));
        let (old, old_pem, _) = signed_by_itself(old, KeyPair::generate().unwrap());
        let mut own = names();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let shown = own.self_signed(&own_key).unwrap();
        pem.push_str(&old_pem);
        pem.push_str(&shown.pem());
        let own = with_key(vec![shown.der().clone()], &own_key);
        Self { trusted, root, pem, old, own, key }
    }

    /// Signed by itself, an authority by its extensions, and trusted.
    pub(crate) fn own(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.own)
    }

    /// By an authority whose last day in the client's own store has passed.
    pub(crate) fn by_an_expired_root(&self) -> Arc<ServerConfig> {
        config(&[names()], &self.old)
    }

    /// Below an intermediate certificate that is sent; `edit` changes that.
    pub(crate) fn below(&self, edit: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let (key, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = authority_params("Intermediate of the faults");
        edit(&mut params);
        let sent = params.signed_by(&key, &self.trusted).unwrap();
        let leaf = names().signed_by(&own, &Issuer::new(params, key)).unwrap();
        with_key(vec![leaf.der().clone(), sent.der().clone()], &own)
    }

    /// Below an authority of two certificates: one by the trusted authority and, sent behind it, one by
    /// another whom nobody trusts.
    pub(crate) fn cross_signed(&self) -> Arc<ServerConfig> {
        let (key, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let params = authority_params("Cross-signed authority of the faults");
        let by_stranger = params.signed_by(&key, &authority("A stranger").0).unwrap();
        let by_trusted = params.signed_by(&key, &self.trusted).unwrap();
        let leaf = names().signed_by(&own, &Issuer::new(params, key)).unwrap();
        let chain = [&leaf, &by_trusted, &by_stranger].map(|one| one.der().clone());
        with_key(chain.to_vec(), &own)
    }

    /// The server's own certificate after `edit`.
    pub(crate) fn unusual(&self, edit: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let mut leaf = names();
        edit(&mut leaf);
        config(&[leaf], &self.trusted)
    }

    /// Good, and TLS 1.3 is all it speaks.
    pub(crate) fn newest_only(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let leaf = names().signed_by(&key, &self.trusted).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
        let builder = builder.with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![leaf.der().clone()], key).unwrap())
    }

    /// A firewall's own, in its own name.
    pub(crate) fn of_a_device() -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(["fortigate.example.test".to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::OrganizationName, "Fortinet");
        leaf.distinguished_name.push(DnType::CommonName, "FGT60F");
        let leaf = leaf.self_signed(&key).unwrap();
        with_key(vec![leaf.der().clone()], &key)
    }

    /// As a device makes it that opens TLS on the way and says what it is.
    pub(crate) fn inspected(by: &str) -> Arc<ServerConfig> {
        config(&[names()], &authority(by).0)
    }

    pub(crate) fn good(&self) -> Arc<ServerConfig> {
        config(&[names()], &self.trusted)
    }

    /// Good, and larger than two packets.
    pub(crate) fn large(&self) -> Arc<ServerConfig> {
        let many = (0..200).map(|n| format!("name-{n}.of.a.large.certificate.example.test"));
        let all: Vec<String> = many.chain([SERVER.to_string()]).collect();
        config(&[CertificateParams::new(all).unwrap()], &self.trusted)
    }

    pub(crate) fn expired(&self) -> Arc<ServerConfig> {
        let mut leaf = names();
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2023, 1, 1), date_time_ymd(2024, 1, 1));
        config(&[leaf], &self.trusted)
    }

    pub(crate) fn not_yet_valid(&self) -> Arc<ServerConfig> {
        let mut leaf = names();
        leaf.not_before = date_time_ymd(2090, 1, 1);
        config(&[leaf], &self.trusted)
    }

    pub(crate) fn wrong_name(&self) -> Arc<ServerConfig> {
        let leaf = CertificateParams::new(["another-host.example.test".to_owned()]).unwrap();
        config(&[leaf], &self.trusted)
    }

    pub(crate) fn unknown_issuer() -> Arc<ServerConfig> {
        config(&[names()], &authority("Inspection of a proxy").0)
    }

    pub(crate) fn self_signed() -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let leaf = names().self_signed(&key).unwrap();
        with_key(vec![leaf.der().clone()], &key)
    }

    /// Signed by an intermediate that is not sent.
    pub(crate) fn missing_intermediate(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = authority_params("Intermediate of the faults");
        let _not_sent = params.clone().signed_by(&key, &self.trusted).unwrap();
        let mut leaf = names();
        leaf.custom_extensions.push(issuer_url());
        config(&[leaf], &Issuer::new(params, key))
    }

    pub(crate) fn wants_client_certificate(&self) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = names().signed_by(&key, &self.trusted).unwrap();
        let builder = ServerConfig::builder().with_client_cert_verifier(verifier);
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        Arc::new(builder.with_single_cert(vec![leaf.der().clone()], key).unwrap())
    }

    /// Writes `faults-ca.pem`, and a good certificate for a program: `faults.pem` and `faults.key`.
    pub(crate) fn write(&self, lab: &Lab) {
        let key = KeyPair::generate().unwrap();
        let leaf = names().signed_by(&key, &self.trusted).unwrap();
        fs::write(lab.path("faults-ca.pem"), &self.pem).unwrap();
        fs::write(lab.path("faults-ca.key"), &self.key).unwrap();
        fs::write(lab.path("faults.pem"), leaf.pem()).unwrap();
        fs::write(lab.path("faults.key"), key.serialize_pem()).unwrap();
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
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Faults");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// Somebody whom nobody trusts.
fn authority(name: &str) -> (Issuer<'static, KeyPair>, String, CertificateDer<'static>) {
    let mut params = authority_params(name);
    params.distinguished_name.push(DnType::OrganizationName, "Strangers");
    signed_by_itself(params, KeyPair::generate().unwrap())
}

fn signed_by_itself(
    params: CertificateParams,
    key: KeyPair,
) -> (Issuer<'static, KeyPair>, String, CertificateDer<'static>) {
    let certificate = params.self_signed(&key).unwrap();
    (Issuer::new(params, key), certificate.pem(), certificate.der().clone())
}

fn config(leaf: &[CertificateParams; 1], issuer: &Issuer<'_, KeyPair>) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let [leaf] = leaf;
    let leaf = leaf.signed_by(&key, issuer).unwrap();
    with_key(vec![leaf.der().clone()], &key)
}

fn with_key(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    // A server of OpenSSL's would not look at its own certificate either.
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    Arc::new(ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(shown)))
}
