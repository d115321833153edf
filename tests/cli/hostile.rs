//! Peers that speak to the terminal instead of to us.

use crate::support::far::says;
use crate::support::page::{fits, is_aligned, is_inert};
use crate::support::{preflight, report_in};

/// Colours, a window title, a cleared screen, a reversed reading order, a hidden
/// and a wide character, NUL, and C1 controls both as UTF-8 and as a bare byte.
const NASTY: &[u8] =
    b"\x1b[31m\x1b]0;title\x07\x1b[2J\xe2\x80\xae\xe2\x80\x8b\xe6\xbc\xa2\xe5\xad\x97\0\xc2\x9b31m\x9b\x08\x7f\t";

fn with(head: &[u8], middle: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, middle, tail].concat()
}

/// Whom the output is shown of: each way of being nasty, in each protocol that greets.
fn peers() -> Vec<(&'static str, Vec<u8>)> {
    let megabyte = vec![b'A'; 1 << 20];
    let escapes = NASTY.repeat(40_000);
    let denied = with(b"\xff\x6a\x04#42000", NASTY, b"");
    let length = u8::try_from(denied.len()).unwrap();
    vec![
        ("ssh", with(b"SSH-2.0-", NASTY, b"\r\n")),
        ("ssh", with(NASTY, NASTY, b"\r\n")),
        ("ssh", with(b"SSH-2.0-", &megabyte, b"\r\n")),
        ("ssh", escapes.clone()),
        ("smtp", with(b"220 ", NASTY, b"\r\n")),
        ("smtp", with(b"554 go away ", NASTY, b"\r\n")),
        ("smtp", with(b"220 ", &megabyte, b"\r\n")),
        ("smtp", with(b"220 ", &escapes, b"\r\n")),
        ("mysql", with(&[length, 0, 0, 0], &denied, b"")),
        ("http", with(b"HTTP/1.1 500 ", NASTY, b"\r\nContent-Length: 0\r\n\r\n")),
        ("http", with(b"HTTP/1.1 500 No\r\nServer: ", NASTY, b"\r\nContent-Length: 0\r\n\r\n")),
        ("bbdo", NASTY.to_vec()),
        ("zmq", NASTY.repeat(9)),
        ("ldap", NASTY.to_vec()),
        ("postgresql", with(b"E\0\0\0\x40SFATAL\0M", NASTY, &[b'x'; 99])),
        ("tls", NASTY.to_vec()),
    ]
}

#[test]
fn nothing_a_peer_says_acts_on_the_terminal() {
    let peers = peers();
    let (mut far, mut arguments) = (Vec::new(), vec!["--role", "poller", "--only", "custom.*"]);
    let checks: Vec<String> = peers
        .into_iter()
        .enumerate()
        .map(|(index, (scheme, piece))| {
            far.push(says(piece));
            format!("n{index}={scheme}://{}", far[index].at())
        })
        .collect();
    arguments.extend(checks.iter().flat_map(|check| ["--check", check]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let to_file = format!("json={}", file.display());
    arguments.extend(["--timeout", "0.1", "--format", "table", "--format", &to_file]);
    for more in [&[][..], &["--verbose"]] {
        let ended = preflight(&[&arguments, more].concat()).quietly(1);
        is_inert(&ended.stdout);
        is_aligned(&ended.stdout);
        fits(&ended.stdout, 80);
        let json = std::fs::read_to_string(&file).unwrap();
        is_inert(&json);
        let report = report_in(&file);
        assert_eq!(report["steps"].as_array().unwrap().len(), checks.len());
        // A megabyte of banner is no megabyte of report.
        assert!(json.len() < 100_000 && ended.stdout.len() < 50_000, "{}", json.len());
    }
}

#[test]
fn what_a_peer_says_is_shown_escaped() {
    let smtp = says(with(b"554 ", b"\x1b[31m\xe2\x80\xaeno", b"\r\n"));
    let target = smtp.at();
    let only = ["--role", "poller", "--only", "poller.smtp", "--timeout", "0.1"];
    let ended = preflight(&[&only[..], &["--smtp", &target]].concat()).quietly(1);
    assert!(ended.stdout.contains("\\x1b[31m\\u{202e}no"), "{}", ended.stdout);
}
