//! Ten thousand agents: one thread that answers for whatever address was asked.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use preflight_checks::{Respond, SERVICES};

use crate::Outcome;
use crate::far::Far;

/// The community of the far side of `preflight-checks`.
pub(crate) const COMMUNITY: &str = "preflight-demo";

/// What comes back to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// What an agent answers, to discovery and to a GET.
    Healthy,
    /// The same a thousand times, of each device's first question.
    Again,
    /// Healthy answers, and beside them a stranger who sends 50,000 datagrams a second to whoever asks.
    Flood,
    /// Bytes that are no SNMP.
    Garbage,
}

/// The agents; they answer until they are ended.
pub(crate) struct Agents {
    thread: JoinHandle<Result<(), String>>,
    ends: Arc<AtomicBool>,
}

impl Agents {
    /// Begins to answer.
    pub(crate) fn answer(far: &Far, answers: Answers) -> Outcome<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        std::thread::scope(|scope| {
            // The thread itself enters the far namespace; its socket stays there.
            let socket = scope.spawn(|| -> Outcome<UdpSocket> {
                far.enter()?;
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
                setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
                setsockopt(&socket, sockopt::SndBuf, &BUFFER)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(socket)
            });
            let socket = socket.join().map_err(|_panic| "the far side panicked")??;
            let thread = std::thread::spawn(move || {
                serve(&socket, answers, &is_over).map_err(|error| error.to_string())
            });
            Ok(Self { thread, ends })
        })
    }

    /// Ends them.
    pub(crate) fn end(self) -> Outcome<()> {
        self.ends.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_panic| "the far side panicked")??)
    }
}

fn serve(socket: &UdpSocket, answers: Answers, is_over: &AtomicBool) -> Outcome<()> {
    let snmp = SERVICES.iter().find(|service| service.name == "snmp").ok_or("no SNMP")?;
    let Respond::Datagram(respond) = snmp.respond else { return Err("SNMP over a stream".into()) };
    let mut question = [0; 2048];
    let mut answered = std::collections::HashSet::new();
    let mut flood: Option<(JoinHandle<()>, Arc<AtomicBool>)> = None;
    while !is_over.load(Ordering::Relaxed) {
        let Some((length, from, to)) = hear(socket, &mut question)? else { continue };
        let question = question.get(..length).unwrap_or_default();
        let answer = match answers {
            Answers::Garbage => Some(b"\x15\x03 no agent".to_vec()),
            Answers::Healthy | Answers::Again | Answers::Flood => respond(question),
        };
        if answers == Answers::Flood && flood.is_none() {
            let socket = socket.try_clone()?;
            let stranger = nix::libc::in_addr { s_addr: u32::from_ne_bytes(STRANGER) };
            let ends = Arc::new(AtomicBool::new(false));
            let is_over = Arc::clone(&ends);
            let thread = std::thread::spawn(move || shout(&socket, from, stranger, &is_over));
            flood = Some((thread, ends));
        }
        let is_first = answers == Answers::Again && answered.insert(to.s_addr);
        // A thousand from a few, one more from each other: what two cores can make in a second.
        let times = match is_first {
            false => 1,
            true if answered.len() % 250 == 0 => 1_000,
            true => 2,
        };
        for _ in 0..times {
            say(socket, answer.as_deref().unwrap_or_default(), from, to);
        }
    }
    if let Some((thread, ends)) = flood {
        ends.store(true, Ordering::Relaxed);
        thread.join().map_err(|_panic| "the stranger panicked")?;
    }
    Ok(())
}

/// A stranger's words, 50 a millisecond.
fn shout(socket: &UdpSocket, to: SockaddrIn, stranger: nix::libc::in_addr, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        for _ in 0..50 {
            say(socket, b"\x30\x82 nobody asked", to, stranger);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A question, who asked, and which of our addresses; none, when nobody asks.
fn hear(
    socket: &UdpSocket,
    into: &mut [u8],
) -> Outcome<Option<(usize, SockaddrIn, nix::libc::in_addr)>> {
    let mut space = nix::cmsg_space!(nix::libc::in_pktinfo);
    let mut slices = [IoSliceMut::new(into)];
    let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
    let message = match recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut space), flags) {
        Ok(message) => message,
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(arrival) => Some(arrival.ipi_addr),
        _ => None,
    });
    Ok(message.address.zip(to).map(|(from, to)| (message.bytes, from, to)))
}

fn say(socket: &UdpSocket, answer: &[u8], to: SockaddrIn, from: nix::libc::in_addr) {
    if answer.is_empty() {
        return;
    }
    let any = nix::libc::in_addr { s_addr: 0 };
    let info = nix::libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: from, ipi_addr: any };
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    let slices = [IoSlice::new(answer)];
    // An answer that cannot be sent is lost, as on any network.
    let _sent = sendmsg(socket.as_raw_fd(), &slices, &control, MsgFlags::empty(), Some(&to));
}

const PORT: u16 = 161;
/// An address of the far side that is no device's.
const STRANGER: [u8; 4] = [10, 98, 1, 1];
/// Room for a question of each device twice.
const BUFFER: usize = 32 * 1024 * 1024;
/// How often it looks whether it is over.
const PATIENCE: Duration = Duration::from_millis(50);
