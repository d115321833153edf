//! `--device`: one device, a list of them in a file or on standard input, a network or a range;
//! `--devices-from`: the same from a file, which may be CSV with a header or NDJSON too.
//!
//! A list has a host, a network or a range a line; `#` begins a comment, and what follows the first
//! word of a line is not read, so that an export with more columns will do.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use preflight_checks::quoted;

use super::{SettingsError, bad, is_stdin};
use crate::site::{Origin, Target};

const FLAG: &str = "--device";
const FROM: &str = "--devices-from";
/// What a column or a key with the device's host is called, the best first.
const HOSTS: [&str; 8] =
    ["address", "ip", "ip_address", "ipaddress", "host", "hostname", "device", "name"];
/// What one with its port is called.
const PORTS: [&str; 2] = ["port", "snmp_port"];
/// Devices in all.
const MOST: usize = 100_000;
/// Bytes of a list: a line of it is a name and a remark.
const MOST_BYTES: u64 = 16 << 20;
/// The largest network: its hosts take minutes.
const LEAST_BITS: u8 = 20;

/// Devices, and how many a list, a network or a range has come to.
#[derive(Debug, Default)]
pub(super) struct DeviceList {
    /// Each device once, in the order of the command line.
    pub(super) devices: Vec<Target>,
    /// A sentence each: `--device 10.1.0.0/24: 254 devices`.
    pub(super) counts: Vec<String>,
}

/// Each device that `values` and the lists in `files` name, once, in their order.
pub(super) fn devices<'v>(
    values: impl IntoIterator<Item = &'v str>,
    files: &[PathBuf],
) -> Result<DeviceList, SettingsError> {
    let mut devices = Devices { flag: FLAG, ..Devices::default() };
    for value in values {
        let before = devices.all.len();
        match value.strip_prefix('@') {
            Some("") => return Err(bad(FLAG, "`@` needs the name of a file behind it")),
            Some(path) => {
                let file =
                    File::open(path).map_err(|error| bad(FLAG, format!("{path}: {error}")))?;
                devices.list(path, file)?;
            }
            None if value == "-" => devices.list("standard input", io::stdin().lock())?,
            None => devices.add(value)?,
        }
        let is_one = span(value).is_none_or(|span| span.is_err()) && !value.starts_with(['@', '-']);
        devices.count(value, before, is_one);
    }
    devices.flag = FROM;
    for file in files {
        let (before, name) = (devices.all.len(), file.display().to_string());
        if is_stdin(file) {
            devices.any_list("standard input", io::stdin().lock())?;
        } else {
            let opened = File::open(Path::new(file));
            let opened = opened.map_err(|error| bad(FROM, format!("{name}: {error}")))?;
            devices.any_list(&name, opened)?;
        }
        if devices.all.len() == before && before == 0 {
            return Err(bad(FROM, format!("{name} names no device")));
        }
        devices.count(&name, before, false);
    }
    Ok(DeviceList { devices: devices.all, counts: devices.counts })
}

#[derive(Default)]
struct Devices {
    /// The flag that named the list.
    flag: &'static str,
    all: Vec<Target>,
    counts: Vec<String>,
    /// Host and port of each.
    known: BTreeSet<(String, Option<u16>)>,
}

impl Devices {
    fn count(&mut self, what: &str, before: usize, is_one: bool) {
        if !is_one {
            let count = self.all.len().saturating_sub(before);
            let devices = if count == 1 { "device" } else { "devices" };
            let what = preflight_checks::printable(what);
            self.counts.push(format!("{} {what}: {count} {devices}", self.flag));
        }
    }

    fn list(&mut self, name: &str, source: impl Read) -> Result<(), SettingsError> {
        self.lines(name, source, Devices::first_of)
    }

    /// The first word of a line, which is the device; the rest of it is of no interest.
    fn first_of(&mut self, line: &str) -> Result<(), SettingsError> {
        let content = line.split('#').next().unwrap_or_default();
        let mut words = content.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"'));
        words.find(|word| !word.is_empty()).map_or(Ok(()), |word| self.add(word))
    }

    /// A list, CSV or NDJSON: the first line that says something tells.
    fn any_list(&mut self, name: &str, source: impl Read) -> Result<(), SettingsError> {
        enum ListKind {
            List,
            Ndjson,
            Csv { separator: char, host: usize, port: Option<usize> },
        }
        let flag = self.flag;
        let mut kind = None;
        self.lines(name, source, |devices, line| {
            let text = line.trim_start_matches('\u{feff}').trim();
            if text.is_empty() {
                return Ok(());
            }
            let is_first = kind.is_none();
            let kind = kind.get_or_insert_with(|| {
                if text.starts_with('{') {
                    return ListKind::Ndjson;
                }
                match header(text) {
                    Some((separator, host, port)) => ListKind::Csv { separator, host, port },
                    None => ListKind::List,
                }
            });
            let (host, port) = match kind {
                ListKind::Csv { .. } if is_first => return Ok(()),
                ListKind::List => return devices.first_of(text),
                ListKind::Ndjson => of_json(text).map_err(|reason| bad(flag, reason))?,
                ListKind::Csv { separator, host, port } => {
                    let cells = cells(text, *separator).map_err(|reason| bad(flag, reason))?;
                    let cell = |at: usize| cells.get(at).filter(|cell| !cell.is_empty()).cloned();
                    let Some(host) = cell(*host) else {
                        return Err(bad(flag, "this line has no host"));
                    };
                    (host, port.and_then(cell))
                }
            };
            match port {
                None => devices.add(&host),
                Some(port) if host.contains(':') => devices.add(&format!("[{host}]:{port}")),
                Some(port) => devices.add(&format!("{host}:{port}")),
            }
        })
    }

    /// Gives each line to `take`; what it says is told with the line's number.
    fn lines(
        &mut self,
        name: &str,
        source: impl Read,
        mut take: impl FnMut(&mut Self, &str) -> Result<(), SettingsError>,
    ) -> Result<(), SettingsError> {
        let flag = self.flag;
        let lines = BufReader::new(source.take(MOST_BYTES + 1)).lines();
        let mut read = 0;
        for (number, line) in lines.enumerate().map(|(index, line)| (index + 1, line)) {
            let line = line.map_err(|error| bad(flag, format!("{name}: {error}")))?;
            read += u64::try_from(line.len()).unwrap_or(u64::MAX) + 1;
            if read > MOST_BYTES {
                return Err(bad(flag, format!("{name} is too long to be a list of devices")));
            }
            take(self, &line).map_err(|refused| match refused {
                SettingsError::Value { flag, reason } => {
                    bad(flag, format!("{name}:{number}: {reason}"))
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// Adds a host, or the hosts of a network or a range.
    fn add(&mut self, word: &str) -> Result<(), SettingsError> {
        let Some(addresses) = span(word) else {
            return self.push(target(self.flag, word)?);
        };
        for address in addresses.map_err(|reason| bad(self.flag, reason))? {
            let device = target(self.flag, &address.to_string())?;
            self.push(Target { group: Some(word.to_owned()), ..device })?;
        }
        Ok(())
    }

    fn push(&mut self, device: Target) -> Result<(), SettingsError> {
        if self.known.insert((device.place.host.to_ascii_lowercase(), device.place.port)) {
            if self.all.len() >= MOST {
                return Err(bad(self.flag, format!("these are more than {MOST} devices")));
            }
            self.all.push(device);
        }
        Ok(())
    }
}

/// A target as a flag gives it.
pub(super) fn target(flag: &'static str, value: &str) -> Result<Target, SettingsError> {
    if value.starts_with('@') {
        return Err(bad(
            flag,
            format!("{value} is not a host; only --device takes lists", value = quoted(value)),
        ));
    }
    let place = value.parse().map_err(|reason: String| bad(flag, reason))?;
    Ok(Target::new(place, Origin::flag(flag)))
}

/// Separator, column of the host and column of the port, if a line is a header of CSV.
fn header(line: &str) -> Option<(char, usize, Option<usize>)> {
    let separator = [',', ';', '\t'].into_iter().find(|separator| line.contains(*separator));
    let separator = separator.unwrap_or(',');
    let names = cells(line, separator).ok()?;
    let names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let column =
        |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
    Some((separator, column(&HOSTS)?, column(&PORTS)))
}

/// The cells of a line of CSV (RFC 4180), without a line break in any of them.
fn cells(line: &str, separator: char) -> Result<Vec<String>, String> {
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => is_quoted = !is_quoted,
            letter if letter == separator && !is_quoted => {
                cells.push(std::mem::take(&mut cell).trim().to_owned());
            }
            letter => cell.push(letter),
        }
    }
    if is_quoted {
        return Err("a quotation mark is not closed on this line".to_owned());
    }
    cells.push(cell.trim().to_owned());
    Ok(cells)
}

/// Host and port of a line of NDJSON.
fn of_json(line: &str) -> Result<(String, Option<String>), String> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|error| {
            format!("no JSON object: {}", preflight_checks::printable(&error.to_string()))
        })?;
    let host = HOSTS.iter().find_map(|key| object.get(*key)?.as_str());
    let host =
        host.ok_or_else(|| format!("no host; a line has one of the keys {}", HOSTS.join(", ")))?;
    let port = PORTS.iter().find_map(|key| object.get(*key)).and_then(|port| match port {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    Ok((host.to_owned(), port))
}

/// The addresses of a network or a range; `None`: it is neither.
fn span(word: &str) -> Option<Result<Vec<Ipv4Addr>, String>> {
    if word.contains("://") {
        return None;
    }
    if let Some((network, bits)) = word.split_once('/') {
        return Some(hosts(network, bits).map(Iterator::collect));
    }
    let (first, last) = word.split_once('-')?;
    // A name may have a hyphen in it; an address has none.
    let first: Ipv4Addr = first.parse().ok()?;
    Some(range(word, first, last))
}

/// `10.1.1.10-10.1.1.20`, or `10.1.1.10-20`.
fn range(whole: &str, first: Ipv4Addr, last: &str) -> Result<Vec<Ipv4Addr>, String> {
    const MOST_OF_ONE: u32 = 1 << (32 - LEAST_BITS);
    let [a, b, c, _] = first.octets();
    let within = || last.parse().ok().map(|last| Ipv4Addr::new(a, b, c, last));
    let last = last.parse().ok().or_else(within).ok_or_else(|| {
        format!("{} is not a range; write 10.1.1.10-10.1.1.20 or 10.1.1.10-20", quoted(whole))
    })?;
    let (from, to) = (first.to_bits(), last.to_bits());
    if from > to {
        return Err(format!("{} ends before it begins", quoted(whole)));
    }
    if to - from >= MOST_OF_ONE {
        let count = u64::from(to - from) + 1;
        return Err(format!("{whole} has {count} hosts; at most {MOST_OF_ONE} are asked at once"));
    }
    Ok((from..=to).map(Ipv4Addr::from_bits).collect())
}

/// The addresses of hosts in `10.1.0.0/24`: without its first and its last, which are no host's.
fn hosts(network: &str, bits: &str) -> Result<impl Iterator<Item = Ipv4Addr>, String> {
    let whole = format!("{network}/{bits}");
    let address = match network.parse() {
        Ok(IpAddr::V4(address)) => address,
        Ok(IpAddr::V6(_)) => {
            return Err(format!("{whole} has more addresses than anybody asks; name its hosts"));
        }
        Err(_) => {
            return Err(format!(
                "{whole} is neither a host nor a network (10.1.0.0/24)",
                whole = quoted(&whole)
            ));
        }
    };
    let bits: u8 = bits.parse().ok().filter(|bits| *bits <= 32).ok_or_else(|| {
        format!("`/{bits}` is not the length of a network (/{LEAST_BITS} to /32)")
    })?;
    let size = 1_u64 << (32 - bits);
    if bits < LEAST_BITS {
        let most = (1_u64 << (32 - LEAST_BITS)) - 2;
        let count = size - 2;
        return Err(format!(
            "{whole} has {count} hosts; at most a /{LEAST_BITS} with its {most} is asked at once"
        ));
    }
    let first = u64::from(address.to_bits()) & !(size - 1);
    let edge = u64::from(bits < 31);
    let all = first + edge..first + size - edge;
    Ok(all.filter_map(|address| u32::try_from(address).ok().map(Ipv4Addr::from)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn named(values: &[&str]) -> Result<Vec<String>, String> {
        let devices =
            devices(values.iter().copied(), &[]).map_err(|refused| refused.to_string())?.devices;
        let shown = |device: &Target| match device.place.port {
            Some(port) => format!("{} {port}", device.place.host),
            None => device.place.host.clone(),
        };
        Ok(devices.iter().map(shown).collect())
    }

    #[test]
    fn a_file_has_a_host_or_a_network_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("devices");
        let list = "# switches\n10.1.1.1\n\n  sw2.corp.example  # cellar\n10.1.1.1;again\n\
            10.2.0.0/30 two of them\n[2001:db8::1]:1161\n\"10.3.0.1\",\"core\"\n";
        fs::write(&path, list).unwrap();
        let at = format!("@{}", path.display());
        let want = [
            "10.1.1.1",
            "sw2.corp.example",
            "10.2.0.1",
            "10.2.0.2",
            "2001:db8::1 1161",
            "10.3.0.1",
        ];
        assert_eq!(named(&[&at, "10.1.1.1"]).unwrap(), want);
        fs::write(&path, "10.1.1.1\nhttp://x y\n").unwrap();
        let refused = named(&[&at]);
        fs::write(&path, "10.1.1.1\na/b\n").unwrap();
        let said = named(&[&at]).unwrap_err();
        assert!(
            said.contains(&format!("{}:2: `a/b` is neither a host nor a network", path.display())),
            "{said}"
        );
        assert!(refused.is_ok(), "{refused:?}");
    }

    #[test]
    fn a_network_is_its_hosts_and_not_a_large_one() {
        for (network, first, last, count) in [
            ("10.1.0.7/24", "10.1.0.1", "10.1.0.254", 254),
            ("10.1.16.0/20", "10.1.16.1", "10.1.31.254", 4_094),
            ("10.1.0.8/31", "10.1.0.8", "10.1.0.9", 2),
            ("10.1.0.8/32", "10.1.0.8", "10.1.0.8", 1),
            ("255.255.255.255/30", "255.255.255.253", "255.255.255.254", 2),
        ] {
            let hosts = named(&[network]).unwrap();
            let ends = (hosts.first().unwrap().as_str(), hosts.last().unwrap().as_str());
            assert_eq!((ends, hosts.len()), ((first, last), count), "{network}");
        }
        for (network, reason) in [
            (
                "10.0.0.0/16",
                "10.0.0.0/16 has 65534 hosts; at most a /20 with its 4094 is asked at once",
            ),
            ("0.0.0.0/0", "0.0.0.0/0 has 4294967294 hosts"),
            ("2001:db8::/64", "2001:db8::/64 has more addresses than anybody asks"),
            ("10.0.0.0/33", "`/33` is not the length of a network"),
            ("10.0.0.0/x", "`/x` is not the length of a network"),
            ("switch/24", "`switch/24` is neither a host nor a network"),
            ("@", "`@` needs the name of a file"),
            ("@/nonexistent", "/nonexistent: No such file"),
        ] {
            let said = named(&[network]).unwrap_err();
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn a_list_without_an_end_is_refused() {
        let mut devices = Devices { flag: FLAG, ..Devices::default() };
        let refused = devices.list("x", io::repeat(b'a')).unwrap_err();
        assert!(refused.to_string().contains("too long"), "{refused}");
        let many: Vec<String> = (0..=MOST).map(|n| format!("h{n}\n")).collect();
        let many = many.concat();
        let refused =
            Devices { flag: FLAG, ..Devices::default() }.list("x", many.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("more than 100000 devices"), "{refused}");
    }

    /// A file for `--devices-from`: the devices, or why not.
    fn from(text: &str) -> Result<Vec<String>, String> {
        let mut devices = Devices { flag: FROM, ..Devices::default() };
        devices.any_list("list", text.as_bytes()).map_err(|refused| refused.to_string())?;
        let shown = |device: &Target| match device.place.port {
            Some(port) => format!("{} {port}", device.place.host),
            None => device.place.host.clone(),
        };
        Ok(devices.all.iter().map(shown).collect())
    }

    #[test]
    fn a_list_is_lines_csv_with_a_header_or_ndjson() {
        let want = ["10.1.1.1", "sw2.example 1161"];
        for text in [
            "# mine\n10.1.1.1 core\nsw2.example:1161\n",
            "\u{feff}Name,Address,Port\r\n\"core, old\",10.1.1.1,\r\nedge,sw2.example,1161\r\n",
            "ip;site\n10.1.1.1;north\n\n\"sw2.example:1161\";south\n",
            "host\n10.1.1.1\nsw2.example:1161\n",
            "{\"host\":\"10.1.1.1\"}\n{\"name\":\"edge\",\"address\":\"sw2.example\",\"port\":1161}\n",
        ] {
            assert_eq!(from(text).unwrap(), want, "{text}");
        }
        assert_eq!(from("address,port\n2001:db8::1,1161\n").unwrap(), ["2001:db8::1 1161"]);
        for (text, said) in [
            ("address,port\n,161\n", "--devices-from: list:2: this line has no host"),
            ("address\n\"10.1.1.1\n", "list:2: a quotation mark is not closed"),
            ("{\"host\":\"a\"}\n{\"hots\":\"b\"}\n", "list:2: no host; a line has one of the keys"),
            ("{\"host\":\"a\"}\nb\n", "list:2: no JSON object"),
        ] {
            assert!(from(text).unwrap_err().contains(said), "{text}: {}", from(text).unwrap_err());
        }
    }

    #[test]
    fn a_range_is_its_addresses_and_is_counted() {
        let named_by = |value: &str| devices([value], &[]).map_err(|refused| refused.to_string());
        for value in ["10.1.1.10-10.1.1.12", "10.1.1.10-12"] {
            let named = named_by(value).unwrap();
            assert_eq!(named.devices.len(), 3);
            assert_eq!(named.counts, [format!("--device {value}: 3 devices")]);
        }
        assert_eq!(named_by("sw-1-2").unwrap().counts, [""; 0]);
        assert_eq!(named_by("10.1.1.0/24").unwrap().counts, ["--device 10.1.1.0/24: 254 devices"]);
        for (value, said) in [
            ("10.1.1.10-9", "ends before it begins"),
            ("10.1.1.10-x", "is not a range"),
            ("10.0.0.0-10.255.0.0", "has 16711681 hosts; at most 4096"),
        ] {
            assert!(named_by(value).unwrap_err().contains(said), "{value}");
        }
    }
}
