//! DNS: does the server resolve for this host, over UDP and over TCP?
//!
//! Port 53. Asks `. NS`, which gives nothing away and every resolver can
//! answer, or the names this role needs, and a name that nobody has: who has an
//! address for that one makes answers up. UDP decides; TCP, asked at the same
//! time, is a concern, because only large answers need it.
//!
//! Reference: [RFC 1035 §4](https://www.rfc-editor.org/rfc/rfc1035#section-4),
//! [RFC 6891 §6.2](https://www.rfc-editor.org/rfc/rfc6891#section-6.2) (EDNS),
//! [RFC 7766](https://www.rfc-editor.org/rfc/rfc7766) (TCP),
//! [RFC 8906](https://www.rfc-editor.org/rfc/rfc8906) (what goes wrong).

mod message;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;

use crate::cause::AliasEnd;
use crate::cause::{
    Cause, Concern, DnsCause, Millis, NameCause, PathCause, Phase, TalkCause, Transport,
};
use crate::evidence::{Seen, Value};
use crate::net::resolve::is_nobody;
use crate::net::{Ask, Deadline, FarStream, Stream, Udp};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};
use message::{DnsForm as How, DnsQuestion, DnsReply, Query};

/// A first answer that takes as long shows that the server is slow, or busy.
const UNHURRIED: Duration = Duration::from_secs(1);

/// Asks a resolver for the names this role needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Fully qualified names that must have an address; none: asks for `. NS`.
    ///
    /// No search list is applied, and an address among them is passed over.
    pub names: Vec<String>,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let (first, rest) = self.questions()?;
        let (sockets, other) = (Sockets::open(ask)?, ask.datagrams()?);
        // Boxed, as two conversations make a large future.
        let tcp = Box::pin(over_tcp(ask, &first));
        let ((udp, answers_others), tcp) = tokio::join!(sockets.settled(&first, &other), tcp);
        let (mut stream, tcp) = match tcp {
            Ok((stream, reply)) => (Some(stream), Ok(reply)),
            Err(cause) => (None, Err(cause)),
        };
        let is_root = first.needed().is_none();
        let mut round = Round {
            questions: vec![first],
            udp: vec![udp],
            answers_others,
            tcp,
            beyond: None,
            of_nobody: None,
        };
        // Silence is said once, not once a name.
        if let Some(Ok(first)) = round.udp.first() {
            // Of a server that takes its time each question more delays the answers to the others.
            let nobody = (first.heard.round_trip < UNHURRIED).then(DnsQuestion::nobodys);
            // That names of the site are known says nothing of others: the root knows nothing of us.
            let root = (!is_root).then(DnsQuestion::root);
            let beside = [&nobody, &root].into_iter().flatten().count();
            let all: Vec<DnsQuestion> = nobody.iter().chain(&root).chain(&rest).cloned().collect();
            let mut heard = resolve_all(ask, &all).await?.into_iter();
            round.of_nobody = nobody.and_then(|_| heard.next());
            round.beyond = root.and_then(|_| heard.next());
            round.udp.extend(heard);
            round.questions.extend(all.into_iter().skip(beside));
        }
        for asked in round.udp.iter_mut().flatten().filter(|asked| asked.heard.reply.truncated) {
            asked.whole = Some(match (&mut stream, &round.tcp) {
                (Some(stream), _) => exchange_stream(stream, &asked.question).await,
                (None, tcp) => tcp.clone(),
            });
        }
        if let Some(stream) = stream {
            stream.close().await;
        }
        self.judge(&round, &mut ask.seen)
    }

    /// Decides from the answers alone.
    fn judge(&self, round: &Round, seen: &mut Seen) -> Result<(), Cause> {
        round.note_tcp(seen);
        let mut found = Vec::new();
        let mut of_one_name = Vec::new();
        for (question, asked) in round.questions.iter().zip(&round.udp) {
            let asked = asked.as_ref().map_err(|udp| round.unanswered(question, udp))?;
            asked.note(seen);
            match (asked.judge(), asked.question.needed()) {
                (Ok(reply), Some(name)) => found.push((name, list(&reply.addresses))),
                (Ok(_), None) => {}
                (Err(cause), Some(_)) if is_about_one_name(&cause) => of_one_name.push(cause),
                (Err(cause), _) => return Err(cause),
            }
        }
        let made_up = round.made_up();
        // What it says of a name that is needed, it says of every other, too.
        if let Some((name, addresses)) = found.first()
            && found.iter().all(|(_, addresses)| *addresses == made_up)
        {
            let (name, addresses) = (name.clone(), addresses.clone());
            return Err(Cause::Dns(DnsCause::DnsWildcard { name, addresses }));
        }
        // The server is judged by the names it does resolve.
        match of_one_name.first() {
            Some(first) if found.is_empty() => return Err(first.clone()),
            _ => {}
        }
        let others =
            of_one_name.into_iter().map(|cause| Concern::DnsNameFails { cause: Box::new(cause) });
        seen.concerns.extend(others);
        if !found.is_empty() {
            let addresses = found.iter().map(|(name, addresses)| format!("{name}: {addresses}"));
            seen.evidence.set("addresses", addresses.collect::<Value>());
        }
        if let Err(cause) = &round.tcp {
            seen.concerns.push(Concern::DnsUdpOnly { because: cause.clone().into() });
        }
        round.weakness(seen);
        // A wrong address can be seen by whoever reads the row.
        let found = found.iter().map(|(name, addresses)| format!("; {name} is {addresses}"));
        seen.headline = std::iter::once(round.headline()).chain(found).collect();
        Ok(())
    }

    /// The first question, which goes over both transports, and the others.
    fn questions(&self) -> Result<(DnsQuestion, Vec<DnsQuestion>), Cause> {
        let names = self.names.iter().filter(|name| name.parse::<IpAddr>().is_err());
        let mut questions = names
            .map(|name| DnsQuestion::address(name))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter();
        let first = questions.next().unwrap_or_else(DnsQuestion::root);
        Ok((first, questions.collect()))
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "dns",
    title: "DNS",
    expected: "DNS",
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints {
        serves_others: Some("listen-on of BIND, or interface of unbound"),
        ..Hints::NONE
    },
    port: 53,
    transport: Transport::Udp,
    tls: false,
    // An answer that took its time, twice: a question that is asked again in
    // another way, and the other names after the first.
    budget: Duration::from_secs(20),
    question: Some(message::plain_question),
    repeats: 24,
    probe: || crate::Probe::Dns(Probe::default()),
    respond: Respond::Both {
        datagram: message::respond,
        stream: |stream| Box::pin(respond(stream)),
    },
};

/// Answers each message of a connection, as [`message::respond`] does.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    while let Ok(prefix) = stream.exactly(2).await {
        let request = stream.exactly(wire::length(&prefix)).await?;
        let Some(reply) = message::respond(&request) else { break };
        stream.send(&message::prefixed(&reply)).await?;
    }
    Ok(())
}

/// Does the server refuse or fail one name, and perhaps no other?
fn is_about_one_name(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Dns(
            DnsCause::DnsRefused { .. }
                | DnsCause::DnsServfail { .. }
                | DnsCause::DnsValidation { .. }
                | DnsCause::DnsFailed { .. }
        ) | Cause::Name(NameCause::NameIsNobody { .. } | NameCause::AliasBroken { .. })
    )
}

/// Everything that came back.
struct Round {
    /// Only the first when that one failed.
    questions: Vec<DnsQuestion>,
    /// In the order of the questions.
    udp: Vec<Result<DnsAsked, Cause>>,
    /// Did it answer another question while the first stayed unanswered?
    answers_others: bool,
    /// The first question over TCP.
    tcp: Result<DnsReply, Cause>,
    /// The root, asked beside the names needed.
    beyond: Option<Result<DnsAsked, Cause>>,
    /// A name that nobody has.
    of_nobody: Option<Result<DnsAsked, Cause>>,
}

impl Round {
    fn note_tcp(&self, seen: &mut Seen) {
        seen.evidence.set("tcp", self.tcp.is_ok());
        if let Err(cause) = &self.tcp {
            seen.evidence.set("tcp_error", cause.to_string());
            seen.other_transport = Some(Box::new(cause.clone()));
        }
    }

    /// Why UDP failed, in the light of TCP and of the other answers.
    fn unanswered(&self, question: &DnsQuestion, udp: &Cause) -> Cause {
        if matches!(udp, Cause::Talk(TalkCause::AnsweredFromElsewhere { .. })) {
            return udp.clone();
        }
        let still_looking = match &self.tcp {
            _ if self.answers().next().is_some() => true,
            Ok(_) => return Cause::Dns(DnsCause::DnsTcpOnly { udp: Box::new(udp.clone()) }),
            Err(_) if self.answers_others => true,
            // It accepted the connection, and took the question or hung up on it.
            Err(tcp) => matches!(
                tcp,
                Cause::Talk(
                    TalkCause::Silent { phase: Phase::Reply, .. }
                        | TalkCause::HungUp { .. }
                        | TalkCause::Reset { .. }
                )
            ),
        };
        match udp {
            // It answers, and looks in vain for the root, as an internal server without a way to the Internet does.
            Cause::Path(PathCause::NoAnswer { .. })
                if self.answers_others && question.needed().is_none() =>
            {
                Cause::Dns(DnsCause::DnsNoNameAsked)
            }
            Cause::Path(PathCause::NoAnswer { waited, .. }) if still_looking => {
                Cause::Dns(DnsCause::DnsUnanswered { question: question.text(), waited: *waited })
            }
            _ => udp.clone(),
        }
    }

    fn answers(&self) -> impl Iterator<Item = &DnsAsked> {
        self.udp.iter().flatten()
    }

    /// Was it seen to resolve what is nobody's own zone here?
    fn is_recursive(&self) -> bool {
        let says_so = self.answers().all(|asked| asked.best().recursive);
        let root_is_known = match &self.beyond {
            Some(Ok(asked)) => asked.best().rcode == ResponseCode::NoError,
            Some(Err(_)) => false,
            // It was the question itself, and judged as such.
            None => true,
        };
        says_so && root_is_known
    }

    fn weakness(&self, seen: &mut Seen) {
        if let Some(beyond) = &self.beyond {
            let said = beyond.as_ref().map(|asked| message::rcode(asked.best().rcode));
            seen.evidence.set("root", said.unwrap_or_else(ToString::to_string));
        }
        let addresses = self.made_up();
        if !addresses.is_empty() {
            seen.concerns.push(Concern::DnsMadeUp { addresses });
        } else if !self.is_recursive() {
            seen.concerns.push(Concern::DnsOwnZonesOnly);
        }
        if self.answers().any(|asked| asked.heard.edns == Edns::Lost) {
            seen.concerns.push(Concern::DnsWithoutEdns);
        }
        let tries = self.answers().map(|asked| asked.heard.tries).max().unwrap_or_default();
        if tries > 1 {
            seen.concerns.push(Concern::PacketLoss { tries });
        }
    }

    /// The addresses it has for a name that nobody has; none, as it should be: "".
    fn made_up(&self) -> String {
        let asked = self.of_nobody.iter().flatten().next();
        asked.map(|asked| list(&asked.best().addresses)).unwrap_or_default()
    }

    /// "recursive, UDP and TCP, 2 ms"
    fn headline(&self) -> String {
        let kind = match (self.made_up().is_empty(), self.is_recursive()) {
            // Whether it looks anything up cannot be seen.
            (false, _) => "answers any name",
            (true, true) => "recursive",
            (true, false) => "own zones only",
        };
        let over = if self.tcp.is_ok() { "UDP and TCP" } else { "UDP only" };
        let slowest = self.answers().map(|asked| asked.heard.round_trip).max();
        format!("{kind}, {over}, {}", Millis(slowest.unwrap_or_default()))
    }
}

/// One question and what was answered to it.
#[derive(Clone, Debug)]
struct DnsAsked {
    question: DnsQuestion,
    /// The answer over UDP.
    heard: DnsHeard,
    /// After SERVFAIL: the answer without validation.
    unchecked: Option<ResponseCode>,
    /// After a truncated answer: the whole one, over TCP.
    whole: Option<Result<DnsReply, Cause>>,
}

impl DnsAsked {
    fn best(&self) -> &DnsReply {
        match &self.whole {
            Some(Ok(whole)) => whole,
            _ => &self.heard.reply,
        }
    }

    fn note(&self, seen: &mut Seen) {
        let reply = self.best();
        let facts = &mut seen.evidence;
        facts.set("question", self.question.text());
        facts.set("rcode", message::rcode(reply.rcode));
        facts.set("recursion_available", reply.recursive);
        facts.set("authoritative", reply.authoritative);
        facts.set("edns", self.heard.edns == Edns::Answered);
        facts.set("truncated", self.heard.reply.truncated);
        facts.set("round_trip_ms", Millis(self.heard.round_trip));
    }

    /// The answer that counts, when it resolves the question.
    fn judge(&self) -> Result<&DnsReply, Cause> {
        let question = self.question.text();
        if let Some(Err(cause)) = &self.whole {
            return Err(Cause::Dns(DnsCause::DnsTruncated {
                question,
                tcp: Box::new(cause.clone()),
            }));
        }
        let reply = self.best();
        let resolves = |rcode| matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain);
        let is_of_root = self.question.needed().is_none();
        match reply.rcode {
            // It may have a zone of its own and refuse everything else, as an internal server should.
            ResponseCode::Refused if is_of_root && !reply.recursive => {
                Err(Cause::Dns(DnsCause::DnsNoNameAsked))
            }
            ResponseCode::Refused => Err(Cause::Dns(DnsCause::DnsRefused { question })),
            ResponseCode::ServFail if self.unchecked.is_some_and(resolves) => {
                Err(Cause::Dns(DnsCause::DnsValidation { question }))
            }
            ResponseCode::ServFail => Err(Cause::Dns(DnsCause::DnsServfail { question })),
            rcode if !resolves(rcode) => {
                Err(Cause::Dns(DnsCause::DnsFailed { rcode: message::rcode(rcode), question }))
            }
            rcode => match self.question.needed() {
                None if reply.recursive => Ok(reply),
                Some(name) if !reply.addresses.is_empty() => match reply.nobody() {
                    Some(address) => Err(Cause::Name(NameCause::NameIsNobody {
                        name,
                        address,
                        origin: "DNS".to_owned(),
                    })),
                    None => Ok(reply),
                },
                None => Err(Cause::Dns(DnsCause::DnsNoNameAsked)),
                // Neither looks for us nor knows by itself.
                _ if !reply.recursive && !reply.authoritative => {
                    Err(Cause::Dns(DnsCause::DnsNotRecursive { question }))
                }
                Some(name) if reply.alias.is_some() => Err(reply.broken_alias(name)),
                Some(name) if rcode == ResponseCode::NXDomain => {
                    Err(Cause::Dns(DnsCause::DnsNameNotFound { name }))
                }
                Some(name) => Err(Cause::Dns(DnsCause::DnsNameWithoutAddress { name })),
            },
        }
    }
}

impl DnsReply {
    /// Its first address, when no host can have any of them.
    fn nobody(&self) -> Option<IpAddr> {
        self.addresses.first().copied().filter(|_| self.addresses.iter().all(is_nobody))
    }

    /// `name` is an alias of what has no address.
    fn broken_alias(&self, name: String) -> Cause {
        let does_not_exist = self.rcode == ResponseCode::NXDomain;
        let end = if does_not_exist { AliasEnd::NoName } else { AliasEnd::NoAddress };
        let target = self.alias.clone().unwrap_or_default();
        Cause::Name(NameCause::AliasBroken { name, target, end, servers: Vec::new() })
    }
}

/// An answer over UDP.
#[derive(Clone, Debug)]
struct DnsHeard {
    reply: DnsReply,
    tries: usize,
    round_trip: Duration,
    edns: Edns,
}

/// What became of the EDNS option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edns {
    /// The question with it was answered.
    Answered,
    /// The server refused it and answered without.
    Refused,
    /// The questions with it stayed unanswered, the one without did not.
    Lost,
}

/// Two sockets, so that the answers to both forms of a question are waited for at once.
struct Sockets {
    modern: Udp,
    plain: Udp,
    deadline: Deadline,
    /// Longer for a server that took long before.
    listen: Duration,
}

impl Sockets {
    fn open(ask: &mut Ask) -> Result<Self, Cause> {
        let slowest = ask.ledger.slowest_answer().filter(|took| *took >= SLOW);
        let listen = LISTEN + 3 * slowest.unwrap_or_default();
        let (modern, plain) = (ask.datagrams()?, ask.datagrams()?);
        Ok(Self { modern, plain, deadline: ask.deadline, listen })
    }

    /// The answer to the first question; and did the server answer a harmless one by `other` meanwhile?
    ///
    /// A server may be told to drop what it is asked about some names, and answers all others.
    async fn settled(&self, first: &DnsQuestion, other: &Udp) -> (Result<DnsAsked, Cause>, bool) {
        let harmless = async {
            let query = DnsQuestion::root().query(How::AtOnce)?;
            exchange(other, &query, &ASK_ANOTHER_AT, self.listen).await
        };
        let mut resolving = pin!(self.resolve(first));
        tokio::select! {
            biased;
            asked = &mut resolving => (asked, false),
            Ok(_) = harmless => (resolving.await, true),
        }
    }

    /// Asks, and asks once more for IPv6 when the name has no IPv4 address.
    async fn resolve(&self, question: &DnsQuestion) -> Result<DnsAsked, Cause> {
        let asked = self.settle(question).await?;
        match question.for_ipv6() {
            Some(other) if asked.heard.reply.is_without_data() => self.settle(&other).await,
            _ => Ok(asked),
        }
    }

    /// Asks, and asks again in another way when the answer calls for it.
    async fn settle(&self, question: &DnsQuestion) -> Result<DnsAsked, Cause> {
        let mut heard = self.ask(question).await?;
        if heard.edns == Edns::Answered && heard.reply.dislikes_edns() {
            let query = question.query(How::Plain)?;
            heard = exchange(&self.plain, &query, &ASK_AT, self.listen).await?;
            heard.edns = Edns::Refused;
        } else if heard.edns == Edns::Answered && heard.reply.may_dislike_edns() {
            let query = question.query(How::Plain)?;
            let again = exchange(&self.plain, &query, &ASK_AT, self.listen).await;
            if let Some(again) = again.ok().filter(|again| again.reply.resolves()) {
                heard = DnsHeard { edns: Edns::Refused, ..again };
            }
        }
        let mut unchecked = None;
        if heard.reply.rcode == ResponseCode::ServFail {
            let query = question.query(How::Unchecked)?;
            let again = exchange(&self.plain, &query, &ASK_AT, self.listen).await;
            unchecked = again.ok().map(|again| again.reply.rcode);
        }
        Ok(DnsAsked { question: question.clone(), heard, unchecked, whole: None })
    }

    /// Asks with EDNS, and in the end once without.
    async fn ask(&self, question: &DnsQuestion) -> Result<DnsHeard, Cause> {
        let (modern, plain) = (question.query(How::Edns)?, question.query(How::Plain)?);
        let mut with = pin!(exchange(&self.modern, &modern, &ASK_AT, self.listen));
        let without = exchange(&self.plain, &plain, &ASK_PLAIN_AT, self.listen);
        tokio::select! {
            biased;
            heard = &mut with => heard,
            Ok(heard) = without => match self.deadline.within(GRACE).bound(with).await {
                Some(Ok(late)) => Ok(late),
                _ => Ok(self.once_more(&modern).await.unwrap_or(DnsHeard { edns: Edns::Lost, ..heard })),
            },
        }
    }

    /// Asks with EDNS once more: on a path that loses packets, two in a row prove nothing.
    async fn once_more(&self, modern: &Query) -> Option<DnsHeard> {
        let asking = exchange(&self.modern, modern, &ASK_ONCE, self.listen);
        let heard = self.deadline.within(ONCE_MORE).bound(asking).await?.ok()?;
        Some(DnsHeard { tries: ASK_AT.len() + heard.tries, ..heard })
    }
}

async fn exchange(
    socket: &Udp,
    query: &Query,
    schedule: &[Duration],
    listen: Duration,
) -> Result<DnsHeard, Cause> {
    let accept = |bytes: &[u8]| query.accept(bytes);
    let answered = socket.exchange(&query.wire, schedule, listen, accept).await?;
    let (tries, round_trip) = (answered.tries, answered.round_trip);
    Ok(DnsHeard { reply: answered.reply?, tries, round_trip, edns: Edns::Answered })
}

/// All at once: a resolver takes its time for each.
async fn resolve_all(
    ask: &mut Ask,
    questions: &[DnsQuestion],
) -> Result<Vec<Result<DnsAsked, Cause>>, Cause> {
    let open = |question| Sockets::open(ask).map(|sockets| (sockets, question));
    let all = questions.iter().map(open).collect::<Result<Vec<_>, Cause>>()?;
    Ok(join_all(all.iter().map(|(sockets, question)| sockets.resolve(question))).await)
}

/// A connection, and the answer to the first question on it.
async fn over_tcp(ask: &mut Ask, question: &DnsQuestion) -> Result<(Stream, DnsReply), Cause> {
    let mut stream = ask.connect().await?;
    let reply = exchange_stream(&mut stream, question).await?;
    Ok((stream, reply))
}

async fn exchange_stream(stream: &mut Stream, question: &DnsQuestion) -> Result<DnsReply, Cause> {
    let query = question.query(How::Edns)?;
    stream.allow(LISTEN);
    stream.send(&message::prefixed(&query.wire)).await?;
    let prefix = stream.exactly(Phase::Reply, 2).await?;
    // Two bytes bound it to 65,535.
    let reply = stream.exactly(Phase::Reply, wire::length(&prefix)).await?;
    query.accept(&reply).unwrap_or_else(|| Err(Cause::bad_reply(message::EXPECTED, &reply)))
}

/// "10.0.0.5, 10.0.0.6"
fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().take(MAX_LISTED).map(IpAddr::to_string).collect();
    texts.join(", ")
}

/// At most two, as resolvers limit the rate of each client.
const ASK_AT: [Duration; 2] = [Duration::ZERO, Duration::from_millis(1_500)];
/// Without EDNS only after two questions with it were lost; early enough for
/// its answer to come before [`LISTEN`] ends.
const ASK_PLAIN_AT: [Duration; 1] = [Duration::from_millis(2_500)];
/// Another question, when all forms of the first one seem to stay unanswered.
const ASK_ANOTHER_AT: [Duration; 1] = [Duration::from_secs(3)];
/// When both were lost and plain DNS was answered: a third one decides.
const ASK_ONCE: [Duration; 1] = [Duration::ZERO];
/// The path is known to be quick by then.
const ONCE_MORE: Duration = Duration::from_secs(1);
/// Longer than the 3.07 s of a neighbour that does not answer.
const LISTEN: Duration = Duration::from_secs(4);
/// A server slower than this is given more time for what it is asked next.
const SLOW: Duration = Duration::from_secs(1);
/// A resolver that was slow answers all forms of a question at the same time.
const GRACE: Duration = Duration::from_millis(200);
/// Addresses of one name shown as evidence.
const MAX_LISTED: usize = 8;
