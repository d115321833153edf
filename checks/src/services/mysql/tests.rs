use std::sync::Arc;

use super::*;
use crate::authority::{KeyedCertificate, params_for};
use crate::cause::DatabaseCause;
use crate::examine;
use crate::hostile::{damaged, ends};
use crate::net::{Deadline, Peer, Trust};
use proptest::prelude::*;
use rustls::ServerConfig;
use tokio::net::TcpListener;

/// What a MariaDB 10.11 of Debian 12 sends that has a certificate.
const MARIADB: &[u8] = b"\n5.5.5-10.11.19-MariaDB-0+deb12u1\0\x13\0\0\0G&'/UA%6\0\
    \xfe\xff\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0{/u!@]4*v6HH\0mysql_native_password\0";

fn verdict(payload: &[u8], goodbye: Option<&MysqlRefusal>) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    let greeting = MysqlGreeting::decode(payload).unwrap();
    (Probe::default().judge(&greeting, goodbye, None, &mut seen), seen)
}

fn refusal(number: u16, text: &str) -> MysqlRefusal {
    MysqlRefusal { number, text: text.to_owned() }
}

#[test]
fn a_greeting_passes_with_its_version() {
    let (verdict, seen) = verdict(MARIADB, Some(&MysqlRefusal::example()));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "MariaDB 10.11.19, TLS offered, log-in not tested");
    let version = seen.evidence.fact("version");
    assert_eq!(version, Some(&"10.11.19-MariaDB-0+deb12u1".into()));
    assert_eq!(seen.evidence.fact("auth_plugin"), Some(&"mysql_native_password".into()));
    assert_eq!(seen.concerns, []);
}

#[test]
fn a_host_that_may_not_connect_is_told_from_a_busy_server() {
    let text = "Host 'other.test' is not allowed to connect to this MariaDB server";
    let packet = [b"\xffj\x04", text.as_bytes()].concat();
    let refused = Cause::Database(DatabaseCause::DatabaseHostRefused {
        error_code: "1130".into(),
        text: text.to_owned(),
    });
    assert_eq!(verdict(&packet, None).0, Err(refused));

    let blocked = verdict(b"\xffi\x04Host '10.9.9.9' is blocked", None).0;
    let text = "Host '10.9.9.9' is blocked".to_owned();
    let refused =
        Cause::Database(DatabaseCause::DatabaseHostRefused { error_code: "1129".into(), text });
    assert_eq!(blocked, Err(refused));

    let busy = verdict(b"\xff\x10\x04Too many connections", None).0;
    let text = "Too many connections".to_owned();
    assert_eq!(
        busy,
        Err(Cause::Database(DatabaseCause::DatabaseError { error_code: "1040".into(), text }))
    );
}

#[test]
fn the_answer_to_our_goodbye_may_tell_more() {
    let (passes, seen) = verdict(MARIADB, Some(&refusal(TLS_REQUIRED, "insecure transport")));
    assert_eq!(passes, Ok(()));
    assert_eq!(seen.concerns, [Concern::TlsRequired]);

    let text = "Host 'x' is not allowed";
    let refused = verdict(MARIADB, Some(&refusal(HOST_NOT_ALLOWED, text))).0;
    let cause = Cause::Database(DatabaseCause::DatabaseHostRefused {
        error_code: "1130".into(),
        text: text.into(),
    });
    assert_eq!(refused, Err(cause));

    assert_eq!(verdict(MARIADB, None).0, Ok(()));
}

#[test]
fn what_a_server_that_wants_tls_says_inside_it_counts_too() {
    let greeting = MysqlGreeting::decode(MARIADB).unwrap();
    let wants_tls = refusal(TLS_REQUIRED, "insecure transport");
    let judge = |greeting: &MysqlGreeting, secured: &MysqlRefusal| {
        let mut seen = Seen::default();
        Probe::default().judge(greeting, Some(&wants_tls), Some(secured), &mut seen)
    };
    assert_eq!(judge(&greeting, &MysqlRefusal::example()), Ok(()));
    let not_allowed = refusal(HOST_NOT_ALLOWED, "Host 'x' is not allowed");
    assert_eq!(judge(&greeting, &not_allowed).unwrap_err().code(), "database-host-refused");
    let MysqlGreeting::Hello(hello) = greeting else { panic!("a greeting") };
    let without = MysqlGreeting::Hello(Hello { capabilities: hello.capabilities & !SSL, ..hello });
    assert_eq!(judge(&without, &MysqlRefusal::example()).unwrap_err().code(), "database-error");
}

/// A server as MySQL 8 with `require_secure_transport`: refuses outside TLS, and inside.
async fn wants_tls(listener: TcpListener, config: Arc<ServerConfig>) {
    let hello = Hello { capabilities: u32::MAX, ..Hello::example() };
    for is_second in [false, true] {
        let (accepted, _) = listener.accept().await.unwrap();
        let mut far = FarStream::new(Box::new(accepted), Some(config.clone()));
        far.send(&packet_of(0, &hello.encode())).await.unwrap();
        let mut number = 2;
        if is_second {
            let wish = packet_of(1, &hello.beginning(SSL));
            assert_eq!(far.exactly(wish.len()).await.unwrap(), wish);
            far = far.secure().await.unwrap();
            number = 3;
        }
        let log_in = packet_of(number - 1, &hello.log_in());
        assert_eq!(far.exactly(log_in.len()).await.unwrap(), log_in);
        let refusal =
            if is_second { MysqlRefusal::example() } else { refusal(TLS_REQUIRED, "insecure") };
        far.send(&packet_of(number, &refusal.encode())).await.unwrap();
        far.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_wants_tls_is_asked_again_inside_it() {
    let own = KeyedCertificate::by_itself(&params_for(&["localhost"]).unwrap()).unwrap();
    let config = own.server().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let probe = crate::Probe::Mysql(Probe::default());
    let (deadline, trust) = (Deadline::after(Duration::from_secs(9)), Trust::only([]));
    let asking = Box::pin(examine(&probe, peer, deadline, &trust));
    let (finding, ()) = tokio::join!(asking, wants_tls(listener, Arc::new(config)));
    assert_eq!(finding.verdict, Ok(()));
    let concerns: Vec<_> = finding.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(concerns, ["certificate-unverified", "tls-required"]);
}

#[test]
fn probe_reads_what_the_responder_says() {
    let hello = Hello::example();
    assert_eq!(MysqlGreeting::decode(&hello.encode()).unwrap(), MysqlGreeting::Hello(hello));
    let refusal = MysqlRefusal::example();
    assert_eq!(MysqlGreeting::decode(&refusal.encode()).unwrap(), MysqlGreeting::Refused(refusal));
}

#[test]
fn a_log_in_carries_no_password() {
    let MysqlGreeting::Hello(hello) = MysqlGreeting::decode(MARIADB).unwrap() else {
        panic!("a greeting")
    };
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
        let cause = MysqlGreeting::decode(&MARIADB[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
    for length in 0..3 {
        let cause = MysqlGreeting::decode(&MysqlRefusal::example().encode()[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
}

#[test]
fn a_hostile_version_does_not_reach_the_terminal() {
    let hostile = Hello { server: "8.0\u{1b}[2J".into(), ..Hello::example() };
    let (_, seen) = verdict(&hostile.encode(), None);
    assert_eq!(seen.headline, "MySQL 8.0\\x1b[2J, no TLS, log-in not tested");
}

proptest! {
    #[test]
    fn no_greeting_breaks_reader_or_judge(
        words in damaged(&[packet_of(0, MARIADB), packet_of(2, &MysqlRefusal::example().encode())].concat()),
        payload in damaged(MARIADB),
    ) {
        let mut seen = Seen::default();
        let probe = Probe::default();
        if let Ok((greeting, goodbye)) = ends(&words, async |stream| probe.converse(stream).await) {
            let passed = probe.judge(&greeting, goodbye.as_ref(), goodbye.as_ref(), &mut seen);
            prop_assert!(passed.is_err() || !seen.headline.is_empty());
        }
        let _any_greeting = MysqlGreeting::decode(&payload);
        let _any_refusal = MysqlRefusal::decode(&payload);
    }
}
