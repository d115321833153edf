//! What a machine's own files get wrong, and what could not be read of them.
//!
//! Lists of a page for a reader: bounded, whatever the files say.

use std::io;

use anstyle::Style;

use super::{NoteReport, words};
use crate::run::outcome::Outcome;
use crate::site::mistake::Mistake;
use crate::text::{Labels, marked};

/// Entries of one list; the JSON has the others.
const LISTED: usize = 20;

/// Over the mistakes in files, which no packet shows.
pub(super) const HEADING: &str = "In the machine's own files";

/// Writes the mistakes under a heading: where, what, and what to do about it.
pub(crate) fn mistakes<'a>(
    found: impl IntoIterator<Item = &'a Mistake>,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut found = found.into_iter().peekable();
    if found.peek().is_none() {
        return Ok(());
    }
    let bold = Style::new().bold();
    writeln!(out, "\n  {bold}{HEADING}{bold:#}")?;
    for mistake in found.by_ref().take(LISTED) {
        let outcome = if mistake.is_failure() { Outcome::Fail } else { Outcome::Warn };
        writeln!(out)?;
        marked(outcome, &format!("config.{}", mistake.code()), width, out)?;
        let lines = [
            ("at", mistake.at().to_string()),
            ("seen", mistake.to_string()),
            ("do", mistake.remedy()),
            ("more", format!("preflight explain {}", mistake.code())),
        ];
        lines.iter().try_for_each(|(label, text)| labels(width).write(label, text, out))?;
    }
    rest(found.count(), "mistakes", out)
}

/// Writes what could not be read, and what it would have told.
pub(crate) fn notes(
    notes: impl IntoIterator<Item = NoteReport>,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut notes = notes.into_iter();
    for note in notes.by_ref().take(LISTED) {
        labels(width).write("note", &words::note(&note), out)?;
    }
    rest(notes.count(), "notes", out)
}

fn labels(width: usize) -> Labels {
    Labels { indent: 4, column: 4, width }
}

/// How many there are that were not listed.
fn rest(more: usize, what: &str, out: &mut dyn io::Write) -> io::Result<()> {
    match more {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more {what}; --format json has them all"),
    }
}
