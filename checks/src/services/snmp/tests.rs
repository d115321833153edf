use async_snmp::{Value, VarBind, oid};
use tokio::net::UdpSocket;

use secrecy::SecretString;

use super::question::SnmpAnswer;
use super::*;
use crate::cause::{PathCause, SnmpCause, TalkCause};
use crate::net::{Deadline, Peer, Trust};

const WAITED: Millis = Millis(Duration::from_secs(5));

fn agent() -> SocketAddr {
    ([192, 0, 2, 1], 161).into()
}

fn community(version: CommunityVersion) -> Probe {
    Probe { credentials: Credentials::Community { version, community: "preflight-demo".into() } }
}

fn user(is_private: bool) -> Probe {
    let privacy = is_private.then(|| (PrivProtocol::Aes, "privacy-word".into()));
    let auth = Some((AuthProtocol::Sha, "authentication-word".into()));
    Probe { credentials: Credentials::User { name: "mon".to_owned(), auth, privacy } }
}

fn nobody() -> Probe {
    Probe { credentials: Credentials::User { name: "mon".to_owned(), auth: None, privacy: None } }
}

fn there() -> Discovered {
    Discovered::Engine(SnmpEngine::example())
}

fn verdict(
    probe: &Probe,
    discovered: Discovered,
    answer: Option<SnmpAnswer>,
) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    let heard = SnmpHeard { discovered, answer, to: agent(), waited: WAITED };
    (probe.judge(heard, &mut seen), seen)
}

fn cause(probe: &Probe, discovered: Discovered, answer: Option<SnmpAnswer>) -> Cause {
    verdict(probe, discovered, answer).0.unwrap_err()
}

/// What a healthy switch says.
fn system() -> Vec<VarBind> {
    vec![
        VarBind::new(question::descr(), Value::from("Cisco IOS Software,\r\nC3750E")),
        VarBind::new(question::object_id(), Value::from(oid!(1, 3, 6, 1, 4, 1, 9, 1, 516))),
        VarBind::new(question::up_time(), Value::TimeTicks(41 * 8_640_000)),
        VarBind::new(question::name(), Value::from("core-1")),
    ]
}

#[test]
fn an_agent_that_lets_us_read_passes_with_name_maker_and_uptime() {
    for discovered in [there(), Discovered::Nothing(None)] {
        let probe = community(CommunityVersion::V2c);
        let (verdict, seen) = verdict(&probe, discovered, Some(SnmpAnswer::System(system())));
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, "core-1, Cisco, up 41 d");
        let descr = "Cisco IOS Software,\\r\\nC3750E";
        assert_eq!(seen.evidence.fact("sys_descr"), Some(&descr.into()));
        assert_eq!(seen.evidence.fact("uptime_ms"), Some(&(41 * 86_400_000_i64).into()));
        assert_eq!(seen.evidence.fact("vendor"), Some(&"Cisco".into()));
        assert!(seen.concerns.is_empty());
    }
}

#[test]
fn discovery_alone_passes_and_says_what_was_not_tested() {
    let (verdict, seen) = verdict(&Probe::default(), there(), None);
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "agent answers, net-snmp, up 41 d");
    assert_eq!(seen.concerns, [Concern::SnmpNotRead]);
}

#[test]
fn silence_is_judged_by_what_was_asked() {
    let silence = || Some(SnmpAnswer::Silence { authenticated: false });
    let nothing = || Discovered::Nothing(None);
    let no_answer =
        Cause::Path(PathCause::NoAnswer { to: agent(), phase: Phase::Reply, waited: WAITED });
    let unknown = Cause::Snmp(SnmpCause::SnmpSilent { to: agent(), waited: WAITED });
    assert_eq!(cause(&Probe::default(), nothing(), None), unknown);
    assert!(unknown.is_inconclusive());
    assert_eq!(cause(&community(CommunityVersion::V2c), nothing(), silence()), no_answer);
    assert_eq!(cause(&user(true), nothing(), None), no_answer);
    for (version, name) in [(CommunityVersion::V1, "1"), (CommunityVersion::V2c, "2c")] {
        let expected = Cause::Snmp(SnmpCause::SnmpCommunity { version: name.into() });
        assert_eq!(cause(&community(version), there(), silence()), expected);
    }
}

#[test]
fn a_signed_clock_and_then_silence_is_the_privacy_key() {
    let silence = |authenticated| Some(SnmpAnswer::Silence { authenticated });
    let expected = Cause::Snmp(SnmpCause::SnmpDecryption { user: "mon".to_owned() });
    assert_eq!(cause(&user(true), there(), silence(true)), expected);
    let ignored = |level: &'static str| {
        Cause::Snmp(SnmpCause::SnmpUserIgnored { user: "mon".to_owned(), level: level.into() })
    };
    assert_eq!(cause(&user(true), there(), silence(false)), ignored("authPriv"));
    assert_eq!(cause(&user(false), there(), silence(true)), ignored("authNoPriv"));
    assert_eq!(cause(&nobody(), there(), silence(false)), ignored("noAuthNoPriv"));
}

#[test]
fn each_report_has_its_own_cause() {
    let name = || "mon".to_owned();
    let counter = 3;
    for (status, expected) in [
        (
            ReportStatus::UnknownUserName { counter },
            Cause::Snmp(SnmpCause::SnmpUnknownUser { user: name() }),
        ),
        (
            ReportStatus::WrongDigest { counter },
            Cause::Snmp(SnmpCause::SnmpWrongDigest { user: name() }),
        ),
        (
            ReportStatus::DecryptionError { counter },
            Cause::Snmp(SnmpCause::SnmpDecryption { user: name() }),
        ),
        (
            ReportStatus::UnsupportedSecurityLevel { counter },
            Cause::Snmp(SnmpCause::SnmpSecurityLevel { user: name(), level: "authPriv".into() }),
        ),
        (
            ReportStatus::NotInTimeWindow { counter },
            Cause::Snmp(SnmpCause::SnmpTimeWindow { boots: 7, time: 41 * 86_400 }),
        ),
        (
            ReportStatus::UnknownEngineId { counter },
            Cause::Talk(TalkCause::BadReply {
                expected: "the system group".into(),
                got: "a Report: unknown engine ID (counter 3)".to_owned(),
            }),
        ),
    ] {
        assert_eq!(cause(&user(true), there(), Some(SnmpAnswer::Report(status))), expected);
    }
}

#[test]
fn a_refusal_names_user_and_level_but_no_community() {
    let refused = || Some(SnmpAnswer::Status(ErrorStatus::AuthorizationError));
    assert_eq!(
        cause(&nobody(), there(), refused()).to_string(),
        "the agent does not let \"mon\" read at noAuthNoPriv (authorizationError)"
    );
    assert_eq!(
        cause(&community(CommunityVersion::V2c), there(), refused()).to_string(),
        "the agent does not let this community read (authorizationError)"
    );
    assert_eq!(
        cause(&user(true), there(), Some(SnmpAnswer::Status(ErrorStatus::GenErr))),
        Cause::Talk(TalkCause::BadReply {
            expected: "the system group".into(),
            got: "error status genErr".to_owned()
        })
    );
}

#[test]
fn a_view_that_hides_everything_fails_and_a_part_is_a_concern() {
    let probe = community(CommunityVersion::V2c);
    let mut variables = system();
    variables[1].value = Value::NoSuchObject;
    variables[3].value = Value::NoSuchInstance;
    let (partly, seen) = verdict(&probe, there(), Some(SnmpAnswer::System(variables.clone())));
    assert_eq!(partly, Ok(()));
    assert_eq!(seen.concerns, [Concern::SnmpSmallView]);
    assert_eq!(seen.headline, "Cisco IOS Software,\\…, net-snmp, up 41 d");
    for variable in &mut variables {
        variable.value = Value::NoSuchObject;
    }
    let hidden = cause(&probe, there(), Some(SnmpAnswer::System(variables)));
    assert_eq!(hidden, Cause::Snmp(SnmpCause::SnmpView));
    let none = cause(&probe, there(), Some(SnmpAnswer::System(Vec::new())));
    assert_eq!(none, Cause::Snmp(SnmpCause::SnmpView));
    let named = cause(&probe, there(), Some(SnmpAnswer::Status(ErrorStatus::NoSuchName)));
    assert_eq!(named, Cause::Snmp(SnmpCause::SnmpView));
}

#[test]
fn a_stray_datagram_counts_only_when_nothing_else_was_heard() {
    let stray = || Cause::bad_reply("an SNMPv3 Report", b"hello");
    let strange = || Discovered::Nothing(Some(stray()));
    let silence = Some(SnmpAnswer::Silence { authenticated: false });
    assert_eq!(cause(&Probe::default(), strange(), None), stray());
    let probe = community(CommunityVersion::V1);
    assert_eq!(cause(&probe, strange(), silence), stray());
    assert_eq!(verdict(&probe, strange(), Some(SnmpAnswer::System(system()))).0, Ok(()));
}

#[test]
fn what_a_device_says_of_itself_is_bounded_and_escaped() {
    let hostile = Value::OctetString(b"\x1b[2J".repeat(4_000).into());
    let variables = vec![VarBind::new(question::name(), hostile)];
    let probe = community(CommunityVersion::V2c);
    let (_, seen) = verdict(&probe, there(), Some(SnmpAnswer::System(variables)));
    assert_eq!(seen.headline, "\\x1b[2J\\x1b[2J\\x1b[2…, net-snmp");
    let name = seen.evidence.fact("sys_name").unwrap().to_string();
    assert!(name.len() < 420 && !name.contains('\x1b'), "{name}");
}

/// Serves `answer` on loopback and asks it with `probe`.
async fn ask(
    probe: &Probe,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> (Result<(), Cause>, Seen, usize) {
    ask_until(Deadline::after(SERVICE.budget), probe, answer).await
}

/// The same, where silence is part of the answer and is not to last.
async fn ask_briefly(
    probe: &Probe,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> (Result<(), Cause>, Seen, usize) {
    ask_until(Deadline::scaled(SERVICE.budget, 0.3), probe, answer).await
}

async fn ask_until(
    deadline: Deadline,
    probe: &Probe,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> (Result<(), Cause>, Seen, usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(socket.local_addr().unwrap());
    let mut asking = Ask::new(peer, deadline, Trust::only([]));
    let mut datagrams = 0;
    let serve = async {
        let mut request = [0; 2_048];
        loop {
            let (length, client) = socket.recv_from(&mut request).await.unwrap();
            datagrams += 1;
            if let Some(reply) = answer(&request[..length]) {
                socket.send_to(&reply, client).await.unwrap();
            }
        }
    };
    let verdict = tokio::select! {
        verdict = probe.run(&mut asking) => verdict,
        () = serve => unreachable!(),
    };
    (verdict, asking.seen, datagrams)
}

fn healthy(request: &[u8]) -> Option<Vec<u8>> {
    respond::respond(request, Duration::from_secs(600))
}

#[tokio::test]
async fn both_community_versions_read_the_responder() {
    for version in [CommunityVersion::V1, CommunityVersion::V2c] {
        let (verdict, seen, datagrams) = ask(&community(version), healthy).await;
        assert_eq!(verdict, Ok(()), "{version}");
        assert_eq!(seen.headline, "preflight-responder, enterprise 32473, up 10 min");
        assert_eq!(seen.evidence.fact("engine_boots"), Some(&1.into()));
        assert!(seen.concerns.is_empty(), "{:?}", seen.concerns);
        assert_eq!(datagrams, 2);
    }
}

#[tokio::test]
async fn a_wrong_community_is_sent_four_times_and_discovery_is_answered_between() {
    let community = "nobody-knows-me".into();
    let version = CommunityVersion::V2c;
    let probe = Probe { credentials: Credentials::Community { version, community } };
    let (verdict, seen, datagrams) = ask_briefly(&probe, healthy).await;
    assert_eq!(verdict, Err(Cause::Snmp(SnmpCause::SnmpCommunity { version: "2c".into() })));
    assert!(seen.evidence.fact("engine_id").is_some());
    assert_eq!(datagrams, 1 + 3 + CONTROLS + 1 + CONTROLS);
}

#[tokio::test]
async fn v1_asks_again_for_what_the_view_shows() {
    let agent = |request: &[u8]| {
        let reply = healthy(request)?;
        // A view without sysName: the responder no longer knows that object.
        let hidden = [0x2b, 6, 1, 2, 1, 1, 5, 0];
        let shown = [0x2b, 6, 1, 2, 1, 1, 6, 0];
        let at = request.windows(8).position(|window| window == hidden);
        let Some(at) = at else { return Some(reply) };
        let mut other = request.to_vec();
        other[at..at + 8].copy_from_slice(&shown);
        let mut reply = healthy(&other)?;
        let at = reply.windows(8).position(|window| window == shown)?;
        reply[at..at + 8].copy_from_slice(&hidden);
        Some(reply)
    };
    let (verdict, seen, datagrams) = ask(&community(CommunityVersion::V1), agent).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.concerns, [Concern::SnmpSmallView]);
    assert_eq!(datagrams, 3);
}

#[tokio::test]
async fn an_agent_without_v3_is_read_all_the_same() {
    let old = |request: &[u8]| {
        // SEQUENCE, length, INTEGER, 1, version.
        if request[4] == 3 { None } else { healthy(request) }
    };
    let (verdict, seen, _) = ask_briefly(&community(CommunityVersion::V2c), old).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.evidence.fact("engine_id"), None);
    assert!(seen.concerns.is_empty());
}

#[tokio::test]
async fn an_unsigned_report_ends_the_question_at_once() {
    // The responder answers discovery only; asked by a user, it would be silent.
    let agent = |request: &[u8]| healthy(request).or_else(|| Some(unsigned_report(request)));
    let started = tokio::time::Instant::now();
    let (verdict, ..) = ask(&nobody(), agent).await;
    assert_eq!(verdict, Err(Cause::Snmp(SnmpCause::SnmpUnknownUser { user: "mon".to_owned() })));
    assert!(started.elapsed() < Duration::from_secs(2));
}

/// usmStatsUnknownUserNames for the message in `request`.
fn unsigned_report(request: &[u8]) -> Vec<u8> {
    use async_snmp::message::{MsgFlags, MsgGlobalData, ScopedPdu, V3Message};
    use async_snmp::v3::{UsmSecurityParams, report_oids};
    let asked = discovery::decode(request).unwrap();
    let used = asked.security_params().clone();
    let used = UsmSecurityParams::decode(used, async_snmp::DecodeConfig::DEFAULT).unwrap().value;
    let status = VarBind::new(report_oids::unknown_user_names(), Value::Counter32(1));
    let report = async_snmp::ResponsePdu::report(0, vec![status]).unwrap();
    let scoped = ScopedPdu::new(used.engine_id().clone(), "", report);
    let flags = MsgFlags::new(async_snmp::SecurityLevel::NoAuthNoPriv, false);
    let size = asked.global_data().msg_max_size();
    let header = MsgGlobalData::new(asked.msg_id(), size, flags).unwrap();
    let named = UsmSecurityParams::new(used.engine_id().clone(), 1, 600, "mon").unwrap();
    V3Message::new(header, named.encode().unwrap(), scoped).unwrap().encode().unwrap().to_vec()
}

#[tokio::test(start_paused = true)]
async fn silence_costs_about_four_seconds_and_never_more() {
    for (probe, tenths, sent) in [
        (Probe::default(), 40, 3),
        (community(CommunityVersion::V2c), 38, 2 + 3),
        (user(true), 40, 3),
    ] {
        let started = tokio::time::Instant::now();
        let (verdict, _, datagrams) = ask(&probe, |_| None).await;
        assert!(verdict.is_err());
        assert_eq!(started.elapsed().as_millis() / 100, tenths, "{:?}", probe.credentials);
        assert_eq!(datagrams, sent);
    }
}

#[test]
fn every_truncation_of_a_get_leaves_the_responder_silent() {
    use async_snmp::message::CommunityMessage;
    use async_snmp::{RequestPdu, Version};
    let wanted = [question::descr(), question::name()];
    let get = RequestPdu::get(Version::V2c, 7, &wanted).unwrap();
    let get = CommunityMessage::v2c("preflight-demo", get).unwrap().encode().unwrap();
    assert!(healthy(&get).is_some());
    for length in 0..get.len() {
        assert_eq!(healthy(&get[..length]), None, "{length} bytes");
    }
    // GETBULK is what amplifies most, and nothing is set here (RFC 3416 §3: the tags of the PDUs).
    for tag in [0xa3, 0xa5] {
        let mut other = get.to_vec();
        let at = other.iter().position(|&byte| byte == 0xa0).unwrap();
        other[at] = tag;
        assert_eq!(healthy(&other), None, "{tag:#x}");
    }
}

#[test]
fn an_agent_that_is_stood_in_for_never_answers_twice_as_much_as_it_is_asked() {
    let community = SecretString::from("c");
    let long = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let asked = |kind: u8, oid: &[u8]| {
        let variable = [&[0x06, long(oid)][..], oid, &[0x05, 0x00]].concat();
        let list = [&[0x30, long(&variable)][..], &variable].concat();
        let list = [&[0x30, long(&list)][..], &list].concat();
        let body = [b"\x02\x01\x07\x02\x01\x00\x02\x01\x00".as_slice(), &list].concat();
        let pdu = [&[kind, long(&body)][..], &body].concat();
        let message = [b"\x02\x01\x01\x04\x01c".as_slice(), &pdu].concat();
        [&[0x30, long(&message)][..], &message].concat()
    };
    // The shortest question of all, and one for each value.
    let mut answered = 0;
    for oid in
        [&[0x2b][..], b"\x2b\x06\x01\x02\x01\x01\x01\x00", b"\x2b\x06\x01\x02\x01\x01\x05\x00"]
    {
        for kind in [0xa0, 0xa1] {
            let question = asked(kind, oid);
            let answer = super::stand_in(&question, Some(&community)).expect("an answer");
            assert!(answer.len() <= 2 * question.len(), "{} to {}", answer.len(), question.len());
            assert_eq!(super::stand_in(&question, None), None);
            answered += 1;
        }
    }
    assert_eq!(answered, 6);
    let other = SecretString::from("d");
    assert_eq!(super::stand_in(&asked(0xa0, &[0x2b]), Some(&other)), None);
    let discovery = discovery::question();
    let answer = super::stand_in(&discovery, None).expect("an engine");
    assert!(answer.len() <= 2 * discovery.len(), "{} to {}", answer.len(), discovery.len());
}
