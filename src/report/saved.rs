//! A saved report: is this file one of ours, whole, and of a version we know?
//!
//! It may come from another machine, by mail, from anybody: what is read is bounded, and every
//! text in it is made printable before anything else sees it.

mod later;
mod pipe;
mod version1;

use std::io::Read as _;
use std::path::Path;

use preflight_checks::printable;
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use super::{Report, Run, SCHEMA_VERSION, WordsFrom};
pub(crate) use later::Later;

/// A file that is not a report we can use; its text names the file and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub(crate) struct Unreadable {
    /// The file, as it was given.
    pub(crate) file: String,
    /// Why it is no use.
    pub(crate) reason: String,
}

/// A report as a file has it.
///
/// Whatever works with its steps takes [`Saved::judged`]: a file's own outcomes, summary and advice
/// are of another time, or of anybody who wrote the file.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    report: Report,
    later: Option<Later>,
}

impl Saved {
    /// What today's rules say of what was seen.
    pub(crate) fn judged(self) -> Report {
        Run::read(self.report, WordsFrom::Anybodys).judged()
    }

    /// What was written then, to be shown beside that.
    pub(crate) fn as_written(&self) -> &Report {
        &self.report
    }

    /// What this version does not understand of a report that a later one wrote; none: it is of a known version.
    pub(crate) fn later(&self) -> Option<&Later> {
        self.later.as_ref()
    }

    /// The same with another report in its place: of what is in it, only what was seen counts.
    pub(crate) fn map(self, change: impl FnOnce(Report) -> Report) -> Self {
        Self { report: change(self.report), later: self.later }
    }
}

/// Reads the report in `file`, which may be a pipe.
///
/// # Errors
///
/// [`Unreadable`]: not there, too large, cut off, of a newer version, or no report at all.
pub(crate) fn open(file: &Path) -> Result<Saved, Unreadable> {
    text(file).and_then(|json| parse(&json)).map_err(|reason| Unreadable {
        file: printable(&file.display().to_string()),
        reason: printable(&reason),
    })
}

/// All that `file` holds, up to [`LARGEST`].
fn text(file: &Path) -> Result<String, String> {
    let stdin = Path::new("/dev/stdin");
    let opened = pipe::open(if file == Path::new("-") { stdin } else { file })?;
    let mut bytes = Vec::new();
    opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        return Err(format!("no report: it is larger than {} MiB", LARGEST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "no report: it is not UTF-8 text".to_owned())
}

/// Reads a report from its text.
///
/// # Errors
///
/// One sentence: no report at all, a truncated one, or one of a later version of which too little can be read.
pub(crate) fn parse(json: &str) -> Result<Saved, String> {
    match serde_json::from_str::<Report>(json) {
        Ok(report) if report.schema_version == SCHEMA_VERSION => {
            let report = if is_inert(json) { report } else { inert(&report)? };
            Ok(Saved { report, later: None })
        }
        Ok(_) => of_another_version(json),
        Err(error) => {
            let version = version(json)?;
            if version == u64::from(SCHEMA_VERSION) {
                return Err(format!("no report: {error}"));
            }
            of_another_version(json)
        }
    }
}

/// A report that an earlier or a later preflight wrote.
fn of_another_version(json: &str) -> Result<Saved, String> {
    let mut saved: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    each_text(&mut saved, &|text| *text = printable(text));
    match saved.get("schema_version").and_then(Value::as_u64) {
        None => Err(NO_REPORT.to_owned()),
        Some(later) if later > u64::from(SCHEMA_VERSION) => {
            let (report, later) = later::read(saved, later)?;
            Ok(Saved { report, later: Some(later) })
        }
        Some(_) => {
            version1::upgrade(&mut saved);
            let report =
                Report::deserialize(saved).map_err(|error| format!("no report: {error}"))?;
            Ok(Saved { report, later: None })
        }
    }
}

const NO_REPORT: &str = "no report of preflight: it has no schema_version";

/// The schema version of a text that is not a report of ours, or why it has none.
fn version(json: &str) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct SavedHead {
        schema_version: Option<Value>,
    }
    match serde_json::from_str::<SavedHead>(json) {
        Ok(head) => {
            let version = head.schema_version.as_ref().and_then(Value::as_u64);
            version.ok_or_else(|| NO_REPORT.to_owned())
        }
        Err(error) => Err(match error.classify() {
            Category::Eof => "the report is cut off".to_owned(),
            // Cut off within a number: what is left of it may be none.
            Category::Syntax if is_at_end(json, &error) => "the report is cut off".to_owned(),
            Category::Syntax | Category::Io => format!("no JSON: {error}"),
            Category::Data => NO_REPORT.to_owned(),
        }),
    }
}

/// Is it the last character that makes no sense?
fn is_at_end(json: &str, error: &serde_json::Error) -> bool {
    let last = json.lines().next_back().unwrap_or_default();
    json.starts_with('{') && error.line() == json.lines().count() && error.column() >= last.len()
}

/// Can no text in this JSON act on a terminal? True of every report we wrote.
fn is_inert(json: &str) -> bool {
    let without_lines = json.bytes().all(|byte| byte == b'\n' || !byte.is_ascii_control());
    // Behind a backslash only another one or a quote stands for itself.
    let mut escaped = false;
    let unescaped = json.bytes().all(|byte| {
        let is_harmless = !escaped || matches!(byte, b'\\' | b'"' | b'/');
        escaped = byte == b'\\' && !escaped;
        is_harmless
    });
    without_lines
        && unescaped
        && (json.is_ascii() || json.lines().all(|line| printable(line) == line))
}

/// The same report, every text in it printable.
fn inert(report: &Report) -> Result<Report, String> {
    let mut value = serde_json::to_value(report).map_err(|error| error.to_string())?;
    each_text(&mut value, &|text| *text = printable(text));
    serde_json::from_value(value).map_err(|error| format!("no report: {error}"))
}

/// Changes every text of a JSON value, names of fields too.
pub(crate) fn each_text(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(map) => {
            let fields = std::mem::take(map).into_iter();
            map.extend(fields.map(|(mut name, mut value)| {
                change(&mut name);
                each_text(&mut value, change);
                (name, value)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Enough for a report of tens of thousands of steps, bytes.
const LARGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::outcome::Outcome;

    #[test]
    fn what_is_no_report_says_why() {
        for (json, reason) in [
            ("", "the report is cut off"),
            ("{\"schema_version\": 1, \"tool\":", "the report is cut off"),
            ("hello", "no JSON: expected value at line 1 column 1"),
            ("[]", "no report of preflight: it has no schema_version"),
            ("{}", "no report of preflight: it has no schema_version"),
            (
                "{\"schema_version\": 99}",
                "it has schema version 99, this preflight knows 2 and cannot read it: missing field `tool`",
            ),
            ("{\"schema_version\": 1}", "no report: missing field `tool`"),
            ("{\"schema_version\": 2}", "no report: missing field `tool` at line 1 column 21"),
        ] {
            assert_eq!(parse(json).unwrap_err(), reason, "{json}");
        }
    }

    #[test]
    fn what_is_no_file_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let reason = |path: &Path| open(path).unwrap_err().reason;
        assert_eq!(reason(folder.path()), "Is a directory (os error 21)");
        let missing = folder.path().join("missing.json");
        assert_eq!(reason(&missing), "No such file or directory (os error 2)");
        assert_eq!(reason(Path::new("/dev/zero")), "no report: it is larger than 64 MiB");
        let large = folder.path().join("large.json");
        std::fs::File::create(&large).unwrap().set_len(100 << 20).unwrap();
        assert_eq!(reason(&large), "no report: it is larger than 64 MiB");
        let latin = folder.path().join("latin.json");
        std::fs::write(&latin, b"{\"\xe9\": 1}").unwrap();
        assert_eq!(reason(&latin), "no report: it is not UTF-8 text");
    }

    const GOLDEN: &str = include_str!("golden/report.json");

    fn as_json(text: &str) -> Value {
        serde_json::to_value(parse(text).unwrap().as_written()).unwrap()
    }

    #[test]
    fn a_report_of_version_1_is_read_as_the_same_of_today() {
        let mut today = as_json(GOLDEN);
        // Version 1 had these in words alone; a report that is judged again has them.
        for step in today["steps"].as_array_mut().unwrap() {
            let wishes = step.get_mut("asked_for").and_then(Value::as_array_mut);
            for wish in wishes.into_iter().flatten() {
                assert!(wish.as_object_mut().unwrap().remove("causes").is_some(), "{wish}");
            }
        }
        assert!(today["summary"].as_object_mut().unwrap().remove("causes").is_some());
        assert_eq!(as_json(include_str!("saved/version1.json")), today);
    }

    /// A real run of that version; what it saw comes to the same decisions.
    #[test]
    fn a_run_of_version_1_is_judged_as_it_was() {
        let text = include_str!("../../tests/cli/reports/version1.json");
        let then: Value = serde_json::from_str(text).unwrap();
        let saved = parse(text).unwrap();
        assert_eq!(saved.later(), None);
        let today = saved.judged();
        let decided = then["steps"].as_array().unwrap().iter().zip(&today.steps);
        for (then, today) in decided {
            assert_eq!(today.unread, None, "{then:#}");
            let code = today.cause.as_ref().map(|cause| cause.why.code());
            assert_eq!(
                (code, today.outcome.to_string().as_str()),
                (then["cause"]["code"].as_str(), then["outcome"].as_str().unwrap()),
                "{then:#}"
            );
            assert_eq!(today.path().len(), then["evidence"]["path"].as_array().map_or(0, Vec::len));
        }
        assert_eq!(today.summary.exit_code, 1);
    }

    #[test]
    fn of_a_later_version_what_is_understood_is_read_and_the_rest_is_named() {
        let mut later: Value = serde_json::from_str(GOLDEN).unwrap();
        later["schema_version"] = 3.into();
        later["summary"]["mood"] = "blue\u{1b}[2J".into();
        later["steps"][0]["attempts"][0]["retried"] = 2.into();
        later["steps"][1]["target"]["ways"] = "all".into();
        let saved = parse(&later.to_string()).unwrap();
        assert_eq!(
            saved.later().unwrap().to_string(),
            "it has schema version 3, this preflight knows 2; left out, since it is not understood: \
             `steps[].attempts[].retried`, `summary.mood`"
        );
        let report = saved.judged();
        assert_eq!(report.schema_version, SCHEMA_VERSION);
        let step = report.steps.get(1).unwrap();
        let reason = step.unread.clone().unwrap();
        assert!(reason.starts_with("it cannot read this step: invalid type: string"), "{reason}");
        assert_eq!((step.id.as_str(), step.outcome), ("poller.dns@10.0.0.53", Outcome::Fail));
    }

    #[test]
    fn a_later_version_that_changes_nothing_is_understood() {
        let later =
            GOLDEN.replace("\"schema_version\": 2", "\"schema_version\": 18446744073709551615");
        let saved = parse(&later).unwrap();
        assert_eq!(
            saved.later().unwrap().to_string(),
            "it has schema version 18446744073709551615, this preflight knows 2 and understands all of it"
        );
    }

    #[test]
    fn escapes_are_told_from_escaped_backslashes() {
        assert!(is_inert("{\n  \"a\": \"\\\\x1b \\\"quoted\\\" \\\\n\"\n}"));
        assert!(is_inert("{\"a\": \"Zürich\"}"));
        for acting in ["\"\\u001b[31m\"", "\"\\n\"", "\"\\\\\\n\"", "\"\u{202e}\"", "\"\t\""] {
            assert!(!is_inert(acting), "{acting}");
        }
    }
}
