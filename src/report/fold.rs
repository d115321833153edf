//! One root cause, one explanation: what follows from a failed step is folded under it.

use std::collections::HashMap;
use std::net::SocketAddr;

use preflight_checks::{Cause, LocalRoute, NameCause, PathCause, RouteCause, WebCause};

/// One failed step, as folding needs to know it.
#[derive(Clone, Debug)]
pub(super) struct Failed<'a> {
    /// Index of the step.
    pub(super) index: usize,
    /// What made it fail.
    pub(super) cause: &'a Cause,
    /// The addresses and ports it asked.
    pub(super) asked: Vec<SocketAddr>,
    /// The VPN gateway that it asked, as it was given.
    pub(super) gateway: Option<&'a str>,
}

/// For each step whose failure follows from another's: the index of that other.
pub(super) fn fold(failed: &[Failed<'_>]) -> HashMap<usize, usize> {
    let asked = AskedAt::of(failed);
    let mut folded = HashMap::new();
    let mut roots: HashMap<String, usize> = HashMap::new();
    for step in failed {
        let root = asked.dead_resolver(step).or_else(|| asked.dead_proxy(step));
        if let Some(root) = root.or_else(|| dead_gateway(step, failed)) {
            folded.insert(step.index, root);
            continue;
        }
        let Some(key) = root_of(step.cause) else { continue };
        match roots.get(&key) {
            Some(&root) => {
                folded.insert(step.index, root);
            }
            None => {
                roots.insert(key, step.index);
            }
        }
    }
    // What follows from a step that follows from another follows from that other.
    let direct = folded.clone();
    for root in folded.values_mut() {
        // A chain has at most as many links as there are kinds of roots.
        for _ in 0..LINKS {
            let Some(&next) = direct.get(root) else { break };
            *root = next;
        }
    }
    folded
}

/// A VPN that is not up, whose gateway fails as a step of its own.
fn dead_gateway(step: &Failed<'_>, failed: &[Failed<'_>]) -> Option<usize> {
    let Cause::Route(RouteCause::VpnNotUsed { vpn, tunnels, .. }) = step.cause else { return None };
    let is_up = tunnels.iter().any(|link| link.is_up);
    let is_gateway = |other: &&Failed<'_>| other.gateway == Some(vpn.as_str());
    failed.iter().filter(|_| !is_up).find(is_gateway).map(|gateway| gateway.index)
}

/// Who failed at which addresses, so that nobody looks through all steps for each.
struct AskedAt<'a> {
    /// The first two steps at an address: one of them is another than the one that asks.
    at: HashMap<SocketAddr, Vec<usize>>,
    /// The first step that failed at exactly these, by itself.
    at_all: HashMap<&'a [SocketAddr], usize>,
}

impl<'a> AskedAt<'a> {
    fn of(failed: &'a [Failed<'_>]) -> Self {
        let mut asked = Self { at: HashMap::new(), at_all: HashMap::new() };
        for step in failed {
            for &address in &step.asked {
                let first = asked.at.entry(address).or_default();
                if first.len() < 2 && first.last() != Some(&step.index) {
                    first.push(step.index);
                }
            }
            if !matches!(step.cause, Cause::Web(WebCause::ProxyUnreachable { .. })) {
                asked.at_all.entry(&step.asked).or_insert(step.index);
            }
        }
        asked
    }

    /// A name that could not be resolved, because of a server that fails as a step of its own.
    fn dead_resolver(&self, step: &Failed<'_>) -> Option<usize> {
        let Cause::Name(
            NameCause::ResolverFailed { servers, .. }
            | NameCause::NameServerUnreachable { servers, .. },
        ) = step.cause
        else {
            return None;
        };
        let at_server = servers.iter().filter_map(|said| self.at.get(&(said.server, DNS).into()));
        at_server.flatten().copied().filter(|&index| index != step.index).min()
    }

    /// A proxy that cannot be reached, and fails as a step of its own.
    fn dead_proxy(&self, step: &Failed<'_>) -> Option<usize> {
        match step.cause {
            Cause::Web(WebCause::ProxyUnreachable { .. }) => {
                self.at_all.get(step.asked.as_slice()).copied()
            }
            _ => None,
        }
    }
}

/// Steps between a failure and its root: a VPN's gateway, its name, its name server, the route.
const LINKS: usize = 4;
/// Where the servers of `/etc/resolv.conf` are asked.
const DNS: u16 = 53;

/// Causes of one key are one fault.
fn root_of(cause: &Cause) -> Option<String> {
    Some(match cause {
        Cause::Name(NameCause::ResolverFailed { .. }) => "resolver".to_owned(),
        Cause::Name(NameCause::NameServerUnreachable { because, .. }) => {
            root_of(because).unwrap_or_else(|| "resolver".to_owned())
        }
        Cause::Route(RouteCause::GatewaySilent { gateway, .. }) => format!("gateway {gateway}"),
        Cause::Route(RouteCause::NeighbourByHand { neighbour, .. }) => {
            format!("neighbour {neighbour}")
        }
        Cause::Route(RouteCause::LinkDown { interface, .. }) => format!("interface {interface}"),
        Cause::Route(RouteCause::HopLimitTooLow { to, .. }) => {
            format!("hop limit, IPv{}", if to.is_ipv4() { 4 } else { 6 })
        }
        Cause::Route(RouteCause::VpnNotUsed { vpn, to, tunnels, .. }) => {
            // With one that is up, another peer may lack another route.
            if tunnels.iter().any(|link| link.is_up) {
                format!("VPN {vpn} to {to}")
            } else {
                format!("VPN {vpn}")
            }
        }
        Cause::Route(RouteCause::RouteOnLink { entry, .. }) => format!("route {entry}"),
        Cause::Name(NameCause::NoNameServer { .. }) => "no name server".to_owned(),
        Cause::Name(NameCause::NameFileUnread { file, .. }) => format!("unread {file}"),
        Cause::Name(NameCause::NoInternetNames { .. }) => "no Internet names".to_owned(),
        Cause::Name(
            NameCause::NameNotFound { name, .. }
            | NameCause::NameWithoutAddress { name }
            | NameCause::AliasBroken { name, .. }
            | NameCause::NameNotInDns { name, .. }
            | NameCause::NameIsLoopback { name, .. }
            | NameCause::NameIsNobody { name, .. },
        ) => {
            format!("name {name}")
        }
        // One line is the cause of all names it hides.
        Cause::Name(NameCause::NameNotAskedFor { at, .. }) => format!("look-up {at}"),
        Cause::Route(RouteCause::NoRoute { to, route: LocalRoute::Missing }) => {
            format!("no route, IPv{}", if to.is_ipv4() { 4 } else { 6 })
        }
        Cause::Route(RouteCause::NoRoute { to, .. })
        | Cause::Path(
            PathCause::NoNeighbour { to, .. }
            | PathCause::HostUnreachable { to, .. }
            | PathCause::NetUnreachable { to, .. },
        ) => format!("host {to}"),
        Cause::Path(PathCause::HostSilentAfter { to, .. }) => format!("host {}", to.ip()),
        Cause::Web(
            WebCause::ProxyUnreachable { proxy, .. } | WebCause::ProxyAuthentication { proxy, .. },
        ) => {
            format!("proxy {proxy}")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use preflight_checks::PortCause;
    use preflight_checks::{Millis, Opinion, RouteEntry, TunnelLink};
    use std::net::IpAddr;

    fn unresolved(name: &str) -> Cause {
        let server = IpAddr::from([10, 0, 0, 53]);
        Cause::Name(NameCause::ResolverFailed {
            name: name.to_owned(),
            error: "Temporary failure in name resolution".to_owned(),
            servers: vec![Opinion { server, says: "no answer".to_owned() }],
        })
    }

    fn failed<'a>(index: usize, cause: &'a Cause, asked: &[([u8; 4], u16)]) -> Failed<'a> {
        Failed {
            index,
            cause,
            asked: asked.iter().copied().map(SocketAddr::from).collect(),
            gateway: None,
        }
    }

    #[test]
    fn names_fold_under_the_dead_dns_server_that_is_a_step_itself() {
        let (one, two) = (unresolved("a.example"), unresolved("b.example"));
        let dns = Cause::Port(PortCause::PortClosed { to: ([10, 0, 0, 53], 53).into() });
        let steps =
            [failed(0, &one, &[]), failed(3, &dns, &[([10, 0, 0, 53], 53)]), failed(5, &two, &[])];
        assert_eq!(fold(&steps), HashMap::from([(0, 3), (5, 3)]));
    }

    #[test]
    fn whatever_is_behind_a_silent_gateway_folds_under_the_first_of_it() {
        let [gateway, network] = [[10, 2, 0, 99], [0; 4]].map(IpAddr::from);
        let interface = "eth0".to_owned();
        let entry = RouteEntry { network, length: 0, via: Some(gateway), interface, is_own: false };
        let waited = Millis(std::time::Duration::from_secs(3));
        let behind = |last: u8| {
            let (to, entry) = (IpAddr::from([10, 0, 0, last]), entry.clone());
            Cause::Route(RouteCause::GatewaySilent { to, gateway, entry, waited })
        };
        let (one, two) = (behind(3), behind(4));
        let steps = [failed(0, &one, &[([10, 0, 0, 3], 22)]), failed(1, &two, &[])];
        assert_eq!(fold(&steps), HashMap::from([(1, 0)]));
    }

    #[test]
    fn what_should_go_through_a_vpn_that_is_not_up_follows_from_its_gateway_and_that_from_its_own()
    {
        let route = |last: u8| {
            let to = IpAddr::from([10, 0, 0, last]);
            Cause::Route(RouteCause::NoRoute { to, route: LocalRoute::Missing })
        };
        let not_up = |last: u8, tunnels: Vec<TunnelLink>| {
            let (vpn, to) = ("vpn.example".to_owned(), IpAddr::from([10, 0, 0, last]));
            Cause::Route(RouteCause::VpnNotUsed {
                vpn,
                to,
                route: None,
                tunnels,
                because: Box::new(route(last)),
            })
        };
        let (ntp, bbdo, gateway) = (route(3), not_up(5, Vec::new()), route(9));
        let at_gateway = Failed { gateway: Some("vpn.example"), ..failed(2, &gateway, &[]) };
        let steps = [failed(0, &ntp, &[]), failed(1, &bbdo, &[]), at_gateway];
        assert_eq!(fold(&steps), HashMap::from([(1, 0), (2, 0)]));
        // Its gateway works: the first of its flows stands for the others.
        let other = not_up(6, Vec::new());
        assert_eq!(fold(&[failed(1, &bbdo, &[]), failed(2, &other, &[])]), HashMap::from([(2, 1)]));
        // It is up, and each peer may lack a route of its own.
        let up = || vec![TunnelLink { interface: "tun0".to_owned(), is_up: true }];
        let (one, two) = (not_up(5, up()), not_up(6, up()));
        assert!(fold(&[failed(1, &one, &[]), failed(2, &two, &[])]).is_empty());
    }

    #[test]
    fn without_such_a_step_the_first_name_stands_for_all() {
        let (one, two) = (unresolved("a.example"), unresolved("b.example"));
        let steps = [failed(2, &one, &[]), failed(4, &two, &[])];
        assert_eq!(fold(&steps), HashMap::from([(4, 2)]));
    }

    #[test]
    fn two_rules_of_one_device_are_two_requests() {
        let rejected = |port| {
            Cause::Path(PathCause::PathRejected {
                to: ([10, 0, 0, 5], port).into(),
                by: IpAddr::from([10, 9, 0, 1]),
                icmp: preflight_checks::Icmp::V4 { kind: 3, code: 13 },
            })
        };
        let (one, two) = (rejected(25), rejected(5669));
        assert!(fold(&[failed(0, &one, &[]), failed(1, &two, &[])]).is_empty());
    }

    #[test]
    fn what_needs_a_dead_proxy_folds_under_it() {
        let closed = Cause::Port(PortCause::PortClosed { to: ([10, 0, 0, 8], 3128).into() });
        let behind = Cause::Web(WebCause::ProxyUnreachable {
            proxy: "http://10.0.0.8:3128".to_owned(),
            because: Box::new(closed.clone()),
        });
        let steps = [
            failed(0, &behind, &[([10, 0, 0, 8], 3128)]),
            failed(1, &closed, &[([10, 0, 0, 8], 3128)]),
        ];
        assert_eq!(fold(&steps), HashMap::from([(0, 1)]));
    }

    #[test]
    fn a_missing_default_route_is_said_once() {
        let missing = |last| {
            Cause::Route(RouteCause::NoRoute {
                to: IpAddr::from([10, 0, 0, last]),
                route: LocalRoute::Missing,
            })
        };
        let (one, two) = (missing(1), missing(2));
        let steps = [failed(0, &one, &[]), failed(1, &two, &[])];
        assert_eq!(fold(&steps), HashMap::from([(1, 0)]));
    }

    #[test]
    fn another_service_on_the_same_host_is_not_to_blame() {
        let ntp = Cause::Port(PortCause::PortClosed { to: ([10, 0, 0, 8], 123).into() });
        let closed = Cause::Port(PortCause::PortClosed { to: ([10, 0, 0, 8], 3128).into() });
        let behind = Cause::Web(WebCause::ProxyUnreachable {
            proxy: "http://10.0.0.8:3128".to_owned(),
            because: Box::new(closed.clone()),
        });
        let name = unresolved("a.example");
        let steps = [
            failed(0, &ntp, &[([10, 0, 0, 8], 123), ([10, 0, 0, 53], 123)]),
            failed(1, &name, &[]),
            failed(2, &behind, &[([10, 0, 0, 8], 3128)]),
            failed(3, &closed, &[([10, 0, 0, 8], 3128)]),
        ];
        assert_eq!(fold(&steps), HashMap::from([(2, 3)]));
    }
}
