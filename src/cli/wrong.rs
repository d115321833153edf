//! What is wrong with a command line, said as the rest of the program says it.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use preflight_checks::{discreet_value, printable, quoted};

use crate::catalogue::PARTIES;

/// Why a command line is not a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// Help was asked for: the page, with the escapes of a terminal.
    #[error("{0}")]
    Help(String),
    /// It cannot be understood.
    #[error("{place}: {reason}")]
    Wrong {
        /// The flag or word.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Other words for what a flag is about; those for peers stand in their table.
const MEANT: [(&str, &str); 11] = [
    ("address", "--from"),
    ("bind", "--from"),
    ("community", "--snmp-community-file"),
    ("config", "--site"),
    ("exclude", "--skip"),
    ("interface", "--from"),
    ("mode", "--file-mode"),
    ("output", "--format"),
    ("permissions", "--file-mode"),
    ("snmp-community", "--snmp-community-file"),
    ("source", "--from"),
];

/// clap's error in our own words; what was typed is repeated without what may be a secret.
pub(super) fn said(error: &clap::Error, words: &[OsString]) -> UsageError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(shown(text)),
        Some(ContextValue::Strings(texts)) => {
            Some(texts.iter().map(|text| shown(text)).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    };
    let arg = text(ContextKind::InvalidArg);
    let (place, reason) = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return UsageError::Help(error.render().ansi().to_string());
        }
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => {
            let typed = arg.or_else(|| text(ContextKind::InvalidSubcommand)).unwrap_or_default();
            unknown(&typed, text(ContextKind::SuggestedArg), words)
        }
        ErrorKind::ArgumentConflict => {
            let prior = text(ContextKind::PriorArg).unwrap_or_else(|| "what is there".to_owned());
            if let Some(word) = text(ContextKind::InvalidSubcommand).filter(|_| arg.is_none()) {
                let (place, reason) = unknown(&word, None, words);
                return UsageError::Wrong { place, reason };
            }
            let arg = arg.unwrap_or_default();
            if prior == arg {
                (flag(&arg), "is given twice".to_owned())
            } else {
                (flag(&arg), format!("cannot be used with {}", flag(&prior)))
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = arg.unwrap_or_default();
            ("usage".to_owned(), format!("{missing} is missing"))
        }
        ErrorKind::InvalidValue => {
            let arg = arg.unwrap_or_default();
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let known = text(ContextKind::ValidValue).filter(|known| !known.is_empty());
            let reason = match known {
                Some(known) if value.is_empty() => format!("a value is missing: {known}"),
                Some(known) => format!("unknown value {}; known are {known}", quoted(&value)),
                None => format!("a value is missing: {arg}"),
            };
            (flag(&arg), reason)
        }
        ErrorKind::ValueValidation => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let why = std::error::Error::source(error).map(ToString::to_string);
            let why = why.unwrap_or_else(|| "it is not of this kind".to_owned());
            let arg = arg.unwrap_or_default();
            (flag(&arg), format!("{} cannot be used: {}", quoted(&value), printable(&why)))
        }
        ErrorKind::TooManyValues => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let arg = arg.unwrap_or_default();
            (flag(&arg), format!("takes no value, and {} is one", quoted(&value)))
        }
        _ => {
            let whole = error.to_string();
            let line = whole.lines().next().unwrap_or_default();
            let line = line.strip_prefix("error: ").unwrap_or(line);
            ("usage".to_owned(), shown(line))
        }
    };
    UsageError::Wrong { place, reason }
}

fn shown(text: &str) -> String {
    printable(&discreet_value(text))
}

/// `--role` of `--role <ROLE>`.
fn flag(arg: &str) -> String {
    let name = arg.split_whitespace().next().unwrap_or_default();
    if name.is_empty() {
        "usage".to_owned()
    } else {
        name.trim_end_matches("...").trim_matches(['<', '>', '[', ']']).to_owned()
    }
}

/// A flag or a word there is not, with what is meant: by its meaning, or nearly spelt so.
fn unknown(typed: &str, near: Option<String>, words: &[OsString]) -> (String, String) {
    let place = if typed.is_empty() { "usage".to_owned() } else { typed.to_owned() };
    if !typed.starts_with('-') {
        let known = super::help::declared();
        let known: Vec<&str> = known.get_subcommands().map(clap::Command::get_name).collect();
        if known.contains(&typed) {
            let reason = format!("a command comes first: preflight {typed}");
            return (place, reason);
        }
        let is_first = words.get(1).is_some_and(|word| word == typed);
        let is_near = |name: &&&str| strsim::osa_distance(name, typed) <= slips(typed);
        let reason = match known.iter().find(is_near) {
            Some(name) => format!("there is no such command; did you mean {name}?"),
            None if is_first => format!("there is no such command; there are {}", known.join(", ")),
            None => "no flag takes this value".to_owned(),
        };
        return (place, reason);
    }
    let bare = typed.trim_start_matches('-').to_ascii_lowercase();
    if let Some(reason) = of_others(&bare, words) {
        return (place, reason);
    }
    let is_near =
        |near: &String| strsim::osa_distance(near.trim_start_matches('-'), &bare) <= slips(&bare);
    let of_peers = PARTIES.iter().flat_map(|kind| kind.flags);
    let of_peers = of_peers.flat_map(|flag| flag.meant.iter().map(|word| (*word, flag.flag)));
    let meant = MEANT.into_iter().chain(of_peers).find(|(word, _)| *word == bare);
    let meant = meant.map(|(_, flag)| flag.to_owned()).or_else(|| near.filter(is_near));
    let reason = match meant {
        Some(flag) => format!("there is no such flag; did you mean {flag}?"),
        None => "there is no such flag; --help has all".to_owned(),
    };
    (place, reason)
}

/// A flag that other commands have, and the one that was called has not.
fn of_others(flag: &str, words: &[OsString]) -> Option<String> {
    let known = super::help::declared();
    let has =
        |command: &clap::Command| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
    let called = known
        .get_subcommands()
        .find(|it| words.iter().skip(1).any(|word| word == it.get_name()))?;
    let run = has(&known).then(|| "preflight".to_owned());
    let others = known.get_subcommands().filter(|other| has(other) && !other.is_hide_set());
    let others = others.map(|other| format!("preflight {}", other.get_name()));
    let owners: Vec<String> = run.into_iter().chain(others).collect();
    let (last, others) = owners.split_last()?;
    let owners = match others {
        [] => format!("{last} has it"),
        _ => format!("{} and {last} have it", others.join(", ")),
    };
    Some(format!("preflight {} has no such flag; {owners}", called.get_name()))
}

/// Slips of the finger that a word may have: a short one with two is another word.
fn slips(word: &str) -> usize {
    if word.chars().count() <= 4 { 1 } else { 2 }
}
