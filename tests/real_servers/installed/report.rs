//! What a run reports: rows with their outcomes and origins, and notes about files.

use std::process::Command;

use serde_json::Value;

use super::row::Row;

/// A run's own words, and its exit code.
pub(crate) struct Report(Value);

/// Runs the program without a flag that says what this machine is or whom it needs.
pub(crate) fn report(mut preflight: Command) -> Report {
    let output = preflight.args(["--format", "json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = Report(serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}:\n{text}{}", String::from_utf8_lossy(&output.stderr))
    }));
    assert_eq!(report.0["summary"]["exit_code"], output.status.code().unwrap());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    report
}

impl Report {
    /// Holds when it is about that role, installed, and ended with that code.
    #[track_caller]
    pub(crate) fn is(&self, role: &str, code: i32) -> &Self {
        let found = (&self.0["role"], &self.0["phase"], &self.0["summary"]["exit_code"]);
        let (role, phase) = (Value::from(role), Value::from("after"));
        assert_eq!(found, (&role, &phase, &Value::from(code)), "{:#}", self.0);
        self
    }

    /// Holds when these are all the rows, in this order.
    #[track_caller]
    pub(crate) fn has(&self, rows: &[Row]) -> &Self {
        let ids = self.steps().iter().map(|step| step["id"].as_str().unwrap());
        let expected = rows.iter().map(|row| row.id.as_str());
        assert_eq!(ids.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{:#}", self.0);
        rows.iter().fold(self, Self::says)
    }

    /// Holds when this row is as described.
    #[track_caller]
    pub(crate) fn says(&self, row: &Row) -> &Self {
        let step = self.steps().iter().find(|step| step["id"] == *row.id);
        let step = step.unwrap_or_else(|| panic!("no {} in {:#}", row.id, self.0));
        let whole = format!("{step:#}");
        assert_eq!(step["outcome"], row.outcome, "{whole}");
        let target = &step["target"];
        let origins = [&target["origin"], &target["ways"][0]["origin"]].map(origin);
        let expected = [&*row.target, &*row.port];
        assert!(target.is_null() || origins == expected, "not {expected:?}: {whole}");
        for text in &row.texts {
            assert!(whole.contains(text), "{} lacks `{text}`: {whole}", row.id);
        }
        self
    }

    /// Holds when these are all the notes: each begins with its place, and says its text.
    #[track_caller]
    pub(crate) fn notes(&self, expected: &[(&str, &str)]) -> &Self {
        let notes = self.0["notes"].as_array().map_or(&[][..], Vec::as_slice);
        let fits = |(note, (place, text)): (&Value, &(&str, &str))| {
            place_of(note).starts_with(place) && note["reason"].as_str().unwrap().contains(text)
        };
        let fit = notes.len() == expected.len() && notes.iter().zip(expected).all(fits);
        assert!(fit, "not {expected:?}: {notes:#?}");
        self
    }

    fn steps(&self) -> &[Value] {
        self.0["steps"].as_array().unwrap()
    }
}

/// An origin as a person reads it: `--central`, `/etc/resolv.conf:1`, `profile`.
fn origin(saved: &Value) -> String {
    match saved["kind"].as_str().unwrap_or_default() {
        "flag" => saved["flag"].as_str().unwrap().to_owned(),
        "file" | "site-file" => place_of(saved),
        other => other.to_owned(),
    }
}

/// `FILE:LINE`, or the file as a whole.
fn place_of(saved: &Value) -> String {
    let file = saved["file"].as_str().unwrap();
    saved["line"].as_u64().map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}
