//! A proxy's address as settings write it, and which proxy a URL takes.
//!
//! Exceptions (`no_proxy`) fit as in curl since 7.86 and in Go: a name fits itself and
//! what ends in it, with or without a dot before it; an address fits itself, a network
//! (`10.0.0.0/8`) what lies in it; `*` fits everything; a port, which only Go knows,
//! must be the URL's. `*.corp.example` fits nothing, as in curl, dnf and apt. wget alone has a meaning of
//! its own, where only the end of the host's name counts.
//!
//! Reference: curl(1), environment; golang.org/x/net/http/httpproxy.

use std::net::IpAddr;

use secrecy::SecretString;
use url::{Host, Url};

use super::facts::{At, ProxySetting, Read, Route};
use crate::site::decoded;

/// The one program that has a meaning of its own for its exceptions.
pub(super) const WGET: &str = "wget";
/// Exceptions of one setting; nobody can have meant more.
const MOST_EXCEPTIONS: usize = 1_024;
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Through which of one program's `settings` `url` goes; none when none is for it.
///
/// A setting for the URL's own scheme comes before one for all.
pub(crate) fn route(url: &Url, settings: &[ProxySetting]) -> Option<Route> {
    let of =
        |scheme: Option<&str>| settings.iter().find(|setting| setting.scheme.as_deref() == scheme);
    let setting = of(Some(url.scheme())).or_else(|| of(None))?;
    let fits = if setting.program == WGET { exempts_of_wget } else { exempts };
    let exception = setting.except.iter().find(|except| fits(&except.value, url));
    Some(match exception {
        Some(except) => Route::Straight { token: except.value.clone(), at: except.at.clone() },
        None => Route::Proxy(setting.clone()),
    })
}

/// Does the exception `token` take `url` past the proxy?
pub(crate) fn exempts(token: &str, url: &Url) -> bool {
    let (token, port) = with_port(token.trim());
    if port.is_some() && port != url.port_or_known_default() {
        return false;
    }
    match url.host() {
        _ if token == "*" => url.host().is_some(),
        Some(Host::Domain(name)) => is_below(name, token),
        Some(Host::Ipv4(address)) => holds(token, address.into()),
        Some(Host::Ipv6(address)) => holds(token, address.into()),
        None => false,
    }
}

/// The same as wget has it: only the end of the host's name counts, as it is written.
///
/// `corp.test` fits itself and what stands below it, `.corp.test` only the latter; addresses are
/// names as well, and neither networks, ports nor `*` mean anything.
fn exempts_of_wget(token: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let (host, token) = (host.to_ascii_lowercase(), token.to_ascii_lowercase());
    let before = host.strip_suffix(&token).filter(|_| !token.is_empty());
    before.is_some_and(|rest| rest.is_empty() || rest.ends_with('.') || token.starts_with('.'))
}

/// `name:port`, `[address]:port`, or the token as it is.
fn with_port(token: &str) -> (&str, Option<u16>) {
    match token.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (token, None),
        },
        _ => (token, None),
    }
}

/// Is `name` this domain, or below it?
fn is_below(name: &str, domain: &str) -> bool {
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    let (name, domain) = (plain(name), plain(domain.trim_start_matches('.')));
    let before = name.strip_suffix(&domain).filter(|_| !domain.is_empty());
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Is `address` this one, or of this network?
pub(super) fn holds(token: &str, address: IpAddr) -> bool {
    let bare = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>();
    let Some((network, length)) = token.split_once('/') else {
        return bare(token) == Ok(address);
    };
    match (bare(network), length.parse::<u32>(), address) {
        (Ok(IpAddr::V4(network)), Ok(length @ 0..=32), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(32 - length).unwrap_or(0) == 0
        }
        (Ok(IpAddr::V6(network)), Ok(length @ 0..=128), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The exceptions of a list parted by commas and white space.
pub(super) fn exceptions(list: &str, at: &At) -> Vec<Read<String>> {
    let tokens = list.split(|c: char| c == ',' || c.is_whitespace());
    let tokens = tokens.filter(|token| !token.is_empty()).take(MOST_EXCEPTIONS);
    tokens.map(|token| Read { value: token.to_owned(), at: at.clone() }).collect()
}

/// A proxy's address, with user and password apart from it.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) url: Url,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    /// Does it name a port? Programs do not agree on what an `http` proxy has without.
    pub(super) names_port: bool,
}

/// What is noted of an address without a port.
pub(super) const NO_PORT: &str =
    "the proxy has no port; curl, dnf and PHP take 1080, other programs 80";

impl Address {
    /// Reads `http://user:password@proxy.example:3128`; without a scheme it is `http`.
    ///
    /// None: no proxy can be told from it. It is not repeated anywhere, as its
    /// password may be what makes it unreadable.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let mut url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
        // A password with a bare `/`, `?` or `#` ends the address too early.
        let behind = rest.find(['/', '?', '#']).and_then(|end| rest.get(end..));
        if behind.is_some_and(|behind| behind.contains(['@', '?', '#'])) {
            return None;
        }
        if !SCHEMES.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return None;
        }
        let user = Some(decoded(url.username())).filter(|user| !user.is_empty());
        let password = url.password().map(|password| SecretString::from(decoded(password)));
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        url.set_path("");
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
        let names_port = url.scheme() != "http" || after.contains(':');
        Some(Self { url, user, password, names_port })
    }

    /// The setting of a program that goes through it.
    pub(super) fn setting(self, program: &str, scheme: Option<&str>, at: At) -> ProxySetting {
        ProxySetting {
            url: self.url,
            user: self.user,
            password: self.password,
            scheme: scheme.map(str::to_owned),
            program: program.to_owned(),
            except: Vec::new(),
            at,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn setting(scheme: Option<&str>, proxy: &str, except: &str) -> ProxySetting {
        let at = At::file("$http_proxy");
        let except = exceptions(except, &At::file("$no_proxy"));
        let address = Address::parse(proxy).unwrap();
        ProxySetting { except, ..address.setting("environment", scheme, at) }
    }

    #[test]
    fn an_exception_fits_as_in_curl_and_go() {
        for (token, fits, does_not) in [
            ("corp.example", "http://corp.example/", "http://xcorp.example/"),
            ("corp.example", "http://a.b.corp.example/", "http://corp.example.org/"),
            (".corp.example", "http://a.CORP.example/", "http://xcorp.example/"),
            (".corp.example", "http://corp.example/", "http://example/"),
            ("corp.example.", "http://corp.example./", "http://example./"),
            ("*", "http://10.0.0.1/", "mailto:x"),
            ("10.0.0.1", "http://10.0.0.1:8080/", "http://10.0.0.11/"),
            ("10.0.0.0/8", "http://10.255.0.1/", "http://11.0.0.1/"),
            ("10.0.0.0/8", "http://10.0.0.1/", "http://10.example/"),
            ("0.0.0.0/0", "http://11.0.0.1/", "http://[::1]/"),
            ("10.0.0.1/32", "http://10.0.0.1/", "http://10.0.0.0/"),
            ("fd00::/8", "http://[fd12::1]/", "http://[fe80::1]/"),
            ("2001:db8::1", "http://[2001:db8::1]/", "http://[2001:db8::2]/"),
            ("[2001:db8::1]:443", "https://[2001:db8::1]/", "http://[2001:db8::1]/"),
            ("corp.example:8443", "https://a.corp.example:8443/", "https://a.corp.example/"),
            ("localhost", "http://localhost:8085/", "http://127.0.0.1:8085/"),
        ] {
            assert!(exempts(token, &url(fits)), "{token} {fits}");
            assert!(!exempts(token, &url(does_not)), "{token} {does_not}");
        }
    }

    #[test]
    fn an_exception_with_a_star_before_a_domain_fits_nothing() {
        assert!(!exempts("*.corp.example", &url("http://a.corp.example/")));
        assert!(!exempts(".", &url("http://a.corp.example/")));
        assert!(!exempts("10.0.0.0/33", &url("http://10.0.0.0/")));
    }

    #[test]
    fn the_setting_of_the_own_scheme_comes_first() {
        let all = setting(None, "socks5://a:1080", "");
        let https = setting(Some("https"), "b:3128", "corp.example, 10.0.0.0/8");
        let settings = [all.clone(), https.clone()];
        assert_eq!(route(&url("http://x.example/"), &settings), Some(Route::Proxy(all)));
        assert_eq!(route(&url("https://x.example/"), &settings), Some(Route::Proxy(https)));
        let at = At::file("$no_proxy");
        let straight = Route::Straight { token: "10.0.0.0/8".to_owned(), at };
        assert_eq!(route(&url("https://10.1.2.3/"), &settings), Some(straight));
        assert_eq!(route(&url("https://x.example/"), &[]), None);
    }

    #[test]
    fn an_address_loses_its_user_and_password() {
        for (value, shown, user, password) in [
            ("proxy:3128", "http://proxy:3128/", None, None),
            ("http://proxy.corp.example:3128/", "http://proxy.corp.example:3128/", None, None),
            ("https://u:p@[2001:db8::1]:8443", "https://[2001:db8::1]:8443/", Some("u"), Some("p")),
            ("http://u:a%40b%2fc%zz@proxy/", "http://proxy/", Some("u"), Some("a@b/c%zz")),
            ("u:p@ss@proxy:1", "http://proxy:1/", Some("u"), Some("p@ss")),
            ("socks5h://127.0.0.1:9050", "socks5h://127.0.0.1:9050", None, None),
        ] {
            let address = Address::parse(value).unwrap();
            assert_eq!(address.url.as_str(), shown);
            assert_eq!(address.user.as_deref(), user);
            assert_eq!(address.password.as_ref().map(ExposeSecret::expose_secret), password);
            assert!(!format!("{address:?}").contains("a@b"));
            assert_eq!(address.names_port, value != "http://u:a%40b%2fc%zz@proxy/", "{value}");
        }
    }

    #[test]
    fn a_password_that_ends_the_address_is_never_taken_for_a_host() {
        for value in [
            "u:12#34@proxy:1",
            "http://u:12/34@proxy:1",
            "u:1?2@proxy:1",
            "http://",
            "",
            "x y",
            "ftp://proxy",
            "u:p@",
        ] {
            assert!(Address::parse(value).is_none(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_value_is_too_strange(value in ".{0,60}", token in "[\\[\\]:/*.a0-9]{0,30}") {
            if let Some(address) = Address::parse(&value) {
                prop_assert!(!address.url.as_str().contains('@'));
                exempts(&token, &address.url);
            }
            exempts(&token, &url("http://[2001:db8::1]:80/"));
            exempts(&token, &url("http://10.0.0.1/"));
        }
    }
}
