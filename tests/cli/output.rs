//! Where output goes, and what it looks like there.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::far::{Closed, healthy};
use crate::support::page::{fits, is_aligned, is_inert, settled};
use crate::support::terminal::Terminal;
use crate::support::{command, finish, preflight, report_in, start, step, wait};

#[test]
fn a_table_fits_80_columns_whatever_the_names() {
    let long = "a-rather-long-label-of-a-host.in-some-zone.and-another-one.example.invalid";
    let check = format!("the-erp-system-of-the-other-building=postgresql://{long}:54321");
    let closed = Closed::new();
    let nobody = ["--role", "central", "--skip", "central.*", "--timeout", "0.1"];
    let custom = ["--check", &check, "--check", "x=tcp://127.0.0.1:1"];
    let ended = preflight(&[&nobody[..], &custom, &["--ldap", &closed.at()]].concat()).quietly(1);
    fits(&ended.stdout, 80);
    is_aligned(&ended.stdout);
    let verbose = preflight(&[&nobody[..], &custom, &["--verbose"]].concat()).quietly(1);
    fits(&verbose.stdout, 80);
    is_aligned(&verbose.stdout);
}

#[test]
fn without_a_terminal_columns_says_how_wide_a_page_is() {
    for columns in [40, 50, 60, 100] {
        for words in [
            &[
                "demo",
                "--break",
                "poller.http=expired-certificate",
                "--break",
                "central.ldap=closed",
            ][..],
            &["demo", "--break", "central.ntp=silent", "--timeout", "0.2"],
            &["plan", "--role", "poller", "--central", "central.example.invalid"],
            &["flows", "--role", "poller"],
        ] {
            let mut command = command(words);
            command.env("COLUMNS", columns.to_string());
            let page = finish(command).stdout;
            fits(&page, columns);
            is_inert(&page);
        }
    }
    for nonsense in ["0", "-1", "wide", "99999999"] {
        let mut command = command(&["plan", "--role", "central"]);
        command.env("COLUMNS", nonsense);
        fits(&finish(command).quietly(0).stdout, 80);
    }
}

#[test]
fn evidence_stands_below_its_row_a_fact_a_line() {
    let page = preflight(&["demo", "--verbose"]).quietly(0).stdout;
    let lines: Vec<&str> = page.lines().collect();
    let row = lines.iter().position(|line| line.contains("poller.http")).unwrap();
    let facts: Vec<&str> =
        lines[row + 1..].iter().copied().take_while(|line| line.starts_with("      ")).collect();
    assert!(facts.iter().any(|line| line.starts_with("      url  ")), "{facts:#?}");
    assert!(facts.iter().any(|line| line.ends_with("  2120-01-01T00:00:00Z")), "{facts:#?}");
    is_inert(&page);
}

#[test]
fn a_locale_without_utf_8_is_written_to_in_ascii() {
    let words = ["demo", "--break", "poller.http=expired-certificate"];
    for (variable, value, is_ascii) in [
        ("LC_ALL", "C", true),
        ("LC_CTYPE", "fr_FR.ISO-8859-1", true),
        ("LANG", "fr_FR.UTF-8", false),
    ] {
        let mut command = command(&words);
        command.env(variable, value);
        let page = finish(command).stdout;
        assert_eq!(page.is_ascii(), is_ascii, "{variable}={value}: {page}");
        assert!(
            page.contains(if is_ascii { "  x poller.http" } else { "  ✗ poller.http" }),
            "{page}"
        );
        is_aligned(&page);
    }
    let mut command =
        command(&["demo", "--format", "csv", "--break", "poller.http=expired-certificate"]);
    command.env("LC_ALL", "C");
    assert!(!finish(command).stdout.contains('?'), "data are the same on every machine");
}

#[test]
fn a_pipe_gets_neither_colours_nor_progress() {
    let (ntp, bbdo) = (healthy("ntp"), Closed::new());
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.ntp,poller.bbdo",
        "--ntp",
        &ntp.at(),
        "--central",
        &bbdo.at(),
        "--phase",
        "after",
    ]);
    is_inert(&ended.quietly(1).stdout);
}

#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    let ntp = healthy("ntp");
    let on_terminal = |no_color: Option<&str>| {
        let terminal = Terminal::new(80);
        let mut command =
            command(&["--role", "poller", "--only", "poller.ntp", "--ntp", &ntp.at()]);
        command.stdout(terminal.stdio()).env("TERM", "xterm");
        command.envs(no_color.map(|value| ("NO_COLOR", value)));
        let child = start(command);
        let seen = terminal.screen().rest();
        (seen, wait(child).quietly(0))
    };
    let (colourful, _) = on_terminal(None);
    assert!(
        colourful.contains("\u{1b}[1m\u{1b}[32m✓") || colourful.contains("\u{1b}[1;32m✓"),
        "{colourful:?}"
    );
    let (plain, _) = on_terminal(Some("1"));
    is_inert(&plain.replace('\r', ""));
    assert!(plain.contains("✓ poller.ntp"), "{plain:?}");
}

#[test]
fn a_table_is_as_wide_as_its_terminal() {
    let check = "x=tcp://a-rather-long-label-of-a-host.in-some-zone.example.invalid:9999";
    for columns in [60_u16, 80, 132] {
        let terminal = Terminal::new(columns);
        let mut command = command(&[
            "--role",
            "poller",
            "--only",
            "custom.x",
            "--check",
            check,
            "--timeout",
            "0.1",
        ]);
        command.stdout(terminal.stdio()).env("NO_COLOR", "1");
        let child = start(command);
        let seen = terminal.screen().rest().replace('\r', "");
        wait(child).quietly(1);
        fits(&seen, usize::from(columns));
        is_aligned(&seen);
    }
}

/// `preflight … | head -1`, with a reader that is gone before the first byte.
#[test]
fn a_reader_who_leaves_is_no_error() {
    let ntp = healthy("ntp");
    let at = ntp.at();
    for arguments in [
        &["--role", "poller", "--only", "poller.ntp", "--ntp", &at][..],
        &["--role", "poller", "--only", "poller.ntp", "--ntp", &at, "--format", "json"],
        &["plan", "--role", "poller"],
        &["explain", "port-closed"],
        &["demo"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(arguments);
        command.stdout(writer);
        finish(command).quietly(0);
    }
}

#[test]
fn a_file_is_written_whole_and_alone() {
    let (ntp, folder) = (healthy("ntp"), tempfile::tempdir().unwrap());
    let file = folder.path().join("report.json");
    fs::write(&file, "what was there before").unwrap();
    let to_file = format!("json={}", file.display());
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.ntp",
        "--ntp",
        &ntp.at(),
        "--format",
        "table",
        "--format",
        &to_file,
    ]);
    assert!(ended.quietly(0).stdout.contains("✓ poller.ntp"));
    let report = report_in(&file);
    assert_eq!(step(&report, "poller.ntp")["outcome"], "pass");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [file]);
}

#[test]
fn a_file_that_cannot_be_written_is_2_and_silences_nobody() {
    let ntp = healthy("ntp");
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.ntp",
        "--ntp",
        &ntp.at(),
        "--format",
        "json=/nowhere/at/all.json",
        "--format",
        "table",
    ]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.contains("the one required flow works"), "{ended:#?}");
    assert_eq!(
        ended.stderr,
        "preflight: /nowhere/at/all.json: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_pipe_or_device_is_written_to_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("stdout");
    symlink("/dev/stdout", &link).unwrap();
    let to_link = format!("json={}", link.display());
    let ended = preflight(&["plan", "--role", "poller", "--format", &to_link]).quietly(0);
    assert_eq!(ended.report()["role"], "poller");
    assert!(link.is_symlink());
}

#[test]
fn a_symbolic_link_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("2026.json"), folder.path().join("latest.json"));
    fs::write(&file, "").unwrap();
    symlink(&file, &link).unwrap();
    let to_link = format!("json={}", link.display());
    preflight(&["plan", "--role", "poller", "--format", &to_link]).quietly(0);
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&file).unwrap().starts_with('{'));
}

/// One run with a flow that passes, one that fails and one without a target.
fn small_run() -> Value {
    let (ntp, central) = (healthy("ntp"), Closed::new());
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.ntp,poller.bbdo,poller.dns",
        "--ntp",
        &ntp.at(),
        "--central",
        &central.at(),
        "--phase",
        "after",
        "--format",
        "json",
    ]);
    ended.quietly(1).report()
}

#[test]
fn json_says_for_each_step_where_from_what_and_why() {
    let report = small_run();
    assert_eq!(report["schema_version"], 2);
    assert_eq!(report["steps"].as_array().unwrap().len(), 3);
    for step in report["steps"].as_array().unwrap() {
        let outcome = step["outcome"].as_str().unwrap();
        if outcome == "skip" {
            assert!(step["result"].as_str().unwrap().contains("--dns HOST"), "{step:#}");
            continue;
        }
        assert!(step["target"]["origin"]["flag"].as_str().unwrap().starts_with("--"), "{step:#}");
        assert!(step["target"]["ways"][0]["origin"]["kind"].is_string(), "{step:#}");
        assert!(step["timings"]["total_ms"].as_f64().unwrap() > 0.0, "{step:#}");
        assert!(step["timings"].as_object().unwrap().keys().all(|name| name.ends_with("_ms")));
        assert_eq!(step["cause"].is_object(), outcome == "fail", "{step:#}");
    }
    let cause = &step(&report, "poller.bbdo")["cause"];
    assert_eq!((&cause["code"], &cause["owner"]), (&"port-closed".into(), &"this-host".into()));
    assert!(cause["facts"]["to"].as_str().unwrap().starts_with("127.0.0.1:"), "{cause:#}");
    assert!(
        cause["remedy"]["text"].as_str().unwrap().contains("systemctl enable --now cbd"),
        "{cause:#}"
    );
}

#[test]
fn json_has_the_shape_it_always_had() {
    let mut report = small_run();
    settle(&mut report);
    insta::assert_json_snapshot!(report);
}

/// Replaces what differs between two runs or two machines.
fn settle(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                match name.as_str() {
                    "host" if value.is_object() => *value = "HOST".into(),
                    "started_at" => *value = "TIME".into(),
                    "version" => *value = "VERSION".into(),
                    "sha256" => *value = "DIGEST".into(),
                    "port" => *value = "PORT".into(),
                    name if name.ends_with("_ms") => *value = "T".into(),
                    _ => settle(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(settle),
        Value::String(text) => *text = settled(text),
        _ => {}
    }
}
