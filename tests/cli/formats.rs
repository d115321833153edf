//! Every format from a real run, and what a run leaves behind however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::far::{Closed, Far, Quiet, healthy, without_tls};
use crate::support::page::is_inert;
use crate::support::{command, preflight, report_in, send, start, step, wait};

/// Each format, and how a document of it begins.
const FORMATS: [(&str, &str); 10] = [
    ("html", "<!DOCTYPE html>"),
    ("table", "preflight "),
    ("wide", "preflight "),
    ("json", "{\n"),
    ("ndjson", "{\"schema_version\":2"),
    ("junit", "<?xml version=\"1.0\""),
    ("markdown", "# Preflight of "),
    ("csv", "host,role,profile"),
    ("openmetrics", "# HELP preflight_run_info "),
    ("centreon", "CRITICAL: 1 of 2 required flows fails: poller.bbdo ("),
];

/// A flow that passes, one that fails and one without a target.
struct Site {
    ntp: Far,
    central: Closed,
}

impl Site {
    fn new() -> Self {
        Self { ntp: healthy("ntp"), central: Closed::new() }
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (ntp, central) = (self.ntp.at(), self.central.at());
        let run = ["--role", "poller", "--only", "poller.ntp,poller.bbdo,poller.dns"];
        let targets = ["--ntp", &ntp, "--central", &central, "--phase", "after"];
        [&run[..], &targets, more].concat().into_iter().map(str::to_owned).collect()
    }
}

fn run(arguments: &[String]) -> crate::support::Ended {
    preflight(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn one_run_writes_every_format_to_its_own_file() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name);
    let to_files = FORMATS.map(|(name, _)| format!("{name}={}", file(name).display()));
    let flags: Vec<&str> = to_files.iter().flat_map(|to_file| ["--format", to_file]).collect();
    assert_eq!(run(&site.arguments(&flags)).quietly(1).stdout, "");
    for (name, begin) in FORMATS {
        let page = fs::read_to_string(file(name)).unwrap();
        assert!(page.starts_with(begin), "{name}: {page}");
        assert!(page.ends_with('\n'), "{name}: {page:?}");
        assert!(page.contains("poller.bbdo"), "{name}: {page}");
        is_inert(&page.replace("\r\n", "\n"));
    }
    // Nothing else: no half-written file is left.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), FORMATS.len());
}

#[test]
fn every_format_alone_goes_to_stdout() {
    let site = Site::new();
    for (name, begin) in FORMATS {
        let code = if name == "centreon" { 2 } else { 1 };
        let ended = run(&site.arguments(&["--format", name])).quietly(code);
        assert!(ended.stdout.starts_with(begin), "{name}: {}", ended.stdout);
    }
}

#[test]
fn every_line_of_ndjson_keeps_to_the_schema_and_names_its_run() {
    let lines = run(&Site::new().arguments(&["--format", "ndjson"])).quietly(1).reports();
    let kinds: Vec<&Value> = lines.iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["step", "step", "step", "summary"]);
    let of = |line: &Value| ["host", "role", "started_at"].map(|name| line[name].clone());
    assert!(lines.iter().all(|line| of(line) == of(&lines[0])), "{lines:#?}");
    let mut flows: Vec<&str> =
        lines[..3].iter().map(|line| line["step"]["flow"].as_str().unwrap()).collect();
    flows.sort_unstable();
    assert_eq!(flows, ["poller.bbdo", "poller.dns", "poller.ntp"]);
    assert_eq!(lines[3]["run"]["summary"]["exit_code"], 1);
}

/// The first line is there while the second step still waits; the interruption ends that one.
#[test]
fn a_line_is_out_as_soon_as_its_step_is_done() {
    let (ntp, ssh, folder) = (healthy("ntp"), Quiet::new(), tempfile::tempdir().unwrap());
    let json = folder.path().join("report.json");
    let to_file = format!("json={}", json.display());
    let flows = ["--role", "central", "--only", "central.ntp,central.ssh"];
    let targets = ["--ntp", &ntp.at(), "--poller", &ssh.at()];
    let formats = ["--format", "ndjson", "--format", &to_file];
    let mut child = start(command(&[&flows[..], &targets, &formats].concat()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["step"]["flow"], "central.ntp");
    send(Signal::SIGTERM, &child);
    let (cut_off, last) = (next(), next());
    assert_eq!(cut_off["step"]["cause"]["code"], "interrupted");
    assert_eq!(last["run"]["interrupted"], true);
    assert!(lines.next().is_none());
    assert_eq!(wait(child).code, Some(130));
    assert_eq!(step(&report_in(&json), "central.ntp")["outcome"], "pass");
}

#[test]
fn an_interrupted_run_writes_every_format() {
    let (ntp, ssh, folder) = (healthy("ntp"), Quiet::new(), tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name);
    let to_files = FORMATS.map(|(name, _)| format!("{name}={}", file(name).display()));
    let flags: Vec<&str> = to_files.iter().flat_map(|to_file| ["--format", to_file]).collect();
    let flows = ["--role", "central", "--only", "central.ntp,central.ssh", "--format", "ndjson"];
    let targets = ["--ntp", &ntp.at(), "--poller", &ssh.at()];
    let mut child = start(command(&[&flows[..], &targets, &flags].concat()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("central.ntp"));
    send(Signal::SIGINT, &child);
    assert_eq!(lines.count(), 2);
    assert_eq!(wait(child).code, Some(130));
    for (name, begin) in FORMATS {
        let page = fs::read_to_string(file(name)).unwrap();
        let begin = if name == "centreon" { "UNKNOWN: interrupted" } else { begin };
        assert!(page.starts_with(begin), "{name}: {page}");
        assert!(page.contains("central.ssh"), "{name}: {page}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), FORMATS.len());
}

/// `preflight --format ndjson | head -1`: the run goes on, and the other output is whole.
#[test]
fn a_reader_of_lines_may_leave_after_the_first() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let json = folder.path().join("report.json");
    let to_file = format!("json={}", json.display());
    let arguments = site.arguments(&["--format", "ndjson", "--format", &to_file]);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    command.stdout(writer);
    let child = start(command);
    let mut first = String::new();
    let mut reader = BufReader::new(reader);
    reader.read_line(&mut first).unwrap();
    drop(reader);
    wait(child).quietly(1);
    assert!(first.ends_with('\n'), "{first}");
    assert_eq!(report_in(&json)["summary"]["failed"], 1);
}

#[test]
fn a_plugin_ends_with_its_state() {
    let plugin = |arguments: &[&str], state: &str, code| {
        let ended = preflight(&[arguments, &["--format", "centreon"]].concat()).quietly(code);
        assert!(ended.stdout.starts_with(&format!("{state}: ")), "{}", ended.stdout);
        let line = ended.stdout.lines().next().unwrap();
        assert!(line.len() <= 200 && !line.contains('|'), "{line}");
        assert_eq!(ended.stdout.matches('|').count(), 1, "{}", ended.stdout);
        let last = ended.stdout.lines().last().unwrap();
        assert!(last.contains(" | 'flows.required.failed.count'="), "{last}");
    };
    let (ntp, smtp, closed, device) =
        (healthy("ntp"), without_tls("smtp"), Closed::new(), Quiet::new());
    let poller = |flow| ["--role", "poller", "--phase", "after", "--only", flow];
    plugin(&[&poller("poller.ntp")[..], &["--ntp", &ntp.at()]].concat(), "OK", 0);
    plugin(&[&poller("poller.smtp")[..], &["--smtp", &smtp.at()]].concat(), "WARNING", 1);
    plugin(&[&poller("poller.bbdo")[..], &["--central", &closed.at()]].concat(), "CRITICAL", 2);
    let silent = ["--device", &device.at(), "--timeout", "0.1"];
    plugin(&[&poller("poller.snmp")[..], &silent].concat(), "UNKNOWN", 3);
    plugin(&poller("poller.ntp"), "UNKNOWN", 3);
}

/// A monitoring system reads stdout and the code 2 as CRITICAL.
#[test]
fn wrong_usage_of_a_plugin_is_unknown_and_on_stdout() {
    for arguments in [
        &["--role", "boss", "--format", "centreon"][..],
        &["--role", "poller", "--no-such-flag", "--format=centreon"],
        &["--role", "poller", "--catalogue", "/nowhere.toml", "--format", "centreon"],
    ] {
        let ended = preflight(arguments).quietly(3);
        assert!(ended.stdout.starts_with("UNKNOWN: preflight: "), "{}", ended.stdout);
        assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    }
    // Help is no state.
    preflight(&["--help", "--format", "centreon"]).quietly(0);
}

#[test]
fn a_plugin_whose_other_output_cannot_be_written_is_unknown() {
    let ntp = healthy("ntp");
    let run = ["--role", "poller", "--only", "poller.ntp", "--ntp", &ntp.at()];
    let formats = ["--format", "centreon", "--format", "json=/nowhere/at/all.json"];
    let ended = preflight(&[&run[..], &formats].concat());
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert!(ended.stdout.starts_with("OK: "), "{}", ended.stdout);
}

#[test]
fn in_a_file_the_plugins_output_leaves_the_exit_code_alone() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let to_file = format!("centreon={}", folder.path().join("status").display());
    run(&site.arguments(&["--format", "json", "--format", &to_file])).quietly(1);
}

#[test]
fn two_formats_in_one_file_are_refused() {
    let ended = preflight(&["--role", "poller", "--format", "json=x", "--format", "csv=x"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stderr, "preflight: --format: two formats cannot both be in x\n");
}

#[test]
fn a_plan_has_a_table_and_json_and_its_flows_as_a_document() {
    for (name, _) in FORMATS.into_iter().filter(|(name, _)| *name != "centreon") {
        let ended = preflight(&["plan", "--role", "poller", "--format", name]);
        let has_plan = ["table", "json", "markdown", "csv"].contains(&name);
        assert_eq!(ended.code, Some(if has_plan { 0 } else { 2 }), "{name}: {ended:#?}");
        assert_eq!(ended.stdout.is_empty(), !has_plan, "{name}");
    }
}

/// A report may name what its owner keeps to himself.
#[test]
fn a_file_that_is_written_again_keeps_its_permissions() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let json = folder.path().join("report.json");
    fs::write(&json, "").unwrap();
    fs::set_permissions(&json, fs::Permissions::from_mode(0o600)).unwrap();
    run(&site.arguments(&["--format", &format!("json={}", json.display())])).quietly(1);
    assert_eq!(fs::metadata(&json).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(report_in(&json)["role"], "poller");
}

/// `> /dev/full`: what could be written is, and the code says that not all could.
#[test]
fn a_full_disk_is_2_and_silences_nobody() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let json = folder.path().join("report.json");
    let to_file = format!("json={}", json.display());
    for format in ["table", "ndjson", "csv"] {
        let arguments = site.arguments(&["--format", format, "--format", &to_file]);
        let mut command = command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
        let ended = wait(start(command));
        assert_eq!(ended.code, Some(2), "{format}: {ended:#?}");
        assert_eq!(
            ended.stderr, "preflight: stdout: No space left on device (os error 28)\n",
            "{format}"
        );
        assert_eq!(report_in(&json)["summary"]["failed"], 1);
        fs::remove_file(&json).unwrap();
    }
}
