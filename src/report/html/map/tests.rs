//! What is drawn, before it is drawn.

use std::net::SocketAddr;

use preflight_checks::{Cause, Coded, NameCause, OwnCause, PathCause, PortCause};
use serde_json::json;

use super::*;
use crate::report::html::tests::{asked, page, rejected, report, step};
use crate::report::model::{UnreadCause, Why};
use crate::run::finding::REACHED_FROM;

fn of(steps: Vec<StepReport>, look: impl FnOnce(&Map<'_>)) {
    look(&Map::new(&report(steps)));
}

#[test]
fn a_device_on_a_known_path_ends_the_arrow_there() {
    let mut traced = rejected(asked(step("poller.bbdo"), "10.0.0.5", 5669), "10.9.0.1");
    let path = json!([
        { "hop": 1, "address": "10.2.0.1", "rtt_ms": 0.3 }, { "hop": 2 },
        { "hop": 3, "address": "10.9.0.1", "rtt_ms": 1.2 }, { "hop": 4 },
    ]);
    traced.evidence.insert("path".to_owned(), path);
    of(vec![traced], |map| {
        let arrow = &map.peers[0].arrows[0];
        let [near, far] = [[10, 2, 0, 1], [10, 9, 0, 1]].map(|by| Some(IpAddr::from(by)));
        assert_eq!(arrow.hops(), [near, None, far, None]);
        assert_eq!(arrow.end(), MapEnd::Hop(2));
        assert_eq!((arrow.status().as_str(), arrow.reason()), ("fails", REJECTED));
    });
}

const REJECTED: &str = "rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)";

#[test]
fn a_device_without_a_path_is_a_hop_of_its_own() {
    of(vec![rejected(asked(step("poller.bbdo"), "10.0.0.5", 5669), "10.9.0.1")], |map| {
        let arrow = &map.peers[0].arrows[0];
        assert_eq!(arrow.hops(), [Some(IpAddr::from([10, 9, 0, 1]))]);
        assert_eq!(arrow.end(), MapEnd::Hop(0));
    });
}

#[test]
fn without_a_device_the_owner_tells_where_the_arrow_ends() {
    let ends = |why: Why| {
        let mut step = rejected(asked(step("poller.bbdo"), "10.0.0.5", 5669), "10.9.0.1");
        let cause = step.cause.as_mut().unwrap();
        (cause.owner, cause.why) = (why.owner(), why);
        Map::new(&report(vec![step])).peers[0].arrows[0].end()
    };
    let to = SocketAddr::from(([10, 0, 0, 5], 5669));
    let unread = UnreadCause {
        coded: Coded { code: "path-of-tomorrow".to_owned(), ..Coded::default() },
        layer: "path".to_owned(),
        owner: "this-host".to_owned(),
        device: Some("10.9.0.1".to_owned()),
    };
    let owners = [
        Why::Cause(Cause::Name(NameCause::NoNameServer { name: "a.example".to_owned() })),
        Why::Cause(Cause::Path(PathCause::Unreachable { to, error: "no route".to_owned() })),
        Why::Cause(Cause::Port(PortCause::PortClosed { to })),
        Why::Cause(Cause::Own(OwnCause::Interrupted)),
        // Nothing is concluded from what another version said.
        Why::Unread(unread),
    ];
    let ends = owners.map(ends);
    assert_eq!(
        ends,
        [MapEnd::Here, MapEnd::Between, MapEnd::There, MapEnd::Between, MapEnd::Between]
    );
}

#[test]
fn who_calls_us_is_the_one_we_call() {
    let central = Party("central".to_owned());
    let out = StepReport { to: central.clone(), ..asked(step("poller.bbdo"), "10.0.0.5", 5669) };
    let mut back = asked(step("central.zmq"), "*", 5556);
    (back.direction, back.from) = (Direction::Inbound, central);
    of(vec![back, out], |map| {
        assert_eq!(map.peers.len(), 1);
        assert_eq!(map.peers[0].name, "10.0.0.5");
        let inbound: Vec<bool> = map.peers[0].arrows.iter().map(|arrow| arrow.is_inbound).collect();
        assert_eq!(inbound, [true, false]);
    });
}

#[test]
fn a_way_that_the_other_end_has_proved_is_not_called_untested() {
    let mut back = asked(step("central.zmq"), "*", 5556);
    (back.direction, back.from) = (Direction::Inbound, Party("central".to_owned()));
    let mut proved = back.clone();
    proved.evidence.insert(REACHED_FROM.to_owned(), "10.0.0.5".into());
    for (step, status, is_untested) in
        [(back, "listens; way not tested", true), (proved, "works, as both ends saw", false)]
    {
        of(vec![step], |map| {
            let arrow = &map.peers[0].arrows[0];
            assert_eq!((arrow.status().as_str(), arrow.is_untested()), (status, is_untested));
        });
    }
}

#[test]
fn many_devices_are_their_subnets_and_the_worst_speaks() {
    let mut steps: Vec<StepReport> =
        (1..=20).map(|n| asked(step("poller.snmp"), &format!("10.1.{}.{n}", n % 2), 161)).collect();
    steps[3] = rejected(steps[3].clone(), "10.9.0.1");
    of(steps, |map| {
        let seen: Vec<(&str, String)> =
            map.peers.iter().map(|peer| (peer.name.as_str(), peer.arrows[0].status())).collect();
        let wanted = [("10.1.1.0/24", "all 10 pass"), ("10.1.0.0/24", "1 fail, 9 pass")];
        assert_eq!(seen, wanted.map(|(name, status)| (name, status.to_owned())));
    });
}

#[test]
fn what_has_no_room_is_counted_and_the_gravest_stay() {
    let steps = (0..100).map(|n| {
        let step = asked(step(&format!("custom.{n}")), &format!("h{n}"), 1);
        if n >= 70 { rejected(step, "10.9.0.1") } else { step }
    });
    of(steps.collect(), |map| {
        assert_eq!((map.peers.len(), map.left_out), (ARROWS, 60));
        let failed = map.peers.iter().filter(|peer| peer.arrows[0].outcome() == Outcome::Fail);
        assert_eq!(failed.count(), 30);
    });
}

#[test]
fn what_was_not_asked_is_named_below() {
    let skipped = StepReport { outcome: Outcome::Skip, ..step("poller.nsclient") };
    let page = page(&report(vec![asked(step("poller.snmp"), "10.0.0.1", 161), skipped]));
    assert!(page.contains("Not asked, and not drawn: poller.nsclient."));
}

#[test]
fn the_drawing_says_in_words_what_it_shows() {
    let page =
        page(&report(vec![rejected(asked(step("poller.snmp"), "10.0.0.1", 161), "10.9.0.1")]));
    let words = "poller.snmp to device 10.0.0.1 161/udp: fails (rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)), at 10.9.0.1.";
    assert_eq!(page.matches(words).count(), 2);
}
