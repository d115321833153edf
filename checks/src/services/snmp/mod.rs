//! SNMP: is the agent there, and does it let us read?
//!
//! First v3 engine discovery, UDP 161 by default, which needs no credentials
//! and which nobody logs; then one GET of the system group with what was
//! configured. No community is ever guessed: a wrong one raises an
//! authentication failure trap, at the monitoring itself.
//!
//! Reference: [RFC 3414](https://www.rfc-editor.org/rfc/rfc3414),
//! [RFC 3416](https://www.rfc-editor.org/rfc/rfc3416).

mod credentials;
pub(crate) mod discovery;
mod inform;
mod notification;
mod question;
mod respond;
mod system;
#[cfg(test)]
mod tests;
mod vendor;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_snmp::ErrorStatus;
use async_snmp::v3::ReportStatus;

pub(crate) use inform::send_inform;
pub use notification::{Notification, NotificationSender, TrapDatagram, TrapEvent};
pub use respond::{answer_receiver, stand_in};

pub use credentials::{AuthProtocol, CommunityVersion, Credentials, PrivProtocol};

use crate::cause::{Cause, Concern, Millis, PathCause, Phase, SnmpCause, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::{Ask, Udp};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};
use discovery::{Discovered, Schedule, SnmpEngine};
use question::{SnmpAnswer, SnmpQuestion};
use system::System;

/// Looks for an agent and, with credentials, reads its system group.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// What to ask with.
    pub credentials: Credentials,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let auth = self.credentials.auth()?;
        let socket = Arc::new(Udp::share(ask)?);
        let question =
            auth.map(|auth| SnmpQuestion::new(auth, Arc::clone(&socket), ask)).transpose()?;
        let schedule = self.schedule();
        let discovered = discovery::discover(&socket, schedule, &mut ask.seen).await?;
        if let (Some(question), Some(took)) = (&question, ask.ledger.slowest_answer()) {
            question.takes(took);
        }
        let mut answer = match (&question, &discovered, &self.credentials) {
            // A user exists within an engine: without one there is nobody to ask.
            (Some(question), Discovered::Engine(engine), Credentials::User { .. }) => {
                Some(question.ask_engine(engine).await?)
            }
            (Some(question), _, Credentials::Community { .. }) => Some(question.ask().await?),
            _ => None,
        };
        if let (Some(question), Discovered::Engine(_), Some(SnmpAnswer::Silence { .. })) =
            (&question, &discovered, &answer)
        {
            answer = Some(Self::doubt_silence(question, &socket, ask).await?);
        } else if let (Some(took), Some(SnmpAnswer::Silence { .. })) =
            (ask.ledger.late_answer(), &answer)
        {
            return Err(too_slow(took, ask));
        }
        let stands_in = matches!(&discovered, Discovered::Engine(engine) if engine.stands_in());
        if let (Some(question), Some(SnmpAnswer::System(_)), false) =
            (&question, &answer, stands_in)
        {
            discovery::note_tries(question.tries(), &socket, &mut ask.seen);
        }
        ask.seen.concerns.extend(socket.elsewhere());
        let heard =
            SnmpHeard { discovered, answer, to: ask.address(), waited: ask.deadline.waited() };
        self.judge(heard, &mut ask.seen)
    }

    /// An engine answers, and the question was not answered: is it ignored, slow, or lost?
    ///
    /// # Errors
    ///
    /// [`TalkCause::TooSlow`](crate::cause::TalkCause::TooSlow) and [`PathCause::MostlyLost`](crate::cause::PathCause::MostlyLost), where a silence proves nothing.
    async fn doubt_silence(
        question: &SnmpQuestion,
        socket: &Udp,
        ask: &mut Ask,
    ) -> Result<SnmpAnswer, Cause> {
        let slowest = ask.ledger.slowest_answer().filter(|took| *took >= SLOW);
        if let Some(took) = ask.ledger.late_answer().or(slowest) {
            return Err(too_slow(took, ask));
        }
        all_answered(socket, ask).await?;
        let answer = question.ask_last().await?;
        if let SnmpAnswer::Silence { .. } = answer {
            // The last question may have been lost where those before it were not.
            all_answered(socket, ask).await?;
        }
        Ok(answer)
    }

    /// Decides from what was heard; no I/O, so every verdict has a unit test.
    fn judge(&self, heard: SnmpHeard, seen: &mut Seen) -> Result<(), Cause> {
        let SnmpHeard { discovered, answer, to, waited } = heard;
        seen.evidence.set("snmp_version", self.credentials.version());
        if self.user().is_some() {
            seen.evidence.set("security_level", self.credentials.level());
        }
        let engine = match discovered {
            Discovered::Engine(engine) => Some(engine),
            // Something that is no SNMP answers, and nothing that is.
            Discovered::Nothing(Some(stray)) if !answer.as_ref().is_some_and(is_told) => {
                return Err(stray);
            }
            Discovered::Nothing(_) => None,
        };
        let Some(answer) = answer else {
            return self.judge_discovery(engine.as_ref(), to, waited, seen);
        };
        match answer {
            SnmpAnswer::System(variables) => {
                let software = engine.as_ref().and_then(SnmpEngine::vendor);
                judge_system(&System::read(&variables, software), seen)
            }
            SnmpAnswer::Status(status) => Err(self.refused(status)),
            SnmpAnswer::Report(status) => Err(self.reported(&status, engine.as_ref())),
            SnmpAnswer::Silence { .. } if engine.is_none() => Err(no_answer(to, waited)),
            SnmpAnswer::Silence { authenticated } => Err(self.ignored(authenticated)),
        }
    }

    /// Without a question, discovery alone decides.
    fn judge_discovery(
        &self,
        engine: Option<&SnmpEngine>,
        to: SocketAddr,
        waited: Millis,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        match (engine, &self.credentials) {
            (Some(engine), _) => {
                seen.headline = format!("agent answers, {}", engine.words());
                seen.concerns.push(Concern::SnmpNotRead);
                Ok(())
            }
            // An agent of v1 and v2c only is silent too, and so is a dead host.
            (None, Credentials::None) => Err(Cause::Snmp(SnmpCause::SnmpSilent { to, waited })),
            (None, _) => Err(no_answer(to, waited)),
        }
    }

    fn refused(&self, status: ErrorStatus) -> Cause {
        match status {
            ErrorStatus::AuthorizationError => Cause::Snmp(SnmpCause::SnmpAuthorization {
                user: self.user(),
                level: self.credentials.level().into(),
            }),
            // What v1 says of a view that hides it.
            ErrorStatus::NoSuchName | ErrorStatus::NoAccess => Cause::Snmp(SnmpCause::SnmpView),
            other => Cause::Talk(TalkCause::BadReply {
                expected: "the system group".into(),
                got: format!("error status {other}"),
            }),
        }
    }

    fn reported(&self, status: &ReportStatus, engine: Option<&SnmpEngine>) -> Cause {
        let (user, level) = (self.user().unwrap_or_default(), self.credentials.level());
        match status {
            ReportStatus::UnknownUserName { .. } => {
                Cause::Snmp(SnmpCause::SnmpUnknownUser { user })
            }
            ReportStatus::WrongDigest { .. } => Cause::Snmp(SnmpCause::SnmpWrongDigest { user }),
            ReportStatus::UnsupportedSecurityLevel { .. } => {
                Cause::Snmp(SnmpCause::SnmpSecurityLevel { user, level: level.into() })
            }
            ReportStatus::DecryptionError { .. } => Cause::Snmp(SnmpCause::SnmpDecryption { user }),
            ReportStatus::NotInTimeWindow { .. } => {
                let (boots, time) = engine.map(|it| (it.boots, it.time)).unwrap_or_default();
                Cause::Snmp(SnmpCause::SnmpTimeWindow { boots, time })
            }
            other => Cause::Talk(TalkCause::BadReply {
                expected: "the system group".into(),
                got: wire::printable(&format!("a Report: {other}")),
            }),
        }
    }

    /// The agent is there and keeps silent.
    fn ignored(&self, authenticated: bool) -> Cause {
        match &self.credentials {
            Credentials::Community { .. } | Credentials::None => {
                Cause::Snmp(SnmpCause::SnmpCommunity { version: self.credentials.version().into() })
            }
            // The agent signed its clock, so the authentication is right; what
            // it then ignores is what it cannot decrypt.
            Credentials::User { privacy: Some(_), name, .. } if authenticated => {
                Cause::Snmp(SnmpCause::SnmpDecryption { user: wire::printable(name) })
            }
            Credentials::User { name, .. } => Cause::Snmp(SnmpCause::SnmpUserIgnored {
                user: wire::printable(name),
                level: self.credentials.level().into(),
            }),
        }
    }

    fn user(&self) -> Option<String> {
        match &self.credentials {
            Credentials::User { name, .. } => Some(wire::printable(name)),
            _ => None,
        }
    }

    fn schedule(&self) -> Schedule {
        match self.credentials {
            Credentials::Community { .. } => BEFORE_A_QUESTION,
            Credentials::None | Credentials::User { .. } => ALONE,
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "snmp",
    title: "SNMP",
    expected: "SNMP",
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints { serves_others: Some("agentaddress in snmpd.conf"), ..Hints::NONE },
    port: 161,
    transport: Transport::Udp,
    tls: false,
    // A late discovery, a question, and the same with the agent's own clock, each from a slow agent.
    budget: Duration::from_secs(15),
    question: Some(discovery::question),
    repeats: 24,
    probe: || crate::Probe::Snmp(Probe::default()),
    respond: Respond::Datagram(|request| respond::respond(request, respond::up())),
};

/// All that came back.
#[derive(Debug)]
struct SnmpHeard {
    discovered: Discovered,
    /// `None`: nothing was asked.
    answer: Option<SnmpAnswer>,
    to: SocketAddr,
    waited: Millis,
}

fn is_told(answer: &SnmpAnswer) -> bool {
    !matches!(answer, SnmpAnswer::Silence { .. })
}

fn judge_system(system: &System, seen: &mut Seen) -> Result<(), Cause> {
    system.record(seen);
    match system.missing() {
        0 => Ok(()),
        System::ALL => Err(Cause::Snmp(SnmpCause::SnmpView)),
        _ => {
            seen.concerns.push(Concern::SnmpSmallView);
            Ok(())
        }
    }
}

/// Asks the engine harmless questions, as many as there is time for, which must all be answered.
///
/// # Errors
///
/// [`PathCause::MostlyLost`](crate::cause::PathCause::MostlyLost) with the first that is not.
async fn all_answered(socket: &Udp, ask: &Ask) -> Result<(), Cause> {
    let took = ask.ledger.slowest_answer().unwrap_or_default().as_millis().max(1);
    let fit = ask.deadline.left().saturating_sub(SLOW).as_millis() / took;
    let most = usize::try_from(fit).unwrap_or(CONTROLS).min(CONTROLS);
    let (answered, asked) = discovery::count(socket, most).await;
    if answered == asked {
        return Ok(());
    }
    let (to, answered, asked) = (ask.address(), answered + 1, asked + 1);
    Err(Cause::Path(PathCause::MostlyLost { to, answered, asked }))
}

fn too_slow(took: Duration, ask: &Ask) -> Cause {
    Cause::Talk(TalkCause::TooSlow {
        to: ask.address(),
        took: Millis(took),
        waited: ask.deadline.waited(),
    })
}

fn no_answer(to: SocketAddr, waited: Millis) -> Cause {
    Cause::Path(PathCause::NoAnswer { to, phase: Phase::Reply, waited })
}

/// Questions to the engine that must all be answered before the last of ours, and as many after it, where its
/// silence is to count. With one in five packets of a direction lost, four questions of ours and none of these are
/// lost once in 800,000 times; whatever the share that is lost, once in 280,000 at most.
const CONTROLS: usize = 16;
/// An engine slower than this may be too slow for the question.
const SLOW: Duration = Duration::from_secs(1);
/// When nothing else is asked: the pauses let ICMP errors through.
pub(crate) const ALONE: Schedule =
    Schedule { ask_at: &crate::net::udp::ASK_AT, listen: crate::net::udp::LISTEN };

/// Many agents know no v3: they stay silent here and answer the GET.
const BEFORE_A_QUESTION: Schedule =
    Schedule { ask_at: &[Duration::ZERO, Duration::from_millis(600)], listen: BEFORE };
const BEFORE: Duration = Duration::from_millis(1_200);
