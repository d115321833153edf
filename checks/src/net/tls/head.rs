//! How a peer began, before TLS took its bytes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::net::watched::Observer;

/// The first bytes a peer sent before TLS took them.
#[derive(Clone, Default)]
pub(super) struct Head(Arc<Mutex<Vec<u8>>>);

impl Head {
    /// Enough to recognise a protocol by, and for the message in which a server chooses.
    const KEPT: usize = 512;

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S> Observer<S> for Head {
    fn received(&mut self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::KEPT.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
    }
}
