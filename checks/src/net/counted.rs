//! A TCP connection that tells, when it ends, what had to be sent again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::sys;

/// Segments sent again, over all connections of one question.
pub(crate) type Losses = Arc<AtomicU32>;

/// Below TLS and every crate, so that no conversation escapes it.
pub(super) struct Counted {
    stream: TcpStream,
    losses: Losses,
}

impl Counted {
    pub(super) fn new(stream: TcpStream, losses: Losses) -> Self {
        Self { stream, losses }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(info) = sys::tcp_info(&self.stream) {
            // What a busy peer only acknowledged late was never lost.
            let lost = info.total_retrans.saturating_sub(info.arrived_twice);
            self.losses.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
