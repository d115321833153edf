use super::*;
use crate::cause::{PortCause, TalkCause};
use crate::net::{Peer, Trust};
use tokio::net::TcpListener;

fn ask(to: SocketAddr, budget: Duration) -> Ask {
    Ask::new(Peer::from(to), Deadline::after(budget), Trust::only([]))
}

async fn talk(greeting: &'static [u8], budget: Duration) -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut ask = ask(listener.local_addr().unwrap(), budget);
    let (stream, accepted) = tokio::join!(ask.connect(), listener.accept());
    let mut far = accepted.unwrap().0;
    far.write_all(greeting).await.unwrap();
    (stream.unwrap(), far)
}

#[tokio::test]
async fn a_closed_port_says_so_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    drop(listener);
    let refused = ask(to, Duration::from_secs(5)).connect().await.unwrap_err();
    assert_eq!(refused, Cause::Port(PortCause::PortClosed { to }));
}

#[tokio::test]
async fn a_connection_notes_its_round_trip_and_source() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut ask = ask(listener.local_addr().unwrap(), Duration::from_secs(5));
    ask.connect().await.unwrap();
    assert!(ask.seen.evidence.fact("rtt_ms").is_some());
    assert!(ask.seen.timings.connect.is_some());
    assert_eq!(ask.source, Some([127, 0, 0, 1].into()));
}

#[tokio::test]
async fn lines_are_taken_one_by_one() {
    let (mut stream, _far) = talk(b"one\r\ntwo\r\n", Duration::from_secs(5)).await;
    assert_eq!(stream.line(Phase::Greeting, 99).await.unwrap(), b"one\r\n");
    assert_eq!(stream.line(Phase::Greeting, 99).await.unwrap(), b"two\r\n");
    assert_eq!(stream.head(), b"one\r\ntwo\r\n");
}

#[tokio::test]
async fn an_endless_line_ends_at_its_bound() {
    let (mut stream, _far) = talk(&[b'x'; 9000], Duration::from_secs(5)).await;
    let endless = stream.line(Phase::Greeting, 512).await.unwrap_err();
    let Cause::Talk(TalkCause::Endless { limit, .. }) = endless else { panic!("{endless}") };
    assert_eq!(limit, 512);
    assert!(stream.unread().len() <= 512 + CHUNK);
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_a_reply_are_two_things() {
    let (mut stream, mut far) = talk(b"", Duration::from_secs(9)).await;
    stream.allow(Duration::from_secs(2));
    let silent = stream.line(Phase::Greeting, 99).await.unwrap_err();
    assert_eq!(silent.code(), "silent");
    far.write_all(b"half").await.unwrap();
    stream.exactly(Phase::Greeting, 1).await.unwrap_err();
    stream.wait = stream.deadline;
    let half = stream.line(Phase::Greeting, 99).await.unwrap_err();
    assert_eq!(half.code(), "incomplete");
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_told_from_a_silent_one() {
    let (mut stream, far) = talk(b"", Duration::from_secs(5)).await;
    drop(far);
    let gone = stream.line(Phase::Greeting, 99).await.unwrap_err();
    let Cause::Talk(TalkCause::HungUp { phase: Phase::Greeting, received: 0, .. }) = gone else {
        panic!("{gone}")
    };
}
