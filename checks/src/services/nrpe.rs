//! NRPE: does the daemon answer a check's first words, and does it let this host ask?
//!
//! TCP 5666 by default. The client speaks first, inside TLS unless the daemon runs without. What is
//! asked is `_NRPE_CHECK`, which every daemon answers with its version and which runs no command. A
//! packet of version 2 goes first, since all daemons take it; after a hang-up versions 4 and 3.
//! Daemons as distributions ship them have no certificate and agree on anonymous Diffie-Hellman
//! alone, which rustls does not speak: there the handshake is followed as far as that agreement, and
//! nothing inside is asked. A daemon closes the connections of hosts that `allowed_hosts` does not
//! have before a word is said; that is looked at with a connection that stays silent.
//!
//! Reference: [NRPE](https://github.com/NagiosEnterprises/nrpe), `include/common.h` and `src/nrpe.c`.

use std::io;
use std::time::Duration;

use crate::cause::instead_of;
use crate::cause::{AgentCause, Cause, Concern, Phase, TalkCause, TlsCause, Transport};
use crate::evidence::Seen;
use crate::net::tls::{Look, Proof, Verify, proof, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Asks for the daemon's version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        let cause = match secure(stream, ask, Verify::AndReport, &[]).await {
            Ok(stream) => {
                let answer = in_any_version(stream, ask, NrpeCarrier::Tls).await?;
                return self.judge(&answer, NrpeCarrier::Tls, &mut ask.seen);
            }
            Err(cause) => cause,
        };
        match cause {
            // Only the first message is looked at: there is nobody to ask any more.
            cause if matches!(ask.look, Look::With(_) | Look::Agreed { .. }) => Err(cause),
            Cause::Tls(TlsCause::TlsRefused { .. } | TlsCause::TlsVersion { .. }) => {
                self.without_certificate(ask, cause).await
            }
            Cause::Talk(TalkCause::WrongService { spoken, head, .. }) => {
                Err(Cause::Talk(TalkCause::WrongService {
                    expected: EXPECTED.into(),
                    spoken,
                    head,
                }))
            }
            cause if is_silent(&cause) || is_hang_up(&cause) => {
                match self.in_plain_text(ask, cause.clone()).await {
                    // Whatever a conversation without time came to.
                    Err(_) if ask.deadline.is_over() => Err(cause),
                    verdict => verdict,
                }
            }
            cause => Err(cause),
        }
    }

    /// TLS met a silence or a hang-up: a daemon without TLS, or one that does not take this host?
    async fn in_plain_text(&self, ask: &mut Ask, in_tls: Cause) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        stream.allow(AT_ONCE);
        match stream.fill(Phase::Greeting).await {
            Err(Cause::Talk(TalkCause::Silent { .. })) => {}
            Err(Cause::Talk(TalkCause::HungUp { to, .. } | TalkCause::Reset { to, .. })) => {
                return Err(Cause::Agent(AgentCause::AgentNotAllowed {
                    to,
                    agent: EXPECTED.into(),
                    list: "allowed_hosts".into(),
                }));
            }
            Err(other) => return Err(other),
            Ok(_) => {
                let bad = || Cause::bad_reply(AN_ANSWER, stream.head());
                return Err(instead_of(EXPECTED, Spoken::Nrpe, stream.head()).unwrap_or_else(bad));
            }
        }
        match in_any_version(stream, ask, NrpeCarrier::Nothing).await {
            Ok(answer) => self.judge(&answer, NrpeCarrier::Nothing, &mut ask.seen),
            // A daemon hangs up on what it does not understand.
            Err(cause) if is_silent(&cause) => Err(in_tls),
            Err(cause) if is_hang_up(&cause) => self.without_certificate(ask, in_tls).await,
            Err(cause) => Err(cause),
        }
    }

    /// Does it agree on TLS without a certificate? `in_tls` is how the usual handshake failed.
    async fn without_certificate(&self, ask: &mut Ask, in_tls: Cause) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        match proof(stream, ask).await {
            Ok(Proof::Nothing) => self.judge_anonymous(&mut ask.seen),
            Ok(Proof::Certificate) | Err(_) => Err(in_tls),
        }
    }

    /// The daemon agrees on TLS as distributions ship it: that is all that could be heard.
    fn judge_anonymous(&self, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("tls", "anonymous Diffie-Hellman, no certificate");
        seen.concerns.push(Concern::NrpeAnonymous);
        "agrees on NRPE's TLS without a certificate".clone_into(&mut seen.headline);
        Ok(())
    }

    /// Any answer with a right checksum is the daemon's, whatever it says of the command.
    fn judge(
        &self,
        answer: &NrpeAnswer,
        inside: NrpeCarrier,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        seen.evidence.set("nrpe_packet", answer.version);
        seen.evidence.set("nrpe_result", answer.result);
        seen.evidence.set("nrpe_text", answer.text.as_str());
        let what = match answer.text.as_str() {
            "" => "NRPE".to_owned(),
            text if text.starts_with("NRPE v") => wire::short(text, SHOWN),
            text => format!("NRPE: {}", wire::short(text, SHOWN)),
        };
        let tls = seen.evidence.fact("tls_version").map(ToString::to_string);
        let how = match inside {
            NrpeCarrier::Tls => tls.unwrap_or_else(|| "TLS".to_owned()),
            NrpeCarrier::Nothing => {
                seen.concerns.push(Concern::NrpePlain);
                "in plain text".to_owned()
            }
        };
        seen.headline = format!("{what}, packets of version {}, {how}", answer.version);
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "nrpe",
    title: "NRPE",
    expected: EXPECTED,
    spoken: Spoken::Nrpe,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 5666,
    transport: Transport::Tcp,
    tls: true,
    budget: Duration::from_secs(30),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Nrpe(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Answers one query as version 4.1.0 does, in the version it was asked in.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let mut packet = stream.exactly(HEAD).await?;
    let [_, version, _, QUERY, ..] = packet[..] else {
        return Err(io::Error::other("no query of NRPE"));
    };
    let version = u16::from(version);
    let rest = if version == 2 {
        V2_LEN - HEAD
    } else {
        let more = stream.exactly(LONG_HEAD - HEAD).await?;
        let length = wire::length(more.get(2..).unwrap_or_default());
        packet.extend(more);
        length.min(MAX_TEXT)
    };
    packet.extend(stream.exactly(rest).await?);
    if !has_right_sum(&packet) {
        return Err(io::Error::other("a wrong checksum"));
    }
    let answer = packet_of(version, RESPONSE, EXAMPLE_VERSION.as_bytes());
    stream.send(&answer).await?;
    stream.close().await
}

/// What the packets travel in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NrpeCarrier {
    Tls,
    Nothing,
}

/// A daemon's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NrpeAnswer {
    /// The packet's version.
    version: u16,
    /// As a plugin ends: 0 is OK.
    result: u16,
    /// What it says, escaped.
    text: String,
}

/// Asks over `stream` in version 2, and after a hang-up without a word in the others, each time on
/// a new connection. The failure that is told is the first.
async fn in_any_version(
    stream: Stream,
    ask: &mut Ask,
    inside: NrpeCarrier,
) -> Result<NrpeAnswer, Cause> {
    let [first, later @ ..] = VERSIONS;
    let failed = match exchange(stream, first).await {
        Err(cause) if is_hang_up(&cause) => cause,
        other => return other,
    };
    for version in later {
        if ask.deadline.is_over() {
            break;
        }
        let concerns = ask.seen.concerns.len();
        let mut stream = ask.connect().await?;
        if inside == NrpeCarrier::Tls {
            stream = secure(stream, ask, Verify::AndReport, &[]).await?;
            // The certificate's concern is there already.
            ask.seen.concerns.truncate(concerns);
        }
        match exchange(stream, version).await {
            Err(cause) if is_hang_up(&cause) => {}
            other => return other,
        }
    }
    Err(failed)
}

async fn exchange(mut stream: Stream, version: u16) -> Result<NrpeAnswer, Cause> {
    stream.allow(REPLY);
    stream.asks("a query for the version");
    let sent = stream.send(&packet_of(version, QUERY, COMMAND)).await;
    match read(&mut stream).await {
        Ok(answer) => {
            stream.close().await;
            Ok(answer)
        }
        Err(cause) => Err(instead_of(EXPECTED, Spoken::Nrpe, stream.head())
            .unwrap_or_else(|| sent.err().unwrap_or(cause))),
    }
}

/// Reads one answer, of at most [`MAX_TEXT`] bytes.
async fn read(stream: &mut Stream) -> Result<NrpeAnswer, Cause> {
    let mut packet = stream.exactly(Phase::Reply, HEAD).await?;
    let mut head = Reader::new(&packet, AN_ANSWER);
    let (version, kind) = (head.u16()?, head.u16()?);
    let (_sum, result) = (head.u32()?, head.u16()?);
    if kind != u16::from(RESPONSE) || !VERSIONS.contains(&version) {
        return Err(head.malformed());
    }
    let length = if version == 2 {
        V2_LEN - HEAD
    } else {
        let more = stream.exactly(Phase::Reply, LONG_HEAD - HEAD).await?;
        let length = wire::length(more.get(2..).unwrap_or_default());
        packet.extend(more);
        length
    };
    if length > MAX_TEXT {
        return Err(Cause::bad_reply(AN_ANSWER, &packet));
    }
    let text = stream.exactly(Phase::Reply, length).await?;
    packet.extend(&text);
    if !has_right_sum(&packet) {
        return Err(Cause::bad_reply("an NRPE packet with a right checksum", &packet));
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(NrpeAnswer { version, result, text: wire::clean(text.trim_ascii(), TEXT) })
}

/// A whole packet.
///
/// Version 2: version, type, CRC-32, result, 1024 bytes of text, two of padding. Later ones have two
/// bytes of padding and a length before the text. In version 3 the sum counts three more bytes, which
/// are zero: the padding of the daemon's own structure.
fn packet_of(version: u16, kind: u8, text: &[u8]) -> Vec<u8> {
    let mut packet = version.to_be_bytes().to_vec();
    packet.extend([0, kind]);
    packet.extend([0; 6]);
    if version != 2 {
        let length = u32::try_from(text.len() + 1).unwrap_or_default();
        packet.extend([0, 0]);
        packet.extend(length.to_be_bytes());
    }
    packet.extend_from_slice(text);
    packet.push(0);
    if version == 2 {
        packet.resize(V2_LEN, 0);
    }
    let padding: &[u8] = if version == 3 { UNSENT } else { &[] };
    let sum = crc32(packet.iter().chain(padding)).to_be_bytes();
    for (slot, byte) in packet.iter_mut().skip(SUM_AT).zip(sum) {
        *slot = byte;
    }
    packet
}

/// Is the sum that of the packet, with or without the padding that is counted and not sent?
fn has_right_sum(packet: &[u8]) -> bool {
    let said = packet.get(SUM_AT..SUM_AT + 4).map(wire::length);
    let is_of_sum = |at: usize| (SUM_AT..SUM_AT + 4).contains(&at);
    let blank: Vec<u8> =
        packet.iter().enumerate().map(|(at, byte)| if is_of_sum(at) { 0 } else { *byte }).collect();
    let sums = [crc32(blank.iter()), crc32(blank.iter().chain(UNSENT))];
    sums.into_iter().any(|sum| said == usize::try_from(sum).ok())
}

/// The first words of a client that does without TLS.
pub(crate) fn first_words() -> Vec<u8> {
    packet_of(2, QUERY, COMMAND)
}

/// CRC-32 of IEEE 802.3, as NRPE counts it.
fn crc32<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

fn is_silent(cause: &Cause) -> bool {
    matches!(cause, Cause::Talk(TalkCause::Silent { .. }))
}

/// Did the peer close the connection before it said anything?
fn is_hang_up(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Talk(TalkCause::HungUp { received: 0, .. } | TalkCause::Reset { received: 0, .. })
            | Cause::Tls(TlsCause::TlsClosed { .. })
    )
}

const EXPECTED: &str = "NRPE";
const AN_ANSWER: &str = "an answer of NRPE";
/// All daemons take the first; NSClient++ may be set to take one only.
const VERSIONS: [u16; 3] = [2, 4, 3];
const QUERY: u8 = 1;
const RESPONSE: u8 = 2;
/// Asks for the version, and runs nothing.
const COMMAND: &[u8] = b"_NRPE_CHECK";
const EXAMPLE_VERSION: &str = "NRPE v4.1.0";
/// Version, type, sum and result.
const HEAD: usize = 10;
/// The same with padding and length.
const LONG_HEAD: usize = 16;
const V2_LEN: usize = 1036;
const SUM_AT: usize = 4;
/// Zero bytes that version 3 counts in its sum and does not send.
const UNSENT: &[u8] = &[0; 3];
/// The most that NRPE sends.
const MAX_TEXT: usize = 64 * 1024;
/// What is kept of its words, and shown in the headline.
const TEXT: usize = 200;
const SHOWN: usize = 40;
/// A daemon says its version at once.
const REPLY: Duration = Duration::from_secs(5);
/// A daemon that does not take this host hangs up as soon as it has accepted.
const AT_ONCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{damaged, ends, last_words};
    use proptest::prelude::*;

    fn judged(answer: &NrpeAnswer, inside: NrpeCarrier) -> Seen {
        let mut seen = Seen::default();
        assert_eq!(Probe::default().judge(answer, inside, &mut seen), Ok(()));
        seen
    }

    fn answer(version: u16, text: &str) -> NrpeAnswer {
        NrpeAnswer { version, result: 0, text: text.to_owned() }
    }

    #[test]
    fn crc_has_the_published_check_value() {
        assert_eq!(crc32(b"123456789".iter()), 0xcbf4_3926);
    }

    /// The sums that `check_nrpe` 4.1.0 and its daemon have sent over loopback.
    #[test]
    fn packets_are_those_of_the_original() {
        let four = packet_of(4, RESPONSE, b"NRPE v4.1.0");
        assert_eq!(four.get(..16), Some(&b"\0\x04\0\x02\x0d\xaa\xd2\x45\0\0\0\0\0\0\0\x0c"[..]));
        assert_eq!(four.len(), 28);
        let two = packet_of(2, RESPONSE, b"NRPE v4.1.0");
        assert_eq!(two.len(), V2_LEN);
        // check_nrpe fills the text of version 3 up with zeros, and counts all it sends.
        let mut filled = COMMAND.to_vec();
        filled.resize(1016, 0);
        let three = packet_of(3, QUERY, &filled);
        assert_eq!(three.get(4..8), Some(&[0x10, 0xe7, 0x5a, 0xe5][..]));
    }

    #[tokio::test]
    async fn an_answer_of_each_version_is_read() {
        for version in VERSIONS {
            let words = packet_of(version, RESPONSE, b"NRPE v4.1.0");
            let heard = read(&mut last_words(&words).await).await;
            assert_eq!(heard, Ok(answer(version, "NRPE v4.1.0")));
        }
    }

    #[tokio::test]
    async fn a_query_a_wrong_sum_and_a_text_too_long_are_no_answers() {
        let mut wrong = packet_of(4, RESPONSE, b"x");
        wrong[5] ^= 1;
        let mut long = packet_of(4, RESPONSE, b"x");
        long[12] = 1;
        for words in [packet_of(2, QUERY, COMMAND), wrong, long] {
            let heard = read(&mut last_words(&words).await).await;
            assert_eq!(heard.unwrap_err().code(), "bad-reply");
        }
    }

    #[test]
    fn a_pass_shows_version_packets_and_what_they_travel_in() {
        let seen = judged(&answer(2, "NRPE v4.1.0"), NrpeCarrier::Nothing);
        assert_eq!(seen.headline, "NRPE v4.1.0, packets of version 2, in plain text");
        assert_eq!(seen.concerns, [Concern::NrpePlain]);
        // NSClient++ and daemons that do not know the command say so in words of their own.
        let seen = judged(&answer(4, "NRPE: Command '_NRPE_CHECK' not defined"), NrpeCarrier::Tls);
        assert!(seen.headline.starts_with("NRPE: NRPE: Command"), "{}", seen.headline);
        assert_eq!(seen.concerns, []);
        assert_eq!(
            judged(&answer(3, ""), NrpeCarrier::Tls).headline,
            "NRPE, packets of version 3, TLS"
        );
    }

    #[test]
    fn without_a_certificate_nothing_more_is_claimed() {
        let mut seen = Seen::default();
        assert_eq!(Probe::default().judge_anonymous(&mut seen), Ok(()));
        assert_eq!(seen.concerns, [Concern::NrpeAnonymous]);
        assert!(!seen.headline.contains("answers"), "{}", seen.headline);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(
            words in damaged(&packet_of(4, RESPONSE, b"NRPE v4.1.0")),
        ) {
            let heard = ends(&words, async |mut stream| read(&mut stream).await);
            prop_assert!(heard.is_err() || has_right_sum(&words) || words.len() > 28);
        }
    }
}
