//! PostgreSQL: does the server answer, and does it take this host?
//!
//! TCP 5432 by default. We speak first: `SSLRequest`, answered with one byte,
//! `S` or `N`; after `S` the TLS handshake. That much is polite: PostgreSQL 15
//! logs nothing of it, while it logs a line for a client that asks for TLS and
//! leaves without a handshake.
//!
//! Then a session is asked for, up to the question for its password: what
//! `pg_hba.conf` says comes before it. No password is sent, and a visit that ends
//! there is not logged either. The file decides by user and database too: for the
//! user `preflight`, who stands for nobody, a refusal says nothing about the real
//! one, and is not taken for more. A refusal costs one line in the server's log.
//!
//! Reference: [Message Flow](https://www.postgresql.org/docs/current/protocol-flow.html),
//! [Message Formats](https://www.postgresql.org/docs/current/protocol-message-formats.html).

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use crate::cause::{Cause, DatabaseCause, Phase, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Asks for TLS and for a session; sends no password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Whose session to ask for; none: that of `preflight`, who stands for nobody.
    pub user: Option<String>,
    /// Its database; none: the one named as the user.
    pub database: Option<String>,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        stream.allow(REPLY);
        stream.asks("a request for TLS");
        stream.send(&SSL_REQUEST).await?;
        let offer = read_offer(&mut stream).await?;
        stream.came("its answer to a request for TLS");
        ask.seen.evidence.set("tls_offered", offer == PostgresqlOffer::Tls);
        let offers_tls = match offer {
            PostgresqlOffer::Tls => true,
            PostgresqlOffer::Plain => false,
            PostgresqlOffer::Refused(refusal) => {
                stream.close().await;
                return Err(refusal.cause());
            }
        };
        if offers_tls {
            // As libpq does unless told otherwise: encrypted, not verified.
            stream = secure(stream, ask, Verify::AndReport, &[]).await?;
        }
        let session = self.open(&mut stream).await?;
        stream.close().await;
        let in_plain = match &session {
            PostgresqlSession::Refused(refusal) if offers_tls && refusal.is_by_rule() => {
                Some(self.in_plain(ask).await?)
            }
            _ => None,
        };
        self.judge(offers_tls, &session, in_plain.as_ref(), &mut ask.seen)
    }

    /// The second try of libpq: a rule may be for connections without TLS only.
    async fn in_plain(&self, ask: &mut Ask) -> Result<PostgresqlSession, Cause> {
        let mut stream = ask.connect().await?;
        let session = self.open(&mut stream).await;
        stream.close().await;
        session
    }

    /// Decides from the answers; `in_plain` is the one without TLS, after a refusal inside.
    fn judge(
        &self,
        offers_tls: bool,
        session: &PostgresqlSession,
        in_plain: Option<&PostgresqlSession>,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        let (session, tls) = match in_plain {
            Some(open) if !matches!(open, PostgresqlSession::Refused(_)) => {
                (open, "without TLS only")
            }
            _ if offers_tls => (session, "TLS offered"),
            _ => (session, "no TLS"),
        };
        seen.headline = match session {
            PostgresqlSession::Refused(refusal) => self.let_in(refusal, tls, seen)?,
            PostgresqlSession::Wants(method) => {
                seen.evidence.set("authentication", *method);
                format!("asks for a password ({method}), {tls}")
            }
            PostgresqlSession::Open { version } => {
                seen.evidence.set("authentication", "none");
                seen.evidence.set("version", version.as_str());
                // Packagers add their own version behind a space.
                let short = version.split(' ').next().unwrap_or_default();
                format!("PostgreSQL {short}, no password, {tls}")
            }
        };
        Ok(())
    }

    /// What a refusal shows of a host that was let in all the same: that of a user who stands
    /// for nobody, and whom the server looked up.
    fn let_in(
        &self,
        refusal: &PostgresqlRefusal,
        tls: &str,
        seen: &mut Seen,
    ) -> Result<String, Cause> {
        let is_about_nobody = self.user.is_none();
        match refusal.state.as_str() {
            // Before the server has let the host in, a refusal is a rule's: the real user may meet another.
            NOT_AUTHORISED | WRONG_PASSWORD if is_about_nobody && !refusal.is_let_in => {
                let (user, text) = (NOBODY.to_owned(), refusal.text.clone());
                Err(Cause::Database(DatabaseCause::DatabaseUserUntold { user, text }))
            }
            NOT_AUTHORISED | NO_DATABASE if is_about_nobody && refusal.is_let_in => {
                seen.evidence.set("refusal", refusal.text.as_str());
                Ok(format!("lets this host log in, {tls}"))
            }
            _ => Err(refusal.cause()),
        }
    }

    /// Asks for a session, up to the question for its password.
    async fn open(&self, stream: &mut Stream) -> Result<PostgresqlSession, Cause> {
        stream.asks("a session");
        stream.allow(REPLY);
        let user = self.user.as_deref().unwrap_or(NOBODY);
        stream.send(&startup(user, self.database.as_deref())).await?;
        let (mut version, mut read, mut is_let_in) = (String::new(), 0, false);
        for _ in 0..MAX_MESSAGES {
            let message = read_message(stream).await?;
            read += HEADER + message.body.len();
            match message.kind {
                ERROR => {
                    let refusal = PostgresqlRefusal::decode(&message.body)?;
                    return Ok(PostgresqlSession::Refused(PostgresqlRefusal {
                        is_let_in,
                        ..refusal
                    }));
                }
                AUTHENTICATION => match PostgresqlSession::of_method(&message.body)? {
                    None => is_let_in = true,
                    Some(wants) => return Ok(wants),
                },
                PARAMETER => {
                    let mut reader = Reader::new(&message.body, EXPECTED);
                    if reader.until(0)? == b"server_version" {
                        version = wire::clean(reader.until(0)?, MAX_TEXT);
                    }
                }
                READY => {
                    stream.send(&encode(TERMINATE, b"")).await?;
                    return Ok(PostgresqlSession::Open { version });
                }
                // Notices, the key to cancel with, a lower minor version.
                _ => {}
            }
        }
        let (phase, head) = (Phase::Reply, wire::head(stream.head()));
        Err(Cause::Talk(TalkCause::Endless { phase, limit: read, head }))
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "postgresql",
    title: "PostgreSQL",
    expected: "PostgreSQL",
    spoken: Spoken::Postgresql,
    url: UrlForm::Session,
    hints: Hints {
        starttls: Some("postgres"),
        serves_others: Some("listen_addresses in postgresql.conf"),
        ..Hints::NONE
    },
    port: 5432,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(20),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Postgresql(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Offers TLS when there is a certificate, and lets everybody in.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    if stream.exactly(SSL_REQUEST.len()).await? != SSL_REQUEST {
        return Ok(());
    }
    if stream.has_tls() {
        stream.send(b"S").await?;
        stream = stream.secure().await?;
    } else {
        stream.send(b"N").await?;
    }
    let Ok(length) = stream.exactly(4).await else { return Ok(()) };
    let length = wire::length(&length);
    if (4..=MAX_MESSAGE).contains(&length) {
        stream.exactly(length - 4).await?;
        let welcome = [
            encode(AUTHENTICATION, &[0; 4]),
            encode(PARAMETER, b"server_version\x0015.0\0"),
            encode(READY, b"I"),
        ];
        stream.send(&welcome.concat()).await?;
        stream.until_closed().await?;
    }
    Ok(())
}

/// The answer to `SSLRequest`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PostgresqlOffer {
    Tls,
    Plain,
    Refused(PostgresqlRefusal),
}

async fn read_offer(stream: &mut Stream) -> Result<PostgresqlOffer, Cause> {
    let first = match stream.exactly(Phase::Reply, 1).await {
        Ok(first) => first,
        Err(cause) => {
            stream.draw_out(&cause).await;
            return Err(other_service(stream.head()).unwrap_or(cause));
        }
    };
    // More than the one byte is somebody else, or somebody in between.
    match (first.first(), stream.unread()) {
        (Some(b'S'), []) => Ok(PostgresqlOffer::Tls),
        (Some(b'N'), []) => Ok(PostgresqlOffer::Plain),
        (Some(&ERROR), _) => read_early_error(stream).await.map(PostgresqlOffer::Refused),
        _ => Err(other_service(stream.head())
            .unwrap_or_else(|| Cause::bad_reply(EXPECTED, stream.head()))),
    }
}

/// The rest of an error that came before the protocol's version was agreed.
///
/// A server that cannot fork says so in the format of version 2: a text.
async fn read_early_error(stream: &mut Stream) -> Result<PostgresqlRefusal, Cause> {
    let prefix = stream.exactly(Phase::Reply, 4).await?;
    let mut reader = Reader::new(&prefix, EXPECTED);
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    if (4..=MAX_MESSAGE).contains(&length) {
        return PostgresqlRefusal::decode(&stream.exactly(Phase::Reply, length - 4).await?);
    }
    let line = stream.line(Phase::Reply, MAX_MESSAGE).await?;
    let text = [&prefix[..], line.trim_ascii_end()].concat();
    Ok(PostgresqlRefusal {
        state: String::new(),
        text: wire::clean(&text, MAX_TEXT),
        is_let_in: false,
    })
}

fn other_service(head: &[u8]) -> Option<Cause> {
    SERVICE.instead(head)
}

/// A message: a letter, four bytes of length (its own included), the body.
struct PostgresqlMessage {
    kind: u8,
    body: Vec<u8>,
}

async fn read_message(stream: &mut Stream) -> Result<PostgresqlMessage, Cause> {
    let header = stream.exactly(Phase::Reply, HEADER).await?;
    let mut reader = Reader::new(&header, EXPECTED);
    let kind = reader.u8()?;
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    if !(4..=MAX_MESSAGE).contains(&length) {
        return Err(Cause::bad_reply(EXPECTED, &header));
    }
    let body = stream.exactly(Phase::Reply, length - 4).await?;
    Ok(PostgresqlMessage { kind, body })
}

fn encode(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + body.len()).unwrap_or(u32::MAX);
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// `StartupMessage` of protocol 3.0: pairs of texts, without a letter in front.
fn startup(user: &str, database: Option<&str>) -> Vec<u8> {
    let database = database.unwrap_or(user);
    let pairs = [("user", user), ("database", database), ("application_name", NOBODY)];
    let mut body = vec![0, 3, 0, 0];
    for text in pairs.into_iter().flat_map(|(name, value)| [name, value]) {
        body.extend(text.bytes().filter(|&byte| byte != 0));
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(4 + body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), &body[..]].concat()
}

/// The answer to `StartupMessage`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PostgresqlSession {
    /// This host may log in, with a password or the like.
    Wants(&'static str),
    /// Logged in without being asked for anything.
    Open {
        version: String,
    },
    Refused(PostgresqlRefusal),
}

impl PostgresqlSession {
    /// What an authentication message asks for; `None`: nothing.
    fn of_method(body: &[u8]) -> Result<Option<Self>, Cause> {
        let method = match Reader::new(body, EXPECTED).u32()? {
            0 => return Ok(None),
            2 => "Kerberos",
            3 => "plain-text password",
            5 => "MD5 password",
            7 | 8 => "GSSAPI",
            9 => "SSPI",
            10..=12 => "SCRAM",
            _ => return Err(Cause::bad_reply(EXPECTED, body)),
        };
        Ok(Some(Self::Wants(method)))
    }
}

/// An `ErrorResponse`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PostgresqlRefusal {
    /// SQLSTATE, which no translation touches.
    state: String,
    text: String,
    /// Did the server take the host and its user first, without a password?
    is_let_in: bool,
}

impl PostgresqlRefusal {
    /// Fields: a letter and a text each; a zero ends them.
    fn decode(body: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(body, EXPECTED);
        let (mut state, mut text) = (String::new(), String::new());
        loop {
            match reader.u8()? {
                0 => return Ok(Self { state, text, is_let_in: false }),
                b'C' => state = wire::clean(reader.until(0)?, STATE),
                b'M' => text = wire::clean(reader.until(0)?, MAX_TEXT),
                _ => drop(reader.until(0)?),
            }
        }
    }

    /// Is it a rule of `pg_hba.conf`, or the lack of one? The same state says that a role does
    /// not exist; the file is named in every language.
    fn is_by_rule(&self) -> bool {
        self.state == NOT_AUTHORISED && self.text.contains("pg_hba.conf")
    }

    fn cause(&self) -> Cause {
        let (error_code, text) = (self.state.clone(), self.text.clone());
        if self.is_by_rule() {
            Cause::Database(DatabaseCause::DatabaseHostRefused { error_code, text })
        } else {
            Cause::Database(DatabaseCause::DatabaseError { error_code, text })
        }
    }
}

const EXPECTED: &str = "an answer of PostgreSQL";
const REPLY: Duration = Duration::from_secs(5);
/// A letter and the length.
const HEADER: usize = 5;
/// Errors have some hundred bytes, parameters fewer.
const MAX_MESSAGE: usize = 8 * 1024;
/// A welcome has about 15.
const MAX_MESSAGES: usize = 64;
const MAX_TEXT: usize = 200;
const STATE: usize = 5;

/// Length 8, then 1234 and 5679 where a version would be.
pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const AUTHENTICATION: u8 = b'R';
const ERROR: u8 = b'E';
const PARAMETER: u8 = b'S';
const READY: u8 = b'Z';
const TERMINATE: u8 = b'X';
/// `invalid_authorization_specification`
const NOT_AUTHORISED: &str = "28000";
/// `invalid_password`
const WRONG_PASSWORD: &str = "28P01";
/// `invalid_catalog_name`
const NO_DATABASE: &str = "3D000";
/// Asked for when nobody is named; also what the server's log then says.
const NOBODY: &str = "preflight";
