//! The floor: what the kernel and one socket cost. One GET an agent, a second, one repetition, no checks.

use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt,
};

use crate::far::Far;
use crate::measure;
use crate::{ENVIRONMENT, Outcome, device};

/// The first argument of a process that is the floor.
pub(crate) const FLOOR: &str = "--floor";

/// What a run of it came to.
pub(crate) struct Floor {
    pub(crate) took: Duration,
    pub(crate) heard: usize,
}

/// Runs this same program in the near namespace, as the floor.
pub(crate) fn run(far: &Far, first: Ipv4Addr, devices: usize) -> Outcome<Floor> {
    let words = [FLOOR.to_owned(), first.to_string(), devices.to_string()].map(OsString::from);
    let command = [&[std::env::current_exe()?.into()], words.as_slice()].concat();
    let run = measure::run(&far.inside(&command), &ENVIRONMENT)?;
    let heard = String::from_utf8(run.stdout)?.trim().parse()?;
    Ok(Floor { took: run.wall, heard })
}

/// Asks all devices and prints how many have answered.
pub(crate) fn ask_all(mut arguments: impl Iterator<Item = OsString>) -> Outcome<()> {
    let mut word = || {
        let word = arguments.next().and_then(|word| word.into_string().ok());
        word.ok_or("--floor FIRST DEVICES")
    };
    let (first, devices): (Ipv4Addr, usize) = (word()?.parse()?, word()?.parse()?);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    socket.set_nonblocking(true)?;
    let mut is_heard = vec![false; devices];
    for _ in 0..2 {
        let missing: Vec<usize> =
            (0..devices).filter(|&at| is_heard.get(at) == Some(&false)).collect();
        for batch in missing.chunks(BATCH) {
            send(&socket, first, batch);
            hear(&socket, &mut is_heard)?;
        }
        let until = Instant::now() + WAIT;
        while is_heard.contains(&false) && Instant::now() < until {
            if hear(&socket, &mut is_heard)? == 0 {
                std::thread::sleep(PAUSE);
            }
        }
    }
    let heard = is_heard.iter().filter(|heard| **heard).count();
    Ok(writeln!(std::io::stdout(), "{heard}")?)
}

fn send(socket: &UdpSocket, first: Ipv4Addr, batch: &[usize]) {
    let questions: Vec<Vec<u8>> = batch.iter().map(|&number| question(number)).collect();
    let slices: Vec<[IoSlice<'_>; 1]> =
        questions.iter().map(|question| [IoSlice::new(question)]).collect();
    let to: Vec<Option<SockaddrIn>> = batch
        .iter()
        .map(|&number| {
            let [a, b, c, d] = device(first, number).octets();
            Some(SockaddrIn::new(a, b, c, d, 161))
        })
        .collect();
    let mut headers = MultiHeaders::preallocate(batch.len(), None);
    // What is refused or finds no room is asked again with the others that are missing.
    let _sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &to, [], MsgFlags::empty());
}

/// Takes what has come; how much.
fn hear(socket: &UdpSocket, is_heard: &mut [bool]) -> Outcome<usize> {
    let mut bytes = vec![[0_u8; 512]; BATCH];
    let mut slices: Vec<[IoSliceMut<'_>; 1]> =
        bytes.iter_mut().map(|one| [IoSliceMut::new(one)]).collect();
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let flags = MsgFlags::MSG_DONTWAIT;
    let mut lengths = Vec::new();
    match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
        Ok(messages) => lengths.extend(messages.map(|message| message.bytes)),
        Err(nix::errno::Errno::EAGAIN) => {}
        Err(error) => return Err(error.into()),
    }
    for (one, length) in bytes.iter().zip(&lengths) {
        let number = one.get(..*length).and_then(answered);
        if let Some(slot) = number.and_then(|number| is_heard.get_mut(number)) {
            *slot = true;
        }
    }
    Ok(lengths.len())
}

/// A GET of sysUpTime, version 2c, with the number as its request id in four bytes.
fn question(number: usize) -> Vec<u8> {
    let id = (0x0100_0000 + u32::try_from(number).unwrap_or_default()).to_be_bytes();
    let head = b"\x30\x31\x02\x01\x01\x04\x0epreflight-demo\xa0\x1c\x02\x04";
    let tail =
        b"\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x05\x00";
    [head.as_slice(), &id, tail].concat()
}

/// Whose answer it is: the request id stands behind the community.
fn answered(bytes: &[u8]) -> Option<usize> {
    let community = bytes.windows(14).position(|window| window == b"preflight-demo")?;
    let rest = bytes.get(community + 14..)?;
    let at = rest.windows(2).position(|window| window == b"\x02\x04")?;
    let id = u32::from_be_bytes(*rest.get(at + 2..)?.first_chunk()?);
    usize::try_from(id.checked_sub(0x0100_0000)?).ok()
}

const BATCH: usize = 64;
const BUFFER: usize = 32 * 1024 * 1024;
/// How long each round waits for the last answer.
const WAIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_micros(200);
