//! What does it cost to merge the reports of a thousand machines?
//!
//! `cargo bench --bench merge` writes 1,000 reports of 50 steps, as large as real ones, and runs
//! the release binary over them. It fails when a merge fails, never because a figure is over its
//! target: a busy machine is no mistake of the program's. `docs/performance.md` has the figures.

// What it is asked for is a table on stdout.
#![allow(clippy::print_stdout)]

#[path = "speed/measure.rs"]
mod measure;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use serde_json::{Value, json};

use measure::Run;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MACHINES: u32 = 1_000;
const STEPS: u32 = 50;
const RUNS: usize = 5;
const TARGET_WALL_MS: f64 = 2_000.0;
const TARGET_PEAK_MIB: f64 = 200.0;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let asked = match arguments.peek().and_then(|first| first.to_str()) {
        Some(measure::BETWEEN) => measure::stand_between(arguments.skip(1)),
        // `cargo test --all-targets` starts it too, without this.
        Some("--bench") => bench(),
        _ => {
            println!("this measures: cargo bench --bench merge");
            Ok(())
        }
    };
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("merge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let mut files = Vec::new();
    let mut bytes = 0;
    for machine in 0..MACHINES {
        let file = folder.path().join(format!("poller-{machine}.json"));
        let text = serde_json::to_string_pretty(&report(machine))?;
        bytes += text.len();
        fs::write(&file, text)?;
        files.push(file.into_os_string());
    }
    println!("{MACHINES} reports of {STEPS} steps, {} MB; {RUNS} runs each", bytes / 1_000_000);
    println!(
        "{:<20} {:>28}  {:>8}  {:>8}",
        "", "wall ms (least median most)", "CPU ms", "peak MiB"
    );
    for format in ["table", "json", "markdown", "csv"] {
        measure_merge(&["merge", "--format", format], &files)?;
    }
    measure_merge(&["request", "--all", "--format", "csv"], &files)
}

fn measure_merge(command: &[&str], files: &[OsString]) -> Outcome<()> {
    let words = command.iter().map(OsString::from);
    let all: Vec<OsString> =
        std::iter::once(PREFLIGHT.into()).chain(words).chain(files.iter().cloned()).collect();
    let mut runs: Vec<Run> = Vec::new();
    for _ in 0..RUNS {
        let run = measure::run(&all, &[])?;
        if !matches!(run.code, Some(0 | 1)) || run.stdout.is_empty() {
            return Err(format!("{}: exit code {:?}", command.join(" "), run.code).into());
        }
        runs.push(run);
    }
    runs.sort_by_key(|run| run.wall);
    let ms = |run: Option<&Run>| run.map_or(0.0, |run| run.wall.as_secs_f64() * 1e3);
    let (least, median, most) = (ms(runs.first()), ms(runs.get(RUNS / 2)), ms(runs.last()));
    let cpu = runs.get(RUNS / 2).map_or(0.0, |run| run.cpu.as_secs_f64() * 1e3);
    let peak = runs.iter().map(|run| run.peak_kib).max().unwrap_or_default();
    let peak = u32::try_from(peak).map_or(f64::INFINITY, f64::from) / 1024.0;
    let verdict =
        if median <= TARGET_WALL_MS && peak <= TARGET_PEAK_MIB { "met" } else { "MISSED" };
    let name = format!("{} {}", command.first().unwrap_or(&""), command.last().unwrap_or(&""));
    println!(
        "{name:<20} {least:>10.0} {median:>8.0} {most:>8.0}  {cpu:>8.0}  {peak:>8.1}  {verdict}"
    );
    Ok(())
}

/// A poller that asks the central, its servers, and its devices.
fn report(machine: u32) -> Value {
    let address = format!("10.{}.{}.7", 2 + machine / 250, machine % 250);
    let steps: Vec<Value> = (0..STEPS).map(|number| step(machine, &address, number)).collect();
    json!({
        "schema_version": 2,
        "tool": { "name": "preflight", "version": "0.1.0" },
        "host": {
            "name": format!("poller-{machine}.example.com"),
            "os": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0-26-amd64",
            "root": false, "addresses": [address],
        },
        "started_at": "2026-11-23T13:37:12.237465952Z",
        "took_ms": 5_602.4,
        "role": "poller", "profile": "i-vertix", "phase": "after",
        "strict": false, "interrupted": false,
        "steps": steps,
        "summary": {
            "exit_code": 1, "counts": { "pass": 45, "fail": 5 },
            "required": 50, "failed": 5, "open": 0, "reasons": [],
        },
    })
}

/// One step in ten is rejected.
fn step(machine: u32, source: &str, number: u32) -> Value {
    let (flow, to, host, protocol, port) = match number {
        0 => ("poller.bbdo", "central", "central.example.com".to_owned(), "bbdo", 5669),
        1 => ("poller.ntp", "ntp", "10.0.0.3".to_owned(), "ntp", 123),
        2 => ("poller.smtp", "smtp", "relay.example.com".to_owned(), "smtp", 25),
        _ => ("poller.snmp", "device", format!("10.100.{}.{number}", machine % 250), "snmp", 161),
    };
    let fails = number.is_multiple_of(10);
    let transport = if matches!(protocol, "ntp" | "snmp") { "udp" } else { "tcp" };
    let outcome = if fails { "fail" } else { "pass" };
    let evidence = json!({
        "rtt_ms": 0.447, "banner": "relay.example.com ESMTP Postfix (Debian/GNU)",
        "offset_ms": 0.25, "certificate_subject": "CN=relay.example.com,O=Example AG,C=CH",
        "certificate_names": ["relay.example.com", "smtp.example.com", "mail.example.com"],
        "certificate_issuer": "CN=Example Issuing CA 2,O=Example AG,C=CH",
        "certificate_not_before": "2026-01-01T00:00:00Z",
        "certificate_not_after": "2027-01-01T00:00:00Z", "tls_version": "TLS 1.3",
    });
    let timings = json!({
        "protocol_ms": 0.447, "connect_ms": 0.31, "tls_ms": 2.7, "resolve_ms": 1.5, "total_ms": 5.0,
    });
    let device = "10.9.0.1";
    let icmp = json!({ "version": "4", "kind": 3, "code": 13 });
    let mut attempt = json!({
        "address": format!("10.0.0.5:{port}"), "protocol": protocol, "source": source,
        "outcome": outcome, "evidence": evidence, "timings": timings,
    });
    let mut step = json!({
        "id": format!("{flow}@{host}"), "flow": flow, "from": "poller", "to": to,
        "direction": "outbound", "required": true,
        "why": "Collected data travels this way; without it every host of this poller goes stale.",
        "target": {
            "host": host, "shown": format!("{host}:{port}/{transport}"),
            "origin": {
                "kind": "file", "file": "/etc/centreon-broker/poller-module.json", "line": 34,
            },
            "ways": [{ "protocol": protocol, "transports": [transport], "port": port, "origin": { "kind": "profile" } }],
        },
        "outcome": outcome,
        "result": "rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)",
        "evidence": evidence, "attempts": [], "timings": timings,
    });
    if fails {
        let facts = json!({ "icmp": icmp, "to": format!("10.0.0.5:{port}"), "by": device });
        set(&mut attempt, "cause", json!({ "code": "path-rejected", "facts": facts }));
        let cause = json!({
            "code": "path-rejected", "layer": "path", "owner": "network", "device": device,
            "message": "rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)",
            "facts": facts,
            "remedy": { "who": "network team, device 10.9.0.1", "text": "allow TCP 5669" },
        });
        set(&mut step, "cause", cause);
    }
    set(&mut step, "attempts", json!([attempt]));
    step
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}

/// The binary that this very build made.
const PREFLIGHT: &str = env!("CARGO_BIN_EXE_preflight");
