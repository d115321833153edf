//! The files the engine's main file names, those with hosts and those with macros.

use std::collections::BTreeSet;

use super::super::facts::{At, Facts};
use super::super::files::{Files, Text, Unread};
use super::{Complaints, DEVICES, MACROS};

/// The texts to read hosts and macros from.
pub(super) struct Sources {
    /// Object files, in the order the engine reads them.
    pub(super) objects: Vec<Text>,
    /// Resource files.
    pub(super) resources: Vec<Text>,
    /// Is there one more that could not be read?
    pub(super) lacks_resources: bool,
}

/// The engine's main file.
const MAIN: &str = "/etc/centreon-engine/centengine.cfg";
/// What a name in it is relative to.
const HOME: &str = "/etc/centreon-engine";
/// Files read; an export of Centreon's has 25.
const MOST_FILES: usize = 64;
/// Centreon's names of files that hold no hosts. The engine would take hosts in
/// them too, and somebody may have put some into a small one; a large one is an
/// export, and with the services of ten thousand hosts it has 50 MB.
const OTHERS: [&str; 10] = [
    "service",
    "command",
    "checkcommand",
    "misccommand",
    "timeperiod",
    "contact",
    "escalation",
    "dependenc",
    "meta_",
    "connector",
];
/// Bytes above which a file is left out for its name.
const LARGE: u64 = 64 << 10;

impl Sources {
    /// Reads all of them; none: there is no engine here.
    pub(super) fn read(
        files: &Files,
        facts: &mut Facts,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        let main = match files.read(MAIN) {
            Ok(main) => main,
            Err(why) => {
                facts.unread(MAIN, &why, DEVICES);
                return None;
            }
        };
        let named = NamedFiles::of(&main);
        let mut sources =
            Self { objects: Vec::new(), resources: Vec::new(), lacks_resources: false };
        for (path, _) in &named.resources {
            match files.read(path) {
                Ok(text) => sources.resources.push(text),
                Err(why) => {
                    sources.lacks_resources |= why != Unread::Missing;
                    facts.unread(path, &why, MACROS);
                }
            }
        }
        for (path, at) in named.objects(files, facts) {
            if sources.objects.len() >= MOST_FILES {
                complaints
                    .add(at, DEVICES, || format!("more than {MOST_FILES} files with objects"));
                break;
            }
            if is_left_out(files, &path) {
                continue;
            }
            match files.read_objects(&path) {
                Ok(text) => sources.objects.push(text),
                Err(Unread::Missing) => {
                    complaints.add(at, DEVICES, || format!("there is no {path}"));
                }
                Err(why) => facts.unread(&path, &why, DEVICES),
            }
        }
        Some(sources)
    }
}

/// A large file whose name says that it holds other objects.
fn is_left_out(files: &Files, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    OTHERS.iter().any(|other| name.starts_with(other))
        && files.size(path).is_ok_and(|size| size > LARGE)
}

/// The files and folders a main file names, each with the line that does.
struct NamedFiles {
    files: Vec<(String, At)>,
    folders: Vec<(String, At)>,
    resources: Vec<(String, At)>,
}

impl NamedFiles {
    fn of(main: &Text) -> Self {
        let mut named = Self { files: Vec::new(), folders: Vec::new(), resources: Vec::new() };
        for (number, line) in main.lines() {
            // A comment has no such key.
            let Some((key, value)) = line.split_once('=') else { continue };
            let list = match key.trim() {
                "cfg_file" => &mut named.files,
                "cfg_dir" => &mut named.folders,
                "resource_file" => &mut named.resources,
                _ => continue,
            };
            // One more than are read: then it is said that there are more.
            if list.len() <= MOST_FILES {
                list.push((absolute(value.trim()), main.at(number)));
            }
        }
        named
    }

    /// Each file once, those of folders last; folders in folders are not read,
    /// neither by the engine.
    fn objects(self, files: &Files, facts: &mut Facts) -> Vec<(String, At)> {
        let mut all = self.files;
        for (folder, at) in self.folders {
            match files.list(&folder, ".cfg") {
                Ok(paths) => all.extend(paths.into_iter().map(|path| (path, at.clone()))),
                Err(why) => facts.unread(&folder, &why, DEVICES),
            }
        }
        let mut known = BTreeSet::new();
        all.retain(|(path, _)| known.insert(path.clone()));
        all
    }
}

/// A name without a folder in front stands beside the main file.
fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{HOME}/{path}") }
}
