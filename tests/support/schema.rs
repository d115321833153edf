//! The schema of the report, held against everything the program writes as JSON.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

static REPORT: LazyLock<Validator> = LazyLock::new(|| validator("report", None));
static LINE: LazyLock<Validator> = LazyLock::new(|| validator("report", Some("#/$defs/line")));
static DIFF: LazyLock<Validator> = LazyLock::new(|| validator("diff", None));
static MERGE: LazyLock<Validator> = LazyLock::new(|| validator("merge", None));

/// The schema as the program prints it.
pub(crate) fn schema(of: &str) -> Value {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_preflight"))
        .args(["schema", of])
        .output()
        .unwrap();
    assert!(printed.status.success(), "{of}");
    serde_json::from_slice(&printed.stdout).unwrap()
}

/// Holds a document against its schema: a report, a line of ndjson, a diff, a merge. A plan and an
/// inventory have none yet.
#[track_caller]
pub(crate) fn check(document: &Value) {
    let validator = match document {
        line if line["kind"].is_string() => &*LINE,
        diff if diff["changes"].is_array() => &*DIFF,
        merge if merge["cells"].is_array() => &*MERGE,
        plan if plan["steps"].is_array() && plan["schema_version"].is_null() => return,
        _ => &*REPORT,
    };
    let errors = validator.iter_errors(document);
    let errors: Vec<String> =
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

/// Stricter than what is published: a field the schema does not know is an error.
fn validator(of: &str, part: Option<&str>) -> Validator {
    let mut schema = schema(of);
    close(&mut schema, false);
    if let Some(part) = part {
        let definitions = schema["$defs"].take();
        schema = json!({ "$ref": part, "$defs": definitions });
    }
    jsonschema::validator_for(&schema).unwrap()
}

/// Closes every object; the alternatives of one are closed with it.
fn close(schema: &mut Value, is_part: bool) {
    match schema {
        Value::Object(map) => {
            let is_closed = map.get("properties").is_some_and(Value::is_object);
            for (name, value) in map.iter_mut() {
                let is_alternative = matches!(name.as_str(), "oneOf" | "anyOf" | "allOf");
                close(value, is_alternative && (is_closed || is_part));
            }
            if is_closed && !is_part {
                map.entry("unevaluatedProperties").or_insert(json!(false));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| close(value, is_part)),
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
    collect(&schema("report"), &mut names);
    names.sort();
    names.dedup();
    names
}
