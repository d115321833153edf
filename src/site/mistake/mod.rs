//! Mistakes in a machine's files that no packet shows.
//!
//! Each is a variant with the lines it was read from; a code that never changes
//! once released, a heading in `docs/causes.md`, and what to do about it.

mod find;

use preflight_checks::Coded;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Origin;
use super::discover::At;
use crate::catalogue::Role;
pub(crate) use find::mistakes;

/// A mistake in this machine's files.
#[derive(
    Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, strum::EnumDiscriminants,
)]
#[strum_discriminants(
    name(MistakeCode),
    derive(strum::EnumIter, strum::IntoStaticStr),
    strum(serialize_all = "kebab-case"),
    doc = "Stable name of a [`Mistake`]; see `docs/causes.md`."
)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub(crate) enum Mistake {
    /// A poller's broker output leads back to the poller.
    #[error("the broker output `{output}` sends to {host}, which is this machine")]
    BrokerSendsToItself {
        /// The output's name.
        output: String,
        /// What stands there for the central.
        host: String,
        /// File and line.
        at: At,
    },
    /// The central calls a poller's Gorgone on the port of NRPE.
    #[error("Gorgone of {machine} is called on port 5666, which is NRPE's; its own is 5556")]
    GorgonePortIsNrpe {
        /// The poller.
        machine: String,
        /// File and line.
        at: At,
    },
    /// A migration has left the port of SSH where Gorgone's belongs.
    #[error("Gorgone of {machine} has port 22, which is SSH's: a leftover of the change to ZMQ")]
    GorgonePortIsSsh {
        /// The poller.
        machine: String,
        /// File and line.
        at: At,
    },
    /// Two places name two ports for one Gorgone.
    #[error("Gorgone is expected on port {expected} ({by}) and listens on {port}")]
    GorgonePortsDiffer {
        /// The port that flag or site file name.
        expected: u16,
        /// Who names it.
        by: Origin,
        /// The port in its own file.
        port: u16,
        /// File and line.
        at: At,
    },
    /// A poller's Gorgone neither listens nor connects.
    #[error("gorgoned is configured and has no external_com_path: nobody can reach it")]
    GorgoneUnreachable {
        /// File and line.
        at: At,
    },
    /// A poller's Gorgone waits for its central where only the poller itself can come.
    #[error("gorgoned listens on {address} only: no central can reach it")]
    GorgoneOnLoopback {
        /// The address.
        address: String,
        /// File and line.
        at: At,
    },
    /// Two brokers that have to talk speak different BBDO.
    #[error("BBDO {one} here and {other} in {other_at}")]
    BbdoVersionsDiffer {
        /// The version of the one.
        one: String,
        /// File and line.
        at: At,
        /// The version of the other.
        other: String,
        /// File and line of the other.
        other_at: At,
    },
    /// One end of a BBDO stream has TLS, the other has not.
    #[error("`{stream}` has TLS {}, and its other end in {other_at} has it {}", on_off(*tls), on_off(!*tls))]
    TlsOnOneSide {
        /// The stream's name.
        stream: String,
        /// Is it on here?
        tls: bool,
        /// File and line.
        at: At,
        /// Where the other end is.
        other_at: At,
    },
    /// A certificate or key that is not there.
    #[error("{key} names {file}, which does not exist")]
    CertificateFileMissing {
        /// The setting.
        key: String,
        /// What it names.
        file: String,
        /// File and line.
        at: At,
    },
    /// A proxy's host name is asked for, and a URL was entered.
    #[error("the proxy is entered as `{entered}`: only its host name belongs there")]
    ProxyWithScheme {
        /// What was entered, without user and password.
        entered: String,
        /// File and line.
        at: At,
    },
    /// A poller sends notifications itself, and its mail program has no relay.
    #[error(
        "this poller sends notifications itself, and {program} has no relay: each mail goes to its receiver's own server"
    )]
    NoMailRelay {
        /// The mail program.
        program: String,
        /// Where the relay would stand.
        at: At,
    },
    /// Traps are received from this machine only.
    #[error("the trap receiver listens on {address} only: no device can reach it")]
    TrapReceiverOnLoopback {
        /// The address.
        address: String,
        /// File and line.
        at: At,
    },
    /// Two programs would set the clock, each by other servers.
    #[error("{one} has other time servers than {other} ({other_at})")]
    TimeServersDiffer {
        /// The one program.
        one: String,
        /// Where its first server stands.
        at: At,
        /// The other program.
        other: String,
        /// Where its first server stands.
        other_at: At,
    },
    /// A program does not start, or ends, because of this line.
    #[error("{program} refuses this line: {reason}")]
    LineRefused {
        /// The program.
        program: String,
        /// What is wrong with it.
        reason: String,
        /// File and line.
        at: At,
    },
    /// The files speak of another role than the one given.
    #[error("--role says {given}, and {because} says {found}")]
    RoleContradicted {
        /// The role that was given.
        given: Role,
        /// What the files say.
        found: Role,
        /// What says so.
        because: String,
        /// File and line.
        at: At,
    },
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

impl Serialize for Mistake {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.coded().serialize(to)
    }
}

impl TryFrom<Coded> for Mistake {
    type Error = serde_json::Error;

    fn try_from(coded: Coded) -> Result<Self, Self::Error> {
        coded.read(Self::deserialize)
    }
}

impl<'de> Deserialize<'de> for Mistake {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Coded::deserialize(from)?.try_into().map_err(serde::de::Error::custom)
    }
}

impl Mistake {
    /// Its code and its facts, as a report keeps them.
    pub(crate) fn coded(&self) -> Coded {
        Coded::of(Self::serialize(self, serde_json::value::Serializer))
            .unwrap_or_else(|_| Coded { code: self.code().to_owned(), ..Coded::default() })
    }

    /// Name used in reports and in `docs/causes.md`.
    pub(crate) fn code(&self) -> &'static str {
        MistakeCode::from(self).into()
    }

    /// Does something not work because of it, rather than work badly?
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::BrokerSendsToItself { .. }
            | Self::GorgonePortIsSsh { .. }
            | Self::GorgoneUnreachable { .. }
            | Self::GorgoneOnLoopback { .. }
            | Self::TlsOnOneSide { .. }
            | Self::CertificateFileMissing { .. }
            | Self::ProxyWithScheme { .. }
            | Self::LineRefused { .. }
            | Self::TrapReceiverOnLoopback { .. } => true,
            Self::BbdoVersionsDiffer { one, other, .. } => major(one) != major(other),
            Self::GorgonePortIsNrpe { .. }
            | Self::GorgonePortsDiffer { .. }
            | Self::NoMailRelay { .. }
            | Self::TimeServersDiffer { .. }
            | Self::RoleContradicted { .. } => false,
        }
    }

    /// Where it was read.
    pub(crate) fn at(&self) -> &At {
        match self {
            Self::BrokerSendsToItself { at, .. }
            | Self::GorgonePortIsNrpe { at, .. }
            | Self::GorgonePortIsSsh { at, .. }
            | Self::GorgonePortsDiffer { at, .. }
            | Self::GorgoneUnreachable { at }
            | Self::GorgoneOnLoopback { at, .. }
            | Self::BbdoVersionsDiffer { at, .. }
            | Self::TlsOnOneSide { at, .. }
            | Self::CertificateFileMissing { at, .. }
            | Self::ProxyWithScheme { at, .. }
            | Self::NoMailRelay { at, .. }
            | Self::TrapReceiverOnLoopback { at, .. }
            | Self::TimeServersDiffer { at, .. }
            | Self::LineRefused { at, .. }
            | Self::RoleContradicted { at, .. } => at,
        }
    }

    /// What breaks because of it.
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Self::BrokerSendsToItself { .. } => "Nothing this poller collects reaches the central.",
            Self::GorgonePortIsNrpe { .. }
            | Self::GorgonePortIsSsh { .. }
            | Self::GorgonePortsDiffer { .. }
            | Self::GorgoneUnreachable { .. }
            | Self::GorgoneOnLoopback { .. } => {
                "The central cannot hand over configuration, downtimes and acknowledgements."
            }
            Self::BbdoVersionsDiffer { .. } | Self::TlsOnOneSide { .. } => {
                "The two brokers refuse each other, though the port is open."
            }
            Self::CertificateFileMissing { .. } => "The broker cannot set up TLS.",
            Self::ProxyWithScheme { .. } => {
                "Licences and connectors are not found, though the proxy works."
            }
            Self::NoMailRelay { .. } => {
                "Notifications depend on TCP 25 being open to every mail server there is."
            }
            Self::TrapReceiverOnLoopback { .. } => "Traps of devices are lost without a word.",
            Self::TimeServersDiffer { .. } => "It depends on which one runs what time it is.",
            Self::LineRefused { program, .. } if program == "dnf" || program == "yum" => {
                "The whole file is passed over, and its repositories are gone."
            }
            Self::LineRefused { program, .. } if program == "gorgoned" => {
                "gorgoned goes on without the whole file: what it says of peers and ports is gone."
            }
            Self::LineRefused { program, .. } if program == "apt" => {
                "apt reads none of its lists, and this machine gets no updates."
            }
            Self::LineRefused { .. } => {
                "The program ends at its next start, and nothing it does is done."
            }
            Self::RoleContradicted { .. } => "The flows of another role may have been checked.",
        }
    }

    /// What to do, on this machine or in the web interface.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::BrokerSendsToItself { .. } => "in the web interface, in this poller's broker output, enter the central's address; export with Restart".to_owned(),
            Self::GorgonePortIsNrpe { machine, .. } | Self::GorgonePortIsSsh { machine, .. } => format!(
                "in the web interface, set the Gorgone port of {machine} to the one in its 40-gorgoned.yaml (external_com_path; 5556 by default)"
            ),
            Self::GorgonePortsDiffer { port, .. } => {
                format!("use port {port} everywhere: in the firewall, in the web interface and here")
            }
            Self::GorgoneUnreachable { .. } => "in the web interface, Display Gorgone configuration of this poller, paste it here; systemctl restart gorgoned".to_owned(),
            Self::GorgoneOnLoopback { at, .. } => {
                format!("set external_com_path to \"*:5556\" ({at}), then: systemctl restart gorgoned")
            }
            Self::BbdoVersionsDiffer { .. } => {
                "set one BBDO version for all brokers, export, restart cbd and centengine everywhere".to_owned()
            }
            Self::TlsOnOneSide { .. } => "set TLS the same way at both ends, export, restart cbd and centengine".to_owned(),
            Self::CertificateFileMissing { file, .. } => {
                format!("put the file there, readable by centreon-broker (ls -l {file}), or correct the path in the web interface")
            }
            Self::ProxyWithScheme { .. } => {
                "in Administration > Parameters > Centreon UI, enter the proxy's host name without http://".to_owned()
            }
            Self::NoMailRelay { .. } => "postconf -e 'relayhost = [RELAY]:PORT'; systemctl reload postfix".to_owned(),
            Self::TrapReceiverOnLoopback { at, .. } => {
                format!("let it listen on all addresses ({at}), then: systemctl restart snmptrapd")
            }
            Self::TimeServersDiffer { one, other, .. } => {
                format!("keep one of them: systemctl disable --now {other}, or give {one} the same servers")
            }
            Self::LineRefused { program, at, .. } => match program.as_str() {
                "chronyd" => format!("correct the line, then: chronyd -p -f {}; systemctl restart chronyd", at.file),
                "postfix" => "correct the line, then: postfix check && systemctl restart postfix".to_owned(),
                "exim" => "correct the line, then: exim -bV && systemctl restart exim4".to_owned(),
                "dnf" | "yum" => format!("correct the line, then: {program} repolist"),
                "gorgoned" => "correct the line (YAML indents with spaces, not with tabs), then: systemctl restart gorgoned".to_owned(),
                "apt" => "correct the line, then: apt-get update".to_owned(),
                program => format!("correct the line, then restart {program} and look at its log"),
            },
            Self::RoleContradicted { found, .. } => {
                format!("run it with --role {found}, or without --role")
            }
        }
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn every_mistake_has_its_heading_and_every_heading_is_a_mistake() {
        let page = include_str!("../../../docs/causes.md");
        let section = page.split("\n## ").find(|section| section.starts_with("Configuration\n"));
        let headings = section.unwrap().lines().filter_map(|line| line.strip_prefix("### "));
        let codes: Vec<&str> = MistakeCode::iter().map(Into::into).collect();
        assert_eq!(headings.collect::<Vec<_>>(), codes);
    }
}
