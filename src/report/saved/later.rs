//! Reports that a later preflight wrote: read as far as this one understands them, and no further.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Report, SCHEMA_VERSION};
use crate::report::StepReport;
use crate::run::outcome::Outcome;
use crate::text::first_of;

/// What this version does not understand of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    version: u64,
    unknown: Vec<String>,
}

/// "it has schema version 3, this preflight knows 2: it does not understand `steps[].retry`"
impl fmt::Display for Later {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let version = self.version;
        write!(out, "it has schema version {version}, this preflight knows {SCHEMA_VERSION}")?;
        if self.unknown.is_empty() {
            return out.write_str(" and understands all of it");
        }
        let unknown: Vec<String> = self.unknown.iter().map(|field| format!("`{field}`")).collect();
        write!(out, "; left out, since it is not understood: {}", first_of(&unknown, SHOWN))
    }
}

/// Reads what can be read. A step that cannot is kept with its name and outcome, and is not judged.
///
/// # Errors
///
/// One sentence: the report's head cannot be read.
pub(super) fn read(mut saved: Value, version: u64) -> Result<(Report, Later), String> {
    let steps = match saved.get_mut("steps").map(Value::take) {
        Some(Value::Array(steps)) => steps,
        _ => Vec::new(),
    };
    if let Some(fields) = saved.as_object_mut() {
        fields.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
        fields.insert("steps".to_owned(), json!([]));
    }
    let mut report = Report::deserialize(&saved).map_err(|error| {
        format!(
            "it has schema version {version}, this preflight knows {SCHEMA_VERSION} and cannot read it: {error}"
        )
    })?;
    let mut unknown = BTreeSet::new();
    lost("", &saved, &json!(report), &mut unknown);
    for (index, saved) in steps.into_iter().enumerate() {
        report.steps.push(match StepReport::deserialize(&saved) {
            Ok(step) => {
                lost("steps[]", &saved, &json!(step), &mut unknown);
                step
            }
            Err(error) => bare(&saved, index, format!("it cannot read this step: {error}")),
        });
    }
    Ok((report, Later { version, unknown: unknown.into_iter().collect() }))
}

/// A step of which no more than its name and how it ended are understood.
fn bare(saved: &Value, index: usize, reason: String) -> StepReport {
    let text = |field: &str| saved.get(field).and_then(Value::as_str).unwrap_or_default();
    let party = |field: &str| crate::catalogue::Party(text(field).to_owned());
    let id =
        if text("id").is_empty() { format!("step-{}", index + 1) } else { text("id").to_owned() };
    let outcome = saved.get("outcome").and_then(|outcome| Outcome::deserialize(outcome).ok());
    StepReport {
        flow: if text("flow").is_empty() { id.clone() } else { text("flow").to_owned() },
        id,
        place: saved.get("place").and_then(Value::as_str).map(str::to_owned),
        from: party("from"),
        to: party("to"),
        direction: crate::run::plan::Direction::Outbound,
        // Whoever takes one for optional lets a run pass that has failed.
        required: saved.get("required").and_then(Value::as_bool).unwrap_or(true),
        until: None,
        why: text("why").to_owned(),
        look_at: String::new(),
        through_vpn: None,
        group: None,
        target: None,
        outcome: outcome.unwrap_or(Outcome::Unknown),
        result: text("result").to_owned(),
        cause: None,
        unread: Some(reason),
        because_of: None,
        asked_for: Vec::new(),
        concerns: Vec::new(),
        evidence: Map::new(),
        attempts: Vec::new(),
        timings: Map::new(),
    }
}

/// Adds the path of everything in `saved` that is not in what was `read` of it.
fn lost(at: &str, saved: &Value, read: &Value, unknown: &mut BTreeSet<String>) {
    match (saved, read) {
        (Value::Object(saved), Value::Object(read)) => {
            for (name, saved) in saved {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                match read.get(name) {
                    Some(read) => lost(&at, saved, read, unknown),
                    // What is empty is left out when it is written.
                    None if is_empty(saved) => {}
                    None => {
                        unknown.insert(at);
                    }
                }
            }
        }
        (Value::Array(saved), Value::Array(read)) => {
            let at = format!("{at}[]");
            for (index, saved) in saved.iter().enumerate() {
                match read.get(index) {
                    Some(read) => lost(&at, saved, read, unknown),
                    None => {
                        unknown.insert(at.clone());
                    }
                }
            }
        }
        // Texts and numbers are had back as they were; the version is this one's on purpose.
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
