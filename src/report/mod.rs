//! The report: one model, from which every format is made.
//!
//! A decided shape, not an internal struct that happens to serialise: what a
//! field means and which ones are stable is in `docs/formats.md`.

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
mod places;
pub(crate) mod planned;
mod read;
mod rows;
mod run;
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

use crate::catalogue::Identity;
use crate::run::finding::Found;
use crate::run::plan::Plan;
use crate::site::local::Host;
pub(crate) use ending::{Ending, PLUGIN_UNKNOWN};
pub(crate) use judge::step;
pub(crate) use model::{
    AttemptReport, CauseReport, ClockReport, ConcernReport, NoteReport, Report, StepReport,
    TargetReport, UnreadCause, WayReport, Why,
};

pub(crate) use read::Readable;
pub(crate) use run::{Run, WordsFrom};
pub(crate) use words::{about_concern, asked_too, capitalised, moment};

/// The version of the JSON's shape; raised when a reader could break.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// The JSON Schema of the report; `#/$defs/line` in it is that of a line of ndjson.
pub(crate) fn schema() -> String {
    let mut generator = json::schemas();
    generator.subschema_for::<ndjson::RunLine<'_>>();
    json::schema(generator.into_root_schema_for::<Report>(), "report")
}

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
        Self::new(plan.clone(), nothing, context)
    }

    /// Judges everything that was found; of each step in the plan there is an entry in `found`.
    pub(crate) fn new(plan: Plan, found: Vec<Option<Found>>, context: Context) -> Self {
        Run::new(plan, found, context).judged()
    }
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

/// What a command can write its findings as.
pub(crate) trait OutputFormat: Copy {
    /// Is it read by a person, in the terminal? The other formats are data, the same on every machine.
    fn is_page(self) -> bool;
}

/// What a format may know of where it is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canvas {
    /// Columns.
    pub(crate) width: usize,
    /// Show origins, evidence and timings too.
    pub(crate) verbose: bool,
}

impl OutputFormat for Format {
    fn is_page(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }
}

impl Format {
    /// Writes `report`.
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
        format!("unknown format {}; known are {known}", preflight_checks::quoted(name))
    })
}
