//! The matrix as rows and columns that a person can look at.

use std::collections::BTreeMap;

use super::Matrix;
use crate::run::outcome::Outcome;
use crate::text::symbol;

/// Rows from, columns to.
pub(super) struct Grid {
    /// The columns' names: machines first, then kinds of servers.
    pub(super) columns: Vec<String>,
    /// Each row: its machine, and a verdict for each column that it asks.
    pub(super) rows: Vec<(String, Vec<Option<CellVerdict>>)>,
    /// Rows that are left out, because everything in them works.
    pub(super) left_out: usize,
}

/// What the flows of one field amount to.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellVerdict {
    /// The worst outcome.
    pub(super) worst: Outcome,
    /// How many have it.
    pub(super) count: usize,
    /// How many steps were asked.
    pub(super) of: usize,
}

impl Grid {
    /// Everything that is not a machine of ours is one column a kind; so are the machines of one
    /// role, when there are too many of them to stand side by side.
    /// With more than `most_rows`, only rows with trouble are kept.
    pub(super) fn of(matrix: &Matrix, most_rows: usize) -> Self {
        let one_by_one = matrix.machines.len() <= SIDE_BY_SIDE;
        let mut fields: BTreeMap<(&str, (bool, &str)), CellVerdict> = BTreeMap::new();
        for cell in &matrix.cells {
            let by_name = cell.machine && one_by_one;
            let column = (!by_name, if by_name { cell.to.as_str() } else { cell.kind.as_str() });
            let field = fields.entry((&cell.from, column)).or_insert(CellVerdict {
                worst: cell.worst,
                count: 0,
                of: 0,
            });
            if cell.worst.gravity() > field.worst.gravity() {
                (field.worst, field.count) = (cell.worst, 0);
            }
            field.of += cell.flows.len();
            if cell.worst == field.worst {
                field.count += cell.counts.get(&cell.worst).copied().unwrap_or_default();
            }
        }
        let mut columns: Vec<(bool, &str)> = fields.keys().map(|(_, column)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        let row = |name: &str| -> Vec<Option<CellVerdict>> {
            columns.iter().map(|column| fields.get(&(name, *column)).copied()).collect()
        };
        let all: Vec<(String, Vec<Option<CellVerdict>>)> = matrix
            .machines
            .iter()
            .map(|machine| (machine.name.clone(), row(&machine.name)))
            .collect();
        let total = all.len();
        let is_trouble = |verdict: &CellVerdict| verdict.worst.gravity() > Outcome::Warn.gravity();
        let has_trouble = |row: &[Option<CellVerdict>]| row.iter().flatten().any(is_trouble);
        let rows: Vec<_> =
            all.into_iter().filter(|(_, row)| total <= most_rows || has_trouble(row)).collect();
        Self {
            columns: columns.iter().map(|(_, name)| (*name).to_owned()).collect(),
            left_out: total - rows.len(),
            rows,
        }
    }
}

/// What the marks of a grid mean, as far as they are in it.
pub(super) fn legend(grid: &Grid) -> String {
    let shown = || grid.rows.iter().flat_map(|(_, row)| row.iter().flatten());
    let words = [
        (Outcome::Pass, "all work"),
        (Outcome::Warn, "work, with a warning"),
        (Outcome::Fail, "some fail"),
        (Outcome::Unknown, "some cannot be told"),
    ];
    let used = words.iter().filter(|(outcome, _)| shown().any(|field| field.worst == *outcome));
    let mut parts: Vec<String> =
        used.map(|(outcome, words)| format!("{} {words}", symbol(*outcome))).collect();
    if shown().any(|field| field.count != field.of) {
        parts.push("1/3: so many of how many flows".to_owned());
    }
    parts.push("an empty field or ·: not asked".to_owned());
    parts.join(" · ")
}

impl CellVerdict {
    /// "✓ 3", "✗ 1/3"
    pub(super) fn shown(&self) -> String {
        let mark = symbol(self.worst);
        if self.count == self.of {
            format!("{mark} {}", self.of)
        } else {
            format!("{mark} {}/{}", self.count, self.of)
        }
    }
}

/// More machines than this do not fit beside each other in a window.
const SIDE_BY_SIDE: usize = 6;

/// Rows that a reader of text scrolls through.
pub(super) const MOST_ROWS: usize = 40;
