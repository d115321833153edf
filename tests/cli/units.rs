//! The systemd units of `packaging/systemd`: what they start runs without a single right of root's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::far::Closed;
use crate::support::{PROGRAM, finish, wrapped};

/// What every service of ours is held to, whatever it does.
const RESTRICTED: &[&str] = &[
    "DynamicUser=yes",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
    "SystemCallFilter=@system-service",
    "MemoryDenyWriteExecute=yes",
    "CapabilityBoundingSet=",
];

fn unit(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The arguments of what a unit starts.
fn arguments(unit: &str) -> Vec<String> {
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/preflight "));
    line.unwrap().split(' ').map(str::to_owned).collect()
}

/// The program as a user that owns nothing, with these flags of `setpriv`.
fn as_nobody(flags: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", "setpriv"]);
    command.args(["--reuid", "64123", "--regid", "64123", "--clear-groups", "--no-new-privs"]);
    command.args(flags).arg(PROGRAM);
    let mut command = wrapped(command, arguments);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

#[test]
fn every_unit_is_restricted() {
    for name in ["preflight.service", "preflight-respond.service"] {
        let text = unit(name);
        for line in RESTRICTED {
            assert!(text.lines().any(|one| one.starts_with(line)), "{name} has no {line}");
        }
        assert!(!text.lines().any(|line| line.starts_with("User=")), "{name}");
    }
    assert!(unit("preflight.service").lines().any(|line| line == "CapabilityBoundingSet="));
}

/// systemd's own reading of the units: no mistake in them, and an exposure of at most 2.5 of 10.
#[test]
fn systemd_finds_no_mistake_in_a_unit() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["preflight.service", "preflight-respond.service", "preflight.timer"];
    for name in names {
        // What is started has to be there.
        let text = unit(name).replace("/usr/bin/preflight", PROGRAM);
        fs::write(folder.path().join(name), text).unwrap();
    }
    let analyzed = |arguments: &[&str], names: &[&str]| {
        let files = names.iter().map(|name| folder.path().join(name));
        let mut command = Command::new("systemd-analyze");
        let output = command.args(arguments).args(files).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    assert_eq!(analyzed(&["verify", "--man=no"], &names), (true, String::new()));
    for name in &names[..2] {
        let exposed = ["security", "--no-pager", "--offline=true", "--threshold=25"];
        let (is_low, said) = analyzed(&exposed, &[name]);
        assert!(is_low, "{said}");
    }
    // What its comments offer is none either.
    let text = unit("preflight.service").replace("# LoadCredential=", "LoadCredential=");
    assert_eq!(text.matches("\nLoadCredential=").count(), 2, "{text}");
    let flags = "report.json --far-side --far-side-code-file %d/far-side-code\n";
    let text = text.replacen("report.json\n", flags, 1);
    assert!(text.contains(flags), "{text}");
    let text = text.replace("/usr/bin/preflight", PROGRAM);
    fs::write(folder.path().join("preflight.service"), text).unwrap();
    assert_eq!(analyzed(&["verify", "--man=no"], &["preflight.service"]), (true, String::new()));
    // A mistake is found.
    let broken = unit("preflight.service").replace("ProtectSystem=strict", "ProtectSystem=much");
    fs::write(folder.path().join("preflight.service"), broken).unwrap();
    let (_, said) = analyzed(&["verify", "--man=no"], &["preflight.service"]);
    assert!(said.contains("protect system value"), "{said}");
}

#[test]
fn a_scheduled_run_needs_no_right() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let report = folder.path().join("report.json");
    let mut words = arguments(&unit("preflight.service"));
    for word in &mut words {
        *word = word.replace("/var/lib/preflight/report.json", report.to_str().unwrap());
    }
    let closed = Closed::new();
    let at = closed.at();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["--role", "poller", "--only", "poller.ntp", "--ntp", &at, "--timeout", "0.2"]);
    // A flag first, so that no file of this machine is read.
    let ended = finish(as_nobody(&["--bounding-set=-all", "--inh-caps=-all"], &words));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:#?}");
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(report["steps"][0]["cause"]["code"], "port-closed", "{report:#}");
}

/// A credential of systemd is a file that its own user may read and nobody change.
#[test]
fn a_code_comes_as_a_credential_and_stays_out_of_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let code = folder.path().join("far-side-code");
    fs::write(&code, "00-000-000-000\n").unwrap();
    fs::set_permissions(&code, fs::Permissions::from_mode(0o400)).unwrap();
    std::os::unix::fs::chown(&code, Some(64_123), Some(64_123)).unwrap();
    let closed = Closed::new();
    let at = closed.at();
    let words = ["--role", "poller", "--central", &at, "--only", "poller.bbdo", "--timeout", "0.2"];
    let file = code.display().to_string();
    let far = ["--far-side", "--far-side-code-file", &file, "--format", "json"];
    let all = [&words[..], &far[..]].concat();
    let ended = finish(as_nobody(&["--bounding-set=-all", "--inh-caps=-all"], &all));
    let report: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:#?}"));
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["flow"] == "far-side"), "{report:#}");
    assert!(!ended.stdout.contains("00-000-000-000"), "{report:#}");
}

#[test]
fn the_far_side_needs_the_right_to_its_ports_alone() {
    let mut words = arguments(&unit("preflight-respond.service"));
    assert_eq!(words.remove(0), "respond");
    let for_a_while = words.iter().position(|word| word == "2h").unwrap();
    words[for_a_while] = "1s".to_owned();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let file = words.iter().position(|word| word == "%t/preflight-respond/code").unwrap();
    words[file] = folder.path().join("code").display().to_string();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let all = [&["respond"], &words[..], &["--role", "poller", "--bind", "127.0.0.1"]].concat();
    let right = "+net_bind_service";
    let inherited = format!("--inh-caps=-all,{right}");
    let ambient = format!("--ambient-caps=-all,{right}");
    let bounding = format!("--bounding-set=-all,{right}");
    let ended = finish(as_nobody(&[&inherited, &ambient, &bounding], &all));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    let low = said.lines().find(|line| line.contains("UDP 162")).unwrap_or_default();
    assert!(low.contains("listens"), "{ended:#?}");
    let without = finish(as_nobody(&["--bounding-set=-all", "--inh-caps=-all"], &all));
    let said = format!("{}{}", without.stdout, without.stderr);
    let low = said.lines().find(|line| line.contains("UDP 162")).unwrap_or_default();
    assert!(low.contains("impossible"), "{without:#?}");
}
