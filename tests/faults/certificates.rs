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
use rustls::{RootCertStore, ServerConfig};

use crate::lab::{Lab, SERVER};

/// An authority the client trusts, and everything that can be wrong with what it signs.
pub(crate) struct Certificates {
    trusted: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let (trusted, pem, root) = authority("Authority of the faults");
        Self { trusted, root, pem }
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
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let params = authority_params(name);
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
    Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap())
}
