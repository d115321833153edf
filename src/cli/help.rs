//! What `-h` and `--help` show.
//!
//! `-h` is one screen, written by hand; `--help` is whole, in the order in which somebody who sets up a machine
//! needs it: which machine, its targets, passwords, and how it is asked and written.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _};

use super::{Cli, Colour};

/// The heading of everything that is asked.
pub(super) const TARGETS: &str = "Targets (repeatable: HOST, HOST:PORT, [IPv6]:PORT or a URL)";

/// Flags that `plan -h` shows; `--help` has the others.
const BRIEF: [&str; 14] = [
    "all", "role", "site", "machine", "profile", "phase", "central", "poller", "device", "only",
    "skip", "format", "verbose", "help",
];

/// One screen of 80 columns and 24 lines.
pub(crate) fn brief() -> String {
    format!(
        "\
preflight {version}: asks each network flow a Centreon or i-Vertix machine needs

Usage: preflight [OPTIONS]           check this machine
       preflight COMMAND [OPTIONS]

Examples:
  preflight plan --role poller --central 10.0.0.5   what would be asked of whom
  preflight --role poller --central 10.0.0.5 --ntp 10.0.0.3 --device 10.1.1.1
  preflight --site site.toml --as poller1 --format html=report.html

  --role ROLE      central, poller, remote, ... [default: what its files say]
  --central HOST   a target; so are --poller --ntp --dns --smtp --ldap --device
  --site FILE      one file for all machines, and --as NAME: which of them it is
  --only, --skip   flows to ask, or not to: poller.bbdo, 'poller.*'
  --format F=FILE  table, html, json, markdown, csv, ...; repeatable
  -v, -q           show all that was seen, or nothing

Before: plan flows discover init respond listen demo
After:  explain show diff merge request redact
Also:   schema completions manual

Exit codes: 0 ready, 1 a flow fails, 2 wrong usage, 3 cannot be told from here
--help has every flag, preflight COMMAND --help those of a command
",
        version = env!("CARGO_PKG_VERSION")
    )
}

/// The command line as its flags are declared, with the flag that all commands share.
pub(super) fn declared() -> Command {
    let colour = || {
        Arg::new("color")
            .long("color")
            .visible_alias("colour")
            .value_name("auto|always|never")
            .value_parser(clap::value_parser!(Colour))
            .default_value("auto")
            .hide_possible_values(true)
            .help("When colours are written: auto is to a terminal, unless NO_COLOR is set")
            .help_heading("Output")
    };
    // Whether the program's own two flags are a command's too, clap leaves to its settings.
    let help = || {
        Arg::new("help")
            .short('h')
            .long("help")
            .action(ArgAction::Help)
            .help("The flags that most need with -h, every flag with --help")
            .help_heading("Help")
    };
    Cli::command()
        .version(env!("CARGO_PKG_VERSION"))
        .arg(colour())
        .mut_subcommands(|command| command.arg(colour()).arg(help()))
}

/// The same, as it is parsed: the list of commands stands behind the flags.
pub(super) fn command() -> Command {
    let declared = declared();
    let mut listed = "Commands:\n".to_owned();
    for command in declared.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _infallible = writeln!(listed, "  {:<12} {about}", command.get_name());
    }
    let ending = declared.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    declared
        .override_usage("preflight [OPTIONS]\n       preflight COMMAND [OPTIONS]")
        .after_long_help(format!("{listed}\n{ending}"))
        .disable_help_subcommand(true)
        .mut_subcommands(|command| {
            let command = if command.get_name() == "plan" { shortened(command) } else { command };
            command.hide(true)
        })
}

/// Its `-h` shows the flags that most need.
fn shortened(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let is_brief = BRIEF.contains(&arg.get_id().as_str());
            arg.hide_short_help(!is_brief)
        })
        .after_help("preflight plan --help has every flag.")
}

/// `--color`, wherever it stood.
pub(super) fn colour(matches: &ArgMatches) -> Colour {
    let of = |matches: &ArgMatches| {
        matches.try_get_one::<Colour>("color").ok().flatten().copied().unwrap_or_default()
    };
    matches.subcommand().map_or_else(|| of(matches), |(_, matches)| of(matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brief_page_fits_a_terminal_and_names_every_command() {
        let page = brief();
        assert!(page.lines().count() < 24, "{}", page.lines().count());
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert_eq!(page.matches("\n  preflight ").count(), 3, "{page}");
        let words: Vec<&str> = page.split_whitespace().collect();
        for command in declared().get_subcommands() {
            assert!(words.contains(&command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
        declared().debug_assert();
    }
}
