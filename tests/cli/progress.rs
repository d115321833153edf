//! What a person sees while a run is on, and what is left of it.

use std::process::Command;

use crate::support::far::{Quiet, healthy};
use crate::support::page::{fits, is_aligned, is_inert};
use crate::support::terminal::{Terminal, height, shown};
use crate::support::{Ended, PROGRAM, command, start, wait};

const COLUMNS: u16 = 80;

/// A step that answers and one that stays silent for a moment.
fn arguments(ntp: &str, device: &str) -> Vec<String> {
    let run = ["--role", "poller", "--only", "poller.ntp,poller.snmp", "--timeout", "0.2"];
    let targets = ["--ntp", ntp, "--device", device];
    [&run[..], &targets].concat().into_iter().map(str::to_owned).collect()
}

/// Runs with stderr on a terminal: how it ended, and what was written there.
fn on_terminal(arguments: &[String], environment: &[(&str, &str)]) -> (Ended, String) {
    let terminal = Terminal::new(COLUMNS);
    let mut command = command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    command.stderr(terminal.stdio()).envs(environment.iter().copied());
    let child = start(command);
    let written = terminal.screen().rest();
    (wait(child), written)
}

#[test]
fn rows_appear_on_stderr_and_leave_nothing_behind() {
    let (ntp, device) = (healthy("ntp"), Quiet::new());
    let (ended, written) = on_terminal(&arguments(&ntp.at(), &device.at()), &[("TERM", "xterm")]);
    assert_eq!(ended.code, Some(3));
    assert!(written.contains("1/2"), "{written:?}");
    assert!(written.contains("· poller.snmp@127.0.0.1"), "{written:?}");
    assert!(written.contains("stratum 1, offset"), "{written:?}");
    assert_eq!(shown(&written, COLUMNS.into()), [""; 0], "{written:?}");
    is_inert(&ended.stdout);
    assert!(!ended.stdout.contains("waiting"), "{}", ended.stdout);
}

/// Both on one terminal, as it usually is.
#[test]
fn the_table_takes_the_place_of_the_rows() {
    let (ntp, device) = (healthy("ntp"), Quiet::new());
    let terminal = Terminal::new(COLUMNS);
    let arguments = arguments(&ntp.at(), &device.at());
    let mut command = command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    command.stderr(terminal.stdio()).stdout(terminal.stdio()).env("TERM", "xterm");
    let child = start(command);
    let written = terminal.screen().rest();
    assert_eq!(wait(child).code, Some(3));
    let screen = shown(&written, COLUMNS.into());
    assert!(screen[0].starts_with("preflight "), "{screen:#?}");
    assert!(!screen.iter().any(|line| line.contains("waiting")), "{screen:#?}");
    let page = screen.join("\n");
    is_aligned(&page);
    fits(&page, COLUMNS.into());
}

/// Runs a program and stays: what a terminal has not yet handed on is lost when the leader of its session
/// ends, and, without `noflsh`, at each Ctrl-C.
const STAYS: &str = r#"
    stty noflsh
    trap : INT
    "$@"
    code=$?
    trap "" INT
    echo "ended with $code"
    read enter
"#;

/// The terminal itself writes `^C` where its cursor stands.
#[test]
fn control_c_leaves_no_row_above_the_table() {
    let (ntp, device) = (healthy("ntp"), Quiet::new());
    let mut arguments =
        ["--ctty", "sh", "-c", STAYS, "sh", PROGRAM, "--no-discovery"].map(str::to_owned).to_vec();
    let run = ["--role", "poller", "--only", "poller.ntp,poller.bbdo", "--ntp", &ntp.at()];
    let silent = ["--central", &device.at()];
    arguments.extend([&run[..], &silent].concat().into_iter().map(str::to_owned));
    for _ in 0..5 {
        let terminal = Terminal::new(COLUMNS);
        // With this terminal as the one it is controlled from, as in a session of its own.
        let mut command = Command::new("setsid");
        command.args(&arguments).env_clear().env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
        command.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio());
        let child = start(command);
        let mut screen = terminal.screen();
        let mut written = screen.until("1/2");
        // Once: another one would end the report too.
        screen.press("\u{3}");
        written.push_str(&screen.until("ended with 130"));
        screen.press("\n");
        wait(child);
        let shown = shown(&written, COLUMNS.into());
        // The echo may come when the table has begun.
        assert!(shown[0].trim_start_matches("^C").starts_with("preflight "), "{shown:#?}");
        assert!(shown.iter().any(|line| line.contains("interrupted")), "{shown:#?}");
    }
}

#[test]
fn without_colours_the_marks_are_plain() {
    let (ntp, device) = (healthy("ntp"), Quiet::new());
    let arguments = arguments(&ntp.at(), &device.at());
    let marks = |environment: &[(&str, &str)]| on_terminal(&arguments, environment).1;
    let coloured = marks(&[("TERM", "xterm")]);
    assert!(coloured.contains("32m✓\u{1b}[0m poller.ntp"), "{coloured:?}");
    let plain = marks(&[("TERM", "xterm"), ("NO_COLOR", "1")]);
    assert!(plain.contains("  ✓ poller.ntp"), "{plain:?}");
    assert!(!plain.contains("[32m"), "{plain:?}");
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_sees_nothing() {
    let (ntp, device) = (healthy("ntp"), Quiet::new());
    for environment in [&[("TERM", "dumb")][..], &[("TERM", "")], &[]] {
        let (ended, written) = on_terminal(&arguments(&ntp.at(), &device.at()), environment);
        assert_eq!((ended.code, written.as_str()), (Some(3), ""), "{environment:?}");
    }
}

#[test]
fn two_hundred_devices_keep_to_the_screen() {
    let ntp = healthy("ntp");
    let mut arguments = arguments(&ntp.at(), "127.0.0.1:1");
    // Nothing listens there: refused at once, each by itself.
    let devices = (1..=200).map(|last| format!("127.66.6.{last}:1"));
    arguments.extend(devices.flat_map(|device| ["--device".to_owned(), device]));
    let (ended, written) = on_terminal(&arguments, &[("TERM", "xterm")]);
    // Of one subnet and one outcome, they are one row of the table.
    assert!(ended.stdout.contains("127.66.6.0/24        200 of 200: "), "{}", ended.stdout);
    assert_eq!(shown(&written, COLUMNS.into()), [""; 0], "{written:?}");
    // The counts, twenty rows, and nothing that scrolls away and cannot be cleared again.
    assert!((5..=22).contains(&height(&written, COLUMNS.into())), "{written:?}");
    assert!(written.contains(" more"), "{written:?}");
}

/// Lines on the terminal itself are progress enough.
#[test]
fn live_lines_on_a_terminal_are_not_torn_apart() {
    let (ntp, device) = (healthy("ntp"), Quiet::new());
    let mut arguments = arguments(&ntp.at(), &device.at());
    arguments.extend(["--format", "ndjson"].map(str::to_owned));
    let terminal = Terminal::new(COLUMNS);
    let mut command = command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    command.stderr(terminal.stdio()).stdout(terminal.stdio()).env("TERM", "xterm");
    let child = start(command);
    let written = terminal.screen().rest().replace('\r', "");
    assert_eq!(wait(child).code, Some(3));
    let kinds: Vec<String> = written
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].to_string())
        .collect();
    assert_eq!(kinds, ["\"step\"", "\"step\"", "\"summary\""]);
}

/// `preflight … | head -0` on a terminal.
#[test]
fn a_reader_who_leaves_does_not_break_the_rows() {
    let (ntp, device) = (healthy("ntp"), Quiet::new());
    let terminal = Terminal::new(COLUMNS);
    let arguments = arguments(&ntp.at(), &device.at());
    let mut command = command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(terminal.stdio()).stdout(writer).env("TERM", "xterm");
    let child = start(command);
    let written = terminal.screen().rest();
    assert_eq!(wait(child).code, Some(3));
    assert_eq!(shown(&written, COLUMNS.into()), [""; 0], "{written:?}");
}
