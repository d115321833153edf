//! `preflight flows`: a flow table as a document.

use crate::support::{command, finish};

fn flows(arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments: Vec<&str> = ["flows"].iter().chain(arguments).copied().collect();
    let ended = finish(command(&arguments));
    (ended.code, ended.stdout, ended.stderr)
}

#[test]
fn a_profile_is_printed_as_a_document() {
    let (code, table, errors) = flows(&[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(table.starts_with("Network flows of i-Vertix IT Monitoring\n"), "{table}");
    let (code, csv, _) = flows(&["--role", "Poller", "--format", "csv"]);
    assert_eq!(code, Some(0));
    assert!(csv.contains("poller.bbdo,Poller,Central,BBDO,TCP 5669,"), "{csv}");
    assert!(!csv.contains("central.ntp"), "{csv}");
    let (code, markdown, _) =
        flows(&["--profile", "centreon", "--group", "map", "--format", "markdown"]);
    assert_eq!(code, Some(0));
    assert!(markdown.contains("\n| From | To | Protocol | Port | Application | Needed |\n"));
    assert!(markdown.contains("with map"), "{markdown}");
}

#[test]
fn a_site_file_gives_the_document_names_and_addresses() {
    let site = "[platform]\nprofile = \"centreon\"\nversion = \"24.10\"\n\
        [services]\nntp = \"10.0.0.3\"\nsmtp = \"relay.example:587\"\n\
        [machine.central]\nrole = \"central\"\naddress = \"10.0.0.5\"\n\
        [machine.poller1]\nrole = \"poller\"\naddress = \"10.2.0.7\"\ndevices = [\"10.9.0.1\"]\n\
        [machine.map1]\nrole = \"map\"\naddress = \"10.0.0.9\"\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    std::fs::write(&file, site).unwrap();
    let file = file.to_str().unwrap();
    let (code, csv, errors) = flows(&["--site", file, "--format", "csv"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for row in [
        "poller.bbdo,poller1 (10.2.0.7),central 10.0.0.5,BBDO,TCP 5669,",
        "central.zmq,central (10.0.0.5),poller 10.2.0.7,ZMQ,TCP 5556,",
        "poller.smtp,poller1 (10.2.0.7),SMTP server relay.example,SMTP,TCP 587,",
        "poller.snmp,poller1 (10.2.0.7),device 10.9.0.1,SNMP,UDP 161,Monitoring,yes",
        "poller.trap,device,poller1 (10.2.0.7),SNMP trap,UDP 162,Monitoring,",
        "central.dns,central (10.0.0.5),DNS server (none named: --dns HOST),DNS,UDP 53,",
        "map.broker,map1 (10.0.0.9),central 10.0.0.5,",
    ] {
        assert!(csv.contains(row), "{row}\n{csv}");
    }
    assert_eq!(csv.matches("central.zmq,").count(), 1, "each row once: {csv}");
    let (_, one, _) = flows(&["--site", file, "--as", "map1", "--format", "csv"]);
    assert!(one.contains("map.broker,") && !one.contains("poller.bbdo,"), "{one}");
    let (code, _, errors) = flows(&["--site", file, "--as", "nobody"]);
    assert!(code == Some(2) && errors.contains("has no machine `nobody`"), "{errors}");
    let (_, table, _) = flows(&["--site", file]);
    assert!(table.contains("for 24.10"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let planned = ["plan", "--site", file, "--as", "poller1", "--format", "markdown"];
    let plan = finish(command(&planned)).stdout;
    assert!(plan.contains("| poller1 (10.2.0.7) | central 10.0.0.5 | BBDO | TCP 5669 |"), "{plan}");
}

#[test]
fn what_a_table_has_not_is_wrong_usage() {
    for (arguments, want) in [
        (["--role", "mars"], "unknown role `mars`; profile i-vertix knows central, poller"),
        (["--group", "map"], "profile i-vertix has no group `map`"),
        (
            ["--profile", "zabbix"],
            "unknown profile `zabbix`; known are i-vertix, centreon, centreon-cloud",
        ),
        (["--format", "pdf"], "pdf"),
    ] {
        let (code, out, errors) = flows(&arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(want), "{errors}");
    }
    // A role that only one profile knows takes that profile.
    let (code, table, _) = flows(&["--role", "mbi", "--group", "mbi"]);
    assert_eq!(code, Some(0));
    assert!(table.starts_with("Network flows of Centreon"), "{table}");
}
