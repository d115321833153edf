//! chrony's servers.
//!
//! A directive is one line, in any case; a line that begins with one of `!;#%` is
//! a comment, and a comment behind a directive ends the daemon. `confdir` and `sourcedir`
//! name folders: of files of the same name, the first folder's is read.
//!
//! Reference: chrony.conf(5).

use std::time::Duration;

use super::super::constructs::{Constructs, Reading};
use super::super::lines::host;
use super::super::{Facts, Files, Text};
use super::{
    CHRONYD, Directive, MISSING, MOST_LINES, NamedServer, NumberedLine, TimeDaemon, TimeWalk,
};
use crate::site::parse_port;

/// Red Hat's, then Debian's; whichever is there.
const FILES: [&str; 2] = ["/etc/chrony.conf", "/etc/chrony/chrony.conf"];
/// What the service is started with, on Red Hat's and on Debian's.
const OPTIONS: [&str; 2] = ["/etc/sysconfig/chronyd", "/etc/default/chrony"];
/// chrony's own limit of folders in one line.
const MOST_FOLDERS: usize = 10;
/// Where keys are exchanged (RFC 8915).
const NTS_KE: u16 = 4460;

static CHRONY: TimeDaemon = TimeDaemon {
    name: "chrony",
    process: "chronyd",
    max_distance: Some(Duration::from_secs(3)),
    parse,
    constructs: &CONSTRUCTS,
};

pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "chrony",
    files: "chrony.conf, *.conf, *.sources",
    missing: MISSING,
    understood: &[
        "bindacqaddress",
        "bindaddress",
        "confdir",
        "include",
        "initstepslew",
        "local",
        "maxdistance",
        "nosystemcert",
        "nts",
        "ntsport",
        "ntstrustedcerts",
        "peer",
        "pool",
        "port",
        "refclock",
        "server",
        "sourcedir",
    ],
    noted: &[
        ("acquisitionport", "has all questions leave from one port"),
        ("bindacqdevice", "has all questions leave by one interface"),
        ("broadcast", "sends the time to a whole network"),
        ("nocerttimecheck", "passes over dates of certificates (NTS)"),
        ("-f", "has the service read another file"),
    ],
    aside: &[
        "allow",
        "authselectmode",
        "binddevice",
        "bindcmdaddress",
        "bindcmddevice",
        "clientloglimit",
        "clockprecision",
        "cmdallow",
        "cmddeny",
        "cmdport",
        "cmdratelimit",
        "combinelimit",
        "commandkey",
        "corrtimeratio",
        "deny",
        "driftfile",
        "dscp",
        "dumpdir",
        "dumponexit",
        "fallbackdrift",
        "generatecommandkey",
        "hwclockfile",
        "hwtimestamp",
        "hwtstimeout",
        "keyfile",
        "leapsec*",
        "linux_*",
        "lock_all",
        "log",
        "logbanner",
        "logchange",
        "logdir",
        "mailonchange",
        "makestep",
        "manual",
        "maxchange",
        "maxclockerror",
        "maxdrift",
        "maxjitter",
        "maxntsconnections",
        "maxsamples",
        "maxslewrate",
        "maxtxbuffers",
        "maxupdateskew",
        "minsamples",
        "minsources",
        "noclientlog",
        "ntpsigndsocket",
        "ntscachedir",
        "ntsaeads",
        "ntsdumpdir",
        "ntsntpserver",
        "ntsprocesses",
        "ntsratelimit",
        "ntsrefresh",
        "ntsrotate",
        "ntsservercert",
        "ntsserverkey",
        "opencommands",
        "pidfile",
        "ptpdomain",
        "ptpport",
        "ratelimit",
        "refresh",
        "reselectdist",
        "rtc*",
        "sched_priority",
        "smoothtime",
        "stratumweight",
        "tempcomp",
        "user",
    ],
};

/// What a comment begins with, on a line of its own.
const COMMENT: [char; 4] = ['!', ';', '#', '%'];
const NO_COMMENT: &str = "a comment needs a line of its own";

/// Words of a source that stand alone.
const FLAGS: [&str; 13] = [
    "auto_offline",
    "burst",
    "copy",
    "iburst",
    "ipv4",
    "ipv6",
    "noselect",
    "nts",
    "offline",
    "prefer",
    "require",
    "trust",
    "xleave",
];
/// Words of a source that a value follows.
const VALUED: [&str; 23] = [
    "asymmetry",
    "certset",
    "extfield",
    "filter",
    "key",
    "maxdelay",
    "maxdelaydevratio",
    "maxdelayquant",
    "maxdelayratio",
    "maxpoll",
    "maxsamples",
    "maxsources",
    "maxunreach",
    "mindelay",
    "minpoll",
    "minsamples",
    "minstratum",
    "ntsport",
    "offset",
    "polltarget",
    "port",
    "presend",
    "version",
];

pub(super) fn read(files: &Files, facts: &mut Facts) {
    for path in OPTIONS {
        let Ok(text) = files.read(path) else { continue };
        let is_set = |content: &str| !content.trim_start().starts_with('#');
        let other = |content: &str| {
            is_set(content) && content.split([' ', '"', '\'', '=']).any(|word| word == "-f")
        };
        if let Some((line, _)) = text.lines().find(|(_, content)| other(content)) {
            CONSTRUCTS.meet("-f", text.at(line), facts);
        }
    }
    let mut walk = TimeWalk::new(files, facts, &CHRONY);
    for file in FILES {
        walk.file(file);
    }
    walk.tell(CHRONYD.iter().any(|path| files.exists(path)));
}

fn parse(text: &Text) -> Vec<NumberedLine<'_>> {
    let is_sources = text.file.ends_with(".sources");
    // A file that may be written to while it is read: chrony leaves out its unended line.
    let ended = text.text.rfind('\n').map_or(0, |end| end + 1);
    let unended = text.text.get(ended..).filter(|rest| is_sources && !rest.trim().is_empty());
    let last = text.text.lines().count();
    let directives = text.lines().flat_map(|(line, content)| {
        let said = if unended.is_some() && line == last {
            vec![Directive::Odd("chrony leaves out a line that no line feed ends".to_owned())]
        } else {
            directive(content)
        };
        said.into_iter().map(move |said| (line, said))
    });
    let counts = directives.filter_map(|(line, said)| match said {
        _ if !is_sources => Some((line, said)),
        Directive::Source(_) | Directive::Odd(_) => Some((line, said)),
        // Of such a file only servers are read, and a bad line of it ends nothing.
        Directive::Refused(reason) => Some((line, Directive::Odd(reason))),
        _ => None,
    });
    counts.take(MOST_LINES).collect()
}

fn directive(content: &str) -> Vec<Directive<'_>> {
    if content.trim_start().starts_with(COMMENT) {
        return Vec::new();
    }
    let words: Vec<&str> = content.split_whitespace().collect();
    let Some((keyword, words)) = words.split_first() else { return Vec::new() };
    let keyword = keyword.to_ascii_lowercase();
    let refused = |reason: &str| vec![Directive::Refused(reason.to_owned())];
    match (keyword.as_str(), words) {
        ("confdir", folders) => vec![Directive::Folders(first(folders), ".conf")],
        ("sourcedir", folders) => vec![Directive::Folders(first(folders), ".sources")],
        ("initstepslew", [threshold, servers @ ..]) => at_start(threshold, servers),
        ("server" | "peer" | "pool", [name, options @ ..]) => source(&keyword, name, options),
        ("server" | "peer" | "pool", []) => {
            vec![Directive::Refused(format!("no host follows `{keyword}`"))]
        }
        (_, words) if words.iter().any(|word| word.starts_with(COMMENT)) => refused(NO_COMMENT),
        ("include", [path]) => vec![Directive::Include(path)],
        ("include", _) => refused("`include` takes one file"),
        ("refclock", [driver, parameter, ..]) => {
            vec![Directive::Clock(format!("{driver} {parameter}"))]
        }
        ("refclock", _) => refused("`refclock` takes a driver and its parameter"),
        ("maxdistance", [seconds]) => match seconds.parse().map(Duration::try_from_secs_f64) {
            Ok(Ok(distance)) => vec![Directive::MaxDistance(distance)],
            _ => vec![Directive::Refused(format!("`{seconds}` is not a number of seconds"))],
        },
        ("bindacqaddress", [address]) => match address.parse() {
            Ok(address) => vec![Directive::From(address)],
            Err(_) => vec![Directive::Refused(format!("`{address}` is not an address"))],
        },
        ("ntstrustedcerts", [path]) => vec![Directive::Trusts(0, path)],
        ("ntstrustedcerts", [set, path]) => match set.parse() {
            Ok(set) => vec![Directive::Trusts(set, path)],
            Err(_) => vec![Directive::Refused(format!("`{set}` is not the number of a set"))],
        },
        ("ntstrustedcerts", _) => refused("`ntstrustedcerts` takes a file or folder"),
        ("nosystemcert", _) => vec![Directive::DistrustsSystem],
        _ => vec![other(keyword)],
    }
}

/// A directive that does none of this: known, mistyped, or of a version to come.
fn other(keyword: String) -> Directive<'static> {
    if CONSTRUCTS.reading(&keyword) != Reading::Unknown {
        return Directive::Met(keyword);
    }
    match near(&keyword, CONSTRUCTS.understood.iter().chain(CONSTRUCTS.aside)) {
        Some(meant) => Directive::Refused(format!("there is no `{keyword}`; `{meant}` was meant?")),
        None => Directive::Met(keyword),
    }
}

/// The known word that differs in one letter, or in two that changed places.
fn near<'a>(word: &str, mut known: impl Iterator<Item = &'a &'static str>) -> Option<&'a str> {
    known.find(|known| strsim::osa_distance(word, known) == 1).copied()
}

fn first<'a>(folders: &[&'a str]) -> Vec<&'a str> {
    folders.iter().take(MOST_FOLDERS).copied().collect()
}

/// `initstepslew 30 ntp1.example ntp2.example`: asked once, before the clock is set.
fn at_start(threshold: &str, servers: &[&str]) -> Vec<Directive<'static>> {
    if threshold.parse::<f64>().is_err() {
        return vec![Directive::Refused(format!("`{threshold}` is not a number of seconds"))];
    }
    let server = |name: &&str| match host(name, None) {
        Ok(place) => Directive::Source(NamedServer { is_once: true, ..NamedServer::of(place) }),
        Err(reason) => Directive::Odd(reason),
    };
    servers.iter().map(server).collect()
}

/// A server, and what is wrong with its words: it is asked once the line is corrected.
fn source(keyword: &str, name: &str, options: &[&str]) -> Vec<Directive<'static>> {
    let (mut port, mut key_port, mut has_nts) = (Ok(None), Ok(NTS_KE), false);
    let mut certificates = 0;
    let mut said = Vec::new();
    let mut options = options.iter().map(|option| option.to_ascii_lowercase());
    while let Some(option) = options.next() {
        if FLAGS.contains(&option.as_str()) {
            has_nts |= option == "nts";
        } else if VALUED.contains(&option.as_str()) {
            let value = options.next().unwrap_or_default();
            match option.as_str() {
                _ if !is_number(&value, &option) => {
                    said.push(Directive::Refused(format!("`{option}` needs a number")));
                }
                "port" => port = parse_port(&value).map(Some),
                "ntsport" => key_port = parse_port(&value),
                "certset" => certificates = value.parse().unwrap_or_default(),
                _ => {}
            }
        } else if option.starts_with(COMMENT) {
            said.push(Directive::Refused(NO_COMMENT.to_owned()));
            break;
        } else if let Some(meant) = near(&option, FLAGS.iter().chain(&VALUED)) {
            said.push(Directive::Refused(format!("there is no `{option}`; `{meant}` was meant?")));
        } else if option.contains(|c: char| !c.is_ascii_alphanumeric()) {
            // No version will have it: `{{ server }}` of a template that nobody filled in.
            said.push(Directive::Refused(format!("`{option}` is not an option of a server")));
            break;
        } else {
            said.push(Directive::Met(option));
        }
    }
    let place = port.and_then(|port| host(name, port));
    let source = place.and_then(|place| {
        let nts = if has_nts { Some(key_port?) } else { None };
        Ok(NamedServer { is_pool: keyword == "pool", nts, certificates, ..NamedServer::of(place) })
    });
    said.push(source.map_or_else(Directive::Odd, Directive::Source));
    said
}

fn is_number(value: &str, option: &str) -> bool {
    let digits = value.trim_start_matches("0x");
    value.parse::<f64>().is_ok()
        || (option == "extfield" && u32::from_str_radix(digits, 16).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile, program, text};
    use super::super::tests::found;
    use super::*;

    /// As Red Hat Enterprise Linux 9 and its relatives ship it, with an administrator's lines.
    const RED_HAT: &str = "# Use public servers from the pool.ntp.org project.\n\
        pool 2.rhel.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\n\
        driftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\n#hwtimestamp *\n\
        SERVER ntp1.corp.example iburst minpoll 4 port 1123\n! server 10.0.0.9\n\
        % server 10.0.0.9\n ; server 10.0.0.9\npeer 2001:db8::7 xleave\n\
        keyfile /etc/chrony.keys\nrefclock PPS /dev/pps0\nleapsectz right/UTC\n";

    #[test]
    fn servers_pools_and_peers_are_found_in_any_case() {
        let (servers, notes) = found(&[("/etc/chrony.conf", RED_HAT)]);
        let want = [
            "chrony 2.rhel.pool.ntp.org pool /etc/chrony.conf:2",
            "chrony ntp1.corp.example:1123 /etc/chrony.conf:8",
            "chrony 2001:db8::7 /etc/chrony.conf:12",
        ];
        assert_eq!(servers, want);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn debian_keeps_servers_in_folders_too() {
        let (servers, notes) = found(&[
            (
                "/etc/chrony/chrony.conf",
                "confdir /etc/chrony/conf.d\nsourcedir /run/chrony-dhcp\n\
                 sourcedir /etc/chrony/sources.d\n",
            ),
            ("/etc/chrony/conf.d/10-site.conf", "server 10.0.0.3\n"),
            ("/etc/chrony/conf.d/README", "server 10.0.0.9\n"),
            ("/run/chrony-dhcp/eth0.sources", "server 10.0.0.4 iburst\n"),
            ("/etc/chrony/sources.d/site.sources", "pool pool.corp.example\ninclude /etc/x\n"),
        ]);
        let want = [
            "chrony 10.0.0.3 /etc/chrony/conf.d/10-site.conf:1",
            "chrony 10.0.0.4 /run/chrony-dhcp/eth0.sources:1",
            "chrony pool.corp.example pool /etc/chrony/sources.d/site.sources:1",
        ];
        assert_eq!(servers, want);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn of_files_of_one_name_the_first_folders_is_read() {
        let (servers, _) = found(&[
            ("/etc/chrony.conf", "confdir /etc/chrony.d /usr/lib/chrony.d\n"),
            ("/etc/chrony.d/b.conf", "server 10.0.0.2\n"),
            ("/usr/lib/chrony.d/b.conf", "server 10.0.0.9\n"),
            ("/usr/lib/chrony.d/a.conf", "server 10.0.0.1\n"),
        ]);
        let want = [
            "chrony 10.0.0.1 /usr/lib/chrony.d/a.conf:1",
            "chrony 10.0.0.2 /etc/chrony.d/b.conf:1",
        ];
        assert_eq!(servers, want);
    }

    #[test]
    fn an_include_may_be_a_pattern_and_may_not_lead_in_circles() {
        let (servers, notes) = found(&[
            ("/etc/chrony.conf", "include /etc/chrony.d/*.conf\ninclude /etc/none.conf\n"),
            ("/etc/chrony.d/a.conf", "include /etc/chrony.conf\nserver 10.0.0.1\n"),
        ]);
        assert_eq!(servers, ["chrony 10.0.0.1 /etc/chrony.d/a.conf:2"]);
        assert_eq!(notes, ["/etc/chrony.conf:2: the file to include does not exist"]);
    }

    #[test]
    fn a_line_of_a_sources_file_counts_only_when_a_line_feed_ends_it() {
        let (servers, notes) = found(&[
            ("/etc/chrony.conf", "sourcedir /run/chrony-dhcp"),
            ("/run/chrony-dhcp/eth0.sources", "server 10.0.0.1\nserver 10.0.0.2"),
        ]);
        assert_eq!(servers, ["chrony 10.0.0.1 /run/chrony-dhcp/eth0.sources:1"]);
        let note = "chrony leaves out a line that no line feed ends";
        assert_eq!(notes, [format!("/run/chrony-dhcp/eth0.sources:2: {note}")]);
    }

    #[test]
    fn a_host_that_is_none_is_noted() {
        let conf = "pool ntp/1\nserver 10.0.0.3 port 99999\ninitstepslew 30 a.example b/c\n";
        let (servers, notes) = found(&[("/etc/chrony.conf", conf)]);
        assert_eq!(servers, ["chrony a.example once /etc/chrony.conf:3"]);
        let want = [
            "/etc/chrony.conf:1: `/` has no place in a host name",
            "/etc/chrony.conf:2: `99999` is not a port (1 to 65535)",
            "/etc/chrony.conf:3: `/` has no place in a host name",
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn certificates_are_of_their_set() {
        let conf = "server a.example nts\nserver b.example nts certset 2\nserver c.example\n\
            ntstrustedcerts /etc/chrony/ca.pem\nntstrustedcerts 2 /etc/chrony/own\n";
        let folder = [("/etc/chrony/own/one.pem", ""), ("/etc/chrony/own/two.pem", "")];
        let (servers, notes) = found(&[&[("/etc/chrony.conf", conf)][..], &folder].concat());
        let want = [
            "chrony a.example nts:4460 trusts /etc/chrony/ca.pem /etc/chrony.conf:1",
            "chrony b.example nts:4460 only trusts /etc/chrony/own/one.pem, /etc/chrony/own/two.pem \
             /etc/chrony.conf:2",
            "chrony c.example /etc/chrony.conf:3",
        ];
        assert_eq!((servers, notes), (want.map(str::to_owned).to_vec(), Vec::new()));
        let alone = "server a.example nts\nnosystemcert\nntstrustedcerts x /a\n";
        let (servers, notes) = found(&[("/etc/chrony.conf", alone)]);
        assert_eq!(servers, ["chrony a.example nts:4460 only /etc/chrony.conf:1"]);
        assert_eq!(notes, ["/etc/chrony.conf:3: refused: `x` is not the number of a set"]);
    }

    #[test]
    fn words_add_flows_and_move_them() {
        let conf = "server a.example iburst nts\nserver b.example NTS ntsport 8443 port 1123\n\
            bindacqaddress 10.0.0.7\n";
        let (servers, notes) = found(&[("/etc/chrony.conf", conf)]);
        let want = [
            "chrony a.example nts:4460 from Some(10.0.0.7) /etc/chrony.conf:1",
            "chrony b.example:1123 nts:8443 from Some(10.0.0.7) /etc/chrony.conf:2",
        ];
        assert_eq!((servers, notes), (want.map(str::to_owned).to_vec(), vec![]));
    }

    #[test]
    fn what_is_not_understood_is_noted() {
        let conf = "server a.example quantum\nacquisitionport 1123\ndriftfile /x\nfrobnicate\n";
        let files =
            [("/etc/chrony.conf", conf), ("/etc/default/chrony", "DAEMON_OPTS=\"-F 1 -f /x\"\n")];
        let (servers, notes) = found(&files);
        assert_eq!(servers, ["chrony a.example /etc/chrony.conf:1"]);
        let want = [
            "/etc/default/chrony:1: `-f` has the service read another file, which is not read",
            "/etc/chrony.conf:1: `quantum` is nothing of chrony that preflight knows; it may move a peer",
            "/etc/chrony.conf:2: `acquisitionport` has all questions leave from one port, which is not read",
            "/etc/chrony.conf:4: `frobnicate` is nothing of chrony that preflight knows; it may move a peer",
        ];
        assert_eq!(notes, want);
    }

    /// Does `chronyd` take this configuration?
    fn chronyd_takes(conf: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chrony.conf");
        std::fs::write(&file, conf).unwrap();
        let mut command = std::process::Command::new(program("chronyd"));
        command.args(["-p", "-f"]).arg(file).output().unwrap().status.success()
    }

    #[test]
    fn a_line_is_refused_when_chronyd_refuses_it() {
        for line in [
            "server 192.0.2.3 iburst # rack clock",
            "server 192.0.2.3 iburst ; rack clock",
            "server",
            "pool",
            "server 192.0.2.3 port",
            "server 192.0.2.3 minpoll x",
            "server 192.0.2.3 ibrust",
            "servr 192.0.2.3",
            "include",
            "include /etc/x # y",
            "driftfile /x # y",
            "makestep 1 3 % x",
            "rtcsync # x",
            "allow 10.0.0.0/8 # x",
            "refclock PHC /dev/ptp0 # x",
            "refclock PHC",
            "initstepslew x a",
            "bindacqaddress eth0",
            "maxdistance far",
            "local stratum 8 # x",
            // Taken:
            "server 192.0.2.3 iburst",
            "SERVER 192.0.2.3 NTS NTSPORT 8443 port 1123",
            "server 192.0.2.3 xleave trust require offline auto_offline burst copy prefer noselect",
            "server 192.0.2.3 minpoll -7 maxpoll 4 key 7 version 3 extfield F323 asymmetry 0.5",
            "  server 192.0.2.3",
            "! server # x",
            "confdir /tmp/none # x",
            "sourcedir /tmp/none /tmp/none2",
            "refclock SHM 0 poll 3",
            "maxdistance 2.5",
            "bindacqaddress 127.0.0.1",
            "initstepslew 30 192.0.2.3",
            "local stratum 8",
        ] {
            let conf = format!("{line}\n");
            let text = text("/etc/chrony.conf", &conf);
            let said = parse(&text);
            let refused = said.iter().any(|(_, said)| matches!(said, Directive::Refused(_)));
            assert_eq!(refused, !chronyd_takes(&conf), "{line}: {said:?}");
        }
    }

    #[test]
    fn each_directive_that_chronyd_has_was_decided() {
        let bytes = std::fs::read(program("chronyd")).unwrap();
        let is_word = |word: &&[u8]| {
            (4..=24).contains(&word.len())
                && word.iter().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(b))
        };
        let words: std::collections::BTreeSet<&[u8]> =
            bytes.split(|&b| b == 0).filter(is_word).collect();
        let words: Vec<&str> =
            words.into_iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
        let unknown: Vec<&&str> =
            words.iter().filter(|word| CONSTRUCTS.reading(word) == Reading::Unknown).collect();
        // Whatever chronyd does not call an invalid directive is one.
        let folder = tempfile::tempdir().unwrap();
        let is_directive = |word: &str| {
            let file = folder.path().join(word);
            std::fs::write(&file, word).unwrap();
            let mut command = std::process::Command::new(program("chronyd"));
            let output = command.args(["-p", "-f"]).arg(file).output().unwrap();
            !String::from_utf8_lossy(&output.stderr).contains("Invalid directive")
                && !String::from_utf8_lossy(&output.stdout).contains("Invalid directive")
        };
        assert!(is_directive("rtcsync") && words.contains(&"rtcsync"));
        let undecided: Vec<_> = unknown.into_iter().filter(|word| is_directive(word)).collect();
        assert!(undecided.is_empty(), "{undecided:?}");
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning("/etc/chrony.conf", RED_HAT, |text| assert!(parse(text).len() <= 12));
        every_beginning("/run/x.sources", RED_HAT, |text| assert!(parse(text).len() <= 12));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            text in hostile("/etc/chrony.conf", RED_HAT),
            sources in hostile("/run/x.sources", RED_HAT),
        ) {
            prop_assert!(parse(&text).len() <= text.text.split_whitespace().count() + 1);
            prop_assert!(parse(&sources).len() <= sources.text.split_whitespace().count() + 1);
        }
    }
}
