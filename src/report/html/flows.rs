//! The table of flows: a row a step, or for many alike; the evidence in a drawer.
//!
//! However many devices there are, the page stays one that opens: when it has
//! grown large the drawers give way, then the rows; the gravest come first.

use super::drawer::{cut, drawer, shown};
use super::markup::Markup;
use super::sheet::{Sheet, SheetRow, rank};
use super::summary::mark;
use crate::report::StepReport;
use crate::run::plan::Direction;
use crate::text::symbol;

/// Appends the table of what crosses the network, and the list of what does not.
pub(super) fn flows(sheet: &Sheet<'_>, to: &mut Markup) {
    let mut room = PageRoom::default();
    let mut rows: Vec<(usize, &SheetRow<'_>)> = sheet.rows.iter().enumerate().collect();
    rows.sort_by_key(|(_, row)| rank(row.first));
    // What fails stands first, and what has no room is what works.
    let mut drawn: Vec<(usize, &SheetRow<'_>, Markup)> = Vec::new();
    for (index, row) in rows {
        if let Some(markup) = room.take(sheet, index, row) {
            drawn.push((index, row, markup));
        }
    }
    let (local, crossing): (Vec<_>, Vec<_>) =
        drawn.into_iter().partition(|(_, row, _)| is_local(row));
    if !crossing.is_empty() {
        table(crossing.iter().map(|(.., markup)| markup), to);
    }
    if !local.is_empty() {
        list(local.iter().map(|(.., markup)| markup), to);
    }
    if room.left_out > 0 {
        let rest =
            format!("{} steps had no room on this page; the JSON report has them.", room.left_out);
        to.leaf("p", &[("class", "note")], &rest);
    }
}

fn is_local(row: &SheetRow<'_>) -> bool {
    row.first.direction == Direction::Local
}

fn table<'a>(rows: impl Iterator<Item = &'a Markup>, to: &mut Markup) {
    to.element("section", &[("aria-labelledby", "flows")], |section| {
        section.leaf("h2", &[("id", "flows")], "Flows");
        // Shown by the script: without it there is nothing to filter with.
        section.element("div", &[("id", "filter"), ("hidden", "")], |_| ());
        let table = [("class", "flows"), ("aria-labelledby", "flows")];
        section.element("table", &table, |table| {
            table.element("thead", &[], |head| {
                head.element("tr", &[], |row| {
                    for name in ["Outcome", "Flow", "Target", "Result"] {
                        row.leaf("th", &[("scope", "col")], name);
                    }
                });
            });
            table.element("tbody", &[], |body| {
                for row in rows {
                    body.append(row);
                }
            });
        });
    });
}

fn tr(index: usize, row: &SheetRow<'_>, detail: &Markup, to: &mut Markup) {
    let (outcome, anchor) = (row.first.outcome.to_string(), format!("r{index}"));
    let attributes = [("id", anchor.as_str()), ("data-outcome", outcome.as_str())];
    to.element("tr", &attributes, |tr| {
        tr.element("td", &[("class", &outcome)], |cell| {
            mark(row.first.outcome, cell);
            cell.text(&outcome);
        });
        tr.leaf("th", &[("scope", "row")], &row.first.flow);
        tr.element("td", &[], |cell| {
            cell.leaf("code", &[], row.target());
        });
        tr.element("td", &[], |cell| result(row, detail, cell));
    });
}

/// Mistakes in this machine's own files have no arrow and no port, but a line of a file.
fn list<'a>(items: impl Iterator<Item = &'a Markup>, to: &mut Markup) {
    to.element("section", &[("aria-labelledby", "local")], |section| {
        section.leaf("h2", &[("id", "local")], "In this machine's own configuration");
        section.element("ul", &[("class", "plain")], |list| {
            for item in items {
                list.append(item);
            }
        });
    });
}

fn li(index: usize, row: &SheetRow<'_>, detail: &Markup, to: &mut Markup) {
    let (outcome, anchor) = (row.first.outcome.to_string(), format!("r{index}"));
    let attributes = [("id", anchor.as_str()), ("data-outcome", outcome.as_str())];
    to.element("li", &attributes, |item| {
        item.element("p", &[("class", &outcome)], |line| {
            mark(row.first.outcome, line);
            line.text(&outcome).text(" ").leaf("code", &[], row.target());
        });
        result(row, detail, item);
    });
}

/// What came of it; behind it the drawer, when there is one.
fn result(row: &SheetRow<'_>, detail: &Markup, cell: &mut Markup) {
    let step = row.first;
    let mut said = step.result.clone();
    if step.is_way_untested() {
        said.push_str("; the way to it was not tested");
    }
    if let Some(reason) = &step.unread {
        said = format!("{said} [as its report has it: {reason}]");
    }
    if row.place.is_some() {
        said = row.said();
    }
    if detail.size() == 0 {
        cell.text(&said);
        return;
    }
    cell.element("details", &[], |details| {
        details.leaf("summary", &[], &said).element("div", &[("class", "drawer")], |inside| {
            inside.append(detail);
        });
    });
}

/// How much of the page is used up.
#[derive(Debug, Default)]
struct PageRoom {
    used: usize,
    left_out: usize,
}

impl PageRoom {
    /// Makes a row, with its drawer as far as there is room for it.
    fn take(&mut self, sheet: &Sheet<'_>, index: usize, row: &SheetRow<'_>) -> Option<Markup> {
        if self.used >= LARGEST {
            self.left_out += row.steps.len();
            return None;
        }
        let mut detail = Markup::default();
        if self.used < DETAILED {
            drawer(sheet, row, &mut detail);
        }
        if row.place.is_some() {
            // A line for each target of a row of many.
            // On paper the names alone are enough when what came of them is the same.
            let class = if are_alike(row) { "members alike" } else { "members" };
            detail.leaf("h3", &[], "Targets").element("ul", &[("class", class)], |list| {
                for step in &row.steps {
                    match self.used + list.size() {
                        used if used < DETAILED => member(step, true, list),
                        used if used < LARGEST => member(step, false, list),
                        _ => self.left_out += 1,
                    }
                }
            });
        }
        let mut markup = Markup::default();
        let draw = if is_local(row) { li } else { tr };
        draw(index, row, &detail, &mut markup);
        self.used += markup.size();
        Some(markup)
    }
}

/// Did the same come of all of them, apart from their names?
fn are_alike(row: &SheetRow<'_>) -> bool {
    let said = |step: &StepReport| match &step.target {
        Some(target) if !target.host.is_empty() => step.result.replace(&target.host, ""),
        _ => step.result.clone(),
    };
    let first = said(row.first);
    row.steps.iter().all(|step| said(step) == first)
}

/// One of many: target and result in one line, the evidence in the next.
fn member(step: &StepReport, with_evidence: bool, list: &mut Markup) {
    list.element("li", &[], |item| {
        let target = step.target.as_ref().map_or(step.id.as_str(), |target| &target.shown);
        item.text(symbol(step.outcome)).text(" ");
        item.leaf("code", &[], &cut(target, 80)).text(" ");
        item.leaf("span", &[], &cut(&step.result, 160));
        if with_evidence {
            item.leaf("small", &[], &cut(&evidence(step), 200));
        }
    });
}

/// Origin, evidence and timings in one line.
fn evidence(step: &StepReport) -> String {
    let origin = step.target.iter().map(|target| format!("from {}", target.origin));
    let facts = step.evidence.iter().chain(&step.timings);
    let facts = facts.map(|(name, value)| format!("{name}={}", shown(value)));
    origin.chain(facts).collect::<Vec<_>>().join(" · ")
}

/// Bytes of a page up to which every step gets its evidence.
const DETAILED: usize = 3_000_000;
/// Bytes of a page up to which every step gets its line.
const LARGEST: usize = 4_200_000;
