//! Databases as the platform's files name them: by a DSN, each in its own spelling.

use super::address::place;
use super::facts::Read;
use super::tree::Node;
use super::{At, Facts};
use crate::site::{Place, parse_port};

impl Facts {
    /// The databases of the web interface's own file: `db_configuration` and `db_realtime`.
    pub(super) fn databases_of(&mut self, database: &Node) {
        for key in ["db_configuration", "db_realtime"] {
            let Some(dsn) = database.of(key).and_then(|node| node.read("dsn")) else { continue };
            match of_dsn(&dsn.value) {
                Some(place) => self.database(place, dsn.at),
                None => self.note(dsn.at, "its dsn names no database server", "the database"),
            }
        }
    }

    /// A database, unless it is known already.
    pub(super) fn database(&mut self, place: Place, at: At) {
        let known = self.databases.iter().any(|known| known.value == place);
        if !known {
            self.databases.push(Read { value: place, at });
        }
    }
}

/// The server of a DSN of Perl's DBI or PHP's PDO, in each way the platform spells it:
/// `mysql:host=A:port=P;dbname=…`, `mysql:host=A:P;dbname=…`, `mysql:host=A;port=P;dbname=…`.
///
/// None when it names no server that can be reached: a file, or no host at all.
fn of_dsn(dsn: &str) -> Option<Place> {
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
}
