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
    let hosts = file("127.0.0.1 twins.example\n127.0.0.2 twins.example\n");
    let target = format!("twins.example:{}", ntp.address.port());
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
