//! SNMP v3 engine discovery: is an SNMP engine there? Needs no credentials.
//!
//! An empty request to nobody; an engine answers it with a Report that carries
//! its id, boots and time. Agents and trap receivers do so whatever their
//! access rules say, and neither logs nor processes anything.
//!
//! Reference: [RFC 3414 §4](https://www.rfc-editor.org/rfc/rfc3414#section-4).

use std::fmt::Write;
use std::time::Duration;

use async_snmp::message::{MsgFlags, MsgGlobalData, ScopedPdu, V3Message};
use async_snmp::message_size::{MessageSize, UDP_RECEIVE_LIMITS};
use async_snmp::v3::{UsmSecurityParams, report_oids};
use async_snmp::{
    DecodeConfig, DiscoveredEngine, PduType, ResponsePdu, SecurityLevel, Value, VarBind,
};
use bytes::Bytes;

use super::vendor;
use crate::cause::{Cause, Concern, Millis, PathCause, RouteCause};
use crate::evidence::Seen;
use crate::net::Udp;

/// When to ask, and how long to listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) ask_at: &'static [Duration],
    pub(crate) listen: Duration,
}

/// What an engine says of itself before anybody has proved anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnmpEngine {
    /// Its id, 5 to 32 bytes.
    pub(super) id: Bytes,
    /// How often it was started.
    pub(super) boots: u32,
    /// Seconds since it was.
    pub(super) time: u32,
    /// The largest message it takes.
    pub(super) takes: MessageSize,
}

/// What discovery came to.
#[derive(Debug)]
pub(crate) enum Discovered {
    /// An engine answered.
    Engine(SnmpEngine),
    /// Nothing came back, or nothing that is SNMP: how that began.
    Nothing(Option<Cause>),
}

/// Asks for the engine; a refusal is an error, silence is not.
pub(crate) async fn discover(
    socket: &Udp,
    schedule: Schedule,
    seen: &mut Seen,
) -> Result<Discovered, Cause> {
    let id = message_id();
    let question = request(id).ok_or_else(|| unencodable("the discovery request"))?;
    let mut stray = None;
    let accept = |bytes: &[u8]| {
        let Some((answers, engine)) = report(bytes) else {
            stray.get_or_insert_with(|| Cause::bad_reply("an SNMPv3 Report", bytes));
            return None;
        };
        (answers == id).then_some(engine)
    };
    let asked = socket.exchange(&question, schedule.ask_at, schedule.listen, accept).await;
    let answered = match asked {
        Err(Cause::Path(PathCause::NoAnswer { .. })) => return Ok(Discovered::Nothing(stray)),
        other => other?,
    };
    seen.evidence.set("round_trip_ms", Millis(answered.round_trip));
    if !answered.reply.stands_in() {
        note_tries(answered.tries, socket, seen);
    }
    answered.reply.record(seen);
    Ok(Discovered::Engine(answered.reply))
}

/// Asks for the engine up to `most` times more, one after the other, and counts the answers; ends
/// with the first that is missing.
///
/// Nobody logs or counts these, other than questions with a community.
pub(super) async fn count(socket: &Udp, most: usize) -> (usize, usize) {
    let mut answered = 0;
    for asked in 1..=most {
        let id = message_id();
        let Some(question) = request(id) else { return (answered, asked) };
        let accept = |bytes: &[u8]| report(bytes).filter(|(answers, _)| *answers == id);
        let once = [Duration::ZERO];
        if socket.exchange(&question, &once, COUNTED_WITHIN, accept).await.is_err() {
            return (answered, asked);
        }
        answered += 1;
    }
    (answered, most)
}

/// Is this an engine's Report, to whatever question?
pub(super) fn is_report(bytes: &[u8]) -> bool {
    report(bytes).is_some()
}

/// An answer that came only when asked again is worth a word, once; unless the
/// first time was not heard because it came from elsewhere.
pub(super) fn note_tries(tries: usize, socket: &Udp, seen: &mut Seen) {
    let noted = seen.concerns.iter().any(|c| matches!(c, Concern::PacketLoss { .. }));
    if tries > 1 && !noted && socket.elsewhere().is_none() {
        seen.concerns.push(Concern::PacketLoss { tries });
    }
}

impl SnmpEngine {
    fn record(&self, seen: &mut Seen) {
        seen.evidence.set("engine_id", format!("0x{}", hex(&self.id)));
        seen.evidence.set("engine_boots", self.boots);
        seen.evidence.set("engine_time_ms", u64::from(self.time) * 1000);
        if let Some(vendor) = self.vendor() {
            seen.evidence.set("vendor", vendor);
        }
    }

    /// Is it no agent, but preflight in its place? That owes an answer until more has come than goes back, so
    /// that it is asked twice proves no loss.
    pub(super) fn stands_in(&self) -> bool {
        self.id == STAND_IN
    }

    /// The enterprise in the first four bytes (RFC 3411 §5, `SnmpEngineID`).
    pub(crate) fn vendor(&self) -> Option<String> {
        let number = self.id.first_chunk().map(|head| u32::from_be_bytes(*head))?;
        vendor::name(number & ENTERPRISE)
    }

    /// "net-snmp, up 3 d", for a headline.
    pub(crate) fn words(&self) -> String {
        let up = up(self.time.into());
        self.vendor().map_or_else(|| up.clone(), |vendor| format!("{vendor}, {up}"))
    }

    /// A net-snmp agent of 41 days, for the tests of both users of this file.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            id: Bytes::from_static(b"\x80\x00\x1f\x88\x80 id"),
            boots: 7,
            time: 41 * 86_400,
            takes: UDP_RECEIVE_LIMITS.advertised(),
        }
    }

    pub(super) fn discovered(&self) -> Option<DiscoveredEngine> {
        DiscoveredEngine::new(self.id.clone(), self.takes).ok()
    }
}

/// A discovery of its own, for a look at the path.
pub(crate) fn question() -> Vec<u8> {
    request(message_id()).map(Vec::from).unwrap_or_default()
}

/// The 64 bytes that every engine answers.
fn request(id: i32) -> Option<Bytes> {
    V3Message::discovery_request(id, UDP_RECEIVE_LIMITS.advertised()).ok()?.encode().ok()
}

/// The message id and the engine of a Report; `None` for anything else.
fn report(bytes: &[u8]) -> Option<(i32, SnmpEngine)> {
    let message = decode(bytes)?;
    let parameters = parameters(&message)?;
    let is_report = message.pdu().is_some_and(|pdu| pdu.pdu_type() == PduType::Report);
    let engine = SnmpEngine {
        id: parameters.engine_id().clone(),
        boots: parameters.engine_boots(),
        time: parameters.engine_time(),
        takes: message.global_data().msg_max_size(),
    };
    (is_report && !engine.id.is_empty()).then(|| (message.msg_id(), engine))
}

/// Answers a discovery as an engine would that was started `up` ago.
///
/// `None` when the bytes are no discovery.
pub(crate) fn respond(request: &[u8], up: Duration) -> Option<Vec<u8>> {
    respond_as(ENGINE_ID, request, up)
}

/// The same in the place of an engine that is not there yet, and as short as the protocol lets it be.
pub(crate) fn stand_in(request: &[u8], up: Duration) -> Option<Vec<u8>> {
    respond_as(STAND_IN, request, up)
}

fn respond_as(engine: &'static [u8], request: &[u8], up: Duration) -> Option<Vec<u8>> {
    let request = decode(request)?;
    let level = SecurityLevel::NoAuthNoPriv;
    let asks = parameters(&request)?.engine_id().is_empty() && request.security_level() == level;
    let id = request.msg_id();
    let (request_id, ..) = request.into_pdu().filter(|_| asks)?.into_raw_parts();
    let unknown = VarBind::new(report_oids::unknown_engine_ids(), Value::Counter32(1));
    let report = ResponsePdu::report(request_id, vec![unknown]).ok()?;
    let flags = MsgFlags::new(level, false);
    let header = MsgGlobalData::new(id, UDP_RECEIVE_LIMITS.advertised(), flags).ok()?;
    let time = u32::try_from(up.as_secs()).unwrap_or(u32::MAX) & ENTERPRISE;
    let parameters = UsmSecurityParams::new(engine, 1, time, Bytes::new()).ok()?;
    let scoped = ScopedPdu::new(engine, Bytes::new(), report);
    let reply = V3Message::new(header, parameters.encode().ok()?, scoped).ok()?;
    reply.encode().ok().map(Vec::from)
}

/// A v3 message, with what of it is not encrypted.
pub(super) fn decode(bytes: &[u8]) -> Option<V3Message> {
    let bytes = Bytes::copy_from_slice(bytes);
    V3Message::decode(bytes, DecodeConfig::DEFAULT).ok().map(|decoded| decoded.value)
}

pub(super) fn parameters(message: &V3Message) -> Option<UsmSecurityParams> {
    let parameters = message.security_params().clone();
    UsmSecurityParams::decode(parameters, DecodeConfig::DEFAULT).ok().map(|decoded| decoded.value)
}

/// The number that a message and the answer to it have in common: of version 3 the message's, else the
/// request's (RFC 3412 §6.2, RFC 3416 §3).
pub(crate) fn number_of(message: &[u8]) -> Option<u32> {
    let (SEQUENCE, inside, _) = element(message)? else { return None };
    let (INTEGER, version, rest) = element(inside)? else { return None };
    let holder = if version == VERSION_3 {
        element(rest)?.1
    } else {
        let (_community, _, pdu) = element(rest)?;
        element(pdu)?.1
    };
    let (INTEGER, number, _) = element(holder)? else { return None };
    Some(number.iter().fold(0, |all: u32, byte| all << 8 | u32::from(*byte)))
}

/// Tag, content and what stands behind it; lengths of two bytes at most, as a datagram has.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match (first, rest) {
        (..=0x7f, _) => (usize::from(first), rest),
        (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const VERSION_3: &[u8] = &[3];

/// Random, so that nobody off the path can answer for the agent (RFC 3412 §6.2).
fn message_id() -> i32 {
    rand::random::<i32>() & i32::MAX
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _infallible = write!(digits, "{byte:02x}");
        digits
    })
}

fn unencodable(what: &str) -> Cause {
    Cause::Route(RouteCause::LocalError {
        action: "encode an SNMP message".into(),
        error: what.to_owned(),
    })
}

/// "up 3 d", in the largest unit of which there are at least two.
pub(super) fn up(seconds: u64) -> String {
    let (amount, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "min"),
        7_200..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("up {amount} {unit}")
}

/// An agent that answered at once before answers within this.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);
/// Without the bit that says "a new-style id"; also the largest engine time.
pub(super) const ENTERPRISE: u32 = 0x7fff_ffff;

/// Enterprise 32473 is for examples (RFC 5612); format 4 is text.
const ENGINE_ID: &[u8] = b"\x80\x00\x7e\xd9\x04preflight";
/// The same, and short: it stands in a Report twice.
const STAND_IN: &[u8] = b"\x80\x00\x7e\xd9\x04p";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::damaged;
    use proptest::prelude::*;

    const UP: Duration = Duration::from_secs(7_230);

    #[test]
    fn the_probe_reads_what_the_responder_answers() {
        let reply = respond(&request(77).unwrap(), UP).unwrap();
        let (id, engine) = report(&reply).unwrap();
        assert_eq!(id, 77);
        assert_eq!((engine.boots, engine.time), (1, 7_230));
        assert_eq!(engine.id, ENGINE_ID);
        assert_eq!(engine.words(), "enterprise 32473, up 2 h");
        let mut seen = Seen::default();
        engine.record(&mut seen);
        let id = "0x80007ed904707265666c69676874";
        assert_eq!(seen.evidence.fact("engine_id"), Some(&id.into()));
    }

    #[test]
    fn two_questions_are_longer_than_the_shortest_report() {
        let question = request(i32::MAX).unwrap();
        let reply = stand_in(&question, Duration::from_secs(3_600)).unwrap();
        assert!(reply.len() > question.len() && reply.len() < 2 * question.len());
        let (_, engine) = report(&reply).unwrap();
        assert!(engine.stands_in());
        assert!(!SnmpEngine::example().stands_in());
    }

    #[test]
    fn the_request_is_byte_for_byte_what_agents_know() {
        let header = "303b 020103 3011 02047fffffff 020300ffe3 040104 020103";
        let nobody = "0410 300e 0400 020100 020100 0400 0400 0400";
        let nothing = "3011 0400 0400 a00b 020100 020100 020100 3000";
        let expected = [header, nobody, nothing].concat().replace(' ', "");
        assert_eq!(hex(&request(i32::MAX).unwrap()), expected);
    }

    #[test]
    fn a_question_and_its_answer_have_the_same_number() {
        let question = request(0x0102_0304).unwrap();
        assert_eq!(number_of(&question), Some(0x0102_0304));
        assert_eq!(number_of(&respond(&question, UP).unwrap()), Some(0x0102_0304));
        let get =
            b"\x30\x14\x02\x01\x01\x04\x02ab\xa0\x0b\x02\x01\x07\x02\x01\x00\x02\x01\x00\x30\x00";
        assert_eq!(number_of(get), Some(7));
        for length in 0..get.len() {
            assert_eq!(number_of(&get[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn every_truncation_of_a_report_is_no_report() {
        let reply = respond(&request(1).unwrap(), UP).unwrap();
        for length in 0..reply.len() {
            assert_eq!(report(&reply[..length]), None, "{length} bytes");
            assert_eq!(respond(&reply[..length], UP), None, "{length} bytes");
        }
    }

    #[test]
    fn a_changed_byte_never_panics() {
        let reply = respond(&request(1).unwrap(), UP).unwrap();
        for at in 0..reply.len() {
            for value in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = reply.clone();
                changed[at] = value;
                let _whatever = (report(&changed), respond(&changed, UP));
            }
        }
    }

    #[test]
    fn a_request_is_no_report_and_a_report_no_request() {
        let question = request(1).unwrap();
        assert_eq!(report(&question), None);
        let reply = respond(&question, UP).unwrap();
        assert_eq!(respond(&reply, UP), None);
    }

    #[test]
    fn an_uptime_has_two_of_its_unit_at_least() {
        for (seconds, words) in [
            (0, "up 0 s"),
            (119, "up 119 s"),
            (120, "up 2 min"),
            (7_200, "up 2 h"),
            (172_799, "up 47 h"),
            (172_800, "up 2 d"),
        ] {
            assert_eq!(up(seconds), words);
        }
    }

    proptest! {
        #[test]
        fn no_message_breaks_the_decoders(
            question in damaged(&request(7).unwrap()),
            answer in damaged(&respond(&request(7).unwrap(), UP).unwrap()),
        ) {
            for bytes in [question, answer] {
                let _any_engine = report(&bytes).map(|(_, engine)| engine.words());
                let _any_answer = respond(&bytes, UP);
                let _any_answer = super::super::respond::respond(&bytes, UP);
            }
        }
    }
}
