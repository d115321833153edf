//! CSV: a line a step, for a spreadsheet.
//!
//! Reference: [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180).

use std::io;

use super::{Report, StepReport, escape, words};

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
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    line(&COLUMNS.map(str::to_owned), out)?;
    report.steps.iter().try_for_each(|step| line(&cells(report, step), out))
}

fn cells(report: &Report, step: &StepReport) -> [String; 24] {
    let target = step.target.as_ref();
    let cause = step.cause.as_ref();
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
        target.map(|target| target.origin.to_string()).unwrap_or_default(),
        step.outcome.to_string(),
        step.result.clone(),
        step.code().to_owned(),
        cause.map(|cause| cause.why.layer_name()).unwrap_or_default(),
        cause.map(|cause| cause.owner_name().to_owned()).unwrap_or_default(),
        step.device().map(|device| device.to_string()).unwrap_or_default(),
        step.because_of.clone().unwrap_or_default(),
        cause.map(|cause| cause.remedy.who.clone()).unwrap_or_default(),
        cause.map(|cause| cause.remedy.text.clone()).unwrap_or_default(),
        words::total_ms(step).map(|took| took.to_string()).unwrap_or_default(),
    ]
}

fn line(cells: &[String], out: &mut dyn io::Write) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|cell| escape::csv(cell)).collect();
    write!(out, "{}\r\n", cells.join(","))
}
