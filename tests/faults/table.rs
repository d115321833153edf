//! What came of the rows: a verdict each, the table, the accuracy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::{env, fs};

use crate::row::{Expected, Row};
use crate::site::Got;
use crate::speed;

/// How right `preflight` was about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Verdict {
    /// The true cause, with what it must name; or the healthy pass.
    Right,
    /// "Cannot be told from here", where that is true.
    #[strum(serialize = "cannot be told")]
    Honest,
    /// Another fault, a wrong device, or a shrug where more could be told.
    Wrong,
    /// The fault passed without a word.
    #[strum(serialize = "FALSE PASS")]
    FalsePass,
}

impl Verdict {
    pub(crate) fn of(row: &Row, got: &Got) -> Self {
        let has = |codes: &[&str]| got.codes.iter().any(|code| codes.contains(&code.as_str()));
        // Another code that is equally true need not name the same.
        let is_first =
            |codes: &[&str]| got.codes.iter().any(|code| codes.first() == Some(&code.as_str()));
        let says = |codes: &[&str]| {
            !is_first(codes) || row.says.iter().all(|text| got.result.contains(text))
        };
        if got.root.as_deref() != row.root.map(|(_, code)| code) {
            return Self::Wrong;
        }
        match (&row.expected, got.outcome.as_str()) {
            (Expected::Passes | Expected::Chance(_), "pass") => Self::Right,
            (Expected::Chance(codes), "warn") if has(codes) || has(ALWAYS_SAID) => Self::Right,
            (Expected::Chance(_), "fail" | "unknown") if has(SILENCE) => Self::Right,
            (_, "pass") => Self::FalsePass,
            (Expected::Fails(codes) | Expected::Unknown(codes), "fail")
                if has(codes) && says(codes) =>
            {
                Self::Right
            }
            (Expected::Unknown(_), "unknown") => Self::Honest,
            (Expected::Warns(codes), "warn") if has(codes) && says(codes) => Self::Right,
            _ => Self::Wrong,
        }
    }
}

/// Rows with what came of each.
pub(crate) struct Table<'a> {
    lines: Vec<(&'a Row, &'a Got, Verdict)>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(rows: &'a [Row], results: &'a [Got]) -> Self {
        let judged = |(row, got)| (row, got, Verdict::of(row, got));
        Self { lines: rows.iter().zip(results).map(judged).collect() }
    }

    /// To stdout: every row, then again those that are not right, with what was expected.
    pub(crate) fn print(&self) {
        for (row, got, verdict) in &self.lines {
            let (fault, flow, took) = (&row.fault, row.flow.name, got.took.as_secs_f64());
            let codes = got.codes.join(" ");
            println!(
                "{verdict:<14} {fault:<50} {flow:<10} {codes:<24} {took:>4.1} s  {}",
                got.result
            );
        }
        println!();
        for (row, got, verdict) in &self.lines {
            if matches!(verdict, Verdict::Wrong | Verdict::FalsePass) {
                let Row { fault, flow, expected, says, .. } = row;
                println!(
                    "{verdict}: {fault}, {}: not {expected:?} {says:?}, but {got:?}",
                    flow.name
                );
            }
        }
        println!("{}", self.summary());
        println!("{}", speed::summary(self.pairs()));
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a Row, &'a Got)> {
        self.lines.iter().map(|&(row, got, _)| (row, got))
    }

    /// Holds when no fault was reported as another one or passed, 95 % were told, and what is
    /// healthy has no warning.
    pub(crate) fn assert(&self) {
        assert_eq!(self.count(Verdict::Wrong), 0, "faults reported as others, or false alarms");
        assert_eq!(self.count(Verdict::FalsePass), 0, "faults that passed");
        speed::assert(self.pairs());
        assert!(self.count(Verdict::Right) * 100 >= self.faults() * 95, "{}", self.summary());
    }

    /// Writes `docs/accuracy.md` anew between its marks, when `UPDATE_DOCS` is set.
    pub(crate) fn write_docs(&self) {
        replace("table", &self.markdown());
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "{}.\n\n| fault | flow | verdict | says |\n| --- | --- | --- | --- |\n",
            self.summary()
        );
        for (row, got, verdict) in &self.faulty() {
            let said = got.result.replace('|', "\\|");
            let codes = got.codes.iter().map(|code| format!("`{code}`"));
            let codes = codes.collect::<Vec<_>>().join(" ");
            let (fault, flow) = (&row.fault, row.flow.name);
            let verdict = if *verdict == Verdict::Right { codes } else { verdict.to_string() };
            writeln!(text, "| {fault} | {flow} | {verdict} | {said} |").unwrap();
        }
        let becauses: BTreeSet<String> = self
            .faulty()
            .iter()
            .filter(|(row, ..)| !row.because.is_empty())
            .map(|(row, ..)| format!("- {} ({}): {}.", row.fault, codes(row), row.because))
            .collect();
        text.push_str("\nWhere more than one verdict is equally true, and why:\n\n");
        text.push_str(&becauses.into_iter().collect::<Vec<_>>().join("\n"));
        text
    }

    fn summary(&self) -> String {
        format!(
            "{} faults: {} named, {} cannot be told from here, {} reported as another, {} passed",
            self.faults(),
            self.faulty().iter().filter(|(.., verdict)| *verdict == Verdict::Right).count(),
            self.count(Verdict::Honest),
            self.count(Verdict::Wrong),
            self.count(Verdict::FalsePass),
        )
    }

    fn faulty(&self) -> Vec<(&Row, &Got, Verdict)> {
        // What chance decides is held to be never another fault, and counts for nothing else.
        let is_fault = |row: &Row| !matches!(row.expected, Expected::Passes | Expected::Chance(_));
        self.lines.iter().filter(|(row, ..)| is_fault(row)).copied().collect()
    }

    fn faults(&self) -> usize {
        self.faulty().len()
    }

    fn count(&self, wanted: Verdict) -> usize {
        self.lines.iter().filter(|(.., verdict)| *verdict == wanted).count()
    }
}

/// How often each row came to which outcome and codes.
pub(crate) fn print_tally(rows: &[Row], results: &[Vec<Got>]) {
    for (row, results) in rows.iter().zip(results) {
        let mut tally: BTreeMap<String, usize> = BTreeMap::new();
        for got in results {
            let codes = got.codes.join(" ");
            *tally.entry(format!("{} {codes}", got.outcome)).or_default() += 1;
        }
        for (what, count) in tally {
            println!("{count:>4}  {:<55} {:<8} {what}", row.fault, row.flow.name);
        }
    }
}

/// Holds when no run called a row anything that is not true of it.
pub(crate) fn assert_tally(rows: &[Row], results: &[Vec<Got>]) {
    let mut wrong = Vec::new();
    for (row, results) in rows.iter().zip(results) {
        for got in results {
            if matches!(Verdict::of(row, got), Verdict::Wrong | Verdict::FalsePass) {
                wrong.push(format!("{}, {}: {got:?}", row.fault, row.flow.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of all runs: {wrong:#?}", wrong.len());
}

/// The codes that are equally true of a row.
fn codes(row: &Row) -> String {
    match row.expected {
        Expected::Fails(codes)
        | Expected::Unknown(codes)
        | Expected::Warns(codes)
        | Expected::Chance(codes) => {
            codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ")
        }
        Expected::Passes => String::new(),
    }
}

/// Of a healthy agent asked without credentials, of a mail server asked by its address.
const ALWAYS_SAID: &[&str] = &["certificate-unverified", "snmp-not-read"];
/// Nothing came in time: with bad luck each packet of a try may be lost.
const SILENCE: &[&str] =
    &["incomplete", "mostly-lost", "no-answer", "silent", "smtp-greeting-late", "unsteady"];

/// Puts `text` between the marks called `name` in `docs/accuracy.md`, when `UPDATE_DOCS` is set.
pub(crate) fn replace(name: &str, text: &str) {
    if env::var_os("UPDATE_DOCS").is_none() {
        return;
    }
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let whole = fs::read_to_string(DOCS).unwrap();
    let (before, rest) = whole.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    fs::write(DOCS, format!("{before}{begin}\n{}\n{end}{after}", text.trim_end())).unwrap();
}

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/accuracy.md");
