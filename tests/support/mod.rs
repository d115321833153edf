//! The program as a user starts it, and the peers it finds on loopback.

#![allow(dead_code)] // Each test program uses a part of it.

pub(crate) mod far;
pub(crate) mod page;
pub(crate) mod schema;
pub(crate) mod terminal;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Every format of a run.
pub(crate) const FORMATS: [&str; 10] = [
    "table",
    "wide",
    "json",
    "html",
    "ndjson",
    "junit",
    "markdown",
    "csv",
    "openmetrics",
    "centreon",
];

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The one JSON document on stdout.
    pub(crate) fn report(&self) -> Value {
        match self.reports().as_slice() {
            [report] => report.clone(),
            other => panic!("{} documents: {self:#?}", other.len()),
        }
    }

    /// Every JSON document on stdout, or line of ndjson; each keeps to the schema.
    #[track_caller]
    pub(crate) fn reports(&self) -> Vec<Value> {
        let documents = serde_json::Deserializer::from_str(&self.stdout).into_iter();
        let documents: Vec<Value> = documents
            .map(|document| document.unwrap_or_else(|e| panic!("{e}: {self:#?}")))
            .collect();
        documents.iter().for_each(schema::check);
        documents
    }

    /// Holds for runs that end without a word on stderr.
    #[track_caller]
    pub(crate) fn quietly(self, code: i32) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(code), ""), "{}", self.stdout);
        self
    }
}

/// The report in a file; it keeps to the schema.
#[track_caller]
pub(crate) fn report_in(file: &Path) -> Value {
    let report = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    schema::check(&report);
    report
}

/// The step of `flow` in a report or a plan.
#[track_caller]
pub(crate) fn step<'a>(report: &'a Value, flow: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["flow"] == flow);
    found.unwrap_or_else(|| panic!("no {flow} in {report:#}"))
}

/// The program with these arguments, and nothing of the environment and files of the
/// machine the tests run on.
pub(crate) fn command(arguments: &[&str]) -> Command {
    wrapped(Command::new(PROGRAM), arguments)
}

/// The same behind a wrapper that ends in our program.
pub(crate) fn wrapped(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).env_clear();
    let is_run = arguments.first().is_none_or(|first| first.starts_with('-') || *first == "plan");
    if is_run && !arguments.contains(&"--root") {
        command.arg("--no-discovery");
    }
    // Only coverage is measured through the environment.
    command.envs(std::env::vars_os().filter(|(name, _)| name == "LLVM_PROFILE_FILE"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_preflight");

/// Runs the program to its end.
pub(crate) fn preflight(arguments: &[&str]) -> Ended {
    finish(command(arguments))
}

/// Runs a prepared command to its end.
pub(crate) fn finish(command: Command) -> Ended {
    wait(start(command))
}

/// Starts a prepared command, and keeps no copy of what it writes to.
pub(crate) fn start(mut command: Command) -> Child {
    command.spawn().unwrap()
}

/// Waits for the end of a run.
pub(crate) fn wait(child: Child) -> Ended {
    let _guard = Guard::on(&child);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Sends a signal to a run.
pub(crate) fn send(signal: Signal, child: &Child) {
    kill(pid(child), signal).unwrap();
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// Kills a run that does not end by itself, so that its test fails instead of hanging.
pub(crate) struct Guard {
    _over: Sender<()>,
}

impl Guard {
    pub(crate) fn on(child: &Child) -> Self {
        const LONGEST: Duration = Duration::from_secs(60);
        let (over, wait) = channel::<()>();
        let pid = pid(child);
        std::thread::spawn(move || {
            if wait.recv_timeout(LONGEST) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _gone_already = kill(pid, Signal::SIGKILL);
            }
        });
        Self { _over: over }
    }
}
