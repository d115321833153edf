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
#[derive(Clone)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) at: At,
    /// Its value.
    pub(super) value: TreeValue,
}

// Values may be passwords, so no message ever shows them.
impl fmt::Debug for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Node").field("at", &self.at).finish_non_exhaustive()
    }
}

/// A value.
#[derive(Clone)]
pub(super) enum TreeValue {
    /// `null`, `~`, or nothing at all.
    Nothing,
    /// Text, a number, `true` or `false`, as written.
    Scalar(String),
    /// Values in a row.
    List(Vec<Node>),
    /// Values by key; of two with one key the last.
    Map(BTreeMap<String, Node>),
    /// `!include`: the files that stand here.
    Include(String),
    /// There is a value, and what it is cannot be told: why, as a clause.
    Unknown(String),
}

/// Why a file is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeError {
    /// File and line.
    pub(super) at: At,
    /// What is wrong: "this is not JSON: trailing comma".
    pub(super) reason: String,
    /// The file's own program refuses it too; else a bound of ours did, and what
    /// stands in the file is not known.
    pub(super) is_refused: bool,
}

impl TreeError {
    /// The file's own program refuses it as well.
    pub(super) fn refused(at: At, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into(), is_refused: true }
    }

    pub(super) fn too_large(text: &Text) -> Self {
        Self::bound(At::file(&text.file), "it is too large to be a configuration file")
    }

    pub(super) fn too_many(text: &Text) -> Self {
        Self::bound(At::file(&text.file), "it holds too many values to be a configuration file")
    }

    pub(super) fn too_deep(at: At) -> Self {
        Self::bound(at, "its values are nested too deeply")
    }

    pub(super) fn strange(text: &Text) -> Self {
        Self::bound(At::file(&text.file), "it is too strange to be read here")
    }

    fn bound(at: At, reason: &str) -> Self {
        Self { at, reason: reason.to_owned(), is_refused: false }
    }
}

impl Node {
    /// The value below `key`.
    pub(super) fn of(&self, key: &str) -> Option<&Self> {
        match &self.value {
            TreeValue::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The value below the first key, the second below that, and so on.
    pub(super) fn below(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.of(key))
    }

    /// What a map holds: each key with its value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let map = match &self.value {
            TreeValue::Map(map) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().map(|(key, node)| (key.as_str(), node))
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

    /// The text of the value below `key` as it stands there, empty or with spaces.
    pub(super) fn exact(&self, key: &str) -> Option<&str> {
        match &self.of(key)?.value {
            TreeValue::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Each value in it that cannot be told: where, and why.
    pub(super) fn unknown(&self) -> Vec<(&At, &str)> {
        match &self.value {
            TreeValue::Unknown(reason) => vec![(&self.at, reason)],
            TreeValue::List(items) => items.iter().flat_map(Self::unknown).collect(),
            TreeValue::Map(map) => map.values().flat_map(Self::unknown).collect(),
            TreeValue::Nothing | TreeValue::Scalar(_) | TreeValue::Include(_) => Vec::new(),
        }
    }

    /// How many values it consists of, and how deep they lie.
    pub(super) fn extent(&self) -> (usize, usize) {
        let sum = |items: &mut dyn Iterator<Item = &Self>| {
            items.map(Self::extent).fold((1, 1), |(size, deepest), (more, depth)| {
                (size + more, deepest.max(depth + 1))
            })
        };
        match &self.value {
            TreeValue::List(items) => sum(&mut items.iter()),
            TreeValue::Map(map) => sum(&mut map.values()),
            TreeValue::Nothing
            | TreeValue::Scalar(_)
            | TreeValue::Include(_)
            | TreeValue::Unknown(_) => (1, 0),
        }
    }

    /// Its own text, without spaces around it; none when it is empty, no text, or
    /// longer than any that is looked for.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            TreeValue::Scalar(text) => {
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
            TreeValue::List(items) => items,
            TreeValue::Map(_) => std::slice::from_ref(self),
            _ => &[],
        }
    }
}
