//! Tests: is each cause and concern had back from exactly what it serialises to?

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde_json::Value;
use strum::IntoEnumIterator;

use super::*;
use crate::cause::{DnsCause, PathCause};

/// Holds for one that comes back as itself.
#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(one: &T) -> Value {
    let saved = serde_json::to_string(one).unwrap();
    let back: T = serde_json::from_str(&saved).unwrap_or_else(|error| panic!("{error}: {saved}"));
    assert_eq!(&back, one, "{saved}");
    serde_json::from_str(&saved).unwrap()
}

#[test]
fn every_cause_comes_back_from_what_it_was_saved_as() {
    let causes = samples::causes();
    let codes: BTreeSet<&str> = causes.iter().map(Cause::code).collect();
    assert_eq!(codes, Cause::codes().collect());
    for cause in causes {
        comes_back(&cause);
    }
}

#[test]
fn every_concern_comes_back_from_what_it_was_saved_as() {
    let concerns = samples::concerns();
    let codes: BTreeSet<ConcernCode> = concerns.iter().map(ConcernCode::from).collect();
    assert_eq!(codes, ConcernCode::iter().collect());
    for concern in concerns {
        comes_back(&concern);
    }
}

#[test]
fn a_cause_within_a_cause_keeps_its_facts_and_its_owner() {
    let by = IpAddr::from([10, 9, 0, 1]);
    let icmp = Icmp::V4 { kind: 3, code: 13 };
    let rejected =
        Cause::Path(PathCause::PathRejected { to: ([10, 0, 0, 53], 53).into(), by, icmp });
    let saved = comes_back(&Cause::Dns(DnsCause::DnsTcpOnly { udp: Box::new(rejected.clone()) }));
    assert_eq!(saved["facts"]["because"]["code"], "path-rejected");
    assert_eq!(saved["facts"]["because"]["facts"]["by"], by.to_string());
    let back: Cause = serde_json::from_value(saved).unwrap();
    assert_eq!(back.owner(), Owner::Network(Whereabouts::At(by)));
}

#[test]
fn times_come_back_to_the_microsecond_and_no_impossible_ones() {
    for micros in [0, 1, 447, 4_000_123, 86_400_000_001] {
        comes_back(&Millis(std::time::Duration::from_micros(micros)));
    }
    for impossible in ["-1", "1e300", "null", "\"4 s\""] {
        assert!(serde_json::from_str::<Millis>(impossible).is_err(), "{impossible}");
    }
}
