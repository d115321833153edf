//! Addresses as the platform's files write them: a peer, a listening socket.

use std::net::IpAddr;

use super::facts::Listen;
use crate::site::{Place, parse_port};

/// Characters of a host, name or path; what is longer is none of them, and stays
/// out of facts and notes.
pub(super) const MOST_TEXT: usize = 1_024;

/// A peer whose port stands beside its host; a port of the host's own comes second.
///
/// # Errors
///
/// What is wrong with the host.
pub(super) fn place(host: &str, port: Option<u16>) -> Result<Place, String> {
    if host.contains("://") {
        return Err("an address is not a URL here".to_owned());
    }
    let place: Place = host.parse()?;
    Ok(Place { port: port.or(place.port), ..place })
}

/// `*:5556`, `10.0.0.1:5556`, `[::1]:5556`, `eth0:5556`.
///
/// # Errors
///
/// What is wrong with the port.
pub(super) fn listen(text: &str) -> Result<Listen, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (on_one(host), parse_port(port)?),
        None => return Err(format!("`{text}` names no port")),
    };
    Ok(Listen { host, port, tls: false })
}

/// The address something listens on; none when it is every one.
pub(super) fn on_one(host: &str) -> Option<String> {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    let is_every = host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    (!is_every && !matches!(host, "" | "*")).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_on_every_address_has_no_host() {
        for text in ["*:5556", "0.0.0.0:5556", "[::]:5556", ":5556"] {
            assert_eq!(listen(text), Ok(Listen { host: None, port: 5556, tls: false }), "{text}");
        }
        let host = |text| listen(text).unwrap().host.unwrap();
        assert_eq!(host("10.0.0.1:5556"), "10.0.0.1");
        assert_eq!(host("[2001:db8::1]:5556"), "2001:db8::1");
        assert!(listen("5556").is_err() && listen("*:").is_err() && listen("*:70000").is_err());
    }
}
