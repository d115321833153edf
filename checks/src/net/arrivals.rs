//! Arrivals: do the answers reach this host, and die here?
//!
//! A packet that a rule in the INPUT direction drops, or the reverse path filter,
//! is counted as received and never as delivered. The counters are the whole
//! host's: so the questions are asked in short windows with quiet ones between,
//! and only a difference that comes with each question, and not without, counts.
//!
//! Reference: RFC 4293 (`ipIfStatsInReceives`, `InDelivers`), `proc(5)`
//! `/proc/net/snmp`, Linux `Documentation/networking/snmp_counter.rst`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;

use super::Deadline;
use super::knock::{Knock, Terms};
use crate::cause::{DropSign, Transport};

/// A question that nobody answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The address asked.
    pub to: SocketAddr,
    /// TCP or UDP.
    pub transport: Transport,
    /// The address of ours it is asked from.
    pub from: Option<IpAddr>,
    /// What the service is asked over UDP.
    pub datagram: Vec<u8>,
}

/// What to think of the answers to some questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Nothing arrives, or too much else does.
    Nothing,
    /// Fewer packets die here than questions were asked.
    Some,
    /// Each time as many die here as questions were asked.
    All(DropSign),
}

/// Asks all of `questions` again, several times, and watches what this host drops.
///
/// Takes 50 ms when nothing arrives, else 750 ms; nothing else should be under way. Of one address family at a time.
pub async fn examine_arrivals(questions: &[Unanswered], deadline: Deadline) -> Arrivals {
    let is_v4 = questions.iter().all(|question| question.to.is_ipv4());
    let read = || if is_v4 { Counters::read_v4() } else { Counters::read_v6() };
    let mut windows = Vec::new();
    for _ in 0..ROUNDS {
        let Some(before) = read() else { return Arrivals::Nothing };
        let wait = deadline.within(WINDOW);
        join_all(questions.iter().map(|question| question.ask(wait))).await;
        wait.pass().await;
        let Some(asked) = read().map(|now| now.since(before)) else { return Arrivals::Nothing };
        if asked.dropped < questions.len() as u64 {
            return if asked.dropped == 0 { Arrivals::Nothing } else { Arrivals::Some };
        }
        let mut quiet = [Counters::default(); QUIET];
        for window in &mut quiet {
            let Some(before) = read() else { return Arrivals::Nothing };
            deadline.within(WINDOW).pass().await;
            *window = read().map_or_else(Counters::default, |now| now.since(before));
        }
        windows.push((asked, quiet));
    }
    judge(questions.len() as u64, &windows)
}

impl Unanswered {
    async fn ask(&self, wait: Deadline) {
        let knock = match self.transport {
            Transport::Tcp => Knock::Syn,
            Transport::Udp => Knock::Datagram(&self.datagram),
            Transport::Icmp => Knock::Echo,
        };
        let _whatever_comes =
            knock.send(Terms { from: self.from, ..Terms::default() }, self.to, wait).await;
    }
}

/// Decides from the windows alone: what was dropped while `questions` were asked, and while not.
fn judge(questions: u64, windows: &[(Counters, [Counters; QUIET])]) -> Arrivals {
    let noisy = windows.iter().flat_map(|(_, quiet)| quiet).filter(|quiet| quiet.dropped > 0);
    if windows.len() < ROUNDS || noisy.count() > NOISE {
        return Arrivals::Nothing;
    }
    let each =
        |count: fn(&Counters) -> u64| windows.iter().all(|(asked, _)| count(asked) >= questions);
    match (each(|asked| asked.reverse_path), each(|asked| asked.dropped)) {
        (true, _) => Arrivals::All(DropSign::ReversePath),
        (false, true) => Arrivals::All(DropSign::Rule),
        (false, false) => Arrivals::Some,
    }
}

/// Packets that this host received and passed on to nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    /// For whatever reason that is not the packet's own fault.
    dropped: u64,
    /// Because they came in where the way back does not lead out.
    reverse_path: u64,
}

impl Counters {
    fn read_v4() -> Option<Self> {
        Self::of_v4(&table("/proc/net/snmp")?, &table("/proc/net/netstat")?)
    }

    fn read_v6() -> Option<Self> {
        Self::of_v6(&table("/proc/net/snmp6")?)
    }

    /// Two lines a group: the names, then the numbers.
    fn of_v4(snmp: &str, netstat: &str) -> Option<Self> {
        let ip = |name: &str| in_group(snmp, "Ip:", name);
        let accounted =
            ["InDelivers", "ForwDatagrams", "InHdrErrors", "InAddrErrors", "InDiscards"];
        let accounted = accounted.iter().filter_map(|name| ip(name)).sum();
        Some(Self {
            dropped: ip("InReceives")?.saturating_sub(accounted),
            reverse_path: in_group(netstat, "TcpExt:", "IPReversePathFilter").unwrap_or_default(),
        })
    }

    /// One line a number.
    fn of_v6(snmp: &str) -> Option<Self> {
        let ip = |name: &str| {
            let line = snmp.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(char::is_alphanumeric).trim().parse::<u64>().ok()
        };
        let accounted = [
            "Ip6InDelivers ",
            "Ip6OutForwDatagrams ",
            "Ip6InHdrErrors ",
            "Ip6InAddrErrors ",
            "Ip6InNoRoutes ",
            "Ip6InDiscards ",
        ];
        let accounted = accounted.iter().filter_map(|name| ip(name)).sum();
        let dropped = ip("Ip6InReceives ")?.saturating_sub(accounted);
        Some(Self { dropped, reverse_path: 0 })
    }

    fn since(self, before: Self) -> Self {
        Self {
            dropped: self.dropped.saturating_sub(before.dropped),
            reverse_path: self.reverse_path.saturating_sub(before.reverse_path),
        }
    }
}

fn in_group(table: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut columns = names.split_whitespace().zip(numbers.split_whitespace());
    columns.find(|(column, _)| *column == name)?.1.parse().ok()
}

fn table(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// How often is asked.
const ROUNDS: usize = 5;
/// Windows after each question in which nothing is asked.
const QUIET: usize = 2;
/// How many of these may see something dropped: a server repeats what is not acknowledged.
const NOISE: usize = 2;
/// Longer than the round trip of a local network; an answer that comes later counts as noise.
/// All windows together end before a server repeats its answer to the first question, after 1 s.
const WINDOW: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "\
Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers
Ip: 1 64 1000 1 2 100 0 3 880
Tcp: RtoAlgorithm InSegs
Tcp: 1 5
";
    const NETSTAT: &str = "\
TcpExt: SyncookiesSent IPReversePathFilter
TcpExt: 0 7
";

    fn dropped(dropped: u64) -> Counters {
        Counters { dropped, reverse_path: 0 }
    }

    fn windows(asked: u64, quiet: [u64; QUIET]) -> Vec<(Counters, [Counters; QUIET])> {
        vec![(dropped(asked), quiet.map(dropped)); ROUNDS]
    }

    #[test]
    fn what_was_received_and_is_nowhere_else_was_dropped() {
        let expected = Counters { dropped: 14, reverse_path: 7 };
        assert_eq!(Counters::of_v4(SNMP, NETSTAT), Some(expected));
        let v6 =
            "Ip6InReceives                   \t90\nIp6InDelivers      \t80\nIp6InNoRoutes \t4\n";
        assert_eq!(Counters::of_v6(v6), Some(dropped(6)));
    }

    #[test]
    fn a_kernel_without_these_counters_tells_nothing() {
        assert_eq!(Counters::of_v4("", NETSTAT), None);
        assert_eq!(Counters::of_v4("Ip: InReceives\n", NETSTAT), None);
        assert_eq!(Counters::of_v6("Ip6InDelivers 3\n"), None);
    }

    #[test]
    fn this_host_has_them() {
        assert!(Counters::read_v4().is_some());
    }

    #[test]
    fn a_drop_with_each_question_and_none_without_is_this_hosts() {
        assert_eq!(judge(2, &windows(2, [0, 0])), Arrivals::All(DropSign::Rule));
        assert_eq!(judge(2, &windows(3, [0, 0])), Arrivals::All(DropSign::Rule));
    }

    #[test]
    fn the_reverse_path_filter_is_named_when_it_counts_each() {
        let filtered = Counters { dropped: 2, reverse_path: 2 };
        let windows = vec![(filtered, [Counters::default(); QUIET]); ROUNDS];
        assert_eq!(judge(2, &windows), Arrivals::All(DropSign::ReversePath));
    }

    #[test]
    fn drops_that_come_without_a_question_too_prove_nothing() {
        assert_eq!(judge(1, &windows(1, [0, 1])), Arrivals::Nothing);
        assert_eq!(judge(1, &windows(9, [9, 9])), Arrivals::Nothing);
        let mut twice_noisy = windows(1, [0, 0]);
        twice_noisy[1].1[0] = dropped(4);
        twice_noisy[3].1[1] = dropped(1);
        assert_eq!(judge(1, &twice_noisy), Arrivals::All(DropSign::Rule));
        twice_noisy[4].1[1] = dropped(1);
        assert_eq!(judge(1, &twice_noisy), Arrivals::Nothing);
    }

    #[test]
    fn one_question_without_a_drop_is_enough_to_doubt() {
        let mut windows = windows(1, [0, 0]);
        windows[4].0 = dropped(0);
        assert_eq!(judge(1, &windows), Arrivals::Some);
        assert_eq!(judge(1, &windows[..4]), Arrivals::Nothing);
    }
}
