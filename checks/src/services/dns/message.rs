//! DNS messages: hickory's codec, behind our own bounds.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType, rdata};

use crate::cause::{Cause, RouteCause};
use crate::wire;

pub(super) const EXPECTED: &str = "an answer to our DNS question";

/// What is asked: a name and a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DnsQuestion {
    name: Name,
    kind: RecordType,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DnsForm {
    /// With the EDNS option, as every resolver asks today.
    Edns,
    /// As in 1987.
    Plain,
    /// Without validation (CD=1).
    Unchecked,
    /// Without the wish to have it looked up elsewhere (RD=0): every server answers or refuses at once.
    AtOnce,
}

impl DnsQuestion {
    /// `. NS`
    pub(super) fn root() -> Self {
        Self { name: Name::root(), kind: RecordType::NS }
    }

    /// The IPv4 address of a name that nobody can have (RFC 6761 §6.4).
    pub(super) fn nobodys() -> Self {
        let labels = [&b"preflight-nobody"[..], NOBODYS];
        Self { name: Name::from_labels(labels).unwrap_or_default(), kind: RecordType::A }
    }

    /// The IPv4 addresses of `name`.
    pub(super) fn address(name: &str) -> Result<Self, Cause> {
        // Not by way of IDNA, which refuses the underscore.
        let mut parsed = Name::from_ascii(name).map_err(|error| {
            Cause::Route(RouteCause::LocalError {
                action: "ask for a name that cannot be one".into(),
                error: wire::printable(&format!("{name}: {error}")),
            })
        })?;
        parsed.set_fqdn(true);
        Ok(Self { name: parsed, kind: RecordType::A })
    }

    /// The same for IPv6, when this asks for IPv4.
    pub(super) fn for_ipv6(&self) -> Option<Self> {
        let other = || Self { name: self.name.clone(), kind: RecordType::AAAA };
        (self.kind == RecordType::A).then(other)
    }

    /// The name that must have an address; `None` for `. NS`.
    pub(super) fn needed(&self) -> Option<String> {
        (self.kind != RecordType::NS).then(|| shown(&self.name))
    }

    /// `central.example A`
    pub(super) fn text(&self) -> String {
        format!("{} {}", shown(&self.name), self.kind)
    }

    /// A message with an id of its own.
    pub(super) fn query(&self, how: DnsForm) -> Result<Query, Cause> {
        let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = how != DnsForm::AtOnce;
        message.metadata.checking_disabled = how == DnsForm::Unchecked;
        let question = hickory_proto::op::Query::query(self.name.clone(), self.kind);
        message.add_query(question);
        if how == DnsForm::Edns {
            message.set_edns(edns());
        }
        match message.to_vec() {
            Ok(wire) => Ok(Query { wire, message }),
            Err(error) => Err(Cause::Route(RouteCause::LocalError {
                action: "write a question".into(),
                error: error.to_string(),
            })),
        }
    }
}

/// Without the dot at the end, as it was configured.
fn shown(name: &Name) -> String {
    let name = name.to_ascii();
    let bare = name.strip_suffix('.').filter(|bare| !bare.is_empty());
    wire::printable(bare.unwrap_or(&name))
}

/// The harmless question, for a look at the path.
pub(super) fn plain_question() -> Vec<u8> {
    DnsQuestion::root().query(DnsForm::Plain).map(|query| query.wire).unwrap_or_default()
}

/// A question as it was sent.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) wire: Vec<u8>,
    message: Message,
}

impl Query {
    /// `None` when it is an answer to another question.
    ///
    /// An answer without a question section counts: some servers leave it out
    /// of a refusal, and the id and the connected socket tie it to us.
    pub(super) fn accept(&self, bytes: &[u8]) -> Option<Result<DnsReply, Cause>> {
        let Ok(message) = Message::from_vec(bytes) else {
            return Some(Err(Cause::bad_reply(EXPECTED, bytes)));
        };
        let is_ours = message.metadata.id == self.message.metadata.id
            && message.metadata.message_type == MessageType::Response
            && (message.queries.is_empty() || message.queries == self.message.queries);
        is_ours.then(|| Ok(DnsReply::of(&message)))
    }
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DnsReply {
    pub(super) rcode: ResponseCode,
    /// RA: it looks up what it does not know.
    pub(super) recursive: bool,
    /// AA: it knows by itself.
    pub(super) authoritative: bool,
    /// TC: there is more than fits.
    pub(super) truncated: bool,
    pub(super) addresses: Vec<IpAddr>,
    /// The name that the last alias leads to.
    pub(super) alias: Option<String>,
}

impl DnsReply {
    fn of(message: &Message) -> Self {
        let Metadata { response_code, recursion_available, authoritative, truncation, .. } =
            message.metadata;
        let address = |record: &Record| match &record.data {
            RData::A(rdata::A(address)) => Some(IpAddr::V4(*address)),
            RData::AAAA(rdata::AAAA(address)) => Some(IpAddr::V6(*address)),
            _ => None,
        };
        let alias = |record: &Record| match &record.data {
            RData::CNAME(rdata::CNAME(target)) => Some(shown(target)),
            _ => None,
        };
        Self {
            rcode: response_code,
            recursive: recursion_available,
            authoritative,
            truncated: truncation,
            addresses: message.answers.iter().filter_map(address).collect(),
            alias: message.answers.iter().filter_map(alias).next_back(),
        }
    }

    /// The name exists, without an address of the kind asked for.
    pub(super) fn is_without_data(&self) -> bool {
        self.rcode == ResponseCode::NoError && self.addresses.is_empty() && !self.truncated
    }

    /// What a server says that was written before EDNS (RFC 6891 §7).
    pub(super) fn dislikes_edns(&self) -> bool {
        use ResponseCode::{FormErr, NotImp};
        matches!(self.rcode, FormErr | NotImp) || u16::from(self.rcode) == BADVERS
    }

    /// What may be about the name, or about EDNS: some servers and devices know no better word.
    pub(super) fn may_dislike_edns(&self) -> bool {
        matches!(self.rcode, ResponseCode::ServFail | ResponseCode::Refused)
    }

    /// Does it say what there is of the name?
    pub(super) fn resolves(&self) -> bool {
        matches!(self.rcode, ResponseCode::NoError | ResponseCode::NXDomain)
    }
}

/// Answers `request` as a healthy resolver would, for the responder.
///
/// `None` when the bytes are no DNS question.
pub(super) fn respond(request: &[u8]) -> Option<Vec<u8>> {
    let request = Message::from_vec(request).ok()?;
    let question = request.queries.first()?.clone();
    if request.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut reply = Message::response(request.metadata.id, OpCode::Query);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    reply.metadata.recursion_available = true;
    let answer = |data| Record::from_rdata(question.name.clone(), TTL, data);
    let is_nobodys = question.name.iter().next_back().is_some_and(|label| label == NOBODYS);
    match question.query_type {
        _ if is_nobodys => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            &mut reply
        }
        RecordType::NS => reply.add_answers(root_servers().map(answer)),
        RecordType::A => reply.add_answer(answer(RData::A(rdata::A(EXAMPLE)))),
        _ => &mut reply,
    };
    reply.add_query(question);
    if request.edns.is_some() {
        reply.set_edns(edns());
    }
    reply.to_vec().ok()
}

/// The domain of names that do not exist.
const NOBODYS: &[u8] = b"invalid";

fn root_servers() -> impl Iterator<Item = RData> {
    let names = ["a.root-servers.net.", "b.root-servers.net."];
    names
        .into_iter()
        .filter_map(|name| Name::from_ascii(name).ok())
        .map(|n| RData::NS(rdata::NS(n)))
}

/// A message as it travels over TCP: in one piece with its length (RFC 7766 §8).
pub(super) fn prefixed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), message].concat()
}

/// `SERVFAIL`
pub(super) fn rcode(rcode: ResponseCode) -> String {
    match rcode {
        ResponseCode::Unknown(number) => format!("RCODE {number}"),
        // A signature's fault has the same number, and nothing is signed here.
        code if u16::from(code) == BADVERS => "BADVERS".to_owned(),
        known => format!("{known:?}").to_ascii_uppercase(),
    }
}

fn edns() -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_PAYLOAD);
    edns
}

/// Another version of EDNS is wanted (RFC 6891 §9).
const BADVERS: u16 = 16;
/// What passes every link without fragments (the DNS flag day of 2020).
const MAX_PAYLOAD: u16 = 1232;
/// An address for documentation (RFC 5737): whoever uses it reaches nobody.
const EXAMPLE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 2, 53);
const TTL: u32 = 60;
