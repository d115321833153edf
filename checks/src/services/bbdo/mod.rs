//! BBDO: does the central's broker take part in the negotiation of a poller?
//!
//! TCP 5669 by default. We speak first, in the first segment: the broker's one
//! accepting thread waits up to three seconds for whoever connects, and every
//! other poller waits with it. Our welcome carries no poller id and no name, so
//! the broker registers nobody; no stop is sent, only a FIN. It offers
//! compression, which a broker set to it would miss, and TLS only when this
//! poller's own output has it: then the handshake is made that the poller will
//! make, with its files, for a broker that agrees to TLS waits for it.
//!
//! A broker of another major version closes without a byte. Then, and only
//! then, further connections find out which version it is, or whether it is TLS.
//!
//! Reference: the BBDO chapter of Centreon's developer documentation.

mod acceptor;
mod inside;
mod output;
mod packet;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::cause::{BbdoCause, Cause, Concern, Millis, Phase, TalkCause, TlsCause, Transport};
use crate::evidence::{Seen, Value};
use crate::net::grpc::{self, Call};
use crate::net::tcp::is_reset_unheard;
use crate::net::tls::{self, Client, Proof, Verify, secure_with};
use crate::net::{Ask, IdleWords, Stream};
use crate::recognise::{Spoken, recognise};
use crate::services::{Hints, ReverseOf, UrlForm};
use crate::wire;
use crate::{Respond, Service};
use acceptor::Acceptor;
use inside::TlsCourse;
use output::Carrier;
use packet::{BbdoHeader, BbdoVersion, COMPRESSION, Coding, HEADER_LEN, TLS, Welcome};

pub use output::{BrokerStream, Extension, Own, TlsCredentials};

/// Asks the broker for its version and name; sends no data.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// The generation this poller is configured for.
    pub speaks: Generation,
    /// What its output is configured for; none: nobody said.
    pub output: Option<BrokerStream>,
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
            BbdoAnswer::Broker(welcome, stream) => {
                let inside = if let Some(credentials) = self.credentials(&welcome) {
                    Some(self.inside_tls(*stream, ask, credentials).await)
                } else {
                    stream.close().await;
                    None
                };
                self.judge(&welcome, inside, &mut ask.seen)
            }
            BbdoAnswer::Http2 => {
                ask.seen.evidence.set("transport", "gRPC");
                self.judge_carrier(Carrier { grpc: true, tls: false })?;
                let stream = ask.connect().await?;
                let status = grpc::status(stream, ask, Call::NOBODYS).await?;
                self.judge_grpc(&status.code, &mut ask.seen);
                Ok(())
            }
            BbdoAnswer::Tls => {
                self.behind_tls(ask, Cause::Bbdo(BbdoCause::BbdoTls { grpc: false })).await
            }
            BbdoAnswer::Closed(cause) => self.behind_tls(ask, cause).await,
        }
    }

    /// A welcome that offers nothing, as each is to be taken for itself: after it a broker waits for events.
    pub(crate) fn idle_words(&self) -> IdleWords {
        let [(coding, version), ..] = *self.speaks.openings();
        let welcome = Welcome::of(version).encode(coding);
        IdleWords { first: welcome.clone(), again: welcome }
    }

    /// What TLS is made with, when both sides have it.
    fn credentials(&self, welcome: &Welcome) -> Option<&TlsCredentials> {
        let output = self.output.as_ref().filter(|output| output.offers_tls())?;
        let is_possible = output.credentials.unusable.is_none() && welcome.offers(TLS);
        is_possible.then_some(&output.credentials)
    }

    /// What our welcome offers.
    fn extensions(&self) -> String {
        let (tls, compression) = match &self.output {
            None => (false, true),
            Some(output) => {
                let is_usable = output.credentials.unusable.is_none();
                (output.offers_tls() && is_usable, output.compression != Extension::No)
            }
        };
        let offered = [tls.then_some(TLS), compression.then_some(COMPRESSION)];
        offered.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Does the broker's transport fit the one this poller is configured for?
    fn judge_carrier(&self, theirs: Carrier) -> Result<(), Cause> {
        let fits = |ours: &BrokerStream| {
            let tls_fits = match ours.tls {
                Extension::Auto => true,
                set => theirs.tls == (set == Extension::Yes),
            };
            ours.grpc == theirs.grpc && (!ours.grpc || tls_fits)
        };
        match &self.output {
            Some(ours) if !fits(ours) => {
                let (ours, theirs) = (ours.carrier().to_string(), theirs.to_string());
                Err(Cause::Bbdo(BbdoCause::BbdoCarrier { ours, theirs }))
            }
            _ => Ok(()),
        }
    }

    /// TLS from the first byte: gRPC's, or somebody else's.
    async fn behind_tls(&self, ask: &mut Ask, otherwise: Cause) -> Result<(), Cause> {
        match self.listener(ask).await {
            Listener::Grpc(verdict) => {
                ask.seen.evidence.set("transport", "gRPC with TLS");
                self.judge_grpc_tls(verdict, &mut ask.seen)
            }
            Listener::Tls => Err(Cause::Bbdo(BbdoCause::BbdoTls { grpc: false })),
            Listener::Unknown => Err(otherwise),
        }
    }

    /// Who listens with TLS? Asked as this poller would ask gRPC.
    async fn listener(&self, ask: &mut Ask) -> Listener {
        let Ok(stream) = ask.connect().await else { return Listener::Unknown };
        let ours = self.output.as_ref().filter(|output| output.grpc).map(|it| &it.credentials);
        let host = ask.peer.host.clone();
        let identity = match ours.map(|ours| &ours.own) {
            Some(Own::Identity(identity)) => Some(identity.clone()),
            _ => None,
        };
        let client = Client {
            name: Some(ours.and_then(|ours| ours.hostname.as_deref()).unwrap_or(&host)),
            trust: ours.and_then(|ours| ours.authority.clone()).unwrap_or(ask.trust.clone()),
            // Whom another poller than a gRPC one trusts, nobody said.
            verify: if ours.is_some() { Verify::Strictly } else { Verify::Never },
            alpn: &[b"h2"],
            identity,
        };
        let made = secure_with(stream, ask, &host, &client).await;
        let is_http2 = ask.seen.evidence.fact("alpn") == Some(&"h2".into());
        match made {
            Ok(stream) => {
                stream.close().await;
                if is_http2 { Listener::Grpc(Ok(())) } else { Listener::Tls }
            }
            // A poller's gRPC gets no further, whoever it is.
            Err(tls::TlsFailed { cause, of_certificate: true, .. }) => Listener::Grpc(Err(cause)),
            Err(tls::TlsFailed {
                cause: cause @ Cause::Tls(TlsCause::TlsClientCertificateWanted { .. }),
                ..
            }) if is_http2 => Listener::Grpc(Err(cause)),
            Err(failed) => match failed.cause {
                Cause::Tls(
                    TlsCause::TlsRefused { .. }
                    | TlsCause::TlsProtocolNotSpoken { .. }
                    | TlsCause::TlsNameUnknown { .. }
                    | TlsCause::TlsVersion { .. }
                    | TlsCause::TlsClientCertificateWanted { .. },
                ) => Listener::Tls,
                _ => Listener::Unknown,
            },
        }
    }

    /// A TLS listener that agrees on HTTP/2 is what a poller with gRPC and TLS needs;
    /// behind it only that poller's own token leads on.
    fn judge_grpc_tls(&self, made: Result<(), Cause>, seen: &mut Seen) -> Result<(), Cause> {
        self.judge_carrier(Carrier { grpc: true, tls: true })?;
        "BBDO over gRPC with TLS".clone_into(&mut seen.headline);
        match &self.output {
            None => seen.concerns.push(Concern::BbdoGrpc),
            Some(output) => output.credentials.judge_files(seen)?,
        }
        match made {
            Ok(()) => Ok(()),
            Err(Cause::Tls(TlsCause::TlsClientCertificateWanted { .. })) => self.judge_refusal(),
            Err(because) => {
                Err(Cause::Bbdo(BbdoCause::BbdoCertificate { because: Box::new(because) }))
            }
        }
    }

    /// Any status is an answer of gRPC; 12, "unimplemented", is the usual one.
    fn judge_grpc(&self, status: &str, seen: &mut Seen) {
        seen.evidence.set("grpc_status", status);
        if self.output.is_none() {
            seen.concerns.push(Concern::BbdoGrpc);
        }
        "BBDO over gRPC".clone_into(&mut seen.headline);
    }

    /// The answer to our opening, or to the first of the others that is not
    /// answered with a hang-up.
    async fn negotiate(&self, ask: &mut Ask) -> Result<BbdoAnswer, Cause> {
        let [first, others @ ..] = self.speaks.openings();
        let answer = self.question(*first, ANSWER, ask).await?;
        let BbdoAnswer::Closed(closed) = answer else { return Ok(answer) };
        for other in others {
            match self.question(*other, AGAIN, ask).await {
                Ok(BbdoAnswer::Closed(_)) => {}
                Ok(answer) => return Ok(answer),
                // The first hang-up is what was seen; this explains nothing.
                Err(_) => return Err(closed),
            }
        }
        Ok(BbdoAnswer::Closed(closed))
    }

    /// TLS with a broker that has it too.
    async fn inside_tls(
        &self,
        stream: Stream,
        ask: &mut Ask,
        credentials: &TlsCredentials,
    ) -> TlsCourse {
        let (inside, stream) = inside::enter(stream, ask, credentials).await;
        if let Some(stream) = stream {
            stream.close().await;
        }
        // Without a word: an anonymous broker has nothing in common with a certificate.
        if !matches!(inside, TlsCourse::Failed(_)) || matches!(credentials.own, Own::Nothing) {
            return inside;
        }
        let [first, ..] = self.speaks.openings();
        match self.question(*first, AGAIN, ask).await {
            Ok(BbdoAnswer::Broker(welcome, stream)) if welcome.offers(TLS) => {
                match tls::proof(*stream, ask).await {
                    Ok(Proof::Nothing) => TlsCourse::Unlike { theirs: Proof::Nothing },
                    _ => inside,
                }
            }
            _ => inside,
        }
    }

    /// Decides from the broker's welcome, and from how TLS went if both have it.
    fn judge(
        &self,
        welcome: &Welcome,
        inside: Option<TlsCourse>,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        note(welcome, seen);
        // TLS is an extension here, and the rest of it is negotiated inside.
        self.judge_carrier(Carrier { grpc: false, tls: false })?;
        let theirs = welcome.version.to_string();
        match (self.speaks, welcome.version.major) {
            (Generation::Two, 2) => {
                seen.concerns.push(Concern::BbdoOld { version: theirs.clone() });
            }
            (Generation::Three, 3) => {}
            (Generation::Three, 2) => {
                return Err(Cause::Bbdo(BbdoCause::BbdoTwo { version: theirs }));
            }
            _ => {
                return Err(Cause::Bbdo(BbdoCause::BbdoMajor {
                    ours: self.speaks.version().to_string(),
                    theirs,
                }));
            }
        }
        let tls = self.judge_tls(welcome, inside, seen)?;
        let name = Some(wire::short(&welcome.poller_name, MAX_SHOWN)).filter(|it| !it.is_empty());
        let words = [Some(format!("BBDO {theirs}")), name, tls];
        seen.headline = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
        Ok(())
    }

    /// What the row says of TLS: only the major version has to match for the rest.
    fn judge_tls(
        &self,
        welcome: &Welcome,
        inside: Option<TlsCourse>,
        seen: &mut Seen,
    ) -> Result<Option<String>, Cause> {
        let Some(output) = &self.output else {
            return Ok(welcome.offers(TLS).then(|| "TLS not tested".to_owned()));
        };
        if output.tls != Extension::No {
            output.credentials.judge_files(seen)?;
        }
        match (output.tls, welcome.offers(TLS)) {
            (Extension::No, true) => seen.concerns.push(Concern::BbdoTlsNotAsked),
            (Extension::Yes, false) => seen.concerns.push(Concern::BbdoTlsNotOffered),
            _ => {}
        }
        match inside {
            None => Ok(None),
            Some(TlsCourse::Made) => Ok(seen.evidence.fact("tls_version").map(ToString::to_string)),
            // An authority without a certificate of its own verifies a broker that shows none.
            Some(TlsCourse::Anonymous) if output.credentials.authority.is_none() => {
                Ok(Some("anonymous TLS".to_owned()))
            }
            Some(TlsCourse::Anonymous | TlsCourse::Unlike { theirs: Proof::Certificate }) => {
                Err(Cause::Bbdo(BbdoCause::BbdoTlsAnonymous))
            }
            Some(TlsCourse::Unlike { theirs: Proof::Nothing }) => {
                Err(Cause::Bbdo(BbdoCause::BbdoTlsNoCertificate))
            }
            Some(TlsCourse::Distrusted(because)) => {
                Err(Cause::Bbdo(BbdoCause::BbdoCertificate { because: Box::new(because) }))
            }
            Some(TlsCourse::Refused) => {
                self.judge_refusal()?;
                Ok(Some("TLS, certificate not shown".to_owned()))
            }
            Some(TlsCourse::Failed(cause)) => Err(cause),
        }
    }

    /// The broker hangs up on our certificate: a refusal, if one was shown.
    fn judge_refusal(&self) -> Result<(), Cause> {
        match self.output.as_ref().map(|output| &output.credentials.own) {
            Some(Own::Unread) => Ok(()),
            _ => Err(Cause::Bbdo(BbdoCause::BbdoCertificateRefused)),
        }
    }

    /// One connection, one packet, one answer.
    async fn question(
        &self,
        opening: BbdoOpening,
        limit: Duration,
        ask: &mut Ask,
    ) -> Result<BbdoAnswer, Cause> {
        let mut stream = ask.connect().await?;
        stream.allow(limit);
        let wait = ask.deadline.within(limit);
        let (coding, version) = opening;
        let ours = Welcome { extensions: self.extensions(), ..Welcome::of(version) };
        let ours = ours.encode_up_to(coding, stream.a_packet(A_PACKET));
        stream.asks("our welcome");
        let heard = match stream.send(&ours).await {
            Ok(()) => match is_tls_after_a_moment(&mut stream, ask).await {
                Ok(true) => Ok(BbdoHeard::Tls),
                Ok(false) => read_answer(&mut stream).await,
                Err(cause) => Err(cause),
            },
            Err(cause) => Err(cause),
        };
        let waited = wait.waited().0;
        ask.seen.evidence.set("answer_ms", Millis(waited));
        let answer = match heard {
            // A broker names itself; an echo server names nobody.
            Ok(BbdoHeard::Broker(_)) if ours.get(..MAX_HEAD).unwrap_or(&ours) == stream.head() => {
                Err(Cause::bad_reply("a broker's own welcome", stream.head()))
            }
            Ok(BbdoHeard::Broker(welcome)) => {
                ask.seen.concerns.extend(slowness(waited));
                return Ok(BbdoAnswer::Broker(welcome, Box::new(stream)));
            }
            Ok(BbdoHeard::Http2) => Ok(BbdoAnswer::Http2),
            Ok(BbdoHeard::Tls) => Ok(BbdoAnswer::Tls),
            Err(cause) if waited <= SLOW && is_closed(&cause) => Ok(BbdoAnswer::Closed(cause)),
            Err(cause) => Err(cause),
        };
        stream.close().await;
        // Another opening is smaller, and may pass where this one did not.
        if let Ok(BbdoAnswer::Closed(cause)) = &answer
            && is_reset_unheard(ask)
        {
            return Err(cause.clone());
        }
        if answer.is_ok() && !matches!(answer, Ok(BbdoAnswer::Closed(_))) {
            ask.seen.concerns.extend(slowness(waited));
        }
        answer
    }
}

impl TlsCredentials {
    /// Files that cannot be used fail; those that may not be read here are a concern.
    fn judge_files(&self, seen: &mut Seen) -> Result<(), Cause> {
        if let Some((file, why)) = self.unusable.clone() {
            return Err(Cause::Bbdo(BbdoCause::BbdoFileUnusable { file, why }));
        }
        let unread = self.unread.iter().cloned();
        seen.concerns.extend(unread.map(|(file, why)| Concern::BbdoFileUnread { file, why }));
        Ok(())
    }
}

impl Generation {
    fn version(self) -> BbdoVersion {
        match self {
            Self::Two => BbdoVersion::TWO,
            Self::Three => BbdoVersion::THREE,
        }
    }

    /// What to say first, and what to try when that is answered with a hang-up.
    ///
    /// The welcome is the richer one; brokers older than 22.10 do not know it.
    fn openings(self) -> &'static [BbdoOpening; 3] {
        const WELCOME: BbdoOpening = (Coding::Welcome, BbdoVersion::THREE);
        const THREE: BbdoOpening =
            (Coding::VersionResponse, BbdoVersion { minor: 0, patch: 0, ..BbdoVersion::THREE });
        const TWO: BbdoOpening = (Coding::VersionResponse, BbdoVersion::TWO);
        match self {
            Self::Two => &[TWO, WELCOME, THREE],
            // Version 2 is the likelier one: it costs a broker of it no further line in its log.
            Self::Three => &[WELCOME, TWO, THREE],
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "bbdo",
    title: "BBDO",
    expected: "BBDO",
    spoken: Spoken::Bbdo,
    url: UrlForm::Host,
    hints: Hints { reverse: Some(ReverseOf::Server), ..Hints::NONE },
    port: 5669,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(30),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Bbdo(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(Acceptor::default().serve(stream))),
};

/// A coding and the version said in it.
type BbdoOpening = (Coding, BbdoVersion);

/// What may answer on a broker's port.
enum BbdoAnswer {
    /// A broker, on a connection that is still open.
    Broker(Welcome, Box<Stream>),
    /// The gRPC transport, in clear text.
    Http2,
    Tls,
    /// Closed without a byte, sooner than a broker gives up waiting for more.
    Closed(Cause),
}

/// What an answer begins with.
#[derive(Debug)]
enum BbdoHeard {
    Broker(Welcome),
    Http2,
    Tls,
}

/// Who listens with TLS from the first byte.
enum Listener {
    /// gRPC, and how its handshake went for this poller.
    Grpc(Result<(), Cause>),
    /// A TLS server that is no gRPC.
    Tls,
    /// Nobody who speaks TLS.
    Unknown,
}

/// After a moment without an answer: does somebody speak TLS here?
///
/// A broker that is busy comes to this second connection later, and finds it reset.
async fn is_tls_after_a_moment(stream: &mut Stream, ask: &Ask) -> Result<bool, Cause> {
    let is_silent = stream.is_silent_for(MOMENT, Phase::Reply).await?;
    Ok(is_silent && tls::is_spoken(ask, HELLO).await)
}

async fn read_answer(stream: &mut Stream) -> Result<BbdoHeard, Cause> {
    let head = match stream.exactly(Phase::Reply, HEADER_LEN).await {
        Ok(head) => head,
        // An alert or an HTTP/2 frame may be shorter than a header of ours.
        Err(cause) => return not_bbdo(stream.head(), cause),
    };
    let header = match BbdoHeader::decode(&head) {
        Ok(header) => header,
        Err(cause) => {
            complete_settings(stream).await;
            return not_bbdo(stream.head(), cause);
        }
    };
    let payload = stream.exactly(Phase::Reply, header.payload_len()?).await?;
    Welcome::decode(&header, &payload).map(BbdoHeard::Broker)
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
fn not_bbdo(head: &[u8], cause: Cause) -> Result<BbdoHeard, Cause> {
    if grpc::is_settings(head) {
        return Ok(BbdoHeard::Http2);
    }
    match recognise(head) {
        Spoken::Tls => Ok(BbdoHeard::Tls),
        _ => Err(SERVICE.instead(head).unwrap_or(cause)),
    }
}

fn slowness(waited: Duration) -> Option<Concern> {
    (waited > SLOW).then_some(Concern::BbdoSlow { took: Millis(waited) })
}

fn is_closed(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Talk(TalkCause::HungUp { received: 0, .. } | TalkCause::Reset { received: 0, .. })
    )
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

/// A broker serves one newcomer at a time: behind three silent ones it takes 9 s.
const ANSWER: Duration = Duration::from_secs(10);
/// A broker behind one silent newcomer has answered by now, and a server of TLS answers at once.
const MOMENT: Duration = Duration::from_millis(3_200);
const HELLO: Duration = Duration::from_secs(1);
/// It sleeps about a second after each newcomer it refused.
const AGAIN: Duration = Duration::from_secs(5);
/// A broker answers at once, and gives a silent newcomer 3 s.
const SLOW: Duration = Duration::from_millis(2_500);
/// A poller's first data fills packets: our opening does too, so that a path which does not carry
/// large ones is met.
const A_PACKET: usize = 1_400;
/// Of the poller name, as much as a table has room for.
const MAX_SHOWN: usize = 24;
