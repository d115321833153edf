//! The command line: flags and help, as typed.
//!
//! clap is imported here and in `cli/` alone; what the words mean is said by `settings`.

mod afterwards;
mod completion;
mod help;
mod manual;
mod wrong;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, FromArgMatches as _, Parser, Subcommand};

pub(crate) use self::afterwards::{
    DiffArgs, MergeArgs, RedactArgs, RedactSavedArgs, RequestArgs, ShowArgs,
};
pub(crate) use self::completion::{CompletionWords, Shell, complete, script};
pub(crate) use self::help::brief;
pub(crate) use self::manual::manuals;
pub(crate) use self::wrong::UsageError;
use crate::catalogue::{PARTIES, PartyKind, TargetFlag};

/// Checks the network flows a Centreon or i-Vertix machine needs, each in its
/// own protocol, and says why one fails, who has to act, and what to do.
#[derive(Debug, Parser)]
#[command(
    name = "preflight",
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_flag = true,
    disable_version_flag = true,
    after_long_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) pairing: PairingArgs,
    #[command(flatten)]
    pub(crate) again: AgainArgs,
    #[command(flatten)]
    pub(crate) about: AboutArgs,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Help")]
pub(crate) struct AboutArgs {
    /// The version; with --verbose also what it was built from and for, and its flow tables
    #[arg(long, short = 'V')]
    pub(crate) version: bool,
    /// One screen: the flags that most need, and three examples
    #[arg(short = 'h')]
    pub(crate) brief: bool,
    /// Every flag
    #[arg(long, action = clap::ArgAction::HelpLong)]
    pub(crate) help: Option<bool>,
}

/// When a terminal's colours are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// To a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// To pipes too
    Always,
    /// To nobody
    Never,
}

/// Devices asked of one group (`--sample`), unless all are.
pub(crate) const PER_GROUP: usize = 2;

const EXIT_CODES: &str = "\
Exit codes: 0 every required flow works (warnings allowed, unless --strict)
            1 at least one required flow fails
            2 wrong usage or an unreadable file; nothing was probed
            3 nothing fails, but a required flow cannot be told from here
            130 interrupted; what was finished is reported
With --format centreon on stdout a plugin's: 0 OK, 1 WARNING (a required flow
            warns), 2 CRITICAL (one fails), 3 UNKNOWN (anything else)

Where a FILE is read, - is standard input; where one is written, - is stdout.

Secrets are read from a file (--*-file) or from the environment:
PREFLIGHT_SNMP_COMMUNITY, PREFLIGHT_SNMP_AUTH, PREFLIGHT_SNMP_PRIV,
PREFLIGHT_LDAP_PASSWORD, PREFLIGHT_NSCLIENT_PASSWORD,
PREFLIGHT_NSCLIENT_NT_PASSWORD, PREFLIGHT_OTLP_TOKEN,
PREFLIGHT_PROXY_PASSWORD, PREFLIGHT_REDIS_PASSWORD,
PREFLIGHT_FAR_SIDE_CODE.

A whole healthy site on this machine, to see what it looks like: preflight demo";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the plan: the same steps, and not one packet sent
    Plan(Box<PlanArgs>),
    /// Print the flow table as a document: from, to, protocol, port, and what it is for
    Flows(FlowsArgs),
    /// Print what this machine's files say of its role and peers, each with file and line
    Discover(DiscoverArgs),
    /// Write a site file made from what this machine's files say, each value with its line
    Init(InitArgs),
    /// Print a JSON Schema: of the site file, the report and its lines, a diff, a merge
    Schema {
        /// What it is the schema of
        #[arg(value_name = "OF")]
        of: Schema,
    },
    /// Check a whole healthy site on loopback: real probes, embedded servers
    Demo(DemoArgs),
    /// Listen for the flows that come to this machine, before their services are installed
    Respond(Box<RespondArgs>),
    /// Show what arrives here, as it arrives: traps
    Listen(ListenArgs),
    /// Explain a cause, or judge one step of a saved run again
    Explain {
        /// The code a report names (path-rejected), or a JSON report; without one: all codes
        #[arg(value_name = "CODE|REPORT.json")]
        subject: Option<String>,
        /// A step of the report: poller.bbdo@10.0.0.5, or its flow
        step: Option<String>,
        /// All codes by layer, each with a sentence
        #[arg(long, conflicts_with_all = ["subject", "step"])]
        list: bool,
    },
    /// A saved report in any format, judged by today's rules
    Show(ShowArgs),
    /// Compare two runs of one machine: what is broken, fixed, or has another cause
    Diff(DiffArgs),
    /// A saved report with a stand-in for every address and name
    Redact(RedactSavedArgs),
    /// Who reaches whom: the reports of many machines in one matrix
    Merge(MergeArgs),
    /// One change request for the network team, from saved reports
    Request(RequestArgs),
    /// Print what a shell needs to complete commands, flags and their values
    #[command(after_help = completion::HOW)]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print a manual page, or write all of them
    Manual(ManualArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ManualArgs {
    /// The command it is of [default: preflight itself]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Write the pages of preflight and of every command into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(crate) output: Option<PathBuf>,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Schema {
    /// The site file
    Site,
    /// The JSON report, and the lines of ndjson
    Report,
    /// What `diff --format json` writes
    Diff,
    /// What `merge --format json` writes
    Merge,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "With the other machine")]
pub(crate) struct PairingArgs {
    /// Prove the flows between two machines from both ends: `preflight respond` runs on the other one
    /// and shows a code, which is asked for here. With HOST where there are several other machines
    #[arg(
        long,
        value_name = "HOST",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub(crate) far_side: Option<String>,
    /// File with the code that the other machine shows
    #[arg(long, value_name = "FILE", requires = "far_side")]
    pub(crate) far_side_code_file: Option<PathBuf>,
    /// Afterwards leave connections that work (BBDO, ZMQ) silent for so long, and speak again: 10m finds a
    /// firewall that forgets idle sessions
    #[arg(long, value_name = "TIME", conflicts_with_all = ["watch", "wait"])]
    pub(crate) hold: Option<String>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "While something is being changed")]
pub(crate) struct AgainArgs {
    /// Ask again what does not work yet, every so many seconds, until all required flows work
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5")]
    pub(crate) watch: Option<String>,
    /// And for so long at most: 90s, 30m, 2h; without --watch quietly, and less and less often
    #[arg(long, value_name = "TIME")]
    pub(crate) wait: Option<String>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// table, wide, html, json, ndjson, junit, markdown, csv, openmetrics or centreon;
    /// repeatable, one of them to stdout, the others each to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "table")]
    pub(crate) format: Vec<String>,
    /// Show where each value came from, evidence and timings
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Show only what fails, warns or cannot be told, and the last line; no progress and no notes. With
    /// another format, nothing of the table
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct FilesArgs {
    /// Permissions of the files that are written, in octal [default: those of your own file that
    /// is replaced, else 600]
    #[arg(long, value_name = "MODE")]
    pub(crate) file_mode: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Two machines are checked: a --format FILE gets the role into its name.")]
pub(crate) struct DemoArgs {
    /// Break one flow: closed, silent, wrong-service, expired-certificate, unsynchronised, wrong-community
    #[arg(long = "break", value_name = "FLOW=KIND")]
    pub(crate) breaks: Vec<String>,
    /// Two machines that are not installed yet, and what both ends prove together
    #[arg(long, conflicts_with = "breaks")]
    pub(crate) far_side: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "As root, ports below 1024 too; root's rights are given up before the first answer."
)]
pub(crate) struct RespondArgs {
    /// What this machine is about to be: central, poller or remote [default: what its files say]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Switch on a group of the profile: map, mbi, ha, cma, vmware, cloud
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// A site file: the machines of the platform
    #[arg(long, value_name = "FILE")]
    pub(crate) site: Option<PathBuf>,
    /// Which machine of the site file this is
    #[arg(long = "as", value_name = "NAME", requires = "site")]
    pub(crate) machine: Option<String>,
    /// Only these flows: ids or globs, as poller.*
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Another port for a flow
    #[arg(long, value_name = "ID=PORT")]
    pub(crate) port: Vec<String>,
    /// How a poller and its central find each other, where no file says it
    #[arg(long, value_name = "zmq|ssh|pull|pullwss")]
    pub(crate) mode: Option<String>,
    /// reversed: the broker connects to the poller
    #[arg(long, value_name = "reversed", value_delimiter = ',')]
    pub(crate) bbdo: Vec<String>,
    /// Stand in for a monitored device instead: snmp, nsclient, nrpe … with a port of its own as snmp:1161
    #[arg(
        long,
        value_name = "SERVICE[:PORT]",
        value_delimiter = ',',
        conflicts_with_all = ["role", "site", "group", "only", "port", "mode", "bbdo"]
    )]
    pub(crate) device: Vec<String>,
    /// File with the community that --device snmp answers to; without one it answers discovery alone
    #[arg(long, value_name = "FILE", requires = "device")]
    pub(crate) snmp_community_file: Option<PathBuf>,
    /// Write the code into this file, for its owner alone, and not to stdout
    #[arg(long, value_name = "FILE", conflicts_with = "device")]
    pub(crate) code_file: Option<PathBuf>,
    /// The end: 90s, 15m, 2h
    #[arg(long = "for", value_name = "TIME", default_value = "15m")]
    pub(crate) within: String,
    /// Listen on this address alone
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<IpAddr>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
As root, also beside a running snmptrapd, which then answers. Root's rights are given up before the
first datagram is read. The community is masked; PREFLIGHT_SNMP_COMMUNITY, too, says which is expected.

Exit codes: 0 a trap came
            2 wrong usage, or the port cannot be had
            3 none came, which proves nothing")]
pub(crate) struct ListenArgs {
    /// What to show
    #[arg(value_name = "WHAT")]
    pub(crate) what: Heard,
    /// The end: 90s, 10m, 2h
    #[arg(long = "for", value_name = "TIME", default_value = "10m")]
    pub(crate) within: String,
    /// End after so many traps
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// Listen on this address alone
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<IpAddr>,
    /// Another port
    #[arg(long, value_name = "PORT", default_value = "162", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// File with the community that traps should have: each is then said to have it, or another
    #[arg(long, value_name = "FILE")]
    pub(crate) snmp_community_file: Option<PathBuf>,
    /// Rows to read, or a JSON object a line
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: ListenFormat,
}

/// What can be listened to.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Heard {
    /// SNMP traps and informs, on UDP 162
    Traps,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ListenFormat {
    /// Rows
    Table,
    /// A JSON object a line
    Ndjson,
}

impl RespondArgs {
    /// The run of this machine, whose plan has the flows that come in.
    pub(crate) fn run(&self) -> RunArgs {
        let known = KnownArgs {
            site: self.site.clone(),
            machine: self.machine.clone(),
            sample: PER_GROUP,
            ..KnownArgs::default()
        };
        RunArgs {
            role: self.role.clone(),
            table: self.table.clone(),
            group: self.group.clone(),
            mode: self.mode.clone(),
            bbdo: self.bbdo.clone(),
            known,
            targets: TargetArgs { port: self.port.clone(), ..TargetArgs::default() },
            tuning: TuningArgs { only: self.only.clone(), ..TuningArgs::default() },
            ..RunArgs::default()
        }
    }
}

/// Which flow table.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which machine")]
pub(crate) struct TableArgs {
    /// The vendor's flow table: i-vertix, centreon or centreon-cloud [default: as this machine's
    /// files say; where nothing is installed, i-vertix if it knows the role]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// A flow table of your own, instead of a profile
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    pub(crate) catalogue: Option<PathBuf>,
    /// The platform's version, as 24.10: some rows are of some versions only [default: as this
    /// machine's files say, else the newest]
    #[arg(long, value_name = "VERSION")]
    pub(crate) platform_version: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FlowsArgs {
    /// The flows of one role's machines only: central, poller, remote, map, mbi, bi or database
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// With the machines and servers of this site file, instead of kinds of them
    #[arg(long, value_name = "FILE")]
    pub(crate) site: Option<PathBuf>,
    /// Of the site file, the flows of this machine only
    #[arg(long = "as", value_name = "NAME", requires = "site", conflicts_with = "role")]
    pub(crate) machine: Option<String>,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Switch on a group of the profile, as basic, map, mbi, ha, cma, vmware, container or ncb;
    /// docs/flows.md has all
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// table, markdown, csv, html or json; repeatable, each to stdout or to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "table")]
    pub(crate) format: Vec<String>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    /// Read the files in this copy of another machine's / instead of our own
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Read the files in this copy of another machine's / instead of our own
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// The file to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// What the machine is, or is about to be [default: what its files say]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// The vendor's flow table: i-vertix, centreon or centreon-cloud [default: as the machine's
    /// files say, else i-vertix if it knows the role]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Made from an Ansible inventory instead, as `ansible-inventory --list` prints it: the groups
    /// central, pollers and remotes are machines
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "role"])]
    pub(crate) from_inventory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The plan of every machine of the site file, one after the other
    #[arg(long, requires = "site", conflicts_with_all = ["machine", "role", "root"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which machine")]
pub(crate) struct RunArgs {
    /// What this machine is, or is about to be: central, poller, remote, map, mbi, bi or database
    /// [default: what its files say]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Before or after installation; auto: after, if Centreon's files exist here [default: auto]
    #[arg(long, value_name = "before|after|auto")]
    pub(crate) phase: Option<String>,
    /// Switch on a group of the profile, as basic, map, mbi, ha, cma, vmware, container or ncb;
    /// docs/flows.md has all
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// How a poller and its central find each other, where no file says it: zmq and ssh are
    /// opened by the central, pull and pullwss by the poller
    #[arg(long, value_name = "zmq|ssh|pull|pullwss")]
    pub(crate) mode: Option<String>,
    /// How collected data travels, where no file says it: reversed (the broker connects to the
    /// poller), grpc, tls; several with commas between
    #[arg(long, value_name = "reversed|grpc|tls", value_delimiter = ',')]
    pub(crate) bbdo: Vec<String>,

    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) tuning: TuningArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
}

impl RunArgs {
    /// Those of a run that knows a site file, and nothing else.
    pub(crate) fn of_site(file: &Path) -> Self {
        let known =
            KnownArgs { site: Some(file.to_owned()), sample: PER_GROUP, ..KnownArgs::default() };
        Self { known, ..Self::default() }
    }
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which machine")]
pub(crate) struct KnownArgs {
    /// A site file: the machines of the platform, their servers, where secrets live
    #[arg(long, value_name = "FILE")]
    pub(crate) site: Option<PathBuf>,
    /// Which machine of the site file this is [default: the one with an address or the name of
    /// this host]
    #[arg(long = "as", value_name = "NAME", requires = "site")]
    pub(crate) machine: Option<String>,
    /// Read the files in this copy of another machine's / instead of our own
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Read no file of this machine: only flags and the profile count
    #[arg(long, conflicts_with = "root")]
    pub(crate) no_discovery: bool,
    /// Of the monitored hosts, ask this many of each subnet and template
    #[arg(long, value_name = "N", default_value_t = PER_GROUP, help_heading = help::TARGETS, display_order = LAST)]
    pub(crate) sample: usize,
    /// Pollers of this central: a file with what `centreon -o INSTANCE -a show` prints, or a
    /// saved export of the table `nagios_server` with its header
    #[arg(long, value_name = "FILE", help_heading = help::TARGETS, display_order = LAST)]
    pub(crate) pollers_from: Option<PathBuf>,
    /// Directories of the web interface: a file with what
    /// `centreon -o LDAP -a showserver -v NAME` prints
    #[arg(long, value_name = "FILE", help_heading = help::TARGETS, display_order = LAST)]
    pub(crate) ldap_from: Option<PathBuf>,
    /// Ask Centreon's own command line for both, as the user whose login is in ~/.centreonApi
    #[arg(long, conflicts_with = "root", help_heading = help::TARGETS, display_order = LAST)]
    pub(crate) clapi: bool,
    /// Ask every monitored host
    #[arg(long, conflicts_with = "sample", help_heading = help::TARGETS, display_order = LAST)]
    pub(crate) all_devices: bool,
}

/// Behind the other targets.
const LAST: usize = 900;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = help::TARGETS)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    pub(crate) peers: PeerArgs,
    /// Monitored devices from a file, - is standard input: a host, a network or a range a line;
    /// CSV with a column host, address or ip; or NDJSON with such a key
    #[arg(long, value_name = "FILE")]
    pub(crate) devices_from: Vec<PathBuf>,
    /// A peer of any other kind the catalogue names
    #[arg(long = "target", value_name = "KIND=HOST")]
    pub(crate) other: Vec<String>,
    /// The proxy on the way to the Internet
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Another port for a flow of the catalogue
    #[arg(long, value_name = "ID=PORT")]
    pub(crate) port: Vec<String>,
    /// The address of this host to ask from, or its interface; for one flow with its id before:
    /// poller.bbdo=eth1 [default: as this host's routes choose]
    #[arg(long, value_name = "[ID=]ADDRESS|INTERFACE")]
    pub(crate) from: Vec<String>,
    /// A flow of your own: erp=postgresql://db.example:5432. With ! before the URL the port must be
    /// closed: x=!tcp://10.0.0.9:23. To tcp:// and tls:// something may be said:
    /// x=tcp://10.0.0.9:7000?send=PING\r\n&expect=PONG (no secrets)
    #[arg(long, value_name = "NAME=[!]SCHEME://HOST:PORT")]
    pub(crate) check: Vec<String>,
}

/// The peers that were named, by the flags of the table of parties.
#[derive(Debug, Default)]
pub(crate) struct PeerArgs(Vec<(&'static PartyKind, &'static TargetFlag, String)>);

impl PeerArgs {
    /// Each value, with its flag and the kind of peer it names, in the order of the table.
    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (&'static PartyKind, &'static TargetFlag, &str)> {
        self.0.iter().map(|(kind, flag, value)| (*kind, *flag, value.as_str()))
    }
}

impl Args for PeerArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        PARTIES.iter().flat_map(|kind| kind.flags).fold(command, |command, flag| {
            let name = flag.flag.trim_start_matches('-');
            let arg = clap::Arg::new(name)
                .long(name)
                .value_name(flag.value)
                .help(flag.help)
                .action(clap::ArgAction::Append);
            command.arg(if flag.has_commas { arg.value_delimiter(',') } else { arg })
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for PeerArgs {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let mut peers = Self::default();
        peers.update_from_arg_matches(matches)?;
        Ok(peers)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        for kind in PARTIES {
            for flag in kind.flags {
                let values = matches.get_many::<String>(flag.flag.trim_start_matches('-'));
                let values = values.into_iter().flatten();
                self.0.extend(values.map(|value| (kind, flag, value.clone())));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Passwords (names here, secrets from files or the environment)")]
pub(crate) struct CredentialArgs {
    /// 1, 2c or 3
    #[arg(long, value_name = "1|2c|3")]
    pub(crate) snmp_version: Option<String>,
    /// File with the SNMP community
    #[arg(long, value_name = "FILE")]
    pub(crate) snmp_community_file: Option<PathBuf>,
    /// SNMPv3 user
    #[arg(long, value_name = "NAME")]
    pub(crate) snmp_user: Option<String>,
    /// md5, sha, sha-224, sha-256, sha-384 or sha-512
    #[arg(long, value_name = "NAME", default_value = "sha")]
    pub(crate) snmp_auth_protocol: String,
    /// des, aes, aes-192, aes-256; aes-192-c and aes-256-c with the other key extension (Cisco)
    #[arg(long, value_name = "NAME", default_value = "aes")]
    pub(crate) snmp_priv_protocol: String,
    /// File with the SNMPv3 authentication password
    #[arg(long, value_name = "FILE")]
    pub(crate) snmp_auth_file: Option<PathBuf>,
    /// File with the SNMPv3 privacy password
    #[arg(long, value_name = "FILE")]
    pub(crate) snmp_priv_file: Option<PathBuf>,
    /// Bind to the directory with this DN
    #[arg(long, value_name = "DN")]
    pub(crate) ldap_bind_dn: Option<String>,
    /// File with the bind password
    #[arg(long, value_name = "FILE")]
    pub(crate) ldap_password_file: Option<PathBuf>,
    /// How this poller's broker output speaks, where its files do not say: mode=yes|auto|no,
    /// transport=tcp|grpc, compression=yes|auto|no, ca=FILE, certificate=FILE, key=FILE, hostname=NAME
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) bbdo_tls: Vec<String>,
    /// Send the bind password in plain text too, where the directory has no TLS
    #[arg(long)]
    pub(crate) ldap_plain: bool,
    /// User of the NSClient++ API
    #[arg(long, value_name = "NAME")]
    pub(crate) nsclient_user: Option<String>,
    /// File with the NSClient++ password
    #[arg(long, value_name = "FILE")]
    pub(crate) nsclient_password_file: Option<PathBuf>,
    /// Send the NSClient++ password also to an agent whose certificate is not trusted
    #[arg(long)]
    pub(crate) nsclient_insecure: bool,
    /// File with the password of `check_nt`, for agents on NSClient's old port 12489: it is sent in
    /// plain text, as `check_nt` does
    #[arg(long, value_name = "FILE")]
    pub(crate) nsclient_nt_password_file: Option<PathBuf>,
    /// File with the token that monitoring agents send (gRPC): otlp:// sends it in plain text,
    /// otlps:// to a trusted certificate only
    #[arg(long, value_name = "FILE")]
    pub(crate) otlp_token_file: Option<PathBuf>,
    /// File with the password of a Redis that --check names, for the user in its URL: redis://
    /// sends it in plain text, rediss:// to a trusted certificate only
    #[arg(long, value_name = "FILE")]
    pub(crate) redis_password_file: Option<PathBuf>,
    /// User of the proxy
    #[arg(long, value_name = "NAME")]
    pub(crate) proxy_user: Option<String>,
    /// File with the proxy password
    #[arg(long, value_name = "FILE")]
    pub(crate) proxy_password_file: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What is asked, and how")]
pub(crate) struct TuningArgs {
    /// Only these flows: ids or globs, as poller.*
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Not these flows, with a reason for the report
    #[arg(long, value_name = "ID[=REASON]")]
    pub(crate) skip: Vec<String>,
    /// The failure of these flows fails no run: ids or globs
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) optional: Vec<String>,
    /// The failure of these flows fails the run, though the profile has them as optional: ids or
    /// globs
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) require: Vec<String>,
    /// Before installation closed ports of these flows wait for it, rather than fail
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) until_installed: Vec<String>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// Largest clock difference that passes: 500ms, 2s [default: 500ms]
    #[arg(long, value_name = "TIME")]
    pub(crate) max_offset: Option<String>,
    /// Every wait times this factor [default: 1]
    #[arg(long, value_name = "FACTOR")]
    pub(crate) timeout: Option<String>,
    /// Packets a second that SNMP devices are asked with, at most, from 1 [default: 50000]
    #[arg(long, value_name = "PACKETS")]
    pub(crate) rate: Option<String>,
    /// Warnings fail the run too
    #[arg(long)]
    pub(crate) strict: bool,
    /// When nothing answers, do not look for the hop where the silence begins (36 packets at most)
    #[arg(long)]
    pub(crate) no_trace: bool,
    /// Send one real SNMP inform to this trap receiver, with the community or the user that is given
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) send_test_trap: Option<String>,
    /// Send one real test mail to this address through each mail relay
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) smtp_test_mail: Option<String>,
    /// The sender of the test mail
    #[arg(long, value_name = "ADDRESS", requires = "smtp_test_mail")]
    pub(crate) smtp_from: Option<String>,
}

/// Is the command line a monitoring plugin's? Also when it is otherwise wrong: the
/// monitoring system must not take wrong usage for a critical state.
pub(crate) fn wants_plugin(words: &[OsString]) -> bool {
    let is_pair = |pair: &[OsString]| matches!(pair, [flag, name] if flag == "--format" && name == "centreon");
    words.windows(2).any(is_pair) || words.iter().any(|word| word == "--format=centreon")
}

/// A command line, and when it wants colours.
pub(crate) struct Parsed {
    /// What was typed.
    pub(crate) cli: Cli,
    /// `--color`.
    pub(crate) colour: Colour,
}

/// Reads the command line; no file that it names is opened.
///
/// # Errors
///
/// Help, too: what there is to say instead.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Parsed, UsageError> {
    let words = with_file_mode(words);
    let matches = help::command().try_get_matches_from(&words);
    let matches = matches.map_err(|error| wrong::said(&error, &words))?;
    let colour = help::colour(&matches);
    let cli = Cli::from_arg_matches(&matches).map_err(|error| wrong::said(&error, &words))?;
    Ok(Parsed { cli, colour })
}

/// `--mode 640` is what `--file-mode 640` was once called; a mode of two machines is a word.
fn with_file_mode(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_octal = |word: &OsString| {
        word.to_str()
            .is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
    };
    for index in 0..words.len() {
        let has_value = words.get(index + 1).is_some_and(is_octal);
        let Some(word) = words.get_mut(index) else { continue };
        let value = word.to_str().and_then(|word| word.strip_prefix("--mode=")).map(OsString::from);
        if *word == "--mode" && has_value {
            *word = "--file-mode".into();
        } else if let Some(value) = value.filter(is_octal) {
            *word = "--file-mode=".into();
            word.push(value);
        }
    }
    words
}
