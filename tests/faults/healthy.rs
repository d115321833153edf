//! The same namespaces without a fault: nothing fails, and nothing is even worth a word.

use crate::certificates::Certificates;
use crate::lab::Node::Client;
use crate::lab::servers::{LDAP_USER, SNMP_USER};
use crate::peer::{self, Peer};
use crate::platform::healthy_windows;
use crate::row::{
    Place, Row, bare_snmp, bbdo, dns, http, https, ldap, ldaps, ntp, smtp, snmp, ssh, tls, zmq,
};
use crate::servers;

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let bind = ["--ldap-bind-dn", LDAP_USER, "--ldap-password-file", "{lab}/ldap-password"];
    let auth = ["--snmp-user", SNMP_USER, "--snmp-auth-file", "{lab}/snmp-auth"];
    let privacy = ["--snmp-priv-file", "{lab}/snmp-priv"];
    let mut rows = vec![
        Row::new("healthy", http()),
        Row::new("healthy", https().to("www.example.test")),
        Row::new("healthy", tls().to("www.example.test")),
        Row::new("healthy", smtp().to("mail.example.test")),
        Row::new("healthy", ldap().to("ldap.example.test").with(&bind)),
        Row::new("healthy", ldaps().to("ldap.example.test").with(&bind)),
        Row::new("healthy", zmq()),
        Row::new("healthy, v3", bare_snmp().with(&[&auth[..], &privacy].concat())),
        healthy_windows(certificates),
    ];
    for flow in [ssh(), bbdo(), ntp(), snmp(), dns()] {
        rows.push(Row::new("healthy", flow.clone()));
        rows.push(Row::new("healthy, behind two routers", flow.clone()).at(Place::Far));
        rows.push(Row::new("healthy, behind a router", flow).at(Place::Near));
    }
    rows.extend(off_here());
    // Net-SNMP answers from the server's first IPv6 address, whichever was asked.
    rows.push(Row::new("healthy, IPv6", snmp().to("fd00::3")));
    for flow in [ssh(), http(), dns()] {
        rows.push(Row::new("healthy, IPv6", flow).at(Place::Near6));
    }
    rows
}

/// One of the families is off on this host, as on most of a network without IPv6.
fn off_here() -> [Row; 3] {
    let web = Peer::tcp(|mut stream| peer::serve_web(&mut stream, &|_| peer::OK.to_owned()));
    let (time, broker) = (peer::time(0, |_| {}), servers::broker());
    [(ntp(), time), (http(), web), (bbdo(), broker)].map(|(flow, peer)| {
        let name = "healthy, a name of both families, and IPv6 is off here";
        Row::new(name, flow.to("both-of-one.example.test"))
            .at(Place::Alone)
            .peer(peer)
            .hosts("{server} both-of-one.example.test\nfd00::3 both-of-one.example.test\n")
            .sysctl(Client, "net/ipv6/conf/all/disable_ipv6", "1")
    })
}
