//! JSON with lines: a file's text in, a tree out.
//!
//! Each value is kept as the slice of the text it was read from, so its place in
//! the text is its line ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)).

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::tree::{MOST_BYTES, MOST_DEPTH, MOST_VALUES, Node, TreeError, TreeValue};
use super::{At, Text};

/// Reads the whole text as one JSON value.
///
/// # Errors
///
/// [`TreeError`], with the line where the text stops being JSON.
pub(super) fn parse(text: &Text) -> Result<Node, TreeError> {
    if text.text.len() > MOST_BYTES {
        return Err(TreeError::too_large(text));
    }
    let document = text.text.trim_start_matches('\u{feff}');
    let whole: &RawValue = serde_json::from_str(document).map_err(|error| {
        let line = error.line();
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        TreeError::refused(text.at(line), format!("this is not JSON: {what}"))
    })?;
    JsonReader::new(text).node(whole, 0).ok_or_else(|| TreeError::too_many(text))
}

struct JsonReader<'a> {
    text: &'a Text,
    /// Where each line ends.
    ends: Vec<usize>,
    left: usize,
}

impl<'a> JsonReader<'a> {
    fn new(text: &'a Text) -> Self {
        let ends = text.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, ends: ends.map(|(offset, _)| offset).collect(), left: MOST_VALUES }
    }

    /// The value of a slice of the text; none when there are too many.
    fn node(&mut self, raw: &RawValue, depth: usize) -> Option<Node> {
        self.left = self.left.checked_sub(1)?;
        let value = match raw.get().as_bytes().first() {
            _ if depth > MOST_DEPTH => {
                TreeValue::Unknown("it lies too deep in the file".to_owned())
            }
            Some(b'{') => self.map(raw, depth)?,
            Some(b'[') => self.list(raw, depth)?,
            // Half a surrogate pair is JSON, but no text.
            Some(b'"') => {
                serde_json::from_str(raw.get()).map_or(TreeValue::Nothing, TreeValue::Scalar)
            }
            Some(b'n') | None => TreeValue::Nothing,
            Some(_) => TreeValue::Scalar(raw.get().to_owned()),
        };
        Some(Node { at: self.at(raw), value })
    }

    fn map(&mut self, raw: &RawValue, depth: usize) -> Option<TreeValue> {
        let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) else {
            return Some(TreeValue::Nothing);
        };
        let mut map = BTreeMap::new();
        for (key, member) in members {
            map.insert(key, self.node(member, depth + 1)?);
        }
        Some(TreeValue::Map(map))
    }

    fn list(&mut self, raw: &RawValue, depth: usize) -> Option<TreeValue> {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            return Some(TreeValue::Nothing);
        };
        let items: Option<_> = items.into_iter().map(|item| self.node(item, depth + 1)).collect();
        items.map(TreeValue::List)
    }

    fn at(&self, raw: &RawValue) -> At {
        let offset = raw.get().as_ptr().addr().saturating_sub(self.text.text.as_ptr().addr());
        self.text.at(self.ends.partition_point(|end| *end < offset) + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(text: &str) -> Result<Node, TreeError> {
        parse(&Text { file: "/etc/x.json".into(), text: text.to_owned() })
    }

    #[test]
    fn values_keep_their_lines() {
        let tree =
            tree("{\n  \"a\": [\n    {\"b\": \"c\\/d\"},\n    5669, null, true\n  ]\n}").unwrap();
        let items = tree.of("a").unwrap().items();
        assert_eq!(items[0].read("b").unwrap().value, "c/d");
        assert_eq!(items[0].at("b").to_string(), "/etc/x.json:3");
        assert_eq!(items[1].at.line, Some(4));
        let texts: Vec<_> = items.iter().map(Node::scalar).collect();
        assert_eq!(texts, [None, Some("5669"), None, Some("true")]);
    }

    #[test]
    fn what_is_no_json_says_where() {
        let broken = tree("{\n  \"a\": 1,\n}").unwrap_err();
        assert_eq!(broken.at.to_string(), "/etc/x.json:3");
        assert_eq!(broken.reason, "this is not JSON: key must be a string");
        assert!(tree("").unwrap_err().reason.contains("EOF"));
        assert!(tree("{} {}").unwrap_err().reason.contains("trailing characters"));
    }

    #[test]
    fn of_two_members_with_one_name_the_last_counts() {
        assert_eq!(tree("{\"a\": 1, \"a\": 2}").unwrap().text("a"), Some("2"));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_it() {
        assert_eq!(tree("\u{feff}{\"a\": 1}").unwrap().text("a"), Some("1"));
    }

    #[test]
    fn nesting_and_number_are_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(tree(&deep).is_ok());
        let many = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert!(tree(&many).unwrap_err().reason.contains("too many values"));
        let large = format!("\"{}\"", "a".repeat(MOST_BYTES));
        assert!(tree(&large).unwrap_err().reason.contains("too large"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"\\\\a-z0-9 \\n\u{fe00}-\u{10ffff}]{0,80}") {
            let _ = tree(&text);
        }
    }
}
