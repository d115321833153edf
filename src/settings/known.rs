//! What the machine's files say, and which flow table and role follow from it.

use std::path::Path;

use preflight_checks::{Trust, quoted};

use super::site_file::Part;
use super::{Job, SettingsError, bad, read};
use crate::catalogue::{Catalogue, Release, Role, profile_names};
use crate::cli::{FlowsArgs, KnownArgs, PER_GROUP, RunArgs, TableArgs};
use crate::site::clapi::ask_clapi;
use crate::site::discover::{Facts, Files, Text, clapi, discover};
use crate::site::mistake::mistakes;
use crate::site::{Site, View, join, local};
use crate::tasks::flows::{FlowChoice, Planned, Requirements};
use crate::tasks::inventory::Inventory;

/// Everything a machine's files say: this machine's, or those of a copy.
///
/// # Errors
///
/// [`SettingsError`] when there is no such folder.
pub(crate) fn inventory(root: Option<&Path>) -> Result<Inventory, SettingsError> {
    let files = files(root)?;
    let facts = discover(&files);
    // Without a role the mistakes of a poller are looked for: they are those of most machines.
    let role = facts.roles.first().map_or(Role::Poller, |sign| sign.role);
    let view = View { role, per_group: Some(PER_GROUP), internet: &[] };
    let site = Site::of_layers(role, Trust::only([]), [join(&facts, view)]);
    let mistakes = mistakes(&facts, &files, &site, &usual_catalogue(&[role]), false);
    Ok(Inventory::of(&facts, mistakes, root.map(shown)))
}

/// The files of this machine, or of the copy in `root`.
pub(super) fn files(root: Option<&Path>) -> Result<Files, SettingsError> {
    let Some(root) = root else { return Ok(Files::here()) };
    match std::fs::read_dir(root) {
        Ok(_) => Ok(Files::below(root)),
        Err(error) => Err(bad("--root", format!("{}: {error}", root.display()))),
    }
}

/// A folder as it may be printed.
pub(super) fn shown(folder: &Path) -> String {
    preflight_checks::printable(&folder.display().to_string())
}

/// What a machine's files say, and the files.
pub(super) struct MachineFiles {
    pub(super) files: Files,
    pub(super) facts: Facts,
    /// The machine is neither this one nor here as a copy: nothing was read.
    pub(super) is_elsewhere: bool,
}

impl MachineFiles {
    pub(super) fn elsewhere() -> Self {
        Self { files: Files::here(), facts: Facts::default(), is_elsewhere: true }
    }
}

pub(super) fn discovered(known: &KnownArgs) -> Result<MachineFiles, SettingsError> {
    let files = files(known.root.as_deref())?;
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
    Ok(MachineFiles { files, facts, is_elsewhere: false })
}

/// The flow table, and the role this machine has in it.
pub(super) fn catalogue_and_role(
    args: &RunArgs,
    found: &MachineFiles,
    part: Option<&Part>,
) -> Result<(Catalogue, Role), SettingsError> {
    if let Some(part) = part {
        let role = part.role(args.role.as_deref())?;
        let catalogue = catalogue(&args.table, || part.catalogue(found))?;
        let said = part.file.platform.version.as_ref().map(|version| *version.get_ref());
        let catalogue = for_machine(catalogue, &args.table, said, found)?;
        part.file.check(&catalogue, &args.group)?;
        return Ok((catalogue, role));
    }
    let (name, role) = if let Some(name) = &args.role {
        (name.clone(), name.parse().ok())
    } else {
        let role = found_role(found)?;
        (role.to_string(), Some(role))
    };
    let catalogue = catalogue(&args.table, || Ok(vendors_catalogue(found, role.as_slice())))?;
    let catalogue = for_machine(catalogue, &args.table, None, found)?;
    let role = role.filter(|role| catalogue.roles.contains(role));
    let role = role.ok_or_else(|| unknown_role(&name, &catalogue))?;
    Ok((catalogue, role))
}

/// The rows of a flow table, as a document.
///
/// # Errors
///
/// A table, a role or a group there is not.
pub(crate) fn requirements(args: &FlowsArgs) -> Result<Requirements, SettingsError> {
    if let Some(site) = &args.site {
        return requirements_of_site(args, site);
    }
    let role = args.role.as_deref().map(|name| name.parse::<Role>().map_err(|_| name));
    let known = role.and_then(Result::ok);
    let catalogue = catalogue(&args.table, || Ok(usual_catalogue(known.as_slice())))?;
    if let Some(name) = &args.role
        && !known.is_some_and(|role| catalogue.roles.contains(&role))
    {
        return Err(unknown_role(name, &catalogue));
    }
    groups_exist(&args.group, &catalogue)?;
    let catalogue = match given_version(&args.table, &catalogue)? {
        Some(version) => catalogue.at(Some(version)),
        None => catalogue,
    };
    let choice = FlowChoice { role: known, groups: args.group.clone() };
    Ok(Requirements::new(&catalogue, &choice))
}

/// The rows of a site file's machines.
fn requirements_of_site(args: &FlowsArgs, site: &Path) -> Result<Requirements, SettingsError> {
    let run =
        RunArgs { table: args.table.clone(), group: args.group.clone(), ..RunArgs::of_site(site) };
    let mut jobs = super::jobs(&run)?;
    if let Some(name) = &args.machine {
        jobs.retain(|job| job.site.machine.as_ref() == Some(name));
        if jobs.is_empty() {
            return Err(bad("--as", format!("{} has no machine `{name}`", site.display())));
        }
    }
    if let Some(name) = &args.role {
        jobs.retain(|job| job.site.role.to_string().eq_ignore_ascii_case(name));
        if jobs.is_empty() {
            return Err(bad("--role", format!("{} has no {name}", site.display())));
        }
    }
    let catalogue = jobs.first().map(|job| job.catalogue.clone());
    let planned: Vec<Planned> = jobs.iter().map(Job::on_paper).collect();
    let catalogue = catalogue.unwrap_or_else(|| usual_catalogue(&[]));
    Ok(Requirements::of_plans(&catalogue, &planned))
}

fn unknown_role(name: &str, catalogue: &Catalogue) -> SettingsError {
    let all: Vec<String> = catalogue.roles.iter().map(ToString::to_string).collect();
    let (profile, all) = (&catalogue.profile, all.join(", "));
    bad(
        "--role",
        format!("unknown role {name}; profile {profile} knows {all}", name = quoted(name)),
    )
}

fn catalogue(
    table: &TableArgs,
    usual: impl FnOnce() -> Result<Catalogue, SettingsError>,
) -> Result<Catalogue, SettingsError> {
    match (&table.catalogue, &table.profile) {
        (Some(file), _) => {
            let text = read("--catalogue", file)?;
            Ok(Catalogue::parse(&file.display().to_string(), &text)?)
        }
        (None, Some(profile)) => Catalogue::profile(&profile.to_ascii_lowercase())
            .ok_or_else(|| unknown_profile(profile)),
        (None, None) => usual(),
    }
}

/// The rows of this machine's version of the platform; that a table is another vendor's is noted.
fn for_machine(
    mut catalogue: Catalogue,
    table: &TableArgs,
    said: Option<Release>,
    found: &MachineFiles,
) -> Result<Catalogue, SettingsError> {
    let sign = found.facts.vendors.first();
    let is_own = catalogue.identity.file.is_some();
    let misfit = sign.filter(|sign| !is_own && sign.profile != catalogue.profile);
    if let Some(sign) = misfit {
        let version = found.facts.platform_version();
        let version = version.map(|version| format!(" {version}")).unwrap_or_default();
        let (profile, because, at) = (sign.profile, &sign.because, &sign.at);
        let text = format!(
            "this machine is of {profile}{version} ({because}, {at}): give --profile {profile}"
        );
        catalogue.identity.misfit = Some(preflight_checks::printable(&text));
    }
    let version = given_version(table, &catalogue)?.or(said);
    let version = version.or_else(|| found.facts.platform_version().filter(|_| misfit.is_none()));
    Ok(catalogue.at(version))
}

/// `--platform-version`.
fn given_version(
    table: &TableArgs,
    catalogue: &Catalogue,
) -> Result<Option<Release>, SettingsError> {
    const FLAG: &str = "--platform-version";
    let Some(text) = &table.platform_version else { return Ok(None) };
    let release: Release = text.parse().map_err(|reason: String| bad(FLAG, reason))?;
    let known = &catalogue.platform_versions;
    if known.first().is_some_and(|oldest| release < *oldest) {
        let known: Vec<String> = known.iter().map(Release::to_string).collect();
        let profile = &catalogue.profile;
        let reason = format!("profile {profile} knows {}, nothing older", known.join(", "));
        return Err(bad(FLAG, reason));
    }
    Ok(Some(release))
}

/// The flow table of the vendor whose product is found; where one is installed and nothing says
/// whose, the report asks for it.
pub(super) fn vendors_catalogue(found: &MachineFiles, roles: &[Role]) -> Catalogue {
    let sign = found.facts.vendors.first();
    if let Some(catalogue) = sign.and_then(|sign| Catalogue::profile(sign.profile)) {
        return catalogue;
    }
    let mut catalogue = usual_catalogue(roles);
    if found.is_elsewhere || !local::is_installed(&found.files) {
        return catalogue;
    }
    let others = profile_names().into_iter().filter(|name| *name != catalogue.profile);
    let others = others.filter_map(Catalogue::profile).filter(|other| other.knows(roles));
    let others: Vec<String> = others.map(|other| other.profile).collect();
    if !others.is_empty() {
        let (own, others) = (&catalogue.profile, others.join(" or "));
        let text = format!(
            "no file says whose product this is; {own} is taken (--profile {own}, {others})"
        );
        catalogue.identity.misfit = Some(text);
    }
    catalogue
}

/// The role this machine's files speak of.
pub(super) fn found_role(found: &MachineFiles) -> Result<Role, SettingsError> {
    let sign = found.facts.roles.first();
    sign.map(|sign| sign.role).ok_or_else(|| {
        let reason =
            "what is this machine? Its files do not say; give --role central, poller or remote";
        bad("--role", reason)
    })
}

/// The first embedded profile that knows all these roles.
pub(super) fn usual_catalogue(roles: &[Role]) -> Catalogue {
    let mut profiles = profile_names().into_iter().filter_map(Catalogue::profile);
    let first = || profile_names().into_iter().find_map(Catalogue::profile);
    let found = profiles.find(|profile| profile.knows(roles)).or_else(first);
    // They parse: a test holds every embedded profile to that.
    found.unwrap_or_else(|| unreachable!("profiles are embedded"))
}

pub(super) fn unknown_profile(name: &str) -> SettingsError {
    let known = profile_names().join(", ");
    bad("--profile", format!("unknown profile {name}; known are {known}", name = quoted(name)))
}

/// Does the flow table have all these groups?
pub(super) fn groups_exist(groups: &[String], catalogue: &Catalogue) -> Result<(), SettingsError> {
    let known = catalogue.group_ids();
    match groups.iter().find(|group| !known.contains(&group.as_str())) {
        Some(group) => {
            let profile = &catalogue.profile;
            let known = match known.as_slice() {
                [] => "it has none".to_owned(),
                all => format!("it has {}", all.join(", ")),
            };
            Err(bad(
                "--group",
                format!("profile {profile} has no group {}; {known}", quoted(group)),
            ))
        }
        None => Ok(()),
    }
}
