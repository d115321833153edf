//! Diagnosis: a question is asked, and where it fails it is found out why.
//!
//! One door, [`Examiner::diagnose`], behind which stand the probe, the look at who answers instead,
//! and the looks at the path, at who sent a RST and at what carries the packets. What an examiner
//! has sent is counted over all its diagnoses, so that a run in which everything is silent ends, and
//! is no flood.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{OnceCell, Semaphore};

use crate::cause::{
    Cause, CircleSign, Layer, LdapCause, PathCause, Phase, TalkCause, Transport, WebCause,
};
use crate::identify::{closes_on_everybody, identify};
use crate::net::post::Post;
#[cfg(test)]
use crate::net::post::RATE;
use crate::net::route::entry_for;
use crate::net::{
    Ask, Deadline, Ledger, Naming, Peer, RESOLVE, Trust, hand_set_neighbour, hindrance, network,
};
use crate::path::circle::{examine_circle, judge_circle};
use crate::path::cut::{CutTrace, examine_cut, is_cut, judge_cut, nobody_behind};
use crate::path::ports::{PortsTrace, examine_ports, judge_ports};
use crate::path::reset::{ResetTrace, examine_reset, is_reset, judge_reset};
use crate::path::stand_in::{examine_stand_in, is_wordless_end, judge_stand_in};
use crate::path::vpn::{Vpn, examine_vpn, judge_vpn};
use crate::path::{
    HostSign, Trace, examine_host, examine_path, examine_segment, is_silence, judge,
};
use crate::services::OWN_SOCKETS;
use crate::services::snmp::discovery::number_of;
use crate::{Finding, Probe, Seen, Service, put};

/// Questions to one host's UDP ports at once: a host answers about six closed
/// ports in a burst and then one a second, so more would look like silence;
/// three, asked twice in their first second, are as many. Fewer would make a
/// silent host that serves time, names and SNMP cost its deadline twice.
const UDP_PER_HOST: usize = 3;
/// Looks at the path at once. Routers name themselves about six times in a burst and then once a
/// second, so the first of all may stay unnamed; it is known from the routing table.
const TRACES: usize = 16;
/// Looks of other kinds at the targets of one service: more would say the same again.
const TRACES_PER_SERVICE: usize = 3;
/// Looks at paths to the targets of one service in one network: hosts beside them are explained by these.
const TRACES_PER_NETWORK: usize = 2;
/// Networks of one service to which paths are looked at.
const NETWORKS_PER_SERVICE: usize = 64;
/// Targets of one service in one network of which it is counted how many answers are lost: what is lost
/// on the way is lost for their neighbours too.
const COUNTED_PER_NETWORK: usize = 4;
/// When a silence is looked into: a router, or this host, has said by then that the peer does not answer for its
/// address (3.07 s). A look before that would use up the few such words that a router has in a second.
const UNREFUSED: Duration = Duration::from_millis(3_150);
/// Silent targets of one service of which it is asked whether the host is there, and how many of them at
/// once: five packets each, and none that a router has to answer.
const HOSTS_PER_SERVICE: usize = 64;
const HOSTS_AT_ONCE: usize = 32;
/// Descriptors that a look at the path has open at most, and one at a host beside it.
const FILES_OF_A_TRACE: usize = 20;
/// Longest time to find out who answers without a word: two seconds for TLS, one for each of four protocols.
const IDENTIFY: Duration = Duration::from_secs(6);
/// Longest look at one path.
const TRACE: Duration = Duration::from_millis(2_200);
/// Longest look at the kernel's table of neighbours after a wait of 3.85 s: an entry that is out of date is asked anew
/// five seconds after it was used, half a second later at most, and has half a second to answer.
const SEGMENT: Duration = Duration::from_millis(2_400);
/// No look begins later than this after the first one: a run in which
/// everything is silent must end, however many targets it has.
const TRACING: Duration = Duration::from_secs(2);
/// Longest question to a port that is only tried because another one failed:
/// a silent host must not cost its connection time twice.
const ELSEWHERE: Duration = Duration::from_secs(3);

/// How long and how far questions are looked into.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Every wait times this.
    pub scale: f64,
    /// After a failure, look into it: who answers instead, where on the way does a silence begin?
    pub trace: bool,
    /// Descriptors there are for questions and looks, about half of them for each.
    pub files: usize,
    /// Packets a second that many devices are asked with, at most; [`RATE`](crate::RATE) is usual.
    pub rate: u32,
}

/// What is being done about a question, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is put to a peer, and answered or given up within this time.
    Asking(Duration),
    /// No answer has come yet; while it may still come, the examiner looks for the hop where the silence begins.
    LookingAtPath,
    /// It failed, and the examiner looks for the reason.
    LookingInto,
}

/// Who watches a question.
#[derive(Clone)]
pub struct Watcher(Arc<dyn Fn(Stage) + Send + Sync>);

impl Watcher {
    /// One that is told each stage when it begins.
    pub fn new(told: impl Fn(Stage) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Watcher")
    }
}

/// One probe at one address.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who is told what is done about it.
    pub watcher: Option<Watcher>,
    /// Which way of the question it is; comes back with the finding.
    pub way: usize,
    /// What is asked.
    pub probe: Probe,
    /// Over TCP or UDP.
    pub transport: Transport,
    /// The address asked.
    pub peer: Peer,
}

impl Case {
    fn tell(&self, stage: Stage) {
        if let Some(Watcher(told)) = &self.watcher {
            told(stage);
        }
    }
}

/// One question, in all ways and at all addresses of its host.
#[derive(Clone, Debug, Default)]
pub struct Inquiry<'a> {
    /// The ways at each address; one that works suffices.
    pub addresses: Vec<Vec<Case>>,
    /// Asked when nothing of that works, for three seconds at most, and not looked into.
    pub instead: Vec<Case>,
    /// The VPN that should carry the packets.
    pub vpn: Option<&'a Vpn>,
    /// Is it known already why it fails, if it does? Then it is not looked into.
    pub is_explained: bool,
}

/// Who diagnoses: what all questions of one run share.
#[derive(Debug)]
pub struct Examiner {
    trust: Trust,
    /// What names are found with.
    names: Naming,
    manner: Manner,
    udp: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
    /// Did a peer refuse credentials?
    refused: tokio::sync::Mutex<bool>,
    /// What a proxy says to a user's password: whoever comes later waits for the first answer.
    log_ins: Mutex<HashMap<(String, String), LogIn>>,
    traces: Semaphore,
    hosts: Semaphore,
    first_trace: OnceLock<Instant>,
    first_reset: OnceLock<Instant>,
    /// Visits to services that count them: one a run, also where several questions ask for it.
    visits: Mutex<HashMap<Visited, Visit>>,
    /// Who resets: asked once an address, since a device tells only so much a second, and two steps
    /// that meet one refusal must not say two things about it.
    senders: Mutex<HashMap<Visited, Arc<OnceCell<ResetTrace>>>>,
    /// Looks by service.
    looks: Mutex<HashMap<(LookKind, &'static str), usize>>,
    /// The sockets that questions to many devices go through; `None`: there is no thread for them.
    post: OnceLock<Option<Post>>,
    /// Looks at gateways, by address, while answers are waited for and after that.
    segments: Mutex<HashMap<(IpAddr, bool), SharedLook>>,
    /// Looks at the path, and counts of lost answers, by service and network.
    places: Mutex<HashMap<(&'static str, IpAddr), NetworkTally>>,
}

/// One look for all who want to know: whoever comes later waits for it.
type SharedLook = Arc<OnceCell<Trace>>;

/// What a look is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LookKind {
    /// Whether the host is there at all.
    Host,
    /// Ports of ours, or who cuts a connection.
    Closer,
}

/// What was done about one service in one network.
#[derive(Debug, Default)]
struct NetworkTally {
    /// Paths that were looked at.
    traces: usize,
    /// Targets of which lost answers were counted.
    counted: usize,
}

/// A service that was visited: its address, and the one it was asked from.
type Visited = (SocketAddr, Option<IpAddr>);
/// What came of the one visit; others wait for it.
type Visit = Arc<OnceCell<Finding>>;
/// A proxy's refusal, if it was one.
type LogIn = Arc<OnceCell<Option<Cause>>>;

impl Examiner {
    /// One that has asked nothing yet.
    #[must_use]
    pub fn new(trust: Trust, names: Naming, manner: Manner) -> Self {
        Self {
            trust,
            names,
            manner,
            udp: Mutex::default(),
            refused: tokio::sync::Mutex::new(false),
            log_ins: Mutex::default(),
            traces: Semaphore::new((manner.files / 2 / FILES_OF_A_TRACE).clamp(1, TRACES)),
            hosts: Semaphore::new((manner.files / 2 / FILES_OF_A_TRACE).clamp(1, HOSTS_AT_ONCE)),
            first_trace: OnceLock::new(),
            first_reset: OnceLock::new(),
            visits: Mutex::default(),
            senders: Mutex::default(),
            looks: Mutex::default(),
            post: OnceLock::new(),
            segments: Mutex::default(),
            places: Mutex::default(),
        }
    }

    /// Asks a question, and looks into what fails; each finding comes with the way of its case.
    ///
    /// What the probe itself saw is kept where a look has made another cause of it
    /// ([`Seen::at_first`](crate::Seen::at_first)). Dropping the future ends every conversation.
    // Ten thousand questions wait at once: what comes after the wait is boxed, so that none holds room for it
    // meanwhile.
    pub async fn diagnose(&self, inquiry: Inquiry<'_>) -> Vec<(usize, Finding)> {
        let Inquiry { addresses, instead, vpn, is_explained } = inquiry;
        let asked = if addresses.iter().flatten().any(|case| case.probe.risks_lockout()) {
            Box::pin(self.in_turn(addresses)).await
        } else {
            // Collected, as `join_all` keeps twice the room for what has no known number.
            let all: Vec<Case> = addresses.into_iter().flatten().collect();
            join_all(all.into_iter().map(async |case| {
                let budget = case.probe.service().budget;
                let (finding, path) = self.ask_and_look(&case, budget, is_explained).await;
                (case, finding, path)
            }))
            .await
        };
        let nothing_works = asked.iter().all(|(_, finding, _)| finding.verdict.is_err());
        let looked_into = asked.into_iter().map(async |(case, mut finding, path)| {
            if let Err(failure) = &finding.verdict
                && !is_explained
                && let Some(own) = {
                    let from = finding.source.or(finding.peer.from);
                    hindrance(failure, finding.peer.address, from, case.transport)
                }
            {
                finding.revise(own);
            } else if self.manner.trace && !is_explained {
                Box::pin(self.look_into(&mut finding, &case, path)).await;
            }
            (case.way, finding)
        });
        let elsewhere = instead.into_iter().filter(|_| nothing_works);
        let elsewhere =
            elsewhere.map(async |case| (case.way, Box::pin(self.ask(&case, ELSEWHERE)).await));
        let (mut found, elsewhere) = tokio::join!(join_all(looked_into), join_all(elsewhere));
        found.extend(elsewhere);
        if let Some(vpn) = vpn {
            let deadline = self.deadline(RESOLVE);
            for (_, finding) in &mut found {
                let carriage = Box::pin(examine_vpn(vpn, finding, &self.names, deadline)).await;
                judge_vpn(vpn, &carriage, finding);
            }
        }
        found
    }

    fn deadline(&self, limit: Duration) -> Deadline {
        Deadline::scaled(limit, self.manner.scale)
    }

    /// One after the other, so that an account's password is tried once: the next
    /// port only when the one before was not reached, and after a refusal nobody
    /// is asked with credentials any more.
    async fn in_turn(&self, addresses: Vec<Vec<Case>>) -> Vec<(Case, Finding, Option<Trace>)> {
        let mut refused = self.refused.lock().await;
        let mut asked = Vec::new();
        for ways in addresses {
            for mut case in ways {
                if *refused {
                    case.probe = case.probe.without_credentials();
                }
                let budget = case.probe.service().budget;
                let (finding, path) = self.ask_and_look(&case, budget, false).await;
                let verdict = finding.verdict.clone();
                asked.push((case, finding, path));
                match verdict {
                    Err(cause) if cause.layer() < Layer::Protocol => {}
                    Err(cause) => {
                        *refused |= matches!(cause, Cause::Ldap(LdapCause::LdapBindRefused { .. }));
                        break;
                    }
                    Ok(()) => break,
                }
            }
        }
        asked
    }

    /// A question and the look beside it; behind a proxy with a password only the first one shows
    /// that before the proxy has taken it, since a proxy's accounts are locked like others.
    async fn ask_and_look(
        &self,
        case: &Case,
        budget: Duration,
        is_explained: bool,
    ) -> (Finding, Option<Trace>) {
        let asking = || Box::pin(self.ask_while_looking(case, budget, is_explained));
        let Some(account) = case.probe.proxy_account() else { return asking().await };
        let log_in = {
            let mut log_ins = self.log_ins.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(log_ins.entry(account).or_default())
        };
        let mut own = None;
        let first = async {
            let (finding, path) = asking().await;
            let refusal = finding.verdict.as_ref().err().filter(|cause| is_refused_log_in(cause));
            let refusal = refusal.cloned();
            own = Some((finding, path));
            refusal
        };
        let refusal = log_in.get_or_init(|| first).await.clone();
        match (own, refusal) {
            (Some(asked), _) => asked,
            (None, Some(refusal)) => (not_asked(case, refusal), None),
            (None, None) => asking().await,
        }
    }

    /// The question itself, and while nothing comes of it a look at the path.
    ///
    /// Over UDP that look asks nothing of the service: one that is slow must not be kept from the answer.
    async fn ask_while_looking(
        &self,
        case: &Case,
        budget: Duration,
        is_explained: bool,
    ) -> (Finding, Option<Trace>) {
        let ledger = Ledger::default();
        let mut asking = std::pin::pin!(self.ask_into(case, budget, &ledger));
        if !self.manner.trace || is_explained {
            return (asking.await, None);
        }
        let finding = Deadline::scaled(UNREFUSED, self.manner.scale);
        if let Some(finding) = finding.bound(&mut asking).await {
            return (finding, None);
        }
        Box::pin(self.look_while(asking, case, &ledger)).await
    }

    /// Looks at the path until an answer comes, unless something has been heard already.
    async fn look_while(
        &self,
        mut asking: Pin<&mut impl Future<Output = Finding>>,
        case: &Case,
        ledger: &Ledger,
    ) -> (Finding, Option<Trace>) {
        if !ledger.is_unheard() {
            return (asking.await, None);
        }
        case.tell(Stage::LookingAtPath);
        ledger.looked_at(true);
        let mut looking = Box::pin(self.look_beside(case, ledger));
        let (finding, path) = tokio::select! {
            finding = &mut asking => (finding, None),
            path = &mut looking => (asking.await, Some(path)),
        };
        let is_its_silence = finding.verdict.as_ref().is_err_and(is_silence)
            && finding.peer.address == case.peer.address;
        match path {
            _ if !is_its_silence => (finding, None),
            Some(path) => (finding, path),
            None => (finding, looking.await),
        }
    }

    /// The look at the path while the answer is still waited for.
    async fn look_beside(&self, case: &Case, ledger: &Ledger) -> Option<Trace> {
        let Peer { address, from, .. } = case.peer;
        let path = self.look_at_path(address, from, case, None, false).await;
        if path.as_ref().is_some_and(|path| {
            matches!(path.host, HostSign::Alive { .. }) || path.reached_port.is_some()
        }) {
            ledger.host_is_there();
        }
        ledger.looked_at(false);
        path
    }

    /// The question itself, in its turn.
    async fn ask(&self, case: &Case, budget: Duration) -> Finding {
        self.ask_into(case, budget, &Ledger::default()).await
    }

    /// The same, with a book that others may look into meanwhile.
    async fn ask_into(&self, case: &Case, budget: Duration, ledger: &Ledger) -> Finding {
        let peer = &case.peer;
        let turn = (case.transport != Transport::Tcp).then(|| self.udp_turn(peer.address.ip()));
        let _turn = match &turn {
            Some(turn) => turn.acquire().await.ok(),
            None => None,
        };
        if case.probe.service().counts_visits() {
            let visit = self.visit(peer);
            let found = visit.get_or_init(|| Box::pin(self.meet(case, budget, ledger))).await;
            Finding { peer: peer.clone(), ..found.clone() }
        } else {
            self.meet(case, budget, ledger).await
        }
    }

    /// The question itself, and who answers instead.
    async fn meet(&self, case: &Case, budget: Duration, ledger: &Ledger) -> Finding {
        let Case { probe, transport, peer, .. } = case;
        case.tell(Stage::Asking(budget.mul_f64(self.manner.scale)));
        let mut ask = Ask::new(peer.clone(), self.deadline(budget), self.trust.clone());
        ask.ledger = ledger.clone();
        if probe.descriptors() < OWN_SOCKETS {
            let open = || Post::open(self.manner.rate, number_of).ok();
            ask.post.clone_from(self.post.get_or_init(open));
        }
        let mut finding = Box::pin(put(probe, ask, self.repeats_of(case))).await;
        if let Err(failure) = &finding.verdict
            && self.manner.trace
            && *transport == Transport::Tcp
        {
            let deadline = self.deadline(IDENTIFY);
            let service = probe.service();
            let named = Box::pin(identify(service, &finding.peer, failure, deadline)).await;
            let named = match named {
                None => {
                    let connect = finding.seen.timings.connect.unwrap_or_default();
                    let took = finding.took.saturating_sub(connect);
                    let (peer, deadline) = (&finding.peer, self.deadline(IDENTIFY));
                    Box::pin(closes_on_everybody(service, peer, failure, took, deadline)).await
                }
                named => named,
            };
            if let Some(named) = named {
                finding.revise(named);
            }
        }
        finding
    }

    /// After a silence: where on the way does it begin? After a RST: who sent it? After a first packet
    /// that was lost: are others too, from the same port?
    ///
    /// `path` is what was seen of it while the answer was waited for.
    async fn look_into(&self, finding: &mut Finding, case: &Case, path: Option<Trace>) {
        let Err(failure) = &finding.verdict else {
            if finding.lost_from().is_some()
                && let Some(ports) = self.look_at_ports(finding, case).await
            {
                finding.seen.concerns.push(ports.concern());
            }
            return;
        };
        let failure = failure.clone();
        case.tell(Stage::LookingInto);
        if is_silence(&failure) {
            let (path, ports) = self.look_after(finding, case, path).await;
            let judged = path.as_ref().map(|trace| judge(trace, &failure));
            let judged = ports.as_ref().map(|trace| judge_ports(trace, &failure)).or(judged);
            if let Some(trace) = path {
                trace.note(&mut finding.seen.evidence);
            }
            let judged = judged.unwrap_or_else(|| failure.clone());
            let by_hand = hand_set_neighbour(&judged, finding.source);
            finding.revise(by_hand.unwrap_or(judged));
        } else if is_reset(&failure, case.transport)
            && let Some(trace) = self.look_for_sender(finding).await
        {
            trace.note(&mut finding.seen.evidence);
            finding.revise(judge_reset(&trace, &failure));
        } else if is_cut(&failure, case.transport)
            && let Some(trace) = self.look_who_cuts(finding, case).await
        {
            trace.note(&mut finding.seen.evidence);
            finding.revise(judge_cut(&trace, &failure));
        } else if let Some(named) = nobody_behind(&failure, finding.took) {
            finding.revise(named);
        } else if matches!(failure, Cause::Path(PathCause::HopLimitExceeded { .. }))
            && let Some(sign) = self.look_for_circle(finding, case).await
        {
            finding.revise(judge_circle(sign, &failure));
        }
        if let Some(stand_in) = self.look_for_stand_in(finding, case).await {
            finding.revise(judge_stand_in(stand_in, finding.peer.address, &failure));
        }
        if let Some(named) = behind_tls(finding) {
            finding.revise(named);
        }
    }

    /// Where does the silence begin, and is it bound to a port of ours? `None` each, when it is too late.
    ///
    /// What was seen meanwhile suffices, unless it asked the service nothing and the host is there.
    async fn look_after(
        &self,
        finding: &Finding,
        case: &Case,
        beside: Option<Trace>,
    ) -> (Option<Trace>, Option<PortsTrace>) {
        let (to, from) = (finding.peer.address, finding.source);
        let Some(path) = beside else {
            // It was too short for a look meanwhile.
            let question = case.probe.service().question.map(|question| question());
            let ports = async {
                let is_first = self.is_worth_a_look(case.probe.service());
                if is_first { self.ask_from_other_ports(finding, case).await } else { None }
            };
            let path = self.look_at_path(to, from, case, question.as_deref(), true);
            return tokio::join!(path, ports);
        };
        if !path.is_told() {
            // What is out of date in the kernel's table of neighbours shows only some seconds later.
            let segment = self.look_at_segment(to, from, case.transport, true).await;
            let Some(Trace { host, next_hop, .. }) = segment else { return (Some(path), None) };
            return (Some(Trace { host, next_hop, ..path }), None);
        }
        let is_there = matches!(path.host, HostSign::Alive { .. });
        if !is_there || !self.is_worth_a_look(case.probe.service()) {
            return (Some(path), None);
        }
        let ports = self.ask_from_other_ports(finding, case);
        let (Transport::Udp, Some(question)) = (case.transport, case.probe.service().question)
        else {
            return (Some(path), ports.await);
        };
        let question = question();
        let again = examine_path(to, from, Transport::Udp, Some(&question), self.deadline(TRACE));
        let (again, ports) = tokio::join!(again, ports);
        (Some(again), ports)
    }

    /// Where does the silence begin? `None`, when it is too late, or known of its network.
    async fn look_at_path(
        &self,
        to: SocketAddr,
        from: Option<IpAddr>,
        case: &Case,
        question: Option<&[u8]>,
        is_over: bool,
    ) -> Option<Trace> {
        let (service, over) = (case.probe.service(), case.transport);
        let deadline = || self.deadline(TRACE);
        let last_start = TRACING.mul_f64(self.manner.scale);
        if self.may_trace(service, to.ip()) {
            let _turn = self.deadline(TRACING).bound(self.traces.acquire()).await?.ok()?;
            if self.first_trace.get_or_init(Instant::now).elapsed() <= last_start {
                let look = Box::pin(examine_path(to, from, over, question, deadline()));
                return Some(look.await);
            }
        } else if self.looks_before(LookKind::Host, service) < HOSTS_PER_SERVICE {
            // Those beside it tell of the way; whether it is there, only itself.
            // Where few may look at once, most are not looked at.
            let _turn = self.deadline(TRACING).bound(self.hosts.acquire()).await?.ok()?;
            return Some(Box::pin(examine_host(to, from, over, deadline())).await);
        }
        // What sends nothing is looked at for everybody.
        self.look_at_segment(to, from, over, is_over).await
    }

    /// Does the host of our own segment, or the gateway to it, answer for its address? Of one gateway this is
    /// asked once while answers are waited for, and once when that `is_over`.
    async fn look_at_segment(
        &self,
        to: SocketAddr,
        from: Option<IpAddr>,
        over: Transport,
        is_over: bool,
    ) -> Option<Trace> {
        let entry = entry_for(to.ip(), from);
        let limit = if is_over { SEGMENT } else { TRACE };
        let look = || Box::pin(examine_segment(to, from, over, self.deadline(limit)));
        let Some(gateway) = entry.as_ref().and_then(|entry| entry.via) else {
            // The kernel asks a neighbour for some seconds before it gives up.
            return if is_over { Some(look().await) } else { None };
        };
        let known = {
            let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(segments.entry((gateway, is_over)).or_default())
        };
        let known = known.get_or_init(look).await.clone();
        let next_hop = known.next_hop.as_ref().and(entry);
        Some(Trace { to, transport: over, next_hop, ..known })
    }

    /// May the path to `to` be looked at, as one of the first of its network?
    fn may_trace(&self, service: &Service, to: IpAddr) -> bool {
        let networks = {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let of_service = places.iter().filter(|((name, _), _)| *name == service.name);
            of_service.filter(|(_, place)| place.traces > 0).count()
        };
        self.place(service, to, |place| {
            let is_known = place.traces > 0 || networks < NETWORKS_PER_SERVICE;
            let may = is_known && place.traces < TRACES_PER_NETWORK;
            place.traces += usize::from(may);
            may
        })
    }

    /// How often an answer is asked for once more, to count those that are lost.
    fn repeats_of(&self, case: &Case) -> usize {
        let service = case.probe.service();
        let is_counted = self.place(service, case.peer.address.ip(), |place| {
            place.counted += 1;
            place.counted <= COUNTED_PER_NETWORK
        });
        if is_counted { service.repeats } else { 0 }
    }

    fn place<T>(
        &self,
        service: &Service,
        of: IpAddr,
        see: impl FnOnce(&mut NetworkTally) -> T,
    ) -> T {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        see(places.entry((service.name, network(of))).or_default())
    }

    /// After an answer to a second packet: was the first one lost because of its port?
    async fn look_at_ports(&self, finding: &Finding, case: &Case) -> Option<PortsTrace> {
        if !self.is_worth_a_look(case.probe.service()) {
            return None;
        }
        let _turn = self.traces.acquire().await.ok()?;
        self.ask_from_other_ports(finding, case).await
    }

    async fn ask_from_other_ports(&self, finding: &Finding, case: &Case) -> Option<PortsTrace> {
        let (to, over) = (finding.peer.address, case.transport);
        let service = case.probe.service();
        // A time server would take it for too many questions, and say nothing.
        let bears_it = over == Transport::Tcp || service.repeats > 0;
        if !bears_it || to.ip().is_loopback() {
            return None;
        }
        let datagram = service.question.map(|question| question());
        let (from, first) = (finding.source, finding.lost_from());
        examine_ports(to, from, first, over, datagram.as_deref(), self.deadline(TRACE)).await
    }

    /// Who sent the RST? `None` when it is too late.
    ///
    /// Of each refusal, other than of a silence: a port that a device on the
    /// way resets must not be taken for one that is only not listened to yet.
    async fn look_for_sender(&self, finding: &Finding) -> Option<ResetTrace> {
        let asked = (finding.peer.address, finding.source);
        let sender = {
            let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(senders.entry(asked).or_default())
        };
        let look = || async {
            let _turn = self.traces.acquire().await.map_err(drop)?;
            let last_start = TRACING.mul_f64(self.manner.scale);
            if self.first_reset.get_or_init(Instant::now).elapsed() > last_start {
                return Err(());
            }
            Ok(examine_reset(asked.0, asked.1, self.deadline(TRACE)).await)
        };
        sender.get_or_try_init(look).await.ok().cloned()
    }

    /// Is it a loop that used up a packet's hops?
    async fn look_for_circle(&self, finding: &Finding, case: &Case) -> Option<CircleSign> {
        if !self.is_worth_a_look(case.probe.service()) {
            return None;
        }
        let _turn = self.traces.acquire().await.ok()?;
        let (to, from) = (finding.peer.address, finding.source);
        examine_circle(to, from, case.transport, self.deadline(TRACE)).await
    }

    /// Who accepted the connection in the target's name, if it came to nothing?
    async fn look_for_stand_in(
        &self,
        finding: &Finding,
        case: &Case,
    ) -> Option<(u8, Option<IpAddr>)> {
        let is_wordless = finding.verdict.as_ref().is_err_and(is_wordless_end);
        if case.transport != Transport::Tcp
            || !is_wordless
            || !self.is_worth_a_look(case.probe.service())
        {
            return None;
        }
        let _turn = self.traces.acquire().await.ok()?;
        examine_stand_in(finding, self.deadline(TRACE)).await
    }

    /// Who reset a connection that was open, or rejected a packet in the target's name?
    async fn look_who_cuts(&self, finding: &Finding, case: &Case) -> Option<CutTrace> {
        if !self.is_worth_a_look(case.probe.service()) {
            return None;
        }
        let _turn = self.traces.acquire().await.ok()?;
        examine_cut(finding, self.deadline(TRACE)).await
    }

    /// The one visit to this address and port.
    fn visit(&self, peer: &Peer) -> Visit {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(visits.entry((peer.address, peer.from)).or_default())
    }

    /// Fifty silent devices of one flow do not take the looks of all others.
    fn is_worth_a_look(&self, service: &Service) -> bool {
        self.looks_before(LookKind::Closer, service) < TRACES_PER_SERVICE
    }

    /// How often targets of the service were looked at before this one, in this way.
    fn looks_before(&self, kind: LookKind, service: &Service) -> usize {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = looks.entry((kind, service.name)).or_default();
        *looks += 1;
        *looks - 1
    }

    /// The right to ask one of `host`'s UDP ports.
    fn udp_turn(&self, host: IpAddr) -> Arc<Semaphore> {
        let mut turns = self.udp.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(host).or_insert_with(|| Arc::new(Semaphore::new(UDP_PER_HOST)));
        Arc::clone(turn)
    }
}

/// The cause when TLS was agreed on and nothing was said inside.
fn behind_tls(finding: &Finding) -> Option<Cause> {
    match finding.verdict.as_ref().err()? {
        &Cause::Talk(
            TalkCause::HungUp { to, phase, received: 0 }
            | TalkCause::Reset { to, phase, received: 0 },
        ) if phase != Phase::Tls && finding.seen.timings.tls.is_some() => {
            Some(Cause::Talk(TalkCause::EndsBehindTls { to }))
        }
        _ => None,
    }
}

/// Has a proxy refused the credentials that it was shown?
fn is_refused_log_in(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Web(
            WebCause::ProxyAuthentication { given: true, .. } | WebCause::ProxyScheme { .. }
        )
    )
}

/// What is known of a question that would show refused credentials once more.
fn not_asked(case: &Case, refusal: Cause) -> Finding {
    Finding {
        peer: case.peer.clone(),
        source: None,
        verdict: Err(refusal),
        seen: Seen::default(),
        took: Duration::ZERO,
        words: None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::cause::TalkCause;
    use crate::{FarStream, Respond};

    fn examiner(trace: bool) -> Examiner {
        Examiner::new(
            Trust::only([]),
            Naming::default(),
            Manner { scale: 0.3, trace, files: 1_000, rate: RATE },
        )
    }

    fn case(service: &Service, way: usize, to: SocketAddr) -> Case {
        let (probe, transport) = ((service.probe)(), service.transport);
        Case { watcher: None, way, probe, transport, peer: Peer::from(to) }
    }

    /// Serves the directory's half of LDAP.
    async fn directory() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let Respond::Stream(serve) = crate::ldap::SERVICE.respond else { panic!("a stream") };
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(FarStream::new(Box::new(connection), None)));
            }
        });
        to
    }

    async fn one(examiner: &Examiner, case: Case) -> Finding {
        let inquiry = Inquiry { addresses: vec![vec![case]], ..Inquiry::default() };
        let mut found = examiner.diagnose(inquiry).await;
        assert_eq!(found.len(), 1);
        found.remove(0).1
    }

    /// The stages of a question to a listener that accepts and says nothing.
    #[tokio::test]
    async fn whoever_watches_is_told_what_is_done() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&told);
        let watcher = Watcher::new(move |stage| book.lock().unwrap().push(stage));
        let case = case(&crate::ssh::SERVICE, 0, silent.local_addr().unwrap());
        one(&examiner(true), Case { watcher: Some(watcher), ..case }).await;
        let budget = crate::ssh::SERVICE.budget.mul_f64(0.3);
        let told = told.lock().unwrap().clone();
        assert_eq!(told, [Stage::Asking(budget), Stage::LookingInto]);
    }

    #[tokio::test]
    async fn what_the_probe_saw_is_kept_beside_what_a_look_makes_of_it() {
        let to = directory().await;
        let found = one(&examiner(true), case(&crate::ssh::SERVICE, 0, to)).await;
        let Err(Cause::Talk(TalkCause::WrongService { .. })) = found.verdict else {
            panic!("{:?}", found.verdict)
        };
        let silent =
            matches!(found.seen.at_first.as_deref(), Some(Cause::Talk(TalkCause::Silent { .. })));
        assert!(silent, "{:?}", found.seen.at_first);
    }

    #[tokio::test]
    async fn without_looks_it_is_what_the_probe_saw() {
        let to = directory().await;
        let found = one(&examiner(false), case(&crate::ssh::SERVICE, 0, to)).await;
        let Err(Cause::Talk(TalkCause::Silent { .. })) = found.verdict else {
            panic!("{:?}", found.verdict)
        };
        assert_eq!(found.seen.at_first, None);
    }

    #[tokio::test]
    async fn the_other_port_is_asked_only_when_nothing_works() {
        let works = directory().await;
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        for (asked, ways) in [(works, vec![0]), (closed, vec![0, 1])] {
            let inquiry = Inquiry {
                addresses: vec![vec![case(&crate::ldap::SERVICE, 0, asked)]],
                instead: vec![case(&crate::ldap::SERVICE, 1, works)],
                ..Inquiry::default()
            };
            let found = examiner(true).diagnose(inquiry).await;
            assert_eq!(found.iter().map(|(way, _)| *way).collect::<Vec<_>>(), ways);
        }
    }

    #[tokio::test]
    async fn a_service_that_counts_visits_is_visited_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let visits = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&visits);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let _heard = connection.read(&mut [0; 64]).await;
            }
        });
        let same = examiner(false);
        let twice = (0..2).map(|way| one(&same, case(&crate::ssh::SERVICE, way, to)));
        let found = join_all(twice).await;
        assert_eq!(found[0].verdict, found[1].verdict);
        let alone = *visits.lock().unwrap();
        one(&examiner(false), case(&crate::ssh::SERVICE, 0, to)).await;
        // Another run visits as often again, so both questions together were one visit.
        assert_eq!(*visits.lock().unwrap(), 2 * alone);
    }
}
