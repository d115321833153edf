//! `--site FILE`: each machine takes its own part of one file, or none is asked anything.

use std::fs;

use serde_json::{Value, json};

use crate::support::far::{Closed, Quiet, healthy};
use crate::support::page::{fits, is_inert};
use crate::support::{Ended, command, finish, preflight, step};

/// The example of the documentation.
const PAGE: &str = include_str!("../../docs/site-file.md");

fn example() -> &'static str {
    PAGE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
}

/// A folder with a `site.toml`.
fn site(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Runs with a whole site file whose peers must hear nothing, and a mistake in it.
#[track_caller]
fn refused(mistake: &str) -> (String, String) {
    let quiet = Quiet::new();
    let services = format!("[services]\nntp = \"{0}\"\nsmtp = \"{0}\"\n", quiet.at());
    let (_folder, path) = site(&format!("{services}{mistake}"));
    let Ended { code, stdout, stderr } = preflight(&["--site", &path, "--as", "poller1"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert_eq!(quiet.contacts(), 0, "{stderr}");
    let line = stderr.lines().next().unwrap();
    let line = line.strip_prefix(&format!("preflight: {path}:")).unwrap_or(line);
    (line.to_owned(), stderr.clone())
}

/// A machine called poller1, with `lines` from line 7 on.
fn poller(lines: &str) -> String {
    format!("\n[machine.poller1]\nrole = \"poller\"\n{lines}\n")
}

#[test]
fn a_mistake_is_shown_with_its_line_and_a_caret_and_nobody_is_asked() {
    for (mistake, expected) in [
        (
            poller("cental = \"x\""),
            "7:1: unknown key of [machine.poller1]: `cental`; did you mean `central`?",
        ),
        (poller("mode = 1"), "7:8: `mode` takes a string, not a number"),
        (poller("mode = \"zmq\"\nmode = \"ssh\""), "8:1: duplicate key"),
        (poller("central = \"nobody\""), "7:11: unknown machine: `nobody`; known are poller1"),
        (
            poller("devices = [{ host = \"x\", snmp = \"lan\" }]"),
            "7:33: unknown SNMP credentials: `lan`; there is none",
        ),
        (poller("address = \"10.0.0.256\""), "7:11: `10.0.0.256` is not an IPv4 address"),
        (poller("ports = { bbdo = 0 }"), "7:18: port 0 is not a port (1 to 65535)"),
        (
            poller("skip = { \"poller.smpt\" = \"why\" }"),
            "7:10: unknown flow: `poller.smpt`; did you mean `poller.smtp`?",
        ),
        (
            "\n[platform]\nprofile = \"i-vertix\"\n[machine.poller1]\nrole = \"map\"".to_owned(),
            "8:8: profile i-vertix knows no role `map`; known are central, poller, remote, bi, \
             database",
        ),
        (
            "\n[platform]\nprofile = \"centron\"\n[machine.poller1]\nrole = \"poller\"".to_owned(),
            "6:11: unknown profile: `centron`; did you mean `centreon`?",
        ),
        (
            "\n[machine.poller1]\nrole = \"poller\"\n[[check]]\nname = \"a\"\nurl = \"tcp://x\""
                .to_owned(),
            "9:7: tcp://x needs a port",
        ),
    ] {
        let (line, whole) = refused(&mistake);
        assert_eq!(line, expected, "{whole}");
        assert!(whole.contains("here"), "{whole}");
        is_inert(&whole);
    }
}

#[test]
fn a_secret_in_the_file_is_refused_without_being_shown() {
    let (line, whole) = refused(&poller("[credentials.snmp.default]\ncommunity = \"hunter2\""));
    assert_eq!(
        line,
        "8:13: a secret does not belong in this file; write `community = { env = \"NAME\" }` or \
         `community = { file = \"PATH\" }`"
    );
    assert!(!whole.contains("hunter2") && whole.contains("*********"), "{whole}");
}

#[test]
fn secrets_that_are_not_where_the_file_says_are_named_with_the_line_that_says_so() {
    let device = "devices = \"10.0.0.1\"\n[credentials.snmp.default]\ncommunity = ";
    for (reference, reason) in [
        ("{ env = \"NOWHERE\" }", "the environment variable NOWHERE is not set"),
        ("{ file = \"/nowhere/at/all\" }", "/nowhere/at/all: there is no such file"),
        ("{ file = \"/\" }", "/: it is not a regular file"),
        (
            "{ config = \"/etc/x.cfg:switch:_SNMPCOMMUNITY\" }",
            "/etc/x.cfg:switch:_SNMPCOMMUNITY: --no-discovery leaves this machine's files unread",
        ),
    ] {
        let (line, whole) = refused(&poller(&format!("{device}{reference}")));
        assert_eq!(line, format!("9:13: {reason}"), "{whole}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_flag() {
    let huge = tempfile::NamedTempFile::new().unwrap();
    huge.as_file().set_len(5 << 20).unwrap();
    let path = huge.path().to_str().unwrap();
    for (path, reason) in [
        ("/nowhere/at/all", "No such file or directory"),
        ("/", "Is a directory"),
        (path, "a site file has at most 4 MiB"),
    ] {
        let Ended { code, stderr, .. } = preflight(&["--site", path]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.starts_with(&format!("preflight: --site: {path}: {reason}")), "{stderr}");
    }
}

const TWO: &str = "
[machine.central]
role = \"central\"
address = \"192.0.2.5\"

[machine.poller1]
role = \"poller\"
address = \"192.0.2.7\"
";

#[test]
fn which_machine_it_is_must_be_said_unless_one_has_this_hosts_name() {
    let (_folder, path) = site(TWO);
    let unknown = preflight(&["plan", "--site", &path]);
    let reason = format!(
        "preflight: --as: which machine of {path} is this? Give --as with one of central, poller1\n"
    );
    assert_eq!((unknown.code, unknown.stderr), (Some(2), reason));
    let wrong = preflight(&["plan", "--site", &path, "--as", "poller2"]);
    let reason =
        format!("preflight: --as: {path} has no machine `poller2`; it has central, poller1\n");
    assert_eq!((wrong.code, wrong.stderr), (Some(2), reason));

    let name = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let (_folder, path) = site(&TWO.replace("poller1", &format!("\"{name}\"")));
    let found = preflight(&["plan", "--site", &path]);
    let note = format!("preflight: note: taken as {name}, poller of {path}\n");
    assert_eq!((found.code, found.stderr), (Some(0), note), "{}", found.stdout);
}

#[test]
fn a_copy_of_a_machine_is_known_by_its_own_host_name() {
    let (_folder, path) = site(TWO);
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("etc")).unwrap();
    fs::write(copy.path().join("etc/hostname"), "poller1.corp.example\n").unwrap();
    let root = copy.path().to_str().unwrap();
    let found = preflight(&["plan", "--site", &path, "--root", root]);
    let note = format!("preflight: note: taken as poller1, poller of {path}\n");
    assert_eq!((found.code, found.stderr), (Some(0), note), "{}", found.stdout);
}

#[test]
fn a_role_that_the_file_contradicts_is_refused() {
    let (_folder, path) = site(TWO);
    let given = ["plan", "--site", &path, "--as", "poller1", "--role"];
    let wrong = preflight(&[given.as_slice(), &["central"]].concat());
    let reason =
        format!("preflight: --role: {path}:7 says that poller1 is a poller, not a central\n");
    assert_eq!((wrong.code, wrong.stderr), (Some(2), reason));
    preflight(&[given.as_slice(), &["poller"]].concat()).quietly(0);
}

#[test]
fn a_machine_that_takes_part_of_a_file_says_which_line_each_target_is_from() {
    let (_folder, path) = site(example());
    let plan = |name: &str, more: &[&str]| {
        let all = [&["plan", "--site", &path, "--as", name, "--format", "json"], more].concat();
        preflight(&all).quietly(0).report()
    };
    let poller = plan("poller1", &[]);
    assert_eq!((&poller["machine"], &poller["phase"]), (&"poller1".into(), &"after".into()));
    let line = example().lines().position(|line| line.starts_with("dns = ")).unwrap() + 1;
    let dns = &step(&poller, "poller.dns")["ask"];
    assert_eq!(dns["origin"], json!({ "kind": "site-file", "file": path, "line": line }));
    // A flag is believed before the file.
    let with_flags = plan("poller1", &["--dns", "192.0.2.53", "--phase", "before"]);
    assert_eq!(step(&with_flags, "poller.dns")["ask"]["origin"]["flag"], "--dns");
    assert_eq!(with_flags["phase"], "before");
    assert_eq!(step(&with_flags, "poller.ntp")["ask"]["host"], "10.0.0.3");
}

#[test]
fn the_plans_of_all_machines_come_one_after_the_other() {
    let (_folder, path) = site(example());
    let table = preflight(&["plan", "--site", &path, "--all"]).quietly(0).stdout;
    let heads: Vec<&str> = table.lines().filter(|line| line.starts_with("plan · ")).collect();
    let names = ["central", "remote1", "poller1", "poller2", "poller3"];
    assert_eq!(heads.len(), names.len(), "{table}");
    for (head, name) in heads.iter().zip(names) {
        assert!(head.starts_with(&format!("plan · Corp · {name} · ")), "{head}");
    }
    fits(&table, 80);
    is_inert(&table);
    let json = preflight(&["plan", "--site", &path, "--all", "--format", "json"]).quietly(0);
    let plans: Value = serde_json::from_str(&json.stdout).unwrap();
    let machines: Vec<&Value> =
        plans.as_array().unwrap().iter().map(|plan| &plan["machine"]).collect();
    assert_eq!(machines, names);
}

#[test]
fn a_plan_of_all_machines_needs_a_file_and_no_machine() {
    for (arguments, what) in [
        (&["plan", "--all"][..], "--site <FILE>"),
        (&["plan", "--all", "--site", "x", "--as", "y"], "cannot be used with"),
        (&["plan", "--as", "y"], "--site <FILE>"),
    ] {
        let Ended { code, stderr, .. } = preflight(arguments);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(what), "{stderr}");
    }
    let (_folder, path) = site("[platform]\n");
    let Ended { code, stderr, .. } = preflight(&["plan", "--all", "--site", &path]);
    assert_eq!((code, stderr), (Some(2), format!("preflight: --all: {path} has no machine\n")));
}

#[test]
fn a_run_asks_what_the_file_says_with_the_secret_it_refers_to() {
    let (ntp, agent) = (healthy("ntp"), healthy("snmp"));
    let text = format!(
        "[services]\nntp = \"{}\"\n[machine.poller1]\nrole = \"poller\"\nnat = \"198.51.100.7\"\n\
         devices = \"{}\"\n\
         skip = {{ \"poller.dns\" = \"asked elsewhere\" }}\n\
         [credentials.snmp.default]\ncommunity = {{ file = \"community\" }}\n",
        ntp.at(),
        agent.at()
    );
    let (folder, path) = site(&text);
    fs::write(folder.path().join("community"), format!("{COMMUNITY}\n")).unwrap();
    let json = ["--site", &path, "--as", "poller1", "--format", "json"];
    let only = ["--only", "poller.ntp,poller.snmp,poller.dns"];
    let Ended { stdout, stderr, .. } = finish(command(&[json.as_slice(), &only].concat()));
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"));
    crate::support::schema::check(&report);
    assert_eq!(step(&report, "poller.ntp")["target"]["seen_as"], "198.51.100.7");
    assert_eq!(step(&report, "poller.ntp")["outcome"], "pass", "{stdout}");
    assert_eq!(step(&report, "poller.dns")["result"], "skipped: asked elsewhere");
    // Only to its own community this agent tells its name.
    assert_eq!(step(&report, "poller.snmp")["outcome"], "pass", "{stdout}");
    assert!(!stdout.contains(COMMUNITY) && !stderr.contains(COMMUNITY));
}

/// What the embedded agent answers to.
const COMMUNITY: &str = "preflight-demo";

#[test]
fn a_site_file_is_made_from_a_copy_and_replaces_no_other_unasked() {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("etc")).unwrap();
    fs::write(copy.path().join("etc/hostname"), "Poller7.corp.example\n").unwrap();
    let root = copy.path().to_str().unwrap();
    let made = preflight(&["init", "--role", "poller", "--root", root]).quietly(0).stdout;
    assert!(made.contains("[machine.poller7]\nrole = \"poller\"\n"), "{made}");

    let (_folder, path) = site("mine\n");
    let init = ["init", "--role", "poller", "--root", root, "--output", &path];
    let Ended { code, stderr, .. } = preflight(&init);
    let reason = format!("preflight: --output: {path} exists; --force replaces it\n");
    assert_eq!(
        (code, stderr, fs::read_to_string(&path).unwrap()),
        (Some(2), reason, "mine\n".to_owned())
    );
    preflight(&[init.as_slice(), &["--force"]].concat()).quietly(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), made);
    let new = format!("{path}.new");
    let init = ["init", "--role", "poller", "--root", root, "--output", &new];
    assert_eq!(preflight(&init).quietly(0).stdout, "");
    assert_eq!(fs::read_to_string(&new).unwrap(), made);

    let plan = preflight(&["plan", "--site", &path, "--as", "poller7"]).quietly(0).stdout;
    assert!(plan.starts_with("plan · poller7 · poller · profile i-vertix"), "{plan}");
}

#[test]
fn a_machine_that_says_nothing_of_its_role_needs_to_be_told() {
    let copy = tempfile::tempdir().unwrap();
    let root = copy.path().to_str().unwrap();
    for (arguments, reason) in [
        (&["init", "--root", root][..], "what is this machine? Its files do not say; give --role"),
        (&["init", "--root", root, "--role", "boss"], "unknown role `boss`; known are central"),
    ] {
        let Ended { code, stdout, stderr } = preflight(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.starts_with(&format!("preflight: --role: {reason}")), "{stderr}");
    }
}

#[test]
fn the_schema_of_a_site_file_is_printed_for_an_editor() {
    let printed = preflight(&["schema", "site"]).quietly(0).stdout;
    let schema: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["machine"].is_object(), "{schema:#}");
}

/// Two pollers behind one address, told apart by their ports: one dead does not hide the other.
#[test]
fn two_machines_at_one_address_are_asked_each_at_its_port() {
    let (gorgone, closed) = (healthy("zmq"), Closed::new());
    let poller = |name: &str, at: &str| {
        let port = at.rsplit_once(':').unwrap().1;
        format!(
            "[machine.{name}]\nrole = \"poller\"\naddress = \"127.0.0.1\"\n\
             ports = {{ zmq = {port}, ssh = 1 }}\n"
        )
    };
    let central = "[machine.central]\nrole = \"central\"\naddress = \"10.0.0.5\"\n";
    let text = [central, &poller("p1", &gorgone.at()), &poller("p2", &closed.at())].concat();
    let (_folder, path) = site(&text);
    let run = ["--site", &path, "--as", "central", "--phase", "after", "--format", "json"];
    let only = ["--only", "central.zmq,central.ssh"];
    let report = preflight(&[&run[..], &only].concat()).quietly(1).report();
    let steps = report["steps"].as_array().unwrap().iter();
    let seen: Vec<(&str, &str)> = steps
        .map(|step| (step["id"].as_str().unwrap(), step["outcome"].as_str().unwrap()))
        .collect();
    let zmq = |at: String| format!("central.zmq@{at}");
    assert_eq!(
        seen,
        [
            (zmq(gorgone.at()).as_str(), "pass"),
            (zmq(closed.at()).as_str(), "fail"),
            ("central.ssh@127.0.0.1", "fail"),
        ]
    );
}
