//! `--hold`: connections that work are left silent, against libzmq's own router and against `preflight respond`, and a
//! router on the way that forgets them is named.

use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{Lab, Node, servers};
use crate::pairing::Paired;

/// The report of a run on the client, which leaves connections silent for eight seconds.
fn run(lab: &Lab, arguments: &[&str], code: Option<&str>) -> Value {
    let mut preflight = lab.in_client(PREFLIGHT);
    preflight.args(arguments).args(["--hold", "8s", "--no-discovery", "--format", "json"]);
    preflight.envs(code.map(|code| ("PREFLIGHT_FAR_SIDE_CODE", code)));
    let output = preflight.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn step<'a>(report: &'a Value, flow: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["flow"] == flow).unwrap_or_else(|| panic!("{flow}: {report}"))
}

/// Forgets who is silent for three seconds, and drops what comes then.
fn forget(lab: &Lab) {
    lab.rule(Node::Router, "forward", "tcp dport 5669 ct state new tcp flags & syn == 0 drop");
    lab.sysctl(Node::Router, "net/netfilter/nf_conntrack_tcp_timeout_established", "3");
}

const TO_A_POLLER: [&str; 6] =
    ["--role", "central", "--poller", "10.0.0.3", "--only", "central.zmq"];
const TO_A_CENTRAL: [&str; 6] =
    ["--role", "poller", "--central", "10.0.0.3", "--only", "poller.bbdo"];

#[test]
fn a_router_of_libzmq_keeps_a_silent_connection() {
    let lab = Lab::new();
    servers::zmq_router(&lab, Node::Server, 5666);
    let report = run(&lab, &TO_A_POLLER, None);
    let step = step(&report, "central.zmq");
    assert_eq!(step["outcome"], "pass", "{report}");
    assert!(step["result"].as_str().unwrap().contains("lives on after 8 s of silence"), "{step}");
}

#[test]
fn with_a_far_side_a_router_that_forgets_is_named_beside_what_is_proved() {
    let lab = Lab::new();
    let central = Paired::central(&lab);
    let with_far_side = [&TO_A_CENTRAL[..], &["--far-side"]].concat();
    let report = run(&lab, &with_far_side, Some(&central.code));
    let healthy = step(&report, "poller.bbdo");
    assert!(healthy["cause"].is_null(), "{healthy}");
    let result = healthy["result"].as_str().unwrap();
    assert!(result.contains("proved end to end") && result.contains("lives on"), "{healthy}");

    forget(&lab);
    for arguments in [&with_far_side[..], &TO_A_CENTRAL] {
        let report = run(&lab, arguments, Some(&central.code));
        let step = step(&report, "poller.bbdo");
        assert_eq!(step["cause"]["code"], "idle-forgotten", "{report}");
        assert_eq!(step["cause"]["owner"], "network", "{step}");
        assert_eq!(
            (&step["cause"]["facts"]["silent_ms"], &step["cause"]["facts"]["lived_ms"]),
            (&4000.0.into(), &2000.0.into()),
            "{step}"
        );
    }
}

#[test]
fn that_nothing_could_be_held_is_said() {
    let lab = Lab::new();
    let mut preflight = lab.in_client(PREFLIGHT);
    preflight.args(TO_A_CENTRAL).args(["--hold", "8s", "--no-discovery"]);
    let output = preflight.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no connection of BBDO or ZMQ works"), "{said}");
}
