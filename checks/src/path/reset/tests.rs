#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::cause::Icmp;
use crate::cause::{Owner, Phase, Whereabouts};
use crate::cause::{PathCause, PortCause, WebCause};
use std::net::{Ipv4Addr, TcpListener};

const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1));
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
const TO: SocketAddr = SocketAddr::new(HOST, 5669);
const CLOSED: Cause = Cause::Port(PortCause::PortClosed { to: TO });
const SILENT: Knocked = Knocked { sent: true, heard: None, left: None };
const RESET: Knocked = heard(KnockReply::Reset);
const ANSWER: Knocked = heard(KnockReply::Answer);

const fn heard(reply: KnockReply) -> Knocked {
    Knocked { sent: true, heard: Some((reply, Duration::from_micros(100))), left: None }
}

const fn echoed(left: u8) -> Knocked {
    Knocked { left: Some(left), ..ANSWER }
}

const fn ended_at(by: IpAddr) -> Knocked {
    heard(KnockReply::Icmp(Refusal { icmp: Icmp::V4 { kind: 11, code: 0 }, by, left: None }))
}

/// TCP 443, 80 and 22, ping, a closed UDP port.
fn others() -> Vec<PathQuestion<'static>> {
    PathQuestion::others(TO, None, Transport::Tcp)
}

fn trace(sender: Option<Sender>) -> ResetTrace {
    ResetTrace { to: TO, hops: Vec::new(), sender, packets: 0 }
}

fn arrives(marks: &[u8]) -> Vec<(u8, Knocked)> {
    let all = marks_of_two_hops();
    all.into_iter().map(|mark| (mark, if marks.contains(&mark) { RESET } else { SILENT })).collect()
}

fn marks_of_two_hops() -> Vec<u8> {
    marks(2)
}

#[test]
fn packets_that_cannot_reach_the_host_and_are_reset_all_the_same_give_the_sender_away() {
    let gateway = ended_at(GATEWAY);
    for signs in [
        [gateway; 5],
        [gateway, SILENT, SILENT, SILENT, SILENT],
        [RESET, RESET, RESET, gateway, gateway],
        [RESET, RESET, RESET, SILENT, gateway],
    ] {
        assert!(fall_short(&others(), &signs, HOST), "{signs:?}");
    }
}

#[test]
fn a_host_that_answers_from_the_same_distance_gives_nobody_away() {
    let (gateway, host) = (ended_at(GATEWAY), ended_at(HOST));
    for signs in [
        [SILENT; 5],
        [RESET; 5],
        [gateway, ANSWER, gateway, gateway, gateway],
        [gateway, gateway, gateway, ANSWER, SILENT],
        // Behind the host's own address translation 443 is one hop farther.
        [host, RESET, RESET, SILENT, SILENT],
        [gateway, RESET, RESET, SILENT, SILENT],
    ] {
        assert!(!fall_short(&others(), &signs, HOST), "{signs:?}");
    }
}

#[test]
fn a_reset_that_began_one_hop_nearer_is_marked_for_each_beginning() {
    assert_eq!(nearer_than(2, &arrives(&[64])), Some(64));
    assert_eq!(nearer_than(2, &arrives(&[64, 65, 128])), Some(128));
    assert_eq!(nearer_than(2, &arrives(&[64, 65, 128, 129, 255])), Some(255));
}

#[test]
fn a_reset_that_came_as_far_as_its_syn_went_is_not_marked() {
    assert_eq!(nearer_than(2, &arrives(&[])), None);
    assert_eq!(nearer_than(2, &arrives(&[64, 65])), None);
    assert_eq!(nearer_than(2, &arrives(&[64, 65, 128, 129])), None);
}

#[test]
fn from_the_own_segment_nothing_can_begin_nearer() {
    assert_eq!(marks(1), Vec::<u8>::new());
    assert_eq!(nearer_than(1, &[]), None);
}

#[test]
fn an_open_port_is_compared_before_a_ping_and_that_before_a_reset() {
    let port = |signs: [Knocked; 5]| {
        comparable(&others(), &signs).map(|other| (other.knock == Knock::Echo, other.to.port()))
    };
    assert_eq!(port([RESET, ANSWER, SILENT, echoed(63), SILENT]), Some((false, 80)));
    assert_eq!(port([RESET, SILENT, SILENT, echoed(63), SILENT]), Some((true, 0)));
    assert_eq!(port([RESET, SILENT, SILENT, SILENT, SILENT]), Some((false, 443)));
    assert_eq!(port([SILENT; 5]), None);
}

#[test]
fn the_device_at_the_hop_before_is_named() {
    let mut trace = trace(None);
    let reached = trace.add(vec![(1, ended_at(GATEWAY)), (2, RESET), (3, RESET)]);
    assert_eq!(reached, Some(2));
    let (by, sign) = (Some(GATEWAY), ResetSign::ShorterWay);
    assert_eq!(trace.before(2, sign), Sender::Before { by, hop: 1, sign });
    let sender = Sender::Before { by: None, hop: 0, sign };
    assert_eq!(trace.before(1, sign), sender);
}

#[test]
fn the_sender_makes_the_cause_and_its_owner() {
    let sign = ResetSign::TooFewHops;
    let before = |by, hop| trace(Some(Sender::Before { by, hop, sign }));
    for (trace, words, owner) in [
        (
            before(Some(GATEWAY), 1),
            "reset by 10.2.0.1 (hop 1) or right behind it, not by the target",
            Owner::Network(Whereabouts::AtOrBehind(GATEWAY)),
        ),
        (
            before(None, 3),
            "reset at hop 3, which names itself to nobody, or right behind it, not by the target",
            Owner::Network(Whereabouts::Unknown),
        ),
        (before(None, 0), "reset before the first router, not by the target", Owner::ThisHost),
        (
            trace(Some(Sender::ThisHost)),
            "this host's own firewall stops it (a rule of this host answered with a RST)",
            Owner::ThisHost,
        ),
    ] {
        let cause = judge_reset(&trace, &CLOSED);
        assert_eq!((cause.to_string().as_str(), cause.owner()), (words, owner));
        assert!(!cause.is_path_open());
    }
}

#[test]
fn a_refusal_that_nothing_speaks_against_stays_a_closed_port() {
    assert_eq!(judge_reset(&trace(None), &CLOSED), CLOSED);
    let waited = Millis(Duration::from_secs(4));
    let silence = Cause::Path(PathCause::NoAnswer { to: TO, phase: Phase::Connect, waited });
    assert_eq!(judge_reset(&trace(Some(Sender::ThisHost)), &silence), silence);
}

#[test]
fn a_proxy_that_is_reset_on_the_way_is_told_so() {
    let refused = Cause::Web(WebCause::ProxyUnreachable {
        proxy: "http://10.0.0.5:5669".to_owned(),
        because: Box::new(CLOSED),
    });
    assert!(is_reset(&refused, Transport::Tcp));
    let cause = judge_reset(&trace(Some(Sender::ThisHost)), &refused);
    assert!(cause.to_string().contains("answered with a RST"), "{cause}");
}

#[test]
fn only_resets_from_elsewhere_are_looked_at() {
    assert!(is_reset(&CLOSED, Transport::Tcp));
    assert!(!is_reset(&CLOSED, Transport::Udp));
    let loopback = Cause::Port(PortCause::PortClosed { to: ([127, 0, 0, 1], 9).into() });
    assert!(!is_reset(&loopback, Transport::Tcp));
}

#[test]
fn all_packets_together_are_no_more_than_thirty() {
    let sweeps = NEAR.count() + FAR.count();
    let twice_compared = 2 * 2;
    let all = 2 + sweeps + others().len() + marks_of_two_hops().len() + twice_compared;
    assert_eq!(all, 30);
}

#[tokio::test]
async fn a_closed_port_of_this_host_is_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    drop(listener);
    let deadline = Deadline::after(Duration::from_secs(9));
    let trace = examine_reset(to, None, deadline).await;
    assert_eq!(trace.sender, None);
    assert!(trace.packets <= 1 + NEAR.count() + others().len(), "{trace:?}");
}
