//! The schema of the report, held against everything the program writes as JSON.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The schema as it is published.
pub(crate) const SCHEMA: &str = include_str!("../../src/report/report.schema.json");

static REPORT: LazyLock<Validator> = LazyLock::new(|| validator(None));
static LINE: LazyLock<Validator> = LazyLock::new(|| validator(Some("#/$defs/line")));

/// Holds a document against its schema: a report, or a line of ndjson. A plan has none yet.
#[track_caller]
pub(crate) fn check(document: &Value) {
    let validator = match document {
        line if line["kind"].is_string() => &*LINE,
        plan if plan["steps"].is_array() && plan["schema_version"].is_null() => return,
        _ => &*REPORT,
    };
    let errors = validator.iter_errors(document);
    let errors: Vec<String> =
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

/// Stricter than what is published: a field the schema does not know is an error.
fn validator(part: Option<&str>) -> Validator {
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
    close(&mut schema["$defs"]);
    if let Some(part) = part {
        schema["$ref"] = part.into();
        schema.as_object_mut().unwrap().remove("required");
    }
    jsonschema::validator_for(&schema).unwrap()
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("properties").is_some_and(Value::is_object) && map.contains_key("type") {
                map.entry("additionalProperties").or_insert(json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

/// The name of every field in the schema.
pub(crate) fn fields() -> Vec<String> {
    fn collect(schema: &Value, names: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            names.extend(properties.keys().cloned());
        }
        match schema {
            Value::Object(map) => map.values().for_each(|value| collect(value, names)),
            Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    collect(&serde_json::from_str(SCHEMA).unwrap(), &mut names);
    names.sort();
    names.dedup();
    names
}
