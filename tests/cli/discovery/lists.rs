//! What only the central's database knows: from saved lists, and from its command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const POLLERS: &str = "\
id;name;localhost;ns_ip_address;gorgone_port;remote_id;remote_server_use_as_proxy;gorgone_communication_type
1;Central;1;127.0.0.1;5556;NULL;1;1
2;paris;0;10.2.0.7;5556;NULL;1;1
3;rome;0;10.3.0.7;22;NULL;1;2
4;bonn;0;10.4.0.7;443;NULL;1;4
5;oslo;0;10.5.0.7;5556;2;1;1
";
const SERVERS: &str =
    "id;address;port;ssl;tls;order\n1;dc1.corp.example;636;1;0;1\n2;10.0.0.12;389;0;1;2\n";

/// A folder with files, and one with commands.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// A stand-in for Centreon's command line: prints what a real one does, and notes how it
    /// was called.
    fn command_line(&self, script: &str) {
        let file = self.file(
            "centreon",
            &format!("#!/bin/sh\necho \"$*\" >>{0}/called\n{script}", self.path().display()),
        );
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn plan(&self, more: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
        let path = format!("{}:/usr/bin:/bin", self.path().display());
        command.env_clear().env("PATH", path).args(["plan", "--role", "central"]).args(more);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }
}

/// The lines of each step as JSON has them: id, and how it is asked or why not.
fn steps(plan: &str) -> Vec<String> {
    let plan: serde_json::Value = serde_json::from_str(plan).unwrap();
    let steps = plan.pointer("/steps").unwrap().as_array().unwrap().iter();
    let line = |step: &serde_json::Value| {
        let text = |at: &str| step.pointer(at).map(ToString::to_string).unwrap_or_default();
        let what = match step.pointer("/skip/mode") {
            Some(mode) => format!("not in use: {mode}"),
            None => format!("{} {}", text("/ask/ways/0/protocol"), text("/ask/ways/0/port")),
        };
        format!("{} {what}", text("/id")).replace('"', "")
    };
    steps.map(line).collect()
}

#[test]
fn a_saved_export_tells_how_each_poller_is_reached() {
    let desk = Desk::new();
    let pollers = desk.file("pollers.txt", POLLERS);
    let only = "central.zmq,central.ssh";
    let arguments = ["--no-discovery", "--profile", "centreon", "--only", only, "--format", "json"];
    let (code, plan) = desk.plan(&[&arguments[..], &["--pollers-from", &pollers]].concat());
    assert_eq!(code, Some(0), "{plan}");
    assert_eq!(
        steps(&plan),
        [
            "central.zmq@10.3.0.7 not in use: ssh",
            "central.zmq@10.4.0.7 not in use: pullwss",
            "central.zmq@10.5.0.7 not in use: through-remote",
            "central.ssh@10.3.0.7 ssh 22",
            "central.ssh@10.4.0.7 not in use: pullwss",
            "central.ssh@10.5.0.7 not in use: through-remote",
        ]
    );
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let origin = plan.pointer("/steps/0/skip/origin").unwrap();
    assert_eq!((&origin["file"], &origin["line"]), (&pollers.into(), &4.into()));
}

/// Behind one address of a router two pollers have a port each.
#[test]
fn two_pollers_at_one_address_are_both_asked() {
    let desk = Desk::new();
    let (head, _) = POLLERS.split_once('\n').unwrap();
    let two = "6;lyon;0;10.6.0.7;5556;NULL;1;1\n7;nice;0;10.6.0.7;5557;NULL;1;1\n";
    let pollers = desk.file("pollers.txt", &format!("{head}\n{two}"));
    let only = "central.zmq,central.ssh";
    let arguments = ["--no-discovery", "--only", only, "--format", "json"];
    let (code, plan) = desk.plan(&[&arguments[..], &["--pollers-from", &pollers]].concat());
    assert_eq!(code, Some(0), "{plan}");
    let expected = [
        "central.zmq@10.6.0.7:5556 zmq 5556",
        "central.zmq@10.6.0.7:5557 zmq 5557",
        "central.ssh@10.6.0.7 ssh 22",
    ];
    assert_eq!(steps(&plan), expected);
}

#[test]
fn directories_keep_their_port_and_kind_of_tls() {
    let desk = Desk::new();
    let servers = desk.file("ldap.txt", SERVERS);
    let arguments = ["--no-discovery", "--only", "central.ldap", "--format", "json"];
    let (code, plan) = desk.plan(&[&arguments[..], &["--ldap-from", &servers]].concat());
    assert_eq!(code, Some(0), "{plan}");
    let expected =
        ["central.ldap@dc1.corp.example:636 ldaps 636", "central.ldap@10.0.0.12:389 ldap 389"];
    assert_eq!(steps(&plan), expected);
}

#[test]
fn a_list_that_cannot_be_read_is_refused_and_one_that_is_none_is_noted() {
    let desk = Desk::new();
    let (code, said) = desk.plan(&["--no-discovery", "--pollers-from", "/nonexistent"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("preflight: --pollers-from: /nonexistent: "), "{said}");
    let noise = desk.file("noise.txt", "this is not a list\n");
    let (code, plan) = desk.plan(&["--no-discovery", "--pollers-from", &noise, "--format", "json"]);
    assert_eq!(code, Some(0), "{plan}");
    assert!(plan.contains("\"notes\"") && plan.contains("noise.txt"), "{plan}");
}

#[test]
fn the_command_line_is_asked_without_a_password() {
    let desk = Desk::new();
    desk.command_line(
        r#"case "$*" in
            *INSTANCE*) printf 'id;name;localhost;ip address;activate;status;init script;init script centreontrapd;bin;stats bin;ssh port;gorgone protocol;gorgone port\n2;paris;0;10.2.0.7;1;1;centengine;centreontrapd;x;y;22;ZMQ;5556\n';;
            *SETTINGS*) printf 'parameter;value\nproxy_url;http://proxy.corp.example\n';;
            *showserver*) printf 'id;address;port;ssl;tls;order\n1;dc1.corp.example;636;1;0;1\n';;
            *LDAP*) printf 'id;name;description;status\n1;corp;;1\n';;
        esac
"#,
    );
    let (code, plan) = desk.plan(&["--no-discovery", "--clapi", "--format", "json"]);
    assert_eq!(code, Some(0), "{plan}");
    for found in ["central.ldap@dc1.corp.example:636", "10.2.0.7", "config.proxy-with-scheme"] {
        assert!(plan.contains(found), "{found}: {plan}");
    }
    let called = fs::read_to_string(desk.path().join("called")).unwrap();
    let expected = "-o INSTANCE -a show\n-o SETTINGS -a show\n-o LDAP -a show\n-o LDAP -a showserver -v corp\n";
    assert_eq!(called, expected);
}

#[test]
fn a_command_line_that_does_not_answer_is_noted_with_what_to_do() {
    let desk = Desk::new();
    let (code, plan) = desk.plan(&["--no-discovery", "--clapi", "--format", "json"]);
    assert_eq!(code, Some(0), "{plan}");
    assert!(plan.contains("there is no such command: this is not a central"), "{plan}");
    desk.command_line("echo 'Usage: centreon -u LOGIN -p PASSWORD'\n");
    let (code, plan) = desk.plan(&["--no-discovery", "--clapi", "--format", "json"]);
    assert_eq!(code, Some(0), "{plan}");
    assert!(plan.contains("USER:PASSWORD in ~/.centreonApi, with mode 400"), "{plan}");
}
