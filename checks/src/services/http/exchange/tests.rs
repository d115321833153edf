//! One exchange each, with every way an answer can be cut, endless or foreign.

use proptest::prelude::*;

use super::*;
use crate::cause::{TalkCause, TlsCause};
use crate::hostile::{PEER, damaged, ends, last_words, said};

async fn fetched(bytes: &[u8]) -> Result<HttpAnswer, Cause> {
    // Sent only once asked, as servers do.
    let (stream, theirs) = said(b"").await;
    let bytes = bytes.to_vec();
    tokio::spawn(async move {
        let mut far = crate::FarStream::new(Box::new(theirs), None);
        while far.line(999).await.is_ok_and(|line| line != b"\r\n") {}
        far.send(&bytes).await.unwrap();
        far.close().await.unwrap();
    });
    let request = HttpRequest { host: "web.example.org", target: "/x?y", credentials: None };
    fetch(stream, &request).await
}

#[tokio::test]
async fn a_page_comes_with_status_headers_and_body() {
    let page = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nHello";
    let answer = fetched(page).await.unwrap();
    assert_eq!((answer.status, answer.version.as_str()), (200, "HTTP/1.1"));
    assert_eq!(answer.header("server").as_deref(), Some("nginx"));
    assert!(answer.says("hELLo") && !answer.says("world"));
    assert_eq!(answer.in_short(), "200 from nginx");
}

#[tokio::test]
async fn a_status_line_without_a_reason_and_a_body_without_a_type_are_read() {
    let refusal = b"HTTP/1.1 403\r\nContent-Length: 22\r\n\r\n403 Please login first";
    let answer = fetched(refusal).await.unwrap();
    assert_eq!((answer.status, answer.words().as_str()), (403, "403 Please login first"));
    let bare = fetched(b"HTTP/1.1 403 \r\n\r\n403 Your not allowed").await.unwrap();
    assert_eq!((bare.status, bare.words().as_str()), (403, "403 Your not allowed"));
}

#[tokio::test]
async fn every_truncation_of_a_page_is_a_hang_up() {
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello";
    for length in 0..page.len() {
        let cause = fetched(&page[..length]).await.unwrap_err();
        let hung_up =
            Cause::Talk(TalkCause::HungUp { to: PEER, phase: Phase::Reply, received: length });
        assert_eq!(cause, hung_up, "{length} bytes");
    }
}

#[tokio::test]
async fn only_the_beginning_of_a_long_page_is_read() {
    let mut page = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    page.resize(900_000, b'x');
    assert_eq!(fetched(&page).await.unwrap().body.len(), MAX_BODY);
}

#[tokio::test]
async fn headers_without_end_are_not_read_to_the_end() {
    let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"x: y\r\n".repeat(90_000)].concat();
    assert!(["endless", "bad-reply"].contains(&fetched(&endless).await.unwrap_err().code()));
    let long = [&b"HTTP/1.1 200 OK\r\nx: "[..], &b"y".repeat(900_000)].concat();
    assert_eq!(fetched(&long).await.unwrap_err().code(), "endless");
}

#[tokio::test]
async fn what_is_no_http_is_named() {
    let ssh = fetched(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap_err();
    assert_eq!(ssh.to_string(), "an SSH server answers here, not HTTP");
    let tls = fetched(&[0x15, 3, 1, 0, 2, 2, 70]).await.unwrap_err();
    assert_eq!(tls, Cause::Tls(TlsCause::TlsUnexpected { expected: "HTTP".into() }));
    let garbage = fetched(b"\x7fgarbage\0\xff\r\n").await.unwrap_err();
    assert_eq!(garbage, Cause::bad_reply(EXPECTED, b"\x7fgarbage\0\xff\r\n"));
}

#[tokio::test]
async fn a_head_read_by_hand_is_the_same() {
    let mut stream = last_words(b"HTTP/1.0 407\r\nVia: x\r\nno header\r\n\r\nrest").await;
    let mut answer = read_head(&mut stream).await.unwrap();
    assert_eq!((answer.status, answer.version.as_str()), (407, "HTTP/1.0"));
    assert_eq!(answer.header("via").as_deref(), Some("x"));
    read_body(&mut stream, &mut answer).await;
    assert_eq!(answer.body, b"rest");
}

#[tokio::test]
async fn every_truncation_of_a_head_is_a_hang_up() {
    let head = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n";
    for length in 0..head.len() {
        let cause = read_head(&mut last_words(&head[..length]).await).await.unwrap_err();
        let hung_up =
            Cause::Talk(TalkCause::HungUp { to: PEER, phase: Phase::Reply, received: length });
        assert_eq!(cause, hung_up, "{length} bytes");
    }
}

#[tokio::test]
async fn a_head_without_end_ends_at_its_bound() {
    let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"x: y\r\n".repeat(900)].concat();
    let cause = read_head(&mut last_words(&endless).await).await.unwrap_err();
    let (phase, head) = (Phase::Reply, wire::head(&endless[..64]));
    assert_eq!(cause, Cause::Talk(TalkCause::Endless { phase, limit: 17 + MAX_HEADERS * 6, head }));
}

#[tokio::test]
async fn a_status_line_is_three_digits_behind_a_version() {
    for line in ["HTTP/1.1 20 OK", "HTTP/1.1", "HTTP/1.1 2000", "HTTP/1.1 abc", "HTTP/2 200"] {
        let line = format!("{line}\r\n\r\n");
        let cause = read_head(&mut last_words(line.as_bytes()).await).await.unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{line}");
    }
}

#[test]
fn credentials_are_not_shown() {
    let (_, value) = authorization("probe", Some(&"hunter2".into()));
    assert_eq!(value, "Basic cHJvYmU6aHVudGVyMg==");
    let request = HttpRequest { host: "h", target: "/", credentials: Some((HOST, value)) };
    assert!(!format!("{request:?}").contains("cHJv"), "{request:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_answer_breaks_the_readers(
        words in damaged(b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nHello"),
    ) {
        let _any_answer = ends(&words, async |mut stream| {
            let mut answer = read_head(&mut stream).await?;
            read_body(&mut stream, &mut answer).await;
            Ok::<_, Cause>(answer)
        });
        let request = HttpRequest { host: "web.example.org", target: "/", credentials: None };
        let _any_answer = ends(&words, async |stream| fetch(stream, &request).await);
    }
}
