//! NDJSON: a line a step, live as steps finish, then a line with the run.
//!
//! Each line says of which run it is, so that lines of many machines may be
//! mixed. A step's line says what was known when it finished; which failure
//! follows from another is known at the end, and stands in the last line.
//!
//! Reference: [ndjson-spec](https://github.com/ndjson/ndjson-spec).

use std::collections::BTreeMap;
use std::io;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use super::{Report, SCHEMA_VERSION, StepReport};
use crate::catalogue::Role;

/// Of which run a line is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct RunLabel {
    /// The machine's name.
    pub(crate) host: String,
    /// Its role: `poller`.
    pub(crate) role: Role,
    /// When the run began, RFC 3339.
    pub(crate) started_at: String,
}

/// One line of ndjson.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "line")]
pub(super) struct RunLine<'a> {
    #[schemars(extend("const" = SCHEMA_VERSION))]
    schema_version: u32,
    #[serde(flatten)]
    run: &'a RunLabel,
    #[serde(flatten)]
    content: LineContent<'a>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum LineContent<'a> {
    /// A step that finished.
    Step {
        /// As in the JSON report, without `because_of`.
        #[schemars(with = "StepReport")]
        step: Value,
    },
    /// The last line of a run.
    Summary {
        /// Id of a step that fails because of another: the other's id.
        because_of: BTreeMap<&'a str, &'a str>,
        /// The JSON report without its steps.
        #[schemars(schema_with = "without_steps")]
        run: Value,
    },
}

impl RunLabel {
    /// The run of `report`.
    pub(crate) fn of(report: &Report) -> Self {
        Self {
            host: report.host.name.clone(),
            role: report.role,
            started_at: report.started_at.clone(),
        }
    }

    /// The line of a step that finished.
    pub(crate) fn step(&self, step: &StepReport, out: &mut dyn io::Write) -> io::Result<()> {
        let content = LineContent::Step { step: without(step, "because_of") };
        self.line(content, out)
    }

    /// The last line: all of the report but its steps.
    pub(crate) fn summary(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let root = |step: &'_ StepReport| step.because_of.is_some();
        let folded = report.steps.iter().filter(|step| root(step));
        let because_of = folded
            .filter_map(|step| Some((step.id.as_str(), step.because_of.as_deref()?)))
            .collect();
        self.line(LineContent::Summary { because_of, run: without(report, "steps") }, out)
    }

    fn line(&self, content: LineContent<'_>, out: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer(
            &mut *out,
            &RunLine { schema_version: SCHEMA_VERSION, run: self, content },
        )?;
        writeln!(out)
    }
}

/// Writes all lines of a report that is finished.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let run = RunLabel::of(report);
    report.steps.iter().try_for_each(|step| run.step(step, out))?;
    run.summary(report, out)
}

fn without_steps(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Report::json_schema(generator);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.shift_remove("steps");
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name != "steps");
    }
    schema
}

fn without(model: &impl Serialize, field: &str) -> Value {
    let mut value = serde_json::to_value(model).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.shift_remove(field);
    }
    value
}
