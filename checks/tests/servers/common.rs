//! Peers for the tests: the responders, and everything that can be wrong.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use preflight_checks::{
    Deadline, FarStream, Finding, Peer, Respond, Service, Transport, Trust, examine,
};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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

/// A certificate authority of the tests, and a server certificate for 127.0.0.1.
pub(crate) struct Pki {
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) server: Arc<ServerConfig>,
}

pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "server of the tests");
    let leaf = leaf.signed_by(&server_key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
        )
        .unwrap();
    Pki { ca: ca.der().clone(), server: Arc::new(server) }
});

/// Asks `far` with the probe of `service`.
pub(crate) async fn ask(service: &Service, far: &Far, budget: Duration) -> Finding {
    let trust = Trust::only([PKI.ca.clone()]);
    let deadline = Deadline::after(budget);
    examine(&(service.probe)(), Peer::from(far.address), deadline, &trust).await
}

/// A peer that runs the responder half of `service`.
pub(crate) async fn healthy_peer(service: &'static Service) -> Far {
    match service.respond {
        Respond::Datagram(respond) => datagrams(respond).await,
        Respond::Stream(respond) => streams(converse(service, respond)).await,
        Respond::Both { datagram, stream } => {
            let (listener, socket) = both().await;
            let mut far = serve_streams(listener, converse(service, stream));
            far.tasks.append(&mut serve_datagrams(socket, datagram).tasks);
            far
        }
    }
}

/// Runs the stream half of `service` over each connection.
fn converse(
    service: &'static Service,
    respond: preflight_checks::Serve,
) -> impl Fn(TcpStream, Arc<AtomicUsize>) -> Conversation + Send + 'static {
    move |connection, _| {
        Box::pin(async move {
            let far = FarStream::new(Box::new(connection), Some(PKI.server.clone()));
            let far = if service.tls { far.secure().await } else { Ok(far) };
            if let Ok(far) = far {
                let _the_probe_judges = respond(far).await;
            }
        })
    }
}

/// TCP and UDP on one port number; the kernel hands them out one by one.
async fn both() -> (TcpListener, UdpSocket) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        if let Ok(socket) = UdpSocket::bind(address).await {
            return (listener, socket);
        }
    }
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
    }
}

async fn absent(transport: Transport) -> Far {
    let address = match transport {
        Transport::Tcp => TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap(),
        Transport::Udp => UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap(),
    };
    Far { address, sent: Arc::default(), tasks: Vec::new() }
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
    serve_streams(TcpListener::bind("127.0.0.1:0").await.unwrap(), serve)
}

fn serve_streams(
    listener: TcpListener,
    serve: impl Fn(TcpStream, Arc<AtomicUsize>) -> Conversation + Send + 'static,
) -> Far {
    let address = listener.local_addr().unwrap();
    let sent = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&sent);
    let task = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, Arc::clone(&counter)));
        }
    });
    Far { address, sent, tasks: vec![task.abort_handle()] }
}

/// Answers each datagram.
pub(crate) async fn datagrams(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Far {
    serve_datagrams(UdpSocket::bind("127.0.0.1:0").await.unwrap(), answer)
}

fn serve_datagrams(
    socket: UdpSocket,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> Far {
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut request = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut request).await {
            if let Some(reply) = answer(request.get(..length).unwrap()) {
                let _gone = socket.send_to(&reply, client).await;
            }
        }
    });
    Far { address, sent: Arc::default(), tasks: vec![task.abort_handle()] }
}
