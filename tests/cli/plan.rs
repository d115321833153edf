//! `preflight plan`: every step of a run, and not one packet.

use crate::support::far::Quiet;
use crate::support::page::{fits, is_aligned, is_inert};
use crate::support::{preflight, step};

/// A poller's plan with every kind of target, each at a port that counts.
fn planned(format: &str) -> (String, usize) {
    let quiet = Quiet::new();
    let (at, url) = (quiet.at(), format!("http://{}", quiet.at()));
    let check = format!("erp=tcp://{at}");
    let ended = preflight(&[
        "plan",
        "--role",
        "poller",
        "--ntp",
        &at,
        "--dns",
        &at,
        "--smtp",
        &at,
        "--http",
        &url,
        "--central",
        &at,
        "--device",
        &at,
        "--nsclient",
        &at,
        "--vpn",
        &at,
        "--check",
        &check,
        "--skip",
        "poller.smtp=mail goes another way",
        "--format",
        format,
    ]);
    (ended.quietly(0).stdout, quiet.contacts())
}

#[test]
fn a_plan_asks_nobody_and_shows_every_step() {
    let (table, contacts) = planned("table");
    assert_eq!(contacts, 0);
    for flow in ["poller.ntp", "poller.bbdo", "poller.snmp", "poller.vpn", "custom.erp"] {
        assert!(table.contains(flow), "{flow}: {table}");
    }
    let words: Vec<&str> = table.split_whitespace().collect();
    assert!(words.join(" ").contains("not checked: mail goes another way"), "{table}");
    fits(&table, 80);
    is_aligned(&rows(&table));
    is_inert(&table);
}

/// The table without the lines under its rows, which are as wide as the page.
fn rows(table: &str) -> String {
    let is_origin = |line: &&str| line.trim_start().starts_with("from ");
    table.lines().filter(|line| !is_origin(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_plan_says_once_where_its_values_came_from() {
    let ended = preflight(&[
        "plan",
        "--role",
        "poller",
        "--central",
        "10.0.0.5",
        "--port",
        "poller.bbdo=5670",
        "--ntp",
        "ntp.example:1123",
        "--only",
        "poller.bbdo,poller.ntp,poller.trap,poller.smtp",
    ]);
    insta::assert_snapshot!(ended.quietly(0).stdout, @r"
    plan · poller · profile i-vertix · before installation · nothing was sent
    flow table version 3 of 2026-11-29, after i-Vertix 24.10, Centreon 24.10

      FLOW         TARGET       PLAN
      poller.ntp   ntp.example  ntp 1123/udp
                   from --ntp
      poller.smtp               not checked: no target; give --smtp HOST
      poller.bbdo  10.0.0.5     bbdo 5670/tcp
                   target from --central, port from --port
      poller.trap  this host    look who listens here on 162/udp [optional]

      What may follow a question, at most; not with --no-trace what has a *:
      after a silence, or a port that is closed *
        packets: 36 to that host: the port with growing hop limits, ping, TCP 443,
        80, 22, UDP 33434
        connections: none: a RST ends each handshake before it is complete
      after a first packet that was lost *
        packets: 19 to the port, from five ports of ours
        connections: none; over UDP 19 questions
      after a delay like that of a lost packet, over TCP
        packets: 12 SYN (none for SSH)
        connections: none
      after a silence on an open connection
        connections: 1 with the same words; where size may matter 2 more, one of
        them with small packets
      after a connection without a word *
        connections: 7: the first words of TLS, none at all, its own behind a PROXY
        header, those of LDAP, BBDO, NRPE, OpenVPN (of a proxy 2: SOCKS, TLS); none
        to an SSH port that closes or resets at once; to a mute broker none but the
        one for TLS
      after a RST in the middle *
        packets: 32 to that host
        connections: 17 with the same words, at services that are not on this
        machine; the first three of a service in a run
    ");
}

#[test]
fn a_plan_for_programs_has_origins_and_ports() {
    let (json, contacts) = planned("json");
    assert_eq!(contacts, 0);
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    let silence = &plan["follow_ups"][0];
    assert_eq!(silence["after"], "a silence, or a port that is closed");
    assert!(silence["packets"].as_str().unwrap().starts_with("36 to that host"), "{silence}");
    assert_eq!(silence["trace"], true);
    assert_eq!((&plan["role"], &plan["profile"]), (&"poller".into(), &"i-vertix".into()));
    let ntp = &step(&plan, "poller.ntp")["ask"];
    assert_eq!(
        (&ntp["origin"]["flag"], &ntp["ways"][0]["protocol"]),
        (&"--ntp".into(), &"ntp".into())
    );
    assert_eq!(step(&plan, "central.ssh")["ask"]["ways"][0]["port_origin"]["kind"], "profile");
    let smtp = &step(&plan, "poller.smtp")["skip"];
    assert_eq!((&smtp["reason"], &smtp["why"]), (&"asked".into(), &"mail goes another way".into()));
}

#[test]
fn a_plan_is_no_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("plan.html");
    let to_file = format!("html={}", page.display());
    let ended = preflight(&["plan", "--role", "poller", "--format", &to_file]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("a plan is written as table or json"), "{}", ended.stderr);
    assert!(!page.exists());
}
