//! A saved run read again: what was seen, what was decided then, and what today's rules say.

use serde_json::{Value, json};

use crate::support::far::{Closed, file, healthy};
use crate::support::page::{fits, is_inert};
use crate::support::{Ended, preflight, step};

/// A report as the first version wrote it.
const FIRST: &str = include_str!("reports/first.json");

fn first() -> Value {
    serde_json::from_str(FIRST).unwrap()
}

fn explained(report: &Value, step: &str) -> Ended {
    let saved = file(&report.to_string());
    preflight(&["explain", saved.path().to_str().unwrap(), step])
}

/// The page without its commands, which are never broken.
fn page(ended: &Ended) -> String {
    let is_code = |line: &&str| line.starts_with("      ");
    let at = ended.stdout.find("  What to do").unwrap_or(ended.stdout.len());
    let (seen, what_to_do) = ended.stdout.split_at(at);
    let prose: Vec<&str> = what_to_do.lines().filter(|line| !is_code(line)).collect();
    format!("{seen}{}", prose.join("\n"))
}

/// The text without its line breaks and indents.
fn flowing(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run() -> Value {
    let (ntp, central) = (healthy("ntp"), Closed::new());
    let flows = ["--role", "poller", "--only", "poller.ntp,poller.bbdo,poller.dns"];
    let targets = ["--ntp", &ntp.at(), "--central", &central.at()];
    let how = ["--phase", "after", "--format", "json"];
    preflight(&[&flows[..], &targets, &how].concat()).quietly(1).report()
}

#[test]
fn a_saved_step_is_shown_with_all_that_was_seen_of_it() {
    let report = run();
    let at = step(&report, "poller.bbdo")["attempts"][0]["address"].as_str().unwrap();
    let ended = explained(&report, "poller.bbdo").quietly(0);
    let text = flowing(&ended.stdout);
    for part in [
        "poller -> central, required: Collected data travels this way;",
        "(from --central)",
        &format!("then fail, port-closed: nothing listens on {at}"),
        "who acts you, on this host",
        "do start the service: systemctl enable --now cbd;",
        "Today's rules say the same.",
        &format!("{at}, bbdo from 127.0.0.1: fail cause port-closed"),
        "took protocol ",
        // The values of the report stand in the page below.
        "What to do: on the target",
        &format!("'sport = :{}'", at.rsplit_once(':').unwrap().1),
    ] {
        assert!(text.contains(part), "{part}: {}", ended.stdout);
    }
    let ntp = explained(&report, "poller.ntp").quietly(0);
    for part in ["then pass: stratum 1, ", "leap indicator 0", "root distance ", "total "] {
        assert!(flowing(&ntp.stdout).contains(part), "{part}: {}", ntp.stdout);
    }
    for ended in [&ended, &ntp] {
        is_inert(&ended.stdout);
        fits(&page(ended), 80);
    }
    let skipped = explained(&report, "poller.dns").quietly(0);
    assert!(skipped.stdout.contains("then      skip: no target; give --dns HOST"));
}

#[test]
fn another_decision_than_then_is_shown_beside_it() {
    let mut report = run();
    let steps = report["steps"].as_array_mut().unwrap();
    let bbdo = steps.iter_mut().find(|step| step["flow"] == "poller.bbdo").unwrap();
    bbdo["outcome"] = json!("unknown");
    bbdo["cause"]["code"] = json!("no-answer");
    bbdo["cause"]["owner"] = json!("network");
    bbdo["cause"]["message"] = json!("no answer within 4.0 s");
    bbdo["cause"]["remedy"] = json!({ "who": "network team", "text": "allow TCP 5669" });
    let ended = explained(&report, "poller.bbdo").quietly(0);
    let text = flowing(&ended.stdout);
    let then = "then unknown, no-answer: no answer within 4.0 s today fail, port-closed";
    assert!(text.contains(then), "{}", ended.stdout);
    // What a file advises is no advice of ours.
    assert!(!text.contains("allow TCP 5669"), "{}", ended.stdout);
    assert!(text.contains("today fail, port-closed: nothing listens on"), "{}", ended.stdout);
    assert!(!text.contains("say the same"), "{}", ended.stdout);
    // The remedy is today's.
    assert!(ended.stdout.contains("\nport-closed\n"), "{text}");
    assert!(!ended.stdout.contains("\nno-answer\n"), "{text}");
}

#[test]
fn a_report_of_the_first_version_is_still_read() {
    for (name, parts) in [
        ("poller.ntp", &["do start the service", "then fail, port-closed: nothing listens"][..]),
        ("poller.proxy", &["http on 3128/tcp", "then fail, port-closed: nothing listens"]),
        ("central.zmq", &["do start the service", "fail, nothing-listens"]),
        ("custom.erp", &["then pass: accepts connections", "Today's rules say the same."]),
        ("custom.db", &["10.0.0.53: Non-Existent Domain", "Today's rules say the same."]),
        ("poller.smtp", &["no STARTTLS", "cannot judge it again: the facts of the warning of"]),
        ("poller.http", &["because poller.proxy@", "the facts of `proxy-unreachable`: missing"]),
    ] {
        let ended = explained(&first(), name).quietly(0);
        for part in parts {
            assert!(flowing(&ended.stdout).contains(part), "{part}: {}", ended.stdout);
        }
        fits(&page(&ended), 80);
    }
}

#[test]
fn what_this_version_cannot_read_is_said_in_a_line_and_what_was_saved_is_shown() {
    for (pointer, value, reason) in [
        ("/cause/code", json!("gremlins"), "it knows no cause called `gremlins`."),
        ("/cause/to", json!({ "port": 1 }), "it cannot read the facts of `port-closed`: invalid"),
        ("/cause/to", json!(1e308), "it cannot read the facts of `port-closed`: invalid"),
        ("/protocol", json!("\u{1b}[31m\u{202e}"), "no protocol called `\\x1b[31m\\u{202e}`."),
    ] {
        let mut report = first();
        *report["steps"][0]["attempts"][0].pointer_mut(pointer).unwrap() = value;
        let ended = explained(&report, "poller.ntp").quietly(0);
        let text = flowing(&ended.stdout);
        assert!(text.contains("This version cannot judge it again: "), "{}", ended.stdout);
        assert!(text.contains(reason), "{reason}: {}", ended.stdout);
        assert!(text.contains("then fail, port-closed: nothing listens on"), "{}", ended.stdout);
        is_inert(&ended.stdout);
    }
}

/// Puts what acts on a terminal behind every text that is not one of a few words.
fn nasty(value: &mut Value) {
    const CLOSED: [&str; 6] = ["fail", "warn", "pass", "after", "outbound", "inbound"];
    match value {
        Value::String(text) if text == "poller" || CLOSED.contains(&text.as_str()) => {}
        Value::String(text) => text.push_str("\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}\u{9b}31m\0\n\r"),
        Value::Array(values) => values.iter_mut().for_each(nasty),
        Value::Object(facts) => {
            facts.values_mut().for_each(nasty);
            facts.insert("\u{1b}[31m\u{202e}name".to_owned(), json!(["\u{200b}", { "\u{7}": 1 }]));
        }
        _ => {}
    }
}

#[test]
fn nothing_in_a_saved_report_acts_on_the_terminal() {
    let mut report = first();
    nasty(&mut report["steps"]);
    for text in ["/tool/version", "/host/name", "/started_at", "/profile"] {
        nasty(report.pointer_mut(text).unwrap());
    }
    let flows = first()["steps"].as_array().unwrap().clone().into_iter();
    for (index, step) in flows.enumerate() {
        report["steps"][index]["flow"] = step["flow"].clone();
        let ended = explained(&report, step["flow"].as_str().unwrap()).quietly(0);
        is_inert(&ended.stdout);
        fits(&page(&ended), 80);
        assert!(ended.stdout.contains("\\x1b[2J\\u{202e}"), "{}", ended.stdout);
    }
}

#[track_caller]
fn refused(text: &str, step: &str, reason: &str) {
    let saved = file(text);
    let ended = preflight(&["explain", saved.path().to_str().unwrap(), step]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
    assert!(ended.stderr.starts_with("preflight: explain: "), "{ended:#?}");
    assert!(ended.stderr.contains(reason), "{reason}: {ended:#?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:#?}");
    is_inert(&ended.stderr);
}

#[test]
fn a_report_that_is_cut_off_is_refused_wherever_it_ends() {
    let end = FIRST.trim_end().len();
    for cut in (0..end).step_by(977).chain([1, end - 1]) {
        refused(FIRST.get(..cut).unwrap(), "poller.ntp", "the report is cut off");
    }
}

#[test]
fn what_is_no_report_of_ours_is_refused_with_the_reason() {
    let with = |pointer: &str, value: Value| {
        let mut report = first();
        *report.pointer_mut(pointer).unwrap() = value;
        report.to_string()
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (text, reason) in [
        (with("/schema_version", json!(2)), "no report: invalid type: string"),
        (with("/schema_version", json!("1")), "it has no schema_version"),
        (with("/steps", json!("\u{1b}[2J")), "no report: invalid type: string"),
        (with("/steps/0/outcome", json!("\u{1b}[2J")), "unknown variant `\\x1b[2J`"),
        (with("/steps/0/target/ways/0/port", json!(65_536)), "no report: invalid value"),
        (with("/took_ms", json!("\u{202e}")), "no report: invalid type: string"),
        (FIRST.replace("12.0", "1e999"), "number out of range"),
        (deep, "no JSON: recursion limit exceeded"),
        ("\u{1b}[2J".to_owned(), "no JSON: expected value"),
    ] {
        refused(&text, "poller.ntp", reason);
    }
    let several = FIRST.replace("\"poller.smtp", "\"poller.ntp");
    refused(&several, "poller.ntp", "`poller.ntp` has several steps: poller.ntp@127.0.0.2:1123, ");
    refused(FIRST, "\u{1b}[2J", "the report has no step `\\x1b[2J`; it has poller.ntp@127.0.0.2");
}
