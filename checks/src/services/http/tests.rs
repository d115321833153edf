//! Every verdict on an answer, without a socket; then both halves together.

use super::*;
use crate::cause::{TlsCause, WebCause};

const PUBLIC: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(93, 184, 216, 34)));

fn probe(url: &str) -> Probe {
    Probe::new(Url::parse(url).unwrap())
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
    let parsed = |(name, value): &(&str, &str)| {
        (
            reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            reqwest::header::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        )
    };
    HttpAnswer {
        status,
        version: "HTTP/1.1".to_owned(),
        headers: headers.iter().map(parsed).collect(),
        body: body.into(),
    }
}

fn judged(probe: &Probe, answer: &HttpAnswer) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    let verdict = probe.judge(answer, &probe.url, PUBLIC, &mut seen);
    (verdict, seen)
}

fn verdict(status: u16) -> Result<(), Cause> {
    judged(&probe("https://web.example.org/a?token=1"), &answer(status, &[], "")).0
}

#[test]
fn a_public_page_with_a_strangers_certificate_is_intercepted() {
    let url: Url = "https://packages.example.com/".parse().unwrap();
    let stranger = || {
        Cause::Tls(TlsCause::CertificateUnknownIssuer {
            issuer: "CN=Inspection of Example".to_owned(),
            subject: "CN=packages.example.com".to_owned(),
        })
    };
    let public = Probe { is_public: true, ..Probe::new(url.clone()) };
    assert_eq!(
        public.intercepted(stranger(), &url),
        Cause::Tls(TlsCause::TlsIntercepted {
            host: "packages.example.com".to_owned(),
            issuer: "CN=Inspection of Example".to_owned(),
        })
    );
    let private = Probe::new(url.clone());
    assert_eq!(private.intercepted(stranger(), &url), stranger());
    let proxy = Proxy { url: localhost("http"), user: None, password: None };
    let behind = Probe { proxy: Some(proxy), ..private };
    assert_eq!(behind.intercepted(stranger(), &url).code(), "tls-intercepted");
    // Its authority's own certificate, where it makes none for each host; another's is the server's.
    let own = |subject: &str| {
        let subject = subject.to_owned();
        behind.intercepted(Cause::Tls(TlsCause::CertificateSelfSigned { subject }), &url).code()
    };
    assert_eq!(own("CN=Zscaler Root CA, O=Zscaler Inc."), "tls-intercepted");
    assert_eq!(own("CN=packages.example.com"), "certificate-self-signed");
}

#[test]
fn each_status_has_its_cause() {
    assert_eq!(verdict(200), Ok(()));
    assert_eq!(verdict(204), Ok(()));
    assert_eq!(verdict(401), Err(Cause::Web(WebCause::HttpForbidden { status: 401 })));
    assert_eq!(verdict(403), Err(Cause::Web(WebCause::HttpForbidden { status: 403 })));
    assert_eq!(verdict(404), Err(Cause::Web(WebCause::HttpNotFound { path: "/a".to_owned() })));
    assert_eq!(verdict(429), Err(Cause::Web(WebCause::HttpStatus { status: 429 })));
    assert_eq!(
        verdict(500),
        Err(Cause::Web(WebCause::HttpServerError { status: 500, unsigned: false }))
    );
    assert_eq!(
        verdict(503),
        Err(Cause::Web(WebCause::HttpServerError { status: 503, unsigned: false }))
    );
    let demanded =
        Cause::Web(WebCause::ProxyAuthentication { proxy: "on the way".to_owned(), given: false });
    assert_eq!(verdict(407), Err(demanded));
}

#[test]
fn where_reaching_it_counts_only_a_failing_server_fails() {
    let probe = Probe { accept: Accept::Below500, ..probe("https://web.example.org/") };
    for status in [200, 301, 401, 403, 404, 429] {
        let (verdict, seen) = judged(&probe, &answer(status, &[("server", "nginx")], ""));
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, format!("{status}, nginx"));
    }
    let failing = judged(&probe, &answer(502, &[], "")).0;
    assert_eq!(
        failing,
        Err(Cause::Web(WebCause::HttpServerError { status: 502, unsigned: false }))
    );
    let portal = judged(&probe, &answer(511, &[], "")).0.unwrap_err();
    assert_eq!(portal.code(), "captive-portal");
}

#[test]
fn a_redirect_is_shown_and_not_followed() {
    let moved = answer(301, &[("location", "https://web.example.org/de/?session=1")], "");
    let (verdict, seen) = judged(&probe("http://web.example.org/"), &moved);
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.headline, "301 -> https://web.example.org/de/");
    let redirect = seen.evidence.fact("redirect").unwrap().to_string();
    assert_eq!(redirect, "https://web.example.org/de/");
    assert_eq!(seen.concerns, []);
}

#[test]
fn being_sent_to_another_host_is_a_concern() {
    let moved = answer(302, &[("location", "https://cdn.example.net/")], "");
    let (verdict, seen) = judged(&probe("https://web.example.org/"), &moved);
    assert_eq!(verdict, Ok(()));
    let location = "https://cdn.example.net/".to_owned();
    assert_eq!(seen.concerns, [Concern::HttpSendsElsewhere { location }]);
}

#[test]
fn a_captive_portal_is_not_the_host_asked() {
    let caught = answer(302, &[("location", "http://10.1.1.1/login.html?u=x")], "");
    let (verdict, seen) = judged(&probe("http://web.example.org/"), &caught);
    let location = "http://10.1.1.1/login.html".to_owned();
    assert_eq!(verdict, Err(Cause::Web(WebCause::CaptivePortal { location })));
    assert_eq!(seen.evidence.fact("status").unwrap().to_string(), "302");
}

#[test]
fn a_plain_request_on_a_tls_port_is_named_as_web_servers_name_it() {
    let page = "<center>The plain HTTP request was sent to HTTPS port</center>";
    let (verdict, _) = judged(&probe("http://web.example.org/"), &answer(400, &[], page));
    assert_eq!(verdict, Err(Cause::Tls(TlsCause::TlsUnexpected { expected: "HTTP".into() })));
}

#[test]
fn a_certificate_of_ours_that_is_missed_is_named() {
    let page = "<center>No required SSL certificate was sent</center>";
    let (verdict, _) = judged(&probe("https://web.example.org/"), &answer(400, &[], page));
    let alert = "400 No required SSL certificate was sent".to_owned();
    assert_eq!(verdict, Err(Cause::Tls(TlsCause::TlsClientCertificateWanted { alert })));
}

#[test]
fn what_a_proxy_on_the_way_signs_is_not_the_web_servers() {
    for (status, code) in
        [(403, "proxy-denied"), (503, "proxy-cannot-reach"), (504, "proxy-cannot-reach")]
    {
        let signed = answer(status, &[("x-squid-error", "ERR_DNS_FAIL 0")], "");
        let cause = judged(&probe("http://web.example.org/"), &signed).0.unwrap_err();
        assert_eq!(cause.code(), code);
        assert!(cause.to_string().starts_with("the proxy on the way "), "{cause}");
        // Where reaching the server counts, it was not reached.
        let lenient = Probe { accept: Accept::Below500, ..probe("http://web.example.org/") };
        assert_eq!(judged(&lenient, &signed).0.unwrap_err().code(), code);
    }
    // Asked for itself, its refusal is its answer.
    let own = Probe { accept: Accept::OfProxy, ..probe("http://proxy.example.org:3128/") };
    for status in [400, 403] {
        let refusal = answer(status, &[("x-squid-error", "ERR_INVALID_URL 0")], "");
        assert_eq!(judged(&own, &refusal).0, Ok(()), "{status}");
    }
    let ntlm = answer(407, &[("proxy-authenticate", "NTLM")], "");
    let cause = judged(&probe("http://web.example.org/"), &ntlm).0.unwrap_err();
    assert_eq!(cause.code(), "proxy-scheme");
}

#[test]
fn a_block_page_with_a_good_status_is_no_pass() {
    let blocked = answer(200, &[], "<title>Web Page Blocked</title>");
    let cause = judged(&probe("https://web.example.org/"), &blocked).0.unwrap_err();
    let (host, title) = ("web.example.org".to_owned(), "Web Page Blocked".to_owned());
    assert_eq!(cause, Cause::Web(WebCause::PageInstead { host, title }));
}

#[test]
fn a_redirect_to_where_we_are_is_a_circle() {
    let moved = answer(301, &[("location", "https://web.example.org/?a=1")], "");
    let cause = judged(&probe("https://web.example.org/?a=1"), &moved).0.unwrap_err();
    let location = "https://web.example.org/".to_owned();
    assert_eq!(cause, Cause::Web(WebCause::RedirectLoop { location }));
    assert_eq!(judged(&probe("https://web.example.org/?a=2"), &moved).0, Ok(()));
    // With the cookie the next answer may be another.
    let location = ("location", "https://web.example.org/?a=1");
    let with_cookie = answer(301, &[location, ("set-cookie", "a=b")], "");
    assert_eq!(judged(&probe("https://web.example.org/?a=1"), &with_cookie).0, Ok(()));
}

#[test]
fn a_hostile_server_cannot_write_to_the_terminal() {
    let name = "nginx\t\u{202e}bad";
    let (_, seen) =
        judged(&probe("https://web.example.org/"), &answer(200, &[("server", name)], ""));
    assert_eq!(seen.headline, "200, nginx\\t\\u{202e}bad");
}

#[test]
fn asked_directly_name_and_port_are_the_peers() {
    let peer = |host: &str, port| Peer {
        host: host.to_owned(),
        address: (std::net::Ipv4Addr::LOCALHOST, port).into(),
        from: None,
    };
    let asked = |host, port| probe("https://localhost/x").asked(&peer(host, port));
    assert_eq!(asked("web.example.org", 443).as_str(), "https://web.example.org/x");
    assert_eq!(asked("web.example.org", 8443).as_str(), "https://web.example.org:8443/x");
    assert_eq!(asked("2001:db8::1", 443).as_str(), "https://[2001:db8::1]/x");
    assert_eq!(asked("fe80::1%eth0", 443).as_str(), "https://[fe80::1]/x");
}

#[test]
fn through_a_proxy_the_url_is_taken_whole() {
    let proxy = Proxy { url: localhost("http"), user: None, password: None };
    let probe = Probe { proxy: Some(proxy), ..probe("https://web.example.org/x") };
    let peer = Peer::from(std::net::SocketAddr::from(([192, 0, 2, 1], 3128)));
    assert_eq!(probe.asked(&peer), probe.url);
}

#[test]
fn host_port_and_path_are_said_as_the_protocol_wants_them() {
    let url = Url::parse("https://user:secret@[2001:db8::1]:8443/a/b?token=1#x").unwrap();
    assert_eq!(bare_host(&url), "2001:db8::1");
    assert_eq!(host_header(&url), "[2001:db8::1]:8443");
    assert_eq!(destination(&url), "[2001:db8::1]:8443");
    assert_eq!(target(&url), "/a/b?token=1");
    assert_eq!(shown(&url), "https://[2001:db8::1]:8443/a/b");
    let plain = Url::parse("http://web.example.org").unwrap();
    assert_eq!((host_header(&plain).as_str(), target(&plain).as_str()), ("web.example.org", "/"));
    assert_eq!(destination(&plain), "web.example.org:80");
}
