//! The second opinion on a name: what does each configured DNS server say by itself?
//!
//! The system resolver folds all of its servers into one failure, and both address families into one
//! answer. Here each server is asked alone, with the same search list and without EDNS, as glibc asks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::net::{DnsError, NetError};

use super::names::Naming;
use super::{Ask, Deadline, Peer, Trust};
use crate::cause::{AliasEnd, Cause, Opinion, PathCause, Phase, TalkCause};
use crate::wire;

/// What one server said of the name, in the form that counts.
#[derive(Clone, Debug)]
pub(crate) struct ServerOpinion {
    pub(crate) server: SocketAddr,
    pub(crate) v4: NameAnswer,
    pub(crate) v6: NameAnswer,
}

/// An answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NameAnswer {
    /// Addresses, and the name they belong to when aliases lead to it.
    Addresses(Vec<IpAddr>, Option<String>),
    /// The name at the end of the aliases, if there are any, has no such address.
    NoAddress(Option<String>),
    /// The name at the end of the aliases, if there are any, does not exist.
    NoName(Option<String>),
    /// The server does not say.
    Fails(ResponseCode),
    /// Its answer does not fit into a datagram, and over TCP there is none: why?
    TooLarge(Box<Cause>),
    /// It did not answer.
    Silent,
    /// It could not be asked.
    OutOfReach(Cause),
}

/// Longest wait for one server: the kernel gives up on a gateway or a neighbour after 3.07 s.
const PATIENCE: Duration = Duration::from_millis(3_300);
/// A lost datagram is sent once more.
const ASK_AT: [Duration; 2] = [Duration::ZERO, Duration::from_secs(1)];

/// Asks each of the servers for `host`, side by side.
pub(crate) async fn opinions(host: &str, names: &Naming, wait: Deadline) -> Vec<ServerOpinion> {
    // glibc asks nobody for what cannot be a name, as `a..b`.
    let mut candidates = names.candidates(host);
    candidates.retain(|name| Name::from_ascii(name).is_ok());
    if candidates.is_empty() {
        return Vec::new();
    }
    // A copy's loopback is not ours.
    let elsewhere = |server: &&SocketAddr| names.is_copy && server.ip().is_loopback();
    let servers = names.servers.iter().filter(|server| !elsewhere(server));
    let asked = servers.map(|&server| ask_in_turn(server, &candidates, names, wait));
    join_all(asked).await
}

/// The first of the names that the server does not deny; if it denies all, what it says of the first.
async fn ask_in_turn(
    server: SocketAddr,
    candidates: &[String],
    names: &Naming,
    wait: Deadline,
) -> ServerOpinion {
    let mut denied = None;
    for name in candidates {
        let v6 = async {
            if names.no_v6 {
                return NameAnswer::NoAddress(None);
            }
            ask(server, name, RecordType::AAAA, names, wait).await
        };
        let (v4, v6) = tokio::join!(ask(server, name, RecordType::A, names, wait), v6);
        let said = ServerOpinion { server, v4, v6 };
        if !said.denies() {
            return said;
        }
        denied.get_or_insert(said);
    }
    denied.unwrap_or(ServerOpinion {
        server,
        v4: NameAnswer::NoName(None),
        v6: NameAnswer::NoName(None),
    })
}

async fn ask(
    server: SocketAddr,
    name: &str,
    kind: RecordType,
    names: &Naming,
    wait: Deadline,
) -> NameAnswer {
    let Some(query) = question(name, kind) else { return NameAnswer::NoName(None) };
    let mut ask = Ask::new(Peer::from(server), wait, Trust::only([]));
    let Ok(bytes) = query.to_vec() else { return NameAnswer::NoName(None) };
    if names.over_tcp {
        return over_tcp(server, &query, &bytes, wait).await.unwrap_or_else(|cause| match cause {
            Cause::Path(PathCause::NoAnswer { .. }) | Cause::Talk(_) => NameAnswer::Silent,
            other => NameAnswer::OutOfReach(other),
        });
    }
    let asked = match ask.datagrams() {
        Ok(socket) => socket.exchange(&bytes, &ASK_AT, PATIENCE, |reply| read(&query, reply)).await,
        Err(cause) => return NameAnswer::OutOfReach(cause),
    };
    match asked {
        Ok(answered) => match answered.reply {
            Some(whole) => whole,
            None => over_tcp(server, &query, &bytes, wait)
                .await
                .unwrap_or_else(|cause| NameAnswer::TooLarge(Box::new(cause))),
        },
        Err(Cause::Path(PathCause::NoAnswer { .. }) | Cause::Talk(TalkCause::BadReply { .. })) => {
            NameAnswer::Silent
        }
        Err(cause) => NameAnswer::OutOfReach(cause),
    }
}

/// The answer to the same question that was cut short over UDP.
async fn over_tcp(
    server: SocketAddr,
    query: &Message,
    bytes: &[u8],
    wait: Deadline,
) -> Result<NameAnswer, Cause> {
    let mut ask = Ask::new(Peer::from(server), wait.within(PATIENCE), Trust::only([]));
    let mut stream = ask.connect().await?;
    let length = u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
    stream.send(&[&length[..], bytes].concat()).await?;
    let length = stream.exactly(Phase::Reply, 2).await?;
    let length = length.first_chunk().map_or(0, |length| u16::from_be_bytes(*length));
    let reply = stream.exactly(Phase::Reply, length.into()).await?;
    stream.close().await;
    let heard = read(query, &reply).flatten();
    heard.ok_or_else(|| Cause::bad_reply("an answer to our question", &reply))
}

fn question(name: &str, kind: RecordType) -> Option<Message> {
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).ok()?, kind));
    Some(message)
}

/// An answer; `None`: only its beginning came, as the rest did not fit.
type AnsweredBy = Option<NameAnswer>;

/// `None` when it is an answer to another question.
fn read(query: &Message, bytes: &[u8]) -> Option<AnsweredBy> {
    let reply = Message::from_vec(bytes).ok()?;
    let is_ours = reply.metadata.id == query.metadata.id
        && reply.metadata.message_type == MessageType::Response
        && (reply.queries.is_empty() || reply.queries == query.queries);
    is_ours.then(|| (!reply.metadata.truncation).then(|| judge(&reply)))
}

fn judge(reply: &Message) -> NameAnswer {
    let mut addresses = Vec::new();
    let mut end = None;
    for record in &reply.answers {
        match &record.data {
            RData::A(address) => addresses.push(IpAddr::V4(address.0)),
            RData::AAAA(address) => addresses.push(IpAddr::V6(address.0)),
            RData::CNAME(alias) => end = Some(shown(&alias.0)),
            _ => {}
        }
    }
    match reply.metadata.response_code {
        ResponseCode::NoError if !addresses.is_empty() => NameAnswer::Addresses(addresses, end),
        ResponseCode::NoError => NameAnswer::NoAddress(end),
        ResponseCode::NXDomain => NameAnswer::NoName(end),
        code => NameAnswer::Fails(code),
    }
}

fn shown(name: &Name) -> String {
    wire::printable(name.to_ascii().trim_end_matches('.'))
}

impl ServerOpinion {
    /// There is no such name, it says; the next one may be tried.
    fn denies(&self) -> bool {
        let denies =
            |heard: &NameAnswer| matches!(heard, NameAnswer::NoName(_) | NameAnswer::NoAddress(_));
        denies(&self.v4) && denies(&self.v6)
    }

    /// The addresses it knows, those of IPv4 first.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let of = |heard: &NameAnswer| match heard {
            NameAnswer::Addresses(addresses, _) => addresses.clone(),
            _ => Vec::new(),
        };
        [of(&self.v4), of(&self.v6)].concat()
    }

    /// Where an alias ends that leads nowhere.
    pub(crate) fn dangling(&self) -> Option<(&str, AliasEnd)> {
        match (&self.v4, &self.v6) {
            (NameAnswer::NoName(Some(end)), _) | (_, NameAnswer::NoName(Some(end))) => {
                Some((end, AliasEnd::NoName))
            }
            (NameAnswer::NoAddress(Some(end)), NameAnswer::NoAddress(_)) => {
                Some((end, AliasEnd::NoAddress))
            }
            _ => None,
        }
    }

    /// Why no question gets to it, if that is so.
    pub(crate) fn out_of_reach(&self) -> Option<&Cause> {
        match (&self.v4, &self.v6) {
            (NameAnswer::OutOfReach(cause), NameAnswer::OutOfReach(_) | NameAnswer::Silent)
            | (NameAnswer::Silent, NameAnswer::OutOfReach(cause)) => Some(cause),
            _ => None,
        }
    }

    /// It answered, and not with a name that does not exist.
    pub(crate) fn opinion(&self) -> Opinion {
        let (v4, v6) = (&self.v4, &self.v6);
        let says = match (v4, v6) {
            (NameAnswer::Addresses(..), NameAnswer::Addresses(..) | NameAnswer::NoAddress(_)) => {
                words_of(v4)
            }
            (NameAnswer::NoAddress(_), NameAnswer::Addresses(..)) => words_of(v6),
            (v4, v6) if words_of(v4) == words_of(v6) => words_of(v4),
            (NameAnswer::NoAddress(_), v6) => {
                format!("no IPv4 address; {} for IPv6 (AAAA)", words_of(v6))
            }
            (v4, NameAnswer::NoAddress(_)) => words_of(v4),
            (v4, v6) => format!("{}; {} for IPv6 (AAAA)", words_of(v4), words_of(v6)),
        };
        Opinion { server: self.server.ip(), says }
    }
}

fn words_of(heard: &NameAnswer) -> String {
    match heard {
        NameAnswer::Addresses(addresses, _) => {
            addresses.first().map_or_else(String::new, ToString::to_string)
        }
        NameAnswer::NoAddress(_) => "no address".to_owned(),
        NameAnswer::NoName(_) => "no such name".to_owned(),
        NameAnswer::Fails(code) => code_in_words(*code),
        NameAnswer::Silent => "no answer".to_owned(),
        NameAnswer::OutOfReach(cause) => cause.to_string(),
        NameAnswer::TooLarge(cause) => {
            format!("its answer is too large for UDP, and over TCP: {cause}")
        }
    }
}

/// How a server failed, in short.
pub(super) fn words(error: &NetError) -> String {
    match error {
        NetError::Timeout => "no answer".to_owned(),
        NetError::NoConnections => "no name server could be asked".to_owned(),
        NetError::Dns(DnsError::ResponseCode(code)) => code_in_words(*code),
        NetError::Dns(DnsError::NoRecordsFound(none)) => code_in_words(none.response_code),
        other => wire::printable(&other.to_string()),
    }
}

fn code_in_words(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "no such record".to_owned(),
        ResponseCode::NXDomain => "no such name".to_owned(),
        ResponseCode::Refused => "refuses to answer this host (REFUSED)".to_owned(),
        ResponseCode::ServFail => "fails to find out (SERVFAIL)".to_owned(),
        ResponseCode::FormErr => "does not understand the question (FORMERR)".to_owned(),
        ResponseCode::NotImp => "does not do such questions (NOTIMP)".to_owned(),
        other => format!("answers with response code {}", u16::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{Record, rdata};

    use super::*;

    fn said(v4: NameAnswer, v6: NameAnswer) -> ServerOpinion {
        ServerOpinion { server: ([10, 0, 0, 53], 53).into(), v4, v6 }
    }

    fn address() -> NameAnswer {
        NameAnswer::Addresses(vec![[10, 0, 0, 5].into()], None)
    }

    #[test]
    fn each_server_is_told_in_plain_words() {
        let six = NameAnswer::Addresses(vec!["2001:db8::5".parse().unwrap()], None);
        let fails = NameAnswer::Fails(ResponseCode::ServFail);
        for (v4, v6, says) in [
            (address(), NameAnswer::NoAddress(None), "10.0.0.5"),
            (address(), six.clone(), "10.0.0.5"),
            (NameAnswer::NoAddress(None), six, "2001:db8::5"),
            (address(), NameAnswer::Silent, "10.0.0.5; no answer for IPv6 (AAAA)"),
            (address(), fails.clone(), "10.0.0.5; fails to find out (SERVFAIL) for IPv6 (AAAA)"),
            (NameAnswer::NoName(None), NameAnswer::NoName(None), "no such name"),
            (NameAnswer::NoAddress(None), NameAnswer::NoAddress(None), "no address"),
            (fails.clone(), fails, "fails to find out (SERVFAIL)"),
            (NameAnswer::Silent, NameAnswer::Silent, "no answer"),
            (
                NameAnswer::Fails(ResponseCode::Refused),
                NameAnswer::Fails(ResponseCode::Refused),
                "refuses to answer this host (REFUSED)",
            ),
        ] {
            assert_eq!(said(v4, v6).opinion().to_string(), format!("10.0.0.53: {says}"));
        }
    }

    #[test]
    fn an_alias_that_leads_nowhere_tells_where_it_ends() {
        let query = question("central.example.", RecordType::A).unwrap();
        let mut reply = Message::response(query.metadata.id, OpCode::Query);
        reply.metadata.response_code = ResponseCode::NXDomain;
        reply.add_queries(query.queries.clone());
        let name = |text| Name::from_ascii(text).unwrap();
        let alias = RData::CNAME(rdata::CNAME(name("gone.example.")));
        reply.add_answer(Record::from_rdata(name("central.example."), 60, alias));
        let heard = read(&query, &reply.to_vec().unwrap()).flatten().unwrap();
        assert_eq!(heard, NameAnswer::NoName(Some("gone.example".to_owned())));
        let both = said(heard.clone(), heard);
        assert_eq!(both.dangling(), Some(("gone.example", AliasEnd::NoName)));
        assert_eq!(said(address(), NameAnswer::NoAddress(None)).dangling(), None);
        reply.metadata.truncation = true;
        assert_eq!(read(&query, &reply.to_vec().unwrap()), Some(None));
        // An answer to another question, or to nobody.
        assert_eq!(
            read(&question("other.", RecordType::A).unwrap(), &reply.to_vec().unwrap()),
            None
        );
        assert_eq!(read(&query, b"garbage"), None);
    }
}
