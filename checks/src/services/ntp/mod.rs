//! NTP: does the time server answer, and is our clock near its clock?
//!
//! A 48-byte request over UDP, port 123 by default, whose transmit timestamp is
//! random: a reply counts only when it echoes it, and our clock stays private.
//!
//! Reference: [RFC 5905 §7.3](https://www.rfc-editor.org/rfc/rfc5905#section-7.3).

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use md5::{Digest, Md5};

use crate::cause::{Cause, Concern, Millis, NtpCause, NtpProgram, NtpWeakness, Transport};
use crate::evidence::Seen;
use crate::net::Ask;
use crate::reader::Reader;
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Asks a server for the time and compares it with ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Largest clock difference that passes, either way.
    pub max_offset: Duration,
    /// The programs that set this host's clock; none known: each of [`CLIENTS`] may.
    pub clients: Vec<NtpClient>,
}

/// A program that sets the clock, and which servers it takes for good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtpClient {
    /// What the program is called.
    pub name: &'static str,
    /// The farthest from a good clock that a server may be (root distance).
    pub max_distance: Duration,
}

/// The usual programs, as they are without a setting: chrony's `maxdistance`, `RootDistanceMaxSec`
/// of systemd-timesyncd, `tos maxdist` of ntp and ntpsec.
pub const CLIENTS: [NtpClient; 3] = [
    NtpClient { name: "timesyncd", max_distance: Duration::from_secs(5) },
    NtpClient { name: "chrony", max_distance: Duration::from_secs(3) },
    NtpClient { name: "ntpd", max_distance: Duration::from_millis(1_500) },
];

impl Default for Probe {
    fn default() -> Self {
        Self { max_offset: Duration::from_millis(500), clients: Vec::new() }
    }
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let socket = ask.datagrams()?;
        let cookie = Timestamp(rand::random());
        let request = NtpPacket::request(cookie).encode();
        let answered = socket
            .exchange(&request, &ASK_AT, LISTEN, |bytes| {
                let received = Timestamp::now();
                match NtpPacket::decode(bytes) {
                    Ok(reply) if !reply.answers(cookie) => None,
                    decoded => Some(decoded.map(|reply| (reply, received))),
                }
            })
            .await?;
        let (reply, received) = answered.reply?;
        if answered.tries > 1 {
            let tries = answered.tries;
            ask.seen.concerns.push(Concern::PacketLoss { tries });
        }
        let sent = received.minus(answered.round_trip);
        self.judge(&reply, &Clocks { sent, received, of: ask.source }, &mut ask.seen)
    }

    /// Which programs would not take the server: an error when it is all that are known to be here.
    fn too_far(&self, distance_ms: f64) -> Result<Option<Concern>, Cause> {
        let is_known = !self.clients.is_empty();
        let clients = if is_known { self.clients.as_slice() } else { &CLIENTS };
        let refuses = |client: &&NtpClient| distance_ms > client.max_distance.as_secs_f64() * 1e3;
        let refusing: Vec<&NtpClient> = clients.iter().filter(refuses).collect();
        let distance = Millis(Duration::from_secs_f64((distance_ms / 1e3).max(0.0)));
        match refusing.as_slice() {
            [] => Ok(None),
            [client, ..] if is_known && refusing.len() == clients.len() => {
                Err(Cause::Ntp(NtpCause::NtpTooFar {
                    distance,
                    limit: Millis(client.max_distance),
                    client: client.name.to_owned(),
                }))
            }
            refusing => {
                let programs = refusing.iter().map(|client| NtpProgram {
                    name: client.name.to_owned(),
                    limit: Millis(client.max_distance),
                });
                let how = NtpWeakness::TooFar { distance, programs: programs.collect() };
                Ok(Some(Concern::NtpWeakSource { how }))
            }
        }
    }

    /// Decides from the reply alone; no I/O, so every verdict has a unit test.
    pub(super) fn judge(
        &self,
        reply: &NtpPacket,
        ours: &Clocks,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        let refid = reply.refid();
        seen.evidence.set("stratum", reply.stratum);
        seen.evidence.set("leap_indicator", reply.leap);
        seen.evidence.set("refid", refid.as_str());
        if let Some(kiss) = reply.kiss() {
            return Err(match kiss.as_str() {
                "RATE" => Cause::Ntp(NtpCause::NtpRateLimited),
                "INIT" | "STEP" => reply.unsynchronised(refid),
                _ => Cause::Ntp(NtpCause::NtpDenied { kiss }),
            });
        }
        if reply.leap == LEAP_ALARM || !SYNCHRONISED.contains(&reply.stratum) {
            return Err(reply.unsynchronised(refid));
        }
        if let Some(here) = ours.of.filter(|here| reply.is_set_from(*here)) {
            return Err(Cause::Ntp(NtpCause::NtpLoop { here }));
        }
        let (offset_ms, delay_ms) = (reply.offset_ms(ours), reply.delay_ms(ours));
        if !reply.agrees_with_itself(delay_ms) {
            return Err(Cause::bad_reply(STAMPS, &reply.encode()));
        }
        let distance_ms = reply.root_distance_ms();
        seen.evidence.set("offset_ms", tenths(offset_ms));
        seen.evidence.set("delay_ms", tenths(delay_ms));
        seen.evidence.set("root_distance_ms", tenths(distance_ms));
        // Adding zero turns "-0" into "0".
        let whole_ms = offset_ms.round() + 0.0;
        seen.headline = format!("stratum {}, offset {whole_ms:+.0} ms", reply.stratum);
        seen.concerns.extend(self.too_far(distance_ms)?.or_else(|| reply.weakness()));
        let limit_ms = i64::try_from(self.max_offset.as_millis()).unwrap_or(i64::MAX);
        #[allow(clippy::cast_possible_truncation)] // Saturates, which is what is wanted.
        let whole_ms = offset_ms.round() as i64;
        if whole_ms.abs() > limit_ms {
            return Err(Cause::Ntp(NtpCause::ClockOffset { offset_ms: whole_ms, limit_ms }));
        }
        Ok(())
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "ntp",
    title: "NTP",
    expected: "NTP",
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints { serves_others: Some("allow in chrony.conf"), ..Hints::NONE },
    port: 123,
    transport: Transport::Udp,
    tls: false,
    budget: Duration::from_secs(5),
    probe: || crate::Probe::Ntp(Probe::default()),
    question: Some(|| NtpPacket::request(Timestamp(rand::random())).encode().to_vec()),
    repeats: 0,
    respond: Respond::Datagram(|request| respond(request, Timestamp::now()).map(Vec::from)),
};

/// Answers `request` as a healthy server would, for the responder.
///
/// `None` when the bytes are no NTP client request.
fn respond(request: &[u8], now: Timestamp) -> Option<[u8; PACKET_LEN]> {
    let request =
        NtpPacket::decode(request).ok().filter(|packet| packet.mode == NtpMode::CLIENT)?;
    Some(NtpPacket::reply(&request, now).encode())
}

/// Our two readings of our own clock: T1 and T4 of RFC 5905 §8.
pub(super) struct Clocks {
    pub(super) sent: Timestamp,
    pub(super) received: Timestamp,
    /// The address of ours that the server was asked from, if a socket told.
    pub(super) of: Option<IpAddr>,
}

/// Seconds since 1900 in 32.32 fixed point, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) u64);

impl Timestamp {
    /// The local clock, now.
    pub(super) fn now() -> Self {
        Self::default().plus(
            SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
                + Duration::from_secs(SECONDS_1900_TO_1970),
        )
    }

    fn plus(self, duration: Duration) -> Self {
        let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add((duration.as_secs() << 32) | fraction))
    }

    pub(super) fn minus(self, duration: Duration) -> Self {
        let span = Self::default().plus(duration);
        Self(self.0.wrapping_sub(span.0))
    }

    /// `self - earlier` in milliseconds; right across the 2036 rollover too.
    #[allow(clippy::cast_precision_loss)] // 2^-53 of 68 years is a microsecond.
    fn ms_since(self, earlier: Self) -> f64 {
        let fixed = self.0.wrapping_sub(earlier.0).cast_signed();
        fixed as f64 / FIXED_PER_SECOND * 1e3
    }
}

/// A 16.16 fixed-point span of seconds, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span(u32);

impl Span {
    fn ms(self) -> f64 {
        f64::from(self.0) / 65_536.0 * 1e3
    }
}

/// The fields of an NTP packet that this probe reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NtpPacket {
    leap: u8,
    mode: NtpMode,
    stratum: u8,
    root_delay: Span,
    root_dispersion: Span,
    refid: [u8; 4],
    reference: Timestamp,
    /// The client's `transmit`, echoed by the server.
    origin: Timestamp,
    receive: Timestamp,
    transmit: Timestamp,
}

impl NtpPacket {
    pub(super) fn request(cookie: Timestamp) -> Self {
        Self {
            leap: 0,
            mode: NtpMode::CLIENT,
            stratum: 0,
            root_delay: Span(0),
            root_dispersion: Span(0),
            refid: [0; 4],
            reference: Timestamp(0),
            origin: Timestamp(0),
            receive: Timestamp(0),
            transmit: cookie,
        }
    }

    pub(super) fn reply(request: &Self, now: Timestamp) -> Self {
        Self {
            mode: NtpMode::SERVER,
            stratum: 1,
            root_dispersion: Span(66),
            refid: *b"GPS\0",
            reference: now,
            origin: request.transmit,
            receive: now,
            transmit: now,
            ..Self::request(Timestamp(0))
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Cause> {
        let mut reader = Reader::new(bytes, "an NTP packet of 48 bytes");
        let head = reader.u8()?;
        let stratum = reader.u8()?;
        let _poll_and_precision = reader.u16()?;
        Ok(Self {
            leap: head >> 6,
            mode: NtpMode(head & 0b111),
            stratum,
            root_delay: Span(reader.u32()?),
            root_dispersion: Span(reader.u32()?),
            refid: reader.array()?,
            reference: Timestamp(reader.u64()?),
            origin: Timestamp(reader.u64()?),
            receive: Timestamp(reader.u64()?),
            transmit: Timestamp(reader.u64()?),
        })
    }

    pub(super) fn encode(&self) -> [u8; PACKET_LEN] {
        let mut bytes = [0; PACKET_LEN];
        let [head, stratum, ..] = &mut bytes;
        *head = self.leap << 6 | VERSION_4 | self.mode.0;
        *stratum = self.stratum;
        let (_, words) = bytes.split_at_mut(4);
        let spans = [self.root_delay.0, self.root_dispersion.0, u32::from_be_bytes(self.refid)];
        for (slot, span) in words.chunks_exact_mut(4).zip(spans) {
            slot.copy_from_slice(&span.to_be_bytes());
        }
        let (_, stamps) = words.split_at_mut(12);
        let times = [self.reference, self.origin, self.receive, self.transmit];
        for (slot, stamp) in stamps.chunks_exact_mut(8).zip(times) {
            slot.copy_from_slice(&stamp.0.to_be_bytes());
        }
        bytes
    }

    /// Is this a server's answer to the request that carried `cookie`?
    pub(super) fn answers(&self, cookie: Timestamp) -> bool {
        self.mode == NtpMode::SERVER && self.origin == cookie
    }

    /// A kiss code, unless it is an unsynchronised chronyd: that sends
    /// stratum 0 as well, but with leap 3 and a reference id of zeros.
    pub(super) fn kiss(&self) -> Option<String> {
        let letters = self.refid.iter().all(u8::is_ascii_uppercase);
        (self.stratum == 0 && letters).then(|| wire::clean(&self.refid, 4))
    }

    /// Four letters at stratum 0 and 1, an address (or hash) beyond.
    fn refid(&self) -> String {
        let text: Vec<u8> = self.refid.iter().copied().take_while(|&byte| byte != 0).collect();
        let is_text = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
        match self.stratum {
            0 | 1 | 16 if is_text => wire::clean(&text, 16),
            _ => std::net::Ipv4Addr::from(self.refid).to_string(),
        }
    }

    /// Does the server take its time from `here`? The reference id of a server that has it from another one is that one's
    /// IPv4 address, or the first bytes of its IPv6 address's hash (RFC 5905 §7.3).
    fn is_set_from(&self, here: IpAddr) -> bool {
        let id = match here {
            IpAddr::V4(here) => here.octets(),
            IpAddr::V6(here) => {
                let [a, b, c, d, ..] = <[u8; 16]>::from(Md5::digest(here.octets()));
                [a, b, c, d]
            }
        };
        self.stratum > 1 && self.refid == id
    }

    fn unsynchronised(&self, refid: String) -> Cause {
        Cause::Ntp(NtpCause::NtpUnsynchronised { stratum: self.stratum, leap: self.leap, refid })
    }

    /// Server clock minus ours, halving the round trip (RFC 5905 §8).
    fn offset_ms(&self, ours: &Clocks) -> f64 {
        let there = self.receive.ms_since(ours.sent);
        let back = self.transmit.ms_since(ours.received);
        f64::midpoint(there, back)
    }

    /// Round trip without the server's own time (RFC 5905 §8).
    fn delay_ms(&self, ours: &Clocks) -> f64 {
        ours.received.ms_since(ours.sent) - self.transmit.ms_since(self.receive)
    }

    /// Did the answer leave after the question had come, and not longer after it than the whole round trip took?
    /// Else its stamps tell nothing of our clock.
    fn agrees_with_itself(&self, delay_ms: f64) -> bool {
        let held_ms = self.transmit.ms_since(self.receive);
        self.transmit != Timestamp(0) && held_ms > -STEP_MS && delay_ms > -STEP_MS
    }

    /// How far the server may be from a reference clock (RFC 5905 §11.2).
    fn root_distance_ms(&self) -> f64 {
        self.root_delay.ms() / 2.0 + self.root_dispersion.ms()
    }

    fn weakness(&self) -> Option<Concern> {
        let how = if self.stratum >= WEAK_STRATUM {
            NtpWeakness::Stratum(self.stratum)
        } else if self.transmit.ms_since(self.reference) > DAY_MS {
            NtpWeakness::SetLongAgo
        } else {
            return None;
        };
        Some(Concern::NtpWeakSource { how })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NtpMode(u8);

impl NtpMode {
    const CLIENT: Self = Self(3);
    const SERVER: Self = Self(4);
}

fn tenths(ms: f64) -> f64 {
    // A zero has no sign.
    (ms * 10.0).round() / 10.0 + 0.0
}

/// At most two requests, two seconds apart: servers limit the rate in silence.
pub(super) const ASK_AT: [Duration; 2] = [Duration::ZERO, Duration::from_secs(2)];
pub(super) const LISTEN: Duration = Duration::from_secs(4);

pub(super) const PACKET_LEN: usize = 48;
const SYNCHRONISED: RangeInclusive<u8> = 1..=15;
const LEAP_ALARM: u8 = 3;
/// Local clocks are configured at stratum 10 and beyond.
const WEAK_STRATUM: u8 = 10;
/// What is expected of an answer whose stamps contradict each other.
const STAMPS: &str = "an NTP answer whose time stamps fit each other";
/// A clock may be corrected by so much while it answers.
const STEP_MS: f64 = 128.0;
const DAY_MS: f64 = 86_400_000.0;
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
const FIXED_PER_SECOND: f64 = 4_294_967_296.0;
const VERSION_4: u8 = 4 << 3;
