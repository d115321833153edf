//! Faults of the network as an echo request meets them.

use crate::lab::Node::{Client, Router, Second, Server};
use crate::row::{Place, Row, icmp};

pub(crate) fn rows() -> Vec<Row> {
    let row = |fault: &str, place| Row::new(fault, icmp()).at(place);
    let near = |fault: &str| row(fault, Place::Near);
    let router = "10.2.0.1";
    vec![
        near("healthy, behind a router"),
        row("healthy, behind two routers", Place::Far),
        row("healthy, IPv6", Place::Near6),
        near("dropped by the router")
            .rule(Router, "forward", "{flow} drop")
            .fails(SILENT)
            .says(router)
            .says("echo requests get as far"),
        near("dropped by the target")
            .rule(Server, "input", "{flow} drop")
            .fails(SILENT)
            .says(router),
        near("replies dropped by the router")
            .rule(Router, "forward", "{replies} drop")
            .fails(SILENT)
            .says(router),
        row("dropped by the router, IPv6", Place::Near6)
            .rule(Router, "forward", "{flow} drop")
            .fails(SILENT)
            .says("fd00:2::1"),
        row("dropped by the first of two routers", Place::Far)
            .rule(Router, "forward", "{flow} drop")
            .fails(&["filtered-between"])
            .says("no further than 10.2.0.1")
            .says("10.9.0.2"),
        near("all to the host dropped by the router")
            .rule(Router, "forward", "{host} drop")
            .fails(&["host-silent-after"])
            .says(router),
        near("admin-prohibited by the router")
            .rule(Router, "forward", "{flow} reject with icmp admin-prohibited")
            .fails(&["path-rejected"])
            .says(router),
        row("admin-prohibited by the router, IPv6", Place::Near6)
            .rule(Router, "forward", "{flow} reject with icmpv6 admin-prohibited")
            .fails(&["path-rejected"])
            .says("fd00:2::1"),
        near("port-unreachable by the target")
            .rule(Server, "input", "{flow} reject with icmp port-unreachable")
            .fails(&["target-rejected"])
            // Its distance is measured with pings, and a kernel rejects few of these in a second.
            .takes_time(),
        near("unreachable route on the router")
            .ip(Router, "route add unreachable {server}")
            .fails(&["host-unreachable"])
            .says(router),
        near("no route on the router")
            .ip(Router, "route add throw {server}")
            .fails(&["net-unreachable"])
            .says(router),
        row("routing loop", Place::Far)
            .ip(Second, "route add {server} via 10.9.0.1")
            .fails(&["hop-limit-exceeded"]),
        row("host down behind the router", Place::Nobody)
            .fails(&["host-unreachable"])
            .says(router)
            .takes_time(),
        row("host down on the own segment", Place::Segment)
            .fails(&["no-neighbour"])
            .says("10.2.0.0/24 dev eth0"),
        near("no local route").ip(Client, "route replace throw {server}").fails(&["no-route"]),
        near("local OUTPUT drop")
            .rule(Client, "output", "{flow} drop")
            .fails(&["local-firewall"])
            .takes_time(),
        near("local OUTPUT reject")
            .rule(Client, "output", "{flow} reject")
            .fails(&["local-firewall"]),
        row("no group may send echo requests", Place::Alone)
            .sysctl(Client, "net/ipv4/ping_group_range", "1 0")
            .unknown(&["ping-not-permitted"])
            .because("nothing was sent, which says nothing of the host"),
    ]
}

const SILENT: &[&str] = &["port-silent-after"];
