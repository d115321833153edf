//! A value of a saved report: typed, or what stands there when this version cannot read it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A value that a report of another version may have written in a way this one does not know.
///
/// What cannot be read is kept and shown; nothing is concluded from it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Readable<T> {
    /// This version knows what was written.
    Known(T),
    /// What stands there.
    Unread(Value),
}

impl<T> Readable<T> {
    /// The value, if it could be read.
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unread(_) => None,
        }
    }
}

impl<T: Serialize> Serialize for Readable<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(to),
            Self::Unread(value) => value.serialize(to),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Readable<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Ok(serde_json::from_value(value.clone()).map_or(Self::Unread(value), Self::Known))
    }
}

/// What this version writes.
impl<T: JsonSchema> JsonSchema for Readable<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

impl<T: fmt::Display> fmt::Display for Readable<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(out),
            Self::Unread(Value::String(text)) => out.write_str(text),
            Self::Unread(value) => value.fmt(out),
        }
    }
}
