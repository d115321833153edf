//! A key of a site file's table: its name, what it takes, and what an editor is told of both.

use serde_json::{Map, Value, json};

/// A key of a table.
#[derive(Debug)]
pub(super) struct SiteKey {
    pub(super) name: &'static str,
    about: &'static str,
    takes: KeyShape,
    is_needed: bool,
}

/// What a key takes.
#[derive(Debug)]
pub(super) enum KeyShape {
    Text,
    /// A text of this form, as a regular expression.
    Form(&'static str),
    /// One of these words.
    Words(fn() -> Vec<String>),
    Boolean,
    /// A number between these.
    Number(f64, f64),
    /// A text, or a list of them.
    Texts,
    /// What is defined under this name.
    A(&'static str),
    /// One of them, or a list.
    Some(&'static str),
    /// A table of them, by names of the user's own.
    Named(&'static str),
    /// A list of tables.
    List(&'static str),
    /// A table with these keys and no other.
    Table(&'static [SiteKey]),
    Other(fn() -> Value),
}

pub(super) const fn key(name: &'static str, takes: KeyShape, about: &'static str) -> SiteKey {
    SiteKey { name, about, takes, is_needed: false }
}

pub(super) const fn needed(name: &'static str, takes: KeyShape, about: &'static str) -> SiteKey {
    SiteKey { name, about, takes, is_needed: true }
}

/// The schema of a table with these keys and no other.
pub(super) fn table(about: &str, keys: &[SiteKey]) -> Value {
    let properties = keys.iter().map(|key| (key.name.to_owned(), key.schema()));
    let mut whole = json!({
        "description": about,
        "type": "object",
        "additionalProperties": false,
        "properties": properties.collect::<Map<String, Value>>(),
    });
    let needed: Vec<&str> = keys.iter().filter(|key| key.is_needed).map(|key| key.name).collect();
    if !needed.is_empty() {
        add(&mut whole, json!({ "required": needed }));
    }
    whole
}

impl SiteKey {
    fn schema(&self) -> Value {
        let value = match &self.takes {
            KeyShape::Text => json!({ "type": "string", "minLength": 1 }),
            KeyShape::Form(pattern) => return form(self.about, pattern),
            KeyShape::Words(words) => json!({ "type": "string", "enum": words() }),
            KeyShape::Boolean => json!({ "type": "boolean" }),
            KeyShape::Number(least, most) => {
                json!({ "type": "number", "minimum": least, "maximum": most })
            }
            KeyShape::Texts => one_or_more(&json!({ "type": "string", "minLength": 1 })),
            KeyShape::A(name) => a(name),
            KeyShape::Some(name) => one_or_more(&a(name)),
            KeyShape::Named(name) => json!({ "type": "object", "additionalProperties": a(name) }),
            KeyShape::List(name) => json!({ "type": "array", "items": a(name) }),
            KeyShape::Table(keys) => return table(self.about, keys),
            KeyShape::Other(schema) => schema(),
        };
        described(self.about, value)
    }
}

pub(super) fn described(about: &str, value: Value) -> Value {
    let mut whole = json!({ "description": about });
    add(&mut whole, value);
    whole
}

pub(super) fn form(about: &str, pattern: &str) -> Value {
    json!({ "description": about, "type": "string", "minLength": 1, "pattern": pattern })
}

pub(super) fn a(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

pub(super) fn one_or_more(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// Adds the fields of one object to another.
pub(super) fn add(whole: &mut Value, more: Value) {
    if let (Value::Object(whole), Value::Object(more)) = (whole, more) {
        whole.extend(more);
    }
}

pub(super) fn words<T>(known: &[(&str, T)]) -> Vec<String> {
    known.iter().map(|(word, _)| (*word).to_owned()).collect()
}
