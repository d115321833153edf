//! How a cause or a concern is written: `{ "code": …, "facts": { … } }`.
//!
//! serde has this form itself, and makes the reader of every variant twice for it: for a code that comes
//! first and for facts that do. So a variant is written and read as serde does without being told
//! (`{ code: facts }`, or the code alone), and the two parts are put in their places here.

use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Writes a variant that is a value already.
///
/// # Errors
///
/// Those of `to`; and when the variant is not one.
pub(super) fn write<S: Serializer>(
    variant: serde_json::Result<Value>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let (code, facts) = match variant.map_err(S::Error::custom)? {
        Value::String(code) => (code, None),
        Value::Object(variant) => match variant.into_iter().next() {
            Some((code, facts)) => (code, Some(facts)),
            None => return Err(S::Error::custom("a variant without a name")),
        },
        _ => return Err(S::Error::custom("a variant without a name")),
    };
    let mut parts = to.serialize_map(Some(1 + usize::from(facts.is_some())))?;
    parts.serialize_entry("code", &code)?;
    if let Some(facts) = facts {
        parts.serialize_entry("facts", &facts)?;
    }
    parts.end()
}

/// The same of a part of a cause, which is a variant by itself.
pub(super) fn write_one<S: Serializer>(one: &impl Serialize, to: S) -> Result<S::Ok, S::Error> {
    write(serde_json::to_value(one), to)
}

/// The code of what was written.
pub(super) fn code(coded: &Value) -> Option<&str> {
    coded.get("code")?.as_str()
}

/// Has the variant of that code and these facts read.
///
/// # Errors
///
/// What `read` finds wrong with the facts.
pub(super) fn read<T>(
    mut coded: Value,
    read: impl Fn(Value) -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    let code = code(&coded).unwrap_or_default().to_owned();
    let facts = coded.get_mut("facts").map_or_else(|| Value::Object(Map::new()), Value::take);
    let with_facts = read(Value::Object(Map::from_iter([(code.clone(), facts)])));
    // One that has no facts is its code alone.
    with_facts.or_else(|error| read(Value::String(code)).map_err(|_| error))
}
