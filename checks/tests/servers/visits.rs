//! How many connections one question may cost a server, the looks after a failure included.
//!
//! The bounds are those of the README's section on manners.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use preflight_checks::{Deadline, Peer, SERVICES, Service, Transport, Trust, examine, identify};
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// What a server does with whoever comes.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Takes what is said, and says nothing.
    Silent,
    /// Closes once it has heard something, or has waited a moment.
    Closes,
    /// The same with a RST.
    Resets,
    /// Says what is no protocol, and waits.
    Babbles,
}

const MANNERS: [Manner; 4] = [Manner::Silent, Manner::Closes, Manner::Resets, Manner::Babbles];

/// The question itself, the same words again, once more as usual and once with small packets; a look
/// for TLS; and TLS, its own words behind a PROXY header, LDAP, BBDO, NRPE and `OpenVPN` in their own words. A
/// broker of BBDO has three openings.
const MOST: usize = 15;

async fn receive(mut stream: TcpStream, manner: Manner) {
    let mut bytes = [0; 4096];
    if matches!(manner, Manner::Babbles) {
        let _gone = stream.try_write(b"\x01\x02\x03 no protocol at all\r\n");
    }
    let moment = if matches!(manner, Manner::Silent | Manner::Babbles) { 90 } else { 1 };
    let heard = tokio::time::timeout(Duration::from_secs(moment), stream.read(&mut bytes)).await;
    match manner {
        Manner::Closes => {}
        Manner::Resets => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        Manner::Silent | Manner::Babbles => {
            if heard.is_ok_and(|read| read.is_ok_and(|length| length > 0)) {
                while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
            }
        }
    }
}

/// Connections that `service` costs such a server.
async fn visits(service: &'static Service, manner: Manner) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(receive(stream, manner));
        }
    });
    let deadline = Deadline::after(service.budget);
    let trust = Trust::only([]);
    let finding = examine(&(service.probe)(), peer, deadline, &trust).await;
    if let Err(cause) = &finding.verdict {
        let soon = Deadline::after(Duration::from_secs(4));
        identify(service, &finding.peer, cause, soon).await;
    }
    // A question that ends with the connection may be over before the server has taken it.
    let taken = async {
        while count.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _none = tokio::time::timeout(Duration::from_secs(2), taken).await;
    serving.abort();
    count.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_question_costs_a_server_more_connections_than_the_readme_says() {
    let tcp = SERVICES.iter().filter(|service| service.transport == Transport::Tcp);
    let pairs = tcp.flat_map(|&service| MANNERS.map(|manner| (service, manner)));
    let counted = join_all(pairs.map(|(service, manner)| async move {
        (service.name, manner, visits(service, manner).await)
    }));
    for (name, manner, count) in counted.await {
        assert!((1..=MOST).contains(&count), "{name}, {manner:?}: {count} connections");
    }
}
