//! `OpenVPN` over TCP, at the gateway of a VPN: who hangs up on TLS may wait for a client of its own.
//!
//! Each packet has its length before it. A client begins with a packet of opcode 7 and a session id
//! of its choice; the server answers with opcode 8 and that id. Then we leave, before TLS begins
//! inside: nobody logs in.
//!
//! A server with `tls-crypt` or `tls-auth` hangs up on whoever has not its key. How it does so tells:
//! it waits for the end of a packet, however long that is, and hangs up at its last byte.
//!
//! Reference: `openvpn(8)`; <https://openvpn.github.io/openvpn-rfc/openvpn-wire-protocol.html>,
//! `OpenVPN/openvpn` `src/openvpn/ssl_pkt.c`.

use std::time::Duration;

use crate::cause::{Cause, Phase, TalkCause};
use crate::net::{Ask, Stream};

/// What a client says first, in a session of this id.
pub(crate) fn hello(id: [u8; 8]) -> Vec<u8> {
    // Nothing is acknowledged, and the packet is number 0.
    framed(&[&[CLIENT_RESET], &id[..], &[0], &[0; 4]].concat())
}

/// Asks the peer of `ask`, which has `refused` TLS.
///
/// # Errors
///
/// [`TalkCause::OpenvpnKeyed`] when it does as a server that wants a key; else `refused`.
pub(super) async fn ask(ask: &mut Ask, refused: Cause) -> Result<(), Cause> {
    // A server by lines would end at one of these; with the high bit none is the end of a line.
    let id = rand::random::<[u8; 8]>().map(|byte| byte | 0x80);
    match answer(ask, id).await {
        Some(answer) if is_of_a_server(&answer, id) => {
            ask.seen.evidence.set("spoken", "OpenVPN");
            "OpenVPN answers over TCP".clone_into(&mut ask.seen.headline);
            Ok(())
        }
        Some(_) => Err(refused),
        None => {
            let usual = hello(id);
            let longer = framed(&[&[CLIENT_RESET], &id[..], &[0x80; KEYED]].concat());
            for packet in [usual, longer] {
                if !hangs_up_at_its_end(ask, &packet).await {
                    return Err(refused);
                }
            }
            Err(Cause::Talk(TalkCause::OpenvpnKeyed { to: ask.address() }))
        }
    }
}

/// The packet that answers; `None`: there is none.
async fn answer(ask: &mut Ask, id: [u8; 8]) -> Option<Vec<u8>> {
    let mut stream = ask.connect().await.ok()?;
    stream.allow(ANSWER);
    stream.send(&hello(id)).await.ok()?;
    let length = stream.exactly(Phase::Reply, 2).await.ok()?;
    let length = usize::from(u16::from_be_bytes(*length.first_chunk()?));
    let packet = stream.exactly(Phase::Reply, length.min(LONGEST)).await.ok()?;
    stream.close().await;
    Some(packet)
}

/// Opcode, the server's session, one acknowledgement: packet 0 of our session.
fn is_of_a_server(packet: &[u8], id: [u8; 8]) -> bool {
    let [SERVER_RESET, rest @ ..] = packet else { return false };
    rest.get(8) == Some(&1) && rest.get(13..21) == Some(&id[..])
}

/// Waits for the whole packet, and hangs up without a word as soon as it is there?
async fn hangs_up_at_its_end(ask: &mut Ask, packet: &[u8]) -> bool {
    let Some((last, before)) = packet.split_last() else { return false };
    let Ok(mut stream) = ask.connect().await else { return false };
    let moment = MOMENT + 2 * ask.seen.timings.connect.unwrap_or_default();
    let waits = is_sent(&mut stream, before).await
        && matches!(stream.is_silent_for(moment, Phase::Reply).await, Ok(true));
    if !waits || !is_sent(&mut stream, &[*last]).await {
        return false;
    }
    let ended = stream.fill(Phase::Reply).await;
    matches!(
        ended,
        Err(Cause::Talk(
            TalkCause::HungUp { received: 0, .. } | TalkCause::Reset { received: 0, .. }
        ))
    )
}

async fn is_sent(stream: &mut Stream, bytes: &[u8]) -> bool {
    stream.allow(ANSWER);
    stream.send(bytes).await.is_ok()
}

/// With its length before it.
fn framed(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap_or_default().to_be_bytes();
    [&length[..], packet].concat()
}

/// `P_CONTROL_HARD_RESET_CLIENT_V2`, key 0.
const CLIENT_RESET: u8 = 7 << 3;
/// `P_CONTROL_HARD_RESET_SERVER_V2`, key 0.
const SERVER_RESET: u8 = 8 << 3;
/// Bytes behind the session that a packet with a key has at least: a code, a number, a time.
const KEYED: usize = 45;
/// Bytes of an answer that are read.
const LONGEST: usize = 256;
/// A gateway answers the first packet at once.
const ANSWER: Duration = Duration::from_secs(1);
/// Long enough for a hang-up that does not wait for the rest.
const MOMENT: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    /// As `OpenVPN` 2.6 answered the hello of this session.
    const ANSWERED: &[u8] = b"\x40\xd7\x21\x5b\x24\xeb\x20\x6a\xcf\x01\0\0\0\0\
        \xc6\x12\xc7\xe5\xac\xa8\xbf\x43\0\0\0\0";
    const ID: [u8; 8] = *b"\xc6\x12\xc7\xe5\xac\xa8\xbf\x43";

    #[test]
    fn an_answer_is_to_our_session() {
        assert!(is_of_a_server(ANSWERED, ID));
        assert!(!is_of_a_server(ANSWERED, [9; 8]));
        assert!(!is_of_a_server(&ANSWERED[..20], ID));
        assert!(!is_of_a_server(b"\x15\x03\x03\0\x02\x02\x46", ID));
        assert!(!is_of_a_server(b"", ID));
    }

    #[test]
    fn a_hello_is_framed_by_its_length() {
        let hello = hello(ID);
        assert_eq!(hello[..3], [0, 14, 0x38]);
        assert_eq!(hello.len(), 16);
    }
}
