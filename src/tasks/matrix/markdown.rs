//! The matrix for a ticket.

use std::io;

use super::Matrix;
use super::grid::{CellVerdict, Grid, MOST_ROWS};
use crate::report::escape::markdown;

/// Writes notes, disagreements, one-sided pairs, clocks, causes, and the matrix.
pub(super) fn write(matrix: &Matrix, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "# preflight merge\n")?;
    writeln!(out, "{} machines", matrix.machines.len())?;
    let disagreements = matrix.disagreements.iter().map(|one| {
        format!(
            "{} → {}, {}: asked \"{}\", listener \"{}\"; {}",
            one.askers(),
            one.to,
            one.flow,
            one.asked,
            one.listener,
            one.so
        )
    });
    let one_sided = matrix.one_sided.iter().map(|one| {
        let (works, blocked) = (one.works.join(", "), one.blocked.join(", "));
        format!("{} → {} works ({works}), back it is blocked ({blocked})", one.from, one.to)
    });
    let clocks = matrix.clocks.iter().map(|clock| format!("{}: {}", clock.machine, clock.shown()));
    let causes = matrix.causes.iter().map(|cause| {
        let flows: Vec<&str> = cause.flows.iter().map(String::as_str).collect();
        format!("{}: {} ({}); {}", cause.outcome, cause.shown(), flows.join(", "), cause.seen_by())
    });
    section("Notes", matrix.notes.iter().cloned(), out)?;
    section("Two machines disagree", disagreements, out)?;
    section("Open in one direction only", one_sided, out)?;
    section("Clocks that differ from the others", clocks, out)?;
    section("Causes", causes, out)?;
    grid(&Grid::of(matrix, MOST_ROWS), out)
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
    match grid.left_out {
        0 => Ok(()),
        more => writeln!(out, "\nand {more} machines from which everything works"),
    }
}
