//! Who hangs up or stays silent? Asked after a connection that ended without a word.
//!
//! Some servers wait for their client and drop what is not their protocol. Each
//! of these is addressed once in its own first words, on a connection of its
//! own; whoever answers is named. A web server that refuses what it hears may want
//! TLS, and is offered it. Nothing here changes a pass.

use std::time::Duration;

use tokio::time::Instant;

use futures_util::stream::{self, StreamExt};

use crate::cause::{BbdoCause, Cause, Phase, SmtpCause, TalkCause, TlsCause, WebCause};
use crate::net::tls::hello::{self, FirstAnswer, Repertoire};
use crate::net::{Ask, Deadline, Peer, Trust};
use crate::recognise::{Spoken, recognise};
use crate::tls::openvpn;
use crate::{Service, bbdo, ldap, nrpe, postgresql, wire};

/// What answers instead of `service`, when `failure` left that open.
///
/// `None` when the failure says enough, or nobody takes up our words.
pub async fn identify(
    service: &Service,
    peer: &Peer,
    failure: &Cause,
    deadline: Deadline,
) -> Option<Cause> {
    if let Cause::Web(WebCause::ProxyUnreachable { proxy, because, .. }) = failure {
        let because = Box::new(instead_of_proxy(peer, because, deadline).await?);
        return Some(Cause::Web(WebCause::ProxyUnreachable { proxy: proxy.clone(), because }));
    }
    if let Cause::Bbdo(BbdoCause::BbdoTls { .. }) | Cause::Tls(TlsCause::TlsUnexpected { .. }) =
        failure
    {
        let found = in_tls(peer, service.expected, deadline).await;
        return found.filter(|found| matches!(found, Cause::Talk(TalkCause::WrongService { .. })));
    }
    // That may be the service itself, which would count these visits too.
    if service.counts_visits() && matches!(failure, Cause::Talk(TalkCause::Reset { .. })) {
        return None;
    }
    // A mute broker may only be busy, and strangers' words would stall it.
    let may_be_busy =
        service.name == "bbdo" && matches!(failure, Cause::Talk(TalkCause::Silent { .. }));
    let is_wordless = is_wordless(failure) && !may_be_busy;
    let wants_header = Cause::Talk(TalkCause::ProxyHeaderWanted { to: peer.address });
    if !service.tls && (is_wordless || may_want_tls(failure)) {
        // Both at once: a silence has taken its time already.
        let waits_for_header = async {
            let is_mute = is_wordless && !is_hang_up(failure);
            is_mute && speaks_first(service) && wants_proxy_header(service, peer, deadline).await
        };
        let in_tls = in_tls(peer, service.expected, deadline);
        let (found, waits_for_header) = tokio::join!(in_tls, waits_for_header);
        if found.is_some() {
            return found;
        }
        if waits_for_header {
            return Some(wants_header);
        }
    }
    if !is_wordless {
        return None;
    }
    if is_hang_up(failure) {
        if unasked(peer, deadline.within(UNASKED)).await == Unasked::Closes {
            return Some(Cause::Talk(TalkCause::ClosedUnasked { to: peer.address }));
        }
        if wants_proxy_header(service, peer, deadline).await {
            return Some(wants_header);
        }
    }
    let others = OPENERS.iter().filter(|opener| opener.spoken != service.spoken);
    let asked: Vec<_> =
        others.map(|opener| answers(opener, peer, service.expected, deadline)).collect();
    let mut asked = std::pin::pin!(stream::iter(asked).buffered(AT_ONCE));
    while let Some(found) = asked.next().await {
        if found.is_some() {
            return found;
        }
    }
    // Nothing was said to it before it closed, and nobody else takes up a word.
    let is_unsaid = matches!(
        failure,
        Cause::Talk(TalkCause::HungUp { phase: Phase::Greeting, received: 0, .. })
    );
    // A peer of ZeroMQ has been sent our half of the greeting.
    (is_unsaid && speaks_first(service) && service.spoken != Spoken::Zmtp)
        .then_some(Cause::Talk(TalkCause::ClosedUnasked { to: peer.address }))
}

/// The cause when a peer that hung up on our words, so long after they were said, does so on nobody's words too.
///
/// A load balancer tries its dead server for some seconds before it closes. A broker is not visited in silence: it
/// attends to one newcomer at a time.
pub(crate) async fn closes_on_everybody(
    service: &Service,
    peer: &Peer,
    failure: &Cause,
    took: Duration,
    deadline: Deadline,
) -> Option<Cause> {
    let is_worth_it = is_hang_up(failure)
        && !service.counts_visits()
        && service.name != "bbdo"
        && (UNASKED..=PATIENT).contains(&took);
    if !is_worth_it {
        return None;
    }
    let begun = Instant::now();
    let wait = deadline.within(took.mul_f64(1.5) + UNASKED);
    let closes = unasked(peer, wait).await == Unasked::Closes;
    (closes && begun.elapsed() >= took.mul_f64(0.5))
        .then_some(Cause::Talk(TalkCause::ClosedUnasked { to: peer.address }))
}

/// What listens where a proxy should, when it does not speak HTTP in plain text.
async fn instead_of_proxy(peer: &Peer, failure: &Cause, deadline: Deadline) -> Option<Cause> {
    if !is_wordless(failure) {
        return None;
    }
    match answers(&SOCKS, peer, PROXY, deadline).await {
        Some(found) => Some(found),
        None => in_tls(peer, PROXY, deadline).await,
    }
}

/// What a peer does on a connection on which nothing was said.
#[derive(PartialEq)]
enum Unasked {
    /// It was not our words that it did not like: no protocol's would be answered.
    Closes,
    Greets,
    /// It waits for the first word.
    Waits,
    /// It cannot be reached now, or the connection was reset, which a device on the way may have done.
    Untold,
}

/// One visit without a word.
async fn unasked(peer: &Peer, deadline: Deadline) -> Unasked {
    let mut ask = Ask::new(peer.clone(), deadline, Trust::only([]));
    let Ok(mut stream) = ask.connect().await else { return Unasked::Untold };
    let gone = stream.fill(Phase::Greeting).await;
    if !stream.head().is_empty() {
        stream.close().await;
        return Unasked::Greets;
    }
    match gone {
        Err(Cause::Talk(TalkCause::HungUp { .. })) => Unasked::Closes,
        Err(Cause::Talk(TalkCause::Silent { .. })) => {
            stream.close().await;
            Unasked::Waits
        }
        _ => Unasked::Untold,
    }
}

/// Does it answer as `service` does once a PROXY header stands before the question? Without one it
/// closes, or waits for it.
async fn wants_proxy_header(service: &Service, peer: &Peer, deadline: Deadline) -> bool {
    let words = match service.spoken {
        _ if speaks_first(service) => Vec::new(),
        Spoken::Http => HTTP_REQUEST.to_vec(),
        Spoken::Tls => Vec::new(),
        other => match OPENERS.iter().find(|opener| opener.spoken == other) {
            Some(opener) => (opener.words)(),
            None => return false,
        },
    };
    // What greets without such a header, at least sometimes, does not wait for one; nor is it the peer's wish where
    // connections are reset.
    let waits = async |within| {
        matches!(unasked(peer, deadline.within(within)).await, Unasked::Waits | Unasked::Closes)
    };
    if speaks_first(service) && !waits(UNASKED).await {
        return false;
    }
    let mut ask = Ask::new(peer.clone(), deadline.within(ANSWER), Trust::only([]));
    let Ok(mut stream) = ask.connect().await else { return false };
    if stream.send(&[PROXY_HEADER, &words].concat()).await.is_err() {
        return false;
    }
    if service.spoken == Spoken::Tls {
        let answer = hello::ask(stream, &peer.host, Repertoire::Everything).await;
        return matches!(answer, Ok(FirstAnswer::Agreed(_)));
    }
    let has_answer = stream.fill(Phase::Reply).await.is_ok();
    let answer = stream.head().to_vec();
    stream.close().await;
    // A web server that knows nothing of such headers answers 400.
    if !has_answer || recognise(&answer) != service.spoken || is_bad_request(&answer) {
        return false;
    }
    // Who greets as well when given as long without a header was only slow at the first time.
    !speaks_first(service) || waits(ANSWER).await
}

/// The cause when a server answers `opener` as its protocol does.
async fn answers(
    opener: &Opener,
    peer: &Peer,
    expected: &'static str,
    deadline: Deadline,
) -> Option<Cause> {
    let mut ask = Ask::new(peer.clone(), deadline.within(ANSWER), Trust::only([]));
    let words = (opener.words)();
    let head = first_words(&mut ask, opener, &words).await.unwrap_or_default();
    let spoken = match recognise(&head) {
        _ if head.starts_with(&words) => Spoken::Echo,
        _ if (opener.hears)(&head) => opener.spoken,
        // They say who they are to whatever is no command of theirs.
        other @ (Spoken::Memcached
        | Spoken::Beanstalkd
        | Spoken::Gearman
        | Spoken::Amqp
        | Spoken::Rsync
        | Spoken::Vnc
        | Spoken::Telnet) => other,
        _ => return None,
    };
    let head = wire::head(&head);
    Some(Cause::Talk(TalkCause::WrongService { expected: expected.into(), spoken, head }))
}

/// The cause when a server answers the first message of TLS, with whatever suite.
///
/// One without any certificate is NRPE as distributions ship it.
async fn in_tls(peer: &Peer, expected: &'static str, deadline: Deadline) -> Option<Cause> {
    let mut ask = Ask::new(peer.clone(), deadline.within(TLS_ANSWER), Trust::only([]));
    let stream = ask.connect().await.ok()?;
    match hello::ask(stream, &peer.host, Repertoire::Everything).await.ok()? {
        FirstAnswer::Agreed(agreement) if agreement.is_anonymous() => {
            Some(Cause::Talk(TalkCause::WrongService {
                expected: expected.into(),
                spoken: Spoken::Nrpe,
                head: agreement.to_string(),
            }))
        }
        FirstAnswer::Agreed(_) | FirstAnswer::Alert(_) => {
            Some(Cause::Tls(TlsCause::TlsUnexpected { expected: expected.into() }))
        }
    }
}

/// Accepted, and then closed without a byte.
fn is_hang_up(failure: &Cause) -> bool {
    is_wordless(failure)
        && !matches!(
            failure,
            Cause::Talk(TalkCause::Silent { .. }) | Cause::Smtp(SmtpCause::SmtpGreetingLate { .. })
        )
}

/// Accepted, and then not a byte.
fn is_wordless(failure: &Cause) -> bool {
    matches!(
        failure,
        Cause::Talk(
            TalkCause::Silent { .. }
                | TalkCause::HungUp { received: 0, .. }
                | TalkCause::Reset { received: 0, .. }
        ) | Cause::Smtp(SmtpCause::SmtpGreetingLate { .. })
            | Cause::Tls(TlsCause::TlsClosed { .. })
    )
}

/// A web server's refusal of what it did not understand: nginx says so in HTTP on its TLS port.
fn may_want_tls(failure: &Cause) -> bool {
    matches!(
        failure,
        Cause::Talk(TalkCause::WrongService { spoken: Spoken::Http, .. })
            | Cause::Web(WebCause::HttpStatus { status: 400 })
    )
}

/// Does its server speak before its client does?
fn speaks_first(service: &Service) -> bool {
    matches!(service.spoken, Spoken::Ssh | Spoken::Smtp | Spoken::Mysql | Spoken::Zmtp)
}

/// Does a web server refuse the very first line?
fn is_bad_request(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let refuses = |status: &[u8]| line.windows(5).any(|part| part == status);
    [b" 400 ", b" 405 ", b" 501 "].iter().any(|status| refuses(*status))
}

async fn first_words(ask: &mut Ask, opener: &Opener, words: &[u8]) -> Result<Vec<u8>, Cause> {
    let mut stream = ask.connect().await?;
    stream.send(words).await?;
    stream.fill(Phase::Reply).await?;
    let head = stream.head().to_vec();
    if (opener.hears)(&head) {
        stream.send(&(opener.goodbye)()).await?;
    }
    stream.close().await;
    Ok(head)
}

/// How a client of a protocol begins and leaves.
struct Opener {
    /// What it speaks; services that speak it have asked that already.
    spoken: Spoken,
    words: fn() -> Vec<u8>,
    goodbye: fn() -> Vec<u8>,
    /// Is that how a server of the protocol answers those words?
    hears: fn(&[u8]) -> bool,
}

const OPENERS: [Opener; 9] = [
    Opener {
        spoken: Spoken::Ldap,
        words: || ROOT_DSE.to_vec(),
        goodbye: ldap::goodbye,
        hears: |head| recognise(head) == Spoken::Ldap,
    },
    Opener {
        spoken: Spoken::Bbdo,
        words: bbdo::first_words,
        goodbye: Vec::new,
        hears: |head| recognise(head) == Spoken::Bbdo,
    },
    Opener {
        spoken: Spoken::Nrpe,
        words: nrpe::first_words,
        goodbye: Vec::new,
        hears: |head| recognise(head) == Spoken::Nrpe,
    },
    Opener {
        spoken: Spoken::Openvpn,
        words: || openvpn::hello([0x80; 8]),
        goodbye: Vec::new,
        hears: |head| recognise(head) == Spoken::Openvpn,
    },
    Opener {
        spoken: Spoken::Postgresql,
        words: || postgresql::SSL_REQUEST.to_vec(),
        goodbye: Vec::new,
        // One byte, and a server that is full or starting answers with an error.
        hears: |head| matches!(head, b"S" | b"N") || recognise(head) == Spoken::Postgresql,
    },
    Opener {
        spoken: Spoken::Redis,
        words: || b"PING\r\n".to_vec(),
        goodbye: Vec::new,
        hears: |head| recognise(head) == Spoken::Redis,
    },
    Opener {
        spoken: Spoken::Mqtt,
        words: || MQTT_CONNECT.to_vec(),
        goodbye: || MQTT_DISCONNECT.to_vec(),
        hears: |head| recognise(head) == Spoken::Mqtt,
    },
    Opener {
        spoken: Spoken::Smb,
        words: smb_negotiation,
        goodbye: Vec::new,
        hears: |head| recognise(head) == Spoken::Smb,
    },
    Opener {
        spoken: Spoken::Dns,
        words: || DNS_QUESTION.to_vec(),
        goodbye: Vec::new,
        // The same id, and the bit of a response (RFC 1035 §4.1.1, §4.2.2).
        hears: |head| matches!(head, [_, _, b'p', b'f', flags, ..] if flags & 0x80 != 0),
    },
];

/// RFC 1928 §3: version 5, one method, no authentication.
const SOCKS: Opener = Opener {
    spoken: Spoken::Socks,
    words: || vec![5, 1, 0],
    goodbye: Vec::new,
    hears: |head| recognise(head) == Spoken::Socks,
};

/// `SMB2 NEGOTIATE` for the dialects 2.0.2 and 2.1, behind its length ([MS-SMB2] §2.2.1.2, §2.2.3).
fn smb_negotiation() -> Vec<u8> {
    const HEADER: usize = 64;
    const BODY: usize = 40;
    let mut packet = vec![0; 4 + HEADER + BODY];
    let mut put = |at: usize, bytes: &[u8]| {
        for (slot, byte) in packet.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    };
    put(3, &[104]);
    put(4, b"\xfeSMB\x40\0");
    // One credit is asked for.
    put(18, &[1]);
    // The body's size as the protocol counts it, two dialects, signing is offered.
    put(4 + HEADER, &[36, 0, 2, 0, 1, 0]);
    put(4 + HEADER + 36, &[0x02, 0x02, 0x10, 0x02]);
    packet
}

/// `CONNECT` of MQTT 3.1.1: a new session, without a name of ours, a user or a will (§3.1 of that standard).
const MQTT_CONNECT: &[u8] = b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0";
const MQTT_DISCONNECT: &[u8] = b"\xe0\0";

const PROXY: &str = "an HTTP proxy";

/// Version 1 of `HAProxy`'s header, from whoever does not say for whom it asks (haproxy/doc/proxy-protocol.txt,
/// section 2.1).
const PROXY_HEADER: &[u8] = b"PROXY UNKNOWN\r\n";
const HTTP_REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
/// Who serves the root zone? Without the wish for recursion every server answers at once.
const DNS_QUESTION: &[u8] = b"\0\x11pf\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
/// Openers that are tried at the same time: more would look like a scan to a small server.
const AT_ONCE: usize = 4;
/// A server answers its own first words at once.
const ANSWER: Duration = Duration::from_secs(1);
/// Whoever has nothing behind it closes as soon as it has accepted.
const UNASKED: Duration = Duration::from_millis(400);
/// Longest time after which a hang-up is compared with one on a visitor without a word.
const PATIENT: Duration = Duration::from_millis(4_500);
/// NRPE makes its parameters first.
const TLS_ANSWER: Duration = Duration::from_secs(2);
/// Search of the root DSE, for no attribute in particular (RFC 4511 §4.5).
const ROOT_DSE: &[u8] = b"\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\
    \x02\x01\x01\x02\x01\x05\x01\x01\x00\x87\x0bobjectClass\x30\x00";

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::cause::PortCause;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn silent(to: SocketAddr) -> Cause {
        let waited = crate::Millis(Duration::from_secs(2));
        Cause::Talk(TalkCause::Silent { to, phase: Phase::Greeting, waited })
    }

    #[test]
    fn our_words_are_recognised_as_what_they_are() {
        assert_eq!(recognise(ROOT_DSE), Spoken::Ldap);
        assert_eq!(recognise(&bbdo::first_words()), Spoken::Bbdo);
    }

    /// Serves the responder half of `service` and asks who it is, as if it were SSH.
    async fn identified(service: &'static Service) -> Option<Cause> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let crate::Respond::Stream(serve) = service.respond else { panic!("a stream") };
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let far = crate::FarStream::new(Box::new(connection), None);
                tokio::spawn(serve(far));
            }
        });
        let deadline = Deadline::after(Duration::from_secs(9));
        identify(&crate::ssh::SERVICE, &Peer::from(to), &silent(to), deadline).await
    }

    #[tokio::test]
    async fn a_directory_and_a_broker_are_named_by_their_answers() {
        for (service, named) in
            [(&crate::ldap::SERVICE, Spoken::Ldap), (&crate::bbdo::SERVICE, Spoken::Bbdo)]
        {
            let Some(Cause::Talk(TalkCause::WrongService {
                expected: Cow::Borrowed("SSH"),
                spoken,
                ..
            })) = identified(service).await
            else {
                panic!("{} is not named", service.name)
            };
            assert_eq!(spoken, named);
        }
    }

    #[tokio::test]
    async fn a_daemon_that_checks_the_sum_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut query = vec![0; nrpe::first_words().len()];
                    let heard = connection.read_exact(&mut query).await;
                    if heard.is_ok() && query == nrpe::first_words() {
                        let mut answer = query;
                        answer[3] = 2;
                        connection.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
        let deadline = Deadline::after(Duration::from_secs(9));
        let cause = identify(&crate::zmtp::SERVICE, &Peer::from(to), &silent(to), deadline).await;
        let Some(Cause::Talk(TalkCause::WrongService { spoken: Spoken::Nrpe, .. })) = cause else {
            panic!("{cause:?}")
        };
    }

    /// Answers every connection with `words`, once it has heard something.
    async fn speaker(words: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let _heard = connection.read(&mut [0; 4096]).await;
                let _gone = connection.write_all(words).await;
            }
        });
        to
    }

    #[tokio::test]
    async fn who_waits_for_the_first_words_of_its_own_protocol_is_named() {
        let is_of = |packet: &[u8], spoken| recognise(packet) == spoken;
        assert!(is_of(&smb_negotiation(), Spoken::Smb));
        for (first, reply, named) in [
            (&postgresql::SSL_REQUEST[..], &b"S"[..], Spoken::Postgresql),
            (b"PING\r\n", b"-NOAUTH Authentication required.\r\n", Spoken::Redis),
            (b"\0\0\0\x68\xfeSMB", b"\0\0\0\xf8\xfeSMB\x40\0", Spoken::Smb),
            (DNS_QUESTION, b"\0\x11pf\x80\x05\0\x01\0\0\0\0\0\0\0\0\x02\0\x01", Spoken::Dns),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        let mut words = [0; 256];
                        let length = connection.read(&mut words).await.unwrap_or_default();
                        if words[..length].starts_with(first) {
                            let _gone = connection.write_all(reply).await;
                        }
                    });
                }
            });
            let deadline = Deadline::after(Duration::from_secs(9));
            let cause =
                identify(&crate::ssh::SERVICE, &Peer::from(to), &silent(to), deadline).await;
            let Some(Cause::Talk(TalkCause::WrongService { spoken, .. })) = cause else {
                panic!("{named:?}: {cause:?}")
            };
            assert_eq!(spoken, named);
        }
    }

    #[tokio::test]
    async fn tls_is_named_where_plain_text_failed_without_a_word_or_with_a_web_servers() {
        let to = speaker(&[0x15, 3, 1, 0, 2, 2, 70]).await;
        let deadline = Deadline::after(Duration::from_secs(9));
        let refusal = Cause::Talk(TalkCause::WrongService {
            expected: "BBDO".into(),
            spoken: Spoken::Http,
            head: "HTTP/1.1 400".to_owned(),
        });
        for (service, failure) in
            [(&crate::ssh::SERVICE, silent(to)), (&crate::bbdo::SERVICE, refusal)]
        {
            let cause = identify(service, &Peer::from(to), &failure, deadline).await;
            assert_eq!(
                cause,
                Some(Cause::Tls(TlsCause::TlsUnexpected { expected: service.expected.into() }))
            );
        }
        // A broker that is mute is left in peace, and inside TLS nothing more is asked.
        for (service, failure) in [
            (&crate::bbdo::SERVICE, silent(to)),
            (&crate::tls::SERVICE, Cause::Web(WebCause::HttpStatus { status: 400 })),
        ] {
            assert_eq!(identify(service, &Peer::from(to), &failure, deadline).await, None);
        }
    }

    /// Answers each connection's first words as `answer` makes of them.
    async fn answering(answer: fn(&[u8]) -> Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut words = [0; 2048];
                    while let Ok(length @ 1..) = connection.read(&mut words).await {
                        if connection.write_all(&answer(&words[..length])).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        to
    }

    #[tokio::test]
    async fn who_answers_none_of_our_words_is_named_by_its_own() {
        type Reply = fn(&[u8]) -> Vec<u8>;
        let cases: [(Reply, Spoken); 4] = [
            (|words| words.to_vec(), Spoken::Echo),
            (|_| b"UNKNOWN_COMMAND\r\n".to_vec(), Spoken::Beanstalkd),
            (|_| b"ERR UNKNOWN_COMMAND Unknown+server+command\n".to_vec(), Spoken::Gearman),
            (
                |words| if words == MQTT_CONNECT { vec![0x20, 2, 0, 5] } else { Vec::new() },
                Spoken::Mqtt,
            ),
        ];
        for (answer, expected) in cases {
            let to = answering(answer).await;
            let deadline = Deadline::after(Duration::from_secs(9));
            let silence = Cause::Smtp(SmtpCause::SmtpGreetingLate {
                to,
                waited: crate::Millis(Duration::from_secs(15)),
            });
            let found = identify(&crate::smtp::SERVICE, &Peer::from(to), &silence, deadline).await;
            let Some(Cause::Talk(TalkCause::WrongService { spoken, .. })) = found else {
                panic!("{expected}: {found:?}")
            };
            assert_eq!(spoken, expected);
        }
    }

    #[tokio::test]
    async fn who_takes_its_time_to_close_on_a_visitor_without_a_word_does_so_unasked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    tokio::time::sleep(UNASKED * 3).await;
                    drop(connection);
                });
            }
        });
        let deadline = Deadline::after(Duration::from_secs(9));
        let gone = Cause::Talk(TalkCause::HungUp { to, phase: Phase::Greeting, received: 0 });
        let found = identify(&crate::smtp::SERVICE, &Peer::from(to), &gone, deadline).await;
        assert_eq!(found, Some(Cause::Talk(TalkCause::ClosedUnasked { to })));
        // Where a question was asked, it may be what is refused.
        let gone = Cause::Talk(TalkCause::HungUp { to, phase: Phase::Reply, received: 0 });
        let found = identify(&crate::ldap::SERVICE, &Peer::from(to), &gone, deadline).await;
        assert_eq!(found, None);
    }

    #[tokio::test]
    async fn who_closes_on_everybody_after_a_while_is_told_from_who_did_not_like_our_words() {
        for minds_words in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        if minds_words {
                            let _words = connection.read(&mut [0; 512]).await;
                        }
                        tokio::time::sleep(UNASKED * 2).await;
                    });
                }
            });
            let deadline = || Deadline::after(Duration::from_secs(9));
            let gone = Cause::Talk(TalkCause::HungUp { to, phase: Phase::Reply, received: 0 });
            let peer = Peer::from(to);
            let found =
                closes_on_everybody(&crate::ldap::SERVICE, &peer, &gone, UNASKED * 2, deadline());
            let told = Cause::Talk(TalkCause::ClosedUnasked { to });
            assert_eq!(found.await, (!minds_words).then_some(told));
            let broker =
                closes_on_everybody(&crate::bbdo::SERVICE, &peer, &gone, UNASKED * 2, deadline());
            assert_eq!(broker.await, None);
        }
    }

    #[tokio::test]
    async fn a_socks_server_in_the_place_of_a_proxy_is_named() {
        let to = speaker(&[5, 0]).await;
        let closed = Cause::Talk(TalkCause::HungUp { to, phase: Phase::Reply, received: 0 });
        let failure = Cause::Web(WebCause::ProxyUnreachable {
            proxy: "http://proxy.example.org:1080".to_owned(),
            because: Box::new(closed),
        });
        let deadline = Deadline::after(Duration::from_secs(9));
        let found = identify(&crate::http::SERVICE, &Peer::from(to), &failure, deadline).await;
        let Some(Cause::Web(WebCause::ProxyUnreachable { because, .. })) = found else {
            panic!("{found:?}")
        };
        assert_eq!(because.to_string(), "a SOCKS proxy answers here, not an HTTP proxy");
        assert_eq!(because.code(), "wrong-service");
    }

    #[tokio::test]
    async fn who_closes_before_a_word_is_told_from_who_does_not_like_our_words() {
        let deadline = || Deadline::after(Duration::from_secs(9));
        for waits_for_words in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    if waits_for_words {
                        let _words = connection.read(&mut [0; 512]).await;
                    }
                }
            });
            let hung_up = Cause::Talk(TalkCause::HungUp { to, phase: Phase::Reply, received: 0 });
            let tls = Cause::Tls(TlsCause::TlsClosed { to });
            for (service, failure) in [
                (&crate::smtp::SERVICE, hung_up.clone()),
                (&crate::mysql::SERVICE, hung_up),
                (&crate::tls::SERVICE, tls),
            ] {
                let found = identify(service, &Peer::from(to), &failure, deadline()).await;
                let named = Cause::Talk(TalkCause::ClosedUnasked { to });
                assert_eq!(found, (!waits_for_words).then_some(named), "{}", service.name);
            }
        }
    }

    #[tokio::test]
    async fn who_expects_a_load_balancer_before_it_is_told_from_who_answers_anything() {
        for (greets, reply) in [
            (&crate::smtp::SERVICE, &b"220 mail.example.org ESMTP\r\n"[..]),
            (&crate::ssh::SERVICE, b"SSH-2.0-OpenSSH_9.2\r\n"),
            (&crate::http::SERVICE, b"HTTP/1.1 200 OK\r\n\r\n"),
            (&crate::http::SERVICE, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    let mut words = [0; 64];
                    let length = connection.read(&mut words).await.unwrap_or_default();
                    if words[..length].starts_with(PROXY_HEADER) {
                        connection.write_all(reply).await.unwrap();
                    }
                }
            });
            let deadline = Deadline::after(Duration::from_secs(9));
            let failure = if speaks_first(greets) {
                silent(to)
            } else {
                Cause::Talk(TalkCause::HungUp { to, phase: Phase::Reply, received: 0 })
            };
            let found = identify(greets, &Peer::from(to), &failure, deadline).await;
            let named = Cause::Talk(TalkCause::ProxyHeaderWanted { to });
            let is_named = !reply.starts_with(b"HTTP/1.1 400");
            assert_eq!(found, is_named.then_some(named), "{}", greets.name);
        }
    }

    #[tokio::test]
    async fn who_greets_late_does_not_wait_for_a_load_balancer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // Later than a visit without a word waits, and sooner than one with a header.
                    tokio::time::sleep(UNASKED + Duration::from_millis(200)).await;
                    let _gone = connection.write_all(b"220 mail.example.org ESMTP\r\n").await;
                    let _heard = connection.read(&mut [0; 64]).await;
                });
            }
        });
        let deadline = Deadline::after(Duration::from_secs(9));
        let reset = Cause::Talk(TalkCause::Reset { to, phase: Phase::Greeting, received: 0 });
        let found = identify(&crate::smtp::SERVICE, &Peer::from(to), &reset, deadline).await;
        assert_eq!(found, None);
    }

    #[tokio::test]
    async fn a_failure_with_words_is_not_asked_about() {
        let to = SocketAddr::from(([192, 0, 2, 1], 22));
        let refused = Cause::Port(PortCause::PortClosed { to });
        let deadline = Deadline::after(Duration::from_secs(9));
        let cause = identify(&crate::ssh::SERVICE, &Peer::from(to), &refused, deadline).await;
        assert_eq!(cause, None);
    }
}
