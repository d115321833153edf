//! `preflight listen traps`: what net-snmp's own clients send is shown, also beside a running snmptrapd, and no
//! flood stops it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{Lab, Node, Port, SERVER, run, servers};

/// A listener on the server, whose lines are read; dropping it ends it.
struct Listener {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Listener {
    /// With rows, it has said that it listens; lines have no beginning.
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let mut preflight = lab.command(Node::Server, PREFLIGHT);
        preflight.args(["listen", "traps", "--for", "1m"]).args(arguments);
        preflight.env("PREFLIGHT_SNMP_COMMUNITY", "expected");
        let mut child = preflight.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.lines.read_line(&mut line).unwrap();
        assert!(length > 0, "it ended");
        line
    }

    fn object(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Reads up to the line that has `words`.
    fn until(&mut self, words: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(words) {
                return line;
            }
        }
    }

    /// What it says until it ends by itself, and how that went.
    fn rest(mut self) -> (String, Option<i32>) {
        let mut said = String::new();
        self.lines.read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code())
    }
}

const LINK_DOWN: &str = "1.3.6.1.6.3.1.1.5.3";

fn send(lab: &Lab, program: &str, arguments: &[&str]) {
    run(lab.in_client(program).args(arguments));
}

#[test]
fn what_real_clients_send_is_shown_as_what_it_is() {
    let lab = Lab::new();
    let mut listener = Listener::start(&lab, &["--format", "ndjson", "--count", "5"]);
    lab.eventually("listen", || lab.inside(Node::Server, || Port::Udp(162).is_bound()));

    let v1 = ["-v1", "-c", "expected", "10.0.0.3", "1.3.6.1.4.1.9.1", "192.0.2.9", "6", "5", ""];
    send(&lab, "snmptrap", &v1);
    let seen = listener.object();
    assert_eq!(
        (seen["version"].as_str(), seen["kind"].as_str(), seen["oid"].as_str()),
        (Some("1"), Some("trap"), Some("1.3.6.1.4.1.9.1.0.5")),
        "{seen}"
    );
    assert_eq!((&seen["vendor"], &seen["about"]), (&"Cisco".into(), &"192.0.2.9".into()), "{seen}");
    assert_eq!(seen["community_as_given"], true, "{seen}");

    send(&lab, "snmptrap", &["-v2c", "-c", "private", "10.0.0.3", "", LINK_DOWN]);
    let seen = listener.object();
    assert_eq!((&seen["name"], &seen["kind"]), (&"linkDown".into(), &"trap".into()), "{seen}");
    assert_eq!(
        (&seen["community_as_given"], &seen["community_bytes"]),
        (&false.into(), &7.into()),
        "{seen}"
    );
    assert!(seen["from"].as_str().unwrap().starts_with("10.2.0.7:"), "{seen}");

    // It ends with an error unless it is acknowledged.
    let inform = ["-v2c", "-c", "expected", "-t2", "-r0", "10.0.0.3", "", LINK_DOWN];
    send(&lab, "snmpinform", &inform);
    let seen = listener.object();
    assert_eq!((&seen["kind"], &seen["acknowledged"]), (&"inform".into(), &true.into()), "{seen}");

    let user = ["-v3", "-e", "0x8000000901020304", "-u", "traps", "-a", "SHA", "-A", "12345678"];
    let open = [&user[..], &["-l", "authNoPriv", "10.0.0.3", "", LINK_DOWN]].concat();
    send(&lab, "snmptrap", &open);
    let seen = listener.object();
    assert_eq!(
        (&seen["user"], &seen["security_level"], &seen["engine_id"], &seen["engine_vendor"]),
        (&"traps".into(), &"authNoPriv".into(), &"0x8000000901020304".into(), &"Cisco".into()),
        "{seen}"
    );
    assert_eq!(seen["name"], "linkDown", "{seen}");

    let keys = ["-l", "authPriv", "-x", "AES", "-X", "12345678", "10.0.0.3", "", LINK_DOWN];
    send(&lab, "snmptrap", &[&user[..], &keys].concat());
    let seen = listener.object();
    assert_eq!((&seen["security_level"], &seen["oid"]), (&"authPriv".into(), &Value::Null));
    let (rest, code) = listener.rest();
    assert_eq!((rest.as_str(), code), ("", Some(0)));
}

#[test]
fn an_inform_of_version_3_asks_for_the_engine_and_is_not_acknowledged() {
    let lab = Lab::new();
    let mut listener = Listener::start(&lab, &["--format", "ndjson", "--count", "1"]);
    lab.eventually("listen", || lab.inside(Node::Server, || Port::Udp(162).is_bound()));
    let inform = ["-v3", "-u", "traps", "-l", "authNoPriv", "-a", "SHA", "-A", "12345678"];
    let mut client = lab.in_client("snmpinform");
    client.args(inform).args(["-t1", "-r2", "10.0.0.3", "", LINK_DOWN]);
    assert!(!client.output().unwrap().status.success());
    // The answer is longer than the question, so it is asked twice.
    for _ in 0..2 {
        assert_eq!(listener.object()["kind"], "discovery");
    }
    let seen = listener.object();
    assert_eq!((&seen["kind"], &seen["acknowledged"]), (&"inform".into(), &false.into()), "{seen}");
    assert_eq!((&seen["user"], &seen["version"]), (&"traps".into(), &"3".into()), "{seen}");
}

#[test]
fn beside_a_running_snmptrapd_it_shows_the_same_and_takes_nothing_away() {
    let lab = Lab::new();
    servers::snmptrapd(&lab, Node::Server);
    let mut listener = Listener::start(&lab, &["--count", "1"]);
    let listens = listener.until("listens");
    assert!(listens.contains("beside snmptrapd (pid "), "{listens}");
    listener.until("ends after");
    let community = servers::SNMP_COMMUNITY;
    // It is acknowledged, and not from here.
    let inform = ["-v2c", "-c", community, "-t2", "-r0", "10.0.0.3", "", LINK_DOWN];
    send(&lab, "snmpinform", &inform);
    let row = listener.until("inform");
    assert!(row.contains("10.2.0.7") && row.contains("linkDown"), "{row}");
    assert!(row.contains("another community than was given"), "{row}");
    assert!(row.contains("to be acknowledged by the program that has the port"), "{row}");
    let (rest, code) = listener.rest();
    assert!(rest.contains("10.2.0.7  1 linkDown") && !rest.contains(community), "{rest}");
    assert_eq!(code, Some(0));
}

#[test]
fn hostile_datagrams_neither_stop_it_nor_bloat_it_nor_reach_the_terminal() {
    let lab = Lab::new();
    let mut listener = Listener::start(&lab, &[]);
    listener.until("ends after");
    lab.inside(Node::Client, || {
        let socket = UdpSocket::bind("10.2.0.7:0").unwrap();
        socket.connect((SERVER, 162)).unwrap();
        let _sent = socket.send(b"\x1b]0;owned\x07\x1b[2J").unwrap();
        let _sent = socket.send(b"").unwrap();
        for number in 0..100_000_u32 {
            let _full = socket.send(&number.to_be_bytes().repeat(25));
        }
    });
    // A source that was refused is heard again later.
    std::thread::sleep(std::time::Duration::from_secs(2));
    send(&lab, "snmptrap", &["-v2c", "-c", "expected", "10.0.0.3", "", LINK_DOWN]);
    let pid = nix::unistd::Pid::from_raw(listener.child.id().try_into().unwrap());
    let mut said = String::new();
    loop {
        let line = listener.line();
        said.push_str(&line);
        if line.contains("linkDown") {
            break;
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let largest = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let largest: u64 = largest.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(largest <= 50 << 10, "{largest} kB");
    let user = status.lines().find(|line| line.starts_with("Uid:")).unwrap().to_owned();
    assert!(!user.split_whitespace().any(|id| id == "0"), "{user}");
    assert!(said.contains("no SNMP") && !said.contains('\x1b'), "{said}");
    assert!(said.lines().count() < 200, "{}", said.lines().count());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let (rest, code) = listener.rest();
    assert!(rest.contains("too many at once to show"), "{rest}");
    assert_eq!(code, Some(0));
}

#[test]
fn that_nothing_came_proves_nothing() {
    let lab = Lab::new();
    let mut preflight = lab.command(Node::Server, PREFLIGHT);
    let output = preflight.args(["listen", "traps", "--for", "1s"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("nothing came"), "{said}");
}

/// The row of `--send-test-trap`, sent from the client to the server.
fn test_trap(lab: &Lab, community: &str) -> Value {
    let mut preflight = lab.in_client(PREFLIGHT);
    preflight.args(["--role", "central", "--no-discovery", "--only", "custom.test-trap"]);
    preflight.args(["--send-test-trap", "10.0.0.3", "--format", "json"]);
    let output = preflight.env("PREFLIGHT_SNMP_COMMUNITY", community).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert!(!report.to_string().contains(community), "{report}");
    report["steps"][0].clone()
}

#[test]
fn an_inform_is_sent_when_it_is_asked_for_and_snmptrapd_says_that_it_came() {
    let lab = Lab::new();
    servers::snmptrapd(&lab, Node::Server);
    let step = test_trap(&lab, servers::SNMP_COMMUNITY);
    assert_eq!(step["outcome"], "pass", "{step}");
    assert!(step["result"].as_str().unwrap().contains("was acknowledged by net-snmp"), "{step}");
    lab.eventually("the log", || lab.log("snmptrapd").contains("--send-test-trap"));
    let step = test_trap(&lab, "another-community");
    assert_eq!(step["cause"]["code"], "inform-ignored", "{step}");
}
