//! One run of a program: its wall time, its CPU time and its peak memory.
//!
//! The kernel keeps one peak for all children of a process together, and a child starts with the
//! peak of whoever spawned it. So a small process stands between the bench and each run: this
//! same program again, which has that one child and uses next to nothing itself.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::Outcome;

/// What one run of a program took.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// From before the program is started until it has ended.
    pub(crate) wall: Duration,
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Most memory resident at one moment, in KiB.
    pub(crate) peak_kib: u64,
    /// Its exit code; none: a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
}

/// Runs `command` to its end, in an environment that holds `environment` only.
pub(crate) fn run(command: &[OsString], environment: &[(&str, &str)]) -> Outcome<Run> {
    let between = Command::new(std::env::current_exe()?)
        .arg(BETWEEN)
        .args(command)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let mut parts = between.stdout.splitn(2, |&byte| byte == b'\n');
    let figures = std::str::from_utf8(parts.next().unwrap_or_default())?;
    let figures: Vec<i64> = figures.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [wall, cpu, peak, code] = figures.as_slice() else {
        return Err("the process between said nothing".into());
    };
    Ok(Run {
        wall: Duration::from_micros(u64::try_from(*wall)?),
        cpu: Duration::from_micros(u64::try_from(*cpu)?),
        peak_kib: u64::try_from(*peak)?,
        code: i32::try_from(*code).ok().filter(|code| *code != NO_CODE),
        stdout: parts.next().unwrap_or_default().to_vec(),
    })
}

/// The process between: runs `command`, prints one line of figures and then what it printed.
pub(crate) fn stand_between(mut command: impl Iterator<Item = OsString>) -> Outcome<()> {
    let program = command.next().ok_or("nothing to run")?;
    let mut command = {
        let mut run = Command::new(program);
        run.args(command).stderr(Stdio::inherit());
        run
    };
    let started = Instant::now();
    let ended = command.output()?;
    let wall = started.elapsed().as_micros();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    let code = ended.status.code().unwrap_or(NO_CODE);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{wall} {cpu} {} {code}", used.max_rss())?;
    out.write_all(&ended.stdout)?;
    Ok(())
}

/// The first argument of a process between.
pub(crate) const BETWEEN: &str = "--stand-between";
/// Stands for the exit code of a run that a signal ended.
const NO_CODE: i32 = -1;
