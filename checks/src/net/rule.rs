//! Rule: which entry of this host's policy routing (`ip rule`) holds a packet back?
//!
//! A rule may forbid what a route allows: by address, protocol, port or user. The kernel then gives the
//! error of a missing route, though there is one. Its rules may be read by everybody; nothing is sent.
//!
//! Reference: `ip-rule(8)`, `linux/fib_rules.h`.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use nix::unistd::geteuid;

use super::netlink::{HEADER, attributes, dump};
use super::route::address;
use crate::cause::{LocalRoute, Transport};

/// A packet for which the kernel said that there is no route.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldPacket {
    /// Whom it is for.
    pub(super) to: SocketAddr,
    /// The address of ours that it was to leave from, where one was asked for.
    pub(super) from: Option<IpAddr>,
    /// Over TCP, UDP or ICMP.
    pub(super) over: Transport,
    /// Who sends it.
    pub(super) user: u32,
}

/// The first rule that holds packets to `to` back with what the kernel `said`, as `ip rule` writes it.
pub(super) fn holding_back(
    to: SocketAddr,
    from: Option<IpAddr>,
    over: Transport,
    said: LocalRoute,
) -> Option<String> {
    let packet = HeldPacket { to, from, over, user: geteuid().as_raw() };
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut body = [0; HEADERS - HEADER];
    body[0] = u8::try_from(family).unwrap_or_default();
    // They come in the order in which the kernel goes through them.
    let rules = dump(libc::RTM_GETRULE, &body, libc::RTM_NEWRULE, RoutingRule::read)?;
    let says = |rule: &RoutingRule| rule.word().is_some_and(|(_, route)| route == said);
    rules.into_iter().find(|rule| says(rule) && rule.is_for(packet)).map(|rule| rule.text())
}

/// One rule, of those kinds that this program can follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct RoutingRule {
    is_v6: bool,
    priority: u32,
    /// Networks, as far as they are told.
    from: Option<(IpAddr, u8)>,
    to: Option<(IpAddr, u8)>,
    users: Option<(u32, u32)>,
    protocol: Option<u8>,
    ports: Option<(u16, u16)>,
    action: u8,
}

impl RoutingRule {
    /// `None` also for a rule with a condition that cannot be checked from here: a mark, an interface.
    fn read(message: &[u8]) -> Option<Self> {
        let [family, to_length, from_length, service, _, _, _, action] =
            *message.get(HEADER..)?.first_chunk()?;
        let flags = u32::from_ne_bytes(*message.get(HEADER + 8..)?.first_chunk()?);
        if service != 0 || flags & INVERTED != 0 {
            return None;
        }
        let is_v4 = i32::from(family) == libc::AF_INET;
        let mut rule = Self { is_v6: !is_v4, action, ..Self::default() };
        for (kind, value) in attributes(message.get(HEADERS..)?) {
            match kind {
                FRA_DST => rule.to = Some((address(is_v4, value)?, to_length)),
                FRA_SRC => rule.from = Some((address(is_v4, value)?, from_length)),
                FRA_PRIORITY => rule.priority = u32::from_ne_bytes(*value.first_chunk()?),
                FRA_UID_RANGE => {
                    let first = u32::from_ne_bytes(*value.first_chunk()?);
                    let last = u32::from_ne_bytes(*value.get(4..)?.first_chunk()?);
                    rule.users = Some((first, last));
                }
                FRA_IP_PROTO => rule.protocol = value.first().copied(),
                FRA_DPORT_RANGE => {
                    let first = u16::from_ne_bytes(*value.first_chunk()?);
                    let last = u16::from_ne_bytes(*value.get(2..)?.first_chunk()?);
                    rule.ports = Some((first, last));
                }
                // Every bit of a port counts, or the rule is one that this cannot follow.
                FRA_DPORT_MASK if value.iter().all(|byte| [0, u8::MAX].contains(byte)) => {}
                // What goes out by this host itself "comes in" by its loopback interface.
                FRA_IIFNAME if value == b"lo\0" => {}
                // Of no matter to a rule that looks into no table.
                FRA_TABLE
                | FRA_PROTOCOL
                | FRA_SUPPRESS_IFGROUP
                | FRA_SUPPRESS_PREFIXLEN
                | FRA_PAD => {}
                _ => return None,
            }
        }
        Some(rule)
    }

    /// The action as `ip rule` calls it, and as what it looks.
    fn word(&self) -> Option<(&'static str, LocalRoute)> {
        match self.action {
            FR_ACT_BLACKHOLE => Some(("blackhole", LocalRoute::Blackhole)),
            // The kernel has the error of a missing route for it.
            FR_ACT_UNREACHABLE => Some(("unreachable", LocalRoute::Missing)),
            FR_ACT_PROHIBIT => Some(("prohibit", LocalRoute::Prohibit)),
            _ => None,
        }
    }

    fn is_for(&self, packet: HeldPacket) -> bool {
        let number = match packet.over {
            Transport::Tcp => libc::IPPROTO_TCP,
            Transport::Udp => libc::IPPROTO_UDP,
            Transport::Icmp if self.is_v6 => libc::IPPROTO_ICMPV6,
            Transport::Icmp => libc::IPPROTO_ICMP,
        };
        let port = packet.to.port();
        self.to.is_none_or(|network| holds(network, packet.to.ip()))
            && self.from.is_none_or(|network| packet.from.is_none_or(|from| holds(network, from)))
            && self.users.is_none_or(|(first, last)| (first..=last).contains(&packet.user))
            && self.protocol.is_none_or(|protocol| i32::from(protocol) == number)
            && self.ports.is_none_or(|(first, last)| {
                packet.over.has_ports() && (first..=last).contains(&port)
            })
    }

    /// As `ip rule` writes it.
    fn text(&self) -> String {
        let network = |(address, length): (IpAddr, u8)| {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            if length == whole { address.to_string() } else { format!("{address}/{length}") }
        };
        let mut text = format!("{}: from ", self.priority);
        text += &self.from.map_or_else(|| "all".to_owned(), network);
        if let Some(to) = self.to {
            let _never_fails = write!(text, " to {}", network(to));
        }
        if let Some((first, last)) = self.users {
            let _never_fails = write!(text, " uidrange {first}-{last}");
        }
        if let Some(protocol) = self.protocol {
            let number = protocol.to_string();
            let name = match i32::from(protocol) {
                libc::IPPROTO_TCP => "tcp",
                libc::IPPROTO_UDP => "udp",
                libc::IPPROTO_ICMP => "icmp",
                _ => &number,
            };
            let _never_fails = write!(text, " ipproto {name}");
        }
        if let Some((first, last)) = self.ports {
            let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
            let _never_fails = write!(text, " dport {ports}");
        }
        text + " " + self.word().map_or("", |(word, _)| word)
    }
}

/// Is the address one of the network's?
fn holds((network, length): (IpAddr, u8), address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((network, width), (address, other)) = (bits(network), bits(address));
    let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
    width == other && network & mask == address & mask
}

/// Bytes of `nlmsghdr` and `fib_rule_hdr`.
const HEADERS: usize = HEADER + 12;
/// `FIB_RULE_INVERT`
const INVERTED: u32 = 2;
const FR_ACT_BLACKHOLE: u8 = 6;
const FR_ACT_UNREACHABLE: u8 = 7;
const FR_ACT_PROHIBIT: u8 = 8;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PAD: u16 = 18;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_DPORT_RANGE: u16 = 24;
const FRA_DPORT_MASK: u16 = 29;

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule of the kernel's, with those attributes.
    fn message(action: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS];
        bytes[HEADER..HEADER + 3].copy_from_slice(&[2, 24, 32]);
        bytes[HEADER + 7] = action;
        for (kind, value) in attributes {
            bytes.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn packet(to: &str, over: Transport, user: u32) -> HeldPacket {
        HeldPacket { to: to.parse().unwrap(), from: None, over, user }
    }

    #[test]
    fn a_rule_is_written_as_ip_rule_writes_it_and_is_for_its_packets_alone() {
        let ports = [22_u16.to_ne_bytes(), 25_u16.to_ne_bytes()].concat();
        let users = [0_u32.to_ne_bytes(), 999_u32.to_ne_bytes()].concat();
        let bytes = message(
            FR_ACT_PROHIBIT,
            &[
                (FRA_PRIORITY, &100_u32.to_ne_bytes()),
                (FRA_DST, &[10, 0, 0, 0]),
                (FRA_UID_RANGE, &users),
                (FRA_IP_PROTO, &[6]),
                (FRA_DPORT_RANGE, &ports),
                (FRA_DPORT_MASK, &[0, 0]),
                (FRA_TABLE, &0_u32.to_ne_bytes()),
            ],
        );
        let rule = RoutingRule::read(&bytes).unwrap();
        let text = "100: from all to 10.0.0.0/24 uidrange 0-999 ipproto tcp dport 22-25 prohibit";
        assert_eq!(rule.text(), text);
        assert_eq!(rule.word(), Some(("prohibit", LocalRoute::Prohibit)));
        for (to, over, user, is_held) in [
            ("10.0.0.3:22", Transport::Tcp, 7, true),
            ("10.0.0.3:22", Transport::Udp, 7, false),
            ("10.0.0.3:26", Transport::Tcp, 7, false),
            ("10.0.1.3:22", Transport::Tcp, 7, false),
            ("10.0.0.3:22", Transport::Tcp, 1000, false),
        ] {
            assert_eq!(rule.is_for(packet(to, over, user)), is_held, "{to} {over} {user}");
        }
        for length in 0..bytes.len() {
            let _no_panic = RoutingRule::read(&bytes[..length]);
        }
    }

    #[test]
    fn a_rule_with_a_condition_that_cannot_be_checked_proves_nothing() {
        const FRA_FWMARK: u16 = 10;
        let marked = message(FR_ACT_PROHIBIT, &[(FRA_FWMARK, &1_u32.to_ne_bytes())]);
        assert_eq!(RoutingRule::read(&marked), None);
        let mut inverted = message(FR_ACT_PROHIBIT, &[]);
        inverted[HEADER + 8..HEADER + 12].copy_from_slice(&INVERTED.to_ne_bytes());
        assert_eq!(RoutingRule::read(&inverted), None);
    }

    #[test]
    fn only_addresses_of_the_network_are_held() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (network, length, address, is_in) in [
            ("10.0.0.0", 8, "10.9.9.9", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("0.0.0.0", 0, "192.0.2.1", true),
            ("fd00::", 64, "fd00::3", true),
            ("fd00::", 64, "fd00:0:0:1::3", false),
            ("::", 0, "192.0.2.1", false),
        ] {
            assert_eq!(holds((ip(network), length), ip(address)), is_in, "{network} {address}");
        }
    }
}
