//! The table: for a person in front of a terminal of 80 columns.

use std::io;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::{Canvas, Report, StepReport};
use crate::plan::{Action, Asked, Direction, Plan, Question, Step};
use crate::verdict::Outcome;

/// Narrower than this nothing can be laid out sensibly.
const MIN_WIDTH: usize = 60;

/// Writes the table, then what to do about each failure, then the summary.
///
/// # Errors
///
/// What the writer says.
pub(crate) fn write(report: &Report, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let canvas = Canvas { width: canvas.width.max(MIN_WIDTH), ..canvas };
    for line in wrap(&head(report), canvas.width) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    rows(report, canvas, out)?;
    for step in &report.steps {
        explain(report, step, canvas, out)?;
    }
    let mark = Style::new().bold();
    for line in wrap(&summary(report), canvas.width - 2) {
        writeln!(out, "  {mark}{line}{mark:#}")?;
    }
    Ok(())
}

/// Writes a plan: what would be asked, and where each value came from.
///
/// # Errors
///
/// What the writer says.
pub(crate) fn write_plan(plan: &Plan, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let width = canvas.width.max(MIN_WIDTH);
    let titles = ["FLOW", "TARGET", "PLAN"].map(str::to_owned);
    let lines: Vec<[String; 3]> = plan.steps.iter().map(planned).collect();
    let widest = |column: usize, most: usize| {
        let cells = lines.iter().chain([&titles]).filter_map(|line| line.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0).min(most)
    };
    let flow = widest(0, width / 4);
    let target = widest(1, (width - flow) * 2 / 5);
    let names = plan.platform.iter().chain(&plan.machine);
    let names = names.map(|name| format!("{} · ", preflight_checks::printable(name)));
    let head = format!(
        "plan · {}{} · profile {} · {} installation; nothing was sent",
        names.collect::<String>(),
        plan.role,
        plan.profile,
        plan.phase
    );
    for line in wrap(&head, width) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    for line in [&titles].into_iter().chain(&lines) {
        let [id, at, text] = line;
        let rest = width.saturating_sub(flow + target + 6).max(20);
        let cells = [wrap(id, flow), wrap(at, target), wrap(text, rest)];
        write_cells(&cells, [flow, target], |_| "  ".to_owned(), out)?;
    }
    Ok(())
}

/// Plans of several machines, with a line between two.
///
/// # Errors
///
/// What the writer says.
pub(crate) fn write_plans(
    plans: &[Plan],
    canvas: Canvas,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for (index, plan) in plans.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_plan(plan, canvas, out)?;
    }
    Ok(())
}

/// Flow, target and what would be done.
fn planned(step: &Step) -> [String; 3] {
    let (target, text) = match &step.action {
        Action::Skip(reason) => (String::new(), format!("not checked: {reason}")),
        Action::Found(mistake) => (mistake.at().to_string(), mistake.to_string()),
        Action::Ask(question) => (question.target.clone(), doing(step.direction, question)),
    };
    let optional = if step.required { "" } else { "; optional" };
    [step.flow.clone(), target, format!("{text}{optional}")]
}

fn doing(direction: Direction, question: &Question) -> String {
    let port = |asked: &Asked| format!("{}/{}", asked.port, asked.transports());
    let ways = |with: fn(&Asked) -> String| {
        question.ways.iter().map(with).collect::<Vec<_>>().join(" or ")
    };
    if direction == Direction::Inbound {
        let ports: Vec<String> = question.ways.iter().map(port).collect();
        return format!("look who listens here on {}", ports.join(" or "));
    }
    let asked = ways(|asked| format!("{} {}/{}", asked.protocol, asked.port, asked.transports()));
    let also = question.also_try.as_ref();
    let also = also.map_or_else(String::new, |asked| format!(", else once {}", asked.port));
    let port_origin =
        question.ways.first().map_or_else(String::new, |way| way.port_origin.to_string());
    format!("{asked}{also}; target from {}, port from {port_origin}", question.origin)
}

fn head(report: &Report) -> String {
    let mut parts = vec![
        format!("{} {}", report.tool.name, report.tool.version),
        report.role.to_string(),
        format!("profile {}", report.profile),
        format!("{} installation", report.phase),
    ];
    let sources: Vec<&str> = sources(report);
    if !sources.is_empty() {
        parts.push(format!("from {}", sources.join(", ")));
    }
    parts.join(" · ")
}

/// The addresses we really asked from, each once.
fn sources(report: &Report) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    let attempts = report.steps.iter().flat_map(|step| &step.attempts);
    for source in attempts.filter_map(|attempt| attempt.source.as_deref()) {
        if !sources.contains(&source) && sources.len() < 3 {
            sources.push(source);
        }
    }
    sources
}

/// Symbol, flow, target, result; the result wraps.
fn rows(report: &Report, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let widest = |text: fn(&StepReport) -> String, floor: usize, most: usize| {
        let widths = report.steps.iter().map(|step| text(step).width());
        widths.max().unwrap_or(0).clamp(floor, most)
    };
    let flow = widest(flow_text, 4, canvas.width / 4);
    let target = widest(target_text, 6, (canvas.width - flow) * 2 / 5);
    let result = canvas.width.saturating_sub(4 + flow + 2 + target + 2).max(20);
    let bold = Style::new().bold();
    let titles = format!("    {}  {}  RESULT", pad("FLOW", flow), pad("TARGET", target));
    writeln!(out, "{bold}{titles}{bold:#}")?;
    for step in &report.steps {
        let style = style(step.outcome);
        let cells = [
            wrap(&flow_text(step), flow),
            wrap(&target_text(step), target),
            wrap(&result_text(step, canvas), result),
        ];
        let mark = |line: usize| {
            let mark = if line == 0 { symbol(step.outcome) } else { " " };
            format!("  {style}{mark}{style:#} ")
        };
        write_cells(&cells, [flow, target], mark, out)?;
    }
    writeln!(out)
}

/// Three cells side by side, each already broken into lines.
fn write_cells(
    cells: &[Vec<String>; 3],
    widths: [usize; 2],
    mark: impl Fn(usize) -> String,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let [first, second, third] = cells;
    let [one, two] = widths;
    let lines = cells.iter().map(Vec::len).max().unwrap_or(1);
    for line in 0..lines {
        let cell = |of: &Vec<String>| of.get(line).cloned().unwrap_or_default();
        let text =
            format!("{}  {}  {}", pad(&cell(first), one), pad(&cell(second), two), cell(third));
        writeln!(out, "{}{}", mark(line), text.trim_end())?;
    }
    Ok(())
}

fn flow_text(step: &StepReport) -> String {
    step.flow.clone()
}

fn target_text(step: &StepReport) -> String {
    step.target.as_ref().map_or_else(String::new, |target| target.shown.clone())
}

fn result_text(step: &StepReport, canvas: Canvas) -> String {
    let mut text = step.result.clone();
    if step.direction == Direction::Inbound && step.outcome == Outcome::Pass {
        text.push_str("; the way here is not tested");
    }
    if !step.required && step.outcome == Outcome::Fail {
        text.push_str(" [optional]");
    }
    if let Some(gateway) = &step.through_vpn {
        text.extend([" [through the VPN ", gateway, "]"]);
    }
    if canvas.verbose {
        text.push_str(&details(step));
    }
    text
}

/// Origin, evidence and timings, for --verbose.
fn details(step: &StepReport) -> String {
    let origin = step.target.iter().map(|target| format!("origin={}", target.origin));
    let evidence = step.evidence.iter().chain(&step.timings).map(|(name, value)| match value {
        serde_json::Value::String(text) => format!("{name}={text}"),
        serde_json::Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(|item| item.as_str()).collect();
            format!("{name}={}", items.join(","))
        }
        other => format!("{name}={other}"),
    });
    let facts: Vec<String> = origin.chain(evidence).collect();
    if facts.is_empty() { String::new() } else { format!(" | {}", facts.join(" ")) }
}

/// Under the table: why, what was seen, who acts, what to do.
fn explain(
    report: &Report,
    step: &StepReport,
    canvas: Canvas,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let alike: Vec<&StepReport> =
        report.steps.iter().filter(|other| is_alike(step, other)).collect();
    let is_first = alike.first().is_some_and(|first| first.id == step.id);
    let Some(cause) = step.cause.as_ref().filter(|_| step.because_of.is_none() && is_first) else {
        return Ok(());
    };
    let style = style(step.outcome);
    let title = format!("{}: {}", step.id, step.why);
    for (index, line) in wrap(&title, canvas.width - 4).iter().enumerate() {
        let mark = if index == 0 { symbol(step.outcome) } else { " " };
        writeln!(out, "  {style}{mark}{style:#} {line}")?;
    }
    let asked = step
        .target
        .as_ref()
        .map_or_else(String::new, |target| format!("{} ({}): ", target.shown, target.origin));
    let label = if cause.owner == "this-host" { "do" } else { "ask for" };
    let lines = [
        ("seen", format!("{asked}{}", cause.message)),
        ("name", resolved_as(step)),
        ("also", others(step)),
        ("likewise", likewise(alike.get(1..).unwrap_or_default())),
        ("fails too", consequences(report, step)),
        ("who acts", cause.remedy.who.clone()),
        (label, cause.remedy.what.clone()),
        ("more", format!("preflight explain {}", cause.code)),
    ];
    for (label, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        for (index, line) in wrap(text, canvas.width - 15).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(out, "    {}  {line}", pad(label, 9))?;
        }
    }
    writeln!(out)
}

/// The name that was really asked for, when a search domain or an alias changed it.
fn resolved_as(step: &StepReport) -> String {
    let name = step.evidence.get("resolved_as").and_then(|name| name.as_str());
    name.map_or_else(String::new, |name| format!("resolved as {name}"))
}

/// Two targets of one flow with one cause need one explanation.
fn is_alike(one: &StepReport, other: &StepReport) -> bool {
    let code = |step: &StepReport| {
        step.cause.as_ref().map(|cause| (cause.code.clone(), cause.device.clone()))
    };
    one.flow == other.flow && code(one) == code(other) && other.because_of.is_none()
}

/// The other targets of which the same is true: some by name, then how many.
fn likewise(steps: &[&StepReport]) -> String {
    const SHOWN: usize = 8;
    let names = steps.iter().filter_map(|step| step.target.as_ref());
    let names: Vec<&str> = names.map(|target| target.shown.as_str()).collect();
    match names.get(..SHOWN) {
        Some(shown) if names.len() > SHOWN => {
            format!("{} and {} more", shown.join(", "), names.len() - SHOWN)
        }
        _ => names.join(", "),
    }
}

/// The steps that fail because this one does.
fn consequences(report: &Report, step: &StepReport) -> String {
    let follow = report.steps.iter().filter(|other| other.because_of.as_ref() == Some(&step.id));
    follow.map(|other| other.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// The other addresses and ports that failed, when there are any.
fn others(step: &StepReport) -> String {
    let message = step.cause.as_ref().map(|cause| cause.code.as_str());
    let texts = step.attempts.iter().filter_map(|attempt| {
        let code = attempt.cause.as_ref()?.get("code")?.as_str()?;
        (Some(code) != message).then(|| format!("{}: {code}", attempt.address))
    });
    texts.collect::<Vec<String>>().join(", ")
}

fn summary(report: &Report) -> String {
    let summary = &report.summary;
    let mut parts = Vec::new();
    if report.interrupted {
        parts.push("interrupted; what was finished is above".to_owned());
    }
    parts.push(verdict(report));
    let optional = summary.count(Outcome::Fail).saturating_sub(summary.failed);
    let counted = [
        (summary.open, "open, nothing listens there yet"),
        (optional, "optional fails"),
        (summary.count(Outcome::Warn).saturating_sub(summary.open), "with a warning"),
        (summary.count(Outcome::Unknown), "cannot be told from here"),
        (summary.count(Outcome::Skip), "not checked"),
    ];
    parts.extend(counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    parts.push(format!("{:.2} s", report.took_ms / 1e3));
    parts.join(" · ")
}

/// The required flows in one clause.
fn verdict(report: &Report) -> String {
    let summary = &report.summary;
    let (of, reasons) = (summary.required, summary.reasons.join(", "));
    let works = required(report, |step| {
        matches!(step.outcome, Outcome::Pass | Outcome::Warn) && !step.is_only_open()
    });
    match summary.failed {
        0 if of == 0 => "no required flow was checked".to_owned(),
        0 if !reasons.is_empty() => format!("warnings fail this run: {reasons}"),
        0 if works == of && of == 1 => "the one required flow works".to_owned(),
        0 if works == of => format!("all {of} required flows work"),
        0 => format!("no required flow fails, {works} of {of} work"),
        1 => format!("1 of {of} required flows fails: {reasons}"),
        failed => format!("{failed} of {of} required flows fail: {reasons}"),
    }
}

fn required(report: &Report, is: impl Fn(&StepReport) -> bool) -> usize {
    report.steps.iter().filter(|step| step.required && is(step)).count()
}

fn symbol(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✓",
        Outcome::Warn => "!",
        Outcome::Fail => "✗",
        Outcome::Unknown => "?",
        Outcome::Skip => "-",
    }
}

fn style(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Pass => AnsiColor::Green,
        Outcome::Warn => AnsiColor::Yellow,
        Outcome::Fail => AnsiColor::Red,
        Outcome::Unknown => AnsiColor::Magenta,
        Outcome::Skip => return Style::new().dimmed(),
    };
    colour.on_default().bold()
}

/// With spaces behind it, up to `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// Breaks at spaces, and inside a word only when it is longer than a line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    // The optimal fit would rather overflow a line by a little than leave a short one.
    let options = textwrap::Options::new(width)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}
