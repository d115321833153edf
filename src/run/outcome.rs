//! The five ways a step can end, and their one order.

use serde::{Deserialize, Serialize};

/// The outcome of a step.
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
    Deserialize,
    strum::Display,
    strum::VariantArray,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Outcome {
    /// The service works.
    Pass,
    /// It works, or the path does, and something about it will hurt.
    Warn,
    /// It does not work.
    Fail,
    /// Cannot be told from here.
    Unknown,
    /// Was not asked.
    Skip,
}

impl Outcome {
    /// The higher, the worse: what fails, then what is not known.
    pub(crate) fn gravity(self) -> u8 {
        match self {
            Self::Skip => 0,
            Self::Pass => 1,
            Self::Warn => 2,
            Self::Unknown => 3,
            Self::Fail => 4,
        }
    }
}
