//! The commands that work on saved reports, as typed.

use std::path::PathBuf;

use clap::Args;

use crate::afterwards::Task;
use crate::settings::{Refused, formats};

#[derive(Debug, Args)]
#[command(after_help = "\
Worse is, of the required steps: one that works no more, fails earlier than before (the path
instead of the port), or is new and fails; with --strict one with a new concern too.

Exit codes: 0 nothing is worse
            1 something is worse
            2 wrong usage, or a file that is no report")]
pub(crate) struct DiffArgs {
    /// The JSON report of the first run
    #[arg(value_name = "OLD.json")]
    old: PathBuf,
    /// The JSON report of the second run
    #[arg(value_name = "NEW.json")]
    new: PathBuf,
    /// table, json or markdown; repeatable, each to stdout or to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "table")]
    format: Vec<String>,
    /// A new concern of a required step is worse too
    #[arg(long)]
    strict: bool,
}

impl DiffArgs {
    /// What was typed, as something to do.
    ///
    /// # Errors
    ///
    /// A format there is not.
    pub(super) fn task(self) -> Result<Task, Refused> {
        let output = formats(&self.format)?;
        Ok(Task::Diff { old: self.old, new: self.new, strict: self.strict, output })
    }
}
