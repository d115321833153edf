//! Causes of web servers and proxies.

use std::borrow::Cow;

use super::about::{About, Layer, Owner, Plea, Whereabouts};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Blank, Passage, say, word};
use super::{Cause, Millis, list};

/// Causes of web servers and proxies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum WebCause {
    /// 401 or 403 from the host asked.
    #[error("the web server refuses access ⟨{status}⟩")]
    HttpForbidden {
        /// HTTP status.
        status: u16,
    },
    /// 404 from the host asked.
    #[error("the web server has no such page ⟨404 for {path}⟩")]
    HttpNotFound {
        /// The path asked for.
        path: String,
    },
    /// Any other 4xx.
    #[error("the web server answers {status}{}", of_status(*status))]
    HttpStatus {
        /// HTTP status.
        status: u16,
    },
    /// 5xx.
    #[error("the web server{} fails ⟨{status}⟩", if *.unsigned { ", or a proxy on the way," } else { "" })]
    HttpServerError {
        /// HTTP status.
        status: u16,
        /// In plain text, and neither a server nor a proxy says that it wrote the answer.
        #[serde(default)]
        unsigned: bool,
    },
    /// Something in between answers instead of the host asked.
    #[error("a captive portal answers instead: it sends us to {location}")]
    CaptivePortal {
        /// Where it redirects to.
        location: String,
    },
    /// A page that somebody in between wrote comes with a good status.
    #[error("another page answers instead of {host}: \"{title}\"")]
    PageInstead {
        /// The host asked.
        host: String,
        /// What the page calls itself.
        title: String,
    },
    /// Who follows the redirects comes back to where he was.
    #[error("the web server redirects in a circle, to {location}")]
    RedirectLoop {
        /// The address that comes again.
        location: String,
    },
    /// 407: the proxy wants to know its users in ways this tool does not speak.
    #[error("the proxy wants {}, which preflight does not speak", list(schemes))]
    ProxyScheme {
        /// The proxy, without credentials.
        proxy: String,
        /// The ways to log in that it offers.
        schemes: Vec<String>,
    },
    /// Something else comes in the place of a package repository's metadata.
    #[error("expected {expected}, got {got}")]
    NotMetadata {
        /// The file that was asked for, as a noun phrase.
        expected: Cow<'static, str>,
        /// A page's title, or how the answer begins.
        got: String,
        /// Inside TLS with a trusted certificate: then it is the server's own answer.
        secure: bool,
    },
    /// 407: the proxy wants credentials, or refuses those given.
    #[error("the proxy wants authentication ⟨407⟩{}", if *.given { ", and refuses the credentials given" } else { "" })]
    ProxyAuthentication {
        /// The proxy, without credentials.
        proxy: String,
        /// Were credentials sent?
        given: bool,
    },
    /// The proxy answers, and says no to this destination.
    #[error("the proxy {proxy} denies {destination} ⟨{status}⟩")]
    ProxyDenied {
        /// The proxy, without credentials.
        proxy: String,
        /// Where we wanted to go.
        destination: String,
        /// HTTP status.
        status: u16,
    },
    /// The proxy answers, and could not reach the destination.
    #[error("the proxy {proxy} cannot reach {destination} ⟨{status}{}⟩", after_comma(error.as_deref()))]
    ProxyCannotReach {
        /// The proxy, without credentials.
        proxy: String,
        /// Where we wanted to go.
        destination: String,
        /// HTTP status.
        status: u16,
        /// The proxy's own word for it: `ERR_DNS_FAIL`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The proxy accepted the question and gives no answer to it.
    #[error("the proxy {proxy} gives no answer about {destination} ⟨{waited}⟩")]
    ProxySilent {
        /// The proxy, without credentials.
        proxy: String,
        /// Where we wanted to go.
        destination: String,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The proxy itself could not be reached.
    #[error("the proxy {proxy} is not usable: {}", because.marked())]
    ProxyUnreachable {
        /// The proxy, without credentials.
        proxy: String,
        /// What keeps it from being reached.
        because: Box<Cause>,
    },
}

/// Does a page call itself so that its domain is for sale, or kept by a registrar without a site?
pub(crate) fn is_parked(title: &str) -> bool {
    let title = title.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| title.contains(word));
    says(&PARKED)
        || title.contains("domain") && says(&["for sale", "zu verkaufen", "à vendre", "expired"])
}

/// How pages of registrars and dealers in domains call themselves.
const PARKED: [&str; 8] = [
    "domain parking",
    "domain is parked",
    "parked domain",
    "parked page",
    "buy this domain",
    "is parked at",
    "hugedomains",
    "account suspended",
];

impl WebCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::{Nothing, Repair};
        use Whereabouts::Unknown;
        let network = Owner::Network;
        match self {
            Self::HttpForbidden { .. } => About::new(Authentication, FarSide, Nothing),
            Self::HttpStatus { .. } => About::new(Protocol, FarSide, Nothing),
            Self::HttpNotFound { .. } | Self::HttpServerError { .. } => {
                About::new(Service, FarSide, Nothing)
            }
            Self::PageInstead { title, .. } if is_parked(title) => {
                About::new(Protocol, ThisHost, Nothing)
            }
            Self::CaptivePortal { .. }
            | Self::PageInstead { .. }
            | Self::NotMetadata { secure: false, .. } => {
                About::new(Protocol, network(Unknown), Repair)
            }
            Self::NotMetadata { secure: true, .. } => About::new(Protocol, FarSide, Nothing),
            Self::RedirectLoop { .. } => About::new(Service, FarSide, Nothing),
            Self::ProxyScheme { .. } => About::new(Authentication, network(Unknown), Repair),
            Self::ProxyAuthentication { .. } => About::new(Authentication, ThisHost, Nothing),
            Self::ProxyDenied { .. } => About::new(Authentication, network(Unknown), Repair),
            Self::ProxyCannotReach { .. } | Self::ProxySilent { .. } => {
                About::new(Service, network(Unknown), Repair)
            }
            Self::ProxyUnreachable { because, .. } => because.about(),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        let (from, target) = (passage.from(), passage.target);
        match self {
            Self::HttpForbidden { .. } => {
                say(format!("let {from} in, or say which login it needs; who answers: "))
                    .there(format!("curl -sv -o /dev/null {}", Blank::Url))
            }
            Self::HttpNotFound { path } => {
                say(format!("serve {path} there, or say which path it is now"))
            }
            Self::HttpStatus { status: 429 } => say(format!(
                "wait, and run again; if it stays so, let {from} ask more often there: such a limit counts all who come from one address (NAT, a proxy) together"
            )),
            Self::HttpStatus { status: 421 } => say(format!(
                "ask by the name that it serves ({}), or add this one to its virtual hosts",
                passage.origin
            )),
            Self::HttpStatus { status } => {
                say(format!("find {from} in its access log and say why it answers {status}"))
            }
            Self::HttpServerError { status, unsigned: false } => {
                say(format!("find the answer {status} to {from} in its error log, and repair it"))
            }
            Self::HttpServerError { status, unsigned: true } => say(format!(
                "find the answer {status} to {from} in its error log; if it is not there, a proxy on the way gave it: ask the network team which one, or use --proxy"
            )),
            Self::CaptivePortal { .. } => {
                say(format!("allow {} without the portal's login", passage.own_rule()))
            }
            Self::PageInstead { title, host } if is_parked(title) => say(format!(
                "{host} is for sale or parked, and serves nobody: correct the address ({}), or have its owner renew the domain",
                passage.origin
            )),
            Self::PageInstead { host, .. } => {
                say(format!("let {from} reach {host} without that page"))
            }
            Self::RedirectLoop { location } => {
                say(format!("find what sends {location} back to itself there: "))
                    .there(format!("curl -sSIL --max-redirs 5 {}", word(location)))
            }
            Self::ProxyScheme { .. } => say(format!(
                "let {from} through without a log-in, or with Basic: neither dnf and apt as they come nor the platform speak the others"
            )),
            Self::NotMetadata { secure: false, .. } => {
                say(format!("allow {target} for {from} on the web filter or proxy; see: "))
                    .here(format!("curl -s {} | head", word(target)))
            }
            Self::NotMetadata { secure: true, .. } => {
                say("see whether this is still a repository: ")
                    .there(format!("curl -s {} | head", word(target)))
            }
            Self::ProxyAuthentication { .. } => {
                say("give --proxy-user and PREFLIGHT_PROXY_PASSWORD, and the same to dnf or apt")
            }
            Self::ProxyDenied { destination, .. } => {
                say(format!("allow {destination} on the proxy"))
            }
            Self::ProxyCannotReach { destination, error, .. }
                if error.as_deref().is_some_and(|error| error.contains("DNS")) =>
            {
                say(format!(
                    "let the proxy itself resolve {destination}: its own name server does not"
                ))
            }
            Self::ProxyCannotReach { destination, .. } => {
                say(format!("let the proxy itself reach {destination}"))
            }
            Self::ProxySilent { destination, .. } => {
                say(format!("see whether the proxy itself reaches {destination}, and let it"))
            }
            // What listens on a proxy is not the far side's service.
            Self::ProxyUnreachable { because, .. } => {
                because.advice(&Passage { look_at: "", ..passage.clone() })
            }
        }
    }
}

/// A comma and the word, or nothing.
fn after_comma(word: Option<&str>) -> String {
    word.map(|word| format!(", {word}")).unwrap_or_default()
}

/// What a status means that few know by heart (RFC 9110 §15.5, RFC 6585 §4, RFC 7725).
fn of_status(status: u16) -> &'static str {
    match status {
        400 => " (bad request)",
        405 => " (method not allowed)",
        408 => " (no request in time)",
        410 => " (gone for good)",
        421 => " (it does not serve this name here)",
        426 => " (it wants another version of HTTP)",
        429 => " (too many requests)",
        451 => " (withheld for legal reasons)",
        _ => "",
    }
}
