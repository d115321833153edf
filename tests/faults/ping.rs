//! Faults of the network as an echo request meets them.

use crate::lab::Node::{Client, Router, Server};
use crate::network::on_the_way;
use crate::row::{Place, Row, icmp};

pub(crate) fn rows() -> Vec<Row> {
    let row = |fault: &str, place| Row::new(fault, icmp()).at(place);
    let near = |fault: &str| row(fault, Place::Near);
    let router = "10.2.0.1";
    let mut rows = vec![
        near("healthy, behind a router"),
        row("healthy, behind two routers", Place::Far),
        row("healthy, IPv6", Place::Near6),
        near("admin-prohibited by the router")
            .rule(Router, "forward", "{flow} reject with icmp admin-prohibited")
            .fails(&["path-rejected"])
            .says(router),
        near("port-unreachable by the target")
            .rule(Server, "input", "{flow} reject with icmp port-unreachable")
            .fails(&["target-rejected"])
            // Its distance is measured with pings, and a kernel rejects few of these in a second.
            .takes_time(),
        row("no group may send echo requests", Place::Alone)
            .sysctl(Client, "net/ipv4/ping_group_range", "1 0")
            .unknown(&["ping-not-permitted"])
            .because("nothing was sent, which says nothing of the host"),
    ];
    rows.extend(on_the_way(&icmp()).into_iter().map(|row| match row.fault.as_str() {
        "dropped by the router" => row.says("echo requests get as far"),
        _ => row,
    }));
    rows
}
