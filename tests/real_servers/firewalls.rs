//! What `preflight request` writes for a machine's own firewall, run there: the flow that it was
//! asked for works afterwards, and nothing else does.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::PREFLIGHT;
use crate::lab::{CLIENT, Lab, Node, SERVER, run};

const PORT: u16 = 5669;
/// A second address of the client, which no request names.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 8));

/// As Debian's `/etc/nftables.conf` has it, but closed.
const CLOSED: &str = "table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        reject with icmpx admin-prohibited
    }
    chain output {
        type filter hook output priority filter; policy accept;
    }
}";

/// A client and a server that listens on [`PORT`], all the while the lab is there.
fn listening() -> (Lab, TcpListener) {
    let lab = Lab::new();
    lab.ip(Node::Client, "address add 10.2.0.8/24 dev eth0");
    let listener = lab.inside(Node::Server, || TcpListener::bind((SERVER, PORT)).unwrap());
    (lab, listener)
}

/// Can the client connect from this address of its own?
fn connects_from(lab: &Lab, from: IpAddr) -> bool {
    let connect = format!(
        "import socket; socket.create_connection(('{SERVER}', {PORT}), 2, ('{from}', 0)).close()"
    );
    lab.in_client("python3").args(["-c", &connect]).output().unwrap().status.success()
}

/// The file that `request` writes from what the client's own run finds.
fn requested(lab: &Lab, run: &[&str], request: &[&str]) -> PathBuf {
    let (report, file) = (lab.path("report.json"), lab.path("request.sh"));
    let mut asked = lab.in_client(PREFLIGHT);
    asked.args(["--role", "poller", "--no-discovery", "--format"]);
    asked.arg(format!("json={}", report.display())).args(run).output().unwrap();
    let mut written = lab.in_client(PREFLIGHT);
    written.arg("request").arg(&report).args(request);
    fs::write(&file, self::run(&mut written)).unwrap();
    file
}

fn blocked(lab: &Lab, format: &str) -> PathBuf {
    requested(lab, &["--central", "10.0.0.3", "--only", "poller.bbdo"], &["--format", format])
}

fn in_shell(lab: &Lab, node: Node, file: &PathBuf) -> Output {
    lab.command(node, "sh").arg(file).output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_targets_own_nftables_lets_in_who_was_asked_for_and_nobody_else() {
    let (lab, _listener) = listening();
    lab.nft(Node::Server, CLOSED);
    assert!(!connects_from(&lab, CLIENT));
    let file = blocked(&lab, "nft");
    let done = in_shell(&lab, Node::Server, &file);
    succeeds(&done);
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert!(connects_from(&lab, CLIENT));
    assert!(!connects_from(&lab, STRANGER));
}

#[test]
fn this_machines_own_nftables_lets_the_flow_out() {
    let (lab, _listener) = listening();
    lab.nft(
        Node::Client,
        &CLOSED.replace(
            "hook output priority filter; policy accept",
            "hook output priority filter; policy drop",
        ),
    );
    assert!(!connects_from(&lab, CLIENT));
    succeeds(&in_shell(&lab, Node::Client, &blocked(&lab, "nft")));
    assert!(connects_from(&lab, CLIENT));
}

#[test]
fn where_another_table_filters_nothing_is_changed_and_it_is_named() {
    let (lab, _listener) = listening();
    let file = {
        lab.nft(Node::Server, CLOSED);
        let file = blocked(&lab, "nft");
        lab.nft(Node::Server, "flush ruleset");
        file
    };
    for (ruleset, said) in [
        ("", "nothing else filters input either: no rule is needed"),
        (
            "table inet firewalld {
                chain filter_INPUT {
                    type filter hook input priority filter + 10; policy drop;
                }
            }",
            "firewalld filters input: use preflight request --format firewalld",
        ),
        (
            "table ip filter {
                chain INPUT {
                    type filter hook input priority filter; policy drop;
                }
            }",
            "table ip filter, chain INPUT",
        ),
    ] {
        lab.nft(Node::Server, ruleset);
        let before = run(lab.command(Node::Server, "nft").args(["list", "ruleset"]));
        let done = in_shell(&lab, Node::Server, &file);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && errors.contains(said), "{ruleset}: {errors}");
        assert!(errors.starts_with("nothing was changed: "), "{errors}");
        assert_eq!(run(lab.command(Node::Server, "nft").args(["list", "ruleset"])), before);
        lab.nft(Node::Server, "flush ruleset");
    }
}

#[test]
fn a_drop_of_another_table_is_not_undone_and_the_lines_say_so() {
    let (lab, _listener) = listening();
    lab.nft(Node::Server, CLOSED);
    let file = blocked(&lab, "nft");
    lab.nft(
        Node::Server,
        "table ip filter {
            chain INPUT {
                type filter hook input priority filter + 5; policy drop;
            }
        }",
    );
    let done = in_shell(&lab, Node::Server, &file);
    succeeds(&done);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(errors.contains("stays dropped:\ntable ip filter, chain INPUT"), "{errors}");
    assert!(!connects_from(&lab, CLIENT));
}

#[test]
fn nobody_is_let_in_where_it_is_not_known_who_connects() {
    let (lab, _listener) = listening();
    lab.nft(Node::Client, CLOSED);
    let rules = |lab: &Lab| run(lab.command(Node::Client, "nft").args(["list", "ruleset"]));
    let before = rules(&lab);
    let traps = ["--only", "poller.trap"];
    let file = requested(&lab, &traps, &["--all", "--format", "nft"]);
    succeeds(&in_shell(&lab, Node::Client, &file));
    assert_eq!(rules(&lab), before);
    // Filled in as it says, it lets in that one.
    let text = fs::read_to_string(&file).unwrap();
    let filled = text.replace("# nft ", "nft ").replace("saddr SOURCE", "saddr 10.0.0.3");
    assert_ne!(filled, text);
    fs::write(&file, filled).unwrap();
    succeeds(&in_shell(&lab, Node::Client, &file));
    assert!(rules(&lab).contains("ip saddr 10.0.0.3 udp dport 162 accept"), "{}", rules(&lab));
}

/// firewalld with a D-Bus of its own, on files of its own.
pub(crate) struct Firewalld<'a> {
    lab: &'a Lab,
    node: Node,
}

impl<'a> Firewalld<'a> {
    pub(crate) fn start(lab: &'a Lab, node: Node) -> Self {
        let bus = lab.write(
            "bus.conf",
            &format!(
                r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
                <busconfig>
                <type>system</type>
                <listen>unix:path={}</listen>
                <auth>EXTERNAL</auth>
                <policy context="default">
                <allow own="*"/>
                <allow send_destination="*"/>
                <allow receive_sender="*"/>
                <allow send_type="*"/>
                </policy>
                </busconfig>"#,
                lab.path("bus").display()
            ),
        );
        let mut daemon = lab.command(node, "dbus-daemon");
        daemon.arg("--nofork").arg("--config-file").arg(bus);
        lab.start(node, "dbus-daemon", &mut daemon, &[]);
        lab.eventually("dbus-daemon", || lab.path("bus").exists());
        let firewalld = Self { lab, node };
        let mut daemon = firewalld.command("firewalld");
        daemon.args(["--nofork", "--nopid", "--log-target", "console", "--system-config"]);
        daemon.arg(lab.folder("firewalld"));
        lab.start(node, "firewalld", &mut daemon, &[]);
        lab.eventually("firewalld", || {
            firewalld.command("firewall-cmd").arg("--state").output().unwrap().status.success()
        });
        firewalld
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.lab.command(self.node, program);
        let address = format!("unix:path={}", self.lab.path("bus").display());
        command.env("DBUS_SYSTEM_BUS_ADDRESS", address);
        command
    }

    fn cmd(&self, arguments: &str) {
        run(self.command("firewall-cmd").args(arguments.split(' ')));
    }

    fn sh(&self, file: &PathBuf) {
        run(self.command("sh").arg(file));
    }
}

#[test]
fn the_targets_own_firewalld_lets_in_who_was_asked_for_and_nobody_else() {
    let (lab, _listener) = listening();
    let firewalld = Firewalld::start(&lab, Node::Server);
    assert!(!connects_from(&lab, CLIENT));
    let file = blocked(&lab, "firewalld");
    firewalld.sh(&file);
    assert!(connects_from(&lab, CLIENT));
    assert!(!connects_from(&lab, STRANGER));
    // Once more changes nothing.
    firewalld.sh(&file);
    assert!(connects_from(&lab, CLIENT));
}

#[test]
fn this_machines_own_firewalld_lets_the_flow_out() {
    let (lab, _listener) = listening();
    let firewalld = Firewalld::start(&lab, Node::Client);
    firewalld.cmd("--permanent --new-policy=closed");
    firewalld.cmd("--permanent --policy=closed --add-ingress-zone=HOST");
    firewalld.cmd("--permanent --policy=closed --add-egress-zone=ANY");
    firewalld.cmd("--permanent --policy=closed --set-target=REJECT");
    firewalld.cmd("--reload");
    assert!(!connects_from(&lab, CLIENT));
    let file = blocked(&lab, "firewalld");
    firewalld.sh(&file);
    assert!(connects_from(&lab, CLIENT));
    firewalld.sh(&file);
    assert!(connects_from(&lab, CLIENT));
}
