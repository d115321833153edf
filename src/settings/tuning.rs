//! How a run is done: phase, waits, choice of flows.

use std::time::Duration;

use preflight_checks::{Respond, SERVICES, Service, quoted};
use strum::IntoEnumIterator as _;
use toml::Spanned;

use super::known::{MachineFiles, groups_exist};
use super::site_file::Part;
use super::{SettingsError, bad};
use crate::catalogue::Catalogue;
use crate::cli::{AgainArgs, RunArgs, TuningArgs};
use crate::run::plan::{InstallPhase, Settings};
use crate::run::watch::Patience;
use crate::site::amount::{check_factor, parse_duration};
use crate::site::mistake::MistakeCode;
use crate::site::{Custom, local};

pub(super) fn settings(
    args: &RunArgs,
    catalogue: &Catalogue,
    customs: &[&Custom],
    found: &MachineFiles,
    part: Option<&Part>,
) -> Result<Settings, SettingsError> {
    let tuning = &args.tuning;
    let platform = part.map(|part| &part.file.platform);
    let said = platform.and_then(|platform| platform.phase);
    let phase = match args.phase.as_deref().or(said).unwrap_or("auto") {
        "auto" if !found.is_elsewhere && local::is_installed(&found.files) => InstallPhase::After,
        "auto" => InstallPhase::Before,
        other => other.parse().map_err(|_| {
            bad(
                "--phase",
                format!(
                    "unknown phase {other}; known are before, after, auto",
                    other = quoted(other)
                ),
            )
        })?,
    };
    groups_exist(&args.group, catalogue)?;
    let skip: Vec<(String, Option<String>)> = tuning
        .skip
        .iter()
        .map(|text| match text.split_once('=') {
            Some((id, why)) => (id.to_owned(), Some(why.to_owned())),
            None => (text.clone(), None),
        })
        .collect();
    let mut tuned = platform.map(|platform| platform.tuned.clone()).unwrap_or_default();
    let TuningArgs { only, optional, require, until_installed, .. } = tuning;
    let mut globs: Vec<(&str, &String)> = only.iter().map(|glob| ("--only", glob)).collect();
    globs.extend(skip.iter().map(|(glob, _)| ("--skip", glob)));
    for (flag, given, all) in [
        ("--optional", optional, &mut tuned.optional),
        ("--require", require, &mut tuned.require),
        ("--until-installed", until_installed, &mut tuned.until_installed),
    ] {
        globs.extend(given.iter().map(|glob| (flag, glob)));
        all.extend(given.iter().map(|glob| Spanned::new(0..0, glob.clone())));
    }
    for (flag, glob) in globs {
        let known = catalogue.flows.iter().map(|flow| flow.id.get_ref().clone());
        let custom = customs.iter().map(|custom| format!("custom.{}", custom.name));
        let mistakes = MistakeCode::iter().map(|code| format!("config.{}", <&str>::from(code)));
        if !known.chain(custom).chain(mistakes).any(|id| crate::catalogue::matches(glob, &id)) {
            return Err(bad(flag, format!("no flow is called {glob}", glob = quoted(glob))));
        }
    }
    let of_file = |part: &Part| part.machine.skip().collect::<Vec<_>>();
    let said = part.map(|part| part.file.groups().collect::<Vec<_>>());
    let groups = args.group.iter().cloned().chain(said.unwrap_or_default()).collect();
    if let Some(text) = &tuning.max_offset {
        tuned.max_offset = parse_duration(text).map_err(|reason| bad("--max-offset", reason))?;
    }
    if let Some(text) = &tuning.timeout {
        tuned.timeout = factor(text)?;
    }
    Ok(Settings {
        phase,
        only: tuning.only.clone(),
        skip: skip.into_iter().chain(part.map(of_file).unwrap_or_default()).collect(),
        groups,
        tuned,
        rate: tuning.rate.as_deref().map(rate).transpose()?,
        strict: tuning.strict,
        trace: !tuning.no_trace,
        far_side: None,
    })
}

/// How often a run is repeated, and for how long; `None`: it is not.
pub(crate) fn patience(args: &AgainArgs) -> Result<Option<Patience>, SettingsError> {
    let every = args.watch.as_deref().map(pause).transpose()?;
    let within = args.wait.as_deref().map(|text| duration("--wait", text)).transpose()?;
    Ok((every.is_some() || within.is_some()).then_some(Patience { every, within }))
}

/// From a second, since less would be a load for whoever is asked, to an hour.
fn pause(text: &str) -> Result<Duration, SettingsError> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok();
    let seconds = seconds.filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        bad("--watch", format!("`{text}` is not a number of seconds from 1 to 3600"))
    })
}

/// `90s`, `30m` or `2h`, a day at most.
pub(crate) fn duration(flag: &str, text: &str) -> Result<Duration, SettingsError> {
    const DAY: u64 = 24 * 3600;

    let unit = |suffix: char, seconds: u64| {
        let number: u64 = text.strip_suffix(suffix)?.parse().ok()?;
        number.checked_mul(seconds).filter(|all| (1..=DAY).contains(all))
    };
    let seconds = unit('s', 1).or_else(|| unit('m', 60)).or_else(|| unit('h', 3600));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        bad(flag, format!("`{text}` is not a time as 90s, 30m or 2h are, up to a day"))
    })
}

/// `--hold`: from eight seconds, since the shortest silence is an eighth of it.
pub(crate) fn silence(text: &str) -> Result<Duration, SettingsError> {
    const LEAST: Duration = Duration::from_secs(8);
    let silence = duration("--hold", text)?;
    let reason = "less than 8 s of silence prove nothing";
    if silence < LEAST { Err(bad("--hold", reason)) } else { Ok(silence) }
}

/// `snmp` or `snmp:1161`: a service that can be stood in for, and its port.
pub(crate) fn stand_in(text: &str) -> Result<(&'static Service, u16), SettingsError> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let has_far_side = |service: &Service| !matches!(service.respond, Respond::Nobody);
    let known = || SERVICES.iter().copied().filter(|service| has_far_side(service));
    let service = known().find(|service| service.name == name).ok_or_else(|| {
        let names = known().map(|service| service.name).collect::<Vec<_>>().join(", ");
        bad("--device", format!("unknown service {}; known are {names}", quoted(name)))
    })?;
    let port = port.map_or(Some(service.port), |port| port.parse().ok());
    port.filter(|port| *port != 0)
        .map(|port| (service, port))
        .ok_or_else(|| bad("--device", format!("{} names no port", quoted(text))))
}

fn rate(text: &str) -> Result<u32, SettingsError> {
    let rate = text.parse().ok().filter(|rate| (1..=1_000_000).contains(rate));
    rate.ok_or_else(|| {
        let text = quoted(text);
        bad("--rate", format!("{text} is not a number of packets a second from 1 to 1000000"))
    })
}

fn factor(text: &str) -> Result<f64, SettingsError> {
    let is_time = text
        .strip_suffix(['s', 'm'])
        .is_some_and(|number| number.trim_end_matches('m').parse::<f64>().is_ok());
    if is_time {
        let reason = format!(
            "{} is a time, and each question has its own: give a factor, --timeout 2 waits twice as long",
            quoted(text)
        );
        return Err(bad("--timeout", reason));
    }
    let factor = text.parse().ok().and_then(|factor| check_factor(factor).ok());
    factor.ok_or_else(|| {
        bad("--timeout", format!("{text} is not a factor from 0.1 to 20", text = quoted(text)))
    })
}
