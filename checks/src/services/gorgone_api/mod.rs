//! Gorgone's API on the central: when did each poller last answer Gorgone itself?
//!
//! HTTP, TCP 8085 on 127.0.0.1 by default. `GET /api/internal/constatus` changes
//! nothing; where its configuration wants a login, that is used, and never leaves
//! this machine. A port may be open and its connection dead: a
//! firewall has forgotten it, and only Gorgone, who pings each poller every
//! minute, knows.
//!
//! Reference: centreon-collect, `gorgone/docs/api.md`.

mod status;
#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;

use crate::cause::{Cause, GorgoneCause, TalkCause, TlsCause, Transport, WebCause};
use crate::evidence::Seen;
use crate::http::exchange::{self, ALPN, HttpAnswer, HttpRequest, fetch};
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};
use status::{GorgoneStatus, NoStatus};

/// Asks Gorgone for the state of its connections.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Inside TLS, when its HTTP server is set up so; nobody verifies that certificate.
    pub tls: bool,
    /// What its configuration wants of a caller.
    pub login: Option<GorgoneLogin>,
}

/// A user of the API.
#[derive(Clone, Debug)]
pub struct GorgoneLogin {
    /// The user.
    pub user: String,
    /// The secret of the log-in.
    pub password: SecretString,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        if self.tls {
            stream = secure(stream, ask, Verify::Never, ALPN).await?;
        }
        let host = format!("{}:{}", ask.peer.host, ask.peer.address.port());
        // To an address of this machine itself the connection comes from that address.
        let is_here = ask.source == Some(ask.peer.address.ip());
        let login = self.login.as_ref().filter(|_| is_here);
        let credentials =
            login.map(|login| exchange::authorization(&login.user, Some(&login.password)));
        let given = credentials.is_some();
        let request = HttpRequest { host: &host, target: STATUS, credentials };
        let answer = fetch(stream, &request).await?;
        self.judge(&answer, given, now(), &mut ask.seen)
    }

    pub(crate) fn service(&self) -> &'static Service {
        if self.tls { &SERVICE_TLS } else { &SERVICE }
    }

    /// Decides from the answer and the clock, in seconds since 1970; `given`: was a login sent?
    fn judge(
        &self,
        answer: &HttpAnswer,
        given: bool,
        now: u64,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        seen.evidence.set("status", answer.status);
        match answer.status {
            // Gorgone's own errors come with 400 since 25.
            200 | 400 if !exchange::wants_tls(answer) => {}
            status @ (401 | 403) if answer.says("http_error_") => {
                return Err(Cause::Gorgone(GorgoneCause::GorgoneApiRefused { status, given }));
            }
            status @ (401 | 403) => return Err(Cause::Web(WebCause::HttpForbidden { status })),
            _ if exchange::wants_tls(answer) => {
                return Err(Cause::Tls(TlsCause::TlsUnexpected { expected: "HTTP".into() }));
            }
            _ if UNKNOWN_METHOD.iter().any(|words| answer.says(words)) => {
                return Err(Cause::Web(WebCause::HttpNotFound { path: STATUS.to_owned() }));
            }
            _ => return Err(another(answer)),
        }
        let status = match GorgoneStatus::decode(&answer.body) {
            Ok(status) => status,
            Err(NoStatus::Module) => return Err(Cause::Gorgone(GorgoneCause::GorgoneNoStatus)),
            Err(NoStatus::Error(got)) => {
                return Err(Cause::Talk(TalkCause::BadReply { expected: EXPECTED.into(), got }));
            }
            Err(NoStatus::Another) => return Err(another(answer)),
        };
        status.note(now, seen);
        let pollers = status.quiet(now);
        if !pollers.is_empty() {
            return Err(Cause::Gorgone(GorgoneCause::NoPong { pollers }));
        }
        seen.headline = status.headline(now);
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "gorgone-api",
    title: "Gorgone's HTTP",
    expected: "HTTP",
    spoken: Spoken::Http,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 8085,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(22),
    question: None,
    repeats: 12,
    probe: || crate::Probe::GorgoneApi(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "gorgone-api-tls",
    title: "Gorgone's HTTPS",
    expected: "TLS",
    spoken: Spoken::Tls,
    tls: true,
    budget: Duration::from_secs(27),
    probe: || crate::Probe::GorgoneApi(Probe { tls: true, login: None }),
    ..SERVICE
};

/// One poller, which has just answered.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let lines = exchange::read_request(&mut stream).await?;
    let is_asked = lines.first().is_some_and(|asked| asked.starts_with("GET /api/internal/const"));
    let (status, body) = if is_asked {
        ("200 OK", status::example(now()))
    } else {
        ("404 Not Found", UNKNOWN.to_owned())
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.send(answer.as_bytes()).await?;
    stream.until_closed().await
}

/// A web server that is not Gorgone's API.
fn another(answer: &HttpAnswer) -> Cause {
    let head = answer.in_short();
    Cause::Talk(TalkCause::WrongService {
        expected: "Gorgone's API".into(),
        spoken: Spoken::Http,
        head,
    })
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

const STATUS: &str = "/api/internal/constatus";
const EXPECTED: &str = "the state of Gorgone's connections";
/// What Gorgone calls a method that it does not know, before 25 and since.
const UNKNOWN_METHOD: [&str; 2] = ["endpoint_unknown", "method_unknown"];
const UNKNOWN: &str = r#"{"error":"endpoint_unknown","message":"endpoint not implemented"}"#;
