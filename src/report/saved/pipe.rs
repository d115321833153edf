//! Opening a file that may be a pipe: does anybody write to it at all?
//!
//! fifo(7): opening a named pipe waits until somebody opens its other end, which may be never. A
//! writer who is slow, as a run over ssh, is waited for, like in every other program.

use std::fs::{File, OpenOptions};
use std::io::{Cursor, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};

/// Opens `file` for reading; a pipe, as soon as it has a writer.
///
/// # Errors
///
/// One sentence: it cannot be opened, or is a named pipe that nobody writes to.
pub(super) fn open(file: &Path) -> Result<impl Read, String> {
    let opened = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(file);
    let opened = opened.map_err(|error| error.to_string())?;
    let kind = opened.metadata().map_err(|error| error.to_string())?.file_type();
    let begin = if kind.is_fifo() { begin(&opened)? } else { Vec::new() };
    // From here on a reader waits for what is written.
    fcntl(&opened, FcntlArg::F_SETFL(OFlag::empty())).map_err(|error| error.to_string())?;
    Ok(Cursor::new(begin).chain(opened))
}

/// What was read of a pipe to learn whether anybody holds its other end.
fn begin(mut pipe: &File) -> Result<Vec<u8>, String> {
    let mut end = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut end, PATIENCE_MS).map_err(|error| error.to_string())?;
    let mut byte = [0];
    match pipe.read(&mut byte) {
        Ok(0) if ready == 0 => Err("nobody writes to this pipe".to_owned()),
        Ok(length) => Ok(byte.into_iter().take(length).collect()),
        // Somebody holds the other end, and has not written yet.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

/// How long a pipe may be without a writer: who starts both ends starts them at once.
const PATIENCE_MS: u16 = 3000;
