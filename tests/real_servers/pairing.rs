//! `preflight respond` and `--far-side`: both directions proved from one machine, and each fault on the way between
//! the two named by what both ends saw.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{Lab, Node};

/// A responder with its code; dropping it ends it.
struct Paired {
    child: Child,
    code: String,
}

impl Drop for Paired {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Paired {
    /// A central that is not installed.
    fn central(lab: &Lab) -> Self {
        Self::start(lab, Node::Server, "central")
    }

    fn start(lab: &Lab, node: Node, role: &str) -> Self {
        let mut preflight = lab.command(node, PREFLIGHT);
        preflight.args(["respond", "--role", role, "--for", "10m"]);
        let mut child = preflight.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let code = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.trim().strip_prefix("the code it asks for: ").map(str::to_owned));
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, code: code.expect("a code") }
    }
}

/// The whole run of the poller.
fn run(lab: &Lab, code: &str) -> Value {
    let output = asked(lab, code);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn asked(lab: &Lab, code: &str) -> Output {
    let mut preflight = lab.in_client(PREFLIGHT);
    preflight.args(["--role", "poller", "--central", "10.0.0.3", "--far-side", "--no-discovery"]);
    preflight.args(["--only", "poller.bbdo,central.*,poller.trap", "--format", "json"]);
    preflight.env("PREFLIGHT_FAR_SIDE_CODE", code).output().unwrap()
}

fn step<'a>(report: &'a Value, flow: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["flow"] == flow).unwrap_or_else(|| panic!("{flow}: {report}"))
}

fn code_of<'a>(report: &'a Value, flow: &str) -> &'a str {
    step(report, flow)["cause"]["code"].as_str().unwrap_or_default()
}

fn result<'a>(report: &'a Value, flow: &str) -> &'a str {
    step(report, flow)["result"].as_str().unwrap()
}

#[test]
fn one_command_proves_both_directions() {
    let lab = Lab::new();
    let central = Paired::central(&lab);
    let report = run(&lab, &central.code);
    assert_eq!(report["summary"]["exit_code"], 0, "{report}");
    assert!(
        result(&report, "poller.bbdo").ends_with("proved end to end, seen there as 10.2.0.7"),
        "{report}"
    );
    for (flow, port) in [("central.zmq", 5666), ("central.ssh", 22)] {
        let reached = format!(
            "proved end to end: the central reached this machine on TCP {port}, from 10.0.0.3"
        );
        assert_eq!(result(&report, flow), reached, "{report}");
        assert_eq!(step(&report, flow)["outcome"], "pass");
        assert_eq!(step(&report, flow)["required"], true);
    }
    assert_eq!(step(&report, "far-side")["evidence"]["seen_there_as"], "10.2.0.7");
    assert_eq!(step(&report, "poller.trap")["evidence"]["mark_from"], "10.0.0.3", "{report}");
}

#[test]
fn address_translation_is_seen_from_the_other_end() {
    let lab = Lab::new();
    let central = Paired::central(&lab);
    let rules = "table ip translation {
        chain post { type nat hook postrouting priority 100; ip saddr 10.2.0.7 snat to 10.0.0.1; }
    }";
    lab.nft(Node::Router, rules);
    let report = run(&lab, &central.code);
    let seen = "proved end to end, seen there as 10.0.0.1";
    assert!(result(&report, "poller.bbdo").ends_with(seen), "{report}");
}

#[test]
fn each_fault_is_named_by_what_both_ends_saw() {
    let faults = [
        // The central's question: its answers lost, it itself lost, refused, and rejected; the control channel takes another port.
        ("tcp sport 5666 drop", "central.zmq", "far-side-answers-lost"),
        ("tcp dport 5666 drop", "central.zmq", "far-side-failed"),
        ("tcp dport 5666 reject with tcp reset", "central.zmq", "far-side-failed"),
        ("tcp dport 5666 reject with icmpx admin-prohibited", "central.zmq", "far-side-failed"),
    ];
    for (rule, flow, cause) in faults {
        let lab = Lab::new();
        let central = Paired::central(&lab);
        lab.rule(Node::Router, "forward", rule);
        let report = run(&lab, &central.code);
        assert_eq!(code_of(&report, flow), cause, "{rule}: {report}");
        assert_eq!(report["summary"]["exit_code"], 1, "{rule}: {report}");
        // What has nothing to do with it is proved all the same.
        assert!(result(&report, "poller.bbdo").contains("proved end to end"), "{rule}: {report}");
        assert!(result(&report, "central.ssh").contains("proved end to end"), "{rule}: {report}");
    }
}

#[test]
fn a_device_that_answers_in_the_pollers_name_is_not_taken_for_it() {
    let lab = Lab::new();
    let central = Paired::central(&lab);
    // It speaks the protocol as the poller would.
    let _pretender = Paired::start(&lab, Node::Router, "poller");
    let rules = "table ip pretender {
        chain pre { type nat hook prerouting priority -100; ip daddr 10.2.0.7 tcp dport 5666 redirect; }
    }";
    lab.nft(Node::Router, rules);
    let report = run(&lab, &central.code);
    assert_eq!(code_of(&report, "central.zmq"), "far-side-impersonated", "{report}");
    assert!(result(&report, "central.ssh").contains("proved end to end"), "{report}");
}

#[test]
fn a_wrong_code_and_an_old_one_are_refused_and_said() {
    let lab = Lab::new();
    let old = Paired::central(&lab).code.clone();
    let central = Paired::central(&lab);
    if old[..2] != central.code[..2] {
        let report = run(&lab, &old);
        assert_eq!(code_of(&report, "far-side"), "far-side-other-run", "{report}");
        assert_eq!(report["summary"]["exit_code"], 1);
        // Without the code the responder is a service as any other.
        assert_eq!(step(&report, "poller.bbdo")["cause"], Value::Null, "{report}");
    }
    // The same run and its checksum, other secrets: swap two letters whose weights differ by 32.
    let wrong = wrong_code(&central.code);
    let report = run(&lab, &wrong);
    assert_eq!(code_of(&report, "far-side"), "far-side-code-refused", "{report}");
    // A slip is found before anything is sent.
    let mut slip = central.code.clone();
    let last = slip.pop().unwrap();
    slip.push(if last == '7' { '8' } else { '7' });
    let output = asked(&lab, &slip);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the code has a slip in it") && !said.contains(&slip), "{said}");
    // No code is in what was written.
    assert!(!report.to_string().contains(&central.code));
}

/// Another code of the same run, with the right checksum.
fn wrong_code(code: &str) -> String {
    let symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut values: Vec<usize> = code.chars().filter_map(|letter| symbols.find(letter)).collect();
    values[2] = (values[2] + 1) % 32;
    values.pop();
    let sum: usize = values.iter().enumerate().map(|(at, value)| (2 * at + 1) * value).sum();
    values.push(sum % 32);
    values.iter().map(|value| &symbols[*value..=*value]).collect()
}

#[test]
fn without_preflight_on_the_other_side_that_is_said() {
    let lab = Lab::new();
    let _other = lab.inside(Node::Server, || {
        let listener = std::net::TcpListener::bind(("10.0.0.3", 5669)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _gone = stream.write_all(b"220 mail.example ESMTP\r\n");
            }
        })
    });
    let report = run(&lab, "00-000-000-000");
    assert_eq!(code_of(&report, "far-side"), "far-side-absent", "{report}");
}

#[test]
fn callers_without_the_code_neither_stop_it_nor_learn_anything() {
    let lab = Lab::new();
    let central = Paired::central(&lab);
    lab.inside(Node::Client, || {
        for number in 0..200_u8 {
            let Ok(mut stream) = TcpStream::connect(("10.0.0.3", 5669)) else { continue };
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let call = [b"preflight code1\n".as_slice(), &[number; 33]].concat();
            let _refused = stream.write_all(&call[..usize::from(number) % (call.len() + 1)]);
        }
    });
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/status", central.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert!(resident() <= 60 << 10, "{} kB", resident());
    // Five calls at once, then one in two seconds from a source.
    std::thread::sleep(Duration::from_secs(12));
    let report = run(&lab, &central.code);
    assert_eq!(report["summary"]["exit_code"], 0, "{report}");
}
