//! Every verdict without a socket, then conversations over a stream.

use proptest::prelude::*;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::cause::{GorgoneCause, TalkCause, TlsCause, WebCause};
use crate::hostile::{PEER, damaged, said};
use crate::net::Deadline;

/// The key and its answer in RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn key() -> Key {
    Key(KEY.to_owned())
}

fn answer(status: u16, headers: &[(&'static str, &str)]) -> HttpAnswer {
    let mut answer = HttpAnswer { status, ..HttpAnswer::default() };
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        answer.headers.insert(HeaderName::from_static(name), value);
    }
    answer
}

fn judge(answer: &HttpAnswer) -> (Result<(), Cause>, String) {
    let mut seen = Seen::default();
    let verdict = Probe::default().judge(answer, &key(), None, &mut seen);
    (verdict, seen.headline)
}

fn code(status: u16, server: &str) -> &'static str {
    judge(&answer(status, &[("server", server)])).0.unwrap_err().code()
}

#[test]
fn the_key_is_answered_as_the_rfc_says() {
    assert_eq!(key().accepted(), ACCEPTED);
}

#[test]
fn gorgone_that_switches_passes_and_is_named() {
    let accept = ("sec-websocket-accept", ACCEPTED);
    let (verdict, headline) = judge(&answer(101, &[("server", "Mojolicious (Perl)"), accept]));
    assert_eq!((verdict, headline.as_str()), (Ok(()), "WebSocket of Gorgone, token not tested"));
    let (verdict, headline) = judge(&answer(101, &[("server", "Apache"), accept]));
    assert_eq!((verdict, headline.as_str()), (Ok(()), "WebSocket behind Apache, token not tested"));
}

#[test]
fn an_answer_to_another_key_does_not_pass() {
    for headers in [&[][..], &[("sec-websocket-accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")]] {
        let cause = judge(&answer(101, headers)).0.unwrap_err();
        let (expected, got) = ("the WebSocket handshake for our key", "101 with another key's");
        assert_eq!(
            cause,
            Cause::Talk(TalkCause::BadReply { expected: expected.into(), got: got.to_owned() })
        );
    }
}

#[test]
fn a_web_server_that_knows_nothing_of_gorgone_is_told_from_gorgone_itself() {
    for status in [200, 302, 404, 405] {
        let cause =
            Cause::Gorgone(GorgoneCause::GorgoneWebsocketMissing { path: "/".to_owned(), status });
        assert_eq!(judge(&answer(status, &[("server", "Apache")])).0, Err(cause));
    }
    let not_found = judge(&answer(404, &[("server", "Mojolicious (Perl)")])).0;
    assert_eq!(not_found, Err(Cause::Web(WebCause::HttpNotFound { path: "/".to_owned() })));
}

#[test]
fn each_refusal_has_its_own_cause() {
    for status in [502, 503, 504] {
        let cause =
            Cause::Gorgone(GorgoneCause::GorgoneWebsocketDown { path: "/".to_owned(), status });
        assert_eq!(judge(&answer(status, &[])).0, Err(cause));
    }
    assert_eq!(code(401, "Apache"), "http-forbidden");
    assert_eq!(code(403, "Apache"), "http-forbidden");
    assert_eq!(code(407, "squid"), "proxy-authentication");
    assert_eq!(code(426, "Apache"), "http-status");
    assert_eq!(code(500, "Mojolicious (Perl)"), "http-server-error");
}

#[test]
fn a_port_that_wants_tls_says_so() {
    let mut plain = answer(400, &[("server", "Apache")]);
    plain.body = b"Reason: You're speaking plain HTTP to an SSL-enabled server port.".to_vec();
    assert_eq!(
        judge(&plain).0,
        Err(Cause::Tls(TlsCause::TlsUnexpected { expected: "HTTP".into() }))
    );
}

#[test]
fn a_path_with_a_line_end_adds_no_header() {
    let path = "a\r\nAuthorization: x /\u{fc}".to_owned();
    let probe = Probe { path, ..Probe::default() };
    let request = probe.request("central", &key());
    assert!(request.starts_with("GET /aAuthorization:x/ HTTP/1.1\r\n"), "{request}");
    assert_eq!(request.lines().filter(|line| !line.is_empty()).count(), 7);
}

#[test]
fn the_host_carries_its_port_and_its_brackets() {
    assert_eq!(host_header("central", 8086), "central:8086");
    assert_eq!(host_header("2001:db8::1", 443), "[2001:db8::1]");
    assert_eq!(host_header("fe80::1%eth0", 8086), "[fe80::1]:8086");
}

#[test]
fn only_a_token_of_the_pollers_own_is_sent_and_none_is_shown() {
    let request = Probe::default().request("central", &Key::random()).to_ascii_lowercase();
    assert!(!request.contains("authorization"), "{request}");
    let probe = with_token("not\r\na-secret");
    let request = probe.request("central", &Key::random());
    assert!(request.contains("\r\nAuthorization: Bearer nota-secret\r\n\r\n"), "{request}");
    assert!(!format!("{probe:?}").contains("secret-"), "{probe:?}");
}

fn with_token(token: &str) -> Probe {
    Probe { token: Some(token.into()), ..Probe::default() }
}

/// The verdict on a WebSocket that opened, and on what came on it.
fn judge_token(said: Option<&str>) -> Result<(), Cause> {
    let accept = ("sec-websocket-accept", ACCEPTED);
    let answer = answer(101, &[("server", "Mojolicious (Perl)"), accept]);
    with_token("x").judge(&answer, &key(), said, &mut Seen::default())
}

#[test]
fn a_token_that_is_refused_is_told_from_one_that_is_taken() {
    assert_eq!(judge_token(Some(r#"{"code":500,"message":"please registernodes"}"#)), Ok(()));
    let refused = judge_token(Some(r#"{"message":"token authorization unallowed","code":500}"#));
    let text = "token authorization unallowed".to_owned();
    assert_eq!(refused, Err(Cause::Gorgone(GorgoneCause::GorgoneTokenRefused { text })));
    for other in [None, Some("hello"), Some("{}"), Some(r#"{"message":7}"#)] {
        assert_eq!(judge_token(other).unwrap_err().code(), "bad-reply", "{other:?}");
    }
}

/// A whole visit to our own far side.
async fn visit(probe: &Probe) -> (Result<(), Cause>, String) {
    let (near, far) = tokio::io::duplex(4096);
    let deadline = Deadline::after(Duration::from_secs(9));
    let stream = Stream::over(Box::new(near), PEER, deadline);
    let mut seen = Seen::default();
    let key = key();
    let asking = Box::pin(probe.converse(stream, "central", &key, &mut seen));
    let (verdict, served) = tokio::join!(asking, respond(FarStream::new(Box::new(far), None)));
    served.unwrap();
    (verdict, seen.headline)
}

#[tokio::test]
async fn the_far_side_looks_at_the_token_as_gorgone_does() {
    let (verdict, headline) = visit(&with_token(RESPONDER_TOKEN)).await;
    assert_eq!((verdict, headline.as_str()), (Ok(()), "WebSocket of Gorgone, token taken"));
    let (verdict, _) = visit(&with_token("another")).await;
    assert_eq!(verdict.unwrap_err().code(), "gorgone-token-refused");
}

#[tokio::test]
async fn the_responder_answers_what_the_probe_asks_and_hears_its_goodbye() {
    let (near, mut far) = tokio::io::duplex(4096);
    let deadline = Deadline::after(Duration::from_secs(9));
    let stream = Stream::over(Box::new(near), PEER, deadline);
    let mut seen = Seen::default();
    let (probe, key) = (Probe::default(), Key::random());
    let heard = async {
        let mut heard = vec![0; probe.request("central", &key).len()];
        far.read_exact(&mut heard).await.unwrap();
        let asked = String::from_utf8(heard).unwrap();
        let (here, there) = tokio::io::duplex(4096);
        let answering = tokio::spawn(respond(FarStream::new(Box::new(there), None)));
        let (mut read, mut write) = tokio::io::split(here);
        write.write_all(asked.as_bytes()).await.unwrap();
        write.shutdown().await.unwrap();
        let mut answer = Vec::new();
        read.read_to_end(&mut answer).await.unwrap();
        answering.await.unwrap().unwrap();
        far.write_all(&answer).await.unwrap();
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        rest
    };
    let (verdict, rest) = tokio::join!(probe.converse(stream, "central", &key, &mut seen), heard);
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "WebSocket of Gorgone, token not tested");
    let [0x88, 0x82, a, b, _, _, high, low] = rest[..] else { panic!("{rest:02x?}") };
    assert_eq!(u16::from_be_bytes([high ^ a, low ^ b]), 1000);
}

/// What the peer says, judged.
async fn hear(words: &[u8]) -> Result<(), Cause> {
    let (stream, mut far) = said(words).await;
    far.shutdown().await.unwrap();
    Probe::default().converse(stream, "central", &key(), &mut Seen::default()).await
}

fn switching() -> Vec<u8> {
    format!("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPTED}\r\n\r\n")
        .into_bytes()
}

#[tokio::test]
async fn every_truncation_of_the_answer_fails() {
    let whole = switching();
    assert_eq!(hear(&whole).await, Ok(()));
    for length in 0..whole.len() {
        assert!(hear(&whole[..length]).await.is_err(), "{length} bytes");
    }
}

#[tokio::test]
async fn frames_that_are_too_long_masked_or_unknown_are_refused_and_pings_passed_over() {
    let read = async |frames: &[u8]| {
        let (mut stream, mut far) = said(frames).await;
        far.shutdown().await.unwrap();
        frame::read_text(&mut stream).await
    };
    let pinged = [&[0x89, 2, 7, 7][..], &frame::said("hello")].concat();
    assert_eq!(read(&pinged).await, Ok(Some("hello".to_owned())));
    assert_eq!(read(&[0x81, 126, 0, 2, b'h', b'i']).await, Ok(Some("hi".to_owned())));
    assert_eq!(read(&[0x88, 2, 3, 0xe8]).await, Ok(None));
    for wrong in [&[0x81, 0x82, 0, 0, 0, 0, 7, 7][..], &[0x81, 127], &[0x81, 126, 0xff, 0xff]] {
        assert_eq!(read(wrong).await.unwrap_err().code(), "bad-reply", "{wrong:02x?}");
    }
    assert_eq!(read(&[0x83, 0]).await.unwrap_err().code(), "bad-reply");
    assert_eq!(read(&[0x8a, 0].repeat(9)).await.unwrap_err().code(), "bad-reply");
}

proptest! {
    #[test]
    fn no_answer_breaks_the_probe(
        bytes in damaged(&[switching(), frame::said("{}")].concat()),
        has_token: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let probe = if has_token { with_token("x") } else { Probe::default() };
        let _any_verdict = runtime.block_on(async {
            let (stream, mut far) = said(&bytes).await;
            far.shutdown().await.unwrap();
            probe.converse(stream, "central", &key(), &mut Seen::default()).await
        });
    }
}
