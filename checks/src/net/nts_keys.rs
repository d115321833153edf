//! The keys that a TLS session gives to NTS, on both sides of it.
//!
//! Reference: [RFC 8915 §5.1](https://www.rfc-editor.org/rfc/rfc8915#section-5.1).

/// The keys of a session: with ours we seal, with theirs the server does. `Debug` shows neither.
#[derive(Clone)]
pub(crate) struct NtsKeys {
    pub(crate) ours: [u8; KEY],
    pub(crate) theirs: [u8; KEY],
}

impl NtsKeys {
    /// Those of a finished handshake; none, where that is of another protocol (RFC 8915 §5.1).
    pub(crate) fn of<Side>(session: &rustls::ConnectionCommon<Side>) -> Option<Self> {
        if session.alpn_protocol() != Some(ALPN) {
            return None;
        }
        let key = |direction: u8| {
            let [high, low] = AES_SIV_CMAC_256.to_be_bytes();
            // NTPv4, the algorithm, from the client (0) or to it (1).
            let context = [0, 0, high, low, direction];
            session.export_keying_material([0; KEY], EXPORTER, Some(&context)).ok()
        };
        Some(Self { ours: key(0)?, theirs: key(1)? })
    }
}

impl std::fmt::Debug for NtsKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("NtsKeys")
    }
}

/// What a session of NTS is asked for by name (ALPN).
pub(crate) const ALPN: &[u8] = b"ntske/1";
const EXPORTER: &[u8] = b"EXPORTER-network-time-security";
/// Bytes of a key of AES-SIV-CMAC-256.
pub(crate) const KEY: usize = 32;
/// The one algorithm that every server has to know.
pub(crate) const AES_SIV_CMAC_256: u16 = 15;
