//! Completion of commands, flags and values by the shell.
//!
//! The shell asks the program itself, so what it offers is what this version knows: flows, causes, profiles, and the
//! machines of the site file that stands on the command line.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::help::declared;
use crate::catalogue::{Catalogue, profile_names};

/// A shell that can be told.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Shell {
    /// Bash 4 or later
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
}

/// How a shell comes to know it.
pub(super) const HOW: &str = "\
bash: preflight completions bash > /etc/bash_completion.d/preflight
zsh:  preflight completions zsh > /usr/share/zsh/site-functions/_preflight
fish: preflight completions fish > ~/.config/fish/completions/preflight.fish";

/// The variable of the environment by which a shell asks.
const ASKS: &str = "PREFLIGHT_COMPLETE";

/// What only the rest of the program knows.
#[derive(Clone, Copy)]
pub(crate) struct CompletionWords {
    /// The codes of `explain`, each with a sentence.
    pub(crate) causes: fn() -> Vec<(&'static str, String)>,
    /// The machines of a site file; none if it cannot be read.
    pub(crate) machines: fn(&Path) -> Vec<String>,
    /// The formats of a run.
    pub(crate) formats: &'static [&'static str],
}

/// Answers a shell, if it is one that asks.
///
/// # Errors
///
/// A shell there is not, or one that no longer listens.
pub(crate) fn complete(words: &[OsString], known: CompletionWords) -> Result<bool, String> {
    let folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(move || with_values(declared(), known))
        .var(ASKS)
        .bin("preflight")
        .completer("preflight")
        .try_complete(words, folder.as_deref())
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// The script that a shell reads.
///
/// # Errors
///
/// What the writer says, which writes to memory.
pub(crate) fn script(shell: Shell) -> std::io::Result<Vec<u8>> {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let completer = shells.completer(name);
    let mut script = Vec::new();
    if let Some(completer) = completer {
        completer.write_registration(ASKS, "preflight", "preflight", "preflight", &mut script)?;
    }
    Ok(script)
}

/// Each flag with the values that this program knows.
fn with_values(command: Command, known: CompletionWords) -> Command {
    let command = command.mut_args(move |arg| {
        let completer = match arg.get_id().as_str() {
            "only" | "skip" | "optional" | "require" | "until_installed" => {
                ArgValueCompleter::new(|typed: &OsStr| listed(typed, flows()))
            }
            "port" => ArgValueCompleter::new(|typed: &OsStr| {
                listed(typed, flows().into_iter().map(|(id, why)| (format!("{id}="), why)))
            }),
            "profile" => ArgValueCompleter::new(|typed: &OsStr| listed(typed, profiles())),
            "role" => ArgValueCompleter::new(|typed: &OsStr| listed(typed, roles())),
            "group" => ArgValueCompleter::new(|typed: &OsStr| listed(typed, groups())),
            "machine" => ArgValueCompleter::new(move |typed: &OsStr| {
                listed(typed, machines(known).into_iter().map(|name| (name, String::new())))
            }),
            "subject" => ArgValueCompleter::new(move |typed: &OsStr| {
                let causes = (known.causes)();
                listed(typed, causes.into_iter().map(|(code, said)| (code.to_owned(), said)))
            }),
            "format" => ArgValueCompleter::new(move |typed: &OsStr| {
                let formats = known.formats.iter();
                listed(typed, formats.map(|name| ((*name).to_owned(), String::new())))
            }),
            "command" => ArgValueCompleter::new(|typed: &OsStr| {
                let program = declared();
                let names = program.get_subcommands().map(|command| command.get_name().to_owned());
                listed(typed, names.map(|name| (name, String::new())).collect::<Vec<_>>())
            }),
            _ => return arg,
        };
        arg.add(completer)
    });
    command.mut_subcommands(move |command| with_values(command, known))
}

/// Those that begin with what is typed, behind its last comma.
fn listed(
    typed: &OsStr,
    values: impl IntoIterator<Item = (String, String)>,
) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let (before, begun) = match typed.rsplit_once(',') {
        Some((before, begun)) => (format!("{before},"), begun),
        None => (String::new(), typed.as_ref()),
    };
    let fits = values.into_iter().filter(|(value, _)| value.starts_with(begun));
    fits.map(|(value, why)| {
        let candidate = CompletionCandidate::new(format!("{before}{value}"));
        candidate.help((!why.is_empty()).then(|| why.into()))
    })
    .collect()
}

fn tables() -> impl Iterator<Item = Catalogue> {
    profile_names().into_iter().filter_map(Catalogue::profile)
}

/// All flows, each with what breaks without it.
fn flows() -> Vec<(String, String)> {
    let mut flows: Vec<(String, String)> = tables()
        .flat_map(|table| table.flows)
        .map(|flow| (flow.id.into_inner(), flow.why))
        .collect();
    flows.sort();
    flows.dedup_by(|one, other| one.0 == other.0);
    flows
}

fn profiles() -> Vec<(String, String)> {
    tables().map(|table| (table.profile, table.title)).collect()
}

fn roles() -> Vec<(String, String)> {
    let mut roles: Vec<String> =
        tables().flat_map(|table| table.roles).map(|role| role.to_string()).collect();
    roles.sort();
    roles.dedup();
    roles.into_iter().map(|role| (role, String::new())).collect()
}

fn groups() -> Vec<(String, String)> {
    let mut groups: Vec<String> =
        tables().flat_map(|table| table.groups).map(|group| group.id).collect();
    groups.sort();
    groups.dedup();
    groups.into_iter().map(|group| (group, String::new())).collect()
}

/// The machines of the site file that was typed.
fn machines(known: CompletionWords) -> Vec<String> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let behind = words.windows(2).find_map(|pair| match pair {
        [flag, file] if flag == "--site" => Some(PathBuf::from(file)),
        _ => None,
    });
    let within =
        || words.iter().find_map(|word| word.to_str()?.strip_prefix("--site=").map(PathBuf::from));
    behind.or_else(within).map(|file| (known.machines)(&file)).unwrap_or_default()
}
