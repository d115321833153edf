//! `--watch` and `--wait`: what does not work yet is asked again, with manners, until it works.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::PREFLIGHT;
use crate::lab::{Lab, Node, SERVER};

const PORT: u16 = 5669;

fn closed(lab: &Lab) {
    lab.rule(Node::Server, "input", &format!("tcp dport {PORT} drop"));
}

/// A server that counts its visitors, and says `words` to what each of them says.
fn serve(lab: &Lab, words: &'static [u8]) -> Arc<AtomicUsize> {
    let listener = lab.inside(Node::Server, || TcpListener::bind((SERVER, PORT)).unwrap());
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    thread::spawn(move || {
        while let Ok((mut visitor, _)) = listener.accept() {
            counted.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                visitor.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut said = [0; 512];
                while visitor.read(&mut said).is_ok_and(|read| read > 0) {
                    if visitor.write_all(words).is_err() {
                        break;
                    }
                }
            });
        }
    });
    visits
}

fn start(lab: &Lab, arguments: &[&str]) -> Child {
    let mut preflight = lab.in_client(PREFLIGHT);
    preflight.args(["--role", "poller", "--only", "custom.own", "--no-discovery"]);
    preflight.args(["--no-trace", "--format", "json"]);
    preflight.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    preflight.spawn().unwrap()
}

/// Exit code, the step that is not of the table, and stderr.
fn ended(child: Child) -> (Option<i32>, Value, String) {
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.code(), report["steps"][0].clone(), errors)
}

#[test]
fn a_row_turns_green_when_the_rule_is_in_and_the_run_ends() {
    let lab = Lab::new();
    serve(&lab, b"x");
    closed(&lab);
    let check = format!("own=tcp://{SERVER}:{PORT}");
    let child = start(&lab, &["--check", &check, "--watch", "1", "--timeout", "0.2"]);
    thread::sleep(Duration::from_secs(3));
    lab.nft(Node::Server, "flush ruleset");
    let opened = Instant::now();
    let (code, step, errors) = ended(child);
    assert!(opened.elapsed() < Duration::from_secs(5), "{:?}", opened.elapsed());
    assert_eq!(code, Some(0), "{step}");
    assert_eq!(step["outcome"], "pass", "{step}");
    assert!(step["evidence"]["works_since"].as_str().unwrap().ends_with(" UTC"), "{step}");
    // One line, for the one change.
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("own") && errors.contains(" UTC: "), "{errors}");
}

#[test]
fn waiting_is_quiet_and_ends_with_the_last_rounds_exit_code() {
    let lab = Lab::new();
    closed(&lab);
    let check = format!("own=tcp://{SERVER}:{PORT}");
    let begun = Instant::now();
    let child = start(&lab, &["--check", &check, "--wait", "4s", "--timeout", "0.2"]);
    let (code, step, errors) = ended(child);
    let took = begun.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(15)).contains(&took), "{took:?}");
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{step}");
    assert_eq!(step["outcome"], "fail", "{step}");
}

#[test]
fn what_works_at_once_is_not_waited_for() {
    let lab = Lab::new();
    let visits = serve(&lab, b"x");
    let check = format!("own=tcp://{SERVER}:{PORT}");
    let begun = Instant::now();
    let (code, ..) = ended(start(&lab, &["--check", &check, "--wait", "30m"]));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!((code, visits.load(Ordering::SeqCst)), (Some(0), 1));
}

#[test]
fn credentials_that_were_refused_are_not_shown_again() {
    let lab = Lab::new();
    let visits = serve(&lab, b"-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    let password = lab.write("password", "not-a-real-one");
    let check = format!("own=redis://someone@{SERVER}:{PORT}");
    let begun = Instant::now();
    let child = start(
        &lab,
        &["--check", &check, "--wait", "1h", "--redis-password-file", password.to_str().unwrap()],
    );
    let (code, step, _) = ended(child);
    assert!(begun.elapsed() < Duration::from_secs(15), "nothing is left to wait for");
    assert_eq!((code, visits.load(Ordering::SeqCst)), (Some(1), 1), "{step}");
}

#[test]
fn an_ssh_server_is_not_visited_in_each_round() {
    let lab = Lab::new();
    let visits = serve(&lab, b"no ssh\r\n");
    let check = format!("own=ssh://{SERVER}:{PORT}");
    let arguments = ["--check", &check, "--watch", "1", "--wait", "6s"];
    let once = {
        let (..) = ended(start(&lab, &arguments[..2]));
        visits.swap(0, Ordering::SeqCst)
    };
    let (code, step, _) = ended(start(&lab, &arguments));
    assert_eq!(code, Some(1), "{step}");
    assert_eq!(visits.load(Ordering::SeqCst), once);
}

#[test]
fn an_interruption_ends_with_the_report_as_it_is() {
    let lab = Lab::new();
    closed(&lab);
    let check = format!("own=tcp://{SERVER}:{PORT}");
    let child = start(&lab, &["--check", &check, "--watch", "60", "--timeout", "0.2"]);
    thread::sleep(Duration::from_secs(4));
    interrupt(&child);
    let (code, step, _) = ended(child);
    assert_eq!(code, Some(1), "{step}");
    assert_eq!(step["cause"]["layer"], "path", "{step}");
}

/// `ip netns exec` becomes the program it starts.
fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
}

#[test]
fn times_that_are_none_are_refused() {
    for arguments in
        [&["--watch", "0"][..], &["--watch", "often"], &["--wait", "30"], &["--wait", "9d"]]
    {
        let mut preflight = Command::new(PREFLIGHT);
        let output = preflight
            .args(["--role", "poller", "--no-discovery"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(arguments[0]), "{errors}");
    }
}
