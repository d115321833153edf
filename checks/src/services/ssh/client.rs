//! What this machine's own SSH client offers, and whether a server takes any of it.
//!
//! The client itself says what it offers, with the machine's rules (`ssh -G`, which
//! connects nowhere); only the system's file is read, not that of whoever runs this.
//!
//! Reference: [RFC 4253 §7.1](https://www.rfc-editor.org/rfc/rfc4253#section-7.1).

use std::io::Read;
use std::process::{Command, Stdio};

use super::{KexInit, MSG_IGNORE, encode_packet, encode_padded, push_string};
use crate::cause::{Cause, SshCause, SshPart};
use crate::net::aside;

/// The algorithms of a client, in the order it prefers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Algorithms {
    /// Whose they are, for the report.
    pub(super) of: &'static str,
    pub(super) kex: Vec<String>,
    pub(super) host_keys: Vec<String>,
    pub(super) ciphers: Vec<String>,
    pub(super) macs: Vec<String>,
}

impl Algorithms {
    /// What `ssh HOST` offers on this machine; without an `ssh`, what any OpenSSH would.
    pub(super) async fn to(host: &str) -> Result<Self, Cause> {
        let host = host.to_owned();
        let own = aside(move || CONFIGURATIONS.iter().find_map(|file| configured(file, &host)));
        Ok(own.await?.unwrap_or_else(Self::of_openssh))
    }

    /// The lines of `ssh -G` that count.
    fn read(text: &str) -> Option<Self> {
        let list = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            Some(line.trim().split(',').map(str::to_owned).collect())
        };
        Some(Self {
            of: "this host's ssh",
            kex: list("kexalgorithms")?,
            host_keys: list("hostkeyalgorithms")?,
            ciphers: list("ciphers")?,
            macs: list("macs")?,
        })
    }

    /// All that OpenSSH's client has offered by itself since 8.0.
    pub(super) fn of_openssh() -> Self {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self {
            of: "OpenSSH 8.0 and later",
            kex: list(&KEX),
            host_keys: list(&HOST_KEYS),
            ciphers: list(&CIPHERS),
            macs: list(&MACS),
        }
    }

    /// The packet with which a client proposes these, filled up to `least` bytes.
    pub(super) fn proposal(&self, least: usize) -> Vec<u8> {
        let payload = KexInit::of(self).encode();
        // Five bytes before it.
        let padding = least.saturating_sub(payload.len() + 5);
        let mut packet = encode_padded(&payload, padding);
        let missing = least.saturating_sub(packet.len());
        if missing > 0 {
            let mut ignored = vec![MSG_IGNORE];
            push_string(&mut ignored, &vec![0; missing]);
            // Before it: what follows a proposal is part of the key exchange.
            packet = [encode_packet(&ignored), packet].concat();
        }
        packet
    }

    /// The first part that the two sides have no algorithm in common for, as a client finds it.
    pub(super) fn agrees(&self, server: &KexInit) -> Result<(), Cause> {
        use SshPart::{Cipher, HostKey, KeyExchange, Mac};

        agreed(KeyExchange, &self.kex, &server.kex)?;
        agreed(HostKey, &self.host_keys, &server.host_keys)?;
        let ways = [(&server.ciphers_in, &server.macs_in), (&server.ciphers_out, &server.macs_out)];
        for (ciphers, macs) in ways {
            let cipher = agreed(Cipher, &self.ciphers, ciphers)?;
            if !brings_its_own_mac(cipher) {
                agreed(Mac, &self.macs, macs)?;
            }
        }
        Ok(())
    }
}

/// What both sides use: the first of ours that is among theirs.
fn agreed<'a>(part: SshPart, ours: &'a [String], theirs: &[String]) -> Result<&'a str, Cause> {
    let common = ours.iter().find(|name| theirs.contains(name));
    common.map(String::as_str).ok_or_else(|| {
        Cause::Ssh(SshCause::SshNothingInCommon {
            part,
            theirs: theirs.to_vec(),
            ours: ours.to_vec(),
        })
    })
}

/// Authenticated encryption: no MAC is agreed on beside it (RFC 5647 §5.1).
fn brings_its_own_mac(cipher: &str) -> bool {
    cipher.contains("gcm@") || cipher.contains("poly1305")
}

/// Asks the client what it would offer to `host`; `None`: there is none that says.
fn configured(file: &str, host: &str) -> Option<Algorithms> {
    let mut run = Command::new("timeout")
        .args([PATIENCE, "ssh", "-G", "-F", file, "--", host])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut printed = Vec::new();
    let read = run.stdout.take()?.take(MOST).read_to_end(&mut printed);
    let ended = run.wait();
    read.ok().filter(|_| ended.is_ok_and(|status| status.success()))?;
    Algorithms::read(&String::from_utf8_lossy(&printed))
}

/// The system's own rules; none where there is no such file.
const CONFIGURATIONS: [&str; 2] = ["/etc/ssh/ssh_config", "none"];
/// Seconds: it reads two files and prints.
const PATIENCE: &str = "2";
/// Bytes of its answer; it prints four thousand.
const MOST: u64 = 64 * 1024;

/// `ssh_config(5)` of 8.0 to 10.0, `KexAlgorithms`.
const KEX: [&str; 14] = [
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
];
/// `HostKeyAlgorithms` without certificates; `ssh-rsa` until 8.8.
const HOST_KEYS: [&str; 9] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
];
const CIPHERS: [&str; 6] = [
    "chacha20-poly1305@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
];
const MACS: [&str; 10] = [
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::ssh::PROPOSAL;

    fn server(edit: impl FnOnce(&mut KexInit)) -> KexInit {
        let mut server = KexInit::example();
        edit(&mut server);
        server
    }

    fn only(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    fn missing(server: &KexInit) -> Option<(SshPart, Vec<String>)> {
        match Algorithms::of_openssh().agrees(server) {
            Err(Cause::Ssh(SshCause::SshNothingInCommon { part, theirs, .. })) => {
                Some((part, theirs))
            }
            other => {
                other.unwrap();
                None
            }
        }
    }

    #[test]
    fn a_proposal_is_as_large_as_a_real_clients() {
        for few in
            [Algorithms::of_openssh(), Algorithms { kex: only("x"), ..Algorithms::default() }]
        {
            let packet = few.proposal(PROPOSAL);
            assert!((PROPOSAL..PROPOSAL + 64).contains(&packet.len()), "{}", packet.len());
        }
    }

    #[test]
    fn what_the_client_prints_is_read() {
        let text = "user root\nkexalgorithms a,b\nhostkeyalgorithms c\nciphers d\nmacs e,f\n";
        let offer = Algorithms::read(text).unwrap();
        assert_eq!(
            (offer.kex.as_slice(), offer.macs.len()),
            (&["a", "b"].map(str::to_owned)[..], 2)
        );
        assert_eq!(Algorithms::read("kexalgorithms a\nciphers b\n"), None);
    }

    #[test]
    fn each_part_without_an_algorithm_in_common_is_named_with_the_servers_list() {
        assert_eq!(missing(&KexInit::example()), None);
        let old = only("diffie-hellman-group1-sha1");
        let case = server(|server| server.kex = old.clone());
        assert_eq!(missing(&case), Some((SshPart::KeyExchange, old)));
        let old = only("ssh-dss");
        let case = server(|server| server.host_keys = old.clone());
        assert_eq!(missing(&case), Some((SshPart::HostKey, old)));
        let old = only("3des-cbc");
        let case = server(|server| server.ciphers_out = old.clone());
        assert_eq!(missing(&case), Some((SshPart::Cipher, old)));
        let old = only("hmac-md5");
        let case = server(|server| server.macs_in = old.clone());
        assert_eq!(missing(&case), Some((SshPart::Mac, old)));
    }

    #[test]
    fn a_cipher_that_authenticates_needs_no_mac() {
        for cipher in ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"] {
            let case = server(|server| {
                (server.ciphers_in, server.ciphers_out) = (only(cipher), only(cipher));
                (server.macs_in, server.macs_out) = (only("hmac-md5"), only("hmac-md5"));
            });
            assert_eq!(missing(&case), None, "{cipher}");
        }
    }

    #[test]
    fn what_only_an_extension_marks_is_no_algorithm() {
        let marks = ["ext-info-s", "kex-strict-s-v00@openssh.com"].map(str::to_owned).to_vec();
        let case = server(|server| server.kex = marks.clone());
        assert_eq!(missing(&case), Some((SshPart::KeyExchange, marks)));
    }
}
