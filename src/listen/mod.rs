//! `preflight listen traps`: every trap that arrives, as it arrives.
//!
//! On its own socket where port 162 is free, and then informs are acknowledged; beside the program that holds the
//! port from a packet socket, and then that program answers. What one sender may have shown is bounded.

mod row;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use preflight_checks::snmp::{TrapDatagram, answer_receiver};
use preflight_checks::{Eavesdropper, Transport, holder_of, own_firewall, printable};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::UdpSocket;

use self::row::{Answering, Arrived};
use crate::console::interrupt::{HeldSignals, Interruption};
use crate::console::output::{complain, terminal_width};
use crate::console::privileges;
use crate::respond::{Bounds, DATAGRAMS, say, udp_sockets};

/// What is to be listened to.
#[derive(Debug)]
pub(crate) struct ListenRequest {
    /// How long.
    pub(crate) within: Duration,
    /// Ends after so many traps; none: after the time alone.
    pub(crate) count: Option<u64>,
    /// On one address; none: on all.
    pub(crate) bind: Option<IpAddr>,
    /// The port.
    pub(crate) port: u16,
    /// The community that traps should have.
    pub(crate) community: Option<SecretString>,
    /// Lines for a program, instead of rows.
    pub(crate) as_lines: bool,
}

/// Where datagrams come from.
#[derive(Debug)]
enum Ears {
    /// The port is ours.
    Own(Vec<UdpSocket>),
    /// Somebody else has it.
    Beside(Eavesdropper),
}

/// A datagram, and the socket of ours that it came to.
struct CameDatagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    is_whole: bool,
    socket: Option<usize>,
}

/// Listens until the time is over, enough traps came, or Ctrl-C.
pub(crate) async fn listen(request: ListenRequest) -> ExitCode {
    // Threads that are started until somebody waits for signals must not take them.
    let _held = HeldSignals::stops();
    let port = request.port;
    let opened = match udp_sockets(request.bind, port).await {
        Ok(sockets) => Ok(Ears::Own(sockets)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => beside(port),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(format!("UDP {port} needs root ({})", printable(&error.to_string())))
        }
        Err(error) => Err(format!("UDP {port}: {}", printable(&error.to_string()))),
    };
    let ears = match opened {
        Ok(ears) => ears,
        Err(reason) => return complain("listen", &reason),
    };
    let firewall = own_firewall(Transport::Udp, port).await;
    if !request.as_lines {
        say(&ears.described(port));
        if let Some(closed) = firewall {
            say(&format!("  ! {closed}"));
        }
        say(&format!("\n  ends after {} s, or by Ctrl-C\n", request.within.as_secs()));
    }
    if let Err(error) = privileges::drop() {
        return complain("listen", &format!("root's rights could not be given up: {error}"));
    }
    // Not before: giving up rights interrupts every thread, and the one that waits for signals ends.
    let mut interruption = Interruption::new();
    let mut shown = ShownTraps::new(&request);
    tokio::select! {
        () = hear(&ears, &request, &mut shown) => {}
        () = tokio::time::sleep(request.within) => {}
        () = interruption.heard() => {}
    }
    if !request.as_lines {
        shown.sum().iter().for_each(|line| say(line));
    }
    if shown.traps == 0 { ExitCode::from(NOTHING_CAME) } else { ExitCode::SUCCESS }
}

/// The packet socket beside whoever holds the port.
fn beside(port: u16) -> Result<Ears, String> {
    let holder = holder_of(Transport::Udp, port);
    let holder = holder.unwrap_or_else(|| "a process that cannot be seen".to_owned());
    Eavesdropper::open(port).map(Ears::Beside).map_err(|error| {
        let error = printable(&error.to_string());
        format!("{holder} has UDP {port}, and to listen beside it needs root ({error})")
    })
}

impl Ears {
    fn described(&self, port: u16) -> String {
        match self {
            Self::Own(_) => {
                format!("  listens     UDP {port}    informs of version 2c are acknowledged")
            }
            Self::Beside(_) => {
                let holder = holder_of(Transport::Udp, port);
                let holder = holder.unwrap_or_else(|| "the program that has it".to_owned());
                format!(
                    "  listens     UDP {port}    beside {holder}, which answers; what comes by here may still be\n              \
                     dropped by this host's own firewall"
                )
            }
        }
    }

    /// The next datagram; `room` is read into.
    async fn next(&self, room: &mut [u8]) -> io::Result<CameDatagram> {
        match self {
            Self::Own(sockets) => loop {
                let ready = sockets.iter().enumerate().map(|(index, socket)| {
                    Box::pin(async move { socket.readable().await.map(|()| index) })
                });
                let index = select_all(ready).await.0?;
                let Some(socket) = sockets.get(index) else { continue };
                let (length, from) = match socket.try_recv_from(room) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    read => read?,
                };
                let bytes = room.get(..length).unwrap_or_default().to_vec();
                let (to, socket) = (socket.local_addr()?, Some(index));
                return Ok(CameDatagram { from, to, bytes, is_whole: true, socket });
            },
            Self::Beside(eavesdropper) => {
                let heard = eavesdropper.hear().await?;
                let (from, to) = (heard.from, heard.to);
                let (bytes, is_whole) = (heard.bytes, heard.is_whole);
                Ok(CameDatagram { from, to, bytes, is_whole, socket: None })
            }
        }
    }

    /// Answers where nobody else does; was there an answer?
    async fn answer(&self, came: &CameDatagram, bounds: &Bounds) -> bool {
        let (Self::Own(sockets), Some(index)) = (self, came.socket) else { return false };
        let reply = answer_receiver(&came.bytes);
        let length = reply.as_ref().map_or(0, Vec::len);
        let is_paid = bounds.may_answer(came.from.ip(), came.bytes.len(), length);
        match (reply, sockets.get(index)) {
            (Some(reply), Some(socket)) if is_paid => {
                socket.send_to(&reply, came.from).await.is_ok()
            }
            _ => false,
        }
    }
}

async fn hear(ears: &Ears, request: &ListenRequest, shown: &mut ShownTraps) {
    let bounds = Bounds::default();
    let mut room = vec![0; LARGEST];
    let expected = request.community.as_ref().map(|secret| secret.expose_secret().as_bytes());
    while request.count.is_none_or(|most| shown.traps < most) {
        let Ok(came) = ears.next(&mut room).await else {
            // An ICMP error of an earlier answer, or an interface that went away.
            tokio::task::yield_now().await;
            continue;
        };
        let is_bearable = bounds.allow(came.from.ip(), DATAGRAMS, Instant::now());
        if !is_bearable {
            shown.leave_out(came.from.ip());
            continue;
        }
        let answering = match (ears, ears.answer(&came, &bounds).await) {
            (Ears::Own(_), true) => Answering::Answered,
            (Ears::Own(_), false) => Answering::Unanswered,
            (Ears::Beside(_), _) => Answering::LeftToOther,
        };
        let what = TrapDatagram::read(&came.bytes, expected);
        shown.show(&Arrived {
            at: jiff::Timestamp::now(),
            from: SocketAddr::new(came.from.ip().to_canonical(), came.from.port()),
            to: came.to,
            what,
            head: came.bytes.get(..came.bytes.len().min(HEAD)).unwrap_or_default().to_vec(),
            length: came.bytes.len(),
            is_whole: came.is_whole,
            answering,
        });
    }
}

/// What was shown, counted: by whom, and what.
struct ShownTraps {
    as_lines: bool,
    /// Of the terminal; none: it goes elsewhere.
    width: Option<usize>,
    traps: u64,
    counts: BTreeMap<(IpAddr, String), u64>,
    left_out: BTreeMap<IpAddr, u64>,
    others: u64,
}

impl ShownTraps {
    fn new(request: &ListenRequest) -> Self {
        Self {
            as_lines: request.as_lines,
            width: io::stdout().is_terminal().then(terminal_width),
            traps: 0,
            counts: BTreeMap::new(),
            left_out: BTreeMap::new(),
            others: 0,
        }
    }

    fn show(&mut self, arrived: &Arrived) {
        if self.as_lines {
            say(&arrived.line());
        } else {
            arrived.rows(self.width).iter().for_each(|row| say(row));
        }
        self.traps += u64::from(matches!(arrived.what, TrapDatagram::Notification(_)));
        let key = (arrived.from.ip(), arrived.title());
        self.others += count(&mut self.counts, key);
    }

    fn leave_out(&mut self, from: IpAddr) {
        self.others += count(&mut self.left_out, from.to_canonical());
    }

    /// All of it, a line each.
    fn sum(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        if self.counts.is_empty() {
            let nothing =
                "  nothing came: whether traps are sent at all is known on the devices alone";
            lines.push(nothing.to_owned());
        }
        let count =
            |((from, what), count): (&(IpAddr, String), &u64)| format!("  {from}  {count} {what}");
        lines.extend(self.counts.iter().map(count));
        let left_out = |(from, count): (&IpAddr, &u64)| {
            format!("  {from}  {count} more datagrams, too many at once to show")
        };
        lines.extend(self.left_out.iter().map(left_out));
        if self.others > 0 {
            lines.push(format!(
                "  others  {} more datagrams, of too many kinds to show",
                self.others
            ));
        }
        lines
    }
}

/// Counts one more of `key`; tells how many there was no room for.
fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) -> u64 {
    if counts.len() >= MOST && !counts.contains_key(&key) {
        return 1;
    }
    *counts.entry(key).or_default() += 1;
    0
}

/// Pairs of source and trap that are counted; forged sources must not fill the memory.
const MOST: usize = 1000;
/// The largest datagram.
const LARGEST: usize = 65_535;
/// Bytes that are shown of what is no SNMP.
const HEAD: usize = 16;
/// The exit code when no trap came, which proves nothing.
const NOTHING_CAME: u8 = 3;
