//! Monitoring agents: where do they connect to, and which are connected to?
//!
//! `/etc/centreon-engine/otl_server.json`, or the file the engine gives its module:
//! `otel_server` listens, each of `centreon_agent.reverse_connections` is a peer
//! (centreon-collect, `engine/modules/opentelemetry/src/`). A machine that is monitored has
//! the agent's own `centagent.json` (`agent/src/config.cc`).

use super::address::{on_one, place};
use super::constructs::Constructs;
use super::facts::{AgentReceiver, Listen, OwnAgent, Read};
use super::tree::Node;
use super::{At, Facts, Files, Text, Unread};
use crate::site::{Place, parse_port};

const FILE: &str = "/etc/centreon-engine/otl_server.json";
const OWN: &str = "/etc/centreon-monitoring-agent/centagent.json";
const MISSING: &str = "where monitoring agents connect to";
const MISSING_OWN: &str = "where this machine's own agent connects to";

/// What of the engine's module says who connects to whom.
pub(super) const CONSTRUCTS: Constructs = Constructs {
    program: "centengine",
    files: "otl_server.json",
    missing: MISSING,
    understood: &[
        "centreon_agent",
        "centreon_agent.reverse_connections",
        "otel_server",
        "otel_server.encryption",
        "otel_server.host",
        "otel_server.port",
    ],
    noted: &[("telegraf_conf_server", "serves Telegraf its configuration, on a port of its own")],
    aside: &[
        "centreon_agent.check_interval",
        "centreon_agent.check_timeout",
        "centreon_agent.export_period",
        "centreon_agent.max_concurrent_checks",
        "grpc_json_log",
        "max_length_grpc_log",
        "otel_server.ca_*",
        "otel_server.compression",
        "otel_server.keepalive_interval",
        "otel_server.max_message_length",
        "otel_server.private_key",
        "otel_server.public_cert",
        "otel_server.second_max_reconnect_backoff",
        "otel_server.token",
        "otel_server.trusted_tokens",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let named = facts.engine.as_ref().and_then(|engine| engine.agents_file.clone());
    let path = named.as_ref().map_or(FILE, |file| file.value.as_str());
    match (files.read(path), &named) {
        (Ok(text), _) => parse(&text, facts),
        (Err(Unread::Missing), Some(file)) => {
            let reason = format!("the engine's module is given {path}, which is not there");
            facts.note(file.at.clone(), reason, MISSING);
        }
        (Err(why), _) => facts.unread(path, &why, MISSING),
    }
    match files.read(OWN) {
        Ok(text) => own(&text, facts),
        Err(why) => facts.unread(OWN, &why, MISSING_OWN),
    }
}

/// `endpoint`: the poller, or where the agent waits for it (`reversed_grpc_streaming`).
fn own(text: &Text, facts: &mut Facts) {
    let Some(tree) = facts.json(text, MISSING_OWN) else { return };
    let Some(endpoint) = tree.read("endpoint") else {
        return facts.note(tree.at.clone(), "it has no endpoint", MISSING_OWN);
    };
    match place(&endpoint.value, None) {
        Ok(value) if value.port.is_some() => {
            facts.own_agent = Some(OwnAgent {
                endpoint: Read { value, at: endpoint.at },
                waits: tree.text("reversed_grpc_streaming") == Some("true"),
                tls: matches!(tree.text("encryption"), Some("true" | "full" | "insecure")),
            });
        }
        Ok(_) => facts.note(endpoint.at, "its endpoint names no port", MISSING_OWN),
        Err(wrong) => facts.note(endpoint.at, format!("endpoint: {wrong}"), MISSING_OWN),
    }
}

fn parse(text: &Text, facts: &mut Facts) {
    let Some(tree) = facts.json(text, MISSING) else { return };
    for (key, value) in tree.entries() {
        CONSTRUCTS.meet(key, value.at.clone(), facts);
    }
    for part in ["otel_server", "centreon_agent"] {
        for (key, value) in tree.of(part).into_iter().flat_map(Node::entries) {
            CONSTRUCTS.meet(&format!("{part}.{key}"), value.at.clone(), facts);
        }
    }
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

    use super::super::engine;
    use super::super::testing::tree;
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
    fn the_file_is_the_one_the_engine_gives_its_module() {
        let engine = "broker_module=/usr/lib64/centreon-engine/libopentelemetry.so /etc/own.json\n";
        let (_dir, files) = tree(&[
            ("/etc/centreon-engine/centengine.cfg", engine),
            (FILE, r#"{"otel_server": {"host": "0.0.0.0", "port": 4317}}"#),
        ]);
        let mut facts = Facts::default();
        engine::read(&files, &mut facts);
        read(&files, &mut facts);
        assert_eq!(facts.agents, None);
        let reason = "the engine's module is given /etc/own.json, which is not there";
        assert_eq!(facts.notes[0].reason, reason);
    }

    #[test]
    fn the_agent_of_this_machine_connects_or_waits() {
        for (text, waits, port) in [
            (
                r#"{"endpoint": "10.0.0.7:4317", "encryption": true, "token": "s3cret"}"#,
                false,
                4317,
            ),
            (r#"{"endpoint": "0.0.0.0:4318", "reversed_grpc_streaming": true}"#, true, 4318),
        ] {
            let (_dir, files) = tree(&[(OWN, text)]);
            let mut facts = Facts::default();
            read(&files, &mut facts);
            let agent = facts.own_agent.as_ref().unwrap();
            assert_eq!((agent.waits, agent.endpoint.value.port), (waits, Some(port)));
            assert_eq!(agent.tls, !waits);
            assert!(!format!("{facts:?}").contains("s3cret"));
        }
        let (_dir, files) = tree(&[(OWN, r#"{"endpoint": "10.0.0.7"}"#)]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        assert_eq!(facts.notes[0].reason, "its endpoint names no port");
    }

    #[test]
    fn what_nobody_reads_is_noted() {
        let facts = facts(
            r#"{"otel_server": {"host": "0.0.0.0", "port": 4317, "via": "x"},
            "telegraf_conf_server": {}}"#,
        );
        let notes: Vec<_> = facts.notes.iter().map(|note| note.reason.as_str()).collect();
        let want = [
            "`telegraf_conf_server` serves Telegraf its configuration, on a port of its own, which is not read",
            "`otel_server.via` is nothing of centengine that preflight knows; it may move a peer",
        ];
        assert_eq!(notes, want);
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
