//! The edge of the machine: what is missing, full, closed or interrupted costs no half report.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::far::{Closed, Quiet, healthy};
use crate::support::{Ended, PROGRAM, command, finish, send, start, wait, wrapped};

/// The program behind a line of shell, which ends in `"$@"`.
fn behind(line: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", line, "sh", PROGRAM]);
    let mut shell = wrapped(shell, arguments);
    shell.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    shell
}

/// A run of one healthy and one closed peer, with a report in `file`.
struct Run {
    ntp: crate::support::far::Far,
    closed: Closed,
}

impl Run {
    fn new() -> Self {
        Self { ntp: healthy("ntp"), closed: Closed::new() }
    }

    fn words(&self, file: &Path) -> Vec<String> {
        let words = ["--role", "poller", "--only", "poller.ntp,poller.dns", "--timeout", "0.2"];
        let mut words = words.map(str::to_owned).to_vec();
        words.extend(["--ntp".to_owned(), self.ntp.at(), "--dns".to_owned(), self.closed.at()]);
        words.extend(["--format", "table", "--format"].map(str::to_owned));
        words.push(format!("json={}", file.display()));
        words
    }

    fn behind(&self, line: &str, file: &Path) -> Ended {
        let words = self.words(file);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let ended = finish(behind(line, &words));
        assert!(begun.elapsed() < Duration::from_secs(20), "{line}: {:?}", begun.elapsed());
        ended
    }
}

/// The report in `file`: whole, or none.
#[track_caller]
fn whole(file: &Path, context: &str) -> Option<Value> {
    let text = fs::read_to_string(file).ok()?;
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{context}: {error}: {} bytes", text.len()));
    assert_eq!(report["steps"].as_array().unwrap().len(), 2, "{context}");
    Some(report)
}

fn is_whole_table(text: &str) -> bool {
    text.contains("poller.ntp") && text.contains("required flows fail")
}

#[test]
fn a_limit_that_allows_no_run_is_named() {
    let (run, folder) = (Run::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("report.json");
    for limit in [5, 6, 8, 10, 16] {
        let ended = run.behind(&format!("ulimit -n {limit}; exec \"$@\""), &file);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        let sentence = "preflight: cannot run: this process may not open enough files at once \
             (ulimit -n is LIMIT)";
        let sentence = sentence.replace("LIMIT", &limit.to_string());
        assert!(ended.stderr.starts_with(&sentence), "{limit}: {ended:#?}");
        assert!(!file.exists());
    }
    for limit in [1, 2, 3, 4] {
        // Root has no such limit.
        let line = format!(
            "exec prlimit --nproc={limit} setpriv --reuid 54321 --regid 54321 --clear-groups \"$@\""
        );
        let ended = run.behind(&line, &folder.path().join("none.json"));
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        let sentence =
            "preflight: cannot run: this user may not start enough threads (ulimit -u is LIMIT;";
        let sentence = sentence.replace("LIMIT", &limit.to_string());
        assert!(ended.stderr.starts_with(&sentence), "{limit}: {ended:#?}");
    }
}

#[test]
fn little_is_enough_for_a_whole_report() {
    let (run, folder) = (Run::new(), tempfile::tempdir().unwrap());
    for (name, line) in [
        ("descriptors", "ulimit -n 32; exec \"$@\""),
        ("memory", "ulimit -v 204800; exec \"$@\""),
        ("no-proc", "exec unshare -m sh -c 'mount -t tmpfs none /proc && exec \"$@\"' sh \"$@\""),
        ("no-dev", "exec unshare -m sh -c 'mount -t tmpfs none /dev && exec \"$@\"' sh \"$@\""),
        ("no-etc", "exec unshare -m sh -c 'mount -t tmpfs none /etc && exec \"$@\"' sh \"$@\""),
        ("no-stderr", "exec \"$@\" 2>&-"),
        ("no-stdin", "exec \"$@\" <&-"),
        ("nothing-open", "exec \"$@\" <&- >&- 2>&-"),
    ] {
        let file = folder.path().join(format!("{name}.json"));
        let ended = run.behind(line, &file);
        let report = whole(&file, name).unwrap_or_else(|| panic!("{name}: {ended:#?}"));
        assert_eq!(report["summary"]["exit_code"], 1, "{name}");
        let outcomes = report["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]);
        assert_eq!(outcomes.filter(|outcome| **outcome == "pass").count(), 1, "{name}: {report:#}");
        if name == "nothing-open" {
            // The table had nowhere to go.
            assert!([Some(1), Some(2)].contains(&ended.code), "{name}: {ended:#?}");
        } else {
            assert_eq!(ended.code, Some(1), "{name}: {ended:#?}");
            assert!(is_whole_table(&ended.stdout), "{name}: {ended:#?}");
        }
    }
}

#[test]
fn a_report_that_cannot_be_written_is_2_and_the_table_is_whole() {
    let (run, folder) = (Run::new(), tempfile::tempdir().unwrap());
    let there = folder.path().display();
    let file = folder.path().join("report.json");
    for (name, line) in [
        (
            "full",
            format!(
                "exec unshare -m sh -c 'mount -t tmpfs -o size=4k none {there} && \"$@\"; code=$?; ls {there} >&2; exit $code' sh \"$@\""
            ),
        ),
        (
            "read-only",
            format!(
                "exec unshare -m sh -c 'mount -t tmpfs -o ro none {there} && exec \"$@\"' sh \"$@\""
            ),
        ),
    ] {
        let ended = run.behind(&line, &file);
        assert_eq!(ended.code, Some(2), "{name}: {ended:#?}");
        assert!(is_whole_table(&ended.stdout), "{name}: {ended:#?}");
        assert!(ended.stderr.contains("report.json"), "{name}: {ended:#?}");
        // Nothing is left of what could not be finished.
        assert_eq!(ended.stderr.lines().count(), 1, "{name}: {ended:#?}");
    }
    let ended = run.behind("exec \"$@\" > /dev/full", &file);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(whole(&file, "stdout full").is_some());
}

#[test]
fn two_runs_that_write_one_report_leave_a_whole_one() {
    let (run, folder) = (Run::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("report.json");
    let words = run.words(&file);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for _ in 0..8 {
        let both = [start(command(&words)), start(command(&words))];
        for child in both {
            assert_eq!(wait(child).code, Some(1));
        }
        assert!(whole(&file, "two runs").is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

/// At any moment a signal ends the run within a second: with a report that says what was cut
/// short, with the whole one when nothing was, or, before there is anything to report, at once.
#[test]
fn a_signal_at_any_moment_leaves_a_true_report_or_none() {
    let (ntp, silent) = (healthy("ntp"), Quiet::new());
    let folder = tempfile::tempdir().unwrap();
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let mut seen = [0_usize; 3];
    for round in 0..66_u64 {
        let file = folder.path().join(format!("{round}.json"));
        let json = format!("json={}", file.display());
        let mut words =
            vec!["--role", "poller", "--only", "poller.ntp,poller.dns", "--timeout", "0.1"];
        let (at, silent) = (ntp.at(), silent.at());
        words.extend(["--ntp", &at, "--dns", &silent, "--format", "table", "--format", &json]);
        let child = start(command(&words));
        // From before the first instruction of ours to after the last one: about 600 ms.
        let until = Instant::now() + Duration::from_millis(round * 12);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        let signal = *signals.iter().cycle().nth(usize::try_from(round).unwrap()).unwrap();
        let sent = Instant::now();
        send(signal, &child);
        let ended = wait(child);
        assert!(sent.elapsed() < Duration::from_secs(2), "{round}: {:?}", sent.elapsed());
        let report = whole(&file, &format!("{round}: {ended:#?}"));
        let cut = |report: &Value| {
            let steps = report["steps"].as_array().unwrap();
            steps.iter().any(|step| step["cause"]["code"] == "interrupted")
        };
        match (ended.code, report) {
            (None, report) => {
                // A signal that came before the run, or between two files.
                assert!(report.is_none_or(|report| !cut(&report)), "{round}");
                seen[0] += 1;
            }
            (Some(130), Some(report)) => {
                assert_eq!(report["interrupted"], true, "{round}");
                assert!(ended.stdout.contains("interrupted"), "{round}: {ended:#?}");
                seen[1] += 1;
            }
            (Some(code), Some(report)) => {
                assert_eq!(report["interrupted"], false, "{round}");
                assert_eq!(report["summary"]["exit_code"], code, "{round}");
                assert!(!cut(&report), "{round}: cut short and not said: {report:#}");
                seen[2] += 1;
            }
            (code, None) => panic!("{round}: {code:?} without a report: {ended:#?}"),
        }
    }
    assert!(seen[1] > 0, "{seen:?}");
}

/// `nohup` and a terminal that is closed meanwhile.
#[test]
fn a_signal_that_is_ignored_stays_so() {
    let (silent, folder) = (Quiet::new(), tempfile::tempdir().unwrap());
    let (file, ready) = (folder.path().join("report.json"), folder.path().join("ready"));
    let (json, at) = (format!("json={}", file.display()), silent.at());
    let words = ["--role", "poller", "--only", "poller.dns", "--dns", &at, "--format", &json];
    let words = [&words[..], &["--timeout", "0.1"]].concat();
    let line = format!("trap '' HUP; : > {}; exec \"$@\"", ready.display());
    let child = start(behind(&line, &words));
    let begun = Instant::now();
    while !ready.exists() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    let mut sent = 0;
    while !file.exists() && begun.elapsed() < Duration::from_secs(20) {
        if sent < 1_000 {
            send(Signal::SIGHUP, &child);
            sent += 1;
        }
        std::thread::yield_now();
    }
    let ended = wait(child);
    let report: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((ended.code, &report["interrupted"]), (Some(1), &Value::Bool(false)), "{ended:#?}");
}
