use super::*;
use crate::cause::NtpCause;
use crate::hostile::damaged;
use crate::net::{Deadline, Peer, Trust};
use proptest::prelude::*;
use tokio::net::UdpSocket;

const START: Timestamp = Timestamp(3_900_000_000 << 32);

fn clocks() -> Clocks {
    Clocks { sent: START, received: START.plus(Duration::from_millis(20)), of: None }
}

/// A healthy reply, `ahead` of us, 10 ms from us each way.
fn healthy(ahead: Duration) -> NtpPacket {
    let now = START.plus(Duration::from_millis(10)).plus(ahead);
    NtpPacket::reply(&NtpPacket::request(START), now)
}

fn verdict(reply: &NtpPacket) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    (Probe::default().judge(reply, &clocks(), &mut seen), seen)
}

#[test]
fn responder_answers_what_the_probe_asks() {
    let request = NtpPacket::request(START);
    let reply = respond(&request.encode(), START).unwrap();
    let reply = NtpPacket::decode(&reply).unwrap();
    assert_eq!(reply, NtpPacket::reply(&request, START));
    assert!(reply.answers(START));
    assert!(!reply.answers(Timestamp(1)));
}

#[test]
fn every_truncation_is_a_bad_reply() {
    let reply = healthy(Duration::ZERO).encode();
    for length in 0..PACKET_LEN {
        let cause = NtpPacket::decode(&reply[..length]).unwrap_err();
        assert_eq!(cause.code(), "bad-reply", "{length} bytes");
    }
}

#[test]
fn a_healthy_server_passes_with_offset_and_delay() {
    let (verdict, seen) = verdict(&healthy(Duration::from_millis(3)));
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "stratum 1, offset +3 ms");
    assert_eq!(seen.evidence.fact("delay_ms"), Some(&20.0.into()));
    assert_eq!(seen.evidence.fact("refid"), Some(&"GPS".into()));
    assert!(seen.concerns.is_empty());
}

#[test]
fn skew_is_reported_with_sign_and_limit() {
    let behind = verdict(&healthy(Duration::from_secs(2))).0;
    let expected = Cause::Ntp(NtpCause::ClockOffset { offset_ms: 2_000, limit_ms: 500 });
    assert_eq!(behind, Err(expected));
    let mut reply = healthy(Duration::ZERO);
    reply.receive = Timestamp(reply.receive.0 - (2 << 32));
    reply.transmit = reply.receive;
    let ahead = verdict(&reply).0;
    let expected = Cause::Ntp(NtpCause::ClockOffset { offset_ms: -2_000, limit_ms: 500 });
    assert_eq!(ahead, Err(expected));
}

#[test]
fn a_server_that_has_its_time_from_this_host_is_a_circle() {
    let said = |refid: [u8; 4], stratum: u8, of: &str| {
        let here: IpAddr = of.parse().unwrap();
        let reply = NtpPacket { stratum, refid, ..healthy(Duration::ZERO) };
        let ours = Clocks { of: Some(here), ..clocks() };
        let verdict = Probe::default().judge(&reply, &ours, &mut Seen::default());
        verdict == Err(Cause::Ntp(NtpCause::NtpLoop { here }))
    };
    assert!(said([10, 2, 0, 7], 4, "10.2.0.7"));
    assert!(!said([10, 2, 0, 8], 4, "10.2.0.7"));
    // A source's own name of four letters, at stratum 1.
    assert!(!said([10, 2, 0, 7], 1, "10.2.0.7"));
    // As `chronyc tracking` of a server that has its time from fd00::7 writes it.
    assert!(said([0x0b, 0x14, 0xb5, 0x54], 4, "fd00::7"));
}

#[test]
fn stamps_that_contradict_each_other_say_nothing_of_our_clock() {
    let second = 1 << 32;
    let healthy = healthy(Duration::ZERO);
    let sent_before_it_came =
        NtpPacket { receive: Timestamp(healthy.receive.0 + 5 * second), ..healthy.clone() };
    let held_longer_than_the_round_trip =
        NtpPacket { receive: Timestamp(healthy.receive.0 - 5 * second), ..healthy.clone() };
    let never_sent = NtpPacket { transmit: Timestamp(0), ..healthy };
    for reply in [sent_before_it_came, held_longer_than_the_round_trip, never_sent] {
        assert_eq!(verdict(&reply).0.unwrap_err().code(), "bad-reply", "{reply:?}");
    }
}

#[test]
fn an_unsynchronised_server_does_not_pass() {
    let mut reply = healthy(Duration::ZERO);
    reply.stratum = 16;
    assert_eq!(
        verdict(&reply).0.unwrap_err().to_string(),
        "server is not synchronised (stratum 16, leap indicator 0)"
    );
    let mut reply = healthy(Duration::ZERO);
    reply.leap = 3;
    assert_eq!(verdict(&reply).0.unwrap_err().code(), "ntp-unsynchronised");
}

#[test]
fn an_unsynchronised_chronyd_is_no_kiss_of_death() {
    let reply = NtpPacket { leap: 3, stratum: 0, refid: [0; 4], ..healthy(Duration::ZERO) };
    assert_eq!(verdict(&reply).0.unwrap_err().code(), "ntp-unsynchronised");
}

#[test]
fn kiss_codes_are_told_apart() {
    for (refid, code) in [
        (b"DENY", "ntp-denied"),
        (b"RSTR", "ntp-denied"),
        (b"RATE", "ntp-rate-limited"),
        (b"INIT", "ntp-unsynchronised"),
    ] {
        let reply = NtpPacket { leap: 3, stratum: 0, refid: *refid, ..healthy(Duration::ZERO) };
        assert_eq!(verdict(&reply).0.unwrap_err().code(), code);
    }
}

#[test]
fn a_weak_source_is_a_concern() {
    let mut local = healthy(Duration::ZERO);
    local.stratum = 10;
    let mut stale = healthy(Duration::ZERO);
    stale.reference = Timestamp(stale.transmit.0 - (90_000 << 32));
    for reply in [local, stale] {
        let (verdict, seen) = verdict(&reply);
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.concerns[0].code(), "ntp-weak-source");
    }
}

#[test]
fn how_far_a_server_may_be_is_what_the_programs_here_accept() {
    let [timesyncd, chrony, ntpd] = CLIENTS;
    let patient = NtpClient { max_distance: Duration::from_secs(16), ..chrony };
    for (clients, halves, expected) in [
        (vec![], 2, ""),
        (vec![], 4, "time source is weak: root distance 2.0 s, too far for ntpd (1.5 s)"),
        (
            vec![],
            12,
            "time source is weak: root distance 6.0 s, too far for timesyncd (5 s), chrony (3 s), ntpd (1.5 s)",
        ),
        (vec![chrony], 5, ""),
        (vec![chrony], 8, "chrony will not use it: root distance 4.0 s, at most 3.0 s"),
        (vec![timesyncd], 8, ""),
        (vec![ntpd], 4, "ntpd will not use it: root distance 2.0 s, at most 1.5 s"),
        (vec![patient], 8, ""),
        (
            vec![timesyncd, chrony],
            8,
            "time source is weak: root distance 4.0 s, too far for chrony (3 s)",
        ),
    ] {
        let mut reply = healthy(Duration::ZERO);
        (reply.root_delay, reply.root_dispersion) = (Span(0), Span(halves << 15));
        let probe = Probe { clients: clients.clone(), ..Probe::default() };
        let mut seen = Seen::default();
        let said = match probe.judge(&reply, &clocks(), &mut seen) {
            Err(cause) => cause.to_string(),
            Ok(()) => seen.concerns.first().map(ToString::to_string).unwrap_or_default(),
        };
        assert_eq!(said, expected, "{clients:?} {halves}");
    }
}

#[tokio::test]
async fn a_reply_to_somebody_else_is_ignored() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let deadline = Deadline::after(Duration::from_secs(5));
    let peer = Peer::from(server.local_addr().unwrap());
    let mut ask = Ask::new(peer, deadline, Trust::only([]));
    let answer = async {
        let mut request = [0; PACKET_LEN];
        let (_, client) = server.recv_from(&mut request).await.unwrap();
        let stray = NtpPacket { stratum: 7, ..healthy(Duration::ZERO) };
        server.send_to(&stray.encode(), client).await.unwrap();
        let reply = respond(&request, Timestamp::now()).unwrap();
        server.send_to(&reply, client).await.unwrap();
    };
    let probe = Probe::default();
    let (verdict, ()) = tokio::join!(probe.run(&mut ask), answer);
    assert_eq!(verdict, Ok(()));
    assert_eq!(ask.seen.evidence.fact("stratum"), Some(&1_u8.into()));
}

proptest! {
    #[test]
    fn no_packet_breaks_decoder_judge_or_responder(
        bytes in damaged(&healthy(Duration::ZERO).encode()),
    ) {
        let _any_reply = respond(&bytes, START);
        if let Ok(reply) = NtpPacket::decode(&bytes) {
            let (passed, seen) = verdict(&reply);
            prop_assert!(passed.is_err() || seen.headline.starts_with("stratum "));
        }
    }
}

/// The same server seen through another implementation.
#[tokio::test]
async fn offset_and_delay_agree_with_rsntp() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let ahead = Duration::from_millis(120);
    let answer = async {
        for _ in 0..2 {
            let mut request = [0; PACKET_LEN];
            let (_, client) = server.recv_from(&mut request).await.unwrap();
            let reply = respond(&request, Timestamp::now().plus(ahead)).unwrap();
            server.send_to(&reply, client).await.unwrap();
        }
    };
    let ask_twice = async {
        let oracle = rsntp::AsyncSntpClient::new().synchronize(address).await.unwrap();
        let deadline = Deadline::after(Duration::from_secs(5));
        let mut ask = Ask::new(Peer::from(address), deadline, Trust::only([]));
        Probe::default().run(&mut ask).await.unwrap();
        let Some(crate::Value::Number(ours)) = ask.seen.evidence.fact("offset_ms") else {
            panic!("an offset was seen")
        };
        (oracle.clock_offset().as_secs_f64() * 1e3, *ours)
    };
    let ((theirs, ours), ()) = tokio::join!(ask_twice, answer);
    assert!((theirs - ours).abs() < 20.0, "rsntp {theirs} ms, we {ours} ms");
}
