//! The NRPE probe against Debian's daemon.

#![allow(clippy::unwrap_used)]

mod daemon;

use preflight_checks::{AgentCause, Cause, Concern, Finding, Probe, Trust, nrpe};

use daemon::{Authority, Home, NAME, Server, certificate_for};

const NRPE: u16 = 5666;

/// A daemon that takes `hosts`, with these settings; `options` are of its command line.
fn nrpe(home: Home, hosts: &str, settings: &str, options: &[&str]) -> Server {
    let configuration = format!(
        "server_port={NRPE}\nserver_address={}\nnrpe_user=nagios\nnrpe_group=nagios\n\
         allowed_hosts={hosts}\ndont_blame_nrpe=0\n{settings}\n",
        home.address
    );
    let file = home.write("nrpe.cfg", &configuration);
    // The daemon reads the key as root, and its checks run as nobody else.
    let mut command = home.command("nrpe");
    command.args(["-c", &file, "-f"]).args(options);
    home.begin(command).listening_on(NRPE)
}

/// The settings of a daemon with a certificate for [`NAME`].
fn with_certificate(home: &Home, authority: &Authority, more: &str) -> String {
    authority.sign(home, "server", &certificate_for(NAME));
    format!(
        "ssl_cert_file={}\nssl_privatekey_file={}\n{more}",
        home.path("server.pem"),
        home.path("server.key")
    )
}

async fn ask(server: &Server, trust: &Trust) -> Finding {
    server.ask(Probe::Nrpe(nrpe::Probe::default()), NRPE, trust).await
}

#[tokio::test]
async fn without_tls_it_says_its_version_and_warns() {
    let server = nrpe(Home::new(), "127.0.0.0/8", "", &["-n"]);
    let finding = ask(&server, &Trust::only([])).await;
    assert_eq!(finding.verdict, Ok(()));
    assert!(finding.seen.headline.starts_with("NRPE v4."), "{}", finding.seen.headline);
    assert!(finding.seen.headline.ends_with("in plain text"), "{}", finding.seen.headline);
    assert_eq!(finding.seen.concerns, [Concern::NrpePlain]);
}

#[tokio::test]
async fn as_debian_ships_it_only_the_agreement_is_claimed() {
    let server = nrpe(Home::new(), "127.0.0.0/8", "", &[]);
    let finding = ask(&server, &Trust::only([])).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.concerns, [Concern::NrpeAnonymous]);
}

#[tokio::test]
async fn with_a_certificate_it_is_asked_inside_tls() {
    let authority = Authority::new();
    for (more, tls) in [("", "TLS 1.3"), ("ssl_version=TLSv1.2\n", "TLS 1.2")] {
        let home = Home::new();
        let settings = with_certificate(&home, &authority, more);
        let server = nrpe(home, "127.0.0.0/8", &settings, &[]);
        let finding = ask(&server, &authority.trust()).await;
        assert_eq!(finding.verdict, Ok(()));
        assert!(finding.seen.headline.ends_with(tls), "{}", finding.seen.headline);
        assert_eq!(finding.seen.concerns, []);
    }
}

#[tokio::test]
async fn a_certificate_of_nobody_we_know_warns() {
    let (home, authority) = (Home::new(), Authority::new());
    let settings = with_certificate(&home, &authority, "");
    let server = nrpe(home, "127.0.0.0/8", &settings, &[]);
    let finding = ask(&server, &Trust::only([])).await;
    assert_eq!(finding.verdict, Ok(()));
    let codes: Vec<&str> = finding.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(codes, ["certificate-unverified"]);
}

#[tokio::test]
async fn one_that_wants_a_clients_certificate_says_so() {
    let (home, authority) = (Home::new(), Authority::new());
    let authorities = home.write("ca.pem", &authority.pem());
    let more = format!("ssl_cacert_file={authorities}\nssl_client_certs=2\n");
    let settings = with_certificate(&home, &authority, &more);
    let server = nrpe(home, "127.0.0.0/8", &settings, &[]);
    let cause = ask(&server, &authority.trust()).await.verdict.unwrap_err();
    assert_eq!(cause.code(), "tls-client-certificate-wanted");
}

#[tokio::test]
async fn a_daemon_that_does_not_take_this_host_is_named_with_or_without_tls() {
    for options in [&["-n"][..], &[]] {
        let server = nrpe(Home::new(), "192.0.2.1", "", options);
        let to = server.home.at(NRPE);
        let (agent, list) = ("NRPE".into(), "allowed_hosts".into());
        let expected = Cause::Agent(AgentCause::AgentNotAllowed { to, agent, list });
        assert_eq!(ask(&server, &Trust::only([])).await.verdict, Err(expected));
    }
}
