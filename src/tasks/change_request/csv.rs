//! The request for a spreadsheet: one line a row, several values in a field apart by a space.
//!
//! Reference: [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180).

use std::io;
use std::net::IpAddr;

use super::end::{Firewall, RuleEnd};
use super::row::RequestRow;
use crate::report::escape::csv;

/// Writes a header and the rows.
pub(super) fn write(rows: &[RequestRow], out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "{HEADER}\r\n")?;
    for (index, row) in rows.iter().enumerate() {
        let fields = fields(index + 1, row).map(|field| csv(&field));
        write!(out, "{}\r\n", fields.join(","))?;
    }
    Ok(())
}

const HEADER: &str = "number,firewall,source,source_nat,source_name,destination,destination_name,\
                      transport,port,direction,service,purpose,evidence,flow,also_needed_by";

fn fields(number: usize, row: &RequestRow) -> [String; 15] {
    let sources = || row.sources.iter();
    let address = |end: &RuleEnd| end.address.map_or_else(|| "-".to_owned(), |own| own.to_string());
    let nat = |nat: Option<IpAddr>| nat.map_or_else(|| "-".to_owned(), |nat| nat.to_string());
    let has_nat = sources().any(|source| source.nat.is_some());
    let transports: Vec<&str> = row.transports.iter().map(|transport| transport.lower()).collect();
    // An echo request has none.
    let ports = row.ports.iter().filter(|port| **port != 0);
    let ports: Vec<String> = ports.map(ToString::to_string).collect();
    let firewall = match &row.at {
        Firewall::Device(device) => device.to_string(),
        Firewall::Behind(last) => format!("{last} or behind it"),
        Firewall::Before(first) => format!("{first} or before it"),
        Firewall::OnTheWay => "unknown".to_owned(),
        Firewall::Target(_) => "destination".to_owned(),
        Firewall::Source(_) => "source".to_owned(),
        Firewall::Open => "not blocked".to_owned(),
    };
    [
        number.to_string(),
        firewall,
        joined(sources().map(|source| address(&source.end))),
        if has_nat { joined(sources().map(|source| nat(source.nat))) } else { String::new() },
        joined(sources().filter_map(|source| source.end.name.clone())),
        row.destination.address.map_or_else(String::new, |address| address.to_string()),
        row.destination.name.clone().unwrap_or_default(),
        transports.join(" "),
        ports.join(" "),
        "source opens it".to_owned(),
        row.protocols.join(" "),
        row.purposes.join(" "),
        row.evidence.join("; "),
        row.flows.join(" "),
        row.subnets.join(" "),
    ]
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(" ")
}
