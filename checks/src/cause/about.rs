//! What is known of each cause, as types: its layer, who has to act, and what may be asked for.

use std::net::IpAddr;

use serde::Serialize;

use super::facts::Transport;

/// Who has to act. Decides whom the report tells the reader to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The administrator of the machine preflight runs on.
    ThisHost,
    /// The network team, and where they should look.
    Network(Whereabouts),
    /// The administrator of the peer.
    FarSide,
    /// Nobody: there is nothing to repair.
    Nobody,
}

/// Where on the way something stands in it, as far as anything named itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whereabouts {
    /// This device says no.
    At(IpAddr),
    /// This device is the last that was heard: it is there or behind it.
    AtOrBehind(IpAddr),
    /// This device is the first that others reach: it is there or before it.
    AtOrBefore(IpAddr),
    /// No device named itself.
    Unknown,
}

/// What may be asked for against a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plea {
    /// A firewall rule that lets the flow pass.
    Allow {
        /// Over this transport alone; `None`: over whatever the flow is asked over.
        over: Option<Transport>,
    },
    /// Something on the way has to be repaired, and no rule helps.
    Repair,
    /// Nothing on the way: a service, a password, a machine's own settings.
    Nothing,
}

/// The layer a cause belongs to, lowest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::EnumIter,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Layer {
    /// The probe or this host's resources.
    Host,
    /// Name resolution.
    Name,
    /// This host's routing table and firewall.
    Route,
    /// Devices between this host and the peer.
    Path,
    /// The peer's port.
    Port,
    /// TLS.
    Tls,
    /// The protocol.
    Protocol,
    /// Credentials and access lists.
    Authentication,
    /// The service behind the protocol.
    Service,
}

impl Whereabouts {
    /// The device that is named.
    #[must_use]
    pub fn device(self) -> Option<IpAddr> {
        match self {
            Self::At(device) | Self::AtOrBehind(device) | Self::AtOrBefore(device) => Some(device),
            Self::Unknown => None,
        }
    }
}

impl From<Option<IpAddr>> for Whereabouts {
    fn from(says_no: Option<IpAddr>) -> Self {
        says_no.map_or(Self::Unknown, Self::At)
    }
}

/// What is known of a cause, whatever flow it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) layer: Layer,
    pub(super) owner: Owner,
    pub(super) plea: Plea,
    /// Cannot be told from this side: then the outcome is `unknown`.
    pub(super) is_untold: bool,
}

impl About {
    pub(super) fn new(layer: Layer, owner: Owner, plea: Plea) -> Self {
        Self { layer, owner, plea, is_untold: false }
    }

    /// The same, where it cannot be told from this side whether it fails.
    pub(super) fn untold(self) -> Self {
        Self { is_untold: true, ..self }
    }
}

impl Plea {
    /// The same, over `transport` alone.
    pub(super) fn over(self, transport: Transport) -> Self {
        match self {
            Self::Allow { .. } => Self::Allow { over: Some(transport) },
            Self::Repair | Self::Nothing => self,
        }
    }
}
