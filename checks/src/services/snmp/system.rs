//! The system group, as far as the agent shows it.

use async_snmp::{Oid, Value, VarBind};

use super::{discovery, question, vendor};
use crate::evidence::Seen;
use crate::wire;

/// Four variables that every agent has (RFC 3418 §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct System {
    name: Option<String>,
    descr: Option<String>,
    up_s: Option<u64>,
    object_id: Option<Oid>,
    /// Behind the object id, or else what the engine id says.
    vendor: Option<String>,
}

impl System {
    /// How many there are.
    pub(super) const ALL: usize = 4;

    /// Takes each variable by its name: an agent may shuffle or repeat them.
    ///
    /// The object id names the device's maker; `software` is that of the agent.
    pub(super) fn read(variables: &[VarBind], software: Option<String>) -> Self {
        let value = |wanted: Oid| {
            let found = variables.iter().find(|variable| variable.oid == wanted);
            found.map(|variable| &variable.value)
        };
        let text = |wanted: Oid| match value(wanted)? {
            Value::OctetString(bytes) => Some(wire::clean(bytes.trim_ascii(), MAX_TEXT)),
            _ => None,
        };
        let object_id = value(question::object_id()).and_then(Value::as_oid).cloned();
        let vendor = object_id.as_ref().and_then(|object| vendor::of_object(object.arcs()));
        Self {
            name: text(question::name()),
            descr: text(question::descr()),
            up_s: value(question::up_time()).and_then(|value| match value {
                Value::TimeTicks(hundredths) => Some(u64::from(*hundredths) / 100),
                _ => None,
            }),
            object_id,
            vendor: vendor.or(software),
        }
    }

    /// How many of them the view hides.
    pub(super) fn missing(&self) -> usize {
        let hidden = [
            self.name.is_none(),
            self.descr.is_none(),
            self.up_s.is_none(),
            self.object_id.is_none(),
        ];
        hidden.into_iter().filter(|hidden| *hidden).count()
    }

    pub(super) fn record(&self, seen: &mut Seen) {
        if let Some(name) = &self.name {
            seen.evidence.set("sys_name", name.as_str());
        }
        if let Some(descr) = &self.descr {
            seen.evidence.set("sys_descr", descr.as_str());
        }
        if let Some(up_s) = self.up_s {
            seen.evidence.set("uptime_ms", up_s.saturating_mul(1000));
        }
        if let Some(object_id) = &self.object_id {
            seen.evidence.set("sys_object_id", object_id.to_string());
        }
        if let Some(vendor) = &self.vendor {
            seen.evidence.set("vendor", vendor.as_str());
        }
        seen.headline = self.words();
    }

    /// "sw-1, Cisco, up 41 d": what of it there is, short enough for a table.
    fn words(&self) -> String {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let name = name.or(self.descr.as_deref()).map(|name| wire::short(name, MAX_NAME));
        let name = name.unwrap_or_else(|| "agent answers".to_owned());
        let words = [Some(name), self.vendor.clone(), self.up_s.map(discovery::up)];
        words.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// A `DisplayString` ends at 255; escaping makes it longer.
const MAX_TEXT: usize = 400;
/// Leaves room for maker and uptime in a table of 80 columns.
const MAX_NAME: usize = 20;
