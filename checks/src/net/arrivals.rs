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
    /// Each time this host refuses as many as questions were asked, since nobody here waits for them: they
    /// come from another address or port than was asked.
    Astray,
}

/// Asks all of `questions` again, several times, and watches what this host drops.
///
/// Takes 50 ms when nothing arrives, else 750 ms, and 2.5 s when much else does; nothing else should be under way.
/// Of one address family at a time.
pub async fn examine_arrivals(questions: &[Unanswered], deadline: Deadline) -> Arrivals {
    let mut windows = Vec::new();
    let second = deadline.within(SECOND_TRY);
    if let Some(early) = watch(questions, deadline, &mut windows).await {
        return early;
    }
    if is_noisy(&windows) {
        second.pass().await;
        if let Some(early) = watch(questions, deadline, &mut windows).await {
            return early;
        }
    }
    judge(questions.len() as u64, &windows)
}

/// Asks [`ROUNDS`] times and adds what was dropped meanwhile to `windows`; something when more would not tell more.
async fn watch(
    questions: &[Unanswered],
    deadline: Deadline,
    windows: &mut Vec<ArrivalRound>,
) -> Option<Arrivals> {
    let is_v4 = questions.iter().all(|question| question.to.is_ipv4());
    let read = || Counters::read(is_v4);
    for _ in 0..ROUNDS {
        let Some(before) = read() else { return Some(Arrivals::Nothing) };
        let wait = deadline.within(WINDOW);
        join_all(questions.iter().map(|question| question.ask(wait))).await;
        wait.pass().await;
        let Some(now) = read() else { return Some(Arrivals::Nothing) };
        let asked = now.since(before);
        if asked.died() < questions.len() as u64 {
            return Some(if asked.died() == 0 { Arrivals::Nothing } else { Arrivals::Some });
        }
        let mut quiet = [Counters::default(); QUIET];
        for window in &mut quiet {
            let Some(before) = read() else { return Some(Arrivals::Nothing) };
            deadline.within(WINDOW).pass().await;
            *window = read().map_or_else(Counters::default, |now| now.since(before));
        }
        windows.push((asked, quiet));
    }
    None
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

/// What was dropped in the window of a question, and in the quiet ones behind it.
type ArrivalRound = (Counters, [Counters; QUIET]);

/// Decides from the windows alone: what was dropped while `questions` were asked, and while not.
fn judge(questions: u64, windows: &[ArrivalRound]) -> Arrivals {
    if windows.len() < ROUNDS || is_noisy(windows) {
        return Arrivals::Nothing;
    }
    let each =
        |count: fn(&Counters) -> u64| windows.iter().all(|(asked, _)| count(asked) >= questions);
    if each(|asked| asked.reverse_path) {
        Arrivals::All(DropSign::ReversePath)
    } else if each(|asked| asked.forbidden) {
        Arrivals::All(DropSign::Ipsec)
    } else if each(|asked| asked.dropped) {
        // What comes back may be our own packets.
        let is_ours = each(|asked| asked.martian);
        if is_ours { Arrivals::Nothing } else { Arrivals::All(DropSign::Rule) }
    } else if each(|asked| asked.refused) {
        Arrivals::Astray
    } else {
        Arrivals::Some
    }
}

/// Is more dropped without a question than the windows behind one may hold?
fn is_noisy(windows: &[ArrivalRound]) -> bool {
    let noisy = windows.iter().flat_map(|(_, quiet)| quiet).filter(|quiet| quiet.died() > 0);
    noisy.count() > if windows.len() > ROUNDS { NOISE_OF_BOTH } else { NOISE }
}

/// Packets that this host received and passed on to nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    /// For whatever reason that is not the packet's own fault.
    dropped: u64,
    /// Because they came in where the way back does not lead out.
    reverse_path: u64,
    /// Because their sender's address cannot be right where they came in: with those of the line before, packets of ours
    /// that a router sends back to a host that forwards. The whole machine's, beyond this network namespace.
    martian: u64,
    /// Because a policy of `IPsec` forbids them, or wants them to come by a tunnel.
    forbidden: u64,
    /// With a RST, because they belong to no connection of this host.
    refused: u64,
}

impl Counters {
    /// Those of one family, and what is counted for both together.
    fn read(is_v4: bool) -> Option<Self> {
        let snmp = table("/proc/net/snmp")?;
        let counters = if is_v4 {
            let martian = table("/proc/net/stat/rt_cache")
                .map_or(0, |table| of_all_processors(&table, MARTIAN));
            Self { martian, ..Self::of_v4(&snmp, &table("/proc/net/netstat")?)? }
        } else {
            Self::of_v6(&table("/proc/net/snmp6")?)?
        };
        // A kernel without IPsec has no such table.
        let forbidden = table("/proc/net/xfrm_stat").map_or(0, |table| forbidden(&table));
        let refused = in_group(&snmp, "Tcp:", "OutRsts").unwrap_or_default();
        Some(Self { forbidden, refused, ..counters })
    }

    /// All that came to nothing here.
    fn died(self) -> u64 {
        self.dropped + self.forbidden + self.refused
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
            ..Self::default()
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
        Some(Self { dropped, ..Self::default() })
    }

    fn since(self, before: Self) -> Self {
        Self {
            dropped: self.dropped.saturating_sub(before.dropped),
            reverse_path: self.reverse_path.saturating_sub(before.reverse_path),
            martian: self.martian.saturating_sub(before.martian),
            forbidden: self.forbidden.saturating_sub(before.forbidden),
            refused: self.refused.saturating_sub(before.refused),
        }
    }
}

/// Packets that a policy of `IPsec` would not let in.
fn forbidden(table: &str) -> u64 {
    let of = |line: &str| {
        let (name, count) = line.split_once(char::is_whitespace)?;
        FORBIDDEN.contains(&name).then(|| count.trim().parse::<u64>().ok())?
    };
    table.lines().filter_map(of).sum()
}

fn in_group(table: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut columns = names.split_whitespace().zip(numbers.split_whitespace());
    columns.find(|(column, _)| *column == name)?.1.parse().ok()
}

/// The sum of a column that has a hexadecimal number for each processor.
fn of_all_processors(table: &str, name: &str) -> u64 {
    let mut lines = table.lines();
    let at = lines.next().and_then(|names| names.split_whitespace().position(|it| it == name));
    let cell = |line: &str| u64::from_str_radix(line.split_whitespace().nth(at?)?, 16).ok();
    lines.filter_map(cell).sum()
}

fn table(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The column of packets whose sender's address cannot be right.
const MARTIAN: &str = "in_martian_src";
/// The counters of packets that were forbidden, that came without the tunnel they should have come by, or by another.
const FORBIDDEN: [&str; 3] = ["XfrmInPolBlock", "XfrmInNoPols", "XfrmInTmplMismatch"];
/// How often is asked.
const ROUNDS: usize = 5;
/// Windows after each question in which nothing is asked.
const QUIET: usize = 2;
/// How many of these may see something dropped: a server repeats what is not acknowledged.
const NOISE: usize = 2;
/// The same of two tries: where chance drops something in three of ten windows, it does so in all ten that
/// must have something once in 170,000.
const NOISE_OF_BOTH: usize = 6;
/// When a second try begins, if the first was noisy: servers repeat their answers to its questions
/// 1 s to 1.75 s after it began, and then not before 3 s.
const SECOND_TRY: Duration = Duration::from_millis(1_750);
/// Longer than the round trip of a local network; an answer that comes later counts as noise.
/// All windows of a try end before a server repeats its answer to the first question, after 1 s.
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
        Counters { dropped, ..Counters::default() }
    }

    fn windows(asked: u64, quiet: [u64; QUIET]) -> Vec<(Counters, [Counters; QUIET])> {
        vec![(dropped(asked), quiet.map(dropped)); ROUNDS]
    }

    #[test]
    fn what_was_received_and_is_nowhere_else_was_dropped() {
        let expected = Counters { reverse_path: 7, ..dropped(14) };
        assert_eq!(Counters::of_v4(SNMP, NETSTAT), Some(expected));
        let v6 =
            "Ip6InReceives                   \t90\nIp6InDelivers      \t80\nIp6InNoRoutes \t4\n";
        assert_eq!(Counters::of_v6(v6), Some(dropped(6)));
    }

    #[test]
    fn packets_of_ours_that_come_back_are_no_answers() {
        let table = "entries in_hit in_martian_src out\n0e 01 0000000a 0\n00 00 00000002 0\n";
        assert_eq!(of_all_processors(table, MARTIAN), 12);
        assert_eq!(of_all_processors("entries\n0e\n", MARTIAN), 0);
        let returned = Counters { martian: 2, ..dropped(2) };
        let mut windows = vec![(returned, [Counters::default(); QUIET]); ROUNDS];
        assert_eq!(judge(2, &windows), Arrivals::Nothing);
        // Those of another network namespace come now and then.
        windows[3].0.martian = 1;
        assert_eq!(judge(2, &windows), Arrivals::All(DropSign::Rule));
    }

    #[test]
    fn a_kernel_without_these_counters_tells_nothing() {
        assert_eq!(Counters::of_v4("", NETSTAT), None);
        assert_eq!(Counters::of_v4("Ip: InReceives\n", NETSTAT), None);
        assert_eq!(Counters::of_v6("Ip6InDelivers 3\n"), None);
    }

    #[test]
    fn this_host_has_them() {
        assert!(Counters::read(true).is_some());
    }

    #[test]
    fn a_drop_with_each_question_and_none_without_is_this_hosts() {
        assert_eq!(judge(2, &windows(2, [0, 0])), Arrivals::All(DropSign::Rule));
        assert_eq!(judge(2, &windows(3, [0, 0])), Arrivals::All(DropSign::Rule));
    }

    #[test]
    fn the_reverse_path_filter_is_named_when_it_counts_each() {
        let filtered = Counters { reverse_path: 2, martian: 2, ..dropped(2) };
        let windows = vec![(filtered, [Counters::default(); QUIET]); ROUNDS];
        assert_eq!(judge(2, &windows), Arrivals::All(DropSign::ReversePath));
    }

    #[test]
    fn what_ipsec_forbids_and_what_nobody_waits_for_are_told_apart() {
        let table = "XfrmInError \t3\nXfrmInNoPols 2\nXfrmInPolBlock          \t5\n";
        assert_eq!(forbidden(table), 7);
        let told = |asked| judge(2, &vec![(asked, [Counters::default(); QUIET]); ROUNDS]);
        let none = Counters::default();
        assert_eq!(told(Counters { forbidden: 2, ..none }), Arrivals::All(DropSign::Ipsec));
        assert_eq!(told(Counters { refused: 2, ..none }), Arrivals::Astray);
        assert_eq!(told(Counters { refused: 1, ..dropped(1) }), Arrivals::Some);
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
    fn a_second_try_outweighs_the_noise_of_the_first() {
        let mut both = [windows(1, [1, 0]), windows(1, [0, 0])].concat();
        assert_eq!(judge(1, &both), Arrivals::All(DropSign::Rule));
        both[5].1[0] = dropped(1);
        assert_eq!(judge(1, &both), Arrivals::All(DropSign::Rule));
        both[6].1[1] = dropped(1);
        assert_eq!(judge(1, &both), Arrivals::Nothing);
    }

    #[test]
    fn one_question_without_a_drop_is_enough_to_doubt() {
        let mut windows = windows(1, [0, 0]);
        windows[4].0 = dropped(0);
        assert_eq!(judge(1, &windows), Arrivals::Some);
        assert_eq!(judge(1, &windows[..4]), Arrivals::Nothing);
    }
}
