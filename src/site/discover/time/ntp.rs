//! The servers of ntp and of ntpsec, whose configurations are read alike.
//!
//! `server`, `pool` or `peer`, an optional `-4` or `-6`, the host, options; `#`
//! begins a comment anywhere. An address 127.127.T.U is a clock on this machine.
//! What a DHCP client was given stands in a copy of the file, which is read instead.
//!
//! Reference: ntp.conf(5); ntpsec's adds `includefile` and the folder `ntp.d`.

use std::net::Ipv4Addr;

use super::super::lines::host;
use super::super::{Facts, Files, Text};
use super::{Directive, Line, MOST_LINES, Walk};

/// Debian's copy with the servers of DHCP, then the configuration itself.
const NTP: [&str; 3] = ["/run/ntp.conf.dhcp", "/var/lib/ntp/ntp.conf.dhcp", "/etc/ntp.conf"];
const NTPSEC: [&str; 2] = ["/run/ntpsec/ntp.conf.dhcp", "/etc/ntpsec/ntp.conf"];

pub(super) fn read(files: &Files, facts: &mut Facts) {
    one(files, facts, "ntp", &NTP, "/etc/ntp.d");
    one(files, facts, "ntpsec", &NTPSEC, "/etc/ntpsec/ntp.d");
}

fn one(files: &Files, facts: &mut Facts, daemon: &'static str, paths: &[&str], folder: &str) {
    let mut walk = Walk::new(files, facts, daemon, parse);
    if let Some(path) = paths.iter().find(|path| files.exists(path)) {
        walk.file(path);
    }
    walk.folders(&[folder], ".conf");
}

fn parse(text: &Text) -> Vec<Line<'_>> {
    let lines = text.lines();
    lines.filter_map(|(line, content)| Some((line, directive(content)?))).take(MOST_LINES).collect()
}

fn directive(content: &str) -> Option<Result<Directive<'_>, String>> {
    let mut words = content.split('#').next()?.split_whitespace();
    let keyword = words.next()?;
    match keyword {
        "server" | "peer" | "pool" => source(keyword, words).transpose(),
        "includefile" => {
            let path = words.next().map(|path| Directive::Include(path.trim_matches('"')));
            Some(path.ok_or_else(|| "`includefile` names no file".to_owned()))
        }
        _ => None,
    }
}

/// None: a clock on this machine.
fn source<'a>(
    keyword: &str,
    words: impl Iterator<Item = &'a str>,
) -> Result<Option<Directive<'a>>, String> {
    let mut words = words.skip_while(|word| matches!(*word, "-4" | "-6"));
    let name = words.next().ok_or_else(|| format!("no host follows `{keyword}`"))?;
    if name.parse().is_ok_and(|address: Ipv4Addr| address.octets().starts_with(&[127, 127])) {
        return Ok(None);
    }
    let mut place = host(name, None)?;
    // A port here is that of the key exchange, over TCP; time itself stays on 123.
    if words.any(|word| word == "nts") {
        place.port = None;
    }
    Ok(Some(Directive::Source { place, is_pool: keyword == "pool" }))
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
            "ntpsec nts.corp.example /etc/ntpsec/ntp.conf:7",
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
        every_beginning("/etc/ntp.conf", SAMPLE, |text| assert!(parse(text).len() <= 6));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/etc/ntp.conf", SAMPLE)) {
            prop_assert!(parse(&text).len() <= text.text.lines().count());
        }
    }
}
