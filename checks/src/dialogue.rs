//! What is said to a port of the user's own, and what has to come back.

use crate::cause::{Cause, Phase, TalkCause};
use crate::evidence::Seen;
use crate::net::Stream;
use crate::wire;

/// A question and its answer in a protocol that this tool does not speak.
///
/// Nothing in it may be a secret: what comes back stands in the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    /// What is sent, byte for byte; empty: the peer speaks first.
    pub send: Vec<u8>,
    /// What has to be in the answer, anywhere in its first [`Dialogue::READ`] bytes; empty: nothing is
    /// waited for.
    pub expect: Vec<u8>,
}

impl Dialogue {
    /// The most that is sent.
    pub const SENT: usize = 1024;
    /// The most that is looked for.
    pub const EXPECTED: usize = 256;
    /// The most that is read.
    pub const READ: usize = 4096;

    /// Is there anything to say or to hear?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.send.is_empty() && self.expect.is_empty()
    }

    /// Sends, and reads until the answer is there; does nothing where there is nothing to say or to hear.
    ///
    /// # Errors
    ///
    /// [`Cause::Talk(TalkCause::BadReply)`] for another answer; without a byte, how the connection ended.
    pub(crate) async fn hold(&self, stream: &mut Stream, seen: &mut Seen) -> Result<(), Cause> {
        if self.is_empty() {
            return Ok(());
        }
        stream.allow(ANSWER);
        if !self.send.is_empty() {
            stream.asks("what the check sends");
        }
        // A peer may say its piece and hang up before it has heard us.
        let sent = stream.send(&self.send).await;
        let heard = self.listen(stream).await;
        let came = stream.unread();
        if !came.is_empty() {
            seen.evidence.set("heard", wire::clean(came, SHOWN));
        }
        match heard {
            Ok(()) => {
                seen.headline = format!("answers with \"{}\"", wire::clean(&self.expect, SHOWN));
                Ok(())
            }
            Err(cause) if came.is_empty() => Err(sent.err().unwrap_or(cause)),
            Err(_) => {
                let expected = format!("an answer with \"{}\"", wire::clean(&self.expect, SHOWN));
                Err(Cause::Talk(TalkCause::BadReply {
                    expected: expected.into(),
                    got: wire::head(came),
                }))
            }
        }
    }

    async fn listen(&self, stream: &mut Stream) -> Result<(), Cause> {
        let is_there = |bytes: &[u8]| {
            self.expect.is_empty()
                || bytes.windows(self.expect.len()).any(|window| window == self.expect)
        };
        while !is_there(stream.unread()) {
            if stream.unread().len() >= Self::READ {
                let head = wire::head(stream.head());
                return Err(Cause::Talk(TalkCause::Endless {
                    phase: Phase::Reply,
                    limit: Self::READ,
                    head,
                }));
            }
            stream.fill(Phase::Reply).await?;
        }
        Ok(())
    }
}

/// Longest wait for the answer.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(5);
/// What is shown of it.
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{last_words, said};

    async fn held(expect: &str, words: &[u8]) -> (Result<(), Cause>, Seen) {
        let dialogue = Dialogue { send: b"PING\r\n".to_vec(), expect: expect.into() };
        let (mut seen, mut stream) = (Seen::default(), last_words(words).await);
        (dialogue.hold(&mut stream, &mut seen).await, seen)
    }

    #[tokio::test]
    async fn the_answer_may_stand_anywhere_and_is_shown_escaped() {
        let (verdict, seen) = held("PONG", b"hello \x1b[2J +PONG\r\n").await;
        assert_eq!((verdict, seen.headline.as_str()), (Ok(()), "answers with \"PONG\""));
        let heard = seen.evidence.fact("heard").unwrap().to_string();
        assert_eq!(heard, "hello \\x1b[2J +PONG\\r\\n");
    }

    #[tokio::test]
    async fn another_answer_and_one_without_an_end_are_told_from_none() {
        let (verdict, _) = held("PONG", b"-ERR\r\n").await;
        let said = verdict.unwrap_err().to_string();
        assert_eq!(said, "expected an answer with \"PONG\", got 6 bytes: \"-ERR\\r\\n\"");
        let (verdict, _) = held("PONG", &vec![b'x'; 2 * Dialogue::READ]).await;
        assert_eq!(verdict.unwrap_err().code(), "bad-reply");
        let (verdict, _) = held("PONG", b"").await;
        assert_eq!(verdict.unwrap_err().code(), "hung-up");
    }

    #[tokio::test]
    async fn what_is_sent_arrives_byte_for_byte() {
        use tokio::io::AsyncReadExt as _;
        let (mut stream, mut far) = said(b"ok").await;
        let dialogue = Dialogue { send: b"\0\xffPING\r\n".to_vec(), expect: b"ok".to_vec() };
        dialogue.hold(&mut stream, &mut Seen::default()).await.unwrap();
        let mut heard = [0; 8];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"\0\xffPING\r\n");
    }
}
