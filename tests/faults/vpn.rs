//! A VPN that should carry the flows between the platform's machines: not up, up without a route,
//! up and blocked behind its tunnel, healthy. The tunnel is `OpenVPN`'s.

use crate::lab::Node::{Client, Router, Server};
use crate::peer::{self, Peer};
use crate::row::{Flow, Place, Row, bbdo, http, https, ntp, ssh, tls, zmq};
use crate::servers;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    // What a poller asks is in the flow table below: BBDO is the profile's, the others stand for any.
    for flow in [poller(bbdo()), poller(ssh()), poller(zmq()), poller(ntp())] {
        rows.extend(not_used(&flow));
        rows.extend(inside(&flow));
    }
    let web = Peer::tcp(|mut stream| peer::serve_web(&mut stream, &|_| peer::OK.to_owned()));
    for (flow, peer) in [(bbdo(), servers::broker()), (ntp(), peer::time(0, |_| {})), (http(), web)]
    {
        rows.extend(healthy(&poller(flow), &peer));
    }
    rows.extend(of_the_profiles());
    rows.extend(gateways());
    rows.extend(on_the_central());
    rows
}

fn row(fault: &str, flow: &Flow) -> Row {
    Row::new(fault, flow.clone()).at(Place::Alone).file("vpn.toml", table(flow.scheme))
}

fn not_used(flow: &Flow) -> Vec<Row> {
    let dropped = |fault: &str| {
        row(fault, flow).rule(Router, "forward", "{flow} drop").fails(&["vpn-not-used"])
    };
    vec![
        dropped("VPN that is not up")
            .says("no tunnel interface")
            .says("\"default via 10.2.0.1 dev eth0\"")
            .says("no answer"),
        dropped("VPN whose tunnel is down")
            .ip(Client, "tuntap add dev tun0 mode tun")
            .says("tun0 is down"),
        dropped("VPN whose client has ended, and its route has stayed")
            .ip(
                Client,
                "tuntap add dev tun0 mode tun
                 address add 10.8.0.7/24 dev tun0
                 link set tun0 up
                 route add {server} dev tun0",
            )
            .says("tun0 is down")
            .says("32 dev tun0"),
        row("VPN that is up, and carries no route", flow)
            .vpn()
            .rule(Router, "forward", "{flow} reject with icmp admin-prohibited")
            .fails(&["vpn-not-used"])
            .says("carries no route to 10.0.0.3: tun0 is up")
            .says("rejected by 10.2.0.1"),
    ]
}

fn inside(flow: &Flow) -> Vec<Row> {
    let up = |fault: &str| row(fault, flow).vpn().ip(Client, "route add {server} dev tun0");
    vec![
        up("dropped behind the tunnel of the VPN")
            .rule(Router, "forward", "iifname tun0 {flow} drop")
            .fails(&["fails-inside-vpn"])
            .says("inside the VPN (tun0)")
            .says("10.8.0.1"),
        up("rejected behind the tunnel of the VPN")
            .rule(Router, "forward", "iifname tun0 {flow} reject with icmp admin-prohibited")
            .fails(&["fails-inside-vpn"])
            .says("rejected by 10.8.0.1"),
        up("rejected by the target, inside the VPN")
            .rule(Server, "input", "{flow} reject with icmp admin-prohibited")
            .fails(&["fails-inside-vpn"])
            .says("the target's own firewall"),
        up("no way back into the tunnel of the VPN")
            .ip(Server, "route add blackhole 10.8.0.7")
            .fails(&["fails-inside-vpn"])
            .says("inside the VPN (tun0)"),
        up("dropped by this host, inside the VPN")
            .rule(Client, "output", "{flow} reject")
            .fails(&["local-firewall"]),
        row("dropped, and IPsec by policy may carry it", flow)
            .here(4500, Peer::udp(|_| None))
            .rule(Router, "forward", "{flow} drop")
            .fails(&["fails-inside-vpn"]),
        up("closed port inside the VPN").fails(&["port-closed"]).takes_time(),
    ]
}

fn healthy(flow: &Flow, peer: &Peer) -> Vec<Row> {
    let row = |fault: &str| row(fault, flow).peer(peer.clone());
    vec![
        row("healthy, inside the VPN").vpn().ip(Client, "route add {server} dev tun0"),
        row("healthy, all inside the VPN").vpn().ip(
            Client,
            "route add 10.2.0.1 dev eth0
             route replace default dev tun0",
        ),
        row("works, and IPsec by policy may carry it").here(4500, Peer::udp(|_| None)),
        row("works, and goes around a VPN that is not up").warns(&["outside-vpn"]),
        row("works, and goes around a VPN that is up")
            .vpn()
            .warns(&["outside-vpn"])
            .says("\"default via 10.2.0.1 dev eth0\""),
    ]
}

/// As the profiles have it, by flag and by site file.
fn of_the_profiles() -> Vec<Row> {
    let only = ["--role", "poller", "--only", "poller.bbdo"];
    let row = |fault: &str, flow: Flow| Row::new(fault, flow.with(&only)).at(Place::Alone);
    let flags = ["--vpn", "10.2.0.1", "--central", "10.0.0.3:{port}"];
    let six = ["--vpn", "10.2.0.1", "--central", "[fd00::3]:{port}"];
    let site = "[services]\nvpn = \"10.2.0.1\"\n\n[machine.poller1]\nrole = \"poller\"\naddress = \"10.2.0.7\"\ncentral = \"central\"\n\n[machine.central]\nrole = \"central\"\naddress = \"10.0.0.3\"\n";
    let not_used = |fault: &str, flow: Flow| {
        row(fault, flow)
            .rule(Router, "forward", "th dport 5669 drop")
            .fails(&["vpn-not-used"])
            .says("no tunnel interface")
    };
    vec![
        not_used("VPN of profile i-vertix that is not up", bbdo().with(&flags)),
        not_used(
            "VPN of profile centreon that is not up",
            bbdo().with(&flags).with(&["--profile", "centreon"]),
        ),
        not_used("VPN that is not up, IPv6", bbdo().with(&six)).says("default via fd00:2::1"),
        not_used("VPN of a site file that is not up", bbdo().with(&["--site", "{lab}/site.toml"]))
            .file("site.toml", site),
    ]
}

/// The gateway itself: `OpenVPN`'s own server over TCP.
fn gateways() -> Vec<Row> {
    let row = |fault: &str, port: u16| {
        let gateway = format!("10.0.0.3:{port}");
        let args = ["--role", "poller", "--only", "poller.vpn", "--vpn", &gateway];
        Row::new(fault, tls().on(port).with(&args))
    };
    let keyed = |fault: &str, port| {
        row(fault, port).unknown(&["openvpn-keyed"]).because("only its clients have the key")
    };
    let instead = |flow: Flow| Row::new("OpenVPN instead", flow.on(1194)).fails(&["wrong-service"]);
    vec![
        row("healthy, OpenVPN over TCP", 1194),
        row("healthy, OpenVPN over TCP with a web server behind it", 1198),
        keyed("OpenVPN over TCP with tls-auth", 1195),
        keyed("OpenVPN over TCP with tls-crypt", 1196),
        keyed("OpenVPN over TCP with tls-crypt-v2", 1197),
        row("SSH instead of a VPN's gateway", 22).fails(&["wrong-service"]).says("SSH"),
        instead(https()).says("OpenVPN"),
        instead(ssh()).says("OpenVPN"),
        instead(zmq()).says("OpenVPN"),
    ]
}

/// The tunnel's other side: its own may begin at the gateway, so that its route proves nothing.
fn on_the_central() -> Vec<Row> {
    let row = |fault: &str, flow: Flow, only: &str| {
        let flow = flow
            .with(&["--role", "central", "--only", only, "--vpn", "10.2.0.1"])
            .with(&["--poller", "10.0.0.3:{port}"]);
        Row::new(fault, flow).at(Place::Alone)
    };
    [(ssh(), "central.ssh"), (zmq(), "central.zmq")]
        .into_iter()
        .map(|(flow, only)| {
            row("dropped on the way from a central to its VPN", flow, only)
                .rule(Router, "forward", "{flow} drop")
                .fails(&["fails-inside-vpn"])
                .says("fails inside the VPN: no answer")
        })
        .collect()
}

/// One flow of a poller to its central, which a VPN should carry.
fn poller(flow: Flow) -> Flow {
    flow.with(&["--role", "poller", "--catalogue", "{lab}/vpn.toml", "--only", "poller.row"])
        .with(&["--vpn", "10.2.0.1", "--central", "10.0.0.3:{port}"])
}

fn table(scheme: &str) -> String {
    let port = match scheme {
        "ntp" => 123,
        _ => 5669,
    };
    format!(
        "profile = \"vpn\"
         title = \"A flow inside a VPN\"
         roles = [\"poller\"]

         [[flow]]
         id = \"poller.row\"
         from = \"poller\"
         to = \"central\"
         ways = [\"{scheme}:{port}\"]
         through_vpn = true
         why = \"The poller needs its central.\"
         look_at = \"systemctl enable --now cbd; ss -ltnp 'sport = :PORT'\""
    )
}
