//! What `$releasever` and its like stand for in addresses of dnf and yum.
//!
//! `$releasever` is what the system's release says, unless a file of variables says
//! otherwise; the architecture is that of this program.
//!
//! Reference: dnf.conf(5), variables; os-release(5).

use std::collections::BTreeMap;

use super::super::include::list;
use super::super::lines::words;
use super::super::{Facts, Files, Text, Unread};
use super::{LONGEST, MISSING};

/// A later folder wins.
const FOLDERS: [&str; 2] = ["/etc/dnf/vars", "/etc/yum/vars"];
const RELEASES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
const MOST_FILES: usize = 256;

/// Variables by name, without the dollar sign.
pub(super) struct RepositoryVariables {
    by_name: BTreeMap<String, String>,
}

impl RepositoryVariables {
    /// Those of the system, and those of files that set or replace some.
    pub(super) fn read(files: &Files, facts: &mut Facts) -> Self {
        let mut variables = Self::of_architecture(std::env::consts::ARCH);
        let release = RELEASES.iter().find_map(|path| files.read(path).ok());
        if let Some(release) = release.as_ref().and_then(releasever) {
            variables.set("releasever", &release);
        }
        for folder in FOLDERS {
            variables.add_folder(folder, files, facts);
        }
        variables.split_release();
        variables
    }

    /// The variables of a folder, each in a file of its name.
    pub(super) fn add_folder(&mut self, folder: &str, files: &Files, facts: &mut Facts) {
        for path in list(files, folder, "", facts, MISSING).iter().take(MOST_FILES) {
            // The file's first line, under the file's name.
            let name = path.rsplit('/').next().unwrap_or_default();
            match files.read(path) {
                Ok(text) => self.set(name, text.text.lines().next().unwrap_or_default().trim()),
                Err(Unread::NotAFile) => {}
                Err(why) => facts.unread(path, &why, MISSING),
            }
        }
    }

    /// Sets `$releasever_major` and `$releasever_minor`.
    pub(super) fn split_release(&mut self) {
        if let Some(release) = self.by_name.get("releasever").cloned() {
            let (major, minor) = release.split_once('.').unwrap_or((&release, ""));
            self.set("releasever_major", major);
            self.set("releasever_minor", minor);
        }
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }

    /// Those every system has, by the name Rust has for its architecture.
    pub(super) fn of_architecture(rust: &str) -> Self {
        let (arch, base) = match rust {
            "x86" => ("i686", "i386"),
            "powerpc64" => ("ppc64le", "ppc64le"),
            same => (same, same),
        };
        let mut variables = Self { by_name: BTreeMap::new() };
        variables.set("arch", arch);
        variables.set("basearch", base);
        variables
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        if value.len() <= LONGEST {
            self.by_name.insert(name.to_owned(), value.to_owned());
        }
    }

    /// `$name` and `${name}` replaced. One that nobody sets stays as it is written, and dnf asks
    /// for that address.
    ///
    /// # Errors
    ///
    /// The name of such a one in the host, which is then no host at all, in a clause.
    pub(super) fn expand(&self, address: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = address;
        let mut unknown = None;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let (name, left) = braced.unwrap_or_else(|| {
                let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !goes_on(c)).unwrap_or(after.len()))
            });
            if let Some(value) = self.by_name.get(name) {
                expanded.push_str(value);
            } else {
                unknown = unknown.or((!is_behind_host(&expanded)).then_some(name));
                expanded.push('$');
                expanded.push_str(after.strip_suffix(left).unwrap_or(name));
            }
            rest = left;
            // Longer than any address already; who takes it will say so.
            if expanded.len() > LONGEST {
                break;
            }
        }
        expanded.push_str(rest);
        match unknown {
            Some(name) => Err(not_set(name)),
            // A backslash before the dollar sign, of a script that wrote the file, is part of the
            // address; in one of a URL it would be read as a slash.
            None => Ok(expanded.replace('\\', "%5C")),
        }
    }
}

/// Does what comes next belong to an address's path or query?
pub(super) fn is_behind_host(address: &str) -> bool {
    address.split_once("://").is_some_and(|(_, after)| after.contains(['/', '?']))
}

fn not_set(name: &str) -> String {
    let name: String = name.chars().take(40).collect();
    format!("its host has ${name}, and no file of /etc/dnf/vars says what that is")
}

/// `9` of `platform:el9`; without a platform, the first number of the version.
fn releasever(release: &Text) -> Option<String> {
    let assignments: Vec<String> = release.lines().flat_map(|(_, line)| words(line)).collect();
    let value =
        |name: &str| assignments.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let platform = value("PLATFORM_ID");
    let platform = platform.map(|id| id.trim_start_matches(|c: char| !c.is_ascii_digit()));
    let version = || value("VERSION_ID").and_then(|version| version.split('.').next());
    let number = platform.filter(|number| !number.is_empty()).or_else(version)?;
    Some(number.to_owned()).filter(|number| !number.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile, text};
    use super::*;

    const RELEASE: &str = "NAME=\"AlmaLinux\"\nVERSION=\"9.4 (Seafoam Ocelot)\"\nID=\"almalinux\"\n\
        ID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\nPLATFORM_ID=\"platform:el9\"\n";

    #[test]
    fn the_release_is_a_platforms_number_or_a_versions_first() {
        let of = |release: &str| releasever(&text("/etc/os-release", release));
        assert_eq!(of(RELEASE).unwrap(), "9");
        assert_eq!(of("VERSION_ID=40\nPLATFORM_ID=\"platform:f40\"\n").unwrap(), "40");
        assert_eq!(of("VERSION_ID=\"7\"\n").unwrap(), "7");
        assert_eq!(of("PLATFORM_ID=\"\"\nVERSION_ID=\"2023.5\"\n").unwrap(), "2023");
        assert_eq!(of("ID=arch\n"), None);
    }

    #[test]
    fn a_name_may_stand_in_braces() {
        let variables = RepositoryVariables::of_architecture("x86");
        assert_eq!(variables.expand("a/$basearch/${arch}x").unwrap(), "a/i386/i686x");
        let unknown = "its host has $x, and no file of /etc/dnf/vars says what that is";
        for host in ["${x}", "http://$x.example/", "http://a.$x/$arch"] {
            assert_eq!(variables.expand(host).unwrap_err(), unknown, "{host}");
        }
        assert!(variables.expand("${").is_err());
        assert!(variables.expand("$").is_err());
    }

    #[test]
    fn what_nobody_sets_stays_as_written_behind_the_host() {
        let variables = RepositoryVariables::of_architecture("x86");
        let address = "http://m.example/?arch=$basearch&infra=$infra&content=${contentdir}/$";
        let want = "http://m.example/?arch=i386&infra=$infra&content=${contentdir}/$";
        assert_eq!(variables.expand(address).unwrap(), want);
    }

    #[test]
    fn a_backslash_stays_part_of_the_address() {
        let variables = RepositoryVariables::of_architecture("x86");
        let address = r"http://m.example/el8/\$basearch/os";
        assert_eq!(variables.expand(address).unwrap(), "http://m.example/el8/%5Ci386/os");
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning("/etc/os-release", RELEASE, |text| {
            assert!(releasever(text).is_none_or(|release| release.len() == 1));
        });
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            text in hostile("/etc/os-release", RELEASE),
            address in "[${}a-z]{0,30}",
        ) {
            drop(releasever(&text));
            drop(RepositoryVariables::of_architecture("x86").expand(&address));
        }
    }
}
