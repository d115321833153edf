//! Strings with `$` in them, as far as files alone decide what they become.
//!
//! What depends on the message, on a server or on a program is not decided here: that is
//! said, and where. A string may also *fail* by its own word, which makes a router decline.
//!
//! Reference: The Exim Specification, 9 (file lookups) and 11 (string expansions).

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::super::super::{Files, Text, Unread};
use super::config::EximConfig;
use super::lists::{Tri, domain_in};

/// Braces inside each other.
const MOST_NESTED: u8 = 24;
/// Characters of one string after its expansion.
const LONGEST: usize = 16_384;

/// Why a string did not become a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It says so itself: `fail`.
    Failed,
    /// It cannot be told here, and why.
    Unknown(String),
}

/// Files that were read, by their paths.
pub(super) type Texts = RefCell<BTreeMap<String, Result<Text, Unread>>>;

/// What is known while an address is routed.
pub(super) struct Env<'a> {
    pub(super) files: &'a Files,
    pub(super) config: &'a EximConfig,
    /// `domain`, `local_part`, `host`; those that are not here are not known.
    pub(super) variables: BTreeMap<&'static str, String>,
    /// Files are asked again for every address.
    pub(super) texts: &'a Texts,
}

impl Env<'_> {
    /// The same with one variable more.
    pub(super) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut variables = self.variables.clone();
        variables.insert(name, value.to_owned());
        Self { files: self.files, config: self.config, variables, texts: self.texts }
    }

    pub(super) fn read(&self, path: &str) -> Result<Text, Unread> {
        let mut texts = self.texts.borrow_mut();
        texts.entry(path.to_owned()).or_insert_with(|| self.files.read(path)).clone()
    }

    /// # Errors
    ///
    /// [`Stop`], which says why it did not become a text.
    pub(super) fn expand(&self, raw: &str) -> Result<String, Stop> {
        let mut rest = raw;
        let out = self.until(&mut rest, false, 0)?;
        Ok(out)
    }

    /// Everything up to the end, or up to the `}` that belongs to a brace before.
    fn until(&self, rest: &mut &str, in_braces: bool, depth: u8) -> Result<String, Stop> {
        if depth > MOST_NESTED {
            return Err(unknown("it is nested too deeply"));
        }
        let mut out = String::new();
        while let Some(c) = rest.chars().next() {
            if out.len() > LONGEST {
                return Err(unknown("it becomes too long"));
            }
            let after = rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '}' if in_braces => return Ok(out),
                '\\' => Self::escaped(after, rest, &mut out),
                '$' => {
                    *rest = after;
                    self.dollar(rest, depth, &mut out)?;
                }
                c => {
                    out.push(c);
                    *rest = after;
                }
            }
        }
        if in_braces { Err(unknown("a brace is not closed")) } else { Ok(out) }
    }

    /// What follows a backslash; between two `\N` everything stands for itself.
    fn escaped<'t>(after: &'t str, rest: &mut &'t str, out: &mut String) {
        if let Some(literal) = after.strip_prefix('N') {
            let (literal, after) = literal.split_once("\\N").unwrap_or((literal, ""));
            out.push_str(literal);
            *rest = after;
            return;
        }
        let mut chars = after.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            other => out.extend(other),
        }
        *rest = chars.as_str();
    }

    fn dollar(&self, rest: &mut &str, depth: u8, out: &mut String) -> Result<(), Stop> {
        let Some(inside) = rest.strip_prefix('{') else {
            let (name, after) = name_of(rest);
            *rest = after;
            out.push_str(&self.variable(name)?);
            return Ok(());
        };
        let inside = inside.trim_start();
        let (name, after) = name_of(inside);
        let value = match (name, after.chars().next()) {
            ("if", Some(_)) => {
                *rest = after;
                let holds = self.condition(rest, depth + 1)?;
                self.either(rest, holds.then_some("true"), depth)?
            }
            ("lookup", Some(_)) => {
                *rest = after;
                let found = self.lookup(rest, depth + 1)?;
                let env = found.as_deref().map(|value| self.with("value", value));
                env.as_ref().unwrap_or(self).either(rest, found.as_deref(), depth)?
            }
            (_, Some('}')) => {
                *rest = after.get(1..).unwrap_or_default();
                self.variable(name)?
            }
            ("lc" | "uc", Some(':')) => {
                *rest = after.get(1..).unwrap_or_default();
                let value = self.until(rest, true, depth + 1)?;
                close(rest)?;
                if name == "lc" { value.to_lowercase() } else { value.to_uppercase() }
            }
            _ => return Err(unknown(&format!("it computes `${{{name}…}}`"))),
        };
        out.push_str(&value);
        Ok(())
    }

    fn variable(&self, name: &str) -> Result<String, Stop> {
        match self.variables.get(name) {
            Some(value) => Ok(value.clone()),
            None => Err(unknown(&format!("it depends on `${name}`"))),
        }
    }

    /// The texts for yes and no behind a condition or a lookup; without any the result itself.
    fn either(&self, rest: &mut &str, found: Option<&str>, depth: u8) -> Result<String, Stop> {
        let mut texts = Vec::new();
        loop {
            *rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                *rest = after;
                break;
            }
            if let Some(after) = rest.strip_prefix("fail") {
                *rest = after;
                texts.push(Err(Stop::Failed));
                continue;
            }
            if texts.len() >= 2 || !rest.starts_with('{') {
                return Err(unknown("its braces do not fit"));
            }
            // Only one of both is wanted, and the other may be unknown.
            let is_wanted = found.is_some() == texts.is_empty();
            texts.push(if is_wanted {
                self.braced(rest, depth + 1)
            } else {
                skip(rest)?;
                Ok(String::new())
            });
        }
        let mut texts = texts.into_iter();
        let (yes, no) = (texts.next(), texts.next());
        match found {
            Some(value) => yes.unwrap_or_else(|| Ok(value.to_owned())),
            None => no.unwrap_or_else(|| Ok(String::new())),
        }
    }

    fn braced(&self, rest: &mut &str, depth: u8) -> Result<String, Stop> {
        *rest = rest.trim_start();
        *rest = rest.strip_prefix('{').ok_or_else(|| unknown("a brace is missing"))?;
        let value = self.until(rest, true, depth)?;
        close(rest)?;
        Ok(value)
    }

    fn condition(&self, rest: &mut &str, depth: u8) -> Result<bool, Stop> {
        if depth > MOST_NESTED {
            return Err(unknown("it is nested too deeply"));
        }
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('!') {
            *rest = after;
            return Ok(!self.condition(rest, depth + 1)?);
        }
        let (name, after) = name_of(rest);
        *rest = after;
        let mut argument =
            |env: &Self| env.braced(rest, depth + 1).map(|value| value.trim().to_owned());
        match name {
            "exists" => {
                let path = argument(self)?;
                if !path.starts_with('/') {
                    return Err(unknown("it looks for a file without its folder"));
                }
                Ok(self.files.exists(&path))
            }
            "eq" => Ok(argument(self)? == argument(self)?),
            "eqi" => Ok(argument(self)?.eq_ignore_ascii_case(&argument(self)?)),
            "bool" => Ok(super::config::is_true(&argument(self)?)),
            "match_domain" => {
                let (domain, list) = (argument(self)?, argument(self)?);
                match domain_in(&list, &domain, self, 0) {
                    Tri::Yes => Ok(true),
                    Tri::No => Ok(false),
                    Tri::Unknown(reason) => Err(Stop::Unknown(reason)),
                }
            }
            "def" => {
                let (name, after) = name_of(rest.strip_prefix(':').unwrap_or(rest));
                *rest = after;
                Ok(!self.variable(name)?.is_empty())
            }
            "and" | "or" => self.both(rest, name == "and", depth),
            _ => Err(unknown(&format!("it depends on a condition, `{name}`"))),
        }
    }

    /// `{{one}{other}}`: what is decided by one of them does not need the others.
    fn both(&self, rest: &mut &str, all: bool, depth: u8) -> Result<bool, Stop> {
        *rest = rest.trim_start().strip_prefix('{').ok_or_else(|| unknown("a brace is missing"))?;
        let mut result = Ok(all);
        loop {
            *rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                *rest = after;
                return result;
            }
            let before = *rest;
            let inside = rest.strip_prefix('{').ok_or_else(|| unknown("a brace is missing"))?;
            let mut one = inside;
            let holds = self.condition(&mut one, depth + 1);
            *rest = before;
            skip(rest)?;
            match (&result, holds) {
                (Ok(so_far), _) if *so_far != all => {}
                (_, Ok(holds)) if holds != all => result = Ok(holds),
                (_, Err(stop)) => result = Err(stop),
                _ => {}
            }
        }
    }

    /// `{key}lsearch{file}`: what a line of the file says of the key.
    fn lookup(&self, rest: &mut &str, depth: u8) -> Result<Option<String>, Stop> {
        *rest = rest.trim_start();
        if !rest.starts_with('{') {
            let (kind, _) = name_of(rest);
            return Err(unknown(&format!("it asks `{kind}`")));
        }
        let key = self.braced(rest, depth)?;
        *rest = rest.trim_start();
        let end = rest.find(['{', ' ']).unwrap_or(rest.len());
        let (kind, after) = rest.split_at(end);
        *rest = after;
        let path = self.braced(rest, depth)?;
        self.search(kind, path.trim(), &key).map_err(Stop::Unknown)
    }

    /// Looks `key` up in a text file; `kind` as exim writes it: `partial-lsearch*`.
    ///
    /// # Errors
    ///
    /// Why that cannot be told, as a clause.
    pub(super) fn search(
        &self,
        kind: &str,
        path: &str,
        key: &str,
    ) -> Result<Option<String>, String> {
        let (partial, name) = match kind.strip_prefix("partial") {
            Some(rest) => {
                let (least, name) = rest.split_once('-').unwrap_or((rest, ""));
                (Some(least.parse::<usize>().unwrap_or(2)), name)
            }
            None => (None, kind),
        };
        let (name, default) = match name.split_once(',') {
            Some((name, _)) => (name, false),
            None => (name.trim_end_matches(['*', '@']), name.contains('*')),
        };
        let pattern = match name {
            "lsearch" | "iplsearch" => false,
            "wildlsearch" | "nwildlsearch" => true,
            other => return Err(format!("it asks `{other}`")),
        };
        let text = self.read(path).map_err(|why| format!("{path}: {why}"))?;
        let entries = entries(&text);
        let find = |key: &str| {
            let fits = |(known, _): &&(String, String)| {
                if pattern { is_like(known, key) } else { known.eq_ignore_ascii_case(key) }
            };
            entries.iter().find(fits).map(|(_, value)| value.clone())
        };
        if pattern && entries.iter().any(|(known, _)| known.starts_with('^')) {
            return Err(format!("{path} has patterns"));
        }
        let mut found = find(key);
        if let (None, Some(least)) = (&found, partial) {
            let parts: Vec<&str> = key.split('.').collect();
            let shorter = (0..parts.len()).filter(|from| parts.len() - from >= least.max(1));
            found = shorter.into_iter().find_map(|from| {
                find(&format!("*.{}", parts.get(from..).unwrap_or_default().join(".")))
            });
        }
        Ok(found.or_else(|| default.then(|| find("*")).flatten()))
    }
}

/// `key: value` or `key value`, a line each; what is indented continues the value before.
pub(super) fn entries(text: &Text) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for (_, line) in text.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = entries.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
            continue;
        }
        let quoted = line.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (key, value) = quoted
            .unwrap_or_else(|| line.split_at(line.find([':', ' ', '\t']).unwrap_or(line.len())));
        let value = value.trim_start();
        let value = value.strip_prefix(':').unwrap_or(value).trim();
        entries.push((key.to_owned(), value.to_owned()));
    }
    entries
}

/// `*.corp.example`: is it the end of the key?
fn is_like(known: &str, key: &str) -> bool {
    let (known, key) = (known.to_ascii_lowercase(), key.to_ascii_lowercase());
    known.strip_prefix('*').map_or(known == key, |end| key.ends_with(end))
}

/// Passes over what stands in braces.
fn skip(rest: &mut &str) -> Result<(), Stop> {
    let (mut depth, mut is_escaped) = (0_usize, false);
    for (at, c) in rest.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    *rest = rest.get(at + 1..).unwrap_or_default();
                    return Ok(());
                }
            }
            _ => {}
        }
    }
    Err(unknown("a brace is not closed"))
}

fn close(rest: &mut &str) -> Result<(), Stop> {
    *rest = rest.strip_prefix('}').ok_or_else(|| unknown("a brace is not closed"))?;
    Ok(())
}

fn name_of(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

fn unknown(reason: &str) -> Stop {
    Stop::Unknown(reason.to_owned())
}
