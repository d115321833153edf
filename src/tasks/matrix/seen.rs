//! What is kept of a report: no more than the matrix needs, so that a thousand of them fit.

use std::net::{IpAddr, SocketAddr};

use preflight_checks::{Cause, Layer, NtpCause, Owner, Transport, Whereabouts};
use serde_json::Value;

use crate::report::{CauseReport, ConcernReport, Ending, Readable, Report, StepReport, WayReport};
use crate::run::finding::REACHED_FROM;
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;
use crate::run::wish::{Barrier, Choice, Opening, service};

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
    /// How its required steps are.
    pub(super) required: RunTally,
    /// Its own page, by its file's name, if one is written beside ours.
    pub(super) page: Option<String>,
    pub(super) flows: Vec<AskedFlow>,
}

/// How the required steps of one run are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunTally {
    pub(super) required: usize,
    pub(super) works: usize,
    pub(super) waiting: usize,
    pub(super) failed: usize,
    pub(super) unknown: usize,
}

/// One step that was asked.
#[derive(Clone, Debug)]
pub(super) struct AskedFlow {
    pub(super) id: String,
    /// The step's id, which names its target too.
    pub(super) step: String,
    pub(super) to: String,
    /// Seen from the machine that was asked.
    pub(super) direction: Direction,
    /// `TCP 5669`; empty where there is none.
    pub(super) service: String,
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
    /// What works and will hurt, of what somebody has to act on.
    pub(super) warnings: Vec<Trouble>,
    /// Does it pass only because nothing is installed yet?
    pub(super) only_open: bool,
    /// Who opened it towards this machine, as this machine saw it.
    pub(super) reached_from: Option<IpAddr>,
}

/// Why a step fails or cannot be told, or what will hurt.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) code: String,
    /// None: not known to this version, or a warning.
    pub(super) layer: Option<Layer>,
    /// Who has to act; none: not known.
    pub(super) owner: Option<Owner>,
    pub(super) device: Option<IpAddr>,
    pub(super) message: String,
    /// Who acts, in words.
    pub(super) who: String,
    /// What its remedy is to the reader: `do`, `ask for`.
    pub(super) turn: &'static str,
    /// The remedy.
    pub(super) remedy: String,
    /// What is asked of whoever has to act, where a rule helps.
    pub(super) rules: Vec<Opening>,
    /// The step of the same run that explains it.
    pub(super) because_of: Option<String>,
}

impl MachineRun {
    pub(super) fn of(report: &Report) -> Self {
        let asked = report.steps.iter().filter(|step| step.outcome != Outcome::Skip);
        Self {
            host: report.host.name.clone(),
            addresses: report.host.addresses.clone(),
            role: report.role.to_string(),
            started_at: report.started_at.clone(),
            interrupted: report.interrupted,
            clock_ms: report.steps.iter().find_map(clock_ms),
            ending: report.ending_of_steps(),
            required: RunTally::of(report),
            page: None,
            flows: asked.map(AskedFlow::of).collect(),
        }
    }
}

impl RunTally {
    /// Of the required steps of a run that were asked.
    fn of(report: &Report) -> Self {
        let mut tally = Self::default();
        for step in report.steps.iter().filter(|step| step.required) {
            let count = match step.outcome {
                Outcome::Skip => continue,
                Outcome::Pass | Outcome::Warn if step.is_only_open() => &mut tally.waiting,
                Outcome::Pass | Outcome::Warn => &mut tally.works,
                Outcome::Fail => &mut tally.failed,
                Outcome::Unknown => &mut tally.unknown,
            };
            *count += 1;
            tally.required += 1;
        }
        tally
    }
}

impl AskedFlow {
    fn of(step: &StepReport) -> Self {
        let target = step.target.as_ref();
        let host = target.map_or_else(String::new, |target| target.host.clone());
        Self {
            id: step.flow.clone(),
            step: step.id.clone(),
            to: step.to.to_string(),
            direction: step.direction,
            service: target.map_or_else(String::new, |target| asked_for(&target.ways)),
            outcome: step.outcome,
            addresses: addresses(&host, step),
            host,
            shown: target.map_or_else(String::new, |target| target.shown.clone()),
            result: step.result.clone(),
            trouble: step.cause.as_ref().map(|cause| Trouble::of(step, cause)),
            warnings: step.concerns.iter().filter_map(Trouble::ahead).collect(),
            only_open: step.is_only_open(),
            reached_from: reached_from(step),
        }
    }
}

impl Trouble {
    fn of(step: &StepReport, cause: &CauseReport) -> Self {
        let at = cause.owner.map(Barrier::of);
        let wishes = step.asked_for.iter().filter(|wish| Some(wish.at) == at);
        Self {
            code: cause.why.code().to_owned(),
            layer: cause.why.layer(),
            owner: cause.owner,
            device: cause.device(),
            message: cause.message.clone(),
            who: cause.remedy.who.clone(),
            turn: cause.turn(),
            remedy: cause.remedy.text.clone(),
            rules: wishes.filter_map(|wish| wish.rule.clone()).collect(),
            because_of: step.because_of.clone(),
        }
    }

    /// Of what nobody has to act on there is nothing to say.
    fn ahead(concern: &ConcernReport) -> Option<Self> {
        let remedy = concern.due()?;
        Some(Self {
            code: concern.code().to_owned(),
            layer: None,
            owner: concern.owner,
            device: None,
            message: concern.message.clone(),
            who: remedy.who.clone(),
            turn: concern.turn(),
            remedy: remedy.text.clone(),
            rules: Vec::new(),
            because_of: None,
        })
    }

    /// Is it on the way that packets are lost?
    pub(super) fn is_on_the_way(&self) -> bool {
        self.layer == Some(Layer::Path)
    }

    /// Does a device itself say no? A silence may as well be a host that is off.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self.owner, Some(Owner::Network(Whereabouts::At(_))))
    }

    /// "at 10.9.0.1", "at or behind 10.9.0.1"; nothing where no device is named.
    pub(super) fn place(&self) -> Option<String> {
        match self.owner? {
            Owner::Network(Whereabouts::At(device)) => Some(format!("at {device}")),
            Owner::Network(Whereabouts::AtOrBehind(last)) => Some(format!("at or behind {last}")),
            Owner::Network(Whereabouts::AtOrBefore(first)) => Some(format!("at or before {first}")),
            _ => None,
        }
    }
}

/// Who opened the flow of an inbound step, if both ends saw that.
fn reached_from(step: &StepReport) -> Option<IpAddr> {
    let is_proved = step.direction == Direction::Inbound && step.is_proved_by_both();
    step.evidence.get(REACHED_FROM).filter(|_| is_proved)?.as_str()?.parse().ok()
}

/// `TCP 5669`; of a target that may be asked in several ways, all of them.
fn asked_for(ways: &[WayReport]) -> String {
    let mut said: Vec<String> = Vec::new();
    for way in ways {
        let over: Vec<Transport> =
            way.transports.iter().filter_map(Readable::known).copied().collect();
        let one = service(&over, &[way.port], Choice::All);
        if !over.is_empty() && !said.contains(&one) {
            said.push(one);
        }
    }
    said.join(" or ")
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
