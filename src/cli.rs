//! The command line: flags as typed, turned into settings as used.
//!
//! The only file that imports clap; behind it there are only plain types.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use preflight_checks::{Trust, http, ldap, nsclient, smtp, snmp};
use secrecy::SecretString;

use crate::catalogue::{Broken, Catalogue, PARTIES, Party, Role, profile_names};
use crate::plan::{Phase, Settings};
use crate::report::Format;
use crate::site::{Custom, Origin, Place, Site, Sourced, Target, local, parse_port};

/// Checks the network flows a Centreon or i-Vertix machine needs, each in its
/// own protocol, and says why one fails, who has to act, and what to do.
#[derive(Debug, Parser)]
#[command(
    name = "preflight",
    version,
    max_term_width = 100,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = EXIT_CODES
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

const EXIT_CODES: &str = "\
Exit codes: 0 every required flow works (warnings allowed, unless --strict)
            1 at least one required flow fails
            2 wrong usage or an unreadable file; nothing was probed
            3 nothing fails, but a required flow cannot be told from here
            130 interrupted; what was finished is reported

Secrets are read from a file (--*-file) or from the environment:
PREFLIGHT_SNMP_COMMUNITY, PREFLIGHT_SNMP_AUTH, PREFLIGHT_SNMP_PRIV,
PREFLIGHT_LDAP_PASSWORD, PREFLIGHT_NSCLIENT_PASSWORD, PREFLIGHT_PROXY_PASSWORD.

A whole healthy site on this machine, to see what it looks like: preflight demo";

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the plan: the same steps, and not one packet sent
    Plan(Box<RunArgs>),
    /// Check a whole healthy site on loopback: real probes, embedded servers
    Demo(DemoArgs),
    /// Explain a cause, or all that a saved run saw of one step
    Explain {
        /// The code a report names (path-rejected), or a JSON report
        #[arg(value_name = "CODE|REPORT.json")]
        subject: String,
        /// A step of the report: poller.bbdo@10.0.0.5, or its flow
        step: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// table or json; repeatable, each to stdout or to a file
    #[arg(long, value_name = "FORMAT[=FILE]", default_value = "table")]
    format: Vec<String>,
    /// Show where each value came from, evidence and timings
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Two machines are checked: a --format FILE gets the role into its name.")]
struct DemoArgs {
    /// Break one flow: closed, silent, wrong-service, expired-certificate, unsynchronised, wrong-community
    #[arg(long = "break", value_name = "FLOW=KIND")]
    breaks: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// What this machine is, or is about to be: central, poller or remote
    #[arg(long, value_name = "ROLE", required = true)]
    role: Option<String>,
    /// The vendor's flow table: i-vertix or centreon
    #[arg(long, value_name = "NAME", default_value = "i-vertix")]
    profile: String,
    /// A flow table of your own, instead of a profile
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    catalogue: Option<PathBuf>,
    /// Before or after installation; auto: after, if Centreon's files exist here
    #[arg(long, value_name = "before|after|auto", default_value = "auto")]
    phase: String,
    /// Switch on a group of the profile: map, mbi, ha, cma, vmware, cloud
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,

    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    credentials: CredentialArgs,
    #[command(flatten)]
    tuning: TuningArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Targets (repeatable: HOST, HOST:PORT, [IPv6]:PORT or a URL)")]
struct TargetArgs {
    /// The central server
    #[arg(long, value_name = "HOST")]
    central: Vec<String>,
    /// A poller
    #[arg(long, value_name = "HOST")]
    poller: Vec<String>,
    /// A remote server
    #[arg(long, value_name = "HOST")]
    remote: Vec<String>,
    /// A time server
    #[arg(long, value_name = "HOST")]
    ntp: Vec<String>,
    /// A name server
    #[arg(long, value_name = "HOST")]
    dns: Vec<String>,
    /// A mail relay
    #[arg(long, value_name = "HOST")]
    smtp: Vec<String>,
    /// A directory server
    #[arg(long, value_name = "HOST")]
    ldap: Vec<String>,
    /// A web address on the Internet, instead of the profile's own
    #[arg(long, value_name = "URL")]
    http: Vec<String>,
    /// A monitored device, asked by SNMP
    #[arg(long, value_name = "HOST")]
    device: Vec<String>,
    /// A Windows server with NSClient++
    #[arg(long, value_name = "HOST")]
    nsclient: Vec<String>,
    /// The gateway of the SSL VPN between poller and central
    #[arg(long, value_name = "HOST")]
    vpn: Vec<String>,
    /// A database server apart from the central
    #[arg(long, value_name = "HOST")]
    database: Vec<String>,
    /// A peer of any other kind the catalogue names
    #[arg(long = "target", value_name = "KIND=HOST")]
    other: Vec<String>,
    /// The proxy on the way to the Internet
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Another port for a flow of the catalogue
    #[arg(long, value_name = "ID=PORT")]
    port: Vec<String>,
    /// A flow of your own: erp=postgresql://db.example:5432
    #[arg(long, value_name = "NAME=SCHEME://HOST:PORT")]
    check: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Credentials (names here, secrets from files or the environment)")]
struct CredentialArgs {
    /// 1, 2c or 3
    #[arg(long, value_name = "1|2c|3")]
    snmp_version: Option<String>,
    /// File with the SNMP community
    #[arg(long, value_name = "FILE")]
    snmp_community_file: Option<PathBuf>,
    /// SNMPv3 user
    #[arg(long, value_name = "NAME")]
    snmp_user: Option<String>,
    /// md5, sha, sha-224, sha-256, sha-384 or sha-512
    #[arg(long, value_name = "NAME", default_value = "sha")]
    snmp_auth_protocol: String,
    /// des, aes, aes-192 or aes-256
    #[arg(long, value_name = "NAME", default_value = "aes")]
    snmp_priv_protocol: String,
    /// File with the SNMPv3 authentication password
    #[arg(long, value_name = "FILE")]
    snmp_auth_file: Option<PathBuf>,
    /// File with the SNMPv3 privacy password
    #[arg(long, value_name = "FILE")]
    snmp_priv_file: Option<PathBuf>,
    /// Bind to the directory with this DN
    #[arg(long, value_name = "DN")]
    ldap_bind_dn: Option<String>,
    /// File with the bind password
    #[arg(long, value_name = "FILE")]
    ldap_password_file: Option<PathBuf>,
    /// User of the NSClient++ API
    #[arg(long, value_name = "NAME")]
    nsclient_user: Option<String>,
    /// File with the NSClient++ password
    #[arg(long, value_name = "FILE")]
    nsclient_password_file: Option<PathBuf>,
    /// User of the proxy
    #[arg(long, value_name = "NAME")]
    proxy_user: Option<String>,
    /// File with the proxy password
    #[arg(long, value_name = "FILE")]
    proxy_password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
struct TuningArgs {
    /// Only these flows: ids or globs, as poller.*
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these flows, with a reason for the report
    #[arg(long, value_name = "ID[=REASON]")]
    skip: Vec<String>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Largest clock difference that passes: 500ms, 2s
    #[arg(long, value_name = "TIME", default_value = "500ms")]
    max_offset: String,
    /// Every wait times this factor
    #[arg(long, value_name = "FACTOR", default_value = "1")]
    timeout: String,
    /// Warnings fail the run too
    #[arg(long)]
    strict: bool,
    /// After a silence, do not look where on the way it begins (30 packets at most)
    #[arg(long)]
    no_trace: bool,
    /// Send one real test mail to this address through each mail relay
    #[arg(long, value_name = "ADDRESS")]
    smtp_test_mail: Option<String>,
    /// The sender of the test mail
    #[arg(long, value_name = "ADDRESS", requires = "smtp_test_mail")]
    smtp_from: Option<String>,
}

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Request {
    /// Check this machine's flows.
    Run(Box<Job>),
    /// Print what would be checked.
    Plan(Box<Job>),
    /// A whole site on loopback.
    Demo {
        /// Flow and kind of each breakage.
        breaks: Vec<(String, String)>,
        /// Where and how to report.
        output: Output,
    },
    /// Explain a cause.
    Explain(String),
    /// Show all that a saved run saw of one step.
    ExplainStep {
        /// The report's text.
        report: String,
        /// The step's id, or its flow.
        step: String,
    },
}

/// One machine's run.
#[derive(Debug)]
pub(crate) struct Job {
    /// The flow table.
    pub(crate) catalogue: Catalogue,
    /// What is known.
    pub(crate) site: Site,
    /// How it is done.
    pub(crate) settings: Settings,
    /// Where and how to report.
    pub(crate) output: Output,
}

/// Where and how to report.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// Each format, and its file; none: stdout.
    pub(crate) formats: Vec<(Format, Option<PathBuf>)>,
    /// Show origins, evidence and timings.
    pub(crate) verbose: bool,
}

impl Output {
    /// Does a table go to stdout?
    pub(crate) fn shows_table(&self) -> bool {
        self.formats.contains(&(Format::Table, None))
    }

    /// The same, with the role in each file's name: `report.poller.json`.
    pub(crate) fn for_role(&self, role: Role) -> Self {
        let named = |file: &PathBuf| match file.extension() {
            Some(extension) => {
                file.with_extension(format!("{role}.{}", extension.to_string_lossy()))
            }
            None => file.with_extension(role.to_string()),
        };
        let formats = self.formats.iter().map(|(format, file)| (*format, file.as_ref().map(named)));
        Self { formats: formats.collect(), verbose: self.verbose }
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// clap's own words: help, version, or an error with its usage.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// A file with a place.
    #[error(transparent)]
    File(#[from] Box<Broken>),
    /// A flag's value.
    #[error("{flag}: {reason}")]
    Value {
        /// The flag.
        flag: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn bad(flag: impl Into<String>, reason: impl Into<String>) -> Refused {
    // A value can hold anything; what reaches the terminal is printable.
    Refused::Value { flag: flag.into(), reason: preflight_checks::printable(&reason.into()) }
}

/// Reads the command line and the files it names.
///
/// # Errors
///
/// [`Refused`], which ends the program with exit code 2 (help and version: 0).
pub(crate) fn request() -> Result<Request, Refused> {
    let cli = Cli::try_parse()?;
    match cli.command {
        None => Ok(Request::Run(Box::new(job(&cli.run)?))),
        Some(Command::Plan(run)) => Ok(Request::Plan(Box::new(job(&run)?))),
        Some(Command::Explain { subject, step: None }) => Ok(Request::Explain(subject)),
        Some(Command::Explain { subject, step: Some(step) }) => {
            let report = read("explain", Path::new(&subject))?;
            Ok(Request::ExplainStep { report, step })
        }
        Some(Command::Demo(demo)) => {
            let breaks =
                demo.breaks.iter().map(|text| pair("--break", text)).collect::<Result<_, _>>()?;
            Ok(Request::Demo { breaks, output: output(&demo.output)? })
        }
    }
}

fn job(args: &RunArgs) -> Result<Job, Refused> {
    let catalogue = catalogue(args)?;
    let role = role(args.role.as_deref().unwrap_or_default(), &catalogue)?;
    let mut site = Site::of(role, trust(&args.tuning.ca)?);
    site.targets = targets(&args.targets, &catalogue)?;
    site.ports =
        args.targets.port.iter().map(|text| port(text, &catalogue)).collect::<Result<_, _>>()?;
    site.custom = customs(&args.targets.check)?;
    site.proxy = proxy(&args.targets, &args.credentials)?;
    site.snmp = snmp_credentials(&args.credentials)?;
    site.ldap = ldap_bind(&args.credentials)?;
    site.nsclient = nsclient_login(&args.credentials)?;
    site.test_mail = test_mail(&args.tuning)?;
    site.hosts_names = local::hosts_names();
    let settings = settings(args, &catalogue, &site)?;
    Ok(Job { catalogue, site, settings, output: output(&args.output)? })
}

fn catalogue(args: &RunArgs) -> Result<Catalogue, Refused> {
    match &args.catalogue {
        Some(file) => {
            let text = read("--catalogue", file)?;
            Ok(Catalogue::parse(&file.display().to_string(), &text)?)
        }
        None => Catalogue::profile(&args.profile).ok_or_else(|| {
            let known = profile_names().join(", ");
            bad("--profile", format!("unknown profile `{}`; known are {known}", args.profile))
        }),
    }
}

fn role(name: &str, catalogue: &Catalogue) -> Result<Role, Refused> {
    let known: Vec<String> = catalogue.roles.iter().map(ToString::to_string).collect();
    let role: Option<Role> = name.parse().ok();
    role.filter(|role| catalogue.roles.contains(role)).ok_or_else(|| {
        let (profile, known) = (&catalogue.profile, known.join(", "));
        bad("--role", format!("unknown role `{name}`; profile {profile} knows {known}"))
    })
}

fn trust(files: &[PathBuf]) -> Result<Trust, Refused> {
    let mut certificates = Vec::new();
    for file in files {
        let pem = read("--ca", file)?;
        let of_file = Trust::certificates(pem.as_bytes())
            .map_err(|error| bad("--ca", format!("{}: {error}", file.display())))?;
        if of_file.is_empty() {
            return Err(bad("--ca", format!("{}: no certificate in it", file.display())));
        }
        certificates.extend(of_file);
    }
    Ok(Trust::system(certificates))
}

type Targets = std::collections::BTreeMap<Party, Vec<Target>>;

fn targets(args: &TargetArgs, catalogue: &Catalogue) -> Result<Targets, Refused> {
    let flags: [(&'static str, &str, &[String]); 12] = [
        ("--central", "central", &args.central),
        ("--poller", "poller", &args.poller),
        ("--remote", "remote", &args.remote),
        ("--ntp", "ntp", &args.ntp),
        ("--dns", "dns", &args.dns),
        ("--smtp", "smtp", &args.smtp),
        ("--ldap", "ldap", &args.ldap),
        ("--http", "http", &args.http),
        ("--device", "device", &args.device),
        ("--nsclient", "nsclient", &args.nsclient),
        ("--vpn", "vpn", &args.vpn),
        ("--database", "database", &args.database),
    ];
    let mut targets = Targets::new();
    for (flag, party, values) in flags {
        for value in values {
            add(&mut targets, flag, Party(party.to_owned()), value)?;
        }
    }
    for text in &args.other {
        let (party, value) = pair("--target", text)?;
        if PARTIES.iter().any(|(id, _)| *id == party) {
            return Err(bad("--target", format!("use --{party} {value}")));
        }
        if catalogue.flows.iter().all(|flow| flow.to.0 != party) {
            let profile = &catalogue.profile;
            return Err(bad("--target", format!("profile {profile} has no flow to `{party}`")));
        }
        add(&mut targets, "--target", Party(party), &value)?;
    }
    Ok(targets)
}

fn add(
    targets: &mut Targets,
    flag: &'static str,
    party: Party,
    value: &str,
) -> Result<(), Refused> {
    let place: Place = value.parse().map_err(|reason: String| bad(flag, reason))?;
    let known = targets.entry(party).or_default();
    // Given twice is asked once.
    if known.iter().all(|target| target.place != place) {
        known.push(Target { place, origin: Origin::Flag(flag) });
    }
    Ok(())
}

/// `LEFT=RIGHT`, neither empty.
fn pair(flag: &str, text: &str) -> Result<(String, String), Refused> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(bad(flag, format!("`{text}` is not of the form NAME=VALUE"))),
    }
}

fn port(text: &str, catalogue: &Catalogue) -> Result<(String, Sourced<u16>), Refused> {
    let (id, port) = pair("--port", text)?;
    if !catalogue.flows.iter().any(|flow| *flow.id.get_ref() == id) {
        return Err(bad("--port", format!("profile {} has no flow `{id}`", catalogue.profile)));
    }
    let value = parse_port(&port).map_err(|reason| bad("--port", reason))?;
    Ok((id, Sourced { value, origin: Origin::Flag("--port") }))
}

fn customs(checks: &[String]) -> Result<Vec<Custom>, Refused> {
    let mut customs: Vec<Custom> = Vec::new();
    for text in checks {
        let custom: Custom = text.parse().map_err(|reason: String| bad("--check", reason))?;
        if customs.iter().any(|known| known.name == custom.name) {
            return Err(bad("--check", format!("the name `{}` is used twice", custom.name)));
        }
        customs.push(custom);
    }
    Ok(customs)
}

fn settings(args: &RunArgs, catalogue: &Catalogue, site: &Site) -> Result<Settings, Refused> {
    let tuning = &args.tuning;
    let phase = match args.phase.as_str() {
        "auto" if local::is_installed() => Phase::After,
        "auto" => Phase::Before,
        other => other.parse().map_err(|_| {
            bad("--phase", format!("unknown phase `{other}`; known are before, after, auto"))
        })?,
    };
    for group in &args.group {
        if !catalogue.flows.iter().any(|flow| flow.group.as_ref() == Some(group)) {
            return Err(bad(
                "--group",
                format!("profile {} has no group `{group}`", catalogue.profile),
            ));
        }
    }
    let skip: Vec<(String, Option<String>)> = tuning
        .skip
        .iter()
        .map(|text| match text.split_once('=') {
            Some((id, why)) => (id.to_owned(), Some(why.to_owned())),
            None => (text.clone(), None),
        })
        .collect();
    let globs = || {
        tuning
            .only
            .iter()
            .map(|glob| ("--only", glob))
            .chain(skip.iter().map(|(glob, _)| ("--skip", glob)))
    };
    for (flag, glob) in globs() {
        let known = catalogue.flows.iter().map(|flow| flow.id.get_ref().clone());
        let custom = site.custom.iter().map(|custom| format!("custom.{}", custom.name));
        if !known.chain(custom).any(|id| crate::plan::matches(glob, &id)) {
            return Err(bad(flag, format!("no flow is called `{glob}`")));
        }
    }
    Ok(Settings {
        phase,
        max_offset: duration("--max-offset", &tuning.max_offset)?,
        only: tuning.only.clone(),
        skip,
        groups: args.group.clone(),
        scale: factor(&tuning.timeout)?,
        strict: tuning.strict,
        trace: !tuning.no_trace,
    })
}

/// `500ms`, `2s`.
fn duration(flag: &str, text: &str) -> Result<Duration, Refused> {
    let shape = || bad(flag, format!("`{text}` is no time; write 500ms or 2s"));
    let (number, unit) = text
        .split_at_checked(text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(shape)?)
        .ok_or_else(shape)?;
    let number: f64 = number.parse().map_err(|_| shape())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "s" => number,
        _ => return Err(shape()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| shape())
}

fn factor(text: &str) -> Result<f64, Refused> {
    let factor: Option<f64> = text.parse().ok();
    factor
        .filter(|factor| (0.1..=20.0).contains(factor))
        .ok_or_else(|| bad("--timeout", format!("`{text}` is no factor from 0.1 to 20")))
}

fn output(args: &OutputArgs) -> Result<Output, Refused> {
    let format = |text: &String| {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err(bad("--format", format!("`{text}` names no file"))),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text.as_str(), None),
        };
        Format::named(name).map(|format| (format, file)).map_err(|reason| bad("--format", reason))
    };
    let formats: Vec<_> = args.format.iter().map(format).collect::<Result<_, _>>()?;
    if formats.iter().filter(|(_, file)| file.is_none()).count() > 1 {
        return Err(bad("--format", "only one format can go to stdout; give the others a FILE"));
    }
    Ok(Output { formats, verbose: args.verbose })
}

fn read(flag: &str, file: &Path) -> Result<String, Refused> {
    // Enough for a store of several hundred certificates, or a report of thousands of steps.
    const MOST: u64 = 64 << 20;
    let failed = |error: std::io::Error| bad(flag, format!("{}: {error}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(failed)?;
    std::io::Read::read_to_string(&mut std::io::Read::take(opened, MOST), &mut text)
        .map_err(failed)?;
    Ok(text)
}

/// A secret from its file, else from the environment.
fn secret(
    flag: &str,
    file: Option<&PathBuf>,
    variable: &str,
) -> Result<Option<SecretString>, Refused> {
    let text = match file {
        Some(file) => Some(read(flag, file)?),
        None => std::env::var(variable).ok(),
    };
    let text = text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned());
    if text.as_deref() == Some("") {
        return Err(bad(flag, format!("the secret is empty (file or {variable})")));
    }
    Ok(text.map(SecretString::from))
}

fn snmp_credentials(args: &CredentialArgs) -> Result<snmp::Credentials, Refused> {
    let community = secret(
        "--snmp-community-file",
        args.snmp_community_file.as_ref(),
        "PREFLIGHT_SNMP_COMMUNITY",
    )?;
    let version = args.snmp_version.as_deref();
    match (version, community, &args.snmp_user) {
        (Some("3") | None, _, Some(user)) => snmp_user(args, user),
        (Some("3"), _, None) => Err(bad("--snmp-version 3", "needs --snmp-user")),
        (Some("1"), Some(community), _) => {
            Ok(snmp::Credentials::Community { version: snmp::CommunityVersion::V1, community })
        }
        (Some("2c") | None, Some(community), _) => {
            Ok(snmp::Credentials::Community { version: snmp::CommunityVersion::V2c, community })
        }
        (Some("1" | "2c"), None, _) => Err(bad(
            "--snmp-version",
            "needs a community: --snmp-community-file or PREFLIGHT_SNMP_COMMUNITY",
        )),
        (None, None, None) => Ok(snmp::Credentials::None),
        (Some(other), _, _) => {
            Err(bad("--snmp-version", format!("unknown version `{other}`; known are 1, 2c, 3")))
        }
    }
}

fn snmp_user(args: &CredentialArgs, name: &str) -> Result<snmp::Credentials, Refused> {
    let auth = secret("--snmp-auth-file", args.snmp_auth_file.as_ref(), "PREFLIGHT_SNMP_AUTH")?;
    let privacy = secret("--snmp-priv-file", args.snmp_priv_file.as_ref(), "PREFLIGHT_SNMP_PRIV")?;
    if privacy.is_some() && auth.is_none() {
        return Err(bad("--snmp-priv-file", "privacy needs authentication too (--snmp-auth-file)"));
    }
    let auth_protocol = args.snmp_auth_protocol.parse().map_err(|_| {
        unknown_of::<snmp::AuthProtocol>("--snmp-auth-protocol", &args.snmp_auth_protocol)
    })?;
    let priv_protocol = args.snmp_priv_protocol.parse().map_err(|_| {
        unknown_of::<snmp::PrivProtocol>("--snmp-priv-protocol", &args.snmp_priv_protocol)
    })?;
    Ok(snmp::Credentials::User {
        name: name.to_owned(),
        auth: auth.map(|secret| (auth_protocol, secret)),
        privacy: privacy.map(|secret| (priv_protocol, secret)),
    })
}

/// A value that is none of the names there are.
fn unknown_of<T: strum::IntoEnumIterator + ToString>(flag: &str, value: &str) -> Refused {
    let known: Vec<String> = T::iter().map(|known| known.to_string()).collect();
    bad(flag, format!("unknown protocol `{value}`; known are {}", known.join(", ")))
}

fn ldap_bind(args: &CredentialArgs) -> Result<Option<ldap::Bind>, Refused> {
    let password = secret(
        "--ldap-password-file",
        args.ldap_password_file.as_ref(),
        "PREFLIGHT_LDAP_PASSWORD",
    )?;
    match (&args.ldap_bind_dn, password) {
        (Some(dn), Some(password)) => Ok(Some(ldap::Bind { dn: dn.clone(), password })),
        (Some(_), None) => Err(bad(
            "--ldap-bind-dn",
            "needs a password: --ldap-password-file or PREFLIGHT_LDAP_PASSWORD",
        )),
        (None, _) => Ok(None),
    }
}

fn nsclient_login(args: &CredentialArgs) -> Result<nsclient::Probe, Refused> {
    let password = secret(
        "--nsclient-password-file",
        args.nsclient_password_file.as_ref(),
        "PREFLIGHT_NSCLIENT_PASSWORD",
    )?;
    Ok(nsclient::Probe { user: args.nsclient_user.clone(), password })
}

fn proxy(
    targets: &TargetArgs,
    args: &CredentialArgs,
) -> Result<Option<Sourced<http::Proxy>>, Refused> {
    let Some(text) = &targets.proxy else {
        return Ok(None);
    };
    let text = if text.contains("://") { text.clone() } else { format!("http://{text}") };
    // Parsed as any other target: no user, no password, no port 0.
    let place: Place = text.parse().map_err(|reason: String| bad("--proxy", reason))?;
    let url = place
        .url
        .filter(|url| url.scheme() == "http")
        .ok_or_else(|| bad("--proxy", "only http:// proxies are known"))?;
    let password = secret(
        "--proxy-password-file",
        args.proxy_password_file.as_ref(),
        "PREFLIGHT_PROXY_PASSWORD",
    )?;
    let value = http::Proxy { url, user: args.proxy_user.clone(), password };
    Ok(Some(Sourced { value, origin: Origin::Flag("--proxy") }))
}

fn test_mail(args: &TuningArgs) -> Result<Option<smtp::TestMail>, Refused> {
    let Some(to) = &args.smtp_test_mail else {
        return Ok(None);
    };
    let from = args.smtp_from.clone().unwrap_or_else(|| to.clone());
    for (flag, address) in [("--smtp-test-mail", to), ("--smtp-from", &from)] {
        let parts =
            address.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty());
        if parts.is_none() {
            return Err(bad(flag, format!("`{address}` is no mail address")));
        }
    }
    Ok(Some(smtp::TestMail { to: to.clone(), from }))
}
