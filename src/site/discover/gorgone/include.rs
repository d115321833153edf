//! Which files make up Gorgone's configuration? The main file, and what `!include` puts into it.
//!
//! As Gorgone itself does it (centreon-collect, `gorgone/gorgone/class/script.pm`):
//! a list with commas, `*` for any characters of the last part, folders relative
//! to the including file, files in the order of their names. Lists are joined;
//! of two values the later one counts.

use crate::site::discover::tree::{Node, Value};
use crate::site::discover::{At, Facts, Files, yaml};

use super::MISSING;

/// Files of one configuration.
const MOST_FILES: usize = 64;
/// Files within files.
const MOST_NESTED: usize = 8;

/// The whole configuration below one file; none when that file cannot be read.
pub(super) fn load(files: &Files, main: &str, facts: &mut Facts) -> Option<Node> {
    let mut loader = Loader { files, facts, open: Vec::new(), left: MOST_FILES };
    loader.load(main)
}

struct Loader<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    /// The files that are being read, each included by the one before.
    open: Vec<String>,
    left: usize,
}

impl Loader<'_> {
    fn load(&mut self, path: &str) -> Option<Node> {
        let node = self.parse(path)?;
        self.open.push(path.to_owned());
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let node = self.filled(node, folder);
        self.open.pop();
        Some(node)
    }

    fn parse(&mut self, path: &str) -> Option<Node> {
        let text = self.files.read(path).map_err(|why| self.facts.unread(path, &why, MISSING));
        yaml::parse(&text.ok()?)
            .map_err(|wrong| self.facts.note(wrong.at, wrong.reason, MISSING))
            .ok()
    }

    /// The same value, with the files in the place of each `!include`.
    fn filled(&mut self, node: Node, folder: &str) -> Node {
        let Node { at, value } = node;
        let value = match value {
            Value::Include(pattern) => self.included(&pattern, folder, &at),
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.filled(item, folder)).collect())
            }
            Value::Map(map) => {
                let filled = map.into_iter().map(|(key, item)| (key, self.filled(item, folder)));
                Value::Map(filled.collect())
            }
            other => other,
        };
        Node { at, value }
    }

    fn included(&mut self, patterns: &str, folder: &str, at: &At) -> Value {
        let mut whole = Value::Nothing;
        let paths: Vec<String> =
            patterns.split(',').flat_map(|pattern| self.expand(pattern.trim(), folder)).collect();
        for path in paths {
            if let Some(part) = self.may_read(&path, at).then(|| self.load(&path)).flatten() {
                whole = merged(whole, part.value);
            }
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
        if !self.facts.notes.iter().any(|note| note.at == *at) {
            self.facts.note(at.clone(), refused, MISSING);
        }
        false
    }

    /// The files that a pattern stands for, sorted.
    fn expand(&mut self, pattern: &str, folder: &str) -> Vec<String> {
        let (below, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let below = match (pattern.starts_with('/'), below.trim_start_matches("./")) {
            (true, _) => below.to_owned(),
            (false, "" | ".") => folder.to_owned(),
            (false, below) => format!("{folder}/{below}"),
        };
        if name.is_empty() {
            return Vec::new();
        }
        let found = self.files.list(&below, "").unwrap_or_else(|why| {
            self.facts.unread(&below, &why, MISSING);
            Vec::new()
        });
        let is_meant = |path: &String| fits(path.rsplit('/').next().unwrap_or_default(), name);
        found.into_iter().filter(is_meant).collect()
    }
}

/// Does `name` fit `pattern`, in which `*` stands for any characters?
fn fits(name: &str, pattern: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some(found) = left.find(part) else { return false };
        left = left.get(found + part.len()..).unwrap_or_default();
    }
    left.ends_with(tail)
}

/// Lists are joined, maps key by key; else the later value counts.
fn merged(earlier: Value, later: Value) -> Value {
    match (earlier, later) {
        (Value::List(mut all), Value::List(more)) => {
            all.extend(more);
            Value::List(all)
        }
        (Value::Map(mut all), Value::Map(more)) => {
            for (key, Node { at, value }) in more {
                let value = match all.remove(&key) {
                    Some(known) => merged(known.value, value),
                    None => value,
                };
                all.insert(key, Node { at, value });
            }
            Value::Map(all)
        }
        (earlier, Value::Nothing) => earlier,
        (_, later) => later,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = Files::below(root.path());
        (root, files)
    }

    #[test]
    fn included_files_are_relative_sorted_and_merged() {
        let (_root, files) = tree(&[
            ("etc/g/config.yaml", "configuration: !include config.d/*.yaml\n"),
            ("etc/g/config.d/10.yaml", "gorgone:\n  core: {id: 1, key: a}\n  modules: [one]\n"),
            (
                "etc/g/config.d/20.yaml",
                "gorgone:\n  core: {id: 2}\n  modules: !include more/x.yaml\n",
            ),
            ("etc/g/config.d/more/x.yaml", "- two\n"),
            ("etc/g/config.d/30.yml", "gorgone: {core: {id: 3}}\n"),
        ]);
        let mut facts = Facts::default();
        let whole = load(&files, "/etc/g/config.yaml", &mut facts).unwrap();
        let gorgone = whole.below(&["configuration", "gorgone"]).unwrap();
        assert_eq!(gorgone.of("core").unwrap().text("id"), Some("2"));
        assert_eq!(gorgone.of("core").unwrap().text("key"), Some("a"));
        let modules = gorgone.of("modules").unwrap().items();
        let seen: Vec<_> =
            modules.iter().map(|m| format!("{} {}", m.at, m.scalar().unwrap())).collect();
        assert_eq!(seen, ["/etc/g/config.d/10.yaml:3 one", "/etc/g/config.d/more/x.yaml:1 two"]);
        assert_eq!(facts.notes, []);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let (_root, files) = tree(&[("etc/g/config.yaml", "a: 1\nb: !include ./*.yaml\n")]);
        let mut facts = Facts::default();
        let whole = load(&files, "/etc/g/config.yaml", &mut facts).unwrap();
        assert_eq!(whole.text("a"), Some("1"));
        assert_eq!(facts.notes[0].at.to_string(), "/etc/g/config.yaml:2");
        assert_eq!(facts.notes[0].reason, "a file includes itself here");
    }

    #[test]
    fn the_number_of_files_is_bounded_though_each_includes_all() {
        let paths: Vec<String> = (0..20).map(|n| format!("etc/g/{n}.yaml")).collect();
        let each: Vec<(&str, &str)> =
            paths.iter().map(|path| (path.as_str(), "a: !include /etc/g/*.yaml\n")).collect();
        let (_root, files) = tree(&each);
        let mut facts = Facts::default();
        assert!(load(&files, "/etc/g/0.yaml", &mut facts).is_some());
        assert!(facts.notes.len() <= MOST_FILES + 1, "{}", facts.notes.len());
    }

    #[test]
    fn one_broken_file_costs_only_itself() {
        let (_root, files) = tree(&[
            ("etc/g/config.yaml", "a: !include d/*.yaml\n"),
            ("etc/g/d/1.yaml", "x: 1\n"),
            ("etc/g/d/2.yaml", "x: [\n"),
            ("etc/g/d/3.yaml", "y: 2\n"),
        ]);
        let mut facts = Facts::default();
        let whole = load(&files, "/etc/g/config.yaml", &mut facts).unwrap();
        let part = whole.of("a").unwrap();
        assert_eq!((part.text("x"), part.text("y")), (Some("1"), Some("2")));
        assert_eq!(&*facts.notes[0].at.file, "/etc/g/d/2.yaml");
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
            assert_eq!(fits(name, pattern), does, "{name} {pattern}");
        }
    }
}
