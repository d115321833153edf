//! Link: which of this host's interfaces are tunnels, and which of those are up?
//!
//! Asked of the kernel over netlink, which needs no privilege and sends nothing.
//!
//! Reference: `rtnetlink(7)`, `RTM_GETLINK`; `linux/if_link.h` for `IFLA_LINKINFO`,
//! `linux/if_arp.h` for what kind of hardware an interface says it is.

use std::net::{IpAddr, Ipv6Addr};

use super::netlink::{HEADER, attributes, dump};

/// An interface of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // As many flags of the kernel's.
pub(crate) struct Link {
    /// Its name: `tun0`.
    pub(crate) name: String,
    /// Has somebody switched it on?
    pub(crate) is_on: bool,
    /// Does it lead to this host itself?
    pub(crate) is_loopback: bool,
    /// Can it carry packets now? A tunnel whose program has ended cannot.
    pub(crate) is_up: bool,
    /// Does it lead into a tunnel?
    pub(crate) tunnel: Tunnel,
    /// Is it a port of a bridge? Then no route leads out by it.
    pub(crate) is_enslaved: bool,
}

/// Does an interface lead into a tunnel?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tunnel {
    /// It is a network of its own.
    No,
    /// It may be: PPP is a VPN's, a DSL line's and a modem's.
    Perhaps,
    /// It is made for nothing else.
    Yes,
}

/// All interfaces; `None` when the kernel does not tell.
pub(crate) fn links() -> Option<Vec<Link>> {
    // An `ifinfomsg` that asks for no interface in particular.
    dump(libc::RTM_GETLINK, &[0; HEADERS - HEADER], libc::RTM_NEWLINK, link)
}

fn link(message: &[u8]) -> Option<Link> {
    let hardware = u16::from_ne_bytes(*message.get(HEADER + 2..)?.first_chunk()?);
    let flags = u32::from_ne_bytes(*message.get(HEADER + 8..)?.first_chunk()?);
    let (mut name, mut kind, mut is_enslaved) = (None, String::new(), false);
    for (attribute, value) in attributes(message.get(HEADERS..)?) {
        match attribute {
            IFLA_IFNAME => name = Some(text(value)),
            IFLA_MASTER => is_enslaved = true,
            IFLA_LINKINFO => {
                let kinds = attributes(value).filter(|(kind, _)| *kind == IFLA_INFO_KIND);
                kind = kinds.map(|(_, value)| text(value)).next().unwrap_or_default();
            }
            _ => {}
        }
    }
    let has = |flag: libc::c_int| u32::try_from(flag).is_ok_and(|flag| flags & flag != 0);
    Some(Link {
        name: name?,
        is_on: has(libc::IFF_UP),
        is_loopback: has(libc::IFF_LOOPBACK),
        // Of a link that has just come up the kernel says "running" up to a second after its carrier is there.
        is_up: has(libc::IFF_UP) && (has(libc::IFF_RUNNING) || has(libc::IFF_LOWER_UP)),
        tunnel: tunnel(&kind, hardware),
        is_enslaved,
    })
}

/// What an interface of that kind and hardware is; the kind is empty where a driver has none.
fn tunnel(kind: &str, hardware: u16) -> Tunnel {
    let is_tunnel = TUNNEL_KINDS.contains(&kind) || kind.starts_with("ovpn");
    match hardware {
        _ if is_tunnel => Tunnel::Yes,
        libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE
        | ARPHRD_IP6GRE => Tunnel::Yes,
        libc::ARPHRD_PPP | libc::ARPHRD_NONE => Tunnel::Perhaps,
        _ => Tunnel::No,
    }
}

/// A text of the kernel's, which ends with a zero byte.
fn text(value: &[u8]) -> String {
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    crate::wire::printable(&String::from_utf8_lossy(value))
}

/// An IPv6 address of this host, beside those of a link, that another host of its segment had already.
pub(super) fn taken_by_another() -> Option<IpAddr> {
    let mut body = [0; ADDRESS_HEADERS - HEADER];
    body[0] = u8::try_from(libc::AF_INET6).unwrap_or_default();
    let taken = dump(libc::RTM_GETADDR, &body, libc::RTM_NEWADDR, |message| {
        let [_, _, flags, _] = *message.get(HEADER..)?.first_chunk()?;
        if u32::from(flags) & libc::IFA_F_DADFAILED == 0 {
            return None;
        }
        let mut told = attributes(message.get(ADDRESS_HEADERS..)?);
        let (_, octets) = told.find(|(kind, _)| *kind == libc::IFA_ADDRESS)?;
        let address = Ipv6Addr::from(*octets.first_chunk::<16>()?);
        (!address.is_unicast_link_local()).then_some(IpAddr::V6(address))
    })?;
    taken.first().copied()
}

/// As `ip -details link` names them; the clients of most SSL VPNs make one of kind `tun`.
const TUNNEL_KINDS: [&str; 13] = [
    "tun",
    "wireguard",
    "amneziawg",
    "xfrm",
    "vti",
    "vti6",
    "ipip",
    "ip6tnl",
    "sit",
    "gre",
    "ip6gre",
    "gretap",
    "ip6gretap",
];

/// Those that the kernel makes itself when it loads a kind of tunnel: always there, never in use.
pub(crate) const FALLBACKS: [&str; 10] = [
    "tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0",
    "teql0",
];

const ARPHRD_IP6GRE: u16 = 823;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
/// Bytes of `nlmsghdr` and `ifinfomsg`.
const HEADERS: usize = HEADER + 16;
/// Bytes of `nlmsghdr` and `ifaddrmsg`.
const ADDRESS_HEADERS: usize = HEADER + 8;

#[cfg(test)]
mod tests {
    use super::super::netlink::take;
    use super::*;

    fn message(name: &str, kind: &str, hardware: u16, flags: libc::c_int) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS];
        bytes[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
        bytes[HEADER + 2..HEADER + 4].copy_from_slice(&hardware.to_ne_bytes());
        bytes[HEADER + 8..HEADER + 12].copy_from_slice(&flags.to_ne_bytes());
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        bytes.extend(attribute(99, b"odd"));
        bytes.extend(attribute(IFLA_IFNAME, format!("{name}\0").as_bytes()));
        bytes.extend(attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, kind.as_bytes())));
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn interfaces_are_read_whatever_else_is_said_of_them() {
        let up = libc::IFF_UP | libc::IFF_RUNNING;
        let part = [
            message("eth0", "", libc::ARPHRD_ETHER, up),
            message("tun0", "tun", libc::ARPHRD_NONE, libc::IFF_UP),
            message("eth1", "", libc::ARPHRD_ETHER, libc::IFF_UP | libc::IFF_LOWER_UP),
        ]
        .concat();
        let mut links = Vec::new();
        assert!(!take(&part, libc::RTM_NEWLINK, link, &mut links));
        let eth0 = Link {
            name: "eth0".to_owned(),
            is_on: true,
            is_loopback: false,
            is_up: true,
            tunnel: Tunnel::No,
            is_enslaved: false,
        };
        let tun0 =
            Link { name: "tun0".to_owned(), is_up: false, tunnel: Tunnel::Yes, ..eth0.clone() };
        let eth1 = Link { name: "eth1".to_owned(), ..eth0.clone() };
        assert_eq!(links, [eth0, tun0, eth1]);
        for length in 0..part.len() {
            let _no_panic = take(&part[..length], libc::RTM_NEWLINK, link, &mut links);
        }
    }

    #[test]
    fn what_is_a_tunnel_is_told_by_its_kind_or_its_hardware() {
        for (kind, hardware, is) in [
            ("wireguard", libc::ARPHRD_NONE, Tunnel::Yes),
            // OpenVPN with `dev tap` looks like a network card.
            ("tun", libc::ARPHRD_ETHER, Tunnel::Yes),
            ("ovpn-dco", libc::ARPHRD_NONE, Tunnel::Yes),
            ("", libc::ARPHRD_TUNNEL, Tunnel::Yes),
            ("ppp", libc::ARPHRD_PPP, Tunnel::Perhaps),
            ("", libc::ARPHRD_NONE, Tunnel::Perhaps),
            ("veth", libc::ARPHRD_ETHER, Tunnel::No),
            ("bridge", libc::ARPHRD_ETHER, Tunnel::No),
            ("", libc::ARPHRD_LOOPBACK, Tunnel::No),
        ] {
            assert_eq!(tunnel(kind, hardware), is, "{kind}, {hardware}");
        }
    }

    #[test]
    fn the_kernels_own_interfaces_are_read_to_their_end() {
        let links = links().unwrap();
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!((lo.tunnel, lo.is_loopback), (Tunnel::No, true));
    }
}
