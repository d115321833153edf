//! What YAML and JSON files hold: values below keys, each with the line it was read from.
//!
//! Depth and number of values are bounded while a tree is built, so whoever
//! walks one may do so by recursion.

use std::collections::BTreeMap;
use std::fmt;

use super::address::MOST_TEXT;
use super::facts::Read;
use super::{At, Text};

/// Bytes of a file that is read as a tree; a broker's is a few thousand.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Values of one file.
pub(super) const MOST_VALUES: usize = 20_000;
/// Values within values; what lies deeper is left out or refused.
pub(super) const MOST_DEPTH: usize = 24;

/// A value and where it was read.
pub(super) struct Node {
    /// Where it begins.
    pub(super) at: At,
    /// What it is.
    pub(super) value: Value,
}

// Values may be passwords, so no message ever shows them.
impl fmt::Debug for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Node").field("at", &self.at).finish_non_exhaustive()
    }
}

/// A value.
pub(super) enum Value {
    /// `null`, `~`, an alias, or nothing at all.
    Nothing,
    /// Text, a number, `true` or `false`, as written.
    Scalar(String),
    /// Values in a row.
    List(Vec<Node>),
    /// Values by key; of two with one key the last.
    Map(BTreeMap<String, Node>),
    /// `!include`: the files that stand here.
    Include(String),
}

/// Why a file is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Where.
    pub(super) at: At,
    /// What is wrong: "this is no JSON: trailing comma".
    pub(super) reason: String,
}

impl Broken {
    pub(super) fn too_large(text: &Text) -> Self {
        Self::whole(text, "it is too large to be a configuration file")
    }

    pub(super) fn too_many(text: &Text) -> Self {
        Self::whole(text, "it holds too many values to be a configuration file")
    }

    fn whole(text: &Text, reason: &str) -> Self {
        Self { at: At::file(&text.file), reason: reason.to_owned() }
    }
}

impl Node {
    /// The value below `key`.
    pub(super) fn of(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The value below the first key, the second below that, and so on.
    pub(super) fn below(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.of(key))
    }

    /// The text of the value below `key`; none when it is empty or no text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.of(key)?.scalar()
    }

    /// The same, with where it was read.
    pub(super) fn read(&self, key: &str) -> Option<Read<String>> {
        let node = self.of(key)?;
        Some(Read { value: node.scalar()?.to_owned(), at: node.at.clone() })
    }

    /// Its own text, without spaces around it; none when it is empty, no text, or
    /// longer than any that is looked for.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => {
                Some(text.trim()).filter(|text| (1..=MOST_TEXT).contains(&text.len()))
            }
            _ => None,
        }
    }

    /// Where the value below `key` was read, or else this one.
    pub(super) fn at(&self, key: &str) -> At {
        self.of(key).unwrap_or(self).at.clone()
    }

    /// The values of a list; a single map counts as a list of one.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Map(_) => std::slice::from_ref(self),
            _ => &[],
        }
    }
}
