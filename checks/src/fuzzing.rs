//! A door for the fuzzers in `fuzz/`, to what a peer of theirs cannot say in a conversation.
//!
//! Not part of the library: only the feature `fuzzing` has it.

use rustls::pki_types::CertificateDer;

use crate::cause::Cause;
use crate::evidence::Seen;
use crate::net::{Trust, tls};

/// What is thought of the certificates that a server shows for `host`, and what is kept of them.
///
/// A handshake ends early at a certificate whose key is not the server's, so a fuzzed one never
/// gets this far over a socket.
///
/// # Errors
///
/// As a probe's verdict.
pub fn certificates(
    shown: &[CertificateDer<'_>],
    host: &str,
    trust: &Trust,
    seen: &mut Seen,
) -> Result<(), Cause> {
    tls::opinion(shown, host, trust, seen)
}
