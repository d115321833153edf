//! The matrix for a person in front of a terminal: what is wrong first, then who reaches whom.

use std::io;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::grid::{CellVerdict, Grid, MOST_ROWS, legend};
use super::{Matrix, SharedCause};
use crate::report::Canvas;
use crate::report::moment;
use crate::text::{MIN_WIDTH, hanging, in_one, marked, pad, style};

/// Writes the verdict, a block a cause, what else is known, and the matrix.
pub(super) fn write(matrix: &Matrix, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let width = canvas.width.max(MIN_WIDTH);
    hanging("", &head(matrix), width, out)?;
    marked(matrix.summary.outcome(), &matrix.summary.headline(), width, out)?;
    if matrix.summary.teams.len() > 1 {
        for team in &matrix.summary.teams {
            hanging("      ", team, width, out)?;
        }
    }
    causes("WHAT STOPS IT, AND WHO ACTS", &matrix.causes, width, out)?;
    let unexplained: Vec<String> =
        matrix.unexplained().map(|one| format!("{}; {}", one.sentence(), one.so)).collect();
    list("REPORTS THAT DO NOT FIT TOGETHER", &unexplained, width, out)?;
    grid(&Grid::of(matrix, MOST_ROWS), width, out)?;
    causes("WORKS TODAY, AND WILL HURT", &matrix.warnings, width, out)?;
    let clocks: Vec<String> =
        matrix.clocks.iter().map(|clock| format!("{}: {}", clock.machine, clock.shown())).collect();
    list("CLOCKS THAT DIFFER FROM THE OTHERS", &clocks, width, out)?;
    list("NOTES", &matrix.notes, width, out)
}

fn head(matrix: &Matrix) -> String {
    let machines = matrix.machines.len();
    let flows: usize = matrix.cells.iter().map(|cell| cell.flows.len()).sum();
    let times = || matrix.machines.iter().map(|machine| machine.started_at.as_str());
    let (first, last) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    let plural = if machines == 1 { "" } else { "s" };
    let when = if first == last {
        moment(first)
    } else {
        format!("{} to {}", moment(first), moment(last))
    };
    in_one(&[
        "preflight merge".to_owned(),
        format!("{machines} machine{plural}"),
        format!("{flows} flows"),
        when,
    ])
}

fn title(text: &str, count: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "\n  {bold}{text}{bold:#} ({count})")
}

fn causes(
    heading: &str,
    causes: &[SharedCause],
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if causes.is_empty() {
        return Ok(());
    }
    title(heading, causes.len(), out)?;
    for cause in causes.iter().take(MOST_LINES) {
        marked(cause.outcome, &cause.shown(), width, out)?;
        for (label, text) in cause.explained() {
            hanging(&format!("      {}  ", pad(label, 9)), &text, width, out)?;
        }
    }
    more(causes.len(), out)
}

/// A list of what has to be seen, unless it is empty.
fn list(heading: &str, items: &[String], width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    title(heading, items.len(), out)?;
    for item in items.iter().take(MOST_LINES) {
        hanging("  ! ", item, width, out)?;
    }
    more(items.len(), out)
}

fn more(count: usize, out: &mut dyn io::Write) -> io::Result<()> {
    match count.saturating_sub(MOST_LINES) {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more; --format json has all of them"),
    }
}

/// As many columns side by side as fit, then the rest below.
fn grid(grid: &Grid, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let names = grid.rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let first = names.clamp(4, width / 3);
    let widths: Vec<usize> = (0..grid.columns.len()).map(|at| column_width(grid, at)).collect();
    let mut start = 0;
    while start < widths.len() {
        let mut used = 2 + first;
        let mut end = start;
        while let Some(next) = widths.get(end) {
            if end > start && used + 2 + next > width {
                break;
            }
            used += 2 + next;
            end += 1;
        }
        writeln!(out)?;
        block(grid, start..end, first, &widths, out)?;
        start = end;
    }
    writeln!(out)?;
    hanging("  ", &legend(grid), width, out)?;
    match grid.left_out {
        0 => Ok(()),
        more => writeln!(out, "\n  and {more} machines from which everything works"),
    }
}

fn column_width(grid: &Grid, at: usize) -> usize {
    let cells = grid.rows.iter().filter_map(|(_, row)| row.get(at).copied().flatten());
    let widest = cells.map(|verdict| verdict.shown().width()).max().unwrap_or(0);
    let name = grid.columns.get(at).map_or(0, |name| name.width());
    widest.max(name).min(WIDEST_COLUMN)
}

fn block(
    grid: &Grid,
    columns: std::ops::Range<usize>,
    first: usize,
    widths: &[usize],
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let bold = Style::new().bold();
    let mut line = format!("  {}", pad("FROM \\ TO", first.max(9)));
    for at in columns.clone() {
        let (name, width) = (grid.columns.get(at), widths.get(at).copied().unwrap_or(0));
        line.push_str("  ");
        line.push_str(&pad(&cut(name.map_or("", String::as_str), width), width));
    }
    writeln!(out, "{bold}{}{bold:#}", line.trim_end())?;
    for (name, row) in &grid.rows {
        write!(out, "  {}", pad(&cut(name, first.max(9)), first.max(9)))?;
        for at in columns.clone() {
            // Nothing follows the last one: no blanks behind it.
            let is_last = at + 1 == columns.end;
            let width = if is_last { 0 } else { widths.get(at).copied().unwrap_or(0) };
            field(row.get(at).copied().flatten(), width, out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn field(verdict: Option<CellVerdict>, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    match verdict {
        None => write!(out, "  {}", pad("·", width)),
        Some(verdict) => {
            let style = style(verdict.worst);
            write!(out, "  {style}{}{style:#}", pad(&verdict.shown(), width))
        }
    }
}

/// A name that is too long ends in an ellipsis.
fn cut(name: &str, width: usize) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    let mut cut = String::new();
    for letter in name.chars() {
        if cut.width() + 2 > width {
            break;
        }
        cut.push(letter);
    }
    cut.push('…');
    cut
}

/// Of each list; a reader who wants more wants a program.
const MOST_LINES: usize = 30;

/// A longer name is cut.
const WIDEST_COLUMN: usize = 20;
