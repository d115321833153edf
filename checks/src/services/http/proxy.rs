//! The way through an HTTP proxy, and how to tell its own "no" from the server's.
//!
//! Reference: [RFC 9110 §9.3.6, §15.5.8](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6).

use std::time::Duration;

use reqwest::header::PROXY_AUTHENTICATE;
use secrecy::SecretString;
use url::Url;

use super::exchange::{self, HttpAnswer, USER_AGENT, basic};
use super::portal;
use crate::cause::instead_of;
use crate::cause::{Cause, RouteCause, TalkCause, WebCause};
use crate::net::tls::{Verify, secure_as};
use crate::net::{Ask, Stream};
use crate::recognise::Spoken;
use crate::wire;

/// An HTTP proxy, and what it wants to know of us.
#[derive(Clone)]
pub struct Proxy {
    /// `http://proxy.example.org:3128`; a user in it is not used.
    pub url: Url,
    /// The user for Basic authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<SecretString>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Proxy {{ {}, credentials: {} }}", self.shown(), self.user.is_some())
    }
}

impl Proxy {
    /// The proxy as it may be printed: without a user.
    #[must_use]
    pub fn shown(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port_or_known_default() {
            Some(port) => format!("{}://{host}:{port}", self.url.scheme()),
            None => format!("{}://{host}", self.url.scheme()),
        }
    }

    /// A connection to `destination`, which is `host:port`, through the proxy.
    pub(super) async fn tunnel(&self, ask: &mut Ask, destination: &str) -> Result<Stream, Cause> {
        let mut stream = self.connect(ask).await?;
        let question = format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n");
        let answer = self.ask(&mut stream, &question, destination).await?;
        ask.seen.evidence.set("proxy_status", answer.status);
        if let Some(error) = proxy_error(&answer) {
            ask.seen.evidence.set("proxy_error", error);
        }
        let mut answer = answer;
        if (200..300).contains(&answer.status) && is_page(&answer) {
            exchange::read_body(&mut stream, &mut answer).await;
            let host = destination.to_owned();
            return Err(Cause::Web(WebCause::PageInstead {
                host,
                title: portal::title_or_kind(&answer),
            }));
        }
        self.judge_tunnel(&answer, destination)?;
        match stream.unread() {
            [] => Ok(stream),
            // Inside TLS the client speaks first.
            early => Err(instead_of("TLS", Spoken::Tls, early)
                .unwrap_or_else(|| Cause::bad_reply("a TLS handshake", early))),
        }
    }

    /// Has the proxy get the page at `url`, which is not inside TLS.
    pub(super) async fn forward(&self, ask: &mut Ask, url: &Url) -> Result<HttpAnswer, Cause> {
        let mut stream = self.connect(ask).await?;
        let (host, target) = (super::host_header(url), super::target(url));
        let question = format!("GET http://{host}{target} HTTP/1.1\r\nHost: {host}\r\n");
        let mut answer = self.ask(&mut stream, &question, &super::destination(url)).await?;
        exchange::read_body(&mut stream, &mut answer).await;
        stream.close().await;
        ask.seen.evidence.set("proxy_status", answer.status);
        if let Some(error) = proxy_error(&answer) {
            ask.seen.evidence.set("proxy_error", error);
        }
        self.judge_forwarded(&answer, &super::destination(url))?;
        Ok(answer)
    }

    /// Did it get `page` from the host of `url`? A web server in a proxy's place answers for whatever host it is asked
    /// with a page of its own, also for one that does not exist.
    ///
    /// Nothing is asked where the answer says that somebody passed it on, as most proxies have it say.
    pub(super) async fn leads_on(
        &self,
        ask: &Ask,
        url: &Url,
        page: &HttpAnswer,
    ) -> Result<(), Cause> {
        let is_passed_on = PASSED_ON.iter().any(|name| page.header(name).is_some());
        let mut nobodys = url.clone();
        if is_passed_on || nobodys.set_host(Some(NOBODY)).is_err() {
            return Ok(());
        }
        let mut again = Ask::new(ask.peer.clone(), ask.deadline, ask.trust.clone());
        let Ok(answer) = Box::pin(self.forward(&mut again, &nobodys)).await else {
            return Ok(());
        };
        if (answer.status, &answer.body) != (page.status, &page.body) {
            return Ok(());
        }
        Err(self.unusable(Cause::Talk(TalkCause::WrongService {
            expected: "an HTTP proxy".into(),
            spoken: Spoken::Http,
            head: page.in_short(),
        })))
    }

    async fn connect(&self, ask: &mut Ask) -> Result<Stream, Cause> {
        let stream = ask.connect().await.map_err(|cause| self.unusable(cause))?;
        match self.url.scheme() {
            "http" => Ok(stream),
            "https" => {
                let host = super::bare_host(&self.url);
                // A look is at the TLS behind the proxy, never at its own.
                let look = std::mem::take(&mut ask.look);
                let secured = secure_as(stream, ask, &host, Verify::Strictly, &[]).await;
                ask.look = look;
                secured.map_err(|cause| self.unusable(cause))
            }
            other => Err(Cause::Route(RouteCause::LocalError {
                action: "use the proxy".into(),
                error: format!("{other}:// proxies are not spoken, only http:// and https://"),
            })),
        }
    }

    async fn ask(
        &self,
        stream: &mut Stream,
        question: &str,
        destination: &str,
    ) -> Result<HttpAnswer, Cause> {
        stream.allow(PROXY_REPLY);
        let credentials = self.credentials();
        let rest = format!("User-Agent: {USER_AGENT}\r\nConnection: close\r\n\r\n");
        let request = [question.as_bytes(), &credentials, rest.as_bytes()].concat();
        let answered = match stream.send(&request).await {
            Ok(()) => exchange::read_head(stream).await,
            Err(cause) => Err(cause),
        };
        answered.map_err(|cause| match cause {
            Cause::Talk(TalkCause::Silent { waited, .. }) => Cause::Web(WebCause::ProxySilent {
                proxy: self.shown(),
                destination: destination.to_owned(),
                waited,
            }),
            other => self.unusable(other),
        })
    }

    /// The header line with user and password; nothing without a user.
    fn credentials(&self) -> Vec<u8> {
        let Some(user) = &self.user else {
            return Vec::new();
        };
        let value = basic(user, self.password.as_ref());
        [b"Proxy-Authorization: ", value.as_bytes(), b"\r\n"].concat()
    }

    /// Every answer but 2xx to CONNECT is the proxy's own.
    fn judge_tunnel(&self, answer: &HttpAnswer, destination: &str) -> Result<(), Cause> {
        match answer.status {
            200..=299 => Ok(()),
            // A proxy knows the method; a web server refuses it, nginx with 400.
            400 | 405 | 501 if proxy_error(answer).is_none() => {
                Err(self.unusable(Cause::Talk(TalkCause::WrongService {
                    expected: "an HTTP proxy".into(),
                    spoken: Spoken::Http,
                    head: answer.in_short(),
                })))
            }
            _ => Err(self.refusal(answer, destination)),
        }
    }

    /// An answer to GET is the server's, unless it shows that the proxy made it.
    fn judge_forwarded(&self, answer: &HttpAnswer, destination: &str) -> Result<(), Cause> {
        match answer.status {
            407 => Err(self.refusal(answer, destination)),
            // squid's `deny_info 302:http://…`: the proxy sends its own client to a page that says why not.
            300..400 if answer.header("x-squid-error").is_some() => {
                Err(self.refusal(answer, destination))
            }
            400.. if proxy_error(answer).is_some() => Err(self.refusal(answer, destination)),
            // RFC 9110 §7.6.3: whoever passes an answer on says so in `Via`. What nobody passed on
            // and no server signs is the proxy's own.
            502..=504 if answer.header("via").is_none() && answer.header("server").is_none() => {
                Err(self.refusal(answer, destination))
            }
            _ => Ok(()),
        }
    }

    fn refusal(&self, answer: &HttpAnswer, destination: &str) -> Cause {
        refusal(&self.shown(), self.user.is_some(), answer, destination)
    }

    fn unusable(&self, cause: Cause) -> Cause {
        Cause::Web(WebCause::ProxyUnreachable { proxy: self.shown(), because: Box::new(cause) })
    }
}

/// What a proxy's own `answer` about `destination` means; were credentials `given`?
pub(super) fn refusal(proxy: &str, given: bool, answer: &HttpAnswer, destination: &str) -> Cause {
    let (proxy, destination, status) = (proxy.to_owned(), destination.to_owned(), answer.status);
    let schemes = schemes(answer);
    let speaks_basic = schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
    let location = || answer.header("location").map(|at| wire::clean(at.as_bytes(), 120));
    match status {
        // To a page where somebody has to log in, or to read why not.
        300..400 | 511 => Cause::Web(WebCause::CaptivePortal {
            location: location().unwrap_or_else(|| format!("its login page (status {status})")),
        }),
        407 if !schemes.is_empty() && !speaks_basic => {
            Cause::Web(WebCause::ProxyScheme { proxy, schemes })
        }
        407 => Cause::Web(WebCause::ProxyAuthentication { proxy, given }),
        500.. => {
            let error = proxy_error(answer).filter(|error| error.starts_with("ERR_"));
            let error = error.and_then(|error| error.split(' ').next().map(str::to_owned));
            Cause::Web(WebCause::ProxyCannotReach { proxy, destination, status, error })
        }
        _ => Cause::Web(WebCause::ProxyDenied { proxy, destination, status }),
    }
}

/// Is it a page, where a tunnel was asked for? (RFC 9110 §9.3.6: a tunnel has neither length nor type.)
fn is_page(answer: &HttpAnswer) -> bool {
    let is_empty = answer.header("content-length").is_none_or(|length| length == "0");
    let is_html = answer.header("content-type").is_some_and(|kind| kind.contains("html"));
    !is_empty && is_html
}

/// The schemes of `Proxy-Authenticate`: a line each, or several behind commas.
fn schemes(answer: &HttpAnswer) -> Vec<String> {
    let mut schemes: Vec<String> = Vec::new();
    for line in answer.headers.get_all(PROXY_AUTHENTICATE).iter().take(MOST_SCHEMES) {
        let line = wire::clean(line.as_bytes(), MOST_LINE);
        // A parameter has an equals sign in its first word, or in the one behind it.
        let words = line.split(',').filter_map(|part| part.split_whitespace().next());
        let names = words.filter(|word| !word.contains('=')).map(str::to_owned);
        for name in names {
            if !schemes.contains(&name) {
                schemes.push(name);
            }
        }
    }
    schemes
}

/// The proxy's own error, where it signs it: `ERR_ACCESS_DENIED 0`.
///
/// `Via` does not tell: a proxy adds it to the server's errors too.
pub(super) fn proxy_error(answer: &HttpAnswer) -> Option<String> {
    signed(answer).filter(|_| answer.status >= 400)
}

/// A proxy's signature under an answer that it wrote itself.
pub(super) fn signed(answer: &HttpAnswer) -> Option<String> {
    let own = answer.header("x-squid-error");
    // RFC 9209 §2.3.2.
    let status = || answer.header("proxy-status").filter(|status| status.contains("error="));
    let server = || {
        let server = answer.header("server")?;
        let name = server.to_ascii_lowercase();
        PROXIES.iter().any(|proxy| name.contains(proxy)).then_some(server)
    };
    // Squid's own page, where somebody has taken its headers away.
    let page = || answer.says(SQUID_PAGE).then(|| "squid".to_owned());
    own.or_else(status).or_else(server).or_else(page)
}

/// How proxies sign the pages they make themselves, in `Server`.
const PROXIES: [&str; 17] = [
    "squid",
    "tinyproxy",
    "privoxy",
    "zscaler",
    "bluecoat",
    "blue coat",
    "proxysg",
    "forcepoint",
    "websense",
    "mwg",
    "mcafee web gateway",
    "skyhigh",
    "ironport",
    "cisco-wsa",
    "fortiproxy",
    "fortigate",
    "http proxy",
];
/// What an answer has in it that somebody passed on (RFC 9110 §7.6.3), or kept for later.
const PASSED_ON: [&str; 4] = ["via", "x-cache", "x-cache-lookup", "age"];
/// A host that nobody has (RFC 6761 §6.4).
const NOBODY: &str = "preflight-nobody.invalid";
/// The title of the pages that squid writes, in English.
const SQUID_PAGE: &str = "The requested URL could not be retrieved";
/// Lines of `Proxy-Authenticate`, and letters of each, that are looked at.
const MOST_SCHEMES: usize = 8;
const MOST_LINE: usize = 400;
/// A proxy asks DNS and dials before it answers; some dial twice.
const PROXY_REPLY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn proxy(user: Option<&str>) -> Proxy {
        Proxy {
            url: Url::parse("http://mallory:hunter2@proxy.example.org:3128/").unwrap(),
            user: user.map(str::to_owned),
            password: user.map(|_| "s3cret".into()),
        }
    }

    fn answer(status: u16, header: Option<(&'static str, &'static str)>) -> HttpAnswer {
        let parsed = |(name, value): (&'static str, &'static str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_static(value))
        };
        let headers = header.into_iter().map(parsed).collect();
        HttpAnswer { status, headers, ..HttpAnswer::default() }
    }

    const TO: &str = "web.example.org:443";
    const SHOWN: &str = "http://proxy.example.org:3128";

    #[test]
    fn no_user_and_no_password_is_ever_shown() {
        let proxy = proxy(Some("alice"));
        assert_eq!(proxy.shown(), SHOWN);
        assert_eq!(format!("{proxy:?}"), format!("Proxy {{ {SHOWN}, credentials: true }}"));
    }

    #[test]
    fn credentials_come_from_the_probe_and_never_from_the_url() {
        assert_eq!(proxy(None).credentials(), b"");
        let line = proxy(Some("alice")).credentials();
        assert_eq!(line, b"Proxy-Authorization: Basic YWxpY2U6czNjcmV0\r\n");
    }

    #[test]
    fn each_answer_to_connect_has_its_cause() {
        let judge = |status| proxy(None).judge_tunnel(&answer(status, None), TO);
        let (shown, to) = (SHOWN.to_owned(), TO.to_owned());
        assert_eq!(judge(200), Ok(()));
        assert_eq!(
            judge(403),
            Err(Cause::Web(WebCause::ProxyDenied {
                proxy: shown.clone(),
                destination: to.clone(),
                status: 403
            }))
        );
        for status in [500, 502, 503, 504] {
            let cannot = Cause::Web(WebCause::ProxyCannotReach {
                proxy: shown.clone(),
                destination: to.clone(),
                status,
                error: None,
            });
            assert_eq!(judge(status), Err(cannot));
        }
        for status in [400, 405, 501] {
            let Cause::Web(WebCause::ProxyUnreachable { because, .. }) = judge(status).unwrap_err()
            else {
                panic!("{status} is a web server's answer")
            };
            assert_eq!(because.to_string(), "a web server (HTTP) answers here, not an HTTP proxy");
        }
        let signed = proxy(None).judge_tunnel(&answer(400, Some(("server", "squid/5.7"))), TO);
        assert_eq!(signed.unwrap_err().code(), "proxy-denied");
    }

    #[test]
    fn wanting_credentials_and_refusing_them_are_two_things() {
        let judge = |user| proxy(user).judge_tunnel(&answer(407, None), TO).unwrap_err();
        let wants =
            |given| Cause::Web(WebCause::ProxyAuthentication { proxy: SHOWN.to_owned(), given });
        assert_eq!(judge(None), wants(false));
        assert_eq!(judge(Some("alice")), wants(true));
    }

    #[test]
    fn a_proxy_that_wants_what_we_do_not_speak_is_not_asked_for_with_a_password() {
        let wants = |lines: &[&'static str]| {
            let lines =
                lines.iter().map(|line| (PROXY_AUTHENTICATE, HeaderValue::from_static(line)));
            let mut answer = answer(407, None);
            for (name, value) in lines {
                answer.headers.append(name, value);
            }
            proxy(None).judge_tunnel(&answer, TO).unwrap_err()
        };
        let (shown, schemes) = (SHOWN.to_owned(), vec!["Negotiate".to_owned(), "NTLM".to_owned()]);
        let unspoken = Cause::Web(WebCause::ProxyScheme { proxy: shown, schemes });
        assert_eq!(wants(&["Negotiate", "NTLM"]), unspoken);
        assert_eq!(wants(&["Negotiate, NTLM"]), unspoken);
        assert_eq!(
            unspoken.to_string(),
            "the proxy wants Negotiate, NTLM, which preflight does not speak"
        );
        for known in
            [&["NTLM", "Basic realm=\"proxy\""][..], &["Digest realm=\"a, b\", BASIC realm=c"]]
        {
            assert_eq!(wants(known).code(), "proxy-authentication", "{known:?}");
        }
    }

    #[test]
    fn only_a_page_the_proxy_signed_is_the_proxys() {
        let judge = |status, header| {
            proxy(None).judge_forwarded(&answer(status, header), TO).map_err(|cause| cause.code())
        };
        assert_eq!(judge(403, Some(("via", "1.1 squid"))), Ok(()));
        assert_eq!(judge(403, Some(("x-squid-error", "ERR_ACCESS_DENIED 0"))), Err("proxy-denied"));
        assert_eq!(judge(503, Some(("server", "squid/5.7"))), Err("proxy-cannot-reach"));
        assert_eq!(judge(302, Some(("x-squid-error", "403 Access Denied"))), Err("captive-portal"));
        assert_eq!(judge(302, Some(("server", "squid/5.7"))), Ok(()));
        assert_eq!(
            judge(502, Some(("proxy-status", "p; error=dns_error"))),
            Err("proxy-cannot-reach")
        );
        assert_eq!(judge(502, Some(("server", "nginx"))), Ok(()));
        assert_eq!(judge(502, Some(("via", "1.1 proxy"))), Ok(()));
        assert_eq!(judge(504, None), Err("proxy-cannot-reach"));
        assert_eq!(judge(403, Some(("server", "Zscaler/6.2"))), Err("proxy-denied"));
        assert_eq!(judge(407, None), Err("proxy-authentication"));
        assert_eq!(judge(200, Some(("server", "squid/5.7"))), Ok(()));
        assert_eq!(judge(511, Some(("server", "squid/5.7"))), Err("captive-portal"));
    }

    #[test]
    fn a_proxys_own_word_stands_in_its_cause() {
        let dns = answer(503, Some(("x-squid-error", "ERR_DNS_FAIL 0")));
        let cause = proxy(None).judge_tunnel(&dns, TO).unwrap_err();
        assert_eq!(
            cause.to_string(),
            "the proxy http://proxy.example.org:3128 cannot reach web.example.org:443 (503, ERR_DNS_FAIL)"
        );
        // Its headers may be gone; its page is known.
        let body = b"<title>ERROR: The requested URL could not be retrieved</title>".to_vec();
        let bare = HttpAnswer { body, ..answer(503, None) };
        assert_eq!(proxy_error(&bare).as_deref(), Some("squid"));
    }

    #[test]
    fn a_page_is_no_tunnel() {
        let html = ("content-type", "text/html; charset=utf-8");
        assert!(!is_page(&answer(200, None)));
        assert!(!is_page(&answer(200, Some(html))));
        let mut page = answer(200, Some(html));
        page.headers.insert("content-length", HeaderValue::from_static("40"));
        assert!(is_page(&page));
    }
}
