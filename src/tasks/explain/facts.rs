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
        None => (words(name), texts(value)),
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
        Readable::Unread(saved) => text(saved.get("code").unwrap_or(&Value::Null)),
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
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            let are_names = items.iter().all(|item| !item.contains(' '));
            if are_names { vec![items.join(", ")] } else { items }
        }
        other => vec![text(other)],
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) => texts(value).join("; "),
        Value::Object(facts) => sentence(value).unwrap_or_else(|| pairs(facts)),
    }
}

/// What has a sentence of its own.
fn sentence(value: &Value) -> Option<String> {
    as_one::<Icmp>(value)
        .or_else(|| as_one::<HostAnswer>(value))
        .or_else(|| as_one::<Opinion>(value))
        .or_else(|| as_one::<Cause>(value))
        .or_else(|| as_one::<Hop>(value))
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
    use super::*;
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
    fn phases_come_in_the_order_of_a_connection() {
        let Value::Object(unordered) =
            json!({ "total_ms": 2.0, "later_ms": 1, "tls_ms": 3.25, "resolve_ms": 0.2 })
        else {
            panic!("it is an object")
        };
        assert_eq!(timings(&unordered), "resolve 0.2 ms, tls 3.2 ms, total 2.0 ms, later 1.0 ms");
    }
}
