//! The table: for a person in front of a terminal of 80 columns.

use std::io;

use anstyle::Style;
use preflight_checks::printable;
use unicode_width::UnicodeWidthStr;

use super::faults::{Fault, Followers};
use super::rows::{self, ReportRow};
use super::{Canvas, Report, StepReport, own_files, words};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;
use crate::text::{
    Labels, MIN_WIDTH, SIDE_BY_SIDE, at_marks, hanging, in_one, marked, pad, side_by_side, style,
    symbol, wrap,
};

/// Writes the table, then what to do about each failure, then the summary.
pub(crate) fn write(report: &Report, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let canvas = Canvas { width: canvas.width.max(MIN_WIDTH), ..canvas };
    for parts in words::head(report) {
        for line in wrap(&in_one(&parts), canvas.width) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    rows(report, canvas, out)?;
    notes(report, canvas, out)?;
    let followers = Followers::of(&report.steps);
    for fault in words::root_causes(report) {
        explain(&fault, &followers, canvas, out)?;
    }
    for warning in words::warnings(report) {
        let title = format!("{}: {}", warning.steps.first.id, warning.concern.message);
        block(Outcome::Warn, &title, &words::about_warning(&warning), canvas, out)?;
    }
    last_line(report, canvas, out)
}

fn last_line(report: &Report, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let mark = Style::new().bold();
    for line in wrap(&in_one(&words::summary(report)), canvas.width - 2) {
        writeln!(out, "  {mark}{line}{mark:#}")?;
    }
    Ok(())
}

/// Writes the rows of what fails, warns or cannot be told, and the summary.
pub(crate) fn write_short(
    report: &Report,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let canvas = Canvas { width: width.max(MIN_WIDTH), verbose: false };
    let is_told = |row: &ReportRow<'_>| !matches!(row.step.outcome, Outcome::Pass | Outcome::Skip);
    places(rows::rows(report).into_iter().filter(is_told).collect(), canvas, out)?;
    last_line(report, canvas, out)
}

/// Symbol, flow, target, result; the result wraps.
fn rows(report: &Report, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let rows = if canvas.verbose { rows::single_rows(report) } else { rows::rows(report) };
    places(rows, canvas, out)
}

/// What crosses the network, then what stands in files.
fn places(rows: Vec<ReportRow<'_>>, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let (local, rows): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.step.direction == Direction::Local);
    if !rows.is_empty() {
        crossing(&rows, canvas, out)?;
    }
    if !local.is_empty() {
        in_files(&local, canvas, out)?;
    }
    Ok(())
}

/// Flow, target, result side by side; one below the other where three columns have no room.
fn crossing(rows: &[ReportRow<'_>], canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let texts: Vec<[String; 3]> = rows.iter().map(texts).collect();
    let widest = |column: usize, floor: usize, most: usize| {
        let cells = texts.iter().filter_map(|texts| texts.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0).clamp(floor, most.max(floor))
    };
    let is_narrow = canvas.width < SIDE_BY_SIDE;
    let flow = widest(0, 4, canvas.width / 4);
    let target = widest(1, 6, (canvas.width - flow) * 2 / 5);
    let result = canvas.width.saturating_sub(4 + flow + 2 + target + 2).max(1);
    let bold = Style::new().bold();
    if !is_narrow {
        let titles = format!("    {}  {}  RESULT", pad("FLOW", flow), pad("TARGET", target));
        writeln!(out, "{bold}{titles}{bold:#}")?;
    }
    for (row, [flow_text, target_text, result_text]) in rows.iter().zip(&texts) {
        let style = style(row.step.outcome);
        let mark = |line: usize| {
            let mark = if line == 0 { symbol(row.step.outcome) } else { " " };
            format!("  {style}{mark}{style:#} ")
        };
        if is_narrow {
            let room = canvas.width - 4;
            let lines =
                [wrap(flow_text, room), whole_port(target_text, room), wrap(result_text, room)];
            side_by_side(&[lines.concat()], &[], mark, out)?;
        } else {
            let cells =
                [wrap(flow_text, flow), whole_port(target_text, target), wrap(result_text, result)];
            side_by_side(&cells, &[flow, target], mark, out)?;
        }
        if canvas.verbose {
            details(row.step, canvas.width, out)?;
        }
    }
    writeln!(out)
}

/// Mistakes in files have no target but a place, too long for a column.
fn in_files(rows: &[ReportRow<'_>], canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "    {bold}{}{bold:#}", own_files::HEADING)?;
    for row in rows {
        let style = style(row.step.outcome);
        let [flow, place, result] = texts(row);
        let place = if place.is_empty() { flow } else { place };
        writeln!(out, "  {style}{}{style:#} {place}", symbol(row.step.outcome))?;
        for line in wrap(&result, canvas.width - 4) {
            writeln!(out, "    {line}")?;
        }
        if canvas.verbose {
            details(row.step, canvas.width, out)?;
        }
    }
    writeln!(out)
}

/// Flow, target, result.
fn texts(row: &ReportRow<'_>) -> [String; 3] {
    [printable(&row.step.flow), row.target(), row.result()]
}

/// Files that could not be read.
fn notes(report: &Report, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    own_files::notes(report.notes.iter().cloned(), canvas.width, out)?;
    if report.notes.is_empty() { Ok(()) } else { writeln!(out) }
}

/// Origin, evidence and timings, a fact a line, for --verbose.
fn details(step: &StepReport, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let origin = step.target.iter().map(|target| ("origin", target.origin.to_string()));
    let facts = step.evidence.iter().chain(&step.timings);
    let facts = facts.map(|(name, value)| (name.as_str(), words::fact(value)));
    let facts: Vec<(&str, String)> = origin.chain(facts).collect();
    let widest = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0).min(width / 2);
    let labels = Labels { indent: 6, column: widest, width };
    let room = width.saturating_sub(6 + widest + 2).max(1);
    for (name, value) in facts {
        let is_long = printable(&value).split(' ').any(|word| word.width() > room);
        if is_long || value.is_empty() {
            // A word that is longer than its column has lines of its own.
            hanging("      ", name, width, out)?;
            hanging("        ", &value, width, out)?;
        } else {
            labels.write(name, &value, out)?;
        }
    }
    Ok(())
}

/// Under the table: why, what was seen, who acts, what to do.
fn explain(
    fault: &Fault<'_>,
    followers: &Followers<'_>,
    canvas: Canvas,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let step = fault.first;
    let is_local = step.direction == Direction::Local;
    let title = format!("{}: {}", if is_local { &step.flow } else { &step.id }, step.why);
    block(step.outcome, &title, &words::explanation(fault, followers), canvas, out)
}

/// A title with its mark, and labelled lines.
fn block(
    outcome: Outcome,
    title: &str,
    lines: &[(&'static str, String)],
    canvas: Canvas,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    marked(outcome, title, canvas.width, out)?;
    let labels = Labels { indent: 4, column: 9, width: canvas.width };
    lines.iter().try_for_each(|(label, text)| labels.write(label, text, out))?;
    writeln!(out)
}

/// A target that is longer than a line is broken at its marks, so that names, numbers and the port stay whole.
fn whole_port(target: &str, width: usize) -> Vec<String> {
    let lines = wrap(target, width);
    let is_port = |port: &str| port.starts_with(|first: char| first.is_ascii_digit());
    if lines.len() < 2 {
        return lines;
    }
    let marked = |text: &str| at_marks(text, width, &['/', '.', ':']);
    let end = target.rsplit_once(':').filter(|(_, port)| is_port(port));
    let Some((host, port)) = end else { return marked(target) };
    let mut broken = marked(host);
    let port = format!(":{port}");
    match broken.last_mut() {
        Some(last) if last.width() + port.width() <= width => last.push_str(&port),
        _ => broken.extend(wrap(&port, width)),
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_never_broken_in_two() {
        for (target, lines) in [
            ("10.0.0.5:22/tcp", &["10.0.0.5:22/tcp"][..]),
            ("central.example.test:5669/tcp", &["central.example.test", ":5669/tcp"]),
            (
                "a.very.long.name.of.a.host.example.test:22",
                &["a.very.long.name.of.a.", "host.example.test:22"],
            ),
            (
                "[2001:db8:1111:2222:3333:4444:5555:6666]:53/udp",
                &["[2001:db8:1111:2222:3333:", "4444:5555:6666]:53/udp"],
            ),
            ("https://packages.example.com/", &["https://packages.example.", "com/"]),
            ("", &[""]),
        ] {
            assert_eq!(whole_port(target, 25), lines, "{target}");
        }
    }
}
