//! `QDevice`: does the quorum server of the cluster answer?
//!
//! TCP 5403 by default. The client speaks first, in plain text: a PREINIT with a cluster's name, which
//! the server answers with what it thinks of TLS, and which joins nobody. The TLS that may follow
//! is the cluster's own (NSS, with certificates of its own authority) and is not tested.
//!
//! Reference: [corosync-qdevice](https://github.com/corosync/corosync-qdevice), `qdevices/msg.h` and
//! `qdevices/tlv.h`.

use std::io;
use std::time::Duration;

use crate::cause::instead_of;
use crate::cause::{Cause, Phase, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, FarStream, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Asks what the server thinks of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        self.converse(stream, rand::random(), &mut ask.seen).await
    }

    async fn converse(
        &self,
        mut stream: Stream,
        number: u32,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        stream.allow(REPLY);
        stream.asks("a PREINIT");
        let ours = message(PREINIT, &[(NUMBER, &number.to_be_bytes()), (CLUSTER, CLUSTER_NAME)]);
        let sent = stream.send(&ours).await;
        let heard = match read(&mut stream).await {
            Ok(heard) => heard,
            Err(cause) => {
                stream.draw_out(&cause).await;
                let instead = instead_of(EXPECTED, Spoken::Unknown, stream.head());
                return Err(instead.unwrap_or_else(|| sent.err().unwrap_or(cause)));
            }
        };
        stream.close().await;
        self.judge(&heard, number, seen)
    }

    /// Decides from the server's answer to the message with that number.
    fn judge(&self, heard: &QnetdAnswer, number: u32, seen: &mut Seen) -> Result<(), Cause> {
        if let Some(error) = heard.error {
            let text = format!("error {error}");
            return Err(Cause::Talk(TalkCause::BadReply { expected: A_REPLY.into(), got: text }));
        }
        if heard.number != Some(number) {
            let text = "an answer to another question".to_owned();
            return Err(Cause::Talk(TalkCause::BadReply { expected: A_REPLY.into(), got: text }));
        }
        let tls = match heard.tls {
            Some(0) => "without TLS",
            Some(1) => "TLS possible and not tested",
            Some(2) => "TLS required and not tested",
            _ => "TLS unknown",
        };
        seen.evidence.set("tls", tls);
        seen.evidence.set("client_certificate_wanted", heard.wants_certificate == Some(1));
        seen.headline = format!("the quorum server answers, {tls}");
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "qnetd",
    title: "QDevice",
    expected: EXPECTED,
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 5403,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(10),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Qnetd(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Answers a PREINIT as a server without TLS does.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let head = stream.exactly(HEAD).await?;
    let length = head.get(2..).map(wire::length).filter(|length| *length <= LONGEST);
    let Some(length) = length.filter(|_| head.starts_with(&PREINIT.to_be_bytes())) else {
        return Err(io::Error::other("no PREINIT"));
    };
    let body = stream.exactly(length).await?;
    let number = options(&body).map_err(io::Error::other)?.number.unwrap_or_default();
    let answer = message(
        PREINIT_REPLY,
        &[(NUMBER, &number.to_be_bytes()), (TLS_SUPPORTED, &[0]), (CERTIFICATE_WANTED, &[1])],
    );
    stream.send(&answer).await?;
    stream.until_closed().await
}

/// What an answer holds of what this probe looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct QnetdAnswer {
    number: Option<u32>,
    /// 0 no, 1 yes, 2 required.
    tls: Option<u8>,
    wants_certificate: Option<u8>,
    /// The server's number for what it does not like.
    error: Option<u16>,
}

async fn read(stream: &mut Stream) -> Result<QnetdAnswer, Cause> {
    let head = stream.exactly(Phase::Reply, HEAD).await?;
    let mut reader = Reader::new(&head, A_REPLY);
    let (kind, length) = (reader.u16()?, wire::length(reader.rest()));
    if !matches!(kind, PREINIT_REPLY | SERVER_ERROR) || length > LONGEST {
        return Err(Cause::bad_reply(A_REPLY, stream.head()));
    }
    let body = stream.exactly(Phase::Reply, length).await?;
    let told = options(&body)?;
    if kind == SERVER_ERROR && told.error.is_none() {
        return Err(Cause::bad_reply(A_REPLY, &body));
    }
    Ok(told)
}

/// Type, length and value, again and again; types that are not known are skipped.
fn options(body: &[u8]) -> Result<QnetdAnswer, Cause> {
    let mut heard = QnetdAnswer::default();
    let mut reader = Reader::new(body, A_REPLY);
    while !reader.is_empty() {
        let (kind, length) = (reader.u16()?, reader.u16()?);
        let mut value = reader.nested(usize::from(length))?;
        match kind {
            NUMBER => heard.number = Some(value.u32()?),
            TLS_SUPPORTED => heard.tls = Some(value.u8()?),
            CERTIFICATE_WANTED => heard.wants_certificate = Some(value.u8()?),
            ERROR_CODE => heard.error = Some(value.u16()?),
            _ => {}
        }
    }
    Ok(heard)
}

fn message(kind: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (option, value) in options {
        body.extend(option.to_be_bytes());
        body.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        body.extend_from_slice(value);
    }
    let mut message = kind.to_be_bytes().to_vec();
    message.extend(u32::try_from(body.len()).unwrap_or_default().to_be_bytes());
    message.extend(body);
    message
}

const EXPECTED: &str = "a quorum server (corosync-qnetd)";
const A_REPLY: &str = "corosync-qnetd's answer to PREINIT";
/// Types of messages.
const PREINIT: u16 = 0;
const PREINIT_REPLY: u16 = 1;
const SERVER_ERROR: u16 = 5;
/// Types of options.
const NUMBER: u16 = 0;
const CLUSTER: u16 = 1;
const TLS_SUPPORTED: u16 = 2;
const CERTIFICATE_WANTED: u16 = 3;
const ERROR_CODE: u16 = 6;
/// No cluster's: the server looks at it after INIT only.
const CLUSTER_NAME: &[u8] = b"preflight";
const HEAD: usize = 6;
/// The answer has 18 bytes.
const LONGEST: usize = 1024;
const REPLY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{damaged, ends, last_words};
    use proptest::prelude::*;

    /// What corosync-qnetd 3.0.2 answered over loopback, without TLS.
    const REAL: &[u8] = b"\0\x01\0\0\0\x12\0\0\0\x04\0\0\0\x01\0\x02\0\x01\0\0\x03\0\x01\x01";

    async fn heard(words: &[u8]) -> (Result<(), Cause>, Seen) {
        let mut seen = Seen::default();
        let stream = last_words(words).await;
        (Probe::default().converse(stream, 1, &mut seen).await, seen)
    }

    #[tokio::test]
    async fn the_real_servers_answer_passes_and_says_what_was_not_tested() {
        let (verdict, seen) = heard(REAL).await;
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, "the quorum server answers, without TLS");
        let mut with_tls = REAL.to_vec();
        with_tls[18] = 2;
        let (_, seen) = heard(&with_tls).await;
        assert!(seen.headline.ends_with("TLS required and not tested"), "{}", seen.headline);
    }

    #[tokio::test]
    async fn an_error_and_an_answer_to_somebody_else_fail() {
        let mut other = REAL.to_vec();
        other[13] = 2;
        for words in [other, message(SERVER_ERROR, &[(ERROR_CODE, &[0, 9])])] {
            let (verdict, _) = heard(&words).await;
            assert_eq!(verdict.unwrap_err().code(), "bad-reply");
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_reader_or_judge(words in damaged(REAL)) {
            let mut seen = Seen::default();
            let probe = Probe::default();
            let passed = ends(&words, async |stream| probe.converse(stream, 1, &mut seen).await);
            prop_assert!(passed.is_err() || !seen.headline.is_empty());
        }
    }
}
