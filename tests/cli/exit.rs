//! Exit codes, and the phase that decides what a closed port means.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::far::{Closed, Quiet, file, healthy, healthy_at, without_tls};
use crate::support::terminal::Terminal;
use crate::support::{command, preflight, report_in, send, start, step, wait};

#[test]
fn all_required_flows_that_pass_are_0() {
    let (ntp, central) = (healthy("ntp"), healthy("bbdo"));
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.ntp,poller.bbdo",
        "--ntp",
        &ntp.at(),
        "--central",
        &central.at(),
    ]);
    let ended = ended.quietly(0);
    assert!(ended.stdout.contains("all 2 required flows work"), "{}", ended.stdout);
}

#[test]
fn one_required_flow_that_fails_is_1() {
    let (ntp, central) = (healthy("ntp"), Closed::new());
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.ntp,poller.bbdo",
        "--ntp",
        &ntp.at(),
        "--central",
        &central.at(),
        "--phase",
        "after",
    ]);
    let ended = ended.quietly(1);
    assert!(ended.stdout.contains("1 of 2 required flows fails: poller.bbdo"), "{}", ended.stdout);
}

/// One port given for a flow that may use two is still one port.
#[test]
fn a_port_is_shown_once() {
    let ldap = Closed::new();
    let arguments = ["--role", "central", "--only", "central.ldap", "--phase", "after", "--ldap"];
    let ended = preflight(&[&arguments[..], &[&ldap.at()]].concat()).quietly(1);
    assert!(ended.stdout.contains(&format!("  {}/tcp  ", ldap.at())), "{}", ended.stdout);
}

/// The targets of a machine of this role, all of them at `at`.
fn everything_at<'a>(role: &'a str, at: &'a str) -> Vec<&'a str> {
    let flags: &[&str] = match role {
        "central" => &["--ntp", "--dns", "--smtp", "--ldap", "--http"],
        _ => &["--ntp", "--dns", "--smtp", "--http", "--device", "--nsclient"],
    };
    let mut arguments = vec!["--role", role, "--phase", "before", "--timeout", "0.5"];
    arguments.extend(flags.iter().flat_map(|flag| [*flag, at]));
    arguments
}

/// What is not there before the installation is not brought by it: time, names, mail, directory,
/// web, devices, Windows servers.
#[test]
fn a_machine_whose_targets_are_all_closed_is_not_ready() {
    let closed = Closed::new();
    let at = closed.at();
    for (role, failing) in [("poller", 6), ("central", 5)] {
        let ended = preflight(&[everything_at(role, &at), vec!["--format", "json"]].concat());
        let report = ended.quietly(1).report();
        assert_eq!(report["summary"]["failed"], failing, "{report:#}");
        assert_eq!(report["summary"]["ready"], false);
        let steps = report["steps"].as_array().unwrap().iter();
        let asked =
            steps.filter(|step| step["outcome"] != "skip" && step["direction"] != "inbound");
        for step in asked {
            assert_eq!(step["cause"]["code"], "port-closed", "{step:#}");
        }
    }
}

#[test]
fn what_the_installation_brings_may_wait_and_the_last_line_says_so() {
    let (ntp, central) = (healthy("ntp"), Closed::new());
    let (ntp, central) = (ntp.at(), central.at());
    let poller = ["--role", "poller", "--phase", "before", "--only", "poller.ntp,poller.bbdo"];
    let both = [&poller[..], &["--ntp", &ntp, "--central", &central]].concat();
    let ended = preflight(&both).quietly(0);
    let last = "ready to install: 1 works, 1 waits for the installation · ";
    assert!(ended.stdout.contains(last), "{}", ended.stdout);
    let report = preflight(&[&both[..], &["--format", "json"]].concat()).quietly(0).report();
    let summary = &report["summary"];
    assert_eq!((&summary["ready"], &summary["waiting"]), (&true.into(), &1.into()), "{summary:#}");
    assert_eq!(step(&report, "poller.bbdo")["until"], "installed");
}

#[test]
fn a_run_that_saw_nothing_work_is_3() {
    let central = Closed::new();
    let central = central.at();
    let run = ["--role", "poller", "--phase", "before", "--only", "poller.bbdo", "--central"];
    let ended = preflight(&[&run[..], &[&central]].concat()).quietly(3);
    let last = "no required flow was seen to work · 1 waits for the installation · ";
    assert!(ended.stdout.contains(last), "{}", ended.stdout);
    let plugin = [&run[..], &[&central, "--format", "centreon"]].concat();
    assert!(preflight(&plugin).quietly(3).stdout.starts_with("UNKNOWN: no required flow was seen"));
    let page = preflight(&[&run[..], &[&central, "--format", "junit"]].concat()).quietly(3).stdout;
    assert!(page.contains(r#"errors="1""#) && page.contains(r#"name="ready""#), "{page}");
}

#[test]
fn a_check_of_ones_own_waits_only_when_it_is_told_to() {
    let (ntp, closed) = (healthy("ntp"), Closed::new());
    let (ntp, check) = (ntp.at(), format!("app=tcp://{}", closed.at()));
    let run = ["--role", "poller", "--phase", "before", "--only", "poller.ntp,custom.app"];
    let run = [&run[..], &["--ntp", &ntp, "--check", &check]].concat();
    let ended = preflight(&run).quietly(1);
    assert!(ended.stdout.contains("1 of 2 required flows fails: custom.app"), "{}", ended.stdout);
    let later = [&run[..], &["--until-installed", "custom.app"]].concat();
    let ended = preflight(&later).quietly(0);
    assert!(ended.stdout.contains("1 waits for the installation"), "{}", ended.stdout);
    let optional = [&run[..], &["--optional", "custom.*"]].concat();
    let ended = preflight(&optional).quietly(0);
    assert!(ended.stdout.contains("1 optional fails"), "{}", ended.stdout);
    let after: Vec<&str> =
        later.iter().map(|word| if *word == "before" { "after" } else { word }).collect();
    preflight(&after).quietly(1);
}

#[test]
fn nothing_asked_is_2() {
    let ended = preflight(&["--role", "poller", "--only", "poller.ntp"]).quietly(2);
    assert!(ended.stdout.contains("no required flow was checked"), "{}", ended.stdout);
    let ntp = Quiet::new();
    let skipped = ["--role", "poller", "--only", "poller.ntp", "--skip", "*.ntp=not today"];
    let ended = preflight(&[&skipped[..], &["--ntp", &ntp.at()]].concat()).quietly(2);
    assert!(ended.stdout.contains("skipped: not today"), "{}", ended.stdout);
    assert_eq!(ntp.contacts(), 0);
}

#[test]
fn nothing_failed_but_something_unknown_is_3() {
    let device = Quiet::new();
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.snmp",
        "--device",
        &device.at(),
        "--timeout",
        "0.2",
        "--format",
        "json",
    ]);
    let report = ended.quietly(3).report();
    let snmp = step(&report, "poller.snmp");
    assert_eq!(
        (&snmp["outcome"], &snmp["cause"]["code"]),
        (&"unknown".into(), &"snmp-silent".into())
    );
}

#[test]
fn a_failure_outranks_what_is_unknown() {
    let (device, central) = (Quiet::new(), Closed::new());
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.snmp,poller.bbdo",
        "--device",
        &device.at(),
        "--central",
        &central.at(),
        "--timeout",
        "0.1",
        "--phase",
        "after",
    ]);
    ended.quietly(1);
}

#[test]
fn strict_turns_a_warning_into_1() {
    let smtp = without_tls("smtp");
    let arguments =
        ["--role", "poller", "--only", "poller.smtp", "--smtp", &smtp.at(), "--format", "json"];
    let report = preflight(&arguments).quietly(0).report();
    let concerns = &step(&report, "poller.smtp")["concerns"];
    assert_eq!(concerns[0]["code"], "smtp-no-starttls");
    let strict = preflight(&[&arguments[..], &["--strict"]].concat()).quietly(1).report();
    assert_eq!((&strict["strict"], &strict["summary"]["exit_code"]), (&true.into(), &1.into()));
}

#[test]
fn a_closed_port_is_an_open_path_before_installation_and_a_failure_after() {
    let central = Closed::new();
    let at = central.at();
    let run = |phase, code| {
        let ended = preflight(&[
            "--role",
            "poller",
            "--only",
            "poller.bbdo",
            "--central",
            &at,
            "--phase",
            phase,
            "--format",
            "json",
        ]);
        step(&ended.quietly(code).report(), "poller.bbdo").clone()
    };
    let before = run("before", 3);
    assert_eq!(
        (&before["outcome"], &before["concerns"][0]["code"]),
        (&"warn".into(), &"path-open".into())
    );
    let after = run("after", 1);
    assert_eq!(
        (&after["outcome"], &after["cause"]["code"]),
        (&"fail".into(), &"port-closed".into())
    );
}

/// The real ports, on a loopback address that no other test and no daemon has.
#[test]
fn gorgone_on_its_own_port_is_found_and_named() {
    let [.., high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 55, high, low.clamp(1, 254));
    let _closed = Closed::at_address(SocketAddr::from((host, 5666)));
    let _gorgone = healthy_at("zmq", SocketAddr::from((host, 5556)));
    let host = host.to_string();
    let ended = preflight(&[
        "--role",
        "central",
        "--only",
        "central.zmq",
        "--poller",
        &host,
        "--format",
        "json",
    ]);
    let report = ended.quietly(1).report();
    let cause = &step(&report, "central.zmq")["cause"];
    assert_eq!(cause["code"], "found-on-other-port", "{cause:#}");
    assert_eq!((&cause["facts"]["asked"], &cause["facts"]["found"]), (&5666.into(), &5556.into()));
    let ask = "use TCP 5556 for this flow (--port central.zmq=5556) and in the firewall rules; \
               5556 is Gorgone's own port, 5666 is NRPE's elsewhere";
    assert_eq!(cause["remedy"]["text"], ask, "{cause:#}");
}

/// What is said of the other port stands in the row, which may be of any protocol.
#[test]
fn another_port_of_ones_own_table_is_not_taken_for_gorgones() {
    let (closed, directory) = (Closed::new(), healthy("ldap"));
    let closed = closed.at().parse::<SocketAddr>().unwrap().port();
    let table = file(&format!(
        r#"
        profile = "mine"
        title = "Mine"
        roles = ["central"]
        [[flow]]
        id = "central.test-directory"
        from = "central"
        to = "ldap"
        ways = ["ldap:{closed}"]
        also_try = {}
        why = "Testers log in."
        "#,
        directory.address.port(),
    ));
    let table = table.path().to_str().unwrap();
    let ended =
        preflight(&["--role", "central", "--catalogue", table, "--ldap", "127.0.0.1"]).quietly(1);
    assert!(ended.stdout.contains("central.test-directory@127.0.0.1"), "{}", ended.stdout);
    assert!(ended.stdout.contains("explain found-on-other-port"), "{}", ended.stdout);
    for word in ["Gorgone", "NRPE", "ZMQ"] {
        assert!(!ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
}

#[test]
fn an_interrupt_ends_the_run_at_once_and_reports_what_is_finished() {
    stopped_by(Signal::SIGINT);
}

#[test]
fn a_request_to_terminate_does_the_same() {
    stopped_by(Signal::SIGTERM);
}

/// The progress line tells when the healthy flow is done; the silent one would
/// take ten seconds more.
fn stopped_by(signal: Signal) {
    let (ntp, ssh) = (healthy("ntp"), Quiet::new());
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let (to_file, terminal) = (format!("json={}", json.display()), Terminal::new(80));
    let mut command = command(&[
        "--role",
        "central",
        "--only",
        "central.ntp,central.ssh",
        "--ntp",
        &ntp.at(),
        "--poller",
        &ssh.at(),
        "--format",
        "table",
        "--format",
        &to_file,
    ]);
    command.stderr(terminal.stdio()).env("TERM", "xterm");
    let child = start(command);
    let mut screen = terminal.screen();
    let progress = screen.until("1/2");
    let sent = Instant::now();
    send(signal, &child);
    let ended = wait(child);
    assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(progress.contains("central.ssh"), "{progress:?}");
    assert!(ended.stdout.contains("✓ central.ntp"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("interrupted: you stopped the run; what was finished is above"),
        "{}",
        ended.stdout
    );
    let report = report_in(&json);
    assert_eq!(
        (&report["interrupted"], &report["summary"]["exit_code"]),
        (&true.into(), &130.into())
    );
    assert_eq!(step(&report, "central.ntp")["outcome"], "pass");
    assert_eq!(step(&report, "central.ssh")["cause"]["code"], "interrupted");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}
