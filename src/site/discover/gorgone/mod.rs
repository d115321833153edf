//! Gorgone: where does it listen, where does it fetch its orders, and which machines does it know?
//!
//! `/etc/centreon-gorgone/config.yaml` and all that it includes. What counts is
//! what gorgoned itself makes of it (centreon-collect, `gorgone/gorgone/class/core.pm`
//! and `gorgone/gorgone/modules/core/`): a module runs when `enable` is set to
//! anything but `false`, its package names it, and only `true` switches TLS on.

mod include;
mod nodes;

use super::address::{listen, on_one, place};
use super::facts::{Gorgone, Listen, Pullwss, Read, RoleSign};
use super::tree::Node;
use super::{At, Facts, Files};
use crate::catalogue::Role;
use crate::site::parse_port;

const FOLDER: &str = "/etc/centreon-gorgone";
const MAIN: &str = "/etc/centreon-gorgone/config.yaml";
const MISSING: &str = "how this machine's Gorgone is reached";

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let Some(tree) = include::load(files, MAIN, facts) else { return };
    let root = root(&tree);
    if let Some(database) = root.below(&["centreon", "database"]) {
        facts.databases_of(database);
    }
    let Some((gorgone, registers)) = parse(root, facts) else {
        let reason = "neither this file nor those it includes configure gorgone";
        return facts.note(At::file(MAIN), reason, MISSING);
    };
    facts.gorgone = Some(gorgone);
    for file in &registers {
        nodes::read(files, file, facts);
    }
}

/// The map that holds `gorgone` and `centreon`: below `configuration`, or the whole.
fn root(tree: &Node) -> &Node {
    match tree.of("configuration") {
        Some(below) if below.of("gorgone").is_some() || tree.of("gorgone").is_none() => below,
        _ => tree,
    }
}

/// What it says of Gorgone, and the files of module `register`.
fn parse(root: &Node, facts: &mut Facts) -> Option<(Gorgone, Vec<Read<String>>)> {
    let node = root.of("gorgone")?;
    let mut gorgone = Gorgone {
        at: At::file(MAIN),
        listens: node.of("gorgonecore").and_then(|core| external(core, facts)),
        api: None,
        pull: None,
        pullwss: None,
        pullwss_server: None,
        nodes: Vec::new(),
        modules: Vec::new(),
    };
    let mut registers = Vec::new();
    for (module, node) in modules(node) {
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

/// The modules that are switched on.
fn modules(gorgone: &Node) -> impl Iterator<Item = (Read<String>, &Node)> {
    let all = gorgone.of("modules").map_or(&[][..], Node::items);
    let on = all.iter().filter(|node| node.text("enable").is_some_and(|enable| enable != "false"));
    on.filter_map(|node| {
        // `gorgone::modules::core::pull::hooks`
        let package = node.text("package").and_then(|package| package.rsplit("::").nth(1));
        let value = package.or(node.text("name"))?.to_owned();
        Some((Read { value, at: node.at.clone() }, node))
    })
}

/// The socket for other Gorgones: there is none without `external_com_type`.
fn external(core: &Node, facts: &mut Facts) -> Option<Read<Listen>> {
    let path = core.read("external_com_path");
    match (core.text("external_com_type"), path) {
        (Some("tcp"), Some(path)) => match listen(&path.value) {
            Ok(value) => Some(Read { value, at: path.at }),
            Err(wrong) => {
                facts.note(path.at, format!("external_com_path: {wrong}"), MISSING);
                None
            }
        },
        (Some("tcp"), None) => {
            let at = core.at("external_com_type");
            facts.note(at, "external_com_type stands without external_com_path", MISSING);
            None
        }
        (None, Some(path)) => {
            let reason = "external_com_path is set, but external_com_type is not: \
                          Gorgone does not listen there";
            facts.note(path.at, reason, MISSING);
            None
        }
        _ => None,
    }
}

/// The HTTP interface; its defaults are the module's own.
fn api(module: &Node) -> Read<Listen> {
    let port = module.text("port").and_then(|port| parse_port(port).ok()).unwrap_or(8080);
    let host = module.text("address").and_then(on_one);
    Read { value: Listen { host, port, tls: is_true(module, "ssl") }, at: module.at("port") }
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
    node.text(key) == Some("true")
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
