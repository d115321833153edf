//! Configurations as administrators write them, each with what is found in it.
//!
//! A case is a file of `configurations/`: after `--- PATH` a file of the machine, or with
//! `-> TARGET` a link; after `=== found` a line for each fact, mistake and note. What is written
//! there was held against the program that owns the file, or its manual. It is written anew by
//! `UPDATE_CONFIGURATIONS=1 cargo test --test cli configurations`, and then read by somebody.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::run;
use super::tree::Tree;

const FOUND: &str = "=== found\n";

#[test]
fn what_a_configuration_means_is_found() {
    let mut cases = cases();
    cases.sort();
    assert!(cases.len() > 40, "{cases:?}");
    let mut wrong = String::new();
    for path in cases {
        let case = fs::read_to_string(&path).unwrap();
        let (files, want) = case.split_once(FOUND).unwrap();
        let found = found(&lay(files));
        if std::env::var_os("UPDATE_CONFIGURATIONS").is_some() {
            fs::write(&path, format!("{files}{FOUND}{found}")).unwrap();
        } else if found != want {
            writeln!(wrong, "{}\n{found}instead of\n{want}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/discovery/configurations");
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The machine that a case describes.
fn lay(files: &str) -> Tree {
    let tree = Tree::with(&[]);
    for file in files.split("--- /").filter(|file| !file.is_empty()) {
        let (head, text) = file.split_once('\n').unwrap();
        let (name, target) = head.split_once(" -> ").unwrap_or((head, ""));
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if target.is_empty() {
            fs::write(path, text).unwrap();
        } else {
            symlink(target, path).unwrap();
        }
    }
    tree
}

/// What the program tells of it, a line each.
fn found(tree: &Tree) -> String {
    let (code, text) = run(tree, &["discover", "--format", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut lines = String::new();
    for fact in told["found"].as_array().unwrap() {
        let of = |key: &str| fact[key].as_str().unwrap_or_default();
        let more = Some(of("more")).filter(|more| !more.is_empty());
        let more = more.map(|more| format!(" ({more})")).unwrap_or_default();
        writeln!(lines, "{}: {}: {}{more}", of("origin"), of("what"), of("value")).unwrap();
    }
    for mistake in told["mistakes"].as_array().unwrap() {
        let code = mistake["code"].as_str().unwrap();
        writeln!(lines, "mistake: {code} {}", mistake["facts"]).unwrap();
    }
    for note in told["notes"].as_array().unwrap() {
        // Most of these trees hold nothing of the DNS.
        if note["at"] != "/etc/resolv.conf" || note["reason"] != "there is no such file" {
            let of = |key: &str| note[key].as_str().unwrap();
            writeln!(lines, "note: {}: {}", of("at"), of("reason")).unwrap();
        }
    }
    lines
}
