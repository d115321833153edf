//! Faults of the network: what drops, rejects, routes wrongly or is not there.

use crate::certificates::Certificates;
use crate::lab::Node::{Client, Router, Second, Server};
use crate::peer::{self, Peer};
use crate::row::{
    Flow, Place, Row, bbdo, dns, http, https, ldap, mysql, ntp, smtp, snmp, ssh, tls,
};
use crate::servers;

/// Every fault of this file as each of the flows meets it.
pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = Vec::new();
    for flow in [ssh(), bbdo(), https()] {
        rows.extend(any(&flow));
        rows.extend(resets(&flow));
    }
    for flow in [ntp(), snmp(), dns()] {
        rows.extend(any(&flow));
    }
    for flow in [ssh(), bbdo(), smtp(), ntp(), snmp(), dns()] {
        rows.extend(losses(&flow));
    }
    for flow in [ssh(), ntp(), snmp(), tls(), http()] {
        rows.extend(unresolved(&flow));
    }
    let web = Peer::tcp(|mut stream| peer::serve_web(&mut stream, &|_| peer::OK.to_owned()));
    for (flow, healthy) in
        [(ntp(), peer::time(0, |_| {})), (http(), web), (bbdo(), servers::broker())]
    {
        rows.extend(half_resolved(&flow, &healthy));
    }
    for flow in [ssh(), bbdo(), https(), mysql()] {
        rows.extend(one_dead_path(&flow));
    }
    for flow in [ntp(), snmp(), dns()] {
        rows.push(one_dead_path_for_datagrams(&flow));
    }
    rows.extend(single());
    for flow in [smtp(), mysql()] {
        rows.push(bare_acknowledgements(&flow));
    }
    for flow in [ssh(), bbdo(), http()] {
        rows.push(astray(&flow));
    }
    for flow in [ssh(), ntp(), bbdo(), snmp()] {
        rows.extend(translated(&flow));
    }
    for (flow, redirected) in [(ssh(), 22), (bbdo(), 5669), (mysql(), 3306), (smtp(), 25)] {
        rows.extend(stand_ins(&flow, redirected));
    }
    rows.extend(others());
    rows.push(mtu(certificates));
    rows.extend(jumbo());
    rows.extend(holes());
    rows
}

/// What every question meets, an echo request too.
pub(crate) fn on_the_way(flow: &Flow) -> Vec<Row> {
    let row = |fault: &str, place| Row::new(fault, flow.clone()).at(place);
    let near = |fault: &str| row(fault, Place::Near);
    let router = "10.2.0.1";
    vec![
        near("dropped by the router")
            .rule(Router, "forward", "{flow} drop")
            .fails(SILENT)
            .says(router),
        near("dropped by the target")
            .rule(Server, "input", "{flow} drop")
            .fails(SILENT)
            .says(router),
        near("replies dropped by the router")
            .rule(Router, "forward", "{replies} drop")
            .fails(SILENT)
            .says(router),
        row("dropped by the first of two routers", Place::Far)
            .rule(Router, "forward", "{flow} drop")
            .fails(&["filtered-between"])
            .says("no further than 10.2.0.1")
            .says("10.9.0.2"),
        near("all to the host dropped by the router")
            .rule(Router, "forward", "{host} drop")
            .fails(&["host-silent-after"])
            .says(router),
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
            .fails(&["hop-limit-exceeded"])
            .says("routing loop"),
        row("hop limit set to 1 by the first of two routers", Place::Far)
            .rule(Router, "forward", "{host} ip ttl set 1")
            .fails(&["hop-limit-exceeded"])
            .says("10.2.0.1 (hop 1) had changed"),
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
        row("dropped by the router, IPv6", Place::Near6)
            .rule(Router, "forward", "{flow} drop")
            .fails(SILENT)
            .says("fd00:2::1"),
        row("admin-prohibited by the router, IPv6", Place::Near6)
            .rule(Router, "forward", "{flow} reject with icmpv6 admin-prohibited")
            .fails(&["path-rejected"])
            .says("fd00:2::1"),
    ]
}

/// TCP and UDP alike.
#[expect(clippy::too_many_lines)] // a list of rows
fn any(flow: &Flow) -> Vec<Row> {
    let row = |fault: &str, place| Row::new(fault, flow.clone()).at(place);
    let near = |fault: &str| row(fault, Place::Near);
    let router = "10.2.0.1";
    let mut rows = on_the_way(flow);
    rows.extend([
        near("replies dropped by the target")
            .rule(Server, "output", "{replies} drop")
            .fails(SILENT)
            .says(router),
        row("replies dropped by this host", Place::Alone)
            .peer(flow.answerer())
            .rule(Client, "input", "{replies} drop")
            .fails(&["reply-dropped-here"])
            .says("INPUT"),
        row("all that comes in dropped by this host", Place::Alone)
            .peer(flow.answerer())
            .rule(Client, "input", "iifname eth0 drop")
            .fails(&["reply-dropped-here"])
            .says("INPUT"),
        row("replies dropped by the reverse path filter", Place::Alone)
            .peer(flow.answerer())
            .sysctl(Client, "net/ipv4/conf/all/rp_filter", "1")
            .ip(
                Client,
                "link add spare type veth peer name spare-end
                 link set spare up
                 link set spare-end up
                 address add 10.7.0.7/24 dev spare
                 route add 10.0.0.3/32 dev spare
                 route add default via 10.2.0.1 src 10.2.0.7 table 9
                 rule add uidrange 65534-65534 table 9",
            )
            .fails(&["reply-dropped-here"])
            .says("reverse path filter"),
        row("dropped by the second of two routers", Place::Far)
            .rule(Second, "forward", "{flow} drop")
            .fails(SILENT)
            .says("10.9.0.2 (hop 2)"),
        // Silence of a host.
        row("all to the host dropped by the second router", Place::Far)
            .rule(Second, "forward", "{host} drop")
            .fails(&["host-silent-after"])
            .says("10.9.0.2"),
        near("blackhole route on the router")
            .ip(Router, "route add blackhole {server}")
            // It does not even tell that a packet's hops end there; that it is the next hop is known.
            .fails(&["host-silent-after"])
            .says(router),
        // Words of a device.
        near("prohibit route on the router")
            .ip(Router, "route add prohibit {server}")
            .fails(&["path-rejected"])
            .says(router),
        near("gateway that nobody has")
            .ip(Client, "route replace {server} via 10.2.0.250 src {client}")
            .fails(&["gateway-silent"])
            .says("10.2.0.250"),
        row("default gateway that nobody has, IPv6", Place::Alone)
            .to("fd00::3")
            .ip(Client, "route replace default via fd00:2::99")
            .fails(&["gateway-silent"])
            .says("fd00:2::99"),
        row("default gateway that nobody has", Place::Alone)
            .ip(Client, "route replace default via 10.2.0.99")
            .fails(&["gateway-silent"])
            .says("default via 10.2.0.99 dev eth0"),
        row("gateway that has died since it last answered", Place::Alone)
            .ip(
                Client,
                "neigh replace 10.2.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud stale
                 route replace default via 10.2.0.99",
            )
            .fails(&["gateway-silent"])
            .says("default via 10.2.0.99 dev eth0"),
        row("gateway that has died since it last answered, IPv6", Place::Alone)
            .to("fd00::3")
            .ip(
                Client,
                "neigh replace fd00:2::99 lladdr 02:00:00:00:00:99 dev eth0 nud stale
                 route replace default via fd00:2::99",
            )
            .fails(&["gateway-silent"])
            .says("default via fd00:2::99 dev eth0"),
        row("host of the own segment that has died since it last answered", Place::Segment)
            .ip(Client, "neigh replace {server} lladdr 02:00:00:00:00:98 dev eth0 nud stale")
            .fails(&["no-neighbour"])
            .says("10.2.0.0/24 dev eth0")
            .takes_time(),
        near("route that takes the target for a neighbour")
            .ip(Client, "route replace {server} dev eth0 src {client}")
            .fails(&["route-on-link"])
            .says("32 dev eth0"),
        row("route that takes the target for a neighbour, IPv6", Place::Near6)
            .ip(Client, "route replace {server} dev eth0 src {client}")
            .fails(&["route-on-link"])
            .says("128 dev eth0"),
        // This host.
        row("no default route", Place::Alone)
            .ip(Client, "route del default")
            .fails(&["no-route"])
            .says("no default route"),
        near("local prohibit route")
            .ip(Client, "route replace prohibit {server}")
            .fails(&["no-route"])
            .says("prohibit"),
        near("local blackhole route")
            .ip(Client, "route replace blackhole {server}")
            .fails(&["no-route"])
            .says("blackhole"),
        near("local unreachable route")
            .ip(Client, "route replace unreachable {server}")
            .fails(&["no-route"])
            .says("unreachable"),
        near("local OUTPUT reject, admin-prohibited")
            .rule(Client, "output", "{flow} reject with icmp admin-prohibited")
            .fails(&["local-firewall"]),
        near("closed port").on_closed().fails(&["port-closed"]),
        row("closed port, IPv6", Place::Near6).on_closed().fails(&["port-closed"]),
        row("admin-prohibited by the target, IPv6", Place::Near6)
            .rule(Server, "input", "{flow} reject with icmpv6 admin-prohibited")
            .fails(&["target-rejected"]),
        row("addr-unreachable by the router, IPv6", Place::Near6)
            .rule(Router, "forward", "{flow} reject with icmpv6 addr-unreachable")
            .fails(&["host-unreachable"])
            .says("fd00:2::1"),
        row("no-route by the router, IPv6", Place::Near6)
            .rule(Router, "forward", "{flow} reject with icmpv6 no-route")
            .fails(&["net-unreachable"])
            .says("fd00:2::1"),
    ]);
    for (word, at_router) in [
        ("host-prohibited", "path-rejected"),
        ("admin-prohibited", "path-rejected"),
        ("net-prohibited", "path-rejected"),
        ("host-unreachable", "host-unreachable"),
        ("net-unreachable", "net-unreachable"),
        ("port-unreachable", "path-rejected"),
    ] {
        let rule = format!("{{flow}} reject with icmp {word}");
        let codes: &'static [&'static str] = match at_router {
            "path-rejected" => &["path-rejected"],
            "host-unreachable" => &["host-unreachable"],
            _ => &["net-unreachable"],
        };
        let by_router = near(&format!("{word} by the router"));
        rows.push(by_router.rule(Router, "forward", &rule).fails(codes).says(router));
        let by_target = near(&format!("{word} by the target")).rule(Server, "input", &rule);
        rows.push(match (word, flow.is_udp()) {
            ("port-unreachable", true) => by_target
                .fails(&["port-closed"])
                .because("a UDP port that a rule rejects says what a closed one says"),
            _ => by_target.fails(&["target-rejected"]),
        });
    }
    rows
}

fn resets(flow: &Flow) -> Vec<Row> {
    let row = |fault: &str, place| Row::new(fault, flow.clone()).at(place);
    let near = |fault: &str| row(fault, Place::Near);
    let reset = "{flow} meta l4proto tcp reject with tcp reset";
    vec![
        near("RST by a rule of the router")
            .rule(Router, "forward", reset)
            .fails(&["path-reset"])
            .says("10.2.0.1 (hop 1)"),
        near("RST by a rule of the router, for all of TCP")
            .rule(Router, "forward", "{host} meta l4proto tcp reject with tcp reset")
            .fails(&["path-reset"])
            .says("10.2.0.1 (hop 1)"),
        near("RST by a rule of the router, for all of TCP, and no ping gets through")
            .rule(Router, "forward", "{host} meta l4proto tcp reject with tcp reset")
            .rule(Router, "forward", "{host} meta l4proto icmp drop")
            .fails(&["path-reset"])
            .says("10.2.0.1 (hop 1)"),
        row("RST by a rule of the router, for all of TCP, and no ping may be sent", Place::Alone)
            .sysctl(Client, "net/ipv4/ping_group_range", "1 0")
            .rule(Router, "forward", "{host} meta l4proto tcp reject with tcp reset")
            .fails(&["path-reset"])
            .says("10.2.0.1 (hop 1)"),
        row("RST by a rule of the router, IPv6", Place::Near6)
            .rule(Router, "forward", reset)
            .fails(&["path-reset"])
            .says("fd00:2::1 (hop 1)"),
        row("RST by a rule of the first of two routers", Place::Far)
            .rule(Router, "forward", reset)
            .fails(&["path-reset"])
            .says("10.2.0.1 (hop 1)"),
        row("RST by a rule of the first of two routers, for all of TCP", Place::Far)
            .rule(Router, "forward", "{host} meta l4proto tcp reject with tcp reset")
            .fails(&["path-reset"])
            .says("10.2.0.1 (hop 1)"),
        row("RST by a rule of the second of two routers", Place::Far)
            .rule(Second, "forward", reset)
            .fails(&["path-reset"])
            .says("10.9.0.2 (hop 2)"),
        near("RST by a rule of the router, before installation")
            .before_installation()
            .rule(Router, "forward", reset)
            .fails(&["path-reset"])
            .says("10.2.0.1 (hop 1)"),
        near("RST by a rule of the target")
            .rule(Server, "input", reset)
            .fails(&["port-closed"])
            .because(
                "a target's RST says the same whether a rule or a port without a listener made it",
            ),
        near("RST by a rule of this host").rule(Client, "output", reset).fails(&["local-firewall"]),
        near("RST by a rule of this host for its network interface alone")
            .rule(Client, "output", format!("oifname eth0 {reset}"))
            .fails(&["path-reset"])
            .says("before the first router"),
        row("closed port behind two routers", Place::Far).on_closed().fails(&["port-closed"]),
        row("closed port on the own segment", Place::Site)
            .on_closed()
            .to("10.2.0.1")
            .fails(&["port-closed"]),
    ]
}

/// A fifth of the packets, in one direction: the same ones each time, or any.
fn losses(flow: &Flow) -> Vec<Row> {
    let at_random = |fault: &str, which: &str| {
        Row::new(fault, flow.clone())
            .at(Place::Near)
            .rule(Router, "forward", format!("{which} numgen random mod 5 0 drop"))
            .left_to_chance(LOST)
    };
    let near = |fault: &str| Row::new(fault, flow.clone()).at(Place::Near);
    vec![
        near("every fifth packet is lost, the first one too")
            .rule(Router, "forward", "{flow} numgen inc mod 5 0 drop")
            .warns(LOST),
        near("every fifth reply is lost, the first one too")
            .rule(Router, "forward", "{replies} numgen inc mod 5 0 drop")
            .warns(LOST),
        at_random("a fifth of the packets is lost at random", "{flow}"),
        at_random("a fifth of the replies is lost at random", "{replies}"),
    ]
}

/// Loss shows itself by a late answer, a missing one, or a repeated segment.
const LOST: &[&str] = &["packet-loss", "answers-missing", "tcp-losses", "some-ports-dead"];

/// The load is shared over several paths by source port, and one of them is dead.
///
/// Linux connects from even ports, as long as there are any.
fn one_dead_path(flow: &Flow) -> [Row; 3] {
    let row = |fault: &str, place| {
        let row = Row::new(fault, flow.clone()).at(place).fails(&["one-path-dead"]);
        if flow.name == "mysql" { row.peer(peer::silent()) } else { row }
    };
    [
        row("one of two paths is dead, by source port", Place::Near)
            .rule(Router, "forward", "{tcp flow} tcp sport & 1 == 0 drop")
            .says("2 of 5 connections open"),
        row("one of two paths back is dead, by our port", Place::Near)
            .rule(Router, "forward", "{tcp replies} tcp dport & 1 == 0 drop")
            .says("2 of 5 connections open"),
        row("three of four paths are dead, by source port", Place::Far)
            .rule(Second, "forward", "{tcp flow} tcp sport & 3 != 1 drop")
            .says("1 of 5 connections opens"),
    ]
}

/// Over UDP our ports are random: the first question may be lost, and the second one, from the port
/// next to it, goes the other way.
fn one_dead_path_for_datagrams(flow: &Flow) -> Row {
    Row::new("one of two paths is dead, by source port", flow.clone())
        .at(Place::Near)
        .rule(Router, "forward", "ip daddr {server} udp dport {port} udp sport & 1 == 1 drop")
        .left_to_chance(LOST)
}

/// Faults that only some flows meet.
fn single() -> Vec<Row> {
    let two = "{server} two-addresses.example.test\n10.0.250.250 two-addresses.example.test";
    let both = "{server} both-families.example.test\nfd00::dead both-families.example.test";
    let refused = "{server} one-refused.example.test\n10.0.250.251 one-refused.example.test";
    vec![
        Row::new("two addresses, one dead", ssh().to("two-addresses.example.test"))
            .at(Place::Near)
            .hosts(two)
            .warns(&["some-addresses-fail"])
            .says("10.0.250.250"),
        Row::new("two addresses, one rejected", ssh().to("one-refused.example.test"))
            .at(Place::Near)
            .hosts(refused)
            .rule(Router, "forward", "ip daddr 10.0.250.251 reject with icmp admin-prohibited")
            .warns(&["some-addresses-fail"])
            .says("10.0.250.251"),
        Row::new("IPv6 broken with IPv4 fine", ssh().to("both-families.example.test"))
            .at(Place::Near)
            .hosts(both)
            .rule(Router, "forward", "ip6 daddr fd00::dead drop")
            .warns(&["some-addresses-fail"])
            .says("fd00::dead"),
    ]
}

/// Names that cannot be resolved, whoever asks for them.
fn unresolved(flow: &Flow) -> Vec<Row> {
    let row = |fault: &str, host| Row::new(fault, flow.clone().to(host));
    let by = |fault: &str, server: &str| {
        row(fault, "www.example.test")
            .at(Place::Alone)
            .resolver(format!("nameserver {server}\noptions timeout:1 attempts:1\n"))
            .says(server)
    };
    let refused = |fault: &str, server: &str| by(fault, server).fails(&["name-server-unreachable"]);
    let failed = |fault: &str, server: &str| by(fault, server).fails(&["resolver-failed"]);
    vec![
        row("name that does not exist", "nobody.example.test").fails(&["name-not-found"]),
        row("name without an address", "example.test").fails(&["name-without-address"]),
        row("alias that leads nowhere", "alias.example.test")
            .fails(&["alias-broken"])
            .says("gone.example.test"),
        row("aliases in a circle", "circle.example.test")
            .fails(&["resolver-failed"])
            .says("fails to find out (SERVFAIL)"),
        row("an address of this machine's own, without a listener", "own.example.test")
            .hosts("10.2.0.7 own.example.test\n")
            .fails(&["closed-here"])
            .says("is this machine itself"),
        row("an answer too large for UDP, and TCP 53 is closed", "www.example.test")
            .at(Place::Alone)
            .resolver("nameserver 10.0.0.3\noptions timeout:1 attempts:1\n")
            .beside(53, peer::names_cut_short())
            .fails(&["resolver-failed"])
            .says("too large for UDP, and over TCP: nothing listens on 10.0.0.3:53"),
        row("a peer's name is this machine, by its hosts file", "loops.example.test")
            .hosts("127.0.1.1 loops.example.test\n")
            .fails(&["name-is-loopback"])
            .says("127.0.1.1 (/etc/hosts:"),
        row("no name server at all", "www.example.test")
            .at(Place::Alone)
            .resolver("options timeout:1 attempts:1\n")
            .fails(&["no-name-server"]),
        row("a distribution's name, and private DNS", "2.debian.pool.ntp.org")
            .at(Place::Alone)
            .resolver("nameserver 10.0.0.3\n")
            .beside(53, peer::names(3, true))
            .fails(&["no-internet-names"]),
        row("a distribution's name, and DNS that refuses", "2.debian.pool.ntp.org")
            .at(Place::Alone)
            .resolver("nameserver 10.0.0.3\n")
            .beside(53, peer::names(5, true))
            .fails(&["no-internet-names"]),
        refused("resolver is down", "10.0.0.77").says("10.2.0.1 says the host"),
        refused("no resolver listens", "10.0.0.3").says("nothing listens"),
        refused("no route to the resolver", "10.0.0.53")
            .ip(Client, "route del default")
            .says("no route to the name server 10.0.0.53"),
        refused("resolver behind a gateway that nobody has", "10.0.0.3")
            .ip(Client, "route replace default via 10.2.0.99")
            .says("the gateway 10.2.0.99 does not answer"),
        refused("resolver rejected by the router", "10.0.0.3")
            .rule(Router, "forward", "udp dport 53 reject with icmp admin-prohibited")
            .says("rejected by 10.2.0.1"),
        failed("resolver dropped by the router", "10.0.0.3")
            .rule(Router, "forward", "udp dport 53 drop")
            .says("no answer"),
        failed("resolver that refuses", "10.0.0.3")
            .beside(53, peer::names(5, true))
            .says("refuses to answer this host (REFUSED)"),
        failed("resolver that fails", "10.0.0.3")
            .beside(53, peer::names(2, true))
            .says("fails to find out (SERVFAIL)"),
    ]
}

/// Names that are resolved though their server does not answer all that getaddrinfo asks.
fn half_resolved(flow: &Flow, healthy: &Peer) -> [Row; 2] {
    let row = |fault: &str, rcode| {
        Row::new(fault, flow.clone().to("www.example.test"))
            .at(Place::Alone)
            .peer(healthy.clone())
            .resolver("nameserver 10.0.0.3\n")
            .beside(53, peer::names_of_ipv4([10, 0, 0, 3], rcode))
    };
    [
        row("resolver that answers no AAAA", None)
            .warns(&["name-slow"])
            .says("no answer for IPv6 (AAAA)"),
        // getent has the address at once.
        row("resolver that fails on AAAA", Some(2)),
    ]
}

fn mtu(certificates: &Certificates) -> Row {
    Row::new("MTU black hole", https())
        .at(Place::Near)
        .peer(peer::secure_web(certificates.large(), |_| peer::OK.to_owned()))
        // A row's own source address is the router's way to it.
        .ip(Router, "route add {client} dev client mtu lock 1400")
        // What a network card does, a pair of virtual ones leaves out: it cuts a flight into packets.
        .ip(Server, "link set eth0 gso_max_segs 1")
        .rule(Router, "output", "ip daddr {server} icmp type destination-unreachable drop")
        .fails(&["mtu-black-hole"])
}

/// Large packets are lost without a word, our own or the peer's.
fn holes() -> Vec<Row> {
    let row = |fault: &str, flow: Flow, peer: Option<Peer>| {
        let row = Row::new(fault, flow).at(Place::Near);
        match peer {
            Some(peer) => row.peer(peer),
            None => row,
        }
    };
    let flows = || [(ssh(), None), (bbdo(), Some(servers::broker())), (ldap(), None)];
    let mut rows = Vec::new();
    for (flow, peer) in flows() {
        rows.push(
            row("our large packets are lost", flow.clone(), peer.clone())
                .rule(Router, "forward", "{tcp flow} ip length > 1000 drop")
                .fails(&["mtu-black-hole"])
                .says("from here"),
        );
        // Both ends keep to what the handshake says.
        let healthy = row("large packets are lost, and MSS 536", flow, peer)
            .ip(Client, "link set eth0 gso_max_segs 1")
            .ip(Server, "link set eth0 gso_max_segs 1")
            .rule(Router, "forward", "{tcp flow} tcp flags syn tcp option maxseg size set 536")
            .rule(Router, "forward", "{tcp replies} tcp flags syn tcp option maxseg size set 536")
            .rule(Router, "forward", "{tcp flow} ip length > 1000 drop")
            .rule(Router, "forward", "{tcp replies} ip length > 1000 drop");
        rows.push(match healthy.flow.name {
            "ldap" => healthy.warns(&["ldap-not-bound", "certificate-unverified"]),
            _ => healthy,
        });
    }
    for (flow, peer) in flows() {
        rows.push(
            row("our large packets draw a RST from the router", flow, peer)
                .rule(Router, "forward", "{tcp flow} ip length > 1000 reject with tcp reset")
                .fails(&["cut-off"])
                .says("10.2.0.1 (hop 1)"),
        );
    }
    for (flow, peer) in [(ssh(), None), (ldap(), None), (smtp(), None)] {
        rows.push(
            row("the peer's large packets are lost", flow, peer)
                .rule(Router, "forward", "{tcp replies} ip length > 1000 drop")
                .fails(&["mtu-black-hole"])
                .says("from the peer"),
        );
    }
    rows
}

/// Both ends take packets of 9,000 bytes; of what is between them, one that does not.
fn jumbo() -> Vec<Row> {
    let row = |fault: &str, flow: Flow, peer: Peer| {
        Row::new(fault, flow)
            .at(Place::Alone)
            .peer(peer)
            .ip(Client, "link set eth0 mtu 9000")
            .ip(Router, "link set client mtu 9000\nlink set server mtu 9000")
            .ip(Server, "link set eth0 mtu 9000")
    };
    let broken = [(bbdo(), servers::broker()), (ldap(), peer::directory(0, ""))];
    let mut rows: Vec<Row> = broken
        .into_iter()
        .map(|(flow, peer)| {
            row("jumbo frames at both ends, and none between them", flow, peer)
                .rule(Router, "forward", "ip length > 1500 drop")
                .fails(&["mtu-black-hole"])
                .says("from here")
        })
        .collect();
    rows.push(row("healthy, jumbo frames", bbdo(), servers::broker()));
    rows
}

/// What acknowledges and says nothing is lost: the last packet of the handshake too.
fn bare_acknowledgements(flow: &Flow) -> Row {
    let bare = "{tcp flow} tcp flags & (fin|syn|rst|psh|ack) == ack ip length < 80 drop";
    Row::new("our bare acknowledgements are dropped by the router", flow.clone())
        .at(Place::Near)
        .peer(peer::silent())
        .rule(Router, "forward", bare)
        .fails(&["acknowledgements-lost"])
        .says("what we acknowledge does not reach the peer")
}

/// A translation that works one way only.
fn astray(flow: &Flow) -> Row {
    Row::new("answers come from another address, over TCP", flow.clone())
        .at(Place::Alone)
        .peer(peer::silent())
        .rule(Router, "forward", "{tcp replies} ip saddr set 10.0.0.200")
        .fails(&["answers-astray"])
        .says("from another address or port")
}

/// The router accepts in the target's name; nobody who would answer is behind it.
fn stand_ins(flow: &Flow, port: u16) -> [Row; 2] {
    let redirect = format!("tcp dport {port} redirect to :7");
    [("and stays silent", peer::silent()), ("and closes", peer::closes())].map(|(what, peer)| {
        Row::new(format!("the router accepts in the target's name, {what}"), flow.clone())
            .at(Place::Alone)
            .rule(Router, "prerouting", redirect.clone())
            .at_router(7, peer)
            .fails(&["accepted-on-the-way"])
            .says("10.2.0.1 (hop 1)")
    })
}

/// Whoever translates the address leads to nobody.
fn translated(flow: &Flow) -> [Row; 2] {
    let row = |fault: &str| Row::new(fault, flow.clone()).at(Place::Alone).takes_time();
    [
        row("a rule of this host leads to a host that is not there")
            .rule(Client, "of-our-own", "ip daddr 10.0.0.3 dnat ip to 10.2.0.99")
            .fails(&["nobody-behind-its-name"]),
        row("answers that an IPsec policy of this host forbids")
            .peer(flow.answerer())
            .ip(Client, "xfrm policy add src 10.0.0.3/32 dir in action block")
            .fails(&["reply-dropped-here"])
            .says("an IPsec policy"),
    ]
}

/// Other flows, to see that what holds for one holds for all.
fn others() -> Vec<Row> {
    [smtp(), http()]
        .into_iter()
        .flat_map(|flow| {
            let near = |fault: &str| Row::new(fault, flow.clone()).at(Place::Near);
            [
                near("dropped by the router")
                    .rule(Router, "forward", "{flow} drop")
                    .fails(SILENT)
                    .says("10.2.0.1"),
                near("admin-prohibited by the router")
                    .rule(Router, "forward", "{flow} reject with icmp admin-prohibited")
                    .fails(&["path-rejected"])
                    .says("10.2.0.1"),
                near("closed port").on_closed().fails(&["port-closed"]),
            ]
        })
        .collect()
}

/// Nothing answers, and the host is there: the last device that named itself is told.
const SILENT: &[&str] = &["port-silent-after"];

impl Row {
    fn before_installation(mut self) -> Self {
        self.flow = self.flow.with(&["--phase", "before"]);
        self
    }

    pub(crate) fn to(mut self, host: &'static str) -> Self {
        self.flow = self.flow.to(host);
        self
    }

    /// Asks on a port where nobody listens.
    fn on_closed(mut self) -> Self {
        self.flow.port = CLOSED;
        self
    }
}

impl Flow {
    /// Answers anything: nobody is to hear it.
    fn answerer(&self) -> Peer {
        let says = Peer::udp(|_| Some(b"heard".to_vec()));
        if self.is_udp() { says } else { peer::silent() }
    }

    fn is_udp(&self) -> bool {
        ["ntp", "snmp", "dns"].contains(&self.scheme)
    }
}

const CLOSED: u16 = 9;
