//! Whole runs: what several failures amount to together, in the table, the report and the request.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::PoisonError;

use serde_json::Value;

use crate::ALONE;
use crate::lab::Node::{Client, Router, Second, Server};
use crate::lab::{Lab, SERVER};
use crate::peer;
use crate::site::{report, secrets};

/// A lab with `preflight` in it, and one report.
struct Run {
    lab: Lab,
    args: Vec<String>,
}

impl Run {
    fn new() -> Self {
        let lab = Lab::new();
        secrets(&lab);
        Self { lab, args: Vec::new() }
    }

    fn asking(mut self, args: &[&str]) -> Self {
        let args =
            args.iter().map(|arg| arg.replace("LAB", &self.lab.path("").display().to_string()));
        self.args = args.collect();
        self
    }

    /// Runs once, and returns the report; the table and every format of the request are made of it.
    fn report(&self) -> Value {
        let mut command = self.lab.in_client("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(self.lab.path("bin/preflight"))
            .args(["--no-discovery", "--phase", "after", "--format", "json"])
            .args(&self.args);
        let report = report(&mut command);
        std::fs::write(self.lab.path("report.json"), report.to_string()).unwrap();
        report
    }

    /// What `preflight WORDS… REPORT` prints.
    fn prints(&self, words: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
        let output = command.args(words).arg(self.lab.path("report.json")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The table of the saved report.
    fn table(&self) -> String {
        self.prints(&["show"])
    }

    /// The request in every format.
    fn requests(&self) -> String {
        let formats = ["text", "markdown", "csv", "nft", "firewalld"];
        let each = formats.map(|format| self.prints(&["request", "--format", format]));
        each.join("\n")
    }
}

fn steps(report: &Value) -> impl Iterator<Item = &Value> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps.filter(|step| step["outcome"] != "skip")
}

/// Without a VPN's tunnel nobody is asked for the ports inside it, in any format.
#[test]
fn a_vpn_asks_for_its_gateway_and_for_nothing_else() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = Run::new().asking(&[
        "--role",
        "poller",
        "--only",
        "poller.vpn,poller.bbdo",
        "--vpn",
        "10.2.0.1",
        "--central",
        "10.0.0.3",
    ]);
    run.lab.rule(Router, "forward", "tcp dport 5669 drop");
    run.lab.rule(Router, "input", "tcp dport 443 drop");
    let report = run.report();
    let bbdo = steps(&report).find(|step| step["flow"] == "poller.bbdo").unwrap();
    assert_eq!(bbdo["cause"]["code"], "vpn-not-used", "{bbdo:#}");
    assert_eq!(bbdo["cause"]["owner"], "this-host");
    assert_eq!(bbdo["because_of"], "poller.vpn@10.2.0.1");
    let inner = &bbdo["attempts"][0]["cause"]["facts"]["because"]["code"];
    assert_eq!(inner, "port-silent-after", "{bbdo:#}");
    let requests = run.requests();
    assert!(requests.contains("443") && !requests.contains("5669"), "{requests}");
    let all = run.prints(&["request", "--all"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        all.contains("poller.bbdo: through the VPN 10.2.0.1, with no rule of their own"),
        "{all}"
    );
    assert!(!all.contains("5669"), "{all}");
}

/// One name, an address of each family, each stopped by the router under its own address.
#[test]
fn both_families_that_are_blocked_are_shown_and_asked_for() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (check, port) in [("bbdo", 5669), ("smtp", 25), ("https", 443)] {
        for rule in ["reject with icmpx admin-prohibited", "drop"] {
            let asked = format!("row={check}://both.example.test:{port}");
            let run = Run::new().asking(&[
                "--role",
                "central",
                "--only",
                "custom.row",
                "--check",
                &asked,
            ]);
            let hosts =
                "127.0.0.1 localhost\n10.0.0.3 both.example.test\nfd00::3 both.example.test\n";
            run.lab.etc(Client, "hosts", hosts);
            run.lab.rule(Router, "forward", &format!("tcp dport {port} {rule}"));
            let report = run.report();
            let step = steps(&report).next().unwrap();
            assert_eq!(step["asked_for"].as_array().unwrap().len(), 2, "{step:#}");
            let rules = [
                format!("TCP {port} from 10.2.0.7 to 10.0.0.3"),
                format!("TCP {port} from fd00:2::7 to fd00::3"),
            ];
            let table = run.table();
            let text = table.split_whitespace().collect::<Vec<_>>().join(" ");
            for (rule, device) in rules.iter().zip(["10.2.0.1", "fd00:2::1"]) {
                assert!(text.contains(rule) && text.contains(device), "{check}, {rule}: {table}");
            }
            let also = table.lines().find(|line| line.trim_start().starts_with("also ")).unwrap();
            assert!(also.contains("10.0.0.3") || also.contains("fd00::3"), "{table}");
            let request = run.prints(&["request", "--format", "csv"]);
            let (four, six) = ("10.2.0.7", "fd00:2::7");
            let has = |from: &str, to: &str| {
                request.lines().any(|line| line.contains(from) && line.contains(to))
            };
            assert!(has(four, "10.0.0.3") && has(six, "fd00::3"), "{request}");
        }
    }
}

/// Devices of one network that are not there: the router's limit lets it say so of some.
#[test]
fn devices_that_do_not_exist_are_one_fault_and_no_firewall_is_asked() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (community, hosts) in [
        (true, (1..=60).map(|last| format!("10.0.0.{}", last + 100)).collect::<Vec<_>>()),
        (false, (1..=60).map(|last| format!("10.0.0.{}", last + 100)).collect()),
        (true, (1..=24).map(|last| format!("fd00::1:{last:x}")).collect()),
    ] {
        let mut args = vec!["--role".to_owned(), "poller".to_owned(), "--only".to_owned()];
        args.push("poller.snmp".to_owned());
        for host in &hosts {
            args.extend(["--device".to_owned(), host.clone()]);
        }
        if community {
            args.extend(["--snmp-community-file".to_owned(), "LAB/community".to_owned()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let run = Run::new().asking(&args);
        let report = run.report();
        assert_eq!(steps(&report).count(), hosts.len());
        for step in steps(&report) {
            assert_eq!(step["cause"]["code"], "host-unreachable", "{step:#}");
        }
        let table = run.table();
        assert!(table.contains("likewise"), "{table}");
        assert_eq!(table.matches("who acts").count(), 1, "{table}");
        let requests = run.requests();
        for rule in ["UDP 161", "udp,161", "dport 161", "port=\"161\""] {
            assert!(!requests.contains(rule), "{rule}: {requests}");
        }
    }
}

/// A host that lets in one service alone: what it answers there shows that it is up, whatever else is dropped.
#[test]
fn a_host_that_answers_one_question_is_not_called_silent_by_another() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let community = ["--snmp-community-file", "LAB/community"];
    let asked = ["--ntp", "10.0.0.3", "--device", "10.0.0.3", "--dns", "10.0.0.3"];
    let only = [
        "--role",
        "poller",
        "--only",
        "poller.ntp",
        "--only",
        "poller.snmp",
        "--only",
        "poller.dns",
    ];
    let args: Vec<&str> = only.into_iter().chain(asked).chain(community).collect();
    let run = Run::new().asking(&args);
    let time = SocketAddr::new(SERVER, 123);
    run.lab.inside(Server, || peer::time(0, |_| {}).listen(time));
    run.lab.rule(Server, "input", "iifname eth0 udp dport != 123 drop");
    run.lab.rule(Server, "input", "iifname eth0 meta l4proto { tcp, icmp } drop");
    let report = run.report();
    for step in steps(&report) {
        if step["flow"] == "poller.ntp" {
            assert_eq!(step["outcome"], "pass", "{step:#}");
        } else {
            assert_eq!(step["cause"]["code"], "port-silent-after", "{step:#}");
            assert!(step["result"].to_string().contains("UDP 123 is open"), "{step:#}");
        }
    }
    assert!(!run.table().contains("nothing of this host answers"), "{}", run.table());
}

/// Hosts behind one hop that drops all that is for them: a few are looked at, the others are like them.
#[test]
fn targets_behind_one_silent_hop_are_one_fault() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (only, flag, rule, code) in [
        ("poller.nsclient", "--nsclient", "ip daddr 10.1.0.0/16 drop", "host-silent-after"),
        ("poller.snmp", "--device", "ip daddr 10.1.0.0/16 drop", "host-silent-after"),
        ("poller.nsclient", "--nsclient", "tcp dport 8443 drop", "port-silent-after"),
    ] {
        let hosts: Vec<String> = (11..=22).map(|last| format!("10.1.7.{last}")).collect();
        let asked = hosts.iter().flat_map(|host| [flag, host]);
        let args = ["--role", "poller", "--only", only];
        let community = ["--snmp-community-file", "LAB/community"];
        let args: Vec<&str> = args.into_iter().chain(asked).chain(community).collect();
        let run = Run::new().asking(&args);
        run.lab.add_second_router();
        let own = hosts.iter().map(|host| format!("address add {host}/32 dev eth1\n"));
        run.lab.ip(Server, &own.collect::<String>());
        run.lab.rule(Second, "forward", rule);
        let report = run.report();
        assert_eq!(steps(&report).count(), hosts.len());
        for step in steps(&report) {
            assert_eq!(step["cause"]["code"], code, "{step:#}");
            assert_eq!(step["cause"]["device"], "10.9.0.2", "{step:#}");
        }
        let table = run.table();
        assert_eq!(table.matches("who acts").count(), 1, "{table}");
        assert!(table.contains("likewise"), "{table}");
    }
}
