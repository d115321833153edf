//! `preflight explain`: a cause by its code, or everything a saved run saw of one step.

mod facts;
mod step;

use preflight_checks::printable;

pub(crate) use step::write;

use crate::report::{Report, StepReport};

/// Today's rules: the remedies of `docs/causes.md`, embedded.
const CAUSES: &str = include_str!("../../../docs/causes.md");

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
            let all: Vec<&StepReport> = report.steps.iter().collect();
            Err(format!("the report has no step `{}`; it has {}", printable(name), ids(&all)))
        }
        (None, several) => {
            Err(format!("`{}` has several steps: {}", printable(name), ids(several)))
        }
    }
}

/// The ids of the first steps, then how many more there are.
fn ids(steps: &[&StepReport]) -> String {
    const SHOWN: usize = 20;
    let ids: Vec<&str> = steps.iter().take(SHOWN).map(|step| step.id.as_str()).collect();
    match steps.len() {
        0 => "none".to_owned(),
        all if all > SHOWN => format!("{} and {} more", ids.join(", "), all - SHOWN),
        _ => ids.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::saved;

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
                write(&report, &report.steps[of.unwrap_or(0)], 80, &mut page).unwrap();
                let page = String::from_utf8(page).unwrap();
                assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "{leaf}: {page}");
                assert!(page.contains("  then  "), "{leaf}: {page}");
                read_again += 1;
            }
        }
        assert!(read_again > 300 && refused > 300, "{read_again} {refused}");
    }
}
