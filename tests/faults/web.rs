//! Faults of TLS, web servers and proxies.

use std::sync::Arc;

use rcgen::{
    CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, NameConstraints,
    SanType, date_time_ymd,
};
use rustls::ServerConfig;

use crate::certificates::Certificates;
use crate::lab::Node::{Router, Server};
use crate::peer::{self, Io, Peer};
use crate::row::{
    Flow, Place, Row, bbdo, gorgone_api, http, https, ldap, ldaps, nsclient, pullwss, pullwss_tls,
    smtp, smtps, ssh, tls, zmq,
};

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = secure(certificates);
    rows.extend(chains(certificates));
    rows.extend(suites());
    rows.extend(clients(certificates));
    rows.extend(pages_instead());
    rows.extend(pages_of_others());
    rows.extend(in_plain_text());
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
            row("missing intermediate", Certificates::missing_intermediate())
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

/// Faults of the chain and of keys, and chains that are unusual and good.
fn chains(certificates: &Certificates) -> Vec<Row> {
    let mut rows = Vec::new();
    for flow in [https(), tls(), ldaps()] {
        let shows = |fault: &str, config: Arc<ServerConfig>| {
            Row::new(fault, flow.clone()).peer(peer::secure_web(config, |_| peer::OK.to_owned()))
        };
        let at = |fault: &str, port: u16| Row::new(fault, flow.clone().on(port));
        let old = |params: &mut CertificateParams| {
            (params.not_before, params.not_after) =
                (date_time_ymd(2004, 1, 1), date_time_ymd(2024, 1, 1));
        };
        let strange = |params: &mut CertificateParams| {
            let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        };
        rows.extend([
            shows("expired intermediate", certificates.below(old))
                .fails(&["certificate-expired"])
                .says("intermediate certificate \"CN=Intermediate of the faults, O=Faults\" expired on 2024"),
            shows(
                "intermediate not yet valid",
                certificates.below(|it| it.not_before = date_time_ymd(2090, 1, 1)),
            )
            .fails(&["certificate-not-yet-valid"])
            .says("Intermediate of the faults"),
            shows("expired root in the store", certificates.by_an_expired_root())
                .fails(&["certificate-expired"])
                .says("this host's store \"CN=Old authority of the faults, O=Faults\""),
            shows(
                "certificate for clients",
                certificates.unusual(|it| {
                    it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                }),
            )
            .fails(&["certificate-wrong-purpose"])
            .says("clientAuth"),
            shows("unknown critical extension", certificates.unusual(strange))
                .fails(&["certificate-invalid"])
                .says("1.2.3.4"),
            shows(
                "name constraint",
                certificates.below(|it| {
                    it.name_constraints = Some(NameConstraints {
                        permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".to_owned())],
                        excluded_subtrees: Vec::new(),
                    });
                }),
            )
            .fails(&["certificate-name-forbidden"])
            .says("site.example.test"),
            shows(
                "inspected on the way",
                Certificates::inspected("Zscaler Intermediate Root CA (zscaler.net)"),
            )
            .fails(&["tls-intercepted"])
            .says("Zscaler"),
            at("1,024-bit key", 8456).fails(&["certificate-weak-key"]).says("1024 bits"),
            at("signed with SHA-1", 8457).fails(&["certificate-weak-signature"]).says("SHA-1"),
        ]);
    }
    for flow in [https(), tls()] {
        let shows = |fault: &str, config: Arc<ServerConfig>| {
            Row::new(fault, flow.clone()).peer(peer::secure_web(config, |_| peer::OK.to_owned()))
        };
        let at = |fault: &str, port: u16| Row::new(fault, flow.clone().on(port));
        rows.extend([
            shows("healthy, a self-signed authority that is trusted", certificates.own()),
            shows("healthy, cross-signed", certificates.cross_signed()),
            shows("healthy, with an intermediate", certificates.below(|_| {})),
            shows("healthy, TLS 1.3 only", certificates.newest_only()),
            at("healthy, P-521 certificate", 8458),
            at("healthy, P-521 key exchange only", 8459),
            at("common name only", 8460).warns(&["certificate-common-name-only"]),
        ]);
    }
    let wildcard = |it: &mut CertificateParams| {
        let name = "*.example.test".try_into().unwrap();
        it.subject_alt_names = vec![SanType::DnsName(name)];
    };
    rows.push(
        Row::new("healthy, wildcard", https().to("wild.example.test"))
            .peer(peer::secure_web(certificates.unusual(wildcard), |_| peer::OK.to_owned()))
            .hosts("{server} wild.example.test"),
    );
    rows
}

/// Servers that take less than OpenSSL's clients offer, or nothing of it.
fn suites() -> Vec<Row> {
    let mut rows = Vec::new();
    for flow in [https(), tls(), ldaps(), nsclient()] {
        let at = |fault: &str, port: u16| Row::new(fault, flow.clone().on(port));
        rows.extend([
            at("RSA key exchange only", 8450).warns(&["tls-not-spoken"]).says("AES128-SHA"),
            at("CBC only", 8451).warns(&["tls-not-spoken"]).says("CBC"),
            at("Diffie-Hellman over a finite field only", 8452)
                .warns(&["tls-not-spoken"])
                .says("finite field"),
            at("X448 only", 8453).warns(&["tls-not-spoken"]).says("X448"),
            at("no encryption", 8454).fails(&["tls-nothing-in-common"]).says("NULL-SHA256"),
            at("no certificate", 8455).fails(&["tls-nothing-in-common"]).says("ADH-AES128-SHA256"),
            at("CCM of TLS 1.3 only", 8462)
                .fails(&["tls-nothing-in-common"])
                .says("TLS_AES_128_CCM_SHA256"),
            at("a key that both know beforehand", 8463)
                .fails(&["tls-nothing-in-common"])
                .says("PSK-AES128-GCM-SHA256"),
            at("a key on a curve of its own", 8464)
                .fails(&["tls-nothing-in-common"])
                .says("brainpoolP256r1"),
        ]);
    }
    rows
}

/// Servers that want to know their client: by a certificate, or by the name it asks for.
fn clients(certificates: &Certificates) -> Vec<Row> {
    const GREETING: &str = "220 mail.example.test ESMTP\r\n";
    let mut rows = Vec::new();
    for flow in [ldaps(), nsclient(), smtps(), pullwss_tls()] {
        let shows = |fault: &str, config: Arc<ServerConfig>| {
            Row::new(fault, flow.clone()).peer(peer::secure_web(config, |_| peer::OK.to_owned()))
        };
        rows.extend([
            shows("client certificate wanted", certificates.wants_client_certificate())
                .fails(&["tls-client-certificate-wanted"]),
            Row::new("client certificate wanted, TLS 1.2", flow.clone().on(8461))
                .fails(&["tls-client-certificate-wanted"]),
            Row::new("asked by address, names wanted", flow.clone().on(8609))
                .fails(&["tls-name-unknown"])
                .says("not by an address"),
        ]);
    }
    let after = |greeting: &'static str, fault: &str, config: Arc<ServerConfig>| {
        let replies: &'static [(&str, &str)] = &[
            ("EHLO", "250-mail.example.test\r\n250 STARTTLS\r\n"),
            ("STARTTLS", "220 2.0.0 ready\r\n"),
        ];
        Row::new(fault, smtp()).peer(peer::mail_in_tls(greeting, replies, config))
    };
    let after_starttls = |fault: &str, config| after(GREETING, fault, config);
    rows.extend([
        after_starttls(
            "STARTTLS, client certificate wanted",
            certificates.wants_client_certificate(),
        )
        .fails(&["tls-client-certificate-wanted"]),
        after(
            "220-mail.example.test ESMTP\r\n220-Nobody sends advertising here.\r\n220 ready\r\n",
            "healthy, greeting of several lines",
            certificates.good(),
        ),
        after_starttls(
            "STARTTLS, inspected on the way",
            Certificates::inspected("Fortinet_CA_SSL"),
        )
        .warns(&["certificate-unverified"])
        .says("intercepted"),
        Row::new("a name the server does not know", https().on(8609).to("stray.example.test"))
            .hosts("{server} stray.example.test")
            .fails(&["tls-name-unknown"])
            .says("stray.example.test"),
        Row::new("healthy, asked by the name it knows", tls().on(8609).to("site.example.test"))
            .hosts("{server} site.example.test"),
    ]);
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
        status(429).fails(&["http-status"]).says("429 (too many requests)"),
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

/// A web server to which a load balancer says something it does not understand.
fn early() -> Peer {
    peer::says_and_closes(
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n<html></html>",
    )
}

/// Pages of somebody in between, a device's own, and redirects that end nowhere.
fn pages_instead() -> Vec<Row> {
    let mut rows = vec![
        Row::new("block page with status 200", http().on(8600))
            .fails(&["page-instead"])
            .says("Web Page Blocked"),
        Row::new("block page with status 200", https().on(8606))
            .fails(&["page-instead"])
            .says("Web Page Blocked"),
        Row::new(
            "proxy: block page with status 200",
            through("http://10.0.0.3:3128", "http://www.example.test:8600/"),
        )
        .fails(&["page-instead"])
        .says("Web Page Blocked"),
        Row::new("log-in page with status 200", http().on(8601))
            .fails(&["page-instead"])
            .says("Guest Network Login"),
        Row::new("redirects to itself", http().on(8602)).fails(&["redirect-loop"]),
        Row::new("redirects to itself", https().on(8607)).fails(&["redirect-loop"]),
        Row::new("redirects from TLS to plain text", https().on(8610))
            .warns(&["http-sends-elsewhere"])
            .says("http://10.0.0.3/"),
        Row::new("redirects to FTP", http().on(8611)).warns(&["http-sends-elsewhere"]).says("ftp:"),
        Row::new("redirects to FTP", https().on(8612))
            .warns(&["http-sends-elsewhere"])
            .says("ftp:"),
        Row::new("nginx closes without an answer", http().on(8613)).fails(&["hung-up"]),
        Row::new("nginx closes without an answer", https().on(8614)).fails(&["ends-behind-tls"]),
        Row::new("refused before it was asked", http()).peer(early()).fails(&["http-status"]),
        Row::new("refused before it was asked", gorgone_api())
            .peer(early())
            .fails(&["http-status", "wrong-service", "gorgone-api-refused"])
            .says("400"),
        Row::new("refused before it was asked", https())
            .peer(early())
            .fails(&["wrong-service"])
            .says("HTTP"),
        Row::new("HTTP/2 alone", http().on(8615)).fails(&["wrong-service"]).says("HTTP/2"),
        Row::new("a load balancer's words are missing", http().on(8616))
            .fails(&["proxy-header-wanted"]),
        Row::new("a load balancer's words are missing", https().on(8617))
            .fails(&["proxy-header-wanted"]),
        Row::new("redirects in a circle", http().on(8603)).fails(&["redirect-loop"]).says("/a"),
        Row::new("healthy, redirects within", http().on(8604)),
        Row::new("healthy, a log-in of its own", http().on(8608)),
        Row::new("a proxy on the way reaches nobody", http().on(3142))
            .fails(&["proxy-cannot-reach"])
            .says("on the way"),
        Row::new("a proxy on the way denies", http().on(3143))
            .fails(&["proxy-denied"])
            .says("on the way"),
    ];
    for flow in [https(), tls()] {
        rows.push(
            Row::new("a firewall's own page", flow.to("blocked.example.test"))
                .peer(peer::secure_web(Certificates::of_a_device(), |_| peer::OK.to_owned()))
                .hosts("{server} blocked.example.test")
                .fails(&["certificate-of-device"])
                .says("Fortinet"),
        );
    }
    rows
}

/// Answers that somebody on the way wrote, or that do not say who did, as they come in plain text.
fn pages_of_others() -> Vec<Row> {
    let row = |fault: &str, status: &str, headers: &str, body: &str| {
        let flow = http().to("pages.example.test");
        Row::new(fault, flow).peer(web_page(status, headers, body)).hosts(SITE)
    };
    let title = |title: &str| format!("<html><head><title>{title}</title></head></html>");
    let script = |script: &str| format!("<html><script>{script}</script></html>");
    let mut rows = Vec::new();
    for status in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        let row = row(&format!("unsigned, HTTP {status}"), status, "", "the connection failed");
        rows.push(row.fails(&["http-server-error"]).says("or a proxy on the way"));
    }
    let squid = title("ERROR: The requested URL could not be retrieved");
    let failed = "X-Squid-Error: ERR_DNS_FAIL 0\r\n";
    let onward = "Location: http://gateway.corp.test:8090/httpclient.html\r\n";
    rows.extend([
        row("squid on the way without a name server", "503 x", failed, &squid)
            .fails(&["proxy-cannot-reach"])
            .says("ERR_DNS_FAIL"),
        row("squid on the way, its headers taken away", "403 Forbidden", "", &squid)
            .fails(&["proxy-denied"]),
        row("block page with status 403", "403 Forbidden", "", &title("Web Page Blocked!"))
            .fails(&["page-instead"])
            .says("Web Page Blocked"),
        row(
            "block page of a FortiGate",
            "200 OK",
            "",
            &title("The URL you requested has been blocked"),
        )
        .fails(&["page-instead"])
        .says("has been blocked"),
        row("refusal with status 200", "200 OK", "", &title("403 Forbidden"))
            .fails(&["page-instead"])
            .says("403 Forbidden"),
        row("block page, German", "200 OK", "", &title("Zugriff gesperrt"))
            .fails(&["page-instead"])
            .says("gesperrt"),
        row("block page by its heading", "200 OK", "", "<h1>Access Denied</h1> by policy")
            .fails(&["page-instead"])
            .says("Access Denied"),
        row(
            "a server's own refusal",
            "403 Forbidden",
            "Server: nginx\r\n",
            &title("403 Forbidden"),
        )
        .fails(&["http-forbidden"]),
        row("captive portal by a script", "200 OK", "", &script("location.href='http://in.test/'"))
            .fails(&["captive-portal"])
            .says("in.test"),
        row("captive portal on a device's port", "302 Found", onward, "")
            .fails(&["captive-portal"])
            .says("gateway.corp.test"),
        row("healthy, a page that sends on within", "200 OK", "", &script("location='/ui'")),
    ]);
    rows
}

/// Gives everybody this page.
fn web_page(status: &str, headers: &str, body: &str) -> Peer {
    let length = body.len();
    peer::answers(format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n{headers}\
         Connection: close\r\n\r\n{body}"
    ))
}

/// A port inside TLS asked in plain text, and NRPE, which is one without a certificate.
fn in_plain_text() -> Vec<Row> {
    let mut rows = Vec::new();
    for flow in [bbdo(), zmq(), ssh(), ldap(), gorgone_api(), pullwss()] {
        let at = |fault: &str, port: u16| Row::new(fault, flow.clone().on(port));
        // A broker's port has a cause of its own for it.
        let in_tls: &'static [&str] = match flow.name {
            "bbdo" => &["bbdo-tls", "tls-unexpected"],
            _ => &["tls-unexpected"],
        };
        let shipped = at("NRPE as Debian ships it instead", 5666);
        let shipped = shipped.fails(&["wrong-service"]).says("NRPE");
        let directory = at("in plain text to a directory's TLS port", 636);
        rows.extend([
            at("in plain text to nginx's TLS port", 443).fails(in_tls),
            directory.fails(in_tls),
            shipped,
        ]);
    }
    rows
}

#[allow(clippy::too_many_lines)] // A list of rows.
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
        by("proxy: wants NTLM", "http://10.0.0.3:3140").fails(&["proxy-scheme"]).says("NTLM"),
        Row::new("proxy: plain HTTP, wants NTLM", through("http://10.0.0.3:3140", PLAIN))
            .fails(&["proxy-scheme"])
            .says("NTLM"),
        by("proxy: a SOCKS server", "http://10.0.0.3:1080").fails(PROXY_DOWN).says("SOCKS"),
        Row::new("proxy: plain HTTP, a web server", through("http://10.0.0.3:80", PLAIN))
            .fails(PROXY_DOWN)
            .says("a web server"),
        Row::new(
            "proxy: plain HTTP, sent to a page that says why not",
            through("http://{server}:{port}", PLAIN),
        )
        .peer(web_page(
            "302 Found",
            "X-Squid-Error: 403 Access Denied\r\nLocation: http://block.corp.test/why\r\n",
            "",
        ))
        .fails(&["captive-portal"])
        .says("block.corp.test/why"),
        Row::new("proxy: plain HTTP, a SOCKS server", through("http://10.0.0.3:1080", PLAIN))
            .fails(PROXY_DOWN)
            .says("SOCKS"),
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
        by("proxy: a page instead of the tunnel", "http://{server}:{port}")
            .peer(web_page("200 OK", "", "<title>Proxy Login</title>"))
            .fails(&["page-instead"])
            .says("Proxy Login"),
        by("proxy: sent to a page instead of the tunnel", "http://{server}:{port}")
            .peer(web_page("302 Found", "Location: http://proxy.corp.test/login\r\n", ""))
            .fails(&["captive-portal"])
            .says("proxy.corp.test/login"),
        by("proxy: wants Negotiate", "http://{server}:{port}")
            .peer(web_page("407 x", "Proxy-Authenticate: Negotiate\r\n", ""))
            .fails(&["proxy-scheme"])
            .says("Negotiate"),
        by("tinyproxy: lets nobody in", "http://10.0.0.3:3150")
            .fails(&["proxy-denied"])
            .says("403"),
        by("tinyproxy: 407", "http://10.0.0.3:3151").fails(&["proxy-authentication"]),
        by("tinyproxy: not to this port", "http://10.0.0.3:3152").fails(&["proxy-denied"]),
        by("tinyproxy: filtered", "http://10.0.0.3:3153").fails(&["proxy-denied"]),
        Row::new("tinyproxy: plain HTTP filtered", through("http://10.0.0.3:3153", PLAIN))
            .fails(&["proxy-denied"]),
        Row::new(
            "tinyproxy: origin does not listen",
            through("http://10.0.0.3:3154", "https://www.example.test:9/"),
        )
        .fails(&["proxy-cannot-reach"]),
        Row::new(
            "tinyproxy: origin's name unknown",
            through("http://10.0.0.3:3154", "https://nobody-here.example.test/"),
        )
        .fails(&["proxy-cannot-reach"]),
        by("tinyproxy: with the right credentials", "http://10.0.0.3:3151")
            .with_login("{lab}/password"),
        by("tinyproxy: healthy", "http://10.0.0.3:3154"),
        by("proxy: intercepts TLS", "http://{server}:{port}")
            .peer(intercepting)
            .fails(&["tls-intercepted"])
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

const SITE: &str = "{server} pages.example.test";
const PROXY_DOWN: &[&str] = &["proxy-unreachable"];
const PLAIN: &str = "http://www.example.test/";

impl Row {
    fn with_login(mut self, file: &str) -> Self {
        let login = ["--proxy-user", "monitoring", "--proxy-password-file", file];
        self.flow = self.flow.with(&login);
        self
    }
}
