//! One of each cause and concern, for tests that must hold for all of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use strum::IntoEnumIterator;

use super::{Cause, Concern, ConcernCode};

/// Every cause, at least once; those with optional facts with and without them.
///
/// # Panics
///
/// When a fact has a type that no value here fits.
#[must_use]
pub fn causes() -> Vec<Cause> {
    Cause::codes().flat_map(each::<Cause>).collect()
}

/// Every concern, at least once.
///
/// # Panics
///
/// When a fact has a type that no value here fits.
#[must_use]
pub fn concerns() -> Vec<Concern> {
    ConcernCode::iter().flat_map(|code| each::<Concern>(code.into())).collect()
}

fn each<T: Serialize + DeserializeOwned>(code: &str) -> Vec<T> {
    let bare: T = bare(code);
    let filled = filled(code, &bare);
    std::iter::once(bare).chain(filled).collect()
}

/// The one of that code, with a value for each fact it asks for; optional ones stay out.
fn bare<T: DeserializeOwned>(code: &str) -> T {
    let mut facts = Map::new();
    let mut untried: Vec<Value> = Vec::new();
    let mut last = String::new();
    loop {
        let refused = match made(code, facts.clone()) {
            Ok(made) => return made,
            Err(refused) => refused.to_string(),
        };
        let missing = refused.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        let is_new = |name: &str| name != "code" && !facts.contains_key(name);
        if let Some((name, _)) = missing.filter(|(name, _)| is_new(name)) {
            (last, untried) = (name.to_owned(), values());
        }
        assert!(!untried.is_empty(), "no value fits `{last}` of {code}: {refused}");
        facts.insert(last.clone(), untried.remove(0));
    }
}

/// The one of that code with those facts; one without facts has none to be named.
fn made<T: DeserializeOwned>(code: &str, facts: Map<String, Value>) -> serde_json::Result<T> {
    let mut one = Map::from_iter([("code".to_owned(), code.into())]);
    if !facts.is_empty() {
        one.insert("facts".to_owned(), Value::Object(facts));
    }
    serde_json::from_value(Value::Object(one))
}

/// The same, once for each optional fact, with that fact.
fn filled<T: Serialize + DeserializeOwned>(code: &str, bare: &T) -> Vec<T> {
    let Ok(bare) = serde_json::to_value(bare) else { return Vec::new() };
    let Some(facts) = bare.get("facts").and_then(Value::as_object) else { return Vec::new() };
    let with = |name: &String, value| {
        let mut facts = facts.clone();
        facts.insert(name.clone(), value);
        made(code, facts)
    };
    let optional = facts.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name);
    optional
        .filter_map(|name| {
            let fits = values().into_iter().find_map(|value| with(name, value).ok());
            assert!(fits.is_some(), "no value fits `{name}` of {code}");
            fits
        })
        .collect()
}

/// A value of each type that a fact may have.
fn values() -> Vec<Value> {
    let icmp = json!({ "version": "6", "kind": 1, "code": 4 });
    vec![
        json!("10.0.0.5:5669"),
        json!("10.0.0.1"),
        json!("connect"),
        json!("udp"),
        json!("blackhole"),
        json!("broadcast"),
        json!("loop"),
        json!("own-reject"),
        json!("not-ours"),
        json!("no-carrier"),
        json!("too-few-hops"),
        json!("reverse-path"),
        json!("key-exchange"),
        json!("intermediate"),
        json!("ssh"),
        json!("no-name"),
        json!("nftables"),
        json!("dropped"),
        json!("set-long-ago"),
        json!("some words"),
        json!(7),
        json!(true),
        json!(["one", "two"]),
        json!([40_000, 40_001]),
        // What a server says, a poller that is quiet, and a tunnel.
        json!([{ "server": "10.0.0.53", "says": "no answer", "id": "2", "last_pong_ms": 7,
            "interface": "tun0", "is_up": true }]),
        // A cause, how a host answers, and an entry of the routing table; no ICMP message, as its
        // code is not a number.
        json!({
            "code": "path-rejected", "facts": { "to": "[::1]:1", "by": "::2", "icmp": icmp },
            "icmp": icmp,
            "answer": "rejected", "version": "6", "kind": 1,
            "network": "10.0.0.0", "length": 8, "interface": "eth0", "is_own": true,
        }),
        icmp,
    ]
}
