use super::*;
use crate::net::{Deadline, Peer, Trust};
use crate::{Finding, examine};
use proptest::prelude::*;
use tokio::net::TcpListener;

/// What PostgreSQL 15 answers to a host without an entry.
const NO_ENTRY: &[u8] = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host \
    \"10.99.0.2\", user \"centreon\", database \"centreon\", no encryption\0Fauth.c\0L544\0\
    RClientAuthentication\0\0";

fn verdict(offer: &Offer, session: Option<&Session>) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    (Probe::default().judge(offer, session, &mut seen), seen)
}

fn refusal(state: &str, text: &str) -> Refusal {
    Refusal { state: state.to_owned(), text: text.to_owned() }
}

#[test]
fn an_answer_passes_and_says_whether_tls_is_offered() {
    for (offer, headline) in [
        (Offer::Tls, "PostgreSQL answers, TLS offered"),
        (Offer::Plain, "PostgreSQL answers, no TLS"),
    ] {
        let (verdict, seen) = verdict(&offer, None);
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, headline);
    }
}

#[test]
fn a_question_for_the_password_is_enough() {
    for (method, name) in [(3, "plain-text password"), (5, "MD5 password"), (10, "SCRAM")] {
        let session = Session::of_method(&[0, 0, 0, method]).unwrap();
        let (verdict, seen) = verdict(&Offer::Tls, session.as_ref());
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.evidence.fact("authentication"), Some(&name.into()));
    }
    assert_eq!(Session::of_method(&[0; 4]).unwrap(), None);
    assert_eq!(Session::of_method(&[9; 4]).unwrap_err().code(), "bad-reply");
}

#[test]
fn a_host_without_an_entry_is_told_from_every_other_error() {
    let no_entry = Session::Refused(Refusal::decode(NO_ENTRY).unwrap());
    let text = "no pg_hba.conf entry for host \"10.99.0.2\", user \"centreon\", \
                database \"centreon\", no encryption";
    let error_code = "28000".to_owned();
    let cause = Cause::DatabaseHostRefused { error_code, text: text.to_owned() };
    assert_eq!(verdict(&Offer::Plain, Some(&no_entry)).0, Err(cause));
    for (state, text) in [
        ("28000", "role \"centreon\" does not exist"),
        ("3D000", "database \"centreon\" does not exist"),
        ("53300", "sorry, too many clients already"),
        ("57P03", "the database system is starting up"),
    ] {
        let cause = Cause::DatabaseError { error_code: state.into(), text: text.into() };
        let session = Session::Refused(refusal(state, text));
        assert_eq!(verdict(&Offer::Plain, Some(&session)).0, Err(cause.clone()));
        let early = Offer::Refused(refusal(state, text));
        assert_eq!(verdict(&early, None).0, Err(cause));
    }
}

#[test]
fn every_truncation_of_an_error_is_a_bad_reply() {
    for length in 0..NO_ENTRY.len() {
        let cause = Refusal::decode(&NO_ENTRY[..length]).unwrap_err();
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
    fn no_error_can_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
        let _any_verdict = Refusal::decode(&bytes);
    }
}

/// A server that answers the first message with `first`, the second with `second`.
async fn against(first: &'static [u8], second: &'static [u8]) -> Finding {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let user = Some("centreon".to_owned());
    let probe = crate::Probe::Postgresql(Probe { user, database: None });
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
    let welcome = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x21server_version\x0015.0 (Debian)\0Z\0\0\0\x05I";
    let finding = against(b"N", welcome).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "PostgreSQL 15.0, no password, no TLS");
}

#[tokio::test]
async fn an_error_of_either_format_is_read() {
    let old = against(b"Ecould not fork new process for connection\n\0", b"").await;
    let text = "could not fork new process for connection".to_owned();
    let cause = Cause::DatabaseError { error_code: String::new(), text };
    assert_eq!(old.verdict, Err(cause));
    let new = against(b"E\0\0\0\x12C53300\0Mfull\0\0", b"").await;
    let cause = Cause::DatabaseError { error_code: "53300".into(), text: "full".into() };
    assert_eq!(new.verdict, Err(cause));
}

#[tokio::test]
async fn more_than_the_one_byte_is_not_taken() {
    let finding = against(b"Nonsense", b"").await;
    assert_eq!(finding.verdict, Err(Cause::bad_reply(EXPECTED, b"Nonsense")));
}
