//! pcsd: does the daemon answer through which the nodes of a cluster are set up?
//!
//! HTTPS, TCP 2224 by default. `GET /remote/check_auth` without a token is refused in pcsd's own
//! words, which proves who answers and changes nothing. Its certificate is its own, signed by itself
//! as a rule, and `pcs` does not verify it: it is a fact, and no reason to fail.
//!
//! Reference: [pcs](https://github.com/ClusterLabs/pcs), `pcsd/remote.rb`, `pcs/daemon/app`.

use std::io;
use std::time::Duration;

use crate::cause::{Cause, TalkCause, Transport};
use crate::evidence::Seen;
use crate::http::exchange::{self, ALPN, HttpAnswer, HttpRequest, fetch};
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Asks whether we are logged in; we are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let host = ask.address().to_string();
        let stream = ask.connect().await?;
        let mut stream = secure(stream, ask, Verify::Never, ALPN).await?;
        stream.allow(exchange::REPLY);
        let request = HttpRequest { host: &host, target: TARGET, credentials: None };
        let answer = fetch(stream, &request).await?;
        self.judge(&answer, &mut ask.seen)
    }

    /// Is it pcsd that answered?
    fn judge(&self, answer: &HttpAnswer, seen: &mut Seen) -> Result<(), Cause> {
        seen.evidence.set("status", answer.status);
        let is_pcsd = matches!(answer.status, 200 | 401)
            && (answer.says("notauthorized") || answer.says("\"success\""));
        if !is_pcsd {
            return Err(Cause::Talk(TalkCause::WrongService {
                expected: EXPECTED.into(),
                spoken: Spoken::Http,
                head: answer.in_short(),
            }));
        }
        "pcsd answers and wants a token; its certificate is not judged, as pcs does not"
            .clone_into(&mut seen.headline);
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "pcsd",
    title: "pcsd",
    expected: EXPECTED,
    spoken: Spoken::Tls,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 2224,
    transport: Transport::Tcp,
    tls: true,
    budget: Duration::from_secs(15),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Pcsd(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Refuses whoever has no token.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    exchange::read_request(&mut stream).await?;
    let head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html; charset=UTF-8\r\n";
    let rest = format!("Content-Length: {}\r\n\r\n{REFUSED}", REFUSED.len());
    stream.send(format!("{head}{rest}").as_bytes()).await?;
    stream.until_closed().await
}

const EXPECTED: &str = "pcsd, the daemon of a cluster's nodes";
const TARGET: &str = "/remote/check_auth";
const REFUSED: &str = "{\"notauthorized\":\"true\"}";

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> (Result<(), Cause>, Seen) {
        let (mut seen, body) = (Seen::default(), body.as_bytes().to_vec());
        let answer = HttpAnswer {
            status,
            version: "HTTP/1.1".to_owned(),
            headers: http::HeaderMap::new(),
            body,
        };
        (Probe::default().judge(&answer, &mut seen), seen)
    }

    #[test]
    fn its_own_words_of_refusal_prove_it() {
        let (verdict, seen) = judged(401, REFUSED);
        assert_eq!(verdict, Ok(()));
        assert!(seen.headline.contains("wants a token"), "{}", seen.headline);
    }

    #[test]
    fn another_web_server_is_not_pcsd() {
        for (status, body) in
            [(401, "login first"), (404, "not found"), (200, "<html>hello</html>")]
        {
            assert_eq!(judged(status, body).0.unwrap_err().code(), "wrong-service", "{status}");
        }
    }
}
