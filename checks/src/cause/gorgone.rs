//! Causes of Gorgone, over ZeroMQ and over HTTP.

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};
use super::{QuietPoller, facts};

/// Causes of Gorgone, over ZeroMQ and over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum GorgoneCause {
    /// ZMTP is spoken, with a security mechanism Gorgone does not use.
    #[error("ZMTP {version} with mechanism {mechanism}; Gorgone uses NULL")]
    ZmtpMechanism {
        /// ZMTP version.
        version: String,
        /// The mechanism the peer insists on.
        mechanism: String,
    },
    /// ZMTP is spoken in a version older than Gorgone's.
    #[error("ZMTP {version} is spoken here; Gorgone speaks 3")]
    ZmtpVersion {
        /// ZMTP version.
        version: String,
    },
    /// ZMTP is spoken, and not by Gorgone.
    #[error("a ZeroMQ {socket_type} {} answers, not Gorgone", named(identity))]
    ZmtpOtherService {
        /// Its socket type.
        socket_type: String,
        /// Its identity; empty when it has none.
        identity: String,
    },
    /// A web server answers, and does not hand the path on to Gorgone.
    #[error("a web server answers for {path} ⟨{status}⟩, not Gorgone's WebSocket")]
    GorgoneWebsocketMissing {
        /// The path asked for.
        path: String,
        /// HTTP status.
        status: u16,
    },
    /// A web server hands the path on, and nothing behind it answers.
    #[error("the web server hands {path} on, and Gorgone does not answer there ⟨{status}⟩")]
    GorgoneWebsocketDown {
        /// The path asked for.
        path: String,
        /// HTTP status.
        status: u16,
    },
    /// The WebSocket opens, and Gorgone does not take this poller's token.
    #[error("Gorgone refuses this poller's token: {text}")]
    GorgoneTokenRefused {
        /// What it said, printable.
        text: String,
    },
    /// Gorgone's API refuses whoever asks: its list of hosts, or its login.
    #[error("Gorgone's API refuses {} ⟨{status}⟩", if *.given { "this host, or the login of its own file" } else { "this host, or wants a login" })]
    GorgoneApiRefused {
        /// HTTP status.
        status: u16,
        /// Was a login sent?
        given: bool,
    },
    /// Gorgone's API answers, and knows nothing of pollers: its module proxy is not loaded.
    #[error("Gorgone answers, and knows no pollers: its module proxy is not loaded")]
    GorgoneNoStatus,
    /// Gorgone pings pollers and hears nothing from them, whatever their ports say.
    #[error("Gorgone has had no pong {}", facts::quiet(pollers))]
    NoPong {
        /// Those pollers; at least one.
        pollers: Vec<QuietPoller>,
    },
}

impl GorgoneCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::ZmtpMechanism { .. }
            | Self::ZmtpVersion { .. }
            | Self::ZmtpOtherService { .. } => About::new(Protocol, FarSide, Nothing),
            Self::GorgoneWebsocketMissing { .. } | Self::GorgoneWebsocketDown { .. } => {
                About::new(Service, FarSide, Nothing)
            }
            Self::GorgoneTokenRefused { .. } | Self::GorgoneApiRefused { .. } => {
                About::new(Authentication, ThisHost, Nothing)
            }
            Self::GorgoneNoStatus | Self::NoPong { .. } => About::new(Service, ThisHost, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::ZmtpMechanism { .. } | Self::ZmtpOtherService { .. } => {
                say("see whether this is the poller's Gorgone").on_that_machine(format!(
                    "{}; grep external_com /etc/centreon-gorgone/config.d/*.yaml",
                    passage.listeners()
                ))
            }
            Self::ZmtpVersion { .. } => {
                say("update what answers there to ZeroMQ 4")
                    .on_that_machine(passage.listeners())
            }
            Self::GorgoneWebsocketMissing { .. } => say(
                "hand this path on to Gorgone on the central (Apache: ProxyPass), or correct port and path here",
            ),
            Self::GorgoneWebsocketDown { .. } => say("on the central: ")
                .there("systemctl restart gorgoned; ss -ltnp | grep gorgone")
                .then("; /var/log/centreon-gorgone/gorgoned.log"),
            Self::GorgoneTokenRefused { .. } => say(
                "the same token in module pullwss here and in module proxy on the central (/etc/centreon-gorgone/config.d), then restart gorgoned",
            ),
            Self::GorgoneApiRefused { .. } => say(format!(
                "module httpserver in /etc/centreon-gorgone/config.d: add {} to allowed_hosts, and set its auth right",
                passage.from()
            )),
            Self::GorgoneNoStatus => say("have module proxy loaded; why it is not: ")
                .here("grep -iE 'proxy|cannot' /var/log/centreon-gorgone/gorgoned.log"),
            Self::NoPong { .. } => say("").here("systemctl restart gorgoned").then(
                "; a poller that stays quiet needs the same; if it comes back, have the firewall's idle timeout for its port raised",
            ),
        }
    }
}

/// How a ZeroMQ peer calls itself.
fn named(identity: &str) -> String {
    match identity {
        "" => "without a name".to_owned(),
        name => format!("named \"{name}\""),
    }
}
