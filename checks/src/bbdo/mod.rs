//! BBDO: does the central's broker take part in the negotiation of a poller?
//!
//! TCP 5669 by default. We speak first, in the first segment: the broker's one
//! accepting thread waits up to three seconds for whoever connects, and every
//! other poller waits with it. Our welcome carries no poller id, no name and no
//! extension, so the broker registers nobody; no stop is sent, only a FIN.
//!
//! A broker of another major version closes without a byte. Then, and only
//! then, further connections find out which version it is, or whether it is TLS.
//!
//! Reference: the BBDO chapter of Centreon's developer documentation.

mod grpc;
mod packet;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Concern, Millis, Phase, Transport};
use crate::evidence::{Seen, Value};
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::recognise::{Spoken, instead_of, recognise};
use crate::wire;
use crate::{Respond, Service};
use packet::{Coding, HEADER_LEN, Header, Version, Welcome};

/// Asks the broker for its version and name; sends no data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The generation this poller is configured for.
    pub speaks: Generation,
    /// The transport it is configured for, when its files say.
    pub transport: Option<Carrier>,
}

/// What carries BBDO: both ends have to be configured for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// gRPC, rather than plain TCP.
    pub grpc: bool,
    /// With TLS: negotiated inside over TCP, from the first byte with gRPC. `None`: as the
    /// peer wants.
    pub tls: Option<bool>,
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if self.grpc { "gRPC" } else { "plain TCP" })?;
        out.write_str(if self.tls == Some(true) { " with TLS" } else { "" })
    }
}

/// The major versions of BBDO in use; peers of different ones do not talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// BBDO 2: the default before Centreon 22.04.
    Two,
    /// BBDO 3.
    #[default]
    Three,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        match self.negotiate(ask).await? {
            Answer::Broker(welcome) => self.judge(&welcome, &mut ask.seen),
            Answer::Http2 => {
                ask.seen.evidence.set("transport", "gRPC");
                self.judge_carrier(Carrier { grpc: true, tls: Some(false) })?;
                let status = grpc::status(ask).await?;
                self.judge_grpc(&status, &mut ask.seen);
                Ok(())
            }
            Answer::Tls => {
                let found = behind_tls(ask).await.unwrap_or(Cause::BbdoTls { grpc: false });
                self.judge_tls(found, &mut ask.seen)
            }
            Answer::Closed(cause) => {
                let found = behind_tls(ask).await.unwrap_or(cause);
                self.judge_tls(found, &mut ask.seen)
            }
        }
    }

    /// Does the broker's transport fit the one this poller is configured for?
    fn judge_carrier(&self, theirs: Carrier) -> Result<(), Cause> {
        let fits = |ours: &Carrier| {
            ours.grpc == theirs.grpc && ours.tls.is_none_or(|tls| theirs.tls == Some(tls))
        };
        match self.transport {
            Some(ours) if !fits(&ours) => {
                Err(Cause::BbdoCarrier { ours: ours.to_string(), theirs: theirs.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// A TLS listener that agrees on HTTP/2 is what a poller with gRPC and TLS needs;
    /// behind it only that poller's own certificate and token lead on.
    fn judge_tls(&self, found: Cause, seen: &mut Seen) -> Result<(), Cause> {
        let wanted = self.transport.is_some_and(|ours| ours.grpc && ours.tls != Some(false));
        match found {
            Cause::BbdoTls { grpc: true } if wanted => {
                seen.evidence.set("transport", "gRPC with TLS");
                "BBDO over gRPC with TLS".clone_into(&mut seen.headline);
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Any status is an answer of gRPC; 12, "unimplemented", is the usual one.
    fn judge_grpc(&self, status: &str, seen: &mut Seen) {
        seen.evidence.set("grpc_status", status);
        if self.transport.is_none() {
            seen.concerns.push(Concern::BbdoGrpc);
        }
        "BBDO over gRPC".clone_into(&mut seen.headline);
    }

    /// The answer to our opening, or to the first of the others that is not
    /// answered with a hang-up.
    async fn negotiate(&self, ask: &mut Ask) -> Result<Answer, Cause> {
        let [first, others @ ..] = self.speaks.openings();
        let answer = question(*first, ANSWER, ask).await?;
        let Answer::Closed(closed) = answer else { return Ok(answer) };
        for other in others {
            match question(*other, AGAIN, ask).await {
                Ok(Answer::Closed(_)) => {}
                Ok(answer) => return Ok(answer),
                // The first hang-up is what was seen; this explains nothing.
                Err(_) => return Err(closed),
            }
        }
        Ok(Answer::Closed(closed))
    }

    /// Decides from the broker's welcome: only the major version must match.
    fn judge(&self, welcome: &Welcome, seen: &mut Seen) -> Result<(), Cause> {
        note(welcome, seen);
        // TLS is an extension here, and the rest of it is negotiated inside.
        self.judge_carrier(Carrier { grpc: false, tls: self.transport.and_then(|ours| ours.tls) })?;
        let offers_tls = welcome.extensions.split_whitespace().any(|name| name == "TLS");
        if self.transport.is_some_and(|ours| ours.tls == Some(true)) && !offers_tls {
            seen.concerns.push(Concern::BbdoTlsNotOffered);
        }
        let theirs = welcome.version.to_string();
        match (self.speaks, welcome.version.major) {
            (Generation::Two, 2) => {
                seen.concerns.push(Concern::BbdoOld { version: theirs.clone() });
            }
            (Generation::Three, 3) => {}
            (Generation::Three, 2) => return Err(Cause::BbdoTwo { version: theirs }),
            _ => return Err(Cause::BbdoMajor { ours: self.speaks.version().to_string(), theirs }),
        }
        seen.headline = match welcome.poller_name.as_str() {
            "" => format!("BBDO {theirs}"),
            name => format!("BBDO {theirs}, {}", wire::short(name, MAX_SHOWN)),
        };
        Ok(())
    }
}

impl Generation {
    fn version(self) -> Version {
        match self {
            Self::Two => Version::TWO,
            Self::Three => Version::THREE,
        }
    }

    /// What to say first, and what to try when that is answered with a hang-up.
    ///
    /// The welcome is the richer one; brokers older than 22.10 do not know it.
    fn openings(self) -> &'static [Opening; 3] {
        const WELCOME: Opening = (Coding::Welcome, Version::THREE);
        const THREE: Opening =
            (Coding::VersionResponse, Version { minor: 0, patch: 0, ..Version::THREE });
        const TWO: Opening = (Coding::VersionResponse, Version::TWO);
        match self {
            Self::Two => &[TWO, WELCOME, THREE],
            Self::Three => &[WELCOME, THREE, TWO],
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "bbdo",
    port: 5669,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(30),
    question: None,
    repeats: 0,
    probe: || crate::Probe::Bbdo(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Answers as a broker does: in the coding it was asked in; a wrong major version not at all.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let header = Header::decode(&stream.exactly(HEADER_LEN).await?).map_err(io::Error::other)?;
    let length = header.payload_len().map_err(io::Error::other)?;
    let payload = stream.exactly(length).await?;
    let welcome = Welcome::decode(&header, &payload).map_err(io::Error::other)?;
    if welcome.version.major != Version::THREE.major {
        return stream.close().await;
    }
    stream.send(&Welcome::responder().encode(header.coding().map_err(io::Error::other)?)).await?;
    stream.until_closed().await
}

/// A coding and the version said in it.
type Opening = (Coding, Version);

/// What may answer on a broker's port.
#[derive(Debug)]
enum Answer {
    Broker(Welcome),
    /// The gRPC transport, in clear text.
    Http2,
    Tls,
    /// Closed without a byte, sooner than a broker gives up waiting for more.
    Closed(Cause),
}

/// One connection, one packet, one answer.
async fn question(opening: Opening, limit: Duration, ask: &mut Ask) -> Result<Answer, Cause> {
    let mut stream = ask.connect().await?;
    stream.allow(limit);
    let wait = ask.deadline.within(limit);
    let (coding, version) = opening;
    let ours = Welcome::of(version).encode(coding);
    stream.asks("our welcome");
    let answer = match stream.send(&ours).await {
        Ok(()) => match read_answer(&mut stream).await {
            // A broker names itself; an echo server names nobody.
            Ok(_) if ours.get(..MAX_HEAD).unwrap_or(&ours) == stream.head() => {
                Err(Cause::bad_reply("a broker's own welcome", stream.head()))
            }
            answer => answer,
        },
        Err(cause) => Err(cause),
    };
    let waited = wait.waited().0;
    ask.seen.evidence.set("answer_ms", Millis(waited));
    stream.close().await;
    match answer {
        Err(cause) if waited <= SLOW && is_closed(&cause) => Ok(Answer::Closed(cause)),
        Ok(answer) => {
            ask.seen.concerns.extend(slowness(waited));
            Ok(answer)
        }
        failed => failed,
    }
}

async fn read_answer(stream: &mut Stream) -> Result<Answer, Cause> {
    let head = match stream.exactly(Phase::Reply, HEADER_LEN).await {
        Ok(head) => head,
        // An alert or an HTTP/2 frame may be shorter than a header of ours.
        Err(cause) => return not_bbdo(stream.head(), cause),
    };
    let header = match Header::decode(&head) {
        Ok(header) => header,
        Err(cause) => {
            complete_settings(stream).await;
            return not_bbdo(stream.head(), cause);
        }
    };
    let payload = stream.exactly(Phase::Reply, header.payload_len()?).await?;
    Welcome::decode(&header, &payload).map(Answer::Broker)
}

/// What a current poller says first, naming nobody.
pub(crate) fn first_words() -> Vec<u8> {
    let [(coding, version), ..] = *Generation::Three.openings();
    Welcome::of(version).encode(coding)
}

/// Bytes of a conversation's beginning that a stream keeps.
const MAX_HEAD: usize = 64;

/// Reads on until a SETTINGS frame is whole, as far as the head is kept.
async fn complete_settings(stream: &mut Stream) {
    while grpc::is_settings_begun(stream.head()) {
        if stream.fill(Phase::Reply).await.is_err() {
            return;
        }
    }
}

/// What an answer is that is not BBDO; `cause` when its head tells nothing.
fn not_bbdo(head: &[u8], cause: Cause) -> Result<Answer, Cause> {
    if grpc::is_settings(head) {
        return Ok(Answer::Http2);
    }
    match recognise(head) {
        Spoken::Tls => Ok(Answer::Tls),
        _ => Err(instead_of("BBDO", Spoken::Bbdo, head).unwrap_or(cause)),
    }
}

fn slowness(waited: Duration) -> Option<Concern> {
    let seconds = waited.as_secs_f64();
    (waited > SLOW).then_some(Concern::BbdoSlow { seconds })
}

fn is_closed(cause: &Cause) -> bool {
    matches!(cause, Cause::HungUp { received: 0, .. } | Cause::Reset { received: 0, .. })
}

/// Does the port speak TLS from the first byte? A failed handshake says so too,
/// as long as the peer's part in it was TLS.
async fn behind_tls(ask: &mut Ask) -> Option<Cause> {
    let stream = ask.connect().await.ok()?;
    match secure(stream, ask, Verify::AndReport, &[b"h2"]).await {
        Ok(stream) => {
            stream.close().await;
            let grpc = ask.seen.evidence.fact("alpn") == Some(&"h2".into());
            Some(Cause::BbdoTls { grpc })
        }
        Err(
            Cause::TlsRefused { .. }
            | Cause::TlsNameUnknown { .. }
            | Cause::TlsVersion { .. }
            | Cause::TlsClientCertificateWanted { .. },
        ) => Some(Cause::BbdoTls { grpc: false }),
        Err(_) => None,
    }
}

fn note(welcome: &Welcome, seen: &mut Seen) {
    let evidence = &mut seen.evidence;
    evidence.set("bbdo_version", welcome.version.to_string());
    evidence.set("extensions", welcome.extensions.split_whitespace().collect::<Value>());
    evidence.set("poller_id", welcome.poller_id);
    let named = [
        ("poller_name", welcome.poller_name.as_str()),
        ("broker_name", welcome.broker_name.as_str()),
        ("peer_type", welcome.peer_type_name()),
    ];
    for (name, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
        evidence.set(name, value);
    }
}

/// A broker serves one newcomer at a time: behind two silent ones it takes 6 s.
const ANSWER: Duration = Duration::from_secs(8);
/// It sleeps about a second after each newcomer it refused.
const AGAIN: Duration = Duration::from_secs(5);
/// A broker answers at once, and gives a silent newcomer 3 s.
const SLOW: Duration = Duration::from_millis(2_500);
/// Of the poller name, as much as a table has room for.
const MAX_SHOWN: usize = 24;
