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
#[cfg(target_arch = "x86_64")] // The filter of the kernel's calls knows them by that machine's numbers.
fn a_service_that_may_not_open_unix_sockets_is_told_so() {
    let (run, folder) = (Run::new(), tempfile::tempdir().unwrap());
    let ended = run.behind(WITHOUT_UNIX_SOCKETS, &folder.path().join("none.json"));
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    let sentence = "preflight: cannot run: this process may not open Unix sockets, which never leave this \
         host (Address family not supported by protocol); a service needs AF_UNIX";
    assert!(ended.stderr.starts_with(sentence), "{ended:#?}");
}

/// What systemd does for `RestrictAddressFamilies=` without `AF_UNIX`: `socket` (41) and `socketpair` (53) of that
/// family (1) fail with EAFNOSUPPORT (97).
#[cfg(target_arch = "x86_64")]
const WITHOUT_UNIX_SOCKETS: &str = r#"exec perl -e '
    my @filter = ([0x20,0,0,0], [0x15,1,0,41], [0x15,0,3,53], [0x20,0,0,16], [0x15,0,1,1],
                  [6,0,0,0x50000 | 97], [6,0,0,0x7fff0000]);
    my $code = join "", map { pack "SCCL", @$_ } @filter;
    syscall(157, 38, 1, 0, 0, 0);
    syscall(157, 22, 2, pack("S x6 P", scalar(@filter), $code)) == 0 or die $!;
    exec @ARGV' "$@""#;

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
        ("no-stdout", "exec \"$@\" >&-"),
        ("no-stdin", "exec \"$@\" <&-"),
        ("nothing-open", "exec \"$@\" <&- >&- 2>&-"),
    ] {
        let file = folder.path().join(format!("{name}.json"));
        let ended = run.behind(line, &file);
        let report = whole(&file, name).unwrap_or_else(|| panic!("{name}: {ended:#?}"));
        assert_eq!(report["summary"]["exit_code"], 1, "{name}");
        let outcomes = report["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]);
        assert_eq!(outcomes.filter(|outcome| **outcome == "pass").count(), 1, "{name}: {report:#}");
        if ["nothing-open", "no-stdout"].contains(&name) {
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

/// Moments at which a signal comes; each is another one, and the same in every run of this test.
const MOMENTS: u64 = 200;
/// Runs at a time: they wait most of theirs.
const SIDE_BY_SIDE: u64 = 5;

/// At any moment a signal ends the run within a second: with a report that says what was cut
/// short, with the whole one when nothing was, or, before there is anything to report, at once.
#[test]
fn a_signal_at_any_moment_leaves_a_true_report_or_none() {
    let (ntp, silent) = (healthy("ntp"), Quiet::new());
    let folder = tempfile::tempdir().unwrap();
    let (ntp, silent, folder) = (ntp.at(), silent.at(), folder.path());
    let ends: Vec<End> = std::thread::scope(|scope| {
        let lanes = (0..SIDE_BY_SIDE).map(|lane| {
            let rounds = (lane..MOMENTS).step_by(usize::try_from(SIDE_BY_SIDE).unwrap());
            let (ntp, silent) = (&ntp, &silent);
            scope.spawn(move || {
                rounds.map(|round| signalled(round, ntp, silent, folder)).collect::<Vec<End>>()
            })
        });
        let lanes: Vec<_> = lanes.collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    assert_eq!(ends.len(), usize::try_from(MOMENTS).unwrap());
    // A test that hits one kind of moment only shows nothing of the others.
    for end in [End::BySignal, End::CutShort, End::Whole] {
        let count = ends.iter().filter(|one| **one == end).count();
        assert!(count >= 5, "{end:?}: {count} of {MOMENTS}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Before the run, or after its report.
    BySignal,
    CutShort,
    Whole,
}

/// One run, and the signal of this round at the moment of this round.
fn signalled(round: u64, ntp: &str, silent: &str, folder: &Path) -> End {
    const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let file = folder.join(format!("{round}.json"));
    let json = format!("json={}", file.display());
    let mut words = vec!["--role", "poller", "--only", "poller.ntp,poller.dns", "--timeout", "0.1"];
    words.extend(["--ntp", ntp, "--dns", silent, "--format", "table", "--format", &json]);
    let child = start(command(&words));
    std::thread::sleep(Duration::from_micros(moment(round)));
    let signal = SIGNALS[usize::try_from(round % 3).unwrap()];
    let sent = Instant::now();
    send(signal, &child);
    let ended = wait(child);
    assert!(sent.elapsed() < Duration::from_secs(3), "{round}: {:?}", sent.elapsed());
    let report = whole(&file, &format!("{round}: {ended:#?}"));
    let cut = |report: &Value| {
        let steps = report["steps"].as_array().unwrap();
        steps.iter().any(|step| step["cause"]["code"] == "interrupted")
    };
    match (ended.code, report) {
        (None, report) => {
            // A signal that came before the run, or between two files.
            assert!(report.is_none_or(|report| !cut(&report)), "{round}");
            End::BySignal
        }
        (Some(130), Some(report)) => {
            assert_eq!(report["interrupted"], true, "{round}");
            assert!(ended.stdout.contains("interrupted"), "{round}: {ended:#?}");
            End::CutShort
        }
        (Some(code), Some(report)) => {
            assert_eq!(report["interrupted"], false, "{round}");
            assert_eq!(report["summary"]["exit_code"], code, "{round}");
            assert!(!cut(&report), "{round}: cut short and not said: {report:#}");
            End::Whole
        }
        (code, None) => panic!("{round}: {code:?} without a report: {ended:#?}"),
    }
}

/// From before the first instruction of ours to after the last one, in microseconds: half of the
/// moments within the first twentieth of a second, where a run begins.
fn moment(round: u64) -> u64 {
    // SplitMix64, whose numbers look random and are the same each time.
    let mut mixed = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    mixed % if round.is_multiple_of(2) { 50_000 } else { 1_200_000 }
}

/// The wall clock is set back and forth by a year while questions wait: waits are not measured by
/// it, and a report that has an impossible time is none.
///
/// libfaketime shows the program another clock than the machine's; the monotonic one, which the
/// kernel never sets, is left alone.
#[test]
fn a_clock_that_jumps_costs_no_report() {
    let (run, folder) = (Run::new(), tempfile::tempdir().unwrap());
    let silent = Quiet::new();
    let library =
        format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    assert!(Path::new(&library).exists(), "Debian's package libfaketime is missing");
    for jumps in [["+0", "-400d"], ["+0", "+400d"], ["+400d", "-400d"], ["-20000d", "+9000d"]] {
        let (file, clock) = (folder.path().join("report.json"), folder.path().join("clock"));
        fs::write(&clock, jumps[0]).unwrap();
        let mut words = run.words(&file);
        words.extend(["--dns".to_owned(), silent.at()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut prepared = command(&words);
        prepared.env("LD_PRELOAD", &library).env("FAKETIME_TIMESTAMP_FILE", &clock);
        prepared.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let begun = Instant::now();
        let child = start(prepared);
        for turn in 0..40 {
            std::thread::sleep(Duration::from_millis(20));
            let next = folder.path().join("next");
            fs::write(&next, jumps[turn % 2]).unwrap();
            fs::rename(&next, &clock).unwrap();
        }
        let ended = wait(child);
        assert!(begun.elapsed() < Duration::from_secs(10), "{jumps:?}: {:?}", begun.elapsed());
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
        let report: Value = serde_json::from_str(&text).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(ended.code, Some(1), "{jumps:?}: {ended:#?}");
        assert_eq!(report["summary"]["exit_code"], 1);
        let code = |number: usize| report["steps"][number]["cause"]["code"].clone();
        let codes: Vec<Value> = (0..3).map(code).collect();
        assert!(codes.contains(&"port-closed".into()), "{jumps:?}: {codes:?}");
        assert!(codes.contains(&"dns-unanswered".into()), "{jumps:?}: {codes:?}");
        lasted("", &report, &format!("{jumps:?}"));
    }
}

/// Everything that lasted lasted at least nothing, and at most as long as the run can have.
#[track_caller]
fn lasted(name: &str, value: &Value, context: &str) {
    match value {
        Value::Object(all) => all.iter().for_each(|(name, one)| lasted(name, one, context)),
        Value::Array(all) => all.iter().for_each(|one| lasted(name, one, context)),
        Value::Number(number) if name.ends_with("_ms") && !name.contains("offset") => {
            let number = number.as_f64().unwrap();
            assert!((0.0..10_000.0).contains(&number), "{context}: {name} is {number}");
        }
        _ => {}
    }
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
