//! Causes that only two ends together can tell: what one sent, and what came to the other.

use std::net::{IpAddr, SocketAddr};

use super::about::{About, Layer, Owner, Plea, Whereabouts};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::facts::Transport;
use super::remedy::{Advice, Passage, RunOn, say, word};
use super::{Cause, FirewallCause};

/// Causes that only two ends together can tell: what one sent, and what came to the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum FarSideCause {
    /// Ports accept, and behind none of them answers who was to be paired with.
    #[error("no `preflight respond` answers on {to}, {}", listed(ports))]
    FarSideAbsent {
        /// The machine that was called on.
        to: IpAddr,
        /// Its ports that accept.
        ports: Vec<u16>,
        /// What the machine there is, or is about to be.
        role: String,
    },
    /// The other side does not take our code.
    #[error("{to} refused the code")]
    FarSideCodeRefused {
        /// Where the far side answers.
        to: SocketAddr,
    },
    /// The code is of another start of the far side.
    #[error("the code is of run {ours} of `preflight respond`, and run {theirs} answers on {to}")]
    FarSideOtherRun {
        /// Where the far side answers.
        to: SocketAddr,
        /// The run in the code.
        ours: String,
        /// The run that answers.
        theirs: String,
    },
    /// Who answers as a far side does not know the code, and claims to.
    #[error("who answers on {to} pretends to know the code and does not")]
    FarSideUnproved {
        /// Where it answers.
        to: SocketAddr,
    },
    /// The conversation with the far side broke off.
    #[error("the conversation with the far side on {to} broke off: {error}")]
    FarSideLost {
        /// Where the far side answers.
        to: SocketAddr,
        /// How, printable.
        error: String,
    },
    /// What is asked arrives, and the answer does not come back.
    #[error("answers are lost: {transport} {} reached {} from {from}, and its answer did not come back", to.port(), to.ip())]
    FarSideAnswersLost {
        /// TCP or UDP.
        transport: Transport,
        /// Who asked, as the other end saw it.
        from: SocketAddr,
        /// Where it arrived.
        to: SocketAddr,
    },
    /// Nothing of what is asked arrives where somebody listens for it.
    #[error(
        "lost on the way there: nothing came to {to}, which listens on {transport} ⟨{because}⟩"
    )]
    FarSideNotReached {
        /// TCP or UDP.
        transport: Transport,
        /// Who listens.
        to: SocketAddr,
        /// What the question met.
        because: Box<Cause>,
    },
    /// Somebody answers or refuses, and nothing has arrived where it was asked for.
    #[error("something on the way {} in the name of {to}: nothing came there", if *.refuses { "refuses" } else { "answers" })]
    FarSideImpersonated {
        /// In whose name.
        to: SocketAddr,
        /// Does it refuse, rather than answer?
        refuses: bool,
    },
    /// The far side's own rules do not let the question in.
    #[error("on {at}: {}", because.marked())]
    FarSideClosed {
        /// The far side.
        at: IpAddr,
        /// What its own rules say.
        because: Box<Cause>,
    },
    /// The far side opened the flow towards this machine, and failed.
    #[error("{by} asked {to}: {}", because.marked())]
    FarSideFailed {
        /// Who asked, as it was seen here or as it is known.
        by: IpAddr,
        /// Where it asked.
        to: SocketAddr,
        /// TCP or UDP.
        transport: Transport,
        /// What came of it.
        because: Box<Cause>,
    },
}

impl FarSideCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Path, Port, Protocol};
        use Owner::{FarSide, ThisHost};
        use Plea::{Nothing, Repair};
        let network = Owner::Network(Whereabouts::Unknown);
        match self {
            Self::FarSideAbsent { .. } => About::new(Protocol, FarSide, Nothing),
            Self::FarSideCodeRefused { .. } | Self::FarSideOtherRun { .. } => {
                About::new(Authentication, ThisHost, Nothing)
            }
            Self::FarSideUnproved { .. } => About::new(Authentication, network, Repair),
            Self::FarSideLost { .. } => About::new(Protocol, ThisHost, Nothing).untold(),
            Self::FarSideAnswersLost { .. } | Self::FarSideImpersonated { .. } => {
                About::new(Path, network, Repair)
            }
            Self::FarSideNotReached { because, .. } => {
                let owner = match because.owner() {
                    known @ Owner::Network(_) => known,
                    _ => network,
                };
                About::new(Path, owner, Plea::Allow { over: None })
            }
            Self::FarSideClosed { .. } => About::new(Port, FarSide, Nothing),
            Self::FarSideFailed { because, .. } => match because.owner() {
                Owner::Network(at) => About::new(because.layer(), Owner::Network(at), Repair),
                Owner::FarSide | Owner::Nobody => About::new(because.layer(), ThisHost, Nothing),
                Owner::ThisHost => About::new(because.layer(), FarSide, Nothing),
            },
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::FarSideAbsent { role, .. } => {
                say("start it there, as root, and give its new code here: ")
                    .there(format!("preflight respond --role {}", word(role)))
            }
            Self::FarSideCodeRefused { .. } => {
                say("compare the code with the screen of the other machine, and give it again")
            }
            Self::FarSideOtherRun { .. } => {
                say("give the code that the other machine shows now: each start makes a new one")
            }
            Self::FarSideUnproved { to } => say(format!(
                "find out who answers for {to}: a device on the way ends connections and makes its own"
            )),
            Self::FarSideLost { .. } => {
                say("run preflight again while `preflight respond` runs there")
            }
            Self::FarSideAnswersLost { transport, from, to } => say(format!(
                "let the answers pass from {} to {}, {transport} source port {}: a rule for one direction, a firewall that sees one of them only, or a way back that leads elsewhere",
                to.ip(),
                from.ip(),
                to.port()
            )),
            Self::FarSideNotReached { because, .. } => match because.owner() {
                Owner::Network(_) => because.advice(passage),
                _ => say(format!("allow {}", passage.own_rule())),
            },
            Self::FarSideImpersonated { to, .. } => say(format!(
                "find the device on the way that answers for {to} (SYN proxy, transparent proxy, inspection), and have it let {} pass",
                passage.own_rule()
            )),
            Self::FarSideClosed { because, .. } => match &**because {
                Cause::Firewall(FirewallCause::ClosedByOwnFirewall(_)) => {
                    because.advice(passage).moved_to(RunOn::There)
                }
                _ => say("open the port in its own firewall"),
            },
            Self::FarSideFailed { by, to, transport, because } => match because.owner() {
                Owner::Network(_) => say(format!(
                    "allow {transport} {} from {by} to {}, and its answers",
                    to.port(),
                    to.ip()
                )),
                Owner::ThisHost => say(format!("see to it on {by}, which could not ask")),
                Owner::FarSide | Owner::Nobody => {
                    say("see who answers here: ").here(passage.listeners())
                }
            },
        }
    }
}

/// "TCP 5669, 5556"
fn listed(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    format!("TCP {}", ports.join(", "))
}
