use std::net::IpAddr;

use super::*;
use crate::cause::{DnsCause, NtpCause, PathCause, PortCause, RouteCause, WebCause};

#[test]
fn skew_says_which_way_and_how_much() {
    let ahead = Cause::Ntp(NtpCause::ClockOffset { offset_ms: -612, limit_ms: 500 });
    assert_eq!(ahead.to_string(), "this host's clock is 612 ms ahead (limit 500 ms)");
    let behind = Cause::Ntp(NtpCause::ClockOffset { offset_ms: 3_599_990, limit_ms: 500 });
    assert_eq!(behind.to_string(), "this host's clock is 3599.9 s behind (limit 500 ms)");
}

#[test]
fn only_the_targets_own_no_counts_as_path_open() {
    let to = ([192, 0, 2, 1], 5669).into();
    let icmp = Icmp::V4 { kind: 3, code: 13 };
    assert!(Cause::Port(PortCause::PortClosed { to }).is_path_open());
    assert!(!Cause::Path(PathCause::TargetRejected { to, icmp }).is_path_open());
    assert!(
        !Cause::Path(PathCause::PathRejected { to, by: [192, 0, 2, 9].into(), icmp })
            .is_path_open()
    );
}

#[test]
fn a_silence_is_explained_by_what_this_host_drops_and_nothing_else_is() {
    let (to, waited) = (([192, 0, 2, 1], 3128).into(), Millis(std::time::Duration::from_secs(4)));
    let silence = Cause::Path(PathCause::NoAnswer { to, phase: Phase::Connect, waited });
    let how = DropSign::Rule;
    let dropped = Cause::Route(RouteCause::ReplyDroppedHere { to, how, waited });
    assert_eq!(silence.dropped_here(how), dropped);
    assert_eq!(dropped.owner(), Owner::ThisHost);
    let proxy = "http://192.0.2.1:3128".to_owned();
    let because = Box::new(silence.clone());
    let behind = Cause::Web(WebCause::ProxyUnreachable { proxy, because });
    let Cause::Web(WebCause::ProxyUnreachable { because, .. }) = behind.dropped_here(how) else {
        panic!("it stays the proxy's")
    };
    assert_eq!(*because, dropped);
    let closed = Cause::Port(PortCause::PortClosed { to });
    assert_eq!(closed.dropped_here(how), closed);
}

#[test]
fn the_device_that_said_no_is_the_networks() {
    let by = IpAddr::from([10, 9, 0, 1]);
    let cause = Cause::Path(PathCause::PathRejected {
        to: ([192, 0, 2, 1], 5669).into(),
        by,
        icmp: Icmp::V4 { kind: 3, code: 13 },
    });
    assert_eq!(cause.owner(), Owner::Network(Whereabouts::At(by)));
    assert_eq!(cause.to_string(), "rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)");
}

#[test]
fn the_network_is_asked_for_something_against_every_cause_of_its_own() {
    for cause in samples::causes() {
        let is_asked = cause.plea() != Plea::Nothing;
        let is_theirs = matches!(cause.owner(), Owner::Network(_));
        let is_a_firewalls = matches!(cause.plea(), Plea::Allow { .. });
        assert!(is_asked == (is_theirs || is_a_firewalls), "{}", cause.code());
    }
}

#[test]
fn a_rule_of_a_cause_within_a_cause_is_for_the_transport_that_fails() {
    let to = ([10, 0, 0, 53], 53).into();
    let rejected = || {
        let (by, icmp) = ([10, 9, 0, 1].into(), Icmp::V4 { kind: 3, code: 13 });
        Box::new(Cause::Path(PathCause::PathRejected { to, by, icmp }))
    };
    let udp = Cause::Dns(DnsCause::DnsTcpOnly { udp: rejected() });
    assert_eq!(udp.plea(), Plea::Allow { over: Some(Transport::Udp) });
    let tcp =
        Cause::Dns(DnsCause::DnsTruncated { question: "a.example".to_owned(), tcp: rejected() });
    assert_eq!(tcp.plea(), Plea::Allow { over: Some(Transport::Tcp) });
    let closed = Cause::Dns(DnsCause::DnsTcpOnly {
        udp: Box::new(Cause::Port(PortCause::PortClosed { to })),
    });
    assert_eq!((closed.plea(), closed.owner()), (Plea::Nothing, Owner::FarSide));
}
