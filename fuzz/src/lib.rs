//! What the fuzzers do with an input. `tests/cli/corpus.rs` does the same with every input that is
//! kept, on each change and without a fuzzer.

pub mod record;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use preflight_checks::fuzzing::certificates;
use preflight_checks::{
    Deadline, FarStream, Finding, Peer, Respond, SERVICES, Seen, Service, Trust, examine,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;

/// What a fuzzer does with an input: it panics when something does not hold.
pub type Keeps = fn(&[u8]);

/// Each fuzzer by its name.
pub const FUZZERS: [(&str, Keeps); 7] = [
    ("peer", peer),
    ("far_side", far_side),
    ("machine", machine),
    ("saved", saved),
    ("tables", tables),
    ("certificate", certificate),
    ("lists", lists),
];

/// Every probe against a peer that says anything: no panic, bounded memory, an end in time, and a
/// verdict that is printable.
///
/// # Panics
///
/// When one of these does not hold.
pub fn peer(input: &[u8]) {
    let Some((service, bare, said)) = service_of(input) else { return };
    let Some(found) = asked(service, bare, said) else { return };
    if let Err(cause) = &found.verdict {
        is_printable(service.name, &cause.to_string());
    }
    is_printable(service.name, &found.seen.headline);
    for concern in &found.seen.concerns {
        is_printable(service.name, &concern.to_string());
    }
    for (name, value) in found.seen.evidence.facts() {
        is_printable(name, &value.to_string());
    }
}

/// Every responder against a client that says anything.
///
/// # Panics
///
/// When it does.
pub fn far_side(input: &[u8]) {
    if let Some((service, _, said)) = service_of(input) {
        answered(service, said);
    }
}

/// A machine whose files hold anything: discovery ends, and the site file made of it can be read.
///
/// An input is files, 0x1c between them, each with its number in [`MACHINE_FILES`] before it.
///
/// # Panics
///
/// When that file cannot be read.
pub fn machine(input: &[u8]) {
    let Ok(root) = tempfile::tempdir_in("/dev/shm") else { return };
    for file in input.split(|byte| *byte == 0x1c) {
        let Some((which, content)) = file.split_first() else { continue };
        let Some(path) = MACHINE_FILES.get(usize::from(*which)) else { continue };
        let path = root.path().join(path);
        let Some(folder) = path.parent() else { continue };
        if fs::create_dir_all(folder).is_ok() {
            let _not_there = fs::write(path, content);
        }
    }
    preflight::fuzzing::machine(root.path());
}

/// A saved report of anybody's: what is read is written without a control character, and reads
/// back as the same; redacted, it names nobody.
///
/// # Panics
///
/// When one of these does not hold.
pub fn saved(input: &[u8]) {
    if let Ok(json) = std::str::from_utf8(input) {
        preflight::fuzzing::saved_report(json);
        preflight::fuzzing::redacted_report(json);
    }
}

/// A site file and a flow table of anybody's.
///
/// # Panics
///
/// When what is said of them holds a control character.
pub fn tables(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        preflight::fuzzing::site_file(text);
        preflight::fuzzing::catalogue(text);
    }
}

/// Certificates that a server shows, one after the other, each with its length before it.
///
/// # Panics
///
/// When what is said of them holds a control character.
pub fn certificate(input: &[u8]) {
    let mut shown: Vec<CertificateDer<'static>> = Vec::new();
    let mut rest = input;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (der, behind) = after.split_at(length);
        shown.push(der.to_vec().into());
        rest = behind;
    }
    for host in ["localhost", "127.0.0.1", "\u{fc}.example"] {
        let mut seen = Seen::default();
        let verdict = certificates(&shown, host, &Trust::only([PKI.0.clone()]), &mut seen);
        if let Err(cause) = verdict {
            is_printable("certificate", &cause.to_string());
        }
        for (name, value) in seen.evidence.facts() {
            is_printable(name, &value.to_string());
        }
    }
}

/// Files that flags name: lists of devices, an inventory, a key, certificates, a secret.
///
/// # Panics
///
/// When what is said of them holds a control character.
pub fn lists(input: &[u8]) {
    // An inventory is read as its name says.
    const SUFFIXES: [&str; 3] = [".csv", ".json", ".yml"];
    let Some((which, content)) = input.split_first() else { return };
    let suffix = SUFFIXES[usize::from(which / 5 % 3)];
    let Ok(file) = tempfile::Builder::new().suffix(suffix).tempfile_in("/dev/shm") else { return };
    if fs::write(file.path(), content).is_ok() {
        preflight::fuzzing::flag_file(*which, file.path());
    }
}

/// Between two of a peer's turns.
pub const TURN: &[u8] = b"\xff\x0a\xff";
/// In a datagram: the number that the question has at this place.
pub const NUMBER: &[u8] = b"\x02\x04IDID";

/// One thread: an input means the same each time.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
});

/// A certificate that the probes trust, and what its server presents.
pub static PKI: LazyLock<(CertificateDer<'static>, Arc<ServerConfig>)> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("names");
    let own = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .expect("a server");
    (own.der().clone(), Arc::new(server))
});

/// All waits of a probe, this much shorter: a peer that says nothing more is no news.
const HURRY: f64 = 0.02;
/// How long a peer listens before its next turn.
const LISTENS: Duration = Duration::from_millis(3);

/// The service that an input is for, whether it is to be spoken to without its TLS, and the rest of
/// the input.
pub fn service_of(input: &[u8]) -> Option<(&'static Service, bool, &[u8])> {
    let (which, rest) = input.split_first()?;
    let which = usize::from(*which);
    Some((SERVICES.get(which % SERVICES.len())?, which >= 2 * SERVICES.len(), rest))
}

/// What a probe makes of a peer that says this, turn by turn, on every connection and datagram.
///
/// A service of TLS is spoken to inside TLS, unless `bare`.
pub fn asked(service: &'static Service, bare: bool, said: &[u8]) -> Option<Finding> {
    let said: Vec<Vec<u8>> = turns(said).map(<[u8]>::to_vec).collect();
    RUNTIME.block_on(async {
        let here = (Ipv4Addr::UNSPECIFIED, 0);
        let listener = TcpListener::bind(here).await.ok()?;
        let port = listener.local_addr().ok()?.port();
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await.ok()?;
        let streams = streams(listener, service.tls && !bare, &said);
        let datagrams = datagrams(socket, service.name, &said);
        let budget = Deadline::scaled(service.budget, HURRY);
        let trust = Trust::only([PKI.0.clone()]);
        let to = SocketAddr::new(IpAddr::V4(somewhere()), port);
        let probe = (service.probe)();
        tokio::select! {
            found = examine(&probe, Peer::from(to), budget, &trust) => Some(found),
            () = streams => None,
            () = datagrams => None,
        }
    })
}

/// Another loopback address each time: connections that have ended keep their ports for a minute.
fn somewhere() -> Ipv4Addr {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Ipv4Addr::from_bits(0x7f00_0000 | (NEXT.fetch_add(1, Ordering::Relaxed) % 0x00ff_fff0 + 1))
}

/// The turns of what a peer says.
pub fn turns(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(said);
    std::iter::from_fn(move || {
        let now = rest?;
        let at = now.windows(TURN.len()).position(|window| window == TURN);
        rest = at.map(|at| &now[at + TURN.len()..]);
        Some(at.map_or(now, |at| &now[..at]))
    })
}

async fn streams(listener: TcpListener, tls: bool, said: &[Vec<u8>]) {
    loop {
        let Ok((connection, _)) = listener.accept().await else { return };
        let _gone =
            tokio::time::timeout(Duration::from_secs(2), visit(connection, tls, said)).await;
    }
}

async fn visit(connection: TcpStream, tls: bool, said: &[Vec<u8>]) {
    if !tls {
        return speak(connection, said).await;
    }
    let far = FarStream::new(Box::new(connection), Some(Arc::clone(&PKI.1)));
    if let Ok(far) = far.secure().await {
        speak(far.into_io(), said).await;
    }
}

async fn speak(mut io: impl AsyncRead + AsyncWrite + Unpin, said: &[Vec<u8>]) {
    let mut heard = [0; 8192];
    for (turn, words) in said.iter().enumerate() {
        if turn > 0 {
            let _silence = tokio::time::timeout(LISTENS, io.read(&mut heard)).await;
        }
        if io.write_all(words).await.is_err() {
            return;
        }
    }
    let _closed = io.shutdown().await;
    while let Ok(Ok(1..)) = tokio::time::timeout(LISTENS, io.read(&mut heard)).await {}
}

async fn datagrams(socket: UdpSocket, service: &str, said: &[Vec<u8>]) {
    let mut question = vec![0; 65_536];
    let mut answers = said.iter().cycle();
    loop {
        let Ok((length, from)) = socket.recv_from(&mut question).await else { return };
        let Some(answer) = answers.next() else { return };
        let answer = matching(service, &question[..length], answer);
        let _gone = socket.send_to(&answer[..answer.len().min(65_000)], from).await;
    }
}

/// The answer with what a probe looks at first: nobody else could have said it.
fn matching(service: &str, question: &[u8], answer: &[u8]) -> Vec<u8> {
    let mut answer = answer.to_vec();
    let mut copy = |from: std::ops::Range<usize>, to: std::ops::Range<usize>| {
        if let (Some(known), Some(place)) = (question.get(from), answer.get_mut(to)) {
            place.copy_from_slice(known);
        }
    };
    match service {
        "dns" => copy(0..2, 0..2),
        "ntp" => copy(40..48, 24..32),
        _ => {
            let number = question.windows(6).find(|it| it.starts_with(&NUMBER[..2]));
            let place = answer.windows(6).position(|window| window == NUMBER);
            if let (Some(number), Some(place)) = (number, place) {
                answer[place..place + 6].copy_from_slice(number);
            }
        }
    }
    answer
}

/// Holds for a text that a terminal would only show.
///
/// # Panics
///
/// When it has a control character.
pub fn is_printable(of: &str, text: &str) {
    assert!(!text.contains(char::is_control), "{of} repeats a control character: {text:?}");
}

/// What the far side of `service` makes of a client that says this.
pub fn answered(service: &'static Service, said: &[u8]) {
    let (datagram, stream) = match service.respond {
        Respond::Datagram(answer) => (Some(answer), None),
        Respond::Stream(serve) => (None, Some(serve)),
        Respond::Nobody => (None, None),
        Respond::Both { datagram, stream } => (Some(datagram), Some(stream)),
    };
    if let Some(answer) = datagram {
        for words in turns(said) {
            let answer = answer(words);
            assert!(answer.is_none_or(|it| it.len() <= 65_507), "no datagram is that long");
        }
    }
    let Some(serve) = stream else { return };
    let said: Vec<Vec<u8>> = turns(said).map(<[u8]>::to_vec).collect();
    RUNTIME.block_on(async {
        let (near, far) = tokio::io::duplex(1 << 16);
        let far = serve(FarStream::new(Box::new(far), Some(Arc::clone(&PKI.1))));
        let client = speak(near, &said);
        let served = tokio::time::timeout(Duration::from_millis(200), far);
        let (_served, ()) = tokio::join!(served, client);
    });
}

/// Files of a machine that discovery reads, by their number in an input of `machine`.
pub const MACHINE_FILES: &[&str] = &[
    "etc/NetworkManager/NetworkManager.conf",
    "etc/NetworkManager/system-connections/e.nmconnection",
    "etc/apt/apt.conf.d/99proxy",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/debian.sources",
    "etc/bind/named.conf",
    "etc/centreon-broker/central-broker.json",
    "etc/centreon-broker/poller1-module.json",
    "etc/centreon-engine/centengine.cfg",
    "etc/centreon-engine/hosts.cfg",
    "etc/centreon-engine/otl_server.json",
    "etc/centreon-engine/resource.cfg",
    "etc/centreon-gorgone/config.yaml",
    "etc/centreon-gorgone/config.d/40-gorgoned.yaml",
    "etc/centreon-monitoring-agent/centagent.json",
    "etc/centreon/centreontrapd.pm",
    "etc/centreon/conf.pm",
    "etc/centreon/config.d/10-database.yaml",
    "etc/chrony/chrony.conf",
    "etc/chrony/sources.d/site.sources",
    "etc/default/chrony",
    "etc/default/snmptrapd",
    "etc/dma/dma.conf",
    "etc/dnf/dnf.conf",
    "etc/dnf/vars/stream",
    "etc/dnsmasq.conf",
    "etc/environment",
    "etc/exim4/exim4.conf",
    "etc/exim4/update-exim4.conf.conf",
    "etc/firewalld/zones/public.xml",
    "etc/hosts",
    "etc/mail.rc",
    "etc/mail/sendmail.mc",
    "etc/msmtprc",
    "etc/netplan/50-site.yaml",
    "etc/network/interfaces",
    "etc/nftables.conf",
    "etc/nsclient/nsclient.ini",
    "etc/nsswitch.conf",
    "etc/ntp.conf",
    "etc/ntpsec/ntp.conf",
    "etc/nullmailer/remotes",
    "etc/openntpd/ntpd.conf",
    "etc/os-release",
    "etc/postfix/main.cf",
    "etc/postfix/master.cf",
    "etc/postfix/transport",
    "etc/profile.d/proxy.sh",
    "etc/resolv.conf",
    "etc/rhsm/rhsm.conf",
    "etc/snmp/centreontrapd.conf",
    "etc/snmp/snmptrapd.conf",
    "etc/squid/squid.conf",
    "etc/ssmtp/ssmtp.conf",
    "etc/systemd/resolved.conf",
    "etc/systemd/system/gorgoned.service.d/proxy.conf",
    "etc/systemd/timesyncd.conf",
    "etc/unbound/unbound.conf",
    "etc/wgetrc",
    "etc/yum.conf",
    "etc/yum.repos.d/centreon.repo",
    "etc/zypp/repos.d/centreon.repo",
    "root/.curlrc",
    "usr/share/centreon/config/centreon.config.php",
    "var/lib/centreon-gorgone/.keys/rsakey.pub.pem",
];
