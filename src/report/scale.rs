//! Ten thousand devices that fail: does every format stay linear, and the page readable?

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use nix::time::ClockId;
use preflight_checks::{
    Cause, Finding, Icmp, LocalRoute, NameCause, Opinion, PathCause, Peer, PortCause, Probe,
    RouteCause, Seen, Transport, WebCause, tcp,
};
use strum::VariantArray as _;

use super::*;
use crate::catalogue::{InstallPhase, Party, Role};
use crate::run::finding::Attempt;
use crate::run::plan::{Action, Asked, Direction, Question, Step};
use crate::site::discover::At;
use crate::site::{Find, Origin};

/// Each device fails in one of the ways that could be compared with all others.
fn cause(number: usize, to: SocketAddr) -> Cause {
    let proxy = "http://10.0.0.8:3128".to_owned();
    match number % 6 {
        0 => Cause::Port(PortCause::PortClosed { to }),
        1 => Cause::Path(PathCause::PathRejected {
            to,
            by: to.ip(),
            icmp: Icmp::V4 { kind: 3, code: 13 },
        }),
        2 => Cause::Name(NameCause::ResolverFailed {
            name: format!("srv-{number}.corp.example"),
            error: "no answer".to_owned(),
            servers: vec![Opinion { server: [10, 0, 0, 53].into(), says: "no answer".to_owned() }],
        }),
        3 => Cause::Route(RouteCause::NoRoute { to: to.ip(), route: LocalRoute::Missing }),
        4 => Cause::Path(PathCause::NetUnreachable {
            to: to.ip(),
            by: [10, 9, 0, 1].into(),
            icmp: Icmp::V4 { kind: 3, code: 0 },
        }),
        _ => {
            let because = Box::new(Cause::Port(PortCause::PortClosed { to }));
            Cause::Web(WebCause::ProxyUnreachable { proxy, because })
        }
    }
}

fn address(number: usize) -> SocketAddr {
    let number = u32::try_from(number).unwrap();
    (IpAddr::V4(Ipv4Addr::from_bits(0x0a14_0000 + number)), 161).into()
}

fn step(number: usize) -> Step {
    let host = address(number).ip().to_string();
    let asked = Asked {
        protocol: "tcp",
        transport: Transport::Tcp,
        port: 161,
        port_origin: Origin::Profile,
        probe: Probe::Tcp(tcp::Probe::default()),
    };
    let line = u32::try_from(number).ok();
    let question = Question {
        vpn: None,
        host: host.clone(),
        target: host.clone(),
        origin: Origin::File(At { line, ..At::file("/etc/centreon-engine/hosts.cfg") }),
        find: Find::Host,
        family: None,
        seen_as: None,
        source: None,
        exempt: None,
        ways: vec![asked],
        also_try: None,
        also_why: None,
    };
    Step {
        id: format!("poller.snmp@{host}"),
        place: Some(host.clone()),
        flow: "poller.snmp".to_owned(),
        from: Party("poller".to_owned()),
        to: Party("device".to_owned()),
        direction: Direction::Outbound,
        required: true,
        until: None,
        why: "Devices are asked this way.".to_owned(),
        row: None,
        look_at: String::new(),
        through_vpn: None,
        group: number.is_multiple_of(2).then(|| format!("10.20.{}.0/24", number / 256)),
        action: Action::Ask(Box::new(question)),
    }
}

fn found(number: usize) -> Found {
    let peer = Peer::from(address(number));
    let (verdict, seen) = (Err(cause(number, peer.address)), Seen::default());
    let took = Duration::from_millis(1);
    let finding =
        Finding { peer, source: Some([10, 2, 0, 7].into()), verdict, seen, took, words: None };
    Found { attempts: vec![Attempt { way: 0, finding }], ..Found::default() }
}

/// A run of so many devices: before it, and what was found.
fn run(devices: usize) -> (Plan, Vec<Option<Found>>) {
    let plan = Plan {
        platform: None,
        machine: None,
        role: Role::Poller,
        catalogue: Identity::default(),
        profile: "i-vertix".to_owned(),
        phase: InstallPhase::After,
        root: None,
        notes: Vec::new(),
        steps: (1..=devices).map(step).collect(),
    };
    (plan, (1..=devices).map(|number| Some(found(number))).collect())
}

fn judged(run: &(Plan, Vec<Option<Found>>)) -> Report {
    let (plan, found) = run.clone();
    let context = Context {
        host: crate::site::local::host(),
        catalogue: Identity { sha256: "0123456789abcdef".to_owned(), ..Identity::default() },
        started_at: "2026-11-23T13:37:12Z".to_owned(),
        took: Duration::from_secs(9),
        strict: false,
        interrupted: false,
    };
    Report::new(plan, found, context)
}

const CANVAS: Canvas = Canvas { width: 80, verbose: false };

fn written(format: Format, report: &Report) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    format.write(report, CANVAS, &mut out).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

/// Processor time of this thread: what else the machine does is not part of it.
fn time_of(work: &dyn Fn()) -> Duration {
    let now = || Duration::from(ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap());
    let before = now();
    work();
    now().saturating_sub(before)
}

/// Ten thousand steps at once take about as long as a thousand ten times; if each were
/// compared with each, it would be ten times as long.
#[test]
fn everything_takes_time_linear_in_the_number_of_steps() {
    let few = run(1_000);
    let many = run(10_000);
    let (few_judged, many_judged) = (judged(&few), judged(&many));
    let mut slow = String::new();
    let mut compare = |what: &str, few: &dyn Fn(), many: &dyn Fn()| {
        // As many steps in each, and by turns: a busy moment of the machine meets both.
        let half = || (0..5).map(|_| time_of(few)).sum::<Duration>();
        let before = half();
        let (many, few) = (time_of(many), before + half());
        if many > few * 2 {
            writeln!(slow, "{what}: {few:?} in ten parts, {many:?} at once").unwrap();
        }
    };
    compare("judging", &|| drop(judged(&few)), &|| drop(judged(&many)));
    // JSON is the same steps as ndjson, and serde's work alone.
    for &format in Format::VARIANTS.iter().filter(|format| **format != Format::Json) {
        let write = |report: &Report| assert!(!written(format, report).is_empty());
        compare(&format!("{format:?}"), &|| write(&few_judged), &|| write(&many_judged));
    }
    let plan = |plan: &Plan| planned::write(plan, CANVAS, &mut io::sink()).unwrap();
    compare("the plan", &|| plan(&few.0), &|| plan(&many.0));
    assert_eq!(slow, "");
}

#[test]
fn ten_thousand_failures_have_few_reasons_and_a_short_last_line() {
    let report = judged(&run(10_000));
    let summary = &report.summary;
    assert_eq!((summary.required, summary.failed), (10_000, 10_000));
    assert!(summary.reasons.len() <= 16, "{:#?}", summary.reasons);
    assert!(summary.text.len() <= 450, "{}", summary.text);
    let count = "1666 x poller.snmp (port closed)";
    assert!(summary.reasons.iter().any(|reason| reason == count), "{:#?}", summary.reasons);
    let table = written(Format::Table, &report);
    assert!(table.matches("preflight explain").count() <= 16, "{table}");
    assert!(table.lines().all(|line| line.len() < 200));
}
