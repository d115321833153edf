//! HTTP and HTTPS: does the web server asked answer, or who answers instead?
//!
//! One GET, TCP 80 or 443 by default, directly or through a proxy. Redirects are
//! shown; within the host they are followed, to see whether they end.
//!
//! Reference: [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110).

mod content;
pub(crate) mod exchange;
mod portal;
mod proxy;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::SET_COOKIE;
use url::{Host, Url};

use crate::cause::{Cause, Concern, TalkCause, TlsCause, Transport, WebCause};
use crate::discreet::discreet_path;
use crate::evidence::Seen;
use crate::net::tls::interception::is_inspection;
use crate::net::tls::{Verify, secure_as};
use crate::net::{Ask, FarStream, Peer};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};
use exchange::{ALPN, HttpAnswer, HttpRequest, fetch};
use portal::{Onward, page_instead, portal};
use proxy::{proxy_error, refusal};

pub use content::Content;
pub use proxy::Proxy;

/// Asks for one page.
///
/// The peer is the host of `url`, or the proxy when one is given: its caller
/// resolves that name. Asked directly, name and port are the peer's, and `url`
/// adds scheme and path; through a proxy, `url` is taken whole.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What to ask for: `https://updates.example.org/`.
    pub url: Url,
    /// Which answers pass.
    pub accept: Accept,
    /// What a page that passes has in it.
    pub content: Content,
    /// Is it a page whose certificate everybody trusts? Another issuer is then
    /// somebody in between.
    pub is_public: bool,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
}

/// Which answers of the right host pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// A page or a redirect.
    #[default]
    Below400,
    /// Also "forbidden" and "not found": what counts is that it is reached.
    Below500,
    /// Whatever a proxy says of itself, which is the server asked.
    OfProxy,
}

impl Probe {
    /// A probe for `url`, directly.
    #[must_use]
    pub fn new(url: Url) -> Self {
        let content = Content::of(&url);
        Self { url, accept: Accept::default(), content, is_public: false, proxy: None }
    }

    /// Which of the two services the URL's scheme asks for.
    pub(crate) fn service(&self) -> &'static Service {
        if is_tls(&self.url) { &SERVICE_TLS } else { &SERVICE }
    }

    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let url = self.asked(&ask.peer);
        ask.seen.evidence.set("url", shown(&url));
        let at = self.proxy.is_none().then_some(ask.peer.address.ip());
        let answer = self.answer(ask, &url).await?;
        self.judge(&answer, &url, at, &mut ask.seen)?;
        if let Some(proxy) = self.proxy.as_ref().filter(|_| !is_tls(&url)) {
            proxy.leads_on(ask, &url, &answer).await?;
        }
        self.follow(ask, &answer, &url).await
    }

    /// Follows redirects within the host, over the same scheme: do they come back to where they were?
    ///
    /// Nothing else is decided from them; a page that is not there is not missed.
    async fn follow(&self, ask: &mut Ask, first: &HttpAnswer, url: &Url) -> Result<(), Cause> {
        let mut been = vec![url.clone()];
        let mut next = within(first, url);
        while let Some(onward) = next.filter(|_| been.len() <= MOST_REDIRECTS) {
            if been.contains(&onward.url) {
                return Err(Cause::Web(WebCause::RedirectLoop { location: onward.shown() }));
            }
            let mut again = Ask::new(ask.peer.clone(), ask.deadline, ask.trust.clone());
            let Ok(answer) = Box::pin(self.answer(&mut again, &onward.url)).await else {
                return Ok(());
            };
            next = within(&answer, &onward.url);
            been.push(onward.url);
        }
        Ok(())
    }

    async fn answer(&self, ask: &mut Ask, url: &Url) -> Result<HttpAnswer, Cause> {
        let stream = match &self.proxy {
            None => ask.connect().await?,
            Some(proxy) => {
                ask.seen.evidence.set("proxy", proxy.shown());
                if !is_tls(url) {
                    return proxy.forward(ask, url).await;
                }
                proxy.tunnel(ask, &destination(url)).await?
            }
        };
        let stream = if is_tls(url) {
            let secured = secure_as(stream, ask, &bare_host(url), Verify::Strictly, ALPN).await;
            secured.map_err(|cause| self.intercepted(cause, url))?
        } else {
            stream
        };
        let (host, target) = (host_header(url), target(url));
        fetch(stream, &HttpRequest { host: &host, target: &target, credentials: None }).await
    }

    /// A public page with a certificate of somebody unknown is not that page; and who signs in the
    /// name of a host behind a proxy is the proxy.
    fn intercepted(&self, cause: Cause, url: &Url) -> Cause {
        let host = bare_host(url);
        match cause {
            Cause::Tls(TlsCause::CertificateUnknownIssuer { issuer, .. })
                if self.is_public || self.proxy.is_some() =>
            {
                Cause::Tls(TlsCause::TlsIntercepted { host, issuer })
            }
            // An inspector that makes no certificate for each host shows its authority's own.
            Cause::Tls(TlsCause::CertificateSelfSigned { subject: issuer })
                if self.is_public || (self.proxy.is_some() && is_inspection(&issuer)) =>
            {
                Cause::Tls(TlsCause::TlsIntercepted { host, issuer })
            }
            other => other,
        }
    }

    /// Decides from the answer alone; `at` is who gave it, if it was no proxy.
    fn judge(
        &self,
        answer: &HttpAnswer,
        url: &Url,
        at: Option<IpAddr>,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        note(answer, seen);
        let onward = Onward::of(answer, url);
        if let Some(location) = portal(answer, url, at, onward.as_ref()) {
            return Err(Cause::Web(WebCause::CaptivePortal { location }));
        }
        if let Some(title) = page_instead(answer).filter(|_| proxy_error(answer).is_none()) {
            return Err(Cause::Web(WebCause::PageInstead { host: bare_host(url), title }));
        }
        if let Some(onward) = within(answer, url).filter(|onward| onward.url == *url) {
            return Err(Cause::Web(WebCause::RedirectLoop { location: onward.shown() }));
        }
        if let Some(onward) = &onward {
            seen.evidence.set("redirect", onward.shown());
        }
        self.judge_status(answer, url)?;
        self.content.judge(answer, is_tls(url))?;
        seen.headline = self.headline(answer, onward.as_ref(), seen);
        // Plain HTTP wants a port of its own.
        let leaves_tls = |onward: &Onward| {
            let is_web = ["http", "https"].contains(&onward.url.scheme());
            !is_web || (is_tls(url) && !is_tls(&onward.url))
        };
        if let Some(onward) = onward.filter(|onward| onward.elsewhere || leaves_tls(onward)) {
            let location = onward.shown();
            seen.concerns.push(Concern::HttpSendsElsewhere { location });
        }
        Ok(())
    }

    fn judge_status(&self, answer: &HttpAnswer, url: &Url) -> Result<(), Cause> {
        let limit = match self.accept {
            Accept::Below400 => 400,
            Accept::Below500 | Accept::OfProxy => 500,
        };
        match answer.status {
            400 if exchange::wants_tls(answer) => {
                Err(Cause::Tls(TlsCause::TlsUnexpected { expected: "HTTP".into() }))
            }
            400 if answer.says(NO_CLIENT_CERTIFICATE) => {
                let alert = format!("400 {NO_CLIENT_CERTIFICATE}");
                Err(Cause::Tls(TlsCause::TlsClientCertificateWanted { alert }))
            }
            // No proxy of ours asked: one that is in the way of all.
            407 => Err(refusal(ON_THE_WAY, false, answer, &destination(url))),
            // It signs its refusal of a request that is not a proxy's, and so shows that it is there.
            status if self.accept == Accept::OfProxy && status < limit => Ok(()),
            // A proxy asked as if it were the server it should lead to.
            400 if self.proxy.is_none() && proxy_error(answer).is_some() => {
                Err(Cause::Talk(TalkCause::WrongService {
                    expected: "a web server".into(),
                    spoken: Spoken::Proxy,
                    head: answer.in_short(),
                }))
            }
            // Nobody was to be in between, and somebody signs.
            401.. if self.proxy.is_none() && proxy_error(answer).is_some() => {
                Err(refusal(ON_THE_WAY, false, answer, &destination(url)))
            }
            status if status < limit => Ok(()),
            status @ (401 | 403) => Err(Cause::Web(WebCause::HttpForbidden { status })),
            404 => Err(Cause::Web(WebCause::HttpNotFound {
                path: wire::clean(discreet_path(url.path()).as_bytes(), 100),
            })),
            status @ 500.. => {
                let unsigned = !is_tls(url)
                    && (502..=504).contains(&status)
                    && answer.header("server").is_none();
                Err(Cause::Web(WebCause::HttpServerError { status, unsigned }))
            }
            status => Err(Cause::Web(WebCause::HttpStatus { status })),
        }
    }

    /// "200, nginx, TLS 1.3" or "301 -> https://…".
    fn headline(&self, answer: &HttpAnswer, onward: Option<&Onward>, seen: &Seen) -> String {
        if let Some(onward) = onward.filter(|_| answer.status >= 300) {
            return wire::short(&format!("{} -> {}", answer.status, onward.shown()), 45);
        }
        let mut words = vec![answer.status.to_string()];
        words.extend(answer.header("server").map(|server| wire::short(&server, 18)));
        words.extend(seen.evidence.fact("tls_version").map(ToString::to_string));
        words.extend(self.proxy.is_some().then(|| "by proxy".to_owned()));
        words.join(", ")
    }

    /// The URL with the peer's name and port, unless there is a proxy.
    fn asked(&self, peer: &Peer) -> Url {
        let mut url = self.url.clone();
        if self.proxy.is_none() {
            let host = peer.host.split('%').next().unwrap_or_default();
            // A name no URL can carry stays out of it; it was resolved already.
            let _unusual = match host.parse() {
                Ok(address) => url.set_ip_host(address),
                Err(_) => url.set_host(Some(host)).map_err(|_| ()),
            };
            let _unusual = url.set_port(Some(peer.address.port()));
        }
        url
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "http",
    title: "HTTP",
    expected: "HTTP",
    spoken: Spoken::Http,
    url: UrlForm::Path,
    hints: Hints::NONE,
    port: 80,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(22),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Http(Probe::new(localhost("http"))),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "https",
    title: "HTTPS",
    expected: "TLS",
    spoken: Spoken::Tls,
    port: 443,
    tls: true,
    budget: Duration::from_secs(27),
    probe: || crate::Probe::Http(Probe::new(localhost("https"))),
    ..SERVICE
};

/// Stands for a name that comes with the peer.
fn localhost(scheme: &str) -> Url {
    Url::parse(&format!("{scheme}://localhost/")).unwrap_or_else(|_| unreachable!("it parses"))
}

/// Answers any request with a small page, then waits for the client to leave.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    exchange::read_request(&mut stream).await?;
    stream.send(PAGE).await?;
    stream.until_closed().await
}

fn note(answer: &HttpAnswer, seen: &mut Seen) {
    seen.evidence.set("status", answer.status);
    seen.evidence.set("http_version", answer.version.as_str());
    for name in ["server", "via"] {
        if let Some(value) = answer.header(name) {
            seen.evidence.set(name, value);
        }
    }
}

/// The redirect of `answer`, when it stays with the same server.
///
/// One that sets a cookie may lead elsewhere with it, and is not followed.
fn within(answer: &HttpAnswer, url: &Url) -> Option<Onward> {
    let is_redirect = (300..400).contains(&answer.status);
    let sets_cookie = answer.headers.contains_key(SET_COOKIE);
    let onward = Onward::of(answer, url).filter(|_| is_redirect && !sets_cookie)?;
    (onward.url.origin() == url.origin()).then_some(onward)
}

fn is_tls(url: &Url) -> bool {
    url.scheme() == "https"
}

/// What a certificate is held against: no brackets around IPv6.
fn bare_host(url: &Url) -> String {
    match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    }
}

/// The `Host` header: the port only when it is not the scheme's own.
fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `host:port`, as a proxy is asked for it.
fn destination(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or(SERVICE.port))
}

/// Path and query.
fn target(url: &Url) -> String {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", url.path())
}

/// Without user, query, and what of the path looks like a secret.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host_header(url), shown_path(url))
}

fn shown_path(url: &Url) -> String {
    wire::clean(discreet_path(url.path()).as_bytes(), 100)
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: preflight\r\nContent-Type: text/plain\r\n\
    Content-Length: 20\r\nConnection: close\r\n\r\npreflight responder\n";
/// A proxy that nobody named.
const ON_THE_WAY: &str = "on the way";
/// Redirects that are followed to see whether they end; browsers follow twenty.
const MOST_REDIRECTS: usize = 5;
/// nginx shakes hands first and refuses then.
const NO_CLIENT_CERTIFICATE: &str = "No required SSL certificate was sent";
