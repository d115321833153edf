//! What a system gets beside the program: manual pages, completion; and lists that other programs make.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{PROGRAM, command, finish, preflight};

/// What a shell is offered behind these words; the last is the one that is being typed.
fn offered(words: &[&str]) -> Vec<String> {
    let mut shell = Command::new(PROGRAM);
    shell.arg("--").arg("preflight").args(words).env_clear();
    shell.env("PREFLIGHT_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    shell.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    shell.env("_CLAP_IFS", "\n").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = finish(shell).quietly(0);
    ended.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_is_offered_flows_causes_profiles_and_the_machines_of_the_site_file() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site.toml");
    fs::write(&site, "[machine.c1]\nrole = \"central\"\naddress = \"10.0.0.5\"\n").unwrap();
    let site = site.to_str().unwrap();
    assert_eq!(offered(&["--only", "poller.bb"]), ["poller.bbdo"]);
    assert_eq!(offered(&["--only", "poller.ntp,poller.bb"]), ["poller.ntp,poller.bbdo"]);
    assert_eq!(offered(&["explain", "path-rej"]), ["path-rejected"]);
    assert_eq!(offered(&["plan", "--profile", "i-"]), ["i-vertix"]);
    assert_eq!(offered(&["--site", site, "--as", ""]), ["c1"]);
    assert_eq!(offered(&["--role", "pol"]), ["poller"]);
    assert_eq!(offered(&["--format", "jun"]), ["junit"]);
    assert!(offered(&["pla"]).contains(&"plan".to_owned()));
    assert!(offered(&["--snmp-comm"]).contains(&"--snmp-community-file".to_owned()));
}

/// Bash itself reads the script and completes with it.
#[test]
fn bash_completes_with_the_script_that_is_printed() {
    let script = preflight(&["completions", "bash"]).quietly(0).stdout;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completion");
    fs::write(&file, script).unwrap();
    std::os::unix::fs::symlink(PROGRAM, folder.path().join("preflight")).unwrap();
    let asks = "source \"$1\"
COMP_WORDS=(preflight explain name-not-f); COMP_CWORD=2; COMP_TYPE=9; COMP_LINE='preflight explain name-not-f'; COMP_POINT=${#COMP_LINE}
handler=$(complete -p preflight | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$handler preflight name-not-f explain
printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", asks, "bash"]).arg(&file).env_clear();
    bash.env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()));
    bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = finish(bash);
    assert!(ended.stdout.lines().any(|line| line.trim() == "name-not-found"), "{ended:#?}");
    for shell in ["zsh", "fish"] {
        let script = preflight(&["completions", shell]).quietly(0).stdout;
        assert!(script.contains("PREFLIGHT_COMPLETE"), "{script}");
    }
}

#[test]
fn every_command_has_a_manual_page_that_man_can_show() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    preflight(&["manual", "--output", pages.to_str().unwrap()]).quietly(0);
    let names: Vec<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.contains(&"preflight.1".to_owned()), "{names:?}");
    assert!(names.contains(&"preflight-merge.1".to_owned()), "{names:?}");
    let one = preflight(&["manual", "merge"]).quietly(0).stdout;
    assert_eq!(fs::read_to_string(pages.join("preflight-merge.1")).unwrap(), one);
    assert_eq!(preflight(&["manual", "nope"]).code, Some(2));
    if Path::new("/usr/bin/man").is_file() {
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(pages.join("preflight.1"));
        man.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        assert_eq!(finish(man).stderr, "");
    }
}

#[test]
fn devices_come_from_a_list_of_any_kind_and_are_counted() {
    let mut plan =
        command(&["plan", "--role", "poller", "--format", "json", "--devices-from", "-"]);
    plan.stdin(Stdio::piped());
    let mut child = plan.spawn().unwrap();
    let list = "name,address,port\ncore,10.9.0.1,\nedge,10.9.0.2,1161\nlab,10.9.1.0/30,\n";
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    let ended = crate::support::wait(child);
    assert_eq!(ended.stderr, "preflight: note: --devices-from -: 4 devices\n");
    for host in ["10.9.0.1", "10.9.0.2", "10.9.1.1", "10.9.1.2"] {
        assert!(ended.stdout.contains(&format!("\"{host}\"")), "{host}: {}", ended.stdout);
    }
    let range = preflight(&["plan", "--role", "poller", "--device", "10.9.2.10-13"]);
    assert_eq!(range.stderr, "preflight: note: --device 10.9.2.10-13: 4 devices\n");
}

#[test]
fn an_inventory_becomes_a_site_file_that_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("inventory.json");
    let list = json!({
        "_meta": { "hostvars": { "c1": { "ansible_host": "10.0.0.5" }, "p1": { "ansible_host": "10.2.0.7" } } },
        "central": { "hosts": ["c1"] }, "pollers": { "hosts": ["p1"] },
    });
    fs::write(&inventory, list.to_string()).unwrap();
    let page =
        preflight(&["init", "--from-inventory", inventory.to_str().unwrap()]).quietly(0).stdout;
    let mut plan = command(&["plan", "--site", "-", "--all"]);
    plan.stdin(Stdio::piped());
    let mut child = plan.spawn().unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let plan = crate::support::wait(child).quietly(0).stdout;
    assert!(plan.contains("BBDO") && plan.contains("10.0.0.5 "), "{plan}");
    fs::write(&inventory, json!({ "pollers": { "hosts": ["p1"] } }).to_string()).unwrap();
    let refused = preflight(&["init", "--from-inventory", inventory.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("has no central: put its host into the group `central`"),
        "{refused:#?}"
    );
}

/// `-` is standard input wherever a report is read.
#[test]
fn a_report_may_come_over_standard_input() {
    let report = fs::read("tests/cli/reports/first.json").unwrap();
    let from_file = preflight(&["show", "tests/cli/reports/first.json"]);
    let mut show = command(&["show", "-"]);
    show.stdin(Stdio::piped());
    let mut child = show.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&report).unwrap();
    let shown = crate::support::wait(child);
    assert_eq!((shown.code, shown.stdout), (from_file.code, from_file.stdout));
}
