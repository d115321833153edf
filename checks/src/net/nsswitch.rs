//! Does this host's own look-up get as far as DNS for a name?
//!
//! glibc asks the services of `hosts:` in `/etc/nsswitch.conf` in their order, and a service
//! that does not know a name ends the look-up where `[NOTFOUND=return]` follows it.
//!
//! Reference: nsswitch.conf(5); the README of nss-mdns for `.local`.

use super::names::NameSource;
use crate::wire;

pub(super) const FILE: &str = "/etc/nsswitch.conf";

/// The line of `text`, the file's, that keeps a look-up of `name` from DNS: where, and what it says.
pub(super) fn barrier(text: &str, name: &str) -> Option<(String, String)> {
    let (line, services) = judge(text, name)?;
    Some((format!("{FILE}:{line}"), wire::printable(&services)))
}

/// Does a look-up read `/etc/hosts`, and ask nobody else of it before?
pub(super) fn reads_hosts_first(text: &str) -> bool {
    let Some((_, services)) = line(text) else { return true };
    let mut services = services.split(|c: char| c.is_whitespace() || c == '[');
    // systemd-resolved reads the file itself.
    let first = services.find(|service| ["files", "dns", "resolve"].contains(service));
    first == Some("files") || first == Some("resolve")
}

/// Where a name was found that `/etc/hosts` does not have.
pub(super) fn beyond_hosts(text: &str) -> NameSource {
    // Those that know nothing but this machine's own names and containers, or the local link.
    const NARROW: [&str; 6] =
        ["files", "mymachines", "myhostname", "mdns4_minimal", "mdns6_minimal", "mdns_minimal"];
    let services = line(text).map(|(_, services)| split(services)).unwrap_or_default();
    let is_wide = |word: &&String| !word.starts_with('[') && !NARROW.contains(&word.as_str());
    match services.iter().find(is_wide).map(String::as_str) {
        None | Some("dns") => NameSource::Dns,
        Some("resolve") => NameSource::Resolved,
        Some(_) => NameSource::Service,
    }
}

/// The number of the line `hosts:`, and its services.
fn line(text: &str) -> Option<(usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let of_hosts = lines.filter_map(|(number, line)| {
        Some((number, line.split('#').next()?.trim().strip_prefix("hosts:")?.trim()))
    });
    // glibc takes the last of several.
    of_hosts.last()
}

/// The same for a text; none: DNS is asked, or nothing says otherwise.
fn judge(text: &str, name: &str) -> Option<(usize, String)> {
    let (number, services) = line(text)?;
    let words = services.replace('[', " [").replace(']', "] ");
    let mut words = split(&words).into_iter().peekable();
    while let Some(service) = words.next() {
        let action = words.next_if(|word| word.starts_with('['));
        match service.as_str() {
            "dns" | "resolve" => return None,
            // It knows names that end so, and passes over all others.
            mdns if mdns.starts_with("mdns") && !is_local(name) => {}
            _ if action.is_some_and(|action| returns_when_not_found(&action)) => break,
            _ => {}
        }
    }
    Some((number, format!("hosts: {services}")))
}

/// Services and actions in brackets, which may hold spaces.
fn split(services: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in services.split_whitespace() {
        match words.last_mut().filter(|_| is_open) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        is_open = (is_open || word.starts_with('[')) && !word.ends_with(']');
    }
    words
}

/// `[NOTFOUND=return]`, or `[!UNAVAIL=return]`, which means every other status.
fn returns_when_not_found(action: &str) -> bool {
    let pairs = action.trim_matches(['[', ']']).split_whitespace();
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.any(|(status, does)| {
        let status = status.to_ascii_lowercase();
        does.eq_ignore_ascii_case("return")
            && match status.strip_prefix('!') {
                Some(other) => other != "notfound",
                None => status == "notfound",
            }
    })
}

/// nss-mdns takes names of two labels only; `central.lab.local` it leaves to DNS.
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_suffix(".local").is_some_and(|host| !host.is_empty() && !host.contains('.'))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::UdpSocket;
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::thread;

    use nix::sched::{CloneFlags, unshare};

    use super::*;

    #[test]
    fn a_look_up_reaches_dns_or_stops_before_it() {
        for (line, name, reaches) in [
            ("hosts: files dns", "central.corp.example", true),
            ("hosts:\tfiles", "central.corp.example", false),
            ("hosts: files # dns", "central.corp.example", false),
            ("hosts: files resolve [!UNAVAIL=return] dns", "central.local", true),
            ("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", "x.y", true),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", "central.local", false),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", "central.LOCAL.", false),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", "central.corp.example", true),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", "central.lab.local", true),
            ("hosts: files mdns4_minimal dns", "central.local", true),
            ("hosts: files [NOTFOUND=return] dns", "central", false),
            ("hosts: files [ SUCCESS=return NOTFOUND=return ] dns", "central", false),
            ("hosts: files[NOTFOUND=return]dns", "central", false),
            ("hosts: files [!SUCCESS=return] dns", "central", false),
            ("hosts: files [UNAVAIL=return] dns", "central", true),
            ("hosts: files\nhosts: dns", "central", true),
            ("passwd: files", "central", true),
            ("", "central", true),
        ] {
            assert_eq!(judge(line, name).is_none(), reaches, "{line} {name}");
        }
        let found = judge("# x\nhosts:   files   myhostname\n", "central").unwrap();
        assert_eq!(found, (2, "hosts: files   myhostname".to_owned()));
    }

    /// The folder with nss-mdns in it, which may lie beside the machine's own.
    fn modules() -> std::path::PathBuf {
        let search = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let folders = std::env::split_paths(&search).filter_map(|bin| {
            let root = bin.parent()?;
            Some([root.join("lib"), root.parent()?.join("lib")])
        });
        let folders = folders.flatten().filter_map(|lib| std::fs::read_dir(lib).ok());
        let mut folders = folders.flatten().filter_map(|entry| Some(entry.ok()?.path()));
        folders
            .find(|folder| folder.join("libnss_mdns4_minimal.so.2").exists())
            .expect("libnss-mdns is missing: run tests/run, which installs it")
    }

    /// Answers every question for an IPv4 address with 192.0.2.7; nothing else exists.
    fn answer_names(socket: &UdpSocket) {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let asked = &question[12..length];
            let end = asked.iter().position(|byte| *byte == 0).unwrap() + 5;
            let is_v4 = asked[end - 4..end] == [0, 1, 0, 1];
            let mut reply = question[..2].to_vec();
            reply.extend([
                0x81,
                if is_v4 { 0x80 } else { 0x83 },
                0,
                1,
                0,
                u8::from(is_v4),
                0,
                0,
                0,
                0,
            ]);
            reply.extend(&asked[..end]);
            if is_v4 {
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
            }
            socket.send_to(&reply, from).unwrap();
        }
    }

    /// Which of the names getent finds with that line, where DNS knows each and mDNS none.
    fn found(hosts: &str, names: &'static [&str]) -> Vec<bool> {
        assert!(nix::unistd::geteuid().is_root(), "namespaces need root: tests/run asks sudo");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("nsswitch.conf"), format!("{hosts}\n")).unwrap();
        std::fs::write(dir.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        let modules = modules();
        // Namespaces are a thread's own, and its children's.
        let work = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let own = "mount --make-rprivate / && ip link set lo up && ip addr add 192.0.2.1/32 dev lo \
                && mount --bind \"$0/nsswitch.conf\" /etc/nsswitch.conf && mount --bind \"$0/resolv.conf\" /etc/resolv.conf \
                && mount -t tmpfs none /run && mkdir /run/avahi-daemon";
            let mut sh = Command::new("sh");
            assert!(sh.args(["-c", own]).arg(dir.path()).status().unwrap().success());
            let dns = UdpSocket::bind("127.0.0.1:53").unwrap();
            thread::spawn(move || answer_names(&dns));
            // A daemon of mDNS to which nobody on the link has answered.
            let mdns = UnixListener::bind("/run/avahi-daemon/socket").unwrap();
            thread::spawn(move || {
                while let Ok((mut client, _)) = mdns.accept() {
                    let mut line = String::new();
                    BufReader::new(&client).read_line(&mut line).unwrap();
                    client.write_all(b"-15 Timeout reached\n").unwrap();
                }
            });
            let ask = |name: &&str| {
                let mut getent = Command::new("getent");
                getent.env("LD_LIBRARY_PATH", &modules).args(["ahostsv4", name]);
                getent.output().unwrap().status.success()
            };
            names.iter().map(ask).collect()
        });
        work.join().unwrap()
    }

    #[test]
    fn a_look_up_ends_where_getents_does() {
        const NAMES: &[&str] = &["central.local", "central.lab.local", "central.corp.example"];
        for hosts in [
            "hosts: files dns",
            "hosts: files",
            "hosts: files mdns4_minimal [NOTFOUND=return] dns",
            "hosts: files mdns4 [NOTFOUND=return] dns",
            "hosts: files mdns4_minimal dns",
            "hosts: files [NOTFOUND=return] dns",
            "hosts: files [!UNAVAIL=return] dns",
        ] {
            let ours: Vec<bool> = NAMES.iter().map(|name| judge(hosts, name).is_none()).collect();
            assert_eq!(ours, found(hosts, NAMES), "{hosts} {NAMES:?}");
        }
    }
}
