//! Whom does a resolver of this machine ask: dnsmasq, unbound, BIND?
//!
//! Only the servers for every name; that one domain has others is noted.

pub(in crate::site::discover) mod bind;
pub(in crate::site::discover) mod dnsmasq;
pub(in crate::site::discover) mod unbound;

use super::super::facts::Read;
use super::super::{At, Facts, Files};
use super::{MISSING, address, servers};
use crate::site::{Place, parse_port};

pub(super) fn read(files: &Files, facts: &mut Facts) -> Vec<Read<Place>> {
    let mut found = dnsmasq::read(files, facts);
    found.extend(unbound::read(files, facts));
    found.extend(bind::read(files, facts));
    found
}

/// A server with a port of its own; none: it is not an address, or that is not a port.
fn at_port(host: &str, port: Option<&str>, at: At) -> Option<Read<Place>> {
    let port = port.map(parse_port).transpose().ok()?;
    Some(Read { value: Place { port, ..address(host.trim())? }, at })
}

/// The line without its comment, which begins with a `#` at its start or behind white space: dnsmasq
/// has one before a port, unbound one before a name in a certificate.
fn uncommented(line: &str) -> &str {
    let mut is_after_space = true;
    for (at, c) in line.char_indices() {
        if c == '#' && is_after_space {
            return line.get(..at).unwrap_or_default();
        }
        is_after_space = c.is_whitespace();
    }
    line
}
