//! The first words of a conversation, said again on a connection of their own.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use super::{begin, start};
use crate::net::{Deadline, Packets, Peer, sys};

/// Says `words`, and nothing after them: does the end of an answer come back, and no answer before it?
///
/// The last packet of a connection carries no data, passes where data does not, and arrives behind
/// a hole.
///
/// The peer has `busy` to answer and to close.
pub(crate) async fn are_answers_lost(
    peer: &Peer,
    words: &[u8],
    busy: Duration,
    wait: Deadline,
) -> bool {
    let Ok(socket) = start(peer.address, peer.from, Packets::default()) else { return false };
    let Some(stream) = opened(socket, wait).await else { return false };
    // They fit into the buffer of a connection that is new.
    let is_said = stream.try_write(words).is_ok();
    if !is_said || SockRef::from(&stream).shutdown(Shutdown::Write).is_err() {
        return false;
    }
    let is_behind_a_hole =
        || sys::tcp_info(&stream).is_some_and(|info| info.is_half_closed && info.out_of_order > 0);
    let answered = wait.within(busy);
    while !is_behind_a_hole() {
        if answered.is_over() {
            return false;
        }
        answered.within(LOOK).pass().await;
    }
    // A single lost packet is repeated by then, and nothing is missing any more.
    wait.within(REPEATED).pass().await;
    is_behind_a_hole()
}

/// Says `words`: does a RST come back that has at least `left` hops left when it arrives?
///
/// From the handshake on nothing else is heard. `None`: a RST was there before that could be said.
pub(crate) async fn is_reset_from_near(
    peer: &Peer,
    words: &[u8],
    left: u8,
    wait: Deadline,
) -> Option<bool> {
    let stream = connect_quietly(peer, wait).await?;
    sys::hear_only_from_near(&stream, peer.address, left).ok()?;
    // A RST that is here already came before anybody was kept from being heard.
    stream.take_error().ok().filter(Option::is_none)?;
    // In two packets: who counts them has let the handshake and one more pass.
    let (first, rest) = words.split_at_checked(1)?;
    for part in [first, rest] {
        match stream.try_write(part) {
            Ok(_) => {}
            // On a short way it is there before the rest is said.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Some(true),
            Err(_) => return None,
        }
    }
    let mut bytes = [0; 256];
    while let Some(Ok(())) = wait.bound(stream.readable()).await {
        match stream.try_read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Some(error.kind() == io::ErrorKind::ConnectionReset),
            Ok(0) => break,
            // Came in before only what is near was heard.
            Ok(_) => {}
        }
    }
    Some(false)
}

/// The last packet of the handshake waits for our first words: until then the peer cannot greet, and
/// nobody has anything to answer.
async fn connect_quietly(peer: &Peer, wait: Deadline) -> Option<TcpStream> {
    let quiet = |socket: &Socket| {
        socket.set_tcp_quickack(false)?;
        socket.set_tcp_nodelay(true)
    };
    opened(begin(peer.address, peer.from, Packets::default(), quiet).ok()?, wait).await
}

async fn opened(socket: Socket, wait: Deadline) -> Option<TcpStream> {
    let stream = TcpStream::from_std(socket.into()).ok()?;
    wait.bound(stream.writable()).await?.ok()?;
    Some(stream)
}

/// Nobody tells when something arrives behind a hole: it is looked for so often.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than the first repetition takes.
const REPEATED: Duration = Duration::from_millis(1_200);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A peer that answers each connection with a RST once it has heard something.
    async fn resetting(local: &str) -> SocketAddr {
        let listener = TcpListener::bind(local).await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let _heard = connection.read(&mut [0; 9]).await;
                SockRef::from(&connection).set_linger(Some(Duration::ZERO)).unwrap();
            }
        });
        to
    }

    #[tokio::test]
    async fn a_reset_is_heard_only_from_near_enough() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let to = resetting(local).await;
            let soon = || Deadline::after(Duration::from_millis(300));
            assert_eq!(
                is_reset_from_near(&Peer::from(to), b"hello", 64, soon()).await,
                Some(true),
                "{to}"
            );
            assert_eq!(
                is_reset_from_near(&Peer::from(to), b"hello", 65, soon()).await,
                Some(false),
                "{to}"
            );
        }
    }

    #[tokio::test]
    async fn a_peer_that_answers_or_says_nothing_loses_no_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut answering, _) = listener.accept().await.unwrap();
            answering.write_all(b"hello").await.unwrap();
            drop(answering);
            let _held = listener.accept().await;
            std::future::pending::<()>().await;
        });
        let soon = || Deadline::after(Duration::from_secs(3));
        for _ in 0..2 {
            let busy = Duration::from_secs(1);
            assert!(!are_answers_lost(&Peer::from(to), b"?", busy, soon()).await);
        }
    }
}
