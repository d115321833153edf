//! At the end of a run: silences of one network that have one explanation.
//!
//! A router tells of a few hosts in a second that they do not answer, and names itself a few times; of
//! sixty devices that are not there it tells of some, and of the others it is silent. Of those
//! the same is true, as far as nothing else of them answers. Nothing is sent here.

use std::collections::HashMap;
use std::net::IpAddr;

use preflight_checks::{
    Cause, Finding, HostAnswer, Icmp, Layer, PathCause, SnmpCause, Transport, network,
};

use crate::run::finding::Found;
use crate::run::plan::{Action, Plan};

/// Hosts of one network of which a router must say so, before its silence about another says the same;
/// one, where the trails to that network end at the same router. Linux tells six times in a burst, and
/// as each packet counts, of two hosts that were asked three times.
const ENOUGH: usize = 2;

/// Explains silences by what is known of hosts beside them.
pub(super) fn explain(plan: &Plan, found: &mut [Option<Found>]) {
    let known = KnownNetworks::of(plan, found);
    for_each(plan, found, |protocol, cause, finding| {
        if let Some(explained) = known.explain(protocol, cause) {
            finding.revise(explained);
        }
    });
}

/// Each cause with the protocol it was met in, and where it was found.
fn for_each(
    plan: &Plan,
    found: &mut [Option<Found>],
    mut each: impl FnMut(&'static str, &Cause, &mut Finding),
) {
    for (step, found) in plan.steps.iter().zip(found) {
        let (Action::Ask(question), Some(found)) = (&step.action, found) else { continue };
        for attempt in &mut found.attempts {
            let asked = question.way(attempt.way);
            if let (Some(asked), Err(cause)) = (asked, attempt.finding.verdict.clone()) {
                each(asked.protocol, &cause, &mut attempt.finding);
            }
        }
    }
}

/// Hosts that are told apart by no more than the last part of their address.
type Network = IpAddr;

/// Where trails to hosts of one network end, and on the way to how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    by: IpAddr,
    hop: u8,
    next_is_host: bool,
    hosts: usize,
}

#[derive(Debug, Default)]
struct KnownNetworks {
    /// Who says of hosts of a network that they do not answer, in which words, and of how many.
    absent: HashMap<Network, (IpAddr, Icmp, usize)>,
    /// Where the trails of a protocol to a network end; `None` when they do not end in one way.
    silent: HashMap<(Network, &'static str), Option<End>>,
    /// The same for hosts that are there.
    port_silent: HashMap<(Network, &'static str), Option<End>>,
    /// Hosts of which another question of this run has been answered, and how.
    alive: HashMap<IpAddr, HostAnswer>,
}

impl KnownNetworks {
    fn of(plan: &Plan, found: &mut [Option<Found>]) -> Self {
        let mut known = Self::default();
        for_each(plan, found, |protocol, cause, _| match *cause {
            Cause::Path(PathCause::HostUnreachable { to, by, icmp, beside: 0 }) => {
                let (_, _, told) = known.absent.entry(network(to)).or_insert((by, icmp, 0));
                *told += 1;
            }
            Cause::Path(PathCause::HostSilentAfter { to, by, hop, beside: 0, .. }) => {
                let end = End { by, hop, next_is_host: false, hosts: 1 };
                add(known.silent.entry((network(to.ip()), protocol)), end);
            }
            Cause::Path(PathCause::PortSilentAfter {
                to,
                by,
                hop,
                next_is_host,
                beside: 0,
                ..
            }) => {
                let end = End { by, hop, next_is_host, hosts: 1 };
                add(known.port_silent.entry((network(to.ip()), protocol)), end);
            }
            _ => {}
        });
        known.hear_hosts(plan, found);
        known
    }

    /// Takes down who has answered anything: a host whose one port works is there, whatever its others do.
    fn hear_hosts(&mut self, plan: &Plan, found: &[Option<Found>]) {
        for (step, found) in plan.steps.iter().zip(found) {
            let (Action::Ask(question), Some(found)) = (&step.action, found) else { continue };
            for attempt in &found.attempts {
                let asked = question.way(attempt.way);
                let has_answered = match &attempt.finding.verdict {
                    Ok(()) => true,
                    Err(cause) => cause.layer() > Layer::Port && !cause.is_inconclusive(),
                };
                let Some(asked) = asked.filter(|_| has_answered) else { continue };
                let to = attempt.finding.peer.address;
                let how = match asked.transport {
                    Transport::Icmp => HostAnswer::Ping,
                    transport => HostAnswer::Open { transport, port: to.port() },
                };
                self.alive.entry(to.ip()).or_insert(how);
            }
        }
    }

    /// What `cause` is in the light of its neighbours; `None`: what it was.
    fn explain(&self, protocol: &'static str, cause: &Cause) -> Option<Cause> {
        let (Cause::Path(
            PathCause::NoAnswer { to, waited, .. }
            | PathCause::HostSilentAfter { to, waited, .. }
            | PathCause::PortSilent { to, waited, .. },
        )
        | Cause::Snmp(SnmpCause::SnmpSilent { to, waited })) = *cause
        else {
            return None;
        };
        let place = (network(to.ip()), protocol);
        let at = self.silent.get(&place).copied().flatten();
        let port_silent = |end: End, alive| {
            let End { by, hop, next_is_host, hosts: beside } = end;
            let cause =
                PathCause::PortSilentAfter { to, by, hop, next_is_host, alive, waited, beside };
            Some(Cause::Path(cause))
        };
        match (cause, self.alive.get(&to.ip())) {
            (&Cause::Path(PathCause::HostSilentAfter { by, hop, beside, .. }), Some(&alive)) => {
                return port_silent(End { by, hop, next_is_host: false, hosts: beside }, alive);
            }
            (Cause::Path(PathCause::NoAnswer { .. }), Some(&alive)) => {
                return port_silent(at?, alive);
            }
            (&Cause::Path(PathCause::PortSilent { alive, .. }), _) => {
                return port_silent(self.port_silent.get(&place).copied().flatten()?, alive);
            }
            (_, Some(_)) => return None,
            (_, None) => {}
        }
        let ends_at = at.map(|end| end.by);
        let absent = self.absent.get(&place.0);
        let absent = absent.filter(|(by, _, told)| *told >= ENOUGH || ends_at == Some(*by));
        if let Some(&(by, icmp, beside)) = absent {
            return Some(Cause::Path(PathCause::HostUnreachable { to: to.ip(), by, icmp, beside }));
        }
        match (cause, self.silent.get(&place)) {
            (
                Cause::Path(PathCause::NoAnswer { .. }),
                Some(&Some(End { by, hop, hosts: beside, .. })),
            ) => Some(Cause::Path(PathCause::HostSilentAfter { to, by, hop, waited, beside })),
            _ => None,
        }
    }
}

/// Trails that end at different places have no one explanation.
fn add<K>(entry: std::collections::hash_map::Entry<'_, K, Option<End>>, end: End) {
    let known = entry.or_insert(Some(End { hosts: 0, ..end }));
    let is_same = |known: &End| End { hosts: end.hosts, ..*known } == end;
    *known = known.filter(is_same).map(|known| End { hosts: known.hosts + 1, ..known });
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use super::*;
    use preflight_checks::{Millis, Phase};

    const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1));
    const ICMP: Icmp = Icmp::V4 { kind: 3, code: 1 };
    const WAITED: Millis = Millis(Duration::from_secs(4));

    fn to(last: u8) -> SocketAddr {
        ([10, 0, 9, last], 161).into()
    }

    fn absent(last: u8) -> Cause {
        Cause::Path(PathCause::HostUnreachable {
            to: to(last).ip(),
            by: ROUTER,
            icmp: ICMP,
            beside: 0,
        })
    }

    fn silent(last: u8) -> Cause {
        Cause::Path(PathCause::NoAnswer { to: to(last), phase: Phase::Reply, waited: WAITED })
    }

    fn after(last: u8, by: u8) -> Cause {
        let by = [10, 9, 0, by].into();
        Cause::Path(PathCause::HostSilentAfter {
            to: to(last),
            by,
            hop: 2,
            waited: WAITED,
            beside: 0,
        })
    }

    fn known(causes: &[Cause]) -> KnownNetworks {
        let mut known = KnownNetworks::default();
        for cause in causes {
            match *cause {
                Cause::Path(PathCause::HostUnreachable { to, by, icmp, .. }) => {
                    known.absent.entry(network(to)).or_insert((by, icmp, 0)).2 += 1;
                }
                Cause::Path(PathCause::HostSilentAfter { to, by, hop, .. }) => {
                    let end = End { by, hop, next_is_host: false, hosts: 1 };
                    add(known.silent.entry((network(to.ip()), "snmp")), end);
                }
                Cause::Path(PathCause::PortSilentAfter { to, by, hop, next_is_host, .. }) => {
                    let end = End { by, hop, next_is_host, hosts: 1 };
                    add(known.port_silent.entry((network(to.ip()), "snmp")), end);
                }
                _ => {}
            }
        }
        known
    }

    #[test]
    fn a_host_that_answers_another_question_is_not_called_silent() {
        let alive = HostAnswer::Open { transport: Transport::Tcp, port: 5669 };
        let mut known = known(&[after(7, 9), after(8, 9)]);
        known.alive.insert(to(7).ip(), alive);
        let (by, hop, waited) = ([10, 9, 0, 9].into(), 2, WAITED);
        let expected = |beside| {
            let next_is_host = false;
            let to = to(7);
            PathCause::PortSilentAfter { to, by, hop, next_is_host, alive, waited, beside }
        };
        assert_eq!(known.explain("snmp", &after(7, 9)), Some(Cause::Path(expected(0))));
        assert_eq!(known.explain("snmp", &silent(7)), Some(Cause::Path(expected(2))));
        // Whoever is said to be absent by the router would be lied about.
        let mut absent = self::known(&[absent(1), absent(2)]);
        absent.alive.insert(to(7).ip(), alive);
        assert_eq!(absent.explain("snmp", &silent(7)), None);
        assert!(absent.explain("snmp", &silent(9)).is_some());
    }

    #[test]
    fn what_a_router_says_of_two_hosts_it_says_of_a_silent_one_beside_them_too() {
        let beside = |beside| {
            Cause::Path(PathCause::HostUnreachable {
                to: to(9).ip(),
                by: ROUTER,
                icmp: ICMP,
                beside,
            })
        };
        assert_eq!(known(&[absent(1)]).explain("snmp", &silent(9)), None);
        let ends = |by| {
            Cause::Path(PathCause::HostSilentAfter {
                to: to(9),
                by,
                hop: 1,
                waited: WAITED,
                beside: 0,
            })
        };
        let ends_there = known(&[absent(1), ends(ROUTER)]);
        assert_eq!(ends_there.explain("snmp", &ends(ROUTER)), Some(beside(1)));
        let ends_elsewhere = known(&[absent(1), ends([10, 9, 0, 1].into())]);
        assert_eq!(ends_elsewhere.explain("snmp", &ends([10, 9, 0, 1].into())), None);
        let three = known(&[absent(1), absent(2), absent(3)]);
        let same = beside(3);
        assert_eq!(three.explain("snmp", &silent(9)), Some(same.clone()));
        let unknown = Cause::Snmp(SnmpCause::SnmpSilent { to: to(9), waited: WAITED });
        assert_eq!(three.explain("snmp", &unknown), Some(same));
        // One whose other port answers is there, and one of another network is not beside them.
        let port = Cause::Path(PathCause::PortSilent {
            to: to(9),
            alive: HostAnswer::Ping,
            waited: WAITED,
        });
        assert_eq!(three.explain("snmp", &port), None);
        let elsewhere = ([10, 0, 8, 9], 161).into();
        let far =
            Cause::Path(PathCause::NoAnswer { to: elsewhere, phase: Phase::Reply, waited: WAITED });
        assert_eq!(three.explain("snmp", &far), None);
    }

    #[test]
    fn trails_of_one_network_that_end_at_one_device_tell_of_those_nobody_followed() {
        let one = known(&[after(1, 2), after(2, 2)]);
        let by = [10, 9, 0, 2].into();
        let same = Cause::Path(PathCause::HostSilentAfter {
            to: to(9),
            by,
            hop: 2,
            waited: WAITED,
            beside: 2,
        });
        assert_eq!(one.explain("snmp", &silent(9)), Some(same));
        assert_eq!(one.explain("nsclient", &silent(9)), None);
        let two = known(&[after(1, 2), after(2, 7), after(3, 2)]);
        assert_eq!(two.explain("snmp", &silent(9)), None);
        let there = |alive| Cause::Path(PathCause::PortSilent { to: to(9), alive, waited: WAITED });
        let (hop, next_is_host) = (1, true);
        let looked = Cause::Path(PathCause::PortSilentAfter {
            to: to(1),
            by,
            hop,
            next_is_host,
            alive: HostAnswer::Ping,
            waited: WAITED,
            beside: 0,
        });
        let alive = HostAnswer::Neighbour;
        let same = Cause::Path(PathCause::PortSilentAfter {
            to: to(9),
            by,
            hop,
            next_is_host,
            alive,
            waited: WAITED,
            beside: 1,
        });
        assert_eq!(known(&[looked]).explain("snmp", &there(alive)), Some(same));
    }
}
