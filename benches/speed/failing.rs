//! Ten thousand devices that fail: what does it cost to ask, judge and write them, in each format?

use std::ffi::OsString;

use crate::measure::{self, Run};
use crate::{ENVIRONMENT, Outcome, PREFLIGHT, Spread, mib, verdict};

/// Devices of the largest pollers there are.
const DEVICES: usize = 10_000;
/// Enough for a median: each run asks ten thousand ports.
const RUNS: usize = 3;
/// Every format there is.
const FORMATS: [&str; 10] = [
    "table",
    "wide",
    "json",
    "ndjson",
    "junit",
    "markdown",
    "csv",
    "openmetrics",
    "centreon",
    "html",
];
/// CPU time of a whole run: the kernel's part of ten thousand connections is in it.
const CPU_MS: f64 = 1_000.0;

/// Asks ten thousand closed ports of loopback and writes what came of it, in one format after
/// the other.
pub(crate) fn failing() -> Outcome<()> {
    println!("\n10,000 devices that fail, {RUNS} runs of each format: least, median, most");
    println!("{:<24} {:^23}  {:^23}  {:>8}", "", "wall ms", "CPU ms", "peak MiB");
    let mut slowest = 0.0_f64;
    for format in FORMATS {
        let command = command(format);
        let runs = (0..RUNS).map(|_| run(&command)).collect::<Outcome<Vec<Run>>>()?;
        let wall = Spread::of(runs.iter().map(|run| run.wall.as_secs_f64() * 1e3));
        let cpu = Spread::of(runs.iter().map(|run| run.cpu.as_secs_f64() * 1e3));
        let peak = Spread::of(runs.iter().map(|run| mib(run.peak_kib)));
        println!("{format:<24} {wall}  {cpu}  {:>8.1}", peak.most);
        slowest = slowest.max(cpu.median);
    }
    println!("    {}", verdict("CPU of the slowest", slowest, CPU_MS, "ms"));
    Ok(())
}

/// Nothing listens on the port of `discard` of addresses in 127.1.0.0/16.
fn command(format: &str) -> Vec<OsString> {
    let checking = ["--role", "poller", "--no-discovery", "--phase", "after"];
    let only = ["--only", "poller.nsclient", "--format", format];
    let devices = (0..DEVICES).flat_map(|number| {
        let address = format!("127.1.{}.{}:9", number / 250, number % 250 + 1);
        ["--nsclient".to_owned(), address]
    });
    let words = checking.into_iter().chain(only).map(str::to_owned).chain(devices);
    std::iter::once(PREFLIGHT.to_owned()).chain(words).map(OsString::from).collect()
}

/// One run, which has to say that something fails.
fn run(command: &[OsString]) -> Outcome<Run> {
    let run = measure::run(command, &ENVIRONMENT)?;
    match run.code {
        // A plugin says it with another number.
        Some(1 | 2) if run.stdout.len() > DEVICES => Ok(run),
        code => Err(format!("10,000 failures: exit code {code:?}").into()),
    }
}
