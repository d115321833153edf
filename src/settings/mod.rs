//! Flags as typed become settings as used: every value parsed once, at the edge.

mod credentials;

use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_checks::Trust;

use crate::catalogue::{Broken, Catalogue, PARTIES, Party, Role, profile_names};
use crate::cli::{KnownArgs, OutputArgs, RedactArgs, RunArgs, TargetArgs};
use crate::inventory::Inventory;
use crate::plan::{Phase, Settings};
use crate::redact::Key;
use crate::report::{Format, format_named};
use crate::site::clapi::ask_clapi;
use crate::site::discover::{Facts, Files, Text, clapi, discover};
use crate::site::mistake::mistakes;
use crate::site::sample::PER_GROUP;
use crate::site::{
    Custom, Find, Layer, Origin, Place, Site, Sourced, Target, View, join, local, parse_port,
};
use credentials::{ldap_bind, nsclient_login, proxy, snmp_credentials, test_mail};

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
    /// The key of the stand-ins, if addresses and names must not be shown.
    pub(crate) redact: Option<Key>,
    /// Targets that no flow of this role asks, each by its flag.
    pub(crate) unused: Vec<String>,
}

impl Job {
    /// The same job, whose plan is only printed.
    ///
    /// # Errors
    ///
    /// [`Refused`] for a format that no plan has.
    pub(crate) fn planned(self) -> Result<Self, Refused> {
        let output = self.output.plain("a plan")?;
        Ok(Self { output, ..self })
    }
}

/// Where and how to report.
#[derive(Clone, Debug)]
pub(crate) struct Output<F = Format> {
    /// Each format, and its file; none: stdout.
    pub(crate) formats: Vec<(F, Option<PathBuf>)>,
    /// Show origins, evidence and timings.
    pub(crate) verbose: bool,
}

impl Output {
    /// The same, for `what` is no report of a run: as table or JSON only.
    ///
    /// # Errors
    ///
    /// [`Refused`] for another format.
    pub(crate) fn plain(self, what: &str) -> Result<Self, Refused> {
        let is_plain = |format: &Format| matches!(format, Format::Table | Format::Json);
        if self.formats.iter().all(|(format, _)| is_plain(format)) {
            return Ok(self);
        }
        Err(bad("--format", format!("{what} is written as table or json")))
    }

    /// Does a table go to stdout?
    pub(crate) fn shows_table(&self) -> bool {
        self.formats.contains(&(Format::Table, None))
    }

    /// Does a monitoring plugin's output go to stdout, and so its exit code too?
    pub(crate) fn is_plugin(&self) -> bool {
        self.formats.contains(&(Format::Centreon, None))
    }

    /// Do lines go to stdout while the run is on?
    pub(crate) fn is_live(&self) -> bool {
        self.formats.contains(&(Format::Ndjson, None))
    }

    /// What is left to write when the live lines are told.
    pub(crate) fn without_live(&self) -> Self {
        let mut rest = self.clone();
        rest.formats.retain(|there| *there != (Format::Ndjson, None));
        rest
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

fn bad(flag: impl Into<String>, reason: impl Into<String>) -> Refused {
    // A value can hold anything; what reaches the terminal is printable.
    Refused::Value { flag: flag.into(), reason: preflight_checks::printable(&reason.into()) }
}

pub(crate) fn job(args: &RunArgs) -> Result<Job, Refused> {
    let found = discovered(&args.known)?;
    let (catalogue, role) = catalogue_and_role(args, &found)?;
    let mut flags = Layer {
        targets: targets(&args.targets, &catalogue)?,
        custom: customs(&args.targets.check)?,
        proxy: proxy(&args.targets, &args.credentials)?,
        snmp: Some(snmp_credentials(&args.credentials)?),
        ldap: ldap_bind(&args.credentials)?,
        nsclient: Some(nsclient_login(&args.credentials)?),
        ports: args
            .targets
            .port
            .iter()
            .map(|text| port(text, &catalogue))
            .collect::<Result<_, _>>()?,
        ..Layer::default()
    };
    if let Some(text) = &args.targets.proxy {
        add(&mut flags.targets, "--proxy", Party("proxy".to_owned()), text)?;
    }
    let unused = |settings: &Settings| unused_targets(&catalogue, role, &flags, settings);
    let settings = settings(args, &catalogue, &flags, &found)?;
    let unused = unused(&settings);
    let per_group = Some(args.known.sample).filter(|_| !args.known.all_devices);
    let view = View { role, per_group, internet: &catalogue.internet };
    let mut site =
        Site::of_layers(role, trust(&args.tuning.ca)?, [flags, join(&found.facts, view)]);
    site.test_mail = test_mail(&args.tuning)?;
    site.hosts_names = local::hosts_names(&found.files);
    site.mistakes = mistakes(&found.facts, &found.files, &site, &catalogue, args.role.is_some());
    site.notes.extend(found.facts.notes);
    site.root = args.known.root.as_deref().map(shown);
    let (output, redact) = (output(&args.output)?, key(&args.redact)?);
    Ok(Job { catalogue, site, settings, output, redact, unused })
}

/// Everything a machine's files say: this machine's, or those of a copy.
pub(crate) fn inventory(root: Option<&Path>) -> Inventory {
    let files = root.map_or_else(Files::here, Files::below);
    let facts = discover(&files);
    // Without a role the mistakes of a poller are looked for: they are those of most machines.
    let role = facts.roles.first().map_or(Role::Poller, |sign| sign.role);
    let view = View { role, per_group: Some(PER_GROUP), internet: &[] };
    let site = Site::of_layers(role, Trust::only([]), [join(&facts, view)]);
    let mistakes = mistakes(&facts, &files, &site, &usual_catalogue(Some(role)), false);
    Inventory::of(&facts, mistakes, root.map(shown))
}

/// A folder as it may be printed.
fn shown(folder: &Path) -> String {
    preflight_checks::printable(&folder.display().to_string())
}

/// What a machine's files say, and the files.
struct Found {
    files: Files,
    facts: Facts,
}

fn discovered(known: &KnownArgs) -> Result<Found, Refused> {
    let files = known.root.as_deref().map_or_else(Files::here, Files::below);
    let mut facts = if known.no_discovery { Facts::default() } else { discover(&files) };
    for (file, flag, list) in [
        (&known.pollers_from, "--pollers-from", clapi::machines as fn(&Text, &mut Facts)),
        (&known.ldap_from, "--ldap-from", clapi::directories),
    ] {
        if let Some(file) = file {
            let text = read(flag, file)?;
            list(&Text { file: file.display().to_string().into(), text }, &mut facts);
        }
    }
    if known.clapi {
        ask_clapi(&mut facts);
    }
    Ok(Found { files, facts })
}

/// The flow table, and the role this machine has in it.
fn catalogue_and_role(args: &RunArgs, found: &Found) -> Result<(Catalogue, Role), Refused> {
    let (name, role) = if let Some(name) = &args.role {
        (name.clone(), name.parse().ok())
    } else {
        let role = found_role(found)?;
        (role.to_string(), Some(role))
    };
    let catalogue = catalogue(args, role)?;
    let role = role.filter(|role| catalogue.roles.contains(role)).ok_or_else(|| {
        let all: Vec<String> = catalogue.roles.iter().map(ToString::to_string).collect();
        let (profile, all) = (&catalogue.profile, all.join(", "));
        bad("--role", format!("unknown role `{name}`; profile {profile} knows {all}"))
    })?;
    Ok((catalogue, role))
}

fn catalogue(args: &RunArgs, role: Option<Role>) -> Result<Catalogue, Refused> {
    match (&args.catalogue, &args.profile) {
        (Some(file), _) => {
            let text = read("--catalogue", file)?;
            Ok(Catalogue::parse(&file.display().to_string(), &text)?)
        }
        (None, Some(profile)) => {
            Catalogue::profile(profile).ok_or_else(|| unknown_profile(profile))
        }
        (None, None) => Ok(usual_catalogue(role)),
    }
}

/// The role this machine's files speak of.
fn found_role(found: &Found) -> Result<Role, Refused> {
    let sign = found.facts.roles.first();
    sign.map(|sign| sign.role).ok_or_else(|| {
        let reason =
            "what is this machine? Its files do not say; give --role central, poller or remote";
        bad("--role", reason)
    })
}

/// The first embedded profile that knows the role.
fn usual_catalogue(role: Option<Role>) -> Catalogue {
    let mut profiles = profile_names().into_iter().filter_map(Catalogue::profile);
    let first = || profile_names().into_iter().find_map(Catalogue::profile);
    let knows = |catalogue: &Catalogue| role.is_none_or(|role| catalogue.roles.contains(&role));
    let found = profiles.find(knows).or_else(first);
    // They parse: a test holds every embedded profile to that.
    found.unwrap_or_else(|| unreachable!("profiles are embedded"))
}

fn unknown_profile(name: &str) -> Refused {
    let known = profile_names().join(", ");
    bad("--profile", format!("unknown profile `{name}`; known are {known}"))
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
    for domain in &args.ldap_domain {
        add(&mut targets, "--ldap-domain", Party("ldap".to_owned()), domain)?;
        let added = targets.values_mut().flatten();
        let is_domain = |target: &&mut Target| target.origin == Origin::Flag("--ldap-domain");
        added.filter(is_domain).for_each(|target| target.find = Find::Srv);
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

/// A target given in vain is worth a word: it may be meant for the other role.
fn unused_targets(
    catalogue: &Catalogue,
    role: Role,
    flags: &Layer,
    settings: &Settings,
) -> Vec<String> {
    let asked = |party: &Party| {
        catalogue.flows.iter().any(|flow| {
            let on = flow.group.as_ref().is_none_or(|group| settings.groups.contains(group));
            on && flow.from.is(role) && flow.to == *party
        })
    };
    let given = flags.targets.keys().filter(|party| !asked(party));
    given.map(|party| party.flag().split(' ').next().unwrap_or_default().to_owned()).collect()
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
        known.push(Target::new(place, Origin::Flag(flag)));
    }
    Ok(())
}

/// `LEFT=RIGHT`, neither empty.
pub(crate) fn pair(flag: &str, text: &str) -> Result<(String, String), Refused> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(bad(flag, format!("`{text}` is not of the form NAME=VALUE"))),
    }
}

/// The key of `--redact`: that of the file, or one that nobody has had before.
///
/// # Errors
///
/// A file that is no key.
pub(crate) fn key(args: &RedactArgs) -> Result<Option<Key>, Refused> {
    let key = match &args.redact_key {
        Some(file) => Key::of(file).map_err(|reason| format!("{}: {reason}", file.display())),
        None if args.redact => Key::new(),
        None => return Ok(None),
    };
    key.map(Some).map_err(|reason| bad("--redact-key", reason))
}

/// `FROM=ADDR`: who is translated to which address.
pub(crate) fn nat(text: &str) -> Result<(String, std::net::IpAddr), Refused> {
    let (from, address) = pair("--nat", text)?;
    let address = address.parse();
    address
        .map(|address| (from, address))
        .map_err(|_| bad("--nat", format!("`{text}` does not end in an address")))
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

fn settings(
    args: &RunArgs,
    catalogue: &Catalogue,
    flags: &Layer,
    found: &Found,
) -> Result<Settings, Refused> {
    let tuning = &args.tuning;
    let phase = match args.phase.as_str() {
        "auto" if local::is_installed(&found.files) => Phase::After,
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
        let custom = flags.custom.iter().map(|custom| format!("custom.{}", custom.name));
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

pub(crate) fn output(args: &OutputArgs) -> Result<Output, Refused> {
    Ok(Output { verbose: args.verbose, ..formats(&args.format)? })
}

/// Where each `FORMAT[=FILE]` goes.
///
/// # Errors
///
/// A format there is not, a file without a name, two formats for stdout.
pub(crate) fn formats<F>(texts: &[String]) -> Result<Output<F>, Refused>
where
    F: std::str::FromStr + strum::VariantNames,
{
    let format = |text: &String| {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err(bad("--format", format!("`{text}` names no file"))),
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
    Ok(Output { formats, verbose: false })
}

pub(crate) fn read(flag: &str, file: &Path) -> Result<String, Refused> {
    // Enough for a store of several hundred certificates, or a report of thousands of steps.
    const MOST: u64 = 64 << 20;
    let failed = |error: std::io::Error| bad(flag, format!("{}: {error}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(failed)?;
    std::io::Read::read_to_string(&mut std::io::Read::take(opened, MOST), &mut text)
        .map_err(failed)?;
    Ok(text)
}
