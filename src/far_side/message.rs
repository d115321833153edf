//! What two paired machines say to each other.

use std::net::{IpAddr, SocketAddr};

use preflight_checks::{Cause, Transport};
use serde::{Deserialize, Serialize};

use super::mark::MarkNumber;
use crate::catalogue::Role;

/// What the caller says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FarQuestion {
    /// Who calls.
    Hello {
        /// What the caller is, or is about to be.
        role: Role,
    },
    /// What of this conversation has come to you?
    WhatCame,
    /// Open your flows towards me, and mark my doors.
    AskMe {
        /// Where the caller listens.
        doors: Vec<Door>,
        /// The caller's own address, where it may not be the one it is seen as.
        own: IpAddr,
    },
}

/// What the far side says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FarAnswer {
    /// To [`FarQuestion::Hello`].
    Welcome {
        /// What the far side is, or is about to be.
        role: Role,
        /// Where this conversation comes from, as it is seen there.
        seen_as: SocketAddr,
        /// Where it came to.
        here: SocketAddr,
        /// The ports of the flows that come to it.
        doors: Vec<Door>,
    },
    /// To [`FarQuestion::WhatCame`].
    Came(Vec<Arrival>),
    /// To [`FarQuestion::AskMe`].
    Asked {
        /// The flows that were opened.
        flows: Vec<OpenedFlow>,
        /// The marks that were sent.
        marks: Vec<SentMark>,
    },
    /// It will not.
    No {
        /// Why.
        why: String,
    },
}

/// A port that a flow comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Door {
    /// The flows, by their ids.
    pub(crate) flows: Vec<String>,
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// The port.
    pub(crate) port: u16,
    /// Who is behind it.
    pub(crate) state: DoorState,
    /// Why this machine's own rules let nobody in, as far as it could read them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) closed: Option<Cause>,
    /// Can what comes here be told all the same, where a service has the door?
    #[serde(default)]
    pub(crate) is_watched: bool,
    /// Who has signed the certificate that is shown here inside TLS, where this machine answers itself.
    #[serde(default)]
    pub(crate) authority: Option<String>,
    /// The addresses that this service listens on.
    #[serde(default)]
    pub(crate) listens_at: Vec<IpAddr>,
}

/// Who is behind a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DoorState {
    /// Preflight.
    Open,
    /// A process that has the port.
    Taken(String),
    /// Nobody: the port could not be had, and why.
    Shut(String),
}

/// Something that came to a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// The door.
    pub(crate) port: u16,
    /// From where, as it was seen there; port 0: from several.
    pub(crate) from: SocketAddr,
    /// What it was.
    pub(crate) what: CameAs,
    /// The segment size that its connection offered, as it was seen there; 0: none, or not known.
    pub(crate) segment: u16,
}

/// What came to a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CameAs {
    /// A mark of this conversation.
    Mark(MarkNumber),
    /// A handshake that was never finished.
    HalfOpen,
    /// A connection to a service that has the door, as the kernel tells; it may be any of that machine's.
    Connection,
    /// Questions of the door's own protocol, from an address of this conversation.
    Question,
    /// Questions of the door's own protocol from elsewhere, whoever they are.
    Stranger,
}

/// A flow that the far side opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenedFlow {
    /// Its id.
    pub(crate) flow: String,
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// Where it asked.
    pub(crate) to: SocketAddr,
    /// What came of it: what it saw, or why it failed.
    pub(crate) came_of_it: Result<String, Cause>,
    /// Who has signed the certificate that it was shown.
    #[serde(default)]
    pub(crate) issuer: Option<String>,
}

/// A mark that was sent to a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SentMark {
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// Where it was sent.
    pub(crate) to: SocketAddr,
    /// Its number.
    pub(crate) number: MarkNumber,
    /// Its answer: where it came from, as it was seen at the door.
    pub(crate) seen_as: Option<SocketAddr>,
    /// And the segment size that it offered, as it was seen there; 0: none, or not known.
    pub(crate) segment: u16,
    /// Where it leaves from, if it is a connection on which nothing is said: the door is a service's.
    #[serde(default)]
    pub(crate) silent: Option<SocketAddr>,
}

/// Doors that one machine may have, so that the other need not ask without end.
pub(crate) const MOST_DOORS: usize = 24;
