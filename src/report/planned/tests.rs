//! A page of planned rows, as narrow as it may be.

use super::*;
use crate::site::discover::At;

fn line(target: &str, said_by: &[&str]) -> PlannedLine {
    PlannedLine {
        from: "poller".to_owned(),
        to: ("Internet".to_owned(), target.to_owned()),
        protocol: "HTTPS".to_owned(),
        port: "TCP 443".to_owned(),
        application: "System updates".to_owned(),
        notes: Vec::new(),
        said_by: said_by.iter().map(|clause| (*clause).to_owned()).collect(),
    }
}

fn page(lines: &[PlannedLine]) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    table(lines, 60, &mut out).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

fn file(file: &str, line: u32) -> Origin {
    Origin::File(At { line: Some(line), ..At::file(file) })
}

#[test]
fn a_path_is_broken_only_when_it_fits_no_line() {
    let long = format!("from /{}/{}:7", "a".repeat(20), "b".repeat(24));
    let longer = format!("from /{}/{}:7", "c".repeat(20), "d".repeat(60));
    let page = page(&[
        line("10.0.0.5", &["from /etc/hosts:1"]),
        line("10.0.0.6", &["target from /etc/somewhere/a:1", "port from /etc/somewhere/else:2"]),
        line("10.0.0.7", &[&long]),
        line("10.0.0.8", &[&longer]),
    ]);
    insta::assert_snapshot!(page, @r"
    FROM    TO               PROTOCOL  PORT     APPLICATION
    poller  Internet         HTTPS     TCP 443  System updates
            10.0.0.5
        from /etc/hosts:1
    poller  Internet         HTTPS     TCP 443  System updates
            10.0.0.6
        target from /etc/somewhere/a:1
        port from /etc/somewhere/else:2
    poller  Internet         HTTPS     TCP 443  System updates
            10.0.0.7
        from /aaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbb:7
    poller  Internet         HTTPS     TCP 443  System updates
            10.0.0.8
    from /cccccccccccccccccccc/
    dddddddddddddddddddddddddddddddddddddddddddddddddddddddddd
    dd:7
    ");
}

#[test]
fn a_long_url_has_its_line_and_moves_no_plan() {
    let url = "https://packages.example/apt-standard-24.10-stable/dists/bookworm/InRelease";
    insta::assert_snapshot!(page(&[line("10.0.0.5", &[]), line(url, &["from --http"])]), @r"
    FROM    TO               PROTOCOL  PORT     APPLICATION
    poller  Internet         HTTPS     TCP 443  System updates
            10.0.0.5
    poller  Internet         HTTPS     TCP 443  System updates
        https://packages.example/apt-standard-24.10-stable/
        dists/bookworm/InRelease
        from --http
    ");
}

#[test]
fn a_file_is_named_once_with_all_its_lines() {
    let origins =
        [file("/etc/a.cfg", 1), file("/etc/b.cfg", 2), file("/etc/a.cfg", 9), Origin::flag("--x")];
    let origins: Vec<&Origin> = origins.iter().collect();
    assert_eq!(places(&origins), "/etc/a.cfg:1, 9 and /etc/b.cfg:2 and --x");
}
