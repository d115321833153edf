//! MySQL and MariaDB: does the server greet this host?
//!
//! Listens first, TCP 3306 by default. A server that does not want this host
//! greets with an error instead.
//!
//! After the greeting comes a log-in that is meant to be refused: the user
//! `preflight`, without a password. A client that only takes the greeting and
//! leaves is counted as an interrupted connection, and `max_connect_errors` of
//! those (100 by default) block the host, its real clients included, until
//! somebody flushes the host cache. A refused log-in is not counted there and
//! costs the same one line in the log, which then says who came (seen with
//! MariaDB 10.11: 20 refused log-ins, no connection error; 5 greetings with a
//! limit of 5, blocked).
//!
//! A server that wants TLS says so to MySQL's clients, and is then asked once more
//! inside TLS. MariaDB with `require_secure_transport` refuses everybody outside TLS
//! in the words it has for a stranger: only somebody with an account could tell, so
//! a pass says that no log-in was tested.
//!
//! Reference: [client/server protocol, connection
//! phase](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html),
//! [MariaDB: connection](https://mariadb.com/kb/en/connection/).

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Concern, DatabaseCause, Phase, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Takes the greeting; logs nobody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        let (greeting, goodbye) = self.converse(stream).await?;
        let secured = match (&greeting, &goodbye) {
            (MysqlGreeting::Hello(hello), Some(refusal))
                if refusal.number == TLS_REQUIRED && hello.offers(SSL) =>
            {
                self.inside_tls(ask).await?
            }
            _ => None,
        };
        self.judge(&greeting, goodbye.as_ref(), secured.as_ref(), &mut ask.seen)
    }

    /// The greeting, and the answer to our goodbye.
    async fn converse(
        &self,
        mut stream: Stream,
    ) -> Result<(MysqlGreeting, Option<MysqlRefusal>), Cause> {
        stream.allow(GREETING);
        let packet = read_packet(&mut stream, Phase::Greeting).await?;
        let greeting = MysqlGreeting::decode(&packet.payload)?;
        stream.came("its greeting");
        stream.asks("a log-in");
        // The greeting decides; how the server ends the goodbye changes little.
        let goodbye = match &greeting {
            MysqlGreeting::Hello(hello) => match take_leave(&mut stream, hello, 1).await {
                // Who greets and then says no more serves nobody.
                Err(
                    cause @ Cause::Talk(
                        TalkCause::Silent { .. }
                        | TalkCause::Incomplete { .. }
                        | TalkCause::Reset { .. },
                    ),
                ) => {
                    return Err(cause);
                }

                left => left.ok().flatten(),
            },
            MysqlGreeting::Refused(_) => None,
        };
        stream.close().await;
        Ok((greeting, goodbye))
    }

    /// The same log-in inside TLS, for a server that takes no other.
    async fn inside_tls(&self, ask: &mut Ask) -> Result<Option<MysqlRefusal>, Cause> {
        let mut stream = ask.connect().await?;
        stream.allow(GREETING);
        let packet = read_packet(&mut stream, Phase::Greeting).await?;
        let hello = match MysqlGreeting::decode(&packet.payload)? {
            MysqlGreeting::Hello(hello) => hello,
            MysqlGreeting::Refused(refusal) => return Ok(Some(refusal)),
        };
        stream.send(&packet_of(1, &hello.beginning(SSL))).await?;
        // As its clients do unless told otherwise: encrypted, not verified.
        let mut stream = secure(stream, ask, Verify::AndReport, &[]).await?;
        let goodbye = take_leave(&mut stream, &hello, 2).await?;
        stream.close().await;
        Ok(goodbye)
    }

    /// Decides from the greeting, from the answer to our goodbye, and from the one inside TLS.
    fn judge(
        &self,
        greeting: &MysqlGreeting,
        goodbye: Option<&MysqlRefusal>,
        secured: Option<&MysqlRefusal>,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        let hello = match greeting {
            MysqlGreeting::Hello(hello) => hello,
            MysqlGreeting::Refused(refusal) => return Err(refusal.cause()),
        };
        let tls = hello.offers(SSL);
        seen.evidence.set("product", hello.product());
        seen.evidence.set("version", hello.version());
        seen.evidence.set("tls_offered", tls);
        seen.evidence.set("auth_plugin", hello.plugin.as_str());
        if let Some(refusal) = goodbye.filter(|refusal| refusal.number == TLS_REQUIRED) {
            if !tls {
                return Err(refusal.cause());
            }
            seen.concerns.push(Concern::TlsRequired);
        }
        let mut refusals = [goodbye, secured].into_iter().flatten();
        if let Some(refusal) = refusals.find(|refusal| refusal.is_about_this_host()) {
            return Err(refusal.cause());
        }
        let tls = if tls { "TLS offered" } else { "no TLS" };
        let (product, version) = (hello.product(), hello.short_version());
        seen.headline = format!("{product} {version}, {tls}, log-in not tested");
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "mysql",
    title: "MySQL",
    expected: "MySQL or MariaDB",
    spoken: Spoken::Mysql,
    url: UrlForm::Host,
    hints: Hints {
        starttls: Some("mysql"),
        serves_others: Some("bind-address and skip-networking"),
        ..Hints::NONE
    },
    port: 3306,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(18),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Mysql(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Greets, and refuses the log-in, as a server does that does not know the user.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    stream.send(&packet_of(0, &Hello::example().encode())).await?;
    let header = stream.exactly(HEADER).await?;
    let [low, middle, high, ..] = header[..] else { return Ok(()) };
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    if length <= MAX_PACKET {
        stream.exactly(length).await?;
        stream.send(&packet_of(2, &MysqlRefusal::example().encode())).await?;
    }
    stream.close().await
}

/// Logs in as nobody and takes the refusal; `None`: the server let us in.
///
/// `number` is that of the packet: inside TLS another one came before.
async fn take_leave(
    stream: &mut Stream,
    hello: &Hello,
    number: u8,
) -> Result<Option<MysqlRefusal>, Cause> {
    // What the client cannot do without, for 15 years now.
    if !hello.offers(PROTOCOL_41 | SECURE_CONNECTION) {
        return Ok(None);
    }
    stream.allow(GOODBYE);
    stream.send(&packet_of(number, &hello.log_in())).await?;
    let mut answer = read_packet(stream, Phase::Reply).await?;
    if answer.payload.first() == Some(&SWITCH_PLUGIN) {
        // No password is no password, whatever the plugin.
        stream.send(&packet_of(answer.number.wrapping_add(1), b"")).await?;
        answer = read_packet(stream, Phase::Reply).await?;
    }
    if answer.payload.first() == Some(&OK) {
        stream.send(&packet_of(0, &[QUIT])).await?;
    }
    Ok(MysqlRefusal::decode(&answer.payload).ok())
}

/// A packet: three bytes of length, its number, and the payload.
struct MysqlPacket {
    number: u8,
    payload: Vec<u8>,
}

async fn read_packet(stream: &mut Stream, phase: Phase) -> Result<MysqlPacket, Cause> {
    let unknown =
        |head: &[u8]| other_service(head).unwrap_or_else(|| Cause::bad_reply(EXPECTED, head));
    let header = match stream.exactly(phase, HEADER).await {
        Ok(header) => header,
        Err(cause) => {
            stream.draw_out(&cause).await;
            return Err(other_service(stream.head()).unwrap_or(cause));
        }
    };
    let mut reader = Reader::new(&header, EXPECTED);
    let [low, middle, high] = reader.array()?;
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    let number = reader.u8()?;
    let is_first = phase == Phase::Greeting;
    if !(1..=MAX_PACKET).contains(&length) || (is_first && number != 0) {
        return Err(unknown(stream.head()));
    }
    let payload = stream.exactly(phase, length).await;
    // The length may be another protocol's text or signature.
    let payload = payload.map_err(|cause| other_service(stream.head()).unwrap_or(cause))?;
    if is_first && !matches!(payload.first(), Some(&(PROTOCOL_10 | ERROR))) {
        return Err(unknown(stream.head()));
    }
    Ok(MysqlPacket { number, payload })
}

fn other_service(head: &[u8]) -> Option<Cause> {
    SERVICE.instead(head)
}

fn packet_of(number: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&[low, middle, high, number], payload].concat()
}

/// The first packet: a welcome, or the reason why not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum MysqlGreeting {
    Hello(Hello),
    Refused(MysqlRefusal),
}

impl MysqlGreeting {
    fn decode(payload: &[u8]) -> Result<Self, Cause> {
        match payload.first() {
            Some(&ERROR) => MysqlRefusal::decode(payload).map(Self::Refused),
            _ => Hello::decode(payload).map(Self::Hello),
        }
    }
}

/// A greeting of protocol 10, as far as it tells something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hello {
    /// As it is on the wire.
    server: String,
    capabilities: u32,
    plugin: String,
}

impl Hello {
    fn decode(payload: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(payload, EXPECTED);
        if reader.u8()? != PROTOCOL_10 {
            return Err(Cause::bad_reply(EXPECTED, payload));
        }
        let server = wire::clean(reader.until(0)?, MAX_TEXT);
        let _thread_challenge_and_filler: [u8; 4 + 8 + 1] = reader.array()?;
        let low = u16::from_le_bytes(reader.array()?);
        let _character_set_and_status: [u8; 3] = reader.array()?;
        let high = u16::from_le_bytes(reader.array()?);
        let capabilities = u32::from(high) << 16 | u32::from(low);
        let challenge = usize::from(reader.u8()?);
        let _reserved: [u8; 10] = reader.array()?;
        reader.take(challenge.saturating_sub(8).max(13))?;
        // Some servers forget the zero at the end.
        let plugin = reader.rest().split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Self { server, capabilities, plugin: wire::clean(plugin, MAX_TEXT) })
    }

    fn encode(&self) -> Vec<u8> {
        let [a, b, c, d] = self.capabilities.to_le_bytes();
        let mut payload = vec![PROTOCOL_10];
        payload.extend(self.server.bytes());
        payload.push(0);
        payload.extend([7, 0, 0, 0]);
        payload.extend(b"eightbit\0");
        payload.extend([a, b, UTF8, 2, 0, c, d, 21]);
        payload.extend([0; 10]);
        payload.extend(b"twelve bytes\0");
        payload.extend(self.plugin.bytes());
        payload.push(0);
        payload
    }

    /// What a client begins TLS with, and every log-in with.
    fn beginning(&self, more: u32) -> Vec<u8> {
        let ours = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | more;
        let mut payload = (ours & self.capabilities).to_le_bytes().to_vec();
        payload.extend(MAX_ANSWER.to_le_bytes());
        payload.push(UTF8);
        payload.extend([0; 23]);
        payload
    }

    /// A log-in of the user `preflight` without a password.
    fn log_in(&self) -> Vec<u8> {
        let mut payload = self.beginning(0);
        payload.extend(b"preflight\0");
        // The length of the password.
        payload.push(0);
        if self.offers(PLUGIN_AUTH) {
            payload.extend(self.plugin.bytes());
            payload.push(0);
        }
        payload
    }

    fn offers(&self, capabilities: u32) -> bool {
        self.capabilities & capabilities == capabilities
    }

    fn product(&self) -> &'static str {
        if self.server.contains("MariaDB") { "MariaDB" } else { "MySQL" }
    }

    /// Without the 5.5.5 that MariaDB 10 puts in front for old replicas.
    fn version(&self) -> &str {
        match self.server.strip_prefix("5.5.5-") {
            Some(version) if self.product() == "MariaDB" => version,
            _ => &self.server,
        }
    }

    fn short_version(&self) -> &str {
        self.version().split('-').next().unwrap_or_default()
    }

    fn example() -> Self {
        Self {
            server: "8.0.0-preflight".to_owned(),
            capabilities: LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH,
            plugin: "mysql_native_password".to_owned(),
        }
    }
}

/// An error packet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MysqlRefusal {
    number: u16,
    text: String,
}

impl MysqlRefusal {
    fn decode(payload: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(payload, EXPECTED);
        if reader.u8()? != ERROR {
            return Err(Cause::bad_reply(EXPECTED, payload));
        }
        let number = u16::from_le_bytes(reader.array()?);
        // A hash sign and five characters of SQL state; not before a log-in.
        let text = match reader.rest() {
            [b'#', _, _, _, _, _, text @ ..] => text,
            whole => whole,
        };
        Ok(Self { number, text: wire::clean(text, MAX_TEXT) })
    }

    fn encode(&self) -> Vec<u8> {
        let [low, high] = self.number.to_le_bytes();
        [&[ERROR, low, high], &b"#28000"[..], self.text.as_bytes()].concat()
    }

    fn is_about_this_host(&self) -> bool {
        matches!(self.number, HOST_BLOCKED | HOST_NOT_ALLOWED)
    }

    fn cause(&self) -> Cause {
        let (error_code, text) = (self.number.to_string(), self.text.clone());
        if self.is_about_this_host() {
            Cause::Database(DatabaseCause::DatabaseHostRefused { error_code, text })
        } else {
            Cause::Database(DatabaseCause::DatabaseError { error_code, text })
        }
    }

    fn example() -> Self {
        Self { number: 1045, text: "Access denied for user 'preflight'".to_owned() }
    }
}

const EXPECTED: &str = "a greeting of MySQL or MariaDB";
/// The server looks our name up before it greets, unless `skip_name_resolve` is set.
const GREETING: Duration = Duration::from_secs(10);
/// A log-in may have to wait for a server that is busy.
const GOODBYE: Duration = Duration::from_secs(5);
const HEADER: usize = 4;
/// Greetings have about 100 bytes, errors at most 512.
const MAX_PACKET: usize = 4 * 1024;
const MAX_TEXT: usize = 200;
/// The largest answer we say we take.
const MAX_ANSWER: u32 = 1 << 24;

const PROTOCOL_10: u8 = 10;
const OK: u8 = 0;
const SWITCH_PLUGIN: u8 = 0xfe;
const ERROR: u8 = 0xff;
const QUIT: u8 = 1;
/// `utf8_general_ci`, known to every version.
const UTF8: u8 = 33;

const LONG_PASSWORD: u32 = 1;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;

/// `ER_HOST_IS_BLOCKED`
const HOST_BLOCKED: u16 = 1129;
/// `ER_HOST_NOT_PRIVILEGED`
const HOST_NOT_ALLOWED: u16 = 1130;
/// `ER_SECURE_TRANSPORT_REQUIRED`
const TLS_REQUIRED: u16 = 3159;
