//! Output: where does each format go, and what when it cannot be written?

pub(crate) mod file;
mod pipe;
mod walk;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use preflight_checks::{discreet_text, discreet_value};

use crate::catalogue::Role;
use crate::console::letters::InLetters;
use crate::report::ndjson::RunLabel;
use crate::report::{Canvas, Format, OutputFormat, PLUGIN_UNKNOWN, Report, StepReport, table};

/// Writes a finished run; the exit code is the run's, unless something could not be written.
///
/// With a plugin's output on stdout it is the plugin's.
pub(crate) fn deliver(report: &Report, live: Option<Live>, output: &Output) -> ExitCode {
    let rest = if live.is_some() { output.without_live() } else { output.clone() };
    let told = live.map_or(Ok(()), |live| live.finish(report));
    let told = ended_well(told, "stdout");
    let write =
        |format: Format, canvas: Canvas, out: &mut dyn Write| format.write(report, canvas, out);
    let mut written = write_all(&rest, write);
    if output.quiet && output.formats.is_empty() {
        let short = show_page(|out| table::write_short(report, terminal_width(), out));
        written = if short == ExitCode::SUCCESS { written } else { Err(short) };
    }
    let is_written = told == ExitCode::SUCCESS && written.is_ok();
    let (_, state) = report.ending().plugin();
    ExitCode::from(match (output.is_plugin(), is_written) {
        (true, true) => state,
        (true, false) => PLUGIN_UNKNOWN,
        (false, true) => report.summary.exit_code,
        (false, false) => USAGE,
    })
}

/// Where and how to report.
#[derive(Clone, Debug)]
pub(crate) struct Output<F = Format> {
    /// Each format, and its file; none: stdout.
    pub(crate) formats: Vec<(F, Option<PathBuf>)>,
    /// Show origins, evidence and timings.
    pub(crate) verbose: bool,
    /// Show no table, no progress and no notes.
    pub(crate) quiet: bool,
    /// Permissions of the files; none: as [`file::replace`] does.
    pub(crate) mode: Option<Mode>,
}

impl Output {
    /// Does a table go to stdout?
    pub(crate) fn shows_table(&self) -> bool {
        self.formats.contains(&(Format::Table, None))
    }

    /// Does a monitoring plugin's output go to stdout, and so its exit code too?
    pub(crate) fn is_plugin(&self) -> bool {
        self.formats.contains(&(Format::Centreon, None))
    }

    /// Do lines go to stdout while the run is on?
    pub(crate) fn is_live(&self) -> bool {
        self.formats.contains(&(Format::Ndjson, None))
    }

    /// What is left to write when the live lines are told.
    pub(crate) fn without_live(&self) -> Self {
        let mut rest = self.clone();
        rest.formats.retain(|there| *there != (Format::Ndjson, None));
        rest
    }

    /// The same, with the role in each file's name: `report.poller.json`.
    pub(crate) fn for_role(&self, role: Role) -> Self {
        let named = |file: &PathBuf| match file.extension() {
            Some(extension) => {
                file.with_extension(format!("{role}.{}", extension.to_string_lossy()))
            }
            None => file.with_extension(role.to_string()),
        };
        let formats = self.formats.iter().map(|(format, file)| (*format, file.as_ref().map(named)));
        Self { formats: formats.collect(), ..*self }
    }
}

/// Lines on stdout while a run is on: each is out before the next step finishes, if its reader is not slower.
#[derive(Debug)]
pub(crate) struct Live {
    run: RunLabel,
    /// Which steps were told.
    told: Vec<bool>,
    /// What the reader has had no room for yet.
    waiting: Vec<u8>,
    /// How the lines so far went; after a failure there are no more.
    so_far: io::Result<()>,
}

impl Live {
    /// For a run of that many steps.
    pub(crate) fn new(run: RunLabel, steps: usize) -> Self {
        Self { run, told: vec![false; steps], waiting: Vec::new(), so_far: Ok(()) }
    }

    /// Tells a step that finished; a reader who stands still does not hold the run.
    pub(crate) fn tell(&mut self, index: usize, step: &StepReport) {
        if self.so_far.is_ok() {
            let rendered = self.run.step(step, &mut self.waiting);
            self.so_far = rendered.and_then(|()| push(&mut self.waiting));
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
        self.run.summary(report, &mut self.waiting)?;
        let mut out = io::stdout().lock();
        out.write_all(&self.waiting)?;
        out.flush()
    }
}

/// Writes to stdout what it takes without waiting.
fn push(waiting: &mut Vec<u8>) -> io::Result<()> {
    let out = io::stdout();
    while !waiting.is_empty() {
        let mut room = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut room, PollTimeout::ZERO)? == 0 {
            break;
        }
        let some = waiting.get(..ROOM).unwrap_or(waiting);
        let written = nix::unistd::write(&out, some)?;
        waiting.drain(..written);
    }
    Ok(())
}

/// What a pipe that has room takes at once (`PIPE_BUF`), bytes.
const ROOM: usize = 4096;

/// Writes every format; one that fails does not silence the others, and one that waits for its
/// reader comes last.
///
/// # Errors
///
/// The exit code, when one could not be written; the reason is on stderr.
pub(crate) fn write_all<F: OutputFormat>(
    output: &Output<F>,
    write: impl Fn(F, Canvas, &mut dyn Write) -> io::Result<()>,
) -> Result<(), ExitCode> {
    let mut result = Ok(());
    let mut formats: Vec<_> = output.formats.iter().collect();
    formats.sort_by_key(|(_, file)| {
        file.as_ref().map(|file| file.metadata().is_ok_and(|there| !there.is_file()))
    });
    for (format, file) in formats {
        let write = |width: usize, out: &mut dyn Write| {
            let canvas = Canvas { width, verbose: output.verbose };
            // A panic while one format is written does not lose the others.
            let write = || write(*format, canvas, out);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(write))
                .unwrap_or_else(|_payload| Err(io::Error::other(crate::panics::last_place())))
        };
        let written = if let Some(file) = file {
            file::replace(file, output.mode, |out| write(FILE_WIDTH, out))
        } else {
            let mut out = screen();
            let written = if format.is_page() {
                write(terminal_width(), &mut InLetters::of_locale(&mut out))
            } else {
                write(terminal_width(), &mut out)
            };
            written.and_then(|()| out.flush())
        };
        let name = file.as_ref().map_or("stdout".to_owned(), |file| file.display().to_string());
        if ended_well(written, &name) != ExitCode::SUCCESS {
            result = Err(ExitCode::from(USAGE));
        }
    }
    result
}

/// Stdout, in colours where a terminal shows them.
fn screen() -> BufWriter<anstream::AutoStream<StdoutLock<'static>>> {
    BufWriter::new(anstream::AutoStream::auto(io::stdout().lock()))
}

/// A page on stdout, in the letters and colours that the terminal shows.
pub(crate) fn show_page(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let mut out = screen();
    let written = write(&mut InLetters::of_locale(&mut out)).and_then(|()| out.flush());
    ended_well(written, "stdout")
}

/// A reader who has seen enough (`| head`) is no error.
pub(crate) fn ended_well(written: io::Result<()>, name: &str) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(name, &error.to_string()),
    }
}

/// Says on stderr what whoever reads the output must know besides.
pub(crate) fn remark(text: &str) {
    let _closed_pipe = writeln!(io::stderr(), "preflight: note: {text}");
}

/// Says on stderr what is wrong with `what`; the exit code is that of wrong usage.
pub(crate) fn complain(what: &str, reason: &str) -> ExitCode {
    // Files are named as they were typed.
    let (what, reason) = (discreet_value(what), discreet_text(reason));
    let _closed_pipe = writeln!(io::stderr(), "preflight: {what}: {reason}");
    ExitCode::from(USAGE)
}

/// The same to a monitoring system, which reads stdout alone: the state is unknown.
pub(crate) fn complain_as_plugin(what: &str, reason: &str) -> ExitCode {
    let line = preflight_checks::printable(reason.lines().next().unwrap_or_default());
    let line = discreet_text(&line).replace('|', "/");
    let what = discreet_value(what);
    let _closed_pipe = writeln!(io::stdout(), "UNKNOWN: preflight: {what}: {line}");
    ExitCode::from(PLUGIN_UNKNOWN)
}

/// Wrong usage, an unreadable file: nothing was probed.
pub(crate) const USAGE: u8 = 2;

/// Columns of a table in a file.
const FILE_WIDTH: usize = 120;

/// Columns of the terminal; without one `COLUMNS` says how wide the page is to be.
pub(crate) fn terminal_width() -> usize {
    const NO_TERMINAL: usize = 80;
    let wanted = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|&columns| columns > 0);
    match terminal_size::terminal_size() {
        Some((columns, _)) => columns.0.into(),
        None => wanted().map_or(NO_TERMINAL, |columns: u16| columns.into()),
    }
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
    use std::path::Path;

    use super::*;
    use crate::panics::testing::quietly;

    fn output(folder: &Path) -> Output {
        let to_file = |format, name| (format, Some(folder.join(name)));
        let formats = vec![to_file(Format::Csv, "one"), to_file(Format::Json, "two")];
        Output { formats, verbose: false, quiet: false, mode: None }
    }

    #[test]
    fn a_format_that_panics_does_not_lose_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let write = |format, _: Canvas, out: &mut dyn Write| {
            assert_eq!(format, Format::Json, "a mistake in a format");
            out.write_all(b"whole\n")
        };
        let written = quietly(|| write_all(&output(folder.path()), write));
        assert_eq!(written, Err(ExitCode::from(USAGE)));
        let left: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["two"]);
    }
}
