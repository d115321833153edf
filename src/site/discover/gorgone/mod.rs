//! Gorgone: where does it listen, where does it fetch its orders, and which machines does it know?
//!
//! `/etc/centreon-gorgone/config.yaml` and all that it includes. What counts is
//! what gorgoned itself makes of it (centreon-collect, `gorgone/gorgone/class/core.pm`
//! and `gorgone/gorgone/modules/core/`): a module runs when `enable` is set to
//! anything but `false`, its package names it, and only `true` switches TLS on.
//! Numbers, `yes` and `no` are texts to it.

mod include;
mod nodes;

use std::collections::BTreeSet;

use secrecy::SecretString;
use url::Url;

use super::address::{listen, on_one, place};
use super::constructs::Constructs;
use super::facts::{Api, Gorgone, Listen, Pullwss, Read, RoleSign};
use super::lines::words;
use super::tree::{Node, TreeValue};
use super::{At, Facts, Files};
use crate::catalogue::Role;
use crate::site::parse_port;

/// What gorgoned's configuration can say of its peers; modules by the name in their package.
pub(super) const CONSTRUCTS: Constructs = Constructs {
    program: "gorgoned",
    files: "config.yaml and what it includes",
    missing: MISSING,
    understood: &[
        "gorgonecore",
        "gorgonecore.external_com_path",
        "gorgonecore.external_com_type",
        "gorgonecore.gorgone_db_host",
        "modules",
        "modules.engine",
        "modules.httpserver",
        "modules.httpserverng",
        "modules.nodes",
        "modules.proxy",
        "modules.pull",
        "modules.pullwss",
        "modules.register",
        "tpapi",
    ],
    noted: &[
        ("modules.anomalydetection", "asks Centreon's cloud"),
        ("modules.etl", "fills the database of the reporting server"),
        ("modules.etlworkers", "fills the database of the reporting server"),
        ("modules.newtest", "asks NewTest servers"),
        ("modules.scom", "asks SCOM servers"),
    ],
    aside: &[
        "gorgonecore.authorized_clients",
        "gorgonecore.external_com_*",
        "gorgonecore.fingerprint_*",
        "gorgonecore.gorgone_db_*",
        "gorgonecore.hostname",
        "gorgonecore.id",
        "gorgonecore.internal_com_*",
        "gorgonecore.ipv6",
        "gorgonecore.privkey",
        "gorgonecore.proxy_name",
        "gorgonecore.pubkey",
        "gorgonecore.timeout",
        "modules.action",
        "modules.audit",
        "modules.autodiscovery",
        "modules.cron",
        "modules.dbcleaner",
        "modules.judge",
        "modules.legacycmd",
        "modules.pipeline",
        "modules.statistics",
    ],
};

/// Where its unit finds the words of its command line.
const OPTIONS: [&str; 2] = ["/etc/default/gorgoned", "/etc/sysconfig/gorgoned"];
const FOLDER: &str = "/etc/centreon-gorgone";
const MAIN: &str = "/etc/centreon-gorgone/config.yaml";
const MISSING: &str = "how this machine's Gorgone is reached";

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let main = main_file(files);
    let Some(include::Loaded { root, unknown }) = include::load(files, &main, facts) else {
        return;
    };
    let Some(configuration) = root.of("configuration") else {
        let reason = "neither this file nor those it includes configure gorgone";
        return facts.note(At::file(&main), reason, MISSING);
    };
    if let Some(database) = configuration.below(&["centreon", "database"]) {
        facts.databases_of(database);
    }
    let Some((gorgone, registers)) = parse(configuration, unknown.clone(), facts) else {
        if unknown.is_none() {
            let reason = "neither this file nor those it includes configure gorgone";
            facts.note(At::file(&main), reason, MISSING);
        }
        return;
    };
    facts.gorgone = Some(Gorgone { at: At::file(&main), ..gorgone });
    for file in &registers {
        nodes::read(files, file, facts);
    }
}

/// The file that gorgoned is started with.
fn main_file(files: &Files) -> String {
    let texts = OPTIONS.iter().filter_map(|path| files.read(path).ok());
    let assignments = texts.flat_map(|text| {
        let lines = text.lines().flat_map(|(_, line)| words(line));
        lines.filter_map(|word| Some(word.strip_prefix("OPTIONS=")?.to_owned())).collect::<Vec<_>>()
    });
    let options = assignments.last().unwrap_or_default();
    let mut options = options.split_ascii_whitespace();
    let named = options.find_map(|word| match word.trim_start_matches('-').split_once('=') {
        Some(("config", path)) => Some(path.to_owned()),
        _ => None,
    });
    named.filter(|path| path.starts_with('/')).unwrap_or_else(|| MAIN.to_owned())
}

/// What it says of Gorgone, and the files of module `register`.
fn parse(
    configuration: &Node,
    unknown: Option<At>,
    facts: &mut Facts,
) -> Option<(Gorgone, Vec<Read<String>>)> {
    let node = configuration.of("gorgone")?;
    meet(node, facts);
    let mut gorgone = Gorgone {
        at: At::file(MAIN),
        listens: node.of("gorgonecore").and_then(|core| external(core, facts)),
        api: None,
        pull: None,
        pullwss: None,
        pullwss_server: None,
        nodes: Vec::new(),
        modules: Vec::new(),
        unknown,
    };
    let mut registers = Vec::new();
    for (module, node) in modules(node, facts) {
        match module.value.as_str() {
            "httpserver" | "httpserverng" => gorgone.api = Some(api(node)),
            "pull" => gorgone.pull = pull(node, facts),
            "pullwss" => gorgone.pullwss = pullwss(node, facts),
            "proxy" => gorgone.pullwss_server = pullwss_server(node, facts),
            "register" => registers.extend(node.read("config_file")),
            _ => {}
        }
        gorgone.modules.push(module);
    }
    facts.roles.extend(role(&gorgone));
    Some((gorgone, registers))
}

/// Notes what is set in it and not understood.
fn meet(gorgone: &Node, facts: &mut Facts) {
    let mut keys = |node: &Node, prefix: &str| {
        for (key, value) in node.entries() {
            CONSTRUCTS.meet(&format!("{prefix}{key}"), value.at.clone(), facts);
        }
    };
    keys(gorgone, "");
    let Some(core) = gorgone.of("gorgonecore") else { return };
    keys(core, "gorgonecore.");
    // Without a host it is a file of this machine.
    if let Some(host) = core.read("gorgone_db_host").filter(|host| !is_here(&host.value)) {
        let reason = "Gorgone keeps its history in this database, which is not asked";
        facts.note(host.at, reason, MISSING);
    }
    for api in gorgone.of("tpapi").map_or(&[][..], Node::items) {
        let url = api.read("base_url");
        let is_elsewhere = |url: &Read<String>| {
            let parsed = Url::parse(&url.value).ok();
            !parsed.is_some_and(|parsed| parsed.host_str().is_some_and(is_here))
        };
        if let Some(url) = url.filter(is_elsewhere) {
            let reason = "Gorgone asks this interface of the platform, which is not asked here";
            facts.note(url.at, reason, MISSING);
        }
    }
}

/// Is it this machine, by a name or address that never leaves it?
fn is_here(host: &str) -> bool {
    let is_local = |address: std::net::IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_local)
}

/// The modules that gorgoned loads: of one package the first that is switched on.
fn modules<'a>(gorgone: &'a Node, facts: &mut Facts) -> Vec<(Read<String>, &'a Node)> {
    let all = match gorgone.of("modules") {
        Some(Node { value: TreeValue::List(all), .. }) => all.as_slice(),
        None | Some(Node { value: TreeValue::Nothing | TreeValue::Unknown(_), .. }) => &[],
        Some(node) => {
            facts.note(node.at.clone(), "modules is not a list: gorgoned ends here", MISSING);
            &[]
        }
    };
    let mut loaded = BTreeSet::new();
    let mut modules = Vec::new();
    for node in all.iter().filter(|node| is_on(node)) {
        let word = |key| node.exact(key).filter(|word| !word.is_empty());
        let (Some(_), Some(package)) = (word("name"), word("package")) else {
            let reason = "gorgoned loads no module without a name and a package";
            facts.note(node.at.clone(), reason, MISSING);
            continue;
        };
        if loaded.insert(package) {
            // `gorgone::modules::core::pull::hooks`
            let value = package.rsplit("::").nth(1).unwrap_or(package).to_owned();
            CONSTRUCTS.meet(&format!("modules.{value}"), node.at.clone(), facts);
            modules.push((Read { value, at: node.at.clone() }, node));
        }
    }
    modules
}

/// Anything but `false` switches a module on, as long as there is something.
fn is_on(module: &Node) -> bool {
    match module.of("enable").map(|enable| &enable.value) {
        None | Some(TreeValue::Nothing | TreeValue::Unknown(_)) => false,
        Some(TreeValue::Scalar(word)) => word != "false",
        Some(TreeValue::List(_) | TreeValue::Map(_) | TreeValue::Include(_)) => true,
    }
}

/// The socket for other Gorgones: there is none without `external_com_type`.
fn external(core: &Node, facts: &mut Facts) -> Option<Read<Listen>> {
    let word = |key| {
        let node = core.of(key).filter(|node| !matches!(node.value, TreeValue::Nothing));
        node.filter(|_| core.exact(key) != Some(""))
    };
    let (kind, path) = (word("external_com_type"), word("external_com_path"));
    let unknown =
        |node: Option<&Node>| node.is_some_and(|n| matches!(n.value, TreeValue::Unknown(_)));
    if unknown(kind) || unknown(path) {
        return None;
    }
    match (kind.and_then(Node::scalar), kind.or(path), core.read("external_com_path")) {
        (_, None, _) => None,
        (Some("tcp"), _, Some(path)) => match listen(&path.value) {
            Ok(value) => Some(Read { value, at: path.at }),
            Err(wrong) => {
                facts.note(path.at, format!("external_com_path: {wrong}"), MISSING);
                None
            }
        },
        (Some("tcp"), Some(kind), None) => {
            let reason = "external_com_type stands without external_com_path";
            facts.note(kind.at.clone(), reason, MISSING);
            None
        }
        (None, Some(path), _) => {
            let reason = "external_com_path is set, but external_com_type is not: \
                          Gorgone does not listen there";
            facts.note(path.at.clone(), reason, MISSING);
            None
        }
        (Some(_), Some(kind), _) => {
            let reason = "external_com_type is not tcp: other machines cannot connect";
            facts.note(kind.at.clone(), reason, MISSING);
            None
        }
    }
}

/// The HTTP interface; its defaults are the module's own.
fn api(module: &Node) -> Api {
    let port = module.text("port").and_then(|port| parse_port(port).ok()).unwrap_or(8080);
    let host = module.text("address").and_then(on_one);
    let value = Listen { host, port, tls: is_true(module, "ssl") };
    let auth = module.of("auth").filter(|auth| is_true(auth, "enabled"));
    let login = auth.and_then(|auth| {
        let password = auth.text("password")?;
        Some((auth.text("user")?.to_owned(), SecretString::from(password)))
    });
    Api { listens: Read { value, at: module.at("port") }, login }
}

fn pull(module: &Node, facts: &mut Facts) -> Option<Read<crate::site::Place>> {
    let path = module.read("target_path")?;
    match place(path.value.trim_start_matches("tcp://"), None) {
        Ok(value) => Some(Read { value, at: path.at }),
        Err(wrong) => {
            facts.note(path.at, format!("target_path: {wrong}"), MISSING);
            None
        }
    }
}

fn pullwss(module: &Node, facts: &mut Facts) -> Option<Pullwss> {
    let address = module.read("address")?;
    let port = port(module, facts);
    let place = place(&address.value, port)
        .map_err(|wrong| facts.note(address.at.clone(), format!("address: {wrong}"), MISSING))
        .ok()?;
    Some(Pullwss {
        place,
        tls: is_true(module, "ssl"),
        path: module.text("central_uri").map_or_else(|| "/".to_owned(), path_of),
        proxy: module.read("proxy").map(without_user),
        token: module.text("token").map(SecretString::from),
        at: address.at,
    })
}

/// Where a central listens for pollers that come by WebSocket.
fn pullwss_server(proxy: &Node, facts: &mut Facts) -> Option<Read<Listen>> {
    let server = proxy.of("httpserver").filter(|server| is_true(server, "enable"))?;
    let host = server.text("address").and_then(on_one);
    let value = Listen { host, port: port(server, facts)?, tls: is_true(server, "ssl") };
    Some(Read { value, at: server.at("port") })
}

fn port(module: &Node, facts: &mut Facts) -> Option<u16> {
    let port = module.read("port")?;
    parse_port(&port.value)
        .map_err(|wrong| facts.note(port.at, format!("port: {wrong}"), MISSING))
        .ok()
}

fn is_true(node: &Node, key: &str) -> bool {
    node.exact(key) == Some("true")
}

/// The path of a URL, or of what is a path already.
fn path_of(uri: &str) -> String {
    let path = uri
        .split_once("://")
        .map_or(uri, |(_, rest)| rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/"));
    format!("/{}", path.trim_start_matches('/'))
}

/// A proxy's address without the user and password in it.
fn without_user(proxy: Read<String>) -> Read<String> {
    let (scheme, rest) = match proxy.value.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), proxy.value.as_str()),
    };
    let address = rest.rsplit('@').next().unwrap_or_default();
    Read { value: format!("{scheme}{address}"), at: proxy.at }
}

/// What the modules say: a central has the interface, a central or remote the
/// list of nodes, a poller neither.
fn role(gorgone: &Gorgone) -> Option<RoleSign> {
    let module = |names: &[&str]| {
        gorgone.modules.iter().find(|module| names.contains(&module.value.as_str()))
    };
    let sign = |role, module: &Read<String>| RoleSign {
        role,
        at: module.at.clone(),
        because: format!("module {}", module.value),
        is_explicit: false,
    };
    if let Some(module) = module(&["httpserver", "httpserverng"]) {
        return Some(sign(Role::Central, module));
    }
    match (module(&["nodes"]), module(&["proxy"])) {
        (Some(module), _) => Some(sign(Role::Remote, module)),
        // It hands on what it fetches: a rebound, not a poller.
        (None, Some(_)) => None,
        (None, None) => module(&["pull", "pullwss", "engine"]).map(|m| sign(Role::Poller, m)),
    }
}

#[cfg(test)]
mod tests;
