//! `{"data":{"2":{"type":"push_zmq","last_ping_sent":…,"last_ping_recv":…,"nodes":{}}}}`
//!
//! Times are seconds since 1970, 0 when there was none yet. Perl writes numbers
//! as texts when it feels like it, and what is not known here is passed over.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::cause::{Millis, QuietPoller, span};
use crate::evidence::Seen;
use crate::wire;

/// What Gorgone knows of its pollers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GorgoneStatus(Vec<Connection>);

/// Why an answer has no state in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoStatus {
    /// No module is loaded that would know.
    Module,
    /// Gorgone says that it cannot tell, in its own words.
    Error(String),
    /// This is not Gorgone's.
    Another,
}

/// One poller.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Connection {
    /// Its number in the platform, printable.
    id: String,
    /// `push_zmq`, `pullwss`, …
    kind: String,
    /// The last ping; none: not asked yet.
    asked: Option<u64>,
    /// The last pong; none: never.
    answered: Option<u64>,
}

impl GorgoneStatus {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Why there is no state in it.
    pub(super) fn decode(body: &[u8]) -> Result<Self, NoStatus> {
        let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(body) else {
            return Err(NoStatus::Another);
        };
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
            let words = format!("{error}: {message}");
            return Err(NoStatus::Error(wire::clean(words.as_bytes(), SHOWN)));
        }
        match answer.get("data") {
            None if answer.get("message").and_then(Value::as_str) == Some(NO_MODULE) => {
                Err(NoStatus::Module)
            }
            Some(Value::Object(pollers)) => Ok(Self::of(pollers)),
            // An empty hash of Perl's may come as nothing at all.
            Some(Value::Null) => Ok(Self::default()),
            _ => Err(NoStatus::Another),
        }
    }

    fn of(pollers: &Map<String, Value>) -> Self {
        let connections = pollers.iter().filter_map(|(id, poller)| {
            let poller = poller.as_object()?;
            let time = |name: &str| poller.get(name).and_then(seconds).filter(|&time| time > 0);
            let kind = poller.get("type").and_then(Value::as_str).unwrap_or_default();
            Some(Connection {
                id: wire::clean(id.as_bytes(), SHOWN_ID),
                kind: wire::clean(kind.as_bytes(), SHOWN_ID),
                asked: time("last_ping_sent"),
                answered: time("last_ping_recv"),
            })
        });
        let mut connections: Vec<Connection> = connections.take(MOST).collect();
        connections.sort_by_key(|poller| (poller.id.parse::<u64>().ok(), poller.id.clone()));
        Self(connections)
    }

    /// How long ago each pong was, as evidence.
    pub(super) fn note(&self, now: u64, seen: &mut Seen) {
        seen.evidence.set("pollers", self.0.len());
        for poller in &self.0 {
            let name = format!("poller_{}", poller.id);
            seen.evidence.set(format!("{name}_type"), poller.kind.as_str());
            if let Some(age) = poller.age(now) {
                seen.evidence.set(format!("{name}_last_pong_ms"), age.saturating_mul(1000));
            }
        }
    }

    /// Pollers that are asked and have not answered for too long.
    pub(super) fn quiet(&self, now: u64) -> Vec<QuietPoller> {
        let asked = self.0.iter().filter(|poller| poller.asked.is_some());
        let quiet = asked.filter(|poller| poller.age(now).is_none_or(|age| age > TOO_LONG));
        quiet
            .map(|poller| QuietPoller {
                id: poller.id.clone(),
                last_pong: poller.age(now).map(|age| Millis(Duration::from_secs(age))),
            })
            .collect()
    }

    /// "2 pollers answer, the last pong 12 s ago", of those that are all well.
    pub(super) fn headline(&self, now: u64) -> String {
        let Some(oldest) = self.0.iter().filter_map(|poller| poller.age(now)).max() else {
            return match self.0.len() {
                0 => "Gorgone has no pollers".to_owned(),
                _ => "no poller was asked yet".to_owned(),
            };
        };
        let answering = self.0.iter().filter(|poller| poller.answered.is_some()).count();
        let plural = if answering == 1 { " answers" } else { "s answer" };
        format!("{answering} poller{plural}, last pong {} ago", span(oldest))
    }
}

impl Connection {
    fn age(&self, now: u64) -> Option<u64> {
        Some(now.saturating_sub(self.answered?))
    }
}

/// A number, or a text that is one; a fraction is left away.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| whole(&number.to_string())),
        Value::String(text) => whole(text),
        _ => None,
    }
}

fn whole(text: &str) -> Option<u64> {
    text.trim().split('.').next()?.parse().ok()
}

/// An answer with one poller, which was asked and has answered at `now`.
pub(super) fn example(now: u64) -> String {
    format!(
        r#"{{"action":"constatus","message":"ok","data":{{"2":{{"type":"push_zmq","last_ping_sent":{now},"last_ping_recv":{now},"nodes":{{}}}}}}}}"#
    )
}

/// What Gorgone says of a state that no module of it keeps.
const NO_MODULE: &str = "cannot get value";
/// Gorgone itself gives a pong up after this many seconds; it asks every 60.
const TOO_LONG: u64 = 300;
/// Pollers taken; the largest platforms have some hundreds.
const MOST: usize = 1_000;
const SHOWN: usize = 80;
const SHOWN_ID: usize = 20;
