//! The same namespaces without a fault: nothing fails, and nothing is even worth a word.

use crate::certificates::Certificates;
use crate::lab::servers::{LDAP_USER, SNMP_USER};
use crate::platform::healthy_windows;
use crate::row::{
    Place, Row, bare_snmp, bbdo, dns, http, https, ldap, ldaps, ntp, smtp, snmp, ssh, tls, zmq,
};

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
    // Net-SNMP answers from the server's first IPv6 address, whichever was asked.
    rows.push(Row::new("healthy, IPv6", snmp().to("fd00::3")));
    for flow in [ssh(), http(), dns()] {
        rows.push(Row::new("healthy, IPv6", flow).at(Place::Near6));
    }
    rows
}
