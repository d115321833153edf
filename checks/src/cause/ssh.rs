//! Causes of SSH servers.

use std::net::SocketAddr;

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};
use super::{Millis, SshPart, list};

/// Causes of SSH servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SshCause {
    /// The server drops us before identifying itself.
    #[error("the SSH server refuses this host for now: {text}")]
    SshRefused {
        /// What it said, printable.
        text: String,
    },
    /// Something accepts on the SSH port and closes before it has said a word.
    #[error(
        "the SSH port closes before a word: TCP wrappers, a limit for this address, or a forwarder without a server"
    )]
    SshClosed {
        /// The address and port asked.
        to: SocketAddr,
    },
    /// Line after line, of which none identifies a server: the standard lets a server say something first.
    #[error(
        "{lines} lines in {waited}, and no SSH server identifies itself behind them: a tarpit, which holds its visitors up"
    )]
    SshTarpit {
        /// Lines that came.
        lines: usize,
        /// How long they were listened to.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The SSH server and this machine's own client have no algorithm in common.
    #[error("no {part} in common with this host's SSH client: it offers {}", algorithms(theirs))]
    SshNothingInCommon {
        /// What both sides need one for.
        part: SshPart,
        /// What the server offers.
        theirs: Vec<String>,
        /// What the client of this machine offers.
        ours: Vec<String>,
    },
}

impl SshCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::Protocol;
        use Owner::FarSide;
        use Plea::Nothing;
        match self {
            Self::SshRefused { .. }
            | Self::SshClosed { .. }
            | Self::SshTarpit { .. }
            | Self::SshNothingInCommon { .. } => About::new(Protocol, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        let from = passage.from();
        match self {
            Self::SshRefused { .. } => say(format!(
                "wait until the penalty is over: visits like preflight's may be the reason; or let {from} in: PerSourcePenaltyExemptList {from}, MaxStartups in sshd_config"
            ))
            .on_that_machine("journalctl -u ssh -u sshd"),
            Self::SshClosed { .. } => say(format!(
                "let {from} in: /etc/hosts.deny and /etc/hosts.allow, then PerSourcePenalties and MaxStartups in sshd_config (visits like preflight's count there too); a load balancer or a port forwarding closes like this while no server behind it answers"
            ))
            .on_that_machine("journalctl -u ssh -u sshd"),
            Self::SshTarpit { .. } => say(format!(
                "name the port on which its SSH server listens ({}): attackers are lured to this one (endlessh)",
                passage.origin
            ))
            .on_that_machine(passage.listeners()),
            Self::SshNothingInCommon { part: SshPart::Version, .. } => {
                say("let it speak SSH 2 (Cisco IOS: ip ssh version 2), or update it")
            }
            Self::SshNothingInCommon { part, ours, .. } => {
                let line = match part {
                    SshPart::KeyExchange | SshPart::Version => "KexAlgorithms",
                    SshPart::HostKey => "HostKeyAlgorithms, HostKey",
                    SshPart::Cipher => "Ciphers",
                    SshPart::Mac => "MACs",
                };
                let few = ours.get(..3).unwrap_or(ours).join(", ");
                say(format!(
                    "let its SSH server offer one of {few} … (sshd_config: {line}), or update it"
                ))
            }
        }
    }
}

/// SSH's algorithms in a sentence, without the extensions that stand among them.
fn algorithms(names: &[String]) -> String {
    let is_extension =
        |name: &&String| name.starts_with("ext-info-") || name.starts_with("kex-strict-");
    list(&names.iter().filter(|name| !is_extension(name)).cloned().collect::<Vec<_>>())
}
