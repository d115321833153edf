//! Time servers: whose clock does this machine follow?
//!
//! A daemon's file tells only when the daemon may be there: packages leave
//! their files behind, and one that nothing reads would name the wrong servers.

pub(super) mod chrony;
pub(super) mod ntp;
pub(super) mod openntpd;
pub(super) mod timesyncd;

use std::net::IpAddr;
use std::time::Duration;

use super::constructs::Constructs;
use super::facts::{Read, RefusedLine, TimeClient, TimeSource};
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
/// Debian's package has it under this name, beside that of ntpd.
const OPENNTPD: &[&str] = &["/usr/sbin/openntpd"];
const TIMESYNCD: &[&str] =
    &["/usr/lib/systemd/systemd-timesyncd", "/lib/systemd/systemd-timesyncd"];
const DAEMONS: [&[&str]; 4] = [CHRONYD, NTPD, OPENNTPD, TIMESYNCD];

/// Finds the servers of every time daemon that may be installed.
pub(super) fn read(files: &Files, facts: &mut Facts) {
    if is_installed(files, CHRONYD, &DAEMONS) {
        chrony::read(files, facts);
    }
    if is_installed(files, OPENNTPD, &DAEMONS) {
        openntpd::read(files, facts);
    }
    // OpenNTPD brings an ntpd too, which reads nothing of the other's.
    if is_installed(files, NTPD, &DAEMONS) && !files.exists("/usr/sbin/openntpd") {
        ntp::read(files, facts);
    }
    if is_installed(files, TIMESYNCD, &DAEMONS) {
        timesyncd::read(files, facts);
    }
}

/// What one line of a daemon's configuration says.
#[derive(Clone, Debug, PartialEq)]
enum Directive<'a> {
    /// A server, a peer or a pool of them.
    Source(NamedServer),
    /// The files of this name, or of this pattern.
    Include(&'a str),
    /// This file, or all of this folder that end so.
    IncludeAny(&'a str, &'static str),
    /// The files of these folders that end so.
    Folders(Vec<&'a str>, &'static str),
    /// A clock that is attached to this machine.
    Clock(String),
    /// Sources that are farther from a good clock than this are not used.
    MaxDistance(Duration),
    /// The address of ours that all sources are asked from.
    From(IpAddr),
    /// This set of certificates has those of a file or folder in it.
    Trusts(u32, &'a str),
    /// The first set of certificates does not begin with the system's.
    DistrustsSystem,
    /// A construct of the language, by its name: its list says what is made of it.
    Met(String),
    /// What is wrong with it; the daemon goes on without.
    Odd(String),
    /// Why the daemon refuses it, and ends.
    Refused(String),
}

/// A server as one line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NamedServer {
    place: Place,
    is_pool: bool,
    /// Its keys come by NTS, over TCP from this port.
    nts: Option<u16>,
    /// Which set of certificates it is held against: chrony's `certset`.
    certificates: u32,
    /// Asked at the start only.
    is_once: bool,
}

impl NamedServer {
    fn of(place: Place) -> Self {
        Self { place, is_pool: false, nts: None, certificates: 0, is_once: false }
    }
}

/// A line's number, and what it says.
type NumberedLine<'a> = (usize, Directive<'a>);

/// A daemon whose configuration is made of lines.
struct TimeDaemon {
    /// As reports name it: `chrony`.
    name: &'static str,
    /// As the process is called, which a refused line ends: `chronyd`.
    process: &'static str,
    /// How far a source may be from a good clock, unless a line says otherwise.
    max_distance: Option<Duration>,
    parse: fn(&Text) -> Vec<NumberedLine<'_>>,
    constructs: &'static Constructs,
}

/// Follows a configuration through the files it includes.
struct TimeWalk<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    daemon: &'static TimeDaemon,
    included: Included,
    sources: Vec<TimeSource>,
    /// The set of certificates that each source is held against.
    sets: Vec<u32>,
    /// Files of certificates by the sets they belong to.
    trusted: Vec<(u32, String)>,
    distrusts_system: bool,
    from: Option<IpAddr>,
    max_distance: Option<Duration>,
}

impl<'a> TimeWalk<'a> {
    fn new(files: &'a Files, facts: &'a mut Facts, daemon: &'static TimeDaemon) -> Self {
        let (included, sources) = (Included::default(), Vec::new());
        let max_distance = daemon.max_distance;
        Self {
            files,
            facts,
            daemon,
            included,
            sources,
            sets: Vec::new(),
            trusted: Vec::new(),
            distrusts_system: false,
            from: None,
            max_distance,
        }
    }

    /// Reads a file and what it includes; deep nesting ends with the number of files.
    fn file(&mut self, path: &str) {
        let Some(text) = self.included.open(self.files, path, self.facts, MISSING) else { return };
        for (line, said) in (self.daemon.parse)(&text) {
            let at = text.at(line);
            match said {
                Directive::Source(source) => self.source(source, at),
                Directive::Include(pattern) => self.include(&text, line, pattern),
                Directive::IncludeAny(path, suffix) if self.files.is_folder(path) => {
                    self.folders(&[path], suffix);
                }
                Directive::IncludeAny(path, _) => self.include(&text, line, path),
                Directive::Folders(folders, suffix) => self.folders(&folders, suffix),
                Directive::Clock(value) => self.facts.clocks.push(Read { value, at }),
                Directive::MaxDistance(distance) => self.max_distance = Some(distance),
                Directive::From(address) => self.from = Some(address),
                Directive::Trusts(set, path) => {
                    // A folder stands for all its files.
                    let files = self.files.list_all(path).unwrap_or_default();
                    let files = if files.is_empty() { vec![path.to_owned()] } else { files };
                    let left = MOST.saturating_sub(self.trusted.len());
                    self.trusted.extend(files.into_iter().take(left).map(|file| (set, file)));
                }
                Directive::DistrustsSystem => self.distrusts_system = true,
                Directive::Met(name) => self.daemon.constructs.meet(&name, at, self.facts),
                Directive::Odd(reason) => self.facts.note(at, reason, MISSING),
                Directive::Refused(value) => {
                    let refused = RefusedLine::of(self.daemon.process, Read { value, at });
                    self.facts.refused.push(refused);
                }
            }
        }
    }

    fn source(&mut self, source: NamedServer, at: super::At) {
        if self.sources.len() < MOST {
            let NamedServer { place, is_pool, nts, certificates, is_once } = source;
            self.sets.push(certificates);
            let known = TimeSource::of(place, self.daemon.name, at);
            self.sources.push(TimeSource { is_pool, is_once, nts, ..known });
        }
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

    /// Hands on what was found; `is_there`: the daemon's program is.
    fn tell(self, is_there: bool) {
        let Self { facts, daemon, sources, sets, trusted, from, max_distance, .. } = self;
        let distrusts_system = self.distrusts_system;
        if is_there || !sources.is_empty() {
            facts.time_clients.extend(
                max_distance.map(|max_distance| TimeClient { name: daemon.name, max_distance }),
            );
        }
        facts.time.extend(sources.into_iter().zip(sets).map(|(source, set)| {
            let of_set = trusted.iter().filter(|(of, _)| *of == set && source.nts.is_some());
            let trusted = of_set.map(|(_, file)| file.clone()).collect();
            // Of the sets, only the first begins with the system's certificates.
            let only_trusted = source.nts.is_some() && (set != 0 || distrusts_system);
            TimeSource { trusted, only_trusted, from, ..source }
        }));
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
            let words = [
                (source.is_pool, " pool".to_owned()),
                (source.is_fallback, " fallback".to_owned()),
                (source.is_once, " once".to_owned()),
                (source.nts.is_some(), format!(" nts:{}", source.nts.unwrap_or_default())),
                (source.from.is_some(), format!(" from {:?}", source.from)),
                (source.only_trusted, " only".to_owned()),
                (!source.trusted.is_empty(), format!(" trusts {}", source.trusted.join(", "))),
            ];
            let words = words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word);
            let (host, at) = (&source.place.host, &source.at);
            format!("{} {host}{port}{} {at}", source.daemon, words.collect::<String>())
        };
        let notes = facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason));
        let refused =
            facts.refused.iter().map(|line| format!("{}: refused: {}", line.at, line.reason));
        (facts.time.iter().map(one).collect(), notes.chain(refused).collect())
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
