//! JUnit: a test case a step, for CI.
//!
//! Red when the exit code is 1 or 3, or a step was cut off, and only then: a required step that fails is a
//! failure, one that cannot be told an error; what is optional is skipped.
//!
//! Reference: the schema of Jenkins' xUnit plugin, `jenkinsci/xunit-plugin`
//! `src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd`.

use std::fmt::Write as _;
use std::io;

use preflight_checks::printable;

use super::faults::{Fault, Followers};
use super::{ConcernReport, Ending, Report, StepReport, words};
use crate::run::outcome::Outcome;

/// Writes one suite: the run.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let shown: Vec<Shown> = report.steps.iter().map(|step| Shown::of(report, step)).collect();
    let count = |is: Shown| shown.iter().filter(|shown| **shown == is).count();
    // No step says that not one was seen to work.
    let lacks = usize::from(report.ending() == Ending::NothingWorks);
    let counts = format!(
        r#"tests="{}" failures="{}" errors="{}" skipped="{}" time="{}""#,
        shown.len() + lacks,
        count(Shown::Failure),
        count(Shown::Error) + lacks,
        count(Shown::Skipped),
        seconds(report.took_ms),
    );
    let name = format!("preflight.{}", report.role);
    let host = attribute(&report.host.name);
    let at = attribute(report.started_at.split(['.', 'Z']).next().unwrap_or_default());
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="preflight" {counts}>"#)?;
    writeln!(out, r#"  <testsuite name="{name}" hostname="{host}" timestamp="{at}" {counts}>"#)?;
    writeln!(out, "    <properties>")?;
    for (name, value) in properties(report) {
        writeln!(out, r#"      <property name="{name}" value="{}"/>"#, attribute(&value))?;
    }
    writeln!(out, "    </properties>")?;
    let followers = Followers::of(&report.steps);
    for (step, shown) in report.steps.iter().zip(shown) {
        case(&followers, step, shown, &name, out)?;
    }
    if lacks > 0 {
        let why = attribute(&words::summary(report).join(" · "));
        writeln!(out, r#"    <testcase classname="{name}" name="ready" time="0.000">"#)?;
        writeln!(out, r#"      <error message="{why}" type="nothing-works"/>"#)?;
        writeln!(out, "    </testcase>")?;
    }
    let mut last: Vec<String> = report.notes.iter().map(words::note).collect();
    last.push(words::summary(report).join(" · "));
    writeln!(out, "    <system-out>{}</system-out>", text(&last.join("\n")))?;
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// What a step is to a reader of JUnit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Passed,
    Failure,
    Error,
    Skipped,
}

impl Shown {
    fn of(report: &Report, step: &StepReport) -> Self {
        match step.outcome {
            Outcome::Fail if step.required => Self::Failure,
            Outcome::Warn if step.required && report.strict && step.warns() => Self::Failure,
            Outcome::Unknown if step.required => Self::Error,
            Outcome::Fail | Outcome::Unknown | Outcome::Skip => Self::Skipped,
            Outcome::Pass | Outcome::Warn => Self::Passed,
        }
    }
}

fn properties(report: &Report) -> Vec<(&'static str, String)> {
    let [run, machine] = words::head(report);
    vec![
        ("version", report.tool.version.clone()),
        ("role", report.role.to_string()),
        ("run", run.join(" · ")),
        ("machine", machine.join(" · ")),
        ("summary", report.summary.text.clone()),
    ]
}

fn case(
    followers: &Followers<'_>,
    step: &StepReport,
    shown: Shown,
    class: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let (id, time) = (attribute(&step.id), seconds(words::total_ms(step).unwrap_or(0.0)));
    writeln!(out, r#"    <testcase classname="{class}" name="{id}" time="{time}">"#)?;
    let message = attribute(&step.result);
    match shown {
        Shown::Passed => {}
        Shown::Skipped => {
            let why = match step.outcome {
                Outcome::Skip => String::new(),
                outcome => format!("optional, {outcome}: "),
            };
            writeln!(out, r#"      <skipped message="{why}{message}"/>"#)?;
        }
        Shown::Failure | Shown::Error => {
            let element = if shown == Shown::Error { "error" } else { "failure" };
            let (code, body) = (attribute(step.code()), text(&explanation(followers, step)));
            let head = format!(r#"<{element} message="{message}" type="{code}">"#);
            writeln!(out, "      {head}{body}</{element}>")?;
        }
    }
    let warning = |concern: &ConcernReport| {
        let mut parts = vec![format!("{}: {}", concern.code(), concern.message)];
        let about = words::about_concern(concern).into_iter();
        parts.extend(about.map(|(label, text)| format!("{label}: {text}")));
        parts.join("; ")
    };
    let warnings: Vec<String> = step.concerns.iter().map(warning).collect();
    if !warnings.is_empty() {
        writeln!(out, "      <system-out>{}</system-out>", lines(&warnings))?;
    }
    writeln!(out, "    </testcase>")
}

/// Why, what was seen, who acts and what to do, a line each.
fn explanation(followers: &Followers<'_>, step: &StepReport) -> String {
    let fault = Fault::of([step]);
    let said = fault.map(|fault| words::explanation(&fault, followers)).unwrap_or_default();
    let said = said.into_iter().map(|(label, text)| format!("{label}: {text}"));
    let lines = std::iter::once(step.why.clone()).chain(said);
    lines.map(|line| printable(&line)).collect::<Vec<_>>().join("\n")
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|line| text(&printable(line))).collect::<Vec<_>>().join("\n")
}

/// Milliseconds as seconds, as JUnit wants them.
fn seconds(took_ms: f64) -> String {
    format!("{:.3}", took_ms / 1e3)
}

/// Text of one line, inside double quotes.
fn attribute(value: &str) -> String {
    text(&printable(value))
}

/// Escaped, and without what XML 1.0 forbids even as a reference; line feeds stay.
fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push('\n'),
            '\u{fffe}' | '\u{ffff}' | '\0'..='\u{1f}' => {
                let _infallible = write!(escaped, "\\u{{{:x}}}", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_forbids_is_written_out() {
        assert_eq!(text("a\u{fffe}\u{ffff}\u{1}b"), "a\\u{fffe}\\u{ffff}\\u{1}b");
        assert_eq!(attribute("\u{1b}[31m\n"), "\\x1b[31m\\n");
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(text("]]></failure>\"'&"), "]]&gt;&lt;/failure&gt;&quot;&apos;&amp;");
    }
}
