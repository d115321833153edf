//! Causes in TLS and its certificates.

use std::borrow::Cow;

use std::net::{IpAddr, SocketAddr};

use super::about::{About, Layer, Owner, Plea, Whereabouts};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, TRUST, say};
use super::{ChainLink, list};

/// Causes in TLS and its certificates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum TlsCause {
    /// The certificate's last day has passed.
    #[error("{} expired on {not_after}", one_of_chain(*.link, subject))]
    CertificateExpired {
        /// Last moment of validity, RFC 3339.
        not_after: String,
        /// The subject of the certificate.
        subject: String,
        /// Which of the chain.
        #[serde(default)]
        link: ChainLink,
    },
    /// The certificate's first day is still to come (or our clock is wrong).
    #[error("{} is not valid before {not_before}", one_of_chain(*.link, subject))]
    CertificateNotYetValid {
        /// First moment of validity, RFC 3339.
        not_before: String,
        /// The subject of the certificate.
        subject: String,
        /// Which of the chain.
        #[serde(default)]
        link: ChainLink,
    },
    /// Signed by nobody this host trusts.
    #[error("certificate issued by \"{issuer}\", whom this host does not trust")]
    CertificateUnknownIssuer {
        /// The issuer that the certificate names.
        issuer: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// Somebody this host does not trust signs in the server's name: the page is public, it comes
    /// through a proxy, or the issuer says of itself that it inspects TLS.
    #[error("TLS to {host} is intercepted: its certificate is issued by \"{issuer}\"")]
    TlsIntercepted {
        /// The name asked for.
        host: String,
        /// Who signed instead of a public authority.
        issuer: String,
    },
    /// A device that inspects TLS shows its own certificate instead of one for the host asked.
    #[error("a device in between answers instead of {host}: its certificate is \"{subject}\"")]
    CertificateOfDevice {
        /// The name asked for.
        host: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// This host trusts no certificate authority at all.
    #[error("this host trusts no certificate authority: its store is empty")]
    TrustStoreEmpty,
    /// Signed by itself.
    #[error("certificate is self-signed ⟨\"{subject}\"⟩")]
    CertificateSelfSigned {
        /// The subject of the certificate.
        subject: String,
    },
    /// The server sent its own certificate without the one that signed it.
    #[error("the server does not send the intermediate certificate \"{issuer}\"")]
    CertificateIncompleteChain {
        /// The missing link.
        issuer: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// The certificate is for other names.
    #[error("certificate is not for {expected} but for {}", other_names(expected, presented))]
    CertificateWrongName {
        /// The name asked for.
        expected: String,
        /// The names it has.
        presented: Vec<String>,
    },
    /// A key is too short for OpenSSL's clients.
    #[error("{} has a key of {bits} bits ⟨{algorithm}⟩; OpenSSL's clients want {least}", one_of_chain(*.link, subject))]
    CertificateWeakKey {
        /// The kind of key.
        algorithm: Cow<'static, str>,
        /// Length of the key, bits.
        bits: usize,
        /// The least that OpenSSL's clients take.
        least: usize,
        /// The subject of the certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// The signature uses a digest that OpenSSL's clients no longer take.
    #[error("{} is signed with {digest}, which OpenSSL's clients refuse", one_of_chain(*.link, subject))]
    CertificateWeakSignature {
        /// The digest.
        digest: Cow<'static, str>,
        /// The subject of the certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// The certificate is for something else than servers.
    #[error("{} is not for a server but for {}", one_of_chain(*.link, subject), list(purposes))]
    CertificateWrongPurpose {
        /// What it is for.
        purposes: Vec<String>,
        /// The subject of the certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// An authority of the chain may not sign for this name.
    #[error("the authority \"{authority}\" may not sign for {name}")]
    CertificateNameForbidden {
        /// The name outside of what it may sign for.
        name: String,
        /// Whose certificate says so.
        authority: String,
    },
    /// The signature is of a kind that this tool cannot check, and OpenSSL's clients perhaps can.
    #[error("{} is signed with {algorithm}, which preflight cannot check", one_of_chain(*.link, subject))]
    CertificateUnchecked {
        /// How it is signed.
        algorithm: String,
        /// The subject of the certificate.
        subject: String,
        /// Which of the chain.
        link: ChainLink,
    },
    /// The certificate was refused for another reason.
    #[error("certificate refused: {reason}")]
    CertificateInvalid {
        /// The verifier's words.
        reason: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// No TLS version in common.
    #[error("no TLS version in common ⟨we speak 1.2 and 1.3; the peer: {peer}⟩")]
    TlsVersion {
        /// What the peer said.
        peer: String,
    },
    /// The peer ended the handshake with an alert.
    #[error("TLS refused by the peer: {alert}")]
    TlsRefused {
        /// The peer's alert.
        alert: String,
    },
    /// The server speaks TLS, and inside it not the protocol it is asked for (ALPN).
    #[error("the server speaks TLS, but not {offered} inside it: it {}", chosen.as_ref().map_or_else(|| "takes no such name (ALPN)".to_owned(), |chosen| format!("chooses {chosen}")))]
    TlsProtocolNotSpoken {
        /// What was offered.
        offered: String,
        /// What the server chose instead; none: it refused, or chose nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chosen: Option<String>,
    },
    /// The server takes no cipher suite or group that OpenSSL's clients still offer.
    #[error("no TLS cipher suite or group in common: the server takes {server}")]
    TlsNothingInCommon {
        /// What it chose when all there ever was was offered.
        server: String,
    },
    /// The server has no certificate for the name it was asked by, or was asked by none.
    #[error("the server refuses TLS for {}", if *.by_name { format!("the name {name}") } else { format!("{name}: it wants to be asked by a name, not by an address") })]
    TlsNameUnknown {
        /// The name or address asked for.
        name: String,
        /// Was it a name?
        by_name: bool,
    },
    /// The peer closes when a TLS handshake begins.
    #[error("port open, but closed by the peer when TLS begins")]
    TlsClosed {
        /// The address and port asked.
        to: SocketAddr,
    },
    /// The peer wants a certificate of ours.
    #[error("the peer wants a client certificate")]
    TlsClientCertificateWanted {
        /// The peer's alert.
        alert: String,
    },
    /// A plain-text protocol was expected and TLS is spoken.
    #[error("TLS is spoken here, {expected} in plain text was expected")]
    TlsUnexpected {
        /// What should answer.
        expected: Cow<'static, str>,
    },
}

impl TlsCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::Tls;
        use Owner::{FarSide, ThisHost};
        use Plea::{Nothing, Repair};
        use Whereabouts::Unknown;
        let network = Owner::Network;
        match self {
            // It lies in this host's store.
            // It was given as an address here.
            Self::CertificateUnknownIssuer { .. }
            | Self::TrustStoreEmpty
            | Self::CertificateExpired { link: ChainLink::Root, .. }
            | Self::CertificateNotYetValid { link: ChainLink::Root, .. }
            | Self::CertificateWeakKey { link: ChainLink::Root, .. }
            | Self::CertificateWeakSignature { link: ChainLink::Root, .. }
            | Self::TlsNameUnknown { by_name: false, .. } => About::new(Tls, ThisHost, Nothing),
            Self::CertificateUnchecked { .. } => About::new(Tls, ThisHost, Nothing).untold(),
            Self::TlsIntercepted { .. } | Self::CertificateOfDevice { .. } => {
                About::new(Tls, network(Unknown), Repair)
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
            | Self::TlsProtocolNotSpoken { .. }
            | Self::TlsNameUnknown { .. }
            | Self::TlsVersion { .. }
            | Self::TlsRefused { .. }
            | Self::TlsClosed { .. }
            | Self::TlsClientCertificateWanted { .. }
            | Self::TlsUnexpected { .. } => About::new(Tls, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        // Shows the certificates there, and needs nothing that only one of the machines has.
        let look = |words: String| say(words).there(passage.openssl());
        match self {
            Self::CertificateExpired { link: ChainLink::Root, subject, .. }
            | Self::CertificateNotYetValid { link: ChainLink::Root, subject, .. }
            | Self::CertificateWeakKey { link: ChainLink::Root, subject, .. }
            | Self::CertificateWeakSignature { link: ChainLink::Root, subject, .. } => say(format!(
                "replace \"{subject}\" in this host's store by the authority's present certificate (update-ca-trust, update-ca-certificates)"
            )),
            Self::CertificateExpired { .. } => {
                look("renew it, and send its whole chain; then check: ".to_owned())
            }
            Self::CertificateNotYetValid { .. } => {
                look("send one that is valid today, if this host's clock is right; see: ".to_owned())
            }
            Self::CertificateUnknownIssuer { .. } => {
                say(TRUST).here(passage.openssl())
            }
            Self::CertificateSelfSigned { .. } => look(TRUST.to_owned()),
            Self::TlsIntercepted { host, issuer } => say(format!(
                "exempt {host} from TLS inspection for {}, or trust \"{issuer}\" on this host",
                passage.from()
            )),
            Self::CertificateOfDevice { host, .. } => say(format!(
                "let {} reach {host} itself; do not trust that certificate: it is a block or log-in page's",
                passage.from()
            )),
            Self::TrustStoreEmpty => say("install the package ca-certificates"),
            Self::CertificateIncompleteChain { issuer, .. } => look(format!(
                "let the server send the certificate of \"{issuer}\" behind its own; see: "
            )),
            Self::CertificateWrongName { expected, presented } if presented.contains(expected) => {
                say(format!(
                    "have one issued with the address as an address (subjectAltName = IP:{expected}): as a name it counts for no client"
                ))
            }
            Self::CertificateWrongName { presented, .. } => say(format!(
                "use a name the certificate has ({}), or have one issued for {}",
                presented.first().map_or("none", String::as_str),
                passage.target
            )),
            Self::CertificateWeakKey { least, .. } => {
                look(format!("a certificate with a longer key ({least} bits) there; see: "))
            }
            Self::CertificateWeakSignature { .. } => {
                look("a certificate signed with SHA-256 there; see: ".to_owned())
            }
            Self::CertificateWrongPurpose { .. } | Self::CertificateNameForbidden { .. } => {
                look(format!(
                    "a certificate for servers (serverAuth), by an authority that may sign for {}; see: ",
                    passage.target
                ))
            }
            Self::CertificateUnchecked { .. } => say("see what this host's OpenSSL says: ")
                .here(format!("{} -verify_return_error", passage.openssl())),
            Self::TlsVersion { .. } => look("TLS 1.2 or 1.3 there; see: ".to_owned()),
            Self::TlsRefused { .. } if passage.target.parse::<IpAddr>().is_ok() => look(
                "give the server's name instead of its address, if it has one (SNI); else its log says why: "
                    .to_owned(),
            ),
            Self::CertificateInvalid { .. } | Self::TlsRefused { .. } | Self::TlsClosed { .. } => {
                look("a certificate and key that work there; see: ".to_owned())
            }
            Self::TlsNothingInCommon { server } if server.contains("-PSK-") => say(
                "it wants a key that both sides know (PSK), which preflight does not speak: ask with the program that has it, or let that port take a certificate too",
            ),
            Self::TlsNothingInCommon { .. } => look(
                "TLS 1.2 or 1.3 with ECDHE and AES-GCM there (ssl_ciphers, SSLCipherSuite); see: "
                    .to_owned(),
            ),
            Self::TlsProtocolNotSpoken { .. } => say(format!(
                "see what listens on TCP {}",
                passage.port()
            ))
            .on_that_machine(passage.listeners())
            .then(&format!("; or correct the port ({})", passage.origin)),
            Self::TlsNameUnknown { by_name: false, .. } => say(format!(
                "give the server's name instead of its address ({}), everywhere it is configured",
                passage.origin
            )),
            Self::TlsNameUnknown { name, .. } => say(format!(
                "serve {name} there with a certificate, or use a name that it serves"
            )),
            Self::TlsClientCertificateWanted { .. } => say(format!(
                "let {} in without a client certificate, or issue one for it",
                passage.from()
            )),
            Self::TlsUnexpected { .. } => {
                say("use the TLS port or scheme for it (ldaps://, https://)")
            }
        }
    }
}

/// The names of a certificate; an address among the names of hosts is none.
fn other_names(expected: &str, presented: &[String]) -> String {
    if presented.iter().any(|name| name == expected) {
        format!("a host of the name {expected}, which is an address")
    } else {
        list(presented)
    }
}

/// "intermediate certificate \"CN=…\""; the server's own needs no name.
fn one_of_chain(link: ChainLink, subject: &str) -> String {
    match link {
        ChainLink::Server => link.to_string(),
        ChainLink::Intermediate | ChainLink::Root => format!("{link} \"{subject}\""),
    }
}
