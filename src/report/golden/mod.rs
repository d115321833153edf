//! One report in every format: `report.json` has each kind of step, and strings that attack each format.

use std::io;

use serde_json::Value;
use strum::VariantArray as _;

use super::model::Summary;
use super::{Canvas, Ending, Format, Report};

/// The report that all formats are shown of.
pub(crate) const REPORT: &str = include_str!("report.json");

fn report() -> Report {
    serde_json::from_str(REPORT).unwrap()
}

fn written(format: Format) -> String {
    let canvas = Canvas { width: 80, verbose: false };
    let mut out = anstream::StripStream::new(Vec::new());
    format.write(&report(), canvas, &mut out).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

macro_rules! golden {
    ($($name:ident: $format:ident),*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(written(Format::$format));
        }
    )*};
}
golden! {
    the_table: Table,
    wide: Wide,
    ndjson: Ndjson,
    junit: Junit,
    markdown: Markdown,
    csv: Csv,
    openmetrics: Openmetrics,
    centreon: Centreon
}

#[test]
fn json_keeps_everything() {
    let there: Value = serde_json::from_str(REPORT).unwrap();
    let again: Value = serde_json::from_str(&written(Format::Json)).unwrap();
    assert_eq!(again, there);
}

#[test]
fn the_summary_is_the_one_of_these_steps() {
    let report = report();
    let summary = Summary::of(&report.steps, report.phase, report.strict, report.interrupted);
    let value = |summary: &Summary| serde_json::to_value(summary).unwrap();
    assert_eq!(value(&summary), value(&report.summary));
    assert_eq!(report.ending(), Ending::Fails);
}

/// At 80 columns the version block leaves room for the table, also without root.
#[test]
fn the_head_of_a_table_has_three_lines() {
    let mut report = Report { root: None, ..report() };
    report.catalogue.as_mut().unwrap().file = None;
    let mut out = anstream::StripStream::new(Vec::new());
    Format::Table.write(&report, Canvas { width: 80, verbose: false }, &mut out).unwrap();
    let page = String::from_utf8(out.into_inner()).unwrap();
    let head: Vec<&str> = page.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(
        head,
        [
            "preflight 0.1.0 · poller · profile i-vertix (d432357b) · after installation",
            "poller-1 · Debian GNU/Linux 12 (bookworm), kernel 6.1.0-31-amd64 · not root ·",
            "from 10.2.0.7 · 2026-11-23 13:37:12 UTC · clock 3 ms ahead of 10.0.0.3",
        ]
    );
}

/// CI and the exit code agree, whichever step is the only one.
#[test]
fn junit_is_red_when_the_exit_code_is_1_or_3() {
    for (index, strict) in
        (0..report().steps.len()).flat_map(|index| [(index, false), (index, true)])
    {
        let mut report = report();
        report.strict = strict;
        report.steps = vec![report.steps.swap_remove(index)];
        report.summary = Summary::of(&report.steps, report.phase, strict, false);
        let mut out = Vec::new();
        let canvas = Canvas { width: 80, verbose: false };
        Format::Junit.write(&report, canvas, &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        let is_red = page.contains("<failure ") || page.contains("<error ");
        assert_eq!(is_red, [1, 3].contains(&report.summary.exit_code), "{strict} {page}");
    }
}

/// Nothing a stranger said acts on a terminal, whichever format it is in.
#[test]
fn no_format_lets_a_control_character_through() {
    for format in Format::VARIANTS {
        let page = written(*format);
        let acts = |c: &char| match c {
            '\n' => false,
            '\r' => *format != Format::Csv,
            // A model that a run made has none of these; JSON keeps what it is given.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' => {
                !matches!(format, Format::Json | Format::Ndjson)
            }
            '\u{fffe}' => *format == Format::Junit,
            other => other.is_control(),
        };
        let found: Vec<char> = page.chars().filter(acts).collect();
        assert!(found.is_empty(), "{format:?}: {found:?}");
    }
}

#[test]
fn a_writer_that_fails_fails_the_format() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let canvas = Canvas { width: 80, verbose: true };
    for format in Format::VARIANTS {
        let error = format.write(&report(), canvas, &mut Full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{format:?}");
    }
}
