//! The request for a ticket.

use std::io;

use super::ChangeRequest;
use super::row::{RequestRow, RuleSource};
use super::text::ANSWERS;
use crate::report::escape::markdown;

/// Writes who asks, one table a firewall, what else is asked for, and the notes.
pub(super) fn write(request: &ChangeRequest, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "# Firewall change request\n")?;
    for machine in &request.machines {
        writeln!(out, "- for {}", machine.as_seen().map(|part| markdown(&part)).join(", "))?;
    }
    if request.rows.is_empty() {
        writeln!(out, "\nNo rule is asked for: no flow is blocked on its way.")?;
    } else {
        writeln!(out, "\n{ANSWERS}")?;
    }
    let mut number = 0;
    for (firewall, rows) in request.groups() {
        writeln!(out, "\n## {}\n", markdown(&firewall.title()))?;
        writeln!(out, "| # | source | destination | allow | service | purpose | seen |")?;
        writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |")?;
        for row in rows {
            number += 1;
            writeln!(out, "| {number} | {} |", cells(row).join(" | "))?;
        }
    }
    if !request.others.is_empty() {
        writeln!(out, "\n## No rule, but for the network team too\n")?;
    }
    for other in &request.others {
        let device =
            other.device.as_deref().map_or_else(String::new, |by| format!("device {by}: "));
        let what = format!("{device}{}", other.what);
        let flows = other.flows.join(", ");
        let (what, seen, flows) = (markdown(&what), markdown(&other.seen), markdown(&flows));
        writeln!(out, "- {what}; seen: {seen} ({flows})")?;
    }
    if !request.notes.is_empty() {
        writeln!(out, "\n## Notes\n")?;
    }
    request.notes.iter().try_for_each(|note| writeln!(out, "- {}", markdown(note)))
}

fn cells(row: &RequestRow) -> [String; 6] {
    let lines = |lines: Vec<String>| {
        lines
            .iter()
            .filter(|line| !line.is_empty())
            .map(|line| markdown(line))
            .collect::<Vec<_>>()
            .join("<br>")
    };
    [
        lines(row.sources.iter().map(RuleSource::shown).collect()),
        lines(vec![row.destination.shown(), row.also_needed_by()]),
        lines(vec![row.service(), row.about_ports().to_owned()]),
        markdown(&row.spoken()),
        lines(row.purposes.clone()),
        lines(row.evidence.clone()),
    ]
}
