//! `preflight respond`: what it stands in for is proved from the other machine, real clients take it
//! for the real thing, and no flood stops it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{Lab, Node, Port, SERVER, find, run};

/// A responder on the server; dropping it ends it.
struct Responder {
    child: Child,
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Responder {
    fn start(lab: &Lab, role: &str, bound: &[Port]) -> Self {
        let mut preflight = lab.command(Node::Server, PREFLIGHT);
        preflight.args(["respond", "--role", role, "--for", "10m"]);
        let child = preflight.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let responder = Self { child };
        lab.eventually("respond", || {
            lab.inside(Node::Server, || bound.iter().all(|port| port.is_bound()))
        });
        responder
    }

    /// Interrupts it; what it has said.
    fn said(mut self) -> String {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let mut said = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    fn status(&self, key: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }
}

/// The outcome of a row, asked from the client.
fn outcome(lab: &Lab, arguments: &[&str]) -> Value {
    let mut preflight = lab.in_client(PREFLIGHT);
    let output =
        preflight.args(arguments).args(["--no-discovery", "--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    report["steps"][0].clone()
}

fn bbdo(lab: &Lab) -> Value {
    outcome(lab, &["--role", "poller", "--central", "10.0.0.3", "--only", "poller.bbdo"])
}

#[test]
fn a_central_that_is_not_installed_is_proved_from_its_poller() {
    let lab = Lab::new();
    let responder = Responder::start(&lab, "central", &[Port::Tcp(5669)]);
    let step = bbdo(&lab);
    assert!(step["outcome"] == "pass" || step["outcome"] == "warn", "{step}");
    assert!(step["cause"].is_null(), "{step}");
    // Root's rights are gone.
    assert_ne!(responder.status("Uid:"), "0");
    let said = responder.said();
    assert!(said.contains("preflight --role poller --central 10.0.0.3"), "{said}");
    assert!(said.contains("TCP 5669 (poller.bbdo") && said.contains("  from 10.2.0.7: "), "{said}");
}

#[test]
fn real_clients_take_a_poller_that_is_not_installed_for_one() {
    let lab = Lab::new();
    let ports = [Port::Tcp(5666), Port::Tcp(22), Port::Udp(162)];
    let responder = Responder::start(&lab, "poller", &ports);
    for only in ["central.zmq", "central.ssh"] {
        let step = outcome(&lab, &["--role", "central", "--poller", "10.0.0.3", "--only", only]);
        assert!(step["cause"].is_null(), "{step}");
    }
    let inform =
        ["-v2c", "-c", "not-a-real-one", "-t1", "-r1", "10.0.0.3", "", "1.3.6.1.6.3.1.1.5.3"];
    run(lab.in_client("snmpinform").args(inform));
    let zmq = "import zmq
s = zmq.Context().socket(zmq.DEALER)
m = s.get_monitor_socket()
s.connect('tcp://10.0.0.3:5666')
from zmq.utils.monitor import recv_monitor_message
assert m.poll(3000)
while recv_monitor_message(m)['event'] != zmq.EVENT_HANDSHAKE_SUCCEEDED:
    assert m.poll(3000)";
    run(lab.in_client("/usr/bin/python3").args(["-c", zmq]));
    let keys = lab.in_client("ssh-keyscan").args(["-T", "2", "10.0.0.3"]).output().unwrap();
    let heard = String::from_utf8_lossy(&keys.stderr).into_owned();
    assert!(heard.contains("SSH-2.0-"), "{heard}");
    let said = responder.said();
    assert!(said.contains("UDP 162 (poller.trap") && said.contains("  from 10.2.0.7: "), "{said}");
}

#[test]
fn a_port_in_use_is_named_and_left_alone() {
    let lab = Lab::new();
    let _held = lab.inside(Node::Server, || TcpListener::bind((SERVER, 5666)).unwrap());
    let responder = Responder::start(&lab, "poller", &[Port::Tcp(22), Port::Udp(162)]);
    let said = responder.said();
    let us = format!("(pid {}) has it, for central.zmq", std::process::id());
    assert!(said.contains("left alone") && said.contains(&us), "{said}");
}

#[test]
fn floods_neither_stop_it_nor_bloat_it() {
    let lab = Lab::new();
    let central = Responder::start(&lab, "central", &[Port::Tcp(5669)]);
    let idle: Vec<TcpStream> = lab.inside(Node::Client, || {
        for number in 0..10_000_u32 {
            let Ok(mut stream) = TcpStream::connect((SERVER, 5669)) else { continue };
            let _refused = stream.write_all(&number.to_be_bytes().repeat(100));
        }
        (0..1000).filter_map(|_| TcpStream::connect((SERVER, 5669)).ok()).collect()
    });
    assert!(idle.len() > 500, "{}", idle.len());
    std::thread::sleep(Duration::from_secs(1));
    let step = bbdo(&lab);
    assert!(step["cause"].is_null(), "{step}");
    let largest: u64 = central.status("VmHWM:").parse().unwrap();
    assert!(largest <= 50 << 10, "{largest} kB");
    drop((idle, central));

    let poller = Responder::start(&lab, "poller", &[Port::Udp(162)]);
    lab.inside(Node::Client, || {
        let socket = UdpSocket::bind("10.2.0.7:0").unwrap();
        socket.connect((SERVER, 162)).unwrap();
        for number in 0..100_000_u32 {
            let _full = socket.send(&number.to_be_bytes().repeat(25));
        }
    });
    std::thread::sleep(Duration::from_secs(1));
    let inform =
        ["-v2c", "-c", "not-a-real-one", "-t1", "-r3", "10.0.0.3", "", "1.3.6.1.6.3.1.1.5.3"];
    run(lab.in_client("snmpinform").args(inform));
    let largest: u64 = poller.status("VmHWM:").parse().unwrap();
    assert!(largest <= 50 << 10, "{largest} kB");
}

#[test]
fn it_ends_by_itself() {
    let mut preflight = Command::new(find(PREFLIGHT));
    preflight.args(["respond", "--role", "central", "--port", "poller.bbdo=25669"]);
    let output = preflight.args(["--bind", "127.0.0.1", "--for", "1s"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("nobody came"), "{output:?}");
}
