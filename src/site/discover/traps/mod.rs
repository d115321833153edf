//! Traps: where does snmptrapd listen, and does it hand them on to Centreon?
//!
//! `/etc/snmp/snmptrapd.conf` (snmptrapd.conf(5)); an address on the daemon's command
//! line takes the place of every `snmpTrapdAddr` (snmptrapd(8), "LISTENING
//! ADDRESSES" of snmpd(8)). The command line is the service's `ExecStart` where
//! there is one, else the options that init scripts give.

mod redirect;

use super::address::{MOST_TEXT, listen};
use super::constructs::Constructs;
use super::facts::{Listen, Read, RoleSign, TrapReceiver};
use super::{At, Facts, Files, Text};
use crate::catalogue::Role;
use crate::site::Place;

const CONF: &str = "/etc/snmp/snmptrapd.conf";
const OPTIONS: [(&str, &str); 2] =
    [("OPTIONS", "/etc/sysconfig/snmptrapd"), ("TRAPDOPTS", "/etc/default/snmptrapd")];
/// The first that is there counts.
const UNITS: [&str; 3] = [
    "/etc/systemd/system/snmptrapd.service",
    "/usr/lib/systemd/system/snmptrapd.service",
    "/lib/systemd/system/snmptrapd.service",
];
const DROP_INS: &str = "/etc/systemd/system/snmptrapd.service.d";
/// Centreon's own daemon behind it.
const CENTREON: &str = "/etc/centreon/centreontrapd.pm";
const FORWARDER: &str = "centreontrapdforward";
const TRAP_PORT: u16 = 162;
/// Addresses that are looked at; a machine has a handful.
const MOST_ADDRESSES: usize = 64;
const MISSING: &str = "where traps are received";
/// How the lines begin that let somebody in, or that may: another file is not read.
const TAKES: [&str; 5] = ["auth", "group", "access", "com2sec", "include"];

/// In lower case, as net-snmp compares them.
pub(super) const CONSTRUCTS: Constructs = Constructs {
    program: "snmptrapd",
    files: "snmptrapd.conf",
    missing: "where traps go on to",
    understood: &["snmptrapdaddr", "traphandle"],
    noted: &[
        ("forward", "hands traps on to another host"),
        ("includedir", "reads a folder of files"),
        ("includefile", "reads another file"),
        ("informsink", "sends messages of its own to another host"),
        ("sourcefilter*", "takes packets of some hosts only"),
        ("trap2sink", "sends messages of its own to another host"),
        ("trapsess", "sends messages of its own to another host"),
        ("trapsink", "sends messages of its own to another host"),
    ],
    aside: &[
        "access",
        "add*",
        "agent*",
        "alias",
        "auth*",
        "avg*",
        "certsecname",
        "client*",
        "com2sec*",
        "comment*",
        "createuser",
        "debug*",
        "def*",
        "disable*",
        "do*",
        "dont*",
        "dump*",
        "engineid*",
        "escapequotes",
        "extendedindex",
        "extrax509subdir",
        "format*",
        "group",
        "hex*",
        "ignoreauthfailure",
        "injecthandler",
        "iquery*",
        "leave_pidfile",
        "localcert",
        "log*",
        "master",
        "max*",
        "mib*",
        "no*",
        "numeric*",
        "oid*",
        "output*",
        "pdu*",
        "peercert",
        "perl*",
        "persistentdir",
        "pidfile",
        "print*",
        "quick*",
        "quit",
        "retries",
        "reverse*",
        "ro*",
        "rw*",
        "sendmessagemaxsize",
        "server*",
        "setaccess",
        "showmiberrors",
        "smux*",
        "snmptlstm*",
        "sql*",
        "strict*",
        "suffix*",
        "table",
        "temp*",
        "timeout",
        "tls*",
        "trapcommunity",
        "trustcert",
        "tsm*",
        "v1trapaddress",
        "view",
        "x509crlfile",
    ],
};

pub(super) fn read(files: &Files, facts: &mut Facts) {
    if let Ok(text) = files.read(CENTREON) {
        facts.roles.extend(mode(&text));
    }
    let text = match files.read(CONF) {
        Ok(text) => text,
        Err(why) => return facts.unread(CONF, &why, MISSING),
    };
    meet(&text, facts);
    let (configured, forwards) = parse(&text);
    let given = addresses(command_line(files));
    let specs = if given.is_empty() { configured } else { given };
    let listens = sockets(specs, facts);
    let mut redirects = redirect::read(files, facts);
    redirects.retain(|rule| listens.iter().any(|one| one.value.port == rule.value.to));
    if let Some(one) = listens.first()
        && redirects.is_empty()
        && listens.iter().all(|one| one.value.port != TRAP_PORT)
    {
        let reason = format!(
            "devices send traps to port {TRAP_PORT}, and no rule in the files hands them on to {}",
            one.value.port
        );
        facts.note(one.at.clone(), reason, MISSING);
    }
    facts.traps = Some(TrapReceiver { listens, forwards, redirects, at: At::file(CONF) });
}

/// Notes what moves traps and is not read, and a receiver that takes none: without a word about
/// access, snmptrapd drops them all.
fn meet(text: &Text, facts: &mut Facts) {
    let mut may_take = false;
    for (number, line) in text.lines() {
        let mut words = line.split_whitespace();
        let token = words.next().unwrap_or_default().to_ascii_lowercase();
        if !token.is_empty() && !token.starts_with(['#', '[']) {
            may_take |= match token.as_str() {
                "disableauthorization" => {
                    words.next().is_some_and(|word| ["1", "yes", "true"].contains(&word))
                }
                token => TAKES.iter().any(|start| token.starts_with(start)),
            };
            CONSTRUCTS.meet(&token, text.at(number), facts);
        }
    }
    if !may_take {
        let reason = "snmptrapd drops every trap: nothing says whose it takes \
                      (authCommunity, authUser, or disableAuthorization yes)";
        facts.note(At::file(CONF), reason, MISSING);
    }
}

/// The addresses it is told to listen on, and the program that gets the traps.
fn parse(text: &Text) -> (Vec<Read<String>>, Option<Read<String>>) {
    let mut addresses = Vec::new();
    let mut forwards = None;
    for (number, line) in text.lines() {
        let Some((token, rest)) = line.trim().split_once(char::is_whitespace) else { continue };
        if rest.len() > MOST_TEXT {
            continue;
        }
        let read = |value: &str| Read { value: value.to_owned(), at: text.at(number) };
        if token.eq_ignore_ascii_case("snmptrapdaddr") {
            addresses.extend(rest.split(',').map(|address| read(address.trim())));
        } else if token.eq_ignore_ascii_case("traphandle") {
            let program = rest.split_ascii_whitespace().find(|word| word.contains(FORWARDER));
            let program = program.map(|word| read(word.trim_matches(['"', '\''])));
            forwards = forwards.or(program);
        }
    }
    (addresses, forwards)
}

/// The words that snmptrapd is started with.
fn command_line(files: &Files) -> Vec<Read<String>> {
    let options = OPTIONS.map(|(name, path)| (name, options(files, name, path)));
    let Some(start) = start(files) else {
        return options.into_iter().flat_map(|(_, words)| words).collect();
    };
    let words = start.into_iter().flat_map(|word| {
        let name = word.value.trim_start_matches('$').trim_matches(['{', '}']);
        let option =
            options.iter().find(|(known, _)| word.value.starts_with('$') && *known == name);
        option.map_or_else(|| vec![word.clone()], |(_, words)| words.clone())
    });
    words.collect()
}

/// The words of a variable, as `/etc/default` and `/etc/sysconfig` set it.
fn options(files: &Files, name: &str, path: &str) -> Vec<Read<String>> {
    let Ok(text) = files.read(path) else { return Vec::new() };
    let set = text.lines().filter_map(|(number, line)| {
        let line = line.trim();
        let value = line.strip_prefix("export ").unwrap_or(line).strip_prefix(name)?;
        Some((number, value.strip_prefix('=')?))
    });
    set.last().map(|(number, value)| words(value, &text.at(number))).unwrap_or_default()
}

/// The service's own command line: drop-ins come last, an empty one clears what came before.
fn start(files: &Files) -> Option<Vec<Read<String>>> {
    let unit = UNITS.iter().find_map(|unit| files.read(unit).ok());
    let paths = files.list(DROP_INS, ".conf").unwrap_or_default();
    let drop_ins = paths.iter().filter_map(|path| files.read(path).ok());
    let mut start = None;
    for text in unit.into_iter().chain(drop_ins) {
        for (number, line) in text.lines() {
            if let Some(command) = line.trim().strip_prefix("ExecStart=") {
                start = Some(words(command, &text.at(number)));
            }
        }
    }
    start.filter(|words| !words.is_empty())
}

fn words(line: &str, at: &At) -> Vec<Read<String>> {
    let words = line.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let words = words.filter(|word| (1..=MOST_TEXT).contains(&word.len()));
    words.map(|word| Read { value: word.to_owned(), at: at.clone() }).collect()
}

/// The addresses among the words of a command line.
fn addresses(words: Vec<Read<String>>) -> Vec<Read<String>> {
    let mut values = 0_usize;
    let mut addresses = Vec::new();
    for word in words {
        if word.value.starts_with('-') {
            values = values_of(&word.value);
        } else if values > 0 {
            values -= 1;
        } else if is_address(&word.value) {
            addresses.push(word);
        }
    }
    addresses
}

/// How many words after this option belong to it.
fn values_of(option: &str) -> usize {
    const ONE: [&str; 15] = [
        "-c", "-F", "-g", "-I", "-Lf", "-Ls", "-LE", "-LO", "-m", "-M", "-O", "-o", "-p", "-u",
        "-x",
    ];
    match option {
        "-LF" | "-LS" => 2,
        one if ONE.contains(&one) => 1,
        _ => 0,
    }
}

/// Is it one, and no file or command?
fn is_address(word: &str) -> bool {
    let (transport, rest) = split(word);
    match transport {
        Some(_) => !rest.is_empty(),
        None => rest.parse::<u16>().is_ok() || socket(rest).is_some_and(|it| it.host.is_some()),
    }
}

/// The sockets for traps by UDP; that there are others is noted.
fn sockets(specs: Vec<Read<String>>, facts: &mut Facts) -> Vec<Read<Listen>> {
    let mut sockets: Vec<Read<Listen>> = Vec::new();
    for spec in specs.into_iter().take(MOST_ADDRESSES) {
        let (transport, rest) = split(&spec.value);
        match (transport, socket(rest)) {
            (Some(transport), _) if !transport.starts_with("udp") => {
                let reason = format!("snmptrapd listens by {transport} here, not by UDP");
                facts.note(spec.at, reason, MISSING);
            }
            (_, None) => {
                let reason = format!("`{}` is not an address to listen on", spec.value);
                facts.note(spec.at, reason, MISSING);
            }
            // IPv4 and IPv6 of one port are one socket here.
            (_, Some(value)) if sockets.iter().any(|known| known.value == value) => {}
            (_, Some(value)) => sockets.push(Read { value, at: spec.at }),
        }
    }
    sockets
}

/// The transport in front of an address, in lower case, and the address.
fn split(spec: &str) -> (Option<String>, &str) {
    let known = |name: &str| {
        let kinds = ["udp", "tcp", "unix", "ssh", "dtls", "tls", "ipx", "aal5pvc", "pvc"];
        kinds.iter().any(|kind| name.starts_with(kind))
    };
    match spec.split_once(':') {
        Some((name, rest)) if known(&name.to_ascii_lowercase()) => {
            (Some(name.to_ascii_lowercase()), rest)
        }
        _ => (None, spec),
    }
}

/// `162`, `10.0.0.7`, `10.0.0.7:162`, `[2001:db8::7]:162`
fn socket(address: &str) -> Option<Listen> {
    if let Ok(port) = address.parse::<u16>() {
        return (port > 0).then_some(Listen { host: None, port, tls: false });
    }
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    let is_whole = bare.parse::<std::net::IpAddr>().is_ok();
    if is_whole || (!address.contains(':') && is_host(address)) {
        return listen(&format!("[{bare}]:{TRAP_PORT}")).ok();
    }
    let (host, _) = address.rsplit_once(':')?;
    let is_bracketed = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    (is_bracketed || is_host(host)).then(|| listen(address).ok()).flatten()
}

/// A name or an IPv4 address, and no plain word.
fn is_host(text: &str) -> bool {
    let is_dotted = text.contains('.') && text.parse::<Place>().is_ok();
    is_dotted || text == "localhost"
}

/// `mode => 1`: Centreon's daemon works with a poller's file instead of the database.
fn mode(text: &Text) -> Option<RoleSign> {
    let set = text.lines().filter_map(|(number, line)| {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        let rest = line.strip_prefix("mode")?.trim_start_matches(['"', '\'']).trim_start();
        let value = rest.strip_prefix("=>")?.trim().trim_end_matches(',').trim_end();
        Some((number, value.trim_matches(['"', '\''])))
    });
    let (number, _) = set.last().filter(|(_, value)| *value == "1")?;
    let because = "centreontrapd works as on a poller".to_owned();
    Some(RoleSign { role: Role::Poller, at: text.at(number), because, is_explicit: false })
}

#[cfg(test)]
mod tests;
