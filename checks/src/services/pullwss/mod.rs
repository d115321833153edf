//! Gorgone's WebSocket: does the central let pollers fetch their orders here?
//!
//! TCP 8086 by default, where Gorgone itself listens; 443 where Apache hands a
//! path on to it. One upgrade request, with the poller's token when its file has
//! one. Gorgone looks at the token when the first message comes, so one is sent
//! that registers nobody: the answer asks for a registration, or refuses the
//! token. Its pollers never verify the certificate, so a bad one is a fact only.
//!
//! Reference: [RFC 6455](https://www.rfc-editor.org/rfc/rfc6455); centreon-collect,
//! `gorgone/gorgone/modules/core/pullwss/class.pm`.

mod frame;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::cause::{Cause, GorgoneCause, TalkCause, TlsCause, Transport, WebCause};
use crate::evidence::Seen;
use crate::http::exchange::{self, ALPN, HttpAnswer, REPLY, USER_AGENT, read_body, read_head};
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Asks for a WebSocket, has the token looked at, and leaves.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Where Gorgone is asked: `/` on its own port, a path of Apache's else.
    pub path: String,
    /// Inside TLS?
    pub tls: bool,
    /// The poller's token; none: it is not tested.
    pub token: Option<SecretString>,
}

/// As Gorgone has it without Apache.
impl Default for Probe {
    fn default() -> Self {
        Self { path: OWN_PATH.to_owned(), tls: false, token: None }
    }
}

impl Probe {
    /// Which of the two services is asked.
    pub(crate) fn service(&self) -> &'static Service {
        if self.tls { &SERVICE_TLS } else { &SERVICE }
    }

    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        if self.tls {
            stream = secure(stream, ask, Verify::Never, ALPN).await?;
        }
        let host = host_header(&ask.peer.host, ask.peer.address.port());
        self.converse(stream, &host, &Key::random(), &mut ask.seen).await
    }

    async fn converse(
        &self,
        mut stream: Stream,
        host: &str,
        key: &Key,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        stream.allow(REPLY);
        stream.asks("the request");
        stream.send(self.request(host, key).as_bytes()).await?;
        let mut answer = read_head(&mut stream).await?;
        let mut verdict = None;
        if answer.status == SWITCHING {
            if self.token.is_some() && key.is_accepted(&answer) {
                stream.send(&frame::text(NOTHING)).await?;
                verdict = frame::read_text(&mut stream).await?;
            }
            // It may have hung up already; its answer is what counts.
            let _gone = stream.send(&frame::goodbye()).await;
        } else {
            read_body(&mut stream, &mut answer).await;
        }
        stream.close().await;
        self.judge(&answer, key, verdict.as_deref(), seen)
    }

    fn request(&self, host: &str, key: &Key) -> String {
        let (path, key) = (self.target(), &key.0);
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {key}\r\n{}\r\n",
            self.authorization()
        )
    }

    /// The header with the token, as Gorgone's own client writes it.
    fn authorization(&self) -> String {
        let Some(token) = &self.token else { return String::new() };
        let visible = token.expose_secret().chars().filter(|c| !c.is_control());
        format!("Authorization: Bearer {}\r\n", visible.collect::<String>())
    }

    /// The path as a request line can carry it.
    fn target(&self) -> String {
        let visible = self.path.bytes().filter(u8::is_ascii_graphic).map(char::from);
        let path: String = visible.collect();
        if path.starts_with('/') { path } else { format!("/{path}") }
    }

    /// Decides from status, headers, and what Gorgone says to the message that the token is for.
    fn judge(
        &self,
        answer: &HttpAnswer,
        key: &Key,
        verdict: Option<&str>,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        seen.evidence.set("url_path", wire::clean(self.path.as_bytes(), SHOWN));
        seen.evidence.set("status", answer.status);
        if let Some(server) = answer.header("server") {
            seen.evidence.set("server", server);
        }
        self.judge_status(answer)?;
        if !key.is_accepted(answer) {
            return Err(Cause::Talk(TalkCause::BadReply {
                expected: "the WebSocket handshake for our key".into(),
                got: format!("{} with another key's", answer.in_short()),
            }));
        }
        self.judge_token(verdict)?;
        let token = if self.token.is_some() { "token taken" } else { "token not tested" };
        seen.headline = format!("{}, {token}", headline(answer, seen));
        Ok(())
    }

    /// `{"code":500,"message":"please registernodes"}` comes after a token that is taken.
    fn judge_token(&self, verdict: Option<&str>) -> Result<(), Cause> {
        if self.token.is_none() {
            return Ok(());
        }
        let said = verdict.and_then(|said| serde_json::from_str::<Value>(said).ok());
        let message = said.as_ref().and_then(|said| said.get("message")?.as_str());
        match message {
            Some(WANTS_REGISTRATION) => Ok(()),
            Some(text) if text.starts_with(TOKEN_REFUSED) => {
                Err(Cause::Gorgone(GorgoneCause::GorgoneTokenRefused {
                    text: wire::clean(text.as_bytes(), SHOWN),
                }))
            }
            _ => Err(Cause::Talk(TalkCause::BadReply {
                expected: "Gorgone's answer to a token".into(),
                got: verdict.map_or_else(|| "none".to_owned(), str::to_owned),
            })),
        }
    }

    fn judge_status(&self, answer: &HttpAnswer) -> Result<(), Cause> {
        let path = wire::clean(self.path.as_bytes(), SHOWN);
        match answer.status {
            SWITCHING => Ok(()),
            400 if exchange::wants_tls(answer) => {
                Err(Cause::Tls(TlsCause::TlsUnexpected { expected: "HTTP".into() }))
            }
            // No proxy of ours asked: one that is in the way of all.
            407 => Err(Cause::Web(WebCause::ProxyAuthentication {
                proxy: "on the way".to_owned(),
                given: false,
            })),
            status @ (401 | 403) => Err(Cause::Web(WebCause::HttpForbidden { status })),
            404 if is_gorgone(answer) => Err(Cause::Web(WebCause::HttpNotFound { path })),
            // A page of Apache's own, or of the web interface: nobody told it of Gorgone.
            status @ (200..=399 | 404 | 405) => {
                Err(Cause::Gorgone(GorgoneCause::GorgoneWebsocketMissing { path, status }))
            }
            status @ 502..=504 => {
                Err(Cause::Gorgone(GorgoneCause::GorgoneWebsocketDown { path, status }))
            }
            status @ 500.. => {
                Err(Cause::Web(WebCause::HttpServerError { status, unsigned: false }))
            }
            status => Err(Cause::Web(WebCause::HttpStatus { status })),
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "pullwss",
    title: "WebSocket",
    expected: "HTTP",
    spoken: Spoken::Http,
    url: UrlForm::Path,
    hints: Hints::NONE,
    port: 8086,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(22),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Pullwss(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "pullwss-tls",
    title: "WebSocket with TLS",
    expected: "TLS",
    spoken: Spoken::Tls,
    port: 443,
    tls: true,
    budget: Duration::from_secs(27),
    probe: || crate::Probe::Pullwss(Probe { path: APACHE_PATH.to_owned(), tls: true, token: None }),
    ..SERVICE
};

/// Becomes a WebSocket on any path, as Gorgone does without a token, and looks at
/// the token when something is said on it.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let lines = exchange::read_request(&mut stream).await?;
    let field = |name: &str| {
        lines.iter().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let Some(key) = field("sec-websocket-key").map(Key) else {
        stream.send(NO_WEBSOCKET).await?;
        return stream.close().await;
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nServer: {MOJOLICIOUS} (Perl)\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        key.accepted()
    );
    stream.send(answer.as_bytes()).await?;
    if let Ok((frame::TEXT, _)) = frame::read_ours(&mut stream).await {
        let token = field("authorization");
        let is_known = token.as_deref().and_then(|it| it.strip_prefix("Bearer "));
        let message = match is_known {
            Some(RESPONDER_TOKEN) => WANTS_REGISTRATION,
            _ => TOKEN_REFUSED,
        };
        stream.send(&frame::said(&format!(r#"{{"code":500,"message":"{message}"}}"#))).await?;
    }
    stream.close().await
}

/// What ties the answer to our request (RFC 6455 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key(String);

impl Key {
    fn random() -> Self {
        Self(STANDARD.encode(rand::random::<[u8; 16]>()))
    }

    /// Does the answer take up this key?
    fn is_accepted(&self, answer: &HttpAnswer) -> bool {
        answer.header("sec-websocket-accept").as_deref() == Some(self.accepted().as_str())
    }

    /// What a server that knows WebSocket makes of it (RFC 6455 §4.2.2).
    fn accepted(&self) -> String {
        let told = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", self.0);
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, told.as_bytes()))
    }
}

/// "WebSocket of Gorgone, TLS 1.3"; behind Apache the name may be Apache's.
fn headline(answer: &HttpAnswer, seen: &Seen) -> String {
    let server = match answer.header("server") {
        _ if is_gorgone(answer) => " of Gorgone".to_owned(),
        Some(server) => format!(" behind {}", wire::short(&server, 18)),
        None => String::new(),
    };
    let tls = seen.evidence.fact("tls_version").map(|version| format!(", {version}"));
    format!("WebSocket{server}{}", tls.unwrap_or_default())
}

/// Gorgone's web server is Mojolicious.
fn is_gorgone(answer: &HttpAnswer) -> bool {
    answer.header("server").is_some_and(|server| server.starts_with(MOJOLICIOUS))
}

/// The port only when it is none of the two that go without.
fn host_header(host: &str, port: u16) -> String {
    let host = host.split('%').next().unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if matches!(port, 80 | 443) { host } else { format!("{host}:{port}") }
}

/// The path on Gorgone's own port.
const OWN_PATH: &str = "/";
/// The path that Apache hands on, as the central's package sets it up.
const APACHE_PATH: &str = "/centreon/gorgone/pullwss/websocket";
const SWITCHING: u16 = 101;
const MOJOLICIOUS: &str = "Mojolicious";
const NO_WEBSOCKET: &[u8] =
    b"HTTP/1.1 404 Not Found\r\nServer: Mojolicious (Perl)\r\nContent-Length: 0\r\n\r\n";
const SHOWN: usize = 100;
/// A message that is none of Gorgone's: it registers nobody and changes nothing.
const NOTHING: &str = "preflight";
const WANTS_REGISTRATION: &str = "please registernodes";
const TOKEN_REFUSED: &str = "token authorization unallowed";
/// The one token the responder knows; it guards nothing.
const RESPONDER_TOKEN: &str = "preflight-demo";
