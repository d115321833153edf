//! Flags as typed become settings as used: every value parsed once, at the edge.

mod credentials;
mod devices;
mod known;
#[cfg(test)]
mod reach;
mod site_file;
mod targets;
mod tuning;

use std::io::Read;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use preflight_checks::{Trust, discreet_text, printable, quoted};
use secrecy::SecretString;

use crate::catalogue::{Broken, Catalogue, Mode as LinkMode, Role, matches};
use crate::cli::{FilesArgs, OutputArgs, RedactArgs, RunArgs};
use crate::console::output::Output;
use crate::report::{Format, format_named};
use crate::run::plan::{Settings, plan};
use crate::site::discover::Files;
use crate::site::mistake::mistakes;
use crate::site::{Custom, FileReaders, Knowledge, Origin, Site, Sourced, View, join, local};
use crate::tasks::flows::{self, Planned};
use crate::tasks::redact::RedactionKey;
use credentials::{
    broker_output, ldap_bind, may_inform, named, nsclient_login, nsclient_nt_password, otlp_token,
    proxy, redis_password, snmp_credentials, test_mail,
};
use devices::target;
use known::{MachineFiles, catalogue_and_role, discovered, shown};
use site_file::Part;
use targets::{customs, departures, port, targets, unasked, without_flow};
use tuning::settings;

pub(crate) use credentials::{community, far_side_code};
pub(crate) use known::{inventory, requirements};
pub(crate) use site_file::{CodePlace, init, machine_names};
pub(crate) use tuning::{duration, patience, silence, stand_in};

/// One machine's run.
#[derive(Debug)]
pub(crate) struct Job {
    /// The flow table.
    pub(crate) catalogue: Catalogue,
    /// What is known of the installation.
    pub(crate) site: Site,
    /// How it is done.
    pub(crate) settings: Settings,
    /// Where and how to report.
    pub(crate) output: Output,
    /// The key of the stand-ins, if addresses and names must not be shown.
    pub(crate) redact: Option<RedactionKey>,
    /// Targets of the command line that no flow of this machine asks: the flag, and why.
    pub(crate) unasked: Vec<(String, String)>,
    /// What whoever reads the run must know: which machine of the site file this was taken as when nobody said,
    /// and how many devices a list or a network has come to.
    pub(crate) remarks: Vec<String>,
    /// Where the site file says that the code of the far side is put.
    pub(crate) code_place: Option<CodePlace>,
}

/// What settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A run: the site file's secrets are fetched.
    Run,
    /// A plan, which needs none: it may be made on any machine.
    Plan,
}

impl Job {
    /// The machine and its plan, for the document of its flows.
    pub(crate) fn on_paper(&self) -> Planned {
        let address = self.site.address.map(|address| address.to_string());
        Planned { plan: plan(&self.catalogue, &self.site, &self.settings), address }
    }

    /// The same job, whose plan is only printed.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for a format that no plan has.
    pub(crate) fn planned(self) -> Result<Self, SettingsError> {
        let as_document = |format: &Format| flows_format(*format).is_some();
        if !self.output.formats.iter().all(|(format, _)| as_document(format)) {
            let known = "a plan is written as table or json, its flows as markdown or csv";
            return Err(bad("--format", known));
        }
        Ok(self)
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// clap's own words: help, version, or an error with its usage.
    #[error(transparent)]
    Usage(#[from] crate::cli::UsageError),
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

pub(crate) fn bad(flag: impl Into<String>, reason: impl Into<String>) -> SettingsError {
    // A value can hold anything; what reaches the terminal is printable, and no secret.
    SettingsError::Value { flag: flag.into(), reason: discreet_text(&printable(&reason.into())) }
}

/// `output`, for `what` is not a report of a run: as table or JSON only.
///
/// # Errors
///
/// [`SettingsError`] for another format.
pub(crate) fn plain(output: Output, what: &str) -> Result<Output, SettingsError> {
    let is_plain = |format: &Format| matches!(format, Format::Table | Format::Json);
    if output.formats.iter().all(|(format, _)| is_plain(format)) {
        return Ok(output);
    }
    Err(bad("--format", format!("{what} is written as table or json")))
}

/// How the document of a plan's flows is written in a format of a report, if it is.
pub(crate) fn flows_format(format: Format) -> Option<flows::FlowsFormat> {
    match format {
        Format::Table => Some(flows::FlowsFormat::Table),
        Format::Json => Some(flows::FlowsFormat::Json),
        Format::Markdown => Some(flows::FlowsFormat::Markdown),
        Format::Csv => Some(flows::FlowsFormat::Csv),
        // A page for a reader of a run, or of a program that reads runs.
        _ => None,
    }
}

/// This machine's run, or the plan of it.
pub(crate) fn job(args: &RunArgs, purpose: Purpose) -> Result<Job, SettingsError> {
    let found = discovered(&args.known)?;
    let part = site_file::part(&args.known, &found)?;
    let (catalogue, role) = catalogue_and_role(args, &found, part.as_ref())?;
    let job = job_of(args, found, (catalogue, role), part, purpose)?;
    match job.unasked.first() {
        Some((flag, reason)) => Err(bad(flag, reason)),
        None => only_what_is_there(job),
    }
}

/// The same job, unless `--only` leaves nothing of it.
fn only_what_is_there(job: Job) -> Result<Job, SettingsError> {
    // That a mistake is not there is an answer.
    let only = job.settings.only.iter().find(|glob| !glob.starts_with("config."));
    let Some(glob) = only else { return Ok(job) };
    if !plan(&job.catalogue, &job.site, &job.settings).steps.is_empty() {
        return Ok(job);
    }
    let asker = job.settings.asker(&job.site);
    let row = job.catalogue.flows.iter().find(|flow| matches(glob, flow.id.get_ref()));
    let why = row.map(|row| Catalogue::why_not(&asker, row));
    Err(bad(
        "--only",
        why.unwrap_or_else(|| format!("{glob} matches nothing here", glob = quoted(glob))),
    ))
}

/// The run of each machine of the site file, as far as it can be known elsewhere.
pub(crate) fn jobs(args: &RunArgs) -> Result<Vec<Job>, SettingsError> {
    let parts = site_file::parts(&args.known)?;
    let table = parts
        .first()
        .map(|first| catalogue_and_role(args, &MachineFiles::elsewhere(), Some(first)));
    let Some((catalogue, _)) = table.transpose()? else { return Ok(Vec::new()) };
    let job = |part: Part| {
        let role = part.machine.role();
        let table = (catalogue.clone(), role);
        job_of(args, MachineFiles::elsewhere(), table, Some(part), Purpose::Plan)?.planned()
    };
    let jobs: Vec<Job> = parts.into_iter().map(job).collect::<Result<_, _>>()?;
    // The flags are for all of them: one that asks it is enough.
    let (first, others) = jobs
        .split_first()
        .map_or((&[][..], &[][..]), |(first, others)| (first.unasked.as_slice(), others));
    let by_none = |(flag, _): &&(String, String)| {
        others.iter().all(|job| job.unasked.iter().any(|(other, _)| other == flag))
    };
    match first.iter().find(by_none) {
        Some((flag, reason)) => Err(bad(flag, reason)),
        None => Ok(jobs),
    }
}

fn job_of(
    args: &RunArgs,
    found: MachineFiles,
    (catalogue, role): (Catalogue, Role),
    part: Option<Part>,
    purpose: Purpose,
) -> Result<Job, SettingsError> {
    let mut flags = Knowledge::default();
    let counts = targets(&args.targets, &catalogue, &mut flags)?;
    flags = Knowledge {
        custom: customs(&args.targets.check, args.tuning.send_test_trap.as_deref())?,
        proxy: proxy(&args.targets, &args.credentials)?,
        snmp: Some(snmp_credentials(&args.credentials)?),
        ldap: ldap_bind(&args.credentials)?,
        nsclient: Some(nsclient_login(&args.credentials)?),
        bbdo: broker_output(args)?,
        modes: modes(args)?,
        ports: args
            .targets
            .port
            .iter()
            .map(|text| port(text, &catalogue))
            .collect::<Result<_, _>>()?,
        from: departures(&args.targets.from, &catalogue)?,
        ..flags
    };
    if let Some(text) = &args.targets.proxy {
        flags.add("proxy", target("--proxy", text)?);
    }
    let per_group = Some(args.known.sample).filter(|_| !args.known.all_devices);
    let internet = catalogue.hosts_of(role);
    let own = join(&found.facts, View { role, per_group, internet: &internet });
    let of_file = part.as_ref().map(|part| part.layer(&[&flags, &own], &found, args, purpose));
    let mut of_file = of_file.transpose()?.unwrap_or_default();
    of_file.complete(&own);
    let customs: Vec<&Custom> = flags.custom.iter().chain(&of_file.custom).collect();
    let settings = settings(args, &catalogue, &customs, &found, part.as_ref())?;
    // What groups that are switched on say of the machine, where nobody says otherwise.
    for group in catalogue.groups.iter().filter(|group| settings.groups.contains(&group.id)) {
        of_file.has_engine |= group.engine;
        let mode = group.mode.map(|value| Sourced { value, origin: Origin::flag("--group") });
        of_file.modes.extend(mode);
    }
    let mut site = Site::of_layers(role, trust(&args.tuning.ca)?, [flags.clone(), of_file, own]);
    let unasked = unasked(&catalogue, &settings.asker(&site), &flags);
    // A flag that lets a password go counts for one that the site file names, too.
    site.nsclient.insecure |= args.credentials.nsclient_insecure;
    if let Some(bind) = &mut site.ldap {
        bind.plain |= args.credentials.ldap_plain;
    }
    link(&mut site, &found.files, purpose);
    if args.tuning.send_test_trap.is_some() {
        may_inform(&site.snmp)?;
    }
    site.test_mail = test_mail(&args.tuning)?;
    site.otlp = otlp_token(&args.credentials)?;
    site.nsclient_nt = nsclient_nt_password(&args.credentials)?;
    site.redis = redis_password(&args.credentials)?;
    site.hosts_names = local::hosts_names(&found.files);
    site.names = args.known.root.as_ref().map(|_| local::names(&found.files));
    let is_told = args.role.is_some() || part.is_some();
    site.mistakes = mistakes(&found.facts, &found.files, &site, &catalogue, is_told);
    site.notes.extend(found.facts.notes);
    site.notes.extend(without_flow(&catalogue, &site));
    site.root = args.known.root.as_deref().map(shown);
    site.elsewhere = site.root.as_ref().map(|_| local::Elsewhere::read(&found.files));
    if let Some(part) = &part {
        site.platform.clone_from(&part.file.platform.name);
        site.machine = Some(part.machine.name().to_owned());
        site.nat = part.machine.nat();
        site.address = part.machine.address();
        site.host_name = part.machine.host_name();
    }
    let code_place = part.as_ref().map(Part::code_place);
    let remarks = part.and_then(|part| part.taken_as).into_iter().chain(counts).collect();
    let (output, redact) = (output(&args.output)?, key(&args.redact)?);
    Ok(Job { catalogue, site, settings, output, redact, unasked, remarks, code_place })
}

/// `--mode` and the direction of `--bbdo`.
fn modes(args: &RunArgs) -> Result<Vec<Sourced<LinkMode>>, SettingsError> {
    let mode = args.mode.as_deref().map(|text| {
        let known = [LinkMode::Zmq, LinkMode::Ssh, LinkMode::Pull, LinkMode::Pullwss];
        let mode = known.into_iter().find(|mode| mode.to_string() == text);
        let value = mode.ok_or_else(|| {
            let words = known.map(|mode| mode.to_string()).join(", ");
            bad("--mode", format!("unknown mode {}; known are {words}", quoted(text)))
        })?;
        Ok::<_, SettingsError>(Sourced { value, origin: Origin::flag("--mode") })
    });
    let is_reversed = args.bbdo.iter().any(|word| word == "reversed");
    let bbdo = Sourced { value: LinkMode::BbdoReversed, origin: Origin::flag("--bbdo") };
    Ok(mode.transpose()?.into_iter().chain(is_reversed.then_some(bbdo)).collect())
}

/// Opens what the broker outputs of this machine make TLS with; a plan needs none of it.
fn link(site: &mut Site, files: &Files, purpose: Purpose) {
    let here = Files::here();
    let read = |files: &Files, path: &str| Ok(SecretString::from(files.read(path)?.text));
    let (given, found) = (|path: &str| read(&here, path), |path: &str| read(files, path));
    let opening = FileReaders { given: &given, found: &found };
    site.link((purpose == Purpose::Run).then_some(opening));
}

fn trust(files: &[PathBuf]) -> Result<Trust, SettingsError> {
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

/// `LEFT=RIGHT`, neither empty.
pub(crate) fn pair(flag: &str, text: &str) -> Result<(String, String), SettingsError> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(bad(flag, format!("{text} is not of the form NAME=VALUE", text = quoted(text)))),
    }
}

/// The key of `--redact`: that of the file, or one that nobody has had before.
///
/// # Errors
///
/// A file that is no key.
pub(crate) fn key(args: &RedactArgs) -> Result<Option<RedactionKey>, SettingsError> {
    let key = match &args.redact_key {
        Some(file) => RedactionKey::of(file).map_err(|reason| format!("{}: {reason}", named(file))),
        None if args.redact => RedactionKey::new(),
        None => return Ok(None),
    };
    let key = key.map(|key| Some(key.keeping_text(args.redact_keep_text)));
    key.map_err(|reason| bad("--redact-key", reason))
}

/// `FROM=ADDR`: who is translated to which address.
pub(crate) fn nat(text: &str) -> Result<(String, std::net::IpAddr), SettingsError> {
    let (from, address) = pair("--nat", text)?;
    let address = address.parse();
    address.map(|address| (from, address)).map_err(|_| {
        bad("--nat", format!("{text} does not end in an address", text = quoted(text)))
    })
}

pub(crate) fn output(args: &OutputArgs) -> Result<Output, SettingsError> {
    let mut output: Output = formats(&args.format, &args.files)?;
    if args.quiet {
        output.formats.retain(|there| *there != (Format::Table, None));
    }
    Ok(Output { verbose: args.verbose, quiet: args.quiet, ..output })
}

/// Where each `FORMAT[=FILE]` goes.
///
/// # Errors
///
/// A format there is not, a file without a name, two formats for stdout, permissions that are none.
pub(crate) fn formats<F>(texts: &[String], args: &FilesArgs) -> Result<Output<F>, SettingsError>
where
    F: std::str::FromStr + strum::VariantNames,
{
    let format = |text: &String| {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => {
                return Err(bad("--format", format!("{text} names no file", text = quoted(text))));
            }
            Some((name, "-")) => (name, None),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text.as_str(), None),
        };
        format_named(name).map(|format| (format, file)).map_err(|reason| bad("--format", reason))
    };
    let formats: Vec<_> = texts.iter().map(format).collect::<Result<_, _>>()?;
    if formats.iter().filter(|(_, file)| file.is_none()).count() > 1 {
        return Err(bad("--format", "only one format can go to stdout; give the others a FILE"));
    }
    let files: Vec<&PathBuf> = formats.iter().filter_map(|(_, file)| file.as_ref()).collect();
    for (index, file) in files.iter().enumerate() {
        if files.iter().skip(index + 1).any(|other| other == file) {
            return Err(bad(
                "--format",
                format!("two formats cannot both be in {}", file.display()),
            ));
        }
    }
    let mode = args.file_mode.as_deref().map(mode).transpose()?;
    Ok(Output { formats, verbose: false, quiet: false, mode })
}

/// `640`: who may read and write a file.
fn mode(text: &str) -> Result<Mode, SettingsError> {
    let is_octal =
        (3..=4).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    let bits = if is_octal { u32::from_str_radix(text, 8).ok() } else { None };
    bits.filter(|bits| *bits <= 0o777).map(Mode::from_bits_truncate).ok_or_else(|| {
        bad(
            "--file-mode",
            format!(
                "{text} is not a file's permissions in octal, as 640 or 0644 are",
                text = quoted(text)
            ),
        )
    })
}

pub(crate) fn read(flag: &str, file: &Path) -> Result<String, SettingsError> {
    read_as(flag, file, &file.display().to_string())
}

/// The same, where an error calls the file `shown`.
fn read_as(flag: &str, file: &Path, shown: &str) -> Result<String, SettingsError> {
    // Enough for a store of several hundred certificates, or a report of thousands of steps.
    const MOST: u64 = 64 << 20;
    let failed = |error: std::io::Error| bad(flag, format!("{shown}: {error}"));
    let mut opened: Box<dyn Read> = if is_stdin(file) {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    let mut text = String::new();
    opened.by_ref().take(MOST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// A name of what this program is given on its standard input, which may be a socket and cannot be
/// opened by name then.
pub(crate) fn is_stdin(file: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| file == Path::new(name))
}
