//! The probes of agents against real servers: Debian's NRPE and quorum server, gRPC's own library.

use preflight_checks::{AgentCause, Cause, Concern, Finding, Probe, Trust, nrpe, otlp, qnetd};
use secrecy::SecretString;

use crate::daemon::{Authority, Home, NAME, Server, certificate_for};

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

const OTLP: u16 = 4317;

/// gRPC's own library with the service that takes metrics, or without; arguments: address, token,
/// certificate and key, each of which may be empty.
const RECEIVER: &str = r#"
import sys
from concurrent import futures
import grpc
address, token, certificate, key, method = sys.argv[1:]
class Handler(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method != method:
            return None
        def export(request, context):
            given = dict(context.invocation_metadata()).get("authorization")
            if token and given != "Bearer " + token:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no such token")
            return b""
        return grpc.unary_unary_rpc_method_handler(export)
server = grpc.server(futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((Handler(),))
if certificate:
    pair = [(open(key, "rb").read(), open(certificate, "rb").read())]
    server.add_secure_port(address, grpc.ssl_server_credentials(pair))
else:
    server.add_insecure_port(address)
server.start()
print("ready", flush=True)
server.wait_for_termination()
"#;
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

fn receiver(home: Home, token: &str, authority: Option<&Authority>, method: &str) -> Server {
    let script = home.write("receiver.py", RECEIVER);
    let (mut certificate, mut key) = (String::new(), String::new());
    if let Some(authority) = authority {
        authority.sign(&home, "server", &certificate_for(NAME));
        (certificate, key) = (home.path("server.pem"), home.path("server.key"));
    }
    let address = home.at(OTLP).to_string();
    // Debian's own: another Python in the PATH does not know Debian's modules.
    let mut command = home.command("/usr/bin/python3");
    command.args([&script, &address, token, &certificate, &key, method]);
    home.start(command, "ready")
}

fn otlp(tls: bool, token: Option<&str>) -> Probe {
    Probe::Otlp(otlp::Probe { tls, token: token.map(SecretString::from), agent: false })
}

#[tokio::test]
async fn a_receiver_of_grpcs_own_library_takes_an_empty_message_with_and_without_tls() {
    let authority = Authority::new();
    let server = receiver(Home::new(), "", None, EXPORT);
    let finding = server.ask(otlp(false, None), OTLP, &Trust::only([])).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "takes metrics (OTLP over gRPC)");
    assert_eq!(finding.seen.concerns, []);
    let server = receiver(Home::new(), "", Some(&authority), EXPORT);
    let finding = server.ask(otlp(true, None), OTLP, &authority.trust()).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "takes metrics (OTLP over gRPC, TLS 1.3)");
    assert_eq!(finding.seen.concerns, []);
    // One speaks TLS and the other does not.
    let cause = server.ask(otlp(false, None), OTLP, &Trust::only([])).await.verdict.unwrap_err();
    assert_eq!(cause.layer(), preflight_checks::Layer::Protocol, "{cause:?}");
}

#[tokio::test]
async fn a_receiver_without_tls_is_named_where_tls_is_asked_for() {
    let server = receiver(Home::new(), "", None, EXPORT);
    let cause = server.ask(otlp(true, None), OTLP, &Trust::only([])).await.verdict.unwrap_err();
    assert_eq!(cause.code(), "wrong-service");
    assert!(cause.to_string().contains("an HTTP/2 server"), "{cause}");
}

#[tokio::test]
async fn a_token_is_wanted_taken_or_refused() {
    let authority = Authority::new();
    let server = receiver(Home::new(), "fake-token", Some(&authority), EXPORT);
    let trust = authority.trust();
    let finding = server.ask(otlp(true, None), OTLP, &trust).await;
    assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), vec![Concern::OtlpNotRead]));
    let finding = server.ask(otlp(true, Some("fake-token")), OTLP, &trust).await;
    assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), vec![]));
    let cause = server.ask(otlp(true, Some("another")), OTLP, &trust).await.verdict.unwrap_err();
    assert_eq!(cause.code(), "otlp-token-refused");
    // It goes to nobody whose certificate is not trusted.
    let asked = server.ask(otlp(true, Some("fake-token")), OTLP, &Trust::only([])).await;
    assert_eq!(asked.verdict.unwrap_err().layer(), preflight_checks::Layer::Tls);
}

#[tokio::test]
async fn grpc_without_the_service_warns_and_is_what_an_agent_that_waits_looks_like() {
    let server = receiver(Home::new(), "", None, "/com.centreon.agent.ReversedAgentService/Import");
    let finding = server.ask(otlp(false, None), OTLP, &Trust::only([])).await;
    assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), vec![Concern::OtlpNoMetrics]));
    let agent = Probe::Otlp(otlp::Probe { agent: true, ..otlp::Probe::default() });
    let finding = server.ask(agent, OTLP, &Trust::only([])).await;
    assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), vec![]));
}

const QNETD: u16 = 5403;

#[tokio::test]
async fn corosyncs_quorum_server_says_what_it_thinks_of_tls() {
    for (setting, words) in
        [("off", "without TLS"), ("on", "TLS possible"), ("req", "TLS required")]
    {
        let home = Home::new();
        let address = home.address.to_string();
        let mut command = home.command("corosync-qnetd");
        let port = QNETD.to_string();
        command.args(["-f", "-l", &address, "-p", &port, "-s", setting]);
        // Its socket for the tool beside it: two servers would want the same.
        let folder = home.folder_of("root", "run");
        for (option, file) in [("local_socket_file", "socket"), ("lock_file", "lock")] {
            command.args(["-S", &format!("{option}={folder}/{file}")]);
        }
        let server = home.begin(command).listening_on(QNETD);
        let probe = Probe::Qnetd(qnetd::Probe::default());
        let finding = server.ask(probe, QNETD, &Trust::only([])).await;
        assert_eq!(finding.verdict, Ok(()));
        assert!(finding.seen.headline.contains(words), "{}", finding.seen.headline);
    }
}
