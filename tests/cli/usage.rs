//! Bad input: exit 2, one sentence that names what and where, and nobody is asked.

use crate::support::far::{Quiet, file, healthy};
use crate::support::{Ended, preflight};

/// Runs with a target in every flag that takes one; none of them may hear of it.
#[track_caller]
fn refused(arguments: &[&str]) -> Ended {
    let quiet = Quiet::new();
    let (at, url) = (quiet.at(), format!("http://{}/", quiet.at()));
    let mut all = vec!["--ntp", &at, "--dns", &at, "--smtp", &at, "--central", &at, "--http", &url];
    if !arguments.contains(&"--role") {
        all.extend(["--role", "poller"]);
    }
    all.extend(arguments);
    let ended = preflight(&all);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
    assert_eq!(quiet.contacts(), 0, "{ended:#?}");
    ended
}

/// Refused with one line: `preflight: WHERE: … WHAT …`.
#[track_caller]
fn refused_for(arguments: &[&str], place: &str, what: &str) {
    let stderr = refused(arguments).stderr;
    assert!(stderr.starts_with(&format!("preflight: {place}: ")), "{stderr}");
    assert!(stderr.contains(what), "`{what}` is not in {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
}

#[test]
fn the_healthy_line_of_these_tests_does_ask() {
    let quiet = Quiet::new();
    let ended = preflight(&[
        "--role",
        "poller",
        "--only",
        "poller.ntp",
        "--ntp",
        &quiet.at(),
        "--timeout",
        "0.1",
    ]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(quiet.contacts() > 0);
}

#[test]
fn a_line_that_cannot_be_parsed_is_refused_as_everything_else_is() {
    for (arguments, place, what) in [
        (&["--nope"][..], "--nope", "there is no such flag; --help has all"),
        (&["--role"], "--role", "a value is missing: --role <ROLE>"),
        (
            &["--profile", "centreon", "--catalogue", "x"],
            "--profile",
            "cannot be used with --catalogue",
        ),
        (&["--smtp-from", "a@b.example"], "usage", "--smtp-test-mail <ADDRESS> is missing"),
        (&["--color", "red"], "--color", "unknown value `red`; known are auto, always, never"),
        (&["--strict=yes"], "--strict", "takes no value"),
        (&["-q", "-v"], "--quiet", "cannot be used with --verbose"),
        (&["plan"], "plan", "a command comes first: preflight plan"),
        (&["something"], "something", "no flag takes this value"),
    ] {
        refused_for(arguments, place, what);
    }
    for (arguments, said) in [
        (&["paln"][..], "preflight: paln: there is no such command; did you mean plan?\n"),
        (
            &["schema", "x"],
            "preflight: OF: unknown value `x`; known are site, report, diff, merge\n",
        ),
    ] {
        let ended = preflight(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), said));
    }
    let nothing = preflight(&[]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(2), ""));
    let asked = "preflight: --role: what is this machine? Its files do not say; give --role";
    assert!(nothing.stderr.starts_with(asked), "{}", nothing.stderr);
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["-h"], &["-V"], &["plan", "--help"], &["demo", "-h"]] {
        let ended = preflight(arguments).quietly(0);
        assert!(ended.stdout.contains("preflight"), "{}", ended.stdout);
    }
}

#[test]
fn the_short_help_is_one_screen_and_the_long_one_begins_with_the_machine() {
    let page = preflight(&["-h"]).quietly(0).stdout;
    assert!(page.lines().count() < 24, "{page}");
    crate::support::page::fits(&page, 80);
    let page = preflight(&["plan", "-h"]).quietly(0).stdout;
    assert!(page.contains("--central") && !page.contains("--ldap-plain"), "{page}");
    let page = preflight(&["--help"]).quietly(0).stdout;
    let at = |heading: &str| page.find(heading).unwrap_or_else(|| panic!("no {heading} in {page}"));
    let places =
        ["Which machine:", "Targets", "Passwords", "What is asked", "Output:", "Commands:"].map(at);
    assert!(places.is_sorted(), "{places:?}: {page}");
    assert!(!page.get(..places[0]).unwrap().contains("--"), "{page}");
    assert!(at("--role <ROLE>") < at("--central <HOST>"), "{page}");
}

#[test]
fn the_version_says_what_it_was_built_for_when_asked_at_length() {
    let line = preflight(&["--version"]).quietly(0).stdout;
    assert_eq!(line, format!("preflight {}\n", env!("CARGO_PKG_VERSION")));
    let long = preflight(&["--version", "--verbose"]).quietly(0).stdout;
    assert!(long.starts_with(&line), "{long}");
    for word in [
        "\ncommit ",
        "\ntarget ",
        "-linux-gnu\n",
        "\nglibc     2.",
        "i-vertix, version ",
        "centreon, version ",
    ] {
        assert!(long.contains(word), "`{word}` is not in {long}");
    }
    assert_eq!(long.matches("SHA-256 ").count(), 3, "{long}");
}

#[test]
fn a_quiet_run_says_what_is_wrong_and_colours_are_as_they_are_wanted() {
    let quiet = Quiet::new();
    let asked =
        ["--role", "poller", "--only", "poller.ntp", "--ntp", &quiet.at(), "--timeout", "0.1"];
    let ended = preflight(&[&asked[..], &["-q"]].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let [_titles, row, .., last] = lines.as_slice() else { panic!("{}", ended.stdout) };
    assert!(row.starts_with("  ✗ poller.ntp"), "{}", ended.stdout);
    assert!(lines.len() < 9 && !last.is_empty(), "{}", ended.stdout);
    let ntp = healthy("ntp");
    let works = ["--role", "poller", "--only", "poller.ntp", "--ntp", &ntp.at(), "-q"];
    let ended = preflight(&works).quietly(0);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.starts_with("  ready to install: "), "{}", ended.stdout);
    // Nothing of the table beside a format that was asked for.
    let folder = tempfile::tempdir().unwrap();
    let to_file = format!("json={}", folder.path().join("report.json").display());
    let ended = preflight(&[&works[..], &["--format", &to_file]].concat()).quietly(0);
    assert_eq!(ended.stdout, "");
    let json = preflight(&[&asked[..], &["-q", "--format", "json=-"]].concat());
    assert_eq!(json.report()["summary"]["failed"], 1);
    for (colour, is_coloured) in [("always", true), ("never", false), ("auto", false)] {
        let ended = preflight(&[&asked[..], &["--color", colour]].concat());
        assert_eq!(ended.stdout.contains('\u{1b}'), is_coloured, "{colour}: {ended:#?}");
    }
}

#[test]
fn a_time_is_not_taken_for_a_factor() {
    for time in ["5s", "500ms", "2m"] {
        refused_for(
            &["--timeout", time],
            "--timeout",
            "is a time, and each question has its own: give a factor",
        );
    }
}

#[test]
fn roles_and_profiles_are_named_with_those_there_are() {
    refused_for(
        &["--role", "boss"],
        "--role",
        "unknown role `boss`; profile i-vertix knows central, poller, remote, bi, database",
    );
    refused_for(
        &["--role", "map", "--profile", "i-vertix"],
        "--role",
        "unknown role `map`; profile i-vertix knows central, poller, remote, bi, database",
    );
    refused_for(
        &["--profile", "nagios"],
        "--profile",
        "unknown profile `nagios`; known are i-vertix, centreon",
    );
    refused_for(&["--phase", "during"], "--phase", "unknown phase `during`");
    refused_for(&["--group", "nope"], "--group", "profile i-vertix has no group `nope`");
}

#[test]
fn hosts_and_ports_say_what_is_wrong_with_them() {
    for (host, what) in [
        ("ho st", "` ` has no place in a host name"),
        ("a\u{1b}b", "`\\u{1b}` has no place in a host name"),
        ("", "the host is missing"),
        ("10.0.0.256", "`10.0.0.256` is not an IPv4 address"),
        ("[::1", "has no closing bracket"),
        ("host:0", "port 0 is not a port"),
        ("host:65536", "`65536` is not a port"),
        ("https://host:0/", "port 0 is not a port"),
        ("https://host:65536/", "is not a URL: invalid port number"),
    ] {
        refused_for(&["--smtp", host], "--smtp", what);
    }
    refused_for(&["--port", "poller.ntp=0"], "--port", "port 0 is not a port");
    refused_for(&["--port", "poller.ntp=99999"], "--port", "`99999` is not a port");
    refused_for(&["--port", "poller.nope=1"], "--port", "has no flow `poller.nope`");
    refused_for(&["--port", "poller.ntp"], "--port", "is not of the form NAME=VALUE");
}

#[test]
fn targets_of_other_kinds_need_a_flow_and_no_flag_of_their_own() {
    refused_for(&["--target", "ntp=10.0.0.3"], "--target", "use --ntp 10.0.0.3");
    refused_for(&["--target", "toaster=10.0.0.3"], "--target", "has no flow to `toaster`");
    refused_for(&["--target", "toaster"], "--target", "is not of the form NAME=VALUE");
}

/// A run would say nothing of such a target, and a plan neither.
#[test]
fn targets_that_no_flow_asks_say_what_would() {
    let engine = "a poller does (poller.snmp), and a central whose own engine asks devices";
    for (flags, place, what) in [
        (&["--role", "central", "--device", "10.1.1.1"][..], "--device", engine),
        (&["--role", "poller", "--ldap", "10.0.0.6"], "--ldap", "a central does (central.ldap)"),
        (&["--role", "poller", "--ldap-domain", "corp.example"], "--ldap-domain", "a central does"),
        (
            &["--role", "central", "--profile", "centreon", "--target", "mbi=10.0.0.6"],
            "--target mbi",
            "--group mbi switches on central.mbi, central.mbi-database",
        ),
    ] {
        for command in [&["plan"][..], &[]] {
            let ended = preflight(&[command, flags].concat());
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
            let stderr = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(stderr.starts_with(&format!("preflight: {place}: no flow of a")), "{stderr}");
            assert!(stderr.contains(what), "`{what}` is not in {stderr}");
        }
    }
    let mbi = ["plan", "--role", "central", "--profile", "centreon", "--target", "mbi=10.0.0.6"];
    let plan = preflight(&[&mbi[..], &["--group", "mbi"]].concat()).quietly(0);
    assert!(plan.stdout.contains("10.0.0.6"), "{}", plan.stdout);
}

#[test]
fn only_what_this_machine_has_can_be_asked() {
    for (only, why) in [
        ("central.ldap", "central.ldap is a flow of a central, not of a poller"),
        ("poller.proxy", "poller.proxy has no target; give --proxy URL"),
        ("poller.pull", "poller.pull is not in use here"),
        ("custom.*", "no flow is called `custom.*`"),
    ] {
        for command in [&["plan"][..], &[]] {
            let ended = preflight(&[command, &["--role", "poller", "--only", only]].concat());
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
            assert_eq!(ended.stderr, format!("preflight: --only: {why}\n"));
        }
    }
    let off = ["plan", "--role", "poller", "--profile", "centreon", "--only", "poller.vmware"];
    let ended = preflight(&off);
    let why = "preflight: --only: poller.vmware is off without --group vmware\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), why));
    // What it has, and has no target for, is shown with the reason.
    let ended = preflight(&["plan", "--role", "poller", "--only", "poller.ntp"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.contains("no target; give --ntp HOST"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "preflight: --only: nothing of it can be asked\n");
}

#[test]
fn custom_flows_have_a_known_scheme_a_port_and_a_name_of_their_own() {
    refused_for(
        &["--check", "a=gopher://x:70"],
        "--check",
        "unknown scheme `gopher`; known are bbdo, dns",
    );
    refused_for(&["--check", "a=tcp://x"], "--check", "needs a port");
    refused_for(&["--check", "tcp://x:1"], "--check", "NAME=SCHEME://HOST[:PORT]");
    let twice = ["--check", "a=tcp://x:1", "--check", "a=tcp://y:2"];
    refused_for(&twice, "--check", "the name `a` is used twice");
}

#[test]
fn filters_name_flows_there_are() {
    refused_for(&["--only", "poller.nope"], "--only", "no flow is called `poller.nope`");
    refused_for(&["--only", "poller.ntp,nope.*"], "--only", "no flow is called `nope.*`");
    refused_for(&["--skip", "poller.nope=because"], "--skip", "no flow is called `poller.nope`");
    refused_for(&["--optional", "nope.*"], "--optional", "no flow is called `nope.*`");
    refused_for(&["--until-installed", "x"], "--until-installed", "no flow is called `x`");
}

#[test]
fn numbers_have_a_unit_and_a_range() {
    for factor in ["fast", "0", "0.09", "21", "-1", "NaN", "inf"] {
        let flag = format!("--timeout={factor}");
        refused_for(&[&flag], "--timeout", "is not a factor from 0.1 to 20");
    }
    for time in ["5", "ms", "5h", "-1s", "fast", ""] {
        let flag = format!("--max-offset={time}");
        refused_for(&[&flag], "--max-offset", "is not a time; write 500ms or 2s");
    }
}

#[test]
fn formats_are_known_and_one_of_them_may_have_stdout() {
    refused_for(
        &["--format", "xml"],
        "--format",
        "unknown format `xml`; known are table, wide, json, ndjson",
    );
    refused_for(&["--format", "json="], "--format", "`json=` names no file");
    let both = ["--format", "json", "--format", "table"];
    refused_for(&both, "--format", "only one format can go to stdout");
}

#[test]
fn credentials_come_whole_or_not_at_all() {
    for (arguments, place, what) in [
        (&["--snmp-version", "2c"][..], "--snmp-version", "PREFLIGHT_SNMP_COMMUNITY"),
        (&["--snmp-version", "3"], "--snmp-version 3", "needs --snmp-user"),
        (&["--snmp-version", "4"], "--snmp-version", "unknown version `4`"),
        (&["--snmp-user", "u", "--snmp-auth-protocol", "crc"], "--snmp-auth-protocol", "`crc`"),
        (&["--ldap-bind-dn", "cn=x"], "--ldap-bind-dn", "PREFLIGHT_LDAP_PASSWORD"),
        (&["--smtp-test-mail", "nobody"], "--smtp-test-mail", "`nobody` is not a mail address"),
    ] {
        refused_for(arguments, place, what);
    }
    let empty = file("\n");
    let path = empty.path().to_str().unwrap();
    refused_for(&["--snmp-community-file", path], "--snmp-community-file", "the secret is empty");
    let privacy = file("obviously-fake-privacy");
    let path = privacy.path().to_str().unwrap();
    let user = ["--snmp-user", "u", "--snmp-priv-file", path];
    refused_for(&user, "--snmp-priv-file", "privacy needs authentication too");
}

#[test]
fn passwords_in_arguments_are_refused_and_not_repeated() {
    for arguments in [
        &["--proxy", "http://me:hunter2@proxy.example:3128"][..],
        &["--proxy", "http://me:hunter2@proxy.example:99999"],
        &["--proxy", "me:hunter2@proxy.example:3128"],
        &["--http", "https://me:hunter2@web.example/"],
        &["--http", "https://me:hunter2@web.example:99999/"],
        &["--check", "db=postgresql://me:hunter2@db.example"],
        &["--central", "me:hunter2@central.example"],
    ] {
        let stderr = refused(arguments).stderr;
        assert!(stderr.starts_with(&format!("preflight: {}: ", arguments[0])), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
    refused_for(&["--proxy", "https://proxy.example"], "--proxy", "only http:// proxies are known");
}

#[test]
fn files_that_cannot_be_read_are_named_with_their_flag() {
    for flag in [
        "--ca",
        "--catalogue",
        "--snmp-community-file",
        "--ldap-password-file",
        "--nsclient-password-file",
    ] {
        refused_for(&[flag, "/nowhere/at/all"], flag, "/nowhere/at/all: No such file or directory");
    }
    refused_for(&["--ca", "/"], "--ca", "/: Is a directory");
    let empty = file("no certificate here\n");
    let path = empty.path().to_str().unwrap();
    refused_for(&["--ca", path], "--ca", &format!("{path}: no certificate in it"));
}

const CATALOGUE: &str = r#"profile = "mine"
title = "Mine"
roles = ["poller"]

[[flow]]
id = "poller.ntp"
from = "poller"
to = "ntp"
ways = ["ntp:123"]
why = "Time."
"#;

#[test]
fn a_broken_catalogue_is_shown_with_file_line_column_and_caret() {
    let twice = format!("{CATALOGUE}{}", CATALOGUE.split_once("\n\n").unwrap().1);
    for (text, place, what, line) in [
        (
            CATALOGUE.replace("ntp:123", "gopher:70"),
            "9:8",
            "unknown protocol `gopher`",
            "gopher:70",
        ),
        (CATALOGUE.replace("ntp:123", "ntp:0"), "9:8", "`0` is not a port", "ntp:0"),
        (CATALOGUE.replace("why", "reason"), "10:1", "unknown field `reason`", "reason = "),
        (CATALOGUE.replace("ways = [", "ways = "), "9:", "", "ways = \"ntp:123\"]"),
        (CATALOGUE.replace("[\"poller\"]", "[\"boss\"]"), "3:", "unknown variant `boss`", "boss"),
        (
            CATALOGUE.replace("to = \"ntp\"", "to = \"npt\""),
            "8:6",
            "unknown party: `npt`; did you mean `ntp`?",
            "to = \"npt\"",
        ),
        (
            CATALOGUE.replace("why", "since = \"24.10\"\nwhy"),
            "10:9",
            "unknown version of the platform: `24.10`",
            "since = ",
        ),
        (
            CATALOGUE.replace("why", "source = \"handbook\"\nwhy"),
            "10:10",
            "unknown document: `handbook`",
            "source = ",
        ),
        (twice, "12:6", "the id `poller.ntp` is used twice", "id = \"poller.ntp\""),
    ] {
        let broken = file(&text);
        let path = broken.path().to_str().unwrap();
        let stderr = refused(&["--catalogue", path]).stderr;
        assert!(stderr.starts_with(&format!("preflight: {path}:{place}")), "{place}: {stderr}");
        assert!(stderr.contains(what), "{what}: {stderr}");
        let shown = stderr.lines().position(|shown| shown.contains('│') && shown.contains(line));
        let caret = stderr.lines().position(|line| line.contains('▲') || line.contains('┬'));
        assert_eq!(caret, shown.map(|line| line + 1), "{stderr}");
    }
}

#[test]
fn a_whole_catalogue_of_ones_own_is_used() {
    let own = file(CATALOGUE);
    let path = own.path().to_str().unwrap();
    let plan = preflight(&["plan", "--role", "poller", "--catalogue", path]).quietly(0);
    assert!(plan.stdout.contains("profile mine"), "{}", plan.stdout);
}

#[test]
fn explaining_and_breaking_name_what_there_is() {
    for (arguments, place, what) in [
        (&["explain", "no-such-code"][..], "explain", "no cause is called `no-such-code`"),
        (&["explain", "\u{1b}[31m"], "explain", "`\\x1b[31m`"),
        (
            &["explain", "tests/cli/reports/first.json"],
            "explain",
            "name a step of this report behind it: poller.ntp@127.0.0.2",
        ),
        (&["explain", "tests/cli/main.rs"], "explain", "no JSON"),
        (&["demo", "--break", "central.nope=closed"], "--break", "no flow `central.nope`"),
        (
            &["demo", "--break", "central.ntp=boom"],
            "--break",
            "unknown kind `boom`; known are closed",
        ),
        (&["demo", "--break", "central.ntp=expired-certificate"], "--break", "cannot be broken by"),
        (&["demo", "--break", "central.ntp"], "--break", "is not of the form"),
        (&["demo", "--format", "xml"], "--format", "unknown format `xml`"),
    ] {
        let ended = preflight(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
        assert!(ended.stderr.starts_with(&format!("preflight: {place}: ")), "{ended:#?}");
        assert!(ended.stderr.contains(what), "{ended:#?}");
        assert!(!ended.stderr.contains('\u{1b}'), "{ended:#?}");
    }
}

#[test]
fn every_code_of_the_documentation_is_explained() {
    let causes = include_str!("../../docs/causes.md");
    let codes: Vec<&str> = causes.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(codes.len() > 50, "{codes:?}");
    for code in codes {
        let ended = preflight(&["explain", code]).quietly(0);
        assert!(ended.stdout.contains(code), "{code}: {}", ended.stdout);
        assert!(ended.stdout.lines().count() > 2, "{code}: {}", ended.stdout);
    }
}

#[test]
fn explain_lists_all_codes_when_none_is_named() {
    let listed = preflight(&["explain", "--list"]).quietly(0).stdout;
    assert_eq!(preflight(&["explain"]).quietly(0).stdout, listed);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.contains(&"Path") && lines.contains(&"Configuration"), "{listed}");
    let rejected = "  path-rejected                   A device between here and the target";
    assert!(listed.contains(rejected), "{listed}");
    crate::support::page::fits(&listed, 80);
    crate::support::page::is_inert(&listed);
}

#[test]
fn a_flag_of_another_command_says_whose_it_is() {
    let Ended { code, stderr, .. } = preflight(&["discover", "--role", "poller"]);
    let owners = "preflight, preflight plan, preflight flows, preflight init and preflight respond";
    assert_eq!(code, Some(2), "{stderr}");
    let want =
        format!("preflight: --role: preflight discover has no such flag; {owners} have it\n");
    assert_eq!(stderr, want);
}

#[test]
fn a_flag_that_is_not_there_proposes_what_is_meant_or_nothing() {
    for (typed, proposed) in [
        ("--mail", Some("--smtp")),
        ("--relay", Some("--smtp")),
        ("--snmp", Some("--device")),
        ("--centrl", Some("--central")),
        ("--xyzzy", None),
        ("--quux-file", None),
    ] {
        let Ended { code, stderr, .. } = preflight(&[typed, "x"]);
        assert_eq!(code, Some(2), "{stderr}");
        let meant = proposed
            .map_or_else(|| "--help has all".to_owned(), |flag| format!("did you mean {flag}?"));
        assert_eq!(stderr, format!("preflight: {typed}: there is no such flag; {meant}\n"));
    }
}

#[test]
fn a_role_is_known_in_any_case() {
    let lower = preflight(&["plan", "--role", "poller"]);
    for role in ["Poller", "POLLER"] {
        assert_eq!(preflight(&["plan", "--role", role]).stdout, lower.stdout, "{role}");
    }
}

#[test]
fn a_url_is_refused_where_none_makes_sense() {
    for (flag, value) in [
        ("--device", "https://10.0.0.1/"),
        ("--ntp", "http://10.0.0.1/"),
        ("--dns", "https://10.0.0.1/dns-query"),
    ] {
        let Ended { code, stderr, .. } = preflight(&["plan", "--role", "poller", flag, value]);
        assert_eq!(code, Some(2), "{flag} {value}");
        assert!(stderr.contains("give HOST or HOST:PORT"), "{stderr}");
    }
    for (flag, value) in [
        ("--smtp", "smtps://10.0.0.1"),
        ("--http", "https://10.0.0.1/"),
        ("--ntp", "ntp://10.0.0.1"),
    ] {
        let Ended { code, stderr, .. } = preflight(&["plan", "--role", "poller", flag, value]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{flag} {value}");
    }
}

#[test]
fn devices_may_be_a_list() {
    let plan = |value: &str| preflight(&["plan", "--role", "poller", "--device", value]);
    let Ended { stdout, .. } = plan("10.0.0.1,10.0.0.2:1161");
    assert!(stdout.contains("10.0.0.1") && stdout.contains("10.0.0.2"), "{stdout}");
    let Ended { stdout, .. } = plan("10.0.0.0/30");
    assert!(stdout.contains("10.0.0.1") && stdout.contains("10.0.0.2"), "{stdout}");
    let Ended { code, stderr, .. } = plan("@hosts.txt");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--device: hosts.txt: No such file"), "{stderr}");
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("hosts.txt");
    std::fs::write(&list, "# cellar\n10.0.0.9\n").unwrap();
    let Ended { stdout, .. } = plan(&format!("@{}", list.display()));
    assert!(stdout.contains("10.0.0.9"), "{stdout}");
}

#[test]
fn every_way_to_encrypt_snmp_is_in_the_help_and_works() {
    let help = preflight(&["--help"]).stdout;
    for name in ["des", "aes", "aes-192", "aes-192-c", "aes-256", "aes-256-c"] {
        assert!(help.contains(name), "{name}");
        let Ended { code, stderr, .. } =
            preflight(&["plan", "--role", "poller", "--snmp-priv-protocol", name]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{name}");
    }
}
