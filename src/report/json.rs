//! JSON: the whole report, for programs.

use std::io;

use serde::Serialize;

/// Writes any of our models, indented, with a line feed at the end.
///
/// # Errors
///
/// What the writer says.
pub(crate) fn write(model: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, model)?;
    writeln!(out)
}
