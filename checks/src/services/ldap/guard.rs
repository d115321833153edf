//! The guard: ldap3 speaks over a socket pair whose other end we hold.
//!
//! Nothing of the peer reaches ldap3 before it is a whole message, bounded in
//! size and depth, of the shape its question must be answered with: unguarded,
//! a peer can overflow ldap3's stack, fill the memory, or make it panic.

use std::any::Any;
use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, StdStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::ber::{BerHeader, Tag};
use super::message::LdapQuestion;
use crate::cause::instead_of;
use crate::cause::{Cause, OwnCause, Phase, RouteCause, TalkCause};
use crate::net::Stream;
use crate::recognise::Spoken;
use crate::wire;

/// Lets `talk` ask the peer of `stream` through ldap3.
///
/// The conversation ends without an unbind: `stream` can go on.
///
/// # Errors
///
/// What the guard saw wrong with the peer; else what ldap3 made of it.
pub(super) async fn guarded<T, F>(
    stream: &mut Stream,
    talk: impl FnOnce(Ldap) -> F,
) -> Result<T, Cause>
where
    F: Future<Output = Result<T, LdapError>>,
{
    let (ours, theirs) = pair().map_err(|error| {
        Cause::Route(RouteCause::LocalError {
            action: "open a socket pair".into(),
            error: error.to_string(),
        })
    })?;
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
    let asking = async {
        let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///").await?;
        // The driver ends when `talk` drops its handle.
        let (_ended, said) = tokio::join!(driver.drive(), talk(ldap));
        said
    };
    tokio::select! {
        // What the guard saw explains what ldap3 says about it.
        biased;
        Err(cause) = relay(stream, ours) => Err(cause),
        asked = AssertUnwindSafe(asking).catch_unwind() => match asked {
            Ok(said) => said.map_err(|error| {
                let got = wire::clean(error.to_string().as_bytes(), 200);
                Cause::Talk(TalkCause::BadReply { expected: "an LDAP answer".into(), got })
            }),
            Err(panic) => Err(Cause::Own(OwnCause::ProbePanicked { message: words(&*panic) })),
        },
    }
}

/// Carries questions to the peer and its answers back, until ldap3 hangs up.
async fn relay(far: &mut Stream, mut near: UnixStream) -> Result<(), Cause> {
    while let Some(request) = request(&mut near).await {
        let question = LdapQuestion::of(&request)?;
        far.send(&request).await?;
        let mut carried = 0;
        let mut is_last = !question.is_answered();
        while !is_last {
            let reply = message(far).await?;
            is_last = question.accepts(&reply)?;
            carried += reply.len();
            if carried > MAX_ANSWER {
                let head = wire::head(&reply);
                return Err(Cause::Talk(TalkCause::Endless {
                    phase: Phase::Reply,
                    limit: MAX_ANSWER,
                    head,
                }));
            }
            if near.write_all(&reply).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The peer's next whole message.
///
/// # Errors
///
/// When it is no LDAP, larger than a root DSE can be, or not whole in time.
pub(super) async fn message(far: &mut Stream) -> Result<Vec<u8>, Cause> {
    loop {
        if let Some(header) = announced(far.unread()).map_err(|cause| named(cause, far))? {
            return far.exactly(Phase::Reply, header.length + header.content).await;
        }
        far.fill(Phase::Reply).await?;
    }
}

/// The header of the message `unread` begins with, if it is all there.
fn announced(unread: &[u8]) -> Result<Option<BerHeader>, Cause> {
    let not_ldap = || Cause::bad_reply("an LDAP message", unread);
    if unread.first().is_some_and(|&first| Tag(first) != Tag::SEQUENCE) {
        return Err(not_ldap());
    }
    match BerHeader::decode(unread) {
        Ok(Some(BerHeader { content, .. })) if content > MAX_MESSAGE => {
            Err(Cause::Talk(TalkCause::BadReply {
                expected: "an LDAP message of at most 256 kB".into(),
                got: format!("one of {content} bytes announced"),
            }))
        }
        Ok(header) => Ok(header),
        Err(_) => Err(not_ldap()),
    }
}

/// `cause`, or what answers here instead of LDAP.
fn named(cause: Cause, far: &Stream) -> Cause {
    instead_of("LDAP", Spoken::Ldap, far.head()).unwrap_or(cause)
}

/// The next whole request of ldap3; `None` when it has hung up.
async fn request(near: &mut UnixStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Ok(Some(header)) = BerHeader::decode(&bytes)
            && bytes.len() >= header.length + header.content
        {
            return Some(bytes);
        }
        if near.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn pair() -> io::Result<(UnixStream, StdUnixStream)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    wire::clean(text.unwrap_or("ldap3 panicked").as_bytes(), 200)
}

/// A root DSE is a few kilobytes; a directory with many controls has thirty.
const MAX_MESSAGE: usize = 256 * 1024;
/// All messages of one answer together.
const MAX_ANSWER: usize = 512 * 1024;
