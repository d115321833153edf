//! NSClient++: does the agent answer, and does it let this host ask?
//!
//! HTTPS, TCP 8443 by default. `GET /core/isalive` wants no login and leaves no
//! line in the agent's log. Only with a password, and only once that showed who
//! answers, one query the way Centreon's plugin sends it. Certificates of these
//! agents are self-signed as a rule: a concern, as its clients do not verify. But
//! the password is sent to an agent that is trusted only, unless the user says
//! otherwise.
//!
//! Reference: [NSClient++, WEBServer](https://nsclient.org/docs/reference/generic/WEBServer/).

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::cause::{Cause, Concern, NsclientCause, TalkCause, Transport};
use crate::evidence::Seen;
use crate::http::exchange::{self, ALPN, HttpAnswer, HttpRequest, fetch};
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Asks whether the agent is alive; with a password, one query more.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// For Basic authentication; without one the password goes alone, as in the
    /// legacy interface.
    pub user: Option<String>,
    /// The password; without one nobody is logged in.
    pub password: Option<SecretString>,
    /// May the password go to an agent whose certificate is not trusted?
    pub insecure: bool,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let alive = get(ask, ALIVE, Verify::AndReport, None).await?;
        self.judge_alive(&alive, &mut ask.seen)?;
        let Some(password) = self.password.as_ref().filter(|_| self.trusts(&ask.seen)) else {
            self.sum_up(&mut ask.seen);
            return Ok(());
        };
        // Another connection may be to somebody else.
        let verify = if self.insecure { Verify::AndReport } else { Verify::Strictly };
        let queried = get(ask, QUERY, verify, Some(self.credentials(password))).await?;
        // Refused: without credentials, older agents say which of the two it is.
        let anonymous = match queried.status {
            401 | 403 => Some(get(ask, QUERY, Verify::AndReport, None).await?),
            _ => None,
        };
        self.judge_query(&queried, anonymous.as_ref(), &mut ask.seen)?;
        self.sum_up(&mut ask.seen);
        Ok(())
    }

    /// May the password be sent to whoever showed the certificate just seen?
    fn trusts(&self, seen: &Seen) -> bool {
        let is_about_it =
            |concern: &Concern| matches!(concern, Concern::CertificateUnverified { .. });
        self.insecure || !seen.concerns.iter().any(is_about_it)
    }

    /// Is it the agent that answered?
    fn judge_alive(&self, alive: &HttpAnswer, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("status", alive.status);
        if let Some(server) = alive.header("server") {
            seen.evidence.set("server", server);
        }
        match (alive.status, NsclientRefusal::of(alive)) {
            (200, _) if is_alive(&alive.body) => Ok(()),
            (403, Some(NsclientRefusal::LoginFirst)) => Ok(()),
            (403, Some(NsclientRefusal::NotAllowed)) => {
                Err(Cause::Nsclient(NsclientCause::NsclientNotAllowed { body: alive.words() }))
            }
            _ => Err(Cause::Talk(TalkCause::WrongService {
                expected: "NSClient++".into(),
                spoken: Spoken::Http,
                head: alive.in_short(),
            })),
        }
    }

    /// `anonymous` is the same query without credentials, after a refusal.
    fn judge_query(
        &self,
        queried: &HttpAnswer,
        anonymous: Option<&HttpAnswer>,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        seen.evidence.set("query_status", queried.status);
        let body = queried.words();
        match queried.status {
            200 => {
                if let Some(version) = version(&queried.body) {
                    seen.evidence.set("version", version);
                }
                Ok(())
            }
            401 | 403 => Err(match anonymous.and_then(NsclientRefusal::of) {
                Some(NsclientRefusal::LoginFirst) => {
                    Cause::Nsclient(NsclientCause::NsclientLogin { body })
                }
                // Only versions that would have said "login first" have no type.
                Some(NsclientRefusal::NotAllowed)
                    if !queried.headers.contains_key("content-type") =>
                {
                    Cause::Nsclient(NsclientCause::NsclientNotAllowed { body })
                }
                _ => Cause::Nsclient(NsclientCause::NsclientRefused { body }),
            }),
            _ => Err(Cause::Talk(TalkCause::BadReply {
                expected: EXPECTED.into(),
                got: queried.in_short(),
            })),
        }
    }

    fn sum_up(&self, seen: &mut Seen) {
        let fact = |name| seen.evidence.fact(name).map(ToString::to_string);
        let mut words = vec!["alive".to_owned()];
        words.extend(fact("version").map(|version| format!("version {version}")));
        words.extend(fact("tls_version"));
        seen.headline = words.join(", ");
        if self.password.is_none() {
            seen.concerns.push(Concern::NsclientNotRead);
        } else if !self.trusts(seen) {
            seen.concerns.push(Concern::NsclientPasswordKept);
        }
    }

    fn credentials(&self, password: &SecretString) -> (HeaderName, HeaderValue) {
        match &self.user {
            Some(user) => exchange::authorization(user, Some(password)),
            None => (LEGACY_PASSWORD, exchange::secret(password.expose_secret())),
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "nsclient",
    title: "NSClient++",
    expected: "NSClient++",
    spoken: Spoken::Tls,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 8443,
    transport: Transport::Tcp,
    tls: true,
    budget: Duration::from_secs(45),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Nsclient(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Is alive, knows one password, and refuses all else as 0.5.2 does.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let lines = exchange::read_request(&mut stream).await?;
    let asked = lines.first().map(String::as_str).unwrap_or_default();
    let field = |name: &str| {
        lines.iter().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let password = field("password");
    let is_known = password == Some(RESPONDER_PASSWORD);
    let (status, body) = match asked {
        _ if asked.starts_with("GET /core/isalive ") => ("200", "{\"status\" : \"ok\"}"),
        _ if is_known && asked.contains(QUERY) => ("200", EXAMPLE_VERSION),
        _ if password.or(field("authorization")).is_some() => ("403", "403 You're not allowed"),
        _ => ("403", "403 Please login first"),
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.send(answer.as_bytes()).await?;
    stream.close().await
}

/// One question on a connection of its own: old agents close after each answer.
async fn get(
    ask: &mut Ask,
    target: &str,
    verify: Verify,
    credentials: Option<(HeaderName, HeaderValue)>,
) -> Result<HttpAnswer, Cause> {
    let stream = ask.connect().await?;
    let concerns = ask.seen.concerns.len();
    let stream = secure(stream, ask, verify, ALPN).await?;
    if target != ALIVE {
        // The certificate's concern is there already.
        ask.seen.concerns.truncate(concerns);
    }
    let host = format!("{}:{}", ask.peer.host, ask.peer.address.port());
    fetch(stream, &HttpRequest { host: &host, target, credentials }).await
}

/// The two things a 403 of the agent can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NsclientRefusal {
    /// This host may ask, but with a password.
    LoginFirst,
    /// "Your not allowed" in 0.5.2.35, with an apostrophe since.
    NotAllowed,
}

impl NsclientRefusal {
    fn of(answer: &HttpAnswer) -> Option<Self> {
        if answer.says("please login first") {
            Some(Self::LoginFirst)
        } else if answer.says("your not allowed") || answer.says("you're not allowed") {
            Some(Self::NotAllowed)
        } else {
            None
        }
    }
}

/// `{"status" : "ok"}`, in any spacing.
fn is_alive(body: &[u8]) -> bool {
    let dense = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    dense.take(MAX_ALIVE).collect::<Vec<u8>>().starts_with(br#"{"status":"ok""#)
}

/// The version in the answer of `check_version`: `"message":"0.5.2.35 2018-01-28"`.
fn version(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, after) = text.split_once("\"message\"")?;
    let message = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let number = message.split([' ', '"', ',']).next()?;
    let is_version = number.contains('.') && number.starts_with(|c: char| c.is_ascii_digit());
    is_version.then(|| wire::clean(number.as_bytes(), 24))
}

/// The one password the responder knows; it guards nothing.
pub const RESPONDER_PASSWORD: &str = "preflight-demo";
const EXAMPLE_VERSION: &str = r#"{"payload":[{"command":"check_version","lines":[{"message":"0.5.2.41 2018-04-26","perf":""}],"result":"OK"}]}"#;
const ALIVE: &str = "/core/isalive";
/// What the plugin of Centreon asks most cheaply; it reads, and changes nothing.
const QUERY: &str = "/query/check_version";
const LEGACY_PASSWORD: HeaderName = HeaderName::from_static("password");
const EXPECTED: &str = "NSClient++'s answer to check_version";
/// More than enough for the answer to be recognised.
const MAX_ALIVE: usize = 256;
