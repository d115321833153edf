//! The engine's object files: `define host {` … `}`, a key and a value a line.
//!
//! Lines are trimmed; empty ones and those that begin with `#` or `;` say
//! nothing; one that ends in `\` goes on in the next. Since 2020 the engine
//! takes a `;` inside a value as part of it, before it began a comment unless
//! written `\;`. Here both are read as they were meant: `;` after white space
//! begins a comment, one inside a word (a community) does not.

use std::borrow::Cow;

use super::templates::Values;

/// One `define host { … }`, as it is written.
///
/// Its values may be secrets: it has no `Debug`.
pub(super) struct HostObject<'t> {
    /// Where it begins.
    pub(super) line: usize,
    /// What others that use it call it: it is a template.
    pub(super) used_as: Option<Cow<'t, str>>,
    /// What the engine calls it: it is a host.
    pub(super) name: Option<Cow<'t, str>>,
    /// `register 0`: a template only.
    pub(super) is_registered: bool,
    /// Its own values; its templates' come after them.
    pub(super) values: Values<'t>,
    uses: Cow<'t, str>,
}

impl<'t> HostObject<'t> {
    fn at(line: usize) -> Self {
        Self {
            line,
            used_as: None,
            name: None,
            is_registered: true,
            values: Values::default(),
            uses: Cow::Borrowed(""),
        }
    }

    /// The templates it uses, the first of which has the first word.
    pub(super) fn templates(&self) -> impl Iterator<Item = &str> {
        self.uses.split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    fn take(&mut self, line: Cow<'t, str>) {
        match line {
            Cow::Borrowed(line) => {
                let (key, value) = key_and_value(line);
                self.set(key, Cow::Borrowed(value));
            }
            Cow::Owned(line) => {
                let (key, value) = key_and_value(&line);
                self.set(key, Cow::Owned(value.to_owned()));
            }
        }
    }

    fn set(&mut self, key: &str, value: Cow<'t, str>) {
        let slot = match key {
            "register" => {
                self.is_registered = !matches!(&*value, "0" | "false" | "no" | "n" | "f");
                return;
            }
            "use" => {
                self.uses = value;
                return;
            }
            "name" => &mut self.used_as,
            "host_name" => &mut self.name,
            "address" => &mut self.values.address,
            _ => return self.values.set_macro(key, value),
        };
        *slot = Some(value).filter(|value| !value.is_empty());
    }
}

/// The hosts and templates of a file, at most `most`; `bad` hears of the line
/// and of what is wrong with it.
pub(super) fn hosts<'t>(
    text: &'t str,
    most: usize,
    mut bad: impl FnMut(usize, &str),
) -> Vec<HostObject<'t>> {
    let mut hosts = Vec::new();
    let mut open: Option<Definition<'t>> = None;
    for (number, line) in lines(text) {
        if let Some(kind) = kind(&line) {
            if let Some(unfinished) = open.take() {
                bad(number, "a definition begins before the last one has ended");
                hosts.extend(unfinished.host);
            }
            let host = (kind == "host").then(|| HostObject::at(number));
            if host.is_some() && hosts.len() >= most {
                bad(number, "too many hosts; the rest is not read");
                return hosts;
            }
            open = Some(Definition { line: number, host });
        } else if line.starts_with('}') {
            hosts.extend(open.take().and_then(|ended| ended.host));
        } else if let Some(definition) = &mut open {
            if let Some(host) = &mut definition.host {
                host.take(line);
            }
        } else {
            bad(number, "this is in no definition");
        }
    }
    if let Some(unfinished) = open {
        // Its last value may be half a value.
        bad(unfinished.line, "this definition does not end");
    }
    hosts
}

/// A definition that has begun; of what is not a host only that it has.
struct Definition<'t> {
    line: usize,
    host: Option<HostObject<'t>>,
}

/// What `define KIND {` defines.
fn kind(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("define")?;
    let kind = rest.strip_suffix('{')?;
    rest.starts_with(|c: char| c.is_ascii_whitespace()).then(|| kind.trim())
}

/// Lines that say something, with the number of their first.
fn lines(text: &str) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let mut numbered = text.lines().enumerate();
    std::iter::from_fn(move || {
        let (index, line) = numbered.find(|(_, line)| says_something(line))?;
        let mut line = Cow::Borrowed(line.trim());
        while line.ends_with('\\') {
            let joined = line.to_mut();
            joined.pop();
            let next = numbered.find(|(_, line)| says_something(line));
            joined.push_str(next.map_or("", |(_, next)| next.trim()));
        }
        Some((index + 1, line))
    })
}

fn says_something(line: &str) -> bool {
    !matches!(line.trim_start().chars().next(), None | Some('#' | ';'))
}

/// The first word, and what follows it without its comment.
fn key_and_value(line: &str) -> (&str, &str) {
    let (key, value) = line.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((line, ""));
    let value = value.trim_start();
    let mut comments = value.match_indices(';').map(|(at, _)| at);
    let comment = comments.find(|&at| {
        let before = value.get(..at).unwrap_or_default();
        before.is_empty() || before.ends_with(|c: char| c.is_ascii_whitespace())
    });
    (key, value.get(..comment.unwrap_or(value.len())).unwrap_or(value).trim_end())
}
