//! Causes of time servers and of this host's clock.

use std::net::{IpAddr, SocketAddr};

use super::about::{About, Layer, Owner, Plea, Whereabouts};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};
use super::{Cause, Millis, Transport};

/// Causes of time servers and of this host's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NtpCause {
    /// The server answers and has no time to give.
    #[error("server is not synchronised ⟨stratum {stratum}, leap indicator {leap}⟩")]
    NtpUnsynchronised {
        /// 0 or 16 mean: none.
        stratum: u8,
        /// 3 means: alarm, not synchronised.
        leap: u8,
        /// Reference id as the server sent it.
        refid: String,
    },
    /// The server refuses to serve us (kiss-o'-death DENY, RSTR).
    #[error("server refuses this client ⟨kiss-o'-death {kiss}⟩")]
    NtpDenied {
        /// The four letters.
        kiss: String,
    },
    /// The server asks us to come less often (kiss-o'-death RATE).
    #[error("server limits our rate ⟨kiss-o'-death RATE⟩")]
    NtpRateLimited,
    /// The server takes its time from this host, so this host cannot take it from there.
    #[error(
        "the server takes its time from this host ({here}); chrony and ntpd drop such an answer"
    )]
    NtpLoop {
        /// The address of ours that it names as its source.
        here: IpAddr,
    },
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
    /// The server that hands out keys for NTS ends the exchange with an error of its own.
    #[error("its key exchange ends with {}", nts_error(*.warning, *.number))]
    NtsKeyError {
        /// The number of the error or warning (RFC 8915 §7.6 and §7.7).
        number: u16,
        /// Is it a warning? There is none that a client could pass over.
        warning: bool,
    },
    /// The server that hands out keys for NTS leaves out what a client cannot do without.
    #[error("its key exchange comes to nothing: {missing}")]
    NtsNoAgreement {
        /// What is missing, as a clause.
        missing: String,
    },
    /// The time server does not take the cookie it was just asked with (NTS NAK).
    #[error("{to} refuses the cookie that its key server has just given ⟨NTS NAK⟩")]
    NtsNak {
        /// The time server.
        to: SocketAddr,
    },
    /// The time server's answer is not protected, or not with the keys that were agreed on.
    #[error("{to} answers without NTS: {how}; clients drop such an answer")]
    NtsUnprotected {
        /// The time server.
        to: SocketAddr,
        /// What is wrong with the answer, as a clause.
        how: String,
    },
    /// The time server answers plain NTP, and not the longer packets of NTS.
    #[error("its key server gives keys, and {to} answers plain NTP, but no NTS packet ⟨{waited}⟩")]
    NtsPacketsLost {
        /// The time server.
        to: SocketAddr,
        /// How long the answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The keys came, and the time server behind them could not be asked.
    #[error("its key server gives keys, but its time server {to} fails: {}", because.marked())]
    NtsTimeFails {
        /// The time server.
        to: SocketAddr,
        /// How the question to it failed.
        because: Box<Cause>,
    },
    /// Our clock and the server's differ too much.
    #[error("this host's clock is {} ⟨limit {limit_ms} ms⟩", skew(*.offset_ms))]
    ClockOffset {
        /// Server minus this host, milliseconds.
        offset_ms: i64,
        /// Largest difference that passes, milliseconds.
        limit_ms: i64,
    },
}

impl NtpCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Path, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::NtpUnsynchronised { .. } | Self::NtpLoop { .. } | Self::NtpTooFar { .. } => {
                About::new(Service, FarSide, Nothing)
            }
            Self::NtpDenied { .. } => About::new(Authentication, FarSide, Nothing),
            Self::NtpRateLimited => About::new(Protocol, FarSide, Nothing),
            Self::NtsKeyError { .. }
            | Self::NtsNoAgreement { .. }
            | Self::NtsUnprotected { .. } => About::new(Protocol, FarSide, Nothing),
            Self::NtsNak { .. } => About::new(Authentication, FarSide, Nothing),
            // Packets of 48 bytes pass: whatever drops the longer ones looks into them.
            Self::NtsPacketsLost { .. } => {
                About::new(Path, Owner::Network(Whereabouts::Unknown), Plea::Repair)
            }
            Self::NtsTimeFails { because, .. } => match because.plea() {
                Plea::Allow { .. } => {
                    let over = Some(Transport::Udp);
                    About::new(because.layer(), because.owner(), Plea::Allow { over })
                }
                other => About::new(because.layer(), because.owner(), other),
            },
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
            Self::NtpLoop { here } => say(format!(
                "a source that does not get its time from {here}, or use another time server; on it: "
            ))
            .there("chronyc sources"),
            Self::NtpTooFar { .. } => {
                say("a time server that is nearer to a good clock; on this one: ")
                    .there("chronyc sources -v")
            }
            Self::NtsKeyError { .. } | Self::NtsNoAgreement { .. } => say(
                "read the log of its time daemon while preflight runs again; with chrony, see its keys and its memory for cookies (ntsserverkey, ntsservercert, ntsdumpdir): ",
            )
            .there("chronyc serverstats; journalctl -u chrony -u chronyd -n 20"),
            Self::NtsNak { .. } => say(
                "give key server and time server the same keys for cookies (chrony: the same ntsdumpdir and ntsrotate 0 on all that share the name); on it: ",
            )
            .there("chronyc serverstats"),
            Self::NtsUnprotected { .. } => say(
                "let the time server that the key server names serve NTS; on it: ",
            )
            .there("chronyc serverstats"),
            Self::NtsPacketsLost { to, .. } => say(format!(
                "let UDP {} from {} to {} pass whatever its length: a filter against amplification drops NTP packets longer than 48 bytes",
                to.port(),
                passage.from(),
                to.ip()
            )),
            Self::NtsTimeFails { to, because } => match because.plea() {
                Plea::Allow { .. } => say(format!(
                    "allow UDP {} from {} to {}, beside TCP {} for the keys",
                    to.port(),
                    passage.from(),
                    to.ip(),
                    passage.port()
                )),
                _ => say(format!("see that the time server listens on UDP {}; on it: ", to.port()))
                    .there(format!("ss -ulnp 'sport = :{}'", to.port())),
            },
            Self::ClockOffset { .. } => {
                say("").here("systemctl enable --now chronyd; chronyc makestep; chronyc tracking")
            }
        }
    }
}

/// "error 1 (bad request)", as RFC 8915 §7.6 names it.
fn nts_error(warning: bool, number: u16) -> String {
    let name = match number {
        _ if warning => return format!("warning {number}, which no client knows"),
        0 => "a critical record is not known there",
        1 => "bad request",
        2 => "internal server error",
        _ => "not one of the standard's",
    };
    format!("error {number} ⟨{name}⟩")
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
