//! Facts of a saved report as a reader wants them: units, words, a line for each hop.

use std::time::Duration;

use preflight_checks::{Cause, Hop, HostAnswer, Icmp, Millis, Opinion, span};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::report::Readable;

/// A name and its lines: `rtt_ms` is "rtt" and "0.447 ms".
pub(super) fn lines(name: &str, value: &Value) -> (String, Vec<String>) {
    let units = [("_ms", "ms"), ("_days", "days")];
    let unit = units.iter().find_map(|(end, unit)| Some((name.strip_suffix(end)?, *unit)));
    match unit.filter(|_| value.is_number()) {
        Some((name, "ms")) => (words(name), vec![millis(value)]),
        Some((name, unit)) => (words(name), vec![format!("{value} {unit}")]),
        None => (words(name), texts(name, value)),
    }
}

/// Phases in the order they came: "resolve 1.5 ms, connect 0.2 ms".
pub(super) fn timings(timings: &Map<String, Value>) -> String {
    const ORDER: [&str; 5] = ["resolve_ms", "connect_ms", "tls_ms", "protocol_ms", "total_ms"];
    let known = ORDER.iter().filter_map(|name| timings.get_key_value(*name));
    let others = timings.iter().filter(|(name, _)| !ORDER.contains(&name.as_str()));
    let phases = known.chain(others).map(|(name, value)| {
        let (name, lines) = lines(name, value);
        format!("{name} {}", lines.join(" "))
    });
    phases.collect::<Vec<_>>().join(", ")
}

fn words(name: &str) -> String {
    match name {
        "head" => "first bytes".to_owned(),
        name => name.replace('_', " "),
    }
}

/// As a person says it; what is shorter than a millisecond stays exact, and a
/// negative number is a difference.
fn millis(value: &Value) -> String {
    match serde_json::from_value::<Millis>(value.clone()) {
        Ok(Millis(long)) if long >= LONG => span(long.as_secs()),
        Ok(span) if value.as_f64().is_some_and(|number| number >= 1.0) => span.to_string(),
        _ => format!("{value} ms"),
    }
}

/// From here on a time is said in minutes, hours or days.
const LONG: Duration = Duration::from_secs(120);

/// A cause or concern: its code and, when this version can read it, its sentence.
pub(super) fn title<T: ToString>(saved: &Readable<T>, code: fn(&T) -> &'static str) -> String {
    match saved {
        Readable::Known(known) => format!("{}: {}", code(known), known.to_string()),
        Readable::Unread(saved) => text("code", saved.get("code").unwrap_or(&Value::Null)),
    }
}

/// The facts of a cause or concern, without what its sentence says already.
pub(super) fn of_cause(saved: &impl Serialize) -> Vec<(String, Vec<String>)> {
    let Ok(saved) = serde_json::to_value(saved) else { return Vec::new() };
    let facts = saved.get("facts").and_then(Value::as_object).into_iter().flatten();
    let rest = facts.filter(|(name, value)| !(*name == "because" && value.is_object()));
    rest.map(|(name, value)| lines(name, value)).collect()
}

/// A list of sentences has a line for each; one of names shares lines.
fn texts(name: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| text(name, item)).collect();
            let are_names = items.iter().all(|item| !item.contains(' '));
            if are_names { vec![items.join(", ")] } else { items }
        }
        other => vec![text(name, other)],
    }
}

fn text(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) => texts(name, value).join("; "),
        Value::Object(facts) => sentence(name, value).unwrap_or_else(|| pairs(facts)),
    }
}

/// The sentence of a fact that has one of its own: a fact of one name is of one type.
fn sentence(name: &str, value: &Value) -> Option<String> {
    match name {
        "icmp" => as_one::<Icmp>(value),
        "alive" => as_one::<HostAnswer>(value),
        "servers" => as_one::<Opinion>(value),
        "path" => as_one::<Hop>(value),
        "because" | "cause" => as_one::<Cause>(value),
        _ => None,
    }
}

fn as_one<T: DeserializeOwned + ToString>(value: &Value) -> Option<String> {
    serde_json::from_value::<T>(value.clone()).ok().map(|one| one.to_string())
}

fn pairs(facts: &Map<String, Value>) -> String {
    let pairs = facts.iter().map(|(name, value)| {
        let (name, lines) = lines(name, value);
        format!("{name} {}", lines.join("; "))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use preflight_checks::samples;
    use serde_json::json;

    #[test]
    fn facts_are_said_with_their_units_and_in_words() {
        let icmp = json!({ "version": "4", "kind": 3, "code": 13 });
        for (name, value, shown, lines_shown) in [
            ("rtt_ms", json!(0.447), "rtt", vec!["0.447 ms"]),
            ("waited_ms", json!(4000), "waited", vec!["4.0 s"]),
            ("offset_ms", json!(-3), "offset", vec!["-3 ms"]),
            ("uptime_ms", json!(345_600_000), "uptime", vec!["4 days"]),
            ("days", json!(9), "days", vec!["9"]),
            ("host_key_algorithms", json!(["a", "b"]), "host key algorithms", vec!["a, b"]),
            (
                "path",
                json!([{ "hop": 1, "address": "::1", "rtt_ms": 20 }, { "hop": 2 }]),
                "path",
                vec!["1 ::1 20 ms", "2 -"],
            ),
            ("head", json!("3 bytes: 00 01 02"), "first bytes", vec!["3 bytes: 00 01 02"]),
            ("edns", json!(true), "edns", vec!["yes"]),
            ("user", json!(null), "user", vec!["none"]),
            ("icmp", icmp, "icmp", vec!["ICMP 3/13, administratively prohibited"]),
            ("alive", json!({ "answer": "ping" }), "alive", vec!["it answers ping"]),
            ("x", json!({ "a_b": [1, { "c": 2 }] }), "x", vec!["a b 1; c 2"]),
        ] {
            let lines_shown: Vec<String> = lines_shown.into_iter().map(str::to_owned).collect();
            assert_eq!(lines(name, &value), (shown.to_owned(), lines_shown));
        }
    }

    #[test]
    fn every_fact_with_a_sentence_of_its_own_is_known_by_its_name() {
        let causes =
            samples::causes().into_iter().map(|cause| serde_json::to_value(cause).unwrap());
        let concerns =
            samples::concerns().into_iter().map(|one| serde_json::to_value(one).unwrap());
        let mut met = BTreeSet::new();
        for coded in causes.chain(concerns) {
            let facts = coded.get("facts").and_then(Value::as_object).into_iter().flatten();
            for (name, value) in facts {
                let values = value.as_array().map_or(vec![value], |items| items.iter().collect());
                for value in values.into_iter().filter(|value| value.is_object()) {
                    let readings = [
                        as_one::<Icmp>(value),
                        as_one::<HostAnswer>(value),
                        as_one::<Opinion>(value),
                        as_one::<Cause>(value),
                    ];
                    let said: Vec<String> = readings.into_iter().flatten().collect();
                    assert!(said.len() < 2, "{name} is of two types: {value}");
                    assert_eq!(sentence(name, value), said.first().cloned(), "{name}: {value}");
                    met.extend(said.first().map(|_| name.clone()));
                }
            }
        }
        assert_eq!(
            met.into_iter().collect::<Vec<_>>(),
            ["alive", "because", "cause", "icmp", "servers"]
        );
    }

    #[test]
    fn phases_come_in_the_order_of_a_connection() {
        let Value::Object(unordered) =
            json!({ "total_ms": 2.0, "later_ms": 1, "tls_ms": 3.25, "resolve_ms": 0.2 })
        else {
            panic!("it is an object")
        };
        assert_eq!(timings(&unordered), "resolve 0.2 ms, tls 3.2 ms, total 2.0 ms, later 1.0 ms");
    }
}
