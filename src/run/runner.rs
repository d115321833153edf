//! Runs a plan: side by side with a bound, one deadline a question, in plan order.

mod alike;
mod arrivals;

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use preflight_checks::{
    Addresses, Cause, Concern, CutTrace, Deadline, Finding, Layer, LdapCause, NameCause,
    NameSource, Naming, OwnCause, Peer, PortsTrace, RESOLVE, ResetTrace, Trace, Transport, Trust,
    examine, examine_cut, examine_host, examine_path, examine_ports, examine_reset,
    examine_segment, examine_vpn, identify, is_cut, is_reset, is_silence, judge, judge_cut,
    judge_ports, judge_reset, judge_vpn, mail_servers, offers, resolve, resolve_by_dns,
};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;

use crate::run::plan::{Action, Asked, Plan, Question};
use crate::site::{Family, Find, Origin, Sourced};

/// Steps under way at once: enough for every flow of a site, few enough for
/// the file descriptors of a locked-down machine.
const WIDTH: usize = 128;
/// Questions to one host's UDP ports at once: a host answers about six closed
/// ports in a burst and then one a second, so more would look like silence;
/// three, asked twice in their first second, are as many. Fewer would make a
/// silent host that serves time, names and SNMP cost its deadline twice.
const UDP_PER_HOST: usize = 3;
/// Looks at the path at once: routers name themselves about six times in a
/// burst and then once a second.
const TRACES: usize = 4;
/// Looks at paths to the targets of one service: more would say the same again.
const TRACES_PER_SERVICE: usize = 3;
/// Silent targets of one service of which it is asked whether the host is there, and how many of them at
/// once: five packets each, and none that a router has to answer.
const HOSTS_PER_SERVICE: usize = 64;
const HOSTS_AT_ONCE: usize = 32;
/// Longest time to find out who answers without a word: two seconds for TLS, one for each of four protocols.
const IDENTIFY: Duration = Duration::from_secs(6);
/// Longest look at one path.
const TRACE: Duration = Duration::from_millis(2_200);
/// No look begins later than this after the first one: a run in which
/// everything is silent must end, however many targets it has.
const TRACING: Duration = Duration::from_secs(2);
/// Longest question to a port that is only tried because another one failed:
/// a silent host must not cost its connection time twice.
const ELSEWHERE: Duration = Duration::from_secs(3);

/// Hosts asked of a domain that has several.
const HOSTS: usize = 4;
/// The service whose SRV records name a domain's directories (RFC 2782).
const DIRECTORY: &str = "_ldap._tcp";
/// The protocol whose port they name.
const DIRECTORY_PROTOCOL: &str = "ldap";

/// How a run is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Every wait times this.
    pub(crate) scale: f64,
    /// After a silence, look where on the way it begins.
    pub(crate) trace: bool,
}

/// What was found for one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Why the name could not be resolved.
    pub(crate) unresolved: Option<Cause>,
    /// How long the resolver took, when it was asked.
    pub(crate) resolve: Option<Duration>,
    /// The name that was really resolved, when it is another one.
    pub(crate) canonical: Option<String>,
    /// Where its addresses came from; `None` for an address.
    pub(crate) named_by: Option<NameSource>,
    /// Each address on each way.
    pub(crate) attempts: Vec<Attempt>,
    /// How long all of it took.
    pub(crate) took: Duration,
}

/// One address on one way.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Index into the question's ways; one past the end is `also_try`.
    pub(crate) way: usize,
    /// What came of it.
    pub(crate) finding: Finding,
}

/// What happens during a run, for whoever shows progress.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// The step at this index began.
    Started(usize),
    /// The step at this index is done, and this was found.
    Finished(usize, &'a Found),
}

/// Runs every step of `plan` that asks; the result has one entry a step, in
/// plan order, `None` for what is skipped or was interrupted.
///
/// Ends early when `stop` is ready: what finished by then is kept.
pub(crate) async fn run(
    plan: &Plan,
    trust: &Trust,
    names: &Naming,
    manner: Manner,
    stop: impl Future<Output = ()>,
    mut notify: impl FnMut(Event<'_>),
) -> Vec<Option<Found>> {
    let shared = Arc::new(Shared {
        trust: trust.clone(),
        names: names.clone(),
        manner,
        width: Semaphore::new(WIDTH),
        udp: Mutex::default(),
        refused: tokio::sync::Mutex::new(false),
        traces: Semaphore::new(TRACES),
        hosts: Semaphore::new(HOSTS_AT_ONCE),
        first_trace: OnceLock::new(),
        first_reset: OnceLock::new(),
        visits: Mutex::default(),
        senders: Mutex::default(),
        looks: Mutex::default(),
    });
    let (begun, mut events) = tokio::sync::mpsc::unbounded_channel();
    let mut steps = JoinSet::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if let Action::Ask(question) = &step.action {
            let (question, shared) = (question.clone(), Arc::clone(&shared));
            let begun = begun.clone();
            steps.spawn(async move {
                let _slot = shared.width.acquire().await;
                let _nobody_listens = begun.send(index);
                (index, guarded(ask(&question, &shared)).await)
            });
        }
    }
    let mut found = vec![None; plan.steps.len()];
    let mut stop = std::pin::pin!(stop);
    let is_stopped = loop {
        tokio::select! {
            Some(index) = events.recv() => notify(Event::Started(index)),
            done = steps.join_next() => match done {
                Some(Ok((index, result))) => {
                    notify(Event::Finished(index, &result));
                    if let Some(slot) = found.get_mut(index) {
                        *slot = Some(result);
                    }
                }
                Some(Err(_cancelled)) => {}
                None => break false,
            },
            () = &mut stop => break true,
        }
    };
    // Dropping the set ends every conversation that is still on.
    drop(steps);
    if !is_stopped && manner.trace {
        // Only now is nothing else under way that the host's counters would show.
        tokio::select! {
            () = arrivals::look(plan, &mut found, manner.scale) => {}
            () = &mut stop => {}
        }
    }
    alike::explain(plan, &mut found);
    found
}

/// A service that was visited: its address, and the one it was asked from.
type Visited = (SocketAddr, Option<IpAddr>);
/// What came of the one visit; others wait for it.
type Visit = Arc<OnceCell<Finding>>;

/// What all steps of a run share.
struct Shared {
    trust: Trust,
    /// What names are found with.
    names: Naming,
    manner: Manner,
    width: Semaphore,
    udp: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
    /// Did a peer refuse credentials in this run?
    refused: tokio::sync::Mutex<bool>,
    traces: Semaphore,
    hosts: Semaphore,
    first_trace: OnceLock<Instant>,
    first_reset: OnceLock<Instant>,
    /// Visits to services that count them: one a run, also where several steps ask for it.
    visits: Mutex<HashMap<Visited, Visit>>,
    /// Who resets: asked once an address, since a device tells only so much a second, and two steps
    /// that meet one refusal must not say two things about it.
    senders: Mutex<HashMap<Visited, Arc<OnceCell<ResetTrace>>>>,
    /// Looks at the path by service.
    looks: Mutex<HashMap<&'static str, usize>>,
}

impl Shared {
    /// Where does the silence begin, and is it bound to a port of ours? `None` each, when it is not
    /// to be looked at, or too late.
    async fn look_at_path(
        &self,
        finding: &Finding,
        asked: &Asked,
    ) -> (Option<Trace>, Option<PortsTrace>) {
        if !self.manner.trace {
            return (None, None);
        }
        let (to, over) = (finding.peer.address, asked.transport);
        let deadline = || Deadline::scaled(TRACE, self.manner.scale);
        // What sends nothing is looked at for everybody.
        let from = finding.source;
        let segment = async || (Some(examine_segment(to, from, over, deadline()).await), None);
        match self.looks_before(asked.protocol) {
            ..TRACES_PER_SERVICE => {}
            // Those beside it tell of the way; whether it is there, only itself.
            TRACES_PER_SERVICE..HOSTS_PER_SERVICE => {
                let Ok(_turn) = self.hosts.acquire().await else { return (None, None) };
                return (Some(examine_host(to, from, over, deadline()).await), None);
            }
            _ => return segment().await,
        }
        let Ok(_turn) = self.traces.acquire().await else { return (None, None) };
        let last_start = TRACING.mul_f64(self.manner.scale);
        if self.first_trace.get_or_init(Instant::now).elapsed() > last_start {
            return segment().await;
        }
        let datagram = asked.probe.service().question.map(|question| question());
        let path = examine_path(to, finding.source, over, datagram.as_deref(), deadline());
        let (trace, ports) = tokio::join!(path, self.ask_from_other_ports(finding, asked));
        (Some(trace), ports)
    }

    /// After an answer to a second packet: was the first one lost because of its port?
    async fn look_at_ports(&self, finding: &Finding, asked: &Asked) -> Option<PortsTrace> {
        if !self.manner.trace || !self.is_worth_a_look(asked.protocol) {
            return None;
        }
        let _turn = self.traces.acquire().await.ok()?;
        self.ask_from_other_ports(finding, asked).await
    }

    async fn ask_from_other_ports(&self, finding: &Finding, asked: &Asked) -> Option<PortsTrace> {
        let (to, over) = (finding.peer.address, asked.transport);
        let service = asked.probe.service();
        // A time server would take it for too many questions, and say nothing.
        let bears_it = over == Transport::Tcp || service.repeats > 0;
        if !bears_it || to.ip().is_loopback() {
            return None;
        }
        let datagram = service.question.map(|question| question());
        let deadline = Deadline::scaled(TRACE, self.manner.scale);
        let (from, first) = (finding.source, finding.lost_from());
        examine_ports(to, from, first, over, datagram.as_deref(), deadline).await
    }

    /// Who sent the RST? `None` when it is not to be looked at, or too late.
    ///
    /// Of each refusal, other than of a silence: a port that a device on the
    /// way resets must not be taken for one that is only not listened to yet.
    async fn look_for_sender(&self, finding: &Finding) -> Option<ResetTrace> {
        if !self.manner.trace {
            return None;
        }
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
            let deadline = Deadline::scaled(TRACE, self.manner.scale);
            Ok(examine_reset(asked.0, asked.1, deadline).await)
        };
        sender.get_or_try_init(look).await.ok().cloned()
    }

    /// Who reset a connection that was open, or rejected a packet in the target's name?
    async fn look_who_cuts(&self, finding: &Finding, asked: &Asked) -> Option<CutTrace> {
        if !self.manner.trace || !self.is_worth_a_look(asked.protocol) {
            return None;
        }
        let _turn = self.traces.acquire().await.ok()?;
        let deadline = Deadline::scaled(TRACE, self.manner.scale);
        examine_cut(finding, deadline).await
    }

    /// The one visit to this address and port.
    fn visit(&self, peer: &Peer) -> Arc<OnceCell<Finding>> {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(visits.entry((peer.address, peer.from)).or_default())
    }

    /// Fifty silent devices of one flow do not take the looks of all others.
    fn is_worth_a_look(&self, service: &'static str) -> bool {
        self.looks_before(service) < TRACES_PER_SERVICE
    }

    /// How often targets of the service were looked at before this one.
    fn looks_before(&self, service: &'static str) -> usize {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = looks.entry(service).or_default();
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

/// A panic in a probe becomes that step's outcome.
async fn guarded(asking: impl Future<Output = Found>) -> Found {
    let started = Instant::now();
    let asking = AssertUnwindSafe(asking).catch_unwind();
    let mut found = asking.await.unwrap_or_else(|_payload| Found {
        unresolved: Some(Cause::Own(OwnCause::ProbePanicked {
            message: crate::console::panics::last_place(),
        })),
        ..Found::default()
    });
    found.took = started.elapsed();
    found
}

async fn ask(question: &Question, shared: &Shared) -> Found {
    let deadline = Deadline::scaled(RESOLVE, shared.manner.scale);
    let mut standing = match find(question, &shared.names, deadline).await {
        Ok(standing) => standing,
        Err(cause) => return Found { unresolved: Some(cause), ..Found::default() },
    };
    if let Err(cause) = standing.keep_family(&question.host, question.family) {
        return Found { unresolved: Some(cause), ..Found::default() };
    }
    standing.keep_within_reach(question);
    let places = &standing.places;
    let attempts = if question.ways.iter().any(|way| way.probe.risks_lockout()) {
        in_turn(question, places, shared).await
    } else {
        side_by_side(question, places, shared).await
    };
    let attempts: Vec<Attempt> =
        attempts.into_iter().map(|attempt| standing.judge(attempt)).collect();
    let nothing_works = attempts.iter().all(|attempt| attempt.finding.verdict.is_err());
    let elsewhere = question.also_try.as_ref().filter(|_| nothing_works);
    let located = attempts.into_iter().map(|attempt| locate(attempt, question, shared));
    let elsewhere = elsewhere.into_iter().flat_map(|asked| {
        let way = question.ways.len();
        places.iter().map(move |place| {
            attempt(place, question.source.as_ref(), way, asked, ELSEWHERE, shared)
        })
    });
    let (mut attempts, elsewhere) = tokio::join!(join_all(located), join_all(elsewhere));
    attempts.extend(elsewhere.into_iter().map(|attempt| standing.judge(attempt)));
    if let Some(vpn) = &question.vpn {
        let deadline = Deadline::scaled(RESOLVE, shared.manner.scale);
        for attempt in &mut attempts {
            let finding = &mut attempt.finding;
            let carriage = examine_vpn(vpn, finding, &shared.names, deadline).await;
            judge_vpn(vpn, &carriage, finding);
        }
    }
    let Standing { canonical, took: resolve, named_by, .. } = standing;
    Found { resolve, canonical, named_by, attempts, ..Found::default() }
}

/// Where a question is put.
struct Standing {
    /// At least one.
    places: Vec<Standpoint>,
    /// The name that was really resolved, when it is another one.
    canonical: Option<String>,
    /// How long finding them took; `None` for an address.
    took: Option<Duration>,
    /// Where they came from; `None` for an address.
    named_by: Option<NameSource>,
    /// What will hurt about the name.
    concern: Option<Concern>,
    /// The name is a peer's, and leads back to this machine.
    loops: Option<Cause>,
}

impl Standing {
    /// What was found at one of these places, in the light of how its name was resolved.
    fn judge(&self, mut attempt: Attempt) -> Attempt {
        let finding = &mut attempt.finding;
        finding.seen.concerns.extend(self.concern.clone());
        match (&self.loops, &finding.verdict) {
            // Nobody else was asked, so whatever is wrong here is not the peer's.
            (Some(cause), Err(_)) => finding.verdict = Err(cause.clone()),
            (Some(Cause::Name(NameCause::NameIsLoopback { name, address, origin })), Ok(())) => {
                let (name, address, origin) = (name.clone(), *address, origin.clone());
                finding.seen.concerns.push(Concern::PeerIsLoopback { name, address, origin });
            }
            _ => {}
        }
        attempt
    }

    /// A program that uses one family asks nobody of the other.
    fn keep_family(&mut self, host: &str, family: Option<Family>) -> Result<(), Cause> {
        let Some(family) = family else { return Ok(()) };
        let has = self.places.first().map(|place| place.address);
        self.places.retain(|place| family.has(place.address));
        match has {
            Some(has) if self.places.is_empty() => {
                let version = if family == Family::V4 { 4 } else { 6 };
                Err(Cause::Name(NameCause::OtherFamilyOnly { name: host.to_owned(), version, has }))
            }
            _ => Ok(()),
        }
    }

    /// From an address of one family nobody of the other is asked, unless there is nobody else.
    fn keep_within_reach(&mut self, question: &Question) {
        let Some(source) = &question.source else { return };
        let is_in_reach = |place: &Standpoint| {
            source.value.iter().any(|own| own.is_ipv4() == place.address.is_ipv4())
        };
        if self.places.iter().any(is_in_reach) {
            self.places.retain(is_in_reach);
        }
    }
}

/// One address of a host.
struct Standpoint {
    host: String,
    address: IpAddr,
    /// The interface whose link it is of, by its number; 0: of none.
    scope: u32,
    /// The port that the DNS names for this host, for LDAP without TLS.
    port: Option<u16>,
}

/// The addresses behind the question's name, or those of the hosts that stand for its domain.
async fn find(question: &Question, names: &Naming, deadline: Deadline) -> Result<Standing, Cause> {
    let domain = &question.host;
    let hosts = match question.find {
        Find::Host => {
            let found = resolve(domain, names, deadline).await?;
            return Ok(standing_of(domain, None, names, found));
        }
        Find::Dns => {
            let found = resolve_by_dns(domain, names, deadline).await?;
            return Ok(standing_of(domain, None, names, found));
        }
        Find::Mx => {
            let servers = names.dns_servers(domain)?;
            let servers = mail_servers(domain, &servers, deadline).await?;
            servers.into_iter().map(|host| (host, None)).collect()
        }
        Find::Srv => {
            let servers = names.dns_servers(domain)?;
            let offers = offers(DIRECTORY, domain, &servers, deadline).await?;
            offers.into_iter().map(|offer| (offer.host, Some(offer.port))).collect::<Vec<_>>()
        }
    };
    let hosts = hosts.get(..HOSTS).unwrap_or(&hosts);
    let standings = hosts.iter().map(|(host, port)| standing(host, *port, names, deadline));
    let found = join_all(standings).await;
    let (known, unknown): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    let known: Vec<Standing> = known.into_iter().flatten().collect();
    match unknown.into_iter().find_map(Result::err) {
        Some(cause) if known.is_empty() => Err(cause),
        _ => Ok(Standing {
            canonical: hosts.first().map(|(host, _)| host.clone()),
            took: known.iter().filter_map(|standing| standing.took).max(),
            named_by: known.iter().find_map(|standing| standing.named_by),
            concern: known.iter().find_map(|standing| standing.concern.clone()),
            loops: None,
            places: known.into_iter().flat_map(|standing| standing.places).collect(),
        }),
    }
}

async fn standing(
    host: &str,
    port: Option<u16>,
    names: &Naming,
    deadline: Deadline,
) -> Result<Standing, Cause> {
    Ok(standing_of(host, port, names, resolve(host, names, deadline).await?))
}

fn standing_of(host: &str, port: Option<u16>, names: &Naming, found: Addresses) -> Standing {
    let Addresses { addresses, scope, canonical, source: named_by, took, concern } = found;
    let loops = named_by.and_then(|source| {
        let address = *addresses.first()?;
        let is_elsewhere = names.is_own(host) || !addresses.iter().all(IpAddr::is_loopback);
        let (name, origin) = (host.to_owned(), source.to_string());
        (!is_elsewhere).then_some(Cause::Name(NameCause::NameIsLoopback { name, address, origin }))
    });
    // To the peer itself its link has no name.
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    let places = addresses.into_iter();
    let places = places.map(|address| Standpoint { host: host.to_owned(), address, scope, port });
    Standing { places: places.collect(), canonical, took, named_by, concern, loops }
}

async fn side_by_side(question: &Question, places: &[Standpoint], shared: &Shared) -> Vec<Attempt> {
    let pairs = places.iter().flat_map(|place| {
        question.ways.iter().enumerate().map(move |(way, asked)| (place, way, asked))
    });
    join_all(pairs.map(|(place, way, asked)| {
        attempt(place, question.source.as_ref(), way, asked, asked.probe.service().budget, shared)
    }))
    .await
}

/// One after the other, so that an account's password is tried once: the next
/// port only when the one before was not reached, and after a refusal nobody
/// is asked with credentials any more.
async fn in_turn(question: &Question, places: &[Standpoint], shared: &Shared) -> Vec<Attempt> {
    let mut refused = shared.refused.lock().await;
    let mut attempts = Vec::new();
    for place in places {
        for (way, asked) in question.ways.iter().enumerate() {
            let mut asked = asked.clone();
            if *refused {
                asked.probe = asked.probe.without_credentials();
            }
            let budget = asked.probe.service().budget;
            let attempt =
                attempt(place, question.source.as_ref(), way, &asked, budget, shared).await;
            let verdict = attempt.finding.verdict.clone();
            attempts.push(attempt);
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
    attempts
}

/// Which of our addresses reaches a peer: one of its family, and of a link only where it is too.
/// Without one the first, which will say why it cannot.
fn own_for(peer: SocketAddr, own: &[IpAddr]) -> Option<IpAddr> {
    let is_of_link = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let mut of_family = own.iter().filter(|own| own.is_ipv4() == peer.is_ipv4());
    let likeliest = of_family.clone().find(|own| is_of_link(**own) == is_of_link(peer.ip()));
    likeliest.or_else(|| of_family.next()).or(own.first()).copied()
}

async fn attempt(
    place: &Standpoint,
    source: Option<&Sourced<Vec<IpAddr>>>,
    way: usize,
    asked: &Asked,
    budget: Duration,
    shared: &Shared,
) -> Attempt {
    let turn = (asked.transport == Transport::Udp).then(|| shared.udp_turn(place.address));
    let _turn = match &turn {
        Some(turn) => turn.acquire().await.ok(),
        None => None,
    };
    // LDAPS keeps its own port, and a port that somebody gave counts more.
    let named = place
        .port
        .filter(|_| asked.protocol == DIRECTORY_PROTOCOL && asked.port_origin == Origin::Profile);
    let port = named.unwrap_or(asked.port);
    let address = match place.address {
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, place.scope).into(),
        IpAddr::V4(_) => SocketAddr::new(place.address, port),
    };
    let from = source.and_then(|source| own_for(address, &source.value));
    let peer = Peer { host: place.host.clone(), address, from };
    let finding = if asked.probe.service().counts_visits() {
        let visit = shared.visit(&peer);
        let found = visit.get_or_init(|| meet(asked, peer.clone(), budget, shared)).await;
        Finding { peer, ..found.clone() }
    } else {
        meet(asked, peer, budget, shared).await
    };
    Attempt { way, finding }
}

/// The question itself, and who answers instead.
async fn meet(asked: &Asked, peer: Peer, budget: Duration, shared: &Shared) -> Finding {
    let deadline = Deadline::scaled(budget, shared.manner.scale);
    let mut finding = Box::pin(examine(&asked.probe, peer, deadline, &shared.trust)).await;
    if let Err(failure) = &finding.verdict
        && shared.manner.trace
        && asked.transport == Transport::Tcp
    {
        let deadline = Deadline::scaled(IDENTIFY, shared.manner.scale);
        let service = asked.probe.service();
        if let Some(named) = identify(service, &finding.peer, failure, deadline).await {
            finding.verdict = Err(named);
        }
    }
    finding
}

/// After a silence: where on the way does it begin? After a RST: who sent it? After a first packet
/// that was lost: are others too, from the same port?
async fn locate(mut attempt: Attempt, question: &Question, shared: &Shared) -> Attempt {
    let finding = &mut attempt.finding;
    let Some(asked) = question.ways.get(attempt.way) else { return attempt };
    let Err(cause) = &finding.verdict else {
        if finding.lost_from().is_some()
            && let Some(ports) = shared.look_at_ports(finding, asked).await
        {
            finding.seen.concerns.push(ports.concern());
        }
        return attempt;
    };
    if is_silence(cause) {
        let (path, ports) = shared.look_at_path(finding, asked).await;
        let judged = path.as_ref().map(|trace| judge(trace, cause));
        let judged = ports.as_ref().map(|trace| judge_ports(trace, cause)).or(judged);
        if let Some(trace) = path {
            trace.note(&mut finding.seen.evidence);
        }
        if let Some(judged) = judged {
            finding.verdict = Err(judged);
        }
    } else if is_reset(cause, asked.transport)
        && let Some(trace) = shared.look_for_sender(finding).await
    {
        trace.note(&mut finding.seen.evidence);
        finding.verdict = Err(judge_reset(&trace, cause));
    } else if is_cut(cause, asked.transport)
        && let Some(trace) = shared.look_who_cuts(finding, asked).await
    {
        trace.note(&mut finding.seen.evidence);
        finding.verdict = Err(judge_cut(&trace, cause));
    }
    attempt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::panics::testing::quietly;

    #[test]
    fn a_program_of_one_family_asks_nobody_of_the_other() {
        let standing = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            let (canonical, source, took, concern) = (None, None, None, None);
            let found = Addresses { addresses, canonical, scope: 0, source, took, concern };
            standing_of("relay.example", None, &Naming::default(), found)
        };
        let kept = |addresses: &[&str], family| {
            let mut standing = standing(addresses);
            let kept = standing.keep_family("relay.example", family);
            kept.map(|()| standing.places.iter().map(|place| place.address.to_string()).collect())
        };
        let both = ["10.0.0.25", "2001:db8::25"];
        let all: Vec<String> = both.map(str::to_owned).to_vec();
        assert_eq!(kept(&both, None), Ok(all.clone()));
        assert_eq!(kept(&both, Some(Family::V4)), Ok(all[..1].to_vec()));
        assert_eq!(kept(&both, Some(Family::V6)), Ok(all[1..].to_vec()));
        let cause = kept(&both[1..], Some(Family::V4)).unwrap_err();
        assert_eq!(
            cause.to_string(),
            "relay.example has no IPv4 address (2001:db8::25 only), and its program connects by no other"
        );
    }

    #[test]
    fn a_probe_that_panics_is_a_step_that_says_so() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = quietly(|| runtime.block_on(guarded(async { panic!("secret") })));
        let Some(Cause::Own(OwnCause::ProbePanicked { message })) = found.unresolved else {
            panic!("{:?}", found.unresolved)
        };
        assert!(message.starts_with("panicked at runner.rs:"), "{message}");
    }
}
