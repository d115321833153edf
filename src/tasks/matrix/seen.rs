//! What is kept of a report: no more than the matrix needs, so that a thousand of them fit.

use std::net::{IpAddr, SocketAddr};

use preflight_checks::{Cause, Layer, NtpCause};
use serde_json::Value;

use crate::report::{Ending, Report, StepReport};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;

/// One run on one machine.
#[derive(Clone, Debug)]
pub(super) struct MachineRun {
    pub(super) host: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) role: String,
    /// RFC 3339.
    pub(super) started_at: String,
    pub(super) interrupted: bool,
    /// Time server minus this machine, milliseconds, if one was asked.
    pub(super) clock_ms: Option<f64>,
    /// As its steps decide it, whether the run was cut short or not.
    pub(super) ending: Ending,
    pub(super) flows: Vec<AskedFlow>,
}

/// One step that was asked.
#[derive(Clone, Debug)]
pub(super) struct AskedFlow {
    pub(super) id: String,
    pub(super) to: String,
    /// Only our own listener was looked at.
    pub(super) inbound: bool,
    pub(super) outcome: Outcome,
    /// The target as configured.
    pub(super) host: String,
    /// `central:5669/tcp`
    pub(super) shown: String,
    /// The target's addresses, as far as they were asked.
    pub(super) addresses: Vec<IpAddr>,
    /// What was seen.
    pub(super) result: String,
    /// Of what fails or cannot be told.
    pub(super) trouble: Option<Trouble>,
    /// Does it pass only because nothing is installed yet?
    pub(super) only_open: bool,
}

/// Why a step fails or cannot be told.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) code: String,
    /// None: not known to this version.
    pub(super) layer: Option<Layer>,
    pub(super) device: Option<IpAddr>,
    pub(super) message: String,
    /// Does another step of the same run explain it?
    pub(super) follows: bool,
}

impl MachineRun {
    pub(super) fn of(report: &Report) -> Self {
        let asked = report
            .steps
            .iter()
            .filter(|step| step.outcome != Outcome::Skip && step.direction != Direction::Local);
        Self {
            host: report.host.name.clone(),
            addresses: report.host.addresses.clone(),
            role: report.role.to_string(),
            started_at: report.started_at.clone(),
            interrupted: report.interrupted,
            clock_ms: report.steps.iter().find_map(clock_ms),
            ending: report.ending_of_steps(),
            flows: asked.map(AskedFlow::of).collect(),
        }
    }
}

impl AskedFlow {
    fn of(step: &StepReport) -> Self {
        let target = step.target.as_ref();
        let host = target.map_or_else(String::new, |target| target.host.clone());
        Self {
            id: step.flow.clone(),
            to: step.to.to_string(),
            inbound: step.direction == Direction::Inbound,
            outcome: step.outcome,
            addresses: addresses(&host, step),
            host,
            shown: target.map_or_else(String::new, |target| target.shown.clone()),
            result: step.result.clone(),
            trouble: step.cause.as_ref().map(|cause| Trouble {
                code: cause.why.code().to_owned(),
                layer: cause.why.layer(),
                device: cause.device(),
                message: cause.message.clone(),
                follows: step.because_of.is_some(),
            }),
            only_open: step.is_only_open(),
        }
    }
}

/// The addresses of the target itself; behind a proxy those that were asked are the proxy's.
fn addresses(host: &str, step: &StepReport) -> Vec<IpAddr> {
    if let Ok(address) = host.parse() {
        return vec![address];
    }
    if host.contains("://") {
        return Vec::new();
    }
    let asked = step.attempts.iter().filter_map(|attempt| attempt.address.known());
    let mut addresses: Vec<IpAddr> = asked.map(SocketAddr::ip).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// What an NTP server says of the machine's clock, whether that passes or not.
fn clock_ms(step: &StepReport) -> Option<f64> {
    let is_ntp = |ways: &[crate::report::WayReport]| ways.iter().any(|way| way.protocol == "ntp");
    let said = step.target.as_ref().filter(|target| is_ntp(&target.ways))?;
    let offset = match step.why() {
        #[expect(clippy::cast_precision_loss, reason = "no clock is 2^53 milliseconds off")]
        Some(Cause::Ntp(NtpCause::ClockOffset { offset_ms, .. })) => *offset_ms as f64,
        _ => step.evidence.get("offset_ms").and_then(Value::as_f64)?,
    };
    (!said.host.is_empty() && offset.is_finite()).then_some(offset)
}
