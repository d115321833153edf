//! Faults of TLS, web servers and proxies.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::certificates::Certificates;
use crate::lab::Node::{Router, Server};
use crate::peer::{self, Io, Peer};
use crate::row::{Flow, Place, Row, http, https, tls};

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = secure(certificates);
    rows.extend(pages());
    rows.extend(proxies(certificates));
    rows
}

fn secure(certificates: &Certificates) -> Vec<Row> {
    let mut rows = Vec::new();
    for flow in [https(), tls()] {
        let row = |fault: &str, config: Arc<ServerConfig>| {
            Row::new(fault, flow.clone()).peer(peer::secure_web(config, |_| peer::OK.to_owned()))
        };
        rows.extend([
            row("expired", certificates.expired())
                .fails(&["certificate-expired"])
                .says("2024-01-01"),
            row("not yet valid", certificates.not_yet_valid())
                .fails(&["certificate-not-yet-valid"])
                .says("2090-01-01"),
            row("unknown issuer", Certificates::unknown_issuer())
                .fails(&["certificate-unknown-issuer"])
                .says("Inspection of a proxy"),
            row("self-signed", Certificates::self_signed()).fails(&["certificate-self-signed"]),
            row("missing intermediate", certificates.missing_intermediate())
                .fails(&["certificate-incomplete-chain"])
                .says("Intermediate of the faults"),
            row("wrong name", certificates.wrong_name())
                .fails(&["certificate-wrong-name"])
                .says("another-host.example.test"),
            row("client certificate wanted", certificates.wants_client_certificate())
                .fails(&["tls-client-certificate-wanted"]),
            Row::new("TLS 1.1 only", flow.clone().on(8445)).fails(&["tls-version"]),
            Row::new("plain text on the TLS port", flow.clone().on(80))
                .fails(&["wrong-service"])
                .says("HTTP"),
            Row::new("TLS alert at the first byte", flow.clone())
                .peer(peer::answers(*b"\x15\x03\x03\0\x02\x02\x28"))
                .fails(&["tls-refused"]),
        ]);
    }
    rows.push(
        Row::new("client certificate wanted, nginx", https().on(8444))
            .fails(&["tls-client-certificate-wanted", "http-status"])
            .because("nginx asks for none in the handshake's words: it answers 400 afterwards"),
    );
    rows.push(
        Row::new("TLS on a plain port", http().on(443))
            .fails(&["tls-unexpected", "http-status", "wrong-service"])
            .because("nginx answers plain HTTP on its TLS port with a page in plain text"),
    );
    rows.push(
        Row::new("TLS on a plain port, rustls", http())
            .peer(peer::in_tls(certificates.good(), |stream| peer::drain(stream)))
            .fails(&["tls-unexpected"]),
    );
    rows
}

fn pages() -> Vec<Row> {
    let status = |code: u16| Row::new(format!("HTTP {code}"), http().on(8000 + code));
    vec![
        status(401).fails(&["http-forbidden"]).says("401"),
        status(403).fails(&["http-forbidden"]).says("403"),
        status(404).fails(&["http-not-found"]),
        status(407)
            .fails(&["proxy-authentication", "http-status"])
            .because("a proxy nobody knows of asks for a password: both say 407")
            .says("407"),
        status(429).fails(&["http-status"]).says("429"),
        status(500).fails(&["http-server-error"]).says("500"),
        Row::new("HTTP 502, nginx without its backend", http().on(8502))
            .fails(&["http-server-error"])
            .says("502"),
        status(503).fails(&["http-server-error"]).says("503"),
        status(511).fails(&["captive-portal"]),
        Row::new("captive portal", http().on(8302).to("www.example.test"))
            .fails(&["captive-portal"])
            .says("login.portal.test"),
    ]
}

fn proxies(certificates: &Certificates) -> Vec<Row> {
    let by =
        |fault: &str, proxy: &str| Row::new(fault, through(proxy, "https://www.example.test/"));
    let dead = |fault: &str, proxy: &str| {
        let mut row = by(fault, proxy).fails(PROXY_DOWN);
        row.flow = row.flow.with(&["--only", "poller.proxy"]);
        row
    };
    let (open, users) = ("http://10.0.0.3:3128", "http://10.0.0.3:3129");
    let intercepting = intercepting(Certificates::unknown_issuer());
    let _ = certificates;
    vec![
        by("proxy: closed port", "http://10.0.0.3:9").fails(PROXY_DOWN).says("nothing listens"),
        by("proxy: dropped by the router", "http://{server}:3128")
            .at(Place::Near)
            .rule(Router, "forward", "{host} tcp dport 3128 drop")
            .fails(PROXY_DOWN)
            .says("10.2.0.1"),
        by("proxy: rejected by the router", "http://{server}:3128")
            .at(Place::Near)
            .rule(Router, "forward", "{host} tcp dport 3128 reject with icmp admin-prohibited")
            .fails(PROXY_DOWN)
            .says("10.2.0.1"),
        by("proxy: rejected by itself", "http://{server}:3128")
            .at(Place::Near)
            .rule(Server, "input", "{host} tcp dport 3128 reject with icmp admin-prohibited")
            .fails(PROXY_DOWN)
            .says("firewall"),
        dead("proxy dead: closed port", "http://10.0.0.3:9").under("poller.proxy", "port-closed"),
        dead("proxy dead: dropped by the router", "http://{server}:3128")
            .at(Place::Near)
            .rule(Router, "forward", "{host} tcp dport 3128 drop")
            .under("poller.proxy", "port-silent-after"),
        dead("proxy dead: rejected by the router", "http://{server}:3128")
            .at(Place::Near)
            .rule(Router, "forward", "{host} tcp dport 3128 reject with icmp admin-prohibited")
            .under("poller.proxy", "path-rejected"),
        dead("proxy dead: reset by the router", "http://{server}:3128")
            .at(Place::Near)
            .rule(Router, "forward", "{host} tcp dport 3128 reject with tcp reset")
            .under("poller.proxy", "path-reset"),
        by("proxy: name that does not exist", "http://nobody.example.test:3128")
            .fails(&["name-not-found", "proxy-unreachable"])
            .because("the name is the proxy's"),
        by("proxy: a mail server", "http://10.0.0.3:25").fails(PROXY_DOWN).says("SMTP"),
        by("proxy: a web server", "http://10.0.0.3:80").fails(PROXY_DOWN).says("HTTP"),
        by("proxy: silent", "http://{server}:{port}").peer(peer::silent()).fails(&["proxy-silent"]),
        by("proxy: 407 without credentials", users).fails(&["proxy-authentication"]).says("407"),
        by("proxy: 407 with wrong credentials", users)
            .with_login("{lab}/wrong")
            .fails(&["proxy-authentication"])
            .says("refuses the credentials"),
        by("proxy: denied by policy", "http://10.0.0.3:3130").fails(&["proxy-denied"]).says("403"),
        Row::new("proxy: plain HTTP denied by policy", through("http://10.0.0.3:3130", PLAIN))
            .fails(&["proxy-denied"]),
        Row::new("proxy: plain HTTP, 407", through(users, PLAIN)).fails(&["proxy-authentication"]),
        Row::new(
            "proxy: CONNECT refused for the port",
            through("http://10.0.0.3:3131", "https://www.example.test:8444/"),
        )
        .fails(&["proxy-denied"])
        .says("8444"),
        Row::new("proxy: origin does not listen", through(open, "https://www.example.test:9/"))
            .fails(&["proxy-cannot-reach"])
            .says("503"),
        Row::new("proxy: origin's name unknown", through(open, "https://nobody.example.test/"))
            .fails(&["proxy-cannot-reach"]),
        Row::new("proxy: plain HTTP, origin down", through(open, "http://www.example.test:9/"))
            .fails(&["proxy-cannot-reach"]),
        Row::new("proxy: origin answers 403", through(open, "http://www.example.test:8403/"))
            .fails(&["http-forbidden"])
            .says("403"),
        by("proxy: intercepts TLS", "http://{server}:{port}")
            .peer(intercepting)
            .fails(&["certificate-unknown-issuer"])
            .says("Inspection of a proxy"),
        by("proxy: with the right credentials", users).with_login("{lab}/password"),
        by("proxy: healthy", open),
    ]
}

/// The poller's Internet flow through a proxy.
fn through(proxy: &str, url: &str) -> Flow {
    let flow = Flow { name: "proxy", ..https() };
    flow.with(&["--role", "poller", "--only", "poller.http", "--http", url, "--proxy", proxy])
}

/// Opens every tunnel itself.
fn intercepting(config: Arc<ServerConfig>) -> Peer {
    Peer::tcp(move |mut stream| {
        if peer::request(&mut stream).is_some() {
            let opened = b"HTTP/1.1 200 Connection established\r\n\r\n";
            let _ = std::io::Write::write_all(&mut stream, opened);
            peer::tls_on(stream, &config, &|stream: &mut dyn Io| peer::drain(stream));
        }
    })
}

const PROXY_DOWN: &[&str] = &["proxy-unreachable"];
const PLAIN: &str = "http://www.example.test/";

impl Row {
    fn with_login(mut self, file: &str) -> Self {
        let login = ["--proxy-user", "monitoring", "--proxy-password-file", file];
        self.flow = self.flow.with(&login);
        self
    }
}
