//! YAML with lines: a file's text in, a tree out.
//!
//! Gorgone marks files that stand in a value's place with `!include`, so tags
//! matter here. The parser hands out events: an alias stays a name and is never
//! copied, so a file cannot grow ([YAML 1.2.2](https://yaml.org/spec/1.2.2/)).

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::tree::{Broken, MOST_BYTES, MOST_DEPTH, MOST_VALUES, Node, Value};
use super::{At, Text};

/// Reads the first document of the text.
///
/// # Errors
///
/// [`Broken`], with the line where the text stops being YAML.
pub(super) fn parse(text: &Text) -> Result<Node, Broken> {
    if text.text.len() > MOST_BYTES {
        return Err(Broken::too_large(text));
    }
    let mut builder = Builder { open: Vec::new(), left: MOST_VALUES };
    let mut parser = Parser::new_from_str(&text.text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| broken(text, &error))?;
        let at = text.at(span.start.line());
        if let Some(whole) = builder.take(event, at).map_err(|wrong| wrong.of(text))? {
            return Ok(whole);
        }
    }
    Ok(Node { at: At::file(&text.file), value: Value::Nothing })
}

fn broken(text: &Text, error: &ScanError) -> Broken {
    let reason = format!("this is no YAML: {}", error.info());
    Broken { at: text.at(error.marker().line()), reason }
}

enum Wrong {
    TooMany,
    TooDeep(At),
    Key(At),
}

impl Wrong {
    fn of(self, text: &Text) -> Broken {
        let at = |at, reason: &str| Broken { at, reason: reason.to_owned() };
        match self {
            Self::TooMany => Broken::too_many(text),
            Self::TooDeep(place) => at(place, "its values are nested too deeply"),
            Self::Key(place) => at(place, "a key is no text here"),
        }
    }
}

/// A list or map whose end has not been seen.
enum Open {
    List(At, Vec<Node>),
    /// The key waits for its value.
    Map(At, BTreeMap<String, Node>, Option<String>),
}

struct Builder {
    open: Vec<Open>,
    left: usize,
}

impl Builder {
    /// The document, once it is complete.
    fn take(&mut self, event: Event<'_>, at: At) -> Result<Option<Node>, Wrong> {
        match event {
            Event::SequenceStart(..) => self.begin(Open::List(at, Vec::new())),
            Event::MappingStart(..) => self.begin(Open::Map(at, BTreeMap::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(at, items)) => self.add(Node { at, value: Value::List(items) }),
                Some(Open::Map(at, map, _)) => self.add(Node { at, value: Value::Map(map) }),
                None => Ok(None),
            },
            Event::Alias(_) => self.add(Node { at, value: Value::Nothing }),
            Event::Scalar(text, style, _, tag) => {
                let is_include = tag.is_some_and(|tag| tag.suffix == "include");
                let value = match text.as_ref() {
                    _ if is_include => Value::Include(text.into_owned()),
                    "" | "~" | "null" if style == ScalarStyle::Plain => Value::Nothing,
                    _ => Value::Scalar(text.into_owned()),
                };
                self.add(Node { at, value })
            }
            _ => Ok(None),
        }
    }

    fn begin(&mut self, open: Open) -> Result<Option<Node>, Wrong> {
        if self.open.len() >= MOST_DEPTH {
            let (Open::List(at, _) | Open::Map(at, ..)) = open;
            return Err(Wrong::TooDeep(at));
        }
        // A list or map as key has no name to be found by.
        if let (Some(Open::Map(_, _, None)), Open::List(at, _) | Open::Map(at, ..)) =
            (self.open.last(), &open)
        {
            return Err(Wrong::Key(at.clone()));
        }
        self.open.push(open);
        Ok(None)
    }

    fn add(&mut self, node: Node) -> Result<Option<Node>, Wrong> {
        self.left = self.left.checked_sub(1).ok_or(Wrong::TooMany)?;
        match self.open.last_mut() {
            None => return Ok(Some(node)),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, map, key)) => match key.take() {
                Some(key) => {
                    map.insert(key, node);
                }
                None => *key = Some(node.scalar().unwrap_or_default().to_owned()),
            },
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(text: &str) -> Result<Node, Broken> {
        parse(&Text { file: "/etc/x.yaml".into(), text: text.to_owned() })
    }

    #[test]
    fn values_keep_their_lines() {
        let text = "---\n# a comment\na:\n  - b: \"*:5556\"\n    c: true\n  - 7\nd: ~\n";
        let tree = tree(text).unwrap();
        let items = tree.of("a").unwrap().items();
        assert_eq!(items[0].text("b"), Some("*:5556"));
        assert_eq!(items[0].at("b").to_string(), "/etc/x.yaml:4");
        assert_eq!(items[0].at("c").line, Some(5));
        assert_eq!(items[1].scalar(), Some("7"));
        assert!(matches!(tree.of("d").unwrap().value, Value::Nothing));
    }

    #[test]
    fn an_include_is_told_from_a_text() {
        let tree = tree("a: !include config.d/*.yaml\nb: config.d/*.yaml\n").unwrap();
        assert!(
            matches!(&tree.of("a").unwrap().value, Value::Include(files) if files == "config.d/*.yaml")
        );
        assert_eq!(tree.text("b"), Some("config.d/*.yaml"));
    }

    #[test]
    fn null_in_quotes_is_a_text() {
        let tree = tree("a: \"null\"\nb: null\nc:\nd: ''\n").unwrap();
        assert_eq!(tree.text("a"), Some("null"));
        assert_eq!([tree.text("b"), tree.text("c"), tree.text("d")], [None; 3]);
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let broken = tree("a:\n  key: @THUMBPRINT@\n").unwrap_err();
        assert_eq!(broken.at.to_string(), "/etc/x.yaml:2");
        assert!(broken.reason.starts_with("this is no YAML: "), "{}", broken.reason);
    }

    #[test]
    fn aliases_never_grow_into_copies() {
        let lines = ('b'..='z').zip('a'..).map(|(name, of)| {
            let many = vec![format!("*{of}"); 9].join(", ");
            format!("{name}: &{name} [{many}]\n")
        });
        let bomb = format!("a: &a [x, x, x]\n{}", lines.collect::<Vec<_>>().concat());
        let tree = tree(&bomb).unwrap();
        assert_eq!(tree.of("z").unwrap().items().len(), 9);
    }

    #[test]
    fn nesting_and_number_are_bounded() {
        for deep in ["[".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
            assert!(tree(&deep).is_err());
        }
        let many = "- x\n".repeat(MOST_VALUES + 1);
        assert!(tree(&many).unwrap_err().reason.contains("too many values"));
        let large = "a".repeat(MOST_BYTES + 1);
        assert!(tree(&large).unwrap_err().reason.contains("too large"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"'&*!|>?%@`#\\-~\\\\a-c0-9 \\t\\n\u{fe00}-\u{10ffff}]{0,80}") {
            let _ = tree(&text);
        }
    }
}
