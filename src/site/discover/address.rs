//! Addresses as the platform's files write them: a peer, a listening socket, a database.

use std::net::{IpAddr, Ipv6Addr};

use super::facts::{Listen, Read};
use super::{At, Facts};
use crate::site::{Place, parse_port};

/// A peer whose port stands beside its host; a port of the host's own comes second.
///
/// # Errors
///
/// What is wrong with the host.
pub(super) fn place(host: &str, port: Option<u16>) -> Result<Place, String> {
    if host.contains("://") {
        return Err("an address is no URL here".to_owned());
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

/// The server of a DSN of Perl's DBI or PHP's PDO, in each way the platform spells it:
/// `mysql:host=A:port=P;dbname=…`, `mysql:host=A:P;dbname=…`, `mysql:host=A;port=P;dbname=…`.
///
/// None when it names no server that can be reached: a file, or no host at all.
pub(super) fn of_dsn(dsn: &str) -> Option<Place> {
    let (driver, rest) = dsn.split_once(':')?;
    let driver = driver.rsplit(':').next().unwrap_or_default();
    if driver.eq_ignore_ascii_case("sqlite") {
        return None;
    }
    let value = |key: &str| {
        let mut parts = rest.split(';').filter_map(|part| part.trim().split_once('='));
        parts.find(|(name, _)| name.trim().eq_ignore_ascii_case(key)).map(|(_, value)| value.trim())
    };
    let port = value("port").and_then(|port| parse_port(port).ok());
    match value("host").or(value("hostname")) {
        Some(host) => match host.split_once(":port=") {
            Some((host, port)) => place(host, parse_port(port).ok()).ok(),
            None => place(host, port).ok(),
        },
        // A Unix socket, or the library's default: this machine.
        None => place("localhost", None).ok(),
    }
}

/// Is it this machine itself?
pub(super) fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| {
            address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        })
}

impl Facts {
    /// A database, unless it is known already.
    pub(super) fn database(&mut self, place: Place, at: At) {
        let known = self.databases.iter().any(|known| known.value == place);
        if !known {
            self.databases.push(Read { value: place, at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_dsn_names_its_server() {
        for (dsn, server) in [
            ("mysql:host=10.0.0.8:port=3306;dbname=centreon", "10.0.0.8:3306"),
            ("mysql:host=db.example:3307;dbname=centreon", "db.example:3307"),
            ("mysql:host=db.example;port=3306;dbname=centreon;mysql_ssl=1", "db.example:3306"),
            ("mysql:dbname=centreon;host=db.example;port=3306", "db.example:3306"),
            ("mysql:host=[2001:db8::8]:port=3306;dbname=centreon", "2001:db8::8:3306"),
            ("mysql:host=2001:db8::8;port=3306;dbname=centreon", "2001:db8::8:3306"),
            ("mysql:host=db.example;dbname=centreon", "db.example:0"),
            ("mysql:unix_socket=/run/mysqld/mysqld.sock;dbname=centreon", "localhost:0"),
        ] {
            let place = of_dsn(dsn).unwrap();
            assert_eq!(format!("{}:{}", place.host, place.port.unwrap_or(0)), server, "{dsn}");
        }
        for dsn in ["SQLite:dbname=/var/lib/x.sdb", "dbname=centreon", "mysql:host=a b", ""] {
            assert_eq!(of_dsn(dsn), None, "{dsn}");
        }
    }

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

    #[test]
    fn loopback_is_local_in_each_spelling() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "::ffff:127.0.0.1"] {
            assert!(is_local(host), "{host}");
        }
        assert!(!is_local("10.0.0.1") && !is_local("localhost.example"));
    }
}
