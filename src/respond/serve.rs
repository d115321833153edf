//! Serves one port, within bounds: of bytes, of time, of connections, of answers.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::TcpMaxSeg;
use preflight_checks::{Eavesdropper, FarStream, Respond, Serve, Service, snmp};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

use super::SNMP;
use super::bounds::{CONNECTIONS, DATAGRAMS, network};
use super::host::DoorHost;
use super::told::What;
use crate::far_side::{CALL, MARK, MARK_LENGTH, MarkSeen};

/// Connections at once on one port; the oldest of whoever has most makes room.
const MOST: usize = 128;
/// Longest conversation. One that is silent holds a place only until somebody else needs it, and a run with `--hold`
/// needs it to last.
const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// Longest wait for the rest of a mark.
const MARKING: Duration = Duration::from_secs(20);
/// What one client may say.
const MOST_SAID: u64 = 64 << 10;
/// The largest question that is read.
const MAX_DATAGRAM: usize = 2048;
/// Who has a code or a mark says so at once; a service that speaks first waits so long for it.
const FIRST_WORDS: Duration = Duration::from_millis(250);
/// How long to rest when a part of them is there.
const PART: Duration = Duration::from_millis(10);
/// How long to rest when the process has no descriptor left.
const REST: Duration = Duration::from_millis(50);

/// A port's protocol, and where what comes to it is counted.
#[derive(Clone, Debug)]
pub(super) struct ServedPort {
    service: &'static Service,
    port: u16,
    /// "TCP 5669 (poller.bbdo)"
    name: String,
    host: Arc<DoorHost>,
}

impl ServedPort {
    pub(super) fn new(
        service: &'static Service,
        port: u16,
        flows: &str,
        host: &Arc<DoorHost>,
    ) -> Self {
        let name = format!("{} {port} ({flows})", service.transport);
        Self { service, port, name, host: Arc::clone(host) }
    }

    fn tell(&self, from: IpAddr, what: What) {
        self.host.told.tell(&self.name, from, what);
    }

    /// The protocol's own answer to a datagram.
    fn answer(&self, asked: &[u8]) -> Option<Vec<u8>> {
        match self.service.respond {
            _ if self.service.name == SNMP => snmp::stand_in(asked, self.host.community.as_ref()),
            Respond::Datagram(answer) | Respond::Both { datagram: answer, .. } => answer(asked),
            Respond::Stream(_) | Respond::Nobody => None,
        }
    }

    /// The answer to a mark; `None`: it is none of ours.
    fn marked(&self, bytes: &[u8], seen: MarkSeen) -> Option<Vec<u8>> {
        self.host.sessions.marked(bytes, seen, self.service.transport, self.port)
    }
}

/// Answers datagrams.
pub(super) async fn datagrams(socket: UdpSocket, way: ServedPort) {
    let mut request = vec![0; MAX_DATAGRAM];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut request).await else {
            // An ICMP error of an earlier answer, most likely.
            tokio::task::yield_now().await;
            continue;
        };
        if !way.host.bounds.allow(client.ip(), DATAGRAMS, Instant::now()) {
            way.tell(client.ip(), What::Refused);
            continue;
        }
        let asked = request.get(..length).unwrap_or_default();
        if asked.starts_with(MARK) {
            // A stranger's mark gets no answer: it does not belong to the protocol.
            if let Some(reply) = way.marked(asked, MarkSeen { from: client, segment: 0 }) {
                let _client_may_be_gone = socket.send_to(&reply, client).await;
                way.tell(client.ip(), What::Marked);
            }
            continue;
        }
        let reply = way.answer(asked);
        let length = reply.as_ref().map_or(0, Vec::len);
        let is_paid = way.host.bounds.may_answer(client.ip(), asked.len(), length);
        match reply {
            Some(_) if !is_paid => way.tell(client.ip(), What::Owed),
            Some(reply) => {
                let _client_may_be_gone = socket.send_to(&reply, client).await;
                way.tell(client.ip(), What::Answered);
            }
            None => way.tell(client.ip(), What::Came),
        }
    }
}

/// Hears the marks that come to a port somebody else has; what else comes is for that one to answer.
pub(super) async fn overhear(ears: Eavesdropper, way: ServedPort) {
    loop {
        let Ok(heard) = ears.hear().await else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let (from, asked) = (heard.from, heard.bytes.as_slice());
        let is_mark = asked.starts_with(MARK);
        if is_mark && way.host.bounds.allow(from.ip(), DATAGRAMS, Instant::now()) {
            let seen = MarkSeen { from, segment: 0 };
            if way.marked(asked, seen).is_some() {
                way.tell(from.ip(), What::Overheard);
            }
        }
    }
}

/// Serves connections.
pub(super) async fn streams(listener: TcpListener, way: ServedPort, tls: Arc<ServerConfig>) {
    let serve: Serve = match way.service.respond {
        Respond::Stream(serve) | Respond::Both { stream: serve, .. } => serve,
        Respond::Datagram(_) | Respond::Nobody => return,
    };
    let mut conversations = JoinSet::new();
    let mut open = OpenConnections::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = conversations.join_next(), if !conversations.is_empty() => continue,
        };
        let Ok((connection, client)) = accepted else {
            tokio::time::sleep(REST).await;
            continue;
        };
        if !way.host.bounds.allow(client.ip(), CONNECTIONS, Instant::now()) {
            way.tell(client.ip(), What::Refused);
            continue;
        }
        let (way, tls) = (way.clone(), Arc::clone(&tls));
        let task = conversations.spawn(async move {
            match opening(&connection).await {
                FirstBytes::Call => way.host.converse(connection, client).await,
                FirstBytes::Mark => {
                    let marked = answer_mark(connection, client, &way);
                    let _client_may_be_gone = tokio::time::timeout(MARKING, marked).await;
                }
                FirstBytes::Nothing => way.tell(client.ip(), What::SaidNothing),
                first @ (FirstBytes::Protocol | FirstBytes::Silence) => {
                    let conversation = converse(connection, serve, way.service, tls);
                    let served = tokio::time::timeout(LONGEST, conversation).await;
                    let what = match served {
                        Ok(Ok(())) => What::Answered,
                        _ if first == FirstBytes::Silence => What::SaidNothing,
                        _ => What::Came,
                    };
                    way.tell(client.ip(), what);
                }
            }
        });
        open.add(network(client.ip()), task);
    }
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstBytes {
    /// Who has a code, or says so.
    Call,
    /// A mark.
    Mark,
    /// An end.
    Nothing,
    /// Anything else: the port's own protocol.
    Protocol,
    /// None for long: it waits for ours, or will never say any.
    Silence,
}

/// Looks at the first bytes, and leaves them where they are.
async fn opening(connection: &TcpStream) -> FirstBytes {
    let looking = async {
        let mut head = [0; CALL.len()];
        loop {
            let Ok(length) = connection.peek(&mut head).await else {
                return FirstBytes::Nothing;
            };
            let seen = head.get(..length).unwrap_or_default();
            match seen {
                [] => return FirstBytes::Nothing,
                _ if seen == CALL => return FirstBytes::Call,
                _ if seen == MARK => return FirstBytes::Mark,
                _ if CALL.starts_with(seen) || MARK.starts_with(seen) => {
                    tokio::time::sleep(PART).await;
                }
                _ => return FirstBytes::Protocol,
            }
        }
    };
    tokio::time::timeout(FIRST_WORDS, looking).await.unwrap_or(FirstBytes::Silence)
}

async fn answer_mark(
    mut connection: TcpStream,
    client: SocketAddr,
    way: &ServedPort,
) -> io::Result<()> {
    let mut mark = [0; MARK_LENGTH];
    connection.read_exact(&mut mark).await?;
    let segment = getsockopt(&connection, TcpMaxSeg).ok().and_then(|size| u16::try_from(size).ok());
    let seen = MarkSeen { from: client, segment: segment.unwrap_or_default() };
    if let Some(reply) = way.marked(&mark, seen) {
        connection.write_all(&reply).await?;
        way.tell(client.ip(), What::Marked);
    }
    Ok(())
}

async fn converse(
    connection: TcpStream,
    serve: Serve,
    service: &'static Service,
    tls: Arc<ServerConfig>,
) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let at = connection.local_addr().ok();
    let (reads, writes) = connection.into_split();
    let bounded = tokio::io::join(reads.take(MOST_SAID), writes);
    let stream = FarStream::new(Box::new(bounded), Some(tls)).accepted_at(at);
    serve(service.begin(stream).await?).await
}

/// The connections that are open, by who made them.
#[derive(Debug, Default)]
struct OpenConnections {
    by: HashMap<IpAddr, VecDeque<AbortHandle>>,
}

impl OpenConnections {
    /// Adds one; with too many, whoever has most loses the oldest.
    fn add(&mut self, source: IpAddr, task: AbortHandle) {
        self.by.entry(source).or_default().push_back(task);
        let count = |open: &Self| open.by.values().map(VecDeque::len).sum::<usize>();
        if count(self) <= MOST {
            return;
        }
        for tasks in self.by.values_mut() {
            tasks.retain(|task| !task.is_finished());
        }
        self.by.retain(|_, tasks| !tasks.is_empty());
        while count(self) > MOST {
            let heaviest = self.by.values_mut().max_by_key(|tasks| tasks.len());
            if let Some(oldest) = heaviest.and_then(VecDeque::pop_front) {
                oldest.abort();
            }
        }
    }
}
