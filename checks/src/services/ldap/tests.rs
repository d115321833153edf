use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::ber::{Tag, Writer};
use super::client::{bind, root_dse, start_tls};
use super::message::{
    BIND, BOUND, DONE, EXTENDED_DONE, LdapMessage, LdapQuestion, REFERENCE, SEARCH, STARTTLS,
    unbind,
};
use super::respond::{entry, result};
use super::*;
use crate::cause::Phase;
use crate::cause::{LdapCause, TalkCause, TlsCause};
use crate::hostile::{damaged, ends, said};
use crate::net::{Deadline, FarStream, Peer, Trust};
use crate::recognise::Spoken;

fn answer(code: u32, text: &str) -> LdapResult {
    LdapResult::new(code, text)
}

fn dse(code: u32, attributes: &[(&str, &str)]) -> RootDse {
    let attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]));
    RootDse { answer: answer(code, ""), attributes: attributes.collect::<BTreeMap<_, _>>() }
}

/// A directory that shows its root DSE, offers StartTLS and takes any bind.
fn healthy() -> LdapHeard {
    let dse = dse(0, &[("supportedextension", STARTTLS), ("namingcontexts", "dc=example,dc=org")]);
    LdapHeard { dse, starttls: Some(answer(0, "")), in_tls: true, bind: Some(answer(0, "")) }
}

fn anonymous() -> Probe {
    Probe::default()
}

fn with_password(password: &str) -> Probe {
    let dn = "cn=probe,dc=example,dc=org".to_owned();
    let bind = Bind { dn, password: password.into(), plain: false };
    Probe { login: LdapLogin::As(bind), ..Probe::default() }
}

/// The same, allowed in plain text.
fn in_plain(password: &str) -> Probe {
    let LdapLogin::As(bind) = with_password(password).login else { panic!("a password") };
    Probe { login: LdapLogin::As(Bind { plain: true, ..bind }), ..Probe::default() }
}

fn verdict(probe: &Probe, heard: &LdapHeard) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    (probe.judge(heard, &mut seen), seen)
}

// ---- judge ----

#[test]
fn a_healthy_directory_passes_with_its_naming_context() {
    let (passed, seen) = verdict(&anonymous(), &healthy());
    assert_eq!(passed, Ok(()));
    assert_eq!(seen.headline, "root DSE, StartTLS, dc=example,dc=org");
    assert_eq!(seen.evidence.fact("anonymous_bind"), Some(&"0 success".into()));
    assert_eq!(seen.concerns, []);
    let (passed, seen) = verdict(&with_password("x"), &healthy());
    assert_eq!((passed, seen.headline.as_str()), (Ok(()), "bound, StartTLS, dc=example,dc=org"));
    assert_eq!(seen.evidence.fact("bind"), Some(&"0 success".into()));
}

#[test]
fn a_refused_anonymous_bind_is_no_failure() {
    let heard = LdapHeard { bind: Some(answer(48, "anonymous bind disallowed")), ..healthy() };
    let (passed, seen) = verdict(&anonymous(), &heard);
    assert_eq!(passed, Ok(()));
    assert_eq!(
        seen.evidence.fact("anonymous_bind"),
        Some(&"48 inappropriateAuthentication".into())
    );
    assert_eq!(seen.concerns, []);
}

#[test]
fn each_refusal_of_a_bind_has_its_own_cause() {
    let ad = |data: &str| {
        format!(
            "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v4563\0"
        )
    };
    let refused = |reason: &str, code: Option<&str>| {
        let sub_code = code.map(str::to_owned);
        let said = code.map_or_else(String::new, |code| ad(code).replace('\0', ""));
        let cause = Cause::Ldap(LdapCause::LdapBindRefused { sub_code, text: said });
        assert_eq!(cause.to_string(), format!("the directory refuses the bind: {reason}"));
        cause
    };
    let other = |result, name: &'static str, text: &str| {
        Cause::Ldap(LdapCause::LdapRefused { result, name: name.into(), text: text.to_owned() })
    };
    let limit = |result, name: &'static str, text: &str| {
        Cause::Ldap(LdapCause::LdapLimit { result, name: name.into(), text: text.to_owned() })
    };
    for (code, text, cause) in [
        (49, String::new(), refused("wrong name or password", None)),
        (49, ad("525"), refused("no such user", Some("525"))),
        (49, ad("52e"), refused("wrong user name or password", Some("52e"))),
        (49, ad("530"), refused("not allowed to log on at this hour", Some("530"))),
        (49, ad("531"), refused("not allowed to log on from this machine", Some("531"))),
        (49, ad("532"), refused("the password has expired", Some("532"))),
        (49, ad("533"), refused("the account is disabled", Some("533"))),
        (49, ad("701"), refused("the account has expired", Some("701"))),
        (49, ad("773"), refused("the password must be changed first", Some("773"))),
        (49, ad("775"), refused("the account is locked out", Some("775"))),
        (49, ad("9999"), refused("wrong name or password", Some("9999"))),
        (
            8,
            "signing".into(),
            Cause::Ldap(LdapCause::LdapProtectionRequired { result: 8, text: "signing".into() }),
        ),
        (
            13,
            "TLS".into(),
            Cause::Ldap(LdapCause::LdapProtectionRequired { result: 13, text: "TLS".into() }),
        ),
        (48, "no".into(), other(48, "inappropriateAuthentication", "no")),
        (53, "no".into(), other(53, "unwillingToPerform", "no")),
        (51, "later".into(), other(51, "busy", "later")),
        (52, "later".into(), other(52, "unavailable", "later")),
        (4711, "?".into(), other(4711, "unknown result", "?")),
        (3, "slow".into(), limit(3, "timeLimitExceeded", "slow")),
        (4, String::new(), limit(4, "sizeLimitExceeded", "")),
        (11, String::new(), limit(11, "adminLimitExceeded", "")),
    ] {
        let heard = LdapHeard { bind: Some(answer(code, &text)), ..healthy() };
        assert_eq!(verdict(&with_password("x"), &heard).0, Err(cause), "{code} {text}");
    }
}

#[test]
fn an_empty_password_is_never_sent_and_never_passes() {
    let probe = with_password("");
    assert_eq!(probe.credentials(&healthy()), None);
    let cause = verdict(&probe, &LdapHeard { bind: None, ..healthy() }).0.unwrap_err();
    assert_eq!(cause.to_string(), "the directory refuses the bind: the password given is empty");
}

#[test]
fn a_refused_starttls_is_a_failure_for_a_password_when_it_was_offered() {
    let heard =
        LdapHeard { starttls: Some(answer(52, "no TLS")), in_tls: false, bind: None, ..healthy() };
    let cause =
        Cause::Ldap(LdapCause::LdapStarttlsRefused { result: 52, text: "no TLS".to_owned() });
    assert_eq!(verdict(&with_password("x"), &heard).0, Err(cause));
    // A domain controller without a certificate offers it all the same.
    for probe in [anonymous(), in_plain("x")] {
        let bind = Some(answer(0, ""));
        let (passed, seen) = verdict(&probe, &LdapHeard { bind, ..heard.clone() });
        assert_eq!((passed, seen.concerns), (Ok(()), vec![Concern::LdapNoStarttls]));
    }
}

#[test]
fn without_tls_a_password_stays_here_unless_it_is_allowed_to_leave() {
    let dse = dse(0, &[("vendorname", "x")]);
    let heard = LdapHeard { starttls: Some(answer(2, "")), in_tls: false, dse, bind: None };
    assert_eq!(with_password("x").credentials(&heard), None);
    let (passed, seen) = verdict(&with_password("x"), &heard);
    assert_eq!((passed, seen.concerns), (Ok(()), vec![Concern::LdapPasswordKept]));
    assert_eq!(seen.headline, "root DSE");

    assert_eq!(in_plain("x").credentials(&heard).unwrap().1, "x");
    let heard = LdapHeard { bind: Some(answer(0, "")), ..heard };
    let (passed, seen) = verdict(&in_plain("x"), &heard);
    assert_eq!((passed, seen.concerns), (Ok(()), vec![Concern::LdapNoStarttls]));
    assert_eq!(seen.headline, "bound");
}

#[test]
fn a_bind_that_was_not_tried_after_a_refusal_elsewhere_says_so() {
    let probe = crate::Probe::Ldap(with_password("x"));
    assert!(probe.risks_lockout());
    let crate::Probe::Ldap(spared) = probe.without_credentials() else { panic!("LDAP") };
    let (passed, seen) = verdict(&spared, &healthy());
    assert_eq!((passed, seen.concerns), (Ok(()), vec![Concern::LdapBindWithheld]));
    assert_eq!(seen.headline, "root DSE, StartTLS, dc=example,dc=org");
}

#[test]
fn a_referral_names_the_directory_that_holds_the_name() {
    let to = ["ldap://other.example.org/dc=example".to_owned(), "ldaps://x\u{1b}/".to_owned()];
    let refers = answer(10, "").referring_to(to.iter().map(String::as_str));
    let cause = verdict(&with_password("x"), &LdapHeard { bind: Some(refers), ..healthy() }).0;
    assert_eq!(
        cause.unwrap_err().to_string(),
        "the directory does not hold this bind DN and refers to \
         ldap://other.example.org/dc=example, ldaps://x\\x1b/"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bind_that_nobody_answers_is_told_from_a_directory_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let mut ask = Ask::new(peer, Deadline::after(Duration::from_secs(30)), Trust::only([]));
    let probe = in_plain("x");
    let asking = probe.run(&mut ask);
    let no = result(1, EXTENDED_DONE, 2, "unsupported extended operation");
    let answers = [root_dse_reply(), no];
    let far = converse(&listener, &answers);
    let (verdict, ()) = tokio::join!(asking, far);
    let Err(Cause::Ldap(LdapCause::LdapBindUnanswered { waited })) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(waited.to_string(), "5.0 s");
}

#[tokio::test]
async fn a_directory_that_hangs_up_on_starttls_it_never_offered_is_asked_without() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let mut ask = Ask::new(peer, Deadline::after(Duration::from_secs(9)), Trust::only([]));
    let far = async {
        let mut far = FarStream::new(Box::new(listener.accept().await.unwrap().0), None);
        respond::request(&mut far).await.unwrap();
        far.send(&root_dse_reply()).await.unwrap();
        respond::request(&mut far).await.unwrap();
        far.close().await.unwrap();
        converse(&listener, &[result(1, BOUND, 0, "")]).await;
    };
    let probe = anonymous();
    let (verdict, ()) = tokio::join!(probe.run(&mut ask), far);
    assert_eq!((verdict, ask.seen.concerns), (Ok(()), vec![Concern::LdapNoStarttls]));
    let told = ask.seen.evidence.fact("starttls_answer").unwrap().to_string();
    assert!(told.contains("closed"), "{told}");
}

#[test]
fn a_hidden_root_dse_still_proves_the_server() {
    let refused = Some(answer(53, "authentication required"));
    let heard = LdapHeard {
        dse: dse(53, &[]),
        starttls: refused,
        in_tls: false,
        bind: Some(answer(48, "")),
    };
    let (passed, seen) = verdict(&anonymous(), &heard);
    assert_eq!(passed, Ok(()));
    assert_eq!(seen.headline, "answers (53 unwillingToPerform)");
    assert_eq!(seen.concerns, [Concern::LdapNotBound, Concern::LdapNoStarttls]);
}

#[test]
fn a_directory_that_is_busy_or_wants_tls_fails_before_any_bind() {
    let heard = |code| LdapHeard { dse: dse(code, &[]), starttls: None, in_tls: false, bind: None };
    let wants_tls =
        Cause::Ldap(LdapCause::LdapProtectionRequired { result: 13, text: String::new() });
    assert_eq!(verdict(&anonymous(), &heard(13)).0, Err(wants_tls));
    for (code, name) in [(51, "busy"), (52, "unavailable")] {
        let cause = Cause::Ldap(LdapCause::LdapRefused {
            result: code,
            name: name.into(),
            text: String::new(),
        });
        assert_eq!(verdict(&anonymous(), &heard(code)).0, Err(cause));
    }
}

// ---- messages ----

fn root_dse_reply() -> Vec<u8> {
    let attributes: [(&str, &[&str]); 2] =
        [("namingContexts", &["dc=example,dc=org"]), ("vendorName", &["somebody"])];
    [entry(1, &attributes), result(1, DONE, 0, "")].concat()
}

fn question(tag: Tag) -> LdapQuestion {
    let request = Writer::message(Tag::SEQUENCE, |message| {
        message.integer(1).nested(tag, |_| {});
    });
    LdapQuestion::of(&request).unwrap()
}

#[test]
fn every_truncation_of_every_message_is_a_bad_reply() {
    let whole = [
        (SEARCH, entry(1, &[("a", &["b", "c"])])),
        (SEARCH, result(1, DONE, 0, "text")),
        (BIND, result(1, BOUND, 49, "text")),
        (SEARCH, reference(&[b"ldap://example.org/"])),
    ];
    for (tag, message) in whole {
        question(tag).accepts(&message).unwrap();
        for length in 0..message.len() {
            let cause = question(tag).accepts(&message[..length]).unwrap_err();
            assert_eq!(cause.code(), "bad-reply", "{tag:?} {length} bytes");
        }
    }
}

#[test]
fn only_the_answer_to_our_question_is_let_through() {
    let bad = [
        result(1, BOUND, 0, ""),
        result(1, EXTENDED_DONE, 0, ""),
        result(2, DONE, 0, ""),
        unbind(),
        // An intermediate response, which only an extension may ask for.
        result(1, Tag::application(25), 0, ""),
        vec![0x30, 0],
        vec![0x30, 3, 2, 1, 1],
        // A message id of no bytes, and one below zero.
        vec![0x30, 11, 2, 0, 0x65, 7, 10, 1, 0, 4, 0, 4, 0],
        vec![0x30, 12, 2, 1, 0xff, 0x65, 7, 10, 1, 0, 4, 0, 4, 0],
        // Words that are not UTF-8.
        vec![0x30, 13, 2, 1, 1, 0x65, 8, 10, 1, 0, 4, 0, 4, 1, 0xe9],
        // A control whose criticality has no byte.
        vec![0x30, 21, 2, 1, 1, 0x65, 7, 10, 1, 0, 4, 0, 4, 0, 0xa0, 7, 0x30, 5, 4, 1, b'1', 1, 0],
        reference(&[b"\xff"]),
    ];
    for message in bad {
        let cause = question(SEARCH).accepts(&message).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{message:02x?}");
    }
}

fn reference(urls: &[&[u8]]) -> Vec<u8> {
    Writer::message(Tag::SEQUENCE, |message| {
        message.integer(1).nested(REFERENCE, |list| {
            for url in urls {
                list.octets(url);
            }
        });
    })
}

#[test]
fn a_notice_of_disconnection_gives_its_own_reason() {
    let proper = result(0, EXTENDED_DONE, 52, "going down");
    // Active Directory's, with the name behind the operation.
    let misplaced = Writer::message(Tag::SEQUENCE, |message| {
        message.integer(0).nested(EXTENDED_DONE, |notice| {
            notice.number(Tag::ENUMERATED, 52).octets(b"").octets(b"going down");
        });
        message.element(Tag::context(10), b"1.3.6.1.4.1.1466.20036");
    });
    let cause = Cause::Ldap(LdapCause::LdapRefused {
        result: 52,
        name: "unavailable".into(),
        text: "going down".to_owned(),
    });
    for notice in [proper, misplaced] {
        assert_eq!(question(BIND).accepts(&notice), Err(cause.clone()));
    }
}

#[test]
fn our_own_messages_are_those_of_the_rfc() {
    assert_eq!(unbind(), [0x30, 5, 2, 1, 2, 0x42, 0]);
    let request = message::start_tls();
    assert_eq!(request[..9], [0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16]);
    assert_eq!(request[9..], *STARTTLS.as_bytes());
    assert_eq!(LdapMessage::decode(&request).unwrap().id, 1);
}

// ---- the guard, with ldap3 behind it ----

async fn root_dse_after(words: &[u8]) -> Result<RootDse, Cause> {
    let (mut stream, _far) = said(words).await;
    root_dse(&mut stream).await
}

fn bad_reply(expected: &'static str, got: &str) -> Cause {
    Cause::Talk(TalkCause::BadReply { expected: expected.into(), got: got.to_owned() })
}

#[tokio::test]
async fn ldap3_reads_what_the_guard_lets_through() {
    let dse = root_dse_after(&root_dse_reply()).await.unwrap();
    assert_eq!(dse.context().unwrap(), "dc=example,dc=org");
    assert_eq!(dse.attributes["vendorname"], ["somebody"]);
}

#[tokio::test]
async fn one_stream_serves_one_question_after_the_other() {
    let refused = result(1, BOUND, 49, "no");
    let words = [root_dse_reply(), result(1, EXTENDED_DONE, 53, "not now"), refused].concat();
    let (mut stream, mut far) = said(&words).await;
    root_dse(&mut stream).await.unwrap();
    assert_eq!(start_tls(&mut stream).await.unwrap(), answer(53, "not now"));
    assert_eq!(bind(&mut stream, "cn=probe", "secret").await.unwrap(), answer(49, "no"));
    // Nothing was said twice: a search, StartTLS and one bind.
    let mut heard = vec![0; 4096];
    let length = far.read(&mut heard).await.unwrap();
    let binds = heard[..length].windows(6).filter(|bytes| bytes == b"secret").count();
    assert_eq!(binds, 1);
}

/// Answers the requests of one connection in turn, then waits for its end.
async fn converse(listener: &TcpListener, answers: &[Vec<u8>]) {
    let mut far = FarStream::new(Box::new(listener.accept().await.unwrap().0), None);
    for answer in answers {
        respond::request(&mut far).await.unwrap();
        far.send(answer).await.unwrap();
    }
    far.until_closed().await.unwrap();
}

#[tokio::test]
async fn tls_refused_for_a_question_still_on_is_asked_for_on_a_new_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let mut ask = Ask::new(peer, Deadline::after(Duration::from_secs(9)), Trust::only([]));
    let dse = entry(1, &[("supportedExtension", &[STARTTLS])]);
    let dse = [dse, result(1, DONE, 0, "")].concat();
    let outstanding = result(1, EXTENDED_DONE, 1, "operations are outstanding");
    let far = async {
        converse(&listener, &[dse, outstanding]).await;
        converse(&listener, &[result(1, EXTENDED_DONE, 52, "no certificate")]).await;
    };
    let probe = with_password("x");
    let (verdict, ()) = tokio::join!(probe.run(&mut ask), far);
    let text = "no certificate".to_owned();
    assert_eq!(verdict, Err(Cause::Ldap(LdapCause::LdapStarttlsRefused { result: 52, text })));
}

#[tokio::test]
async fn forty_thousand_levels_do_not_reach_ldap3() {
    let mut bomb = Vec::new();
    for level in 0..40_000_u32 {
        let length = (40_000 - level - 1) * 6;
        bomb.extend([0x30, 0x84]);
        bomb.extend(length.to_be_bytes());
    }
    let cause = root_dse_after(&bomb).await.unwrap_err();
    let Cause::Talk(TalkCause::BadReply {
        expected: Cow::Borrowed("an LDAP message of few levels"),
        ..
    }) = cause
    else {
        panic!("{cause}")
    };
}

#[tokio::test]
async fn four_gigabytes_are_refused_before_they_are_read() {
    let cause = root_dse_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).await.unwrap_err();
    let expected = "an LDAP message of at most 256 kB";
    assert_eq!(cause, bad_reply(expected, "one of 4294967295 bytes announced"));
}

#[tokio::test]
async fn an_empty_message_is_a_bad_reply() {
    let cause = root_dse_after(&[0x30, 0]).await.unwrap_err();
    assert_eq!(cause, bad_reply("an LDAP message", "2 bytes: 30 00"));
}

#[tokio::test]
async fn a_bind_response_to_a_search_is_a_bad_reply() {
    let cause = root_dse_after(&result(1, BOUND, 0, "")).await.unwrap_err();
    let got = "14 bytes: 30 0c 02 01 01 61 07 0a 01 00 04 00 04 00";
    assert_eq!(cause, bad_reply("an LDAP answer to our question", got));
}

#[tokio::test]
async fn another_service_is_named() {
    let ssh = root_dse_after(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap_err();
    let head = "23 bytes: \"SSH-2.0-OpenSSH_9.2p1\\r\\n\"".to_owned();
    assert_eq!(
        ssh,
        Cause::Talk(TalkCause::WrongService { expected: "LDAP".into(), spoken: Spoken::Ssh, head })
    );
    let tls = root_dse_after(&[0x15, 3, 3, 0, 2, 2, 70]).await.unwrap_err();
    assert_eq!(tls, Cause::Tls(TlsCause::TlsUnexpected { expected: "LDAP".into() }));
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_to_its_bound() {
    let large = "x".repeat(60_000);
    let entries = entry(1, &[("description", &[&large])]).repeat(10);
    let cause = root_dse_after(&entries).await.unwrap_err();
    let Cause::Talk(TalkCause::Endless { phase: Phase::Reply, limit: 524_288, .. }) = cause else {
        panic!("{cause}")
    };
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_an_answer_are_two_things() {
    let silent = root_dse_after(&[]).await.unwrap_err();
    assert_eq!(silent.code(), "silent");
    let half = root_dse_after(&root_dse_reply()[..20]).await.unwrap_err();
    let Cause::Talk(TalkCause::Incomplete { received: 20, .. }) = half else { panic!("{half}") };
}

#[tokio::test]
async fn a_peer_that_hangs_up_after_the_question_says_so() {
    let (mut stream, far) = said(&[0x30]).await;
    drop(far);
    assert_eq!(root_dse(&mut stream).await.unwrap_err().code(), "hung-up");
}

/// An entry with a control that is not critical behind it.
fn with_control() -> Vec<u8> {
    let control = [0xa0, 10, 0x30, 8, 4, 1, b'1', 1, 1, 0, 4, 0];
    let mut reply = entry(1, &[("a", &["b"])]);
    reply[1] += u8::try_from(control.len()).unwrap();
    reply.extend(control);
    reply
}

proptest! {
    /// Whatever the guard lets through, ldap3 reads without a panic.
    #[test]
    fn no_answer_makes_ldap3_panic(
        reply in prop_oneof![damaged(&entry(1, &[("a", &["b"])])), damaged(&with_control())],
    ) {
        let words = [reply, result(1, DONE, 10, "text")].concat();
        let read = ends(&words, async |mut stream| root_dse(&mut stream).await);
        if let Err(cause) = read {
            prop_assert_ne!(cause.code(), "probe-panicked");
        }
    }

    #[test]
    fn no_answer_breaks_the_guard(words in damaged(&root_dse_reply())) {
        let question = question(SEARCH);
        let _any_verdict = question.accepts(&words);
        let _any_message = LdapMessage::decode(&words).map(|message| LdapResult::decode(message.operation));
        let dse = ends(&words, async |mut stream| root_dse(&mut stream).await);
        let _any_answer = ends(&words, async |mut stream| start_tls(&mut stream).await);
        if let Ok(dse) = dse {
            let heard = LdapHeard { dse, ..healthy() };
            let _any_verdict = verdict(&anonymous(), &heard);
        }
    }
}
