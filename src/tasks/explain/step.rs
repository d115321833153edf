//! One step of a saved run: what was asked and seen, what was decided then, and what today's rules say.

use std::io;

use preflight_checks::{Cause, Concern};
use unicode_width::UnicodeWidthStr;

use super::blanks::Blanks;
use super::{WIDTH, facts, markdown, section};
use crate::report::saved::Saved;
use crate::report::{
    AttemptReport, CauseReport, ConcernReport, Report, StepReport, about_concern, asked_too,
};
use crate::run::outcome::Outcome;
use crate::text::{Labels, hanging, pad};

/// Writes everything that was seen for the step at this place, and judges it again.
pub(crate) fn write(
    saved: Saved,
    at: usize,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let seen_by = seen_by(saved.as_written());
    let step = saved.as_written().steps.get(at).cloned();
    let today = saved.judged();
    let (Some(step), Some(today)) = (&step, today.steps.get(at)) else {
        return Ok(());
    };
    let mut page = StepPage { width: width.max(60), out };
    page.text(0, &format!("{}: {}", step.id, step.outcome))?;
    page.text(0, &seen_by)?;
    page.blank()?;
    question(step, &mut page)?;
    decided(step, today, &mut page)?;
    for attempt in &step.attempts {
        attempted(attempt, &mut page)?;
    }
    page.blank()?;
    // What `docs/causes.md` says of each code, with the values of the step.
    let concerns = today.concerns.iter().map(ConcernReport::code);
    let codes = today.cause.iter().map(|cause| cause.why.code()).chain(concerns);
    let blanks = Blanks::of(today);
    for (index, code) in codes.enumerate() {
        if index > 0 {
            page.blank()?;
        }
        match section(code) {
            Some(section) => markdown::write(&section, &blanks, page.width.min(WIDTH), page.out)?,
            None => page.text(0, &format!("This version knows no cause `{code}`."))?,
        }
    }
    Ok(())
}

fn seen_by(report: &Report) -> String {
    format!(
        "seen by {} as {} ({} installation) at {}, {} {}",
        report.host.name,
        report.role,
        report.phase,
        report.started_at,
        report.tool.name,
        report.tool.version
    )
}

/// What was asked, of whom, and how long it took.
fn question(step: &StepReport, page: &mut StepPage<'_>) -> io::Result<()> {
    let need = if step.required { "required" } else { "optional" };
    page.row("flow", &format!("{} -> {}, {need}: {}", step.from, step.to, step.why))?;
    if let Some(target) = &step.target {
        page.row("target", &format!("{} (from {})", target.shown, target.origin))?;
        for way in &target.ways {
            let (protocol, entrance) = (&way.protocol, way.entrance());
            let asked = format!("{protocol} on {entrance} (port from {})", way.origin);
            page.row("asked", &asked)?;
        }
    }
    if let Some(gateway) = &step.through_vpn {
        page.row("through", &format!("the VPN {gateway}"))?;
    }
    page.row("took", &facts::timings(&step.timings))?;
    // What an attempt saw stands there.
    let of_attempts = |name: &String| step.attempts.iter().any(|it| it.evidence.contains_key(name));
    let others = step.evidence.iter().filter(|(name, _)| !of_attempts(name));
    let rows: Vec<StepRow> = others.map(|(name, value)| facts::lines(name, value)).collect();
    page.rows(2, &rows)
}

/// What was decided then; today's decision when it is another, or why there is none.
///
/// What is to be done says today's decision alone: what a file says may be anybody's words.
fn decided(step: &StepReport, today: &StepReport, page: &mut StepPage<'_>) -> io::Result<()> {
    page.blank()?;
    if step.outcome == Outcome::Skip {
        return page.row("then", &result(step));
    }
    if let Some(reason) = &today.unread {
        sentences("then", step, page)?;
        page.blank()?;
        return page.text(2, &format!("This version cannot judge it again: {reason}."));
    }
    if verdict(today) == verdict(step) {
        sentences("then", today, page)?;
        to_do(today, page)?;
        page.blank()?;
        return page.text(2, "Today's rules say the same.");
    }
    sentences("then", step, page)?;
    page.blank()?;
    sentences("today", today, page)?;
    to_do(today, page)
}

/// What rules decide, as far as a reader sees it.
fn verdict(step: &StepReport) -> impl PartialEq {
    let cause = step.cause.as_ref();
    let cause = cause.map(|cause| (cause.why.code().to_owned(), cause.message.clone()));
    let concerns = step.concerns.iter().map(|one| (one.code.clone(), one.message.clone()));
    (step.outcome, cause, step.because_of.clone(), concerns.collect::<Vec<_>>())
}

/// What was found of a step, and what it follows from.
fn sentences(when: &str, step: &StepReport, page: &mut StepPage<'_>) -> io::Result<()> {
    match &step.cause {
        None => page.row(when, &result(step))?,
        Some(CauseReport { why, message, .. }) => {
            page.row(when, &format!("{}, {}: {message}", step.outcome, why.code()))?;
        }
    }
    for concern in &step.concerns {
        page.row("concern", &format!("{}: {}", concern.code(), concern.message))?;
    }
    match &step.because_of {
        Some(root) => page.row("because", &format!("{root} fails; this follows from it")),
        None => Ok(()),
    }
}

/// Whose turn it is, and to do what.
fn to_do(step: &StepReport, page: &mut StepPage<'_>) -> io::Result<()> {
    if let Some(cause) = &step.cause {
        page.row("who acts", &cause.remedy.who)?;
        page.row(cause.turn(), &cause.remedy.text)?;
        page.row("ask too", &asked_too(step))?;
    }
    let mut concerns = step.concerns.iter().flat_map(about_concern);
    concerns.try_for_each(|(label, text)| page.row(label, &text))
}

fn result(step: &StepReport) -> String {
    format!("{}: {}", step.outcome, step.result)
}

fn attempted(attempt: &AttemptReport, page: &mut StepPage<'_>) -> io::Result<()> {
    page.blank()?;
    let source = attempt.source.as_ref().map_or_else(String::new, |from| format!(" from {from}"));
    let (address, protocol) = (attempt.place(), &attempt.protocol);
    page.text(2, &format!("{address}, {protocol}{source}: {}", attempt.outcome))?;
    let mut rows: Vec<StepRow> = Vec::new();
    if let Some(cause) = &attempt.cause {
        rows.push(("cause".to_owned(), vec![facts::title(cause, Cause::code)]));
        rows.extend(facts::of_cause(cause));
    }
    for concern in &attempt.concerns {
        rows.push(("concern".to_owned(), vec![facts::title(concern, Concern::code)]));
        rows.extend(facts::of_cause(concern));
    }
    rows.push(("took".to_owned(), vec![facts::timings(&attempt.timings)]));
    rows.extend(attempt.evidence.iter().map(|(name, value)| facts::lines(name, value)));
    page.rows(4, &rows)
}

/// A label and its lines.
type StepRow = (String, Vec<String>);

/// A page of labelled texts, as wide as its terminal.
struct StepPage<'a> {
    width: usize,
    out: &'a mut dyn io::Write,
}

impl StepPage<'_> {
    /// A longer label has a line of its own.
    const LABEL: usize = 22;

    fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    fn text(&mut self, indent: usize, text: &str) -> io::Result<()> {
        hanging(&pad("", indent), text, self.width, self.out)
    }

    fn row(&mut self, label: &str, text: &str) -> io::Result<()> {
        Labels { indent: 2, column: 8, width: self.width }.write(label, text, self.out)
    }

    /// The texts of all rows begin in one column.
    fn rows(&mut self, indent: usize, rows: &[StepRow]) -> io::Result<()> {
        let widths = rows.iter().map(|(label, _)| label.width());
        let column = widths.filter(|&width| width <= Self::LABEL).max().unwrap_or_default();
        let labels = Labels { indent, column, width: self.width };
        for (label, texts) in rows {
            let mut label = label.as_str();
            for text in texts.iter().filter(|text| !text.is_empty()) {
                labels.write(label, text, self.out)?;
                label = "";
            }
        }
        Ok(())
    }
}
