//! WebSocket frames, as far as one message each way needs them.
//!
//! Reference: [RFC 6455 §5](https://www.rfc-editor.org/rfc/rfc6455#section-5).

use std::io;

use crate::cause::{Cause, Phase};
use crate::net::{FarStream, Stream};
use crate::reader::Reader;
use crate::wire;

/// A text of ours, masked as a client's must be.
pub(super) fn text(words: &str) -> Vec<u8> {
    masked(TEXT, words.as_bytes())
}

/// A close frame with status 1000 (§5.5.1).
pub(super) fn goodbye() -> Vec<u8> {
    masked(CLOSE, &1000_u16.to_be_bytes())
}

/// Ours have fewer than 126 bytes, so that their length is one byte.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = rand::random::<[u8; 4]>();
    let length = u8::try_from(payload.len()).unwrap_or(SHORT).min(SHORT);
    let hidden = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let head = [FINAL | opcode, MASKED | length];
    head.into_iter().chain(mask).chain(hidden).take(2 + 4 + usize::from(length)).collect()
}

/// The next text of the server; none when it closes without one.
///
/// # Errors
///
/// How the connection failed, or [`TalkCause::BadReply`](crate::cause::TalkCause::BadReply) when this is no frame of a server.
pub(super) async fn read_text(stream: &mut Stream) -> Result<Option<String>, Cause> {
    for _ in 0..MAX_FRAMES {
        let head = stream.exactly(Phase::Reply, 2).await?;
        let mut reader = Reader::new(&head, EXPECTED);
        let (first, second) = (reader.u8()?, reader.u8()?);
        let length = match second {
            length @ ..=SHORT => usize::from(length),
            TWO_BYTES => wire::length(&stream.exactly(Phase::Reply, 2).await?),
            // Masked, or too long for anything Gorgone says.
            _ => return Err(Cause::bad_reply(EXPECTED, stream.head())),
        };
        if length > MAX_TEXT {
            return Err(Cause::bad_reply(EXPECTED, stream.head()));
        }
        let payload = stream.exactly(Phase::Reply, length).await?;
        match first & OPCODE {
            TEXT => return Ok(Some(wire::clean(&payload, SHOWN))),
            CLOSE => return Ok(None),
            // A ping, which nobody waits for an answer to any more, or a pong.
            PING | PONG => {}
            _ => return Err(Cause::bad_reply(EXPECTED, &head)),
        }
    }
    Err(Cause::bad_reply(EXPECTED, stream.head()))
}

/// The far side's half of [`text`]: opcode and payload of one short frame.
///
/// # Errors
///
/// When the client hangs up, or says too much.
pub(super) async fn read_ours(stream: &mut FarStream) -> io::Result<(u8, Vec<u8>)> {
    let head = stream.exactly(2).await?;
    let [first, second] = head[..] else { return Err(io::Error::other("no frame")) };
    let length = second & !MASKED;
    if second & MASKED == 0 || length > SHORT {
        return Err(io::Error::other("no short frame of a client"));
    }
    let mask = stream.exactly(4).await?;
    let payload = stream.exactly(usize::from(length)).await?;
    let plain = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    Ok((first & OPCODE, plain.collect()))
}

/// The far side's half of [`read_text`].
pub(super) fn said(words: &str) -> Vec<u8> {
    let length = u8::try_from(words.len()).unwrap_or(SHORT).min(SHORT);
    let words = words.bytes().take(usize::from(length));
    [FINAL | TEXT, length].into_iter().chain(words).collect()
}

pub(super) const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const OPCODE: u8 = 0x0f;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// The longest length that is written in one byte.
const SHORT: u8 = 125;
/// The mark of a length in two bytes.
const TWO_BYTES: u8 = 126;
/// Far more than Gorgone's refusals have.
const MAX_TEXT: usize = 4 * 1024;
const MAX_FRAMES: usize = 8;
const SHOWN: usize = 200;
const EXPECTED: &str = "a WebSocket frame";
