//! The test mail: sent only when somebody asks for it, and only after the
//! dialogue passed; on the same connection, so that the relay sees one visit.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::cause::{Cause, Phase, RouteCause, SmtpCause, TalkCause};
use crate::net::{Ask, Stream};
use crate::wire;

/// Who writes to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestMail {
    /// The recipient.
    pub to: String,
    /// The sender; bounces go there.
    pub from: String,
}

impl TestMail {
    /// The mail itself.
    ///
    /// # Errors
    ///
    /// [`RouteCause::LocalError`](crate::cause::RouteCause::LocalError) when an address is none.
    pub(super) fn message(&self) -> Result<Message, Cause> {
        let unwritable = |error: String| {
            Cause::Route(RouteCause::LocalError { action: "write the test mail".into(), error })
        };
        let mailbox = |address: &str| {
            let parsed = address.parse::<Mailbox>();
            parsed.map_err(|error| unwritable(format!("{}: {error}", wire::printable(address))))
        };
        // Nobody's out-of-office reply shall answer it (RFC 3834 §5).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(mailbox(&self.from)?)
            .to(mailbox(&self.to)?)
            .subject("preflight test mail")
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .body(format!("{TEXT}\r\n{}", FILLER.repeat(LINES)))
            .map_err(|error| unwritable(error.to_string()))
    }
}

/// Sends `message` over `stream`, which is past its EHLO, and leaves.
pub(super) async fn send(
    message: &Message,
    stream: Stream,
    name: &str,
    ask: &mut Ask,
) -> Result<(), Cause> {
    let wait = ask.deadline.within(MAIL);
    let to = ask.address();
    let client = ClientId::Domain(name.to_owned());
    let capped = Box::new(Capped::new(stream, to));
    let sending = async {
        let mut connection = AsyncSmtpConnection::connect_with_transport(capped, &client).await?;
        let accepted = connection.send(message.envelope(), &message.formatted()).await?;
        let _goodbye = connection.quit().await;
        Ok(accepted.message().collect::<Vec<_>>().join(" "))
    };
    match wait.bound(sending).await {
        Some(Ok(accepted)) => {
            let accepted = wire::clean(accepted.as_bytes(), MAX_TEXT);
            ask.seen.evidence.set("test_mail", format!("accepted: {accepted}"));
            Ok(())
        }
        Some(Err(error)) => Err(refused(&error)),
        None => {
            Err(Cause::Talk(TalkCause::Silent { to, phase: Phase::Reply, waited: wait.waited() }))
        }
    }
}

/// A refusal is the server's; anything else is no reply.
fn refused(error: &lettre::transport::smtp::Error) -> Cause {
    let text = wire::clean(error.to_string().as_bytes(), MAX_TEXT);
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let words = wire::clean(source.as_bytes(), MAX_TEXT);
    match error.status() {
        Some(code) => {
            let reply = u16::from(code);
            super::refusal::named(reply, &words).unwrap_or_else(|| {
                Cause::Smtp(if error.is_transient() {
                    SmtpCause::SmtpUnavailable { reply, text: words }
                } else {
                    SmtpCause::SmtpMailRefused { text: format!("{code} {words}") }
                })
            })
        }
        None if error.is_client() => Cause::Smtp(SmtpCause::SmtpMailRefused { text: words }),
        None => Cause::Talk(TalkCause::BadReply { expected: "an SMTP reply".into(), got: text }),
    }
}

/// The connection as lettre may see it: bounded, in ASCII, from its greeting on.
///
/// lettre reads a line without a bound and fails on bytes that are not UTF-8;
/// and it wants a greeting, which the dialogue before it has read.
struct Capped {
    /// In a mutex only because lettre's streams must be `Sync`; never locked.
    stream: Mutex<Stream>,
    peer: SocketAddr,
    greeting: &'static [u8],
    left: usize,
}

impl Capped {
    fn new(stream: Stream, peer: SocketAddr) -> Self {
        Self { stream: Mutex::new(stream), peer, greeting: GREETING, left: MAX_READ }
    }

    fn stream(&mut self) -> Pin<&mut Stream> {
        Pin::new(self.stream.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsyncTokioStream for Capped {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Capped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.left.min(into.remaining()).min(CHUNK);
        if room == 0 {
            return Poll::Ready(Err(io::Error::other("the replies do not end")));
        }
        if !self.greeting.is_empty() {
            let (now, later) = self.greeting.split_at_checked(room).unwrap_or((self.greeting, b""));
            into.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        let mut chunk = [0; CHUNK];
        let mut bounded = ReadBuf::new(chunk.get_mut(..room).unwrap_or_default());
        ready!(self.stream().poll_read(context, &mut bounded))?;
        let filled = bounded.filled_mut();
        filled.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        into.put_slice(filled);
        self.left -= filled.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Capped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

impl fmt::Debug for Capped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Capped ({} bytes left)", self.left)
    }
}

/// What its reader should know.
const TEXT: &str = "The machine that sent this can send mail. Nothing needs to be done.\r\n";
/// A link that loses large packets loses notifications, and would let a short mail through.
const FILLER: &str = "This line makes the mail as large as a notification.\r\n";
/// So many make it larger than a packet of Ethernet.
const LINES: usize = 32;
/// Content filters look at a mail before the relay says yes.
const MAIL: Duration = Duration::from_secs(15);
/// What lettre reads where the greeting was.
const GREETING: &[u8] = b"220 go on\r\n";
/// Five replies; none of them is long.
const MAX_READ: usize = 64 * 1024;
const CHUNK: usize = 2 * 1024;
const MAX_TEXT: usize = 200;
