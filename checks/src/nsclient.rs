//! NSClient++: does the agent answer, and does it let this host ask?
//!
//! HTTPS, TCP 8443 by default. `GET /core/isalive` wants no login and leaves no
//! line in the agent's log. Only with a password, and only once that showed who
//! answers, one query the way Centreon's plugin sends it. Certificates of these
//! agents are self-signed as a rule: a concern, as its clients do not verify.
//!
//! Reference: [NSClient++, WEBServer](https://nsclient.org/docs/reference/generic/WEBServer/).

use std::io;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::cause::{Cause, Concern, Transport};
use crate::evidence::Seen;
use crate::http::exchange::{self, ALPN, Answer, Request, fetch};
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
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
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let alive = get(ask, ALIVE, None).await?;
        self.judge_alive(&alive, &mut ask.seen)?;
        let Some(password) = &self.password else {
            return self.judge(&mut ask.seen);
        };
        let queried = get(ask, QUERY, Some(self.credentials(password))).await?;
        // Refused: without credentials, older agents say which of the two it is.
        let anonymous = match queried.status {
            401 | 403 => Some(get(ask, QUERY, None).await?),
            _ => None,
        };
        self.judge_query(&queried, anonymous.as_ref(), &mut ask.seen)?;
        self.judge(&mut ask.seen)
    }

    /// Is it NSClient++ that answered?
    #[allow(clippy::unused_self)] // The same shape as its siblings.
    fn judge_alive(&self, alive: &Answer, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("status", alive.status);
        if let Some(server) = alive.header("server") {
            seen.evidence.set("server", server);
        }
        match (alive.status, Refusal::of(alive)) {
            (200, _) if is_alive(&alive.body) => Ok(()),
            (403, Some(Refusal::LoginFirst)) => Ok(()),
            (403, Some(Refusal::NotAllowed)) => {
                Err(Cause::NsclientNotAllowed { body: alive.words() })
            }
            _ => Err(Cause::WrongService {
                expected: "NSClient++",
                spoken: Spoken::Http,
                head: alive.in_short(),
            }),
        }
    }

    /// `anonymous` is the same query without credentials, after a refusal.
    #[allow(clippy::unused_self)] // The same shape as its siblings.
    fn judge_query(
        &self,
        queried: &Answer,
        anonymous: Option<&Answer>,
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
            401 | 403 => Err(match anonymous.and_then(Refusal::of) {
                Some(Refusal::LoginFirst) => Cause::NsclientLogin { body },
                // Only versions that would have said "login first" have no type.
                Some(Refusal::NotAllowed) if !queried.headers.contains_key("content-type") => {
                    Cause::NsclientNotAllowed { body }
                }
                _ => Cause::NsclientRefused { body },
            }),
            _ => Err(Cause::BadReply { expected: EXPECTED, got: queried.in_short() }),
        }
    }

    fn judge(&self, seen: &mut Seen) -> Result<(), Cause> {
        let fact = |name| seen.evidence.fact(name).map(ToString::to_string);
        let mut words = vec!["alive".to_owned()];
        words.extend(fact("version").map(|version| format!("version {version}")));
        words.extend(fact("tls_version"));
        seen.headline = words.join(", ");
        if self.password.is_none() {
            seen.concerns.push(Concern::NsclientNotRead);
        }
        Ok(())
    }

    fn credentials(&self, password: &SecretString) -> (HeaderName, HeaderValue) {
        match &self.user {
            Some(user) => exchange::authorization(user, Some(password)),
            None => (LEGACY_PASSWORD, exchange::secret(password.expose_secret())),
        }
    }
}

/// One question on a connection of its own: old agents close after each answer.
async fn get(
    ask: &mut Ask,
    target: &str,
    credentials: Option<(HeaderName, HeaderValue)>,
) -> Result<Answer, Cause> {
    let stream = ask.connect().await?;
    let concerns = ask.seen.concerns.len();
    let stream = secure(stream, ask, Verify::AndReport, ALPN).await?;
    if target != ALIVE {
        // The certificate's concern is there already.
        ask.seen.concerns.truncate(concerns);
    }
    let host = format!("{}:{}", ask.peer.host, ask.peer.address.port());
    fetch(stream, &Request { host: &host, target, credentials }).await
}

/// The two things a 403 of NSClient++ can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// This host may ask, but with a password.
    LoginFirst,
    /// "Your not allowed" in 0.5.2.35, with an apostrophe since.
    NotAllowed,
}

impl Refusal {
    fn of(answer: &Answer) -> Option<Self> {
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

pub(crate) const SERVICE: Service = Service {
    name: "nsclient",
    port: 8443,
    transport: Transport::Tcp,
    tls: true,
    budget: Duration::from_secs(45),
    probe: || crate::Probe::Nsclient(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Is alive, and refuses all else as 0.5.2 does: it knows no password.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let lines = exchange::read_request(&mut stream).await?;
    let asked = lines.first().map(String::as_str).unwrap_or_default();
    let given = lines.iter().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("password:") || line.starts_with("authorization:")
    });
    let (status, body) = match asked {
        _ if asked.starts_with("GET /core/isalive ") => ("200", "{\"status\" : \"ok\"}"),
        _ if given => ("403", "403 You're not allowed"),
        _ => ("403", "403 Please login first"),
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.send(answer.as_bytes()).await?;
    stream.close().await
}

const ALIVE: &str = "/core/isalive";
/// What the plugin of Centreon asks most cheaply; it reads, and changes nothing.
const QUERY: &str = "/query/check_version";
const LEGACY_PASSWORD: HeaderName = HeaderName::from_static("password");
const EXPECTED: &str = "NSClient++'s answer to check_version";
/// More than enough for the answer to be recognised.
const MAX_ALIVE: usize = 256;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.into(), ..Answer::default() }
    }

    fn with_type(mut answer: Answer) -> Answer {
        answer.headers.insert("content-type", HeaderValue::from_static("text/plain"));
        answer
    }

    fn alive(answer: &Answer) -> Result<(), Cause> {
        Probe::default().judge_alive(answer, &mut Seen::default())
    }

    fn query(queried: &Answer, anonymous: &Answer) -> Result<(), Cause> {
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
            let cause = Cause::NsclientNotAllowed { body: body.to_owned() };
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
            Cause::WrongService {
                expected: "NSClient++",
                spoken: Spoken::Http,
                head: "404 from nginx".to_owned(),
            }
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
            Err(Cause::NsclientLogin { body: body.clone() })
        );
        assert_eq!(query(&refused, &refused), Err(Cause::NsclientNotAllowed { body }));
    }

    #[test]
    fn a_current_agent_does_not_tell_and_neither_do_we() {
        let refused = with_type(answer(403, "403 You're not allowed"));
        let body = "403 You're not allowed".to_owned();
        assert_eq!(query(&refused, &refused), Err(Cause::NsclientRefused { body }));
    }

    #[test]
    fn any_other_answer_to_the_query_is_a_bad_reply() {
        let cause = query(&answer(404, "Document not found"), &answer(404, "")).unwrap_err();
        assert_eq!(cause, Cause::BadReply { expected: EXPECTED, got: "404".to_owned() });
    }

    #[test]
    fn the_version_is_read_from_the_query() {
        let body = r#"{"payload":[{"command":"check_version","lines":[{"message":"0.5.2.35 2018-01-28","perf":""}],"result":"OK"}]}"#;
        let mut seen = Seen::default();
        let probe = Probe { user: None, password: Some("secret".into()) };
        probe.judge_query(&answer(200, body), None, &mut seen).unwrap();
        probe.judge(&mut seen).unwrap();
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
        Probe::default().judge(&mut seen).unwrap();
        assert_eq!(seen.concerns, [Concern::NsclientNotRead]);
        assert_eq!(seen.headline, "alive");
    }

    #[test]
    fn the_password_goes_the_way_the_plugin_sends_it_and_is_not_shown() {
        let password = SecretString::from("hunter2");
        let legacy = Probe { user: None, password: Some(password.clone()) };
        assert_eq!(legacy.credentials(&password).0, "password");
        assert_eq!(legacy.credentials(&password).1, "hunter2");
        let basic = Probe { user: Some("admin".to_owned()), password: Some(password.clone()) };
        assert_eq!(basic.credentials(&password).0, "authorization");
        assert!(!format!("{basic:?} {:?}", legacy.credentials(&password)).contains("hunter2"));
    }
}
