//! What is done with reports that were saved: nothing is asked any more.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::change_request::{ChangeRequest, Nat, Wishes};
use crate::report::saved::{self, Unreadable};
use crate::settings::Output;
use crate::{change_request, complain, diff, matrix, write_all};

/// A command that works on saved reports.
#[derive(Debug)]
pub(crate) enum Task {
    /// What differs between two runs?
    Diff {
        /// The first run.
        old: PathBuf,
        /// The second run.
        new: PathBuf,
        /// A new concern is worse too.
        strict: bool,
        /// Where and how to say it.
        output: Output<diff::Format>,
    },
    /// What must be allowed, and by whom?
    Request {
        /// The runs.
        reports: Vec<PathBuf>,
        /// What works already too.
        all: bool,
        /// Who is translated to which address.
        nat: Nat,
        /// Where and how to say it.
        output: Output<change_request::Format>,
    },
    /// Who reaches whom?
    Merge {
        /// The runs.
        reports: Vec<PathBuf>,
        /// Where and how to say it.
        output: Output<matrix::Format>,
    },
}

/// Does it. Files that are no reports are named before anything is written.
pub(crate) fn perform(task: &Task) -> ExitCode {
    let done = match task {
        Task::Diff { old, new, strict, output } => compare(old, new, *strict, output),
        Task::Request { reports, all, nat, output } => ask_for(reports, *all, nat, output),
        Task::Merge { reports, output } => merge(reports, output),
    };
    done.unwrap_or_else(|unreadable| complain(&unreadable.file, &unreadable.reason))
}

fn compare(
    old: &Path,
    new: &Path,
    strict: bool,
    output: &Output<diff::Format>,
) -> Result<ExitCode, Unreadable> {
    let diff = diff::diff(&saved::open(old)?, &saved::open(new)?, strict);
    let written = write_all(output, |format, canvas, out| format.write(&diff, canvas, out));
    Ok(written.map_or_else(|code| code, |()| ExitCode::from(u8::from(diff.worse))))
}

fn ask_for(
    reports: &[PathBuf],
    all: bool,
    nat: &Nat,
    output: &Output<change_request::Format>,
) -> Result<ExitCode, Unreadable> {
    let wishes = reports.iter().map(|file| Ok(Wishes::of(&saved::open(file)?, all)));
    let request = ChangeRequest::new(wishes.collect::<Result<_, _>>()?, nat, all);
    let written = write_all(output, |format, canvas, out| format.write(&request, canvas, out));
    Ok(written.map_or_else(|code| code, |()| ExitCode::SUCCESS))
}

/// Reads one report after the other, and keeps little of each.
fn merge(reports: &[PathBuf], output: &Output<matrix::Format>) -> Result<ExitCode, Unreadable> {
    let mut site = matrix::Site::default();
    for file in reports {
        site.add(&saved::open(file)?);
    }
    let matrix = site.matrix();
    let written = write_all(output, |format, canvas, out| format.write(&matrix, canvas, out));
    Ok(written.map_or_else(|code| code, |()| ExitCode::from(matrix.exit_code)))
}
