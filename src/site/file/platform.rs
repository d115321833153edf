//! `[platform]`: its keys, what they hold, and how they are read.

use std::time::Duration;

use toml::Spanned;

use super::key::{KeyShape, SiteKey, key, words};
use super::walk::{SiteValue, Table, names};
use crate::catalogue::{Broken, Release, profile_names};
use crate::site::amount::{check_factor, parse_duration};

/// `[platform]`
pub(super) const PLATFORM: &[SiteKey] = &[
    key("name", KeyShape::Text, "The platform's name, for a reader."),
    key(
        "profile",
        KeyShape::Words(|| profile_names().into_iter().map(str::to_owned).collect()),
        "The vendor's flow table.",
    ),
    key(
        "version",
        KeyShape::Form(r"^[0-9]{2}\.(0[1-9]|1[0-2])(\.[0-9]+)*$"),
        "The platform's version: some rows are of some versions only.",
    ),
    key(
        "phase",
        KeyShape::Words(|| words(&PHASES)),
        "Before or after installation; auto: as it looks.",
    ),
    key("timeout", KeyShape::Number(0.1, 20.0), "Every wait times this factor."),
    key(
        "max_offset",
        KeyShape::Form("^[0-9.]+(ms|s)$"),
        "The largest clock difference that passes: 500ms, 2s.",
    ),
    key("groups", KeyShape::Texts, "Groups of the profile that are switched on."),
    key("optional", KeyShape::Texts, "Flows whose failure fails no run: ids or globs."),
    key(
        "require",
        KeyShape::Texts,
        "Flows whose failure fails the run, though the profile has them as optional.",
    ),
    key(
        "until_installed",
        KeyShape::Texts,
        "Flows whose closed ports wait for the installation: ids or globs.",
    ),
];

/// `[platform]`: how a run is done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Platform {
    /// Its name, for a reader.
    pub(crate) name: Option<String>,
    /// The vendor's flow table.
    pub(crate) profile: Option<Spanned<String>>,
    /// `before`, `after` or `auto`.
    pub(crate) phase: Option<&'static str>,
    /// Groups of the profile that are switched on.
    pub(super) groups: Vec<Spanned<String>>,
    /// The platform's version.
    pub(crate) version: Option<Spanned<Release>>,
    /// What flags may say too.
    pub(crate) tuned: Tuned,
}

/// What the site file and a flag may say of a run, with what holds when neither does.
#[derive(Clone, Debug)]
pub(crate) struct Tuned {
    /// Every wait times this.
    pub(crate) timeout: f64,
    /// Largest clock difference that passes.
    pub(crate) max_offset: Duration,
    /// Flows, or globs, whose failure fails no run.
    pub(crate) optional: Globs,
    /// Flows, or globs, whose failure fails the run, whatever else is said of them.
    pub(crate) require: Globs,
    /// Flows, or globs: before installation closed ports of these wait too.
    pub(crate) until_installed: Globs,
}

impl Default for Tuned {
    fn default() -> Self {
        Self {
            timeout: 1.0,
            max_offset: Duration::from_millis(500),
            optional: Globs::default(),
            require: Globs::default(),
            until_installed: Globs::default(),
        }
    }
}

/// Ids of flows, `*` and `?` in them; one of a flag stands nowhere in the file.
pub(crate) type Globs = Vec<Spanned<String>>;

/// When a closed port is no failure.
const PHASES: [(&str, &str); 3] = [("before", "before"), ("after", "after"), ("auto", "auto")];
pub(super) fn platform(table: &Table<'_>) -> Result<Platform, Box<Broken>> {
    table.only(PLATFORM)?;
    let factor = |value: SiteValue<'_>| check_factor(value.number()?).map_err(|e| value.refuse(e));
    let time = |value: SiteValue<'_>| parse_duration(value.text()?).map_err(|e| value.refuse(e));
    let phase = table.map("phase", |value| value.one_of(&PHASES))?;
    let usual = Tuned::default();
    Ok(Platform {
        name: table.map("name", |value| value.text().map(str::to_owned))?,
        profile: table.map("profile", |value| value.placed_text())?,
        phase: phase.map(Spanned::into_inner),
        groups: table.map("groups", names)?.unwrap_or_default(),
        version: table.map("version", |value| value.parsed())?,
        tuned: Tuned {
            timeout: table.map("timeout", factor)?.unwrap_or(usual.timeout),
            max_offset: table.map("max_offset", time)?.unwrap_or(usual.max_offset),
            optional: table.map("optional", names)?.unwrap_or_default(),
            require: table.map("require", names)?.unwrap_or_default(),
            until_installed: table.map("until_installed", names)?.unwrap_or_default(),
        },
    })
}
