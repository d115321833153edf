//! Doors for the fuzzers in `fuzz/`: what strangers wrote goes in, and what must hold for it is asserted.
//!
//! Not part of the program: only the feature `fuzzing` has them.

use std::ffi::OsString;
use std::path::Path;

use strum::VariantArray as _;

use crate::catalogue::Catalogue;
use crate::load::{Request, load};
use crate::report::saved::{self, Saved};
use crate::report::{Canvas, Format, Report};
use crate::site::file::SiteFile;
use crate::tasks::redact::{RedactionKey, Redactor};
use crate::{cli, settings};

/// Reads a saved report: whatever is accepted is written in every format without a control
/// character, and what was written as JSON reads back as the same report.
///
/// # Panics
///
/// When one of these does not hold.
pub fn saved_report(json: &str) {
    let Ok(saved) = saved::parse(json) else { return };
    let judged = saved.judged();
    for format in Format::VARIANTS {
        is_clean(&format!("{format:?}"), &written(*format, &judged));
    }
    let first = written(Format::Json, &judged);
    let twice = saved::parse(json).map(|saved: Saved| written(Format::Json, &saved.judged()));
    assert_eq!(twice.as_ref(), Ok(&first), "a report is judged in two ways");
    let again = saved::parse(&first).map(|saved: Saved| written(Format::Json, &saved.judged()));
    assert_eq!(again.as_ref(), Ok(&first), "a report that was written reads as another");
}

/// Redacts a saved report: its host name and its targets are in no format afterwards.
///
/// # Panics
///
/// When one of them is.
pub fn redacted_report(json: &str) {
    let (Ok(saved), Ok(key)) = (saved::parse(json), RedactionKey::new()) else { return };
    let named: Vec<String> = saved
        .as_written()
        .steps
        .iter()
        .filter_map(|step| step.target.as_ref())
        .map(|target| target.host.clone())
        .filter(|host| host.len() > 9 && host.contains('.'))
        // This machine's own loopback stays as it is, and so do the hosts of the flow tables.
        .filter(|host| !["127.", "i-vertix.", "centreon."].iter().any(|it| host.contains(it)))
        .collect();
    let mut redactor = Redactor::new(key);
    let judged = saved.map(|report| redactor.seen(report)).judged();
    for format in Format::VARIANTS {
        let text = written(*format, &judged);
        for host in &named {
            assert!(!text.contains(host), "{host} is in a redacted report as {format:?}");
        }
    }
}

/// Reads a site file.
pub fn site_file(text: &str) {
    if let Err(broken) = SiteFile::parse("site.toml", text) {
        is_clean("the error of a site file", &broken.explained());
    }
}

/// Reads a flow table.
pub fn catalogue(text: &str) {
    if let Err(broken) = Catalogue::parse("flows.toml", text) {
        is_clean("the error of a flow table", &broken.explained());
    }
}

/// Reads one of the files that a flag names: what is said of it is clean.
pub fn flag_file(which: u8, file: &Path) {
    let words: &[&str] = match which % 5 {
        0 => &["plan", "--role", "poller", "--no-discovery", "--devices-from"],
        1 => &["init", "--role", "poller", "--no-discovery", "--from-inventory"],
        2 => &["plan", "--role", "poller", "--no-discovery", "--redact", "--redact-key"],
        3 => &["plan", "--role", "poller", "--no-discovery", "--ca"],
        _ => &["plan", "--role", "poller", "--no-discovery", "--snmp-community-file"],
    };
    let words = ["preflight"].iter().chain(words).map(OsString::from);
    let words: Vec<OsString> = words.chain([file.into()]).collect();
    match cli::parse(words).map_err(settings::SettingsError::from).and_then(|it| load(it.cli)) {
        Ok(Request::Init { text, .. }) => is_clean("a site file", &text),
        Ok(_) => {}
        Err(refused) => is_clean("a refusal", &refused.to_string()),
    }
}

/// Looks at the machine whose files are below `root`: the site file made of it can be read again.
///
/// # Panics
///
/// When it cannot.
pub fn machine(root: &Path) {
    let words = ["preflight", "init", "--role", "poller", "--root"].map(OsString::from);
    let words: Vec<OsString> = words.into_iter().chain([root.into()]).collect();
    let request =
        cli::parse(words).map_err(settings::SettingsError::from).and_then(|it| load(it.cli));
    if let Ok(Request::Init { text, .. }) = request {
        is_clean("a site file", &text);
        let read = SiteFile::parse("site.toml", &text);
        let why = read.err().map(|broken| broken.explained());
        assert_eq!(why, None, "init wrote a site file that cannot be read:\n{text}");
    }
}

fn written(format: Format, report: &Report) -> String {
    let mut out = Vec::new();
    let written = format.write(report, Canvas { width: 80, verbose: true }, &mut out);
    assert!(written.is_ok(), "{format:?}: {written:?}");
    String::from_utf8_lossy(&out).into_owned()
}

/// No character that a terminal would obey, but for the colours that the program itself writes.
fn is_clean(what: &str, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|it: char| it.is_control() && !matches!(it, '\n' | '\r' | '\t'))
    {
        let (_, from) = rest.split_at(at);
        let colour = from
            .strip_prefix("\u{1b}[")
            .map(|it| it.trim_start_matches(|it: char| it.is_ascii_digit() || it == ';'));
        let after = colour.and_then(|it| it.strip_prefix('m'));
        let shown: String = from.chars().take(20).collect();
        assert!(after.is_some(), "{what} holds a control character: {shown:?}");
        rest = after.unwrap_or_default();
    }
}
