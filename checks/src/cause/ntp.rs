//! Causes of time servers and of this host's clock.

use serde::{Deserialize, Serialize};

use super::Millis;
use super::about::{About, Layer, Owner, Plea};
use super::remedy::{Advice, Passage, say};

/// Causes of time servers and of this host's clock.
///
/// A variant's name is its code, so it says what it is a cause of.
#[allow(clippy::enum_variant_names)]
#[derive(
    Clone,
    Debug,
    PartialEq,
    Serialize,
    Deserialize,
    thiserror::Error,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(tag = "code", content = "facts", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NtpCause {
    /// The server answers and has no time to give.
    #[error("server is not synchronised (stratum {stratum}, leap indicator {leap})")]
    NtpUnsynchronised {
        /// 0 or 16 mean: none.
        stratum: u8,
        /// 3 means: alarm, not synchronised.
        leap: u8,
        /// Reference id as the server sent it.
        refid: String,
    },
    /// The server refuses to serve us (kiss-o'-death DENY, RSTR).
    #[error("server refuses this client (kiss-o'-death {kiss})")]
    NtpDenied {
        /// The four letters.
        kiss: String,
    },
    /// The server asks us to come less often (kiss-o'-death RATE).
    #[error("server limits our rate (kiss-o'-death RATE)")]
    NtpRateLimited,
    /// The server is too far from a good clock for the program that sets this host's.
    #[error("{client} will not use it: root distance {distance}, at most {limit}")]
    NtpTooFar {
        /// How far it is, at least.
        #[serde(rename = "distance_ms")]
        distance: Millis,
        /// How far it may be.
        #[serde(rename = "limit_ms")]
        limit: Millis,
        /// The program.
        client: String,
    },
    /// Our clock and the server's differ too much.
    #[error("this host's clock is {} (limit {limit_ms} ms)", skew(*.offset_ms))]
    ClockOffset {
        /// Server minus this host, milliseconds.
        offset_ms: i64,
        /// Largest difference that passes, milliseconds.
        limit_ms: i64,
    },
}

impl NtpCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    #[allow(clippy::match_same_arms)] // A table, in the order of the enum.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::NtpUnsynchronised { .. } | Self::NtpTooFar { .. } => {
                About::new(Service, FarSide, Nothing)
            }
            Self::NtpDenied { .. } => About::new(Authentication, FarSide, Nothing),
            Self::NtpRateLimited => About::new(Protocol, FarSide, Nothing),
            Self::ClockOffset { .. } => About::new(Service, ThisHost, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::NtpUnsynchronised { .. } => {
                say("a time server that is synchronised, or use another one; on it: ")
                    .there("chronyc sources")
            }
            Self::NtpDenied { .. } => {
                say(format!("let {0} ask (chrony: `allow {0}`)", passage.from()))
            }
            Self::NtpRateLimited => say(
                "raise its limit for this host, or find what else asks it often; run again after some minutes",
            ),
            Self::NtpTooFar { .. } => {
                say("a time server that is nearer to a good clock; on this one: ")
                    .there("chronyc sources -v")
            }
            Self::ClockOffset { .. } => {
                say("").here("systemctl enable --now chronyd; chronyc makestep; chronyc tracking")
            }
        }
    }
}

/// "3599.9 s behind" or "12 ms ahead", from server minus this host.
fn skew(offset_ms: i64) -> String {
    let side = if offset_ms < 0 { "ahead" } else { "behind" };
    let amount = offset_ms.unsigned_abs();
    if amount < 10_000 {
        format!("{amount} ms {side}")
    } else {
        format!("{}.{} s {side}", amount / 1_000, amount % 1_000 / 100)
    }
}
