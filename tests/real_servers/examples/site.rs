//! The site of the examples, and its runs.
//!
//! ```text
//! poller1 10.2.0.7 ─┐           ┌─ 10.0.0.3 servers, 10.0.11.0/24 and 10.0.13.0/24 devices
//! central1 10.3.0.7 ├─ router ──┤
//! poller2 10.4.0.7 ─┘           └─ second router 10.9.0.2 ── 10.1.12.0/24 devices of the plant
//! ```
//!
//! `poller1` is installed, and its files say whom it needs; the other two are given flags. The
//! router rejects what `poller1` sends to the broker, the proxy is down, the second router drops.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lab::servers::{self, Certificate, LDAP_PASSWORD, LDAP_USER};
use crate::lab::{Lab, Node, Port, run};
use crate::support::far::{Far, healthy_at};
use crate::support::{PROGRAM, schema};

/// The kernel of the machines of the examples.
pub(crate) const KERNEL: &str = "6.1.0-31-amd64";

/// Runs `preflight` everywhere, on `poller1` again after a repair; each report with its file's name.
pub(crate) fn runs() -> Vec<(&'static str, Value)> {
    let site = Site::new();
    let (poller1, central1, poller2) = std::thread::scope(|scope| {
        let central1 = scope.spawn(|| site.central1());
        let poller2 = scope.spawn(|| site.poller2("08:17:11"));
        let poller1 = site.poller1("08:15:02");
        (poller1, central1.join().unwrap(), poller2.join().unwrap())
    });
    site.block_poller2();
    let blocked = site.poller2("08:31:46");
    site.repair();
    let repaired = site.poller1("10:40:31");
    vec![
        ("poller1.json", poller1),
        ("poller1-repaired.json", repaired),
        ("central1.json", central1),
        ("poller2.json", poller2),
        ("poller2-blocked.json", blocked),
    ]
}

struct Site {
    lab: Lab,
    _brokers: Vec<Far>,
}

impl Site {
    fn new() -> Self {
        let lab = Lab::new();
        lab.add_second_router();
        lab.add_machine(Node::Central, 3);
        lab.add_machine(Node::Other, 4);
        address(&lab);
        block(&lab);
        serve(&lab);
        let far =
            |node, name, port| lab.inside(node, || healthy_at(name, ([0, 0, 0, 0], port).into()));
        let brokers = [
            far(Node::Central, "bbdo", 5669),
            far(Node::Client, "zmq", 5556),
            far(Node::Client, "ssh", 22),
            far(Node::Client, "trap", 162),
        ];
        machines(&lab);
        Self { lab, _brokers: brokers.into() }
    }

    /// The router rejects what `poller2` sends to the broker, too.
    fn block_poller2(&self) {
        let reject = "ip saddr 10.4.0.7 tcp dport 5669 reject with icmpx type admin-prohibited";
        self.lab.rule(Node::Router, "forward", reject);
    }

    /// The rules at the router are gone, the proxy is up; and somebody closed the mail port.
    fn repair(&self) {
        self.lab.nft(Node::Router, "flush chain inet lab forward\n");
        self.lab.rule(Node::Router, "forward", "tcp dport 25 reject with tcp reset");
        servers::squid(&self.lab);
    }

    fn poller1(&self, time: &str) -> Value {
        let flags = [
            "--http",
            "https://www.example.test/",
            "--proxy",
            "http://proxy.example.test:3128",
            "--check",
            "inventory=postgresql://db.example.test",
            "--check",
            "ups=snmp://ups.example.test",
            "--skip",
            "poller.trap=traps go to poller2",
        ];
        self.asked(Node::Client, "poller1", time, &flags)
    }

    fn central1(&self) -> Value {
        let flags = [
            "--role",
            "central",
            "--no-discovery",
            "--phase",
            "after",
            "--poller",
            "poller1.example.test",
            "--poller",
            "poller2.example.test",
            "--port",
            "central.zmq=5556",
            "--ntp",
            "time.example.test",
            "--dns",
            "10.0.0.3",
            "--smtp",
            "mail.example.test",
            "--ldap",
            "ldap.example.test",
            "--ldap-bind-dn",
            LDAP_USER,
            "--ldap-password-file",
            "/etc/ssl/ldap-password",
            "--http",
            "https://www.example.test/",
        ];
        self.asked(Node::Central, "central1", "08:16:40", &flags)
    }

    /// A machine on which nothing is installed yet.
    fn poller2(&self, time: &str) -> Value {
        let flags = [
            "--role",
            "poller",
            "--no-discovery",
            "--phase",
            "before",
            "--central",
            "central1.example.test",
            "--ntp",
            "time.example.test",
            "--dns",
            "10.0.0.3",
            "--smtp",
            "mail.example.test",
            "--http",
            "https://www.example.test/",
            "--device",
            "10.0.11.11",
            "--snmp-community-file",
            "/etc/ssl/community",
        ];
        self.asked(Node::Other, "poller2", time, &flags)
    }

    /// Runs `preflight` on a machine as nobody, and makes steady what is not the site's own.
    fn asked(&self, node: Node, name: &str, time: &str, flags: &[&str]) -> Value {
        // Which `ip netns exec` has given a file system of its own.
        let machine = servers::chrony_in_usr()
            + "hostname \"$0\"; mount --bind \"$1\" /etc; shift; exec \"$@\"";
        let mut command = self.lab.command(node, "unshare");
        command.args(["--uts", "sh", "-ec", &machine, name]).arg(self.lab.path(name));
        command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(self.lab.path("bin/preflight")).args(["--format", "json"]);
        command.args(["--ca", "/etc/ssl/site-ca.pem"]).args(flags).stderr(Stdio::inherit());
        let output = command.output().unwrap();
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let day = report["started_at"].as_str().unwrap().split('T').next().unwrap().to_owned();
        report["started_at"] = json!(format!("{day}T{time}Z"));
        report["host"]["kernel"] = json!(KERNEL);
        schema::check(&report);
        report
    }
}

fn address(lab: &Lab) {
    lab.ip(
        Node::Server,
        "address add 10.0.11.1/24 dev lo
         address add 10.0.13.1/24 dev lo
         address add 10.1.12.1/24 dev lo
         address add 10.0.21.1/32 dev lo",
    );
    lab.ip(
        Node::Router,
        "route add 10.0.11.0/24 via 10.0.0.3
         route add 10.0.13.0/24 via 10.0.0.3
         route add 10.0.21.0/24 via 10.0.0.3",
    );
    // Traces of packets without root.
    for node in [Node::Client, Node::Central, Node::Other] {
        lab.sysctl(node, "net/ipv4/ping_group_range", "0 2147483647");
    }
}

fn block(lab: &Lab) {
    let reject = "ip saddr 10.2.0.7 tcp dport 5669 reject with icmpx type admin-prohibited";
    lab.rule(Node::Router, "forward", reject);
    lab.rule(Node::Second, "forward", "ip daddr 10.1.0.0/16 drop");
    // With the plant's two the third silence of SNMP: a run looks at the path of three.
    lab.rule(Node::Server, "input", "ip daddr 10.0.13.9 udp dport 161 drop");
    lab.rule(Node::Server, "input", "ip saddr 10.2.0.7 tcp dport 53 drop");
}

fn serve(lab: &Lab) {
    let tls = Certificate::new(lab);
    let records = "central1 A 10.3.0.7\npoller1 A 10.2.0.7\npoller2 A 10.4.0.7\n\
                   win1 A 10.0.21.1\nwin2 A 10.1.12.21\ndb A 10.1.12.30\nups A 10.0.13.9\n";
    for node in [Node::Client, Node::Central, Node::Other, Node::Server] {
        lab.etc(node, "resolv.conf", "nameserver 10.0.0.3\n");
    }
    servers::chronyd(lab);
    servers::named(lab, records);
    servers::postfix(lab, &tls);
    servers::slapd(lab, &tls);
    servers::nginx(lab, &tls);
    servers::snmpd(lab);
    // Another product on the port of NSClient++.
    let mut other = lab.command(Node::Server, "openssl");
    other.args(["s_server", "-accept", "8443", "-www", "-quiet"]);
    other.arg("-cert").arg(&tls.chain).arg("-key").arg(&tls.key);
    lab.start(Node::Server, "other-product", &mut other, &[Port::Tcp(8443)]);
}

/// The `/etc` of each machine: that of `poller1` stands beside this file.
fn machines(lab: &Lab) {
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_servers/examples/poller1/etc");
    run(Command::new("cp").arg("-r").arg(installed).arg(lab.path("poller1")));
    for name in ["central1", "poller2"] {
        lab.folder(&format!("{name}/ssl"));
        for file in ["os-release", "hosts", "nsswitch.conf", "resolv.conf"] {
            fs::copy(lab.path("poller1").join(file), lab.path(name).join(file)).unwrap();
        }
    }
    lab.folder("poller1/ssl");
    for name in ["poller1", "central1", "poller2"] {
        fs::copy(lab.path("ca.pem"), lab.path(name).join("ssl/site-ca.pem")).unwrap();
    }
    lab.write("central1/ssl/ldap-password", LDAP_PASSWORD);
    lab.write("poller2/ssl/community", servers::SNMP_COMMUNITY);
    servers::copied(lab, Path::new(PROGRAM));
}
