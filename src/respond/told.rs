//! Who asked what: a line when it is new, and a sum at the end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Pairs of source and flow that are kept; forged sources must not fill the memory.
const MOST: usize = 1000;

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(super) enum What {
    /// It was answered.
    Answered,
    /// It came, and was none that the protocol has an answer to.
    #[strum(serialize = "came, and was not understood")]
    Came,
    /// There were too many.
    #[strum(serialize = "refused: too many at once")]
    Refused,
}

/// Everything that was asked, counted.
#[derive(Debug, Default)]
pub(super) struct Told {
    counts: Mutex<BTreeMap<(String, IpAddr, What), u64>>,
}

impl Told {
    /// Counts a question; says it the first time.
    pub(super) fn tell(&self, flow: &str, from: IpAddr, what: What) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (flow.to_owned(), from.to_canonical(), what);
        if let Some(count) = counts.get_mut(&key) {
            *count += 1;
        } else if counts.len() < MOST {
            let now = jiff::Timestamp::now().strftime("%H:%M:%S");
            super::say(&format!("{now} UTC  {flow}  {}  {what}", key.1));
            counts.insert(key, 1);
        }
    }

    /// All of it, a line each.
    pub(super) fn sum(&self) -> Vec<String> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            return vec!["  nobody came".to_owned()];
        }
        counts
            .iter()
            .map(|((flow, from, what), count)| format!("  {flow}  from {from}: {count} {what}"))
            .collect()
    }
}
