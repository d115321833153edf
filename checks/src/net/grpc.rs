//! gRPC: one call over HTTP/2, and how it ends.
//!
//! Reference: [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, HeaderValue, Request};

use super::{Ask, FarStream, Stream};
use crate::cause::{Cause, Phase, TalkCause};
use crate::reader::Reader;
use crate::wire;

/// A call with an empty message.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `/package.Service/Method`
    pub(crate) method: &'static str,
    /// The value of `authorization`.
    pub(crate) authorization: Option<HeaderValue>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GrpcStatus {
    /// Its number: 0 is OK.
    pub(crate) code: String,
    /// The server's words, escaped.
    pub(crate) message: String,
}

impl Call {
    /// A method that no server has: it is answered with a status and leaves no line in a log.
    pub(crate) const NOBODYS: Self =
        Self { method: "/grpc.health.v1.Health/Check", authorization: None };
}

/// Does a conversation begin with a whole SETTINGS frame of gRPC's own library?
///
/// Setting 0xfe03 is its private one: other HTTP/2 servers do not send it.
pub(crate) fn is_settings(head: &[u8]) -> bool {
    settings(head).is_some_and(|(_, settings)| {
        settings.chunks_exact(SETTING_LEN).any(|setting| setting.starts_with(&TRUE_BINARY))
    })
}

/// Has such a frame begun and not ended, with room left in the head?
pub(crate) fn is_settings_begun(head: &[u8]) -> bool {
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

/// The status of `call` over `stream`, a new connection to the peer of `ask`.
///
/// # Errors
///
/// [`Cause::Talk(TalkCause::Silent)`] without an answer in time, [`Cause::Talk(TalkCause::BadReply)`] for one that is not gRPC's.
pub(crate) async fn status(stream: Stream, ask: &Ask, call: Call) -> Result<GrpcStatus, Cause> {
    let to = ask.address();
    stream.asks("a gRPC call");
    let wait = ask.deadline.within(CALL);
    match wait.bound(exchange(stream, to.to_string(), call)).await {
        None => {
            Err(Cause::Talk(TalkCause::Silent { to, phase: Phase::Reply, waited: wait.waited() }))
        }
        Some(Err(error)) => Err(bad(wire::printable(&error.to_string()))),
        Some(Ok(status)) => status.ok_or_else(|| bad("an answer without one".to_owned())),
    }
}

/// The far side: a server of gRPC that has no method, and says so.
///
/// Like gRPC's own library it greets whoever connects with its settings, also who speaks another
/// protocol.
///
/// # Errors
///
/// How the conversation broke.
pub(crate) async fn serve(mut stream: FarStream) -> io::Result<()> {
    let first = PREFACE.get(..3).unwrap_or_default();
    if stream.peek(first.len()).await? != first {
        stream.send(SETTINGS).await?;
        return stream.until_closed().await;
    }
    let mut server =
        h2::server::handshake(stream.into_whole_io()).await.map_err(io::Error::other)?;
    while let Some(call) = server.accept().await {
        let (_call, mut reply) = call.map_err(io::Error::other)?;
        let head = http::Response::builder()
            .header(http::header::CONTENT_TYPE, "application/grpc")
            .header("grpc-status", UNIMPLEMENTED)
            .body(())
            .map_err(io::Error::other)?;
        reply.send_response(head, true).map_err(io::Error::other)?;
    }
    Ok(())
}

/// What a server says to the beginning of HTTP/2, byte for byte.
///
/// # Errors
///
/// How the connection ended, where nothing came.
pub(crate) async fn first_bytes(mut stream: Stream) -> Result<Vec<u8>, Cause> {
    stream.allow(CALL);
    let sent = stream.send(PREFACE).await;
    let filled = stream.fill(Phase::Greeting).await;
    let head = stream.head().to_vec();
    stream.close().await;
    match filled {
        Ok(_) => Ok(head),
        Err(cause) => Err(sent.err().unwrap_or(cause)),
    }
}

fn bad(got: String) -> Cause {
    Cause::Talk(TalkCause::BadReply { expected: "a gRPC status".into(), got })
}

/// Connection and call take turns here: nothing runs on after the answer.
async fn exchange(
    stream: Stream,
    authority: String,
    call: Call,
) -> Result<Option<GrpcStatus>, h2::Error> {
    let (sender, connection) = Builder::new()
        .enable_push(false)
        .max_header_list_size(MAX_HEADERS)
        .handshake::<_, Bytes>(stream)
        .await?;
    let mut connection = pin!(connection);
    let status = tokio::select! {
        status = answer(sender, authority, call) => status,
        ended = &mut connection => return ended.map(|()| None),
    };
    // Nothing is left to say: the connection ends with GOAWAY and a FIN.
    let _goodbye = connection.await;
    status
}

async fn answer(
    sender: SendRequest<Bytes>,
    authority: String,
    call: Call,
) -> Result<Option<GrpcStatus>, h2::Error> {
    let mut sender = sender.ready().await?;
    let mut request = Request::post(format!("http://{authority}{}", call.method))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(authorization) = call.authorization {
        request = request.header(http::header::AUTHORIZATION, authorization);
    }
    let Ok(request) = request.body(()) else { return Ok(None) };
    let (response, mut body) = sender.send_request(request, false)?;
    // An empty message: not compressed, of length 0.
    body.send_data(Bytes::from_static(&[0; 5]), true)?;
    let response = response.await?;
    if let Some(status) = status_in(response.headers()) {
        return Ok(Some(status));
    }
    let mut body = response.into_body();
    let mut unread = MAX_BODY;
    // The trailers come behind the answer itself.
    while let Some(chunk) = body.data().await {
        let length = chunk?.len();
        let _best_effort = body.flow_control().release_capacity(length);
        unread = match unread.checked_sub(length) {
            Some(left) => left,
            None => return Ok(None),
        };
    }
    Ok(body.trailers().await?.as_ref().and_then(status_in))
}

fn status_in(headers: &HeaderMap) -> Option<GrpcStatus> {
    let clean = |value: &HeaderValue, most| wire::clean(value.as_bytes(), most);
    let message = headers.get("grpc-message").map(|text| clean(text, MAX_MESSAGE));
    let code = headers.get("grpc-status").map(|code| clean(code, 16))?;
    Some(GrpcStatus { code, message: message.unwrap_or_default() })
}

/// How gRPC is asked for inside TLS.
pub(crate) const ALPN: &str = "h2";
/// No such method.
const UNIMPLEMENTED: &str = "12";
/// A SETTINGS frame of gRPC's own library: windows, frame and header sizes, and its private one.
const SETTINGS: &[u8] = b"\0\0\x18\x04\0\0\0\0\0\
    \0\x04\0\x3f\xff\xff\0\x05\0\x3f\xff\xff\0\x06\0\0\x20\0\xfe\x03\0\0\0\x01";
const CALL: Duration = Duration::from_secs(5);
/// The preface of RFC 9113 §3.4, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Identifier (2) and value (4).
const SETTING_LEN: usize = 6;
const TRUE_BINARY: [u8; 2] = [0xfe, 0x03];
/// As much as a stream keeps of its beginning.
const KEPT: usize = 64;
const MAX_HEADERS: u32 = 8 * 1024;
/// The answer to an empty question is small.
const MAX_BODY: usize = 64 * 1024;
/// What is kept of the server's words.
const MAX_MESSAGE: usize = 200;
