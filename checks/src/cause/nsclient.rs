//! Causes of NSClient++.

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};

/// Causes of NSClient++.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NsclientCause {
    /// NSClient++ is there and does not serve this address.
    #[error("NSClient++ does not allow this host ⟨allowed hosts⟩")]
    NsclientNotAllowed {
        /// What the agent said, printable.
        body: String,
    },
    /// NSClient++ refuses, and this version has one answer for both reasons.
    #[error("NSClient++ refuses this host or the password given; it does not say which")]
    NsclientRefused {
        /// What the agent said, printable.
        body: String,
    },
    /// NSClient++ refuses the password given.
    #[error("NSClient++ refuses the password given")]
    NsclientLogin {
        /// What the agent said, printable.
        body: String,
    },
}

impl NsclientCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::Authentication;
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::NsclientNotAllowed { .. } | Self::NsclientRefused { .. } => {
                About::new(Authentication, FarSide, Nothing)
            }
            Self::NsclientLogin { .. } => About::new(Authentication, ThisHost, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::NsclientNotAllowed { .. } | Self::NsclientRefused { .. } => say(format!(
                "add {} to `allowed hosts` in nsclient.ini, then restart the service nscp",
                passage.from()
            )),
            Self::NsclientLogin { .. } => say(
                "give the password of nsclient.ini (`password` under /settings/default): --nsclient-password-file FILE",
            ),
        }
    }
}
