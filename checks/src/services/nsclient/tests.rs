//! Every verdict without a socket, then whole visits to an agent inside TLS.

use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::*;
use crate::authority::{KeyedCertificate, params_for};
use crate::cause::{NsclientCause, TalkCause};
use crate::hostile::damaged;
use crate::net::{Deadline, Peer, Trust};
use crate::{Finding, examine};

fn answer(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer { status, body: body.into(), ..HttpAnswer::default() }
}

fn with_type(mut answer: HttpAnswer) -> HttpAnswer {
    answer.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    answer
}

fn alive(answer: &HttpAnswer) -> Result<(), Cause> {
    Probe::default().judge_alive(answer, &mut Seen::default())
}

fn query(queried: &HttpAnswer, anonymous: &HttpAnswer) -> Result<(), Cause> {
    Probe::default().judge_query(queried, Some(anonymous), &mut Seen::default())
}

#[test]
fn alive_is_alive_in_any_spacing() {
    for body in ["{\"status\" : \"ok\"}", "{\"status\":\"ok\"}", " {\n\"status\": \"ok\" }\n"] {
        assert_eq!(alive(&answer(200, body)), Ok(()), "{body}");
    }
}

#[test]
fn an_agent_that_wants_a_login_passes_and_one_that_refuses_us_does_not() {
    assert_eq!(alive(&answer(403, "403 Please login first")), Ok(()));
    for body in ["403 Your not allowed", "403 You're not allowed"] {
        let cause = Cause::Nsclient(NsclientCause::NsclientNotAllowed { body: body.to_owned() });
        assert_eq!(alive(&answer(403, body)), Err(cause));
    }
}

#[test]
fn another_web_server_is_named() {
    let mut page = answer(404, "<html>");
    page.headers.insert("server", HeaderValue::from_static("nginx"));
    let cause = alive(&page).unwrap_err();
    assert_eq!(
        cause,
        Cause::Talk(TalkCause::WrongService {
            expected: "NSClient++".into(),
            spoken: Spoken::Http,
            head: "404 from nginx".to_owned(),
        })
    );
    for other in [answer(200, "<html>It works"), answer(403, "Forbidden"), answer(500, "")] {
        assert_eq!(alive(&other).unwrap_err().code(), "wrong-service", "{other:?}");
    }
}

#[test]
fn an_old_agent_tells_a_wrong_password_from_a_host_it_does_not_allow() {
    let refused = answer(403, "403 You're not allowed");
    let body = "403 You're not allowed".to_owned();
    assert_eq!(
        query(&refused, &answer(403, "403 Please login first")),
        Err(Cause::Nsclient(NsclientCause::NsclientLogin { body: body.clone() }))
    );
    assert_eq!(
        query(&refused, &refused),
        Err(Cause::Nsclient(NsclientCause::NsclientNotAllowed { body }))
    );
}

#[test]
fn a_current_agent_does_not_tell_and_neither_do_we() {
    let refused = with_type(answer(403, "403 You're not allowed"));
    let body = "403 You're not allowed".to_owned();
    assert_eq!(
        query(&refused, &refused),
        Err(Cause::Nsclient(NsclientCause::NsclientRefused { body }))
    );
}

#[test]
fn any_other_answer_to_the_query_is_a_bad_reply() {
    let cause = query(&answer(404, "Document not found"), &answer(404, "")).unwrap_err();
    assert_eq!(
        cause,
        Cause::Talk(TalkCause::BadReply { expected: EXPECTED.into(), got: "404".to_owned() })
    );
}

#[test]
fn the_version_is_read_from_the_query() {
    let body = r#"{"payload":[{"command":"check_version","lines":[{"message":"0.5.2.35 2018-01-28","perf":""}],"result":"OK"}]}"#;
    let mut seen = Seen::default();
    let probe = Probe { user: None, password: Some("secret".into()), insecure: false };
    probe.judge_query(&answer(200, body), None, &mut seen).unwrap();
    probe.sum_up(&mut seen);
    assert_eq!(seen.headline, "alive, version 0.5.2.35");
    assert_eq!(seen.concerns, []);
}

#[test]
fn every_truncation_of_the_querys_answer_is_taken() {
    let body = br#"{"lines":[{"message" : "0.5.2.35 2018-01-28"}]}"#;
    for length in 0..body.len() {
        let _no_panic = version(&body[..length]);
    }
    assert_eq!(version(body).as_deref(), Some("0.5.2.35"));
    assert_eq!(version(br#""message":"hello there""#), None);
}

#[test]
fn without_a_password_that_is_said() {
    let mut seen = Seen::default();
    Probe::default().sum_up(&mut seen);
    assert_eq!(seen.concerns, [Concern::NsclientNotRead]);
    assert_eq!(seen.headline, "alive");
}

#[test]
fn the_password_goes_the_way_the_plugin_sends_it_and_is_not_shown() {
    let password = SecretString::from("hunter2");
    let legacy = Probe { user: None, password: Some(password.clone()), insecure: false };
    assert_eq!(legacy.credentials(&password).0, "password");
    assert_eq!(legacy.credentials(&password).1, "hunter2");
    let basic =
        Probe { user: Some("admin".to_owned()), password: Some(password.clone()), insecure: false };
    assert_eq!(basic.credentials(&password).0, "authorization");
    assert!(!format!("{basic:?} {:?}", legacy.credentials(&password)).contains("hunter2"));
}

/// What such an agent presents: signed by itself, for `localhost`.
static AGENT: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let own = KeyedCertificate::by_itself(&params_for(&["localhost"]).unwrap()).unwrap();
    Arc::new(own.server().unwrap())
});

/// A visit to an agent that is alive or not, and refuses every query; returns
/// what it heard, a text for each connection.
async fn visit(probe: Probe, is_agent: bool) -> (Finding, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let heard = Mutex::new(Vec::new());
    let serve = async {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let far = FarStream::new(Box::new(connection), Some(AGENT.clone()));
            let mut far = far.secure().await.unwrap();
            let lines = exchange::read_request(&mut far).await.unwrap();
            let answer = match lines[0].as_str() {
                "GET /core/isalive HTTP/1.1" if is_agent => "200\r\n\r\n{\"status\" : \"ok\"}",
                _ => "403\r\n\r\n403 Please login first",
            };
            let answer = if is_agent { answer } else { "404 No\r\n\r\n<html>" };
            heard.lock().unwrap().push(lines.join("\n"));
            far.send(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
            far.close().await.unwrap();
        }
    };
    let probe = crate::Probe::Nsclient(probe);
    let deadline = Deadline::after(Duration::from_secs(10));
    let trust = Trust::only([]);
    let finding = tokio::select! {
        finding = Box::pin(examine(&probe, peer, deadline, &trust)) => finding,
        () = serve => panic!("it serves for ever"),
    };
    (finding, heard.into_inner().unwrap())
}

fn with_password() -> Probe {
    Probe { user: None, password: Some("hunter2".into()), insecure: true }
}

#[tokio::test]
async fn an_agent_whose_certificate_is_not_trusted_does_not_hear_the_password() {
    let probe = Probe { insecure: false, ..with_password() };
    let (finding, heard) = visit(probe, true).await;
    assert_eq!(finding.verdict, Ok(()));
    let concerns: Vec<_> = finding.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(concerns, ["certificate-unverified", "nsclient-password-kept"]);
    assert_eq!(heard.len(), 1);
    assert!(!heard[0].contains("hunter2"), "{heard:?}");
}

#[tokio::test]
async fn another_server_never_hears_the_password() {
    let (finding, heard) = visit(with_password(), false).await;
    assert_eq!(finding.verdict.unwrap_err().code(), "wrong-service");
    assert_eq!(heard.len(), 1);
    assert!(!heard[0].contains("hunter2"), "{heard:?}");
}

#[tokio::test]
async fn a_refused_password_is_sent_once_only() {
    let (finding, heard) = visit(with_password(), true).await;
    let body = "403 Please login first".to_owned();
    assert_eq!(finding.verdict, Err(Cause::Nsclient(NsclientCause::NsclientLogin { body })));
    let sent = heard.iter().filter(|request| request.contains("password: hunter2")).count();
    assert_eq!((heard.len(), sent), (3, 1), "{heard:?}");
}

#[tokio::test]
async fn without_a_password_there_is_one_question() {
    let (finding, heard) = visit(Probe::default(), true).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(heard.len(), 1);
    let concerns: Vec<_> = finding.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(concerns, ["certificate-unverified", "nsclient-not-read"]);
}

proptest! {
    #[test]
    fn no_page_breaks_the_readers(
        body in damaged(br#"{"payload":[{"lines":[{"message":"0.5.2.35 2018-01-28"}]}]}"#),
    ) {
        if let Some(version) = version(&body) {
            prop_assert!(version.len() < 40, "{}", version);
        }
        let _any_verdict = is_alive(&body);
    }
}
