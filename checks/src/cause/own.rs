//! Causes in preflight itself.

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};

/// Causes in preflight itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum OwnCause {
    /// The probe itself broke. Ours to mend.
    #[error("the probe itself broke: {message}")]
    ProbePanicked {
        /// What the panic said.
        message: String,
    },
    /// The run was interrupted before this step was finished.
    #[error("interrupted before it was finished")]
    Interrupted,
}

impl OwnCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::Host;
        use Owner::Nobody;
        use Plea::Nothing;
        match self {
            Self::ProbePanicked { .. } | Self::Interrupted => {
                About::new(Host, Nobody, Nothing).untold()
            }
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, _: &Passage<'_>) -> Advice {
        match self {
            Self::ProbePanicked { .. } => {
                say("run again with --only for this flow, and send the JSON report")
                    .by("nobody on site; please report it to preflight's developers".to_owned())
            }
            Self::Interrupted => say("run again").by("nobody: you stopped the run".to_owned()),
        }
    }
}
