//! HTTP and NSClient++ probes against Debian's nginx and squid.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use futures_util::future::join_all;
use preflight_checks::http::{Accept, Probe, Proxy};
use preflight_checks::{
    Cause, Concern, Finding, GorgoneCause, KeyedCertificate, SERVICES, Trust, WebCause, nsclient,
    pullwss,
};
use rcgen::date_time_ymd;
use url::Url;

use crate::common::healthy_peer;
use crate::daemon::{Authority, Home, NAME, Server, certificate_for, find, run, write_pair};

const PLAIN: u16 = 8001;
const GOOD: u16 = 8002;
const EXPIRED: u16 = 8003;
const OTHER: u16 = 8004;
const OWN: u16 = 8005;
const WANTS_CERTIFICATE: u16 = 8006;
const AGENT: u16 = 8007;
const OLD_TLS: u16 = 8008;
const OLD_AGENT: u16 = 8009;
/// Nobody listens there.
const CLOSED: u16 = 8010;
const SQUID: u16 = 3128;

/// A web server, and whoever trusts its certificates.
struct Nginx {
    server: Server,
    trust: Trust,
}

fn nginx() -> Nginx {
    let home = Home::new();
    let authority = certificates(&home);
    let pages = "location = / { default_type text/html; return 200 'hello'; }
        location = /403 { return 403; } location = /404 { return 404; }
        location = /500 { return 500; } location = /moved { return 301 /other; }
        location = /portal { return 302 http://10.9.9.9/login?x=1; }";
    let agent = "location = /core/isalive { return 200 '{\"status\" : \"ok\"}'; }
        location = /query/check_version { default_type '';
            if ($http_password = 's3cret') { return 200 '{\"lines\":[{\"message\":\"0.5.2.41 x\"}]}'; }
            if ($http_password) { return 403 '403 You\\'re not allowed'; }
            return 403 '403 Please login first'; }";
    let old = "ssl_protocols TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;";
    let mut servers = String::new();
    for (port, certificate, settings) in [
        (PLAIN, "", pages),
        (GOOD, "good", pages),
        (EXPIRED, "expired", pages),
        (OTHER, "other", pages),
        (OWN, "own", pages),
        (WANTS_CERTIFICATE, "good", "ssl_verify_client on; ssl_client_certificate authority.pem;"),
        (AGENT, "own", agent),
        (OLD_TLS, "own", "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;"),
        (OLD_AGENT, "legacy", &format!("{old} {agent}")),
    ] {
        let listen = home.at(port);
        let tls = match certificate {
            "" => format!("listen {listen};"),
            name => format!(
                "listen {listen} ssl; ssl_certificate {name}.pem; ssl_certificate_key {name}.key;"
            ),
        };
        writeln!(servers, "server {{ {tls} {settings} }}").unwrap();
    }
    Nginx { server: serve(home, &servers), trust: authority.trust() }
}

/// nginx with these `server` blocks.
fn serve(home: Home, servers: &str) -> Server {
    let configuration = format!(
        "daemon off; master_process off; pid pid; error_log stderr notice;
        events {{ }}
        http {{
            access_log off; server_tokens off; ssl_protocols TLSv1.2 TLSv1.3;
            client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d;
            scgi_temp_path e;
            {servers}
        }}"
    );
    let mut command = home.command("nginx");
    command.args(["-p", &home.path(""), "-e", "stderr"]);
    command.args(["-c", &home.write("nginx.conf", &configuration)]);
    // It says so behind binding its ports.
    home.start(command, "event method")
}

/// Certificates by name: `good`, `expired`, `other` (wrong name), `own` (self-signed), `legacy`.
fn certificates(home: &Home) -> Authority {
    let authority = Authority::new();
    home.write("authority.pem", &authority.pem());
    let good = certificate_for(NAME);
    let mut expired = good.clone();
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let other = certificate_for("other.example.org");
    for (name, params) in [("good", &good), ("expired", &expired), ("other", &other)] {
        authority.sign(home, name, params);
    }
    write_pair(home, "own", &KeyedCertificate::by_itself(&good).unwrap());
    // As the agent's version 0.5.2 makes it: SHA-1, serial number 0, no names.
    run(Command::new(find("openssl"))
        .args("req -x509 -newkey rsa:2048 -nodes -sha1 -set_serial 0 -days 365".split(' '))
        .args(["-subj", "/CN=localhost", "-keyout", "legacy.key", "-out", "legacy.pem"])
        .current_dir(home.path("")));
    authority
}

/// Lets everybody to the ports `allowed` of `nginx` and, with a password, to `restricted`.
fn squid(nginx: &Nginx, allowed: &[u16], restricted: u16) -> Server {
    let home = Home::new();
    let folder = home.folder_of("proxy", "squid");
    let hash =
        run(Command::new(find("openssl")).args("passwd -apr1 -salt abcdefgh s3cret".split(' ')));
    let users = home.write("users", &format!("alice:{hash}"));
    let hosts = home.write("hosts", &format!("{} {NAME}\n", nginx.server.home.address));
    let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let (at, allowed) = (home.at(SQUID), allowed.join(" "));
    let configuration = format!(
        "http_port {at}
pid_filename none
cache_log {folder}/cache.log
access_log none
cache deny all
netdb_filename none
pinger_enable off
coredump_dir none
visible_hostname localhost
shutdown_lifetime 0 seconds
hosts_file {hosts}
# Nobody answers there: no name is asked for outside of this machine.
dns_nameservers {dns}
dns_timeout 1 second
dns_retransmit_interval 250 milliseconds
auth_param basic program /usr/lib/squid/basic_ncsa_auth {users}
auth_param basic children 1
acl open port {allowed}
acl closed port {restricted}
acl known proxy_auth REQUIRED
acl nowhere dstdomain .invalid
http_access allow nowhere
http_access allow open
http_access allow closed known
http_access deny all
",
        dns = home.address,
    );
    let program = home.unconfined("squid");
    let mut command = home.command_as("proxy", &program);
    // Its name is that of its shared memory, which it removes when it is asked to end.
    let service = format!("preflight{}", std::process::id());
    command.args(["-N", "-d", "1", "-n", &service]);
    command.args(["-f", &home.write("squid.conf", &configuration)]);
    home.start(command, "Accepting HTTP Socket connections").listening_on(SQUID)
}

fn url(scheme: &str, port: u16, path: &str) -> Url {
    Url::parse(&format!("{scheme}://{NAME}:{port}{path}")).unwrap()
}

impl Nginx {
    async fn ask(&self, port: u16, probe: preflight_checks::Probe) -> Finding {
        self.server.ask(probe, port, &self.trust).await
    }

    async fn page(&self, port: u16, scheme: &str, path: &str) -> Finding {
        let probe = Probe::new(url(scheme, port, path));
        self.ask(port, preflight_checks::Probe::Http(probe)).await
    }
}

fn proxy(at: SocketAddr, user: Option<&str>, password: &str) -> Proxy {
    Proxy {
        url: Url::parse(&format!("http://{at}/")).unwrap(),
        user: user.map(str::to_owned),
        password: user.map(|_| password.into()),
    }
}

fn code(finding: &Finding) -> &'static str {
    finding.verdict.as_ref().map_or_else(Cause::code, |()| "passes")
}

#[tokio::test]
async fn nginx_is_read_right() {
    let nginx = nginx();
    let healthy = nginx.page(GOOD, "https", "/").await;
    assert_eq!(healthy.verdict, Ok(()));
    assert_eq!(healthy.seen.headline, "200, nginx, TLS 1.3");
    assert!(healthy.seen.timings.connect.is_some() && healthy.seen.timings.tls.is_some());
    for (port, scheme, path, expected) in [
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
        let finding = nginx.page(port, scheme, path).await;
        assert_eq!(code(&finding), expected, "{scheme} {path} on port {port}");
    }
    let missing = url("https", GOOD, "/404");
    let lenient = Probe { accept: Accept::Below500, ..Probe::new(missing) };
    let finding = nginx.ask(GOOD, preflight_checks::Probe::Http(lenient)).await;
    assert_eq!(finding.seen.headline, "404, nginx, TLS 1.3");
}

#[tokio::test]
async fn an_agent_behind_a_self_signed_certificate_is_read_right() {
    let nginx = nginx();
    let ask = async |port: u16, password: Option<&str>| {
        let password = password.map(Into::into);
        let probe = nsclient::Probe { user: None, password, insecure: true };
        nginx.ask(port, preflight_checks::Probe::Nsclient(probe)).await
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

    let careful = async |port: u16, trust: &Trust| {
        let password = Some("s3cret".into());
        let probe = nsclient::Probe { user: None, password, insecure: false };
        nginx.server.ask(preflight_checks::Probe::Nsclient(probe), port, trust).await
    };
    let kept = careful(AGENT, &nginx.trust).await;
    assert_eq!((kept.verdict, kept.seen.headline.as_str()), (Ok(()), "alive, TLS 1.3"));
    let concerns: Vec<_> = kept.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(concerns, ["certificate-unverified", "nsclient-password-kept"]);
    // With the agent's own certificate at hand it is trusted, and asked.
    let pem = std::fs::read(nginx.server.home.path("own.pem")).unwrap();
    let own = Trust::only(Trust::certificates(&pem).unwrap());
    let queried = careful(AGENT, &own).await;
    assert_eq!(queried.verdict, Ok(()));
    assert_eq!(queried.seen.headline, "alive, version 0.5.2.41, TLS 1.3");
    assert_eq!(queried.seen.concerns, []);
}

#[tokio::test]
async fn a_block_page_in_the_place_of_a_repositorys_index_is_no_pass() {
    let home = Home::new();
    let folder = home.folder_of("root", "www");
    for (name, text) in [
        ("repodata/repomd.xml", "<?xml version=\"1.0\"?>\n<repomd xmlns=\"x\"></repomd>\n"),
        ("dists/bookworm/InRelease", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n"),
        ("dists/flat/Release", "Origin: Debian\nSuite: stable\n"),
    ] {
        let path = std::path::Path::new(&folder).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let page = "<html><head><title>The intranet</title></head></html>";
    let servers = format!(
        "server {{ listen {}; root {folder}; location /blocked/ {{ return 200 '{page}'; }} }}",
        home.at(PLAIN)
    );
    let server = serve(home, &servers);
    let ask = async |path: &str| {
        let probe = Probe::new(url("http", PLAIN, path));
        server.ask(preflight_checks::Probe::Http(probe), PLAIN, &Trust::only([])).await
    };
    for file in ["repodata/repomd.xml", "dists/bookworm/InRelease", "dists/flat/Release"] {
        assert_eq!(ask(&format!("/{file}")).await.verdict, Ok(()), "{file}");
        let blocked = ask(&format!("/blocked/{file}")).await.verdict.unwrap_err();
        assert_eq!(blocked.code(), "not-metadata");
        assert!(blocked.to_string().ends_with("title \"The intranet\""), "{blocked}");
    }
    // Of any other page nobody knows what should be in it.
    assert_eq!(ask("/blocked/").await.verdict, Ok(()));
}

#[tokio::test]
async fn squids_own_no_is_told_from_the_servers() {
    let nginx = nginx();
    let silent = TcpListener::bind(nginx.server.home.at(0)).unwrap();
    let silent = silent.local_addr().unwrap().port();
    let squid = squid(&nginx, &[PLAIN, GOOD, EXPIRED, CLOSED, silent], OTHER);
    let through = async |user: Option<&str>, password: &str, url: Url| {
        let proxy = proxy(squid.home.at(SQUID), user, password);
        let probe = Probe { proxy: Some(proxy), ..Probe::new(url) };
        squid.ask(preflight_checks::Probe::Http(probe), SQUID, &nginx.trust).await
    };
    let tunnelled = through(None, "", url("https", GOOD, "/")).await;
    assert_eq!(tunnelled.verdict, Ok(()));
    assert_eq!(tunnelled.seen.headline, "200, nginx, TLS 1.3, by proxy");
    let forwarded = through(None, "", url("http", PLAIN, "/")).await;
    assert_eq!(forwarded.verdict, Ok(()));
    assert_eq!(forwarded.seen.headline, "200, nginx, by proxy");
    let nowhere = Url::parse("https://nowhere.invalid/").unwrap();
    let cases = [
        (None, "", url("https", EXPIRED, "/"), "certificate-expired"),
        (None, "", url("http", PLAIN, "/403"), "http-forbidden"),
        (None, "", url("http", PLAIN, "/500"), "http-server-error"),
        (None, "", url("https", CLOSED, "/"), "proxy-cannot-reach"),
        (None, "", url("http", CLOSED, "/"), "proxy-cannot-reach"),
        (None, "", nowhere, "proxy-cannot-reach"),
        (None, "", url("https", 9, "/"), "proxy-denied"),
        (None, "", url("http", 9, "/"), "proxy-denied"),
        (None, "", url("https", OTHER, "/"), "proxy-authentication"),
        (None, "", url("http", OTHER, "/"), "proxy-authentication"),
        (Some("alice"), "wrong", url("https", OTHER, "/"), "proxy-authentication"),
        // Let in: the next "no" is the certificate's.
        (Some("alice"), "s3cret", url("https", OTHER, "/"), "certificate-wrong-name"),
        (None, "", url("https", silent, "/"), "silent-after"),
        (None, "", url("http", silent, "/"), "proxy-silent"),
    ];
    let asked = cases.into_iter().map(async |(user, password, url, expected)| {
        (through(user, password, url.clone()).await, user, url, expected)
    });
    for (finding, user, url, expected) in join_all(asked).await {
        assert_eq!(code(&finding), expected, "{url} as {user:?}");
        if let Err(Cause::Web(WebCause::ProxyAuthentication { given, .. })) = finding.verdict {
            assert_eq!(given, user.is_some());
        }
    }
    // nginx is no proxy, and a closed port is none either.
    for (port, expected) in [(PLAIN, "wrong-service"), (CLOSED, "port-closed")] {
        let proxy = proxy(nginx.server.home.at(port), None, "");
        let probe = Probe { proxy: Some(proxy), ..Probe::new(url("https", GOOD, "/")) };
        let finding = nginx.ask(port, preflight_checks::Probe::Http(probe)).await;
        let Err(Cause::Web(WebCause::ProxyUnreachable { because, .. })) = finding.verdict else {
            panic!("{:?}", finding.verdict)
        };
        assert_eq!(because.code(), expected);
    }
}

#[tokio::test]
async fn a_web_server_in_front_of_gorgone_is_told_from_gorgone() {
    let gorgone = SERVICES.iter().find(|service| service.name == "pullwss").unwrap();
    let gorgone = healthy_peer(gorgone).await;
    let home = Home::new();
    let _signs_nothing_here = certificates(&home);
    let (at, to, closed) = (home.at(PLAIN), gorgone.address, home.at(CLOSED));
    let tls = home.at(OWN);
    let upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;";
    let servers = format!(
        "server {{
            listen {at}; listen {tls} ssl; ssl_certificate own.pem; ssl_certificate_key own.key;
            location / {{ return 200 'You need to enable JavaScript to run this app.'; }}
            location = /websocket {{ proxy_pass http://{to}; {upgrade} }}
            location = /down {{ proxy_pass http://{closed}; {upgrade} }}
            location = /denied {{ return 403; }}
        }}"
    );
    let server = serve(home, &servers);
    let at = async |path: &str, port: u16, tls: bool, token: Option<&str>| {
        let token = token.map(Into::into);
        let probe = pullwss::Probe { path: path.to_owned(), tls, token };
        server.ask(preflight_checks::Probe::Pullwss(probe), port, &Trust::only([])).await
    };
    let ask = async |path: &str| at(path, PLAIN, false, None).await;

    let passed = ask("/websocket").await;
    assert_eq!(passed.verdict, Ok(()));
    assert_eq!(passed.seen.headline, "WebSocket behind nginx, token not tested");
    let known = at("/websocket", PLAIN, false, Some("preflight-demo")).await;
    assert_eq!(known.verdict, Ok(()));
    assert_eq!(known.seen.headline, "WebSocket behind nginx, token taken");
    let refused = at("/websocket", PLAIN, false, Some("another")).await;
    assert_eq!(code(&refused), "gorgone-token-refused");
    let path = "/centreon/gorgone/pullwss/websocket".to_owned();
    let missing =
        Cause::Gorgone(GorgoneCause::GorgoneWebsocketMissing { path: path.clone(), status: 200 });
    assert_eq!(ask(&path).await.verdict, Err(missing));
    let down = Cause::Gorgone(GorgoneCause::GorgoneWebsocketDown {
        path: "/down".to_owned(),
        status: 502,
    });
    assert_eq!(ask("/down").await.verdict, Err(down));
    assert_eq!(code(&ask("/denied").await), "http-forbidden");

    let unverified = at("/websocket", OWN, true, None).await;
    assert_eq!(unverified.verdict, Ok(()), "its pollers cannot be told to verify it");
    let headline = "WebSocket behind nginx, TLS 1.3, token not tested";
    assert_eq!((unverified.seen.headline.as_str(), unverified.seen.concerns.len()), (headline, 0));
    let told = unverified.seen.evidence.fact("certificate_verdict").unwrap().to_string();
    assert!(told.contains("self-signed"), "{told}");
    assert_eq!(code(&at("/websocket", OWN, false, None).await), "tls-unexpected");
}
