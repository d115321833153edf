//! Output: where does each format go, and what when it cannot be written?

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::report::{Canvas, Format};
use crate::settings::Output;

/// Writes every format; one that fails does not silence the others.
///
/// # Errors
///
/// The exit code, when one could not be written; the reason is on stderr.
pub(crate) fn write_all(
    output: &Output,
    write: impl Fn(Format, Canvas, &mut dyn Write) -> io::Result<()>,
) -> Result<(), ExitCode> {
    let mut result = Ok(());
    for (format, file) in &output.formats {
        let canvas = |width| Canvas { width, verbose: output.verbose };
        let written = if let Some(file) = file {
            to_file(file, |out| write(*format, canvas(FILE_WIDTH), out))
        } else {
            let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout().lock()));
            write(*format, canvas(terminal_width()), &mut out).and_then(|()| out.flush())
        };
        let name = file.as_ref().map_or("stdout".to_owned(), |file| file.display().to_string());
        if ended_well(written, &name) != ExitCode::SUCCESS {
            result = Err(ExitCode::from(USAGE));
        }
    }
    result
}

/// Whole or not at all: written beside the target, then renamed over it.
fn to_file(file: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if std::fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        // A pipe or a device is written to, never replaced: /dev/stdout, /dev/null.
        return File::options().write(true).open(file).and_then(|there| write_to(there, write));
    }
    // Through a symbolic link the file behind it is the target.
    let file = &std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = file.with_file_name(name);
    let written = File::create(&part).and_then(|created| write_to(created, write));
    written.and_then(|()| std::fs::rename(&part, file)).inspect_err(|_| {
        let _best_effort = std::fs::remove_file(&part);
    })
}

fn write_to(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // Files get no colours.
    let mut out = BufWriter::new(anstream::StripStream::new(file));
    write(&mut out)?;
    out.flush()
}

/// A reader who has seen enough (`| head`) is no error.
pub(crate) fn ended_well(written: io::Result<()>, name: &str) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(name, &error.to_string()),
    }
}

/// Says on stderr what is wrong with `what`; the exit code is that of wrong usage.
pub(crate) fn complain(what: &str, reason: &str) -> ExitCode {
    let _closed_pipe = writeln!(io::stderr(), "preflight: {what}: {reason}");
    ExitCode::from(USAGE)
}

/// Wrong usage, an unreadable file: nothing was probed.
pub(crate) const USAGE: u8 = 2;

/// Columns of a table in a file.
const FILE_WIDTH: usize = 120;

fn terminal_width() -> usize {
    const NO_TERMINAL: usize = 80;
    terminal_size::terminal_size().map_or(NO_TERMINAL, |(columns, _)| usize::from(columns.0))
}

/// Of two runs' exit codes the graver: interrupted, not written, failed, not to be told.
pub(crate) fn graver(one: ExitCode, other: ExitCode) -> ExitCode {
    let codes = [130, USAGE, 1, 3].map(ExitCode::from);
    codes.into_iter().find(|code| [one, other].contains(code)).unwrap_or(ExitCode::SUCCESS)
}
