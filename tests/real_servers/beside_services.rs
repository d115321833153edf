//! `--far-side` where the services are there already: sshd has port 22, snmptrapd has port 162. What comes to them is
//! seen beside them, and what was not seen is not claimed.

use serde_json::Value;

use crate::lab::{Lab, Node, servers};
use crate::pairing::{Caller, Paired, code_of, result, step};

const BOTH: [Caller; 2] = [Caller::Poller, Caller::Central];

fn report(lab: &Lab, caller: Caller) -> Value {
    let responder = caller.responder(lab);
    caller.run(lab, &responder.code)
}

/// What is proved of the row, wherever its code was given: here, or there.
fn seen_from<'a>(report: &'a Value, flow: &str) -> &'a Value {
    let evidence = &step(report, flow)["evidence"];
    let [here, there] = ["reached_from", "seen_there_as"].map(|fact| &evidence[fact]);
    if here.is_null() { there } else { here }
}

#[test]
fn the_way_to_a_real_service_is_proved_from_either_end_also_behind_translation() {
    for (rules, seen) in [
        ("", "10.0.0.3"),
        (
            "table ip translation { chain post { type nat hook postrouting priority 100; oif client tcp dport 22 masquerade\n }\n }",
            "10.2.0.1",
        ),
    ] {
        for caller in BOTH {
            let lab = Lab::new();
            servers::sshd_on(&lab, Node::Client);
            lab.nft(Node::Router, rules);
            let report = report(&lab, caller);
            let row = step(&report, "central.ssh");
            assert_eq!(row["outcome"], "pass", "{caller:?}: {row:#}");
            assert!(result(&report, "central.ssh").contains("proved end to end"), "{row:#}");
            assert_eq!(seen_from(&report, "central.ssh"), seen, "{caller:?}: {row:#}");
        }
    }
}

#[test]
fn each_fault_on_the_way_to_a_real_service_is_named_by_what_both_ends_saw() {
    let faults = [
        ("tcp dport 22 drop", "far-side-failed", "far-side-not-reached"),
        ("tcp sport 22 drop", "far-side-answers-lost", "far-side-answers-lost"),
    ];
    for (rule, by_poller, by_central) in faults {
        for (caller, cause) in [(Caller::Poller, by_poller), (Caller::Central, by_central)] {
            let lab = Lab::new();
            servers::sshd_on(&lab, Node::Client);
            lab.rule(Node::Router, "forward", rule);
            let report = report(&lab, caller);
            let row = step(&report, "central.ssh");
            assert_eq!(code_of(&report, "central.ssh"), cause, "{caller:?}, {rule}: {row:#}");
            assert!(seen_from(&report, "central.ssh").is_null(), "{caller:?}, {rule}: {row:#}");
            assert!(result(&report, "central.zmq").contains("proved end to end"), "{report:#}");
        }
    }
}

#[test]
fn who_answers_in_the_name_of_a_real_service_is_not_taken_for_it() {
    for caller in BOTH {
        let lab = Lab::new();
        servers::sshd_on(&lab, Node::Client);
        // It speaks SSH as well as the poller does.
        let _pretender = Paired::start(&lab, Node::Router, "poller");
        lab.nft(
            Node::Router,
            "table ip pretender {
                chain pre { type nat hook prerouting priority -100; ip daddr 10.2.0.7 tcp dport 22 redirect
                }
            }",
        );
        let report = report(&lab, caller);
        let row = step(&report, "central.ssh");
        assert_eq!(code_of(&report, "central.ssh"), "far-side-impersonated", "{caller:?}: {row:#}");
    }
}

#[test]
fn what_comes_to_a_running_snmptrapd_is_seen_beside_it() {
    for (rule, seen) in [("", "10.0.0.3"), ("udp dport 162 drop", "")] {
        let lab = Lab::new();
        servers::snmptrapd(&lab, Node::Client);
        if !rule.is_empty() {
            lab.rule(Node::Router, "forward", rule);
        }
        let report = report(&lab, Caller::Poller);
        let row = step(&report, "poller.trap");
        let from = row["evidence"]["mark_from"].as_str().unwrap_or_default();
        assert_eq!(from, seen, "{rule}: {row:#}");
        assert_eq!(row["outcome"], "pass", "{rule}: {row:#}");
        let says = result(&report, "poller.trap");
        let came = "a packet of the central came to UDP 162, from 10.0.0.3";
        assert_eq!(says.contains(came), rule.is_empty(), "{says}");
    }
}
