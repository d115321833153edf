//! The ends of a connection, and the firewalls between them.

use std::net::IpAddr;

use serde::Serialize;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct End {
    /// Its address, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    /// What it is called, unless that is the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// Whose firewall a rule belongs to, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Firewall {
    /// The device in the network that says no.
    Device(IpAddr),
    /// The last device that answers: it drops without a word, or another behind it does.
    Behind(IpAddr),
    /// Somewhere on the way; no device named itself.
    OnTheWay,
    /// The machine that the connection goes to.
    Target(End),
    /// The machine that opens it.
    Source(End),
    /// Nothing blocks it today.
    Open,
}

impl End {
    /// Is it meant by this address or name?
    pub(super) fn is(&self, text: &str) -> bool {
        self.name.as_deref() == Some(text)
            || text.parse().is_ok_and(|address: IpAddr| self.address == Some(address))
    }

    /// "10.0.0.5 (central.example.com)"
    pub(super) fn shown(&self) -> String {
        match (self.address, &self.name) {
            (Some(address), Some(name)) => format!("{address} ({name})"),
            (Some(address), None) => address.to_string(),
            (None, name) => name.clone().unwrap_or_default(),
        }
    }
}

impl Firewall {
    /// A heading: whose turn it is.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Device(device) => format!("Device {device}"),
            Self::Behind(last) => format!("At {last}, the last device that answers, or behind it"),
            Self::OnTheWay => "No device named itself".to_owned(),
            Self::Target(end) => format!("Firewall of the destination {} itself", end.shown()),
            Self::Source(end) => format!("Firewall of the source {} itself", end.shown()),
            Self::Open => "Needed, and not known to be blocked".to_owned(),
        }
    }
}
