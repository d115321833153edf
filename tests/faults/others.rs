//! What other tools print about the same faults, at the same time: with `OTHERS=1`, and with
//! `UPDATE_DOCS=1` into `docs/accuracy.md`.
//!
//! Needs root, and Debian's monitoring-plugins-basic and -standard, nmap, and prometheus-blackbox-exporter.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;

use crate::lab::servers::{LDAP_USER, SNMP_COMMUNITY, SNMP_USER};
use crate::lab::{Lab, Node, Port};
use crate::site::Spot;
use crate::table;

/// One line of one tool about one row.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    fault: String,
    flow: &'static str,
    tool: &'static str,
    line: String,
}

/// Asks the tools that know the row's flow; one after the other, as some faults are counted.
pub(crate) fn ask(spot: &Spot<'_>) -> Vec<Said> {
    let flow = spot.row.flow.name;
    let said = |(tool, line): (&'static str, String)| Said {
        fault: spot.row.fault.clone(),
        flow,
        tool,
        line: line.chars().filter(|letter| !letter.is_control()).take(140).collect(),
    };
    let mut tools: Vec<&'static str> = vec!["check"];
    tools.extend(
        ["ssh", "bbdo", "smtp", "ldap", "https", "ntp", "snmp"].contains(&flow).then_some("nmap"),
    );
    tools.extend(["ssh", "https"].contains(&flow).then_some("blackbox_exporter"));
    let lines = tools.into_iter().filter_map(|tool| match tool {
        "check" => plugin(spot),
        "nmap" => Some(("nmap", nmap(spot))),
        _ => Some(("blackbox_exporter", blackbox(spot))),
    });
    lines.map(said).collect()
}

/// Starts what has to run all the time.
pub(crate) fn start(lab: &Lab) {
    let modules = lab.path("blackbox.yml");
    let text = "modules:\n  tcp: {prober: tcp, timeout: 8s}\n  http: {prober: http, timeout: 8s}\n";
    std::fs::write(&modules, text).unwrap();
    let mut command = lab.in_client("prometheus-blackbox-exporter");
    command.arg("--config.file").arg(modules).arg("--web.listen-address=127.0.0.1:9115");
    lab.start(Node::Client, "blackbox", &mut command, &[Port::Tcp(9115)]);
}

pub(crate) fn are_wanted() -> bool {
    env::var_os("OTHERS").is_some()
}

/// Writes what was said between its marks, when both variables are set.
pub(crate) fn write_docs(said: &[Said]) {
    if said.is_empty() {
        return;
    }
    let mut faults: BTreeMap<(&str, &str), Vec<&Said>> = BTreeMap::new();
    for one in said {
        println!("{:<50} {:<8} {:<18} {}", one.fault, one.flow, one.tool, one.line);
        faults.entry((&one.fault, one.flow)).or_default().push(one);
    }
    let mut text = "| fault | flow | other tools |\n| --- | --- | --- |\n".to_owned();
    for ((fault, flow), all) in faults {
        let lines =
            all.iter().map(|said| format!("{}: {}", said.tool, said.line.replace('|', "\\|")));
        let lines = lines.collect::<Vec<_>>().join("<br>");
        writeln!(text, "| {fault} | {flow} | {lines} |").unwrap();
    }
    table::replace("others", &text);
}

/// The monitoring plugin for the flow, as it is usually called.
fn plugin(spot: &Spot<'_>) -> Option<(&'static str, String)> {
    let (host, port) = (spot.host(), spot.port.to_string());
    let (tool, args): (&'static str, Vec<String>) = match spot.row.flow.name {
        "ssh" | "bbdo" => ("check_tcp", vec![]),
        "smtp" => ("check_smtp", vec![]),
        "ldap" => {
            let bind =
                ["-b", "dc=example,dc=test", "-D", LDAP_USER, "-P", "not-a-secret-ldap", "-3"];
            ("check_ldap", bind.map(str::to_owned).to_vec())
        }
        "https" => ("check_http", vec!["-S".into(), "--sni".into(), "-C".into(), "1".into()]),
        "http" => ("check_http", vec![]),
        "ntp" => ("check_ntp_time", vec![]),
        "snmp" => {
            let community =
                if spot.row.fault.contains("community") { "wrong" } else { SNMP_COMMUNITY };
            let args = ["-o", "1.3.6.1.2.1.1.1.0", "-e", "1", "-C", community];
            ("check_snmp", args.map(str::to_owned).to_vec())
        }
        "snmp v3" => {
            let args = ["-o", "1.3.6.1.2.1.1.1.0", "-e", "1", "-P", "3", "-L", "authPriv"];
            let secrets =
                ["-U", SNMP_USER, "-A", "not-a-secret-but-wrong", "-X", "not-a-secret-priv"];
            ("check_snmp", args.iter().chain(&secrets).map(|&arg| arg.to_owned()).collect())
        }
        _ => return None,
    };
    let mut command = spot.lab.in_client(format!("/usr/lib/nagios/plugins/{tool}"));
    command.args(["-H", &host, "-p", &port, "-t", "8"]).args(args);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().chain(errors.lines()).find(|line| !line.trim().is_empty());
    Some((
        tool,
        format!("{} (exit {})", line.unwrap_or_default(), output.status.code().unwrap_or(-1)),
    ))
}

/// As root, for UDP and for what it then knows of refusals.
fn nmap(spot: &Spot<'_>) -> String {
    let is_udp = ["ntp", "snmp"].contains(&spot.row.flow.name);
    let mut command = spot.lab.in_client("nmap");
    command
        .args(["-Pn", "-n", "--reason", "--host-timeout", "20s", "-p"])
        .arg(spot.port.to_string());
    command.arg(if is_udp { "-sU" } else { "-sS" });
    command.args(spot.host().contains(':').then_some("-6")).arg(spot.host());
    let text = String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned();
    let port = |line: &&str| line.contains("/tcp") || line.contains("/udp");
    let line = text.lines().find(port).or(text.lines().last()).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Its last error, or that it is content.
fn blackbox(spot: &Spot<'_>) -> String {
    let (host, port) = (spot.host(), spot.port);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let query = match spot.row.flow.name {
        "https" => format!("module=http&target=https://{host}:{port}/"),
        _ => format!("module=tcp&target={host}:{port}"),
    };
    let asked = spot.lab.inside(Node::Client, || {
        let mut stream = TcpStream::connect("127.0.0.1:9115")?;
        write!(stream, "GET /probe?debug=true&{query} HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    });
    let text = asked.unwrap_or_else(|error| error.to_string());
    let last = text.lines().rfind(|line| line.contains("level=error") && line.contains("err="));
    match last.and_then(|line| line.split_once("err=")) {
        Some((_, error)) => error.trim_matches('"').replace("\\\"", "\""),
        None if text.contains("probe_success 1") => "success".to_owned(),
        None => "failed".to_owned(),
    }
}
