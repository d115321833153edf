use std::slice::from_ref;

use serde_json::{Value, json};

use super::*;
use crate::report::sample::{cause, failing, later, report, step};

fn bbdo(outcome: &str) -> Value {
    step("poller", "central", "10.0.0.5", "bbdo:5669/tcp", outcome)
}

fn broken(cause: Value) -> Value {
    failing(bbdo("fail"), "10.2.0.7", cause)
}

fn rejected(device: &str) -> Value {
    broken(cause("path-rejected", Some(device)))
}

fn closed() -> Value {
    broken(cause("port-closed", None))
}

fn warned(concern: &str) -> Value {
    let mut step = bbdo("warn");
    step["concerns"] = json!([{ "code": concern, "message": "It will hurt." }]);
    step
}

fn unfinished() -> Value {
    failing(bbdo("unknown"), "10.2.0.7", cause("interrupted", None))
}

/// The comparison of two runs half an hour apart, each with these steps.
fn compared(old: &[Value], new: &[Value], strict: bool) -> Diff {
    let old = report("poller-1", "poller", "10.2.0.7", old);
    let new = later(&report("poller-1", "poller", "10.2.0.7", new), 30);
    diff(&old, &new, strict)
}

#[test]
fn each_change_has_its_kind_and_some_are_worse() {
    let unknown = || broken_as("unknown", cause("no-answer", None));
    for (old, new, kind, worse) in [
        (bbdo("pass"), rejected("10.9.0.1"), ChangeKind::Broken, true),
        (unknown(), rejected("10.9.0.1"), ChangeKind::Broken, true),
        (warned("path-open"), closed(), ChangeKind::Broken, true),
        (bbdo("pass"), warned("path-open"), ChangeKind::Closed, true),
        (bbdo("pass"), unknown(), ChangeKind::Unclear, true),
        (closed(), unknown(), ChangeKind::Unclear, false),
        (rejected("10.9.0.1"), closed(), ChangeKind::Cause, false),
        (closed(), rejected("10.9.0.1"), ChangeKind::Cause, true),
        (rejected("10.9.0.1"), rejected("10.9.0.2"), ChangeKind::Device, false),
        (bbdo("pass"), warned("certificate-expires"), ChangeKind::Concern, false),
        (warned("certificate-expires"), bbdo("pass"), ChangeKind::Cleared, false),
        (rejected("10.9.0.1"), bbdo("pass"), ChangeKind::Fixed, false),
        (rejected("10.9.0.1"), warned("path-open"), ChangeKind::Fixed, false),
        (unknown(), bbdo("pass"), ChangeKind::Fixed, false),
        (bbdo("pass"), unfinished(), ChangeKind::Unfinished, false),
        (unfinished(), bbdo("pass"), ChangeKind::Unfinished, false),
        (unfinished(), rejected("10.9.0.1"), ChangeKind::Unfinished, false),
    ] {
        let diff = compared(from_ref(&old), from_ref(&new), false);
        let [change] = diff.changes.as_slice() else { panic!("{old} {new} {diff:#?}") };
        assert_eq!((change.kind, change.worse, diff.worse), (kind, worse, worse), "{old} {new}");
    }
}

fn broken_as(outcome: &str, cause: Value) -> Value {
    failing(bbdo(outcome), "10.2.0.7", cause)
}

#[test]
fn timings_evidence_origin_and_words_are_no_change() {
    let mut slower = rejected("10.9.0.1");
    slower["timings"] = json!({ "total_ms": 4_000.0 });
    slower["evidence"] = json!({ "banner": "another" });
    slower["target"]["origin"] =
        json!({ "kind": "file", "file": "/etc/centreon-broker/poller.json", "line": 12 });
    slower["result"] = json!("in other words");
    let diff = compared(&[rejected("10.9.0.1")], &[slower], true);
    assert!(diff.changes.is_empty(), "{diff:#?}");
    assert_eq!((diff.unchanged, diff.worse), (1, false));
}

#[test]
fn steps_come_and_go() {
    let ntp = step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "pass");
    let mut skipped = ntp.clone();
    skipped["outcome"] = json!("skip");
    for gone in [vec![bbdo("pass")], vec![bbdo("pass"), skipped]] {
        let diff = compared(&[bbdo("pass"), ntp.clone()], &gone, true);
        assert_eq!(
            (diff.changes[0].kind, diff.worse, diff.unchanged),
            (ChangeKind::Gone, false, 1)
        );
    }
    let new = compared(from_ref(&ntp), &[ntp.clone(), bbdo("pass")], true);
    assert_eq!((new.changes[0].kind, new.worse), (ChangeKind::New, false));
    let failing = compared(from_ref(&ntp), &[ntp.clone(), closed()], false);
    assert_eq!((failing.changes[0].kind, failing.worse), (ChangeKind::NewFailing, true));
}

#[test]
fn an_optional_step_makes_nothing_worse() {
    let mut optional = rejected("10.9.0.1");
    optional["required"] = json!(false);
    let diff = compared(&[bbdo("pass")], &[optional], true);
    assert_eq!((diff.changes[0].kind, diff.worse), (ChangeKind::Broken, false));
}

#[test]
fn a_new_concern_is_worse_only_when_asked() {
    let concern = [warned("certificate-expires")];
    assert!(!compared(&[bbdo("pass")], &concern, false).worse);
    assert!(compared(&[bbdo("pass")], &concern, true).worse);
}

#[test]
fn the_worst_comes_first() {
    let old = [
        rejected("10.9.0.1"),
        step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "pass"),
        step("poller", "dns", "10.0.0.53", "dns:53/udp,tcp", "pass"),
    ];
    let down = step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "fail");
    let diff = compared(&old, &[bbdo("pass"), down], false);
    let kinds: Vec<ChangeKind> = diff.changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Broken, ChangeKind::Gone, ChangeKind::Fixed]);
}

#[test]
fn what_makes_runs_hard_to_compare_is_said() {
    let old = report("poller-1", "poller", "10.2.0.7", &[bbdo("pass")]);
    let notes = |new: &Report| diff(&old, new, false).notes;
    assert_eq!(notes(&later(&old, 30)), Vec::<String>::new());
    assert_eq!(notes(&old), ["both files are of one and the same run"]);
    assert_eq!(
        notes(&later(&old, -120)),
        ["the first run is the newer one, by 2 hours: is the order right?"]
    );
    assert_eq!(notes(&later(&old, 21 * 24 * 60)), ["the runs are 21 days apart"]);
    let other = later(&report("central-1", "central", "10.0.0.5", &[]), 30);
    assert_eq!(
        notes(&other),
        [
            "two machines: the first run is of poller-1, the second of central-1",
            "the role was poller, and is central: other flows are asked",
        ]
    );
    let unfinished = report("poller-1", "poller", "10.2.0.7", &[unfinished()]);
    let interrupted = Report { interrupted: true, ..later(&unfinished, 30) };
    assert_eq!(
        notes(&interrupted),
        ["the second run was interrupted: 1 of its steps were not finished"]
    );
}

#[test]
fn a_step_of_the_same_id_twice_is_compared_twice() {
    let diff = compared(&[bbdo("pass"), bbdo("pass")], &[bbdo("pass"), closed()], false);
    assert_eq!((diff.changes.len(), diff.unchanged), (1, 1));
    assert_eq!(diff.changes[0].kind, ChangeKind::Broken);
}

fn written(format: DiffFormat) -> String {
    let device = step("poller", "device", "10.1.1.1", "snmp:161/udp", "fail");
    let hostile = cause("snmp-silent", None);
    let mut hostile = failing(device.clone(), "10.2.0.7", hostile);
    hostile["result"] = json!("no answer | <b>to</b> `this` question, which is longer than a line");
    let ntp = step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "fail");
    let ntp_works = step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "pass");
    let diff = compared(
        &[bbdo("pass"), device, ntp, warned("certificate-expires")],
        &[rejected("10.9.0.1"), hostile, ntp_works, warned("certificate-expires")],
        false,
    );
    let mut out = Vec::new();
    format.write(&diff, Canvas { width: 80, verbose: false }, &mut out).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

#[test]
fn the_table_reads_like_this() {
    insta::assert_snapshot!(written(DiffFormat::Table));
}

#[test]
fn the_markdown_reads_like_this() {
    insta::assert_snapshot!(written(DiffFormat::Markdown));
}

#[test]
fn the_json_has_this_shape() {
    insta::assert_snapshot!(written(DiffFormat::Json));
}
