//! Protocol-aware network probes: one question to one peer.
//!
//! [`examine`] asks, and comes back with a [`Finding`]: a verdict, and what was
//! seen on the way to it. A [`Cause`] says why a probe failed, who has to act,
//! and carries the facts. Nothing here knows a flow, a role or a format.

mod cause;
mod evidence;
mod net;
mod path;
mod recognise;
mod wire;

pub mod ntp;
pub mod ssh;
pub mod tcp;
pub mod tls;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

pub use cause::{
    Cause, Code, Concern, ConcernCode, HostAnswer, Layer, LocalFirewallSign, LocalRoute, Millis,
    Owner, Phase, Transport,
};
pub use evidence::{Evidence, Seen, Timings, Value};
pub use net::icmp::Icmp;
pub use net::{Addresses, Deadline, FarStream, Io, Peer, Trust, resolve};
pub use path::{Beyond, Hop, HostSign, Refused, Trace, examine_path, judge};
pub use recognise::Spoken;
pub use wire::{clean, printable};

use net::Ask;

/// One question in one protocol; to whom is said when it is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Probe {
    /// Does the time server answer, and is our clock near its clock?
    Ntp(ntp::Probe),
    /// Does an SSH server identify itself and offer keys?
    Ssh(ssh::Probe),
    /// Does the application port accept a connection?
    Tcp(tcp::Probe),
    /// Does the port finish a TLS handshake with a certificate we trust?
    Tls(tls::Probe),
}

impl Probe {
    async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        match self {
            Self::Ntp(probe) => probe.run(ask).await,
            Self::Ssh(probe) => probe.run(ask).await,
            Self::Tcp(probe) => probe.run(ask).await,
            Self::Tls(probe) => probe.run(ask).await,
        }
    }

    /// The service this probe asks for.
    #[must_use]
    pub fn service(&self) -> &'static Service {
        match self {
            Self::Ntp(_) => &ntp::SERVICE,
            Self::Ssh(_) => &ssh::SERVICE,
            Self::Tcp(_) => &tcp::SERVICE,
            Self::Tls(_) => &tls::SERVICE,
        }
    }
}

/// Every service there is a probe for.
pub const SERVICES: &[&Service] = &[&ntp::SERVICE, &ssh::SERVICE, &tcp::SERVICE, &tls::SERVICE];

/// What is fixed about a protocol: its name, port, time, and both its halves.
#[derive(Debug)]
pub struct Service {
    /// The name used in the catalogue: `ntp`.
    pub name: &'static str,
    /// The port when nobody says otherwise.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// Is it TLS from the first byte?
    pub tls: bool,
    /// The longest the whole question may take, all phases together.
    pub budget: Duration,
    /// The probe as it is without any option.
    pub probe: fn() -> Probe,
    /// A harmless first datagram of a UDP service, for [`examine_path`].
    pub question: Option<fn() -> Vec<u8>>,
    /// The far side's half, for the responders.
    pub respond: Respond,
}

/// What a healthy far side does with a connection or a datagram.
#[derive(Clone, Copy)]
pub enum Respond {
    /// Answers one datagram; `None`: drops it.
    Datagram(fn(&[u8]) -> Option<Vec<u8>>),
    /// Serves one connection, inside TLS already when the service says so.
    Stream(fn(FarStream) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>),
}

impl std::fmt::Debug for Respond {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Datagram(_) => "Datagram",
            Self::Stream(_) => "Stream",
        })
    }
}

/// The verdict on one address, and what was seen on the way to it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Who was asked.
    pub peer: Peer,
    /// The address we asked from, once a socket told.
    pub source: Option<IpAddr>,
    /// Does it work, and if not, why?
    pub verdict: Result<(), Cause>,
    /// What was seen, kept on failure too.
    pub seen: Seen,
    /// How long it took.
    pub took: Duration,
}

/// Asks `peer` one question; ends at `deadline` at the latest.
///
/// Dropping the future ends the conversation.
pub async fn examine(probe: &Probe, peer: Peer, deadline: Deadline, trust: &Trust) -> Finding {
    let started = Instant::now();
    let mut ask = Ask::new(peer, deadline, trust.clone());
    let to = ask.address();
    // Each wait inside is bounded; this bound is for the crates inside.
    let verdict = deadline.bound(probe.run(&mut ask)).await.unwrap_or_else(|| {
        Err(Cause::Silent { to, phase: Phase::Reply, waited: deadline.waited() })
    });
    let took = started.elapsed();
    let Ask { peer, mut seen, source, .. } = ask;
    let before = [seen.timings.connect, seen.timings.tls].into_iter().flatten().sum();
    seen.timings.protocol = Some(took.saturating_sub(before));
    Finding { peer, source, verdict, seen, took }
}
