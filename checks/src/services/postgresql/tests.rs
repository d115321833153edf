use super::*;
use crate::cause::{DatabaseCause, TalkCause};
use crate::hostile::{damaged, ends, said};
use crate::net::{Deadline, Peer, Trust};
use crate::{Finding, examine};
use proptest::prelude::*;
use tokio::net::TcpListener;

/// What PostgreSQL 15 answers to a host without an entry.
const NO_ENTRY: &[u8] = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host \
    \"10.99.0.2\", user \"centreon\", database \"centreon\", no encryption\0Fauth.c\0L544\0\
    RClientAuthentication\0\0";

/// No password wanted, one parameter, ready.
const WELCOME: &[u8] =
    b"R\0\0\0\x08\0\0\0\0S\0\0\0\x21server_version\x0015.0 (Debian)\0Z\0\0\0\x05I";

/// The verdict on a user who is named.
fn verdict(
    session: &PostgresqlSession,
    in_plain: Option<&PostgresqlSession>,
) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    (named().judge(true, session, in_plain, &mut seen), seen)
}

/// The verdict on the user who stands for nobody.
fn of_nobody(session: &PostgresqlSession) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    (Probe::default().judge(false, session, None, &mut seen), seen)
}

fn named() -> Probe {
    Probe { user: Some("centreon".to_owned()), database: None }
}

fn refused(state: &str, text: &str) -> PostgresqlSession {
    PostgresqlSession::Refused(PostgresqlRefusal {
        state: state.to_owned(),
        text: text.to_owned(),
        is_let_in: true,
    })
}

#[test]
fn a_question_for_the_password_is_enough() {
    for (method, name) in [(3, "plain-text password"), (5, "MD5 password"), (10, "SCRAM")] {
        let session = PostgresqlSession::of_method(&[0, 0, 0, method]).unwrap().unwrap();
        let (verdict, seen) = verdict(&session, None);
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, format!("asks for a password ({name}), TLS offered"));
        assert_eq!(seen.evidence.fact("authentication"), Some(&name.into()));
    }
    assert_eq!(PostgresqlSession::of_method(&[0; 4]).unwrap(), None);
    assert_eq!(PostgresqlSession::of_method(&[9; 4]).unwrap_err().code(), "bad-reply");
}

#[test]
fn a_host_without_an_entry_is_told_from_every_other_error() {
    let no_entry = PostgresqlSession::Refused(PostgresqlRefusal::decode(NO_ENTRY).unwrap());
    let text = "no pg_hba.conf entry for host \"10.99.0.2\", user \"centreon\", \
                database \"centreon\", no encryption";
    let error_code = "28000".to_owned();
    let cause =
        Cause::Database(DatabaseCause::DatabaseHostRefused { error_code, text: text.to_owned() });
    assert_eq!(verdict(&no_entry, Some(&no_entry)).0, Err(cause));
    for (state, text) in [
        ("28000", "role \"centreon\" does not exist"),
        ("3D000", "database \"centreon\" does not exist"),
        ("53300", "sorry, too many clients already"),
        ("57P03", "the database system is starting up"),
    ] {
        let cause = Cause::Database(DatabaseCause::DatabaseError {
            error_code: state.into(),
            text: text.into(),
        });
        assert_eq!(verdict(&refused(state, text), None).0, Err(cause));
    }
}

#[test]
fn a_refusal_of_nobody_says_nothing_about_others_and_a_look_up_lets_this_host_in() {
    let no_entry =
        of_nobody(&PostgresqlSession::Refused(PostgresqlRefusal::decode(NO_ENTRY).unwrap()))
            .0
            .unwrap_err();
    assert_eq!(no_entry.code(), "database-user-untold");
    assert!(no_entry.is_inconclusive());
    for (state, text) in [
        ("28000", "role \"preflight\" does not exist"),
        ("3D000", "database \"preflight\" does not exist"),
    ] {
        let (verdict, seen) = of_nobody(&refused(state, text));
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, "lets this host log in, no TLS");
        assert_eq!(seen.evidence.fact("refusal"), Some(&text.into()));
    }
    // Ident and certificates are asked for before anybody is let in.
    for (state, text) in [
        ("28000", "Ident authentication failed for user \"preflight\""),
        ("28000", "connection requires a valid client certificate"),
        ("28P01", "password authentication failed for user \"preflight\""),
    ] {
        let refusal =
            PostgresqlRefusal { state: state.to_owned(), text: text.to_owned(), is_let_in: false };
        let untold = of_nobody(&PostgresqlSession::Refused(refusal)).0.unwrap_err();
        assert_eq!(untold.code(), "database-user-untold");
    }
    let full = of_nobody(&refused("53300", "sorry, too many clients already")).0;
    assert_eq!(full.unwrap_err().code(), "database-error");
}

#[test]
fn an_entry_for_connections_without_tls_lets_this_host_in() {
    let refusal = PostgresqlSession::Refused(PostgresqlRefusal::decode(NO_ENTRY).unwrap());
    let (verdict, seen) = verdict(&refusal, Some(&PostgresqlSession::Wants("SCRAM")));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "asks for a password (SCRAM), without TLS only");
}

#[test]
fn every_truncation_of_an_error_is_a_bad_reply() {
    for length in 0..NO_ENTRY.len() {
        let cause = PostgresqlRefusal::decode(&NO_ENTRY[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
}

#[test]
fn a_startup_message_is_the_one_of_the_specification() {
    let expected = b"\0\0\0\x38\0\x03\0\0user\0me\0database\0me\0application_name\0preflight\0\0";
    assert_eq!(startup("m\0e", None), expected);
    assert_eq!(usize::from(expected[3]), expected.len());
}

proptest! {
    #[test]
    fn no_answer_breaks_reader_or_judge(
        offer in damaged(b"Ecould not fork new process for connection\n\0"),
        session in damaged(WELCOME),
        error in damaged(NO_ENTRY),
    ) {
        let offer = ends(&offer, async |mut stream| read_offer(&mut stream).await);
        let session = ends(&session, async |mut stream| named().open(&mut stream).await);
        if let (Ok(_), Ok(session)) = (offer, session) {
            let _any_verdict = verdict(&session, Some(&session));
            let _any_verdict = of_nobody(&session);
        }
        let _any_error = PostgresqlRefusal::decode(&error);
    }
}

/// A server that answers the first message with `first`, the second with `second`.
async fn against(first: &'static [u8], second: &'static [u8]) -> Finding {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let probe = crate::Probe::Postgresql(named());
    let deadline = Deadline::after(Duration::from_secs(5));
    let trust = Trust::only([]);
    let far = async {
        let accepted = listener.accept().await.unwrap().0;
        let mut far = FarStream::new(Box::new(accepted), None);
        far.exactly(SSL_REQUEST.len()).await.unwrap();
        far.send(first).await.unwrap();
        if !second.is_empty() {
            far.exactly(startup("centreon", None).len()).await.unwrap();
            far.send(second).await.unwrap();
        }
        let _gone = far.until_closed().await;
    };
    tokio::join!(examine(&probe, peer, deadline, &trust), far).0
}

#[tokio::test]
async fn a_trusting_server_tells_its_version() {
    let finding = against(b"N", WELCOME).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "PostgreSQL 15.0, no password, no TLS");
}

#[tokio::test]
async fn an_error_of_either_format_is_read() {
    let old = against(b"Ecould not fork new process for connection\n\0", b"").await;
    let text = "could not fork new process for connection".to_owned();
    let cause = Cause::Database(DatabaseCause::DatabaseError { error_code: String::new(), text });
    assert_eq!(old.verdict, Err(cause));
    let new = against(b"E\0\0\0\x12C53300\0Mfull\0\0", b"").await;
    let cause = Cause::Database(DatabaseCause::DatabaseError {
        error_code: "53300".into(),
        text: "full".into(),
    });
    assert_eq!(new.verdict, Err(cause));
}

#[tokio::test]
async fn more_than_the_one_byte_is_not_taken() {
    let finding = against(b"Nonsense", b"").await;
    assert_eq!(finding.verdict, Err(Cause::bad_reply(EXPECTED, b"Nonsense")));
}

#[tokio::test]
async fn notices_without_an_end_are_read_to_a_bound() {
    let notice = encode(b'N', b"SNOTICE\0\0");
    let words = notice.repeat(MAX_MESSAGES + 1);
    let (mut stream, _far) = said(&words).await;
    let cause = named().open(&mut stream).await.unwrap_err();
    let (phase, head) = (Phase::Reply, wire::head(&words[..64]));
    assert_eq!(
        cause,
        Cause::Talk(TalkCause::Endless { phase, limit: notice.len() * MAX_MESSAGES, head })
    );
}
