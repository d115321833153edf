//! A transport that tells somebody what passes through it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Hears what passes through a transport `S`; of what it does not care about it says nothing.
pub(super) trait Observer<S> {
    /// These bytes came.
    fn received(&mut self, _bytes: &[u8]) {}

    /// These bytes were handed over.
    fn sent(&mut self, _bytes: &[u8]) {}

    /// Our end is about to be said, or the transport to be let go of.
    fn closing(&mut self, _io: &S) {}

    /// The transport is let go of.
    fn ended(&mut self, _io: &S) {}
}

/// A transport with somebody who listens.
pub(super) struct Watched<S, O: Observer<S>> {
    io: S,
    observer: O,
}

impl<S, O: Observer<S>> Watched<S, O> {
    pub(super) fn new(io: S, observer: O) -> Self {
        Self { io, observer }
    }
}

impl<S, O: Observer<S>> Drop for Watched<S, O> {
    fn drop(&mut self) {
        self.observer.closing(&self.io);
        self.observer.ended(&self.io);
    }
}

impl<S: AsyncRead + Unpin, O: Observer<S> + Unpin> AsyncRead for Watched<S, O> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, into);
        self.observer.received(into.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncWrite + Unpin, O: Observer<S> + Unpin> AsyncWrite for Watched<S, O> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        if let Poll::Ready(Ok(length)) = polled {
            self.observer.sent(bytes.get(..length).unwrap_or(bytes));
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, observer } = &mut *self;
        observer.closing(io);
        Pin::new(io).poll_shutdown(context)
    }
}
