//! Causes at a port: the peer's, or one of this host.

use std::net::SocketAddr;

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};
use super::{Cause, Transport};

/// Causes at a port: the peer's, or one of this host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum PortCause {
    /// The target itself says that nothing listens there.
    #[error("nothing listens on {to}")]
    PortClosed {
        /// Address and port asked for.
        to: SocketAddr,
    },
    /// The address asked for is one of this host's own, and nothing listens there.
    #[error("nothing listens on {to}, and {} is this machine itself", to.ip())]
    ClosedHere {
        /// Address and port asked for.
        to: SocketAddr,
    },
    /// A connection is accepted where none must be.
    #[error("{to} accepts connections, and must be closed to this host")]
    PortOpen {
        /// The port.
        to: SocketAddr,
    },
    /// Whether a port is closed cannot be told, as the question did not come that far.
    #[error("cannot tell whether {to} is closed: {}", because.marked())]
    ClosedUntold {
        /// The port.
        to: SocketAddr,
        /// How the connection failed.
        because: Box<Cause>,
    },
    /// Nothing on this host listens where the other side will connect to.
    #[error("nothing listens on {transport} {port} here")]
    NothingListens {
        /// The transport that was looked at.
        transport: Transport,
        /// The port that was looked at.
        port: u16,
    },
    /// Something listens, but only where nobody else can reach it.
    #[error("{process} listens on loopback only ⟨{address}⟩")]
    ListensOnLoopback {
        /// Where it listens.
        address: SocketAddr,
        /// Who listens, as far as this user may see.
        process: String,
    },
    /// The service answers on the other port that the flow table names, not on its own.
    #[error("port {found} answers, port {asked} does not")]
    FoundOnOtherPort {
        /// The port asked.
        asked: u16,
        /// The port it was found on.
        found: u16,
        /// What the flow table says of the two ports.
        why: Option<String>,
        /// How the port asked failed.
        because: String,
    },
    /// This host does not show who listens.
    #[error("cannot tell who listens on {transport} {port} here: {error}")]
    ListenersUnknown {
        /// The transport that was to be looked at.
        transport: Transport,
        /// The port that was to be looked at.
        port: u16,
        /// The operating system's words, with the file.
        error: String,
    },
}

impl PortCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Host, Port};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::PortClosed { .. } => About::new(Port, FarSide, Nothing),
            // Nothing is to be allowed: something is to be blocked, there or before it.
            Self::PortOpen { .. } => About::new(Port, FarSide, Nothing),
            // However it failed: nobody may be asked to open the way to it.
            Self::ClosedUntold { because, .. } => {
                About::new(because.layer(), ThisHost, Nothing).untold()
            }
            Self::NothingListens { .. }
            | Self::ClosedHere { .. }
            | Self::ListensOnLoopback { .. }
            | Self::FoundOnOtherPort { .. } => About::new(Port, ThisHost, Nothing),
            Self::ListenersUnknown { .. } => About::new(Host, ThisHost, Nothing).untold(),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::PortClosed { .. } => {
                let start = say("start the service").on_that_machine(passage.start());
                match passage.serves_others {
                    Some(setting) => start.then(&format!(
                        "; if it runs already, it may serve its own machine alone: see {setting}"
                    )),
                    None => start,
                }
            }
            Self::ClosedHere { .. } => say(format!(
                "correct the address ({}) if {} is another machine; if it is this one, start the service: ",
                passage.origin, passage.target
            ))
            .here(passage.start()),
            Self::PortOpen { to } => say(format!(
                "let nothing from {} reach {to} (a firewall in between, or its own), or stop what listens",
                passage.from()
            ))
            .on_that_machine(passage.listeners()),
            Self::ClosedUntold { to, .. } => say(format!(
                "see that {} is up and that this host has a way to it, then run preflight again; nothing is to be opened for it",
                to.ip()
            )),
            Self::NothingListens { .. } => say("start the service: ").here(passage.start()),
            Self::ListensOnLoopback { .. } => {
                say("let it listen on the address others use, not on 127.0.0.1: ")
                    .here(passage.listeners())
            }
            Self::FoundOnOtherPort { found, why, .. } => {
                let why = why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
                say(format!(
                    "use {} {found} for this flow (--port {}={found}) and in the firewall rules{why}",
                    passage.transport, passage.flow
                ))
            }
            Self::ListenersUnknown { .. } => {
                say("mount /proc, or look where it can be read: ").here(passage.listeners())
            }
        }
    }
}
