//! What the central's own command line lists: its pollers, and the directories users log in with.
//!
//! Text of `centreon -o INSTANCE -a show` and of `-o LDAP -a showserver -v NAME`, or
//! a query's result with the columns of `nagios_server`: fields between `;`, tabs or
//! commas, named by a header line (centreon, `www/class/centreon-clapi/`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::address::{MOST_TEXT, place};
use super::facts::{Directory, Machine, Mode, Read};
use super::{At, Facts, Text};
use crate::catalogue::Role;
use crate::site::{Place, parse_port};

/// Lines of a list; the largest platforms have some hundred pollers.
const MOST_ROWS: usize = 10_000;
/// Bad lines that are noted one by one.
const MOST_NOTES: usize = 10;
const POLLERS: &str = "the pollers";
const DIRECTORIES: &str = "the directories";

/// Pollers and remote servers that a central lists, without itself and without inactive ones.
pub(crate) fn machines(text: &Text, facts: &mut Facts) {
    let rows = rows(text, &["id", "name", "ip address"], POLLERS, facts);
    let between: BTreeSet<&str> = rows.iter().filter_map(|row| row.of(&["remote id"])).collect();
    let mut left = MOST_NOTES;
    for row in rows.iter().filter(|row| !row.is("localhost") && row.of(&["activate"]) != Some("0"))
    {
        match machine(row, &between) {
            Ok(machine) => facts.machines.push(machine),
            Err(wrong) => note(row.at.clone(), wrong, POLLERS, &mut left, facts),
        }
    }
}

/// The servers of a directory.
pub(crate) fn directories(text: &Text, facts: &mut Facts) {
    let rows = rows(text, &["id", "address", "port", "ssl", "tls"], DIRECTORIES, facts);
    let mut left = MOST_NOTES;
    for row in rows {
        match row.place(&["address"], &["port"]) {
            Ok(place) => facts.directories.push(Directory {
                place,
                ldaps: row.is("ssl"),
                start_tls: row.is("tls"),
                at: row.at,
            }),
            Err(wrong) => note(row.at, wrong, DIRECTORIES, &mut left, facts),
        }
    }
}

/// The names of the directories that `centreon -o LDAP -a show` lists.
pub(crate) fn directory_names(text: &Text) -> Vec<String> {
    let rows = rows(text, &["id", "name"], DIRECTORIES, &mut Facts::default());
    rows.iter().filter_map(|row| row.of(&["name"])).map(str::to_owned).collect()
}

/// Of `centreon -o SETTINGS -a show` (`parameter;value`) the proxy of the web interface.
pub(crate) fn settings(text: &Text, facts: &mut Facts) {
    for (number, line) in text.lines() {
        match line.split_once(';') {
            Some(("proxy_url", value)) if !value.trim().is_empty() => {
                let value = value.trim().chars().take(MOST_TEXT).collect();
                facts.web_proxy = Some(Read { value, at: text.at(number) });
            }
            _ => {}
        }
    }
}

fn machine(row: &Row, between: &BTreeSet<&str>) -> Result<Machine, String> {
    let mode = match row.of(&["gorgone communication type", "gorgone protocol"]) {
        _ if row.is("remote server use as proxy") && row.of(&["remote id"]).is_some() => {
            Some(Mode::ThroughRemote)
        }
        Some(mode) => match mode.to_ascii_lowercase().as_str() {
            "1" | "zmq" => Some(Mode::Zmq),
            "2" | "ssh" => Some(Mode::Ssh),
            "3" | "pull" => Some(Mode::Pull),
            "4" | "pullwss" => Some(Mode::Pullwss),
            _ => None,
        },
        None => None,
    };
    // The port is the machine's own; where it is the one that connects, it has none.
    let port: &[&str] = match mode {
        Some(Mode::Zmq | Mode::Ssh) | None => &["gorgone port"],
        Some(_) => &[],
    };
    let id = row.of(&["id"]);
    let is_between = id.is_some_and(|id| between.contains(id));
    Ok(Machine {
        id: id.and_then(|id| id.parse().ok()),
        name: row.of(&["name"]).unwrap_or("a poller without a name").to_owned(),
        role: if is_between { Role::Remote } else { Role::Poller },
        place: row.place(&["ip address"], port)?,
        mode,
        at: row.at.clone(),
    })
}

/// The rows below each header that has the columns asked for.
fn rows(text: &Text, asked: &[&str], missing: &'static str, facts: &mut Facts) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut header: Option<ColumnNames> = None;
    let mut is_found = false;
    let mut left = MOST_NOTES;
    for (number, line) in text.lines() {
        if let Some(next) = ColumnNames::of(line) {
            is_found |= next.has(asked);
            header = Some(next);
            continue;
        }
        // What follows the list, as "Return code end : 0", has no fields.
        let Some(header) = header.as_ref().filter(|header| header.has(asked)) else { continue };
        match header.row(line, text.at(number)) {
            Some(_) if rows.len() == MOST_ROWS => {
                facts.note(text.at(number), "the list is too long; the rest is not read", missing);
                break;
            }
            Some(row) => rows.push(row),
            None if line.contains(header.between) => {
                let reason = "this line has not the fields of its header";
                note(text.at(number), reason, missing, &mut left, facts);
            }
            None => {}
        }
    }
    if !is_found {
        let at = text.at(1);
        facts.note(at, format!("there is no header line with {}", asked.join(";")), missing);
    }
    rows
}

fn note(
    at: At,
    reason: impl Into<String>,
    missing: &'static str,
    left: &mut usize,
    facts: &mut Facts,
) {
    if *left > 0 {
        *left -= 1;
        facts.note(at, reason, missing);
    }
}

/// The names of the columns, and what stands between them.
struct ColumnNames {
    between: char,
    columns: Arc<[String]>,
}

impl ColumnNames {
    fn of(line: &str) -> Option<Self> {
        let between = [';', '\t', ','].into_iter().find(|between| line.contains(*between))?;
        let columns: Arc<[String]> =
            fields(line, between).iter().map(|name| column(name)).collect();
        columns.first().filter(|first| *first == "id")?;
        Some(Self { between, columns })
    }

    fn has(&self, asked: &[&str]) -> bool {
        asked.iter().all(|name| self.columns.iter().any(|column| column == name))
    }

    fn row(&self, line: &str, at: At) -> Option<Row> {
        let fields = fields(line, self.between);
        let fits = fields.len() == self.columns.len();
        fits.then(|| Row { at, columns: Arc::clone(&self.columns), fields })
    }
}

/// One name of a column, however it is spelt: `ns_ip_address`, `ip address`.
fn column(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}').to_ascii_lowercase().replace('_', " ");
    name.strip_prefix("ns ").unwrap_or(&name).to_owned()
}

/// The fields of a line, without spaces and quotes around them.
fn fields(line: &str, between: char) -> Vec<String> {
    let mut is_quoted = false;
    let parts = line.split(|c: char| {
        is_quoted ^= c == '"';
        c == between && !is_quoted
    });
    parts.map(|field| field.trim().trim_matches('"').trim().to_owned()).collect()
}

/// A line, its fields in the order of the columns.
struct Row {
    at: At,
    columns: Arc<[String]>,
    fields: Vec<String>,
}

impl Row {
    /// The first of these fields that is there and says something.
    fn of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let (_, field) = self.columns.iter().zip(&self.fields).find(|(it, _)| it == name)?;
            let says_something = |field: &&str| !matches!(*field, "" | "NULL" | "\\N" | "-");
            Some(field.as_str()).filter(says_something).filter(|field| field.len() <= MOST_TEXT)
        })
    }

    fn is(&self, name: &str) -> bool {
        self.of(&[name]) == Some("1")
    }

    fn place(&self, host: &[&str], port: &[&str]) -> Result<Place, String> {
        let port = self.of(port).map(parse_port).transpose()?;
        place(self.of(host).ok_or("there is no address")?, port)
    }
}

#[cfg(test)]
mod tests;
