//! The matrix as one page to hand over: the shell is that of a report's page.

use std::io;

use super::grid::{CellVerdict, Grid};
use super::{Cell, Matrix};
use crate::report::html::markup::Markup;
use crate::report::html::page::page;
use crate::report::moment;
use crate::run::outcome::Outcome;
use crate::text::symbol;

/// Writes the page of `matrix`.
pub(super) fn write(matrix: &Matrix, out: &mut dyn io::Write) -> io::Result<()> {
    let title = format!("preflight: who reaches whom, {} machines", matrix.machines.len());
    out.write_all(page(&title, &body(matrix)).as_bytes())
}

/// What is wrong first, then the matrix, then each pair with trouble, then the machines.
fn body(matrix: &Matrix) -> Markup {
    let mut body = Markup::default();
    body.element("main", &[], |main| {
        header(matrix, main);
        list("Notes", matrix.notes.iter(), main, |note, item| {
            item.text(note);
        });
        list("Two machines disagree", matrix.disagreements.iter(), main, |one, item| {
            marked(Outcome::Fail, &format!("{} → {}, {}", one.askers(), one.to, one.flow), item);
            for (label, text) in [("asked", &one.asked), ("listener", &one.listener)] {
                item.leaf("p", &[("class", "note")], &format!("{label}: {text}"));
            }
            item.leaf("p", &[], &one.so);
        });
        list("Open in one direction only", matrix.one_sided.iter(), main, |one, item| {
            marked(
                Outcome::Pass,
                &format!("{} → {}: {}", one.from, one.to, one.works.join(", ")),
                item,
            );
            let back = format!("{} → {}: {}", one.to, one.from, one.blocked.join(", "));
            item.element("p", &[], |line| marked(Outcome::Fail, &back, line));
        });
        list("Clocks that differ from the others", matrix.clocks.iter(), main, |clock, item| {
            marked(Outcome::Warn, &format!("{}: {}", clock.machine, clock.shown()), item);
        });
        list("Causes", matrix.causes.iter(), main, |cause, item| {
            let flows: Vec<&str> = cause.flows.iter().map(String::as_str).collect();
            marked(cause.outcome, &cause.shown(), item);
            let seen_by = format!("{}; {}; {}", cause.seen_by(), flows.join(", "), cause.code);
            item.leaf("p", &[("class", "note")], &seen_by);
        });
        grid(&Grid::of(matrix, MOST_ROWS), main);
        let troubles =
            matrix.cells.iter().filter(|cell| cell.worst.gravity() > Outcome::Warn.gravity());
        list("Pairs with trouble", troubles, main, pair);
        list("Machines", matrix.machines.iter(), main, |machine, item| {
            let addresses: Vec<String> =
                machine.addresses.iter().map(ToString::to_string).collect();
            let (name, roles) = (&machine.name, machine.roles.join(", "));
            item.leaf("strong", &[], name);
            item.text(&format!(", {roles}, {}; ", moment(&machine.started_at)));
            item.leaf("code", &[], &addresses.join(" "));
        });
    });
    body
}

fn header(matrix: &Matrix, main: &mut Markup) {
    main.element("header", &[], |header| {
        header.leaf("h1", &[], "Who reaches whom");
        let flows: usize = matrix.cells.iter().map(|cell| cell.flows.len()).sum();
        let text = format!("{} machines, {flows} flows", matrix.machines.len());
        header.leaf("p", &[("class", "note")], &text);
    });
}

/// A section with a list, unless it is empty; what a page has no room for is counted.
fn list<T>(
    title: &str,
    items: impl Iterator<Item = T>,
    main: &mut Markup,
    write: impl Fn(T, &mut Markup),
) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    main.element("section", &[], |section| {
        section.leaf("h2", &[], title);
        section.element("ul", &[("class", "plain")], |list| {
            for item in items.by_ref().take(MOST_ITEMS) {
                list.element("li", &[], |line| write(item, line));
            }
        });
        let more = items.count();
        if more > 0 {
            let rest = format!("{more} more had no room on this page; --format json has them.");
            section.leaf("p", &[("class", "note")], &rest);
        }
    });
}

/// A mark in its colour, then text.
fn marked(outcome: Outcome, text: &str, to: &mut Markup) {
    to.element("span", &[("class", &outcome.to_string())], |span| {
        span.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], symbol(outcome));
    });
    to.text(" ").text(text);
}

fn pair(cell: &Cell, item: &mut Markup) {
    marked(cell.worst, &format!("{} → {}", cell.from, cell.to), item);
    let troubles = cell
        .flows
        .iter()
        .filter_map(|flow| flow.code.as_ref().map(|code| format!("{}: {code}", flow.flow)));
    let troubles: Vec<String> = troubles.collect();
    item.leaf("p", &[("class", "note")], &troubles.join(", "));
}

fn grid(grid: &Grid, main: &mut Markup) {
    main.element("section", &[("aria-labelledby", "matrix")], |section| {
        section.leaf("h2", &[("id", "matrix")], "From, and to");
        // Shown by the script: without it there is nothing to filter with.
        section.element("div", &[("id", "filter"), ("hidden", "")], |_| ());
        // It scrolls sideways on a phone, by the keyboard too.
        section.element("div", &[("class", "matrix"), ("tabindex", "0")], |frame| {
            frame.element("table", &[], |table| {
                table.element("thead", &[], |head| {
                    head.element("tr", &[], |row| {
                        for name in std::iter::once("from \\ to")
                            .chain(grid.columns.iter().map(String::as_str))
                        {
                            row.leaf("th", &[("scope", "col")], name);
                        }
                    });
                });
                table.element("tbody", &[], |rows| {
                    for (name, fields) in &grid.rows {
                        row(name, fields, rows);
                    }
                });
            });
        });
        if grid.left_out > 0 {
            let rest = format!("and {} machines from which everything works", grid.left_out);
            section.leaf("p", &[("class", "note")], &rest);
        }
    });
}

fn row(name: &str, fields: &[Option<CellVerdict>], rows: &mut Markup) {
    let known = fields.iter().flatten().map(|verdict| verdict.worst);
    let worst = known.max_by_key(|outcome| outcome.gravity()).unwrap_or(Outcome::Skip);
    rows.element("tr", &[("data-outcome", &worst.to_string())], |row| {
        row.leaf("th", &[("scope", "row")], name);
        for field in fields {
            match field {
                None => row.leaf("td", &[], ""),
                Some(verdict) => {
                    let outcome = verdict.worst.to_string();
                    let label = format!("{outcome}, {} of {}", verdict.count, verdict.of);
                    let attributes = [("class", outcome.as_str()), ("aria-label", label.as_str())];
                    row.leaf("td", &attributes, &verdict.shown())
                }
            };
        }
    });
}

/// Of one list: a page stays one that opens.
const MOST_ITEMS: usize = 500;

/// With more machines than this, only those with trouble are shown.
const MOST_ROWS: usize = 2_000;
