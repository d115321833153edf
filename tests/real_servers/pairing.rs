//! `preflight respond` and `--far-side`: both directions proved from one machine, and each fault on the way between
//! the two named by what both ends saw.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::PREFLIGHT;
use crate::firewalls::Firewalld;
use crate::lab::{Lab, Node, run as succeeds};

/// A responder with its code; dropping it ends it.
pub(crate) struct Paired {
    child: Child,
    pub(crate) code: String,
    screen: Arc<Mutex<String>>,
}

impl Drop for Paired {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Paired {
    /// A central that is not installed.
    pub(crate) fn central(lab: &Lab) -> Self {
        Self::start(lab, Node::Server, "central")
    }

    pub(crate) fn start(lab: &Lab, node: Node, role: &str) -> Self {
        Self::start_with(lab, node, role, &[])
    }

    pub(crate) fn start_with(lab: &Lab, node: Node, role: &str, flags: &[&str]) -> Self {
        let mut preflight = lab.command(node, PREFLIGHT);
        preflight.args(["respond", "--role", role, "--for", "10m"]).args(flags);
        preflight.stdout(Stdio::piped()).stderr(Stdio::null());
        Self::of(preflight)
    }

    /// Starts it, and reads its screen from then on.
    fn of(mut preflight: Command) -> Self {
        let mut child = preflight.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut screen = String::new();
        let code = lines.by_ref().map_while(Result::ok).find_map(|line| {
            screen.push_str(&line);
            screen.push('\n');
            line.trim().strip_prefix("the code it asks for: ").map(str::to_owned)
        });
        let screen = Arc::new(Mutex::new(screen));
        // What it says later must not fill the pipe.
        let more = Arc::clone(&screen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                more.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, code: code.expect("a code"), screen }
    }

    /// What stands on its screen.
    pub(crate) fn said(&self) -> String {
        self.screen.lock().unwrap().clone()
    }
}

/// Which of the two is given the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Poller,
    Central,
}

impl Caller {
    /// The responder at the other end.
    pub(crate) fn responder(self, lab: &Lab) -> Paired {
        match self {
            Self::Poller => Paired::start(lab, Node::Server, "central"),
            Self::Central => Paired::start(lab, Node::Client, "poller"),
        }
    }

    /// Its whole run.
    pub(crate) fn run(self, lab: &Lab, code: &str) -> Value {
        let (node, arguments) = match self {
            Self::Poller => (Node::Client, ["--role", "poller", "--central", "10.0.0.3"]),
            Self::Central => (Node::Server, ["--role", "central", "--poller", "10.2.0.7"]),
        };
        let mut preflight = lab.command(node, PREFLIGHT);
        preflight.args(arguments).args(["--far-side", "--no-discovery", "--format", "json"]);
        preflight.args(["--only", "poller.bbdo,central.zmq,central.ssh,poller.trap"]);
        let output = preflight.env("PREFLIGHT_FAR_SIDE_CODE", code).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
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

pub(crate) fn step<'a>(report: &'a Value, flow: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["flow"] == flow).unwrap_or_else(|| panic!("{flow}: {report}"))
}

pub(crate) fn code_of<'a>(report: &'a Value, flow: &str) -> &'a str {
    step(report, flow)["cause"]["code"].as_str().unwrap_or_default()
}

pub(crate) fn result<'a>(report: &'a Value, flow: &str) -> &'a str {
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

/// A SYN proxy for one port, which accepts for a machine that it does not reach.
fn syn_proxy(port: u16, towards: &str) -> String {
    format!(
        "table ip syn {{
            chain pre {{ type filter hook prerouting priority raw; tcp dport {port} tcp flags syn notrack
            }}
            chain forw {{ type filter hook forward priority filter; tcp dport {port} ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
            }}
            chain post {{ type filter hook postrouting priority filter; oif {towards} tcp dport {port} ct state new drop
            }}
        }}"
    )
}

#[test]
fn each_fault_is_named_from_whichever_end_the_code_is_given_at() {
    let rule = |text: &str| {
        format!(
            "table inet lab {{ chain forward {{ type filter hook forward priority 0; {text}\n }}\n }}"
        )
    };
    let faults = [
        // Of the central's question the poller's run tells what the central saw, and the central's own what the poller did not.
        (rule("tcp dport 5666 drop"), "central.zmq", "far-side-failed", "far-side-not-reached"),
        (
            rule("tcp sport 5666 drop"),
            "central.zmq",
            "far-side-answers-lost",
            "far-side-answers-lost",
        ),
        (
            rule("tcp dport 5666 reject with tcp reset"),
            "central.zmq",
            "far-side-failed",
            "path-reset",
        ),
        (
            rule("tcp dport 5666 reject with icmpx admin-prohibited"),
            "central.zmq",
            "far-side-failed",
            "path-rejected",
        ),
        (
            syn_proxy(5666, "client"),
            "central.zmq",
            "far-side-impersonated",
            "far-side-impersonated",
        ),
        // The poller's own question takes the only port that it could call on.
        (rule("tcp dport 5669 drop"), "poller.bbdo", "port-silent-after", "far-side-failed"),
        (rule("tcp sport 5669 drop"), "poller.bbdo", "port-silent-after", "far-side-answers-lost"),
        (
            rule("tcp dport 5669 reject with tcp reset"),
            "poller.bbdo",
            "path-reset",
            "far-side-failed",
        ),
        (syn_proxy(5669, "server"), "poller.bbdo", "window-closed", "far-side-impersonated"),
    ];
    for (rules, flow, by_poller, by_central) in faults {
        for (caller, cause) in [(Caller::Poller, by_poller), (Caller::Central, by_central)] {
            let lab = Lab::new();
            lab.nft(Node::Router, &rules);
            if rules.contains("synproxy") {
                lab.sysctl(Node::Router, "net/netfilter/nf_conntrack_tcp_loose", "0");
            }
            let responder = caller.responder(&lab);
            let report = caller.run(&lab, &responder.code);
            let said = format!("{caller:?} under {rules}: {report:#}");
            assert_eq!(code_of(&report, flow), cause, "{said}");
            assert_eq!(report["summary"]["exit_code"], 1, "{said}");
            // What has nothing to do with it is proved all the same, where the other end could be called.
            if (caller, flow) != (Caller::Poller, "poller.bbdo") {
                assert!(result(&report, "central.ssh").contains("proved end to end"), "{said}");
            } else if cause != "window-closed" {
                // One port, one explanation.
                assert_eq!(
                    step(&report, "far-side")["because_of"],
                    "poller.bbdo@10.0.0.3",
                    "{said}"
                );
            }
        }
    }
}

/// Takes connections in the poller's name, and makes its own to it.
fn relay(from: &TcpListener) {
    for near in from.incoming() {
        let Ok(near) = near else { return };
        std::thread::spawn(move || {
            let Ok(far) = TcpStream::connect(("10.2.0.7", 5666)) else { return };
            let (mut near_reads, mut far_writes) =
                (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || {
                let _gone = std::io::copy(&mut near_reads, &mut far_writes);
                let _gone = far_writes.shutdown(std::net::Shutdown::Write);
            });
            let (mut far_reads, mut near_writes) = (far, near);
            let _gone = std::io::copy(&mut far_reads, &mut near_writes);
            let _gone = near_writes.shutdown(std::net::Shutdown::Write);
        });
    }
}

#[test]
fn a_transparent_proxy_is_told_from_address_translation() {
    for caller in [Caller::Poller, Caller::Central] {
        let lab = Lab::new();
        lab.inside(Node::Router, || {
            let listener = TcpListener::bind(("0.0.0.0", 15_666)).unwrap();
            std::thread::spawn(move || relay(&listener));
        });
        lab.nft(
            Node::Router,
            "table ip proxy {
                chain pre { type nat hook prerouting priority -100; iif server tcp dport 5666 redirect to :15666
                }
                chain post { type nat hook postrouting priority 100; oif client tcp dport 22 masquerade
                }
            }",
        );
        let responder = caller.responder(&lab);
        let report = caller.run(&lab, &responder.code);
        let zmq = step(&report, "central.zmq");
        assert_eq!(zmq["concerns"][0]["code"], "connection-relayed", "{caller:?}: {zmq:#}");
        // Port 22 is translated, and no more.
        let ssh = step(&report, "central.ssh");
        assert_eq!(ssh["outcome"], "pass", "{caller:?}: {ssh:#}");
        assert!(ssh.to_string().contains("10.2.0.1"), "{caller:?}: {ssh:#}");
    }
}

#[test]
fn a_port_that_another_service_has_is_named_with_the_process_that_holds_it() {
    let lab = Lab::new();
    let _other = lab.inside(Node::Client, || {
        let listener = TcpListener::bind(("10.2.0.7", 5666)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _gone = stream.write_all(b"220 mail.example ESMTP\r\n");
            }
        })
    });
    let us = std::process::id();
    for caller in [Caller::Central, Caller::Poller] {
        let responder = caller.responder(&lab);
        let report = caller.run(&lab, &responder.code);
        let row = step(&report, "central.zmq");
        assert_eq!(row["outcome"], "fail", "{caller:?}: {row:#}");
        // One machine sees it itself, the other is told.
        let (here, there) = (&row["evidence"]["pid"], row["evidence"]["held_there_by"].to_string());
        let is_named = *here == us || there.contains(&format!("(pid {us})"));
        assert!(is_named, "{caller:?}: {row:#}");
        assert!(row["cause"].to_string().contains("wrong-service"), "{caller:?}: {row:#}");
    }
}

#[test]
fn a_machine_that_lets_nobody_in_is_named_from_both_ends_whatever_its_rules_are_written_in() {
    type Closes = fn(&Lab);
    let kinds: [(&str, Closes); 3] = [
        ("nftables", |lab| lab.rule(Node::Client, "input", "tcp dport 5666 drop")),
        ("iptables", |lab| {
            for program in ["iptables", "ip6tables"] {
                let rule = ["-A", "INPUT", "-p", "tcp", "--dport", "5666", "-j", "DROP"];
                succeeds(lab.command(Node::Client, program).args(rule));
            }
        }),
        ("firewalld", |lab| {
            Firewalld::start(lab, Node::Client);
        }),
    ];
    for (kind, close) in kinds {
        for (caller, causes) in [
            (Caller::Poller, ["closed-by-own-firewall", "far-side-failed"].as_slice()),
            (Caller::Central, ["far-side-closed", "target-rejected"].as_slice()),
        ] {
            let lab = Lab::new();
            close(&lab);
            let responder = caller.responder(&lab);
            let report = caller.run(&lab, &responder.code);
            let row = step(&report, "central.zmq");
            assert!(
                causes.contains(&code_of(&report, "central.zmq")),
                "{kind} {caller:?}: {row:#}"
            );
        }
    }
}

#[test]
fn a_poller_behind_translation_and_one_behind_a_firewall_are_each_told_what_is() {
    let lab = Lab::new();
    lab.add_machine(Node::Other, 4);
    lab.nft(
        Node::Router,
        "table ip translation {
            chain post { type nat hook postrouting priority 100; ip saddr 10.2.0.7 masquerade
            }
            chain forw { type filter hook forward priority 0; oif client ct state new drop
            }
        }",
    );
    lab.rule(Node::Other, "input", "tcp dport 5666 drop");
    let central = Paired::central(&lab);
    let report = Caller::Poller.run(&lab, &central.code);
    let seen = "proved end to end, seen there as 10.0.0.1";
    assert!(result(&report, "poller.bbdo").ends_with(seen), "{report:#}");
    // Nobody gets in behind it.
    assert_eq!(code_of(&report, "central.zmq"), "far-side-failed", "{report:#}");
    let mut preflight = lab.command(Node::Other, PREFLIGHT);
    preflight.args(["--role", "poller", "--central", "10.0.0.3", "--far-side", "--no-discovery"]);
    preflight.args(["--only", "poller.bbdo,central.*", "--format", "json"]);
    let output = preflight.env("PREFLIGHT_FAR_SIDE_CODE", &central.code).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen = "proved end to end, seen there as 10.4.0.7";
    assert!(result(&report, "poller.bbdo").ends_with(seen), "{report:#}");
    let row = step(&report, "central.zmq");
    assert!(row["cause"].to_string().contains("closed-by-own-firewall"), "{row:#}");
    assert!(result(&report, "central.ssh").contains("proved end to end"), "{report:#}");
}

#[test]
fn a_row_turns_green_when_the_rule_is_in() {
    let lab = Lab::new();
    let central = Paired::central(&lab);
    lab.rule(Node::Router, "forward", "tcp dport 5666 drop");
    let mut preflight = lab.in_client(PREFLIGHT);
    preflight.args(["--role", "poller", "--central", "10.0.0.3", "--far-side", "--no-discovery"]);
    preflight.args(["--only", "poller.bbdo,central.zmq", "--watch", "3", "--wait", "60s"]);
    preflight.args(["--format", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = preflight.env("PREFLIGHT_FAR_SIDE_CODE", &central.code).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(9));
    lab.nft(Node::Router, "flush ruleset");
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let row = step(&report, "central.zmq");
    assert!(result(&report, "central.zmq").contains("proved end to end"), "{row:#}");
    assert!(row["evidence"]["works_since"].is_string(), "{row:#}");
    assert!(result(&report, "poller.bbdo").contains("proved end to end"), "{report:#}");
}

#[test]
fn a_far_side_that_is_started_later_is_met_and_its_code_read_where_the_site_file_says() {
    let lab = Lab::new();
    let central = Paired::central(&lab);
    lab.write("code", &central.code);
    lab.write(
        "site.toml",
        "[machine.central1]
        role = \"central\"
        address = \"10.0.0.3\"
        [machine.poller1]
        role = \"poller\"
        address = \"10.2.0.7\"
        [credentials]
        far_side_code = { file = \"code\" }",
    );
    lab.rule(Node::Router, "forward", "tcp dport 5669 drop");
    let mut preflight = lab.in_client(PREFLIGHT);
    preflight.args(["--site", "site.toml", "--as", "poller1", "--far-side", "--no-discovery"]);
    preflight.args(["--only", "poller.bbdo,central.zmq", "--wait", "60s", "--format", "json"]);
    let child = preflight.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(8));
    lab.nft(Node::Router, "flush ruleset");
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    for flow in ["poller.bbdo", "central.zmq"] {
        assert!(result(&report, flow).contains("proved end to end"), "{report:#}");
    }
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&central.code));
}

/// The page's blocks of one kind, in order.
fn blocks<'a>(page: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// A line as it is compared: without columns, and without the port that the kernel chose.
fn plain(line: &str) -> String {
    let words = line.split_whitespace().map(|word| match word.rsplit_once(':') {
        Some((head, tail)) if tail.trim_end_matches(',').len() == 5 => format!("{head}:PORT"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_walk_through_runs_as_it_is_written() {
    let page = include_str!("../../docs/far-side.md");
    let (commands, shown) = (blocks(page, "sh"), blocks(page, "text"));
    let [both, translated, one_way, ..] = commands.as_slice() else { panic!("{commands:?}") };
    let [central_says, poller_says, translated_says, one_way_says, ..] = shown.as_slice() else {
        panic!("{shown:?}")
    };
    let lines = |block: &'static str| block.lines().filter(|line| !line.starts_with('#'));
    let words = |line: &'static str| line.split_whitespace().skip(1).collect::<Vec<_>>();
    let [respond, ask] = lines(both).collect::<Vec<_>>()[..] else { panic!("{both}") };
    for (rules, expected) in
        [("", poller_says), (*translated, translated_says), (*one_way, one_way_says)]
    {
        let lab = Lab::new();
        for line in lines(rules) {
            succeeds(lab.command(Node::Router, "sh").args(["-c", line]));
        }
        let mut preflight = lab.command(Node::Server, PREFLIGHT);
        preflight.args(words(respond)).stdout(Stdio::piped()).stderr(Stdio::null());
        let central = Paired::of(preflight);
        let mut preflight = lab.in_client(PREFLIGHT);
        preflight.args(words(ask)).env("COLUMNS", "500");
        let output = preflight.env("PREFLIGHT_FAR_SIDE_CODE", &central.code).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let rows: Vec<String> = said.lines().map(plain).collect();
        for line in expected.lines().map(plain) {
            assert!(rows.contains(&line), "{line}\nis not in\n{said}");
        }
        if rules.is_empty() {
            let screen = central.said();
            for line in central_says.lines().filter(|line| !line.trim().is_empty()) {
                // Times, code and length are each run's own.
                let line = plain(line.split_once(" UTC ").map_or(line, |(_, said)| said));
                let line = line.split(": 47-").next().unwrap();
                assert!(plain(&screen).contains(line), "{line}\nis not in\n{screen}");
            }
        }
    }
}
