//! Netlink: what the kernel knows of routes, neighbours and interfaces, asked and taken apart.
//!
//! It needs no privilege, and nothing leaves this host.
//!
//! Reference: `netlink(7)`, `rtnetlink(7)`.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// The one answer to a question; the kernel has it ready when the question is sent.
///
/// `body` is what stands behind the `nlmsghdr`. `None` when the kernel does not tell.
pub(super) fn ask(kind: u16, body: &[u8]) -> Option<Vec<u8>> {
    let asked = send(SockProtocol::NetlinkRoute, &message(kind, REQUEST, body))?;
    let mut answer = vec![0; MAX_ANSWER];
    let length = recv(asked.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// All that the kernel has of a kind: `read` makes something of each message of the kind `answer`.
///
/// `None` when the kernel does not tell, or has more than [`PARTS`] parts of it.
pub(super) fn dump<T>(
    kind: u16,
    body: &[u8],
    answer: u16,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<Vec<T>> {
    dump_of(SockProtocol::NetlinkRoute, kind, body, answer, read)
}

/// The same of another of the kernel's families.
///
/// `None` also when it refuses the question.
pub(super) fn dump_of<T>(
    family: SockProtocol,
    kind: u16,
    body: &[u8],
    answer: u16,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<Vec<T>> {
    let asked = send(family, &message(kind, REQUEST | DUMP, body))?;
    let mut all = Vec::new();
    let mut part = vec![0; PART];
    for _ in 0..PARTS {
        let length = recv(asked.as_raw_fd(), &mut part, MsgFlags::MSG_DONTWAIT).ok()?;
        let part = part.get(..length)?;
        let is_refused = part.get(4..6).is_some_and(|kind| kind == REFUSED.to_ne_bytes());
        if is_refused && family != SockProtocol::NetlinkRoute {
            return None;
        }
        if take(part, answer, &read, &mut all) {
            return Some(all);
        }
    }
    None
}

/// Takes the messages of one part of a dump; is it the last?
pub(super) fn take<T>(
    mut part: &[u8],
    answer: u16,
    read: impl Fn(&[u8]) -> Option<T>,
    all: &mut Vec<T>,
) -> bool {
    while let Some(length) = part.first_chunk().map(|length| u32::from_ne_bytes(*length)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(message) = part.get(..length).filter(|message| message.len() >= HEADER) else {
            return true;
        };
        let kind = message.get(4..).and_then(|rest| rest.first_chunk());
        if kind.is_none_or(|kind| u16::from_ne_bytes(*kind) != answer) {
            return true;
        }
        all.extend(read(message));
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// Type and value of each attribute; each begins at a multiple of four.
pub(super) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(ATTRIBUTE..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A socket on which `question` was asked.
fn send(family: SockProtocol, question: &[u8]) -> Option<OwnedFd> {
    let close = SockFlag::SOCK_CLOEXEC;
    let asked = socket(AddressFamily::Netlink, SockType::Raw, close, family).ok()?;
    let kernel = NetlinkAddr::new(0, 0);
    sendto(asked.as_raw_fd(), question, &kernel, MsgFlags::empty()).ok()?;
    Some(asked)
}

/// `nlmsghdr`, and what stands behind it.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = HEADER + body.len();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // Sequence and port: there is one question a socket.
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

/// Bytes of `nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// Bytes of an attribute's length and type.
pub(super) const ATTRIBUTE: usize = 4;
/// `NLM_F_REQUEST`, `NLM_F_DUMP`
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
/// `NLMSG_ERROR`
const REFUSED: u16 = 2;
/// More than a route's answer has.
const MAX_ANSWER: usize = 8 * 1024;
/// As much as the kernel writes at once, and how often it is read: 16 MB are 100,000 neighbours, and
/// some thousand interfaces.
const PART: usize = 32 * 1024;
const PARTS: usize = 512;
