//! Text for a terminal: broken into lines, marked, labelled. Every page that a person reads is made of these.

use std::fmt::Display;
use std::io;

use anstyle::{AnsiColor, Style};
use preflight_checks::{discreet_value, printable};
use textwrap::core::Word;
use unicode_width::UnicodeWidthStr;

use crate::run::outcome::Outcome;

/// Narrower than this a line holds no word.
pub(crate) const MIN_WIDTH: usize = 30;

/// Columns of a page from which on the cells of a row stand side by side, and not one below the other.
pub(crate) const SIDE_BY_SIDE: usize = 60;

/// The mark of an outcome.
pub(crate) fn symbol(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✓",
        Outcome::Warn => "!",
        Outcome::Fail => "✗",
        Outcome::Unknown => "?",
        Outcome::Skip => "-",
    }
}

/// The colour of an outcome.
pub(crate) fn style(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Pass => AnsiColor::Green,
        Outcome::Warn => AnsiColor::Yellow,
        Outcome::Fail => AnsiColor::Red,
        Outcome::Unknown => AnsiColor::Magenta,
        Outcome::Skip => return Style::new().dimmed(),
    };
    colour.on_default().bold()
}

/// With spaces behind it, up to `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// Parts of one line; a short one is not broken in two.
pub(crate) fn in_one(parts: &[String]) -> String {
    const SHORT: usize = 50;
    let joined = parts.iter().map(|part| match part.width() {
        0..=SHORT => part.replace(' ', UNBROKEN),
        _ => part.clone(),
    });
    joined.collect::<Vec<_>>().join(&format!("{UNBROKEN}· "))
}

/// A space at which no line is broken.
const UNBROKEN: &str = "\u{a0}";

/// Breaks at spaces, and inside a word only when it is longer than a line: behind a slash, then behind a dot, a colon
/// or an at sign, and between any two letters where it has none of them.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = printable(text);
    let words: Vec<Word<'_>> = textwrap::WordSeparator::AsciiSpace
        .find_words(&text)
        .flat_map(|word| parts_that_fit(word, width))
        .collect();
    // The optimal fit would rather overflow a line by a little than leave a short one.
    let widths = [width];
    let lines = textwrap::WrapAlgorithm::FirstFit.wrap(&words, &widths);
    let written = lines.into_iter().map(|words| {
        let text: String = words.iter().flat_map(|word| [word.word, word.whitespace]).collect();
        text.trim_end_matches(' ').replace(UNBROKEN, " ")
    });
    written.collect()
}

/// A word whole where it fits a line, else in as few parts as there can be.
fn parts_that_fit(word: Word<'_>, width: usize) -> Vec<Word<'_>> {
    let mut parts: Vec<Word<'_>> = Vec::new();
    let mut begins = 0;
    let mut ends = 0;
    for piece in pieces_that_fit(word.word, width, &[&['/'], &['.', ':', '@']]) {
        let both = word.word.get(begins..ends + piece.len()).unwrap_or_default();
        match parts.last_mut() {
            Some(part) if both.width() <= width => *part = Word::from(both),
            _ => {
                parts.push(Word::from(piece));
                begins = ends;
            }
        }
        ends += piece.len();
    }
    if let Some(last) = parts.last_mut() {
        last.whitespace = word.whitespace;
    }
    parts
}

/// Its pieces behind the first of `marks`; of a piece that fits no line, those behind the next.
fn pieces_that_fit<'a>(text: &'a str, width: usize, marks: &[&[char]]) -> Vec<&'a str> {
    match marks.split_first() {
        _ if text.width() <= width => vec![text],
        Some((mark, weaker)) => text
            .split_inclusive(*mark)
            .flat_map(|piece| pieces_that_fit(piece, width, weaker))
            .collect(),
        None => Word::from(text).break_apart(width).map(|word| word.word).collect(),
    }
}

/// A URL or a path, broken behind a slash where it must be broken.
pub(crate) fn at_slashes(text: &str, width: usize) -> Vec<String> {
    at_marks(text, width, &['/'])
}

/// Broken behind one of `marks` where it must be broken.
pub(crate) fn at_marks(text: &str, width: usize, marks: &[char]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in printable(text).split_inclusive(marks) {
        match lines.last_mut() {
            Some(line) if line.width() + part.width() <= width => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines.iter().flat_map(|line| wrap(line, width)).collect()
}

/// The first of `items`, then how many more there are.
pub(crate) fn first_of<T: Display>(items: &[T], most: usize) -> String {
    let shown: Vec<String> = items.iter().take(most).map(ToString::to_string).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Writes `text` behind `first`; its other lines begin below its first one. Nothing for no text.
pub(crate) fn hanging(
    first: &str,
    text: &str,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut before = first.to_owned();
    for line in wrap(text, width.saturating_sub(first.width()).max(1)) {
        writeln!(out, "{before}{line}")?;
        before = pad("", first.width());
    }
    Ok(())
}

/// Writes `text` behind the mark of an outcome.
pub(crate) fn marked(
    outcome: Outcome,
    text: &str,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let (style, mut mark) = (style(outcome), symbol(outcome));
    for line in wrap(text, width.saturating_sub(4).max(1)) {
        writeln!(out, "  {style}{mark}{style:#} {line}")?;
        mark = " ";
    }
    Ok(())
}

/// Writes cells side by side, each already broken into lines: columns of `widths`, the last one as
/// wide as it is; before line `n` stands `mark(n)`.
///
/// # Errors
///
/// When `out` cannot be written to.
pub(crate) fn side_by_side(
    cells: &[Vec<String>],
    widths: &[usize],
    mark: impl Fn(usize) -> String,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let lines = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..lines {
        let parts = cells.iter().enumerate().map(|(column, cell)| {
            let text = cell.get(line).map_or("", String::as_str);
            pad(text, widths.get(column).copied().unwrap_or(0))
        });
        let text = parts.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}{}", mark(line), text.trim_end())?;
    }
    Ok(())
}

/// Labels in one column, their texts in the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    /// Blanks before a label.
    pub(crate) indent: usize,
    /// Columns of a label; two blanks follow.
    pub(crate) column: usize,
    /// Columns of the page.
    pub(crate) width: usize,
}

impl Labels {
    /// Writes a label and its text; a label that is longer than its column has a line of its own.
    pub(crate) fn write(self, label: &str, text: &str, out: &mut dyn io::Write) -> io::Result<()> {
        let mut label = label;
        if label.width() > self.column && !text.is_empty() {
            hanging(&pad("", self.indent), label, self.width, out)?;
            label = "";
        }
        let first = format!("{}{}  ", pad("", self.indent), pad(label, self.column));
        hanging(&first, text, self.width, out)
    }
}

/// What a word that is none of `known` is answered with: the nearest, or all of them.
pub(crate) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    const A_FEW: usize = 24;
    let near = known
        .iter()
        .map(|known| {
            (strsim::damerau_levenshtein(&known.to_lowercase(), &word.to_lowercase()), known)
        })
        .filter(|(distance, known)| *distance <= known.chars().count() / 3)
        .min();
    let hint = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there is none".to_owned(),
        None if known.len() > A_FEW => "none is like it".to_owned(),
        None => format!("known are {}", known.join(", ")),
    };
    let word: String = discreet_value(word).chars().take(60).collect();
    format!("unknown {what}: `{word}`; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(label: &str, text: &str) -> String {
        let mut out = Vec::new();
        Labels { indent: 2, column: 4, width: 18 }.write(label, text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_stands_beside_its_label() {
        assert_eq!(labelled("seen", "nothing came back"), "  seen  nothing\n        came back\n");
        assert_eq!(labelled("far too long", "x"), "  far too long\n        x\n");
        assert_eq!(labelled("seen", ""), "");
    }

    #[test]
    fn parts_of_a_line_are_broken_between_and_not_within() {
        let parts = ["one two".to_owned(), "three four".to_owned()];
        assert_eq!(
            wrap(&in_one(&parts), 12),
            ["one two\u{a0}·".replace('\u{a0}', " "), "three four".to_owned()]
        );
    }

    #[test]
    fn a_word_that_no_line_holds_is_broken_where_it_has_a_joint() {
        let text = "see http@http://deb.example.test/dists/InRelease, then go";
        let lines = ["see http@http://", "deb.example.test/", "dists/InRelease,", "then go"];
        assert_eq!(wrap(text, 17), lines);
        let lines = ["see", "http@http://deb.example.test/", "dists/InRelease, then go"];
        assert_eq!(wrap(text, 30), lines);
        assert_eq!(wrap("a mail.example.test:25 b", 13), ["a", "mail.example.", "test:25 b"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("  in front", 20), ["  in front"]);
        assert_eq!(wrap("", 20), [""]);
    }

    #[test]
    fn a_path_is_broken_behind_a_slash() {
        assert_eq!(at_slashes("/etc/chrony/conf.d/x", 12), ["/etc/chrony/", "conf.d/x"]);
    }

    #[test]
    fn a_list_that_is_too_long_ends_in_a_number() {
        assert_eq!(first_of(&["a", "b"], 2), "a, b");
        assert_eq!(first_of(&["a", "b", "c"], 1), "a and 2 more");
        assert_eq!(first_of::<&str>(&[], 1), "");
    }
}
