//! The site as one page to hand over: the shell is that of a report's page.

use std::io;

use super::grid::{CellVerdict, Grid, legend};
use super::map::map;
use super::verdict::days;
use super::{Matrix, MatrixMachine, SharedCause};
use crate::report::html::markup::Markup;
use crate::report::html::page::page;
use crate::report::moment;
use crate::run::outcome::Outcome;
use crate::text::symbol;

/// Writes the page of `matrix`.
pub(super) fn write(matrix: &Matrix, out: &mut dyn io::Write) -> io::Result<()> {
    let title = format!("{} ({})", matrix.summary.headline(), days(&matrix.machines));
    out.write_all(page(&title, &body(matrix)).as_bytes())
}

/// The verdict, then what to do about it, then the map, the matrix, and the machines.
fn body(matrix: &Matrix) -> Markup {
    let mut body = Markup::default();
    body.element("main", &[], |main| {
        header(matrix, main);
        causes("What stops it, and who acts", "causes", &matrix.causes, main);
        list("Reports that do not fit together", matrix.unexplained(), main, |one, item| {
            marked(Outcome::Warn, &one.sentence(), item);
            item.leaf("p", &[("class", "note")], &one.so);
        });
        map(matrix, main);
        grid(matrix, &Grid::of(matrix, MOST_ROWS), main);
        causes("Works today, and will hurt", "warnings", &matrix.warnings, main);
        list("Clocks that differ from the others", matrix.clocks.iter(), main, |clock, item| {
            marked(Outcome::Warn, &format!("{}: {}", clock.machine, clock.shown()), item);
        });
        list("Notes", matrix.notes.iter(), main, |note, item| {
            item.text(note);
        });
        list("Machines", matrix.machines.iter(), main, about);
        main.element("footer", &[], |foot| {
            foot.leaf("code", &[], "preflight explain CODE");
            foot.text(" prints the whole remedy of a cause; ");
            foot.leaf("code", &[], "preflight request REPORT.json…");
            foot.text(" writes the rules as a change request.");
        });
    });
    body
}

fn header(matrix: &Matrix, main: &mut Markup) {
    main.element("header", &[], |header| {
        let machines = matrix.machines.len();
        let plural = if machines == 1 { "" } else { "s" };
        let of = format!("{machines} machine{plural}, {}", days(&matrix.machines));
        header.element("p", &[("class", "machine-name")], |line| {
            line.text("preflight · ").leaf("strong", &[], &of);
        });
        let outcome = matrix.summary.outcome();
        header.element("h1", &[("class", &outcome.to_string())], |title| {
            title.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], symbol(outcome));
            title.text(" ").text(&matrix.summary.headline());
        });
        if matrix.summary.teams.len() > 1 {
            header.element("ul", &[("class", "counts")], |list| {
                for team in &matrix.summary.teams {
                    list.leaf("li", &[], team);
                }
            });
        }
    });
}

/// A block a cause: what it stops, who acts, what to ask for, and what else is known of it.
fn causes(title: &str, id: &'static str, causes: &[SharedCause], main: &mut Markup) {
    if causes.is_empty() {
        return;
    }
    main.element("section", &[("aria-labelledby", id), ("class", "actions")], |section| {
        section.leaf("h2", &[("id", id)], title);
        section.element("ol", &[], |list| {
            for cause in causes.iter().take(MOST_ITEMS) {
                list.element("li", &[("class", &cause.outcome.to_string())], |item| {
                    block(cause, item);
                });
            }
        });
        rest(causes.len().saturating_sub(MOST_ITEMS), section);
    });
}

fn block(cause: &SharedCause, item: &mut Markup) {
    item.element("h3", &[], |title| marked(cause.outcome, &cause.shown(), title));
    item.element("dl", &[], |list| {
        for (label, text) in cause.explained() {
            list.element("div", &[], |pair| {
                pair.leaf("dt", &[], label);
                match label {
                    "do" | "ask for" => pair.element("dd", &[], |value| {
                        value.leaf("strong", &[], &text);
                    }),
                    "more" => pair.element("dd", &[], |value| {
                        value.leaf("code", &[], &text);
                    }),
                    _ => pair.leaf("dd", &[], &text),
                };
            });
        }
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
        rest(items.count(), section);
    });
}

fn rest(more: usize, section: &mut Markup) {
    if more > 0 {
        let rest = format!("{more} more had no room on this page; --format json has them.");
        section.leaf("p", &[("class", "note")], &rest);
    }
}

/// A mark in its colour, then text.
fn marked(outcome: Outcome, text: &str, to: &mut Markup) {
    to.element("span", &[("class", &outcome.to_string())], |span| {
        span.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], symbol(outcome));
    });
    to.text(" ").text(text);
}

/// Name, roles, when, addresses; the name leads to the machine's own page where there is one.
fn about(machine: &MatrixMachine, item: &mut Markup) {
    item.element("strong", &[], |name| linked(machine, name));
    item.text(&format!(", {}, {}; ", machine.roles.join(", "), moment(&machine.started_at)));
    let addresses: Vec<String> = machine.addresses.iter().map(ToString::to_string).collect();
    item.leaf("code", &[], &addresses.join(" "));
    // The first stands behind the name.
    for (role, page) in machine.pages.iter().skip(1) {
        item.text("; ").leaf("a", &[("href", &relative(page))], &format!("as {role}"));
    }
}

fn linked(machine: &MatrixMachine, to: &mut Markup) {
    match machine.pages.first() {
        Some((_, page)) => to.leaf("a", &[("href", &relative(page))], &machine.name),
        None => to.text(&machine.name),
    };
}

/// A file beside this one; a colon in its name is no scheme.
fn relative(page: &str) -> String {
    format!("./{page}")
}

fn grid(matrix: &Matrix, grid: &Grid, main: &mut Markup) {
    main.element("section", &[("aria-labelledby", "matrix")], |section| {
        section.leaf("h2", &[("id", "matrix")], "Who reaches whom");
        // It can be wider than the page: then it is scrolled, by a keyboard too.
        let around = [
            ("class", "matrix"),
            ("tabindex", "0"),
            ("role", "region"),
            ("aria-label", "The matrix: who reaches whom"),
        ];
        section.element("div", &around, |around| {
            around.element("table", &[], |table| {
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
                        let machine = matrix.machines.iter().find(|machine| machine.name == *name);
                        row(name, machine, fields, rows);
                    }
                });
            });
        });
        section.leaf("p", &[("class", "note")], &legend(grid));
        if grid.left_out > 0 {
            let rest = format!("and {} machines from which everything works", grid.left_out);
            section.leaf("p", &[("class", "note")], &rest);
        }
    });
}

fn row(
    name: &str,
    machine: Option<&MatrixMachine>,
    fields: &[Option<CellVerdict>],
    rows: &mut Markup,
) {
    let known = fields.iter().flatten().map(|verdict| verdict.worst);
    let worst = known.max_by_key(|outcome| outcome.gravity()).unwrap_or(Outcome::Skip);
    rows.element("tr", &[("data-outcome", &worst.to_string())], |row| {
        row.element("th", &[("scope", "row")], |cell| match machine {
            Some(machine) => linked(machine, cell),
            None => {
                cell.text(name);
            }
        });
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
