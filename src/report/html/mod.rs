//! HTML: one page to hand over. It opens from a USB stick, asks for nothing, and prints.
//!
//! Everything is in the page as it stands; the script adds a filter. What is
//! promised of it is in `docs/formats.md`.

mod drawer;
mod flows;
mod map;
pub(crate) mod markup;
pub(crate) mod page;
pub(crate) mod shapes;
mod sheet;
mod summary;

use std::io;

use markup::Markup;
use sheet::Sheet;

use super::Report;

/// Writes the page of `report`.
pub(crate) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    write_page(report, None, out)
}

/// Writes the page of `report` into a folder of a site's pages, whose own page is the file `site`
/// beside it.
pub(crate) fn write_in_site(
    report: &Report,
    site: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    write_page(report, Some(site), out)
}

fn write_page(report: &Report, site: Option<&str>, out: &mut dyn io::Write) -> io::Result<()> {
    let sheet = Sheet::new(report);
    let mut body = Markup::default();
    body.element("main", &[], |main| {
        if let Some(site) = site {
            main.element("nav", &[], |nav| {
                nav.leaf("a", &[("href", &format!("./{site}"))], "The whole platform");
            });
        }
        summary::header(report, main);
        // Beside what there is to do; without that it would leave the first screen empty.
        let has_actions = summary::has_actions(&sheet);
        if has_actions {
            main.element("div", &[("class", "top")], |top| {
                summary::actions(&sheet, top);
                summary::about(report, "about", top);
            });
        }
        summary::notes(report, main);
        map::map(report, main);
        flows::flows(&sheet, main);
        if !has_actions {
            summary::about(report, "about across", main);
        }
        main.element("footer", &[], |foot| {
            foot.leaf("code", &[], "preflight explain CODE");
            foot.text(" prints the whole remedy of a cause. The JSON report has every fact.");
        });
    });
    out.write_all(page::page(&summary::title(report), &body).as_bytes())
}

#[cfg(test)]
pub(super) mod tests;
