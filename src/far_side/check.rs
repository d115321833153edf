//! The machine that was given the code: calls the other, and judges anew what both ends saw.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use preflight_checks::{Cause, Concern, FarSideCause, PortCause, Transport, printable};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::channel::{Channel, NoChannel};
use super::code::PairingCode;
use super::judge::{Crossing, FlowProof, arrival_of, judge, tls_relay};
use super::mark::{MarkKey, segment_of};
use super::message::{Arrival, Door, DoorState, FarAnswer, FarQuestion, OpenedFlow, SentMark};
use super::send::{MarkTarget, connect, send};
use crate::respond::Doors;
use crate::run::finding::{
    Attempt, Found, MARK_FROM, REACHED_FROM, SEEN_THERE_AS, add_to_headline, issuer_in,
};
use crate::run::plan::{Action, Direction, FAR_SIDE, Plan, Step};

/// The least between two calls of one far side.
pub(crate) const PAUSE: Duration = Duration::from_secs(3);
/// Longest wait for a far side on one port.
const CALLING: Duration = Duration::from_secs(6);
/// Longest wait for an answer that needs no look around.
const ANSWERING: Duration = Duration::from_secs(10);
/// Longest wait while the far side opens its flows: as long as a silent row takes, for each of two addresses.
const ASKED_BACK: Duration = Duration::from_secs(120);

/// Calls the far side of `plan`, and puts what both ends saw into `found`.
///
/// What went wrong with the call itself is found in its own step. Listens on this machine's inbound ports
/// meanwhile. `true`: the far side has had its say to the end.
pub(crate) async fn prove(plan: &Plan, code: &PairingCode, found: &mut [Option<Found>]) -> bool {
    let Some(index) = plan.far_side_call() else { return false };
    let (Some(step), Some(Some(call))) = (plan.steps.get(index), found.get(index)) else {
        return false;
    };
    let open: Vec<Attempt> =
        call.attempts.iter().filter(|it| it.finding.verdict.is_ok()).cloned().collect();
    if open.is_empty() {
        return false;
    }
    let addresses: HashSet<IpAddr> =
        call.attempts.iter().map(|attempt| attempt.finding.peer.address.ip()).collect();
    let both = match call_on(&open, code, &step.to.0).await {
        Ok((channel, key, at)) => {
            let talk = FarConversation { channel, key, at };
            talk.through(plan, found, &addresses).await.map_err(|error| {
                let error = printable(&error.to_string());
                Cause::FarSide(FarSideCause::FarSideLost { to: at, error })
            })
        }
        Err(cause) => Err(Cause::FarSide(cause)),
    };
    let is_said = both.is_ok();
    let Some(Some(call)) = found.get_mut(index) else { return false };
    match both {
        Ok(paired) => {
            // One port is enough; the others are rows of their own.
            call.attempts.retain(|attempt| attempt.finding.peer.address == paired.at);
            for Attempt { finding, .. } in &mut call.attempts {
                finding.seen.concerns.clear();
                finding.seen.headline.clone_from(&paired.headline);
                finding.seen.evidence.set(SEEN_THERE_AS, paired.seen_as.to_string());
            }
        }
        Err(cause) => {
            for Attempt { finding, .. } in &mut call.attempts {
                if finding.verdict.is_ok() {
                    finding.verdict = Err(cause.clone());
                }
            }
        }
    }
    is_said
}

/// Calls on one port after the other, until a far side answers.
async fn call_on(
    open: &[Attempt],
    code: &PairingCode,
    role: &str,
) -> Result<(Channel<TcpStream>, MarkKey, SocketAddr), FarSideCause> {
    for attempt in open {
        let (to, from) = (attempt.finding.peer.address, attempt.finding.peer.from);
        let calling = async { Channel::call(connect(to, from, None).await?, code).await };
        match timeout(CALLING, calling).await {
            Ok(Ok((channel, key))) => return Ok((channel, key, to)),
            Ok(Err(NoChannel::Refused)) => return Err(FarSideCause::FarSideCodeRefused { to }),
            Ok(Err(NoChannel::OtherRun { ours, theirs })) => {
                let (ours, theirs) = (ours.to_string(), theirs.to_string());
                return Err(FarSideCause::FarSideOtherRun { to, ours, theirs });
            }
            Ok(Err(NoChannel::Unproved)) => return Err(FarSideCause::FarSideUnproved { to }),
            // Another service, or somebody who says nothing: the next port may have it.
            Ok(Err(NoChannel::Io(_) | NoChannel::NotOurs | NoChannel::Broken)) | Err(_) => {}
        }
    }
    let peers: Vec<SocketAddr> = open.iter().map(|attempt| attempt.finding.peer.address).collect();
    let to = peers.first().map_or(IpAddr::from([0, 0, 0, 0]), SocketAddr::ip);
    let ports = peers.iter().filter(|peer| peer.ip() == to).map(SocketAddr::port).collect();
    Err(FarSideCause::FarSideAbsent { to, ports, role: role.to_owned() })
}

/// The far side, once it is known to be the one.
struct FarConversation {
    channel: Channel<TcpStream>,
    key: MarkKey,
    at: SocketAddr,
}

/// What is said of the call itself.
struct Paired {
    at: SocketAddr,
    seen_as: IpAddr,
    headline: String,
}

impl FarConversation {
    async fn ask(
        &mut self,
        question: &FarQuestion,
        longest: Duration,
    ) -> Result<FarAnswer, NoChannel> {
        let asking = async {
            self.channel.send(question).await?;
            self.channel.receive().await
        };
        timeout(longest, asking).await.unwrap_or(Err(NoChannel::Broken))
    }

    /// Both directions, one after the other.
    async fn through(
        mut self,
        plan: &Plan,
        found: &mut [Option<Found>],
        addresses: &HashSet<IpAddr>,
    ) -> Result<Paired, NoChannel> {
        let hello = FarQuestion::Hello { role: plan.role };
        let FarAnswer::Welcome { role, seen_as, here, doors } = self.ask(&hello, ANSWERING).await?
        else {
            return Err(NoChannel::Broken);
        };
        self.outbound(plan, found, addresses, &doors).await?;
        self.inbound(plan, found, &role.to_string(), seen_as.ip()).await?;
        let translated = if here.ip() == self.at.ip() {
            String::new()
        } else {
            format!("; it says that it is {}", here.ip())
        };
        let headline = format!(
            "the {role} knows the code, and sees this machine as {}{translated}",
            seen_as.ip()
        );
        Ok(Paired { at: self.at, seen_as: seen_as.ip(), headline })
    }

    /// Marks the doors that were asked, and hears what came to them.
    async fn outbound(
        &mut self,
        plan: &Plan,
        found: &mut [Option<Found>],
        addresses: &HashSet<IpAddr>,
        doors: &[Door],
    ) -> Result<(), NoChannel> {
        let mut asked = Vec::new();
        for (step, found) in plan.steps.iter().zip(found.iter()) {
            let attempts = found.iter().flat_map(|found| &found.attempts);
            for (way, attempt) in attempts.filter_map(|it| Some((way_of(step, it)?, it))) {
                let peer = &attempt.finding.peer;
                let question = (way.transport, peer.address, peer.from);
                if addresses.contains(&peer.address.ip()) && !asked.contains(&question) {
                    asked.push(question);
                }
            }
        }
        let targets = asked.iter().filter_map(|&(transport, to, from)| {
            MarkTarget::of(door_at(doors, transport, to.port())?, to, from)
        });
        let sent = send(&self.key, targets).await;
        let FarAnswer::Came(came) = self.ask(&FarQuestion::WhatCame, ANSWERING).await? else {
            return Err(NoChannel::Broken);
        };
        let marks = &sent.marks;
        for (step, found) in plan.steps.iter().zip(found.iter_mut()) {
            let Some(found) = found.as_mut().filter(|_| step.direction == Direction::Outbound)
            else {
                continue;
            };
            for attempt in &mut found.attempts {
                let Some(way) = way_of(step, attempt) else { continue };
                let to = attempt.finding.peer.address;
                if !addresses.contains(&to.ip()) || step.flow == FAR_SIDE {
                    continue;
                }
                let transport = way.transport;
                let mark = marks.iter().find(|mark| (mark.transport, mark.to) == (transport, to));
                let door = door_at(doors, transport, to.port());
                let proof = judge(Crossing {
                    transport,
                    to,
                    verdict: attempt.finding.verdict.as_ref().copied(),
                    mark,
                    came: &came,
                    door,
                });
                let is_proved = matches!(proof, FlowProof::EndToEnd(_));
                note_outbound(attempt, proof, door);
                let relayed = mark.and_then(|mark| {
                    let arrival = arrival_of(mark, &came).map_or(0, |arrival| arrival.segment);
                    relay(mark, mark.segment.max(arrival))
                });
                let seen = &mut attempt.finding.seen;
                seen.concerns.extend(relayed.filter(|_| is_proved));
                if is_proved && let Some(door) = door {
                    let issuer = issuer_in(seen);
                    seen.concerns.extend(tls_relay(to, issuer.as_deref(), door));
                }
            }
        }
        Ok(())
    }

    /// Listens, has the far side open its flows, and sees what came.
    async fn inbound(
        &mut self,
        plan: &Plan,
        found: &mut [Option<Found>],
        role: &str,
        seen_as: IpAddr,
    ) -> Result<(), NoChannel> {
        let own = self.channel_address().unwrap_or(seen_as);
        let doors = Doors::open(plan, None).await;
        let list = doors.list().to_vec();
        if list.is_empty() {
            return Ok(());
        }
        let (host, listening) = doors.stand_by(None)?;
        host.begin(&self.key, self.at.ip());
        let question = FarQuestion::AskMe { doors: list.clone(), own };
        let said = self.ask(&question, ASKED_BACK).await?;
        let came = host.came(&self.key);
        drop(listening);
        let FarAnswer::Asked { flows, marks } = said else { return Ok(()) };
        for (step, found) in plan.steps.iter().zip(found.iter_mut()) {
            let Some(found) = found.as_mut().filter(|_| step.direction == Direction::Inbound)
            else {
                continue;
            };
            let may_wait = step.may_wait(plan.phase);
            for attempt in &mut found.attempts {
                let Some(way) = way_of(step, attempt) else { continue };
                let Some(door) = door_at(&list, way.transport, way.port) else { continue };
                let back = AskedBack { role, by: self.at.ip(), door, came: &came, may_wait };
                let of_door = |transport, to: SocketAddr| {
                    (transport, to.port()) == (door.transport, door.port)
                };
                let asked = flows
                    .iter()
                    .filter(|asked| asked.flow == step.flow && of_door(asked.transport, asked.to));
                let marks = marks.iter().filter(|mark| of_door(mark.transport, mark.to));
                back.note(attempt, &asked.collect::<Vec<_>>(), &marks.collect::<Vec<_>>());
            }
        }
        Ok(())
    }

    fn channel_address(&self) -> Option<IpAddr> {
        Some(self.channel.stream().local_addr().ok()?.ip().to_canonical())
    }
}

/// Does the connection of a mark that arrived with `came` end on the way?
///
/// Translation and tunnels leave the segment size that it offers, or make it smaller.
fn relay(mark: &SentMark, came: u16) -> Option<Concern> {
    let sent = segment_of(mark.number);
    let is_relayed = mark.transport == Transport::Tcp && came > sent;
    is_relayed.then_some(Concern::ConnectionRelayed { to: mark.to, sent, came })
}

fn way_of<'a>(step: &'a Step, attempt: &Attempt) -> Option<&'a crate::run::plan::Asked> {
    let Action::Ask(question) = &step.action else { return None };
    question.way(attempt.way)
}

fn door_at(doors: &[Door], transport: Transport, port: u16) -> Option<&Door> {
    doors.iter().find(|door| (door.transport, door.port) == (transport, port))
}

/// Puts what both ends saw of a question from here into what was found.
fn note_outbound(attempt: &mut Attempt, proof: FlowProof, door: Option<&Door>) {
    let finding = &mut attempt.finding;
    if let Some(DoorState::Taken(holder)) = door.map(|door| &door.state) {
        finding.seen.evidence.set("held_there_by", holder.as_str());
    }
    match proof {
        FlowProof::EndToEnd(from) => {
            finding.seen.evidence.set(SEEN_THERE_AS, from.ip().to_string());
            let proved = format!("proved end to end, seen there as {}", from.ip());
            add_to_headline(&mut finding.seen, &proved);
        }
        FlowProof::MarkOnly(from) => {
            finding.seen.evidence.set(SEEN_THERE_AS, from.ip().to_string());
            finding.seen.evidence.set("mark", "went there and back");
        }
        FlowProof::Fails(cause) => match finding.verdict {
            Ok(()) => finding.verdict = Err(Cause::FarSide(cause)),
            Err(_) => finding.revise(Cause::FarSide(cause)),
        },
        FlowProof::CameOnly(from) => {
            finding.seen.evidence.set(SEEN_THERE_AS, from.ip().to_string());
        }
        FlowProof::Untold => {}
    }
}

/// What the far side did towards one door of this machine.
struct AskedBack<'a> {
    /// What the far side is.
    role: &'a str,
    /// Where the far side is, as it was called on.
    by: IpAddr,
    door: &'a Door,
    /// What came to this machine's doors.
    came: &'a [Arrival],
    /// Is what listens there still to be installed?
    may_wait: bool,
}

impl AskedBack<'_> {
    fn note(&self, attempt: &mut Attempt, asked: &[&OpenedFlow], marks: &[&SentMark]) {
        let Door { transport, port, .. } = *self.door;
        let finding = &mut attempt.finding;
        let is_listener_missing =
            matches!(finding.verdict, Err(Cause::Port(PortCause::NothingListens { .. })));
        let proofs = asked.iter().map(|asked| (*asked, self.judge(asked, marks)));
        let proofs: Vec<(&OpenedFlow, FlowProof)> = proofs.collect();
        // At one of this machine's addresses it suffices.
        let proved = proofs.iter().find_map(|(_, proof)| match proof {
            FlowProof::EndToEnd(from) => Some(from.ip()),
            _ => None,
        });
        if let Some(from) = proved {
            finding.seen.evidence.set(REACHED_FROM, from.to_string());
            let relayed =
                marks.iter().find_map(|mark| relay(mark, arrival_of(mark, self.came)?.segment));
            finding.seen.concerns.extend(relayed);
            let inside_tls = asked
                .iter()
                .find_map(|asked| tls_relay(asked.to, asked.issuer.as_deref(), self.door));
            finding.seen.concerns.extend(inside_tls);
            let reached = format!(
                "proved end to end: the {} reached this machine on {transport} {port}, from {from}",
                self.role
            );
            if finding.verdict.is_ok() {
                add_to_headline(&mut finding.seen, &reached);
            } else if is_listener_missing && self.may_wait {
                finding.verdict = Ok(());
                finding.seen.headline = reached;
            }
            return;
        }
        let is_told = |(asked, proof): &(&OpenedFlow, FlowProof)| {
            asked.came_of_it.is_ok() && *proof == FlowProof::Untold
        };
        if proofs.iter().any(is_told) {
            // Its word for an answer is no proof that the question came here.
            let told = format!(
                "the {} was answered on {transport} {port}; whether by this machine could not be seen",
                self.role
            );
            add_to_headline(&mut finding.seen, &told);
            return;
        }
        let failed = proofs.iter().rev().find_map(|(asked, proof)| self.failure(asked, proof));
        if let Some(cause) = failed.filter(|_| finding.verdict.is_ok() || is_listener_missing) {
            match finding.verdict {
                Ok(()) => finding.verdict = Err(cause),
                Err(_) => finding.revise(cause),
            }
            return;
        }
        if let Some(from) =
            marks.iter().find_map(|mark| arrival_of(mark, self.came)).map(|came| came.from)
        {
            finding.seen.evidence.set(MARK_FROM, from.ip().to_string());
            if finding.verdict.is_ok() || is_listener_missing && self.may_wait {
                let (role, from) = (self.role, from.ip());
                let marked = if self.door.state == DoorState::Open || transport == Transport::Tcp {
                    format!("{transport} {port} lets the {role} in, seen here as {from}")
                } else {
                    // Read beside the program that has the port, before this host's own rules.
                    format!("a packet of the {role} came to {transport} {port}, from {from}")
                };
                add_to_headline(&mut finding.seen, &marked);
            }
        }
    }

    fn judge(&self, asked: &OpenedFlow, marks: &[&SentMark]) -> FlowProof {
        let mark = marks.iter().find(|mark| mark.to == asked.to);
        let mark = mark.map(|mark| {
            // What the far side says of its answer counts where this machine saw the mark.
            let seen_as = mark.seen_as.and_then(|_| arrival_of(mark, self.came));
            SentMark { seen_as: seen_as.map(|came| came.from), ..SentMark::clone(mark) }
        });
        judge(Crossing {
            transport: asked.transport,
            to: asked.to,
            verdict: asked.came_of_it.as_ref().map(|_| ()),
            mark: mark.as_ref(),
            came: self.came,
            door: Some(self.door),
        })
    }

    /// Why a flow of the far side fails; `None`: nobody could listen here, so it had to.
    fn failure(&self, asked: &OpenedFlow, proof: &FlowProof) -> Option<Cause> {
        let failed = |because: &Cause| {
            let (by, to, transport) = (self.by, asked.to, asked.transport);
            let because = Box::new(because.clone());
            Cause::FarSide(FarSideCause::FarSideFailed { by, to, transport, because })
        };
        match (proof, &asked.came_of_it) {
            (FlowProof::Fails(FarSideCause::FarSideNotReached { because, .. }), _) => {
                Some(failed(because))
            }
            (FlowProof::Fails(cause), _) => Some(Cause::FarSide(cause.clone())),
            (_, Err(Cause::Port(PortCause::PortClosed { .. })))
                if self.door.state != DoorState::Open =>
            {
                None
            }
            (_, Err(cause)) => Some(failed(cause)),
            (_, Ok(_)) => None,
        }
    }
}
