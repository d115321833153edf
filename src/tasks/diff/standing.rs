//! How far is a step from working?

use crate::report::StepReport;
use crate::run::outcome::Outcome;
use preflight_checks::{Cause, Layer, OwnCause};

/// From working to failing; what stands further down is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StepStanding {
    /// It passes, with a concern or without.
    Works,
    /// The path is open and nothing listens: enough before the installation.
    Open,
    /// Cannot be told.
    Unknown,
    /// It was asked and fails.
    Fails,
}

impl StepStanding {
    /// Where a step stands that was asked.
    pub(super) fn of(step: &StepReport) -> Self {
        match step.outcome {
            Outcome::Fail => Self::Fails,
            Outcome::Unknown | Outcome::Skip => Self::Unknown,
            Outcome::Pass | Outcome::Warn if step.is_only_open() => Self::Open,
            Outcome::Pass | Outcome::Warn => Self::Works,
        }
    }
}

/// Was the run over before this step was?
pub(super) fn is_unfinished(step: &StepReport) -> bool {
    matches!(step.why(), Some(Cause::Own(OwnCause::Interrupted)))
}

/// The layer that a failing step got to; the lower, the less far it got.
pub(super) fn layer(step: &StepReport) -> Option<Layer> {
    step.cause.as_ref()?.why.layer()
}
