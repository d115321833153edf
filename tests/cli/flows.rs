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
    assert!(csv.contains("poller.bbdo,poller,central,BBDO,TCP 5669,"), "{csv}");
    assert!(!csv.contains("central.ntp"), "{csv}");
    let (code, markdown, _) =
        flows(&["--profile", "centreon", "--group", "map", "--format", "markdown"]);
    assert_eq!(code, Some(0));
    assert!(markdown.contains("\n| From | To | Protocol | Port | Application | Needed |\n"));
    assert!(markdown.contains("with map"), "{markdown}");
}

#[test]
fn what_a_table_has_not_is_wrong_usage() {
    for (arguments, want) in [
        (["--role", "database"], "unknown role `database`; profile i-vertix knows central, poller"),
        (["--group", "map"], "profile i-vertix has no group `map`"),
        (["--profile", "zabbix"], "unknown profile `zabbix`; known are i-vertix, centreon"),
        (["--format", "pdf"], "pdf"),
    ] {
        let (code, out, errors) = flows(&arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(want), "{errors}");
    }
    // A role that only one profile knows takes that profile.
    let (code, table, _) = flows(&["--role", "remote"]);
    assert_eq!(code, Some(0));
    assert!(table.starts_with("Network flows of Centreon"), "{table}");
}
