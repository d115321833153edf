//! The beginning of a handshake, by hand: what would OpenSSL's clients agree on with this server?
//!
//! rustls offers less than OpenSSL: no CBC, no Diffie-Hellman over a finite field, no RSA key
//! exchange. A server that takes only these is not broken. So after a refusal the same
//! question is put with OpenSSL's offer, and then with all there ever was; the answer to a
//! first message is in clear text, the certificate too before TLS 1.3. No key is agreed on,
//! and nothing else is said.
//!
//! Reference: [RFC 8446 §4.1](https://www.rfc-editor.org/rfc/rfc8446#section-4.1),
//! [RFC 5246 §7.4](https://www.rfc-editor.org/rfc/rfc5246#section-7.4).

use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::name;
use super::suites::{self, Suite};
use crate::cause::{Cause, Phase, TalkCause};
use crate::net::Stream;
use crate::reader::Reader;
use crate::wire;

/// What a first message offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repertoire {
    /// TLS 1.3 and 1.2 as OpenSSL's clients offer them by themselves.
    Openssl,
    /// Everything up to TLS 1.2, anonymous and broken suites too.
    Everything,
    /// The suites of TLS 1.3 that OpenSSL's clients do not offer by themselves.
    Ccm,
}

/// How a server answers the first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FirstAnswer {
    /// The server agrees to something offered.
    Agreed(Agreement),
    /// The server refuses, with this alert.
    Alert(AlertDescription),
}

/// What a server chose, and as much as it then says in clear text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreement {
    version: u16,
    suite: u16,
    group: Option<u16>,
    /// Bits of the prime, for Diffie-Hellman over a finite field.
    prime: Option<usize>,
    /// Does it answer our word about secure renegotiation?
    renegotiates_safely: bool,
    /// Its own first; empty in TLS 1.3, and without any in an anonymous suite.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Offers all of `from` to the server called `host` and reads its answer.
pub(crate) async fn ask(
    mut stream: Stream,
    host: &str,
    from: Repertoire,
) -> Result<FirstAnswer, Cause> {
    stream.send(&client_hello(host, from)).await?;
    let answer = read(&mut stream).await;
    stream.close().await;
    answer
}

/// The same, and leaves with a RST.
pub(super) async fn ask_and_reset(
    mut stream: Stream,
    host: &str,
    from: Repertoire,
) -> Result<FirstAnswer, Cause> {
    stream.leave_with_a_reset();
    stream.send(&client_hello(host, from)).await?;
    read(&mut stream).await
}

impl Agreement {
    /// Would OpenSSL's clients go on, at their usual security level?
    pub(super) fn is_enough_for_openssl(&self) -> bool {
        self.version >= TLS_1_2
            && Suite::of(self.suite).is_some_and(|suite| suite.by_openssl)
            && self.prime.is_none_or(|bits| bits >= LEAST_PRIME)
    }

    /// Has the server no certificate at all, as NRPE?
    pub(crate) fn is_anonymous(&self) -> bool {
        Suite::of(self.suite).is_some_and(Suite::is_anonymous)
    }

    /// "TLS 1.0", when that is too old to be spoken.
    pub(super) fn too_old(&self) -> Option<&'static str> {
        (self.version < TLS_1_2).then(|| version(self.version))
    }
}

impl std::fmt::Display for Agreement {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", version(self.version))?;
        if self.version >= TLS_1_3 {
            let unusual = Suite::of(self.suite).filter(|suite| !suite.by_openssl);
            if let Some(suite) = unusual {
                write!(out, " with {}", suite.name)?;
            }
            return match self.group {
                Some(group) if unusual.is_some() => {
                    write!(out, ", group {}", suites::group(group))
                }
                Some(group) => write!(out, " with the group {}", suites::group(group)),
                None => Ok(()),
            };
        }
        match Suite::of(self.suite) {
            Some(suite) => write!(out, " with {} ({})", suite.name, suite.words())?,
            None => write!(out, " with the suite {:#06x}", self.suite)?,
        }
        if let Some(bits) = self.prime {
            write!(out, ", {bits} bits")?;
        }
        match self.group {
            Some(group) if Suite::of(self.suite).is_some_and(Suite::is_modern) => {
                write!(out, ", group {}", suites::group(group))?;
            }
            _ => {}
        }
        match self.chain.first().and_then(|der| unusual_curve(der)) {
            Some(curve) => write!(out, ", certificate with a key on {curve}"),
            None => Ok(()),
        }
    }
}

/// The curve of a certificate's key, where it is none of those that clients usually offer.
fn unusual_curve(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = &certificate.public_key().algorithm;
    let curve = algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
    let is_of_a_curve = algorithm.algorithm.to_id_string() == EC_KEY;
    if !is_of_a_curve || USUAL_CURVES.contains(&curve.as_str()) {
        return None;
    }
    let known = CURVES.iter().find(|(oid, _)| *oid == curve);
    Some(known.map_or(curve.clone(), |(_, name)| (*name).to_owned()))
}

fn version(number: u16) -> &'static str {
    match number {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        TLS_1_2 => "TLS 1.2",
        TLS_1_3 => "TLS 1.3",
        _ => "another version",
    }
}

/// The whole record.
pub(crate) fn client_hello(host: &str, from: Repertoire) -> Vec<u8> {
    let mut body = TLS_1_2.to_be_bytes().to_vec();
    body.extend(rand::random::<[u8; 32]>());
    body.extend(short(&rand::random::<[u8; 32]>()));
    body.extend(long(&suites::offered(from).flat_map(u16::to_be_bytes).collect::<Vec<_>>()));
    // No compression.
    body.extend([1, 0]);
    body.extend(long(&extensions(host, from)));
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let message = [&[CLIENT_HELLO], length.get(1..).unwrap_or_default(), &body].concat();
    // The oldest version in the record's head: that is what all servers read.
    [&[HANDSHAKE, 3, 1][..], &long(&message)].concat()
}

fn extensions(host: &str, from: Repertoire) -> Vec<u8> {
    let numbers = |numbers: &[u16]| -> Vec<u8> {
        long(&numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>())
    };
    let mut all = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        all.extend(kind.to_be_bytes());
        all.extend(long(content));
    };
    if name::address(host).is_none() && !host.is_empty() {
        let entry = [&[0][..], &long(host.as_bytes())].concat();
        add(SERVER_NAME, &long(&entry));
    }
    // Extended master secret, encrypt then MAC, secure renegotiation: nothing is in them.
    add(23, &[]);
    add(22, &[]);
    add(RENEGOTIATION, &[0]);
    add(POINT_FORMATS, &short(&[0, 1, 2]));
    add(GROUPS, &numbers(suites::groups(from)));
    add(SIGNATURES, &numbers(suites::signatures(from)));
    let versions: &[u16] = match from {
        Repertoire::Openssl => &[TLS_1_3, TLS_1_2],
        Repertoire::Ccm => &[TLS_1_3],
        Repertoire::Everything => &[],
    };
    if !versions.is_empty() {
        let versions: Vec<u8> = versions.iter().flat_map(|v| v.to_be_bytes()).collect();
        add(VERSIONS, &short(&versions));
        // One mode: a ticket together with a new key.
        add(45, &short(&[1]));
        // Any 32 bytes are a key of this curve.
        let share = [&X25519.to_be_bytes()[..], &long(&rand::random::<[u8; 32]>())].concat();
        add(KEY_SHARE, &long(&share));
    }
    all
}

/// Reads until the server has chosen, and before TLS 1.3 until it has shown its certificate.
async fn read(stream: &mut Stream) -> Result<FirstAnswer, Cause> {
    let (mut chosen, mut messages, mut read) = (None, Vec::new(), 0);
    while read <= MAX_READ {
        let head = stream.exactly(Phase::Tls, 5).await?;
        let [kind, 3, _, high, low] = head[..] else {
            return Err(Cause::bad_reply(EXPECTED, &head));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_RECORD {
            return Err(Cause::bad_reply(EXPECTED, &head));
        }
        let content = stream.exactly(Phase::Tls, length).await?;
        read += head.len() + length;
        match (kind, content.as_slice()) {
            // A warning: the server goes on.
            (ALERT, [1, _]) => {}
            (ALERT, [_, alert, ..]) => {
                return Ok(FirstAnswer::Alert(AlertDescription::from(*alert)));
            }
            (HANDSHAKE, content) => messages.extend_from_slice(content),
            _ => return Err(Cause::bad_reply(EXPECTED, &head)),
        }
        while let Some((kind, body, behind)) = message(&messages) {
            let is_done = hear(kind, body, &mut chosen)?;
            messages = behind.to_vec();
            if let Some(agreement) = chosen.take_if(|_| is_done) {
                return Ok(FirstAnswer::Agreed(agreement));
            }
        }
    }
    Err(Cause::Talk(TalkCause::Endless {
        phase: Phase::Tls,
        limit: read,
        head: wire::head(stream.head()),
    }))
}

/// Takes one message of the server; `true`: nothing more will come in clear text.
fn hear(kind: u8, body: &[u8], chosen: &mut Option<Agreement>) -> Result<bool, Cause> {
    match (kind, chosen.as_mut()) {
        (SERVER_HELLO, None) => {
            let agreement = server_hello(body)?;
            let is_done = agreement.version >= TLS_1_3;
            *chosen = Some(agreement);
            return Ok(is_done);
        }
        (CERTIFICATE, Some(agreement)) => agreement.chain = certificates(body)?,
        (SERVER_KEY_EXCHANGE, Some(agreement)) => key_exchange(body, agreement),
        (SERVER_HELLO_DONE, Some(_)) => return Ok(true),
        // A status of the certificate, a wish for ours.
        (_, Some(_)) => {}
        (_, None) => return Err(Cause::bad_reply(EXPECTED, body)),
    }
    Ok(false)
}

/// Does a server of TLS 1.2 that begins with `head` know secure renegotiation (RFC 5746)?
///
/// `None`: it is of another version, or its choice is not whole there. OpenSSL 3's clients leave a
/// server that does not.
pub(super) fn renegotiates_safely(head: &[u8]) -> Option<bool> {
    let (&[HANDSHAKE, 3, _, _, _], content) = head.split_first_chunk()? else { return None };
    let (SERVER_HELLO, body, _) = message(content)? else { return None };
    let agreement = server_hello(body).ok()?;
    (agreement.version == TLS_1_2).then_some(agreement.renegotiates_safely)
}

/// The first handshake message, and what is behind it.
fn message(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, a, b, c], rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    let (body, behind) = rest.split_at_checked(length)?;
    Some((kind, body, behind))
}

fn server_hello(body: &[u8]) -> Result<Agreement, Cause> {
    let mut reader = Reader::new(body, EXPECTED);
    let mut version = reader.u16()?;
    let _random: [u8; 32] = reader.array()?;
    let session = reader.u8()?;
    reader.take(session.into())?;
    let suite = reader.u16()?;
    let _compression = reader.u8()?;
    let (mut group, mut renegotiates_safely) = (None, false);
    // Before TLS 1.3 there may be none.
    let length = reader.u16().unwrap_or_default();
    let mut extensions = Reader::new(reader.take(length.into())?, EXPECTED);
    while let Ok(kind) = extensions.u16() {
        let length = extensions.u16()?;
        let mut content = Reader::new(extensions.take(length.into())?, EXPECTED);
        match kind {
            VERSIONS => version = content.u16()?,
            KEY_SHARE => group = Some(content.u16()?),
            RENEGOTIATION => renegotiates_safely = true,
            _ => {}
        }
    }
    Ok(Agreement { version, suite, group, renegotiates_safely, ..Agreement::default() })
}

fn certificates(body: &[u8]) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let mut reader = Reader::new(body, EXPECTED);
    let three = |reader: &mut Reader<'_>| -> Result<usize, Cause> {
        let [a, b, c] = reader.array()?;
        Ok(usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX))
    };
    let length = three(&mut reader)?;
    let mut list = Reader::new(reader.take(length)?, EXPECTED);
    let mut chain = Vec::new();
    while let Ok(length) = three(&mut list) {
        chain.push(CertificateDer::from(list.take(length)?.to_vec()));
    }
    Ok(chain)
}

/// The group of an elliptic curve, or the size of the prime.
fn key_exchange(body: &[u8], agreement: &mut Agreement) {
    let suite = Suite::of(agreement.suite).filter(|suite| !suite.is_of_a_shared_key());
    let Some(suite) = suite else { return };
    let mut reader = Reader::new(body, EXPECTED);
    if suite.is_over_a_prime() {
        let prime = reader.u16().and_then(|length| reader.take(length.into()));
        let prime = prime.unwrap_or_default();
        let zeros = prime.iter().take_while(|byte| **byte == 0).count();
        agreement.prime = Some((prime.len() - zeros) * 8);
    } else if let (Ok(NAMED_CURVE), Ok(group)) = (reader.u8(), reader.u16()) {
        agreement.group = Some(group);
    }
}

/// Behind a length of one byte.
fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap_or_default()], bytes].concat()
}

/// Behind a length of two bytes.
fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes()[..], bytes].concat()
}

const EXPECTED: &str = "a TLS server's first message";
const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;
/// Record types.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// Handshake messages.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;
/// Extensions.
const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURES: u16 = 13;
const VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION: u16 = 0xff01;
const X25519: u16 = 0x001d;
/// RFC 8422 §5.4: the curve goes by its number.
const NAMED_CURVE: u8 = 3;
/// Keys on a curve (RFC 5480), and the curves' names.
const EC_KEY: &str = "1.2.840.10045.2.1";
const USUAL_CURVES: [&str; 3] = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];
const CURVES: [(&str, &str); 6] = [
    ("1.3.132.0.10", "secp256k1"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
];
/// Security level 2: "dh key too small" below.
const LEAST_PRIME: usize = 2_048;
/// RFC 5246 §6.2.3: a record's payload and what encryption may add.
const MAX_RECORD: usize = 16 * 1024 + 2_048;
/// A chain of certificates has ten thousand bytes.
const MAX_READ: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{damaged, ends};
    use proptest::prelude::*;

    /// One record with one handshake message in it.
    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[kind], &length[1..], body].concat();
        [&[HANDSHAKE, 3, 3][..], &long(&message)].concat()
    }

    fn chooses(suite: u16, extensions: &[u8]) -> Vec<u8> {
        let session = [0];
        let body = [&[3, 3][..], &[7; 32], &session, &suite.to_be_bytes(), &[0], &long(extensions)];
        record(SERVER_HELLO, &body.concat())
    }

    /// A server of TLS 1.2 with RSA key exchange and a certificate of three bytes.
    fn old_server() -> Vec<u8> {
        let certificate = [0, 0, 6, 0, 0, 3, 1, 2, 3];
        let [done, shows] = [record(SERVER_HELLO_DONE, &[]), record(CERTIFICATE, &certificate)];
        [chooses(0x002f, &[]), shows, done].concat()
    }

    fn answer(words: &[u8]) -> Result<FirstAnswer, Cause> {
        ends(words, async |stream| ask(stream, "web.example.org", Repertoire::Openssl).await)
    }

    fn agreed(words: &[u8]) -> Agreement {
        let Ok(FirstAnswer::Agreed(agreement)) = answer(words) else { panic!("it agrees") };
        agreement
    }

    #[test]
    fn what_an_old_server_chooses_is_read_with_its_certificate() {
        let agreement = agreed(&old_server());
        assert!(agreement.is_enough_for_openssl());
        assert_eq!(agreement.chain, [CertificateDer::from(vec![1, 2, 3])]);
        assert_eq!(agreement.to_string(), "TLS 1.2 with AES128-SHA (RSA key exchange)");
    }

    #[test]
    fn a_prime_that_is_too_short_is_too_little_for_openssl() {
        let words = |bits: usize| {
            let exchange = record(SERVER_KEY_EXCHANGE, &long(&vec![0xff; bits / 8]));
            [chooses(0x009e, &[]), exchange, record(SERVER_HELLO_DONE, &[])].concat()
        };
        assert!(agreed(&words(2_048)).is_enough_for_openssl());
        let short = agreed(&words(1_024));
        assert!(!short.is_enough_for_openssl());
        assert_eq!(
            short.to_string(),
            "TLS 1.2 with DHE-RSA-AES128-GCM-SHA256 (Diffie-Hellman over a finite field), 1024 bits"
        );
    }

    #[test]
    fn the_group_that_a_new_server_asks_for_is_named() {
        let version = [0, 43, 0, 2, 3, 4];
        let group = [0, 51, 0, 2, 0, 0x1e];
        let agreement = agreed(&chooses(0x1301, &[version, group].concat()));
        assert_eq!(agreement.to_string(), "TLS 1.3 with the group X448");
        assert!(agreement.is_enough_for_openssl() && agreement.chain.is_empty());
    }

    #[test]
    fn what_openssl_does_not_offer_by_itself_is_named() {
        let version = [0, 43, 0, 2, 3, 4];
        let group = [0, 51, 0, 2, 0, 0x1d];
        let agreement = agreed(&chooses(0x1304, &[version, group].concat()));
        assert_eq!(agreement.to_string(), "TLS 1.3 with TLS_AES_128_CCM_SHA256, group X25519");
        assert!(!agreement.is_enough_for_openssl());
        // The hint for the key stands before what else the server says of the exchange.
        let exchange = record(SERVER_KEY_EXCHANGE, &[0, 1, b'x', 0, 1, 5]);
        let words = [chooses(0x00aa, &[]), exchange, record(SERVER_HELLO_DONE, &[])].concat();
        let agreement = agreed(&words);
        let expected = "TLS 1.2 with DHE-PSK-AES128-GCM-SHA256 (a key that both know beforehand, no certificate)";
        assert_eq!(agreement.to_string(), expected);
        assert!(!agreement.is_enough_for_openssl() && !agreement.is_anonymous());
    }

    #[test]
    fn a_key_on_a_curve_that_clients_do_not_offer_is_named() {
        let params = rcgen::CertificateParams::default();
        let of = |algorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            params.self_signed(&key).unwrap().der().to_vec()
        };
        let usual = of(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(unusual_curve(&usual), None);
        assert_eq!(unusual_curve(&of(&rcgen::PKCS_ED25519)), None);
        // The names of both curves end in a byte of their own.
        let p256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let at = usual.windows(p256.len()).position(|part| part == p256).unwrap();
        let mut odd = usual.clone();
        odd[at + p256.len() - 1] = 1;
        assert_eq!(unusual_curve(&odd).as_deref(), Some("P-192"));
        assert_eq!(unusual_curve(b"0"), None);
    }

    #[test]
    fn a_server_without_a_certificate_and_one_that_is_too_old_are_told() {
        let anonymous = [chooses(0x006c, &[]), record(SERVER_HELLO_DONE, &[])].concat();
        assert!(agreed(&anonymous).is_anonymous());
        assert!(!agreed(&anonymous).is_enough_for_openssl());
        let mut old = old_server();
        // The version in the message, behind the heads of record and message.
        old[10] = 1;
        assert_eq!(agreed(&old).too_old(), Some("TLS 1.0"));
    }

    #[test]
    fn a_server_that_cannot_renegotiate_safely_is_known_by_its_choice() {
        let safe = [0xff, 1, 0, 1, 0];
        assert_eq!(renegotiates_safely(&chooses(0xc02f, &safe)), Some(true));
        assert_eq!(renegotiates_safely(&chooses(0xc02f, &[])), Some(false));
        let new = [0, 43, 0, 2, 3, 4];
        assert_eq!(renegotiates_safely(&chooses(0x1301, &new)), None, "TLS 1.3 has none at all");
        let whole = chooses(0xc02f, &safe);
        for length in 0..whole.len() {
            assert_eq!(renegotiates_safely(&whole[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn an_alert_is_an_answer_and_a_warning_is_none() {
        let warning = [ALERT, 3, 3, 0, 2, 1, 112];
        let fatal = [ALERT, 3, 3, 0, 2, 2, 40];
        let refused = FirstAnswer::Alert(AlertDescription::HandshakeFailure);
        assert_eq!(answer(&[&warning[..], &fatal].concat()), Ok(refused));
        assert_eq!(agreed(&[&warning[..], &old_server()].concat()), agreed(&old_server()));
    }

    #[test]
    fn every_truncation_is_a_hang_up() {
        let whole = old_server();
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length]).unwrap_err().code(), "hung-up", "{length} bytes");
        }
    }

    #[test]
    fn messages_without_end_end_at_the_bound() {
        let endless = [chooses(0x002f, &[]), record(CERTIFICATE, &[0; 3]).repeat(20_000)].concat();
        assert_eq!(answer(&endless).unwrap_err().code(), "endless");
    }

    #[test]
    fn the_first_message_is_a_record_that_names_the_host_and_no_address() {
        let named = client_hello("web.example.org", Repertoire::Openssl);
        let length = usize::from(u16::from_be_bytes([named[3], named[4]]));
        assert_eq!(named.len(), 5 + length);
        let says_the_name = |hello: &[u8]| hello.windows(15).any(|part| part == b"web.example.org");
        assert!(says_the_name(&named));
        let by_address = client_hello("192.0.2.1", Repertoire::Everything);
        assert!(!by_address.windows(9).any(|part| part == b"192.0.2.1"));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(words in damaged(&old_server())) {
            let _any_answer = (renegotiates_safely(&words), answer(&words));
        }
    }
}
