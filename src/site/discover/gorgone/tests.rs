use std::fs;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::site::discover::Text;
use crate::site::discover::testing::tree;

/// As the web interface writes it for a poller.
const POLLER: &str = r#"name:  gorgoned-poller1
description: Configuration for poller poller1
gorgone:
  gorgonecore:
    id: 2
    external_com_type: tcp
    external_com_path: "*:5556"
    authorized_clients:
      - key: pnI6EWkiTbazjikJXRkLmjml5wvVECYtQduJUjS4QK4
    privkey: "/var/lib/centreon-gorgone/.keys/rsakey.priv.pem"
  modules:
    - name: action
      package: gorgone::modules::core::action::hooks
      enable: true

    - name: engine
      package: gorgone::modules::centreon::engine::hooks
      enable: true
      command_file: "/var/lib/centreon-engine/rw/centengine.cmd"
"#;

/// As the installer writes it for a central, with WebSocket pollers.
const CENTRAL: &str = r#"gorgone:
  gorgonecore:
    privkey: "/var/lib/centreon-gorgone/.keys/rsakey.priv.pem"
  modules:
    - name: httpserver
      package: "gorgone::modules::core::httpserver::hooks"
      enable: true
      address: "127.0.0.1"
      port: "8085"
      ssl: false
    - name: nodes
      package: "gorgone::modules::centreon::nodes::hooks"
      enable: true
    - name: proxy
      package: "gorgone::modules::core::proxy::hooks"
      enable: true
      httpserver:
        enable: true
        ssl: true
        token: "s3cret"
        address: "0.0.0.0"
        port: 8086
"#;

fn facts_of(text: &str) -> (Option<Gorgone>, Facts) {
    let text = Text { file: "/etc/g.yaml".into(), text: text.to_owned() };
    let mut facts = Facts::default();
    let tree = facts.yaml(&text, MISSING).unwrap();
    let gorgone = parse(&tree, None, &mut facts).map(|(gorgone, _)| gorgone);
    (gorgone, facts)
}

fn gorgone(text: &str) -> Gorgone {
    facts_of(text).0.unwrap()
}

/// The text of one enabled module.
fn module(name: &str, more: &str) -> String {
    let package = format!("gorgone::modules::core::{name}::hooks");
    format!(
        "gorgone:\n  modules:\n    - {{name: {name}, package: '{package}', enable: true, {more}}}\n"
    )
}

#[test]
fn a_poller_listens_where_its_file_says() {
    let (gorgone, facts) = facts_of(POLLER);
    let gorgone = gorgone.unwrap();
    let listens = gorgone.listens.unwrap();
    assert_eq!(listens.value, Listen { host: None, port: 5556, tls: false });
    assert_eq!(listens.at.to_string(), "/etc/g.yaml:7");
    let modules: Vec<_> = gorgone.modules.iter().map(|m| (m.value.as_str(), m.at.line)).collect();
    assert_eq!(modules, [("action", Some(12)), ("engine", Some(16))]);
    assert_eq!(facts.roles[0].role, Role::Poller);
    assert_eq!(facts.roles[0].because, "module engine");
}

#[test]
fn a_central_listens_for_nobody_but_its_own_interface_and_websockets() {
    let (gorgone, facts) = facts_of(CENTRAL);
    let gorgone = gorgone.unwrap();
    assert_eq!(gorgone.listens, None);
    let api = gorgone.api.unwrap();
    assert_eq!(
        api.listens.value,
        Listen { host: Some("127.0.0.1".into()), port: 8085, tls: false }
    );
    let server = gorgone.pullwss_server.unwrap();
    assert_eq!(server.value, Listen { host: None, port: 8086, tls: true });
    assert_eq!(server.at.line, Some(22));
    assert_eq!(facts.roles[0].role, Role::Central);
    assert!(!format!("{facts:?}").contains("s3cret"));
}

#[test]
fn tls_login_and_token_are_read_and_no_secret_is_shown() {
    let server = "port: 8085, ssl: true, auth: {enabled: true, user: api, password: not-a-secret}";
    let api = gorgone(&module("httpserver", server)).api.unwrap();
    assert!(api.listens.value.tls);
    let (user, password) = api.login.clone().unwrap();
    assert_eq!((user.as_str(), password.expose_secret()), ("api", "not-a-secret"));
    let off = gorgone(&module("httpserver", &server.replace("enabled: true", "enabled: false")));
    assert!(off.api.unwrap().login.is_none());

    let client = "address: 192.0.2.1, port: 8086, token: not-a-secret";
    let wss = gorgone(&module("pullwss", client)).pullwss.unwrap();
    assert_eq!(wss.token.as_ref().unwrap().expose_secret(), "not-a-secret");
    assert!(!format!("{api:?} {wss:?}").contains("not-a"), "{api:?} {wss:?}");
}

#[test]
fn what_does_not_stand_below_configuration_is_not_read_as_by_gorgoned() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/centreon-gorgone");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.yaml"), POLLER).unwrap();
    let mut facts = Facts::default();
    read(&Files::below(root.path()), &mut facts);
    assert!(facts.gorgone.is_none());
    assert_eq!(facts.notes[0].at.line, Some(4));
    assert_eq!(facts.notes[0].reason, "gorgoned reads only what stands below `configuration`");
}

#[test]
fn without_external_com_type_nothing_listens() {
    for with in ["", "    external_com_type: ''\n", "    external_com_type: ~\n"] {
        let text = format!("gorgone:\n  gorgonecore:\n    external_com_path: '*:5556'\n{with}");
        let (gorgone, facts) = facts_of(&text);
        assert_eq!(gorgone.unwrap().listens, None);
        assert_eq!(facts.notes[0].at.line, Some(3));
        assert!(facts.notes[0].reason.contains("external_com_type is not"), "{with}");
    }
    let (gorgone, facts) = facts_of("gorgone: {gorgonecore: {external_com_type: ipc}}");
    assert_eq!(gorgone.unwrap().listens, None);
    let reason = "external_com_type is not tcp: other machines cannot connect";
    assert_eq!(facts.notes[0].reason, reason);
}

#[test]
fn the_external_socket_has_one_address_or_all() {
    for (path, host, port) in [
        ("10.0.0.1:5556", Some("10.0.0.1"), 5556),
        ("[2001:db8::1]:5666", Some("2001:db8::1"), 5666),
        ("0.0.0.0:22", None, 22),
    ] {
        let text = format!(
            "gorgone: {{gorgonecore: {{external_com_type: tcp, external_com_path: '{path}'}}}}"
        );
        let listens = gorgone(&text).listens.unwrap().value;
        assert_eq!((listens.host.as_deref(), listens.port), (host, port), "{path}");
    }
}

#[test]
fn only_false_or_nothing_switches_a_module_off() {
    for (enable, is_on) in [
        ("true", true),
        ("1", true),
        ("\"yes\"", true),
        ("0", true),
        ("no", true),
        ("false", false),
        ("\"false\"", false),
        ("~", false),
    ] {
        let text = format!("gorgone: {{modules: [{{name: a, package: b, enable: {enable}}}]}}");
        assert_eq!(gorgone(&text).modules.len(), usize::from(is_on), "{enable}");
    }
    assert!(gorgone("gorgone: {modules: [{name: a, package: b}]}").modules.is_empty());
}

#[test]
fn of_one_package_the_first_module_is_loaded_and_none_without_a_package() {
    let (gorgone, facts) = facts_of(
        "gorgone:\n  modules:\n\
         \x20   - &pull {name: a, package: x::pull::hooks, enable: true, target_path: 'c:1'}\n\
         \x20   - {name: b, package: x::pull::hooks, enable: true, target_path: 'd:2'}\n\
         \x20   - *pull\n\
         \x20   - {name: engine, enable: true}\n\
         \x20   - {name: off}\n",
    );
    let gorgone = gorgone.unwrap();
    assert_eq!(gorgone.modules.len(), 1);
    assert_eq!(gorgone.pull.unwrap().value.host, "c");
    let notes: Vec<_> = facts.notes.iter().map(|note| (note.at.line, &*note.reason)).collect();
    assert_eq!(notes, [(Some(6), "gorgoned loads no module without a name and a package")]);
}

#[test]
fn modules_that_are_no_list_are_noted() {
    let (gorgone, facts) = facts_of("gorgone:\n  modules: {name: a, package: b, enable: true}\n");
    assert!(gorgone.unwrap().modules.is_empty());
    assert_eq!(facts.notes[0].reason, "modules is not a list: gorgoned ends here");
}

#[test]
fn the_package_names_a_module_whatever_its_name() {
    let gorgone =
        gorgone(&module("httpserver", "port: 8085").replace("name: httpserver", "name: api"));
    assert_eq!(gorgone.modules[0].value, "httpserver");
    assert_eq!(gorgone.api.unwrap().listens.value.port, 8085);
}

#[test]
fn a_poller_that_pulls_names_its_central() {
    for path in ["10.30.2.203:5556", "tcp://10.30.2.203:5556"] {
        let (gorgone, facts) = facts_of(&module("pull", &format!("target_path: '{path}'")));
        let pull = gorgone.unwrap().pull.unwrap();
        assert_eq!((pull.value.host.as_str(), pull.value.port), ("10.30.2.203", Some(5556)));
        assert_eq!(facts.roles[0].role, Role::Poller);
    }
    let (gorgone, facts) = facts_of(&module("pull", "target_path: 'central:port'"));
    assert_eq!(gorgone.unwrap().pull, None);
    assert!(facts.notes[0].reason.contains("is not a port"));
}

#[test]
fn a_poller_that_comes_by_websocket_names_central_tls_path_and_proxy() {
    let plain = gorgone(&module("pullwss", "ssl: 1, port: 8086, address: 10.0.0.5"));
    let plain = plain.pullwss.unwrap();
    assert_eq!((plain.place.port, plain.tls, plain.path.as_str()), (Some(8086), false, "/"));
    assert_eq!(plain.proxy, None);

    let full = gorgone(&module(
        "pullwss",
        "ssl: true, port: 443, address: central.example, token: s3cret, \
         proxy: 'http://u:s3cret@proxy:3128', central_uri: centreon/gorgone/pullwss/websocket",
    ));
    assert!(!format!("{full:?}").contains("s3cret"));
    let full = full.pullwss.unwrap();
    assert_eq!((full.place.host.as_str(), full.tls), ("central.example", true));
    assert_eq!(full.path, "/centreon/gorgone/pullwss/websocket");
    assert_eq!(full.proxy.unwrap().value, "http://proxy:3128");
}

#[test]
fn a_path_is_found_in_a_url_too() {
    assert_eq!(path_of("wss://central:443/a/b"), "/a/b");
    assert_eq!(path_of("wss://central"), "/");
    assert_eq!(path_of("/a"), "/a");
}

#[test]
fn a_remote_server_knows_nodes_and_has_no_interface() {
    let (_, facts) = facts_of(&module("nodes", ""));
    assert_eq!(facts.roles[0].role, Role::Remote);
    let rebound =
        module("pull", "") + module("proxy", "").trim_start_matches("gorgone:\n  modules:\n");
    assert!(facts_of(&rebound).1.roles.is_empty());
}

#[test]
fn the_whole_tree_of_files_is_read() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/centreon-gorgone/config.yaml", "configuration: !include config.d/*.yaml\n");
    write(
        "etc/centreon-gorgone/config.d/30-centreon.yaml",
        "centreon: !include /etc/centreon/config.d/*.yaml\n",
    );
    write(
        "etc/centreon/config.d/10-database.yaml",
        "database:\n  db_configuration:\n    dsn: \"mysql:host=10.0.0.8:port=3306;dbname=centreon\"\n    password: \"s3cret\"\n  db_realtime:\n    dsn: \"mysql:host=10.0.0.8:port=3306;dbname=centreon_storage\"\n",
    );
    write("etc/centreon-gorgone/config.d/40-gorgoned.yaml", CENTRAL);
    write(
        "etc/centreon-gorgone/config.d/50-register.yaml",
        "gorgone:\n  modules:\n    - name: register\n      package: gorgone::modules::core::register::hooks\n      enable: true\n      config_file: /etc/centreon-gorgone/nodes-register-override.yml\n",
    );
    write(
        "etc/centreon-gorgone/nodes-register-override.yml",
        "nodes:\n  - id: 6\n    type: pullwss\n    prevail: 1\n",
    );

    let mut facts = Facts::default();
    read(&Files::below(root.path()), &mut facts);

    let gorgone = facts.gorgone.as_ref().unwrap();
    assert_eq!(gorgone.modules.len(), 4);
    assert_eq!(gorgone.nodes[0].id, Some(6));
    assert_eq!(facts.databases.len(), 1);
    assert_eq!(facts.databases[0].at.to_string(), "/etc/centreon/config.d/10-database.yaml:3");
    assert_eq!(facts.notes, []);
    assert!(!format!("{facts:?}").contains("s3cret"));
}

#[test]
fn a_register_file_that_is_not_there_is_noted_where_it_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/centreon-gorgone");
    fs::create_dir_all(&folder).unwrap();
    let text = module("register", "config_file: nodes.yml")
        .replace("gorgone:", "configuration:\n gorgone:");
    fs::write(folder.join("config.yaml"), text).unwrap();
    let mut facts = Facts::default();
    read(&Files::below(root.path()), &mut facts);
    assert_eq!(facts.notes[0].at.to_string(), "/etc/centreon-gorgone/config.yaml:5");
    let reason = "there is no /etc/centreon-gorgone/nodes.yml, which config_file names";
    assert_eq!(facts.notes[0].reason, reason);
}

#[test]
fn what_may_name_a_peer_and_is_not_understood_is_noted() {
    let (_, facts) = facts_of(
        "gorgone:\n  gorgonecore:\n    gorgone_db_host: 10.0.0.8\n    relay_to: x\n  tpapi:\n    \
         - {name: centreonv2, base_url: 'http://10.0.0.9/centreon/api/latest/'}\n    \
         - {name: centreonv2, base_url: 'http://127.0.0.1/centreon/api/latest/'}\n  modules:\n    \
         - {name: a, package: gorgone::modules::plugins::scom::hooks, enable: true}\n    \
         - {name: b, package: site::own::hooks, enable: true}\n  mesh: {}\n",
    );
    let mut notes: Vec<_> = facts.notes.iter().map(|note| (note.at.line, &*note.reason)).collect();
    notes.sort();
    let unknown =
        |name| format!("`{name}` is nothing of gorgoned that preflight knows; it may move a peer");
    let [relay, own, mesh] = ["gorgonecore.relay_to", "modules.own", "mesh"].map(unknown);
    let want = [
        (Some(3), "Gorgone keeps its history in this database, which is not asked"),
        (Some(4), &relay),
        (Some(6), "Gorgone asks this interface of the platform, which is not asked here"),
        (Some(9), "`modules.scom` asks SCOM servers, which is not read"),
        (Some(10), &own),
        (Some(11), &mesh),
    ];
    assert_eq!(notes, want);
}

#[test]
fn the_file_that_gorgoned_is_started_with_counts() {
    let options = "OPTIONS=\"--config=/etc/own/g.yaml --severity=error\"\n";
    let (_root, files) = tree(&[
        ("/etc/default/gorgoned", options),
        ("/etc/own/g.yaml", "configuration:\n  gorgone: {gorgonecore: {id: 1}}\n"),
        (MAIN, "configuration: {gorgone: {gorgonecore: {id: 2}}}\n"),
    ]);
    let mut facts = Facts::default();
    read(&files, &mut facts);
    assert_eq!(facts.gorgone.unwrap().at.to_string(), "/etc/own/g.yaml");
    assert_eq!(main_file(&tree(&[]).1), MAIN);
}

#[test]
fn files_that_configure_no_gorgone_are_noted() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/centreon-gorgone");
    fs::create_dir_all(folder.join("config.d")).unwrap();
    fs::write(folder.join("config.yaml"), "configuration: !include config.d/*.yaml\n").unwrap();
    let mut facts = Facts::default();
    read(&Files::below(root.path()), &mut facts);
    assert_eq!(facts.notes[0].at.to_string(), "/etc/centreon-gorgone/config.yaml");
    let reason = "neither this file nor those it includes configure gorgone";
    assert_eq!(facts.notes[0].reason, reason);
}

#[test]
fn a_machine_without_gorgone_has_no_notes() {
    let root = tempfile::tempdir().unwrap();
    let mut facts = Facts::default();
    read(&Files::below(root.path()), &mut facts);
    assert!(facts.gorgone.is_none() && facts.notes.is_empty());
}

fn take_in(text: &str) {
    let text = Text { file: "/etc/g.yaml".into(), text: text.to_owned() };
    let mut facts = Facts::default();
    let Some(tree) = facts.yaml(&text, MISSING) else { return };
    let _ = parse(&tree, None, &mut facts);
}

#[test]
fn half_a_file_is_no_reason_to_panic() {
    for text in [POLLER, CENTRAL] {
        for (end, _) in text.char_indices() {
            take_in(&text[..end]);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        take_in(&String::from_utf8_lossy(&bytes));
    }
}
