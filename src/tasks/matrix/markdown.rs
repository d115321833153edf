//! The site for a ticket.

use std::io;

use super::grid::{CellVerdict, Grid, MOST_ROWS, legend};
use super::verdict::days;
use super::{Matrix, SharedCause};
use crate::report::escape::markdown;

/// Writes the verdict, a section a cause, what else is known, and the matrix.
pub(super) fn write(matrix: &Matrix, out: &mut dyn io::Write) -> io::Result<()> {
    let machines = matrix.machines.len();
    let plural = if machines == 1 { "" } else { "s" };
    let title = format!("{} ({})", matrix.summary.headline(), days(&matrix.machines));
    writeln!(out, "# {}\n", markdown(&title))?;
    writeln!(out, "preflight merge: {machines} machine{plural}")?;
    if matrix.summary.teams.len() > 1 {
        writeln!(out, "\nWho has to act:\n")?;
        for team in &matrix.summary.teams {
            writeln!(out, "- {}", markdown(team))?;
        }
    }
    causes("What stops it, and who acts", &matrix.causes, out)?;
    let unexplained = matrix.unexplained().map(|one| format!("{}; {}", one.sentence(), one.so));
    section("Reports that do not fit together", unexplained, out)?;
    grid(&Grid::of(matrix, MOST_ROWS), out)?;
    causes("Works today, and will hurt", &matrix.warnings, out)?;
    let clocks = matrix.clocks.iter().map(|clock| format!("{}: {}", clock.machine, clock.shown()));
    section("Clocks that differ from the others", clocks, out)?;
    section("Notes", matrix.notes.iter().cloned(), out)
}

fn causes(title: &str, causes: &[SharedCause], out: &mut dyn io::Write) -> io::Result<()> {
    if causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## {title}")?;
    for cause in causes {
        writeln!(out, "\n### {}: {}\n", cause.outcome, markdown(&cause.shown()))?;
        for (label, text) in cause.explained() {
            writeln!(out, "- **{label}**: {}", markdown(&text))?;
        }
    }
    Ok(())
}

fn section(
    title: &str,
    items: impl Iterator<Item = String>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for (index, item) in items.enumerate() {
        if index == 0 {
            writeln!(out, "\n## {title}\n")?;
        }
        writeln!(out, "- {}", markdown(&item))?;
    }
    Ok(())
}

fn grid(grid: &Grid, out: &mut dyn io::Write) -> io::Result<()> {
    let columns: Vec<String> = grid.columns.iter().map(|column| markdown(column)).collect();
    writeln!(out, "\n## Who reaches whom\n\n| from \\ to | {} |", columns.join(" | "))?;
    writeln!(out, "| --- |{}", " --- |".repeat(columns.len()))?;
    for (name, row) in &grid.rows {
        let fields: Vec<String> = row
            .iter()
            .map(|field| field.as_ref().map_or_else(String::new, CellVerdict::shown))
            .collect();
        writeln!(out, "| {} | {} |", markdown(name), fields.join(" | "))?;
    }
    writeln!(out, "\n{}", legend(grid))?;
    match grid.left_out {
        0 => Ok(()),
        more => writeln!(out, "\nand {more} machines from which everything works"),
    }
}
