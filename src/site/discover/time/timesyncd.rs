//! systemd-timesyncd's servers.
//!
//! `NTP=` adds up over lines and files, and an empty one forgets those before; files
//! in the folders `timesyncd.conf.d` come after the main file, by name, and of equal
//! names that in `/etc` counts.
//!
//! Reference: timesyncd.conf(5).

use std::time::Duration;

use super::super::constructs::Constructs;
use super::super::facts::{Read, TimeClient, TimeSource};
use super::super::include::{by_name, units};
use super::super::lines::{Continued, host, ini};
use super::super::{Facts, Files, Text, Unread};
use super::{MISSING, MOST, TIMESYNCD};

const MAIN: [&str; 4] = [
    "/etc/systemd/timesyncd.conf",
    "/run/systemd/timesyncd.conf",
    "/usr/local/lib/systemd/timesyncd.conf",
    "/usr/lib/systemd/timesyncd.conf",
];
const FOLDERS: [&str; 4] = [
    "/etc/systemd/timesyncd.conf.d",
    "/run/systemd/timesyncd.conf.d",
    "/usr/local/lib/systemd/timesyncd.conf.d",
    "/usr/lib/systemd/timesyncd.conf.d",
];

const NETWORKD: [&str; 3] =
    ["/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network"];

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "systemd-timesyncd",
    files: "timesyncd.conf and its drop-ins, [Time]",
    missing: MISSING,
    understood: &["FallbackNTP", "NTP", "RootDistanceMaxSec", "Servers"],
    noted: &[],
    aside: &["ConnectionRetrySec", "PollIntervalMaxSec", "PollIntervalMinSec", "SaveIntervalSec"],
};

/// `RootDistanceMaxSec=` when nobody sets it.
const MAX_DISTANCE: Duration = Duration::from_secs(5);

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let main = MAIN.iter().find(|path| files.exists(path)).map(|path| (*path).to_owned());
    let mut servers = Servers::default();
    let drop_ins = by_name(files, &FOLDERS, ".conf", facts, MISSING);
    for path in main.into_iter().chain(drop_ins) {
        match files.read(&path) {
            Ok(text) => parse(&text, &mut servers, facts),
            // A link to /dev/null is how a file is switched off.
            Err(Unread::NotAFile) => {}
            Err(why) => facts.unread(&path, &why, MISSING),
        }
    }
    // What networkd is told for an interface is asked beside them.
    for unit in units(files, &NETWORKD, ".network", facts, MISSING) {
        let from = servers.named.len();
        for text in unit.iter().filter_map(|path| files.read(path).ok()) {
            of_interface(&text, from, &mut servers);
        }
    }
    let is_there = TIMESYNCD.iter().any(|path| files.exists(path));
    if is_there || !servers.named.is_empty() {
        let max_distance = servers.max_distance.unwrap_or(MAX_DISTANCE);
        facts.time_clients.push(TimeClient { name: "timesyncd", max_distance });
    }
    servers.tell(facts);
}

/// Hosts as written, so far.
#[derive(Debug, Default)]
struct Servers {
    named: Vec<Read<String>>,
    fallback: Vec<Read<String>>,
    max_distance: Option<Duration>,
}

impl Servers {
    fn tell(self, facts: &mut Facts) {
        let named = self.named.into_iter().map(|server| (server, false));
        for (server, is_fallback) in named.chain(self.fallback.into_iter().map(|s| (s, true))) {
            match host(&server.value, None) {
                Ok(place) => facts.time.push(TimeSource {
                    is_fallback,
                    ..TimeSource::of(place, "timesyncd", server.at)
                }),
                Err(reason) => facts.note(server.at, reason, MISSING),
            }
        }
    }
}

/// `NTP=` of systemd.network(5) for one interface, whose servers begin at `from`; an empty one
/// forgets those before.
fn of_interface(text: &Text, from: usize, servers: &mut Servers) {
    for entry in ini(text, Continued::ByBackslash) {
        if (entry.section, entry.key) == ("Network", "NTP") {
            if entry.value.is_empty() && !entry.continues {
                servers.named.truncate(from);
            }
            let room = MOST.saturating_sub(servers.named.len());
            let hosts = entry.value.split_whitespace().take(room);
            let at = || text.at(entry.line);
            servers.named.extend(hosts.map(|host| Read { value: host.to_owned(), at: at() }));
        }
    }
}

/// `5`, `500ms`, `1min 30s` (systemd.time(7)).
fn span(text: &str) -> Option<Duration> {
    const UNITS: [(&[&str], f64); 7] = [
        (&["", "s", "sec", "second", "seconds"], 1.0),
        (&["ms", "msec"], 0.001),
        (&["us", "usec", "µs", "μs"], 0.000_001),
        (&["m", "min", "minute", "minutes"], 60.0),
        (&["h", "hr", "hour", "hours"], 3_600.0),
        (&["d", "day", "days"], 86_400.0),
        (&["w", "week", "weeks"], 604_800.0),
    ];
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let (_, length) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        seconds += number.parse::<f64>().ok()? * length;
        rest = next.trim_start();
    }
    (!text.trim().is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

fn parse(text: &Text, servers: &mut Servers, facts: &mut Facts) {
    for entry in ini(text, Continued::ByBackslash) {
        let list = match (entry.section, entry.key) {
            // The older name is still taken, and in no manual.
            ("Time", "NTP" | "Servers") => &mut servers.named,
            ("Time", "FallbackNTP") => &mut servers.fallback,
            ("Time", "RootDistanceMaxSec") => {
                // systemd goes on with what was set before.
                match span(entry.value) {
                    Some(span) => servers.max_distance = Some(span),
                    None if entry.value.is_empty() => servers.max_distance = None,
                    None => facts.note(
                        text.at(entry.line),
                        "this is not a time span of systemd",
                        "how far a time server may be from a good clock",
                    ),
                }
                continue;
            }
            ("Time", key) if !entry.continues => {
                CONSTRUCTS.meet(key, text.at(entry.line), facts);
                continue;
            }
            _ => continue,
        };
        if entry.value.is_empty() && !entry.continues {
            list.clear();
        }
        let room = MOST.saturating_sub(list.len());
        let hosts = entry.value.split_whitespace().take(room);
        list.extend(hosts.map(|host| Read { value: host.to_owned(), at: text.at(entry.line) }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{every_beginning, hostile, settings_of};
    use super::super::tests::found;
    use super::*;

    const SAMPLE: &str = "# Entries in this file show the compile time defaults.\n[Time]\n\
        NTP=10.0.0.3 ntp2.corp.example \\\n    2001:db8::3\nFallbackNTP=ntp.corp.example\n\
        #RootDistanceMaxSec=5\nPollIntervalMinSec=32\n";

    #[test]
    fn servers_and_fallbacks_keep_their_lines() {
        let (servers, notes) = found(&[("/etc/systemd/timesyncd.conf", SAMPLE)]);
        let want = [
            "timesyncd 10.0.0.3 /etc/systemd/timesyncd.conf:3",
            "timesyncd ntp2.corp.example /etc/systemd/timesyncd.conf:3",
            "timesyncd 2001:db8::3 /etc/systemd/timesyncd.conf:4",
            "timesyncd ntp.corp.example fallback /etc/systemd/timesyncd.conf:5",
        ];
        assert_eq!(servers, want);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn servers_of_an_interface_are_asked_too() {
        let (servers, _) = found(&[
            ("/etc/systemd/timesyncd.conf", "[Time]\nNTP=10.0.0.3\n"),
            ("/etc/systemd/network/10.network", "[Match]\nName=eth0\n[Network]\nNTP=10.0.0.4\n"),
        ]);
        let want = [
            "timesyncd 10.0.0.3 /etc/systemd/timesyncd.conf:2",
            "timesyncd 10.0.0.4 /etc/systemd/network/10.network:4",
        ];
        assert_eq!(servers, want);
    }

    #[test]
    fn the_older_name_of_the_list_counts_as_well() {
        let conf = "[Time]\nServers=10.0.0.3 2001:db8::3\n";
        let (servers, notes) = found(&[("/etc/systemd/timesyncd.conf", conf)]);
        let want = ["10.0.0.3", "2001:db8::3"]
            .map(|host| format!("timesyncd {host} /etc/systemd/timesyncd.conf:2"));
        assert_eq!((servers, notes), (want.to_vec(), vec![]));
    }

    #[test]
    fn the_defaults_of_a_distribution_are_comments() {
        let conf = "[Time]\n#NTP=\n#FallbackNTP=0.debian.pool.ntp.org 1.debian.pool.ntp.org\n";
        assert_eq!(found(&[("/etc/systemd/timesyncd.conf", conf)]), (vec![], vec![]));
    }

    #[test]
    fn an_empty_setting_forgets_those_before() {
        let (servers, _) = found(&[
            ("/etc/systemd/timesyncd.conf", SAMPLE),
            ("/usr/lib/systemd/timesyncd.conf.d/10.conf", "[Time]\nNTP=10.0.0.4\n"),
            ("/etc/systemd/timesyncd.conf.d/20.conf", "[Time]\nNTP=\nNTP=10.0.0.5\n"),
            ("/run/systemd/timesyncd.conf.d/30.conf", "[Time]\nNTP=10.0.0.6\nFallbackNTP=\n"),
            ("/usr/lib/systemd/timesyncd.conf.d/30.conf", "[Time]\nNTP=10.0.0.9\n"),
        ]);
        let want = [
            "timesyncd 10.0.0.5 /etc/systemd/timesyncd.conf.d/20.conf:3",
            "timesyncd 10.0.0.6 /run/systemd/timesyncd.conf.d/30.conf:2",
        ];
        assert_eq!(servers, want);
    }

    #[test]
    fn another_section_is_another_matter() {
        let conf = "NTP=10.0.0.8\n[Network]\nNTP=10.0.0.9\n[Time]\nNTP=10.0.0.3/24\n";
        let (servers, notes) = found(&[("/etc/systemd/timesyncd.conf", conf)]);
        assert!(servers.is_empty());
        assert_eq!(notes, ["/etc/systemd/timesyncd.conf:5: `/` has no place in a host name"]);
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning("/etc/systemd/timesyncd.conf", SAMPLE, |text| {
            let mut servers = Servers::default();
            parse(text, &mut servers, &mut Facts::default());
            assert!(servers.named.len() <= 3 && servers.fallback.len() <= 1);
        });
    }

    #[test]
    fn each_setting_that_timesyncd_has_was_decided() {
        let settings = settings_of("systemd-timesyncd", "Time");
        assert!(settings.contains(&"FallbackNTP".to_owned()), "{settings:?}");
        let is_open = |name: &&String| CONSTRUCTS.reading(name) == Reading::Unknown;
        let open: Vec<&String> = settings.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn a_span_is_read_as_systemd_reads_it() {
        for (text, span) in [
            ("5", Some(Duration::from_secs(5))),
            ("500ms", Some(Duration::from_millis(500))),
            ("1min 30s", Some(Duration::from_secs(90))),
            ("1.5 sec", Some(Duration::from_millis(1_500))),
            ("2h30m", Some(Duration::from_secs(9_000))),
            ("", None),
            ("5 apples", None),
            ("s", None),
        ] {
            assert_eq!(super::span(text), span, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/etc/systemd/timesyncd.conf", SAMPLE)) {
            let mut servers = Servers::default();
            parse(&text, &mut servers, &mut Facts::default());
            prop_assert!(servers.named.len() <= MOST);
        }
    }
}
