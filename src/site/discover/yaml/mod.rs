//! YAML with lines, as Perl's `YAML::XS` reads it: a file's text in, a tree out.
//!
//! gorgoned has its files from `YAML::XS`, which has them from libyaml; the parser here
//! is libyaml in Rust. What `YAML::XS` makes of its events is not what YAML 1.2 says:
//!
//! - of several documents the last counts, and of two values of one key the later;
//! - `<<` is a key as any other, nothing is merged;
//! - only `true` and `false` are booleans, only `~`, `null` and nothing are nothing;
//!   `yes`, `True`, `010` and `1e3` are texts as written;
//! - `!include` marks a text of its own kind, `!!bool` and `!!null` end the reading.
//!
//! An alias is the value it names. Such copies count as values do, so a small file
//! cannot grow without end; where a bound stops it, the value is [`TreeValue::Unknown`].

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};

use super::tree::{MOST_BYTES, MOST_DEPTH, MOST_VALUES, Node, TreeError, TreeValue};
use super::{At, Text};

/// `%TAG` lines of one file: each is compared with all before it.
const MOST_DIRECTIVES: usize = 64;
/// Doubts of one file.
const MOST_DOUBTS: usize = 16;
const STANDARD: &str = "tag:yaml.org,2002:";

/// What a file holds.
#[derive(Debug)]
pub(super) struct Document {
    /// The document as a tree.
    pub(super) root: Node,
    /// What it holds and does not count, or not as it seems to be meant.
    pub(super) doubts: Vec<Doubt>,
}

/// Something that `YAML::XS` reads otherwise than people do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// File and line.
    pub(super) at: At,
    /// What happens, as a clause.
    pub(super) reason: &'static str,
}

/// Reads the text.
///
/// # Errors
///
/// [`TreeError`], with the line where the text stops being YAML.
pub(super) fn parse(text: &Text) -> Result<Document, TreeError> {
    let directives = text.lines().filter(|(_, line)| line.starts_with("%TAG"));
    if text.text.len() > MOST_BYTES || directives.count() > MOST_DIRECTIVES {
        return Err(TreeError::too_large(text));
    }
    if let Some((line, _)) = text.lines().find(|(_, line)| line.contains('\u{fffd}')) {
        return Err(TreeError::refused(text.at(line), "this is not YAML: it is not in UTF-8"));
    }
    // The parser panics at what libyaml takes: a tag right before a comma.
    catch_unwind(AssertUnwindSafe(|| read(text))).unwrap_or_else(|_| Err(TreeError::strange(text)))
}

fn read(text: &Text) -> Result<Document, TreeError> {
    // It also panics at a block scalar that ends without a line's end.
    let whole = format!("{}\n", text.text.strip_suffix('\n').unwrap_or(&text.text));
    let last = text.text.rsplit(['\n', '\r']).next().unwrap_or_default();
    let ends_in_words = !last.trim().is_empty();
    let mut input = whole.as_bytes();
    let mut parser = Parser::new();
    parser.set_input(&mut input);
    let mut builder = Builder {
        text,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        left: MOST_VALUES,
        copies_left: MOST_VALUES,
        root: None,
        doubts: Vec::new(),
    };
    loop {
        let mut event = parser.parse().map_err(|error| {
            let line = error.problem_mark().map(|mark| mark.line);
            let at = line.map_or_else(|| At::file(&text.file), |line| text.at(number(line)));
            TreeError::refused(at, format!("this is not YAML: {}", error.problem()))
        })?;
        // Then the line's end is ours.
        if let EventData::Scalar { value, style, .. } = &mut event.data
            && matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            && ends_in_words
            && usize::try_from(event.end_mark.index).is_ok_and(|end| end > text.text.len())
            && value.ends_with('\n')
        {
            value.pop();
        }
        if matches!(event.data, EventData::StreamEnd) {
            let nothing = || Node { at: At::file(&text.file), value: TreeValue::Nothing };
            let root = builder.root.unwrap_or_else(nothing);
            return Ok(Document { root, doubts: builder.doubts });
        }
        builder.take(event)?;
    }
}

/// A line's number as the text counts them, from libyaml's.
fn number(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX).saturating_add(1)
}

/// A list or map whose end has not been seen.
struct Open {
    at: At,
    anchor: Option<String>,
    /// Why its tag makes it nothing that is understood.
    foreign: Option<String>,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map(BTreeMap<String, Node>, Awaited),
}

/// What the next node of a map is.
enum Awaited {
    /// A key.
    Key,
    /// The value of this key.
    ValueOf(String),
    /// The value of a key that cannot be named: it is dropped.
    ValueOfNone,
}

/// What a name stands for.
enum Anchored {
    /// A list or map that is still open: an alias in it would stand for itself.
    Open,
    /// A value, the values it consists of, and how deep they lie.
    Value { node: Node, size: usize, depth: usize },
}

struct Builder<'a> {
    text: &'a Text,
    open: Vec<Open>,
    anchors: BTreeMap<String, Anchored>,
    /// Values that may still come, and values that aliases may still copy.
    left: usize,
    copies_left: usize,
    root: Option<Node>,
    doubts: Vec<Doubt>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event) -> Result<(), TreeError> {
        let at = self.text.at(number(event.start_mark.line));
        match event.data {
            EventData::DocumentStart { .. } => {
                self.anchors.clear();
                if let Some(earlier) = self.root.take()
                    && !matches!(earlier.value, TreeValue::Nothing)
                {
                    self.doubt(earlier.at, "a later document in this file takes this one's place");
                }
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let foreign = foreign(tag.as_deref(), "seq", "perl/array:", &at)?;
                self.begin(Open { at, anchor, foreign, items: Items::List(Vec::new()) })?;
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let foreign = foreign(tag.as_deref(), "map", "perl/hash:", &at)?;
                let items = Items::Map(BTreeMap::new(), Awaited::Key);
                self.begin(Open { at, anchor, foreign, items })?;
            }
            EventData::SequenceEnd | EventData::MappingEnd => self.end()?,
            EventData::Alias { anchor } => self.alias(&anchor, at)?,
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let is_plain = style == ScalarStyle::Plain;
                let value = scalar(value, is_plain, tag.as_deref(), &at)?;
                let node = Node { at, value };
                if let Some(name) = anchor {
                    let value = Anchored::Value { node: node.clone(), size: 1, depth: 0 };
                    self.anchors.insert(name, value);
                }
                self.add(node, is_plain)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, open: Open) -> Result<(), TreeError> {
        if self.open.len() >= MOST_DEPTH {
            return Err(TreeError::too_deep(open.at));
        }
        if let Some(name) = &open.anchor {
            self.anchors.insert(name.clone(), Anchored::Open);
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), TreeError> {
        let Some(Open { at, anchor, foreign, items }) = self.open.pop() else { return Ok(()) };
        let value = match (foreign, items) {
            (Some(reason), _) => TreeValue::Unknown(reason),
            (None, Items::List(items)) => TreeValue::List(items),
            (None, Items::Map(map, _)) => TreeValue::Map(map),
        };
        let node = Node { at, value };
        // Unless the name was given anew inside.
        let known = anchor.and_then(|name| self.anchors.get_mut(&name));
        if let Some(known @ Anchored::Open) = known {
            let (size, depth) = node.extent();
            *known = Anchored::Value { node: node.clone(), size, depth };
        }
        self.add(node, false)
    }

    fn alias(&mut self, name: &str, at: At) -> Result<(), TreeError> {
        let unknown =
            |reason: &str| Node { at: at.clone(), value: TreeValue::Unknown(reason.into()) };
        let node = match self.anchors.get(name) {
            None => {
                let reason = "this is not YAML: an alias here names what was not defined before";
                return Err(TreeError::refused(at, reason));
            }
            Some(Anchored::Open) => unknown("an alias stands here for the value it is part of"),
            Some(Anchored::Value { size, depth, .. })
                if *size > self.copies_left || self.open.len() + depth > MOST_DEPTH =>
            {
                unknown("an alias stands here for more values than are read of one file")
            }
            Some(Anchored::Value { node, size, .. }) => {
                self.copies_left -= size;
                node.clone()
            }
        };
        self.add(node, false)
    }

    /// Puts a value where it belongs; `is_plain` tells how a key was written.
    fn add(&mut self, node: Node, is_plain: bool) -> Result<(), TreeError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| TreeError::too_many(self.text))?;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let mut doubt = None;
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Map(map, awaited) => match std::mem::replace(awaited, Awaited::Key) {
                Awaited::Key => {
                    *awaited =
                        key(&node.value, is_plain).map_or(Awaited::ValueOfNone, Awaited::ValueOf);
                }
                Awaited::ValueOfNone => {}
                Awaited::ValueOf(key) => {
                    let is_merge = key == "<<" && matches!(node.value, TreeValue::Map(_));
                    let at = node.at.clone();
                    let is_double = map.insert(key, node).is_some();
                    let reason = match (is_merge, is_double) {
                        (true, _) => {
                            Some("`<<` merges nothing here: its program takes it for a plain key")
                        }
                        (_, true) => Some("its key is there twice; this later value counts"),
                        (false, false) => None,
                    };
                    doubt = reason.map(|reason| (at, reason));
                }
            },
        }
        if let Some((at, reason)) = doubt {
            self.doubt(at, reason);
        }
        Ok(())
    }

    fn doubt(&mut self, at: At, reason: &'static str) {
        if self.doubts.len() < MOST_DOUBTS {
            self.doubts.push(Doubt { at, reason });
        }
    }
}

/// The name of a key; Perl makes 1 and 0 of booleans, and an address of lists and maps.
fn key(value: &TreeValue, is_plain: bool) -> Option<String> {
    match value {
        TreeValue::Nothing => Some(String::new()),
        TreeValue::Scalar(text) => Some(match (text.as_str(), is_plain) {
            ("true", true) => "1".to_owned(),
            ("false", true) => "0".to_owned(),
            _ => text.clone(),
        }),
        TreeValue::List(_) | TreeValue::Map(_) | TreeValue::Include(_) | TreeValue::Unknown(_) => {
            None
        }
    }
}

/// What a scalar is by its tag, or by how it is written.
fn scalar(
    text: String,
    is_plain: bool,
    tag: Option<&str>,
    at: &At,
) -> Result<TreeValue, TreeError> {
    let Some(tag) = tag else {
        let is_nothing = is_plain && matches!(text.as_str(), "" | "~" | "null");
        return Ok(if is_nothing { TreeValue::Nothing } else { TreeValue::Scalar(text) });
    };
    match tag.strip_prefix(STANDARD) {
        Some("str") => return Ok(TreeValue::Scalar(text)),
        Some("int" | "float") if text.trim().parse::<f64>().is_ok() => {
            return Ok(TreeValue::Scalar(text));
        }
        _ => {}
    }
    // A text in its own class: `!include` is the one that gorgoned knows.
    let class = tag.strip_prefix('!').or_else(|| {
        let class = tag.strip_prefix(STANDARD)?.strip_prefix("perl/scalar:")?;
        Some(class).filter(|class| !class.is_empty())
    });
    match class {
        Some("include") => Ok(TreeValue::Include(text)),
        Some(_) => Ok(TreeValue::Unknown(meaningless(tag))),
        None if is_perl(tag, &["perl/regexp", "perl/code"]) => {
            Ok(TreeValue::Unknown(meaningless(tag)))
        }
        None => Err(bad_tag(tag, at)),
    }
}

/// Why a list or map with this tag is none that is understood.
fn foreign(
    tag: Option<&str>,
    standard: &str,
    class: &str,
    at: &At,
) -> Result<Option<String>, TreeError> {
    let Some(tag) = tag else { return Ok(None) };
    match tag.strip_prefix(STANDARD) {
        Some(kind) if kind == standard => Ok(None),
        _ if tag.starts_with('!') || is_perl(tag, &[class, "perl/ref"]) => {
            Ok(Some(meaningless(tag)))
        }
        _ => Err(bad_tag(tag, at)),
    }
}

fn is_perl(tag: &str, kinds: &[&str]) -> bool {
    tag.strip_prefix(STANDARD).is_some_and(|tag| kinds.iter().any(|kind| tag.starts_with(kind)))
}

fn meaningless(tag: &str) -> String {
    format!("its program can do nothing with the tag `{}`", shown(tag))
}

fn bad_tag(tag: &str, at: &At) -> TreeError {
    TreeError::refused(at.clone(), format!("its program stops reading at the tag `{}`", shown(tag)))
}

fn shown(tag: &str) -> String {
    const LONGEST: usize = 40;
    let short = tag.strip_prefix(STANDARD).map_or_else(|| tag.to_owned(), |tag| format!("!!{tag}"));
    short.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
