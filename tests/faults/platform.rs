//! Faults of what is Centreon's own, and of the hosts it asks: BBDO, ZMTP, SNMP, NSClient++.

use std::time::Duration;

use crate::certificates::Certificates;
use crate::lab::Node::{Router, Server};
use crate::lab::servers::SNMP_USER;
use crate::peer::{self, Peer};
use crate::row::{Flow, Place, Row, bare_snmp, bbdo, nsclient, snmp, ssh, trap, zmq};
use crate::{servers, services, slow};

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = agents();
    rows.extend(brokers(certificates));
    rows.extend(gorgones());
    rows.extend(windows(certificates));
    rows.extend(pollers());
    rows.extend(receivers());
    rows
}

/// Receivers of traps over IPv6: to a trap itself nobody answers.
fn receivers() -> Vec<Row> {
    let row = |fault: &str| Row::new(fault, trap()).at(Place::Near6);
    let healthy = slow::agent_after(Duration::ZERO);
    vec![
        row("closed port, IPv6").fails(&["port-closed"]),
        row("dropped by the router, IPv6")
            .peer(healthy.clone())
            .rule(Router, "forward", "{flow} drop")
            .unknown(&[]),
        row("admin-prohibited by the router, IPv6")
            .peer(healthy.clone())
            .rule(Router, "forward", "{flow} reject with icmpv6 admin-prohibited")
            .fails(&["path-rejected"])
            .says("fd00:2::1"),
        row("healthy, IPv6").peer(healthy),
    ]
}

/// What an agent with several addresses does that does not look at the one it is asked on.
const ELSEWHERE: &str = "{replies} ip saddr set 10.0.0.3";

fn agents() -> Vec<Row> {
    let user = |fault: &str, args: &[&str]| {
        Row::new(fault, Flow { name: "snmp v3", ..bare_snmp() }.with(args))
    };
    let of = |name: &'static str| ["--snmp-user", name];
    let auth = ["--snmp-auth-file", "{lab}/snmp-auth"];
    let privacy = ["--snmp-priv-file", "{lab}/snmp-priv"];
    let near = |fault: &str, flow: Flow| Row::new(fault, flow).at(Place::Near);
    let bare = || Flow { name: "snmp without credentials", ..bare_snmp() };
    vec![
        Row::new("wrong community", bare_snmp().with(&["--snmp-community-file", "{lab}/wrong"]))
            .fails(&["snmp-community"]),
        Row::new("agent not running", snmp().on(9)).fails(&["port-closed"]),
        Row::new("agent not running", bare().on(9)).fails(&["port-closed"]),
        near("rejected by the router", bare())
            .rule(Router, "forward", "{flow} reject with icmp admin-prohibited")
            .fails(&["path-rejected"])
            .says("10.2.0.1"),
        near("silent: dropped by the router", bare())
            .rule(Router, "forward", "{flow} drop")
            .unknown(&["port-silent-after"]),
        near("silent: dropped by the target", bare())
            .rule(Server, "input", "{flow} drop")
            .unknown(&["port-silent-after"]),
        near("answers from another address", snmp())
            .rule(Server, "output", ELSEWHERE)
            .warns(&["answers-from-elsewhere"])
            .says("10.0.0.3"),
        near("answers from another address", bare())
            .rule(Server, "output", ELSEWHERE)
            .warns(&["answers-from-elsewhere"]),
        near(
            "v3: answers from another address",
            bare_snmp().with(&[&of(SNMP_USER)[..], &auth, &privacy].concat()),
        )
        .rule(Server, "output", ELSEWHERE)
        .warns(&["answers-from-elsewhere"])
        .says("10.0.0.3"),
        Row::new("silent agent", snmp()).peer(Peer::udp(|_| None)).unknown(&["port-silent-after"]),
        user("v3: unknown user", &[&of("nobody")[..], &auth, &privacy].concat())
            .fails(&["snmp-unknown-user"])
            .says("nobody"),
        user(
            "v3: wrong authentication password",
            &[&of(SNMP_USER)[..], &["--snmp-auth-file", "{lab}/wrong"], &privacy].concat(),
        )
        .fails(&["snmp-wrong-digest"]),
        user(
            "v3: wrong authentication algorithm",
            &[&of(SNMP_USER)[..], &auth, &privacy, &["--snmp-auth-protocol", "sha-256"]].concat(),
        )
        .fails(&["snmp-wrong-digest"]),
        user("v3: privacy not asked for", &[&of(SNMP_USER)[..], &auth].concat())
            .fails(&["snmp-authorization", "snmp-security-level"])
            .because("the agent knows the level and does not let it read"),
        user("v3: no authentication asked for", &of(SNMP_USER))
            .fails(&["snmp-authorization", "snmp-security-level"])
            .because("the agent knows the level and does not let it read"),
        user("v3: user without privacy", &[&of("weak")[..], &auth, &privacy].concat())
            .fails(&["snmp-security-level"]),
        user(
            "v3: wrong privacy password",
            &[&of(SNMP_USER)[..], &auth, &["--snmp-priv-file", "{lab}/wrong"]].concat(),
        )
        .fails(&["snmp-decryption", "snmp-user-ignored"])
        .because("net-snmp drops what it cannot read without a word"),
        user(
            "v3: wrong privacy algorithm",
            &[&of(SNMP_USER)[..], &auth, &privacy, &["--snmp-priv-protocol", "des"]].concat(),
        )
        .fails(&["snmp-decryption", "snmp-user-ignored"])
        .because("net-snmp drops what it cannot read without a word"),
        Row::new("answers with garbage", snmp())
            .peer(Peer::udp(|_| Some(b"garbage".to_vec())))
            .fails(&["bad-reply"]),
    ]
}

fn brokers(certificates: &Certificates) -> Vec<Row> {
    let row = |fault: &str, peer| Row::new(fault, bbdo()).peer(peer);
    vec![
        row("BBDO 2", servers::broker_of(2)).fails(&["bbdo-two"]),
        row("BBDO of another major version", servers::broker_of(4))
            .fails(&["bbdo-major"])
            .says("4."),
        row("gRPC", peer::says_and_answers(services::HTTP2, GRPC_ANSWER)).warns(&["bbdo-grpc"]),
        row(
            "TLS from the first byte",
            peer::in_tls(certificates.good(), |stream| peer::drain(stream)),
        )
        .fails(&["bbdo-tls"]),
        row("mute", peer::silent()).fails(&["silent"]),
        row("behind three silent clients", servers::busy_broker(3))
            .warns(&["bbdo-slow"])
            .says("9."),
        row("a load balancer without a backend", peer::closes()).fails(&["hung-up"]),
        row("header with a wrong checksum", peer::answers([0x17; 64])).fails(&["bad-reply"]),
    ]
}

fn gorgones() -> Vec<Row> {
    vec![
        Row::new("CURVE", zmq().on(5560)).fails(&["zmtp-mechanism"]).says("CURVE"),
        Row::new("a PUB socket", zmq().on(5561)).fails(&["zmtp-other-service"]).says("PUB"),
        Row::new("a REP socket", zmq().on(5562)).fails(&["zmtp-other-service"]).says("REP"),
        Row::new("ZMTP 2", zmq())
            .peer(peer::says(*b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x06\0\0"))
            .fails(&["zmtp-version"]),
        Row::new(
            "Gorgone on its own port",
            Flow { name: "zmq", ..zmq() }.with(&[
                "--role",
                "central",
                "--only",
                "central.zmq",
                "--poller",
                "10.0.0.3",
            ]),
        )
        .fails(&["found-on-other-port"])
        .says("5556"),
    ]
}

/// SSH servers that the client's own `ssh` has nothing in common with, or just enough.
fn pollers() -> Vec<Row> {
    let row = |fault: &str, port: u16| Row::new(fault, ssh().on(port));
    vec![
        row("no key exchange in common", 2201)
            .fails(&["ssh-nothing-in-common"])
            .says("diffie-hellman-group1-sha1"),
        Row::new("closed before a word, as TCP wrappers do", ssh())
            .peer(Peer::tcp(drop))
            .fails(&["ssh-closed"])
            .says("TCP wrappers"),
        Row::new("under a penalty", ssh())
            .peer(peer::says_and_closes(b"Not allowed at this time\r\n"))
            .fails(&["ssh-refused"])
            .says("Not allowed at this time"),
        row("no cipher in common", 2202).fails(&["ssh-nothing-in-common"]).says("3des-cbc"),
        row("no MAC in common", 2203).fails(&["ssh-nothing-in-common"]).says("hmac-md5"),
        row("healthy, no MAC in common and none needed", 2204),
        row("healthy, one algorithm of each in common", 2205),
    ]
}

fn windows(certificates: &Certificates) -> Vec<Row> {
    let agent = |answer: fn(&str) -> String| peer::secure_web(certificates.good(), answer);
    let asked =
        || nsclient().with(&["--nsclient-password-file", "{lab}/wrong", "--nsclient-insecure"]);
    vec![
        Row::new("403, not an allowed host", asked())
            .peer(agent(|_| forbidden("403 You're not allowed")))
            .fails(&["nsclient-not-allowed"]),
        Row::new("403, wrong password", asked())
            .peer(agent(|request| {
                if is_alive_asked(request) { alive() } else { forbidden("403 Please login first") }
            }))
            .fails(&["nsclient-login"]),
        Row::new("403, one answer for both reasons", asked())
            .peer(agent(|request| {
                if is_alive_asked(request) { alive() } else { forbidden("403 You're not allowed") }
            }))
            .fails(&["nsclient-refused", "nsclient-not-allowed"])
            .because("these versions say the same to a wrong host and a wrong password"),
        Row::new("plain HTTP", nsclient().on(80)).fails(&["wrong-service"]).says("HTTP"),
        Row::new("another web server", nsclient().on(443)).fails(&["wrong-service"]),
    ]
}

/// An agent as it should be, but for the rows' own certificates.
pub(crate) fn healthy_windows(certificates: &Certificates) -> Row {
    let healthy =
        |request: &str| if is_alive_asked(request) { alive() } else { VERSION.to_owned() };
    Row::new("healthy", nsclient().with(&["--nsclient-password-file", "{lab}/password"]))
        .peer(peer::secure_web(certificates.good(), healthy))
}

fn is_alive_asked(request: &str) -> bool {
    request.starts_with("GET /core/isalive")
}

fn alive() -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"status\": \"ok\"}".to_owned()
}

fn forbidden(body: &str) -> String {
    format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What the agent answers to the one query it is asked.
const VERSION: &str = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n\
    {\"payload\":[{\"command\":\"check_version\",\"lines\":[{\"message\":\"0.5.2.35 2018-01-28\"}],\"result\":\"OK\"}]}";
/// Settings acknowledged, then "unimplemented" to the first call.
const GRPC_ANSWER: &[u8] = b"\0\0\0\x04\x01\0\0\0\0\
    \0\0\x24\x01\x05\0\0\0\x01\x88\x0f\x10\x10application/grpc\0\x0bgrpc-status\x02\x31\x32";
