//! Which machines does module `register` name? Its file lists them, and how each is reached.
//!
//! centreon-collect, `gorgone/docs/modules/core/register.md`; the file is read as
//! it stands, without `!include`.

use crate::catalogue::Role;
use crate::site::discover::address::place;
use crate::site::discover::facts::{Machine, Mode, Read};
use crate::site::discover::tree::Node;
use crate::site::discover::{Facts, Files, Unread};
use crate::site::{Place, parse_port};

use super::FOLDER;

const MISSING: &str = "the machines that Gorgone's register names";

pub(super) fn read(files: &Files, register: &Read<String>, facts: &mut Facts) {
    let path = match register.value.as_str() {
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{FOLDER}/{relative}"),
    };
    let text = match files.read(&path) {
        Ok(text) => text,
        Err(Unread::Missing) => {
            let reason = format!("there is no {path}, which config_file names");
            return facts.note(register.at.clone(), reason, MISSING);
        }
        Err(why) => return facts.unread(&path, &why, MISSING),
    };
    let Some(tree) = facts.yaml(&text, MISSING) else { return };
    let machines = parse(&tree, facts);
    if let Some(gorgone) = &mut facts.gorgone {
        gorgone.nodes.extend(machines);
    }
}

fn parse(tree: &Node, facts: &mut Facts) -> Vec<Machine> {
    let mut machines = Vec::new();
    for node in tree.of("nodes").map_or(&[][..], Node::items) {
        let below = node.of("nodes").map_or(&[][..], Node::items);
        let role = if below.is_empty() { Role::Poller } else { Role::Remote };
        machines.extend(machine(node, role, facts));
        machines.extend(below.iter().map(|node| Machine {
            place: nowhere(),
            mode: Some(Mode::ThroughRemote),
            ..unnamed(node, Role::Poller)
        }));
    }
    machines
}

fn machine(node: &Node, role: Role, facts: &mut Facts) -> Option<Machine> {
    let mode = match node.text("type") {
        Some("push_zmq") => Some(Mode::Zmq),
        Some("push_ssh") => Some(Mode::Ssh),
        Some("pull") => Some(Mode::Pull),
        Some("pullwss" | "wss") => Some(Mode::Pullwss),
        _ => None,
    };
    let key = if mode == Some(Mode::Ssh) { "ssh_port" } else { "port" };
    let port = match node.text(key).map(parse_port) {
        Some(Err(wrong)) => {
            facts.note(node.at(key), format!("{key}: {wrong}"), MISSING);
            None
        }
        Some(Ok(port)) => Some(port),
        None => None,
    };
    let place = match node.text("address").map(|address| place(address, port)) {
        Some(Ok(place)) => place,
        // It connects by itself, so its address is nobody's business.
        None if matches!(mode, Some(Mode::Pull | Mode::Pullwss)) => nowhere(),
        Some(Err(wrong)) => {
            facts.note(node.at("address"), format!("address: {wrong}"), MISSING);
            return None;
        }
        None => {
            facts.note(node.at.clone(), "a node has no address", MISSING);
            return None;
        }
    };
    Some(Machine { place, mode, ..unnamed(node, role) })
}

/// The file knows numbers only.
fn unnamed(node: &Node, role: Role) -> Machine {
    let id = node.text("id");
    Machine {
        id: id.and_then(|id| id.parse().ok()),
        name: format!("node {}", id.unwrap_or("without id")),
        role,
        place: nowhere(),
        mode: None,
        at: node.at.clone(),
    }
}

fn nowhere() -> Place {
    Place { host: String::new(), port: None, url: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::discover::Text;

    fn machines(text: &str) -> (Vec<String>, Facts) {
        let text = Text { file: "/etc/n.yml".into(), text: text.to_owned() };
        let mut facts = Facts::default();
        let all = parse(&facts.yaml(&text, MISSING).unwrap(), &mut facts);
        let shown = all.iter().map(|m| {
            let mode = m.mode.map_or("?".to_owned(), |mode| mode.to_string());
            let port = m.place.port.unwrap_or(0);
            format!("{} {} {mode} {}:{port} {}", m.name, m.role, m.place.host, m.at.line.unwrap())
        });
        (shown.collect(), facts)
    }

    #[test]
    fn each_way_to_reach_a_node_is_told_apart() {
        let (all, facts) = machines(
            "nodes:\n\
             \x20 - {id: 4, type: push_zmq, address: 10.30.2.135, port: 5556, prevail: 1}\n\
             \x20 - {id: 8, type: push_ssh, address: 10.4.5.6, ssh_port: 2222, ssh_password: x}\n\
             \x20 - {id: 6, type: pullwss, prevail: 1}\n\
             \x20 - {id: 7, type: wss}\n\
             \x20 - {id: 9, type: pull}\n",
        );
        assert_eq!(
            all,
            [
                "node 4 poller zmq 10.30.2.135:5556 2",
                "node 8 poller ssh 10.4.5.6:2222 3",
                "node 6 poller pullwss :0 4",
                "node 7 poller pullwss :0 5",
                "node 9 poller pull :0 6",
            ]
        );
        assert_eq!(facts.notes, []);
    }

    #[test]
    fn nodes_below_a_node_are_reached_through_it() {
        let (all, _) = machines(
            "nodes:\n  - id: 1024\n    type: push_zmq\n    address: 10.0.0.9\n    port: 5556\n    \
             nodes:\n      - id: 6\n        pathscore: 1\n",
        );
        let expected =
            ["node 1024 remote zmq 10.0.0.9:5556 2", "node 6 poller through-remote :0 7"];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_pushed_node_without_an_address_is_noted() {
        let (all, facts) = machines(
            "nodes:\n  - {id: 4, type: push_zmq}\n  - {id: 5, address: 'a b'}\n  - {id: 6, address: a, port: 0x15B4}\n",
        );
        assert_eq!(all, ["node 6 poller ? a:0 4"]);
        assert_eq!(facts.notes[2].at.line, Some(4));
        assert!(facts.notes[2].reason.starts_with("port: "), "{:?}", facts.notes);
        assert_eq!(facts.notes[0].at.line, Some(2));
        assert_eq!(facts.notes[0].reason, "a node has no address");
        assert!(facts.notes[1].reason.contains("no place in a host name"));
    }
}
