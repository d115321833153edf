//! Tests: is each cause and concern had back from exactly what it serialises to?

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use strum::IntoEnumIterator;

use super::*;

/// A value of each type that a fact may have.
fn values() -> Vec<Value> {
    let icmp = json!({ "version": "6", "kind": 1, "code": 4 });
    vec![
        json!("10.0.0.5:5669"),
        json!("10.0.0.1"),
        json!("connect"),
        json!("udp"),
        json!("blackhole"),
        json!("own-reject"),
        json!("too-few-hops"),
        json!("reverse-path"),
        json!("ssh"),
        json!("some words"),
        json!(7),
        json!(true),
        json!(["one", "two"]),
        // What a server says, and a poller that is quiet.
        json!([{ "server": "10.0.0.53", "says": "no answer", "id": "2", "seconds": 7 }]),
        // A cause, and how a host answers; no ICMP message, as its code is no number.
        json!({
            "code": "path-rejected", "to": "[::1]:1", "by": "::2", "icmp": icmp,
            "answer": "rejected", "version": "6", "kind": 1,
        }),
        icmp,
    ]
}

/// The one of that code, with a value for each fact it asks for; optional ones stay out.
fn sample<T: DeserializeOwned>(code: &str) -> T {
    let mut facts = Map::from_iter([("code".to_owned(), json!(code))]);
    let mut untried: Vec<Value> = Vec::new();
    let mut last = String::new();
    loop {
        let refused = match serde_json::from_value(Value::Object(facts.clone())) {
            Ok(made) => return made,
            Err(refused) => refused.to_string(),
        };
        let missing = refused.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        if let Some((name, _)) = missing.filter(|(name, _)| !facts.contains_key(*name)) {
            (last, untried) = (name.to_owned(), values());
        }
        assert!(!untried.is_empty(), "no value fits `{last}` of {code}: {refused}");
        facts.insert(last.clone(), untried.remove(0));
    }
}

/// Holds for one that comes back as itself.
#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(one: &T) -> Value {
    let saved = serde_json::to_string(one).unwrap();
    let back: T = serde_json::from_str(&saved).unwrap_or_else(|error| panic!("{error}: {saved}"));
    assert_eq!(&back, one, "{saved}");
    serde_json::from_str(&saved).unwrap()
}

/// With each optional fact given that `saved` has as nothing.
fn filled<T: DeserializeOwned>(code: &str, saved: &Value) -> Vec<T> {
    let facts = saved.as_object().unwrap();
    let nothing = facts.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name);
    let with = |name: &String, value| {
        let mut facts = facts.clone();
        facts.insert(name.clone(), value);
        serde_json::from_value(Value::Object(facts))
    };
    nothing
        .map(|name| {
            let fits = values().into_iter().find_map(|value| with(name, value).ok());
            fits.unwrap_or_else(|| panic!("no value fits `{name}` of {code}"))
        })
        .collect()
}

#[test]
fn every_cause_comes_back_from_what_it_was_saved_as() {
    for code in Code::iter() {
        let name: &str = code.into();
        let cause: Cause = sample(name);
        assert_eq!(Code::from(&cause), code);
        let saved = comes_back(&cause);
        for cause in filled::<Cause>(name, &saved) {
            comes_back(&cause);
        }
    }
}

#[test]
fn every_concern_comes_back_from_what_it_was_saved_as() {
    for code in ConcernCode::iter() {
        let concern: Concern = sample(code.into());
        assert_eq!(ConcernCode::from(&concern), code);
        comes_back(&concern);
    }
}

#[test]
fn a_cause_within_a_cause_keeps_sentence_and_owner() {
    let by = IpAddr::from([10, 9, 0, 1]);
    let icmp = Icmp::V4 { kind: 3, code: 13 };
    let rejected = Cause::PathRejected { to: ([10, 0, 0, 53], 53).into(), by, icmp };
    let saved = comes_back(&Cause::DnsTcpOnly { udp: Box::new(rejected.clone()) });
    assert_eq!(saved["udp"], rejected.to_string());
    assert_eq!(saved["because"]["code"], "path-rejected");
    let back: Cause = serde_json::from_value(saved).unwrap();
    assert_eq!(back.owner(), Owner::Network { device: Some(by) });
}

#[test]
fn times_come_back_to_the_microsecond_and_no_impossible_ones() {
    for micros in [0, 1, 447, 4_000_123, 86_400_000_001] {
        comes_back(&Millis(std::time::Duration::from_micros(micros)));
    }
    for impossible in ["-1", "1e300", "null", "\"4 s\""] {
        assert!(serde_json::from_str::<Millis>(impossible).is_err(), "{impossible}");
    }
}
