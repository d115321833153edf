//! Lines of TOML, each value with where it was read behind it.

use std::fmt::Write as _;

use preflight_checks::printable;

use crate::site::Origin;

/// The file as far as it is written.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    /// What begins with `#` and a space is for the reader.
    pub(super) fn prose(&mut self, text: &str) {
        self.line(&format!("# {}", printable(text)));
    }

    pub(super) fn gap(&mut self) {
        self.line("");
    }

    pub(super) fn section(&mut self, name: &str) {
        self.gap();
        self.line(&format!("[{name}]"));
    }

    pub(super) fn value(&mut self, key: &str, value: &str, origin: &str) {
        self.line(&format!("{key} = {value}{}", behind(origin)));
    }

    /// One entry a line, nothing at all without any.
    pub(super) fn list(&mut self, key: &str, entries: &[(String, String)]) {
        match entries {
            [] => {}
            [(value, origin)] => self.value(key, &format!("[{value}]"), origin),
            several => {
                self.line(&format!("{key} = ["));
                for (value, origin) in several {
                    self.line(&format!("  {value},{}", behind(origin)));
                }
                self.line("]");
            }
        }
    }

    /// What could stand here; without its `#` it is valid.
    pub(super) fn example(&mut self, key: &str, value: &str, meaning: &str) {
        self.line(&format!("#{key} = {value}{}", behind(meaning)));
    }

    pub(super) fn example_line(&mut self, line: &str) {
        self.line(&format!("#{line}"));
    }

    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.text, "{line}");
    }
}

/// File and line of a value.
pub(super) fn origin(origin: &Origin) -> String {
    origin.to_string()
}

fn behind(comment: &str) -> String {
    if comment.is_empty() { String::new() } else { format!(" # {}", printable(comment)) }
}

/// A string as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A key, quoted if it has to be.
pub(super) fn key(text: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.chars().all(is_bare) { text.to_owned() } else { quoted(text) }
}

/// `{ host = "x", port = 1 }`
pub(super) fn inline<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> String {
    let entries: Vec<String> = entries.map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", entries.join(", "))
}
