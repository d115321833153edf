//! `OpenMetrics`: for the textfile collector of `node_exporter`, in a file that ends in `.prom`.
//!
//! Gauges only: the collector reads Prometheus' text format, which knows no
//! other type that would fit.
//!
//! Reference: <https://prometheus.io/docs/specs/om/open_metrics_spec/>;
//! `prometheus/node_exporter` `collector/textfile.go`.

use std::collections::BTreeMap;
use std::io;

use preflight_checks::printable;
use serde_json::Value;

use super::{Report, StepReport};
use crate::run::outcome::Outcome;

/// Writes every family, and the mark of the end.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut families = Families::default();
    run(report, &mut families);
    for step in &report.steps {
        of_step(step, &mut families);
    }
    families.write(out)?;
    writeln!(out, "# EOF")
}

/// Families in the order they were begun; a series has one value.
#[derive(Debug, Default)]
struct Families(Vec<MetricFamily>);

#[derive(Debug)]
struct MetricFamily {
    name: String,
    help: String,
    series: BTreeMap<String, f64>,
}

impl Families {
    fn set(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let at = self.0.iter().position(|family| family.name == name);
        let series = BTreeMap::from([(rendered(labels), value)]);
        if let Some(family) = at.and_then(|at| self.0.get_mut(at)) {
            // A second value of a series would make the collector drop the whole file.
            for (labels, value) in series {
                family.series.entry(labels).or_insert(value);
            }
        } else {
            let (name, help) = (name.to_owned(), help.to_owned());
            self.0.push(MetricFamily { name, help, series });
        }
    }

    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for MetricFamily { name, help, series } in &self.0 {
            writeln!(out, "# HELP preflight_{name} {help}\n# TYPE preflight_{name} gauge")?;
            for (labels, value) in series {
                writeln!(out, "preflight_{name}{labels} {value}")?;
            }
        }
        Ok(())
    }
}

fn run(report: &Report, families: &mut Families) {
    let (role, phase) = (report.role.to_string(), report.phase.to_string());
    let catalogue = report.catalogue.as_ref().map_or("", |identity| identity.sha256.as_str());
    let labels = [
        ("version", report.tool.version.as_str()),
        ("role", &role),
        ("profile", &report.profile),
        ("phase", &phase),
        ("catalogue_sha256", catalogue),
    ];
    families.set("run_info", "What was run; always 1.", &labels, 1.0);
    let summary = &report.summary;
    let (of, failed) = (count(summary.required), count(summary.failed));
    let took = seconds(report.took_ms);
    families.set("run_duration_seconds", "How long the run took.", &[], took);
    families.set("run_exit_code", EXIT_CODES, &[], f64::from(summary.exit_code));
    families.set("run_ready", "1 when the exit code is 0.", &[], flag(summary.ready));
    families.set("required_steps", "Required steps that were asked.", &[], of);
    families.set("required_steps_failed", "Required steps that fail.", &[], failed);
    for outcome in OUTCOMES {
        let (name, steps) = (outcome.to_string(), count(summary.count(outcome)));
        families.set("steps", "Steps by outcome.", &[("outcome", &name)], steps);
    }
    if let Ok(started) = report.started_at.parse::<jiff::Timestamp>() {
        let started = (started.as_duration().as_secs_f64() * 1e3).round() / 1e3;
        families.set("run_timestamp_seconds", "When the run began, Unix time.", &[], started);
    }
    if let Some(clock) = &report.clock {
        let help = "The time server's clock minus this machine's.";
        let (against, offset) = ([("against", clock.against.as_str())], seconds(clock.offset_ms));
        families.set("clock_offset_seconds", help, &against, offset);
    }
}

const EXIT_CODES: &str =
    "0 ready, 1 fails, 2 nothing asked, 3 unknown or nothing seen to work, 130 interrupted.";
const OUTCOMES: [Outcome; 5] =
    [Outcome::Pass, Outcome::Warn, Outcome::Fail, Outcome::Unknown, Outcome::Skip];

fn of_step(step: &StepReport, families: &mut Families) {
    let mut of = OfStep { step, families };
    for outcome in OUTCOMES {
        let (name, is) = (outcome.to_string(), flag(step.outcome == outcome));
        let help = "1 for the outcome of the step, 0 for the others.";
        of.set("step_outcome", help, &[("outcome", &name)], is);
    }
    of.set("step_required", "Does its failure fail the run?", &[], flag(step.required));
    if let Some(cause) = &step.cause {
        let device = step.device().map(|device| device.to_string()).unwrap_or_default();
        let (code, owner) = (cause.why.code(), cause.owner_name());
        let labels = [("code", code), ("owner", owner), ("device", device.as_str())];
        of.set("step_cause", "Why the step fails; always 1.", &labels, 1.0);
    }
    for concern in &step.concerns {
        let help = "What works and will hurt; always 1.";
        of.set("step_concern", help, &[("code", concern.code())], 1.0);
    }
    of.durations();
    of.evidence();
}

/// One step's series: each has its labels.
struct OfStep<'a> {
    step: &'a StepReport,
    families: &'a mut Families,
}

impl OfStep<'_> {
    fn set(&mut self, name: &str, help: &str, more: &[(&str, &str)], value: f64) {
        let target = self.step.target.as_ref().map_or("", |target| target.shown.as_str());
        let own = [("step", self.step.id.as_str()), ("flow", &self.step.flow), ("target", target)];
        self.families.set(name, help, &[&own, more].concat(), value);
    }

    fn durations(&mut self) {
        for (phase, took) in &self.step.timings {
            let (Some(took), Some(phase)) = (took.as_f64(), phase.strip_suffix("_ms")) else {
                continue;
            };
            let took = seconds(took);
            if phase == "total" {
                self.set("step_duration_seconds", "How long the step took.", &[], took);
            } else {
                let help = "How long each phase took.";
                self.set("step_phase_seconds", help, &[("phase", phase)], took);
            }
        }
    }

    fn evidence(&mut self) {
        for (fact, value) in &self.step.evidence {
            let Some(value) = number(value) else { continue };
            let (name, value) = match fact.strip_suffix("_ms") {
                Some(name) => (format!("{name}_seconds"), seconds(value)),
                None => (fact.clone(), value),
            };
            let name = metric(&name);
            self.set(&format!("evidence_{name}"), "A fact that steps saw.", &[], value);
        }
    }
}

/// Milliseconds as seconds, to the microsecond.
fn seconds(millis: f64) -> f64 {
    (millis * 1e3).round() / 1e6
}

/// A fact that can be drawn.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(flag))
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Only what a metric's name may hold.
fn metric(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[allow(clippy::cast_precision_loss)] // No run has 2^53 steps.
fn count(number: usize) -> f64 {
    number as f64
}

fn rendered(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

/// Backslash, quote and line feed are all that may not stand in a label.
fn escaped(value: &str) -> String {
    printable(value).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_early() {
        let written = rendered(&[("x", "a\"} 1\n# EOF\\")]);
        assert_eq!(written, "{x=\"a\\\"} 1\\\\n# EOF\\\\\"}");
    }

    #[test]
    fn a_series_has_one_value() {
        let mut families = Families::default();
        families.set("x", "X.", &[("a", "b")], 1.0);
        families.set("x", "X.", &[("a", "b")], 2.0);
        let mut out = Vec::new();
        families.write(&mut out).unwrap();
        let wanted = "# HELP preflight_x X.\n# TYPE preflight_x gauge\npreflight_x{a=\"b\"} 1\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn a_fact_of_any_name_makes_a_metric() {
        assert_eq!(metric("x-y z\"é"), "x_y_z__");
    }
}
