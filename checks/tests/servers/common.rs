//! Peers for the tests: the responders, and everything that can be wrong.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use preflight_checks::{
    Authority, Behaviour, Deadline, FarStream, Finding, Peer, Responder, ServerCertificates,
    Service, Transport, Trust, examine,
};
use rustls::pki_types::CertificateDer;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::AbortHandle;

/// Everything that can be wrong with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Absent,
    HangsUp,
    Silent,
    Garbage,
    Ssh,
    Http,
    Drip,
    Flood,
}

/// A running peer; dropping it ends it.
pub(crate) struct Far {
    pub(crate) address: SocketAddr,
    sent: Arc<AtomicUsize>,
    tasks: Vec<AbortHandle>,
    _responder: Option<Responder>,
}

impl Far {
    /// Bytes a flooding peer got rid of.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// An authority of the tests, and what it signs for 127.0.0.1.
pub(crate) struct Pki {
    pub(crate) ca: CertificateDer<'static>,
    server: ServerCertificates,
}

pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let authority = Authority::named("Authority of the tests").unwrap();
    let server = ServerCertificates::of(&authority, "server of the tests").unwrap();
    Pki { ca: authority.der(), server }
});

/// Asks `far` with the probe of `service`.
pub(crate) async fn ask(service: &Service, far: &Far, budget: Duration) -> Finding {
    let trust = Trust::only([PKI.ca.clone()]);
    let deadline = Deadline::after(budget);
    examine(&(service.probe)(), Peer::from(far.address), deadline, &trust).await
}

/// A peer that runs the responder half of `service`.
pub(crate) async fn healthy_peer(service: &'static Service) -> Far {
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let started = Responder::start(service, at, Behaviour::Healthy, Some(&PKI.server)).await;
    let responder = started.unwrap();
    let address = responder.address;
    Far { address, sent: Arc::default(), tasks: Vec::new(), _responder: Some(responder) }
}

/// A peer that is wrong in one way, on the transport of `service`.
pub(crate) async fn bad_peer(service: &Service, bad: Bad) -> Far {
    if bad == Bad::Absent {
        return absent(service.transport).await;
    }
    match service.transport {
        Transport::Udp => {
            datagrams(move |_| (bad != Bad::Silent).then(|| b"\x7fgarbage\0\xff".repeat(3))).await
        }
        Transport::Tcp => {
            streams(move |connection, sent| Box::pin(misbehave(connection, bad, sent))).await
        }
        Transport::Icmp => unreachable!("the kernel itself answers"),
    }
}

async fn absent(transport: Transport) -> Far {
    let address = match transport {
        Transport::Tcp => TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap(),
        Transport::Udp => UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap(),
        Transport::Icmp => unreachable!("the kernel itself answers"),
    };
    Far { address, sent: Arc::default(), tasks: Vec::new(), _responder: None }
}

async fn misbehave(mut connection: TcpStream, bad: Bad, sent: Arc<AtomicUsize>) {
    match bad {
        Bad::Absent | Bad::HangsUp => {}
        Bad::Silent => std::future::pending().await,
        Bad::Garbage => say(connection, &b"\x7fgarbage\0\xff\r\n".repeat(9)).await,
        Bad::Ssh => say(connection, b"SSH-2.0-OpenSSH_9.2p1\r\n").await,
        Bad::Http => {
            let page =
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            say(connection, page).await;
        }
        Bad::Drip => {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            while connection.write_all(b"2").await.is_ok() {
                every.tick().await;
            }
        }
        Bad::Flood => {
            let chunk = [b'2'; 8192];
            while let Ok(length) = connection.write(&chunk).await {
                sent.fetch_add(length, Ordering::Relaxed);
            }
        }
    }
}

/// Says its piece and keeps the connection until the client is gone.
async fn say(mut connection: TcpStream, piece: &[u8]) {
    if connection.write_all(piece).await.is_ok() {
        let mut stream = FarStream::new(Box::new(connection), None);
        let _gone = stream.until_closed().await;
    }
}

type Conversation = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves each connection in a task of its own.
pub(crate) async fn streams(
    serve: impl Fn(TcpStream, Arc<AtomicUsize>) -> Conversation + Send + 'static,
) -> Far {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&sent);
    let task = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, Arc::clone(&counter)));
        }
    });
    Far { address, sent, tasks: vec![task.abort_handle()], _responder: None }
}

/// Answers each datagram.
pub(crate) async fn datagrams(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Far {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut request = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut request).await {
            if let Some(reply) = answer(request.get(..length).unwrap()) {
                let _gone = socket.send_to(&reply, client).await;
            }
        }
    });
    Far { address, sent: Arc::default(), tasks: vec![task.abort_handle()], _responder: None }
}
