//! What all ports of a machine share: who came, how much is borne, and the conversations with whoever has the code.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use preflight_checks::{Manner, Naming, Transport, connections, half_open, printable};
use secrecy::SecretString;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::bounds::{Bounds, CALLS};
use super::told::{Told, What};
use crate::catalogue::{Party, Role};
use crate::console::limits;
use crate::far_side::{
    Arrival, CameAs, Channel, Door, DoorState, FarAnswer, FarQuestion, KnownConnections,
    MOST_DOORS, MarkKey, MarkTarget, NoChannel, OpenedFlow, PairingCode, SentMarks, Sessions,
    is_marking, send,
};
use crate::run::finding::issuer_in;
use crate::run::plan::{Action, Direction, Plan, plan};
use crate::run::runner;
use crate::settings::Job;
use crate::site::{Origin, Place, Target};

/// Longest conversation with whoever has the code.
const LONGEST: Duration = Duration::from_secs(180);
/// Until a caller has shown that it has the code.
const PAIRING: Duration = Duration::from_secs(10);
/// Questions of one conversation.
const MOST_ASKED: usize = 32;
/// How often one conversation has this machine open its flows.
const MOST_ASKED_BACK: usize = 2;
/// Arrivals that are told of one door.
const MOST_TOLD: usize = 16;
/// Connections to services that are known before a conversation begins.
const MOST_KNOWN: usize = 20_000;
/// What callers are called in the list of who came.
const CALLERS: &str = "far side";

/// What all ports of a machine share.
#[derive(Debug)]
pub(crate) struct DoorHost {
    pub(super) told: Told,
    pub(super) bounds: Bounds,
    pub(super) sessions: Sessions,
    doors: Vec<Door>,
    /// The code, and the machine whose flows are opened towards who has it; none: nobody is answered.
    paired: Option<(PairingCode, Box<Job>)>,
    /// One after the other: the flows of one machine are opened towards one other at a time.
    asking_back: Mutex<()>,
    callers: Bounds,
    /// What an agent of SNMP lets others read with; none: it answers discovery alone.
    pub(super) community: Option<SecretString>,
}

impl DoorHost {
    /// For those doors; aloud, it says who comes.
    pub(super) fn new(
        doors: Vec<Door>,
        paired: Option<(PairingCode, Box<Job>)>,
        is_aloud: bool,
    ) -> Self {
        Self {
            told: Told::new(is_aloud),
            bounds: Bounds::default(),
            sessions: Sessions::default(),
            doors,
            paired,
            asking_back: Mutex::default(),
            callers: Bounds::default(),
            community: None,
        }
    }

    /// The same, whose agent of SNMP lets others read with that community.
    pub(super) fn lets_read_with(self, community: Option<SecretString>) -> Self {
        Self { community, ..self }
    }

    /// A conversation with who says that it has the code.
    pub(super) async fn converse(&self, connection: TcpStream, client: SocketAddr) {
        let Some((code, job)) = &self.paired else { return };
        if !self.callers.allow(client.ip(), CALLS, Instant::now()) {
            self.told.tell(CALLERS, client.ip(), What::Refused);
            return;
        }
        let Ok(here) = connection.local_addr() else { return };
        match timeout(PAIRING, Channel::answer(connection, code)).await {
            Ok(Ok((channel, key))) => {
                self.told.tell(CALLERS, client.ip(), What::Paired);
                if self.begin(&key, client.ip()) {
                    let talk = self.talk(channel, &key, job, client, here);
                    // However it ends: the caller sees that it did.
                    let _ended = timeout(LONGEST, talk).await;
                    self.sessions.close(key.session());
                }
            }
            Ok(Err(NoChannel::Refused)) => self.told.tell(CALLERS, client.ip(), What::WrongCode),
            Ok(Err(_)) | Err(_) => self.told.tell(CALLERS, client.ip(), What::Came),
        }
    }

    async fn talk(
        &self,
        mut channel: Channel<TcpStream>,
        key: &MarkKey,
        job: &Job,
        client: SocketAddr,
        here: SocketAddr,
    ) -> Result<(), NoChannel> {
        let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let (seen_as, here) = (canonical(client), canonical(here));
        let mut caller = None;
        let mut asked_back = 0;
        // Until the caller has seen them, connections that were left silent last.
        let mut _silent = None;
        for _ in 0..MOST_ASKED {
            let answer = match channel.receive().await? {
                FarQuestion::Hello { role } => {
                    caller = Some(role);
                    let doors = self.doors.clone();
                    FarAnswer::Welcome { role: job.site.role, seen_as, here, doors }
                }
                FarQuestion::WhatCame => FarAnswer::Came(self.came(key)),
                FarQuestion::AskMe { doors, own } => match caller {
                    Some(role) if asked_back < MOST_ASKED_BACK && doors.len() <= MOST_DOORS => {
                        asked_back += 1;
                        self.told.tell(CALLERS, client.ip(), What::AskedBack);
                        if own.to_canonical() != seen_as.ip() {
                            self.told.tell(CALLERS, own, What::AskedAtClaim);
                        }
                        let addresses = [seen_as.ip(), own];
                        let (flows, sent) = self.ask_back(key, job, role, &doors, &addresses).await;
                        let marks = sent.marks.clone();
                        _silent = Some(sent);
                        FarAnswer::Asked { flows, marks }
                    }
                    _ => FarAnswer::No { why: "it was asked too often".to_owned() },
                },
            };
            channel.send(&answer).await?;
        }
        Ok(())
    }

    /// All that came, a line each.
    pub(crate) fn sum(&self) -> Vec<String> {
        self.told.sum()
    }

    /// Takes marks of a conversation from now on; `false`: there are too many.
    pub(crate) fn begin(&self, key: &MarkKey, seen: IpAddr) -> bool {
        let ports = self.doors.iter().filter(|door| is_service(door)).map(|door| door.port);
        let of_port = |port: u16| {
            let all = connections(port).unwrap_or_default().into_iter();
            all.map(move |connection| (port, connection.from))
        };
        let before = ports.flat_map(of_port).take(MOST_KNOWN).collect();
        self.sessions.open(key, seen, before)
    }

    /// What of a conversation has come to the doors of this machine.
    pub(crate) fn came(&self, key: &MarkKey) -> Vec<Arrival> {
        let (mut came, seen, before) = self.sessions.came(key.session());
        for door in self.doors.iter().filter(|door| is_service(door)) {
            came.extend(came_to_service(door.port, &seen, &before));
        }
        for &Door { transport, port, .. } in &self.doors {
            let arrival = |from, what| Arrival { transport, port, from, what, segment: 0 };
            let is_theirs = |from: &IpAddr| seen.contains(&from.to_canonical());
            let askers = self.told.askers(&format!("{transport} {port}"));
            let (theirs, others): (Vec<IpAddr>, Vec<IpAddr>) =
                askers.into_iter().partition(is_theirs);
            let theirs = theirs.into_iter().take(MOST_TOLD);
            came.extend(theirs.map(|from| arrival(SocketAddr::new(from, 0), CameAs::Question)));
            if !others.is_empty() {
                // Whose they are is not this conversation's affair.
                let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
                came.push(arrival(nobody, CameAs::Stranger));
            }
            if transport == Transport::Tcp {
                let knocks = half_open(port).unwrap_or_default().into_iter();
                let theirs = knocks.filter(|from| is_theirs(&from.ip())).take(MOST_TOLD);
                came.extend(theirs.map(|from| arrival(from, CameAs::HalfOpen)));
            }
        }
        came
    }

    /// Opens this machine's flows towards the caller, and marks its doors.
    ///
    /// Only at the address that it is seen as, or its own: nobody else is asked for it.
    async fn ask_back(
        &self,
        key: &MarkKey,
        job: &Job,
        role: Role,
        doors: &[Door],
        addresses: &[IpAddr],
    ) -> (Vec<OpenedFlow>, SentMarks) {
        let _one_at_a_time = self.asking_back.lock().await;
        let is_here = addresses.first().is_some_and(|seen| seen.to_canonical().is_loopback());
        let mut addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
        addresses.dedup();
        addresses.retain(|address| {
            !address.is_unspecified() && !address.is_multicast() && address.is_loopback() == is_here
        });
        // Where one address does not do, the other is worth a question.
        let (mut flows, mut marks) = (Vec::new(), SentMarks::default());
        for address in addresses {
            let targets = doors
                .iter()
                .filter_map(|door| MarkTarget::of(door, SocketAddr::new(address, door.port), None));
            let opened = flows_towards(job, role, address, doors);
            let (there, sent) = tokio::join!(opened, send(key, targets));
            flows.extend(there);
            marks.join(sent);
        }
        (flows, marks)
    }
}

/// Does a service have that TCP port, so that the kernel alone tells what comes?
fn is_service(door: &Door) -> bool {
    door.transport == Transport::Tcp && door.is_watched && door.state != DoorState::Open
}

/// The connections to a service's port that are new since the conversation began: those that may be the
/// other machine's one by one, all others as somebody's.
fn came_to_service(port: u16, seen: &HashSet<IpAddr>, before: &KnownConnections) -> Vec<Arrival> {
    let arrival = |from, segment, what| {
        let transport = Transport::Tcp;
        Arrival { transport, port, from, what, segment }
    };
    let new = connections(port).unwrap_or_default().into_iter();
    let new = new.filter(|connection| !before.contains(&(port, connection.from)));
    let (mut theirs, others): (Vec<_>, Vec<_>) = new.partition(|connection| {
        seen.contains(&connection.from.ip().to_canonical()) || is_marking(connection.segment)
    });
    theirs.sort_by_key(|connection| !is_marking(connection.segment));
    let has_others = !others.is_empty() || theirs.len() > MOST_TOLD;
    let theirs = theirs.into_iter().take(MOST_TOLD);
    let mut came: Vec<Arrival> = theirs
        .map(|connection| arrival(connection.from, connection.segment, CameAs::Connection))
        .collect();
    if has_others {
        came.push(arrival(SocketAddr::from(([0, 0, 0, 0], 0)), 0, CameAs::Stranger));
    }
    came
}

/// Opens the flows of this machine that lead to those doors of a machine of that role, at one address.
async fn flows_towards(job: &Job, role: Role, address: IpAddr, doors: &[Door]) -> Vec<OpenedFlow> {
    let mut plan = plan_towards(job, role, address);
    // It knows the others already, or asks for none of them.
    plan.steps.retain(|step| doors.iter().any(|door| door.flows.contains(&step.flow)));
    let manner = Manner {
        scale: job.settings.tuned.timeout,
        trace: job.settings.trace,
        files: limits::files(),
        rate: job.settings.rate.unwrap_or(preflight_checks::RATE),
    };
    let never = std::future::pending();
    let found =
        runner::run(&plan, &job.site.trust, &Naming::here(), manner, never, |_event| ()).await;
    let mut asked = Vec::new();
    for (step, found) in plan.steps.iter().zip(found) {
        let Action::Ask(question) = &step.action else { continue };
        for attempt in found.into_iter().flat_map(|found| found.attempts) {
            let Some(way) = question.way(attempt.way) else { continue };
            asked.push(OpenedFlow {
                flow: step.flow.clone(),
                transport: way.transport,
                to: attempt.finding.peer.address,
                issuer: issuer_in(&attempt.finding.seen),
                came_of_it: attempt
                    .finding
                    .verdict
                    .map(|()| printable(&attempt.finding.seen.headline)),
            });
        }
    }
    asked
}

fn plan_towards(job: &Job, role: Role, address: IpAddr) -> Plan {
    let mut site = job.site.clone();
    let there = Party(role.to_string());
    let place = address.to_string().parse::<Place>();
    let target = place.map(|place| Target::new(place, Origin::flag("--far-side")));
    site.targets.clear();
    site.targets.insert(there.clone(), target.into_iter().collect());
    let mut plan = plan(&job.catalogue, &site, &job.settings);
    plan.steps.retain(|step| {
        step.to == there
            && step.direction == Direction::Outbound
            && matches!(step.action, Action::Ask(_))
    });
    plan
}
