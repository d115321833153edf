use std::net::SocketAddr;

use hickory_proto::op::Message;
use proptest::prelude::*;
use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::cause::{DnsCause, NameCause, PathCause, PortCause, TalkCause};
use crate::hostile::{damaged, ends};
use crate::net::{Peer, Trust};
use crate::{Finding, examine};

const TO: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);
const NAME: &str = "central.example";

// ---- judge: a verdict for every answer, without a socket ----

fn reply(rcode: ResponseCode) -> DnsReply {
    let addresses = vec![];
    DnsReply {
        rcode,
        recursive: true,
        authoritative: false,
        truncated: false,
        addresses,
        alias: None,
    }
}

fn resolved() -> DnsReply {
    DnsReply { addresses: vec![[10, 0, 0, 5].into()], ..reply(ResponseCode::NoError) }
}

fn asked(question: DnsQuestion, reply: DnsReply) -> DnsAsked {
    let round_trip = Duration::from_micros(2_400);
    let heard = DnsHeard { reply, tries: 1, round_trip, edns: Edns::Answered };
    DnsAsked { question, heard, unchecked: None, whole: None }
}

fn round(udp: Result<DnsAsked, Cause>, tcp: Result<DnsReply, Cause>) -> Round {
    let question =
        udp.as_ref().map_or_else(|_| DnsQuestion::root(), |asked| asked.question.clone());
    Round {
        questions: vec![question],
        udp: vec![udp],
        answers_others: false,
        tcp,
        beyond: None,
        of_nobody: None,
    }
}

fn about_root(reply: DnsReply) -> Round {
    round(Ok(asked(DnsQuestion::root(), reply.clone())), Ok(reply))
}

fn about_name(reply: DnsReply) -> Round {
    round(Ok(asked(DnsQuestion::address(NAME).unwrap(), reply.clone())), Ok(reply))
}

fn verdict(round: &Round) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    (Probe::default().judge(round, &mut seen), seen)
}

fn no_answer() -> Cause {
    Cause::Path(PathCause::NoAnswer { to: TO, phase: Phase::Reply, waited: Millis(LISTEN) })
}

fn silent() -> Cause {
    Cause::Talk(TalkCause::Silent { to: TO, phase: Phase::Reply, waited: Millis(LISTEN) })
}

fn closed() -> Cause {
    Cause::Port(PortCause::PortClosed { to: TO })
}

#[test]
fn a_resolver_passes_with_its_facts() {
    let (verdict, seen) = verdict(&about_root(reply(ResponseCode::NoError)));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "recursive, UDP and TCP, 2.4 ms");
    assert_eq!(seen.concerns, []);
    for (fact, value) in [
        ("question", ". NS".into()),
        ("rcode", "NOERROR".into()),
        ("recursion_available", true.into()),
        ("round_trip_ms", 2.4.into()),
        ("tcp", true.into()),
    ] {
        assert_eq!(seen.evidence.fact(fact), Some(&value), "{fact}");
    }
}

#[test]
fn a_needed_name_passes_with_its_address() {
    let (verdict, seen) = verdict(&about_name(resolved()));
    assert_eq!(verdict, Ok(()));
    let addresses = seen.evidence.fact("addresses").unwrap().to_string();
    assert_eq!(addresses, "central.example: 10.0.0.5");
    assert_eq!(seen.headline, "recursive, UDP and TCP, 2.4 ms; central.example is 10.0.0.5");
}

#[test]
fn a_name_that_is_refused_does_not_condemn_a_server_that_resolves_another() {
    let other = || DnsQuestion::address("other.example").unwrap();
    let question = other().text();
    for (rcode, cause) in [
        (ResponseCode::Refused, Cause::Dns(DnsCause::DnsRefused { question: question.clone() })),
        (ResponseCode::ServFail, Cause::Dns(DnsCause::DnsServfail { question: question.clone() })),
    ] {
        let mut round = about_name(resolved());
        round.questions.push(other());
        round.udp.push(Ok(asked(other(), reply(rcode))));
        let (passes, seen) = verdict(&round);
        assert_eq!(passes, Ok(()));
        assert_eq!(seen.concerns, [Concern::DnsNameFails { cause: Box::new(cause.clone()) }]);
        // Nor does the order count.
        round.questions.reverse();
        round.udp.reverse();
        assert_eq!(verdict(&round).0, Ok(()));
        // When it resolves none, it is the server.
        round.questions.truncate(1);
        round.udp.truncate(1);
        assert_eq!(verdict(&round).0, Err(cause));
    }
}

/// An internal server is right to refuse the root.
#[test]
fn a_server_of_its_own_zones_that_was_asked_for_no_name_cannot_be_judged() {
    let refused = DnsReply { recursive: false, ..reply(ResponseCode::Refused) };
    let (verdict, _) = verdict(&about_root(refused.clone()));
    assert_eq!(verdict, Err(Cause::Dns(DnsCause::DnsNoNameAsked)));
    assert!(Cause::Dns(DnsCause::DnsNoNameAsked).is_inconclusive());
    let question = format!("{NAME} A");
    assert_eq!(
        self::verdict(&about_name(refused)).0,
        Err(Cause::Dns(DnsCause::DnsRefused { question }))
    );
}

#[test]
fn refusals_and_failures_are_told_apart() {
    let question = ". NS".to_owned();
    let failed = |rcode: &str| {
        Cause::Dns(DnsCause::DnsFailed { rcode: rcode.into(), question: ". NS".into() })
    };
    for (rcode, cause) in [
        (ResponseCode::Refused, Cause::Dns(DnsCause::DnsRefused { question: question.clone() })),
        (ResponseCode::ServFail, Cause::Dns(DnsCause::DnsServfail { question })),
        (ResponseCode::NotImp, failed("NOTIMP")),
        (ResponseCode::FormErr, failed("FORMERR")),
        (ResponseCode::Unknown(3841), failed("RCODE 3841")),
    ] {
        assert_eq!(verdict(&about_root(reply(rcode))).0, Err(cause), "{rcode:?}");
    }
}

#[test]
fn a_failure_that_ends_without_validation_is_about_signatures() {
    let failing = || asked(DnsQuestion::root(), reply(ResponseCode::ServFail));
    let question = ". NS".to_owned();
    for (unchecked, cause) in [
        (ResponseCode::NoError, Cause::Dns(DnsCause::DnsValidation { question: question.clone() })),
        (
            ResponseCode::NXDomain,
            Cause::Dns(DnsCause::DnsValidation { question: question.clone() }),
        ),
        (ResponseCode::ServFail, Cause::Dns(DnsCause::DnsServfail { question: question.clone() })),
        (ResponseCode::Refused, Cause::Dns(DnsCause::DnsServfail { question })),
    ] {
        let asked = DnsAsked { unchecked: Some(unchecked), ..failing() };
        assert_eq!(verdict(&round(Ok(asked), Err(closed()))).0, Err(cause));
    }
}

#[test]
fn a_server_for_its_own_zones_is_no_resolver() {
    let authoritative =
        DnsReply { recursive: false, authoritative: true, ..reply(ResponseCode::NoError) };
    assert_eq!(verdict(&about_root(authoritative)).0, Err(Cause::Dns(DnsCause::DnsNoNameAsked)));
    let referral = DnsReply { recursive: false, ..reply(ResponseCode::NoError) };
    let cause = Cause::Dns(DnsCause::DnsNotRecursive { question: "central.example A".into() });
    assert_eq!(verdict(&about_name(referral)).0, Err(cause));
}

#[test]
fn a_server_whose_own_zone_has_the_name_passes_with_a_concern() {
    let own = DnsReply { recursive: false, authoritative: true, ..resolved() };
    let (verdict, seen) = verdict(&about_name(own));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.concerns, [Concern::DnsOwnZonesOnly]);
    assert_eq!(seen.headline, "own zones only, UDP and TCP, 2.4 ms; central.example is 10.0.0.5");
}

#[test]
fn one_name_that_is_known_does_not_make_a_resolver() {
    let (root, refused) = (DnsQuestion::root(), reply(ResponseCode::Refused));
    for (beyond, headline) in [
        (None, "recursive, UDP and TCP, 2.4 ms; central.example is 10.0.0.5"),
        (
            Some(Ok(asked(root.clone(), reply(ResponseCode::NoError)))),
            "recursive, UDP and TCP, 2.4 ms; central.example is 10.0.0.5",
        ),
        (
            Some(Ok(asked(root.clone(), refused))),
            "own zones only, UDP and TCP, 2.4 ms; central.example is 10.0.0.5",
        ),
        (Some(Err(closed())), "own zones only, UDP and TCP, 2.4 ms; central.example is 10.0.0.5"),
    ] {
        let is_recursive = headline.starts_with("recursive");
        let (verdict, seen) = verdict(&Round { beyond, ..about_name(resolved()) });
        assert_eq!((verdict, seen.headline.as_str()), (Ok(()), headline));
        assert_eq!(seen.concerns.is_empty(), is_recursive, "{headline}");
    }
}

#[test]
fn an_answer_for_a_name_of_nobodys_is_worth_nothing() {
    let of_nobody = |reply| Some(Ok(asked(DnsQuestion::nobodys(), reply)));
    let made_up = Concern::DnsMadeUp { addresses: "10.0.0.5".to_owned() };
    // Nothing is needed: whether it resolves is not seen.
    let root = about_root(reply(ResponseCode::NoError));
    let (passes, seen) = verdict(&Round { of_nobody: of_nobody(resolved()), ..root });
    assert_eq!((passes, seen.concerns), (Ok(()), vec![made_up.clone()]));
    assert_eq!(seen.headline, "answers any name, UDP and TCP, 2.4 ms");
    // The needed name has the same answer.
    let same = verdict(&Round { of_nobody: of_nobody(resolved()), ..about_name(resolved()) }).0;
    let (name, addresses) = (NAME.to_owned(), "10.0.0.5".to_owned());
    assert_eq!(same, Err(Cause::Dns(DnsCause::DnsWildcard { name, addresses })));
    // It has one of its own.
    let own = DnsReply { addresses: vec![[10, 0, 0, 6].into()], ..resolved() };
    let (passes, seen) = verdict(&Round { of_nobody: of_nobody(resolved()), ..about_name(own) });
    assert_eq!((passes, seen.concerns), (Ok(()), vec![made_up]));
    // As it should be, or unknown.
    for right in [of_nobody(reply(ResponseCode::NXDomain)), Some(Err(no_answer())), None] {
        let (passes, seen) = verdict(&Round { of_nobody: right, ..about_name(resolved()) });
        assert_eq!((passes, seen.concerns), (Ok(()), vec![]));
    }
}

#[test]
fn a_needed_name_that_is_missing_is_told_from_one_without_address() {
    let name = NAME.to_owned();
    let missing = verdict(&about_name(reply(ResponseCode::NXDomain))).0;
    assert_eq!(missing, Err(Cause::Dns(DnsCause::DnsNameNotFound { name: name.clone() })));
    let empty = verdict(&about_name(reply(ResponseCode::NoError))).0;
    assert_eq!(empty, Err(Cause::Dns(DnsCause::DnsNameWithoutAddress { name })));
}

#[test]
fn udp_alone_is_a_concern() {
    let works = Ok(asked(DnsQuestion::root(), reply(ResponseCode::NoError)));
    let (verdict, seen) = verdict(&round(works, Err(closed())));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.concerns, [Concern::DnsUdpOnly { because: closed().into() }]);
    assert_eq!(seen.headline, "recursive, UDP only, 2.4 ms");
    assert_eq!(seen.evidence.fact("tcp"), Some(&false.into()));
}

#[test]
fn tcp_alone_fails() {
    let (verdict, _) = verdict(&round(Err(no_answer()), Ok(reply(ResponseCode::NoError))));
    let cause = Cause::Dns(DnsCause::DnsTcpOnly { udp: Box::new(no_answer()) });
    assert_eq!(cause.owner(), no_answer().owner());
    assert_eq!(verdict, Err(cause));
}

#[test]
fn silence_of_udp_is_read_in_the_light_of_tcp() {
    let unanswered =
        Cause::Dns(DnsCause::DnsUnanswered { question: ". NS".into(), waited: Millis(LISTEN) });
    assert_eq!(verdict(&round(Err(no_answer()), Err(no_answer()))).0, Err(no_answer()));
    assert_eq!(verdict(&round(Err(no_answer()), Err(closed()))).0, Err(no_answer()));
    assert_eq!(verdict(&round(Err(closed()), Err(silent()))).0, Err(closed()));
    let hung_up = Cause::Talk(TalkCause::HungUp { to: TO, phase: Phase::Reply, received: 0 });
    assert_eq!(verdict(&round(Err(no_answer()), Err(hung_up))).0, Err(unanswered.clone()));
    let of_others = Round { answers_others: true, ..round(Err(no_answer()), Err(closed())) };
    // It may have all names that are needed, and none was known to ask for.
    assert_eq!(verdict(&of_others).0, Err(Cause::Dns(DnsCause::DnsNoNameAsked)));
    assert_eq!(verdict(&round(Err(no_answer()), Err(silent()))).0, Err(unanswered));
    let question = || DnsQuestion::address(NAME).unwrap();
    let of_a_name = Round { questions: vec![question()], ..of_others };
    let unanswered =
        DnsCause::DnsUnanswered { question: question().text(), waited: Millis(LISTEN) };
    assert_eq!(verdict(&of_a_name).0, Err(Cause::Dns(unanswered)));
}

#[test]
fn a_second_name_without_answer_does_not_make_the_server_silent() {
    let mut round = about_name(resolved());
    round.questions.push(DnsQuestion::address("slow.example").unwrap());
    round.udp.push(Err(no_answer()));
    let question = "slow.example A".to_owned();
    let cause = Cause::Dns(DnsCause::DnsUnanswered { question, waited: Millis(LISTEN) });
    assert_eq!(verdict(&round).0, Err(cause));
}

#[test]
fn a_truncated_answer_counts_once_tcp_has_the_rest() {
    let cut = DnsReply { truncated: true, ..reply(ResponseCode::NoError) };
    let question = || DnsQuestion::address(NAME).unwrap();
    let whole = DnsAsked { whole: Some(Ok(resolved())), ..asked(question(), cut.clone()) };
    let (passes, seen) = verdict(&round(Ok(whole), Ok(resolved())));
    assert_eq!(passes, Ok(()));
    assert_eq!(seen.evidence.fact("truncated"), Some(&true.into()));
    let lost = DnsAsked { whole: Some(Err(closed())), ..asked(question(), cut) };
    let cause = Cause::Dns(DnsCause::DnsTruncated {
        question: "central.example A".into(),
        tcp: Box::new(closed()),
    });
    assert_eq!(cause.owner(), closed().owner());
    assert_eq!(verdict(&round(Ok(lost), Err(closed()))).0, Err(cause));
}

#[test]
fn asking_twice_and_asking_without_edns_are_concerns() {
    let mut asked = asked(DnsQuestion::root(), reply(ResponseCode::NoError));
    asked.heard.tries = 2;
    let late = verdict(&round(Ok(asked.clone()), Ok(reply(ResponseCode::NoError)))).1;
    assert_eq!(late.concerns, [Concern::PacketLoss { tries: 2 }]);
    asked.heard = DnsHeard { tries: 1, edns: Edns::Lost, ..asked.heard };
    let without = verdict(&round(Ok(asked), Ok(reply(ResponseCode::NoError)))).1;
    assert_eq!(without.concerns, [Concern::DnsWithoutEdns]);
    assert_eq!(without.evidence.fact("edns"), Some(&false.into()));
}

// ---- messages ----

#[test]
fn probe_reads_what_the_responder_answers() {
    let query = DnsQuestion::address("a_b.example").unwrap().query(How::Edns).unwrap();
    let bytes = message::respond(&query.wire).unwrap();
    let reply = query.accept(&bytes).unwrap().unwrap();
    assert_eq!(reply.addresses, [IpAddr::from([192, 0, 2, 53])]);
    assert!(reply.recursive);
    let nobodys = DnsQuestion::nobodys().query(How::Edns).unwrap();
    let bytes_for_nobody = message::respond(&nobodys.wire).unwrap();
    let reply = nobodys.accept(&bytes_for_nobody).unwrap().unwrap();
    assert_eq!((reply.rcode, reply.addresses), (ResponseCode::NXDomain, vec![]));
    let other = DnsQuestion::root().query(How::Edns).unwrap();
    assert!(other.accept(&bytes).is_none(), "an answer to another question");
    assert!(query.accept(&query.wire).is_none(), "a question");
}

#[test]
fn a_root_question_is_what_every_resolver_knows() {
    let query = DnsQuestion::root().query(How::Edns).unwrap();
    let after_id =
        [1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
    assert_eq!(query.wire[2..], after_id);
    assert_eq!(DnsQuestion::root().query(How::Plain).unwrap().wire.len(), 17);
    assert_eq!(DnsQuestion::root().query(How::Unchecked).unwrap().wire[3], 0x10);
}

#[test]
fn an_answer_without_question_section_counts() {
    let query = DnsQuestion::root().query(How::Edns).unwrap();
    let mut refusal = query.wire[..12].to_vec();
    refusal[2..12].copy_from_slice(&[0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    let reply = query.accept(&refusal).unwrap().unwrap();
    assert_eq!((reply.rcode, reply.recursive), (ResponseCode::Refused, false));
    refusal[0] ^= 1;
    assert!(query.accept(&refusal).is_none(), "another id");
}

#[test]
fn every_truncation_of_an_answer_is_a_bad_reply() {
    let query = DnsQuestion::root().query(How::Edns).unwrap();
    let whole = message::respond(&query.wire).unwrap();
    for length in 0..whole.len() {
        let cause = query.accept(&whole[..length]).unwrap().unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
}

/// An answer to another question of the same words.
fn root_servers() -> Vec<u8> {
    message::respond(&DnsQuestion::root().query(How::Edns).unwrap().wire).unwrap()
}

proptest! {
    #[test]
    fn no_message_breaks_decoder_judge_or_responder(
        mut bytes in damaged(&root_servers()),
        is_ours in any::<bool>(),
    ) {
        let question = DnsQuestion::root();
        let query = question.query(How::Edns).unwrap();
        // Without the right id nothing behind it is looked at.
        if let Some(id) = bytes.get_mut(..2).filter(|_| is_ours) {
            id.copy_from_slice(&query.wire[..2]);
        }
        let _any_answer = message::respond(&bytes);
        if let Some(Ok(reply)) = query.accept(&bytes) {
            let _any_verdict = verdict(&about_root(reply.clone()));
            let _any_verdict = verdict(&about_name(reply));
        }
        let prefixed = message::prefixed(&bytes);
        let _any_end = ends(&prefixed, async |mut stream| exchange_stream(&mut stream, &question).await);
    }
}

#[test]
fn a_name_that_cannot_be_one_is_ours_to_mend() {
    let probe = Probe { names: vec![format!("{}.example", "a".repeat(64))] };
    assert_eq!(probe.questions().unwrap_err().code(), "local-error");
}

#[test]
fn an_address_needs_no_resolver() {
    let probe = Probe { names: vec!["10.0.0.5".into(), "fd00::5".into()] };
    assert_eq!(probe.questions().unwrap(), (DnsQuestion::root(), vec![]));
    let probe = Probe { names: vec!["10.0.0.5".into(), NAME.into()] };
    assert_eq!(probe.questions().unwrap().0.text(), "central.example A");
}

// ---- run: servers with one fault each ----

/// What a faulty server makes of a question; `is_tcp` says how it came.
type Script = fn(question: &Message, is_tcp: bool) -> Option<Message>;

fn healthy(question: &Message) -> Message {
    Message::from_vec(&message::respond(&question.to_vec().unwrap()).unwrap()).unwrap()
}

fn with_rcode(question: &Message, rcode: ResponseCode) -> Message {
    let mut reply = healthy(question);
    reply.answers.clear();
    reply.metadata.response_code = rcode;
    reply
}

/// Serves until the probe is done, then returns its finding.
async fn against(script: Script, names: &[&str]) -> Finding {
    let (listener, socket) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
            break (listener, socket);
        }
    };
    let to = listener.local_addr().unwrap();
    let answer = |bytes: &[u8], is_tcp| {
        script(&Message::from_vec(bytes).unwrap(), is_tcp).map(|reply| reply.to_vec().unwrap())
    };
    let udp = async {
        let mut bytes = [0; 4096];
        loop {
            let (length, client) = socket.recv_from(&mut bytes).await.unwrap();
            if let Some(reply) = answer(&bytes[..length], false) {
                socket.send_to(&reply, client).await.unwrap();
            }
        }
    };
    let tcp = async {
        loop {
            let accepted = listener.accept().await.unwrap().0;
            let mut far = FarStream::new(Box::new(accepted), None);
            while let Ok(prefix) = far.exactly(2).await {
                let length = usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
                let question = far.exactly(length).await.unwrap();
                let Some(reply) = answer(&question, true) else { break };
                far.send(&message::prefixed(&reply)).await.unwrap();
            }
        }
    };
    let probe = Probe { names: names.iter().map(|&name| name.to_owned()).collect() };
    let probe = crate::Probe::Dns(probe);
    // A tenth of every wait: what is asked again comes after 150 and 250 ms.
    let deadline = Deadline::scaled(SERVICE.budget, 0.1);
    let trust = Trust::only([]);
    tokio::select! {
        () = udp => unreachable!(),
        () = tcp => unreachable!(),
        finding = Box::pin(examine(&probe, Peer::from(to), deadline, &trust)) => finding,
    }
}

#[tokio::test]
async fn a_server_older_than_edns_is_asked_without() {
    #[allow(clippy::unnecessary_wraps)] // As a script is.
    fn but_for<const RCODE: u16>(question: &Message, _: bool) -> Option<Message> {
        let [high, low] = (RCODE << 4).to_be_bytes();
        let rcode = ResponseCode::from(high, low >> 4);
        let is_old = question.edns.is_none();
        Some(if is_old { healthy(question) } else { with_rcode(question, rcode) })
    }
    // FORMERR, SERVFAIL, NOTIMP, REFUSED, BADVERS.
    let scripts: [Script; 5] =
        [but_for::<1>, but_for::<2>, but_for::<4>, but_for::<5>, but_for::<16>];
    for old in scripts {
        let finding = against(old, &[]).await;
        assert_eq!(finding.verdict, Ok(()));
        assert_eq!(finding.seen.concerns, []);
        assert_eq!(finding.seen.evidence.fact("edns"), Some(&false.into()));
    }
}

#[test]
fn a_version_of_edns_that_is_not_spoken_is_no_bad_signature() {
    assert_eq!(message::rcode(ResponseCode::from(1, 0)), "BADVERS");
}

#[tokio::test]
async fn a_server_that_refuses_the_root_is_not_called_recursive() {
    let site_only = |question: &Message, _| {
        let is_root = question.queries[0].name().is_root();
        Some(if is_root { with_rcode(question, ResponseCode::Refused) } else { healthy(question) })
    };
    let finding = against(site_only, &[NAME]).await;
    assert_eq!(finding.verdict, Ok(()), "{:?}", finding.seen);
    assert_eq!(finding.seen.concerns, [Concern::DnsOwnZonesOnly]);
    assert_eq!(finding.seen.evidence.fact("root"), Some(&"REFUSED".into()));
    let finding = against(|question, _| Some(healthy(question)), &[NAME]).await;
    assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), vec![]));
}

#[tokio::test]
async fn a_path_that_drops_edns_is_a_concern() {
    let finding =
        against(|question, _| question.edns.is_none().then(|| healthy(question)), &[]).await;
    assert_eq!(finding.verdict, Ok(()), "{:?}", finding.seen);
    assert!(finding.seen.concerns.contains(&Concern::DnsWithoutEdns), "{:?}", finding.seen);
}

#[tokio::test]
async fn broken_signatures_are_found_by_not_checking_them() {
    let validating = |question: &Message, _| {
        let unchecked = question.metadata.checking_disabled;
        Some(if unchecked {
            healthy(question)
        } else {
            with_rcode(question, ResponseCode::ServFail)
        })
    };
    let finding = against(validating, &[]).await;
    assert_eq!(
        finding.verdict,
        Err(Cause::Dns(DnsCause::DnsValidation { question: ". NS".into() }))
    );
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_over_tcp() {
    let short = |question: &Message, is_tcp: bool| {
        let mut reply = healthy(question);
        if !is_tcp {
            reply.metadata.truncation = true;
            reply.answers.clear();
        }
        Some(reply)
    };
    let finding = against(short, &[NAME, "second.example"]).await;
    assert_eq!(finding.verdict, Ok(()));
    let addresses = finding.seen.evidence.fact("addresses").unwrap().to_string();
    assert_eq!(addresses, "central.example: 192.0.2.53, second.example: 192.0.2.53");
}

#[tokio::test]
async fn a_name_with_an_ipv6_address_only_is_found() {
    use hickory_proto::rr::{RData, Record, RecordType, rdata::AAAA};
    let modern = |question: &Message, _| {
        let mut reply = with_rcode(question, ResponseCode::NoError);
        let asked = &question.queries[0];
        if asked.query_type == RecordType::AAAA && asked.name.to_ascii().starts_with(NAME) {
            let address = RData::AAAA(AAAA("fd00::5".parse().unwrap()));
            reply.add_answer(Record::from_rdata(asked.name.clone(), 60, address));
        }
        Some(reply)
    };
    let finding = against(modern, &[NAME]).await;
    assert_eq!(finding.verdict, Ok(()));
    let addresses = finding.seen.evidence.fact("addresses").unwrap().to_string();
    assert_eq!(addresses, "central.example: fd00::5");
}

#[tokio::test]
async fn the_missing_one_of_several_names_is_named() {
    let partial = |question: &Message, _| {
        let is_missing = question.queries[0].name.to_ascii().starts_with("gone");
        Some(if is_missing {
            with_rcode(question, ResponseCode::NXDomain)
        } else {
            healthy(question)
        })
    };
    let finding = against(partial, &[NAME, "gone.example"]).await;
    assert_eq!(
        finding.verdict,
        Err(Cause::Dns(DnsCause::DnsNameNotFound { name: "gone.example".into() }))
    );
}

#[tokio::test]
async fn a_server_that_answers_over_tcp_only_does_not_pass() {
    let finding = against(|question, is_tcp| is_tcp.then(|| healthy(question)), &[]).await;
    assert_eq!(finding.verdict.unwrap_err().code(), "dns-tcp-only");
    assert!(finding.took < LISTEN.mul_f64(0.1) * 2, "{:?}", finding.took);
}

#[test]
fn an_alias_that_leads_nowhere_names_its_end() {
    let alias = Some("gone.example".to_owned());
    for (rcode, end) in
        [(ResponseCode::NXDomain, AliasEnd::NoName), (ResponseCode::NoError, AliasEnd::NoAddress)]
    {
        let broken = DnsReply { alias: alias.clone(), ..reply(rcode) };
        let cause = Cause::Name(NameCause::AliasBroken {
            name: NAME.to_owned(),
            target: "gone.example".to_owned(),
            end,
            servers: Vec::new(),
        });
        assert_eq!(verdict(&about_name(broken)).0, Err(cause));
    }
}

#[test]
fn an_address_that_no_host_can_have_is_no_answer() {
    for address in ["0.0.0.0", "::"] {
        let blocked = DnsReply { addresses: vec![address.parse().unwrap()], ..resolved() };
        let cause = verdict(&about_name(blocked)).0.unwrap_err();
        assert_eq!(
            cause.to_string(),
            format!("{NAME} has the address {address}, which cannot be a host's (DNS)")
        );
    }
}
