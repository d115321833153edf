//! `NSClient++` on a machine that is monitored: where does it listen, and whom does it let in?
//!
//! `nsclient.ini`, where Windows has it in a copied tree, or as Linux has it. A server runs when
//! its module is switched on; `allowed hosts` of its own section goes before the default's; a
//! port that ends in `s` is one with TLS.
//!
//! Reference: the settings of `WEBServer`, `NRPEServer` and `NSClientServer` of `NSClient++` 0.5.

use super::constructs::Constructs;
use super::facts::{Listen, NsclientServer, Read};
use super::lines::{Continued, IniLine, ini};
use super::{Facts, Files, Text};

/// The first that is there.
const FILES: [&str; 4] = [
    "/Program Files/NSClient++/nsclient.ini",
    "/c/Program Files/NSClient++/nsclient.ini",
    "/nsclient.ini",
    "/etc/nsclient/nsclient.ini",
];
const MISSING: &str = "who may ask this machine through NSClient++";
/// Modules with their section and the port they have by default.
const SERVERS: [(&str, &str, u16); 3] = [
    ("WEBServer", "/settings/WEB/server", 8443),
    ("NRPEServer", "/settings/NRPE/server", 5666),
    ("NSClientServer", "/settings/NSClient/server", 12489),
];
const DEFAULT: &str = "/settings/default";
/// Hosts that are let in.
const MOST: usize = 256;

/// Modules, by their names in `[/modules]`.
pub(super) const CONSTRUCTS: Constructs = Constructs {
    program: "NSClient++",
    files: "nsclient.ini: [/modules]",
    missing: MISSING,
    understood: &["NRPEServer", "NSClientServer", "WEBServer"],
    noted: &[
        ("CheckMKClient", "asks agents of Checkmk"),
        ("CheckMKServer", "lets Checkmk ask"),
        ("CheckNet", "asks others itself"),
        ("CollectdClient", "sends results to collectd"),
        ("DistributedClient", "asks other NSClient++"),
        ("DistributedServer", "lets other NSClient++ ask"),
        ("ElasticClient", "sends results to Elasticsearch"),
        ("GraphiteClient", "sends results to Graphite"),
        ("NRDPClient", "sends results by NRDP"),
        ("NRPEClient", "asks others by NRPE"),
        ("NSCAClient", "sends results by NSCA"),
        ("NSCAServer", "takes results by NSCA"),
        ("NSCPClient", "asks other NSClient++"),
        ("NSCPServer", "lets other NSClient++ ask"),
        ("OP5Client", "sends results to OP5"),
        ("SMTPClient", "sends mail"),
        ("SyslogClient", "sends to a log server"),
    ],
    aside: &[
        // What is looked at on the machine itself, and how.
        "CauseCrashes",
        "Check*",
        "CommandClient",
        "DotnetPlugins",
        "LUAScript",
        "PythonScript",
        "SamplePluginSimple",
        "Scheduler",
        "SimpleCache",
        "SimpleFileWriter",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    let Some(path) = FILES.iter().find(|path| files.exists(path)) else { return };
    match files.read(path) {
        Ok(text) => facts.nsclient = Some(parse(&text, facts)),
        Err(why) => facts.unread(path, &why, MISSING),
    }
}

fn parse(text: &Text, facts: &mut Facts) -> NsclientServer {
    let entries = ini(text, Continued::ByBackslash);
    let value = |section: &str, key: &str| -> Option<&IniLine<'_>> {
        let is_it = |entry: &&IniLine<'_>| {
            entry.section.eq_ignore_ascii_case(section) && entry.key.eq_ignore_ascii_case(key)
        };
        entries.iter().rfind(is_it).filter(|entry| !entry.value.is_empty())
    };
    let is_on = |entry: &IniLine<'_>| {
        ["enabled", "1", "true"].iter().any(|on| entry.value.eq_ignore_ascii_case(on))
    };
    for entry in entries.iter().filter(|entry| entry.section == "/modules" && is_on(entry)) {
        // A library may be named by its file.
        let module = entry.key.strip_suffix(".dll").unwrap_or(entry.key);
        CONSTRUCTS.meet(module, text.at(entry.line), facts);
    }
    for entry in entries.iter().filter(|entry| entry.section == "/includes") {
        facts.note(text.at(entry.line), "it includes other settings, which are not read", MISSING);
    }
    let mut server = NsclientServer { listens: Vec::new(), allowed: Vec::new() };
    for (module, section, port) in SERVERS {
        let Some(on) = value("/modules", module).filter(|entry| is_on(entry)) else { continue };
        let written = value(section, "port");
        let digits = written.map(|entry| entry.value.trim_end_matches(['s', 'S']));
        let number = match digits.map(str::parse) {
            None => Some(port),
            Some(number) => number.ok().filter(|&number| number > 0),
        };
        let at = text.at(written.unwrap_or(on).line);
        match number {
            Some(port) => {
                let host = value(section, "bind to").map(|entry| entry.value.to_owned());
                let tls = module == "WEBServer" || digits != written.map(|entry| entry.value);
                server.listens.push((module, Read { value: Listen { host, port, tls }, at }));
            }
            None => facts.note(at, "this is not a port", MISSING),
        }
        let allowed = value(section, "allowed hosts").or(value(DEFAULT, "allowed hosts"));
        if let Some(entry) = allowed {
            if entry.value.contains([';', '#']) {
                let reason = "a comment behind a value is part of it: nobody is let in by it";
                facts.note(text.at(entry.line), reason, MISSING);
            }
            let hosts = entry.value.split(',').map(str::trim).filter(|host| !host.is_empty());
            for host in hosts.take(MOST) {
                let read = Read { value: host.to_owned(), at: text.at(entry.line) };
                if !server.allowed.contains(&read) {
                    server.allowed.push(read);
                }
            }
        }
    }
    server
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{every_beginning, hostile, tree};
    use super::*;

    const SAMPLE: &str = "# written by the installer\n[/settings/default]\n\
        password = s3cret\nallowed hosts = 127.0.0.1,10.0.0.7\n\n[/modules]\nWEBServer = enabled\n\
        NRPEServer = disabled\nNSCAClient = 1\n\n[/settings/WEB/server]\nport = 8444s\n";

    #[test]
    fn what_listens_and_who_is_let_in() {
        let (_dir, files) = tree(&[(FILES[0], SAMPLE)]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        let server = facts.nsclient.as_ref().unwrap();
        let [(module, listen)] = &*server.listens else { panic!("{server:?}") };
        assert_eq!((*module, listen.value.port, listen.value.tls), ("WEBServer", 8444, true));
        assert_eq!(listen.at.line, Some(12));
        let allowed: Vec<_> = server.allowed.iter().map(|host| host.value.as_str()).collect();
        assert_eq!(allowed, ["127.0.0.1", "10.0.0.7"]);
        assert_eq!(facts.notes[0].reason, "`NSCAClient` sends results by NSCA, which is not read");
        assert!(!format!("{facts:?}").contains("s3cret"));
    }

    #[test]
    fn defaults_and_own_sections() {
        let text = "[/modules]\nNRPEServer=1\nWEBServer=enabled\n[/settings/default]\n\
            allowed hosts=10.0.0.1\n[/settings/NRPE/server]\nallowed hosts=10.0.0.2\nport=x\n";
        let (_dir, files) = tree(&[(FILES[3], text)]);
        let mut facts = Facts::default();
        read(&files, &mut facts);
        let server = facts.nsclient.unwrap();
        assert_eq!(server.listens.len(), 1);
        assert_eq!(server.listens[0].1.value.port, 8443);
        assert_eq!(server.allowed.len(), 2);
        assert_eq!(facts.notes[0].reason, "this is not a port");
    }

    #[test]
    fn every_beginning_is_read() {
        every_beginning(FILES[0], SAMPLE, |text| {
            assert!(parse(text, &mut Facts::default()).listens.len() <= 1);
        });
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in hostile("/nsclient.ini", SAMPLE)) {
            parse(&text, &mut Facts::default());
        }
    }
}
