//! The flow table on a terminal.

use std::io;

use unicode_width::UnicodeWidthStr;

use super::{NOTES, Requirement, Requirements, TITLES};
use crate::report::Canvas;
use crate::text::{hanging, side_by_side, wrap};

/// Columns between two cells, as [`side_by_side`] leaves them.
const GAP: usize = 2;
const COLUMNS: usize = TITLES.len() - 1;

/// Writes each section, its cells wrapped to the canvas.
///
/// When a flow is needed stands behind what it is for: most are needed always.
///
/// # Errors
///
/// When `out` cannot be written to.
pub(super) fn write(
    flows: &Requirements,
    canvas: Canvas,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    hanging("", &flows.title(), canvas.width, out)?;
    hanging("", &flows.source(), canvas.width, out)?;
    let [titles @ .., _] = TITLES.map(str::to_uppercase);
    for section in &flows.sections {
        let rows: Vec<[String; COLUMNS]> =
            std::iter::once(titles.clone()).chain(section.rows.iter().map(cells)).collect();
        let widths = widths(&rows, canvas.width);
        writeln!(out)?;
        hanging("", &section.title, canvas.width, out)?;
        writeln!(out)?;
        for row in &rows {
            let cells: Vec<Vec<String>> =
                row.iter().zip(widths).map(|(cell, width)| wrap(cell, width)).collect();
            side_by_side(&cells, &widths, |_| String::new(), out)?;
        }
    }
    if !flows.notes.is_empty() {
        writeln!(out, "\n{NOTES}\n")?;
    }
    flows.notes.iter().try_for_each(|note| hanging("- ", note, canvas.width, out))
}

fn cells(row: &Requirement) -> [String; COLUMNS] {
    let [cells @ .., application, needed] = row.cells().map(str::to_owned);
    let [from, to, protocol, port] = cells;
    let application = match needed.as_str() {
        "yes" => application,
        _ => format!("{application} ({needed})"),
    };
    [from, to, protocol, port, application]
}

/// As wide as the widest cell, as long as all fit. The widest column gives way first, and none
/// gets narrower than its longest word while another has room.
fn widths(rows: &[[String; COLUMNS]], width: usize) -> [usize; COLUMNS] {
    let mut widths = [0; COLUMNS];
    let mut words = [0; COLUMNS];
    for cells in rows {
        for ((width, word), cell) in widths.iter_mut().zip(&mut words).zip(cells) {
            *width = cell.width().max(*width);
            let longest = cell.split(' ').map(UnicodeWidthStr::width).max();
            *word = longest.unwrap_or(0).max(*word);
        }
    }
    let room = width.saturating_sub(GAP * (COLUMNS - 1));
    while widths.iter().sum::<usize>() > room {
        let gives = widths.iter_mut().zip(words).filter(|(width, word)| **width > *word);
        let widest = match gives.map(|(width, _)| width).max() {
            Some(widest) => widest,
            // So narrow a page that words are broken.
            None => match widths.iter_mut().max() {
                Some(widest) if *widest > 1 => widest,
                _ => break,
            },
        };
        *widest -= 1;
    }
    widths
}
