//! The conversations that a machine has at present, and what has come to its doors in each.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use preflight_checks::Transport;

use super::mark::{MarkKey, MarkSeen, SessionNumber, session_of};
use super::message::{Arrival, CameAs};

/// Conversations at once.
const MOST: usize = 8;
/// Marks that are kept of one.
const MOST_MARKS: usize = 256;

/// The conversations that are on.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<Vec<MarkSession>>,
}

#[derive(Debug)]
struct MarkSession {
    key: MarkKey,
    /// Where the other machine was seen.
    seen: HashSet<IpAddr>,
    marks: Vec<Arrival>,
    /// The connections to ports of services that were there before it.
    before: KnownConnections,
}

/// Connections by the port of this machine and where they come from.
pub(crate) type KnownConnections = HashSet<(u16, SocketAddr)>;

impl Sessions {
    /// Takes marks of a conversation from now on, until [`Self::close`]; `false`: there are too many.
    pub(crate) fn open(&self, key: &MarkKey, seen: IpAddr, before: KnownConnections) -> bool {
        let mut open = self.lock();
        let has_room = open.len() < MOST;
        if has_room {
            let seen = HashSet::from([seen.to_canonical()]);
            open.push(MarkSession { key: key.clone(), seen, marks: Vec::new(), before });
        }
        has_room
    }

    /// Ends a conversation: its marks are strangers from now on.
    pub(crate) fn close(&self, session: SessionNumber) {
        self.lock().retain(|one| one.key.session() != session);
    }

    /// The answer to a mark that came to a door; `None`: it is of no conversation here.
    ///
    /// A mark that comes again is answered again, and counts once.
    pub(crate) fn marked(
        &self,
        bytes: &[u8],
        seen: MarkSeen,
        transport: Transport,
        port: u16,
    ) -> Option<Vec<u8>> {
        let claimed = session_of(bytes)?;
        let mut open = self.lock();
        let session = open.iter_mut().find(|one| one.key.session() == claimed)?;
        let number = session.key.asked(bytes)?;
        let from = SocketAddr::new(seen.from.ip().to_canonical(), seen.from.port());
        let seen = MarkSeen { from, ..seen };
        let is_known = session.marks.iter().any(|mark| mark.what == CameAs::Mark(number));
        if !is_known && session.marks.len() < MOST_MARKS {
            let (what, segment) = (CameAs::Mark(number), seen.segment);
            session.marks.push(Arrival { transport, port, from, what, segment });
            session.seen.insert(from.ip());
        }
        Some(session.key.answer(number, seen))
    }

    /// The marks of a conversation that have come, the addresses its other machine was seen at, and the
    /// connections that were there before it.
    pub(crate) fn came(
        &self,
        session: SessionNumber,
    ) -> (Vec<Arrival>, HashSet<IpAddr>, KnownConnections) {
        let open = self.lock();
        let session = open.iter().find(|one| one.key.session() == session);
        let told = |one: &MarkSession| (one.marks.clone(), one.seen.clone(), one.before.clone());
        session.map(told).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<MarkSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: u8) -> MarkKey {
        MarkKey::of(&[1; 32], &[session; 32])
    }

    #[test]
    fn a_mark_counts_once_and_only_while_its_conversation_is_on() {
        let sessions = Sessions::default();
        let (key, from): (_, SocketAddr) = (key(5), "198.51.100.7:40112".parse().unwrap());
        let mark = key.question([3; 16]);
        let seen = MarkSeen { from, segment: 0 };
        let marked = |sessions: &Sessions| sessions.marked(&mark, seen, Transport::Udp, 162);
        assert_eq!(marked(&sessions), None);
        assert!(sessions.open(&key, from.ip(), HashSet::new()));
        for _ in 0..3 {
            let answer = marked(&sessions).unwrap();
            assert_eq!(key.answered([3; 16], &answer), Some(seen));
        }
        assert_eq!(sessions.came(key.session()).0.len(), 1);
        sessions.close(key.session());
        assert_eq!(marked(&sessions), None);
    }

    #[test]
    fn there_is_an_end_to_conversations_and_to_marks() {
        let sessions = Sessions::default();
        let from: SocketAddr = "10.0.0.7:1".parse().unwrap();
        for number in 0..20 {
            assert_eq!(
                sessions.open(&key(number), from.ip(), HashSet::new()),
                usize::from(number) < MOST
            );
        }
        for number in 0..1000_u128 {
            let mark = key(0).question(number.to_be_bytes());
            let seen = MarkSeen { from, segment: 1012 };
            assert!(sessions.marked(&mark, seen, Transport::Tcp, 5669).is_some());
        }
        assert_eq!(sessions.came(key(0).session()).0.len(), MOST_MARKS);
    }
}
