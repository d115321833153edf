//! The servers of ntp and of ntpsec, whose configurations are read alike.
//!
//! `server`, `pool` or `peer`, an optional `-4` or `-6`, the host, options; `#`
//! begins a comment anywhere. An address 127.127.T.U is a clock on this machine.
//! What a DHCP client was given stands in a copy of the file, which is read instead.
//! A line that makes no sense is passed over by the daemon too.
//!
//! Reference: ntp.conf(5); ntpsec's adds `includefile`, `refclock`, `nts` and the folder `ntp.d`.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::constructs::Constructs;
use super::super::lines::host;
use super::super::{Facts, Files, Text};
use super::{Daemon, Line, MISSING, MOST_LINES, NTPD, Said, Source, Walk};

/// Debian's copy with the servers of DHCP, then the configuration itself.
const NTP: [&str; 3] = ["/run/ntp.conf.dhcp", "/var/lib/ntp/ntp.conf.dhcp", "/etc/ntp.conf"];
const NTPSEC: [&str; 2] = ["/run/ntpsec/ntp.conf.dhcp", "/etc/ntpsec/ntp.conf"];
/// Where keys are exchanged (RFC 8915).
const NTS_KE: u16 = 4460;
/// `MAXDIST`, unless `tos maxdist` says otherwise.
const MAX_DISTANCE: Duration = Duration::from_millis(1_500);

static OF_NTP: Daemon = Daemon {
    name: "ntp",
    process: "ntpd",
    max_distance: Some(MAX_DISTANCE),
    parse,
    constructs: &CONSTRUCTS,
};
static OF_NTPSEC: Daemon = Daemon {
    name: "ntpsec",
    process: "ntpd",
    max_distance: Some(MAX_DISTANCE),
    parse,
    constructs: &CONSTRUCTS,
};

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "ntp, ntpsec",
    files: "ntp.conf, ntp.d",
    missing: MISSING,
    understood: &["fudge", "includefile", "nts", "peer", "pool", "refclock", "server", "tos"],
    noted: &[
        ("broadcast", "sends the time to a whole network"),
        ("broadcastclient", "listens for time that is sent to a whole network"),
        ("manycastclient", "looks for servers by multicast"),
        ("multicastclient", "listens for time that is sent by multicast"),
        ("interface", "says by which interfaces questions leave"),
        ("nic", "says by which interfaces questions leave"),
        ("unpeer", "takes a server away again"),
    ],
    aside: &[
        "authdelay",
        "automax",
        "broadcastdelay",
        "calldelay",
        "clockstats",
        "controlkey",
        "crypto",
        "disable",
        "discard",
        "driftfile",
        "dscp",
        "enable",
        "end",
        "extra",
        "filegen",
        "ident",
        "keys",
        "keysdir",
        "leap*",
        "limit",
        "link",
        "logconfig",
        "logfile",
        "manycastserver",
        "mdnstries",
        "mru",
        "ntpsigndsocket",
        "peerstats",
        "phone",
        "pidfile",
        "qos",
        "requestkey",
        "reset",
        "restrict",
        "revoke",
        "rlimit",
        "saveconfigdir",
        "setvar",
        "simulate",
        "statistics",
        "statsdir",
        "tinker",
        "trap",
        "trustedkey",
        "ttl",
        "unconfig",
        "unrestrict",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    one(files, facts, &OF_NTP, &NTP, "/etc/ntp.d");
    one(files, facts, &OF_NTPSEC, &NTPSEC, "/etc/ntpsec/ntp.d");
}

fn one(files: &Files, facts: &mut Facts, daemon: &'static Daemon, paths: &[&str], folder: &str) {
    let configured = paths.iter().find(|path| files.exists(path));
    let is_there = configured.is_some() && NTPD.iter().any(|path| files.exists(path));
    let mut walk = Walk::new(files, facts, daemon);
    if let Some(path) = configured {
        walk.file(path);
    }
    walk.folders(&[folder], ".conf");
    walk.tell(is_there);
}

fn parse(text: &Text) -> Vec<Line<'_>> {
    let lines = text.lines();
    lines.filter_map(|(line, content)| Some((line, directive(content)?))).take(MOST_LINES).collect()
}

fn directive(content: &str) -> Option<Said<'_>> {
    let mut words = content.split('#').next()?.split_whitespace();
    let keyword = words.next()?;
    Some(match keyword {
        "server" | "peer" | "pool" => source(keyword, words),
        "includefile" => match words.next() {
            Some(path) => Said::Include(path.trim_matches('"')),
            None => Said::Odd("`includefile` names no file".to_owned()),
        },
        "refclock" => Said::Clock(words.take(3).collect::<Vec<_>>().join(" ")),
        "tos" => distance(words),
        _ => Said::Met(keyword.to_ascii_lowercase()),
    })
}

/// `tos minsane 2 maxdist 2.5`; the last of a line counts.
fn distance<'a>(words: impl Iterator<Item = &'a str>) -> Said<'a> {
    let words: Vec<&str> = words.collect();
    let after = words.iter().rposition(|word| *word == "maxdist").map(|at| at + 1);
    let seconds = after.and_then(|at| words.get(at)?.parse().ok());
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(distance) => Said::MaxDistance(distance),
        None => Said::Met("tos".to_owned()),
    }
}

fn source<'a>(keyword: &str, words: impl Iterator<Item = &'a str>) -> Said<'a> {
    let mut words = words.skip_while(|word| matches!(*word, "-4" | "-6"));
    let Some(name) = words.next() else {
        return Said::Odd(format!("no host follows `{keyword}`"));
    };
    if name.parse().is_ok_and(|address: Ipv4Addr| address.octets().starts_with(&[127, 127])) {
        return Said::Clock(name.to_owned());
    }
    let mut place = match host(name, None) {
        Ok(place) => place,
        Err(reason) => return Said::Odd(reason),
    };
    // A port here is that of the key exchange, over TCP; time itself stays on 123.
    let key_port = place.port.take();
    let nts = words.any(|word| word == "nts").then(|| key_port.unwrap_or(NTS_KE));
    if nts.is_none() {
        place.port = key_port;
    }
    Said::Source(Source { is_pool: keyword == "pool", nts, ..Source::of(place) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile};
    use super::super::tests::found;
    use super::*;

    const SAMPLE: &str = "driftfile /var/lib/ntpsec/ntp.drift\n\
        tos minclock 4 minsane 3\nserver ntp1.corp.example iburst # the rack's own\n\
        server -4 10.0.0.3 prefer\npeer 2001:db8::7\npool 0.debian.pool.ntp.org iburst\n\
        server nts.corp.example:4460 nts\n#server 10.0.0.9\nserver 127.127.1.0\n\
        fudge 127.127.1.0 stratum 10\nrestrict default kod nomodify nopeer noquery limited\n\
        includefile \"/etc/ntpsec/site.conf\"\n";

    #[test]
    fn a_reference_clock_is_no_server() {
        let (servers, notes) = found(&[("/etc/ntpsec/ntp.conf", SAMPLE)]);
        let want = [
            "ntpsec ntp1.corp.example /etc/ntpsec/ntp.conf:3",
            "ntpsec 10.0.0.3 /etc/ntpsec/ntp.conf:4",
            "ntpsec 2001:db8::7 /etc/ntpsec/ntp.conf:5",
            "ntpsec 0.debian.pool.ntp.org pool /etc/ntpsec/ntp.conf:6",
            "ntpsec nts.corp.example nts:4460 /etc/ntpsec/ntp.conf:7",
        ];
        assert_eq!(servers, want);
        assert_eq!(notes, ["/etc/ntpsec/ntp.conf:12: the file to include does not exist"]);
    }

    #[test]
    fn the_copy_of_a_dhcp_client_is_read_instead() {
        let (servers, _) = found(&[
            ("/etc/ntp.conf", "server 10.0.0.1\n"),
            ("/run/ntp.conf.dhcp", "server 10.0.0.2\n"),
        ]);
        assert_eq!(servers, ["ntp 10.0.0.2 /run/ntp.conf.dhcp:1"]);
    }

    #[test]
    fn files_dropped_into_the_folder_are_read_too() {
        let (servers, _) = found(&[
            ("/etc/ntpsec/ntp.conf", "includefile /etc/ntpsec/site\n"),
            ("/etc/ntpsec/site", "server 10.0.0.1\nincludefile /etc/ntpsec/ntp.conf\n"),
            ("/etc/ntpsec/ntp.d/10.conf", "server 10.0.0.2\n"),
        ]);
        let want =
            ["ntpsec 10.0.0.1 /etc/ntpsec/site:1", "ntpsec 10.0.0.2 /etc/ntpsec/ntp.d/10.conf:1"];
        assert_eq!(servers, want);
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning("/etc/ntp.conf", SAMPLE, |text| assert!(parse(text).len() <= 12));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/etc/ntp.conf", SAMPLE)) {
            prop_assert!(parse(&text).len() <= text.text.lines().count());
        }
    }
}
