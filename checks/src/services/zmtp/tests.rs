use super::*;
use crate::cause::{GorgoneCause, TalkCause};
use crate::hostile::{damaged, ends, said};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// As a real Gorgone sends it.
const GORGONE_READY: &[u8] = b"\x04\x38\x05READY\
    \x0bSocket-Type\0\0\0\x06ROUTER\
    \x08Identity\0\0\0\x0frouter-external";

/// The verdict on a peer that says all of `bytes` and hangs up.
async fn verdict(bytes: &[u8]) -> (Result<(), Cause>, Seen) {
    let (near, mut far) = said(b"").await;
    let mut seen = Seen::default();
    let speak = async {
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        // What we send is of no interest, but must find a reader.
        let _ = far.read_to_end(&mut Vec::new()).await;
    };
    let probe = Probe::default();
    let (verdict, ()) = tokio::join!(probe.converse(near, &mut seen), speak);
    (verdict, seen)
}

fn greeting(mechanism: &str) -> Vec<u8> {
    ZmtpGreeting { mechanism: mechanism.to_owned(), ..ZmtpGreeting::gorgone() }.encode()
}

async fn after_greeting(frame: &[u8]) -> Cause {
    let bytes = [&greeting("NULL"), frame].concat();
    verdict(&bytes).await.0.unwrap_err()
}

#[tokio::test]
async fn probe_and_responder_understand_each_other() {
    let (near, far) = said(b"").await;
    let mut seen = Seen::default();
    let probe = Probe::default();
    let far = FarStream::new(Box::new(far), None);
    let (verdict, answered) = tokio::join!(probe.converse(near, &mut seen), respond(far));
    assert_eq!(verdict, Ok(()));
    answered.unwrap();
    assert_eq!(seen.headline, "Gorgone, ZMTP 3.1");
    assert_eq!(seen.evidence.fact("mechanism"), Some(&"NULL".into()));
    assert_eq!(seen.evidence.fact("identity"), Some(&"router-external".into()));
}

#[tokio::test]
async fn we_send_a_greeting_and_nothing_else() {
    let (near, mut far) = said(b"").await;
    let bytes = [&greeting("NULL"), GORGONE_READY].concat();
    far.write_all(&bytes).await.unwrap();
    let mut seen = Seen::default();
    Probe::default().converse(near, &mut seen).await.unwrap();
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    let mut expected = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL".to_vec();
    expected.resize(64, 0);
    assert_eq!(said, expected);
}

#[tokio::test]
async fn only_eleven_bytes_leave_before_the_mechanism_is_known() {
    let (near, mut far) = said(b"").await;
    far.write_all(&greeting("CURVE")).await.unwrap();
    let mut seen = Seen::default();
    let cause = Probe::default().converse(near, &mut seen).await.unwrap_err();
    let (version, mechanism) = ("3.1".to_owned(), "CURVE".to_owned());
    assert_eq!(cause, Cause::Gorgone(GorgoneCause::ZmtpMechanism { version, mechanism }));
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    assert_eq!(said.len(), OPENING_LEN);
}

#[test]
fn the_ready_of_gorgone_is_read_and_written_byte_for_byte() {
    assert_eq!(Ready::gorgone().encode(), GORGONE_READY);
    assert_eq!(Ready::decode(&GORGONE_READY[2..]).unwrap(), Ready::gorgone());
}

#[tokio::test]
async fn other_zeromq_services_are_named() {
    let publisher = Ready { socket_type: "PUB".to_owned(), identity: String::new() };
    let other = Ready { identity: "router-internal".to_owned(), ..Ready::gorgone() };
    for ready in [publisher, other, Ready::default()] {
        let Ready { socket_type, identity } = ready.clone();
        let cause = after_greeting(&ready.encode()).await;
        assert_eq!(cause, Cause::Gorgone(GorgoneCause::ZmtpOtherService { socket_type, identity }));
    }
}

#[tokio::test]
async fn older_peers_are_told_by_their_version() {
    for (revision, version) in [(0, "1.0"), (1, "2.0"), (2, "2.0")] {
        let bytes = [b"\xff\0\0\0\0\0\0\0\x01\x7f".as_slice(), &[revision, 5]].concat();
        let (verdict, seen) = verdict(&bytes).await;
        assert_eq!(
            verdict,
            Err(Cause::Gorgone(GorgoneCause::ZmtpVersion { version: version.to_owned() }))
        );
        assert_eq!(seen.evidence.fact("zmtp_version"), Some(&version.into()));
    }
}

#[tokio::test]
async fn another_protocol_is_named_even_when_it_is_short() {
    for (bytes, word) in [(b"220 mx ESMTP\r\n".as_slice(), "SMTP"), (b"+OK ready\r\n", "POP3")] {
        let cause = verdict(bytes).await.0.unwrap_err();
        assert_eq!(cause.code(), "wrong-service");
        assert!(cause.to_string().contains(word), "{cause}");
    }
}

#[tokio::test]
async fn every_truncation_of_the_conversation_ends_with_a_hang_up() {
    let whole = [&greeting("NULL"), GORGONE_READY].concat();
    for length in 0..whole.len() {
        let cause = verdict(&whole[..length]).await.0.unwrap_err();
        assert_eq!(cause.code(), "hung-up", "{length} bytes");
    }
    assert_eq!(verdict(&whole).await.0, Ok(()));
}

#[test]
fn every_truncation_of_a_message_is_a_bad_reply() {
    let greeting = greeting("NULL");
    for length in 0..GREETING_LEN {
        let cause = ZmtpGreeting::decode(&greeting[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
    let body = &GORGONE_READY[2..];
    let between_properties = [6, 28];
    for length in (0..body.len()).filter(|length| !between_properties.contains(length)) {
        let cause = Ready::decode(&body[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
}

#[tokio::test]
async fn a_frame_that_announces_too_much_is_refused_before_it_is_read() {
    let huge = [&[LONG_COMMAND][..], &u64::MAX.to_be_bytes()].concat();
    let above = [&[LONG_COMMAND][..], &8193_u64.to_be_bytes(), &[0; 8193]].concat();
    for frame in [huge, above] {
        let cause = after_greeting(&frame).await;
        assert_eq!(cause, Cause::bad_reply(A_READY, &frame[..9]));
    }
}

#[tokio::test]
async fn a_long_ready_is_read_like_a_short_one() {
    let body = &GORGONE_READY[2..];
    let frame = [&[LONG_COMMAND][..], &(body.len() as u64).to_be_bytes(), body].concat();
    let bytes = [&greeting("NULL"), frame.as_slice()].concat();
    assert_eq!(verdict(&bytes).await.0, Ok(()));
}

#[tokio::test]
async fn a_message_or_an_error_is_no_ready() {
    let message = after_greeting(b"\0\x05hello").await;
    assert_eq!(message, Cause::bad_reply(A_READY, &[0]));
    let error = after_greeting(b"\x04\x0a\x05ERROR\x03400").await;
    let got = "ERROR 400".to_owned();
    assert_eq!(error, Cause::Talk(TalkCause::BadReply { expected: A_READY.into(), got }));
}

#[test]
fn names_of_a_hostile_peer_are_bounded_and_escaped() {
    let identity = "\u{1b}[2J".repeat(500);
    let mut body = b"\x05READY\x08identity".to_vec();
    body.extend(u32::try_from(identity.len()).unwrap().to_be_bytes());
    body.extend(identity.bytes());
    let ready = Ready::decode(&body).unwrap();
    assert!(ready.identity.len() < 2 * MAX_VALUE);
    assert!(ready.identity.starts_with("\\x1b[2J"), "{}", ready.identity);
}

proptest! {
    #[test]
    fn no_handshake_breaks_reader_or_judge(
        words in damaged(&[&greeting("NULL"), GORGONE_READY].concat()),
    ) {
        let mut seen = Seen::default();
        let probe = Probe::default();
        let verdict = ends(&words, async |stream| probe.converse(stream, &mut seen).await);
        prop_assert!(verdict.is_err() || seen.headline.starts_with("Gorgone, "));
        let _any_ready = Ready::decode(&words);
    }
}

#[test]
fn a_router_without_a_name_is_another_programs_and_gorgone_is_none() {
    let (greeting, mut seen) = (ZmtpGreeting::gorgone(), Seen::default());
    let probe = Probe { of: ZmtpOwner::Nobody };
    assert_eq!(probe.judge(&greeting, &Ready::nameless(), &mut seen), Ok(()));
    assert_eq!(seen.headline, "a router of ZeroMQ without a name, ZMTP 3.1");
    let cause = probe.judge(&greeting, &Ready::gorgone(), &mut seen).unwrap_err();
    assert_eq!(cause.code(), "zmtp-other-service");
}
