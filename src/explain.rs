//! `preflight explain`: a cause by its code, or everything a saved run saw of one step.

use std::io;

use serde_json::{Map, Value};

use crate::report::{AttemptReport, Report, StepReport};

/// Today's rules: the remedies of `docs/causes.md`, embedded.
const CAUSES: &str = include_str!("../docs/causes.md");

/// The text under the heading of `code`, heading included.
pub(crate) fn section(code: &str) -> Option<String> {
    let mut lines = CAUSES.lines().skip_while(|line| line.strip_prefix("### ") != Some(code));
    let heading = lines.next()?;
    let body = lines.take_while(|line| !line.starts_with("### ") && !line.starts_with("## "));
    let text: Vec<&str> = std::iter::once(heading).chain(body).collect();
    Some(text.join("\n").trim_end().to_owned())
}

/// The step called `name`: an id, or a flow that has only one step.
///
/// # Errors
///
/// One sentence naming the steps there are.
pub(crate) fn step<'a>(report: &'a Report, name: &str) -> Result<&'a StepReport, String> {
    let exact = report.steps.iter().find(|step| step.id == name);
    let of_flow: Vec<&StepReport> = report.steps.iter().filter(|step| step.flow == name).collect();
    match (exact, of_flow.as_slice()) {
        (Some(step), _) | (None, &[step]) => Ok(step),
        (None, &[]) => {
            let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
            Err(format!("the report has no step `{name}`; it has {}", ids.join(", ")))
        }
        (None, several) => {
            let ids: Vec<&str> = several.iter().map(|step| step.id.as_str()).collect();
            Err(format!("`{name}` has several steps: {}", ids.join(", ")))
        }
    }
}

/// Everything that was seen for `step`, and what today's rules say of it.
///
/// # Errors
///
/// What the writer says.
pub(crate) fn write(report: &Report, step: &StepReport, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{}: {}", step.id, step.outcome)?;
    writeln!(
        out,
        "seen by {} as {} ({} installation) at {}, preflight {}\n",
        report.host.name, report.role, report.phase, report.started_at, report.tool.version
    )?;
    writeln!(out, "{} -> {}: {}", step.from, step.to, step.why)?;
    if let Some(target) = &step.target {
        writeln!(out, "target  {} (from {})", target.shown, target.origin)?;
        for way in &target.ways {
            let (protocol, port, transport) = (&way.protocol, way.port, &way.transport);
            writeln!(out, "asked   {protocol} on {port}/{transport} (port from {})", way.origin)?;
        }
    }
    writeln!(out, "result  {}", step.result)?;
    for concern in &step.concerns {
        writeln!(out, "concern {}: {}", concern.code, concern.message)?;
    }
    if let Some(root) = &step.because_of {
        writeln!(out, "because of {root}, which fails too")?;
    }
    for attempt in &step.attempts {
        attempted(attempt, out)?;
    }
    if step.attempts.is_empty() {
        facts("evidence", &step.evidence, out)?;
    }
    writeln!(out)?;
    today(step, out)
}

fn attempted(attempt: &AttemptReport, out: &mut dyn io::Write) -> io::Result<()> {
    let source =
        attempt.source.as_ref().map_or_else(String::new, |source| format!(" from {source}"));
    let (address, protocol, outcome) = (&attempt.address, &attempt.protocol, attempt.outcome);
    writeln!(out, "\n{address} ({protocol}{source}): {outcome}")?;
    if let Some(cause) = &attempt.cause {
        facts("cause", cause, out)?;
    }
    facts("timings", &attempt.timings, out)?;
    facts("evidence", &attempt.evidence, out)
}

fn facts(title: &str, facts: &Map<String, Value>, out: &mut dyn io::Write) -> io::Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {title}")?;
    for (name, value) in facts {
        match value {
            Value::String(text) => writeln!(out, "    {name}: {text}")?,
            Value::Array(items) if items.iter().all(Value::is_string) => {
                writeln!(out, "    {name}:")?;
                for item in items.iter().filter_map(Value::as_str) {
                    writeln!(out, "      {item}")?;
                }
            }
            other => writeln!(out, "    {name}: {other}")?,
        }
    }
    Ok(())
}

/// What this version of preflight says of the saved code.
fn today(step: &StepReport, out: &mut dyn io::Write) -> io::Result<()> {
    let concerns = step.concerns.iter().map(|concern| concern.code.as_str());
    let codes = step.cause.iter().map(|cause| cause.code.as_str()).chain(concerns);
    for code in codes {
        match section(code) {
            Some(section) => writeln!(out, "{section}\n")?,
            None => writeln!(out, "This version of preflight knows no cause `{code}`.\n")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let section = section("path-rejected").unwrap();
        assert!(section.starts_with("### path-rejected"));
        assert_eq!(section.matches("###").count(), 1);
        assert!(section.contains("Who acts"));
    }

    #[test]
    fn an_unknown_code_has_none() {
        assert_eq!(section("no-such-code"), None);
    }
}
