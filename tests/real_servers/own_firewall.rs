//! What a row says of this machine's own firewall, held against real connections from the other
//! side: under each rule set, over IPv4 and IPv6, of nftables and of both kinds of iptables.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{CLIENT, Lab, Node, SERVER, SERVER_V6, run};

const PORT: u16 = 5669;
/// What gets through takes a millisecond; what does not is waited for so long.
const PATIENCE: Duration = Duration::from_millis(400);
const CLIENT_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 7));

/// What the row must say under a rule set; the real connection has to agree with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Open,
    Closed,
    /// Nothing may be claimed.
    Untold,
}
use Is::{Closed, Open, Untold};

/// A rule set of nftables, and what is true over IPv4 and over IPv6.
struct Case {
    what: &'static str,
    nft: &'static str,
    v4: Is,
    v6: Is,
}

const fn case(what: &'static str, nft: &'static str, v4: Is, v6: Is) -> Case {
    Case { what, nft, v4, v6 }
}

/// Neighbours have to be found under every rule set.
const NEIGHBOURS: &str = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("no rules", "", Open, Open),
    case("policy drop", "IN { drop; }", Closed, Closed),
    case("reject at the end", "IN { accept; ct state established,related accept\n NEIGHBOURS\n reject with icmpx admin-prohibited }", Closed, Closed),
    case("the port is open", "IN { drop; ct state established,related accept\n NEIGHBOURS\n tcp dport 5669 accept }", Open, Open),
    case("another port is open", "IN { drop; ct state established,related accept\n NEIGHBOURS\n tcp dport 5556 accept }", Closed, Closed),
    case("reset", "IN { accept; tcp dport 5669 reject with tcp reset }", Closed, Closed),
    case("only from the sender, of IPv4", "IN { drop; NEIGHBOURS\n ip saddr 10.2.0.7 tcp dport 5669 accept }", Open, Closed),
    case("only from a stranger", "IN { drop; NEIGHBOURS\n ip saddr 10.2.0.8 tcp dport 5669 accept }", Closed, Closed),
    case("from a network", "IN { drop; NEIGHBOURS\n ip saddr 10.2.0.0/24 accept\n ip6 saddr fd00:2::/64 accept }", Open, Open),
    case("not from a network", "IN { accept; ip saddr 10.0.0.0/8 tcp dport 5000-6000 drop }", Closed, Open),
    case("not but from a network", "IN { accept; ip saddr != 10.9.0.0/16 drop }", Closed, Open),
    case("by this interface", "IN { drop; iifname \"eth0\" accept }", Open, Open),
    case("by another interface", "IN { drop; NEIGHBOURS\n iifname \"eth1\" accept }", Closed, Closed),
    case("by interfaces of a pattern", "IN { drop; iifname { \"eth*\", \"wg0\" } accept }", Open, Open),
    case("by its number", "IN { accept; iif != lo tcp dport 5669 drop }", Closed, Closed),
    case("new connections only, nothing after", "IN { drop; NEIGHBOURS\n ct state new tcp dport 5669 accept }", Closed, Closed),
    case("established only", "IN { drop; NEIGHBOURS\n ct state established,related accept }", Closed, Closed),
    case("states in a map", "IN { drop; NEIGHBOURS\n ct state vmap { established : accept, related : accept, invalid : drop, new : jump new } }\n chain new { tcp dport { 22, 5660-5670 } accept\n }", Open, Open),
    case("a named set of ports", "set ports { type inet_service; flags interval; elements = { 22, 5000-5668, 5670 }\n }\n IN { drop; NEIGHBOURS\n tcp dport @ports accept }", Closed, Closed),
    case("a named set of addresses", "set those { type ipv4_addr; flags interval; elements = { 10.2.0.0/29, 192.0.2.1 }\n }\n IN { drop; NEIGHBOURS\n ip saddr @those accept }", Open, Closed),
    case("pairs", "set those { type ipv4_addr . inet_service; elements = { 10.2.0.7 . 5669 }\n }\n IN { drop; NEIGHBOURS\n ip saddr . tcp dport @those accept }", Open, Closed),
    case("a verdict map by port", "IN { drop; NEIGHBOURS\n tcp dport vmap { 22 : accept, 5669 : goto more } }\n chain more { ip saddr 10.2.0.7 accept\n reject\n }", Open, Closed),
    case("chains that return", "IN { drop; NEIGHBOURS\n jump one\n tcp dport 5669 accept }\n chain one { tcp dport 5669 jump two\n drop\n }\n chain two { tcp dport 5669 return\n accept\n }", Closed, Closed),
    case("goto does not come back", "IN { accept; goto one\n drop }\n chain one { tcp dport 22 drop\n }", Open, Open),
    case("two tables, the later one drops", "IN { accept; tcp dport 5669 accept }\n } table ip later { chain input { type filter hook input priority 50; policy accept\n tcp dport 5669 drop\n }", Closed, Open),
    case("two tables, the earlier one accepts", "IN { drop; NEIGHBOURS }\n } table inet earlier { chain input { type filter hook input priority -10; policy accept\n accept\n }", Closed, Closed),
    case("prerouting drops", "chain pre { type filter hook prerouting priority raw; policy accept\n tcp dport 5669 drop\n }", Closed, Closed),
    case("redirect first, to a port that is open", "chain nat { type nat hook prerouting priority dstnat; tcp dport 5669 redirect to :5670\n }\n IN { drop; ct state established accept\n NEIGHBOURS\n tcp dport 5670 accept }", Open, Open),
    case("redirect first, to one that is not", "chain nat { type nat hook prerouting priority dstnat; tcp dport 5669 redirect to :5670\n }\n IN { drop; ct state established accept\n NEIGHBOURS\n tcp dport 5669 accept }", Closed, Closed),
    case("given to another machine", "chain nat { type nat hook prerouting priority dstnat; ip daddr 10.0.0.3 tcp dport 5669 dnat ip to 10.0.0.99:22\n }", Closed, Open),
    case("what was translated is accepted", "chain nat { type nat hook prerouting priority dstnat; tcp dport 5669 redirect to :5670\n }\n IN { drop; NEIGHBOURS\n ct status dnat accept }", Open, Open),
    case("IPv6 only", "IN { drop; NEIGHBOURS\n meta nfproto ipv6 tcp dport 5669 accept }", Closed, Open),
    case("IPv4 only", "IN { drop; NEIGHBOURS\n meta nfproto ipv4 tcp dport 5669 accept }", Open, Closed),
    case("both protocols", "IN { drop; NEIGHBOURS\n meta l4proto { tcp, udp } th dport 5669 accept }", Open, Open),
    case("marked first", "chain pre { type filter hook prerouting priority mangle; tcp dport 5669 meta mark set 0x10\n }\n IN { drop; NEIGHBOURS\n meta mark & 0xff == 0x10 accept }", Open, Open),
    case("marked otherwise", "chain pre { type filter hook prerouting priority mangle; tcp dport 5669 meta mark set 0x11\n }\n IN { drop; NEIGHBOURS\n meta mark 0x10 accept }", Closed, Closed),
    case("connections marked", "chain pre { type filter hook prerouting priority mangle; tcp dport 5669 ct mark set 0x7\n }\n IN { drop; NEIGHBOURS\n ct mark 0x7 accept }", Open, Open),
    case("by SYN alone", "IN { accept; tcp flags & (fin|syn|rst|ack) == syn tcp dport 5669 drop }", Closed, Closed),
    case("not what is invalid", "IN { drop; ct state invalid drop\n NEIGHBOURS\n tcp dport 5669 tcp flags syn accept\n ct state established accept }", Open, Open),
    case("out of tracking, and only tracked is let in", "chain raw { type filter hook prerouting priority raw; tcp dport 5669 notrack\n }\n IN { drop; NEIGHBOURS\n ct state new,established tcp dport 5669 accept }", Closed, Closed),
    case("out of tracking, and let in so", "chain raw { type filter hook prerouting priority raw; tcp dport 5669 notrack\n }\n IN { drop; NEIGHBOURS\n ct state untracked tcp dport 5669 accept }", Open, Open),
    case("answers are dropped", "chain out { type filter hook output priority filter; policy drop\n icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n }", Closed, Closed),
    case("answers are let out", "chain out { type filter hook output priority filter; policy drop\n icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n ct state established accept\n }", Open, Open),
    case("at the device", "} table netdev early { chain in { type filter hook ingress device \"eth0\" priority 0; policy accept\n tcp dport 5669 drop\n }", Closed, Closed),
    case("a limit that is not reached", "IN { drop; NEIGHBOURS\n ct state established accept\n tcp dport 5669 ct state new limit rate 10/second accept }", Open, Open),
    case("over a limit", "IN { accept; tcp dport 5669 ct state new limit rate over 10/second drop }", Open, Open),
    case("to this address only", "IN { drop; NEIGHBOURS\n ip daddr 10.0.0.3 tcp dport 5669 accept }", Open, Closed),
    case("to what is local", "IN { drop; NEIGHBOURS\n fib daddr type local tcp dport 5669 accept }", Open, Open),
    case("by the way back", "chain pre { type filter hook prerouting priority filter; fib saddr . iif oif missing drop\n }", Open, Open),
    case("sport of who connects", "IN { drop; NEIGHBOURS\n tcp sport 1024-65535 tcp dport 5669 accept }", Open, Open),
    case("by the hour", "IN { drop; NEIGHBOURS\n meta hour \"00:00\"-\"23:59\" tcp dport 5669 accept }", Untold, Untold),
    case("by a byte of the packet", "IN { accept; @th,100,4 5 tcp dport 5669 drop }", Untold, Untold),
    case("what is not understood does not matter", "IN { drop; NEIGHBOURS\n meta hour \"00:00\"-\"23:59\" tcp dport 22 accept\n tcp dport 5669 accept }", Open, Open),
];

/// Rules of iptables, a line each, for both families and both kinds.
#[rustfmt::skip]
const IPTABLES: &[(&str, &str, Is)] = &[
    ("policy drop", "-P INPUT DROP", Closed),
    ("port open", "-A INPUT -p tcp -m tcp --dport 5669 -j ACCEPT\n -P INPUT DROP", Open),
    ("several ports", "-A INPUT -p tcp -m multiport --dports 22,5660:5670 -j ACCEPT\n -P INPUT DROP", Open),
    ("other ports", "-A INPUT -p tcp -m multiport --dports 22,5670:5680 -j ACCEPT\n -P INPUT DROP", Closed),
    ("states", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n -A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 5669 -m comment --comment \"the broker's\" -j ACCEPT\n -A INPUT -j DROP", Open),
    ("established only", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n -A INPUT -j DROP", Closed),
    ("reset", "-A INPUT -p tcp -m tcp --dport 5669 -j REJECT --reject-with tcp-reset", Closed),
    ("all but", "-A INPUT ! -i lo -p tcp -m tcp ! --dport 22 -j DROP", Closed),
    ("a chain that returns", "-N more\n -A more -p tcp -m tcp --dport 5669 -j RETURN\n -A more -j DROP\n -A INPUT -j more\n -A INPUT -p tcp -j ACCEPT\n -P INPUT DROP", Open),
    ("goto", "-N more\n -A more -p tcp -m tcp --dport 22 -j ACCEPT\n -A INPUT -g more\n -A INPUT -j ACCEPT\n -P INPUT DROP", Closed),
    ("mangle drops", "-t mangle -A PREROUTING -p tcp -m tcp --dport 5669 -j DROP", Closed),
    ("redirect", "-t nat -A PREROUTING -p tcp -m tcp --dport 5669 -j REDIRECT --to-ports 5670\n -A INPUT -p tcp -m tcp --dport 5670 -j ACCEPT\n -P INPUT DROP", Open),
    ("syn", "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcp --dport 5669 -j DROP", Closed),
    ("answers", "-A OUTPUT -p tcp -m tcp --sport 5669 -j DROP", Closed),
];

/// The server with listeners on [`PORT`] and the one after it, and a client that comes to it.
struct Scene {
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        for port in [PORT, PORT + 1] {
            // It takes both families.
            let listener = lab
                .inside(Node::Server, || TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
            thread::spawn(move || {
                while let Ok((mut connection, _)) = listener.accept() {
                    thread::spawn(move || {
                        connection.set_read_timeout(Some(PATIENCE)).unwrap();
                        let mut byte = [0];
                        let _gone = connection.read_exact(&mut byte);
                        let _gone = connection.write_all(&byte);
                    });
                }
            });
        }
        Self { lab }
    }

    /// Does a connection of the client come about, and carry a byte there and back?
    fn connects(&self, to: IpAddr) -> bool {
        self.lab
            .inside(Node::Client, || {
                let mut connection = TcpStream::connect_timeout(&(to, PORT).into(), PATIENCE)?;
                connection.set_read_timeout(Some(PATIENCE))?;
                connection.write_all(b"x")?;
                connection.read_exact(&mut [0])
            })
            .is_ok()
    }

    /// The row of the flow that comes in from `sender`.
    fn row(&self, sender: Option<IpAddr>) -> Value {
        let mut preflight = self.lab.command(Node::Server, PREFLIGHT);
        preflight.args(["--role", "poller", "--no-discovery", "--only", "central.zmq"]);
        preflight.args(["--port", &format!("central.zmq={PORT}"), "--format", "json"]);
        preflight.args(sender.map(|sender| format!("--central={sender}")));
        let output = preflight.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        report["steps"][0].clone()
    }

    /// What it says, under the rules that are loaded.
    fn said(&self, sender: IpAddr) -> (Is, Value) {
        let row = self.row(Some(sender));
        let closed = row["cause"]["code"] == "closed-by-own-firewall";
        let fact = row.to_string();
        let is = if closed {
            Closed
        } else if fact.contains("lets TCP 5669 in by")
            || fact.contains("hands TCP 5669 on to port 5670")
        {
            Open
        } else {
            Untold
        };
        (is, row)
    }

    /// The row says what is expected, and what a connection meets.
    fn holds(&self, what: &str, from: IpAddr, to: IpAddr, expected: Is) -> Option<String> {
        let (said, row) = self.said(from);
        let really = if self.connects(to) { Open } else { Closed };
        let is_true = said == Untold || said == really;
        (said != expected || !is_true).then(|| {
            format!("{what} ({from}): {said:?}, really {really:?}, expected {expected:?}\n{row}")
        })
    }

    fn reset(&self) {
        self.lab.nft(Node::Server, "flush ruleset");
    }
}

fn nft(rules: &str) -> String {
    let base = "chain input { type filter hook input priority filter; policy ";
    let rules = rules.replace("IN { drop;", &format!("{base}drop; "));
    let rules = rules.replace("IN { accept;", &format!("{base}accept; "));
    // A chain's last rule ends with a line.
    rules.replace("NEIGHBOURS", NEIGHBOURS).replace("} table", "}\ntable").replace(" }", "\n }")
}

#[test]
fn the_verdict_is_what_a_connection_meets() {
    let scene = Scene::new();
    let mut wrong = Vec::new();
    for Case { what, nft: rules, v4, v6 } in CASES {
        scene.reset();
        if !rules.is_empty() {
            scene.lab.nft(Node::Server, &format!("table inet filter {{\n{}\n}}\n", nft(rules)));
        }
        wrong.extend(scene.holds(what, CLIENT, SERVER, *v4));
        wrong.extend(scene.holds(what, CLIENT_V6, SERVER_V6, *v6));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_verdict_on_rules_of_iptables_is_what_a_connection_meets() {
    let scene = Scene::new();
    let mut wrong = Vec::new();
    for kind in ["nft", "legacy"] {
        for (what, lines, expected) in IPTABLES {
            for (program, from, to) in
                [("iptables", CLIENT, SERVER), ("ip6tables", CLIENT_V6, SERVER_V6)]
            {
                let tables = |arguments: &str| {
                    let line = format!("{program}-{kind} -w {arguments}");
                    run(scene.lab.command(Node::Server, "sh").args(["-c", &line]));
                };
                if program == "ip6tables" && !lines.contains("OUTPUT") {
                    tables("-I INPUT -p icmpv6 -j ACCEPT");
                }
                lines.lines().for_each(|line| tables(line.trim()));
                wrong.extend(scene.holds(&format!("{kind}: {what}"), from, to, *expected));
                for table in ["filter", "nat", "mangle"] {
                    tables(&format!("-t {table} -F"));
                    tables(&format!("-t {table} -X"));
                }
                tables("-P INPUT ACCEPT");
            }
        }
        scene.reset();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The commands of a remedy, without what is for good.
fn command_of(row: &Value) -> String {
    let remedy = row["cause"]["remedy"].to_string().replace("\\\"", "\"");
    let command = remedy.split("open it now: ").nth(1).unwrap_or_else(|| panic!("{row}"));
    command.split("; for good").next().unwrap().to_owned()
}

#[test]
fn the_command_that_is_shown_opens_the_port() {
    let scene = Scene::new();
    let opens = |what: &str| {
        for (from, to) in [(CLIENT, SERVER), (CLIENT_V6, SERVER_V6)] {
            let (said, row) = scene.said(from);
            assert_eq!(said, Closed, "{what}: {row}");
            assert!(!scene.connects(to), "{what}");
            let command = command_of(&row);
            run(scene.lab.command(Node::Server, "sh").args(["-c", &command]));
            assert!(scene.connects(to), "{what}: {command}");
            assert_eq!(scene.said(from).0, Open, "{what}: {command}");
        }
    };
    let closed = format!(
        "table inet filter {{\n{}\n}}\n",
        nft("IN { drop; NEIGHBOURS\n ct state established accept }")
    );
    scene.lab.nft(Node::Server, &closed);
    opens("nftables");
    scene.reset();
    for kind in ["nft", "legacy"] {
        for program in ["iptables", "ip6tables"] {
            for rule in ["-A INPUT -p icmpv6 -j ACCEPT", "-P INPUT DROP"] {
                if program == "iptables" && rule.contains("icmpv6") {
                    continue;
                }
                let line = format!("{program}-{kind} {rule}");
                run(scene.lab.command(Node::Server, "sh").args(["-c", &line]));
            }
        }
        opens(kind);
        scene.reset();
        for program in ["iptables", "ip6tables"] {
            let line = format!("{program}-{kind} -F; {program}-{kind} -P INPUT ACCEPT");
            run(scene.lab.command(Node::Server, "sh").args(["-c", &line]));
        }
        scene.reset();
    }
}

#[test]
fn without_a_sender_what_depends_on_it_is_not_decided() {
    let scene = Scene::new();
    scene.lab.nft(
        Node::Server,
        &format!(
            "table inet filter {{\n{}\n}}\n",
            nft("IN { drop; NEIGHBOURS\n ip saddr 10.2.0.0/24 tcp dport 5669 accept }")
        ),
    );
    let row = scene.row(None);
    assert_eq!(row["outcome"], "pass", "{row}");
    assert!(row.to_string().contains("over IPv4 by eth0: who connects (10.2.0.0/24)"), "{row}");
    // Nobody at all is let in: that needs no sender.
    scene.reset();
    scene.lab.nft(
        Node::Server,
        &format!(
            "table inet filter {{\n{}\n}}\n",
            nft("IN { drop; NEIGHBOURS\n ip saddr 10.2.0.0/24 tcp dport 22 accept }")
        ),
    );
    let row = scene.row(None);
    assert_eq!(row["cause"]["code"], "closed-by-own-firewall", "{row}");
}

#[test]
fn who_is_not_root_is_told_that_the_rules_are_not_read() {
    let scene = Scene::new();
    scene.lab.nft(
        Node::Server,
        &format!("table inet filter {{\n{}\n}}\n", nft("IN { drop; NEIGHBOURS }")),
    );
    let mut command = scene.lab.command(Node::Server, "setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", PREFLIGHT]);
    let row = as_json(
        command.args(["--role", "poller", "--no-discovery", "--only", "central.zmq"]).args([
            "--port",
            "central.zmq=5669",
            "--format",
            "json",
        ]),
    );
    assert!(row["cause"].is_null(), "{row}");
    assert!(row.to_string().contains("not known: only root may read this host's rules"), "{row}");
}

fn as_json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    report["steps"][0].clone()
}
