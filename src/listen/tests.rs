use std::time::Duration;

use jiff::Timestamp;
use preflight_checks::snmp::{Notification, NotificationSender, TrapDatagram, TrapEvent};

use super::row::{Answering, Arrived};

fn inform(answering: Answering) -> Arrived {
    let event = TrapEvent {
        oid: "1.3.6.1.6.3.1.1.5.3".to_owned(),
        name: Some("linkDown"),
        vendor: None,
        up: Some(Duration::from_secs(42)),
        about: None,
        variables: 3,
    };
    let sender = NotificationSender::Community { length: 6, is_expected: Some(false) };
    let what = Notification { version: "2c", is_inform: true, sender, event: Some(event) };
    Arrived {
        at: Timestamp::UNIX_EPOCH,
        from: "10.2.0.7:52011".parse().unwrap(),
        to: "10.0.0.3:162".parse().unwrap(),
        what: TrapDatagram::Notification(what),
        head: Vec::new(),
        length: 90,
        is_whole: true,
        answering,
    }
}

#[test]
fn a_row_fits_eighty_columns_and_its_details_stand_below() {
    let rows = inform(Answering::Answered).rows(Some(80));
    assert_eq!(rows[0], "00:00:00 UTC  10.2.0.7         v2c inform  linkDown");
    assert!(rows.iter().all(|row| row.len() <= 80), "{rows:#?}");
    let below: Vec<&str> = rows[1..].iter().map(|row| row.trim()).collect();
    assert_eq!(
        below.join(" "),
        "1.3.6.1.6.3.1.1.5.3; up 42 s; another community than was given, 6 bytes; acknowledged"
    );
}

#[test]
fn a_line_has_what_is_known_and_nothing_else() {
    let line = inform(Answering::LeftToOther).line();
    assert_eq!(
        line,
        r#"{"at":"1970-01-01T00:00:00Z","from":"10.2.0.7:52011","to":"10.0.0.3:162","kind":"inform","version":"2c","oid":"1.3.6.1.6.3.1.1.5.3","name":"linkDown","up_ms":42000,"variables":3,"community_bytes":6,"community_as_given":false}"#
    );
}

#[test]
fn what_a_stranger_says_is_printable() {
    let stranger = Arrived {
        what: TrapDatagram::Stranger,
        head: b"\x1b[2Jhello".to_vec(),
        ..inform(Answering::Unanswered)
    };
    let rows = stranger.rows(None);
    assert!(!rows[0].contains('\x1b') && rows[0].contains("hello"), "{rows:?}");
}
