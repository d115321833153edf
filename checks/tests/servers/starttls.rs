//! STARTTLS and StartTLS with certificates that are trusted, and that are not.

use std::time::Duration;

use crate::common::{Far, PKI, healthy_peer};
use preflight_checks::{
    Cause, Deadline, Finding, LdapCause, Peer, Probe, SERVICES, TlsCause, Trust, examine,
};
use preflight_checks::{ldap, smtp};

async fn far(service: &str) -> Far {
    healthy_peer(SERVICES.iter().find(|known| known.name == service).unwrap()).await
}

async fn ask(probe: Probe, far: &Far, trust: Trust) -> Finding {
    let deadline = Deadline::after(Duration::from_secs(20));
    examine(&probe, Peer::from(far.address), deadline, &trust).await
}

fn trusted() -> Trust {
    Trust::only([PKI.ca.clone()])
}

fn nobody() -> Trust {
    Trust::only([])
}

fn with_password() -> Probe {
    let (dn, password) = ("cn=probe".to_owned(), "secret".into());
    let login = ldap::LdapLogin::As(ldap::Bind { dn, password, plain: false });
    Probe::Ldap(ldap::Probe { login, ..ldap::Probe::default() })
}

fn unknown_issuer() -> Cause {
    Cause::Tls(TlsCause::CertificateUnknownIssuer {
        issuer: "CN=Authority of the tests".to_owned(),
        subject: "CN=server of the tests".to_owned(),
    })
}

fn concerns(finding: &Finding) -> Vec<&'static str> {
    finding.seen.concerns.iter().map(preflight_checks::Concern::code).collect()
}

#[tokio::test]
async fn mail_goes_on_inside_tls_and_says_so() {
    let finding = ask(Probe::Smtp(smtp::Probe::default()), &far("smtp").await, trusted()).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "stand-in.example.org, STARTTLS (TLS 1.3)");
    assert_eq!(concerns(&finding), [""; 0]);
}

#[tokio::test]
async fn a_relay_nobody_trusts_is_a_concern() {
    let finding = ask(Probe::Smtp(smtp::Probe::default()), &far("smtp").await, nobody()).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(concerns(&finding), ["certificate-unverified"]);
    assert!(finding.seen.evidence.fact("certificate_issuer").is_some());
}

#[tokio::test]
async fn a_directory_nobody_trusts_is_a_concern_without_a_password() {
    let finding = ask(Probe::Ldap(ldap::Probe::default()), &far("ldap").await, nobody()).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "root DSE, StartTLS, dc=example,dc=org");
    assert_eq!(concerns(&finding), ["certificate-unverified"]);
}

#[tokio::test]
async fn a_password_is_not_sent_to_a_directory_nobody_trusts() {
    let finding = ask(with_password(), &far("ldap").await, nobody()).await;
    assert_eq!(finding.verdict, Err(unknown_issuer()));
    assert_eq!(finding.seen.evidence.fact("bind"), None);
}

#[tokio::test]
async fn a_password_the_directory_does_not_know_is_refused_inside_tls() {
    let finding = ask(with_password(), &far("ldap").await, trusted()).await;
    let cause = finding.verdict.unwrap_err();
    assert_eq!(cause.to_string(), "the directory refuses the bind: wrong name or password");
    assert!(matches!(cause, Cause::Ldap(LdapCause::LdapBindRefused { sub_code: None, .. })));
    assert!(finding.seen.evidence.fact("tls_version").is_some());
}

#[tokio::test]
async fn ldaps_is_strict_with_and_without_a_password() {
    let probe = ldap::Probe { tls: ldap::LdapTls::FromStart, ..ldap::Probe::default() };
    let finding = ask(Probe::Ldap(probe), &far("ldaps").await, nobody()).await;
    assert_eq!(finding.verdict, Err(unknown_issuer()));
}

#[tokio::test]
async fn a_plain_directory_on_the_tls_port_is_named() {
    let probe = ldap::Probe { tls: ldap::LdapTls::FromStart, ..ldap::Probe::default() };
    let finding = ask(Probe::Ldap(probe), &far("ldap").await, trusted()).await;
    let cause = finding.verdict.unwrap_err();
    assert!(["tls-closed", "wrong-service"].contains(&cause.code()), "{cause:?}");
}
