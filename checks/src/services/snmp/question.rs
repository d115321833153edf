//! One GET of the system group, spoken by async-snmp over our own socket.
//!
//! async-snmp hides what it must not act upon: a refused port looks like a
//! timeout, and a Report that nobody signed is dropped. Here both are evidence
//! and never state, so they end the question and are judged.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_snmp::client::ResponseMetadata;
use async_snmp::v3::{EngineCache, ReportStatus, classify_report};
use async_snmp::{
    Auth, Candidate, Client, ClientBuilder, DesSaltState, DesSaltStateError, Error, ErrorStatus,
    Oid, PersistedDesSaltState, RequestRegistration, ResponseIdentity, Retry, SecurityLevel,
    Transport, VarBind, oid,
};
use bytes::Bytes;

use super::credentials::unusable;
use super::discovery::{self, SnmpEngine};
use crate::cause::{Cause, PathCause, Phase, TalkCause};
use crate::net::udp::Weighed;
use crate::net::{Ask, Udp};

/// What the question came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SnmpAnswer {
    /// The variables, as far as the view shows them.
    System(Vec<VarBind>),
    /// An error instead of variables.
    Status(ErrorStatus),
    /// A Report instead of an answer.
    Report(ReportStatus),
    /// Nothing, or nothing that proves that it comes from the agent.
    Silence {
        /// Did the agent sign a message before it fell silent?
        authenticated: bool,
    },
}

/// A question that is ready to be asked.
pub(super) struct SnmpQuestion {
    client: Client<Wire>,
    engines: Arc<EngineCache>,
    wire: Wire,
    is_v1: bool,
}

impl SnmpQuestion {
    /// Takes the credentials in; no packet is sent.
    pub(super) fn new(auth: Auth, socket: Arc<Udp>, ask: &Ask) -> Result<Self, Cause> {
        let wire = Wire {
            socket,
            to: ask.address(),
            tries: Arc::default(),
            slowest: Arc::default(),
            is_last: Arc::default(),
        };
        let engines = Arc::new(EngineCache::new());
        let salt = salt().map_err(|error| unusable(&error.to_string()))?;
        let is_v1 = auth.version() == async_snmp::Version::V1;
        let client = ClientBuilder::new(auth)
            // The wire keeps the schedule; this bound is never the first.
            .request_timeout(ask.deadline.left() + GET_LISTEN)
            .retry(Retry::none())
            .des_salt_state(salt)
            .engine_cache(Arc::clone(&engines))
            .build_with_transport(wire.clone())
            .map_err(|error| unusable(&error.to_string()))?;
        Ok(Self { client, engines, wire, is_v1 })
    }

    /// Asks, as a user, of the engine that discovery found.
    ///
    /// Only its name is taken over: its clock is believed when it is signed.
    pub(super) async fn ask_engine(&self, engine: &SnmpEngine) -> Result<SnmpAnswer, Cause> {
        if let Some(known) = engine.discovered() {
            let _fresh = self.engines.insert_discovered(self.wire.to, known);
        }
        self.ask().await
    }

    /// Asks for the system group.
    pub(super) async fn ask(&self) -> Result<SnmpAnswer, Cause> {
        let mut wanted: Vec<Oid> = SYSTEM.iter().map(|object| object()).collect();
        loop {
            match self.client.get_many(&wanted).await {
                Ok(response) => return Ok(SnmpAnswer::System(response.varbinds)),
                Err(error) => match self.answer(&error)? {
                    // In v1 one missing variable fails all: ask for the others.
                    SnmpAnswer::Status(ErrorStatus::NoSuchName) if self.is_v1 => {
                        drop_named(&mut wanted, &error);
                        if wanted.is_empty() {
                            return Ok(SnmpAnswer::System(Vec::new()));
                        }
                    }
                    answer => return Ok(answer),
                },
            }
        }
    }

    /// Sends an inform of `event`; a user's to the engine that discovery found. What is acknowledged has no variables.
    pub(super) async fn inform(
        &self,
        engine: Option<&SnmpEngine>,
        event: &Oid,
        variables: Vec<VarBind>,
    ) -> Result<SnmpAnswer, Cause> {
        if let Some(known) = engine.and_then(SnmpEngine::discovered) {
            let _fresh = self.engines.insert_discovered(self.wire.to, known);
        }
        match self.client.send_inform(event, 0, variables).await {
            Ok(()) => Ok(SnmpAnswer::System(Vec::new())),
            Err(error) => self.answer(&error),
        }
    }

    /// From now on asks an engine that took so long to answer before.
    pub(super) fn takes(&self, slowest: Duration) {
        let slowest = u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX);
        self.wire.slowest.store(slowest, Ordering::Relaxed);
    }

    /// Asks once more, with one message.
    pub(super) async fn ask_last(&self) -> Result<SnmpAnswer, Cause> {
        self.wire.is_last.store(true, Ordering::Relaxed);
        self.ask().await
    }

    /// How often the last message was sent until it was answered.
    pub(super) fn tries(&self) -> usize {
        self.wire.tries.load(Ordering::Relaxed)
    }

    fn answer(&self, error: &Error) -> Result<SnmpAnswer, Cause> {
        match error.exchange_source() {
            Error::Snmp { status, .. } => Ok(SnmpAnswer::Status(*status)),
            Error::Report { status, .. } => Ok(SnmpAnswer::Report((**status).clone())),
            Error::Network { source, .. } => match refusal(source) {
                Some(Cause::Path(PathCause::NoAnswer { .. })) | None => Ok(self.silence()),
                Some(cause) => Err(cause),
            },
            Error::Timeout { .. } | Error::Auth { .. } => Ok(self.silence()),
            other => Err(Cause::Talk(TalkCause::BadReply {
                expected: "an answer to an SNMP GET".into(),
                got: crate::wire::printable(&other.to_string()),
            })),
        }
    }

    fn silence(&self) -> SnmpAnswer {
        let engine = self.engines.get(&self.wire.to);
        let authenticated = engine.is_some_and(|engine| engine.authenticated_time().is_some());
        SnmpAnswer::Silence { authenticated }
    }
}

/// DES wants numbers that were never used with its key: they begin at random,
/// since nothing of ours outlives a run.
fn salt() -> Result<DesSaltState, DesSaltStateError> {
    let before = PersistedDesSaltState::new(rand::random::<u32>() >> 2 | 1)?;
    DesSaltState::restart(before, |_| Ok::<(), Infallible>(()))
}

/// Takes out the variable the agent complains of; the last, if it names none.
fn drop_named(wanted: &mut Vec<Oid>, error: &Error) {
    let named = match error.exchange_source() {
        Error::Snmp { index, .. } => usize::try_from(*index).unwrap_or_default(),
        _ => 0,
    };
    let at = named.checked_sub(1).filter(|at| *at < wanted.len());
    wanted.remove(at.unwrap_or(wanted.len().saturating_sub(1)));
}

/// The cause that [`Wire`] sent through async-snmp's error.
fn refusal(source: &io::Error) -> Option<Cause> {
    source.get_ref()?.downcast_ref::<Cause>().cloned()
}

/// Our own socket, as async-snmp's transport.
#[derive(Clone)]
struct Wire {
    socket: Arc<Udp>,
    to: SocketAddr,
    tries: Arc<AtomicUsize>,
    /// What the engine took to answer before, in milliseconds.
    slowest: Arc<AtomicU64>,
    /// Is it asked for the last time?
    is_last: Arc<AtomicBool>,
}

impl Wire {
    fn weigh<T>(
        &self,
        bytes: &[u8],
        registration: &RequestRegistration,
        validate: &mut impl FnMut(Bytes, SocketAddr) -> async_snmp::Result<Candidate<T>>,
    ) -> Weighed<async_snmp::Result<T>> {
        if registration.evaluate_response_identity(bytes, true) == ResponseIdentity::Reject {
            return if discovery::is_report(bytes) { Weighed::Late } else { Weighed::Stray };
        }
        match validate(Bytes::copy_from_slice(bytes), self.to) {
            Ok(Candidate::Accept(answer)) => Weighed::Answer(Ok(answer)),
            Ok(Candidate::Reject) => unsigned_report(bytes).map(|it| self.reported(it)).into(),
            Err(error) => Weighed::Answer(Err(error)),
        }
    }

    fn reported<T>(&self, status: ReportStatus) -> async_snmp::Result<T> {
        let metadata = Box::<ResponseMetadata>::default();
        Err(Box::new(Error::Report { target: self.to, status: Box::new(status), metadata }))
    }

    fn refused<T>(&self, cause: Cause) -> async_snmp::Result<T> {
        Err(Box::new(Error::Network { target: self.to, source: io::Error::other(cause) }))
    }
}

/// The status of a Report that carries no signature.
///
/// To get this far it answered our random message id from the agent's address.
fn unsigned_report(bytes: &[u8]) -> Option<ReportStatus> {
    let message = discovery::decode(bytes)?;
    if message.security_level() != SecurityLevel::NoAuthNoPriv {
        return None;
    }
    classify_report(message.pdu()?).ok()
}

impl Transport for Wire {
    /// Only traps are sent without waiting for an answer, and none is sent.
    async fn send(&self, _trap: &[u8]) -> async_snmp::Result<()> {
        let to = self.to;
        self.refused(Cause::Path(PathCause::NoAnswer {
            to,
            phase: Phase::Reply,
            waited: NOT_WAITED,
        }))
    }

    async fn request_with<T, F>(
        &self,
        data: &[u8],
        registration: RequestRegistration,
        mut validate: F,
    ) -> async_snmp::Result<T>
    where
        T: Send,
        F: FnMut(Bytes, SocketAddr) -> async_snmp::Result<Candidate<T>> + Send,
    {
        let accept = |bytes: &[u8]| self.weigh(bytes, &registration, &mut validate);
        let slowest = self.slowest.load(Ordering::Relaxed);
        let (schedule, listen) = if self.is_last.load(Ordering::Relaxed) {
            (&GET_AT[..1], LAST_LISTEN)
        } else if slowest >= SLOW_MS {
            // More questions would only wait in line behind each other.
            (&GET_AT[..1], GET_LISTEN + 2 * Duration::from_millis(slowest))
        } else {
            (&GET_AT[..], GET_LISTEN)
        };
        let mut asked = self.socket.exchange_weighed(data, schedule, listen, accept).await;
        if matches!(asked, Err(Cause::Path(PathCause::NoAnswer { .. })))
            && self.socket.may_still_answer()
        {
            // Its agent may only be slow; and while the host is looked at, waiting costs nothing.
            let accept = |bytes: &[u8]| self.weigh(bytes, &registration, &mut validate);
            asked = self.socket.exchange_weighed(data, &[], GET_LATE, accept).await;
        }
        match asked {
            Ok(answered) => {
                self.tries.store(answered.tries, Ordering::Relaxed);
                answered.reply
            }
            Err(cause) => self.refused(cause),
        }
    }

    fn peer_addr(&self) -> SocketAddr {
        self.to
    }

    fn local_addr(&self) -> SocketAddr {
        // Asked for by SNMP v1 traps only.
        ([0, 0, 0, 0], 0).into()
    }

    fn is_reliable(&self) -> bool {
        false
    }
}

/// Description, object id, uptime and name (RFC 3418 §2, group `system`).
const SYSTEM: [fn() -> Oid; 4] = [descr, object_id, up_time, name];

pub(super) fn descr() -> Oid {
    oid!(1, 3, 6, 1, 2, 1, 1, 1, 0)
}

pub(super) fn object_id() -> Oid {
    oid!(1, 3, 6, 1, 2, 1, 1, 2, 0)
}

pub(super) fn up_time() -> Oid {
    oid!(1, 3, 6, 1, 2, 1, 1, 3, 0)
}

pub(super) fn name() -> Oid {
    oid!(1, 3, 6, 1, 2, 1, 1, 5, 0)
}

/// The first question of all costs an agent nothing; one lost is asked again.
const GET_AT: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(800), Duration::from_millis(1_600)];
/// Together with the discovery before it 3.85 s: longer than the 3.07 s of a neighbour that does not answer,
/// and than a look at whether the host is there, which begins after that.
const GET_LISTEN: Duration = Duration::from_millis(2_650);
/// How much longer an agent is waited for whose host is known to be there, or is being looked at.
const GET_LATE: Duration = Duration::from_millis(1_050);
/// When it is asked for the last time: the path is known to be quick.
const LAST_LISTEN: Duration = Duration::from_secs(1);
/// An engine that takes longer than this is given time instead of more questions.
const SLOW_MS: u64 = 700;
const NOT_WAITED: crate::Millis = crate::Millis(Duration::ZERO);
