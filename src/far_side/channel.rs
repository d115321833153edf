//! The control channel: two machines that know one code, and everybody else outside.
//!
//! It runs on a port of the platform. The caller's first bytes tell it from the port's own protocol. SPAKE2
//! makes a key of the code, a new one each time, so a recorded conversation is worth nothing and a guess costs a
//! visit; HKDF-SHA256 makes a key for each direction and one for marks of it, ChaCha20-Poly1305 seals each
//! message under its number, so none can be left out, repeated or put elsewhere.
//!
//! Reference: RFC 9382 (SPAKE2), RFC 5869, RFC 8439. The form on the wire is the crate's and our own.

use std::io;

use preflight_checks::printable;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::code::{PairingCode, RunNumber};
use super::mark::MarkKey;
use crate::report::saved::each_text;

/// The first bytes of a caller who has a code.
pub(crate) const CALL: &[u8; 16] = b"preflight code1\n";
/// The first bytes of who answers.
const ANSWER: &[u8; 16] = b"preflight side1\n";
/// A message of SPAKE2 on Ed25519: a byte for the side, and a point.
const POINT: usize = 33;
/// The largest message.
const MOST: usize = 64 << 10;
/// All that one side may say in one conversation.
const MOST_SAID: usize = 2 << 20;
/// What the seal adds.
const TAG: usize = 16;

/// Why there is no conversation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoChannel {
    /// The connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another program answers, not a far side of preflight.
    #[error("no far side of preflight answers there")]
    NotOurs,
    /// The code is of another run of `respond`.
    #[error("the code is of run {ours}, and run {theirs} answers")]
    OtherRun {
        /// The run of our code.
        ours: RunNumber,
        /// The run that answers.
        theirs: RunNumber,
    },
    /// The other side does not take our code.
    #[error("the code was refused")]
    Refused,
    /// The other side does not know the code.
    #[error("who answers there does not know the code")]
    Unproved,
    /// A message that was changed, left out, repeated, or too large.
    #[error("the conversation was tampered with, or broke off")]
    Broken,
}

/// A conversation whose two ends know the code.
#[derive(Debug)]
pub(crate) struct Channel<S> {
    stream: S,
    ours: MessageSeal,
    theirs: MessageSeal,
    left: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel<S> {
    /// Calls the far side; with the conversation comes the key of its marks.
    ///
    /// Waits without a bound: the caller brings one.
    ///
    /// # Errors
    ///
    /// [`NoChannel`]
    pub(crate) async fn call(
        mut stream: S,
        code: &PairingCode,
    ) -> Result<(Self, MarkKey), NoChannel> {
        // At once: a service that speaks first waits a quarter of a second for it, and the point takes a slow machine long.
        stream.write_all(CALL).await?;
        stream.flush().await?;
        let (exchange, point) = Spake2::<Ed25519Group>::start_a(
            &Password::new(code.password()),
            &Identity::new(CALLER),
            &Identity::new(ANSWERER),
        );
        stream.write_all(&point).await?;
        stream.flush().await?;
        skip_greeting(&mut stream).await?;
        let mut run = [0; 2];
        stream.read_exact(&mut run).await?;
        let theirs = RunNumber::of(run).ok_or(NoChannel::NotOurs)?;
        if theirs != code.run() {
            return Err(NoChannel::OtherRun { ours: code.run(), theirs });
        }
        let mut point = [0; POINT];
        stream.read_exact(&mut point).await?;
        let key = exchange.finish(&point).map_err(|_| NoChannel::Unproved)?;
        let keys = Keys::of(&key).ok_or(NoChannel::Broken)?;
        let mut channel = Self {
            stream,
            ours: MessageSeal::of(keys.caller),
            theirs: MessageSeal::of(keys.answerer),
            left: MOST_SAID,
        };
        channel.write(CONFIRM).await?;
        match channel.read().await {
            Ok(Some(confirmed)) if confirmed == CONFIRM => Ok((channel, keys.marks)),
            Ok(None) => Err(NoChannel::Refused),
            Err(NoChannel::Io(error)) => Err(NoChannel::Io(error)),
            Ok(Some(_)) | Err(_) => Err(NoChannel::Unproved),
        }
    }

    /// Answers a caller, whose first bytes are still to be read.
    ///
    /// Waits without a bound: the caller brings one.
    ///
    /// # Errors
    ///
    /// [`NoChannel`]; whoever does not know the code is told that it was refused.
    pub(crate) async fn answer(
        mut stream: S,
        code: &PairingCode,
    ) -> Result<(Self, MarkKey), NoChannel> {
        let mut head = [0; CALL.len()];
        stream.read_exact(&mut head).await?;
        if head != *CALL {
            return Err(NoChannel::NotOurs);
        }
        let mut theirs = [0; POINT];
        stream.read_exact(&mut theirs).await?;
        let (exchange, point) = Spake2::<Ed25519Group>::start_b(
            &Password::new(code.password()),
            &Identity::new(CALLER),
            &Identity::new(ANSWERER),
        );
        let run = code.run().bytes();
        stream.write_all(&[ANSWER.as_slice(), &run, &point].concat()).await?;
        stream.flush().await?;
        let key = exchange.finish(&theirs).map_err(|_| NoChannel::Refused)?;
        let keys = Keys::of(&key).ok_or(NoChannel::Broken)?;
        let mut channel = Self {
            stream,
            ours: MessageSeal::of(keys.answerer),
            theirs: MessageSeal::of(keys.caller),
            left: MOST_SAID,
        };
        match channel.read().await {
            Ok(Some(confirmed)) if confirmed == CONFIRM => {}
            Err(NoChannel::Io(error)) => return Err(NoChannel::Io(error)),
            _ => {
                // Not sealed: there is no key that both have.
                channel.stream.write_all(&NOTHING).await?;
                channel.stream.flush().await?;
                return Err(NoChannel::Refused);
            }
        }
        channel.write(CONFIRM).await?;
        Ok((channel, keys.marks))
    }

    /// What it travels through.
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// [`NoChannel`]; a message that is too large is not sent.
    pub(crate) async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), NoChannel> {
        let text = serde_json::to_vec(message).map_err(|_| NoChannel::Broken)?;
        self.write(&text).await
    }

    /// Reads the next message.
    ///
    /// # Errors
    ///
    /// [`NoChannel`]
    pub(crate) async fn receive<T: DeserializeOwned>(&mut self) -> Result<T, NoChannel> {
        let text = self.read().await?.ok_or(NoChannel::Broken)?;
        let mut message: Value = serde_json::from_slice(&text).map_err(|_| NoChannel::Broken)?;
        // The other side knows the code, and may all the same be anybody's machine.
        each_text(&mut message, &|text| *text = printable(text));
        serde_json::from_value(message).map_err(|_| NoChannel::Broken)
    }

    async fn write(&mut self, text: &[u8]) -> Result<(), NoChannel> {
        let sealed = self.ours.close(text).ok_or(NoChannel::Broken)?;
        let length = u32::try_from(sealed.len()).map_err(|_| NoChannel::Broken)?;
        self.stream.write_all(&length.to_be_bytes()).await?;
        self.stream.write_all(&sealed).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next message as it was before it was sealed; `None`: there is none, the code was refused.
    async fn read(&mut self) -> Result<Option<Vec<u8>>, NoChannel> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        if length == NOTHING {
            return Ok(None);
        }
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| NoChannel::Broken)?;
        if length > MOST + TAG || length > self.left {
            return Err(NoChannel::Broken);
        }
        self.left -= length;
        let mut sealed = vec![0; length];
        self.stream.read_exact(&mut sealed).await?;
        self.theirs.open(sealed).ok_or(NoChannel::Broken).map(Some)
    }
}

/// A service that speaks first has done so before it knew who came.
async fn skip_greeting(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), NoChannel> {
    /// Longer than any greeting of the platform's services.
    const LONGEST: usize = 1024;
    let mut last = [0; ANSWER.len()];
    for _ in 0..LONGEST {
        last.rotate_left(1);
        let [.., end] = &mut last;
        match stream.read_u8().await {
            Ok(byte) => *end = byte,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(NoChannel::NotOurs);
            }
            Err(error) => return Err(error.into()),
        }
        if last == *ANSWER {
            return Ok(());
        }
    }
    Err(NoChannel::NotOurs)
}

/// Both identities are part of the key: a message cannot be sent back to who sent it.
const CALLER: &[u8] = b"preflight caller";
const ANSWERER: &[u8] = b"preflight respond";
/// What each side seals first.
const CONFIRM: &[u8] = b"preflight knows the code";
/// The length of no message: the code was refused.
const NOTHING: [u8; 4] = [0; 4];

/// The keys of one conversation.
struct Keys {
    caller: LessSafeKey,
    answerer: LessSafeKey,
    marks: MarkKey,
}

impl Keys {
    fn of(secret: &[u8]) -> Option<Self> {
        let key = Salt::new(HKDF_SHA256, b"preflight far side 1").extract(secret);
        let derived = |purpose: &[u8]| {
            let mut bytes = [0; 32];
            key.expand(&[purpose], HKDF_SHA256).ok()?.fill(&mut bytes).ok()?;
            Some(bytes)
        };
        let sealing = |purpose| {
            let key = UnboundKey::new(&CHACHA20_POLY1305, &derived(purpose)?).ok()?;
            Some(LessSafeKey::new(key))
        };
        Some(Self {
            caller: sealing(b"caller")?,
            answerer: sealing(b"answerer")?,
            marks: MarkKey::of(&derived(b"marks")?, &derived(b"session")?),
        })
    }
}

/// Seals or opens the messages of one direction, each under its number.
#[derive(Debug)]
struct MessageSeal {
    key: LessSafeKey,
    next: u64,
}

impl MessageSeal {
    fn of(key: LessSafeKey) -> Self {
        Self { key, next: 0 }
    }

    fn number(&mut self) -> Option<Nonce> {
        let mut nonce = [0; 12];
        let (_, number) = nonce.split_last_chunk_mut::<8>()?;
        *number = self.next.to_be_bytes();
        self.next = self.next.checked_add(1)?;
        Some(Nonce::assume_unique_for_key(nonce))
    }

    fn close(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let nonce = Some(()).filter(|()| text.len() <= MOST).and_then(|()| self.number())?;
        let mut sealed = text.to_vec();
        self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).ok()?;
        Some(sealed)
    }

    fn open(&mut self, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = self.number()?;
        let length = self.key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::DuplexStream;
    use tokio::time::timeout;

    type Ended = Result<(Channel<DuplexStream>, MarkKey), NoChannel>;

    fn code() -> PairingCode {
        PairingCode::new().unwrap()
    }

    /// Another code of the same run.
    fn guess(code: &PairingCode) -> PairingCode {
        loop {
            let other = PairingCode::new().unwrap();
            if other.run() == code.run() && other.password() != code.password() {
                return other;
            }
        }
    }

    async fn paired(calls: &PairingCode, answers: &PairingCode) -> (Ended, Ended) {
        let (here, there) = tokio::io::duplex(MOST * 2);
        let both =
            async { tokio::join!(Channel::call(here, calls), Channel::answer(there, answers)) };
        timeout(Duration::from_secs(10), both).await.unwrap()
    }

    /// What a caller says until it waits, and all that an answerer would say to it.
    async fn recorded(code: &PairingCode) -> (Vec<u8>, Vec<u8>) {
        let (mut here, there) = tokio::io::duplex(MOST);
        let (near, mut far) = tokio::io::duplex(MOST);
        let relay = async {
            let (mut said, mut heard) = (Vec::new(), Vec::new());
            let (mut a, mut b) = ([0; 4096], [0; 4096]);
            loop {
                tokio::select! {
                    read = here.read(&mut a) => match read {
                        Ok(length) if length > 0 => {
                            said.extend_from_slice(&a[..length]);
                            far.write_all(&a[..length]).await.unwrap();
                        }
                        _ => return (said, heard),
                    },
                    read = far.read(&mut b) => match read {
                        Ok(length) if length > 0 => {
                            heard.extend_from_slice(&b[..length]);
                            here.write_all(&b[..length]).await.unwrap();
                        }
                        _ => return (said, heard),
                    },
                }
            }
        };
        let talk = async {
            let (caller, answerer) =
                tokio::join!(Channel::call(there, code), Channel::answer(near, code));
            let (mut caller, _) = caller.unwrap();
            let (mut answerer, _) = answerer.unwrap();
            caller.send(&"once").await.unwrap();
            assert_eq!(answerer.receive::<String>().await.unwrap(), "once");
        };
        let (recorded, ()) = tokio::join!(relay, talk);
        recorded
    }

    #[tokio::test]
    async fn who_knows_the_code_talks_both_ways_with_one_key_of_marks() {
        let code = code();
        let (caller, answerer) = paired(&code, &code).await;
        let ((mut caller, ours), (mut answerer, theirs)) = (caller.unwrap(), answerer.unwrap());
        for number in 0..3_u32 {
            caller.send(&number).await.unwrap();
            assert_eq!(answerer.receive::<u32>().await.unwrap(), number);
            answerer.send(&(number + 1)).await.unwrap();
            assert_eq!(caller.receive::<u32>().await.unwrap(), number + 1);
        }
        let nonce = [7; 16];
        assert_eq!(theirs.asked(&ours.question(nonce)), Some(nonce));
    }

    #[tokio::test]
    async fn a_wrong_code_is_refused_and_said() {
        let right = code();
        let (caller, answerer) = paired(&guess(&right), &right).await;
        assert!(matches!(caller, Err(NoChannel::Refused)), "{caller:?}");
        assert!(matches!(answerer, Err(NoChannel::Refused)), "{answerer:?}");
    }

    #[tokio::test]
    async fn an_old_code_is_told_from_a_wrong_one() {
        let (old, new) = (
            PairingCode::read("00-000-000-000").unwrap(),
            loop {
                let new = code();
                if new.run().to_string() != "00" {
                    break new;
                }
            },
        );
        let (caller, _) = paired(&old, &new).await;
        assert!(matches!(caller, Err(NoChannel::OtherRun { .. })), "{caller:?}");
    }

    #[tokio::test]
    async fn a_recorded_conversation_opens_nothing_again() {
        let code = code();
        let (said, _) = Box::pin(recorded(&code)).await;
        let (mut here, there) = tokio::io::duplex(MOST * 2);
        here.write_all(&said).await.unwrap();
        let answered = timeout(Duration::from_secs(10), Channel::answer(there, &code)).await;
        assert!(matches!(answered.unwrap(), Err(NoChannel::Refused)));
    }

    #[tokio::test]
    async fn recorded_answers_prove_nobody() {
        let code = code();
        let (_, heard) = Box::pin(recorded(&code)).await;
        let (here, mut there) = tokio::io::duplex(MOST * 2);
        there.write_all(&heard).await.unwrap();
        let called = timeout(Duration::from_secs(10), Channel::call(here, &code)).await;
        assert!(matches!(called.unwrap(), Err(NoChannel::Unproved)));
    }

    #[tokio::test]
    async fn a_relay_that_talks_to_both_and_does_not_know_the_code_gets_neither() {
        let code = code();
        let wrong = guess(&code);
        // To the caller it plays the far side, to the far side the caller.
        let (caller, as_far_side) = paired(&code, &wrong).await;
        assert!(caller.is_err() && matches!(as_far_side, Err(NoChannel::Refused)));
        let (as_caller, answerer) = paired(&wrong, &code).await;
        assert!(as_caller.is_err() && matches!(answerer, Err(NoChannel::Refused)));
    }

    #[tokio::test]
    async fn a_changed_or_repeated_message_ends_the_conversation() {
        for repeat in [false, true] {
            let code = code();
            let (caller, answerer) = paired(&code, &code).await;
            let ((mut caller, _), (mut answerer, _)) = (caller.unwrap(), answerer.unwrap());
            let mut sealed = caller.ours.close(b"1").unwrap();
            if !repeat {
                sealed[0] ^= 1;
            }
            let length = u32::try_from(sealed.len()).unwrap().to_be_bytes();
            let message = [length.as_slice(), &sealed].concat();
            caller.stream.write_all(&message.repeat(2)).await.unwrap();
            if repeat {
                assert_eq!(answerer.receive::<u8>().await.unwrap(), 1);
            }
            let received = answerer.receive::<u8>().await;
            assert!(matches!(received, Err(NoChannel::Broken)), "{received:?}");
        }
    }

    #[tokio::test]
    async fn another_service_and_a_huge_message_are_no_far_side() {
        let (here, mut there) = tokio::io::duplex(MOST);
        there.write_all(&b"220 mail.example ESMTP\r\n".repeat(100)).await.unwrap();
        let of_mail = Channel::call(here, &code()).await;
        assert!(matches!(of_mail, Err(NoChannel::NotOurs)), "{of_mail:?}");

        let code = code();
        let (caller, answerer) = paired(&code, &code).await;
        let ((mut caller, _), (mut answerer, _)) = (caller.unwrap(), answerer.unwrap());
        caller.stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        assert!(matches!(answerer.receive::<u8>().await, Err(NoChannel::Broken)));
        assert!(matches!(answerer.send(&"x".repeat(MOST)).await, Err(NoChannel::Broken)));
    }

    #[tokio::test]
    async fn a_service_that_greets_first_is_passed_over() {
        let code = code();
        let (here, mut there) = tokio::io::duplex(MOST);
        let both = async {
            there.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
            tokio::join!(Channel::call(here, &code), Channel::answer(there, &code))
        };
        let (caller, answerer) = timeout(Duration::from_secs(10), both).await.unwrap();
        assert!(caller.is_ok() && answerer.is_ok());
    }
}
