//! The documentation names only what the program has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_flag_command_and_variable_in_the_documentation_is_in_the_help() {
    let help = Help::read();
    let mut unknown = Vec::new();
    for page in Page::all() {
        for words in page.invocations() {
            let first = words.split_whitespace().next().unwrap_or_default();
            let is_command = !first.is_empty() && first.chars().all(|c| c.is_ascii_lowercase());
            if is_command && !help.commands.contains(first) {
                unknown.push(format!("{}: preflight {first}", page.name()));
            }
            let named = words.split_whitespace().map(|word| word.split('=').next().unwrap());
            let missing = named
                .filter(|word| word.starts_with("--") && word.len() > 2)
                .filter(|flag| !help.words.contains(*flag));
            unknown.extend(missing.map(|flag| format!("{}: {flag}", page.name())));
        }
        let variables = words_of(&page.text).filter(|word| word.starts_with("PREFLIGHT_"));
        let missing = variables.filter(|word| word.len() > 10 && !help.words.contains(*word));
        unknown.extend(missing.map(|variable| format!("{}: {variable}", page.name())));
    }
    assert!(unknown.is_empty(), "not in any --help: {unknown:#?}");
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_of_it() {
    let mut broken = Vec::new();
    for page in Page::all() {
        for link in page.links() {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { page.path.clone() } else { page.path.with_file_name(file) };
            let has = |text: String| headings(&text).any(|id| id == heading);
            let found = target.is_file()
                && (heading.is_empty() || fs::read_to_string(&target).is_ok_and(has));
            if !found {
                broken.push(format!("{}: {link}", page.name()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_page_on_security_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let named: BTreeSet<&str> = words.filter(|word| word.matches('_').count() > 2).collect();
    assert!(named.len() > 20, "{named:?}");
    let mut sources = String::new();
    let mut folders = ["src", "checks", "tests"].map(|folder| root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let missing: Vec<&str> =
        named.into_iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "docs/security.md names tests that are not there: {missing:?}");
}

#[test]
fn the_design_names_files_that_exist() {
    let text = fs::read_to_string(root().join("docs/design.md")).unwrap();
    let path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-');
    let words = text.split(|c: char| !path(c)).map(|word| word.trim_end_matches('.'));
    let named: BTreeSet<&str> = words
        .filter(|word| {
            ["src/", "checks/", "tests/", "benches/"].iter().any(|at| word.starts_with(at))
        })
        .collect();
    assert!(named.len() > 30, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|word| !root().join(word).exists()).collect();
    assert!(missing.is_empty(), "docs/design.md names what does not exist: {missing:?}");
}

#[test]
fn the_dependencies_page_has_the_crates_of_the_workspace() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let crates = manifest["workspace"]["dependencies"].as_table().unwrap();
    // Our own library is no dependency to give a reason for.
    let declared: BTreeSet<&str> = crates
        .iter()
        .filter(|(_, source)| source.get("path").is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let rows: Vec<&str> =
        page.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let documented: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(documented, declared);
    assert_eq!(rows.len(), documented.len(), "a crate has two rows");
}

/// One page of the documentation.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn all() -> Vec<Self> {
        let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let pages = docs.filter(|path| path.extension().is_some_and(|end| end == "md"));
        pages
            .chain([root().join("README.md")])
            .map(|path| Self { text: fs::read_to_string(&path).unwrap(), path })
            .collect()
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// What stands behind `preflight` in code, and code that is a flag by itself.
    fn invocations(&self) -> Vec<String> {
        let mut prose = String::new();
        let mut commands = vec![String::new()];
        let mut is_code = false;
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                // A span of code may go on in the next line.
                prose.extend([line, " "]);
            } else if let Some(begun) = commands.last_mut().filter(|last| last.ends_with('\\')) {
                begun.pop();
                begun.push_str(line.trim_start());
            } else {
                commands.push(line.trim_start().to_owned());
            }
        }
        commands.extend(prose.split('`').skip(1).step_by(2).map(str::to_owned));
        commands.iter().filter_map(|command| ours(command)).map(str::to_owned).collect()
    }

    /// Links to other files of the repository and to headings.
    fn links(&self) -> impl Iterator<Item = &str> {
        let links = self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links.filter(|link| !link.contains("://"))
    }
}

/// The arguments of `preflight` in `command`, if it is one of ours; a comment is left out.
fn ours(command: &str) -> Option<&str> {
    let command = command.trim_start_matches("$ ").split(" # ").next()?;
    let starts = ["preflight ", "cargo run --release -- "];
    let arguments = starts.iter().find_map(|start| command.strip_prefix(start));
    // An argument by itself, as an item of a YAML list too.
    arguments.or(Some(command.trim_start_matches("- ")).filter(|flag| flag.starts_with("--")))
}

/// All that `--help` says, of the program and of its commands.
struct Help {
    commands: BTreeSet<String>,
    words: BTreeSet<String>,
}

impl Help {
    fn read() -> Self {
        let main = help(&[]);
        let listed = main.lines().skip_while(|line| *line != "Commands:").skip(1);
        let commands: BTreeSet<String> = listed
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        assert!(commands.contains("plan"), "no commands in: {main}");
        let of_commands = commands.iter().filter(|name| *name != "help").map(|name| help(&[name]));
        let words = of_commands
            .chain([main.clone()])
            .flat_map(|text| words_of(&text).map(str::to_owned).collect::<Vec<_>>());
        Self { words: words.collect(), commands: commands.clone() }
    }
}

fn help(command: &[&str]) -> String {
    let preflight = env!("CARGO_BIN_EXE_preflight");
    let output = Command::new(preflight).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?} --help: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Flags, variables and other words, without what stands around them.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
}

/// The anchors of a page's headings, as forges make them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = text.lines().filter(|line| line.starts_with('#'));
    titles.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
