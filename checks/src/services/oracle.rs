//! Oracle: does the listener of an Oracle database answer?
//!
//! TCP 1521 by default. The client speaks first: a CONNECT packet of TNS that asks for nothing but
//! `COMMAND=ping`, as Oracle's own `tnsping` does. The listener refuses it politely, with its version
//! and its error 0. No session is begun and no database is named, so that a listener alone is proved.
//!
//! Reference: nobody has published TNS; the layout is the one of Wireshark's dissector
//! (`epan/dissectors/packet-tns.c`).

use std::io;
use std::time::Duration;

use crate::cause::instead_of;
use crate::cause::{Cause, Phase, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, FarStream, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Pings the listener; logs nobody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        self.converse(stream, &mut ask.seen).await
    }

    async fn converse(&self, mut stream: Stream, seen: &mut Seen) -> Result<(), Cause> {
        stream.allow(REPLY);
        stream.asks("a CONNECT of TNS");
        let mut packet = ask_once(&mut stream).await?;
        if packet.kind == RESEND {
            packet = ask_once(&mut stream).await?;
        }
        stream.close().await;
        self.judge(&packet, seen)
    }

    /// Decides from the listener's answer.
    fn judge(&self, packet: &TnsPacket, seen: &mut Seen) -> Result<(), Cause> {
        let answer = match packet.kind {
            REFUSE => "refuses a ping, as it should",
            ACCEPT => "accepts",
            REDIRECT => "points to another port",
            _ => return Err(Cause::bad_reply(AN_ANSWER, &packet.body)),
        };
        let text = String::from_utf8_lossy(&packet.body);
        if packet.kind == REFUSE && number(&text, "ERR=").is_none() {
            return Err(Cause::bad_reply(AN_ANSWER, &packet.body));
        }
        let version = number(&text, "VSNNUM=").map(version);
        if let Some(version) = &version {
            seen.evidence.set("version", version.as_str());
        }
        let error = number(&text, "ERR=").filter(|error| *error != 0);
        if let Some(error) = error {
            seen.evidence.set("tns_error", i64::from(error));
        }
        let version = version.map(|version| format!(" of Oracle {version}")).unwrap_or_default();
        let error = error.map(|error| format!(" (TNS-{error:05})")).unwrap_or_default();
        seen.headline = format!("a listener{version} {answer}{error}; no database was asked for");
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "oracle",
    title: "Oracle listener",
    expected: EXPECTED,
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 1521,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(10),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Oracle(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Refuses a ping as a listener of version 19 does.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let head = stream.exactly(HEAD).await?;
    let length = head.get(..2).map(wire::length).unwrap_or_default();
    if head.get(4) != Some(&CONNECT) || length > LONGEST {
        return Err(io::Error::other("no CONNECT"));
    }
    stream.exactly(length.saturating_sub(HEAD)).await?;
    stream.send(&refusal()).await?;
    stream.until_closed().await
}

fn refusal() -> Vec<u8> {
    let text = b"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=0)(ALIAS=LISTENER))";
    let length = u16::try_from(text.len()).unwrap_or_default().to_be_bytes();
    // The reasons of user and system, then the text's length.
    packet(REFUSE, &[&[0, 0][..], &length, text].concat())
}

/// A packet of TNS.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TnsPacket {
    kind: u8,
    body: Vec<u8>,
}

async fn ask_once(stream: &mut Stream) -> Result<TnsPacket, Cause> {
    let sent = stream.send(&packet(CONNECT, &connect())).await;
    let read = read(stream).await;
    if let Err(cause) = &read {
        stream.draw_out(cause).await;
        let instead = instead_of(EXPECTED, Spoken::Unknown, stream.head());
        // Whoever answered is judged by that, also when it was gone before all was said.
        let unsent = sent.err().filter(|_| stream.head().is_empty());
        return read.map_err(|cause| instead.or(unsent).unwrap_or(cause));
    }
    read
}

async fn read(stream: &mut Stream) -> Result<TnsPacket, Cause> {
    let head = stream.exactly(Phase::Reply, HEAD).await?;
    let mut reader = Reader::new(&head, AN_ANSWER);
    let (length, checksum, kind) = (usize::from(reader.u16()?), reader.u16()?, reader.u8()?);
    let is_answer = matches!(kind, ACCEPT | REFUSE | REDIRECT | RESEND);
    if !is_answer || checksum != 0 || !(HEAD..=LONGEST).contains(&length) {
        return Err(Cause::bad_reply(AN_ANSWER, stream.head()));
    }
    let mut body = stream.exactly(Phase::Reply, length - HEAD).await?;
    // A text that does not fit into the packet follows it, in one of its own.
    if kind == REFUSE && body.len() == REFUSE_HEAD {
        let told = body.get(2..).map(wire::length).unwrap_or_default();
        let more = stream.exactly(Phase::Reply, told.min(LONGEST)).await;
        body.extend(more.map_err(|cause| match cause {
            Cause::Talk(TalkCause::HungUp { .. }) => Cause::bad_reply(AN_ANSWER, &head),
            other => other,
        })?);
    }
    Ok(TnsPacket { kind, body })
}

/// Of version 314, as clients of every release from 8 on understand it.
fn connect() -> Vec<u8> {
    let data =
        b"(DESCRIPTION=(CONNECT_DATA=(CID=(PROGRAM=preflight)(HOST=)(USER=))(COMMAND=ping)))";
    let length = u16::try_from(data.len()).unwrap_or_default().to_be_bytes();
    [
        // Version, the oldest that will do, options.
        &[1, 58, 1, 44, 0, 0][..],
        // The units of session and transport, what the transport can do, turnaround, byte order.
        &[0x08, 0x00, 0x7f, 0xff, 0x7f, 0x08, 0, 0, 0, 1],
        &length,
        // Where the data begins, counted from the packet's first byte.
        &[0, 58],
        // How much of an answer is taken, flags, and what this client never asks for.
        &[0, 0, 0x08, 0x00, 0, 0],
        &[0; 24],
        data,
    ]
    .concat()
}

/// The packet's length, no checksum, its type, and no flags.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(HEAD + body.len()).unwrap_or_default().to_be_bytes();
    [&[high, low, 0, 0, kind, 0, 0, 0], body].concat()
}

/// The number behind `key` in the text of an answer.
fn number(text: &str, key: &str) -> Option<u32> {
    let (_, rest) = text.split_once(key)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// "19.0" of 318767104: since 18 the second byte is the release, before only half of it.
fn version(number: u32) -> String {
    let [major, second, ..] = number.to_be_bytes();
    let second = if major >= 18 { second } else { second >> 4 };
    format!("{major}.{second}")
}

const EXPECTED: &str = "an Oracle listener (TNS)";
const AN_ANSWER: &str = "an Oracle listener's answer to CONNECT (TNS)";
/// Types of packets.
const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;
const REDIRECT: u8 = 5;
const RESEND: u8 = 11;
const HEAD: usize = 8;
/// Two reasons, and the length of the text behind them.
const REFUSE_HEAD: usize = 4;
/// An answer has about 100 bytes.
const LONGEST: usize = 4 * 1024;
const REPLY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{damaged, ends, last_words};

    async fn heard(words: &[u8]) -> (Result<(), Cause>, Seen) {
        let mut seen = Seen::default();
        let stream = last_words(words).await;
        (Probe::default().converse(stream, &mut seen).await, seen)
    }

    fn refused(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        packet(REFUSE, &[&[34, 0][..], &length, text.as_bytes()].concat())
    }

    #[test]
    fn the_data_begins_where_the_packet_says() {
        let packet = packet(CONNECT, &connect());
        assert_eq!(usize::from(packet[1]), packet.len());
        let at = usize::from(packet[27]);
        assert!(packet[at..].starts_with(b"(DESCRIPTION="));
        assert_eq!(packet.len() - at, usize::from(packet[25]));
    }

    #[tokio::test]
    async fn a_refused_ping_passes_with_the_version_and_names_no_database() {
        let (verdict, seen) = heard(&refusal()).await;
        assert_eq!(verdict, Ok(()));
        let words =
            "a listener of Oracle 19.0 refuses a ping, as it should; no database was asked for";
        assert_eq!(seen.headline, words);
        let (verdict, seen) = heard(&refused("(DESCRIPTION=(VSNNUM=186647552)(ERR=1189))")).await;
        assert_eq!(verdict, Ok(()));
        assert!(seen.headline.contains("Oracle 11.2 ") && seen.headline.contains("(TNS-01189)"));
    }

    #[tokio::test]
    async fn a_listener_that_wants_it_again_is_asked_once_more() {
        let (verdict, _) = heard(&[packet(RESEND, b""), refusal()].concat()).await;
        assert_eq!(verdict, Ok(()));
        let twice = [packet(RESEND, b""), packet(RESEND, b"")].concat();
        assert_eq!(heard(&twice).await.0.unwrap_err().code(), "bad-reply");
    }

    #[tokio::test]
    async fn a_text_behind_its_packet_is_read() {
        let text = b"(DESCRIPTION=(ERR=12505))";
        let head = packet(REFUSE, &[34, 0, 0, 25]);
        let (verdict, seen) = heard(&[&head[..], text].concat()).await;
        assert_eq!(verdict, Ok(()));
        assert!(seen.headline.contains("(TNS-12505)"), "{}", seen.headline);
    }

    #[tokio::test]
    async fn other_packets_and_other_services_fail() {
        for (words, code) in [
            (packet(12, b"\0\0\x01"), "bad-reply"),
            (refused("no error in it"), "bad-reply"),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), "wrong-service"),
            (Vec::new(), "hung-up"),
        ] {
            assert_eq!(heard(&words).await.0.unwrap_err().code(), code);
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_reader_or_judge(words in damaged(&refusal())) {
            let mut seen = Seen::default();
            let probe = Probe::default();
            let passed = ends(&words, async |stream| probe.converse(stream, &mut seen).await);
            prop_assert!(passed.is_err() || !seen.headline.is_empty());
        }
    }
}
