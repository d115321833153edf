//! OTLP: does the poller take what monitoring agents send, or does an agent wait for its poller?
//!
//! gRPC, TCP 4317 by default, with TLS (`otlps`) and without. One call of the service that takes
//! metrics, with an empty message, as OpenTelemetry has it: nothing is written. A receiver answers
//! with status 0, or refuses a caller without a token. An agent that waits for its poller has another
//! service, whose call would begin a session: it is asked for the same method, and status 12
//! (unimplemented) shows that gRPC answers. A token goes to a certificate that is trusted only,
//! or in plain text where the URL says `otlp://`.
//!
//! Reference: [OTLP](https://opentelemetry.io/docs/specs/otlp/#otlpgrpc), centreon-collect
//! `engine/modules/opentelemetry/` and `agent/`.

use std::io;
use std::time::Duration;

use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use crate::cause::instead_of;
use crate::cause::{AgentCause, Cause, Concern, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::grpc::{Call, GrpcStatus, first_bytes, status};
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Calls the service that takes metrics with an empty message.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Is it TLS from the first byte?
    pub tls: bool,
    /// The token agents send; none: the call has none.
    pub token: Option<SecretString>,
    /// Is it an agent that waits for its poller? Then it has no service that takes metrics.
    pub agent: bool,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = self.open(ask).await?;
        let call = Call { method: METHOD, authorization: self.authorization() };
        match status(stream, ask, call).await {
            Ok(status) => self.judge(&status, &mut ask.seen),
            Err(cause @ Cause::Talk(TalkCause::Silent { .. })) => Err(cause),
            Err(cause) => {
                // What did the HTTP/2 library stumble over?
                let concerns = ask.seen.concerns.len();
                let head = first_bytes(self.open(ask).await?).await?;
                ask.seen.concerns.truncate(concerns);
                Err(instead_of(EXPECTED, Spoken::Http2, &head).unwrap_or_else(|| {
                    let is_http2 = crate::recognise::recognise(&head) == Spoken::Http2;
                    if is_http2 { cause } else { Cause::bad_reply("an HTTP/2 server", &head) }
                }))
            }
        }
    }

    async fn open(&self, ask: &mut Ask) -> Result<Stream, Cause> {
        let stream = ask.connect().await?;
        if !self.tls {
            return Ok(stream);
        }
        // A token goes to no server that cannot be told from another.
        let verify = self.token.as_ref().map_or(Verify::AndReport, |_| Verify::Strictly);
        secure(stream, ask, verify, &[b"h2"]).await
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref()?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Decides from how the call ended.
    fn judge(&self, status: &GrpcStatus, seen: &mut Seen) -> Result<(), Cause> {
        let GrpcStatus { code, message } = status;
        seen.evidence.set("grpc_status", code.as_str());
        let text = self.without_token(message);
        if !text.is_empty() {
            seen.evidence.set("grpc_message", text.as_str());
        }
        let tls = seen.evidence.fact("tls_version").map(|version| format!(", {version}"));
        let tls = tls.unwrap_or_default();
        match (code.as_str(), self.agent, &self.token) {
            // An empty message may be too little for it.
            ("0" | "3", ..) => {
                seen.headline = format!("takes metrics (OTLP over gRPC{tls})");
                Ok(())
            }
            (UNIMPLEMENTED, true, _) => {
                seen.headline = format!("an agent's gRPC answers{tls}");
                Ok(())
            }
            (UNIMPLEMENTED, false, _) => {
                seen.concerns.push(Concern::OtlpNoMetrics);
                seen.headline = format!("gRPC answers{tls}");
                Ok(())
            }
            (PERMISSION_DENIED | UNAUTHENTICATED, _, None) => {
                seen.concerns.push(Concern::OtlpNotRead);
                seen.headline = format!("gRPC answers, asks for a token{tls}");
                Ok(())
            }
            (PERMISSION_DENIED | UNAUTHENTICATED, _, Some(_)) => {
                Err(Cause::Agent(AgentCause::OtlpTokenRefused { status: code.clone(), text }))
            }
            _ => Err(Cause::Agent(AgentCause::GrpcFailed { status: code.clone(), text })),
        }
    }

    /// A server that repeats what it hears must not put the token into the report.
    fn without_token(&self, text: &str) -> String {
        match &self.token {
            Some(token) if text.contains(token.expose_secret()) => "(not shown)".to_owned(),
            _ => text.to_owned(),
        }
    }

    pub(crate) fn service(&self) -> &'static Service {
        if self.tls { &SERVICE_TLS } else { &SERVICE }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "otlp",
    title: "OTLP (gRPC)",
    expected: EXPECTED,
    spoken: Spoken::Http2,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 4317,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(20),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Otlp(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "otlps",
    title: "OTLP (gRPC) with TLS",
    expected: "TLS",
    spoken: Spoken::Tls,
    tls: true,
    budget: Duration::from_secs(25),
    probe: || crate::Probe::Otlp(Probe { tls: true, ..Probe::default() }),
    ..SERVICE
};

/// Takes metrics, and has no other method.
async fn respond(stream: FarStream) -> io::Result<()> {
    let mut connection = h2::server::handshake(stream.into_io()).await.map_err(io::Error::other)?;
    while let Some(asked) = connection.accept().await {
        let (request, mut reply) = asked.map_err(io::Error::other)?;
        let code = if request.uri().path() == METHOD { "0" } else { UNIMPLEMENTED };
        let response = http::Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", code)
            .body(())
            .map_err(io::Error::other)?;
        reply.send_response(response, true).map_err(io::Error::other)?;
    }
    Ok(())
}

const EXPECTED: &str = "gRPC";
const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const PERMISSION_DENIED: &str = "7";
const UNIMPLEMENTED: &str = "12";
const UNAUTHENTICATED: &str = "16";

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token() -> Probe {
        Probe { token: Some(SecretString::from("not-a-secret")), ..Probe::default() }
    }

    fn judged(probe: &Probe, code: &str, message: &str) -> (Result<(), Cause>, Seen) {
        let mut seen = Seen::default();
        let status = GrpcStatus { code: code.to_owned(), message: message.to_owned() };
        (probe.judge(&status, &mut seen), seen)
    }

    #[test]
    fn a_receiver_passes_and_an_empty_message_may_be_too_little_for_it() {
        for code in ["0", "3"] {
            let (verdict, seen) = judged(&Probe::default(), code, "");
            assert_eq!((verdict, seen.concerns), (Ok(()), vec![]));
            assert_eq!(seen.headline, "takes metrics (OTLP over gRPC)");
        }
    }

    #[test]
    fn without_the_service_a_receiver_warns_and_an_agent_that_waits_passes() {
        let (verdict, seen) = judged(&Probe::default(), "12", "");
        assert_eq!((verdict, seen.concerns), (Ok(()), vec![Concern::OtlpNoMetrics]));
        let agent = Probe { agent: true, ..Probe::default() };
        let (verdict, seen) = judged(&agent, "12", "");
        assert_eq!((verdict, seen.concerns), (Ok(()), vec![]));
        assert_eq!(seen.headline, "an agent's gRPC answers");
    }

    #[test]
    fn a_token_that_is_missing_warns_and_one_that_is_refused_fails() {
        for code in ["7", "16"] {
            let (verdict, seen) = judged(&Probe::default(), code, "no token");
            assert_eq!((verdict, seen.concerns), (Ok(()), vec![Concern::OtlpNotRead]));
            let (verdict, seen) = judged(&with_token(), code, "bad not-a-secret");
            let text = "(not shown)".to_owned();
            assert_eq!(
                verdict,
                Err(Cause::Agent(AgentCause::OtlpTokenRefused { status: code.to_owned(), text }))
            );
            assert!(!format!("{seen:?}").contains("not-a-secret"));
        }
    }

    #[test]
    fn any_other_status_is_the_servers_own_failure() {
        let (verdict, _) = judged(&Probe::default(), "14", "overloaded");
        let expected =
            Cause::Agent(AgentCause::GrpcFailed { status: "14".into(), text: "overloaded".into() });
        assert_eq!(verdict, Err(expected));
    }
}
