//! Reports of schema version 1, made into the shape of version 2 before anything reads them.
//!
//! Only the shape changes: what a value means is decided by the rules of today, as for any saved run. What
//! has no counterpart, or is not what version 1 wrote, stays as it is and is read or refused like the rest.

use preflight_checks::{Hop, Millis, Service};
use serde_json::{Map, Value, json};

use super::SCHEMA_VERSION;
use crate::catalogue::service;

/// Makes a report of version 1 one of [`SCHEMA_VERSION`].
pub(super) fn upgrade(report: &mut Value) {
    report["schema_version"] = json!(SCHEMA_VERSION);
    for note in items(report, "notes") {
        if let Some(place) = taken(note, "place") {
            set_place(note, &place);
        }
    }
    for step in items(report, "steps") {
        upgrade_step(step);
    }
}

fn upgrade_step(step: &mut Value) {
    // Its id alone said whom or what it is about.
    if let Some((_, place)) = step["id"].as_str().and_then(|id| id.split_once('@')) {
        step["place"] = json!(place);
    }
    if let Some(cause) = step.get_mut("cause") {
        // Here the facts stood by themselves already.
        cause.get_mut("facts").and_then(Value::as_object_mut).into_iter().for_each(upgrade_facts);
        upgrade_remedy(cause);
    }
    items(step, "concerns").for_each(upgrade_remedy);
    if let Some(target) = step.get_mut("target") {
        upgrade_origin(target);
        items(target, "ways").for_each(upgrade_way);
        target.get_mut("also_try").into_iter().for_each(upgrade_way);
    }
    upgrade_evidence(step);
    for attempt in items(step, "attempts") {
        for name in ["cause", "other_transport"] {
            attempt.get_mut(name).into_iter().for_each(nest);
        }
        items(attempt, "concerns").for_each(nest);
        upgrade_evidence(attempt);
    }
}

/// `{ "code": …, "to": … }` becomes `{ "code": …, "facts": { "to": … } }`.
fn nest(coded: &mut Value) {
    let Value::Object(fields) = coded else { return };
    let Some(code) = fields.shift_remove("code") else { return };
    let mut facts = std::mem::take(fields);
    upgrade_facts(&mut facts);
    fields.insert("code".to_owned(), code);
    if !facts.is_empty() {
        fields.insert("facts".to_owned(), Value::Object(facts));
    }
}

/// Causes within a cause are written as any other; a time is in milliseconds.
fn upgrade_facts(facts: &mut Map<String, Value>) {
    // Only the code of a cause is a text; that of an ICMP message is a number.
    let is_cause = |value: &&mut Value| value.get("code").is_some_and(Value::is_string);
    facts.values_mut().filter(is_cause).for_each(nest);
    // Of a slow greeting, and of a slow broker.
    rename_seconds(facts, "seconds", "took_ms");
    for poller in facts.get_mut("pollers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(poller) = poller {
            rename_seconds(poller, "seconds", "last_pong_ms");
        }
    }
}

/// Its commands stood in its text alone.
fn upgrade_remedy(explained: &mut Value) {
    if let Some(Value::Object(remedy)) = explained.get_mut("remedy") {
        rename(remedy, "what", "text");
    }
}

fn upgrade_way(way: &mut Value) {
    // Of a service that is asked over both it named the first.
    let both = way["protocol"].as_str().and_then(service).map(Service::transports);
    if let Value::Object(fields) = way
        && let Some(first) = fields.shift_remove("transport")
    {
        let both = both
            .map(|both| json!(both))
            .filter(|both| both.as_array().is_some_and(|transports| transports.contains(&first)));
        fields.insert("transports".to_owned(), both.unwrap_or_else(|| json!([first])));
    }
    upgrade_origin(way);
}

/// `"--central"`, `"/etc/resolv.conf:1"`, `"profile"`.
fn upgrade_origin(of: &mut Value) {
    let Some(text) = taken(of, "origin") else { return };
    let origin = if text == "profile" {
        json!({ "kind": "profile" })
    } else if text.starts_with('-') {
        json!({ "kind": "flag", "flag": text })
    } else if text.starts_with(['/', '$']) || line_of(&text).is_some() {
        let mut origin = json!({ "kind": "file" });
        set_place(&mut origin, &text);
        origin
    } else {
        json!({ "kind": "other", "text": text })
    };
    of["origin"] = origin;
}

/// `FILE:LINE` and `FILE`.
fn set_place(of: &mut Value, place: &str) {
    let (file, line) = line_of(place).map_or((place, None), |(file, line)| (file, Some(line)));
    of["file"] = json!(file);
    if let Some(line) = line {
        of["line"] = json!(line);
    }
}

fn line_of(place: &str) -> Option<(&str, u32)> {
    let (file, line) = place.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

/// A look at the path was a sentence a hop; times in seconds said so in their names.
fn upgrade_evidence(of: &mut Value) {
    let Some(evidence) = of.get_mut("evidence").and_then(Value::as_object_mut) else { return };
    match evidence.get_mut("path") {
        Some(Value::Array(hops)) => {
            for hop in hops {
                if let Some(read) = hop.as_str().and_then(hop_of) {
                    *hop = json!(read);
                }
            }
        }
        // That of a WebSocket's URL.
        Some(Value::String(_)) => rename(evidence, "path", "url_path"),
        _ => {}
    }
    let in_seconds: Vec<String> =
        evidence.keys().filter(|name| name.ends_with("_s")).cloned().collect();
    for name in in_seconds {
        let to = format!("{}_ms", name.trim_end_matches("_s"));
        rename_seconds(evidence, &name, &to);
    }
}

/// `2 10.9.0.1 0.4 ms`, or `3 -` where nobody answered.
fn hop_of(text: &str) -> Option<Hop> {
    let words: Vec<&str> = text.split(' ').collect();
    let (ttl, by, took) = match *words.as_slice() {
        [ttl, "-"] => return Some(Hop { ttl: ttl.parse().ok()?, by: None, rtt: None }),
        [ttl, by, number, unit] => (ttl, by, Some((number, unit))),
        [ttl, by] => (ttl, by, None),
        _ => return None,
    };
    let span = |(number, unit): (&str, &str)| {
        let number: f64 = number.parse().ok()?;
        let seconds = match unit {
            "s" => number,
            "ms" => number / 1e3,
            _ => return None,
        };
        std::time::Duration::try_from_secs_f64(seconds).ok().map(Millis)
    };
    let rtt = match took {
        Some(took) => Some(span(took)?),
        None => None,
    };
    Some(Hop { ttl: ttl.parse().ok()?, by: Some(by.parse().ok()?), rtt })
}

fn rename_seconds(fields: &mut Map<String, Value>, from: &str, to: &str) {
    let Some(value) = fields.get_mut(from) else { return };
    let in_ms = match value.as_i64().and_then(|seconds| seconds.checked_mul(1000)) {
        Some(whole) => Some(json!(whole)),
        None => value.as_f64().map(|seconds| json!((seconds * 1e6).round() / 1e3)),
    };
    if let Some(in_ms) = in_ms {
        *value = in_ms;
    }
    rename(fields, from, to);
}

/// Another name for a field, which keeps its place among the others.
fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    let renamed = std::mem::take(fields).into_iter();
    fields
        .extend(renamed.map(
            |(name, value)| if name == from { (to.to_owned(), value) } else { (name, value) },
        ));
}

/// The text of a field, which is taken out; anything but a text stays.
fn taken(of: &mut Value, field: &str) -> Option<String> {
    let fields = of.as_object_mut()?;
    let text = fields.get(field)?.as_str()?.to_owned();
    fields.shift_remove(field);
    Some(text)
}

fn items<'v>(of: &'v mut Value, field: &str) -> impl Iterator<Item = &'v mut Value> {
    of.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}
