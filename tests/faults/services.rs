//! Faults of the port: another service answers there, or none that keeps to its protocol.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::ServerConfig;

use crate::certificates::Certificates;
use crate::peer::{self, Peer};
use crate::row::{
    Flow, Row, bbdo, http, https, ldap, ldaps, mssql, mysql, nsclient, postgresql, smtp, ssh, tls,
    zmq,
};
use crate::servers;

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = Vec::new();
    for flow in probes() {
        rows.extend(wrong_services(&flow, certificates));
        rows.extend(bad_manners(&flow));
        rows.push(without_a_server(&flow));
    }
    for flow in [ssh().on(3202), smtp().on(3203), https().on(3204), tls().on(3204)] {
        rows.push(Row::new("haproxy expects a PROXY header", flow).fails(&["proxy-header-wanted"]));
    }
    rows
}

/// haproxy accepts, and no server behind it answers.
fn without_a_server(flow: &Flow) -> Row {
    let row = Row::new("haproxy without a server", flow.clone().on(3201));
    match flow.name {
        "ssh" => row.fails(&["ssh-closed"]).says("a forwarder without a server"),
        _ => row.fails(&["closed-unasked"]),
    }
}

/// Every probe over TCP that reads an answer.
fn probes() -> Vec<Flow> {
    vec![
        bbdo(),
        zmq(),
        ssh(),
        smtp(),
        ldap(),
        ldaps(),
        http(),
        https(),
        tls(),
        nsclient(),
        mysql(),
        postgresql(),
        mssql(),
    ]
}

/// What answers instead, how it is named, and on which port of the site (or which peer).
fn wrong_services(flow: &Flow, certificates: &Certificates) -> Vec<Row> {
    let row = |service: &str, port: u16| {
        Row::new(format!("{service} instead"), flow.clone().on(port)).fails(WRONG)
    };
    let scripted = |service: &str, peer: Peer| {
        Row::new(format!("{service} instead"), flow.clone()).peer(peer).fails(WRONG)
    };
    let mut rows = vec![
        row("SSH", 22).says("SSH"),
        row("a web server", 80).says("HTTP"),
        row("SMTP", 25).says("SMTP"),
        row("LDAP", 389).says("LDAP"),
        row("ZeroMQ", 5556)
            .fails(&["wrong-service", "hung-up", "ssh-closed", "tls-closed", "reset"])
            .says("ZeroMQ")
            .because("libzmq may close on what is no ZMTP before it has said a byte"),
        row("a proxy", 3128).says("proxy"),
        row("DNS", 53).says("DNS"),
        scripted("PostgreSQL", answers_only(b"\0\0\0\x08\x04\xd2\x16\x2f", b"N"))
            .says("PostgreSQL"),
        scripted("Redis", answers_only(b"PING\r\n", b"+PONG\r\n")).says("Redis"),
        scripted("a file server", answers_only(b"\0\0\0\x68\xfeSMB", b"\0\0\0\x40\xfeSMB\x40\0"))
            .says("SMB"),
        scripted("TLS", tls_server(certificates.good())).fails(TLS).says("TLS"),
        scripted("MySQL", peer::says(MYSQL)).says("MySQL"),
        scripted("HTTP/2", peer::says(HTTP2)).says("HTTP/2"),
        scripted("NRPE", peer::nrpe()).says("NRPE"),
        scripted("BBDO", servers::broker()).says("BBDO"),
    ];
    let nrpe = row("NRPE as Debian ships it", 5666);
    match flow.name {
        // What it agrees on is told.
        "ldaps" | "https" | "tls" | "nsclient" => {
            rows.push(nrpe.fails(&["tls-nothing-in-common"]).says("no certificate"));
        }
        "smtp" | "http" | "mysql" | "postgresql" | "mssql" => rows.push(nrpe.says("NRPE")),
        _ => {}
    }
    rows.retain(|row| !is_right(flow, &row.fault));
    rows
}

/// Shakes hands, and then waits.
fn tls_server(config: Arc<ServerConfig>) -> Peer {
    peer::in_tls(config, |stream| peer::drain(stream))
}

/// Closes without a word on all that does not begin with `words`.
fn answers_only(words: &'static [u8], reply: &'static [u8]) -> Peer {
    Peer::tcp(move |mut stream| {
        let mut heard = [0; 4096];
        let length = stream.read(&mut heard).unwrap_or_default();
        if heard[..length].starts_with(words) {
            let _ = stream.write_all(reply);
            peer::drain(&mut stream);
        }
    })
}

/// Is that what the flow wants?
fn is_right(flow: &Flow, fault: &str) -> bool {
    let service = fault.trim_end_matches(" instead");
    match flow.name {
        "ssh" => service == "SSH",
        "smtp" => service == "SMTP",
        "ldap" => service == "LDAP",
        "http" => service == "a web server",
        "zmq" => service == "ZeroMQ",
        "mysql" => service == "MySQL",
        "postgresql" => service == "PostgreSQL",
        // A mute broker may only be busy: nobody else is looked for.
        "bbdo" => ["BBDO", "HTTP/2", "TLS", "DNS"].contains(&service),
        "tls" | "https" | "ldaps" | "nsclient" => service == "TLS",
        _ => false,
    }
}

/// Accepted, and then nothing of any protocol.
fn bad_manners(flow: &Flow) -> Vec<Row> {
    let row = |fault: &str, peer| Row::new(fault, flow.clone()).peer(peer);
    let in_tls = ["ldaps", "https", "tls", "nsclient"].contains(&flow.name);
    let closed: &'static [&'static str] = match flow.name {
        "ssh" => &["ssh-closed"],
        // Nothing is said to these before they greet.
        "smtp" | "mysql" => &["closed-unasked"],
        _ if in_tls => &["tls-closed"],
        _ => &["hung-up"],
    };
    let head = greeting(flow);
    vec![
        match flow.name {
            // Mailers wait longer than a run does.
            "smtp" => row("accepts and stays silent", peer::silent()).unknown(&[]),
            _ => row("accepts and stays silent", peer::silent()).fails(&["silent"]),
        },
        row("accepts and closes", peer::closes()).fails(closed),
        row("accepts and resets", peer::resets()).fails(&["reset"]),
        row("resets in the middle of its answer", peer::says_and_resets(&head[..head.len() / 2]))
            .fails(&["reset"]),
        row("one byte a second", peer::drips(head)).fails(&["incomplete"]),
        row("endless banner", peer::endless(*b"abcdefghijklmnopqrstuvwxyz-"))
            .fails(&["endless", "bad-reply", "wrong-service"])
            .because("a binary protocol sees at the first bytes that this is none of it"),
    ]
}

/// How a good answer begins.
fn greeting(flow: &Flow) -> &'static [u8] {
    match flow.name {
        "bbdo" => b"\x17\xdd\0\x37\0\x02\0\x07\0\0\0\x01\0\0\0\0\x0a\x04\x08\x03\x10\x01\x12\x0b",
        "zmq" => b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "ssh" => b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        "smtp" => b"220 mail.example.test ESMTP ready\r\n",
        "ldap" => b"\x30\x82\x01\x00\x02\x01\x01\x64\x82\x00\xf9\x04\0\x30\x82\x00\xf3\x30\x82\x00",
        "http" => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n",
        "mysql" => MYSQL,
        "postgresql" => b"E\0\0\0\x40SFATAL\0VFATAL\0C28000\0Mno entry for host\0",
        "mssql" => b"\x04\x01\0\x25\0\0\x01\0\0\0\x15\0\x06\x01\0\x1b\0\x01\x02\0\x1c\0\x01",
        // The first record of a TLS server: its hello, 122 bytes of it.
        _ => b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b",
    }
}

const WRONG: &[&str] = &["wrong-service"];
const TLS: &[&str] = &["tls-unexpected", "wrong-service"];

/// A MariaDB's greeting.
const MYSQL: &[u8] = b"\x5d\0\0\0\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\0\x1f\0\0\0abcdefgh\0\
    \xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0abcdefghijkl\0mysql_native_password\0";
/// The settings of a gRPC server, and a window.
pub(crate) const HTTP2: &[u8] = b"\0\0\x18\x04\0\0\0\0\0\
    \0\x04\0\x3f\xff\xff\0\x05\0\x3f\xff\xff\0\x06\0\0\x20\0\xfe\x03\0\0\0\x01\
    \0\0\x04\x08\0\0\0\0\0\0\x3e\xff\xff";
