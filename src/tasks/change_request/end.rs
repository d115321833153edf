//! The ends of a connection, and the firewalls between them.

use std::net::IpAddr;

use serde::Serialize;

use crate::run::wish::Barrier;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct RuleEnd {
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
    /// The first device that other packets reach: it drops these, or another before it does.
    Before(IpAddr),
    /// Somewhere on the way; no device named itself.
    OnTheWay,
    /// The machine that the connection goes to.
    Target(RuleEnd),
    /// The machine that opens it.
    Source(RuleEnd),
    /// Nothing blocks it today.
    Open,
}

impl RuleEnd {
    /// Is it meant by this address or name?
    pub(super) fn is(&self, text: &str) -> bool {
        self.name.as_deref() == Some(text)
            || text.parse().is_ok_and(|address: IpAddr| self.address == Some(address))
    }

    /// Do both mean one machine? By the address if both have one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self.address, other.address) {
            (Some(one), Some(other)) => one == other,
            _ => self == other,
        }
    }

    /// The subnet that it is called by: `10.20.30.0/24`.
    pub(super) fn subnet(&self) -> Option<(IpAddr, u8)> {
        let (address, bits) = self.name.as_ref()?.split_once('/')?;
        let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
        (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
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
    /// The one at `at` on the way from `source` to `destination`.
    pub(super) fn new(at: Barrier, source: &RuleEnd, destination: &RuleEnd) -> Self {
        match at {
            Barrier::Device(device) => Self::Device(device),
            Barrier::AtOrBehind(last) => Self::Behind(last),
            Barrier::AtOrBefore(first) => Self::Before(first),
            Barrier::OnTheWay => Self::OnTheWay,
            Barrier::Target => Self::Target(destination.clone()),
            Barrier::Source => Self::Source(source.clone()),
        }
    }

    /// A heading: whose turn it is.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Device(device) => format!("Device {device}"),
            Self::Behind(last) => format!("At {last}, the last device that answers, or behind it"),
            Self::Before(first) => {
                format!("At {first}, the first device that others reach, or before it")
            }
            Self::OnTheWay => "No device named itself".to_owned(),
            Self::Target(end) => format!("Firewall of the destination {} itself", end.shown()),
            Self::Source(end) => format!("Firewall of the source {} itself", end.shown()),
            Self::Open => "Needed, and not known to be blocked".to_owned(),
        }
    }
}
