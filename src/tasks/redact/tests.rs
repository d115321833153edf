use serde_json::json;

use super::*;
use crate::report::sample::{failing_at, judged, report, step};
use preflight_checks::samples;

fn redactor() -> Redactor {
    Redactor::new(RedactionKey::from([7; 32]))
}

/// A report with a name or an address of the site in every field that can hold one.
fn rich() -> Report {
    let mut bbdo = step("poller", "central", "central-paris.acme.example", "bbdo:5669/tcp", "fail");
    bbdo["id"] = json!("poller.bbdo@central-paris.acme.example");
    bbdo["through_vpn"] = json!("vpn.acme.example");
    bbdo["group"] = json!("10.20.30.0/24");
    bbdo["target"]["origin"] =
        json!({ "kind": "file", "file": "/etc/centreon-broker/poller-paris.json", "line": 34 });
    bbdo["result"] =
        json!("rejected by 10.9.0.1 (ICMP 3/13); 2001:db8:5::7: no answer, see central-paris.");
    bbdo["cause"] = json!({
        "code": "path-rejected", "layer": "path", "owner": "network", "device": "10.9.0.1",
        "message": "rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)",
        "facts": {
            "to": "[2001:db8:5::7]:5669", "by": "10.9.0.1",
            "icmp": { "version": "4", "kind": 3, "code": 13 },
        },
        "remedy": {
            "who": "network team, device 10.9.0.1",
            "text": "allow TCP 5669 from 10.2.0.7 to 10.0.0.5; dig @10.0.0.53 central-paris.acme.example",
        },
    });
    bbdo["concerns"] =
        json!([{ "code": "x", "message": "10.0.0.5:5669 of central-paris is slow" }]);
    bbdo["evidence"] = json!({
        "banner": "relay-paris ESMTP Postfix",
        "hello_reply": "250 relay-paris.acme.example",
        "sys_descr": "Linux switch-paris 5.10.0 #1 SMP",
        "sys_name": "switch-paris",
        "certificate_subject": "CN=relay-paris.acme.example,O=Acme Paris SA,C=FR",
        "certificate_names": ["*.acme.example", "relay-paris"],
        "redirect": "https://portal.acme.example/paris/login?from=10.2.0.7",
        "contact": "noc.paris@acme.example",
        "root_dse": ["dc=acme,dc=example"],
        "engine_id": "80001f88040a020007",
        "says": "gateway 00:11:22:33:44:55 of fe80::acme%eth0 at [fd00:2::7]:443",
        "refid": "10.0.0.3",
    });
    bbdo["attempts"] = json!([{
        "address": "[2001:db8:5::7]:5669", "protocol": "bbdo", "source": "2001:db8:2::7",
        "outcome": "fail",
        "cause": {
            "code": "path-rejected",
            "facts": {
                "to": "[2001:db8:5::7]:5669", "by": "10.9.0.1",
                "icmp": { "version": "4", "kind": 3, "code": 13 },
            },
        },
        "evidence": { "url": "https://user-paris:x@central-paris.acme.example:8443/" }, "timings": {},
    }]);
    let mut own = step("custom", "erp-paris", "10.0.0.9", "tcp:1521/tcp", "fail");
    own["id"] = json!("custom.erp-paris@10.0.0.9");
    own["flow"] = json!("custom.erp-paris");
    own["because_of"] = json!("poller.bbdo@central-paris.acme.example");
    let mut report = report("poller-paris", "poller", "10.2.0.7", &[bbdo, own]);
    report.host.addresses.push("2001:db8:2::7".parse().unwrap());
    report.root = Some("/home/jean-paris/copy".to_owned());
    report.summary.reasons = vec!["poller.bbdo (rejected by 10.9.0.1)".to_owned()];
    report.notes = vec![crate::report::NoteReport {
        file: "/etc/hosts".to_owned(),
        line: Some(7),
        reason: "10.0.0.256 central-paris is not an address".to_owned(),
        missing: "the address of central-paris".to_owned(),
    }];
    report
}

#[test]
fn nothing_of_the_site_survives_in_any_field() {
    let report = redactor().report(&rich()).unwrap();
    let json = serde_json::to_string_pretty(&report).unwrap();
    for original in [
        "paris",
        "acme",
        "Acme",
        "10.2.0.7",
        "10.9.0.1",
        "10.0.0.",
        "10.20.30",
        "2001:db8:",
        "db8",
        "00:11:22",
        "fd00:2",
        "80001f88",
        "jean",
        "user-",
        "noc.",
    ] {
        // Only the invalid address of a sentence stays: it is none.
        let found: Vec<&str> = json
            .lines()
            .filter(|line| line.contains(original) && !line.contains("10.0.0.256"))
            .collect();
        assert!(found.is_empty(), "{original}: {found:#?}");
    }
    assert!(report.redacted);
}

/// The sentences of a redacted report are made from its facts: all of these have to be read again.
#[test]
fn whatever_a_step_fails_for_it_is_the_same_when_it_was_redacted() {
    for why in samples::causes() {
        let asked =
            step("poller", "central", "central-paris.acme.example", "bbdo:5669/tcp", "fail");
        let step = failing_at(asked, "10.2.0.7", "10.0.0.5:5669", &why);
        let saved = report("poller-paris", "poller", "10.2.0.7", &[step]);
        let mut redactor = redactor();
        let redacted = judged(&redactor.report(&saved).unwrap());
        assert_eq!(redacted.steps[0].unread, None, "{why:?}");
        assert_eq!(redacted.steps[0].code(), judged(&saved).steps[0].code(), "{why:?}");
        let page = serde_json::to_string(&redacted).unwrap();
        for original in ["10.2.0.7", "paris"] {
            assert!(!page.contains(original), "{original} of {why:?}: {page}");
        }
        for (stand_in, original) in redactor.made() {
            assert_ne!(stand_in, original);
        }
    }
}

#[test]
fn what_is_ours_stays() {
    let (before, after) = (rich(), redactor().report(&rich()).unwrap());
    assert_eq!(after.steps[0].flow, "poller.bbdo");
    assert!(after.steps[0].id.starts_with("poller.bbdo@n"), "{}", after.steps[0].id);
    assert_eq!(after.steps[1].because_of.as_ref(), Some(&after.steps[0].id));
    assert_eq!(after.steps[0].why, before.steps[0].why);
    assert_eq!(after.started_at, before.started_at);
    let cause = after.steps[0].cause.as_ref().unwrap();
    assert_eq!(cause.why.code(), "path-rejected");
    assert!(cause.message.ends_with(" (ICMP 3/13, administratively prohibited)"));
    let origin = after.steps[0].target.as_ref().unwrap().origin.to_string();
    assert!(
        origin.starts_with("/etc/centreon-broker/") && origin.ends_with(".json:34"),
        "{origin}"
    );
    assert_eq!(
        after.steps[0].evidence["certificate_subject"].as_str().unwrap().matches("C=FR").count(),
        1
    );
}

#[test]
fn one_host_has_one_stand_in_everywhere() {
    let report = redactor().report(&rich()).unwrap();
    let step = &report.steps[0];
    let host = &step.target.as_ref().unwrap().host;
    let (first, _) = host.split_once('.').unwrap();
    assert!(step.id.ends_with(host.as_str()));
    assert!(step.result.contains(first), "{}", step.result);
    let cause = step.cause.as_ref().unwrap();
    assert!(cause.remedy.text.ends_with(host.as_str()), "{}", cause.remedy.text);
    let device = cause.device().unwrap().to_string();
    assert_eq!(step.result.split(' ').nth(2), Some(device.as_str()));
    // Another report, the same key: the same stand-ins.
    assert_eq!(redactor().report(&rich()).unwrap().steps[0].id, step.id);
    let other = Redactor::new(RedactionKey::from([8; 32])).report(&rich()).unwrap();
    assert_ne!(other.steps[0].id, step.id);
}

#[test]
fn the_owner_of_the_key_learns_what_stands_for_what() {
    let mut redactor = redactor();
    let report = redactor.report(&rich()).unwrap();
    let made = redactor.made();
    assert_eq!(made[&report.host.name], "poller-paris");
    assert_eq!(made[&report.host.addresses[0].to_string()], "10.2.0.7");
    assert_eq!(made[&report.steps[0].target.as_ref().unwrap().host], "central-paris.acme.example");
}

#[test]
fn an_address_with_leading_zeros_is_a_targets_name() {
    let mut redactor = redactor();
    let shown = redactor.typed("http://10.20.030.4:3128");
    assert!(!shown.contains("030"), "{shown}");
    assert!(!redactor.text("no answer of 10.20.030.4").contains("030"));
}

#[test]
fn words_and_public_names_stay() {
    let mut redactor = redactor();
    for text in [
        "no answer within 4.0 s; ss -ltnp 'sport = :5669'",
        "works; TLS 1.3, OpenSSH_9.2p1, version 0.5.2.41",
        "poller.bbdo (nothing listens on 127.0.0.1:5669), and with it central.zmq",
        "https://packages.centreon.com/ and api.portal.i-vertix.cloud:443",
        "preflight explain path-rejected; docs/causes.md; systemctl status cbd",
        "ICMP 3/13, 1.3.6.1.2.1, 2026-11-23T13:37:12Z, [::1]:53, *:162/udp, 0.0.0.0",
        "grep external_com /etc/centreon-gorgone/config.d/*.yaml",
    ] {
        assert_eq!(redactor.text(text), text);
    }
}

#[test]
fn redacted_reports_merge_as_the_originals_do() {
    let asks = report(
        "poller-1",
        "poller",
        "10.2.0.7",
        &[step("poller", "central", "main.acme.example", "bbdo:5669/tcp", "pass")],
    );
    let central = report("main", "central", "10.0.0.5", &[]);
    let mut redactor = redactor();
    let mut site = crate::tasks::matrix::MatrixSite::default();
    site.add(&redactor.report(&asks).unwrap());
    site.add(&redactor.report(&central).unwrap());
    let matrix = site.matrix();
    assert!(matrix.cells[0].machine, "{matrix:#?}");
}

/// With a name of one word in every fact that holds a peer's own words, and in bytes.
#[test]
fn a_strangers_own_words_become_their_code_and_length() {
    let mut relay = step("poller", "smtp", "10.0.0.7", "smtp:25/tcp", "pass");
    relay["result"] = json!("220 kronos ESMTP…, TLS 1.3");
    relay["evidence"] = json!({ "banner": "220 kronos ESMTP for Zenobia", "via": "1.1 kronos" });
    relay["attempts"] = json!([{
        "address": "10.0.0.7:25", "protocol": "smtp", "outcome": "pass",
        "headline": "220 kronos ESMTP…, TLS 1.3",
        "evidence": { "banner": "220 kronos ESMTP for Zenobia" }, "timings": {},
    }]);
    let mut left_out = step("poller", "ldap", "10.0.0.8", "ldap:389/tcp", "skip");
    left_out["result"] = json!("skipped: Zenobia has none");
    let saved = report("poller-paris", "poller", "10.2.0.7", &[relay, left_out]);
    let redacted = redactor().report(&saved).unwrap();
    let text = serde_json::to_string(&redacted).unwrap();
    assert!(!text.contains("kronos") && !text.contains("Zenobia"), "{text}");
    assert_eq!(redacted.steps[0].evidence["banner"], "220, 28 characters");
    assert_eq!(redacted.steps[0].attempts[0].headline, "220, 28 characters, TLS 1.3");
    assert_eq!(redacted.steps[1].result, "skipped: 16 characters");
    let mut keeping = Redactor::new(RedactionKey::from([7; 32]).keeping_text(true));
    let text = serde_json::to_string(&keeping.report(&saved).unwrap()).unwrap();
    assert!(text.contains("kronos") && text.contains("Zenobia"), "{text}");
}

/// Whatever a cause quotes of a peer, as text or as bytes, none of it is left.
#[test]
fn no_cause_keeps_a_peers_words_or_bytes() {
    const WORDS: &str = "kronos of Zenobia";
    const BYTES: &str = "21 bytes: 00 6b 72 6f 6e 6f 73";
    for cause in samples::causes() {
        let mut value = serde_json::to_value(&cause).unwrap();
        let Some(facts) = value.get_mut("facts").and_then(Value::as_object_mut) else { continue };
        for (field, fact) in facts.iter_mut() {
            if fact.is_string() && free::is_free(field, WORDS) {
                *fact = json!(if field == "head" { BYTES } else { WORDS });
            }
        }
        let Ok(cause) = serde_json::from_value::<preflight_checks::Cause>(value) else { continue };
        let asked = step("poller", "central", "10.0.0.5", "bbdo:5669/tcp", "fail");
        let step = failing_at(asked, "10.2.0.7", "10.0.0.5:5669", &cause);
        let saved = report("poller-paris", "poller", "10.2.0.7", &[step]);
        let redacted = judged(&redactor().report(&saved).unwrap());
        let page = serde_json::to_string(&redacted).unwrap();
        for words in ["kronos", "Zenobia", "6b 72 6f"] {
            assert!(!page.contains(words), "{words} of {cause:?}: {page}");
        }
    }
}

/// No host's name has such characters, so that none of its words was known for one.
#[test]
fn an_odd_name_of_the_machine_gets_a_stand_in_too() {
    let mut report = rich();
    report.host.name = "lyon (spare) globex".to_owned();
    let report = redactor().report(&report).unwrap();
    let json = serde_json::to_string(&report.host).unwrap();
    assert!(!json.contains("lyon") && !json.contains("globex"), "{json}");
}
