//! The variables of a user's shell: `pam_env.conf`, `/etc/environment`, `/etc/profile` and
//! `/etc/profile.d/*.sh`; and those of a user's services, `environment.d`.
//!
//! A later file wins.
//!
//! Reference: `pam_env(8)`, `pam_env.conf(5)`, environment.d(5).

use super::super::include::{by_name, list};
use super::super::lines::words;
use super::super::{Facts, Files, Text};
use super::script::ShellVariables;
use super::{MISSING, ProxyVariables};

const PAM: &str = "/etc/security/pam_env.conf";
const FILE: &str = "/etc/environment";
const PROFILE: &str = "/etc/profile";
const FOLDER: &str = "/etc/profile.d";
/// The first that has a file of a name is the one; all in the order of their names.
const USERS: [&str; 4] = [
    "/etc/environment.d",
    "/run/environment.d",
    "/usr/local/lib/environment.d",
    "/usr/lib/environment.d",
];

/// What a file of one form adds to the variables.
type Parse = fn(&Text, &mut ProxyVariables, &mut Facts);

pub(super) fn read(files: &Files, facts: &mut Facts) -> ProxyVariables {
    let mut variables = ProxyVariables::default();
    let plain: [(&str, Parse); 2] = [(PAM, of_pam), (FILE, of_file)];
    for (path, parse) in plain {
        if let Some(text) = facts.text(files, path, MISSING) {
            parse(&text, &mut variables, facts);
        }
    }
    let mut shell = ShellVariables::new(variables);
    let scripts = list(files, FOLDER, ".sh", facts, MISSING);
    for path in [PROFILE.to_owned()].iter().chain(&scripts) {
        if let Some(text) = facts.text(files, path, MISSING) {
            shell.source(&text, files, facts);
        }
    }
    shell.environment(facts)
}

/// Is it a file that `pam_env` reads in every session?
pub(super) fn is_of_pam(file: &str) -> bool {
    [PAM, FILE].contains(&file)
}

/// The variables of services that a user has, as `environment.d` sets them.
pub(super) fn of_users(files: &Files, facts: &mut Facts) -> ProxyVariables {
    let mut variables = ProxyVariables::default();
    for path in by_name(files, &USERS, ".conf", facts, MISSING) {
        let Some(text) = facts.text(files, &path, MISSING) else { continue };
        for (line, content) in text.lines().filter(|(_, line)| !line.starts_with('#')) {
            let Some((name, value)) = content.split_once('=') else { continue };
            let value = words(value).join(" ");
            assign(name.trim(), &value, (&text, line), &mut variables, facts);
        }
    }
    variables
}

/// Sets a variable whose value may be another's; what nobody can tell without running it is noted.
fn assign(
    name: &str,
    value: &str,
    (text, line): (&Text, usize),
    variables: &mut ProxyVariables,
    facts: &mut Facts,
) {
    match resolved(value, variables) {
        Some(value) => variables.set(name, value, text.at(line)),
        None if ProxyVariables::knows(name) => {
            let reason = format!("{name} is computed from other variables, which are not known");
            facts.note(text.at(line), reason, MISSING);
        }
        None => {}
    }
}

/// `NAME DEFAULT=value OVERRIDE=value`: what stands behind OVERRIDE counts, if it is anything.
fn of_pam(text: &Text, variables: &mut ProxyVariables, facts: &mut Facts) {
    for (line, content) in text.lines() {
        let words = words(content);
        let Some((name, settings)) = words.split_first() else { continue };
        let of = |key: &str| settings.iter().find_map(|word| word.strip_prefix(key));
        let value = of("OVERRIDE=").filter(|value| !value.is_empty()).or_else(|| of("DEFAULT="));
        if let Some(value) = value {
            assign(name, value, (text, line), variables, facts);
        }
    }
}

/// As `pam_env` reads it: `NAME=value`, perhaps after `export`; no shell, so no escapes.
fn of_file(text: &Text, variables: &mut ProxyVariables, facts: &mut Facts) {
    for (line, content) in text.lines() {
        let content = content.split('#').next().unwrap_or_default().trim();
        let content = content.strip_prefix("export ").unwrap_or(content);
        if let Some((name, value)) = content.split_once('=') {
            let value = value.trim().trim_matches(['"', '\'']);
            let name = name.trim();
            if ProxyVariables::knows(name) && value.contains('$') {
                let reason = format!("no shell reads this file: the `$` in {name} stays as it is");
                facts.note(text.at(line), reason, MISSING);
                continue;
            }
            variables.set(name, value.to_owned(), text.at(line));
        }
    }
}

/// The value, or that of the one variable it consists of; none when a shell had to work it out.
fn resolved(value: &str, variables: &ProxyVariables) -> Option<String> {
    if !value.contains(['$', '`']) {
        return Some(value.to_owned());
    }
    let name = value.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let (value, _) = variables.by_name.get(name)?;
    Some(value.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile};
    use super::super::tests::found;
    use super::*;

    const SCRIPT: &str = "# Proxy of the site\nexport http_proxy=\"http://u:p%40ss@proxy:3128/\"\n\
        export https_proxy=$http_proxy HTTPS_PROXY=${http_proxy}\n\
        no_proxy='localhost,127.0.0.1,.corp.example'; export no_proxy\n\
        PATH=$PATH:/opt/bin\nif [ -n \"$X\" ]; then\n  export http_proxy=other:1\nfi\n";

    #[test]
    fn plain_assignments_of_a_script_count() {
        let (proxies, notes) = found(&[("/etc/profile.d/proxy.sh", SCRIPT)]);
        let except = "[localhost 127.0.0.1 .corp.example]";
        let at = "/etc/profile.d/proxy.sh";
        let want = [
            format!("environment http http://proxy:3128/ u:p@ss {except} {at}:2"),
            format!("environment https http://proxy:3128/ u:p@ss {except} {at}:3"),
        ];
        let note = "the script sets http_proxy under a condition, which is not run";
        assert_eq!((proxies, notes), (want.to_vec(), vec![format!("{at}:7: {note}")]));
    }

    #[test]
    fn pam_comes_before_the_environment_file_and_users_services_have_their_own() {
        let pam = "# x\nhttp_proxy\tDEFAULT=http://192.0.2.81:3128\n\
            https_proxy DEFAULT=http://a:1 OVERRIDE=http://b:2\nno_proxy DEFAULT=${HOST}\n";
        let (proxies, notes) = found(&[
            (PAM, pam),
            (FILE, "http_proxy=http://c:3\n"),
            ("/etc/environment.d/10-p.conf", "# x\nhttps_proxy=\"http://d:4\"\nA=$https_proxy\n"),
            ("/usr/lib/environment.d/10-p.conf", "https_proxy=http://never:4\n"),
        ]);
        let want = [
            "environment http http://c:3/ [] /etc/environment:1".to_owned(),
            format!("environment https http://b:2/ [] {PAM}:3"),
            "services of users https http://d:4/ [] /etc/environment.d/10-p.conf:2".to_owned(),
        ];
        assert_eq!(proxies, want);
        let note = "no_proxy is computed from other variables, which are not known";
        assert_eq!(notes, [format!("{PAM}:4: {note}")]);
    }

    #[test]
    fn the_environment_file_is_no_script() {
        let (proxies, notes) = found(&[
            (
                FILE,
                "# x\nhttps_proxy=\"http://proxy:3128\" # y\nexport no_proxy='a,b'\nPATH=/bin\n",
            ),
            ("/etc/profile.d/a.csh", "setenv http_proxy x:1\n"),
        ]);
        assert_eq!(proxies, ["environment https http://proxy:3128/ [a b] /etc/environment:2"]);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn a_later_file_wins_and_may_take_back() {
        let (proxies, _) = found(&[
            (FILE, "http_proxy=a:1\nhttps_proxy=a:1\n"),
            ("/etc/profile.d/a.sh", "export https_proxy=b:2\n"),
            ("/etc/profile.d/b.sh", "unset http_proxy;\n"),
        ]);
        assert_eq!(proxies, ["environment https http://b:2/ [] /etc/profile.d/a.sh:1"]);
    }

    #[test]
    fn a_computed_value_is_noted() {
        let script = "export https_proxy=http://$USER:$(cat /x)@proxy:1\nA=$(x)\n";
        let (proxies, notes) = found(&[("/etc/profile.d/p.sh", script)]);
        assert!(proxies.is_empty());
        let note = "https_proxy is computed by the script, which is not run";
        assert_eq!(notes, [format!("/etc/profile.d/p.sh:1: {note}")]);
    }

    fn read_both(text: &Text) -> usize {
        let (mut variables, mut facts) = (ProxyVariables::default(), Facts::default());
        of_file(text, &mut variables, &mut facts);
        let mut shell = ShellVariables::new(variables);
        shell.source(text, &Files::here(), &mut facts);
        shell.environment(&mut facts).settings("environment", &mut facts).len()
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(FILE, SCRIPT, |text| assert!(read_both(text) <= 3));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(FILE, SCRIPT)) {
            prop_assert!(read_both(&text) <= 3);
        }
    }
}
