//! `preflight explain`: a cause by its code, or everything a saved run saw of one step.

mod blanks;
mod facts;
mod markdown;
mod step;

use std::io;

use anstyle::Style;
use preflight_checks::{printable, quoted};

pub(crate) use step::write;

use crate::report::{Report, StepReport};
use crate::text::{Labels, first_of};
use blanks::{Blanks, has_blanks};

/// Today's rules: the remedies of `docs/causes.md`, embedded.
const CAUSES: &str = include_str!("../../../docs/causes.md");

/// Columns of a page of prose: longer lines are hard to read.
const WIDTH: usize = 80;

/// The text under the heading of `code`, heading included.
fn section(code: &str) -> Option<String> {
    let mut lines = CAUSES.lines().skip_while(|line| line.strip_prefix("### ") != Some(code));
    let heading = lines.next()?;
    let body = lines.take_while(|line| !line.starts_with("### ") && !line.starts_with("## "));
    let text: Vec<&str> = std::iter::once(heading).chain(body).collect();
    Some(text.join("\n").trim_end().to_owned())
}

/// Writes what to do about the cause or warning `code`; `None`: there is none of that name.
pub(crate) fn code(code: &str, out: &mut dyn io::Write) -> Option<io::Result<()>> {
    let section = section(code)?;
    let written = markdown::write(&section, &Blanks::default(), WIDTH, out);
    Some(written.and_then(|()| {
        if has_blanks(&section) {
            writeln!(out)?;
            let hint = "`preflight explain REPORT.json STEP` prints this with the values of a \
                        report for HERE, TARGET, PORT, PROTOCOL and DEVICE.";
            return markdown::write(hint, &Blanks::default(), WIDTH, out);
        }
        Ok(())
    }))
}

/// Writes all codes, by layer, each with the first sentence of its page.
pub(crate) fn list(out: &mut dyn io::Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let labels = Labels { indent: 2, column: 30, width: WIDTH };
    let mut layer = None;
    for (title, code, sentence) in codes() {
        if layer != Some(title) {
            let space = if layer.is_some() { "\n" } else { "" };
            writeln!(out, "{space}{bold}{title}{bold:#}")?;
            layer = Some(title);
        }
        labels.write(code, &sentence, out)?;
    }
    writeln!(out, "\npreflight explain CODE says what each means and what to do about it.")
}

/// Each code with the title of its layer, and the first sentence of its page.
pub(crate) fn codes() -> Vec<(&'static str, &'static str, String)> {
    let (mut codes, mut layer) = (Vec::new(), "");
    for line in CAUSES.lines() {
        if let Some(code) = line.strip_prefix("### ") {
            codes.push((layer, code, first_sentence(code)));
        } else if let Some(title) = line.strip_prefix("## ") {
            layer = title;
        }
    }
    codes
}

/// The first sentence of the page of `code`, without its markup.
fn first_sentence(code: &str) -> String {
    let section = section(code).unwrap_or_default();
    let lines = section.lines().skip(1).skip_while(|line| line.is_empty());
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let text = markdown::plain(&paragraph.join(" "));
    let end = text.match_indices(". ").map(|(end, _)| end + 1).find(|end| {
        // "e.g. " and a number before a full stop end no sentence.
        text.get(end + 1..).is_some_and(|next| next.starts_with(|c: char| !c.is_lowercase()))
    });
    end.and_then(|end| text.get(..end)).unwrap_or(&text).to_owned()
}

/// The place of the step called `name`: an id, or a flow that has only one step.
///
/// # Errors
///
/// One sentence naming the steps there are.
pub(crate) fn step(report: &Report, name: &str) -> Result<usize, String> {
    let exact = report.steps.iter().position(|step| step.id == name);
    let of_flow: Vec<&StepReport> = report.steps.iter().filter(|step| step.flow == name).collect();
    match (exact, of_flow.as_slice()) {
        (Some(at), _) => Ok(at),
        (None, &[only]) => {
            Ok(report.steps.iter().position(|step| step.id == only.id).unwrap_or_default())
        }
        (None, &[]) => {
            let all: Vec<&StepReport> = report.steps.iter().collect();
            Err(format!(
                "the report has no step {}; it has {}",
                quoted(&printable(name)),
                ids(&all)
            ))
        }
        (None, several) => {
            Err(format!("{} has several steps: {}", quoted(&printable(name)), ids(several)))
        }
    }
}

/// Asks for a step of `report`, naming those there are.
pub(crate) fn which_step(report: &Report) -> String {
    let all: Vec<&StepReport> = report.steps.iter().collect();
    format!("name a step of this report behind it: {}", ids(&all))
}

/// The ids of the first steps, then how many more there are.
fn ids(steps: &[&StepReport]) -> String {
    const SHOWN: usize = 20;
    let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    if ids.is_empty() { "none".to_owned() } else { first_of(&ids, SHOWN) }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::sample::{failing_at, report, step};
    use crate::report::{Canvas, Format, saved};
    use crate::tasks::change_request::Wishes;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let section = section("path-rejected").unwrap();
        assert!(section.starts_with("### path-rejected"));
        assert_eq!(section.matches("###").count(), 1);
        assert!(section.contains("Who acts"));
    }

    #[test]
    fn every_code_is_listed_below_its_layer_with_a_sentence() {
        let mut out = Vec::new();
        list(&mut out).unwrap();
        let list = String::from_utf8(out).unwrap();
        for heading in CAUSES.lines().filter_map(|line| line.strip_prefix("### ")) {
            assert!(list.contains(&format!("\n  {heading}")), "{heading}");
        }
        for (layer, code, sentence) in codes() {
            assert!(sentence.ends_with(['.', ':']) && sentence.len() > 15, "{code}: {sentence}");
            assert!(!sentence.contains(['`', '\n']) && !layer.is_empty(), "{code}: {sentence}");
        }
    }

    /// A page as a pipe gets it, and its lines of code apart.
    fn laid_out(code: &str, blanks: &Blanks) -> (Vec<String>, Vec<String>) {
        let section = section(code).unwrap();
        let mut out = Vec::new();
        markdown::write(&section, blanks, WIDTH, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let text = anstream::adapter::strip_str(&text).to_string();
        let source: Vec<&str> = section.lines().map(str::trim).collect();
        // The lines of the page between two fences.
        let fenced: Vec<String> = source
            .split(|line| line.starts_with("```"))
            .skip(1)
            .step_by(2)
            .flatten()
            .map(|line| blanks.in_code(line))
            .collect();
        text.lines().map(str::to_owned).partition(|line| !fenced.contains(&line.trim().to_owned()))
    }

    #[test]
    fn every_page_fits_its_terminal_and_has_no_markup_left() {
        let mut of_code = 0;
        for (_, code, _) in codes() {
            let (prose, commands) = laid_out(code, &Blanks::default());
            for line in prose {
                assert!(line.chars().count() <= WIDTH, "{code}: {line}");
                for mark in ["`", "**", "](", "### "] {
                    assert!(!line.contains(mark), "{code}: {line}");
                }
            }
            of_code += commands.iter().filter(|line| line.starts_with("      ")).count();
        }
        assert!(of_code > 150, "{of_code}");
    }

    #[test]
    fn a_report_that_has_the_values_leaves_no_blank_on_any_page() {
        let why = preflight_checks::Cause::Path(preflight_checks::PathCause::PathRejected {
            to: ([10, 0, 0, 5], 5669).into(),
            by: [10, 9, 0, 1].into(),
            icmp: preflight_checks::Icmp::V4 { kind: 3, code: 13 },
        });
        let step = failing_at(
            step("poller", "central", "central.example", "bbdo:5669/tcp", "fail"),
            "10.2.0.7",
            "10.0.0.5:5669",
            &why,
        );
        let report = report("poller-1", "poller", "10.2.0.7", &[step]);
        let blanks = Blanks::of(&report.steps[0]);
        for (_, code, _) in codes() {
            let (prose, commands) = laid_out(code, &blanks);
            for line in prose.iter().chain(&commands) {
                assert!(!has_blanks(line), "{code}: {line}");
            }
        }
    }

    #[test]
    fn an_unknown_code_has_none() {
        assert_eq!(section("no-such-code"), None);
    }

    /// The value of each leaf, as JSON pointers.
    fn leaves(value: &Value, at: &str) -> Vec<String> {
        match value {
            Value::Object(facts) => {
                let inside = |(name, value): (&String, _)| {
                    leaves(value, &format!("{at}/{}", name.replace('/', "~1")))
                };
                facts.iter().flat_map(inside).collect()
            }
            Value::Array(values) => {
                let inside = |(index, value)| leaves(value, &format!("{at}/{index}"));
                values.iter().enumerate().flat_map(inside).collect()
            }
            _ => vec![at.to_owned()],
        }
    }

    #[test]
    fn no_value_anywhere_in_a_report_breaks_its_reader() {
        let first: Value =
            serde_json::from_str(include_str!("../../../tests/cli/reports/first.json")).unwrap();
        let hostile = [
            Value::Null,
            Value::from(-1),
            Value::from(1e308),
            Value::from("\u{1b}[31m\u{202e}"),
            Value::from(vec!["::1"; 3]),
            serde_json::json!({ "code": "interrupted", "because": [] }),
        ];
        let (mut read_again, mut refused) = (0, 0);
        for leaf in leaves(&first, "") {
            for value in &hostile {
                let mut changed = first.clone();
                *changed.pointer_mut(&leaf).unwrap() = value.clone();
                let Ok(report) = saved::parse(&changed.to_string()) else {
                    refused += 1;
                    continue;
                };
                let of = leaf.split('/').nth(2).and_then(|index| index.parse::<usize>().ok());
                let mut page = Vec::new();
                write(report.clone(), of.unwrap_or(0), 80, &mut page).unwrap();
                let page = String::from_utf8(page).unwrap();
                // Our own looks, and no others.
                let ours = ["\u{1b}[1m", "\u{1b}[3m", "\u{1b}[36m", "\u{1b}[0m"];
                let page = ours.iter().fold(page, |page, look| page.replace(look, ""));
                assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "{leaf}: {page}");
                assert!(page.contains("  then  "), "{leaf}: {page}");
                let (judged, canvas) = (report.judged(), Canvas { width: 80, verbose: true });
                for format in [Format::Table, Format::Html, Format::Json, Format::Centreon] {
                    format.write(&judged, canvas, &mut std::io::sink()).unwrap();
                }
                let wishes = Wishes::of(&judged, true);
                assert!(wishes.machine.asked_at.is_some());
                read_again += 1;
            }
        }
        assert!(read_again > 300 && refused > 300, "{read_again} {refused}");
    }
}
