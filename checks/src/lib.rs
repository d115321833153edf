//! Protocol-aware network probes: one question to one peer.
//!
//! [`examine`] asks, and comes back with a [`Finding`]: a verdict, and what was
//! seen on the way to it. A [`Cause`] says why a probe failed, who has to act,
//! and carries the facts. Nothing here knows a flow, a role or a format.

mod authority;
mod cause;
mod conceal;
mod diagnose;
mod dialogue;
mod discreet;
mod evidence;
mod firewall;
mod follow_ups;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(test)]
mod hostile;
mod identify;
mod net;
mod path;
mod reader;
mod recognise;
mod responder;
mod services;
mod wire;

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

pub use authority::{Authority, KeyedCertificate, params_for, tls_server};
#[cfg(any(test, feature = "samples"))]
pub use cause::samples;
pub use cause::{
    AgentCause, AliasEnd, BbdoCause, Because, Blank, Cause, ChainLink, CircleSign, ClosedHow,
    ClosedPort, Coded, Concern, ConcernCode, DatabaseCause, Demand, DnsCause, DropSign,
    ECHO_REQUEST, FarSideCause, FirewallCause, GorgoneCause, HostAnswer, Icmp, Layer, LdapCause,
    LinkFault, LocalFirewallSign, LocalRoute, ManyHosts, Millis, NameCause, NsclientCause,
    NtpCause, NtpProgram, NtpWeakness, Opinion, OwnCause, OwnFirewall, Owner, Passage, PathCause,
    Phase, Plea, PortCause, QuietPoller, Remedy, RemedyCommand, ResetSign, RouteCause, RouteEntry,
    RunOn, SmtpCause, SnmpCause, SourceFault, SshCause, SshPart, TalkCause, TlsCause, Transport,
    TunnelLink, WebCause, Whereabouts, span,
};
pub use diagnose::{Case, Examiner, Inquiry, Manner, Stage, Watcher};
pub use dialogue::Dialogue;
pub use discreet::{
    MASK, discreet, discreet_path, discreet_text, discreet_value, hidden, quoted, secrets_of,
};
pub use evidence::{Evidence, Hop, Seen, Timings, Value};
pub use firewall::selinux::selinux_refusal;
pub use follow_ups::{FOLLOW_UPS, FollowUp};
pub use identify::identify;
pub use net::post::RATE;
pub use net::{
    Addresses, Arrivals, ClientIdentity, Deadline, Eavesdropper, FarStream, HeldConnections, Io,
    NameFiles, NameSource, Naming, Offer, Overheard, Peer, RESOLVE, TakenConnection, Trust,
    Unanswered, connections, examine_arrivals, glibc_version, half_open, is_public, mail_servers,
    network, offers, public_domain, resolve, resolve_by_dns, resolve_by_dns_first,
    resolve_by_dns_in_domain, reverse,
};
pub use path::cut::{CutTrace, examine_cut, is_cut, judge_cut};
pub use path::ports::{PortsTrace, examine_ports, judge_ports};
pub use path::reset::{ResetTrace, examine_reset, is_reset, judge_reset};
pub use path::vpn::{Carriage, Vpn, examine_vpn, judge_vpn};
pub use path::{
    Beyond, HostSign, Refused, Trace, examine_host, examine_path, examine_segment, is_silence,
    judge,
};
pub use recognise::Spoken;
pub use responder::{Behaviour, Responder, ServerCertificates};
pub use services::listener::{holder_of, listens_at, own_firewall, own_firewall_depends};
pub use services::*;
pub use wire::{clean, printable};

use net::tls::Look;
use net::tls::hello::Repertoire;
use net::{Ask, Packets};
use recognise::recognise;

/// The verdict on one address, and what was seen on the way to it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The address asked, and the name it goes by.
    pub peer: Peer,
    /// The address we asked from, once a socket told.
    pub source: Option<IpAddr>,
    /// Does it work, and if not, why?
    pub verdict: Result<(), Cause>,
    /// What was seen, kept on failure too.
    pub seen: Seen,
    /// How long it took.
    pub took: Duration,
    /// What we said on its last connection, when that was reset, for [`examine_cut`] to say again.
    pub words: Option<FirstWords>,
}

/// The first words of a conversation. `Debug` gives their length alone: a password may be among them.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstWords(Vec<u8>);

impl FirstWords {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for FirstWords {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Words of {} bytes", self.0.len())
    }
}

impl Finding {
    /// Puts `cause` in the place of the one it failed with, which is kept if it was the probe's own.
    ///
    /// A pass stays one.
    pub fn revise(&mut self, cause: Cause) {
        if let Err(known) = &mut self.verdict
            && *known != cause
        {
            let before = std::mem::replace(known, cause);
            self.seen.at_first.get_or_insert(Box::new(before));
        }
    }

    /// The port of ours from which the first packet left, if that was lost.
    #[must_use]
    pub fn lost_from(&self) -> Option<u16> {
        match self.seen.evidence.fact(net::SOURCE_PORT)? {
            &Value::Integer(port) => u16::try_from(port).ok(),
            _ => None,
        }
    }
}

/// After a handshake that failed with `cause`: does the server only take what this tool does not offer?
async fn as_openssl(probe: &Probe, ask: &mut Ask, cause: Cause) -> Result<(), Cause> {
    let mut looks = Vec::new();
    let is_refused = matches!(cause, Cause::Tls(TlsCause::TlsRefused { .. }));
    let last = is_refused.then_some(Repertoire::Ccm);
    for from in [Repertoire::Openssl, Repertoire::Everything].into_iter().chain(last) {
        let mut again = Ask::new(ask.peer.clone(), ask.deadline, ask.trust.clone());
        again.look = Look::With(from);
        // It ends with the first message of TLS, and what came of that is in `again`.
        let _always_fails = ask.deadline.bound(Box::pin(probe.run(&mut again))).await;
        looks.push(again.look);
        if let Some(Look::Agreed { .. }) = looks.last() {
            break;
        }
    }
    let Seen { headline, evidence, concerns, .. } = net::tls::instead(cause, looks)?;
    for (name, value) in evidence.facts() {
        ask.seen.evidence.set(name.to_owned(), value.clone());
    }
    ask.seen.headline = headline;
    ask.seen.concerns.extend(concerns);
    Ok(())
}

/// The same with packets that every link carries: does it come further?
///
/// And, where the answers are missing, is the silence there with packets of the usual size, before and afterwards? Else
/// it was a busy server that has found the time, and size has nothing to do with it.
async fn works_with_small_packets(probe: &Probe, ask: &Ask, ours: bool) -> bool {
    let comes_further = async |packets, limit| {
        let deadline = ask.deadline.renewed(limit);
        let mut again = Ask::new(ask.peer.clone(), deadline, ask.trust.clone());
        again.packets = packets;
        let probe = probe.without_consequences();
        let verdict = deadline.bound(Box::pin(probe.run(&mut again))).await;
        verdict.is_some_and(|verdict| !verdict.is_err_and(|cause| is_mute(&cause)))
    };
    let is_steady = ours || !comes_further(Packets::Usual, STILL_SILENT).await;
    is_steady
        && comes_further(Packets::Small, SMALL_WORKS).await
        && (ours || !comes_further(Packets::Usual, STILL_SILENT).await)
}

/// The cause when what came shows that this is no server of the service at all: our own words, or what it
/// says to a line of nonsense.
///
/// The greetings of two ZMTP peers are alike.
fn stranger(service: &Service, ask: &Ask, cause: &Cause) -> Option<Cause> {
    let wrong = |spoken, head: &[u8]| {
        let (expected, head) = (service.expected.into(), wire::head(head));
        Some(Cause::Talk(TalkCause::WrongService { expected, spoken, head }))
    };
    if ask.ledger.is_echo() && service.spoken != Spoken::Zmtp {
        return wrong(Spoken::Echo, &[]);
    }
    let is_silence = matches!(
        cause,
        Cause::Talk(TalkCause::Silent { .. }) | Cause::Smtp(SmtpCause::SmtpGreetingLate { .. })
    );
    let head = ask.ledger.drawn_out_head().filter(|_| is_silence)?;
    let spoken = recognise(&head);
    if spoken == service.spoken { None } else { wrong(spoken, &head) }
}

/// Did it end in a silence, or without a word?
fn is_mute(cause: &Cause) -> bool {
    let is_named = matches!(
        cause,
        Cause::Talk(
            TalkCause::Silent { .. }
                | TalkCause::SilentAfter { .. }
                | TalkCause::Incomplete { .. }
                | TalkCause::HungUp { .. }
                | TalkCause::Reset { .. }
        ) | Cause::Smtp(SmtpCause::SmtpGreetingLate { .. })
            | Cause::Ldap(LdapCause::LdapBindUnanswered { .. })
            | Cause::Tls(TlsCause::TlsClosed { .. })
            | Cause::Ssh(SshCause::SshClosed { .. })
    );
    is_named || cause.layer() <= Layer::Port
}

/// Longer than a whole conversation takes where nothing is lost.
const SMALL_WORKS: Duration = Duration::from_secs(3);
/// The same, where it was silent before.
const STILL_SILENT: Duration = Duration::from_millis(1_500);

/// Was there no answer to the first packet: a silence, a SYN or a datagram that was sent again?
fn is_first_packet_lost(ask: &Ask, verdict: &Result<(), Cause>) -> bool {
    let is_asked_again = |concern: &Concern| matches!(concern, Concern::PacketLoss { .. });
    match verdict {
        Err(cause) => is_silence(cause),
        Ok(()) => {
            ask.seen.evidence.fact(net::tcp::SYN_AGAIN).is_some()
                || ask.seen.concerns.iter().any(is_asked_again)
        }
    }
}

/// Asks `peer` one question, which ends at `deadline` at the latest.
///
/// After a silence, or after answers that were slow or lost, looks of some seconds follow: at whether
/// small packets come through, and at how many are lost.
///
/// Dropping the future ends the conversation.
pub async fn examine(probe: &Probe, peer: Peer, deadline: Deadline, trust: &Trust) -> Finding {
    let ask = Ask::new(peer, deadline, trust.clone());
    put(probe, ask, probe.service().repeats).await
}

/// Leaves connections to `peer` silent, the longest for `silence`, and speaks again: do they live?
///
/// `None`: the service of `probe` is one whose connections are not silent for long. Dropping the future closes them.
pub async fn examine_hold(
    probe: &Probe,
    peer: &Peer,
    silence: Duration,
) -> Option<HeldConnections> {
    let words = probe.idle_words()?;
    Some(net::tcp::hold(&words, peer, silence).await)
}

/// Asks one question; after an answer asks the harmless one `repeats` times more, to count those that are lost.
pub(crate) async fn put(probe: &Probe, mut ask: Ask, repeats: usize) -> Finding {
    let started = Instant::now();
    let deadline = ask.deadline;
    let to = ask.address();
    // Boxed, as what follows: a caller that asks many at once need not hold room for the largest.
    let run = Box::pin(probe.run(&mut ask));
    // Each wait inside is bounded; this bound is for the crates inside.
    let mut verdict = deadline.bound(run).await.unwrap_or_else(|| {
        Err(Cause::Talk(TalkCause::Silent { to, phase: Phase::Reply, waited: deadline.waited() }))
    });
    if let Err(cause) = &verdict
        && let Some(other) = stranger(probe.service(), &ask, cause)
    {
        verdict = Err(other);
    }
    // A cause of another kind has made something else of the handshake.
    if let Err(
        cause @ Cause::Tls(
            TlsCause::TlsVersion { .. } | TlsCause::TlsRefused { .. } | TlsCause::TlsClosed { .. },
        ),
    ) = &verdict
        && matches!(ask.look, Look::Wanted)
    {
        verdict = Box::pin(as_openssl(probe, &mut ask, cause.clone())).await;
    }
    verdict = match verdict {
        Ok(()) => net::tcp::doubt(&ask).map_or(Ok(()), Err),
        Err(cause) => Err(Box::pin(net::tcp::explain(&ask, cause)).await),
    };
    if let Err(cause) = &verdict
        && let Some(ours) = net::tcp::is_bound_to_size(&ask, cause)
        && Box::pin(works_with_small_packets(probe, &ask, ours)).await
    {
        let waited = deadline.waited();
        verdict = Err(Cause::Path(PathCause::MtuBlackHole { to, segments: 0, ours, waited }));
    }
    if let (Err(_), Some(left)) = (&verdict, ask.ledger.hops_left()) {
        ask.seen.evidence.set(net::HOPS_LEFT, left);
    }
    let service = probe.service();
    if verdict.is_ok() {
        ask.seen.concerns.extend(net::udp::slowness(&ask));
        if let Some(question) = service.question {
            Box::pin(net::udp::count_answers(&mut ask, question, repeats)).await;
        }
    }
    net::tcp::note_losses(&mut ask);
    if verdict.is_ok() && service.transport == Transport::Tcp {
        Box::pin(net::tcp::count_handshakes(&mut ask, repeats, started.elapsed())).await;
    }
    if is_first_packet_lost(&ask, &verdict)
        && let Some(port) = ask.ledger.first_port()
    {
        ask.seen.evidence.set(net::SOURCE_PORT, port);
    }
    if let Err(Cause::Port(PortCause::PortClosed { to })) = verdict
        && !to.ip().is_loopback()
        && net::route::is_here(to.ip())
    {
        verdict = Err(Cause::Port(PortCause::ClosedHere { to }));
    }
    let is_reset = matches!(verdict, Err(Cause::Talk(TalkCause::Reset { .. })));
    let words = is_reset.then(|| ask.ledger.first_words().map(FirstWords)).flatten();
    let took = started.elapsed();
    let Ask { peer, mut seen, source, .. } = ask;
    probe.secrets().conceal(&mut verdict, &mut seen);
    let before = [seen.timings.connect, seen.timings.tls].into_iter().flatten().sum();
    seen.timings.protocol = Some(took.saturating_sub(before));
    Finding { peer, source, verdict, seen, took, words }
}
