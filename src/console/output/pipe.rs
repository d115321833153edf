//! Pipes and devices: written to as they are, when they are root's or our own.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use super::walk::{OpenedPlace, Unwritable, is_trusted, kind};

/// Opens the pipe or device of this name, of which `there` was seen.
///
/// # Errors
///
/// It is another user's, no place to write to, or a pipe that nobody reads.
pub(super) fn open(place: &OpenedPlace, there: &FileStat) -> io::Result<File> {
    if ![SFlag::S_IFIFO, SFlag::S_IFCHR].contains(&kind(there)) {
        return Err(Unwritable::Special.into());
    }
    if !is_trusted(there) {
        return Err(Unwritable::Foreign { owner: there.st_uid }.into());
    }
    let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = first_reader(|| {
        Ok(openat(&place.folder, &*place.name, flags | OFlag::O_NONBLOCK, Mode::empty())?.into())
    })?;
    let is = fstat(&opened)?;
    if (is.st_dev, is.st_ino) != (there.st_dev, there.st_ino) {
        return Err(Unwritable::Exchanged.into());
    }
    waiting(opened)
}

/// Our own descriptor, as `/dev/stdout` and `>(command)` of a shell name one.
///
/// # Errors
///
/// It is not open for writing.
pub(super) fn descriptor(number: i32) -> io::Result<File> {
    // What stands behind these two may be closed to us by its name, as a terminal after `su`.
    match number {
        1 => return io::stdout().as_fd().try_clone_to_owned().map(File::from),
        2 => return io::stderr().as_fd().try_clone_to_owned().map(File::from),
        _ => {}
    }
    let name = format!("/proc/self/fd/{number}");
    let opened = first_reader(|| {
        let mut options = OpenOptions::new();
        // Behind what a file has already: whoever opened it may have written to it.
        options.append(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
        options.open(&name)
    })?;
    waiting(opened)
}

/// Opens as soon as a pipe has a reader; nobody tells when one comes.
fn first_reader(open: impl Fn() -> io::Result<File>) -> io::Result<File> {
    let started = Instant::now();
    loop {
        match open() {
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
                if started.elapsed() > PATIENCE {
                    return Err(Unwritable::Unread.into());
                }
                sleep(LOOK_AGAIN);
            }
            opened => return opened,
        }
    }
}

/// From here on a slow reader is waited for, as in every other program.
fn waiting(file: File) -> io::Result<File> {
    let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

/// How long a pipe may be without a reader: who starts both ends starts them at once.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is asked whether one has come.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
