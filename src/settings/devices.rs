//! `--device`: one device, a list of them in a file or on standard input, or a network.
//!
//! A list has a host or a network a line; `#` begins a comment, and what follows the first
//! word of a line is not read, so that an export with more columns will do.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr};

use preflight_checks::quoted;

use super::{Refused, bad};
use crate::site::{Origin, Target};

const FLAG: &str = "--device";
/// Devices in all.
const MOST: usize = 100_000;
/// Bytes of a list: a line of it is a name and a remark.
const MOST_BYTES: u64 = 16 << 20;
/// The largest network: its hosts take minutes.
const LEAST_BITS: u8 = 20;

/// Each device that `values` name, once, in their order.
pub(super) fn devices<'v>(
    values: impl IntoIterator<Item = &'v str>,
) -> Result<Vec<Target>, Refused> {
    let mut devices = Devices::default();
    for value in values {
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
    }
    Ok(devices.all)
}

#[derive(Default)]
struct Devices {
    all: Vec<Target>,
    /// Host and port of each.
    known: BTreeSet<(String, Option<u16>)>,
}

impl Devices {
    fn list(&mut self, name: &str, source: impl Read) -> Result<(), Refused> {
        let lines = BufReader::new(source.take(MOST_BYTES + 1)).lines();
        let mut read = 0;
        for (number, line) in lines.enumerate().map(|(index, line)| (index + 1, line)) {
            let line = line.map_err(|error| bad(FLAG, format!("{name}: {error}")))?;
            read += u64::try_from(line.len()).unwrap_or(u64::MAX) + 1;
            if read > MOST_BYTES {
                return Err(bad(FLAG, format!("{name} is too long to be a list of devices")));
            }
            let content = line.split('#').next().unwrap_or_default();
            let word = content.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"'));
            let Some(word) = word.into_iter().find(|word| !word.is_empty()) else { continue };
            self.add(word).map_err(|refused| match refused {
                Refused::Value { flag, reason } => bad(flag, format!("{name}:{number}: {reason}")),
                other => other,
            })?;
        }
        Ok(())
    }

    /// Adds a host, or the hosts of a network.
    fn add(&mut self, word: &str) -> Result<(), Refused> {
        let Some((network, bits)) = word.split_once('/').filter(|_| !word.contains("://")) else {
            return self.push(target(FLAG, word)?);
        };
        for address in hosts(network, bits).map_err(|reason| bad(FLAG, reason))? {
            let device = target(FLAG, &address.to_string())?;
            self.push(Target { group: Some(word.to_owned()), ..device })?;
        }
        Ok(())
    }

    fn push(&mut self, device: Target) -> Result<(), Refused> {
        if self.known.insert((device.place.host.to_ascii_lowercase(), device.place.port)) {
            if self.all.len() >= MOST {
                return Err(bad(FLAG, format!("these are more than {MOST} devices")));
            }
            self.all.push(device);
        }
        Ok(())
    }
}

/// A target as a flag gives it.
pub(super) fn target(flag: &'static str, value: &str) -> Result<Target, Refused> {
    if value.starts_with('@') {
        return Err(bad(
            flag,
            format!("{value} is not a host; only --device takes lists", value = quoted(value)),
        ));
    }
    let place = value.parse().map_err(|reason: String| bad(flag, reason))?;
    Ok(Target::new(place, Origin::flag(flag)))
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
    let bits: u8 = bits
        .parse()
        .ok()
        .filter(|bits| *bits <= 32)
        .ok_or_else(|| format!("`/{bits}` is no length of a network (/{LEAST_BITS} to /32)"))?;
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
        let devices = devices(values.iter().copied()).map_err(|refused| refused.to_string())?;
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
            ("10.0.0.0/33", "`/33` is no length of a network"),
            ("10.0.0.0/x", "`/x` is no length of a network"),
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
        let mut devices = Devices::default();
        let refused = devices.list("x", io::repeat(b'a')).unwrap_err();
        assert!(refused.to_string().contains("too long"), "{refused}");
        let many: Vec<String> = (0..=MOST).map(|n| format!("h{n}\n")).collect();
        let many = many.concat();
        let refused = Devices::default().list("x", many.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("more than 100000 devices"), "{refused}");
    }
}
