//! SNMP and traps against Debian's snmpd and snmptrapd, on loopback.
//!
//! Ignored unless asked for: both programs must be installed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use preflight_checks::snmp::{self, CommunityVersion, Credentials};
use preflight_checks::{
    Cause, Concern, Deadline, Finding, Peer, Probe, Transport, Trust, Value, examine, listener,
    trap,
};

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

/// A daemon of our own; dropping it ends it.
struct Daemon {
    child: Child,
    address: SocketAddr,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Daemon {
    fn start(program: &str, name: &str, settings: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _absent = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("daemon.conf");
        fs::write(&file, settings).unwrap();
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(program)
            .args(["-f", "-Lf", "/dev/null", "-C", "-c"])
            .arg(&file)
            .arg(format!("udp:{address}"))
            .env("SNMP_PERSISTENT_DIR", &folder)
            .env("MIBS", "")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address }
    }

    fn agent(name: &str) -> Self {
        Self::start("/usr/sbin/snmpd", name, AGENT)
    }

    async fn ask(&self, probe: Probe) -> Finding {
        let deadline = Deadline::after(Duration::from_secs(10));
        examine(&probe, Peer::from(self.address), deadline, &Trust::only([])).await
    }

    /// A daemon needs a moment before it binds its port.
    async fn ready(self) -> Self {
        let started = Instant::now();
        let probe = listener::Probe { transport: Transport::Udp, port: self.address.port() };
        while started.elapsed() < Duration::from_secs(20) {
            let finding = self.ask(Probe::Listener(probe.clone())).await;
            if finding.verdict.is_err_and(|cause| cause.code() == "listens-on-loopback") {
                return self;
            }
            tokio::task::yield_now().await;
        }
        panic!("the daemon does not listen")
    }

    async fn read(&self, credentials: Credentials) -> Finding {
        self.ask(Probe::Snmp(snmp::Probe { credentials })).await
    }
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
#[ignore = "needs snmpd"]
async fn communities_are_told_apart() {
    let agent = Daemon::agent("communities").ready().await;
    for version in [CommunityVersion::V1, CommunityVersion::V2c] {
        for (name, expected, worry) in [
            ("good-community", "pass", &[][..]),
            ("part-community", "pass", &["snmp-small-view"][..]),
            ("hidden-community", "snmp-view", &[][..]),
            ("wrong-community", "snmp-community", &[][..]),
        ] {
            let finding = agent.read(community(version, name)).await;
            assert_eq!(code(&finding), expected, "{version} {name}");
            assert_eq!(concerns(&finding), worry, "{version} {name}");
        }
    }
}

#[tokio::test]
#[ignore = "needs snmpd"]
async fn every_algorithm_reads() {
    let agent = Daemon::agent("algorithms").ready().await;
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
        let finding = agent.read(user(name, Some((auth, "right-password")), privacy)).await;
        assert_eq!(code(&finding), "pass", "{name}: {finding:#?}");
        assert_eq!(finding.seen.evidence.fact("sys_name"), Some(&Value::from("agent-1")));
        assert!(concerns(&finding).is_empty(), "{name}");
    }
    let finding = agent.read(user("open", None, None)).await;
    assert_eq!(code(&finding), "pass", "{finding:#?}");
}

#[tokio::test]
#[ignore = "needs snmpd"]
async fn each_mistake_with_a_user_is_named() {
    let agent = Daemon::agent("users").ready().await;
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
        let finding = agent.read(credentials).await;
        assert_eq!(code(&finding), expected, "{what}: {:?}", finding.verdict);
        let heard = finding.seen.evidence.fact("engine_id").is_some();
        assert_eq!(heard, expected != "local-error", "{what}");
    }
}

#[tokio::test]
#[ignore = "needs snmpd"]
async fn without_credentials_the_agent_is_found() {
    let agent = Daemon::agent("discovery").ready().await;
    let finding = agent.read(Credentials::None).await;
    assert_eq!(code(&finding), "pass");
    assert_eq!(concerns(&finding), ["snmp-not-read"]);
    assert_eq!(finding.seen.evidence.fact("vendor"), Some(&Value::from("net-snmp")));
}

#[tokio::test]
#[ignore = "needs snmptrapd"]
async fn trap_receivers_answer_whatever_they_allow() {
    for (name, settings) in [
        ("open-receiver", "disableAuthorization yes\n"),
        ("receiver", "authCommunity log,execute,net good-community\n"),
        ("closed-receiver", "\n"),
    ] {
        let receiver = Daemon::start("/usr/sbin/snmptrapd", name, settings).ready().await;
        let finding = receiver.ask(Probe::Trap(trap::Probe::default())).await;
        assert_eq!(code(&finding), "pass", "{name}: {finding:#?}");
    }
}

#[tokio::test]
#[ignore = "needs snmptrapd"]
async fn the_receiver_is_found_by_name_and_where_it_listens() {
    let receiver = Daemon::start("/usr/sbin/snmptrapd", "listener", "\n").ready().await;
    let probe = listener::Probe { transport: Transport::Udp, port: receiver.address.port() };
    let finding = receiver.ask(Probe::Listener(probe)).await;
    let expected = format!("snmptrapd listens on loopback only ({})", receiver.address);
    assert_eq!(finding.verdict.unwrap_err().to_string(), expected);
}
