//! `preflight demo`: a healthy site, and the same site broken on purpose.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::page::{fits, is_aligned, is_inert, settled};
use crate::support::terminal::Terminal;
use crate::support::{command, preflight, send, start, step, wait};

#[test]
fn a_healthy_site_passes_and_its_table_looks_like_this() {
    let ended = preflight(&["demo"]).quietly(0);
    fits(&ended.stdout, 80);
    is_aligned(&ended.stdout);
    is_inert(&ended.stdout);
    insta::assert_snapshot!(settled(&ended.stdout));
}

#[test]
fn two_machines_are_two_documents() {
    let reports = preflight(&["demo", "--format", "json"]).quietly(0).reports();
    let roles: Vec<&Value> = reports.iter().map(|report| &report["role"]).collect();
    assert_eq!(roles, ["central", "poller"]);
    for step in reports.iter().flat_map(|report| report["steps"].as_array().unwrap()) {
        assert_eq!(step["outcome"], "pass", "{step:#}");
    }
}

#[test]
fn files_are_named_after_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let to_file = format!("json={}", folder.path().join("report.json").display());
    preflight(&["demo", "--format", &to_file, "--format", "table"]).quietly(0);
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["report.central.json", "report.poller.json"]);
}

/// Breaks all `flows` in one way; each of them shows `code`, and nothing else fails.
#[track_caller]
fn broken(kind: &str, flows: &[&str], code: &str) {
    let breaks: Vec<String> = flows.iter().map(|flow| format!("{flow}={kind}")).collect();
    let mut arguments = vec!["demo", "--format", "json"];
    arguments.extend(breaks.iter().flat_map(|each| ["--break", each]));
    let reports = preflight(&arguments).quietly(1).reports();
    let mut failed: Vec<(String, String)> = reports
        .iter()
        .flat_map(|report| report["steps"].as_array().unwrap())
        .filter(|step| step["cause"].is_object())
        .map(|step| (text(&step["flow"]), text(&step["cause"]["code"])))
        .collect();
    let mut wanted: Vec<(String, String)> =
        flows.iter().map(|flow| ((*flow).to_owned(), code.to_owned())).collect();
    failed.sort();
    wanted.sort();
    assert_eq!(failed, wanted);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_closed_port_is_named_for_every_flow() {
    let central =
        ["ntp", "dns", "smtp", "ldap", "http", "zmq", "ssh"].map(|it| format!("central.{it}"));
    let poller =
        ["ntp", "dns", "smtp", "http", "bbdo", "snmp", "nsclient"].map(|it| format!("poller.{it}"));
    let all: Vec<&str> = central.iter().chain(&poller).map(String::as_str).collect();
    broken("closed", &all, "port-closed");
}

#[test]
fn another_service_on_the_port_is_named_for_every_tcp_flow() {
    let central = ["central.ldap", "central.http", "central.zmq", "central.ssh"];
    let poller = ["poller.http", "poller.bbdo", "poller.nsclient"];
    broken("wrong-service", &[&central[..], &poller].concat(), "wrong-service");
}

#[test]
fn an_expired_certificate_is_named_wherever_tls_begins_at_once() {
    let flows = ["central.ldap", "central.http", "poller.http"];
    broken("expired-certificate", &flows, "certificate-expired");
}

/// NSClient++ has a certificate of its own making everywhere: no failure.
#[test]
fn an_expired_certificate_of_nsclient_is_a_warning() {
    let broken = ["demo", "--break", "poller.nsclient=expired-certificate", "--format", "json"];
    let reports = preflight(&broken).quietly(0).reports();
    let step = step(&reports[1], "poller.nsclient");
    assert_eq!(step["outcome"], "warn", "{step:#}");
    assert_eq!(step["concerns"][0]["code"], "certificate-unverified", "{step:#}");
}

#[test]
fn a_time_server_without_time_is_named() {
    broken("unsynchronised", &["central.ntp", "poller.ntp"], "ntp-unsynchronised");
}

#[test]
fn an_agent_with_another_community_is_named() {
    broken("wrong-community", &["poller.snmp"], "snmp-community");
}

#[test]
fn a_silent_stream_is_named() {
    let flows = ["central.zmq", "central.ldap", "central.http"];
    broken("silent", &flows, "silent");
}

#[test]
fn a_silent_datagram_peer_is_named() {
    broken("silent", &["poller.ntp", "poller.snmp"], "port-silent-on-segment");
}

#[test]
fn a_broken_flow_is_explained_within_80_columns() {
    let ended = preflight(&["demo", "--break", "poller.bbdo=wrong-service"]).quietly(1);
    fits(&ended.stdout, 80);
    is_aligned(&ended.stdout);
    assert!(ended.stdout.contains("preflight explain wrong-service"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1 of 10 required flows fails: poller.bbdo"), "{}", ended.stdout);
}

#[test]
fn two_machines_with_one_code_prove_both_directions() {
    let began = Instant::now();
    let ended = preflight(&["demo", "--far-side"]).quietly(0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    fits(&ended.stdout, 80);
    is_inert(&ended.stdout);
    for said in ["the code it asks for: ", "what the central saw", "1 knows the code"] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let report = preflight(&["demo", "--far-side", "--format", "json"]).quietly(0).report();
    let proved = |flow, fact: &str| step(&report, flow)["evidence"][fact] == "127.0.0.1";
    assert!(proved("poller.bbdo", "seen_there_as"), "{report:#}");
    assert!(proved("central.zmq", "reached_from"), "{report:#}");
    assert!(proved("central.ssh", "reached_from"), "{report:#}");
    assert!(proved("far-side", "seen_there_as"), "{report:#}");
}

#[test]
fn one_interrupt_ends_both_machines() {
    let terminal = Terminal::new(80);
    let mut command = command(&["demo", "--break", "central.ssh=silent", "--format", "json"]);
    command.stderr(terminal.stdio()).env("TERM", "xterm");
    let child = start(command);
    let mut screen = terminal.screen();
    screen.until("7/8");
    let sent = Instant::now();
    send(Signal::SIGINT, &child);
    let ended = wait(child);
    assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert_eq!(ended.report()["role"], "central");
}
