//! The comparison for a person in front of a terminal of 80 columns.

use std::io;

use anstyle::Style;

use super::{Change, Diff, Side};
use crate::report::Canvas;
use crate::report::moment;
use crate::text::{MIN_WIDTH, hanging, in_one, marked, wrap};

/// Writes the notes, the changes group by group, and one line that sums them up.
pub(super) fn write(diff: &Diff, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let (width, bold) = (canvas.width.max(MIN_WIDTH), Style::new().bold());
    hanging("", &head(diff), width, out)?;
    for note in &diff.notes {
        hanging("  note  ", note, width, out)?;
    }
    writeln!(out)?;
    for (kind, group) in diff.groups() {
        writeln!(out, "  {bold}{}{bold:#} ({})", kind.to_string().to_uppercase(), group.len())?;
        for change in group {
            write_change(change, width, out)?;
        }
        writeln!(out)?;
    }
    for line in wrap(&diff.summary(), width - 2) {
        writeln!(out, "  {bold}{line}{bold:#}")?;
    }
    Ok(())
}

fn head(diff: &Diff) -> String {
    let (old, new) = (&diff.old, &diff.new);
    if (&old.host, &old.role) == (&new.host, &new.role) {
        let (before, now) = (moment(&old.started_at), moment(&new.started_at));
        let machine = format!("{}, {}", old.host, old.role);
        return in_one(&["preflight diff".to_owned(), machine, format!("{before} → {now}")]);
    }
    let run = |run: &Side| format!("{}, {} at {}", run.host, run.role, moment(&run.started_at));
    format!("preflight diff · {} → {}", run(old), run(new))
}

fn write_change(change: &Change, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(seen) = change.new.as_ref().or(change.old.as_ref()) else { return Ok(()) };
    let optional = if change.required { "" } else { " [optional]" };
    marked(seen.outcome, &format!("{}{optional}", change.id), width, out)?;
    for (label, seen) in [("was", &change.old), ("now", &change.new)] {
        let text = match seen {
            Some(seen) => format!("{}: {}", seen.outcome, seen.result),
            None => "not asked".to_owned(),
        };
        hanging(&format!("      {label}  "), &text, width, out)?;
    }
    Ok(())
}
