//! Who has to act on a cause, and at which layer it lies.

use std::net::IpAddr;

use serde::Serialize;

use super::Cause;

/// Who has to act. Decides whom the report tells the reader to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// The administrator of the machine preflight runs on.
    ThisHost,
    /// The network team; the device, when it named itself.
    Network {
        /// The device that said no.
        device: Option<IpAddr>,
    },
    /// The administrator of the peer.
    FarSide,
    /// Nobody: there is nothing to repair.
    Nobody,
}

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

impl Cause {
    /// Who has to act.
    #[must_use]
    #[allow(clippy::too_many_lines)] // A new cause must be given its place: no wildcard.
    pub fn owner(&self) -> Owner {
        match self {
            Self::NameNotFound { .. }
            | Self::NameWithoutAddress { .. }
            | Self::ResolverFailed { .. }
            | Self::NoRoute { .. }
            | Self::LocalFirewall { .. }
            | Self::ReplyDroppedHere { .. }
            // Nothing but this host and its segment lies before the first router.
            | Self::PathReset { hop: 0, .. }
            | Self::LocalError { .. }
            | Self::NothingListens { .. }
            | Self::ListensOnLoopback { .. }
            | Self::ClockOffset { .. }
            | Self::CertificateUnknownIssuer { .. }
            | Self::TrustStoreEmpty
            | Self::SnmpUnknownUser { .. }
            | Self::SnmpWrongDigest { .. }
            | Self::SnmpDecryption { .. }
            | Self::ProxyAuthentication { .. }
            | Self::LdapBindRefused { .. }
            | Self::NsclientLogin { .. }
            | Self::GorgoneOnOtherPort { .. }
            | Self::NoPong { .. } => Owner::ThisHost,
            Self::HostUnreachable { by, .. }
            | Self::NetUnreachable { by, .. }
            | Self::PathRejected { by, .. }
            | Self::HopLimitExceeded { by, .. }
            | Self::PortSilentAfter { by, .. }
            | Self::HostSilentAfter { by, .. } => Owner::Network { device: Some(*by) },
            Self::PathReset { by, .. } => Owner::Network { device: *by },
            Self::FilteredBetween { after, next, .. } => {
                Owner::Network { device: Some(after.unwrap_or(*next)) }
            }
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::PortSilent { .. }
            | Self::Unsteady { .. }
            | Self::MtuBlackHole { .. }
            | Self::SmtpInspected { .. }
            | Self::CaptivePortal { .. }
            | Self::TlsIntercepted { .. }
            | Self::ProxyDenied { .. }
            | Self::ProxyCannotReach { .. }
            | Self::ProxySilent { .. }
            | Self::SnmpSilent { .. } => Owner::Network { device: None },
            Self::ProxyUnreachable { because, .. } => because.owner(),
            Self::DnsTcpOnly { udp: because } | Self::DnsTruncated { tcp: because, .. } => {
                because.owner()
            }
            Self::ProbePanicked { .. } | Self::Interrupted => Owner::Nobody,
            Self::NoNeighbour { .. }
            | Self::TargetRejected { .. }
            | Self::PortSilentOnSegment { .. }
            | Self::PortClosed { .. }
            | Self::Silent { .. }
            | Self::HungUp { .. }
            | Self::Reset { .. }
            | Self::Incomplete { .. }
            | Self::Endless { .. }
            | Self::WrongService { .. }
            | Self::BadReply { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::CertificateSelfSigned { .. }
            | Self::CertificateIncompleteChain { .. }
            | Self::CertificateWrongName { .. }
            | Self::CertificateInvalid { .. }
            | Self::TlsVersion { .. }
            | Self::TlsRefused { .. }
            | Self::TlsClosed { .. }
            | Self::TlsClientCertificateWanted { .. }
            | Self::TlsUnexpected { .. }
            | Self::NtpUnsynchronised { .. }
            | Self::NtpDenied { .. }
            | Self::NtpRateLimited
            | Self::DnsRefused { .. }
            | Self::DnsServfail { .. }
            | Self::DnsValidation { .. }
            | Self::DnsNotRecursive { .. }
            | Self::DnsNameNotFound { .. }
            | Self::DnsNameWithoutAddress { .. }
            | Self::DnsUnanswered { .. }
            | Self::DnsFailed { .. }
            | Self::SmtpRefused { .. }
            | Self::SmtpUnavailable { .. }
            | Self::SmtpHelloRefused { .. }
            | Self::SmtpStarttlsRefused { .. }
            | Self::SmtpMailRefused { .. }
            | Self::LdapProtectionRequired { .. }
            | Self::LdapRefused { .. }
            | Self::LdapStarttlsRefused { .. }
            | Self::HttpForbidden { .. }
            | Self::HttpNotFound { .. }
            | Self::HttpStatus { .. }
            | Self::HttpServerError { .. }
            | Self::ZmtpMechanism { .. }
            | Self::ZmtpVersion { .. }
            | Self::ZmtpOtherService { .. }
            | Self::BbdoTwo { .. }
            | Self::BbdoMajor { .. }
            | Self::BbdoCarrier { .. }
            | Self::BbdoTls { .. }
            | Self::SshRefused { .. }
            | Self::SnmpCommunity { .. }
            | Self::SnmpSecurityLevel { .. }
            | Self::SnmpTimeWindow { .. }
            | Self::SnmpAuthorization { .. }
            | Self::SnmpUserIgnored { .. }
            | Self::SnmpView
            | Self::GorgoneWebsocketMissing { .. }
            | Self::GorgoneWebsocketDown { .. }
            | Self::NsclientNotAllowed { .. }
            | Self::NsclientRefused { .. }
            | Self::DatabaseHostRefused { .. }
            | Self::DatabaseError { .. } => Owner::FarSide,
        }
    }

    /// The layer this cause belongs to.
    #[must_use]
    #[allow(clippy::too_many_lines)] // A new cause must be given its place: no wildcard.
    pub fn layer(&self) -> Layer {
        match self {
            Self::ProbePanicked { .. } | Self::Interrupted | Self::LocalError { .. } => Layer::Host,
            Self::NameNotFound { .. }
            | Self::NameWithoutAddress { .. }
            | Self::ResolverFailed { .. } => Layer::Name,
            Self::NoRoute { .. } | Self::LocalFirewall { .. } | Self::ReplyDroppedHere { .. } => {
                Layer::Route
            }
            Self::NoNeighbour { .. }
            | Self::HostUnreachable { .. }
            | Self::NetUnreachable { .. }
            | Self::PathRejected { .. }
            | Self::PathReset { .. }
            | Self::TargetRejected { .. }
            | Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::HopLimitExceeded { .. }
            | Self::FilteredBetween { .. }
            | Self::PortSilentAfter { .. }
            | Self::PortSilent { .. }
            | Self::PortSilentOnSegment { .. }
            | Self::HostSilentAfter { .. }
            | Self::Unsteady { .. }
            | Self::MtuBlackHole { .. }
            | Self::SnmpSilent { .. } => Layer::Path,
            Self::PortClosed { .. }
            | Self::NothingListens { .. }
            | Self::ListensOnLoopback { .. } => Layer::Port,
            Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::CertificateUnknownIssuer { .. }
            | Self::TrustStoreEmpty
            | Self::TlsIntercepted { .. }
            | Self::CertificateSelfSigned { .. }
            | Self::CertificateIncompleteChain { .. }
            | Self::CertificateWrongName { .. }
            | Self::CertificateInvalid { .. }
            | Self::TlsVersion { .. }
            | Self::TlsRefused { .. }
            | Self::TlsClosed { .. }
            | Self::TlsClientCertificateWanted { .. }
            | Self::TlsUnexpected { .. }
            | Self::BbdoTls { .. } => Layer::Tls,
            Self::ProxyUnreachable { because, .. } => because.layer(),
            Self::NtpDenied { .. }
            | Self::DnsRefused { .. }
            | Self::SmtpRefused { .. }
            | Self::LdapBindRefused { .. }
            | Self::LdapProtectionRequired { .. }
            | Self::ProxyAuthentication { .. }
            | Self::ProxyDenied { .. }
            | Self::HttpForbidden { .. }
            | Self::SnmpCommunity { .. }
            | Self::SnmpUnknownUser { .. }
            | Self::SnmpWrongDigest { .. }
            | Self::SnmpSecurityLevel { .. }
            | Self::SnmpDecryption { .. }
            | Self::SnmpAuthorization { .. }
            | Self::SnmpUserIgnored { .. }
            | Self::NsclientNotAllowed { .. }
            | Self::NsclientRefused { .. }
            | Self::NsclientLogin { .. }
            | Self::DatabaseHostRefused { .. } => Layer::Authentication,
            Self::NtpUnsynchronised { .. }
            | Self::ClockOffset { .. }
            | Self::DnsServfail { .. }
            | Self::DnsValidation { .. }
            | Self::DnsNotRecursive { .. }
            | Self::DnsNameNotFound { .. }
            | Self::DnsNameWithoutAddress { .. }
            | Self::DnsUnanswered { .. }
            | Self::SmtpUnavailable { .. }
            | Self::SmtpMailRefused { .. }
            | Self::HttpNotFound { .. }
            | Self::HttpServerError { .. }
            | Self::ProxyCannotReach { .. }
            | Self::ProxySilent { .. }
            | Self::GorgoneWebsocketMissing { .. }
            | Self::GorgoneWebsocketDown { .. }
            | Self::NoPong { .. }
            | Self::SnmpView
            | Self::DatabaseError { .. } => Layer::Service,
            Self::Silent { .. }
            | Self::HungUp { .. }
            | Self::Reset { .. }
            | Self::Incomplete { .. }
            | Self::Endless { .. }
            | Self::WrongService { .. }
            | Self::BadReply { .. }
            | Self::NtpRateLimited
            | Self::DnsTruncated { .. }
            | Self::DnsTcpOnly { .. }
            | Self::DnsFailed { .. }
            | Self::SmtpInspected { .. }
            | Self::SmtpHelloRefused { .. }
            | Self::SmtpStarttlsRefused { .. }
            | Self::LdapRefused { .. }
            | Self::LdapStarttlsRefused { .. }
            | Self::HttpStatus { .. }
            | Self::CaptivePortal { .. }
            | Self::ZmtpMechanism { .. }
            | Self::ZmtpVersion { .. }
            | Self::ZmtpOtherService { .. }
            | Self::GorgoneOnOtherPort { .. }
            | Self::BbdoTwo { .. }
            | Self::BbdoMajor { .. }
            | Self::BbdoCarrier { .. }
            | Self::SshRefused { .. }
            | Self::SnmpTimeWindow { .. } => Layer::Protocol,
        }
    }
}
