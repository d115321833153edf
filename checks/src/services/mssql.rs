//! Microsoft SQL Server: does it answer the first message of its protocol?
//!
//! TCP 1433 by default. We speak first, with PRELOGIN, as every client does;
//! the answer carries version and encryption, and no user is needed for it.
//!
//! Reference: [MS-TDS §2.2.6.5](https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/60f56408-0188-4cd5-8b90-25c6f2423868),
//! packets: §2.2.3.

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Concern, Phase, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, FarStream, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};

/// Exchanges PRELOGIN; logs nobody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        self.converse(stream, &mut ask.seen).await
    }

    async fn converse(&self, mut stream: Stream, seen: &mut Seen) -> Result<(), Cause> {
        stream.allow(REPLY);
        stream.asks("a PRELOGIN");
        stream.send(&packet(PRELOGIN, &Prelogin::ours().encode())).await?;
        let payload = read_reply(&mut stream).await?;
        stream.close().await;
        self.judge(Prelogin::decode(&payload)?, seen)
    }

    /// Decides from the answer alone.
    fn judge(&self, reply: Prelogin, seen: &mut Seen) -> Result<(), Cause> {
        let version = reply.version.text();
        let product = reply.version.product();
        seen.evidence.set("product", product.as_str());
        seen.evidence.set("version", version.as_str());
        seen.evidence.set("encryption", reply.encryption.words());
        if reply.encryption == Encryption::REQUIRED {
            seen.concerns.push(Concern::TlsRequired);
        }
        seen.headline = format!("{product} ({version}), TLS {}", reply.encryption.words());
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "mssql",
    title: "SQL Server",
    expected: "SQL Server",
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 1433,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(10),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Mssql(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Answers PRELOGIN, then waits for the client to leave.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let header = stream.exactly(HEADER).await?;
    let [PRELOGIN, _, high, low, ..] = header[..] else { return Ok(()) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    stream.exactly(length.saturating_sub(HEADER)).await?;
    stream.send(&packet(REPLY_PACKET, &Prelogin::example().encode())).await?;
    stream.until_closed().await
}

/// The payload of the one packet that answers PRELOGIN.
async fn read_reply(stream: &mut Stream) -> Result<Vec<u8>, Cause> {
    let header = match stream.exactly(Phase::Reply, HEADER).await {
        Ok(header) => header,
        Err(cause) => {
            stream.draw_out(&cause).await;
            return Err(other_service(stream.head()).unwrap_or(cause));
        }
    };
    let mut reader = Reader::new(&header, EXPECTED);
    let (kind, status) = (reader.u8()?, reader.u8()?);
    let payload = usize::from(reader.u16()?).checked_sub(HEADER);
    let payload = payload.filter(|length| (1..=MAX_PAYLOAD).contains(length));
    match payload {
        Some(length) if kind == REPLY_PACKET && status & LAST != 0 => {
            stream.exactly(Phase::Reply, length).await
        }
        _ => Err(other_service(stream.head())
            .unwrap_or_else(|| Cause::bad_reply(EXPECTED, stream.head()))),
    }
}

fn other_service(head: &[u8]) -> Option<Cause> {
    SERVICE.instead(head)
}

/// A packet that is the whole message: type, status, length with the header,
/// then process, number and window, which are zero here.
fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(HEADER + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind, LAST, high, low, 0, 0, 0, 0], payload].concat()
}

/// The options of PRELOGIN that this probe reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prelogin {
    version: SqlServerVersion,
    encryption: Encryption,
}

impl Prelogin {
    /// Encryption for the log-in at least, as drivers ask by default.
    fn ours() -> Self {
        Self {
            version: SqlServerVersion { major: 0, minor: 0, build: 0 },
            encryption: Encryption::OFF,
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, Cause> {
        let bad = || Cause::bad_reply(EXPECTED, payload);
        let mut reader = Reader::new(payload, EXPECTED);
        let (mut version, mut encryption) = (None, None);
        for _ in 0..MAX_OPTIONS {
            let token = reader.u8()?;
            if token == END {
                break;
            }
            let (offset, length) = (usize::from(reader.u16()?), usize::from(reader.u16()?));
            let (_, from) = payload.split_at_checked(offset).ok_or_else(bad)?;
            let (value, _) = from.split_at_checked(length).ok_or_else(bad)?;
            match token {
                VERSION => version = Some(SqlServerVersion::decode(value)?),
                ENCRYPTION => encryption = Some(Encryption(Reader::new(value, EXPECTED).u8()?)),
                _ => {}
            }
        }
        let version = version.ok_or_else(bad)?;
        Ok(Self { version, encryption: encryption.unwrap_or(Encryption::NOT_SUPPORTED) })
    }

    fn encode(self) -> Vec<u8> {
        let SqlServerVersion { major, minor, build } = self.version;
        let [high, low] = build.to_be_bytes();
        let version = [major, minor, high, low, 0, 0];
        let encryption = [self.encryption.0];
        // The instance of that port, whatever its name; no thread of interest.
        let options: [(u8, &[u8]); 4] =
            [(VERSION, &version), (ENCRYPTION, &encryption), (INSTANCE, b"\0"), (THREAD, &[0; 4])];
        let mut offset = options.len() * OPTION + 1;
        let (mut table, mut values) = (Vec::new(), Vec::new());
        for (token, value) in options {
            table.push(token);
            for number in [offset, value.len()] {
                table.extend(u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes());
            }
            values.extend(value);
            offset += value.len();
        }
        table.push(END);
        [table, values].concat()
    }

    fn example() -> Self {
        let version = SqlServerVersion { major: 15, minor: 0, build: 2000 };
        Self { version, encryption: Encryption::OFF }
    }
}

/// `15.0.4123`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SqlServerVersion {
    major: u8,
    minor: u8,
    build: u16,
}

impl SqlServerVersion {
    fn decode(value: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(value, EXPECTED);
        Ok(Self { major: reader.u8()?, minor: reader.u8()?, build: reader.u16()? })
    }

    fn text(self) -> String {
        format!("{}.{}.{}", self.major, self.minor, self.build)
    }

    /// The name it is sold under.
    fn product(self) -> String {
        let year = match (self.major, self.minor) {
            (8, _) => "2000",
            (9, _) => "2005",
            (10, 50..) => "2008 R2",
            (10, _) => "2008",
            (11, _) => "2012",
            // Azure SQL has called itself 12.0 ever since.
            (12, _) => "2014 or Azure SQL",
            (13, _) => "2016",
            (14, _) => "2017",
            (15, _) => "2019",
            (16, _) => "2022",
            (17, _) => "2025",
            _ => return "SQL Server".to_owned(),
        };
        format!("SQL Server {year}")
    }
}

/// The server's answer to our wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Encryption(u8);

impl Encryption {
    const OFF: Self = Self(0);
    const ON: Self = Self(1);
    const NOT_SUPPORTED: Self = Self(2);
    const REQUIRED: Self = Self(3);

    fn words(self) -> &'static str {
        match self {
            Self::OFF => "for log-in",
            Self::ON => "on",
            Self::NOT_SUPPORTED => "not offered",
            Self::REQUIRED => "required",
            _ => "unknown",
        }
    }
}

const EXPECTED: &str = "an answer to PRELOGIN (TDS)";
const REPLY: Duration = Duration::from_secs(5);
const HEADER: usize = 8;
/// An answer has 30 to 60 bytes.
const MAX_PAYLOAD: usize = 2 * 1024;
const MAX_OPTIONS: usize = 32;
/// A row of the option table: token, offset, length.
const OPTION: usize = 5;

const PRELOGIN: u8 = 0x12;
const REPLY_PACKET: u8 = 0x04;
const LAST: u8 = 1;

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD: u8 = 3;
const END: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{damaged, ends};
    use proptest::prelude::*;

    fn verdict(reply: Prelogin) -> Seen {
        let mut seen = Seen::default();
        Probe::default().judge(reply, &mut seen).unwrap();
        seen
    }

    #[test]
    fn our_message_is_the_one_of_the_specification() {
        let expected = [
            0x12, 1, 0, 41, 0, 0, 0, 0, // header
            0, 0, 21, 0, 6, 1, 0, 27, 0, 1, 2, 0, 28, 0, 1, 3, 0, 29, 0, 4, 0xff, // options
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // their values
        ];
        assert_eq!(packet(PRELOGIN, &Prelogin::ours().encode()), expected);
    }

    #[test]
    fn an_answer_passes_with_product_and_version() {
        // An answer of SQL Server 2019: version, encryption, instance, thread, MARS.
        let payload = [
            0, 0, 26, 0, 6, 1, 0, 32, 0, 1, 2, 0, 33, 0, 1, 3, 0, 34, 0, 0, 4, 0, 34, 0, 1, 0xff,
            15, 0, 0x10, 0x1b, 0, 0, 0, 0, 1,
        ];
        let seen = verdict(Prelogin::decode(&payload).unwrap());
        assert_eq!(seen.headline, "SQL Server 2019 (15.0.4123), TLS for log-in");
        assert_eq!(seen.evidence.fact("version"), Some(&"15.0.4123".into()));
        assert_eq!(seen.concerns, []);
    }

    #[test]
    fn required_encryption_is_a_concern() {
        let required = Prelogin { encryption: Encryption::REQUIRED, ..Prelogin::example() };
        let seen = verdict(required);
        assert_eq!(seen.concerns, [Concern::TlsRequired]);
        assert_eq!(seen.evidence.fact("encryption"), Some(&"required".into()));
    }

    #[test]
    fn versions_have_the_names_they_are_sold_under() {
        for (major, minor, product) in [
            (10, 0, "SQL Server 2008"),
            (10, 50, "SQL Server 2008 R2"),
            (16, 0, "SQL Server 2022"),
            (99, 0, "SQL Server"),
        ] {
            assert_eq!(SqlServerVersion { major, minor, build: 1 }.product(), product);
        }
    }

    #[test]
    fn probe_reads_what_the_responder_answers() {
        let reply = Prelogin::example();
        assert_eq!(Prelogin::decode(&reply.encode()).unwrap(), reply);
    }

    #[test]
    fn every_truncation_of_an_answer_is_a_bad_reply() {
        let whole = Prelogin::example().encode();
        for length in 0..whole.len() {
            let cause = Prelogin::decode(&whole[..length]).unwrap_err();
            assert_eq!(cause.code(), "bad-reply", "{length} bytes");
        }
    }

    #[test]
    fn an_answer_without_version_is_a_bad_reply() {
        let cause = Prelogin::decode(&[END]).unwrap_err();
        assert_eq!(cause, Cause::bad_reply(EXPECTED, &[END]));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_reader_or_judge(
            words in damaged(&packet(REPLY_PACKET, &Prelogin::example().encode())),
            payload in damaged(&Prelogin::example().encode()),
        ) {
            let mut seen = Seen::default();
            let probe = Probe::default();
            let passed = ends(&words, async |stream| probe.converse(stream, &mut seen).await);
            prop_assert!(passed.is_err() || !seen.headline.is_empty());
            let _any_prelogin = Prelogin::decode(&payload);
        }
    }
}
