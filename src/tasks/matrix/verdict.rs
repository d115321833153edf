//! Does the site work, and how many teams have to act if it does not?

use std::collections::BTreeSet;

use serde::Serialize;

use super::causes::OURS;
use super::seen::{MachineRun, RunTally};
use super::{MatrixMachine, SharedCause};
use crate::report::capitalised;
use crate::run::outcome::Outcome;

/// The site in numbers: each required flow of each run once.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SiteSummary {
    /// Required flows that were asked, over all machines.
    pub(crate) required: usize,
    /// Of these, those that work.
    pub(crate) works: usize,
    /// Of these, those that wait for the installation.
    pub(crate) waiting: usize,
    /// Of these, those that fail.
    pub(crate) failed: usize,
    /// Of these, those that cannot be told.
    pub(crate) unknown: usize,
    /// Who has to act on what fails or cannot be told.
    pub(crate) teams: Vec<String>,
    /// All of it in one sentence. For people; the wording may change.
    pub(crate) text: String,
}

/// The site in numbers.
pub(super) fn summary(runs: &[MachineRun], causes: &[SharedCause]) -> SiteSummary {
    let sum = |of: fn(&RunTally) -> usize| runs.iter().map(|run| of(&run.required)).sum();
    let acting = causes.iter().filter(|cause| cause.outcome.gravity() > Outcome::Warn.gravity());
    let teams: BTreeSet<&String> = acting.filter_map(|cause| cause.team.as_ref()).collect();
    let mut summary = SiteSummary {
        required: sum(|tally| tally.required),
        works: sum(|tally| tally.works),
        waiting: sum(|tally| tally.waiting),
        failed: sum(|tally| tally.failed),
        unknown: sum(|tally| tally.unknown),
        teams: teams.into_iter().cloned().collect(),
        text: String::new(),
    };
    summary.text = summary.sentence();
    summary
}

impl SiteSummary {
    /// "31 of 34 required flows work; 2 teams have to act"
    fn sentence(&self) -> String {
        let works = match (self.works, self.required) {
            (_, 0) => "no required flow was checked".to_owned(),
            (1, 1) => "the one required flow works".to_owned(),
            (works, all) if works == all => format!("all {all} required flows work"),
            (0, 1) => "the one required flow does not work".to_owned(),
            (0, all) => format!("none of {all} required flows works"),
            (1, all) => format!("1 of {all} required flows works"),
            (works, all) => format!("{works} of {all} required flows work"),
        };
        let mut parts = vec![works];
        if self.waiting > 0 {
            let verb = if self.waiting == 1 { "waits" } else { "wait" };
            parts.push(format!("{} {verb} for the installation", self.waiting));
        }
        if self.unknown > 0 {
            parts.push(format!("{} cannot be told", self.unknown));
        }
        let act = match self.teams.as_slice() {
            [] => String::new(),
            [one] if one == OURS => format!("; {one} have to act"),
            [one] => format!("; {one} has to act"),
            several => format!("; {} teams have to act", several.len()),
        };
        format!("{}{act}", parts.join(", "))
    }

    /// What it comes to.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self { failed: 1.., .. } => Outcome::Fail,
            Self { unknown: 1.., .. } | Self { required: 0, .. } => Outcome::Unknown,
            _ => Outcome::Pass,
        }
    }

    /// The sentence, with a capital letter in front.
    pub(super) fn headline(&self) -> String {
        capitalised(&self.text)
    }
}

/// "2026-11-30", or the first and the last day on which the machines were asked.
pub(super) fn days(machines: &[MatrixMachine]) -> String {
    let day = |machine: &MatrixMachine| machine.started_at.chars().take(DAY).collect::<String>();
    let days: BTreeSet<String> = machines.iter().map(day).collect();
    match (days.first(), days.last()) {
        (Some(first), Some(last)) if first == last => first.clone(),
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => String::new(),
    }
}

/// Letters of `2026-11-30`.
const DAY: usize = 10;
