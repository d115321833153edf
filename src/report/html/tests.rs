//! The page as a whole: nothing hostile acts, nothing is missing, and it stays a page.

use std::collections::BTreeMap;
use std::net::IpAddr;

use preflight_checks::{Cause, Coded, Icmp, PathCause, Remedy, Transport};
use serde_json::{Map, Value, json};

use crate::catalogue::{Party, Role};
use crate::report::model::{ConcernReport, Summary, Tally, Tool, UnreadCause, Why};
use crate::report::{
    AttemptReport, CauseReport, NoteReport, Readable, Report, StepReport, TargetReport, WayReport,
};
use crate::run::outcome::Outcome;
use crate::run::plan::{Direction, InstallPhase};
use crate::site::Origin;
use crate::site::local::Host;

/// A passing step of `flow`, without a target yet.
pub(crate) fn step(flow: &str) -> StepReport {
    StepReport {
        id: flow.to_owned(),
        flow: flow.to_owned(),
        from: Party("poller".to_owned()),
        to: Party("device".to_owned()),
        direction: Direction::Outbound,
        required: true,
        until: None,
        why: "without it nothing is graphed".to_owned(),
        look_at: String::new(),
        through_vpn: None,
        group: None,
        target: None,
        place: None,
        outcome: Outcome::Pass,
        result: "it works".to_owned(),
        cause: None,
        unread: None,
        because_of: None,
        asked_for: Vec::new(),
        concerns: Vec::new(),
        evidence: Map::new(),
        attempts: Vec::new(),
        timings: Map::new(),
    }
}

/// The same, with somebody asked.
pub(crate) fn asked(step: StepReport, host: &str, port: u16) -> StepReport {
    let target = TargetReport {
        seen_as: None,
        source: Vec::new(),
        host: host.to_owned(),
        peer: None,
        shown: format!("{host}:{port}/udp"),
        origin: Origin::flag("--device"),
        also_try: None,
        ways: vec![WayReport {
            protocol: "snmp".to_owned(),
            transports: vec![Readable::Known(Transport::Udp)],
            port,
            origin: Origin::Profile,
        }],
    };
    StepReport { id: format!("{}@{host}", step.flow), target: Some(target), ..step }
}

/// The same, failed: rejected by `device`.
pub(super) fn rejected(step: StepReport, device: &str) -> StepReport {
    let message = format!("rejected by {device} (ICMP 3/13, administratively prohibited)");
    let by = device.parse().unwrap_or_else(|_| IpAddr::from([10, 9, 0, 1]));
    let why = Cause::Path(PathCause::PathRejected {
        to: ([10, 0, 0, 5], 161).into(),
        by,
        icmp: Icmp::V4 { kind: 3, code: 13 },
    });
    let cause = CauseReport {
        owner: Some(why.owner()),
        why: Why::Cause(why),
        message: message.clone(),
        remedy: Remedy::in_words(
            format!("network team, device {device}"),
            "allow UDP 161".to_owned(),
        ),
    };
    StepReport { outcome: Outcome::Fail, result: message, cause: Some(cause), ..step }
}

/// A report of these steps.
pub(super) fn report(steps: Vec<StepReport>) -> Report {
    let mut counts = BTreeMap::new();
    for step in &steps {
        *counts.entry(step.outcome).or_insert(0) += 1;
    }
    let failed = counts.get(&Outcome::Fail).copied().unwrap_or_default();
    let summary = Summary {
        exit_code: u8::from(failed > 0),
        ready: failed == 0,
        required: steps.len(),
        works: steps.len() - failed,
        waiting: 0,
        failed,
        unknown: 0,
        optional: Tally::default(),
        open: 0,
        reasons: if failed > 0 { vec!["poller.snmp (rejected)".to_owned()] } else { Vec::new() },
        causes: Vec::new(),
        text: match (steps.len(), failed) {
            (0, _) => "no required flow was checked".to_owned(),
            (_, 0) => "all work".to_owned(),
            _ => format!("{failed} fail: poller.snmp (rejected)"),
        },
        counts,
    };
    Report {
        schema_version: 1,
        tool: Tool { name: "preflight".to_owned(), version: "0.1.0".to_owned() },
        host: Host { name: "vm".to_owned(), os: "Debian".to_owned(), ..Host::default() },
        started_at: "2026-11-23T13:37:12.237465952Z".to_owned(),
        took_ms: 2.4,
        root: None,
        role: Role::Poller,
        profile: "i-vertix".to_owned(),
        catalogue: None,
        clock: None,
        phase: InstallPhase::After,
        strict: false,
        interrupted: false,
        redacted: false,
        notes: Vec::new(),
        steps,
        summary,
    }
}

/// The page of `report`, found to be well-formed.
#[track_caller]
pub(super) fn page(report: &Report) -> String {
    let mut page = Vec::new();
    super::write(report, &mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    is_well_formed(&page);
    page
}

/// Every element is one of ours, closed where it must be, and its ids are its own.
#[track_caller]
fn is_well_formed(page: &str) {
    let script = page.find("<script>").unwrap()..page.find("</script>").unwrap();
    let style = page.find("<style>").unwrap()..page.find("</style>").unwrap();
    let mut open = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for (at, _) in page.match_indices('<') {
        let is_inside = |text: &std::ops::Range<usize>| text.contains(&at) && at > text.start;
        if is_inside(&script) || is_inside(&style) {
            continue;
        }
        let tag = &page[at + 1..at + page[at..].find('>').unwrap()];
        if tag == "!DOCTYPE html" {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        assert!(OURS.contains(&name), "<{tag}>");
        let attributes = tag.trim_end_matches('/').split('"').step_by(2);
        for key in attributes.map(|before| before.trim().trim_end_matches('=')) {
            let key = key.rsplit(' ').next().unwrap();
            assert!(key == name || key.is_empty() || KEYS.contains(&key), "{key} in <{tag}>");
        }
        if let Some((_, id)) = tag.split_once(" id=\"") {
            assert!(ids.insert(id.split('"').next().unwrap()), "twice: <{tag}>");
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let links = page.split("href=\"").skip(1).map(|link| link.split('"').next().unwrap());
    for link in links {
        assert!(ids.contains(link.strip_prefix('#').unwrap()), "{link} leads nowhere");
    }
}

const OURS: &[&str] = &[
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "div",
    "p", "h1", "h2", "h3", "ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr",
    "th", "td", "details", "summary", "code", "strong", "small", "span", "a", "svg", "desc", "g",
    "rect", "path", "circle", "text", "script",
];
const KEYS: &[&str] = &[
    "class",
    "id",
    "role",
    "scope",
    "href",
    "hidden",
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "aria-labelledby",
    "aria-hidden",
    "data-outcome",
    "viewBox",
    "x",
    "y",
    "width",
    "height",
    "rx",
    "d",
    "cx",
    "cy",
    "r",
];

/// What a stranger may say to act on the page.
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "</title></style></script><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "<!-- ", // what follows must not become a comment
    "]]><iframe>",
    "&lt;script&gt;&#60;b&#62;",
    "\u{1b}[31m\u{202e}gnp.exe\u{2066}\u{200b}\0\u{9b}2J",
    "javascript:alert(1)",
];

/// A report in which every text that is not ours is `said`.
fn spoken(said: &str) -> Report {
    let said = said.to_owned();
    let object: Map<String, Value> =
        [(said.clone(), json!([said, {"deep": said}]))].into_iter().collect();
    let with = |step: StepReport| StepReport {
        id: format!("{}{said}", step.id),
        flow: said.clone(),
        from: Party(said.clone()),
        to: Party(said.clone()),
        why: said.clone(),
        through_vpn: Some(said.clone()),
        group: Some(said.clone()),
        result: said.clone(),
        concerns: vec![ConcernReport {
            code: Readable::Unread(json!(said)),
            message: said.clone(),
            owner: None,
            remedy: Some(Remedy::in_words(said.clone(), said.clone())),
        }],
        evidence: [("path".to_owned(), json!([format!("1 {said}")]))]
            .into_iter()
            .chain(object.clone())
            .collect(),
        attempts: vec![AttemptReport {
            address: Readable::Unread(json!(said)),
            way: None,
            protocol: said.clone(),
            source: Some(Readable::Unread(json!(said))),
            outcome: Outcome::Fail,
            at_first: None,
            other_transport: None,
            concerns: Vec::new(),
            headline: said.clone(),
            cause: Some(Readable::Unread(json!({ "code": said }))),
            evidence: object.clone(),
            timings: object.clone(),
        }],
        timings: object.clone(),
        ..step
    };
    let mut failed = rejected(asked(step("a"), &said, 161), &said);
    let cause = failed.cause.as_mut().unwrap();
    cause.why = Why::Unread(UnreadCause {
        coded: Coded { code: said.clone(), facts: object.clone() },
        layer: said.clone(),
        owner: said.clone(),
        device: Some(said.clone()),
    });
    let local = StepReport { direction: Direction::Local, ..asked(step("b"), &said, 0) };
    let inbound = StepReport { direction: Direction::Inbound, ..asked(step("c"), &said, 162) };
    let folded = StepReport { because_of: Some(said.clone()), ..asked(step("d"), &said, 1) };
    let many = (0..20).map(|n| asked(step(&format!("e{n}")), &said, n));
    let steps = [failed, local, inbound, folded].into_iter().chain(many).map(with).collect();
    let mut report = report(steps);
    report.host.name.clone_from(&said);
    report.host.os.clone_from(&said);
    report.host.kernel.clone_from(&said);
    report.profile.clone_from(&said);
    report.started_at.clone_from(&said);
    report.root = Some(said.clone());
    report.notes = vec![NoteReport {
        file: said.clone(),
        line: None,
        reason: said.clone(),
        missing: said.clone(),
    }];
    report.summary.reasons = vec![said];
    report
}

#[test]
fn nothing_a_stranger_says_becomes_markup() {
    let said = page(&spoken("harmless"));
    for hostile in HOSTILE {
        // The same report with other words has the same elements.
        assert_eq!(tags(&page(&spoken(hostile))), tags(&said), "{hostile}");
    }
}

/// The names of all elements, in order.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|tag| tag.split([' ', '>']).next().unwrap()).collect()
}

#[test]
fn what_reorders_or_controls_is_shown_not_done() {
    for hostile in HOSTILE {
        let page = page(&spoken(hostile));
        assert!(!page.chars().any(|c| c.is_control() && c != '\n'), "{hostile}");
        assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{200b}']), "{hostile}");
    }
    assert!(page(&spoken(HOSTILE[7])).contains("\\x1b[31m\\u{202e}gnp.exe"));
}

/// Ten thousand devices of forty subnets; a few of them rejected by a firewall.
fn large() -> Report {
    let device = |n: u16| {
        let host = format!("10.20.{}.{}", n / 250, n % 250 + 1);
        let mut step = asked(step("poller.snmp"), &host, 161);
        step.result = format!("switch-{n}.example.test, Cisco IOS Software, up 42 days");
        step.evidence = [
            (
                "sys_descr",
                "Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 15.0(2)SE11",
            ),
            ("sys_name", "switch.example.test"),
        ]
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .into_iter()
        .collect();
        step.timings.insert("total_ms".to_owned(), json!(12.345));
        if n % 100 == 7 { rejected(step, "10.9.0.1") } else { step }
    };
    report((0..10_000).map(device).collect())
}

#[test]
fn what_fails_alike_is_one_entry_of_who_acts() {
    let device = |n: u8| {
        let host = format!("10.1.12.{n}");
        rejected(asked(step("poller.snmp"), &host, 161), "10.9.0.1")
    };
    let other = rejected(asked(step("poller.bbdo"), "10.0.0.5", 5669), "10.9.0.1");
    let page = page(&report(vec![device(1), device(2), other]));
    let actions = page.split("Why, and who acts").nth(1).unwrap();
    let actions = actions.split("</section>").next().unwrap();
    assert_eq!(actions.matches("<h3>").count(), 2, "{actions}");
    assert!(actions.contains("<dt>likewise</dt><dd>10.1.12.2"), "{actions}");
}

#[test]
fn ten_thousand_devices_are_a_page_of_a_few_rows() {
    let page = page(&large());
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    let rows = page.matches("<tr id=").count();
    assert!((2..=60).contains(&rows), "{rows} rows");
    // Each of them is there all the same.
    for host in ["10.20.0.1:", "10.20.39.250:", "10.20.17.88:"] {
        assert!(page.contains(host), "{host}");
    }
    assert!(
        page.contains("100 in 10.20.0.0/20, 10.20.16.0/20, 10.20.32.0/20"),
        "what fails alike is one row"
    );
}

#[test]
fn ten_thousand_devices_are_a_map_of_a_few_peers() {
    let page = page(&large());
    let peers = page.matches("class=\"peer\"").count();
    // Drawn twice: for a wide page, and for a narrow one.
    assert!((2..=2 * 12).contains(&peers), "{peers}");
    assert!(page.contains("40 fail, 3960 pass"), "no count on the map");
}

#[test]
fn the_worst_report_is_still_a_page_that_opens() {
    let long = "<&\u{202e}".repeat(50_000);
    let each = |n: u32| {
        let step = asked(step(&format!("custom.{n}")), &format!("host{n}"), 1);
        let step = rejected(step, &format!("10.0.{}.{}", n / 256, n % 256));
        StepReport { result: long.clone(), ..step }
    };
    let page = page(&report((0..3_000).map(each).collect()));
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.contains("had no room on this page"));
    assert!(page.matches("class=\"peer\"").count() <= 2 * 40);
}

#[test]
fn a_failure_says_who_acts_what_to_ask_and_what_follows() {
    let root = rejected(asked(step("poller.dns"), "10.0.0.53", 53), "10.9.0.1");
    let follows = StepReport {
        because_of: Some(root.id.clone()),
        ..rejected(asked(step("poller.smtp"), "mail", 25), "10.9.0.1")
    };
    let page = page(&report(vec![root, follows]));
    for words in [
        "<dt>who acts</dt><dd>network team, device 10.9.0.1</dd>",
        "<dt>ask for</dt><dd><strong>allow UDP 161</strong></dd>",
        "<dt>fails too</dt><dd><a href=\"#r1\">poller.smtp@mail</a></dd>",
        "<dt>because of</dt><dd><a href=\"#r0\">poller.dns@10.0.0.53</a></dd>",
        "<code>preflight explain path-rejected</code>",
        "<dt>port</dt><dd>snmp on 53/udp, from profile</dd>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // The root is listed once, with what follows from it; that is no entry of its own.
    assert_eq!(page.matches("<h3><span class=\"mark").count(), 1);
}

#[test]
fn a_mistake_in_a_file_has_a_line_and_no_arrow() {
    let mut mistake = step("poller.bbdo");
    mistake.direction = Direction::Local;
    mistake.target = Some(TargetReport {
        seen_as: None,
        source: Vec::new(),
        host: String::new(),
        peer: None,
        shown: "/etc/centreon-broker/poller.json:12".to_owned(),
        origin: Origin::Other("file".into()),
        ways: Vec::new(),
        also_try: None,
    });
    let page = page(&report(vec![mistake]));
    assert!(page.contains("In this machine&#39;s own configuration"));
    assert!(page.contains("<code>/etc/centreon-broker/poller.json:12</code>"));
    assert!(!page.contains("<table") && !page.contains("class=\"peer\""));
}

#[test]
fn what_the_plan_was_made_from_and_could_not_read_is_said() {
    let mut report = report(vec![asked(step("poller.snmp"), "10.0.0.1", 161)]);
    report.root = Some("/mnt/copy".to_owned());
    report.notes = vec![NoteReport {
        file: "/etc/chrony.conf".to_owned(),
        line: Some(7),
        reason: "permission denied".to_owned(),
        missing: "time servers".to_owned(),
    }];
    let page = page(&report);
    assert!(page.contains("<dt>plan from</dt><dd>/mnt/copy</dd>"));
    assert!(
        page.contains("<code>/etc/chrony.conf:7</code>: permission denied; missing: time servers")
    );
}

#[test]
fn an_empty_report_is_a_page_too() {
    assert!(page(&report(Vec::new())).contains("No required flow was checked"));
}

#[test]
fn the_mark_on_top_is_the_verdict_not_the_worst_row() {
    let asked = |outcome| StepReport { outcome, ..asked(step("poller.snmp"), "10.0.0.1", 161) };
    let unknown = || report(vec![asked(Outcome::Unknown), asked(Outcome::Warn)]);
    assert!(page(&unknown()).contains("<h1 class=\"unknown\">"));
    let mut strict = unknown();
    strict.summary.exit_code = 1;
    assert!(page(&strict).contains("<h1 class=\"fail\">"));
    let mut optional = rejected(asked(Outcome::Fail), "10.9.0.1");
    optional.required = false;
    let mut passing = report(vec![optional, asked(Outcome::Pass)]);
    passing.summary.failed = 0;
    passing.summary.exit_code = 0;
    assert!(page(&passing).contains("<h1 class=\"pass\">"));
}
