//! The report: one model, from which every format is made.
//!
//! A decided shape, not an internal struct that happens to serialise: what a
//! field means and which ones are stable is in `docs/formats.md`.

mod again;
mod centreon;
mod csv;
mod ending;
pub(crate) mod escape;
mod faults;
mod fold;
#[cfg(test)]
pub(crate) mod golden;
pub(crate) mod groups;
pub(crate) mod html;
pub(crate) mod json;
mod judge;
mod junit;
mod markdown;
mod model;
pub(crate) mod ndjson;
mod openmetrics;
pub(crate) mod own_files;
pub(crate) mod planned;
mod rows;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod saved;
#[cfg(test)]
mod scale;
mod summary;
pub(crate) mod table;
mod wide;
mod words;

use std::io;
use std::str::FromStr;

pub(crate) use self::again::again;
use crate::catalogue::Identity;
use crate::run::plan::Plan;
use crate::run::runner::Found;
use crate::run::verdict::Outcome;
use crate::site::local::Host;
pub(crate) use ending::{Ending, PLUGIN_UNKNOWN};
pub(crate) use judge::step;
use judge::{Judged, folded, judge};
pub(crate) use model::{
    AttemptReport, CauseReport, ClockReport, ConcernReport, NoteReport, Report, StepReport,
    Summary, TargetReport, Tool, WayReport,
};

pub(crate) use words::{about_concern, asked_too, capitalised};

/// The version of the JSON's shape; raised when a reader could break.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The JSON Schema of this shape, of the JSON and of the lines of ndjson.
pub(crate) const SCHEMA: &str = include_str!("report.schema.json");

/// What the report is made from besides plan and findings.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The machine.
    pub(crate) host: Host,
    /// Which catalogue the plan was made from.
    pub(crate) catalogue: Identity,
    /// When the run began, RFC 3339.
    pub(crate) started_at: String,
    /// How long it took.
    pub(crate) took: std::time::Duration,
    /// Do warnings fail the run?
    pub(crate) strict: bool,
    /// Was it interrupted?
    pub(crate) interrupted: bool,
}

impl Report {
    /// What would be asked by the machine of that name, as a report of which nothing is known yet.
    pub(crate) fn unasked(plan: &Plan, catalogue: Identity, host: Host) -> Self {
        let nothing = vec![None; plan.steps.len()];
        let started_at = jiff::Timestamp::now().to_string();
        let took = std::time::Duration::ZERO;
        let context =
            Context { host, catalogue, started_at, took, strict: false, interrupted: false };
        Self::new(plan, &nothing, context)
    }

    /// Judges everything that was found.
    pub(crate) fn new(plan: &Plan, found: &[Option<Found>], context: Context) -> Self {
        let judged: Vec<Judged> = plan
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| judge(step, found.get(index).and_then(Option::as_ref), plan.phase))
            .collect();
        let steps = folded(judged);
        let summary = Summary::of(&steps, plan.phase, context.strict, context.interrupted);
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            host: context.host,
            started_at: context.started_at,
            took_ms: (context.took.as_secs_f64() * 1e4).round() / 10.0,
            root: plan.root.clone(),
            role: plan.role,
            profile: plan.profile.clone(),
            catalogue: Some(context.catalogue),
            clock: clock(&steps),
            phase: plan.phase,
            strict: context.strict,
            interrupted: context.interrupted,
            redacted: false,
            notes: plan.notes.iter().map(NoteReport::from).collect(),
            steps,
            summary,
        }
    }
}

/// The offset of the first step that measured one and works.
fn clock(steps: &[StepReport]) -> Option<ClockReport> {
    let works = |step: &&StepReport| matches!(step.outcome, Outcome::Pass | Outcome::Warn);
    steps.iter().filter(works).find_map(|step| {
        let offset_ms = step.evidence.get("offset_ms")?.as_f64()?;
        Some(ClockReport { offset_ms, against: step.target.as_ref()?.host.clone() })
    })
}

/// How a report is written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Format {
    /// For a reader.
    Table,
    /// For grep, a line a step.
    Wide,
    /// For a program.
    Json,
    /// For a program, a line a step while the run is on.
    Ndjson,
    /// For CI.
    Junit,
    /// For a ticket.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// For the textfile collector of `node_exporter`.
    Openmetrics,
    /// For Centreon itself, as a plugin.
    Centreon,
    /// For a customer: one page.
    Html,
}

/// What a format may know of where it is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canvas {
    /// Columns.
    pub(crate) width: usize,
    /// Show origins, evidence and timings too.
    pub(crate) verbose: bool,
}

impl Format {
    /// Writes `report`.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub(crate) fn write(
        self,
        report: &Report,
        canvas: Canvas,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self {
            Self::Table => table::write(report, canvas, out),
            Self::Wide => wide::write(report, out),
            Self::Json => json::write(report, out),
            Self::Ndjson => ndjson::write(report, out),
            Self::Junit => junit::write(report, out),
            Self::Markdown => markdown::write(report, out),
            Self::Csv => csv::write(report, out),
            Self::Openmetrics => openmetrics::write(report, out),
            Self::Centreon => centreon::write(report, out),
            Self::Html => html::write(report, out),
        }
    }
}

/// The format of that name, among those a command has.
///
/// # Errors
///
/// One sentence naming those there are.
pub(crate) fn format_named<F: FromStr + strum::VariantNames>(name: &str) -> Result<F, String> {
    name.parse().map_err(|_| {
        let known = F::VARIANTS.join(", ");
        format!("unknown format `{name}`; known are {known}")
    })
}
