//! CSV: a line a step, for a spreadsheet.
//!
//! Reference: [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180). A cell that a
//! spreadsheet would run as a formula begins with an apostrophe.

use std::io;

use preflight_checks::printable;

use super::{Report, StepReport, words};

/// The columns, in an order that only grows at its end.
const COLUMNS: [&str; 24] = [
    "host",
    "role",
    "profile",
    "phase",
    "started_at",
    "id",
    "flow",
    "from",
    "to",
    "direction",
    "required",
    "group",
    "target",
    "origin",
    "outcome",
    "result",
    "code",
    "layer",
    "owner",
    "device",
    "because_of",
    "who",
    "what",
    "total_ms",
];

/// Writes the header and a line a step, each ended by CR LF.
///
/// # Errors
///
/// What the writer says.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    line(&COLUMNS.map(str::to_owned), out)?;
    report.steps.iter().try_for_each(|step| line(&cells(report, step), out))
}

fn cells(report: &Report, step: &StepReport) -> [String; 24] {
    let target = step.target.as_ref();
    let cause = step.cause.as_ref();
    let concern = step.concerns.first().map(|concern| concern.code.clone());
    [
        report.host.name.clone(),
        report.role.to_string(),
        report.profile.clone(),
        report.phase.to_string(),
        report.started_at.clone(),
        step.id.clone(),
        step.flow.clone(),
        step.from.to_string(),
        step.to.to_string(),
        step.direction.to_string(),
        step.required.to_string(),
        step.group.clone().unwrap_or_default(),
        target.map(|target| target.shown.clone()).unwrap_or_default(),
        target.map(|target| target.origin.clone()).unwrap_or_default(),
        step.outcome.to_string(),
        step.result.clone(),
        cause.map(|cause| cause.code.clone()).or(concern).unwrap_or_default(),
        cause.map(|cause| cause.layer.clone()).unwrap_or_default(),
        cause.map(|cause| cause.owner.clone()).unwrap_or_default(),
        cause.and_then(|cause| cause.device.clone()).unwrap_or_default(),
        step.because_of.clone().unwrap_or_default(),
        cause.map(|cause| cause.remedy.who.clone()).unwrap_or_default(),
        cause.map(|cause| cause.remedy.what.clone()).unwrap_or_default(),
        words::total_ms(step).map(|took| took.to_string()).unwrap_or_default(),
    ]
}

fn line(cells: &[String], out: &mut dyn io::Write) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(&inert(cell))).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// Without characters that act, and no formula.
fn inert(cell: &str) -> String {
    /// What begins a formula in a spreadsheet, in half and in full width.
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let cell = printable(cell);
    if cell.trim_start().starts_with(FORMULA) { format!("'{cell}") } else { cell }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) || cell.trim() != cell {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            (" =1", "' =1"),
            ("\t=1", "\\t=1"),
            ("＝1", "'＝1"),
            ("a-b", "a-b"),
        ] {
            let mut out = Vec::new();
            line(&[cell.to_owned()], &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("{written}\r\n"), "{cell}");
        }
    }

    #[test]
    fn a_comma_or_a_quote_needs_quotes() {
        for (cell, written) in [("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a b", "a b")] {
            assert_eq!(quoted(cell), written);
        }
    }

    /// Every text of three characters that could end a cell or a line.
    #[test]
    fn what_is_written_is_read_back() {
        let characters = [',', '"', '\r', '\n', '=', '\'', ' ', 'a'];
        for one in characters {
            for two in characters {
                for three in characters {
                    let text: String = [one, two, three].into_iter().collect();
                    let mut out = Vec::new();
                    line(&[text.clone(), "next".to_owned()], &mut out).unwrap();
                    let read = cells_of(&String::from_utf8(out).unwrap());
                    assert_eq!(read, [inert(&text), "next".to_owned()], "{text:?}");
                }
            }
        }
    }

    /// One record, as RFC 4180 reads it.
    fn cells_of(record: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut is_quoted = false;
        let mut rest = record.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '"' if is_quoted && rest.peek() == Some(&'"') => {
                    rest.next();
                    cells.last_mut().unwrap().push('"');
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(String::new()),
                other => cells.last_mut().unwrap().push(other),
            }
        }
        cells
    }

    #[test]
    fn a_line_feed_cannot_begin_a_record() {
        let mut out = Vec::new();
        line(&["a\r\nb".to_owned(), "c".to_owned()], &mut out).unwrap();
        assert_eq!(out, b"a\\r\\nb,c\r\n");
    }
}
