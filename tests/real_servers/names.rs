//! Names as this machine's daemons get them: `getent` is the judge of every address, of their order
//! and of whether `/etc/hosts` or DNS gave them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::PREFLIGHT;
use crate::lab::servers;
use crate::lab::{Lab, Node};

/// A machine's files, and the names that are looked up with them.
struct Machine {
    hosts: &'static str,
    nsswitch: &'static str,
    resolv: &'static str,
    names: &'static [&'static str],
}

/// What somebody says a name is: its addresses in order, and where they came from.
type Answer = (Vec<String>, Option<String>);

#[test]
fn a_name_has_the_addresses_that_getent_gives() {
    let lab = Lab::new();
    servers::named(&lab, RECORDS);
    let mut wrong = Vec::new();
    for machine in MACHINES {
        for (file, text) in [
            ("hosts", machine.hosts),
            ("nsswitch.conf", machine.nsswitch),
            ("resolv.conf", machine.resolv),
        ] {
            lab.etc(Node::Client, file, text);
        }
        for name in machine.names {
            let (judge, got) = (by_getent(&lab, machine, name), by_preflight(&lab, name));
            if judge != got {
                let Machine { nsswitch, resolv, .. } = machine;
                wrong.push(format!("{name} with {nsswitch:?} {resolv:?}: {judge:?}, not {got:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Differences that are meant: what cannot be a name is told where it was typed.
#[test]
fn what_cannot_be_a_name_is_a_mistake_of_the_command_line() {
    let lab = Lab::new();
    lab.etc(Node::Client, "hosts", "10.0.0.3 b\n");
    for (name, says) in [
        ("b#c", "`#` has no place in a host name"),
        ("999.1.1.1", "is not an IPv4 address"),
        ("10.0.0.3.", "is not an IPv4 address"),
        ("a..b", "has nothing between two of its dots"),
        ("\u{fc}ber", "has no place in a host name"),
    ] {
        assert_eq!(getent(&lab, &["ahosts", name]), Vec::<String>::new(), "{name}");
        let check = format!("row=tcp://{name}:9");
        let mut command = lab.in_client(PREFLIGHT);
        let output = command
            .args(["--role", "central", "--no-discovery"])
            .args(["--check", &check])
            .output();
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
        assert!(errors.contains(says), "{name}: {errors}");
    }
}

/// The same files as a copy of another machine's: what they say, without asking this machine's own.
#[test]
fn a_copy_of_the_files_says_what_getent_says_there() {
    let lab = Lab::new();
    servers::named(&lab, RECORDS);
    let mut wrong = Vec::new();
    for machine in MACHINES {
        let tree = tempfile::tempdir().unwrap();
        let etc = tree.path().join("etc");
        fs::create_dir(&etc).unwrap();
        for (file, text) in [
            ("hosts", machine.hosts),
            ("nsswitch.conf", machine.nsswitch),
            ("resolv.conf", machine.resolv),
        ] {
            lab.etc(Node::Client, file, text);
            fs::write(etc.join(file), text).unwrap();
        }
        let names = machine.names.iter().copied();
        for name in names.filter(|name| !ONLY_HERE.iter().any(|(other, _)| other == name)) {
            let (mut judge, mut got) =
                (by_getent(&lab, machine, name), by_copy(&lab, tree.path(), name));
            // The order of families depends on the routes of the machine that asks.
            judge.0.sort();
            got.0.sort();
            if judge.0.iter().all(|address| is_loopback(address)) && judge.1.is_some() {
                // It is told, and never asked here.
                (judge, got) = ((Vec::new(), None), (got.0, None));
            }
            // What leads back to that machine is not asked here.
            judge.0.retain(|address| !is_loopback(address));
            if judge != got {
                let Machine { nsswitch, resolv, .. } = machine;
                wrong.push(format!("{name} with {nsswitch:?} {resolv:?}: {judge:?}, not {got:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names that a copy of the files answers otherwise than the machine itself, and why.
const ONLY_HERE: &[(&str, &str)] =
    &[("both", "its first address is of another line where IPv6 has no route")];

fn is_loopback(address: &str) -> bool {
    address.starts_with("127.") || address == "::1"
}

fn by_getent(lab: &Lab, machine: &Machine, name: &str) -> Answer {
    let addresses = getent(lab, &["ahosts", name]);
    let Some(first) = addresses.first() else { return (addresses, None) };
    let services = machine.nsswitch.lines().find_map(|line| line.strip_prefix("hosts:"));
    let reads_hosts_first = services.is_none_or(|line| line.trim_start().starts_with("files"));
    let is_in_hosts =
        reads_hosts_first && !getent(lab, &["-s", "files", "ahosts", name]).is_empty();
    let is_numeric = name.chars().all(|c| c.is_ascii_hexdigit() || ".x".contains(c))
        && name.contains(|c: char| c.is_ascii_digit());
    if is_numeric {
        return (addresses, None);
    }
    let has = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next();
        address == Some(first) && words.any(|word| word.eq_ignore_ascii_case(name))
    };
    let source = match machine.hosts.lines().position(has).filter(|_| is_in_hosts) {
        Some(index) => format!("/etc/hosts:{}", index + 1),
        None => "DNS".to_owned(),
    };
    (addresses, Some(source))
}

fn getent(lab: &Lab, args: &[&str]) -> Vec<String> {
    let output = lab.in_client("getent").args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut addresses: Vec<String> = Vec::new();
    for address in text.lines().filter_map(|line| line.split_whitespace().next()) {
        if !addresses.iter().any(|known| known == address) {
            addresses.push(address.to_owned());
        }
    }
    addresses
}

fn by_preflight(lab: &Lab, name: &str) -> Answer {
    let mut command = lab.in_client(PREFLIGHT);
    command.arg("--no-discovery");
    asked(check(&mut command, name))
}

fn by_copy(lab: &Lab, tree: &Path, name: &str) -> Answer {
    let mut command = lab.in_client(PREFLIGHT);
    command.arg("--root").arg(tree);
    asked(check(&mut command, name))
}

fn check<'a>(command: &'a mut Command, name: &str) -> &'a mut Command {
    command
        .args(["--role", "central", "--only", "custom.row", "--phase", "after", "--format", "json"])
        .args(["--check", &format!("row=tcp://{name}:9")])
}

/// The addresses that were asked, in the order of the report.
fn asked(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{command:?}: {error}:\n{text}{}", String::from_utf8_lossy(&output.stderr))
    });
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["flow"] == "custom.row").unwrap();
    let mut addresses: Vec<String> = Vec::new();
    for attempt in step["attempts"].as_array().into_iter().flatten() {
        let address: SocketAddr = attempt["address"].as_str().unwrap().parse().unwrap();
        let address = address.ip().to_string();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    (addresses, step["evidence"]["resolved_by"].as_str().map(str::to_owned))
}

const RECORDS: &str = "only4 A 10.0.0.3\nonly6 AAAA fd00::3\nalias CNAME www\ngone CNAME nobody\n\
                       circle CNAME circle2\ncircle2 CNAME circle\ntext TXT none\n\
                       x.y A 10.0.0.3\ncentral.sub A 10.0.0.3\n";

const HOSTS: &str = "127.0.0.1 localhost
::1 localhost ip6-localhost
127.0.1.1\tPOLLER1.corp poller1
10.0.0.3\tCentral   central.corp # the old one
10.0.0.4 central
  10.0.0.3   spaced
#10.0.0.9 commented
10.0.0.3 crlf\r
10.0.0.3 a b#c
::ffff:10.0.0.3 mapped
10.0.3 short
010.0.0.3 octal
10.0.0.3 dot.
10.0.0.4 both
fd00::3 both
10.0.0.3 both
10.0.0.12
garbage central
127.0.0.1 looped
10.0.0.3 looped
0x0a.0.0.3 hexadecimal
10.0.0.300 beyond
fd00::3\tsix
10.0.0.3 twice
10.0.0.3 twice
10.0.0.3 under_score www.example.test
";

const MACHINES: &[Machine] = &[
    Machine {
        hosts: HOSTS,
        nsswitch: "hosts: files dns\n",
        resolv: "nameserver 10.0.0.3\n",
        names: &[
            "central",
            "CENTRAL",
            "central.",
            "central.corp",
            "spaced",
            "commented",
            "crlf",
            "a",
            "b",
            "c",
            "mapped",
            "short",
            "octal",
            "dot",
            "dot.",
            "both",
            "looped",
            "hexadecimal",
            "beyond",
            "six",
            "twice",
            "under_score",
            "www.example.test",
            "10.3",
            "10.0.3",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "localhost",
            "ip6-localhost",
            "poller1",
            "nobody",
            "-x",
            "only4.example.test",
            "only6.example.test",
            "alias.example.test",
            "gone.example.test",
            "circle.example.test",
            "text.example.test",
        ],
    },
    Machine {
        hosts: "127.0.0.1 localhost\n10.0.0.4 www.example.test www\n",
        nsswitch: "hosts: dns files\n",
        resolv: "search example.test\nnameserver 10.0.0.3\n",
        names: &["www.example.test", "only4", "only4.", "x.y", "localhost", "central.sub"],
    },
    Machine {
        hosts: "127.0.0.1 localhost\n10.0.0.4 www.example.test\n",
        nsswitch: "hosts:\tdns\n",
        resolv: "domain example.test\nnameserver 10.0.0.3\noptions ndots:3\n",
        names: &["www.example.test", "www.example.test.", "only4", "x.y", "central.sub"],
    },
    Machine {
        hosts: "10.0.0.4 www\n",
        nsswitch: "hosts: files\n",
        resolv: "nameserver 10.0.0.3\n",
        names: &["www", "www.example.test"],
    },
    Machine {
        hosts: "10.0.0.4 hosted\n",
        nsswitch: "# hosts: dns\nhosts:   files [NOTFOUND=return] dns\n",
        resolv: "nameserver 10.0.0.3\n",
        names: &["hosted", "only4.example.test"],
    },
    Machine {
        hosts: "",
        nsswitch: "passwd: files\n",
        resolv: "search nowhere.test sub.example.test example.test\nnameserver 10.0.0.3\n\
                 options rotate timeout:1 attempts:1 edns0 trust-ad single-request\n",
        names: &["central", "only4", "only6", "nobody", "x.y"],
    },
    Machine {
        hosts: "",
        nsswitch: "hosts: files dns\n",
        resolv: "# none\nsearch\tlab.test\nsearch example.test\n;nameserver 10.0.0.9\n\
                 nameserver\t10.0.0.3 # ours\noptions ndots:0 use-vc\n",
        names: &["only4", "only6", "www.example.test", "example.test"],
    },
    Machine {
        hosts: "",
        nsswitch: "hosts: files dns\n",
        resolv: "nameserver 10.0.0.3\noptions no-aaaa\n",
        names: &["only4.example.test", "only6.example.test", "www.example.test"],
    },
];
