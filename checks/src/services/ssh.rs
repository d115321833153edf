//! SSH: does a server identify itself, and offer what this machine's client takes?
//!
//! Listens first, TCP 22 by default; then identification, KEXINIT as a client of
//! OpenSSH's sends it, and a disconnect message with our name, so that the server's log says who came.
//! One connection, no retry: OpenSSH counts every visit without a log-in, also one with a whole key
//! exchange and a goodbye (`PerSourcePenalties`, `noauth`).
//!
//! Reference: [RFC 4253 §4.2, §7.1, §11.1](https://www.rfc-editor.org/rfc/rfc4253).

mod client;

use std::io;
use std::time::Duration;

use crate::cause::{Cause, Phase, SshCause, SshPart, TalkCause, Transport};
use crate::evidence::{Seen, Value};
use crate::net::{Ask, FarStream, Stream};
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};
use client::Algorithms;

/// Asks for identification and key exchange proposals; logs nobody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        // Before the connection: a server counts the time in which nobody speaks.
        let ours = Algorithms::to(&ask.peer.host).await?;
        let stream = ask.connect().await?;
        self.converse(stream, &ours, &mut ask.seen).await
    }

    async fn converse(
        &self,
        mut stream: Stream,
        ours: &Algorithms,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        stream.allow(IDENTIFICATION);
        let identification = identify(&mut stream).await?;
        seen.evidence.set("identification", identification.as_str());
        stream.came("its identification");
        stream.asks("ours");
        stream.send(OURS).await?;
        // As large as that of a real client, so that a path which does not carry it is met.
        stream.send(&ours.proposal(stream.a_packet(PROPOSAL))).await?;
        stream.allow(KEXINIT);
        let packet = read_packet(&mut stream).await?;
        let offer = KexInit::decode(&packet)?;
        // The connection ends either way; a failed goodbye changes no verdict.
        let _goodbye = stream.send(&encode_packet(&disconnect())).await;
        stream.close().await;
        self.judge(&identification, &offer, ours, seen)
    }

    /// Decides from identification and proposals alone.
    fn judge(
        &self,
        identification: &str,
        theirs: &KexInit,
        ours: &Algorithms,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        let software = software(identification);
        let mut list = |name: &'static str, names: &[String]| {
            seen.evidence.set(name, names.iter().collect::<Value>());
        };
        list("host_key_algorithms", &theirs.host_keys);
        list("kex_algorithms", &theirs.kex);
        list("ciphers", &theirs.ciphers_in);
        list("macs", &theirs.macs_in);
        seen.evidence.set("software", software);
        seen.evidence.set("compared_with", ours.of);
        ours.agrees(theirs)?;
        software.clone_into(&mut seen.headline);
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "ssh",
    title: "SSH",
    expected: "SSH",
    spoken: Spoken::Ssh,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 22,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(15),
    probe: || crate::Probe::Ssh(Probe::default()),
    question: None,
    repeats: 0,
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Identifies itself and offers keys, as an SSH server would; then waits for the goodbye.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    stream.send(OURS).await?;
    stream.line(MAX_LINE).await?;
    stream.send(&encode_packet(&KexInit::example().encode())).await?;
    stream.until_closed().await
}

/// Reads lines until the identification; servers may send others before it.
async fn identify(stream: &mut Stream) -> Result<String, Cause> {
    let (mut read, mut last) = (0, Duration::ZERO);
    for lines in 0..MAX_LINES {
        let line = match stream.line(Phase::Greeting, MAX_LINE).await {
            Ok(line) => line,
            // A peer that speaks another protocol may wait for us, or never send a line feed.
            Err(cause) => {
                let waited = stream.waited();
                stream.draw_out(&cause).await;
                let unidentified = || unidentified(cause, (lines, last), stream.head(), waited);
                return Err(SERVICE.instead(stream.head()).unwrap_or_else(unidentified));
            }
        };
        read += line.len();
        last = stream.waited();
        if line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-") {
            return Ok(wire::clean(line.trim_ascii_end(), MAX_LINE));
        }
        if line.starts_with(b"SSH-") {
            // OpenSSH's client speaks 2.0 alone since 7.6.
            let theirs = vec![wire::clean(line.trim_ascii_end(), 80)];
            let (part, ours) = (SshPart::Version, vec!["SSH-2.0".to_owned()]);
            return Err(Cause::Ssh(SshCause::SshNothingInCommon { part, theirs, ours }));
        }
        if line.starts_with(b"Not allowed at this time")
            || line.starts_with(b"Exceeded MaxStartups")
        {
            return Err(Cause::Ssh(SshCause::SshRefused {
                text: wire::clean(line.trim_ascii_end(), 80),
            }));
        }
        if let Some(cause) = SERVICE.instead(stream.head()) {
            return Err(cause);
        }
        if read > MAX_BEFORE {
            break;
        }
    }
    Err(Cause::Talk(TalkCause::Endless {
        phase: Phase::Greeting,
        limit: read,
        head: wire::head(stream.head()),
    }))
}

/// What a tarpit says is text, as whatever may stand before an identification.
fn is_text(head: &[u8]) -> bool {
    head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// A server in good health identifies itself before anything else; who listens first, and gives up
/// later, is no SSH server, and neither is who says something else. So many `lines` came, the `last` one after so long.
fn unidentified(
    cause: Cause,
    (lines, last): (usize, Duration),
    head: &[u8],
    waited: Duration,
) -> Cause {
    match cause {
        Cause::Talk(TalkCause::Incomplete { waited, .. } | TalkCause::Silent { waited, .. })
            if lines > 1 && is_text(head) && last > DRIPS =>
        {
            Cause::Ssh(SshCause::SshTarpit { lines, waited })
        }
        // All at once, and no more: what another service says to everybody.
        Cause::Talk(TalkCause::Silent { .. }) if lines > 1 => {
            Cause::bad_reply("an SSH identification", head)
        }
        Cause::Talk(TalkCause::HungUp { .. } | TalkCause::Incomplete { .. })
            if !head.is_empty() && !OURS.starts_with(head.get(..4).unwrap_or(head)) =>
        {
            Cause::bad_reply("an SSH identification", head)
        }
        Cause::Talk(TalkCause::HungUp { to, phase: Phase::Greeting, received: 0 })
            if waited < AT_ONCE =>
        {
            Cause::Ssh(SshCause::SshClosed { to })
        }
        other => other,
    }
}

/// The payload of the next unencrypted binary packet (RFC 4253 §6).
async fn read_packet(stream: &mut Stream) -> Result<Vec<u8>, Cause> {
    let prefix = stream.exactly(Phase::Reply, 5).await?;
    let mut reader = Reader::new(&prefix, "an SSH packet");
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    let padding = usize::from(reader.u8()?);
    let payload = length.checked_sub(padding + 1);
    let Some(payload) = payload.filter(|_| length <= MAX_PACKET) else {
        return Err(Cause::bad_reply("an SSH packet", &prefix));
    };
    let body = stream.exactly(Phase::Reply, length - 1).await?;
    Ok(body.into_iter().take(payload).collect())
}

/// Padded so that the whole is a multiple of eight (RFC 4253 §6).
fn encode_packet(payload: &[u8]) -> Vec<u8> {
    encode_padded(payload, 4)
}

/// The same with at least so much padding, as far as its length goes into a byte.
fn encode_padded(payload: &[u8], least: usize) -> Vec<u8> {
    let padding = 8 - (payload.len() + 5) % 8;
    let missing = least.min(MOST_PADDING).saturating_sub(padding);
    let padding = padding + missing.next_multiple_of(8);
    let length = u32::try_from(payload.len() + padding + 1).unwrap_or(u32::MAX);
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap_or(u8::MAX));
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// `SSH_MSG_DISCONNECT`, by application (RFC 4253 §11.1), naming us in the log.
fn disconnect() -> Vec<u8> {
    let mut payload = vec![MSG_DISCONNECT];
    payload.extend(BY_APPLICATION.to_be_bytes());
    push_string(&mut payload, b"preflight");
    push_string(&mut payload, b"");
    payload
}

fn push_string(to: &mut Vec<u8>, text: &[u8]) {
    to.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(text);
}

/// The software part of an identification: `OpenSSH_9.2p1 Debian-2`.
fn software(identification: &str) -> &str {
    identification.splitn(3, '-').nth(2).unwrap_or(identification)
}

/// What the server proposes before any secret exists (RFC 4253 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
struct KexInit {
    kex: Vec<String>,
    host_keys: Vec<String>,
    /// From the client to the server, as the next is the other way.
    ciphers_out: Vec<String>,
    ciphers_in: Vec<String>,
    macs_out: Vec<String>,
    macs_in: Vec<String>,
}

impl KexInit {
    fn decode(payload: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(payload, "an SSH key exchange proposal");
        if reader.u8()? != MSG_KEXINIT {
            return Err(Cause::bad_reply("an SSH key exchange proposal", payload));
        }
        let _cookie: [u8; 16] = reader.array()?;
        Ok(Self {
            kex: names(&mut reader)?,
            host_keys: names(&mut reader)?,
            ciphers_out: names(&mut reader)?,
            ciphers_in: names(&mut reader)?,
            macs_out: names(&mut reader)?,
            macs_in: names(&mut reader)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut payload = vec![MSG_KEXINIT];
        payload.extend(rand::random::<[u8; 16]>());
        let none = ["none".to_owned()];
        let lists: [&[String]; 8] = [
            &self.kex,
            &self.host_keys,
            &self.ciphers_out,
            &self.ciphers_in,
            &self.macs_out,
            &self.macs_in,
            &none,
            &none,
        ];
        for list in lists {
            push_string(&mut payload, list.join(",").as_bytes());
        }
        // Two empty language lists, no guess, reserved.
        payload.extend([0; 4 + 4 + 1 + 4]);
        payload
    }

    /// What a client with these algorithms proposes.
    fn of(ours: &Algorithms) -> Self {
        Self {
            kex: ours.kex.clone(),
            host_keys: ours.host_keys.clone(),
            ciphers_out: ours.ciphers.clone(),
            ciphers_in: ours.ciphers.clone(),
            macs_out: ours.macs.clone(),
            macs_in: ours.macs.clone(),
        }
    }

    fn example() -> Self {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        Self {
            kex: list(&["curve25519-sha256"]),
            host_keys: list(&["ssh-ed25519", "rsa-sha2-512"]),
            ciphers_out: list(&["aes256-ctr"]),
            ciphers_in: list(&["aes256-ctr"]),
            macs_out: list(&["hmac-sha2-256"]),
            macs_in: list(&["hmac-sha2-256"]),
        }
    }
}

/// One comma-separated name-list.
fn names(reader: &mut Reader<'_>) -> Result<Vec<String>, Cause> {
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    let list = wire::clean(reader.take(length)?, MAX_NAMES);
    Ok(list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// sshd waits for a reverse look-up of ours before it greets (`UseDNS`).
const IDENTIFICATION: Duration = Duration::from_secs(10);
/// A tarpit is not done with its lines so soon.
const DRIPS: Duration = Duration::from_secs(2);
const KEXINIT: Duration = Duration::from_secs(5);
/// A look-up of our address for /etc/hosts.deny takes this long, and the brokers and mail servers
/// that give a silent client up take longer.
const AT_ONCE: Duration = Duration::from_millis(2_500);
/// The least that OpenSSH's client sends with its proposal: 1,500 bytes since 8.9.
const PROPOSAL: usize = 1_440;
const OURS: &[u8] = concat!("SSH-2.0-preflight_", env!("CARGO_PKG_VERSION"), "\r\n").as_bytes();
/// RFC 4253 allows 255 for the identification; lines before it may be longer.
const MAX_LINE: usize = 1024;
const MAX_LINES: usize = 50;
/// A tarpit sends lines for ever: this much before the identification is enough.
const MAX_BEFORE: usize = 8 * 1024;
/// Of one list; the longest known have 1,200 letters.
const MAX_NAMES: usize = 4 * 1024;
/// RFC 4253 §6.1: every implementation takes packets of 35,000 bytes.
const MAX_PACKET: usize = 35_000;
/// The largest multiple of eight below 256, less what fills up the first one.
const MOST_PADDING: usize = 247;
const MSG_DISCONNECT: u8 = 1;
/// A message that the peer passes over (RFC 4253 §11.2).
const MSG_IGNORE: u8 = 2;
const MSG_KEXINIT: u8 = 20;
const BY_APPLICATION: u32 = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::TlsCause;
    use crate::hostile::{damaged, ends, said};
    use proptest::prelude::*;

    const OPENSSH: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n";

    /// The cause of a conversation in which the far side says `words`.
    fn refused(words: &[u8]) -> Cause {
        let ours = Algorithms::of_openssh();
        let converse =
            async |stream| Probe::default().converse(stream, &ours, &mut Seen::default()).await;
        ends(words, converse).unwrap_err()
    }

    fn proposal() -> Vec<u8> {
        encode_packet(&KexInit::example().encode())
    }

    #[test]
    fn probe_reads_what_the_responder_offers() {
        let offer = KexInit::example();
        assert_eq!(KexInit::decode(&offer.encode()).unwrap(), offer);
    }

    #[test]
    fn every_truncation_of_a_proposal_is_a_bad_reply() {
        let whole = KexInit::example().encode();
        let named = 1 + 16 + [17, 24, 10, 10, 13, 13].map(|list| 4 + list).iter().sum::<usize>();
        for length in 0..named {
            let cause = KexInit::decode(&whole[..length]).unwrap_err();
            assert_eq!(cause.code(), "bad-reply", "{length} bytes");
        }
        assert!(KexInit::decode(&whole[..named]).is_ok());
    }

    #[test]
    fn packets_are_padded_to_a_multiple_of_eight() {
        for length in 0..32 {
            let packet = encode_packet(&vec![1; length]);
            assert_eq!(packet.len() % 8, 0, "payload of {length}");
            assert!(packet[4] >= 4, "padding of {}", packet[4]);
        }
    }

    #[test]
    fn the_software_is_the_headline() {
        let mut seen = Seen::default();
        let identification = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7";
        let (theirs, ours) = (KexInit::example(), Algorithms::of_openssh());
        Probe::default().judge(identification, &theirs, &ours, &mut seen).unwrap();
        assert_eq!(seen.headline, "OpenSSH_9.2p1 Debian-2+deb12u7");
        assert!(seen.evidence.fact("host_key_algorithms").is_some());
    }

    #[test]
    fn a_server_with_nothing_in_common_fails_and_its_lists_are_kept() {
        let mut seen = Seen::default();
        let old = vec!["diffie-hellman-group1-sha1".to_owned()];
        let theirs = KexInit { kex: old.clone(), ..KexInit::example() };
        let ours = Algorithms::of_openssh();
        let cause = Probe::default().judge("SSH-2.0-old", &theirs, &ours, &mut seen).unwrap_err();
        let part = crate::cause::SshPart::KeyExchange;
        assert_eq!(
            cause,
            Cause::Ssh(SshCause::SshNothingInCommon { part, theirs: old, ours: ours.kex })
        );
        assert_eq!(seen.evidence.fact("compared_with"), Some(&"OpenSSH 8.0 and later".into()));
        assert!(seen.evidence.fact("macs").is_some());
    }

    #[tokio::test]
    async fn probe_and_responder_understand_each_other() {
        let (near, far) = said(b"").await;
        let far = FarStream::new(Box::new(far), None);
        let (probe, mut seen) = (Probe::default(), Seen::default());
        let ours = Algorithms::of_openssh();
        let (verdict, answered) =
            tokio::join!(probe.converse(near, &ours, &mut seen), respond(far));
        assert_eq!(verdict, Ok(()));
        answered.unwrap();
        let kex = Value::from_iter(["curve25519-sha256"]);
        assert_eq!(seen.evidence.fact("kex_algorithms"), Some(&kex));
    }

    #[tokio::test]
    async fn lines_before_the_identification_are_passed_over() {
        let words = [b"Authorised use only\r\n\r\n", OPENSSH, &proposal()].concat();
        let (stream, _far) = said(&words).await;
        let mut seen = Seen::default();
        Probe::default().converse(stream, &Algorithms::of_openssh(), &mut seen).await.unwrap();
        assert_eq!(seen.headline, "OpenSSH_9.2p1 Debian-2+deb12u7");
    }

    #[test]
    fn a_server_that_turns_us_away_is_told_by_its_words() {
        for text in ["Not allowed at this time", "Exceeded MaxStartups"] {
            let cause = refused(format!("{text}\r\n").as_bytes());
            assert_eq!(cause, Cause::Ssh(SshCause::SshRefused { text: text.to_owned() }));
        }
    }

    #[test]
    fn another_service_is_named_with_and_without_a_line_feed() {
        for words in [&b"220 mx.example.org ESMTP\r\n"[..], b"220 mx.example.org ESMTP"] {
            let cause = refused(words);
            let (expected, spoken) = ("SSH", Spoken::Smtp);
            assert_eq!(
                cause,
                Cause::Talk(TalkCause::WrongService {
                    expected: expected.into(),
                    spoken,
                    head: wire::head(words)
                })
            );
        }
        assert_eq!(
            refused(&[0x15, 3, 1, 0, 2, 2, 70]),
            Cause::Tls(TlsCause::TlsUnexpected { expected: "SSH".into() })
        );
    }

    #[test]
    fn a_tarpit_is_read_to_a_bound() {
        let (phase, lines) = (Phase::Greeting, b"wait\r\n".repeat(MAX_LINES + 9));
        let (limit, head) = (6 * MAX_LINES, wire::head(&lines[..64]));
        assert_eq!(refused(&lines), Cause::Talk(TalkCause::Endless { phase, limit, head }));
        let long = [&[b'x'; MAX_LINE - 1][..], b"\n"].concat().repeat(20);
        let (limit, head) = (MAX_BEFORE + MAX_LINE, wire::head(&long[..64]));
        assert_eq!(refused(&long), Cause::Talk(TalkCause::Endless { phase, limit, head }));
        let Cause::Talk(TalkCause::Endless { limit, .. }) = refused(&[b'x'; 9_000]) else {
            panic!("no line ends")
        };
        assert_eq!(limit, MAX_LINE);
    }

    #[test]
    fn a_packet_that_cannot_be_one_is_a_bad_reply() {
        // No payload at all, more padding than packet, longer than any.
        for header in [[0, 0, 0, 0, 0], [0, 0, 0, 4, 4], [0, 0, 0x88, 0xb9, 4]] {
            let cause = refused(&[OPENSSH, &header].concat());
            assert_eq!(cause, Cause::bad_reply("an SSH packet", &header));
        }
        let payload = [MSG_DISCONNECT];
        let cause = refused(&[OPENSSH, &encode_packet(&payload)].concat());
        assert_eq!(cause, Cause::bad_reply("an SSH key exchange proposal", &payload));
    }

    proptest! {
        #[test]
        fn no_conversation_breaks_reader_or_judge(
            words in damaged(&[OPENSSH, &proposal()].concat()),
            payload in damaged(&KexInit::example().encode()),
        ) {
            let mut seen = Seen::default();
            let probe = Probe::default();
            let ours = Algorithms::of_openssh();
            let _any_verdict =
                ends(&words, async |stream| probe.converse(stream, &ours, &mut seen).await);
            let _any_proposal = KexInit::decode(&payload);
        }
    }
}
