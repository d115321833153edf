//! The repositories of dnf and yum.
//!
//! Where there is a list of mirrors, it is what is fetched first; otherwise one of the
//! addresses in `baseurl` suffices, and all of them are told under one name. A value
//! goes on in indented lines.
//!
//! Reference: dnf.conf(5).

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::super::constructs::Constructs;
use super::super::facts::{Read, RefusedLine, Route};
use super::super::include::list;
use super::super::lines::{Continued, ini};
use super::super::route::{Address, NO_PORT};
use super::super::{At, Facts, Files, Text};
use super::variables::RepositoryVariables;
use super::{MISSING, MISSING_PROXY, RepositoryAddress};

/// The first that is there; the second is often a link to it.
const MAIN: [(&str, &str); 2] = [("dnf", "/etc/dnf/dnf.conf"), ("yum", "/etc/yum.conf")];
/// Where dnf looks when `reposdir` does not say.
const FOLDERS: [&str; 3] = ["/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d"];
const MOST_FILES: usize = 256;

/// What moves a repository, of `[main]` and of its own section.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "dnf",
    files: "dnf.conf, *.repo",
    missing: MISSING,
    understood: &[
        "baseurl",
        "enabled",
        "metalink",
        "mirrorlist",
        "proxy",
        "proxy_password",
        "proxy_username",
        "reposdir",
        "sslcacert",
        "sslclientcert",
    ],
    noted: &[
        ("cacheonly", "fetches nothing, as everything is in its cache"),
        ("installroot", "has dnf's files elsewhere"),
        ("ip_resolve", "asks servers by one version of IP only"),
        ("pluginconfpath", "sets up plugins that may add repositories"),
        ("proxy_sslcacert", "trusts the proxy by an authority of its own"),
        ("proxy_sslclientcert", "logs in to the proxy with a certificate"),
        ("sslverify", "says whether certificates are looked at"),
        ("varsdir", "sets variables in another folder"),
    ],
    aside: &[
        "allow_vendor_change",
        "arch",
        "assumeyes",
        "assumeno",
        "autocheck_running_kernel",
        "bandwidth",
        "best",
        "bugtracker_url",
        "cachedir",
        "check_config_file_age",
        "clean_*",
        "color",
        "config_file_path",
        "color_*",
        "cost",
        "countme",
        "debug_solver",
        "debuglevel",
        "defaultyes",
        "deltarpm",
        "deltarpm_percentage",
        "disable_excludes",
        "diskspacecheck",
        "distroverpkg",
        "enable_group_conditionals",
        "enabled_metadata",
        "enablegroups",
        "errorlevel",
        "exclude",
        "exclude_from_weak*",
        "excludeenvs",
        "excludegroups",
        "excludepkgs",
        "exactarch",
        "exit_on_lock",
        "failovermethod",
        "fastestmirror",
        "forcearch",
        "gpgcakey",
        "gpgcheck",
        "gpgkey",
        "gpgkey_dns_verification",
        "group_package_types",
        "history_*",
        "ignorearch",
        "includepkgs",
        "install_weak_deps",
        "installonly*",
        "installonly_limit",
        "keepcache",
        "localpkg_gpgcheck",
        "log_*",
        "logdir",
        "logfile*",
        "max_downloads_per_mirror",
        "max_parallel_downloads",
        "mediaid",
        "mdpolicy",
        "metadata_expire",
        "metadata_timer_sync",
        "minrate",
        "mirrorlist_expire",
        "module_*",
        "multilib_policy",
        "name",
        "obsoletes",
        "optional_metadata_types",
        "password",
        "persistdir",
        "plugins",
        "pluginpath",
        "priority",
        "protect_running_kernel",
        "protected_*",
        "proxy_auth_method",
        "proxy_ssl*",
        "recent",
        "releasever*",
        "repo_gpgcheck",
        "reset_nice",
        "retries",
        "rpmverbosity",
        "showdupesfromrepos",
        "skip_broken",
        "skip_if_unavailable",
        "sslclientkey",
        "sslverifystatus",
        "strict",
        "system_cachedir",
        "throttle",
        "transformdb",
        "timeout",
        "tolerant",
        "tsflags",
        "type",
        "ui_*",
        "ui_repoid_vars",
        "upgrade_group_objects_upgrade",
        "user_agent",
        "username",
        "zchunk",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let main = MAIN.iter().find(|(_, path)| files.exists(path));
    let (program, main) = main.map_or(("dnf", None), |(program, path)| (*program, Some(path)));
    let main = main.and_then(|path| facts.text(files, path, MISSING));
    let main_sections = main.as_ref().map(parse).unwrap_or_default();
    let general = main_sections.iter().find(|section| section.name == "main");
    let folders = general.map(|general| general.words("reposdir")).unwrap_or_default();
    let folders = if folders.is_empty() { FOLDERS.to_vec() } else { folders };
    let mut paths = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.starts_with('/')) {
        paths.extend(list(files, folder, ".repo", facts, MISSING));
    }
    let paths = paths.iter().take(MOST_FILES);
    let texts: Vec<Text> = paths.filter_map(|path| facts.text(files, path, MISSING)).collect();
    if main.is_none() && texts.is_empty() {
        return;
    }
    if let Some(general) = general {
        general.meet(facts);
    }
    let route = general.and_then(|general| general.route(program, general, facts));
    let variables = RepositoryVariables::read(files, facts);
    let manager = Manager { files, program, variables, general, route };
    let own = main_sections.iter().filter(|section| section.name != "main");
    let others: Vec<RepositorySection<'_>> =
        readable(&texts, program, facts).flat_map(parse).collect();
    for section in own.chain(&others).filter(|section| section.is_enabled()) {
        section.tell(&manager, facts);
    }
}

/// The texts that dnf reads: one line that is none of an ini file costs the whole file.
fn readable<'a>(
    texts: &'a [Text],
    program: &'static str,
    facts: &mut Facts,
) -> impl Iterator<Item = &'a Text> {
    let mut kept = Vec::new();
    for text in texts {
        match stray(text) {
            Some((line, reason)) => facts.refused.push(RefusedLine {
                program,
                reason: reason.to_owned(),
                at: text.at(line),
            }),
            None => kept.push(text),
        }
    }
    kept.into_iter()
}

fn stray(text: &Text) -> Option<(usize, &'static str)> {
    let (mut is_in_section, mut has_key) = (false, false);
    for (line, raw) in text.lines() {
        let content = raw.trim();
        let is_indented = raw.starts_with([' ', '\t']);
        if content.is_empty() || content.starts_with(['#', ';']) || (is_indented && has_key) {
            continue;
        }
        if content.starts_with('[') {
            (is_in_section, has_key) = (true, false);
        } else if !content.contains('=') {
            return Some((line, "this is not NAME=VALUE, and costs the whole file"));
        } else if is_in_section {
            has_key = true;
        } else {
            return Some((line, "it stands before any [name], and costs the whole file"));
        }
    }
    None
}

/// A section of an ini file: `main`, or a repository.
pub(super) struct RepositorySection<'a> {
    pub(super) text: &'a Text,
    pub(super) name: &'a str,
    keys: BTreeMap<&'a str, Vec<(&'a str, usize)>>,
}

pub(super) fn parse(text: &Text) -> Vec<RepositorySection<'_>> {
    let mut sections: Vec<RepositorySection<'_>> = Vec::new();
    for entry in ini(text, Continued::ByIndent) {
        if sections.last().is_none_or(|section| section.name != entry.section) {
            sections.push(RepositorySection { text, name: entry.section, keys: BTreeMap::new() });
        }
        let Some(section) = sections.last_mut() else { continue };
        let lines = section.keys.entry(entry.key).or_default();
        if !entry.continues {
            lines.clear();
        }
        lines.push((unquoted(entry.value), entry.line));
    }
    sections
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

impl<'a> RepositorySection<'a> {
    /// Every line of a value, with its number.
    pub(super) fn lines(&self, key: &str) -> &[(&'a str, usize)] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// The names of all that is set in it, each with its first line.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'a str, At)> {
        self.keys.iter().filter_map(|(key, lines)| Some((*key, self.text.at(lines.first()?.1))))
    }

    /// The first line of a value.
    pub(super) fn value(&self, key: &str) -> Option<(&'a str, At)> {
        let (value, line) = *self.keys.get(key)?.first()?;
        Some((value, self.text.at(line)))
    }

    /// Hands its repository on, unless its name is none that dnf takes.
    fn tell(&self, manager: &Manager<'_>, facts: &mut Facts) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if self.name.is_empty() || !self.name.chars().all(fits) {
            let line = self.keys.values().flatten().map(|(_, line)| *line).min();
            let reason = "dnf takes no repository with such a name in brackets";
            return facts.note(self.text.at(line.unwrap_or(1)), reason, MISSING);
        }
        self.meet(facts);
        manager.tell(self, facts);
    }

    /// All words of a value, parted by commas and white space.
    fn words(&self, key: &str) -> Vec<&'a str> {
        let lines = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        let split =
            |(value, _): &(&'a str, usize)| value.split(|c: char| c == ',' || c.is_whitespace());
        lines.iter().flat_map(split).filter(|word| !word.is_empty()).collect()
    }

    /// Notes what is set in it and not understood.
    fn meet(&self, facts: &mut Facts) {
        for (key, lines) in &self.keys {
            if let Some((value, line)) = lines.first()
                && !(*key == "sslverify" && is_yes(value))
            {
                CONSTRUCTS.meet(key, self.text.at(*line), facts);
            }
        }
    }

    /// What its server asks of a client, or the authority that alone vouches for it.
    pub(super) fn certificate(&self) -> Option<Read<String>> {
        let named = ["sslclientcert", "sslcacert"].iter().find_map(|key| self.value(key));
        let (value, at) = named.filter(|(value, _)| !value.is_empty())?;
        Some(Read { value: value.to_owned(), at })
    }

    fn is_enabled(&self) -> bool {
        let off = |value: &str| ["0", "no", "false", "off"].contains(&value);
        self.value("enabled").is_none_or(|(value, _)| !off(&value.to_ascii_lowercase()))
    }

    /// The lists of mirrors, or else the addresses, each with its line.
    fn addresses(&self) -> (Vec<(&'a str, usize)>, Option<&'static str>) {
        for key in ["metalink", "mirrorlist"] {
            if let Some(&(list, line)) = self.keys.get(key).and_then(|lines| lines.first())
                && !list.is_empty()
            {
                return (vec![(list, line)], None);
            }
        }
        let lines = self.keys.get("baseurl").map_or(&[][..], Vec::as_slice);
        let split = |&(value, line): &(&'a str, usize)| {
            let parts = value.split(|c: char| c == ',' || c.is_whitespace());
            parts.filter(|part| !part.is_empty()).map(move |part| (part, line))
        };
        (lines.iter().flat_map(split).collect(), Some("repodata/repomd.xml"))
    }

    /// Its proxy, with the login of `general` when it has none of its own.
    pub(super) fn route(
        &self,
        program: &str,
        general: &RepositorySection<'_>,
        facts: &mut Facts,
    ) -> Option<Route> {
        let (value, at) = self.value("proxy")?;
        let is_none = ["", "none", "_none_"].iter().any(|none| value.eq_ignore_ascii_case(none));
        if is_none {
            let token = if value.is_empty() { "proxy=" } else { value }.to_owned();
            return (self.name != "main").then_some(Route::Straight { token, at });
        }
        let Some(mut address) = Address::parse(value) else {
            facts.note(at, "proxy is not an address of a proxy (http://HOST:PORT)", MISSING_PROXY);
            return None;
        };
        if !address.names_port {
            facts.note(at.clone(), NO_PORT, MISSING_PROXY);
            let _as_curl_does = address.url.set_port(Some(1_080));
        }
        let login = |key| self.value(key).or_else(|| general.value(key)).map(|(value, _)| value);
        let user = login("proxy_username").filter(|user| !user.is_empty());
        let mut setting = address.setting(program, None, at);
        if let Some(user) = user {
            setting.user = Some(user.to_owned());
            setting.password = login("proxy_password").map(SecretString::from);
        }
        Some(Route::Proxy(setting))
    }
}

/// As dnf reads a switch.
fn is_yes(value: &str) -> bool {
    ["1", "yes", "true", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// Mirrors of one list that are read.
const MOST_MIRRORS: usize = 16;

/// What all repositories share.
struct Manager<'a> {
    files: &'a Files,
    program: &'static str,
    variables: RepositoryVariables,
    general: Option<&'a RepositorySection<'a>>,
    route: Option<Route>,
}

impl Manager<'_> {
    fn tell(&self, section: &RepositorySection<'_>, facts: &mut Facts) {
        let (addresses, file) = section.addresses();
        if addresses.is_empty() {
            let reason = "it is enabled, and has neither baseurl nor a list of mirrors";
            let line = section.keys.values().flatten().map(|(_, line)| *line).min();
            facts.note(section.text.at(line.unwrap_or(1)), reason, MISSING);
        }
        let general = self.general.unwrap_or(section);
        let own = section.value("proxy").is_some();
        let route = own.then(|| section.route(self.program, general, facts)).flatten();
        let route = if own { route } else { self.route.clone() };
        for (address, line) in addresses {
            let at = section.text.at(line);
            match self.variables.expand(address) {
                Ok(list) if file.is_none() && list.starts_with("file:") => {
                    self.mirrors(&list, section, at, route.as_ref(), facts);
                }
                Ok(address) => {
                    let certificate = section.certificate();
                    RepositoryAddress {
                        name: section.name,
                        address: &address,
                        file,
                        at,
                        certificate,
                    }
                    .tell(facts, |_| route.clone());
                }
                Err(reason) => facts.note(at, reason, MISSING),
            }
        }
    }

    /// A list of mirrors that is a file of this machine: each line is one.
    fn mirrors(
        &self,
        list: &str,
        section: &RepositorySection<'_>,
        at: At,
        route: Option<&Route>,
        facts: &mut Facts,
    ) {
        let path = format!("/{}", list.trim_start_matches("file:").trim_start_matches('/'));
        let text = match self.files.read(&path) {
            Ok(text) => text,
            Err(why) => {
                let reason = format!("{path}, its list of mirrors: {why}");
                return facts.note(at, reason, MISSING);
            }
        };
        if text.text.trim_start().starts_with('<') {
            let reason = format!("{path} is a metalink, which is not read");
            return facts.note(at, reason, MISSING);
        }
        let lines = text.lines().filter(|(_, line)| line.contains("://"));
        for (line, address) in lines.take(MOST_MIRRORS) {
            if let Ok(address) = self.variables.expand(address.trim()) {
                let (at, certificate) = (text.at(line), section.certificate());
                let file = Some("repodata/repomd.xml");
                RepositoryAddress { name: section.name, address: &address, file, at, certificate }
                    .tell(facts, |_| route.cloned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{every_beginning, hostile};
    use super::super::tests::found;
    use super::*;

    /// As `AlmaLinux` 9 and Centreon's packages ship them.
    const REPO: &str = "[baseos]\nname=AlmaLinux $releasever - BaseOS\n\
        mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos\n\
        # baseurl=https://repo.almalinux.org/almalinux/$releasever/BaseOS/$basearch/os/\n\
        enabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9\n\n\
        [centreon-25.10-stable]\nname=Centreon open source software repository.\n\
        baseurl=https://packages.centreon.com/rpm-standard-25.10/el${releasever}/stable/noarch/\n\
        enabled=1\n\n[debug]\nbaseurl=https://debug.example/\nenabled=0\n\n\
        [media]\nbaseurl=file:///media/BaseOS\n      https://b.example/os/,http://c.example/os\n\
        proxy=_none_\n";
    const RELEASE: (&str, &str) = (
        "/etc/os-release",
        "NAME=\"AlmaLinux\"\nVERSION_ID=\"9.4\"\nPLATFORM_ID=\"platform:el9\"\nID=\"almalinux\"\n",
    );
    const PATH: &str = "/etc/yum.repos.d/site.repo";

    #[test]
    fn lists_of_mirrors_come_before_addresses() {
        let (repositories, notes) = found(&[(PATH, REPO), RELEASE]);
        let want = [
            format!("baseos https://mirrors.almalinux.org/mirrorlist/9/baseos {PATH}:3"),
            format!(
                "centreon-25.10-stable https://packages.centreon.com/rpm-standard-25.10/el9/\
                 stable/noarch/repodata/repomd.xml {PATH}:11"
            ),
            format!(
                "media https://b.example/os/repodata/repomd.xml {PATH}:20 straight, _none_ ({PATH}:21)"
            ),
            format!(
                "media http://c.example/os/repodata/repomd.xml {PATH}:20 straight, _none_ ({PATH}:21)"
            ),
        ];
        assert_eq!((repositories, notes), (want.to_vec(), vec![]));
    }

    #[test]
    fn the_proxy_of_the_main_file_is_for_all_without_one() {
        let repo = "[a]\nbaseurl=http://a.example\n[b]\nbaseurl=http://b.example\n\
                    proxy=http://own:1\nproxy_username=u2\n[c]\nbaseurl=http://c.example\nproxy=\n";
        let main = "[main]\ngpgcheck=1\nproxy=http://proxy.corp.example:3128\n\
                    proxy_username=u1\nproxy_password=hunter2\n";
        let (repositories, _) = found(&[(PATH, repo), ("/etc/dnf/dnf.conf", main)]);
        let proxies: Vec<_> =
            repositories.iter().map(|one| one.split_once(PATH).unwrap().1).collect();
        let want = [
            ":2 through http://proxy.corp.example:3128/ as u1 (/etc/dnf/dnf.conf:3)",
            ":4 through http://own:1/ as u2 (/etc/yum.repos.d/site.repo:5)",
            ":8 straight, proxy= (/etc/yum.repos.d/site.repo:9)",
        ];
        assert_eq!(proxies, want);
    }

    #[test]
    fn variables_come_from_files_and_from_the_release() {
        let repo = "[a]\nmetalink=https://m.example/?repo=baseos-$stream&arch=$basearch&v=$releasever_major\n\
                    [b]\nbaseurl=http://$mirror.example/x\n[c]\nname=nothing\n";
        let (repositories, notes) = found(&[
            (PATH, repo),
            ("/etc/dnf/vars/stream", "9-stream\n"),
            ("/usr/lib/os-release", "VERSION_ID=\"7.9\"\n"),
            ("/etc/yum/vars/releasever", "8.10\n"),
        ]);
        let arch = std::env::consts::ARCH;
        let url = format!("https://m.example/?repo=baseos-9-stream&arch={arch}&v=8");
        assert_eq!(repositories, [format!("a {url} {PATH}:2")]);
        let want = [
            format!(
                "{PATH}:4: its host has $mirror, and no file of /etc/dnf/vars says what that is"
            ),
            format!("{PATH}:6: it is enabled, and has neither baseurl nor a list of mirrors"),
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn a_repository_with_a_client_certificate_is_one_whose_port_is_asked() {
        let repo = "[rhel-9-baseos]\nbaseurl = https://cdn.example.com/x/$releasever/os\n\
            sslverify = 1\nsslcacert = /etc/rhsm/ca/site-uep.pem\n\
            sslclientkey = /etc/pki/entitlement/1-key.pem\n\
            sslclientcert = /etc/pki/entitlement/1.pem\nthis_is = new\n";
        let (repositories, notes) = found(&[(PATH, repo), RELEASE]);
        let url = "https://cdn.example.com/x/9/os/repodata/repomd.xml";
        let want = format!("rhel-9-baseos {url} {PATH}:2 with /etc/pki/entitlement/1.pem");
        assert_eq!(repositories, [want]);
        let reason = "`this_is` is nothing of dnf that preflight knows; it may move a peer";
        assert_eq!(notes, [format!("{PATH}:7: {reason}")]);
    }

    /// Each file alone, as dnf's own library reads it: its repositories with the addresses of each
    /// and its proxy.
    const JUDGE: &str = r"
import dnf, os, sys
base = dnf.Base()
root = sys.argv[1]
main = root + '/etc/dnf/dnf.conf'
if os.path.exists(main): base.conf.read(main)
base.conf.substitutions.update({'releasever': '9', 'basearch': sys.argv[2], 'arch': sys.argv[2]})
base.conf.reposdir = [root + '/etc/yum.repos.d']
base.read_all_repos()
for repo in base.repos.iter_enabled():
    lists = [one for one in [repo.metalink, repo.mirrorlist] if one][:1]
    for url in lists or [url for url in repo.baseurl if url.startswith('http')]:
        file = '' if lists else '/repodata/repomd.xml'
        print(repo.id, url.rstrip('/') + file if file else url, repo.proxy or '-')
";

    #[test]
    fn a_file_is_read_as_dnf_reads_it() {
        let main = "[main]\nproxy=http://proxy:3128\n";
        for content in [
            "[a]\nbaseurl=http://a.example/$releasever/${basearch}/x\n",
            "[a]\nbaseurl = http://b1.example/ , http://b2.example/\n  http://b3.example/\n",
            "[a]\nbaseurl=http://a.example/\nenabled=No\n[b]\nbaseurl=http://b.example/\nenabled= yes\n",
            "[a]\nbaseurl=http://a.example/\nenabled=0\n[b]\nbaseurl=http://b.example/\nenabled=2\n",
            "[a]\nbaseurl=http://a.example/\nenabled=False\n[b]\nbaseurl=http://b.example/\nenabled=1 # c\n",
            "[a]\nmirrorlist=http://m.example/?r=$releasever\nbaseurl=http://d.example/\n",
            "[a]\nmetalink=http://meta.example/x\nmirrorlist=http://m2.example/\nproxy=_none_\n",
            "[a]\nmetalink=\nmirrorlist=\nbaseurl=http://aa.example\nproxy=\n",
            "[a]\nbaseurl=http://a.example/\nproxy=None\n",
            "[a]\nbaseurl=http://a.example/\nproxy=http://own:1\n",
            "[a]\nbaseurl: http://k.example/\n",
            "[a]\nBaseURL=http://l.example/\n",
            "[a]\nbaseurl=http://a.example/\n; c\n# d\n\n[b]\nbaseurl=\n http://p.example/\n",
            "[a]\nbaseurl=http://a.example/\nenabled\n",
            "[a]\nbaseurl=http://a.example/\nnonsense line\n[b]\nbaseurl=http://b.example/\n",
            "baseurl=http://s.example/\n",
            "[v x]\nbaseurl=http://v.example/\n[b]\nbaseurl=http://b.example/\n",
            "[a]\nbaseurl = \"http://ab.example/\"\n",
            "[a]\nbaseurl=http://a1.example/\n[a]\nbaseurl=http://a2.example/\n",
            "[a]\nbaseurl=http://a1.example/\nbaseurl=http://a2.example/\n",
            "[a]\nmetalink=http://m.example/?r=$releasever&i=$infra&c=${contentdir}\n",
            "[a]\nbaseurl=http://a.example/$unset/x\n",
        ] {
            let (dir, files) =
                super::super::super::testing::tree(&[(PATH, content), (MAIN[0].1, main), RELEASE]);
            let mut facts = Facts::default();
            read(&files, &mut facts);
            let proxy = |route: &Option<Route>| match route {
                Some(Route::Proxy(setting)) => {
                    setting.url.as_str().trim_end_matches('/').to_owned()
                }
                _ => "-".to_owned(),
            };
            let mut ours: Vec<String> = facts
                .repositories
                .iter()
                .map(|one| format!("{} {} {}", one.name, one.url, proxy(&one.proxy)))
                .collect();
            let output = std::process::Command::new("/usr/bin/python3")
                .args(["-c", JUDGE, dir.path().to_str().unwrap(), std::env::consts::ARCH])
                .output()
                .expect("python3, with Debian's dnf");
            assert!(output.status.success(), "{output:?}");
            let told = String::from_utf8(output.stdout).unwrap();
            let mut theirs: Vec<String> = told.lines().map(str::to_owned).collect();
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "{content:?}");
        }
    }

    #[test]
    fn reposdir_takes_the_place_of_the_usual_folders() {
        let repo = "[a]\nbaseurl=http://a.example\n";
        let other = "/etc/distro.repos.d/b.repo";
        let (usual, _) = found(&[(PATH, repo), (other, "[b]\nbaseurl=http://b.example\n")]);
        assert_eq!(usual.len(), 2);
        let main = "[main]\nreposdir=/etc/own /etc/none\n";
        let (own, _) = found(&[
            (PATH, repo),
            ("/etc/dnf/dnf.conf", main),
            ("/etc/own/c.repo", "[c]\nbaseurl=http://c.example\n"),
        ]);
        assert_eq!(own, ["c http://c.example/repodata/repomd.xml /etc/own/c.repo:2"]);
    }

    #[test]
    fn a_proxy_without_a_port_has_that_of_curl() {
        let repo = "[a]\nbaseurl=http://a.example\nproxy=http://p\n";
        let (repositories, notes) = found(&[(PATH, repo)]);
        assert!(repositories[0].contains("through http://p:1080/"), "{repositories:?}");
        assert_eq!(notes, [format!("{PATH}:3: {NO_PORT}")]);
    }

    #[test]
    fn neither_a_login_nor_a_broken_proxy_is_repeated() {
        let repo = "[a]\nbaseurl=https://u:hunter2@a.example/x/\nproxy=http://u:hunter#2@p:1\n\
                    [b]\nbaseurl=https://u:hunter2@:99999/\n";
        let (repositories, notes) = found(&[(PATH, repo)]);
        assert_eq!(repositories, [format!("a https://a.example/x/repodata/repomd.xml {PATH}:2")]);
        let all = notes.join("\n");
        assert!(notes.len() == 3 && !all.contains("hunter"), "{all}");
    }

    #[test]
    fn each_option_that_dnf_has_was_decided() {
        // What `dnf config-manager --dump` prints, without its plugin.
        let script = "import dnf; base = dnf.Base(); print(base.conf.dump()); print(dnf.conf.RepoConf(base.conf).dump())";
        let mut python = std::process::Command::new("/usr/bin/python3");
        let output = python.args(["-c", script]).output().expect("dnf is missing: run tests/run");
        let told = String::from_utf8(output.stdout).unwrap();
        let names = told.lines().filter_map(|line| Some(line.split_once('=')?.0.trim()));
        let is_name = |name: &&str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        let names: std::collections::BTreeSet<&str> = names.filter(is_name).collect();
        assert!(names.len() > 100 && names.contains("baseurl"), "{names:?}");
        let open: Vec<&&str> =
            names.iter().filter(|name| CONSTRUCTS.reading(name) == Reading::Unknown).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(PATH, REPO, |text| {
            assert!(
                parse(text).iter().map(|section| section.addresses().0.len()).sum::<usize>() <= 6
            );
        });
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile(PATH, REPO)) {
            let manager = Manager {
                files: &Files::here(),
                program: "dnf",
                variables: RepositoryVariables::of_architecture("x86"),
                general: None,
                route: None,
            };
            let mut facts = Facts::default();
            for section in parse(&text) {
                manager.tell(&section, &mut facts);
            }
        }
    }
}
