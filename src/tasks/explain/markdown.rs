//! The Markdown of `docs/causes.md` for a terminal: headings, paragraphs, lists, quotes, code.
//!
//! Prose is wrapped; a line of code never is, so that it can be copied. What is filled into a blank
//! is filled into text that was read already: no value becomes markup.

use std::io;

use anstyle::{AnsiColor, Style};
use preflight_checks::printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::blanks::Blanks;

/// Writes `text` indented, no prose wider than `width` columns.
pub(super) fn write(
    text: &str,
    blanks: &Blanks,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let lines: Vec<&str> = text.lines().collect();
    MarkdownPage { blanks, width, out }.blocks(&blocks(&lines), 2)
}

/// The text of a paragraph without its markup.
pub(super) fn plain(text: &str) -> String {
    spans(text, SpanStyle::default()).into_iter().map(|span| span.text).collect()
}

/// A part of a page.
#[derive(Debug, PartialEq)]
enum MarkdownBlock<'a> {
    Heading(&'a str),
    Paragraph(String),
    Item(Vec<MarkdownBlock<'a>>),
    Quote(Vec<MarkdownBlock<'a>>),
    Code(Vec<&'a str>),
}

fn blocks<'a>(lines: &[&'a str]) -> Vec<MarkdownBlock<'a>> {
    let mut blocks = Vec::new();
    let mut rest = lines;
    while let Some((&line, after)) = rest.split_first() {
        if line.trim().is_empty() {
            rest = after;
        } else if line.starts_with("```") {
            let length = after.iter().take_while(|line| !line.starts_with("```")).count();
            let (code, behind) = after.split_at(length);
            blocks.push(MarkdownBlock::Code(code.to_vec()));
            rest = behind.get(1..).unwrap_or_default();
        } else if let Some(first) = line.strip_prefix("- ") {
            // What belongs to an item is indented as its text is.
            let belongs = |line: &&&str| line.starts_with("  ") || line.trim().is_empty();
            let (more, behind) = after.split_at(after.iter().take_while(belongs).count());
            let more = more.iter().map(|line| line.strip_prefix("  ").unwrap_or_default());
            let inside: Vec<&str> = std::iter::once(first).chain(more).collect();
            blocks.push(MarkdownBlock::Item(self::blocks(&inside)));
            rest = behind;
        } else if line.starts_with('>') {
            let length = rest.iter().take_while(|line| line.starts_with('>')).count();
            let (quoted, behind) = rest.split_at(length);
            let inside = quoted.iter().map(|line| line.trim_start_matches('>').trim_start());
            blocks.push(MarkdownBlock::Quote(self::blocks(&inside.collect::<Vec<_>>())));
            rest = behind;
        } else if let Some(heading) = line.strip_prefix('#') {
            blocks.push(MarkdownBlock::Heading(heading.trim_start_matches('#').trim()));
            rest = after;
        } else {
            let more = after.iter().take_while(|line| !begins_block(line)).count();
            let (paragraph, behind) = rest.split_at(1 + more);
            let paragraph: Vec<&str> = paragraph.iter().map(|line| line.trim()).collect();
            blocks.push(MarkdownBlock::Paragraph(paragraph.join(" ")));
            rest = behind;
        }
    }
    blocks
}

fn begins_block(line: &str) -> bool {
    let marks = ["```", "- ", ">", "#"];
    line.trim().is_empty() || marks.iter().any(|mark| line.starts_with(mark))
}

/// How a part of a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SpanStyle {
    code: bool,
    strong: bool,
    emphasis: bool,
}

impl SpanStyle {
    fn style(self) -> Style {
        let style = Style::new();
        let style = if self.strong { style.bold() } else { style };
        let style = if self.emphasis { style.italic() } else { style };
        if self.code { style.fg_color(Some(AnsiColor::Cyan.into())) } else { style }
    }
}

/// Text of one shape.
#[derive(Debug, PartialEq)]
struct Styled {
    shape: SpanStyle,
    text: String,
}

/// A paragraph in parts of one shape each; a mark that is not closed stands for itself.
fn spans(text: &str, shape: SpanStyle) -> Vec<Styled> {
    let mut spans: Vec<Styled> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let marked = enclosed(rest, "`", "`")
            .map(|(inside, after)| {
                let code = SpanStyle { code: true, ..shape };
                (vec![Styled { shape: code, text: quoted(inside) }], after)
            })
            .or_else(|| {
                let (inside, after) = enclosed(rest, "**", "**")?;
                Some((self::spans(inside, SpanStyle { strong: true, ..shape }), after))
            })
            .or_else(|| {
                let (inside, after) = enclosed(rest, "*", "*")?;
                let is_mark = !inside.starts_with(' ') && !inside.ends_with(' ');
                is_mark.then(|| (self::spans(inside, SpanStyle { emphasis: true, ..shape }), after))
            })
            .or_else(|| {
                let (inside, after) = enclosed(rest, "[", "](")?;
                let (place, after) = after.split_once(')')?;
                let mut link = self::spans(inside, shape);
                if !place.starts_with('#') {
                    link.push(Styled { shape, text: format!(" ({place})") });
                }
                Some((link, after))
            });
        if let Some((inside, after)) = marked {
            spans.extend(inside);
            rest = after;
            continue;
        }
        match spans.last_mut() {
            Some(last) if last.shape == shape => last.text.push(first),
            _ => spans.push(Styled { shape, text: first.to_string() }),
        }
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    spans
}

/// A command of several words must end somewhere, also where colours do not show.
fn quoted(code: &str) -> String {
    if code.contains(' ') { format!("‘{code}’") } else { code.to_owned() }
}

/// What stands between `open` and the next `close`, and what follows.
fn enclosed<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(open)?.split_once(close).filter(|(inside, _)| !inside.is_empty())
}

/// A page as wide as its terminal.
struct MarkdownPage<'a> {
    blanks: &'a Blanks,
    width: usize,
    out: &'a mut dyn io::Write,
}

impl MarkdownPage<'_> {
    fn blocks(&mut self, blocks: &[MarkdownBlock<'_>], indent: usize) -> io::Result<()> {
        for (index, block) in blocks.iter().enumerate() {
            let is_list = |block: &MarkdownBlock<'_>| matches!(block, MarkdownBlock::Item(_));
            let before = index.checked_sub(1).and_then(|before| blocks.get(before));
            if before.is_some_and(|before| !(is_list(before) && is_list(block))) {
                writeln!(self.out)?;
            }
            self.block(block, indent)?;
        }
        Ok(())
    }

    fn block(&mut self, block: &MarkdownBlock<'_>, indent: usize) -> io::Result<()> {
        match block {
            MarkdownBlock::Heading(text) => {
                let bold = Style::new().bold();
                writeln!(self.out, "{bold}{}{bold:#}", printable(text))
            }
            MarkdownBlock::Paragraph(text) => self.paragraph(text, "", indent),
            MarkdownBlock::Quote(inside) => self.blocks(inside, indent + 4),
            MarkdownBlock::Code(lines) => lines.iter().try_for_each(|line| match line.trim_end() {
                "" => writeln!(self.out),
                line => {
                    let line = printable(&self.blanks.in_code(line));
                    writeln!(self.out, "{:indent$}    {line}", "")
                }
            }),
            MarkdownBlock::Item(inside) => match inside.split_first() {
                Some((MarkdownBlock::Paragraph(text), rest)) => {
                    self.paragraph(text, "- ", indent)?;
                    if !rest.is_empty() {
                        writeln!(self.out)?;
                    }
                    self.blocks(rest, indent + 2)
                }
                _ => self.blocks(inside, indent + 2),
            },
        }
    }

    /// Wrapped at its spaces; what follows the first line stands behind `mark` too.
    fn paragraph(&mut self, text: &str, mark: &str, indent: usize) -> io::Result<()> {
        let spans = spans(text, SpanStyle::default()).into_iter().map(|Styled { shape, text }| {
            let filled =
                if shape.code { self.blanks.in_code(&text) } else { self.blanks.in_prose(&text) };
            Styled { shape, text: printable(&filled) }
        });
        let indent = indent + mark.width();
        let room = self.width.saturating_sub(indent).max(1);
        let mut mark = mark;
        for line in wrapped(&spans.collect::<Vec<_>>(), room) {
            write!(self.out, "{:1$}{mark}", "", indent - mark.width())?;
            mark = "";
            for Styled { shape, text } in line {
                let style = shape.style();
                write!(self.out, "{style}{text}{style:#}")?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }
}

/// Lines of at most `width` columns; a word is broken only when it is longer than a line.
fn wrapped(spans: &[Styled], width: usize) -> Vec<Vec<Styled>> {
    let mut lines: Vec<Vec<Styled>> = Vec::new();
    let mut line: Vec<Styled> = Vec::new();
    let mut used = 0;
    for (blank, word) in words(spans) {
        let length: usize = word.iter().map(|(_, letter)| columns(*letter)).sum();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if let Some(shape) = blank.filter(|_| used > 0) {
            push(&mut line, shape, ' ');
            used += 1;
        }
        for (shape, letter) in word {
            if used + columns(letter) > width && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            push(&mut line, shape, letter);
            used += columns(letter);
        }
    }
    lines.extend(Some(line).filter(|line| !line.is_empty()));
    lines
}

/// Each letter with its shape.
type MarkdownWord = Vec<(SpanStyle, char)>;

/// The words, each with the shape of the blank before it.
fn words(spans: &[Styled]) -> Vec<(Option<SpanStyle>, MarkdownWord)> {
    let mut words: Vec<(Option<SpanStyle>, MarkdownWord)> = vec![(None, Vec::new())];
    for Styled { shape, text } in spans {
        for letter in text.chars() {
            match words.last_mut() {
                _ if letter == ' ' => words.push((Some(*shape), Vec::new())),
                Some((_, word)) => word.push((*shape, letter)),
                None => {}
            }
        }
    }
    words.retain(|(_, word)| !word.is_empty());
    words
}

fn columns(letter: char) -> usize {
    letter.width().unwrap_or_default()
}

fn push(line: &mut Vec<Styled>, shape: SpanStyle, letter: char) {
    match line.last_mut() {
        Some(last) if last.shape == shape => last.text.push(letter),
        _ => line.push(Styled { shape, text: letter.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, blanks: &Blanks, width: usize) -> String {
        let mut out = Vec::new();
        write(text, blanks, width, &mut out).unwrap();
        anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string()
    }

    #[test]
    fn every_kind_of_block_is_laid_out() {
        let page = "### a-code\n\nProse of *some* words that wraps, see [a page](#a-page) or\n\
                    [one outside](https://example.com).\n\n- **25:** one `x *y*` word\n  that wraps\n\
                    \n  ```sh\n  cat a   b | grep -E 'a long line that is never broken'\n  ```\n\
                    - two\n\n> Please allow.\n\n```sh\none\n\ntwo\n```\n";
        let lines = "\
a-code

  Prose of some words that
  wraps, see a page or one
  outside
  (https://example.com).

  - 25: one ‘x *y*’ word
    that wraps

        cat a   b | grep -E 'a long line that is never broken'
  - two

      Please allow.

      one

      two
";
        assert_eq!(rendered(page, &Blanks::default(), 28), lines);
    }

    #[test]
    fn what_is_marked_has_a_look_of_its_own() {
        let mut out = Vec::new();
        write("a **b `c`** d", &Blanks::default(), 80, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\u{1b}[1mb \u{1b}[0m"), "{text:?}");
        assert!(text.contains("\u{1b}[1m\u{1b}[36mc\u{1b}[0m"), "{text:?}");
    }

    #[test]
    fn a_mark_that_is_not_closed_is_text() {
        for text in ["a * b", "a `b", "'config.*' and *.json", "[x] y", "2 ** 3", "``"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken() {
        assert_eq!(
            rendered("a 123456789012 b", &Blanks::default(), 8),
            "  a\n  123456\n  789012\n  b\n"
        );
    }
}
