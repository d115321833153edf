//! Output: where does each format go, and what when it cannot be written?

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::report::ndjson::Run;
use crate::report::{Canvas, Format, PLUGIN_UNKNOWN, Report, StepReport};
use crate::settings::Output;

/// Writes a finished run; the exit code is the run's, unless something could not be written.
///
/// With a plugin's output on stdout it is the plugin's.
pub(crate) fn deliver(report: &Report, live: Option<Live>, output: &Output) -> ExitCode {
    let rest = if live.is_some() { output.without_live() } else { output.clone() };
    let told = live.map_or(Ok(()), |live| live.finish(report));
    let told = ended_well(told, "stdout");
    let write =
        |format: Format, canvas: Canvas, out: &mut dyn Write| format.write(report, canvas, out);
    let written = write_all(&rest, write);
    let is_written = told == ExitCode::SUCCESS && written.is_ok();
    let (_, state) = report.ending().plugin();
    ExitCode::from(match (output.is_plugin(), is_written) {
        (true, true) => state,
        (true, false) => PLUGIN_UNKNOWN,
        (false, true) => report.summary.exit_code,
        (false, false) => USAGE,
    })
}

/// Lines on stdout while a run is on: each is out before the next step finishes.
#[derive(Debug)]
pub(crate) struct Live {
    run: Run,
    /// Which steps were told.
    told: Vec<bool>,
    /// How the lines so far went; after a failure there are no more.
    so_far: io::Result<()>,
}

impl Live {
    /// For a run of that many steps.
    pub(crate) fn new(run: Run, steps: usize) -> Self {
        Self { run, told: vec![false; steps], so_far: Ok(()) }
    }

    /// Tells a step that finished.
    pub(crate) fn tell(&mut self, index: usize, step: &StepReport) {
        if self.so_far.is_ok() {
            let mut line = Vec::new();
            let rendered = self.run.step(step, &mut line);
            self.so_far = rendered.and_then(|()| to_stdout(&line));
        }
        if let Some(told) = self.told.get_mut(index) {
            *told = true;
        }
    }

    /// Tells the steps that never began or never ended, then the run.
    ///
    /// # Errors
    ///
    /// What the first line said that could not be written.
    fn finish(mut self, report: &Report) -> io::Result<()> {
        for (index, step) in report.steps.iter().enumerate() {
            if self.told.get(index) == Some(&false) {
                self.tell(index, step);
            }
        }
        self.so_far?;
        let mut line = Vec::new();
        self.run.summary(report, &mut line)?;
        to_stdout(&line)
    }
}

fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes every format; one that fails does not silence the others.
///
/// # Errors
///
/// The exit code, when one could not be written; the reason is on stderr.
pub(crate) fn write_all<F: Copy>(
    output: &Output<F>,
    write: impl Fn(F, Canvas, &mut dyn Write) -> io::Result<()>,
) -> Result<(), ExitCode> {
    let mut result = Ok(());
    for (format, file) in &output.formats {
        let write = |width: usize, out: &mut dyn Write| {
            let canvas = Canvas { width, verbose: output.verbose };
            guarded(|| write(*format, canvas, out))
        };
        let written = if let Some(file) = file {
            to_file(file, |out| write(FILE_WIDTH, out))
        } else {
            let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout().lock()));
            write(terminal_width(), &mut out).and_then(|()| out.flush())
        };
        let name = file.as_ref().map_or("stdout".to_owned(), |file| file.display().to_string());
        if ended_well(written, &name) != ExitCode::SUCCESS {
            result = Err(ExitCode::from(USAGE));
        }
    }
    result
}

/// A panic while one format is written does not lose the others.
fn guarded(write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(write))
        .unwrap_or_else(|_payload| Err(io::Error::other(crate::panics::last_place())))
}

/// Whole or not at all, also when the power fails: written beside the target, then renamed over it.
fn to_file(file: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let there = std::fs::metadata(file).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        // A pipe or a device is written to, never replaced: /dev/stdout, /dev/null.
        let device = File::options().write(true).open(file)?;
        return write_to(device, write).map(drop);
    }
    // Through a symbolic link the file behind it is the target.
    let file = &std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = file.with_file_name(name);
    // In a folder that others may write to, the name may be a link of theirs: never opened.
    let created = File::create_new(&part)?;
    let finished = || {
        if let Some(there) = &there {
            created.set_permissions(there.permissions())?;
        }
        write_to(created, write)?.sync_all()?;
        std::fs::rename(&part, file)
    };
    finished().inspect_err(|_| {
        let _best_effort = std::fs::remove_file(&part);
    })
}

/// Writes without colours; the file is whole when it comes back.
fn write_to(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let mut out = BufWriter::new(anstream::StripStream::new(file));
    write(&mut out)?;
    let stripped = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(stripped.into_inner())
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

/// The same to a monitoring system, which reads stdout alone: the state is unknown.
pub(crate) fn complain_as_plugin(what: &str, reason: &str) -> ExitCode {
    let line = preflight_checks::printable(reason.lines().next().unwrap_or_default());
    let line = line.replace('|', "/");
    let _closed_pipe = writeln!(io::stdout(), "UNKNOWN: preflight: {what}: {line}");
    ExitCode::from(PLUGIN_UNKNOWN)
}

/// Wrong usage, an unreadable file: nothing was probed.
pub(crate) const USAGE: u8 = 2;

/// Columns of a table in a file.
const FILE_WIDTH: usize = 120;

/// Columns of the terminal.
pub(crate) fn terminal_width() -> usize {
    const NO_TERMINAL: usize = 80;
    terminal_size::terminal_size().map_or(NO_TERMINAL, |(columns, _)| usize::from(columns.0))
}

/// Of two runs' exit codes the graver: interrupted, not written, failed, not to be told; of a
/// plugin's states the critical one, then the unknown one.
pub(crate) fn graver(one: ExitCode, other: ExitCode, output: &Output) -> ExitCode {
    let order = if output.is_plugin() { [2, PLUGIN_UNKNOWN, 1, 0] } else { [130, USAGE, 1, 3] };
    let codes = order.map(ExitCode::from);
    codes.into_iter().find(|code| [one, other].contains(code)).unwrap_or(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(folder: &Path) -> Output {
        let to_file = |format, name| (format, Some(folder.join(name)));
        let formats = vec![to_file(Format::Csv, "one"), to_file(Format::Json, "two")];
        Output { formats, verbose: false }
    }

    #[test]
    fn a_format_that_panics_does_not_lose_the_others() {
        crate::panics::keep_quiet();
        let folder = tempfile::tempdir().unwrap();
        let written = write_all(&output(folder.path()), |format, _, out| {
            assert_eq!(format, Format::Json, "a mistake in a format");
            out.write_all(b"whole\n")
        });
        assert_eq!(written, Err(ExitCode::from(USAGE)));
        let left: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["two"]);
    }

    #[test]
    fn half_a_document_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report");
        std::fs::write(&file, "the one before").unwrap();
        let error = to_file(&file, |out| {
            out.write_all(b"half of the next")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "the one before");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    /// In a folder for everybody, somebody may have guessed the name.
    #[test]
    fn a_link_in_the_place_of_the_part_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "kept").unwrap();
        let part = folder.path().join(format!("report.{}.part", std::process::id()));
        std::os::unix::fs::symlink(&precious, &part).unwrap();
        let written = to_file(&folder.path().join("report"), |out| out.write_all(b"x"));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "kept");
    }
}
