//! A TOML tree in which everything has its place: what a section asks of it, and what
//! is wrong there (TOML 1.1, <https://toml.io/en/v1.1.0>).

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::SiteKey;
use super::mask::masked;
use crate::catalogue::Broken;
use crate::site::discover::At;
use crate::site::parse_port;
pub(crate) use crate::text::unknown;

/// The file's name and text: what turns a span into a line, and a mistake into a caret.
#[derive(Clone)]
pub(super) struct SiteText {
    name: Arc<str>,
    text: String,
    /// The text without secrets; as long as the text, so that places stay.
    shown: Option<String>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl fmt::Debug for SiteText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Source {{ {} }}", self.name)
    }
}

impl SiteText {
    /// `tree` is none for a file that is no TOML.
    pub(super) fn new(name: &str, text: &str, tree: Option<&DeTable<'_>>) -> Self {
        let begins = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: Arc::from(preflight_checks::printable(name)),
            text: text.to_owned(),
            shown: masked(text, tree),
            lines: std::iter::once(0).chain(begins).collect(),
        }
    }

    /// File and line.
    pub(super) fn at(&self, span: &Range<usize>) -> At {
        let line = self.lines.partition_point(|begin| *begin <= span.start);
        At { file: Arc::clone(&self.name), line: u32::try_from(line).ok() }
    }

    /// What is wrong, and where.
    pub(super) fn broken(
        &self,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Box<Broken> {
        let broken = Broken::new(&self.name, &self.text, message.into(), span);
        Box::new(broken.showing(self.shown.clone()))
    }

    /// The file's name, as it was given.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// A value of the file, and the key it has.
#[derive(Clone, Copy)]
pub(super) struct SiteValue<'a> {
    pub(super) source: &'a SiteText,
    pub(super) key: &'a str,
    item: &'a Spanned<DeValue<'a>>,
}

impl<'a> SiteValue<'a> {
    pub(super) fn span(&self) -> Range<usize> {
        self.item.span()
    }

    pub(super) fn refuse(&self, message: impl Into<String>) -> Box<Broken> {
        self.source.broken(Some(self.span()), message)
    }

    fn wrong(&self, wanted: &str) -> Box<Broken> {
        let found = match self.item.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(format!("`{}` takes {wanted}, not {found}", self.key))
    }

    fn placed<T>(&self, value: T) -> Spanned<T> {
        Spanned::new(self.span(), value)
    }

    pub(super) fn is_text(&self) -> bool {
        self.item.get_ref().is_str()
    }

    pub(super) fn is_list(&self) -> bool {
        self.item.get_ref().is_array()
    }

    pub(super) fn is_table(&self) -> bool {
        self.item.get_ref().is_table()
    }

    /// A line of text that is not empty.
    pub(super) fn text(&self) -> Result<&'a str, Box<Broken>> {
        let text = self.item.get_ref().as_str().ok_or_else(|| self.wrong("a string"))?;
        if text.trim().is_empty() {
            return Err(self.refuse(format!("`{}` is empty", self.key)));
        }
        match text.chars().find(|c| c.is_control()) {
            Some(c) => {
                let shown = c.escape_default();
                Err(self.refuse(format!("`{shown}` has no place in `{}`", self.key)))
            }
            None => Ok(text),
        }
    }

    pub(super) fn placed_text(&self) -> Result<Spanned<String>, Box<Broken>> {
        Ok(self.placed(self.text()?.to_owned()))
    }

    /// Text of a form of its own: a host, a URL.
    pub(super) fn parsed<T: FromStr<Err = String>>(&self) -> Result<Spanned<T>, Box<Broken>> {
        let parsed = self.text()?.parse().map_err(|reason: String| self.refuse(reason))?;
        Ok(self.placed(parsed))
    }

    /// One of a few words, each of which means a `T`.
    pub(super) fn one_of<T: Clone>(&self, known: &[(&str, T)]) -> Result<Spanned<T>, Box<Broken>> {
        let text = self.text()?;
        let found = known.iter().find(|(word, _)| *word == text);
        let value = found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            self.refuse(unknown(&format!("`{}`", self.key), text, &words))
        })?;
        Ok(self.placed(value))
    }

    pub(super) fn boolean(&self) -> Result<bool, Box<Broken>> {
        self.item.get_ref().as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// A number, whole or not.
    pub(super) fn number(&self) -> Result<f64, Box<Broken>> {
        let digits = match self.item.get_ref() {
            DeValue::Integer(whole) if whole.radix() == 10 => whole.as_str(),
            DeValue::Float(real) => real.as_str(),
            _ => return Err(self.wrong("a number")),
        };
        digits.parse().map_err(|_| self.wrong("a number"))
    }

    pub(super) fn port(&self) -> Result<Spanned<u16>, Box<Broken>> {
        let number = self.item.get_ref().as_integer().filter(|number| number.radix() == 10);
        let number = number.ok_or_else(|| self.wrong("a port (1 to 65535)"))?;
        let port = parse_port(number.as_str()).map_err(|reason| self.refuse(reason))?;
        Ok(self.placed(port))
    }

    /// A list; a value that stands alone is a list of one.
    pub(super) fn list(&self) -> Vec<Self> {
        match self.item.get_ref().as_array() {
            Some(items) => items.iter().map(|item| Self { item, ..*self }).collect(),
            None => vec![*self],
        }
    }

    /// `name`: what stands in brackets above it, for a reader.
    pub(super) fn table(&self, name: impl Into<String>) -> Result<Table<'a>, Box<Broken>> {
        let entries = self.item.get_ref().as_table().ok_or_else(|| self.wrong("a table"))?;
        Ok(Table { source: self.source, name: name.into(), span: self.span(), entries })
    }
}

/// A table of the file.
pub(super) struct Table<'a> {
    pub(super) source: &'a SiteText,
    pub(super) name: String,
    pub(super) span: Range<usize>,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The file as a whole.
    pub(super) fn whole(source: &'a SiteText, entries: &'a DeTable<'a>) -> Self {
        Self { source, name: "the file".to_owned(), span: 0..0, entries }
    }

    pub(super) fn refuse(&self, message: impl Into<String>) -> Box<Broken> {
        self.source.broken(Some(self.span.clone()), message)
    }

    pub(super) fn value(&self, key: &str) -> Option<SiteValue<'a>> {
        let (key, item) = self.entries.get_key_value(key)?;
        Some(SiteValue { source: self.source, key: key.get_ref(), item })
    }

    pub(super) fn need(&self, key: &str) -> Result<SiteValue<'a>, Box<Broken>> {
        self.value(key).ok_or_else(|| self.refuse(format!("{} has no `{key}`", self.name)))
    }

    /// The value as `read` reads it, if there is one.
    pub(super) fn map<T>(
        &self,
        key: &str,
        read: impl FnOnce(SiteValue<'a>) -> Result<T, Box<Broken>>,
    ) -> Result<Option<T>, Box<Broken>> {
        self.value(key).map(read).transpose()
    }

    /// The table's own tables, if it has this key at all.
    pub(super) fn table(&self, key: &str) -> Result<Option<Table<'a>>, Box<Broken>> {
        let name = format!("[{}{key}]", self.prefix());
        self.map(key, |value| value.table(name))
    }

    fn prefix(&self) -> String {
        let inside = self.name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        inside.map(|name| format!("{name}.")).unwrap_or_default()
    }

    /// Everything in it with its key, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(Spanned<String>, SiteValue<'a>)> {
        let entry = |(key, item): (&'a Spanned<_>, _)| {
            let name: &'a std::borrow::Cow<'a, str> = key.get_ref();
            let value = SiteValue { source: self.source, key: name, item };
            (Spanned::new(key.span(), name.to_string()), value)
        };
        let mut entries: Vec<_> = self.entries.iter().map(entry).collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    /// # Errors
    ///
    /// When it has a key that is none of `known`, which names the nearest one.
    pub(super) fn only(&self, known: &[SiteKey]) -> Result<(), Box<Broken>> {
        let known: Vec<&str> = known.iter().map(|key| key.name).collect();
        let mut entries = self.entries().into_iter();
        match entries.find(|(key, _)| !known.contains(&key.get_ref().as_str())) {
            Some((key, _)) => {
                let what = format!("key of {}", self.name);
                let message = unknown(&what, key.get_ref(), &known);
                Err(self.source.broken(Some(key.span()), message))
            }
            None => Ok(()),
        }
    }
}

/// One name, or a list of them.
pub(super) fn names(value: SiteValue<'_>) -> Result<Vec<Spanned<String>>, Box<Broken>> {
    value.list().into_iter().map(|name| name.placed_text()).collect()
}
