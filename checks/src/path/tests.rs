#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::cause::{DnsCause, PathCause, PortCause};
use crate::cause::{Owner, Phase, Whereabouts};
use std::net::{Ipv4Addr, UdpSocket};

const R1: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1));
const R2: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
const TO: SocketAddr = SocketAddr::new(HOST, 5669);
const WAITED: Millis = Millis(Duration::from_secs(4));
const CLOSED: HostAnswer = HostAnswer::Closed { transport: Transport::Tcp, port: 443 };
const HOP_LIMIT: Icmp = Icmp::V4 { kind: 11, code: 0 };
const NO_ANSWER: Cause =
    Cause::Path(PathCause::NoAnswer { to: TO, phase: Phase::Connect, waited: WAITED });

fn heard(reply: KnockReply) -> Knocked {
    Knocked { sent: true, heard: Some((reply, Duration::from_micros(100))), left: None }
}

fn icmp(by: IpAddr, icmp: Icmp) -> Knocked {
    heard(KnockReply::Icmp(Refusal { icmp, by, left: None }))
}

fn silent() -> Knocked {
    Knocked { sent: true, ..Knocked::default() }
}

fn others() -> Vec<PathQuestion<'static>> {
    PathQuestion::others(TO, None, Transport::Tcp)
}

/// A trace whose first wave begins with `near` and is silent after it.
fn trace(near: &[Knocked]) -> Trace {
    let mut trace = Trace::new(TO, Transport::Tcp);
    let wave = near.iter().copied().chain(std::iter::repeat(silent()));
    trace.add((1..=WAVE).zip(wave).collect());
    trace
}

fn alive(near: &[Knocked]) -> Trace {
    let mut trace = trace(near);
    trace.hear_host(&others(), &[heard(KnockReply::Reset)]);
    trace
}

fn beyond(near: &[Knocked], behind: &[Knocked]) -> Trace {
    let mut trace = alive(near);
    let next = trace.last_hop() + 1;
    trace.hear_beyond(others()[0], (next..).zip(behind.iter().copied()).collect());
    trace
}

fn two_hops() -> [Knocked; 2] {
    [icmp(R1, HOP_LIMIT), icmp(R2, HOP_LIMIT)]
}

#[test]
fn a_port_that_is_filtered_behind_the_last_hop_names_it() {
    let (by, hop, to, alive, waited) = (R2, 2, TO, CLOSED, WAITED);
    for (behind, next_is_host) in [
        ([heard(KnockReply::Reset), heard(KnockReply::Reset)], true),
        ([silent(), heard(KnockReply::Reset)], false),
        ([silent(), silent()], false),
    ] {
        let cause = judge(&beyond(&two_hops(), &behind), &NO_ANSWER);
        let expected = Cause::Path(PathCause::PortSilentAfter {
            to,
            by,
            hop,
            next_is_host,
            alive,
            waited,
            beside: 0,
        });
        assert_eq!(cause, expected);
        assert_eq!(cause.owner(), Owner::Network(Whereabouts::AtOrBehind(R2)));
    }
}

#[test]
fn a_port_whose_packets_stop_where_others_pass_is_filtered_between() {
    let trace = beyond(&[icmp(R1, HOP_LIMIT)], &[icmp(R2, HOP_LIMIT), heard(KnockReply::Reset)]);
    let cause = judge(&trace, &NO_ANSWER);
    let (to, after, next, alive, waited) = (TO, Some(R1), R2, CLOSED, WAITED);
    assert_eq!(
        cause,
        Cause::Path(PathCause::FilteredBetween { to, after, hop: 1, next, alive, waited })
    );
    assert_eq!(cause.owner(), Owner::Network(Whereabouts::AtOrBehind(R1)));
    assert_eq!(
        cause.to_string(),
        "no answer; packets for this port get no further than 10.2.0.1, \
         others for this host reach 10.9.0.2 (TCP 443 is closed)"
    );
}

#[test]
fn a_port_whose_packets_do_not_even_reach_the_first_hop_blames_that_hop() {
    let cause = judge(&beyond(&[], &[icmp(R1, HOP_LIMIT), silent()]), &NO_ANSWER);
    let (to, next, alive, waited) = (TO, R1, CLOSED, WAITED);
    assert_eq!(
        cause,
        Cause::Path(PathCause::FilteredBetween { to, after: None, hop: 0, next, alive, waited })
    );
    assert_eq!(cause.owner(), Owner::Network(Whereabouts::AtOrBefore(R1)));
}

#[test]
fn a_silent_port_without_a_router_in_between_is_the_hosts() {
    let cause = judge(&beyond(&[], &[heard(KnockReply::Reset), silent()]), &NO_ANSWER);
    assert_eq!(
        cause,
        Cause::Path(PathCause::PortSilentOnSegment { to: TO, alive: CLOSED, waited: WAITED })
    );
    assert_eq!(cause.owner(), Owner::FarSide);
}

#[test]
fn a_silent_port_behind_nameless_routers_blames_nobody_by_name() {
    for behind in [[silent(), silent()], [silent(), heard(KnockReply::Reset)]] {
        let cause = judge(&beyond(&[], &behind), &NO_ANSWER);
        assert_eq!(
            cause,
            Cause::Path(PathCause::PortSilent { to: TO, alive: CLOSED, waited: WAITED })
        );
        assert_eq!(cause.owner(), Owner::Network(Whereabouts::Unknown));
    }
}

#[test]
fn a_silent_host_is_told_from_a_silent_port() {
    let cause = judge(&trace(&two_hops()), &NO_ANSWER);
    assert_eq!(
        cause,
        Cause::Path(PathCause::HostSilentAfter {
            to: TO,
            by: R2,
            hop: 2,
            waited: WAITED,
            beside: 0
        })
    );
    assert_eq!(
        cause.to_string(),
        "nothing of this host answers; packets get as far as 10.9.0.2 (hop 2)"
    );
}

#[test]
fn no_answer_from_anywhere_stays_no_answer() {
    assert_eq!(judge(&trace(&[]), &NO_ANSWER), NO_ANSWER);
}

#[test]
fn causes_other_than_no_answer_stay_what_they_are() {
    let closed = Cause::Port(PortCause::PortClosed { to: TO });
    assert_eq!(judge(&alive(&two_hops()), &closed), closed);
}

#[test]
fn a_port_that_answers_after_all_is_unsteady_or_closed() {
    let answers = [icmp(R1, HOP_LIMIT), heard(KnockReply::Answer), heard(KnockReply::Answer)];
    let cause = judge(&alive(&answers), &NO_ANSWER);
    assert_eq!(cause, Cause::Path(PathCause::Unsteady { to: TO, hop: 2, waited: WAITED }));
    let resets = [icmp(R1, HOP_LIMIT), heard(KnockReply::Reset)];
    assert_eq!(judge(&alive(&resets), &NO_ANSWER), Cause::Port(PortCause::PortClosed { to: TO }));
}

#[test]
fn dns_over_udp_that_answers_when_asked_again_is_not_dns_over_tcp_only() {
    let tcp_only = Cause::Dns(DnsCause::DnsTcpOnly { udp: Box::new(NO_ANSWER) });
    let answers = [icmp(R1, HOP_LIMIT), heard(KnockReply::Answer)];
    let cause = judge(&alive(&answers), &tcp_only);
    assert_eq!(cause, Cause::Path(PathCause::Unsteady { to: TO, hop: 2, waited: WAITED }));
    let cause = judge(&trace(&two_hops()), &tcp_only);
    assert_eq!(cause.code(), "dns-tcp-only");
}

#[test]
fn a_refusal_met_on_the_way_is_the_cause() {
    let prohibited = Icmp::V4 { kind: 3, code: 13 };
    let cause = judge(&trace(&[icmp(R1, HOP_LIMIT), icmp(R2, prohibited)]), &NO_ANSWER);
    assert_eq!(cause, Cause::Path(PathCause::PathRejected { to: TO, by: R2, icmp: prohibited }));
    let cause = judge(&trace(&[icmp(R1, HOP_LIMIT), icmp(HOST, prohibited)]), &NO_ANSWER);
    assert_eq!(cause, Cause::Path(PathCause::TargetRejected { to: TO, icmp: prohibited }));
}

#[test]
fn a_udp_port_that_the_host_calls_closed_is_closed() {
    let mut trace = trace(&[icmp(HOST, Icmp::V4 { kind: 3, code: 3 })]);
    trace.transport = Transport::Udp;
    assert_eq!(judge(&trace, &NO_ANSWER), Cause::Port(PortCause::PortClosed { to: TO }));
}

#[test]
fn only_the_hosts_own_address_is_a_sign_of_life() {
    let unreachable = Icmp::V4 { kind: 3, code: 3 };
    let rejected = Icmp::V4 { kind: 3, code: 10 };
    let others = others();
    let sign = |at: usize, knocked: Knocked| others[at].sign_of_life(knocked.heard.unwrap().0);
    let udp = others.len() - 1;
    let closed = HostAnswer::Closed { transport: Transport::Udp, port: ALIVE_UDP };
    assert_eq!(sign(udp, icmp(HOST, unreachable)), Some(closed));
    assert_eq!(sign(udp, icmp(R1, unreachable)), None);
    assert_eq!(sign(0, icmp(HOST, rejected)), Some(HostAnswer::Rejected { icmp: rejected }));
    assert_eq!(sign(0, icmp(R2, Icmp::V4 { kind: 3, code: 1 })), None);
    assert_eq!(sign(0, icmp(HOST, HOP_LIMIT)), None);
    assert_eq!(sign(3, heard(KnockReply::Answer)), Some(HostAnswer::Ping));
    let ping_rejected = Some(HostAnswer::Rejected { icmp: unreachable });
    assert_eq!(sign(3, icmp(HOST, unreachable)), ping_rejected);
    let open = HostAnswer::Open { transport: Transport::Tcp, port: 443 };
    assert_eq!(sign(0, heard(KnockReply::Answer)), Some(open));
}

#[test]
fn the_port_in_question_is_not_asked_as_another() {
    let ports = |to: SocketAddr, transport| -> Vec<u16> {
        PathQuestion::others(to, None, transport).iter().map(|other| other.to.port()).collect()
    };
    assert_eq!(ports((HOST, 443).into(), Transport::Tcp), [80, 22, 0, ALIVE_UDP]);
    assert_eq!(ports((HOST, 443).into(), Transport::Udp), [443, 80, 22, 0, ALIVE_UDP]);
    assert_eq!(ports((HOST, ALIVE_UDP).into(), Transport::Udp), [443, 80, 22, 0]);
}

#[test]
fn a_whole_silent_wave_or_the_farthest_hop_ends_the_sweep() {
    assert!(trace(&two_hops()).may_go_on());
    assert!(!trace(&[]).may_go_on());
    let mut far = trace(&[icmp(R1, HOP_LIMIT); 8]);
    assert!(far.may_go_on());
    far.add((9..=16).map(|ttl| (ttl, silent())).collect());
    assert!(!far.may_go_on());
    let mut farthest = trace(&[]);
    farthest.add((9..=FARTHEST).map(|ttl| (ttl, icmp(R2, HOP_LIMIT))).collect());
    assert!(!farthest.may_go_on());
}

#[test]
fn all_packets_together_are_no_more_than_thirty() {
    assert_eq!(usize::from(FARTHEST) + others().len() + 2, 30);
}

#[test]
fn the_trail_is_noted_up_to_the_last_device_that_named_itself() {
    let mut evidence = Evidence::default();
    alive(&[icmp(R1, HOP_LIMIT), silent(), icmp(R2, HOP_LIMIT)]).note(&mut evidence);
    let fact = |name| evidence.fact(name).unwrap().to_string();
    assert_eq!(fact("path"), "1 10.2.0.1 0.1 ms, 2 -, 3 10.9.0.2 0.1 ms");
    assert_eq!(fact("host_answers"), "TCP 443 is closed");
    assert_eq!(fact("path_packets"), "9");
}

#[tokio::test]
async fn a_service_that_answers_after_all_ends_the_examination_at_once() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        let (length, client) = server.recv_from(&mut [0; 9]).unwrap();
        server.send_to(b"!", client).unwrap();
        length
    });
    let deadline = Deadline::after(Duration::from_secs(9));
    let trace = examine_path(to, None, Transport::Udp, Some(b"?"), deadline).await;
    assert_eq!(answer.await.unwrap(), 1);
    assert!(trace.reached_port.is_some(), "{trace:?}");
    assert!(trace.packets <= 13, "{trace:?}");
}
