//! The namespaces in which the rows run: servers, addresses, rules; and `preflight`, run as nobody.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::certificates::Certificates;
use crate::curl;
use crate::lab::servers::{self, Certificate};
use crate::lab::{Lab, Node, SERVER};
use crate::others::{self, Said};
use crate::resolvers;
use crate::row::{How, Place, Row};
use crate::schema::check;
use crate::servers as more;
use crate::speed;

/// The lab that most rows share.
pub(crate) struct Site {
    pub(crate) lab: Lab,
}

/// What came of a row.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) outcome: String,
    /// The cause's code, or the concerns'.
    pub(crate) codes: Vec<String>,
    pub(crate) result: String,
    /// How long the step took.
    pub(crate) took: Duration,
    /// The cause's code of the step that this one is folded under.
    pub(crate) root: Option<String>,
}

/// A row's addresses and port, and where its texts find them.
pub(crate) struct Spot<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) row: &'a Row,
    server: String,
    client: String,
    pub(crate) port: u16,
}

impl Site {
    /// The network alone.
    pub(crate) fn new(certificates: &Certificates) -> Self {
        let lab = Lab::new();
        lab.add_second_router();
        certificates.write(&lab);
        Self { lab }
    }

    pub(crate) fn start_servers(&self) {
        let lab = &self.lab;
        let tls = Certificate::new(lab);
        let both = ["ca.pem", "faults-ca.pem"].map(|ca| fs::read_to_string(lab.path(ca)).unwrap());
        lab.write("trusted.pem", &both.concat());
        secrets(lab);
        lab.etc(Node::Client, "resolv.conf", &format!("nameserver {SERVER}\n"));
        let starts: [&(dyn Fn() + Sync); 19] = [
            &|| servers::chronyd_with_nts(lab, &tls),
            &|| more::named(lab),
            &|| more::postfix(lab, &tls),
            &|| more::slapd(lab, &tls),
            &|| more::nginx(lab, &tls),
            &|| more::sshd(lab),
            &|| more::snmpd(lab),
            &|| servers::zmq_router(lab, Node::Server, 5556),
            &|| more::other_zmq(lab),
            // The two share a copy of the program.
            &|| {
                more::squid(lab);
                more::other_squid(lab);
            },
            &|| more::odd_tls(lab),
            &|| more::socks(lab),
            &|| more::tinyproxy(lab),
            &|| more::haproxy(lab),
            &|| resolvers::unbound(lab),
            &|| resolvers::dnsmasq(lab),
            &|| servers::nrpe(lab),
            &|| more::exim(lab, &tls),
            &|| more::openvpn(lab, &tls),
        ];
        thread::scope(|scope| {
            for start in starts {
                scope.spawn(start);
            }
        });
        let broker: SocketAddr = "0.0.0.0:5669".parse().unwrap();
        lab.inside(Node::Server, || more::broker().listen(broker));
    }

    /// Makes the faults of all `rows`, then asks for each, `width` at once.
    ///
    /// What is to be told at once is asked before, two at a time: two dozen that want the same two
    /// cores would make it late. `swift_are_done` is called between.
    pub(crate) fn run(
        &self,
        rows: &[Row],
        width: usize,
        swift_are_done: impl FnOnce(),
    ) -> (Vec<Got>, Vec<Said>) {
        let spots: Vec<Spot<'_>> = rows
            .iter()
            .enumerate()
            .map(|(number, row)| Spot::new(&self.lab, row, number))
            .collect();
        if rows.iter().any(|row| row.how.iter().any(|how| matches!(how, How::Delayed))) {
            servers::delay(&self.lab, Node::Router, "server", Duration::from_millis(500));
        }
        break_all(&self.lab, &spots);
        // The servers look for new addresses by themselves only once in a while.
        self.start_servers();
        let (swift, slow): (Vec<usize>, Vec<usize>) =
            (0..rows.len()).partition(|&number| speed::is_told_at_once(&rows[number]));
        let ask = |numbers: Vec<usize>, width| {
            let got = side_by_side(numbers.len(), width, |at| spots[numbers[at]].ask());
            numbers.into_iter().zip(got)
        };
        let mut got: BTreeMap<usize, Got> = ask(swift, 2).collect();
        swift_are_done();
        got.extend(ask(slow, width));
        let got: Vec<Got> = got.into_values().collect();
        let differences = side_by_side(rows.len(), 4, |at| curl::disagrees(&spots[at], &got[at]));
        let differences: Vec<String> = differences.into_iter().flatten().collect();
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        let mut said = Vec::new();
        if others::are_wanted() {
            others::start(&self.lab);
            said = side_by_side(rows.len(), width, |number| others::ask(&spots[number]));
        }
        (got, said.concat())
    }
}

impl Site {
    /// Asks `runs` times for each of `rows`, `width` at once; what came of each row's runs.
    pub(crate) fn run_often(&self, rows: &[Row], runs: usize, width: usize) -> Vec<Vec<Got>> {
        let spot = |(number, row)| Spot::new(&self.lab, row, number);
        let spots: Vec<Spot<'_>> = rows.iter().enumerate().map(spot).collect();
        break_all(&self.lab, &spots);
        // All runs of a row are of one address, to which a router else names itself once a second.
        for node in [Node::Router, Node::Second] {
            self.lab.sysctl(node, "net/ipv4/icmp_ratelimit", "0");
            self.lab.sysctl(node, "net/ipv6/icmp/ratelimit", "0");
        }
        self.start_servers();
        let all = side_by_side(rows.len() * runs, width, |at| spots[at % rows.len()].ask());
        let of = |number| all.iter().skip(number).step_by(rows.len()).cloned().collect();
        (0..rows.len()).map(of).collect()
    }
}

/// Runs a row in a lab of its own.
pub(crate) fn run_alone(row: &Row, certificates: &Certificates) -> Got {
    let lab = Lab::new();
    certificates.write(&lab);
    fs::copy(lab.path("faults-ca.pem"), lab.path("trusted.pem")).unwrap();
    secrets(&lab);
    let spot = Spot::new(&lab, row, 0);
    break_all(&lab, std::slice::from_ref(&spot));
    spot.ask()
}

/// Secrets are read from files; the program must be one that anybody may run.
pub(crate) fn secrets(lab: &Lab) {
    for (file, secret) in [
        ("community", servers::SNMP_COMMUNITY),
        ("snmp-auth", servers::SNMP_AUTH_PASSWORD),
        ("snmp-priv", servers::SNMP_PRIV_PASSWORD),
        ("ldap-password", servers::LDAP_PASSWORD),
        ("wrong", "not-a-secret-but-wrong"),
        ("password", more::PASSWORD),
    ] {
        lab.write(file, secret);
    }
    servers::copied(lab, Path::new(env!("CARGO_BIN_EXE_preflight")));
    lab.sysctl(Node::Client, "net/ipv4/ping_group_range", "0 2147483647");
}

/// All that the rows do to the network, with one call of each tool a node.
fn break_all(lab: &Lab, spots: &[Spot<'_>]) {
    let mut ip: BTreeMap<&str, (Node, String)> = BTreeMap::new();
    let mut nft: BTreeMap<&str, (Node, String)> = BTreeMap::new();
    let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost\n");
    let mut add = |node: Node, lines: &str| {
        let (_, text) = ip.entry(name(node)).or_insert_with(|| (node, String::new()));
        text.push_str(lines);
        text.push('\n');
    };
    let all = spots.iter().any(|spot| !matches!(spot.row.place, Place::Site | Place::Alone));
    if all {
        add(Node::Router, "route add 10.0.0.0/16 dev server\nroute add 10.2.0.0/16 dev client");
    }
    for spot in spots {
        spot.addresses(&mut add);
    }
    let mut parameters = Vec::new();
    for spot in spots {
        for how in &spot.row.how {
            match how {
                How::Ip(node, lines) => add(*node, &spot.fill(lines)),
                How::Rule(node, hook, rule) => {
                    let (_, text) = nft.entry(name(*node)).or_insert_with(|| (*node, table()));
                    let translates = TRANSLATIONS.iter().find(|(name, _)| name == hook);
                    if let Some((_, at)) = translates.filter(|(name, _)| !text.contains(name)) {
                        let kind = format!("type nat hook {at} priority -100;");
                        writeln!(text, "add chain inet lab {hook} {{ {kind} }}").unwrap();
                    }
                    writeln!(text, "add rule inet lab {hook} {}", spot.fill(rule)).unwrap();
                }
                How::Sysctl(node, key, value) => parameters.push((*node, *key, *value)),
                How::Hosts(lines) => writeln!(hosts, "{}", spot.fill(lines)).unwrap(),
                How::Delayed => add(
                    Node::Router,
                    &spot.fill(&format!("route add {{server}} dev {}", servers::DELAYED)),
                ),
                How::Resolver(text) => lab.etc(Node::Client, "resolv.conf", text),
                How::Vpn => servers::openvpn(lab, &Certificate::new(lab)),
                How::File(name, text) => {
                    if let Some((folder, _)) = name.rsplit_once('/') {
                        lab.folder(folder);
                    }
                    lab.write(name, &spot.fill(text));
                }
                How::Here(port, peer) => {
                    let at = SocketAddr::from(([0, 0, 0, 0], *port));
                    lab.inside(Node::Client, || peer.listen(at));
                }
                How::OnRouter(port, peer) => {
                    let at = SocketAddr::from(([0, 0, 0, 0], *port));
                    lab.inside(Node::Router, || peer.listen(at));
                }
                How::Peer(port, peer) => {
                    lab.inside(Node::Server, || peer.listen(SocketAddr::new(SERVER, *port)));
                }
            }
        }
    }
    lab.etc(Node::Client, "hosts", &hosts);
    for (node, lines) in ip.values() {
        lab.ip(*node, lines);
    }
    for (node, rules) in nft.values() {
        lab.nft(*node, rules);
    }
    // Those of the connection tracking exist only once a rule has asked for it.
    for (node, key, value) in parameters {
        lab.sysctl(node, key, value);
    }
    lab.inside(Node::Server, || {
        for spot in spots {
            if let Some(peer) = &spot.row.peer {
                peer.listen(SocketAddr::new(spot.server.parse().unwrap(), spot.port));
            }
        }
    });
}

/// Chains of rules that send packets elsewhere, and their hooks; they are only there when they are needed.
const TRANSLATIONS: [(&str, &str); 2] = [("prerouting", "prerouting"), ("of-our-own", "output")];

fn table() -> String {
    let chain =
        |hook| format!("add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}\n");
    format!("add table inet lab\n{}", ["input", "forward", "output"].map(chain).concat())
}

fn name(node: Node) -> &'static str {
    match node {
        Node::Client => "client",
        Node::Router => "router",
        Node::Server => "server",
        Node::Second => "second",
        Node::Central => "central",
        Node::Other => "other",
    }
}

impl<'a> Spot<'a> {
    fn new(lab: &'a Lab, row: &'a Row, number: usize) -> Self {
        let (high, low) = (1 + number / 200, 2 + number % 200);
        let server = match row.place {
            Place::Site | Place::Alone => SERVER.to_string(),
            Place::Near | Place::Nobody => format!("10.0.{high}.{low}"),
            Place::Far => format!("10.1.{high}.{low}"),
            Place::Near6 => format!("fd00::{high}:{low}"),
            Place::Segment => format!("10.2.0.{}", 20 + low % 200),
        };
        let client = match row.place {
            Place::Near6 => format!("fd00:2::{high}:{low}"),
            _ => format!("10.2.{high}.{low}"),
        };
        let port = match row.peer {
            Some(_) => 20_000 + u16::try_from(number).unwrap(),
            None => row.flow.port,
        };
        Self { lab, row, server, client, port }
    }

    /// Addresses of the row's own at both ends, so that no row takes part in another's rate limits.
    fn addresses(&self, add: &mut impl FnMut(Node, &str)) {
        let Self { server, client, .. } = self;
        let far = match self.row.place {
            Place::Site | Place::Segment | Place::Alone => return,
            Place::Near => Some("eth0"),
            Place::Far => Some("eth1"),
            Place::Near6 => {
                // Not on the segment: some servers answer from any address that is.
                add(Node::Server, &format!("address add {server}/128 dev lo nodad"));
                add(Node::Router, &format!("route add {server} via fd00::3"));
                add(Node::Client, &format!("address add {client}/64 dev eth0 nodad"));
                let route = format!("route add {server} via fd00:2::1 src {client}");
                return add(Node::Client, &route);
            }
            Place::Nobody => None,
        };
        if let Some(device) = far {
            add(Node::Server, &format!("address add {server}/32 dev {device}"));
        }
        add(Node::Client, &format!("address add {client}/32 dev eth0"));
        add(Node::Client, &format!("route add {server} via 10.2.0.1 src {client}"));
    }

    /// The value of one of the row's own flags.
    pub(crate) fn flag(&self, name: &str) -> Option<String> {
        let args = &self.row.flow.args;
        let at = args.iter().rposition(|arg| arg == name)?;
        args.get(at + 1).map(|value| self.fill(value))
    }

    /// The name or address that is asked.
    pub(crate) fn host(&self) -> String {
        self.row.flow.host.unwrap_or(&self.server).to_owned()
    }

    fn fill(&self, text: &str) -> String {
        let (ip, icmp) =
            if self.row.place == Place::Near6 { ("ip6", "icmpv6") } else { ("ip", "icmp") };
        let Self { server, port, .. } = self;
        let (there, back) = if self.row.flow.scheme == "icmp" {
            (format!("{icmp} type echo-request"), format!("{icmp} type echo-reply"))
        } else {
            let either = "meta l4proto { tcp, udp } th";
            (format!("{either} dport {port}"), format!("{either} sport {port}"))
        };
        text.replace("{flow}", &format!("{ip} daddr {{server}} {there}"))
            .replace("{replies}", &format!("{ip} saddr {{server}} {back}"))
            .replace("{tcp flow}", &format!("{ip} daddr {{server}} tcp dport {port}"))
            .replace("{tcp replies}", &format!("{ip} saddr {{server}} tcp sport {port}"))
            .replace("{host}", &format!("{ip} daddr {{server}}"))
            .replace("{server}", server)
            .replace("{client}", &self.client)
            .replace("{port}", &port.to_string())
            .replace("{lab}", &self.lab.path("").display().to_string())
    }

    /// Runs `preflight` as nobody would: without any privilege.
    fn ask(&self) -> Got {
        let flow = &self.row.flow;
        let mut command = self.lab.in_client("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(self.lab.path("bin/preflight"))
            .args(["--format", "json", "--ca"])
            .arg(self.lab.path("trusted.pem"))
            .args(flow.args.iter().map(|arg| self.fill(arg)));
        if !flow.args.iter().any(|arg| arg == "--root") {
            command.arg("--no-discovery");
        }
        if !flow.args.iter().any(|arg| arg == "--phase") {
            command.args(["--phase", "after"]);
        }
        if !flow.args.iter().any(|arg| arg == "--role") {
            let host = self.host();
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let port =
                if flow.scheme == "icmp" { String::new() } else { format!(":{}", self.port) };
            let check = format!("row={}://{host}{port}", flow.scheme);
            command.args(["--role", "central", "--only", "custom.row", "--check", &check]);
        }
        read(&mut command, self.row.root.map(|(flow, _)| flow))
    }
}

/// Runs `command` and reads the one step that was asked, beside that of the flow `root`.
fn read(command: &mut Command, root: Option<&str>) -> Got {
    let (report, code) = report_and_code(command);
    check(&report);
    let asked = report["steps"].as_array().unwrap().iter();
    let asked = asked.filter(|step| step["outcome"] != "skip");
    let (roots, steps): (Vec<&Value>, Vec<&Value>) =
        asked.partition(|step| root.is_some_and(|root| step["flow"] == root));
    let [step] = steps.as_slice() else { panic!("{command:?} asks one thing: {report:#}") };
    assert_eq!(roots.len(), usize::from(root.is_some()), "{command:?}: {report:#}");
    if step["required"] == true && step["outcome"] == "fail" {
        assert_eq!(code, Some(1), "{command:?}: {report:#}");
    }
    judge_again(&report, step["id"].as_str().unwrap());
    let concerns = step["concerns"].as_array().into_iter().flatten();
    let codes = step["cause"]["code"].as_str().into_iter().chain(
        concerns.filter_map(|concern| concern["code"].as_str()).filter(|_| step["cause"].is_null()),
    );
    let above = roots.iter().find(|root| root["id"] == step["because_of"]);
    let milliseconds = step["timings"]["total_ms"].as_f64().unwrap();
    Got {
        outcome: step["outcome"].as_str().unwrap().to_owned(),
        codes: codes.map(str::to_owned).collect(),
        result: step["result"].as_str().unwrap_or_default().to_owned(),
        took: Duration::from_secs_f64(milliseconds / 1e3),
        root: above.and_then(|root| Some(root["cause"]["code"].as_str()?.to_owned())),
    }
}

/// What a run saw is enough to come to the same decision from its report.
fn judge_again(report: &Value, step: &str) {
    let report = report.to_string();
    let mut saved = tempfile::NamedTempFile::new().unwrap();
    saved.write_all(report.as_bytes()).unwrap();
    let mut explain = Command::new(env!("CARGO_BIN_EXE_preflight"));
    let output = explain.arg("explain").arg(saved.path()).arg(step).output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("Today's rules say the same."), "{page}\n{output:?}\n{report}");
}

/// Runs `command` and returns its JSON.
pub(crate) fn report(command: &mut Command) -> Value {
    report_and_code(command).0
}

fn report_and_code(command: &mut Command) -> (Value, Option<i32>) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{command:?}: {error}:\n{text}{}", String::from_utf8_lossy(&output.stderr))
    });
    (report, output.status.code())
}

/// Side by side, at most `width` at once, in order.
pub(crate) fn side_by_side<T: Send>(
    count: usize,
    width: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let result = work(number);
                    done.lock().unwrap().push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
