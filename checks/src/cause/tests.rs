use super::*;

#[test]
fn skew_says_which_way_and_how_much() {
    let ahead = Cause::ClockOffset { offset_ms: -612, limit_ms: 500 };
    assert_eq!(ahead.to_string(), "this host's clock is 612 ms ahead (limit 500 ms)");
    let behind = Cause::ClockOffset { offset_ms: 3_599_990, limit_ms: 500 };
    assert_eq!(behind.to_string(), "this host's clock is 3599.9 s behind (limit 500 ms)");
}

#[test]
fn only_the_targets_own_no_counts_as_path_open() {
    let to = ([192, 0, 2, 1], 5669).into();
    let icmp = Icmp::V4 { kind: 3, code: 13 };
    assert!(Cause::PortClosed { to }.is_path_open());
    assert!(!Cause::TargetRejected { to, icmp }.is_path_open());
    assert!(!Cause::PathRejected { to, by: [192, 0, 2, 9].into(), icmp }.is_path_open());
}

#[test]
fn a_silence_is_explained_by_what_this_host_drops_and_nothing_else_is() {
    let (to, waited) = (([192, 0, 2, 1], 3128).into(), Millis(std::time::Duration::from_secs(4)));
    let silence = Cause::NoAnswer { to, phase: Phase::Connect, waited };
    let how = DropSign::Rule;
    let dropped = Cause::ReplyDroppedHere { to, how, waited };
    assert_eq!(silence.dropped_here(how), dropped);
    assert_eq!(dropped.owner(), Owner::ThisHost);
    let proxy = "http://192.0.2.1:3128".to_owned();
    let because = Box::new(silence.clone());
    let behind = Cause::ProxyUnreachable { proxy, reason: silence.to_string(), because };
    let Cause::ProxyUnreachable { reason, because, .. } = behind.dropped_here(how) else {
        panic!("it stays the proxy's")
    };
    assert_eq!((reason, *because), (dropped.to_string(), dropped));
    let closed = Cause::PortClosed { to };
    assert_eq!(closed.dropped_here(how), closed);
}

#[test]
fn the_device_that_said_no_is_the_networks() {
    let by = IpAddr::from([10, 9, 0, 1]);
    let cause = Cause::PathRejected {
        to: ([192, 0, 2, 1], 5669).into(),
        by,
        icmp: Icmp::V4 { kind: 3, code: 13 },
    };
    assert_eq!(cause.owner(), Owner::Network { device: Some(by) });
    assert_eq!(cause.to_string(), "rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)");
}
