//! Every service against its own responder half, and against every bad peer.
//!
//! Walks `SERVICES`: a new protocol is covered the moment it has a row there.

use std::time::Duration;

use crate::common::{Bad, ask, bad_peer, healthy_peer};
use preflight_checks::{Cause, PortCause, Respond, SERVICES, Service, Transport};

/// Services that speak and listen: a bare connect does neither.
fn conversations() -> impl Iterator<Item = &'static &'static Service> {
    SERVICES.iter().filter(|service| service.transport == Transport::Tcp && service.name != "tcp")
}

/// Services that answer whoever asks.
fn answering() -> impl Iterator<Item = &'static &'static Service> {
    SERVICES.iter().filter(|service| !matches!(service.respond, Respond::Nobody))
}

#[tokio::test]
async fn each_service_passes_against_its_own_far_side() {
    for service in answering() {
        let far = healthy_peer(service).await;
        let finding = ask(service, &far, Duration::from_secs(10)).await;
        assert_eq!(finding.verdict, Ok(()), "{}: {:#?}", service.name, finding.seen);
        assert_ne!(finding.seen.headline, "", "{} has a headline", service.name);
    }
}

#[tokio::test]
async fn a_closed_port_is_named_by_every_service() {
    for service in SERVICES.iter().filter(|service| service.transport.has_ports()) {
        let far = bad_peer(service, Bad::Absent).await;
        let finding = ask(service, &far, Duration::from_secs(10)).await;
        let closed = Cause::Port(PortCause::PortClosed { to: far.address });
        assert_eq!(finding.verdict, Err(closed), "{}", service.name);
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_told_from_a_silent_one() {
    for service in conversations() {
        let far = bad_peer(service, Bad::HangsUp).await;
        let cause = ask(service, &far, Duration::from_secs(10)).await.verdict.unwrap_err();
        let expected = ["hung-up", "reset", "tls-closed", "ssh-closed", "agent-not-allowed"];
        assert!(expected.contains(&cause.code()), "{}: {cause:?}", service.name);
    }
}

/// How long a silent peer may hold `service` up: its budget, and what a busy machine adds.
///
/// Over TCP a silence after the connection is looked into: the question is asked again as usual and
/// with small packets, to tell a path that carries no large ones.
fn longest(service: &Service, budget: Duration) -> Duration {
    const WITH_SMALL_PACKETS: Duration = Duration::from_millis(4_500);
    match service.transport {
        Transport::Tcp => budget * 3 + WITH_SMALL_PACKETS,
        Transport::Udp | Transport::Icmp => budget * 3,
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline_with_its_own_cause() {
    let budget = Duration::from_millis(700);
    let talking = answering().filter(|service| service.name != "tcp");
    let asked = talking.map(|service| async move {
        let far = bad_peer(service, Bad::Silent).await;
        (service, ask(service, &far, budget).await)
    });
    for (service, finding) in futures_util::future::join_all(asked).await {
        let cause = finding.verdict.unwrap_err();
        let expected = match service.transport {
            Transport::Tcp => &["silent", "smtp-greeting-late"][..],
            Transport::Udp | Transport::Icmp => &["no-answer", "snmp-silent"],
        };
        assert!(expected.contains(&cause.code()), "{}: {cause:?}", service.name);
        assert!(
            finding.took < longest(service, budget),
            "{} took {:?}",
            service.name,
            finding.took
        );
    }
}

#[tokio::test]
async fn garbage_never_passes() {
    let talking = answering().filter(|service| service.name != "tcp");
    let asked = talking.map(|service| async move {
        let far = bad_peer(service, Bad::Garbage).await;
        (service, ask(service, &far, Duration::from_millis(1_500)).await)
    });
    for (service, finding) in futures_util::future::join_all(asked).await {
        let cause = finding.verdict.unwrap_err();
        let expected = [
            "bad-reply",
            "wrong-service",
            "tls-refused",
            "endless",
            "no-answer",
            "snmp-silent",
            "incomplete",
            "hung-up",
        ];
        assert!(expected.contains(&cause.code()), "{}: {cause:?}", service.name);
    }
}

#[tokio::test]
async fn another_service_is_named() {
    for service in conversations() {
        let (bad, word) = match service.name {
            "ssh" => (Bad::Http, "HTTP"),
            _ => (Bad::Ssh, "SSH"),
        };
        let far = bad_peer(service, bad).await;
        let cause = ask(service, &far, Duration::from_secs(10)).await.verdict.unwrap_err();
        assert_eq!(cause.code(), "wrong-service", "{}: {cause:?}", service.name);
        assert!(cause.to_string().contains(word), "{}: {cause}", service.name);
    }
}

#[tokio::test]
async fn one_byte_at_a_time_ends_at_the_deadline() {
    let budget = Duration::from_millis(900);
    let streams = conversations();
    let asked = streams.map(|service| async move {
        let far = bad_peer(service, Bad::Drip).await;
        (service, ask(service, &far, budget).await)
    });
    for (service, finding) in futures_util::future::join_all(asked).await {
        assert!(finding.verdict.is_err(), "{}", service.name);
        assert!(
            finding.took < longest(service, budget),
            "{} took {:?}",
            service.name,
            finding.took
        );
    }
}

#[tokio::test]
async fn a_flood_is_read_to_its_bound_only() {
    for service in conversations() {
        let far = bad_peer(service, Bad::Flood).await;
        let finding = ask(service, &far, Duration::from_secs(3)).await;
        assert!(finding.verdict.is_err(), "{}", service.name);
        let sent = far.sent();
        assert!(sent < 16 << 20, "{} read {sent} bytes", service.name);
    }
}
