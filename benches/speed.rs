//! How fast is a run, what does it cost, and does silence end in time?
//!
//! `cargo bench --bench speed` runs the release binary as a user does, against the far side of
//! every flow in this process. It fails when a run fails, never because a figure is over its
//! target: a busy machine is no mistake of the program's. `docs/performance.md` has the figures.

// What it is asked for is a table on stdout.
#![allow(clippy::print_stdout)]

#[path = "speed/failing.rs"]
mod failing;
#[path = "speed/far.rs"]
mod far;
#[path = "speed/hole.rs"]
mod hole;
#[path = "speed/hosts.rs"]
mod hosts;
#[path = "speed/measure.rs"]
mod measure;

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use far::Site;
use hole::Hole;
use measure::Run;
use preflight_checks::Behaviour;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs of each case: enough for a steady median in some seconds.
const RUNS: usize = 30;
/// Runs before that, for warm caches.
const WARM_UP: usize = 3;
/// How much later than its longest step, or than the longest deadline, a run may end.
const AFTER_THE_LAST: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let asked = match arguments.peek().and_then(|first| first.to_str()) {
        Some(measure::BETWEEN) => measure::stand_between(arguments.skip(1)),
        // `cargo test --all-targets` starts it too, without this.
        Some("--bench") => bench(),
        _ => {
            println!("this measures: cargo bench --bench speed");
            Ok(())
        }
    };
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("speed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Outcome<()> {
    let started = Instant::now();
    let folder = tempfile::tempdir()?;
    let ca = folder.path().join("ca.pem");
    let tls = far::certificates(&ca)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let healthy = runtime.block_on(Site::start(Behaviour::Healthy, &tls))?;
    let silent = runtime.block_on(Site::start(Behaviour::Silent, &tls))?;
    println!("{}\n", machine());
    let mut cases = cases(&healthy, &ca)?;
    hosts::write(folder.path())?;
    for (name, words) in hosts::commands(PREFLIGHT, folder.path())? {
        let command = std::iter::once(PREFLIGHT.to_owned()).chain(words);
        let command = command.map(OsString::from).collect();
        cases.push(Case { name, command, reports: false, target: TEN_THOUSAND_HOSTS });
    }
    report(&cases, &repeat(&cases)?);
    failing::failing()?;
    silence(&silent)?;
    println!("\nall of it: {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// One command, run again and again.
struct Case {
    name: &'static str,
    command: Vec<OsString>,
    /// What it prints is a report, and everything in it works.
    reports: bool,
    target: Target,
}

/// What is aimed at; the median is held against it, of memory the largest.
#[derive(Clone, Copy)]
struct Target {
    wall_ms: Option<f64>,
    cpu_ms: Option<f64>,
    peak_mib: Option<f64>,
}

const ALL_FLOWS: Target = Target { wall_ms: Some(80.0), cpu_ms: Some(60.0), peak_mib: Some(30.0) };
const PLAN: Target = Target { wall_ms: Some(15.0), cpu_ms: None, peak_mib: None };
const TEN_THOUSAND_HOSTS: Target =
    Target { wall_ms: Some(300.0), cpu_ms: None, peak_mib: Some(60.0) };
const NONE: Target = Target { wall_ms: None, cpu_ms: None, peak_mib: None };

/// The first is the unit of the ratios: what starting any program of this size costs.
fn cases(site: &Site, ca: &Path) -> Outcome<Vec<Case>> {
    let poller = site.arguments("poller")?;
    let central = site.arguments("central")?;
    let checking = ["--no-discovery", "--phase", "after", "--format", "json", "--ca"];
    let checking = checking.map(OsString::from);
    let checking = [checking.as_slice(), &[ca.into()]].concat();
    let only = |flow: &str| ["--only", flow].map(OsString::from);
    let case = |name, parts: &[&[OsString]], reports, target| {
        let command = [&[OsString::from(PREFLIGHT)], parts.concat().as_slice()].concat();
        Case { name, command, reports, target }
    };
    let (ntp, http) = (only("poller.ntp"), only("poller.http"));
    let asked = only(&far::asked("poller"));
    Ok(vec![
        case("--version", &[&["--version".into()]], false, NONE),
        case(
            "plan of a poller",
            &[&["plan".into(), "--no-discovery".into()], &poller],
            false,
            PLAN,
        ),
        case("one flow: NTP", &[&poller, &checking, &ntp], true, NONE),
        case("one flow: HTTPS", &[&poller, &checking, &http], true, NONE),
        case("a poller, no listeners", &[&poller, &checking, &asked], true, NONE),
        case("all flows of a poller", &[&poller, &checking], true, ALL_FLOWS),
        case("all flows of a central", &[&central, &checking], true, ALL_FLOWS),
    ])
}

/// The runs of each case, in turn, so that a busy moment meets all of them.
fn repeat(cases: &[Case]) -> Outcome<Vec<Vec<Run>>> {
    let mut runs: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 0..WARM_UP + RUNS {
        for (case, runs) in cases.iter().zip(&mut runs) {
            let run = measure::run(&case.command, &ENVIRONMENT)?;
            works(case, &run).map_err(|why| format!("{}: {why}", case.name))?;
            if round >= WARM_UP {
                runs.push(run);
            }
        }
    }
    Ok(runs)
}

/// A figure of a run that did not do its work is worth nothing.
fn works(case: &Case, run: &Run) -> Outcome<()> {
    if run.code != Some(0) {
        let said = String::from_utf8_lossy(&run.stdout);
        return Err(format!("exit code {:?}\n{said}", run.code).into());
    }
    let steps = if case.reports { steps(run)? } else { Vec::new() };
    match steps.iter().find(|step| !step.works()) {
        Some(step) => Err(format!("{} is {}", step.id, step.outcome).into()),
        None => Ok(()),
    }
}

/// What a report says of one step.
struct Step {
    id: String,
    outcome: String,
    /// Was somebody asked? Rows that others open are looked at only.
    is_asked: bool,
    took: Duration,
    /// The longest it may take: of ways asked side by side, the longest.
    deadline: Duration,
}

impl Step {
    fn works(&self) -> bool {
        matches!(self.outcome.as_str(), "pass" | "warn")
    }
}

fn steps(run: &Run) -> Outcome<Vec<Step>> {
    let report: Value = serde_json::from_slice(&run.stdout)?;
    let steps = report.get("steps").and_then(Value::as_array).ok_or("a report without steps")?;
    steps.iter().map(step).collect()
}

fn step(step: &Value) -> Outcome<Step> {
    let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let took = step.pointer("/timings/total_ms").and_then(Value::as_f64).unwrap_or_default();
    let mut deadline = Duration::ZERO;
    let ways = step.pointer("/target/ways").and_then(Value::as_array);
    for way in ways.into_iter().flatten() {
        let protocol = way.get("protocol").and_then(Value::as_str).unwrap_or_default();
        deadline = deadline.max(far::service(protocol)?.budget);
    }
    let took = Duration::try_from_secs_f64(took / 1e3)?;
    let is_asked = text("direction") == "outbound";
    Ok(Step { id: text("id"), outcome: text("outcome"), is_asked, took, deadline })
}

/// Least, median and most.
#[derive(Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or_default();
        let last = figures.len().saturating_sub(1);
        Self {
            least: at(0),
            median: f64::midpoint(at(last / 2), at(figures.len() / 2)),
            most: at(last),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:>7.1} {:>7.1} {:>7.1}", self.least, self.median, self.most)
    }
}

fn report(cases: &[Case], runs: &[Vec<Run>]) {
    println!("{RUNS} runs of each case, in turn: least, median, most");
    println!("{:<24} {:^23}  {:^23}  {:>8}  x", "", "wall ms", "CPU ms", "peak MiB");
    let mut unit = None;
    for (case, runs) in cases.iter().zip(runs) {
        let wall = Spread::of(runs.iter().map(|run| run.wall.as_secs_f64() * 1e3));
        let cpu = Spread::of(runs.iter().map(|run| run.cpu.as_secs_f64() * 1e3));
        let peak = Spread::of(runs.iter().map(|run| mib(run.peak_kib)));
        let unit = *unit.get_or_insert(wall.median);
        let ratio = wall.median / unit;
        println!("{:<24} {wall}  {cpu}  {:>8.1}  {ratio:.1}", case.name, peak.most);
        let Target { wall_ms, cpu_ms, peak_mib } = case.target;
        let aims = [
            ("wall", wall.median, wall_ms, "ms"),
            ("CPU", cpu.median, cpu_ms, "ms"),
            ("peak", peak.most, peak_mib, "MiB"),
        ];
        for (what, figure, target, unit) in aims {
            if let Some(target) = target {
                println!("    {}", verdict(what, figure, target, unit));
            }
        }
    }
}

fn verdict(what: &str, figure: f64, target: f64, unit: &str) -> String {
    let word = if figure <= target { "met" } else { "MISSED" };
    format!("{what} {figure:.1} {unit}, target {target} {unit}: {word}")
}

/// Runs in which nothing answers, side by side: they wait, they do not work.
fn silence(site: &Site) -> Outcome<()> {
    println!("\nnothing answers, once each, side by side");
    let hole = Hole::dig();
    let mut runs = Vec::new();
    for role in ["poller", "central"] {
        let command = |arguments: Vec<OsString>| {
            let checking = ["--no-discovery", "--phase", "after", "--format", "json"];
            let checking = checking.map(OsString::from);
            [&[OsString::from(PREFLIGHT)], arguments.as_slice(), &checking].concat()
        };
        runs.push((format!("{role}, accepted in silence"), command(site.arguments(role)?)));
        if let Ok(hole) = &hole {
            let inside = hole.inside(&command(far::nowhere(role)));
            runs.push((format!("{role}, packets dropped"), inside));
        }
    }
    let lines: Vec<Outcome<String>> = thread::scope(|scope| {
        let started: Vec<_> = runs
            .iter()
            .map(|(name, command)| {
                scope.spawn(move || wait(command).map_err(|why| format!("{name}: {why}").into()))
            })
            .collect();
        let joined = started.into_iter().map(|run| run.join().unwrap_or(Err("it panicked".into())));
        joined.collect()
    });
    for ((name, _), lines) in runs.iter().zip(lines) {
        println!("{name}\n{}", lines?);
    }
    if let Err(why) = hole {
        println!("packets dropped: not measured, it needs root and iproute2 ({why})");
    }
    Ok(())
}

/// Runs `command`, which nobody answers, and says whether it ended in time.
fn wait(command: &[OsString]) -> Outcome<String> {
    let run = measure::run(command, &ENVIRONMENT)?;
    let mut steps = steps(&run)?;
    steps.retain(|step| step.is_asked);
    if let Some(step) = steps.iter().find(|step| step.works()) {
        return Err(format!("{} is {} where nobody answers", step.id, step.outcome).into());
    }
    let longest = steps.iter().max_by_key(|step| step.took).ok_or("nobody was asked")?;
    let limit = steps.iter().map(|step| step.deadline).max().unwrap_or_default() + AFTER_THE_LAST;
    let one_by_one: Duration = steps.iter().map(|step| step.took).sum();
    let after = run.wall.saturating_sub(longest.took);
    let lines = [
        format!(
            "{:.1} s, {:.1} times as fast as its {} flows one after another; CPU {:.0} ms, peak {:.1} MiB",
            run.wall.as_secs_f64(),
            one_by_one.as_secs_f64() / run.wall.as_secs_f64(),
            steps.len(),
            run.cpu.as_secs_f64() * 1e3,
            mib(run.peak_kib),
        ),
        format!("longest step {}, {:.1} s", longest.id, longest.took.as_secs_f64()),
        verdict("after it", after.as_secs_f64() * 1e3, AFTER_THE_LAST.as_secs_f64() * 1e3, "ms"),
        verdict("in all", run.wall.as_secs_f64(), limit.as_secs_f64(), "s"),
    ];
    Ok(format!("    {}", lines.join("\n    ")))
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

/// Cores, kernel and how busy it is.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores, Linux {}, load {load}", kernel.trim_end())
}

/// The binary that this very build made.
const PREFLIGHT: &str = env!("CARGO_BIN_EXE_preflight");
/// All that a run sees of the environment: no proxy, no secret of the user's.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", hole::PATH), ("PREFLIGHT_SNMP_COMMUNITY", "preflight-demo")];
