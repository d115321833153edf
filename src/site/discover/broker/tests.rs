use std::fs;

use proptest::prelude::*;

use super::*;
use crate::site::discover::At;
use crate::site::discover::facts::{Engine, StreamFacts};

/// A poller's, on several lines.
const MODULE: &str = r#"{
  "centreonBroker": {
    "broker_id": 3,
    "broker_name": "poller1-module",
    "poller_id": 2,
    "poller_name": "poller1",
    "bbdo_version": "3.1.0",
    "output": [
      {
        "name": "poller1-module-output",
        "port": "5669",
        "host": "10.0.0.5",
        "protocol": "bbdo",
        "tls": "no",
        "negotiation": "yes",
        "one_peer_retention_mode": "no",
        "compression": "no",
        "type": "ipv4"
      }
    ],
    "stats": [{"type": "stats", "name": "s", "json_fifo": "\/var\/lib\/x.json"}],
    "grpc": {"port": 51003}
  }
}"#;

fn parsed(text: &str) -> (Option<Broker>, Facts) {
    let mut facts = Facts::default();
    let text = Text { file: "/etc/centreon-broker/x.json".into(), text: text.to_owned() };
    let broker = parse(&text, true, &mut facts);
    (broker, facts)
}

/// One stream, written as the only output.
fn output(stream: &str) -> (Option<StreamFacts>, Facts) {
    let text = format!("{{\"centreonBroker\": {{\"output\": [{{{stream}}}]}}}}");
    let (broker, facts) = parsed(&text);
    (broker.unwrap().streams.pop(), facts)
}

fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let files = Files::below(root.path());
    (root, files)
}

fn loading(path: &str) -> Facts {
    let at = At { file: "/etc/centreon-engine/centengine.cfg".into(), line: Some(6) };
    let engine = Engine {
        at: at.clone(),
        broker_files: vec![Read { value: path.to_owned(), at }],
        notifies: None,
        agents_file: None,
    };
    Facts { engine: Some(engine), ..Facts::default() }
}

#[test]
fn a_pollers_module_connects_to_its_central() {
    let (broker, facts) = parsed(MODULE);
    let broker = broker.unwrap();
    assert_eq!(broker.name, "poller1-module");
    assert_eq!(broker.poller_id.unwrap().get(), 2);
    let version = broker.bbdo_version.unwrap();
    assert_eq!((version.value.as_str(), version.at.line), ("3.1.0", Some(7)));
    let [stream] = &*broker.streams else { panic!("one stream") };
    assert_eq!(stream.host.as_deref(), Some("10.0.0.5"));
    assert_eq!((stream.port, stream.is_output, stream.grpc), (5669, true, false));
    assert_eq!((stream.tls, stream.retention), (Some(false), false));
    assert_eq!(stream.at.to_string(), "/etc/centreon-broker/x.json:10");
    assert_eq!(facts.notes, []);
}

#[test]
fn an_old_stream_without_a_host_listens() {
    for host in ["", "\"host\": \"\", ", "\"host\": null, "] {
        let (stream, _) =
            output(&format!(r#"{host}"type": "ipv4", "port": "5669", "tls": "auto""#));
        let stream = stream.unwrap();
        assert_eq!((stream.host, stream.listens_on, stream.tls), (None, None, None), "{host}");
    }
}

#[test]
fn a_new_server_listens_on_its_host_and_a_new_client_connects_to_it() {
    let server = r#""type": "bbdo_server", "port": 5669, "transport_protocol": "GRPC",
        "encryption": "yes", "certificate": "/c.pem", "private_key": "/k.pem", "retention": "yes""#;
    let plain = output(server).0.unwrap();
    assert_eq!((plain.host, plain.listens_on), (None, None));
    assert_eq!(
        (plain.port, plain.grpc, plain.tls, plain.retention),
        (5669, true, Some(true), true)
    );
    let names: Vec<_> = plain.tls_files.iter().map(|(key, file)| (&**key, &*file.value)).collect();
    assert_eq!(names, [("public_cert", "/c.pem"), ("private_key", "/k.pem")]);

    let on_all = output(&format!(r#"{server}, "host": "0.0.0.0""#)).0.unwrap();
    assert_eq!((on_all.host, on_all.listens_on), (None, None));
    let on_one = output(&format!(r#"{server}, "host": "10.0.0.5""#)).0.unwrap();
    assert_eq!((on_one.host, on_one.listens_on.as_deref()), (None, Some("10.0.0.5")));

    let client = r#""type": "bbdo_client", "port": "443", "transport_protocol": "tcp",
        "encrypt": "no", "host": "central.example""#;
    let client = output(client).0.unwrap();
    assert_eq!(client.host.as_deref(), Some("central.example"));
    assert_eq!((client.grpc, client.tls), (false, Some(false)));
}

#[test]
fn a_reversed_poller_keeps_its_data_until_it_is_fetched() {
    let stream = r#""type": "ipv4", "host": "", "port": "5669", "negociation": "yes",
        "one_peer_retention_mode": "yes", "tls": "yes", "public_cert": "/c", "ca_certificate": "/a""#;
    let stream = output(stream).0.unwrap();
    assert!(stream.retention && stream.is_output && stream.host.is_none());
    assert_eq!((stream.tls, stream.tls_files.len()), (Some(true), 2));
}

#[test]
fn files_and_databases_are_no_streams() {
    for kind in ["sql", "unified_sql", "storage", "rrd", "lua", "stats", "file", "new"] {
        assert_eq!(output(&format!(r#""type": "{kind}", "port": "1""#)).0, None, "{kind}");
    }
    let (_, facts) = output(
        r#""type": "unified_sql", "db_host": "10.0.0.8", "db_port": "3306", "db_password": "s3cret""#,
    );
    let database = &facts.databases[0].value;
    assert_eq!((database.host.as_str(), database.port), ("10.0.0.8", Some(3306)));
    assert!(!format!("{facts:?}").contains("s3cret"));
}

#[test]
fn a_stream_that_cannot_work_is_noted_at_its_line() {
    let (stream, facts) = output("\n\"name\": \"x\",\n\"type\": \"ipv4\",\n\"port\": \"70000\"");
    assert_eq!(stream, None);
    assert_eq!(facts.notes[0].at.line, Some(4));
    assert_eq!(facts.notes[0].reason, "x: `70000` is not a port (1 to 65535)");
    let (_, facts) = output(r#""name": "x", "type": "ipv4""#);
    assert_eq!(facts.notes[0].reason, "x: there is no port");
    let (_, facts) = output(r#""name": "x", "type": "bbdo_client", "port": "5669""#);
    assert_eq!(facts.notes[0].reason, "x: there is no host to connect to");
}

#[test]
fn no_text_is_long_in_facts_or_notes() {
    let long = "x".repeat(1 << 20);
    let (broker, facts) = parsed(&format!(
        r#"{{"centreonBroker": {{"broker_name": "{long}", "output": [
            {{"type": "ipv4", "name": "{long}", "port": "{long}", "host": "{long}"}}]}}}}"#
    ));
    let seen = format!("{broker:?} {facts:?}");
    assert!(seen.len() < 2_000, "{}", seen.len());
}

#[test]
fn a_single_output_needs_no_list() {
    let text = r#"{"centreonBroker": {"input": {"type": "tcp", "port": "5669"}}}"#;
    assert_eq!(parsed(text).0.unwrap().streams.len(), 1);
}

#[test]
fn what_is_no_broker_configuration_is_noted() {
    assert_eq!(parsed("{}").1.notes[0].reason, "there is no centreonBroker in it");
    assert!(parsed("not json").1.notes[0].reason.starts_with("this is not JSON"));
}

#[test]
fn what_the_engine_does_not_load_is_left_behind() {
    let (_root, files) = tree(&[
        ("/etc/centreon-broker/poller1-module.json", MODULE),
        ("/etc/centreon-broker/old-module.json", MODULE),
        ("/etc/centreon-broker/central-broker.json", MODULE),
        ("/etc/centreon-broker/watchdog.json", r#"{"centreonBroker": {"log": "x"}}"#),
    ]);
    let mut facts = loading("/etc/centreon-broker//poller1-module.json");
    read(&files, &mut facts);
    let seen: Vec<_> = facts.brokers.iter().map(|b| (b.at.to_string(), b.is_module)).collect();
    assert_eq!(seen, [("/etc/centreon-broker/poller1-module.json".to_owned(), true)]);
}

#[test]
fn without_engine_and_watchdog_every_file_counts() {
    let (_root, files) = tree(&[
        ("/etc/centreon-broker/central-module.json", MODULE),
        ("/etc/centreon-broker/central-broker.json", MODULE),
    ]);
    let mut facts = Facts::default();
    read(&files, &mut facts);
    let seen: Vec<_> = facts.brokers.iter().map(|b| b.is_module).collect();
    assert_eq!(seen, [false, true]);
}

#[test]
fn a_file_that_the_engine_names_and_that_is_not_there_is_noted() {
    let (_root, files) = tree(&[]);
    let mut facts = loading("/etc/elsewhere/x.json");
    read(&files, &mut facts);
    assert_eq!(facts.notes[0].at.to_string(), "/etc/centreon-engine/centengine.cfg:6");
    assert_eq!(facts.notes[0].reason, "there is no /etc/elsewhere/x.json, which is named here");
}

#[test]
fn what_a_central_exported_is_told_from_its_own() {
    let run = r#"{"centreonBroker": {"cbd": [{"name": "remote-broker", "run": true,
        "configuration_file": "/etc/centreon-broker/remote-broker.json"}]}}"#;
    let own = MODULE.replace("\"poller_id\": 2", "\"poller_id\": 1");
    let copies = "/var/cache/centreon/config/broker";
    let (_root, files) = tree(&[
        ("/etc/centreon-broker/central-module.json", &own),
        (&format!("{copies}/1/central-module.json"), &own),
        (&format!("{copies}/2/poller1-module.json"), MODULE),
        (&format!("{copies}/10/remote-broker.json"), MODULE),
        (&format!("{copies}/10/watchdog.json"), run),
        (&format!("{copies}/x/y.json"), "not read"),
    ]);
    let mut facts = Facts::default();
    read(&files, &mut facts);
    let seen: Vec<_> = facts
        .brokers
        .iter()
        .map(|b| (b.poller_id.unwrap().get(), b.is_copy(), b.is_module))
        .collect();
    assert_eq!(seen, [(1, false, true), (10, true, false), (2, true, true)]);
    assert_eq!(facts.notes, []);
}

#[test]
fn half_a_file_is_a_note() {
    for end in 0..MODULE.len() {
        let (broker, facts) = parsed(&MODULE[..end]);
        assert_eq!((broker, facts.notes.len()), (None, 1), "{end}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parsed(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_values_make_it_panic(key in "[a-z_]{0,12}", value in "[\\[\\]{}0-9a-z\",: ]{0,40}") {
        let _ = parsed(&format!("{{\"centreonBroker\": {{\"output\": {{\"type\": \"tcp\", \"{key}\": {value}}}}}}}"));
    }
}
