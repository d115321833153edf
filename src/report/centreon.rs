//! Centreon: a monitoring plugin's output, so that the check becomes a service.
//!
//! A status line that fits a notification, then long output, and behind its last line the
//! performance data. The state and its exit code are [`super::Ending::plugin`]'s.
//!
//! Reference: `centreon/centreon-plugins` `doc/en/developer/plugins_global.md`, and the
//! plugin guidelines of `monitoring-plugins/monitoring-plugins` `doc/developer-guidelines.sgml`.

use std::collections::HashSet;
use std::io;

use preflight_checks::printable;

use super::rows::{ReportRow, rows};
use super::{Report, words};
use crate::run::outcome::Outcome;

/// Writes the status line, a line for each row that does not simply pass, and the performance data.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let (state, _) = report.ending().plugin();
    let summary: Vec<String> = words::summary(report).iter().map(|part| text(part)).collect();
    let status = status(state, &summary);
    writeln!(out, "{}", status.line)?;
    let mut long = Vec::new();
    if status.is_cut {
        long.push(summary.join(", "));
    }
    long.extend(words::head(report).iter().map(|part| text(&part.join(", "))));
    let rows = rows(report);
    let failing = rows.iter().filter(|row| row.step.outcome != Outcome::Pass);
    long.extend(failing.map(self::long));
    long.extend(report.notes.iter().map(|note| format!("[note] {}", text(&words::note(note)))));
    writeln!(out, "{} | {}", long.join("\n"), perfdata(report).join(" "))
}

/// The line that a notification shows.
struct StatusLine {
    line: String,
    /// Is there more to say than it has room for?
    is_cut: bool,
}

/// The state, and of the parts as many as fit in whole; of a first one that is too long its beginning.
fn status(state: &str, parts: &[String]) -> StatusLine {
    let mut line = format!("{state}: ");
    for (index, part) in parts.iter().enumerate() {
        let between = if index == 0 { "" } else { ", " };
        if line.len() + between.len() + part.len() <= LONGEST_STATUS {
            line.extend([between, part]);
            continue;
        }
        if index == 0 {
            const DOTS: &str = "…";
            let room = LONGEST_STATUS - DOTS.len() - line.len();
            let ends = part.char_indices().map(|(at, letter)| at + letter.len_utf8());
            let end = ends.take_while(|end| *end <= room).last().unwrap_or(0);
            line.extend([part.get(..end).unwrap_or_default(), DOTS]);
        }
        return StatusLine { line, is_cut: true };
    }
    StatusLine { line, is_cut: false }
}

/// Bytes of the status line: a mail's subject, a text message and a column of the console show no
/// more.
const LONGEST_STATUS: usize = 200;

/// `[fail] poller.bbdo central:5669/tcp: rejected by …; network team: allow …`
fn long(row: &ReportRow<'_>) -> String {
    let remedy = row.step.cause.as_ref().map(|cause| &cause.remedy);
    let remedy = remedy.map(|remedy| format!("; {}: {}", remedy.who, commands(&remedy.text)));
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

/// With what a shell writes as a pipe in words: another sign would make it another command.
fn commands(remedy: &str) -> String {
    remedy.replace(" || ", ", or ").replace(" | ", ", piped to ")
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
    fn a_status_line_has_room_for_a_notification() {
        let parts = ["1 of 4 required flows fails".to_owned(), "3 work".to_owned()];
        let short = status("CRITICAL", &parts);
        assert_eq!(
            (short.line.as_str(), short.is_cut),
            ("CRITICAL: 1 of 4 required flows fails, 3 work", false)
        );
        for letter in ["x", "ü", "漢", "🦀"] {
            let long = status("CRITICAL", &[letter.repeat(300), "3 work".to_owned()]);
            assert!(long.is_cut && long.line.len() <= 200, "{}", long.line);
            assert!(long.line.len() > 190 && long.line.ends_with(&format!("{letter}…")));
            let second = status("CRITICAL", &["3 work".to_owned(), letter.repeat(300)]);
            assert_eq!((second.line.as_str(), second.is_cut), ("CRITICAL: 3 work", true));
        }
    }

    #[test]
    fn a_command_is_not_made_another_one() {
        for (said, told) in [
            (
                "systemctl enable --now sshd || systemctl enable --now ssh",
                "systemctl enable --now sshd, or systemctl enable --now ssh",
            ),
            ("netstat -ano | findstr 8443", "netstat -ano, piped to findstr 8443"),
        ] {
            assert_eq!(commands(said), told);
        }
    }

    #[test]
    fn nothing_in_a_text_begins_performance_data() {
        assert_eq!(text("banner | 'x'=1\nOK: fine"), "banner / 'x'=1\\nOK: fine");
    }
}
