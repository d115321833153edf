//! The far side: listens for services, well or broken in one chosen way.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

use crate::authority::{Authority, params_for};
use crate::cause::Transport;
use crate::net::FarStream;
use crate::services::{Answer, Respond, Serve, Service};

/// How a far side behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Behaviour {
    /// It answers as it should.
    #[strum(disabled)]
    Healthy,
    /// Nothing listens.
    Closed,
    /// Accepts and says nothing.
    Silent,
    /// Another service answers.
    WrongService,
    /// The certificate has expired.
    ExpiredCertificate,
    /// A time server without time.
    Unsynchronised,
    /// An agent with another community.
    WrongCommunity,
}

/// What a far side presents inside TLS.
#[derive(Clone, Debug)]
pub struct ServerCertificates {
    /// A valid certificate.
    pub valid: Arc<ServerConfig>,
    /// One whose last day has passed.
    pub expired: Arc<ServerConfig>,
}

impl ServerCertificates {
    /// Certificates for 127.0.0.1 and `localhost` whose common name is `name`, signed by `authority`.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn of(authority: &Authority, name: &str) -> io::Result<Self> {
        let until = |year: i32| -> io::Result<Arc<ServerConfig>> {
            let mut params = params_for(&["127.0.0.1", "localhost"])?;
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            Ok(Arc::new(authority.sign(&params)?.server()?))
        };
        Ok(Self { valid: until(2120)?, expired: until(2021)? })
    }
}

/// A running far side; dropping it ends it.
#[derive(Debug)]
pub struct Responder {
    /// Where it listens (or would, when it is `Closed`).
    pub address: SocketAddr,
    tasks: Vec<AbortHandle>,
    /// Keeps a closed port from being given to somebody else.
    _closed: Option<Closed>,
}

/// A port that is taken, and at which nothing listens.
#[derive(Debug)]
struct Closed {
    /// Connected to itself, so the kernel refuses everybody else's datagrams.
    _udp: Option<UdpSocket>,
    /// Bound without listening, so the kernel refuses connections.
    _tcp: Option<TcpSocket>,
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Conversations served at once by one responder.
const CONVERSATIONS: usize = 64;
/// Longest conversation: a client that stays must not hold a place for ever.
const LONGEST: Duration = Duration::from_secs(30);
/// The largest datagram there is.
const MAX_DATAGRAM: usize = 65_535;

impl Responder {
    /// Listens at `at` for `service`; port 0 takes any free one. Without `tls` it knows no TLS.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(
        service: &'static Service,
        at: SocketAddr,
        behaviour: Behaviour,
        tls: Option<&ServerCertificates>,
    ) -> io::Result<Self> {
        let (datagram, stream) = match service.respond {
            Respond::Datagram(answer) => (Some(answer), None),
            Respond::Stream(serve) => (None, Some(serve)),
            Respond::Nobody => (None, None),
            Respond::Both { datagram, stream } => (Some(datagram), Some(stream)),
        };
        if behaviour == Behaviour::Closed {
            let (address, closed) = closed(at, datagram.is_some(), stream.is_some()).await?;
            return Ok(Self { address, tasks: Vec::new(), _closed: Some(closed) });
        }
        let (socket, listener) = bind(at, datagram.is_some(), stream.is_some()).await?;
        let udp = socket.as_ref().map(UdpSocket::local_addr);
        let tcp = listener.as_ref().map(TcpListener::local_addr);
        let address = udp.or(tcp).unwrap_or(Ok(at))?;
        let mut tasks = Vec::new();
        if let (Some(socket), Some(answer)) = (socket, datagram) {
            tasks.push(tokio::spawn(datagrams(socket, answer, behaviour)).abort_handle());
        }
        if let (Some(listener), Some(serve)) = (listener, stream) {
            let config = tls.map(|tls| match behaviour {
                Behaviour::ExpiredCertificate => Arc::clone(&tls.expired),
                _ => Arc::clone(&tls.valid),
            });
            let far = Conversation { serve, behaviour, service, config };
            tasks.push(tokio::spawn(streams(listener, far)).abort_handle());
        }
        Ok(Self { address, tasks, _closed: None })
    }
}

/// A free UDP port need not be a free TCP port: a few tries find one that is both.
async fn bind(
    at: SocketAddr,
    udp: bool,
    tcp: bool,
) -> io::Result<(Option<UdpSocket>, Option<TcpListener>)> {
    const TRIES: usize = 16;
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let socket = if udp { Some(UdpSocket::bind(at).await?) } else { None };
        if !tcp {
            return Ok((socket, None));
        }
        let same = match &socket {
            Some(socket) => socket.local_addr()?,
            None => at,
        };
        match TcpListener::bind(same).await {
            Ok(listener) => return Ok((socket, Some(listener))),
            Err(error) if at.port() != 0 => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Takes a port on which nothing answers.
async fn closed(at: SocketAddr, udp: bool, tcp: bool) -> io::Result<(SocketAddr, Closed)> {
    let (socket, listener) = bind(at, udp, tcp).await?;
    let mut address = at;
    if let Some(socket) = &socket {
        address = socket.local_addr()?;
        socket.connect(address).await?;
    }
    let tcp = match listener {
        Some(listener) => {
            address = listener.local_addr()?;
            drop(listener);
            let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.bind(address)?;
            Some(socket)
        }
        None => None,
    };
    Ok((address, Closed { _udp: socket, _tcp: tcp }))
}

async fn datagrams(socket: UdpSocket, answer: Answer, behaviour: Behaviour) {
    let mut request = vec![0; MAX_DATAGRAM];
    while let Ok((length, client)) = socket.recv_from(&mut request).await {
        let request = request.get(..length).unwrap_or_default();
        let reply = match behaviour {
            Behaviour::Silent => None,
            Behaviour::WrongService => Some(b"SSH-2.0-not_what_you_asked_for\r\n".to_vec()),
            Behaviour::Unsynchronised => answer(request).map(unsynchronised),
            _ => answer(request),
        };
        if let Some(reply) = reply {
            let _client_may_be_gone = socket.send_to(&reply, client).await;
        }
    }
}

/// An NTP answer with the leap indicator's alarm and stratum 16 (RFC 5905 §7.3).
fn unsynchronised(mut reply: Vec<u8>) -> Vec<u8> {
    if let [head, stratum, ..] = reply.as_mut_slice() {
        *head |= 0b1100_0000;
        *stratum = 16;
    }
    reply
}

/// How each connection is served.
#[derive(Clone)]
struct Conversation {
    serve: Serve,
    behaviour: Behaviour,
    service: &'static Service,
    config: Option<Arc<ServerConfig>>,
}

async fn streams(listener: TcpListener, far: Conversation) {
    let mut conversations = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        while conversations.len() >= CONVERSATIONS {
            conversations.join_next().await;
        }
        let far = far.clone();
        conversations.spawn(async move {
            // How a conversation ends is the client's affair.
            let _ended = tokio::time::timeout(LONGEST, converse(connection, far)).await;
        });
    }
}

async fn converse(connection: TcpStream, far: Conversation) -> io::Result<()> {
    // Else a reply after a TLS session ticket waits 40 ms for the client's delayed ACK.
    connection.set_nodelay(true)?;
    let at = connection.local_addr().ok();
    let mut stream = FarStream::new(Box::new(connection), far.config).accepted_at(at);
    match far.behaviour {
        Behaviour::Silent => stream.until_closed().await,
        Behaviour::WrongService => {
            stream.send(b"220 mail.example ESMTP not what you asked for\r\n").await?;
            stream.until_closed().await
        }
        _ => (far.serve)(far.service.begin(stream).await?).await,
    }
}

impl Behaviour {
    /// The names of those that break something.
    #[must_use]
    pub fn kinds() -> Vec<&'static str> {
        let all = <Self as strum::VariantNames>::VARIANTS.iter().copied();
        all.filter(|name| name.parse::<Self>().is_ok()).collect()
    }

    /// Can this service be broken in this way?
    #[must_use]
    pub fn fits(self, service: &Service) -> bool {
        match self {
            Self::Healthy | Self::Closed | Self::Silent => true,
            Self::WrongService => service.transport == Transport::Tcp && service.name != "smtp",
            Self::ExpiredCertificate => service.tls,
            Self::Unsynchronised => service.name == "ntp",
            Self::WrongCommunity => service.name == "snmp",
        }
    }
}
