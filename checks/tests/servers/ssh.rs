//! The SSH probe against Debian's sshd in unusual configurations, with Debian's own ssh as the judge.

use std::net::SocketAddr;
use std::process::Command;

use preflight_checks::{Cause, Probe, SshCause, SshPart, Trust, ssh};

use crate::daemon::{Home, Server, find, run};

const PORT: u16 = 2222;

/// A server with these lines in its configuration, and a host key of this type.
fn sshd(key: &str, lines: &str) -> Server {
    let home = Home::new();
    let file = home.path("key");
    run(Command::new(find("ssh-keygen")).args(["-q", "-t", key, "-N", "", "-f", &file]));
    let configuration = home.write(
        "sshd_config",
        &format!(
            "HostKey {file}\nListenAddress {}\nPidFile none\nUsePAM no\n{lines}\n",
            home.at(PORT)
        ),
    );
    // It insists on this folder, which only exists where the service has run.
    let script = format!(
        "mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {} -D -e -f {configuration}",
        find("sshd").display()
    );
    let mut command = home.command("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    home.start(command, "Server listening on")
}

/// Why this machine's ssh cannot even begin: the part, and the server's list.
fn judge(at: SocketAddr) -> Option<(SshPart, Vec<String>)> {
    let mut ssh = Command::new(find("ssh"));
    ssh.args([
        "-F",
        "/etc/ssh/ssh_config",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
    ]);
    ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-p", &at.port().to_string()]);
    let output = ssh.arg(format!("nobody@{}", at.ip())).arg("true").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let Some((_, refusal)) = said.split_once("no matching ") else {
        assert!(said.contains("Permission denied"), "{said}");
        return None;
    };
    let (what, theirs) = refusal.trim_end().split_once(" found. Their offer: ").unwrap();
    let part = match what {
        "key exchange method" => SshPart::KeyExchange,
        "host key type" => SshPart::HostKey,
        "cipher" => SshPart::Cipher,
        "MAC" => SshPart::Mac,
        other => panic!("{other}"),
    };
    Some((part, theirs.split(',').map(str::to_owned).collect()))
}

#[tokio::test]
async fn preflight_agrees_with_ssh_on_what_is_in_common() {
    let odd = [
        ("ed25519", "", true),
        ("ecdsa", "", true),
        ("rsa", "", true),
        ("rsa", "HostKeyAlgorithms ssh-rsa", false),
        ("dsa", "HostKeyAlgorithms ssh-dss", false),
        ("ed25519", "KexAlgorithms diffie-hellman-group1-sha1", false),
        ("ed25519", "KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1", false),
        ("ed25519", "KexAlgorithms diffie-hellman-group18-sha512", true),
        ("ed25519", "Ciphers aes128-cbc,3des-cbc", false),
        ("ed25519", "Ciphers aes256-ctr", true),
        ("ed25519", "MACs hmac-md5,hmac-md5-96\nCiphers aes128-ctr", false),
        ("ed25519", "MACs hmac-md5\nCiphers chacha20-poly1305@openssh.com", true),
        ("ed25519", "MACs hmac-md5\nCiphers aes256-gcm@openssh.com,aes128-cbc", true),
        ("ed25519", "Banner /etc/hostname\nVersionAddendum of the tests", true),
    ];
    for (key, lines, agrees) in odd {
        let server = sshd(key, lines);
        let said = judge(server.home.at(PORT));
        assert_eq!(said.is_none(), agrees, "this machine's ssh has rules of its own: {lines}");
        let probe = Probe::Ssh(ssh::Probe::default());
        let finding = server.ask(probe, PORT, &Trust::only([])).await;
        let found = match finding.verdict {
            Ok(()) => None,
            Err(Cause::Ssh(SshCause::SshNothingInCommon { part, theirs, ours })) => {
                assert!(ours.len() > 3, "{ours:?}");
                Some((part, theirs))
            }
            Err(other) => panic!("{key}, {lines}: {other:?}"),
        };
        assert_eq!(found, said, "{key}, {lines}");
        assert_eq!(finding.seen.evidence.fact("compared_with"), Some(&"this host's ssh".into()));
    }
}
