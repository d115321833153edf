//! Wrong targets before installation: what the installation does not bring must be there already,
//! and what it brings may be closed.

use crate::lab::Node::Router;
use crate::peer::Peer;
use crate::row::{
    Flow, Place, Row, bare_snmp, bbdo, dns, http, ldap, nsclient, ntp, smtp, ssh, zmq,
};

/// A flow of a role, the flag that names its target, and the target with the address in it.
type Asked = (&'static str, Flow, &'static str, &'static str);

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for role in ["poller", "central"] {
        for asked in targets(role) {
            rows.extend(wrong(role, &asked));
        }
    }
    rows.extend(platform());
    rows
}

fn targets(role: &str) -> Vec<Asked> {
    let place = "ADDRESS";
    let mut targets = vec![
        ("ntp", ntp(), "--ntp", place),
        ("dns", dns(), "--dns", place),
        ("smtp", smtp(), "--smtp", place),
        ("http", http(), "--http", "http://ADDRESS/"),
    ];
    match role {
        "central" => targets.push(("ldap", ldap(), "--ldap", "ldap://ADDRESS")),
        _ => targets.extend([
            ("snmp", bare_snmp(), "--device", place),
            ("nsclient", nsclient(), "--nsclient", place),
        ]),
    }
    targets
}

/// A port where nobody listens, one that a firewall drops, one where another service answers.
fn wrong(role: &'static str, asked: &Asked) -> Vec<Row> {
    let (flow, target) = (&asked.1, |address: &str| asked.3.replace("ADDRESS", address));
    let is_udp = ["ntp", "dns", "snmp"].contains(&flow.scheme);
    let row = |fault: &str, address: &str| {
        let only = format!("{role}.{}", asked.0);
        let args =
            ["--role", role, "--phase", "before", "--only", &only, asked.2, &target(address)];
        Row::new(format!("{fault}, before installation of a {role}"), flow.clone().with(&args))
    };
    let other = if is_udp {
        row("another service at the target", "10.0.0.3:{port}")
            .peer(Peer::udp(|_| Some(b"who are you?".to_vec())))
            .fails(&["bad-reply"])
    } else {
        row("another service at the target", "10.0.0.3:22").fails(&["wrong-service"]).says("SSH")
    };
    let dropped = row("target dropped by the router", "{server}:{port}").at(Place::Near).rule(
        Router,
        "forward",
        "{flow} drop",
    );
    vec![
        // An address of its own: a host says of a few closed ports only, and then waits a second.
        row("closed port of the target", "{server}:9")
            .at(Place::Near)
            .fails(&["port-closed"])
            .says(":9"),
        match flow.scheme {
            // Nobody has given a community: silence may be the agent's.
            "snmp" => dropped.unknown(&["snmp-silent"]),
            _ => dropped.fails(&["port-silent-after"]).says("10.2.0.1"),
        },
        other,
    ]
}

/// What the installation brings waits with a closed port, and with nothing else.
fn platform() -> Vec<Row> {
    let flows = [
        ("poller", "bbdo", bbdo(), "--central"),
        ("central", "zmq", zmq(), "--poller"),
        ("central", "ssh", ssh(), "--poller"),
    ];
    let each = |(role, id, flow, flag): (&str, &str, Flow, &str)| {
        let row = |fault: &str, address: &str| {
            let only = format!("{role}.{id}");
            let args = ["--role", role, "--phase", "before", "--only", &only, flag, address];
            Row::new(fault, flow.clone().with(&args))
        };
        [
            row("closed port of the platform, before installation", "10.0.0.3:9")
                .warns(&["path-open"]),
            row(
                "port of the platform dropped by the router, before installation",
                "{server}:{port}",
            )
            .at(Place::Near)
            .rule(Router, "forward", "{flow} drop")
            .fails(&["port-silent-after"])
            .says("10.2.0.1"),
            row("another service on a port of the platform, before installation", "10.0.0.3:25")
                .fails(&["wrong-service"])
                .says("SMTP"),
        ]
    };
    flows.into_iter().flat_map(each).collect()
}
