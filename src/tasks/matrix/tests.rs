use serde_json::{Value, json};

use super::*;
use crate::report::sample::{cause, failing, later, report, step};

fn bbdo(host: &str, outcome: &str) -> Value {
    step("poller", "central", host, "bbdo:5669/tcp", outcome)
}

fn zmq(host: &str, outcome: &str) -> Value {
    step("central", "poller", host, "zmq:5556/tcp", outcome)
}

fn rejected(step: Value) -> Value {
    failing(step, "10.2.0.7", cause("path-rejected", Some("10.9.0.1")))
}

/// What a machine says of its own listener for the flow of `step`.
fn listener(mut step: Value, cause: Option<Value>) -> Value {
    step["direction"] = json!("inbound");
    step["id"] = step["flow"].clone();
    step["target"]["host"] = json!("this host");
    step["result"] = json!("cbd on 0.0.0.0:5669");
    if let Some(cause) = cause {
        step["outcome"] = json!("fail");
        step["result"] = cause["message"].clone();
        step["cause"] = cause;
    }
    step
}

fn ntp(role: &str, offset_ms: f64) -> Value {
    let mut step = step(role, "ntp", "10.0.0.3", "ntp:123/udp", "pass");
    step["evidence"] = json!({ "offset_ms": offset_ms });
    step
}

fn central(steps: &[Value]) -> Report {
    report("central.example.com", "central", "10.0.0.5", steps)
}

fn poller(number: u8, steps: &[Value]) -> Report {
    report(&format!("poller-{number}"), "poller", &format!("10.2.0.{number}"), steps)
}

fn merged(reports: &[Report]) -> Matrix {
    let mut site = MatrixSite::default();
    for report in reports {
        site.add(report);
    }
    site.matrix()
}

fn written(matrix: &Matrix, format: MatrixFormat, width: usize) -> String {
    let mut out = Vec::new();
    format.write(matrix, Canvas { width, verbose: false }, &mut out).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

/// A central and two pollers, with something of everything.
fn site() -> Vec<Report> {
    let listens = listener(bbdo("", "pass"), None);
    vec![
        central(&[ntp("central", 3.0), zmq("10.2.0.1", "pass"), zmq("poller-2", "pass"), listens]),
        poller(1, &[ntp("poller", -2400.0), rejected(bbdo("10.0.0.5", "fail"))]),
        poller(2, &[ntp("poller", 1.0), bbdo("central", "pass")]),
    ]
}

#[test]
fn a_peer_is_found_by_address_name_and_first_label() {
    for host in ["10.0.0.5", "central.example.com", "CENTRAL.example.com", "central", "central.lan"]
    {
        let matrix = merged(&[central(&[]), poller(1, &[bbdo(host, "pass")])]);
        let cell = &matrix.cells[0];
        assert_eq!((cell.to.as_str(), cell.machine), ("central.example.com", true), "{host}");
    }
    for host in ["10.0.0.6", "other.example.com"] {
        let matrix = merged(&[central(&[]), poller(1, &[bbdo(host, "pass")])]);
        let cell = &matrix.cells[0];
        assert_eq!((cell.to.as_str(), cell.machine, cell.kind.as_str()), (host, false, "central"));
    }
}

#[test]
fn an_address_or_name_that_several_have_names_none_of_them() {
    let bridge = |number: u8| {
        let mut poller = poller(number, &[]);
        poller.host.name = "localhost".to_owned();
        poller.host.addresses.push([172, 17, 0, 1].into());
        poller
    };
    let asks =
        central(&[zmq("172.17.0.1", "pass"), zmq("localhost", "pass"), zmq("10.2.0.2", "pass")]);
    let matrix = merged(&[bridge(1), bridge(2), asks]);
    let ours: Vec<(&str, bool)> =
        matrix.cells.iter().map(|cell| (cell.to.as_str(), cell.machine)).collect();
    assert_eq!(ours, [("172.17.0.1", false), ("localhost", false), ("localhost (10.2.0.2)", true)]);
}

#[test]
fn loopback_is_the_machine_itself() {
    let matrix = merged(&[poller(1, &[bbdo("127.0.0.1", "pass")]), poller(2, &[])]);
    assert_eq!(matrix.cells[0].to, "poller-1");
}

#[test]
fn a_cell_has_the_worst_of_its_flows_and_how_many() {
    let ssh = step("central", "poller", "poller-1", "ssh:22/tcp", "warn");
    let steps = [zmq("10.2.0.1", "pass"), ssh, rejected(zmq("poller-1", "fail"))];
    let matrix = merged(&[central(&steps), poller(1, &[])]);
    let [cell] = matrix.cells.as_slice() else { panic!("{matrix:#?}") };
    assert_eq!(cell.worst, Outcome::Fail);
    assert_eq!(cell.counts, [(Outcome::Pass, 1), (Outcome::Warn, 1), (Outcome::Fail, 1)].into());
    assert!(written(&matrix, MatrixFormat::Table, 80).contains("✗ 1/3"));
}

/// A listener's row that was reached from there.
fn reached(step: Value, from: &str) -> Value {
    let mut row = listener(step, None);
    row["evidence"]["reached_from"] = json!(from);
    row
}

#[test]
fn what_only_the_machine_that_was_reached_tells_is_in_the_matrix() {
    let proved = || poller(1, &[reached(zmq("", "pass"), "10.0.0.5")]);
    let matrix = merged(&[central(&[]), proved()]);
    let [cell] = matrix.cells.as_slice() else { panic!("{matrix:#?}") };
    let pair = (cell.from.as_str(), cell.to.as_str(), cell.worst);
    assert_eq!(pair, ("central.example.com", "poller-1", Outcome::Pass));
    // Once, where the other end tells it too.
    let matrix = merged(&[central(&[zmq("10.2.0.1", "pass")]), proved()]);
    assert_eq!(matrix.cells.len(), 1);
    assert_eq!(matrix.cells[0].counts, [(Outcome::Pass, 1)].into());
    // A listener alone is no way, and a stranger's address no machine.
    let alone = poller(1, &[listener(zmq("", "pass"), None)]);
    assert!(merged(&[central(&[]), alone]).cells.is_empty());
    let stranger = poller(1, &[reached(zmq("", "pass"), "198.51.100.9")]);
    assert!(merged(&[central(&[]), stranger]).cells.is_empty());
    // The central saw it fail at another time.
    let matrix = merged(&[central(&[rejected(zmq("10.2.0.1", "fail"))]), proved()]);
    let [one] = matrix.disagreements.as_slice() else { panic!("{matrix:#?}") };
    assert!(one.so.contains("it was reached in its own run"), "{one:#?}");
}

#[test]
fn two_ends_that_do_not_fit_are_named_with_what_that_means() {
    let closed = || failing(bbdo("10.0.0.5", "fail"), "10.2.0.1", cause("port-closed", None));
    let nothing = || Some(cause("nothing-listens", None));
    for (asked, listens, so) in [
        (rejected(bbdo("10.0.0.5", "fail")), None, Some("what stops the flow is in between")),
        (closed(), None, Some("the one that answers is not this machine")),
        (bbdo("10.0.0.5", "pass"), nothing(), Some("another machine answers for this address")),
        (closed(), nothing(), None),
        (bbdo("10.0.0.5", "pass"), None, None),
        (rejected(bbdo("10.0.0.5", "fail")), nothing(), None),
    ] {
        let matrix =
            merged(&[poller(1, &[asked]), central(&[listener(bbdo("", "pass"), listens)])]);
        match (so, matrix.disagreements.as_slice()) {
            (None, []) => {}
            (Some(so), [one]) => {
                assert!(one.so.contains(so), "{one:#?}");
                assert_eq!(
                    (one.askers().as_str(), one.to.as_str()),
                    ("poller-1", "central.example.com")
                );
            }
            (so, other) => panic!("{so:?}: {other:#?}"),
        }
    }
}

#[test]
fn a_pair_that_is_open_in_one_direction_only_is_named() {
    let matrix = merged(&site());
    let [one] = matrix.one_sided.as_slice() else { panic!("{matrix:#?}") };
    assert_eq!((one.from.as_str(), one.to.as_str()), ("central.example.com", "poller-1"));
    assert_eq!((one.works.as_slice(), one.blocked.len()), (&["central.zmq".to_owned()][..], 1));
}

#[test]
fn a_clock_that_differs_from_the_others_is_named() {
    let matrix = merged(&site());
    let [clock] = matrix.clocks.as_slice() else { panic!("{matrix:#?}") };
    assert_eq!((clock.machine.as_str(), clock.shown().as_str()), ("poller-1", "2.4 s ahead"));
}

#[test]
fn one_cause_seen_by_many_is_said_once() {
    let pollers: Vec<Report> =
        (1..=9).map(|number| poller(number, &[rejected(bbdo("10.0.0.5", "fail"))])).collect();
    let silent = cause("no-answer", None);
    let alone =
        failing(step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "fail"), "10.2.0.1", silent);
    let more = [poller(10, &[alone]), poller(11, &[ntp("poller", 0.0)])];
    let matrix = merged(&[pollers.as_slice(), &more].concat());
    let [rejected, silent] = matrix.causes.as_slice() else { panic!("{:#?}", matrix.causes) };
    assert_eq!((rejected.code.as_str(), rejected.steps), ("path-rejected", 9));
    assert_eq!(rejected.scope(), "9 machines: poller.bbdo");
    assert_eq!(
        rejected.shown(),
        "blocked between poller-1, poller-2, poller-3, poller-4, poller-5 and 4 more and 10.0.0.5: TCP 5669, path rejected by 10.9.0.1"
    );
    assert_eq!(silent.shown(), "poller-10 to 10.0.0.3 (UDP 123): no answer");
    assert_eq!(silent.scope(), "1 of 2 machines: poller.ntp");
}

#[test]
fn what_fails_on_loopback_is_each_machines_own() {
    let silent = || cause("no-answer", None);
    let own = || {
        failing(step("poller", "ntp", "127.0.0.1", "ntp:123/udp", "fail"), "127.0.0.1", silent())
    };
    let matrix = merged(&[poller(1, &[own()]), poller(2, &[own()])]);
    assert_eq!(matrix.causes.len(), 2, "{:#?}", matrix.causes);
}

/// A signal hides neither what fails nor that something is not known.
#[test]
fn an_interrupted_run_counts_by_what_it_finished() {
    let cut = |outcome| {
        let step = failing(bbdo("10.0.0.5", outcome), "10.2.0.1", cause("interrupted", None));
        Report { interrupted: true, ..poller(1, &[step]) }
    };
    let works = || poller(2, &[bbdo("10.0.0.5", "pass")]);
    for (outcome, code) in [("unknown", 3), ("fail", 1)] {
        assert_eq!(merged(&[cut(outcome), works()]).exit_code, code, "{outcome}");
    }
    assert_eq!(merged(&[works()]).exit_code, 0);
}

#[test]
fn those_who_disagree_alike_are_one() {
    let asks = |number| poller(number, &[rejected(bbdo("10.0.0.5", "fail"))]);
    let listens = central(&[listener(bbdo("", "pass"), None)]);
    let matrix = merged(&[asks(1), asks(2), listens]);
    let [one] = matrix.disagreements.as_slice() else { panic!("{matrix:#?}") };
    assert_eq!(one.askers(), "poller-1, poller-2");
}

#[test]
fn of_two_runs_of_one_machine_the_newer_counts_in_any_order() {
    let old = poller(1, &[rejected(bbdo("10.0.0.5", "fail"))]);
    let new = later(&poller(1, &[bbdo("10.0.0.5", "pass")]), 25 * 60);
    for runs in [[old.clone(), new.clone()], [new, old]] {
        let matrix = merged(&runs);
        assert_eq!((matrix.machines.len(), matrix.cells[0].worst), (1, Outcome::Pass));
        assert_eq!(matrix.notes.len(), 1, "{:#?}", matrix.notes);
        assert!(matrix.notes[0].contains("that of 2026-11-24T14:37:12Z counts"));
    }
}

#[test]
fn runs_far_apart_and_interrupted_ones_are_said() {
    let interrupted = Report { interrupted: true, ..later(&poller(2, &[]), 21 * 24 * 60) };
    let matrix = merged(&[poller(1, &[]), interrupted]);
    assert_eq!(
        matrix.notes,
        [
            "the oldest and the newest run are 21 days apart",
            "poller-2: its run was interrupted; what was not finished is unknown",
        ]
    );
}

#[test]
fn a_machine_of_two_roles_is_one() {
    let silent = failing(bbdo("10.0.0.9", "unknown"), "10.0.0.5", cause("snmp-silent", None));
    let as_central = report("all-in-one", "central", "10.0.0.5", &[silent]);
    let as_poller = report("all-in-one", "poller", "10.0.0.5", &[bbdo("10.0.0.5", "pass")]);
    let matrix = merged(&[as_central, as_poller]);
    assert_eq!(matrix.machines.len(), 1);
    assert_eq!((matrix.cells[1].to.as_str(), matrix.exit_code), ("all-in-one", 3));
}

#[test]
fn a_large_site_is_told_by_its_troubles() {
    let mut site: Vec<Report> =
        (1..=200).map(|number| poller(number, &[bbdo("10.0.0.5", "pass")])).collect();
    site.push(poller(201, &[rejected(bbdo("10.0.0.5", "fail"))]));
    site.push(central(&[]));
    let table = written(&merged(&site), MatrixFormat::Table, 80);
    assert!(table.contains("poller-201  ✗ 1"), "{table}");
    assert!(table.contains("and 201 machines from which everything works"), "{table}");
    assert!(table.lines().count() < 25, "{table}");
}

#[test]
fn the_page_holds_all_of_it_and_nothing_of_a_stranger_acts() {
    let mut site = site();
    site[1].host.name = "<script>alert(1)</script>".to_owned();
    let page = written(&merged(&site), MatrixFormat::Html, 80);
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    for part in [
        "What stops it, and who acts</h2>",
        "the other direction works: central.example.com reaches ",
        "<h2>Clocks that differ from the others</h2>",
        "Map of the platform</h2>",
        "<tr data-outcome=\"fail\"><th scope=\"row\">&lt;script&gt;alert(1)&lt;/script&gt;</th>",
        "<td class=\"fail\" aria-label=\"fail, 1 of 1\">✗ 1</td>",
        "preflight explain path-rejected",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// Each thing that is wrong is one block, whoever tells of it.
#[test]
fn no_trouble_stands_twice() {
    for format in [MatrixFormat::Table, MatrixFormat::Markdown, MatrixFormat::Html] {
        let page = written(&merged(&site()), format, 200);
        assert_eq!(page.matches("blocked between poller-1 and central").count(), 1, "{page}");
        assert_eq!(page.matches("sees its listener").count(), 1, "{page}");
    }
}

#[test]
fn the_verdict_counts_required_flows_and_teams() {
    let matrix = merged(&site());
    assert_eq!(matrix.summary.text, "7 of 8 required flows work; the network team has to act");
    let closed = failing(bbdo("10.0.0.9", "fail"), "10.2.0.3", cause("port-closed", None));
    let matrix = merged(&[site().as_slice(), &[poller(3, &[closed])]].concat());
    assert!(matrix.summary.text.ends_with("; 2 teams have to act"), "{:#?}", matrix.summary);
    let matrix = merged(&[poller(1, &[bbdo("10.0.0.5", "pass")])]);
    assert_eq!(matrix.summary.text, "the one required flow works");
}

#[test]
fn rules_of_one_service_are_put_together() {
    let asks = |number: u8, to: &str| {
        let from = format!("10.2.0.{number}");
        let mut step = failing(bbdo(to, "fail"), &from, cause("path-rejected", Some("10.9.0.1")));
        step["cause"]["remedy"]["text"] = json!(format!("allow TCP 5669 from {from} to {to}"));
        step["asked_for"] = json!([{
            "at": "device", "device": "10.9.0.1", "seen": ["rejected"],
            "what": format!("TCP 5669 from {from} to {to}"),
            "rule": {
                "transports": ["tcp"], "ports": [5669], "protocols": ["bbdo"], "source": from,
                "destination": to,
            },
        }]);
        poller(number, &[step])
    };
    let matrix = merged(&[asks(1, "10.0.0.5"), asks(2, "10.0.0.5"), asks(3, "10.0.0.6")]);
    let [cause] = matrix.causes.as_slice() else { panic!("{:#?}", matrix.causes) };
    assert_eq!(
        cause.remedies,
        [
            "allow TCP 5669 from 10.2.0.1, 10.2.0.2 to 10.0.0.5",
            "allow TCP 5669 from 10.2.0.3 to 10.0.0.6",
        ]
    );
}

#[test]
fn each_machine_has_a_page_of_its_own_name() {
    let mut site = MatrixSite::default();
    let mut named = |name: &str, address: &str| {
        site.add_with_page(&report(name, "poller", address, &[bbdo("10.0.0.5", "pass")]))
    };
    assert_eq!(named("poller-1", "10.2.0.1").as_deref(), Some("poller-1.html"));
    assert_eq!(named("poller-1", "10.2.0.2").as_deref(), Some("poller-1-2.html"));
    assert_eq!(named("../etc/x y", "10.2.0.3").as_deref(), Some("_etc_x_y.html"));
    assert_eq!(named("index", "10.2.0.4").as_deref(), Some("index-2.html"));
    assert_eq!(named("", "10.2.0.5").as_deref(), Some("machine.html"));
    // The same run again takes the same page.
    assert_eq!(named("poller-1", "10.2.0.2").as_deref(), Some("poller-1-2.html"));
    let page = written(&site.matrix(), MatrixFormat::Html, 80);
    assert!(page.contains("<a href=\"./_etc_x_y.html\">../etc/x y</a>"), "{page}");
}

#[test]
fn an_older_run_has_no_page() {
    let old = poller(1, &[bbdo("10.0.0.5", "pass")]);
    let new = later(&old, 5);
    let mut site = MatrixSite::default();
    assert_eq!(site.add_with_page(&new).as_deref(), Some("poller-1.html"));
    assert_eq!(site.add_with_page(&old), None);
}

#[test]
fn the_table_reads_like_this() {
    insta::assert_snapshot!(written(&merged(&site()), MatrixFormat::Table, 80));
}

#[test]
fn the_markdown_reads_like_this() {
    insta::assert_snapshot!(written(&merged(&site()), MatrixFormat::Markdown, 80));
}

#[test]
fn the_csv_reads_like_this() {
    insta::assert_snapshot!(written(&merged(&site()), MatrixFormat::Csv, 80));
}

#[test]
fn the_json_has_this_shape() {
    insta::assert_snapshot!(written(&merged(&site()), MatrixFormat::Json, 80));
}
