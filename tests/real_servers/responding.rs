//! `preflight respond`: what it stands in for is proved from the other machine, real clients take it
//! for the real thing, and no flood stops it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, connect, sendto, socket,
};
use nix::unistd::Pid;
use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{Lab, Node, Port, SERVER, find, run};
use crate::pairing::Paired;

/// A responder on the server; dropping it ends it.
struct Responder {
    child: Child,
    /// All that it says, until it ends.
    reader: Option<JoinHandle<String>>,
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Responder {
    fn start(lab: &Lab, role: &str, bound: &[Port]) -> Self {
        Self::start_with(lab, &["--role", role], bound)
    }

    fn start_with(lab: &Lab, arguments: &[&str], bound: &[Port]) -> Self {
        let mut preflight = lab.command(Node::Server, PREFLIGHT);
        preflight.args(["respond", "--for", "10m"]).args(arguments);
        preflight.env("PREFLIGHT_SNMP_COMMUNITY", "read-by-us");
        let mut child = preflight.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // What it says of a flood must not fill the pipe.
        let mut screen = child.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let mut said = String::new();
            screen.read_to_string(&mut said).unwrap();
            said
        });
        let responder = Self { child, reader: Some(reader) };
        lab.eventually("respond", || {
            lab.inside(Node::Server, || bound.iter().all(|port| port.is_bound()))
        });
        responder
    }

    /// Interrupts it; what it has said.
    fn said(mut self) -> String {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        self.reader.take().unwrap().join().unwrap()
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
fn real_clients_take_a_device_that_is_not_there_for_one() {
    let lab = Lab::new();
    let ports = [Port::Udp(161), Port::Tcp(8443)];
    let responder = Responder::start_with(&lab, &["--device", "snmp,nsclient"], &ports);
    let read = |program: &str, arguments: &[&str]| {
        let output =
            lab.in_client(program).args(["-t1", "-r3", "-On"]).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    };
    let name = "1.3.6.1.2.1.1.5.0";
    for version in ["-v1", "-v2c"] {
        let (is_read, said) = read("snmpget", &[version, "-c", "read-by-us", "10.0.0.3", name]);
        assert!(is_read && said.contains("preflight respond"), "{said}");
        let (_, said) = read("snmpwalk", &[version, "-c", "read-by-us", "10.0.0.3", "1.3"]);
        // Clients of either version say in their own way that nothing follows.
        let values = said.lines().filter(|line| {
            line.starts_with(".1.3.6.1.2.1.1.") && !line.contains("No more variables")
        });
        assert_eq!(values.count(), 4, "{said}");
    }
    let (is_read, _) = read("snmpget", &["-v2c", "-c", "public", "10.0.0.3", name]);
    assert!(!is_read, "an agent is silent to a wrong community");
    let (is_read, _) = read("snmpbulkget", &["-v2c", "-c", "read-by-us", "10.0.0.3", "1.3"]);
    assert!(!is_read, "GETBULK amplifies");
    let alive = ["-sk", "-m", "3", "https://10.0.0.3:8443/core/isalive"];
    let output = lab.in_client("curl").args(alive).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"status\" : \"ok\"}");
    let said = responder.said();
    assert!(said.contains("UDP 161 (a device)  from 10.2.0.7: "), "{said}");
    assert!(!said.contains("far-side") && !said.contains("read-by-us"), "{said}");
}

#[test]
fn the_code_may_be_kept_off_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("code");
    let mut preflight = Command::new(find(PREFLIGHT));
    preflight.args(["respond", "--role", "central", "--port", "poller.bbdo=25668", "--for", "1s"]);
    preflight.args(["--bind", "127.0.0.1", "--code-file"]).arg(&file);
    let output = preflight.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let code = fs::read_to_string(&file).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&format!("the code it asks for: in {}", file.display())), "{said}");
    assert!(code.trim().len() > 10 && !said.contains(code.trim()), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
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
fn a_firewall_that_closes_one_family_alone_is_told_whatever_its_rules_are_written_in() {
    let kinds = [
        "nft add table ip6 own; nft add chain ip6 own input '{ type filter hook input priority 0; }'; nft add rule ip6 own input tcp dport 5669 drop",
        "ip6tables-nft -A INPUT -p tcp --dport 5669 -j DROP",
        "ip6tables-legacy -A INPUT -p tcp --dport 5669 -j DROP",
    ];
    for closes in kinds {
        let lab = Lab::new();
        run(lab.command(Node::Server, "sh").args(["-c", closes]));
        // Its code comes behind the verdict.
        let said = Paired::start(&lab, Node::Server, "central").said();
        let depends = "lets TCP 5669 in depends: open over IPv4 by eth0; closed over IPv6 by eth0";
        assert!(said.contains(depends), "{closes}: {said}");
    }
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
    thread::sleep(Duration::from_secs(1));
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
    thread::sleep(Duration::from_secs(1));
    let inform =
        ["-v2c", "-c", "not-a-real-one", "-t1", "-r3", "10.0.0.3", "", "1.3.6.1.6.3.1.1.5.3"];
    run(lab.in_client("snmpinform").args(inform));
    let largest: u64 = poller.status("VmHWM:").parse().unwrap();
    assert!(largest <= 50 << 10, "{largest} kB");
}

/// The bytes that the server's link has taken and sent.
fn carried(lab: &Lab) -> (u64, u64) {
    let [taken, sent] = ["rx_bytes", "tx_bytes"].map(|count| {
        let path = format!("/sys/class/net/eth0/statistics/{count}");
        let text = run(lab.command(Node::Server, "cat").arg(path));
        text.trim().parse().unwrap()
    });
    (taken, sent)
}

/// A UDP datagram with whatever source; the kernel fills in checksum and length of the IP header.
fn forged(source: [u8; 4], port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let SocketAddr::V4(to) = SocketAddr::from((SERVER, port)) else { unreachable!("IPv4") };
    let ip = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    let (from_port, to_port) = (40_000_u16.to_be_bytes(), port.to_be_bytes());
    [&ip, &source[..], &to.ip().octets(), &from_port, &to_port, &length, &[0, 0], payload].concat()
}

#[test]
fn forged_sources_get_nothing_and_take_neither_memory_nor_the_place_of_who_asks() {
    // The question whose answer is longer than it is: discovery of SNMPv3.
    let discovery = [
        0x30, 0x3a, 0x02, 0x01, 0x03, 0x30, 0x0f, 0x02, 0x02, 0x4a, 0x69, 0x02, 0x03, 0x00, 0xff,
        0xe3, 0x04, 0x01, 0x04, 0x02, 0x01, 0x03, 0x04, 0x10, 0x30, 0x0e, 0x04, 0x00, 0x02, 0x01,
        0x00, 0x02, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00, 0x04, 0x00, 0x30, 0x12, 0x04, 0x00, 0x04,
        0x00, 0xa0, 0x0c, 0x02, 0x02, 0x37, 0xf0, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x00,
    ];
    let lab = Lab::new();
    let poller = Responder::start(&lab, "poller", &[Port::Udp(162)]);
    // Who has paid for an answer gets one, and never more than has come from there.
    let (taken, sent) = carried(&lab);
    lab.inside(Node::Client, || {
        let socket = UdpSocket::bind("10.2.0.7:0").unwrap();
        socket.connect((SERVER, 162)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let (mut asked, mut told, mut answer) = (0, 0, [0; 2048]);
        for _ in 0..20 {
            asked += socket.send(&discovery).unwrap();
            told += socket.recv(&mut answer).unwrap_or_default();
            assert!(told <= asked, "{told} bytes for {asked}");
        }
        assert!(told > asked / 2, "{told} bytes for {asked}");
    });
    let (now_taken, now_sent) = carried(&lab);
    assert!(now_sent - sent < now_taken - taken);
    let (taken, sent) = carried(&lab);
    lab.inside(Node::Router, || {
        let flags = SockFlag::SOCK_CLOEXEC;
        let raw = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Raw).unwrap();
        let to = SockaddrIn::new(10, 0, 0, 3, 0);
        for number in 0..100_000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            let datagram = forged([198, 18 + b, c, d], 162, &discovery);
            let _full = sendto(raw.as_raw_fd(), &datagram, &to, MsgFlags::empty());
        }
    });
    thread::sleep(Duration::from_secs(1));
    let (now_taken, now_sent) = carried(&lab);
    let (flood, leak) = (now_taken - taken, now_sent - sent);
    assert!(flood > 5_000_000, "{flood} bytes came: there was no flood");
    // Most have asked once, and nothing was sent back for that; those that are too many to be told apart pay together.
    assert!(leak < flood / 20, "{leak} bytes for {flood}");
    let inform =
        ["-v2c", "-c", "not-a-real-one", "-t1", "-r5", "10.0.0.3", "", "1.3.6.1.6.3.1.1.5.3"];
    run(lab.in_client("snmpinform").args(inform));
    let largest: u64 = poller.status("VmHWM:").parse().unwrap();
    assert!(largest <= 50 << 10, "{largest} kB");
    println!("100,000 forged datagrams: {flood} bytes in, {leak} out, {largest} kB");
}

#[test]
fn half_open_connections_and_a_minute_of_random_bytes_do_not_stop_it() {
    let lab = Lab::new();
    let poller =
        Responder::start(&lab, "poller", &[Port::Tcp(5666), Port::Tcp(22), Port::Udp(162)]);
    // The client never hears the second packet of a handshake of port 22.
    lab.rule(Node::Client, "input", "tcp sport 22 drop");
    let began = Instant::now();
    lab.inside(Node::Client, || {
        let knocking: Vec<_> = (0..1000)
            .map(|_| {
                let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
                let knock = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
                let _on_its_way = connect(knock.as_raw_fd(), &SockaddrIn::new(10, 0, 0, 3, 22));
                knock
            })
            .collect();
        let datagrams = UdpSocket::bind("10.2.0.7:0").unwrap();
        datagrams.connect((SERVER, 162)).unwrap();
        // What is not random enough would be one protocol's own (xorshift).
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        while began.elapsed() < Duration::from_secs(60) {
            let length = usize::try_from(random() % 1400).unwrap();
            let bytes: Vec<u8> =
                std::iter::repeat_with(|| random().to_be_bytes()[0]).take(length).collect();
            let _full = datagrams.send(&bytes);
            if let Ok(mut stream) = TcpStream::connect((SERVER, 5666)) {
                let _refused = stream.write_all(&bytes);
            }
        }
        drop(knocking);
    });
    lab.nft(Node::Client, "flush ruleset");
    // A source that asked too much is served again some seconds later.
    thread::sleep(Duration::from_secs(2));
    for only in ["central.zmq", "central.ssh"] {
        let step = outcome(&lab, &["--role", "central", "--poller", "10.0.0.3", "--only", only]);
        assert!(step["cause"].is_null(), "{step}");
    }
    let largest: u64 = poller.status("VmHWM:").parse().unwrap();
    assert!(largest <= 50 << 10, "{largest} kB");
    println!("a minute of random bytes: {largest} kB");
}

#[test]
fn it_ends_by_itself() {
    let mut preflight = Command::new(find(PREFLIGHT));
    preflight.args(["respond", "--role", "central", "--port", "poller.bbdo=25669"]);
    let output = preflight.args(["--bind", "127.0.0.1", "--for", "1s"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("nobody came"), "{output:?}");
}
