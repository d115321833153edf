use std::net::IpAddr;

use preflight_checks::{Icmp, LocalRoute, Millis, Opinion, Trust, http};
use serde_json::{Value, json};

use super::*;
use crate::catalogue::{Party, Role};
use crate::report::Context;
use crate::run::plan::{InstallPhase, Plan, Settings, plan};
use crate::site::{Site, Sourced, Target, local};
use preflight_checks::{DnsCause, NameCause, PathCause, PortCause, RouteCause, WebCause};

fn a_plan(phase: InstallPhase) -> Plan {
    let mut site = Site::of(Role::Central, Trust::only([]));
    for (party, text) in [
        ("ntp", "ntp.example"),
        ("dns", "10.0.0.53"),
        ("smtp", "mx.example"),
        ("ldap", "dc1.example"),
        ("poller", "poller.example"),
        ("proxy", "http://10.0.0.8:3128"),
        ("gorgone", "10.0.0.5:8085"),
    ] {
        let target = Target::new(text.parse().unwrap(), Origin::flag("--test"));
        site.targets.entry(Party(party.to_owned())).or_default().push(target);
    }
    let url = "http://10.0.0.8:3128".parse().unwrap();
    let proxy = http::Proxy { url, user: None, password: None };
    site.proxy = Some(Sourced { value: proxy, origin: Origin::flag("--proxy") });
    let rows = [
        "central.ntp",
        "central.dns",
        "central.smtp",
        "central.ldap",
        "central.zmq",
        "central.ssh",
        "central.proxy",
        "central.http",
        "central.gorgone-api",
        "poller.bbdo",
    ];
    let settings = Settings {
        only: rows.map(str::to_owned).into(),
        skip: vec![("poller.bbdo".to_owned(), Some("because".to_owned()))],
        ..Settings::usual(phase)
    };
    plan(&Catalogue::profile("i-vertix").unwrap(), &site, &settings)
}

/// What was found, by way and address.
type Findings = Vec<(usize, &'static str, Result<Vec<Concern>, Cause>)>;

fn closed(to: &str) -> Cause {
    Cause::Port(PortCause::PortClosed { to: to.parse().unwrap() })
}

fn seen(flow: &str) -> Findings {
    let by = IpAddr::from([10, 9, 0, 1]);
    let rejected = |to: &str| {
        Cause::Path(PathCause::PathRejected {
            to: to.parse().unwrap(),
            by,
            icmp: Icmp::V4 { kind: 3, code: 13 },
        })
    };
    let no_route = Cause::Route(RouteCause::NoRoute {
        to: "2001:db8::3".parse().unwrap(),
        route: LocalRoute::Missing,
    });
    let behind = closed("10.0.0.8:3128");
    let proxy = Cause::Web(WebCause::ProxyUnreachable {
        proxy: "http://10.0.0.8:3128".to_owned(),
        because: Box::new(behind.clone()),
    });
    match flow {
        "central.ntp" => vec![
            (0, "[2001:db8::3]:123", Err(no_route)),
            (0, "10.0.0.3:123", Err(rejected("10.0.0.3:123"))),
        ],
        "central.dns" => {
            let udp = Box::new(rejected("10.0.0.53:53"));
            vec![(0, "10.0.0.53:53", Err(Cause::Dns(DnsCause::DnsTcpOnly { udp })))]
        }
        "central.smtp" => vec![
            (
                0,
                "10.0.0.25:25",
                Ok(vec![Concern::SmtpSlowGreeting { took: Millis(Duration::from_millis(4500)) }]),
            ),
            (0, "10.0.0.26:25", Err(closed("10.0.0.26:25"))),
        ],
        "central.ldap" => vec![
            (0, "10.0.0.6:636", Err(closed("10.0.0.6:636"))),
            (1, "10.0.0.6:389", Ok(vec![Concern::LdapNoStarttls])),
            // A port that DNS named.
            (1, "10.0.0.7:3268", Ok(Vec::new())),
        ],
        "central.zmq" => vec![
            (0, "10.0.0.9:5666", Err(closed("10.0.0.9:5666"))),
            (1, "10.0.0.9:5556", Ok(Vec::new())),
        ],
        "central.proxy" => vec![(0, "10.0.0.8:3128", Err(behind))],
        "central.http" => vec![(0, "10.0.0.8:3128", Err(proxy))],
        "central.gorgone-api" => vec![(0, "10.0.0.5:8085", Err(closed("10.0.0.5:8085")))],
        "poller.bbdo" => Vec::new(),
        other => panic!("nothing was seen of {other}"),
    }
}

fn found_of(step: &Step) -> Option<Found> {
    let Action::Ask(question) = &step.action else { return None };
    if step.flow == "central.ssh" {
        let server = IpAddr::from([10, 0, 0, 53]);
        let unresolved = Some(Cause::Name(NameCause::ResolverFailed {
            name: "poller.example".to_owned(),
            error: "Temporary failure".to_owned(),
            servers: vec![Opinion { server, says: "no answer".to_owned() }],
        }));
        return Some(Found { unresolved, ..Found::default() });
    }
    let attempt = |(way, address, verdict): (usize, &str, Result<Vec<Concern>, Cause>)| {
        let peer =
            Peer { host: question.host.clone(), address: address.parse().unwrap(), from: None };
        let concerns = verdict.clone().unwrap_or_default();
        let seen = Seen { headline: format!("way {way}"), concerns, ..Seen::default() };
        let source = Some(IpAddr::from([10, 2, 0, 7]));
        let (verdict, took) = (verdict.map(|_| ()), Duration::ZERO);
        Attempt { way, finding: Finding { peer, source, verdict, seen, took, words: None } }
    };
    let attempts = seen(&step.flow).into_iter().map(attempt).collect();
    let resolve = Some(Duration::from_millis(1));
    Some(Found { resolve, attempts, ..Found::default() })
}

/// A run as it was written, and as JSON has it.
fn saved(phase: InstallPhase) -> Value {
    let plan = a_plan(phase);
    let found: Vec<Option<Found>> = plan.steps.iter().map(found_of).collect();
    let context = Context {
        host: local::host(),
        catalogue: Catalogue::profile("i-vertix").unwrap().identity,
        started_at: "2026-11-23T13:37:12Z".to_owned(),
        took: Duration::ZERO,
        strict: false,
        interrupted: false,
    };
    serde_json::to_value(Report::new(plan, found, context)).unwrap()
}

fn judged_again(saved: &Value) -> Vec<Result<Value, String>> {
    let report: Report = serde_json::from_value(saved.clone()).unwrap();
    let steps = Run::read(report, WordsFrom::Anybodys).judged().steps.into_iter();
    steps
        .map(|step| match step.unread {
            Some(reason) => Err(reason),
            None => Ok(serde_json::to_value(step).unwrap()),
        })
        .collect()
}

fn steps(saved: &mut Value) -> &mut Vec<Value> {
    saved["steps"].as_array_mut().unwrap()
}

fn step_of<'a>(saved: &'a mut Value, flow: &str) -> &'a mut Value {
    steps(saved).iter_mut().find(|step| step["flow"] == flow).unwrap()
}

/// Each step's flow, its cause or first concern, and whether another explains it.
fn codes(saved: &Value) -> Vec<(&str, &str, bool)> {
    let steps = saved["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let (cause, concern) = (&step["cause"]["code"], &step["concerns"][0]["code"]);
            let code = cause.as_str().or(concern.as_str()).unwrap_or_default();
            (step["flow"].as_str().unwrap(), code, step["because_of"].is_string())
        })
        .collect()
}

#[test]
fn a_run_judged_again_by_the_same_rules_comes_to_the_same() {
    for phase in [InstallPhase::Before, InstallPhase::After] {
        let mut saved = saved(phase);
        let again: Vec<Value> = judged_again(&saved).into_iter().map(Result::unwrap).collect();
        assert_eq!(&again, steps(&mut saved));
    }
}

#[test]
fn that_run_has_every_way_of_deciding_a_step() {
    assert_eq!(
        codes(&saved(InstallPhase::Before)),
        [
            ("central.ntp", "path-rejected", false),
            ("central.dns", "dns-tcp-only", false),
            ("central.smtp", "smtp-slow-greeting", false),
            ("central.ldap", "ldap-no-starttls", false),
            ("central.proxy", "port-closed", false),
            ("central.http", "proxy-unreachable", true),
            ("central.zmq", "found-on-other-port", false),
            ("central.ssh", "resolver-failed", true),
            ("poller.bbdo", "", false),
            ("central.gorgone-api", "path-open", false),
        ]
    );
    let after = saved(InstallPhase::After);
    assert_eq!(codes(&after).last(), Some(&("central.gorgone-api", "port-closed", false)));
}

/// An older version may have decided otherwise; what it saw is what counts.
#[test]
fn what_was_decided_then_does_not_count() {
    let original = saved(InstallPhase::After);
    let mut saved = original.clone();
    for step in steps(&mut saved).iter_mut().filter(|step| step["outcome"] == "fail") {
        if step["attempts"].is_array() {
            step["outcome"] = json!("pass");
            step["result"] = json!("all is well");
            step.as_object_mut().unwrap().retain(|name, _| name != "cause" && name != "because_of");
        }
    }
    let again: Vec<Value> = judged_again(&saved).into_iter().map(Result::unwrap).collect();
    assert_eq!(again, *steps(&mut original.clone()));
}

#[test]
fn what_cannot_be_read_is_named_and_leaves_the_others_alone() {
    let change = |flow: &str, pointer: &str, value: Value| {
        let mut saved = saved(InstallPhase::After);
        *step_of(&mut saved, flow).pointer_mut(pointer).unwrap() = value;
        let again = judged_again(&saved);
        assert_eq!(again.iter().filter(|step| step.is_err()).count(), 1, "{flow}{pointer}");
        again.into_iter().find_map(Result::err).unwrap()
    };
    let attempt = "/attempts/0/cause";
    for (flow, pointer, value, reason) in [
        ("central.ntp", "/attempts/1/cause/code", json!("gremlins"), "no cause called `gremlins`"),
        ("central.ntp", "/attempts/1/cause/code", json!(7), "no cause called ``"),
        (
            "central.ntp",
            "/attempts/1/cause/facts/by",
            json!("nobody"),
            "facts of `path-rejected`: inv",
        ),
        (
            "central.ntp",
            "/attempts/1/cause/facts/icmp/kind",
            json!(256),
            "facts of `path-rejected`: inv",
        ),
        (
            "central.ntp",
            "/attempts/1/cause/facts/icmp",
            json!([[]]),
            "facts of `path-rejected`: inv",
        ),
        ("central.ntp", "/attempts/1/outcome", json!("pass"), "and its cause do not fit"),
        ("central.ntp", "/attempts/1/address", json!("ntp"), "`ntp` is not an address"),
        ("central.ntp", "/attempts/1/source", json!("::g"), "`::g` is not an address"),
        (
            "central.dns",
            attempt,
            json!({ "code": "dns-tcp-only", "facts": {} }),
            "missing field `because`",
        ),
        ("central.ntp", "/target/ways/0/protocol", json!("gopher"), "no protocol called `gopher`"),
        ("central.ntp", "/target/ways/0/transports/0", json!("sctp"), "no transport called `sctp`"),
        ("central.ldap", "/attempts/1/concerns", json!([]), "were not saved"),
        ("central.ldap", "/attempts/1/concerns/0/code", json!("x"), "cannot read the concern of"),
        ("central.ssh", "/cause/facts/servers", json!(1e300), "facts of `resolver-failed`: inv"),
        ("central.ldap", "/attempts", json!([]), "nothing of what was seen was saved"),
    ] {
        let said = change(flow, pointer, value);
        assert!(said.contains(reason), "{flow}{pointer}: {said}");
    }
}

#[test]
fn what_follows_from_a_step_that_cannot_be_read_still_does() {
    let mut saved = saved(InstallPhase::After);
    step_of(&mut saved, "central.proxy")["attempts"][0]["cause"]["code"] = json!("gremlins");
    let before = step_of(&mut saved, "central.http")["because_of"].clone();
    let again = judged_again(&saved).into_iter().flatten();
    let behind = again.into_iter().find(|step| step["flow"] == "central.http").unwrap();
    assert_eq!(behind["because_of"], before);
}

/// Takes away what reports did not have at first.
fn as_at_first(value: &mut Value) {
    const LATER: [&str; 3] = ["look_at", "peer", "headline"];
    match value {
        Value::Object(facts) => {
            // A step's own concerns were always there, and the sentence of one cause.
            let is_step = facts.contains_key("flow");
            facts.retain(|name, value| match name.as_str() {
                "concerns" => is_step,
                "because" => value.is_string(),
                name => !LATER.contains(&name),
            });
            facts.values_mut().for_each(as_at_first);
        }
        Value::Array(values) => values.iter_mut().for_each(as_at_first),
        _ => {}
    }
}

#[test]
fn a_report_of_the_first_version_is_judged_as_far_as_it_goes() {
    let mut saved = saved(InstallPhase::After);
    as_at_first(&mut saved);
    let again = judged_again(&saved);
    let unread: Vec<&str> =
        again.iter().filter_map(|step| step.as_ref().err()).map(String::as_str).collect();
    assert_eq!(
        unread,
        [
            "it cannot read the facts of `dns-tcp-only`: missing field `because`",
            "the facts of the warning of 10.0.0.25:25 were not saved",
            "the facts of the warning of 10.0.0.6:389 were not saved",
            "it cannot read the facts of `proxy-unreachable`: missing field `because`",
        ]
    );
    for (step, saved) in again.iter().zip(steps(&mut saved)) {
        let Ok(step) = step else { continue };
        assert_eq!(step["cause"], saved["cause"], "{step:#}");
        assert_eq!(step["result"], saved["result"], "{step:#}");
    }
}
