//! `OpenNTPD`'s servers.
//!
//! `server` asks one of a name's addresses, `servers` all of them; `query from` is the address of
//! ours for the servers below it; `constraint` asks a web server for the time of day, as a bound.
//!
//! Reference: ntpd.conf(5) of `OpenNTPD`.

use std::net::IpAddr;

use super::super::constructs::Constructs;
use super::super::facts::{Read, TimeSource};
use super::super::lines::host;
use super::super::{Facts, Files, Text};
use super::{MISSING, MOST, MOST_LINES};
use crate::site::Place;

/// Debian's, then everybody else's, where it has the name of ntp's own.
const FILES: [&str; 2] = ["/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"];

const HTTPS: u16 = 443;

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "openntpd",
    files: "ntpd.conf",
    missing: MISSING,
    understood: &["constraint", "constraints", "query", "sensor", "server", "servers"],
    noted: &[],
    aside: &["listen"],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    for path in FILES {
        match files.read(path) {
            Ok(text) => parse(&text, facts),
            Err(why) => facts.unread(path, &why, MISSING),
        }
    }
}

fn parse(text: &Text, facts: &mut Facts) {
    let mut own: Vec<IpAddr> = Vec::new();
    for (line, content) in text.lines().take(MOST_LINES) {
        let words: Vec<&str> =
            content.split('#').next().unwrap_or_default().split_whitespace().collect();
        let at = text.at(line);
        match words.as_slice() {
            [] => {}
            ["query", "from", address, ..] => match address.parse() {
                Ok(address) => own.push(address),
                Err(_) => facts.note(at, format!("`{address}` is not an address"), MISSING),
            },
            ["sensor", device, ..] if *device != "*" => {
                facts.clocks.push(Read { value: format!("sensor {device}"), at });
            }
            ["constraint" | "constraints", "from", url, ..] => {
                let url = url.trim_matches('"');
                // A name or an address alone is that of a web server.
                let web = |place: Place| Place { port: place.port.or(Some(HTTPS)), ..place };
                let place = if url.contains("://") {
                    Place::from_url(url)
                } else {
                    host(url, None).map(web)
                };
                match place {
                    Ok(value) => facts.time_bounds.push(Read { value, at }),
                    Err(reason) => facts.note(at, reason, MISSING),
                }
            }
            [keyword @ ("server" | "servers"), name, ..] if facts.time.len() < MOST => {
                match host(name, None) {
                    Ok(place) => facts.time.push(TimeSource {
                        // Of several the last of each family counts.
                        from: own.last().copied(),
                        is_pool: *keyword == "servers",
                        ..TimeSource::of(place, "openntpd", at)
                    }),
                    Err(reason) => facts.note(at, reason, MISSING),
                }
            }
            [keyword, ..] => CONSTRUCTS.meet(keyword, at, facts),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{every_beginning, hostile, tree};
    use super::super::tests::found;
    use super::*;

    const SAMPLE: &str = "# $OpenBSD$\nlisten on *\nserver ntp1.corp.example weight 5\n\
        query from 10.0.0.7\nservers pool.corp.example # all of them\nsensor nmea0 refid GPS\n\
        constraints from \"https://www.corp.example/\"\n";

    /// What begins a line in ntpd.conf(5) of `OpenNTPD` 6.2p3.
    const KEYWORDS: [&str; 7] =
        ["constraint", "constraints", "listen", "query", "sensor", "server", "servers"];

    #[test]
    fn each_keyword_of_its_manual_was_decided() {
        for name in KEYWORDS {
            assert_ne!(CONSTRUCTS.reading(name), Reading::Unknown, "{name}");
        }
    }

    #[test]
    fn servers_follow_the_address_before_them() {
        let (servers, notes) = found(&[("/etc/openntpd/ntpd.conf", SAMPLE)]);
        let want = [
            "openntpd ntp1.corp.example /etc/openntpd/ntpd.conf:3",
            "openntpd pool.corp.example pool from Some(10.0.0.7) /etc/openntpd/ntpd.conf:5",
        ];
        assert_eq!((servers, notes), (want.map(str::to_owned).to_vec(), vec![]));
    }

    #[test]
    fn clocks_and_bounds_are_found_too() {
        let (_dir, files) = tree(&[("/etc/ntpd.conf", SAMPLE)]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        assert_eq!(facts.clocks[0].value, "sensor nmea0");
        assert_eq!(facts.time_bounds[0].value.host, "www.corp.example");
    }

    #[test]
    fn a_bound_may_be_a_host_alone() {
        for (host, place) in [
            ("\"9.9.9.9\"", "9.9.9.9"),
            ("\"2620:fe::fe\"", "2620:fe::fe"),
            ("www.corp.example", "www.corp.example"),
        ] {
            let line = format!("constraint from {host}\n");
            let (_dir, files) = tree(&[("/etc/ntpd.conf", &line)]);
            let mut facts = Facts::default();
            read(&files, &mut facts);
            let bound = &facts.time_bounds[0].value;
            assert_eq!((bound.host.as_str(), bound.port), (place, Some(HTTPS)), "{host}");
            assert!(facts.notes.is_empty(), "{:?}", facts.notes);
        }
    }

    #[test]
    fn ntps_own_file_does_not_count_for_its_namesake() {
        let files = [
            ("/usr/sbin/openntpd", ""),
            ("/usr/sbin/ntpd", ""),
            ("/etc/ntp.conf", "server 10.0.0.1\n"),
            ("/etc/openntpd/ntpd.conf", "server 10.0.0.2\n"),
        ];
        assert_eq!(found(&files).0, ["openntpd 10.0.0.2 /etc/openntpd/ntpd.conf:1"]);
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning("/etc/ntpd.conf", SAMPLE, |text| parse(text, &mut Facts::default()));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/etc/ntpd.conf", SAMPLE)) {
            parse(&text, &mut Facts::default());
        }
    }
}
