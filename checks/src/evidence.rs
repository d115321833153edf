//! What a probe saw: named facts, concerns, timings, and the one-line headline.

use std::borrow::Cow;
use std::time::Duration;

use std::net::IpAddr;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::cause::{Cause, Concern, Millis};
use crate::wire;

/// Named facts in the order they were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence(Vec<(Cow<'static, str>, Value)>);

/// One fact's value.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// Text; control characters of a peer arrive here already escaped.
    Text(String),
    /// A whole number; the unit is in the fact's name.
    Integer(i64),
    /// A number; the unit is in the fact's name.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
    /// What a look at the path met, the nearest distance first.
    Path(Vec<Hop>),
}

/// One distance on the way to a peer, and who answered from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hop {
    /// Hops that the packet was allowed; 1 is the nearest router.
    #[serde(rename = "hop")]
    pub ttl: u8,
    /// Who answered; `None`: nobody.
    #[serde(rename = "address", skip_serializing_if = "Option::is_none", default)]
    pub by: Option<IpAddr>,
    /// How long the answer took.
    #[serde(rename = "rtt_ms", skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<f64>")]
    pub rtt: Option<Millis>,
}

/// `2 10.9.0.1 0.4 ms`, or `3 -` where nobody answered.
impl std::fmt::Display for Hop {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} ", self.ttl)?;
        match self.by {
            Some(by) => write!(out, "{by}")?,
            None => out.write_str("-")?,
        }
        self.rtt.map_or(Ok(()), |rtt| write!(out, " {rtt}"))
    }
}

impl Evidence {
    /// Adds a fact, or replaces the one of that name.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((name, value)),
        }
    }

    /// The fact of that name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&Value> {
        self.0.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All facts in the order they were seen.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Were there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::Flag(true) => out.write_str("yes"),
            Self::Flag(false) => out.write_str("no"),
            Self::List(texts) => out.write_str(&texts.join(", ")),
            Self::Path(hops) => {
                let hops: Vec<String> = hops.iter().map(Hop::to_string).collect();
                out.write_str(&hops.join(", "))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(wire::printable(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(wire::printable(&text))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Millis> for Value {
    fn from(span: Millis) -> Self {
        Self::Number(span.number())
    }
}

impl From<Vec<Hop>> for Value {
    fn from(hops: Vec<Hop>) -> Self {
        Self::Path(hops)
    }
}

impl<T: AsRef<str>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let printable = |text: T| wire::printable(text.as_ref());
        Self::List(texts.into_iter().map(printable).collect())
    }
}

/// Every integer that fits; the two that may not are cut off at the top.
macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(number: $kind) -> Self {
                Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, usize, i32, i64);

/// Everything a probe has to tell besides its verdict; kept on failure too.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Seen {
    /// What a pass shows in the table's RESULT column: "stratum 2, offset -3 ms".
    pub headline: String,
    /// Named facts.
    pub evidence: Evidence,
    /// What passes today and will hurt.
    pub concerns: Vec<Concern>,
    /// How long each phase took.
    pub timings: Timings,
    /// Why a service that is asked over both transports does not answer over its second one.
    pub other_transport: Option<Box<Cause>>,
    /// What the probe itself saw, where a later look made another cause of it.
    pub at_first: Option<Box<Cause>>,
}

/// How long each phase took; `None` for a phase that did not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Name to addresses.
    pub resolve: Option<Duration>,
    /// TCP handshake.
    pub connect: Option<Duration>,
    /// TLS handshake.
    pub tls: Option<Duration>,
    /// The protocol's own questions and answers.
    pub protocol: Option<Duration>,
}

impl Serialize for Timings {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let phases = [
            ("resolve_ms", self.resolve),
            ("connect_ms", self.connect),
            ("tls_ms", self.tls),
            ("protocol_ms", self.protocol),
        ];
        let mut map = to.serialize_map(None)?;
        for (name, took) in phases {
            if let Some(took) = took {
                map.serialize_entry(name, &Millis(took))?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_of_the_same_name_is_replaced_in_place() {
        let mut evidence = Evidence::default();
        evidence.set("banner", "first");
        evidence.set("stratum", 2_u8);
        evidence.set("banner", "second");
        let names: Vec<&str> = evidence.facts().map(|(name, _)| name).collect();
        assert_eq!(names, ["banner", "stratum"]);
        assert_eq!(evidence.fact("banner"), Some(&Value::Text("second".into())));
    }

    #[test]
    fn escape_sequences_of_a_peer_do_not_survive() {
        let Value::Text(text) = Value::from("ok\u{1b}[31m\u{202e}") else {
            panic!("text stays text")
        };
        assert_eq!(text, "ok\\x1b[31m\\u{202e}");
    }
}
