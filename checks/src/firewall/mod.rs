//! Firewall: would this host's own rules let a connection in?
//!
//! Read, never tried: the rules are listed by their own programs, and the packets of a connection
//! (SYN, answer, what follows) are sent through them here, under every reading that is possible where
//! something is not known. What differs between the readings is told as undecided. Limits of rate and of
//! number count as not reached.
//!
//! Not seen: filters outside of netfilter (XDP, `tc`, a reverse path filter), and those of a container's host.

mod iptables;
mod nft;
mod packet;
mod read;
mod ruleset;
pub(crate) mod selinux;
mod value;
mod walk;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use self::packet::{JudgedPacket, Leg, PacketEnds, TrackState};
use self::ruleset::{Ruleset, TableKind};
use self::walk::{Blame, Fate, Fates, How};
use crate::cause::{Cause, ClosedHow, ClosedPort, FirewallCause, OwnFirewall, Transport};
use crate::net::route::entry_for;

/// What this host's own rules mean for who connects to a port.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FirewallOpinion {
    /// They let it in by this interface.
    LetsIn {
        /// The interface.
        by: String,
    },
    /// They let it in, and give it to another port of this host.
    LetsInto {
        /// That port.
        port: u16,
    },
    /// The rules let nobody in, for this reason.
    Closed(Box<Cause>),
    /// It depends on what is not known here.
    DependsOn(Vec<String>),
    /// It cannot be told: why.
    Untold(String),
}

/// Would this host's own rules let `senders` (nobody: whoever comes) in to a port? Blocks for as
/// long as the rules take to be listed.
pub(crate) fn opinion(over: Transport, port: u16, senders: &[IpAddr]) -> FirewallOpinion {
    let reading = reading();
    let ruleset = match &*reading {
        Ok(ruleset) => ruleset,
        Err(why) => return FirewallOpinion::Untold(why.clone()),
    };
    let interfaces = Interface::all();
    let ends: Vec<PacketEnds> = if senders.is_empty() {
        from_anywhere(&interfaces)
    } else {
        senders.iter().filter_map(|&sender| from(sender)).collect()
    };
    if ends.is_empty() {
        return FirewallOpinion::Untold("no interface is up that they could come in by".to_owned());
    }
    let own: Vec<IpAddr> = interfaces.iter().flat_map(|one| one.addresses.clone()).collect();
    let verdicts = ends.iter().map(|ends| (ends, judge(ruleset, ends, over, port, &own)));
    weigh(&verdicts.collect::<Vec<_>>(), !senders.is_empty(), |blame, ends| {
        Box::new(cause(ruleset, blame, ends, over, port))
    })
}

/// All rules of this host, or why they are not known.
type RulesReading = Arc<Result<Ruleset, String>>;

/// This host's rules. The rows of a run ask within moments of each other, and their programs are run once
/// for all of them; whoever asks later has them read again.
fn reading() -> RulesReading {
    /// When they were read, and in which network namespace.
    static LAST: Mutex<Option<(Instant, u64, RulesReading)>> = Mutex::new(None);
    let here = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |namespace| namespace.ino());
    // Held while they are read: who comes meanwhile waits for that reading.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, namespace, reading)) = &*last
        && *namespace == here
        && at.elapsed() < FRESH
    {
        return Arc::clone(reading);
    }
    let reading = Arc::new(read::ruleset());
    *last = Some((Instant::now(), here, Arc::clone(&reading)));
    reading
}

/// Rules that were read so long ago may have been changed since: a watched run asks every few seconds.
const FRESH: Duration = Duration::from_secs(2);

/// One verdict of those on several ends.
fn weigh(
    verdicts: &[(&PacketEnds, InboundVerdict)],
    each_counts: bool,
    closed: impl Fn(&Blame, &PacketEnds) -> Box<Cause>,
) -> FirewallOpinion {
    let first_closed = verdicts.iter().find_map(|(ends, verdict)| match verdict {
        InboundVerdict::Closed(blame) => Some((*ends, blame)),
        _ => None,
    });
    if let Some((ends, blame)) = first_closed {
        let all = verdicts.iter().all(|(_, verdict)| matches!(verdict, InboundVerdict::Closed(_)));
        if all || each_counts {
            return FirewallOpinion::Closed(closed(blame, ends));
        }
        let which = |(ends, verdict): &(&PacketEnds, InboundVerdict)| {
            let over = format!("over IPv{} by {}", if ends.is_v4 { 4 } else { 6 }, ends.interface);
            match verdict {
                InboundVerdict::Open(_) => format!("open {over}"),
                InboundVerdict::Closed(_) => format!("closed {over}"),
                InboundVerdict::DependsOn(what) => format!("{over}: {}", what.join(", ")),
                InboundVerdict::Untold(why) => format!("{over}, not known: {why}"),
            }
        };
        return FirewallOpinion::DependsOn(verdicts.iter().map(which).collect());
    }
    let mut port = None;
    for (ends, verdict) in verdicts {
        match verdict {
            InboundVerdict::Untold(why) => return FirewallOpinion::Untold(why.clone()),
            InboundVerdict::DependsOn(what) => return FirewallOpinion::DependsOn(what.clone()),
            InboundVerdict::Open(at) => port = port.or(Some((*at, ends.interface.clone()))),
            InboundVerdict::Closed(_) => {}
        }
    }
    match port {
        Some((Some(port), _)) => FirewallOpinion::LetsInto { port },
        Some((None, by)) => FirewallOpinion::LetsIn { by },
        None => FirewallOpinion::Untold("nothing was judged".to_owned()),
    }
}

/// What becomes of a connection between two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum InboundVerdict {
    /// It is let in; to another port, when a rule says so.
    Open(Option<u16>),
    Closed(Blame),
    DependsOn(Vec<String>),
    Untold(String),
}

fn judge(
    ruleset: &Ruleset,
    ends: &PacketEnds,
    over: Transport,
    port: u16,
    own: &[IpAddr],
) -> InboundVerdict {
    if let Some(why) = ruleset.unread.first() {
        return InboundVerdict::Untold(why.clone());
    }
    if ruleset.has_base("bridge") && is_bridge(&ends.interface) {
        return InboundVerdict::Untold(format!(
            "rules of the bridge {} come first",
            ends.interface
        ));
    }
    let mut fates = Fates::new();
    for (conditions, fate) in ruleset.send(JudgedPacket::first(over, port, ends), own, None) {
        match fate {
            Fate::Through(first) => {
                fates.extend(
                    afterwards(ruleset, ends, port, &first, own)
                        .into_iter()
                        .map(|(more, fate)| ([conditions.clone(), more].concat(), fate)),
                );
            }
            fate => fates.push((conditions, fate)),
        }
    }
    conclude(fates, port)
}

/// What becomes of the answer to `first`, and of what follows.
fn afterwards(
    ruleset: &Ruleset,
    ends: &PacketEnds,
    port: u16,
    first: &JudgedPacket,
    own: &[IpAddr],
) -> Fates {
    let through = || vec![(Vec::new(), Fate::Through(first.clone()))];
    // A datagram may be all there is to say, as a trap is.
    if first.over != Transport::Tcp {
        return through();
    }
    let marks =
        |packet: JudgedPacket| JudgedPacket { connection_mark: first.connection_mark, ..packet };
    let state = match first.state {
        // Tracking takes an answer to what it has not seen for invalid.
        TrackState::Untracked => TrackState::Unseen,
        _ => TrackState::Established,
    };
    let answer = marks(JudgedPacket { leg: Leg::Answer, state, mark: Some(0), ..first.clone() });
    let next = JudgedPacket::first(first.over, port, ends);
    let next = marks(JudgedPacket { leg: Leg::Next, state: TrackState::Established, ..next });
    let mut fates = Fates::new();
    for (conditions, fate) in ruleset.send(answer, own, None) {
        match fate {
            Fate::Through(_) => {
                let next = ruleset.send(next.clone(), own, Some(first)).into_iter();
                fates.extend(next.map(|(more, fate)| ([conditions.clone(), more].concat(), fate)));
            }
            fate => fates.push((conditions, fate)),
        }
    }
    fates
}

/// One verdict of all that may become of it.
fn conclude(fates: Fates, port: u16) -> InboundVerdict {
    let mut open = None;
    let mut closed = None;
    let mut depends: Vec<String> = Vec::new();
    for (conditions, fate) in fates {
        match fate {
            Fate::Untold(why) => return InboundVerdict::Untold(why),
            Fate::Through(packet) => open = open.or(Some(packet.port)),
            Fate::Closed(blame) => closed = closed.or(Some(blame)),
        }
        depends.extend(conditions);
    }
    depends.sort();
    depends.dedup();
    match (open, closed) {
        (Some(to), None) => InboundVerdict::Open(Some(to).filter(|&to| to != port)),
        (None, Some(blame)) => InboundVerdict::Closed(blame),
        (Some(_), Some(_)) => InboundVerdict::DependsOn(depends),
        (None, None) => InboundVerdict::Untold("nothing was judged".to_owned()),
    }
}

fn is_bridge(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).join("bridge").is_dir()
}

/// An interface that others may come in by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interface {
    name: String,
    addresses: Vec<IpAddr>,
}

impl Interface {
    /// Those that are up and have an address; not loopback.
    fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for one in getifaddrs().into_iter().flatten() {
            let is_up = one.flags.contains(InterfaceFlags::IFF_UP);
            if !is_up || one.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
                continue;
            }
            let Some(address) = one.address else { continue };
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
            let v6 = address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip()));
            let Some(address) = v4.or(v6) else { continue };
            match all.iter_mut().find(|known| known.name == one.interface_name) {
                Some(known) => known.addresses.push(address),
                None => all.push(Self { name: one.interface_name, addresses: vec![address] }),
            }
        }
        all
    }

    /// Its first address of that kind, other than one of the segment alone.
    fn address(&self, is_v4: bool) -> Option<IpAddr> {
        let is_local = |address: &IpAddr| match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        self.addresses.iter().copied().find(|one| one.is_ipv4() == is_v4 && !is_local(one))
    }
}

/// Between `sender` and this host.
fn from(sender: IpAddr) -> Option<PacketEnds> {
    let interface = entry_for(sender, None)?.interface;
    Some(PacketEnds {
        is_v4: sender.is_ipv4(),
        peer: Some(sender),
        own: own_address(sender),
        interface,
    })
}

/// The address of ours that packets to `peer` leave from; nothing is sent.
fn own_address(peer: IpAddr) -> Option<IpAddr> {
    let anywhere = match peer {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind(SocketAddr::new(anywhere, 0)).ok()?;
    socket.connect(SocketAddr::new(peer, DISCARD)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Any port does for a socket that sends nothing.
const DISCARD: u16 = 9;

/// From nobody knows where: by the interfaces of the default routes, or by all where there is none.
fn from_anywhere(interfaces: &[Interface]) -> Vec<PacketEnds> {
    let mut all: Vec<PacketEnds> = Vec::new();
    for (is_v4, somewhere) in [(true, SOMEWHERE), (false, SOMEWHERE_V6)] {
        let default = entry_for(somewhere, None).map(|entry| entry.interface);
        let by =
            interfaces.iter().filter(|one| default.as_ref().is_none_or(|name| *name == one.name));
        all.extend(by.filter_map(|one| {
            let own = Some(one.address(is_v4)?);
            Some(PacketEnds { is_v4, peer: None, own, interface: one.name.clone() })
        }));
    }
    all
}

/// Addresses that only a default route leads to (RFC 5737, RFC 3849).
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SOMEWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// The blame as a cause, in the words of the program that manages the rule.
fn cause(ruleset: &Ruleset, blame: &Blame, ends: &PacketEnds, over: Transport, port: u16) -> Cause {
    let id = &blame.id;
    let firewall = if id.table == "firewalld" || ruleset.has_chain(id, "INPUT_ZONES") {
        OwnFirewall::Firewalld
    } else if ruleset.has_chain(id, "ufw-") || ruleset.has_chain(id, "ufw6-") {
        OwnFirewall::Ufw
    } else {
        match id.layer {
            TableKind::Nft => OwnFirewall::Nftables,
            TableKind::IptablesNft => OwnFirewall::Iptables,
            TableKind::IptablesLegacy => OwnFirewall::IptablesLegacy,
        }
    };
    let (how, handed_to) = match blame.how {
        How::Drop => (ClosedHow::Dropped, None),
        How::Reject => (ClosedHow::Rejected, None),
        How::HandOn(to, port) => (ClosedHow::HandedOn, Some(SocketAddr::new(to, port))),
    };
    let closed = ClosedPort {
        transport: over,
        port,
        firewall,
        zone: blame.zone.clone().filter(|_| firewall == OwnFirewall::Firewalld),
        how,
        handed_to,
        answers: blame.leg == Leg::Answer,
        family: id.family.clone(),
        table: id.table.clone(),
        chain: id.chain.clone(),
        base: blame.base.clone(),
        rule: read::text(blame),
        from: ends.peer,
    };
    Cause::Firewall(FirewallCause::ClosedByOwnFirewall(Box::new(closed)))
}
