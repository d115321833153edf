//! Which files make up Gorgone's configuration? The main file, and what `!include` puts into it.
//!
//! As gorgoned itself does it (centreon-collect, `gorgone/gorgone/class/script.pm`): a
//! list with commas, `*` for any characters of the last part, folders relative to the
//! including file, files in the order of their names. What is neither below
//! `configuration`, nor there below `gorgone` or `centreon`, is dropped unread. Of two
//! maps the keys are joined, lists are joined, else the later value counts (Perl's
//! `Hash::Merge`, `RIGHT_PRECEDENT`).

use std::collections::BTreeMap;

use wildmatch::WildMatchPattern;

use crate::site::discover::facts::{Read, RefusedLine};
use crate::site::discover::tree::{Node, TreeValue};
use crate::site::discover::{At, Facts, Files, Unread, yaml};

use super::{CONSTRUCTS, MISSING};

/// What the main file of Centreon's package includes.
const PACKAGED: &str = "config.d/*.yaml";
/// Files of one configuration.
const MOST_FILES: usize = 64;
/// Files within files.
const MOST_NESTED: usize = 8;

/// A whole configuration.
pub(super) struct Loaded {
    /// The value of the main file, everything it includes in its place.
    pub(super) root: Node,
    /// Where a part of it begins that could not be read, and Gorgone may.
    pub(super) unknown: Option<At>,
}

/// The whole configuration below one file; none when that file cannot be read.
pub(super) fn load(files: &Files, main: &str, facts: &mut Facts) -> Option<Loaded> {
    let mut loader = Loader { files, facts, open: Vec::new(), left: MOST_FILES, unknown: None };
    let root = match loader.load(main, Scope::File) {
        Some(root) => root,
        None => loader.without_main(main)?,
    };
    if root.of("configuration").is_none()
        && let Some(astray) = ["gorgone", "centreon"].iter().find_map(|key| root.of(key))
    {
        let reason = "gorgoned reads only what stands below `configuration`";
        loader.facts.note(astray.at.clone(), reason, MISSING);
    }
    Some(Loaded { root, unknown: loader.unknown })
}

/// How far in the configuration a value stands; outermost, most is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    File,
    Configuration,
    Inside,
}

impl Scope {
    /// The scope of what stands below `key`; none: it is dropped.
    fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::File, "configuration") => Some(Self::Configuration),
            (Self::Configuration, "gorgone" | "centreon") | (Self::Inside, _) => Some(Self::Inside),
            _ => None,
        }
    }
}

struct Loader<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    /// The files that are being read, each included by the one before.
    open: Vec<String>,
    left: usize,
    unknown: Option<At>,
}

impl Loader<'_> {
    fn load(&mut self, path: &str, scope: Scope) -> Option<Node> {
        let node = self.parse(path)?;
        self.open.push(path.to_owned());
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let node = self.filled(node, folder, scope);
        self.open.pop();
        Some(node)
    }

    /// What the package's own main file would include, where the main file is missing: of a copied
    /// tree often only `config.d` is there, and what it says must not be passed over.
    fn without_main(&mut self, main: &str) -> Option<Node> {
        let folder = main.rsplit_once('/')?.0;
        let parts = self.files.list(&format!("{folder}/config.d"), ".yaml").unwrap_or_default();
        if parts.is_empty() || !matches!(self.files.read(main), Err(Unread::Missing)) {
            return None;
        }
        let at = At::file(main);
        let reason = "there is no such file, and gorgoned does not start without it; the files of \
                      config.d are read as those it includes";
        self.facts.note(at.clone(), reason, MISSING);
        let value = self.included(PACKAGED, folder, &at, Scope::Configuration);
        let configuration = Node { at: at.clone(), value };
        let map = BTreeMap::from([("configuration".to_owned(), configuration)]);
        Some(Node { at, value: TreeValue::Map(map) })
    }

    fn parse(&mut self, path: &str) -> Option<Node> {
        let text = match self.files.read(path) {
            Ok(text) => text,
            Err(Unread::Missing) => return None,
            // gorgoned passes over what is none, unless it is its main file.
            Err(Unread::NotAFile) if !self.open.is_empty() => return None,
            Err(why) => {
                self.unknown_at(At::file(path), why.to_string());
                return None;
            }
        };
        match yaml::parse(&text) {
            Ok(document) => {
                for doubt in document.doubts {
                    self.facts.note(doubt.at, doubt.reason, MISSING);
                }
                Some(document.root)
            }
            // gorgoned logs it and goes on without the file.
            Err(wrong) if wrong.is_refused => {
                let line = Read { value: wrong.reason, at: wrong.at };
                self.facts.refused.push(RefusedLine::of(CONSTRUCTS.program, line));
                None
            }
            Err(wrong) => {
                self.unknown_at(wrong.at, wrong.reason);
                None
            }
        }
    }

    /// Notes a part that is there and not known.
    fn unknown_at(&mut self, at: At, reason: impl Into<String>) {
        if !self.facts.notes.iter().any(|note| note.at == at) {
            self.facts.note(at.clone(), reason, MISSING);
        }
        self.unknown.get_or_insert(at);
    }

    /// The same value, with the files in the place of each `!include`.
    fn filled(&mut self, node: Node, folder: &str, scope: Scope) -> Node {
        let Node { at, value } = node;
        let value = match value {
            TreeValue::Include(patterns) => self.included(&patterns, folder, &at, scope),
            TreeValue::Map(map) => {
                let mut filled = BTreeMap::new();
                for (key, item) in map {
                    if let Some(below) = scope.below(&key) {
                        filled.insert(key, self.filled(item, folder, below));
                    } else if scope == Scope::File {
                        // Kept for the word that it is in the wrong place.
                        filled.insert(key, Node { at: item.at, value: TreeValue::Nothing });
                    }
                }
                TreeValue::Map(filled)
            }
            TreeValue::List(_) if scope != Scope::Inside => TreeValue::Nothing,
            TreeValue::List(items) => {
                let filled = items.into_iter().map(|item| self.filled(item, folder, scope));
                TreeValue::List(filled.collect())
            }
            TreeValue::Unknown(reason) => {
                self.unknown_at(at.clone(), reason.clone());
                TreeValue::Unknown(reason)
            }
            other @ (TreeValue::Nothing | TreeValue::Scalar(_)) => other,
        };
        Node { at, value }
    }

    fn included(&mut self, patterns: &str, folder: &str, at: &At, scope: Scope) -> TreeValue {
        let mut whole = TreeValue::Nothing;
        for path in self.expand(patterns, folder, at) {
            let part = self.may_read(&path, at).then(|| self.load(&path, scope)).flatten();
            whole = match (whole, part.map(|part| part.value)) {
                (
                    whole,
                    None | Some(TreeValue::Nothing | TreeValue::Unknown(_) | TreeValue::Include(_)),
                ) => whole,
                (TreeValue::List(mut all), Some(TreeValue::List(more))) => {
                    all.extend(more);
                    TreeValue::List(all)
                }
                (TreeValue::Map(all), Some(TreeValue::Map(more))) => {
                    TreeValue::Map(merged(all, more))
                }
                (
                    _,
                    Some(later @ (TreeValue::List(_) | TreeValue::Map(_) | TreeValue::Scalar(_))),
                ) => later,
            };
        }
        whole
    }

    /// May one more file be read? If not, a note says why.
    fn may_read(&mut self, path: &str, at: &At) -> bool {
        let refused = if self.open.iter().any(|open| open == path) {
            "a file includes itself here"
        } else if self.open.len() >= MOST_NESTED {
            "files include files too deeply here"
        } else if self.left == 0 {
            "too many files are included here; the rest is not read"
        } else {
            self.left -= 1;
            return true;
        };
        self.unknown_at(at.clone(), refused);
        false
    }

    /// The files that patterns stand for; those of each sorted.
    fn expand(&mut self, patterns: &str, folder: &str, at: &At) -> Vec<String> {
        let mut all = Vec::new();
        for pattern in patterns.split(',').filter(|pattern| !pattern.is_empty()) {
            let (below, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
            let below = match (pattern.starts_with('/'), below.trim_start_matches("./")) {
                (true, _) => below.to_owned(),
                (false, "" | ".") => folder.to_owned(),
                (false, below) => format!("{folder}/{below}"),
            };
            match self.files.list_all(&below) {
                Ok(paths) => all.extend(
                    paths
                        .into_iter()
                        .filter(|path| fits(name, path.rsplit('/').next().unwrap_or_default())),
                ),
                // gorgoned gives up the other patterns, too.
                Err(Unread::Missing) => {
                    let reason = format!("there is no folder {below}: nothing is included here");
                    self.facts.note(at.clone(), reason, MISSING);
                    return Vec::new();
                }
                Err(why) => self.unknown_at(At::file(&below), why.to_string()),
            }
        }
        all
    }
}

/// Both maps in one, as `Hash::Merge` joins them when the right side has precedence.
fn merged(mut all: BTreeMap<String, Node>, more: BTreeMap<String, Node>) -> BTreeMap<String, Node> {
    for (key, Node { at, value: later }) in more {
        let value = match (all.remove(&key).map(|known| known.value), later) {
            (Some(TreeValue::Map(all)), TreeValue::Map(more)) => TreeValue::Map(merged(all, more)),
            (Some(earlier), TreeValue::List(more)) => {
                let before = match earlier {
                    TreeValue::List(items) => items,
                    TreeValue::Map(map) => map.into_values().collect(),
                    single => vec![Node { at: at.clone(), value: single }],
                };
                TreeValue::List(before.into_iter().chain(more).collect())
            }
            (_, later) => later,
        };
        all.insert(key, Node { at, value });
    }
    all
}

/// Does `name` fit `pattern`, in which `*` stands for any characters?
fn fits(pattern: &str, name: &str) -> bool {
    WildMatchPattern::<'*', '\0'>::new(pattern).matches(name)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::tree;
    use super::*;

    /// What stands below `configuration` of `/etc/g/config.yaml`, and the notes.
    fn loaded(contents: &[(&str, &str)]) -> (Node, Option<At>, Vec<String>) {
        let (_root, files) = tree(contents);
        let mut facts = Facts::default();
        let Loaded { root, unknown } = load(&files, "/etc/g/config.yaml", &mut facts).unwrap();
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        let refused = facts.refused.iter().map(|line| format!("{}: {}", line.at, line.reason));
        let notes = notes.chain(refused);
        (root.of("configuration").unwrap().clone(), unknown, notes.collect())
    }

    #[test]
    fn included_files_are_relative_sorted_and_merged() {
        let (whole, unknown, notes) = loaded(&[
            ("etc/g/config.yaml", "name: x\nconfiguration: !include config.d/*.yaml\n"),
            ("etc/g/config.d/10.yaml", "gorgone:\n  core: {id: 1, key: a}\n  modules: [one]\n"),
            (
                "etc/g/config.d/20.yaml",
                "gorgone:\n  core: {id: 2}\n  modules: !include more/x.yaml\n",
            ),
            ("etc/g/config.d/more/x.yaml", "- two\n"),
            ("etc/g/config.d/30.yml", "gorgone: {core: {id: 3}}\n"),
        ]);
        let gorgone = whole.of("gorgone").unwrap();
        assert_eq!(gorgone.of("core").unwrap().text("id"), Some("2"));
        assert_eq!(gorgone.of("core").unwrap().text("key"), Some("a"));
        let modules = gorgone.of("modules").unwrap().items();
        let seen: Vec<_> =
            modules.iter().map(|m| format!("{} {}", m.at, m.scalar().unwrap())).collect();
        assert_eq!(seen, ["/etc/g/config.d/10.yaml:3 one", "/etc/g/config.d/more/x.yaml:1 two"]);
        assert_eq!((unknown, notes), (None, vec![]));
    }

    #[test]
    fn only_gorgone_and_centreon_are_kept_but_an_alias_reaches_the_rest() {
        let (whole, _, notes) = loaded(&[(
            "etc/g/config.yaml",
            "configuration:\n  x-listen: &l {a: 1}\n  y: !include none/*\n  gorgone: {core: *l}\n",
        )]);
        assert!(whole.of("x-listen").is_none() && whole.of("y").is_none());
        let core = whole.below(&["gorgone", "core"]).unwrap();
        assert_eq!((core.text("a"), core.at("a").line), (Some("1"), Some(2)));
        assert_eq!(notes, [""; 0]);
    }

    #[test]
    fn without_the_main_file_its_folder_is_read_all_the_same() {
        let part = ("/etc/g/config.d/40-g.yaml", "gorgone:\n  modules: []\n");
        let (root, unknown, notes) = loaded(&[part]);
        assert!(root.of("gorgone").is_some(), "{root:?}");
        let reason = "there is no such file, and gorgoned does not start without it; the files of \
                      config.d are read as those it includes";
        assert_eq!((unknown, notes), (None, vec![format!("/etc/g/config.yaml: {reason}")]));
    }

    #[test]
    fn a_file_that_includes_itself_ends_and_leaves_something_unknown() {
        let (whole, unknown, notes) = loaded(&[(
            "etc/g/config.yaml",
            "configuration:\n  gorgone: {a: 1, b: !include ./*.yaml}\n",
        )]);
        assert_eq!(whole.of("gorgone").unwrap().text("a"), Some("1"));
        assert_eq!(unknown.unwrap().to_string(), "/etc/g/config.yaml:2");
        assert_eq!(notes, ["/etc/g/config.yaml:2: a file includes itself here"]);
    }

    #[test]
    fn the_number_of_files_is_bounded_though_each_includes_all() {
        let paths: Vec<String> = (0..20).map(|n| format!("etc/g/x/{n}.yaml")).collect();
        let mut all: Vec<(&str, &str)> = paths
            .iter()
            .map(|path| (path.as_str(), "gorgone: !include /etc/g/x/*.yaml\n"))
            .collect();
        all.push(("etc/g/config.yaml", "configuration: !include x/*.yaml\n"));
        let (_, unknown, notes) = loaded(&all);
        assert!(unknown.is_some() && notes.len() <= MOST_FILES + 1, "{}", notes.len());
    }

    #[test]
    fn one_broken_file_costs_only_itself_and_nothing_is_unknown() {
        let (whole, unknown, notes) = loaded(&[
            ("etc/g/config.yaml", "configuration: !include d/*.yaml\n"),
            ("etc/g/d/1.yaml", "gorgone: {x: 1}\n"),
            ("etc/g/d/2.yaml", "x: [\n"),
            ("etc/g/d/3.yaml", "gorgone: {y: 2}\n"),
        ]);
        let part = whole.of("gorgone").unwrap();
        assert_eq!((part.text("x"), part.text("y"), unknown), (Some("1"), Some("2"), None));
        assert!(notes[0].starts_with("/etc/g/d/2.yaml:2: this is not YAML: "), "{notes:?}");
    }

    #[test]
    fn what_a_bound_stops_is_unknown() {
        let many = format!("gorgone: [{}]\n", "x, ".repeat(30_000));
        let deep = format!("gorgone: {}\n", "[".repeat(30));
        let own = "gorgone: &g {a: *g}\n";
        for (text, line) in [(many.as_str(), None), (&deep, Some(1)), (own, Some(1))] {
            let (_, unknown, notes) = loaded(&[
                ("etc/g/config.yaml", "configuration: !include d/*.yaml\n"),
                ("etc/g/d/1.yaml", text),
            ]);
            let at = unknown.unwrap();
            assert_eq!(
                (&*at.file, at.line, notes.len()),
                ("/etc/g/d/1.yaml", line, 1),
                "{notes:?}"
            );
        }
    }

    #[test]
    fn a_folder_that_is_not_there_costs_the_whole_include() {
        let (whole, _, notes) = loaded(&[
            ("etc/g/config.yaml", "configuration: !include ./a.yaml,no/*.yaml\n"),
            ("etc/g/a.yaml", "gorgone: {a: 1}\n"),
        ]);
        assert!(whole.of("gorgone").is_none());
        let reason = "there is no folder /etc/g/no: nothing is included here";
        assert_eq!(notes, [format!("/etc/g/config.yaml:1: {reason}")]);
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (name, pattern, does) in [
            ("40-gorgoned.yaml", "*.yaml", true),
            ("40-gorgoned.yml", "*.yaml", false),
            ("40-gorgoned.yaml", "40-*", true),
            ("40-gorgoned.yaml", "*gor*ned*", true),
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("aba", "ab*ba", false),
            ("a.yaml.rpmsave", "*.yaml", false),
            ("", "*", true),
        ] {
            assert_eq!(fits(pattern, name), does, "{name} {pattern}");
        }
    }
}
