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
    for words in ["NTP server", "BBDO", "SNMP", "VPN gateway", "Asked for"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let words: Vec<&str> = table.split_whitespace().collect();
    assert!(words.join(" ").contains("not checked: mail goes another way"), "{table}");
    fits(&table, 80);
    is_aligned(&rows(&table));
    is_inert(&table);
}

/// The table without the lines under its rows, which are as wide as the page.
fn rows(table: &str) -> String {
    let is_under = |line: &&str| {
        let blanks = line.len() - line.trim_start().len();
        blanks == 6
    };
    table.lines().filter(|line| !is_under(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_plan_has_the_columns_of_the_flow_tables_and_ids_and_origins_when_it_is_asked_for_them() {
    let plan = |more: &[&str]| {
        let all = ["plan", "--role", "poller", "--central", "10.0.0.5", "--ntp", "nts://10.0.0.3"];
        preflight(&[&all[..], more].concat()).quietly(0).stdout
    };
    let short = plan(&[]);
    let head: Vec<&str> =
        short.lines().find(|it| it.contains("FROM")).unwrap().split_whitespace().collect();
    assert_eq!(head, ["FROM", "TO", "PROTOCOL", "PORT", "APPLICATION"]);
    let row = |words: &str| {
        let found = short.lines().find(|line| line.contains(words));
        found
            .unwrap_or_else(|| panic!("{words}: {short}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(row("BBDO"), "poller central 10.0.0.5 BBDO TCP 5669 Transfer of");
    // Keys come over TCP, and the time itself over UDP.
    assert!(row("NTP server").contains("TCP 4460,"), "{short}");
    assert!(short.contains("UDP 123"), "{short}");
    assert!(!short.contains("poller.bbdo") && !short.contains("from --central"), "{short}");
    let long = plan(&["--verbose"]);
    assert!(long.contains("\n      poller.bbdo, from --central\n"), "{long}");
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
        "--verbose",
    ]);
    insta::assert_snapshot!(ended.quietly(0).stdout, @r"
    plan · poller · profile i-vertix · before installation · nothing was sent
    flow table version 3 of 2026-11-29, after i-Vertix 24.10, Centreon 24.10

      FROM    TO                      PROTOCOL   PORT      APPLICATION
      poller  NTP server ntp.example  NTP        UDP 1123  Synchronization of the
                                                           system clock
          poller.ntp, from --ntp
      poller  SMTP server             SMTP       TCP 25    Notification via email
          not checked: no target; give --smtp HOST
          poller.smtp
      poller  central 10.0.0.5        BBDO       TCP 5670  Transfer of collected
                                                           data
          poller.bbdo, target from --central, port from --port
      device  poller                  SNMP trap  UDP 162   Monitoring (optional)
          look who listens here
          poller.trap

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
      after a pass over SMTP, or over BBDO at a name
        packets: 3 questions to this machine's own DNS servers: the name of an
        address (PTR), and back
      after a silence on an open connection
        connections: 1 with the same words; where size may matter 3 more, one of
        them with small packets
      after a connection without a word *
        packets: 47 to that host: ping, UDP 33434, and the port with growing hop
        limits
        connections: 13: the first words of TLS, none at all (twice), its own behind
        a PROXY header, those of LDAP, BBDO, NRPE, OpenVPN, PostgreSQL, Redis, MQTT,
        SMB, DNS (of a proxy 2: SOCKS, TLS); none to an SSH port that closes or
        resets at once; to a mute broker none but the one for TLS
      after a hop limit that was used up *
        packets: 8 to the port with growing hop limits
        connections: none
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
