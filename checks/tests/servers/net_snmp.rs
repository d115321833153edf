//! SNMP and traps against Debian's snmpd and snmptrapd.

use std::net::UdpSocket;

use preflight_checks::snmp::{self, CommunityVersion, Credentials};
use preflight_checks::{Cause, Concern, Finding, Probe, Transport, Trust, Value, listener, trap};

use crate::daemon::{Home, Server};

const PORT: u16 = 1161;
const AGENT: &str = "
rocommunity good-community 127.0.0.1
rocommunity part-community 127.0.0.1 .1.3.6.1.2.1.1.1
rocommunity hidden-community 127.0.0.1 .1.3.6.1.2.1.2
sysName agent-1
createUser md5des MD5 right-password DES right-privacy
createUser shaaes SHA right-password AES right-privacy
createUser sha224aes SHA-224 right-password AES right-privacy
createUser sha256aes SHA-256 right-password AES right-privacy
createUser sha384aes192 SHA-384 right-password AES-192 right-privacy
createUser sha512aes256 SHA-512 right-password AES-256 right-privacy
createUser signed SHA right-password
createUser norights SHA right-password AES right-privacy
createUser open
rouser md5des priv
rouser shaaes priv
rouser sha224aes priv
rouser sha256aes priv
rouser sha384aes192 priv
rouser sha512aes256 priv
rouser signed auth
rouser open noauth
";

fn agent() -> Server {
    start("snmpd", AGENT, PORT)
}

fn receiver(settings: &str) -> Server {
    start("snmptrapd", settings, PORT)
}

fn start(program: &str, settings: &str, port: u16) -> Server {
    let home = Home::new();
    let mut command = home.command(program);
    command
        .args(["-f", "-Lo", "-C", "-c", &home.write("settings", settings)])
        .arg(format!("udp:{}", home.at(port)))
        .env("SNMP_PERSISTENT_DIR", home.path("state"))
        .env("MIBS", "");
    // It says so behind binding its port.
    home.start(command, "NET-SNMP version")
}

async fn ask(server: &Server, probe: Probe) -> Finding {
    server.ask(probe, PORT, &Trust::only([])).await
}

async fn read(agent: &Server, credentials: Credentials) -> Finding {
    ask(agent, Probe::Snmp(snmp::Probe { credentials })).await
}

fn community(version: CommunityVersion, name: &str) -> Credentials {
    Credentials::Community { version, community: name.into() }
}

fn user(name: &str, auth: Option<(&str, &str)>, privacy: Option<(&str, &str)>) -> Credentials {
    Credentials::User {
        name: name.to_owned(),
        auth: auth.map(|(protocol, word)| (protocol.parse().unwrap(), word.into())),
        privacy: privacy.map(|(protocol, word)| (protocol.parse().unwrap(), word.into())),
    }
}

fn code(finding: &Finding) -> &'static str {
    finding.verdict.as_ref().map_or_else(Cause::code, |()| "pass")
}

fn concerns(finding: &Finding) -> Vec<&'static str> {
    finding.seen.concerns.iter().map(Concern::code).collect()
}

#[tokio::test]
async fn communities_are_told_apart() {
    let agent = agent();
    for version in [CommunityVersion::V1, CommunityVersion::V2c] {
        for (name, expected, worry) in [
            ("good-community", "pass", &[][..]),
            ("part-community", "pass", &["snmp-small-view"][..]),
            ("hidden-community", "snmp-view", &[][..]),
            ("wrong-community", "snmp-community", &[][..]),
        ] {
            let finding = read(&agent, community(version, name)).await;
            assert_eq!(code(&finding), expected, "{version} {name}");
            assert_eq!(concerns(&finding), worry, "{version} {name}");
        }
    }
}

#[tokio::test]
async fn every_algorithm_reads() {
    let agent = agent();
    for (name, auth, privacy) in [
        ("md5des", "md5", Some("des")),
        ("shaaes", "sha", Some("aes")),
        ("sha224aes", "sha-224", Some("aes")),
        ("sha256aes", "sha-256", Some("aes")),
        ("sha384aes192", "sha-384", Some("aes-192")),
        ("sha512aes256", "sha-512", Some("aes-256")),
        ("signed", "sha", None),
    ] {
        let privacy = privacy.map(|protocol| (protocol, "right-privacy"));
        let finding = read(&agent, user(name, Some((auth, "right-password")), privacy)).await;
        assert_eq!(code(&finding), "pass", "{name}: {finding:#?}");
        assert_eq!(finding.seen.evidence.fact("sys_name"), Some(&Value::from("agent-1")));
        assert!(concerns(&finding).is_empty(), "{name}");
    }
    let finding = read(&agent, user("open", None, None)).await;
    assert_eq!(code(&finding), "pass", "{finding:#?}");
}

#[tokio::test]
async fn each_mistake_with_a_user_is_named() {
    let agent = agent();
    let (right, private) = (Some(("sha", "right-password")), Some(("aes", "right-privacy")));
    for (what, credentials, expected) in [
        ("unknown user", user("ghost", right, private), "snmp-unknown-user"),
        ("unknown open user", user("ghost", None, None), "snmp-unknown-user"),
        ("password", user("shaaes", Some(("sha", "wrong-password")), private), "snmp-wrong-digest"),
        (
            "algorithm",
            user("shaaes", Some(("md5", "right-password")), private),
            "snmp-wrong-digest",
        ),
        (
            "long digest",
            user("shaaes", Some(("sha-512", "right-password")), private),
            "snmp-wrong-digest",
        ),
        ("privacy key", user("shaaes", right, Some(("aes", "wrong-privacy"))), "snmp-decryption"),
        ("cipher", user("shaaes", right, Some(("des", "right-privacy"))), "snmp-decryption"),
        ("no privacy", user("signed", right, private), "snmp-security-level"),
        ("level too low", user("shaaes", right, None), "snmp-authorization"),
        ("level lowest", user("shaaes", None, None), "snmp-authorization"),
        ("no rights", user("norights", right, private), "snmp-authorization"),
        ("short password", user("shaaes", Some(("sha", "short")), None), "local-error"),
    ] {
        let finding = read(&agent, credentials).await;
        assert_eq!(code(&finding), expected, "{what}: {:?}", finding.verdict);
        let heard = finding.seen.evidence.fact("engine_id").is_some();
        assert_eq!(heard, expected != "local-error", "{what}");
    }
}

#[tokio::test]
async fn without_credentials_the_agent_is_found() {
    let agent = agent();
    let finding = read(&agent, Credentials::None).await;
    assert_eq!(code(&finding), "pass");
    assert_eq!(concerns(&finding), ["snmp-not-read"]);
    assert_eq!(finding.seen.evidence.fact("vendor"), Some(&Value::from("net-snmp")));
}

#[tokio::test]
async fn trap_receivers_answer_whatever_they_allow() {
    for settings in
        ["disableAuthorization yes\n", "authCommunity log,execute,net good-community\n", "\n"]
    {
        let receiver = receiver(settings);
        let finding = ask(&receiver, Probe::Trap(trap::Probe::default())).await;
        assert_eq!(code(&finding), "pass", "{settings}: {finding:#?}");
    }
}

#[tokio::test]
async fn the_receiver_is_found_by_name_and_where_it_listens() {
    // The tables are those of the whole host: nobody else is to have this port, on any address.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let receiver = start("snmptrapd", "\n", port);
    let probe = listener::Probe::of(Transport::Udp, port);
    let finding = ask(&receiver, Probe::Listener(probe)).await;
    let expected = format!("snmptrapd listens on loopback only ({})", receiver.home.at(port));
    assert_eq!(finding.verdict.unwrap_err().to_string(), expected);
}
