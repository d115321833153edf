//! What files say, from the file to the plan: whole machines below `--root`.
//!
//! `tests/fixtures/NAME` is a machine's tree as its version writes it. A file
//! `layers` names the trees that lie under it, `without` what is taken away again;
//! `exported-objects` is what the web interface exports to every engine, and those
//! below `broken/` have one mistake each, and are named after it.

mod configurations;
mod hostile;
mod lists;
mod meaning;
mod site_file;
mod sources;
mod tree;

use std::process::Command;

use serde_json::Value;
use tree::Tree;

/// Runs the program on a tree; the tree's own place is called DIR in what it says.
fn run(tree: &Tree, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
    command.env_clear().args(arguments).arg("--root").arg(tree.path());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code(), text.replace(tree.path().to_str().unwrap(), "DIR"))
}

/// The plan of a machine whose role its own files say.
fn plan(name: &str) -> String {
    let (code, text) = run(&Tree::of(name), &["plan", "--verbose"]);
    assert_eq!(code, Some(0), "{name}: {text}");
    text
}

/// Whole plans, compared; `INSTA_UPDATE=always cargo test --test cli discovery` writes them anew.
#[test]
fn each_machine_is_planned_from_its_own_files() {
    for name in [
        "central-22.10",
        "central-24.10",
        "central-26.10",
        "i-vertix-poller",
        "poller-grpc",
        "poller-pull",
        "poller-pullwss",
        "poller-reversed",
        "poller-ssh",
        "poller-zmq",
    ] {
        insta::assert_snapshot!(format!("plan of {name}"), plan(name));
    }
}

#[test]
fn a_bare_machine_knows_half_of_its_targets() {
    for name in ["bare-debian-12", "bare-el9"] {
        let tree = Tree::of(name);
        let (code, text) = run(&tree, &["plan"]);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.starts_with("preflight: --role: what is this machine?"), "{text}");
        let (code, text) =
            run(&tree, &["plan", "--role", "poller", "--central", "10.0.0.5", "--verbose"]);
        assert_eq!(code, Some(0), "{text}");
        insta::assert_snapshot!(format!("plan of {name}"), text);
    }
}

#[test]
fn a_mistake_in_a_file_stands_under_a_heading_of_its_own() {
    for name in ["broker-sends-to-itself", "certificate-file-missing", "chrony-without-a-host"] {
        insta::assert_snapshot!(format!("plan of broken {name}"), plan(&format!("broken/{name}")));
    }
}

#[test]
fn what_files_say_is_listed_with_its_lines() {
    for name in ["central-24.10", "poller-zmq"] {
        let (code, text) = run(&Tree::of(name), &["discover"]);
        assert_eq!(code, Some(0), "{text}");
        insta::assert_snapshot!(format!("discovered in {name}"), text);
    }
}

/// Every tree below `broken/` whose name is a code has that mistake, and no other.
#[test]
fn each_broken_machine_has_the_mistake_it_is_named_after() {
    for name in Tree::names("broken") {
        let (code, text) =
            run(&Tree::of(&format!("broken/{name}")), &["discover", "--format", "json"]);
        assert_eq!(code, Some(0), "{name}: {text}");
        let found: Value = serde_json::from_str(&text).unwrap();
        let codes: Vec<&str> = found["mistakes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["code"].as_str().unwrap())
            .collect();
        let notes: Vec<&str> = found["notes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["at"].as_str().unwrap())
            .collect();
        match name.as_str() {
            "broker-file-cut-off" => noted(&notes, "/etc/centreon-broker/poller1-module.json:"),
            "gorgone-file-is-no-yaml" | "chrony-without-a-host" => {
                assert_eq!(codes, ["line-refused"], "{text}");
            }
            mistake => assert_eq!(codes, [mistake], "{text}"),
        }
    }
}

#[track_caller]
fn noted(notes: &[&str], place: &str) {
    assert!(notes.iter().any(|note| note.starts_with(place)), "{place} is not in {notes:?}");
}

#[test]
fn healthy_machines_have_no_mistake_and_no_note() {
    for name in Tree::healthy() {
        let (_, text) = run(&Tree::of(&name), &["discover", "--format", "json"]);
        let found: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&found["mistakes"], &found["notes"]),
            (&Value::from([(); 0].to_vec()), &Value::from([(); 0].to_vec())),
            "{name}"
        );
    }
}

#[test]
fn no_secret_of_a_file_is_ever_shown() {
    for name in Tree::healthy() {
        let tree = Tree::of(&name);
        for arguments in [
            &["discover"][..],
            &["discover", "--format", "json"],
            &["plan", "--role", "central", "--verbose"],
            &["plan", "--role", "poller", "--format", "json"],
        ] {
            let (_, text) = run(&tree, arguments);
            assert!(!text.contains("obviously-fake"), "{name} {arguments:?}: {text}");
        }
    }
}

#[test]
fn a_role_that_files_contradict_is_a_concern() {
    let (code, text) = run(&Tree::of("poller-zmq"), &["plan", "--role", "central"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("config.role-contradicted"), "{text}");
    assert!(text.contains("/etc/centreon/conf.pm:"), "{text}");
}

#[test]
fn a_root_that_is_no_folder_is_refused() {
    for command in ["plan", "discover"] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_preflight"));
        let output = run.env_clear().args([command, "--root", "/nonexistent"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.starts_with("preflight: --root: /nonexistent: No such file"), "{said}");
    }
}

#[test]
fn the_word_that_takes_a_repository_past_the_proxy_is_shown() {
    let tree = Tree::of("poller-zmq");
    let variables = "https_proxy=http://proxy.corp.example:3128\nno_proxy=.almalinux.example\n";
    std::fs::write(tree.path().join("etc/environment"), variables).unwrap();
    let (_, text) =
        run(&tree, &["plan", "--profile", "centreon", "--only", "poller.http,poller.proxy", "-v"]);
    for part in [
        "no proxy: .almalinux.example in /etc/environment:2",
        "proxy from /etc/environment:1",
        "poller.proxy",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_mistake_can_be_left_out_as_any_flow() {
    let tree = Tree::of("broken/broker-sends-to-itself");
    let mistake = "config.broker-sends-to-itself";
    let (_, with) = run(&tree, &["plan"]);
    assert!(with.contains(mistake), "{with}");
    let (code, without) = run(&tree, &["plan", "--only", "poller.*"]);
    assert_eq!(code, Some(0), "{without}");
    assert!(!without.contains(mistake), "{without}");
    let (code, skipped) = run(&tree, &["plan", "--skip", "config.*=known", "--format", "json"]);
    assert_eq!(code, Some(0), "{skipped}");
    assert!(skipped.contains(mistake) && skipped.contains("\"why\": \"known\""), "{skipped}");
}

#[test]
fn a_flag_is_believed_before_a_file() {
    let tree = Tree::of("poller-zmq");
    let (_, text) = run(&tree, &["plan", "--ntp", "10.0.0.99", "--only", "poller.ntp,poller.bbdo"]);
    assert!(text.contains("10.0.0.99") && !text.contains("pool.ntp.org"), "{text}");
    assert!(text.contains("10.0.0.5"), "{text}");
}
