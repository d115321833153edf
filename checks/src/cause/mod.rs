//! Why a probe failed, and what passes today but will hurt.
//!
//! A [`Cause`] is named after what was observed, never after a guess at its
//! origin: a dropped packet is [`PathCause::NoAnswer`], not "firewall". Causes are
//! layered (name, route, path, port, TLS, protocol, authentication, service);
//! the sentence is written once, in `Display`, and the facts behind it travel
//! to JSON as they are.
//!
//! In a sentence ⟨…⟩ stands around an aside ([`aside`]): parentheses for a reader, left out of [`Cause::brief`].
//!
//! All that is known of a cause stands in the file of its section: variant, facts and sentence, and
//! below them layer, owner, what may be asked for, and what to do.

// A variant's name is its code, so it says what it is a cause of; what is known of each stands in a table
// in the order of the enum.
#![allow(clippy::enum_variant_names, clippy::match_same_arms)]

mod about;
mod agent;
mod aside;
mod bbdo;
mod coded;
mod concern;
mod database;
mod dns;
mod facts;
mod far_side;
mod firewall;
mod gorgone;
mod ldap;
mod name;
mod nsclient;
mod ntp;
mod own;
mod path;
mod port;
mod remedy;
mod route;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
#[cfg(test)]
mod saved;
mod smtp;
mod snmp;
mod ssh;
mod talk;
#[cfg(test)]
mod tests;
mod tls;
mod web;

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::VariantNames as _;

pub use about::{Layer, Owner, Plea, Whereabouts};
pub use agent::AgentCause;
pub use bbdo::BbdoCause;
pub use coded::Coded;
pub use concern::{Concern, ConcernCode};
pub use database::DatabaseCause;
pub use dns::DnsCause;
pub use facts::{
    AliasEnd, Because, ChainLink, CircleSign, ClosedHow, DropSign, HostAnswer, Icmp, LinkFault,
    LocalFirewallSign, LocalRoute, ManyHosts, Millis, NtpProgram, NtpWeakness, Opinion,
    OwnFirewall, Phase, QuietPoller, ResetSign, RouteEntry, SourceFault, SshPart, Transport,
    TunnelLink, span,
};
pub use far_side::FarSideCause;
pub use firewall::{ClosedPort, FirewallCause};
pub use gorgone::GorgoneCause;
pub use ldap::LdapCause;
pub(crate) use ldap::{DISABLED, EMPTY_PASSWORD, EXPIRED, LOCKED, TO_BE_CHANGED};
pub use name::NameCause;
pub use nsclient::NsclientCause;
pub use ntp::NtpCause;
pub use own::OwnCause;
pub use path::PathCause;
pub use port::PortCause;
pub use remedy::{Blank, Demand, ECHO_REQUEST, Passage, Remedy, RemedyCommand, RunOn};
pub use route::RouteCause;
pub use smtp::SmtpCause;
pub use snmp::SnmpCause;
pub use ssh::SshCause;
pub use talk::TalkCause;
pub(crate) use talk::instead_of;
pub use tls::TlsCause;
pub use web::WebCause;
pub(crate) use web::is_parked;

use about::About;
use remedy::Advice;

/// What a section's type derives, by names that fit in a line.
mod derives {
    pub(super) use serde::{Deserialize, Serialize};
    pub(super) use strum::{IntoStaticStr, VariantNames};
    pub(super) use thiserror::Error;
}

/// Makes [`Cause`] of its sections: a section's file and its line here are all there is to one.
macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident($cause:ident),)*) => {
        /// The one reason a probe failed, with the facts an operator needs.
        ///
        /// The kebab-case code of a section's variant is part of the JSON and JUnit formats and
        /// the heading of its remedy in `docs/causes.md`; a released code never changes.
        /// Strings that came from a peer are already escaped and bounded. What a cause
        /// serialises to is enough to have it back, so that a saved run can be judged again; the
        /// sections do not show in it.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Cause {
            $($(#[$doc])* $section($cause),)*
        }

        $(impl From<$cause> for Cause {
            fn from(cause: $cause) -> Self {
                Self::$section(cause)
            }
        })*

        impl std::error::Error for Cause {}

        impl Cause {
            /// Name used in reports and in `docs/causes.md`.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$section(cause) => cause.into(),)*
                }
            }

            /// Every code there is.
            pub fn codes() -> impl Iterator<Item = &'static str> {
                [$($cause::VARIANTS),*].into_iter().flatten().copied()
            }

            /// Its code and its facts, as a report keeps them.
            #[must_use]
            pub fn coded(&self) -> Coded {
                let coded = Coded::of(match self {
                    $(Self::$section(cause) => serde_json::to_value(cause),)*
                });
                coded.unwrap_or_else(|_| Coded { code: self.code().to_owned(), ..Coded::default() })
            }

            /// The sentence with its asides marked, for a cause that holds this one.
            fn marked(&self) -> &dyn std::fmt::Display {
                match self {
                    $(Self::$section(cause) => cause,)*
                }
            }

            fn about(&self) -> About {
                match self {
                    $(Self::$section(cause) => cause.about(),)*
                }
            }

            fn advice(&self, passage: &Passage<'_>) -> Advice {
                match self {
                    $(Self::$section(cause) => cause.advice(passage),)*
                }
            }
        }

        /// By its code, so that what is wrong with a fact is said of the cause that is meant.
        impl TryFrom<Coded> for Cause {
            type Error = serde_json::Error;

            fn try_from(coded: Coded) -> Result<Self, Self::Error> {
                use serde::de::Error;

                $(if $cause::VARIANTS.contains(&coded.code.as_str()) {
                    return coded.read($cause::deserialize).map(Self::$section);
                })*
                Err(Self::Error::custom(format_args!("unknown cause `{}`", coded.code)))
            }
        }
    };
}

sections! {
    /// Name resolution.
    Name(NameCause),
    /// This host's routing, firewall and resources.
    Route(RouteCause),
    /// Between this host and the peer.
    Path(PathCause),
    /// A port, the peer's or one of this host.
    Port(PortCause),
    /// This host's own firewall, as its rules are read.
    Firewall(FirewallCause),
    /// What two ends tell together.
    FarSide(FarSideCause),
    /// A conversation of whatever protocol.
    Talk(TalkCause),
    /// TLS and certificates.
    Tls(TlsCause),
    /// Time.
    Ntp(NtpCause),
    /// A DNS server.
    Dns(DnsCause),
    /// A mail server.
    Smtp(SmtpCause),
    /// A directory.
    Ldap(LdapCause),
    /// A web server or a proxy.
    Web(WebCause),
    /// Gorgone.
    Gorgone(GorgoneCause),
    /// A broker.
    Bbdo(BbdoCause),
    /// An SSH server.
    Ssh(SshCause),
    /// An SNMP agent.
    Snmp(SnmpCause),
    /// NSClient++.
    Nsclient(NsclientCause),
    /// An agent on a monitored host.
    Agent(AgentCause),
    /// A database.
    Database(DatabaseCause),
    /// Preflight itself.
    Own(OwnCause),
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.coded().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Coded::deserialize(from)?.try_into().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        aside::whole(self.marked(), out)
    }
}

impl Cause {
    /// Its sentence without what explains it in parentheses, for a line that names several.
    #[must_use]
    pub fn brief(&self) -> String {
        aside::brief(self.marked())
    }

    /// Who has to act.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.about().owner
    }

    /// The layer this cause belongs to.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.about().layer
    }

    /// What may be asked for against it.
    #[must_use]
    pub fn plea(&self) -> Plea {
        self.about().plea
    }

    /// Where it was stopped, when that is not the port that was asked: a question may go on elsewhere.
    #[must_use]
    pub fn stopped_at(&self) -> Option<SocketAddr> {
        match self {
            Self::Ntp(NtpCause::NtsTimeFails { to, .. } | NtpCause::NtsPacketsLost { to, .. }) => {
                Some(*to)
            }
            _ => None,
        }
    }

    /// Who acts on this passage, and what they do.
    #[must_use]
    pub fn remedy(&self, passage: &Passage<'_>) -> Remedy {
        match passage.to_server() {
            // What a server behind a proxy gets wrong is not the proxy's.
            Some(server) if self.is_of_the_server() => {
                self.advice(&server).of(self.owner(), server.target)
            }
            _ => self.advice(passage).of(self.owner_on(passage), passage.target),
        }
    }

    /// Who has to act on this passage: whatever fails at an address of this host is this host's.
    #[must_use]
    pub fn owner_on(&self, passage: &Passage<'_>) -> Owner {
        let is_behind = passage.behind.is_some() && self.is_of_the_server();
        if is_behind { self.owner() } else { passage.owner(self.owner()) }
    }

    /// Is it the administrator of the server that acts, if a proxy stands before it? Up to the port, and in
    /// what is of the way to a proxy, the proxy is meant.
    fn is_of_the_server(&self) -> bool {
        self.owner() == Owner::FarSide && self.layer() > Layer::Port && self.inner().is_none()
    }

    /// Cannot be told from this side: the outcome is `unknown`, not `fail`.
    #[must_use]
    pub fn is_inconclusive(&self) -> bool {
        self.about().is_untold
    }

    /// The target itself says that nothing listens: the path to it is open.
    ///
    /// Before installation that is what a good network looks like.
    #[must_use]
    pub fn is_path_open(&self) -> bool {
        matches!(
            self,
            Self::Port(
                PortCause::PortClosed { .. }
                    | PortCause::ClosedHere { .. }
                    | PortCause::NothingListens { .. }
            )
        )
    }

    /// How the very question failed, in a cause that says where it did: on the way to a proxy,
    /// beside a VPN, inside it, or over UDP alone.
    ///
    /// What else a cause holds is of another question: to a name server, over TCP.
    #[must_use]
    pub fn inner(&self) -> Option<&Self> {
        match self {
            Self::Route(RouteCause::VpnNotUsed { because, .. })
            | Self::Path(
                PathCause::FailsInsideVpn { because, .. }
                | PathCause::AcceptedOnTheWay { because, .. },
            )
            | Self::Dns(DnsCause::DnsTcpOnly { udp: because })
            | Self::Web(WebCause::ProxyUnreachable { because, .. }) => Some(because),
            _ => None,
        }
    }

    /// The same, where the question failed as `inner` says; itself when it holds no other.
    #[must_use]
    pub fn with_inner(&self, inner: Self) -> Self {
        let mut with = self.clone();
        match &mut with {
            Self::Route(RouteCause::VpnNotUsed { because, .. })
            | Self::Path(
                PathCause::FailsInsideVpn { because, .. }
                | PathCause::AcceptedOnTheWay { because, .. },
            )
            | Self::Dns(DnsCause::DnsTcpOnly { udp: because })
            | Self::Web(WebCause::ProxyUnreachable { because, .. }) => **because = inner,
            _ => {}
        }
        with
    }

    /// A silence that answers may have come to all the same: whom, and how long.
    #[must_use]
    pub fn unheard(&self) -> Option<(SocketAddr, Millis)> {
        match self {
            Self::Path(cause) => cause.unheard().or_else(|| self.inner()?.unheard()),
            &Self::Snmp(SnmpCause::SnmpSilent { to, waited }) => Some((to, waited)),
            other => other.inner()?.unheard(),
        }
    }

    /// The same silence, explained: the answers came, and this host drops them.
    ///
    /// Any other cause stays what it is.
    #[must_use]
    pub fn dropped_here(&self, how: DropSign) -> Self {
        match (self.unheard(), self.inner()) {
            (None, _) => self.clone(),
            (Some((to, waited)), None) => RouteCause::ReplyDroppedHere { to, how, waited }.into(),
            // What this host does is no matter of the VPN's.
            (_, Some(inner)) if matches!(self, Self::Path(PathCause::FailsInsideVpn { .. })) => {
                inner.dropped_here(how)
            }
            (_, Some(inner)) => self.with_inner(inner.dropped_here(how)),
        }
    }

    /// The same silence, explained: answers came from an address or port that was not asked.
    ///
    /// Any other cause stays what it is.
    #[must_use]
    pub fn astray(&self) -> Self {
        match (self.unheard(), self.inner()) {
            (None, _) => self.clone(),
            (Some((to, waited)), None) => PathCause::AnswersAstray { to, waited }.into(),
            (_, Some(inner)) => self.with_inner(inner.astray()),
        }
    }

    /// `expected` was not in `bytes`; keeps the first 32 of them, escaped.
    pub(crate) fn bad_reply(expected: &'static str, bytes: &[u8]) -> Self {
        TalkCause::BadReply { expected: expected.into(), got: crate::wire::head(bytes) }.into()
    }
}

/// Names in a sentence: at most four, then how many more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        0 => "nothing".to_owned(),
        n if n <= SHOWN => names.join(", "),
        n => {
            let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            format!("{} and {} more", shown.join(", "), n - SHOWN)
        }
    }
}

/// "2 of 5 connections open: one of several paths is dead"
fn dead_path(transport: Transport, open: &[u16], dead: &[u16]) -> String {
    let count = open.len();
    let what = match (transport, count) {
        (Transport::Tcp, 1) => "connections opens",
        (Transport::Tcp, _) => "connections open",
        (Transport::Udp, 1) => "source ports is answered",
        (Transport::Udp, _) => "source ports are answered",
        (Transport::Icmp, 1) => "echo requests is answered",
        (Transport::Icmp, _) => "echo requests are answered",
    };
    let all = count + dead.len();
    format!("{count} of {all} {what}: one of several paths is dead")
}

/// "source ports 40001, 40003, 40005"
fn source_ports(ports: &[u16]) -> String {
    let plural = if ports.len() == 1 { "" } else { "s" };
    let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    format!("source port{plural} {ports}")
}
