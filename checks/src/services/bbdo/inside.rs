//! TLS inside BBDO: after both welcomes, on the same connection, as cbd makes it.
//!
//! cbd uses `GnuTLS`, and more of it than usual: an output without certificate and
//! key is anonymous, and meets only a broker without them; one that names an
//! authority verifies the broker's chain by it, and the name only if
//! `tls_hostname` is set; one that names none verifies nobody.
//!
//! Reference: centreon-collect, `broker/tls/src/params.cc`, `broker/tls/src/factory.cc`.

use super::output::{Own, TlsCredentials};
use crate::cause::{Cause, TlsCause};
use crate::net::tls::{Client, Proof, TlsFailed, Verify, proof, secure_with};
use crate::net::{Ask, Stream, Trust};

/// How TLS with a broker went.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TlsCourse {
    /// The handshake is made, and the broker goes on.
    Made,
    /// Both are anonymous, and agree so far.
    Anonymous,
    /// One has a certificate and the other none.
    Unlike {
        /// What the broker proves itself with.
        theirs: Proof,
    },
    /// The broker's certificate does not pass.
    Distrusted(Cause),
    /// The handshake is made, and the broker hangs up on our certificate.
    Refused,
    /// In any other way.
    Failed(Cause),
}

/// Makes the handshake that an output with `credentials` would make.
pub(super) async fn enter(
    stream: Stream,
    ask: &mut Ask,
    credentials: &TlsCredentials,
) -> (TlsCourse, Option<Stream>) {
    if matches!(credentials.own, Own::Nothing) {
        let inside = match proof(stream, ask).await {
            Ok(Proof::Nothing) => TlsCourse::Anonymous,
            Ok(theirs) => TlsCourse::Unlike { theirs },
            Err(cause) => TlsCourse::Failed(cause),
        };
        return (inside, None);
    }
    let identity = match &credentials.own {
        Own::Identity(identity) => Some(identity.clone()),
        Own::Nothing | Own::Unread => None,
    };
    let host = ask.peer.host.clone();
    let client = Client {
        name: credentials.hostname.as_deref(),
        trust: credentials.authority.clone().unwrap_or_else(|| Trust::only([])),
        verify: if credentials.authority.is_some() { Verify::Strictly } else { Verify::Never },
        alpn: &[],
        identity,
    };
    // Where the broker asks for a certificate, its verdict on ours is waited for.
    match secure_with(stream, ask, &host, &client).await {
        Ok(stream) => (TlsCourse::Made, Some(stream)),
        Err(TlsFailed { cause, of_certificate: true, .. }) => (TlsCourse::Distrusted(cause), None),
        Err(TlsFailed {
            cause: Cause::Tls(TlsCause::TlsClientCertificateWanted { .. }), ..
        }) => (TlsCourse::Refused, None),
        Err(TlsFailed { cause, .. }) => (TlsCourse::Failed(cause), None),
    }
}
