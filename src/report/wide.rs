//! Wide: one line a step with all columns, for grep and for a terminal of 160 columns.
//!
//! Nothing is wrapped, cut off or coloured.

use std::io;

use preflight_checks::printable;
use unicode_width::UnicodeWidthStr;

use super::rows::{ReportRow, sampled_rows};
use super::{Report, words};

const TITLES: [&str; 9] =
    ["OUTCOME", "FLOW", "TARGET", "ORIGIN", "FROM", "TOOK", "CODE", "ACTS", "RESULT"];

/// Writes head, rows, notes and the summary.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    for parts in words::head(report) {
        writeln!(out, "{}", parts.join(" · "))?;
    }
    writeln!(out)?;
    let titles = TITLES.map(str::to_owned);
    let lines: Vec<_> =
        std::iter::once(titles).chain(sampled_rows(report).iter().map(cells)).collect();
    let widths: Vec<usize> = (0..TITLES.len()).map(|column| widest(&lines, column)).collect();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| {
            format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
        });
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    writeln!(out)?;
    for note in &report.notes {
        writeln!(out, "note  {}", words::note(note))?;
    }
    writeln!(out, "{}", words::summary(report).join(" · "))
}

/// What each column says; a dash where there is nothing to say.
fn cells(row: &ReportRow<'_>) -> [String; 9] {
    let step = row.step;
    let origin = step.target.as_ref().map(|target| printable(&target.origin.to_string()));
    let cells = [
        step.outcome.to_string(),
        printable(&step.flow),
        row.target(),
        origin.unwrap_or_default(),
        words::source(step),
        row.took_ms().map(|took| format!("{took:.1}ms")).unwrap_or_default(),
        printable(step.code()),
        words::owner(step),
        row.result(),
    ];
    cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell })
}

fn widest(lines: &[[String; 9]], column: usize) -> usize {
    let cells = lines.iter().filter_map(|line| line.get(column));
    cells.map(|cell| cell.width()).max().unwrap_or(0)
}
