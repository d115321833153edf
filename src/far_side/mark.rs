//! Marks: packets of ours that the far side knows again, wherever they come from.
//!
//! A mark has a number that is used once and a keyed hash over it; so has its answer, which says where the mark
//! came from as it is seen there. Nobody on the way can make either. An answer is shorter than its question.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

/// The first bytes of a mark.
pub(crate) const MARK: &[u8; 16] = b"preflight mark1\n";
/// The first bytes of its answer.
const SEEN: &[u8; 16] = b"preflight seen1\n";
/// The length of a mark.
pub(crate) const LENGTH: usize = 96;
/// The length of an answer.
pub(crate) const ANSWER_LENGTH: usize = 84;
const HASH: usize = 32;
const SESSION: usize = 8;

/// The number of a mark.
pub(crate) type MarkNumber = [u8; 16];
/// Which conversation a mark is of.
pub(crate) type SessionNumber = [u8; SESSION];

/// What the far side saw of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MarkSeen {
    /// Where it came from.
    pub(crate) from: SocketAddr,
    /// The segment size that its connection offered, bytes; 0: it had none, or none is known.
    pub(crate) segment: u16,
}

/// The segment size that the connection of a mark offers: odd, and smaller than any path makes it.
pub(crate) fn segment_of(number: MarkNumber) -> u16 {
    let [odd, ..] = number;
    SMALLEST_SEGMENT + u16::from(odd)
}

/// Is that the size, as the kernel has it, which a connection with `number` offers? Options take up to twelve bytes of it.
pub(super) fn has_segment_of(number: MarkNumber, seen: u16) -> bool {
    let offered = segment_of(number);
    [offered, offered - TIME_STAMPS].contains(&seen)
}

/// May a connection of that segment size be a mark? Hardly any other is.
pub(crate) fn is_marking(segment: u16) -> bool {
    (SMALLEST_SEGMENT - TIME_STAMPS..=SMALLEST_SEGMENT + u16::from(u8::MAX)).contains(&segment)
}

/// Bytes that the option of that name takes from each segment.
const TIME_STAMPS: u16 = 12;
/// Some 200 less than what the narrowest tunnels carry, and more than a SYN cookie makes of it (536).
const SMALLEST_SEGMENT: u16 = 900;

/// What the marks of one conversation are made with.
#[derive(Clone, Debug)]
pub(crate) struct MarkKey {
    key: Key,
    session: SessionNumber,
}

impl MarkKey {
    /// Made of two secrets that both sides have; of the second a part is told.
    pub(super) fn of(secret: &[u8; 32], session: &[u8; 32]) -> Self {
        let session = session.first_chunk().copied().unwrap_or_default();
        Self { key: Key::new(HMAC_SHA256, secret), session }
    }

    /// Which conversation it is of.
    pub(crate) fn session(&self) -> SessionNumber {
        self.session
    }

    /// A mark.
    pub(crate) fn question(&self, number: MarkNumber) -> [u8; LENGTH] {
        let hash = sign(&self.key, &self.hashed(b"question", &[&number]));
        let parts = [MARK.as_slice(), &self.session, &number, hash.as_ref()];
        let mut bytes = [0; LENGTH];
        for (slot, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *slot = *byte;
        }
        bytes
    }

    /// The number of a mark of this conversation; `None`: it is none.
    pub(crate) fn asked(&self, bytes: &[u8]) -> Option<MarkNumber> {
        let rest = bytes.strip_prefix(MARK)?.strip_prefix(&self.session)?;
        let (number, rest) = rest.split_first_chunk()?;
        let hash: &[u8; HASH] = rest.first_chunk()?;
        verify(&self.key, &self.hashed(b"question", &[number]), hash).is_ok().then_some(*number)
    }

    /// The answer to a mark, with what was seen of it.
    pub(crate) fn answer(&self, number: MarkNumber, seen: MarkSeen) -> Vec<u8> {
        let ((address, port), segment) = (told(seen.from), seen.segment.to_be_bytes());
        let hash = sign(&self.key, &self.hashed(b"answer", &[&number, &address, &port, &segment]));
        [SEEN.as_slice(), &number, &address, &port, &segment, hash.as_ref()].concat()
    }

    /// The mark `number` as the far side saw it; `None`: it is no answer to that.
    pub(crate) fn answered(&self, number: MarkNumber, bytes: &[u8]) -> Option<MarkSeen> {
        let rest = bytes.strip_prefix(SEEN)?.strip_prefix(&number)?;
        let (address, rest) = rest.split_first_chunk::<16>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let (segment, rest) = rest.split_first_chunk::<2>()?;
        let hash: &[u8; HASH] = rest.first_chunk()?;
        let address_seen = IpAddr::V6(Ipv6Addr::from(*address)).to_canonical();
        verify(&self.key, &self.hashed(b"answer", &[&number, address, port, segment]), hash)
            .is_ok()
            .then(|| MarkSeen {
                from: SocketAddr::new(address_seen, u16::from_be_bytes(*port)),
                segment: u16::from_be_bytes(*segment),
            })
    }

    /// What the keyed hash is of. Each part has one length, so no two lists of parts read the same.
    fn hashed(&self, purpose: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        [&[purpose, &self.session], parts].concat().concat()
    }
}

/// Which conversation bytes claim to be a mark of; `None`: they are none.
pub(crate) fn session_of(bytes: &[u8]) -> Option<SessionNumber> {
    bytes.strip_prefix(MARK)?.first_chunk().copied()
}

fn told(from: SocketAddr) -> ([u8; 16], [u8; 2]) {
    let address = match from.ip() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    (address.octets(), from.port().to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: u8) -> MarkKey {
        MarkKey::of(&[secret; 32], &[9; 32])
    }

    #[test]
    fn a_mark_and_its_answer_are_read_by_the_other_side() {
        let number = [3; 16];
        let question = key(1).question(number);
        assert_eq!(session_of(&question), Some([9; 8]));
        assert_eq!(key(1).asked(&question), Some(number));
        for from in ["198.51.100.7:40112", "[2001:db8::7]:5"] {
            let seen = MarkSeen { from: from.parse().unwrap(), segment: 1012 };
            let answer = key(1).answer(number, seen);
            assert_eq!(answer.len(), ANSWER_LENGTH);
            assert!(answer.len() <= question.len());
            assert_eq!(key(1).answered(number, &answer), Some(seen));
            assert_eq!(key(1).answered([4; 16], &answer), None);
        }
    }

    #[test]
    fn nobody_without_the_key_makes_one_and_no_byte_can_be_changed() {
        let number = [3; 16];
        let question = key(1).question(number);
        assert_eq!(key(2).asked(&question), None);
        let seen = MarkSeen { from: "10.0.0.5:7".parse().unwrap(), segment: 0 };
        let answer = key(1).answer(number, seen);
        for at in 0..answer.len() {
            let mut changed = answer.clone();
            changed[at] ^= 1;
            assert_eq!(key(1).answered(number, &changed), None, "byte {at}");
            assert_eq!(key(1).answered(number, &answer[..at]), None, "{at} bytes");
        }
        // A question does not come back as its own answer.
        assert_eq!(key(1).answered(number, &question), None);
        for length in 0..56 {
            assert_eq!(key(1).asked(&question[..length]), None, "{length} bytes");
        }
    }
}
