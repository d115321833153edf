//! `preflight`: which network flows does this machine need, which work, and why not?

mod catalogue;
mod causes;
mod cli;
mod demo;
mod panics;
mod plan;
mod progress;
mod remedy;
mod report;
mod responder;
mod runner;
mod site;
mod verdict;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use cli::{Job, Output, Refused, Request};
use report::{Canvas, Context, Format, Report};

fn main() -> ExitCode {
    panics::keep_quiet();
    match cli::request() {
        Ok(Request::Run(job)) => run(&job),
        Ok(Request::Plan(job)) => show_plan(&job),
        Ok(Request::Demo { breaks, output }) => show_demo(&breaks, &output),
        Ok(Request::Explain(code)) => explain(&code),
        Err(refused) => refuse(&refused),
    }
}

fn run(job: &Job) -> ExitCode {
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
    let stop = async {
        interrupt().await;
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

fn show_plan(job: &Job) -> ExitCode {
    let plan = plan::plan(&job.catalogue, &job.site, &job.settings);
    let write = |format: Format, canvas: Canvas, out: &mut dyn Write| match format {
        Format::Table => report::table::write_plan(&plan, canvas, out),
        Format::Json => report::json::write(&plan, out),
    };
    write_all(&job.output, write).map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

fn show_demo(breaks: &[(String, String)], output: &Output) -> ExitCode {
    let breaks = match demo::breakages(breaks) {
        Ok(breaks) => breaks,
        Err(reason) => return complain("--break", &reason),
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
            let delivered = deliver(&report, &job.output);
            if delivered != ExitCode::SUCCESS {
                code = delivered;
            }
        }
        code
    })
}

fn explain(code: &str) -> ExitCode {
    match causes::section(code) {
        Some(section) => {
            let mut out = io::stdout().lock();
            ended_well(writeln!(out, "{section}"), "stdout")
        }
        None => {
            complain("explain", &format!("no cause is called `{code}`; docs/causes.md lists them"))
        }
    }
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
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = file.with_file_name(name);
    let written = File::create(&part).and_then(|created| {
        // Files get no colours.
        let mut out = BufWriter::new(anstream::StripStream::new(created));
        write(&mut out)?;
        out.flush()
    });
    written.and_then(|()| std::fs::rename(&part, file)).inspect_err(|_| {
        let _best_effort = std::fs::remove_file(&part);
    })
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

/// Ready at the first SIGINT or SIGTERM.
async fn interrupt() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = terminated => {}
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
