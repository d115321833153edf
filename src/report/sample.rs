//! Reports for tests, made as a reader gets them: from JSON.

use std::net::SocketAddr;
use std::time::Duration;

use preflight_checks::{
    Cause, Icmp, LocalRoute, Millis, OwnCause, PathCause, Phase, PortCause, Remedy, RouteCause,
    SnmpCause, Transport,
};
use serde_json::{Value, json};

use super::model::Why;
use super::{CauseReport, Report, Run, WordsFrom, saved};

/// A run of `role` on the machine `name`, which has `address`.
pub(crate) fn report(name: &str, role: &str, address: &str, steps: &[Value]) -> Report {
    let report = json!({
        "schema_version": 2,
        "tool": { "name": "preflight", "version": "0.1.0" },
        "host": {
            "name": name, "os": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0",
            "root": false, "addresses": [address],
        },
        "started_at": "2026-11-23T13:37:12Z",
        "took_ms": 412.5,
        "role": role,
        "profile": "i-vertix",
        "phase": "after",
        "strict": false,
        "interrupted": false,
        "steps": steps,
        "summary": {
            "exit_code": 0, "counts": {}, "required": 0, "failed": 0, "open": 0, "reasons": [],
        },
    });
    saved::parse(&report.to_string()).unwrap().as_written().clone()
}

/// A step from `from` to `to`, which is at `host`: `bbdo:5669/tcp`.
pub(crate) fn step(from: &str, to: &str, host: &str, way: &str, outcome: &str) -> Value {
    let (protocol, rest) = way.split_once(':').unwrap();
    let (port, transport) = rest.split_once('/').unwrap();
    json!({
        "id": format!("{from}.{protocol}@{host}"),
        "flow": format!("{from}.{protocol}"),
        "place": host,
        "from": from,
        "to": to,
        "direction": "outbound",
        "required": true,
        "why": "Something breaks without it.",
        "target": {
            "host": host, "shown": format!("{host}:{port}/{transport}"),
            "origin": { "kind": "flag", "flag": format!("--{to}") },
            "ways": [{
                "protocol": protocol, "transports": transport.split(',').collect::<Vec<_>>(),
                "port": port.parse::<u16>().unwrap(), "origin": { "kind": "profile" },
            }],
        },
        "outcome": outcome,
        "result": if outcome == "pass" { "works" } else { "does not work" },
        "evidence": {},
        "timings": { "total_ms": 2.5 },
    })
}

/// The same step, failing from the address `source` with this cause.
pub(crate) fn failing(mut step: Value, source: &str, cause: Value) -> Value {
    let host = step["target"]["host"].as_str().unwrap().to_owned();
    let way = step["target"]["ways"][0].clone();
    step["result"] = cause["message"].clone();
    let mut why = json!({ "code": cause["code"] });
    if cause["facts"].as_object().is_some_and(|facts| !facts.is_empty()) {
        why["facts"] = cause["facts"].clone();
    }
    step["attempts"] = json!([{
        "address": format!("{host}:{}", way["port"]), "protocol": way["protocol"],
        "source": source, "outcome": step["outcome"],
        "cause": why, "evidence": {}, "timings": {},
    }]);
    step["cause"] = cause;
    step
}

/// The same step, failing from `source` at the address `to`, with all that a run keeps of that.
pub(crate) fn failing_at(mut step: Value, source: &str, to: &str, why: &Cause) -> Value {
    step["result"] = json!(why.to_string());
    let mut attempt = json!({
        "address": to, "protocol": step["target"]["ways"][0]["protocol"], "source": source,
        "outcome": if why.is_inconclusive() { "unknown" } else { "fail" },
        "cause": why, "evidence": {}, "timings": {},
    });
    // One more address, or the first.
    match step["attempts"].as_array_mut() {
        Some(attempts) => attempts.push(attempt.take()),
        None => step["attempts"] = json!([attempt]),
    }
    let remedy = Remedy::in_words("nobody".to_owned(), "allow it".to_owned());
    let message = why.to_string();
    let owner = Some(why.owner());
    step["cause"] = json!(CauseReport { why: Why::Cause(why.clone()), owner, message, remedy });
    step
}

/// A cause by its code, as a step of a report has it, with the device that says so.
pub(crate) fn cause(code: &str, device: Option<&str>) -> Value {
    let to: SocketAddr = ([10, 0, 0, 5], 5669).into();
    let waited = Millis(Duration::from_secs(4));
    let why = match code {
        "path-rejected" => Cause::Path(PathCause::PathRejected {
            to,
            by: device.unwrap_or("10.9.0.1").parse().unwrap(),
            icmp: Icmp::V4 { kind: 3, code: 13 },
        }),
        "port-closed" => Cause::Port(PortCause::PortClosed { to }),
        "no-answer" => Cause::Path(PathCause::NoAnswer { to, phase: Phase::Connect, waited }),
        "snmp-silent" => Cause::Snmp(SnmpCause::SnmpSilent { to, waited }),
        "no-route" => Cause::Route(RouteCause::NoRoute { to: to.ip(), route: LocalRoute::Missing }),
        "nothing-listens" => {
            Cause::Port(PortCause::NothingListens { transport: Transport::Tcp, port: 5669 })
        }
        "interrupted" => Cause::Own(OwnCause::Interrupted),
        other => panic!("no sample of {other}"),
    };
    let by = device.map_or_else(String::new, |device| format!(" by {device}"));
    let message = format!("{}{by}", code.replace('-', " "));
    let remedy = Remedy::in_words("somebody".to_owned(), "allow it".to_owned());
    json!(CauseReport { owner: Some(why.owner()), why: Why::Cause(why), message, remedy })
}

/// What today's rules say of it, as every command gets a saved report.
pub(crate) fn judged(report: &Report) -> Report {
    Run::read(report.clone(), WordsFrom::Anybodys).judged()
}

/// The same report, later by so many minutes.
pub(crate) fn later(report: &Report, minutes: i64) -> Report {
    let at: jiff::Timestamp = report.started_at.parse().unwrap();
    let at = at + jiff::SignedDuration::from_mins(minutes);
    Report { started_at: at.to_string(), ..report.clone() }
}
