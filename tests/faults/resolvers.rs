//! Real resolvers that do not answer as they might: unbound and dnsmasq, each on a port of its own
//! at the site's server, behind them its BIND.

use std::path::Path;

use crate::lab::Node::Router;
use crate::lab::servers::unconfined;
use crate::lab::{Lab, Node, Port, SERVER};
use crate::peer;
use crate::row::{Flow, Place, Row, dns, http, https, ntp, snmp, ssh};

/// Records of `example.test` that these rows ask for, besides those of a healthy site.
pub(crate) const RECORDS: &str = "alias.example.test. CNAME gone.example.test.
    text TXT none
    empty CNAME text
    circle CNAME circle2
    circle2 CNAME circle
    private A 10.0.0.3
    sinkhole A 0.0.0.0
    lost-on-the-way A 10.0.0.3
    7.0.2.10.bl A 127.0.0.2";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        asks("BIND, an alias of a name that does not exist", 53, "alias.example.test")
            .fails(&["alias-broken"])
            .says("gone.example.test"),
        asks("BIND, an alias of a name without an address", 53, "empty.example.test")
            .fails(&["alias-broken"])
            .says("text.example.test"),
        asks("BIND, aliases in a circle", 53, "circle.example.test").fails(&["dns-servfail"]),
        asks("BIND, 0.0.0.0", 53, "sinkhole.example.test")
            .fails(&["name-is-nobody"])
            .says("0.0.0.0"),
        asks("unbound, local-zone static", 5401, "static.test").fails(&["dns-name-not-found"]),
        asks("unbound, local-zone always_nxdomain", 5401, "denied.test")
            .fails(&["dns-name-not-found"]),
        asks("unbound, local-zone refuse", 5401, "refused.test").fails(&["dns-refused"]),
        asks("unbound, local-zone deny", 5401, "dropped.test").fails(&["dns-unanswered"]),
        asks("unbound, local-zone always_nodata", 5401, "empty.test")
            .fails(&["dns-name-without-address"]),
        asks("unbound, local-zone always_null", 5401, "blocked.test")
            .fails(&["name-is-nobody"])
            .says("0.0.0.0"),
        asks("unbound, aliases in a circle", 5401, "circle.example.test").fails(&["dns-servfail"]),
        asks("unbound, an alias of a name that does not exist", 5401, "alias.example.test")
            .fails(&["alias-broken"])
            .says("gone.example.test"),
        asks("unbound, private-address", 5402, "private.example.test")
            .fails(&["dns-name-without-address"]),
        asks("unbound, forwarder dead", 5403, "www.example.test")
            .fails(&["dns-servfail", "dns-unanswered"])
            .because("unbound gives up on its forwarder after a while, or has not yet"),
        Row::new("names are asked for over TCP alone, which the router drops", ssh())
            .at(Place::Alone)
            .to("www.example.test")
            .resolver("options use-vc\nnameserver 10.0.0.3\n")
            .beside(53, peer::names_of_ipv4([10, 0, 0, 3], None))
            .rule(Router, "forward", "tcp dport 53 drop")
            .fails(&["resolver-failed"])
            .says("no answer"),
        Row::new("unbound, forwarder dead, and no name known", dns().on(5403))
            .unknown(&["dns-no-name-asked"]),
        // It hands on whatever it is asked, and so never shows that it answers anything.
        Row::new("dnsmasq, forwarder dead, and no name known", dns().on(5502))
            .fails(&["dns-unanswered"]),
        Row::new("unbound, access-control deny, and no name known", dns().on(5405))
            .fails(&["dns-unanswered"]),
        asks("unbound, access-control refuse", 5404, "www.example.test").fails(&["dns-refused"]),
        asks("unbound, access-control deny", 5405, "www.example.test").fails(&["dns-unanswered"]),
        asks("unbound, a signature that is bogus", 5406, "www.example.test")
            .fails(&["dns-validation"]),
        asks("unbound, access-control refuse_non_local", 5407, "www.example.test")
            .fails(&["dns-refused"]),
        asks("dnsmasq, stop-dns-rebind", 5501, "private.example.test")
            .fails(&["dns-name-without-address"]),
        asks("dnsmasq, forwarder dead", 5502, "www.example.test").fails(&["dns-unanswered"]),
        asks("dnsmasq, no forwarder", 5503, "www.example.test").fails(&["dns-refused"]),
        asks("dnsmasq, local=", 5504, "www.example.test").fails(&["dns-name-not-found"]),
        asks("dnsmasq, address= to 0.0.0.0", 5504, "www.blocked.test")
            .fails(&["name-is-nobody"])
            .says("0.0.0.0"),
        asks("healthy, unbound", 5408, "www.example.test"),
        asks("healthy, dnsmasq", 5505, "www.example.test"),
    ];
    for flow in [ssh(), ntp(), snmp(), http()] {
        rows.push(
            Row::new("BIND, and the router drops AAAA", flow.to("lost-on-the-way.example.test"))
                // Type 28, behind a name of 30 bytes.
                .rule(Router, "forward", "udp dport 53 @th,400,16 28 drop")
                .warns(&["name-slow"])
                .says("10.0.0.3; no answer for IPv6 (AAAA)"),
        );
    }
    // It asks its forwarder again and again before it says SERVFAIL itself.
    for flow in [ssh(), ntp(), http()] {
        rows.push(
            Row::new("BIND, and its forwarder fails on AAAA", flow.to("www.half.test"))
                .warns(&["name-slow"])
                .says("no answer for IPv6 (AAAA)"),
        );
    }
    for flow in [ssh(), ntp(), https()] {
        rows.push(
            Row::new("0.0.0.0 in /etc/hosts", flow.to("nowhere.example.test"))
                .hosts("0.0.0.0 nowhere.example.test")
                .fails(&["name-is-nobody"])
                .says("/etc/hosts:"),
        );
    }
    rows
}

/// The poller's question to the server on `port`: its central by name.
fn asks(fault: &str, port: u16, central: &str) -> Row {
    let server = format!("{SERVER}:{port}");
    let role = ["--role", "poller", "--only", "poller.dns", "--dns", &server, "--central", central];
    let flow: Flow = dns().on(port).with(&role);
    Row::new(fault, flow)
}

pub(crate) fn unbound(lab: &Lab) {
    let program = unconfined(lab, "unbound");
    let all = "access-control: 10.2.0.0/16 allow";
    for (port, lines) in [
        (
            5401,
            format!(
                "{all}
                 local-zone: static.test static
                 local-zone: denied.test always_nxdomain
                 local-zone: refused.test refuse
                 local-zone: dropped.test deny
                 local-zone: empty.test always_nodata
                 local-zone: blocked.test always_null"
            ),
        ),
        (5402, format!("{all}\nprivate-address: 10.0.0.0/8")),
        (5403, all.to_owned()),
        (5404, "access-control: 10.2.0.0/16 refuse".to_owned()),
        (5405, "access-control: 10.2.0.0/16 deny".to_owned()),
        (
            5406,
            format!(
                "{all}
                 module-config: \"validator iterator\"
                 trust-anchor: \"example.test. DS 12345 8 2 {}\"",
                "A".repeat(64)
            ),
        ),
        (5407, "access-control: 10.2.0.0/16 refuse_non_local".to_owned()),
        (
            5408,
            format!(
                "{all}
                 access-control: {SERVER} allow
                 do-not-query-localhost: no
                 local-zone: half.test typetransparent
                 local-data: \"www.half.test. A {SERVER}\""
            ),
        ),
    ] {
        // Nobody has the last address of the server's segment.
        let upstream = match port {
            5403 => "forward-zone:\nname: .\nforward-addr: 10.0.0.254".to_owned(),
            // Of what it has no data of its own it asks a port that nobody listens on.
            5408 => [("example.test", ""), (".", ""), ("half.test", "@9")]
                .map(|(zone, port)| {
                    format!("stub-zone:\nname: {zone}\nstub-addr: {SERVER}{port}\n")
                })
                .concat(),
            _ => ["example.test", "."]
                .map(|zone| format!("stub-zone:\nname: {zone}\nstub-addr: {SERVER}\n"))
                .concat(),
        };
        let validates = lines.contains("module-config");
        let modules = if validates { "" } else { "module-config: iterator" };
        let name = format!("unbound-{port}");
        let configuration = lab.write(
            &format!("{name}.conf"),
            &format!(
                "server:
                 interface: 0.0.0.0
                 port: {port}
                 do-daemonize: no
                 do-ip6: no
                 username: \"\"
                 chroot: \"\"
                 pidfile: \"\"
                 use-syslog: no
                 local-zone: test. nodefault
                 {modules}
                 {lines}
                 {upstream}
                 remote-control:
                 control-enable: no"
            ),
        );
        let mut command = lab.command(Node::Server, &program);
        command.args(["-d", "-c"]).arg(configuration);
        lab.start(Node::Server, &name, &mut command, &[Port::Udp(port), Port::Tcp(port)]);
    }
}

pub(crate) fn dnsmasq(lab: &Lab) {
    let program = unconfined(lab, "dnsmasq");
    let upstream = format!("--server={SERVER}");
    let start = |port: u16, options: &[&str]| start_dnsmasq(lab, &program, port, options);
    start(5501, &[&upstream, "--stop-dns-rebind"]);
    start(5502, &["--server=10.0.0.254"]);
    start(5503, &[]);
    start(5504, &[&upstream, "--local=/example.test/", "--address=/blocked.test/0.0.0.0"]);
    start(5505, &[&upstream]);
}

fn start_dnsmasq(lab: &Lab, program: &Path, port: u16, options: &[&str]) {
    let mut command = lab.command(Node::Server, program);
    command
        .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv"])
        .args(["--user=root", "--pid-file", "--log-facility=-", "--port", &port.to_string()])
        .args(options);
    let ports = [Port::Udp(port), Port::Tcp(port)];
    lab.start(Node::Server, &format!("dnsmasq-{port}"), &mut command, &ports);
}
