//! What tables for people who open firewalls say of a row: protocols, and ports by transport.

use preflight_checks::{Service, Transport};

use super::{Flow, Way};

impl Flow {
    /// `LDAP, LDAPS`, in the order of the ports.
    pub(crate) fn protocols(&self) -> String {
        protocols(self.sorted().iter().map(|way| way.service.title))
    }

    /// `TCP 80, 443`; over UDP and TCP that of the first: the second is used when an answer is too
    /// large for it.
    pub(crate) fn ports(&self) -> String {
        let ways = self.sorted();
        let first = |way: &&Way| Some((*way.service.transports().first()?, way.ports()));
        let own = ways.iter().filter_map(first);
        in_transports(own.chain(ways.iter().filter_map(|way| afterwards(way.service))))
    }

    fn sorted(&self) -> Vec<&Way> {
        let mut ways: Vec<&Way> = self.ways.iter().collect();
        ways.sort_by_key(|way| way.port);
        ways
    }
}

/// Each title once.
pub(crate) fn protocols<'t>(titles: impl Iterator<Item = &'t str>) -> String {
    let mut titles: Vec<&str> = titles.collect();
    titles.dedup();
    titles.join(", ")
}

/// Where a service's conversation goes on beside its own port.
pub(crate) fn afterwards(service: &Service) -> Option<(Transport, String)> {
    service.hints.then.map(|(transport, port)| (transport, port.to_string()))
}

/// `TCP 389, 636`, `TCP 4460, UDP 123`, and `ICMP` alone.
pub(crate) fn in_transports(ports: impl Iterator<Item = (Transport, String)>) -> String {
    let mut by_transport: Vec<(Transport, Vec<String>)> = Vec::new();
    for (transport, port) in ports {
        match by_transport.iter_mut().find(|(known, _)| *known == transport) {
            Some((_, known)) if known.contains(&port) => {}
            Some((_, known)) => known.push(port),
            None => by_transport.push((transport, vec![port])),
        }
    }
    let written = |(transport, known): (Transport, Vec<String>)| {
        if transport.has_ports() {
            format!("{transport} {}", known.join(", "))
        } else {
            transport.to_string()
        }
    };
    by_transport.into_iter().map(written).collect::<Vec<_>>().join(", ")
}
