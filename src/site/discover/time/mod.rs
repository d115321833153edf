//! Time servers: whose clock does this machine follow?
//!
//! A daemon's file tells only when the daemon may be there: packages leave
//! their files behind, and one that nothing reads would name the wrong servers.

mod chrony;
mod ntp;
mod timesyncd;

use super::facts::TimeSource;
use super::include::{Included, by_name, glob, is_installed};
use super::{Facts, Files, Text};
use crate::site::Place;

const MISSING: &str = "the time servers";
/// Servers of one daemon; chrony itself takes some more, nobody uses as many.
const MOST: usize = 64;

/// Lines of one file that name servers or files, or should.
const MOST_LINES: usize = 1_024;

const CHRONYD: &[&str] = &["/usr/sbin/chronyd", "/usr/bin/chronyd"];
/// Of both ntp and ntpsec.
const NTPD: &[&str] = &["/usr/sbin/ntpd", "/usr/bin/ntpd"];
const TIMESYNCD: &[&str] =
    &["/usr/lib/systemd/systemd-timesyncd", "/lib/systemd/systemd-timesyncd"];
const DAEMONS: [&[&str]; 3] = [CHRONYD, NTPD, TIMESYNCD];

/// Finds the servers of every time daemon that may be installed.
pub(super) fn read(files: &Files, facts: &mut Facts) {
    if is_installed(files, CHRONYD, &DAEMONS) {
        chrony::read(files, facts);
    }
    if is_installed(files, NTPD, &DAEMONS) {
        ntp::read(files, facts);
    }
    if is_installed(files, TIMESYNCD, &DAEMONS) {
        timesyncd::read(files, facts);
    }
}

/// What a line of chrony's or ntp's configuration tells.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Directive<'a> {
    /// A server, a peer or a pool of them.
    Source { place: Place, is_pool: bool },
    /// The files of this name, or of this pattern.
    Include(&'a str),
    /// The files of these folders that end so.
    Folders(Vec<&'a str>, &'static str),
}

/// A directive, or why it is none, with its line.
type Line<'a> = (usize, Result<Directive<'a>, String>);

/// Follows a configuration through the files it includes.
struct Walk<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    daemon: &'static str,
    parse: fn(&Text) -> Vec<Line<'_>>,
    included: Included,
    left: usize,
}

impl<'a> Walk<'a> {
    fn new(
        files: &'a Files,
        facts: &'a mut Facts,
        daemon: &'static str,
        parse: fn(&Text) -> Vec<Line<'_>>,
    ) -> Self {
        Self { files, facts, daemon, parse, included: Included::default(), left: MOST }
    }

    /// Reads a file and what it includes; deep nesting ends with the number of files.
    fn file(&mut self, path: &str) {
        let Some(text) = self.included.open(self.files, path, self.facts, MISSING) else { return };
        for (line, directive) in (self.parse)(&text) {
            match directive {
                Ok(Directive::Source { place, is_pool }) => {
                    self.source(&text, line, place, is_pool);
                }
                Ok(Directive::Include(pattern)) => self.include(&text, line, pattern),
                Ok(Directive::Folders(folders, suffix)) => self.folders(&folders, suffix),
                Err(reason) => self.facts.note(text.at(line), reason, MISSING),
            }
        }
    }

    fn source(&mut self, text: &Text, line: usize, place: Place, is_pool: bool) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let (at, daemon) = (text.at(line), self.daemon);
        self.facts.time.push(TimeSource { place, at, daemon, is_pool, is_fallback: false });
    }

    fn include(&mut self, text: &Text, line: usize, pattern: &str) {
        let paths = glob(self.files, pattern, self.facts, MISSING);
        if !paths.iter().any(|path| self.files.exists(path)) {
            self.facts.note(text.at(line), "the file to include does not exist", MISSING);
        }
        for path in paths {
            self.file(&path);
        }
    }

    fn folders(&mut self, folders: &[&str], suffix: &str) {
        for path in by_name(self.files, folders, suffix, self.facts, MISSING) {
            self.file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::tree;
    use super::*;

    /// Each server as one line, and each note.
    pub(super) fn found(contents: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let (_dir, files) = tree(contents);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        let one = |source: &TimeSource| {
            let port = source.place.port.map(|port| format!(":{port}")).unwrap_or_default();
            let pool = if source.is_pool { " pool" } else { "" };
            let fallback = if source.is_fallback { " fallback" } else { "" };
            let (host, at) = (&source.place.host, &source.at);
            format!("{} {host}{port}{pool}{fallback} {at}", source.daemon)
        };
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        (facts.time.iter().map(one).collect(), notes.collect())
    }

    #[test]
    fn the_file_of_a_daemon_that_is_not_installed_does_not_count() {
        let ntp = ("/etc/ntp.conf", "server 10.0.0.1\n");
        let chrony = ("/etc/chrony.conf", "server 10.0.0.3\n");
        let both = found(&[ntp, chrony]).0;
        assert_eq!(both, ["chrony 10.0.0.3 /etc/chrony.conf:1", "ntp 10.0.0.1 /etc/ntp.conf:1"]);
        let one = found(&[ntp, chrony, ("/usr/sbin/chronyd", "")]).0;
        assert_eq!(one, ["chrony 10.0.0.3 /etc/chrony.conf:1"]);
    }

    #[test]
    fn no_daemon_has_endless_servers() {
        let endless = "server 10.0.0.3\n".repeat(1_000);
        assert_eq!(found(&[("/etc/chrony.conf", &endless)]).0.len(), MOST);
    }
}
