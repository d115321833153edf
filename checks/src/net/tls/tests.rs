//! Every verdict on a certificate and on a handshake, over a duplex pipe.

use std::time::SystemTime;

use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension, DnType, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;
use super::*;
use crate::authority::{Authority, KeyedCertificate, params_for, tls_server};
use crate::cause::{ChainLink, Concern};
use crate::cause::{TalkCause, TlsCause};
use crate::evidence::Seen;
use crate::hostile::damaged;
use crate::net::Peer;

const HOST: &str = "server.example.test";

fn authority() -> Authority {
    Authority::named("authority").unwrap()
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = params_for(&[name]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params
}

/// A server that shows `leaf`, signed by `authority` or by itself.
fn server(
    leaf: &CertificateParams,
    authority: Option<&Authority>,
) -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let own = match authority {
        Some(authority) => authority.sign(leaf),
        None => KeyedCertificate::by_itself(leaf),
    };
    let own = own.unwrap();
    (own.certificate.der().clone(), Arc::new(own.server().unwrap()))
}

fn asking(trust: &Trust) -> (Stream, DuplexStream, Ask) {
    let (near, far) = duplex(64 * 1024);
    let deadline = Deadline::after(Duration::from_secs(9));
    let address = ([192, 0, 2, 1], 443).into();
    let peer = Peer { host: HOST.to_owned(), address, from: None };
    (Stream::over(Box::new(near), address, deadline), far, Ask::new(peer, deadline, trust.clone()))
}

async fn visit(
    config: Arc<ServerConfig>,
    trust: &Trust,
    verify: Verify,
) -> (Result<Stream, Cause>, Seen) {
    let (stream, far, mut ask) = asking(trust);
    let accept = TlsAcceptor::from(config).accept(far);
    let (secured, _theirs) = tokio::join!(secure(stream, &mut ask, verify, &[]), accept);
    (secured, ask.seen)
}

/// The cause of a strict visit to `leaf`, signed by somebody trusted.
async fn refused(leaf: &CertificateParams) -> Cause {
    let issuer = authority();
    let (_, config) = server(leaf, Some(&issuer));
    visit(config, &Trust::only([issuer.der()]), Verify::Strictly).await.0.unwrap_err()
}

/// The cause of a handshake that `words` answer.
async fn answered(words: &[u8]) -> Cause {
    let (stream, mut far, mut ask) = asking(&Trust::only([]));
    far.write_all(words).await.unwrap();
    far.shutdown().await.unwrap();
    secure(stream, &mut ask, Verify::Strictly, &[]).await.unwrap_err()
}

#[tokio::test]
async fn a_trusted_certificate_passes_with_its_facts() {
    let issuer = authority();
    let (_, config) = server(&leaf(HOST), Some(&issuer));
    let (secured, seen) = visit(config, &Trust::only([issuer.der()]), Verify::Strictly).await;
    secured.unwrap();
    assert_eq!(seen.concerns, []);
    for (name, value) in [
        ("certificate_subject", "CN=leaf"),
        ("certificate_issuer", "CN=authority"),
        ("certificate_names", HOST),
        ("tls_version", "TLS 1.3"),
    ] {
        assert_eq!(seen.evidence.fact(name).map(ToString::to_string).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn dates_and_names_have_causes_of_their_own() {
    let subject = "CN=leaf".to_owned();
    let mut expired = leaf(HOST);
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let not_after = "2021-01-01T00:00:00Z".to_owned();
    let link = ChainLink::Server;
    let cause =
        Cause::Tls(TlsCause::CertificateExpired { not_after, subject: subject.clone(), link });
    assert_eq!(refused(&expired).await, cause);

    let mut early = leaf(HOST);
    early.not_before = date_time_ymd(3000, 1, 1);
    let not_before = "3000-01-01T00:00:00Z".to_owned();
    assert_eq!(
        refused(&early).await,
        Cause::Tls(TlsCause::CertificateNotYetValid { not_before, subject, link })
    );

    let wrong = |presented: &str| {
        Cause::Tls(TlsCause::CertificateWrongName {
            expected: HOST.to_owned(),
            presented: vec![presented.to_owned()],
        })
    };
    assert_eq!(refused(&leaf("other.example.test")).await, wrong("other.example.test"));
    assert_eq!(refused(&leaf("192.0.2.1")).await, wrong("192.0.2.1"));
    let mut nameless = leaf(HOST);
    nameless.subject_alt_names.clear();
    assert_eq!(refused(&nameless).await, wrong("no name at all (only CN=leaf)"));
}

#[tokio::test]
async fn issuers_nobody_trusts_are_told_apart() {
    let issuer = authority();
    let trust =
        Trust::only(["another", "renewed"].map(|name| Authority::named(name).unwrap().der()));
    let refused = async |leaf: &CertificateParams, issuer| {
        let (_, config) = server(leaf, issuer);
        visit(config, &trust, Verify::Strictly).await.0.unwrap_err()
    };
    let (subject, by) = ("CN=leaf".to_owned(), "CN=authority".to_owned());
    let unknown = Cause::Tls(TlsCause::CertificateUnknownIssuer {
        issuer: by.clone(),
        subject: subject.clone(),
    });
    assert_eq!(refused(&leaf(HOST), Some(&issuer)).await, unknown);

    let own = Cause::Tls(TlsCause::CertificateSelfSigned { subject: subject.clone() });
    assert_eq!(refused(&leaf(HOST), None).await, own);

    let namesake = Authority::named("renewed").unwrap();
    let reason = "it is not signed by the authority of that name that we trust".to_owned();
    let forged = Cause::Tls(TlsCause::CertificateInvalid { reason, subject: subject.clone() });
    assert_eq!(refused(&leaf(HOST), Some(&namesake)).await, forged);

    // It says where its issuer can be found: a client that looks there would be content.
    let mut leaf = leaf(HOST);
    let authority_information_access = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    let place =
        b"\x30\x1c\x30\x1a\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x0ehttp://a.test/i".to_vec();
    let extension = CustomExtension::from_oid_content(&authority_information_access, place);
    leaf.custom_extensions.push(extension);
    let incomplete = Cause::Tls(TlsCause::CertificateIncompleteChain { issuer: by, subject });
    assert_eq!(refused(&leaf, Some(&issuer)).await, incomplete);
}

#[tokio::test]
async fn a_certificate_given_to_us_needs_no_issuer_but_name_and_date() {
    let pinned = async |leaf: &CertificateParams| {
        let (shown, config) = server(leaf, None);
        let (secured, seen) = visit(config, &Trust::only([shown]), Verify::Strictly).await;
        secured
            .map(drop)
            .map_err(|cause| (cause.code(), seen.evidence.fact("tls_version").cloned()))
    };
    assert_eq!(pinned(&leaf(HOST)).await, Ok(()));
    let other = leaf("other.example.test");
    assert_eq!(pinned(&other).await, Err(("certificate-wrong-name", None)));
    let mut expired = leaf(HOST);
    expired.not_after = date_time_ymd(2021, 1, 1);
    assert_eq!(pinned(&expired).await, Err(("certificate-expired", None)));
    let mut early = leaf(HOST);
    early.not_before = date_time_ymd(3000, 1, 1);
    assert_eq!(pinned(&early).await, Err(("certificate-not-yet-valid", None)));
}

#[tokio::test]
async fn where_nobody_verifies_a_bad_certificate_is_a_concern() {
    let (_, config) = server(&leaf(HOST), None);
    let (secured, seen) = visit(config, &Trust::only([]), Verify::AndReport).await;
    secured.unwrap();
    let because = Cause::Tls(TlsCause::CertificateSelfSigned { subject: "CN=leaf".to_owned() });
    assert_eq!(seen.concerns, [Concern::CertificateUnverified { because: because.into() }]);
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_concern() {
    let issuer = authority();
    let mut leaf = leaf(HOST);
    let nine_days_and_a_bit = Duration::from_secs(9 * 86_400 + 600);
    leaf.not_after = (SystemTime::now() + nine_days_and_a_bit).into();
    let (_, config) = server(&leaf, Some(&issuer));
    let (secured, seen) = visit(config, &Trust::only([issuer.der()]), Verify::Strictly).await;
    secured.unwrap();
    let [Concern::CertificateEndsSoon { days: 9, .. }] = seen.concerns[..] else {
        panic!("{:?}", seen.concerns)
    };
}

#[tokio::test]
async fn a_server_that_wants_our_certificate_is_heard_to_say_so() {
    let issuer = authority();
    let mut clients = rustls::RootCertStore::empty();
    clients.add(issuer.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider);
    let own = issuer.sign(&leaf(HOST)).unwrap();
    let config = tls_server().unwrap().with_client_cert_verifier(clients.build().unwrap());
    let shown = vec![own.certificate.der().clone()];
    let config = Arc::new(config.with_single_cert(shown, own.private_key().unwrap()).unwrap());

    let (secured, seen) = visit(config, &Trust::only([issuer.der()]), Verify::Strictly).await;
    let alert = "alert certificate_required (116)".to_owned();
    assert_eq!(secured.unwrap_err(), Cause::Tls(TlsCause::TlsClientCertificateWanted { alert }));
    assert!(seen.evidence.fact("client_certificate").is_some());
}

#[tokio::test]
async fn what_answers_instead_of_a_handshake_is_told() {
    let fatal = |alert| [0x15, 3, 1, 0, 2, 2, alert];
    let old = Cause::Tls(TlsCause::TlsVersion { peer: "alert protocol_version (70)".to_owned() });
    assert_eq!(answered(&fatal(70)).await, old);
    let alert = "alert handshake_failure (40)".to_owned();
    assert_eq!(answered(&fatal(40)).await, Cause::Tls(TlsCause::TlsRefused { alert }));
    let words = b"220 mx.example.org ESMTP\r\n";
    let mail = Cause::Talk(TalkCause::WrongService {
        expected: "TLS".into(),
        spoken: Spoken::Smtp,
        head: wire::head(words),
    });
    assert_eq!(answered(words).await, mail);
    assert_eq!(
        answered(b"").await,
        Cause::Tls(TlsCause::TlsClosed { to: ([192, 0, 2, 1], 443).into() })
    );
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_a_handshake_are_two_things() {
    let to = ([192, 0, 2, 1], 443).into();
    let (phase, waited) = (Phase::Tls, crate::Millis(HANDSHAKE));
    let (stream, _far, mut ask) = asking(&Trust::only([]));
    let silent = secure(stream, &mut ask, Verify::Strictly, &[]).await.unwrap_err();
    assert_eq!(silent, Cause::Talk(TalkCause::Silent { to, phase, waited }));

    let (stream, mut far, mut ask) = asking(&Trust::only([]));
    far.write_all(&[0x16, 3, 3, 1]).await.unwrap();
    let half = secure(stream, &mut ask, Verify::Strictly, &[]).await.unwrap_err();
    assert_eq!(half, Cause::Talk(TalkCause::Incomplete { to, phase, received: 4, waited }));
}

/// As good as any: what is damaged is its form.
fn certificate_of_ours() -> Vec<u8> {
    server(&leaf(HOST), None).0.to_vec()
}

proptest! {
    #[test]
    fn no_certificate_breaks_the_reader(der in damaged(&certificate_of_ours())) {
        let now = UnixTime::now();
        if let Some(certificate) = Certificate::parse(&der) {
            let mut seen = Seen::default();
            certificate.note(&mut seen.evidence);
            let _any_concern = certificate.ends_soon(now);
        }
        let der = CertificateDer::from(der);
        let chain = [der.clone(), der.clone()];
        let _any_verdict = Judgement::of(&chain, Some(HOST), &Trust::only([der]), now);
    }
}

#[test]
fn alerts_are_called_as_the_standard_calls_them() {
    for (number, name) in [
        (40, "alert handshake_failure (40)"),
        (48, "alert unknown_ca (48)"),
        (70, "alert protocol_version (70)"),
        (112, "alert unrecognised_name (112)"),
        (116, "alert certificate_required (116)"),
        (250, "alert 250"),
    ] {
        assert_eq!(told(AlertDescription::from(number)), name);
    }
}

#[tokio::test]
async fn a_name_the_server_does_not_know_is_told_from_an_address() {
    let refusal = [0x15, 3, 1, 0, 2, 2, 112];
    let cause = Cause::Tls(TlsCause::TlsNameUnknown { name: HOST.to_owned(), by_name: true });
    assert_eq!(answered(&refusal).await, cause);
    assert_eq!(cause.to_string(), format!("the server refuses TLS for the name {HOST}"));
}

#[tokio::test]
async fn an_issuer_that_says_what_it_is_signs_on_the_way() {
    let issuer = Authority::named("Zscaler Root CA").unwrap();
    let (_, config) = server(&leaf(HOST), Some(&issuer));
    let cause = visit(config, &Trust::only([]), Verify::Strictly).await.0.unwrap_err();
    let issuer = "CN=Zscaler Root CA".to_owned();
    assert_eq!(cause, Cause::Tls(TlsCause::TlsIntercepted { host: HOST.to_owned(), issuer }));
    // The device's own page, in its own name.
    let issuer = Authority::named("Fortinet").unwrap();
    let (_, config) = server(&leaf("fortigate.example.test"), Some(&issuer));
    let cause = visit(config, &Trust::only([]), Verify::Strictly).await.0.unwrap_err();
    let subject = "CN=leaf".to_owned();
    assert_eq!(cause, Cause::Tls(TlsCause::CertificateOfDevice { host: HOST.to_owned(), subject }));
}
