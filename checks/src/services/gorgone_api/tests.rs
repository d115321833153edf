//! Every verdict without a socket; whole visits are in `tests/servers/services.rs`.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cause::{GorgoneCause, Millis, QuietPoller, TalkCause};
use crate::hostile::damaged;

const NOW: u64 = 1_700_000_000;

fn judge_answer(status: u16, body: &str) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    let answer = HttpAnswer { status, body: body.into(), ..HttpAnswer::default() };
    (Probe::default().judge(&answer, false, NOW, &mut seen), seen)
}

/// Pollers `(id, last ping, last pong)` before now, 0 for never.
fn judge(pollers: &[(&str, u64, u64)]) -> (Result<(), Cause>, Seen) {
    let time = |ago: u64| if ago == 0 { 0 } else { NOW - ago };
    let pollers = pollers.iter().map(|(id, sent, received)| {
        let (sent, received) = (time(*sent), time(*received));
        format!(r#""{id}":{{"type":"push_zmq","last_ping_sent":{sent},"last_ping_recv":{received},"nodes":{{}}}}"#)
    });
    let pollers = pollers.collect::<Vec<_>>().join(",");
    judge_answer(200, &format!(r#"{{"action":"constatus","data":{{{pollers}}},"message":"ok"}}"#))
}

fn fact(seen: &Seen, name: &str) -> String {
    seen.evidence.fact(name).map(ToString::to_string).unwrap_or_default()
}

#[test]
fn pollers_that_answer_pass_with_the_age_of_each_pong() {
    let (verdict, seen) = judge(&[("2", 20, 12), ("10", 30, 290)]);
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "2 pollers answer, last pong 4 min ago");
    assert_eq!(fact(&seen, "poller_2_last_pong_ms"), "12000");
    assert_eq!(fact(&seen, "poller_10_last_pong_ms"), "290000");
    assert_eq!(fact(&seen, "poller_2_type"), "push_zmq");
}

#[test]
fn a_poller_without_a_pong_is_named_with_how_long() {
    let (verdict, seen) = judge(&[("10", 30, 0), ("3", 9, 9), ("2", 30, 3 * 3_600 + 5)]);
    let quiet = |id: &str, seconds: Option<u64>| QuietPoller {
        id: id.to_owned(),
        last_pong: seconds.map(|seconds| Millis(Duration::from_secs(seconds))),
    };
    let pollers = vec![quiet("2", Some(10_805)), quiet("10", None)];
    let cause = Cause::Gorgone(GorgoneCause::NoPong { pollers });
    assert_eq!(verdict.as_ref().unwrap_err(), &cause);
    assert_eq!(
        cause.to_string(),
        "Gorgone has had no pong from poller 2 for 3 h, from poller 10 since it started"
    );
    assert_eq!(fact(&seen, "poller_3_last_pong_ms"), "9000");
}

#[test]
fn three_hundred_seconds_are_not_too_long_and_one_more_is() {
    assert_eq!(judge(&[("2", 5, 300)]).0, Ok(()));
    assert_eq!(judge(&[("2", 5, 301)]).0.unwrap_err().code(), "no-pong");
}

#[test]
fn a_poller_that_was_not_asked_yet_is_not_quiet() {
    let (verdict, seen) = judge(&[("2", 0, 0)]);
    assert_eq!((verdict, seen.headline.as_str()), (Ok(()), "no poller was asked yet"));
    let (verdict, seen) = judge(&[]);
    assert_eq!((verdict, seen.headline.as_str()), (Ok(()), "Gorgone has no pollers"));
}

#[test]
fn a_pong_of_the_future_was_just_now() {
    let body =
        format!(r#"{{"data":{{"2":{{"last_ping_sent":1,"last_ping_recv":{}}}}}}}"#, NOW + 99);
    let (verdict, seen) = judge_answer(200, &body);
    assert_eq!((verdict, seen.headline.as_str()), (Ok(()), "1 poller answers, last pong 0 s ago"));
}

#[test]
fn numbers_may_be_texts_and_strange_pollers_are_passed_over() {
    let sent = NOW - 10;
    let body = format!(
        r#"{{"data":{{"2":{{"last_ping_sent":"{sent}","last_ping_recv":"{sent}.5","nodes":[]}},"x":7,"y":{{"last_ping_sent":-1}}}}}}"#
    );
    let (verdict, seen) = judge_answer(200, &body);
    assert_eq!((verdict, fact(&seen, "poller_2_last_pong_ms").as_str()), (Ok(()), "10000"));
}

#[test]
fn the_identity_of_a_poller_is_escaped_and_bounded() {
    let body = r#"{"data":{"\u001b[31mlong-long-long-long-long":{"last_ping_sent":1}}}"#;
    let said = judge_answer(200, body).0.unwrap_err().to_string();
    assert!(!said.contains('\u{1b}') && said.len() < 90, "{said}");
}

#[test]
fn many_quiet_pollers_are_four_and_a_number() {
    let pollers: Vec<String> = (1..=30).map(|id| id.to_string()).collect();
    let pollers: Vec<(&str, u64, u64)> = pollers.iter().map(|id| (id.as_str(), 9, 400)).collect();
    let said = judge(&pollers).0.unwrap_err().to_string();
    assert!(said.ends_with("from poller 4 for 6 min and 26 more"), "{said}");
}

#[test]
fn what_gorgone_refuses_is_told_from_what_is_not_gorgone() {
    let code = |status, body: &str| judge_answer(status, body).0.unwrap_err().code();
    let refused = r#"{"error":"http_error_401","message":"unauthorized"}"#;
    assert_eq!(code(401, refused), "gorgone-api-refused");
    assert_eq!(code(403, r#"{"error":"http_error_403"}"#), "gorgone-api-refused");
    assert_eq!(code(401, "<html>Unauthorized"), "http-forbidden");
    assert_eq!(code(404, UNKNOWN), "http-not-found");
    assert_eq!(code(404, r#"{"error":"method_unknown","message":"x"}"#), "http-not-found");
    assert_eq!(code(404, "<html>Not Found"), "wrong-service");
    assert_eq!(code(400, "The plain HTTP request was sent to HTTPS port"), "tls-unexpected");
    assert_eq!(code(200, "<html>It works"), "wrong-service");
    assert_eq!(code(200, r#"{"status":"ok"}"#), "wrong-service");
    let got = "no_result: No result found for action constatus".to_owned();
    let body = r#"{"error":"no_result","message":"No result found for action constatus"}"#;
    for status in [200, 400] {
        let cause =
            Cause::Talk(TalkCause::BadReply { expected: EXPECTED.into(), got: got.clone() });
        assert_eq!(judge_answer(status, body).0, Err(cause));
    }
    let no_proxy = r#"{"action":"constatus","message":"cannot get value"}"#;
    assert_eq!(judge_answer(200, no_proxy).0, Err(Cause::Gorgone(GorgoneCause::GorgoneNoStatus)));
}

#[test]
fn every_truncation_of_the_answer_is_refused() {
    let whole = status::example(NOW);
    for length in 0..whole.len() {
        assert!(judge_answer(200, &whole[..length]).0.is_err(), "{length} bytes");
    }
    assert_eq!(judge_answer(200, &whole).0, Ok(()));
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    assert!(judge_answer(200, &"{\"data\":".repeat(60_000)).0.is_err());
}

proptest! {
    #[test]
    fn no_answer_breaks_the_reader(body in damaged(status::example(NOW).as_bytes()), now: u64) {
        let answer = HttpAnswer { status: 200, body, ..HttpAnswer::default() };
        let mut seen = Seen::default();
        if Probe::default().judge(&answer, false, now, &mut seen).is_ok() {
            prop_assert_ne!(seen.headline, "");
        }
    }
}
