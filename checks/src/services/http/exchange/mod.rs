//! One question and one answer in HTTP/1.1, over a connection that is open.
//!
//! `reqwest` speaks; dialling, TLS and every bound stay with `net`. What a proxy
//! gets before there is a tunnel is written here, for `reqwest` cannot send it
//! over a given connection.
//!
//! Reference: [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112).

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::cause::instead_of;
use crate::cause::{Cause, Phase, RouteCause, TalkCause, TlsCause};
use crate::net::tls::{self, Verify, client_config};
use crate::net::{FarStream, Relay, Stream, Trust};
use crate::recognise::{Spoken, recognise};
use crate::wire;

/// A GET request.
#[derive(Debug)]
pub(crate) struct HttpRequest<'a> {
    /// Name and, unless it is the scheme's own, port.
    pub(crate) host: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    /// One more header, with credentials.
    pub(crate) credentials: Option<(HeaderName, HeaderValue)>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) headers: HeaderMap,
    /// At most 64 kB of it.
    pub(crate) body: Vec<u8>,
}

impl HttpAnswer {
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
/// How the connection failed, [`TalkCause::WrongService`](crate::cause::TalkCause::WrongService), [`TlsCause::TlsUnexpected`](crate::cause::TlsCause::TlsUnexpected),
/// or [`TalkCause::BadReply`](crate::cause::TalkCause::BadReply) when it is no HTTP.
pub(crate) async fn fetch(
    mut stream: Stream,
    request: &HttpRequest<'_>,
) -> Result<HttpAnswer, Cause> {
    stream.allow(REPLY);
    stream.asks("the request");
    let mut relay = Relay::open(stream, MAX_ANSWER)?;
    let client = client(relay.path());
    let answered = match client {
        Ok(client) => relay.carry(send(&client, request)).await,
        Err(error) => Err(error),
    };
    let (stream, ended) = relay.finish();
    let head = stream.head().to_vec();
    stream.close().await;
    let has_left = matches!(ended, None | Some(Cause::Talk(TalkCause::HungUp { .. })));
    let refused = said_before(&head).filter(|_| has_left);
    answered.or_else(|error| refused.ok_or_else(|| why(&error, ended, &head)))
}

/// A client that dials `path` whatever it is asked for.
fn client(path: &str) -> reqwest::Result<Client> {
    // Never used, TLS being done: but building without a configuration panics
    // when no process-wide crypto provider is installed.
    let nobody = tls::Client {
        name: None,
        trust: Trust::only([]),
        verify: Verify::Strictly,
        alpn: &[],
        identity: None,
    };
    let (unused, _) = client_config(&nobody);
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

async fn send(client: &Client, request: &HttpRequest<'_>) -> reqwest::Result<HttpAnswer> {
    // Where to is decided already; the name the server sees is the header.
    let mut get = client.get(format!("http://peer{}", request.target)).header(HOST, request.host);
    if let Some((name, value)) = &request.credentials {
        get = get.header(name, value);
    }
    let mut response = get.send().await?;
    let mut answer = HttpAnswer {
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

/// A refusal that was there before our question: the crate takes no answer to what it has not asked.
///
/// A load balancer's header that a web server does not understand draws such a one, and so does patience that is over.
fn said_before(head: &[u8]) -> Option<HttpAnswer> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    let [_, b' ', code @ ..] = line else { return None };
    let code = std::str::from_utf8(code.get(..3)?).ok()?;
    let status = code.parse().ok().filter(|status| (400..600).contains(status))?;
    Some(HttpAnswer { status, version: "HTTP/1.1".to_owned(), ..HttpAnswer::default() })
}

/// The connection's own end says more than the crate's error.
fn why(error: &reqwest::Error, ended: Option<Cause>, head: &[u8]) -> Cause {
    if let Some(cause) = not_http(head) {
        return cause;
    }
    match ended {
        Some(cause) => cause,
        None if head.is_empty() => Cause::Route(RouteCause::LocalError {
            action: "send the request".into(),
            error: in_words(error),
        }),
        None => Cause::bad_reply(EXPECTED, head),
    }
}

/// What answers instead of a web server, once enough of it came to tell.
fn not_http(head: &[u8]) -> Option<Cause> {
    match recognise(head) {
        Spoken::Tls => Some(Cause::Tls(TlsCause::TlsUnexpected { expected: "HTTP".into() })),
        Spoken::Proxy => None,
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
pub(crate) async fn read_head(stream: &mut Stream) -> Result<HttpAnswer, Cause> {
    let line = read_line(stream).await?;
    let mut read = line.len();
    let mut answer = status_line(&line)?;
    for _ in 0..MAX_HEADERS {
        let line = read_line(stream).await?;
        read += line.len();
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return Ok(answer);
        }
        if let Some((name, value)) = header(line) {
            answer.headers.append(name, value);
        }
    }
    let head = wire::head(stream.head());
    Err(Cause::Talk(TalkCause::Endless { phase: Phase::Reply, limit: read, head }))
}

async fn read_line(stream: &mut Stream) -> Result<Vec<u8>, Cause> {
    let line = stream.line(Phase::Reply, MAX_LINE).await;
    line.map_err(|cause| not_http(stream.head()).unwrap_or(cause))
}

/// `HTTP/1.1 200`, with or without a reason (RFC 9112 §4).
fn status_line(line: &[u8]) -> Result<HttpAnswer, Cause> {
    let unlike = || not_http(line).unwrap_or_else(|| Cause::bad_reply(EXPECTED, line));
    let mut words = line.trim_ascii_end().splitn(3, |&byte| byte == b' ');
    let version = words.next().filter(|version| version.starts_with(STATUS_LINE));
    let version = version.ok_or_else(unlike)?;
    let status = words.next().and_then(|digits| std::str::from_utf8(digits).ok());
    let status = status.filter(|digits| digits.len() == 3).and_then(|digits| digits.parse().ok());
    Ok(HttpAnswer {
        status: status.ok_or_else(unlike)?,
        version: wire::clean(version, 16),
        ..HttpAnswer::default()
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
pub(crate) async fn read_body(stream: &mut Stream, answer: &mut HttpAnswer) {
    let length = answer.headers.get("content-length").and_then(|value| value.to_str().ok());
    let length = length.and_then(|digits| digits.parse().ok()).unwrap_or(MAX_BODY).min(MAX_BODY);
    // What is missing at the end changes nothing that is read out of it.
    while stream.unread().len() < length && stream.fill(Phase::Reply).await.is_ok() {}
    answer.body = stream.drain();
    answer.body.truncate(length);
}

/// Is it how a web server refuses a plain request on its TLS port?
pub(crate) fn wants_tls(answer: &HttpAnswer) -> bool {
    PLAIN_ON_TLS.iter().any(|words| answer.says(words))
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
/// In the words of nginx, Apache, Go and Tomcat.
const PLAIN_ON_TLS: [&str; 4] = [
    "The plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "Client sent an HTTP request to an HTTPS server",
    "This combination of host and port requires TLS",
];
const EXPECTED: &str = "an HTTP answer";
const STATUS_LINE: &[u8] = b"HTTP/1.";
