//! The far side's healthy half: an agent with one community.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_snmp::message::{CommunityMessage, CommunityPdu};
use async_snmp::{
    DecodeConfig, ErrorIndex, Oid, OutboundErrorStatus, Pdu, PduType, ResponsePdu, Value, VarBind,
    Version, oid,
};
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};

use super::{discovery, question};

/// Answers discovery, and reads with the one community it knows.
///
/// `None` for anything else: an agent stays silent to a wrong community.
pub(super) fn respond(request: &[u8], up: Duration) -> Option<Vec<u8>> {
    let demo = StandInAgent {
        community: COMMUNITY,
        description: "preflight responder, standing in for an agent",
        name: "preflight-responder",
        up,
    };
    discovery::respond(request, up).or_else(|| demo.answer(request))
}

/// Answers as an agent that is not installed yet: discovery, and with `community` GET and GETNEXT of the
/// system group, in texts so short that two questions are longer than an answer.
///
/// Without a community nothing is read: an agent that took any would hide a wrong one.
#[must_use]
pub fn stand_in(request: &[u8], community: Option<&SecretString>) -> Option<Vec<u8>> {
    let up = up();
    discovery::stand_in(request, up).or_else(|| {
        let community = community?.expose_secret();
        let name = "preflight respond";
        StandInAgent { community, description: name, name, up }.answer(request)
    })
}

/// Answers as a receiver of traps does: engine discovery, and informs of version 2c.
#[must_use]
pub fn answer_receiver(request: &[u8]) -> Option<Vec<u8>> {
    discovery::stand_in(request, up()).or_else(|| acknowledge(request))
}

/// Acknowledges an inform of version 2c, whatever its community: the same variables in a response,
/// not a byte longer (RFC 3416 §4.2.7).
fn acknowledge(request: &[u8]) -> Option<Vec<u8>> {
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
pub(super) fn up() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    STARTED.elapsed()
}

/// An agent that has a system group and nothing else.
struct StandInAgent<'a> {
    community: &'a str,
    description: &'static str,
    name: &'static str,
    up: Duration,
}

impl StandInAgent<'_> {
    fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let request = Bytes::copy_from_slice(request);
        let message = CommunityMessage::decode(request, DecodeConfig::DEFAULT).ok()?.value;
        let (version, community, pdu) = message.into_parts();
        let CommunityPdu::Standard(pdu) = pdu else { return None };
        if !community.matches(self.community) {
            return None;
        }
        let response = self.read(version, pdu)?;
        let reply = match version {
            Version::V1 => CommunityMessage::v1(community, response),
            _ => CommunityMessage::v2c(community, response),
        };
        reply.ok()?.encode().ok().map(Vec::from)
    }

    fn read(&self, version: Version, request: Pdu) -> Option<Pdu> {
        let kind = request.pdu_type();
        let (is_asked, missing): (fn(&Oid, &Oid) -> bool, _) = match kind {
            PduType::GetRequest => (|known, asked| known == asked, Value::NoSuchObject),
            PduType::GetNextRequest => (|known, asked| known > asked, Value::EndOfMibView),
            // GETBULK is what amplifies most, and nothing is set here.
            _ => return None,
        };
        let (id, _, asked) = request.into_raw_parts();
        let found: Vec<Option<(Oid, Value)>> = asked
            .iter()
            .map(|variable| {
                self.values().into_iter().find(|(known, _)| is_asked(known, &variable.oid))
            })
            .collect();
        let hidden = found.iter().position(Option::is_none);
        if let (Version::V1, Some(at)) = (version, hidden) {
            let index = ErrorIndex::new(u32::try_from(at + 1).ok()?, asked.len()).ok()?;
            let status = OutboundErrorStatus::NoSuchName;
            return ResponsePdu::new(version, id, status, Some(index), asked).ok().map(Pdu::from);
        }
        let variables = asked.into_iter().zip(found).map(|(variable, found)| {
            let (object, value) = found.unwrap_or_else(|| (variable.oid, missing.clone()));
            VarBind::new(object, value)
        });
        ResponsePdu::success(version, id, variables.collect()).ok().map(Pdu::from)
    }

    /// In the order of their ids.
    fn values(&self) -> [(Oid, Value); 4] {
        let hundredths = u32::try_from(self.up.as_millis() / 10).unwrap_or(u32::MAX);
        [
            (question::descr(), Value::from(self.description)),
            // Enterprise 32473 is for examples (RFC 5612).
            (question::object_id(), Value::from(oid!(1, 3, 6, 1, 4, 1, 32473, 1))),
            (question::up_time(), Value::TimeTicks(hundredths)),
            (question::name(), Value::from(self.name)),
        ]
    }
}

/// The community of the demonstration site.
const COMMUNITY: &str = "preflight-demo";
