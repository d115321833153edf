//! ZMTP: does Gorgone answer, ready to take the central's orders?
//!
//! TCP 5556 by default; `zmq-router` asks the same of a router whose socket has no name, as the one of
//! Centreon's connector for `VMware` on 5700. Half a greeting, then the peer's own, which names its
//! security mechanism before we commit to one; then the rest, and the peer's
//! READY with socket type and identity. We send no READY and no identity: a
//! router hands the place of a known identity over to whoever uses it last.
//!
//! Reference: [23/ZMTP](https://rfc.zeromq.org/spec/23/), [37/ZMTP](https://rfc.zeromq.org/spec/37/).

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use crate::cause::{Cause, GorgoneCause, Phase, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, FarStream, IdleWords, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Shakes hands until the peer has named itself; sends no message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Whose socket it should be.
    pub of: ZmtpOwner,
}

/// Whose socket a router is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZmtpOwner {
    /// Gorgone's, which has a fixed name.
    #[default]
    Gorgone,
    /// Of a program whose socket has no name, as Centreon's connector for `VMware`.
    Nobody,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        self.converse(stream, &mut ask.seen).await
    }

    async fn converse(&self, mut stream: Stream, seen: &mut Seen) -> Result<(), Cause> {
        let ours = ZmtpGreeting::ours().encode();
        let (opening, rest) = ours.split_at(OPENING_LEN);
        stream.allow(GREETING);
        stream.send(opening).await?;
        let greeting = read_greeting(&mut stream, seen).await?;
        self.judge_greeting(&greeting, seen)?;
        stream.came("its greeting");
        stream.asks("the rest of ours");
        stream.allow(READY);
        stream.send(rest).await?;
        let ready = read_ready(&mut stream).await?;
        stream.close().await;
        self.judge(&greeting, &ready, seen)
    }

    /// May the conversation go on? A peer with another mechanism would only hang up.
    fn judge_greeting(&self, greeting: &ZmtpGreeting, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("zmtp_version", greeting.version());
        seen.evidence.set("mechanism", greeting.mechanism.as_str());
        if greeting.mechanism == NULL {
            return Ok(());
        }
        let (version, mechanism) = (greeting.version(), greeting.mechanism.clone());
        Err(Cause::Gorgone(GorgoneCause::ZmtpMechanism { version, mechanism }))
    }

    /// Decides from socket type and identity: Gorgone has a fixed name, other routers none.
    fn judge(&self, greeting: &ZmtpGreeting, ready: &Ready, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("socket_type", ready.socket_type.as_str());
        seen.evidence.set("identity", ready.identity.as_str());
        let (expected, what) = match self.of {
            ZmtpOwner::Gorgone => (Ready::gorgone(), "Gorgone"),
            ZmtpOwner::Nobody => (Ready::nameless(), "a router of ZeroMQ without a name"),
        };
        if *ready != expected {
            let Ready { socket_type, identity } = ready.clone();
            return Err(Cause::Gorgone(GorgoneCause::ZmtpOtherService { socket_type, identity }));
        }
        seen.headline = format!("{what}, ZMTP {}", greeting.version());
        Ok(())
    }

    pub(crate) fn service(&self) -> &'static Service {
        match self.of {
            ZmtpOwner::Gorgone => &SERVICE,
            ZmtpOwner::Nobody => &SERVICE_ROUTER,
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "zmq",
    title: "ZMQ",
    expected: "Gorgone (ZMTP)",
    spoken: Spoken::Zmtp,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 5556,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(10),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Zmq(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

pub(crate) const SERVICE_ROUTER: Service = Service {
    name: "zmq-router",
    title: "ZeroMQ",
    expected: "a router of ZeroMQ (ZMTP)",
    port: 5700,
    probe: || crate::Probe::Zmq(Probe { of: ZmtpOwner::Nobody }),
    respond: Respond::Stream(|stream| Box::pin(respond_as(stream, Ready::nameless()))),
    ..SERVICE
};

/// Shakes hands as Gorgone's library does.
async fn respond(stream: FarStream) -> io::Result<()> {
    respond_as(stream, Ready::gorgone()).await
}

/// Shakes hands as the library does: each part as soon as it may be sent.
async fn respond_as(mut stream: FarStream, ready: Ready) -> io::Result<()> {
    let ours = ZmtpGreeting::gorgone().encode();
    let (signature, rest) = ours.split_at(SIGNATURE_LEN);
    let (major, rest) = rest.split_at(1);
    stream.send(signature).await?;
    let mut theirs = stream.exactly(SIGNATURE_LEN).await?;
    stream.send(major).await?;
    theirs.extend(stream.exactly(1).await?);
    major_version(&theirs).map_err(io::Error::other)?;
    stream.send(rest).await?;
    theirs.extend(stream.exactly(GREETING_LEN - OPENING_LEN).await?);
    if ZmtpGreeting::decode(&theirs).map_err(io::Error::other)?.mechanism != NULL {
        return Err(io::Error::other("a mechanism we do not have"));
    }
    stream.send(&ready.encode()).await?;
    stream.until_closed().await
}

/// A whole handshake of a socket without a name, which takes nobody's place, and a heartbeat behind the silence.
pub(super) fn idle_words() -> IdleWords {
    let mut first = ZmtpGreeting::ours().encode();
    first.extend(Ready { socket_type: "DEALER".to_owned(), identity: String::new() }.encode());
    IdleWords { first, again: PING.to_vec() }
}

/// The peer's greeting; what old peers say instead becomes a cause.
async fn read_greeting(stream: &mut Stream, seen: &mut Seen) -> Result<ZmtpGreeting, Cause> {
    let mut bytes = match stream.exactly(Phase::Greeting, OPENING_LEN).await {
        Ok(opening) => opening,
        // A peer that speaks another protocol may stop before eleven bytes, or wait for a line.
        Err(cause) => {
            stream.draw_out(&cause).await;
            return Err(other_service(stream.head()).unwrap_or(cause));
        }
    };
    let major =
        major_version(&bytes).map_err(|cause| other_service(stream.head()).unwrap_or(cause))?;
    if let Some(version) = old_version(major) {
        seen.evidence.set("zmtp_version", version);
        return Err(Cause::Gorgone(GorgoneCause::ZmtpVersion { version: version.to_owned() }));
    }
    bytes.extend(stream.exactly(Phase::Greeting, GREETING_LEN - OPENING_LEN).await?);
    ZmtpGreeting::decode(&bytes)
}

fn other_service(head: &[u8]) -> Option<Cause> {
    SERVICE.instead(head)
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
    let length = wire::length(&announced);
    if length > MAX_FRAME {
        return Err(Cause::bad_reply(A_READY, &[flags, announced].concat()));
    }
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
struct ZmtpGreeting {
    /// The eight bytes of the signature that mean nothing.
    padding: u64,
    major: u8,
    minor: u8,
    mechanism: String,
}

impl ZmtpGreeting {
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
    /// Of a program that gives its socket no name.
    fn nameless() -> Self {
        Self { identity: String::new(), ..Self::gorgone() }
    }

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
                return Err(Cause::Talk(TalkCause::BadReply {
                    expected: A_READY.into(),
                    got: format!("ERROR {reason}"),
                }));
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

/// A PING with a time to live of 0, and no context (37/ZMTP, "heartbeating").
const PING: &[u8] = b"\x04\x07\x04PING\0\0";
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
