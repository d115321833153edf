//! A door for crates that insist on dialling themselves.
//!
//! The connection to the peer is opened by us, with our causes; the crate dials
//! a Unix socket of this process, and every byte passes here, counted and in
//! time. Nothing of it is visible in the file system, and loopback may be down.

use std::convert::Infallible;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::errno::local;
use super::tcp::Stream;
use crate::cause::{Cause, Phase, TalkCause};
use crate::wire;

/// Carries bytes between a crate and a peer, until the crate is done.
pub(crate) struct Relay {
    stream: Stream,
    /// Gone after the first caller: one conversation, no second try.
    door: Option<UnixListener>,
    path: String,
    limit: usize,
    received: usize,
    ended: Option<Cause>,
}

impl Relay {
    /// Opens a door to `stream`; the peer may send `limit` bytes in all.
    ///
    /// # Errors
    ///
    /// [`RouteCause::LocalError`](crate::cause::RouteCause::LocalError) without a descriptor for the door.
    pub(crate) fn open(stream: Stream, limit: usize) -> Result<Self, Cause> {
        // A leading zero: Linux's abstract names, nobody else can guess this one.
        let path = format!("\0preflight-{:032x}", rand::random::<u128>());
        let door = UnixListener::bind(&path).map_err(|error| local("open a socket", &error))?;
        Ok(Self { stream, door: Some(door), path, limit, received: 0, ended: None })
    }

    /// What the crate dials.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Runs `work` and carries its bytes meanwhile.
    pub(crate) async fn carry<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.pump() => match never {},
        }
    }

    /// The stream again, and how the peer's side ended, if it did.
    pub(crate) fn finish(self) -> (Stream, Option<Cause>) {
        (self.stream, self.ended)
    }

    async fn pump(&mut self) -> Infallible {
        if let Some(mut near) = self.accept().await {
            self.ended = self.pass(&mut near).await.err();
            // The end of the peer's bytes is the end of ours; `near` lives on,
            // so that what is still on its way can be read.
            let _gone = near.shutdown().await;
            return std::future::pending().await;
        }
        std::future::pending().await
    }

    async fn accept(&mut self) -> Option<UnixStream> {
        let door = self.door.take()?;
        loop {
            let (near, _) = door.accept().await.ok()?;
            let caller = near.peer_cred().ok().and_then(|caller| caller.pid());
            if caller == i32::try_from(std::process::id()).ok() {
                return Some(near);
            }
        }
    }

    /// Passes bytes both ways until the crate hangs up, or the peer fails.
    async fn pass(&mut self, near: &mut UnixStream) -> Result<(), Cause> {
        let mut chunk = [0; 4096];
        loop {
            tokio::select! {
                read = near.read(&mut chunk) => match read {
                    Ok(length @ 1..) => {
                        self.stream.send(chunk.get(..length).unwrap_or_default()).await?;
                    }
                    _ => return Ok(()),
                },
                filled = self.stream.fill(Phase::Reply) => {
                    filled?;
                    let bytes = self.stream.drain();
                    self.count(bytes.len())?;
                    if near.write_all(&bytes).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn count(&mut self, length: usize) -> Result<(), Cause> {
        self.received += length;
        if self.received <= self.limit {
            return Ok(());
        }
        let head = wire::head(self.stream.head());
        Err(Cause::Talk(TalkCause::Endless { phase: Phase::Reply, limit: self.limit, head }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::Deadline;

    const PEER: ([u8; 4], u16) = ([192, 0, 2, 1], 80);

    fn relay(budget: Duration) -> (Relay, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(512);
        let stream = Stream::over(Box::new(ours), PEER.into(), Deadline::after(budget));
        (Relay::open(stream, 100).unwrap(), theirs)
    }

    #[tokio::test]
    async fn bytes_pass_both_ways() {
        let (mut relay, mut far) = relay(Duration::from_secs(5));
        let path = relay.path().to_owned();
        let said = relay
            .carry(async {
                let mut near = UnixStream::connect(path).await.unwrap();
                near.write_all(b"ping").await.unwrap();
                let mut heard = [0; 4];
                far.read_exact(&mut heard).await.unwrap();
                far.write_all(b"pong").await.unwrap();
                let mut answer = [0; 4];
                near.read_exact(&mut answer).await.unwrap();
                [heard, answer].concat()
            })
            .await;
        assert_eq!(said, b"pingpong");
        assert_eq!(relay.finish().1, None);
    }

    #[tokio::test]
    async fn a_peer_that_hangs_up_ends_the_near_side_too() {
        let (mut relay, mut far) = relay(Duration::from_secs(5));
        let path = relay.path().to_owned();
        let mut heard = Vec::new();
        relay
            .carry(async {
                let mut near = UnixStream::connect(path).await.unwrap();
                far.write_all(b"half").await.unwrap();
                drop(far);
                near.read_to_end(&mut heard).await.unwrap();
            })
            .await;
        assert_eq!(heard, b"half");
        let ended = relay.finish().1;
        let hung_up =
            Cause::Talk(TalkCause::HungUp { to: PEER.into(), phase: Phase::Reply, received: 4 });
        assert_eq!(ended, Some(hung_up));
    }

    #[tokio::test]
    async fn more_than_the_limit_is_not_passed_on() {
        let (mut relay, mut far) = relay(Duration::from_secs(5));
        let path = relay.path().to_owned();
        let mut heard = Vec::new();
        relay
            .carry(async {
                let mut near = UnixStream::connect(path).await.unwrap();
                far.write_all(&[b'x'; 101]).await.unwrap();
                near.read_to_end(&mut heard).await.unwrap();
            })
            .await;
        assert_eq!(heard, b"");
        assert_eq!(relay.finish().1.unwrap().code(), "endless");
    }

    #[tokio::test]
    async fn nobody_comes_in_twice() {
        let (mut relay, _far) = relay(Duration::from_secs(5));
        let path = relay.path().to_owned();
        let refused = relay
            .carry(async {
                let _first = UnixStream::connect(&path).await.unwrap();
                loop {
                    tokio::task::yield_now().await;
                    if let Err(error) = UnixStream::connect(&path).await {
                        return error.kind();
                    }
                }
            })
            .await;
        assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_ends_the_near_side_in_time() {
        let (mut relay, _far) = relay(Duration::from_secs(5));
        let path = relay.path().to_owned();
        relay
            .carry(async {
                let mut near = UnixStream::connect(path).await.unwrap();
                assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
            })
            .await;
        assert_eq!(relay.finish().1.unwrap().code(), "silent");
    }
}
