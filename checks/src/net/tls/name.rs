//! Names in certificates: are two the same, is the host among them, may an authority sign?
//!
//! Reference: [RFC 6125 §6.4](https://www.rfc-editor.org/rfc/rfc6125#section-6.4),
//! [RFC 5280 §4.2.1.10](https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.10).

use std::net::IpAddr;

use x509_parser::extensions::NameConstraints;
use x509_parser::prelude::{GeneralName, X509Certificate};
use x509_parser::x509::X509Name;

use crate::cause::{Cause, TlsCause};
use crate::wire;

/// How a certificate names the host it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NamedAs {
    /// Among the alternative names, which everybody compares.
    Alternative,
    /// In the common name, of a certificate without alternative names of hosts.
    Common(String),
    /// It does not name the host.
    No,
}

impl NamedAs {
    /// As curl compares it: the common name counts when there is no alternative name of any host.
    pub(super) fn of(certificate: &X509Certificate<'_>, host: &str) -> Self {
        let host = host.trim_end_matches('.');
        let address = address(host);
        let alternatives: Vec<_> = alternatives(certificate).filter(|name| is_host(name)).collect();
        let fits = |name: &&GeneralName<'_>| match (name, address) {
            (GeneralName::DNSName(pattern), None) => matches(pattern, host),
            (GeneralName::IPAddress(bytes), Some(IpAddr::V4(v4))) => *bytes == v4.octets(),
            (GeneralName::IPAddress(bytes), Some(IpAddr::V6(v6))) => *bytes == v6.octets(),
            _ => false,
        };
        if alternatives.iter().copied().any(|name| fits(&name)) {
            return Self::Alternative;
        }
        let common = certificate.subject().iter_common_name().last();
        let common = common.and_then(|name| name.as_str().ok()).filter(|_| alternatives.is_empty());
        match common {
            Some(common) if address.is_some() && common == host => Self::Common(host.to_owned()),
            Some(common) if address.is_none() && matches(common, host) => {
                Self::Common(wire::clean(common.as_bytes(), 100))
            }
            _ => Self::No,
        }
    }
}

/// The address that `host` is, when it is not a name; a zone does not count.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    host.split('%').next()?.parse().ok()
}

fn alternatives<'a>(
    certificate: &'a X509Certificate<'_>,
) -> impl Iterator<Item = &'a GeneralName<'a>> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.into_iter().flat_map(|names| &names.value.general_names)
}

fn is_host(name: &GeneralName<'_>) -> bool {
    matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_))
}

/// Is `host` what `pattern` stands for? An asterisk is one whole label, the first.
fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.trim_end_matches('.');
    let Some(behind) = pattern.strip_prefix("*.").filter(|behind| behind.contains('.')) else {
        return pattern.eq_ignore_ascii_case(host);
    };
    host.split_once('.')
        .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(behind))
}

/// A name in the form in which two of them are compared.
///
/// Case, blanks and the kind of text do not count.
pub(super) fn canonical(name: &X509Name<'_>) -> Vec<u8> {
    let mut form = Vec::new();
    for part in name.iter_rdn() {
        form.push(b'/');
        for attribute in part.iter() {
            let value = match attribute.as_str() {
                Ok(text) => text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
                Err(_) => attribute.as_slice().escape_ascii().to_string(),
            };
            form.extend(format!("{}={value}", attribute.attr_type().to_id_string()).bytes());
            form.push(b',');
        }
    }
    form
}

/// Does each authority of the chain sign only for names it may sign for?
pub(super) fn constraints(chain: &[&X509Certificate<'_>]) -> Result<(), Cause> {
    for (at, authority) in chain.iter().enumerate().skip(1) {
        let Some(allowed) = authority.name_constraints().ok().flatten() else {
            continue;
        };
        let below = chain.iter().take(at).enumerate();
        for (depth, certificate) in below {
            let is_self_issued =
                canonical(certificate.subject()) == canonical(certificate.issuer());
            if depth > 0 && is_self_issued {
                continue;
            }
            if let Some(name) = outside(allowed.value, certificate, depth == 0) {
                let authority = wire::clean(authority.subject().to_string().as_bytes(), 200);
                return Err(Cause::Tls(TlsCause::CertificateNameForbidden { name, authority }));
            }
        }
    }
    Ok(())
}

/// A name of `certificate` that is not allowed.
fn outside(
    allowed: &NameConstraints<'_>,
    certificate: &X509Certificate<'_>,
    is_server: bool,
) -> Option<String> {
    let alternatives: Vec<_> = alternatives(certificate).cloned().collect();
    let subject = certificate.subject();
    let common = subject.iter_common_name().last().and_then(|name| name.as_str().ok());
    let has_hosts = alternatives.iter().any(|name| matches!(name, GeneralName::DNSName(_)));
    let common = common.filter(|name| is_server && !has_hosts && looks_like_a_host(name));
    let subject = (subject.iter_rdn().count() > 0)
        .then(|| GeneralName::DirectoryName(certificate.subject().clone()));
    let mut names = subject.into_iter().chain(alternatives).chain(common.map(GeneralName::DNSName));
    let forbidden = names.find(|name| {
        let bases = |trees: &Option<Vec<_>>| -> Vec<GeneralName<'_>> {
            let trees: &[x509_parser::extensions::GeneralSubtree<'_>] =
                trees.as_deref().unwrap_or_default();
            trees.iter().map(|tree| tree.base.clone()).collect()
        };
        let permitted = bases(&allowed.permitted_subtrees);
        let mut of_kind = permitted.iter().filter_map(|base| is_below(name, base)).peekable();
        let is_permitted = of_kind.peek().is_none() || of_kind.any(|is_below| is_below);
        let excluded = bases(&allowed.excluded_subtrees);
        !is_permitted || excluded.iter().any(|base| is_below(name, base) == Some(true))
    });
    forbidden.map(|name| wire::clean(shown(&name).as_bytes(), 100))
}

/// Is `name` within `base`? `None`: they are of different kinds.
fn is_below(name: &GeneralName<'_>, base: &GeneralName<'_>) -> Option<bool> {
    match (name, base) {
        (GeneralName::DNSName(name), GeneralName::DNSName(base)) => Some(is_in_domain(name, base)),
        (GeneralName::IPAddress(name), GeneralName::IPAddress(base)) => {
            let (network, mask) = base.split_at_checked(name.len())?;
            let bytes = name.iter().zip(network).zip(mask);
            Some(
                base.len() == 2 * name.len() && bytes.into_iter().all(|((a, b), m)| a & m == b & m),
            )
        }
        (GeneralName::DirectoryName(name), GeneralName::DirectoryName(base)) => {
            Some(canonical(name).starts_with(&canonical(base)))
        }
        _ => None,
    }
}

/// `example.org` is itself and all below it, `.example.org` only what is below.
fn is_in_domain(name: &str, base: &str) -> bool {
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    name.strip_suffix(base.as_str()).is_some_and(|rest| {
        rest.is_empty() || base.is_empty() || base.starts_with('.') || rest.ends_with('.')
    })
}

fn looks_like_a_host(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

fn shown(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        GeneralName::IPAddress(bytes) => <[u8; 16]>::try_from(*bytes)
            .map_or_else(|_| "an address".to_owned(), |v6| IpAddr::from(v6).to_string()),
        GeneralName::DirectoryName(name) => name.to_string(),
        _ => "a name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_is_one_label_and_the_first() {
        for (pattern, host, fits) in [
            ("server.example.org", "SERVER.example.org", true),
            ("*.example.org", "server.example.org", true),
            ("*.example.org", "a.server.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.org", "example.org", false),
            ("s*.example.org", "server.example.org", false),
            ("*", "server", false),
        ] {
            assert_eq!(matches(pattern, host), fits, "{pattern} {host}");
        }
    }

    #[test]
    fn a_domain_is_itself_and_what_is_below() {
        for (name, base, is_in) in [
            ("example.org", "example.org", true),
            ("a.Example.org", "example.org", true),
            ("badexample.org", "example.org", false),
            ("a.example.org", ".example.org", true),
            ("example.org", ".example.org", false),
            ("anything", "", true),
        ] {
            assert_eq!(is_in_domain(name, base), is_in, "{name} {base}");
        }
    }

    #[test]
    fn a_host_is_an_address_also_with_a_zone() {
        assert_eq!(address("fe80::1%eth0"), "fe80::1".parse().ok());
        assert_eq!(address("192.0.2.1"), "192.0.2.1".parse().ok());
        assert_eq!(address("server.example.org"), None);
    }

    #[test]
    fn addresses_are_compared_under_their_mask() {
        let base = GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 0, 0]);
        let within = |address: &'static [u8]| is_below(&GeneralName::IPAddress(address), &base);
        assert_eq!(within(&[10, 9, 9, 9]), Some(true));
        assert_eq!(within(&[11, 9, 9, 9]), Some(false));
        assert_eq!(is_below(&GeneralName::DNSName("a"), &base), None);
    }
}
