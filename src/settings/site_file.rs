//! The site file of a run: which machine of it this is, and what it says of it.

use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use preflight_checks::quoted;
use secrecy::SecretString;
use strum::VariantNames as _;

use super::known::{MachineFiles, files, found_role, shown, unknown_profile, vendors_catalogue};
use super::{Purpose, SettingsError, bad, is_stdin, read};
use crate::catalogue::{Catalogue, Party, Role, profile_names};
use crate::cli::{InitArgs, KnownArgs, PER_GROUP, RunArgs};
use crate::site::discover::{Files, discover};
use crate::site::file::{MOST, SiteFile, SiteMachine, Subject, Vault, write};
use crate::site::{Knowledge, View, join, local};
use crate::text::first_of;

/// One machine of a site file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: Arc<SiteFile>,
    pub(super) machine: SiteMachine,
    /// How the machine was found, when nobody named it.
    pub(super) taken_as: Option<String>,
    /// The file's folder, where relative paths in it begin.
    folder: PathBuf,
}

/// The part of the site file that is this machine's, if there is a site file.
pub(super) fn part(args: &KnownArgs, found: &MachineFiles) -> Result<Option<Part>, SettingsError> {
    let Some(path) = &args.site else { return Ok(None) };
    let file = open(path)?;
    let (machine, taken_as) = match &args.machine {
        Some(name) => (named(&file, name)?, None),
        None => here(&file, found)?,
    };
    Ok(Some(Part { machine, taken_as, folder: folder(path), file: Arc::new(file) }))
}

/// `preflight init`: a site file made from what a machine's files say.
pub(crate) fn init(args: &InitArgs) -> Result<String, SettingsError> {
    if let Some(inventory) = &args.from_inventory {
        return from_inventory(inventory, args.profile.as_deref());
    }
    let files = files(args.root.as_deref())?;
    let found = MachineFiles { facts: discover(&files), files, is_elsewhere: false };
    let role = match &args.role {
        Some(name) => name.parse().map_err(|_| {
            let known = Role::VARIANTS.join(", ");
            bad("--role", format!("unknown role {name}; known are {known}", name = quoted(name)))
        })?,
        None => found_role(&found)?,
    };
    let catalogue = match &args.profile {
        Some(name) => Catalogue::profile(name).ok_or_else(|| unknown_profile(name))?,
        None => vendors_catalogue(&found, &[role]),
    };
    let MachineFiles { files, facts, .. } = &found;
    let (name, addresses) = identity(files);
    let name = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let subject = Subject {
        name: if name.is_empty() { role.to_string() } else { name },
        role,
        addresses,
        catalogue: &catalogue,
        whose: args.root.as_deref().map_or("this machine".to_owned(), shown),
    };
    let internet = catalogue.hosts_of(role);
    let view = View { role, per_group: Some(PER_GROUP), internet: &internet };
    Ok(write(facts, &join(facts, view), &subject))
}

/// A site file made from an Ansible inventory; it is read as a run would read it.
fn from_inventory(file: &Path, profile: Option<&str>) -> Result<String, SettingsError> {
    const FLAG: &str = "--from-inventory";
    let text = read(FLAG, file)?;
    let name =
        if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() };
    let page = crate::site::inventory::site_file(&name, &text, profile)
        .map_err(|reason| bad(FLAG, reason))?;
    SiteFile::parse(&format!("the site file made from {name}"), &page)?;
    Ok(page)
}

/// The machines that a site file names; none if it cannot be read, for whoever completes a command line.
pub(crate) fn machine_names(file: &Path) -> Vec<String> {
    let names =
        |file: SiteFile| file.machines().iter().map(|machine| machine.name().to_owned()).collect();
    if is_stdin(file) { Vec::new() } else { open(file).map(names).unwrap_or_default() }
}

/// The part of every machine.
pub(super) fn parts(args: &KnownArgs) -> Result<Vec<Part>, SettingsError> {
    // clap has seen to it that there is one.
    let path = args.site.as_deref().unwrap_or(Path::new(""));
    let file = Arc::new(open(path)?);
    if file.machines().is_empty() {
        return Err(bad("--all", format!("{} has no machine", file.name())));
    }
    let part = |machine: &SiteMachine| Part {
        file: Arc::clone(&file),
        machine: machine.clone(),
        taken_as: None,
        folder: folder(path),
    };
    Ok(file.machines().iter().map(part).collect())
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

fn open(path: &Path) -> Result<SiteFile, SettingsError> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| bad("--site", format!("{name}: {error}"));
    let mut text = String::new();
    let opened: Box<dyn Read> = if is_stdin(path) {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    opened.take(MOST + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MOST {
        return Err(bad("--site", format!("{name}: a site file has at most {} MiB", MOST >> 20)));
    }
    Ok(SiteFile::parse(&name, &text)?)
}

fn named(file: &SiteFile, name: &str) -> Result<SiteMachine, SettingsError> {
    let machine = file.machine(name).cloned();
    machine.ok_or_else(|| {
        bad(
            "--as",
            format!(
                "{} has no machine {name}; it has {}",
                file.name(),
                listed(file.machines()),
                name = quoted(name)
            ),
        )
    })
}

/// The one machine of the file that this is, by its addresses or its name.
fn here(
    file: &SiteFile,
    found: &MachineFiles,
) -> Result<(SiteMachine, Option<String>), SettingsError> {
    let (name, addresses) = identity(&found.files);
    let fits = file.machines().iter().filter(|machine| machine.is_at(&addresses, &name));
    let fits: Vec<SiteMachine> = fits.cloned().collect();
    match fits.as_slice() {
        [one] => {
            let taken_as = format!("taken as {}, {} of {}", one.name(), one.role(), file.name());
            Ok((one.clone(), Some(preflight_checks::printable(&taken_as))))
        }
        [] if file.machines().is_empty() => {
            Err(bad("--site", format!("{} has no machine", file.name())))
        }
        [] => Err(which(file, file.machines())),
        several => Err(which(file, several)),
    }
}

/// A machine's host name; its addresses too, if it is this one.
fn identity(files: &Files) -> (String, Vec<IpAddr>) {
    if files.is_here() {
        let host = local::host();
        return (host.name, host.addresses);
    }
    let name = files.read("/etc/hostname").map(|text| text.text).unwrap_or_default();
    let name = name.lines().next().unwrap_or_default().trim();
    (name.chars().filter(|c| !c.is_control()).collect(), Vec::new())
}

fn which(file: &SiteFile, machines: &[SiteMachine]) -> SettingsError {
    let names = listed(machines);
    bad("--as", format!("which machine of {} is this? Give --as with one of {names}", file.name()))
}

/// Their names; of very many the first.
fn listed(machines: &[SiteMachine]) -> String {
    const A_FEW: usize = 20;
    let names: Vec<&str> = machines.iter().map(SiteMachine::name).collect();
    first_of(&names, A_FEW)
}

/// Where the code of the far side is put, as the site file says; it is read when it is needed.
#[derive(Clone, Debug)]
pub(crate) struct CodePlace {
    file: Arc<SiteFile>,
    folder: PathBuf,
}

impl CodePlace {
    /// The code; `None`: the file names no place.
    pub(super) fn read(&self) -> Result<Option<SecretString>, SettingsError> {
        Ok(self.file.far_side_code(&Vault { folder: &self.folder, facts: None })?)
    }
}

impl Part {
    /// Where the code of the far side is put.
    pub(super) fn code_place(&self) -> CodePlace {
        CodePlace { file: Arc::clone(&self.file), folder: self.folder.clone() }
    }

    /// The machine's role, unless the user says another.
    pub(super) fn role(&self, given: Option<&str>) -> Result<Role, SettingsError> {
        let role = self.machine.role();
        match given.filter(|given| !given.eq_ignore_ascii_case(&role.to_string())) {
            Some(given) => {
                let (name, at) = (self.machine.name(), self.file.role_at(&self.machine));
                Err(bad("--role", format!("{at} says that {name} is a {role}, not a {given}")))
            }
            None => Ok(role),
        }
    }

    /// The flow table the file names, else that of the vendor found here.
    pub(super) fn catalogue(&self, found: &MachineFiles) -> Result<Catalogue, SettingsError> {
        let Some(name) = &self.file.platform.profile else {
            let roles: Vec<Role> = self.file.machines().iter().map(SiteMachine::role).collect();
            return Ok(vendors_catalogue(found, &roles));
        };
        Catalogue::profile(name.get_ref()).ok_or_else(|| {
            self.file
                .broken(
                    name,
                    crate::site::file::unknown("profile", name.get_ref(), &profile_names()),
                )
                .into()
        })
    }

    /// What the file says of the machine; `known` is what others say.
    pub(super) fn layer(
        &self,
        known: &[&Knowledge],
        found: &MachineFiles,
        args: &RunArgs,
        purpose: Purpose,
    ) -> Result<Knowledge, SettingsError> {
        let has = |party: &str| {
            known.iter().any(|layer| layer.targets.contains_key(&Party(party.to_owned())))
        };
        let facts = (!args.known.no_discovery).then_some(&found.facts);
        let vault = Vault { folder: &self.folder, facts };
        let vault = (purpose == Purpose::Run).then_some(&vault);
        Ok(self.file.layer(&self.machine, has, vault)?)
    }
}
