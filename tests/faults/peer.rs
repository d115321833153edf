//! Scripted peers: servers that misbehave in ways no real one can be configured to.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Both directions of a conversation, in clear text or inside TLS.
pub(crate) trait Io: Read + Write + Send {}
impl<T: Read + Write + Send> Io for T {}

type Talk = Arc<dyn Fn(TcpStream) + Send + Sync>;
type Answer = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// A peer on one port.
#[derive(Clone)]
pub(crate) enum Peer {
    /// Converses over TCP.
    Tcp(Talk),
    /// Answers datagrams, or not.
    Udp(Answer),
    /// Both, as DNS servers do.
    Both(Talk, Answer),
}

impl Peer {
    pub(crate) fn tcp(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::Tcp(Arc::new(talk))
    }

    pub(crate) fn udp(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::Udp(Arc::new(answer))
    }

    pub(crate) fn both(
        talk: impl Fn(TcpStream) + Send + Sync + 'static,
        answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::Both(Arc::new(talk), Arc::new(answer))
    }

    /// Listens; must be called inside the peer's namespace. Its threads end with the test.
    pub(crate) fn listen(&self, at: SocketAddr) {
        let (talk, answer) = match self.clone() {
            Self::Tcp(talk) => (Some(talk), None),
            Self::Udp(answer) => (None, Some(answer)),
            Self::Both(talk, answer) => (Some(talk), Some(answer)),
        };
        if let Some(talk) = talk {
            let listener = TcpListener::bind(at).unwrap();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let talk = Arc::clone(&talk);
                    thread::spawn(move || talk(stream));
                }
            });
        }
        if let Some(answer) = answer {
            let socket = UdpSocket::bind(at).unwrap();
            thread::spawn(move || {
                let mut datagram = vec![0; 65_535];
                while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                    if let Some(reply) = answer(&datagram[..length]) {
                        let _ = socket.send_to(&reply, from);
                    }
                }
            });
        }
    }
}

/// Accepts and never says a word.
pub(crate) fn silent() -> Peer {
    Peer::tcp(|mut stream| drain(&mut stream))
}

/// Accepts and closes at once, politely: what the client sent is read first.
pub(crate) fn closes() -> Peer {
    Peer::tcp(|mut stream| {
        // What is not read when it closes is answered with a RST.
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        let _ = stream.read(&mut [0; 4096]);
    })
}

/// Accepts and resets, once the client has spoken or `100 ms` have passed.
pub(crate) fn resets() -> Peer {
    Peer::tcp(|mut stream| {
        hear(&mut stream);
        reset(&stream);
    })
}

/// Accepts and resets, whatever the client is doing.
pub(crate) fn resets_at_once() -> Peer {
    Peer::tcp(|stream| reset(&stream))
}

/// Says `bytes`, then listens until the client leaves.
pub(crate) fn says(bytes: impl Into<Vec<u8>>) -> Peer {
    let bytes = bytes.into();
    Peer::tcp(move |mut stream| {
        let _ = stream.write_all(&bytes);
        drain(&mut stream);
    })
}

/// A `PostgreSQL` without TLS, that never answers who wants a session.
pub(crate) fn no_session() -> Peer {
    Peer::tcp(|mut stream| {
        // The wish for TLS has eight bytes.
        if stream.read_exact(&mut [0; 8]).is_ok() && stream.write_all(b"N").is_ok() {
            drain(&mut stream);
        }
    })
}

/// Says `bytes` at once, and closes.
pub(crate) fn says_and_closes(bytes: &'static [u8]) -> Peer {
    Peer::tcp(move |mut stream| {
        let _ = stream.write_all(bytes);
    })
}

/// Lets a client that speaks first speak, says `bytes`, then resets.
pub(crate) fn says_and_resets(bytes: impl Into<Vec<u8>>) -> Peer {
    let bytes = bytes.into();
    Peer::tcp(move |mut stream| {
        hear(&mut stream);
        let _ = stream.write_all(&bytes);
        // Right behind them the RST would take the bytes away again.
        thread::sleep(Duration::from_millis(100));
        reset(&stream);
    })
}

/// Lets a client that speaks first speak, and says `bytes`, one a second.
pub(crate) fn drips(bytes: impl Into<Vec<u8>>) -> Peer {
    let bytes = bytes.into();
    Peer::tcp(move |mut stream| {
        hear(&mut stream);
        for byte in &bytes {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        drain(&mut stream);
    })
}

/// Repeats `bytes` for ever.
pub(crate) fn endless(bytes: impl Into<Vec<u8>>) -> Peer {
    let bytes = bytes.into().repeat(64);
    Peer::tcp(move |mut stream| while stream.write_all(&bytes).is_ok() {})
}

/// Waits for the client's first bytes, then says `reply` and closes.
pub(crate) fn answers(reply: impl Into<Vec<u8>>) -> Peer {
    let reply = reply.into();
    Peer::tcp(move |mut stream| answer_once(&mut stream, &reply))
}

/// Says `greeting`, lets the client finish what it has to say, and says `reply`.
pub(crate) fn says_and_answers(greeting: &'static [u8], reply: &'static [u8]) -> Peer {
    Peer::tcp(move |mut stream| {
        let _ = stream.write_all(greeting);
        if stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
            while hear(&mut stream) {}
            let _ = stream.write_all(reply);
            drain(&mut stream);
        }
    })
}

/// Waits for the client's first bytes and closes without a word, as a parser that gives up.
pub(crate) fn hangs_up_on_garbage() -> Peer {
    Peer::tcp(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    })
}

/// NRPE in clear text: answers a query of version 2, and closes without a word on anything else.
pub(crate) fn nrpe() -> Peer {
    const LENGTH: usize = 1036;
    const QUERY: [u8; 4] = [0, 2, 0, 1];
    const RESPONSE: [u8; 4] = [0, 2, 0, 2];
    Peer::tcp(|mut stream| {
        let mut packet = [0; LENGTH];
        let (head, rest) = packet.split_at_mut(QUERY.len());
        if stream.read_exact(head).is_ok() && *head == QUERY && stream.read_exact(rest).is_ok() {
            packet[..QUERY.len()].copy_from_slice(&RESPONSE);
            let _ = stream.write_all(&packet);
        }
    })
}

/// A web server inside TLS; `answer` sees the head of the request.
pub(crate) fn secure_web(
    config: Arc<ServerConfig>,
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Peer {
    in_tls(config, move |stream| serve_web(stream, &answer))
}

/// `talk` inside TLS.
pub(crate) fn in_tls(
    config: Arc<ServerConfig>,
    talk: impl Fn(&mut dyn Io) + Send + Sync + 'static,
) -> Peer {
    Peer::tcp(move |stream| tls_on(stream, &config, &talk))
}

/// The same on a connection that is in use already.
pub(crate) fn tls_on(stream: TcpStream, config: &Arc<ServerConfig>, talk: &dyn Fn(&mut dyn Io)) {
    if let Ok(connection) = ServerConnection::new(Arc::clone(config)) {
        let mut stream = StreamOwned::new(connection, stream);
        talk(&mut stream);
        stream.conn.send_close_notify();
        let _ = stream.conn.complete_io(&mut stream.sock);
    }
}

/// A mail server that greets with `greeting` and has a reply for each command in `replies`.
pub(crate) fn mail(
    greeting: &'static str,
    replies: &'static [(&'static str, &'static str)],
) -> Peer {
    mail_after(Duration::ZERO, greeting, replies)
}

/// The same, with a greeting that comes late.
pub(crate) fn mail_after(
    wait: Duration,
    greeting: &'static str,
    replies: &'static [(&'static str, &'static str)],
) -> Peer {
    Peer::tcp(move |mut stream| {
        thread::sleep(wait);
        if stream.write_all(greeting.as_bytes()).is_err() || !greeting.starts_with('2') {
            return;
        }
        while let Some(line) = line(&mut stream) {
            let known = replies.iter().find(|(command, _)| line.starts_with(command));
            let reply = known.map_or("502 5.5.2 command not recognised\r\n", |(_, reply)| reply);
            if stream.write_all(reply.as_bytes()).is_err() || line.starts_with("QUIT") {
                return;
            }
            if line.starts_with("STARTTLS") && reply.starts_with('2') {
                return drain(&mut stream);
            }
        }
    })
}

/// The same in clear text until STARTTLS, and a mail server inside TLS behind it.
pub(crate) fn mail_in_tls(
    greeting: &'static str,
    replies: &'static [(&'static str, &'static str)],
    config: Arc<ServerConfig>,
) -> Peer {
    Peer::tcp(move |mut stream| {
        if stream.write_all(greeting.as_bytes()).is_err() {
            return;
        }
        while let Some(line) = line(&mut stream) {
            let known = replies.iter().find(|(command, _)| line.starts_with(command));
            let Some((command, reply)) = known else { return };
            if stream.write_all(reply.as_bytes()).is_err() {
                return;
            }
            if *command == "STARTTLS" {
                return tls_on(stream, &config, &|stream: &mut dyn Io| {
                    let replies = |line: &str| match line {
                        line if line.starts_with("EHLO") => "250 mail.example.test\r\n",
                        _ => "221 2.0.0 bye\r\n",
                    };
                    while let Some(line) = self::line(stream) {
                        if stream.write_all(replies(&line).as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        }
    })
}

/// A directory whose binds end with `code` and `text`; searches find a root DSE.
pub(crate) fn directory(code: u8, text: &'static str) -> Peer {
    Peer::tcp(move |mut stream| {
        while let Some(request) = ber(&mut stream) {
            // SEQUENCE, INTEGER id, then the operation.
            let (id, operation) = match request.get(2..) {
                Some([2, 1, id, operation, ..]) => (*id, *operation),
                _ => return,
            };
            let reply = match operation {
                0x60 => ldap_result(id, 0x61, code, text),
                0x63 => [root_dse(id), ldap_result(id, 0x65, 0, "")].concat(),
                0x77 => ldap_result(id, 0x78, 2, "unsupported extended operation"),
                _ => return,
            };
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    })
}

/// A directory that searches and never answers a bind.
pub(crate) fn directory_that_never_binds() -> Peer {
    Peer::tcp(move |mut stream| {
        while let Some(request) = ber(&mut stream) {
            let Some([2, 1, id, operation, ..]) = request.get(2..) else { return };
            let reply = match *operation {
                0x60 => return drain(&mut stream),
                0x63 => [root_dse(*id), ldap_result(*id, 0x65, 0, "")].concat(),
                0x77 => ldap_result(*id, 0x78, 2, "unsupported extended operation"),
                _ => return,
            };
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    })
}

fn root_dse(id: u8) -> Vec<u8> {
    let attribute = |name: &str, value: &str| {
        let values = tlv(0x31, &tlv(4, value.as_bytes()));
        tlv(0x30, &[tlv(4, name.as_bytes()), values].concat())
    };
    let attributes = [
        attribute("namingContexts", "DC=example,DC=test"),
        attribute("supportedLDAPVersion", "3"),
        attribute("vendorName", "scripted"),
    ];
    let entry = tlv(0x64, &[tlv(4, b""), tlv(0x30, &attributes.concat())].concat());
    tlv(0x30, &[vec![2, 1, id], entry].concat())
}

fn ldap_result(id: u8, operation: u8, code: u8, text: &str) -> Vec<u8> {
    let body = [vec![10, 1, code], tlv(4, b""), tlv(4, text.as_bytes())].concat();
    tlv(0x30, &[vec![2, 1, id], tlv(operation, &body)].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut bytes = vec![tag, 0x82];
    bytes.extend(length.to_be_bytes());
    bytes.extend(content);
    bytes
}

/// One BER element; its length may be short or of up to four bytes.
fn ber(stream: &mut dyn Io) -> Option<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut length = usize::from(head[1]);
    if length > 0x80 {
        let mut long = vec![0; length - 0x80];
        stream.read_exact(&mut long).ok()?;
        length = long.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).ok()?;
    Some([head.to_vec(), content].concat())
}

/// A time server; `edit` changes its healthy answer. `shift` is how far its clock is ahead, in seconds.
pub(crate) fn time(shift: i64, edit: impl Fn(&mut [u8; 48]) + Send + Sync + 'static) -> Peer {
    Peer::udp(move |question| {
        let transmit = question.get(40..48)?;
        let mut reply = [0; 48];
        // Version 4, mode 4 (server), stratum 2, and small delays.
        reply[..4].copy_from_slice(&[0x24, 2, 6, 0xec]);
        reply[4..12].copy_from_slice(&[0, 0, 1, 0, 0, 0, 1, 0]);
        reply[12..16].copy_from_slice(&[10, 0, 0, 99]);
        let now = ntp_now(shift);
        reply[16..24].copy_from_slice(&now);
        reply[24..32].copy_from_slice(transmit);
        reply[32..40].copy_from_slice(&now);
        reply[40..48].copy_from_slice(&now);
        edit(&mut reply);
        Some(reply.to_vec())
    })
}

/// A time server's clock, so many seconds ahead.
pub(crate) fn ntp_now(shift: i64) -> [u8; 8] {
    const UNIX_IN_NTP: i64 = 2_208_988_800;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seconds = u32::try_from(i64::try_from(now.as_secs()).unwrap() + UNIX_IN_NTP + shift);
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&seconds.unwrap().to_be_bytes());
    bytes[4..].copy_from_slice(&u32::try_from(fraction).unwrap().to_be_bytes());
    bytes
}

/// A name server that answers every question with `rcode` and no record, over UDP and TCP.
pub(crate) fn names(rcode: u8, recursive: bool) -> Peer {
    let answer = move |question: &[u8]| dns_reply(question, rcode, recursive);
    let talk = move |mut stream: TcpStream| {
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut question).is_err() {
                return;
            }
            let reply = dns_reply(&question, rcode, recursive).unwrap_or_default();
            let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
            let _ = stream.write_all(&[length.to_vec(), reply].concat());
        }
    };
    Peer::Both(Arc::new(talk), Arc::new(answer))
}

/// A resolver that knows `address` for every name, and for IPv6 drops the question or answers `rcode`.
pub(crate) fn names_of_ipv4(address: [u8; 4], rcode: Option<u8>) -> Peer {
    const A: [u8; 2] = [0, 1];
    Peer::udp(move |question| {
        let mut reply = dns_reply(question, 0, true)?;
        if reply.get(reply.len() - 4..reply.len() - 2)? != A {
            return dns_reply(question, rcode?, true);
        }
        // A name of nobody's: `invalid`, the root, type A, class IN.
        if reply.ends_with(b"\x07invalid\0\0\x01\0\x01") {
            return dns_reply(question, 3, true);
        }
        reply[7] = 1;
        // The name is that of the question; class IN, a minute, four bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address);
        Some(reply)
    })
}

/// A resolver that has `address` for whatever it is asked, as one before a login has.
pub(crate) fn names_of_anybody(address: [u8; 4]) -> Peer {
    Peer::udp(move |question| {
        let mut reply = dns_reply(question, 0, true)?;
        if reply.get(reply.len() - 4..reply.len() - 2)? == [0, 1] {
            reply[7] = 1;
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend(address);
        }
        Some(reply)
    })
}

/// A resolver that knows one mail server of every domain, and no address of any name.
pub(crate) fn names_of_mail_servers(server: &'static str) -> Peer {
    const MX: [u8; 2] = [0, 15];
    Peer::udp(move |question| {
        let mut reply = dns_reply(question, 0, true)?;
        if reply.get(reply.len() - 4..reply.len() - 2)? != MX {
            return dns_reply(question, 3, true);
        }
        let mut exchange = vec![0, 10];
        for label in server.split('.') {
            exchange.push(u8::try_from(label.len()).ok()?);
            exchange.extend(label.as_bytes());
        }
        exchange.push(0);
        reply[7] = 1;
        // The name is that of the question; class IN, a minute.
        reply.extend([0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60]);
        reply.extend(u16::try_from(exchange.len()).ok()?.to_be_bytes());
        reply.extend(exchange);
        Some(reply)
    })
}

/// A resolver whose every answer is cut short, over UDP alone.
pub(crate) fn names_cut_short() -> Peer {
    const CUT_SHORT: u8 = 2;
    Peer::udp(|question| {
        let mut reply = dns_reply(question, 0, true)?;
        reply[2] |= CUT_SHORT;
        Some(reply)
    })
}

fn dns_reply(question: &[u8], rcode: u8, recursive: bool) -> Option<Vec<u8>> {
    // The question's name ends with an empty label; type and class follow.
    let end = 12 + question.get(12..)?.iter().position(|&byte| byte == 0)? + 5;
    let mut reply = question.get(..end)?.to_vec();
    reply[2] = 0x81 & (question[2] | 0x80);
    reply[3] = u8::from(recursive) << 7 | rcode;
    reply[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    Some(reply)
}

/// Reads what a client that speaks first says; `false`: it says nothing (any more).
fn hear(stream: &mut TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let heard = stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0);
    let _ = stream.set_read_timeout(Some(PATIENCE));
    heard
}

/// Reads until the client leaves.
pub(crate) fn drain(stream: &mut dyn Io) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).is_ok_and(|length| length > 0) {}
}

/// Reads the head of requests and answers each, until the client leaves.
pub(crate) fn serve_web(stream: &mut dyn Io, answer: &dyn Fn(&str) -> String) {
    while let Some(head) = request(stream) {
        if stream.write_all(answer(&head).as_bytes()).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

/// The head of a request; `None` when the client has left.
pub(crate) fn request(stream: &mut dyn Io) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push_str(&line(stream)?);
    }
    Some(head)
}

fn line(stream: &mut dyn Io) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        line.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&line).into_owned())
}

fn answer_once(stream: &mut dyn Io, reply: &[u8]) {
    let heard = stream.read(&mut [0; 4096]);
    if heard.is_ok() || heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        let _ = stream.write_all(reply);
    }
}

/// Closes with a RST.
pub(crate) fn reset(stream: &TcpStream) {
    let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    let _ = setsockopt(&stream.as_fd(), sockopt::Linger, &now);
}

/// A good answer of a web server.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

/// Longer than any client waits.
const PATIENCE: Duration = Duration::from_secs(60);
