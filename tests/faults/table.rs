//! What came of the rows: a verdict each, the table, the accuracy.

use crate::row::{Expected, Row};
use crate::site::Got;

/// How right `preflight` was about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Verdict {
    /// The true cause, with what it must name.
    Right,
    /// "Cannot be told from here", where that is true.
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
        let says = row.says.iter().all(|text| got.result.contains(text));
        match (&row.expected, got.outcome.as_str()) {
            (Expected::Passes, "pass") => Self::Right,
            (_, "pass") => Self::FalsePass,
            (Expected::Fails(codes) | Expected::Unknown(codes), "fail") if has(codes) && says => {
                Self::Right
            }
            (Expected::Unknown(_), "unknown") => Self::Honest,
            (Expected::Warns(codes), "warn") if has(codes) && says => Self::Right,
            _ => Self::Wrong,
        }
    }
}

/// The table, and below it the rows that are not right with all that was expected.
pub(crate) fn print(rows: &[Row], results: &[Got]) {
    for (row, got) in rows.iter().zip(results) {
        let verdict = Verdict::of(row, got);
        let (codes, took) = (got.codes.join(" "), got.took.as_secs_f64());
        println!(
            "{verdict:<10} {:<50} {:<10} {:<8} {codes:<24} {took:>4.1} s  {}",
            row.fault, row.flow.name, got.outcome, got.result
        );
    }
    println!();
    for (row, got) in rows.iter().zip(results) {
        let verdict = Verdict::of(row, got);
        if matches!(verdict, Verdict::Wrong | Verdict::FalsePass) {
            println!(
                "{verdict}: {} / {}: expected {:?} saying {:?}, got {} {:?} in {:.1} s: {}",
                row.fault,
                row.flow.name,
                row.expected,
                row.says,
                got.outcome,
                got.codes,
                got.took.as_secs_f64(),
                got.result
            );
        }
    }
}

/// Holds when nothing was wrong, nothing passed, and 95 % were told.
pub(crate) fn judge(verdicts: &[Verdict]) {
    let count = |wanted| verdicts.iter().filter(|&&verdict| verdict == wanted).count();
    let (right, honest) = (count(Verdict::Right), count(Verdict::Honest));
    let (wrong, passed) = (count(Verdict::Wrong), count(Verdict::FalsePass));
    let all = verdicts.len();
    println!(
        "{all} rows: {right} right, {honest} honestly unknown, {wrong} wrong, {passed} false passes"
    );
    assert_eq!((wrong, passed), (0, 0), "faults reported as others, or passed");
    assert!(right * 100 >= all * 95, "told {right} of {all}");
}
