//! Markdown: for a ticket. Head, table, and a section for each root cause.
//!
//! GitHub's flavour; what a stranger said is text in it, never markup, link or mention.
//!
//! Reference: [GitHub Flavored Markdown](https://github.github.com/gfm/).

use std::io;

use preflight_checks::printable;

use super::escape::markdown as text;
use super::faults::Followers;
use super::rows::{ReportRow, rows};
use super::{Report, words};

/// Writes the report as one document.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "# Preflight of {}\n", text(&report.host.name))?;
    for parts in words::head(report) {
        writeln!(out, "- {}", text(&parts.join(" · ")))?;
    }
    writeln!(out, "\n**{}**\n", text(&words::summary(report).join(" · ")))?;
    writeln!(out, "| outcome | flow | target | result |\n| --- | --- | --- | --- |")?;
    for row in rows(report) {
        writeln!(out, "| {} |", cells(&row).join(" | "))?;
    }
    if !report.notes.is_empty() {
        writeln!(out, "\n## Files that could not be read\n")?;
    }
    for note in &report.notes {
        writeln!(out, "- {}", text(&words::note(note)))?;
    }
    let followers = Followers::of(&report.steps);
    for fault in words::root_causes(report) {
        if let Some(cause) = &fault.first.cause {
            let step = fault.first;
            writeln!(
                out,
                "\n## {}: {}\n\n{}\n",
                text(&step.id),
                text(cause.why.code()),
                text(&step.why)
            )?;
            items(words::explanation(&fault, &followers), out)?;
        }
    }
    for warning in words::warnings(report) {
        let (step, concern) = (warning.steps.first, warning.concern);
        writeln!(
            out,
            "\n## {}: {}\n\n{}\n",
            text(&step.id),
            text(concern.code()),
            text(&concern.message)
        )?;
        items(words::about_warning(&warning), out)?;
    }
    Ok(())
}

fn cells(row: &ReportRow<'_>) -> [String; 4] {
    let outcome = row.step.outcome.to_string();
    [outcome, text(&row.step.flow), code(&row.target()), text(&row.result())]
}

fn items(lines: Vec<(&'static str, String)>, out: &mut dyn io::Write) -> io::Result<()> {
    for (label, line) in lines {
        let line = if label == "more" { code(&line) } else { text(&line) };
        writeln!(out, "- {}: {line}", words::capitalised(label))?;
    }
    Ok(())
}

/// Code, so that it can be copied; nothing in it is markup but its own end.
fn code(value: &str) -> String {
    let value = printable(value);
    if value.is_empty() {
        return value;
    }
    let longest = value.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    // A pipe ends a cell even in code.
    format!("{fence}{space}{}{space}{fence}", value.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_backticks_and_pipes() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a``b"), "``` a``b ```");
        assert_eq!(code(""), "");
    }
}
