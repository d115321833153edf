//! A machine that hides something of itself: what cannot be seen is said, and is nobody's fault.

use std::process::Output;

use serde_json::Value;

use super::PREFLIGHT;
use crate::lab::servers::{copied, privately};
use crate::lab::{Lab, Node};

#[test]
fn what_this_machine_hides_is_unknown_and_never_a_failure() {
    let lab = Lab::new();
    for (what, setup, unknown) in [
        ("nothing hidden", "true", None),
        ("an empty /proc", "mount -t tmpfs tmpfs /proc", Some("listeners-unknown")),
        ("processes of others hidden", "mount -t proc -o hidepid=2 proc /proc", None),
        ("an empty /sys", "mount -t tmpfs tmpfs /sys", None),
        ("an empty /proc/sys", "mount -t tmpfs tmpfs /proc/sys", None),
    ] {
        let (output, report) = run(&lab, setup, &["--central", "10.0.0.3"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{what}: {errors}");
        for flow in ["central.zmq", "central.ssh", "poller.trap"] {
            let step = step(&report, flow);
            // Of TCP the kernel itself is asked, without /proc.
            let unknown = unknown.filter(|_| flow == "poller.trap");
            let expected = unknown.map_or("fail", |_| "unknown");
            assert_eq!(step["outcome"], expected, "{what}: {step:#}");
            if let Some(code) = unknown {
                assert_eq!(step["cause"]["code"], code, "{what}: {step:#}");
                let result = step["result"].as_str().unwrap();
                assert!(result.contains("/proc/net"), "{what}: {result}");
            }
        }
        // What needs none of these is told as ever.
        assert_eq!(step(&report, "poller.bbdo")["cause"]["code"], "port-closed", "{what}");
    }
}

#[test]
fn files_that_this_user_may_not_read_are_no_missing_name_server() {
    let lab = Lab::new();
    lab.etc(Node::Client, "resolv.conf", "nameserver 10.0.0.3\n");
    let setup = "mount -t tmpfs -o mode=700 tmpfs /etc";
    let (output, report) = run(&lab, setup, &["--central", "central.example.test"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
    let step = step(&report, "poller.bbdo");
    assert_eq!(step["outcome"], "unknown", "{step:#}");
    assert_eq!(step["cause"]["code"], "name-file-unread", "{step:#}");
    let result = step["result"].as_str().unwrap();
    assert!(result.contains("Permission denied"), "{result}");
}

/// Runs as nobody, behind `setup`, which is root's and which nobody else sees.
fn run(lab: &Lab, setup: &str, args: &[&str]) -> (Output, Value) {
    let program = copied(lab, std::path::Path::new(PREFLIGHT));
    let mut command = privately(lab, Node::Client, setup, "setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command.args(["--no-discovery", "--role", "poller", "--phase", "after", "--format", "json"]);
    let output = command.args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{setup}: {error}:\n{text}{}", String::from_utf8_lossy(&output.stderr))
    });
    (output, report)
}

fn step<'a>(report: &'a Value, flow: &str) -> &'a Value {
    report["steps"].as_array().unwrap().iter().find(|step| step["flow"] == flow).unwrap()
}
