//! `preflight schema report`, and that what is written keeps to it.

use serde_json::Value;

use crate::support::preflight;
use crate::support::schema::{check, fields, schema};

/// One report with every kind of step.
const GOLDEN: &str = include_str!("../../src/report/golden/report.json");

#[test]
fn each_schema_names_its_version() {
    for of in ["report", "diff", "merge"] {
        let schema = schema(of);
        assert_eq!(schema["$id"], format!("urn:preflight:{of}:2"));
        assert_eq!(schema["properties"]["schema_version"]["const"], 2, "{of}");
    }
}

#[test]
fn what_diff_and_merge_write_keeps_to_it() {
    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/poller1.json");
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/poller1-repaired.json");
    for command in ["diff", "merge"] {
        let written = preflight(&[command, report, other, "--format", "json"]);
        check(&serde_json::from_str(&written.stdout).unwrap());
    }
}

#[test]
fn a_schema_that_there_is_not_is_named() {
    let ended = preflight(&["schema", "nothing"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("nothing"), "{}", ended.stderr);
    assert!(ended.stderr.contains("report"), "{}", ended.stderr);
}

#[test]
fn a_report_with_every_kind_of_step_keeps_to_it() {
    check(&serde_json::from_str(GOLDEN).unwrap());
}

#[test]
fn no_field_of_the_schema_is_invented() {
    // Lines of ndjson have the first three; the others are of reports that the golden one is not.
    let elsewhere = [
        "kind", "step", "run", "redacted", "seen_as", "also_try", "choice", "commands", "on",
        "text", "at_first", "date", "follows", "misfit", "platform", "place",
    ];
    let invented: Vec<String> = fields()
        .into_iter()
        .filter(|name| !elsewhere.contains(&name.as_str()))
        .filter(|name| !GOLDEN.contains(&format!("\"{name}\":")))
        .collect();
    assert!(invented.is_empty(), "no report has {invented:?}");
}

#[test]
#[should_panic(expected = "surprise")]
fn a_field_the_schema_does_not_know_is_seen() {
    let mut report: Value = serde_json::from_str(GOLDEN).unwrap();
    report["steps"][0]["surprise"] = 1.into();
    check(&report);
}

#[test]
#[should_panic(expected = "outcome")]
fn a_value_that_is_none_is_seen() {
    let mut report: Value = serde_json::from_str(GOLDEN).unwrap();
    report["steps"][0]["outcome"] = "perhaps".into();
    check(&report);
}

#[test]
fn the_example_of_the_documentation_keeps_to_it() {
    let page = include_str!("../../docs/formats.md");
    let examples = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let reports: Vec<Value> = examples.map(|json| serde_json::from_str(json).unwrap()).collect();
    assert!(!reports.is_empty());
    reports.iter().for_each(check);
}

#[test]
fn the_documentation_has_every_field() {
    let page = include_str!("../../docs/formats.md");
    let missing: Vec<String> =
        fields().into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/formats.md: {missing:?}");
}
