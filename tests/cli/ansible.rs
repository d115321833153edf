//! The README's Ansible task, as ansible-core runs it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::support::far::{Closed, Far, healthy};
use crate::support::{Ended, PROGRAM, finish};

/// What the far side's agent is read with.
const COMMUNITY: &str = "preflight-demo";
/// What the play does when the check lets it.
const INSTALLS: &str = "the installation begins";

/// The play of the README on this machine, and the peers it names.
struct Play {
    folder: TempDir,
    ntp: Far,
    dns: Far,
    device: Far,
}

impl Play {
    /// `program` is what stands at the path that the README gives preflight.
    fn new(program: &str) -> Self {
        let play = Self {
            folder: tempfile::tempdir().unwrap(),
            ntp: healthy("ntp"),
            dns: healthy("dns"),
            device: healthy("snmp"),
        };
        let file = play.path("program");
        fs::write(&file, program).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
        let (_, from) =
            readme.split_once("one task does the same for one secret:\n\n```yaml\n").unwrap();
        let (tasks, _) = from.split_once("```\n").unwrap();
        assert!(tasks.contains("- /usr/local/bin/preflight\n"), "{tasks}");
        let tasks = tasks.replace("/usr/local/bin/preflight", file.to_str().unwrap());
        let goes_on = format!("  tasks:\n    - ansible.builtin.debug:\n        msg: {INSTALLS}\n");
        fs::write(play.path("play.yml"), tasks + &goes_on).unwrap();
        fs::write(play.path("hosts"), "[pollers]\nlocalhost ansible_connection=local\n").unwrap();
        play
    }

    /// The program, which before it starts shows what every user sees of it and of whatever started it.
    fn watched() -> Self {
        let play = Self::new("");
        let program = format!(
            "#!/bin/sh
process=$$
while [ \"$process\" -gt 1 ]; do
    cat /proc/$process/cmdline /proc/$process/environ
    process=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$process/status)
done >{seen}
exec {PROGRAM} \"$@\" --no-discovery --phase=after --only=poller.ntp,poller.dns,poller.bbdo,poller.snmp
",
            seen = play.path("seen").display()
        );
        fs::write(play.path("program"), program).unwrap();
        play
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, central: &str, flags: &[&str]) -> Ended {
        let variables = json!({
            "central": central,
            "ntp": self.ntp.at(),
            "dns": self.dns.at(),
            "device": self.device.at(),
            "snmp_community": COMMUNITY,
        });
        fs::write(self.path("variables.json"), variables.to_string()).unwrap();
        let mut ansible = Command::new("ansible-playbook");
        ansible.args(["--inventory", "hosts", "--extra-vars", "@variables.json", "play.yml"]);
        ansible.args(flags).current_dir(&self.folder).env_clear();
        ansible.env("PATH", "/usr/bin:/bin").env("HOME", self.folder.path());
        ansible.env("LC_ALL", "C.UTF-8").env("ANSIBLE_NOCOLOR", "1");
        ansible.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(ansible)
    }
}

/// What the task says when it fails.
#[track_caller]
fn message(ended: &Ended) -> String {
    let (_, from) = ended.stdout.split_once("FAILED! => {\"changed\": false, \"msg\": ").unwrap();
    let mut texts = serde_json::Deserializer::from_str(from).into_iter();
    texts.next().unwrap().unwrap()
}

#[test]
fn a_play_goes_on_when_the_flows_work_and_shows_nobody_the_community() {
    let (play, central) = (Play::watched(), healthy("bbdo"));
    let ended = play.run(&central.at(), &["-vvv"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains(INSTALLS), "{ended:#?}");
    let seen = String::from_utf8_lossy(&fs::read(play.path("seen")).unwrap()).into_owned();
    assert!(seen.contains("--snmp-community-file=/dev/stdin"), "{seen:?}");
    assert!(seen.contains("ansible-playbook"), "{seen:?}");
    assert!(!seen.contains(COMMUNITY), "{seen:?}");
    assert!(!ended.stdout.contains(COMMUNITY) && !ended.stderr.contains(COMMUNITY), "{ended:#?}");
}

/// Under `--check` too, where a task is skipped by default.
#[test]
fn a_play_ends_with_the_reason_when_a_flow_fails() {
    let (play, central) = (Play::watched(), Closed::new());
    for flags in [&[][..], &["--check"]] {
        let ended = play.run(&central.at(), flags);
        assert_ne!(ended.code, Some(0), "{ended:#?}");
        assert!(!ended.stdout.contains(INSTALLS), "{ended:#?}");
        // The agent was read with the community: only the broker fails.
        assert!(message(&ended).contains("1 of 4 required flows fail"), "{ended:#?}");
        assert!(message(&ended).contains("poller.bbdo"), "{ended:#?}");
    }
}

#[test]
fn what_a_play_says_is_short_whatever_is_wrong() {
    let long = json!({ "summary": { "text": "x ".repeat(2000) } });
    let complaint = "preflight: --ntp: ".to_owned() + &"y".repeat(2000);
    for program in [
        format!("#!/bin/sh\ncat >/dev/null\necho '{long}'\nexit 1\n"),
        format!("#!/bin/sh\ncat >/dev/null\necho '{complaint}' >&2\nexit 2\n"),
    ] {
        let ended = Play::new(&program).run("central", &[]);
        let length = message(&ended).len();
        assert!((400..=500).contains(&length), "{length}: {ended:#?}");
    }
    let missing = Play::new("");
    fs::remove_file(missing.path("program")).unwrap();
    let ended = missing.run("central", &[]);
    assert!(message(&ended).contains("No such file or directory"), "{ended:#?}");
}
