//! Secrets: used, and never shown.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use preflight_checks::nsclient::RESPONDER_PASSWORD;

use crate::support::far::{Closed, Quiet, ca_file, echo, file, healthy, says};
use crate::support::{Ended, PROGRAM, command, finish, send, start, step, wait, wrapped};

/// What is given, and every form in which it would travel.
pub(crate) const SECRETS: [(&str, &str, &str); 9] = [
    ("--snmp-community-file", "PREFLIGHT_SNMP_COMMUNITY", "fake-community"),
    ("--snmp-auth-file", "PREFLIGHT_SNMP_AUTH", "fake-authentication"),
    ("--snmp-priv-file", "PREFLIGHT_SNMP_PRIV", "fake-privacy"),
    ("--ldap-password-file", "PREFLIGHT_LDAP_PASSWORD", "fake-ldap-password"),
    ("--nsclient-password-file", "PREFLIGHT_NSCLIENT_PASSWORD", "fake-nsclient-password"),
    ("--nsclient-nt-password-file", "PREFLIGHT_NSCLIENT_NT_PASSWORD", "fake-nt-password"),
    ("--otlp-token-file", "PREFLIGHT_OTLP_TOKEN", "fake-otlp-token"),
    ("--proxy-password-file", "PREFLIGHT_PROXY_PASSWORD", "fake-proxy-password"),
    ("--redis-password-file", "PREFLIGHT_REDIS_PASSWORD", "fake-redis-password"),
];

/// `someone:fake-proxy-password` and `fake-community`, as they travel.
const ENCODED: [&str; 3] =
    ["c29tZW9uZTpmYWtlLXByb3h5LXBhc3N3b3Jk", "66616b652d636f", "66 61 6b 65 2d 63 6f"];

#[derive(Clone, Copy, Debug)]
enum Given {
    ByFile,
    ByEnvironment,
}

/// Every format but the one on stdout.
pub(crate) const FILES: [&str; 9] =
    ["wide", "html", "json", "ndjson", "junit", "markdown", "csv", "openmetrics", "centreon"];

/// Runs with every secret, in every form of output, and hands all of it back.
fn everything(given: Given, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    // A plan has fewer formats.
    let formats: &[&str] =
        if arguments.contains(&"plan") { &["json", "markdown", "csv"] } else { &FILES };
    let out = |format: &str| folder.path().join(format!("report.{format}"));
    let to_files: Vec<String> =
        formats.iter().map(|format| format!("{format}={}", out(format).display())).collect();
    let files: Vec<_> = SECRETS.iter().map(|(_, _, secret)| file(secret)).collect();
    let mut all = [arguments, &["--verbose", "--format", "table"]].concat();
    all.extend(to_files.iter().flat_map(|to_file| ["--format", to_file]));
    if let Given::ByFile = given {
        for ((flag, _, _), file) in SECRETS.iter().zip(&files) {
            all.extend([*flag, file.path().to_str().unwrap()]);
        }
    }
    let mut command = command(&all);
    if let Given::ByEnvironment = given {
        command.envs(SECRETS.iter().map(|(_, variable, secret)| (variable, secret)));
    }
    let Ended { stdout, stderr, .. } = finish(command);
    assert_eq!(stderr, "");
    let written = formats.iter().map(|format| fs::read_to_string(out(format)).unwrap());
    format!("{stdout}{stderr}{}", written.collect::<String>())
}

#[track_caller]
fn shows_no_secret(text: &str, context: &str) {
    let plain = SECRETS.iter().map(|(_, _, secret)| *secret);
    let found: Vec<&str> = plain.chain(ENCODED).filter(|secret| text.contains(secret)).collect();
    assert!(found.is_empty(), "{found:?} shown with {context}:\n{text}");
}

/// The flags that make a run use each secret, against these peers.
fn flags<'a>(
    role: &'a str,
    peer: &'a str,
    (url, cache, old, agents): (&'a str, &'a str, &'a str, &'a str),
    ca: &'a str,
) -> Vec<&'a str> {
    let mut flags = vec!["--role", role, "--ca", ca, "--timeout", "0.1"];
    flags.extend(["--ldap-bind-dn", "cn=someone", "--nsclient-user", "someone"]);
    match role {
        "central" => flags.extend(["--ldap", peer]),
        _ => flags.extend(["--device", peer, "--nsclient", peer]),
    }
    flags.extend(["--http", "http://web.example/", "--proxy", url, "--proxy-user", "someone"]);
    flags.extend(["--check", cache, "--check", old, "--check", agents]);
    flags.extend(["--only", "*.ldap,*.snmp,*.nsclient,*.http,custom.*"]);
    flags
}

const VERSIONS: [&[&str]; 2] =
    [&["--snmp-version", "2c"], &["--snmp-version", "3", "--snmp-user", "someone"]];

/// Runs and plans both roles with both SNMP versions against one peer.
fn never_shown_by(given: Given, peer: &str) {
    let ca = ca_file();
    let (url, ca) = (format!("http://{peer}"), ca.path().to_str().unwrap());
    let cache = format!("cache=redis://someone@{peer}");
    let old = format!("old=nsclient-nt://{peer}");
    let agents = format!("agents=otlp://{peer}");
    for (role, version) in
        [("central", VERSIONS[0]), ("poller", VERSIONS[0]), ("poller", VERSIONS[1])]
    {
        let run = [&flags(role, peer, (&url, &cache, &old, &agents), ca)[..], version].concat();
        shows_no_secret(&everything(given, &run), &format!("{given:?} {run:?}"));
        let plan = [&["plan"], &run[..]].concat();
        shows_no_secret(&everything(given, &plan), &format!("{given:?} {plan:?}"));
    }
}

#[test]
fn a_closed_or_silent_peer_shows_no_secret() {
    let (closed, quiet) = (Closed::new(), Quiet::new());
    never_shown_by(Given::ByFile, &closed.at());
    never_shown_by(Given::ByEnvironment, &quiet.at());
}

#[test]
fn a_peer_that_sends_our_own_words_back_shows_no_secret() {
    let echo = echo();
    never_shown_by(Given::ByFile, &echo.at());
}

#[test]
fn a_proxy_that_refuses_shows_no_secret() {
    let proxy = says(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
    );
    never_shown_by(Given::ByEnvironment, &proxy.at());
}

#[test]
fn a_peer_that_refuses_the_secret_shows_none() {
    let (agent, windows, directory, ca) =
        (healthy("snmp"), healthy("nsclient"), healthy("ldap"), ca_file());
    let trusting = ["--ca", ca.path().to_str().unwrap(), "--timeout", "0.1"];
    let ldap = format!("ldap://{}", directory.at());
    let bind = ["--only", "*.ldap", "--ldap", &ldap, "--ldap-bind-dn", "cn=someone"];
    let central = [&["--role", "central"], &trusting[..], &bind].concat();
    let peers =
        ["--device", &agent.at(), "--nsclient", &windows.at(), "--nsclient-user", "someone"];
    let poller =
        [&["--role", "poller", "--only", "*.snmp,*.nsclient"], &trusting[..], &peers].concat();
    for run in [central, [&poller[..], VERSIONS[0]].concat(), [&poller[..], VERSIONS[1]].concat()] {
        for given in [Given::ByFile, Given::ByEnvironment] {
            let shown = everything(given, &run);
            assert!(shown.contains("✗"), "{run:?}: {shown}");
            shows_no_secret(&shown, &format!("{given:?} {run:?}"));
        }
    }
}

#[test]
fn a_peer_that_takes_the_secret_shows_none() {
    let (community, password) = ("preflight-demo", RESPONDER_PASSWORD);
    let (agent, windows, ca) = (healthy("snmp"), healthy("nsclient"), ca_file());
    for format in ["table", "json"] {
        let mut command = command(&[
            "--role",
            "poller",
            "--only",
            "*.snmp,*.nsclient",
            "--device",
            &agent.at(),
            "--nsclient",
            &windows.at(),
            "--ca",
            ca.path().to_str().unwrap(),
            "--verbose",
            "--format",
            format,
        ]);
        command.env("PREFLIGHT_SNMP_COMMUNITY", community);
        command.env("PREFLIGHT_NSCLIENT_PASSWORD", password);
        let shown = finish(command).quietly(0).stdout;
        assert!(!shown.contains(community) && !shown.contains(password), "{shown}");
    }
}

/// As a pipe and as a socket, which cannot be opened by its name.
#[test]
fn a_secret_may_come_on_standard_input() {
    let device = healthy("snmp");
    let run = |name: &str, socket: bool, flags: &[&str]| {
        let community = ["--snmp-community-file", name];
        let run = ["--role", "poller", "--only", "poller.snmp", "--format", "json"];
        let mut command =
            command(&[&run[..], &["--device", &device.at()], &community, flags].concat());
        let mut ours: Box<dyn Write> = if socket {
            let (ours, theirs) = UnixStream::pair().unwrap();
            command.stdin(OwnedFd::from(theirs));
            Box::new(ours)
        } else {
            let (theirs, ours) = std::io::pipe().unwrap();
            command.stdin(theirs);
            Box::new(ours)
        };
        let child = start(command);
        ours.write_all(b"preflight-demo\n").unwrap();
        drop(ours);
        wait(child)
    };
    for name in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        for socket in [false, true] {
            let report = run(name, socket, &[]).quietly(0).report();
            let step = step(&report, "poller.snmp");
            assert_eq!(step["evidence"]["snmp_version"], "2c", "{name}: {step:#}");
        }
    }
    let second = ["--ldap-bind-dn", "cn=x", "--ldap-password-file", "-"];
    let ended = run("-", false, &second);
    let reason = "preflight: --ldap-password-file: nothing is left on standard input, which holds one secret\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), reason));
}

/// A crash leaves no image of the memory, whatever the limits of the shell say.
#[test]
fn a_crash_leaves_no_secret_in_a_file() {
    let (folder, quiet) = (tempfile::tempdir().unwrap(), Quiet::new());
    let community = file("fake-community");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh", PROGRAM]);
    let device = quiet.at();
    let words = ["--role", "poller", "--only", "poller.snmp", "--device", &device];
    let secret = ["--snmp-community-file", community.path().to_str().unwrap()];
    let mut command = wrapped(shell, &[&words[..], &secret].concat());
    command.env("PATH", "/usr/bin:/bin").current_dir(folder.path());
    let mut child = start(command);
    let limits = format!("/proc/{}/limits", child.id());
    let core = || {
        let all = fs::read_to_string(&limits).unwrap_or_default();
        let line = all.lines().find(|line| line.starts_with("Max core file size"));
        line.unwrap_or_default().split_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ")
    };
    let begun = Instant::now();
    while core() != "0 0" && begun.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
    assert_eq!(core(), "0 0");
    send(Signal::SIGABRT, &child);
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGABRT as i32));
    assert!(!status.core_dumped());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
