//! Another address for each address, so that neighbours stay neighbours.
//!
//! Bit by bit, each flipped or not by a keyed hash of the bits before it: two addresses whose
//! first n bits are alike still have that in common, and nothing else. What says of which kind an
//! address is (private, link-local, unique-local) stays.
//!
//! Reference: Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization" (ICNP 2002).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::key::RedactionKey;

/// The address that stands for this one. Loopback, "any" and multicast stand for themselves.
pub(super) fn stand_in(key: &RedactionKey, address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4_stand_in(key, v4).into(),
        IpAddr::V6(v6) => v6_stand_in(key, v6).into(),
    }
}

/// The network of that length that an address is in.
pub(super) fn network(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

fn v4_stand_in(key: &RedactionKey, address: Ipv4Addr) -> Ipv4Addr {
    if stays(address) {
        return address;
    }
    let bits = u128::from(address.to_bits()) << 96;
    let kept = kind(address);
    let mut flipped = flip(key, "v4", bits, kept.unwrap_or(0), 32);
    // A public address gets a public one. What is left out has 16 bits or less to tell it, so
    // all of a /16 go on together, and each goes on to a place of its own.
    while kept.is_none() && is_special(v4(flipped)) {
        flipped = flip(key, "v4", flipped, 0, 32);
    }
    v4(flipped)
}

fn v4(bits: u128) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap_or_default())
}

fn is_special(address: Ipv4Addr) -> bool {
    stays(address) || kind(address).is_some()
}

/// Addresses that tell nobody anything, or that belong to nobody.
fn stays(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    address.is_loopback() || first == 0 || first >= 224
}

/// How many bits say of which kind an address is, unless it is public.
fn kind(address: Ipv4Addr) -> Option<u32> {
    match address.octets() {
        [10, ..] => Some(8),
        [172, second, ..] if second & 0xf0 == 16 => Some(12),
        [100, second, ..] if second & 0xc0 == 64 => Some(10),
        [192, 168, ..] | [169, 254, ..] => Some(16),
        _ => None,
    }
}

fn v6_stand_in(key: &RedactionKey, address: Ipv6Addr) -> Ipv6Addr {
    if let Some(v4) = address.to_ipv4_mapped() {
        return v4_stand_in(key, v4).to_ipv6_mapped();
    }
    let bits = address.to_bits();
    let kept = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return address,
        [first, ..] if first >> 8 == 0xff => return address,
        // An IPv4 address behind a translator.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let v4 = v4_stand_in(key, Ipv4Addr::from_bits(low(bits)));
            return Ipv6Addr::from_bits((bits >> 32 << 32) | u128::from(v4.to_bits()));
        }
        [first, ..] if first & 0xffc0 == 0xfe80 => 64,
        [first, ..] if first & 0xfe00 == 0xfc00 => 8,
        // Global unicast, 2000::/3.
        _ => 3,
    };
    Ipv6Addr::from_bits(flip(key, "v6", bits, kept, 128))
}

fn low(bits: u128) -> u32 {
    u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default()
}

/// The bits of an address, left-aligned: all but the first `kept` are flipped or not, each by
/// the key and the bits before it.
fn flip(key: &RedactionKey, family: &str, bits: u128, kept: u32, length: u32) -> u128 {
    (kept..length).fold(bits, |flipped, position| {
        let before = u128::MAX.checked_shl(128 - position).unwrap_or(0) & bits;
        let [flips, ..] = key.hash(family, &[&before.to_be_bytes(), &position.to_be_bytes()]);
        flipped ^ (u128::from(flips & 1) << (127 - position))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> RedactionKey {
        RedactionKey::from([7; 32])
    }

    /// How many leading bits two addresses have in common.
    fn common(one: IpAddr, other: IpAddr) -> u32 {
        match (one, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => panic!("two families"),
        }
    }

    /// Private addresses, whose neighbours are of the same kind.
    fn private() -> impl Strategy<Value = IpAddr> {
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits((10 << 24) | (bits >> 8)).into())
    }

    fn global() -> impl Strategy<Value = IpAddr> {
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits((1 << 125) | (bits >> 3)).into())
    }

    fn public() -> impl Strategy<Value = Ipv4Addr> {
        any::<u32>().prop_map(Ipv4Addr::from_bits).prop_filter("public", |v4| !is_special(*v4))
    }

    proptest! {
        #[test]
        fn what_two_have_in_common_they_keep(one in private(), other in private()) {
            let key = key();
            prop_assert_eq!(common(one, other), common(stand_in(&key, one), stand_in(&key, other)));
        }

        #[test]
        fn in_ipv6_too(one in global(), other in global()) {
            let key = key();
            prop_assert_eq!(common(one, other), common(stand_in(&key, one), stand_in(&key, other)));
        }

        #[test]
        fn hosts_of_a_public_network_stay_in_one(one in public(), host: u8) {
            let key = key();
            let other = Ipv4Addr::from_bits(one.to_bits() & !0xff | u32::from(host));
            let (one, other) = (v4_stand_in(&key, one), v4_stand_in(&key, other));
            prop_assert_eq!(one.to_bits() >> 8, other.to_bits() >> 8);
            prop_assert!(!is_special(one) && !is_special(other));
        }
    }

    #[test]
    fn every_host_of_a_network_gets_one_of_its_own() {
        let key = key();
        for net in [[10, 2, 0], [198, 51, 100], [8, 8, 8]] {
            let [a, b, c] = net;
            let stand_ins: std::collections::BTreeSet<IpAddr> =
                (0..=255).map(|d| stand_in(&key, [a, b, c, d].into())).collect();
            assert_eq!(stand_ins.len(), 256);
        }
    }

    #[test]
    fn kinds_stay_and_what_tells_nothing_stays_itself() {
        let key = key();
        for (address, begins) in [
            ("10.2.0.7", "10."),
            ("192.168.1.1", "192.168."),
            ("169.254.1.1", "169.254."),
            ("fe80::1:2", "fe80::"),
            ("fd00:2::7", "fd"),
            ("::ffff:10.2.0.7", "::ffff:10."),
        ] {
            let stand_in = stand_in(&key, address.parse().unwrap()).to_string();
            assert!(stand_in.starts_with(begins) && stand_in != address, "{address} {stand_in}");
        }
        for address in
            ["127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "::1", "ff02::1"]
        {
            assert_eq!(stand_in(&key, address.parse().unwrap()).to_string(), address);
        }
    }

    #[test]
    fn another_key_gives_another_address() {
        let address = [10, 2, 0, 7].into();
        assert_ne!(stand_in(&key(), address), stand_in(&RedactionKey::from([8; 32]), address));
    }

    #[test]
    fn a_network_has_no_host_bits() {
        assert_eq!(network([10, 2, 3, 4].into(), 24).to_string(), "10.2.3.0");
        assert_eq!(network([10, 2, 3, 4].into(), 0).to_string(), "0.0.0.0");
        assert_eq!(network([10, 2, 3, 4].into(), 32).to_string(), "10.2.3.4");
        assert_eq!(network("fd00:1:2::3".parse().unwrap(), 32).to_string(), "fd00:1::");
    }
}
