//! The commands that work on saved reports, as typed.

use std::path::PathBuf;

use clap::Args;

use super::{FilesArgs, OutputArgs};

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct RedactArgs {
    /// Put a stand-in for every address and name; subnets stay subnets
    #[arg(long)]
    pub(crate) redact: bool,
    /// Make the stand-ins with the key in this file, so that reports match; it is made if missing
    #[arg(long, value_name = "FILE")]
    pub(crate) redact_key: Option<PathBuf>,
    /// Keep what peers say in their own words: banners, errors, titles; names in them may stay
    #[arg(long)]
    pub(crate) redact_keep_text: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Worse is, of the required steps: one that works no more, fails earlier than before (the path
instead of the port), or is new and fails; with --strict one with a new concern too.

Exit codes: 0 nothing is worse
            1 something is worse
            2 wrong usage, or a file that is not a report")]
pub(crate) struct DiffArgs {
    /// The JSON report of the first run
    #[arg(value_name = "OLD.json")]
    pub(crate) old: PathBuf,
    /// The JSON report of the second run
    #[arg(value_name = "NEW.json")]
    pub(crate) new: PathBuf,
    /// table, json or markdown; repeatable, each to stdout or to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "table")]
    pub(crate) format: Vec<String>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// A new concern of a required step is worse too
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Of two runs of one machine the newer one counts. nft and firewalld write commands for the machines'
own firewalls, never for a device in the network.

Exit codes: 0 the request is written, also when nothing has to be asked for
            2 wrong usage, or a file that is not a report")]
pub(crate) struct RequestArgs {
    /// JSON reports, of one machine or of many
    #[arg(value_name = "REPORT.json", required_unless_present = "site")]
    pub(crate) reports: Vec<PathBuf>,
    /// Everything the machines of this site file need; nothing was asked yet
    #[arg(long, value_name = "FILE", conflicts_with = "reports")]
    pub(crate) site: Option<PathBuf>,
    /// Everything the roles need, not only what is blocked
    #[arg(long)]
    pub(crate) all: bool,
    /// text, markdown, csv, nft or firewalld; repeatable, each to stdout or to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "text")]
    pub(crate) format: Vec<String>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// A machine's address or name, and the address it is translated to on its way
    #[arg(long, value_name = "FROM=ADDR")]
    pub(crate) nat: Vec<String>,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
--format html=FOLDER/ (with the slash) writes the page of the platform, and each machine's page
beside it. Of two runs of one machine the newer one counts. A peer that one machine names by an
address or a name is the machine whose report has it.

Exit codes, as of the runs themselves: 1 a required flow fails somewhere, 3 one cannot be told,
2 wrong usage, or a file that is not a report; 0 otherwise")]
pub(crate) struct MergeArgs {
    /// JSON reports of the machines of one site
    #[arg(value_name = "REPORT.json", required = true)]
    pub(crate) reports: Vec<PathBuf>,
    /// table, html, json, markdown or csv; repeatable, each to stdout or to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "table")]
    pub(crate) format: Vec<String>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What was seen is judged by the rules of this version. The exit code is that of such a run;
with --format centreon on stdout a plugin's. 2: wrong usage, or a file that is not a report.")]
pub(crate) struct ShowArgs {
    /// The JSON report
    #[arg(value_name = "REPORT.json")]
    pub(crate) report: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Addresses keep their subnets and their kind (private, link-local), names their domains. Loopback,
words like `central` or `www` and the vendors' own public names stay.

Exit codes: 0 written, 2 wrong usage, or a file that is not a report")]
pub(crate) struct RedactSavedArgs {
    /// The JSON report
    #[arg(value_name = "REPORT.json")]
    pub(crate) report: PathBuf,
    /// A format of a run; repeatable, each to stdout or to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "json")]
    pub(crate) format: Vec<String>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// Make the stand-ins with the key in this file, so that reports match; it is made if missing
    #[arg(long, value_name = "FILE")]
    pub(crate) redact_key: Option<PathBuf>,
    /// Keep what peers say in their own words: banners, errors, titles; names in them may stay
    #[arg(long)]
    pub(crate) redact_keep_text: bool,
    /// Do not show the report but, for its owner alone, what each stand-in stands for
    #[arg(long, requires = "redact_key", conflicts_with = "format")]
    pub(crate) names: bool,
}
