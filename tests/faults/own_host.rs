//! Faults of this host itself that look like another's: its links, its addresses, its settings.

use crate::lab::Node::{Client, Router};
use crate::row::{Flow, Place, Row, bare_snmp, bbdo, http, ntp, smtp, ssh};

pub(crate) fn rows() -> Vec<Row> {
    let flows = [ssh(), bbdo(), ntp(), bare_snmp()];
    let mut rows: Vec<Row> = flows.iter().flat_map(links).collect();
    rows.extend(flows.iter().flat_map(settings));
    rows.extend([ssh(), smtp(), http(), ntp()].iter().map(no_port));
    rows.extend([ssh(), smtp(), http(), ntp()].iter().map(by_source));
    rows.extend([ssh(), ntp()].iter().map(comes_back));
    rows.extend(flows.iter().map(no_tunnel));
    rows.extend(flows.iter().flat_map(policies));
    rows
}

fn row(fault: &str, flow: &Flow) -> Row {
    Row::new(fault, flow.clone()).at(Place::Alone)
}

fn links(flow: &Flow) -> Vec<Row> {
    vec![
        row("no carrier", flow)
            .ip(Router, "link set client down")
            .fails(&["link-down"])
            .says("eth0 has no carrier"),
        row("the only interface is off", flow)
            .ip(Client, "link set eth0 down")
            .fails(&["link-down"])
            .says("eth0 is switched off"),
        row("the loopback interface is off", flow)
            .to("127.0.0.1")
            .ip(Client, "link set lo down")
            .fails(&["link-down"])
            .says("lo is switched off"),
        row("link address of the gateway set by hand, and wrong", flow)
            .ip(Client, "neigh replace 10.2.0.1 dev eth0 lladdr 02:00:00:00:00:99 nud permanent")
            .fails(&["neighbour-by-hand"])
            .says("10.2.0.1")
            .says("02:00:00:00:00:99 on eth0"),
        row("no IPv6 address but that of the link", flow)
            .to("fd00::3")
            .ip(Client, "address del fd00:2::7/64 dev eth0")
            .fails(&["source-unusable"])
            .says("fe80::"),
    ]
}

fn settings(flow: &Flow) -> Vec<Row> {
    vec![
        row("own hop limit of 1", flow)
            .sysctl(Client, "net/ipv4/ip_default_ttl", "1")
            .fails(&["hop-limit-too-low"])
            .says("hop limit of 1")
            .says("10.2.0.1"),
        row("own hop limit of 1, IPv6", flow)
            .to("fd00::3")
            .sysctl(Client, "net/ipv6/conf/eth0/hop_limit", "1")
            .fails(&["hop-limit-too-low"])
            .says("hop limit of 1"),
        row("IPv6 switched off here", flow)
            .to("fd00::3")
            .sysctl(Client, "net/ipv6/conf/all/disable_ipv6", "1")
            .fails(&["no-route"])
            .says("IPv6 is switched off"),
    ]
}

fn no_port(flow: &Flow) -> Row {
    row("no port of this host is free", flow)
        .sysctl(Client, "net/ipv4/ip_local_port_range", "40000 40001")
        .sysctl(Client, "net/ipv4/ip_local_reserved_ports", "40000-40001")
        .fails(&["no-free-port"])
        .says("40000 40001")
}

/// The kernel chooses an address, and a rule for that one chooses another way.
fn by_source(flow: &Flow) -> Row {
    let way = "route add default via 10.2.0.99 table 9\nrule add from 10.2.0.7 table 9";
    row("gateway of a routing rule by source, which nobody has", flow)
        .ip(Client, way)
        .fails(&["gateway-silent"])
        .says("10.2.0.99")
}

fn no_tunnel(flow: &Flow) -> Row {
    let policy = "xfrm policy add dst 10.0.0.3/32 dir out \
                  tmpl src 10.2.0.7 dst 10.2.0.1 proto esp mode tunnel";
    row("an IPsec policy without its tunnel", flow).ip(Client, policy).fails(&["ipsec-down"])
}

/// What forbids packets, and is no firewall.
fn policies(flow: &Flow) -> Vec<Row> {
    let rule = |word: &str, of: &str| {
        row(&format!("a routing rule of this host, {word}, by {of}"), flow)
            .fails(&["held-by-rule"])
            .says(word)
    };
    let over = if ["ntp", "snmp"].contains(&flow.scheme) { "udp" } else { "tcp" };
    vec![
        rule("prohibit", "address")
            .ip(Client, "rule add to 10.0.0.0/24 priority 77 prohibit")
            .says("77: from all to 10.0.0.0/24 prohibit"),
        rule("unreachable", "protocol")
            .ip(Client, format!("rule add ipproto {over} priority 77 unreachable"))
            .says(format!("77: from all ipproto {over} unreachable")),
        rule("blackhole", "port")
            .ip(Client, format!("rule add ipproto {over} dport {} blackhole", flow.port)),
        rule("prohibit", "user").ip(Client, "rule add uidrange 65534-65534 prohibit"),
        row("an IPsec policy that forbids", flow)
            .ip(Client, "xfrm policy add dst 10.0.0.3/32 dir out action block")
            .fails(&["ipsec-blocks"]),
        row("own rules that let no neighbour discovery out", flow)
            .to("fd00::3")
            .rule(Client, "output", "icmpv6 type nd-neighbor-solicit drop")
            .fails(&["local-firewall"])
            .says("ICMPv6 135")
            // The kernel asks for the neighbour three times, a second apart.
            .takes_time(),
        row("the broadcast address of the own segment", flow)
            .to("10.2.0.255")
            .fails(&["not-a-host"])
            .says("broadcast"),
        row("a multicast address", flow)
            .to("224.0.0.9")
            .fails(&["not-a-host"])
            .says("a multicast address"),
    ]
}

/// What comes back to a host that forwards is dropped by it, and is no answer.
fn comes_back(flow: &Flow) -> Row {
    row("the router sends our packets back to this host, which forwards", flow)
        .to("10.66.0.5")
        .ip(Router, "route add 10.66.0.0/16 via 10.2.0.7")
        .sysctl(Client, "net/ipv4/ip_forward", "1")
        .fails(&["host-silent-after"])
        .says("10.2.0.1")
}
