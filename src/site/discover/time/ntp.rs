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
use super::{
    Directive, MISSING, MOST_LINES, NTPD, NamedServer, NumberedLine, TimeDaemon, TimeWalk,
};

/// Debian's copy with the servers of DHCP, then the configuration itself.
const NTP: [&str; 3] = ["/run/ntp.conf.dhcp", "/var/lib/ntp/ntp.conf.dhcp", "/etc/ntp.conf"];
const NTPSEC: [&str; 2] = ["/run/ntpsec/ntp.conf.dhcp", "/etc/ntpsec/ntp.conf"];
/// Where keys are exchanged (RFC 8915).
const NTS_KE: u16 = 4460;
/// `MAXDIST`, unless `tos maxdist` says otherwise.
const MAX_DISTANCE: Duration = Duration::from_millis(1_500);

static OF_NTP: TimeDaemon = TimeDaemon {
    name: "ntp",
    process: "ntpd",
    max_distance: Some(MAX_DISTANCE),
    parse,
    constructs: &CONSTRUCTS,
};
static OF_NTPSEC: TimeDaemon = TimeDaemon {
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

fn one(
    files: &Files,
    facts: &mut Facts,
    daemon: &'static TimeDaemon,
    paths: &[&str],
    folder: &str,
) {
    let configured = paths.iter().find(|path| files.exists(path));
    let is_there = configured.is_some() && NTPD.iter().any(|path| files.exists(path));
    let mut walk = TimeWalk::new(files, facts, daemon);
    if let Some(path) = configured {
        walk.file(path);
    }
    walk.folders(&[folder], ".conf");
    walk.tell(is_there);
}

fn parse(text: &Text) -> Vec<NumberedLine<'_>> {
    let lines = text.lines();
    let said = |(line, content)| directive(content).into_iter().map(move |said| (line, said));
    lines.flat_map(said).take(MOST_LINES).collect()
}

fn directive(content: &str) -> Vec<Directive<'_>> {
    let mut words = content.split('#').next().unwrap_or_default().split_whitespace();
    let Some(keyword) = words.next() else { return Vec::new() };
    vec![match keyword {
        "server" | "peer" | "pool" => return source(keyword, words),
        "includefile" => match words.next() {
            Some(path) => Directive::IncludeAny(path.trim_matches('"'), ".conf"),
            None => Directive::Odd("`includefile` names no file".to_owned()),
        },
        "refclock" => Directive::Clock(words.take(3).collect::<Vec<_>>().join(" ")),
        "tos" => distance(words),
        _ => Directive::Met(keyword.to_ascii_lowercase()),
    }]
}

/// `tos minsane 2 maxdist 2.5`; the last of a line counts.
fn distance<'a>(words: impl Iterator<Item = &'a str>) -> Directive<'a> {
    let words: Vec<&str> = words.collect();
    let after = words.iter().rposition(|word| *word == "maxdist").map(|at| at + 1);
    let seconds = after.and_then(|at| words.get(at)?.parse().ok());
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(distance) => Directive::MaxDistance(distance),
        None => Directive::Met("tos".to_owned()),
    }
}

fn source<'a>(keyword: &str, words: impl Iterator<Item = &'a str>) -> Vec<Directive<'a>> {
    let mut words = words.skip_while(|word| matches!(*word, "-4" | "-6"));
    let Some(name) = words.next() else {
        return vec![Directive::Odd(format!("no host follows `{keyword}`"))];
    };
    if name.parse().is_ok_and(|address: Ipv4Addr| address.octets().starts_with(&[127, 127])) {
        return vec![Directive::Clock(name.to_owned())];
    }
    let mut place = match host(name, None) {
        Ok(place) => place,
        Err(reason) => return vec![Directive::Odd(reason)],
    };
    // A port here is that of the key exchange, over TCP; time itself stays on 123.
    let key_port = place.port.take();
    let ServerOptions { has_nts, odd } = options(words);
    if key_port.is_some() && !has_nts {
        let reason =
            format!("only with `nts` may `{keyword}` name a port: ntpd finds no such host");
        return vec![Directive::Odd(reason)];
    }
    let nts = has_nts.then(|| key_port.unwrap_or(NTS_KE));
    let source = NamedServer { is_pool: keyword == "pool", nts, ..NamedServer::of(place) };
    let odd = odd.map(|word| {
        let lost = if has_nts { "" } else { ", an `nts` too" };
        Directive::Odd(format!(
            "`{word}` is not an option: ntpd passes over it and what follows{lost}"
        ))
    });
    [Some(Directive::Source(source)), odd].into_iter().flatten().collect()
}

/// What follows a host.
struct ServerOptions<'a> {
    has_nts: bool,
    /// The first word that ntpd does not know there.
    odd: Option<&'a str>,
}

/// Reads options as ntpd does: up to the first that is none.
fn options<'a>(mut words: impl Iterator<Item = &'a str>) -> ServerOptions<'a> {
    let mut has_nts = false;
    while let Some(word) = words.next() {
        let is_taken = match word {
            "nts" => {
                has_nts = true;
                true
            }
            // The last is of ntp; ntpsec has it no more.
            "burst" | "iburst" | "noselect" | "preempt" | "prefer" | "true" | "xleave"
            | "noval" | "autokey" => true,
            "aead" | "ca" | "cert" => words.next().is_some(),
            "bias" | "key" | "maxpoll" | "minpoll" | "mode" | "ttl" | "version" => {
                words.next().is_some_and(|number| number.parse::<f64>().is_ok())
            }
            _ => false,
        };
        if !is_taken {
            return ServerOptions { has_nts, odd: Some(word) };
        }
    }
    ServerOptions { has_nts, odd: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::net::UdpSocket;
    use std::process::{Command, Stdio};
    use std::thread;

    use super::super::super::constructs::Reading;
    use super::super::super::testing::{Cell, Speaks, every_beginning, hostile, program, text};
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
        every_beginning("/etc/ntp.conf", SAMPLE, |text| assert!(parse(text).len() <= 24));
    }

    /// Words of ntpsec's manual that stand behind a directive, or are values and names of files.
    const BEHIND: &str = "a abbrev aead age average baud bias burst ca ceiling cert clock cohort config cookie \
        day dispersion enabled file flag1 flag2 flag3 flag4 flake floor holdover iburst ignore kernel \
        key kod limited loopstats mask maxage maxclock maxdepth maxdist maxmem maxpoll maxtls minclock \
        mindepth mindist mindisp mininterval minpoll minsane mintls minute mode month monitor mssntp name nolink \
        nomodify nomrulist none nopeer noquery noselect noserve notrust noval ntp ntpport openssl \
        orphan orphanwait path pid ppspath prefer preempt protostats rawstats refid requests stats step \
        stepback stepfwd stepout stratum subtype sysinfo sysstats time1 time2 tlsciphersuites true type unit \
        usestats version week xleave year auth calibrate default mlockall nonvolatile ntpq allan freq huffpuff panic memlock stacksize filenum incalloc incmem \
        initalloc initmem basedate";

    #[test]
    fn each_directive_of_ntpsecs_manual_was_decided() {
        let page = program("ntpd").ancestors().nth(2).unwrap().join("share/man/man5/ntp.conf.5.gz");
        let page = std::process::Command::new("gzip").arg("-dc").arg(page).output().unwrap();
        let page = String::from_utf8_lossy(&page.stdout).into_owned();
        let heads = page.lines().filter_map(|line| line.strip_prefix("\\f(CR"));
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let names = heads.map(|head| head.split(|c| !is_letter(c)).next().unwrap());
        let names: std::collections::BTreeSet<&str> =
            names.filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).collect();
        assert!(names.len() > 80, "{names:?}");
        let is_open = |name: &&&str| {
            CONSTRUCTS.reading(name) == Reading::Unknown
                && !BEHIND.split_whitespace().any(|word| word == **name)
        };
        let open: Vec<_> = names.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{open:?}");
    }

    /// A question to ntpd about itself (`NTPv2` mode 6), and the answer's data.
    fn control(
        socket: &UdpSocket,
        operation: u8,
        association: u16,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let mut question = vec![0x16, operation, 0, 1, 0, 0];
        question.extend(association.to_be_bytes());
        question.extend([0, 0]);
        question.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        question.extend(data);
        question.resize(question.len().next_multiple_of(4), 0);
        socket.send(&question).ok()?;
        let mut answer = [0; 1_024];
        // An answer to an earlier question may come late.
        let length = loop {
            let length = socket.recv(&mut answer).ok()?;
            if answer[1] & 0x1f == operation && answer[6..8] == association.to_be_bytes() {
                break length;
            }
        };
        let told = usize::from(u16::from_be_bytes([answer[10], answer[11]]));
        Some(answer[12..length.min(12 + told)].to_vec())
    }

    /// Whom ntpd asks with this file: addresses alone.
    fn theirs(conf: &str) -> Vec<String> {
        let ntpd = program("ntpd");
        // It tells about itself whom it is told to.
        let conf = format!("restrict 127.0.0.1\n{conf}");
        Cell::run(&[("/etc/ntpsec/ntp.conf", &conf)], move |_| {
            let mut command = Command::new(ntpd);
            command.args(["-n", "-c", "/etc/ntpsec/ntp.conf", "-l", "/dev/null"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect("127.0.0.1:123").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
            let mut associations = None;
            for _ in 0..40 {
                associations = control(&socket, 1, 0, b"");
                if associations.as_ref().is_some_and(|all| !all.is_empty())
                    || child.try_wait().unwrap().is_some()
                {
                    break;
                }
                // Refused at once while nobody listens yet.
                thread::sleep(Duration::from_millis(50));
            }
            // Servers are added one after the other.
            thread::sleep(Duration::from_millis(200));
            associations = control(&socket, 1, 0, b"").or(associations);
            let mut servers = Vec::new();
            for pair in associations.unwrap_or_default().chunks_exact(4) {
                let number = u16::from_be_bytes([pair[0], pair[1]]);
                let told = control(&socket, 2, number, b"srcadr").unwrap();
                let told = String::from_utf8(told).unwrap();
                let (_, address) = told.trim().split_once("srcadr=").unwrap();
                servers.push(address.trim().to_owned());
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // A clock that is attached to this machine is no flow.
            servers.retain(|server| !server.starts_with("127.127."));
            servers.sort();
            servers
        })
    }

    #[test]
    fn ntpd_asks_whom_we_say() {
        for conf in [
            "server 192.0.2.3 iburst # the rack's own\nserver 192.0.2.4\n",
            "peer 192.0.2.5\nserver -4 192.0.2.6 prefer\n#server 192.0.2.7\n",
            "server 192.0.2.3\nserver 192.0.2.3\n",
            "  server\t192.0.2.3   minpoll 4 maxpoll 6\nrestrict default nomodify\n",
            "server 2001:db8::3\n",
            "server 192.0.2.3\nfrobnicate x\nserver 192.0.2.4\n",
            "server 192.0.2.3 ibrust\nserver 192.0.2.4\n",
            "server\nserver 192.0.2.4\n",
            "server 127.127.1.0\nserver 192.0.2.4\n",
            "tos minclock 4 maxdist 2\ndriftfile /dev/null\nserver 192.0.2.4 key 7\n",
            "SERVER 192.0.2.4\n",
            "server 192.0.2.4 version 3 mode 4 noselect true burst\n",
        ] {
            let content = text("/etc/ntpsec/ntp.conf", conf);
            let said = parse(&content).into_iter();
            let mut ours: Vec<String> = said
                .filter_map(|(_, said)| match said {
                    Directive::Source(source) => Some(source.place.host),
                    _ => None,
                })
                .collect();
            ours.sort();
            ours.dedup();
            assert_eq!(ours, theirs(conf), "{conf}");
        }
    }

    /// Where ntpd comes for keys with this file, of 192.0.2.1's ports 4460 and 8443; nobody
    /// is waited for longer than a visit usually takes.
    fn theirs_by_nts(conf: &str) -> Option<u16> {
        let ntpd = program("ntpd");
        let conf = conf.to_owned();
        let files = [
            ("/etc/ntpsec/ntp.conf", conf.as_str()),
            ("/etc/hosts", "127.0.0.1 localhost\n192.0.2.1 keys.test\n"),
        ];
        Cell::run(&files, move |cell| {
            for port in [NTS_KE, 8_443] {
                cell.listen(&format!("192.0.2.1:{port}"), Speaks::Http);
            }
            let mut command = Command::new(ntpd);
            command.args(["-n", "-c", "/etc/ntpsec/ntp.conf", "-l", "/dev/null"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            for _ in 0..60 {
                if !cell.heard().is_empty() {
                    break;
                }
                thread::sleep(Duration::from_millis(50));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            cell.heard().first().map(|visit| visit.to.port())
        })
    }

    #[test]
    fn ntpd_fetches_keys_where_we_say() {
        for (options, want) in [
            ("server 192.0.2.1 nts", Some(NTS_KE)),
            ("server 192.0.2.1:8443 nts iburst", Some(8_443)),
            ("server keys.test:8443 nts", Some(8_443)),
            ("pool keys.test nts", Some(NTS_KE)),
            ("nts disable\npeer 192.0.2.1 prefer minpoll 4 nts ca /etc/ssl/certs", Some(NTS_KE)),
            // What follows a word that is none is lost, what stands before it is not.
            ("server 192.0.2.1 nts ask 192.0.2.9", Some(NTS_KE)),
            ("server 192.0.2.1 frobnicate nts", None),
            ("server 192.0.2.1:8443 iburst", None),
        ] {
            let conf = format!("{options}\n");
            assert_eq!(theirs_by_nts(&conf), want, "{conf}");
            let content = text("/etc/ntpsec/ntp.conf", &conf);
            let ours = parse(&content).into_iter().find_map(|(_, said)| match said {
                Directive::Source(source) => source.nts,
                _ => None,
            });
            assert_eq!(ours, want, "{conf}");
            let is_odd = |said: &NumberedLine<'_>| matches!(said.1, Directive::Odd(_));
            let is_whole = want.is_some() && !conf.contains("ask");
            assert_eq!(parse(&content).iter().any(is_odd), !is_whole, "{conf}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/etc/ntp.conf", SAMPLE)) {
            prop_assert!(parse(&text).len() <= 2 * text.text.lines().count());
        }
    }
}
