//! Small trees, each with what one program of the machine would make of it.

use serde_json::Value;

use super::run;
use super::tree::Tree;

/// What `discover` says of a tree.
pub(crate) struct Discovered {
    found: Value,
    text: String,
}

impl Discovered {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let (code, text) = run(&Tree::with(files), &["discover", "--format", "json"]);
        assert_eq!(code, Some(0), "{text}");
        Self { found: serde_json::from_str(&text).unwrap(), text }
    }

    /// The values of that kind, each with where it was read.
    pub(crate) fn values(&self, what: &str) -> Vec<String> {
        let found = self.found["found"].as_array().unwrap().iter();
        let of_kind = found.filter(|entry| entry["what"] == what);
        let word = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        of_kind.map(|entry| format!("{} {}", word(entry, "value"), word(entry, "origin"))).collect()
    }

    /// The notes that begin so: file, line and reason.
    pub(crate) fn notes(&self, file: &str) -> Vec<String> {
        let notes = self.found["notes"].as_array().unwrap().iter();
        let word = |note: &Value, key: &str| note[key].as_str().unwrap().to_owned();
        let all = notes.map(|note| format!("{}: {}", word(note, "at"), word(note, "reason")));
        all.filter(|note| note.starts_with(file)).collect()
    }

    /// The codes of its mistakes.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mistakes = self.found["mistakes"].as_array().unwrap().iter();
        mistakes.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    }
}

const INCLUDES: &str = "configuration: !include config.d/*.yaml\n";
const GORGONE: &str = "etc/centreon-gorgone/config.d/40-gorgoned.yaml";

#[test]
fn gorgones_aliases_are_what_they_name() {
    let yaml = "x-listen: &listen\n  id: 2\n  external_com_type: tcp\n  \
        external_com_path: \"*:5556\"\ngorgone:\n  gorgonecore: *listen\n  modules:\n    \
        - &engine\n      name: engine\n      \
        package: gorgone::modules::centreon::engine::hooks\n      enable: true\n    - *engine\n";
    let machine =
        Discovered::of(&[("etc/centreon-gorgone/config.yaml", INCLUDES), (GORGONE, yaml)]);
    assert_eq!(machine.values("Gorgone listens on"), [format!("*:5556 /{GORGONE}:4")]);
    assert_eq!(machine.values("role"), [format!("poller /{GORGONE}:8")]);
    assert_eq!(machine.values("Gorgone's modules"), ["engine /etc/centreon-gorgone/config.yaml"]);
    assert_eq!((machine.mistakes(), machine.notes("/etc/centreon")), (vec![], vec![]));
}

#[test]
fn a_gorgone_that_is_only_partly_read_is_not_called_unreachable() {
    let part = "gorgone:\n  gorgonecore: &g {id: *g}\n  modules:\n    \
        - {name: engine, package: gorgone::modules::centreon::engine::hooks, enable: true}\n";
    let whole = part.replace("&g {id: *g}", "{id: 2}");
    for (yaml, mistakes, notes) in
        [(part, &[][..], 1), (whole.as_str(), &["gorgone-unreachable"][..], 0)]
    {
        let machine =
            Discovered::of(&[("etc/centreon-gorgone/config.yaml", INCLUDES), (GORGONE, yaml)]);
        assert_eq!(machine.mistakes(), mistakes, "{}", machine.text);
        assert_eq!(machine.notes("/etc/centreon-gorgone").len(), notes, "{}", machine.text);
    }
}
