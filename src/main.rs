//! `preflight`: which network flows does this machine need, which work, and why not?

mod catalogue;
mod cli;
mod demo;
mod explain;
mod inventory;
mod panics;
mod plan;
mod progress;
mod remedy;
mod report;
mod responder;
mod runner;
mod settings;
mod site;
mod verdict;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use cli::Request;
use inventory::Inventory;
use report::{Canvas, Context, Format, Report};
use settings::{Job, Output, Refused};

fn main() -> ExitCode {
    panics::keep_quiet();
    match cli::request() {
        Ok(Request::Run(job)) => run(&job),
        Ok(Request::Plan(job)) => show_plan(&job),
        Ok(Request::PlanAll(jobs)) => show_plans(&jobs),
        Ok(Request::Demo { breaks, output }) => show_demo(&breaks, &output),
        Ok(Request::Init { text, output, force }) => {
            write_site_file(&text, output.as_deref(), force)
        }
        Ok(Request::Discover { inventory, output }) => show_inventory(&inventory, &output),
        Ok(Request::Schema(schema)) => print(schema),
        Ok(Request::Explain(code)) => explain_code(&code),
        Ok(Request::ExplainStep { report, step }) => explain_step(&report, &step),
        Err(refused) => refuse(&refused),
    }
}

fn run(job: &Job) -> ExitCode {
    say_taken_as(job);
    for flag in &job.unused {
        let role = job.site.role;
        let _closed_pipe =
            writeln!(io::stderr(), "preflight: note: no flow of role {role} asks {flag}");
    }
    let plan = plan::plan(&job.catalogue, &job.site, &job.settings);
    with_runtime(async {
        let report = check(&plan, job).await;
        deliver(&report, &job.output)
    })
}

/// Asks everything in `plan`, with progress on stderr.
async fn check(plan: &plan::Plan, job: &Job) -> Report {
    let started_at = jiff::Timestamp::now().to_string();
    let clock = Instant::now();
    let progress = progress::Progress::new(plan);
    let mut interrupted = false;
    let signalled = interrupt();
    let stop = async {
        signalled.await;
        interrupted = true;
    };
    let manner = runner::Manner { scale: job.settings.scale, trace: job.settings.trace };
    let found = runner::run(plan, &job.site.trust, manner, stop, |event| progress.on(event)).await;
    progress.finish();
    let context = Context {
        host: site::local::host(),
        started_at,
        took: clock.elapsed(),
        strict: job.settings.strict,
        interrupted,
    };
    Report::new(plan, &found, context)
}

/// A machine that nobody named is guessed: a wrong guess must be seen.
fn say_taken_as(job: &Job) {
    if let Some(taken_as) = &job.taken_as {
        let _closed_pipe = writeln!(io::stderr(), "preflight: note: {taken_as}");
    }
}

fn show_plan(job: &Job) -> ExitCode {
    say_taken_as(job);
    let plan = plan::plan(&job.catalogue, &job.site, &job.settings);
    let write = |format: Format, canvas: Canvas, out: &mut dyn Write| match format {
        Format::Table => report::table::write_plan(&plan, canvas, out),
        Format::Json => report::json::write(&plan, out),
    };
    write_all(&job.output, write).map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// The plans of several machines: in a table one after the other, for programs in one list.
fn show_plans(jobs: &[Job]) -> ExitCode {
    let Some(first) = jobs.first() else { return ExitCode::SUCCESS };
    let plans: Vec<plan::Plan> =
        jobs.iter().map(|job| plan::plan(&job.catalogue, &job.site, &job.settings)).collect();
    let write = |format: Format, canvas: Canvas, out: &mut dyn Write| match format {
        Format::Table => report::table::write_plans(&plans, canvas, out),
        Format::Json => report::json::write(&plans, out),
    };
    write_all(&first.output, write).map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

fn show_inventory(inventory: &Inventory, output: &Output) -> ExitCode {
    let write = |format: Format, canvas: Canvas, out: &mut dyn Write| match format {
        Format::Table => inventory::write(inventory, canvas, out),
        Format::Json => report::json::write(inventory, out),
    };
    write_all(output, write).map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

fn write_site_file(text: &str, output: Option<&Path>, force: bool) -> ExitCode {
    let Some(file) = output else { return print(text) };
    let name = preflight_checks::printable(&file.display().to_string());
    let written = match File::create_new(file) {
        Ok(created) => write_to(created, |out| out.write_all(text.as_bytes())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && force => {
            to_file(file, |out| out.write_all(text.as_bytes()))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return complain("--output", &format!("{name} exists; --force replaces it"));
        }
        Err(error) => Err(error),
    };
    ended_well(written, &name)
}

fn show_demo(breaks: &[(String, String)], output: &Output) -> ExitCode {
    let breaks = match demo::breakages(breaks) {
        Ok(breaks) => breaks,
        Err(reason) => return complain("--break", &preflight_checks::printable(&reason)),
    };
    with_runtime(async {
        let site = match demo::Site::start(&breaks).await {
            Ok(site) => site,
            Err(error) => return complain("demo", &error.to_string()),
        };
        let mut code = ExitCode::SUCCESS;
        for (index, job) in site.jobs(output).iter().enumerate() {
            if index > 0 && output.shows_table() {
                let _closed_pipe = writeln!(io::stdout());
            }
            let report = check(&demo::plan(job), job).await;
            code = graver(code, deliver(&report, &job.output));
            if report.interrupted {
                break;
            }
        }
        code
    })
}

/// Of two runs' exit codes the graver: interrupted, not written, failed, not to be told.
fn graver(one: ExitCode, other: ExitCode) -> ExitCode {
    let codes = [130, USAGE, 1, 3].map(ExitCode::from);
    codes.into_iter().find(|code| [one, other].contains(code)).unwrap_or(ExitCode::SUCCESS)
}

fn explain_step(report: &str, name: &str) -> ExitCode {
    let report = match explain::read(report) {
        Ok(report) => report,
        Err(reason) => return complain("explain", &reason),
    };
    match explain::step(&report, name) {
        Ok(step) => {
            let mut out = BufWriter::new(io::stdout().lock());
            let written = explain::write(&report, step, terminal_width(), &mut out);
            let written = written.and_then(|()| out.flush());
            ended_well(written, "stdout")
        }
        Err(reason) => complain("explain", &reason),
    }
}

fn print(text: &str) -> ExitCode {
    ended_well(io::stdout().lock().write_all(text.as_bytes()), "stdout")
}

fn explain_code(code: &str) -> ExitCode {
    let Some(section) = explain::section(code) else {
        let code = preflight_checks::printable(code);
        return complain(
            "explain",
            &format!("no cause is called `{code}`; docs/causes.md lists them"),
        );
    };
    let mut out = io::stdout().lock();
    ended_well(writeln!(out, "{section}"), "stdout")
}

/// The exit code is the report's, unless it could not be written.
fn deliver(report: &Report, output: &Output) -> ExitCode {
    let write =
        |format: Format, canvas: Canvas, out: &mut dyn Write| format.write(report, canvas, out);
    match write_all(output, write) {
        Ok(()) => ExitCode::from(report.summary.exit_code),
        Err(code) => code,
    }
}

/// Writes every format; one that fails does not silence the others.
fn write_all(
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
fn ended_well(written: io::Result<()>, name: &str) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(name, &error.to_string()),
    }
}

fn refuse(refused: &Refused) -> ExitCode {
    match refused {
        Refused::Usage(error) => {
            let _closed_pipe = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
        }
        Refused::File(broken) => complain(broken.place(), &broken.explained()),
        Refused::Value { flag, reason } => complain(flag, reason),
    }
}

fn complain(what: &str, reason: &str) -> ExitCode {
    let _closed_pipe = writeln!(io::stderr(), "preflight: {what}: {reason}");
    ExitCode::from(USAGE)
}

/// Wrong usage, an unreadable file: nothing was probed.
const USAGE: u8 = 2;

/// Columns of a table in a file.
const FILE_WIDTH: usize = 120;

fn terminal_width() -> usize {
    const NO_TERMINAL: usize = 80;
    terminal_size::terminal_size().map_or(NO_TERMINAL, |(columns, _)| usize::from(columns.0))
}

/// Ready at the first SIGINT or SIGTERM from now on: the handlers are there
/// before anything is asked, so that no signal ends the run without a report.
fn interrupt() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn next(signal: io::Result<Signal>) {
        match signal {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    }
    let (interrupted, terminated) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        tokio::select! {
            () = next(interrupted) => {}
            () = next(terminated) => {}
        }
    }
}

/// A runtime built by hand: a getaddrinfo that hangs must not hold the exit.
fn with_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            runtime.shutdown_background();
            code
        }
        Err(error) => complain("runtime", &error.to_string()),
    }
}
