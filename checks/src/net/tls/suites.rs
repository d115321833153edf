//! Names of what a TLS server can choose, and who offers it.
//!
//! The names are OpenSSL's, as in the configuration of servers; its offer is what
//! `openssl ciphers -s -V` prints at the usual security level.
//!
//! Reference: IANA's registry "TLS parameters", [RFC 8446 §B.4](https://www.rfc-editor.org/rfc/rfc8446#appendix-B.4).

use super::hello::Repertoire;

/// A cipher suite.
#[derive(Debug)]
pub(super) struct Suite {
    number: u16,
    pub(super) name: &'static str,
    /// Do OpenSSL's clients offer it by themselves?
    pub(super) by_openssl: bool,
}

impl Suite {
    pub(super) fn of(number: u16) -> Option<&'static Self> {
        SUITES.iter().find(|suite| suite.number == number)
    }

    /// Does nobody show a certificate?
    pub(super) fn is_anonymous(&self) -> bool {
        self.name.starts_with("ADH-") || self.name.starts_with("AECDH-")
    }

    /// Does a key that both sides know beforehand stand in the place of a certificate?
    pub(super) fn is_of_a_shared_key(&self) -> bool {
        self.name.contains("PSK-")
    }

    /// Is the key agreed on by Diffie-Hellman over a finite field?
    pub(super) fn is_over_a_prime(&self) -> bool {
        self.name.starts_with("DHE-") || self.name.starts_with("ADH-")
    }

    /// One of those that this tool speaks too: then it is the group that it lacks.
    pub(super) fn is_modern(&self) -> bool {
        self.name.starts_with("ECDHE-") && ["GCM", "POLY1305"].iter().any(|m| self.name.contains(m))
    }

    /// What is unusual about it.
    pub(super) fn words(&self) -> &'static str {
        let has = |part: &str| self.name.contains(part);
        if self.is_of_a_shared_key() {
            "a key that both know beforehand, no certificate"
        } else if self.is_anonymous() {
            "no certificate"
        } else if has("NULL") || has("EXP") || has("RC4") || has("DES") || has("SEED") {
            "broken"
        } else if self.is_over_a_prime() {
            "Diffie-Hellman over a finite field"
        } else if !has("ECDHE") && !self.name.starts_with("TLS_") {
            "RSA key exchange"
        } else if self.is_modern() || has("CCM") {
            "authenticated encryption"
        } else {
            "CBC"
        }
    }
}

/// The suites of an offer, in its order.
pub(super) fn offered(from: Repertoire) -> impl Iterator<Item = u16> {
    let wanted = move |suite: &&Suite| match from {
        Repertoire::Openssl => suite.by_openssl,
        Repertoire::Everything => !suite.name.starts_with("TLS_"),
        Repertoire::Ccm => suite.name.starts_with("TLS_") && !suite.by_openssl,
    };
    SUITES.iter().filter(wanted).map(|suite| suite.number)
}

/// The groups of an offer: elliptic curves, then finite fields.
pub(super) fn groups(from: Repertoire) -> &'static [u16] {
    let openssl = OPENSSL_GROUPS;
    match from {
        Repertoire::Openssl | Repertoire::Ccm => GROUPS.get(..openssl).unwrap_or(&GROUPS),
        Repertoire::Everything => &GROUPS,
    }
}

/// How a group is called.
pub(super) fn group(number: u16) -> String {
    let known = GROUP_NAMES.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("{number:#06x}"), |(_, name)| (*name).to_owned())
}

/// The signatures of an offer.
pub(super) fn signatures(from: Repertoire) -> &'static [u16] {
    match from {
        Repertoire::Openssl | Repertoire::Ccm => {
            SIGNATURES.get(..OPENSSL_SIGNATURES).unwrap_or(&SIGNATURES)
        }
        Repertoire::Everything => &SIGNATURES,
    }
}

/// Of [`GROUPS`], as many as OpenSSL's clients offer.
const OPENSSL_GROUPS: usize = 10;
const GROUPS: [u16; 15] = [
    0x001d, 0x0017, 0x001e, 0x0019, 0x0018, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104, 0x0016, 0x001a,
    0x001b, 0x001c, 0x0013,
];
const GROUP_NAMES: [(u16, &str); 15] = [
    (0x001d, "X25519"),
    (0x0017, "P-256"),
    (0x001e, "X448"),
    (0x0019, "P-521"),
    (0x0018, "P-384"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
    (0x0016, "secp256k1"),
    (0x001a, "brainpoolP256r1"),
    (0x001b, "brainpoolP384r1"),
    (0x001c, "brainpoolP512r1"),
    (0x0013, "P-192"),
];
/// Of [`SIGNATURES`], as many as OpenSSL's clients offer at security level 2.
const OPENSSL_SIGNATURES: usize = 18;
const SIGNATURES: [u16; 23] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401,
    0x0501, 0x0601, 0x0303, 0x0301, 0x0302, 0x0402, 0x0502, 0x0602, 0x0203, 0x0201, 0x0202,
];

const fn ours(number: u16, name: &'static str) -> Suite {
    Suite { number, name, by_openssl: true }
}

const fn old(number: u16, name: &'static str) -> Suite {
    Suite { number, name, by_openssl: false }
}

/// In the order of preference; the anonymous ones last, for servers that have a certificate too.
const SUITES: &[Suite] = &[
    ours(0x1302, "TLS_AES_256_GCM_SHA384"),
    ours(0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    ours(0x1301, "TLS_AES_128_GCM_SHA256"),
    old(0x1304, "TLS_AES_128_CCM_SHA256"),
    old(0x1305, "TLS_AES_128_CCM_8_SHA256"),
    ours(0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ours(0xc030, "ECDHE-RSA-AES256-GCM-SHA384"),
    ours(0x009f, "DHE-RSA-AES256-GCM-SHA384"),
    ours(0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ours(0xcca8, "ECDHE-RSA-CHACHA20-POLY1305"),
    ours(0xccaa, "DHE-RSA-CHACHA20-POLY1305"),
    ours(0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ours(0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"),
    ours(0x009e, "DHE-RSA-AES128-GCM-SHA256"),
    ours(0xc024, "ECDHE-ECDSA-AES256-SHA384"),
    ours(0xc028, "ECDHE-RSA-AES256-SHA384"),
    ours(0x006b, "DHE-RSA-AES256-SHA256"),
    ours(0xc023, "ECDHE-ECDSA-AES128-SHA256"),
    ours(0xc027, "ECDHE-RSA-AES128-SHA256"),
    ours(0x0067, "DHE-RSA-AES128-SHA256"),
    ours(0xc00a, "ECDHE-ECDSA-AES256-SHA"),
    ours(0xc014, "ECDHE-RSA-AES256-SHA"),
    ours(0x0039, "DHE-RSA-AES256-SHA"),
    ours(0xc009, "ECDHE-ECDSA-AES128-SHA"),
    ours(0xc013, "ECDHE-RSA-AES128-SHA"),
    ours(0x0033, "DHE-RSA-AES128-SHA"),
    ours(0x009d, "AES256-GCM-SHA384"),
    ours(0x009c, "AES128-GCM-SHA256"),
    ours(0x003d, "AES256-SHA256"),
    ours(0x003c, "AES128-SHA256"),
    ours(0x0035, "AES256-SHA"),
    ours(0x002f, "AES128-SHA"),
    old(0xc0ad, "ECDHE-ECDSA-AES256-CCM"),
    old(0xc0ac, "ECDHE-ECDSA-AES128-CCM"),
    old(0xc09f, "DHE-RSA-AES256-CCM"),
    old(0xc09e, "DHE-RSA-AES128-CCM"),
    old(0xc09d, "AES256-CCM"),
    old(0xc09c, "AES128-CCM"),
    old(0xc061, "ECDHE-ARIA256-GCM-SHA384"),
    old(0xc060, "ECDHE-ARIA128-GCM-SHA256"),
    old(0xc077, "ECDHE-RSA-CAMELLIA256-SHA384"),
    old(0xc076, "ECDHE-RSA-CAMELLIA128-SHA256"),
    old(0x00c4, "DHE-RSA-CAMELLIA256-SHA256"),
    old(0x0088, "DHE-RSA-CAMELLIA256-SHA"),
    old(0x0045, "DHE-RSA-CAMELLIA128-SHA"),
    old(0x0084, "CAMELLIA256-SHA"),
    old(0x0041, "CAMELLIA128-SHA"),
    old(0x00a3, "DHE-DSS-AES256-GCM-SHA384"),
    old(0x00a2, "DHE-DSS-AES128-GCM-SHA256"),
    old(0x0038, "DHE-DSS-AES256-SHA"),
    old(0x0032, "DHE-DSS-AES128-SHA"),
    old(0x0096, "SEED-SHA"),
    old(0xc012, "ECDHE-RSA-DES-CBC3-SHA"),
    old(0x0016, "DHE-RSA-DES-CBC3-SHA"),
    old(0x000a, "DES-CBC3-SHA"),
    old(0xc011, "ECDHE-RSA-RC4-SHA"),
    old(0x0005, "RC4-SHA"),
    old(0x0004, "RC4-MD5"),
    old(0x0009, "DES-CBC-SHA"),
    old(0x0008, "EXP-DES-CBC-SHA"),
    old(0x0003, "EXP-RC4-MD5"),
    old(0xc010, "ECDHE-RSA-NULL-SHA"),
    old(0x003b, "NULL-SHA256"),
    old(0x0002, "NULL-SHA"),
    old(0x0001, "NULL-MD5"),
    old(0xccac, "ECDHE-PSK-CHACHA20-POLY1305"),
    old(0xc036, "ECDHE-PSK-AES256-CBC-SHA"),
    old(0xc035, "ECDHE-PSK-AES128-CBC-SHA"),
    old(0x00ab, "DHE-PSK-AES256-GCM-SHA384"),
    old(0x00aa, "DHE-PSK-AES128-GCM-SHA256"),
    old(0x00a9, "PSK-AES256-GCM-SHA384"),
    old(0x00a8, "PSK-AES128-GCM-SHA256"),
    old(0xc0a5, "PSK-AES256-CCM"),
    old(0xc0a4, "PSK-AES128-CCM"),
    old(0xc0a9, "PSK-AES256-CCM8"),
    old(0xc0a8, "PSK-AES128-CCM8"),
    old(0x008d, "PSK-AES256-CBC-SHA"),
    old(0x008c, "PSK-AES128-CBC-SHA"),
    old(0x00a7, "ADH-AES256-GCM-SHA384"),
    old(0x00a6, "ADH-AES128-GCM-SHA256"),
    old(0x006d, "ADH-AES256-SHA256"),
    old(0x006c, "ADH-AES128-SHA256"),
    old(0x003a, "ADH-AES256-SHA"),
    old(0x0034, "ADH-AES128-SHA"),
    old(0xc019, "AECDH-AES256-SHA"),
    old(0xc018, "AECDH-AES128-SHA"),
    old(0x001b, "ADH-DES-CBC3-SHA"),
    old(0x0018, "ADH-RC4-MD5"),
];
