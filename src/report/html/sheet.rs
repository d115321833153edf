//! The sheet: which steps share a row, and how do they refer to each other?

use std::collections::HashMap;

use crate::report::faults::{Fault, Followers, faults};
use crate::report::groups::in_order;
use crate::report::places::places;
use crate::report::rows::{FEW, PLACES};
use crate::report::words::root_causes;
use crate::report::{ConcernReport, Report, StepReport};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;

/// A report, arranged for a page.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    /// What it is made from.
    pub(super) report: &'a Report,
    /// The rows of the flow table, in the order of the report.
    pub(super) rows: Vec<SheetRow<'a>>,
    /// The row of a step, by its id.
    at: HashMap<&'a str, usize>,
    /// The steps that fail because others do.
    pub(super) followers: Followers<'a>,
}

/// One row: a step, or several of one flow with one thing to say of them.
#[derive(Clone, Debug)]
pub(super) struct SheetRow<'a> {
    /// What stands for several targets: `10.20.30.0/24`; `None` for one step.
    pub(super) place: Option<String>,
    /// The first of its steps, which speaks for them.
    pub(super) first: &'a StepReport,
    /// All of its steps.
    pub(super) steps: Vec<&'a StepReport>,
}

impl<'a> Sheet<'a> {
    /// Arranges `report`.
    pub(super) fn new(report: &'a Report) -> Self {
        let crossing = report.steps.iter().filter(|step| step.direction != Direction::Local);
        let local = report.steps.iter().filter(|step| step.direction == Direction::Local);
        let flows = in_order(crossing, |step| step.flow.as_str());
        let rows: Vec<SheetRow<'a>> = flows.iter().flat_map(|(_, steps)| rows_of(steps)).collect();
        let rows: Vec<SheetRow<'a>> = rows.into_iter().chain(local.map(SheetRow::single)).collect();
        let at = rows.iter().enumerate();
        let at =
            at.flat_map(|(index, row)| row.steps.iter().map(move |step| (step.id.as_str(), index)));
        let at = at.collect();
        Self { report, rows, at, followers: Followers::of(&report.steps) }
    }

    /// The anchor of the row that holds the step of that id.
    pub(super) fn anchor(&self, id: &str) -> Option<String> {
        self.at.get(id).map(|index| format!("r{index}"))
    }

    /// The row that holds that step.
    pub(super) fn row(&self, step: &StepReport) -> Option<&SheetRow<'a>> {
        self.rows.get(*self.at.get(step.id.as_str())?)
    }

    /// What there is to do, the gravest first.
    pub(super) fn roots(&self) -> Vec<Fault<'a>> {
        let mut roots = root_causes(self.report);
        roots.sort_by_key(|fault| rank(fault.first));
        roots
    }
}

impl<'a> SheetRow<'a> {
    /// A row of one step.
    pub(super) fn single(step: &'a StepReport) -> Self {
        Self { place: None, first: step, steps: vec![step] }
    }

    /// What came of it, by the words of the first.
    pub(super) fn said(&self) -> String {
        match self.steps.len() {
            1 => self.first.result.clone(),
            many => format!("the first of {many}: {}", self.first.result),
        }
    }

    /// The place's name, or the one target.
    pub(super) fn target(&self) -> &str {
        let shown = self.first.target.as_ref().map_or("", |target| target.shown.as_str());
        self.place.as_deref().unwrap_or(shown)
    }
}

/// How grave, 0 the gravest: failures of required flows first.
pub(super) fn rank(step: &StepReport) -> u8 {
    let is_trouble = step.outcome.gravity() > Outcome::Warn.gravity();
    let worst = Outcome::Fail.gravity();
    (worst - step.outcome.gravity()) * 2 + u8::from(is_trouble && !step.required)
}

/// A few steps have a row each; many of one flow share those of their fault or kind.
fn rows_of<'a>(steps: &[&'a StepReport]) -> Vec<SheetRow<'a>> {
    if steps.len() <= FEW {
        return steps.iter().copied().map(SheetRow::single).collect();
    }
    let (roots, others): (Vec<&StepReport>, Vec<&StepReport>) =
        steps.iter().partition(|step| step.cause.is_some() && step.because_of.is_none());
    let roots = faults(roots).into_iter().map(|fault| (true, fault.steps().collect::<Vec<_>>()));
    let kinds = in_order(others.iter().copied(), |step| SheetKind::of(step, true));
    let kinds = if kinds.len() > KINDS {
        // What follows from a thousand steps is of a thousand kinds: the outcome must do.
        in_order(others.iter().copied(), |step| SheetKind::of(step, false))
    } else {
        kinds
    };
    let kinds = kinds.into_iter().map(|(kind, steps)| (kind.is_explained(), steps));
    let mut groups: Vec<(bool, Vec<&StepReport>)> = roots.chain(kinds).collect();
    groups.sort_by_key(|(_, steps)| steps.first().map_or(u8::MAX, |step| rank(step)));
    groups.iter().flat_map(|(is_explained, steps)| rows_of_group(*is_explained, steps)).collect()
}

/// What a row can say once for steps that are not a fault of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SheetKind<'a> {
    outcome: Outcome,
    concern: &'a str,
    because_of: &'a str,
}

impl<'a> SheetKind<'a> {
    fn of(step: &'a StepReport, by_reason: bool) -> Self {
        let concern = step.concerns.first().map(ConcernReport::code);
        let because_of = step.because_of.as_deref();
        Self {
            outcome: step.outcome,
            concern: concern.filter(|_| by_reason).unwrap_or_default(),
            because_of: because_of.filter(|_| by_reason).unwrap_or_default(),
        }
    }

    fn is_explained(&self) -> bool {
        matches!(self.outcome, Outcome::Fail | Outcome::Unknown)
    }
}

/// One row for what fails in one way, wherever; one for each place where it works.
fn rows_of_group<'a>(is_explained: bool, steps: &[&'a StepReport]) -> Vec<SheetRow<'a>> {
    let found = places(steps, if is_explained { NAMED } else { PLACES });
    let row = |name: String, steps: Vec<&'a StepReport>| {
        let first = *steps.first()?;
        Some(match steps.len() {
            1 => SheetRow::single(first),
            many => SheetRow { place: Some(format!("{many} in {name}")), first, steps },
        })
    };
    if is_explained {
        let names = found.iter().map(|place| place.name.as_str()).collect::<Vec<_>>().join(", ");
        return row(names, steps.to_vec()).into_iter().collect();
    }
    found.into_iter().filter_map(|place| row(place.name, place.steps)).collect()
}

/// Kinds of one flow, besides its faults, that have rows of their own.
const KINDS: usize = 24;
/// Places that are named in one row.
const NAMED: usize = 4;
