//! Every way to be a hostile peer, at every service: what the program makes of it, in what time, in
//! how much memory, and that nothing of it acts on a terminal.
//!
//! `docs/security.md` has the table. A peer that plays by the rules up to a point, and one whose
//! words are wrong in one way only, gets further than one that never knew them: so most manners
//! change what the service's own far side says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use preflight_checks::{
    Answer, Authority, FarStream, KeyedCertificate, Respond, SERVICES, Serve, Service, Transport,
    params_for,
};
use rcgen::{DnType, SanType};
use rustls::ServerConfig;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;

use crate::support::far::file;
use crate::support::page::is_inert;
use crate::support::{Guard, command, start};

/// What a hostile peer does.
struct Hostile {
    /// In the table.
    words: &'static str,
    manner: Manner,
    /// May the service work all the same?
    harmless: bool,
}

#[derive(Clone, Copy)]
enum Manner {
    /// Lets the kernel take the connection, and never looks at it.
    Unaccepted,
    /// Ends it at once, politely or not.
    Ends(How),
    /// Says so many of the far side's bytes, a part of 256 of each of its turns, then does that.
    Until(u32, How),
    /// Says the far side's bytes one at a time, that far apart.
    Slowly(Duration),
    /// Says the far side's words so changed.
    Changed(fn(Vec<u8>) -> Vec<u8>),
    /// Says the far side's words, and goes on with this for ever.
    Then(&'static [u8]),
    /// Says this after the client's first words, or at once, for ever.
    Endless(&'static [u8]),
    /// Says this once, the far side's words never.
    Says(fn() -> Vec<u8>),
    /// The far side's datagram, so changed.
    Datagram(fn(Vec<u8>) -> Vec<u8>),
    /// The client's own words.
    Repeats,
    /// The far side's datagram: so often.
    Often(usize),
    /// The far side's datagram, too late.
    Late,
    /// The far side's datagram, from another port.
    Elsewhere,
    /// The far side's words, with another certificate.
    Certificate(fn() -> rcgen::CertificateParams),
}

impl Manner {
    /// Does it say something else to that service than a healthy far side?
    fn concerns(self, service: &Service) -> bool {
        let is_udp = service.transports().contains(&Transport::Udp);
        // The kernel answers a ping, and there is no peer to play.
        if service.transport == Transport::Icmp {
            return false;
        }
        match self {
            Self::Datagram(_) | Self::Often(_) | Self::Late | Self::Elsewhere => is_udp,
            Self::Certificate(_) => !is_udp && service.name != "tcp",
            // The keys of NTS are those of its session, which a peer in the middle has not.
            Self::Until(..) | Self::Slowly(_) | Self::Changed(_) | Self::Then(_) => {
                service.name != "nts"
            }
            Self::Unaccepted | Self::Ends(_) | Self::Endless(_) | Self::Says(_) | Self::Repeats => {
                true
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Closes,
    Resets,
    Stays,
}

const fn bad(words: &'static str, manner: Manner) -> Hostile {
    Hostile { words, manner, harmless: false }
}

const fn odd(words: &'static str, manner: Manner) -> Hostile {
    Hostile { words, manner, harmless: true }
}

const HOSTILE: &[Hostile] = &[
    bad("takes the connection and never looks at it", Manner::Unaccepted),
    bad("closes at once", Manner::Ends(How::Closes)),
    bad("resets at once", Manner::Ends(How::Resets)),
    bad("says nothing", Manner::Ends(How::Stays)),
    bad("stays after one byte of its answer", Manner::Until(0, How::Stays)),
    bad("closes after one byte of its answer", Manner::Until(0, How::Closes)),
    bad("resets after one byte of its answer", Manner::Until(0, How::Resets)),
    bad("stays after half its answer", Manner::Until(128, How::Stays)),
    bad("closes after half its answer", Manner::Until(128, How::Closes)),
    bad("resets after half its answer", Manner::Until(128, How::Resets)),
    odd("stays before its answer's last byte", Manner::Until(255, How::Stays)),
    odd("closes before its answer's last byte", Manner::Until(255, How::Closes)),
    odd("says a byte each 5 ms", Manner::Slowly(Duration::from_millis(5))),
    odd("says a byte a second", Manner::Slowly(Duration::from_secs(1))),
    odd("says everything twice", Manner::Changed(|said| [said.clone(), said].concat())),
    odd("answers, and floods with zeros", Manner::Then(&[0; 4096])),
    odd("answers, and floods with lines", Manner::Then(b"220-more\r\n")),
    bad("a gigabyte without a line's end", Manner::Endless(&[b'A'; 65_536])),
    bad("lines for ever", Manner::Endless(b"220-and another thing\r\n")),
    bad("zeros for ever", Manner::Endless(&[0; 4096])),
    bad("0xff for ever", Manner::Endless(&[0xff; 4096])),
    bad(
        "the length 0xffffffff, and bytes for ever",
        Manner::Endless(b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0"),
    ),
    odd("its answer with 0xff in its second byte", Manner::Changed(|said| put(said, 1, &[0xff]))),
    odd(
        "its answer with 0xff in its first five bytes",
        Manner::Changed(|said| put(said, 0, &[0xff; 5])),
    ),
    odd(
        "its answer with 0x7fffffff from byte 4",
        Manner::Changed(|said| put(said, 4, &[0x7f, 0xff, 0xff, 0xff])),
    ),
    odd("its answer with the first bit turned", Manner::Changed(|said| turn(said, 0, 0x80))),
    odd(
        "its answer with the last bit turned",
        Manner::Changed(|said| {
            let last = said.len().saturating_sub(1);
            turn(said, last, 1)
        }),
    ),
    odd(
        "its answer backwards",
        Manner::Changed(|mut said| {
            said.reverse();
            said
        }),
    ),
    odd(
        "its answer with each letter a control character",
        Manner::Changed(|said| {
            said.into_iter()
                .map(|it| if it.is_ascii_lowercase() { it & 0x1f } else { it })
                .collect()
        }),
    ),
    bad(
        "headers of HTTP for ever",
        Manner::Endless(b"HTTP/1.1 200 OK\r\nX-A: b\r\nX-A: b\r\nX-A: b\r\n"),
    ),
    bad(
        "one header of HTTP of a megabyte",
        Manner::Says(|| {
            [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 1 << 20], b"\r\n\r\n".to_vec()].concat()
        }),
    ),
    bad("100 Continue for ever", Manner::Endless(b"HTTP/1.1 100 Continue\r\n\r\n")),
    bad(
        "a redirect to itself with a command in it",
        Manner::Says(|| {
            b"HTTP/1.1 302 Found\r\nLocation: /;$(reboot)'`id`\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        }),
    ),
    bad(
        "a body of 2^63 bytes",
        Manner::Says(|| {
            b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nx".to_vec()
        }),
    ),
    bad(
        "a chunk of 2^64 bytes",
        Manner::Says(|| {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx".to_vec()
        }),
    ),
    bad(
        "a page that unpacks to a gigabyte",
        Manner::Says(|| {
            // 64 blocks of deflate, each of them the one before for 258 bytes, as often as fits.
            let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03";
            [&head[..], &b"\xec\xc1\x01\x01\0\0\0\x80\x90\xfe\xaf\xee\x08\x0a".repeat(9_000)]
                .concat()
        }),
    ),
    bad("nested BER", Manner::Says(|| b"\x30\x84\x7f\xff\xff\xff".repeat(20_000))),
    bad(
        "nested JSON",
        Manner::Says(|| {
            [
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
                    .to_vec(),
                b"[{\"a\":".repeat(100_000),
            ]
            .concat()
        }),
    ),
    bad(
        "a greeting that clears the terminal and turns the text round",
        Manner::Says(|| {
            "220 SSH-2.0-\x1b[2J\x1b]0;x\x07\u{202e}evil\u{200b}\0\u{9b}31m\r\n".as_bytes().to_vec()
        }),
    ),
    bad("a message of HTTP/2 that never ends", Manner::Endless(b"\xff\xff\xff\x04\0\0\0\0\0")),
    bad("an alert of TLS", Manner::Says(|| b"\x15\x03\x03\0\x02\x02\x50".to_vec())),
    bad("records of TLS for ever", Manner::Endless(b"\x16\x03\x03\x40\0\x02\xff\xff\xff")),
    odd(
        "a certificate of 1,500 names",
        Manner::Certificate(|| {
            let mut params = params_for(&["127.0.0.1", "localhost"]).unwrap();
            let more = (0..1_500).map(|n| format!("host-{n}.example.org").try_into().unwrap());
            params.subject_alt_names.extend(more.map(SanType::DnsName));
            params
        }),
    ),
    odd(
        "a certificate with names that act on a terminal",
        Manner::Certificate(|| {
            let mut params = params_for(&["127.0.0.1", "localhost"]).unwrap();
            let name = "\x1b[2J\u{202e}evil\0\u{9b}31m\r\n".repeat(40);
            params.distinguished_name.push(DnType::CommonName, name.as_str());
            params.distinguished_name.push(DnType::OrganizationName, name.as_str());
            params
        }),
    ),
    odd("answers a thousand times", Manner::Often(1_000)),
    bad("answers after the deadline", Manner::Late),
    odd("answers from another port", Manner::Elsewhere),
    bad("repeats the question", Manner::Repeats),
    odd(
        "its answer with a loop of compressed names",
        Manner::Datagram(|said| put(said, 12, &[0xc0, 0x0c])),
    ),
    odd(
        "its answer, and 60,000 bytes more",
        Manner::Changed(|said| [said, vec![0xc0; 60_000]].concat()),
    ),
];

fn put(mut said: Vec<u8>, at: usize, what: &[u8]) -> Vec<u8> {
    for (place, byte) in said.iter_mut().skip(at).zip(what) {
        *place = *byte;
    }
    said
}

fn turn(mut said: Vec<u8>, at: usize, bits: u8) -> Vec<u8> {
    if let Some(byte) = said.get_mut(at) {
        *byte ^= bits;
    }
    said
}

/// One hostile peer of one service.
#[derive(Clone)]
struct Playing {
    service: &'static Service,
    manner: Manner,
    tls: Arc<ServerConfig>,
}

impl Playing {
    fn halves(&self) -> (Option<Answer>, Option<Serve>) {
        match self.service.respond {
            Respond::Datagram(answer) => (Some(answer), None),
            Respond::Stream(serve) => (None, Some(serve)),
            Respond::Nobody => (None, None),
            Respond::Both { datagram, stream } => (Some(datagram), Some(stream)),
        }
    }

    async fn listen(self, listener: TcpListener) {
        if let Manner::Unaccepted = self.manner {
            return std::future::pending().await;
        }
        while let Ok((connection, _)) = listener.accept().await {
            let playing = self.clone();
            tokio::spawn(async move {
                let _over = tokio::time::timeout(LONGEST, playing.converse(connection)).await;
            });
        }
    }

    async fn converse(self, mut connection: TcpStream) -> std::io::Result<()> {
        let resets =
            matches!(self.manner, Manner::Ends(How::Resets) | Manner::Until(_, How::Resets));
        if resets {
            // What is not said politely: the kernel sends RST when it is dropped.
            #[allow(deprecated)]
            connection.set_linger(Some(Duration::ZERO))?;
        }
        match self.manner {
            Manner::Ends(How::Stays) => return until_gone(&mut connection).await,
            Manner::Ends(_) => return Ok(()),
            // Who hopes for TLS is told this instead of it.
            Manner::Says(what) => {
                said_to_a_question(&mut connection).await;
                connection.write_all(&what()).await?;
                return until_gone(&mut connection).await;
            }
            Manner::Repeats => {
                let (mut from, mut to) = connection.split();
                return tokio::io::copy(&mut from, &mut to).await.map(drop);
            }
            Manner::Endless(what) => {
                said_to_a_question(&mut connection).await;
                return flood(&mut connection, what).await;
            }
            _ => {}
        }
        let (_, Some(serve)) = self.halves() else { return until_gone(&mut connection).await };
        let far = FarStream::new(Box::new(connection), Some(Arc::clone(&self.tls)));
        let client = self.service.begin(far).await?.into_io();
        let (ours, theirs) = duplex(1 << 20);
        let far = FarStream::new(Box::new(theirs), Some(Arc::clone(&self.tls)));
        let serving = tokio::spawn(serve(far));
        let ended = self.between(client, ours).await;
        serving.abort();
        ended
    }

    /// Carries the client's words to the far side, and the far side's, changed, to the client.
    async fn between(
        &self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        far: impl AsyncRead + AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let ((mut from_client, mut to_client), (mut from_far, mut to_far)) =
            (split(client), split(far));
        let asks = async {
            let _gone = tokio::io::copy(&mut from_client, &mut to_far).await;
            let _gone = to_far.shutdown().await;
            std::future::pending::<()>().await;
        };
        let mut asks = pin!(asks);
        let answers = async {
            let mut words = vec![0; 1 << 16];
            loop {
                let length = from_far.read(&mut words).await?;
                let Some(said) = words.get(..length).filter(|said| !said.is_empty()) else {
                    to_client.shutdown().await?;
                    return std::future::pending().await;
                };
                if !self.say(said, &mut to_client).await? {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            () = &mut asks => Ok(()),
            ended = answers => ended,
        }
    }

    /// Says one turn of the far side's; does the conversation go on?
    async fn say(
        &self,
        said: &[u8],
        client: &mut (impl AsyncWrite + Unpin),
    ) -> std::io::Result<bool> {
        match self.manner {
            Manner::Until(part, how) => {
                let length = (said.len() * usize::try_from(part).unwrap() / 256).max(1);
                client.write_all(said.get(..length.min(said.len())).unwrap()).await?;
                client.flush().await?;
                match how {
                    How::Closes => client.shutdown().await?,
                    // So that it is not taken back by the reset.
                    How::Resets => tokio::time::sleep(Duration::from_millis(20)).await,
                    How::Stays => std::future::pending().await,
                }
                return Ok(false);
            }
            Manner::Slowly(pause) => {
                for byte in said {
                    client.write_all(std::slice::from_ref(byte)).await?;
                    client.flush().await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Manner::Changed(change) => client.write_all(&change(said.to_vec())).await?,
            Manner::Then(more) => {
                client.write_all(said).await?;
                flood(client, more).await?;
                return Ok(false);
            }
            _ => client.write_all(said).await?,
        }
        client.flush().await?;
        Ok(true)
    }

    async fn answer_datagrams(self, socket: UdpSocket) {
        let elsewhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut question = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut question).await {
            let question = &question[..length];
            let healthy = self.halves().0.and_then(|answer| answer(question));
            let answers: Vec<Vec<u8>> = match self.manner {
                Manner::Unaccepted | Manner::Ends(_) => Vec::new(),
                Manner::Says(what) => vec![what()],
                Manner::Endless(what) => vec![what.to_vec(); 200],
                Manner::Until(part, _) => healthy
                    .map(|said| said[..said.len() * part as usize / 256].to_vec())
                    .into_iter()
                    .collect(),
                Manner::Slowly(_) => healthy.iter().flatten().map(|byte| vec![*byte]).collect(),
                Manner::Changed(change) | Manner::Datagram(change) => {
                    healthy.map(change).into_iter().collect()
                }
                Manner::Repeats => vec![question.to_vec()],
                Manner::Then(what) => {
                    healthy.into_iter().chain(std::iter::repeat_n(what.to_vec(), 200)).collect()
                }
                Manner::Often(times) => healthy.map_or_else(Vec::new, |said| vec![said; times]),
                Manner::Late => {
                    tokio::time::sleep(LATE).await;
                    healthy.into_iter().collect()
                }
                Manner::Elsewhere | Manner::Certificate(_) => healthy.into_iter().collect(),
            };
            let from = if let Manner::Elsewhere = self.manner { &elsewhere } else { &socket };
            for answer in answers {
                let longest = answer.len().min(65_000);
                let _gone = from.send_to(&answer[..longest], client).await;
            }
        }
    }
}

/// Waits a moment for a question, as a server would whose turn it is not.
async fn said_to_a_question(connection: &mut TcpStream) {
    let mut question = [0; 4096];
    let _silence =
        tokio::time::timeout(Duration::from_millis(30), connection.read(&mut question)).await;
}

async fn until_gone(connection: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut words = [0; 4096];
    while connection.read(&mut words).await? > 0 {}
    Ok(())
}

/// A gigabyte of it, or as much as is taken.
async fn flood(to: &mut (impl AsyncWrite + Unpin), what: &[u8]) -> std::io::Result<()> {
    let piece = what.repeat((65_536 / what.len()).max(1));
    for _ in 0..(1 << 30) / piece.len() {
        to.write_all(&piece).await?;
        to.flush().await?;
        READ.fetch_add(piece.len(), Ordering::Relaxed);
    }
    Ok(())
}

/// Bytes that floods got rid of.
static READ: AtomicUsize = AtomicUsize::new(0);
/// No run lasts as long.
const LONGEST: Duration = Duration::from_secs(60);
/// When every step is over.
const LATE: Duration = Duration::from_secs(12);

/// What is tried of the peers at once.
const SIDE_BY_SIDE: usize = 4;
/// The run's `--timeout`: a tenth of every deadline.
const SCALE: f64 = 0.1;

/// What one run against one manner came to.
struct Seen {
    /// Each service's cause, or "works".
    by_service: BTreeMap<&'static str, String>,
    /// Over TCP and over UDP: how long after its deadline the last step ended.
    slowest: [(String, f64); 2],
    peak_kb: u64,
}

/// Runs the program against a peer of every service that behaves so.
fn seen(runtime: &Runtime, hostile: &Hostile) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::named("Authority of hostile peers").unwrap();
    let params = match hostile.manner {
        Manner::Certificate(params) => params(),
        _ => params_for(&["127.0.0.1", "localhost"]).unwrap(),
    };
    let keyed: KeyedCertificate = authority.sign(&params).unwrap();
    let tls = Arc::new(keyed.server().unwrap());
    let ca = file(&authority.pem());
    let (mut checks, mut tasks) = (Vec::new(), Vec::new());
    let concerned = || SERVICES.iter().filter(|service| hostile.manner.concerns(service));
    for service in concerned() {
        let playing = Playing { service, manner: hostile.manner, tls: Arc::clone(&tls) };
        let (port, of_port) = runtime.block_on(play(playing));
        tasks.extend(of_port);
        checks.push(format!("{}={}://127.0.0.1:{port}", service.name, service.name));
    }
    let formats = ["json", "html", "markdown", "csv", "junit", "ndjson", "openmetrics"];
    let files: Vec<_> = formats.iter().map(|it| (it, folder.path().join(it))).collect();
    let outputs: Vec<String> =
        files.iter().map(|(format, file)| format!("{format}={}", file.display())).collect();
    let (scale, ca) = (SCALE.to_string(), ca.path().to_str().unwrap());
    let mut words = vec!["--role", "poller", "--only", "custom.*", "--ca", ca, "--timeout", &scale];
    words.extend(["--verbose", "--format", "table"]);
    words.extend(checks.iter().flat_map(|check| ["--check", check]));
    words.extend(outputs.iter().flat_map(|output| ["--format", output]));
    let child = start(command(&words));
    let (stdout, stderr, code, peak_kb) = watched(child);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(matches!(code, Some(0 | 1 | 3)), "{}: {code:?}\n{stderr}", hostile.words);
    assert_eq!(stderr, "", "{}", hostile.words);
    is_inert(&stdout);
    for (_, file) in &files {
        let text = fs::read_to_string(file).unwrap();
        is_inert(&text.replace(['\r', '\t'], ""));
        assert!(text.len() < 1 << 20, "{}: {} bytes", hostile.words, text.len());
    }
    let report: Value = serde_json::from_str(&fs::read_to_string(&files[0].1).unwrap()).unwrap();
    let mut by_service = BTreeMap::new();
    let mut slowest = [(String::new(), 0.0), (String::new(), 0.0)];
    for service in concerned() {
        let flow = format!("custom.{}", service.name);
        let step = crate::support::step(&report, &flow);
        let says = match step["outcome"].as_str().unwrap() {
            "pass" | "warn" => "works",
            _ => step["cause"]["code"].as_str().unwrap(),
        };
        if matches!(service.respond, Respond::Nobody) {
            // Whoever hears of a stranger's packets only what refuses them has nothing to be misled by.
            assert_eq!(says, "answers-no-stranger", "{}: {}", service.name, hostile.words);
        } else {
            by_service.insert(service.name, says.to_owned());
        }
        let beyond = step["timings"]["total_ms"].as_f64().unwrap()
            - service.budget.as_secs_f64() * SCALE * 1000.0;
        let over = usize::from(service.transport != Transport::Tcp);
        if beyond > slowest[over].1 {
            slowest[over] = (service.name.to_owned(), beyond);
        }
    }
    Seen { by_service, slowest, peak_kb }
}

/// Binds one port for TCP and UDP, and plays there.
async fn play(playing: Playing) -> (u16, Vec<tokio::task::JoinHandle<()>>) {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    loop {
        let listener = TcpListener::bind(any).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await else { continue };
        let streams = tokio::spawn(playing.clone().listen(listener));
        let datagrams = tokio::spawn(playing.answer_datagrams(socket));
        return (port, vec![streams, datagrams]);
    }
}

/// Waits for a run, with an eye on its memory, asked until it ends.
fn watched(mut child: Child) -> (String, String, Option<i32>, u64) {
    let _guard = Guard::on(&child);
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (out, err) = (all_of(out), all_of(err));
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        peak = peak.max(own_kb(Path::new(&status)).unwrap_or_default());
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
        thread::sleep(Duration::from_millis(2));
    };
    (out.join().unwrap(), err.join().unwrap(), code, peak)
}

/// Has the peer said all that this service is asked for?
fn asks_no_more(service: &str, manner: Manner) -> bool {
    match service {
        "tcp" => true,
        // What it says comes after the handshake; an answer of the old protocol has no end that
        // could be missing.
        "tls" | "nsclient-nt" => matches!(manner, Manner::Until(..)),
        // Any page will do.
        "http" => matches!(manner, Manner::Says(_)),
        _ => false,
    }
}

/// Most that a run may need for 37 conversations at once, its outputs and what it is made of; the
/// pages of the program itself, which the kernel shares, do not count.
const MOST_KB: u64 = 30 << 10;
/// How long after its deadline a step may end, over TCP and over UDP: after a silence over UDP it
/// looks where that begins.
const BEYOND_MS: [f64; 2] = [500.0, 1_000.0];
/// How often a wait of a run may be as late as this machine's waits are meanwhile.
const LATE_WAITS: f64 = 3.0;

/// How late this machine was for a wait, at most, while the test ran: on a busy one the program is
/// as late, and no peer has a part in it.
struct Lateness {
    over: std::sync::mpsc::Sender<()>,
    measured: thread::JoinHandle<Duration>,
}

impl Lateness {
    fn measure() -> Self {
        const WAIT: Duration = Duration::from_millis(5);
        let (over, is_over) = std::sync::mpsc::channel::<()>();
        let measured = thread::spawn(move || {
            let mut latest = Duration::ZERO;
            loop {
                let begun = std::time::Instant::now();
                let ended = is_over.recv_timeout(WAIT);
                latest = latest.max(begun.elapsed().saturating_sub(WAIT));
                if ended == Err(std::sync::mpsc::RecvTimeoutError::Disconnected) {
                    return latest;
                }
            }
        });
        Self { over, measured }
    }

    fn milliseconds(self) -> f64 {
        drop(self.over);
        self.measured.join().unwrap().as_secs_f64() * 1000.0
    }
}

/// Of a flood, the kernels' buffers on both sides included.
const MOST_READ: usize = 16 << 20;

fn all_of(mut from: impl std::io::Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

/// Memory that is a process's own, and no file's.
fn own_kb(status: &Path) -> Option<u64> {
    let status = fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// What a service may say of a manner, as `docs/security.md` has it: causes, each with its services.
type Table = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

const BEGIN: &str = "<!-- hostile peers: begin -->\n";
const END: &str = "<!-- hostile peers: end -->\n";

fn known(page: &str) -> Table {
    let (_, rest) = page.split_once(BEGIN).unwrap();
    let (table, _) = rest.split_once(END).unwrap();
    let rows = table.lines().skip(2).filter_map(|row| row.trim_matches('|').split_once('|'));
    rows.map(|(manner, causes)| {
        let causes = causes.split("; ").filter_map(|it| it.split_once(": "));
        let names = |names: &str| names.trim().split(", ").map(str::to_owned).collect();
        let causes =
            causes.map(|(cause, of)| (cause.trim().trim_matches('`').to_owned(), names(of)));
        (manner.trim().to_owned(), causes.collect())
    })
    .collect()
}

fn written(table: &Table) -> String {
    let mut out = "| what the peer does | what each service says |\n| --- | --- |\n".to_owned();
    for hostile in HOSTILE {
        let Some(causes) = table.get(hostile.words) else { continue };
        let mut causes: Vec<_> = causes.iter().collect();
        causes.sort_by_key(|(_, of)| std::cmp::Reverse(of.len()));
        let causes: Vec<String> = causes
            .into_iter()
            .map(|(cause, of)| {
                let of: Vec<&str> = of.iter().map(String::as_str).collect();
                format!("`{cause}`: {}", of.join(", "))
            })
            .collect();
        writeln!(out, "| {} | {} |", hostile.words, causes.join("; ")).unwrap();
    }
    out
}

/// `UPDATE_PEERS=1` adds what is seen to the table.
#[test]
fn no_manner_of_a_peer_costs_more_than_its_time_and_each_is_named() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let page_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let page = fs::read_to_string(&page_file).unwrap();
    let mut table = known(&page);
    let next = AtomicUsize::new(0);
    let only = std::env::var("PEERS").unwrap_or_default();
    let all = std::sync::Mutex::new(Vec::new());
    let lateness = Lateness::measure();
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(hostile) = HOSTILE.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if hostile.words.contains(&only) {
                        let seen = seen(&runtime, hostile);
                        all.lock().unwrap().push((hostile, seen));
                    }
                }
            });
        }
    });
    let late = lateness.milliseconds() * LATE_WAITS;
    let mut most = (0, [0.0_f64; 2]);
    let mut false_passes = Vec::new();
    let is_updated = std::env::var_os("UPDATE_PEERS").is_some();
    let mut judge = |hostile: &Hostile, Seen { by_service, slowest, peak_kb }: Seen| {
        let mut wrong = Vec::new();
        if peak_kb >= MOST_KB {
            wrong.push(format!("{}: {peak_kb} kB", hostile.words));
        }
        most.0 = most.0.max(peak_kb);
        for (over, (service, beyond)) in slowest.into_iter().enumerate() {
            if beyond >= BEYOND_MS[over] + late {
                wrong.push(format!("{}: {service} {beyond} ms too late", hostile.words));
            }
            most.1[over] = most.1[over].max(beyond);
        }
        // How much of an answer is read before a connection ends is chance, and with it who else answers a later visit.
        let is_chance = matches!(hostile.manner, Manner::Until(..) | Manner::Ends(_));
        let of_any = table.values().flat_map(|causes| causes.keys().cloned());
        let of_any: BTreeSet<String> = of_any.filter(|_| is_chance).collect();
        let may = table.entry(hostile.words.to_owned()).or_default();
        let of_row: BTreeSet<String> = may.keys().cloned().chain(of_any).collect();
        for (service, cause) in by_service {
            if cause == "works" && !hostile.harmless && !asks_no_more(service, hostile.manner) {
                false_passes.push(format!("{service} works with a peer that {}", hostile.words));
            }
            // Which of a row's causes it is may depend on how its bytes arrive.
            let is_new = may.entry(cause.clone()).or_default().insert(service.to_owned());
            if is_new && !of_row.contains(&cause) {
                if !is_updated {
                    may.remove(&cause);
                }
                wrong.push(format!("{}: {service} says {cause}", hostile.words));
            }
        }
        wrong
    };
    let mut wrong = Vec::new();
    for (hostile, seen_beside_others) in all.into_inner().unwrap() {
        // Beside hundreds of other conversations a peer of ours may itself be silent for long: what it is told of
        // then has to be told of it alone, too. A false pass has no such excuse.
        if !judge(hostile, seen_beside_others).is_empty() {
            wrong.extend(judge(hostile, seen(&runtime, hostile)));
        }
    }
    if is_updated {
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let page = format!("{before}{BEGIN}{}{END}{after}", written(&table));
        fs::write(page_file, page).unwrap();
    }
    println!("at most {} kB, {:?} ms after a deadline; waits were {late} ms late", most.0, most.1);
    let most = HOSTILE.len() * SERVICES.len() * MOST_READ;
    assert!(READ.load(Ordering::Relaxed) < most, "{READ:?} bytes were taken");
    assert!(wrong.is_empty() && false_passes.is_empty(), "{wrong:#?} {false_passes:#?}");
}
