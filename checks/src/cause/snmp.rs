//! Causes of SNMP agents.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::Millis;
use super::about::{About, Layer, Owner, Plea, Whereabouts};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};

/// Causes of SNMP agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SnmpCause {
    /// The agent is there and does not answer this community.
    #[error("the agent is there, but does not answer this community")]
    SnmpCommunity {
        /// `1` or `2c`.
        version: Cow<'static, str>,
    },
    /// Neither discovery nor a question was answered, and no credentials were given.
    #[error("no reply: a firewall, a device that is off, or SNMP that is not enabled")]
    SnmpSilent {
        /// The address and port asked.
        to: SocketAddr,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The agent does not know this user.
    #[error("the agent does not know the user \"{user}\"")]
    SnmpUnknownUser {
        /// The user asked with.
        user: String,
    },
    /// Wrong authentication password or algorithm.
    #[error("the agent refuses the authentication of \"{user}\" ⟨wrong password or algorithm⟩")]
    SnmpWrongDigest {
        /// The user asked with.
        user: String,
    },
    /// The user exists and has not the level asked for.
    #[error("the agent does not offer the security level {level} to \"{user}\"")]
    SnmpSecurityLevel {
        /// The user asked with.
        user: String,
        /// The level asked for.
        level: Cow<'static, str>,
    },
    /// The agent's clock of boots and time disagrees with ours.
    #[error("the agent rejects our time window ⟨boots {boots}, time {time}⟩")]
    SnmpTimeWindow {
        /// How often the engine has booted.
        boots: u32,
        /// Its seconds since boot.
        time: u32,
    },
    /// Wrong privacy password or algorithm.
    #[error("the agent cannot decrypt for \"{user}\" ⟨wrong privacy password or algorithm⟩")]
    SnmpDecryption {
        /// The user asked with.
        user: String,
    },
    /// The user or the community is known and may not read.
    #[error("the agent does not let {} ⟨authorizationError⟩", reading(.user.as_deref(), level))]
    SnmpAuthorization {
        /// The user asked with; none: a community.
        user: Option<String>,
        /// The level asked for.
        level: Cow<'static, str>,
    },
    /// The agent answers discovery, and nothing asked by this user.
    #[error("the agent is there, but does not answer \"{user}\" at {level}")]
    SnmpUserIgnored {
        /// The user asked with.
        user: String,
        /// The level asked for.
        level: Cow<'static, str>,
    },
    /// The receiver of traps answers discovery, and does not acknowledge an inform.
    #[error("the trap receiver is there, and did not acknowledge an inform of version {version}")]
    InformIgnored {
        /// `2c` or `3`.
        version: Cow<'static, str>,
    },
    /// The agent answers, and shows nothing of the system group.
    #[error("the agent answers, but its view hides the system group")]
    SnmpView,
}

impl SnmpCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Path, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        use Whereabouts::Unknown;
        const ALLOW: Plea = Plea::Allow { over: None };
        let network = Owner::Network;
        match self {
            Self::SnmpSilent { .. } => About::new(Path, network(Unknown), ALLOW).untold(),
            Self::SnmpUnknownUser { .. }
            | Self::SnmpWrongDigest { .. }
            | Self::SnmpDecryption { .. } => About::new(Authentication, ThisHost, Nothing),
            Self::SnmpCommunity { .. }
            | Self::SnmpSecurityLevel { .. }
            | Self::SnmpAuthorization { .. }
            | Self::InformIgnored { .. }
            | Self::SnmpUserIgnored { .. } => About::new(Authentication, FarSide, Nothing),
            Self::SnmpTimeWindow { .. } => About::new(Protocol, FarSide, Nothing),
            Self::SnmpView => About::new(Service, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::SnmpCommunity { .. } => say(format!(
                "compare the community, and let {} ask with it (snmpd: rocommunity, com2sec)",
                passage.from()
            )),
            Self::InformIgnored { .. } => {
                say("compare the community or the user with the receiver's own (snmptrapd.conf: authCommunity, createUser, authUser): ")
                    .there("grep -E '^(authCommunity|authUser|createUser|disableAuthorization)' /etc/snmp/snmptrapd.conf")
            }
            Self::SnmpSilent { .. } => say(format!(
                "allow {}; on the device, see that the agent is on and lets {} ask, in which version and with which community",
                passage.rule(self.about().owner),
                passage.from()
            )),
            Self::SnmpUnknownUser { .. }
            | Self::SnmpUserIgnored { .. }
            | Self::SnmpWrongDigest { .. }
            | Self::SnmpDecryption { .. }
            | Self::SnmpSecurityLevel { .. } => {
                say("compare user, protocols and passwords with the agent's own")
            }
            Self::SnmpTimeWindow { .. } => {
                say("set its clock and its engine boots right: restart the agent (")
                    .there("systemctl restart snmpd")
                    .then(")")
            }
            Self::SnmpAuthorization { user: Some(user), level } if level != "authPriv" => say(format!(
                "let {user} read 1.3.6.1.2.1 at {level} (snmpd: rouser {user} noauth or auth), or ask with more protection, if the agent wants it (--snmp-auth-protocol, --snmp-priv-protocol)"
            )),
            Self::SnmpView | Self::SnmpAuthorization { .. } => {
                say("let this community or user read 1.3.6.1.2.1 (snmpd: view and access lines)")
            }
        }
    }
}

/// Who was not let in; a community is a secret and stays unnamed.
fn reading(user: Option<&str>, level: &str) -> String {
    user.map_or("this community read".to_owned(), |user| format!("\"{user}\" read at {level}"))
}
