//! The address of ours that a flow leaves from: `--from`, and `from` of the site file.

use std::io::Read as _;
use std::net::{IpAddr, TcpListener};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::support::preflight;

/// Takes one connection, and tells from which address it came.
fn listener() -> (u16, JoinHandle<IpAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = thread::spawn(move || {
        let (mut connection, caller) = listener.accept().unwrap();
        // Who closes first is no service.
        connection.read_to_end(&mut Vec::new()).ok();
        caller.ip()
    });
    (port, accepted)
}

fn run(port: u16, more: &[&str]) -> Value {
    let check = format!("x=tcp://127.0.0.1:{port}");
    let mut arguments = vec!["--role", "poller", "--only", "custom.x", "--check", &check];
    arguments.extend(["--format", "json"]);
    arguments.extend(more);
    preflight(&arguments).report()
}

fn own(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_flow_leaves_from_the_address_asked_for() {
    for (from, source) in [
        (vec!["--from", "127.0.0.7"], "127.0.0.7"),
        (vec!["--from", "127.0.0.7", "--from", "custom.x=127.0.0.8"], "127.0.0.8"),
        (vec!["--from", "poller.ntp=127.0.0.7"], "127.0.0.1"),
        (vec!["--from", "lo"], "127.0.0.1"),
    ] {
        let (port, caller) = listener();
        let report = run(port, &from);
        let step = &report["steps"][0];
        assert_eq!(step["outcome"], "pass", "{step:#}");
        assert_eq!(step["attempts"][0]["source"], source, "{step:#}");
        assert_eq!(caller.join().unwrap(), own(source), "{from:?}");
    }
}

#[test]
fn the_site_file_names_an_address_for_all_flows_or_for_some() {
    for (text, source) in [
        ("from = \"127.0.0.7\"", "127.0.0.7"),
        ("from = { \"custom.x\" = \"127.0.0.8\", \"*\" = \"127.0.0.7\" }", "127.0.0.8"),
    ] {
        for (flag, source) in [(&[][..], source), (&["--from", "127.0.0.9"], "127.0.0.9")] {
            let (port, caller) = listener();
            let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
            let check = format!("[[check]]\nname = \"x\"\nurl = \"tcp://127.0.0.1:{port}\"\n");
            let site = format!("[machine.p]\nrole = \"poller\"\n{text}\n{check}");
            std::fs::write(file.path(), site).unwrap();
            let path = file.path().to_str().unwrap();
            let arguments = ["--site", path, "--as", "p", "--only", "custom.x", "--format", "json"];
            let report = preflight(&[arguments.as_slice(), flag].concat()).report();
            assert_eq!(report["steps"][0]["target"]["source"][0], source, "{report:#}");
            assert_eq!(caller.join().unwrap(), own(source));
        }
    }
}

#[test]
fn an_address_that_this_host_does_not_have_is_the_cause() {
    let report = run(9, &["--from", "192.0.2.77"]);
    let step = &report["steps"][0];
    assert_eq!(step["cause"]["code"], "source-unusable", "{step:#}");
    let message =
        "127.0.0.1 cannot be asked from 192.0.2.77: no interface of this host has that address";
    assert_eq!(step["cause"]["message"], message);
    let report = run(9, &["--from", "::1"]);
    let message = "127.0.0.1 cannot be asked from ::1: one is IPv4, the other IPv6";
    assert_eq!(report["steps"][0]["cause"]["message"], message);
}

#[test]
fn a_source_that_is_no_address_of_ours_is_refused() {
    for (value, reason) in [
        ("no-such0", "`no-such0` is neither an address nor an interface with one here"),
        ("poller.mars=127.0.0.1", "profile i-vertix has no flow `poller.mars`"),
    ] {
        let ended = preflight(&["plan", "--role", "poller", "--from", value]);
        assert_eq!(ended.stderr, format!("preflight: --from: {reason}\n"));
        assert_eq!(ended.code, Some(2));
    }
}

#[test]
fn plan_and_request_name_the_source() {
    let arguments = ["--role", "poller", "--central", "192.0.2.5"];
    let more = ["--from", "poller.bbdo=127.0.0.7", "--only", "poller.bbdo"];
    let plan = preflight(&[&["plan"], arguments.as_slice(), &more].concat());
    assert!(plan.stdout.contains("\n      from 127.0.0.7\n"), "{}", plan.stdout);
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    let site = "[machine.c]\nrole = \"central\"\naddress = \"192.0.2.5\"\n\
        [machine.p]\nrole = \"poller\"\naddress = \"192.0.2.7\"\nfrom = { \"poller.bbdo\" = \"192.0.2.8\" }\n";
    std::fs::write(file.path(), site).unwrap();
    let path = file.path().to_str().unwrap();
    let request = preflight(&["request", "--site", path, "--format", "csv"]);
    let rows: Vec<&str> = request.stdout.lines().filter(|row| row.contains("5669")).collect();
    assert!(!rows.is_empty(), "{}", request.stdout);
    assert!(rows.iter().all(|row| row.contains("192.0.2.8")), "{rows:?}");
}

#[test]
fn an_address_of_a_link_may_come_with_its_interface() {
    let plan = |from: &str| {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        let check = "[[check]]\nname = \"x\"\nurl = \"tcp://[fe80::9%eth0]:1\"\n";
        let site = format!("[machine.p]\nrole = \"poller\"\nfrom = \"{from}\"\n{check}");
        std::fs::write(file.path(), site).unwrap();
        let path = file.path().to_str().unwrap();
        preflight(&["plan", "--site", path, "--as", "p", "--only", "custom.x"])
    };
    let zoned = plan("fe80::7%eth0");
    assert!(zoned.stdout.contains("from fe80::7\n"), "{} {}", zoned.stdout, zoned.stderr);
    let wrong = plan("10.0.0.7%eth0");
    assert!(wrong.stderr.contains("`10.0.0.7%eth0` is not an IP address\n"), "{}", wrong.stderr);
}
