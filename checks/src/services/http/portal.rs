//! Who answers a plain request: the host asked, or a login page on the way?
//!
//! Only what was seen counts: status 511, or a page that sends us to a host
//! which has nothing to do with the one asked and looks like a login. Inside
//! TLS nobody on the way can do that.
//!
//! Reference: [RFC 6585 §6](https://www.rfc-editor.org/rfc/rfc6585#section-6).

use std::net::IpAddr;

use url::{Host, Url};

use super::exchange::HttpAnswer;
use crate::cause::is_parked;
use crate::discreet::discreet;
use crate::net::tls::interception::is_inspection;
use crate::wire;

/// Where an answer sends us on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Onward {
    /// The whole address.
    pub(super) url: Url,
    /// Is that another host, unrelated to the one asked?
    pub(super) elsewhere: bool,
    /// By the page, not by the status?
    by_page: bool,
}

impl Onward {
    /// What `Location`, or the page's refresh, says.
    pub(super) fn of(answer: &HttpAnswer, asked: &Url) -> Option<Self> {
        let by_page = !(300..400).contains(&answer.status);
        let location = || answer.headers.get("location")?.to_str().ok().map(str::to_owned);
        let onward = || refresh(&answer.body).or_else(|| script(&answer.body));
        let url = if by_page { onward() } else { location() };
        let url = asked.join(&url?).ok()?;
        let elsewhere = !related(asked, &url);
        Some(Self { url, elsewhere, by_page })
    }

    /// The address as it may be printed: no user, no query, nothing that looks like a secret.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        wire::clean(discreet(&url).as_bytes(), 120)
    }

    /// Does it look like somebody in between, asking for a login?
    ///
    /// `at` is who answered, when it was not a proxy of ours.
    fn is_portal(&self, asked: &Url, at: Option<IpAddr>) -> bool {
        // Asked by address, the name a server gives itself tells nothing.
        let named = matches!(asked.host(), Some(Host::Domain(_)));
        let inwards = at.is_some_and(|at| !is_private(at)) && leads_inside(&self.url);
        let device = self.url.host_str().is_some_and(is_inspection);
        let by_page = self.by_page && !self.is_single_sign_on();
        // Public sites send on to HTTPS; only devices answer plain HTTP on a port of their own.
        let is_public = at.is_some_and(|at| !is_private(at));
        let odd_port = is_public && self.url.scheme() == "http" && self.url.port().is_some();
        named && self.elsewhere && (inwards || by_page || self.is_login() || device || odd_port)
    }

    fn is_login(&self) -> bool {
        let text = self.url.as_str().to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        has(&LOGIN) && !self.is_single_sign_on()
    }

    /// A site's own log-in, at somebody who runs that for many sites.
    fn is_single_sign_on(&self) -> bool {
        let text = self.url.as_str().to_ascii_lowercase();
        SINGLE_SIGN_ON.iter().any(|field| text.contains(field))
    }
}

/// Where a captive portal sends us, if one answered.
pub(super) fn portal(
    answer: &HttpAnswer,
    asked: &Url,
    at: Option<IpAddr>,
    onward: Option<&Onward>,
) -> Option<String> {
    let shown = onward.map(Onward::shown);
    if answer.status == NETWORK_AUTHENTICATION_REQUIRED {
        return Some(shown.unwrap_or_else(|| "its login page (status 511)".to_owned()));
    }
    let suspect = onward.filter(|_| asked.scheme() == "http")?;
    suspect.is_portal(asked, at).then_some(shown).flatten()
}

/// The title of a page that somebody in between put in the place of the one asked for.
///
/// It comes with a good status; what it calls itself gives it away. A log-in of the site's own, and a
/// page that only mentions such words, are none.
pub(super) fn page_instead(answer: &HttpAnswer) -> Option<String> {
    let is_good = (200..300).contains(&answer.status);
    if !is_good && answer.status != FORBIDDEN {
        return None;
    }
    let named =
        |tag| element(&answer.body, tag).filter(|title| is_of_somebody_else(title, is_good));
    named("title").or_else(|| named("h1"))
}

/// Is that the title of a page that blocks, lets into a network, or offers the domain for sale?
fn is_of_somebody_else(title: &str, is_good: bool) -> bool {
    let lower = title.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // "Access Denied" is what many servers call their own refusals.
    let denies = is_good && says(&DENIED);
    let is_parked = is_good && is_parked(title);
    says(&BLOCKED) || denies || is_parked || says(&NETWORK_LOGIN) || says(&DEVICES)
}

/// The title of a page, or that it has none.
pub(super) fn title_or_kind(answer: &HttpAnswer) -> String {
    let title = element(&answer.body, "title").or_else(|| element(&answer.body, "h1"));
    title.unwrap_or_else(|| "a page without a title".to_owned())
}

/// The text of the first element `<name>` of a page, printable and bounded.
fn element(page: &[u8], name: &str) -> Option<String> {
    let page = String::from_utf8_lossy(page);
    // ASCII letters change their case in place: positions stay the same.
    let lower = page.to_ascii_lowercase();
    let tag = lower.find(&format!("<{name}"))?;
    let start = tag + lower.get(tag..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find(&format!("</{name}"))?;
    let words: Vec<&str> = page.get(start..end)?.split_whitespace().collect();
    let title = wire::clean(words.join(" ").as_bytes(), 60);
    (!title.is_empty()).then_some(title)
}

/// The target of `<meta http-equiv="refresh" content="0; url=…">`.
fn refresh(page: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(page);
    // ASCII letters change their case in place: positions stay the same.
    let lower = page.to_ascii_lowercase();
    let tag = lower.match_indices("<meta").find_map(|(at, _)| {
        let length = lower.get(at..)?.find('>')?;
        let tag = lower.get(at..at + length)?;
        (tag.contains("http-equiv") && tag.contains("refresh")).then_some(at..at + length)
    })?;
    let at = lower.get(tag.clone())?.find("url=")?;
    let target = page.get(tag)?.get(at + 4..)?;
    let target = target.trim_start_matches(['\'', '"', ' ']);
    let end = target.find(['\'', '"', ' ', '>']).unwrap_or(target.len());
    target.get(..end).filter(|target| !target.is_empty()).map(str::to_owned)
}

/// The address that a page does nothing but send its reader to, by a script: `location.href = "…"`.
///
/// Of a page with text of its own the scripts tell nothing.
fn script(page: &[u8]) -> Option<String> {
    if page.len() > SMALL_PAGE {
        return None;
    }
    let page = String::from_utf8_lossy(page);
    let after = page.split("location").skip(1).find_map(|rest| {
        let rest = [".href", ".replace", ".assign"]
            .iter()
            .find_map(|way| rest.strip_prefix(way))
            .unwrap_or(rest)
            .trim_start();
        rest.strip_prefix(['=', '('])
    })?;
    let after = after.trim_start().trim_start_matches('\\');
    let quote = after.chars().next().filter(|&c| c == '\'' || c == '"')?;
    let target = after.get(1..)?.split(quote).next()?;
    Some(target.trim_end_matches('\\').to_owned()).filter(|target| !target.is_empty())
}

/// Same host, one above or below the other, or neighbours in one domain.
fn related(asked: &Url, other: &Url) -> bool {
    let (Some(Host::Domain(asked)), Some(Host::Domain(other))) = (asked.host(), other.host())
    else {
        return asked.host() == other.host();
    };
    let (asked, other) = (asked.trim_end_matches('.'), other.trim_end_matches('.'));
    let within = |inner: &str, outer: &str| {
        inner.strip_suffix(outer).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_short_for = |short: &str, long: &str| {
        !short.contains('.') && long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'))
    };
    within(asked, other)
        || within(other, asked)
        || is_short_for(asked, other)
        || site(asked).is_some_and(|ours| site(other) == Some(ours))
}

/// The part of a name that belongs to one owner, near enough: the last two
/// labels, three where a country sells below a short one (`co.uk`).
fn site(name: &str) -> Option<&str> {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let top = dots.next()?;
    let Some(second) = dots.next() else {
        return Some(name);
    };
    let is_sold_below = name.len() - top == 3 && top - second <= 4;
    let start = if is_sold_below { dots.next() } else { Some(second) };
    name.get(start.map_or(0, |dot| dot + 1)..)
}

fn leads_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private(address.into()),
        Some(Host::Ipv6(address)) => is_private(address.into()),
        _ => false,
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            // RFC 6598: behind a provider's translation.
            let shared = matches!(v4.octets(), [100, 64..=127, ..]);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

const NETWORK_AUTHENTICATION_REQUIRED: u16 = 511;
const FORBIDDEN: u16 = 403;
/// Bytes of a page that says nothing by itself.
const SMALL_PAGE: usize = 2048;
/// How pages call themselves that say no, a server's own among them.
const DENIED: [&str; 8] = [
    "403 forbidden",
    "401 unauthorized",
    "access denied",
    "access restricted",
    "zugriff verweigert",
    "acc\u{e8}s refus\u{e9}",
    "accesso negato",
    "acceso denegado",
];
/// How pages call themselves that somebody on the way puts in the place of others.
const BLOCKED: [&str; 26] = [
    "url you requested has been blocked",
    "page you requested has been blocked",
    "request has been blocked",
    "page blocked",
    "site blocked",
    "access blocked",
    "request blocked",
    "blocked request",
    "blocked by",
    "website blocked",
    "url blocked",
    "web site blocked",
    // Squid's, in English.
    "the requested url could not be retrieved",
    "content blocked",
    "web filter",
    "content filter",
    "webfilter",
    "policy violation",
    "seite gesperrt",
    "zugriff gesperrt",
    "webseite blockiert",
    "seite blockiert",
    "acc\u{e8}s bloqu\u{e9}",
    "sito bloccato",
    "pagina bloccata",
    "acceso bloqueado",
];
/// How pages of devices call themselves, whatever they say.
const DEVICES: [&str; 5] = [
    "internet security by zscaler",
    "fortiguard",
    "mcafee web gateway",
    "cisco umbrella",
    "opendns",
];
/// How pages call themselves that let somebody into a network.
const NETWORK_LOGIN: [&str; 14] = [
    "captive portal",
    "hotspot",
    "wi-fi login",
    "wifi login",
    "wlan login",
    "guest access",
    "guest network",
    "guest login",
    "network login",
    "network authentication",
    "web authentication",
    "firewall authentication",
    "firewall login",
    "internet access",
];
/// What login pages of networks are called.
const LOGIN: [&str; 16] = [
    "login",
    "logon",
    "signin",
    "sign-in",
    "portal",
    "captive",
    "hotspot",
    "guest",
    "wlan",
    "wifi",
    "fgtauth",
    "webauth",
    "userauth",
    "splash",
    "httpclient.html",
    "blockpage",
];
/// Query fields of a site's own single sign-on, which is no captive portal.
const SINGLE_SIGN_ON: [&str; 4] = ["client_id=", "response_type=", "samlrequest=", "wtrealm="];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::damaged;
    use proptest::prelude::*;

    const PUBLIC: [u8; 4] = [93, 184, 216, 34];

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn redirect(to: &str) -> HttpAnswer {
        let headers = [("location".parse().unwrap(), to.parse().unwrap())].into_iter().collect();
        HttpAnswer { status: 302, headers, ..HttpAnswer::default() }
    }

    fn page(body: &str) -> HttpAnswer {
        HttpAnswer { status: 200, body: body.into(), ..HttpAnswer::default() }
    }

    fn seen(answer: &HttpAnswer, asked: &str) -> Option<String> {
        let asked = url(asked);
        let onward = Onward::of(answer, &asked);
        portal(answer, &asked, Some(PUBLIC.into()), onward.as_ref())
    }

    #[test]
    fn related_names_are_one_owners() {
        let pairs = [
            ("http://example.org", "https://example.org/x"),
            ("http://example.org", "https://www.example.org"),
            ("http://www.example.org", "https://example.org"),
            ("http://a.example.org", "https://login.example.org"),
            ("http://a.shop.co.uk", "https://b.shop.co.uk"),
            ("http://a.hp.com", "https://b.hp.com"),
            ("http://central", "https://central.example.org"),
            ("http://10.0.0.5", "https://10.0.0.5/centreon"),
            ("http://example.org.", "https://EXAMPLE.org"),
        ];
        for (asked, other) in pairs {
            assert!(related(&url(asked), &url(other)), "{asked} {other}");
        }
    }

    #[test]
    fn unrelated_names_are_not() {
        let pairs = [
            ("http://example.org", "https://example.com"),
            ("http://example.org", "http://badexample.org"),
            ("http://one.co.uk", "https://two.co.uk"),
            ("http://example.org", "http://10.0.0.1"),
            ("http://10.0.0.5", "http://10.0.0.1"),
            ("http://central", "https://decentral.example.org"),
        ];
        for (asked, other) in pairs {
            assert!(!related(&url(asked), &url(other)), "{asked} {other}");
        }
    }

    #[test]
    fn a_login_page_elsewhere_is_a_portal() {
        let answer = redirect("http://hotspot.hotel.example/login?url=http%3A%2F%2Fexample.org");
        let sent = seen(&answer, "http://example.org/").unwrap();
        assert_eq!(sent, "http://hotspot.hotel.example/login");
    }

    #[test]
    fn a_public_name_that_sends_us_inside_is_a_portal() {
        let answer = redirect("http://10.0.0.1:1000/x");
        assert_eq!(seen(&answer, "http://example.org/").unwrap(), "http://10.0.0.1:1000/x");
        let asked = url("http://intranet.example.org/");
        let onward = Onward::of(&answer, &asked);
        let inside = portal(&answer, &asked, Some([10, 0, 0, 5].into()), onward.as_ref());
        assert_eq!(inside, None);
    }

    #[test]
    fn a_public_name_that_sends_us_to_an_odd_port_in_plain_text_is_a_portal() {
        let answer = redirect("http://gateway.corp.example:8090/x");
        assert!(seen(&answer, "http://example.org/").is_some());
        assert_eq!(seen(&redirect("https://corp.example:8090/x"), "http://example.org/"), None);
    }

    #[test]
    fn a_page_that_refreshes_elsewhere_is_a_portal() {
        let body = "<HTML><Meta HTTP-EQUIV=\"Refresh\" content='1; URL=http://1.2.3.4/go?a=b'>";
        assert_eq!(seen(&page(body), "http://example.org/").unwrap(), "http://1.2.3.4/go");
        let own = "<meta http-equiv=refresh content=\"0;url=/centreon/\">";
        assert_eq!(seen(&page(own), "http://example.org/"), None);
        assert_eq!(seen(&page("<meta charset=utf-8><p>refresh url=x"), "http://a.org/"), None);
    }

    #[test]
    fn status_511_is_a_portal_by_definition() {
        let answer = HttpAnswer { status: 511, ..HttpAnswer::default() };
        assert_eq!(seen(&answer, "http://example.org/").unwrap(), "its login page (status 511)");
    }

    #[test]
    fn an_ordinary_redirect_is_none() {
        for to in [
            "https://example.org/login",
            "https://login.example.org/",
            "/login",
            "https://cdn.example.net/",
            "https://sso.example.com/login?client_id=1&redirect_uri=x",
        ] {
            assert_eq!(seen(&redirect(to), "http://example.org/"), None, "{to}");
        }
        assert_eq!(seen(&redirect("http://a.example/login"), "http://10.0.0.1/"), None);
        assert_eq!(seen(&redirect("http://a.example/login"), "https://example.org/"), None);
    }

    #[test]
    fn an_unrelated_redirect_is_at_least_noted() {
        let answer = redirect("https://cdn.example.net/?secret=1");
        let onward = Onward::of(&answer, &url("http://example.org/")).unwrap();
        assert!(onward.elsewhere);
        assert_eq!(onward.shown(), "https://cdn.example.net/");
    }

    #[test]
    fn a_page_in_the_place_of_another_is_known_by_its_title() {
        for (body, known) in [
            ("<html><head><title>\n Web Page  Blocked!\n</title>", "Web Page Blocked!"),
            (
                "<TITLE id=x>FortiGuard Intrusion Prevention - Access Blocked</TITLE>",
                "FortiGuard Intrusion Prevention - Access Blocked",
            ),
            ("<title>Internet Security by Zscaler</title>", "Internet Security by Zscaler"),
            ("<title>Firewall Authentication</title>", "Firewall Authentication"),
            ("<title>Seite gesperrt</title>", "Seite gesperrt"),
            (
                "<title>repo.example is for sale | HugeDomains</title>",
                "repo.example is for sale | HugeDomains",
            ),
            ("<h1>This domain may be for sale!</h1>", "This domain may be for sale!"),
            (
                "<title>Parked Domain name on Hostinger DNS system</title>",
                "Parked Domain name on Hostinger DNS system",
            ),
            ("<title>Notice</title><h1>Access Denied</h1>by policy", "Access Denied"),
        ] {
            assert_eq!(page_instead(&page(body)).as_deref(), Some(known));
        }
        for own in [
            "<title>Centreon - IT &amp; Network Monitoring</title>",
            "<title>Login</title>",
            "<title>Houses for sale</title>",
            "<title>Domain controllers - Overview</title>",
            "<title>Sophos: Cybersecurity as a Service</title>",
            "<title></title>",
            "<title>unfinished: access denied",
            "<p>access denied</p>",
        ] {
            assert_eq!(page_instead(&page(own)), None, "{own}");
        }
        let refused = HttpAnswer { status: 403, ..page("<title>Access Denied</title>") };
        assert_eq!(page_instead(&refused), None, "its status says so already");
        let blocked = HttpAnswer { status: 403, ..page("<title>Web Page Blocked!</title>") };
        assert_eq!(page_instead(&blocked).as_deref(), Some("Web Page Blocked!"));
    }

    #[test]
    fn a_page_that_only_sends_its_reader_on_by_a_script_is_a_redirect() {
        for (body, to) in [
            (
                r#"<script>window.location="https://portal.corp.test/x"</script>"#,
                "https://portal.corp.test/x",
            ),
            (
                r#"<body onload="document.location.href='http://10.0.0.2:1000/fgtauth?0a'">"#,
                "http://10.0.0.2:1000/fgtauth?0a",
            ),
            (
                r#"<script>location.replace( "http://login.net.test/" );</script>"#,
                "http://login.net.test/",
            ),
            ("<script>self.location = 'http://a.test/'</script>", "http://a.test/"),
        ] {
            assert_eq!(script(body.as_bytes()).as_deref(), Some(to));
            assert!(seen(&page(body), "http://example.org/").is_some(), "{body}");
        }
        for own in [
            r#"<script>location.href="/web/ui"</script>"#,
            "<p>location = here</p>",
            r#"<script>location="https://www.example.org/"</script>"#,
            r#"<script>location="https://sso.example.net/?client_id=1&response_type=code"</script>"#,
        ] {
            assert_eq!(seen(&page(own), "http://example.org/"), None, "{own}");
        }
        let long = format!("<script>location='http://a.test/'</script>{}", " ".repeat(4096));
        assert_eq!(script(long.as_bytes()), None);
    }

    #[test]
    fn a_device_that_sends_us_to_itself_is_a_portal() {
        let answer = redirect("https://gateway.zscaler.net/auD?origurl=http%3A%2F%2Fexample.org");
        assert_eq!(
            seen(&answer, "http://example.org/").unwrap(),
            "https://gateway.zscaler.net/auD"
        );
    }

    #[test]
    fn every_truncation_of_a_refreshing_page_is_taken() {
        let body = "<é><meta http-equiv='refresh' content='0;url=http://1.2.3.4/'>";
        for length in 0..body.len() {
            let _no_panic = refresh(&body.as_bytes()[..length]);
            let _no_panic = script(&body.as_bytes()[..length]);
        }
    }

    proptest! {
        #[test]
        fn no_page_breaks_the_search_for_a_portal(
            body in damaged("<META http-equiv=refresh content=\"0; url=http://wlan.example.net/login\">é".as_bytes()),
            location in ".{0,40}",
        ) {
            let asked = Url::parse("http://updates.example.org/").unwrap();
            let mut answer = HttpAnswer { status: 200, body, ..HttpAnswer::default() };
            let _any_title = page_instead(&answer);
            let _any_place = Onward::of(&answer, &asked).map(|onward| onward.shown());
            answer.status = 302;
            if let Ok(location) = location.parse() {
                answer.headers.insert("location", location);
            }
            let onward = Onward::of(&answer, &asked);
            let _any_portal = portal(&answer, &asked, None, onward.as_ref());
        }
    }
}
