//! What a rule asks of a packet, and whether it holds.

use std::net::IpAddr;

/// Does a test hold for a packet?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    /// It depends on what is not known: said for a reader.
    Untold(String),
}

impl Holds {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            untold @ Self::Untold(_) => untold,
        }
    }

    /// Both have to hold.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (untold @ Self::Untold(_), _) | (_, untold @ Self::Untold(_)) => untold,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// One of the two suffices.
    pub(super) fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// A field of a packet, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PacketField {
    /// The packet has no such field: no rule that asks for it matches.
    Absent,
    /// Not known, or not understood: what, for a reader.
    Untold(String),
    Address(IpAddr),
    Number(u64),
    /// A port that the other side's kernel chooses.
    Ephemeral,
    Word(String),
    /// Flags that are set.
    Flags(Vec<String>),
    /// Whether there is one at all.
    Exists,
    Several(Vec<PacketField>),
}

/// Ports that a kernel gives to who asks for none: Linux takes them from 32768 on, others from 1024 on.
const EPHEMERAL: (u64, u64) = (1024, 65535);

/// Is a chosen port within the range? Only where all or none of them are is that known.
pub(super) fn ephemeral_within(low: u64, high: u64) -> Holds {
    let (first, last) = EPHEMERAL;
    if low <= first && high >= last {
        Holds::Yes
    } else if high < first || low > last {
        Holds::No
    } else {
        Holds::Untold("the port that the other side connects from".to_owned())
    }
}

/// Is the address in the network?
pub(super) fn is_in(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        _ => false,
    }
}

/// A number as rules write it: `0x10` or `16`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Does a pattern with `end` for "and whatever follows" fit the name?
pub(super) fn names(pattern: &str, end: char, name: &str) -> bool {
    match pattern.strip_suffix(end) {
        Some(head) => name.starts_with(head),
        None => pattern == name,
    }
}
