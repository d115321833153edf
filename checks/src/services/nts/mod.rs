//! NTS: does the key server hand out keys, and does its time server answer with them?
//!
//! TCP 4460 by default, TLS from the first byte (ALPN `ntske/1`). A short exchange of records gives
//! cookies; the keys follow from the TLS session. Then one question in NTP, over UDP 123 or where the
//! records say, is sealed with them, and only an answer that is sealed too counts.
//!
//! Reference: [RFC 8915](https://www.rfc-editor.org/rfc/rfc8915), as chrony's client applies it.

mod packet;
mod records;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::cause::{Cause, NtpCause, PathCause, TlsCause, Transport};
use crate::evidence::Seen;
use crate::net::far::for_a_while;
use crate::net::nts_keys::{ALPN, NtsKeys};
use crate::net::tls::{Client, Verify, not_spoken, secure_and};
use crate::net::udp::Udp;
use crate::net::{Ask, FarStream, Naming, Peer, Stream, Trust, resolve};
use crate::recognise::Spoken;
use crate::services::ntp::{self, ASK_AT, Clocks, LISTEN, NtpPacket, Timestamp};
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};
use packet::{NtsReply, Sealed};
use records::Agreed;

/// Fetches keys, and asks for the time with them.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// What is asked of the clock behind it.
    pub time: ntp::Probe,
    /// The port of the time server where the key server names none; none: 123.
    pub port: Option<u16>,
    /// Whom this one client trusts; none: as every other service.
    pub trust: Option<Trust>,
    /// What a time server's name is found with that the records give; none: as this host finds names.
    pub names: Option<Naming>,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        let (stream, keys) = self.secure(stream, ask).await?;
        let agreed = self.agree(stream).await?;
        ask.seen.evidence.set("cookies", i64::try_from(agreed.cookies.len()).unwrap_or_default());
        let server = self.time_server(&agreed, ask).await?;
        ask.seen.evidence.set("time_server", server.address.to_string());
        let (reply, clocks) = self.time(server, &agreed, &keys, ask).await?;
        self.judge(&reply, &clocks, &mut ask.seen)
    }

    /// TLS 1.3, and the keys that both sides derive from it.
    async fn secure(&self, stream: Stream, ask: &mut Ask) -> Result<(Stream, NtsKeys), Cause> {
        let host = ask.peer.host.clone();
        let trust = self.trust.clone().unwrap_or_else(|| ask.trust.clone());
        let client = Client {
            name: Some(&host),
            trust,
            verify: Verify::Strictly,
            alpn: &[ALPN],
            identity: None,
        };
        let (mut keys, mut chosen, mut is_old) = (None, None, false);
        let stream = secure_and(stream, ask, &host, &client, |session| {
            keys = NtsKeys::of(session);
            chosen = session.alpn_protocol().map(<[u8]>::to_vec);
            is_old = session.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3);
        })
        .await
        .map_err(|failed| failed.cause)?;
        if chosen.as_deref() != Some(ALPN) {
            return Err(not_spoken(&[ALPN], chosen.as_deref()));
        }
        match keys {
            Some(keys) if !is_old => Ok((stream, keys)),
            // RFC 8915 §3 forbids what was before TLS 1.3.
            _ => {
                Err(Cause::Tls(TlsCause::TlsVersion { peer: "1.2, and NTS wants 1.3".to_owned() }))
            }
        }
    }

    /// The exchange of records.
    async fn agree(&self, mut stream: Stream) -> Result<Agreed, Cause> {
        stream.allow(REPLY);
        stream.asks("a request for keys");
        stream.send(&records::request()).await?;
        let agreed = records::read(&mut stream).await;
        if let Err(cause) = &agreed {
            stream.draw_out(cause).await;
        }
        stream.close().await;
        agreed
    }

    /// Where the time is: at the key server itself, unless that names another host or port.
    async fn time_server(&self, agreed: &Agreed, ask: &Ask) -> Result<Peer, Cause> {
        let port = agreed.port.or(self.port).unwrap_or(NTP_PORT);
        let own = &ask.peer;
        let Some(host) = &agreed.server else {
            let address = SocketAddr::new(own.address.ip(), port);
            return Ok(Peer { address, ..own.clone() });
        };
        let names = self.names.clone().unwrap_or_else(Naming::here);
        let found = resolve(host, &names, ask.deadline.within(RESOLVE)).await?.addresses;
        let alike = |address: &&IpAddr| address.is_ipv4() == own.address.is_ipv4();
        let address = found.iter().find(alike).or(found.first()).copied();
        let address = SocketAddr::new(address.unwrap_or(own.address.ip()), port);
        let from = own.from.filter(|from| from.is_ipv4() == address.is_ipv4());
        Ok(Peer { host: host.clone(), address, from })
    }

    /// One sealed question; the answer with our readings of our clock.
    async fn time(
        &self,
        server: Peer,
        agreed: &Agreed,
        keys: &NtsKeys,
        ask: &mut Ask,
    ) -> Result<(NtpPacket, Clocks), Cause> {
        let to = server.address;
        let mut own = Ask::new(server, ask.deadline, ask.trust.clone());
        let fails =
            |because: Cause| Cause::Ntp(NtpCause::NtsTimeFails { to, because: Box::new(because) });
        let socket = own.datagrams().map_err(fails)?;
        let cookie = agreed.cookies.first().map(Vec::as_slice).unwrap_or_default();
        let sealed = Sealed::new(cookie);
        let question = sealed.question(&keys.ours);
        let answered = socket
            .exchange(&question, &ASK_AT, LISTEN, |datagram| {
                let received = Timestamp::now();
                sealed.read(datagram, &keys.theirs).map(|reply| (reply, received))
            })
            .await;
        let answered = match answered {
            Ok(answered) => answered,
            Err(Cause::Path(PathCause::NoAnswer { to, waited, .. }))
                if answers_plainly(&socket).await =>
            {
                return Err(Cause::Ntp(NtpCause::NtsPacketsLost { to, waited }));
            }
            Err(because) => return Err(fails(because)),
        };
        if answered.tries > 1 {
            let tries = answered.tries;
            ask.seen.concerns.push(crate::cause::Concern::PacketLoss { tries });
        }
        let (reply, received) = answered.reply;
        match reply {
            NtsReply::Protected(packet) | NtsReply::Kiss(packet) => {
                let sent = received.minus(answered.round_trip);
                Ok((packet, Clocks { sent, received, of: ask.source }))
            }
            NtsReply::Nak => Err(Cause::Ntp(NtpCause::NtsNak { to })),
            NtsReply::Bare(how) => {
                Err(Cause::Ntp(NtpCause::NtsUnprotected { to, how: how.to_owned() }))
            }
        }
    }

    /// Decides from the answer alone, as of a time server without NTS.
    fn judge(&self, reply: &NtpPacket, ours: &Clocks, seen: &mut Seen) -> Result<(), Cause> {
        self.time.judge(reply, ours, seen)?;
        seen.evidence.set("protected", true);
        seen.headline = format!("{}, protected by NTS", seen.headline);
        Ok(())
    }
}

/// Does the same time server answer a question of 48 bytes, as every client without NTS sends it?
async fn answers_plainly(socket: &Udp) -> bool {
    let stamp = Timestamp(rand::random());
    let question = NtpPacket::request(stamp).encode();
    let once = [Duration::ZERO];
    let is_answer = |datagram: &[u8]| {
        NtpPacket::decode(datagram).ok().filter(|packet| packet.answers(stamp)).map(drop)
    };
    socket.exchange(&question, &once, PLAIN, is_answer).await.is_ok()
}

pub(crate) const SERVICE: Service = Service {
    name: "nts",
    title: "NTP with NTS",
    expected: "a key server of NTS",
    spoken: Spoken::Tls,
    url: UrlForm::Host,
    hints: Hints { alpn: Some("ntske/1"), then: Some((Transport::Udp, NTP_PORT)), ..Hints::NONE },
    port: 4460,
    transport: Transport::Tcp,
    tls: true,
    // The keys, a question to the time server that is asked twice, and one in plain NTP.
    budget: Duration::from_secs(18),
    probe: || crate::Probe::Nts(Probe::default()),
    question: None,
    repeats: 0,
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Hands out one cookie, and answers over UDP at the same address, at a port of its own that the
/// records name.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let keys = stream.nts_keys().ok_or_else(|| io::Error::other("no session of NTS"))?;
    records::hear_request(&mut stream).await?;
    let here = stream.at().map_or(IpAddr::from([127, 0, 0, 1]), |at| at.ip());
    let socket = UdpSocket::bind(SocketAddr::new(here, 0)).await?;
    let cookie: [u8; COOKIE] = rand::random();
    stream.send(&records::answer(&cookie, socket.local_addr()?.port())).await?;
    stream.close().await?;
    let mut question = vec![0; LONGEST_QUESTION];
    let answering = async {
        while let Ok((length, client)) = socket.recv_from(&mut question).await {
            let asked = question.get(..length).unwrap_or_default();
            if let Some(answer) = packet::answer(asked, &cookie, &keys) {
                socket.send_to(&answer, client).await?;
            }
        }
        Ok(())
    };
    for_a_while(TIME_SERVED, answering).await.unwrap_or(Ok(()))
}

const NTP_PORT: u16 = 123;
const REPLY: Duration = Duration::from_secs(5);
const RESOLVE: Duration = Duration::from_secs(3);
/// For the plain question: its two tries would have been answered by then.
const PLAIN: Duration = Duration::from_millis(1_500);
/// How long the far side answers over UDP after it has handed out its cookie.
const TIME_SERVED: Duration = Duration::from_secs(8);
const LONGEST_QUESTION: usize = 2_048;
/// Bytes of the far side's cookie; those of real servers have about 100.
const COOKIE: usize = 64;
