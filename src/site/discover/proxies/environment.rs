//! The variables of a user's shell: `/etc/environment` and `/etc/profile.d/*.sh`.
//!
//! Of a script only plain assignments that are not indented: what stands in a function
//! or below a condition may never run. A later file wins.
//!
//! Reference: `pam_env(8)`, bash(1).

use super::super::include::list;
use super::super::lines::words;
use super::super::{Facts, Files, Text, Unread};
use super::{MISSING, Variables};

const FILE: &str = "/etc/environment";
const FOLDER: &str = "/etc/profile.d";

pub(super) fn read(files: &Files, facts: &mut Facts) -> Variables {
    let mut variables = Variables::default();
    let scripts = list(files, FOLDER, ".sh", facts, MISSING);
    let plain: (_, fn(&Text, &mut Variables, &mut Facts)) = (FILE.to_owned(), of_file);
    let scripts = scripts.into_iter().map(|path| (path, of_script as fn(&_, &mut _, &mut _)));
    for (path, parse) in [plain].into_iter().chain(scripts) {
        match files.read(&path) {
            Ok(text) => parse(&text, &mut variables, facts),
            Err(Unread::NotAFile) => {}
            Err(why) => facts.unread(&path, &why, MISSING),
        }
    }
    variables
}

/// As `pam_env` reads it: `NAME=value`, perhaps after `export`; no shell, so no escapes.
fn of_file(text: &Text, variables: &mut Variables, _: &mut Facts) {
    for (line, content) in text.lines() {
        let content = content.split('#').next().unwrap_or_default().trim();
        let content = content.strip_prefix("export ").unwrap_or(content);
        if let Some((name, value)) = content.split_once('=') {
            let value = value.trim().trim_matches(['"', '\'']);
            variables.set(name.trim(), value.to_owned(), text.at(line));
        }
    }
}

fn of_script(text: &Text, variables: &mut Variables, facts: &mut Facts) {
    for (line, content) in text.lines().filter(|(_, line)| !line.starts_with([' ', '\t'])) {
        let words = words(content);
        let mut words = words.iter().map(|word| word.trim_end_matches(';')).peekable();
        if words.next_if_eq(&"unset").is_some() {
            for name in words {
                variables.by_name.remove(name);
            }
            continue;
        }
        words.next_if_eq(&"export");
        // The first word that is no assignment is a command, or a name to export.
        for (name, value) in words.map_while(|word| word.split_once('=')) {
            match resolved(value, variables) {
                Some(value) => variables.set(name, value, text.at(line)),
                None if Variables::knows(name) => {
                    let reason = format!("{name} is computed by the script, which is not run");
                    facts.note(text.at(line), reason, MISSING);
                }
                None => {}
            }
        }
    }
}

/// The value, or that of the one variable it consists of; none when a shell had to work it out.
fn resolved(value: &str, variables: &Variables) -> Option<String> {
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
        assert_eq!((proxies, notes), (want.to_vec(), vec![]));
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
        let (mut variables, mut facts) = (Variables::default(), Facts::default());
        of_file(text, &mut variables, &mut facts);
        of_script(text, &mut variables, &mut facts);
        variables.settings("environment", &mut facts).len()
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
