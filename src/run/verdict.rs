//! From what was found to what it means: pure, one step at a time.

use preflight_checks::{
    Cause, Concern, Evidence, Layer, LocalRoute, OwnCause, PortCause, RouteCause, Seen, Timings,
    TlsCause, Value,
};

use crate::run::finding::{Attempt, Found};
use crate::run::outcome::Outcome;
use crate::run::plan::{Direction, Question};

/// What a step's findings amount to.
#[derive(Clone, Debug)]
pub(crate) struct Conclusion {
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// Why it failed, or would after installation.
    pub(crate) cause: Option<Cause>,
    /// What passes today and will hurt.
    pub(crate) concerns: Vec<Concern>,
    /// The text of a pass.
    pub(crate) headline: String,
    /// Facts of the attempt that decided.
    pub(crate) evidence: Evidence,
    /// What the attempt that decided took.
    pub(crate) timings: Timings,
    /// Index of that attempt.
    pub(crate) decided_by: Option<usize>,
}

/// Judges one step; `may_wait`: a closed port is what to expect, as nothing is installed yet.
pub(crate) fn conclude(
    question: &Question,
    direction: Direction,
    found: &Found,
    may_wait: bool,
) -> Conclusion {
    if let Some(cause) = &found.unresolved {
        return failed(cause.clone(), None, found, direction, may_wait);
    }
    let mut counted = routable(&found.attempts);
    // What may be on another port says nothing of the one that was asked, unless it answers there.
    counted.retain(|(_, attempt)| attempt.way < question.ways.len() || passes(attempt));
    let groups = by_address(&counted);
    let best: Vec<usize> = groups.iter().filter_map(|group| best_of(group)).collect();
    let passed = |&&index: &&usize| attempt(found, index).is_some_and(passes);
    let asked = question.ways.len();
    if let Some(&elsewhere) = best.iter().find(|&&index| {
        attempt(found, index).is_some_and(|attempt| attempt.way >= asked && passes(attempt))
    }) {
        return found_elsewhere(question, found, elsewhere, direction, may_wait);
    }
    // One open address is enough where all must be closed.
    let refuted = |index: &usize| match &attempt(found, *index)?.finding.verdict {
        Err(cause @ Cause::Port(PortCause::PortOpen { .. } | PortCause::ClosedUntold { .. })) => {
            Some((*index, cause.clone()))
        }
        _ => None,
    };
    let refuted = best.iter().filter_map(refuted);
    let worst =
        refuted.max_by_key(|(_, cause)| matches!(cause, Cause::Port(PortCause::PortOpen { .. })));
    if let Some((index, cause)) = worst {
        return failed(cause, Some(index), found, direction, may_wait);
    }
    match best.iter().find(passed) {
        Some(&index) => works(question, found, index, &best),
        None => nothing_works(found, &best, direction, may_wait),
    }
}

fn passes(attempt: &Attempt) -> bool {
    attempt.finding.verdict.is_ok()
}

fn attempt(found: &Found, index: usize) -> Option<&Attempt> {
    found.attempts.get(index)
}

/// Attempts that say something: an address family this machine has no route
/// for at all says nothing about the peer, as long as another family does.
fn routable(attempts: &[Attempt]) -> Vec<(usize, &Attempt)> {
    let is_unroutable = |attempt: &Attempt| {
        matches!(
            attempt.finding.verdict,
            Err(Cause::Route(RouteCause::NoRoute {
                route: LocalRoute::Missing | LocalRoute::Ipv6Off,
                ..
            }))
        )
    };
    let all = attempts.iter().enumerate();
    if attempts.iter().all(is_unroutable) {
        return all.collect();
    }
    all.filter(|(_, attempt)| !is_unroutable(attempt)).collect()
}

/// One group an address: its ways.
fn by_address<'a>(attempts: &[(usize, &'a Attempt)]) -> Vec<Vec<(usize, &'a Attempt)>> {
    let mut groups: Vec<Vec<(usize, &Attempt)>> = Vec::new();
    for &(index, attempt) in attempts {
        let address = attempt.finding.peer.address.ip();
        let same = |group: &&mut Vec<(usize, &Attempt)>| {
            group.first().is_some_and(|(_, first)| first.finding.peer.address.ip() == address)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push((index, attempt)),
            None => groups.push(vec![(index, attempt)]),
        }
    }
    groups
}

/// The way that works, else the one that came furthest: its cause is the one
/// whose repair makes the flow work.
fn best_of(group: &[(usize, &Attempt)]) -> Option<usize> {
    let rank = |attempt: &Attempt| match &attempt.finding.verdict {
        // Somebody reads along, whatever another way says.
        Err(Cause::Tls(TlsCause::TlsIntercepted { .. })) => (3, 0),
        // Without concerns before with.
        Ok(()) => (2, u8::from(attempt.finding.seen.concerns.is_empty())),
        Err(cause) => (u8::from(!cause.is_inconclusive()), cause.layer() as u8),
    };
    // The first of equals: the catalogue's order is the order of preference.
    let best = group.iter().rev().max_by_key(|(_, attempt)| rank(attempt))?;
    Some(best.0)
}

fn works(question: &Question, found: &Found, index: usize, best: &[usize]) -> Conclusion {
    let Seen { headline, mut evidence, mut concerns, timings, .. } =
        attempt(found, index).map(|attempt| attempt.finding.seen.clone()).unwrap_or_default();
    let failures: Vec<String> = best
        .iter()
        .filter_map(|&index| attempt(found, index))
        .filter_map(|attempt| {
            let cause = attempt.finding.verdict.as_ref().err()?;
            Some(format!("{}: {cause}", attempt.finding.peer.address.ip()))
        })
        .collect();
    if !failures.is_empty() {
        concerns.push(Concern::SomeAddressesFail { failed: failures, of: best.len() });
    }
    concerns.extend(attempt(found, index).and_then(|works| other_way(question, found, works)));
    note_untried(found, &mut evidence);
    Conclusion {
        outcome: if concerns.is_empty() { Outcome::Pass } else { Outcome::Warn },
        cause: None,
        concerns,
        headline,
        evidence,
        timings,
        decided_by: Some(index),
    }
}

/// A way to the same address on which somebody answers who is not what was asked for.
///
/// A port that is closed or blocked is what the other way is there for.
fn other_way(question: &Question, found: &Found, works: &Attempt) -> Option<Concern> {
    let address = works.finding.peer.address.ip();
    let there = found.attempts.iter().filter(|it| it.finding.peer.address.ip() == address);
    let mut failing = there.filter_map(|it| Some((it, it.finding.verdict.as_ref().err()?)));
    let (attempt, cause) = failing.find(|(_, cause)| cause.layer() >= Layer::Tls)?;
    let asked = question.ways.get(attempt.way)?;
    let way = format!("{} {}", asked.protocol, attempt.finding.peer.address.port());
    Some(Concern::OtherWayFails { way, failed: cause.to_string() })
}

/// Addresses this machine has no route for, so that nobody wonders.
fn note_untried(found: &Found, evidence: &mut Evidence) {
    let counted: Vec<usize> = routable(&found.attempts).iter().map(|(index, _)| *index).collect();
    let untried: Vec<String> = found
        .attempts
        .iter()
        .enumerate()
        .filter(|(index, _)| !counted.contains(index))
        .map(|(_, attempt)| attempt.finding.peer.address.ip().to_string())
        .collect();
    if !untried.is_empty() {
        evidence.set("no_route_here_to", untried.into_iter().collect::<Value>());
    }
}

fn nothing_works(
    found: &Found,
    best: &[usize],
    direction: Direction,
    may_wait: bool,
) -> Conclusion {
    let candidates: Vec<(usize, &Attempt)> =
        best.iter().filter_map(|&index| Some((index, attempt(found, index)?))).collect();
    let index = best_of(&candidates);
    let cause = index
        .and_then(|index| attempt(found, index)?.finding.verdict.clone().err())
        .unwrap_or(Cause::Own(OwnCause::Interrupted));
    failed(cause, index, found, direction, may_wait)
}

/// The port was only the profile's, and the service answers on its own default.
fn found_elsewhere(
    question: &Question,
    found: &Found,
    elsewhere: usize,
    direction: Direction,
    may_wait: bool,
) -> Conclusion {
    let asked = question.ways.first().map_or(0, |asked| asked.port);
    let port = question.also_try.as_ref().map_or(0, |asked| asked.port);
    let because = found
        .attempts
        .iter()
        .find_map(|attempt| attempt.finding.verdict.as_ref().err())
        .map_or_else(String::new, ToString::to_string);
    let cause = Cause::Port(PortCause::FoundOnOtherPort {
        asked,
        found: port,
        why: question.also_why.clone(),
        because,
    });
    failed(cause, Some(elsewhere), found, direction, may_wait)
}

fn failed(
    cause: Cause,
    decided_by: Option<usize>,
    found: &Found,
    direction: Direction,
    may_wait: bool,
) -> Conclusion {
    let seen = decided_by
        .and_then(|index| attempt(found, index))
        .map(|attempt| attempt.finding.seen.clone())
        .unwrap_or_default();
    let is_early = may_wait && cause.is_path_open();
    let mut concerns = seen.concerns;
    let outcome = if is_early {
        concerns.push(match direction {
            Direction::Outbound => Concern::PathOpen { cause: Box::new(cause.clone()) },
            Direction::Inbound | Direction::Local => {
                Concern::NothingListensYet { cause: Box::new(cause.clone()) }
            }
        });
        Outcome::Warn
    } else if cause.is_inconclusive() {
        Outcome::Unknown
    } else {
        Outcome::Fail
    };
    let mut evidence = seen.evidence;
    note_untried(found, &mut evidence);
    Conclusion {
        outcome,
        cause: Some(cause).filter(|_| !is_early),
        concerns,
        // What came through all the same says more than the port that is closed.
        headline: if is_early { seen.headline } else { String::new() },
        evidence,
        timings: seen.timings,
        decided_by,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::time::Duration;

    use super::*;
    use crate::run::plan::Asked;
    use crate::site::{Find, Origin};
    use preflight_checks::{Finding, Icmp, Peer, Probe, Transport, tcp};
    use preflight_checks::{PathCause, SmtpCause, SnmpCause};

    fn question(ports: &[u16]) -> Question {
        let asked = |&port: &u16| Asked {
            protocol: "tcp",
            transport: Transport::Tcp,
            port,
            port_origin: Origin::Profile,
            probe: Probe::Tcp(tcp::Probe::default()),
        };
        Question {
            host: "peer".to_owned(),
            target: "peer".to_owned(),
            origin: Origin::Profile,
            seen_as: None,
            source: None,
            exempt: None,
            vpn: None,
            find: Find::Host,
            family: None,
            ways: ports.iter().map(asked).collect(),
            also_try: None,
            also_why: None,
        }
    }

    fn attempt(way: usize, address: SocketAddr, verdict: Result<(), Cause>) -> Attempt {
        let seen = Seen { headline: format!("way {way}"), ..Seen::default() };
        let took = Duration::from_millis(1);
        let peer = Peer::from(address);
        Attempt { way, finding: Finding { peer, source: None, verdict, seen, took, words: None } }
    }

    fn found(attempts: Vec<Attempt>) -> Found {
        Found { attempts, ..Found::default() }
    }

    fn judged(ports: &[u16], attempts: Vec<Attempt>, may_wait: bool) -> Conclusion {
        conclude(&question(ports), Direction::Outbound, &found(attempts), may_wait)
    }

    const ONE: ([u8; 4], u16) = ([192, 0, 2, 1], 636);
    const TWO: ([u8; 4], u16) = ([192, 0, 2, 2], 636);

    fn rejected(to: SocketAddr) -> Cause {
        Cause::Path(PathCause::PathRejected {
            to,
            by: IpAddr::from([10, 9, 0, 1]),
            icmp: Icmp::V4 { kind: 3, code: 13 },
        })
    }

    #[test]
    fn one_way_that_works_suffices() {
        let closed = Cause::Port(PortCause::PortClosed { to: ONE.into() });
        let attempts = vec![attempt(0, ONE.into(), Err(closed)), attempt(1, ONE.into(), Ok(()))];
        let conclusion = judged(&[636, 389], attempts, false);
        assert_eq!(conclusion.outcome, Outcome::Pass);
        assert_eq!(conclusion.headline, "way 1");
    }

    #[test]
    fn a_way_that_is_answered_wrongly_is_a_concern_beside_one_that_works() {
        let attempts = || {
            vec![
                attempt(0, ONE.into(), Err(Cause::Tls(TlsCause::TrustStoreEmpty))),
                attempt(1, ONE.into(), Ok(())),
            ]
        };
        let conclusion = judged(&[443, 80], attempts(), false);
        assert_eq!(conclusion.outcome, Outcome::Warn);
        assert_eq!(conclusion.concerns[0].code(), "other-way-fails");
        assert!(conclusion.concerns[0].to_string().starts_with("works, but tcp 636 does not: "));
    }

    #[test]
    fn who_reads_along_on_one_way_spoils_the_other() {
        let issuer = "Inspection of a proxy".to_owned();
        let intercepted =
            Cause::Tls(TlsCause::TlsIntercepted { host: "portal.example".to_owned(), issuer });
        let attempts =
            vec![attempt(0, ONE.into(), Err(intercepted.clone())), attempt(1, ONE.into(), Ok(()))];
        let conclusion = judged(&[443, 80], attempts, false);
        assert_eq!((conclusion.outcome, conclusion.cause), (Outcome::Fail, Some(intercepted)));
    }

    #[test]
    fn of_two_ways_that_work_the_one_without_concerns_decides() {
        let mut plain = attempt(1, ONE.into(), Ok(()));
        plain.finding.seen.concerns.push(Concern::LdapNoStarttls);
        let attempts = vec![attempt(0, ONE.into(), Ok(())), plain];
        let conclusion = judged(&[636, 389], attempts, false);
        assert_eq!((conclusion.outcome, conclusion.decided_by), (Outcome::Pass, Some(0)));
    }

    #[test]
    fn the_way_that_came_furthest_names_the_cause() {
        let closed = Cause::Port(PortCause::PortClosed { to: ONE.into() });
        let busy = Cause::Smtp(SmtpCause::SmtpUnavailable { reply: 421, text: "busy".to_owned() });
        let attempts =
            vec![attempt(0, ONE.into(), Err(closed)), attempt(1, ONE.into(), Err(busy.clone()))];
        let conclusion = judged(&[636, 389], attempts, false);
        assert_eq!(conclusion.cause, Some(busy));
    }

    #[test]
    fn one_of_two_addresses_that_fails_is_a_concern_with_the_address() {
        let attempts =
            vec![attempt(0, ONE.into(), Ok(())), attempt(0, TWO.into(), Err(rejected(TWO.into())))];
        let conclusion = judged(&[636], attempts, false);
        assert_eq!(conclusion.outcome, Outcome::Warn);
        assert_eq!(
            conclusion.concerns[0].to_string(),
            "1 of 2 addresses fail: 192.0.2.2: rejected by 10.9.0.1 (ICMP 3/13, administratively prohibited)"
        );
    }

    #[test]
    fn a_family_without_any_route_here_says_nothing_about_the_peer() {
        let v6: SocketAddr = "[2001:db8::1]:636".parse().unwrap();
        let missing = Cause::Route(RouteCause::NoRoute { to: v6.ip(), route: LocalRoute::Missing });
        let attempts = vec![attempt(0, v6, Err(missing.clone())), attempt(0, ONE.into(), Ok(()))];
        let conclusion = judged(&[636], attempts, false);
        assert_eq!(conclusion.outcome, Outcome::Pass);
        assert_eq!(
            conclusion.evidence.fact("no_route_here_to"),
            Some(&["2001:db8::1"].iter().collect())
        );
        let alone = judged(&[636], vec![attempt(0, v6, Err(missing.clone()))], false);
        assert_eq!(alone.cause, Some(missing));
    }

    #[test]
    fn a_closed_port_is_no_failure_where_nothing_is_to_be_expected_yet() {
        let closed = Cause::Port(PortCause::PortClosed { to: ONE.into() });
        let attempts = || vec![attempt(0, ONE.into(), Err(closed.clone()))];
        let before = judged(&[636], attempts(), true);
        assert_eq!((before.outcome, before.cause), (Outcome::Warn, None));
        assert_eq!(before.concerns[0].code(), "path-open");
        let after = judged(&[636], attempts(), false);
        assert_eq!((after.outcome, after.cause), (Outcome::Fail, Some(closed.clone())));
        // A device on the way that rejects is a failure in both.
        let blocked = vec![attempt(0, ONE.into(), Err(rejected(ONE.into())))];
        assert_eq!(judged(&[636], blocked, true).outcome, Outcome::Fail);
    }

    #[test]
    fn a_service_on_the_other_port_of_its_row_is_named_with_both_and_the_rows_words() {
        let mut question = question(&[10_389]);
        question.also_why = Some("10389 is the test directory's".to_owned());
        question.also_try = question.ways.first().cloned().map(|mut asked| {
            asked.port = 10_390;
            asked
        });
        let closed = Cause::Port(PortCause::PortClosed { to: ONE.into() });
        let attempts = vec![attempt(0, ONE.into(), Err(closed)), attempt(1, ONE.into(), Ok(()))];
        let conclusion = conclude(&question, Direction::Outbound, &found(attempts), true);
        assert_eq!(conclusion.outcome, Outcome::Fail);
        let cause = conclusion.cause.unwrap();
        assert_eq!(cause.to_string(), "port 10390 answers, port 10389 does not");
        let Cause::Port(PortCause::FoundOnOtherPort { why, because, .. }) = cause else {
            panic!("{cause:?}")
        };
        assert_eq!(why, question.also_why);
        assert_eq!(because, "nothing listens on 192.0.2.1:636");
    }

    #[test]
    fn a_port_that_is_blocked_is_not_open_because_the_other_one_of_its_row_is_closed() {
        let mut question = question(&[5666]);
        question.also_try = question.ways.first().cloned();
        let closed = Cause::Port(PortCause::PortClosed { to: ONE.into() });
        let blocked = rejected(ONE.into());
        let attempts =
            vec![attempt(0, ONE.into(), Err(blocked.clone())), attempt(1, ONE.into(), Err(closed))];
        let conclusion = conclude(&question, Direction::Outbound, &found(attempts), true);
        assert_eq!((conclusion.outcome, conclusion.cause), (Outcome::Fail, Some(blocked)));
    }

    #[test]
    fn what_cannot_be_told_is_neither_pass_nor_failure() {
        let waited = preflight_checks::Millis(Duration::from_secs(4));
        let silent = Cause::Snmp(SnmpCause::SnmpSilent { to: ONE.into(), waited });
        let conclusion = judged(&[161], vec![attempt(0, ONE.into(), Err(silent))], false);
        assert_eq!(conclusion.outcome, Outcome::Unknown);
    }
}
