//! The repositories and services of zypper.
//!
//! They are written as dnf's are, and read otherwise: the first address counts and goes before a
//! list of mirrors, `path` leads on from it, a query stays behind the file that is fetched, and
//! some words of the query are meant for zypper itself. `$releasever` is the version of the
//! product that is installed.
//!
//! Reference: zypper(8), zypp.conf, and what zypper 1.14 does.

use url::form_urlencoded;

use super::super::constructs::Constructs;
use super::super::facts::{Read, Route};
use super::super::include::list;
use super::super::route::{Address, NO_PORT};
use super::super::{At, Facts, Files, Text};
use super::dnf::{RepositorySection, parse};
use super::variables::{RepositoryVariables, is_behind_host};
use super::{LONGEST, MISSING, MISSING_PROXY, RepositoryAddress};

const MAIN: &str = "/etc/zypp/zypp.conf";
const REPOSITORIES: &str = "/etc/zypp/repos.d";
const SERVICES: &str = "/etc/zypp/services.d";
const VARIABLES: &str = "/etc/zypp/vars.d";
const PRODUCT: &str = "/etc/products.d/baseproduct";
/// The proxy of SUSE's programs.
const PROXY: &str = "/etc/sysconfig/proxy";
const MOST_FILES: usize = 256;
/// How deep one variable's spare value may name another.
const DEEPEST: usize = 8;

/// Of a section of `*.repo` and `*.service`.
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "zypper",
    files: "*.repo, *.service",
    missing: MISSING,
    understood: &["baseurl", "enabled", "metalink", "mirrorlist", "path", "proxy", "url"],
    noted: &[("proxy_*", "logs in to the proxy")],
    aside: &[
        "autorefresh",
        "gpgcheck",
        "gpgkey",
        "keeppackages",
        "name",
        "pkg_gpgcheck",
        "priority",
        "repo_gpgcheck",
        "repo_*",
        "repostoenable",
        "repostodisable",
        "service",
        "ttl_sec",
        "type",
    ],
};

/// Of `zypp.conf`.
pub(in crate::site::discover) const OF_MAIN: Constructs = Constructs {
    program: "zypper",
    files: "zypp.conf",
    missing: MISSING,
    understood: &[],
    noted: &[
        ("arch", "makes the machine another one"),
        ("configdir", "has zypper's files elsewhere"),
        ("reposdir", "has zypper read repositories of another folder"),
        ("servicesdir", "has zypper read services of another folder"),
        ("varsdir", "sets variables in another folder"),
    ],
    aside: &[
        "cachedir",
        "commit.*",
        "credentials.global.*",
        "download.*",
        "history.*",
        "locksfile.*",
        "metadatadir",
        "multiversion*",
        "packagesdir",
        "pkg_gpgcheck",
        "gpgcheck",
        "repo.*",
        "repo_gpgcheck",
        "rpm.*",
        "solver.*",
        "solvfilesdir",
        "techpreview.*",
        "update.*",
        "vendordir",
        "vendors",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let repositories = texts(files, facts, REPOSITORIES, ".repo");
    let services = texts(files, facts, SERVICES, ".service");
    if repositories.is_empty() && services.is_empty() {
        return;
    }
    if files.exists(MAIN)
        && let Some(text) = facts.text(files, MAIN, MISSING)
    {
        for section in parse(&text) {
            section.names().for_each(|(name, at)| OF_MAIN.meet(name, at, facts));
        }
    }
    let variables = variables(files, facts);
    for section in repositories.iter().flat_map(parse).filter(is_enabled) {
        repository(&section, &variables, facts);
    }
    for section in services.iter().flat_map(parse).filter(is_enabled) {
        service(&section, &variables, facts);
    }
    if files.exists(PROXY) {
        proxy_of_all(files, facts);
    }
}

fn texts(files: &Files, facts: &mut Facts, folder: &str, ending: &str) -> Vec<Text> {
    let paths = list(files, folder, ending, facts, MISSING);
    let paths = paths.iter().take(MOST_FILES);
    paths.filter_map(|path| facts.text(files, path, MISSING)).collect()
}

/// Variables as zypper has them: of a product that is not there, an empty version.
fn variables(files: &Files, facts: &mut Facts) -> RepositoryVariables {
    let mut variables = RepositoryVariables::of_architecture(std::env::consts::ARCH);
    let product = files.read(PRODUCT).map(|text| text.text).unwrap_or_default();
    let version =
        product.split_once("<version>").and_then(|(_, rest)| rest.split_once("</version>"));
    variables.set("releasever", version.map(|(version, _)| version.trim()).unwrap_or_default());
    variables.add_folder(VARIABLES, files, facts);
    variables.split_release();
    variables
}

/// Only some words mean yes; a section that says nothing is enabled.
fn is_enabled(section: &RepositorySection<'_>) -> bool {
    let is_yes = |value: &str| {
        let value = value.to_ascii_lowercase();
        ["yes", "true", "on", "always"].contains(&value.as_str())
            || value.parse::<i64>().is_ok_and(|number| number != 0)
    };
    section.value("enabled").is_none_or(|(value, _)| is_yes(value))
}

fn repository(section: &RepositorySection<'_>, variables: &RepositoryVariables, facts: &mut Facts) {
    section.names().for_each(|(name, at)| CONSTRUCTS.meet(name, at, facts));
    // A repository has mirrors in further addresses; the first is asked first.
    let base = section
        .lines("baseurl")
        .iter()
        .flat_map(|(value, line)| value.split_whitespace().map(move |address| (address, *line)));
    let base: Vec<(&str, usize)> = base.collect();
    let lists = ["mirrorlist", "metalink"];
    let list = lists.iter().find_map(|key| section.lines(key).first().copied());
    let (addresses, is_list) = match (base.is_empty(), list) {
        (true, Some(list)) => (vec![list], true),
        _ => (base, false),
    };
    if addresses.is_empty() {
        let reason = "it is enabled, and has neither baseurl nor a list of mirrors";
        let at = section.names().map(|(_, at)| at).min_by_key(|at| at.line);
        facts.note(at.unwrap_or_else(|| section.text.at(1)), reason, MISSING);
    }
    let below = section.value("path").map(|(path, _)| path.trim_matches('/')).unwrap_or_default();
    for (address, line) in addresses {
        let at = section.text.at(line);
        let file = (!is_list).then(|| format!("{below}/repodata/repomd.xml"));
        fetched(section, address, file.as_deref(), at, variables, facts);
    }
}

/// A service is asked for the repositories it has.
fn service(section: &RepositorySection<'_>, variables: &RepositoryVariables, facts: &mut Facts) {
    section.names().for_each(|(name, at)| CONSTRUCTS.meet(name, at, facts));
    let Some((address, at)) = section.value("url") else { return };
    if address.starts_with("plugin:") {
        let reason = "a program says which repositories this service has";
        return facts.note(at, reason, MISSING);
    }
    fetched(section, address, Some("repo/repoindex.xml"), at, variables, facts);
}

/// Hands on what is fetched from an address, as zypper reads it.
fn fetched(
    section: &RepositorySection<'_>,
    address: &str,
    file: Option<&str>,
    at: At,
    variables: &RepositoryVariables,
    facts: &mut Facts,
) {
    let address = match expand(variables, address, 0) {
        Ok(address) => address,
        Err(reason) => return facts.note(at, reason, MISSING),
    };
    let scheme = address.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if ["nfs", "nfs4", "smb", "cifs", "tftp", "plugin"].contains(&scheme.as_str()) {
        let reason = format!("`{scheme}:` is another way than HTTP, and is not asked");
        return facts.note(at, reason, MISSING);
    }
    let (bare, query) = address.split_once('?').unwrap_or((&address, ""));
    let own = own_words(query);
    let mut route = section.route("zypper", section, facts);
    let certificate = own.certificate.map(|value| Read { value, at: at.clone() });
    if let Some(proxy) = own.proxy {
        let address = Address::parse(&proxy);
        match &address {
            None => facts.note(at.clone(), "its proxy is not an address", MISSING_PROXY),
            Some(address) if !address.names_port => {
                facts.note(at.clone(), NO_PORT, MISSING_PROXY);
            }
            Some(_) => {}
        }
        let setting = |address: Address| address.setting("zypper", None, at.clone());
        route = address.map(|address| Route::Proxy(setting(address)));
    }
    let query = if own.rest.is_empty() { String::new() } else { format!("?{}", own.rest) };
    let bare = bare.trim_end_matches('/');
    match file {
        Some(file) => {
            let file = format!("{}{query}", file.trim_start_matches('/'));
            RepositoryAddress {
                name: section.name,
                address: bare,
                file: Some(&file),
                at,
                certificate,
            }
            .tell(facts, |_| route);
        }
        None => {
            RepositoryAddress {
                name: section.name,
                address: &address,
                file: None,
                at,
                certificate,
            }
            .tell(facts, |_| route);
        }
    }
}

/// What of a query is meant for zypper.
#[derive(Debug, Default, PartialEq, Eq)]
struct OwnWords {
    proxy: Option<String>,
    certificate: Option<String>,
    /// What its server is told.
    rest: String,
}

fn own_words(query: &str) -> OwnWords {
    const FOR_ZYPPER: [&str; 14] = [
        "proxy",
        "proxyport",
        "proxyuser",
        "proxypass",
        "ssl_verify",
        "ssl_capath",
        "ssl_clientcert",
        "ssl_clientkey",
        "auth",
        "mediahandler",
        "credentials",
        "timeout",
        "lastmod",
        "head_requests",
    ];
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let value = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
    let port = value("proxyport").map(|port| format!(":{port}")).unwrap_or_default();
    let rest = query.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !FOR_ZYPPER.contains(&name)
    });
    OwnWords {
        proxy: value("proxy").filter(|host| !host.is_empty()).map(|host| format!("{host}{port}")),
        certificate: value("ssl_clientcert"),
        rest: rest.collect::<Vec<_>>().join("&"),
    }
}

/// `$name`, `${name}`, `${name:-for an empty one}` and `${name:+for another}` replaced; what
/// nobody sets stays as it is written.
///
/// # Errors
///
/// The name of such a one in the host, in a clause.
fn expand(variables: &RepositoryVariables, text: &str, depth: usize) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if expanded.len() > LONGEST || depth > DEEPEST {
            break;
        }
        let (name, otherwise, left) = named(after);
        let value = variables.get(name);
        let spare = otherwise.and_then(|word| word.strip_prefix('-'));
        let instead = otherwise.and_then(|word| word.strip_prefix('+'));
        match (value, spare, instead) {
            (Some(value), _, None) if !value.is_empty() => expanded.push_str(value),
            (Some(value), _, Some(word)) if !value.is_empty() => {
                expanded.push_str(&expand(variables, word, depth + 1)?);
            }
            (_, Some(word), _) => expanded.push_str(&expand(variables, word, depth + 1)?),
            (_, _, Some(_)) | (Some(_), None, None) => {}
            (None, None, None) => {
                if depth == 0 && !name.is_empty() && !is_behind_host(&expanded) {
                    let name: String = name.chars().take(40).collect();
                    return Err(format!(
                        "its host has ${name}, and no file of {VARIABLES} says what that is"
                    ));
                }
                expanded.push('$');
                expanded.push_str(after.strip_suffix(left).unwrap_or_default());
            }
        }
        rest = left;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// What follows a `$`: a name, what is said for the case that it is empty or not, and the rest.
fn named(after: &str) -> (&str, Option<&str>, &str) {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let Some(inner) = after.strip_prefix('{') else {
        let (name, left) = after.split_at(after.find(ends).unwrap_or(after.len()));
        return (name, None, left);
    };
    let mut depth = 1_u32;
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (body, left) = inner.split_at(at);
            let left = left.strip_prefix('}').unwrap_or(left);
            return match body.split_once(':') {
                Some((name, otherwise)) => (name, Some(otherwise), left),
                None => (body, None, left),
            };
        }
    }
    ("", None, after)
}

/// SUSE's own file: whether zypper follows it depends on how it was built.
fn proxy_of_all(files: &Files, facts: &mut Facts) {
    let Some(text) = facts.text(files, PROXY, MISSING_PROXY) else { return };
    let value = |name: &str| {
        text.lines().find_map(|(line, content)| {
            let value = content.trim().strip_prefix(name)?.strip_prefix('=')?;
            Some((value.trim_matches('"').to_owned(), line))
        })
    };
    let is_on = value("PROXY_ENABLED").is_some_and(|(value, _)| value == "yes");
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        if let Some((value, line)) = value(name)
            && is_on
            && !value.is_empty()
        {
            let reason =
                "zypper and others go through this proxy, which the check does not (--proxy)";
            facts.note(text.at(line), reason, MISSING_PROXY);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{
        Cell, Speaks, every_beginning, hostile, program, text, tree,
    };
    use super::super::tests::found;
    use super::*;

    const REPO: &str = "/etc/zypp/repos.d/site.repo";
    const LEAP: (&str, &str) = (
        PRODUCT,
        "<product schemeversion=\"0\"><vendor>x</vendor><name>Leap</name><version>15.5</version>\
         <release>1</release><arch>x86_64</arch></product>\n",
    );
    const SAMPLE: &str = "[oss]\nname=OSS\nenabled=1\nautorefresh=1\n\
        baseurl=http://z.example/${releasever}/oss/?proxy=p.example&proxyport=3128&token\n\
        path=/sub/\n[dvd]\nbaseurl=dir:///media\n";

    /// zypper with these files below `/etc`; it keeps nothing.
    fn zypper(etc: &[(&str, &str)], arguments: &'static str) -> (String, Vec<(u16, String)>) {
        let etc = [etc, &[LEAP]].concat();
        let zypper = program("zypper");
        Cell::run(&etc, move |cell| {
            for port in [80, 3_128] {
                cell.listen(&format!("192.0.2.1:{port}"), Speaks::Http);
            }
            let script = format!(
                "for place in /var/cache /var/log /var/lib /run; do mount -t tmpfs none $place; done
                exec {} --non-interactive --no-gpg-checks {arguments}",
                zypper.display()
            );
            let mut command = Command::new("sh");
            let command = command.args(["-c", &script]).env_remove("http_proxy");
            let output = command.output().unwrap();
            std::thread::sleep(Duration::from_millis(50));
            let visits = cell.heard().into_iter();
            let visits =
                visits.filter_map(|visit| Some((visit.to.port(), visit.said.first()?.clone())));
            (String::from_utf8(output.stdout).unwrap(), visits.collect())
        })
    }

    /// A repository each, by their numbers.
    fn sections(all: &[&str]) -> String {
        let one = |(number, lines): (usize, &&str)| format!("[repo {number}]\n{lines}\n");
        all.iter().enumerate().map(one).collect()
    }

    #[test]
    fn zypper_lists_the_addresses_that_we_read() {
        let site = ("/etc/zypp/vars.d/site", "site.example\nmore\n");
        let empty = ("/etc/zypp/vars.d/empty", "\n");
        let enabled =
            ["enabled=1", "enabled=yes", "enabled=True", "enabled=on", "enabled=2", "priority=9"];
        let disabled = ["enabled=0", "enabled=off", "enabled=frob"];
        let addresses = [
            "http://z.example/$releasever/${basearch}/$arch",
            "http://z.example/$releasever_major/$releasever_minor/",
            "http://$site/x",
            "http://z.example/$none/${none}/x",
            "http://z.example/${none:-spare}/${empty:-spare}/${site:-spare}",
            "http://z.example/${none:+x}/${empty:+x}/${site:+x}/${site:+${releasever}}",
            "http://z.example/${none:-${releasever:-y}}/z",
            "http://z.example/a$empty/b",
            "http://z.example/$",
        ];
        let lines = |line: &str| format!("{line}\nbaseurl=http://a.example/");
        let some = enabled.iter().chain(&disabled).map(|line| lines(line));
        let some: Vec<String> =
            some.chain(addresses.iter().map(|address| format!("baseurl={address}"))).collect();
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        let repo = sections(&some);
        let (said, _) = zypper(&[(REPO, &repo), site, empty], "lr -u");
        let cells = |number: usize| -> Vec<&str> {
            let name = format!("repo {number}");
            let mut lines = said.lines().map(|line| line.split('|').map(str::trim).collect());
            let line = lines.find(|cells: &Vec<&str>| cells.get(1) == Some(&name.as_str()));
            line.unwrap_or_else(|| panic!("{name}: {said}"))
        };
        let (_dir, files) = tree(&[(REPO, &repo), site, empty, LEAP]);
        let text = files.read(REPO).unwrap();
        let read: Vec<RepositorySection<'_>> = parse(&text);
        let variables = variables(&files, &mut Facts::default());
        for (number, section) in read.iter().enumerate() {
            let theirs = cells(number);
            assert_eq!(is_enabled(section), theirs[3] == "Yes", "{theirs:?}");
            let ours = expand(&variables, section.value("baseurl").unwrap().0, 0).unwrap();
            assert_eq!(Some(&ours.as_str()), theirs.last(), "{theirs:?}");
        }
        assert_eq!(read.len(), some.len());
    }

    #[test]
    fn zypper_fetches_what_we_ask_for() {
        let all = [
            "baseurl=http://192.0.2.1/x0",
            "baseurl=http://192.0.2.1/x1/\npath=/sub/",
            "baseurl=http://192.0.2.1/x2?token\npath=sub",
            "baseurl=http://192.0.2.1/x3?proxy=192.0.2.1&proxyport=3128",
            "baseurl=http://192.0.2.1/x4?token=1&ssl_verify=no",
            "baseurl=http://192.0.2.1/x5\nproxy=http://192.0.2.1:3128",
            "baseurl=http://192.0.2.1/x6\nmirrorlist=http://192.0.2.1/list",
            "mirrorlist=http://192.0.2.1/x7?arch=$basearch",
            "metalink=http://192.0.2.1/x8",
            "baseurl=http://192.0.2.1/x9/${releasever}",
        ];
        let repo = sections(&all);
        let (said, visits) = zypper(&[(REPO, &repo)], "refresh --force");
        let (_dir, files) = tree(&[(REPO, &repo), LEAP]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        assert_eq!(facts.repositories.len(), all.len(), "{facts:?}");
        for (number, repository) in facts.repositories.iter().enumerate() {
            let own = format!("/x{number}");
            let visit = visits.iter().find(|(_, asked)| asked.contains(&own));
            let (port, asked) = visit.unwrap_or_else(|| panic!("{own}: {said}"));
            let theirs = asked.split_whitespace().nth(1).unwrap().to_owned();
            let ours = if let Some(Route::Proxy(proxy)) = &repository.proxy {
                (proxy.url.port_or_known_default().unwrap(), repository.url.to_string())
            } else {
                let url = &repository.url;
                let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
                (80, format!("{}{query}", url.path()))
            };
            assert_eq!(ours, (*port, theirs), "{own}");
        }
        assert!(facts.notes.is_empty(), "{:?}", facts.notes);
    }

    #[test]
    fn what_is_not_asked_is_noted() {
        let service = "[scc]\nenabled=1\nurl=https://scc.example/access/x?credentials=SCC\ntype=ris\n\
            [cloud]\nenabled=1\nurl=plugin:/susecloud?path=x\n";
        let (repositories, notes) = found(&[
            (
                REPO,
                "[a]\nbaseurl=nfs://n.example/x\n[b]\nname=b\n[c]\nbaseurl=http://$no.example/\n",
            ),
            ("/etc/zypp/services.d/s.service", service),
            (MAIN, "[main]\nvarsdir = /own\nsolver.focus = Job\n"),
            (
                PROXY,
                "PROXY_ENABLED=\"yes\"\nHTTP_PROXY=\"http://p.example:3128\"\nHTTPS_PROXY=\"\"\n",
            ),
        ]);
        let service = "/etc/zypp/services.d/s.service";
        assert_eq!(
            repositories,
            [format!("scc https://scc.example/access/x/repo/repoindex.xml {service}:3")]
        );
        assert_eq!(
            notes,
            [
                format!("{MAIN}:2: `varsdir` sets variables in another folder, which is not read"),
                format!("{REPO}:2: `nfs:` is another way than HTTP, and is not asked"),
                format!("{REPO}:4: it is enabled, and has neither baseurl nor a list of mirrors"),
                format!("{REPO}:6: its host has $no, and no file of {VARIABLES} says what that is"),
                format!("{service}:7: a program says which repositories this service has"),
                format!(
                    "{PROXY}:2: zypper and others go through this proxy, which the check does not (--proxy)"
                ),
            ]
        );
    }

    #[test]
    fn each_setting_that_zypper_has_was_decided() {
        let shipped = std::fs::read_to_string(MAIN);
        let shipped = shipped.expect("libzypp-config is missing: run tests/run");
        let names = shipped.lines().filter_map(|line| {
            let (name, _) =
                line.strip_prefix('#')?.trim_start_matches('#').trim().split_once(" =")?;
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b)).then_some(name)
        });
        let names: Vec<&str> = names.collect();
        assert!(names.len() > 30 && names.contains(&"varsdir"), "{names:?}");
        let open: Vec<&&str> =
            names.iter().filter(|name| OF_MAIN.reading(name) == Reading::Unknown).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(REPO, SAMPLE, |text| assert!(parse(text).len() <= 2));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(content in hostile(REPO, SAMPLE), address in "[${}a-z:+-]{0,40}") {
            let variables = RepositoryVariables::of_architecture("x86");
            let mut facts = Facts::default();
            for section in parse(&content) {
                repository(&section, &variables, &mut facts);
            }
            let whole = text("x", &address);
            drop(expand(&variables, &whole.text, 0));
        }
    }
}
