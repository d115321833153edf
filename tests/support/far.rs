//! Peers: the far sides of the services, and everything that is none.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use preflight_checks::{Authority, Behaviour, FarStream, Responder, SERVICES, ServerCertificates};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

/// One runtime for the peers of all tests of a program.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// A running peer; dropping it ends it.
pub(crate) struct Far {
    pub(crate) address: SocketAddr,
    tasks: Vec<AbortHandle>,
    _responder: Option<Responder>,
}

impl Drop for Far {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Far {
    /// `127.0.0.1:PORT`
    pub(crate) fn at(&self) -> String {
        self.address.to_string()
    }
}

/// A healthy far side, with the certificate [`ca_file`] vouches for.
pub(crate) fn healthy(name: &str) -> Far {
    serve(name, ANYWHERE, Some(&PKI.server))
}

/// A healthy far side at an address of its own.
pub(crate) fn healthy_at(name: &str, at: SocketAddr) -> Far {
    serve(name, at, Some(&PKI.server))
}

/// A healthy far side that knows no TLS.
pub(crate) fn without_tls(name: &str) -> Far {
    serve(name, ANYWHERE, None)
}

/// Says its piece on each connection, and keeps it until the client is gone.
pub(crate) fn says(piece: impl Into<Vec<u8>>) -> Far {
    let piece: Arc<[u8]> = piece.into().into();
    let listener = TcpListener::bind(ANYWHERE).unwrap();
    streams(listener, move |mut connection| {
        let piece = Arc::clone(&piece);
        Box::pin(async move {
            if connection.write_all(&piece).await.is_ok() {
                let _gone = FarStream::new(Box::new(connection), None).until_closed().await;
            }
        })
    })
}

/// Sends back what it gets, over TCP and UDP.
pub(crate) fn echo() -> Far {
    let (listener, socket) = both();
    let mut far = streams(listener, |mut connection| {
        Box::pin(async move {
            let (mut from, mut to) = connection.split();
            let _gone = tokio::io::copy(&mut from, &mut to).await;
        })
    });
    far.tasks.push(datagrams(socket, |request| Some(request.to_vec())));
    far
}

/// A port that takes connections and datagrams and never says a word.
///
/// Nobody accepts or reads before the test counts, so nothing is missed.
pub(crate) struct Quiet {
    listener: TcpListener,
    socket: UdpSocket,
}

impl Quiet {
    pub(crate) fn new() -> Self {
        let (listener, socket) = both();
        listener.set_nonblocking(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { listener, socket }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn at(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Connections and datagrams since the last count.
    pub(crate) fn contacts(&self) -> usize {
        let connections = std::iter::from_fn(|| self.listener.accept().ok()).count();
        let datagrams = std::iter::from_fn(|| self.socket.recv(&mut [0; 1]).ok()).count();
        connections + datagrams
    }
}

/// A port that is taken, so nobody else gets it, and at which nothing listens.
pub(crate) struct Closed {
    socket: TcpSocket,
}

impl Closed {
    pub(crate) fn new() -> Self {
        Self::at_address(ANYWHERE)
    }

    pub(crate) fn at_address(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address).unwrap();
        Self { socket }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn at(&self) -> String {
        self.socket.local_addr().unwrap().to_string()
    }
}

/// The authority of the peers' certificates, as `--ca` takes it.
pub(crate) fn ca_file() -> NamedTempFile {
    file(&PKI.authority.pem())
}

/// A file with that text.
pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn serve(name: &str, at: SocketAddr, tls: Option<&ServerCertificates>) -> Far {
    let service = SERVICES.iter().copied().find(|service| service.name == name).unwrap();
    // It is bound by this thread, so in the network namespace that this thread is in.
    let started = RUNTIME.block_on(Responder::start(service, at, Behaviour::Healthy, tls));
    let responder = started.unwrap();
    Far { address: responder.address, tasks: Vec::new(), _responder: Some(responder) }
}

type Conversation = Pin<Box<dyn Future<Output = ()> + Send>>;

fn streams(
    listener: TcpListener,
    converse: impl Fn(TcpStream) -> Conversation + Send + 'static,
) -> Far {
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let task = RUNTIME.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(converse(connection));
        }
    });
    Far { address, tasks: vec![task.abort_handle()], _responder: None }
}

fn datagrams(
    socket: UdpSocket,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> AbortHandle {
    socket.set_nonblocking(true).unwrap();
    let task = RUNTIME.spawn(async move {
        let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
        let mut request = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut request).await {
            if let Some(reply) = answer(&request[..length]) {
                let _gone = socket.send_to(&reply, client).await;
            }
        }
    });
    task.abort_handle()
}

/// TCP and UDP on one port number; the kernel hands them out one by one.
fn both() -> (TcpListener, UdpSocket) {
    loop {
        let listener = TcpListener::bind(ANYWHERE).unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()) {
            return (listener, socket);
        }
    }
}

/// An authority of the tests, and certificates for this machine.
struct Pki {
    authority: Authority,
    server: ServerCertificates,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let authority = Authority::named("Authority of the tests").unwrap();
    let server = ServerCertificates::of(&authority, "server of the tests").unwrap();
    Pki { authority, server }
});
