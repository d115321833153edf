//! What is known of each cause: its layer, who has to act, and what may be asked for.
//!
//! One line a cause, so that none is forgotten and none contradicts itself.

use std::net::IpAddr;

use serde::Serialize;

use super::facts::{ChainLink, Transport};
use super::{Cause, Concern};

/// Who has to act. Decides whom the report tells the reader to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The administrator of the machine preflight runs on.
    ThisHost,
    /// The network team, and where they should look.
    Network(Whereabouts),
    /// The administrator of the peer.
    FarSide,
    /// Nobody: there is nothing to repair.
    Nobody,
}

/// Where on the way something stands in it, as far as anything named itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whereabouts {
    /// This device says no.
    At(IpAddr),
    /// This device is the last that was heard: it is there or behind it.
    AtOrBehind(IpAddr),
    /// This device is the first that others reach: it is there or before it.
    AtOrBefore(IpAddr),
    /// No device named itself.
    Unknown,
}

/// What may be asked for against a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plea {
    /// A firewall rule that lets the flow pass.
    Allow {
        /// Over this transport alone; `None`: over whatever the flow is asked over.
        over: Option<Transport>,
    },
    /// Something on the way has to be repaired, and no rule helps.
    Repair,
    /// Nothing on the way: a service, a password, a machine's own settings.
    Nothing,
}

/// Why an account is refused whose password may be right: Active Directory's sub-codes, and our
/// words for what other directories say.
const ACCOUNT: [&str; 11] = [
    "530",
    "531",
    "532",
    "533",
    "701",
    "773",
    "775",
    "account-locked",
    "account-disabled",
    "password-expired",
    "change-after-reset",
];

/// The layer a cause belongs to, lowest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::EnumIter,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Layer {
    /// The probe or this host's resources.
    Host,
    /// Name resolution.
    Name,
    /// This host's routing table and firewall.
    Route,
    /// Devices between this host and the peer.
    Path,
    /// The peer's port.
    Port,
    /// TLS.
    Tls,
    /// The protocol.
    Protocol,
    /// Credentials and access lists.
    Authentication,
    /// The service behind the protocol.
    Service,
}

impl Whereabouts {
    /// The device that is named.
    #[must_use]
    pub fn device(self) -> Option<IpAddr> {
        match self {
            Self::At(device) | Self::AtOrBehind(device) | Self::AtOrBefore(device) => Some(device),
            Self::Unknown => None,
        }
    }
}

impl From<Option<IpAddr>> for Whereabouts {
    fn from(says_no: Option<IpAddr>) -> Self {
        says_no.map_or(Self::Unknown, Self::At)
    }
}

impl Cause {
    /// Who has to act.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.about().1
    }

    /// The layer this cause belongs to.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.about().0
    }

    /// What may be asked for against it.
    #[must_use]
    pub fn plea(&self) -> Plea {
        self.about().2
    }

    /// A new cause gets its line here: there is no wildcard.
    #[allow(clippy::too_many_lines, clippy::match_same_arms)] // A table, in the order of the enum.
    fn about(&self) -> (Layer, Owner, Plea) {
        use Layer::{Authentication, Host, Name, Path, Port, Protocol, Route, Service, Tls};
        use Owner::{FarSide, Nobody, ThisHost};
        use Plea::{Nothing, Repair};
        use Whereabouts::{At, AtOrBefore, AtOrBehind, Unknown};
        const ALLOW: Plea = Plea::Allow { over: None };
        let network = Owner::Network;
        match self {
            // ---- name ----
            Self::NameNotFound { .. }
            | Self::NameNotAskedFor { .. }
            | Self::NameNotInDns { .. }
            | Self::OtherFamilyOnly { .. }
            | Self::NameWithoutAddress { .. }
            | Self::ResolverFailed { .. }
            | Self::AliasBroken { .. }
            | Self::NameIsLoopback { .. }
            | Self::NameIsNobody { .. }
            | Self::NameFileUnread { .. }
            | Self::NoNameServer { .. }
            | Self::NoInternetNames { .. }
            | Self::NameServerElsewhere { .. } => (Name, ThisHost, Nothing),
            // What stands between is not on the way of this flow: its own request would not help.
            Self::NameServerUnreachable { because, .. } => match because.owner() {
                Owner::Network(at) => (Name, network(at), Repair),
                other => (Name, other, Nothing),
            },

            // ---- route: this host ----
            Self::NoRoute { .. }
            | Self::VpnNotUsed { .. }
            | Self::GatewaySilent { .. }
            | Self::RouteOnLink { .. }
            | Self::ReplyDroppedHere { .. } => (Route, ThisHost, Nothing),
            Self::LocalFirewall { .. } => (Route, ThisHost, ALLOW),
            Self::SourceUnusable { .. } | Self::LocalError { .. } => (Host, ThisHost, Nothing),

            // ---- path ----
            // No firewall between the sites sees what is inside.
            Self::NoNeighbour { .. } | Self::FailsInsideVpn { .. } => (Path, FarSide, Nothing),
            Self::HostUnreachable { by, .. }
            | Self::NetUnreachable { by, .. }
            | Self::HopLimitExceeded { by, .. } => (Path, network(At(*by)), Repair),
            Self::PathRejected { by, .. } => (Path, network(At(*by)), ALLOW),
            // Nothing but this host and its segment lies before the first router.
            Self::PathReset { hop: 0, .. } => (Path, ThisHost, ALLOW),
            Self::PathReset { by, .. } => (Path, network(by.map_or(Unknown, AtOrBehind)), ALLOW),
            Self::CutOff { by, .. } | Self::RejectedInItsName { by, .. } => {
                (Path, network((*by).into()), ALLOW)
            }
            // Whoever lets a handshake pass and not what follows has a rule about that.
            Self::Unacknowledged { .. } | Self::AnswersLost { .. } => {
                (Path, network(Unknown), ALLOW)
            }
            Self::TargetRejected { .. } | Self::PortSilentOnSegment { .. } => {
                (Path, FarSide, ALLOW)
            }
            Self::PortSilentAfter { by, .. } | Self::HostSilentAfter { by, .. } => {
                (Path, network(AtOrBehind(*by)), ALLOW)
            }
            Self::FilteredBetween { after, next, .. } => {
                let at = after.map_or(AtOrBefore(*next), AtOrBehind);
                (Path, network(at), ALLOW)
            }
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::PortSilent { .. }
            | Self::SnmpSilent { .. } => (Path, network(Unknown), ALLOW),
            Self::Unsteady { .. }
            | Self::MostlyLost { .. }
            | Self::OnePathDead { .. }
            | Self::MtuBlackHole { .. } => {
                (Path, network(Unknown), Repair)
            }

            // ---- port ----
            Self::PortClosed { .. } => (Port, FarSide, Nothing),
            Self::NothingListens { .. }
            | Self::ListensOnLoopback { .. }
            | Self::FoundOnOtherPort { .. } => (Port, ThisHost, Nothing),
            Self::ListenersUnknown { .. } => (Host, ThisHost, Nothing),

            // ---- conversation ----
            Self::Silent { .. }
            | Self::SmtpGreetingLate { .. }
            | Self::SilentAfter { .. }
            | Self::AnsweredFromElsewhere { .. }
            | Self::WindowClosed { .. }
            | Self::HungUp { .. }
            | Self::Reset { .. }
            | Self::Incomplete { .. }
            | Self::Endless { .. }
            | Self::WrongService { .. }
            | Self::BadReply { .. } => (Protocol, FarSide, Nothing),

            // ---- TLS ----
            Self::CertificateUnknownIssuer { .. }
            | Self::TrustStoreEmpty
            | Self::CertificateUnchecked { .. }
            // It lies in this host's store.
            | Self::CertificateExpired { link: ChainLink::Root, .. }
            | Self::CertificateNotYetValid { link: ChainLink::Root, .. }
            | Self::CertificateWeakKey { link: ChainLink::Root, .. }
            | Self::CertificateWeakSignature { link: ChainLink::Root, .. }
            // It was given as an address here.
            | Self::TlsNameUnknown { by_name: false, .. } => (Tls, ThisHost, Nothing),
            Self::TlsIntercepted { .. } | Self::CertificateOfDevice { .. } => {
                (Tls, network(Unknown), Repair)
            }
            Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::CertificateSelfSigned { .. }
            | Self::CertificateIncompleteChain { .. }
            | Self::CertificateWrongName { .. }
            | Self::CertificateWeakKey { .. }
            | Self::CertificateWeakSignature { .. }
            | Self::CertificateWrongPurpose { .. }
            | Self::CertificateNameForbidden { .. }
            | Self::CertificateInvalid { .. }
            | Self::TlsNothingInCommon { .. }
            | Self::TlsNameUnknown { .. }
            | Self::TlsVersion { .. }
            | Self::TlsRefused { .. }
            | Self::TlsClosed { .. }
            | Self::TlsClientCertificateWanted { .. }
            | Self::TlsUnexpected { .. } => (Tls, FarSide, Nothing),

            // ---- NTP ----
            Self::NtpUnsynchronised { .. } | Self::NtpTooFar { .. } => (Service, FarSide, Nothing),
            Self::NtpDenied { .. } => (Authentication, FarSide, Nothing),
            Self::NtpRateLimited => (Protocol, FarSide, Nothing),
            Self::ClockOffset { .. } => (Service, ThisHost, Nothing),

            // ---- DNS ----
            Self::DnsRefused { .. } => (Authentication, FarSide, Nothing),
            // Its page: ask again, with a name.
            Self::DnsNoNameAsked => (Service, ThisHost, Nothing),
            Self::DnsServfail { .. }
            | Self::DnsValidation { .. }
            | Self::DnsNotRecursive { .. }
            | Self::DnsNameNotFound { .. }
            | Self::DnsNameWithoutAddress { .. }
            | Self::DnsUnanswered { .. } => (Service, FarSide, Nothing),
            Self::DnsTruncated { tcp, .. } => {
                (Protocol, tcp.owner(), tcp.plea().over(Transport::Tcp))
            }
            Self::DnsTcpOnly { udp } => (Protocol, udp.owner(), udp.plea().over(Transport::Udp)),
            Self::DnsFailed { .. } => (Protocol, FarSide, Nothing),

            // ---- SMTP ----
            Self::SmtpRefused { .. }
            | Self::SmtpBlockListed { .. }
            | Self::SmtpRelayDenied { .. } => (Authentication, FarSide, Nothing),
            Self::SmtpAuthenticationWanted { .. } | Self::SmtpNoReverseName { .. } => {
                (Authentication, ThisHost, Nothing)
            }
            Self::SmtpGreylisted { .. } => (Service, FarSide, Nothing),
            Self::SmtpSenderRefused { .. } => (Service, ThisHost, Nothing),
            Self::SmtpUnavailable { .. } | Self::SmtpMailRefused { .. } => {
                (Service, FarSide, Nothing)
            }
            Self::SmtpInspected { .. } => (Protocol, network(Unknown), Repair),
            Self::SmtpHelloRefused { .. }
            | Self::SmtpStarttlsRefused { .. }
            | Self::SmtpStarttlsMissing { .. } => (Protocol, FarSide, Nothing),

            // ---- LDAP ----
            // Locked, disabled, expired: the password may be right.
            Self::LdapBindRefused { sub_code: Some(code), .. }
                if ACCOUNT.contains(&code.as_str()) =>
            {
                (Authentication, FarSide, Nothing)
            }
            // The protection, and the name of the directory, are the platform's own settings.
            Self::LdapBindRefused { .. } | Self::LdapProtectionRequired { .. } => {
                (Authentication, ThisHost, Nothing)
            }
            Self::LdapReferral { .. } => (Service, ThisHost, Nothing),
            Self::LdapLimit { .. } | Self::LdapBindUnanswered { .. } => (Service, FarSide, Nothing),
            Self::LdapRefused { .. } | Self::LdapStarttlsRefused { .. } => {
                (Protocol, FarSide, Nothing)
            }

            // ---- HTTP and proxies ----
            Self::HttpForbidden { .. } => (Authentication, FarSide, Nothing),
            Self::HttpStatus { .. } => (Protocol, FarSide, Nothing),
            Self::HttpNotFound { .. } | Self::HttpServerError { .. } => (Service, FarSide, Nothing),
            Self::CaptivePortal { .. }
            | Self::PageInstead { .. }
            | Self::NotMetadata { secure: false, .. } => (Protocol, network(Unknown), Repair),
            Self::NotMetadata { secure: true, .. } => (Protocol, FarSide, Nothing),
            Self::RedirectLoop { .. } => (Service, FarSide, Nothing),
            Self::ProxyScheme { .. } => (Authentication, network(Unknown), Repair),
            Self::ProxyAuthentication { .. } => (Authentication, ThisHost, Nothing),
            Self::ProxyDenied { .. } => (Authentication, network(Unknown), Repair),
            Self::ProxyCannotReach { .. } | Self::ProxySilent { .. } => {
                (Service, network(Unknown), Repair)
            }
            Self::ProxyUnreachable { because, .. } => because.about(),

            // ---- Gorgone ----
            Self::ZmtpMechanism { .. }
            | Self::ZmtpVersion { .. }
            | Self::ZmtpOtherService { .. } => (Protocol, FarSide, Nothing),
            Self::GorgoneWebsocketMissing { .. } | Self::GorgoneWebsocketDown { .. } => {
                (Service, FarSide, Nothing)
            }
            Self::GorgoneTokenRefused { .. } | Self::GorgoneApiRefused { .. } => {
                (Authentication, ThisHost, Nothing)
            }
            Self::GorgoneNoStatus | Self::NoPong { .. } => (Service, ThisHost, Nothing),

            // ---- BBDO ----
            Self::BbdoTwo { .. } | Self::BbdoMajor { .. } | Self::BbdoCarrier { .. } => {
                (Protocol, FarSide, Nothing)
            }
            Self::BbdoTls { .. } | Self::BbdoTlsNoCertificate => (Tls, FarSide, Nothing),
            // The platform's own settings and files.
            Self::BbdoTlsAnonymous
            | Self::BbdoCertificateRefused
            | Self::BbdoFileUnusable { .. } => (Tls, ThisHost, Nothing),
            Self::BbdoCertificate { because } => match because.owner() {
                ThisHost => (Tls, ThisHost, Nothing),
                _ => (Tls, FarSide, Nothing),
            },

            // ---- SSH ----
            Self::SshRefused { .. } | Self::SshClosed { .. } | Self::SshNothingInCommon { .. } => {
                (Protocol, FarSide, Nothing)
            }

            // ---- SNMP ----
            Self::SnmpUnknownUser { .. }
            | Self::SnmpWrongDigest { .. }
            | Self::SnmpDecryption { .. } => (Authentication, ThisHost, Nothing),
            Self::SnmpCommunity { .. }
            | Self::SnmpSecurityLevel { .. }
            | Self::SnmpAuthorization { .. }
            | Self::SnmpUserIgnored { .. } => (Authentication, FarSide, Nothing),
            Self::SnmpTimeWindow { .. } => (Protocol, FarSide, Nothing),
            Self::SnmpView | Self::TooSlow { .. } => (Service, FarSide, Nothing),

            // ---- NSClient++ ----
            Self::NsclientNotAllowed { .. } | Self::NsclientRefused { .. } => {
                (Authentication, FarSide, Nothing)
            }
            Self::NsclientLogin { .. } => (Authentication, ThisHost, Nothing),

            // ---- databases ----
            Self::DatabaseHostRefused { .. } => (Authentication, FarSide, Nothing),
            Self::DatabaseUserUntold { .. } => (Authentication, ThisHost, Nothing),
            Self::DatabaseError { .. } => (Service, FarSide, Nothing),
            Self::RedisProtected => (Authentication, FarSide, Nothing),
            Self::RedisLogin { .. } => (Authentication, ThisHost, Nothing),
            Self::RedisNotPermitted { .. } => (Authentication, FarSide, Nothing),
            Self::RedisLoading | Self::RedisMasterDown => (Service, FarSide, Nothing),
            Self::RedisDisk { .. } | Self::RedisFull => (Service, FarSide, Nothing),

            // ---- ourselves ----
            Self::ProbePanicked { .. } | Self::Interrupted => (Host, Nobody, Nothing),
        }
    }
}

impl Concern {
    /// Who has to act.
    #[must_use]
    #[allow(clippy::match_same_arms)] // A table, in the order of the enum.
    pub fn owner(&self) -> Owner {
        use Owner::{FarSide, Nobody, ThisHost};
        let network = Owner::Network(Whereabouts::Unknown);
        match self {
            // That is what the installation is for.
            Self::PathOpen { .. } | Self::NothingListensYet { .. } => Nobody,
            Self::SomeAddressesFail { .. }
            | Self::OtherWayFails { .. }
            | Self::CertificateEndsSoon { .. } => FarSide,
            Self::NameSlow { .. } | Self::PeerIsLoopback { .. } | Self::OutsideVpn { .. } => {
                ThisHost
            }
            Self::CertificateUnverified { .. } => ThisHost,
            Self::TlsOldRenegotiation | Self::DnsNameFails { .. } => FarSide,
            Self::CertificateCommonNameOnly { .. } => FarSide,
            Self::TlsNotSpoken { .. } => ThisHost,
            Self::PacketLoss { .. } => network,
            Self::AnswersFromElsewhere { .. } => FarSide,
            Self::AnswersMissing { .. } | Self::TcpLosses { .. } => network,
            Self::SomePortsDead { .. } | Self::SlowRoundTrip { .. } => network,
            Self::SlowAnswer { .. } => FarSide,
            Self::NtpWeakSource { .. } => FarSide,
            Self::DnsUdpOnly { .. } | Self::DnsOwnZonesOnly => FarSide,
            Self::DnsWithoutEdns => network,
            Self::SmtpNoStarttls | Self::SmtpSlowGreeting { .. } => FarSide,
            Self::SmtpMasked { .. } => network,
            Self::LdapNoStarttls => FarSide,
            Self::LdapPasswordKept => FarSide,
            Self::LdapPasswordExpires { .. } => FarSide,
            Self::LdapBindWithheld | Self::LdapNotBound => ThisHost,
            Self::BbdoGrpc | Self::BbdoTlsNotAsked | Self::BbdoFileUnread { .. } => ThisHost,
            Self::BbdoTlsNotOffered | Self::BbdoSlow { .. } | Self::BbdoOld { .. } => FarSide,
            Self::SnmpSmallView => FarSide,
            Self::SnmpNotRead => ThisHost,
            Self::HttpSendsElsewhere { .. } => ThisHost,
            Self::NsclientNotRead | Self::NsclientPasswordKept | Self::TlsRequired => ThisHost,
            Self::RedisNotRead | Self::RedisReplica => ThisHost,
        }
    }
}

impl Plea {
    /// The same, over `transport` alone.
    fn over(self, transport: Transport) -> Self {
        match self {
            Self::Allow { .. } => Self::Allow { over: Some(transport) },
            Self::Repair | Self::Nothing => self,
        }
    }
}
