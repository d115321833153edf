//! How did a run end? Every exit code is made here, and only here.

use super::{Report, StepReport};
use crate::run::outcome::Outcome;

/// The end of a run, as its required steps decide it; the gravest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// All required steps work.
    Works,
    /// They work, and something about one of them will hurt.
    Warns,
    /// No step was asked that could say anything.
    NothingAsked,
    /// None fails, and not one was seen to work.
    NothingWorks,
    /// None fails, and one cannot be told from here.
    Unknown,
    /// One fails; with `--strict`, or warns.
    Fails,
    /// A signal ended the run.
    Interrupted,
}

impl Ending {
    /// The graver end wins: what was cut short, what fails, what is not known.
    pub(super) fn of(steps: &[StepReport], strict: bool, interrupted: bool) -> Self {
        let required = || steps.iter().filter(|step| step.required);
        let has = |outcome| required().any(|step| step.outcome == outcome);
        if interrupted {
            Self::Interrupted
        } else if has(Outcome::Fail) || (strict && required().any(StepReport::warns)) {
            Self::Fails
        } else if has(Outcome::Unknown) {
            Self::Unknown
        } else if steps.iter().all(StepReport::says_nothing) {
            Self::NothingAsked
        } else if !required().any(StepReport::works) {
            Self::NothingWorks
        } else if has(Outcome::Warn) {
            Self::Warns
        } else {
            Self::Works
        }
    }

    /// The exit code of the program.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Works | Self::Warns => 0,
            Self::Fails => 1,
            Self::NothingAsked => 2,
            Self::Unknown | Self::NothingWorks => 3,
            Self::Interrupted => 130,
        }
    }

    /// The state of a monitoring plugin: the word of its status line, and its exit code.
    pub(crate) fn plugin(self) -> (&'static str, u8) {
        match self {
            Self::Works => ("OK", 0),
            Self::Warns => ("WARNING", 1),
            Self::Fails => ("CRITICAL", 2),
            Self::Unknown | Self::NothingAsked | Self::NothingWorks | Self::Interrupted => {
                ("UNKNOWN", PLUGIN_UNKNOWN)
            }
        }
    }
}

/// The exit code of a plugin that cannot tell.
pub(crate) const PLUGIN_UNKNOWN: u8 = 3;

impl Report {
    /// How the run ended.
    pub(crate) fn ending(&self) -> Ending {
        Ending::of(&self.steps, self.strict, self.interrupted)
    }

    /// The same whether a signal ended the run or not: what was not finished is unknown.
    pub(crate) fn ending_of_steps(&self) -> Ending {
        Ending::of(&self.steps, self.strict, false)
    }
}
