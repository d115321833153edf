//! `preflight diff`: what differs between two runs, and is anything worse?
//!
//! A step is compared with the step of the same id. Counted as a change is what somebody has to
//! act on: its standing, its cause, the device that says no, its concerns. Timings, evidence and
//! the file and line that a target came from are not.

mod markdown;
mod notes;
mod standing;
mod table;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::report::OutputFormat;
use crate::report::{Canvas, Report, SCHEMA_VERSION, StepReport, json};
use crate::run::outcome::Outcome;
pub(crate) use notes::span;
use standing::{StepStanding, is_unfinished, layer};

/// Two runs side by side.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Diff {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub(crate) schema_version: u32,
    /// The run that was given first.
    pub(crate) old: Side,
    /// The run that was given second.
    pub(crate) new: Side,
    /// Is anything worse in the second one?
    pub(crate) worse: bool,
    /// What makes the two hard to compare, one sentence each.
    pub(crate) notes: Vec<String>,
    /// What differs, the worst first.
    pub(crate) changes: Vec<Change>,
    /// Steps that are the same in both.
    pub(crate) unchanged: usize,
}

/// One of the two runs.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Side {
    /// The machine's name.
    pub(crate) host: String,
    /// What the machine is.
    pub(crate) role: String,
    /// When it began.
    pub(crate) started_at: String,
}

/// One step that differs.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Change {
    /// What has happened to it.
    pub(crate) kind: ChangeKind,
    /// Does it make the second run worse?
    pub(crate) worse: bool,
    /// The step's id.
    pub(crate) id: String,
    /// The flow's id.
    pub(crate) flow: String,
    /// Does its failure fail a run?
    pub(crate) required: bool,
    /// As the first run saw it, unless it did not ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old: Option<StepSeen>,
    /// As the second run saw it, unless it did not ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new: Option<StepSeen>,
}

/// What one run says of a step.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct StepSeen {
    /// pass, warn, fail, unknown or skip.
    pub(crate) outcome: Outcome,
    /// The cause's code, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The device that says no, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<IpAddr>,
    /// Codes of what passes and will hurt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) concerns: Vec<String>,
    /// The row's text.
    pub(crate) result: String,
}

/// What has happened to a step, the worst first.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    strum::EnumIter,
    strum::Display,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChangeKind {
    /// It fails, and did not.
    #[strum(to_string = "newly broken")]
    Broken,
    /// It was asked for the first time, and fails.
    #[strum(to_string = "new, and fails")]
    NewFailing,
    /// It served, and now only the path is open.
    #[strum(to_string = "nothing listens any more")]
    Closed,
    /// It cannot be told any more, or only now.
    #[strum(to_string = "cannot be told now")]
    Unclear,
    /// It fails for another reason.
    #[strum(to_string = "another cause")]
    Cause,
    /// It fails for the same reason, at another device.
    #[strum(to_string = "another device")]
    Device,
    /// It works, with a concern that is new.
    #[strum(to_string = "new concerns")]
    Concern,
    /// One of the runs was interrupted before it was finished.
    #[strum(to_string = "not finished in one of the runs")]
    Unfinished,
    /// The second run did not ask it.
    #[strum(to_string = "no longer asked")]
    Gone,
    /// It was asked for the first time, and does not fail.
    #[strum(to_string = "new")]
    New,
    /// It works, and a concern is gone.
    #[strum(to_string = "concerns gone")]
    Cleared,
    /// It works, or its path is open at last.
    #[strum(to_string = "fixed")]
    Fixed,
}

/// Compares two runs. `strict`: a new concern of a required step is worse too.
pub(crate) fn diff(old: &Report, new: &Report, strict: bool) -> Diff {
    let before = asked(old);
    let after = asked(new);
    let known: HashSet<&StepKey<'_>> = before.iter().map(|(key, _)| key).collect();
    let later: HashMap<&StepKey<'_>, &StepReport> =
        after.iter().map(|(key, step)| (key, *step)).collect();
    let kept = before.iter().map(|(key, step)| (Some(*step), later.get(key).copied()));
    let added = after.iter().filter(|(key, _)| !known.contains(key));
    let pairs: Vec<_> = kept.chain(added.map(|(_, step)| (None, Some(*step)))).collect();
    let mut changes: Vec<Change> =
        pairs.iter().filter_map(|(old, new)| change(*old, *new, strict)).collect();
    // Stable: within a group the order of the plan stays, required steps first.
    changes.sort_by_key(|change| (change.kind, !change.worse, !change.required));
    Diff {
        schema_version: SCHEMA_VERSION,
        old: Side::of(old),
        new: Side::of(new),
        worse: changes.iter().any(|change| change.worse),
        notes: notes::notes(old, new),
        unchanged: pairs.len() - changes.len(),
        changes,
    }
}

/// The id of a step, and its number among those of that id: in our own reports always 0.
type StepKey<'a> = (&'a str, usize);

/// The steps that were asked.
fn asked(report: &Report) -> Vec<(StepKey<'_>, &StepReport)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let asked = report.steps.iter().filter(|step| step.outcome != Outcome::Skip);
    asked
        .map(|step| {
            let count = seen.entry(&step.id).or_default();
            *count += 1;
            ((step.id.as_str(), *count - 1), step)
        })
        .collect()
}

fn change(old: Option<&StepReport>, new: Option<&StepReport>, strict: bool) -> Option<Change> {
    let kind = kind(old, new)?;
    let step = new.or(old)?;
    Some(Change {
        worse: step.required && is_worse(kind, old, new, strict),
        kind,
        id: step.id.clone(),
        flow: step.flow.clone(),
        required: step.required,
        old: old.map(StepSeen::of),
        new: new.map(StepSeen::of),
    })
}

/// What has happened, if anything.
fn kind(old: Option<&StepReport>, new: Option<&StepReport>) -> Option<ChangeKind> {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(new)) if StepStanding::of(new) == StepStanding::Fails => {
            return Some(ChangeKind::NewFailing);
        }
        (None, Some(_)) => return Some(ChangeKind::New),
        (Some(_), None) => return Some(ChangeKind::Gone),
        (None, None) => return None,
    };
    if is_unfinished(old) || is_unfinished(new) {
        return Some(ChangeKind::Unfinished);
    }
    match (StepStanding::of(old), StepStanding::of(new)) {
        (before, now) if before == now => {
            // What differs between two that stand alike.
            let (before, now) = (StepSeen::of(old), StepSeen::of(new));
            let lacks = |these: &StepSeen, those: &StepSeen| {
                these.concerns.iter().any(|concern| !those.concerns.contains(concern))
            };
            if before.code != now.code {
                Some(ChangeKind::Cause)
            } else if before.device != now.device {
                Some(ChangeKind::Device)
            } else if lacks(&now, &before) {
                Some(ChangeKind::Concern)
            } else {
                lacks(&before, &now).then_some(ChangeKind::Cleared)
            }
        }
        (_, StepStanding::Fails) => Some(ChangeKind::Broken),
        (_, StepStanding::Unknown) => Some(ChangeKind::Unclear),
        (StepStanding::Works, StepStanding::Open) => Some(ChangeKind::Closed),
        (_, StepStanding::Open | StepStanding::Works) => Some(ChangeKind::Fixed),
    }
}

/// Is a required step worse off? docs/formats.md has the same in words.
fn is_worse(
    kind: ChangeKind,
    old: Option<&StepReport>,
    new: Option<&StepReport>,
    strict: bool,
) -> bool {
    match kind {
        ChangeKind::Broken | ChangeKind::NewFailing | ChangeKind::Closed => true,
        ChangeKind::Unclear => old.map(StepStanding::of) < Some(StepStanding::Unknown),
        // It got less far than before.
        ChangeKind::Cause => {
            old.and_then(layer).zip(new.and_then(layer)).is_some_and(|(a, b)| b < a)
        }
        ChangeKind::Concern => strict,
        ChangeKind::Device
        | ChangeKind::Unfinished
        | ChangeKind::Gone
        | ChangeKind::New
        | ChangeKind::Cleared
        | ChangeKind::Fixed => false,
    }
}

impl Side {
    fn of(report: &Report) -> Self {
        Self {
            host: report.host.name.clone(),
            role: report.role.to_string(),
            started_at: report.started_at.clone(),
        }
    }
}

impl StepSeen {
    fn of(step: &StepReport) -> Self {
        Self {
            outcome: step.outcome,
            code: step.cause.as_ref().map(|cause| cause.why.code().to_owned()),
            device: step.device(),
            concerns: step.concerns.iter().map(|concern| concern.code().to_owned()).collect(),
            result: step.result.clone(),
        }
    }
}

/// How a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum DiffFormat {
    /// For a reader.
    Table,
    /// For a program.
    Json,
    /// For a ticket.
    Markdown,
}

impl OutputFormat for DiffFormat {
    fn is_page(self) -> bool {
        matches!(self, Self::Table)
    }
}

impl DiffFormat {
    /// Writes `diff`.
    pub(crate) fn write(
        self,
        diff: &Diff,
        canvas: Canvas,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self {
            Self::Table => table::write(diff, canvas, out),
            Self::Json => json::write(diff, out),
            Self::Markdown => markdown::write(diff, out),
        }
    }
}

/// The JSON Schema of what `diff --format json` writes.
pub(crate) fn schema() -> String {
    json::schema(json::schemas().into_root_schema_for::<Diff>(), "diff")
}

impl Diff {
    /// The changes of each kind there is, the worst first.
    fn groups(&self) -> impl Iterator<Item = (ChangeKind, &[Change])> {
        let groups = self.changes.chunk_by(|one, next| one.kind == next.kind);
        groups.filter_map(|group| Some((group.first()?.kind, group)))
    }

    /// "2 newly broken, 1 fixed; 7 the same. Something is worse."
    fn summary(&self) -> String {
        let mut parts: Vec<String> =
            self.groups().map(|(kind, group)| format!("{} {kind}", group.len())).collect();
        parts.push(format!("{} the same", self.unchanged));
        let verdict = if self.worse { "something is worse" } else { "nothing is worse" };
        format!("{verdict} · {}", parts.join(" · "))
    }
}

#[cfg(test)]
mod tests;
