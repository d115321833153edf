//! Whose clock is not as the others'?
//!
//! Each machine's own time server says how far its clock is off. How two machines' clocks differ
//! follows from that only as far as their time servers agree.

use serde::Serialize;

use super::MatrixMachine;

/// A clock that differs.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Clock {
    /// The machine's name.
    pub(crate) machine: String,
    /// This machine minus the middle one of all, milliseconds; above 0 it is ahead.
    pub(crate) ahead_ms: f64,
}

/// Clocks that differ from the middle one by more than [`LIMIT_MS`], the worst first.
pub(super) fn clocks(machines: &[MatrixMachine]) -> Vec<Clock> {
    let known = || machines.iter().filter_map(|machine| Some((machine, machine.clock_ms?)));
    let mut offsets: Vec<f64> = known().map(|(_, offset)| offset).collect();
    offsets.sort_by(f64::total_cmp);
    let Some(middle) = offsets.get(offsets.len().saturating_sub(1) / 2) else { return Vec::new() };
    // The offset is what the machine lacks: the larger, the further it is behind.
    let differing = known().map(|(machine, offset)| Clock {
        machine: machine.name.clone(),
        ahead_ms: middle - offset,
    });
    let mut clocks: Vec<Clock> =
        differing.filter(|clock| clock.ahead_ms.abs() > LIMIT_MS).collect();
    clocks.sort_by(|one, other| other.ahead_ms.abs().total_cmp(&one.ahead_ms.abs()));
    clocks
}

/// As the largest difference from a time server that passes by default.
const LIMIT_MS: f64 = 500.0;

impl Clock {
    /// "2.4 s ahead"
    pub(super) fn shown(&self) -> String {
        let way = if self.ahead_ms > 0.0 { "ahead" } else { "behind" };
        match self.ahead_ms.abs() {
            ms if ms < 1e3 => format!("{ms:.0} ms {way}"),
            ms => format!("{:.1} s {way}", ms / 1e3),
        }
    }
}
