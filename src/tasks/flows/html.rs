//! The flow table as one page to hand over; its shell is that of a report's page.

use std::io;

use super::{FlowsSection, NOTES, Requirements, TITLES};
use crate::report::html::markup::Markup;
use crate::report::html::page::page;

/// Writes the page.
///
/// # Errors
///
/// When `out` cannot be written to.
pub(super) fn write(flows: &Requirements, out: &mut dyn io::Write) -> io::Result<()> {
    let mut body = Markup::default();
    body.element("main", &[], |main| {
        main.element("header", &[], |header| {
            header.leaf("h1", &[], &flows.title());
            header.leaf("p", &[("class", "note")], &flows.source());
        });
        for section in &flows.sections {
            self::section(section, main);
        }
        if !flows.notes.is_empty() {
            main.element("section", &[], |part| {
                part.leaf("h2", &[], NOTES).element("ul", &[], |list| {
                    for note in &flows.notes {
                        list.leaf("li", &[], note);
                    }
                });
            });
        }
    });
    out.write_all(page(&flows.title(), &body).as_bytes())
}

fn section(section: &FlowsSection, main: &mut Markup) {
    main.element("section", &[], |part| {
        part.leaf("h2", &[], &section.title);
        part.element("table", &[], |table| {
            table.element("thead", &[], |head| {
                head.element("tr", &[], |row| {
                    for title in TITLES {
                        row.leaf("th", &[("scope", "col")], title);
                    }
                });
            });
            table.element("tbody", &[], |rows| {
                for requirement in &section.rows {
                    rows.element("tr", &[], |row| {
                        for cell in requirement.cells() {
                            row.leaf("td", &[], cell);
                        }
                    });
                }
            });
        });
    });
}
