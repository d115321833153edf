//! VPN: where one should carry a flow, do its packets leave by a tunnel?
//!
//! Read from this host's routes and interfaces; nothing is sent. That a packet leaves by a tunnel
//! shows whose matter a failure is, not that the tunnel leads to the peer.
//!
//! `IPsec` by policy has no interface, and only root may read the policies (`ip xfrm policy`). Whoever
//! makes its keys listens on UDP 4500; where somebody does, no tunnel to be seen proves nothing.

use crate::cause::{
    Cause, Concern, Layer, Owner, PathCause, Plea, RouteCause, RouteEntry, TunnelLink,
};
use crate::net::link::{FALLBACKS, Link, Tunnel, links};
use crate::net::resolve::resolve;
use crate::net::route::{entry_for, is_here};
use crate::net::{Deadline, Naming};
use crate::{Evidence, Finding};

/// The VPN that should carry a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpn {
    /// Its gateway, as it was given.
    pub gateway: String,
    /// Does its tunnel begin on this host? On the other side it may begin at the gateway.
    pub begins_here: bool,
}

/// What carries the packets to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// A tunnel, whose interface this is.
    Tunnel(String),
    /// None: they leave as the route says, or not at all.
    Beside {
        /// The entry by which they leave.
        route: Option<RouteEntry>,
        /// The tunnels that there are.
        tunnels: Vec<TunnelLink>,
    },
    /// The peer is this host itself.
    Nothing,
    /// No tunnel that shows; but keys for `IPsec` are made here, whose policies only root may read.
    ByPolicyPerhaps,
    /// The kernel does not tell.
    Untold,
}

/// Looks by what the packets of `finding` leave; a name of the gateway is resolved by `deadline`.
pub async fn examine_vpn(
    vpn: &Vpn,
    finding: &Finding,
    names: &Naming,
    deadline: Deadline,
) -> Carriage {
    let to = finding.peer.address.ip();
    if is_here(to) {
        return Carriage::Nothing;
    }
    let Some(links) = links() else { return Carriage::Untold };
    let route = entry_for(to, finding.source.or(finding.peer.from));
    let has_none = matches!(finding.verdict, Err(Cause::Route(RouteCause::NoRoute { .. })));
    let Some(route) = route else {
        return if has_none { beside(None, &links) } else { Carriage::Untold };
    };
    let may_be_by_policy = makes_keys(to.is_ipv4());
    let Some(link) = links.iter().find(|link| link.name == route.interface) else {
        return Carriage::Untold;
    };
    let is_tunnel = match link.tunnel {
        Tunnel::No => false,
        Tunnel::Yes => true,
        Tunnel::Perhaps => !carries_the_gateway(vpn, &link.name, names, deadline).await,
    };
    if is_tunnel && link.is_up {
        return Carriage::Tunnel(route.interface);
    }
    if may_be_by_policy { Carriage::ByPolicyPerhaps } else { beside(Some(route), &links) }
}

/// Does somebody here make the keys of `IPsec` (IKE, behind NAT: RFC 3947)?
fn makes_keys(by_v4: bool) -> bool {
    let file = if by_v4 { "/proc/net/udp" } else { "/proc/net/udp6" };
    std::fs::read_to_string(file).is_ok_and(|sockets| listens_for_keys(&sockets))
}

/// `sockets` is the table of UDP sockets; its second word is `ADDRESS:PORT`, in capital hex digits.
fn listens_for_keys(sockets: &str) -> bool {
    let locals = sockets.lines().filter_map(|line| line.split_whitespace().nth(1));
    locals.into_iter().any(|local| local.ends_with(IKE_BEHIND_NAT))
}

/// A line that the tunnel's own packets leave by is not the tunnel.
async fn carries_the_gateway(
    vpn: &Vpn,
    interface: &str,
    names: &Naming,
    deadline: Deadline,
) -> bool {
    let Ok(found) = resolve(&vpn.gateway, names, deadline).await else { return false };
    let mut routes = found.addresses.into_iter().filter_map(|address| entry_for(address, None));
    routes.any(|route| route.interface == interface)
}

fn beside(route: Option<RouteEntry>, links: &[Link]) -> Carriage {
    let leaves_by = |link: &Link| route.as_ref().is_some_and(|route| route.interface == link.name);
    let tunnels = links.iter().filter(|link| match link.tunnel {
        // The line of an Internet provider is among those that may be a tunnel.
        Tunnel::Perhaps => !leaves_by(link),
        Tunnel::Yes => !link.is_enslaved && !FALLBACKS.contains(&link.name.as_str()),
        Tunnel::No => false,
    });
    let told = |link: &Link| TunnelLink { interface: link.name.clone(), is_up: link.is_up };
    let tunnels = tunnels.map(told).collect();
    Carriage::Beside { route, tunnels }
}

/// What was found, in the light of what carried it.
pub fn judge_vpn(vpn: &Vpn, carriage: &Carriage, finding: &mut Finding) {
    note(carriage, &mut finding.seen.evidence);
    let (gateway, to) = (vpn.gateway.clone(), finding.peer.address);
    match (carriage, vpn.begins_here) {
        (Carriage::Nothing, _) => {}
        (Carriage::Beside { route, tunnels }, true) => match &finding.verdict {
            Err(because) if may_be_its_lack(because) => {
                let (route, tunnels) = (route.clone().map(Box::new), tunnels.clone());
                let because = Box::new(because.clone());
                let to = to.ip();
                finding.revise(Cause::Route(RouteCause::VpnNotUsed {
                    vpn: gateway,
                    to,
                    route,
                    tunnels,
                    because,
                }));
            }
            _ => {
                finding.seen.concerns.extend(route.clone().map(|route| Concern::OutsideVpn {
                    vpn: gateway,
                    to: to.ip(),
                    route,
                }));
            }
        },
        (
            Carriage::Tunnel(_)
            | Carriage::ByPolicyPerhaps
            | Carriage::Untold
            | Carriage::Beside { .. },
            _,
        ) => {
            let interface = match carriage {
                Carriage::Tunnel(interface) => Some(interface.clone()),
                _ => None,
            };
            if let Err(because) = &finding.verdict
                && is_behind_it(because)
            {
                let because = Box::new(because.clone());
                finding.revise(Cause::Path(PathCause::FailsInsideVpn {
                    vpn: gateway,
                    interface,
                    because,
                }));
            }
        }
    }
}

/// For the drawer of a row that works: which tunnel it went by.
fn note(carriage: &Carriage, evidence: &mut Evidence) {
    match carriage {
        Carriage::Tunnel(interface) => evidence.set("tunnel", interface.as_str()),
        Carriage::ByPolicyPerhaps => evidence.set("tunnel", UNTOLD),
        _ => {}
    }
}

/// May the flow fail because it does not go through the VPN? Once the peer has spoken it does not.
fn may_be_its_lack(cause: &Cause) -> bool {
    let is_of_this_host = matches!(cause, Cause::Route(RouteCause::SourceUnusable { .. }));
    is_of_this_host || (Layer::Route..=Layer::Port).contains(&cause.layer())
}

/// Does something behind the tunnel stop it? What the peer says itself, and what this host does,
/// is told as it is.
fn is_behind_it(cause: &Cause) -> bool {
    cause.plea() != Plea::Nothing && cause.owner() != Owner::ThisHost
}

/// Port 4500.
const IKE_BEHIND_NAT: &str = ":1194";
/// For the drawer of a row.
const UNTOLD: &str = "cannot be told: IPsec by policy has no interface (root sees: ip xfrm policy)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{PortCause, SmtpCause};
    use crate::{Icmp, Peer, Seen};
    use std::net::SocketAddr;
    use std::time::Duration;

    const TO: ([u8; 4], u16) = ([10, 0, 0, 5], 5669);

    fn vpn(begins_here: bool) -> Vpn {
        Vpn { gateway: "vpn.example".to_owned(), begins_here }
    }

    fn finding(verdict: Result<(), Cause>) -> Finding {
        let (peer, took) = (Peer::from(SocketAddr::from(TO)), Duration::ZERO);
        Finding { peer, source: None, verdict, seen: Seen::default(), took, words: None }
    }

    #[test]
    fn who_makes_keys_for_ipsec_is_seen_by_its_port() {
        let table = |port: &str| {
            format!(
                "  sl  local_address rem_address   st tx_queue\n  \
                 57: 00000000:{port} 00000000:0000 07 00000000:00000000\n"
            )
        };
        assert!(listens_for_keys(&table("1194")));
        // Port 1194 itself, and one that only begins alike.
        assert!(!listens_for_keys(&table("04AA")));
        assert!(!listens_for_keys(&table("0119")));
        assert!(!listens_for_keys(""));
    }

    #[test]
    fn where_a_policy_may_carry_it_nothing_is_said_to_go_around() {
        let passed = judged(true, &Carriage::ByPolicyPerhaps, Ok(()));
        assert_eq!((passed.verdict, passed.seen.concerns), (Ok(()), Vec::new()));
        let failed = judged(true, &Carriage::ByPolicyPerhaps, Err(rejected()));
        assert_eq!(failed.verdict.unwrap_err().code(), "fails-inside-vpn");
    }

    fn rejected() -> Cause {
        let (by, icmp) = ([10, 9, 0, 1].into(), Icmp::V4 { kind: 3, code: 13 });
        Cause::Path(PathCause::PathRejected { to: TO.into(), by, icmp })
    }

    fn default_route() -> RouteEntry {
        RouteEntry {
            network: [0; 4].into(),
            length: 0,
            via: Some([10, 2, 0, 1].into()),
            interface: "eth0".to_owned(),
            is_own: false,
        }
    }

    fn beside(tunnels: &[(&str, bool)]) -> Carriage {
        let told = |&(name, is_up): &(&str, bool)| {
            let interface: &str = name;
            TunnelLink { interface: interface.to_owned(), is_up }
        };
        let tunnels = tunnels.iter().map(told).collect();
        Carriage::Beside { route: Some(default_route()), tunnels }
    }

    fn judged(begins_here: bool, carriage: &Carriage, verdict: Result<(), Cause>) -> Finding {
        let mut finding = finding(verdict);
        judge_vpn(&vpn(begins_here), carriage, &mut finding);
        finding
    }

    #[test]
    fn what_leaves_by_no_tunnel_fails_for_want_of_the_vpn_and_the_state_of_it_is_said() {
        for (tunnels, said) in [
            (&[][..], "the VPN is not up: this host has no tunnel interface, "),
            (&[("tun0", false)], "the VPN is not up: tun0 is down, "),
            (
                &[("tun0", false), ("wg0", true)],
                "the VPN carries no route to 10.0.0.5: wg0 is up, ",
            ),
        ] {
            let cause = judged(true, &beside(tunnels), Err(rejected())).verdict.unwrap_err();
            let rest = "the route to 10.0.0.5 is \"default via 10.2.0.1 dev eth0\"; this way: rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)";
            assert_eq!(cause.to_string(), format!("{said}{rest}"));
            assert_eq!((cause.owner(), cause.plea()), (Owner::ThisHost, Plea::Nothing));
        }
    }

    #[test]
    fn what_fails_inside_is_the_vpns_and_no_firewalls_between() {
        let tunnel = Carriage::Tunnel("tun0".to_owned());
        let cause = judged(true, &tunnel, Err(rejected())).verdict.unwrap_err();
        let said = "fails inside the VPN (tun0): rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)";
        assert_eq!(cause.to_string(), said);
        assert_eq!((cause.owner(), cause.plea()), (Owner::FarSide, Plea::Nothing));
        // A central's tunnel may begin at the gateway, wherever its own route leads.
        for carriage in [beside(&[]), Carriage::Untold] {
            let cause = judged(false, &carriage, Err(rejected())).verdict.unwrap_err();
            assert!(cause.to_string().starts_with("fails inside the VPN: rejected"), "{cause}");
        }
    }

    #[test]
    fn what_the_peer_says_itself_stays_what_it_is() {
        let busy = Cause::Smtp(SmtpCause::SmtpUnavailable { reply: 421, text: "busy".to_owned() });
        let closed = Cause::Port(PortCause::PortClosed { to: TO.into() });
        let tunnel = Carriage::Tunnel("tun0".to_owned());
        for cause in [busy.clone(), closed] {
            assert_eq!(judged(true, &tunnel, Err(cause.clone())).verdict, Err(cause.clone()));
            assert_eq!(judged(false, &beside(&[]), Err(cause.clone())).verdict, Err(cause));
        }
        // Beside the tunnel it has spoken too: then the way is not what is wrong.
        let outside = judged(true, &beside(&[]), Err(busy.clone()));
        assert_eq!(outside.verdict, Err(busy));
        assert_eq!(outside.seen.concerns[0].code(), "outside-vpn");
    }

    #[test]
    fn what_works_beside_the_vpn_is_a_concern_and_what_works_inside_is_none() {
        let outside = judged(true, &beside(&[("tun0", true)]), Ok(()));
        assert_eq!(outside.verdict, Ok(()));
        assert_eq!(
            outside.seen.concerns[0].to_string(),
            "not through the VPN: the route to 10.0.0.5 is \"default via 10.2.0.1 dev eth0\", which is not a tunnel"
        );
        for (begins_here, carriage) in [
            (true, Carriage::Tunnel("tun0".to_owned())),
            (true, Carriage::Untold),
            (true, Carriage::Nothing),
            (false, beside(&[])),
        ] {
            let finding = judged(begins_here, &carriage, Ok(()));
            assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), Vec::new()));
        }
    }
}
