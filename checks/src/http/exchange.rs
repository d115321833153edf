//! One question and one answer in HTTP/1.1, over a connection that is open.
//!
//! `reqwest` speaks; dialling, TLS and every bound stay with `net`. What a proxy
//! gets before there is a tunnel is written here, for `reqwest` cannot send it
//! over a given connection.
//!
//! Reference: [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112).

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::cause::{Cause, Phase};
use crate::net::tls::{Verify, client_config};
use crate::net::{FarStream, Relay, Stream, Trust};
use crate::recognise::{Spoken, instead_of, recognise};
use crate::wire;

/// Sent as `User-Agent`, so that the server's log says who came.
pub(crate) const USER_AGENT: &str = concat!("preflight/", env!("CARGO_PKG_VERSION"));
/// The only version offered inside TLS: TLS is finished before `reqwest` begins,
/// and over HTTP/2 it would then name the wrong scheme.
pub(crate) const ALPN: &[&[u8]] = &[b"http/1.1"];
/// Longest wait for a whole answer.
pub(crate) const REPLY: Duration = Duration::from_secs(8);
/// As much of a page as anything here is decided from.
const MAX_BODY: usize = 64 * 1024;
/// All that may come: a page and its headers, and what one more read brings.
const MAX_ANSWER: usize = 2 * MAX_BODY;
const MAX_LINE: usize = 8 * 1024;
const MAX_HEADERS: usize = 100;
const SHOWN: usize = 200;

/// A GET request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Name and, unless it is the scheme's own, port.
    pub(crate) host: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    /// One more header, with credentials.
    pub(crate) credentials: Option<(HeaderName, HeaderValue)>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) headers: HeaderMap,
    /// At most 64 kB of it.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value, printable and bounded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| wire::clean(value.as_bytes(), SHOWN))
    }

    /// Is `words` in the body, whatever the case?
    pub(crate) fn says(&self, words: &str) -> bool {
        let mut windows = self.body.windows(words.len().max(1));
        windows.any(|window| window.eq_ignore_ascii_case(words.as_bytes()))
    }

    /// The body's beginning, printable.
    pub(crate) fn words(&self) -> String {
        wire::clean(self.body.trim_ascii(), 80)
    }

    /// "404 from nginx", for a sentence.
    pub(crate) fn in_short(&self) -> String {
        match self.header("server") {
            Some(server) => format!("{} from {server}", self.status),
            None => self.status.to_string(),
        }
    }
}

/// Asks over `stream`, which is closed afterwards.
///
/// # Errors
///
/// How the connection failed, [`Cause::WrongService`], [`Cause::TlsUnexpected`],
/// or [`Cause::BadReply`] when it is no HTTP.
pub(crate) async fn fetch(mut stream: Stream, request: &Request<'_>) -> Result<Answer, Cause> {
    stream.allow(REPLY);
    let mut relay = Relay::open(stream, MAX_ANSWER)?;
    let client = client(relay.path());
    let answered = match client {
        Ok(client) => relay.carry(send(&client, request)).await,
        Err(error) => Err(error),
    };
    let (stream, ended) = relay.finish();
    let head = stream.head().to_vec();
    stream.close().await;
    answered.map_err(|error| why(&error, ended, &head))
}

/// A client that dials `path` whatever it is asked for.
fn client(path: &str) -> reqwest::Result<Client> {
    // Never used, TLS being done: but building without a configuration panics
    // when no process-wide crypto provider is installed.
    let (unused, _) = client_config(&Trust::only([]), Verify::Strictly, &[]);
    Client::builder()
        .tls_backend_preconfigured(unused)
        .unix_socket(path)
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .user_agent(USER_AGENT)
        .build()
}

async fn send(client: &Client, request: &Request<'_>) -> reqwest::Result<Answer> {
    // Where to is decided already; the name the server sees is the header.
    let mut get = client.get(format!("http://peer{}", request.target)).header(HOST, request.host);
    if let Some((name, value)) = &request.credentials {
        get = get.header(name, value);
    }
    let mut response = get.send().await?;
    let mut answer = Answer {
        status: response.status().as_u16(),
        version: format!("{:?}", response.version()),
        headers: std::mem::take(response.headers_mut()),
        body: Vec::new(),
    };
    while answer.body.len() < MAX_BODY
        && let Some(chunk) = response.chunk().await?
    {
        let room = MAX_BODY - answer.body.len();
        answer.body.extend(chunk.iter().take(room));
    }
    Ok(answer)
}

/// The connection's own end says more than the crate's error.
fn why(error: &reqwest::Error, ended: Option<Cause>, head: &[u8]) -> Cause {
    if let Some(cause) = not_http(head) {
        return cause;
    }
    match ended {
        Some(cause) => cause,
        None if head.is_empty() => {
            Cause::LocalError { action: "send the request", error: in_words(error) }
        }
        None => Cause::bad_reply(EXPECTED, head),
    }
}

/// What answers instead of a web server, once enough of it came to tell.
fn not_http(head: &[u8]) -> Option<Cause> {
    match recognise(head) {
        Spoken::Tls => Some(Cause::TlsUnexpected { expected: "HTTP" }),
        Spoken::Unknown if head.len() >= STATUS_LINE.len() => {
            Some(Cause::bad_reply(EXPECTED, head))
        }
        _ => instead_of("HTTP", Spoken::Http, head),
    }
}

/// The innermost reason; the outer ones say "error sending request".
fn in_words(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    wire::printable(&reason.to_string())
}

/// Reads status and headers, and nothing behind them.
///
/// # Errors
///
/// As [`fetch`].
pub(crate) async fn read_head(stream: &mut Stream) -> Result<Answer, Cause> {
    let line = read_line(stream).await?;
    let mut answer = status_line(&line)?;
    for _ in 0..MAX_HEADERS {
        let line = read_line(stream).await?;
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return Ok(answer);
        }
        answer.headers.extend(header(line));
    }
    let head = wire::head(stream.head());
    Err(Cause::Endless { phase: Phase::Reply, limit: MAX_HEADERS, head })
}

async fn read_line(stream: &mut Stream) -> Result<Vec<u8>, Cause> {
    let line = stream.line(Phase::Reply, MAX_LINE).await;
    line.map_err(|cause| not_http(stream.head()).unwrap_or(cause))
}

/// `HTTP/1.1 200`, with or without a reason (RFC 9112 §4).
fn status_line(line: &[u8]) -> Result<Answer, Cause> {
    let unlike = || not_http(line).unwrap_or_else(|| Cause::bad_reply(EXPECTED, line));
    let mut words = line.trim_ascii_end().splitn(3, |&byte| byte == b' ');
    let version = words.next().filter(|version| version.starts_with(STATUS_LINE));
    let version = version.ok_or_else(unlike)?;
    let status = words.next().and_then(|digits| std::str::from_utf8(digits).ok());
    let status = status.filter(|digits| digits.len() == 3).and_then(|digits| digits.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(unlike)?,
        version: wire::clean(version, 16),
        ..Answer::default()
    })
}

/// A header line; one that is not is passed over.
fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at_checked(at)?;
    let value = value.get(1..)?.trim_ascii();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

/// Reads a page as it comes: to its length, its end, or 64 kB.
pub(crate) async fn read_body(stream: &mut Stream, answer: &mut Answer) {
    let length = answer.headers.get("content-length").and_then(|value| value.to_str().ok());
    let length = length.and_then(|digits| digits.parse().ok()).unwrap_or(MAX_BODY).min(MAX_BODY);
    // What is missing at the end changes nothing that is read out of it.
    while stream.unread().len() < length && stream.fill(Phase::Reply).await.is_ok() {}
    answer.body = stream.drain();
    answer.body.truncate(length);
}

/// The far side's half of [`fetch`]: the request's lines, without line ends.
///
/// # Errors
///
/// When the client hangs up before, or says too much.
pub(crate) async fn read_request(stream: &mut FarStream) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() <= MAX_HEADERS {
        let line = stream.line(MAX_LINE).await?;
        if line.trim_ascii_end().is_empty() {
            return Ok(lines);
        }
        lines.push(wire::clean(line.trim_ascii_end(), MAX_LINE));
    }
    Err(io::Error::other("the request does not end"))
}

/// The value of an `Authorization` header (RFC 7617); logs do not show it.
pub(crate) fn basic(user: &str, password: Option<&SecretString>) -> HeaderValue {
    let password = password.map_or("", ExposeSecret::expose_secret);
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    secret(&format!("Basic {encoded}"))
}

/// A header value that no log shows; one that HTTP cannot carry is empty.
pub(crate) fn secret(text: &str) -> HeaderValue {
    let value = HeaderValue::from_bytes(text.as_bytes());
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Basic authentication for the server itself.
pub(crate) fn authorization(
    user: &str,
    password: Option<&SecretString>,
) -> (HeaderName, HeaderValue) {
    (AUTHORIZATION, basic(user, password))
}

const EXPECTED: &str = "an HTTP answer";
const STATUS_LINE: &[u8] = b"HTTP/1.";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::SocketAddr;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::net::Deadline;

    fn peer() -> SocketAddr {
        ([192, 0, 2, 1], 80).into()
    }

    /// A peer that has said `bytes` and hung up; what it hears is dropped.
    async fn said(bytes: &[u8]) -> Stream {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        tokio::spawn(async move { tokio::io::copy(&mut theirs, &mut tokio::io::sink()).await });
        Stream::over(Box::new(ours), peer(), Deadline::after(Duration::from_secs(5)))
    }

    async fn fetched(bytes: &[u8]) -> Result<Answer, Cause> {
        // Sent only once asked, as servers do.
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let mut far = crate::FarStream::new(Box::new(theirs), None);
            while far.line(999).await.is_ok_and(|line| line != b"\r\n") {}
            far.send(&bytes).await.unwrap();
            far.close().await.unwrap();
        });
        let stream = Stream::over(Box::new(ours), peer(), Deadline::after(Duration::from_secs(5)));
        let request = Request { host: "web.example.org", target: "/x?y", credentials: None };
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
            let hung_up = Cause::HungUp { to: peer(), phase: Phase::Reply, received: length };
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
        assert_eq!(tls, Cause::TlsUnexpected { expected: "HTTP" });
        let garbage = fetched(b"\x7fgarbage\0\xff\r\n").await.unwrap_err();
        assert_eq!(garbage, Cause::bad_reply(EXPECTED, b"\x7fgarbage\0\xff\r\n"));
    }

    #[tokio::test]
    async fn a_head_read_by_hand_is_the_same() {
        let mut stream = said(b"HTTP/1.0 407\r\nVia: x\r\nno header\r\n\r\nrest").await;
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
            let cause = read_head(&mut said(&head[..length]).await).await.unwrap_err();
            let hung_up = Cause::HungUp { to: peer(), phase: Phase::Reply, received: length };
            assert_eq!(cause, hung_up, "{length} bytes");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_ends_at_its_bound() {
        let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"x: y\r\n".repeat(900)].concat();
        let cause = read_head(&mut said(&endless).await).await.unwrap_err();
        assert_eq!(cause.code(), "endless");
    }

    #[tokio::test]
    async fn a_status_line_is_three_digits_behind_a_version() {
        for line in ["HTTP/1.1 20 OK", "HTTP/1.1", "HTTP/1.1 2000", "HTTP/1.1 abc", "HTTP/2 200"] {
            let line = format!("{line}\r\n\r\n");
            let cause = read_head(&mut said(line.as_bytes()).await).await.unwrap_err();
            assert_eq!(cause.code(), "bad-reply", "{line}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let (_, value) = authorization("probe", Some(&"hunter2".into()));
        assert_eq!(value, "Basic cHJvYmU6aHVudGVyMg==");
        let request = Request { host: "h", target: "/", credentials: Some((HOST, value)) };
        assert!(!format!("{request:?}").contains("cHJv"), "{request:?}");
    }
}
