//! Which files belong to a configuration: included ones, drop-ins, those of a program that is there.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use super::{At, Facts, Files, Text};

/// Files one source reads: more, and they include each other without end.
const MOST_FILES: usize = 64;
/// The kernel's longest path.
pub(super) const LONGEST_PATH: usize = 4_096;

/// Is the program whose files these are installed, as far as files tell?
///
/// `programs` are all that could do the job: when not one of their binaries is
/// there, only configuration was copied, and each may be installed.
pub(super) fn is_installed(files: &Files, own: &[&str], programs: &[&[&str]]) -> bool {
    let exists = |binaries: &[&str]| binaries.iter().any(|path| files.exists(path));
    exists(own) || !programs.iter().any(|binaries| exists(binaries))
}

/// Reads files that include others: each once, and not without end.
#[derive(Debug, Default)]
pub(super) struct Included {
    seen: BTreeSet<String>,
    is_full: bool,
}

impl Included {
    /// The text of `path`, unless it was read before; why it cannot be read is noted.
    pub(super) fn open(
        &mut self,
        files: &Files,
        path: &str,
        facts: &mut Facts,
        missing: &'static str,
    ) -> Option<Text> {
        if self.seen.contains(path) {
            return None;
        }
        if self.seen.len() >= MOST_FILES {
            // Said once: thousands of such notes would leave no room for others.
            if !std::mem::replace(&mut self.is_full, true) {
                facts.note(At::file(path), "from here on no more files are read", missing);
            }
            return None;
        }
        self.seen.insert(path.to_owned());
        files.read(path).map_err(|why| facts.unread(path, &why, missing)).ok()
    }
}

/// The files of a folder that end so; why they cannot be listed is noted.
pub(super) fn list(
    files: &Files,
    folder: &str,
    suffix: &str,
    facts: &mut Facts,
    missing: &'static str,
) -> Vec<String> {
    files.list(folder, suffix).unwrap_or_else(|why| {
        facts.unread(folder, &why, missing);
        Vec::new()
    })
}

/// The files that `pattern` names: one, or those its last part with `*` and `?` fits.
pub(super) fn glob(
    files: &Files,
    pattern: &str,
    facts: &mut Facts,
    missing: &'static str,
) -> Vec<String> {
    if pattern.len() > LONGEST_PATH {
        return Vec::new();
    }
    if !pattern.contains(['*', '?']) {
        return vec![pattern.to_owned()];
    }
    let Some((folder, last)) = pattern.rsplit_once('/') else { return Vec::new() };
    let mut paths = list(files, folder, "", facts, missing);
    paths.retain(|path| path.rsplit('/').next().is_some_and(|name| fits(last, name)));
    paths
}

/// Is `name` of the shape of `pattern`? `*` stands for any characters, `?` for one.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    WildMatch::new(pattern).matches(name)
}

/// The files of several folders in the order of their names; of equal names the first folder's.
pub(super) fn by_name(
    files: &Files,
    folders: &[&str],
    suffix: &str,
    facts: &mut Facts,
    missing: &'static str,
) -> Vec<String> {
    let mut names = BTreeSet::new();
    let lists = folders.iter().flat_map(|folder| list(files, folder, suffix, facts, missing));
    let mut paths: Vec<(String, String)> = lists
        .filter_map(|path| Some((path.rsplit_once('/')?.1.to_owned(), path)))
        .filter(|(name, _)| names.insert(name.clone()))
        .collect();
    paths.sort();
    paths.into_iter().map(|(_, path)| path).collect()
}

/// The files of each unit of systemd, in the order they are read: its own, then its drop-ins.
pub(super) fn units(
    files: &Files,
    folders: &[&str],
    suffix: &str,
    facts: &mut Facts,
    missing: &'static str,
) -> Vec<Vec<String>> {
    let own = by_name(files, folders, suffix, facts, missing);
    let unit = |path: String| {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let folders: Vec<String> = folders.iter().map(|one| format!("{one}/{name}.d")).collect();
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        let parts = by_name(files, &folders, ".conf", facts, missing);
        [path].into_iter().chain(parts).collect()
    };
    own.into_iter().map(unit).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::tree;
    use super::*;

    #[test]
    fn a_pattern_names_files_of_its_folder() {
        let (_dir, files) =
            tree(&[("/etc/n/b.conf", ""), ("/etc/n/a.conf", ""), ("/etc/n/a.bak", "")]);
        let glob = |pattern| glob(&files, pattern, &mut Facts::default(), "x");
        assert_eq!(glob("/etc/n/*.conf"), ["/etc/n/a.conf", "/etc/n/b.conf"]);
        assert_eq!(glob("/etc/n/?.b*"), ["/etc/n/a.bak"]);
        assert_eq!(glob("/etc/none.conf"), ["/etc/none.conf"]);
        assert!(fits("*a*b*", "xxaxxbxx") && !fits("*a*b", "abc") && fits("*", ""));
    }

    #[test]
    fn more_files_than_anybody_has_are_noted_once() {
        let (_dir, files) = tree(&[]);
        let (mut included, mut facts) = (Included::default(), Facts::default());
        for n in 0..MOST_FILES + 2 {
            included.open(&files, &format!("/etc/{n}"), &mut facts, "x");
        }
        let notes: Vec<_> = facts.notes.iter().map(|note| note.at.to_string()).collect();
        assert_eq!(notes, ["/etc/64"]);
    }

    #[test]
    fn of_equal_names_the_first_folders_counts() {
        let (_dir, files) =
            tree(&[("/etc/d/b.conf", ""), ("/run/d/b.conf", ""), ("/run/d/a.conf", "")]);
        let found =
            by_name(&files, &["/etc/d", "/run/d", "/none"], ".conf", &mut Facts::default(), "x");
        assert_eq!(found, ["/run/d/a.conf", "/etc/d/b.conf"]);
    }

    #[test]
    fn a_program_is_missing_only_when_another_is_there() {
        let (_dir, files) = tree(&[("/usr/sbin/chronyd", "")]);
        let programs: [&[&str]; 2] = [&["/usr/sbin/chronyd"], &["/usr/sbin/ntpd"]];
        assert!(is_installed(&files, programs[0], &programs));
        assert!(!is_installed(&files, programs[1], &programs));
        let (_dir, files) = tree(&[]);
        assert!(is_installed(&files, programs[1], &programs));
    }
}
