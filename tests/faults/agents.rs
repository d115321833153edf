//! Faults of services that have a file of their own: keys for the time (NTS), agents, a cluster's quorum.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::certificates::Certificates;
use crate::lab::Node::{Router, Server};
use crate::peer::{self, Peer};
use crate::row::{
    Flow, Place, Row, closed, corosync, netflow, nrpe, nsclient_nt, nts, oracle, otlp, pcsd, qnetd,
    radius, zmq_router,
};

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = times(certificates);
    rows.extend(
        [nrpe(), nsclient_nt(), otlp(), qnetd(), zmq_router(), oracle(), pcsd()]
            .iter()
            .flat_map(wrong),
    );
    rows.extend([radius(), netflow(), corosync()].iter().flat_map(unheard));
    rows.extend(closed_ports());
    rows
}

/// What every service of a protocol of its own has to tell apart.
fn wrong(flow: &Flow) -> Vec<Row> {
    let row = |fault: &str| Row::new(format!("{}: {fault}", flow.name), flow.clone());
    let near = |fault: &str| row(fault).at(Place::Near);
    let closes: &'static [&'static str] = match flow.name {
        "nrpe" | "nsclient_nt" => &["hung-up", "agent-not-allowed"],
        "pcsd" => &["tls-closed"],
        _ => &["hung-up"],
    };
    vec![
        near("blocked").rule(Router, "forward", "{flow} drop").fails(&["port-silent-after"]),
        near("rejected by the router")
            .rule(Router, "forward", "{flow} reject with icmp admin-prohibited")
            .fails(&["path-rejected"])
            .says("10.2.0.1"),
        Row { flow: flow.clone().on(9), ..near("closed") }.fails(&["port-closed"]),
        row("accepts and stays silent").peer(peer::silent()).fails(&["silent", "silent-after"]),
        row("accepts and closes").peer(peer::closes()).fails(closes),
        Row { flow: flow.clone().on(22), ..row("SSH instead") }
            .fails(&["wrong-service"])
            .says("SSH"),
        Row { flow: flow.clone().on(80), ..row("a web server instead") }
            .fails(&["wrong-service", "bad-reply", "hung-up", "tls-closed", "tls-refused"])
            .because("a web server may hang up on what is no request"),
    ]
}

/// A silence says nothing of services that answer nobody; a refusal is heard all the same.
fn unheard(flow: &Flow) -> Vec<Row> {
    let row =
        |fault: &str| Row::new(format!("{}: {fault}", flow.name), flow.clone()).at(Place::Near);
    vec![
        row("blocked").rule(Router, "forward", "{flow} drop").unknown(&["answers-no-stranger"]),
        row("rejected by the router")
            .rule(Router, "forward", "{flow} reject with icmp admin-prohibited")
            .fails(&["path-rejected"])
            .says("10.2.0.1"),
        // Their own ports may be those of other servers of the site.
        Row { flow: flow.clone().on(9), ..row("nothing listens") }.fails(&["port-closed"]),
    ]
}

/// Ports that must be closed.
fn closed_ports() -> Vec<Row> {
    let row =
        |fault: &str, port: u16| Row::new(format!("must be closed: {fault}"), closed().on(port));
    vec![
        row("open", 22).fails(&["port-open"]),
        row("nothing listens", 9),
        row("blocked", 22).at(Place::Near).rule(Router, "forward", "{host} tcp dport 22 drop"),
        row("rejected by the router", 22).at(Place::Near).rule(
            Router,
            "forward",
            "{host} tcp dport 22 reject with icmp admin-prohibited",
        ),
    ]
}

/// The ladder of NTS: TCP, TLS, its protocol, its records, then the time over UDP.
fn times(certificates: &Certificates) -> Vec<Row> {
    let row = |fault: &str| Row::new(fault, nts());
    let trusts = || Row::new("chrony with NTS", nts().with(&["--ca", "{lab}/ca.pem"]));
    // Names that chrony's certificate has, each with an address of its row's own.
    let behind = |fault: &str, name: &'static str| {
        let row = Row::new(fault, nts().to(name).with(&["--ca", "{lab}/ca.pem"]));
        row.at(Place::Near).hosts(format!("{{server}} {name}"))
    };
    let speaks = |config: Arc<ServerConfig>| {
        let mut config = ServerConfig::clone(&config);
        config.alpn_protocols = vec![b"ntske/1".to_vec()];
        Arc::new(config)
    };
    let good = || speaks(certificates.newest_only());
    let says = |records: Vec<u8>| {
        peer::in_tls(good(), move |stream| {
            // A request for keys has 16 bytes.
            if stream.read_exact(&mut [0; 16]).is_ok() && stream.write_all(&records).is_ok() {
                let _ = stream.flush();
            }
        })
    };
    let named = |fault: &str, peer: Peer| row(fault).peer(peer);
    vec![
        trusts(),
        trusts()
            .at(Place::Near)
            .rule(Router, "forward", "{host} tcp dport 4460 drop")
            .named("keys blocked")
            .fails(&["port-silent-after"]),
        trusts()
            .at(Place::Near)
            .rule(Server, "input", "{host} tcp dport 4460 reject with tcp reset")
            .named("keys refused")
            .fails(&["port-closed", "rst-by-firewall", "reset-by-firewall"]),
        behind("time blocked behind the keys", "a.row.example.test")
            .rule(Router, "forward", "{host} udp dport 123 drop")
            .fails(&["nts-time-fails"])
            .says("no answer"),
        behind("time rejected behind the keys", "b.row.example.test")
            .rule(Router, "forward", "{host} udp dport 123 reject with icmp admin-prohibited")
            .fails(&["nts-time-fails"]),
        behind("long packets of NTP dropped", "c.row.example.test")
            .rule(Router, "forward", "{host} udp dport 123 udp length > 56 drop")
            .fails(&["nts-packets-lost"]),
        // Half a second on one way looks like a clock that is off by a quarter.
        clock_off(behind("a clock behind the keys that is off", "d.row.example.test")),
        named(
            "certificate not yet valid",
            peer::in_tls(speaks(certificates.not_yet_valid()), |stream| peer::drain(stream)),
        )
        .fails(&["certificate-not-yet-valid"]),
        named(
            "expired certificate",
            peer::in_tls(speaks(certificates.expired()), |stream| peer::drain(stream)),
        )
        .fails(&["certificate-expired"]),
        named(
            "unknown issuer",
            peer::in_tls(speaks(Certificates::unknown_issuer()), |stream| peer::drain(stream)),
        )
        .fails(&["certificate-unknown-issuer"]),
        named(
            "a web server with TLS",
            peer::secure_web(certificates.good(), |_| peer::OK.to_owned()),
        )
        .fails(&["tls-protocol-not-spoken"])
        .says("ntske/1"),
        named(
            "another protocol in TLS",
            peer::in_tls(
                {
                    let mut other = ServerConfig::clone(&certificates.good());
                    other.alpn_protocols = vec![b"h2".to_vec()];
                    Arc::new(other)
                },
                |stream| peer::drain(stream),
            ),
        )
        .fails(&["tls-protocol-not-spoken"]),
        named("SSH instead", peer::says(b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()))
            .fails(&["wrong-service"]),
        named("accepts and stays silent", peer::silent()).fails(&["silent"]),
        named("silent inside TLS", peer::in_tls(good(), |stream| peer::drain(stream)))
            .fails(&["silent-after", "silent"]),
        named("error record", says(b"\x80\x02\0\x02\0\x02\x80\0\0\0".to_vec()))
            .fails(&["nts-key-error"])
            .says("internal server error"),
        named("no cookie", says(b"\x80\x01\0\x02\0\0\x80\x04\0\x02\0\x0f\x80\0\0\0".to_vec()))
            .fails(&["nts-no-agreement"])
            .says("cookie"),
        // A cookie of nobody, and the site's chrony as the time server.
        named("NTS NAK", says(strange_cookie())).fails(&["nts-nak", "nts-time-fails"]),
        named(
            "garbage inside TLS",
            says(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec()),
        )
        .fails(&["wrong-service", "bad-reply", "incomplete", "hung-up"]),
    ]
}

/// The row's server answers late on one way, and its clock may be off by a tenth of a second.
fn clock_off(mut row: Row) -> Row {
    row.flow = row.flow.with(&["--max-offset", "100ms"]);
    row.delayed().fails(&["clock-offset"])
}

/// All that a client needs, with a cookie that no server has made.
fn strange_cookie() -> Vec<u8> {
    let agreed = b"\x80\x01\0\x02\0\0\x80\x04\0\x02\0\x0f\0\x05\0\x64";
    [&agreed[..], &[7; 100], b"\x80\0\0\0"].concat()
}
