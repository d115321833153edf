use std::path::Path;

use serde_json::{Value, json};

use super::told::told;
use super::*;
use crate::report::sample::{failing_at, judged, report, step};
use preflight_checks::samples;

fn redactor() -> Redactor {
    Redactor::new(RedactionKey::from([7; 32]))
}

/// As every command shows it: what was seen is redacted, and its sentences are made anew.
fn redacted(saved: &Report) -> Report {
    judged(&redactor().seen(saved.clone()))
}

/// A report with a name or an address of the site in every field that can hold one.
fn rich() -> Report {
    let mut bbdo = step("poller", "central", "central-paris.acme.example", "bbdo:5669/tcp", "fail");
    bbdo["id"] = json!("poller.bbdo@central-paris.acme.example");
    bbdo["place"] = json!("central-paris.acme.example");
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
    let report = redacted(&rich());
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
        let redacted = judged(&redactor.seen(saved.clone()));
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
    let (before, after) = (rich(), redacted(&rich()));
    assert_eq!(after.steps[0].flow, "poller.bbdo");
    assert!(after.steps[0].id.starts_with("poller.bbdo@n"), "{}", after.steps[0].id);
    assert_eq!(after.steps[1].because_of.as_ref(), Some(&after.steps[0].id));
    // Judged again, a step of a table that everybody has says why in the table's words.
    assert_eq!(redactor().seen(rich()).steps[0].why, before.steps[0].why);
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
    let report = redacted(&rich());
    let step = &report.steps[0];
    let host = &step.target.as_ref().unwrap().host;
    assert!(step.id.ends_with(host.as_str()));
    let cause = step.cause.as_ref().unwrap();
    let device = cause.device().unwrap().to_string();
    assert_eq!(step.result.split(' ').nth(2), Some(device.as_str()));
    assert!(cause.remedy.who.ends_with(&device), "{}", cause.remedy.who);
    // Another report, the same key: the same stand-ins.
    assert_eq!(redacted(&rich()).steps[0].id, step.id);
    let other = Redactor::new(RedactionKey::from([8; 32])).seen(rich());
    assert_ne!(other.steps[0].id, step.id);
}

#[test]
fn an_id_is_made_anew_of_its_parts() {
    let customs = &redacted(&rich()).steps[1];
    assert_eq!(customs.id, format!("{}@{}", customs.flow, customs.place.as_ref().unwrap()));
    // What an id says beside its parts is nobody's to read.
    let mut report = rich();
    report.steps[0].place = None;
    report.steps[1].because_of = Some(report.steps[0].id.clone());
    let seen = redacted(&report);
    assert!(!seen.steps[0].id.contains("bbdo"), "{}", seen.steps[0].id);
    assert_eq!(seen.steps[1].because_of.as_ref(), Some(&seen.steps[0].id));
}

#[test]
fn the_owner_of_the_key_learns_what_stands_for_what() {
    let mut redactor = redactor();
    let report = redactor.seen(rich());
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
    site.add(&judged(&redactor.seen(asks)));
    site.add(&judged(&redactor.seen(central)));
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
    let redacted = redacted(&saved);
    let text = serde_json::to_string(&redacted).unwrap();
    assert!(!text.contains("kronos") && !text.contains("Zenobia"), "{text}");
    assert_eq!(redacted.steps[0].evidence["banner"], "220, 28 characters");
    assert_eq!(redacted.steps[0].attempts[0].headline, "220, 28 characters, TLS 1.3");
    assert_eq!(redacted.steps[1].result, "skipped: 16 characters");
    let mut keeping = Redactor::new(RedactionKey::from([7; 32]).keeping_text(true));
    let text = serde_json::to_string(&keeping.seen(saved)).unwrap();
    assert!(text.contains("kronos") && text.contains("Zenobia"), "{text}");
}

/// Whatever a cause quotes of a peer, as text or as bytes, none of it is left.
#[test]
fn no_cause_keeps_a_peers_words_or_bytes() {
    const WORDS: &str = "kronos of Zenobia";
    const BYTES: &str = "21 bytes: 00 6b 72 6f 6e 6f 73";
    for cause in samples::causes() {
        let mut coded = cause.coded();
        for (field, fact) in &mut coded.facts {
            if fact.is_string() && told(&coded.code, field) == Some(TextKind::Words) {
                *fact = json!(if field == "head" { BYTES } else { WORDS });
            }
        }
        let Ok(cause) = preflight_checks::Cause::try_from(coded) else { continue };
        let asked = step("poller", "central", "10.0.0.5", "bbdo:5669/tcp", "fail");
        let step = failing_at(asked, "10.2.0.7", "10.0.0.5:5669", &cause);
        let saved = report("poller-paris", "poller", "10.2.0.7", &[step]);
        let redacted = redacted(&saved);
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
    let report = redacted(&report);
    let json = serde_json::to_string(&report.host).unwrap();
    assert!(!json.contains("lyon") && !json.contains("globex"), "{json}");
}

/// The names of the texts among the facts of a cause or concern, those within others too, each with the code it is of.
fn texts(code: &str, name: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(_) => found.push((code.to_owned(), name.to_owned())),
        Value::Array(items) => items.iter().for_each(|item| texts(code, name, item, found)),
        Value::Object(map) => {
            let code = map.get("code").and_then(Value::as_str).unwrap_or(code);
            map.iter().for_each(|(name, value)| texts(code, name, value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn of_every_text_of_a_cause_it_is_known_what_it_is() {
    let causes = samples::causes().into_iter().map(|cause| cause.coded());
    let concerns = samples::concerns().into_iter().map(|concern| concern.coded());
    let mut found = Vec::new();
    for coded in causes.chain(concerns) {
        texts(&coded.code, "", &json!(coded.facts), &mut found);
    }
    found.retain(|(code, name)| told(code, name).is_none());
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "say in `told` what they are: {found:#?}");
}

/// Every fact that a probe sets by name. Numbers need none: they name nobody.
#[test]
fn of_every_fact_of_a_probe_it_is_known_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders =
        vec![root.join("checks/src"), root.join("src/far_side"), root.join("src/run")];
    let mut unknown = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for set in product.split("evidence.set(\"").skip(1) {
                let (name, value) = set.split_once('"').unwrap();
                let is_number = ["_ms", "_status", "_boots", "_version", "_packet", "_result"];
                let is_number = is_number.iter().any(|end| name.ends_with(end));
                let is_text = value.split(';').next().unwrap_or_default().contains("as_str");
                if told("", name).is_none() && !is_number && is_text {
                    unknown.push(format!("{name} in {}", path.display()));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "say in `told` what they are: {unknown:#?}");
}

/// What a later version saw, or a probe that nobody has told this of: it may be anything.
#[test]
fn a_fact_that_nobody_knows_is_a_strangers_words() {
    let mut relay = step("poller", "smtp", "10.0.0.7", "smtp:25/tcp", "pass");
    relay["evidence"] = json!({ "mood": "kronos of Zenobia", "heard": "kronos", "up": true });
    relay["attempts"] = json!([{
        "address": "10.0.0.7:25", "protocol": "smtp", "outcome": "pass", "timings": {},
        "evidence": { "grpc_message": "kronos", "poller_kronos_type": "zmq" },
    }]);
    let saved = report("kronos", "poller", "10.2.0.7", &[relay]);
    let redacted = redacted(&saved);
    let text = serde_json::to_string(&redacted).unwrap();
    assert!(!text.contains("kronos") && !text.contains("Zenobia"), "{text}");
    assert_eq!(redacted.steps[0].evidence["mood"], "17 characters");
    assert_eq!(redacted.steps[0].evidence["up"], true);
}

/// An output of the broker, a stream, a poller: names that no host need have.
#[test]
fn what_a_mistake_names_gets_stand_ins() {
    for (code, facts) in [
        (
            "broker-sends-to-itself",
            json!({ "output": "zenobia-out", "host": "kronos", "at": "/etc/kronos.json:7" }),
        ),
        ("gorgone-port-is-ssh", json!({ "machine": "kronos", "at": "/etc/kronos.yaml:3" })),
        ("proxy-with-scheme", json!({ "entered": "http://kronos:3128", "at": "/etc/zenobia" })),
    ] {
        let mut local = step("poller", "poller", "x", "bbdo:5669/tcp", "fail");
        local["direction"] = json!("local");
        local["flow"] = json!(format!("config.{code}"));
        local["place"] = facts["at"].clone();
        local["id"] = json!(format!("config.{code}@{}", facts["at"].as_str().unwrap()));
        local["cause"] = json!({
            "code": code, "facts": facts, "layer": "configuration", "owner": "this-host",
            "message": "kronos", "remedy": { "who": "kronos", "text": "kronos" },
        });
        local.as_object_mut().unwrap().remove("target");
        let saved = report("poller-paris", "poller", "10.2.0.7", &[local]);
        let redacted = redacted(&saved);
        assert_eq!(redacted.steps[0].unread, None);
        assert_eq!(redacted.steps[0].code(), code);
        let text = serde_json::to_string(&redacted).unwrap();
        assert!(!text.contains("kronos"), "{text}");
        if code == "broker-sends-to-itself" {
            assert!(!text.contains("zenobia"), "{text}");
        }
    }
}
