//! Runs a plan: side by side as far as descriptors reach, one deadline a question, in plan order.
//!
//! A step that waits holds nothing but its descriptors; there is no other bound.

mod alike;
mod arrivals;

use std::future::Future;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::poll;
use preflight_checks::{
    Addresses, Case, Cause, Concern, Deadline, Examiner, Inquiry, Manner, NameCause, NameSource,
    Naming, OwnCause, Peer, RESOLVE, ReverseOf, Stage, Trust, Watcher, is_public, mail_servers,
    offers, resolve, resolve_by_dns, resolve_by_dns_first, resolve_by_dns_in_domain, reverse,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::run::finding::{Attempt, Found};
use crate::run::plan::{Action, Asked, Plan, Question};
use crate::site::{Family, Find, Origin, Sourced};

/// Steps under way at once, however many descriptors there are: a silent one waits some seconds and
/// costs memory meanwhile.
const WIDTH: usize = 16 * 1024;
/// Steps that have not put their question yet: whoever works off answers comes before them, so that a
/// step which is answered at once has ended before thousands more hold memory.
const BEGINNING: usize = 64;
/// Longest wait for the name of an address, and for the way back.
const BACKWARDS: Duration = Duration::from_secs(1);
/// Steps of a run of which whoever watches is told each stage.
const WATCHED: usize = 1_000;
/// Hosts asked of a domain that has several.
const HOSTS: usize = 4;
/// The service whose SRV records name a domain's directories (RFC 2782).
const DIRECTORY: &str = "_ldap._tcp";
/// The protocol whose port they name.
const DIRECTORY_PROTOCOL: &str = "ldap";

/// What happens during a run, for whoever shows progress.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// The step at this index began.
    Started(usize),
    /// This is being done about the step at this index.
    Reached(usize, Stage),
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
    let shared = Arc::new(RunShared {
        names: names.clone(),
        scale: manner.scale,
        examiner: Examiner::new(trust.clone(), names.clone(), manner),
    });
    let files = manner.files / 2;
    // No more than can be sent in a second, so that none's deadline passes before its turn.
    let width = WIDTH.min(usize::try_from(manner.rate).unwrap_or(WIDTH)).max(1);
    let beginnings = Arc::new(Semaphore::new(BEGINNING));
    let places = Arc::new(Semaphore::new(files));
    let questions = plan.steps.iter().enumerate();
    let mut questions = questions.filter_map(|(index, step)| match &step.action {
        Action::Ask(question) => Some((index, question)),
        Action::Skip(_) | Action::Found(_) => None,
    });
    let mut next = questions.next();
    // Of more steps than a person can watch, nobody is told each stage.
    let is_watched = plan.steps.len() <= WATCHED;
    let (reached, mut stages) = mpsc::unbounded_channel();
    let mut steps = JoinSet::new();
    let mut found = vec![None; plan.steps.len()];
    let mut stop = pin!(stop);
    let is_stopped = loop {
        if next.is_none() && steps.is_empty() {
            break false;
        }
        let has_room = steps.len() < width;
        let place = async {
            match next {
                Some((_, question)) if has_room => {
                    let beginning = Arc::clone(&beginnings).acquire_owned().await.ok();
                    let files = u32::try_from(files_of(question).min(files)).unwrap_or(1);
                    (Arc::clone(&places).acquire_many_owned(files).await, beginning)
                }
                _ => std::future::pending().await,
            }
        };
        // What is done makes room before more is begun.
        tokio::select! {
            biased;
            () = &mut stop => break true,
            Some(done) = steps.join_next() => {
                if let Ok((index, result)) = done {
                    notify(Event::Finished(index, &result));
                    if let Some(slot) = found.get_mut(index) {
                        *slot = Some(result);
                    }
                }
            }
            Some((index, stage)) = stages.recv() => notify(Event::Reached(index, stage)),
            (place, beginning) = place => {
                let Some((index, question)) = next else { continue };
                next = questions.next();
                notify(Event::Started(index));
                let (question, shared) = (question.clone(), Arc::clone(&shared));
                let reached = reached.clone();
                // Whoever is gone is not told.
                let tell = move |stage| {
                    let _gone = reached.send((index, stage));
                };
                let watcher = is_watched.then(|| Watcher::new(tell));
                steps.spawn(async move {
                    let mut asking = pin!(guarded(ask(&question, watcher, &shared)));
                    let answered = poll!(asking.as_mut());
                    drop(beginning);
                    let result = match answered {
                        Poll::Ready(result) => result,
                        Poll::Pending => asking.await,
                    };
                    drop(place);
                    (index, result)
                });
            }
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

/// Descriptors that a step may have open: a name may have several addresses.
fn files_of(question: &Question) -> usize {
    let addresses = if question.host.parse::<IpAddr>().is_ok() { 1 } else { HOSTS };
    let ways = question.ways.iter().map(|asked| asked.probe.descriptors());
    ways.sum::<usize>() * addresses
}

/// What all steps of a run share.
struct RunShared {
    /// What names are found with.
    names: Naming,
    scale: f64,
    examiner: Examiner,
}

/// A panic in a probe becomes that step's outcome.
async fn guarded(asking: impl Future<Output = Found>) -> Found {
    let started = Instant::now();
    let asking = AssertUnwindSafe(asking).catch_unwind();
    let mut found = asking.await.unwrap_or_else(|_payload| Found {
        unresolved: Some(Cause::Own(OwnCause::ProbePanicked {
            message: crate::panics::last_place(),
        })),
        ..Found::default()
    });
    found.took = started.elapsed();
    found
}

async fn ask(question: &Question, watcher: Option<Watcher>, shared: &RunShared) -> Found {
    let deadline = Deadline::scaled(RESOLVE, shared.scale);
    // Boxed, so that a step holds no room for it once it is done.
    let mut standing = match Box::pin(find(question, &shared.names, deadline)).await {
        Ok(standing) => standing,
        Err(cause) => return Found { unresolved: Some(cause), ..Found::default() },
    };
    if let Err(cause) = standing.keep_family(&question.host, question.family) {
        return Found { unresolved: Some(cause), ..Found::default() };
    }
    if let Err(cause) = standing.keep_off_this_machine(&question.host, &shared.names) {
        return Found { unresolved: Some(cause), ..Found::default() };
    }
    standing.keep_within_reach(question);
    let case = |place: &Standpoint, way, asked| Case {
        watcher: watcher.clone(),
        ..case(place, question.source.as_ref(), way, asked)
    };
    let ways = |place| {
        question.ways.iter().enumerate().map(move |(way, asked)| case(place, way, asked)).collect()
    };
    let instead = question.also_try.iter().flat_map(|asked| {
        standing.places.iter().map(move |place| case(place, question.ways.len(), asked))
    });
    let inquiry = Inquiry {
        addresses: standing.places.iter().map(ways).collect(),
        instead: instead.collect(),
        vpn: question.vpn.as_ref(),
        is_explained: standing.loops.is_some(),
    };
    let found = Box::pin(shared.examiner.diagnose(inquiry)).await;
    let attempts = found.into_iter();
    let mut attempts: Vec<Attempt> =
        attempts.map(|(way, finding)| standing.judge(Attempt { way, finding })).collect();
    if let Some(concern) = Box::pin(backwards(question, &standing, &attempts, shared)).await {
        let first = attempts.iter_mut().find(|attempt| attempt.finding.verdict.is_ok());
        if let Some(attempt) = first {
            attempt.finding.seen.concerns.push(concern);
        }
    }
    let Standing { canonical, took: resolve, named_by, .. } = standing;
    Found { resolve, canonical, named_by, attempts, ..Found::default() }
}

/// What the DNS says backwards of an address that it matters of, once the service works.
async fn backwards(
    question: &Question,
    standing: &Standing,
    attempts: &[Attempt],
    shared: &RunShared,
) -> Option<Concern> {
    let works = attempts.iter().find(|attempt| attempt.finding.verdict.is_ok())?;
    let hints = question.ways.get(works.way)?.probe.service().hints;
    let there = works.finding.peer.address.ip();
    let (address, needs_name) = match hints.reverse? {
        // What an address inside is called nobody on the Internet asks.
        ReverseOf::Client => {
            let own = question.seen_as.or(works.finding.source)?;
            let is_abroad = is_public(there);
            (Some(own).filter(|own| is_public(*own) == is_abroad)?, is_abroad)
        }
        ReverseOf::Server => {
            // Whom only /etc/hosts names, the DNS need not know.
            matches!(standing.named_by?, NameSource::Dns | NameSource::Resolved)
                .then_some((there, false))?
        }
    };
    // Another machine's DNS servers are not this one's.
    if there.is_loopback() || address.is_loopback() || shared.names.is_of_another_machine() {
        return None;
    }
    reverse(address, needs_name, &[], Deadline::scaled(BACKWARDS, shared.scale)).await
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
            (Some(cause), Err(_)) => finding.revise(cause.clone()),
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

    /// What another machine finds at its own loopback is not looked for at this machine's.
    fn keep_off_this_machine(&mut self, host: &str, names: &Naming) -> Result<(), Cause> {
        let Some(first) = self.places.first().map(|place| place.address) else { return Ok(()) };
        if names.is_of_another_machine() {
            self.places.retain(|place| !place.address.is_loopback());
        }
        if !self.places.is_empty() {
            return Ok(());
        }
        let origin = self.named_by.as_ref().map_or_else(String::new, ToString::to_string);
        let name = host.to_owned();
        Err(Cause::Name(NameCause::NameIsLoopback { name, address: first, origin }))
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
        find @ (Find::Host | Find::Dns | Find::DnsDomain | Find::DnsFirst) => {
            return standing(domain, None, find, names, deadline).await;
        }
        Find::Mx | Find::MxDns => {
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
    let each = if question.find == Find::MxDns { Find::Dns } else { Find::Host };
    let standings = hosts.iter().map(|(host, port)| standing(host, *port, each, names, deadline));
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
    find: Find,
    names: &Naming,
    deadline: Deadline,
) -> Result<Standing, Cause> {
    let found = match find {
        Find::Dns => resolve_by_dns(host, names, deadline).await?,
        Find::DnsDomain => resolve_by_dns_in_domain(host, names, deadline).await?,
        Find::DnsFirst => resolve_by_dns_first(host, names, deadline).await?,
        Find::Host | Find::Mx | Find::MxDns | Find::Srv => resolve(host, names, deadline).await?,
    };
    Ok(standing_of(host, port, names, found))
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

/// One way at one address.
fn case(
    place: &Standpoint,
    source: Option<&Sourced<Vec<IpAddr>>>,
    way: usize,
    asked: &Asked,
) -> Case {
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
    Case { watcher: None, way, probe: asked.probe.clone(), transport: asked.transport, peer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panics::testing::quietly;

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
