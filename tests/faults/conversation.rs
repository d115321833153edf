//! Faults of a conversation that has begun: the handshake passes, and what follows does not, or stops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::certificates::Certificates;
use crate::lab::Node::{Router, Second, Server};
use crate::peer::{self, Peer};
use crate::row::{
    Flow, Place, Row, bbdo, dns, https, ldap, ldaps, mysql, nsclient, ntp, postgresql, pullwss_tls,
    smtp, smtps, snmp, ssh, tls, trap, zmq,
};
use crate::{services, slow};

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = Vec::new();
    for (flow, peer) in conversations() {
        rows.extend(lost(&flow, peer.as_ref()));
        // Here the server has to answer.
        let cut_off = if flow.name == "smtp" { Some(mail(Duration::ZERO)) } else { peer };
        rows.extend(cut(&flow, cut_off.as_ref()));
    }
    rows.push(
        Row::new("RST by the router after a greeting that takes 4 s", smtp())
            .at(Place::Near)
            .peer(mail(Duration::from_secs(4)))
            .sysctl(Router, COUNTED, "1")
            .rule(Router, "forward", AFTER_THE_HANDSHAKE)
            .fails(&["cut-off"])
            .says("10.2.0.1 (hop 1)"),
    );
    for flow in [ssh(), bbdo(), https(), postgresql()] {
        rows.push(Row::new("a process that is stopped", flow).peer(stopped()).fails(&["silent"]));
    }
    for flow in [ssh(), snmp(), ntp(), dns()] {
        rows.extend(rejected(&flow));
    }
    rows.extend(stages(certificates));
    rows.extend(ends_behind_tls(certificates));
    rows.extend(tarpits());
    rows.push(resets_on_nonsense());
    for flow in [ldap(), https(), ldaps(), nsclient()] {
        rows.push(
            Row::new("a server that has no time at first", flow).peer(busy()).fails(&["silent"]),
        );
    }
    rows.extend(elsewhere());
    rows.extend(forwarded());
    rows
}

/// Flows whose server is the site's, and some whose server is scripted.
fn conversations() -> Vec<(Flow, Option<Peer>)> {
    vec![
        // A real one would count these visits, and turn away those of other rows.
        (ssh(), Some(peer::says(*b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))),
        // Cut off, a connection stays open at the server: a real Postfix keeps it for five minutes, and
        // its hundred processes run out.
        (smtp(), Some(peer::says(*b"220 mail.example.test ESMTP\r\n"))),
        (https(), None),
        (bbdo(), None),
        (mysql(), Some(peer::says(mariadb()))),
    ]
}

/// A mail server that greets after so long.
fn mail(after: Duration) -> Peer {
    let replies = &[("EHLO", "250 mail.example.test\r\n"), ("QUIT", "221 2.0.0 bye\r\n")];
    peer::mail_after(after, "220 mail.example.test ESMTP\r\n", replies)
}

/// Packets that carry data, whichever way.
const WITH_DATA: &str = "tcp flags & (psh | ack) == psh | ack drop";

fn lost(flow: &Flow, peer: Option<&Peer>) -> Vec<Row> {
    let row = |fault: &str, place| served(Row::new(fault, flow.clone()).at(place), peer);
    let mut rows = vec![
        row("all that we say is dropped by the router", Place::Near)
            .rule(Router, "forward", format!("{{tcp flow}} {WITH_DATA}"))
            .fails(&["unacknowledged"]),
        row("all that we say is dropped by the router, IPv6", Place::Near6)
            .rule(Router, "forward", format!("{{tcp flow}} {WITH_DATA}"))
            .fails(&["unacknowledged"]),
        row("all that the peer says is dropped by the router", Place::Near)
            .rule(Router, "forward", format!("{{tcp replies}} {WITH_DATA}"))
            .fails(&["answers-lost"]),
        row("all that the peer says is dropped by the router, IPv6", Place::Near6)
            .rule(Router, "forward", format!("{{tcp replies}} {WITH_DATA}"))
            .fails(&["answers-lost"]),
        row("a receive window of zero", Place::Near)
            .rule(Router, "forward", "{tcp replies} tcp window set 0")
            .fails(&["window-closed"]),
    ];
    rows.retain(|row| row.place != Place::Near6 || speaks_v6(flow));
    rows
}

/// Everybody of these counts a handshake as two packets of ours.
const AFTER_THE_HANDSHAKE: &str = "{tcp flow} ct original packets > 2 reject with tcp reset";

fn cut(flow: &Flow, peer: Option<&Peer>) -> Vec<Row> {
    let row = |fault: &str, place| {
        served(Row::new(fault, flow.clone()).at(place), peer)
            .sysctl(Router, COUNTED, "1")
            .fails(&["cut-off"])
    };
    let mut rows = vec![
        row("RST by the router after the handshake", Place::Near)
            .rule(Router, "forward", AFTER_THE_HANDSHAKE)
            .says("10.2.0.1 (hop 1)"),
        row("RST by the router after the handshake, IPv6", Place::Near6)
            .rule(Router, "forward", AFTER_THE_HANDSHAKE)
            .says("fd00:2::1 (hop 1)"),
        row("RST by the first of two routers after the handshake", Place::Far)
            .rule(Router, "forward", AFTER_THE_HANDSHAKE)
            .says("10.2.0.1 (hop 1)"),
        row("RST by the second of two routers after the handshake", Place::Far)
            .sysctl(Second, COUNTED, "1")
            .rule(Second, "forward", AFTER_THE_HANDSHAKE)
            .says("10.9.0.2 (hop 2)"),
        served(
            Row::new("accepts, and resets at once", flow.clone()),
            Some(&peer::resets_at_once()),
        )
        .fails(&["reset"]),
    ];
    rows.retain(|row| row.place != Place::Near6 || speaks_v6(flow));
    rows
}

/// The scripted broker listens on IPv4 alone.
fn speaks_v6(flow: &Flow) -> bool {
    flow.name != "bbdo"
}

/// Conntrack counts packets only when told to.
const COUNTED: &str = "net/netfilter/nf_conntrack_acct";

/// A device that hides behind the target's address.
fn rejected(flow: &Flow) -> Vec<Row> {
    let row = |fault: &str, place| {
        Row::new(fault, flow.clone()).at(place).fails(&["rejected-in-its-name"])
    };
    let hide = "ip daddr {client} icmp type destination-unreachable ip saddr set {server}";
    let hide_v6 = "ip6 daddr {client} icmpv6 type destination-unreachable ip6 saddr set {server}";
    vec![
        row("host-prohibited by the router in the target's name", Place::Near)
            .rule(Router, "forward", "{flow} reject with icmp host-prohibited")
            .rule(Router, "output", hide)
            .says("10.2.0.1 (hop 1)"),
        row("port-unreachable by the router in the target's name", Place::Near)
            .rule(Router, "forward", "{flow} reject with icmp port-unreachable")
            .rule(Router, "output", hide)
            .says("10.2.0.1 (hop 1)"),
        row("admin-prohibited by the router in the target's name, IPv6", Place::Near6)
            .rule(Router, "forward", "{flow} reject with icmpv6 admin-prohibited")
            .rule(Router, "output", hide_v6)
            .says("fd00:2::1 (hop 1)"),
    ]
}

/// A router that forwards a port to a machine that is not there, or to another service.
fn forwarded() -> Vec<Row> {
    let row =
        |flow: Flow, to: &str| Row::new(format!("a port forward to {to}"), flow).at(Place::Near);
    // Nobody has the last address of the server's segment.
    let mut rows: Vec<Row> = [ssh(), bbdo(), ntp(), snmp()]
        .map(|flow| {
            row(flow, "a machine that is not there")
                .rule(Router, "prerouting", "{flow} dnat ip to 10.0.0.254")
                .fails(&["nobody-behind-its-name"])
                .says("10.2.0.1 (hop 1)")
                .takes_time()
        })
        .into();
    for flow in [ssh(), bbdo(), mysql()] {
        rows.push(
            row(flow, "a web server")
                .rule(Router, "prerouting", "{tcp flow} dnat ip to 10.0.0.3:80")
                .fails(&["wrong-service"])
                .says("HTTP"),
        );
    }
    rows
}

/// Servers that answer from where nobody asked.
fn elsewhere() -> Vec<Row> {
    let port = "ip saddr {server} udp sport {port} udp sport set 1124";
    let address = "ip saddr {server} udp sport {port} ip saddr set 10.0.0.3";
    let address_v6 = "ip6 saddr {server} udp sport {port} ip6 saddr set fd00::3";
    let mut rows = Vec::new();
    for flow in [ntp(), dns()] {
        let row = |fault: &str, place| {
            Row::new(fault, flow.clone()).at(place).fails(&["answered-from-elsewhere"])
        };
        rows.push(
            row("answers from another port", Place::Near).rule(Server, "output", port).says("1124"),
        );
        rows.push(
            row("answers from another address", Place::Near)
                .rule(Server, "output", address)
                .says("10.0.0.3"),
        );
    }
    rows.push(
        Row::new("answers from another address, IPv6", ntp())
            .at(Place::Near6)
            .peer(peer::time(0, |_| {}))
            .rule(Server, "output", address_v6)
            .fails(&["answered-from-elsewhere"])
            .says("fd00::3"),
    );
    rows.push(
        Row::new("answers from another address, IPv6", dns())
            .at(Place::Near6)
            .rule(Server, "output", address_v6)
            .fails(&["answered-from-elsewhere"])
            .says("fd00::3"),
    );
    rows.push(
        Row::new("answers from another port", trap())
            .at(Place::Near)
            .peer(slow::agent_after(Duration::ZERO))
            .rule(Server, "output", port)
            .warns(&["answers-from-elsewhere"])
            .says("port 1124"),
    );
    rows.push(
        Row::new("answers from another port", snmp())
            .at(Place::Near)
            .rule(Server, "output", port)
            .warns(&["answers-from-elsewhere"])
            .says("port 1124"),
    );
    rows
}

/// Peers that stop in the middle.
fn stages(certificates: &Certificates) -> Vec<Row> {
    let row =
        |fault: &str, flow: Flow, peer| Row::new(fault, flow).peer(peer).fails(&["silent-after"]);
    let tls_server = || peer::in_tls(certificates.good(), |stream| peer::drain(stream));
    vec![
        row("stops after its greeting", smtp(), peer::says(*b"220 mail.example.test ESMTP\r\n"))
            .says("after its greeting, no answer to EHLO"),
        row(
            "stops after EHLO",
            smtp(),
            peer::mail(
                "220 m ESMTP\r\n",
                &[("EHLO", "250-m\r\n250 STARTTLS\r\n"), ("STARTTLS", "")],
            ),
        )
        .says("no answer to STARTTLS"),
        row(
            "stops after its answer to STARTTLS",
            smtp(),
            peer::mail(
                "220 m ESMTP\r\n",
                &[("EHLO", "250-m\r\n250 STARTTLS\r\n"), ("STARTTLS", "220 go ahead\r\n")],
            ),
        )
        .says("after its answer to STARTTLS, no answer to a TLS handshake"),
        Row::new("SSH 1 alone", ssh())
            .peer(peer::says(*b"SSH-1.5-Cisco-1.25\n"))
            .fails(&["ssh-nothing-in-common"])
            .says("SSH-1.5"),
        row("stops after its identification", ssh(), peer::says(*b"SSH-2.0-OpenSSH_9.2p1\r\n"))
            .says("after its identification"),
        row(
            "stops after its greeting",
            zmq(),
            peer::says([&b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL"[..], &[0; 48]].concat()),
        )
        .says("after its greeting"),
        row("stops after its greeting", mysql(), peer::says(mariadb()))
            .says("no answer to a log-in"),
        row("stops after the TLS handshake", https(), tls_server())
            .says("after the TLS handshake, no answer to the request"),
        row("stops after the TLS handshake", ldaps(), tls_server())
            .says("after the TLS handshake, no answer to a search"),
        row("stops after the settings of HTTP/2", bbdo(), peer::says(services::HTTP2)),
        row(
            "stops when a session is asked for",
            postgresql().to("monitoring@10.0.0.3"),
            peer::no_session(),
        )
        .says("no answer to"),
        Row::new("stops before its bind", ldap())
            .peer(peer::directory_that_never_binds())
            .fails(&["ldap-bind-unanswered"]),
        Row::new("silent TLS listener", tls()).peer(peer::silent()).fails(&["silent"]),
    ]
}

/// TLS ends in front of a service that is not there: stunnel, a load balancer.
fn ends_behind_tls(certificates: &Certificates) -> Vec<Row> {
    let mut rows = Vec::new();
    for flow in [https(), ldaps(), smtps(), nsclient(), pullwss_tls()] {
        for (how, by_reset) in [("closes", false), ("resets", true)] {
            let config = certificates.good();
            let peer = Peer::tcp(move |stream| {
                let Ok(socket): Result<TcpStream, _> = stream.try_clone() else { return };
                peer::tls_on(stream, &config, &|inside| {
                    // The handshake ends with what the client says first, or a moment after it.
                    let _ = socket.set_read_timeout(Some(Duration::from_millis(200)));
                    let _ = inside.read(&mut [0; 1]);
                    if by_reset {
                        peer::reset(&socket);
                    }
                });
            });
            let fault = format!("TLS in front of nothing, which {how}");
            rows.push(Row::new(fault, flow.clone()).peer(peer).fails(&["ends-behind-tls"]));
        }
    }
    rows
}

/// As sshd: its greeting is lost, and a line that is none of its protocol is answered with a RST.
fn resets_on_nonsense() -> Row {
    let peer = Peer::tcp(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n");
        if stream.read(&mut [0; 64]).is_ok_and(|length| length > 0) {
            peer::reset(&stream);
        }
    });
    Row::new("all that the peer says is dropped by the router, and it resets on nonsense", ssh())
        .at(Place::Near)
        .peer(peer)
        .rule(Router, "forward", format!("{{tcp replies}} {WITH_DATA}"))
        .fails(&["answers-lost"])
}

/// Who holds visitors of an SSH port up with lines that never end, and who says one and leaves.
fn tarpits() -> Vec<Row> {
    let endlessh = |every: Duration| {
        Peer::tcp(move |mut stream| {
            while stream.write_all(b"5f1cZ]\"kq\r\n").is_ok() {
                thread::sleep(every);
            }
        })
    };
    vec![
        Row::new("a tarpit, a line every second", ssh())
            .peer(endlessh(Duration::from_secs(1)))
            .fails(&["ssh-tarpit"])
            .says("lines in 10"),
        Row::new("a tarpit, a line every four seconds", ssh())
            .peer(endlessh(Duration::from_secs(4)))
            .fails(&["ssh-tarpit"])
            .says("lines in 10"),
        Row::new("says the time and closes", ssh())
            .peer(peer::says_and_closes(b"Mon Nov 30 08:52:57 UTC 2026\r\n"))
            .fails(&["bad-reply"])
            .says("Mon Nov 30"),
    ]
}

/// Has no time for those who come within seven seconds of the first, and then for everybody: neither the one nor the
/// other has to do with how large a packet is.
fn busy() -> Peer {
    let first = OnceLock::new();
    Peer::tcp(move |mut stream| {
        if first.get_or_init(Instant::now).elapsed() > Duration::from_millis(6_800) {
            let _ = stream.write_all(b"here I am\r\n");
        }
        peer::drain(&mut stream);
    })
}

fn served(row: Row, peer: Option<&Peer>) -> Row {
    match peer {
        Some(peer) => row.peer(peer.clone()),
        None => row,
    }
}

/// As a process in state T: its kernel accepts and acknowledges, and nobody reads or closes.
fn stopped() -> Peer {
    Peer::tcp(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    })
}

/// A MariaDB's greeting, as one packet.
fn mariadb() -> Vec<u8> {
    let greeting = b"\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\0\x1f\0\0\0abcdefgh\0\
        \xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0abcdefghijkl\0mysql_native_password\0";
    [&[u8::try_from(greeting.len()).unwrap(), 0, 0, 0], &greeting[..]].concat()
}
