//! What answers here? Names a protocol by the first bytes of its answer.
//!
//! Used only to say what was found instead of what was expected; a probe never
//! passes because of it.

use serde::{Deserialize, Serialize};

use crate::wire::crc16_x25;

/// A protocol, recognised by how its answer begins; its name is for a cause's sentence, asides marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Spoken {
    /// `SSH-2.0-…`
    #[strum(serialize = "an SSH server")]
    Ssh,
    /// `HTTP/1.1 …` or an HTML page.
    #[strum(serialize = "a web server ⟨HTTP⟩")]
    Http,
    /// A web page that a proxy signs as its own.
    #[strum(serialize = "an HTTP proxy")]
    Proxy,
    /// An HTTP/2 SETTINGS frame.
    #[strum(serialize = "an HTTP/2 server")]
    Http2,
    /// A TLS record.
    #[strum(serialize = "a TLS server")]
    Tls,
    /// `220 … SMTP`
    #[strum(serialize = "a mail server ⟨SMTP⟩")]
    Smtp,
    /// `220 …` without a word of mail.
    #[strum(serialize = "an FTP server")]
    Ftp,
    /// `+OK …`
    #[strum(serialize = "a POP3 server")]
    Pop3,
    /// `* OK …`
    #[strum(serialize = "an IMAP server")]
    Imap,
    /// A BER sequence with a message id.
    #[strum(serialize = "an LDAP server")]
    Ldap,
    /// The ZMTP signature.
    #[strum(serialize = "a ZeroMQ service")]
    Zmtp,
    /// A header with a right checksum.
    #[strum(serialize = "a Centreon broker ⟨BBDO⟩")]
    Bbdo,
    /// An NRPE packet.
    #[strum(serialize = "an NRPE daemon")]
    Nrpe,
    /// A MySQL or MariaDB greeting.
    #[strum(serialize = "a MySQL or MariaDB server")]
    Mysql,
    /// A PostgreSQL error or authentication message.
    #[strum(serialize = "a PostgreSQL server")]
    Postgresql,
    /// A Redis answer or refusal.
    #[strum(serialize = "a Redis server")]
    Redis,
    /// The choice of a method of SOCKS 5.
    #[strum(serialize = "a SOCKS proxy")]
    Socks,
    /// A server's first packet in a new session.
    #[strum(serialize = "an OpenVPN server")]
    Openvpn,
    /// A VNC greeting.
    #[strum(serialize = "a VNC server")]
    Vnc,
    /// `@RSYNCD: …`
    #[strum(serialize = "an rsync daemon")]
    Rsync,
    /// `ERROR`, to whatever is no command of its own.
    #[strum(serialize = "a memcached server")]
    Memcached,
    /// `UNKNOWN_COMMAND`, in one word.
    #[strum(serialize = "a work queue ⟨beanstalkd⟩")]
    Beanstalkd,
    /// `ERR UNKNOWN_COMMAND`
    #[strum(serialize = "a job server ⟨Gearman⟩")]
    Gearman,
    /// The answer to a connection of MQTT: taken, or refused.
    #[strum(serialize = "a message broker ⟨MQTT⟩")]
    Mqtt,
    /// What we say comes back.
    #[strum(serialize = "an echo service")]
    Echo,
    /// The protocol's header, to whoever begins with another.
    #[strum(serialize = "a message broker ⟨AMQP⟩")]
    Amqp,
    /// The answer to a negotiation of SMB, in any version.
    #[strum(serialize = "a Windows file server ⟨SMB⟩")]
    Smb,
    /// A DNS message over TCP that answers ours.
    #[strum(serialize = "a DNS server")]
    Dns,
    /// A telnet negotiation.
    #[strum(serialize = "a telnet server")]
    Telnet,
    /// None of these.
    #[strum(serialize = "something unknown")]
    Unknown,
}

/// Names the protocol whose answer begins with `bytes`.
pub(crate) fn recognise(bytes: &[u8]) -> Spoken {
    if bytes.starts_with(b"HTTP/") && PROXIES.iter().any(|name| says(bytes, name)) {
        return Spoken::Proxy;
    }
    TEXTS
        .iter()
        .find_map(|(head, spoken)| bytes.starts_with(head).then_some(*spoken))
        .or_else(|| binary(bytes))
        .unwrap_or(Spoken::Unknown)
}

/// How proxies begin the value of `Server`.
const PROXIES: [&[u8]; 2] = [b"SERVER: SQUID", b"SERVER: TINYPROXY"];

const TEXTS: &[(&[u8], Spoken)] = &[
    (b"SSH-", Spoken::Ssh),
    (b"HTTP/", Spoken::Http),
    (b"<!DOCTYPE", Spoken::Http),
    (b"<!doctype", Spoken::Http),
    (b"<html", Spoken::Http),
    (b"<HTML", Spoken::Http),
    (b"+PONG", Spoken::Redis),
    (b"-NOAUTH", Spoken::Redis),
    (b"-DENIED Redis", Spoken::Redis),
    (b"-LOADING", Spoken::Redis),
    (b"-ERR unknown command", Spoken::Redis),
    (b"-ERR wrong number of arguments", Spoken::Redis),
    (b"-ERR Protocol error", Spoken::Redis),
    (b"-ERR max number of clients", Spoken::Redis),
    // Its answer to QUIT. POP3 servers greet with the same and more, before anybody has said a word.
    (b"+OK\r\n", Spoken::Redis),
    (b"+OK", Spoken::Pop3),
    (b"@RSYNCD:", Spoken::Rsync),
    (b"ERROR\r\n", Spoken::Memcached),
    (b"UNKNOWN_COMMAND\r\n", Spoken::Beanstalkd),
    (b"ERR UNKNOWN_COMMAND", Spoken::Gearman),
    (b"AMQP", Spoken::Amqp),
    (b"* OK", Spoken::Imap),
    (b"* BYE", Spoken::Imap),
    (b"RFB 0", Spoken::Vnc),
];

fn binary(bytes: &[u8]) -> Option<Spoken> {
    match bytes {
        [b'2' | b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', rest @ ..] => {
            Some(mail_or_ftp(rest))
        }
        // TLS record: alert, handshake; version 3.x.
        [0x15 | 0x16, 3, 0..=4, ..] => Some(Spoken::Tls),
        // SETTINGS on stream 0, as every HTTP/2 server begins.
        [0, 0, _, 4, 0, 0, 0, 0, 0, ..] => Some(Spoken::Http2),
        [0xff, _, _, _, _, _, _, _, _, 0x7f, ..] => Some(Spoken::Zmtp),
        [0xff, 0xfb..=0xfe, ..] => Some(Spoken::Telnet),
        // A BBDO header: checksum over the 14 bytes behind it.
        [high, low, covered @ ..] if covered.len() >= 14 => covered
            .get(..14)
            .filter(|header| crc16_x25(header) == u16::from_be_bytes([*high, *low]))
            .map(|_| Spoken::Bbdo)
            .or_else(|| other(bytes)),
        _ => other(bytes),
    }
}

fn other(bytes: &[u8]) -> Option<Spoken> {
    match bytes {
        // A length, then the protocol's name behind a byte of its version.
        [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => Some(Spoken::Smb),
        // Packet 0 of protocol 10, or packet 0 with an error (0xff).
        [_, _, 0, 0, 10 | 0xff, ..] => Some(Spoken::Mysql),
        // SEQUENCE, short or long length, INTEGER message id.
        [0x30, 0..=0x7f, 2, 1..=4, ..]
        | [0x30, 0x81, _, 2, 1..=4, ..]
        | [0x30, 0x82, _, _, 2, 1..=4, ..]
        | [0x30, 0x84, _, _, _, _, 2, 1..=4, ..] => Some(Spoken::Ldap),
        // Version 5; no authentication, GSSAPI, a password, or none of those offered.
        [5, 0..=2 | 0xff] => Some(Spoken::Socks),
        // 26 bytes of opcode 8: a session, one acknowledgement, of packet 0.
        [0, 26, 0x40, _, _, _, _, _, _, _, _, 1, 0, 0, 0, 0, ..] => Some(Spoken::Openvpn),
        // CONNACK: no session kept, and one of six return codes.
        [0x20, 2, 0 | 1, 0..=5] => Some(Spoken::Mqtt),
        // Version 2 to 4, response.
        [0, 2..=4, 0, 2, ..] => Some(Spoken::Nrpe),
        [b'E' | b'R', 0, 0, _, _, ..] => Some(Spoken::Postgresql),
        _ => None,
    }
}

fn mail_or_ftp(greeting: &[u8]) -> Spoken {
    if says(greeting, b"FTP") && !says(greeting, b"SMTP") { Spoken::Ftp } else { Spoken::Smtp }
}

/// Is `word`, in capitals, somewhere near the beginning?
fn says(bytes: &[u8], word: &[u8]) -> bool {
    let line: Vec<u8> = bytes.iter().take(256).map(u8::to_ascii_uppercase).collect();
    line.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn each_protocol_is_named_by_its_first_bytes() {
        let broker = [0x15, 0x7b, 0, 0x12, 0, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3, 0, 1];
        let cases: &[(&[u8], Spoken)] = &[
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", Spoken::Ssh),
            (b"HTTP/1.1 400 Bad Request\r\n", Spoken::Http),
            (b"HTTP/1.1 400 Bad Request\r\nServer: squid/5.7\r\n", Spoken::Proxy),
            (&[0x15, 3, 1, 0, 2, 2, 70], Spoken::Tls),
            (b"220 mx.example.org ESMTP Postfix\r\n", Spoken::Smtp),
            (b"554 5.7.1 go away\r\n", Spoken::Smtp),
            (b"220 (vsFTPd 3.0.3)\r\n", Spoken::Ftp),
            (b"+OK Dovecot ready.\r\n", Spoken::Pop3),
            (b"+OK\r\n", Spoken::Redis),
            (b"@RSYNCD: 31.0\n", Spoken::Rsync),
            (b"ERROR\r\n", Spoken::Memcached),
            (b"UNKNOWN_COMMAND\r\n", Spoken::Beanstalkd),
            (b"ERR UNKNOWN_COMMAND Unknown+server+command\n", Spoken::Gearman),
            (&[0x20, 2, 0, 0], Spoken::Mqtt),
            (b"\0\0\0\xe8\xfeSMB@\0", Spoken::Smb),
            (&[0, 0, 0x18, 4, 0, 0, 0, 0, 0, 0, 4], Spoken::Http2),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0, 16, 0x7f], Spoken::Zmtp),
            (&broker, Spoken::Bbdo),
            (&[0x4a, 0, 0, 0, 10, b'5', b'.', b'5'], Spoken::Mysql),
            (&[0x45, 0, 0, 0, 0xff, 0x6a, 4], Spoken::Mysql),
            (&[0x30, 0x0c, 2, 1, 1, 0x61, 7], Spoken::Ldap),
            (&[0, 2, 0, 2, 1, 2, 3, 4], Spoken::Nrpe),
            (&[5, 0xff], Spoken::Socks),
            (b"\0\x1a\x40sessions\x01\0\0\0\0oursours\0\0\0\0", Spoken::Openvpn),
            (b"hello", Spoken::Unknown),
            (b"", Spoken::Unknown),
        ];
        for (bytes, spoken) in cases {
            assert_eq!(recognise(bytes), *spoken, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn no_beginning_breaks_the_recogniser(bytes in vec(any::<u8>(), 0..64)) {
            let cause = crate::cause::instead_of("SSH", Spoken::Ssh, &bytes);
            prop_assert_eq!(cause.is_none(), matches!(recognise(&bytes), Spoken::Unknown | Spoken::Ssh));
        }
    }
}
