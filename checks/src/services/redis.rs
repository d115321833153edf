//! Redis: does the server answer PING, and what is it?
//!
//! TCP 6379 by default, with TLS (`rediss`) and without. We speak first. A password that was given
//! goes first of all, to a server whose certificate is trusted, or as it is where the URL says
//! `redis://`. Then PING, which a server refuses as it would refuse any other command; then
//! HELLO, for version and role. Valkey and `KeyDB` answer alike. A visit leaves no line in its log.
//!
//! Reference: [RESP](https://redis.io/docs/latest/develop/reference/protocol-spec/),
//! [HELLO](https://redis.io/docs/latest/commands/hello/).

use std::io;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::cause::{Cause, Concern, DatabaseCause, Phase, TalkCause, Transport};
use crate::conceal::without_password;
use crate::evidence::Seen;
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service, wire};

/// Sends PING and HELLO; logs in where there is a password.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Is it TLS from the first byte?
    pub tls: bool,
    /// The user of its access list; none: the default user.
    pub user: Option<String>,
    /// The password; none: nobody is logged in.
    pub password: Option<SecretString>,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        if self.tls {
            // A password goes to no server that cannot be told from another.
            let verify = self.password.as_ref().map_or(Verify::AndReport, |_| Verify::Strictly);
            stream = secure(stream, ask, verify, &[]).await?;
        }
        let verdict = self.converse(stream, &mut ask.seen).await;
        let instead = b"(not shown after a log-in)";
        verdict.map_err(|cause| without_password(cause, self.password.as_ref(), EXPECTED, instead))
    }

    async fn converse(&self, mut stream: Stream, seen: &mut Seen) -> Result<(), Cause> {
        stream.allow(REPLY);
        let login = match &self.password {
            Some(password) => {
                let words = self.user.as_deref().into_iter().chain([password.expose_secret()]);
                let words: Vec<&str> = ["AUTH"].into_iter().chain(words).collect();
                Some(ask_for(&mut stream, "a log-in", &words).await?)
            }
            None => None,
        };
        self.judge_login(login.as_ref())?;
        let ping = ask_for(&mut stream, "a PING", &["PING"]).await?;
        let hello = match &ping {
            RedisReply::Values(_) => Some(ask_for(&mut stream, "a HELLO", &["HELLO", "2"]).await?),
            RedisReply::Error(_) => None,
        };
        stream.close().await;
        self.judge(&ping, hello.as_ref(), seen)
    }

    /// Decides from the answer to AUTH.
    fn judge_login(&self, login: Option<&RedisReply>) -> Result<(), Cause> {
        let Some(RedisReply::Error(refusal)) = login else { return Ok(()) };
        let text = refusal.clone();
        match refusal.split(' ').next() {
            // Servers before version 6 have no word of its own for a wrong password, and none for
            // one that nobody set; `called without any` is how later ones say that.
            Some("WRONGPASS" | "ERR") => Err(Cause::Database(DatabaseCause::RedisLogin { text })),
            _ => Err(refused(refusal)),
        }
    }

    /// Decides from the answers to PING and to HELLO, which servers before version 6 do not know.
    fn judge(
        &self,
        ping: &RedisReply,
        hello: Option<&RedisReply>,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        match ping {
            RedisReply::Values(values) if values.first().is_some_and(|word| word == "PONG") => {}
            RedisReply::Error(refusal)
                if refusal.starts_with("NOAUTH") && self.password.is_none() =>
            {
                seen.concerns.push(Concern::RedisNotRead);
                "asks for a password".clone_into(&mut seen.headline);
                return Ok(());
            }
            RedisReply::Error(refusal) => return Err(refused(refusal)),
            RedisReply::Values(values) => {
                return Err(Cause::bad_reply(EXPECTED, values.join(" ").as_bytes()));
            }
        }
        let fact = |name: &str| match hello {
            Some(RedisReply::Values(values)) => {
                let mut pairs = values.chunks(2).take_while(|pair| pair.len() == 2);
                pairs
                    .find(|pair| pair.first().is_some_and(|key| key == name))
                    .and_then(|pair| pair.get(1).cloned())
            }
            _ => None,
        };
        let mut words = Vec::new();
        for name in ["server", "version", "mode", "role"] {
            if let Some(value) = fact(name) {
                seen.evidence.set(name, value.as_str());
                words.push(value);
            }
        }
        if fact("role").is_some_and(|role| matches!(role.as_str(), "replica" | "slave")) {
            seen.concerns.push(Concern::RedisReplica);
        }
        seen.headline = if words.is_empty() { "answers PING".to_owned() } else { words.join(", ") };
        Ok(())
    }

    pub(crate) fn service(&self) -> &'static Service {
        if self.tls { &SERVICE_TLS } else { &SERVICE }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "redis",
    title: "Redis",
    expected: "Redis",
    spoken: Spoken::Redis,
    url: UrlForm::Session,
    hints: Hints { serves_others: Some("bind in redis.conf"), ..Hints::NONE },
    port: 6379,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(20),
    question: None,
    repeats: 0,
    probe: || crate::Probe::Redis(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "rediss",
    title: "Redis with TLS",
    expected: "TLS",
    spoken: Spoken::Tls,
    tls: true,
    budget: Duration::from_secs(25),
    probe: || crate::Probe::Redis(Probe { tls: true, ..Probe::default() }),
    ..SERVICE
};

/// Answers PING and HELLO as a server without a password does.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    loop {
        let head = stream.line(LINE).await?;
        let Some(words) = number(&head, b'*').filter(|count| *count <= MAX_VALUES) else {
            return stream.send(b"-ERR unknown command\r\n").await;
        };
        let mut asked = Vec::new();
        for _ in 0..words {
            let head = stream.line(LINE).await?;
            let Some(length) = number(&head, b'$').filter(|length| *length <= LINE) else {
                return stream.send(b"-ERR Protocol error: expected '$'\r\n").await;
            };
            asked = if asked.is_empty() {
                stream.exactly(length).await?
            } else {
                stream.exactly(length).await?;
                asked
            };
            stream.exactly(END.len()).await?;
        }
        let answer: &[u8] = match asked.to_ascii_uppercase().as_slice() {
            b"PING" => b"+PONG\r\n",
            b"HELLO" => {
                b"*8\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n\
                $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
            }
            _ => b"-ERR unknown command\r\n",
        };
        stream.send(answer).await?;
    }
}

/// An answer, as far as this probe reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RedisReply {
    /// The texts and numbers of it, one after the other, whatever nests them.
    Values(Vec<String>),
    /// An error: its word, and a sentence.
    Error(String),
}

/// Sends one command and reads its answer.
async fn ask_for(
    stream: &mut Stream,
    what: &'static str,
    words: &[&str],
) -> Result<RedisReply, Cause> {
    stream.asks(what);
    // A server that wants no more clients says so and closes, perhaps before we have spoken.
    let sent = stream.send(&command(words)).await;
    match read(stream).await {
        Err(cause) => {
            stream.draw_out(&cause).await;
            Err(SERVICE.instead(stream.head()).unwrap_or(cause))
        }
        Ok(error @ RedisReply::Error(_)) => Ok(error),
        Ok(reply) => sent.map(|()| reply),
    }
}

/// `*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n`
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(word.as_bytes());
        bytes.extend(END);
    }
    bytes
}

/// Reads one answer: of lists in lists the values in their order.
async fn read(stream: &mut Stream) -> Result<RedisReply, Cause> {
    let (mut values, mut expected) = (Vec::new(), 1_usize);
    while expected > 0 {
        expected -= 1;
        let line = stream.line(Phase::Reply, LINE).await?;
        let bad = || Cause::bad_reply(EXPECTED, stream.head());
        let (&kind, text) = line.split_first().ok_or_else(bad)?;
        match kind {
            b'-' if values.is_empty() => {
                return Ok(RedisReply::Error(wire::clean(text.trim_ascii(), TEXT)));
            }
            b'+' | b':' => values.push(wire::clean(text.trim_ascii(), TEXT)),
            // Nothing at all.
            b'$' | b'*' if text.starts_with(b"-1") => values.push(String::new()),
            b'$' => {
                let length =
                    number(&line, b'$').filter(|length| *length <= LINE).ok_or_else(bad)?;
                let value = stream.exactly(Phase::Reply, length + END.len()).await?;
                let value = value.strip_suffix(END);
                let value = value.ok_or_else(|| Cause::bad_reply(EXPECTED, stream.head()))?;
                values.push(wire::clean(value, TEXT));
            }
            b'*' => {
                let count = number(&line, b'*').filter(|count| *count <= MAX_VALUES);
                expected += count.ok_or_else(bad)?;
            }
            _ => return Err(bad()),
        }
        if values.len() > MAX_VALUES || expected > MAX_VALUES {
            let head = wire::head(stream.head());
            return Err(Cause::Talk(TalkCause::Endless {
                phase: Phase::Reply,
                limit: MAX_VALUES,
                head,
            }));
        }
    }
    Ok(RedisReply::Values(values))
}

/// The number behind `mark` in a line.
fn number(line: &[u8], mark: u8) -> Option<usize> {
    let digits = line.strip_prefix(&[mark])?.trim_ascii_end();
    let digits = std::str::from_utf8(digits).ok().filter(|it| !it.starts_with('+'))?;
    digits.parse().ok()
}

/// Why a server that is there answers no command; its first word says it.
fn refused(refusal: &str) -> Cause {
    let (word, rest) = refusal.split_once(' ').unwrap_or((refusal, ""));
    let text = refusal.to_owned();
    match word {
        "DENIED" => Cause::Database(DatabaseCause::RedisProtected),
        "NOAUTH" | "WRONGPASS" => Cause::Database(DatabaseCause::RedisLogin { text }),
        "NOPERM" => Cause::Database(DatabaseCause::RedisNotPermitted { text }),
        "LOADING" => Cause::Database(DatabaseCause::RedisLoading),
        "MASTERDOWN" => Cause::Database(DatabaseCause::RedisMasterDown),
        "MISCONF" => Cause::Database(DatabaseCause::RedisDisk { text }),
        "ERR" if rest.starts_with("max number of clients") => {
            Cause::Database(DatabaseCause::RedisFull)
        }
        _ => Cause::Database(DatabaseCause::DatabaseError {
            error_code: word.to_owned(),
            text: rest.to_owned(),
        }),
    }
}

const EXPECTED: &str = "an answer of Redis (RESP)";
const REPLY: Duration = Duration::from_secs(5);
/// The refusal of protected mode has some 1,000 bytes.
const LINE: usize = 2 * 1024;
/// HELLO has 14 and what modules are loaded, with three pairs each.
const MAX_VALUES: usize = 512;
/// What is kept of one text.
const TEXT: usize = 200;
const END: &[u8] = b"\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{damaged, ends, last_words};
    use proptest::prelude::*;

    fn with_password() -> Probe {
        Probe { password: Some(SecretString::from("not-a-secret")), ..Probe::default() }
    }

    fn error(text: &str) -> RedisReply {
        RedisReply::Error(text.to_owned())
    }

    fn judged(
        probe: &Probe,
        ping: &RedisReply,
        hello: Option<&RedisReply>,
    ) -> (Result<(), Cause>, Seen) {
        let mut seen = Seen::default();
        (probe.judge(ping, hello, &mut seen), seen)
    }

    fn values(words: &[&str]) -> RedisReply {
        RedisReply::Values(words.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_pass_has_version_mode_and_role() {
        let hello = values(&[
            "server",
            "redis",
            "version",
            "7.0.15",
            "proto",
            "2",
            "id",
            "5",
            "mode",
            "standalone",
            "role",
            "master",
            "modules",
        ]);
        let (verdict, seen) = judged(&Probe::default(), &values(&["PONG"]), Some(&hello));
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, "redis, 7.0.15, standalone, master");
        assert_eq!(seen.concerns, []);
        // Before version 6 there is no HELLO.
        let unknown = error("ERR unknown command 'HELLO'");
        let (verdict, seen) = judged(&Probe::default(), &values(&["PONG"]), Some(&unknown));
        assert_eq!((verdict, seen.headline.as_str()), (Ok(()), "answers PING"));
    }

    #[test]
    fn a_replica_warns() {
        for role in ["slave", "replica"] {
            let hello = values(&["role", role]);
            let (verdict, seen) = judged(&Probe::default(), &values(&["PONG"]), Some(&hello));
            assert_eq!((verdict, seen.concerns), (Ok(()), vec![Concern::RedisReplica]));
        }
    }

    #[test]
    fn a_server_that_wants_a_password_passes_with_a_warning_while_none_is_given() {
        let ping = error("NOAUTH Authentication required.");
        let (verdict, seen) = judged(&Probe::default(), &ping, None);
        assert_eq!((verdict, seen.concerns), (Ok(()), vec![Concern::RedisNotRead]));
        let (verdict, _) = judged(&with_password(), &ping, None);
        assert_eq!(verdict.unwrap_err().code(), "redis-login");
    }

    #[test]
    fn each_refusal_is_a_cause_of_its_own() {
        for (text, code) in [
            ("DENIED Redis is running in protected mode because protected mode", "redis-protected"),
            (
                "NOPERM this user has no permissions to run the 'ping' command",
                "redis-not-permitted",
            ),
            ("LOADING Redis is loading the dataset in memory", "redis-loading"),
            ("MASTERDOWN Link with MASTER is down", "redis-master-down"),
            ("MISCONF Redis is configured to save RDB snapshots", "redis-disk"),
            ("ERR max number of clients reached", "redis-full"),
            ("ERR max number of clients + cluster connections reached", "redis-full"),
            ("BUSY Redis is busy running a script.", "database-error"),
            ("READONLY You can't write against a read only replica.", "database-error"),
        ] {
            let (verdict, _) = judged(&Probe::default(), &error(text), None);
            assert_eq!(verdict.unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn a_password_is_judged_by_the_answer_to_it() {
        let probe = with_password();
        assert_eq!(probe.judge_login(Some(&values(&["OK"]))), Ok(()));
        for text in [
            "WRONGPASS invalid username-password pair or user is disabled.",
            "ERR invalid password",
            "ERR AUTH <password> called without any password configured for the default user.",
        ] {
            let verdict = probe.judge_login(Some(&error(text)));
            assert_eq!(
                verdict,
                Err(Cause::Database(DatabaseCause::RedisLogin { text: text.to_owned() }))
            );
        }
        let full = probe.judge_login(Some(&error("DENIED Redis is running in protected mode")));
        assert_eq!(full, Err(Cause::Database(DatabaseCause::RedisProtected)));
    }

    #[test]
    fn commands_are_those_of_the_specification() {
        assert_eq!(command(&["PING"]), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            command(&["AUTH", "me", "x y"]),
            b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$3\r\nx y\r\n"
        );
    }

    #[tokio::test]
    async fn lists_in_lists_are_read_in_their_order_and_without_end_refused() {
        let nested = b"*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+b\r\n";
        let read_of = async |words: &[u8]| read(&mut last_words(words).await).await;
        assert_eq!(read_of(nested).await, Ok(values(&["a", "1", "", "b"])));
        for wrong in [&b"*99999999\r\n"[..], b"$5000\r\n", b"$2\r\nabcd\r\n", b"?\r\n", b"*+1\r\n"]
        {
            assert_eq!(read_of(wrong).await.unwrap_err().code(), "bad-reply", "{wrong:?}");
        }
        let deep = b"*500\r\n".repeat(400);
        assert_eq!(read_of(&deep).await.unwrap_err().code(), "endless");
    }

    proptest! {
        #[test]
        fn no_answer_breaks_reader_or_judge(
            words in damaged(b"+PONG\r\n*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$4\r\nrole\r\n$5\r\nslave\r\n"),
        ) {
            let mut seen = Seen::default();
            let probe = Probe::default();
            let passed = ends(&words, async |stream| probe.converse(stream, &mut seen).await);
            prop_assert!(passed.is_err() || !seen.headline.is_empty());
        }
    }
}
