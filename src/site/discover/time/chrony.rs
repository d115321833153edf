//! chrony's servers.
//!
//! A directive is one line, in any case; a line that begins with one of `!;#%` is
//! a comment. `confdir` and `sourcedir` name folders: of files of the same name,
//! the first folder's is read.
//!
//! Reference: chrony.conf(5).

use super::super::lines::host;
use super::super::{Facts, Files, Text};
use super::{Directive, Line, MOST_LINES, Walk};

/// Red Hat's, then Debian's; whichever is there.
const FILES: [&str; 2] = ["/etc/chrony.conf", "/etc/chrony/chrony.conf"];
/// chrony's own limit of folders in one line.
const MOST_FOLDERS: usize = 10;

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let mut walk = Walk::new(files, facts, "chrony", parse);
    for file in FILES {
        walk.file(file);
    }
}

fn parse(text: &Text) -> Vec<Line<'_>> {
    let is_sources = text.file.ends_with(".sources");
    // A file that may be written to while it is read: chrony leaves out its unended line.
    let ended = text.text.rfind('\n').map_or(0, |end| end + 1);
    let unended = text.text.get(ended..).filter(|rest| is_sources && !rest.trim().is_empty());
    let last = text.text.lines().count();
    let directives = text.lines().filter_map(|(line, content)| {
        if unended.is_some() && line == last {
            return Some((line, Err("chrony leaves out a line that no line feed ends".to_owned())));
        }
        let directive = directive(content)?;
        let counts = !is_sources || matches!(directive, Err(_) | Ok(Directive::Source { .. }));
        counts.then_some((line, directive))
    });
    directives.take(MOST_LINES).collect()
}

fn directive(content: &str) -> Option<Result<Directive<'_>, String>> {
    if content.trim_start().starts_with(['!', ';', '#', '%']) {
        return None;
    }
    let mut words = content.split_whitespace();
    let keyword = words.next()?.to_ascii_lowercase();
    let directive = match keyword.as_str() {
        "server" | "peer" | "pool" => source(&keyword, words),
        "include" => {
            words.next().map(Directive::Include).ok_or_else(|| "`include` names no file".to_owned())
        }
        "confdir" => Ok(Directive::Folders(words.take(MOST_FOLDERS).collect(), ".conf")),
        "sourcedir" => Ok(Directive::Folders(words.take(MOST_FOLDERS).collect(), ".sources")),
        _ => return None,
    };
    Some(directive)
}

fn source<'a>(
    keyword: &str,
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Directive<'a>, String> {
    let name = words.next().ok_or_else(|| format!("no host follows `{keyword}`"))?;
    let port = match words.find(|word| word.eq_ignore_ascii_case("port")) {
        Some(_) => Some(crate::site::parse_port(words.next().unwrap_or_default())?),
        None => None,
    };
    Ok(Directive::Source { place: host(name, port)?, is_pool: keyword == "pool" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{every_beginning, hostile};
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
    fn a_line_without_a_usable_host_is_noted() {
        let conf = "server\npool ntp/1\nserver 10.0.0.3 port 99999\ninclude\n";
        let (servers, notes) = found(&[("/etc/chrony.conf", conf)]);
        assert!(servers.is_empty());
        let want = [
            "/etc/chrony.conf:1: no host follows `server`",
            "/etc/chrony.conf:2: `/` has no place in a host name",
            "/etc/chrony.conf:3: `99999` is no port (1 to 65535)",
            "/etc/chrony.conf:4: `include` names no file",
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning("/etc/chrony.conf", RED_HAT, |text| assert!(parse(text).len() <= 4));
        every_beginning("/run/x.sources", RED_HAT, |text| assert!(parse(text).len() <= 4));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            text in hostile("/etc/chrony.conf", RED_HAT),
            sources in hostile("/run/x.sources", RED_HAT),
        ) {
            prop_assert!(parse(&text).len() <= text.text.lines().count());
            prop_assert!(parse(&sources).len() <= sources.text.lines().count());
        }
    }
}
