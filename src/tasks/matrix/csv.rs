//! The matrix for a spreadsheet: one line a pair.
//!
//! Reference: [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180).

use std::io;

use super::Cell;
use crate::report::escape::csv;
use crate::run::outcome::Outcome;

/// Writes a header and the pairs.
pub(super) fn write(cells: &[Cell], out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "from,to,kind,worst,pass,warn,unknown,fail,troubles\r\n")?;
    for cell in cells {
        let count = |outcome| cell.counts.get(&outcome).copied().unwrap_or_default().to_string();
        let troubles = cell
            .flows
            .iter()
            .filter_map(|flow| flow.code.as_ref().map(|code| format!("{}: {code}", flow.flow)));
        let fields = [
            cell.from.clone(),
            cell.to.clone(),
            cell.kind.clone(),
            cell.worst.to_string(),
            count(Outcome::Pass),
            count(Outcome::Warn),
            count(Outcome::Unknown),
            count(Outcome::Fail),
            troubles.collect::<Vec<_>>().join("; "),
        ];
        write!(out, "{}\r\n", fields.map(|field| csv(&field)).join(","))?;
    }
    Ok(())
}
