//! BBDO's other transport: is it gRPC that answers, and is it alive?
//!
//! A call to a method that no broker has is answered with a status and leaves
//! no line in its log; a call of the real one would begin a session.
//!
//! Reference: [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request};

use crate::cause::{Cause, Phase, TalkCause};
use crate::net::{Ask, Stream};
use crate::wire::{self, Reader};

/// Does a conversation begin with a whole SETTINGS frame of gRPC's own library?
///
/// Setting 0xfe03 is its private one: other HTTP/2 servers do not send it.
pub(super) fn is_settings(head: &[u8]) -> bool {
    settings(head).is_some_and(|(_, settings)| {
        settings.chunks_exact(SETTING_LEN).any(|setting| setting.starts_with(&TRUE_BINARY))
    })
}

/// Has such a frame begun and not ended, with room left in the head?
pub(super) fn is_settings_begun(head: &[u8]) -> bool {
    settings(head).is_some_and(|(length, settings)| settings.len() < length) && head.len() < KEPT
}

/// The announced length of a SETTINGS frame and what is there of it.
fn settings(head: &[u8]) -> Option<(usize, &[u8])> {
    let mut reader = Reader::new(head, "a SETTINGS frame");
    let [0, 0, length, 4, 0, 0, 0, 0, 0] = reader.array().ok()? else { return None };
    let length = usize::from(length);
    let rest = reader.rest();
    Some((length, rest.get(..length).unwrap_or(rest)))
}

/// The status of a call to a method that is not there, over a new connection.
pub(super) async fn status(ask: &mut Ask) -> Result<String, Cause> {
    let to = ask.address();
    let stream = ask.connect().await?;
    stream.asks("a gRPC call");
    let wait = ask.deadline.within(CALL);
    match wait.bound(call(stream, to.to_string())).await {
        None => {
            Err(Cause::Talk(TalkCause::Silent { to, phase: Phase::Reply, waited: wait.waited() }))
        }
        Some(Err(error)) => Err(bad(wire::printable(&error.to_string()))),
        Some(Ok(status)) => status.ok_or_else(|| bad("an answer without one".to_owned())),
    }
}

fn bad(got: String) -> Cause {
    Cause::Talk(TalkCause::BadReply { expected: "a gRPC status".into(), got })
}

/// Connection and call take turns here: nothing runs on after the answer.
async fn call(stream: Stream, authority: String) -> Result<Option<String>, h2::Error> {
    let (sender, connection) = Builder::new()
        .enable_push(false)
        .max_header_list_size(MAX_HEADERS)
        .handshake::<_, Bytes>(stream)
        .await?;
    let mut connection = pin!(connection);
    let status = tokio::select! {
        status = answer(sender, authority) => status,
        ended = &mut connection => return ended.map(|()| None),
    };
    // Nothing is left to say: the connection ends with GOAWAY and a FIN.
    let _goodbye = connection.await;
    status
}

async fn answer(
    sender: SendRequest<Bytes>,
    authority: String,
) -> Result<Option<String>, h2::Error> {
    let mut sender = sender.ready().await?;
    let request = Request::post(format!("http://{authority}{METHOD}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(());
    let Ok(request) = request else { return Ok(None) };
    let (response, mut body) = sender.send_request(request, false)?;
    // An empty message: not compressed, of length 0.
    body.send_data(Bytes::from_static(&[0; 5]), true)?;
    let response = response.await?;
    if let Some(status) = grpc_status(response.headers()) {
        return Ok(Some(status));
    }
    let mut body = response.into_body();
    Ok(body.trailers().await?.as_ref().and_then(grpc_status))
}

fn grpc_status(headers: &HeaderMap) -> Option<String> {
    headers.get("grpc-status").map(|status| wire::clean(status.as_bytes(), 16))
}

const CALL: Duration = Duration::from_secs(5);
const METHOD: &str = "/grpc.health.v1.Health/Check";
/// Identifier (2) and value (4).
const SETTING_LEN: usize = 6;
const TRUE_BINARY: [u8; 2] = [0xfe, 0x03];
/// As much as a stream keeps of its beginning.
const KEPT: usize = 64;
const MAX_HEADERS: u32 = 8 * 1024;
