//! Causes of the agents on monitored hosts: NRPE, NSClient on its old port, OpenTelemetry.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};

/// Causes of the agents on monitored hosts: NRPE, NSClient on its old port, OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum AgentCause {
    /// An agent hangs up as soon as it has accepted, before anything was said.
    #[error(
        "{to} closes the connection without a word, as {agent} does with hosts that its {list} does not have"
    )]
    AgentNotAllowed {
        /// The agent.
        to: SocketAddr,
        /// What it should be: "NRPE".
        agent: Cow<'static, str>,
        /// The setting that has the hosts it takes: `allowed_hosts`.
        list: Cow<'static, str>,
    },
    /// The receiver of monitoring agents refuses the token.
    #[error("the receiver of monitoring agents refuses the token ⟨gRPC status {status}⟩: {text}")]
    OtlpTokenRefused {
        /// Its status: 7 or 16.
        status: String,
        /// What it said, printable.
        text: String,
    },
    /// A gRPC server ends the call with an error of its own.
    #[error("gRPC answers with an error ⟨status {status}⟩: {text}")]
    GrpcFailed {
        /// The status that gRPC or HTTP gives.
        status: String,
        /// What it said, printable.
        text: String,
    },
    /// The agent on NSClient's old port refuses the password given.
    #[error("NSClient refuses the password given: {text}")]
    NsclientNtLogin {
        /// What it said, printable.
        text: String,
    },
    /// The agent on NSClient's old port answers with an error.
    #[error("NSClient answers with an error: {text}")]
    NsclientNtError {
        /// What it said, printable.
        text: String,
    },
}

impl AgentCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::AgentNotAllowed { .. } => About::new(Authentication, FarSide, Nothing),
            Self::OtlpTokenRefused { .. } => About::new(Authentication, ThisHost, Nothing),
            Self::GrpcFailed { .. } => About::new(Service, FarSide, Nothing),
            Self::NsclientNtLogin { .. } => About::new(Authentication, ThisHost, Nothing),
            Self::NsclientNtError { .. } => About::new(Service, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::AgentNotAllowed { agent, list, .. } => say(format!(
                "add {} to {list} in the configuration of {agent} there, and restart it; a load balancer or a port forwarding closes like this while no server behind it answers",
                passage.from()
            )),
            Self::OtlpTokenRefused { .. } => say(
                "compare the token with those of the poller (otl_server.json: trusted_tokens), and its date of expiry",
            ),
            Self::GrpcFailed { .. } => {
                say("see what listens, and read its log").on_that_machine(passage.listeners())
            }
            Self::NsclientNtLogin { .. } => say(
                "give the password of nsclient.ini (`password` under /settings/default): --nsclient-nt-password-file FILE",
            ),
            Self::NsclientNtError { .. } => {
                say("see nsclient.log there, and that NSClientServer is enabled under /modules")
            }
        }
    }
}
