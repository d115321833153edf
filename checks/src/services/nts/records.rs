//! The records in which a key server and its client agree (RFC 8915 §4).

use std::io;

use crate::cause::{Cause, NtpCause, Phase};
use crate::net::nts_keys::AES_SIV_CMAC_256;
use crate::net::{FarStream, Stream};
use crate::reader::Reader;
use crate::wire;

/// What a key server's answer comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Agreed {
    /// At least one.
    pub(super) cookies: Vec<Vec<u8>>,
    /// The time server, when it is another host: a name or an address.
    pub(super) server: Option<String>,
    /// Its port, when it is not the usual one.
    pub(super) port: Option<u16>,
}

/// `NTPv4` with AES-SIV-CMAC-256, which every server has to know.
pub(super) fn request() -> Vec<u8> {
    [
        record(CRITICAL | NEXT_PROTOCOL, &NTPV4.to_be_bytes()),
        record(CRITICAL | ALGORITHM, &AES_SIV_CMAC_256.to_be_bytes()),
        record(CRITICAL | END, &[]),
    ]
    .concat()
}

/// The server's answer, up to its end.
pub(super) async fn read(stream: &mut Stream) -> Result<Agreed, Cause> {
    let (mut records, mut total) = (Vec::new(), 0);
    loop {
        let head = stream.exactly(Phase::Reply, HEAD).await?;
        let mut reader = Reader::new(&head, EXPECTED);
        let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
        total += HEAD + length;
        if total > LONGEST {
            return Err(Cause::bad_reply(EXPECTED, stream.head()));
        }
        let body = stream.exactly(Phase::Reply, length).await?;
        if kind & !CRITICAL == END {
            return judge(&records);
        }
        records.push((kind, body));
    }
}

/// Decides from the records alone; those that are not critical and not known are passed over.
fn judge(records: &[(u16, Vec<u8>)]) -> Result<Agreed, Cause> {
    let mut agreed = Agreed::default();
    let (mut protocols, mut algorithms) = (None, None);
    for (kind, body) in records {
        let number = || Reader::new(body, EXPECTED).u16();
        match kind & !CRITICAL {
            ERROR => {
                let number = number()?;
                return Err(Cause::Ntp(NtpCause::NtsKeyError { number, warning: false }));
            }
            WARNING => {
                let number = number()?;
                return Err(Cause::Ntp(NtpCause::NtsKeyError { number, warning: true }));
            }
            NEXT_PROTOCOL => {
                protocols = Some(body.chunks_exact(2).any(|it| it == NTPV4.to_be_bytes()));
            }
            ALGORITHM => algorithms = Some(body.as_slice() == AES_SIV_CMAC_256.to_be_bytes()),
            // chrony's client too passes over those that are no whole words.
            COOKIE if (4..=LONGEST_COOKIE).contains(&body.len()) && body.len() % 4 == 0 => {
                agreed.cookies.push(body.clone());
            }
            SERVER => agreed.server = Some(host(body)?),
            PORT => agreed.port = Some(number()?),
            _ if kind & CRITICAL != 0 && kind & !CRITICAL > PORT => {
                let missing = format!(
                    "it insists on a record of type {}, which is of no standard",
                    kind & !CRITICAL
                );
                return Err(Cause::Ntp(NtpCause::NtsNoAgreement { missing }));
            }
            _ => {}
        }
    }
    let missing = match (protocols, algorithms) {
        (Some(true), Some(true)) if !agreed.cookies.is_empty() => return Ok(agreed),
        (Some(true), Some(true)) => "it gives no cookie",
        (Some(true), _) => "it does not take AES-SIV-CMAC-256, which every server must",
        _ => "it does not name NTPv4 as what the keys are for",
    };
    Err(Cause::Ntp(NtpCause::NtsNoAgreement { missing: missing.to_owned() }))
}

/// A name or an address, of letters that either may have.
fn host(body: &[u8]) -> Result<String, Cause> {
    let is_of_host = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:".contains(byte);
    let is_host = (1..=LONGEST_NAME).contains(&body.len()) && body.iter().all(is_of_host);
    if is_host {
        Ok(wire::clean(body, LONGEST_NAME))
    } else {
        Err(Cause::bad_reply("the time server's name in the answer of a key server", body))
    }
}

/// The far side's half: a request, up to its end.
///
/// # Errors
///
/// When it does not end, or the client is gone.
pub(super) async fn hear_request(stream: &mut FarStream) -> io::Result<()> {
    let mut total = 0;
    loop {
        let head = stream.exactly(HEAD).await?;
        let [kind, length] =
            [head.get(..2), head.get(2..)].map(|it| it.map(wire::length).unwrap_or_default());
        total += HEAD + length;
        if total > LONGEST {
            return Err(io::Error::other("the request does not end"));
        }
        stream.exactly(length).await?;
        if kind & usize::from(!CRITICAL) == usize::from(END) {
            return Ok(());
        }
    }
}

/// The far side's half: all that was asked for, one cookie, and the port of the time server.
pub(super) fn answer(cookie: &[u8], port: u16) -> Vec<u8> {
    [
        record(CRITICAL | NEXT_PROTOCOL, &NTPV4.to_be_bytes()),
        record(CRITICAL | ALGORITHM, &AES_SIV_CMAC_256.to_be_bytes()),
        record(COOKIE, cookie),
        record(CRITICAL | PORT, &port.to_be_bytes()),
        record(CRITICAL | END, &[]),
    ]
    .concat()
}

pub(super) fn record(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or_default();
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), body].concat()
}

const EXPECTED: &str = "the answer of a key server (NTS-KE)";
pub(super) const CRITICAL: u16 = 0x8000;
/// Types of records.
pub(super) const END: u16 = 0;
pub(super) const NEXT_PROTOCOL: u16 = 1;
pub(super) const ERROR: u16 = 2;
pub(super) const WARNING: u16 = 3;
pub(super) const ALGORITHM: u16 = 4;
pub(super) const COOKIE: u16 = 5;
pub(super) const SERVER: u16 = 6;
pub(super) const PORT: u16 = 7;
/// What the keys are for.
pub(super) const NTPV4: u16 = 0;
const HEAD: usize = 4;
/// As much as chrony's client reads; eight cookies take about 900 bytes.
const LONGEST: usize = 16_384;
/// As much as fits into a packet that no link has to cut.
const LONGEST_COOKIE: usize = 1_024;
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{damaged, ends, last_words};

    fn agreed() -> Vec<(u16, Vec<u8>)> {
        vec![
            (CRITICAL | NEXT_PROTOCOL, vec![0, 0]),
            (CRITICAL | ALGORITHM, vec![0, 15]),
            (COOKIE, vec![7; 100]),
            (COOKIE, vec![8; 100]),
        ]
    }

    #[test]
    fn the_request_is_the_one_of_the_standard() {
        assert_eq!(request(), [0x80, 1, 0, 2, 0, 0, 0x80, 4, 0, 2, 0, 15, 0x80, 0, 0, 0]);
    }

    #[tokio::test]
    async fn what_the_far_side_answers_is_read() {
        let mut stream = last_words(&answer(&[9; 64], 4123)).await;
        let expected = Agreed { cookies: vec![vec![9; 64]], server: None, port: Some(4123) };
        assert_eq!(read(&mut stream).await, Ok(expected));
    }

    #[test]
    fn cookies_and_another_time_server_are_taken() {
        let mut records = agreed();
        records.push((SERVER, b"2001:db8::7".to_vec()));
        records.push((0x4000, b"of no standard, and not critical".to_vec()));
        let found = judge(&records).unwrap();
        assert_eq!((found.cookies.len(), found.port), (2, None));
        assert_eq!(found.server.as_deref(), Some("2001:db8::7"));
    }

    #[test]
    fn an_error_a_warning_and_what_is_missing_have_names() {
        let no = |kind: u16| {
            agreed().into_iter().filter(|(it, _)| it & !CRITICAL != kind).collect::<Vec<_>>()
        };
        let with = |kind: u16, body: &[u8]| [vec![(kind, body.to_vec())], agreed()].concat();
        for (records, code, words) in [
            (with(CRITICAL | ERROR, &[0, 1]), "nts-key-error", "error 1 (bad request)"),
            (with(CRITICAL | ERROR, &[1, 0]), "nts-key-error", "error 256 (not one of"),
            (with(CRITICAL | WARNING, &[0, 9]), "nts-key-error", "warning 9"),
            (with(CRITICAL | ERROR, &[0]), "bad-reply", "key server"),
            (with(CRITICAL | 9, &[0]), "nts-no-agreement", "type 9"),
            (with(SERVER, b"a host"), "bad-reply", "name"),
            (no(COOKIE), "nts-no-agreement", "no cookie"),
            (no(ALGORITHM), "nts-no-agreement", "AES-SIV-CMAC-256"),
            (no(NEXT_PROTOCOL), "nts-no-agreement", "NTPv4"),
            (Vec::new(), "nts-no-agreement", "NTPv4"),
        ] {
            let cause = judge(&records).unwrap_err();
            assert_eq!(cause.code(), code, "{cause}");
            assert!(cause.to_string().contains(words), "{cause}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(words in damaged(&answer(&[7; 100], 123))) {
            let _agreed_or_not = ends(&words, async |mut stream| read(&mut stream).await);
        }
    }
}
