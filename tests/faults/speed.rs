//! How long a verdict may take: a refusal is told at once, a silence soon after its deadline, and a
//! run in which nothing answers ends all the same.

use std::time::{Duration, Instant};

use crate::lab::{Lab, Node};
use crate::row::{Expected, Row};
use crate::site::{self, Got};

/// Fails when a verdict came too late.
pub(crate) fn assert<'a>(rows: impl Iterator<Item = (&'a Row, &'a Got)>) {
    let late: Vec<String> = rows
        .filter(|(row, got)| limit(row, got).is_some_and(|limit| got.took > limit))
        .map(|(row, got)| format!("{}, {}: {:?}", row.fault, row.flow.name, got.took))
        .collect();
    assert!(late.is_empty(), "told too late: {late:#?}");
}

/// The slowest of each kind, in a sentence.
pub(crate) fn summary<'a>(rows: impl Iterator<Item = (&'a Row, &'a Got)>) -> String {
    let (mut refused, mut silent) = (Vec::new(), Vec::new());
    for (row, got) in rows {
        match limit(row, got) {
            Some(AT_ONCE) => refused.push(got.took),
            Some(_) => silent.push(got.took),
            None => {}
        }
    }
    let slowest = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
    format!(
        "{} refusals, the slowest told after {:.0?}; {} silences, the slowest after {:.1?}",
        refused.len(),
        slowest(&refused),
        silent.len(),
        slowest(&silent)
    )
}

/// Is somebody expected to say no?
pub(crate) fn is_told_at_once(row: &Row) -> bool {
    match row.expected {
        Expected::Fails([code, ..]) => REFUSED.contains(code) && !row.takes_time,
        _ => false,
    }
}

/// Everything a poller asks for is dropped by the router: how long is the run?
///
/// The path is looked at while the answers are waited for.
pub(crate) fn assert_silent_run() {
    let lab = Lab::new();
    site::secrets(&lab);
    lab.rule(Node::Router, "forward", "ip daddr 10.0.0.0/24 drop");
    let mut poller = lab.in_client(lab.path("bin/preflight"));
    poller.args(["--role", "poller", "--phase", "after", "--format", "json"]);
    for flag in ["--central", "--ntp", "--dns", "--smtp", "--device", "--nsclient"] {
        poller.args([flag, "10.0.0.3"]);
    }
    poller.args(["--http", "https://10.0.0.3/", "--proxy", "http://10.0.0.3:3128"]);
    poller.arg("--snmp-community-file").arg(lab.path("community"));
    let started = Instant::now();
    let report = site::report(&mut poller);
    let took = started.elapsed();
    let outcome = |wanted: &str| {
        let steps = report["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["outcome"] == wanted).count()
    };
    println!("{} flows that are all dropped end after {took:.1?}", outcome("fail"));
    assert!(outcome("fail") >= 7 && outcome("pass") + outcome("warn") == 0, "{report:#}");
    assert!(took <= SILENT_RUN, "a run in which all is silent took {took:?}");
}

/// What the verdict on `row` may take; `None` when a peer's own pace is part of it.
fn limit(row: &Row, got: &Got) -> Option<Duration> {
    let [code] = got.codes.as_slice() else { return None };
    if is_told_at_once(row) {
        return Some(AT_ONCE);
    }
    SILENT.contains(&code.as_str()).then_some(DEADLINE + TRACE)
}

/// Somebody says no.
const REFUSED: &[&str] = &[
    "host-unreachable",
    "local-firewall",
    "net-unreachable",
    "no-route",
    "path-rejected",
    "path-reset",
    "port-closed",
    "target-rejected",
];
/// Nobody says anything.
const SILENT: &[&str] = &[
    "filtered-between",
    "host-silent-after",
    "no-answer",
    "port-silent",
    "port-silent-after",
    "port-silent-on-segment",
];
/// For a refusal behind no more than two routers.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Longest wait for a handshake, and for the answer to a datagram.
const DEADLINE: Duration = Duration::from_secs(4);
/// Longest look at the path.
const TRACE: Duration = Duration::from_secs(2);
/// A run in which nothing answers.
const SILENT_RUN: Duration = Duration::from_secs(6);
