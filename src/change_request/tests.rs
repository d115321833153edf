use serde_json::{Value, json};

use super::row::Source;
use super::*;
use crate::report::Report;
use crate::report::sample::{cause, failing, later, report, step};

fn bbdo(outcome: &str) -> Value {
    step("poller", "central", "central.example.com", "bbdo:5669/tcp", outcome)
}

/// A step that fails from `source` at the address `to`.
fn blocked_at(step: Value, source: &str, to: &str, cause: &Value) -> Value {
    let mut step = failing(step, source, cause.clone());
    step["attempts"][0]["address"] = json!(to);
    if let Some(device) = cause.get("device") {
        step["attempts"][0]["cause"]["by"] = device.clone();
    }
    step
}

fn rejected(source: &str, device: &str) -> Value {
    let cause = cause("path-rejected", "path", "network", Some(device));
    blocked_at(bbdo("fail"), source, "10.0.0.5:5669", &cause)
}

fn poller(name: &str, address: &str, steps: &[Value]) -> Report {
    report(name, "poller", address, steps)
}

fn request(reports: &[Report], all: bool) -> ChangeRequest {
    let wishes = reports.iter().map(|report| Wishes::of(report, all)).collect();
    ChangeRequest::new(wishes, &Nat::new(), all)
}

fn written(request: &ChangeRequest, format: Format) -> String {
    let mut out = Vec::new();
    format.write(request, Canvas { width: 80, verbose: false }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Two pollers and a central, with something of everything.
fn site() -> Vec<Report> {
    let mail = step("poller", "smtp", "relay.example.com", "smtp:25/tcp", "fail");
    let silent = cause("port-silent", "path", "network", None);
    let device = step("poller", "device", "10.1.1.1", "snmp:161/udp", "unknown");
    let refuses = cause("target-rejected", "path", "far-side", None);
    let ntp = step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "fail");
    let own = cause("local-firewall", "route", "this-host", None);
    let dns = step("poller", "dns", "10.0.0.53", "dns:53/udp", "fail");
    let off = cause("host-unreachable", "path", "network", Some("10.9.0.1"));
    let https = step("central", "http", "https://updates.example.com/", "https:443/tcp", "pass");
    let mut listener = step("poller", "central", "this host", "bbdo:5669/tcp", "pass");
    listener["direction"] = json!("inbound");
    vec![
        poller(
            "poller-1",
            "10.2.0.7",
            &[
                rejected("10.2.0.7", "10.9.0.1"),
                blocked_at(mail, "10.2.0.7", "10.0.0.25:25", &silent),
                blocked_at(ntp, "10.2.0.7", "10.0.0.3:123", &own),
                blocked_at(dns, "10.2.0.7", "10.0.0.53:53", &off),
            ],
        ),
        poller(
            "poller-2",
            "10.2.0.8",
            &[
                rejected("10.2.0.8", "10.9.0.1"),
                blocked_at(device, "10.2.0.8", "10.1.1.1:161", &refuses),
            ],
        ),
        report("central-1", "central", "10.0.0.5", &[https, listener]),
    ]
}

#[test]
fn sources_to_one_destination_are_one_row_of_the_device_that_blocks() {
    let request = request(&site(), false);
    let first = &request.rows[0];
    assert_eq!(first.at, Firewall::Device([10, 9, 0, 1].into()));
    let sources: Vec<String> = first.sources.iter().map(Source::shown).collect();
    assert_eq!(sources, ["10.2.0.7 (poller-1)", "10.2.0.8 (poller-2)"]);
    assert_eq!(first.destination.shown(), "10.0.0.5 (central.example.com)");
    assert_eq!((first.service().as_str(), first.evidence.len()), ("TCP 5669", 1));
    let order: Vec<String> = request.rows.iter().map(|row| row.at.title()).collect();
    assert_eq!(
        order,
        [
            "Device 10.9.0.1",
            "No device named itself",
            "Firewall of the destination 10.1.1.1 itself",
            "Firewall of the source 10.2.0.7 (poller-1) itself",
        ]
    );
}

#[test]
fn the_last_device_that_answers_did_not_say_no() {
    let silent = cause("host-silent-after", "path", "network", Some("10.9.0.2"));
    let mut device = step("poller", "device", "10.1.12.1", "snmp:161/udp", "fail");
    device["group"] = json!("10.1.12.0/24");
    let mut healthy = step("poller", "device", "10.1.12.2", "snmp:161/udp", "pass");
    healthy["group"] = json!("10.1.12.0/24");
    let device = blocked_at(device, "10.2.0.7", "10.1.12.1:161", &silent);
    let both = request(&[poller("poller-1", "10.2.0.7", &[device.clone(), healthy])], false);
    assert_eq!(both.rows[0].also_needed_by(), "");
    let request = request(&[poller("poller-1", "10.2.0.7", &[device])], false);
    let row = &request.rows[0];
    assert_eq!(row.at.title(), "At 10.9.0.2, the last device that answers, or behind it");
    // Of a subnet only a few were asked; the others would stay blocked.
    assert_eq!(row.also_needed_by(), "the other monitored devices of 10.1.12.0/24");
}

#[test]
fn a_machine_is_one_whatever_each_row_calls_it() {
    let mut listener = step("poller", "central", "this host", "bbdo:5669/tcp", "pass");
    listener["direction"] = json!("inbound");
    let mut central = report("central-1", "central", "10.0.0.5", &[listener]);
    central.host.addresses.push("fd00::5".parse().unwrap());
    let ssh = step("poller", "central", "10.0.0.5", "ssh:22/tcp", "pass");
    let request = request(&[central, poller("poller-1", "10.2.0.7", &[ssh])], true);
    let commands = written(&request, Format::Nft);
    assert_eq!(commands.matches("# On central-1 (10.0.0.5, fd00::5)").count(), 1, "{commands}");
    assert_eq!(commands.matches("# On ").count(), 1, "{commands}");
}

#[test]
fn only_what_a_rule_helps_against_is_asked_for() {
    for (code, layer, owner, asked) in [
        ("path-rejected", "path", "network", true),
        ("port-silent-on-segment", "path", "far-side", true),
        ("snmp-silent", "path", "network", true),
        ("a-code-of-tomorrow", "path", "network", true),
        ("local-firewall", "route", "this-host", true),
        ("dns-tcp-only", "protocol", "network", true),
        ("dns-tcp-only", "protocol", "far-side", false),
        ("no-route", "route", "this-host", false),
        ("host-unreachable", "path", "network", false),
        ("no-neighbour", "path", "far-side", false),
        ("unsteady", "path", "network", false),
        ("port-closed", "port", "far-side", false),
        ("wrong-service", "protocol", "far-side", false),
        ("captive-portal", "protocol", "network", false),
        ("interrupted", "host", "nobody", false),
    ] {
        let step = failing(bbdo("fail"), "10.2.0.7", cause(code, layer, owner, None));
        let request = request(&[poller("poller-1", "10.2.0.7", &[step])], false);
        assert_eq!(!request.rows.is_empty(), asked, "{code}");
        let for_them = owner == "network" && !asked;
        assert_eq!(!request.others.is_empty(), for_them, "{code}");
    }
}

#[test]
fn a_dns_server_is_asked_for_on_what_it_is_not_reached_over() {
    let dns = || {
        let mut dns = step("poller", "dns", "10.0.0.53", "dns:53/udp", "fail");
        dns["target"]["shown"] = json!("10.0.0.53:53/udp,tcp");
        dns
    };
    for (code, layer, service) in [
        ("path-rejected", "path", "UDP and TCP 53"),
        ("dns-tcp-only", "protocol", "UDP 53"),
        ("dns-truncated", "protocol", "TCP 53"),
    ] {
        let step =
            blocked_at(dns(), "10.2.0.7", "10.0.0.53:53", &cause(code, layer, "network", None));
        let request = request(&[poller("poller-1", "10.2.0.7", &[step])], false);
        assert_eq!(request.rows[0].service(), service);
    }
}

#[test]
fn of_several_ports_and_addresses_only_the_blocked_are_asked_for() {
    let silent = cause("no-answer", "path", "network", None);
    let mut ldap = step("central", "ldap", "dc.example.com", "ldaps:636/tcp", "fail");
    ldap = blocked_at(ldap, "10.0.0.5", "10.0.0.9:636", &silent);
    let way = |protocol: &str, port: u16| json!({ "protocol": protocol, "transport": "tcp", "port": port, "origin": "profile" });
    ldap["target"]["ways"] = json!([way("ldaps", 636), way("ldap", 389)]);
    let attempt = |address: &str, protocol: &str, code: &str| {
        json!({
            "address": address, "protocol": protocol, "source": "10.0.0.5", "outcome": "fail",
            "cause": { "code": code }, "evidence": {}, "timings": {},
        })
    };
    let attempts = ldap["attempts"].as_array_mut().unwrap();
    attempts.push(attempt("10.0.0.9:389", "ldap", "no-answer"));
    attempts.push(attempt("10.0.0.10:636", "ldaps", "port-closed"));
    attempts.push(attempt("10.0.0.9:5556", "ldap", "no-answer"));
    let request = request(&[report("central-1", "central", "10.0.0.5", &[ldap])], false);
    let [row] = request.rows.as_slice() else { panic!("{request:#?}") };
    assert_eq!(row.service(), "TCP 636 or 389");
    assert_eq!(row.destination.shown(), "10.0.0.9 (dc.example.com)");
}

#[test]
fn all_has_what_works_too_and_says_what_it_cannot_know() {
    let mut skipped = step("central", "dns", "", "dns:53/udp", "skip");
    skipped["result"] = json!("no target; give --dns HOST");
    let mut site = site();
    site.push(report("central-2", "central", "10.0.0.6", &[skipped]));
    let request = request(&site, true);
    let open: Vec<&Row> = request.rows.iter().filter(|row| row.at == Firewall::Open).collect();
    let shown: Vec<String> = open.iter().map(|row| row.destination.shown()).collect();
    // What the central listens on is said by the pollers that ask it, with their addresses.
    assert_eq!(shown, ["updates.example.com", "10.0.0.53"]);
    assert!(
        request
            .notes
            .contains(&"central-2: central.dns is missing (no target; give --dns HOST)".to_owned()),
        "{:#?}",
        request.notes
    );
    let alone = self::request(&site[2..3], true);
    let listener = alone.rows.iter().find(|row| row.flows == ["poller.bbdo"]).unwrap();
    assert_eq!(listener.sources[0].shown(), "poller");
    assert_eq!(listener.destination.shown(), "10.0.0.5 (central-1)");
}

#[test]
fn a_translation_is_shown_and_one_in_vain_is_named() {
    let nat =
        [("10.2.0.7", [198, 51, 100, 7]), ("poller-2", [198, 51, 100, 8]), ("x", [1, 1, 1, 1])];
    let nat: Nat = nat.map(|(from, to)| (from.to_owned(), to.into())).into();
    let wishes = site().iter().map(|report| Wishes::of(report, false)).collect();
    let request = ChangeRequest::new(wishes, &nat, false);
    let sources: Vec<String> = request.rows[0].sources.iter().map(Source::shown).collect();
    assert_eq!(
        sources,
        [
            "10.2.0.7 (poller-1), translated to 198.51.100.7",
            "10.2.0.8 (poller-2), translated to 198.51.100.8",
        ]
    );
    assert_eq!(request.notes, ["--nat x: no row has this source"]);
}

#[test]
fn of_two_runs_of_one_machine_the_newer_counts_in_any_order() {
    let old = poller("poller-1", "10.2.0.7", &[rejected("10.2.0.7", "10.9.0.1")]);
    let new = later(&poller("poller-1", "10.2.0.7", &[bbdo("pass")]), 30);
    for runs in [[old.clone(), new.clone()], [new, old]] {
        let request = request(&runs, false);
        assert!(request.rows.is_empty());
        assert_eq!(request.machines.len(), 1);
        assert_eq!(
            request.notes,
            ["poller-1: two runs are given; that of 2026-11-23T14:07:12Z counts, that of \
              2026-11-23T13:37:12Z does not"]
        );
    }
}

#[test]
fn what_a_report_says_cannot_become_a_command() {
    let own = cause("local-firewall", "route", "this-host", None);
    let mut evil = blocked_at(bbdo("fail"), "10.2.0.7", "10.0.0.5:5669", &own);
    evil["flow"] = json!("x'; reboot #\"");
    evil["why"] = json!("y\nreboot");
    evil["target"]["host"] = json!("'; reboot");
    let report = poller("z'\nreboot", "10.2.0.7", &[evil]);
    for format in [Format::Nft, Format::Firewalld] {
        let commands = written(&request(std::slice::from_ref(&report), true), format);
        let run: Vec<&str> = commands.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!run.is_empty());
        assert!(run.iter().all(|line| !line.contains("reboot")), "{commands}");
    }
}

#[test]
fn no_device_in_the_network_gets_a_command() {
    let report = poller("poller-1", "10.2.0.7", &[rejected("10.2.0.7", "10.9.0.1")]);
    let commands = written(&request(&[report], false), Format::Nft);
    assert_eq!(commands, "# No machine's own firewall is concerned: there is nothing to run.\n");
}

#[test]
fn the_text_reads_like_this() {
    insta::assert_snapshot!(written(&request(&site(), false), Format::Text));
}

#[test]
fn the_markdown_reads_like_this() {
    insta::assert_snapshot!(written(&request(&site(), false), Format::Markdown));
}

#[test]
fn the_csv_reads_like_this() {
    insta::assert_snapshot!(written(&request(&site(), true), Format::Csv));
}

#[test]
fn the_commands_read_like_this() {
    let request = request(&site(), true);
    let (nft, firewalld) = (written(&request, Format::Nft), written(&request, Format::Firewalld));
    insta::assert_snapshot!(format!("{nft}\n----\n\n{firewalld}"));
}
