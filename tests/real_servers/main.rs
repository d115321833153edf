//! A healthy site of real servers, as Debian packages them: `preflight` raises no false alarm about
//! it, and what it reports can only come from these servers.

// A broken lab must stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)] // measured times are for the administrator of this

#[path = "../lab/mod.rs"]
mod lab;
#[path = "../support/mod.rs"]
mod support;

mod beside_services;
mod examples;
mod firewalls;
mod hidden;
mod holding;
mod html;
mod installed;
mod listening;
mod manners;
mod names;
mod own_firewall;
mod pairing;
mod pairing_modes;
mod responding;
mod sinks;
mod watching;

use std::process::Command;
use std::{fs, thread};

use serde_json::Value;

use lab::servers::{self, Certificate};
use lab::{Lab, Node};

#[test]
fn a_poller_of_a_healthy_site_passes() {
    let (lab, tls) = site();
    together(&[
        &|| servers::chronyd(&lab),
        &|| servers::postfix(&lab, &tls),
        &|| servers::nginx(&lab, &tls),
        &|| servers::snmpd(&lab),
        &|| servers::snmptrapd(&lab, Node::Client),
    ]);
    let community = lab.write("community", servers::SNMP_COMMUNITY);

    let report = preflight(
        lab.in_client(PREFLIGHT)
            .args(["--role", "poller", "--ntp", "time.example.test", "--dns", "10.0.0.3"])
            .args(["--smtp", "mail.example.test", "--http", "https://www.example.test/"])
            .args(["--device", "switch.example.test", "--skip", "poller.bbdo=no broker in Debian"])
            .arg("--snmp-community-file")
            .arg(community)
            .arg("--ca")
            .arg(tls.ca),
    );

    report.says(&[
        ("poller.ntp", "pass", &["stratum\": 7"]),
        ("poller.dns", "pass", &[]),
        ("poller.smtp", "pass", &["mail.example.test ESMTP Postfix", "Authority of the lab"]),
        ("poller.http", "pass", &["nginx/", "Authority of the lab"]),
        ("central.zmq", "warn", &["nothing-listens-yet"]),
        ("central.ssh", "warn", &["nothing-listens-yet"]),
        ("poller.snmp", "pass", &["switch.example.test", "switch of the lab"]),
        ("poller.trap", "pass", &["snmptrapd"]),
    ]);
}

#[test]
fn a_central_of_a_healthy_site_passes() {
    let (lab, tls) = site();
    together(&[
        &|| servers::chronyd(&lab),
        &|| servers::postfix(&lab, &tls),
        &|| servers::nginx(&lab, &tls),
        &|| servers::squid(&lab),
        &|| servers::slapd(&lab, &tls),
        &|| servers::zmq_router(&lab, Node::Server, 5556),
        &|| servers::sshd(&lab),
    ]);
    let password = lab.write("password", servers::LDAP_PASSWORD);

    let report = preflight(
        lab.in_client(PREFLIGHT)
            .args(["--role", "central", "--ntp", "time.example.test", "--dns", "10.0.0.3"])
            .args(["--smtp", "mail.example.test", "--http", "https://www.example.test/"])
            .args(["--proxy", "http://proxy.example.test:3128", "--ldap", "ldap.example.test"])
            .args(["--poller", "poller.example.test", "--port", "central.zmq=5556"])
            .args(["--ldap-bind-dn", servers::LDAP_USER, "--ldap-password-file"])
            .arg(password)
            .arg("--ca")
            .arg(tls.ca),
    );

    report.says(&[
        ("central.ntp", "pass", &["stratum\": 7"]),
        ("central.dns", "pass", &[]),
        ("central.smtp", "pass", &["mail.example.test ESMTP Postfix", "Authority of the lab"]),
        ("central.ldap", "pass", &["dc=example,dc=test", "Authority of the lab"]),
        ("central.proxy", "pass", &[]),
        ("central.http", "pass", &["nginx/", "proxy.example.test"]),
        ("central.zmq", "pass", &["ROUTER", "router-external"]),
        ("central.ssh", "pass", &["SSH-2.0-OpenSSH_", " lab\"", "ssh-ed25519"]),
        ("poller.bbdo", "warn", &["nothing-listens-yet"]),
    ]);
}

#[test]
fn flows_of_ones_own_pass() {
    let (lab, tls) = site();
    together(&[
        &|| servers::mariadbd(&lab, "10.2.0.%"),
        &|| servers::postgresql(&lab, &tls),
        &|| servers::nginx(&lab, &tls),
        &|| servers::slapd(&lab, &tls),
        &|| servers::snmpd(&lab),
        &|| servers::snmptrapd(&lab, Node::Server),
    ]);
    let auth = lab.write("auth", servers::SNMP_AUTH_PASSWORD);
    let privacy = lab.write("priv", servers::SNMP_PRIV_PASSWORD);

    let report = preflight(
        lab.in_client(PREFLIGHT)
            .args(["--role", "central", "--only", "custom.*"])
            .args(["--check", "mariadb=mysql://10.0.0.3"])
            .args(["--check", &format!("postgresql={POSTGRESQL}")])
            .args(["--check", "tcp=tcp://[fd00::3]:80"])
            .args(["--check", "tls=tls://www.example.test:443"])
            .args(["--check", "http=http://www.example.test/"])
            .args(["--check", "ldaps=ldaps://ldap.example.test"])
            .args(["--check", "trap=trap://10.0.0.3"])
            .args(["--check", "snmp=snmp://switch.example.test"])
            .args(["--snmp-user", servers::SNMP_USER, "--snmp-auth-file"])
            .arg(auth)
            .arg("--snmp-priv-file")
            .arg(privacy)
            .arg("--ca")
            .arg(tls.ca),
    );

    report.says(&[
        ("custom.mariadb", "pass", &["-MariaDB"]),
        ("custom.postgresql", "pass", &["Authority of the lab", "asks for a password (SCRAM)"]),
        ("custom.tcp", "pass", &["[fd00::3]:80"]),
        ("custom.tls", "pass", &["Authority of the lab", "switch.example.test"]),
        ("custom.http", "pass", &["nginx/"]),
        ("custom.ldaps", "pass", &["dc=example,dc=test"]),
        ("custom.trap", "pass", &["engine_id"]),
        ("custom.snmp", "pass", &["switch of the lab"]),
    ]);
}

#[test]
fn a_server_without_the_time_does_not_pass() {
    let lab = Lab::new();
    servers::unsynchronised_chronyd(&lab);

    let report = preflight(lab.in_client(PREFLIGHT).args([
        "--role",
        "poller",
        "--only",
        "poller.ntp",
        "--ntp",
        "10.0.0.3",
    ]));

    report.says(&[("poller.ntp", "fail", &["ntp-unsynchronised"])]);
}

#[test]
fn a_gorgone_on_another_port_than_the_tables_is_found() {
    let lab = Lab::new();
    servers::zmq_router(&lab, Node::Server, 5556);

    let report = preflight(lab.in_client(PREFLIGHT).args([
        "--role",
        "central",
        "--only",
        "central.zmq",
        "--poller",
        "10.0.0.3",
    ]));

    report.says(&[("central.zmq", "fail", &["found-on-other-port", "router-external"])]);
}

#[test]
fn a_directory_that_its_domain_names_is_asked_on_the_ports_of_both_ways() {
    let lab = Lab::new();
    lab.etc(Node::Client, "resolv.conf", &format!("nameserver {}\n", lab::SERVER));
    servers::named(&lab, "_ldap._tcp SRV 0 100 389 ldap");
    let tls = Certificate::new(&lab);
    servers::slapd(&lab, &tls);
    let password = lab.write("password", servers::LDAP_PASSWORD);
    let ask = |credentials: &[&str]| {
        preflight(
            lab.in_client(PREFLIGHT)
                .args(["--role", "central", "--only", "central.ldap"])
                .args(["--ldap-domain", "example.test"])
                .args(credentials)
                .arg("--ca")
                .arg(&tls.ca),
        )
    };

    let bare = ask(&[]);
    bare.says(&[("central.ldap", "pass", &["10.0.0.3:636", "10.0.0.3:389", "root DSE"])]);
    let file = password.to_str().unwrap();
    let bound = ask(&["--ldap-bind-dn", servers::LDAP_USER, "--ldap-password-file", file]);
    bound.says(&[("central.ldap", "pass", &["10.0.0.3:636", "\"bound, dc=example,dc=test\""])]);
}

/// What cbd's own library makes of each output that a poller can have.
#[test]
fn the_tls_of_a_broker_is_made_as_gnutls_makes_it() {
    let (lab, tls) = site();
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (ca, chain, key) = (path(&tls.ca), path(&tls.chain), path(&tls.key));
    let own = ["--x509certfile", &chain, "--x509keyfile", &key].map(str::to_owned);
    let wanted = ["--x509cafile", &ca, "--require-client-cert", "--verify-client-cert"];
    let wanted: Vec<String> = own.iter().cloned().chain(wanted.map(str::to_owned)).collect();
    servers::broker_with_gnutls(&lab, 5669, &wanted);
    servers::broker_with_gnutls(&lab, 5679, &own);
    servers::broker_with_gnutls(&lab, 5689, &[]);
    let other = lab.write("other.pem", &servers::another_authority());
    let other = path(&other);
    let ask = |port: u16, output: &str, outcome: &str, says: &str| {
        let port = format!("poller.bbdo={port}");
        let mut command = lab.in_client(PREFLIGHT);
        command.args(["--role", "poller", "--only", "poller.bbdo", "--phase", "after"]);
        command.args(["--central", "10.0.0.3", "--port", &port]);
        if !output.is_empty() {
            command.args(["--bbdo-tls", output]);
        }
        let report = preflight(&mut command);
        report.says(&[("poller.bbdo", outcome, &[says])]);
    };
    let whole = format!("certificate={chain},key={key},ca={ca}");
    let named = |name: &str| format!("{whole},hostname={name}");

    for port in [5669, 5679] {
        ask(port, &named("central.example.test"), "pass", "Central, TLS 1.3");
        ask(port, &named("elsewhere.example.test"), "fail", "bbdo-certificate");
        ask(port, &format!("certificate={chain},key={key},ca={other}"), "fail", "bbdo-certificate");
        ask(port, &format!("ca={ca}"), "fail", "bbdo-tls-anonymous");
        ask(port, "mode=yes", "fail", "bbdo-tls-anonymous");
        ask(port, "mode=no", "warn", "bbdo-tls-not-asked");
    }
    ask(5689, "mode=yes", "pass", "Central, anonymous TLS");
    ask(5689, &format!("ca={ca}"), "fail", "bbdo-tls-anonymous");
    ask(5689, &whole, "fail", "bbdo-tls-no-certificate");
    ask(5689, "", "pass", "TLS not tested");
    ask(5689, "certificate=/nowhere,key=/nowhere", "fail", "bbdo-file-unusable");
}

#[test]
fn a_lab_leaves_nothing_behind() {
    let lab = Lab::new();
    servers::zmq_router(&lab, Node::Server, 5556);
    let folder = lab.path("");
    let name = folder.file_name().unwrap().to_string_lossy().split_once('.').unwrap().0.to_owned();
    let namespaces = || ["/run/netns", "/etc/netns"].map(|all| entries_of(all, &name));
    assert_eq!(namespaces(), [3, 3]);

    drop(lab);

    assert_eq!(namespaces(), [0, 0]);
    assert!(!folder.exists());
}

/// How many entries of `folder` belong to the lab `name`.
fn entries_of(folder: &str, name: &str) -> usize {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(|entry| entry.to_string_lossy().starts_with(&format!("{name}-"))).count()
}

/// A lab whose client resolves names with a server that knows them.
/// Of two addresses of the poller the router lets one through: questions, looks at the path and
/// the request all have to go by the one that was asked for.
#[test]
fn a_machine_with_two_addresses_is_checked_from_the_one_given() {
    const OTHER: &str = "10.2.0.8";
    let lab = Lab::new();
    lab.ip(Node::Client, &format!("address add {OTHER}/24 dev eth0"));
    servers::zmq_router(&lab, Node::Server, 5556);
    lab.rule(Node::Router, "forward", &format!("ip saddr {OTHER} tcp dport 5556 drop"));
    let run = |more: &[&str]| {
        let mut command = lab.in_client(PREFLIGHT);
        command.args(["--role", "central", "--poller", "10.0.0.3:5556", "--only", "central.zmq"]);
        command.args(["--phase", "after"]).args(more);
        preflight(&mut command).0["steps"][0].take()
    };
    let usual = run(&[]);
    assert_eq!(
        (&usual["outcome"], &usual["attempts"][0]["source"]),
        (&"pass".into(), &"10.2.0.7".into()),
        "{usual:#}"
    );
    let other = run(&["--from", OTHER]);
    assert_eq!(other["attempts"][0]["source"], OTHER, "{other:#}");
    // A look at the path from the usual address would have reached the port.
    assert_eq!(other["cause"]["code"], "port-silent-after", "{other:#}");
    assert_eq!(other["cause"]["device"], "10.2.0.1", "{other:#}");
    assert!(other["cause"]["remedy"]["text"].as_str().unwrap().contains(OTHER), "{other:#}");
}

/// An address of a link says nothing without its interface.
#[test]
fn a_peer_on_the_segment_is_asked_by_its_address_of_the_link() {
    let lab = Lab::new();
    servers::zmq_router(&lab, Node::Router, 5556);
    lab.ip(Node::Router, "address add fe80::99/64 dev client");
    let report = preflight(lab.in_client(PREFLIGHT).args([
        "--role",
        "central",
        "--poller",
        "[fe80::99%eth0]:5556",
        "--only",
        "central.zmq",
    ]));
    let step = &report.0["steps"][0];
    assert_eq!(step["outcome"], "pass", "{step:#}");
    assert_eq!(step["target"]["host"], "fe80::99%eth0");
    // Nor does the kernel's number for it.
    let closed = preflight(lab.in_client(PREFLIGHT).args([
        "--role",
        "poller",
        "--ntp",
        "fe80::99%eth0",
        "--only",
        "poller.ntp",
    ]));
    let step = &closed.0["steps"][0];
    let says = "nothing listens on [fe80::99%eth0]:123";
    for told in [&step["result"], &step["cause"]["message"]] {
        assert_eq!(*told, says, "{step:#}");
    }
}

/// What keeps this host's look-up from DNS is the cause, as `getent` finds nothing either; DNS is asked
/// where nothing does.
#[test]
fn a_name_that_nsswitch_keeps_from_dns_is_not_called_missing() {
    let (lab, _) = site();
    let name = "mail.example.test";
    for (hosts, code) in [
        ("files", Some("name-not-asked-for")),
        ("files [NOTFOUND=return] dns", Some("name-not-asked-for")),
        ("files dns", None),
    ] {
        lab.etc(Node::Client, "nsswitch.conf", &format!("# the site's\nhosts: {hosts}\n"));
        let getent = lab.in_client("getent").args(["ahosts", name]).status().unwrap();
        assert_eq!(getent.success(), code.is_none(), "{hosts}");
        let report = preflight(
            lab.in_client(PREFLIGHT)
                .args(["--role", "poller", "--only", "poller.bbdo", "--no-trace"])
                .args(["--central", name]),
        );
        let step = format!("{:#}", report.0["steps"]);
        match code {
            Some(code) => {
                assert!(step.contains(code), "{hosts}: {step}");
                assert!(step.contains("/etc/nsswitch.conf:2"), "{hosts}: {step}");
            }
            None => assert!(!step.contains("\"name-"), "{hosts}: {step}"),
        }
    }
}

fn site() -> (Lab, Certificate) {
    let lab = Lab::new();
    lab.etc(Node::Client, "resolv.conf", &format!("nameserver {}\n", lab::SERVER));
    servers::named(&lab, "");
    let tls = Certificate::new(&lab);
    (lab, tls)
}

/// Starts servers side by side.
fn together(starts: &[&(dyn Fn() + Sync)]) {
    thread::scope(|scope| {
        for start in starts {
            scope.spawn(start);
        }
    });
}

/// Runs `preflight`; its exit code is the one its report announces.
fn preflight(command: &mut Command) -> Report {
    let output = command.args(["--no-discovery", "--format", "json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = Report(serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}:\n{text}{}", String::from_utf8_lossy(&output.stderr))
    }));
    support::schema::check(&report.0);
    assert_eq!(report.0["summary"]["exit_code"], output.status.code().unwrap());
    report
}

struct Report(Value);

impl Report {
    /// Holds when these flows, and no others, were asked, each with its outcome, and each step says
    /// all of its texts, wherever in it; only a warning carries concerns.
    fn says(&self, expected: &[(&str, &str, &[&str])]) {
        let steps = self.0["steps"].as_array().unwrap();
        let asked = || steps.iter().filter(|step| step["outcome"] != "skip");
        let flows: Vec<&str> = asked().filter_map(|step| step["flow"].as_str()).collect();
        let expected_flows: Vec<&str> = expected.iter().map(|(flow, ..)| *flow).collect();
        assert_eq!(flows, expected_flows, "{:#}", self.0);
        for (step, (flow, outcome, texts)) in asked().zip(expected) {
            let whole = format!("{step:#}");
            assert_eq!(step["outcome"], *outcome, "{flow}: {whole}");
            assert_eq!(step.get("concerns").is_some(), *outcome == "warn", "{flow}: {whole}");
            for text in *texts {
                assert!(whole.contains(text), "{flow} lacks `{text}`: {whole}");
            }
        }
    }
}

const POSTGRESQL: &str = "postgresql://monitoring@database.example.test/postgres";
const PREFLIGHT: &str = env!("CARGO_BIN_EXE_preflight");
