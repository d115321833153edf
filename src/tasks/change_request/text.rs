//! The request for a mail: nothing but text, as wide as the reader's window.

use std::io;

use super::{ChangeRequest, Other};
use crate::report::Canvas;
use crate::text::{Labels, MIN_WIDTH, hanging};

/// Writes who asks, the rows of each firewall, what else is asked for, and the notes.
pub(super) fn write(
    request: &ChangeRequest,
    canvas: Canvas,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let width = canvas.width.max(MIN_WIDTH);
    writeln!(out, "Firewall change request")?;
    for machine in &request.machines {
        item("for", &machine.as_seen().join(", "), width, out)?;
    }
    if request.rows.is_empty() {
        writeln!(out, "\nNo rule is asked for: no flow is blocked on its way.")?;
    } else {
        writeln!(out)?;
        hanging("", ANSWERS, width, out)?;
    }
    let mut number = 0;
    for (firewall, rows) in request.groups() {
        writeln!(out)?;
        hanging("", &firewall.title(), width, out)?;
        for row in rows {
            number += 1;
            writeln!(out, "\n  {number}. allow {}", row.service())?;
            let mut label = "from";
            for source in &row.sources {
                item(label, &source.shown(), width, out)?;
                label = "";
            }
            item("to", &row.destination.shown(), width, out)?;
            item("and", &row.also_needed_by(), width, out)?;
            item("ports", row.about_ports(), width, out)?;
            item("service", &row.spoken(), width, out)?;
            item("why", &row.purposes.join(" "), width, out)?;
            item("seen", &row.evidence.join("; "), width, out)?;
        }
    }
    write_others(&request.others, width, out)?;
    write_notes(&request.notes, width, out)
}

/// What every row means, so that nobody has to ask.
pub(super) const ANSWERS: &str = "Every connection is opened by the source, from any port of its \
                                  own; answers must pass back.";

fn write_others(others: &[Other], width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    if !others.is_empty() {
        writeln!(out, "\nNo rule, but for the network team too")?;
    }
    for other in others {
        let device =
            other.device.as_deref().map_or_else(String::new, |by| format!("device {by}: "));
        writeln!(out)?;
        item("ask for", &format!("{device}{}", other.what), width, out)?;
        item("seen", &other.seen, width, out)?;
        item("flows", &other.flows.join(", "), width, out)?;
    }
    Ok(())
}

fn write_notes(notes: &[String], width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    if !notes.is_empty() {
        writeln!(out, "\nNotes")?;
    }
    notes.iter().try_for_each(|note| item("-", note, width, out))
}

/// A label and its text, which wraps beside it.
fn item(label: &str, text: &str, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    Labels { indent: 5, column: 7, width }.write(label, text, out)
}
