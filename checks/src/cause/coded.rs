//! How a cause, a concern or a mistake is written: `{ "code": …, "facts": { … } }`.
//!
//! serde has this form itself, and makes the reader of every variant twice for it: for a code that comes
//! first and for facts that do. So a variant is written and read as serde does without being told
//! (`{ code: facts }`, or the code alone), and [`Coded`] is what stands between the two.

use serde::ser::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Error, Map, Value};

/// A code, and the facts beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coded {
    /// A heading of `docs/causes.md`.
    pub code: String,
    /// What was seen; the keys belong to the code.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub facts: Map<String, Value>,
}

impl Coded {
    /// That of a variant, as serde writes it.
    ///
    /// # Errors
    ///
    /// It could not be written, or is not a variant.
    pub fn of(variant: Result<Value, Error>) -> Result<Self, Error> {
        let nameless = || Error::custom("a variant without a name");
        match variant? {
            Value::String(code) => Ok(Self { code, facts: Map::new() }),
            Value::Object(variant) => match variant.into_iter().next().ok_or_else(nameless)? {
                (code, Value::Object(facts)) => Ok(Self { code, facts }),
                _ => Err(nameless()),
            },
            _ => Err(nameless()),
        }
    }

    /// The variant of that code and these facts, as `read` reads what serde writes.
    ///
    /// # Errors
    ///
    /// There is none of that code, or a fact is missing or of another type.
    pub fn read<T>(self, read: impl Fn(Value) -> Result<T, Error>) -> Result<T, Error> {
        let Self { code, facts } = self;
        let with_facts = [(code.clone(), Value::Object(facts))];
        // One that has no facts is its code alone.
        read(Value::Object(Map::from_iter(with_facts)))
            .or_else(|error| read(Value::String(code)).map_err(|_| error))
    }
}
