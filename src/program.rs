//! The way of a command, from its arguments to its exit code.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use strum::VariantNames as _;

use crate::cli::{self, UsageError};
use crate::console::interrupt::{HeldSignals, Interruption};
use crate::console::output::{
    Live, Output, USAGE, complain, complain_as_plugin, deliver, ended_well, file, graver, remark,
    show_page, terminal_width, write_all,
};
use crate::console::{limits, progress, prompt};
use crate::far_side::{self, PairingCode};
use crate::load::{Request, load};
use crate::panics;
use crate::report::ndjson::RunLabel;
use crate::report::planned::PlanDocument;
use crate::report::{Canvas, Context, Format, Report};
use crate::run::finding::Found;
use crate::run::outcome::Outcome;
use crate::run::runner::Event;
use crate::run::watch::{Patience, Watch};
use crate::run::{hold, plan, runner, watch};
use crate::settings::{Job, SettingsError, bad, flows_format, machine_names};
use crate::tasks::flows::{self, Requirements};
use crate::tasks::{explain, inventory, redact};
use crate::{demo, listen, report, respond, site, tasks};

/// Does what the command line asks for; the exit code says how it went.
#[must_use]
pub fn main() -> ExitCode {
    panics::keep_quiet();
    limits::keep_no_image();
    let words: Vec<OsString> = std::env::args_os().collect();
    let voice = Voice { is_plugin: cli::wants_plugin(&words) };
    // A mistake of ours is said, and is no exit code that means something else.
    std::panic::catch_unwind(move || act(words, voice)).unwrap_or_else(|_payload| {
        voice.give_up("a mistake in preflight, please report it", &panics::last_place())
    })
}

/// Arguments, then load: what was typed, and what is to be done for it.
fn act(words: Vec<OsString>, voice: Voice) -> ExitCode {
    match cli::complete(&words, KNOWN) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(reason) => return complain("completion", &reason),
    }
    let parsed = cli::parse(words).map_err(SettingsError::from);
    let request = parsed.and_then(|parsed| {
        colours(parsed.colour);
        load(parsed.cli)
    });
    match request {
        Ok(Request::Print(text)) => print(&text),
        Ok(Request::Write(folder, files)) => write_files(&folder, &files),
        Ok(Request::Run { job, code, again, hold }) => {
            run(&job, code, Afterwards { again, hold }, voice)
        }
        Ok(Request::Plan(job)) => show_plan(&job),
        Ok(Request::PlanAll(jobs)) => show_plans(&jobs),
        Ok(Request::Demo { breaks, output }) => show_demo(&breaks, &output, voice),
        Ok(Request::DemoPair(output)) => show_demo_pair(&output, voice),
        Ok(Request::Init { text, output, force }) => {
            write_site_file(&text, output.as_deref(), force)
        }
        Ok(Request::Flows { flows, output }) => {
            let write = |format: flows::FlowsFormat, canvas: Canvas, out: &mut dyn Write| {
                format.write(&flows, canvas, out)
            };
            write_all(&output, write).map_or_else(|code| code, |()| ExitCode::SUCCESS)
        }
        Ok(Request::Discover { inventory, output }) => {
            let write = |format: Format, canvas: Canvas, out: &mut dyn Write| match format {
                Format::Json => report::json::write(&inventory, out),
                _ => inventory::write(&inventory, canvas, out),
            };
            write_all(&output, write).map_or_else(|code| code, |()| ExitCode::SUCCESS)
        }
        Ok(Request::Respond(request)) => with_runtime(voice, respond::respond(*request)),
        Ok(Request::Listen(request)) => with_runtime(voice, listen::listen(*request)),
        Ok(Request::Schema(schema)) => print(schema.as_bytes()),
        Ok(Request::Explain(code)) => explain_code(&code),
        Ok(Request::ExplainAll) => show_page(|out| explain::list(out)),
        Ok(Request::ExplainStep { report, step }) => explain_step(&report, &step),
        Ok(Request::Afterwards(task)) => tasks::perform(&task)
            .unwrap_or_else(|unreadable| voice.give_up(&unreadable.file, &unreadable.reason)),
        Err(refused) => voice.refuse(&refused),
    }
}

/// The rest of a run's way: plan, run, judge, write.
fn run(job: &Job, code: Option<PairingCode>, afterwards: Afterwards, voice: Voice) -> ExitCode {
    say_remarks(job);
    let code = match code {
        None if job.settings.far_side.is_some() => match prompt::code() {
            Ok(code) => Some(code),
            Err(reason) => return voice.refuse(&bad("--far-side", reason)),
        },
        given => given,
    };
    let plan = plan::plan(&job.catalogue, &job.site, &job.settings);
    with_runtime(voice, async {
        let ran = ask(&plan, job, code.as_ref(), afterwards).await;
        let report = Report::new(plan, ran.found, ran.context);
        deliver(&shown(report, job.redact.as_ref()), ran.live, &job.output)
    })
}

/// The report as it may be shown.
fn shown(report: Report, key: Option<&redact::RedactionKey>) -> Report {
    match key {
        Some(key) => {
            let seen = redact::Redactor::new(key.clone()).seen(report);
            // The sentences are made anew from what was redacted.
            report::Run::read(seen, report::WordsFrom::Ours).judged()
        }
        None => report,
    }
}

/// What follows the first round of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Afterwards {
    /// How often again what does not work; none: once.
    again: Option<Patience>,
    /// How long connections that work are left silent; none: not at all.
    hold: Option<Duration>,
}

/// What came of a plan, not judged yet.
struct Unjudged {
    found: Vec<Option<Found>>,
    context: Context,
    /// The lines that stand on stdout already.
    live: Option<Live>,
}

/// Asks everything in `plan`, with progress on stderr, and lines on stdout if they were asked for.
///
/// With `again`, what does not work is asked again; what is written says how it was at the end. With `hold`,
/// connections that work are left silent, and then spoken on again.
async fn ask(
    plan: &plan::Plan,
    job: &Job,
    code: Option<&PairingCode>,
    Afterwards { again, hold }: Afterwards,
) -> Unjudged {
    // Before any thread is started, so that no signal ends the run without a report.
    let mut interruption = Interruption::new();
    let started_at = jiff::Timestamp::now().to_string();
    let clock = Instant::now();
    let host = site::local::host();
    let live = || {
        let (host, started_at) = (host.name.clone(), started_at.clone());
        Live::new(RunLabel { host, role: plan.role, started_at }, plan.steps.len())
    };
    // What may not be shown as it is waits for the whole report.
    let mut live = (job.output.is_live() && job.redact.is_none()).then(live);
    // Lines on a terminal are progress enough, and rows in between would tear them apart.
    let is_told = job.output.quiet || live.is_some() && io::stdout().is_terminal();
    let progress = progress::Progress::new(plan, is_told);
    let stopped = Cell::new(false);
    let cut_off = async {
        interruption.heard().await;
        stopped.set(true);
    };
    let mut cut_off = pin!(cut_off);
    let manner = preflight_checks::Manner {
        scale: job.settings.tuned.timeout,
        trace: job.settings.trace,
        files: limits::files(),
        rate: job.settings.rate.unwrap_or(preflight_checks::RATE),
    };
    let notify = |event: Event<'_>| match event {
        Event::Started(index) => progress.started(index),
        Event::Reached(index, stage) => progress.reached(index, stage),
        Event::Finished(index, found) => {
            let Some(asked) = plan.steps.get(index) else { return };
            if live.is_none() && !progress.is_shown() {
                return;
            }
            let judged = report::step(asked, found, plan.phase);
            progress.finished(index, &judged);
            if let Some(live) = &mut live {
                live.tell(index, &judged);
            }
        }
    };
    let names = job.site.names.clone().unwrap_or_else(preflight_checks::Naming::here);
    let trust = &job.site.trust;
    let mut found = runner::run(plan, trust, &names, manner, cut_off.as_mut(), notify).await;
    if let Some(code) = code.filter(|_| !stopped.get()) {
        progress.note("    the far side is asked what reached it, and opens its flows".to_owned());
        let is_said = tokio::select! {
            is_said = far_side::prove(plan, code, &mut found) => is_said,
            () = cut_off.as_mut() => false,
        };
        tell_shared(plan, &found, &progress, live.as_mut().filter(|_| is_said));
    }
    if let Some(silence) = hold.filter(|_| !stopped.get()) {
        progress.note(left_silent(silence));
        hold_connections(plan, &mut found, silence, job.output.quiet, cut_off.as_mut()).await;
    }
    // Stopped in the first round, steps are missing; later, all are known as they were.
    let interrupted = stopped.get();
    if let Some(patience) = again {
        let mut watch = Watch::new(plan, Instant::now());
        let mut rounds = 1;
        while !stopped.get() && Watch::goes_on(plan, &found) {
            let Some(pause) = patience.next(rounds, clock.elapsed()) else { break };
            // Who is called more often takes a caller for one who tries codes.
            let pause = if code.is_some() { pause.max(far_side::PAUSE) } else { pause };
            progress.note(again_in(patience));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cut_off.as_mut() => break,
            }
            let round = watch.again(plan, &found, Instant::now());
            let mut anew =
                runner::run(&round, trust, &names, manner, cut_off.as_mut(), |_event| ()).await;
            if let Some(code) = code {
                let is_said = tokio::select! {
                    is_said = far_side::prove(&round, code, &mut anew) => is_said,
                    () = cut_off.as_mut() => break,
                };
                if !is_said {
                    Watch::forget_unsaid(plan, &mut anew);
                }
            }
            let is_told = patience.every.is_some();
            take_over(plan, &mut found, anew, |index, step, is_news| {
                progress.changed(index, step, is_news && is_told);
                if let Some(live) = live.as_mut().filter(|_| is_news) {
                    live.tell(index, step);
                }
            });
            rounds += 1;
        }
    }
    progress.finish();
    let context = Context {
        host,
        catalogue: job.catalogue.identity.clone(),
        started_at,
        took: clock.elapsed(),
        strict: job.settings.strict,
        interrupted,
    };
    Unjudged { found, context, live }
}

/// Leaves connections that work silent, and speaks on them again, unless it is cut off.
async fn hold_connections(
    plan: &plan::Plan,
    found: &mut [Option<Found>],
    silence: Duration,
    is_quiet: bool,
    cut_off: impl Future<Output = ()>,
) {
    tokio::select! {
        held = hold::hold(plan, found, silence) => if held == 0 && !is_quiet {
            remark("--hold: no connection of BBDO or ZMQ works, so none was left silent");
        },
        () = cut_off => {}
    }
}

/// What is going on, for a terminal.
fn left_silent(silence: Duration) -> String {
    let silence = preflight_checks::span(silence.as_secs());
    format!("    connections are left silent for {silence}; Ctrl-C ends with the report")
}

/// Says anew what a far side has a say on: what was said before is less than both ends know.
fn tell_shared(
    plan: &plan::Plan,
    found: &[Option<Found>],
    progress: &progress::Progress,
    mut live: Option<&mut Live>,
) {
    for index in watch::shared(plan) {
        let (Some(step), Some(Some(found))) = (plan.steps.get(index), found.get(index)) else {
            continue;
        };
        let judged = report::step(step, found, plan.phase);
        progress.changed(index, &judged, false);
        if let Some(live) = &mut live {
            live.tell(index, &judged);
        }
    }
}

/// Takes what a round found in the place of what was known; says each step, and whether it
/// has come to work or ceased to.
fn take_over(
    plan: &plan::Plan,
    found: &mut [Option<Found>],
    anew: Vec<Option<Found>>,
    mut tell: impl FnMut(usize, &report::StepReport, bool),
) {
    let now = jiff::Timestamp::now().strftime("%H:%M:%S").to_string();
    for (index, anew) in anew.into_iter().enumerate() {
        let (Some(mut anew), Some(step), Some(known)) =
            (anew, plan.steps.get(index), found.get_mut(index))
        else {
            continue;
        };
        let works = |found: &Found| {
            let outcome = report::step(step, found, plan.phase).outcome;
            matches!(outcome, Outcome::Pass | Outcome::Warn)
        };
        let works_now = works(&anew);
        let is_news = known.as_ref().is_none_or(|known| works(known) != works_now);
        if is_news && works_now {
            watch::mark(&mut anew, &format!("{now} UTC"));
        }
        let mut judged = report::step(step, &anew, plan.phase);
        if is_news {
            judged.result = format!("{now} UTC: {}", judged.result);
        }
        tell(index, &judged, is_news);
        *known = Some(anew);
    }
}

/// What is going on, for a terminal.
fn again_in(patience: Patience) -> String {
    let every = patience.every.map(|every| format!("every {} s", every.as_secs()));
    let every = every.unwrap_or_else(|| "less and less often".to_owned());
    format!("    what does not work is asked again {every}; Ctrl-C ends with the report")
}

/// A machine that nobody named is guessed, and a network is many devices: both must be seen.
fn say_remarks(job: &Job) {
    job.remarks.iter().filter(|_| !job.output.quiet).for_each(|text| remark(text));
}

fn show_plan(job: &Job) -> ExitCode {
    if job.redact.is_some() {
        return complain("--redact", NO_REPORT);
    }
    say_remarks(job);
    let plan = plan::plan(&job.catalogue, &job.site, &job.settings);
    let write = |format: Format, canvas: Canvas, out: &mut dyn Write| match format {
        Format::Json => report::json::write(&PlanDocument::of(&plan), out),
        Format::Table => report::planned::write(&plan, canvas, out),
        other => write_as_flows(std::slice::from_ref(job), other, canvas, out),
    };
    let is_left_out = |step: &plan::Step| matches!(step.action, plan::Action::Skip(_));
    match write_all(&job.output, write) {
        Err(code) => code,
        Ok(()) if !job.settings.only.is_empty() && plan.steps.iter().all(is_left_out) => {
            complain("--only", "nothing of it can be asked")
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// The plans of several machines: in a table one after the other, for programs in one list.
fn show_plans(jobs: &[Job]) -> ExitCode {
    let Some(first) = jobs.first() else { return ExitCode::SUCCESS };
    if first.redact.is_some() {
        return complain("--redact", NO_REPORT);
    }
    let plans: Vec<plan::Plan> =
        jobs.iter().map(|job| plan::plan(&job.catalogue, &job.site, &job.settings)).collect();
    let write = |format: Format, canvas: Canvas, out: &mut dyn Write| match format {
        Format::Json => {
            let documents: Vec<_> = plans.iter().map(PlanDocument::of).collect();
            report::json::write(&documents, out)
        }
        Format::Table => report::planned::write_all(&plans, canvas, out),
        other => write_as_flows(jobs, other, canvas, out),
    };
    write_all(&first.output, write).map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// Plans as the document that is handed to whoever opens firewalls.
fn write_as_flows(
    jobs: &[Job],
    format: Format,
    canvas: Canvas,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (Some(first), Some(format)) = (jobs.first(), flows_format(format)) else { return Ok(()) };
    let planned: Vec<flows::Planned> = jobs.iter().map(Job::on_paper).collect();
    format.write(&Requirements::of_plans(&first.catalogue, &planned), canvas, out)
}

fn write_site_file(text: &str, output: Option<&Path>, force: bool) -> ExitCode {
    let Some(file) = output else { return print(text.as_bytes()) };
    let name = preflight_checks::printable(&file.display().to_string());
    let write = |out: &mut dyn Write| out.write_all(text.as_bytes());
    let written = if force { file::replace(file, None, write) } else { file::create(file, write) };
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            complain("--output", &format!("{name} exists; --force replaces it"))
        }
        written => ended_well(written, &name),
    }
}

fn show_demo(breaks: &[(String, String)], output: &Output, voice: Voice) -> ExitCode {
    let breaks = match demo::breakages(breaks) {
        Ok(breaks) => breaks,
        Err(reason) => return complain("--break", &preflight_checks::printable(&reason)),
    };
    with_runtime(voice, async {
        let site = match demo::DemoSite::start(&breaks).await {
            Ok(site) => site,
            Err(error) => return complain("demo", &error.to_string()),
        };
        let mut code = ExitCode::SUCCESS;
        for (index, job) in site.jobs(output).iter().enumerate() {
            if index > 0 && output.shows_table() {
                let _closed_pipe = writeln!(io::stdout());
            }
            let plan = demo::plan(job);
            let ran = ask(&plan, job, None, Afterwards::default()).await;
            let report = Report::new(plan, ran.found, ran.context);
            code = graver(code, deliver(&report, ran.live, &job.output), output);
            if report.interrupted {
                break;
            }
        }
        code
    })
}

fn show_demo_pair(output: &Output, voice: Voice) -> ExitCode {
    let say = |lines: Vec<String>| {
        for line in lines.iter().filter(|_| output.shows_table()) {
            let _closed_pipe = writeln!(io::stdout(), "{line}");
        }
    };
    with_runtime(voice, async {
        let pair = match demo::DemoPair::start(output).await {
            Ok(pair) => pair,
            Err(error) => return complain("demo", &error.to_string()),
        };
        say(pair.begins());
        let (job, code) = pair.poller();
        let plan = plan::plan(&job.catalogue, &job.site, &job.settings);
        let ran = ask(&plan, job, Some(code), Afterwards::default()).await;
        let report = Report::new(plan, ran.found, ran.context);
        let code = deliver(&report, ran.live, &job.output);
        say(pair.ends());
        code
    })
}

fn explain_step(file: &Path, name: &str) -> ExitCode {
    let saved = match tasks::open(file) {
        Ok(saved) => saved,
        Err(unreadable) => return complain("explain", &unreadable.to_string()),
    };
    match explain::step(saved.as_written(), name) {
        Ok(at) => show_page(|out| explain::write(saved, at, terminal_width(), out)),
        Err(reason) => complain("explain", &reason),
    }
}

fn print(text: &[u8]) -> ExitCode {
    ended_well(io::stdout().lock().write_all(text), "stdout")
}

/// Writes each text into its file; the folder is made if it is missing.
fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) -> ExitCode {
    let named = |path: &Path| preflight_checks::printable(&path.display().to_string());
    if let Err(error) = std::fs::create_dir_all(folder) {
        return complain(&named(folder), &error.to_string());
    }
    for (name, text) in files {
        let path = folder.join(name);
        let world = Some(Mode::from_bits_truncate(0o644));
        let written = file::replace(&path, world, |out| out.write_all(text));
        if ended_well(written, &named(&path)) != ExitCode::SUCCESS {
            return ExitCode::from(USAGE);
        }
    }
    ExitCode::SUCCESS
}

/// What completes a command line beside its flags.
const KNOWN: cli::CompletionWords = cli::CompletionWords {
    causes: || explain::codes().into_iter().map(|(_, code, said)| (code, said)).collect(),
    machines: machine_names,
    formats: Format::VARIANTS,
};

/// `--color` for everything that is written from here on.
fn colours(wanted: cli::Colour) {
    let choice = match wanted {
        cli::Colour::Auto => return,
        cli::Colour::Always => anstream::ColorChoice::Always,
        cli::Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

fn explain_code(code: &str) -> ExitCode {
    let mut page = Vec::new();
    match explain::code(code, &mut page) {
        Some(written) => show_page(|out| written.and_then(|()| out.write_all(&page))),
        None if Path::new(code).is_file() => match tasks::open(Path::new(code)) {
            Ok(saved) => complain("explain", &explain::which_step(saved.as_written())),
            Err(unreadable) => complain("explain", &unreadable.to_string()),
        },
        None => {
            let code = preflight_checks::quoted(&preflight_checks::printable(code));
            let reason = format!("no cause is called {code}; preflight explain --list has all");
            complain("explain", &reason)
        }
    }
}

/// How the end of a run that has no report is said: decided once, from the command line.
#[derive(Clone, Copy, Debug)]
struct Voice {
    /// As a monitoring plugin says it?
    is_plugin: bool,
}

impl Voice {
    fn give_up(self, what: &str, reason: &str) -> ExitCode {
        if self.is_plugin { complain_as_plugin(what, reason) } else { complain(what, reason) }
    }

    fn refuse(self, refused: &SettingsError) -> ExitCode {
        match refused {
            SettingsError::Usage(UsageError::Help(page)) => {
                show_page(|out| out.write_all(page.as_bytes()))
            }
            SettingsError::Usage(UsageError::Wrong { place, reason }) => {
                self.give_up(place, reason)
            }
            SettingsError::File(broken) if self.is_plugin => {
                complain_as_plugin(broken.place(), &broken.to_string())
            }
            SettingsError::File(broken) => complain(broken.place(), &broken.explained()),
            SettingsError::Value { flag, reason } => self.give_up(flag, reason),
        }
    }
}

/// A runtime built by hand: a getaddrinfo that hangs must not hold the exit.
fn with_runtime(voice: Voice, work: impl Future<Output = ExitCode>) -> ExitCode {
    if let Err(reason) = limits::room() {
        return voice.give_up("cannot run", &reason);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Its threads never take a signal from the one that waits for it.
    let held = HeldSignals::stops();
    let built = runtime.worker_threads(2).enable_all().build();
    drop(held);
    match built {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            runtime.shutdown_background();
            code
        }
        Err(error) => voice.give_up("runtime", &error.to_string()),
    }
}

/// Why a plan is not redacted.
const NO_REPORT: &str = "a plan has no report that could be redacted";
