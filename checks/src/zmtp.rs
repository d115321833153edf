//! ZMTP: does Gorgone answer, ready to take the central's orders?
//!
//! TCP 5556 by default. Half a greeting, then the peer's own, which names its
//! security mechanism before we commit to one; then the rest, and the peer's
//! READY with socket type and identity. We send no READY and no identity: a
//! router hands the place of a known identity over to whoever uses it last.
//!
//! Reference: [23/ZMTP](https://rfc.zeromq.org/spec/23/), [37/ZMTP](https://rfc.zeromq.org/spec/37/).

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Phase, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, FarStream, Stream};
use crate::recognise::{Spoken, instead_of};
use crate::wire::{self, Reader};
use crate::{Respond, Service};

/// Shakes hands until the peer has named itself; sends no message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        self.converse(stream, &mut ask.seen).await
    }

    async fn converse(&self, mut stream: Stream, seen: &mut Seen) -> Result<(), Cause> {
        let ours = Greeting::ours().encode();
        let (opening, rest) = ours.split_at(OPENING_LEN);
        stream.allow(GREETING);
        stream.send(opening).await?;
        let greeting = read_greeting(&mut stream, seen).await?;
        self.judge_greeting(&greeting, seen)?;
        stream.allow(READY);
        stream.send(rest).await?;
        let ready = read_ready(&mut stream).await?;
        stream.close().await;
        self.judge(&greeting, &ready, seen)
    }

    /// May the conversation go on? A peer with another mechanism would only hang up.
    #[allow(clippy::unused_self)] // The same shape as `judge`.
    fn judge_greeting(&self, greeting: &Greeting, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("zmtp_version", greeting.version());
        seen.evidence.set("mechanism", greeting.mechanism.as_str());
        if greeting.mechanism == NULL {
            return Ok(());
        }
        let (version, mechanism) = (greeting.version(), greeting.mechanism.clone());
        Err(Cause::ZmtpMechanism { version, mechanism })
    }

    /// Decides from socket type and identity: Gorgone has a fixed name.
    #[allow(clippy::unused_self)] // The same shape as its siblings.
    fn judge(&self, greeting: &Greeting, ready: &Ready, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("socket_type", ready.socket_type.as_str());
        seen.evidence.set("identity", ready.identity.as_str());
        if *ready != Ready::gorgone() {
            let Ready { socket_type, identity } = ready.clone();
            return Err(Cause::ZmtpOtherService { socket_type, identity });
        }
        seen.headline = format!("Gorgone, ZMTP {}", greeting.version());
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "zmq",
    port: 5556,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(10),
    question: None,
    probe: || crate::Probe::Zmq(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Shakes hands as Gorgone's library does: each part as soon as it may be sent.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let ours = Greeting::gorgone().encode();
    let (signature, rest) = ours.split_at(SIGNATURE_LEN);
    let (major, rest) = rest.split_at(1);
    stream.send(signature).await?;
    let mut theirs = stream.exactly(SIGNATURE_LEN).await?;
    stream.send(major).await?;
    theirs.extend(stream.exactly(1).await?);
    major_version(&theirs).map_err(io::Error::other)?;
    stream.send(rest).await?;
    theirs.extend(stream.exactly(GREETING_LEN - OPENING_LEN).await?);
    if Greeting::decode(&theirs).map_err(io::Error::other)?.mechanism != NULL {
        return Err(io::Error::other("a mechanism we do not have"));
    }
    stream.send(&Ready::gorgone().encode()).await?;
    stream.until_closed().await
}

/// The peer's greeting; what old peers say instead becomes a cause.
async fn read_greeting(stream: &mut Stream, seen: &mut Seen) -> Result<Greeting, Cause> {
    let mut bytes = match stream.exactly(Phase::Greeting, OPENING_LEN).await {
        Ok(opening) => opening,
        // A peer that speaks another protocol may stop before eleven bytes, or wait for a line.
        Err(cause) => {
            stream.draw_out(&cause).await;
            return Err(wrong_service(stream.head()).unwrap_or(cause));
        }
    };
    let major =
        major_version(&bytes).map_err(|cause| wrong_service(stream.head()).unwrap_or(cause))?;
    if let Some(version) = old_version(major) {
        seen.evidence.set("zmtp_version", version);
        return Err(Cause::ZmtpVersion { version: version.to_owned() });
    }
    bytes.extend(stream.exactly(Phase::Greeting, GREETING_LEN - OPENING_LEN).await?);
    Greeting::decode(&bytes)
}

fn wrong_service(head: &[u8]) -> Option<Cause> {
    instead_of("Gorgone (ZMTP)", Spoken::Zmtp, head)
}

/// The next frame, which must be a command (37/ZMTP, "framing").
async fn read_ready(stream: &mut Stream) -> Result<Ready, Cause> {
    let flags = stream.exactly(Phase::Reply, 1).await?;
    let width = match flags.as_slice() {
        [COMMAND] => 1,
        [LONG_COMMAND] => 8,
        other => return Err(Cause::bad_reply(A_READY, other)),
    };
    let announced = stream.exactly(Phase::Reply, width).await?;
    let length = announced.iter().fold(0_u64, |sum, &byte| (sum << 8) | u64::from(byte));
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_FRAME);
    let Some(length) = length else {
        return Err(Cause::bad_reply(A_READY, &[flags, announced].concat()));
    };
    Ready::decode(&stream.exactly(Phase::Reply, length).await?)
}

/// The eleventh byte, behind a signature whose eight inner bytes mean nothing:
/// libzmq puts a length there.
fn major_version(opening: &[u8]) -> Result<u8, Cause> {
    match opening {
        [0xff, _, _, _, _, _, _, _, _, 0x7f, major, ..] => Ok(*major),
        other => Err(Cause::bad_reply("a ZMTP greeting", other)),
    }
}

/// Before ZMTP 3 the eleventh byte was a revision, and what follows it differs.
fn old_version(major: u8) -> Option<&'static str> {
    match major {
        0 => Some("1.0"),
        1 | 2 => Some("2.0"),
        _ => None,
    }
}

/// The 64 bytes each side sends first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Greeting {
    /// The eight bytes of the signature that mean nothing.
    padding: u64,
    major: u8,
    minor: u8,
    mechanism: String,
}

impl Greeting {
    /// As old as NULL itself, so that no peer of version 3 feels left behind.
    fn ours() -> Self {
        Self { padding: 0, major: 3, minor: 0, mechanism: NULL.to_owned() }
    }

    fn gorgone() -> Self {
        let padding = GORGONE.len() as u64 + 1;
        Self { padding, minor: 1, ..Self::ours() }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Cause> {
        let major = major_version(bytes)?;
        let mut reader = Reader::new(bytes, "a ZMTP greeting");
        let _signature_start = reader.u8()?;
        let padding = reader.u64()?;
        let _signature_end_and_major = reader.u16()?;
        let minor = reader.u8()?;
        let mechanism = reader.take(MECHANISM_LEN)?;
        let _as_server_and_filler = reader.take(32)?;
        let name = mechanism.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Self { padding, major, minor, mechanism: wire::clean(name, MECHANISM_LEN) })
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0xff];
        bytes.extend(self.padding.to_be_bytes());
        bytes.extend([0x7f, self.major, self.minor]);
        bytes.extend(self.mechanism.bytes().take(MECHANISM_LEN));
        bytes.resize(GREETING_LEN, 0);
        bytes
    }

    fn version(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

/// What a peer says of itself once the mechanism is agreed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ready {
    socket_type: String,
    identity: String,
}

impl Ready {
    fn gorgone() -> Self {
        Self { socket_type: "ROUTER".to_owned(), identity: GORGONE.to_owned() }
    }

    /// The body of a READY command; properties we do not know are passed over.
    fn decode(body: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(body, A_READY);
        let length = reader.u8()?;
        match reader.take(length.into())? {
            b"READY" => {}
            b"ERROR" => {
                let length = reader.u8()?;
                let reason = wire::clean(reader.take(length.into())?, 80);
                return Err(Cause::BadReply { expected: A_READY, got: format!("ERROR {reason}") });
            }
            _ => return Err(Cause::bad_reply(A_READY, body)),
        }
        let mut ready = Self::default();
        while !reader.is_empty() {
            let length = reader.u8()?;
            let name = reader.take(length.into())?;
            let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
            let value = wire::clean(reader.take(length)?, MAX_VALUE);
            if name.eq_ignore_ascii_case(SOCKET_TYPE) {
                ready.socket_type = value;
            } else if name.eq_ignore_ascii_case(IDENTITY) {
                ready.identity = value;
            }
        }
        Ok(ready)
    }

    /// The whole frame of a READY command.
    fn encode(&self) -> Vec<u8> {
        let mut body = b"\x05READY".to_vec();
        for (name, value) in [(SOCKET_TYPE, &self.socket_type), (IDENTITY, &self.identity)] {
            body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            body.extend(name);
            body.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            body.extend(value.bytes());
        }
        let mut frame = vec![COMMAND, u8::try_from(body.len()).unwrap_or(u8::MAX)];
        frame.extend(body);
        frame
    }
}

/// A libzmq peer greets at once; this leaves room for a lost packet.
const GREETING: Duration = Duration::from_secs(3);
const READY: Duration = Duration::from_secs(3);
const SIGNATURE_LEN: usize = 10;
/// Signature and major version: enough to be told the whole greeting.
const OPENING_LEN: usize = 11;
const GREETING_LEN: usize = 64;
const MECHANISM_LEN: usize = 20;
/// The longest READY taken; libzmq's has about 60 bytes.
const MAX_FRAME: usize = 8 * 1024;
/// An identity has at most 255 bytes (28/REQREP).
const MAX_VALUE: usize = 255;
const COMMAND: u8 = 0x04;
const LONG_COMMAND: u8 = 0x06;
const NULL: &str = "NULL";
/// The identity of every Gorgone's external socket.
const GORGONE: &str = "router-external";
const SOCKET_TYPE: &[u8] = b"Socket-Type";
const IDENTITY: &[u8] = b"Identity";
const A_READY: &str = "a ZMTP READY command";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Deadline;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// As a real Gorgone sends it.
    const GORGONE_READY: &[u8] = b"\x04\x38\x05READY\
        \x0bSocket-Type\0\0\0\x06ROUTER\
        \x08Identity\0\0\0\x0frouter-external";

    fn pair() -> (Stream, DuplexStream) {
        let (near, far) = duplex(64 * 1024);
        let to = ([192, 0, 2, 1], 5556).into();
        (Stream::over(Box::new(near), to, Deadline::after(Duration::from_secs(9))), far)
    }

    /// The verdict on a peer that says all of `bytes` and hangs up.
    async fn verdict(bytes: &[u8]) -> (Result<(), Cause>, Seen) {
        let (near, mut far) = pair();
        let mut seen = Seen::default();
        let speak = async {
            far.write_all(bytes).await.unwrap();
            far.shutdown().await.unwrap();
            // What we send is of no interest, but must find a reader.
            let _ = far.read_to_end(&mut Vec::new()).await;
        };
        let probe = Probe::default();
        let (verdict, ()) = tokio::join!(probe.converse(near, &mut seen), speak);
        (verdict, seen)
    }

    fn greeting(mechanism: &str) -> Vec<u8> {
        Greeting { mechanism: mechanism.to_owned(), ..Greeting::gorgone() }.encode()
    }

    async fn after_greeting(frame: &[u8]) -> Cause {
        let bytes = [&greeting("NULL"), frame].concat();
        verdict(&bytes).await.0.unwrap_err()
    }

    #[tokio::test]
    async fn probe_and_responder_understand_each_other() {
        let (near, far) = pair();
        let mut seen = Seen::default();
        let probe = Probe::default();
        let far = FarStream::new(Box::new(far), None);
        let (verdict, answered) = tokio::join!(probe.converse(near, &mut seen), respond(far));
        assert_eq!(verdict, Ok(()));
        answered.unwrap();
        assert_eq!(seen.headline, "Gorgone, ZMTP 3.1");
        assert_eq!(seen.evidence.fact("mechanism"), Some(&"NULL".into()));
        assert_eq!(seen.evidence.fact("identity"), Some(&"router-external".into()));
    }

    #[tokio::test]
    async fn we_send_a_greeting_and_nothing_else() {
        let (near, mut far) = pair();
        let bytes = [&greeting("NULL"), GORGONE_READY].concat();
        far.write_all(&bytes).await.unwrap();
        let mut seen = Seen::default();
        Probe::default().converse(near, &mut seen).await.unwrap();
        let mut said = Vec::new();
        far.read_to_end(&mut said).await.unwrap();
        let mut expected = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL".to_vec();
        expected.resize(64, 0);
        assert_eq!(said, expected);
    }

    #[tokio::test]
    async fn only_eleven_bytes_leave_before_the_mechanism_is_known() {
        let (near, mut far) = pair();
        far.write_all(&greeting("CURVE")).await.unwrap();
        let mut seen = Seen::default();
        let cause = Probe::default().converse(near, &mut seen).await.unwrap_err();
        let (version, mechanism) = ("3.1".to_owned(), "CURVE".to_owned());
        assert_eq!(cause, Cause::ZmtpMechanism { version, mechanism });
        let mut said = Vec::new();
        far.read_to_end(&mut said).await.unwrap();
        assert_eq!(said.len(), OPENING_LEN);
    }

    #[test]
    fn the_ready_of_gorgone_is_read_and_written_byte_for_byte() {
        assert_eq!(Ready::gorgone().encode(), GORGONE_READY);
        assert_eq!(Ready::decode(&GORGONE_READY[2..]).unwrap(), Ready::gorgone());
    }

    #[tokio::test]
    async fn other_zeromq_services_are_named() {
        let publisher = Ready { socket_type: "PUB".to_owned(), identity: String::new() };
        let other = Ready { identity: "router-internal".to_owned(), ..Ready::gorgone() };
        for ready in [publisher, other, Ready::default()] {
            let Ready { socket_type, identity } = ready.clone();
            let cause = after_greeting(&ready.encode()).await;
            assert_eq!(cause, Cause::ZmtpOtherService { socket_type, identity });
        }
    }

    #[tokio::test]
    async fn older_peers_are_told_by_their_version() {
        for (revision, version) in [(0, "1.0"), (1, "2.0"), (2, "2.0")] {
            let bytes = [b"\xff\0\0\0\0\0\0\0\x01\x7f".as_slice(), &[revision, 5]].concat();
            let (verdict, seen) = verdict(&bytes).await;
            assert_eq!(verdict, Err(Cause::ZmtpVersion { version: version.to_owned() }));
            assert_eq!(seen.evidence.fact("zmtp_version"), Some(&version.into()));
        }
    }

    #[tokio::test]
    async fn another_protocol_is_named_even_when_it_is_short() {
        for (bytes, word) in [(b"220 mx ESMTP\r\n".as_slice(), "SMTP"), (b"+OK\r\n", "POP3")] {
            let cause = verdict(bytes).await.0.unwrap_err();
            assert_eq!(cause.code(), "wrong-service");
            assert!(cause.to_string().contains(word), "{cause}");
        }
    }

    #[tokio::test]
    async fn every_truncation_of_the_conversation_ends_with_a_hang_up() {
        let whole = [&greeting("NULL"), GORGONE_READY].concat();
        for length in 0..whole.len() {
            let cause = verdict(&whole[..length]).await.0.unwrap_err();
            assert_eq!(cause.code(), "hung-up", "{length} bytes");
        }
        assert_eq!(verdict(&whole).await.0, Ok(()));
    }

    #[test]
    fn every_truncation_of_a_message_is_a_bad_reply() {
        let greeting = greeting("NULL");
        for length in 0..GREETING_LEN {
            let cause = Greeting::decode(&greeting[..length]).unwrap_err();
            assert_eq!(cause.code(), "bad-reply", "{length} bytes");
        }
        let body = &GORGONE_READY[2..];
        let between_properties = [6, 28];
        for length in (0..body.len()).filter(|length| !between_properties.contains(length)) {
            let cause = Ready::decode(&body[..length]).unwrap_err();
            assert_eq!(cause.code(), "bad-reply", "{length} bytes");
        }
    }

    #[tokio::test]
    async fn a_frame_that_announces_too_much_is_refused_before_it_is_read() {
        let huge = [&[LONG_COMMAND][..], &u64::MAX.to_be_bytes()].concat();
        let above = [&[LONG_COMMAND][..], &8193_u64.to_be_bytes(), &[0; 8193]].concat();
        for frame in [huge, above] {
            let cause = after_greeting(&frame).await;
            assert_eq!(cause, Cause::bad_reply(A_READY, &frame[..9]));
        }
    }

    #[tokio::test]
    async fn a_long_ready_is_read_like_a_short_one() {
        let body = &GORGONE_READY[2..];
        let frame = [&[LONG_COMMAND][..], &(body.len() as u64).to_be_bytes(), body].concat();
        let bytes = [&greeting("NULL"), frame.as_slice()].concat();
        assert_eq!(verdict(&bytes).await.0, Ok(()));
    }

    #[tokio::test]
    async fn a_message_or_an_error_is_no_ready() {
        let message = after_greeting(b"\0\x05hello").await;
        assert_eq!(message, Cause::bad_reply(A_READY, &[0]));
        let error = after_greeting(b"\x04\x0a\x05ERROR\x03400").await;
        let got = "ERROR 400".to_owned();
        assert_eq!(error, Cause::BadReply { expected: A_READY, got });
    }

    #[test]
    fn names_of_a_hostile_peer_are_bounded_and_escaped() {
        let identity = "\u{1b}[2J".repeat(500);
        let mut body = b"\x05READY\x08identity".to_vec();
        body.extend(u32::try_from(identity.len()).unwrap().to_be_bytes());
        body.extend(identity.bytes());
        let ready = Ready::decode(&body).unwrap();
        assert!(ready.identity.len() < 2 * MAX_VALUE);
        assert!(ready.identity.starts_with("\\x1b[2J"), "{}", ready.identity);
    }
}
