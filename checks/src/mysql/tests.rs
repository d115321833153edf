use super::*;
use proptest::prelude::*;

/// What a MariaDB 10.11 of Debian 12 sends that has a certificate.
const MARIADB: &[u8] = b"\n5.5.5-10.11.19-MariaDB-0+deb12u1\0\x13\0\0\0G&'/UA%6\0\
    \xfe\xff\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0{/u!@]4*v6HH\0mysql_native_password\0";

fn verdict(payload: &[u8], goodbye: Option<&Refusal>) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    let greeting = Greeting::decode(payload).unwrap();
    (Probe::default().judge(&greeting, goodbye, &mut seen), seen)
}

fn refusal(number: u16, text: &str) -> Refusal {
    Refusal { number, text: text.to_owned() }
}

#[test]
fn a_greeting_passes_with_its_version() {
    let (verdict, seen) = verdict(MARIADB, Some(&Refusal::example()));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "MariaDB 10.11.19, TLS offered");
    let version = seen.evidence.fact("version");
    assert_eq!(version, Some(&"10.11.19-MariaDB-0+deb12u1".into()));
    assert_eq!(seen.evidence.fact("auth_plugin"), Some(&"mysql_native_password".into()));
    assert_eq!(seen.concerns, []);
}

#[test]
fn a_host_that_may_not_connect_is_told_from_a_busy_server() {
    let text = "Host 'other.test' is not allowed to connect to this MariaDB server";
    let packet = [b"\xffj\x04", text.as_bytes()].concat();
    let refused = Cause::DatabaseHostRefused { error_code: "1130".into(), text: text.to_owned() };
    assert_eq!(verdict(&packet, None).0, Err(refused));

    let blocked = verdict(b"\xffi\x04Host '10.9.9.9' is blocked", None).0;
    let text = "Host '10.9.9.9' is blocked".to_owned();
    let refused = Cause::DatabaseHostRefused { error_code: "1129".into(), text };
    assert_eq!(blocked, Err(refused));

    let busy = verdict(b"\xff\x10\x04Too many connections", None).0;
    let text = "Too many connections".to_owned();
    assert_eq!(busy, Err(Cause::DatabaseError { error_code: "1040".into(), text }));
}

#[test]
fn the_answer_to_our_goodbye_may_tell_more() {
    let (passes, seen) = verdict(MARIADB, Some(&refusal(TLS_REQUIRED, "insecure transport")));
    assert_eq!(passes, Ok(()));
    assert_eq!(seen.concerns, [Concern::TlsRequired]);

    let text = "Host 'x' is not allowed";
    let refused = verdict(MARIADB, Some(&refusal(HOST_NOT_ALLOWED, text))).0;
    let cause = Cause::DatabaseHostRefused { error_code: "1130".into(), text: text.into() };
    assert_eq!(refused, Err(cause));

    assert_eq!(verdict(MARIADB, None).0, Ok(()));
}

#[test]
fn probe_reads_what_the_responder_says() {
    let hello = Hello::example();
    assert_eq!(Greeting::decode(&hello.encode()).unwrap(), Greeting::Hello(hello));
    let refusal = Refusal::example();
    assert_eq!(Greeting::decode(&refusal.encode()).unwrap(), Greeting::Refused(refusal));
}

#[test]
fn a_log_in_carries_no_password() {
    let Greeting::Hello(hello) = Greeting::decode(MARIADB).unwrap() else { panic!("a greeting") };
    let log_in = hello.log_in();
    assert_eq!(log_in[..4], [0x00, 0x82, 0x08, 0]);
    assert_eq!(log_in[32..], *b"preflight\0\0mysql_native_password\0");
    let old = Hello { capabilities: PROTOCOL_41 | SECURE_CONNECTION, ..hello };
    assert_eq!(old.log_in()[32..], *b"preflight\0\0");
}

#[test]
fn every_truncation_of_a_greeting_is_a_bad_reply() {
    let fixed = MARIADB.len() - b"mysql_native_password\0".len();
    for length in 0..fixed {
        let cause = Greeting::decode(&MARIADB[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
    for length in 0..3 {
        let cause = Greeting::decode(&Refusal::example().encode()[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
}

#[test]
fn a_hostile_version_does_not_reach_the_terminal() {
    let hostile = Hello { server: "8.0\u{1b}[2J".into(), ..Hello::example() };
    let (_, seen) = verdict(&hostile.encode(), None);
    assert_eq!(seen.headline, "MySQL 8.0\\x1b[2J, no TLS");
}

proptest! {
    #[test]
    fn no_greeting_can_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
        let _any_verdict = Hello::decode(&[&[PROTOCOL_10], &bytes[..]].concat());
        let _any_verdict = Refusal::decode(&[&[ERROR], &bytes[..]].concat());
    }
}
