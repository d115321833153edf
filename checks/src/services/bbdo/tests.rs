use std::borrow::Cow;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::authority::{Authority, KeyedCertificate, params_for, tls_server};
use crate::cause::{BbdoCause, TalkCause, TlsCause};
use crate::hostile::{damaged, ends};
use crate::net::{Deadline, FarStream, Peer, Trust};
use crate::wire;

const NO_IDS: [u8; 8] = [0; 8];

/// A real acceptor's answers: 3.1.0, compression, no TLS, poller 1 "Central".
const REAL_VERSION_RESPONSE: &[u8] =
    b"\x15\x7b\0\x12\0\x02\0\x01\0\0\0\x01\0\0\0\0\0\x03\0\x01\0\0COMPRESSION\0";
const REAL_WELCOME: &[u8] = b"\x17\xdd\0\x37\0\x02\0\x07\0\0\0\x01\0\0\0\0\
    \x0a\x04\x08\x03\x10\x01\x12\x0bCOMPRESSION\x18\x01\x22\x07Central\
    \x2a\x15central-broker-master\x30\x01";
/// What a gRPC server says to whoever connects.
const REAL_SETTINGS: &[u8] = b"\0\0\x18\x04\0\0\0\0\0\
    \0\x04\0\x3f\xff\xff\0\x05\0\x3f\xff\xff\0\x06\0\0\x20\0\xfe\x03\0\0\0\x01\
    \0\0\x04\x08\0\0\0\0\0\0\x3e\xff\xff";

fn decode(packet: &[u8]) -> Result<Welcome, Cause> {
    let header = BbdoHeader::decode(&packet[..packet.len().min(HEADER_LEN)])?;
    header.payload_len()?;
    Welcome::decode(&header, &packet[HEADER_LEN..])
}

/// A packet with a right checksum around any payload.
fn packet(event: u32, size: u16, payload: &[u8]) -> Vec<u8> {
    let mut covered = size.to_be_bytes().to_vec();
    covered.extend(event.to_be_bytes());
    covered.extend(NO_IDS);
    let mut bytes = wire::crc16_x25(&covered).to_be_bytes().to_vec();
    bytes.extend(covered);
    bytes.extend(payload);
    bytes
}

fn welcome_packet(payload: &[u8]) -> Vec<u8> {
    packet(0x0002_0007, u16::try_from(payload.len()).unwrap(), payload)
}

fn central() -> Welcome {
    Welcome {
        version: BbdoVersion { major: 3, minor: 1, patch: 0 },
        extensions: "COMPRESSION".to_owned(),
        poller_id: 1,
        poller_name: "Central".to_owned(),
        broker_name: "central-broker-master".to_owned(),
        peer_type: 1,
    }
}

fn judged(speaks: Generation, version: (u16, u16, u16)) -> (Result<(), Cause>, Seen) {
    let (major, minor, patch) = version;
    let welcome = Welcome { version: BbdoVersion { major, minor, patch }, ..central() };
    let mut seen = Seen::default();
    (Probe { speaks, output: None }.judge(&welcome, None, &mut seen), seen)
}

// ---- bytes ----

#[test]
fn openings_are_written_byte_for_byte() {
    let [welcome, two, three] = *Generation::Three.openings();
    let bytes = |(coding, version): BbdoOpening| Welcome::of(version).encode(coding);
    assert_eq!(
        bytes(welcome),
        b"\xf6\x44\0\x06\0\x02\0\x07\0\0\0\0\0\0\0\0\x0a\x04\x08\x03\x18\x01"
    );
    let same_checksum = b"\x57\xf6\0\x07\0\x02\0\x01\0\0\0\0\0\0\0\0";
    assert_eq!(bytes(three), [same_checksum.as_slice(), b"\0\x03\0\0\0\0\0"].concat());
    assert_eq!(bytes(two), [same_checksum.as_slice(), b"\0\x02\0\0\0\0\0"].concat());
}

#[test]
fn a_welcome_of_3_1_0_is_written_byte_for_byte() {
    let version = BbdoVersion { major: 3, minor: 1, patch: 0 };
    assert_eq!(
        Welcome::of(version).encode(Coding::Welcome),
        b"\xf6\x44\0\x06\0\x02\0\x07\0\0\0\0\0\0\0\0\x0a\x04\x08\x03\x10\x01"
    );
}

#[test]
fn a_version_with_extensions_is_written_byte_for_byte() {
    let extensions = "TLS COMPRESSION".to_owned();
    let two = Welcome { extensions, ..Welcome::of(BbdoVersion::TWO) };
    assert_eq!(
        two.encode(Coding::VersionResponse),
        b"\x08\x8b\0\x16\0\x02\0\x01\0\0\0\0\0\0\0\0\0\x02\0\0\0\0TLS COMPRESSION\0"
    );
}

#[test]
fn answers_of_a_real_broker_are_read_and_written_alike() {
    assert_eq!(decode(REAL_WELCOME).unwrap(), central());
    assert_eq!(central().encode(Coding::Welcome), REAL_WELCOME);
    let from_version = Welcome {
        poller_name: String::new(),
        broker_name: String::new(),
        peer_type: 0,
        ..central()
    };
    assert_eq!(decode(REAL_VERSION_RESPONSE).unwrap(), from_version);
    assert_eq!(central().encode(Coding::VersionResponse), REAL_VERSION_RESPONSE);
}

#[test]
fn a_welcome_with_every_field_is_read() {
    let full = b"\x3a\xab\0\x3d\0\x02\0\x07\0\0\0\0\0\0\0\0\
        \x0a\x04\x08\x03\x10\x01\x12\x0fTLS COMPRESSION\x18\x01\x22\x07Central\
        \x2a\x15central-broker-master\x30\x01\x38\x01";
    let extensions = "TLS COMPRESSION".to_owned();
    assert_eq!(decode(full).unwrap(), Welcome { extensions, ..central() });
}

#[test]
fn every_truncation_of_an_answer_is_a_bad_reply_or_a_shorter_welcome() {
    for length in 0..HEADER_LEN {
        assert_eq!(BbdoHeader::decode(&REAL_WELCOME[..length]).unwrap_err().code(), "bad-reply");
    }
    let header = BbdoHeader::decode(&REAL_WELCOME[..HEADER_LEN]).unwrap();
    let payload = &REAL_WELCOME[HEADER_LEN..];
    let between_fields = [6, 19, 21, 30, 53];
    for length in 0..payload.len() {
        let decoded = Welcome::decode(&header, &payload[..length]);
        assert_eq!(decoded.is_ok(), between_fields.contains(&length), "{length} bytes");
    }
    let header = BbdoHeader::decode(&REAL_VERSION_RESPONSE[..HEADER_LEN]).unwrap();
    let payload = &REAL_VERSION_RESPONSE[HEADER_LEN..];
    for length in 0..payload.len() {
        let cause = Welcome::decode(&header, &payload[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
}

#[test]
fn one_wrong_bit_of_the_header_is_noticed() {
    for bit in 0..HEADER_LEN * 8 {
        let mut bytes = REAL_WELCOME[..HEADER_LEN].to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            BbdoHeader::decode(&bytes).unwrap_err(),
            Cause::bad_reply("a BBDO header", &bytes)
        );
    }
}

#[test]
fn unknown_fields_are_passed_over() {
    let unknown = b"\x0a\x06\x08\x03\x10\x01\x20\x09\x48\x01\x51\0\0\0\0\0\0\0\0\x5d\0\0\0\0\
        \x62\x02hi\x22\x01c";
    let welcome = decode(&welcome_packet(unknown)).unwrap();
    assert_eq!(welcome.version, central().version);
    assert_eq!(welcome.poller_name, "c");
}

#[test]
fn hostile_welcomes_are_bad_replies() {
    let cases: [&[u8]; 7] = [
        b"",
        b"\x18\x01",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x0a\x04\x08\x03\x10\x01\x23",
        b"\x0a\x04\x08\x03\x10\x01\x27",
        b"\x0a\x04\x08\x03\x10\x01\x22\x7fshort",
    ];
    for payload in cases {
        let cause = decode(&welcome_packet(payload)).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{payload:02x?}");
    }
}

#[test]
fn split_long_and_other_packets_are_refused_by_their_header() {
    let expected = "a BBDO welcome";
    for (event, size, got) in [
        (0x0002_0007, 0xffff, "65535 bytes"),
        (0x0002_0007, 8193, "8193 bytes"),
        (0x0001_0009, 4, "event 0x00010009"),
        (0x0002_0003, 0, "event 0x00020003"),
    ] {
        let cause = decode(&packet(event, size, &[])).unwrap_err();
        assert_eq!(
            cause,
            Cause::Talk(TalkCause::BadReply { expected: expected.into(), got: got.to_owned() })
        );
    }
}

#[test]
fn names_of_a_hostile_broker_are_bounded_and_escaped() {
    let name = "\u{1b}[2J".repeat(200);
    let welcome = Welcome { poller_name: name, ..central() };
    let read = decode(&welcome.encode(Coding::Welcome)).unwrap();
    assert!(read.poller_name.starts_with("\\x1b[2J"), "{}", read.poller_name);
    assert!(read.poller_name.len() < 300);
}

#[test]
fn only_grpcs_own_settings_are_taken_for_grpc() {
    assert!(grpc::is_settings(REAL_SETTINGS));
    assert!(!grpc::is_settings_begun(REAL_SETTINGS));
    for length in 0..33 {
        assert!(!grpc::is_settings(&REAL_SETTINGS[..length]), "{length} bytes");
        assert_eq!(grpc::is_settings_begun(&REAL_SETTINGS[..length]), length >= 9);
    }
    assert!(!grpc::is_settings(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"));
    assert!(!grpc::is_settings(b"\0\0\0\x04\0\0\0\0\0"));
}

// ---- verdicts ----

#[test]
fn a_broker_of_the_same_generation_passes_with_its_name() {
    let (verdict, seen) = judged(Generation::Three, (3, 1, 0));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "BBDO 3.1.0, Central");
    for (name, value) in [
        ("bbdo_version", "3.1.0"),
        ("extensions", "COMPRESSION"),
        ("poller_id", "1"),
        ("broker_name", "central-broker-master"),
        ("peer_type", "broker"),
    ] {
        assert_eq!(seen.evidence.fact(name).unwrap().to_string(), value);
    }
    assert!(seen.concerns.is_empty());
}

#[test]
fn generations_must_match() {
    let two = Cause::Bbdo(BbdoCause::BbdoTwo { version: "2.0.0".to_owned() });
    assert_eq!(judged(Generation::Three, (2, 0, 0)).0, Err(two));
    let major = |ours: &str, theirs: &str| {
        Err(Cause::Bbdo(BbdoCause::BbdoMajor { ours: ours.to_owned(), theirs: theirs.to_owned() }))
    };
    assert_eq!(judged(Generation::Three, (4, 0, 0)).0, major("3.0.1", "4.0.0"));
    assert_eq!(judged(Generation::Two, (3, 1, 0)).0, major("2.0.0", "3.1.0"));
}

#[test]
fn a_matching_generation_two_passes_with_a_concern() {
    let (verdict, seen) = judged(Generation::Two, (2, 0, 0));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.concerns, [Concern::BbdoOld { version: "2.0.0".to_owned() }]);
}

#[test]
fn a_grpc_status_passes_with_a_concern() {
    let mut seen = Seen::default();
    Probe::default().judge_grpc("12", &mut seen);
    assert_eq!(seen.headline, "BBDO over gRPC");
    assert_eq!(seen.concerns, [Concern::BbdoGrpc]);
}

/// A poller whose files say what carries its BBDO.
fn configured(grpc: bool, tls: Extension) -> Probe {
    let output = BrokerStream { grpc, tls, ..BrokerStream::default() };
    Probe { speaks: Generation::Three, output: Some(output) }
}

/// The same over TCP, with what its TLS is made with.
fn with(credentials: TlsCredentials) -> Probe {
    let output = BrokerStream { tls: Extension::Yes, credentials, ..BrokerStream::default() };
    Probe { speaks: Generation::Three, output: Some(output) }
}

fn carriers_differ(ours: &str, theirs: &str) -> Result<(), Cause> {
    Err(Cause::Bbdo(BbdoCause::BbdoCarrier { ours: ours.to_owned(), theirs: theirs.to_owned() }))
}

#[test]
fn a_poller_configured_for_grpc_has_no_concern_about_it() {
    let mut seen = Seen::default();
    let probe = configured(true, Extension::No);
    assert_eq!(probe.judge_carrier(Carrier { grpc: true, tls: false }), Ok(()));
    probe.judge_grpc("12", &mut seen);
    assert_eq!(seen.concerns, []);
}

#[test]
fn two_transports_do_not_meet() {
    let broker = configured(true, Extension::No).judge(&central(), None, &mut Seen::default());
    assert_eq!(broker, carriers_differ("gRPC", "plain TCP"));
    let grpc = Carrier { grpc: true, tls: false };
    let verdict = configured(false, Extension::Auto).judge_carrier(grpc);
    assert_eq!(verdict, carriers_differ("plain TCP", "gRPC"));
    let verdict = configured(true, Extension::Yes).judge_carrier(grpc);
    assert_eq!(verdict, carriers_differ("gRPC with TLS", "gRPC"));
    let grpc_tls = |probe: Probe| probe.judge_grpc_tls(Ok(()), &mut Seen::default());
    let verdict = grpc_tls(configured(true, Extension::No));
    assert_eq!(verdict, carriers_differ("gRPC", "gRPC with TLS"));
    let verdict = grpc_tls(configured(false, Extension::Yes));
    assert_eq!(verdict, carriers_differ("plain TCP with TLS", "gRPC with TLS"));
}

#[test]
fn grpc_with_tls_is_judged_as_grpc_without() {
    let mut seen = Seen::default();
    assert_eq!(configured(true, Extension::Yes).judge_grpc_tls(Ok(()), &mut seen), Ok(()));
    assert_eq!((seen.headline.as_str(), seen.concerns.len()), ("BBDO over gRPC with TLS", 0));
    let mut seen = Seen::default();
    assert_eq!(Probe::default().judge_grpc_tls(Ok(()), &mut seen), Ok(()));
    assert_eq!(seen.concerns, [Concern::BbdoGrpc]);
    let wanted = Cause::Tls(TlsCause::TlsClientCertificateWanted { alert: String::new() });
    let verdict = configured(true, Extension::Yes).judge_grpc_tls(Err(wanted), &mut seen);
    assert_eq!(verdict, Err(Cause::Bbdo(BbdoCause::BbdoCertificateRefused)));
}

fn unknown_issuer() -> Cause {
    Cause::Tls(TlsCause::CertificateUnknownIssuer {
        issuer: "CN=other".into(),
        subject: "CN=broker".into(),
    })
}

/// How a broker that lists `extensions` is judged, and what will hurt.
fn judge_tls(
    probe: &Probe,
    extensions: &str,
    inside: Option<TlsCourse>,
) -> (Result<(), Cause>, Vec<&'static str>, String) {
    let welcome = Welcome { extensions: extensions.to_owned(), ..central() };
    let mut seen = Seen::default();
    seen.evidence.set("tls_version", "TLS 1.3");
    let verdict = probe.judge(&welcome, inside, &mut seen);
    (verdict, seen.concerns.iter().map(Concern::code).collect(), seen.headline)
}

#[test]
fn tls_of_one_side_only_is_a_concern() {
    for (tls, extensions, concerns) in [
        (Extension::No, "COMPRESSION", &[][..]),
        (Extension::No, "TLS COMPRESSION", &["bbdo-tls-not-asked"]),
        (Extension::Auto, "", &[]),
        (Extension::Yes, "COMPRESSION", &["bbdo-tls-not-offered"]),
    ] {
        let (verdict, found, _) = judge_tls(&configured(false, tls), extensions, None);
        assert_eq!((verdict, found.as_slice()), (Ok(()), concerns), "{tls:?} {extensions}");
    }
    // Nobody said what the poller does.
    let (verdict, concerns, headline) = judge_tls(&Probe::default(), "TLS", None);
    assert_eq!((verdict, concerns.len()), (Ok(()), 0));
    assert_eq!(headline, "BBDO 3.1.0, Central, TLS not tested");
}

#[test]
fn each_end_of_a_handshake_has_its_verdict() {
    let anonymous = || with(TlsCredentials::default());
    let authority = || Some(Trust::only([]));
    let ca_only = || with(TlsCredentials { authority: authority(), ..TlsCredentials::default() });
    let certified = || with(TlsCredentials { own: Own::Unread, ..TlsCredentials::default() });
    let unlike = |theirs| TlsCourse::Unlike { theirs };
    let distrusted =
        || Cause::Bbdo(BbdoCause::BbdoCertificate { because: Box::new(unknown_issuer()) });
    let silent = || Cause::Tls(TlsCause::TlsClosed { to: ([192, 0, 2, 1], 5669).into() });
    for (probe, inside, verdict) in [
        (certified(), TlsCourse::Made, Ok(())),
        (anonymous(), TlsCourse::Anonymous, Ok(())),
        // It verifies a broker that shows nothing to verify.
        (ca_only(), TlsCourse::Anonymous, Err(Cause::Bbdo(BbdoCause::BbdoTlsAnonymous))),
        (anonymous(), unlike(Proof::Certificate), Err(Cause::Bbdo(BbdoCause::BbdoTlsAnonymous))),
        (ca_only(), unlike(Proof::Certificate), Err(Cause::Bbdo(BbdoCause::BbdoTlsAnonymous))),
        (certified(), unlike(Proof::Nothing), Err(Cause::Bbdo(BbdoCause::BbdoTlsNoCertificate))),
        (certified(), TlsCourse::Distrusted(unknown_issuer()), Err(distrusted())),
        (certified(), TlsCourse::Failed(silent()), Err(silent())),
        // The broker wants a certificate that could not be shown: nothing is known.
        (certified(), TlsCourse::Refused, Ok(())),
    ] {
        let (found, _, _) = judge_tls(&probe, "TLS", Some(inside.clone()));
        assert_eq!(found, verdict, "{inside:?}");
    }
    let (_, _, headline) = judge_tls(&certified(), "TLS", Some(TlsCourse::Made));
    assert_eq!(headline, "BBDO 3.1.0, Central, TLS 1.3");
}

#[test]
fn files_of_no_use_fail_and_files_that_may_not_be_read_are_a_concern() {
    let file = || ("/etc/k.pem".to_owned(), "there is no such file".to_owned());
    let unusable = with(TlsCredentials { unusable: Some(file()), ..TlsCredentials::default() });
    let (file_name, why) = file();
    let cause = Cause::Bbdo(BbdoCause::BbdoFileUnusable { file: file_name, why });
    assert_eq!(judge_tls(&unusable, "TLS", None).0, Err(cause));
    assert_eq!(unusable.extensions(), "", "no handshake is begun that cannot be made");
    let own = Own::Unread;
    let unread = with(TlsCredentials { own, unread: vec![file()], ..TlsCredentials::default() });
    let (verdict, concerns, _) = judge_tls(&unread, "TLS", Some(TlsCourse::Made));
    assert_eq!((verdict, concerns), (Ok(()), vec!["bbdo-file-unread"]));
}

#[test]
fn what_is_offered_is_what_the_poller_offers() {
    let offers = |tls, compression| {
        let output = BrokerStream { tls, compression, ..BrokerStream::default() };
        Probe { speaks: Generation::Three, output: Some(output) }.extensions()
    };
    assert_eq!(offers(Extension::Auto, Extension::Yes), "TLS COMPRESSION");
    assert_eq!(offers(Extension::No, Extension::No), "");
    assert_eq!(configured(true, Extension::Yes).extensions(), "");
    // A broker set to compression logs an error for who does without.
    assert_eq!(Probe::default().extensions(), "COMPRESSION");
}

// ---- conversations ----

/// What one connection of a broker in version `major` does.
async fn broker(mut connection: TcpStream, major: u16, codings: &[Coding]) {
    let mut header = [0; HEADER_LEN];
    connection.read_exact(&mut header).await.unwrap();
    let header = BbdoHeader::decode(&header).unwrap();
    let mut payload = vec![0; header.payload_len().unwrap()];
    connection.read_exact(&mut payload).await.unwrap();
    let asked = Welcome::decode(&header, &payload).unwrap();
    let extensions = "COMPRESSION".to_owned();
    let ours = Welcome { extensions, ..Welcome::of(asked.version) };
    assert_eq!(asked, ours, "we name nobody");
    let coding = header.coding().unwrap();
    if asked.version.major == major && codings.contains(&coding) {
        let version = BbdoVersion { major, minor: 0, patch: 0 };
        let answer = Welcome { version, ..central() }.encode(coding);
        connection.write_all(&answer).await.unwrap();
        assert_eq!(connection.read(&mut [0; 9]).await.unwrap(), 0, "no stop, only a FIN");
    }
}

/// Asks whoever `far` makes of each connection.
async fn ask_a<F: Future<Output = ()>>(
    speaks: Generation,
    far: impl Fn(TcpStream) -> F,
) -> (Result<(), Cause>, Seen, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let mut ask = Ask::new(peer, Deadline::after(Duration::from_secs(20)), Trust::only([]));
    let mut served = 0;
    let serve = async {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            served += 1;
            far(connection).await;
        }
    };
    let probe = Probe { speaks, output: None };
    let verdict = tokio::select! {
        verdict = probe.run(&mut ask) => verdict,
        () = serve => unreachable!("a listener does not end"),
    };
    (verdict, ask.seen, served)
}

const BOTH: &[Coding] = &[Coding::Welcome, Coding::VersionResponse];

#[tokio::test]
async fn one_connection_is_all_a_healthy_broker_sees() {
    let (verdict, _, served) = ask_a(Generation::Three, |c| broker(c, 3, BOTH)).await;
    assert_eq!((verdict, served), (Ok(()), 1));
}

#[tokio::test]
async fn a_broker_that_does_not_know_the_welcome_is_asked_in_the_older_coding() {
    let old = |c| broker(c, 3, &[Coding::VersionResponse]);
    let (verdict, seen, served) = ask_a(Generation::Three, old).await;
    assert_eq!((verdict, served), (Ok(()), 3));
    assert_eq!(seen.headline, "BBDO 3.0.0");
    assert_eq!(seen.evidence.fact("poller_id"), Some(&1_u8.into()));
}

#[tokio::test]
async fn a_broker_of_generation_two_is_found_out() {
    let (verdict, seen, served) = ask_a(Generation::Three, |c| broker(c, 2, BOTH)).await;
    assert_eq!(verdict, Err(Cause::Bbdo(BbdoCause::BbdoTwo { version: "2.0.0".to_owned() })));
    assert_eq!(served, 2, "each refused version costs the broker three lines");
    assert_eq!(seen.evidence.fact("bbdo_version"), Some(&"2.0.0".into()));
    let (verdict, _, served) = ask_a(Generation::Two, |c| broker(c, 2, BOTH)).await;
    assert_eq!((verdict, served), (Ok(()), 1));
    let (verdict, _, _) = ask_a(Generation::Two, |c| broker(c, 3, BOTH)).await;
    assert_eq!(verdict.unwrap_err().code(), "bbdo-major");
}

#[tokio::test]
async fn whoever_always_hangs_up_is_reported_as_that() {
    let (verdict, _, served) = ask_a(Generation::Three, |mut c| async move {
        c.read_exact(&mut [0; HEADER_LEN]).await.unwrap();
        let _ = c.read(&mut [0; A_PACKET]).await;
    })
    .await;
    let Err(Cause::Talk(TalkCause::HungUp { received: 0, .. })) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(served, 4);
}

/// The directory's TLS library takes our head for that of a long record, and waits for the rest.
#[tokio::test]
async fn a_tls_port_that_is_mute_to_a_broker_is_found_by_a_first_message_of_tls() {
    let (verdict, ..) = ask_a(Generation::Three, |mut c| async move {
        let mut head = [0; 3];
        c.read_exact(&mut head).await.unwrap();
        if head == [22, 3, 1] {
            c.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await.unwrap();
        } else {
            // The next one comes on another connection.
            tokio::spawn(async move { while c.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} });
        }
    })
    .await;
    assert_eq!(verdict, Err(Cause::Bbdo(BbdoCause::BbdoTls { grpc: false })));
}

#[tokio::test]
async fn half_an_answer_is_no_reason_to_ask_again() {
    let (verdict, _, served) = ask_a(Generation::Three, |mut c| async move {
        c.read_exact(&mut [0; A_PACKET]).await.unwrap();
        c.write_all(&REAL_WELCOME[..40]).await.unwrap();
    })
    .await;
    let Err(Cause::Talk(TalkCause::HungUp { received: 40, .. })) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(served, 1);
}

fn tls(alpn: &[&[u8]]) -> tokio_rustls::TlsAcceptor {
    let own = KeyedCertificate::by_itself(&params_for(&["broker"]).unwrap()).unwrap();
    let mut config = own.server().unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config).into()
}

#[tokio::test]
async fn a_tls_listener_is_told_from_a_broker_and_asked_for_http2() {
    for (alpn, grpc) in [(&[b"h2".as_slice()][..], true), (&[], false), (&[b"http/1.1"], false)] {
        let acceptor = tls(alpn);
        let verdict =
            if grpc { Ok(()) } else { Err(Cause::Bbdo(BbdoCause::BbdoTls { grpc: false })) };
        // rustls answers our packet with an alert; the gRPC library with a hang-up.
        let (alerting, _, served) = ask_a(Generation::Three, |c| async {
            let _ = acceptor.accept(c).await;
        })
        .await;
        assert_eq!((alerting, served), (verdict.clone(), 2));
        let (silent, seen, served) = ask_a(Generation::Three, |c| async {
            let mut first = [0];
            if c.peek(&mut first).await.is_ok() && first == [0x16] {
                let _ = acceptor.accept(c).await;
            }
        })
        .await;
        assert_eq!((silent, served), (verdict, 4));
        let shown = alpn.is_empty() || grpc;
        assert_eq!(seen.evidence.fact("certificate_subject").is_some(), shown);
        assert_eq!(seen.concerns.contains(&Concern::BbdoGrpc), grpc);
    }
}

fn identity(authority: &Authority, name: &str) -> Own {
    let own = authority.sign(&params_for(&[name]).unwrap()).unwrap();
    let (certificate, key) = (own.certificate.pem(), own.key.serialize_pem());
    Own::Identity(crate::ClientIdentity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap())
}

/// A server called `broker`; with `clients`, only for those it has signed.
fn broker_of(authority: &Authority, clients: Option<&Authority>) -> Arc<rustls::ServerConfig> {
    let own = authority.sign(&params_for(&["broker"]).unwrap()).unwrap();
    let Some(clients) = clients else { return Arc::new(own.server().unwrap()) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.der()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(rustls::crypto::ring::default_provider()),
    );
    let config = tls_server().unwrap().with_client_cert_verifier(verifier.build().unwrap());
    let shown = vec![own.certificate.der().clone()];
    Arc::new(config.with_single_cert(shown, own.private_key().unwrap()).unwrap())
}

/// Asks our own far side with these settings, and returns how often it was visited.
async fn ask_acceptor(
    probe: &Probe,
    acceptor: acceptor::Acceptor,
    config: Arc<rustls::ServerConfig>,
) -> (Result<(), Cause>, Seen, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::from(listener.local_addr().unwrap());
    let mut ask = Ask::new(peer, Deadline::after(Duration::from_secs(20)), Trust::only([]));
    let mut served = 0;
    let serve = async {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            served += 1;
            let far = FarStream::new(Box::new(connection), Some(config.clone()));
            let _a_visitor_may_leave_early = acceptor.serve(far).await;
        }
    };
    let verdict = tokio::select! {
        verdict = probe.run(&mut ask) => verdict,
        () = serve => unreachable!("a listener does not end"),
    };
    (verdict, ask.seen, served)
}

/// Each setting of the poller's TLS against each of the broker's, with a certificate of the
/// poller's that is wanted or not, and compression on either side.
#[tokio::test]
async fn the_matrix_of_poller_and_broker() {
    use Extension::{Auto, No, Yes};

    let ours = Authority::named("ours").unwrap();
    for (mine, theirs, concern, is_inside) in [
        (No, No, None, false),
        (No, Auto, Some("bbdo-tls-not-asked"), false),
        (No, Yes, Some("bbdo-tls-not-asked"), false),
        (Auto, No, None, false),
        (Auto, Auto, None, true),
        (Auto, Yes, None, true),
        (Yes, No, Some("bbdo-tls-not-offered"), false),
        (Yes, Auto, None, true),
        (Yes, Yes, None, true),
    ] {
        for wants_ours in [false, true] {
            for compression in [No, Yes] {
                let credentials = TlsCredentials {
                    authority: Some(Trust::only([ours.der()])),
                    own: identity(&ours, "poller"),
                    hostname: Some("broker".to_owned()),
                    ..TlsCredentials::default()
                };
                let output = BrokerStream { grpc: false, tls: mine, compression, credentials };
                let probe = Probe { speaks: Generation::Three, output: Some(output) };
                let acceptor = acceptor::Acceptor { grpc: false, tls: theirs, compression };
                let config = broker_of(&ours, wants_ours.then_some(&ours));
                let (verdict, seen, served) = ask_acceptor(&probe, acceptor, config).await;
                let cell = format!("{mine:?} {theirs:?} {wants_ours} {compression:?}");
                assert_eq!((verdict, served), (Ok(()), 1), "{cell}");
                let concerns: Vec<_> = seen.concerns.iter().map(Concern::code).collect();
                assert_eq!(concerns, concern.into_iter().collect::<Vec<_>>(), "{cell}");
                assert_eq!(seen.headline.ends_with(", TLS 1.3"), is_inside, "{cell}");
            }
        }
    }
}

#[tokio::test]
async fn another_authority_another_name_and_another_certificate_are_told_apart() {
    let (ours, other) = (Authority::named("ours").unwrap(), Authority::named("other").unwrap());
    let acceptor =
        acceptor::Acceptor { grpc: false, tls: Extension::Yes, compression: Extension::Auto };
    let ask = async |authority: &Authority, name: Option<&str>, own: Own, wants_ours: bool| {
        let hostname = name.map(str::to_owned);
        let authority = Some(Trust::only([authority.der()]));
        let probe = with(TlsCredentials { authority, own, hostname, ..TlsCredentials::default() });
        let config = broker_of(&ours, wants_ours.then_some(&ours));
        let (verdict, seen, _) = ask_acceptor(&probe, acceptor, config).await;
        (verdict.map_or_else(|cause| cause.to_string(), |()| seen.headline), seen.concerns)
    };
    let poller = || identity(&ours, "poller");
    let good = "BBDO 3.1.0, preflight, TLS 1.3";
    assert_eq!(ask(&ours, None, poller(), true).await.0, good, "a name counts only if it is set");
    assert_eq!(ask(&ours, Some("broker"), poller(), true).await.0, good);
    let distrusted = ask(&other, None, poller(), true).await.0;
    assert!(
        distrusted.contains("does not pass this poller's check") && distrusted.contains("ours")
    );
    let wrong_name = ask(&ours, Some("central"), poller(), true).await.0;
    assert!(wrong_name.contains("not for central but for broker"), "{wrong_name}");
    let stranger = ask(&ours, None, identity(&other, "poller"), true).await.0;
    assert_eq!(stranger, Cause::Bbdo(BbdoCause::BbdoCertificateRefused).to_string());
    assert_eq!(ask(&ours, None, identity(&other, "poller"), false).await.0, good);
    let anonymous = ask(&ours, None, Own::Nothing, false).await.0;
    assert_eq!(anonymous, Cause::Bbdo(BbdoCause::BbdoTlsAnonymous).to_string());
    let unread = ask(&ours, None, Own::Unread, true).await.0;
    assert!(unread.ends_with("certificate not shown"), "{unread}");
}

/// What carries the poller's BBDO against what carries the broker's.
#[tokio::test]
async fn carriers_of_poller_and_broker_have_to_be_one() {
    use Extension::{No, Yes};

    let ours = Authority::named("ours").unwrap();
    let words = |grpc, tls| Carrier { grpc, tls: tls == Yes }.to_string();
    for mine in [(false, No), (false, Yes), (true, No), (true, Yes)] {
        for theirs in [(false, No), (true, No), (true, Yes)] {
            for compression in [No, Yes] {
                let credentials = TlsCredentials {
                    authority: Some(Trust::only([ours.der()])),
                    own: identity(&ours, "poller"),
                    hostname: Some("broker".to_owned()),
                    ..TlsCredentials::default()
                };
                let output = BrokerStream { grpc: mine.0, tls: mine.1, compression, credentials };
                let probe = Probe { speaks: Generation::Three, output: Some(output) };
                let acceptor = acceptor::Acceptor { grpc: theirs.0, tls: theirs.1, compression };
                let (verdict, seen, _) =
                    ask_acceptor(&probe, acceptor, broker_of(&ours, None)).await;
                // Over TCP, TLS is an extension, of which one side may do without.
                let is_one = mine.0 == theirs.0 && (!mine.0 || mine.1 == theirs.1);
                let cell = format!("{mine:?} {theirs:?} {compression:?}");
                if is_one {
                    assert_eq!(verdict, Ok(()), "{cell}");
                    let over = if theirs.0 { "BBDO over gRPC" } else { "BBDO 3.1.0" };
                    assert!(seen.headline.starts_with(over), "{cell}: {}", seen.headline);
                } else {
                    let differ =
                        carriers_differ(&words(mine.0, mine.1), &words(theirs.0, theirs.1));
                    assert_eq!(verdict, differ, "{cell}");
                }
            }
        }
    }
}

/// gRPC with TLS on both sides, by whom the poller trusts, the name it looks for, what it shows,
/// and whether that is asked for.
#[tokio::test]
async fn the_matrix_of_grpc_with_tls() {
    let (ours, other) = (Authority::named("ours").unwrap(), Authority::named("other").unwrap());
    let acceptor =
        acceptor::Acceptor { grpc: true, tls: Extension::Yes, ..acceptor::Acceptor::default() };
    let refused = Cause::Bbdo(BbdoCause::BbdoCertificateRefused).to_string();
    for trusts in [Some(&ours), Some(&other), None] {
        for name in [Some("broker"), Some("central"), None] {
            for shows in ["ours", "other", "nothing", "unread"] {
                for wants_ours in [false, true] {
                    let own = match shows {
                        "ours" => identity(&ours, "poller"),
                        "other" => identity(&other, "poller"),
                        "nothing" => Own::Nothing,
                        _ => Own::Unread,
                    };
                    let credentials = TlsCredentials {
                        authority: trusts.map(|authority| Trust::only([authority.der()])),
                        own,
                        hostname: name.map(str::to_owned),
                        ..TlsCredentials::default()
                    };
                    let output = BrokerStream {
                        grpc: true,
                        tls: Extension::Yes,
                        credentials,
                        ..BrokerStream::default()
                    };
                    let probe = Probe { speaks: Generation::Three, output: Some(output) };
                    let config = broker_of(&ours, wants_ours.then_some(&ours));
                    let (verdict, seen, _) = ask_acceptor(&probe, acceptor, config).await;
                    let said = verdict.map_or_else(|cause| cause.to_string(), |()| seen.headline);
                    let is_trusted = trusts.is_some_and(|it| std::ptr::eq(it, &raw const ours));
                    let cell = format!("{is_trusted} {name:?} {shows} {wants_ours}: {said}");
                    // Without ca_certificate the system's store counts, and without tls_hostname
                    // the host, here an address.
                    match (is_trusted, name, shows) {
                        (false, ..) => {
                            assert!(said.contains("does not pass this poller's check"), "{cell}");
                        }
                        (true, Some("broker"), "ours" | "unread") => {
                            assert_eq!(said, "BBDO over gRPC with TLS", "{cell}");
                        }
                        (true, Some("broker"), _) if wants_ours => {
                            assert_eq!(said, refused, "{cell}");
                        }
                        (true, Some("broker"), _) => {
                            assert_eq!(said, "BBDO over gRPC with TLS", "{cell}");
                        }
                        (true, ..) => assert!(said.contains("but for broker"), "{cell}"),
                    }
                }
            }
        }
    }
}

/// The gRPC library: settings for whoever connects, a hang-up for who is not HTTP/2.
async fn grpc_server(mut connection: TcpStream, trailers_only: bool) {
    let mut first = [0];
    connection.peek(&mut first).await.unwrap();
    if first != *b"P" {
        connection.write_all(REAL_SETTINGS).await.unwrap();
        let _ = connection.read(&mut [0; 99]).await;
        return;
    }
    let mut server = h2::server::handshake(connection).await.unwrap();
    while let Some(Ok((request, mut reply))) = server.accept().await {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        let head = http::Response::builder().header("content-type", "application/grpc");
        if trailers_only {
            let head = head.header("grpc-status", "12").body(()).unwrap();
            reply.send_response(head, true).unwrap();
        } else {
            let mut stream = reply.send_response(head.body(()).unwrap(), false).unwrap();
            let status = [(http::HeaderName::from_static("grpc-status"), "12".parse().unwrap())];
            stream.send_trailers(status.into_iter().collect()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_broker_behind_grpc_proves_to_be_alive() {
    for trailers_only in [true, false] {
        let (verdict, seen, served) =
            ask_a(Generation::Three, |c| grpc_server(c, trailers_only)).await;
        assert_eq!((verdict, served), (Ok(()), 2));
        assert_eq!(seen.evidence.fact("grpc_status"), Some(&"12".into()));
        assert_eq!(seen.concerns, [Concern::BbdoGrpc]);
    }
}

#[tokio::test]
async fn settings_without_a_living_server_do_not_pass() {
    let (verdict, _, _) = ask_a(Generation::Three, |mut c| async move {
        let _ = c.write_all(REAL_SETTINGS).await;
        let _ = c.read(&mut [0; 999]).await;
    })
    .await;
    let Err(Cause::Talk(TalkCause::BadReply { expected: Cow::Borrowed("a gRPC status"), .. })) =
        verdict
    else {
        panic!("{verdict:?}")
    };
}

#[test]
fn a_slow_answer_is_a_concern() {
    assert_eq!(slowness(Duration::from_millis(2_500)), None);
    let slow = Concern::BbdoSlow { took: Millis(Duration::from_millis(2900)) };
    assert_eq!(slowness(Duration::from_millis(2_900)), Some(slow));
}

#[tokio::test(start_paused = true)]
async fn a_mute_port_is_asked_once_and_for_tls_and_costs_ten_seconds() {
    // One at a time, as a broker takes them: the second one waits behind the first.
    let (verdict, seen, served) = ask_a(Generation::Three, |c| async {
        let _kept = c;
        std::future::pending::<()>().await;
    })
    .await;
    let Err(Cause::Talk(TalkCause::Silent { waited, .. })) = verdict else { panic!("{verdict:?}") };
    assert_eq!(waited.0, ANSWER);
    assert_eq!(served, 1);
    assert!(seen.concerns.is_empty());
}

proptest! {
    #[test]
    fn no_answer_breaks_reader_or_judge(
        words in prop_oneof![damaged(REAL_WELCOME), damaged(REAL_VERSION_RESPONSE), damaged(REAL_SETTINGS)],
    ) {
        let answer = ends(&words, async |mut stream| read_answer(&mut stream).await);
        if let Ok(BbdoHeard::Broker(welcome)) = answer {
            let mut seen = Seen::default();
            let _any_verdict = Probe::default().judge(&welcome, None, &mut seen);
        }
    }

    /// The header's checksum is right, so that what is behind it is read.
    #[test]
    fn no_payload_breaks_the_decoder(
        welcome in damaged(&REAL_WELCOME[HEADER_LEN..]),
        version in damaged(&REAL_VERSION_RESPONSE[HEADER_LEN..]),
    ) {
        for (event, payload) in [(0x0002_0007, welcome), (0x0002_0001, version)] {
            let _any_answer = decode(&packet(event, u16::try_from(payload.len()).unwrap(), &payload));
        }
    }
}
