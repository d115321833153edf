//! A packet as this host's rules meet it.

use std::net::IpAddr;

use crate::cause::Transport;

/// A packet of the connection that is judged, at one point of its way through the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JudgedPacket {
    /// TCP or UDP.
    pub(super) over: Transport,
    /// IPv4, else IPv6.
    pub(super) is_v4: bool,
    /// The other side's address; `None`: nobody said whose.
    pub(super) peer: Option<IpAddr>,
    /// This host's address; `None`: any of the interface.
    pub(super) own: Option<IpAddr>,
    /// This host's port. The other side's is one that its kernel chose.
    pub(super) port: u16,
    /// The interface it comes in or leaves by.
    pub(super) interface: String,
    /// To this host, or back?
    pub(super) leg: Leg,
    /// What connection tracking says of it.
    pub(super) state: TrackState,
    /// The packet's mark; `None` once a rule has set it to what is not known.
    pub(super) mark: Option<u32>,
    /// The connection's mark, likewise.
    pub(super) connection_mark: Option<u32>,
    /// Has a rule given it another destination?
    pub(super) is_translated: bool,
}

/// The packets whose fate decides, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    /// The SYN, or the datagram.
    First,
    /// This host's answer.
    Answer,
    /// What the other side sends after the answer.
    Next,
}

/// `ct state`, for the packets that are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrackState {
    New,
    Established,
    /// A rule has taken it out of connection tracking.
    Untracked,
    /// Connection tracking has not seen it yet, which rules take for invalid.
    Unseen,
}

impl JudgedPacket {
    /// The first packet to `port`.
    pub(super) fn first(over: Transport, port: u16, ends: &PacketEnds) -> Self {
        Self {
            over,
            is_v4: ends.is_v4,
            peer: ends.peer,
            own: ends.own,
            port,
            interface: ends.interface.clone(),
            leg: Leg::First,
            state: TrackState::New,
            mark: Some(0),
            connection_mark: Some(0),
            is_translated: false,
        }
    }

    /// Does it come in?
    pub(super) fn comes_in(&self) -> bool {
        self.leg != Leg::Answer
    }

    /// Name of its protocol, as both rule languages have it.
    pub(super) fn protocol(&self) -> &'static str {
        match self.over {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Icmp => "icmp",
        }
    }

    /// Where it comes from.
    pub(super) fn source(&self) -> Option<IpAddr> {
        if self.comes_in() { self.peer } else { self.own }
    }

    /// Where it goes.
    pub(super) fn destination(&self) -> Option<IpAddr> {
        if self.comes_in() { self.own } else { self.peer }
    }

    /// The flags of its TCP header.
    pub(super) fn flags(&self) -> &'static [&'static str] {
        match self.leg {
            Leg::First => &["syn"],
            Leg::Answer => &["syn", "ack"],
            Leg::Next => &["ack"],
        }
    }
}

/// Between whom a connection is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PacketEnds {
    /// IPv4, else IPv6.
    pub(super) is_v4: bool,
    /// The other side; `None`: nobody said whose.
    pub(super) peer: Option<IpAddr>,
    /// This host's address that the other side comes to.
    pub(super) own: Option<IpAddr>,
    /// The interface it comes in by.
    pub(super) interface: String,
}
