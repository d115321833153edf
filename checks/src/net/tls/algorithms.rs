//! The one crypto provider: ring, and the curve P-521, which ring lacks and OpenSSL's clients take.

use std::sync::{Arc, LazyLock};

use p521::ecdh::diffie_hellman;
use p521::ecdsa::signature::hazmat::PrehashVerifier;
use p521::ecdsa::{Signature, VerifyingKey};
use p521::elliptic_curve::sec1::ToSec1Point;
use p521::{PublicKey, SecretKey};
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup, WebPkiSupportedAlgorithms,
};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme};

/// Ciphers, groups and signatures of every handshake.
pub(super) static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.kx_groups.push(&Secp521r1);
    provider.signature_verification_algorithms =
        with_p521(provider.signature_verification_algorithms);
    Arc::new(provider)
});

/// The signatures that can be checked, in certificates and in handshakes.
pub(super) fn signatures() -> WebPkiSupportedAlgorithms {
    PROVIDER.signature_verification_algorithms
}

fn with_p521(known: WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    let mut all = known.all.to_vec();
    all.extend(P521);
    let mut mapping = known.mapping.to_vec();
    mapping.push((SignatureScheme::ECDSA_NISTP521_SHA512, &P521));
    // Once in the life of the program: rustls wants them for ever.
    WebPkiSupportedAlgorithms { all: all.leak(), mapping: mapping.leak() }
}

/// ECDSA over P-521; the first is the one of TLS 1.3.
const P521: [&dyn SignatureVerificationAlgorithm; 3] = [
    &Ecdsa { signed_as: alg_id::ECDSA_SHA512, digest: &digest::SHA512 },
    &Ecdsa { signed_as: alg_id::ECDSA_SHA384, digest: &digest::SHA384 },
    &Ecdsa { signed_as: alg_id::ECDSA_SHA256, digest: &digest::SHA256 },
];

#[derive(Debug)]
struct Ecdsa {
    signed_as: AlgorithmIdentifier,
    digest: &'static digest::Algorithm,
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        // All digests are shorter than the field; the number they are is the same with zeros before it.
        let digest = digest::digest(self.digest, message);
        let mut number = vec![0; FIELD.saturating_sub(digest.as_ref().len())];
        number.extend_from_slice(digest.as_ref());
        key.verify_prehash(&number, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signed_as
    }
}

/// Key exchange over P-521, for servers that take no other curve.
#[derive(Debug)]
struct Secp521r1;

impl SupportedKxGroup for Secp521r1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = secret()?;
        let point = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
        Ok(Box::new(Exchange { secret, point }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Exchange {
    secret: SecretKey,
    point: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        // RFC 8446 §4.2.8.2: uncompressed, and nothing else.
        let theirs = Some(theirs).filter(|point| point.first() == Some(&UNCOMPRESSED));
        let theirs = theirs.and_then(|point| PublicKey::from_sec1_bytes(point).ok());
        let theirs = theirs.ok_or(PeerMisbehaved::InvalidKeyShare)?;
        let shared = diffie_hellman(self.secret.to_nonzero_scalar(), theirs.as_affine());
        Ok(SharedSecret::from(shared.raw_secret_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.point
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// A number below the curve's order: of 521 random bits nearly every one is.
fn secret() -> Result<SecretKey, Error> {
    let random = SystemRandom::new();
    loop {
        let mut bytes = [0; FIELD];
        random.fill(&mut bytes).map_err(|_| Error::FailedToGetRandomBytes)?;
        bytes[0] &= 1;
        if let Ok(secret) = SecretKey::from_slice(&bytes) {
            return Ok(secret);
        }
    }
}

/// Bytes of a number of 521 bits.
const FIELD: usize = 66;
/// How an uncompressed point begins.
const UNCOMPRESSED: u8 = 4;
