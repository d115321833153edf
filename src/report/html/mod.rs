//! HTML: one page to hand over. It opens from a USB stick, asks for nothing, and prints.
//!
//! Everything is in the page as it stands; the script adds a filter. What is
//! promised of it is in `docs/formats.md`.

mod drawer;
mod flows;
mod map;
pub(crate) mod markup;
pub(crate) mod page;
mod places;
pub(crate) mod shapes;
mod sheet;
mod summary;

use std::io;

use markup::Markup;
use sheet::Sheet;

use super::Report;

/// Writes the page of `report`.
pub(crate) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let sheet = Sheet::new(report);
    let mut body = Markup::default();
    body.element("main", &[], |main| {
        summary::header(report, main);
        main.element("div", &[("class", "top")], |top| {
            summary::actions(&sheet, top);
            summary::about(report, top);
        });
        summary::notes(report, main);
        map::map(report, main);
        flows::flows(&sheet, main);
        main.element("footer", &[], |foot| {
            foot.leaf("code", &[], "preflight explain CODE");
            foot.text(" prints the whole remedy of a cause. The JSON report has every fact.");
        });
    });
    out.write_all(page::page(&summary::title(report), &body).as_bytes())
}

#[cfg(test)]
mod tests;
