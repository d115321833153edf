//! exim's text as exim itself sees it: macros replaced, conditions decided, files drawn in.
//!
//! Every line that is read goes through the macros known so far, those of comments and
//! conditions too; `.ifdef` holds when that replaced anything. What is left after it are
//! logical lines, each with the line where it begins.
//!
//! Reference: The Exim Specification, 6.5 to 6.9; `src/readconf.c` of exim.

use std::collections::VecDeque;

use super::super::super::facts::{Read, RefusedLine};
use super::super::super::include::{Included, LONGEST_PATH};
use super::super::super::{At, Facts, Files, Text};
use super::super::MISSING;

/// Macros of one configuration; Debian's has about sixty.
const MOST_MACROS: usize = 512;
/// Bytes of a logical line; exim itself takes less than 64 KiB.
const LONGEST_LINE: usize = 16_384;
/// Logical lines of one configuration; Debian's has about 600.
const MOST_LINES: usize = 16_384;
/// Conditions inside each other; exim has the same limit.
const MOST_NESTED: usize = 25;
/// Replacements in one line; a macro that grows itself would go on for ever.
const MOST_REPLACED: usize = 256;

/// A name that stands for a text in all lines below it.
#[derive(Clone, Debug)]
struct Macro {
    name: String,
    value: String,
    at: At,
}

/// A logical line, and what is to be known of its making.
#[derive(Clone, Debug)]
pub(super) struct LogicalLine {
    pub(super) text: String,
    /// Where it begins.
    pub(super) at: At,
    /// Where the last macro was set whose text is part of it.
    pub(super) from: Option<At>,
    /// Where the macro was set that has it read at all (`.ifdef`).
    pub(super) because: Option<At>,
    /// It is only read by an exim that was built with something: `.ifdef _HAVE_DANE`.
    pub(super) depends_on_build: bool,
}

/// A piece of text, not yet read.
#[derive(Clone, Debug)]
pub(super) struct UnreadText {
    pub(super) text: Text,
    /// Where its lines are set, when that is not the text itself: by the answer that made it.
    pub(super) origin: Option<At>,
}

/// What a condition says of the lines in it.
#[derive(Clone, Debug)]
struct Condition {
    holds: bool,
    /// One of its branches was read already, so that no further one is.
    is_done: bool,
    because: Option<At>,
    depends_on_build: bool,
}

/// Reads the pieces, one after the other.
pub(super) fn lines(pieces: Vec<UnreadText>, files: &Files, facts: &mut Facts) -> Vec<LogicalLine> {
    let mut reader = EximReader {
        files,
        facts,
        open: pieces.into_iter().map(OpenText::of).collect(),
        included: Included::default(),
        macros: Vec::new(),
        conditions: Vec::new(),
        lines: Vec::new(),
    };
    reader.read();
    reader.lines
}

/// A text, and how much of it was read.
#[derive(Debug)]
struct OpenText {
    piece: UnreadText,
    lines: VecDeque<(usize, String)>,
}

impl OpenText {
    fn of(piece: UnreadText) -> Self {
        let lines = piece.text.lines().map(|(line, text)| (line, text.to_owned())).collect();
        Self { piece, lines }
    }

    fn at(&self, line: usize) -> At {
        self.piece.origin.clone().unwrap_or_else(|| self.piece.text.at(line))
    }
}

struct EximReader<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    /// The first is read; after its end the next goes on.
    open: VecDeque<OpenText>,
    included: Included,
    macros: Vec<Macro>,
    conditions: Vec<Condition>,
    lines: Vec<LogicalLine>,
}

impl EximReader<'_> {
    fn read(&mut self) {
        let mut logical: Option<LogicalLine> = None;
        while let Some((raw, at)) = self.next() {
            if self.lines.len() >= MOST_LINES {
                self.facts.note(at, "from here on no more lines are read", MISSING);
                return;
            }
            let begins = logical.is_none();
            let physical = self.replace(raw.trim_start(), begins);
            if physical.text.starts_with('#') || self.condition(&physical, &at) {
                continue;
            }
            if self.conditions.iter().any(|condition| !condition.holds) {
                continue;
            }
            if let Some((path, may_miss)) = included(&physical.text) {
                self.include(path, may_miss, &at);
                continue;
            }
            let mut line = logical.take().unwrap_or_else(|| LogicalLine {
                text: String::new(),
                at: at.clone(),
                from: None,
                because: self.conditions.iter().rev().find_map(|one| one.because.clone()),
                depends_on_build: self.conditions.iter().any(|one| one.depends_on_build),
            });
            line.from = physical.from.or(line.from);
            line.text.push_str(physical.text.trim_end());
            if line.text.len() > LONGEST_LINE {
                self.facts.note(at, "the line is longer than exim reads", MISSING);
                continue;
            }
            match line.text.strip_suffix('\\') {
                Some(text) => {
                    line.text.truncate(text.len());
                    logical = Some(line);
                }
                None if line.text.is_empty() => {}
                None => self.logical(line),
            }
        }
        self.lines.extend(logical);
        if !self.conditions.is_empty() {
            let last = self.lines.last().map(|line| line.at.file.clone());
            let at = At { file: last.unwrap_or_default(), line: None };
            let reason = Read { value: "an `.endif` is missing".to_owned(), at };
            self.facts.refused.push(RefusedLine::of("exim", reason));
        }
    }

    /// The next line as written, and where it stands.
    fn next(&mut self) -> Option<(String, At)> {
        loop {
            let source = self.open.front_mut()?;
            if let Some((line, text)) = source.lines.pop_front() {
                let at = source.at(line);
                return Some((text, at));
            }
            self.open.pop_front();
        }
    }

    /// The line with every macro in it replaced; `begins`: a definition is possible here.
    fn replace(&self, raw: &str, begins: bool) -> Replaced {
        // The name that is being defined is left alone.
        let kept = if begins { defined(raw).map_or(0, |(name, _)| name.len()) } else { 0 };
        let (name, rest) = raw.split_at(kept);
        let mut rest = rest.to_owned();
        let (mut from, mut has_macros, mut count) = (None, false, 0);
        for known in &self.macros {
            let mut after = 0;
            while let Some(found) = rest.get(after..).and_then(|rest| rest.find(&known.name)) {
                if count >= MOST_REPLACED || rest.len() > LONGEST_LINE {
                    break;
                }
                count += 1;
                let start = after + found;
                rest.replace_range(start..start + known.name.len(), &known.value);
                after = start + known.value.len();
                has_macros = true;
                if !known.value.is_empty() {
                    from = Some(known.at.clone());
                }
            }
        }
        // Whichever macro made the condition true, with a text or without one.
        let decided = self.macros.iter().find(|known| raw.contains(&known.name));
        let because = decided.map(|known| known.at.clone());
        let text = format!("{name}{rest}").trim_start().to_owned();
        Replaced { text, from, because, has_macros, names_build: names_build(raw) }
    }

    /// Follows a line of conditions; false: it is none.
    fn condition(&mut self, line: &Replaced, at: &At) -> bool {
        let Some(rest) = line.text.strip_prefix('.') else { return false };
        let word = rest.split_whitespace().next().unwrap_or_default();
        // What exim defines by itself depends on how it was built; the newest has all of it.
        let is_true = line.has_macros || line.names_build;
        match word {
            "ifdef" | "ifndef" => {
                if self.conditions.len() >= MOST_NESTED {
                    self.refuse("conditions are nested too deeply", at);
                    return true;
                }
                let holds = is_true == (word == "ifdef");
                let because = line.because.clone().filter(|_| holds && word == "ifdef");
                let depends_on_build = line.names_build;
                self.conditions.push(Condition {
                    holds,
                    is_done: holds,
                    because,
                    depends_on_build,
                });
            }
            "elifdef" | "elifndef" => {
                let Some(condition) = self.conditions.last_mut() else {
                    self.refuse("it has no `.ifdef` before it", at);
                    return true;
                };
                condition.holds = !condition.is_done && is_true == (word == "elifdef");
                condition.is_done |= condition.holds;
                condition.because =
                    line.because.clone().filter(|_| condition.holds && word == "elifdef");
                condition.depends_on_build |= line.names_build;
            }
            "else" => {
                let Some(condition) = self.conditions.last_mut() else {
                    self.refuse("it has no `.ifdef` before it", at);
                    return true;
                };
                condition.holds = !condition.is_done;
                condition.is_done = true;
                condition.because = None;
            }
            "endif" => {
                if self.conditions.pop().is_none() {
                    self.refuse("it has no `.ifdef` before it", at);
                }
            }
            _ => return false,
        }
        true
    }

    fn refuse(&mut self, reason: &str, at: &At) {
        let reason = Read { value: reason.to_owned(), at: at.clone() };
        self.facts.refused.push(RefusedLine::of("exim", reason));
    }

    /// Has another file read before the rest of this one.
    fn include(&mut self, path: &str, may_miss: bool, at: &At) {
        if path.len() > LONGEST_PATH {
            return;
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            let folder = at.file.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{path}")
        };
        if !self.files.exists(&path) {
            if !may_miss {
                self.refuse("the file to include does not exist", at);
            }
            return;
        }
        if let Some(text) = self.included.open(self.files, &path, self.facts, MISSING) {
            self.open.push_front(OpenText::of(UnreadText { text, origin: None }));
        } else {
            let reason = format!("{path} is not read a second time");
            self.facts.note(at.clone(), reason, MISSING);
        }
    }

    /// A macro is kept for the lines below; every other line is handed on.
    fn logical(&mut self, line: LogicalLine) {
        let Some((name, rest)) = defined(&line.text) else {
            self.lines.push(line);
            return;
        };
        let again = rest.strip_prefix('=');
        let value = again.unwrap_or(rest).trim().to_owned();
        let known = self.macros.iter_mut().find(|known| known.name == name);
        match (known, again) {
            (Some(known), Some(_)) => {
                known.value = value;
                known.at = line.at.clone();
            }
            (Some(_), None) => {
                self.refuse(
                    &format!("the macro {name} is set already; a second time needs `==`"),
                    &line.at,
                );
            }
            (None, _) => {
                // exim would replace the known one inside the new one.
                if let Some(part) = self.macros.iter().find(|known| name.contains(&known.name)) {
                    let reason = format!("the macro {name} contains the name of {}", part.name);
                    self.refuse(&reason, &line.at);
                } else if self.macros.len() < MOST_MACROS {
                    let at = line.at.clone();
                    self.macros.push(Macro { name: name.to_owned(), value, at });
                } else {
                    self.facts.note(line.at, "from here on no more macros are read", MISSING);
                }
            }
        }
    }
}

/// A physical line after its macros.
#[derive(Debug)]
struct Replaced {
    text: String,
    from: Option<At>,
    because: Option<At>,
    has_macros: bool,
    names_build: bool,
}

/// `NAME = value`: the name of a macro, and what stands after the first `=`.
fn defined(line: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = line.find(|c| !is_part(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let value = rest.trim_start().strip_prefix('=')?;
    name.starts_with(|c: char| c.is_ascii_uppercase()).then_some((name, value))
}

/// Does it use a macro that exim itself has: `_HAVE_DANE`, `_OPT_TRANSPORT_SMTP_PORT`?
fn names_build(line: &str) -> bool {
    let ours = ["_HAVE_", "_OPT_", "_DRIVER_", "_LOG_", "_PIPE_", "_EXP_", "_VERSION"];
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| ours.iter().any(|start| word.starts_with(start)))
}

/// `.include FILE`, `.include_if_exists FILE`: the file, and whether it may be missing.
fn included(line: &str) -> Option<(&str, bool)> {
    let rest = line.strip_prefix(".include")?;
    let (rest, may_miss) = match rest.strip_prefix("_if_exists") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let path = rest.strip_prefix([' ', '\t'])?.trim();
    let inside = path.strip_prefix('"').and_then(|path| path.strip_suffix('"'));
    Some((inside.unwrap_or(path), may_miss))
}
