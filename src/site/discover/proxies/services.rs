//! The variables of services: `Environment=` of units, their drop-ins and those for every
//! service (`service.d`), and `DefaultEnvironment=` of systemd itself.
//!
//! Settings add up, an empty one forgets those before, a percent sign is written twice; a file that is named with
//! `EnvironmentFile=` comes after them.
//!
//! Reference: systemd.exec(5), systemd.unit(5), systemd-system.conf(5).

use super::super::constructs::{Constructs, Reading};
use super::super::facts::ProxySetting;
use super::super::include::by_name;
use super::super::lines::{Continued, ini, words};
use super::super::{Facts, Files, Text};
use super::{MISSING, ProxyVariables, is_same};

/// The platform's services, its web server, and those that fetch packages by themselves.
const UNITS: [&str; 17] = [
    "gorgoned",
    "centengine",
    "cbd",
    "centreontrapd",
    "centreon",
    "httpd",
    "httpd24-httpd",
    "apache2",
    "nginx",
    "php-fpm",
    "php8.0-fpm",
    "php8.1-fpm",
    "php8.2-fpm",
    "php8.3-fpm",
    "php8.4-fpm",
    "dnf-makecache",
    "apt-daily",
];
/// systemd's folders; the first that has a file of a name is the one.
const FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const MANAGER: &str = "/etc/systemd/system.conf";
const MANAGER_FOLDERS: [&str; 4] = [
    "/etc/systemd/system.conf.d",
    "/run/systemd/system.conf.d",
    "/usr/local/lib/systemd/system.conf.d",
    "/usr/lib/systemd/system.conf.d",
];
/// Files that one unit names.
const MOST_FILES: usize = 8;

/// What of a unit sets its variables.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "systemd",
    files: "system.conf, units and drop-ins: variables",
    missing: MISSING,
    understood: &["DefaultEnvironment", "Environment", "EnvironmentFile"],
    noted: &[
        ("ManagerEnvironment", "sets variables of systemd itself"),
        ("PAMName", "sets variables by PAM"),
        ("PassEnvironment", "hands on variables of systemd itself"),
        ("UnsetEnvironment", "takes variables away"),
    ],
    aside: &[],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let mut paths = vec![MANAGER.to_owned()];
    paths.extend(by_name(files, &MANAGER_FOLDERS, ".conf", facts, MISSING));
    one(files, facts, "systemd", &paths, &[]);
    // Drop-ins for every service there is, ours and those that nobody listed here.
    let of_all = folders_of("service.d");
    let paths = by_name(files, &of_all.each_ref().map(String::as_str), ".conf", facts, MISSING);
    let before = facts.proxies.len();
    one(files, facts, "all services", &paths, &[]);
    let general: Vec<ProxySetting> = facts.proxies.get(before..).unwrap_or_default().to_vec();
    for unit in UNITS {
        let paths = paths_of(files, unit, facts);
        one(files, facts, unit, &paths, &general);
    }
}

fn folders_of(name: &str) -> [String; 5] {
    FOLDERS.map(|folder| format!("{folder}/{name}"))
}

/// The unit's file and its drop-ins, in the order they are read: by name, and of equal
/// names the unit's own.
fn paths_of(files: &Files, unit: &str, facts: &mut Facts) -> Vec<String> {
    let own = folders_of(&format!("{unit}.service"));
    let mut paths: Vec<String> =
        own.into_iter().find(|path| files.exists(path)).into_iter().collect();
    let folders = [folders_of(&format!("{unit}.service.d")), folders_of("service.d")];
    let folders: Vec<&str> = folders.iter().flatten().map(String::as_str).collect();
    paths.extend(by_name(files, &folders, ".conf", facts, MISSING));
    paths
}

/// What `paths` set, unless `general` says it already.
fn one(
    files: &Files,
    facts: &mut Facts,
    program: &str,
    paths: &[String],
    general: &[ProxySetting],
) {
    let mut found = UnitVariables::default();
    for path in paths {
        if let Some(text) = facts.text(files, path, MISSING) {
            parse(&text, &mut found);
            for entry in ini(&text, Continued::ByBackslash) {
                if matches!(CONSTRUCTS.reading(entry.key), Reading::Noted(_)) {
                    CONSTRUCTS.meet(entry.key, text.at(entry.line), facts);
                }
            }
        }
    }
    for path in &found.files {
        if let Some(text) = facts.text(files, path, MISSING) {
            for (line, content) in text.lines() {
                // No percent signs here: the file is not a unit's.
                set(&words(content), &text, line, &mut found.variables);
            }
        }
    }
    let mut settings = found.variables.settings(program, facts);
    settings.retain(|own| !general.iter().any(|all| all.at == own.at && is_same(all, own)));
    facts.proxies.extend(settings);
}

/// What units say so far.
#[derive(Default)]
struct UnitVariables {
    variables: ProxyVariables,
    files: Vec<String>,
}

fn parse(text: &Text, found: &mut UnitVariables) {
    for entry in ini(text, Continued::ByBackslash) {
        let is_empty = entry.value.is_empty() && !entry.continues;
        match (entry.section, entry.key) {
            ("Service", "Environment") | ("Manager", "DefaultEnvironment") => {
                if is_empty {
                    found.variables = ProxyVariables::default();
                }
                let unescaped = words(&entry.value.replace("%%", "%"));
                set(&unescaped, text, entry.line, &mut found.variables);
            }
            ("Service", "EnvironmentFile") if is_empty => found.files.clear(),
            ("Service", "EnvironmentFile") if found.files.len() < MOST_FILES => {
                found.files.push(entry.value.trim_start_matches('-').to_owned());
            }
            _ => {}
        }
    }
}

fn set(assignments: &[String], text: &Text, line: usize, variables: &mut ProxyVariables) {
    for word in assignments {
        if let Some((name, value)) = word.split_once('=') {
            variables.set(name, value.to_owned(), text.at(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile};
    use super::super::tests::found;
    use super::*;

    const DROP_IN: &str = "[Service]\n# the site's proxy\n\
        Environment=\"https_proxy=http://u:p%%40s@proxy:3128\" no_proxy=localhost,.corp.example\n\
        Environment='http_proxy=http://proxy:3128' \\\n  all_proxy=socks5://proxy:1080\n\
        EnvironmentFile=-/etc/sysconfig/gorgoned\n[Unit]\nEnvironment=http_proxy=x:1\n";

    #[test]
    fn a_drop_in_tells_the_proxy_of_its_service() {
        let path = "/etc/systemd/system/gorgoned.service.d/proxy.conf";
        let (proxies, notes) = found(&[(path, DROP_IN)]);
        let except = "[localhost .corp.example]";
        let want = [
            format!("gorgoned http http://proxy:3128/ {except} {path}:4"),
            format!("gorgoned https http://proxy:3128/ u:p@s {except} {path}:3"),
            format!("gorgoned all socks5://proxy:1080 {except} {path}:5"),
        ];
        assert_eq!((proxies, notes), (want.to_vec(), vec![]));
    }

    #[test]
    fn a_named_file_comes_after_the_unit() {
        let (proxies, _) = found(&[
            ("/etc/systemd/system/gorgoned.service.d/proxy.conf", DROP_IN),
            ("/etc/sysconfig/gorgoned", "# x\nOPTIONS=\"--severity=error\"\nhttps_proxy='b:2'\n"),
        ]);
        let at = "/etc/sysconfig/gorgoned:3";
        assert_eq!(
            proxies[1],
            format!("gorgoned https http://b:2/ [localhost .corp.example] {at}")
        );
    }

    #[test]
    fn a_drop_in_for_every_service_is_said_once_and_lost_against_a_units_own() {
        let general = "/etc/systemd/system/service.d/proxy.conf";
        let own = "/etc/systemd/system/cbd.service.d/z.conf";
        let (proxies, notes) = found(&[
            (general, "[Service]\nEnvironment=\"https_proxy=http://a:1\"\n"),
            ("/usr/lib/systemd/system/gorgoned.service", "[Service]\nPAMName=login\n"),
            (own, "[Service]\nEnvironment=https_proxy=http://b:2\n"),
        ]);
        let want = [
            format!("all services https http://a:1/ [] {general}:2"),
            format!("cbd https http://b:2/ [] {own}:2"),
        ];
        assert_eq!(proxies, want);
        let note = "`PAMName` sets variables by PAM, which is not read";
        assert_eq!(notes, [format!("/usr/lib/systemd/system/gorgoned.service:2: {note}")]);
    }

    #[test]
    fn an_empty_setting_forgets_those_before() {
        let (proxies, _) = found(&[
            ("/usr/lib/systemd/system/cbd.service", "[Service]\nEnvironment=http_proxy=a:1\n"),
            ("/etc/systemd/system/cbd.service.d/z.conf", "[Service]\nEnvironment=\n"),
            (
                "/etc/systemd/system.conf.d/p.conf",
                "[Manager]\nDefaultEnvironment=https_proxy=m:1\n",
            ),
        ]);
        assert_eq!(proxies, ["systemd https http://m:1/ [] /etc/systemd/system.conf.d/p.conf:2"]);
    }

    fn read_text(text: &Text) -> usize {
        let (mut found, mut facts) = (UnitVariables::default(), Facts::default());
        parse(text, &mut found);
        found.variables.settings("gorgoned", &mut facts).len()
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning("/etc/x.conf", DROP_IN, |text| assert!(read_text(text) <= 3));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/etc/x.conf", DROP_IN)) {
            prop_assert!(read_text(&text) <= 3);
        }
    }
}
