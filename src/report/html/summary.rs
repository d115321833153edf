//! The top of the page: does it work, why not, who acts, and where was it asked from?

use super::drawer::{cut, explained, pair};
use super::markup::Markup;
use super::sheet::{Sheet, SheetRow};
use crate::report::faults::Fault;
use crate::report::model::Tally;
use crate::report::words::{self, Warning, about_warning, capitalised, moment, sources, warnings};
use crate::report::{Ending, Report, StepReport};
use crate::run::outcome::Outcome;
use crate::text::{first_of, symbol};

/// Appends the verdict in one line, and the counts.
pub(super) fn header(report: &Report, to: &mut Markup) {
    let outcome = gravest(report);
    to.element("header", &[], |header| {
        let machine = format!("{} {}", report.role, report.host.name);
        header.element("p", &[("class", "machine-name")], |line| {
            line.text("preflight · ").leaf("strong", &[], &machine);
        });
        header.element("h1", &[("class", &outcome.to_string())], |title| {
            mark(outcome, title);
            title.text(&clause(report));
        });
        if report.interrupted {
            header.leaf("p", &[], "The run was interrupted; what was finished is below.");
        }
        header.element("ul", &[("class", "counts")], |list| counts(report, list));
    });
}

/// The title of the page.
pub(super) fn title(report: &Report) -> String {
    let when = moment(&report.started_at);
    format!("{} {}: {} ({when})", report.role, report.host.name, clause(report))
}

/// The verdict without its reasons, which have a list of their own.
fn clause(report: &Report) -> String {
    let required = Tally::of(report.steps.iter().filter(|step| step.required));
    let has_reasons = !report.summary.reasons.is_empty();
    capitalised(&words::clause(required, report.ending(), report.phase, has_reasons))
}

fn gravest(report: &Report) -> Outcome {
    let summary = &report.summary;
    let required = report.steps.iter().filter(|step| step.required);
    let asked = required.map(|step| step.outcome).filter(|outcome| *outcome != Outcome::Skip);
    match asked.max_by_key(|outcome| outcome.gravity()) {
        // With --strict a warning fails the run.
        _ if summary.failed > 0 || summary.exit_code == 1 => Outcome::Fail,
        _ if report.ending() == Ending::NothingWorks => Outcome::Unknown,
        None => Outcome::Unknown,
        Some(gravest) => gravest,
    }
}

fn counts(report: &Report, list: &mut Markup) {
    let words = [
        (Outcome::Pass, "pass"),
        (Outcome::Warn, "pass with a warning"),
        (Outcome::Fail, "fail"),
        (Outcome::Unknown, "cannot be told from here"),
        (Outcome::Skip, "not checked"),
    ];
    let counted = words.map(|(outcome, words)| (outcome, report.summary.count(outcome), words));
    for (outcome, count, words) in counted.iter().filter(|(_, count, _)| *count > 0) {
        list.element("li", &[("class", &outcome.to_string())], |item| {
            mark(*outcome, item);
            item.text(&format!("{count} {words}"));
        });
    }
}

/// An outcome's symbol, for the eye; a word says it beside.
pub(super) fn mark(outcome: Outcome, to: &mut Markup) {
    let class = format!("mark {outcome}");
    to.leaf("span", &[("class", &class), ("aria-hidden", "true")], symbol(outcome)).text(" ");
}

/// Is there anything that somebody has to act on?
pub(super) fn has_actions(sheet: &Sheet<'_>) -> bool {
    !sheet.roots().is_empty()
        || !sheet.report.summary.reasons.is_empty()
        || !warnings(sheet.report).is_empty()
}

/// Appends each root cause: who acts, what is asked of them, what follows from it.
pub(super) fn actions(sheet: &Sheet<'_>, to: &mut Markup) {
    let roots = sheet.roots();
    let reasons = &sheet.report.summary.reasons;
    let warnings = warnings(sheet.report);
    if roots.is_empty() && reasons.is_empty() && warnings.is_empty() {
        return;
    }
    to.element("section", &[("aria-labelledby", "actions"), ("class", "actions")], |section| {
        section.leaf("h2", &[("id", "actions")], "Why, and who acts");
        if sheet.report.summary.failed == 0 {
            // With --strict it is a warning that fails the run.
            section.element("ul", &[], |list| {
                for reason in reasons.iter().take(LISTED) {
                    list.leaf("li", &[], reason);
                }
            });
        }
        section.element("ol", &[], |list| {
            for root in roots.iter().take(LISTED) {
                list.element("li", &[("class", &root.first.outcome.to_string())], |item| {
                    action(sheet, root, item);
                });
            }
            for warning in warnings.iter().take(LISTED.saturating_sub(roots.len())) {
                list.element("li", &[("class", "warn")], |item| warned(sheet, warning, item));
            }
        });
        if roots.len() > LISTED {
            let rest = format!("{} more are in the table of flows.", roots.len() - LISTED);
            section.leaf("p", &[("class", "note")], &rest);
        }
    });
}

fn action(sheet: &Sheet<'_>, root: &Fault<'_>, item: &mut Markup) {
    let step = root.first;
    let anchor = sheet.anchor(&step.id).unwrap_or_default();
    item.element("h3", &[], |title| {
        mark(step.outcome, title);
        title.leaf("a", &[("href", &format!("#{anchor}"))], &step.flow).text(" ");
        title.leaf("code", &[], sheet.row(step).map_or("", SheetRow::target));
        if let Some(aside) = aside(step) {
            title.text(" ").leaf("small", &[], aside);
        }
    });
    let said = match root.alike.len() {
        0 => step.result.clone(),
        others => format!("the first of {}: {}", others + 1, step.result),
    };
    item.leaf("p", &[], &cut(&said, 400)).element("dl", &[], |list| {
        // The result and the way to the row stand above.
        explained(sheet, root, |label| !matches!(label, "seen" | "name" | "also" | "more"), list);
    });
}

fn warned(sheet: &Sheet<'_>, warning: &Warning<'_>, item: &mut Markup) {
    let step = warning.steps.first;
    let anchor = sheet.anchor(&step.id).unwrap_or_default();
    item.element("h3", &[], |title| {
        mark(Outcome::Warn, title);
        title.leaf("a", &[("href", &format!("#{anchor}"))], &step.flow).text(" ");
        title.leaf("code", &[], sheet.row(step).map_or("", SheetRow::target));
    });
    item.leaf("p", &[], &cut(&warning.concern.message, 400)).element("dl", &[], |list| {
        for (label, text) in about_warning(warning).iter().filter(|(label, _)| *label != "more") {
            pair(list, label, text);
        }
    });
}

/// What keeps a step from failing the run.
fn aside(step: &StepReport) -> Option<&'static str> {
    match step.outcome {
        Outcome::Unknown => Some("unknown"),
        Outcome::Fail if !step.required => Some("optional"),
        _ => None,
    }
}

/// Appends the block that says which program saw this, where and when.
pub(super) fn about(report: &Report, class: &'static str, to: &mut Markup) {
    to.element("section", &[("aria-labelledby", "about"), ("class", class)], |section| {
        section.leaf("h2", &[("id", "about")], "This run").element("dl", &[], |list| {
            let host = &report.host;
            let addresses: Vec<String> =
                host.addresses.iter().take(LISTED).map(ToString::to_string).collect();
            let user = if host.root { "root" } else { "not root" };
            pair(list, "began", &moment(&report.started_at));
            pair(list, "took", &format!("{:.2} s", report.took_ms / 1e3));
            pair(list, "machine", &host.name);
            pair(list, "asked from", &first_of(&sources(report), 3));
            pair(list, "addresses", &addresses.join(", "));
            pair(list, "system", &host.os);
            pair(list, "kernel", &host.kernel);
            pair(list, "ran as", user);
            pair(list, "role", &report.role.to_string());
            pair(list, "profile", &report.profile);
            pair(list, "phase", &format!("{} installation", report.phase));
            pair(list, "plan from", report.root.as_deref().unwrap_or_default());
            pair(
                list,
                "warnings",
                if report.strict { "fail the run (--strict)" } else { "allowed" },
            );
            pair(list, "tool", &format!("{} {}", report.tool.name, report.tool.version));
        });
    });
}

/// Appends what could not be read, and what it would have told.
pub(super) fn notes(report: &Report, to: &mut Markup) {
    if let Some(root) = &report.root {
        let said = "The plan was made from a copy of another machine's files, ";
        to.element("p", &[("class", "note")], |note| {
            note.text(said).leaf("code", &[], root).text("; the flows were asked from here.");
        });
    }
    if report.notes.is_empty() {
        return;
    }
    to.element("section", &[("aria-labelledby", "notes")], |section| {
        section.leaf("h2", &[("id", "notes")], "Files that could not be read");
        section.element("ul", &[], |list| {
            for note in report.notes.iter().take(LISTED) {
                list.element("li", &[], |item| {
                    item.leaf("code", &[], &note.place()).text(": ").text(&note.reason);
                    item.text("; missing: ").text(&note.missing);
                });
            }
        });
    });
}

/// Entries of one list: a page somebody works off, not a log.
const LISTED: usize = 50;
