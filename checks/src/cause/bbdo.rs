//! Causes of brokers.

use super::Cause;
use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Blank, Passage, say, word};

/// Causes of brokers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum BbdoCause {
    /// The broker speaks BBDO 2, and a poller of today speaks 3.
    #[error("the broker speaks BBDO {version}, a poller of today speaks 3")]
    BbdoTwo {
        /// The version that it names.
        version: String,
    },
    /// The broker's major version is not the poller's.
    #[error("the broker speaks BBDO {theirs}, this poller {ours}: the first number must match")]
    BbdoMajor {
        /// The version asked with.
        ours: String,
        /// The version that it names.
        theirs: String,
    },
    /// The two ends are configured for different transports.
    #[error("this poller is configured for {ours}, the broker speaks {theirs}")]
    BbdoCarrier {
        /// The poller's, as its files say.
        ours: String,
        /// What carries BBDO at the broker.
        theirs: String,
    },
    /// The poller's TLS is anonymous, and does not meet the broker's.
    #[error(
        "this poller's output has no certificate and key: its TLS is anonymous, and fails here"
    )]
    BbdoTlsAnonymous,
    /// The broker's TLS is anonymous, and the poller has a certificate.
    #[error("the broker's TLS is anonymous, this poller's has a certificate: the two do not meet")]
    BbdoTlsNoCertificate,
    /// What the poller trusts does not fit the broker's certificate.
    #[error("the broker's certificate does not pass this poller's check: {because}")]
    BbdoCertificate {
        /// Why it does not pass.
        because: Box<Cause>,
    },
    /// The broker hangs up on the poller's certificate.
    #[error("the broker does not take this poller's certificate")]
    BbdoCertificateRefused,
    /// A file of the poller's output is of no use to it.
    #[error("this poller's output cannot use {file}: {why}")]
    BbdoFileUnusable {
        /// The file that cannot be used.
        file: String,
        /// The reason, in words.
        why: String,
    },
    /// TLS from the first byte, where BBDO negotiates it inside.
    #[error("a TLS listener answers{}; BBDO over TCP negotiates TLS inside", if *.grpc { " (HTTP/2: BBDO over gRPC with TLS)" } else { "" })]
    BbdoTls {
        /// Does it also agree on HTTP/2, as the gRPC transport does?
        grpc: bool,
    },
}

impl BbdoCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Protocol, Tls};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::BbdoTwo { .. } | Self::BbdoMajor { .. } | Self::BbdoCarrier { .. } => {
                About::new(Protocol, FarSide, Nothing)
            }
            Self::BbdoTls { .. } | Self::BbdoTlsNoCertificate => About::new(Tls, FarSide, Nothing),
            // The platform's own settings and files.
            Self::BbdoTlsAnonymous
            | Self::BbdoCertificateRefused
            | Self::BbdoFileUnusable { .. } => About::new(Tls, ThisHost, Nothing),
            Self::BbdoCertificate { because } => match because.owner() {
                ThisHost => About::new(Tls, ThisHost, Nothing),
                _ => About::new(Tls, FarSide, Nothing),
            },
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::BbdoTwo { .. } | Self::BbdoMajor { .. } => say(
                "the same BBDO version on every broker (Configuration > Pollers > Broker configuration), export, restart cbd and centengine",
            ),
            Self::BbdoCarrier { .. } => say(
                "the same transport and TLS in the poller's broker output and the central's input; export, restart cbd and centengine",
            ),
            Self::BbdoTlsAnonymous => say(
                "set certificate, private key and authority in this poller's broker output (Configuration > Pollers > Broker configuration), as the central's input has them; export, restart",
            ),
            Self::BbdoTlsNoCertificate => say(
                "set a certificate and its key in the central's broker input, or none in the poller's output; export, restart cbd and centengine",
            ),
            Self::BbdoCertificate { because } => match because.owner() {
                Owner::ThisHost => say(
                    "set ca_certificate and tls_hostname of this poller's broker output to fit the certificate of the central's input: ",
                )
                .here(format!("openssl x509 -noout -issuer -ext subjectAltName -in {}", Blank::File)),
                Owner::FarSide | Owner::Network(_) | Owner::Nobody => say(
                    "set a certificate in the central's broker input that is valid and named as this poller's tls_hostname says; export, restart cbd",
                ),
            },
            Self::BbdoCertificateRefused => say(
                "give this poller's broker output a certificate that is signed by ca_certificate of the central's input; the reason is in the central's log: /var/log/centreon-broker/central-broker-master.log",
            ),
            Self::BbdoFileUnusable { file, .. } => {
                say(format!("put the right file at {file}, readable for the user centreon-engine: "))
                    .here(format!("ls -l {}", word(file)))
            }
            Self::BbdoTls { grpc: false } => say(
                "name the broker's own port: TLS from the first byte is a web server's, or a proxy's before the broker",
            )
            .on_that_machine(passage.listeners()),
            Self::BbdoTls { grpc: true } => say(
                "gRPC with encryption in the poller's broker output, or a plain TCP input on the central",
            ),
        }
    }
}
