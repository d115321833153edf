//! For tests: what a peer may say on its worst day, and a stream it has said it on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use crate::net::{Deadline, Stream};

/// Who is at the other end.
pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4711);

/// Any bytes, or `valid` damaged: changed in places, cut short, with something behind it.
pub(crate) fn damaged(valid: &[u8]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let valid = valid.to_vec();
    let changes = vec((any::<Index>(), any::<u8>()), 0..6);
    let harm = (changes, any::<Option<Index>>(), vec(any::<u8>(), 0..40));
    let damaged = harm.prop_map(move |(changes, cut, tail)| {
        let mut bytes = valid.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |at| at.index(bytes.len())));
        bytes.extend(tail);
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..300), 3 => damaged]
}

/// A stream whose far side has said `words` already, and stays.
pub(crate) async fn said(words: &[u8]) -> (Stream, DuplexStream) {
    let (near, mut far) = duplex(1 << 20);
    far.write_all(words).await.unwrap();
    let deadline = Deadline::after(Duration::from_secs(20));
    (Stream::over(Box::new(near), PEER, deadline), far)
}

/// A stream whose far side has said `words` already, and hung up.
pub(crate) async fn last_words(words: &[u8]) -> Stream {
    said(words).await.0
}

/// What `read` makes of a peer that says `words` and hangs up.
///
/// # Panics
///
/// When it does not end: time that is waited for passes at once.
pub(crate) fn ends<T>(words: &[u8], read: impl AsyncFnOnce(Stream) -> T) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (stream, mut far) = said(words).await;
        far.shutdown().await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), read(stream)).await.unwrap()
    })
}
