//! `--clapi`: asks Centreon's own command line for what only its database knows.
//!
//! It is run without user and password, which would show in the list of processes:
//! it takes them from `~/.centreonApi` (`USER:PASSWORD`, mode 400) of whoever runs
//! it (centreon, `bin/centreon`). What it prints is only read.

use std::io::Read;
use std::process::{Command, Stdio};

use super::discover::clapi::{directories, directory_names, machines, settings};
use super::discover::{At, Facts, Text};

/// Longest run of one question: the command line starts PHP and opens a database.
const PATIENCE: &str = "20";
/// What a command line of PHP needs of its environment.
const NEEDED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ"];
/// Bytes of one answer.
const MOST: u64 = 4 << 20;
/// Directories asked for their servers.
const MOST_DIRECTORIES: usize = 16;
const MISSING: &str = "the pollers, the directories and the proxy of the web interface";

/// Adds what the command line says to `facts`; what it does not say is a note.
pub(crate) fn ask_clapi(facts: &mut Facts) {
    match ask(&["-o", "INSTANCE", "-a", "show"]) {
        Ok(text) => machines(&text, facts),
        // The others would end the same way.
        Err(reason) => return facts.note(At::file("centreon"), reason, MISSING),
    }
    let mut more = |object: &[&str], list: fn(&Text, &mut Facts)| match ask(object) {
        Ok(text) => list(&text, facts),
        Err(reason) => facts.note(At::file("centreon"), reason, MISSING),
    };
    more(&["-o", "SETTINGS", "-a", "show"], settings);
    let names = ask(&["-o", "LDAP", "-a", "show"]).map(|text| directory_names(&text));
    for name in names.unwrap_or_default().iter().take(MOST_DIRECTORIES) {
        more(&["-o", "LDAP", "-a", "showserver", "-v", name], directories);
    }
}

/// Runs the command line, with a bound of time and of bytes.
fn ask(arguments: &[&str]) -> Result<Text, String> {
    let command = format!("centreon {}", arguments.join(" "));
    // A child's environment can be read by whoever may read this user's processes: it gets what
    // the command line needs, and none of the variables that hold secrets of ours.
    let needed = NEEDED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let mut run = Command::new("timeout")
        .args([PATIENCE, "centreon"])
        .args(arguments)
        .env_clear()
        .envs(needed)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("it cannot be run: {error}"))?;
    let mut printed = Vec::new();
    if let Some(out) = run.stdout.take() {
        let read = out.take(MOST).read_to_end(&mut printed);
        read.map_err(|error| format!("its answer cannot be read: {error}"))?;
    }
    let ended = run.wait().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&printed).into_owned();
    match ended.code() {
        Some(0) if text.contains(';') => Ok(Text { file: command.into(), text }),
        Some(124) => Err(format!("no answer within {PATIENCE} s")),
        Some(127) => Err("there is no such command: this is not a central".to_owned()),
        _ => Err("it wants a login: USER:PASSWORD in ~/.centreonApi, with mode 400".to_owned()),
    }
}
