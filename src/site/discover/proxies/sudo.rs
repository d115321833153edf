//! What sudo leaves of the variables that a login has: installing by `sudo dnf` needs them.
//!
//! sudo starts with an empty environment and hands on what `env_keep` names, or of `env_check`
//! what is harmless; with `!env_reset` all but what `env_delete` names. What `pam_env` sets in
//! sudo's own session comes back.
//!
//! Reference: sudoers(5), Command environment; `pam_env(8)`.

use super::super::constructs::Constructs;
use super::super::include::{Included, fits, list};
use super::super::{At, Facts, Files, Text};
use super::{MISSING, ProxyVariables, environment};

const FILE: &str = "/etc/sudoers";
const SESSION: &str = "/etc/pam.d/sudo";
const SESSIONS: &str = "/etc/pam.d";
/// Names of one list, and lists that are for some only.
const MOST_NAMES: usize = 256;

/// What of sudo's settings takes a variable away, or sets one.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "sudo",
    files: "sudoers, sudoers.d: Defaults",
    missing: MISSING,
    understood: &["env_check", "env_delete", "env_keep", "env_reset"],
    noted: &[
        ("env_file", "sets variables from another file"),
        ("restricted_env_file", "sets variables from another file"),
    ],
    aside: &["env_editor"],
};

/// Notes which of a login's variables sudo takes away.
pub(super) fn note_lost(files: &Files, variables: &ProxyVariables, facts: &mut Facts) {
    let used = used(variables);
    if used.is_empty() || !files.exists(FILE) {
        return;
    }
    let mut sudo = Sudo { is_reset: true, ..Sudo::default() };
    sudo.read(FILE, files, &mut Included::default(), facts);
    let comes_back = sets_environment(files, SESSION, &mut Included::default(), facts);
    let lost = used.into_iter().filter(|(name, value, at)| {
        let is_of_pam = environment::is_of_pam(&at.file);
        !(sudo.passes(name, value) || comes_back && is_of_pam)
    });
    let lost: Vec<_> = lost.collect();
    let Some((_, _, at)) = lost.first() else { return };
    let names: Vec<&str> = lost.iter().map(|(name, ..)| *name).collect();
    let names = names.join(", ");
    let is_for_some = lost.iter().any(|(name, value, _)| matches(&sudo.for_some, name, value));
    let reason = if is_for_some {
        format!("sudo hands on {names} for some users, hosts or commands only (env_keep)")
    } else {
        format!("sudo takes {names} away: no env_keep in {FILE} names it")
    };
    facts.note((*at).clone(), reason, "what programs started by sudo use");
}

/// The variables that count, each with its value and place.
fn used(variables: &ProxyVariables) -> Vec<(&'static str, &str, &At)> {
    let pairs = [
        ("http_proxy", None),
        ("https_proxy", Some("HTTPS_PROXY")),
        ("all_proxy", Some("ALL_PROXY")),
        ("no_proxy", Some("NO_PROXY")),
    ];
    let one = |(small, capitals): (&'static str, Option<&'static str>)| {
        let name = [Some(small), capitals].into_iter().flatten();
        let mut set = name.filter_map(|name| Some((name, variables.value(name)?)));
        set.next().map(|(name, (value, at))| (name, value.as_str(), at))
    };
    pairs.into_iter().filter_map(one).collect()
}

#[derive(Default)]
struct Sudo {
    is_reset: bool,
    keep: Vec<String>,
    check: Vec<String>,
    delete: Vec<String>,
    /// Kept for some users, hosts or commands.
    for_some: Vec<String>,
}

impl Sudo {
    fn passes(&self, name: &str, value: &str) -> bool {
        let is_harmless = !value.contains(['/', '%']);
        let is_checked = matches(&self.check, name, value);
        if self.is_reset {
            matches(&self.keep, name, value) || is_checked && is_harmless
        } else {
            !matches(&self.delete, name, value) && (!is_checked || is_harmless)
        }
    }

    fn read(&mut self, path: &str, files: &Files, included: &mut Included, facts: &mut Facts) {
        let Some(text) = included.open(files, path, facts, MISSING) else { return };
        for (line, content) in joined(&text) {
            let content = content.trim_start();
            let directive = content.strip_prefix(['#', '@']).and_then(|rest| {
                let (word, path) = rest.split_once([' ', '\t'])?;
                Some((word, path.trim().trim_matches('"')))
            });
            match directive {
                Some(("include", path)) => {
                    self.read(&absolute(path), files, included, facts);
                }
                Some(("includedir", folder)) => {
                    let paths = list(files, &absolute(folder), "", facts, MISSING);
                    for path in paths.iter().filter(|path| is_read(path)) {
                        self.read(path, files, included, facts);
                    }
                }
                _ => {
                    if let Some(rest) = content.strip_prefix("Defaults") {
                        self.defaults(rest, &text.at(line), facts);
                    }
                }
            }
        }
    }

    /// What stands behind `Defaults`, which may be for some users, hosts or commands.
    fn defaults(&mut self, rest: &str, at: &At, facts: &mut Facts) {
        let (scope, settings) = match rest.split_at_checked(1) {
            Some((":" | "@" | "!" | ">", _)) => rest.split_once([' ', '\t']).unwrap_or((rest, "")),
            Some((" " | "\t", settings)) => ("", settings),
            _ => return,
        };
        let is_for_all = scope.is_empty() || [":ALL", "@ALL", ">ALL"].contains(&scope);
        for setting in settings_of(settings) {
            let (name, value) = setting.split_once('=').unwrap_or((&setting, ""));
            let (name, is_off) = match name.trim().strip_prefix('!') {
                Some(name) => (name.trim(), true),
                None => (name.trim(), false),
            };
            let (name, sign) = match name.strip_suffix(['+', '-']) {
                Some(bare) => (bare.trim(), name.chars().last()),
                None => (name, None),
            };
            if name.starts_with("env_") || name == "restricted_env_file" {
                CONSTRUCTS.meet(name, at.clone(), facts);
            }
            let value = value.trim().trim_matches('"');
            if !is_for_all {
                if name == "env_keep" && sign != Some('-') {
                    add(&mut self.for_some, value);
                }
                continue;
            }
            let list = match name {
                "env_reset" => {
                    self.is_reset = !is_off;
                    continue;
                }
                "env_keep" => &mut self.keep,
                "env_check" => &mut self.check,
                "env_delete" => &mut self.delete,
                _ => continue,
            };
            match sign {
                Some('-') => list.retain(|known| !value.split_whitespace().any(|it| it == known)),
                Some(_) => add(list, value),
                None => {
                    list.clear();
                    if !is_off {
                        add(list, value);
                    }
                }
            }
        }
    }
}

fn add(list: &mut Vec<String>, value: &str) {
    let room = MOST_NAMES.saturating_sub(list.len());
    list.extend(value.split_whitespace().take(room).map(str::to_owned));
}

/// Does a name, `*` in it included, or a `name=value` of the list fit?
fn matches(list: &[String], name: &str, value: &str) -> bool {
    list.iter().any(|pattern| {
        if pattern.contains('=') {
            fits(pattern, &format!("{name}={value}"))
        } else {
            fits(pattern, name)
        }
    })
}

/// Lines, those that end with a backslash joined with the next.
fn joined(text: &Text) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (line, content) in text.lines() {
        let (content, more) = match content.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (content, false),
        };
        match lines.last_mut() {
            Some((_, before)) if goes_on => before.push_str(content),
            _ => lines.push((line, content.to_owned())),
        }
        goes_on = more;
    }
    lines
}

/// The settings between the commas outside quotes, up to a comment.
fn settings_of(text: &str) -> Vec<String> {
    let (mut settings, mut is_quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            '#' if !is_quoted => break,
            ',' if !is_quoted => settings.push(String::new()),
            c => {
                is_quoted ^= c == '"';
                if let Some(last) = settings.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    settings
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/etc/{path}") }
}

/// sudo passes over the files of a folder that end with `~` or have a dot in their name.
fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !name.contains('.') && !name.ends_with('~')
}

/// Does a session of sudo's set the variables of `/etc/environment` and `pam_env.conf`?
fn sets_environment(files: &Files, path: &str, included: &mut Included, facts: &mut Facts) -> bool {
    if !files.exists(path) {
        return false;
    }
    let Some(text) = included.open(files, path, facts, MISSING) else { return false };
    text.lines().any(|(_, line)| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("@include"), Some(file), _)
            | (Some(_), Some("include" | "substack"), Some(file)) => {
                sets_environment(files, &format!("{SESSIONS}/{file}"), included, facts)
            }
            (Some(kind), ..) if kind.starts_with('#') => false,
            _ => line.split_whitespace().any(|word| word.ends_with("pam_env.so")),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use proptest::prelude::*;

    use super::super::super::testing::{hostile, program, tree};
    use super::*;

    const VARIABLES: [(&str, &str); 4] = [
        ("http_proxy", "http://a:1"),
        ("https_proxy", "http://a:2"),
        ("no_proxy", "localhost"),
        ("all_proxy", "b"),
    ];
    const FOLDER: [(&str, &str); 3] = [
        ("/etc/sudoers.d/a.b", "Defaults env_keep += \"https_proxy\"\n"),
        ("/etc/sudoers.d/ok", "Defaults env_keep += \"no_proxy\"\n"),
        ("/etc/sudoers.d/t~", "Defaults env_keep += \"http_proxy\"\n"),
    ];
    const LAST: &str = "\nroot ALL=(ALL) ALL\n";

    /// The variables that sudo itself hands on, by their names, with each of these files.
    fn theirs(all: &[String]) -> Vec<Vec<String>> {
        let (dir, _files) = tree(&FOLDER);
        let below = |name: &str| dir.path().join(name);
        fs::create_dir(below("cases")).unwrap();
        for (index, sudoers) in all.iter().enumerate() {
            fs::write(below(&format!("cases/{index}")), sudoers).unwrap();
        }
        let sudo = program("sudo");
        // The modules are copied before the folder they may come from is covered.
        let modules = sudo.ancestors().nth(3).unwrap().join("usr/libexec/sudo");
        let copied = Command::new("cp").arg("-a").arg(&modules).arg(below("modules")).status();
        assert!(copied.unwrap().success(), "{}", modules.display());
        let own = "mount -t tmpfs none /usr/libexec; cp -a \"$0/modules\" /usr/libexec/sudo
            mkdir \"$0/etc/pam.d\"; cp /etc/passwd /etc/group /etc/shadow \"$0/etc\"
            for kind in session auth account; do echo \"$kind required pam_permit.so\"; done > \"$0/etc/pam.d/sudo\"
            chown -R 0:0 \"$0/etc\"; chmod 440 \"$0\"/etc/sudoers.d/*; mount --bind \"$0/etc\" /etc
            for case in \"$0\"/cases/*; do
                install -m 440 \"$case\" /etc/sudoers; \"$1\" -n env > \"$case.said\"
            done";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net", "sh", "-c", own]).arg(dir.path()).arg(sudo);
        let clean = command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = clean.envs(VARIABLES).output().unwrap();
        let one = |index: usize| {
            let said = fs::read_to_string(below(&format!("cases/{index}.said"))).unwrap();
            let wrong = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("SUDO_USER"), "{}: {wrong}", all[index]);
            let has = |name: &str| said.lines().any(|line| line.split('=').next() == Some(name));
            let names = VARIABLES.iter().map(|(name, _)| *name).filter(|name| has(name));
            names.map(str::to_owned).collect()
        };
        (0..all.len()).map(one).collect()
    }

    fn ours(sudoers: &str) -> Vec<String> {
        let (_dir, files) = tree(&[&FOLDER[..], &[(FILE, sudoers)]].concat());
        let mut sudo = Sudo { is_reset: true, ..Sudo::default() };
        sudo.read(FILE, &files, &mut Included::default(), &mut Facts::default());
        let passed = VARIABLES.iter().filter(|(name, value)| {
            sudo.passes(name, value) || matches(&sudo.for_some, name, value)
        });
        passed.map(|(name, _)| (*name).to_owned()).collect()
    }

    #[test]
    fn sudo_hands_on_what_it_is_told_to_keep() {
        let all = [
            "",
            "Defaults env_keep += \"http_proxy\"",
            "Defaults env_keep += http_proxy",
            "Defaults\tenv_keep = \"http_proxy\"",
            "Defaults  env_keep+=\"*_proxy\"",
            "Defaults env_keep += \"http_proxy https_proxy\",env_reset",
            "Defaults env_reset, env_keep += \"http_proxy\tno_proxy\"",
            "Defaults env_keep += \"http_proxy,https_proxy\"",
            "Defaults !env_reset",
            "Defaults !env_reset\nDefaults env_check += \"http_proxy all_proxy\"",
            "Defaults !env_reset\nDefaults env_delete += \"http_proxy\"",
            "Defaults env_check += \"http_proxy no_proxy\"",
            "Defaults env_keep += \"http_proxy no_proxy\"\nDefaults env_keep -= \"http_proxy\"",
            "Defaults env_keep += \"http_proxy\"\nDefaults env_keep = \"no_proxy\"",
            "Defaults env_keep += \"http_proxy\"\nDefaults !env_keep",
            "Defaults env_keep += \\\n\"http_proxy\"",
            "Defaults env_keep += \"http_proxy\" # and no more, \"no_proxy\"",
            "Defaults env_keep += \"http_proxy=http*\"",
            "Defaults env_keep += \"http_proxy=socks*\"",
            "# Defaults env_keep += \"http_proxy\"",
            "Defaults:ALL env_keep += \"http_proxy\"",
            "Defaults:root env_keep += \"http_proxy\"",
            "Defaults!/usr/bin/env env_keep += \"http_proxy\"",
            "@includedir /etc/sudoers.d",
            "#includedir /etc/sudoers.d",
            "#includedir sudoers.d",
            "@include /etc/sudoers.d/a.b",
            "@includedir /etc/none",
        ];
        let all = all.map(|sudoers| format!("{sudoers}{LAST}"));
        for (sudoers, theirs) in all.iter().zip(theirs(&all)) {
            assert_eq!(ours(sudoers), theirs, "{sudoers}");
        }
    }

    /// The notes of a machine with this `/etc/sudoers`, whose proxies two files set.
    fn notes(sudoers: &str, session: &str) -> Vec<String> {
        let (_dir, files) = tree(&[
            ("/etc/environment", "https_proxy=http://a:2\n"),
            ("/etc/profile.d/p.sh", "export http_proxy=http://a:1 NO_PROXY=localhost\n"),
            (FILE, sudoers),
            (SESSION, session),
            ("/etc/pam.d/common", "# pam_env.so\nsession required pam_env.so readenv=1\n"),
        ]);
        let mut facts = Facts::default();
        super::super::read(&files, [], &mut facts);
        facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason)).collect()
    }

    #[test]
    fn what_sudo_takes_away_is_noted_once() {
        let lost = |names: &str| format!("sudo takes {names} away: no env_keep in {FILE} names it");
        let at = "/etc/profile.d/p.sh:1";
        assert_eq!(notes("", ""), [format!("{at}: {}", lost("http_proxy, https_proxy, NO_PROXY"))]);
        for session in ["@include common\n", "session include common\n"] {
            assert_eq!(notes("", session), [format!("{at}: {}", lost("http_proxy, NO_PROXY"))]);
        }
        let all = "Defaults env_keep += \"*_proxy *_PROXY\"\n";
        assert_eq!(notes(all, ""), Vec::<String>::new());
        let some = "Defaults:admin env_keep += \"*_proxy *_PROXY\"\n";
        let only = "sudo hands on http_proxy, https_proxy, NO_PROXY for some users, hosts or commands only (env_keep)";
        assert_eq!(notes(some, ""), [format!("{at}: {only}")]);
        let file = format!("{all}Defaults env_file=/etc/sudo.env, env_teleport\n");
        assert_eq!(
            notes(&file, ""),
            [
                format!("{FILE}:2: `env_file` sets variables from another file, which is not read"),
                format!(
                    "{FILE}:2: `env_teleport` is nothing of sudo that preflight knows; it may move a peer"
                ),
            ]
        );
    }

    #[test]
    fn files_that_include_each_other_end() {
        let (dir, files) = tree(&[(FILE, "@include /etc/sudoers.d/a\n@include /etc/sudoers\n")]);
        fs::create_dir_all(dir.path().join("etc/sudoers.d")).unwrap();
        fs::write(dir.path().join("etc/sudoers.d/a"), "@include /etc/sudoers\n").unwrap();
        let mut sudo = Sudo::default();
        sudo.read(FILE, &files, &mut Included::default(), &mut Facts::default());
        assert!(sudo.keep.is_empty());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            text in hostile(FILE, "Defaults:a env_keep += \"a b\", !env_reset\\\n@include x\n"),
        ) {
            let mut sudo = Sudo::default();
            for (line, content) in joined(&text) {
                let rest = content.strip_prefix("Defaults").unwrap_or(&content);
                sudo.defaults(rest, &text.at(line), &mut Facts::default());
            }
            prop_assert!(sudo.keep.len() <= MOST_NAMES);
        }
    }
}
