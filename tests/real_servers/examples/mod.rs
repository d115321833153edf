//! The examples of the documentation: reports of one site, and what the program makes of them.
//!
//! Each row of `docs/examples/README.md` names a file and the command that writes it. The commands
//! are run here, and must write what is there. What they read are the reports of real runs in a
//! network of namespaces, see `site.rs`.
//!
//! After a change to a format: `UPDATE_DOCS=1 cargo test --test real_servers every_example`. After one to what
//! a run sees: `UPDATE_DOCS=lab tests/run --test real_servers examples`. Then look at what has changed.

mod site;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::support::{command, finish};

/// Held by whoever reads or writes the examples.
static EXAMPLES: Mutex<()> = Mutex::new(());

#[test]
fn every_example_is_what_its_command_writes_today() {
    let _alone = EXAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    render();
}

#[test]
fn the_site_still_ends_as_in_the_examples() {
    let reports = site::runs();
    let _alone = EXAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, report) in &reports {
        let file = folder().join(name);
        if updated() == "lab" {
            fs::write(&file, format!("{report:#}\n")).unwrap();
        }
        let there: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(ends(report), ends(&there), "{name}");
    }
    render();
}

#[test]
fn every_file_of_the_examples_is_named_and_they_are_small() {
    let _alone = EXAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    let page = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut size = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(name == "README.md" || page.contains(&format!("]({name})")), "{name}");
        size += entry.metadata().unwrap().len();
    }
    assert!(size < 700_000, "{size} bytes");
}

/// Whoever opens the README sees what the program prints today.
#[test]
fn the_run_in_the_readme_is_one_of_the_examples() {
    let _alone = EXAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let run = fs::read_to_string(folder().join("poller2-blocked.txt")).unwrap();
    // The command takes several lines, each with a backslash at its end but the last.
    let command = readme.find("$ preflight --role poller").unwrap();
    let lines = readme[command..].split_inclusive('\n');
    let typed: usize = lines.clone().take_while(|line| line.ends_with("\\\n")).map(str::len).sum();
    let typed = typed + readme[command + typed..].find('\n').unwrap() + 1;
    let end = command + readme[command..].find("```").unwrap();
    if !updated().is_empty() {
        let shown = [&readme[..command + typed], run.as_str(), &readme[end..]].concat();
        fs::write(&file, shown).unwrap();
        return;
    }
    assert_eq!(&readme[command + typed..end], run);
}

/// The reports come from somebody's machine, and must not say from whose.
#[test]
fn no_example_tells_where_it_was_made() {
    let _alone = EXAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    // That of the examples may by chance be ours.
    let kernel = Some(kernel.trim()).filter(|kernel| *kernel != site::KERNEL);
    let places = [Some(env!("CARGO_MANIFEST_DIR")), Some("/tmp/"), kernel];
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let told: Vec<&str> =
            places.into_iter().flatten().filter(|place| text.contains(place)).collect();
        assert!(told.is_empty(), "{}: {told:?}", path.display());
    }
}

/// Runs the command of each example, and holds what it writes against what is there.
#[track_caller]
fn render() {
    for example in Example::all() {
        let arguments: Vec<&str> = example.arguments.split(' ').collect();
        let mut command = command(&arguments);
        command.current_dir(folder());
        let ended = finish(command);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(example.code), ""), "{example:?}");
        let file = folder().join(&example.file);
        if !updated().is_empty() {
            fs::write(&file, &ended.stdout).unwrap();
        }
        let there = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            there == ended.stdout,
            "{} is of yesterday: see tests/real_servers/examples",
            example.file
        );
    }
}

/// How each step of a report ended: its outcome, and why.
fn ends(report: &Value) -> BTreeSet<(String, String, String)> {
    let steps = report["steps"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let end =
        |step: &Value| (text(&step["id"]), text(&step["outcome"]), text(&step["cause"]["code"]));
    steps.map(end).collect()
}

/// A row of the README: a file, and the command that writes it.
#[derive(Debug)]
struct Example {
    file: String,
    arguments: String,
    code: i32,
}

impl Example {
    fn all() -> Vec<Self> {
        let page = fs::read_to_string(folder().join("README.md")).unwrap();
        let examples: Vec<Self> = page.lines().filter_map(Self::of).collect();
        assert!(!examples.is_empty(), "{page}");
        examples
    }

    /// ``| [FILE](FILE) | what it is | `preflight …` | exit code |``
    fn of(row: &str) -> Option<Self> {
        let cells: Vec<&str> = row.strip_prefix("| [")?.split(" | ").collect();
        let [file, _, command, code] = cells.as_slice() else { return None };
        let arguments = command.strip_prefix("`preflight ")?.strip_suffix('`')?;
        Some(Self {
            file: file.split(']').next()?.to_owned(),
            arguments: arguments.to_owned(),
            code: code.trim_end_matches(" |").parse().ok()?,
        })
    }
}

/// What is to be written anew: nothing, what the commands write, or with `lab` the reports too.
fn updated() -> String {
    std::env::var("UPDATE_DOCS").unwrap_or_default()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples")
}
