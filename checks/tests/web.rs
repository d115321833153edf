//! HTTP and NSClient++ probes against nginx and squid, as Debian packages them.
//!
//! Both run in the foreground with a configuration of their own on loopback,
//! and end with the test: `cargo test --test web -- --ignored`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use preflight_checks::http::{Accept, Probe, Proxy};
use preflight_checks::{Cause, Concern, Deadline, Finding, Peer, Trust, examine, nsclient};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use url::Url;

/// A server process and its folder; both are gone when it is dropped.
struct Server {
    child: Child,
    folder: PathBuf,
    /// One port for each listener of the configuration.
    ports: Vec<u16>,
    ca: CertificateDer<'static>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked to end, squid takes its shared memory with it.
        let pid = self.child.id().to_string();
        let _gone_already = Command::new("kill").args(["-TERM", &pid]).status();
        let _reaped = self.child.wait();
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("preflight-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

fn start(program: &str, arguments: &[&str], folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("stderr")).unwrap();
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

impl Server {
    /// Itself, once its first port accepts connections.
    fn ready(self) -> Self {
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[0])).is_err() {
            let said = std::fs::read_to_string(self.folder.join("stderr")).unwrap();
            assert!(Instant::now() < patience, "it does not listen: {said}");
            std::thread::yield_now();
        }
        self
    }
}

/// Certificates by name: `good`, `expired`, `other` (wrong name), `own` (self-signed).
fn certificates(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test authority");
    let ca = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    let der = ca.der().clone();
    let issuer = Issuer::new(params, key);
    for name in ["good", "expired", "other", "own"] {
        let host = if name == "other" { "other.example.org" } else { "localhost" };
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        if name == "expired" {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match name {
            "own" => params.self_signed(&key),
            _ => params.signed_by(&key, &issuer),
        };
        std::fs::write(folder.join(format!("{name}.pem")), certificate.unwrap().pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    legacy_certificate(folder);
    der
}

/// As the agent's version 0.5.2 makes it: SHA-1, serial number 0, no names.
fn legacy_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args("req -x509 -newkey rsa:2048 -nodes -sha1 -set_serial 0 -days 365".split(' '))
        .args(["-subj", "/CN=localhost", "-keyout", "legacy.key", "-out", "legacy.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

const PLAIN: usize = 0;
const GOOD: usize = 1;
const EXPIRED: usize = 2;
const OTHER: usize = 3;
const OWN: usize = 4;
const WANTS_CERTIFICATE: usize = 5;
const AGENT: usize = 6;
const OLD_TLS: usize = 7;
const OLD_AGENT: usize = 8;

fn nginx(name: &str) -> Server {
    let folder = folder(name);
    let ca = certificates(&folder);
    let ports = free_ports(9);
    let at = folder.display();
    let mut config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
         events {{}}\nhttp {{ access_log off; server_tokens off; ssl_protocols TLSv1.2 TLSv1.3; client_body_temp_path {at}/a; proxy_temp_path {at}/b;\n\
         fastcgi_temp_path {at}/c; uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;\n"
    );
    let pages = "location = / { default_type text/html; return 200 'hello'; }\n\
         location = /403 { return 403; } location = /404 { return 404; }\n\
         location = /500 { return 500; } location = /moved { return 301 /other; }\n\
         location = /portal { return 302 http://10.9.9.9/login?x=1; }\n";
    let agent = "location = /core/isalive { return 200 '{\"status\" : \"ok\"}'; }\n\
         location = /query/check_version { default_type '';\n\
           if ($http_password = 's3cret') { return 200 '{\"lines\":[{\"message\":\"0.5.2.41 x\"}]}'; }\n\
           if ($http_password) { return 403 '403 You\\'re not allowed'; }\n\
           return 403 '403 Please login first'; }\n";
    for (at_port, (certificate, extra)) in ports.iter().zip([
        ("", pages),
        ("good", pages),
        ("expired", pages),
        ("other", pages),
        ("own", pages),
        ("good", "ssl_verify_client on; ssl_client_certificate CA;\n"),
        ("own", agent),
        ("own", "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;\n"),
        ("legacy", &format!("ssl_protocols TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0; {agent}")),
    ]) {
        let extra = extra.replace("CA", &format!("{at}/ca.pem"));
        let tls = if certificate.is_empty() { "" } else { "ssl" };
        writeln!(config, "server {{ listen 127.0.0.1:{at_port} {tls};").unwrap();
        if !certificate.is_empty() {
            writeln!(config, "ssl_certificate {at}/{certificate}.pem;").unwrap();
            writeln!(config, "ssl_certificate_key {at}/{certificate}.key;").unwrap();
        }
        writeln!(config, "{extra} }}").unwrap();
    }
    config.push('}');
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let arguments = ["-p", folder.to_str().unwrap(), "-c", file.to_str().unwrap()];
    let child = start("/usr/sbin/nginx", &arguments, &folder);
    Server { child, folder, ports, ca }.ready()
}

/// Lets everybody to `allowed` and, with a password, to `restricted`.
fn squid(allowed: &[u16], restricted: u16) -> Server {
    let folder = folder("squid");
    let ports = free_ports(1);
    let at = folder.display();
    let port = ports[0];
    // Started by root, squid goes on as a user of its own.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let hash = Command::new("openssl")
        .args(["passwd", "-apr1", "-salt", "abcdefgh", "s3cret"])
        .output()
        .unwrap();
    let users = format!("alice:{}", String::from_utf8(hash.stdout).unwrap());
    std::fs::write(folder.join("users"), users).unwrap();
    let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let allowed = allowed.join(" ");
    let config = format!(
        "http_port 127.0.0.1:{port}\npid_filename {at}/pid\ncache_log {at}/cache.log\n\
         cache deny all\naccess_log none\npinger_enable off\ncoredump_dir /\n\
         visible_hostname localhost\nshutdown_lifetime 0 seconds\n\
         netdb_filename none\n\
         auth_param basic program /usr/lib/squid/basic_ncsa_auth {at}/users\n\
         auth_param basic children 1\n\
         acl open port {allowed}\nacl closed port {restricted}\n\
         acl known proxy_auth REQUIRED\n\
         acl nowhere dstdomain .invalid\n\
         http_access allow nowhere\n\
         http_access allow open\nhttp_access allow closed known\nhttp_access deny all\n"
    );
    let file = folder.join("squid.conf");
    std::fs::write(&file, config).unwrap();
    // A name of its own: shared memory is called after it.
    let service = format!("preflight{}", std::process::id());
    let arguments = ["-N", "-n", &service, "-f", file.to_str().unwrap()];
    let child = start("/usr/sbin/squid", &arguments, &folder);
    Server { child, folder, ports, ca: CertificateDer::from(Vec::new()) }.ready()
}

fn url(scheme: &str, port: u16, path: &str) -> Url {
    Url::parse(&format!("{scheme}://localhost:{port}{path}")).unwrap()
}

async fn asked(server: &Server, port: u16, probe: preflight_checks::Probe) -> Finding {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let peer = Peer { host: "localhost".to_owned(), address };
    let trust = Trust::only([server.ca.clone()]);
    examine(&probe, peer, Deadline::after(probe.service().budget), &trust).await
}

async fn page(server: &Server, listener: usize, scheme: &str, path: &str) -> Finding {
    let port = server.ports[listener];
    let probe = Probe::new(url(scheme, port, path));
    asked(server, port, preflight_checks::Probe::Http(probe)).await
}

fn code(finding: &Finding) -> &'static str {
    finding.verdict.as_ref().map_or_else(Cause::code, |()| "passes")
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_is_read_right() {
    let nginx = nginx("nginx");
    let healthy = page(&nginx, GOOD, "https", "/").await;
    assert_eq!(healthy.verdict, Ok(()));
    assert_eq!(healthy.seen.headline, "200, nginx, TLS 1.3");
    assert!(healthy.seen.timings.connect.is_some() && healthy.seen.timings.tls.is_some());
    for (listener, scheme, path, expected) in [
        (PLAIN, "http", "/", "passes"),
        (PLAIN, "http", "/403", "http-forbidden"),
        (PLAIN, "http", "/404", "http-not-found"),
        (GOOD, "https", "/500", "http-server-error"),
        (GOOD, "https", "/moved", "passes"),
        // From an address that is private itself only the page's look counts.
        (PLAIN, "http", "/portal", "captive-portal"),
        (EXPIRED, "https", "/", "certificate-expired"),
        (OTHER, "https", "/", "certificate-wrong-name"),
        (OWN, "https", "/", "certificate-self-signed"),
        (WANTS_CERTIFICATE, "https", "/", "tls-client-certificate-wanted"),
        (OLD_TLS, "https", "/", "tls-version"),
        (GOOD, "http", "/", "tls-unexpected"),
        (PLAIN, "https", "/", "wrong-service"),
    ] {
        let finding = page(&nginx, listener, scheme, path).await;
        assert_eq!(code(&finding), expected, "{scheme} {path} on listener {listener}");
    }
    let lenient =
        Probe { accept: Accept::Below500, ..Probe::new(url("https", nginx.ports[GOOD], "/404")) };
    let finding = asked(&nginx, nginx.ports[GOOD], preflight_checks::Probe::Http(lenient)).await;
    assert_eq!(finding.seen.headline, "404, nginx, TLS 1.3");
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn an_agent_behind_a_self_signed_certificate_is_read_right() {
    let nginx = nginx("agent");
    let ask = async |listener: usize, password: Option<&str>| {
        let password = password.map(Into::into);
        let probe = nsclient::Probe { user: None, password };
        asked(&nginx, nginx.ports[listener], preflight_checks::Probe::Nsclient(probe)).await
    };
    let alive = ask(AGENT, None).await;
    assert_eq!(alive.verdict, Ok(()));
    let concerns: Vec<_> = alive.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(concerns, ["certificate-unverified", "nsclient-not-read"]);
    let old = ask(OLD_AGENT, None).await;
    assert_eq!(old.seen.headline, "alive, TLS 1.2");
    let queried = ask(AGENT, Some("s3cret")).await;
    assert_eq!(queried.seen.headline, "alive, version 0.5.2.41, TLS 1.3");
    assert_eq!(queried.seen.concerns.len(), 1);
    assert_eq!(code(&ask(AGENT, Some("wrong")).await), "nsclient-login");
    assert_eq!(code(&ask(GOOD, Some("s3cret")).await), "wrong-service");
    assert_eq!(code(&ask(PLAIN, Some("s3cret")).await), "wrong-service");
    assert_eq!(code(&ask(OLD_TLS, None).await), "tls-version");
}

#[tokio::test]
#[ignore = "needs nginx and squid"]
async fn squids_own_no_is_told_from_the_servers() {
    let nginx = nginx("behind-squid");
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let closed = free_ports(1)[0];
    let [plain, good, expired] = [PLAIN, GOOD, EXPIRED].map(|listener| nginx.ports[listener]);
    let restricted = nginx.ports[OTHER];
    let squid = squid(&[plain, good, expired, closed, silent_port], restricted);
    let through = async |user: Option<&str>, password: &str, url: Url| {
        let proxy_url = Url::parse(&format!("http://localhost:{}", squid.ports[0])).unwrap();
        let proxy = Proxy {
            url: proxy_url,
            user: user.map(str::to_owned),
            password: user.map(|_| password.into()),
        };
        let probe = Probe { proxy: Some(proxy), ..Probe::new(url) };
        asked(&nginx, squid.ports[0], preflight_checks::Probe::Http(probe)).await
    };
    let tunnelled = through(None, "", url("https", good, "/")).await;
    assert_eq!(tunnelled.seen.headline, "200, nginx, TLS 1.3, by proxy");
    let forwarded = through(None, "", url("http", plain, "/")).await;
    assert_eq!(forwarded.seen.headline, "200, nginx, by proxy");
    let nowhere = Url::parse("https://nowhere.invalid/").unwrap();
    for (user, password, url, expected) in [
        (None, "", url("https", expired, "/"), "certificate-expired"),
        (None, "", url("http", plain, "/403"), "http-forbidden"),
        (None, "", url("http", plain, "/500"), "http-server-error"),
        (None, "", url("https", closed, "/"), "proxy-cannot-reach"),
        (None, "", url("http", closed, "/"), "proxy-cannot-reach"),
        (None, "", nowhere, "proxy-cannot-reach"),
        (None, "", url("https", 9, "/"), "proxy-denied"),
        (None, "", url("http", 9, "/"), "proxy-denied"),
        (None, "", url("https", restricted, "/"), "proxy-authentication"),
        (None, "", url("http", restricted, "/"), "proxy-authentication"),
        (Some("alice"), "wrong", url("https", restricted, "/"), "proxy-authentication"),
        // Let in: the next "no" is the certificate's.
        (Some("alice"), "s3cret", url("https", restricted, "/"), "certificate-wrong-name"),
        (None, "", url("https", silent_port, "/"), "silent"),
        (None, "", url("http", silent_port, "/"), "proxy-silent"),
    ] {
        let finding = through(user, password, url.clone()).await;
        assert_eq!(code(&finding), expected, "{url} as {user:?}");
        if let Err(Cause::ProxyAuthentication { given, .. }) = finding.verdict {
            assert_eq!(given, user.is_some());
        }
    }
    // nginx is no proxy, and a closed port is none either.
    for (port, expected) in [(plain, "wrong-service"), (closed, "port-closed")] {
        let proxy = Proxy { url: url("http", port, "/"), user: None, password: None };
        let probe = Probe { proxy: Some(proxy), ..Probe::new(url("https", good, "/")) };
        let finding = asked(&nginx, port, preflight_checks::Probe::Http(probe)).await;
        let Err(Cause::ProxyUnreachable { because, .. }) = finding.verdict else {
            panic!("{:?}", finding.verdict)
        };
        assert_eq!(because.code(), expected);
    }
}
