//! The comparison for a ticket.

use std::io;

use super::{Diff, Side, StepSeen};
use crate::report::capitalised;
use crate::report::escape::markdown;
use crate::report::moment;

/// Writes the notes, one table a group, and the sum.
pub(super) fn write(diff: &Diff, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "# preflight diff\n")?;
    let run = |run: &Side| format!("{}, {}, {}", run.host, run.role, moment(&run.started_at));
    writeln!(out, "- first run: {}", markdown(&run(&diff.old)))?;
    writeln!(out, "- second run: {}", markdown(&run(&diff.new)))?;
    for note in &diff.notes {
        writeln!(out, "- note: {}", markdown(note))?;
    }
    writeln!(out, "\n**{}**", markdown(&diff.summary()))?;
    for (kind, group) in diff.groups() {
        writeln!(out, "\n## {}\n", capitalised(&kind.to_string()))?;
        writeln!(out, "| step | was | now |\n| --- | --- | --- |")?;
        for change in group {
            let optional = if change.required { "" } else { " (optional)" };
            let step = format!("{}{optional}", change.id);
            let (old, new) = (said(change.old.as_ref()), said(change.new.as_ref()));
            writeln!(out, "| {} | {} | {} |", markdown(&step), markdown(&old), markdown(&new))?;
        }
    }
    Ok(())
}

fn said(seen: Option<&StepSeen>) -> String {
    seen.map_or_else(|| "not asked".to_owned(), |seen| format!("{}: {}", seen.outcome, seen.result))
}
