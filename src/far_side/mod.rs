//! Two machines that prove the flows between them, in both directions, before anything is installed.
//!
//! One of them runs `respond` and shows a [`PairingCode`]; the other is given it and runs [`prove`]. What both then say
//! to each other stands in `message.rs`, and travels through a [`Channel`] on a port of the platform; what comes
//! to the doors of either is told by marks.

mod channel;
mod check;
mod code;
mod judge;
mod mark;
mod message;
mod send;
mod sessions;

pub(crate) use channel::{CALL, Channel, NoChannel};
pub(crate) use check::{PAUSE, prove};
pub(crate) use code::PairingCode;
pub(crate) use mark::{LENGTH as MARK_LENGTH, MARK, MarkKey, MarkSeen, is_marking};
pub(crate) use message::{
    Arrival, CameAs, Door, DoorState, FarAnswer, FarQuestion, MOST_DOORS, OpenedFlow,
};
pub(crate) use send::{MarkTarget, SentMarks, send};
pub(crate) use sessions::{KnownConnections, Sessions};
