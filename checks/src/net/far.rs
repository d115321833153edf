//! The far side's end of a conversation, for the responders.

use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, join, split};
use tokio_rustls::TlsAcceptor;

use super::nts_keys::NtsKeys;

/// Any transport a conversation can run over.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// One accepted connection, as a responder sees it.
///
/// Its caller bounds the whole conversation in time; every read here is bounded
/// in bytes.
pub struct FarStream {
    io: Box<dyn Io>,
    tls: Option<Arc<rustls::ServerConfig>>,
    unread: Vec<u8>,
    /// Where it was accepted.
    at: Option<SocketAddr>,
    /// Of a session whose ALPN is of NTS.
    nts_keys: Option<NtsKeys>,
}

/// What `serving` comes to within `time`; `None`: it was not done by then.
pub(crate) async fn for_a_while<T>(time: Duration, serving: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, serving).await.ok()
}

impl std::fmt::Debug for FarStream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FarStream ({} unread)", self.unread.len())
    }
}

impl FarStream {
    /// A conversation over `io`; `tls` is what [`FarStream::secure`] presents.
    #[must_use]
    pub fn new(io: Box<dyn Io>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self { io, tls, unread: Vec::new(), at: None, nts_keys: None }
    }

    /// The same, for a service that answers at the same address over UDP too.
    #[must_use]
    pub fn accepted_at(self, at: Option<SocketAddr>) -> Self {
        Self { at, ..self }
    }

    /// Where it was accepted, when its caller knows.
    pub(crate) fn at(&self) -> Option<SocketAddr> {
        self.at
    }

    /// The keys of NTS that follow from the TLS session; none, where that is of another protocol.
    pub(crate) fn nts_keys(&self) -> Option<NtsKeys> {
        self.nts_keys.clone()
    }

    /// Can TLS be offered?
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Goes on inside TLS.
    ///
    /// # Errors
    ///
    /// When there is no certificate to present, or the handshake fails.
    pub async fn secure(self) -> io::Result<Self> {
        let config =
            self.tls.clone().ok_or_else(|| io::Error::other("no certificate to present"))?;
        // A client that needs no answer before may have begun already.
        let (reads, writes) = split(self.io);
        let io = join(Cursor::new(self.unread).chain(reads), writes);
        let io = TlsAcceptor::from(config).accept(io).await?;
        let nts_keys = NtsKeys::of(io.get_ref().1);
        Ok(Self { nts_keys, ..Self::new(Box::new(io), self.tls).accepted_at(self.at) })
    }

    /// The same, where the client has to ask for that protocol by name (ALPN).
    ///
    /// # Errors
    ///
    /// As [`FarStream::secure`]; and when the client offers other protocols only.
    pub(crate) async fn secure_for(self, alpn: &str) -> io::Result<Self> {
        let of_alpn = |config: Arc<rustls::ServerConfig>| {
            let mut config = rustls::ServerConfig::clone(&config);
            config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
            Arc::new(config)
        };
        Self { tls: self.tls.clone().map(of_alpn), ..self }.secure().await
    }

    /// The transport itself, for a crate that speaks over it, before anything was read here.
    #[must_use]
    pub fn into_io(self) -> Box<dyn Io> {
        self.io
    }

    /// The transport itself, what was read here and not taken included.
    pub(crate) fn into_whole_io(self) -> impl Io {
        let (reads, writes) = split(self.io);
        join(Cursor::new(self.unread).chain(reads), writes)
    }

    /// Reads until `length` bytes are there, and takes none of them.
    ///
    /// # Errors
    ///
    /// When the client hangs up before.
    pub(crate) async fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.unread.len() < length {
            self.fill().await?;
        }
        Ok(self.unread.get(..length).unwrap_or_default())
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Reads exactly `length` bytes.
    ///
    /// # Errors
    ///
    /// When the client hangs up before.
    pub async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.fill().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    /// Reads up to and including the next line feed, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// When the client hangs up before, or the line is longer.
    pub async fn line(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.iter().position(|&byte| byte == b'\n') {
                return Ok(self.unread.drain(..=at).collect());
            }
            if self.unread.len() >= limit {
                return Err(io::Error::other("the line does not end"));
            }
            self.fill().await?;
        }
    }

    /// Waits until the client hangs up, dropping what it says.
    ///
    /// # Errors
    ///
    /// When the connection breaks instead.
    pub async fn until_closed(&mut self) -> io::Result<()> {
        let mut chunk = [0; 512];
        while self.io.read(&mut chunk).await? > 0 {}
        Ok(())
    }

    /// Ends our side.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub async fn close(mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 2048];
        match self.io.read(&mut chunk).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.unread.extend(chunk.iter().take(length));
                Ok(())
            }
        }
    }
}
