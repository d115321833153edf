//! How much one side may ask of a responder, and all of them together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Sources that are counted apart; those beyond share one count, as forged ones would.
const MAX_SOURCES: usize = 4096;
/// A source that was quiet for so long is forgotten, seconds.
const FORGOTTEN: f64 = 10.0;

/// So many a second for each source, and for all together; ten times as many at once, after a pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    each: f64,
    all: f64,
}

/// Connections: a run of preflight makes about twenty.
pub(super) const CONNECTIONS: Rate = Rate { each: 50.0, all: 500.0 };
/// Datagrams: a run of preflight sends about thirty.
pub(crate) const DATAGRAMS: Rate = Rate { each: 10.0, all: 200.0 };
/// Callers with a code: of 2^40 codes an hour of guesses tries 40,000.
pub(super) const CALLS: Rate = Rate { each: 0.5, all: 10.0 };
/// What may come at once, in seconds of the rate.
const BURST: f64 = 10.0;
/// The most that is owed to a source, bytes: some long answers.
const MOST_OWED: usize = 4096;

/// The counts of one port.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sources: HashMap<IpAddr, Bucket>,
    others: Option<Bucket>,
    all: Option<Bucket>,
}

/// A bucket that empties with the time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
    /// Bytes that came and were not answered yet.
    owed: usize,
}

impl Bucket {
    fn empty(now: Instant) -> Self {
        Self { level: 0.0, at: now, owed: 0 }
    }

    fn take(&mut self, rate: f64, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level - since * rate).max(0.0);
        self.at = now;
        let has_room = self.level + 1.0 <= rate * BURST;
        if has_room {
            self.level += 1.0;
        }
        has_room
    }
}

impl Bounds {
    /// May `source` be answered now?
    pub(crate) fn allow(&self, source: IpAddr, rate: Rate, now: Instant) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let source = network(source);
        if counts.sources.len() >= MAX_SOURCES && !counts.sources.contains_key(&source) {
            let is_fresh = |bucket: &Bucket| {
                now.saturating_duration_since(bucket.at).as_secs_f64() < FORGOTTEN
            };
            // Looked through rarely: the others' own bucket is what bounds them.
            if counts.others.is_none_or(|others| !is_fresh(&others)) {
                counts.sources.retain(|_, bucket| is_fresh(bucket));
            }
        }
        let is_allowed = counts.bucket(source, now).take(rate.each, now);
        // Who is refused by itself takes nothing from the others.
        is_allowed && counts.all.get_or_insert(Bucket::empty(now)).take(rate.all, now)
    }

    /// A datagram of `came` bytes has come from `source`; may `reply` bytes go back?
    ///
    /// Never more than have come: a source that may be forged is sent nothing that it has not paid for. Who asks
    /// again pays again, and what was owed to it is not forgotten before it is quiet.
    pub(crate) fn may_answer(&self, source: IpAddr, came: usize, reply: usize) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = counts.bucket(network(source), Instant::now());
        bucket.owed = (bucket.owed + came).min(MOST_OWED);
        let is_paid = reply <= bucket.owed;
        if is_paid {
            bucket.owed -= reply;
        }
        is_paid
    }
}

impl Counts {
    /// What is counted of a source; of those beyond the room, together.
    fn bucket(&mut self, source: IpAddr, now: Instant) -> &mut Bucket {
        if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&source) {
            self.sources.entry(source).or_insert(Bucket::empty(now))
        } else {
            self.others.get_or_insert(Bucket::empty(now))
        }
    }
}

/// A source is an IPv4 address, or what one IPv6 site has at least: a /64.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_source_is_refused_beyond_its_burst_and_served_again_later() {
        let (bounds, now) = (Bounds::default(), Instant::now());
        let served = |now| (0..1000).filter(|_| bounds.allow(address(1), DATAGRAMS, now)).count();
        assert_eq!(served(now), 100);
        assert_eq!(served(now + Duration::from_secs(1)), 10);
        // Another one is not its victim.
        assert!(bounds.allow(address(2), DATAGRAMS, now));
    }

    #[test]
    fn forged_sources_take_neither_memory_nor_the_place_of_those_that_are_known() {
        let (bounds, now) = (Bounds::default(), Instant::now());
        assert!(bounds.allow(address(0), DATAGRAMS, now));
        let later = now + Duration::from_secs(5);
        let served =
            (1..100_000).filter(|&one| bounds.allow(address(one), DATAGRAMS, later)).count();
        assert_eq!(served, 2000);
        assert!(bounds.counts.lock().unwrap().sources.len() <= MAX_SOURCES);
        assert!(bounds.allow(address(0), DATAGRAMS, later + Duration::from_secs(1)));
    }

    #[test]
    fn nobody_is_sent_more_than_has_come_from_there_however_it_is_asked_for() {
        let bounds = Bounds::default();
        for source in 0..6_000 {
            let (mut came, mut sent) = (0, 0);
            for (question, reply) in [(60, 90), (60, 90), (60, 90), (10, 4_000), (90, 90)] {
                came += question;
                if bounds.may_answer(address(source), question, reply) {
                    sent += reply;
                }
                // The sources beyond the room pay for each other, and no more than they have.
                assert!(source > 4_000 || sent <= came, "{source}: {sent} of {came}");
            }
            assert!(source > 4_000 || sent == 270, "{source}: {sent}");
        }
    }

    #[test]
    fn an_ipv6_source_is_its_network() {
        let one: IpAddr = "2001:db8:1:2::3".parse().unwrap();
        assert_eq!(network(one), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), address(0x0a00_0001));
    }
}
