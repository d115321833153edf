//! Names: resolved as the system would, each address shown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::far::{file, healthy};
use crate::support::{Ended, PROGRAM, finish, preflight, step, wrapped};

fn ask_time(name: &str, more: &[&str]) -> Ended {
    let only = ["--role", "poller", "--only", "poller.ntp", "--format", "json", "--ntp", name];
    preflight(&[&only[..], more].concat())
}

#[test]
fn localhost_is_asked_at_every_address_it_has() {
    let ntp = healthy("ntp");
    let report = ask_time(&format!("localhost:{}", ntp.address.port()), &[]).quietly(0).report();
    let step = step(&report, "poller.ntp");
    let attempts = step["attempts"].as_array().unwrap();
    let mut asked: Vec<SocketAddr> = attempts
        .iter()
        .map(|attempt| attempt["address"].as_str().unwrap().parse().unwrap())
        .collect();
    let mut known: Vec<SocketAddr> =
        ("localhost", ntp.address.port()).to_socket_addrs().unwrap().collect();
    asked.sort();
    known.sort();
    known.dedup();
    assert_eq!(asked, known);
    assert!(step["timings"]["resolve_ms"].is_number(), "{step:#}");
}

#[test]
fn a_name_nobody_knows_is_named_and_costs_no_more_than_its_deadline() {
    let started = Instant::now();
    let report = ask_time("no-such-host.invalid", &["--timeout", "0.1"]).quietly(1).report();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let cause = &step(&report, "poller.ntp")["cause"];
    let code = cause["code"].as_str().unwrap();
    // Without any network the resolver cannot even say that there is no such name.
    assert!(["name-not-found", "resolver-failed"].contains(&code), "{cause:#}");
    assert!(cause["message"].as_str().unwrap().contains("no-such-host.invalid"), "{cause:#}");
}

/// `sh` sees an `/etc/hosts` of its own and then becomes our program.
const WITH_OWN_HOSTS: &str = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;

#[test]
fn one_of_two_addresses_that_fails_is_shown_with_the_one_that_works() {
    let ntp = healthy("ntp");
    let other = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), ntp.address.port());
    let hosts = file("127.0.0.1 twins.localhost\n127.0.0.2 twins.localhost\n");
    let target = format!("twins.localhost:{}", ntp.address.port());
    let mut unshare = Command::new("/usr/bin/unshare");
    unshare.args(["--map-root-user", "--mount", "/bin/sh", "-c", WITH_OWN_HOSTS, "sh"]);
    unshare.args([hosts.path().to_str().unwrap(), PROGRAM]);
    let arguments =
        ["--role", "poller", "--only", "poller.ntp", "--format", "json", "--ntp", &target];
    let report = finish(wrapped(unshare, &arguments)).quietly(0).report();
    let step = step(&report, "poller.ntp");
    assert_eq!(step["concerns"][0]["code"], "some-addresses-fail", "{step:#}");
    let attempts = step["attempts"].as_array().unwrap();
    let seen: Vec<_> = attempts.iter().map(|one| (&one["address"], &one["outcome"])).collect();
    assert!(seen.contains(&(&ntp.at().into(), &"pass".into())), "{step:#}");
    assert!(seen.contains(&(&other.to_string().into(), &"fail".into())), "{step:#}");
}

/// The program with an `/etc/resolv.conf` of its own, and no network.
fn with_resolv(text: &str, arguments: &[&str]) -> Ended {
    let resolv = file(text);
    let mut unshare = Command::new("/usr/bin/unshare");
    unshare.args(["--map-root-user", "--mount", "--net", "/bin/sh", "-c"]);
    unshare.args([r#"mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#, "sh"]);
    unshare.args([resolv.path().to_str().unwrap(), PROGRAM]);
    finish(wrapped(unshare, arguments))
}

#[test]
fn without_a_name_server_the_row_of_dns_fails_and_explains_the_others() {
    let arguments = ["--role", "poller", "--only", "poller.ntp,poller.dns,poller.smtp", "--format"];
    let targets = ["json", "--ntp", "time.example.test", "--smtp", "mail.example.test"];
    let report = with_resolv("# nothing\n", &[&arguments[..], &targets].concat()).report();
    let dns = step(&report, "poller.dns");
    assert_eq!(
        (&dns["outcome"], &dns["cause"]["code"]),
        (&"fail".into(), &"no-name-server".into())
    );
    for other in ["poller.ntp", "poller.smtp"] {
        let other = step(&report, other);
        assert_eq!(other["cause"]["code"], "no-name-server", "{other:#}");
        assert_eq!(other["because_of"], dns["id"], "{other:#}");
    }
    let reasons = report["summary"]["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{reasons:#?}");
}

/// What a copy's loopback means is known on that machine alone.
#[test]
fn a_copys_own_files_count_and_its_loopback_is_never_asked_here() {
    let copy = tempfile::tempdir().unwrap();
    let etc = copy.path().join("etc");
    std::fs::create_dir(&etc).unwrap();
    std::fs::write(etc.join("hosts"), "127.0.1.1 central\n127.0.0.9 localhost\n").unwrap();
    std::fs::write(etc.join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    let root = copy.path().to_str().unwrap();
    let only = "poller.dns,poller.ntp,poller.bbdo";
    let run = ["--role", "poller", "--root", root, "--only", only, "--format", "json"];
    let targets = ["--central", "central", "--ntp", "time.example.test"];
    let report = preflight(&[&run[..], &targets].concat()).quietly(3).report();
    for own in ["poller.dns", "poller.bbdo"] {
        let own = step(&report, own);
        assert_eq!(own["outcome"], "skip", "{own:#}");
        assert!(own["result"].as_str().unwrap().contains("that machine itself"), "{own:#}");
    }
    let time = step(&report, "poller.ntp");
    assert_eq!(
        (&time["outcome"], &time["cause"]["code"]),
        (&"unknown".into(), &"name-server-elsewhere".into())
    );
}

/// A stale line of the hosts file is told, where a failure stands.
#[test]
fn a_failure_tells_who_gave_the_address() {
    let hosts = file("127.0.0.1 localhost\n\n127.0.0.1 stale.localhost\n");
    let mut unshare = Command::new("/usr/bin/unshare");
    unshare.args(["--map-root-user", "--mount", "/bin/sh", "-c", WITH_OWN_HOSTS, "sh"]);
    unshare.args([hosts.path().to_str().unwrap(), PROGRAM]);
    let run = ["--role", "poller", "--only", "poller.bbdo", "--phase", "after", "--central"];
    let ended = finish(wrapped(unshare, &[&run[..], &["stale.localhost:1"]].concat()));
    assert!(ended.stdout.contains("name       127.0.0.1 (/etc/hosts:3)"), "{}", ended.stdout);
}
