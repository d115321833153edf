//! The only place that waits: deadlines, names, TCP, UDP, TLS.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::cause::{Cause, Millis, RouteCause};
use crate::evidence::Seen;

mod arrivals;
mod direct;
pub(crate) mod echo;
mod errno;
pub(crate) mod far;
pub(crate) mod grpc;
mod hindrance;
pub(crate) mod icmp;
pub(crate) mod knock;
mod ledger;
pub(crate) mod link;
pub(crate) mod listening;
mod mx;
mod names;
pub(crate) mod neighbour;
mod netlink;
mod nsswitch;
pub(crate) mod nts_keys;
mod opinion;
mod overheard;
pub(crate) mod post;
pub(crate) mod program;
pub(crate) mod relay;
pub(crate) mod resolve;
mod reverse;
pub(crate) mod route;
mod rule;
pub(crate) mod source;
mod srv;
mod sys;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod udp;
mod watched;

pub use arrivals::{Arrivals, Unanswered, examine_arrivals};
pub use direct::{resolve_by_dns, resolve_by_dns_first, resolve_by_dns_in_domain};
pub use far::{FarStream, Io};
pub use listening::{TakenConnection, connections, half_open};
pub use mx::mail_servers;
pub use names::{NameFiles, NameSource, Naming};
pub use overheard::{Eavesdropper, Overheard};
pub use resolve::{Addresses, RESOLVE, public_domain, resolve};
pub use reverse::{is_public, reverse};
pub use srv::{Offer, offers};
pub use sys::glibc_version;
pub use tcp::HeldConnections;
pub use tls::{ClientIdentity, Trust};

pub(crate) use hindrance::{hand_set_neighbour, hindrance};
pub(crate) use ledger::Ledger;
pub(crate) use relay::Relay;
pub(crate) use tcp::{IdleWords, Stream};
pub(crate) use udp::Udp;

/// Longest wait for a TCP handshake: three SYNs on every kernel, and longer than
/// the 3.07 s after which the kernel gives up on a neighbour that is not there.
pub(crate) const CONNECT: Duration = Duration::from_secs(4);

/// The fact that tells how many hops a refusal had left when it arrived.
pub(crate) const HOPS_LEFT: &str = "refusal_hops_left";

/// The fact that tells from which port of ours a question left that was lost.
pub(crate) const SOURCE_PORT: &str = "source_port";

/// The moment a step gives up, made once by the runner and passed down.
///
/// All waits inside a step are written for a scale of 1; `--timeout` scales them
/// together with the deadline.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    started: Instant,
    at: Instant,
    scale: f64,
}

impl Deadline {
    /// A deadline `budget` from now.
    #[must_use]
    pub fn after(budget: Duration) -> Self {
        Self::scaled(budget, 1.0)
    }

    /// A deadline `budget` times `scale` from now.
    #[must_use]
    pub fn scaled(budget: Duration, scale: f64) -> Self {
        let started = Instant::now();
        Self { started, at: started + budget.mul_f64(scale), scale }
    }

    /// A deadline for something beside the step: `limit` from now, whatever is left of it.
    pub(crate) fn renewed(self, limit: Duration) -> Self {
        Self::scaled(limit, self.scale)
    }

    /// A deadline for a part of the step: `limit` from now, never later than the whole.
    pub(crate) fn within(self, limit: Duration) -> Self {
        let started = Instant::now();
        Self { started, at: self.at.min(started + limit.mul_f64(self.scale)), scale: self.scale }
    }

    /// Time since this deadline was made.
    pub(crate) fn waited(self) -> Millis {
        Millis(self.started.elapsed())
    }

    /// Time that is left.
    pub(crate) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Is there no time left?
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// The moment itself, for a wait of several kinds at once.
    pub(crate) fn at(self) -> Instant {
        self.at
    }

    /// `wait` as this run scales it.
    pub(crate) fn scale(self, wait: Duration) -> Duration {
        wait.mul_f64(self.scale)
    }

    /// Lets the time pass.
    pub(crate) async fn pass(self) {
        tokio::time::sleep_until(self.at).await;
    }

    /// Awaits `step`; `None` when the deadline comes first.
    pub(crate) async fn bound<T>(self, step: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.at, step).await.ok()
    }
}

/// Does `work`, which blocks, on a thread that no conversation depends on.
///
/// # Errors
///
/// [`RouteCause::LocalError`](crate::cause::RouteCause::LocalError) when the program ends before it was begun.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Cause> {
    let lost = match tokio::task::spawn_blocking(work).await {
        Ok(done) => return Ok(done),
        Err(lost) => lost,
    };
    match lost.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(lost) => Err(Cause::Route(RouteCause::LocalError {
            action: "use a thread".into(),
            error: lost.to_string(),
        })),
    }
}

/// The network of an address, as far as that can be told from the address: hosts that differ in the last part
/// of it alone.
#[must_use]
pub fn network(of: IpAddr) -> IpAddr {
    match of {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// Whom to ask: the name as configured, and one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The name or address as it was configured; TLS certificates are held against it.
    pub host: String,
    /// One address of it, and the port.
    pub address: SocketAddr,
    /// The address of ours it is asked from; `None`: the one this host's routes choose.
    pub from: Option<IpAddr>,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), address, from: None }
    }
}

/// One question being asked: whom, until when, and what was seen so far.
///
/// A probe gets it by mutable reference, so that what it saw before it failed
/// is kept.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The address asked.
    pub(crate) peer: Peer,
    /// When the question is given up.
    pub(crate) deadline: Deadline,
    /// Whom TLS trusts.
    pub(crate) trust: Trust,
    /// What was seen so far.
    pub(crate) seen: Seen,
    /// The address we asked from, once a socket told.
    pub(crate) source: Option<IpAddr>,
    /// What was sent and what came over TCP.
    pub(crate) ledger: Ledger,
    /// The sockets that all questions of a run may share.
    pub(crate) post: Option<post::Post>,
    /// Is TLS spoken, or only its first message?
    pub(crate) look: tls::Look,
    /// How large TCP's packets may be.
    pub(crate) packets: Packets,
}

/// How large TCP's packets may be, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Packets {
    /// As large as the path takes them, for all that is known.
    #[default]
    Usual,
    /// So small that every link carries them.
    Small,
}

impl Ask {
    /// A question to `peer` that ends at `deadline`.
    pub(crate) fn new(peer: Peer, deadline: Deadline, trust: Trust) -> Self {
        Self {
            peer,
            deadline,
            trust,
            seen: Seen::default(),
            source: None,
            ledger: Ledger::default(),
            post: None,
            look: tls::Look::default(),
            packets: Packets::default(),
        }
    }

    /// Opens a TCP connection to the peer.
    pub(crate) async fn connect(&mut self) -> Result<Stream, Cause> {
        Stream::connect(self).await
    }

    /// Opens a UDP socket that hears the peer only.
    pub(crate) fn datagrams(&mut self) -> Result<Udp, Cause> {
        Udp::connect(self)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.peer.address
    }
}
