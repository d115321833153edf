//! Services that nobody has heard of where another is asked for: they answer, and not as anything asked.

use std::io::{Read, Write};

use crate::peer::{self, Peer};
use crate::row::{
    Flow, Row, bbdo, http, https, ldap, mssql, mysql, nrpe, nsclient_nt, oracle, otlp, postgresql,
    smtp, ssh, tls,
};

pub(crate) fn rows() -> Vec<Row> {
    let all: [fn() -> Flow; 14] = [
        ssh,
        smtp,
        http,
        https,
        tls,
        ldap,
        bbdo,
        mysql,
        postgresql,
        mssql,
        oracle,
        nrpe,
        nsclient_nt,
        otlp,
    ];
    let mut rows: Vec<Row> = all
        .map(|flow| {
            Row::new("an echo service", flow())
                .peer(echo())
                .fails(&["wrong-service"])
                .says("an echo service")
        })
        .into();
    for flow in [ssh, smtp, mysql, postgresql] {
        let stranger = |fault: &str, reply: &'static [u8]| {
            Row::new(fault, flow()).peer(to_each_line(reply)).fails(&["wrong-service"])
        };
        rows.extend([
            stranger("beanstalkd", b"UNKNOWN_COMMAND\r\n").says("beanstalkd"),
            stranger("Gearman", b"ERR UNKNOWN_COMMAND Unknown+server+command\n").says("Gearman"),
            stranger("a line protocol that nobody knows", b"what? try HELP\r\n")
                .says("what? try HELP"),
        ]);
    }
    for flow in [ssh, smtp] {
        rows.push(
            Row::new("an agent that says all its lines at once", flow())
                .peer(peer::says("<<<check_mk>>>\nVersion: 2.1.0\nAgentOS: linux\n"))
                .fails(&["bad-reply"])
                .says("check_mk"),
        );
    }
    // As NSCA greets: its random numbers and the time, without an end of a line.
    rows.push(
        Row::new("binary words without an end of a line", smtp())
            .peer(peer::says([&[0x9c_u8; 128][..], b"\x65\x6c\x8b\x10"].concat()))
            .fails(&["bad-reply"]),
    );
    for flow in [ssh, smtp, http, bbdo, ldap] {
        rows.push(
            Row::new("an MQTT broker", flow()).peer(mqtt()).fails(&["wrong-service"]).says("MQTT"),
        );
    }
    rows
}

/// Says what it hears.
fn echo() -> Peer {
    Peer::tcp(|mut stream| {
        let mut words = [0; 16 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut words) {
            if stream.write_all(&words[..length]).is_err() {
                return;
            }
        }
    })
}

/// Says `reply` once a line has ended, as beanstalkd and gearmand do; what is no line they wait for the end of.
fn to_each_line(reply: &'static [u8]) -> Peer {
    Peer::tcp(move |mut stream| {
        let mut words = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut words) {
            let lines = words[..length].split(|byte| *byte == b'\n').count() - 1;
            if stream.write_all(&reply.repeat(lines)).is_err() {
                return;
            }
        }
    })
}

/// As Mosquitto: takes a connection of its protocol, and closes on anything else.
fn mqtt() -> Peer {
    Peer::tcp(|mut stream| {
        let mut words = [0; 256];
        let Ok(length @ 1..) = stream.read(&mut words) else { return };
        if words[..length].starts_with(b"\x10\x0c\0\x04MQTT\x04") {
            let _ = stream.write_all(&[0x20, 2, 0, 0]);
            peer::drain(&mut stream);
        }
    })
}
