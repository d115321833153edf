//! Monitoring agents: where do they connect to, and which are connected to?
//!
//! `/etc/centreon-engine/otl_server.json`: `otel_server` listens, each of
//! `centreon_agent.reverse_connections` is a peer (centreon-collect,
//! `engine/modules/opentelemetry/src/`).

use super::address::{on_one, place};
use super::facts::{AgentReceiver, Listen, Read};
use super::tree::Node;
use super::{At, Facts, Files, Text};
use crate::site::{Place, parse_port};

const FILE: &str = "/etc/centreon-engine/otl_server.json";
const MISSING: &str = "where monitoring agents connect to";

pub(super) fn read(files: &Files, facts: &mut Facts) {
    match files.read(FILE) {
        Ok(text) => parse(&text, facts),
        Err(why) => facts.unread(FILE, &why, MISSING),
    }
}

fn parse(text: &Text, facts: &mut Facts) {
    let Some(tree) = facts.json(text, MISSING) else { return };
    let listens = tree.of("otel_server").and_then(|server| listens(server, facts));
    let peers = tree.below(&["centreon_agent", "reverse_connections"]).map_or(&[][..], Node::items);
    let reversed = peers.iter().filter_map(|peer| reversed(peer, facts)).collect();
    facts.agents = Some(AgentReceiver { listens, reversed, at: At::file(&text.file) });
}

fn listens(server: &Node, facts: &mut Facts) -> Option<Read<Listen>> {
    let port = port(server, facts)?;
    // `full` since there are words for it; before that, yes or no.
    let tls = matches!(server.text("encryption"), Some("full" | "true" | "yes"));
    let host = server.text("host").and_then(on_one);
    Some(Read { value: Listen { host, port, tls }, at: server.at("port") })
}

fn reversed(peer: &Node, facts: &mut Facts) -> Option<Read<Place>> {
    let port = port(peer, facts)?;
    let host = peer.text("host").ok_or_else(|| "there is no host".to_owned());
    host.and_then(|host| place(host, Some(port)))
        .map(|value| Read { value, at: peer.at("host") })
        .map_err(|wrong| facts.note(peer.at("host"), wrong, MISSING))
        .ok()
}

fn port(node: &Node, facts: &mut Facts) -> Option<u16> {
    let port = node.text("port").map_or_else(|| Err("there is no port".to_owned()), parse_port);
    port.map_err(|wrong| facts.note(node.at("port"), wrong, MISSING)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Centreon's documentation has it, with agents that are connected to.
    const SAMPLE: &str = r#"{
    "max_length_grpc_log": 0,
    "otel_server": {
        "host": "0.0.0.0",
        "port": 4317,
        "encryption": "full",
        "private_key": "/etc/pki/k.pem"
    },
    "centreon_agent": {
        "check_interval": 60,
        "reverse_connections": [
            {"host": "10.1.0.9", "port": 4317, "token": "s3cret"},
            {"host": "10.1.0.10"}
        ]
    }
}"#;

    fn facts(text: &str) -> Facts {
        let mut facts = Facts::default();
        parse(&Text { file: FILE.into(), text: text.to_owned() }, &mut facts);
        facts
    }

    #[test]
    fn agents_connect_and_are_connected_to() {
        let facts = facts(SAMPLE);
        let agents = facts.agents.as_ref().unwrap();
        let listens = agents.listens.as_ref().unwrap();
        assert_eq!(listens.value, Listen { host: None, port: 4317, tls: true });
        assert_eq!(listens.at.line, Some(5));
        let [peer] = &*agents.reversed else { panic!("one peer") };
        assert_eq!((peer.value.host.as_str(), peer.value.port), ("10.1.0.9", Some(4317)));
        assert_eq!(peer.at.line, Some(12));
        assert_eq!(facts.notes[0].at.line, Some(13));
        assert_eq!(facts.notes[0].reason, "there is no port");
        assert!(!format!("{facts:?}").contains("s3cret"));
    }

    #[test]
    fn one_address_is_kept_and_tls_is_off_by_default() {
        let facts = facts(r#"{"otel_server": {"host": "10.0.0.7", "port": 4318}}"#);
        let listens = facts.agents.unwrap().listens.unwrap().value;
        assert_eq!(listens, Listen { host: Some("10.0.0.7".into()), port: 4318, tls: false });
    }

    #[test]
    fn half_a_file_is_a_note() {
        for end in 0..SAMPLE.len() {
            let facts = facts(&SAMPLE[..end]);
            assert_eq!((facts.agents, facts.notes.len()), (None, 1), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            facts(&String::from_utf8_lossy(&bytes));
        }
    }
}
