//! BBDO packets: a 16-byte header with a checksum, and both codings of the greeting.

use std::fmt;

use crate::cause::{Cause, TalkCause};
use crate::reader::Reader;
use crate::wire::{self, crc16_x25};

pub(super) const HEADER_LEN: usize = 16;
/// The longest payload taken; a real welcome has some 60 bytes.
const MAX_PAYLOAD: usize = 8 * 1024;
/// This size means: not all of it, more follows in another packet.
const SPLIT: u16 = 0xffff;
const VERSION_RESPONSE: u32 = 0x0002_0001;
const WELCOME: u32 = 0x0002_0007;
const MAX_NAME: usize = 255;
const A_WELCOME: &str = "a BBDO welcome";

/// The extensions there are.
pub(super) const TLS: &str = "TLS";
pub(super) const COMPRESSION: &str = "COMPRESSION";

/// A greeting can be written in two ways; a broker answers in the one it was asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Three numbers and a text, the only one before BBDO 3.0.1.
    VersionResponse,
    /// A protobuf message.
    Welcome,
}

/// A version of BBDO; only the first number has to match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BbdoVersion {
    pub(super) major: u16,
    pub(super) minor: u16,
    pub(super) patch: u16,
}

impl BbdoVersion {
    pub(super) const TWO: Self = Self { major: 2, minor: 0, patch: 0 };
    /// The oldest that greets with a welcome.
    pub(super) const THREE: Self = Self { major: 3, minor: 0, patch: 1 };
}

impl fmt::Display for BbdoVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What comes before every payload; all of it big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BbdoHeader {
    pub(super) size: u16,
    /// Category and element.
    pub(super) event: u32,
    /// The sender's poller id.
    pub(super) source: u32,
    pub(super) destination: u32,
}

impl BbdoHeader {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(bytes, "a BBDO header");
        let checksum = reader.u16()?;
        let covered: [u8; HEADER_LEN - 2] = reader.array()?;
        if crc16_x25(&covered) != checksum {
            return Err(Cause::bad_reply("a BBDO header", bytes));
        }
        let mut reader = Reader::new(&covered, "a BBDO header");
        Ok(Self {
            size: reader.u16()?,
            event: reader.u32()?,
            source: reader.u32()?,
            destination: reader.u32()?,
        })
    }

    fn encode(self) -> Vec<u8> {
        let mut covered = self.size.to_be_bytes().to_vec();
        covered.extend(self.event.to_be_bytes());
        covered.extend(self.source.to_be_bytes());
        covered.extend(self.destination.to_be_bytes());
        let mut bytes = crc16_x25(&covered).to_be_bytes().to_vec();
        bytes.extend(covered);
        bytes
    }

    /// How many bytes follow; a greeting is never split and never long.
    pub(super) fn payload_len(self) -> Result<usize, Cause> {
        self.coding()?;
        let length = usize::from(self.size);
        if self.size == SPLIT || length > MAX_PAYLOAD {
            return Err(Cause::Talk(TalkCause::BadReply {
                expected: A_WELCOME.into(),
                got: format!("{length} bytes"),
            }));
        }
        Ok(length)
    }

    /// How the greeting behind this header is coded.
    pub(super) fn coding(self) -> Result<Coding, Cause> {
        match self.event {
            VERSION_RESPONSE => Ok(Coding::VersionResponse),
            WELCOME => Ok(Coding::Welcome),
            other => Err(Cause::Talk(TalkCause::BadReply {
                expected: A_WELCOME.into(),
                got: format!("event {other:#010x}"),
            })),
        }
    }
}

/// The number of a field that no welcome has.
const UNUSED: u8 = 15;

/// Who a peer is, from either coding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) version: BbdoVersion,
    /// Names separated by spaces: TLS, COMPRESSION.
    pub(super) extensions: String,
    pub(super) poller_id: u64,
    pub(super) poller_name: String,
    pub(super) broker_name: String,
    pub(super) peer_type: u64,
}

impl Welcome {
    /// A greeting that says nothing but a version: nobody gets registered.
    pub(super) fn of(version: BbdoVersion) -> Self {
        Self { version, ..Self::default() }
    }

    /// Is this extension among those it has?
    pub(super) fn offers(&self, extension: &str) -> bool {
        self.extensions.split_whitespace().any(|name| name == extension)
    }

    /// What the responder says of itself: by name no broker of anybody's.
    pub(super) fn responder() -> Self {
        Self {
            version: BbdoVersion { major: 3, minor: 1, patch: 0 },
            extensions: String::new(),
            poller_id: 1,
            poller_name: "preflight".to_owned(),
            broker_name: "preflight-responder".to_owned(),
            peer_type: 1,
        }
    }

    pub(super) fn decode(header: &BbdoHeader, payload: &[u8]) -> Result<Self, Cause> {
        match header.coding()? {
            Coding::VersionResponse => Self::from_version_response(header, payload),
            Coding::Welcome => Self::from_protobuf(payload),
        }
    }

    fn from_version_response(header: &BbdoHeader, payload: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(payload, "a BBDO version");
        let version =
            BbdoVersion { major: reader.u16()?, minor: reader.u16()?, patch: reader.u16()? };
        let extensions = wire::clean(reader.until(0)?, MAX_NAME);
        Ok(Self { version, extensions, poller_id: header.source.into(), ..Self::default() })
    }

    fn from_protobuf(message: &[u8]) -> Result<Self, Cause> {
        let mut welcome = Self::default();
        let mut reader = Reader::new(message, A_WELCOME);
        while !reader.is_empty() {
            match field(&mut reader)? {
                (1, ProtobufField::Bytes(version)) => welcome.version = version_message(version)?,
                (2, ProtobufField::Bytes(text)) => welcome.extensions = wire::clean(text, MAX_NAME),
                (3, ProtobufField::Number(id)) => welcome.poller_id = id,
                (4, ProtobufField::Bytes(name)) => {
                    welcome.poller_name = wire::clean(name, MAX_NAME);
                }
                (5, ProtobufField::Bytes(name)) => {
                    welcome.broker_name = wire::clean(name, MAX_NAME);
                }
                (6, ProtobufField::Number(kind)) => welcome.peer_type = kind,
                _ => {}
            }
        }
        if welcome.version == BbdoVersion::default() {
            return Err(Cause::bad_reply("a BBDO welcome with a version", message));
        }
        Ok(welcome)
    }

    /// The whole packet.
    pub(super) fn encode(&self, coding: Coding) -> Vec<u8> {
        self.encode_up_to(coding, 0)
    }

    /// The same, filled up to `least` bytes where the coding has room for what nobody reads: a field
    /// of a number that is not in use, which Protocol Buffers have a reader pass over.
    pub(super) fn encode_up_to(&self, coding: Coding, least: usize) -> Vec<u8> {
        let (event, payload) = match coding {
            Coding::VersionResponse => (VERSION_RESPONSE, self.to_version_response()),
            Coding::Welcome => {
                let mut message = self.to_protobuf();
                // The field's number and length have three bytes.
                let missing = least.saturating_sub(HEADER_LEN + message.len() + 3);
                if missing > 0 {
                    push_bytes(&mut message, UNUSED, &vec![0; missing]);
                }
                (WELCOME, message)
            }
        };
        let size = u16::try_from(payload.len()).unwrap_or(SPLIT);
        let source = u32::try_from(self.poller_id).unwrap_or_default();
        let mut packet = BbdoHeader { size, event, source, destination: 0 }.encode();
        packet.extend(payload);
        packet
    }

    fn to_version_response(&self) -> Vec<u8> {
        let BbdoVersion { major, minor, patch } = self.version;
        let mut payload: Vec<u8> =
            [major, minor, patch].iter().flat_map(|part| part.to_be_bytes()).collect();
        payload.extend(self.extensions.bytes());
        payload.push(0);
        payload
    }

    fn to_protobuf(&self) -> Vec<u8> {
        let BbdoVersion { major, minor, patch } = self.version;
        let mut version = Vec::new();
        for (number, part) in [(1, major), (2, minor), (3, patch)] {
            push_number(&mut version, number, part.into());
        }
        let mut message = Vec::new();
        push_bytes(&mut message, 1, &version);
        push_bytes(&mut message, 2, self.extensions.as_bytes());
        push_number(&mut message, 3, self.poller_id);
        push_bytes(&mut message, 4, self.poller_name.as_bytes());
        push_bytes(&mut message, 5, self.broker_name.as_bytes());
        push_number(&mut message, 6, self.peer_type);
        message
    }

    /// Empty when it says nothing of itself.
    pub(super) fn peer_type_name(&self) -> &'static str {
        match self.peer_type {
            0 => "",
            1 => "broker",
            2 => "engine",
            3 => "map",
            _ => "unknown",
        }
    }
}

/// A protobuf field's value, as far as a welcome needs them.
enum ProtobufField<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a wire type that no field we know has.
    Skipped,
}

/// Field number and value of the next field; every wire type but groups.
fn field<'a>(reader: &mut Reader<'a>) -> Result<(u64, ProtobufField<'a>), Cause> {
    let tag = varint(reader)?;
    let value = match tag & 0b111 {
        0 => ProtobufField::Number(varint(reader)?),
        1 => reader.take(8).map(|_| ProtobufField::Skipped)?,
        2 => {
            let length = usize::try_from(varint(reader)?).unwrap_or(usize::MAX);
            ProtobufField::Bytes(reader.take(length)?)
        }
        5 => reader.take(4).map(|_| ProtobufField::Skipped)?,
        _ => return Err(Cause::bad_reply(A_WELCOME, reader.rest())),
    };
    Ok((tag >> 3, value))
}

/// Seven bits a byte, lowest first; ten bytes at most.
fn varint(reader: &mut Reader<'_>) -> Result<u64, Cause> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Cause::bad_reply(A_WELCOME, reader.rest()))
}

fn version_message(message: &[u8]) -> Result<BbdoVersion, Cause> {
    let mut version = BbdoVersion::default();
    let mut reader = Reader::new(message, "a BBDO version");
    while !reader.is_empty() {
        let (number, ProtobufField::Number(part)) = field(&mut reader)? else { continue };
        let part = u16::try_from(part).unwrap_or(u16::MAX);
        match number {
            1 => version.major = part,
            2 => version.minor = part,
            3 => version.patch = part,
            _ => {}
        }
    }
    Ok(version)
}

/// A zero is not written, as protobuf has it.
fn push_number(to: &mut Vec<u8>, number: u8, value: u64) {
    if value != 0 {
        to.push(number << 3);
        push_varint(to, value);
    }
}

fn push_bytes(to: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        to.push(number << 3 | 2);
        push_varint(to, bytes.len() as u64);
        to.extend_from_slice(bytes);
    }
}

fn push_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    to.push(u8::try_from(value).unwrap_or_default());
}
