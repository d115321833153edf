//! Centreon: a monitoring plugin's output, so that the check becomes a service.
//!
//! A status line with performance data, then long output. The state and its
//! exit code are [`super::Ending::plugin`]'s.
//!
//! Reference: `centreon/centreon-plugins` `doc/en/developer/plugins_global.md`, and the
//! plugin guidelines of `monitoring-plugins/monitoring-plugins` `doc/developer-guidelines.sgml`.

use std::collections::HashSet;
use std::io;

use preflight_checks::printable;

use super::rows::{ReportRow, rows};
use super::{Report, words};
use crate::run::outcome::Outcome;

/// Writes the status line, then a line for each row that does not simply pass.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let (state, _) = report.ending().plugin();
    let summary = text(&words::summary(report).join(", "));
    writeln!(out, "{state}: {summary} | {}", perfdata(report).join(" "))?;
    for part in words::head(report) {
        writeln!(out, "{}", text(&part.join(", ")))?;
    }
    for row in rows(report).iter().filter(|row| row.step.outcome != Outcome::Pass) {
        writeln!(out, "{}", long(row))?;
    }
    for note in &report.notes {
        writeln!(out, "[note] {}", text(&words::note(note)))?;
    }
    Ok(())
}

/// `[fail] poller.bbdo central:5669/tcp: rejected by …; network team: allow …`
fn long(row: &ReportRow<'_>) -> String {
    let remedy = row.step.cause.as_ref().map(|cause| &cause.remedy);
    let remedy = remedy.map(|remedy| format!("; {}: {}", remedy.who, remedy.text));
    let (outcome, flow, target) = (row.step.outcome, &row.step.flow, row.target());
    let place = if target.is_empty() { flow.clone() } else { format!("{flow} {target}") };
    text(&format!("[{outcome}] {place}: {}{}", row.result(), remedy.unwrap_or_default()))
}

/// `'label'=value[unit];[warn];[crit];[min];[max]`: the counts, then each step's time.
fn perfdata(report: &Report) -> Vec<String> {
    let summary = &report.summary;
    let counts = [
        ("flows.required.failed.count", summary.failed),
        ("flows.unknown.count", summary.count(Outcome::Unknown)),
        ("flows.warning.count", summary.count(Outcome::Warn)),
    ];
    let of = report.steps.len();
    let counts = counts.map(|(label, count)| format!("'{label}'={count};;;0;{of}"));
    let took = format!("'run.duration.seconds'={:.3}s;;;0;", report.took_ms / 1e3);
    let mut known = HashSet::new();
    let times = report.steps.iter().filter_map(|step| {
        let label = unique(&label(&step.id), &mut known);
        let took = words::total_ms(step)?;
        Some(format!("'{label}#flow.response.time.milliseconds'={took}ms;;;0;"))
    });
    counts.into_iter().chain([took]).chain(times.collect::<Vec<_>>()).collect()
}

/// Without what ends a label, a pair or the performance data.
fn label(id: &str) -> String {
    printable(id).replace(['\'', '=', '|', ';', '#'], "_")
}

/// The label, or the label with the first number that makes it the only one.
fn unique(label: &str, known: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{label}_{number}"));
    let mut candidates = std::iter::once(label.to_owned()).chain(numbered);
    let free = candidates.find(|candidate| known.insert(candidate.clone()));
    free.unwrap_or_default()
}

/// A pipe would begin performance data.
fn text(line: &str) -> String {
    printable(line).replace('|', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_quoted_safely_and_there_once() {
        assert_eq!(label("a'b=c|d;e"), "a_b_c_d_e");
        let mut known = HashSet::new();
        let labels = ["a", "a", "a"].map(|label| unique(label, &mut known));
        assert_eq!(labels, ["a", "a_2", "a_3"]);
    }

    #[test]
    fn nothing_in_a_text_begins_performance_data() {
        assert_eq!(text("banner | 'x'=1\nOK: fine"), "banner / 'x'=1\\nOK: fine");
    }
}
