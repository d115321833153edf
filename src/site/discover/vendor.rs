//! Whose product is installed here, and which version of it?
//!
//! Centreon and i-Vertix share their daemons and the folders of these, so what tells them apart is
//! where their packages come from: repositories, the lists of packages as far as they are text
//! (dpkg's status, dnf's log; rpm's own database is none), and i-Vertix's own folder. A poller of
//! Centreon Cloud has the platform's host names in its configuration.

use std::cmp::Reverse;

use super::facts::VendorSign;
use super::{At, Facts, Files, Text};
use crate::catalogue::Release;

/// dpkg(1), the state of each package.
const DPKG: &str = "/var/lib/dpkg/status";
/// What dnf has installed, a line a package.
const DNF: &str = "/var/log/dnf.rpm.log";
/// Scripts that only i-Vertix's machines have, such as `sync_poller.sh`.
const I_VERTIX_FOLDER: &str = "/opt/i-vertix";

const I_VERTIX: &str = "i-vertix";
const CENTREON: &str = "centreon";
const CLOUD: &str = "centreon-cloud";

/// Packages that carry the platform's own version; plugins are numbered by their day.
const PLATFORM: [&str; 8] = [
    "centreon-web",
    "centreon-central",
    "centreon-poller",
    "centreon-gorgone",
    "centreon-broker",
    "centreon-engine",
    "centreon-map-engine",
    "centreon-bi-reporting-server",
];

/// To be read last: repositories, Gorgone and brokers tell, too.
pub(super) fn read(files: &Files, facts: &mut Facts) {
    let mut signs = by_hosts(facts);
    signs.extend(by_repositories(facts));
    if files.exists(I_VERTIX_FOLDER) {
        let at = At::file(I_VERTIX_FOLDER);
        signs.push(VendorSign {
            profile: I_VERTIX,
            version: None,
            at,
            because: "its folder".into(),
        });
    }
    if let Ok(text) = files.read_objects(DPKG) {
        signs.extend(by_dpkg(&text));
    }
    if let Ok(text) = files.read(DNF) {
        signs.extend(by_dnf(&text));
    }
    // i-Vertix builds on Centreon's packages, and Centreon Cloud's pollers are made of them.
    let rank = |profile: &str| [CLOUD, I_VERTIX, CENTREON].iter().position(|it| *it == profile);
    // Of one vendor, an installed package says more than where packages would come from.
    signs.sort_by_key(|sign| (rank(sign.profile), Reverse(sign.because.contains(' '))));
    facts.vendors = signs;
}

fn by_hosts(facts: &Facts) -> Vec<VendorSign> {
    let gorgone = facts.gorgone.iter().filter_map(|gorgone| gorgone.pullwss.as_ref());
    let gorgone = gorgone.map(|wss| (wss.place.host.as_str(), &wss.at));
    let outputs = facts.brokers.iter().flat_map(|broker| &broker.streams);
    let outputs = outputs.filter_map(|stream| Some((stream.host.as_deref()?, &stream.at)));
    let of_cloud = gorgone.chain(outputs).filter(|(host, _)| is_cloud(host));
    let sign = |(host, at): (&str, &At)| VendorSign {
        profile: CLOUD,
        version: None,
        at: at.clone(),
        because: host.to_owned(),
    };
    of_cloud.map(sign).collect()
}

/// A host of Centreon Cloud: `gorgone-acme.euwest1.centreon.cloud`.
pub(crate) fn is_cloud(host: &str) -> bool {
    host.trim_end_matches('.').to_ascii_lowercase().ends_with(".centreon.cloud")
}

fn by_repositories(facts: &Facts) -> Vec<VendorSign> {
    let sign = |repository: &super::facts::Repository| {
        let text = format!("{} {} {}", repository.name, repository.url, repository.at.file);
        let text = text.to_ascii_lowercase();
        let host = repository.url.host_str().unwrap_or_default();
        let profile = if text.contains("i-vertix") || text.contains("ivertix") {
            I_VERTIX
        } else if host == "centreon.com" || host.ends_with(".centreon.com") {
            CENTREON
        } else {
            return None;
        };
        let mut words = repository.url.path().split(['/', '-', '_']);
        let version = words.find_map(|word| word.parse().ok());
        let (at, because) = (repository.at.clone(), repository.url.host_str()?.to_owned());
        Some(VendorSign { profile, version, at, because })
    };
    facts.repositories.iter().filter_map(sign).collect()
}

/// Paragraphs with `Package`, `Status` and `Version`.
fn by_dpkg(text: &Text) -> Vec<VendorSign> {
    let (mut name, mut line, mut is_installed) = ("", 0, false);
    let mut signs = Vec::new();
    for (number, content) in text.lines() {
        match content.split_once(": ") {
            Some(("Package", value)) => (name, line, is_installed) = (value, number, false),
            Some(("Status", value)) => is_installed = value.ends_with(" installed"),
            Some(("Version", value)) if is_installed => {
                let version = value.split_once(':').map_or(value, |(_, version)| version);
                signs.extend(package(name, version, text.at(line)));
            }
            _ => {}
        }
    }
    best(signs)
}

/// `2026-11-02T09:14:11+0100 SUBDEBUG Installed: centreon-web-24.10.4-1.el9.noarch`
fn by_dnf(text: &Text) -> Vec<VendorSign> {
    let mut signs = Vec::new();
    for (number, line) in text.lines() {
        let installed = line.split_once(" Installed: ").or_else(|| line.split_once(" Upgrade: "));
        let Some((_, package_name)) = installed else { continue };
        // Name, version and release, each behind a dash of its own.
        let mut parts = package_name.trim().rsplitn(3, '-');
        if let (Some(_release), Some(version), Some(name)) =
            (parts.next(), parts.next(), parts.next())
        {
            signs.extend(package(name, version, text.at(number)));
        }
    }
    // What was installed last is what is there.
    signs.reverse();
    best(signs)
}

/// What an installed package says of the vendor.
fn package(name: &str, version: &str, at: At) -> Option<VendorSign> {
    let digits = version.split(['-', '~', '+']).next().unwrap_or_default();
    let release: Option<Release> = digits.parse().ok();
    let profile = if name.starts_with("ivertix-") || name.starts_with("i-vertix-") {
        I_VERTIX
    } else if PLATFORM.contains(&name) {
        CENTREON
    } else {
        return None;
    };
    let because = format!("package {name} {digits}");
    Some(VendorSign { profile, version: release, at, because })
}

/// Of each vendor the first sign that tells a version, else the first.
fn best(signs: Vec<VendorSign>) -> Vec<VendorSign> {
    let mut kept: Vec<VendorSign> = Vec::new();
    for sign in signs {
        match kept.iter_mut().find(|known| known.profile == sign.profile) {
            Some(known) if known.version.is_none() && sign.version.is_some() => *known = sign,
            Some(_) => {}
            None => kept.push(sign),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn told(files: &[(&str, &str)]) -> Option<(&'static str, Option<String>, String)> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let facts = super::super::discover(&Files::below(root.path()));
        let version = facts.platform_version().map(|release| release.to_string());
        let sign = facts.vendors.first()?;
        Some((sign.profile, version, sign.at.to_string()))
    }

    const STATUS: &str = "Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n\
        Package: centreon-plugin-x\nStatus: install ok installed\nVersion: 20241105\n\n\
        Package: centreon-poller\nStatus: install ok installed\nVersion: 24.10.4-bookworm\n";

    #[test]
    fn a_repository_tells_vendor_and_version() {
        let dnf = "[centreon]\nname=Centreon\nenabled=1\n\
                   baseurl=https://packages.centreon.com/rpm-standard/24.10/el9/stable/x86_64/\n";
        let path = "etc/yum.repos.d/centreon-24.10.repo";
        let (profile, version, at) = told(&[(path, dnf)]).unwrap();
        assert_eq!((profile, version.as_deref()), ("centreon", Some("24.10")));
        assert_eq!(at, "/etc/yum.repos.d/centreon-24.10.repo:4");
        let apt = "deb https://packages.centreon.com/apt-standard-25.10-stable/ bookworm main\n";
        let (profile, version, _) = told(&[("etc/apt/sources.list.d/centreon.list", apt)]).unwrap();
        assert_eq!((profile, version.as_deref()), ("centreon", Some("25.10")));
    }

    #[test]
    fn an_installed_package_tells_them_too_and_a_removed_one_nothing() {
        let (profile, version, at) = told(&[("var/lib/dpkg/status", STATUS)]).unwrap();
        assert_eq!((profile, version.as_deref()), ("centreon", Some("24.10")));
        assert_eq!(at, "/var/lib/dpkg/status:9");
        let removed = STATUS.replace("install ok installed", "deinstall ok config-files");
        assert_eq!(told(&[("var/lib/dpkg/status", &removed)]), None);
        let log = "2026-01-01T00:00:00+0100 SUBDEBUG Installed: centreon-web-24.04.9-1.el9.noarch\n\
                   2026-02-01T00:00:00+0100 SUBDEBUG Upgrade: centreon-web-24.10.1-1.el9.noarch\n";
        let (profile, version, _) = told(&[("var/log/dnf.rpm.log", log)]).unwrap();
        assert_eq!((profile, version.as_deref()), ("centreon", Some("24.10")));
    }

    #[test]
    fn i_vertix_is_told_from_the_product_it_builds_on() {
        let both = format!(
            "{STATUS}\nPackage: ivertix-netflow-poller\nStatus: install ok installed\nVersion: 1.2\n"
        );
        let (profile, version, _) = told(&[("var/lib/dpkg/status", &both)]).unwrap();
        assert_eq!((profile, version.as_deref()), ("i-vertix", Some("24.10")));
        let folder = ("opt/i-vertix/scripts/i-vertix/sync_poller.sh", "#!/bin/bash\n");
        assert_eq!(told(&[folder]).unwrap().0, "i-vertix");
        let repository =
            "[ivertix]\nname=x\nenabled=1\nbaseurl=https://repo.example/ivertix/24.10/\n";
        let told = told(&[("etc/yum.repos.d/ivertix.repo", repository)]).unwrap();
        assert_eq!((told.0, told.1.as_deref()), ("i-vertix", Some("24.10")));
    }

    #[test]
    fn what_only_looks_alike_is_no_sign() {
        for url in ["https://centreon.com.evil.example/24.10/", "https://deb.debian.org/debian/"] {
            let list = format!("deb {url} bookworm main\n");
            assert_eq!(told(&[("etc/apt/sources.list", &list)]), None, "{url}");
        }
        assert!(is_cloud("gorgone-acme.euwest1.centreon.cloud"));
        assert!(!is_cloud("centreon.cloud.example") && !is_cloud("notcentreon.cloud"));
        assert_eq!(told(&[]), None);
    }
}
