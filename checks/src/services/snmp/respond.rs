//! The far side's healthy half: an agent with one community.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_snmp::message::{CommunityMessage, CommunityPdu};
use async_snmp::{
    DecodeConfig, ErrorIndex, Oid, OutboundErrorStatus, Pdu, PduType, ResponsePdu, Value, VarBind,
    Version, oid,
};
use bytes::Bytes;

use super::{discovery, question};

/// Answers discovery, and a GET with the one community it knows.
///
/// `None` for anything else: an agent stays silent to a wrong community.
pub(super) fn respond(request: &[u8], up: Duration) -> Option<Vec<u8>> {
    discovery::respond(request, up).or_else(|| answer(request, up))
}

/// Acknowledges an inform of version 2c, whatever its community: the same variables in a response,
/// not a byte longer (RFC 3416 §4.2.7).
pub(crate) fn acknowledge(request: &[u8]) -> Option<Vec<u8>> {
    let request = Bytes::copy_from_slice(request);
    let message = CommunityMessage::decode(request, DecodeConfig::DEFAULT).ok()?.value;
    let (version, community, pdu) = message.into_parts();
    let CommunityPdu::Standard(pdu) = pdu else { return None };
    if version == Version::V1 || pdu.pdu_type() != PduType::InformRequest {
        return None;
    }
    let (id, _, variables) = pdu.into_raw_parts();
    let response = ResponsePdu::success(version, id, variables).ok().map(Pdu::from)?;
    CommunityMessage::v2c(community, response).ok()?.encode().ok().map(Vec::from)
}

/// Time since the responder was first asked.
pub(crate) fn up() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    STARTED.elapsed()
}

fn answer(request: &[u8], up: Duration) -> Option<Vec<u8>> {
    let request = Bytes::copy_from_slice(request);
    let message = CommunityMessage::decode(request, DecodeConfig::DEFAULT).ok()?.value;
    let (version, community, pdu) = message.into_parts();
    let CommunityPdu::Standard(pdu) = pdu else { return None };
    if !community.matches(COMMUNITY) || pdu.pdu_type() != PduType::GetRequest {
        return None;
    }
    let response = read(version, pdu, up)?;
    let reply = match version {
        Version::V1 => CommunityMessage::v1(community, response),
        _ => CommunityMessage::v2c(community, response),
    };
    reply.ok()?.encode().ok().map(Vec::from)
}

fn read(version: Version, request: Pdu, up: Duration) -> Option<Pdu> {
    let (id, _, asked) = request.into_raw_parts();
    let hidden = asked.iter().position(|variable| value(&variable.oid, up).is_none());
    if let (Version::V1, Some(at)) = (version, hidden) {
        let index = ErrorIndex::new(u32::try_from(at + 1).ok()?, asked.len()).ok()?;
        let status = OutboundErrorStatus::NoSuchName;
        return ResponsePdu::new(version, id, status, Some(index), asked).ok().map(Pdu::from);
    }
    let variables = asked.into_iter().map(|variable| {
        let value = value(&variable.oid, up).unwrap_or(Value::NoSuchObject);
        VarBind::new(variable.oid, value)
    });
    ResponsePdu::success(version, id, variables.collect()).ok().map(Pdu::from)
}

fn value(object: &Oid, up: Duration) -> Option<Value> {
    let hundredths = u32::try_from(up.as_millis() / 10).unwrap_or(u32::MAX);
    let values = [
        (question::descr(), Value::from("preflight responder, standing in for an agent")),
        // Enterprise 32473 is for examples (RFC 5612).
        (question::object_id(), Value::from(oid!(1, 3, 6, 1, 4, 1, 32473, 1))),
        (question::up_time(), Value::TimeTicks(hundredths)),
        (question::name(), Value::from("preflight-responder")),
    ];
    values.into_iter().find_map(|(known, value)| (known == *object).then_some(value))
}

/// The community of the demonstration site.
const COMMUNITY: &str = "preflight-demo";
