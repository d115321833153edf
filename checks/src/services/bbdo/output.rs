//! A broker's output, as far as another broker has to fit it.

use std::fmt;

use crate::net::{ClientIdentity, Trust};

/// What a broker's output is configured for.
#[derive(Clone, Debug, Default)]
pub struct BrokerStream {
    /// gRPC, rather than plain TCP.
    pub grpc: bool,
    /// TLS: negotiated inside over TCP, from the first byte with gRPC.
    pub tls: Extension,
    /// Compression, which is negotiated over TCP only.
    pub compression: Extension,
    /// What TLS is made with.
    pub credentials: TlsCredentials,
}

/// Of an extension: never, as the peer wants, or always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::EnumString, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum Extension {
    /// It is not offered.
    #[default]
    No,
    /// The extension is offered, and the peer decides.
    Auto,
    /// It is offered, and the broker logs an error when the peer does without.
    Yes,
}

/// What the TLS of an output is made with.
#[derive(Clone, Debug, Default)]
pub struct TlsCredentials {
    /// Whom it trusts; none: over TCP it verifies nobody, with gRPC the system's store counts.
    pub authority: Option<Trust>,
    /// What it shows of itself.
    pub own: Own,
    /// Whom the broker's certificate has to be for; none: over TCP anybody, with gRPC the host.
    pub hostname: Option<String>,
    /// A file that the broker itself cannot use either: which, and why.
    pub unusable: Option<(String, String)>,
    /// Files that this user may not read: which, and why.
    pub unread: Vec<(String, String)>,
}

/// What an output shows of itself inside TLS.
#[derive(Clone, Debug, Default)]
pub enum Own {
    /// Nothing. Over TCP it is then anonymous, and so must the broker be.
    #[default]
    Nothing,
    /// A certificate with its key.
    Identity(ClientIdentity),
    /// A certificate whose key, or which itself, may not be read here.
    Unread,
}

impl BrokerStream {
    /// The transport in words: "gRPC with TLS".
    pub(super) fn carrier(&self) -> Carrier {
        Carrier { grpc: self.grpc, tls: self.tls == Extension::Yes }
    }

    /// Does TLS come after the welcome, if the broker has it too?
    pub(super) fn offers_tls(&self) -> bool {
        !self.grpc && self.tls != Extension::No
    }
}

/// What carries BBDO, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carrier {
    pub(super) grpc: bool,
    pub(super) tls: bool,
}

impl fmt::Display for Carrier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.grpc { "gRPC" } else { "plain TCP" })?;
        out.write_str(if self.tls { " with TLS" } else { "" })
    }
}
